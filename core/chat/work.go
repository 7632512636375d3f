package chat

import (
	"context"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// Some things can't be done in the transaction from which they follow, because it is the agent's:
// accepting a request automatically, greeting, telling contacts what has changed about us, and deleting what is too much
// for one transaction. What is to be done stands in the database, so that nothing is forgotten after a crash.

// wake has the worker behind ch look for something to do.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// later has the worker look for something to do after the commit.
func (c *Chat) later(tx *store.Tx) { tx.AfterCommit(func() { wake(c.due) }) }

// work does what is to be done, until the Chat is closed.
func (c *Chat) work() {
	for {
		select {
		case <-c.due:
		case <-c.ctx.Done():
			return
		}
		c.acceptAll()
		c.greetAll()
		c.tellAll()
		c.purgeAll()
		c.sweep()
		c.mergeIndex()
		c.forget()
	}
}

// acceptAll accepts the requests that are to be accepted automatically.
func (c *Chat) acceptAll() {
	var requests []*store.ContactRequest
	var incognito, greet bool
	err := c.db.View(c.ctx, func(tx *store.Tx) (err error) {
		address, err := tx.Address()
		if err != nil {
			return err
		}
		incognito, greet = address.Incognito, address.Greeting != ""
		requests, err = tx.ContactRequests(true)
		return err
	})
	if err != nil {
		return
	}
	for _, r := range requests {
		if _, err := c.accept(c.ctx, r.ID, incognito, greet); err == nil || errors.Is(err, ErrNoRequest) {
			continue
		}
		// It can't be accepted: whoever looks at the requests is told why.
		_ = c.db.Update(c.ctx, func(tx *store.Tx) error {
			row, err := findRequest(tx, r.ID)
			if err != nil {
				return err
			}
			row.Auto = false
			c.publishRequest(tx, row)
			return tx.SaveContactRequest(row)
		})
	}
}

// forget forgets what is kept for a while only.
func (c *Chat) forget() {
	_ = c.db.Update(c.ctx, func(tx *store.Tx) error {
		return errors.Join(tx.ForgetRemoved(c.now().Add(-rememberRemoved)), tx.ForgetUploads(c.now().Add(-rememberUpload)))
	})
}

// greetAll sends the greeting to the contacts that were accepted automatically.
func (c *Chat) greetAll() {
	c.each(func(tx *store.Tx) ([]int64, error) { return tx.ContactsToGreet(string(ContactConnected)) }, c.greet)
}

func (c *Chat) greet(tx *store.Tx, row *store.Contact) error {
	address, err := tx.Address()
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	id := event.ID(row.GreetID)
	row.Greet, row.GreetID = false, nil
	if err != nil || address.Greeting == "" {
		return c.save(tx, row) // there is none any more
	}
	// The greeting may be a message already that the other side has made of the link's data.
	text := event.Text(address.Greeting)
	m := event.Message{}
	if id != "" {
		m.Event = event.MsgUpdate{MsgID: id, Content: text}
	} else if id, err = event.NewID(c.rand); err != nil {
		return err
	} else {
		m.ID, m.Event = id, event.MsgNew{Content: text}
	}
	i := &store.Item{Contact: row.ID, Own: true, Shared: []byte(id), Kind: string(KindText), Text: address.Greeting, State: string(StatePending), Time: c.now()}
	if err := c.addItem(tx, i); err != nil {
		return err
	}
	if err := c.post(tx, row, i.ID, m); err != nil {
		return err
	}
	row.Active = c.now()
	return c.save(tx, row)
}

// tellAll tells the contacts what we say of ourselves, if that has changed since they were told.
func (c *Chat) tellAll() {
	c.each(func(tx *store.Tx) ([]int64, error) { return tx.ContactsToTell(string(ContactConnected)) }, c.tell)
}

// each does something with each of the contacts that list returns, in a transaction of its own.
// What fails is tried again when there is something to do again: usually the connection can't be
// used right now.
func (c *Chat) each(list func(*store.Tx) ([]int64, error), do func(*store.Tx, *store.Contact) error) {
	var ids []int64
	err := c.db.View(c.ctx, func(tx *store.Tx) (err error) {
		ids, err = list(tx)
		return err
	})
	if err != nil {
		return
	}
	for _, id := range ids {
		_ = c.db.Update(c.ctx, func(tx *store.Tx) error {
			row, err := tx.Contact(id)
			if err != nil {
				return err
			}
			return do(tx, row)
		})
	}
}

// Times between attempts to tell a relay what a link shows; each is twice as long as the one before.
const firstPublish, maxPublish = time.Second, 2 * time.Minute

// publishLink keeps what the relay has for the short link of the address as it should be, until the
// Chat is closed.
func (c *Chat) publishLink() {
	wait := firstPublish
	var again <-chan time.Time
	for {
		select {
		case <-c.publishing:
			wait = firstPublish
		case <-again:
		case <-c.ctx.Done():
			return
		}
		again = nil
		if err := c.publishOnce(c.ctx); err != nil {
			again = time.After(wait)
			wait = min(2*wait, maxPublish)
		}
	}
}

// publishOnce tells the relay what the link shows, if it does not know.
func (c *Chat) publishOnce(ctx context.Context) error {
	var data []byte
	var connection int64
	current := func(tx *store.Tx) (*store.Address, []byte, error) {
		row, err := tx.Address()
		if err != nil {
			return nil, nil, err
		}
		data, err := linkData(tx, row.Greeting, row.Incognito)
		return row, data, err
	}
	err := c.db.View(ctx, func(tx *store.Tx) error {
		row, d, err := current(tx)
		if err == nil && !row.Published && row.Link != row.FullLink {
			data, connection = d, row.Connection
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && connection == 0 {
		return nil
	} else if err != nil {
		return err
	}
	if err := c.agent.SetLinkData(ctx, connection, data); err != nil && !errors.Is(err, agent.ErrLink) && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, d, err := current(tx)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		if row.Connection != connection || string(d) != string(data) {
			return nil // it has changed meanwhile, and there is a wake for that
		}
		row.Published = true
		return tx.SaveAddress(row)
	})
}
