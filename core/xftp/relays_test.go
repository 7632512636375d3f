package xftp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// startRelay runs a file relay on a loopback address, with TLS and all that belongs to it.
func startRelay(t testing.TB, config files.Config) wire.Server {
	t.Helper()
	dir := t.TempDir()
	if _, err := relay.Init(dir, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	s, err := files.Open(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, files.ErrClosed) {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return s.Address(port, "127.0.0.1")
}

func newPool(t testing.TB) *xftp.Pool {
	p := xftp.NewPool(xftp.Config{})
	t.Cleanup(p.Close)
	return p
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	mathrand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// encryptFile makes an encrypted copy in a folder.
func encryptFile(t testing.TB, path string, content []byte, recipients int) (*os.File, *xftp.Upload) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	source := xftp.Source{Content: bytes.NewReader(content), Size: int64(len(content)), Name: "name.bin"}
	up, err := xftp.Encrypt(context.Background(), f, source, recipients)
	if err != nil {
		t.Fatal(err)
	}
	return f, up
}

func readFile(t testing.TB, path string, d *xftp.Description) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := xftp.Open(f, d)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file goes through two relays to two recipients, over TLS.
func TestRelays(t *testing.T) {
	ctx := context.Background()
	password := "secret"
	relays := []xftp.Relay{{Server: startRelay(t, files.Config{})}, {Server: startRelay(t, files.Config{Password: password}), Password: password}}
	pool := newPool(t)
	dir := t.TempDir()
	size := 30 << 20
	if testing.Short() {
		size = 9 << 20
	}
	content := randomBytes(size)
	file, up := encryptFile(t, filepath.Join(dir, "encrypted"), content, 2)
	var most uint64
	options := xftp.Options{Progress: func(xftp.Progress) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := up.Run(ctx, pool, file, xftp.UploadOptions{Options: options, Relays: relays}); err != nil {
		t.Fatal(err)
	}
	sender, list, err := up.Descriptions()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(list[0].Servers()); n != 2 {
		t.Errorf("the chunks are on %d relays", n)
	}
	for i, d := range list {
		path := filepath.Join(dir, "download")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := xftp.Download(ctx, pool, d, f, options); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if got := readFile(t, path, d); !bytes.Equal(got, content) {
			t.Errorf("recipient %d gets %d other bytes", i, len(got))
		}
	}
	t.Logf("the live heap of the client and two relays grew by %d MB at most, for a file of %d MB", (int64(most)-int64(before.HeapAlloc))>>20, size>>20)
	if err := xftp.Delete(ctx, pool, sender, xftp.Way{}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "again"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := xftp.Download(ctx, pool, list[1], f, options); !errors.Is(err, xftp.ErrAuth) {
		t.Errorf("after the deletion: %v", err)
	}
}

// The relay refuses in ways that end the connection, and the upload is done all the same.
func TestRelayQuota(t *testing.T) {
	small, large := startRelay(t, files.Config{Quota: 200_000}), startRelay(t, files.Config{})
	pool := newPool(t)
	dir := t.TempDir()
	content := randomBytes(700_000)
	file, up := encryptFile(t, filepath.Join(dir, "encrypted"), content, 1)
	options := xftp.UploadOptions{Relays: []xftp.Relay{{Server: small}, {Server: large}}}
	if err := up.Run(context.Background(), pool, file, options); err != nil {
		t.Fatal(err)
	}
	_, list, err := up.Descriptions()
	if err != nil {
		t.Fatal(err)
	}
	if servers := list[0].Servers(); len(servers) != 1 || !servers[0].SameAs(large) {
		t.Errorf("%d relays took chunks", len(servers))
	}
}

// What is said about a lost connection holds no address.
func TestConnectErrors(t *testing.T) {
	server := startRelay(t, files.Config{})
	_, err := xftp.Connect(context.Background(), xftp.Config{Versions: wire.VersionRange{Min: 7, Max: 8}}, server)
	if !errors.Is(err, xftp.ErrVersion) {
		t.Errorf("another version: %v", err)
	}
	other := server
	other.KeyHash[0] ^= 1
	var dial *transport.DialError
	if _, err := xftp.Connect(context.Background(), xftp.Config{}, other); !errors.As(err, &dial) || dial.Kind != transport.KindIdentity {
		t.Errorf("another fingerprint: %v", err)
	}
	c, err := xftp.Connect(context.Background(), xftp.Config{WebPort: true}, server)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := c.Ping(context.Background()); !errors.Is(err, xftp.ErrClosed) || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("a closed session: %v", err)
	}
}

// Processes that are killed, again and again, make the whole transfer together.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	content := randomBytes(700_000)
	_, up := encryptFile(t, filepath.Join(dir, "encrypted"), content, 1)
	plan, err := up.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	relays := startRelay(t, files.Config{}).String() + "\n" + startRelay(t, files.Config{}).String()
	for name, b := range map[string][]byte{"plan": plan, "relays": []byte(relays)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, task := range []string{"upload", "download"} {
		for kill, done := 1, false; !done; kill++ {
			done = runChild(t, task, dir, kill)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "description"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := xftp.ParseDescription(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(dir, "download"), d); !bytes.Equal(got, content) {
		t.Errorf("%d other bytes", len(got))
	}
}

// runChild runs a transfer in a process of its own, kills it after it has told a number of steps, and
// tells whether it was done before.
func runChild(t *testing.T, task, dir string, steps int) (done bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "XFTP_TEST_CHILD="+task, "XFTP_TEST_DIR="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); steps-- {
		if lines.Text() == "done" {
			done = true
			break
		}
		if steps == 1 {
			cmd.Process.Kill()
			break
		}
	}
	err = cmd.Wait()
	if done && err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v: %s", task, err, stderr.String())
	}
	return done
}

// noise is an endless file of random bytes, which are as good as any.
func noise(b *testing.B, n int) []byte {
	p := make([]byte, n)
	if _, err := rand.Read(p); err != nil {
		b.Fatal(err)
	}
	return p
}
