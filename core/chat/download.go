package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// errUnknownRelay tells that a relay may not be asked for a file without asking the person.
var errUnknownRelay = errors.New("chat: a relay for files is not known")

// ask has the person asked about the relays of a file, unless that was answered meanwhile.
func (c *Chat) ask(tx *store.Tx, i *store.Item, f *store.File) error {
	if f.AnyRelay {
		tx.AfterCommit(func() { c.startTransfer(i.ID) })
		return nil
	}
	return c.setFileState(tx, i, FileOffered)
}

// downloadWay says how relays are asked for a file. Those that are not known are asked only on a path that does not show them
// where this computer is, unless the person allows it: what was so when the file was asked for may be otherwise by now.
func (c *Chat) downloadWay(circuit string, anyRelay bool) xftp.Way {
	way := xftp.Way{Circuit: circuit}
	if !anyRelay {
		way.Permit = func(server wire.Server, path transport.Path) error {
			if path.Proxy != nil || c.cfg.Files.Known(server) {
				return nil
			}
			return errUnknownRelay
		}
	}
	return way
}

// download receives a file of a contact.
func (c *Chat) download(ctx context.Context, a *attempt) error {
	f := a.file
	for {
		d, err := xftp.ParseDescription([]byte(f.Description))
		if err != nil {
			return err
		}
		next, err := c.downloadOne(ctx, a, d)
		if err == nil && next != "" {
			err = c.begin(ctx, a.item.ID, FileDownloading, func(now *store.File) { now.Work, now.Description = "", next })
		}
		if err != nil {
			d.Wipe()
			return err
		}
		c.acknowledge(d, c.downloadWay(a.circuit, f.AnyRelay))
		if next == "" {
			return nil
		}
		f.Work, f.Description = "", next
	}
}

const (
	// acknowledgeTime bounds how long relays are tried to be told that a file was received. They delete it by themselves after 48
	// hours (xftp.md §3).
	acknowledgeTime = 10 * time.Minute
	// maxAcknowledging is of how many files relays are told at a time: those that don't answer, which contacts choose, have no more
	// pile up here.
	maxAcknowledging = 100
)

// acknowledge tells relays in the background that what was described is not needed by us any more.
func (c *Chat) acknowledge(d *xftp.Description, way xftp.Way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil || c.acknowledging == maxAcknowledging {
		d.Wipe()
		return
	}
	c.acknowledging++
	c.workers.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, acknowledgeTime)
		defer cancel()
		_ = xftp.Acknowledge(ctx, c.pool, d, way)
		d.Wipe()
		c.mu.Lock()
		c.acknowledging--
		c.mu.Unlock()
	})
}

// downloadOne receives what is described: the file, or the description of it, which is returned.
func (c *Chat) downloadOne(ctx context.Context, a *attempt, d *xftp.Description) (next string, err error) {
	i, f := a.item, a.file
	if !f.AnyRelay && len(c.unknownRelays(f.Description)) > 0 {
		return "", errUnknownRelay // it was automatic, or its relays were known when it was asked for, or did not see us
	}
	size := i.FileSize
	if d.Redirect != nil {
		size = maxDescription
	}
	if d.Size > encryptedSize(size) {
		return "", fmt.Errorf("%w: it is larger than was said", xftp.ErrFile)
	}
	var work *os.File
	before := f.Work
	if workName.MatchString(before) {
		work, err = os.OpenFile(filepath.Join(c.workDir(), f.Work), os.O_CREATE|os.O_RDWR, 0o600)
		err = diskError(err)
	} else {
		f.Work, work, err = c.newWork()
	}
	if err != nil {
		return "", err
	}
	defer work.Close()
	err = c.begin(ctx, i.ID, FileDownloading, func(now *store.File) { now.Work = f.Work })
	if err != nil && f.Work != before {
		err = errors.Join(err, c.removeWork(f.Work))
	}
	if err != nil {
		return "", err
	}
	options := c.transferOptions(a)
	options.Way = c.downloadWay(a.circuit, f.AnyRelay)
	if d.Redirect != nil {
		options.Progress = nil // it is not the file itself
	}
	if err := xftp.Download(ctx, c.pool, d, work, options); err != nil {
		return "", err
	}
	content, err := xftp.Open(contextReaderAt{ctx, work}, d)
	if err != nil {
		return "", err
	}
	if d.Redirect != nil {
		text, err := io.ReadAll(io.LimitReader(content, maxDescription+1))
		if err != nil {
			return "", err
		}
		if len(text) > maxDescription {
			return "", fmt.Errorf("%w: it is too long", xftp.ErrDescription)
		}
		inner, err := d.Follow(text)
		if err != nil {
			return "", err
		}
		defer inner.Wipe()
		return inner.String(), nil
	}
	if content.Size != i.FileSize {
		return "", fmt.Errorf("%w: it has another size than was said", xftp.ErrFile)
	}
	ref, err := c.keep(ctx, content, content.Size)
	if err != nil {
		return "", err
	}
	return "", c.arrived(ctx, i.ID, ref)
}

// encryptedSize is the largest size that an encrypted file can have whose content has a size.
func encryptedSize(size int64) (n int64) {
	const header = 8 + 16 + 1024 // the length, the tag and the most that the header can have (xftp.md §5)
	for _, chunk := range xftp.SplitSize(size + header) {
		n += int64(chunk)
	}
	return n
}

// arrived stores that a file is here.
func (c *Chat) arrived(ctx context.Context, item int64, ref blob.Ref) error {
	err := c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, item)
		if err != nil {
			return err
		}
		if FileState(i.FileState) != FileDownloading {
			return errStopped
		}
		f.Blob, f.Work, f.Description = ref, "", ""
		return tx.SaveFile(f)
	})
	if err != nil {
		return errors.Join(err, c.blobs.Remove(ref))
	}
	return c.finish(ctx, item)
}

// finish puts a copy of a file that is here where it is to go.
func (c *Chat) finish(ctx context.Context, item int64) error {
	for saved := ""; ; {
		var f *store.File
		failure := FailureNone
		err := c.db.View(ctx, func(tx *store.Tx) (err error) {
			_, f, err = findFile(tx, item)
			return err
		})
		if err != nil {
			return err
		}
		if saved = f.SaveTo; saved != "" {
			err := c.blobs.Export(ctx, f.Blob, saved)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				failure = FailureSave
			}
		}
		done := false
		err = c.db.Update(ctx, func(tx *store.Tx) error {
			i, f, err := findFile(tx, item)
			if err != nil {
				return err
			}
			switch s := FileState(i.FileState); {
			case s != FileWaiting && s != FileDownloading:
				done = true
				return nil
			case f.SaveTo != saved:
				return nil // it is to go elsewhere now
			}
			done, f.SaveTo = true, ""
			if err := tx.SaveFile(f); err != nil {
				return err
			}
			i.FileState, i.FileFailure, i.FileRelay = string(FileDone), string(failure), ""
			return c.saveItem(tx, i)
		})
		if err != nil || done {
			return err
		}
	}
}
