package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// startWithFiles runs a relay with the command line, and returns its address for files, if it has one.
func startWithFiles(t *testing.T, dir string, args ...string) (ofFiles wire.Server, serves bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"start", "--data", dir, "--listen", "127.0.0.1:0"}, args...), out, io.Discard)
		out.Close()
	}()
	r := bufio.NewReader(in)
	if _, err := r.ReadString('\n'); err != nil {
		cancel()
		t.Fatal(<-ended)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("start returned %v", err)
		}
	})
	if r.Buffered() == 0 { // both addresses come at once
		return ofFiles, false
	}
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if ofFiles, _, err = wire.ParseServerPassword(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	ofFiles.Hosts = []string{"127.0.0.1"}
	return ofFiles, true
}

// TestFiles stores a chunk in a relay of the command line and controls that.
func TestFiles(t *testing.T) {
	dir, chunks := t.TempDir(), t.TempDir()
	if _, err := runLine(t, "init", "--data", dir, "--password", "secret"); err != nil {
		t.Fatal(err)
	}
	server, ok := startWithFiles(t, dir, "--files-dir", chunks, "--files-quota", "100kb")
	if !ok {
		t.Fatal("no files are served")
	}
	c, err := xftp.Connect(t.Context(), xftp.Config{}, server)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	digest := sha256.Sum256(chunk)
	cmd := xftp.FNew{Sender: key.Public(), Size: uint32(len(chunk)), Digest: digest[:], Recipients: []crypt.AuthPublic{key.Public()}}
	if _, err := c.New(t.Context(), &key, cmd); !errors.Is(err, xftp.ErrAuth) {
		t.Errorf("without the password: %v", err)
	}
	cmd.Password = "secret"
	ids, err := c.New(t.Context(), &key, cmd)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.New(t.Context(), &key, cmd)
	if err != nil {
		t.Fatal(err)
	}
	id := wire.EncodeBase64([]byte(ids.Recipients[0]))
	control := func(args ...string) string {
		t.Helper()
		out, err := runLine(t, append([]string{"control", "--data", dir}, args...)...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	if out := control("status", id); !strings.Contains(out, "not yet uploaded") || !strings.Contains(out, "65536") {
		t.Errorf("status prints %q", out)
	}
	if err := c.Put(t.Context(), ids.Sender, &key, bytes.NewReader(chunk), cmd.Size, nil); err != nil {
		t.Fatal(err)
	}
	if out := control("status", id); !strings.Contains(out, "stored") {
		t.Errorf("status prints %q", out)
	}
	if err := c.Put(t.Context(), second.Sender, &key, bytes.NewReader(chunk), cmd.Size, nil); !errors.Is(err, xftp.ErrQuota) {
		t.Errorf("beyond the quota: %v", err)
	}
	if out := control("status"); !strings.Contains(out, "\nsotto_relay_files_used_bytes 65536\n") || !strings.Contains(out, "\nsotto_relay_queues 0\n") {
		t.Errorf("status prints %q", out)
	}
	control("block", id, "--reason", "content")
	if out := control("status", id); !strings.Contains(out, "blocked for content") {
		t.Errorf("status prints %q", out)
	}
	for _, command := range []string{"unblock", "explode"} {
		if out, err := runLine(t, "control", "--data", dir, command, id); err == nil {
			t.Errorf("%s: %q", command, out)
		}
	}
	control("delete", id)
	if out, err := runLine(t, "control", "--data", dir, "status", id); err == nil {
		t.Errorf("a deleted file: %q", out)
	}
}

func TestFilesPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, taken, _ := net.SplitHostPort(l.Addr().String())

	dir := t.TempDir()
	if out, err := runLine(t, "init", "--data", dir, "--files-port", taken); err != nil || !strings.HasSuffix(out, ":"+taken) {
		t.Fatalf("init prints %q, %v", out, err)
	}
	if _, err := runLine(t, "start", "--data", dir, "--listen", "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "--no-files") {
		t.Errorf("the port is in use: %v", err)
	}
	if _, serves := startWithFiles(t, dir, "--no-files"); serves {
		t.Error("--no-files serves files")
	}
	// A relay whose port was not decided goes without files when the usual one is in use.
	for _, port := range []string{"", taken} {
		o := startOptions{listen: hosts{"127.0.0.1:1"}}
		o.config.Log = slog.New(slog.DiscardHandler)
		other, err := listenFiles(o, port)
		if port == "" {
			if err != nil {
				t.Errorf("the usual port: %v", err)
			}
			if other != nil {
				again, err := listenFiles(o, port)
				if again != nil || err != nil {
					t.Errorf("the usual port is in use: %v", err)
				}
				other.Close()
			}
		} else if err == nil {
			t.Error("a port that was decided is in use, and that is no error")
		}
	}
	for _, port := range []string{"x", "0", "65536"} {
		if _, err := runLine(t, "init", "--data", t.TempDir(), "--files-port", port); !errors.Is(err, relay.ErrSetting) {
			t.Errorf("port %s: %v", port, err)
		}
	}
	if err := relay.ChangeSettings(dir, func(s *relay.Settings) { s.FilesPort = "1234" }); err != nil {
		t.Fatal(err)
	}
	if out, err := runLine(t, "address", "--data", dir, "--files"); err != nil || !strings.HasSuffix(out, ":1234") {
		t.Errorf("address prints %q, %v", out, err)
	}
}

func TestFileFlags(t *testing.T) {
	for text, want := range map[string]size{"1": 1, "5b": 5, "64kb": 64 << 10, "3m": 3 << 20, "100GB": 100 << 30, "2tb": 2 << 40, "-1": -1} {
		var s size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "0", "-2", "gb", "1.5gb", "1 gb", "1eb", "9999999999tb", "1bk"} {
		var s size
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
	for _, args := range []string{
		"--files-hours -1", "--files-quota x", "--s3-bucket b", "--s3 https://s3.example.org", "--s3 https://s3.example.org --s3-bucket b --files-dir d",
	} {
		if _, err := runLine(t, append([]string{"start", "--data", t.TempDir()}, strings.Fields(args)...)...); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
