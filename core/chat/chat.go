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
//	item, err := c.Send(ctx, contact.ID, chat.NewMessage{Text: "hello"})
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
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/blob"
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

// Config is what a Chat works with.
type Config struct {
	// Agent is the configuration of the agent, of which Handler is set by New.
	Agent agent.Config
	// Publish is called with each event, in the order of the commits. It must not wait.
	Publish func(Event)
	// Files is what is needed for files.
	Files FilesConfig
	// RelayState is called when the session with a relay changes. It must not wait.
	RelayState func(server wire.Server, up bool, reason error)
	// StoreState is called with the reason when what arrives can't be stored, and with nil when it can again. It must not wait.
	StoreState func(reason error)
}

// Chat keeps the conversations of one profile. Its methods are safe for concurrent use.
type Chat struct {
	cfg   Config
	db    *store.DB
	agent *agent.Agent
	now   func() time.Time
	rand  io.Reader

	blobs        *blob.Dir
	pool         *xftp.Pool
	transferring chan struct{} // holds one for each file that is on its way

	mu            sync.Mutex          // also held while a goroutine is started that is not there from the beginning
	transfers     map[int64]*transfer // by item
	acknowledging int                 // of how many files relays are being told that they were received
	leaving       bool                // no file begins to move, see DeleteUploads

	making     sync.Mutex // held while an address is made
	connecting sync.Mutex // held while a link is opened, or a request answered

	live lives // our messages that are being written

	elsewhere sync.Map // by id: the contacts whose messages another program receives, and likewise the address, see ofAddress
	held      sync.Map // by id: the hosts of the relays of contacts to which nothing is sent at present

	// What happens in the background, see work.go, expire.go and discard.go.
	ctx                       context.Context
	cancel                    context.CancelFunc
	workers                   sync.WaitGroup
	moving                    sync.WaitGroup // the goroutines of files
	due, publishing, expiring chan struct{}
	discarding                chan struct{}
}

var _ agent.Handler = (*Chat)(nil)

// New returns a Chat, which does nothing before Start.
func New(cfg Config) *Chat {
	c := &Chat{cfg: cfg, db: cfg.Agent.DB, now: cfg.Agent.Now, rand: cfg.Agent.Rand,
		due: make(chan struct{}, 1), publishing: make(chan struct{}, 1), expiring: make(chan struct{}, 1), discarding: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.pool, c.transfers, c.transferring = xftp.NewPool(cfg.Files.Network), map[int64]*transfer{}, make(chan struct{}, maxTransfers)
	cfg.Agent.Handler = c
	c.agent = agent.New(cfg.Agent)
	return c
}

// Start connects to the relays and goes on with what was not finished.
func (c *Chat) Start(ctx context.Context) error {
	// What was being written when the program ended is as it is.
	if err := c.db.Update(ctx, c.endLive); err != nil {
		return err
	}
	if err := c.startFiles(ctx); err != nil {
		return err
	}
	if err := c.agent.Start(ctx); err != nil {
		return err
	}
	c.workers.Go(c.work)
	c.workers.Go(c.publishLink)
	c.workers.Go(c.expire)
	c.workers.Go(c.discardAll)
	wake(c.due)
	wake(c.publishing)
	wake(c.expiring)
	wake(c.discarding)
	return nil
}

// Reconnect tries to reach relays and to send what waits at once, as when the network is back.
func (c *Chat) Reconnect() {
	c.agent.Retry()
	c.pool.Reset()
	wake(c.publishing)
}

// Reroute makes all connections anew, as Config.Agent.Network.Path answers from now on.
func (c *Chat) Reroute() {
	c.restartTransfers()
	c.agent.Reconnect()
	c.pool.Reset()
}

// Close ends everything that is under way and waits for it.
func (c *Chat) Close() {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.pool.Close()
	c.moving.Wait()
	c.workers.Wait()
	c.agent.Close()
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
	if contact, err = c.loadContact(tx, row); err != nil {
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
		items, err := tx.LastItems()
		if err != nil {
			return err
		}
		own, err := ownPreferences(tx)
		if err != nil {
			return err
		}
		last := make(map[int64]*Item, len(items))
		for _, row := range items {
			i := newItem(row)
			last[row.Contact] = &i
		}
		list = make([]Contact, 0, len(rows))
		for _, row := range rows {
			if ContactState(row.State) == contactDeleted {
				continue
			}
			contact := c.newContact(row, own)
			contact.Last = last[row.ID]
			list = append(list, contact)
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
		contact, err = c.loadContact(tx, row)
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

// Changes returns up to limit items that were added or changed after a change, in the order of the first number of each (Added, Stated,
// Touched) that is above it: that of the last one is where the caller goes on.
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

// MarkRead tells that all messages of a contact were seen. The time of those that disappear begins to run.
func (c *Chat) MarkRead(ctx context.Context, contact int64) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		last, err := tx.LastItem(contact)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		for {
			timed, err := tx.ItemsToTime(contact, last.ID, maxPage)
			if err != nil {
				return err
			}
			for _, i := range timed {
				c.startTimer(tx, i)
				if err := c.saveItem(tx, i); err != nil {
					return err
				}
			}
			if len(timed) < maxPage {
				break
			}
		}
		if row.Unread == 0 && row.Read >= last.ID {
			return nil
		}
		changed := row.Unread != 0
		row.Unread, row.Read = 0, last.ID
		if !changed {
			return tx.SaveContact(row)
		}
		return c.save(tx, row)
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

// SetMuted sets whether messages of a contact are only counted.
func (c *Chat) SetMuted(ctx context.Context, contact int64, on bool) error {
	return c.change(ctx, contact, func(row *store.Contact) bool { return set(&row.Muted, on) })
}

// SetPinned sets whether a conversation stands above the others.
func (c *Chat) SetPinned(ctx context.Context, contact int64, on bool) error {
	return c.change(ctx, contact, func(row *store.Contact) bool { return set(&row.Pinned, on) })
}

// SetArchived sets whether a conversation stands apart from the others. One that is not muted comes back
// with the next message.
func (c *Chat) SetArchived(ctx context.Context, contact int64, on bool) error {
	return c.change(ctx, contact, func(row *store.Contact) bool { return set(&row.Archived, on) })
}

// SetBlocked sets whether a contact is blocked. What it sends then is received and dropped: it gets no receipt,
// is not told, and nothing of that comes back when it is not blocked any more. That it takes back messages, has
// another name or leaves is taken note of all the same.
func (c *Chat) SetBlocked(ctx context.Context, contact int64, on bool) error {
	return c.change(ctx, contact, func(row *store.Contact) bool { return set(&row.Blocked, on) })
}

func set(to *bool, on bool) (changed bool) {
	changed = *to != on
	*to = on
	return changed
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
	contact, err := c.loadContact(tx, row)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() { c.cfg.Publish(ContactChanged{contact}) })
	return nil
}

func findContact(tx *store.Tx, id int64) (*store.Contact, error) {
	row, err := tx.Contact(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && ContactState(row.State) == contactDeleted {
		return nil, ErrNoContact
	}
	return row, err
}

// contactOf returns the contact that a connection leads to, or store.ErrNotFound if it was deleted here.
func contactOf(tx *store.Tx, connection int64) (*store.Contact, error) {
	row, err := tx.ContactOf(connection)
	if err == nil && ContactState(row.State) == contactDeleted {
		return nil, store.ErrNotFound
	}
	return row, err
}
