package front

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Gate counts the connections of a server. A limit of 0 or below is none.
type Gate struct {
	Max       int // connections at a time
	PerSource int // of an IPv4 address or an IPv6 /64 at a time
	Changed   Signal

	mu      sync.Mutex
	open    int
	sources map[netip.Prefix]int
}

// Enter counts a connection unless there are too many. leave must be called when it ends.
func (g *Gate) Enter(nc net.Conn) (leave func(), ok bool) {
	from := source(nc)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Max > 0 && g.open >= g.Max {
		return nil, false
	}
	if from.IsValid() && g.PerSource > 0 {
		if g.sources[from] >= g.PerSource {
			return nil, false
		}
		if g.sources == nil {
			g.sources = make(map[netip.Prefix]int)
		}
		g.sources[from]++
	}
	g.open++
	return func() { g.leave(from) }, true
}

func (g *Gate) leave(from netip.Prefix) {
	defer g.Changed.Notify()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.sources[from] > 1 {
		g.sources[from]--
	} else {
		delete(g.sources, from)
	}
}

// Open is the number of connections that have entered and not left.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
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

// Accept accepts a connection. It waits a little when the system has no more file descriptors.
func Accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		c, err := l.Accept()
		var e net.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &e) || !isTemporary(e) {
			if t, ok := c.(*net.TCPConn); ok && err == nil {
				// A block that follows another one must not wait for an ACK (gotchas.md 62).
				t.SetNoDelay(true)
				t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 30 * time.Second, Count: 4})
			}
			return c, err
		}
		Sleep(ctx, delay)
	}
}

func isTemporary(err net.Error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}
