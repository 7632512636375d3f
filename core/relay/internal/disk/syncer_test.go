package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// countedFile counts what is left to the file itself.
type countedFile struct {
	vfs.File
	syncs int
	err   error
}

func (f *countedFile) SyncData() error {
	f.syncs++
	return f.err
}

// pipe has a descriptor that nothing can be synced of.
type pipe struct {
	noFile
	fd uintptr
}

func (p pipe) Fd() uintptr { return p.fd }

func create(t *testing.T, name string) vfs.File {
	t.Helper()
	f, err := vfs.Default.Create(filepath.Join(t.TempDir(), name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSyncer(t *testing.T) {
	s := newSyncer()
	defer s.close()
	f := &countedFile{File: create(t, "file")}
	for range 100 {
		if err := s.sync(f); err != nil {
			t.Fatal(err)
		}
	}
	if s != nil && f.syncs != 0 {
		t.Errorf("%d of 100 syncs were left to the file", f.syncs)
	}
}

// TestSyncers has several at a time, of which all but one are left to their files.
func TestSyncers(t *testing.T) {
	s := newSyncer()
	defer s.close()
	var wg sync.WaitGroup
	for i := range 8 {
		f := create(t, strconv.Itoa(i))
		wg.Go(func() {
			for range 20 {
				if err := s.sync(f); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestSyncerRefused has files that can't be synced so: what they say themselves counts.
func TestSyncerRefused(t *testing.T) {
	s := newSyncer()
	defer s.close()
	broken := errors.New("broken")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, file := range map[string]vfs.File{"no file": noFile{}, "a pipe": pipe{fd: w.Fd()}} {
		f := &countedFile{File: file, err: broken}
		if err := s.sync(f); err != broken || f.syncs != 1 {
			t.Errorf("%s: %v after %d syncs of its own", name, err, f.syncs)
		}
	}
	f := &countedFile{File: create(t, "file"), err: broken}
	if err := (*syncer)(nil).sync(f); err != broken || f.syncs != 1 {
		t.Errorf("without a syncer: %v after %d syncs of its own", err, f.syncs)
	}
}
