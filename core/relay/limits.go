package relay

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// A bucket limits how often something happens: size times at once, and on average rate
// times a second. The zero bucket has no limit.
type bucket struct {
	rate, size float64
	used       float64
	at         time.Time
}

func newBucket(rate, size float64) bucket {
	if rate <= 0 {
		return bucket{}
	}
	return bucket{rate: rate, size: size}
}

// take counts an event and returns for how long to wait before it may happen.
func (b *bucket) take(now time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*b.rate) + 1
	b.at = now
	if b.used <= b.size {
		return 0
	}
	return time.Duration((b.used - b.size) / b.rate * float64(time.Second))
}

// limit waits until the connection may do what b counts. A client that does too much is
// slowed down, not refused: it is not read from in the meantime.
func (c *conn) limit(b *bucket) {
	if d := b.take(time.Now()); d > 0 {
		c.relay.stats.slowed.Add(1)
		sleep(c.ctx, d)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// source is the network that a client's connections are counted for: its IPv4 address, or
// the /64 that an IPv6 host usually has for itself. It is not valid for connections that
// are not counted: those from this machine, as an onion service makes them for everybody.
func source(nc net.Conn) netip.Prefix {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if addr.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
