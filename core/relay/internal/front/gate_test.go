package front

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1700000000, 0)
	b := NewBucket(2, 4)
	for i := range 4 {
		if d := b.Take(now); d != 0 {
			t.Errorf("event %d waits %v", i, d)
		}
	}
	if d := b.Take(now); d != time.Second/2 {
		t.Errorf("the fifth event waits %v", d)
	}
	now = now.Add(time.Second) // two places, one of which the fifth has
	if a, b := b.Take(now), b.Take(now); a != 0 || b != time.Second/2 {
		t.Errorf("after a second: %v, %v", a, b)
	}
	now = now.Add(time.Hour)
	for range 4 {
		if d := b.Take(now); d != 0 {
			t.Errorf("after an hour: %v", d)
		}
	}
	if d := b.Take(now); d == 0 {
		t.Error("places pile up")
	}
	if d := b.Take(now.Add(-time.Hour)); d < time.Hour {
		t.Errorf("a clock that goes back: %v", d)
	}
	for _, rate := range []float64{0, -1} {
		b := NewBucket(rate, rate)
		for range 1000 {
			if d := b.Take(now); d != 0 {
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
