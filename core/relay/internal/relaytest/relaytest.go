// Package relaytest has what the tests of both servers of a relay need: a clock that is set, a TLS
// client that knows the id of its session, servers in another process that can be killed, and
// waiting for what a server does.
package relaytest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay/internal/front"
)

// Patience is how long a test waits for something that must happen.
const Patience = time.Minute

// Must returns v, and panics if there is an error.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A Clock is a clock that tests set.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock makes a clock that stands still at t.
func NewClock(t time.Time) *Clock { return &Clock{t: t} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Advance adds to the time.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// WaitUntil waits for a condition, which is looked at again whenever the signal comes.
func WaitUntil(t testing.TB, what string, changed *front.Signal, ok func() bool) {
	t.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	for {
		next := changed.C()
		if ok() {
			return
		}
		select {
		case <-next:
		case <-timer.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A Client is how a TLS client connects.
type Client struct {
	Protocols   []string         // of ALPN
	Version     uint16           // the newest of TLS, 0 for 1.3
	Certificate *tls.Certificate // is shown if the relay asks for it
}

// A recorder keeps what a client sends during its handshake, and its secret.
type recorder struct {
	net.Conn
	mu     sync.Mutex
	sent   []byte
	secret []byte
}

func (r *recorder) record(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) < 64<<10 {
		r.sent = append(r.sent, p...)
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.record(p)
	return r.Conn.Write(p)
}

// keyLog takes the handshake's secret out of a key log.
type keyLog struct{ conn *recorder }

func (k keyLog) Write(line []byte) (int, error) {
	if s := front.HandshakeSecret(string(line)); s != nil {
		k.conn.secret = s
	}
	return len(line), nil
}

// Dial connects and returns the id of the session. The connection has no deadline.
func (c Client) Dial(addr string) (*tls.Conn, []byte, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	rec := &recorder{Conn: nc}
	config := &tls.Config{
		InsecureSkipVerify: true,
		NextProtos:         c.Protocols,
		MinVersion:         tls.VersionTLS12,
		MaxVersion:         c.Version,
		KeyLogWriter:       keyLog{rec},
		CurvePreferences:   []tls.CurveID{tls.X25519},
		CipherSuites:       []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	}
	if c.Certificate != nil {
		config.Certificates = []tls.Certificate{*c.Certificate}
	}
	conn := tls.Client(rec, config)
	conn.SetDeadline(time.Now().Add(Patience))
	if err := conn.Handshake(); err != nil {
		nc.Close()
		return nil, nil, err
	}
	conn.SetDeadline(time.Time{})
	state := conn.ConnectionState()
	if state.Version == tls.VersionTLS12 {
		return conn, state.TLSUnique, nil
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	id, err := front.ReadFinished(state.CipherSuite, rec.secret, rec.sent)
	return conn, id, err
}

// Socket returns the socket of a connection that Dial made: closing it sends no TLS alert.
func Socket(conn *tls.Conn) net.Conn { return conn.NetConn().(*recorder).Conn }

// childDir is the environment variable with which a test binary becomes a server.
const childDir = "SOTTO_RELAY_TEST_DIR"

// Child runs the server of a folder if Start has started this process, and then doesn't return. serve is
// called with a listener on a loopback address.
func Child(serve func(dir string, l net.Listener) error) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	l := Must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println(l.Addr())
	panic(serve(dir, l))
}

// Start starts the server of a folder in another process; kill ends it as a crash would.
func Start(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out := Must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server doesn't start: %v", err)
	}
	return strings.TrimSpace(line), kill
}
