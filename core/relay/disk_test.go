package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
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

	"github.com/sotto-chat/sotto/core/relay/internal/disk"
	"github.com/sotto-chat/sotto/core/smp"
)

// brokenFS is a disk that becomes full, or breaks in another way.
type brokenFS struct {
	vfs.FS
	left atomic.Int64 // writes until it fails
	what string       // what fails: "write", "sync" or "create"
}

func (f *brokenFS) fails(what string) error {
	if f.what == what && f.left.Add(-1) < 0 {
		return syscall.ENOSPC
	}
	return nil
}

type brokenFile struct {
	vfs.File
	fs *brokenFS
}

func (f *brokenFile) Write(p []byte) (int, error) {
	if err := f.fs.fails("write"); err != nil {
		n, _ := f.File.Write(p[:len(p)/2]) // what a full disk leaves
		return n, err
	}
	return f.File.Write(p)
}

func (f *brokenFile) Sync() error {
	if err := f.fs.fails("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *brokenFile) SyncData() error {
	if err := f.fs.fails("sync"); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *brokenFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.fails("create"); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return &brokenFile{file, f}, err
}

func (f *brokenFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.fails("create"); err != nil {
		return nil, err
	}
	file, err := f.FS.ReuseForWrite(from, to, c)
	return &brokenFile{file, f}, err
}

// TestDiskFails has a disk that fails at different moments while messages are sent: the
// relay closes itself with an error, and everything that it has answered with OK is there
// when it is opened again.
func TestDiskFails(t *testing.T) {
	for what, moments := range map[string][]int64{"write": {0, 1, 7, 200}, "sync": {0, 1, 60}, "create": {0}} {
		for _, after := range moments {
			t.Run(fmt.Sprintf("%s/%d", what, after), func(t *testing.T) {
				dir := t.TempDir()
				must(Init(dir, Settings{}))
				fs := &brokenFS{FS: vfs.Default, what: what}
				fs.left.Store(1 << 40)
				r, err := open(dir, fs, Config{Quota: 1 << 20, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
				if err != nil {
					t.Fatal(err)
				}
				l := must(net.Listen("tcp", "127.0.0.1:0"))
				served := make(chan error, 1)
				go func() { served <- r.Serve(t.Context(), l) }()
				s := &server{Relay: r, dir: dir, addr: l.Addr().String()}
				rcv, snd := s.dial(t, 18), s.dial(t, 18)
				q := rcv.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
				fs.left.Store(after)
				var answered []string
				for i := range 5000 {
					body := fmt.Sprint(i) + strings.Repeat(" ", 15000)
					if snd.trySend(snd.transmission(text(body), q.SndID, nil)) != nil {
						break
					}
					a, err := snd.tryNext()
					if err != nil {
						break
					}
					if string(a.Body) == "OK" {
						answered = append(answered, body)
					}
				}
				if err := <-served; !errors.Is(err, ErrStore) || !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("Serve returned %v", err)
				}
				if err := r.Close(); err != nil {
					t.Errorf("Close returned %v", err)
				}

				s = startIn(t, dir, Config{})
				rcv = s.dial(t, 18)
				rcv.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
				var m smp.Message
				if len(answered) > 0 {
					m = rcv.event(q.RcvID)
				}
				for _, body := range answered {
					id := q.wantText(t, m, body)
					m = rcv.do(smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
				}
			})
		}
	}
}

// problems collects what the relay logs.
type problems struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *problems) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *problems) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// TestStoreFails has the store's own code fail, which ends the relay and nothing else: clients
// see a closed connection, the operator an error, and the data is there at the next start.
func TestStoreFails(t *testing.T) {
	dir := t.TempDir()
	must(Init(dir, Settings{}))
	var log problems
	r := must(Open(dir, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}))
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error, 1)
	go func() { served <- r.Serve(t.Context(), l) }()
	s := &server{Relay: r, dir: dir, addr: l.Addr().String()}
	rcv, snd := s.dial(t, 18), s.dial(t, 18)
	q := rcv.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
	snd.want(smp.OK{}, text("hello"), q.SndID, nil)

	// A store that is closed panics when it is used.
	if err := r.store.db.Close(); err != nil {
		t.Fatal(err)
	}
	snd.send(snd.transmission(text("lost"), q.SndID, nil))
	if err := <-served; !errors.Is(err, ErrStore) || !errors.Is(err, disk.ErrInternal) {
		t.Errorf("Serve returned %v", err)
	}
	rcv.closed()
	snd.closed()
	if _, err := r.Queue(q.SndID); err != ErrClosed {
		t.Errorf("the operator is told %v", err)
	}
	if err := r.WriteMetrics(io.Discard); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), disk.ErrInternal.Error()) {
		t.Errorf("the log says %q", log.String())
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Errorf("Close returned %v", err)
		}
	}

	s = startIn(t, dir, Config{})
	rcv = s.dial(t, 18)
	rcv.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
	id := q.wantText(t, rcv.event(q.RcvID), "hello")
	rcv.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
}

// TestFault has a fault in the relay's own code: it ends one connection and is logged.
func TestFault(t *testing.T) {
	var log problems
	var broken atomic.Bool
	now := func() time.Time {
		if broken.CompareAndSwap(true, false) {
			panic("the clock is broken")
		}
		return time.Now()
	}
	s := startRelay(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: now})
	p, other := s.dial(t, 18), s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	broken.Store(true)
	p.send(p.transmission(smp.Sub{}, q.RcvID, q.rcv.private))
	p.closed()
	other.want(smp.OK{}, text("hello"), q.SndID, nil) // the lock of the queue is free
	if !strings.Contains(log.String(), "the clock is broken") || s.stats.faults.Load() != 1 {
		t.Errorf("the log says %q", log.String())
	}
}

// TestDiskFailsAtOpen checks that a relay doesn't start on a full disk.
func TestDiskFailsAtOpen(t *testing.T) {
	for _, what := range []string{"write", "sync", "create"} {
		dir := t.TempDir()
		must(Init(dir, Settings{}))
		if _, err := open(dir, &brokenFS{FS: vfs.Default, what: what}, Config{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: error %v", what, err)
		}
		startIn(t, dir, Config{}).stop()
	}
}

// TestDamagedStore checks that a damaged file of the store is an error and no panic.
func TestDamagedStore(t *testing.T) {
	s := startRelay(t, Config{})
	p := s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	if err := s.store.db.Flush(); err != nil {
		t.Fatal(err)
	}
	s.stop()
	tables := must(filepath.Glob(filepath.Join(s.dir, storeDir, "*.sst")))
	if len(tables) == 0 {
		t.Fatal("the store has no table")
	}
	for _, name := range tables {
		b := must(os.ReadFile(name))
		for i := range min(len(b), 512) {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := Open(s.dir, Config{}); err == nil {
		if _, err := r.Queue(q.SndID); err == nil || errors.Is(err, ErrNoQueue) {
			t.Errorf("a damaged queue: %v", err)
		}
		r.Close()
	} else if !errors.Is(err, disk.ErrDamaged) {
		t.Errorf("a damaged table: %v", err)
	}

	// What makes the store unreadable as a whole says so, and that it is in use something else.
	for _, pattern := range []string{"*.sst", "MANIFEST-*"} {
		for _, name := range must(filepath.Glob(filepath.Join(s.dir, storeDir, pattern))) {
			if err := os.WriteFile(name, []byte("no store"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(s.dir, Config{}); !errors.Is(err, disk.ErrDamaged) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	other := startRelay(t, Config{})
	if _, err := Open(other.dir, Config{}); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("a relay that runs: %v", err)
	}
}
