// Package disk opens the Pebble stores of a relay so that a disk that is full or broken, or a store
// whose own code has failed, ends the relay with an error and not the process around it. (A panic
// in one of the goroutines of Pebble itself still does: no program can prevent that.)
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Errors of Open.
var (
	// ErrInternal tells that the code of the store has failed, which is nobody's fault but its own.
	ErrInternal = errors.New("an internal failure of the store")
	// ErrInUse tells that the store is open already.
	ErrInUse = errors.New("the relay of this folder is already running")
	// ErrDamaged tells that what is in the folder is no store any more.
	ErrDamaged = errors.New("the store is damaged: restore the relay's folder from a backup")
)

// A Disk is the file system of the store until a write to it fails, because it is full or
// broken. From then on nothing is written any more and every write seems to succeed: the
// files stay as a crash at that moment would have left them, which is a state that the
// store can be opened from again. Without that the store would end the whole process, the
// program around an embedded relay included. Nothing is acknowledged that was lost:
// whoever has waited for a sync must look at Failure.
type Disk struct {
	vfs.FS
	once     sync.Once
	problem  atomic.Pointer[error]
	onFailed func(error) // called once, must not wait
	log      *slog.Logger
	syncer   *syncer // nil with another file system than the system's

	mu   sync.Mutex
	lock io.Closer // of the folder
}

// Failure returns why nothing is written any more, or nil.
func (d *Disk) Failure() error {
	if p := d.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// fail stops all writes.
func (d *Disk) fail(err error) {
	d.once.Do(func() {
		d.problem.Store(&err)
		d.onFailed(err)
	})
}

// Guard, when it is deferred around calls of the store, turns a panic in it into its failure and err.
func (d *Disk) Guard(err *error) {
	if p := recover(); p != nil {
		d.log.Error("store", "problem", p, "stack", string(debug.Stack()))
		*err = fmt.Errorf("%w: %v", ErrInternal, p)
		d.fail(*err)
	}
}

// background takes an error of what the store does on its own. It is a failure unless only something
// that is on the disk could not be read, which concerns the commands that need it.
func (d *Disk) background(err error) {
	var no syscall.Errno
	if pebble.IsCorruptionError(err) || errors.As(err, &no) {
		d.log.Error("store", "problem", err)
		return
	}
	d.fail(fmt.Errorf("%w: %w", ErrInternal, err))
}

// closePatience is how long a store that has failed may take to close itself.
const closePatience = 10 * time.Second

// Close closes a store. One that has failed may have goroutines that wait for each other for ever:
// they are left behind, and only its folder is given free. They can't write to it any more.
func (d *Disk) Close(db *pebble.DB) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer d.Guard(&err)
		err = db.Close()
	}()
	if d.Failure() == nil {
		err := <-done
		d.syncer.close()
		return err
	}
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case err := <-done:
		d.syncer.close()
		d.unlock()
		return err
	case <-timer.C:
		d.unlock()
		return d.Failure()
	}
}

// Lock locks the folder of the store.
func (d *Disk) Lock(name string) (io.Closer, error) {
	l, err := d.FS.Lock(name)
	var path *fs.PathError
	if err != nil && !errors.As(err, &path) { // the file is there and can't be locked
		return nil, fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = l
	return folderLock{d}, nil
}

type folderLock struct{ disk *Disk }

func (l folderLock) Close() error { return l.disk.unlock() }

func (d *Disk) unlock() error {
	d.mu.Lock()
	l := d.lock
	d.lock = nil
	d.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.Close()
}

// write does something that changes files, unless that has ended.
func (d *Disk) write(f func() error) error {
	if d.Failure() == nil {
		if err := f(); err != nil {
			d.fail(err)
		}
	}
	return nil
}

// file opens a file for writing.
func (d *Disk) file(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	d.write(func() (err error) {
		f, err = open()
		return err
	})
	if f == nil {
		f = noFile{}
	}
	return &diskFile{f, d}, nil
}

func (d *Disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(func() (vfs.File, error) { return d.FS.Create(name, c) })
}

func (d *Disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.file(func() (vfs.File, error) { return d.FS.OpenReadWrite(name, c, o...) })
}

func (d *Disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(func() (vfs.File, error) { return d.FS.ReuseForWrite(from, to, c) })
}

func (d *Disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d}, nil
}

func (d *Disk) Rename(from, to string) error {
	return d.write(func() error { return d.FS.Rename(from, to) })
}

func (d *Disk) Link(from, to string) error {
	return d.write(func() error { return d.FS.Link(from, to) })
}

// Remove may fail: the store tries again later.
func (d *Disk) Remove(name string) error {
	if d.Failure() != nil {
		return nil
	}
	return d.FS.Remove(name)
}

func (d *Disk) RemoveAll(name string) error {
	if d.Failure() != nil {
		return nil
	}
	return d.FS.RemoveAll(name)
}

func (d *Disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file that is written to.
type diskFile struct {
	vfs.File
	disk *Disk
}

func (f *diskFile) Write(p []byte) (int, error) {
	n := len(p)
	return n, f.disk.write(func() error {
		_, err := f.File.Write(p)
		return err
	})
}

func (f *diskFile) WriteAt(p []byte, at int64) (int, error) {
	n := len(p)
	return n, f.disk.write(func() error {
		_, err := f.File.WriteAt(p, at)
		return err
	})
}

func (f *diskFile) Preallocate(at, n int64) error {
	return f.disk.write(func() error { return f.File.Preallocate(at, n) })
}

func (f *diskFile) Sync() error { return f.disk.write(f.File.Sync) }

func (f *diskFile) SyncData() error {
	return f.disk.write(func() error { return f.disk.syncer.sync(f.File) })
}

func (f *diskFile) SyncTo(n int64) (full bool, err error) {
	return full, f.disk.write(func() (err error) {
		full, err = f.File.SyncTo(n)
		return err
	})
}

// noFile is a file that could not be made: it takes everything and keeps nothing.
type noFile struct{}

func (noFile) Close() error                           { return nil }
func (noFile) Read([]byte) (int, error)               { return 0, io.EOF }
func (noFile) ReadAt([]byte, int64) (int, error)      { return 0, io.EOF }
func (noFile) Write(p []byte) (int, error)            { return len(p), nil }
func (noFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (noFile) Preallocate(int64, int64) error         { return nil }
func (noFile) Stat() (vfs.FileInfo, error)            { return nil, io.EOF }
func (noFile) Sync() error                            { return nil }
func (noFile) SyncTo(int64) (bool, error)             { return false, nil }
func (noFile) SyncData() error                        { return nil }
func (noFile) Prefetch(int64, int64) error            { return nil }
func (noFile) Fd() uintptr                            { return vfs.InvalidFd }
