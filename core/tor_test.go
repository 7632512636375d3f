package core

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// socks is a SOCKS proxy that stands in for a Tor that runs already: all names lead to one target.
type socks struct {
	t       *testing.T
	address string
	target  string

	mu       sync.Mutex
	listener net.Listener
	hosts    []string
	users    []string
	times    []time.Time     // of the same requests
	pending  func(more bool) // called when a request comes, which it may hold up, and before it is answered, unless it is nil
	conns    map[net.Conn]bool
	work     sync.WaitGroup
}

func newSocks(t *testing.T, target string) *socks {
	s := &socks{t: t, target: target, conns: map[net.Conn]bool{}}
	s.start("0")
	t.Cleanup(s.stop)
	return s
}

func (s *socks) start(port string) {
	l := mustListen(s.t, port)
	s.address, s.listener = l.Addr().String(), l
	s.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.track(c, true)
			s.work.Go(func() { defer s.track(c, false); s.serve(c) })
		}
	})
}

func (s *socks) track(c net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.conns[c] = true
		return
	}
	delete(s.conns, c)
	c.Close()
}

// stop ends the proxy and all that goes through it.
func (s *socks) stop() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

func (s *socks) port() string { _, port, _ := net.SplitHostPort(s.address); return port }

// serve speaks SOCKS5 with a user and a password (RFC 1928 and 1929).
func (s *socks) serve(c net.Conn) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	methods := read(int(read(2)[1]))
	if !slices.Contains(methods, 2) { // to find out whether it speaks SOCKS
		c.Write([]byte{5, 0xff})
		return
	}
	c.Write([]byte{5, 2})
	user := string(read(int(read(2)[1])))
	read(int(read(1)[0]))
	c.Write([]byte{1, 0})
	if read(4)[3] != 3 {
		return // not a name
	}
	host := string(read(int(read(1)[0])))
	binary.BigEndian.Uint16(read(2))
	s.mu.Lock()
	s.users, s.hosts, s.times = append(s.users, user), append(s.hosts, host), append(s.times, time.Now())
	pending := s.pending
	s.mu.Unlock()
	if pending != nil {
		pending(true)
		pending(false)
	}
	up, err := net.Dial("tcp", s.target)
	if err != nil {
		c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	s.track(up, true)
	defer s.track(up, false)
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	s.work.Go(func() { io.Copy(c, up); c.Close() })
	io.Copy(up, c)
}

func (s *socks) seen() (hosts, users []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hosts), slices.Clone(s.users)
}

// counted counts what connects to a relay.
type counted struct {
	net.Listener
	mu sync.Mutex
	n  int
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.n++
		l.mu.Unlock()
	}
	return c, err
}

// newFarRelay is a relay that only a proxy can find: its name means nothing here.
func newFarRelay(t *testing.T, hosts ...string) (*testRelay, *counted) {
	t.Helper()
	r := &testRelay{t: t, dir: filepath.Join(t.TempDir(), "relay")}
	l := &counted{Listener: mustListen(t, "0")}
	r.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	server, err := relay.Init(r.dir, relay.Settings{Hosts: hosts, Port: r.port})
	if err != nil {
		t.Fatal(err)
	}
	r.address = server.String()
	r.serve(l)
	t.Cleanup(r.stop)
	return r, l
}

// throughTor are the options of a program that reaches a relay through a Tor that runs already.
func throughTor(t *testing.T, r *testRelay, s *socks) *testCore {
	t.Helper()
	opt := testOptions(r)
	opt.TorOnly = true
	c := openTest(t, t.TempDir(), opt)
	if err := c.SetTor(TorSettings{Mode: TorOnly, Socks: s.address}); err != nil {
		t.Fatal(err)
	}
	return c
}

// With Tor only, all that leaves goes through the proxy: names too, and each profile apart.
func TestTorOnly(t *testing.T) {
	r, front := newFarRelay(t, "relay.invalid")
	proxy := newSocks(t, net.JoinHostPort(loopback, r.port))
	a, b := throughTor(t, r, proxy), throughTor(t, r, proxy)
	p := &pair{a: a, b: b, pa: a.create("Alice"), pb: b.create("Bob")}
	p.connect(t)
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "through the proxy").ID)

	second := a.create("Alice's other name")
	if err := a.Use(second.ID()); err != nil {
		t.Fatal(err)
	}
	mustInvite(t, second)

	hosts, users := proxy.seen()
	front.mu.Lock()
	n := front.n
	front.mu.Unlock()
	if n != len(hosts) {
		t.Errorf("the relay has seen %d connections, the proxy %d", n, len(hosts))
	}
	for _, h := range hosts {
		if h != "relay.invalid" {
			t.Errorf("the proxy was asked for %q", h)
		}
	}
	if slices.Sort(users); len(slices.Compact(users)) < 3 {
		t.Errorf("3 profiles have %d circuits", len(slices.Compact(users)))
	}

	carriers, err := p.pa.Carriers(t.Context(), p.ca)
	if err != nil || len(carriers) != 2 || !carriers[0].Receive || carriers[0].Reach != ReachExit || !carriers[0].Own || carriers[1].Reach != ReachExit {
		t.Errorf("the relays of the conversation are %+v, %v", carriers, err)
	}

	// Without the proxy messages wait.
	port := proxy.port()
	proxy.stop()
	item := mustSend(t, p.pa, p.ca, "waits")
	mustSend(t, p.pb, p.cb, "waits too")
	a.wait("the relay being out of reach", func() bool {
		return slices.ContainsFunc(p.pa.Status(), func(s RelayStatus) bool { return s.State == RelayDisconnected })
	})
	front.mu.Lock()
	if front.n != n {
		t.Errorf("%d connections without the proxy", front.n-n)
	}
	front.mu.Unlock()
	proxy.start(port)
	a.RetryTor()
	b.RetryTor()
	p.a.delivered(p.pa, p.ca, item.ID)
	a.wait("the message of the other side", func() bool {
		return slices.Contains(received(t, p.pa, p.ca), "waits too")
	})
}

// Another mode is in force at once, also for what is connected.
func TestTorModeSwitched(t *testing.T) {
	far, _ := newFarRelay(t, "relay.invalid", "example5onion.onion")
	proxy := newSocks(t, net.JoinHostPort(loopback, far.port))
	opt := testOptions(far)
	c := openTest(t, t.TempDir(), opt)
	p := c.create("Alice")
	server, err := wire.ParseServer(far.address)
	if err != nil {
		t.Fatal(err)
	}
	path := func() (transport.Path, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return p.path(ctx, server, "")
	}
	if got, err := path(); err != nil || got.Host != "relay.invalid" || got.Proxy != nil {
		t.Errorf("direct: %+v, %v", got, err)
	}
	for _, m := range []struct {
		mode     TorMode
		required bool
	}{{TorOnionRelays, false}, {TorOnly, false}, {TorOnly, true}} {
		if err := c.SetTor(TorSettings{Mode: m.mode, OnionRequired: m.required, Socks: proxy.address}); err != nil {
			t.Fatal(err)
		}
		if got, err := path(); err != nil || got.Host != "example5onion.onion" || got.Proxy == nil {
			t.Errorf("%s: %+v, %v", m.mode, got, err)
		}
	}
	server.Hosts = server.Hosts[:1]
	if got, err := path(); !errors.Is(err, transport.ErrHost) {
		t.Errorf("an onion address is required: %+v, %v", got, err)
	}
	if err := c.SetTor(TorSettings{Mode: TorOnionRelays, Socks: proxy.address}); err != nil {
		t.Fatal(err)
	}
	if got, err := path(); err != nil || got.Host != "relay.invalid" || got.Proxy != nil {
		t.Errorf("no onion address: %+v, %v", got, err)
	}

	// A profile's own choice.
	if err := p.SetTorMode(t.Context(), TorOnly); err != nil {
		t.Fatal(err)
	}
	if got, err := path(); err != nil || got.Proxy == nil {
		t.Errorf("the profile's own mode: %+v, %v", got, err)
	}
	c.shut()
	c.reopen()
	p = c.Current()
	if mode, own := p.TorMode(); mode != TorOnly || !own {
		t.Errorf("after a restart: %s, %v", mode, own)
	}
	if err := p.SetTorMode(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if mode, own := p.TorMode(); mode != TorOnionRelays || own {
		t.Errorf("the program's mode: %s, %v", mode, own)
	}

	// Messages wait while there is no Tor, and go when the mode allows another way.
	mustInvite(t, withLocalRelay(t, c))
}

// withLocalRelay makes a profile whose relay is in the program.
func withLocalRelay(t *testing.T, c *testCore) *Profile {
	t.Helper()
	c.shut()
	c.opt.Relays = []string{EmbeddedRelay}
	c.reopen()
	return c.Current()
}

func TestTorSettings(t *testing.T) {
	c := openTest(t, t.TempDir(), Options{TorOnly: true, TorBinary: "/nonexistent/tor"})
	for _, bad := range []struct {
		s    TorSettings
		want error
	}{
		{TorSettings{Mode: "sometimes"}, ErrTorMode},
		{TorSettings{}, ErrTorMode},
		{TorSettings{Mode: TorDirect}, ErrTorOnly},
		{TorSettings{Mode: TorOnly, Bridges: []string{"obfs4 nonsense"}}, ErrTorBridge},
		{TorSettings{Mode: TorOnly, Bridges: []string{"192.0.2.1:443\nSocksPort 9050"}}, ErrTorBridge},
		{TorSettings{Mode: TorOnly, Upstream: "ftp://192.0.2.1:1"}, ErrTorUpstream},
		{TorSettings{Mode: TorOnly, Upstream: "socks5://user:pass word@192.0.2.1"}, ErrTorUpstream},
		{TorSettings{Mode: TorOnly, Socks: "nowhere"}, ErrTorExisting},
	} {
		if err := c.SetTor(bad.s); !errors.Is(err, bad.want) {
			t.Errorf("%+v: %v, want %v", bad.s, err, bad.want)
		}
	}
	good := TorSettings{Mode: TorOnly, Bridges: []string{"192.0.2.1:443", TorSnowflake}, Upstream: "socks5://user:word@192.0.2.1:1080"}
	cfg, err := good.config()
	if err != nil || len(cfg.Bridges) < 2 || cfg.Upstream.User != "user" || cfg.Upstream.Password != "word" {
		t.Errorf("%+v, %v", cfg, err)
	}
	// Tor is not installed: nothing leaves, and it says why.
	c.wait("the failure of Tor", func() bool { return c.TorStatus().State == TorFailed })
	p := c.create("Alice")
	if err := p.SetTorMode(t.Context(), TorDirect); !errors.Is(err, ErrTorOnly) {
		t.Errorf("direct although it is Tor only: %v", err)
	}
	if got, err := p.path(t.Context(), wire.Server{Hosts: []string{"relay.invalid"}}, ""); !errors.Is(err, ErrTorNotReady) {
		t.Errorf("a path without Tor: %+v, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Invite(ctx); err == nil {
		t.Error("an invitation without Tor")
	}
}
