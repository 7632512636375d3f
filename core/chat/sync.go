package chat

import (
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Moved adds a notice that a queue of the conversation is on another relay.
func (c *Chat) Moved(tx *store.Tx, connection int64, mine bool) error {
	row, err := contactOf(tx, connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	kind := KindPeerMoved
	if mine {
		kind = KindMoved
	}
	if err := c.notice(tx, row, kind, 1, c.now()); err != nil {
		return err
	}
	return c.publishContact(tx, row)
}

// ofAddress stands for the address where others are known by the number of a contact.
const ofAddress int64 = 0

// Elsewhere keeps whether another program receives the messages of a contact, or the requests at the address.
func (c *Chat) Elsewhere(tx *store.Tx, connection int64, elsewhere bool) error {
	keep := func(id int64) {
		if elsewhere {
			c.elsewhere.Store(id, true)
		} else {
			c.elsewhere.Delete(id)
		}
	}
	row, err := contactOf(tx, connection)
	if err == nil {
		keep(row.ID)
		return c.publishContact(tx, row)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	address, err := tx.Address()
	if errors.Is(err, store.ErrNotFound) || err == nil && address.Connection != connection {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	keep(ofAddress)
	a := c.newAddress(address)
	c.publishAddress(tx, &a)
	return nil
}

// Held keeps whether what is written to a contact waits, and for which relay.
func (c *Chat) Held(tx *store.Tx, connection int64, relay *wire.Server) error {
	row, err := contactOf(tx, connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if relay != nil {
		c.held.Store(row.ID, relay.Hosts[0])
	} else {
		c.held.Delete(row.ID)
	}
	return c.publishContact(tx, row)
}

// Sync adds a notice when messages can't be decrypted any more before the encryption is
// synchronized again, and one when it is.
func (c *Chat) Sync(tx *store.Tx, connection int64, from, to agent.SyncState) error {
	row, err := contactOf(tx, connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if to == agent.SyncOK {
		c.later(tx)
	}
	if to == agent.SyncAgreed && !row.Verified.IsZero() {
		row.Verified = time.Time{} // there is a new code
		if err := c.save(tx, row); err != nil {
			return err
		}
	}
	var kind ItemKind
	switch {
	case to == agent.SyncRequired:
		kind = KindOutOfSync
	case to == agent.SyncStarted:
		kind = KindSyncing
	case to == agent.SyncOK && from == agent.SyncAgreed:
		kind = KindSynced
	default: // a single message that can't be decrypted has a notice of its own
		return nil
	}
	if err := c.notice(tx, row, kind, 1, c.now()); err != nil {
		return err
	}
	return c.publishContact(tx, row)
}
