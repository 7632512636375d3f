package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/wire"
)

// asProgram has the test binary be the program.
const asProgram = "SOTTO_RELAY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func runLine(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out, io.Discard)
	return strings.TrimSpace(out.String()), err
}

func TestInitAndAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relay")
	made, err := runLine(t, "init", "--data", dir, "--host", "relay.example", "--host", "abc.onion", "--port", "5224", "--password", "secret")
	if err != nil {
		t.Fatal(err)
	}
	made, madeFiles, _ := strings.Cut(made, "\n")
	server, password, err := wire.ParseServerPassword(made)
	if err != nil || server.Scheme != wire.SMP || password != "secret" || server.Port != "5224" || len(server.Hosts) != 2 {
		t.Errorf("init prints %v, %v", server, err)
	}
	ofFiles, password, err := wire.ParseServerPassword(madeFiles)
	if err != nil || ofFiles.Scheme != wire.XFTP || password != "secret" || ofFiles.Port != "5443" || ofFiles.KeyHash != server.KeyHash || len(ofFiles.Hosts) != 2 {
		t.Errorf("init prints %v, %v", ofFiles, err)
	}
	if again, err := runLine(t, "address", "--data", dir, "--files"); err != nil || again != madeFiles {
		t.Errorf("address --files prints %q, %v", again, err)
	}
	if again, err := runLine(t, "address", "--data", dir); err != nil || again != made {
		t.Errorf("address prints %q, %v", again, err)
	}
	if other, err := runLine(t, "address", "--data", dir, "--host", "192.0.2.1"); err != nil || !strings.Contains(other, "@192.0.2.1:5224") {
		t.Errorf("address with a host prints %q, %v", other, err)
	}
	if _, err := runLine(t, "init", "--data", dir); !errors.Is(err, relay.ErrInitialized) {
		t.Errorf("second init: %v", err)
	}
}

func TestStart(t *testing.T) {
	dir := t.TempDir()
	if _, err := runLine(t, "init", "--data", dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error)
	go func() {
		ended <- run(ctx, []string{"start", "--data", dir, "--listen", "127.0.0.1:0"}, out, io.Discard)
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	server, err := wire.ParseServer(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", server.Port),
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"smp/1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 16384)); err != nil {
		t.Errorf("no hello: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("start returned %v", err)
	}
	conn.Close()
}

// TestIPv6 checks that the port of an address with an IPv6 host is not read as a part of the host.
func TestIPv6(t *testing.T) {
	for _, host := range []string{"2001:db8::1", "[2001:db8::1]"} {
		dir := t.TempDir()
		made, err := runLine(t, "init", "--data", dir, "--host", "relay.example", "--host", host, "--port", "5999")
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(made, "\n") {
			server, err := wire.ParseServer(line)
			if err != nil || len(server.Hosts) != 2 || server.Hosts[1] != "2001:db8::1" || server.Port != []string{"5999", "5443"}[i] {
				t.Errorf("%s is read as %v, %v", line, server, err)
			}
		}
	}
}

func TestShown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, test := range []struct {
		hosts []string
		port  string
		want  string
	}{
		{nil, "", port},
		{[]string{"127.0.0.1"}, "", port},
		{[]string{"localhost", "::1"}, "", port},
		{[]string{"relay.example"}, "", ""},
		{[]string{"127.0.0.1"}, "5224", "5224"},
	} {
		if got := shown(wire.Server{Hosts: test.hosts, Port: test.port}, l, defaultPort); got.Port != test.want {
			t.Errorf("%v with port %q is shown with %q, not %q", test.hosts, test.port, got.Port, test.want)
		}
	}
}

// TestListenTwice checks that a relay serves at all addresses that it is told, or not at all.
func TestListenTwice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := l.Addr().String()
	dir := t.TempDir()
	if _, err := runLine(t, "init", "--data", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := runLine(t, "start", "--data", dir, "--listen", "127.0.0.1:0", "--listen", second); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port in use: %v", err)
	}
	l.Close()
	_, server := startRelay(t, "--listen", second)
	for _, addr := range []string{net.JoinHostPort("127.0.0.1", server.Port), second} {
		// Apps offer another protocol where they take the relay's port for that of the web.
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 16384)); err != nil {
			t.Errorf("%s: no hello: %v", addr, err)
		}
		conn.Close()
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{"", "help", "init --help", "start -h", "control --help", "bench --help"} {
		if out, err := runLine(t, strings.Fields(args)...); err != nil || out != strings.TrimSpace(usage) {
			t.Errorf("%q: no usage, %v", args, err)
		}
	}
	for _, args := range []string{
		"stop", "init", "start", "address", "init --data x y", "init --nothing", "control --nothing", "start --data x --queue-days -1",
	} {
		if _, err := runLine(t, strings.Fields(args)...); !errors.Is(err, errUsage) {
			t.Errorf("%s: error %v", args, err)
		}
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"start", "--data", dir}, {"address", "--data", dir}} {
		if _, err := runLine(t, args...); !errors.Is(err, relay.ErrNotInitialized) {
			t.Errorf("%v: error %v", args, err)
		}
	}
	for _, args := range [][]string{
		{"--host", "a b"}, {"--host", ""}, {"--host", "relay.example:5223"}, {"--host", "a,b"}, {"--port", "0"}, {"--port", "70000"}, {"--port", "x"},
		{"--password", "a b"}, {"--password", "a@b"}, {"--password", "a:b"}, {"--port", "6000", "--files-port", "6000"},
		{"--port", "5443"}, {"--files-port", "5223"},
	} {
		_, err := runLine(t, append([]string{"init", "--data", dir}, args...)...)
		if !errors.Is(err, relay.ErrSetting) || strings.Contains(args[0], "password") != strings.Contains(err.Error(), "password") {
			t.Errorf("init %q: %v", args, err)
		}
	}
}
