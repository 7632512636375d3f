package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/xftp"
)

// TestQuota checks that uploads beyond the quota are refused, and that each way in which a chunk goes
// makes room again.
func TestQuota(t *testing.T) {
	s := startServer(t, Config{Quota: 400 << 10})
	p := s.dial(t, 3)
	big, first, second := p.register(256<<10, 1), p.register(64<<10, 1), p.register(64<<10, 1)
	third := p.register(64<<10, 1)
	put := func(want xftp.Message, c *testChunk, chunk []byte) {
		t.Helper()
		p.want(want, xftp.FPut{}, c.Sender, c.sender.private, chunk)
	}
	// What fails takes no room.
	for range 10 {
		put(xftp.ErrDigest, big, randomBytes(256<<10))
		put(xftp.ErrSize, big, big.bytes[:100_000])
	}
	s.wantUsed(4, 0)
	put(xftp.OK{}, big, big.bytes)
	put(xftp.OK{}, first, first.bytes)
	put(xftp.OK{}, second, second.bytes)
	put(xftp.ErrQuota, third, third.bytes)
	s.wantUsed(4, 384<<10)
	// Without a body it is SIZE all the same, and what is stored can be uploaded again.
	put(xftp.ErrSize, third, nil)
	put(xftp.OK{}, first, first.bytes)
	s.wantUsed(4, 384<<10)

	p.want(xftp.OK{}, xftp.FDel{}, first.Sender, first.sender.private)
	s.wantUsed(3, 320<<10)
	put(xftp.OK{}, third, third.bytes)
	if err := s.Delete(third.Recipients[0]); err != nil {
		t.Fatal(err)
	}
	s.wantUsed(2, 320<<10)
	p.want(xftp.OK{}, xftp.FAck{}, second.Recipients[0], second.recipients[0].private)
	s.wantUsed(2, 320<<10)
	p.get(big, 0)
}

// TestUploadAgain checks what an upload of a chunk that is stored is answered with (gotchas.md 57).
func TestUploadAgain(t *testing.T) {
	s := startServer(t, Config{Quota: 64 << 10})
	p := s.dial(t, 3)
	c := p.store(64<<10, 1)
	for _, test := range []struct {
		chunk []byte
		want  xftp.Message
	}{
		{c.bytes, xftp.OK{}}, {randomBytes(64 << 10), xftp.OK{}}, {c.bytes[:1], xftp.ErrSize}, {nil, xftp.ErrSize},
		{randomBytes(64<<10 + 1), xftp.ErrSize}, {randomBytes(1 << 20), xftp.ErrSize},
	} {
		p.want(test.want, xftp.FPut{}, c.Sender, c.sender.private, test.chunk)
		p.get(c, 0)
	}
}

// TestWrongUploads checks that nothing of a wrong upload is kept, and that the right one can follow on
// the same connection.
func TestWrongUploads(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	for _, size := range xftp.ChunkSizes {
		c := p.register(int(size), 1)
		wrong := bytes.Clone(c.bytes)
		wrong[len(wrong)-1] ^= 1
		for _, test := range []struct {
			chunk []byte
			want  xftp.Message
		}{
			{nil, xftp.ErrSize}, {c.bytes[:1], xftp.ErrSize}, {c.bytes[:size-1], xftp.ErrSize}, {append(bytes.Clone(c.bytes), 0), xftp.ErrSize},
			{append(bytes.Clone(c.bytes), c.bytes...)[:min(2*size, 4<<20)], xftp.ErrSize}, {wrong, xftp.ErrDigest}, {make([]byte, size), xftp.ErrDigest},
		} {
			if len(test.chunk) == int(size) && test.want == xftp.Message(xftp.ErrSize) {
				continue // the largest can't be doubled
			}
			p.want(test.want, xftp.FPut{}, c.Sender, c.sender.private, test.chunk)
			p.want(xftp.ErrNoFile, xftp.FGet{Key: newX25519().Public()}, c.Recipients[0], c.recipients[0].private)
		}
		if n := len(s.names(t)); n != 0 {
			t.Fatalf("%d chunks are kept", n)
		}
		p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
		p.get(c, 0)
		p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
	}
	// A digest that is none.
	for _, digest := range []string{"", "x", strings.Repeat("x", 255)} {
		c := newChunk(64<<10, 1)
		cmd := c.command()
		cmd.Digest = []byte(digest)
		m, _ := p.do(cmd, "", c.sender.private)
		p.want(xftp.ErrDigest, xftp.FPut{}, m.(xftp.SIDs).Sender, c.sender.private, c.bytes)
	}
	// A peer that hands over an all-zero secret.
	c := p.store(64<<10, 1)
	p.want(xftp.ErrCrypto, xftp.FGet{Key: crypt.X25519Public{}}, c.Recipients[0], c.recipients[0].private)
}

func TestMaxFiles(t *testing.T) {
	s := startServer(t, Config{MaxFiles: 2, MaxRecipients: 3})
	p := s.dial(t, 3)
	c := p.register(64<<10, 2)
	more := func(n int) (cmd xftp.FAdd) {
		for range n {
			cmd.Recipients = append(cmd.Recipients, ed25519Key().public)
		}
		return cmd
	}
	p.want(xftp.ErrQuota, more(2), c.Sender, c.sender.private)
	if m, _ := p.do(more(1), c.Sender, c.sender.private); isKind(m, xftp.KindQuota) {
		t.Error("the last recipient is refused")
	}
	p.want(xftp.OK{}, xftp.FAck{}, c.Recipients[0], c.recipients[0].private)
	if m, _ := p.do(more(1), c.Sender, c.sender.private); isKind(m, xftp.KindQuota) {
		t.Error("a place that was left is not given again")
	}
	crowd := newChunk(64<<10, 4)
	p.want(xftp.ErrQuota, crowd.command(), "", crowd.sender.private)
	p.register(64<<10, 1)
	third := newChunk(64<<10, 1)
	p.want(xftp.ErrQuota, third.command(), "", third.sender.private)
	p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
	p.registerChunk(third)
}

// TestExpiry checks that chunks go when they are old, uploaded or not (xftp.md §3).
func TestExpiry(t *testing.T) {
	now := relaytest.NewClock(time.Date(2026, 1, 1, 10, 59, 0, 0, time.UTC))
	s := startServer(t, Config{Now: now.Now})
	p := s.dial(t, 3)
	var old []*testChunk
	for range 3 {
		old = append(old, p.store(64<<10, 2))
	}
	old = append(old, p.register(64<<10, 1))
	now.Advance(time.Hour)
	young := p.store(64<<10, 1)
	now.Advance(47 * time.Hour) // 48 hours, but for the rounding of what was made at 10:00
	if err := s.expire(); err != nil {
		t.Fatal(err)
	}
	p.get(old[0], 0)
	now.Advance(time.Minute)
	if err := s.expire(); err != nil {
		t.Fatal(err)
	}
	for _, c := range old {
		p.want(xftp.ErrAuth, xftp.FGet{Key: newX25519().Public()}, c.Recipients[0], c.recipients[0].private)
		p.want(xftp.ErrAuth, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
	}
	p.get(young, 0)
	s.wantUsed(1, 64<<10)
	if n := len(s.names(t)); n != 1 {
		t.Errorf("%d chunks are left", n)
	}
	// At start.
	now.Advance(48 * time.Hour)
	s.stop()
	s = startIn(t, s.dir, Config{Now: now.Now})
	s.waitUntil(t, "the expiry at start", func() bool { return s.stats.expired.Load() == 1 })
	s.wantUsed(0, 0)
	keys := 0
	for _, kind := range []byte{kindFile, kindRecipient, kindOfFile, kindHour} {
		if err := s.index.each([]byte{kind}, func([]byte) error { keys++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if keys != 0 {
		t.Errorf("%d keys are left in the index", keys)
	}

	// Many at once.
	s.stop()
	s = startIn(t, s.dir, Config{Now: now.Now})
	p = s.dial(t, 3)
	for range 2*expiredAtOnce + 1 {
		p.register(64<<10, 3)
	}
	now.Advance(50 * time.Hour)
	if err := s.expire(); err != nil {
		t.Fatal(err)
	}
	s.wantUsed(0, 0)
}

// TestConnections checks the limits of connections.
func TestConnections(t *testing.T) {
	s := startServer(t, Config{MaxConnections: 2})
	a, b := s.dial(t, 3), s.dial(t, 3)
	if _, err := connect(s.addr, []string{"xftp/1"}, 0); err == nil {
		t.Error("a third connection is accepted")
	}
	if n := s.stats.refused.Load(); n != 1 {
		t.Errorf("%d connections are refused", n)
	}
	a.close()
	s.waitForConnections(t, 1)
	s.dial(t, 3)
	b.want(xftp.Pong{}, xftp.Ping{}, "", nil)
}

// TestRates checks that a client that does too much is slowed down and gets all answers.
func TestRates(t *testing.T) {
	// A slow computer may need more than the rates let through at once.
	untilSlowed := func(s *testServer, what string, do func()) {
		t.Helper()
		for n := 0; s.stats.slowed.Load() == 0; n++ {
			if n == 1000 {
				t.Fatalf("%s don't wait", what)
			}
			do()
		}
	}
	s := startServer(t, Config{CommandsPerSecond: 2, NewFilesPerMinute: 60})
	p := s.dial(t, 3)
	untilSlowed(s, "commands", func() { p.want(xftp.Pong{}, xftp.Ping{}, "", nil) })
	s = startServer(t, Config{NewFilesPerMinute: 60})
	p = s.dial(t, 3)
	untilSlowed(s, "registrations", func() { p.register(64<<10, 1) })
	// A client that waits can leave.
	s = startServer(t, Config{NewFilesPerMinute: 1})
	p = s.dial(t, 3)
	p.register(64<<10, 1)
	c := newChunk(64<<10, 1)
	go p.tryDo(c.command(), "", c.sender.private)
	s.waitUntil(t, "a client that waits", func() bool { return s.stats.slowed.Load() == 1 })
	p.close()
	s.waitForConnections(t, 0)
}

// TestDeletedMeanwhile checks that a chunk that is deleted, blocked or stored while it is uploaded does
// not come back.
func TestDeletedMeanwhile(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	for what, during := range map[string]func(c *testChunk) xftp.Message{
		"deleted": func(c *testChunk) xftp.Message {
			p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
			return xftp.ErrAuth
		},
		"stored": func(c *testChunk) xftp.Message {
			p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
			return xftp.OK{}
		},
	} {
		c := p.register(256<<10, 1)
		in, out := io.Pipe()
		answered := make(chan xftp.Message, 1)
		q := s.dial(t, 3)
		go func() {
			body, err := q.tryBody(in)
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			m, _, _, _ := q.answer(body)
			answered <- m
		}()
		out.Write(q.block(xftp.FPut{}, c.Sender, c.sender.private))
		out.Write(c.bytes[:100_000])
		s.waitUntil(t, "the upload to begin", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.uploads) == 1
		})
		want := during(c)
		out.Write(c.bytes[100_000:])
		out.Close()
		p.same(want, <-answered)
		if what == "stored" {
			p.get(c, 0)
			p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
		}
		s.wantUsed(0, 0)
		if n := len(s.names(t)); n != 0 {
			t.Errorf("%s: %d chunks are left", what, n)
		}
	}
}

// TestParallel has many clients with the same chunk and with chunks of their own at once.
func TestParallel(t *testing.T) {
	s := startServer(t, Config{})
	shared := s.dial(t, 3).register(256<<10, 8)
	var work sync.WaitGroup
	for i := range 8 {
		p := s.dial(t, 3)
		work.Go(func() {
			p.want(xftp.OK{}, xftp.FPut{}, shared.Sender, shared.sender.private, shared.bytes)
			p.get(shared, i)
			c := p.store(64<<10, 1)
			p.get(c, 0)
			p.want(xftp.OK{}, xftp.FAck{}, shared.Recipients[i], shared.recipients[i].private)
			p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
		})
	}
	work.Wait()
	s.wantUsed(1, 256<<10)
	if n := len(s.names(t)); n != 1 {
		t.Errorf("%d chunks are stored", n)
	}
}

// brokenFS is a disk for the index whose writes fail from some time on.
type brokenFS struct {
	vfs.FS
	broken atomic.Bool
}

type brokenFile struct {
	vfs.File
	fs *brokenFS
}

func (f *brokenFile) Write(p []byte) (int, error) {
	if f.fs.broken.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(p)
}

func (f *brokenFile) Sync() error {
	if f.fs.broken.Load() {
		return syscall.ENOSPC
	}
	return f.File.Sync()
}

func (f *brokenFile) SyncData() error { return f.Sync() }

func (f *brokenFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return &brokenFile{file, f}, err
}

func (f *brokenFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, c)
	return &brokenFile{file, f}, err
}

// TestDiskFails checks that the server ends with an error when it can't write its index, and that what
// it has acknowledged is there when it is opened again.
func TestDiskFails(t *testing.T) {
	dir := newFolder(t)
	fs := &brokenFS{FS: vfs.Default}
	s := must(open(dir, fs, Config{}))
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), l) }()
	ts := &testServer{Server: s, dir: dir, addr: l.Addr().String()}
	p := ts.dial(t, 3)
	c, cut := p.store(64<<10, 1), p.register(64<<10, 1)
	fs.broken.Store(true)
	if m, _, err := p.tryDo(xftp.FPut{}, cut.Sender, cut.sender.private, cut.bytes); err == nil && m == (xftp.OK{}) {
		t.Error("an upload is acknowledged that is not on disk")
	}
	if err := <-served; !errors.Is(err, ErrStore) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Serve returned %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close returned %v", err)
	}
	ts = startIn(t, dir, Config{})
	ts.dial(t, 3).get(c, 0)
}

// failingStore is a Store that fails.
type failingStore struct {
	*Disk
	err atomic.Pointer[error]
}

func (f *failingStore) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if e := f.err.Load(); e != nil {
		return *e // without reading
	}
	return f.Disk.Put(ctx, name, size, r)
}

// TestStoreFails checks the answers when bytes can't be written or read.
func TestStoreFails(t *testing.T) {
	store := &failingStore{Disk: must(OpenDisk(t.TempDir()))}
	s := startServer(t, Config{Store: store})
	c := s.dial(t, 3).register(1<<20, 1)
	for err, want := range map[error]*xftp.Error{syscall.ENOSPC: xftp.ErrQuota, syscall.EIO: xftp.ErrFileIO} {
		store.err.Store(&err)
		s.dial(t, 3).want(want, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
		s.wantUsed(1, 0)
	}
	store.err.Store(nil)
	p := s.dial(t, 3)
	p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
	p.get(c, 0)

	// Bytes that are missing, and such that end too early.
	path := store.path(s.names(t)[0])
	if err := os.Truncate(path, 500_000); err != nil {
		t.Fatal(err)
	}
	get := xftp.FGet{Key: newX25519().Public()}
	if _, body, err := p.tryDo(get, c.Recipients[0], c.recipients[0].private); err == nil {
		t.Errorf("half a chunk is a download of %d bytes", len(body))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	p = s.dial(t, 3)
	p.want(xftp.ErrAuth, get, c.Recipients[0], c.recipients[0].private)
	p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
	s.wantUsed(0, 0)
}

// TestSpare has the disk be nearly full: uploads are refused before there is no room for messages, and what is there can be had.
func TestSpare(t *testing.T) {
	var free atomic.Int64
	store := must(OpenDisk(t.TempDir()))
	store.free = func(string) (int64, bool) { return free.Load(), true }
	s := startServer(t, Config{Store: store})
	c := s.dial(t, 3).register(1<<20, 1)
	free.Store(spare + 1<<20 - 1)
	s.dial(t, 3).want(xftp.ErrQuota, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
	s.wantUsed(1, 0)
	free.Store(spare + 1<<20)
	p := s.dial(t, 3)
	p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
	free.Store(0)
	p.get(c, 0)
	if n := store.writing.Load(); n != 0 {
		t.Errorf("%d bytes are being written", n)
	}
}

// TestOpenDisk checks what package s3 doesn't, which tests what all stores have in common.
func TestOpenDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	d := must(OpenDisk(dir))
	part := filepath.Join(dir, partsDir, "x")
	if err := os.WriteFile(part, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), "abcd", 1, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, d.path("abcd")} {
		if info := must(os.Stat(path)); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
	must(OpenDisk(dir))
	if _, err := os.Stat(part); err == nil {
		t.Error("what was not written completely is kept")
	}
	if _, err := OpenDisk(filepath.Join(d.path("abcd"), "x")); err == nil {
		t.Error("a folder that can't be made is opened")
	}
}
