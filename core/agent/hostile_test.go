package agent

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// victim is an agent with an open invitation, and what an attacker knows who has the link and
// runs the relay.
type victim struct {
	*party
	connection int64
	link       Link
	server     string
	rcvID      smp.ID
	secret     crypt.Secret
	messages   int
}

func newVictim(t testing.TB) *victim {
	t.Helper()
	v := &victim{rcvID: "recipient id of 24 bytes", party: &party{t: t, name: "victim", changed: make(chan struct{}), sent: map[int64]bool{}, receipts: map[int64]bool{}}}
	server, err := wire.ParseServer("smp://MrU3xqZ6LAUPZaaM2g58tQc8GGRHEAUW-LbG0LLuWvk=@localhost:5223")
	if err != nil {
		t.Fatal(err)
	}
	v.server, v.relay = server.String(), server
	relayKey, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v.db = openStore(t)
	v.Agent = New(Config{DB: v.db, Handler: v.party, Rand: rand.Reader, Now: time.Now, PQ: true,
		Choose: func(_, _ []wire.Server) (Relay, error) { return Relay{Server: server}, nil }})
	t.Cleanup(v.Agent.Close)
	v.exchange = func(_ wire.Server, r smp.Request) (smp.Message, error) {
		if c, ok := r.Command.(smp.New); ok {
			var err error
			v.secret, err = relayKey.DH(c.RcvDH)
			return smp.IDs{RcvID: v.rcvID, SndID: "sender id with 24 bytes.", ServerDH: relayKey.Public(), Mode: smp.ModeMessaging}, err
		}
		return smp.OK{}, nil
	}
	v.connection, v.link, _ = v.invite()
	return v
}

// deliver hands a body to the agent as its relay would.
func (v *victim) deliver(body []byte) error {
	v.messages++
	id := smp.ID(fmt.Sprintf("%024d", v.messages))
	enc, err := smp.AppendReceived(nil, &v.secret, id, &smp.Received{Time: time.Now(), Body: body})
	if err != nil {
		return nil // the relay could not have stored it
	}
	_, err = v.receive(v.server, v.rcvID, smp.Msg{ID: id, Body: enc})
	return err
}

func (v *victim) status() State {
	v.t.Helper()
	var state State
	err := v.db.View(v.t.Context(), func(tx *store.Tx) error {
		c, err := tx.Connection(v.connection)
		if err == nil {
			state = State(c.State)
		}
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return state
}

// attacker makes messages as somebody who opened the link.
type attacker struct {
	t      testing.TB
	queue  QueueAddress
	key    crypt.X25519Private
	secret crypt.Secret
	r      *ratchet.Ratchet
	params ratchet.Params
}

func newAttacker(t testing.TB, l Link) *attacker {
	t.Helper()
	a := &attacker{t: t, queue: l.Queues[0].QueueAddress}
	var err error
	if a.key, err = crypt.NewX25519(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if a.secret, err = a.key.DH(a.queue.DH); err != nil {
		t.Fatal(err)
	}
	if a.r, a.params, err = ratchet.Join(rand.Reader, ratchet.Versions, l.E2E, true); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *attacker) encrypt(plain []byte, padded int) []byte {
	a.t.Helper()
	key, err := a.r.NextKey(ratchet.PQKeep, len(plain), padded)
	if err != nil {
		a.t.Fatal(err)
	}
	body, err := key.Encrypt(plain, padded)
	if err != nil {
		a.t.Fatal(err)
	}
	return body
}

func (a *attacker) box(withKey bool, m smp.ClientMessage) []byte {
	a.t.Helper()
	nonce, err := crypt.NewNonce(rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	e := smp.Envelope{Version: 4, Nonce: nonce}
	if withKey {
		public := a.key.Public()
		e.Key = &public
	}
	if err := e.Seal(&a.secret, &m); err != nil {
		a.t.Fatal(err)
	}
	return e.Append(nil)
}

// confirmation is what an honest joiner sends, but for what change makes of it.
func (a *attacker) confirmation(change func(e *envelope, m *message)) []byte {
	a.t.Helper()
	key, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	reply := a.queue
	reply.DH = key.Public()
	e := envelope{version: 7, tag: tagConfirmation, params: &a.params}
	m := message{kind: kindConnInfoReply, queues: []QueueInfo{{4, reply}}, info: []byte("mallory")}
	change(&e, &m)
	if e.body == nil {
		e.body = a.encrypt(m.append(nil), paddedInfoPQ)
	}
	return a.box(true, smp.ClientMessage{Body: e.append(nil)})
}

func (a *attacker) message(m message) []byte {
	a.t.Helper()
	e := envelope{version: 7, tag: tagMessage, body: a.encrypt(m.append(nil), paddedMessagePQ)}
	return a.box(false, smp.ClientMessage{Body: e.append(nil)})
}

// Whatever an attacker sends to an open invitation, it stays open for an honest peer.
func TestHostileConfirmations(t *testing.T) {
	v := newVictim(t)
	for name, body := range map[string]func(a *attacker) []byte{
		"empty":   func(*attacker) []byte { return nil },
		"garbage": func(*attacker) []byte { return bytes.Repeat([]byte{'x'}, 16000) },
		"no key":  func(a *attacker) []byte { return a.message(message{kind: kindHello}) },
		"zero key": func(*attacker) []byte {
			return (&smp.Envelope{Version: 4, Key: &crypt.X25519Public{}, Box: make([]byte, 100)}).Append(nil)
		},
		"other box":   func(a *attacker) []byte { a.secret[0] ^= 1; return a.confirmation(func(*envelope, *message) {}) },
		"no envelope": func(a *attacker) []byte { return a.box(true, smp.ClientMessage{Body: []byte("hello")}) },
		"newer agent": func(a *attacker) []byte { return a.confirmation(func(e *envelope, _ *message) { e.version = 99 }) },
		"older agent": func(a *attacker) []byte { return a.confirmation(func(e *envelope, _ *message) { e.version = 1 }) },
		"no params":   func(a *attacker) []byte { return a.confirmation(func(e *envelope, _ *message) { e.params = nil }) },
		"e2e version": func(a *attacker) []byte { a.params.Version = 9; return a.confirmation(func(*envelope, *message) {}) },
		"bad ratchet": func(a *attacker) []byte {
			return a.confirmation(func(e *envelope, _ *message) { e.body = make([]byte, 14000) })
		},
		"no queue": func(a *attacker) []byte {
			return a.confirmation(func(_ *envelope, m *message) { m.kind = kindConnInfo })
		},
		"other queue": func(a *attacker) []byte {
			return a.confirmation(func(_ *envelope, m *message) { m.queues[0].Version = 9 })
		},
		"zero queue": func(a *attacker) []byte {
			return a.confirmation(func(_ *envelope, m *message) { m.queues[0].DH = crypt.X25519Public{} })
		},
		"no handshake": func(a *attacker) []byte {
			return a.confirmation(func(_ *envelope, m *message) { *m = message{kind: kindBody, number: 1} })
		},
		"invitation": func(a *attacker) []byte {
			return a.confirmation(func(e *envelope, _ *message) { e.tag, e.body = tagInvitation, []byte("x") })
		},
	} {
		if err := v.deliver(body(newAttacker(t, v.link))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := v.status(); got != StateInvited || v.info != "" {
			t.Fatalf("%s: state %s", name, got)
		}
	}
	if err := v.deliver(newAttacker(t, v.link).confirmation(func(*envelope, *message) {})); err != nil {
		t.Fatal(err)
	}
	v.wait("the honest peer", func() bool { return v.state == StateConnected && v.info == "mallory" })
}

// Whatever a contact sends, the connection goes on.
func TestHostileMessages(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t, v.link)
	confirmation := a.confirmation(func(*envelope, *message) {})
	for range 2 { // the second is a redelivery under another id
		if err := v.deliver(confirmation); err != nil {
			t.Fatal(err)
		}
	}
	v.wait("the connection", func() bool { return v.state == StateConnected })
	number := int64(1)
	say := func(text string, prev []byte) []byte {
		number++
		return a.message(message{kind: kindBody, number: number, prevHash: prev, info: []byte(text)})
	}
	replayed := say("once", []byte("wrong hash"))
	newer := a.params
	newer.Version = 9
	unknown := envelope{version: 7, tag: tagRatchetKey, params: &newer, body: []byte("R")}
	steps := []struct {
		name string
		body []byte
	}{
		{"wrong hash", replayed},
		{"replay", replayed},
		{"garbage", bytes.Repeat([]byte{'x'}, 16000)},
		{"garbage in the box", a.box(false, smp.ClientMessage{Body: []byte("garbage")})},
		{"garbage in the envelope", a.box(false, smp.ClientMessage{Body: envelope{version: 7, tag: tagMessage, body: make([]byte, 15000)}.append(nil)})},
		{"another confirmation", newAttacker(t, v.link).confirmation(func(*envelope, *message) {})},
		{"a ratchet key of a newer version", a.box(false, smp.ClientMessage{Body: unknown.append(nil)})},
		{"not a message", a.box(false, smp.ClientMessage{Body: envelope{version: 7, tag: tagMessage, body: a.encrypt([]byte("?"), paddedMessagePQ)}.append(nil)})},
		{"receipts for what was never sent", a.message(message{kind: kindReceipts, number: 3, receipts: []receiptInfo{{1 << 60, nil, nil}, {-1, []byte("x"), nil}}})},
		{"hello", a.message(message{kind: kindHello, number: 4})},
		{"a low number", a.message(message{kind: kindBody, number: -5, info: []byte("low")})},
		{"a huge number", a.message(message{kind: kindBody, number: 1 << 62, info: []byte("huge")})},
	}
	for _, s := range steps {
		if err := v.deliver(s.body); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	// 513 messages that never come are too many, 512 are not.
	for range ratchet.MaxSkip + 1 {
		a.encrypt([]byte("lost"), paddedMessagePQ)
	}
	if err := v.deliver(say("after too large a gap", nil)); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(v.bodies); got != "[once low huge]" {
		t.Error("received", got)
	}
	if got := v.status(); got != StateConnected {
		t.Error("state", got)
	}
	if len(v.sync) == 0 || v.sync[len(v.sync)-1] != SyncRequired {
		t.Error("after too large a gap:", v.sync)
	}
	// The ratchets don't fit any more, and can be made to fit again.
	if err := v.db.Update(t.Context(), func(tx *store.Tx) error { return v.Resync(tx, v.connection, false) }); err != nil {
		t.Error(err)
	}
}

// However many queues a contact offers, messages to it are kept for few of them.
func TestHostileOffers(t *testing.T) {
	v := newVictim(t)
	a := newAttacker(t, v.link)
	var reply QueueAddress
	if err := v.deliver(a.confirmation(func(_ *envelope, m *message) { reply = m.queues[0].QueueAddress })); err != nil {
		t.Fatal(err)
	}
	v.wait("the connection", func() bool { return v.state == StateConnected })
	honest := v.exchange
	v.exchange = func(server wire.Server, r smp.Request) (smp.Message, error) {
		if server.Hosts[0] != v.relay.Hosts[0] {
			return nil, errors.New("the relay is not there")
		}
		return honest(server, r)
	}
	for i := range 50 {
		offer := QueueURI{clientVersions, reply}
		offer.Server.Hosts = []string{fmt.Sprintf("relay%d.example", i)}
		offer.SenderID = smp.ID(fmt.Sprintf("%024d", i))
		number := int64(2 * i)
		for _, m := range []message{
			{kind: kindAdd, number: number + 2, add: []replacement{{offer, &QAddr{reply.Server, reply.SenderID}}}},
			{kind: kindUse, number: number + 3, use: []queueUse{{QAddr{offer.Server, offer.SenderID}, true}}},
		} {
			if err := v.deliver(a.message(m)); err != nil {
				t.Fatal(err)
			}
		}
		v.write(v.connection, fmt.Sprint("message ", i))
	}
	var queues []*store.SendQueue
	err := v.db.View(t.Context(), func(tx *store.Tx) (err error) {
		queues, err = tx.SendQueuesOf(v.connection)
		return err
	})
	if err != nil || len(queues) != 2 {
		t.Errorf("%d queues to send to, want the old one and the last offer: %v", len(queues), err)
	}
	if got := v.status(); got != StateConnected {
		t.Error("state", got)
	}
}

// A message of a queue that is not ours is not acknowledged.
func TestUnknownQueue(t *testing.T) {
	v := newVictim(t)
	if _, err := v.receive(v.server, "another", smp.Msg{}); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

func FuzzReceive(f *testing.F) {
	v := newVictim(f)
	f.Add(newAttacker(f, v.link).confirmation(func(e *envelope, _ *message) { e.version = 99 }))
	f.Add([]byte("0"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > smp.MaxBody(18) {
			return
		}
		if err := v.deliver(body); err != nil {
			t.Error(err)
		}
	})
}
