package relay

import (
	"crypto/rand"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

// BenchmarkCycle measures full cycles of a message of the usual size: SEND, OK, MSG, ACK,
// OK. Each queue has a sender and a recipient with connections of their own.
func BenchmarkCycle(b *testing.B) {
	for name, queues := range map[string]int{"queues=1": 1, "queues=16": 16, "queues=64": 64} {
		b.Run(name, func(b *testing.B) {
			s := startRelay(b, Config{CommandsPerSecond: -1})
			body := make([]byte, smp.MaxBody(18))
			rand.Read(body)
			work := make(chan struct{})
			ended := make(chan error, queues)
			for range queues {
				rcv, snd := s.dial(b, 18), s.dial(b, 18)
				q, key := rcv.newQueue(smp.ModeMessaging, nil), ed25519Key()
				snd.want(smp.OK{}, smp.SKey{Key: key.public}, q.SndID, key.private)
				rcv.net.SetDeadline(time.Time{})
				snd.net.SetDeadline(time.Time{})
				go func() {
					for range work {
						if err := cycle(rcv, snd, q, key, body); err != nil {
							ended <- err
							return
						}
					}
					ended <- nil
				}()
			}
			b.ResetTimer()
			b.ReportAllocs()
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			for range queues {
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
		})
	}
}

func cycle(rcv, snd *peer, q *testQueue, key authKey, body []byte) error {
	if err := snd.trySend(snd.transmission(smp.Send{Body: body}, q.SndID, key.private)); err != nil {
		return err
	}
	if _, err := snd.tryNext(); err != nil {
		return err
	}
	t, err := rcv.tryNext()
	if err != nil {
		return err
	}
	m, err := smp.ParseMessage(18, t.Body)
	if err != nil {
		return err
	}
	ack := smp.Ack{MsgID: m.(smp.Msg).ID}
	if err := rcv.trySend(rcv.transmission(ack, q.RcvID, q.rcv.private)); err != nil {
		return err
	}
	_, err = rcv.tryNext()
	return err
}

// BenchmarkHandshake measures new connections.
func BenchmarkHandshake(b *testing.B) {
	s := startRelay(b, Config{})
	for b.Loop() {
		p := s.dial(b, 18)
		p.want(smp.Pong{}, smp.Ping{}, "", nil)
		p.net.NetConn().Close()
	}
}

// heap is the memory in use, stacks included.
func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkQueueMemory measures what a queue with a subscriber takes in memory.
func BenchmarkQueueMemory(b *testing.B) {
	const queues = 100_000
	s := startRelay(b, Config{CommandsPerSecond: -1, NewQueuesPerMinute: -1})
	c := offline(s.Relay, 18)
	key := ed25519Key()
	for b.Loop() {
		before := heap()
		for i := range queues {
			t := smp.Transmission{CorrID: make([]byte, 24)}
			dh := crypt.X25519Private{byte(i), byte(i >> 8), byte(i >> 16)}
			t.Body = smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Mode: smp.ModeMessaging, Subscribe: true}.Append(nil, 18)
			if err := t.Authorize(c.params, key.private, nil); err != nil {
				b.Fatal(err)
			}
			c.executeBlock(smp.AppendBlock(nil, [][]byte{c.params.AppendTransmission(nil, &t)}))
			c.waiting = c.waiting[:0]
		}
		if len(c.subs) < queues {
			b.Fatalf("%d subscriptions", len(c.subs))
		}
		c.waiting = nil
		b.ReportMetric(float64(heap()-before)/queues, "B/queue")
	}
}

// BenchmarkConnectionMemory measures what an idle connection takes in memory after it has
// subscribed to a queue and received a message. Clients run in the same process but are
// reduced to their socket.
func BenchmarkConnectionMemory(b *testing.B) {
	const conns = 1000
	s := startRelay(b, Config{})
	for b.Loop() {
		before := heap()
		var peers []io.Closer
		for range conns {
			p := s.dial(b, 18)
			q := p.newQueue(smp.ModeMessaging, nil)
			p.want(smp.OK{}, text("hello"), q.SndID, nil)
			q.wantText(b, p.event(q.RcvID), "hello")
			peers = append(peers, relaytest.Socket(p.net))
		}
		b.ReportMetric(float64(heap()-before)/conns, "B/conn")
		for _, p := range peers {
			p.Close()
		}
	}
}

// BenchmarkOpen measures the start with many queues.
func BenchmarkOpen(b *testing.B) {
	s := startRelay(b, Config{})
	for range 100_000 {
		q := &queue{record: record{rcv: newKey(), snd: newKey(), rcvKeys: []crypt.AuthPublic{crypt.Ed25519Public{}}}}
		if _, err := s.store.create(q, nil); err != nil {
			b.Fatal(err)
		}
	}
	s.stop()
	for b.Loop() {
		r, err := Open(s.dir, Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
