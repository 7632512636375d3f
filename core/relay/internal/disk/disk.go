// Package disk opens the Pebble stores of a relay so that a disk that is full or broken ends
// the relay with an error, and never the process around it.
package disk

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
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

func (f *diskFile) Sync() error     { return f.disk.write(f.File.Sync) }
func (f *diskFile) SyncData() error { return f.disk.write(f.File.SyncData) }

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
