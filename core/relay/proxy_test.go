package relay

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// dialLoopback is a DialFunc without any rules.
func dialLoopback(ctx context.Context, server wire.Server) (BlockConn, error) {
	c, err := transport.Dialer{}.Dial(ctx, server.Hosts[0], server.Port, server.KeyHash, "smp/1")
	if err != nil {
		return nil, err
	}
	return c, nil
}

// server is the relay's address.
func (s *server) server() wire.Server {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		panic(err)
	}
	return wire.Server{Scheme: wire.SMP, KeyHash: s.identity.Hash, Hosts: []string{host}, Port: port}
}

// route is a way of a client to a relay through a proxy.
type route struct {
	*peer
	session smp.PKey
	key     crypt.X25519Public // the relay's
}

// proxyTo asks the proxy for a session with a relay.
func (p *peer) proxyTo(server wire.Server) *route {
	p.t.Helper()
	m := p.do(smp.Prxy{Server: server}, "", nil)
	pkey, ok := m.(smp.PKey)
	if !ok {
		p.t.Fatalf("the answer to PRXY is %v", m)
	}
	if crypt.Fingerprint(pkey.Chain[1]) != server.KeyHash {
		p.t.Fatal("PKEY is of another relay")
	}
	leaf := must(crypt.ParseEd25519(spkiOf(p.t, pkey.Chain[0])))
	key := must(crypt.OpenSignedKey(pkey.SignedKey, leaf)).(crypt.X25519Public)
	return &route{p, pkey, key}
}

// wrap makes the PFWD for a command. open reads its answer.
func (r *route) wrap(version uint16, cmd smp.Command, entity smp.ID, key smp.AuthKey) (outer smp.Transmission, open func(smp.Message) smp.Message) {
	r.t.Helper()
	p := smp.Params{Version: version, SessionID: r.session.SessionID}
	inner := smp.Transmission{CorrID: make([]byte, 24), Entity: []byte(entity), Body: cmd.Append(nil, version)}
	rand.Read(inner.CorrID)
	if key != nil {
		if err := inner.Authorize(p, key, &r.key); err != nil {
			r.t.Fatal(err)
		}
	}
	e := must(crypt.NewX25519(rand.Reader))
	secret := must(e.DH(r.key))
	nonce := crypt.NonceOf(inner.CorrID)
	box := must(smp.SealForward(&secret, nonce, p.AppendTransmission(nil, &inner)))
	body := smp.Pfwd{Version: version, Key: e.Public(), Box: box}.Append(nil, r.params.Version)
	outer = smp.Transmission{CorrID: inner.CorrID, Entity: r.session.SessionID, Body: body}
	return outer, func(m smp.Message) smp.Message {
		r.t.Helper()
		pres, ok := m.(smp.PRes)
		if !ok {
			return m
		}
		list := must(smp.SplitBlock(nil, must(smp.OpenForward(&secret, nonce.Reverse(), pres.Box))))
		back := must(p.ParseTransmission(list[0]))
		if string(back.CorrID) != string(inner.CorrID) || smp.ID(back.Entity) != entity {
			r.t.Error("the answer has other ids")
		}
		return must(smp.ParseMessage(version, back.Body))
	}
}

// forward sends a command through the proxy and returns its answer.
func (r *route) forward(version uint16, cmd smp.Command, entity smp.ID, key smp.AuthKey) smp.Message {
	r.t.Helper()
	outer, open := r.wrap(version, cmd, entity, key)
	r.send(outer)
	return open(r.answerTo(outer))
}

func TestProxy(t *testing.T) {
	relay, proxy := startRelay(t, Config{}), startRelay(t, Config{Dial: dialLoopback})
	rcv := relay.dial(t, 18)
	for version := smp.ProxyVersions.Min; version <= smp.Versions.Max; version++ {
		// The version of the session with the proxy has nothing to do with that of the command.
		r := proxy.dial(t, version).proxyTo(relay.server())
		if r.session.Versions != smp.ProxyVersions {
			t.Errorf("versions %v", r.session.Versions)
		}
		inner := min(version, smp.ProxyVersions.Max)
		check := func(want smp.Message, cmd smp.Command, entity smp.ID, key smp.AuthKey) {
			t.Helper()
			rcv.check(want, r.forward(inner, cmd, entity, key), cmd)
		}
		q := rcv.newQueue(smp.ModeMessaging, nil)
		key := []authKey{x25519Key(), ed25519Key(), ed448Key()}[version%3]
		if inner <= 10 { // the longest message with the longest signature has no room
			key = x25519Key()
		}
		check(smp.OK{}, smp.SKey{Key: key.public}, q.SndID, key.private)
		check(smp.ErrAuth, text("x"), q.SndID, nil)
		longest := strings.Repeat("a", smp.MaxBody(inner))
		check(smp.OK{}, text(longest), q.SndID, key.private)
		q.wantText(t, rcv.event(q.RcvID), longest)
		check(smp.ErrProhibited, smp.Ping{}, "", nil)

		data := linkData("fixed", "user")
		contact := rcv.newQueue(smp.ModeContact, func(n *smp.New) { n.Link = &smp.NewLink{LinkID: newLinkID(), Data: data} })
		check(smp.Lnk{SndID: contact.SndID, Data: data}, smp.LGet{}, contact.LinkID, nil)
		once := rcv.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Link = &smp.NewLink{Data: data} })
		check(smp.Lnk{SndID: once.SndID, Data: data}, smp.LKey{Key: key.public}, once.LinkID, key.private)
		if inner >= 12 {
			if err := relay.Block(contact.SndID, smp.Blocking{Reason: smp.BlockedSpam}); err != nil {
				t.Fatal(err)
			}
			blocked := &smp.Error{Kind: smp.KindBlocked, Blocking: smp.Blocking{Reason: smp.BlockedSpam}}
			check(blocked, text("x"), contact.SndID, nil)
			rcv.check(blocked, rcv.event(contact.RcvID), smp.Sub{})
		}
	}
	if n := relay.stats.connections.Load(); n != 2 {
		t.Errorf("%d connections with the relay instead of one shared by all and the recipient's", n)
	}
}

func TestProxyPassword(t *testing.T) {
	relay := startRelay(t, Config{})
	dir := t.TempDir()
	if _, err := Init(dir, Settings{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, dir, Config{Dial: dialLoopback}).dial(t, 18)
	for _, password := range []string{"", "Secret"} {
		p.want(proxyError(smp.ProxyBasicAuth), smp.Prxy{Server: relay.server(), Password: password}, "", nil)
	}
	if m, ok := p.do(smp.Prxy{Server: relay.server(), Password: "secret"}, "", nil).(smp.PKey); !ok {
		t.Errorf("with the password the answer is %v", m)
	}
}

// TestProxyReconnects restarts the relay behind a proxy.
func TestProxyReconnects(t *testing.T) {
	relay, proxy := startRelay(t, Config{}), startRelay(t, Config{Dial: dialLoopback})
	q := relay.dial(t, 18).newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
	p := proxy.dial(t, 18)
	r := p.proxyTo(relay.server())
	p.check(smp.OK{}, r.forward(17, text("1"), q.SndID, nil), text("1"))
	if again := p.proxyTo(relay.server()); !bytes.Equal(again.session.SessionID, r.session.SessionID) {
		t.Error("the second PRXY has another session")
	}
	addr := relay.addr
	relay.stop()
	relaytest.WaitUntil(t, "the proxy to notice", &proxy.changed, func() bool { return proxy.proxy.find(r.session.SessionID) == nil })
	p.check(proxyError(smp.ProxyNoSession), r.forward(17, text("2"), q.SndID, nil), text("2"))

	relay = startAt(t, relay.dir, addr, Config{})
	r = p.proxyTo(relay.server())
	p.check(smp.OK{}, r.forward(17, text("2"), q.SndID, nil), text("2"))
	rcv := relay.dial(t, 18)
	rcv.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
	id := q.wantText(t, rcv.event(q.RcvID), "1")
	q.wantText(t, rcv.do(smp.Ack{MsgID: id}, q.RcvID, q.rcv.private), "2")
}

// fakeConn is a connection with a relay that a test plays.
type fakeConn struct {
	in, out chan []byte
	id      []byte
	key     crypt.PublicKey
	once    sync.Once
	closed  chan struct{}
}

func newFakeConn(id []byte, key crypt.PublicKey) *fakeConn {
	return &fakeConn{in: make(chan []byte, 64), out: make(chan []byte, 64), id: id, key: key, closed: make(chan struct{})}
}

func (c *fakeConn) ReadBlock() ([]byte, error) {
	select {
	case b := <-c.in:
		return b, nil
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

func (c *fakeConn) WriteBlock(content []byte) error {
	select {
	case c.out <- bytes.Clone(content):
		return nil
	case <-c.closed:
		return net.ErrClosed
	}
}

func (c *fakeConn) SessionID() []byte                { return c.id }
func (c *fakeConn) ServerKey() crypt.PublicKey       { return c.key }
func (c *fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fakeConn) SetWriteDeadline(time.Time) error { return nil }
func (c *fakeConn) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }

// fakeRelay is a relay of which a test decides every byte.
type fakeRelay struct {
	leaf    crypt.Ed25519Private
	key     crypt.X25519Private
	hello   smp.ServerHello
	server  wire.Server
	conns   chan *fakeConn
	dials   atomic.Int64
	failure error // of dialing
}

func newFakeRelay() *fakeRelay {
	r := &fakeRelay{leaf: must(crypt.NewEd25519(rand.Reader)), key: must(crypt.NewX25519(rand.Reader)), conns: make(chan *fakeConn, 8)}
	identity := []byte("identity")
	r.server = wire.Server{Scheme: wire.SMP, KeyHash: crypt.Fingerprint(identity), Hosts: []string{"relay.example"}}
	id := newKey()
	r.hello = smp.ServerHello{
		Versions:  smp.Versions,
		SessionID: id[:],
		Chain:     [][]byte{[]byte("leaf"), identity},
		SignedKey: crypt.AppendSignedKey(nil, r.key.Public(), &r.leaf),
	}
	return r
}

// dial is a DialFunc that says the relay's hello.
func (r *fakeRelay) dial(context.Context, wire.Server) (BlockConn, error) {
	r.dials.Add(1)
	if r.failure != nil {
		return nil, r.failure
	}
	c := newFakeConn(r.hello.SessionID, r.leaf.Public())
	c.in <- r.hello.Append(nil)
	r.conns <- c
	return c, nil
}

// rfwd returns the next command from the proxy.
func (c *fakeConn) rfwd(t *testing.T, version uint16) smp.Transmission {
	t.Helper()
	select {
	case content := <-c.out:
		p := smp.Params{Version: version, SessionID: c.id}
		return must(p.ParseTransmission(must(smp.SplitBlock(nil, content))[0]))
	case <-time.After(patience):
		t.Fatal("no RFWD")
		panic("unreachable")
	}
}

func (c *fakeConn) answer(version uint16, t smp.Transmission) {
	p := smp.Params{Version: version, SessionID: c.id}
	c.in <- smp.AppendBlock(nil, [][]byte{p.AppendTransmission(nil, &t)})
}

// TestProxyHandshake has relays that do the handshake wrongly, or not at all.
func TestProxyHandshake(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*fakeRelay)
		want  *smp.Error
	}{
		"refused":   {func(r *fakeRelay) { r.failure = errors.New("connection refused") }, brokerError(smp.BrokerNetwork)},
		"timeout":   {func(r *fakeRelay) { r.failure = context.DeadlineExceeded }, brokerError(smp.BrokerTimeout)},
		"slow":      {func(r *fakeRelay) { r.failure = os.ErrDeadlineExceeded }, brokerError(smp.BrokerTimeout)},
		"forbidden": {func(r *fakeRelay) { r.failure = fmt.Errorf("%w", ErrForbiddenHost) }, brokerError(smp.BrokerHost)},
		"too new":   {func(r *fakeRelay) { r.hello.Versions = wire.VersionRange{Min: 19, Max: 20} }, handshakeError(smp.TransportVersion)},
		"too old":   {func(r *fakeRelay) { r.hello.Versions = wire.VersionRange{Min: 6, Max: 7} }, handshakeError(smp.TransportVersion)},
		"identity":  {func(r *fakeRelay) { r.hello.Chain[1] = []byte("another") }, handshakeError(smp.TransportIdentity)},
		"chain":     {func(r *fakeRelay) { r.hello.Chain = r.hello.Chain[1:] }, handshakeError(smp.TransportIdentity)},
		"signature": {func(r *fakeRelay) { r.leaf = crypt.Ed25519Private{1} }, handshakeError(smp.TransportBadAuth)},
	} {
		t.Run(name, func(t *testing.T) {
			relay := newFakeRelay()
			test.spoil(relay)
			p := startRelay(t, Config{Dial: relay.dial}).dial(t, 18)
			p.want(test.want, smp.Prxy{Server: relay.server}, "", nil)
		})
	}
	t.Run("session", func(t *testing.T) {
		relay := newFakeRelay()
		dial := func(ctx context.Context, s wire.Server) (BlockConn, error) {
			c, err := relay.dial(ctx, s)
			c.(*fakeConn).id = []byte("another session")
			return c, err
		}
		p := startRelay(t, Config{Dial: dial}).dial(t, 18)
		p.want(handshakeError(smp.TransportSession), smp.Prxy{Server: relay.server}, "", nil)
	})
	t.Run("parse", func(t *testing.T) {
		dial := func(context.Context, wire.Server) (BlockConn, error) {
			c := newFakeConn(nil, nil)
			c.in <- []byte("HTTP/1.1")
			return c, nil
		}
		p := startRelay(t, Config{Dial: dial}).dial(t, 18)
		p.want(handshakeError(smp.TransportParse), smp.Prxy{Server: newFakeRelay().server}, "", nil)
	})
	t.Run("another program", func(t *testing.T) {
		l := must(net.Listen("tcp", "127.0.0.1:0"))
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Write([]byte("220 mail.example ESMTP\r\n"))
				c.Close()
			}
		}()
		server := newFakeRelay().server
		server.Hosts = []string{"127.0.0.1"}
		_, server.Port, _ = net.SplitHostPort(l.Addr().String())
		p := startRelay(t, Config{Dial: dialLoopback}).dial(t, 18)
		p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: server}, "", nil)
	})
}

// TestProxyOldRelay has a relay that doesn't know the proxy flag: block encryption must not
// begin.
func TestProxyOldRelay(t *testing.T) {
	for highest, want := range map[uint16]wire.VersionRange{8: {Min: 8, Max: 8}, 13: {Min: 8, Max: 10}, 14: {Min: 8, Max: 14}, 19: {Min: 8, Max: 17}} {
		relay := newFakeRelay()
		relay.hello.Versions = wire.VersionRange{Min: 6, Max: highest}
		p := startRelay(t, Config{Dial: relay.dial}).dial(t, 18)
		r := relay.route(t, p)
		hello := must(smp.ParseClientHello(<-(<-relay.conns).out))
		if r.session.Versions != want || hello.Proxy != (highest >= 14) || hello.Version != max(want.Max, min(highest, 18)) && hello.Proxy {
			t.Errorf("relay up to version %d: versions %v, hello of version %d with flag %v", highest, r.session.Versions, hello.Version, hello.Proxy)
		}
		if !hello.Proxy && hello.Version > 10 {
			t.Errorf("relay up to version %d: block encryption begins", highest)
		}
	}
}

// spkiOf of a fake relay's leaf would not parse: its key is given.
func (r *fakeRelay) route(t *testing.T, p *peer) *route {
	t.Helper()
	pkey, ok := p.do(smp.Prxy{Server: r.server}, "", nil).(smp.PKey)
	if !ok {
		t.Fatal("no PKEY")
	}
	return &route{p, pkey, r.key.Public()}
}

// TestProxyAnswers has a relay that answers in all the wrong ways.
func TestProxyAnswers(t *testing.T) {
	relay := newFakeRelay()
	p := startRelay(t, Config{Dial: relay.dial}).dial(t, 18)
	r := relay.route(t, p)
	c := <-relay.conns
	proxyKey := *must(smp.ParseClientHello(<-c.out)).Key
	secret := must(relay.key.DH(proxyKey))
	for name, test := range map[string]struct {
		answer func(rfwd smp.Transmission, nonce crypt.Nonce) smp.Transmission
		want   *smp.Error
	}{
		"refused": {func(rfwd smp.Transmission, _ crypt.Nonce) smp.Transmission {
			return smp.Transmission{Body: smp.ErrCrypto.Append(nil, 18)}
		}, &smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{Kind: smp.ProxyProtocol, Relay: smp.ErrCrypto}}},
		"garbage": {func(smp.Transmission, crypt.Nonce) smp.Transmission {
			return smp.Transmission{Body: []byte("garbage")}
		}, answerError(smp.BrokerResponse, "unreadable answer")},
		"another kind": {func(smp.Transmission, crypt.Nonce) smp.Transmission {
			return smp.Transmission{Body: []byte("PONG")}
		}, answerError(smp.BrokerUnexpected, "unexpected answer")},
		"entity": {func(smp.Transmission, crypt.Nonce) smp.Transmission {
			return smp.Transmission{Entity: []byte("x"), Body: []byte("RRES x")}
		}, answerError(smp.BrokerUnexpected, "unexpected answer")},
		"box": {func(smp.Transmission, crypt.Nonce) smp.Transmission {
			return smp.Transmission{Body: smp.RRes{Box: make([]byte, 16283)}.Append(nil, 18)}
		}, smp.ErrCrypto},
		"another command": {func(_ smp.Transmission, nonce crypt.Nonce) smp.Transmission {
			return smp.Transmission{Body: smp.RRes{Box: smp.SealRelayAnswer(&secret, nonce.Reverse(), make([]byte, 24), nil)}.Append(nil, 18)}
		}, answerError(smp.BrokerUnexpected, "answer to another command")},
	} {
		outer, _ := r.wrap(17, text("x"), newLinkID(), nil)
		p.send(outer)
		rfwd := c.rfwd(t, 18)
		answer := test.answer(rfwd, crypt.NonceOf(rfwd.CorrID))
		answer.CorrID = rfwd.CorrID
		c.answer(18, answer)
		got := p.answerTo(outer)
		if string(got.Append(nil, 18)) != string(test.want.Append(nil, 18)) {
			t.Errorf("%s: %q", name, got.Append(nil, 18))
		}
	}
	// What nobody waits for is passed over, as are events.
	c.answer(18, smp.Transmission{CorrID: []byte("nobody's"), Body: []byte("RRES x")})
	c.answer(18, smp.Transmission{Body: []byte("ERR BLOCK")})
	// The connection is lost with a command on its way.
	outer, _ := r.wrap(17, text("x"), newLinkID(), nil)
	p.send(outer)
	c.rfwd(t, 18)
	c.Close()
	p.check(brokerError(smp.BrokerNetwork), p.answerTo(outer), smp.Pfwd{})
	// A box that leaves no room for the proxy's own layer.
	r = relay.route(t, p)
	outer, _ = r.wrap(17, text("x"), newLinkID(), nil)
	outer.Body = append(outer.Body, make([]byte, 8)...)
	p.send(outer)
	p.check(smp.ErrLarge, p.answerTo(outer), smp.Pfwd{})
}

// TestProxyRemembersFailures checks that a relay that is out of reach is left alone for a
// while.
func TestProxyRemembersFailures(t *testing.T) {
	now := relaytest.NewClock(time.Unix(1700000000, 0))
	relay := newFakeRelay()
	relay.failure = errors.New("unreachable")
	p := startRelay(t, Config{Dial: relay.dial, Now: now.Now}).dial(t, 18)
	for range 3 {
		p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: relay.server}, "", nil)
	}
	if n := relay.dials.Load(); n != 1 {
		t.Errorf("%d attempts to connect", n)
	}
	other := relay.server
	other.Port = "5223" // for a proxy that is another relay than that without a port
	p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: other}, "", nil)
	if n := relay.dials.Load(); n != 2 {
		t.Errorf("%d attempts to connect to two addresses", n)
	}
	now.Advance(failureTTL)
	p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: relay.server}, "", nil)
	if n := relay.dials.Load(); n != 3 {
		t.Errorf("%d attempts to connect", n)
	}
}

// TestProxyConcurrency checks how many commands of a connection are on their way at a time.
func TestProxyConcurrency(t *testing.T) {
	relay := newFakeRelay()
	proxy := startRelay(t, Config{Dial: relay.dial})
	p := proxy.dial(t, 18)
	r := relay.route(t, p)
	c := <-relay.conns
	<-c.out // hello
	var list []smp.Transmission
	for range 2 * maxProxied {
		outer, _ := r.wrap(17, text("x"), newLinkID(), nil)
		list = append(list, outer)
		p.send(outer)
	}
	var waiting []smp.Transmission
	for range maxProxied {
		waiting = append(waiting, c.rfwd(t, 18))
	}
	// Another client is not held up.
	other := relay.route(t, proxy.dial(t, 18))
	outer, _ := other.wrap(17, text("x"), newLinkID(), nil)
	other.send(outer)
	rfwd := c.rfwd(t, 18)
	c.answer(18, smp.Transmission{CorrID: rfwd.CorrID, Body: []byte("ERR CRYPTO")})
	other.answerTo(outer)
	select {
	case <-c.out:
		t.Errorf("more than %d commands at a time", maxProxied)
	default:
	}
	for range 2 * maxProxied {
		rfwd, waiting = waiting[0], waiting[1:]
		c.answer(18, smp.Transmission{CorrID: rfwd.CorrID, Body: []byte("ERR CRYPTO")})
		if a := p.next(); !bytes.HasPrefix(a.Body, []byte("ERR PROXY PROTOCOL CRYPTO")) {
			t.Fatalf("answer %q", a.Body)
		}
		if len(waiting) < maxProxied && len(list) > maxProxied {
			waiting = append(waiting, c.rfwd(t, 18))
			list = list[1:]
		}
	}
	// A client that leaves doesn't leave anything behind.
	outer, _ = r.wrap(17, text("x"), newLinkID(), nil)
	p.send(outer)
	c.rfwd(t, 18)
	p.net.NetConn().Close()
	other.net.NetConn().Close()
	proxy.waitForConnections(t, 0)
	if used, idle := proxy.proxy.find(relay.hello.SessionID).lastUse(); !idle || used.IsZero() {
		t.Error("a command is still waiting")
	}
}

// TestProxyDestinations fills the proxy with destinations.
func TestProxyDestinations(t *testing.T) {
	relay := newFakeRelay()
	proxy := startRelay(t, Config{Dial: relay.dial, Now: relaytest.NewClock(time.Unix(1700000000, 0)).Now})
	p := proxy.dial(t, 18)
	relay.route(t, p)
	relay.failure = errors.New("unreachable")
	server := relay.server
	for i := range maxDestinations + 10 {
		server.Port = fmt.Sprint(1 + i)
		p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: server}, "", nil)
	}
	proxy.proxy.mu.Lock()
	n := len(proxy.proxy.byServer)
	proxy.proxy.mu.Unlock()
	if n > maxDestinations {
		t.Errorf("%d destinations", n)
	}
	if proxy.proxy.find(relay.hello.SessionID) == nil {
		t.Error("a session had to go instead of a failure")
	}

	// With nothing but sessions the one that was not used for the longest time goes.
	proxy.proxy.mu.Lock()
	for name, d := range proxy.proxy.byServer {
		if d.failure != nil {
			delete(proxy.proxy.byServer, name)
		}
	}
	busy := &destination{settled: make(chan struct{})}
	for i := range maxDestinations - 1 {
		proxy.proxy.byServer[fmt.Sprint(i)] = busy
	}
	proxy.proxy.mu.Unlock()
	server.Port = "1"
	p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: server}, "", nil)
	relaytest.WaitUntil(t, "the session to end", &proxy.changed, func() bool { return proxy.proxy.find(relay.hello.SessionID) == nil })
	proxy.proxy.mu.Lock()
	for name, d := range proxy.proxy.byServer {
		if d != busy {
			delete(proxy.proxy.byServer, name)
		}
	}
	proxy.proxy.byServer["last"] = busy
	proxy.proxy.mu.Unlock()
	before := relay.dials.Load()
	p.want(brokerError(smp.BrokerNetwork), smp.Prxy{Server: server}, "", nil)
	if relay.dials.Load() != before {
		t.Error("a connection too many")
	}
}
