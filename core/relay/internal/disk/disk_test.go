package disk

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opened opens a store and returns what it has told Failed.
func opened(t *testing.T, path string, fs vfs.FS) (db *pebble.DB, d *Disk, failed *[]error) {
	t.Helper()
	failed = new([]error)
	db, d, err := Open(path, Options{
		BlockCache: 1 << 20,
		MemTable:   1 << 20,
		OpenTables: 10,
		FS:         fs,
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil)),
		Failed:     func(err error) { *failed = append(*failed, err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, d, failed
}

func set(t *testing.T, db *pebble.DB, k string) {
	t.Helper()
	if err := db.Set([]byte(k), []byte(k), pebble.Sync); err != nil {
		t.Fatal(err)
	}
}

// TestFatal has a commit that the store takes for fatal: it fails, and the process goes on.
func TestFatal(t *testing.T) {
	db, d, failed := opened(t, t.TempDir(), vfs.Default)
	set(t, db, "before")
	b := db.NewBatch()
	b.Set([]byte("x"), nil, nil)
	repr := append([]byte(nil), b.Repr()...)
	b.Close()
	repr[8]++ // counts one change more than there is
	b = db.NewBatch()
	if err := b.SetRepr(repr); err != nil {
		t.Fatal(err)
	}
	b.Commit(pebble.Sync)
	if err := d.Failure(); !errors.Is(err, ErrInternal) || !pebble.IsCorruptionError(err) {
		t.Errorf("the failure is %v", err)
	}
	if len(*failed) != 1 || (*failed)[0] != d.Failure() {
		t.Errorf("it was told %v", *failed)
	}
	if err := d.Close(db); err != nil {
		t.Error(err)
	}
}

// TestFreezes tells that a store that has failed leaves its folder as it is, and free.
func TestFreezes(t *testing.T) {
	dir := t.TempDir()
	db, d, failed := opened(t, dir, vfs.Default)
	set(t, db, "before")
	func() (err error) {
		defer d.Guard(&err)
		panic("a fault")
	}()
	set(t, db, "after") // seems to succeed
	if err := d.Failure(); !errors.Is(err, ErrInternal) || len(*failed) != 1 {
		t.Errorf("the failure is %v, told %v", err, *failed)
	}
	if err := d.Close(db); err != nil {
		t.Error(err)
	}
	var err error
	func() {
		defer d.Guard(&err)
		db.Get([]byte("before")) // panics, for it is closed
	}()
	if !errors.Is(err, ErrInternal) || len(*failed) != 1 {
		t.Errorf("a panic returned %v, told %v", err, *failed)
	}

	db, d, failed = opened(t, dir, vfs.Default)
	if _, c, err := db.Get([]byte("before")); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	if _, _, err := db.Get([]byte("after")); err != pebble.ErrNotFound {
		t.Errorf("what was written after the failure: %v", err)
	}
	if err := d.Close(db); err != nil || len(*failed) != 0 {
		t.Errorf("Close returned %v, told %v", err, *failed)
	}
}

// TestLock tells that one store is open in a folder at a time.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	db, d, _ := opened(t, dir, vfs.Default)
	if _, _, err := Open(dir, Options{FS: vfs.Default, MemTable: 1 << 20, Log: slog.New(slog.DiscardHandler), Failed: func(error) {}}); err == nil {
		t.Error("a folder is open twice")
	}
	if err := d.Close(db); err != nil {
		t.Error(err)
	}
}

// TestReading has tables that can't be read: that is the problem of who reads them, and the store goes on.
func TestReading(t *testing.T) {
	var broken atomic.Bool
	faults := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return syscall.EIO
		}
		return nil
	})
	db, d, failed := opened(t, t.TempDir(), errorfs.Wrap(vfs.Default, faults))
	for i := range 4 {
		set(t, db, fmt.Sprint("key", i))
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	broken.Store(true)
	if err := db.Compact(t.Context(), []byte("a"), []byte("z"), false); err == nil {
		t.Error("tables that can't be read are compacted")
	}
	set(t, db, "more")
	broken.Store(false)
	if err := d.Failure(); err != nil || len(*failed) != 0 {
		t.Errorf("the failure is %v", err)
	}
	if err := d.Close(db); err != nil {
		t.Error(err)
	}
}

func TestBackgroundErrors(t *testing.T) {
	for _, c := range []struct {
		err   error
		fails bool
	}{
		{fmt.Errorf("reading: %w", syscall.EIO), false},
		{fmt.Errorf("reading: %w", pebble.ErrCorruption), false},
		{errors.New("a rule is broken"), true},
	} {
		d := &Disk{log: slog.New(slog.DiscardHandler), onFailed: func(error) {}}
		d.background(c.err)
		if got := d.Failure() != nil; got != c.fails {
			t.Errorf("%v: %v", c.err, d.Failure())
		}
	}
}
