package chat

import (
	"context"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// What was uploaded for nothing, or was taken back, is deleted from its relays in the background. What is to be deleted stands in
// the database, so that relays that can't be reached now, or before the program ends, are told later.

const (
	// discardTime bounds how long relays are tried. They delete files by themselves after 48 hours (xftp.md §3), or when
	// who runs them has chosen.
	discardTime = 7 * 24 * time.Hour
	// maxDiscarded is how many chunks are kept for that: those of two of the largest files, or of thousands of usual ones.
	maxDiscarded = 10_000
	// discardRound is how long relays are tried before it is looked again what is to be deleted still.
	discardRound = time.Hour
	// discardPause is how long what is being done may go on when more is to be deleted.
	discardPause = time.Second
)

// discard has what was uploaded be deleted from relays. Its keys may be wiped then.
func (c *Chat) discard(tx *store.Tx, item int64, up *xftp.Upload) error {
	for _, r := range up.Replicas() {
		text, err := r.MarshalText()
		if err != nil {
			return err
		}
		if err := tx.InsertFileDeletion(store.FileDeletion{Item: item, Replica: string(text)}, c.now()); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { wake(c.discarding) })
	return c.forgetDiscarded(tx)
}

func (c *Chat) forgetDiscarded(tx *store.Tx) error {
	return tx.ForgetFileDeletions(c.now().Add(-discardTime), maxDiscarded)
}

// discardedFile is what is to be deleted of a file.
type discardedFile struct {
	replicas []xftp.Replica
	ids      []int64 // of what is stored about each of them
}

// discarded returns all that is to be deleted.
func discarded(tx *store.Tx) (list []discardedFile, err error) {
	rows, err := tx.FileDeletions()
	if err != nil {
		return nil, err
	}
	for n, row := range rows {
		var r xftp.Replica
		if err := r.UnmarshalText([]byte(row.Replica)); err != nil {
			continue // damaged: it is forgotten in time
		}
		if n == 0 || rows[n-1].Item != row.Item || len(list) == 0 {
			list = append(list, discardedFile{})
		}
		d := &list[len(list)-1]
		d.replicas, d.ids = append(d.replicas, r), append(d.ids, row.ID)
	}
	return list, nil
}

// discardAll deletes from relays what is to be deleted, until the Chat is closed.
func (c *Chat) discardAll() {
	again := time.NewTicker(discardRound)
	defer again.Stop()
	for {
		select {
		case <-c.discarding:
		case <-again.C:
		case <-c.ctx.Done():
			return
		}
		c.discardSome()
	}
}

// discardSome deletes what is to be deleted, as long as there is nothing new to be deleted and relays may be there again.
func (c *Chat) discardSome() {
	var list []discardedFile
	err := c.db.Update(c.ctx, func(tx *store.Tx) (err error) {
		if err = c.forgetDiscarded(tx); err == nil {
			list, err = discarded(tx)
		}
		return err
	})
	if err != nil || len(list) == 0 {
		return
	}
	files, ways := make([][]xftp.Replica, len(list)), make([]xftp.Way, len(list))
	for i, d := range list {
		files[i], ways[i].Circuit = d.replicas, c.circuit()
		for _, r := range d.replicas {
			defer r.Key.Wipe()
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, discardRound)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- xftp.Remove(ctx, c.pool, files, ways, func(file, chunk int) error {
			return c.db.Update(c.ctx, func(tx *store.Tx) error { return tx.DeleteFileDeletion(list[file].ids[chunk]) })
		})
	}()
	select {
	case err = <-done:
	case <-c.discarding:
		wake(c.discarding) // for the next round
		pause := time.NewTimer(discardPause)
		defer pause.Stop()
		select {
		case err = <-done:
		case <-pause.C:
			cancel()
			<-done
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		wake(c.discarding)
	}
}
