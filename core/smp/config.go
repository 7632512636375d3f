package smp

import (
	"cmp"
	"context"
	"time"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// Times of a session; a caller that does not want to wait as long bounds its context
// (smp-transport.md §1 and §10, the values for work in the background).
const (
	DefaultConnectTimeout = 45 * time.Second
	DefaultCommandTimeout = 30 * time.Second
	DefaultPingInterval   = 600 * time.Second
)

// Ports and protocols of relays (smp-transport.md §11).
const (
	defaultPort = "5223"
	defaultALPN = "smp/1"
	webPort     = "443"
	webALPN     = "http/1.1"
)

// Config says how to connect. Its zero value connects directly with all versions.
type Config struct {
	// Path chooses how a relay is reached, before each connection; nil is transport.Direct.
	Path transport.PathFunc

	// Circuit is handed to Path: connections with different ones are to share no circuit.
	Circuit string

	// Dial, if it is not nil, makes the connections in place of all that is chosen here: a test's
	// relay needs no network then.
	Dial func(ctx context.Context, server wire.Server) (Conn, error)

	// WebPort connects to port 443 as a browser would if the address names no port.
	WebPort bool

	// Versions caps the versions to speak; the zero value is Versions.
	Versions wire.VersionRange

	// ConnectTimeout bounds each of the three parts of connecting: the wait for a path, the dial from its turn on, see
	// transport.Proxy.Limit, and the handshake; 0 is DefaultConnectTimeout.
	ConnectTimeout time.Duration
	CommandTimeout time.Duration // for an answer; 0 is DefaultCommandTimeout
	PingInterval   time.Duration // of silence before a Ping; 0 is DefaultPingInterval
}

func (c Config) withDefaults() Config {
	if c.Path == nil {
		c.Path = transport.Direct
	}
	c.Versions = cmp.Or(c.Versions, Versions)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	c.CommandTimeout = cmp.Or(c.CommandTimeout, DefaultCommandTimeout)
	c.PingInterval = cmp.Or(c.PingInterval, DefaultPingInterval)
	return c
}

// target returns the port to connect to, and the protocol to ask for.
func (c Config) target(server wire.Server) (port, alpn string) {
	switch {
	case server.Port != "":
		return server.Port, defaultALPN
	case c.WebPort:
		return webPort, webALPN
	}
	return defaultPort, defaultALPN
}

// Connect connects to a relay and does the handshake. The error is that of
// Config.Path, a *transport.DialError, ErrVersion, ErrIdentity, ErrProtocol, that of ctx, or that
// of a connection which was lost.
func Connect(ctx context.Context, config Config, server wire.Server) (_ *Client, err error) {
	defer fault.Contain(&err)
	config = config.withDefaults()
	conn, err := config.dial(ctx, server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	return handshake(ctx, conn, config, server)
}

func (c Config) dial(ctx context.Context, server wire.Server) (Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	if c.Dial != nil {
		return c.Dial(bounded, server)
	}
	path, err := c.Path(bounded, server, c.Circuit)
	if err != nil {
		return nil, err
	}
	port, alpn := c.target(server)
	conn, err := transport.Dialer{Proxy: path.Proxy, Timeout: c.ConnectTimeout}.Dial(ctx, path.Host, port, server.KeyHash, alpn)
	if err != nil {
		return nil, err // a nil conn in the interface would not be nil
	}
	return conn, nil
}
