// Package chat keeps conversations as people know them: contacts, and what was said.
//
// A Chat belongs to one profile. It is the [agent.Handler] of the profile's agent: what
// arrives is stored in the transaction in which the agent stores it, and told with
// [Config.Publish] once that is committed. What people do are its methods:
//
//	c := chat.New(chat.Config{Agent: agent.Config{DB: db, ...}, Publish: show})
//	err := c.Start(ctx)
//	defer c.Close()
//	contact, link, err := c.Invite(ctx)
//	item, err := c.Send(ctx, contact.ID, "hello")
//
// Nothing that a peer sends is lost: what this version does not understand is kept as it
// came and shown as such.
package chat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Errors of what people do.
var (
	// ErrNoContact tells that there is no such contact, or not any more.
	ErrNoContact = errors.New("there is no such contact")
	// ErrNoItem tells that there is no such message, or not any more.
	ErrNoItem = errors.New("there is no such message")
	// ErrNotConnected tells that a contact can't be sent to, not yet or not any more.
	ErrNotConnected = errors.New("not connected with this contact")
	// ErrEmptyMessage tells that a message has nothing but spaces.
	ErrEmptyMessage = errors.New("the message is empty")
	// ErrNotFailed tells that a message is not one that can be tried again.
	ErrNotFailed = errors.New("only a message that could not be sent can be tried again")
)

// MessageTooLongError tells that a message is longer than can be sent. The sizes are those
// of its encoded form, which for text in Latin letters is about as long as the text.
type MessageTooLongError struct {
	Size  int // bytes that it has
	Limit int // bytes that it may have
}

func (e *MessageTooLongError) Error() string {
	return fmt.Sprintf("the message has %d bytes, where at most %d can be sent: send it in parts", e.Size, e.Limit)
}

// settingName is the setting that holds the profile's own display name.
const settingName = "name"

// Config is what a Chat works with.
type Config struct {
	// Agent is the configuration of the agent, of which Handler is set by New.
	Agent agent.Config
	// Publish is called with each event, in the order of the commits. It must not wait.
	Publish func(Event)
	// RelayState is called when the session with a relay changes. It must not wait.
	RelayState func(server wire.Server, up bool, reason error)
}

// Chat keeps the conversations of one profile. Its methods are safe for concurrent use.
type Chat struct {
	cfg   Config
	db    *store.DB
	agent *agent.Agent
	now   func() time.Time
	rand  io.Reader

	connecting sync.Mutex // held while a link is looked up and opened
}

var _ agent.Handler = (*Chat)(nil)

// New returns a Chat, which does nothing before Start.
func New(cfg Config) *Chat {
	c := &Chat{cfg: cfg, db: cfg.Agent.DB, now: cfg.Agent.Now, rand: cfg.Agent.Rand}
	cfg.Agent.Handler = c
	c.agent = agent.New(cfg.Agent)
	return c
}

// Start connects to the relays and goes on with what was not finished.
func (c *Chat) Start(ctx context.Context) error { return c.agent.Start(ctx) }

// Reconnect tries to reach relays and to send what waits at once, as when the network is back.
func (c *Chat) Reconnect() { c.agent.Retry() }

// Close ends everything that is under way and waits for it.
func (c *Chat) Close() { c.agent.Close() }

// SetName sets the display name of the profile, which contacts get to know when they
// connect. The error wraps [event.ErrName] if it can't be used.
func SetName(tx *store.Tx, name string) error {
	if err := event.CheckName(name); err != nil {
		return err
	}
	return tx.SetSetting(settingName, []byte(name))
}

// Name returns the display name of the profile.
func Name(tx *store.Tx) (string, error) {
	name, err := tx.Setting(settingName)
	return string(name), err
}

// ownInfo is what a contact gets to know of us in the handshake.
func ownInfo(tx *store.Tx) ([]byte, error) {
	name, err := Name(tx)
	if err != nil {
		return nil, err
	}
	// Nothing is known of the peer yet, so the limits are the smallest there are.
	limits := event.ConnInfoLimits(event.Versions.Min, true)
	return event.Encode(event.Message{Event: event.Info{Profile: event.Profile{DisplayName: name}}}, limits)
}

// newContact stores a new contact.
func (c *Chat) newContact(tx *store.Tx, connection int64, state ContactState, link string) (*store.Contact, error) {
	var seed [4]byte
	if _, err := io.ReadFull(c.rand, seed[:]); err != nil {
		return nil, fmt.Errorf("reading randomness for an avatar: %w", err)
	}
	now := c.now()
	row := &store.Contact{Connection: connection, State: string(state), Link: link, VersionMin: 1, VersionMax: 1,
		Avatar: int64(binary.BigEndian.Uint32(seed[:])), Created: now, Active: now}
	return row, tx.InsertContact(row)
}

// Contacts returns all contacts, the one that was active last first.
func (c *Chat) Contacts(ctx context.Context) (list []Contact, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Contacts()
		if err != nil {
			return err
		}
		list = make([]Contact, len(rows))
		for i, row := range rows {
			if list[i], err = loadContact(tx, row); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// Contact returns a contact, or ErrNoContact.
func (c *Chat) Contact(ctx context.Context, id int64) (contact Contact, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, id)
		if err != nil {
			return err
		}
		contact, err = loadContact(tx, row)
		return err
	})
	return contact, err
}

// Unread returns the number of unread messages of all contacts.
func (c *Chat) Unread(ctx context.Context) (n int, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Unread()
		return err
	})
	return n, err
}

// maxPage is the largest number of items that are read at once.
const maxPage = 1000

// History returns up to limit items of a contact in the order of the conversation, the newest
// of those whose id is below before. With before 0 they are the newest of all.
func (c *Chat) History(ctx context.Context, contact, before int64, limit int) (list []Item, err error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	err = c.db.View(ctx, func(tx *store.Tx) error {
		if _, err := findContact(tx, contact); err != nil {
			return err
		}
		rows, err := tx.ItemsBefore(contact, before, min(max(limit, 0), maxPage))
		if err != nil {
			return err
		}
		list = make([]Item, len(rows))
		for i, row := range rows {
			list[len(rows)-1-i] = newItem(row)
		}
		return nil
	})
	return list, err
}

// Changes returns up to limit items that were added or changed after a change, which is the
// Change of the last item that the caller has seen, in the order in which that happened.
func (c *Chat) Changes(ctx context.Context, after int64, limit int) (list []Item, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.ItemsChangedAfter(after, min(max(limit, 0), maxPage))
		if err != nil {
			return err
		}
		list = make([]Item, len(rows))
		for i, row := range rows {
			list[i] = newItem(row)
		}
		return nil
	})
	return list, err
}

// MarkRead tells that all messages of a contact were seen.
func (c *Chat) MarkRead(ctx context.Context, contact int64) error {
	return c.change(ctx, contact, func(row *store.Contact) bool {
		changed := row.Unread != 0
		row.Unread = 0
		return changed
	})
}

// maxDraft is the longest draft that is kept, in bytes: about four messages.
const maxDraft = 1 << 16

// SetDraft keeps what was written to a contact and not sent yet, up to 64 KiB of it.
func (c *Chat) SetDraft(ctx context.Context, contact int64, text string) error {
	text = cut(text, maxDraft)
	return c.change(ctx, contact, func(row *store.Contact) bool {
		changed := row.Draft != text
		row.Draft = text
		return changed
	})
}

// SetAlias sets how a contact is called here, which nobody else gets to know. With an empty
// alias it is called what it calls itself.
func (c *Chat) SetAlias(ctx context.Context, contact int64, alias string) error {
	alias = event.CleanName(alias)
	return c.change(ctx, contact, func(row *store.Contact) bool {
		changed := row.Alias != alias
		row.Alias = alias
		return changed
	})
}

// change stores what f changes in a contact, if it tells that it changed something.
func (c *Chat) change(ctx context.Context, id int64, f func(row *store.Contact) bool) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, id)
		if err != nil || !f(row) {
			return err
		}
		return c.save(tx, row)
	})
}

// DeleteContact deletes a contact here, with all that was said. Its queue is deleted on the
// relay, so that an invitation that was not opened yet can't be opened any more.
func (c *Chat) DeleteContact(ctx context.Context, id int64) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, id)
		if err != nil {
			return err
		}
		if row.Connection != 0 {
			if err := c.agent.Delete(tx, row.Connection); err != nil {
				return err
			}
		}
		if err := tx.DeleteContact(id); err != nil {
			return err
		}
		tx.AfterCommit(func() { c.cfg.Publish(ContactDeleted{id}) })
		return nil
	})
}

// save stores a contact and publishes it.
func (c *Chat) save(tx *store.Tx, row *store.Contact) error {
	if err := tx.SaveContact(row); err != nil {
		return err
	}
	return c.publishContact(tx, row)
}

// publishContact publishes a contact as it is stored.
func (c *Chat) publishContact(tx *store.Tx, row *store.Contact) error {
	contact, err := loadContact(tx, row)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { c.cfg.Publish(ContactChanged{contact}) })
	return nil
}

// addItem stores a new item and publishes it.
func (c *Chat) addItem(tx *store.Tx, row *store.Item) error {
	row.Created = c.now()
	if err := tx.InsertItem(row); err != nil {
		return err
	}
	item := newItem(row)
	tx.AfterCommit(func() { c.cfg.Publish(ItemAdded{item}) })
	return nil
}

// saveItem stores a changed item and publishes it.
func (c *Chat) saveItem(tx *store.Tx, row *store.Item) error {
	if err := tx.SaveItem(row); err != nil {
		return err
	}
	item := newItem(row)
	tx.AfterCommit(func() { c.cfg.Publish(ItemChanged{item}) })
	return nil
}

func findContact(tx *store.Tx, id int64) (*store.Contact, error) {
	row, err := tx.Contact(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoContact
	}
	return row, err
}
