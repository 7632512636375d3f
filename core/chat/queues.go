package chat

import (
	"context"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/store"
)

// Queues returns the queues of a contact, those that we receive from first; none if it has none. The error is
// ErrNoContact.
func (c *Chat) Queues(ctx context.Context, contact int64) ([]agent.QueueUse, error) {
	var connection int64
	err := c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err == nil {
			connection = row.Connection
		}
		return err
	})
	if err != nil || connection == 0 {
		return nil, err
	}
	return c.agent.Queues(ctx, connection)
}
