package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// newNode is a node in a network in memory whose queues are on a relay.
func newNode(t testing.TB, net *memNet, name string, r *memRelay) *node {
	t.Helper()
	n := &node{t: t, name: name, dir: filepath.Join(t.TempDir(), "db"), network: smp.Config{Dial: net.dial}}
	n.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: r.server}, nil }
	if err := n.start(true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop() })
	return n
}

// pair is two connected nodes on a relay, in a bubble.
type pair struct {
	net            *memNet
	relay          *memRelay
	alice, bob     *node
	atAlice, atBob int64
}

// inBubble runs a test with a pair.
func inBubble(t *testing.T, f func(t *testing.T, p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{net: newMemNet()}
		p.relay = p.net.add(t, "relay")
		p.alice, p.bob = newNode(t, p.net, "alice", p.relay), newNode(t, p.net, "bob", p.relay)
		there, _ := befriend(t, p.alice, p.bob)
		p.atAlice, p.atBob = there.fromID, there.toID
		f(t, p)
	})
}

// say sends a text and tells how long it took to arrive, -1 if it did not in a time.
func (p *pair) say(t *testing.T, from *node, patience time.Duration) time.Duration {
	t.Helper()
	to, fromID, toID := p.bob, p.atAlice, p.atBob
	if from == p.bob {
		to, fromID, toID = p.alice, p.atBob, p.atAlice
	}
	text := fmt.Sprint("said at ", time.Now())
	if err := from.write(fromID, text); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < patience; time.Sleep(time.Second) {
		if slices.Contains(to.texts(toID, "message"), text) {
			return time.Since(start)
		}
	}
	return -1
}

// A connection that died without a word is noticed when a message can't be sent, or by the pings.
func TestDeadConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.relay.die()
		if err := p.alice.write(p.atAlice, "anybody there?"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if n := len(p.alice.texts(p.atAlice, "sent")); n != 1 {
			t.Error("alice's message was not sent in two minutes")
		}
		time.Sleep(20 * time.Minute)
		if n := len(p.bob.texts(p.atBob, "message")); n != 1 {
			t.Error("bob, who had nothing to send, did not notice in twenty minutes")
		}
	})
}

// After the computer slept its connections are looked at, at once; setting the clock back does
// nothing.
func TestSleep(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		var offset atomic.Int64
		p.bob.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		p.bob.restart()
		time.Sleep(time.Minute)
		dials := func() (n int) { p.relay.with(func() { n = len(p.relay.dials) }); return n }
		before := dials()
		offset.Store(-int64(1000 * time.Hour))
		time.Sleep(time.Minute)
		if d := p.say(t, p.alice, time.Minute); d < 0 || d > 2*time.Second {
			t.Errorf("after the clock was set back a message took %v", d)
		}
		if dials() != before {
			t.Error("connected again because the clock was set back")
		}
		p.relay.die()
		offset.Store(0)
		time.Sleep(clockTick + probeTime + 5*time.Second)
		if dials() != before+1 {
			t.Errorf("%d new connections after the computer slept, want 1", dials()-before)
		}
		if d := p.say(t, p.bob, time.Hour); d < 0 {
			t.Error("a message did not come through afterwards")
		}
		// A connection that is alive stays.
		before = dials()
		offset.Add(int64(time.Hour))
		time.Sleep(time.Minute)
		if dials() != before {
			t.Error("connected again although the relay answers")
		}
	})
}

// Another program with the same keys takes a subscription over: there is no fight about it.
func TestEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		copied := newNode(t, p.net, "copy", p.relay)
		err := copied.db.Update(t.Context(), func(tx *store.Tx) error {
			var q *store.ReceiveQueue
			err := p.bob.db.View(t.Context(), func(tx *store.Tx) error {
				list, err := tx.ReceiveQueues()
				if err == nil {
					q = list[0]
				}
				return err
			})
			if err != nil {
				return err
			}
			c := p.bob.connection(q.Connection)
			if err := tx.InsertConnection(c); err != nil {
				return err
			}
			q.Connection = c.ID
			return tx.InsertReceiveQueue(q)
		})
		if err != nil {
			t.Fatal(err)
		}
		before := p.relay.count(smp.Sub{})
		copied.restart()
		time.Sleep(time.Hour)
		if n := p.relay.count(smp.Sub{}) - before; n != 1 {
			t.Errorf("%d subscriptions in an hour, want that of the copy only", n)
		}
	})
}

// A queue that is deleted on the relay ends its connection.
func TestDeletedOnRelay(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.relay.with(func() {
			for _, q := range p.relay.queues {
				q.sub.push(nil, []byte(q.rcv), smp.Deld{})
			}
		})
		p.bob.wait("the failure", func() bool { return slices.Equal(p.bob.texts(p.atBob, "failed"), []string{ErrQueueGone.Error()}) })
	})
}

// A queue that its relay loses while it is moved does not end the connection if the new one is agreed on.
func TestLostWhileMoved(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		other := p.net.add(t, "other")
		p.bob.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: other.server}, nil }
		p.bob.restart()
		// The test that alice sends into the new queue waits.
		noSend := func(cmd smp.Command) fate {
			if _, ok := cmd.(smp.Send); ok {
				return ignored
			}
			return executed
		}
		other.with(func() { other.fate = noSend })
		if err := p.bob.Rotate(t.Context(), p.atBob); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := p.bob.Rotate(t.Context(), p.atBob); !errors.Is(err, ErrRotating) {
			t.Error("moving it again:", err)
		}
		p.relay.with(func() {
			for _, q := range p.relay.queues {
				if _, err := p.bob.queueByID(p.relay.server, q.rcv); err == nil {
					delete(p.relay.queues, q.rcv)
					delete(p.relay.senders, q.snd)
				}
			}
		})
		p.relay.cut()
		time.Sleep(time.Minute)
		other.with(func() { other.fate = nil })
		if d := p.say(t, p.alice, time.Hour); d < 0 {
			t.Error("the new queue is not used")
		}
		if f := p.bob.texts(p.atBob, "failed"); len(f) > 0 {
			t.Error(f)
		}
		if d := p.say(t, p.bob, time.Hour); d < 0 {
			t.Error("the answer does not arrive")
		}
	})
}

// queueByID returns the queue that a relay knows by its recipient id.
func (n *node) queueByID(server wire.Server, id smp.ID) (q *store.ReceiveQueue, err error) {
	err = n.db.View(context.Background(), func(tx *store.Tx) error {
		q, err = tx.ReceiveQueueByID(server.String(), []byte(id))
		return err
	})
	return q, err
}

// An address whose queue was full goes on afterwards, although nobody can be told so.
func TestFullAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.relay.with(func() { p.relay.quota = 3 })
		var link Link
		address, err := p.alice.MakeAddress(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { link = i.Full; return nil })
		if err != nil {
			t.Fatal(err)
		}
		p.alice.stop()
		ask := func(n int) {
			for range n {
				if _, err := p.bob.Join(t.Context(), link, []byte("bob"), func(*store.Tx, int64) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		ask(5)
		if err := p.alice.start(false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(p.alice.texts(address, "request")); n != 3 {
			t.Fatalf("%d requests, want the 3 that the queue could hold", n)
		}
		ask(2)
		if n := len(p.alice.texts(address, "request")); n != 5 {
			t.Errorf("%d requests after the queue had room again, want 5", n)
		}
	})
}

// A full queue is sent to again as soon as it is empty, not after the long interval.
func TestQuota(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.relay.with(func() { p.relay.quota = 4 })
		p.bob.stop()
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint("message ", i))
			if err := p.alice.write(p.atAlice, want[i]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(24 * time.Hour)
		if n := p.relay.count(smp.Send{}); n > 4+100 {
			t.Errorf("%d attempts to send to a full queue in a day", n)
		}
		if err := p.bob.start(false); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		p.bob.wait("all messages", func() bool { return slices.Equal(p.bob.texts(p.atBob, "message"), want) })
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("the rest came after %v", d)
		}
		if list := append(p.bob.texts(p.atBob, "problem"), p.alice.texts(p.atAlice, "not sent")...); len(list) > 0 {
			t.Error(list)
		}
	})
}

// What a relay refuses for a reason of its own is asked for again.
func TestTemporaryErrors(t *testing.T) {
	for name, refused := range map[string]smp.Command{"SUB": smp.Sub{}, "ACK": smp.Ack{}, "SEND": smp.Send{}} {
		for _, reason := range []smp.Message{smp.ErrInternal, smp.ErrStore, nil} {
			t.Run(fmt.Sprint(name, " ", reason), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T, p *pair) {
					left := 2
					same := func(cmd smp.Command) bool { return fmt.Sprintf("%T", cmd) == fmt.Sprintf("%T", refused) }
					p.relay.with(func() {
						p.relay.fate = func(cmd smp.Command) fate {
							if reason != nil || !same(cmd) || left == 0 {
								return executed
							}
							left--
							return ignored
						}
						p.relay.answer = func(c *memConn, tr *smp.Transmission, cmd smp.Command) smp.Message {
							if reason == nil || !same(cmd) || left == 0 {
								return nil
							}
							left--
							return reason
						}
					})
					p.bob.restart()
					for range 3 {
						if d := p.say(t, p.alice, time.Hour); d < 0 || d > 6*time.Minute {
							t.Errorf("a message took %v", d)
						}
					}
					if problems := p.bob.texts(p.atBob, "problem"); len(problems) > 0 {
						t.Error(problems)
					}
				})
			})
		}
	}
}

// A relay on which only a link was looked up is left after a while.
func TestIdleSession(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		other := p.net.add(t, "other")
		if _, err := p.alice.Resolve(t.Context(), &ShortLink{Kind: LinkContact, Server: other.server, Key: make([]byte, 32)}); err == nil {
			t.Error("a relay without links has one")
		}
		conns := func() (n int) { other.with(func() { n = len(other.conns) }); return n }
		if conns() != 1 {
			t.Fatalf("%d connections", conns())
		}
		time.Sleep(idleTime + time.Minute)
		if conns() != 0 {
			t.Error("the connection is still there")
		}
		if d := p.say(t, p.bob, time.Minute); d < 0 {
			t.Error("the other connection is gone as well")
		}
	})
}

// A message that waited while the program did not run is not given up before it was tried for a
// while, and what is too old is given up together.
func TestExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		write := func(n int) {
			for range n {
				if err := p.alice.write(p.atAlice, fmt.Sprint("message ", time.Now())); err != nil {
					t.Fatal(err)
				}
			}
		}
		away := func() {
			p.relay.setDown(true)
			write(5)
			p.alice.stop()
			time.Sleep(3 * 24 * time.Hour)
			if err := p.alice.start(false); err != nil {
				t.Fatal(err)
			}
		}
		away()
		time.Sleep(expirePatience / 2)
		p.relay.setDown(false)
		time.Sleep(expirePatience)
		if n := len(p.bob.texts(p.atBob, "message")); n != 5 {
			t.Fatalf("%d of the 5 old messages arrived", n)
		}

		away()
		time.Sleep(3 * expirePatience)
		if n := len(p.alice.texts(p.atAlice, "not sent")); n != 5 {
			t.Errorf("%d messages were given up, want 5", n)
		}
		p.relay.setDown(false)
		write(1)
		time.Sleep(expirePatience)
		if n := len(p.bob.texts(p.atBob, "message")); n != 6 {
			t.Fatalf("%d messages, want the 5 old ones and the new one", n)
		}
		if problems := p.bob.texts(p.atBob, "problem"); !slices.Equal(problems, []string{IntegritySkipped.String()}) {
			t.Errorf("problems %v, want a report of what was given up", problems)
		}
	})
}

// While the disk is full nothing is acknowledged; afterwards everything arrives.
func TestFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.bob.refuse.Store(true)
		p.bob.restart()
		for range 3 {
			if d := p.say(t, p.alice, time.Minute); d >= 0 {
				t.Error("received without room on the disk")
			}
		}
		if list := p.bob.storeStates(); len(list) != 1 || !errors.Is(list[0], errFullDisk) {
			t.Errorf("while the disk is full: told %v", list)
		}
		p.bob.restart()
		p.bob.stop()
		p.bob.refuse.Store(false)
		if err := p.bob.start(false); err != nil {
			t.Fatal(err)
		}
		p.bob.wait("the messages", func() bool { return len(p.bob.texts(p.atBob, "message")) == 3 })

		// Room is found by itself.
		before := len(p.bob.storeStates())
		p.bob.refuse.Store(true)
		subs := p.relay.count(smp.Sub{})
		if d := p.say(t, p.alice, time.Hour); d >= 0 {
			t.Error("received without room on the disk")
		}
		if n := p.relay.count(smp.Sub{}) - subs; n < 60 || n > 250 {
			t.Errorf("asked for it %d times in an hour", n)
		}
		p.bob.refuse.Store(false)
		time.Sleep(time.Minute)
		if n := len(p.bob.texts(p.atBob, "message")); n != 4 {
			t.Errorf("%d messages a minute after there was room again", n)
		}
		if list := p.bob.storeStates()[before:]; len(list) != 2 || !errors.Is(list[0], errFullDisk) || list[1] != nil {
			t.Errorf("told %v", list)
		}
		if problems := p.bob.texts(p.atBob, "problem"); len(problems) > 0 {
			t.Error(problems)
		}
	})
}

// A queue is made on the next relay while the preferred one is away, hangs or is full; with all away the preferred one is waited for.
func TestNextRelay(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		relays := []*memRelay{p.net.add(t, "first"), p.net.add(t, "second")}
		p.alice.choose = func(_, tried []wire.Server) (Relay, error) {
			for _, r := range relays {
				if !slices.ContainsFunc(tried, r.server.SameAs) {
					return Relay{Server: r.server}, nil
				}
			}
			return Relay{Server: relays[0].server}, nil
		}
		var hangs atomic.Bool
		dial := p.alice.network.Dial
		p.alice.network.Dial = func(ctx context.Context, s wire.Server) (smp.Conn, error) {
			if hangs.Load() && s.SameAs(relays[0].server) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return dial(ctx, s)
		}
		p.alice.restart()
		made := func(when string, want *memRelay) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			q, err := p.alice.newQueue(ctx, nil, untilUp, smp.ModeMessaging, nil, nil)
			if err != nil || !q.address.Server.SameAs(want.server) {
				t.Errorf("%s: made on another relay than %v: %v", when, want.server.Hosts, err)
			}
		}
		made("at first", relays[0])
		relays[0].setDown(true)
		made("while it is away", relays[1])
		relays[1].setDown(true)
		time.AfterFunc(2*time.Minute, func() { relays[0].setDown(false) })
		p.alice.Retry()
		time.Sleep(time.Minute)
		made("while all are away", relays[0])

		relays[1].setDown(false)
		time.Sleep(10 * time.Minute)
		hangs.Store(true)
		p.alice.restart()
		began := time.Now()
		made("while nothing is heard of it", relays[1])
		if d := time.Since(began); d > 25*time.Second {
			t.Errorf("made on another relay after %v", d)
		}
		hangs.Store(false)
		time.Sleep(10 * time.Minute)
		for _, fault := range []fate{silent, cutAfter} {
			relays[0].with(func() {
				relays[0].fate = func(cmd smp.Command) fate {
					if _, ok := cmd.(smp.New); ok {
						return fault
					}
					return executed
				}
			})
			made(fmt.Sprint("with fault ", fault), relays[1])
			time.Sleep(10 * time.Minute)
		}
		relays[0].with(func() {
			relays[0].answer = func(_ *memConn, _ *smp.Transmission, cmd smp.Command) smp.Message {
				if _, ok := cmd.(smp.New); ok {
					return smp.ErrAuth
				}
				return nil
			}
			relays[0].fate = nil
		})
		if _, err := p.alice.newQueue(t.Context(), nil, untilUp, smp.ModeMessaging, nil, nil); !permanent(err) {
			t.Errorf("a relay that refuses was passed by: %v", err)
		}

		// With all full each was asked once.
		for _, r := range relays {
			r.refusing(smp.New{})
		}
		before := relays[0].count(smp.New{}) + relays[1].count(smp.New{})
		_, err := p.alice.newQueue(t.Context(), nil, untilUp, smp.ModeMessaging, nil, nil)
		if n := relays[0].count(smp.New{}) + relays[1].count(smp.New{}) - before; n != 2 || !errors.Is(err, smp.ErrStore) {
			t.Errorf("with all full, after asking %d times: %v", n, err)
		}
	})
}

// Somebody who waits for an answer is told within seconds that a relay is away, also when the next attempt in the background is far
// off, and gets the answer at once when it is back. In the background it is waited for.
func TestRelayAway(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.relay.setDown(true)
		time.Sleep(time.Hour)
		refused := func(when string) {
			t.Helper()
			began := time.Now()
			_, err := p.alice.newQueue(t.Context(), nil, aFewTries, smp.ModeMessaging, nil, nil)
			var at *RelayError
			if took := time.Since(began); took > 5*time.Second || !errors.As(err, &at) || !at.Relay.SameAs(p.relay.server) {
				t.Errorf("%s: after %v: %v", when, took, err)
			}
			_, err = p.alice.Resolve(t.Context(), &ShortLink{Kind: LinkContact, Server: p.relay.server, Key: make([]byte, 32)})
			if took := time.Since(began); took > 10*time.Second || !errors.As(err, &at) {
				t.Errorf("%s: after %v: %v", when, took, err)
			}
		}
		refused("after an hour")
		refused("at once again")
		p.relay.setDown(false)
		began := time.Now()
		if _, err := p.alice.newQueue(t.Context(), nil, aFewTries, smp.ModeMessaging, nil, nil); err != nil || time.Since(began) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		p.relay.setDown(true)
		time.Sleep(time.Second)
		time.AfterFunc(2*time.Minute, func() { p.relay.setDown(false) })
		if _, err := p.alice.newQueue(t.Context(), nil, untilUp, smp.ModeMessaging, nil, nil); err != nil {
			t.Error("in the background:", err)
		}
	})
}

// refusing has the relay answer commands of some kinds that it can't store anything.
func (r *memRelay) refusing(commands ...smp.Command) {
	r.with(func() {
		r.answer = func(_ *memConn, _ *smp.Transmission, cmd smp.Command) smp.Message {
			if slices.ContainsFunc(commands, func(c smp.Command) bool { return fmt.Sprintf("%T", c) == fmt.Sprintf("%T", cmd) }) {
				return smp.ErrStore
			}
			return nil
		}
	})
}

// Who is told to try again waits no longer: to store a message, to open a link and to delete a queue.
func TestRetry(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		again := func() {
			p.relay.refusing()
			time.Sleep(time.Millisecond)
			p.bob.Retry()
			synctest.Wait()
		}
		p.bob.refuse.Store(true)
		if p.say(t, p.alice, time.Hour) >= 0 {
			t.Error("received without room on the disk")
		}
		p.bob.refuse.Store(false)
		again()
		if n := len(p.bob.texts(p.atBob, "message")); n != 1 {
			t.Error("the message was not asked for at once")
		}

		p.relay.refusing(smp.SKey{}, smp.Del{})
		var link Link
		if _, err := p.alice.Invite(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { link = i.Full; return nil }); err != nil {
			t.Fatal(err)
		}
		atBob, err := p.bob.Join(t.Context(), link, nil, func(*store.Tx, int64) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := p.bob.db.Update(t.Context(), func(tx *store.Tx) error { return p.bob.Delete(tx, p.atBob) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		again()
		if state := p.bob.connection(atBob).State; State(state) != StateConnected {
			t.Errorf("the link was not opened at once: %s", state)
		}
		err = p.bob.db.View(t.Context(), func(tx *store.Tx) error {
			left, err := tx.Deletions()
			if len(left) > 0 {
				t.Error("the queue was not deleted at once")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A relay that there is no circuit to is tried with others, and one that took long to fail is not tried again while somebody waits.
func TestFewTries(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		var dials atomic.Int32
		var fail atomic.Pointer[func() error]
		dial := p.alice.network.Dial
		p.alice.network.Dial = func(ctx context.Context, s wire.Server) (smp.Conn, error) {
			dials.Add(1)
			if f := fail.Load(); f != nil {
				if err := (*f)(); err != nil {
					return nil, err
				}
			}
			return dial(ctx, s)
		}
		try := func(f func() error) (time.Duration, error) {
			p.alice.stop()
			dials.Store(0)
			fail.Store(&f)
			if err := p.alice.start(false); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err := p.alice.Resolve(t.Context(), &ShortLink{Kind: LinkContact, Server: p.relay.server, Key: make([]byte, 32)})
			return time.Since(began), err
		}
		took, err := try(func() error {
			if dials.Load() > 2*fewTries {
				return nil
			}
			return &transport.DialError{Stage: transport.StageProxy, Kind: transport.KindUnreachable, Err: errors.New("no circuit")}
		})
		if !errors.Is(err, ErrLinkUsed) { // there is no such link
			t.Errorf("after %v and %d dials: %v", took, dials.Load(), err)
		}
		nothing := errors.New("no such name")
		took, err = try(func() error {
			time.Sleep(fewTime)
			return nothing
		})
		if !errors.Is(err, nothing) || took > 3*fewTime/2 {
			t.Errorf("after %v and %d dials: %v", took, dials.Load(), err)
		}
	})
}

// A relay that is away is asked at growing intervals, which no two clients share.
func TestReconnecting(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		p.bob.stop()
		p.relay.setDown(true)
		var list []time.Time
		p.relay.with(func() { p.relay.dials = nil })
		time.Sleep(6 * time.Hour)
		p.relay.with(func() { list = slices.Clone(p.relay.dials) })
		if n := len(list); n < 80 || n > 200 {
			t.Errorf("%d attempts in 6 hours", n)
		}
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(list); i++ {
			gap := list[i].Sub(list[i-1])
			gaps[gap] = true
			if gap > 230*time.Second {
				t.Errorf("an interval of %v", gap)
			}
		}
		if len(gaps) < len(list)/2 {
			t.Error("the intervals are the same each time")
		}
		p.relay.setDown(false)
		p.alice.Retry()
		time.Sleep(time.Second)
		var conns int
		p.relay.with(func() { conns = len(p.relay.conns) })
		if conns != 1 {
			t.Error("not connected at once when told that the network is back")
		}
		if err := p.bob.start(false); err != nil {
			t.Fatal(err)
		}
	})
}

// After connections came and went there is as much as before: goroutines, memory, and what the agent
// keeps track of.
func TestNothingStays(t *testing.T) {
	net := newMemNet()
	r := net.add(t, "relay")
	alice, bob := newNode(t, net, "alice", r), newNode(t, net, "bob", r)
	for _, n := range []*node{alice, bob} {
		n.retry = quickRetry
		n.restart()
	}
	round := func() {
		t.Helper()
		there, back := befriend(t, alice, bob)
		for _, s := range []*stream{there, back} {
			if err := s.from.write(s.fromID, "hello"); err != nil {
				t.Fatal(err)
			}
			s.from.wait("the receipt", func() bool { return len(s.from.texts(s.fromID, "delivered")) == 1 })
		}
		for n, id := range map[*node]int64{alice: there.fromID, bob: there.toID} {
			if err := n.db.Update(t.Context(), func(tx *store.Tx) error { return n.Delete(tx, id) }); err != nil {
				t.Fatal(err)
			}
		}
		r.cut()
		alice.Retry()
		bob.Retry()
	}
	// rest waits until nothing happens in the background any more. A queue may stay on the relay: if the connection is lost before
	// the answer to a NEW came, nobody knows of it.
	rest := func(goroutines int) (n int) {
		deadline, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
		defer again.Stop()
		for {
			left := 0
			for _, n := range []*node{alice, bob} {
				n.mu.Lock()
				left += len(n.senders) + len(n.joins) + len(n.draining) + len(n.securing)
				n.mu.Unlock()
				var deletions []*store.Deletion
				err := n.db.View(t.Context(), func(tx *store.Tx) (err error) {
					deletions, err = tx.Deletions()
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				left += len(deletions)
			}
			if left == 0 {
				r.cut() // the sessions end with their connections: there are no queues
			}
			for _, n := range []*node{alice, bob} {
				n.mu.Lock()
				left += len(n.sessions)
				n.mu.Unlock()
			}
			if n = runtime.NumGoroutine(); left == 0 && n <= goroutines {
				return n
			}
			select {
			case <-again.C:
			case <-deadline:
				t.Errorf("%d things are still to be done", left)
				return n
			}
		}
	}
	for range 3 {
		round()
	}
	goroutines := rest(1 << 20)
	memory := heap()
	const rounds = 30
	for range rounds {
		round()
	}
	if n := rest(goroutines); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if grown := int64(heap()) - int64(memory); grown > rounds*10_000 {
		t.Errorf("%d bytes more memory after %d connections", grown, rounds)
	}
}
