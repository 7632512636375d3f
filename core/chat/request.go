package chat

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/store"
)

// ErrNoRequest tells that there is no such request, or not any more.
var ErrNoRequest = errors.New("there is no such request")

// maxAutoAccept is how many contacts may be about to be connected with after they were accepted
// automatically. Further requests wait to be answered: anybody can send any number.
const maxAutoAccept = 50

// Request is somebody who opened the address and asks to be connected.
type Request struct {
	ID         int64
	Name       string    // as that person calls itself; empty if nothing of it can be shown
	Message    string    // a first message, empty for none
	AvatarSeed uint32    // random, never sent
	Created    time.Time // when it arrived
}

func newRequest(row *store.ContactRequest) Request {
	r := Request{ID: row.ID, Name: row.Name, AvatarSeed: uint32(row.Avatar), Created: row.Created}
	if _, e, ok := parseRequest(row.Info); ok && e.Content != nil {
		r.Message = e.Content.Text
	}
	return r
}

// parseRequest reads who asks to be connected. Old programs send no more than a profile.
func parseRequest(info []byte) (m event.Message, e event.Contact, ok bool) {
	msgs, _ := event.Parse(info)
	if len(msgs) != 1 {
		return m, e, false
	}
	switch p := msgs[0].Event.(type) {
	case event.Contact:
		return msgs[0], p, true
	case event.Info:
		return msgs[0], event.Contact{Profile: p.Profile}, true
	}
	return m, e, false
}

// requestKey is by what a request is known that comes again: its id, or, from programs that give it
// none, its link.
func requestKey(id event.ID, link string) []byte {
	sum := sha256.Sum256([]byte("link " + link))
	if id != "" {
		sum = sha256.Sum256([]byte("id " + id))
	}
	return sum[:]
}

// Request stores who wants to connect. A request that comes again is the same request, or the
// contact that was made of it (chat-protocol.md §8).
func (c *Chat) Request(tx *store.Tx, connection, request int64, info []byte) error {
	address, err := tx.Address()
	if errors.Is(err, store.ErrNotFound) || err == nil && address.Connection != connection {
		return c.agent.Reject(tx, request)
	} else if err != nil {
		return err
	}
	_, e, ok := parseRequest(info)
	if !ok {
		return c.agent.Reject(tx, request)
	}
	sent, err := tx.Request(request)
	if err != nil {
		return err
	}
	key := requestKey(e.RequestID, sent.Link)
	switch row, err := tx.ContactByRequest(key); {
	case err == nil && (ContactState(row.State) == ContactConnecting || ContactState(row.State) == ContactConnected):
		if err := c.profileChanged(tx, row, e.Profile, c.now()); err != nil {
			return err
		}
		if err := c.save(tx, row); err != nil {
			return err
		}
		return c.agent.Reject(tx, request)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	switch row, err := tx.ContactRequestByShared(key); {
	case err == nil:
		return c.repeat(tx, row, sent, e, info)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	row := &store.ContactRequest{Request: request, Shared: key, Name: event.CleanName(e.Profile.DisplayName), Info: info, Created: c.now()}
	if row.Avatar, err = c.avatarSeed(); err != nil {
		return err
	}
	if address.AutoAccept {
		n, err := tx.CountRequested(string(ContactConnecting))
		if err != nil {
			return err
		}
		row.Auto = n < maxAutoAccept
	}
	if err := tx.InsertContactRequest(row); err != nil {
		return err
	}
	if row.Auto {
		c.later(tx)
		return nil
	}
	c.publishRequest(tx, row)
	return nil
}

// repeat takes over what a request says that came again. The last one that was sent counts.
func (c *Chat) repeat(tx *store.Tx, row *store.ContactRequest, sent *store.Request, e event.Contact, info []byte) error {
	old, err := tx.Request(row.Request)
	if err != nil {
		return err
	}
	forget := sent.ID
	if old.Link != sent.Link {
		row.Request, forget = sent.ID, old.ID
	}
	row.Name, row.Info = event.CleanName(e.Profile.DisplayName), info
	if err := tx.SaveContactRequest(row); err != nil {
		return err
	}
	if !row.Auto {
		c.publishRequest(tx, row)
	}
	return c.agent.Reject(tx, forget)
}

// Requests returns who asks to be connected, oldest first.
func (c *Chat) Requests(ctx context.Context) (list []Request, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.ContactRequests(false)
		for _, row := range rows {
			list = append(list, newRequest(row))
		}
		return err
	})
	return list, err
}

// Accept makes a contact of a request, incognito or under the profile's name. It goes on in the
// background: the contact that is returned is connecting. The error is ErrNoRequest, or
// ErrNewerLink or ErrOlderLink if the other program is too new or too old.
func (c *Chat) Accept(ctx context.Context, id int64, incognito bool) (Contact, error) {
	return c.accept(ctx, id, incognito, false)
}

// accept makes a contact of a request, to whom the greeting is sent if greet is set, or if the other program shows that as our
// first message.
func (c *Chat) accept(ctx context.Context, id int64, incognito, greet bool) (contact Contact, err error) {
	defer fault.Contain(&err) // else one that can't be handled would end the program each time it is started
	c.connecting.Lock()
	defer c.connecting.Unlock()
	var request *store.ContactRequest
	err = c.db.View(ctx, func(tx *store.Tx) (err error) {
		request, err = findRequest(tx, id)
		return err
	})
	if err != nil {
		return contact, err
	}
	m, e, _ := parseRequest(request.Info)
	row := &store.Contact{State: string(ContactConnecting), Avatar: request.Avatar, Request: request.Shared, Greet: greet}
	if e.WelcomeMsgID != "" { // the greeting is a message there already: it is to be one here, too, for answers to lead to it
		row.Greet, row.GreetID = true, []byte(e.WelcomeMsgID)
	}
	if err := setProfile(row, e.Profile); err != nil {
		return contact, err
	}
	info, err := c.introduce(ctx, row, agent.LinkInvitation, incognito)
	if err != nil {
		return contact, err
	}
	_, err = c.agent.Accept(ctx, request.Request, info, func(tx *store.Tx, connection int64) error {
		// It is still there if it came again meanwhile, with another link.
		if r, err := tx.ContactRequest(id); err == nil {
			if err := c.agent.Reject(tx, r.Request); err != nil {
				return err
			}
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		c.publishRemoved(tx, request)
		row.Connection = connection
		if _, err := c.addContact(tx, row); err != nil {
			return err
		}
		if err := c.meet(tx, row, m, e.Profile); err != nil {
			return err
		}
		if e.Content != nil {
			if err := c.received(tx, row, m, e.MsgID, event.MsgNew{Content: *e.Content}, request.Created); err != nil {
				return err
			}
			if err := c.save(tx, row); err != nil {
				return err
			}
		}
		contact, err = c.loadContact(tx, row)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Contact{}, ErrNoRequest
	case err != nil:
		return Contact{}, versionError(err)
	}
	return contact, nil
}

// Reject forgets a request. Who sent it is not told. The error is ErrNoRequest.
func (c *Chat) Reject(ctx context.Context, id int64) error {
	c.connecting.Lock()
	defer c.connecting.Unlock()
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findRequest(tx, id)
		if err != nil {
			return err
		}
		c.publishRemoved(tx, row)
		return c.agent.Reject(tx, row.Request)
	})
}

func findRequest(tx *store.Tx, id int64) (*store.ContactRequest, error) {
	row, err := tx.ContactRequest(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoRequest
	}
	return row, err
}

func (c *Chat) publishRequest(tx *store.Tx, row *store.ContactRequest) {
	r := newRequest(row)
	tx.AfterCommit(func() { c.cfg.Publish(RequestAdded{r}) })
}

// publishRemoved tells that a request is gone, if anybody was told of it.
func (c *Chat) publishRemoved(tx *store.Tx, row *store.ContactRequest) {
	if id := row.ID; !row.Auto {
		tx.AfterCommit(func() { c.cfg.Publish(RequestRemoved{id}) })
	}
}
