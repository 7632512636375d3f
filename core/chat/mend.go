package chat

import (
	"context"

	"github.com/sotto-chat/sotto/store"
)

// Rotate moves the queue on which messages of a contact wait to another relay, while messages flow.
// It waits for the new relay, for as long as ctx allows; the rest goes on in the background, and a
// notice tells when it is done.
func (c *Chat) Rotate(ctx context.Context, contact int64) error {
	var connection int64
	err := c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err == nil {
			connection = row.Connection
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.agent.Rotate(ctx, connection)
}

// Resync makes the encryption with a contact anew, as is needed when a backup was restored. Notices
// tell how it goes on.
func (c *Chat) Resync(ctx context.Context, contact int64) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		return c.agent.Resync(tx, row.Connection, true)
	})
}
