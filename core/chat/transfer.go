package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
)

// Each file that is on its way has a goroutine. All that it needs stands in the database, so that it goes on after a
// crash at any point.

// maxTransfers is how many files are on their way at a time; the others wait. Those whose relay can't be reached don't
// count: nobody is to wait for a relay that is not theirs.
const maxTransfers = 4

// transfer is a file on its way.
type transfer struct {
	cancel   context.CancelFunc
	again    bool // it is to be looked at again when the goroutine ends
	progress FileProgress
}

// attempt is what one go at moving a file works with.
type attempt struct {
	item    *store.Item
	file    *store.File
	circuit string
	leave   func() // lets another file move on
}

// circuit returns a name for connections that are to share nothing with those of other files, if that is chosen: empty
// if all files share one with each relay. No two files, and no two attempts at one, have it in common.
func (c *Chat) circuit() string {
	if isolate := c.cfg.Agent.Isolate; isolate == nil || !isolate() {
		return ""
	}
	return "#" + rand.Text()
}

// startTransfer has a file move on, if anything can be done for it.
func (c *Chat) startTransfer(item int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil || c.leaving {
		return
	}
	if t := c.transfers[item]; t != nil {
		t.again = true
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	t := &transfer{cancel: cancel, progress: FileProgress{Item: item}}
	c.transfers[item] = t
	c.moving.Go(func() { c.runTransfer(ctx, item, t) })
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

// restartTransfers has all files on their way begin again, which looks again whether relays may be asked.
func (c *Chat) restartTransfers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transfers {
		t.again = !c.leaving
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
		circuit := c.circuit()
		select {
		case c.transferring <- struct{}{}:
			leave := sync.OnceFunc(func() { <-c.transferring })
			c.move(ctx, item, circuit, leave)
			leave()
		case <-ctx.Done():
		}
		c.sweep()
		c.mu.Lock()
		again := t.again && c.ctx.Err() == nil
		t.again, t.progress = false, FileProgress{Item: item}
		switch {
		case !again:
			t.cancel()
			delete(c.transfers, item)
		case ctx.Err() != nil: // it was stopped and started again
			ctx, t.cancel = context.WithCancel(c.ctx)
		}
		c.mu.Unlock()
		if !again {
			return
		}
	}
}

// move does what can be done for a file, and stores why that has failed.
func (c *Chat) move(ctx context.Context, item int64, circuit string, leave func()) {
	a := &attempt{circuit: circuit, leave: leave}
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		a.item, a.file, err = findFile(tx, item)
		return err
	})
	if err != nil {
		return // it was deleted, or the database is closed
	}
	err = c.goOn(ctx, a)
	for _, ended := range []error{errStopped, store.ErrNotFound, ErrNoItem, ErrNoFile} {
		if errors.Is(err, ended) {
			return
		}
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	// If this fails too, the file is tried again after the next start.
	_ = c.db.Update(c.ctx, func(tx *store.Tx) error {
		i, f, err2 := findFile(tx, item)
		if err2 != nil {
			return err2
		}
		if s := FileState(i.FileState); s != FileWaiting && s != FileUploading && s != FileDownloading {
			return nil // it was given up meanwhile
		}
		if errors.Is(err, errUnknownRelay) {
			return c.ask(tx, i, f)
		}
		failure, relay := fileFailure(err)
		if i.Own && failure == FailureGone {
			failure = FailureRefused // there is nothing yet that could be gone: the relay wants another password
		}
		return c.failFile(tx, i, failure, relay)
	})
}

// goOn does what comes next for a file. A fault of this program ends that file's way, and not the program.
func (c *Chat) goOn(ctx context.Context, a *attempt) (err error) {
	defer fault.Contain(&err)
	item := a.item.ID
	switch s := FileState(a.item.FileState); {
	case s != FileWaiting && s != FileUploading && s != FileDownloading:
		return nil
	case a.item.Own:
		err := c.upload(ctx, a)
		if errors.Is(err, xftp.ErrFile) { // what was encrypted has changed on disk: it is made again, once
			if err = c.restartUpload(item); err == nil {
				err = c.upload(ctx, a)
			}
		}
		return err
	case a.file.Blob.Name != "":
		return c.finish(ctx, item)
	case !a.file.Complete:
		return nil // it goes on with the rest of the description
	default:
		return c.download(ctx, a)
	}
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

// transferOptions tell how far a file is, in bytes of its content: what is transferred is larger.
func (c *Chat) transferOptions(a *attempt) xftp.Options {
	i := a.item
	o := xftp.Options{Way: xftp.Way{Circuit: a.circuit}, Trouble: func(*xftp.RelayError) { a.leave() }}
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
