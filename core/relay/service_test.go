package relay

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

// serviceOf is a notifier service without an id.
func serviceOf(k authKey) service {
	return service{role: smp.RoleNotifier, key: k.public.(crypt.Ed25519Public)}
}

// testCertificates are those of a service.
type testCertificates struct {
	chain [][]byte
	leaf  crypt.Ed25519Private
	tls   tls.Certificate
}

// makeCertificates makes a chain of n certificates. The last one is self-signed, and signs the
// one before it, and so on.
func makeCertificates(t testing.TB, n int, until time.Time) *testCertificates {
	t.Helper()
	c := new(testCertificates)
	var parent *x509.Certificate
	var parentKey ed25519.PrivateKey
	for i := n - 1; i >= 0; i-- {
		k := must(crypt.NewEd25519(rand.Reader))
		private := ed25519.NewKeyFromSeed(k[:])
		template := &x509.Certificate{
			SerialNumber:          big.NewInt(int64(i + 1)),
			Subject:               pkix.Name{CommonName: fmt.Sprint("certificate ", i)},
			NotBefore:             time.Now().Add(-48 * time.Hour),
			NotAfter:              until,
			KeyUsage:              x509.KeyUsageDigitalSignature,
			BasicConstraintsValid: true,
		}
		if i > 0 {
			template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
		}
		if parent == nil {
			parent, parentKey = template, private
		}
		der := must(x509.CreateCertificate(rand.Reader, template, parent, private.Public(), parentKey))
		parent, parentKey = must(x509.ParseCertificate(der)), private
		c.chain = append([][]byte{der}, c.chain...)
		c.leaf = k
		c.tls = tls.Certificate{Certificate: c.chain, PrivateKey: private}
	}
	return c
}

// identity is the certificate by which the relay knows the service.
func (c *testCertificates) identity() []byte { return c.chain[min(1, len(c.chain)-1)] }

func (c *testCertificates) hello(role smp.Role, session crypt.PublicKey) *smp.ServiceHello {
	return &smp.ServiceHello{Role: role, Chain: c.chain, SignedKey: crypt.AppendSignedKey(nil, session, &c.leaf)}
}

// servicePeer is the session of a service.
type servicePeer struct {
	*peer
	id          smp.ID
	key         authKey // of the session
	fingerprint [32]byte
}

func (s *server) dialService(t testing.TB, c *testCertificates, role smp.Role) *servicePeer {
	t.Helper()
	p := &servicePeer{key: ed25519Key(), fingerprint: crypt.Fingerprint(c.identity())}
	p.peer = s.dialWith(t, dialOptions{
		version: 18, protocols: []string{"smp/1"}, certificate: &c.tls,
		plainHello: func(h *smp.ClientHello) { h.Service = c.hello(role, p.key.public) },
	})
	if p.service.Err != "" {
		t.Fatalf("the service is refused: %v", p.service.Err)
	}
	p.id = p.service.ServiceID
	return p
}

// signed makes a transmission that is authorized as those of services are (smp-transport.md §7.3).
func (p *servicePeer) signed(cmd smp.Command, entity smp.ID, k smp.AuthKey) smp.Transmission {
	t := p.transmission(cmd, entity, nil)
	signed := p.params.AppendSigned(nil, &t)
	t.ServiceSig = p.key.private.(*crypt.Ed25519Private).Sign(signed)
	t.Auth = k.(*crypt.Ed25519Private).Sign(append(p.fingerprint[:], signed...))
	return t
}

func (p *servicePeer) wantSigned(m smp.Message, cmd smp.Command, entity smp.ID, k smp.AuthKey) {
	p.t.Helper()
	t := p.signed(cmd, entity, k)
	p.send(t)
	p.check(m, p.answerTo(t), cmd)
}

func TestServiceHello(t *testing.T) {
	s := startRelay(t, Config{})
	until := time.Now().AddDate(100, 0, 0)
	lists := make(map[int]*testCertificates)
	ids := make(map[smp.ID]bool)
	for n := 1; n <= 4; n++ {
		lists[n] = makeCertificates(t, n, until)
		p := s.dialService(t, lists[n], smp.RoleNotifier)
		p.want(smp.Pong{}, smp.Ping{}, "", nil)
		if len(p.id) != smp.IDSize || ids[p.id] {
			t.Fatalf("chain of %d: service id %x", n, p.id)
		}
		ids[p.id] = true
	}
	first := s.dialService(t, lists[2], smp.RoleNotifier).id
	for _, role := range []smp.Role{smp.RoleMessaging, smp.RoleProxy} {
		if id := s.dialService(t, makeCertificates(t, 1, until), role).id; ids[id] {
			t.Error("two services with one id")
		}
	}

	good, other := lists[2], lists[3]
	session := ed25519Key().public
	for name, test := range map[string]struct {
		certificate *tls.Certificate
		hello       *smp.ServiceHello
		want        smp.TransportError
	}{
		"no certificate in TLS":    {nil, good.hello('N', session), smp.TransportBadAuth},
		"another one in TLS":       {&other.tls, good.hello('N', session), smp.TransportBadAuth},
		"no chain":                 {&good.tls, &smp.ServiceHello{Role: 'N', Chain: [][]byte{{1}}}, smp.TransportBadAuth},
		"part of the chain":        {&good.tls, &smp.ServiceHello{Role: 'N', Chain: good.chain[:1], SignedKey: good.hello('N', session).SignedKey}, smp.TransportBadAuth},
		"signed by another key":    {&good.tls, &smp.ServiceHello{Role: 'N', Chain: good.chain, SignedKey: other.hello('N', session).SignedKey}, smp.TransportBadAuth},
		"no signed key":            {&good.tls, &smp.ServiceHello{Role: 'N', Chain: good.chain}, smp.TransportBadAuth},
		"key of another algorithm": {&good.tls, good.hello('N', x25519Key().public), smp.TransportBadAuth},
		"another role":             {&good.tls, good.hello('M', session), smp.TransportBadService},
	} {
		t.Run(name, func(t *testing.T) { s.wantRefused(t, test.certificate, test.hello, test.want) })
	}
	for name, c := range map[string]*testCertificates{
		"five certificates": makeCertificates(t, 5, until),
		"expired":           makeCertificates(t, 2, time.Now().Add(-24*time.Hour)),
		"expired, alone":    makeCertificates(t, 1, time.Now().Add(-24*time.Hour)),
		"strange issuer": func() *testCertificates {
			c := *makeCertificates(t, 2, until)
			c.chain = [][]byte{c.chain[0], good.chain[1]}
			c.tls.Certificate = c.chain
			return &c
		}(),
	} {
		t.Run(name, func(t *testing.T) { s.wantRefused(t, &c.tls, c.hello('N', session), smp.TransportBadAuth) })
	}

	// The id stays.
	s.stop()
	s = startIn(t, s.dir, Config{})
	if id := s.dialService(t, good, smp.RoleNotifier).id; id != first {
		t.Error("the service has another id after a restart")
	}
	t.Run("another role after a restart", func(t *testing.T) {
		s.wantRefused(t, &good.tls, good.hello('P', session), smp.TransportBadService)
	})
	// TLS 1.2 and a client without a session key.
	p := s.dialWith(t, dialOptions{
		version: 16, tlsVersion: tls.VersionTLS12, protocols: []string{"smp/1"}, noKey: true, certificate: &good.tls,
		plainHello: func(h *smp.ClientHello) { h.Service = good.hello('N', session) },
	})
	if p.service.ServiceID != first {
		t.Error("the service has another id with TLS 1.2")
	}
	p.want(smp.Pong{}, smp.Ping{}, "", nil)
}

// wantRefused connects as a service that the relay must refuse.
func (s *server) wantRefused(t *testing.T, certificate *tls.Certificate, hello *smp.ServiceHello, want smp.TransportError) {
	t.Helper()
	p := s.dialWith(t, dialOptions{
		version: 18, protocols: []string{"smp/1"}, noKey: true, certificate: certificate,
		plainHello: func(h *smp.ClientHello) { h.Service = hello },
	})
	if certificate == nil {
		p.service = must(smp.ParseServiceAnswer(p.readContent()))
	}
	if p.service.Err != want {
		t.Errorf("answer %+v, want %v", p.service, want)
	}
	p.closed()
}

// TestServiceLimit has as many services as there may be. Those that nobody uses make room for others.
func TestServiceLimit(t *testing.T) {
	now := relaytest.NewClock(time.Now())
	s := startRelay(t, Config{Now: now.Now})
	var used key // the id of all of them
	ntf := &notifier{service: &used}
	b := s.store.db.NewBatch()
	b.Set(serviceKey(ntf), nil, nil)
	for i := range maxServices - 1 {
		b.Set(append([]byte{kindService}, fmt.Sprintf("%032d", i)...), make([]byte, 25), nil)
	}
	if err := b.Commit(nil); err != nil {
		t.Fatal(err)
	}
	last, tooMany := makeCertificates(t, 1, time.Now().AddDate(1, 0, 0)), makeCertificates(t, 1, time.Now().AddDate(1, 0, 0))
	s.dialService(t, last, smp.RoleNotifier)
	s.wantRefused(t, &tooMany.tls, tooMany.hello('N', ed25519Key().public), smp.TransportBadService)
	session := s.dialService(t, last, smp.RoleNotifier)

	b = s.store.db.NewBatch()
	deleteNotifier(b, ntf)
	if err := s.store.commitLater(b); err != nil {
		t.Fatal(err)
	}
	// Not again at once: looking for what can be forgotten takes time.
	s.wantRefused(t, &tooMany.tls, tooMany.hello('N', ed25519Key().public), smp.TransportBadService)
	now.Advance(serviceInterval)
	s.dialService(t, tooMany, smp.RoleNotifier)
	if n := must(s.store.countServices()); n != 2 {
		t.Errorf("%d services are left", n)
	}
	again := s.dialService(t, last, smp.RoleNotifier)
	if again.id != session.id {
		t.Error("a service is forgotten that has a session")
	}
	again.net.NetConn().Close()
	s.waitForConnections(t, 3)
	if n := s.sessionsOf(key([]byte(session.id))); n != 2 {
		t.Errorf("%d sessions of a service are counted", n)
	}
}

// sessionsOf tells how many sessions of a service are counted.
func (s *server) sessionsOf(id key) int {
	s.services.mu.Lock()
	defer s.services.mu.Unlock()
	return s.services.sessions[id]
}

// withNotifier makes a queue with a notifier.
func (p *peer) withNotifier() (q *testQueue, ntf smp.ID, k authKey) {
	p.t.Helper()
	q, k = p.newQueue(smp.ModeMessaging, nil), ed25519Key()
	dh := must(crypt.NewX25519(rand.Reader))
	nid := p.do(smp.NKey{Keys: smp.NotifierKeys{Auth: k.public, DH: dh.Public()}}, q.RcvID, q.rcv.private).(smp.NID)
	return q, nid.ID, k
}

// TestServiceErrors has every kind of command in every kind of session, with each mistake that
// smp-transport.md §7.3 names. The role is checked before the service's signature, and that
// before the authorization.
func TestServiceErrors(t *testing.T) {
	s := startRelay(t, Config{})
	until := time.Now().AddDate(1, 0, 0)
	owner := s.dial(t, 18)
	q, ntf, ntfKey := owner.withNotifier()
	sessions := map[string]*servicePeer{
		"none":      {peer: s.dial(t, 18), key: ed25519Key()},
		"messaging": s.dialService(t, makeCertificates(t, 2, until), smp.RoleMessaging),
		"notifier":  s.dialService(t, makeCertificates(t, 2, until), smp.RoleNotifier),
		"proxy":     s.dialService(t, makeCertificates(t, 2, until), smp.RoleProxy),
	}
	type kind string
	const (
		plain       kind = "plain"         // authorized as outside of services
		signed      kind = "signed"        // with the service's signature and the fingerprint
		unprefixed  kind = "unprefixed"    // with the service's signature, but without the fingerprint
		wrongSig    kind = "wrong service" // with the signature of another service
		wrongEntity kind = "wrong entity"  // signed, with another key of the queue
		byService   kind = "by service"    // by the service's key alone
		alsoSigned  kind = "also signed"   // by the service's key, and with its signature
		otherID     kind = "other id"      // by the service's key, with the id of another service
		notAll      kind = "none"          // without anything
	)
	nsub := func() smp.Command { return smp.NSub{} }
	sub := func() smp.Command { return smp.Sub{} }
	rcv := ed25519Key()
	create := func(subscribe bool) func() smp.Command {
		return func() smp.Command {
			return smp.New{RcvAuth: rcv.public, RcvDH: x25519Key().public.(crypt.X25519Public), Mode: smp.ModeMessaging, Subscribe: subscribe}
		}
	}
	for i, test := range []struct {
		session string
		cmd     func() smp.Command
		entity  smp.ID
		key     authKey
		kind    kind
		want    smp.Message // nil for success
	}{
		{"none", sub, q.RcvID, q.rcv, plain, nil},
		{"none", sub, q.RcvID, q.rcv, signed, smp.ErrService},
		{"none", nsub, ntf, ntfKey, wrongSig, smp.ErrService},
		{"none", create(true), "", rcv, unprefixed, smp.ErrService},
		{"none", func() smp.Command { return smp.Que{} }, q.RcvID, q.rcv, unprefixed, smp.ErrService},
		{"none", func() smp.Command { return smp.NSubs{} }, ntf, authKey{}, byService, smp.ErrService},
		{"none", func() smp.Command { return smp.Subs{} }, ntf, authKey{}, byService, smp.ErrService},
		{"none", nsub, ntf, ntfKey, plain, nil},

		{"notifier", nsub, ntf, ntfKey, plain, smp.ErrService},
		{"notifier", nsub, ntf, ntfKey, unprefixed, smp.ErrAuth},
		{"notifier", nsub, ntf, ntfKey, wrongSig, smp.ErrService},
		{"notifier", nsub, ntf, q.rcv, wrongEntity, smp.ErrAuth},
		{"notifier", nsub, newKey().id(), ntfKey, signed, smp.ErrAuth},
		{"notifier", nsub, newKey().id(), ntfKey, wrongSig, smp.ErrService},
		{"notifier", nsub, ntf, ntfKey, signed, nil},
		{"notifier", sub, q.RcvID, q.rcv, signed, smp.ErrProhibited},
		{"notifier", sub, q.RcvID, q.rcv, wrongSig, smp.ErrProhibited},
		{"notifier", create(true), "", rcv, signed, smp.ErrProhibited},
		{"notifier", func() smp.Command { return text("x") }, q.SndID, authKey{}, notAll, smp.ErrProhibited},
		{"notifier", func() smp.Command { return smp.Subs{} }, "", authKey{}, byService, smp.ErrProhibited},
		{"notifier", func() smp.Command { return smp.NSubs{} }, "", authKey{}, byService, smp.SOKs{Count: 1}},
		{"notifier", func() smp.Command { return smp.NSubs{} }, "", authKey{}, otherID, smp.ErrService},
		{"notifier", func() smp.Command { return smp.NSubs{} }, "", authKey{}, alsoSigned, smp.ErrService},
		{"notifier", func() smp.Command { return smp.NSubs{} }, "", ntfKey, plain, smp.ErrService},
		{"notifier", func() smp.Command { return smp.Rfwd{Box: []byte("x")} }, "", authKey{}, notAll, smp.ErrProhibited},
		{"notifier", func() smp.Command { return smp.Ping{} }, "", authKey{}, notAll, smp.Pong{}},

		{"messaging", sub, q.RcvID, q.rcv, signed, nil},
		{"messaging", sub, q.RcvID, q.rcv, plain, smp.ErrService},
		{"messaging", sub, q.RcvID, q.rcv, unprefixed, smp.ErrAuth},
		{"messaging", func() smp.Command { return smp.Off{} }, q.RcvID, q.rcv, signed, smp.ErrService},
		{"messaging", func() smp.Command { return smp.NDel{} }, q.RcvID, ed25519Key(), plain, smp.ErrAuth},
		{"messaging", create(true), "", rcv, signed, nil},
		{"messaging", create(false), "", rcv, signed, smp.ErrProhibited},
		{"messaging", create(false), "", ed25519Key(), signed, smp.ErrAuth},
		{"messaging", create(true), "", rcv, plain, smp.ErrService},
		{"messaging", nsub, ntf, ntfKey, signed, smp.ErrProhibited},
		{"messaging", func() smp.Command { return smp.Subs{} }, "", authKey{}, byService, smp.ErrProhibited},
		{"messaging", func() smp.Command { return smp.Subs{} }, "", authKey{}, otherID, smp.ErrService},
		{"messaging", func() smp.Command { return smp.NSubs{} }, "", authKey{}, byService, smp.ErrProhibited},
		{"messaging", func() smp.Command { return smp.Ping{} }, "", authKey{}, notAll, smp.Pong{}},
		{"messaging", func() smp.Command { return text("x") }, q.SndID, authKey{}, notAll, nil},

		{"proxy", func() smp.Command { return smp.Rfwd{Box: []byte("x")} }, "", authKey{}, notAll, smp.ErrCrypto},
		{"proxy", func() smp.Command { return text("x") }, q.SndID, authKey{}, notAll, smp.ErrProhibited},
		{"proxy", sub, q.RcvID, q.rcv, signed, smp.ErrProhibited},
		{"proxy", func() smp.Command { return smp.Ping{} }, "", authKey{}, notAll, smp.Pong{}},
	} {
		p := sessions[test.session]
		cmd, entity := test.cmd(), test.entity
		if entity == "" && test.kind != notAll && test.cmd != nil {
			if _, isNew := cmd.(smp.New); !isNew {
				entity = p.id
			}
		}
		if test.kind == otherID {
			entity = newKey().id()
		}
		m := p.transmission(cmd, entity, nil)
		data := p.params.AppendSigned(nil, &m)
		sign := func(k authKey, b []byte) []byte { return k.private.(*crypt.Ed25519Private).Sign(b) }
		prefixed := append(p.fingerprint[:len(p.fingerprint):len(p.fingerprint)], data...)
		switch test.kind {
		case plain:
			m.Auth = sign(test.key, data)
		case signed, wrongEntity:
			m.Auth, m.ServiceSig = sign(test.key, prefixed), sign(p.key, data)
		case unprefixed:
			m.Auth, m.ServiceSig = sign(test.key, data), sign(p.key, data)
		case wrongSig:
			m.Auth, m.ServiceSig = sign(test.key, prefixed), sign(ed25519Key(), data)
		case byService, otherID:
			m.Auth = sign(p.key, data)
		case alsoSigned:
			m.Auth, m.ServiceSig = sign(p.key, data), sign(p.key, data)
		}
		p.send(m)
		got := p.answerTo(m)
		_, failed := got.(*smp.Error)
		if test.want == nil && failed || test.want != nil && string(got.Append(nil, 18)) != string(test.want.Append(nil, 18)) {
			t.Errorf("case %d: %T, %s, in a session of %s is answered with %v, not %v", i, cmd, test.kind, test.session, got, test.want)
		}
		switch got := got.(type) {
		case smp.SOK:
			if got.ServiceID != p.id {
				t.Errorf("case %d: service id %x", i, got.ServiceID)
			}
		case smp.IDs:
			if got.ServiceID != p.id {
				t.Errorf("case %d: service id %x", i, got.ServiceID)
			}
		}
	}
}

// TestNotifierService follows notifiers through services and sessions.
func TestNotifierService(t *testing.T) {
	s := startRelay(t, Config{})
	until := time.Now().AddDate(1, 0, 0)
	certificates := makeCertificates(t, 2, until)
	owner, snd, single := s.dial(t, 18), s.dial(t, 18), s.dial(t, 18)
	type box struct {
		*testQueue
		ntf smp.ID
		key authKey
	}
	var list []box
	for range 3 {
		q, ntf, k := owner.withNotifier()
		list = append(list, box{q, ntf, k})
	}
	notify := func(b box) {
		t.Helper()
		snd.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("x")}, b.SndID, nil)
	}
	notified := func(p *peer, b box) {
		t.Helper()
		if m, ok := p.event(b.ntf).(smp.NMsg); !ok {
			t.Fatalf("%#v is not a notification", m)
		}
	}
	subscribed := func(p *servicePeer, n int64) {
		t.Helper()
		p.want(smp.SOKs{Count: n}, smp.NSubs{}, p.id, p.key.private)
	}
	ended := func(p *peer, entity smp.ID, want smp.Message) {
		t.Helper()
		p.check(want, p.event(entity), smp.NSub{})
	}

	a := s.dialService(t, certificates, smp.RoleNotifier)
	subscribed(a, 0)
	single.want(smp.SOK{}, smp.NSub{}, list[0].ntf, list[0].key.private)
	for _, b := range list {
		a.wantSigned(smp.SOK{ServiceID: a.id}, smp.NSub{}, b.ntf, b.key.private)
		a.wantSigned(smp.SOK{ServiceID: a.id}, smp.NSub{}, b.ntf, b.key.private)
	}
	ended(single, list[0].ntf, smp.End{}) // the service has taken it over
	notify(list[0])
	notified(a.peer, list[0])
	subscribed(a, 3) // what waits was announced

	// Another session of the service takes everything over.
	b := s.dialService(t, certificates, smp.RoleNotifier)
	subscribed(b, 3)
	ended(a.peer, a.id, smp.Ends{Count: 3})
	notify(list[1])
	notified(b.peer, list[1])

	// One NSUB does, too.
	a.wantSigned(smp.SOK{ServiceID: a.id}, smp.NSub{}, list[2].ntf, list[2].key.private)
	ended(b.peer, b.id, smp.Ends{Count: 3})
	notify(list[2])
	notified(a.peer, list[2])

	// It is all there after a restart, and what comes without a session is announced to the next one, once.
	addr := s.addr
	s.stop()
	s = startAt(t, s.dir, addr, Config{})
	snd = s.dial(t, 18)
	for _, b := range list {
		notify(b)
		notify(b)
	}
	s.stop()
	s = startAt(t, s.dir, addr, Config{})
	owner, snd, single = s.dial(t, 18), s.dial(t, 18), s.dial(t, 18)
	a = s.dialService(t, certificates, smp.RoleNotifier)
	subscribed(a, 3)
	waiting := map[smp.ID]bool{}
	for range list {
		e := a.next()
		waiting[smp.ID(e.Entity)] = true
	}
	if len(waiting) != 3 {
		t.Fatalf("%d notifiers are announced, not 3", len(waiting))
	}
	subscribed(a, 3)

	// A subscription without a service ends the association.
	single.want(smp.SOK{}, smp.NSub{}, list[0].ntf, list[0].key.private)
	ended(a.peer, list[0].ntf, smp.End{})
	subscribed(a, 2)
	notify(list[0])
	notified(single, list[0])

	// Another service takes one.
	other := s.dialService(t, makeCertificates(t, 1, until), smp.RoleNotifier)
	other.wantSigned(smp.SOK{ServiceID: other.id}, smp.NSub{}, list[1].ntf, list[1].key.private)
	ended(a.peer, list[1].ntf, smp.End{})
	subscribed(other, 1)
	notify(list[1])
	notified(other.peer, list[1])

	// Notifiers that are deleted are so for their services.
	owner.want(smp.OK{}, smp.NDel{}, list[2].RcvID, list[2].rcv.private)
	ended(a.peer, list[2].ntf, smp.Deld{})
	subscribed(a, 0)
	owner.want(smp.OK{}, smp.Del{}, list[1].RcvID, list[1].rcv.private)
	ended(other.peer, list[1].ntf, smp.Deld{})
	subscribed(other, 0)
	if rest, err := s.store.notifiersOf(key([]byte(a.id))); err != nil || len(rest) > 0 {
		t.Errorf("%d notifiers are left, %v", len(rest), err)
	}
}
