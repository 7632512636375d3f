package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// startFiles removes what a crash has left, and goes on with the files that were on their way.
func (c *Chat) startFiles(ctx context.Context) error {
	if err := os.MkdirAll(c.workDir(), 0o700); err != nil {
		return fmt.Errorf("chat: the folder for files: %w", err)
	}
	var err error
	if c.blobs, err = blob.Open(c.keptDir()); err != nil {
		return err
	}
	var names []string
	var items []*store.Item
	err = c.db.View(ctx, func(tx *store.Tx) (err error) {
		if names, err = tx.FileNames(); err != nil {
			return err
		}
		items, err = tx.ItemsWithFileIn([3]string{string(FileWaiting), string(FileUploading), string(FileDownloading)})
		return err
	})
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, n := range names {
		needed[n] = true
	}
	if err := c.blobs.Keep(func(name string) bool { return needed[name] }); err != nil {
		return err
	}
	list, err := os.ReadDir(c.workDir())
	if err != nil {
		return fmt.Errorf("chat: the folder for files: %w", err)
	}
	for _, e := range list {
		if !needed[e.Name()] {
			if err := os.Remove(filepath.Join(c.workDir(), e.Name())); err != nil {
				return fmt.Errorf("chat: the folder for files: %w", err)
			}
		}
	}
	for _, i := range items {
		c.startTransfer(i.ID)
	}
	return nil
}

// newWork makes a file that is to be encrypted for its recipient.
func (c *Chat) newWork() (name string, file *os.File, err error) {
	random := make([]byte, 16)
	if _, err := io.ReadFull(c.rand, random); err != nil {
		return "", nil, fmt.Errorf("reading randomness for the name of a file: %w", err)
	}
	name = fmt.Sprintf("%x", random)
	file, err = os.OpenFile(filepath.Join(c.workDir(), name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return name, file, diskError(err)
}

func (c *Chat) removeWork(name string) error {
	if err := os.Remove(filepath.Join(c.workDir(), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// workName is the form of the names of files on their way.
var workName = regexp.MustCompile(`^[0-9a-f]{32}$`)

// sweep removes the files that nothing needs any more from the disk.
func (c *Chat) sweep() {
	var names []string
	err := c.db.View(c.ctx, func(tx *store.Tx) (err error) {
		names, err = tx.FileLitter()
		return err
	})
	if err != nil {
		return // after the next start
	}
	for _, name := range names {
		err := c.blobs.Remove(blob.Ref{Name: name})
		if workName.MatchString(name) {
			err = errors.Join(err, c.removeWork(name))
		}
		if err == nil {
			_ = c.db.Update(c.ctx, func(tx *store.Tx) error { return tx.ForgetLitter(name) })
		}
	}
}

// workDir is the folder of files that are on their way, which are encrypted for who gets them.
func (c *Chat) workDir() string { return filepath.Join(c.cfg.Files.Dir, "transfers") }

// keep stores a copy of a file.
func (c *Chat) keep(ctx context.Context, content io.Reader, size int64) (blob.Ref, error) {
	w, err := c.blobs.Create(c.rand)
	if err != nil {
		return blob.Ref{}, diskError(err)
	}
	n, err := io.Copy(w, &contextReader{ctx, io.LimitReader(content, size+1)})
	if err == nil && n != size {
		err = xftp.ErrChanged
	}
	if err != nil {
		w.Discard()
		return blob.Ref{}, diskError(err)
	}
	ref, err := w.Commit()
	return ref, diskError(err)
}

// diskError makes the errors of a full disk one.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, xftp.ErrDiskFull) {
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// contextReaderAt ends with its context.
type contextReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (r contextReaderAt) ReadAt(b []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(b, off)
}
