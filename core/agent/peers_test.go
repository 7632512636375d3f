package agent

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// The reference's joiner encrypts its confirmation anew when it does not learn that the relay has it. However many of them arrive,
// no message is missing.
func TestRepeatedConfirmation(t *testing.T) {
	for name, arriving := range map[string][]bool{
		"all":           {true, true, true},
		"only the last": {false, false, true},
		"not the last":  {true, true, false},
		"but one":       {true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			a := newAttacker(t, v.link)
			key, err := crypt.NewX25519(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			reply := a.queue
			reply.DH = key.Public()
			plain := message{kind: kindConnInfoReply, queues: []QueueInfo{{4, reply}}, info: []byte("bob")}.append(nil)
			skipped := false
			for _, arrives := range arriving {
				body := a.confirmation(func(e *envelope, _ *message) { e.body = a.encrypt(plain, paddedInfoPQ) })
				if !arrives {
					skipped = true
					continue
				}
				for range 2 { // the second is a redelivery under another id
					if err := v.deliver(body); err != nil {
						t.Fatal(err)
					}
				}
			}
			v.wait("the connection", func() bool { return v.state == StateConnected && v.info == "bob" })
			hash := sha256.Sum256(plain)
			number := int64(len(arriving))
			for i := range 2 {
				m := message{kind: kindBody, number: number + 1, prevHash: hash[:], info: fmt.Append(nil, "text ", i)}
				if err := v.deliver(a.message(m)); err != nil {
					t.Fatal(err)
				}
				number, hash = number+1, sha256.Sum256(m.append(nil))
			}
			// What was lost between two confirmations or before a message is missing; before the first nothing is.
			want := 0
			if skipped && arriving[0] {
				want = 1
			}
			if !slices.Equal(v.bodies, []string{"text 0", "text 1"}) || len(v.problems) != want {
				t.Errorf("received %q with problems %q, want %d", v.bodies, v.problems, want)
			}
		})
	}
}

// A program of a later version sends kinds of messages, and numbers of versions, that did not exist yet.
func TestLaterVersions(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t, v.link)
	var plain []byte
	confirmation := a.confirmation(func(e *envelope, m *message) { e.version, plain = 4, m.append(nil) })
	if err := v.deliver(confirmation); err != nil {
		t.Fatal(err)
	}
	v.wait("the connection", func() bool { return v.state == StateConnected })
	version := func() (n uint16) {
		err := v.db.View(t.Context(), func(tx *store.Tx) error {
			c, err := tx.Connection(v.connection)
			if err == nil {
				n = c.AgentVersion
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := version(); got != 4 {
		t.Errorf("agent version %d, want that of the confirmation", got)
	}
	hash := sha256.Sum256(plain)
	for i, tail := range []string{"Mone", "Xa later kind", "QXanother", "V\x00", "Mtwo"} {
		plain := wire.AppendShort(wire.AppendInt64([]byte{'M'}, int64(i+2)), hash[:])
		plain = append(plain, tail...)
		e := envelope{version: 9, tag: tagMessage, body: a.encrypt(plain, paddedMessagePQ)}
		if err := v.deliver(a.box(false, smp.ClientMessage{Body: e.append(nil)})); err != nil {
			t.Fatal(err)
		}
		hash = sha256.Sum256(plain)
	}
	if !slices.Equal(v.bodies, []string{"one", "two"}) || len(v.problems) > 0 {
		t.Errorf("received %q with problems %q", v.bodies, v.problems)
	}
	if got := version(); got != 7 {
		t.Errorf("agent version %d, want the highest of both", got)
	}
}

// New keys for the ratchet that come twice, as by two queues, count once also if they can't be used.
func TestRatchetKeyTwice(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t, v.link)
	if err := v.deliver(a.confirmation(func(*envelope, *message) {})); err != nil {
		t.Fatal(err)
	}
	v.wait("the connection", func() bool { return v.state == StateConnected })
	offer := func(times int) {
		t.Helper()
		private, err := ratchet.NewPrivateParams(rand.Reader, true)
		if err != nil {
			t.Fatal(err)
		}
		params := private.Params(3)
		for range times {
			e := envelope{version: 7, tag: tagRatchetKey, params: &params, body: message{kind: kindRatchetInfo}.append(nil)}
			if err := v.deliver(a.box(false, smp.ClientMessage{Body: e.append(nil)})); err != nil {
				t.Fatal(err)
			}
		}
	}
	offer(1)
	offer(3) // before a message passed through the new ratchet
	if !slices.Equal(v.sync, []SyncState{SyncAgreed, SyncRequired}) {
		t.Error("states", v.sync)
	}
	offer(2)
	if !slices.Equal(v.sync, []SyncState{SyncAgreed, SyncRequired, SyncAgreed}) {
		t.Error("states", v.sync)
	}
}

// Who filled a queue before having the answer to its confirmation is told behind that to go on.
func TestEarlyQuota(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		away := p.net.add(t, "away")
		p.bob.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: away.server}, nil }
		p.bob.restart()
		p.relay.with(func() { p.relay.quota = 4 })
		var link Link
		atAlice, err := p.alice.Invite(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { link = i.Full; return nil })
		if err != nil {
			t.Fatal(err)
		}
		p.alice.stop()
		atBob, err := p.bob.Join(t.Context(), link, []byte("bob"), func(*store.Tx, int64) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // until his confirmation is on its way
		var want []string
		for i := range 8 {
			want = append(want, fmt.Sprint("early ", i))
			if err := p.bob.write(atBob, want[i]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(48 * time.Hour)
		away.with(func() {
			away.answer = func(_ *memConn, _ *smp.Transmission, cmd smp.Command) smp.Message {
				if _, ok := cmd.(smp.Send); ok {
					return smp.ErrInternal
				}
				return nil
			}
		})
		if err := p.alice.start(false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // meanwhile alice's queue is emptied, and her answer can't be sent
		away.with(func() { away.answer = nil })
		time.Sleep(10 * time.Minute) // he looks every few hours by himself
		if got := p.alice.texts(atAlice, "message"); !slices.Equal(got, want) {
			t.Errorf("received %q, want all", got)
		}
		if list := append(p.alice.texts(atAlice, "problem"), p.bob.texts(atBob, "problem")...); len(list) > 0 {
			t.Error(list)
		}
	})
}

// That the operator of a relay has blocked a queue is told, once.
func TestBlocked(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		blocked := &smp.Error{Kind: smp.KindBlocked, Blocking: smp.Blocking{Reason: "a later reason"}}
		p.relay.with(func() {
			p.relay.answer = func(_ *memConn, _ *smp.Transmission, cmd smp.Command) smp.Message {
				if _, ok := cmd.(smp.Sub); ok {
					return blocked
				}
				return nil
			}
		})
		for range 2 {
			p.bob.restart()
			p.bob.wait("the failure", func() bool { return len(p.bob.texts(p.atBob, "failed")) > 0 })
			time.Sleep(time.Hour)
		}
		want := (&RelayError{p.relay.server, blocked}).Error()
		if got := p.bob.texts(p.atBob, "failed"); !slices.Equal(got, []string{want}) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// Addresses of client version 1 have one host, and their owner names the queue by two.
func TestLegacyHosts(t *testing.T) {
	server := wire.Server{Scheme: wire.SMP, Hosts: []string{"smp4.simplex.im", legacyOnion["smp4.simplex.im"]}}
	for version, want := range map[uint16]wire.Server{1: server, 2: {Scheme: wire.SMP, Hosts: server.Hosts[:1]}} {
		q := QueueInfo{version, QueueAddress{Server: want, SenderID: "sender"}}
		key, err := crypt.NewX25519(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		q.DH = key.Public()
		r := wire.NewReader(q.append(nil))
		if got := readQueueInfo(r); r.End() != nil || !got.Server.SameAs(want) {
			t.Errorf("version %d: %v, want %v", version, got.Server, want)
		}
	}
}

// An owner of a link may say more of itself in later versions.
func TestLaterOwner(t *testing.T) {
	root, owner := crypt.Ed25519Private{1}, crypt.Ed25519Private{2}
	public := owner.Public()
	sig := root.Sign(append([]byte("id"), public.DER()...))
	for name, c := range map[string]struct {
		more   string
		signer *crypt.Ed25519Private
		ok     bool
	}{
		"today": {"", &owner, true}, "later": {"more", &owner, true}, "by root": {"more", &root, true}, "by another": {"more", &crypt.Ed25519Private{3}, false},
	} {
		about := wire.AppendShort(wire.AppendShort(wire.AppendShort(nil, "id"), public.DER()), sig)
		part := append(agentVersions.Append([]byte{'C'}), 'T', 1)
		part = append(wire.AppendShort(part, append(about, c.more...)), 0)
		part = wire.AppendShort(part, "data")
		data, err := readUserPart(part, c.signer.Sign(part), root.Public(), LinkContact)
		if (err == nil) != c.ok || c.ok && string(data) != "data" || err != nil && !errors.Is(err, ErrLink) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// offerAway has Bob offer a queue, on a relay that is away when Alice answers.
func (p *pair) offerAway(t *testing.T, away *memRelay) {
	t.Helper()
	p.bob.restart()
	p.alice.stop()
	if err := p.bob.Rotate(t.Context(), p.atBob); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	away.setDown(true)
	if err := p.alice.start(false); err != nil {
		t.Fatal(err)
	}
}

// A relay that is away when the other side answers the offer of a queue on it holds up no messages, and another one can be
// offered in its place.
func TestOfferedRelayAway(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		away, third := p.net.add(t, "away"), p.net.add(t, "third")
		next := away
		p.bob.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: next.server}, nil }
		p.offerAway(t, away)
		time.Sleep(time.Minute)
		exchange := func(when string) {
			t.Helper()
			for _, from := range []*node{p.bob, p.alice} {
				if d := p.say(t, from, time.Hour); d < 0 || d > time.Minute {
					t.Errorf("%s: a message of %s took %v", when, from.name, d)
				}
			}
		}
		exchange("while the relay is away")
		p.bob.restart()
		exchange("after a start")
		next = third
		if err := p.bob.Rotate(t.Context(), p.atBob); err != nil {
			t.Fatal("offering another one:", err)
		}
		time.Sleep(time.Minute)
		exchange("after the move")
		if got := p.bob.texts(p.atBob, "moved"); !slices.Equal(got, []string{"true"}) {
			t.Errorf("moved: %q", got)
		}
		if queues := p.bob.receiveQueues(p.atBob); len(queues) != 1 || queues[0].Server != third.server.String() {
			t.Errorf("%d queues to receive from", len(queues))
		}
		for id, n := range map[int64]*node{p.atAlice: p.alice, p.atBob: p.bob} {
			if list := append(n.texts(id, "problem"), n.texts(id, "failed")...); len(list) > 0 {
				t.Error(n.name, list)
			}
		}
	})
}

// A relay that comes back takes the key of the sender, and the move goes on.
func TestOfferedRelayBack(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		away := p.net.add(t, "away")
		p.bob.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: away.server}, nil }
		p.offerAway(t, away)
		time.Sleep(time.Hour)
		p.bob.restart()
		away.setDown(false)
		time.Sleep(10 * time.Minute)
		if got := p.bob.texts(p.atBob, "moved"); !slices.Equal(got, []string{"true"}) {
			t.Errorf("moved: %q", got)
		}
		for _, from := range []*node{p.bob, p.alice} {
			if d := p.say(t, from, time.Hour); d < 0 || d > time.Minute {
				t.Errorf("a message of %s took %v", from.name, d)
			}
		}
	})
}

// Nothing is begun with who could never answer it.
func TestResyncTooOld(t *testing.T) {
	for version, want := range map[uint16]error{2: ErrPeerTooOld, 3: nil} {
		v := newVictim(t)
		a := newAttacker(t, v.link)
		if err := v.deliver(a.confirmation(func(e *envelope, _ *message) { e.version = version })); err != nil {
			t.Fatal(err)
		}
		v.wait("the connection", func() bool { return v.state == StateConnected })
		err := v.db.Update(t.Context(), func(tx *store.Tx) error { return v.Resync(tx, v.connection, true) })
		if !errors.Is(err, want) || (len(v.sync) > 0) != (want == nil) {
			t.Errorf("version %d: %v, states %v", version, err, v.sync)
		}
	}
}
