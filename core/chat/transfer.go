package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// Each file that is on its way has a goroutine. All that it needs stands in the database, so that it goes on after a
// crash at any point.

// maxTransfers is how many files are on their way at a time; the others wait. Those whose relay can't be reached don't
// count: nobody is to wait for a relay that is not theirs.
const maxTransfers = 4

// discardTime bounds how long relays are tried to be told that a file is not needed any more. They delete it
// by themselves after 48 hours (xftp.md §3).
const discardTime = 10 * time.Minute

// rememberUpload is how long a file of ours that is done can be deleted from relays. They keep it for two days, but the upload may
// have begun some time after the message was written.
const rememberUpload = 7 * 24 * time.Hour

// transfer is a file on its way.
type transfer struct {
	cancel   context.CancelFunc
	again    bool // it is to be looked at again when the goroutine ends
	progress FileProgress

	dropped bool         // it was given up
	rest    *xftp.Upload // what is to be deleted from relays then, nil for nothing
}

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

// startTransfer has a file move on, if anything can be done for it.
func (c *Chat) startTransfer(item int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	if t := c.transfers[item]; t != nil {
		t.again = true
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	t := &transfer{cancel: cancel, progress: FileProgress{Item: item}}
	c.transfers[item] = t
	c.workers.Go(func() { c.runTransfer(ctx, item, t) })
}

// stopTransfer stops a file on its way.
func (c *Chat) stopTransfer(item int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.transfers[item]; t != nil {
		t.again = false
		t.cancel()
	}
}

// dropTransfer ends a file on its way for good, and deletes from relays what was uploaded of it. up is what is stored of that,
// nil for nothing.
func (c *Chat) dropTransfer(item int64, up *xftp.Upload) {
	c.mu.Lock()
	t := c.transfers[item]
	if t != nil {
		t.again, t.dropped = false, true
		if t.rest == nil {
			t.rest, up = up, nil // the goroutine may know more than what is stored
		}
		t.cancel()
	}
	c.mu.Unlock()
	if up != nil && t == nil {
		c.discard(up)
	} else if up != nil {
		up.Wipe()
	}
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

// restartTransfers has all files on their way begin again, which looks again whether relays may be asked.
func (c *Chat) restartTransfers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transfers {
		t.again = true
		t.cancel()
	}
}

// Progress returns how far a file is that is on its way.
func (c *Chat) Progress(item int64) (p FileProgress, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.transfers[item]
	if t == nil || t.progress.Total == 0 {
		return p, false
	}
	return t.progress, true
}

func (c *Chat) runTransfer(ctx context.Context, item int64, t *transfer) {
	for {
		select {
		case c.transferring <- struct{}{}:
			leave := sync.OnceFunc(func() { <-c.transferring })
			c.move(ctx, item, leave)
			leave()
		case <-ctx.Done():
		}
		c.sweep()
		c.mu.Lock()
		again, rest := t.again && c.ctx.Err() == nil, t.rest
		t.again, t.dropped, t.rest, t.progress = false, false, nil, FileProgress{Item: item}
		switch {
		case !again:
			t.cancel()
			delete(c.transfers, item)
		case ctx.Err() != nil: // it was stopped and started again
			ctx, t.cancel = context.WithCancel(c.ctx)
		}
		c.mu.Unlock()
		if rest != nil {
			c.discard(rest)
		}
		if !again {
			return
		}
	}
}

// move does what can be done for a file, and stores why that has failed. leave lets another file move on.
func (c *Chat) move(ctx context.Context, item int64, leave func()) {
	var i *store.Item
	var f *store.File
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		i, f, err = findFile(tx, item)
		return err
	})
	if err != nil {
		return // it was deleted, or the database is closed
	}
	switch s := FileState(i.FileState); {
	case s != FileWaiting && s != FileUploading && s != FileDownloading:
		return
	case i.Own:
		err = c.upload(ctx, i, f, leave)
		if errors.Is(err, xftp.ErrFile) { // what was encrypted has changed on disk: it is made again, once
			if err = c.restartUpload(i.ID); err == nil {
				err = c.upload(ctx, i, f, leave)
			}
		}
	case f.Blob.Name != "":
		err = c.finish(ctx, item)
	case !f.Complete:
		return // it goes on with the rest of the description
	default:
		err = c.download(ctx, i, f, leave)
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, errStopped) || errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrNoItem) || errors.Is(err, ErrNoFile) {
		return
	}
	failure, relay := fileFailure(err)
	if i.Own && failure == FailureGone {
		failure = FailureRefused // there is nothing yet that could be gone: the relay wants another password
	}
	// If this fails too, the file is tried again after the next start.
	_ = c.db.Update(c.ctx, func(tx *store.Tx) error {
		i, _, err := findFile(tx, item)
		if err != nil {
			return err
		}
		if s := FileState(i.FileState); s != FileWaiting && s != FileUploading && s != FileDownloading {
			return nil // it was given up meanwhile
		}
		return c.failFile(tx, i, failure, relay)
	})
}

// fileFailure tells why a file has failed, and the host of the relay where that was.
func fileFailure(err error) (failure Failure, relay string) {
	if r := new(xftp.RelayError); errors.As(err, &r) {
		relay = r.Server.Hosts[0]
	}
	for _, f := range []struct {
		err     error
		failure Failure
	}{
		{ErrDiskFull, FailureDisk},
		{xftp.ErrDiskFull, FailureDisk},
		{blob.ErrDamaged, FailureSource},
		{xftp.ErrBlocked, FailureBlocked},
		{xftp.ErrCorrupt, FailureDamaged},
		{xftp.ErrFile, FailureDamaged},
		{xftp.ErrDescription, FailureDamaged},
		{xftp.ErrNoRelay, FailureNoRelay},
		{xftp.ErrQuota, FailureFull},
		{xftp.ErrAuth, FailureGone},
		{ErrNotConnected, FailureNoPeer},
	} {
		if errors.Is(err, f.err) {
			return f.failure, relay
		}
	}
	if relay != "" {
		return FailureRefused, relay
	}
	return FailureOther, ""
}

// errStopped tells that a file is not to go on.
var errStopped = errors.New("chat: the file is not to go on")

// begin stores that a file moves, if it still is to, with what set changes.
func (c *Chat) begin(ctx context.Context, item int64, state FileState, set func(f *store.File)) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		i, f, err := findFile(tx, item)
		if err != nil {
			return err
		}
		if s := FileState(i.FileState); s != FileWaiting && s != state {
			return errStopped
		}
		set(f)
		if err := tx.SaveFile(f); err != nil {
			return err
		}
		if FileState(i.FileState) == state {
			return nil
		}
		return c.setFileState(tx, i, state)
	})
}

// transferOptions tell how far a file is, in bytes of its content: what is transferred is larger. What is not the file itself
// has no progress.
func (c *Chat) transferOptions(i *store.Item, leave func(), progress bool) xftp.Options {
	o := xftp.Options{Trouble: func(*xftp.RelayError) { leave() }}
	if !progress {
		return o
	}
	o.Progress = func(p xftp.Progress) {
		content := func(n int64) int64 { return int64(float64(n) / float64(max(p.Total, 1)) * float64(i.FileSize)) }
		now := FileProgress{Item: i.ID, Done: content(p.Done), Total: i.FileSize, Speed: content(p.Speed)}
		if p.Done == p.Total {
			now.Done = now.Total
		}
		c.mu.Lock()
		if t := c.transfers[i.ID]; t != nil {
			now.Done = max(now.Done, t.progress.Done) // what has to move again was told already
			t.progress = now
		}
		c.mu.Unlock()
		c.cfg.Publish(now)
	}
	return o
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
func (c *Chat) upload(ctx context.Context, i *store.Item, f *store.File, leave func()) error {
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
	err = up.Run(ctx, c.pool, work, xftp.UploadOptions{Options: c.transferOptions(i, leave, true), Relays: relays, Save: func(chunk int, state []byte) error {
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

// restartUpload forgets what was encrypted for the recipient of a file, and deletes what is on relays of it.
func (c *Chat) restartUpload(item int64) error {
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
		c.discard(up)
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
func (c *Chat) discard(up *xftp.Upload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		up.Wipe()
		return
	}
	c.workers.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, discardTime)
		defer cancel()
		defer up.Wipe()
		_ = up.Discard(ctx, c.pool, xftp.Options{}) // relays delete it by themselves later
	})
}

// download receives a file of a contact.
func (c *Chat) download(ctx context.Context, i *store.Item, f *store.File, leave func()) error {
	for {
		d, err := xftp.ParseDescription([]byte(f.Description))
		if err != nil {
			return err
		}
		next, err := c.downloadOne(ctx, i, f, d, leave)
		if err == nil && next == nil {
			c.acknowledge(d)
			return nil
		}
		d.Wipe()
		if err != nil {
			return err
		}
		f.Description, f.Work = next.String(), ""
		next.Wipe()
	}
}

// downloadOne receives what is described: the file, or the description of it.
func (c *Chat) downloadOne(ctx context.Context, i *store.Item, f *store.File, d *xftp.Description, leave func()) (next *xftp.Description, err error) {
	if !f.AnyRelay && len(c.unknownRelays(f.Description)) > 0 {
		// It was automatic, or its relays were not known when it was asked for: the person is asked now.
		err := c.db.Update(ctx, func(tx *store.Tx) error {
			i, now, err := findFile(tx, i.ID)
			if err != nil {
				return err
			}
			if f.AnyRelay = now.AnyRelay; f.AnyRelay { // who has just answered
				return nil
			}
			return c.setFileState(tx, i, FileOffered)
		})
		if err != nil || !f.AnyRelay {
			return nil, cmp.Or(err, errStopped)
		}
	}
	size := i.FileSize
	if d.Redirect != nil {
		size = maxDescription
	}
	if d.Size > encryptedSize(size) {
		return nil, fmt.Errorf("%w: it is larger than was said", xftp.ErrFile)
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
		return nil, err
	}
	defer work.Close()
	err = c.begin(ctx, i.ID, FileDownloading, func(now *store.File) { now.Work, now.Description = f.Work, f.Description })
	if err != nil && f.Work != before {
		err = errors.Join(err, c.removeWork(f.Work))
	}
	if err != nil {
		return nil, err
	}
	if err := xftp.Download(ctx, c.pool, d, work, c.transferOptions(i, leave, d.Redirect == nil)); err != nil {
		return nil, err
	}
	content, err := xftp.Open(contextReaderAt{ctx, work}, d)
	if err != nil {
		return nil, err
	}
	if d.Redirect != nil {
		text, err := io.ReadAll(io.LimitReader(content, maxDescription+1))
		if err != nil {
			return nil, err
		}
		if len(text) > maxDescription {
			return nil, fmt.Errorf("%w: it is too long", xftp.ErrDescription)
		}
		return d.Follow(text)
	}
	if content.Size != i.FileSize {
		return nil, fmt.Errorf("%w: it has another size than was said", xftp.ErrFile)
	}
	ref, err := c.keep(ctx, content, content.Size)
	if err != nil {
		return nil, err
	}
	return nil, c.arrived(ctx, i.ID, ref)
}

func (c *Chat) removeWork(name string) error {
	if err := os.Remove(filepath.Join(c.workDir(), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// workName is the form of the names of files on their way.
var workName = regexp.MustCompile(`^[0-9a-f]{32}$`)

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

// acknowledge tells relays that a file is not needed by us any more.
func (c *Chat) acknowledge(d *xftp.Description) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.workers.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, discardTime)
		defer cancel()
		defer d.Wipe()
		_ = xftp.Acknowledge(ctx, c.pool, d, xftp.Options{}) // relays delete it by themselves later
	})
}

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
