package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// circuits notes the circuits that are asked for.
type circuits struct {
	mu   sync.Mutex
	list []string
}

func (c *circuits) path(ctx context.Context, relay wire.Server, circuit string) (transport.Path, error) {
	c.mu.Lock()
	c.list = append(c.list, circuit)
	c.mu.Unlock()
	return transport.Direct(ctx, relay, circuit)
}

// take returns those since the last call, each once.
func (c *circuits) take() (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, c.list = c.list, nil
	slices.Sort(list)
	return slices.Compact(list)
}

// receiving returns the circuits of the queues that a party receives from.
func (p *party) receiving() (list []string) {
	p.t.Helper()
	var queues []smp.ID
	err := p.db.View(p.t.Context(), func(tx *store.Tx) error {
		all, err := tx.ReceiveQueues()
		for _, q := range all {
			queues = append(queues, smp.ID(q.RecipientID))
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, id := range queues {
		list = append(list, p.apart(id))
	}
	slices.Sort(list)
	return list
}

// TestIsolate has two connections of one agent share nothing with each other: each queue, of those to receive from and of those to
// send to, has a session and a circuit of its own, also after a restart and on the queue that takes the place of another.
func TestIsolate(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	var seen circuits
	alice := newParty(t, "alice", r.server)
	alice.path, alice.isolate = seen.path, func() bool { return true }
	alice.restart()
	var others []*party
	var at, atOther []int64
	for i := range 2 {
		other := newParty(t, fmt.Sprint("other ", i), r.server)
		connection, link, _ := alice.invite()
		there := other.join(link)
		alice.wait("the connection", func() bool { return alice.connected == i+1 })
		other.wait("the connection", func() bool { return other.connected == 1 })
		others, at, atOther = append(others, other), append(at, connection), append(atOther, there)
	}
	var received []string
	talk := func(what string) {
		t.Helper()
		for i, other := range others {
			text := fmt.Sprint(what, " from ", i)
			other.write(atOther[i], text)
			received = append(received, text)
			alice.wait(text, func() bool { return slices.Equal(alice.bodies, received) })
			back := len(other.bodies)
			alice.write(at[i], what)
			other.wait(what, func() bool { return len(other.bodies) > back && other.bodies[len(other.bodies)-1] == what })
		}
	}
	talk("first")
	// Two queues that were made, and two to send to.
	list := seen.take()
	if len(list) < 4 || slices.Contains(list, "") {
		t.Errorf("the circuits are %q", list)
	}
	if n := alice.sessionsWithQueues(); !slices.Equal(n, []int{1, 1}) {
		t.Errorf("the sessions have %d queues", n)
	}

	alice.restart()
	talk("after a restart")
	list = seen.take()
	if len(list) != 4 {
		t.Errorf("after a restart there are the circuits %q", list)
	}
	for _, c := range alice.receiving() {
		if !slices.Contains(list, c) {
			t.Errorf("a queue has not the circuit %q", c)
		}
	}

	if err := alice.Rotate(t.Context(), at[0]); err != nil {
		t.Fatal(err)
	}
	alice.wait("her queue to move", func() bool { return slices.Equal(alice.moved, []bool{true}) })
	talk("after a rotation")
	if moved := seen.take(); len(moved) == 0 || slices.ContainsFunc(moved, func(c string) bool { return slices.Contains(list, c) }) {
		t.Errorf("the new queue came with the circuits %q, of those before %q", moved, list)
	}
	if len(alice.problems) > 0 {
		t.Error(alice.problems)
	}
}

// sessionsWithQueues returns how many queues are subscribed in each session, without those that have none.
func (a *Agent) sessionsWithQueues() (list []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		if n := len(s.session.Queues()); n > 0 {
			list = append(list, n)
		}
	}
	return list
}

// TestIsolateSwitched has what is connected taken apart, and put together, when the choice is made.
func TestIsolateSwitched(t *testing.T) {
	t.Parallel()
	r := newRelay(t)
	var isolate atomic.Bool
	alice := newParty(t, "alice", r.server)
	alice.isolate = isolate.Load
	alice.restart()
	bob := newParty(t, "bob", r.server)
	var at, there []int64
	for i := range 3 {
		connection, link, _ := alice.invite()
		there = append(there, bob.join(link))
		at = append(at, connection)
		alice.wait("the connection", func() bool { return alice.connected == i+1 })
		bob.wait("the connection", func() bool { return bob.connected == i+1 })
	}
	if n := alice.sessionsWithQueues(); !slices.Equal(n, []int{3}) {
		t.Errorf("at first the sessions have %d queues", n)
	}
	var want []string
	for round := range 4 {
		isolate.Store(round%2 == 0)
		bob.write(there[0], fmt.Sprint("waits ", round)) // while it is switched
		alice.Reconnect()
		for i := range there {
			text := fmt.Sprint("round ", round, " by ", i)
			bob.write(there[i], text)
			want = append(want, text)
			alice.write(at[i], text)
		}
		want = append(want, fmt.Sprint("waits ", round))
		slices.Sort(want)
		alice.wait("all messages", func() bool { return slices.Equal(slices.Sorted(slices.Values(alice.bodies)), want) })
		bob.wait("all messages", func() bool { return len(bob.bodies) == (round+1)*len(at) })
		sessions := []int{3}
		if isolate.Load() {
			sessions = []int{1, 1, 1}
		}
		deadline, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
		for !slices.Equal(alice.sessionsWithQueues(), sessions) {
			select {
			case <-again.C:
			case <-deadline:
				t.Fatalf("isolated %v: the sessions have %d queues", isolate.Load(), alice.sessionsWithQueues())
			}
		}
		again.Stop()
	}
	if len(alice.problems)+len(bob.problems) > 0 {
		t.Error(alice.problems, bob.problems)
	}
}

// TestRerouted has the way to a relay change while messages wait, and while they are on their way: nothing more goes by the old
// connections from the moment on at which Reconnect returned.
func TestRerouted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		net := newMemNet()
		r := net.add(t, "relay")
		var changed, told atomic.Bool // the way; and Reconnect returned since
		dial := func(ctx context.Context, server wire.Server) (smp.Conn, error) {
			old := !changed.Load()
			conn, err := net.dial(ctx, server)
			if err != nil {
				return nil, err
			}
			return &wayConn{Conn: conn, t: t, old: old, told: &told}, nil
		}
		alice, bob := newNode(t, net, "alice", r), newNode(t, net, "bob", r)
		there, _ := befriend(t, alice, bob)
		alice.network.Dial = dial
		alice.restart()
		time.Sleep(time.Minute)
		for i := range 20 {
			if err := alice.write(there.fromID, fmt.Sprint("before ", i)); err != nil {
				t.Fatal(err)
			}
		}
		changed.Store(true)
		alice.Reconnect()
		told.Store(true)
		for i := range 5 {
			if err := alice.write(there.fromID, fmt.Sprint("after ", i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		want := append(texts("before", 20), texts("after", 5)...)
		if got := bob.texts(there.toID, "message"); !slices.Equal(got, want) {
			t.Errorf("received %q", got)
		}
	})
}

// wayConn is a connection that, if it goes the old way, nothing may be written to as soon as Reconnect returned, unless it was
// closed, which makes the write fail.
type wayConn struct {
	smp.Conn
	t      *testing.T
	old    bool
	told   *atomic.Bool
	closed atomic.Bool
}

func (c *wayConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *wayConn) WriteBlock(content []byte) error {
	if c.old && c.told.Load() && !c.closed.Load() {
		c.t.Error("a block goes the old way")
	}
	return c.Conn.WriteBlock(content)
}

// TestSlowNetwork has messages go over a network as Tor can be: each connection takes 2 to 20 seconds and one in twenty breaks. They
// arrive once and in their order.
func TestSlowNetwork(t *testing.T) {
	for _, isolate := range []bool{false, true} {
		t.Run(fmt.Sprint("isolate ", isolate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testSlowNetwork(t, isolate) })
		})
	}
}

func testSlowNetwork(t *testing.T, isolate bool) {
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	between := func(low, high time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return low + time.Duration(random.Int64N(int64(high-low)))
	}
	net := newMemNet()
	r := net.add(t, "relay")
	dials, resets := 0, 0
	dial := func(ctx context.Context, server wire.Server) (smp.Conn, error) {
		delay := time.NewTimer(between(2*time.Second, 20*time.Second))
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		conn, err := net.dial(ctx, server)
		mu.Lock()
		dials++
		breaks := random.IntN(20) == 0
		if breaks {
			resets++
		}
		mu.Unlock()
		if err == nil && breaks {
			time.AfterFunc(between(0, 10*time.Second), func() { conn.Close() })
		}
		return conn, err
	}
	var people []*node
	for _, name := range []string{"alice", "bob"} {
		n := newNode(t, net, name, r)
		n.network.Dial, n.isolate = dial, func() bool { return isolate }
		n.restart()
		people = append(people, n)
	}
	alice, bob := people[0], people[1]
	there, back := befriend(t, alice, bob)
	var want []string
	messages := 60
	if testing.Short() {
		messages = 20
	}
	for i := range messages {
		text := fmt.Sprint("message ", i)
		want = append(want, text)
		for _, s := range []*stream{there, back} {
			if err := s.from.write(s.fromID, text); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 == 0 { // the network changes
			alice.Reconnect()
			bob.Reconnect()
		}
		time.Sleep(between(0, time.Minute))
	}
	for _, s := range []*stream{there, back} {
		for start := time.Now(); len(s.to.texts(s.toID, "message")) < len(want) && time.Since(start) < time.Hour; time.Sleep(time.Second) {
		}
		if got := s.to.texts(s.toID, "message"); !slices.Equal(got, want) {
			t.Errorf("%s received %d messages: %q", s.to.name, len(got), got)
		}
		if problems := s.to.texts(s.toID, "problem"); len(problems) > 0 {
			t.Errorf("%s has the problems %q", s.to.name, problems)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if dials < messages*2/3 || resets == 0 && !testing.Short() {
		t.Errorf("%d connections, of which %d broke", dials, resets)
	}
}

// TestIsolateLeft has the sessions of queues end that are gone: they were moved, or their connection was deleted.
func TestIsolateLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		for _, n := range []*node{p.alice, p.bob} {
			n.isolate = func() bool { return true }
			n.restart()
		}
		sessions := func(when string, alice, bob int) {
			t.Helper()
			time.Sleep(2 * idleTime)
			for n, want := range map[*node]int{p.alice: alice, p.bob: bob} {
				n.mu.Lock()
				got := len(n.sessions)
				n.mu.Unlock()
				if got != want {
					t.Errorf("%s: %s has %d sessions, want %d", when, n.name, got, want)
				}
			}
			p.relay.with(func() {
				if len(p.relay.conns) != alice+bob {
					t.Errorf("%s: the relay has %d connections", when, len(p.relay.conns))
				}
			})
		}
		talk := func() {
			t.Helper()
			if p.say(t, p.alice, time.Minute) < 0 || p.say(t, p.bob, time.Minute) < 0 {
				t.Error("no message arrives")
			}
		}
		talk()
		sessions("at first", 2, 2)
		if err := p.alice.Rotate(t.Context(), p.atAlice); err != nil {
			t.Fatal(err)
		}
		talk()
		sessions("after a queue was moved", 2, 2)
		p.alice.Reconnect()
		talk()
		sessions("after all ways have changed", 2, 2)
		again, _ := befriend(t, p.alice, p.bob)
		sessions("with another connection", 4, 4)
		for n, id := range map[*node]int64{p.alice: again.fromID, p.bob: again.toID} {
			if err := n.db.Update(t.Context(), func(tx *store.Tx) error { return n.Delete(tx, id) }); err != nil {
				t.Fatal(err)
			}
		}
		sessions("after that was deleted", 2, 2)
		talk()

		// A request needs a session with the address only until it is sent.
		var address Link
		_, err := p.alice.MakeAddress(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { address = i.Full; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.bob.Join(t.Context(), address, nil, func(*store.Tx, int64) error { return nil }); err != nil {
			t.Fatal(err)
		}
		sessions("with a request", 3, 3)
	})
}
