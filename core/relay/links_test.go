package relay

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

func linkData(fixed, user string) smp.LinkData {
	return smp.LinkData{Fixed: []byte(fixed), User: []byte(user)}
}

func newLinkID() smp.ID { return newKey().id() }

func TestInvitationLink(t *testing.T) {
	s := startRelay(t, Config{})
	for version := uint16(15); version <= 18; version++ {
		a, b := s.dial(t, version), s.dial(t, version)
		data := linkData(strings.Repeat("f", 2048), strings.Repeat("u", 13000))
		q := a.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Link = &smp.NewLink{Data: data} })
		if q.LinkID == "" {
			t.Fatal("no link id")
		}
		key, other := ed25519Key(), x25519Key()
		b.want(smp.ErrAuth, smp.LGet{}, q.LinkID, nil)
		b.want(smp.ErrAuth, smp.LKey{Key: key.public}, newLinkID(), key.private)
		b.want(smp.ErrAuth, smp.LKey{Key: key.public}, q.LinkID, other.private)
		user := linkData(string(data.Fixed), "changed")
		a.want(smp.ErrAuth, smp.LSet{LinkID: newLinkID(), Data: user}, q.RcvID, q.rcv.private)
		a.want(smp.ErrAuth, smp.LSet{LinkID: q.LinkID, Data: linkData("other", "")}, q.RcvID, q.rcv.private)
		a.want(smp.OK{}, smp.LSet{LinkID: q.LinkID, Data: user}, q.RcvID, q.rcv.private)

		answer := smp.Lnk{SndID: q.SndID, Data: user}
		b.want(answer, smp.LKey{Key: key.public}, q.LinkID, key.private)
		b.want(answer, smp.LKey{Key: key.public}, q.LinkID, key.private)
		b.want(smp.ErrAuth, smp.LKey{Key: other.public}, q.LinkID, other.private)
		a.want(smp.ErrAuth, smp.LSet{LinkID: q.LinkID, Data: user}, q.RcvID, q.rcv.private)
		b.want(smp.OK{}, text("hello"), q.SndID, key.private)
		q.wantText(t, a.event(q.RcvID), "hello")
		b.want(smp.ErrAuth, smp.LKey{Key: key.public}, q.LinkID, key.private)
	}
}

func TestContactLink(t *testing.T) {
	s := startRelay(t, Config{})
	a, b := s.dial(t, 18), s.dial(t, 18)
	id, data := newLinkID(), linkData("fixed", "user")
	q := a.newQueue(smp.ModeContact, func(n *smp.New) { n.Link = &smp.NewLink{LinkID: id, Data: data} })
	if q.LinkID != id {
		t.Error("another link id than the client's")
	}
	b.want(smp.Lnk{SndID: q.SndID, Data: data}, smp.LGet{}, id, nil)
	key := ed25519Key()
	b.want(smp.ErrAuth, smp.LKey{Key: key.public}, id, key.private)
	b.want(smp.ErrAuth, smp.SKey{Key: key.public}, q.SndID, key.private)
	b.want(smp.OK{}, text("hello"), q.SndID, nil)
	b.want(smp.Lnk{SndID: q.SndID, Data: data}, smp.LGet{}, id, nil)

	// A link id belongs to one queue.
	dh := must(crypt.NewX25519(rand.Reader))
	taken := smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Mode: smp.ModeContact, Link: &smp.NewLink{LinkID: id, Data: data}}
	b.want(smp.ErrAuth, taken, "", key.private)
	other := b.newQueue(smp.ModeContact, nil)
	b.want(smp.ErrAuth, smp.LSet{LinkID: id, Data: data}, other.RcvID, other.rcv.private)
	taken.Link.LinkID = "short"
	b.want(smp.ErrProhibited, taken, "", key.private)
	b.want(smp.OK{}, smp.LDel{}, other.RcvID, other.rcv.private)

	// The sender id follows from the correlation id.
	m := a.transmission(smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Mode: smp.ModeContact,
		Link: &smp.NewLink{LinkID: newLinkID(), Data: data}}, "", nil)
	m.CorrID[0] ^= 1
	if err := m.Authorize(a.params, key.private, a.relayKey); err != nil {
		t.Fatal(err)
	}
	a.send(m)
	a.check(smp.ErrProhibited, a.answerTo(m), smp.New{})

	// Deleted, and free for another queue.
	a.want(smp.OK{}, smp.LDel{}, q.RcvID, q.rcv.private)
	b.want(smp.ErrAuth, smp.LGet{}, id, nil)
	b.want(smp.OK{}, smp.LSet{LinkID: id, Data: data}, other.RcvID, other.rcv.private)
	b.want(smp.Lnk{SndID: other.SndID, Data: data}, smp.LGet{}, id, nil)

	// A queue of an old client may have a link until it is secured, and then keeps the one it has.
	old := a.newQueue(smp.ModeUnknown, nil)
	oldID := newLinkID()
	a.want(smp.OK{}, smp.LSet{LinkID: oldID, Data: data}, old.RcvID, old.rcv.private)
	b.want(smp.Lnk{SndID: old.SndID, Data: data}, smp.LGet{}, oldID, nil)
	a.want(smp.OK{}, smp.Key{Key: key.public}, old.RcvID, old.rcv.private)
	a.want(smp.ErrAuth, smp.LSet{LinkID: oldID, Data: data}, old.RcvID, old.rcv.private)
	b.want(smp.ErrAuth, smp.LGet{}, oldID, nil)

	// Several recipients.
	second := x25519Key()
	a.want(smp.OK{}, smp.RKey{Keys: []crypt.AuthPublic{second.public, ed448Key().public}}, q.RcvID, q.rcv.private)
	a.want(smp.ErrAuth, smp.Que{}, q.RcvID, q.rcv.private)
	a.want(smp.SOK{}, smp.Sub{}, q.RcvID, second.private)
	m1 := a.newQueue(smp.ModeMessaging, nil)
	a.want(smp.ErrAuth, smp.RKey{Keys: []crypt.AuthPublic{second.public}}, m1.RcvID, m1.rcv.private)
}

func TestNotifier(t *testing.T) {
	now := relaytest.NewClock(time.Unix(1700000000, 0))
	s := startRelay(t, Config{Now: now.Now})
	for _, version := range []uint16{6, 9, 10, 15, 16, 17, 18} {
		rcv, snd, ntf := s.dial(t, version), s.dial(t, version), s.dial(t, version)
		key, dh := ed25519Key(), must(crypt.NewX25519(rand.Reader))
		keys := smp.NotifierKeys{Auth: key.public, DH: dh.Public()}
		q := rcv.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Notifier = &keys })
		var ids smp.NotifierIDs
		if version >= 17 {
			ids = *q.Notifier
		} else {
			ids = rcv.do(smp.NKey{Keys: keys}, q.RcvID, q.rcv.private).(smp.NID).NotifierIDs
		}
		secret := must(dh.DH(ids.ServerDH))
		wantNotice := func() {
			t.Helper()
			msg, ok := ntf.event(ids.ID).(smp.NMsg)
			if !ok {
				t.Fatal("no notification")
			}
			id, at, err := smp.OpenNotification(&secret, msg)
			if err != nil || id == "" || !at.Equal(now.Now()) {
				t.Errorf("notification: time %v, error %v", at, err)
			}
		}
		// What waits is announced when somebody listens, once, also when another message came after it.
		snd.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("0")}, q.SndID, nil)
		snd.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("1")}, q.SndID, nil)
		snd.want(smp.OK{}, text("receipt"), q.SndID, nil)
		ntf.want(smp.ErrAuth, smp.NSub{}, ids.ID, q.rcv.private)
		ntf.want(smp.ErrAuth, smp.NSub{}, q.RcvID, key.private)
		ntf.want(smp.SOK{}, smp.NSub{}, ids.ID, key.private)
		wantNotice()
		snd.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("2")}, q.SndID, nil)
		wantNotice()
		snd.want(smp.OK{}, text("3"), q.SndID, nil)
		ntf.want(smp.SOK{}, smp.NSub{}, ids.ID, key.private)
		ntf.want(smp.Pong{}, smp.Ping{}, "", nil)
		if len(ntf.events) > 0 {
			t.Error("a message is announced twice")
		}

		// Taken over, replaced, deleted.
		old := ntf
		ntf = s.dial(t, version)
		ntf.want(smp.SOK{}, smp.NSub{}, ids.ID, key.private)
		old.check(smp.End{}, old.event(ids.ID), smp.NSub{})
		next := rcv.do(smp.NKey{Keys: keys}, q.RcvID, q.rcv.private).(smp.NID)
		ntf.check(smp.Deld{}, ntf.event(ids.ID), smp.NKey{})
		ntf.want(smp.ErrAuth, smp.NSub{}, ids.ID, key.private)
		ntf.want(smp.SOK{}, smp.NSub{}, next.ID, key.private)
		rcv.want(smp.OK{}, smp.NDel{}, q.RcvID, q.rcv.private)
		rcv.want(smp.OK{}, smp.NDel{}, q.RcvID, q.rcv.private)
		ntf.check(smp.Deld{}, ntf.event(next.ID), smp.NDel{})
		ids = rcv.do(smp.NKey{Keys: keys}, q.RcvID, q.rcv.private).(smp.NID).NotifierIDs
		ntf.want(smp.SOK{}, smp.NSub{}, ids.ID, key.private)
		rcv.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
		ntf.check(smp.Deld{}, ntf.event(ids.ID), smp.Del{})
		ntf.want(smp.ErrAuth, smp.NSub{}, ids.ID, key.private)

		// Who deletes a notifier need not be told.
		own, id, k := rcv.withNotifier()
		rcv.want(smp.SOK{}, smp.NSub{}, id, k.private)
		rcv.want(smp.OK{}, smp.NDel{}, own.RcvID, own.rcv.private)
		rcv.want(smp.Pong{}, smp.Ping{}, "", nil)
		for _, e := range rcv.events {
			if smp.ID(e.Entity) == id {
				t.Errorf("the connection that deleted a notifier is told: %q", e.Body)
			}
		}
	}
}

// TestNoticesKept checks that what a slow listener isn't told is announced when it comes again.
func TestNoticesKept(t *testing.T) {
	s := startRelay(t, Config{})
	p := s.dial(t, 18)
	q, id, k := p.withNotifier()
	slow := offline(s.Relay, 18)
	slow.waiting = make([]outgoing, maxWaitingNotice)
	ntf, _ := keyOf(id)
	s.notifiers.mu.Lock()
	s.notifiers.subs[ntf] = slow
	s.notifiers.mu.Unlock()
	p.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("x")}, q.SndID, nil)
	if len(slow.waiting) != maxWaitingNotice {
		t.Errorf("%d notices wait", len(slow.waiting)-maxWaitingNotice)
	}
	listener := s.dial(t, 18)
	listener.want(smp.SOK{}, smp.NSub{}, id, k.private)
	if m, ok := listener.event(id).(smp.NMsg); !ok {
		t.Errorf("%#v is not a notification", m)
	}
}

func TestPassword(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, Settings{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	s := startIn(t, dir, Config{})
	allVersions(t, func(t *testing.T, version uint16) {
		p := s.dial(t, version)
		key, dh := ed25519Key(), must(crypt.NewX25519(rand.Reader))
		for _, password := range []string{"", "Secret", "secret "} {
			p.want(smp.ErrAuth, smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Password: password, Mode: smp.ModeContact}, "", key.private)
		}
		p.want(smp.ErrAuth, smp.New{RcvAuth: ed25519Key().public, RcvDH: dh.Public(), Password: "secret", Mode: smp.ModeContact}, "", key.private)
		if version >= 15 { // the password is checked before the sender's id
			wrong := smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Mode: smp.ModeMessaging, Link: &smp.NewLink{SenderID: newLinkID()}}
			for password, want := range map[string]*smp.Error{"": smp.ErrAuth, "secret": smp.ErrProhibited} {
				wrong.Password = password
				m := smp.Transmission{CorrID: make([]byte, 24), Body: wrong.Append(nil, version)}
				if err := m.Authorize(p.params, key.private, p.relayKey); err != nil {
					t.Fatal(err)
				}
				p.send(m)
				p.check(want, p.answerTo(m), wrong)
			}
		}
		p.want(smp.ErrSyntax, smp.New{RcvAuth: key.public, Password: "secret", Mode: smp.ModeContact}, "", key.private)
		p.newQueue(smp.ModeContact, func(n *smp.New) { n.Password = "secret" })
		if version >= 8 {
			p.want(proxyError(smp.ProxyBasicAuth), smp.Prxy{Server: s.Address("relay.example")}, "", nil)
			p.want(proxyError(smp.ProxyNoSession), smp.Pfwd{Version: 8, Box: []byte("x")}, "session", nil)
		}
	})
	s.stop()
	s = startIn(t, dir, Config{NoNewQueues: true})
	p := s.dial(t, 18)
	key, dh := ed25519Key(), must(crypt.NewX25519(rand.Reader))
	p.want(smp.ErrAuth, smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Password: "secret"}, "", key.private)
}

func TestForwarded(t *testing.T) {
	s := startRelay(t, Config{})
	for version := smp.ProxyVersions.Min; version <= smp.ProxyVersions.Max; version++ {
		proxy := s.dialWith(t, dialOptions{version: 18, protocols: []string{"smp/1"}, proxy: true})
		rcv := s.dial(t, 18)
		q := rcv.newQueue(smp.ModeMessaging, nil)
		key := x25519Key()
		var badAuth []byte
		forward := func(cmd smp.Command, entity smp.ID, key smp.AuthKey) smp.Message {
			t.Helper()
			p := smp.Params{Version: version, SessionID: proxy.params.SessionID}
			inner := smp.Transmission{CorrID: make([]byte, 24), Entity: []byte(entity), Body: cmd.Append(nil, version)}
			rand.Read(inner.CorrID)
			if key != nil {
				if err := inner.Authorize(p, key, proxy.relayKey); err != nil {
					t.Fatal(err)
				}
			}
			if badAuth != nil {
				inner.Auth = badAuth
			}
			e := must(crypt.NewX25519(rand.Reader))
			secret := must(e.DH(*proxy.relayKey))
			nonce := crypt.NonceOf(inner.CorrID)
			box := must(smp.SealForward(&secret, nonce, p.AppendTransmission(nil, &inner)))
			f := smp.Forwarded{CorrID: inner.CorrID, Pfwd: smp.Pfwd{Version: version, Key: e.Public(), Box: box}}
			outer := proxy.transmission(smp.Rfwd{}, "", nil)
			outerNonce := crypt.NonceOf(outer.CorrID)
			outer.Body = smp.Rfwd{Box: smp.SealRelayForward(proxy.secret, outerNonce, &f)}.Append(nil, 18)
			proxy.send(outer)
			answer, ok := proxy.answerTo(outer).(smp.RRes)
			if !ok {
				t.Fatal("no RRES")
			}
			corrID, sealed, err := smp.OpenRelayAnswer(proxy.secret, outerNonce.Reverse(), answer.Box)
			if err != nil || string(corrID) != string(inner.CorrID) {
				t.Fatalf("RRES: %v", err)
			}
			list := must(smp.SplitBlock(nil, must(smp.OpenForward(&secret, nonce.Reverse(), sealed))))
			back := must(p.ParseTransmission(list[0]))
			if string(back.CorrID) != string(inner.CorrID) || smp.ID(back.Entity) != entity {
				t.Error("the forwarded answer has other ids")
			}
			return must(smp.ParseMessage(version, back.Body))
		}
		check := func(want smp.Message, cmd smp.Command, entity smp.ID, key smp.AuthKey) {
			t.Helper()
			rcv.check(want, forward(cmd, entity, key), cmd)
		}
		check(smp.OK{}, smp.SKey{Key: key.public}, q.SndID, key.private)
		check(smp.ErrAuth, text("x"), q.SndID, nil)
		check(smp.ErrLarge, text(strings.Repeat("a", smp.MaxBody(version)+1)), q.SndID, key.private)
		longest := strings.Repeat("a", smp.MaxBody(version))
		check(smp.OK{}, text(longest), q.SndID, key.private)
		q.wantText(t, rcv.event(q.RcvID), longest)
		check(smp.ErrProhibited, smp.Sub{}, q.RcvID, q.rcv.private)
		check(smp.ErrProhibited, smp.Ping{}, "", nil)
		check(smp.ErrAuth, smp.LGet{}, newLinkID(), nil)
		badAuth = []byte("short")
		check(smp.ErrBlock, text("x"), "", nil)
	}
}
