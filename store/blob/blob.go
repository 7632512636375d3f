// Package blob keeps large things of a profile on disk, encrypted: pictures, voice messages, files.
//
//	d, err := blob.Open(dir)
//	w, err := d.Create(rand.Reader)
//	_, err = io.Copy(w, source)
//	ref, err := w.Commit()          // keep ref in the profile's database
//	r, err := d.Reader(ref)         // an io.ReadSeekCloser, also an io.ReaderAt
//
// Each file has a random name and a key of its own, which only its Ref holds: without the database
// nothing on disk tells what a file is, and who deletes a Ref has deleted the content. Sizes are
// rounded up by up to an eighth before the content is encrypted, since the format tells where it ends, and
// times are those of no day, so that they tell little either.
//
// The content is in the DARE format of github.com/minio/sio, which authenticates every 64 KiB before
// they are read, and the end. What is not committed is removed by the next Open.
package blob

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/minio/sio"
)

// ErrDamaged tells that a file is not as it was written, or not there any more.
var ErrDamaged = errors.New("the file on this computer is damaged or was deleted")

// nameSize is the number of random bytes in a name, keySize that in a key.
const (
	nameSize = 16
	keySize  = 32
)

const unfinished = ".new" // ends the name of what is not committed

// Ref is what has to be known to read a file. It is to be kept where nobody else reads it.
type Ref struct {
	Name string // of the file in its folder: 32 hexadecimal digits
	Key  []byte // 32 bytes
	Size int64  // bytes of the content
}

// Dir is the folder with the files of a profile. Its methods are safe for concurrent use.
type Dir struct{ path string }

var name = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Open opens a folder, which is made if it is missing, and removes what was not committed.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("opening the folder of files: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(path, "*"+unfinished))
	if err != nil {
		return nil, fmt.Errorf("opening the folder of files: %w", err)
	}
	for _, file := range left {
		if err := os.Remove(file); err != nil {
			return nil, fmt.Errorf("opening the folder of files: %w", err)
		}
	}
	return &Dir{path}, nil
}

// Writer takes the content of a new file. Commit or Discard ends it.
type Writer struct {
	dir  string
	file *os.File
	enc  io.WriteCloser
	ref  Ref
	err  error
}

// Create makes a file, with its name and key from random.
func (d *Dir) Create(random io.Reader) (*Writer, error) {
	b := make([]byte, nameSize+keySize)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("making a file: %w", err)
	}
	w := &Writer{dir: d.path, ref: Ref{Name: hex.EncodeToString(b[:nameSize]), Key: b[nameSize:]}}
	var err error
	if w.file, err = os.OpenFile(filepath.Join(d.path, w.ref.Name+unfinished), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("making a file: %w", err)
	}
	if w.enc, err = sio.EncryptWriter(struct{ io.Writer }{w.file}, config(w.ref.Key)); err != nil {
		w.Discard()
		return nil, fmt.Errorf("making a file: %w", err)
	}
	return w, nil
}

func config(key []byte) sio.Config {
	return sio.Config{Key: key, MinVersion: sio.Version20, CipherSuites: []byte{sio.CHACHA20_POLY1305}}
}

// Write adds to the content.
func (w *Writer) Write(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.enc.Write(b)
	w.ref.Size += int64(n)
	if err != nil {
		w.err = fmt.Errorf("writing a file: %w", err)
	}
	return n, w.err
}

// Commit puts the file on disk for good, and returns what is needed to read it. After an error
// nothing of it is left.
func (w *Writer) Commit() (Ref, error) {
	if w.err == nil {
		w.err = w.finish()
	}
	if w.err != nil {
		w.Discard()
		return Ref{}, w.err
	}
	return w.ref, nil
}

func (w *Writer) finish() error {
	_, err := io.CopyN(w.enc, zeros{}, padded(w.ref.Size)-w.ref.Size)
	if err == nil {
		err = w.enc.Close()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err := errors.Join(err, w.file.Close()); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	path := filepath.Join(w.dir, w.ref.Name)
	// A file system that can't set times keeps them; nothing else depends on them.
	_ = os.Chtimes(path+unfinished, noDay, noDay)
	if err := os.Rename(path+unfinished, path); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	if err := syncDir(w.dir); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// noDay is the time that all files have.
var noDay = time.Unix(0, 0)

// padded rounds a size up so that only its first four bits count: what is added is less than an eighth of it.
func padded(size int64) int64 {
	const smallest = 4096
	if size <= smallest {
		return smallest
	}
	unit := int64(1) << max(bits.Len64(uint64(size))-4, 0)
	if size > math.MaxInt64-unit {
		return math.MaxInt64 // no file has that
	}
	return (size + unit - 1) / unit * unit
}

// Discard removes what was written, unless it was committed.
func (w *Writer) Discard() {
	w.file.Close()
	_ = os.Remove(filepath.Join(w.dir, w.ref.Name+unfinished)) // the next Open tries again
	clear(w.ref.Key)
	if w.err == nil {
		w.err = os.ErrClosed
	}
}

// Reader reads the content of a file. What it returns is authentic, and it returns ErrDamaged where
// the file is not.
type Reader struct {
	*io.SectionReader
	file *os.File
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Reader opens a file. The error wraps ErrDamaged if it is not there.
func (d *Dir) Reader(ref Ref) (*Reader, error) {
	if !name.MatchString(ref.Name) || len(ref.Key) != keySize || ref.Size < 0 {
		return nil, ErrDamaged
	}
	encrypted, err := sio.EncryptedSize(uint64(padded(ref.Size)))
	if err != nil {
		return nil, ErrDamaged
	}
	f, err := os.Open(filepath.Join(d.path, ref.Name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, os.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("opening a file: %w", err)
	}
	at, err := sio.DecryptReaderAt(io.NewSectionReader(f, 0, int64(encrypted)), config(ref.Key))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening a file: %w", err)
	}
	return &Reader{io.NewSectionReader(authentic{at, ref.Size}, 0, ref.Size), f}, nil
}

// authentic makes errors of the format ErrDamaged.
type authentic struct {
	io.ReaderAt
	size int64
}

func (a authentic) ReadAt(b []byte, off int64) (int, error) {
	if rest := a.size - off; int64(len(b)) > rest {
		b = b[:max(rest, 0)]
	}
	if len(b) == 0 {
		return 0, io.EOF
	}
	n, err := a.ReaderAt.ReadAt(b, off)
	switch {
	case n == len(b):
		return n, nil
	case errors.As(err, new(sio.Error)), err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, ErrDamaged
	}
	return n, err
}

// Remove deletes a file. One that is not there is no error.
func (d *Dir) Remove(ref Ref) error {
	if !name.MatchString(ref.Name) {
		return nil
	}
	if err := os.Remove(filepath.Join(d.path, ref.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("deleting a file: %w", err)
	}
	return nil
}

// Keep removes all files whose name keep does not know: what a crash has left between a file and
// the database.
func (d *Dir) Keep(keep func(name string) bool) error {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("looking for files: %w", err)
	}
	var errs []error
	for _, e := range list {
		if name.MatchString(e.Name()) && !keep(e.Name()) {
			errs = append(errs, os.Remove(filepath.Join(d.path, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Export writes the content to a path as a file that the person can use. Nothing may be there yet but the same content, so
// that Export can be repeated after a crash; then nothing is written.
func (d *Dir) Export(ctx context.Context, ref Ref, path string) (err error) {
	r, err := d.Reader(ref)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := os.Lstat(path); err == nil {
		if same, err := sameContent(ctx, r, path); err != nil || same {
			return err
		}
		return fmt.Errorf("saving a file: %w", &os.PathError{Op: "create", Path: path, Err: os.ErrExist})
	}
	// What is there is complete: until then it has a name of its own, the same each time.
	part := filepath.Join(filepath.Dir(path), ".sotto-"+ref.Name)
	// What a crash has left goes. Nothing that somebody else has put there, in a folder for all, is written to.
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("saving a file: %w", err)
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("saving a file: %w", err)
	}
	_, err = io.Copy(f, contextReader{ctx, r})
	if err = errors.Join(err, f.Close()); err == nil {
		err = putThere(part, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("saving a file: %w", err), os.Remove(part))
	}
	return nil
}

// putThere renames a file to a name that is not there yet.
func putThere(part, path string) error {
	err := os.Link(part, path)
	if err == nil {
		return os.Remove(part)
	}
	if errors.Is(err, os.ErrExist) {
		return err
	}
	// The file system has no links.
	if _, err := os.Lstat(path); err == nil {
		return &os.PathError{Op: "create", Path: path, Err: os.ErrExist}
	}
	return os.Rename(part, path)
}

// sameContent tells whether a file has the content of a Reader.
func sameContent(ctx context.Context, r *Reader, path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != r.Size() {
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, nil
	}
	defer f.Close()
	a, b := make([]byte, 1<<16), make([]byte, 1<<16)
	for left := r.Size(); left > 0; {
		n := min(left, int64(len(a)))
		if _, err := io.ReadFull(contextReader{ctx, r}, a[:n]); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(f, b[:n]); err != nil || !bytes.Equal(a[:n], b[:n]) {
			return false, nil
		}
		left -= n
	}
	return true, nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
