package files

//lint:file-ignore SA1019 net/http speaks HTTP/2 only where ALPN says h2, or without TLS

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/xftp"
)

// A session is how far the handshake of a connection has come (xftp.md §1 and §2).
type session int

const (
	sessionNone     session = iota // nothing was said
	sessionGreeted                 // the relay's hello was sent
	sessionAccepted                // commands are executed
	sessionForeign                 // the client wants another protocol: everything is answered with nothing
)

func (s session) String() string {
	switch s {
	case sessionNone:
		return "none"
	case sessionGreeted:
		return "greeted"
	case sessionAccepted:
		return "accepted"
	case sessionForeign:
		return "foreign"
	}
	return "unknown"
}

// A conn is the connection of a client.
type conn struct {
	server *Server
	ctx    context.Context // until the connection ends
	tls    *tls.Conn

	mu        sync.Mutex
	session   session
	params    xftp.Params
	key       crypt.X25519Private // the relay's key of the session
	hasKey    bool                // the client was told the key
	commands  front.Bucket
	creations front.Bucket
}

// serve runs a connection until it ends or ctx is done.
func (s *Server) serve(ctx context.Context, nc net.Conn) {
	c := &conn{server: s, ctx: ctx, tls: front.TLS(nc, s.tls)}
	perSecond, perMinute := float64(s.config.CommandsPerSecond), float64(s.config.NewFilesPerMinute)
	c.commands, c.creations = front.NewBucket(perSecond, 10*perSecond), front.NewBucket(perMinute/60, perMinute)
	if c.open() != nil {
		s.stats.handshakeErrors.Add(1)
		return
	}
	// A connection without a session is of no use.
	timer := time.AfterFunc(s.config.HelloTimeout, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.session != sessionAccepted {
			s.stats.handshakeErrors.Add(1)
			nc.Close()
		}
	})
	defer timer.Stop()
	s.http.ServeConn(c.tls, &http2.ServeConnOpts{Context: ctx, BaseConfig: s.base, Handler: c})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key.Wipe()
}

// open does the TLS handshake.
func (c *conn) open() (err error) {
	c.tls.SetDeadline(time.Now().Add(c.server.config.TLSTimeout))
	if err := c.tls.HandshakeContext(c.ctx); err != nil {
		return err
	}
	c.tls.SetDeadline(time.Time{})
	id, err := front.SessionID(c.tls)
	if err != nil {
		return err
	}
	c.params = xftp.Params{Version: xftp.Versions.Min, SessionID: id}
	switch c.tls.ConnectionState().NegotiatedProtocol {
	case "":
		c.session = sessionAccepted
		return nil
	case xftp.ALPN, "http/1.1":
		c.key, err = crypt.NewX25519(rand.Reader)
		return err
	}
	c.session = sessionForeign
	return nil
}

// blocks are buffers for one block.
var blocks = sync.Pool{New: func() any { return new([xftp.BlockSize]byte) }}

// ServeHTTP answers a request. Neither its method nor its path matters (xftp.md §1).
func (c *conn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := c.server
	if !s.front.Begin() {
		return
	}
	defer s.front.End()
	defer func() {
		// net/http would only log it, with the address of the client.
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				s.config.Log.Error("a fault in the file relay", "problem", p, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}
	}()
	h := w.Header()
	h["Date"], h["Content-Type"] = nil, nil // no header but the status

	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(s.config.HelloTimeout))
	block := blocks.Get().(*[xftp.BlockSize]byte)
	defer blocks.Put(block)
	n, err := io.ReadFull(r.Body, block[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return
	}
	q := &request{conn: c, server: s, ctx: r.Context(), writer: w, control: control, body: r.Body}
	had, answer := c.greet(q, block[:n])
	defer q.key.Wipe()
	switch {
	case had == sessionAccepted:
		q.serve(block[:n])
	case len(answer) > 0:
		q.write(answer)
	default:
		w.WriteHeader(http.StatusOK)
	}
	q.drain()
}

// greet does a step of the handshake unless the session is accepted, and returns how far it had
// come before, and the answer. A step that failed can be repeated.
func (c *conn) greet(q *request, body []byte) (had session, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.params, q.key, q.hasKey = c.params, c.key, c.hasKey
	had = c.session
	switch had {
	case sessionNone:
		block, err := c.hello(body)
		if err != nil {
			return had, xftp.AppendHandshakeError(nil, err)
		}
		c.session = sessionGreeted
		return had, block
	case sessionGreeted:
		if err := c.accept(body); err != nil {
			return had, xftp.AppendHandshakeError(nil, err)
		}
		c.session, c.hasKey = sessionAccepted, true
	}
	return had, nil
}

// hello answers the first request, which is empty.
func (c *conn) hello(body []byte) ([]byte, *xftp.Error) {
	if len(body) > 0 {
		return nil, xftp.ErrHandshake
	}
	id := c.server.identity
	hello := xftp.ServerHello{
		Versions:  xftp.Versions,
		SessionID: bytes.Clone(c.params.SessionID),
		Chain:     id.Chain,
		SignedKey: crypt.AppendSignedKey(nil, c.key.Public(), &id.Key),
	}
	block, err := hello.AppendBlock(nil)
	if err != nil {
		c.server.config.Log.Error("the relay's certificates are too large for a hello", "problem", err)
		return nil, xftp.ErrHandshake
	}
	return block, nil
}

// accept checks the second request.
func (c *conn) accept(body []byte) *xftp.Error {
	client, err := xftp.ParseClientHello(body)
	if err != nil || client.KeyHash != c.server.identity.Hash || !xftp.Versions.Contains(client.Version) {
		return xftp.ErrHandshake
	}
	c.params.Version = client.Version
	return nil
}

// limit waits until the connection may do what b counts. A client that does too much is slowed
// down, not refused.
func (q *request) limit(b *front.Bucket) {
	q.conn.mu.Lock()
	d := b.Take(time.Now())
	q.conn.mu.Unlock()
	if d > 0 {
		q.server.stats.slowed.Add(1)
		q.server.changed.Notify()
		front.Sleep(q.ctx, d)
	}
}

// maxDrained is how much of a body nobody wants is read all the same, the largest chunk and some more:
// a client that is answered before it has sent everything may lose the connection otherwise
// (xftp.md §1).
const maxDrained = 4<<20 + pieceSize

// drain reads what is left of the body.
func (q *request) drain() {
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	q.control.SetReadDeadline(time.Now().Add(q.server.config.UploadTimeout))
	io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(q.body, maxDrained), piece[:])
}
