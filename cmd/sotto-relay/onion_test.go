package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/tor"
	"github.com/sotto-chat/sotto/core/tor/tornet"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// TestOnion starts a relay with an onion service and connects to it through Tor.
func TestOnion(t *testing.T) {
	network := tornet.Start(t)
	torrc := filepath.Join(t.TempDir(), "torrc")
	if err := os.WriteFile(torrc, []byte(strings.Join(network.Client(), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := runLine(t, "init", "--data", dir); err != nil {
		t.Fatal(err)
	}
	// start runs the relay and returns its addresses. The log tells when clients can find it.
	start := func(log *logWatch) (addresses []wire.Server, stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		in, out := io.Pipe()
		var wg sync.WaitGroup
		var failed error
		wg.Go(func() {
			failed = run(ctx, []string{"start", "--data", dir, "--listen", "127.0.0.1:0", "--files-listen", "127.0.0.1:0", "--onion", "--tor-config", torrc}, out, log)
			out.Close()
		})
		lines := make([]byte, 4096)
		n, _ := io.ReadAtLeast(in, lines, 1)
		for line := range strings.Lines(string(lines[:n])) {
			server, err := wire.ParseServer(strings.TrimSpace(line))
			if err != nil {
				t.Error(err)
			}
			addresses = append(addresses, server)
		}
		return addresses, func() {
			cancel()
			wg.Wait()
			if failed != nil || t.Failed() {
				t.Errorf("start returned %v; log:\n%s", failed, log)
			}
		}
	}
	log := &logWatch{text: onionReachable, seen: make(chan struct{})}
	addresses, stop := start(log)
	stop = sync.OnceFunc(stop)
	defer stop()
	if len(addresses) != 2 {
		t.Fatalf("addresses are %v", addresses)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	client, err := tor.Start(ctx, tor.Config{Dir: t.TempDir(), Extra: network.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	select {
	case <-log.seen:
	case <-ctx.Done():
		t.Fatal("the onion service was not published")
	}
	connect := func(server wire.Server) {
		t.Helper()
		host := server.Hosts[len(server.Hosts)-1]
		if !transport.IsOnion(host) {
			t.Fatalf("hosts are %v", server.Hosts)
		}
		for attempt := 1; ; attempt++ {
			proxy, err := client.Proxy(ctx, host)
			if err != nil {
				t.Fatalf("waiting for tor: %v; its log: %v", err, client.Log())
			}
			// A slow machine needs longer attempts rather than more of them.
			patience := min(time.Duration(attempt)*15*time.Second, time.Minute)
			conn, err := transport.Dialer{Proxy: proxy, Timeout: patience}.DialTLS(ctx, host, server.Port, server.KeyHash, "")
			if err == nil {
				conn.Close()
				return
			}
			select {
			case <-time.After(100 * time.Millisecond): // until the service can be found
			case <-ctx.Done():
				t.Fatalf("attempt %d: %v; log of the client's tor: %v", attempt, err, client.Log())
			}
			// For minutes tor doesn't try what has failed again, unless it is told to forget that.
			if attempt%3 == 0 {
				if err := client.NewCircuits(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, a := range addresses {
		connect(a)
	}

	// It has the same name after a restart.
	stop()
	again, stopAgain := start(new(logWatch))
	defer stopAgain()
	if len(again) != 2 || !slices.Equal(again[0].Hosts, addresses[0].Hosts) || !slices.Equal(again[1].Hosts, addresses[1].Hosts) {
		t.Errorf("addresses are %v, before %v", again, addresses)
	}
}

// logWatch is a log that tells when a text was written.
type logWatch struct {
	mu   sync.Mutex
	log  bytes.Buffer
	text string        // none if empty
	seen chan struct{} // closed when the text was written
}

func (l *logWatch) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text != "" && bytes.Contains(b, []byte(l.text)) {
		close(l.seen)
		l.text = ""
	}
	return l.log.Write(b)
}

func (l *logWatch) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

func TestOnionErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := runLine(t, "init", "--data", dir); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) error {
		_, err := runLine(t, append([]string{"start", "--data", dir, "--listen", "127.0.0.1:0", "--no-files"}, args...)...)
		return err
	}
	if err := start("--tor", "/nowhere"); !errors.Is(err, errUsage) {
		t.Errorf("--tor alone: %v", err)
	}
	var problem *tor.Problem
	if err := start("--onion", "--tor", "/nowhere"); !errors.As(err, &problem) || problem.Kind != tor.ProblemMissing {
		t.Errorf("no tor: %v", err)
	}
	if err := start("--onion", "--tor-config", filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no configuration: %v", err)
	}
	bad := filepath.Join(t.TempDir(), "torrc")
	if err := os.WriteFile(bad, []byte("%include /etc/tor/torrc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start("--onion", "--tor-config", bad); !errors.Is(err, tor.ErrExtra) {
		t.Errorf("bad configuration: %v", err)
	}
	// A damaged key is not replaced.
	path := filepath.Join(dir, onionKeyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != int64(tor.OnionKeySize) {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start("--onion"); !errors.Is(err, tor.ErrOnionKey) {
		t.Errorf("damaged key: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "damaged" {
		t.Errorf("the key was replaced: %v", err)
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:5223": "127.0.0.1:5223", "[::]:5223": "127.0.0.1:5223", "127.0.0.2:5223": "127.0.0.2:5223", "[::1]:5223": "[::1]:5223", "192.0.2.1:5223": "",
	} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := loopback(listenerAt{a}); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", address, got, err)
		}
	}
}

// listenerAt is a listener that has only an address.
type listenerAt struct{ address net.Addr }

func (l listenerAt) Addr() net.Addr          { return l.address }
func (listenerAt) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (listenerAt) Close() error              { return nil }
