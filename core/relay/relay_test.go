package relay

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/smp"
)

func spkiOf(t testing.TB, der []byte) []byte {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert.RawSubjectPublicKeyInfo
}

// allVersions runs a test in every version.
func allVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	for v := smp.Versions.Min; v <= smp.Versions.Max; v++ {
		t.Run(fmt.Sprintf("v%d", v), func(t *testing.T) { f(t, v) })
	}
}

func TestQueueLife(t *testing.T) {
	s := startRelay(t, Config{})
	keys := map[string]func() authKey{"Ed25519": ed25519Key, "Ed448": ed448Key, "X25519": x25519Key}
	for name, newKey := range keys {
		t.Run(name, func(t *testing.T) {
			allVersions(t, func(t *testing.T, version uint16) {
				rcv, snd := s.dial(t, version), s.dial(t, version)
				rcv.want(smp.Pong{}, smp.Ping{}, "", nil)
				mode := smp.ModeMessaging
				if version < 9 {
					mode = smp.ModeUnknown
				}
				q := rcv.newQueueWith(newKey(), mode, nil)
				if q.Mode != mode {
					t.Errorf("the mode in IDS is %v", q.Mode)
				}

				// Before the queue is secured.
				snd.want(smp.ErrAuth, text("x"), q.SndID, newKey().private)
				snd.want(smp.OK{}, text("first"), q.SndID, nil)
				first := q.wantText(t, rcv.event(q.RcvID), "first")
				key := newKey()
				if mode == smp.ModeMessaging {
					snd.want(smp.ErrAuth, smp.SKey{Key: key.public}, q.SndID, newKey().private)
					snd.want(smp.OK{}, smp.SKey{Key: key.public}, q.SndID, key.private)
					snd.want(smp.OK{}, smp.SKey{Key: key.public}, q.SndID, key.private)
				} else {
					snd.want(smp.ErrAuth, smp.SKey{Key: key.public}, q.SndID, key.private)
					rcv.want(smp.OK{}, smp.Key{Key: key.public}, q.RcvID, q.rcv.private)
				}
				rcv.want(smp.OK{}, smp.Key{Key: key.public}, q.RcvID, q.rcv.private)
				rcv.want(smp.ErrAuth, smp.Key{Key: newKey().public}, q.RcvID, q.rcv.private)

				// Secured; one message is in flight and two wait.
				snd.want(smp.ErrAuth, text("x"), q.SndID, nil)
				snd.want(smp.ErrAuth, text("x"), q.SndID, newKey().private)
				snd.want(smp.OK{}, text("second"), q.SndID, key.private)
				snd.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("third")}, q.SndID, key.private)
				rcv.want(smp.ErrNoMessage, smp.Ack{MsgID: "other"}, q.RcvID, q.rcv.private)
				rcv.want(smp.ErrAuth, smp.Ack{MsgID: first}, q.RcvID, key.private)
				second := q.wantText(t, rcv.do(smp.Ack{MsgID: first}, q.RcvID, q.rcv.private), "second")
				third, r := q.open(t, rcv.do(smp.Ack{MsgID: second}, q.RcvID, q.rcv.private))
				if string(r.Body) != "third" || !r.Notify {
					t.Error("third message is wrong")
				}

				// Again after another SUB, and on another connection.
				rcv.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
				if id := q.wantText(t, rcv.event(q.RcvID), "third"); id != third {
					t.Error("another id of the same message")
				}
				other := s.dial(t, version)
				other.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
				rcv.check(smp.End{}, rcv.event(q.RcvID), smp.Sub{})
				if id := q.wantText(t, other.event(q.RcvID), "third"); id != third {
					t.Error("another id of the same message")
				}
				rcv.want(smp.ErrNoMessage, smp.Ack{MsgID: third}, q.RcvID, q.rcv.private)
				other.want(smp.OK{}, smp.Ack{MsgID: third}, q.RcvID, q.rcv.private)
				other.want(smp.ErrNoMessage, smp.Ack{MsgID: third}, q.RcvID, q.rcv.private)

				// The longest message.
				longest := strings.Repeat("a", smp.MaxBody(version))
				snd.want(smp.ErrLarge, text(longest+"a"), q.SndID, key.private)
				snd.want(smp.OK{}, text(longest), q.SndID, key.private)
				id := q.wantText(t, other.event(q.RcvID), longest)
				other.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)

				// Suspended and deleted.
				snd.want(smp.OK{}, text("last"), q.SndID, key.private)
				rcv.want(smp.OK{}, smp.Off{}, q.RcvID, q.rcv.private)
				snd.want(smp.ErrAuth, text("x"), q.SndID, key.private)
				q.wantText(t, other.event(q.RcvID), "last")
				rcv.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
				other.check(smp.Deld{}, other.event(q.RcvID), smp.Del{})
				for _, cmd := range []smp.Command{smp.Sub{}, smp.Get{}, smp.Del{}, smp.Que{}, smp.Ack{MsgID: third}} {
					rcv.want(smp.ErrAuth, cmd, q.RcvID, q.rcv.private)
				}
				snd.want(smp.ErrAuth, text("x"), q.SndID, key.private)
			})
		})
	}
}

func TestGet(t *testing.T) {
	s := startRelay(t, Config{})
	a, b := s.dial(t, 18), s.dial(t, 18)
	q := a.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
	a.want(smp.OK{}, smp.Get{}, q.RcvID, q.rcv.private)
	b.want(smp.OK{}, text("1"), q.SndID, nil)
	b.want(smp.OK{}, text("2"), q.SndID, nil)
	q.wantText(t, a.do(smp.Get{}, q.RcvID, q.rcv.private), "1")
	id := q.wantText(t, a.do(smp.Get{}, q.RcvID, q.rcv.private), "1")
	a.want(smp.ErrProhibited, smp.Sub{}, q.RcvID, q.rcv.private)
	a.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	a.want(smp.ErrNoMessage, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	q.wantText(t, a.do(smp.Get{}, q.RcvID, q.rcv.private), "2")

	b.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
	id = q.wantText(t, b.event(q.RcvID), "2")
	b.want(smp.ErrProhibited, smp.Get{}, q.RcvID, q.rcv.private)
	// An empty id acknowledges nothing; one that another connection has acknowledged is fine.
	q.wantText(t, b.do(smp.Ack{}, q.RcvID, q.rcv.private), "2")
	a.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	b.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	b.want(smp.OK{}, text("3"), q.SndID, nil)
	q.wantText(t, b.event(q.RcvID), "3")
}

func TestQuota(t *testing.T) {
	s := startRelay(t, Config{Quota: 3})
	rcv, snd := s.dial(t, 18), s.dial(t, 18)
	q := rcv.newQueue(smp.ModeMessaging, nil)
	for i := range 3 {
		snd.want(smp.OK{}, text(fmt.Sprint(i)), q.SndID, nil)
	}
	snd.want(smp.ErrQuota, text("3"), q.SndID, nil)
	snd.want(smp.ErrQuota, text("4"), q.SndID, nil)
	if info := rcv.do(smp.Que{}, q.RcvID, q.rcv.private).(smp.Info); info.Size != 4 {
		t.Errorf("%d messages in a full queue", info.Size)
	}

	// The queue stays full over a restart and until the marker is acknowledged.
	s.stop()
	s = startIn(t, s.dir, Config{Quota: 3})
	rcv, snd = s.dial(t, 18), s.dial(t, 18)
	rcv.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
	m := rcv.event(q.RcvID)
	for i := range 3 {
		id := q.wantText(t, m, fmt.Sprint(i))
		snd.want(smp.ErrQuota, text("5"), q.SndID, nil)
		m = rcv.do(smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	}
	id, r := q.open(t, m)
	if !r.Quota {
		t.Fatal("the last one is no quota marker")
	}
	info := rcv.do(smp.Que{}, q.RcvID, q.rcv.private).(smp.Info)
	if info.Size != 1 || info.First.Type != "quota" {
		t.Errorf("QUE describes the marker as %+v", info)
	}
	snd.want(smp.ErrQuota, text("6"), q.SndID, nil)
	rcv.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	snd.want(smp.OK{}, text("7"), q.SndID, nil)
	q.wantText(t, rcv.event(q.RcvID), "7")
}

func TestSessions(t *testing.T) {
	s := startRelay(t, Config{})
	tests := map[string]struct {
		options dialOptions
		max     uint16
		idSize  int
	}{
		"TLS 1.3":      {dialOptions{version: 18, protocols: []string{"smp/1"}}, 18, 32},
		"TLS 1.2":      {dialOptions{version: 18, tlsVersion: tls.VersionTLS12, protocols: []string{"smp/1"}}, 18, 12},
		"web port":     {dialOptions{version: 18, protocols: []string{"http/1.1"}}, 18, 32},
		"no ALPN":      {dialOptions{version: 6}, 6, 32},
		"no key":       {dialOptions{version: 18, protocols: []string{"smp/1"}, noKey: true}, 18, 32},
		"proxy":        {dialOptions{version: 18, protocols: []string{"smp/1"}, proxy: true}, 18, 32},
		"old, TLS 1.2": {dialOptions{version: 6, tlsVersion: tls.VersionTLS12}, 6, 12},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := s.dialWith(t, test.options)
			if p.hello.Versions.Min != 6 || p.hello.Versions.Max != test.max {
				t.Errorf("versions %v", p.hello.Versions)
			}
			if len(p.params.SessionID) != test.idSize {
				t.Errorf("session id of %d bytes", len(p.params.SessionID))
			}
			if test.max == 18 && (len(p.hello.Chain) != 2 || s.Address().KeyHash != s.identity.Hash) {
				t.Error("the chain is not that of the relay")
			}
			q := p.newQueue(smp.ModeMessaging, nil)
			p.want(smp.OK{}, text("hello"), q.SndID, nil)
			q.wantText(t, p.event(q.RcvID), "hello")
		})
	}
	t.Run("no common ALPN", func(t *testing.T) {
		if c, _, err := dialTLS(s.addr, dialOptions{protocols: []string{"xmpp"}}); err == nil {
			// In TLS 1.3 the client may learn of it only now.
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("a connection without a common protocol")
			}
			c.NetConn().Close()
		}
	})
	hellos := map[string]func(*smp.ClientHello){
		"other relay":    func(h *smp.ClientHello) { h.KeyHash[0] ^= 1 },
		"version 5":      func(h *smp.ClientHello) { h.Version = 5 },
		"version 19":     func(h *smp.ClientHello) { h.Version = 19 },
		"low order key":  func(h *smp.ClientHello) { clear(h.Key[:]) },
		"service":        func(h *smp.ClientHello) { h.Service = &smp.ServiceHello{Role: smp.RoleMessaging, Chain: [][]byte{{1}}} },
		"unknown length": func(h *smp.ClientHello) { h.Service = &smp.ServiceHello{Role: 'X', Chain: [][]byte{{1}}} },
	}
	for name, edit := range hellos {
		t.Run(name, func(t *testing.T) {
			p := s.dialWith(t, dialOptions{version: 18, protocols: []string{"smp/1"}, noKey: name != "low order key", plainHello: edit})
			p.closed()
		})
	}
	t.Run("version above the offer", func(t *testing.T) {
		p := s.dialWith(t, dialOptions{version: 7})
		p.closed()
	})
}

func TestMalformed(t *testing.T) {
	s := startRelay(t, Config{})
	allVersions(t, func(t *testing.T, version uint16) {
		p := s.dial(t, version)
		wantBlock := func(what string) {
			t.Helper()
			a := p.next()
			if len(a.CorrID) != 0 || len(a.Entity) != 0 || p.message(a).(*smp.Error).Kind != smp.KindBlock {
				t.Errorf("%s: answer %q", what, a.Body)
			}
		}
		for what, content := range map[string][]byte{
			"empty":     {},
			"count 0":   {0},
			"truncated": {1, 0, 9, 0},
			"trailing":  {1, 0, 0, 1},
			"bad one":   {1, 0, 1, 9},
		} {
			p.writeContent(content)
			wantBlock(what)
		}
		if version >= 11 {
			// A block that doesn't open advances the chain.
			if _, err := p.out.Seal(nil, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := p.net.Write(bytes.Repeat([]byte{7}, 16384)); err != nil {
				t.Fatal(err)
			}
		} else if _, err := p.net.Write(bytes.Repeat([]byte{0xff}, 16384)); err != nil {
			t.Fatal(err)
		}
		wantBlock("not a block")

		// One bad transmission of three.
		good := p.transmission(smp.Ping{}, "", nil)
		encoded := p.params.AppendTransmission(nil, &good)
		p.writeContent(smp.AppendBlock(nil, [][]byte{encoded, {5}, encoded}))
		p.check(smp.Pong{}, p.answerTo(good), smp.Ping{})
		wantBlock("one of three")
		p.check(smp.Pong{}, p.answerTo(good), smp.Ping{})

		bad := p.transmission(smp.Ping{}, "", nil)
		bad.Auth = []byte("short")
		p.send(bad)
		p.check(smp.ErrBlock, p.answerTo(bad), smp.Ping{})
		if version == 6 {
			other := p.params
			other.SessionID = make([]byte, 32)
			p.writeContent(smp.AppendBlock(nil, [][]byte{other.AppendTransmission(nil, &good)}))
			p.check(smp.ErrSession, p.answerTo(good), smp.Ping{})
		}

		q := p.newQueue(smp.ModeMessaging, nil)
		id, key := q.RcvID, q.rcv.private
		for _, test := range []struct {
			body   string
			entity smp.ID
			key    smp.AuthKey
			want   *smp.Error
		}{
			{"", "", nil, smp.ErrUnknownCommand},
			{"ping", "", nil, smp.ErrUnknownCommand},
			{"OK", "", nil, smp.ErrUnknownCommand},
			{"SUB=", id, key, smp.ErrUnknownCommand},
			{"SUB ", id, key, smp.ErrSyntax},
			{"PING x", "", nil, smp.ErrSyntax},
			{"KEY x", id, key, smp.ErrSyntax},
			{"SEND X y", q.SndID, nil, smp.ErrSyntax},
			{"PING", id, nil, smp.ErrHasAuth},
			{"PING", "", key, smp.ErrHasAuth},
			{"SUB", "", key, smp.ErrNoAuth},
			{"SUB", id, nil, smp.ErrNoAuth},
			{"SEND T x", "", nil, smp.ErrNoEntity},
			{"LGET", "", nil, smp.ErrNoEntity},
			{"SUB", "short id", key, smp.ErrAuth},
			{"SUB", q.SndID, key, smp.ErrAuth},
			{"SEND T x", id, nil, smp.ErrAuth},
			{"SUBS", id, key, smp.ErrService},
			{"NSUBS", id, key, smp.ErrService},
			{"RFWD x", "", nil, smp.ErrCrypto},
		} {
			m := smp.Transmission{CorrID: make([]byte, 24), Entity: []byte(test.entity), Body: []byte(test.body)}
			if test.key != nil {
				if err := m.Authorize(p.params, test.key, p.relayKey); err != nil {
					t.Fatal(err)
				}
			}
			want := test.want
			if test.body == "RFWD x" && version < 7 {
				want = &smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{Kind: smp.ProxyBroker,
					Broker: smp.BrokerError{Kind: smp.BrokerTransport, Transport: smp.TransportNoAuth}}}
			}
			p.send(m)
			if got := p.answerTo(m); string(got.Append(nil, version)) != string(want.Append(nil, version)) {
				t.Errorf("answer to %q is %v, not %v", test.body, got, want)
			}
		}
		if version >= 16 {
			m := p.transmission(smp.Sub{}, id, key)
			m.ServiceSig = make([]byte, 64)
			p.send(m)
			p.check(smp.ErrService, p.answerTo(m), smp.Sub{})
		}
	})
}
