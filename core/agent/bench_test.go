package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

var (
	benchQueues      = flag.Int("bench.queues", 10000, "queues in BenchmarkSubscribe")
	benchConnections = flag.Int("bench.connections", 500, "connections in BenchmarkConnections")
)

func BenchmarkMessages(b *testing.B) {
	alice, bob, atAlice, _ := connect(b, newRelay(b))
	n := 0
	for b.Loop() {
		alice.write(atAlice, "a message of ordinary length, as people write them")
		n++
	}
	bob.wait("all messages", func() bool { return len(bob.bodies) == n })
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkLatency(b *testing.B) {
	alice, bob, atAlice, _ := connect(b, newRelay(b))
	n := 0
	for b.Loop() {
		alice.write(atAlice, "a message of ordinary length, as people write them")
		n++
		bob.wait("the message", func() bool { return len(bob.bodies) == n })
	}
}

// BenchmarkConnections is BenchmarkMessages with many connections, which take turns.
func BenchmarkConnections(b *testing.B) {
	r := newRelayWith(b, relay.Config{NewQueuesPerMinute: -1})
	alice, bob := newParty(b, "alice", r.server), newParty(b, "bob", r.server)
	var atAlice []int64
	for range *benchConnections {
		id, link, _ := alice.invite()
		bob.join(link)
		atAlice = append(atAlice, id)
		alice.wait("the connection", func() bool { return alice.connected == len(atAlice) })
	}
	n := 0
	for b.Loop() {
		alice.write(atAlice[n%len(atAlice)], "a message of ordinary length, as people write them")
		n++
	}
	bob.wait("all messages", func() bool { return len(bob.bodies) == n })
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msg/s")
}

// subscriptions counts the subscriptions that relays confirm.
type subscriptions struct {
	mu    sync.Mutex
	want  int
	all   chan struct{} // closed when there are that many
	conns []smp.Conn
}

// expect returns a channel that is closed when a number of subscriptions is confirmed, from now on.
func (s *subscriptions) expect(n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want, s.all = n, make(chan struct{})
	return s.all
}

func (s *subscriptions) confirmed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.want--; s.want == 0 {
		close(s.all)
	}
}

type countingConn struct {
	*transport.Conn
	s *subscriptions
}

func (s *subscriptions) dial(ctx context.Context, server wire.Server) (smp.Conn, error) {
	c, err := transport.Dialer{}.Dial(ctx, server.Hosts[0], server.Port, server.KeyHash, "smp/1")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	return countingConn{c, s}, nil
}

func (c countingConn) ReadBlock() ([]byte, error) {
	content, err := c.Conn.ReadBlock()
	if list, err := smp.SplitBlock(nil, content); err == nil {
		for _, t := range list {
			if bytes.Contains(t, []byte("SOK")) {
				c.s.confirmed()
			}
		}
	}
	return content, err
}

// cut ends all connections.
func (s *subscriptions) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSubscribe measures how long it takes until the queues of an agent, on three relays, are
// subscribed to after the start and after all connections were lost, and what memory they take.
func BenchmarkSubscribe(b *testing.B) {
	n := &node{t: b, name: "subscriber", dir: b.TempDir() + "/db"}
	subs := new(subscriptions)
	n.network = smp.Config{Dial: subs.dial}
	if err := n.start(true); err != nil {
		b.Fatal(err)
	}
	defer func() { n.stop() }()
	for range 3 {
		makeQueues(b, n, newRelayWith(b, relay.Config{NewQueuesPerMinute: -1}).server, *benchQueues/3)
	}
	want := *benchQueues / 3 * 3
	n.stop()
	before := heap()
	var started, lost time.Duration
	var memory float64
	for b.Loop() {
		all := subs.expect(want)
		start := time.Now()
		if err := n.start(false); err != nil {
			b.Fatal(err)
		}
		<-all
		started += time.Since(start)
		memory = float64(int64(heap())-int64(before)) / float64(want)
		all = subs.expect(want)
		start = time.Now()
		subs.cut()
		n.Retry()
		<-all
		lost += time.Since(start)
		n.stop()
	}
	if err := n.start(false); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(started.Seconds()/float64(b.N), "s/start")
	b.ReportMetric(lost.Seconds()/float64(b.N), "s/reconnect")
	b.ReportMetric(memory, "B/queue")
}

// makeQueues makes queues on a relay, with a connection for each.
func makeQueues(b *testing.B, n *node, server wire.Server, count int) {
	b.Helper()
	c, err := smp.Connect(b.Context(), smp.Config{}, server)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	keys := make([]crypt.Ed25519Private, count)
	requests := make([]smp.Request, count)
	dh, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for i := range requests {
		if keys[i], err = crypt.NewEd25519(rand.Reader); err != nil {
			b.Fatal(err)
		}
		requests[i] = smp.Request{Key: &keys[i], Command: smp.New{RcvAuth: keys[i].Public(), RcvDH: dh.Public(), Mode: smp.ModeMessaging}}
	}
	results := c.DoBatch(b.Context(), requests)
	err = n.db.Update(b.Context(), func(tx *store.Tx) error {
		for i, r := range results {
			ids, ok := r.Message.(smp.IDs)
			if !ok {
				return fmt.Errorf("making a queue: %v %w", r.Message, r.Err)
			}
			row := &store.Connection{State: string(StateConnected), Role: roleInitiator, AgentVersion: 7, Created: time.Now()}
			if err := tx.InsertConnection(row); err != nil {
				return err
			}
			q := &store.ReceiveQueue{Connection: row.ID, Server: server.String(), RecipientID: []byte(ids.RcvID), SenderID: []byte(ids.SndID), Mode: byte(ids.Mode),
				ClientVersion: 4, State: queueActive, Key: keys[i][:], DHSecret: make([]byte, 32), E2EKey: make([]byte, 32), E2ESecret: make([]byte, 32)}
			if err := tx.InsertReceiveQueue(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
