package chat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// rememberUpload is how long a file of ours that is done can be deleted from relays. They keep it for two days, but the upload may
// have begun some time after the message was written.
const rememberUpload = 7 * 24 * time.Hour

// restoreUpload returns the upload of a file as it is stored, nil if there is none.
func restoreUpload(tx *store.Tx, f *store.File) (*xftp.Upload, error) {
	if f.Upload == nil {
		return nil, nil
	}
	up := new(xftp.Upload)
	if err := up.UnmarshalBinary(f.Upload); err != nil {
		return nil, err
	}
	chunks, err := tx.FileChunks(f.Item)
	if err != nil {
		return nil, err
	}
	for _, chunk := range chunks {
		if err := up.RestoreChunk(chunk.Chunk, chunk.State); err != nil {
			return nil, err
		}
	}
	return up, nil
}

// upload sends a file of ours. The error is xftp.ErrFile if what was encrypted is not on disk as it was.
func (c *Chat) upload(ctx context.Context, a *attempt) error {
	i := a.item
	var f *store.File
	var up *xftp.Upload
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		if f, err = tx.File(i.ID); err == nil {
			up, err = restoreUpload(tx, f)
		}
		return err
	})
	if err != nil {
		return err
	}
	var work *os.File
	if up == nil {
		up, work, err = c.encrypt(ctx, i, f)
	} else if work, err = os.Open(filepath.Join(c.workDir(), f.Work)); errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: it was deleted", xftp.ErrFile)
	}
	if up != nil {
		defer c.leaveUpload(i.ID, up)
	}
	if err != nil {
		return err
	}
	defer work.Close()
	if err := c.begin(ctx, i.ID, FileUploading, func(*store.File) {}); err != nil {
		return err
	}
	relays, err := c.cfg.Files.Relays()
	if err != nil {
		return fmt.Errorf("%w: %w", xftp.ErrNoRelay, err)
	}
	// What became of a chunk is stored even if the transfer is being stopped.
	err = up.Run(ctx, c.pool, work, xftp.UploadOptions{Options: c.transferOptions(a), Relays: relays, Save: func(chunk int, state []byte) error {
		return c.db.Update(c.ctx, func(tx *store.Tx) error { return tx.SetFileChunk(i.ID, chunk, state) })
	}})
	if err != nil {
		return err
	}
	_, recipients, err := up.Descriptions()
	if err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, i.ID)
		if err != nil {
			return err
		}
		if s := FileState(i.FileState); s != FileUploading {
			return errStopped
		}
		row, err := findContact(tx, i.Contact)
		if err != nil {
			return err
		}
		for _, part := range event.SplitFileDescr(recipients[0].String()) {
			if err := c.say(tx, row, changeOf(i.ID), event.MsgFileDescr{MsgID: event.ID(i.Shared), Descr: part}); err != nil {
				return err
			}
		}
		f.Work = "" // the rest is needed for deleting it from relays
		if err := tx.SaveFile(f); err != nil {
			return err
		}
		return c.setFileState(tx, i, FileDone)
	})
}

// leaveUpload is called when a goroutine does not need an upload any more.
func (c *Chat) leaveUpload(item int64, up *xftp.Upload) {
	c.mu.Lock()
	if t := c.transfers[item]; t != nil && t.dropped {
		t.rest, up = up, t.rest
	}
	c.mu.Unlock()
	if up != nil {
		up.Wipe()
	}
}

// restartUpload forgets what was encrypted for the recipient of a file, and deletes what is on relays of it.
func (c *Chat) restartUpload(item int64, circuit string) error {
	var up *xftp.Upload
	err := c.db.Update(c.ctx, func(tx *store.Tx) error {
		f, err := tx.File(item)
		if err != nil {
			return err
		}
		up, err = forgetUpload(tx, f)
		return err
	})
	if err == nil && up != nil {
		c.discard(up, circuit)
	}
	return err
}

// forgetUpload forgets what was encrypted for the recipient of a file, and returns what is on relays of it, nil for nothing.
func forgetUpload(tx *store.Tx, f *store.File) (*xftp.Upload, error) {
	up, err := restoreUpload(tx, f)
	if err != nil {
		up = nil // damaged: relays delete it by themselves
	}
	f.Work, f.Upload = "", nil
	return up, errors.Join(tx.SaveFile(f), tx.DeleteFileChunks(f.Item))
}

// encrypt makes what is uploaded.
func (c *Chat) encrypt(ctx context.Context, i *store.Item, f *store.File) (up *xftp.Upload, work *os.File, err error) {
	r, err := c.blobs.Reader(f.Blob)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	name, file, err := c.newWork()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
			err = errors.Join(diskError(err), c.removeWork(name))
		}
	}()
	if up, err = xftp.Encrypt(ctx, file, xftp.Source{Content: r, Size: f.Blob.Size, Name: i.FileName}, 1); err != nil {
		return up, nil, err
	}
	if err := file.Sync(); err != nil {
		return up, nil, err
	}
	state, err := up.AppendBinary(nil)
	if err != nil {
		return up, nil, err
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		f, err := tx.File(i.ID)
		if err != nil {
			return err
		}
		f.Work, f.Upload = name, state
		return errors.Join(tx.SaveFile(f), tx.DeleteFileChunks(i.ID))
	})
	return up, file, err
}

// discard deletes from relays what was uploaded for nothing.
func (c *Chat) discard(up *xftp.Upload, circuit string) {
	c.afterwards(up.Wipe, func(ctx context.Context) error { return up.Discard(ctx, c.pool, xftp.Way{Circuit: circuit}) })
}
