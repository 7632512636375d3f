package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// NewFile is a file to be sent.
type NewFile struct {
	Name    string
	Content io.Reader
	Size    int64  // bytes of Content
	Caption string // may be empty
	Reply   int64  // the item that it answers, 0 for none

	// Type is event.TypeImage, TypeVideo, TypeVoice or TypeFile; Preview is a small picture for the first two, a JPEG or PNG
	// file, and Duration counts for videos and voice messages.
	Type     event.ContentType
	Preview  []byte
	Duration time.Duration
}

// SendFile sends a file to a contact. When it returns a copy is stored, which is all that is needed from then on.
// The error is ErrFileTooLarge, ErrDiskFull, ErrNotAllowed, one of those of Send, or that of the content.
func (c *Chat) SendFile(ctx context.Context, contact int64, f NewFile) (item Item, err error) {
	if f.Size > MaxFile {
		return item, ErrFileTooLarge
	}
	content := event.Content{Type: f.Type, Text: strings.ToValidUTF8(f.Caption, "\uFFFD"), Duration: int(f.Duration / time.Second)}
	switch f.Type {
	case event.TypeImage, event.TypeVideo:
		if content.Image, err = event.EncodeImage(f.Preview, event.MaxPreviewImage); err != nil {
			return item, fmt.Errorf("the preview of a picture: %w", err)
		}
	case event.TypeVoice, event.TypeFile:
	default:
		return item, fmt.Errorf("chat: a file can't be of type %q", f.Type)
	}
	// What can't be sent anyway is not copied first.
	err = c.db.View(ctx, func(tx *store.Tx) error { return mayFile(tx, contact, f.Type) })
	if err != nil {
		return item, err
	}
	ref, err := c.keep(ctx, f.Content, f.Size)
	if err != nil {
		return item, err
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		if err := mayFile(tx, contact, f.Type); err != nil {
			return err
		}
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		i := &store.Item{Text: content.Text, Content: string(f.Type), FileName: xftp.SafeName(f.Name), FileSize: f.Size, Image: f.Preview,
			Duration: int64(content.Duration)}
		e := event.MsgNew{Content: content}
		if f.Reply != 0 {
			if e.Quote, err = quoteItem(tx, row, i, f.Reply); err != nil {
				return err
			}
		}
		if err := c.sendNewFile(tx, row, i, e, ref); err != nil {
			return err
		}
		item = newItem(i)
		return c.save(tx, row)
	})
	if err != nil {
		return Item{}, errors.Join(err, c.blobs.Remove(ref))
	}
	return item, nil
}

// sendNewFile is sendNew for a message with a file, a copy of which is stored.
func (c *Chat) sendNewFile(tx *store.Tx, row *store.Contact, i *store.Item, e event.MsgNew, ref blob.Ref) error {
	i.FileState = string(FileWaiting)
	if ContactState(row.State) == ContactNotes {
		i.FileState = string(FileDone)
	}
	e.File = event.NewFileInvitation(i.FileName, i.FileSize)
	if err := c.sendNew(tx, row, i, e); err != nil {
		return err
	}
	if i.FileState == string(FileWaiting) {
		tx.AfterCommit(func() { c.startTransfer(i.ID) })
	}
	return tx.InsertFile(&store.File{Item: i.ID, Blob: ref})
}

// copyFiles makes a copy of the file of each of some messages that has one, for sending it to somebody else. The error is
// ErrNotForwardable if one is not here.
func (c *Chat) copyFiles(ctx context.Context, items []int64) (refs []blob.Ref, err error) {
	for _, id := range items {
		r, _, err := c.OpenFile(ctx, id)
		switch {
		case errors.Is(err, ErrNoFile):
			refs = append(refs, blob.Ref{})
			continue
		case errors.Is(err, ErrNotHere):
			err = ErrNotForwardable
		case err == nil:
			var ref blob.Ref
			ref, err = c.keep(ctx, r, r.Size())
			r.Close()
			refs = append(refs, ref)
		}
		if err != nil {
			return nil, errors.Join(err, c.removeCopies(refs))
		}
	}
	return refs, nil
}

// removeCopies removes what copyFiles has made.
func (c *Chat) removeCopies(refs []blob.Ref) (err error) {
	for _, ref := range refs {
		err = errors.Join(err, c.blobs.Remove(ref))
	}
	return err
}

// mayFile tells whether a contact can be sent a file of a type.
func mayFile(tx *store.Tx, contact int64, t event.ContentType) error {
	row, err := findContact(tx, contact)
	if err != nil || ContactState(row.State) == ContactNotes {
		return err
	}
	if row.Connection == 0 || !hasPeer(row) {
		return ErrNotConnected
	}
	terms, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	feature := FeatureFiles
	if t == event.TypeVoice {
		feature = FeatureVoice
	}
	if me, _ := terms.may(feature); !me {
		return ErrNotAllowed
	}
	return nil
}
