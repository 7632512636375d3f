package chat

import (
	"context"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/store"
)

// Queues returns the queues of a contact, those that we receive from first; none if it has none. The error is
// ErrNoContact.
func (c *Chat) Queues(ctx context.Context, contact int64) ([]agent.QueueUse, error) {
	connection, err := c.connection(ctx, contact)
	if err != nil || connection == 0 {
		return nil, err
	}
	return c.agent.Queues(ctx, connection)
}

// connection returns the connection that leads to a contact, 0 if there is none. The error is ErrNoContact.
func (c *Chat) connection(ctx context.Context, contact int64) (connection int64, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err == nil {
			connection = row.Connection
		}
		return err
	})
	return connection, err
}
