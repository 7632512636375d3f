package relay

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

// startChild starts a relay in another process; kill ends it as a crash would.
func startChild(t *testing.T, dir string) (s *server, kill func()) {
	t.Helper()
	addr, kill := relaytest.Start(t, dir)
	return &server{Relay: &Relay{identity: must(front.ReadIdentity(dir))}, dir: dir, addr: addr}, kill
}

// crashQueue is a queue with what its two sides know for certain.
type crashQueue struct {
	*testQueue
	sent     int   // messages that were sent, answered or not; they are numbered from 0
	answered []int // messages that were answered with OK
	received []int // in order, without redeliveries
	ids      map[smp.ID]bool
}

// TestKill kills a relay again and again while messages are sent and acknowledged. Each
// message that the relay has answered with OK must arrive, in order, and once. What comes
// again because its acknowledgement was lost in the crash has its old id.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, Settings{}); err != nil {
		t.Fatal(err)
	}
	const queues, rounds, perRound = 4, 6, 150
	list := make([]*crashQueue, queues)
	for round := range rounds {
		s, kill := startChild(t, dir)
		var answered atomic.Int64
		var work sync.WaitGroup
		for i := range list {
			if list[i] == nil {
				list[i] = &crashQueue{
					testQueue: s.dial(t, 18).newQueue(smp.ModeMessaging, nil),
					ids:       make(map[smp.ID]bool),
				}
			}
			q, rcv, snd := list[i], s.dial(t, 18), s.dial(t, 18)
			work.Go(func() { q.sendUntilKilled(snd, &answered, perRound*queues, kill) })
			if round%2 == 1 { // in the other rounds messages pile up
				work.Go(func() { q.receive(t, rcv, nil) })
			}
		}
		work.Wait()
	}

	s, kill := startChild(t, dir)
	for _, q := range list {
		q.checkAll(t, s)
	}
	kill()
}

// TestKillProxied kills the proxy and the relay behind it in turn, while messages go
// through both.
func TestKillProxied(t *testing.T) {
	relayDir, proxyDir := t.TempDir(), t.TempDir()
	for _, dir := range []string{relayDir, proxyDir} {
		if _, err := Init(dir, Settings{}); err != nil {
			t.Fatal(err)
		}
	}
	const queues, rounds, perRound = 4, 4, 60
	list := make([]*crashQueue, queues)
	for round := range rounds {
		relay, killRelay := startChild(t, relayDir)
		proxy, killProxy := startChild(t, proxyDir)
		var answered atomic.Int64
		var work sync.WaitGroup
		for i := range list {
			if list[i] == nil {
				list[i] = &crashQueue{
					testQueue: relay.dial(t, 18).newQueue(smp.ModeMessaging, nil),
					ids:       make(map[smp.ID]bool),
				}
			}
			q, r := list[i], proxy.dial(t, 18).proxyTo(relay.server())
			kill := killRelay
			if round%2 == 1 {
				kill = killProxy
			}
			work.Go(func() { q.sendThroughUntilKilled(r, &answered, perRound, kill) })
		}
		work.Wait()
		killRelay()
		killProxy()
	}
	s, kill := startChild(t, relayDir)
	for _, q := range list {
		q.checkAll(t, s)
	}
	kill()
}

// sendThroughUntilKilled sends one message after the other through a proxy.
func (q *crashQueue) sendThroughUntilKilled(r *route, answered *atomic.Int64, enough int64, kill func()) {
	for {
		n := q.sent
		q.sent++
		outer, open := r.wrap(17, text(strconv.Itoa(n)), q.SndID, nil)
		if r.trySend(outer) != nil {
			return
		}
		a, err := r.tryNext()
		if err != nil {
			return
		}
		m, err := smp.ParseMessage(18, a.Body)
		if err != nil {
			return
		}
		if open(m) != (smp.OK{}) {
			return // the relay is gone
		}
		q.answered = append(q.answered, n)
		if answered.Add(1) == enough {
			kill()
		}
	}
}

// checkAll receives all messages and checks that none was lost or came twice, and their order.
func (q *crashQueue) checkAll(t *testing.T, s *server) {
	t.Helper()
	rcv, snd := s.dial(t, 18), s.dial(t, 18)
	snd.want(smp.OK{}, text("-1"), q.SndID, nil)
	q.receive(t, rcv, func(n int) bool { return n == -1 })
	seen := make(map[int]bool)
	for i, n := range q.received {
		if seen[n] {
			t.Fatalf("message %d came twice", n)
		}
		if seen[n] = true; i > 0 && n < q.received[i-1] && n >= 0 {
			t.Fatalf("message %d came after %d", n, q.received[i-1])
		}
	}
	for _, n := range q.answered {
		if !seen[n] {
			t.Fatalf("message %d is lost", n)
		}
	}
}

// sendUntilKilled keeps some messages on the way. What was not answered before the crash
// is not repeated.
func (q *crashQueue) sendUntilKilled(p *peer, answered *atomic.Int64, enough int64, kill func()) {
	const window = 5
	first := q.sent
	done := 0
	for {
		for q.sent < first+done+window {
			cmd := text(strconv.Itoa(q.sent) + strings.Repeat(" ", 8000))
			q.sent++
			if p.trySend(p.transmission(cmd, q.SndID, nil)) != nil {
				return
			}
		}
		a, err := p.tryNext()
		if err != nil {
			return
		}
		if string(a.Body) == "OK" {
			q.answered = append(q.answered, first+done)
			done++
			if answered.Add(1) == enough {
				kill()
			}
		}
	}
}

// receive acknowledges messages until the connection ends or until is true.
func (q *crashQueue) receive(t *testing.T, p *peer, until func(int) bool) {
	if p.trySend(p.transmission(smp.Sub{}, q.RcvID, q.rcv.private)) != nil {
		return
	}
	for {
		a, err := p.tryNext()
		if err != nil {
			if until != nil {
				t.Errorf("receiving: %v", err)
			}
			return
		}
		m, err := smp.ParseMessage(18, a.Body)
		if err != nil {
			t.Error(err)
			return
		}
		msg, ok := m.(smp.Msg)
		if !ok {
			continue
		}
		r, err := smp.OpenMessage(&q.secret, msg)
		if err != nil {
			t.Error(err)
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(r.Body)))
		if err != nil {
			t.Error(err)
			return
		}
		if !q.ids[msg.ID] {
			q.received = append(q.received, n)
		}
		q.ids[msg.ID] = true
		if until != nil && until(n) {
			return
		}
		if p.trySend(p.transmission(smp.Ack{MsgID: msg.ID}, q.RcvID, q.rcv.private)) != nil {
			return
		}
	}
}
