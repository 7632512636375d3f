// Package transport connects to relays. With core/tor it is the only package that opens
// network connections, so that a look at it tells where a program's packets go.
//
// A Dialer reaches a relay directly or through a SOCKS5 proxy; with a proxy nothing goes
// past it, name resolution included. Dial returns a Conn, which carries the protocols'
// blocks; DialTLS returns the TLS connection itself, for HTTP/2:
//
//	d := transport.Dialer{Proxy: &transport.Proxy{Address: "127.0.0.1:9050", User: circuit}}
//	conn, err := d.Dial(ctx, "relay.example", "5223", fingerprint, "smp/1")
//
// Why a dial failed is in the *DialError that it returns. No error holds an address or a name.
package transport

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/transport/tls13"
)

// DefaultTimeout bounds a dial in the background, TLS included (smp-transport.md §1).
const DefaultTimeout = 45 * time.Second

// keepAlive detects dead connections (smp-transport.md §10).
var keepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     30 * time.Second,
	Interval: 15 * time.Second,
	Count:    4,
}

// Dialer says how to connect. Its zero value connects directly.
type Dialer struct {
	// Proxy is the SOCKS5 proxy that all connections go through; nil is none.
	Proxy *Proxy

	// Timeout bounds a dial from the first packet to the end of the TLS handshake;
	// 0 is DefaultTimeout. A dial also ends with its context, which alone bounds the wait for a
	// turn if the proxy has a Limit.
	Timeout time.Duration
}

// Dial connects to the relay at host and port whose identity certificate has the fingerprint,
// offering the protocol alpn. An error is a *DialError.
func (d Dialer) Dial(ctx context.Context, host, port string, fingerprint [32]byte, alpn string) (*Conn, error) {
	c, err := d.DialTLS(ctx, host, port, fingerprint, alpn)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

// DialTLS is Dial without blocks.
func (d Dialer) DialTLS(ctx context.Context, host, port string, fingerprint [32]byte, alpn string) (*tls13.Conn, error) {
	timeout := d.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	done := func() {}
	if d.Proxy != nil && d.Proxy.Limit != nil {
		if err := d.Proxy.Limit.wait(ctx); err != nil {
			return nil, dialError(StageProxy, err)
		}
		done = d.Proxy.Limit.done
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := d.connect(ctx, host, port)
	done()
	if err != nil {
		return nil, err
	}
	c, err := tls13.Client(ctx, socket{conn}, tls13.Config{ALPN: alpn, Fingerprint: fingerprint})
	if err != nil {
		return nil, dialError(StageTLS, err)
	}
	return c, nil
}

var errTarget = errors.New("the relay's host or port is not valid")

// connect opens the connection for TLS.
func (d Dialer) connect(ctx context.Context, host, port string) (net.Conn, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || len(host) > 255 || strings.ContainsRune(host, 0) {
		return nil, &DialError{StageConnect, KindNotFound, errTarget}
	}
	if d.Proxy != nil {
		return d.Proxy.dial(ctx, host, uint16(n))
	}
	if IsOnion(host) { // never ask the DNS for it (RFC 7686)
		return nil, &DialError{StageConnect, KindOnion, nil}
	}
	conn, err := tcpDialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, dialError(StageConnect, contextError(ctx, err))
	}
	return conn, nil
}

// tcpDialer also sets TCP_NODELAY, as all of Go's TCP connections do.
var tcpDialer = net.Dialer{KeepAliveConfig: keepAlive}

// contextError returns the reason why ctx has ended, or err if it has not.
func contextError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// socket is a connection whose errors don't hold its addresses.
type socket struct{ net.Conn }

// SetLinger sets what becomes of data that waits to be sent when the connection is closed, see net.TCPConn.
func (s socket) SetLinger(seconds int) error {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(seconds)
	}
	return nil // a Unix socket, to a proxy: what is in it has arrived
}

func (s socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	return n, withoutAddress(err)
}

func (s socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	return n, withoutAddress(err)
}

func withoutAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
