package chat

import (
	"context"
	"errors"
	"time"

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
// uploaded, until ctx is done. What is still there then stands in the database, for RemoveDiscarded.
func (c *Chat) DeleteUploads(ctx context.Context) error {
	c.mu.Lock()
	c.leaving = true
	for _, t := range c.transfers {
		t.again = false
		t.cancel()
	}
	c.mu.Unlock()
	c.moving.Wait()
	err := c.db.Update(c.ctx, func(tx *store.Tx) error {
		items, err := tx.ItemsWithUpload()
		if err != nil {
			return err
		}
		for _, item := range items {
			f, err := tx.File(item)
			if err == nil {
				err = c.forgetUpload(tx, f)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_ = RemoveDiscarded(ctx, c.db, c.pool, c.circuit) // what fails is left to the caller
	return nil
}
