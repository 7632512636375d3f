// Package tls13 is a client of TLS 1.3 (RFC 8446) that is as small as the relays of the
// network allow: one cipher suite, X448 and X25519, Ed25519 and Ed448 certificates, no
// resumption and no early data. It exists because crypto/tls knows neither Ed448 nor X448
// and does not give the client's Finished message, to which the network's protocols bind a
// session.
//
// Client runs the handshake on an open connection and returns a Conn, which is a net.Conn:
//
//	conn, err := tls13.Client(ctx, raw, tls13.Config{ALPN: "smp/1", Fingerprint: fingerprint})
//
// A relay is known by the fingerprint of its identity certificate, which is part of its
// address; host names and the system's certificate authorities play no role
// (smp-transport.md §2).
//
// What the client sends up to its Finished message equals what the reference client sends,
// byte for byte where the bytes are not random or encrypted (smp-transport.md §1). That is
// why the hello also offers TLS 1.2, which is refused when a server picks it.
package tls13

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
)

// Config says whom to connect to.
type Config struct {
	// ALPN is the application protocol to offer: "smp/1", "xftp/1" or "http/1.1" (smp-transport.md
	// §1, xftp.md §1). If it is empty, no ALPN extension is sent.
	ALPN string

	// Fingerprint is the SHA-256 of the server's identity certificate, from its address.
	Fingerprint [32]byte

	// Time tells the time by which certificates have to be valid; nil is time.Now.
	Time func() time.Time
}

// Conn is an established connection. Read and Write may be called at the same time, each
// also by several goroutines; Close ends both.
type Conn struct {
	raw net.Conn

	// Results of the handshake; not changed afterwards.
	finished  []byte
	chain     [][]byte
	serverKey crypt.PublicKey
	alpn      string

	readMu   sync.Mutex
	reader   recordReader
	messages messages
	readErr  error  // every later Read fails with it
	app      []byte // application data not yet delivered; a part of reader's buffer
	// transcript of the handshake up to the client's Finished, for authentication requests after it
	transcript hash.Hash

	writeMu  sync.Mutex
	writer   recordWriter
	writeErr error // every later Write fails with it

	replies replies
	closed  atomic.Bool
}

// closeTimeout is how long the last alert may take if the send buffer is full.
const closeTimeout = time.Second

// Client runs the handshake on raw. It takes raw over: Close of the returned connection closes
// it, and so does a failure. The handshake ends with ctx; afterwards ctx plays no role.
//
// The error is ErrUnknownIdentity if the server is not the one with the fingerprint, a
// *CertificateError if its certificates are not valid, a *VersionError if it does not speak TLS
// 1.3, an *AlertError if it refused, a *ProtocolError if it broke the protocol, an error of ctx,
// or one of the connection.
func Client(ctx context.Context, raw net.Conn, config Config) (*Conn, error) {
	if config.Time == nil {
		config.Time = time.Now
	}
	if len(config.ALPN) > 255 {
		raw.Close()
		return nil, fmt.Errorf("tls13: ALPN of %d bytes, at most 255 are possible", len(config.ALPN))
	}
	c := newConn(raw)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		raw.Close()
		close(interrupted)
	})
	h := handshake{c: c, config: &config, rand: rand.Reader}
	err := h.run()
	if err != nil {
		c.abort(err)
	}
	if !stop() {
		<-interrupted
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		c.wipe()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return c, nil
}

func newConn(raw net.Conn) *Conn {
	return &Conn{raw: raw, reader: newRecordReader(raw)}
}

// ClientFinished returns the verify_data of the client's Finished message, 32 bytes. It is the
// session id of the network's protocols (smp-transport.md §3).
func (c *Conn) ClientFinished() []byte { return append([]byte(nil), c.finished...) }

// ServerChain returns the server's certificates as DER, leaf first: two to four. The caller must
// not change them.
func (c *Conn) ServerChain() [][]byte { return c.chain }

// ServerKey returns the public key of the server's leaf certificate, Ed25519 or Ed448.
func (c *Conn) ServerKey() crypt.PublicKey { return c.serverKey }

// ALPN returns the application protocol that was agreed, empty if the server chose none.
func (c *Conn) ALPN() string { return c.alpn }

// LocalAddr returns the local address of the connection below.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr returns the remote address of the connection below.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline sets the deadlines of Read and Write.
func (c *Conn) SetDeadline(t time.Time) error { return c.raw.SetDeadline(t) }

// SetReadDeadline sets the deadline of Read. A Read that it ended may be repeated.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of Write. After a Write that it ended all others fail, as
// part of a record may have been sent.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// Close tells the server that nothing more will be sent, closes the connection and wipes its
// keys. It does not wait for a Write in progress, which fails. A second Close returns net.ErrClosed.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.sendAlert(alertCloseNotify)
	err := c.raw.Close()
	c.wipe()
	return err
}

// Drop is Close without a word to the server: of what was written, nothing more is sent.
func (c *Conn) Drop() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	if raw, ok := c.raw.(interface{ SetLinger(seconds int) error }); ok {
		_ = raw.SetLinger(0) // of a connection that has ended
	}
	err := c.raw.Close()
	c.wipe()
	return err
}

// abort tells the server what was wrong and closes the connection.
func (c *Conn) abort(err error) {
	if alert, ok := alertFor(err); ok {
		c.sendAlert(alert)
	}
	c.raw.Close()
}

// sendAlert sends the last record of a connection, unless a Write is in progress: what that has
// sent is part of a record, which an alert can't follow.
func (c *Conn) sendAlert(alert Alert) {
	if !c.writeMu.TryLock() {
		return
	}
	defer c.writeMu.Unlock()
	if c.writeErr != nil {
		return
	}
	level := byte(2) // fatal
	if alert == alertCloseNotify {
		level = 1 // warning
	}
	// Nobody can do anything about an alert that does not get through.
	if c.raw.SetWriteDeadline(time.Now().Add(closeTimeout)) == nil {
		_, _ = c.raw.Write(c.writer.appendRecord(nil, recordAlert, []byte{level, byte(alert)}))
	}
	c.writeErr = net.ErrClosed
}

// wipe overwrites the secrets; the connection below is closed, so the locks are free soon.
func (c *Conn) wipe() {
	c.readMu.Lock()
	c.reader.keys.wipe()
	c.app = nil
	clear(c.reader.buf)
	if c.readErr == nil {
		c.readErr = net.ErrClosed
	}
	c.readMu.Unlock()
	c.writeMu.Lock()
	c.writer.keys.wipe()
	if c.writeErr == nil {
		c.writeErr = net.ErrClosed
	}
	c.writeMu.Unlock()
}
