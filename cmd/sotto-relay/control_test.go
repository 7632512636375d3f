package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// startRelay runs a relay with the command line, and ends it with the test.
func startRelay(t *testing.T, args ...string) (dir string, server wire.Server) {
	t.Helper()
	return startRelayOf(t, relay.Settings{}, args...)
}

func startRelayOf(t *testing.T, settings relay.Settings, args ...string) (dir string, server wire.Server) {
	t.Helper()
	dir = t.TempDir()
	if _, err := relay.Init(dir, settings); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"start", "--data", dir, "--listen", "127.0.0.1:0"}, args...), out, io.Discard)
		out.Close()
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		cancel()
		t.Fatal(<-ended)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("start returned %v", err)
		}
	})
	if server, _, err = wire.ParseServerPassword(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	server.Hosts = []string{"127.0.0.1"}
	return dir, server
}

func TestControl(t *testing.T) {
	dir, server := startRelay(t)
	if info, err := os.Stat(filepath.Join(dir, controlFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	l := load{server: server}
	c, err := l.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q, err := l.newQueue(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	id := wire.EncodeBase64([]byte(q.SndID))
	control := func(args ...string) string {
		t.Helper()
		out, err := runLine(t, append([]string{"control", "--data", dir}, args...)...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	if out := control("status"); !strings.Contains(out, "sotto_relay_queues 1") {
		t.Errorf("status prints %q", out)
	}
	if out := control("status", id); !strings.Contains(out, "messaging") || !strings.Contains(out, "active") {
		t.Errorf("status prints %q", out)
	}
	control("block", id, "--reason", "spam", "--notice", "2h")
	e := <-c.Events()
	if m, ok := e.Message.(*smp.Error); !ok || m.Kind != smp.KindBlocked || m.Blocking.Notice == nil || *m.Blocking.Notice.TTL != 7200 {
		t.Errorf("event %+v", e.Message)
	}
	if out := control("status", id); !strings.Contains(out, "blocked for spam") {
		t.Errorf("status prints %q", out)
	}
	control("block", "--reason=content", "--notice=forever", id)
	if m := (<-c.Events()).Message.(*smp.Error); m.Blocking.Reason != smp.BlockedContent || m.Blocking.Notice == nil || m.Blocking.Notice.TTL != nil {
		t.Errorf("event %+v", m)
	}
	control("unblock", id)
	control("delete", id)
	if _, ok := (<-c.Events()).Message.(smp.Deld); !ok {
		t.Error("no DELD")
	}
	for _, args := range []string{"delete " + id, "status x", "block " + id + " --reason fun", "explode " + id} {
		if out, err := runLine(t, append([]string{"control", "--data", dir}, strings.Fields(args)...)...); err == nil || errors.Is(err, errUsage) {
			t.Errorf("%s: %q, error %v", args, out, err)
		}
	}
	for _, args := range []string{
		"", "block", "block " + id, "status a b c", "status x --reason spam", "block " + id + " --reason spam --notice soon", "block " + id + " --reason spam --notice -1h",
	} {
		if _, err := runLine(t, append([]string{"control", "--data", dir}, strings.Fields(args)...)...); !errors.Is(err, errUsage) {
			t.Errorf("%q: error %v", args, err)
		}
	}
	if _, err := runLine(t, "control", "--data", t.TempDir(), "status"); !errors.Is(err, errNotRunning) {
		t.Errorf("no relay: %v", err)
	}
}

// TestHyphen checks that an id that begins with hyphens is no flag.
func TestHyphen(t *testing.T) {
	for _, size := range []int{smp.IDSize, xftp.IDSize} {
		for _, first := range []byte{0xfb, 0xf8} { // "--" and "-…"
			b := make([]byte, size)
			b[0], b[1] = first, 0xef
			id := wire.EncodeBase64(b)
			f := newFlags("control")
			dir := f.String("data", "", "")
			reason := f.String("reason", "", "")
			words, err := parseMixed(f, []string{"--data", "x", "block", id, "--reason=spam"})
			if err != nil || !slices.Equal(words, []string{"block", id}) || *dir != "x" || *reason != "spam" {
				t.Errorf("%s: %v, %v", id, words, err)
			}
		}
	}
}

// TestControlGarbage sends what is no request to the socket.
func TestControlGarbage(t *testing.T) {
	dir, _ := startRelay(t)
	for _, text := range []string{"", "x\n", "{}\n", "null\n", strings.Repeat("x", 2*maxControlRequest) + "\n", `{"command":"status","id":7}` + "\n"} {
		c, err := net.Dial("unix", filepath.Join(dir, controlFile))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, text)
		c.(*net.UnixConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	}
	if out, err := runLine(t, "control", "--data", dir, "status"); err != nil || out == "" {
		t.Errorf("afterwards: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	if _, err := relay.Init(dir, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	r, err := relay.Open(dir, relay.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l, err := listenMetrics("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait := serveMetrics(ctx, l, &servers{messages: r})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound} {
		answer, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != want || want == http.StatusOK && !strings.Contains(string(text), "\nsotto_relay_connections 0\n") {
			t.Errorf("%s: status %d, %q, error %v", path, answer.StatusCode, text, err)
		}
	}
	cancel()
	wait()
	for _, address := range []string{"0.0.0.0:0", ":9100", "192.0.2.1:1", "localhost", "relay.example:1"} {
		if _, err := runLine(t, "start", "--data", t.TempDir(), "--metrics", address); !errors.Is(err, errUsage) {
			t.Errorf("--metrics %s: %v", address, err)
		}
	}
}

func TestBench(t *testing.T) {
	_, server := startRelay(t)
	out, err := runLine(t, "bench", "--relay", server.String(), "--connections", "4", "--seconds", "1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"handshakes", "new queues", "messages", "p50", "p999"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %q", want, out)
		}
	}
	for _, args := range []string{"", "--relay x --connections 1", "--relay x --connections 99999", "--relay x --seconds 0", "--relay x --seconds 601"} {
		if _, err := runLine(t, append([]string{"bench"}, strings.Fields(args)...)...); !errors.Is(err, errUsage) {
			t.Errorf("%q: error %v", args, err)
		}
	}
	if _, err := runLine(t, "bench", "--relay", "relay.example"); !errors.Is(err, wire.ErrAddress) {
		t.Errorf("no address: %v", err)
	}
	_, server = startRelayOf(t, relay.Settings{Password: "secret"})
	if _, err := runLine(t, "bench", "--relay", server.Text("other"), "--seconds", "1"); !errors.Is(err, errRefused) {
		t.Errorf("another password: %v", err)
	}
	server.Scheme = wire.XFTP
	if _, err := runLine(t, "bench", "--relay", server.Text("secret")); !errors.Is(err, errUsage) {
		t.Errorf("a relay for files: %v", err)
	}
}

// TestBenchLeavesNothing checks that a load test deletes its queues, also when it is
// interrupted.
func TestBenchLeavesNothing(t *testing.T) {
	dir, server := startRelay(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	go func() { // interrupts it when the second part is over
		r := bufio.NewReader(out)
		for range 2 {
			r.ReadString('\n')
		}
		cancel()
		io.Copy(io.Discard, r)
	}()
	err := run(ctx, []string{"bench", "--relay", server.String(), "--connections", "4", "--seconds", "2"}, in, io.Discard)
	in.Close()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if status, err := runLine(t, "control", "--data", dir, "status"); err != nil || !strings.Contains(status, "\nsotto_relay_queues 0\n") {
		t.Errorf("queues are left: %q, %v", status, err)
	}
}

// TestProxyPrivate sends through a relay of the command line to another one on this machine: that has to be
// allowed if the relay is there for others, too.
func TestProxyPrivate(t *testing.T) {
	_, target := startRelay(t)
	l, err := relay.ListenLoopback() // at a port that nobody else gets meanwhile
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	public := relay.Settings{Hosts: []string{"relay.example"}, Port: port}
	for _, test := range []struct {
		settings relay.Settings
		args     []string
		allowed  bool
	}{
		{public, []string{"--listen", "127.0.0.1:" + port}, false},
		{relay.Settings{}, []string{"--proxy-private"}, true},
		{relay.Settings{}, nil, true},
	} {
		_, proxy := startRelayOf(t, test.settings, test.args...)
		l := load{server: proxy}
		c, err := l.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m, err := c.Do(t.Context(), smp.Request{Command: smp.Prxy{Server: target}})
		if test.allowed {
			if _, ok := m.(smp.PKey); !ok || err != nil {
				t.Errorf("allowed: %v, %v", m, err)
			}
			continue
		}
		var e *smp.Error
		if !errors.As(err, &e) || e.Proxy == nil || e.Proxy.Broker.Kind != smp.BrokerHost {
			t.Errorf("not allowed: %v, %v", m, err)
		}
	}
	_, proxy := startRelay(t, "--no-proxy")
	c, err := (&load{server: proxy}).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Do(t.Context(), smp.Request{Command: smp.Prxy{Server: target}})
	var e *smp.Error
	if !errors.As(err, &e) || e.Proxy == nil || e.Proxy.Kind != smp.ProxyBasicAuth {
		t.Errorf("no proxy: %v", err)
	}
}
