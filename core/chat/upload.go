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
	err := up.UnmarshalBinary(f.Upload)
	var chunks []store.FileChunk
	if err == nil {
		chunks, err = tx.FileChunks(f.Item)
	}
	for _, chunk := range chunks {
		err = errors.Join(err, up.RestoreChunk(chunk.Chunk, chunk.State))
	}
	if err != nil {
		up.Wipe()
		return nil, err
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
	done := false
	if up != nil {
		defer func() { c.leaveUpload(i.ID, up, done) }()
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
	sender, recipients, err := up.Descriptions()
	if err != nil {
		return err
	}
	for _, d := range append(recipients, sender) {
		defer d.Wipe()
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
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
	done = err == nil
	return err
}

// leaveUpload is called when a goroutine does not need an upload any more. If the file was given up meanwhile, it may know of more that
// is on relays than what was stored.
func (c *Chat) leaveUpload(item int64, up *xftp.Upload, done bool) {
	defer up.Wipe()
	if done {
		return
	}
	_ = c.db.Update(context.WithoutCancel(c.ctx), func(tx *store.Tx) error { // else relays delete it by themselves
		if f, err := tx.File(item); err == nil && f.Upload != nil || err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return c.discard(tx, item, up)
	})
}

// restartUpload forgets what was encrypted for the recipient of a file, and deletes what is on relays of it.
func (c *Chat) restartUpload(item int64) error {
	return c.db.Update(c.ctx, func(tx *store.Tx) error {
		f, err := tx.File(item)
		if err != nil {
			return err
		}
		return c.forgetUpload(tx, f)
	})
}

// forgetUpload forgets what was encrypted for the recipient of a file, and has what is on relays of it be deleted.
func (c *Chat) forgetUpload(tx *store.Tx, f *store.File) error {
	up, err := restoreUpload(tx, f)
	if err == nil && up != nil { // if it is damaged, relays delete it by themselves
		defer up.Wipe()
		if err := c.discard(tx, f.Item, up); err != nil {
			return err
		}
	}
	f.Work, f.Upload = "", nil
	return errors.Join(tx.SaveFile(f), tx.DeleteFileChunks(f.Item))
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
