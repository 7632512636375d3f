package relay

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1700000000, 0)
	b := newBucket(2, 4)
	for i := range 4 {
		if d := b.take(now); d != 0 {
			t.Errorf("event %d waits %v", i, d)
		}
	}
	if d := b.take(now); d != time.Second/2 {
		t.Errorf("the fifth event waits %v", d)
	}
	now = now.Add(time.Second) // two places, one of which the fifth has
	if a, b := b.take(now), b.take(now); a != 0 || b != time.Second/2 {
		t.Errorf("after a second: %v, %v", a, b)
	}
	now = now.Add(time.Hour)
	for range 4 {
		if d := b.take(now); d != 0 {
			t.Errorf("after an hour: %v", d)
		}
	}
	if d := b.take(now); d == 0 {
		t.Error("places pile up")
	}
	if d := b.take(now.Add(-time.Hour)); d < time.Hour {
		t.Errorf("a clock that goes back: %v", d)
	}
	for _, rate := range []float64{0, -1} {
		b := newBucket(rate, rate)
		for range 1000 {
			if d := b.take(now); d != 0 {
				t.Fatal("a bucket without a limit waits")
			}
		}
	}
}

// addrConn is a connection from somewhere else.
type addrConn struct {
	net.Conn
	addr net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.addr }

func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1/32",
		"::ffff:192.0.2.1":     "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"127.0.0.1":            "",
		"127.1.2.3":            "",
		"::1":                  "",
		"::ffff:127.0.0.1":     "",
	} {
		got := source(addrConn{addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))})
		if want == "" && got.IsValid() || want != "" && got.String() != want {
			t.Errorf("%s counts for %v", addr, got)
		}
	}
	if source(addrConn{addr: &net.UnixAddr{Name: "x"}}).IsValid() {
		t.Error("a Unix socket is counted")
	}
}

func TestMaxConnectionsPerSource(t *testing.T) {
	s := startRelay(t, Config{MaxConnectionsPerSource: 2})
	add := func(addr string) (*conn, bool) {
		nc, other := net.Pipe()
		t.Cleanup(func() { nc.Close(); other.Close() })
		return s.add(context.Background(), addrConn{nc, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))})
	}
	var open []*conn
	for _, test := range []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1:1", true}, {"192.0.2.1:2", true}, {"192.0.2.1:3", false}, {"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true}, {"[2001:db8::2]:1", true}, {"[2001:db8::3]:1", false}, {"[2001:db8:0:1::1]:1", true},
		{"127.0.0.1:1", true}, {"127.0.0.1:2", true}, {"127.0.0.1:3", true},
	} {
		c, ok := add(test.addr)
		if ok != test.ok {
			t.Errorf("%s: %t", test.addr, ok)
		}
		if ok {
			open = append(open, c)
		}
	}
	s.remove(open[0])
	c, ok := add("192.0.2.1:4")
	if !ok {
		t.Error("a place that was left is not given again")
	}
	for _, c := range append(open[1:], c) {
		s.remove(c)
	}
	if len(s.sources) != 0 {
		t.Errorf("%d sources are left", len(s.sources))
	}
}

func TestMaxQueues(t *testing.T) {
	s := startRelay(t, Config{MaxQueues: 2})
	p := s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	p.newQueue(smp.ModeMessaging, nil)
	key, dh := ed25519Key(), must(crypt.NewX25519(rand.Reader))
	cmd := smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Mode: smp.ModeMessaging}
	p.want(smp.ErrAuth, cmd, "", key.private)
	p.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
	p.newQueue(smp.ModeMessaging, nil)
}

// TestRates checks that a client that does too much is slowed down and gets all answers.
func TestRates(t *testing.T) {
	s := startRelay(t, Config{CommandsPerSecond: 10, NewQueuesPerMinute: 60})
	p := s.dial(t, 18)
	var list []smp.Transmission
	for range 105 {
		list = append(list, p.transmission(smp.Ping{}, "", nil))
	}
	p.send(list...)
	for _, sent := range list {
		p.check(smp.Pong{}, p.answerTo(sent), smp.Ping{})
	}
	if n := s.stats.slowed.Load(); n == 0 {
		t.Error("commands don't wait")
	}
	// A client that waits can leave.
	var creations []smp.Transmission
	p = s.dial(t, 18)
	key := ed25519Key()
	for range 70 {
		dh := must(crypt.NewX25519(rand.Reader))
		creations = append(creations, p.transmission(smp.New{RcvAuth: key.public, RcvDH: dh.Public()}, "", key.private))
	}
	p.send(creations[:35]...)
	p.send(creations[35:]...)
	waitUntil(t, "as many queues as one may create at once", func() bool { return s.stats.queues.Load() >= 60 })
	if n := s.stats.queues.Load(); n > 65 {
		t.Errorf("%d queues at once", n)
	}
	p.net.NetConn().Close()
}
