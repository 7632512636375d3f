package xftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// Times of a session (smp-transport.md §1 and §10, the values for work in the background).
const (
	DefaultConnectTimeout = 45 * time.Second
	DefaultCommandTimeout = 30 * time.Second
	DefaultIdleTimeout    = time.Minute
)

// Config says how to connect. Its zero value connects directly with all versions.
type Config struct {
	// Path chooses how a relay is reached, before each connection; nil is transport.Direct.
	Path transport.PathFunc

	// Circuit is passed to Path: connections with different values share no circuit of Tor.
	Circuit string

	// WebPort connects as a browser would if the address names no port.
	WebPort bool

	// Versions caps the versions to speak; the zero value is Versions.
	Versions wire.VersionRange

	// ConnectTimeout bounds each of the three parts of connecting: the wait for a path, the dial from its turn on, see
	// transport.Proxy.Limit, and the handshake; 0 is DefaultConnectTimeout.
	ConnectTimeout time.Duration
	CommandTimeout time.Duration // for an answer, and for each 64 KiB of a chunk; 0 is DefaultCommandTimeout
	IdleTimeout    time.Duration // after which a Pool leaves a relay; 0 is DefaultIdleTimeout

	// dial is what a test connects with instead.
	dial func(context.Context, Config, wire.Server) (*link, error)
}

func (c Config) withDefaults() Config {
	if c.Path == nil {
		c.Path = transport.Direct
	}
	if c.dial == nil {
		c.dial = dial
	}
	c.Versions = cmp.Or(c.Versions, Versions)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	c.CommandTimeout = cmp.Or(c.CommandTimeout, DefaultCommandTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	return c
}

// Connect connects to a relay and does the handshake. The error is that of Config.Path, a
// *transport.DialError, ErrVersion, ErrIdentity, ErrProtocol, the relay's *Error, that of ctx, or
// ErrClosed for a connection that was lost.
func Connect(ctx context.Context, config Config, server wire.Server) (*Client, error) {
	config = config.withDefaults()
	l, err := config.dial(ctx, config, server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	return handshake(ctx, l, config, server)
}

func dial(ctx context.Context, config Config, server wire.Server) (*link, error) {
	bounded, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	path, err := config.Path(bounded, server, config.Circuit)
	if err != nil {
		return nil, err
	}
	port, alpn := server.Port, ALPN
	if port == "" {
		port = DefaultPort
		if config.WebPort {
			alpn = webALPN
		}
	}
	conn, err := transport.Dialer{Proxy: path.Proxy, Timeout: config.ConnectTimeout}.DialTLS(ctx, path.Host, port, server.KeyHash, alpn)
	if err != nil {
		return nil, err
	}
	return newLink(conn, path.Host)
}

// handshake makes a client of a connection, which it takes over (xftp.md §2).
func handshake(ctx context.Context, l *link, config Config, server wire.Server) (*Client, error) {
	stop := context.AfterFunc(ctx, func() { l.close() })
	c := &Client{link: l, config: config, turn: make(chan struct{}, 1)}
	err := c.handshake(ctx, server.KeyHash)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("xftp: handshake with the relay: %w", err)
	}
	return c, nil
}

func (c *Client) handshake(ctx context.Context, fingerprint wire.KeyHash) error {
	if c.link.alpn == "" { // an old relay, which has no handshake (xftp.md §1)
		c.params = Params{Version: Versions.Min, SessionID: c.link.sessionID}
		if !c.config.Versions.Contains(c.params.Version) {
			return ErrVersion
		}
		return nil
	}
	block, err := c.hello(ctx, nil)
	if err != nil {
		return err
	}
	hello, err := ParseServerHello(block)
	if err != nil {
		return helloError(err)
	}
	if !crypt.Equal(hello.SessionID, c.link.sessionID) {
		return fmt.Errorf("%w: another session", ErrIdentity)
	}
	version, ok := c.config.Versions.Agree(hello.Versions)
	if !ok {
		return ErrVersion
	}
	c.params = Params{Version: version, SessionID: hello.SessionID}
	if c.relayKey, err = hello.verify(fingerprint, c.link.leaf); err != nil {
		return err
	}
	answer, err := c.hello(ctx, (&ClientHello{version, fingerprint}).AppendBlock(nil))
	if err != nil {
		return err
	}
	if err := ParseHandshakeAnswer(answer); err != nil {
		return helloError(err)
	}
	return nil
}

// helloError makes ErrProtocol of a block that can't be read; the relay's own errors stay.
func helloError(err error) error {
	if errors.Is(err, ErrBlock) {
		return fmt.Errorf("%w: a handshake that can't be read", ErrProtocol)
	}
	return err
}

// hello sends a block of the handshake, or an empty body, and returns the body of the answer.
func (c *Client) hello(ctx context.Context, block []byte) ([]byte, error) {
	var request io.Reader
	if block != nil {
		request = &requestBody{block: block, watch: new(watch)}
	}
	body, err := c.link.post(ctx, request)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	answer, err := io.ReadAll(io.LimitReader(body, BlockSize+1))
	if err != nil {
		return nil, &closedError{err}
	}
	if len(answer) > BlockSize {
		return nil, fmt.Errorf("%w: an answer of more than a block", ErrProtocol)
	}
	return answer, nil
}

// verify returns the relay's session key if the relay of the fingerprint signed it with leaf.
func (h *ServerHello) verify(fingerprint wire.KeyHash, leaf crypt.PublicKey) (*crypt.X25519Public, error) {
	// The identity is the second of exactly two certificates (gotchas.md 56).
	if len(h.Chain) != 2 || crypt.Fingerprint(h.Chain[1]) != fingerprint {
		return nil, fmt.Errorf("%w: another certificate", ErrIdentity)
	}
	key, err := crypt.OpenSessionKey(h.SignedKey, leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return &key, nil
}
