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
	if _, err := runLine(t, "init", "--data", dir, "--host", "a b"); !errors.Is(err, wire.ErrAddress) {
		t.Errorf("bad host: %v", err)
	}
}
