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
	// discardRound is how long relays are tried before it is looked again what is to be deleted still, and how long it is waited when
	// that can't be stored.
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
	item     int64
	replicas []xftp.Replica
	ids      []int64 // of what is stored about each of them
}

// discarded returns all that is to be deleted.
func discarded(tx *store.Tx) (list []discardedFile, err error) {
	rows, err := tx.FileDeletions()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		var r xftp.Replica
		if err := r.UnmarshalText([]byte(row.Replica)); err != nil {
			continue // damaged: it is forgotten in time
		}
		if len(list) == 0 || list[len(list)-1].item != row.Item {
			list = append(list, discardedFile{item: row.Item})
		}
		d := &list[len(list)-1]
		d.replicas, d.ids = append(d.replicas, r), append(d.ids, row.ID)
	}
	return list, nil
}

// discardAll deletes from relays what is to be deleted, until the Chat is closed.
func (c *Chat) discardAll() {
	var again <-chan time.Time
	for {
		select {
		case <-c.discarding:
		case <-again:
		case <-c.ctx.Done():
			return
		}
		again = nil
		if err := c.discardSome(); err != nil { // the disk is full, for example
			again = time.After(discardRound)
		}
	}
}

// RemoveDiscarded deletes from relays what stands in a database to be deleted of files, until ctx is done, and forgets there what needs
// no more attempts. circuit is called for each file; see [xftp.Way]. The error is that of ctx or of the database.
func RemoveDiscarded(ctx context.Context, db *store.DB, pool *xftp.Pool, circuit func() string) error {
	var list []discardedFile
	err := db.View(ctx, func(tx *store.Tx) (err error) {
		list, err = discarded(tx)
		return err
	})
	if err != nil {
		return err
	}
	files, ways := make([][]xftp.Replica, len(list)), make([]xftp.Way, len(list))
	for i, d := range list {
		files[i], ways[i].Circuit = d.replicas, circuit()
		for _, r := range d.replicas {
			defer r.Key.Wipe()
		}
	}
	kept := context.WithoutCancel(ctx) // what is done is not to be done again
	return xftp.Remove(ctx, pool, files, ways, func(file, chunk int) error {
		return db.Update(kept, func(tx *store.Tx) error { return tx.DeleteFileDeletion(list[file].ids[chunk]) })
	})
}

// discardSome deletes what is to be deleted, as long as there is nothing new to be deleted and relays may be there again. The error is
// that of the database.
func (c *Chat) discardSome() error {
	c.mu.Lock()
	leaving := c.leaving
	c.mu.Unlock()
	if leaving {
		return nil
	}
	if err := c.db.Update(c.ctx, c.forgetDiscarded); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, discardRound)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- RemoveDiscarded(ctx, c.db, c.pool, c.circuit) }()
	var err error
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
			err = <-done
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		wake(c.discarding)
		return nil
	case errors.Is(err, context.Canceled):
		return nil
	}
	return err
}
