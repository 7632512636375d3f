package chat

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// Errors of addresses.
var (
	// ErrNoAddress tells that the profile has no address.
	ErrNoAddress = errors.New("the profile has no address")
	// ErrAddressExists tells that the profile has an address already.
	ErrAddressExists = errors.New("the profile has an address already: delete it first")
)

// maxGreeting is the longest greeting, in bytes: with the profile it fits into the data of a link,
// and into one message.
const maxGreeting = 4096

// AddressSettings say how requests at the address are received.
type AddressSettings struct {
	// Greeting is shown to who opens the address, before that person connects. Up to 4096 bytes.
	Greeting string
	// AutoAccept accepts requests without asking, and sends the greeting as a message.
	AutoAccept bool
	// Incognito has the address show no name of the profile's, and AutoAccept use one of its own for each contact.
	Incognito bool
}

// Address is where anybody can ask to be connected with the profile.
type Address struct {
	Link     string // the short one if the relay keeps such
	Full     string // the form of it that says everything itself
	Settings AddressSettings
	Failure  Failure // why nobody can use it any more, empty if they can
	Created  time.Time
	// Elsewhere tells that another program with the same data receives the requests, since this one did; see
	// Chat.ReceiveAddressHere.
	Elsewhere bool
}

func (c *Chat) newAddress(row *store.Address) Address {
	_, elsewhere := c.elsewhere.Load(ofAddress)
	return Address{Link: row.Link, Full: row.FullLink, Failure: Failure(row.Failure), Created: row.Created, Elsewhere: elsewhere,
		Settings: AddressSettings{Greeting: row.Greeting, AutoAccept: row.AutoAccept, Incognito: row.Incognito}}
}

// nameless is the name that an address shows in place of the profile's: the network's apps want one.
const nameless = "Incognito"

// linkData is what the short link of the address is to show.
func linkData(tx *store.Tx, greeting string, incognito bool) ([]byte, error) {
	p := event.Profile{DisplayName: nameless}
	if !incognito {
		var err error
		if p, err = publicProfile(tx); err != nil {
			return nil, err
		}
	}
	d := event.LinkData{Profile: &p}
	if greeting != "" {
		text := event.Text(greeting)
		d.Message = &text
	}
	return encodeLink(d)
}

// encodeLink writes what a short link shows: without the picture if that is too large for it, which is told in the
// handshake then.
func encodeLink(d event.LinkData) ([]byte, error) {
	data, err := event.EncodeLinkData(d)
	if tooLarge := new(event.TooLargeError); errors.As(err, &tooLarge) {
		d.Profile.Image = ""
		return event.EncodeLinkData(d)
	}
	return data, err
}

// MakeAddress makes the address of the profile. It waits for the relay, for as long as ctx
// allows. The error is ErrAddressExists if there is one.
func (c *Chat) MakeAddress(ctx context.Context) (a Address, err error) {
	c.making.Lock()
	defer c.making.Unlock()
	var data []byte
	err = c.db.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Address()
		if err == nil {
			return ErrAddressExists
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		data, err = linkData(tx, "", false)
		return err
	})
	if err != nil {
		return a, err
	}
	_, err = c.agent.MakeAddress(ctx, data, func(tx *store.Tx, connection int64, i agent.Invitation) error {
		short, full := linkTexts(i)
		now, err := linkData(tx, "", false)
		if err != nil {
			return err
		}
		row := &store.Address{Connection: connection, Link: short, FullLink: full, Created: c.now(), Published: bytes.Equal(now, data)}
		if err := tx.InsertAddress(row); err != nil {
			return err
		}
		tx.AfterCommit(func() { wake(c.publishing) }) // the name may have changed meanwhile
		c.elsewhere.Delete(ofAddress)                 // of the last one
		a = c.newAddress(row)
		c.publishAddress(tx, &a)
		return nil
	})
	if err != nil {
		return Address{}, err
	}
	return a, nil
}

// Address returns the address of the profile, or ErrNoAddress.
func (c *Chat) Address(ctx context.Context) (a Address, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		row, err := findAddress(tx)
		if err == nil {
			a = c.newAddress(row)
		}
		return err
	})
	return a, err
}

func findAddress(tx *store.Tx) (*store.Address, error) {
	row, err := tx.Address()
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoAddress
	}
	return row, err
}

// SetAddressSettings sets how requests are received from now on; those that wait go on waiting.
// The relay gets to know the greeting as soon as it can be reached. The error is ErrNoAddress, or
// a *MessageTooLongError of the greeting.
func (c *Chat) SetAddressSettings(ctx context.Context, s AddressSettings) error {
	s.Greeting = strings.TrimSpace(strings.ToValidUTF8(s.Greeting, "\uFFFD"))
	if len(s.Greeting) > maxGreeting {
		return &MessageTooLongError{Size: len(s.Greeting), Limit: maxGreeting}
	}
	// What has to be escaped is longer than it looks.
	_, err := event.Encode(event.Message{Event: event.MsgNew{Content: event.Text(s.Greeting)}}, event.ConnInfoLimits(event.Versions.Min, true))
	if tooLarge := new(event.TooLargeError); errors.As(err, &tooLarge) {
		return &MessageTooLongError{Size: tooLarge.Size, Limit: tooLarge.Limit}
	} else if err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findAddress(tx)
		if err != nil {
			return err
		}
		row.Greeting, row.AutoAccept, row.Incognito = s.Greeting, s.AutoAccept, s.Incognito
		if err := tx.SaveAddress(row); err != nil {
			return err
		}
		a := c.newAddress(row)
		c.publishAddress(tx, &a)
		return c.republish(tx)
	})
}

// DeleteAddress deletes the address, with the requests that wait at it. Contacts that came from it
// stay. The error is ErrNoAddress if there is none.
func (c *Chat) DeleteAddress(ctx context.Context) error {
	c.connecting.Lock()
	defer c.connecting.Unlock()
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findAddress(tx)
		if err != nil {
			return err
		}
		for _, auto := range []bool{false, true} {
			requests, err := tx.ContactRequests(auto)
			if err != nil {
				return err
			}
			for _, r := range requests {
				c.publishRemoved(tx, r)
			}
		}
		c.publishAddress(tx, nil)
		return c.agent.Delete(tx, row.Connection)
	})
}

// addressFailed marks the address as failed, if the connection is that of the address.
func (c *Chat) addressFailed(tx *store.Tx, connection int64, failure Failure) (ours bool, err error) {
	row, err := tx.Address()
	if errors.Is(err, store.ErrNotFound) || err == nil && row.Connection != connection {
		return false, nil
	} else if err != nil {
		return false, err
	}
	row.Failure = string(failure)
	a := c.newAddress(row)
	c.publishAddress(tx, &a)
	return true, tx.SaveAddress(row)
}

func (c *Chat) publishAddress(tx *store.Tx, a *Address) {
	tx.AfterCommit(func() { c.cfg.Publish(AddressChanged{a}) })
}

// republish has the relay told what the short link of the address is to show.
func (c *Chat) republish(tx *store.Tx) error {
	row, err := tx.Address()
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	row.Published = false
	tx.AfterCommit(func() { wake(c.publishing) })
	return tx.SaveAddress(row)
}
