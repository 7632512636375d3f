package chat

import (
	"context"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// deletionPoll is how often DeleteQueues looks whether relays have deleted what they should.
const deletionPoll = 50 * time.Millisecond

// DeleteQueues deletes the contacts and the address of a profile that is about to be deleted
// itself, and waits until their relays have deleted the queues, or until ctx is done.
func (c *Chat) DeleteQueues(ctx context.Context) error {
	c.connecting.Lock()
	defer c.connecting.Unlock()
	err := c.db.Update(c.ctx, func(tx *store.Tx) error {
		contacts, err := tx.Contacts()
		if err != nil {
			return err
		}
		for _, row := range contacts {
			if row.Connection == 0 {
				continue
			}
			if err := c.agent.Delete(tx, row.Connection); err != nil {
				return err
			}
		}
		address, err := tx.Address()
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		return c.agent.Delete(tx, address.Connection)
	})
	if err != nil {
		return err
	}
	poll := time.NewTicker(deletionPoll)
	defer poll.Stop()
	for {
		var left []*store.Deletion
		err := c.db.View(c.ctx, func(tx *store.Tx) (err error) {
			left, err = tx.Deletions()
			return err
		})
		if err != nil || len(left) == 0 {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// DeleteUploads ends all files on their way of a profile that is about to be deleted itself, and deletes from relays what was
// uploaded, until ctx is done. It returns what is still there then, for [xftp.Remove], each list that of a file.
func (c *Chat) DeleteUploads(ctx context.Context) (left [][]xftp.Replica, err error) {
	c.mu.Lock()
	c.leaving = true
	for _, t := range c.transfers {
		t.again = false
		t.cancel()
	}
	c.mu.Unlock()
	c.moving.Wait()
	var files [][]xftp.Replica
	err = c.db.View(c.ctx, func(tx *store.Tx) error {
		items, err := tx.ItemsWithUpload()
		if err != nil {
			return err
		}
		for _, item := range items {
			f, err := tx.File(item)
			if err != nil {
				return err
			}
			up, err := restoreUpload(tx, f)
			if err != nil {
				continue // damaged: relays delete it by themselves
			}
			if list := up.Replicas(); len(list) > 0 {
				files = append(files, list)
			}
		}
		rest, err := discarded(tx)
		for _, d := range rest {
			files = append(files, d.replicas)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ways := make([]xftp.Way, len(files))
	gone := make([][]bool, len(files))
	for i, list := range files {
		ways[i].Circuit, gone[i] = c.circuit(), make([]bool, len(list))
	}
	// What fails is left to the caller.
	_ = xftp.Remove(ctx, c.pool, files, ways, func(file, chunk int) error {
		gone[file][chunk] = true
		return nil
	})
	for i, list := range files {
		var rest []xftp.Replica
		for j, r := range list {
			if !gone[i][j] {
				rest = append(rest, r)
			}
		}
		if rest != nil {
			left = append(left, rest)
		}
	}
	return left, nil
}
