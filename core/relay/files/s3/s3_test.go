package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/xftp"
)

// gatewayModule is a server for S3 on a folder, which Go fetches and builds as it does with modules.
const gatewayModule = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Keys of the test server.
const (
	accessKey = "sotto-test"
	secretKey = "not a secret"
)

// patience is how long a test waits for something that must happen.
const patience = time.Minute

// gateway is the program of the server.
var gateway string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sotto-s3-test")
	if err == nil {
		gateway, err = install(dir)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "the S3 server for this test could not be built; go install %s does it, and needs a Go module proxy: %v\n", gatewayModule, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// install builds the server into a folder. After the first time that is only linking.
func install(dir string) (program string, err error) {
	cmd := exec.Command("go", "install", gatewayModule)
	cmd.Dir = dir // outside of this module
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "versitygw"), nil
}

// A server is a running S3 server with a bucket.
type server struct {
	config Config
	stop   func()
}

// startServer starts a server on a port that is free. Somebody else may take the port before the server
// does: the name of the bucket tells whose server it is.
func startServer(t testing.TB) *server {
	t.Helper()
	bucket := "chunks-" + strings.ToLower(rand.Text())
	for range 10 {
		if s := tryServer(t, bucket); s != nil {
			return s
		}
	}
	t.Fatal("the S3 server finds no port")
	return nil
}

// tryServer returns nil if the port belongs to somebody else.
func tryServer(t testing.TB, bucket string) *server {
	t.Helper()
	root, side := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(root, bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	// What belongs to an object beside its bytes is in files, because not all folders have attributes.
	cmd := exec.Command(gateway, "--port", addr, "--access", accessKey, "--secret", secretKey, "--quiet", "posix", "--sidecar", side, root)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{config: Config{Endpoint: "http://" + addr, Region: "us-east-1", Bucket: bucket, AccessKey: accessKey, SecretKey: secretKey}}
	s.stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(s.stop)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // another process tells nothing
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the S3 server doesn't start: %v", err)
		}
	}
	store, err := Open(t.Context(), s.config)
	if err != nil {
		s.stop()
		return nil
	}
	store.Close()
	return s
}

func (s *server) open(t testing.TB, edit func(*Config)) *Store {
	t.Helper()
	c := s.config
	if edit != nil {
		edit(&c)
	}
	store, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// TestStores checks what a files.Store promises, with objects and with a folder.
func TestStores(t *testing.T) {
	s := startServer(t)
	disk, err := files.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct { // in this order: without a prefix one sees what others have in the bucket
		name  string
		store files.Store
	}{
		{"disk", disk}, {"s3", s.open(t, nil)}, {"s3 with a prefix", s.open(t, func(c *Config) { c.Prefix = "relay/" })},
	} {
		t.Run(c.name, func(t *testing.T) { testStore(t, c.store) })
	}
}

var errRead = errors.New("the reader fails")

// failing fails after some bytes.
type failing struct{ left int }

func (f *failing) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errRead
	}
	n := min(len(p), f.left)
	f.left -= n
	return n, nil
}

func list(t *testing.T, s files.Store) (names []string) {
	t.Helper()
	if err := s.List(t.Context(), func(name string) error { names = append(names, name); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func testStore(t *testing.T, s files.Store) {
	ctx := t.Context()
	if _, err := s.Get(ctx, "abcd00"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if err := s.Delete(ctx, "abcd00"); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	if names := list(t, s); len(names) != 0 {
		t.Errorf("an empty store has %v", names)
	}
	var want []string
	for i, size := range []int{1, 64, 64 << 10, 4 << 20} {
		b := make([]byte, size)
		rand.Read(b)
		name := fmt.Sprintf("ab%02x%d", i*50, i)
		if err := s.Put(ctx, name, int64(size), struct{ io.Reader }{bytes.NewReader(b)}); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
		r, err := s.Get(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
		r.Close()
	}
	// Readers that fail or are too short leave nothing.
	for _, size := range []int{0, 1, 100_000, 1<<20 - 1} {
		if err := s.Put(ctx, "ffff00", 1<<20, &failing{size}); err == nil {
			t.Errorf("a reader that fails after %d bytes is no error", size)
		}
		if err := s.Put(ctx, "ffff01", 1<<20, io.LimitReader(rand.Reader, int64(size))); err == nil {
			t.Errorf("a reader that ends after %d bytes is no error", size)
		}
	}
	if names := list(t, s); !slices.Equal(names, want) {
		t.Errorf("the names are %v instead of %v", names, want)
	}
	stop := errors.New("stop")
	if err := s.List(ctx, func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("List goes on: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.List(cancelled, func(string) error { return nil }); err == nil {
		t.Error("List of a context that is done is no error")
	}
	for range 2 {
		if err := s.Delete(ctx, want[0]); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Get(ctx, want[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted: %v", err)
	}
}

// TestOpen checks what a wrong configuration is answered with.
func TestOpen(t *testing.T) {
	s := startServer(t)
	open := func(edit func(*Config)) error {
		c := s.config
		edit(&c)
		store, err := Open(t.Context(), c)
		if err == nil {
			store.Close()
		}
		return err
	}
	for _, endpoint := range []string{"", "s3.example.org", "ftp://x", "https://", "https://x/y", "http://a b", "://"} {
		if err := open(func(c *Config) { c.Endpoint = endpoint }); !errors.Is(err, ErrEndpoint) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	if err := open(func(c *Config) { c.Bucket = "another" }); !errors.Is(err, ErrBucket) {
		t.Errorf("no such bucket: %v", err)
	}
	for _, edit := range []func(*Config){
		func(c *Config) { c.SecretKey = "wrong" }, func(c *Config) { c.AccessKey = "" }, func(c *Config) { c.Bucket = "" },
	} {
		if err := open(edit); err == nil {
			t.Error("a wrong key or bucket is no error")
		}
	}
	s.stop()
	if err := open(func(*Config) {}); err == nil {
		t.Error("a server that is gone is no error")
	}
}

// TestRelay has a relay that keeps its chunks in the server, and loses that.
func TestRelay(t *testing.T) {
	s := startServer(t)
	dir := t.TempDir()
	if _, err := relay.Init(dir, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	store := s.open(t, nil)
	var client *xftp.Client
	var chunks []*chunk
	for range 2 { // with a restart
		var stop func()
		client, stop = serve(t, dir, store)
		for _, c := range chunks {
			c.get(t, client)
		}
		for _, size := range xftp.ChunkSizes {
			c := newChunk(t, client, int(size))
			wrong := bytes.Clone(c.bytes)
			wrong[size-1] ^= 1
			if err := c.put(t.Context(), client, wrong); !errors.Is(err, xftp.ErrDigest) {
				t.Errorf("a wrong chunk: %v", err)
			}
			client.Close() // which a refused upload has ended
			stop()
			client, stop = serve(t, dir, store)
			if err := c.put(t.Context(), client, c.bytes); err != nil {
				t.Fatal(err)
			}
			c.get(t, client)
			chunks = append(chunks, c)
		}
		c := chunks[0]
		chunks = chunks[1:]
		if err := client.Delete(t.Context(), c.ids.Sender, &c.key); err != nil {
			t.Error(err)
		}
		client.Close()
		stop()
	}
	if names := list(t, store); len(names) != len(chunks)+1 { // and the owner
		t.Errorf("%d objects for %d chunks", len(names), len(chunks))
	}
	// What nobody knows of is deleted at start; another relay can't take the bucket over.
	if err := store.Put(t.Context(), "00112233445566778899aabbccddeeff00000000", 1, bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if _, err := relay.Init(other, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Open(other, files.Config{Store: store}); !errors.Is(err, files.ErrOwner) {
		t.Errorf("another relay: %v", err)
	}
	watched := &watchedStore{Store: store, deleted: make(chan string, 1)}
	client, stop := serve(t, dir, watched)
	defer stop()
	defer client.Close()
	select {
	case <-watched.deleted:
	case <-time.After(patience):
		t.Fatal("what a crash has left is not deleted")
	}
	if names := list(t, store); len(names) != len(chunks)+1 {
		t.Errorf("%d objects for %d chunks", len(names), len(chunks))
	}
	c := newChunk(t, client, 64<<10)
	s.stop()
	if err := c.put(t.Context(), client, c.bytes); !errors.Is(err, xftp.ErrFileIO) {
		t.Errorf("without the object store: %v", err)
	}
}

// A watchedStore tells which object was deleted.
type watchedStore struct {
	files.Store
	deleted chan string
}

func (s *watchedStore) Delete(ctx context.Context, name string) error {
	err := s.Store.Delete(ctx, name)
	select {
	case s.deleted <- name:
	default: // only the first one is of interest
	}
	return err
}

// serve runs a relay on a folder and connects with it.
func serve(t *testing.T, dir string, store files.Store) (*xftp.Client, func()) {
	t.Helper()
	f, err := files.Open(dir, files.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Serve(context.Background(), l) }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	client, err := xftp.Connect(t.Context(), xftp.Config{}, f.Address(port, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	return client, sync.OnceFunc(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

// chunk is a chunk whose sender is its recipient.
type chunk struct {
	bytes  []byte
	digest [sha256.Size]byte
	key    crypt.Ed25519Private
	ids    xftp.SIDs
}

func newChunk(t *testing.T, client *xftp.Client, size int) *chunk {
	t.Helper()
	c := &chunk{bytes: make([]byte, size)}
	rand.Read(c.bytes)
	c.digest = sha256.Sum256(c.bytes)
	var err error
	if c.key, err = crypt.NewEd25519(rand.Reader); err != nil {
		t.Fatal(err)
	}
	cmd := xftp.FNew{Sender: c.key.Public(), Size: uint32(size), Digest: c.digest[:], Recipients: []crypt.AuthPublic{c.key.Public()}}
	if c.ids, err = client.New(t.Context(), &c.key, cmd); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chunk) put(ctx context.Context, client *xftp.Client, b []byte) error {
	return client.Put(ctx, c.ids.Sender, &c.key, bytes.NewReader(b), uint32(len(b)), nil)
}

func (c *chunk) get(t *testing.T, client *xftp.Client) {
	t.Helper()
	var b bytes.Buffer
	if err := client.Get(t.Context(), c.ids.Recipients[0], &c.key, &b, uint32(len(c.bytes)), xftp.ChunkDigest(c.digest), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), c.bytes) {
		t.Error("another chunk")
	}
}
