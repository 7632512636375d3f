package agent

import (
	"context"
	"errors"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Delete forgets a connection in the caller's transaction. Its queues are deleted on their relays
// in the background, however long that takes.
func (a *Agent) Delete(tx *store.Tx, connection int64) error {
	queues, err := tx.ReceiveQueuesOf(connection)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if err := a.deleteReceiveQueue(tx, q); err != nil {
			return err
		}
	}
	sending, err := tx.SendQueuesOf(connection)
	if err != nil {
		return err
	}
	for _, q := range sending {
		tx.AfterCommit(func() { a.sendsNoMore(q) })
	}
	tx.AfterCommit(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.held, connection)
	})
	return tx.DeleteConnection(connection)
}

// deleteReceiveQueue has a queue deleted on its relay.
func (a *Agent) deleteReceiveQueue(tx *store.Tx, q *store.ReceiveQueue) error {
	d := &store.Deletion{Server: q.Server, RecipientID: q.RecipientID, Key: q.Key}
	if err := tx.InsertDeletion(d); err != nil {
		return err
	}
	tx.AfterCommit(func() { a.startDeletion(d) })
	return nil
}

// startDeletion deletes a queue on its relay in the background.
func (a *Agent) startDeletion(d *store.Deletion) {
	a.goRun(func() {
		began, wait := a.cfg.Now(), a.cfg.RetrySend.First
		for {
			err := a.deleteQueue(a.ctx, d)
			if err == nil || a.ctx.Err() != nil || !a.pauseOrRetry(wait) {
				return // what is left is deleted after the next start
			}
			wait = a.cfg.RetrySend.next(wait, a.cfg.Now().Sub(began))
		}
	})
}

func (a *Agent) deleteQueue(ctx context.Context, d *store.Deletion) error {
	server, err := wire.ParseServer(d.Server)
	if err != nil {
		return err
	}
	key := crypt.Ed25519Private(d.Key)
	_, err = a.command(ctx, server, smp.ID(d.RecipientID), &key, smp.Del{})
	if err != nil && !errors.Is(err, smp.ErrAuth) && !permanent(err) {
		return err
	}
	return a.update(func(tx *store.Tx) error { return tx.DeleteDeletion(d.ID) })
}
