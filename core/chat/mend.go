package chat

import (
	"context"
	"errors"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/store"
)

// Rotate moves the queue on which messages of a contact wait to another relay, while messages flow.
// It waits for the new relay, for as long as ctx allows; the rest goes on in the background, and a
// notice tells when it is done. The error is ErrNoContact, ErrNotConnected, agent.ErrRotating or agent.ErrSync, or about the relay.
func (c *Chat) Rotate(ctx context.Context, contact int64) error {
	var connection int64
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		connection, err = mendable(tx, contact)
		return err
	})
	if err != nil {
		return err
	}
	return notConnected(c.agent.Rotate(ctx, connection))
}

// Resync makes the encryption with a contact anew, as is needed when a backup was restored. Notices
// tell how it goes on. The error is ErrNoContact or ErrNotConnected.
func (c *Chat) Resync(ctx context.Context, contact int64) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		connection, err := mendable(tx, contact)
		if err != nil {
			return err
		}
		return notConnected(c.agent.Resync(tx, connection, true))
	})
}

// mendable returns the connection that leads to a contact. There is nobody to mend it with in notes to oneself, and with who has left.
func mendable(tx *store.Tx, contact int64) (connection int64, err error) {
	row, err := findContact(tx, contact)
	if err != nil {
		return 0, err
	}
	if s := ContactState(row.State); s == ContactNotes || s == ContactLeft {
		return 0, ErrNotConnected
	}
	return row.Connection, nil
}

// ReceiveHere has the messages of a contact come to this program again, when another one with the same data receives them.
func (c *Chat) ReceiveHere(ctx context.Context, contact int64) error {
	connection, err := c.connection(ctx, contact)
	if err == nil && connection == 0 {
		err = ErrNotConnected
	}
	if err != nil {
		return err
	}
	return notConnected(c.agent.ReceiveHere(ctx, connection))
}

// ReceiveAddressHere has the requests at the address come to this program again, when another one with the same data receives them.
// The error is ErrNoAddress if there is none.
func (c *Chat) ReceiveAddressHere(ctx context.Context) error {
	var connection int64
	err := c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findAddress(tx)
		if err == nil {
			connection = row.Connection
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.agent.ReceiveHere(ctx, connection)
}

// notConnected makes ErrNotConnected of what the agent says about a connection that is not there yet, or not any more.
func notConnected(err error) error {
	if errors.Is(err, agent.ErrNotConnected) {
		return ErrNotConnected
	}
	return err
}
