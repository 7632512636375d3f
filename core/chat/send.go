package chat

import (
	"context"
	"errors"
	"strings"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Send sends a text to a contact. When it returns the message is stored, and will be sent as
// soon as the relay can be reached. The error is ErrNoContact, ErrNotConnected,
// ErrEmptyMessage or a *MessageTooLongError; nothing is stored then.
func (c *Chat) Send(ctx context.Context, contact int64, text string) (item Item, err error) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.TrimSpace(text) == "" {
		return item, ErrEmptyMessage
	}
	id, err := event.NewID(c.rand)
	if err != nil {
		return item, err
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		now := c.now()
		i := &store.Item{Contact: contact, Own: true, Shared: []byte(id), Kind: string(KindText), Text: text, State: string(StatePending), Time: now}
		if err := c.addItem(tx, i); err != nil {
			return err
		}
		if err := c.queue(tx, row, i, event.MsgNew{Content: event.Text(i.Text)}); err != nil {
			return err
		}
		row.Active = now
		item = newItem(i)
		return c.save(tx, row)
	})
	if err != nil {
		return Item{}, err
	}
	return item, nil
}

// Retry sends a message of ours again that could not be sent. The contact gets it once even if
// it had arrived after all. The error is ErrNoItem, ErrNotFailed or one of those of Send.
func (c *Chat) Retry(ctx context.Context, id int64) (item Item, err error) {
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		i, err := tx.Item(id)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoItem
		} else if err != nil {
			return err
		}
		if !i.Own || ItemState(i.State) != StateFailed {
			return ErrNotFailed
		}
		row, err := findContact(tx, i.Contact)
		if err != nil {
			return err
		}
		i.State, i.Failure = string(StatePending), ""
		if err := c.saveItem(tx, i); err != nil {
			return err
		}
		if err := c.queue(tx, row, i, event.MsgNew{Content: event.Text(i.Text)}); err != nil {
			return err
		}
		item = newItem(i)
		return c.publishContact(tx, row)
	})
	if err != nil {
		return Item{}, err
	}
	return item, nil
}

// queue hands an item of ours to the agent, which sends it as e after the commit.
func (c *Chat) queue(tx *store.Tx, row *store.Contact, i *store.Item, e event.Event) error {
	return c.post(tx, row, i.ID, event.Message{ID: event.ID(i.Shared), Event: e})
}

// noItem is the reference of messages that are not shown.
const noItem = -1

// post hands a message to the agent.
func (c *Chat) post(tx *store.Tx, row *store.Contact, reference int64, m event.Message) error {
	if row.Connection == 0 || ContactState(row.State) != ContactConnected && ContactState(row.State) != ContactConnecting {
		return ErrNotConnected
	}
	_, pq, err := c.agent.MaxBody(tx, row.Connection)
	if err != nil {
		return err
	}
	body, err := event.Encode(m, event.MessageLimits(chatVersion(row), pq))
	if tooLarge := new(event.TooLargeError); errors.As(err, &tooLarge) {
		return &MessageTooLongError{Size: tooLarge.Size, Limit: tooLarge.Limit}
	} else if err != nil {
		return err
	}
	err = c.agent.Send(tx, row.Connection, reference, body, event.Notifies(m.Event))
	if errors.Is(err, agent.ErrNotConnected) {
		return ErrNotConnected
	} else if err != nil {
		return err
	}
	return nil
}

// chatVersion is the version to talk to a contact with (chat-protocol.md §2).
func chatVersion(row *store.Contact) uint16 {
	v, ok := event.Versions.Agree(wire.VersionRange{Min: row.VersionMin, Max: row.VersionMax})
	if !ok {
		return event.Versions.Min
	}
	return v
}
