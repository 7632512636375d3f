// Package chat keeps conversations as people know them: contacts, and what was said.
//
// A Chat belongs to one profile. It is the [agent.Handler] of the profile's agent: what
// arrives is stored in the transaction in which the agent stores it, and told with
// [Config.Publish] once that is committed. What people do are its methods:
//
//	c := chat.New(chat.Config{Agent: agent.Config{DB: db, ...}, Publish: show})
//	err := c.Start(ctx)
//	defer c.Close()
//	contact, err := c.Invite(ctx, false)
//	item, err := c.Send(ctx, contact.ID, "hello")
//
// People connect by one-time links, each of which is a contact from the beginning, or by the
// profile's address, at which each who opens it becomes a [Request]. Towards a contact the
// profile goes by its own name, or incognito by one that was made up for that contact alone.
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

	making     sync.Mutex // held while an address is made
	connecting sync.Mutex // held while a link is opened, or a request answered

	// What happens in the background, see work.go.
	ctx             context.Context
	cancel          context.CancelFunc
	workers         sync.WaitGroup
	due, publishing chan struct{}
}

var _ agent.Handler = (*Chat)(nil)

// New returns a Chat, which does nothing before Start.
func New(cfg Config) *Chat {
	c := &Chat{cfg: cfg, db: cfg.Agent.DB, now: cfg.Agent.Now, rand: cfg.Agent.Rand, due: make(chan struct{}, 1), publishing: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	cfg.Agent.Handler = c
	c.agent = agent.New(cfg.Agent)
	return c
}

// Start connects to the relays and goes on with what was not finished.
func (c *Chat) Start(ctx context.Context) error {
	if err := c.agent.Start(ctx); err != nil {
		return err
	}
	c.workers.Go(c.work)
	c.workers.Go(c.publishLink)
	wake(c.due)
	wake(c.publishing)
	return nil
}

// Reconnect tries to reach relays and to send what waits at once, as when the network is back.
func (c *Chat) Reconnect() {
	c.agent.Retry()
	wake(c.publishing)
}

// Close ends everything that is under way and waits for it.
func (c *Chat) Close() {
	c.cancel()
	c.workers.Wait()
	c.agent.Close()
}

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

// Rename changes the display name of the profile. Contacts that don't know another name get to
// know it, now or when they can be sent to. The error wraps [event.ErrName] if it can't be used.
func (c *Chat) Rename(ctx context.Context, name string) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		if err := SetName(tx, name); err != nil {
			return err
		}
		c.later(tx)
		return c.republish(tx)
	})
}

// ownName is how we call ourselves towards a contact.
func ownName(tx *store.Tx, incognito string) (string, error) {
	if incognito != "" {
		return incognito, nil
	}
	return Name(tx)
}

// encodeInfo writes what is told in a handshake. Nothing is known of the peer yet, so the limits
// are the smallest there are.
func encodeInfo(e event.Event) ([]byte, error) {
	return event.Encode(event.Message{Event: e}, event.ConnInfoLimits(event.Versions.Min, true))
}

// ownInfo is what a contact gets to know in the handshake of us, who call ourselves name.
func ownInfo(name string) ([]byte, error) {
	return encodeInfo(event.Info{Profile: event.Profile{DisplayName: name}})
}

// avatarSeed returns a random number for the colour of an avatar.
func (c *Chat) avatarSeed() (int64, error) {
	var seed [4]byte
	if _, err := io.ReadFull(c.rand, seed[:]); err != nil {
		return 0, fmt.Errorf("reading randomness for an avatar: %w", err)
	}
	return int64(binary.BigEndian.Uint32(seed[:])), nil
}

// addContact completes and stores a new contact, and publishes it.
func (c *Chat) addContact(tx *store.Tx, row *store.Contact) (contact Contact, err error) {
	if row.Avatar == 0 {
		if row.Avatar, err = c.avatarSeed(); err != nil {
			return contact, err
		}
	}
	row.VersionMin, row.VersionMax, row.Receipts = 1, 1, true
	row.Created = c.now()
	row.Active = row.Created
	if err := tx.InsertContact(row); err != nil {
		return contact, err
	}
	if contact, err = loadContact(tx, row); err != nil {
		return contact, err
	}
	return contact, c.publishContact(tx, row)
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

// SetReceipts sets whether a contact is told that its messages were received. It is, unless this
// was called with false.
func (c *Chat) SetReceipts(ctx context.Context, contact int64, on bool) error {
	return c.change(ctx, contact, func(row *store.Contact) bool {
		changed := row.Receipts != on
		row.Receipts = on
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
