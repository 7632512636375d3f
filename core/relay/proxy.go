package relay

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// A DialFunc opens a TLS connection with another relay, which proved to have the identity
// of its address, and offers it the protocol smp/1. The error is ErrForbiddenHost if the
// relay has no host that this one may connect to.
//
// The relay is handed this function by the program that runs it instead of calling
// core/transport: the part of the program that the whole internet can send bytes to has no
// means to connect to anything on its own, and where it may connect to (never into the
// operator's own network) is decided in one place outside of it.
type DialFunc func(ctx context.Context, relay wire.Server) (BlockConn, error)

// BlockConn carries the blocks of a connection with another relay, without block
// encryption; a *transport.Conn is one.
type BlockConn interface {
	// ReadBlock returns the content of the next block in memory of its own. After a
	// deadline it may be called again.
	ReadBlock() ([]byte, error)
	// WriteBlock writes a block and keeps nothing of content.
	WriteBlock(content []byte) error
	// SessionID is the client's Finished of TLS.
	SessionID() []byte
	// ServerKey is the key of the leaf certificate in TLS.
	ServerKey() crypt.PublicKey
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	// Close makes ReadBlock and WriteBlock return.
	Close() error
}

// ErrForbiddenHost is what a DialFunc returns for a relay without a host that this one may
// connect to. Clients are told that, and can connect themselves.
var ErrForbiddenHost = errors.New("the relay has no host that a proxy may connect to")

// Rules of a proxy (smp-commands.md §9, smp-server.md §10).
const (
	maxProxied       = 32               // requests of one connection at a time; further ones wait
	failureTTL       = 30 * time.Second // for which a failed connection is remembered
	maxDestinations  = 1024             // relays connected to, or known to be out of reach
	connectTimeout   = 30 * time.Second
	forwardTimeout   = 20 * time.Second
	destinationIdle  = time.Hour // after which an unused connection is closed
	maxChain         = 4         // certificates of a relay (smp-transport.md §2)
	versionProxyFlag = 14        // smp-transport.md §12
)

// unflagged are the versions for a relay that doesn't know the proxy flag. A later one would
// begin block encryption, which leaves too little room (gotchas.md 47).
var unflagged = wire.VersionRange{Min: 6, Max: 10}

// A proxy has the connections with other relays that the clients of this relay share.
type proxy struct {
	relay *Relay
	dial  DialFunc // nil if this relay is no proxy

	mu        sync.Mutex
	byServer  map[string]*destination // by the binary address
	bySession map[string]*proxySession
}

// A destination is a relay that a connection was asked for.
type destination struct {
	settled chan struct{} // closed when there is a session or a failure

	// Set before settled is closed.
	session *proxySession
	failure *smp.Error
	until   time.Time // when the failure is forgotten
}

func (d *destination) isSettled() bool {
	select {
	case <-d.settled:
		return true
	default:
		return false
	}
}

func brokerError(kind smp.BrokerErrorKind) *smp.Error {
	return &smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{Kind: smp.ProxyBroker, Broker: smp.BrokerError{Kind: kind}}}
}

func handshakeError(e smp.TransportError) *smp.Error {
	failure := brokerError(smp.BrokerTransport)
	failure.Proxy.Broker.Transport = e
	return failure
}

// connectionError is what a client is told about a connection that failed or was lost.
// Nothing in it tells where the relay tried to connect to.
func connectionError(err error) *smp.Error {
	var transport smp.TransportError
	var timeout net.Error
	switch {
	case errors.As(err, &transport):
		return handshakeError(transport)
	case errors.Is(err, ErrForbiddenHost):
		return brokerError(smp.BrokerHost)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return brokerError(smp.BrokerTimeout)
	}
	return brokerError(smp.BrokerNetwork)
}

// connect executes PRXY.
func (q *request) connect(cmd smp.Prxy) {
	password := q.relay.settings.Password
	if q.relay.proxy.dial == nil ||
		password != "" && subtle.ConstantTimeCompare([]byte(password), []byte(cmd.Password)) != 1 {
		q.fail(proxyError(smp.ProxyBasicAuth))
		return
	}
	q.proxied(func(ctx context.Context) smp.Message {
		s, failure := q.relay.proxy.session(ctx, cmd.Server)
		if failure != nil {
			return failure
		}
		return smp.PKey{SessionID: s.id, Versions: s.versions, Chain: s.chain, SignedKey: s.signedKey}
	})
}

// pass executes PFWD.
func (q *request) pass(cmd smp.Pfwd) {
	s := q.relay.proxy.find(q.t.Entity)
	if s == nil {
		q.fail(proxyError(smp.ProxyNoSession))
		return
	}
	f := smp.Forwarded{CorrID: slices.Clone(q.t.CorrID), Pfwd: cmd}
	f.Box = slices.Clone(cmd.Box)
	q.proxied(func(ctx context.Context) smp.Message {
		box, failure := s.forward(ctx, &f)
		if failure != nil {
			return failure
		}
		return smp.PRes{Box: box}
	})
}

// proxied answers with what f returns, while further commands are executed. What f uses of
// the request must be a copy. It waits while the connection has too many such requests.
func (q *request) proxied(f func(ctx context.Context) smp.Message) {
	c := q.conn
	if c.proxied == nil {
		c.proxied = make(chan struct{}, maxProxied)
	}
	if len(c.proxied) == maxProxied {
		c.letGo() // it may take long
	}
	select {
	case c.proxied <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	answer := outgoing{answer: true, corrID: string(q.t.CorrID), entity: smp.ID(q.t.Entity)}
	c.proxying.Go(func() {
		defer c.recovered()
		answer.message = f(c.ctx)
		stats := &q.relay.stats
		stats.proxied.Add(1)
		if _, failed := answer.message.(*smp.Error); failed {
			stats.proxyErrors.Add(1)
		}
		<-c.proxied
		c.push(answer)
	})
}

// find returns the session with an id, or nil.
func (p *proxy) find(id []byte) *proxySession {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bySession[string(id)]
}

// session returns the session with a relay, a new one if there is none.
func (p *proxy) session(ctx context.Context, server wire.Server) (*proxySession, *smp.Error) {
	name := string(server.Append(nil))
	now := p.relay.config.Now()
	p.mu.Lock()
	d := p.byServer[name]
	if d != nil && d.isSettled() && d.failure != nil && !now.Before(d.until) {
		delete(p.byServer, name)
		d = nil
	}
	if d == nil {
		if !p.makeRoom() {
			p.mu.Unlock()
			return nil, brokerError(smp.BrokerNetwork)
		}
		d = &destination{settled: make(chan struct{})}
		p.byServer[name] = d
		p.relay.front.Go(func() { p.run(d, name, server) })
	}
	p.mu.Unlock()
	select {
	case <-d.settled:
		return d.session, d.failure
	case <-ctx.Done():
		return nil, smp.ErrInternal // nobody is there to read it
	}
}

// makeRoom forgets a failure, or closes the connection that was not used for the longest
// time, if there are too many destinations. The caller holds the mutex.
func (p *proxy) makeRoom() bool {
	if len(p.byServer) < maxDestinations {
		return true
	}
	var oldest string
	var at time.Time
	for name, d := range p.byServer {
		if !d.isSettled() {
			continue
		}
		if d.failure != nil {
			delete(p.byServer, name)
			return true
		}
		if used, idle := d.session.lastUse(); idle && (oldest == "" || used.Before(at)) {
			oldest, at = name, used
		}
	}
	if oldest == "" {
		return false
	}
	p.byServer[oldest].session.conn.Close()
	delete(p.byServer, oldest)
	return true
}

// run connects with a relay and serves the session until it ends.
func (p *proxy) run(d *destination, name string, server wire.Server) {
	s, err := p.open(server)
	if err != nil {
		d.failure, d.until = connectionError(err), p.relay.config.Now().Add(failureTTL)
		close(d.settled)
		return
	}
	p.mu.Lock()
	p.bySession[string(s.id)] = s
	p.mu.Unlock()
	d.session = s
	close(d.settled)

	s.read(p.relay.ctx)

	p.mu.Lock()
	delete(p.bySession, string(s.id))
	if p.byServer[name] == d {
		delete(p.byServer, name)
	}
	p.mu.Unlock()
	p.relay.changed.Notify()
	s.end()
}

// open connects with a relay and does the SMP handshake.
func (p *proxy) open(server wire.Server) (*proxySession, error) {
	ctx, cancel := context.WithTimeout(p.relay.ctx, connectTimeout)
	defer cancel()
	conn, err := p.dial(ctx, server)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s, err := newProxySession(conn, server.KeyHash)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// newProxySession does the handshake as a proxy (smp-transport.md §4 and §12).
func newProxySession(conn BlockConn, fingerprint wire.KeyHash) (*proxySession, error) {
	content, err := conn.ReadBlock()
	if err != nil {
		return nil, err
	}
	hello, err := smp.ParseServerHello(content)
	if err != nil {
		return nil, err
	}
	if !crypt.Equal(hello.SessionID, conn.SessionID()) {
		return nil, smp.TransportSession
	}
	own := smp.Versions
	if hello.Versions.Max < versionProxyFlag {
		own = unflagged
	}
	version, ok := own.Agree(hello.Versions)
	versions := wire.VersionRange{
		Min: max(own.Min, hello.Versions.Min, smp.ProxyVersions.Min),
		Max: min(version, smp.ProxyVersions.Max),
	}
	if !ok || versions.Min > versions.Max {
		return nil, smp.TransportVersion
	}
	if len(hello.Chain) < 2 || len(hello.Chain) > maxChain || crypt.Fingerprint(hello.Chain[1]) != fingerprint {
		return nil, smp.TransportIdentity
	}
	peer, err := crypt.OpenSessionKey(hello.SignedKey, conn.ServerKey())
	if err != nil {
		return nil, smp.TransportBadAuth
	}
	key, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	secret, err := key.DH(peer)
	if err != nil {
		return nil, smp.TransportBadAuth
	}
	public := key.Public()
	answer := smp.ClientHello{Version: version, KeyHash: fingerprint, Key: &public, Proxy: version >= versionProxyFlag}
	if err := conn.WriteBlock(answer.Append(nil)); err != nil {
		return nil, err
	}
	return &proxySession{
		conn:      conn,
		id:        hello.SessionID,
		params:    smp.Params{Version: version, SessionID: hello.SessionID},
		versions:  versions,
		chain:     hello.Chain,
		signedKey: hello.SignedKey,
		secret:    secret,
		pending:   make(map[string]chan relayAnswer),
		used:      time.Now(),
	}, nil
}
