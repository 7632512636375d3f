// Package relay is a relay that anyone can run: an SMP server for versions 6 to 18 that
// keeps its queues and messages in a [Pebble] store.
//
// A relay lives in a folder. Init makes it once, with the identity by which clients know
// the relay; Open and Serve run it on any listener, so that a program can also have a
// relay of its own on a loopback address:
//
//	_, err := relay.Init(dir, relay.Settings{Hosts: []string{"relay.example"}})
//	r, err := relay.Open(dir, relay.Config{})
//	defer r.Close()
//	err = r.Serve(ctx, listener)
//
// What the relay has answered with OK, or announced as a message, is on disk and survives
// a crash. Nothing that tells who sends to whom is logged.
//
// A client with a certificate is a service: a program that is told about the messages of many
// queues at once (smp-commands.md §10).
//
// A connection has one goroutine that reads and executes commands, and a second one lent to it while
// there is something to send. Messages wait in the store, never in memory: what waits for
// a slow reader is only which queue it is to get a message of. Everything about a queue
// happens under the lock of its [stripe].
//
// [Pebble]: https://pkg.go.dev/github.com/cockroachdb/pebble/v2
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/wire"
)

// Config are the limits of a running relay. The zero value of a field stands for its
// default; a negative limit stands for none.
type Config struct {
	Quota          int           // messages in a queue, 128
	MessageTTL     time.Duration // age at which messages are deleted, 21 days
	QueueTTL       time.Duration // time without a command after which a queue is deleted; 0 keeps it
	MaxConnections int           // connections at a time, 20000; further ones are closed
	NoNewQueues    bool          // refuse to create queues
	MaxQueues      int           // queues that there are, 10 million; further ones are refused

	// Limits of a client; what is more waits.
	MaxConnectionsPerSource int // of an IPv4 address or an IPv6 /64 at a time, 2000; further ones are closed
	CommandsPerSecond       int // of a connection, 5000; ten times as many at once
	NewQueuesPerMinute      int // of a connection, 6000; also at once

	// Dial connects with other relays, to which clients of this one can send through it
	// (private routing). nil refuses that.
	Dial DialFunc

	TLSTimeout   time.Duration // for the TLS handshake, 60 s
	HelloTimeout time.Duration // for the SMP handshake, 120 s
	WriteTimeout time.Duration // for one block to a slow reader, 60 s
	IdleTimeout  time.Duration // without traffic and subscriptions, 6 hours

	Log *slog.Logger     // problems of the relay itself, nil for none
	Now func() time.Time // the clock, time.Now
}

// Defaults (smp-server.md §4 and §6, smp-transport.md §10).
const (
	defaultQuota          = 128
	defaultMessageTTL     = 21 * 24 * time.Hour
	defaultMaxConnections = 20000
	defaultMaxPerSource   = 2000
	defaultMaxQueues      = 10_000_000
	defaultCommandRate    = 5000
	defaultNewQueueRate   = 6000 // who joins a large group makes two for each member
	defaultTLSTimeout     = 60 * time.Second
	defaultHelloTimeout   = 120 * time.Second
	defaultWriteTimeout   = 60 * time.Second
	defaultIdleTimeout    = 6 * time.Hour
	expiryInterval        = 2 * time.Hour
)

// keptKeys is for how many keys of clients the relay keeps what verification computes from them.
const keptKeys = 4096

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c Config) withDefaults() Config {
	orDefault(&c.Quota, defaultQuota)
	orDefault(&c.MessageTTL, defaultMessageTTL)
	orDefault(&c.MaxConnections, defaultMaxConnections)
	orDefault(&c.MaxConnectionsPerSource, defaultMaxPerSource)
	orDefault(&c.MaxQueues, defaultMaxQueues)
	orDefault(&c.CommandsPerSecond, defaultCommandRate)
	orDefault(&c.NewQueuesPerMinute, defaultNewQueueRate)
	orDefault(&c.TLSTimeout, defaultTLSTimeout)
	orDefault(&c.HelloTimeout, defaultHelloTimeout)
	orDefault(&c.WriteTimeout, defaultWriteTimeout)
	orDefault(&c.IdleTimeout, defaultIdleTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// ErrClosed is what Serve returns after Close.
var ErrClosed = errors.New("relay: closed")

// ErrStore tells that the disk is full or broken, or that the store has failed in another way: the relay
// has closed itself. What it has acknowledged is there when it is opened again.
var ErrStore = errors.New("the relay's store has failed and the relay has stopped: if its disk is full or broken make room or repair it, then start the relay again")

// A Relay serves the queues of one folder.
type Relay struct {
	config   Config
	settings Settings
	identity *front.Identity
	tls      *tls.Config
	// tlsUnasked asks for no certificate.
	tlsUnasked *tls.Config
	unasked    unasked

	store    *store
	front    *front.Server
	ctx      context.Context // of the server, until it is closed
	proxy    proxy
	stats    stats
	verifier *crypt.Verifier
	writers  writers
	changed  front.Signal // the count of queues at start, and the end of a session with another relay

	stripes   [stripeCount]stripe
	senders   senders
	notifiers notifiers
	links     sync.Mutex // held while a link id is given to a queue
	services  services
}

// Open opens the relay in dir, which Init has made. Only one process can have it open.
func Open(dir string, config Config) (*Relay, error) { return open(dir, vfs.Default, config) }

func open(dir string, fs vfs.FS, config Config) (*Relay, error) {
	settings, err := ReadSettings(dir)
	if err != nil {
		return nil, err
	}
	id, err := front.ReadIdentity(dir)
	if err != nil {
		return nil, err
	}
	config = config.withDefaults()
	r := &Relay{
		config:   config,
		settings: settings,
		identity: id,
		tls:      id.TLSConfig("smp/1", "h2", "http/1.1"),
		verifier: crypt.NewVerifier(keptKeys),
		writers:  writers{conns: make(chan *conn)},
	}
	r.tlsUnasked = r.tls.Clone()
	r.tls.ClientAuth = tls.RequestClientCert // of services; everybody else has none
	r.front = front.NewServer(config.MaxConnections, config.MaxConnectionsPerSource, ErrClosed)
	r.ctx = r.front.Context
	if r.store, err = openStore(dir, fs, config.Log, r.fail); err != nil {
		r.front.Close(func() error { return nil })
		return nil, err
	}
	r.proxy = proxy{relay: r, dial: config.Dial, byServer: make(map[string]*destination), bySession: make(map[string]*proxySession)}
	for i := range r.stripes {
		r.stripes[i].init(r)
	}
	r.notifiers.init()
	r.services.sessions = make(map[key]int)
	count := r.store.countQueues()
	r.front.Go(func() {
		n, err := count()
		if err != nil {
			config.Log.Error("queue store", "problem", err)
		}
		r.stats.queues.Add(n)
		r.changed.Notify()
	})
	r.front.Go(r.expireRegularly)
	return r, nil
}

// fail closes the relay, but for what only Close does.
func (r *Relay) fail(err error) {
	r.config.Log.Error("queue store", "problem", err)
	r.front.Fail(fmt.Errorf("%w (%w)", ErrStore, err))
}

// Address returns the relay's address with the given hosts, or else with those of its
// settings. It has no password.
func (r *Relay) Address(hosts ...string) wire.Server {
	return address(r.identity.Hash, r.settings, hosts)
}

// Password is what clients need to create queues; empty lets everybody.
func (r *Relay) Password() string { return r.settings.Password }

// Serve accepts connections on l until ctx is done, and then returns nil when all of them
// are closed; or until Close, and returns ErrClosed; or until the store fails, and returns
// ErrStore; or until l fails. It closes l. Several listeners can be served at a time.
func (r *Relay) Serve(ctx context.Context, l net.Listener) error {
	return r.front.Serve(ctx, l, func(ctx context.Context, nc net.Conn) {
		r.stats.connections.Add(1)
		newConn(ctx, r, nc).serve()
	}, func() { r.stats.refused.Add(1) })
}

// Close ends all connections and closes the store. It is no error if the store has failed
// before: then what was not on disk is known to be lost.
func (r *Relay) Close() error { return r.front.Close(r.store.close) }
