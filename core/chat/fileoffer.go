package chat

import (
	"context"
	"errors"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// Limits of what contacts send about files.
const (
	maxDescription = 2 << 20 // bytes; the description of a file of 5 GiB has about 300 KB
	maxAutomatic   = 1000    // files on their way, beyond which none is received unasked: their relays may never answer
)

// ReceiveOptions say how a file is received.
type ReceiveOptions struct {
	AnyRelay bool // also from relays that are not known
	// SaveTo is where a copy is put when the file is here, which is then readable for others. Empty is where was said before, nowhere
	// if nothing was.
	SaveTo string
}

// ReceiveFile receives the file of a message, as soon as it is there; it also goes on with one that has failed or is
// paused, of ours as well. The error is ErrNoItem, ErrNoFile, ErrFileState, ErrFileTooLarge, ErrLegacyFile or an *UnknownRelaysError.
func (c *Chat) ReceiveFile(ctx context.Context, item int64, o ReceiveOptions) error {
	saved := false
	err := c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, item)
		if err != nil {
			return err
		}
		switch FileState(i.FileState) {
		case FileDone:
			saved = o.SaveTo != ""
			return nil
		case FileCancelled:
			return ErrFileState
		}
		if i.FileSize > MaxFile {
			return ErrFileTooLarge
		}
		if Failure(i.FileFailure) == FailureLegacy {
			return ErrLegacyFile
		}
		f.AnyRelay = f.AnyRelay || o.AnyRelay
		if o.SaveTo != "" {
			f.SaveTo = o.SaveTo
		}
		if f.Complete && !f.AnyRelay {
			if hosts := c.unknownRelays(f.Description); len(hosts) > 0 {
				return &UnknownRelaysError{hosts}
			}
		}
		if err := tx.SaveFile(f); err != nil {
			return err
		}
		switch FileState(i.FileState) {
		case FileOffered, FilePaused, FileFailed:
			return c.setFileState(tx, i, FileWaiting)
		}
		return nil
	})
	if err != nil || !saved {
		return err
	}
	return c.SaveFile(ctx, item, o.SaveTo)
}

// unknownRelays returns the hosts in a description that the person has to be asked about.
func (c *Chat) unknownRelays(description string) (hosts []string) {
	d, err := xftp.ParseDescription([]byte(description))
	if err != nil {
		return nil // which is told when it is to be used
	}
	defer d.Wipe()
	seen := map[string]bool{}
	for _, chunk := range d.Chunks {
		for _, r := range chunk.Replicas {
			if host := r.Server.Hosts[0]; !seen[host] && !c.cfg.Files.Known(r.Server) && !c.hidden(r.Server) {
				seen[host] = true
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

func (c *Chat) hidden(server wire.Server) bool {
	hidden := c.cfg.Files.Hidden
	return hidden != nil && hidden(server)
}

// fileReceived stores the file of a message that a contact has sent. The item was stored before.
func (c *Chat) fileReceived(tx *store.Tx, i *store.Item, invitation *event.FileInvitation) error {
	if i.ID == 0 || i.FileName == "" {
		return nil // it was there before, or was removed here
	}
	f := &store.File{Item: i.ID}
	if err := tx.InsertFile(f); err != nil {
		return err
	}
	switch d := invitation.Descr; {
	case d == nil:
		// It would come in messages, or over a connection of its own, which programs have not sent for years: there is always
		// a description today, if only an empty one (chat-protocol.md §6).
		return c.failFile(tx, i, FailureLegacy, "")
	case d.Text != "" || d.Complete:
		return c.filePart(tx, i, f, *d)
	}
	return nil
}

// fileDescribed applies a part of a description (chat-protocol.md §6).
func (c *Chat) fileDescribed(tx *store.Tx, row *store.Contact, e event.MsgFileDescr) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted here
	} else if err != nil {
		return err
	}
	f, err := tx.File(i.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was announced without one
	} else if err != nil {
		return err
	}
	return c.filePart(tx, i, f, e.Descr)
}

// filePart adds a part of a description to a file.
func (c *Chat) filePart(tx *store.Tx, i *store.Item, f *store.File, d event.FileDescr) error {
	state := FileState(i.FileState)
	switch state {
	case FileOffered, FilePaused, FileFailed:
		if d.Part == 1 && (f.Part > 0 || state == FileFailed) { // the sender has uploaded it again
			f.Description, f.Part, f.Complete, f.Work = "", 0, false, ""
			if state == FileFailed {
				state = FileOffered
				if err := c.setFileState(tx, i, state); err != nil {
					return err
				}
			}
		}
	case FileWaiting:
	default:
		return nil // it is of no use any more
	}
	if f.Complete || state == FileFailed || d.Part <= f.Part && f.Part > 0 {
		return nil // it came before
	}
	// The only part of an invitation may have any number.
	if d.Part != f.Part+1 && !(f.Part == 0 && d.Complete) || len(f.Description)+len(d.Text) > maxDescription {
		return c.failFile(tx, i, FailureDamaged, "")
	}
	f.Description, f.Part, f.Complete = f.Description+d.Text, max(d.Part, 1), d.Complete
	if err := tx.SaveFile(f); err != nil || !f.Complete {
		return err
	}
	if state == FileOffered {
		if ok, err := c.automatic(tx, i); err != nil || !ok || len(c.unknownRelays(f.Description)) > 0 {
			return err
		}
		state = FileWaiting
	}
	if state != FileWaiting {
		return nil
	}
	return c.setFileState(tx, i, FileWaiting)
}

// automatic tells whether a file is received unasked.
func (c *Chat) automatic(tx *store.Tx, i *store.Item) (bool, error) {
	feature := FeatureFiles
	switch event.ContentType(i.Content) {
	case event.TypeVoice:
		feature = FeatureVoice
	case event.TypeImage, event.TypeVideo:
	default:
		return false, nil
	}
	if limit := c.cfg.Files.Automatic(); limit <= 0 || i.FileSize > limit {
		return false, nil
	}
	c.mu.Lock()
	moving := len(c.transfers)
	c.mu.Unlock()
	if moving >= maxAutomatic {
		return false, nil
	}
	row, err := findContact(tx, i.Contact)
	if err != nil {
		return false, err
	}
	t, err := loadTerms(tx, row)
	_, contact := t.may(feature)
	return contact, err
}
