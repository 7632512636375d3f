package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

// Disk is a Store in a folder: a file for each chunk, in a folder for all whose names begin with
// the same two letters.
type Disk struct {
	dir     string
	free    func(dir string) (bytes int64, ok bool)
	mu      sync.Mutex   // held while a folder is made
	writing atomic.Int64 // bytes that chunks which are being written will have
}

// spare is how many bytes of its disk a Disk leaves free: the messages of the same relay, and what is known of the chunks,
// stand there too, and a relay that can't write these has to end.
const spare = 64 << 20

// errFull tells that no more chunks can be written.
var errFull = fmt.Errorf("only %d MB of the disk are left: %w", spare>>20, syscall.ENOSPC)

// partsDir has the files that are being written. They are moved away from there when they are
// complete and on disk.
const partsDir = "parts"

// pieceSize is what is read and written at once.
const pieceSize = 64 << 10

// pieces are buffers of pieceSize.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// OpenDisk opens the store in dir, which it makes, and deletes what was not written completely.
// No two processes may have it open.
func OpenDisk(dir string) (*Disk, error) {
	parts := filepath.Join(dir, partsDir)
	err := os.RemoveAll(parts)
	if err == nil {
		err = os.MkdirAll(parts, 0o700)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder for chunks: %w", err)
	}
	return &Disk{dir: dir, free: freeSpace}, nil
}

func (d *Disk) path(name string) string { return filepath.Join(d.dir, name[:2], name) }

// Put is part of Store.
func (d *Disk) Put(_ context.Context, name string, size int64, r io.Reader) error {
	left := d.writing.Add(size)
	defer d.writing.Add(-size)
	if free, ok := d.free(d.dir); ok && free < left+spare && name != ownerName {
		return fmt.Errorf("writing a chunk: %w", errFull)
	}
	part := filepath.Join(d.dir, partsDir, name)
	if err := writePart(part, size, r); err != nil {
		os.Remove(part)
		return fmt.Errorf("writing a chunk: %w", err)
	}
	path := d.path(name)
	err := d.makeDir(filepath.Dir(path))
	if err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(part)
		os.Remove(path)
		return fmt.Errorf("writing a chunk: %w", err)
	}
	return nil
}

func writePart(path string, size int64, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	piece := pieces.Get().(*[pieceSize]byte)
	// Only Write and Read: io.Copy would look for ways around the buffer.
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, piece[:])
	pieces.Put(piece)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// makeDir makes a folder in dir unless it is there.
func (d *Disk) makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(d.dir)
}

// Get is part of Store.
func (d *Disk) Get(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(d.path(name))
}

// Delete is part of Store.
func (d *Disk) Delete(_ context.Context, name string) error {
	err := os.Remove(d.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting a chunk: %w", err)
	}
	return nil
}

// List is part of Store.
func (d *Disk) List(ctx context.Context, f func(name string) error) error {
	dirs, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("listing chunks: %w", err)
	}
	for _, sub := range dirs {
		if !sub.IsDir() || len(sub.Name()) != 2 {
			continue
		}
		if err := listDir(ctx, filepath.Join(d.dir, sub.Name()), f); err != nil {
			return err
		}
	}
	return nil
}

// listDir calls f with the names in a folder, some at a time: there may be many.
func listDir(ctx context.Context, path string, f func(name string) error) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("listing chunks: %w", err)
	}
	defer dir.Close()
	for ctx.Err() == nil {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if err := f(name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listing chunks: %w", err)
		}
	}
	return ctx.Err()
}
