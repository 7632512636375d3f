package smp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

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
	Dialer transport.Dialer

	// Isolation, if not empty, gives each relay a user name of its own at the SOCKS proxy,
	// so that Tor uses a circuit of its own for it. It is a random value that no two profiles
	// share, and replaces the user name and password in Dialer.Proxy.
	Isolation string

	HostMode     HostMode
	HostRequired bool // connect to no other host than HostMode wants

	// WebPort connects to port 443 as a browser would if the address names no port.
	WebPort bool

	// Versions caps the versions to speak; the zero value is Versions.
	Versions wire.VersionRange

	ConnectTimeout time.Duration // until the session can be used; 0 is DefaultConnectTimeout
	CommandTimeout time.Duration // for an answer; 0 is DefaultCommandTimeout
	PingInterval   time.Duration // of silence before a Ping; 0 is DefaultPingInterval
}

func (c Config) withDefaults() Config {
	if c.Versions == (wire.VersionRange{}) {
		c.Versions = Versions
	}
	for _, d := range []struct {
		value *time.Duration
		other time.Duration
	}{
		{&c.ConnectTimeout, DefaultConnectTimeout},
		{&c.CommandTimeout, DefaultCommandTimeout},
		{&c.PingInterval, DefaultPingInterval},
	} {
		if *d.value == 0 {
			*d.value = d.other
		}
	}
	return c
}

// dialer returns the dialer for a relay.
func (c Config) dialer(server wire.Server) transport.Dialer {
	d := c.Dialer
	d.Timeout = c.ConnectTimeout
	if d.Proxy != nil && c.Isolation != "" {
		proxy := *d.Proxy
		sum := sha256.Sum256([]byte(c.Isolation + "@" + server.String()))
		proxy.User, proxy.Password = base64.StdEncoding.EncodeToString(sum[:]), ""
		d.Proxy = &proxy
	}
	return d
}

// target returns where to connect to.
func (c Config) target(server wire.Server) (host, port, alpn string, err error) {
	host, err = c.HostMode.Choose(server.Hosts, c.Dialer.Proxy != nil, c.HostRequired)
	port, alpn = server.Port, defaultALPN
	switch {
	case port != "":
	case c.WebPort:
		port, alpn = webPort, webALPN
	default:
		port = defaultPort
	}
	return host, port, alpn, err
}

// Connect connects to a relay and does the handshake. The error is ErrHost, a
// *transport.DialError, ErrVersion, ErrIdentity, ErrProtocol, that of ctx, or that of a
// connection which was lost.
func Connect(ctx context.Context, config Config, server wire.Server) (*Client, error) {
	config = config.withDefaults()
	host, port, alpn, err := config.target(server)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	conn, err := config.dialer(server).Dial(ctx, host, port, server.KeyHash, alpn)
	if err != nil {
		return nil, err
	}
	return handshake(ctx, conn, config, server)
}
