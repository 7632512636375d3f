// Package files is the file relay that runs beside the SMP server of a relay: an XFTP server
// for versions 1 to 3. It keeps the chunks of files until they expire, are deleted, or the
// operator blocks them.
//
// It lives in the folder of the relay, whose identity it shares, so its address has the same
// fingerprint and hosts, and a port of its own:
//
//	_, err := relay.Init(dir, relay.Settings{Hosts: []string{"relay.example"}, FilesPort: "5443"})
//	s, err := files.Open(dir, files.Config{Quota: 100 << 30})
//	defer s.Close()
//	err = s.Serve(ctx, listener)
//
// What is known of a chunk is in a Pebble store in that folder, and its bytes are in a [Store]:
// files on a disk, or objects elsewhere (package s3). Uploads and downloads stream; none of
// them is in memory as a whole. A chunk that was answered with OK is on disk and survives a
// crash, and one that was not leaves nothing behind. Nothing that tells who sends to whom is
// logged.
package files

//lint:file-ignore SA1019 net/http speaks HTTP/2 only where ALPN says h2, or without TLS

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// Config are the limits of a file server. The zero value of a field stands for its default; a
// negative limit stands for none.
type Config struct {
	Store Store // of the bytes of chunks, nil for a folder in that of the relay

	Quota          int64         // bytes of all chunks, 10 GiB; uploads beyond it are refused
	TTL            time.Duration // age at which chunks are deleted, 48 hours; it can be an hour more
	Password       string        // needed to register chunks; empty lets everybody
	NoNewFiles     bool          // refuse to register chunks
	MaxFiles       int           // chunks that are registered, 10 million; further ones are refused
	MaxRecipients  int           // of a chunk, 20000; further ones are refused
	MaxConnections int           // connections at a time, 5000; further ones are closed

	// Limits of a client; what is more waits.
	MaxConnectionsPerSource int // of an IPv4 address or an IPv6 /64 at a time, 500; further ones are closed
	CommandsPerSecond       int // of a connection, 500; ten times as many at once
	NewFilesPerMinute       int // chunks that a connection registers, 1200; also at once

	TLSTimeout    time.Duration // for the TLS handshake, 60 s
	HelloTimeout  time.Duration // for the XFTP handshake, and for the block of a command, 120 s
	UploadTimeout time.Duration // for a chunk, 5 minutes
	WriteTimeout  time.Duration // for 64 KiB to a slow reader, 60 s
	IdleTimeout   time.Duration // without a request, 1 hour

	Log *slog.Logger     // problems of the server itself, nil for none
	Now func() time.Time // the clock, time.Now
}

// Defaults (xftp.md §3 and §7, smp-transport.md §10).
const (
	defaultQuota          = 10 << 30
	defaultTTL            = 48 * time.Hour
	defaultMaxFiles       = 10_000_000
	defaultMaxRecipients  = 20_000
	defaultMaxConnections = 5000
	defaultMaxPerSource   = 500
	defaultCommandRate    = 500
	defaultNewFileRate    = 1200
	defaultTLSTimeout     = 60 * time.Second
	defaultHelloTimeout   = 120 * time.Second
	defaultUploadTimeout  = 5 * time.Minute
	defaultWriteTimeout   = 60 * time.Second
	defaultIdleTimeout    = time.Hour
	expiryInterval        = 2 * time.Hour
)

// Parameters of HTTP/2. A client has one request at a time (xftp.md §1); some more let uploads
// and downloads go on side by side. The window is what a connection can make the server hold.
const (
	maxStreams     = 32
	maxFrame       = 32 << 10
	maxHeaderBytes = 8 << 10
	window         = 1 << 20
)

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c Config) withDefaults() Config {
	orDefault(&c.Quota, defaultQuota)
	orDefault(&c.TTL, defaultTTL)
	orDefault(&c.MaxFiles, defaultMaxFiles)
	orDefault(&c.MaxRecipients, defaultMaxRecipients)
	orDefault(&c.MaxConnections, defaultMaxConnections)
	orDefault(&c.MaxConnectionsPerSource, defaultMaxPerSource)
	orDefault(&c.CommandsPerSecond, defaultCommandRate)
	orDefault(&c.NewFilesPerMinute, defaultNewFileRate)
	orDefault(&c.TLSTimeout, defaultTLSTimeout)
	orDefault(&c.HelloTimeout, defaultHelloTimeout)
	orDefault(&c.UploadTimeout, defaultUploadTimeout)
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

// Errors of a file server.
var (
	ErrClosed = errors.New("files: closed") // what Serve returns after Close
	// ErrStore tells that the disk is full or broken, or that the index has failed in another way: the server
	// has closed itself. What it has acknowledged is there when it is opened again.
	ErrStore = errors.New("the file relay's index has failed and the relay has stopped: if its disk is full or broken make room or repair it, then start the relay again")
)

// A Server serves the chunks of one folder.
type Server struct {
	config   Config
	identity *front.Identity
	tls      *tls.Config
	http     *http2.Server
	base     *http.Server // for what http2 takes from it
	front    *front.Server
	ctx      context.Context // of the server, until it is closed
	index    *index
	store    Store
	stats    stats
	locks    [256]sync.Mutex // of chunks, by the first byte of the sender id
	changed  front.Signal    // uploads, sweeps, expiry and what went wrong

	mu      sync.Mutex
	used    int64               // bytes of chunks that are stored or being uploaded
	files   int                 // chunks that are registered
	uploads map[string]struct{} // names of chunks that are being stored
}

// Open opens the file server in dir, which relay.Init has made. Only one process can have it
// open. It deletes what a crash has left.
func Open(dir string, config Config) (*Server, error) { return open(dir, vfs.Default, config) }

func open(dir string, fs vfs.FS, config Config) (_ *Server, err error) {
	id, err := front.ReadIdentity(dir)
	if err != nil {
		return nil, err
	}
	config = config.withDefaults()
	s := &Server{
		config:   config,
		identity: id,
		tls:      id.TLSConfig(xftp.ALPN, "h2", "http/1.1"),
		http: &http2.Server{
			MaxConcurrentStreams:         maxStreams,
			MaxReadFrameSize:             maxFrame,
			MaxUploadBufferPerConnection: window,
			MaxUploadBufferPerStream:     window,
			IdleTimeout:                  config.IdleTimeout,
			WriteByteTimeout:             config.WriteTimeout,
		},
		// What http2 logs has addresses of clients.
		base:    &http.Server{MaxHeaderBytes: maxHeaderBytes, ErrorLog: log.New(discard{}, "", 0)},
		front:   front.NewServer(config.MaxConnections, config.MaxConnectionsPerSource, ErrClosed),
		store:   config.Store,
		uploads: make(map[string]struct{}),
	}
	s.ctx = s.front.Context
	if s.index, err = openIndex(filepath.Join(dir, indexDir), fs, config.Log, s.fail); err != nil {
		s.front.Close(func() error { return nil })
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.store == nil {
		if s.store, err = OpenDisk(filepath.Join(dir, chunksDir)); err != nil {
			return nil, err
		}
	}
	if err := s.claim(); err != nil {
		return nil, err
	}
	if s.files, s.used, err = s.index.count(); err != nil {
		return nil, err
	}
	s.front.Go(s.sweep)
	s.front.Go(s.expireRegularly)
	return s, nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// fail closes the server, but for what only Close does.
func (s *Server) fail(err error) {
	s.config.Log.Error("file index", "problem", err)
	s.front.Fail(fmt.Errorf("%w (%w)", ErrStore, err))
}

// Address returns the address of the server with these hosts and this port. It has no password.
func (s *Server) Address(port string, hosts ...string) wire.Server {
	return wire.Server{Scheme: wire.XFTP, KeyHash: s.identity.Hash, Hosts: hosts, Port: port}
}

// Serve accepts connections on l until ctx is done, and then returns nil when all of them are
// closed; or until Close, and returns ErrClosed; or until the disk fails, and returns ErrStore;
// or until l fails. It closes l. Several listeners can be served at a time.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.front.Serve(ctx, l, func(ctx context.Context, nc net.Conn) {
		s.stats.connections.Add(1)
		s.serve(ctx, nc)
	}, func() { s.stats.refused.Add(1) })
}

// Close ends all connections and closes what Open has opened; a Store of the Config stays open.
// It is no error if the disk has failed before: then what was not on it is known to be lost.
func (s *Server) Close() error { return s.front.Close(s.index.close) }
