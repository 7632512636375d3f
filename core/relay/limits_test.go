package relay

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// addrConn is a connection from somewhere else.
type addrConn struct {
	net.Conn
	addr net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.addr }

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
	if n := s.gate.Open(); n != 0 {
		t.Errorf("%d connections are counted", n)
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
