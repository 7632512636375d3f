package chat

import (
	"context"
	"errors"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// PauseFile stops a file on its way, until ReceiveFile. The error is ErrNoItem, ErrNoFile or ErrFileState.
func (c *Chat) PauseFile(ctx context.Context, item int64) error {
	return c.stopFile(ctx, item, FilePaused)
}

// CancelFile gives a file up: a contact is told, and what is on relays is deleted, also of one of ours that is done, which the
// contact may have received before. The error is ErrNoItem, ErrNoFile or ErrFileState.
func (c *Chat) CancelFile(ctx context.Context, item int64) error {
	return c.stopFile(ctx, item, FileCancelled)
}

func (c *Chat) stopFile(ctx context.Context, item int64, state FileState) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, item)
		if err != nil {
			return err
		}
		switch s := FileState(i.FileState); {
		case s == FileCancelled, s == FileDone && (state == FilePaused || f.Upload == nil), state == FilePaused && (s == FileOffered || s == FileFailed):
			return ErrFileState
		case s == state:
			return nil
		}
		if state == FileCancelled {
			if err := c.abandon(tx, i, f); err != nil {
				return err
			}
			if err := c.tellCancelled(tx, i); err != nil {
				return err
			}
		}
		return c.setFileState(tx, i, state)
	})
}

// abandon ends what is done for a file, and forgets it, also on relays.
func (c *Chat) abandon(tx *store.Tx, i *store.Item, f *store.File) error {
	if err := c.forgetUpload(tx, f); err != nil {
		return err
	}
	tx.AfterCommit(func() { c.stopTransfer(i.ID) })
	c.later(tx)
	f.SaveTo, f.Description = "", ""
	if !i.Own && FileState(i.FileState) != FileDone {
		f.Blob = blob.Ref{}
	}
	return tx.SaveFile(f)
}

// abandonFile is abandon for an item that may have no file. It tells whether it has one.
func (c *Chat) abandonFile(tx *store.Tx, i *store.Item) (there bool, err error) {
	f, err := tx.File(i.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, c.abandon(tx, i, f)
}

// resendFile uploads a file of ours again, whatever was done before.
func (c *Chat) resendFile(tx *store.Tx, i *store.Item) error {
	f, err := tx.File(i.ID)
	if err != nil {
		return err
	}
	if FileState(i.FileState) == FileDone {
		if err := c.abandon(tx, i, f); err != nil {
			return err
		}
	}
	return c.setFileState(tx, i, FileWaiting)
}

// tellCancelled tells the contact that a file of ours will not come.
func (c *Chat) tellCancelled(tx *store.Tx, i *store.Item) error {
	if !i.Own {
		return nil
	}
	row, err := findContact(tx, i.Contact)
	if err != nil {
		return err
	}
	if err := c.say(tx, row, noItem, event.FileCancel{MsgID: event.ID(i.Shared)}); !errors.Is(err, ErrNotConnected) {
		return err
	}
	return nil
}

// takeBackFile has the file of a message that its author takes back not go on. The caller stores the item.
func (c *Chat) takeBackFile(tx *store.Tx, i *store.Item) error {
	if there, err := c.abandonFile(tx, i); err != nil || !there {
		return err
	}
	if FileState(i.FileState) != FileDone {
		i.FileState, i.FileFailure, i.FileRelay = string(FileCancelled), "", ""
	}
	return nil
}

// dropFiles ends what is done for the files of items, which the caller deletes.
func (c *Chat) dropFiles(tx *store.Tx, items []*store.Item) error {
	for _, i := range items {
		if i.FileName == "" {
			continue
		}
		if _, err := c.abandonFile(tx, i); err != nil {
			return err
		}
	}
	return nil
}

// fileCancelled marks a file that its sender has given up.
func (c *Chat) fileCancelled(tx *store.Tx, row *store.Contact, e event.FileCancel) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) || err == nil && (i.FileName == "" || FileState(i.FileState) == FileDone) {
		return nil
	} else if err != nil {
		return err
	}
	if there, err := c.abandonFile(tx, i); err != nil || !there {
		return err
	}
	return c.setFileState(tx, i, FileCancelled)
}
