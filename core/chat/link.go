package chat

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Errors of links. A *LinkKindError tells that a link can't be opened by this version.
var (
	// ErrNotLink tells that a text has no link of the network in it.
	ErrNotLink = errors.New("this is not a link for connecting")
	// ErrDamagedLink tells that a link was not copied as a whole, or was changed.
	ErrDamagedLink = errors.New("the link is incomplete or damaged: copy it again as a whole")
	// ErrNewerLink tells that a link was made by a program that is too new, or far too old.
	ErrNewerLink = errors.New("the link was made by a newer version: update this program")
	// ErrOwnLink tells that a link was made here, by the same profile.
	ErrOwnLink = errors.New("this is your own link: give it to somebody else")
)

// LinkKindError tells that a link leads to something that this version can't connect with.
type LinkKindError struct {
	Kind  agent.LinkKind
	Short bool // its data is kept by a relay
}

func (e *LinkKindError) Error() string {
	form := "link"
	if e.Short {
		form = "short link"
	}
	return fmt.Sprintf("this version can't open a %s of the kind %v: ask for a full one-time link", form, e.Kind)
}

// Plan tells what opening a link would do.
type Plan struct {
	Own   bool        // it was made here, by the same profile: it is to be given to somebody else
	Known *Contact    // who made it or opened it, if the link was used here before
	Relay wire.Server // where the queue of the link is
}

// Invite makes a one-time link to be given to somebody, and the contact that will be that
// person. It waits for the relay, for as long as ctx allows.
func (c *Chat) Invite(ctx context.Context) (contact Contact, link string, err error) {
	_, err = c.agent.Invite(ctx, nil, func(tx *store.Tx, connection int64, i agent.Invitation) error {
		link = i.Full.String()
		row, err := c.newContact(tx, connection, ContactInvited, link)
		if err != nil {
			return err
		}
		if contact, err = loadContact(tx, row); err != nil {
			return err
		}
		return c.publishContact(tx, row)
	})
	if err != nil {
		return Contact{}, "", err
	}
	return contact, link, nil
}

// Plan tells what opening the link in a text would do, without doing anything. The error is
// one of the errors of links.
func (c *Chat) Plan(ctx context.Context, text string) (Plan, error) {
	link, err := parseLink(text)
	if err != nil {
		return Plan{}, err
	}
	return c.plan(ctx, link)
}

// Connect opens the link in a text. It goes on in the background: the contact that is returned
// is connecting. A link that was opened here before leads to the same contact. The error is
// one of the errors of links, of which the use by somebody else shows only later, as
// FailureLinkUsed of the contact.
func (c *Chat) Connect(ctx context.Context, text string) (contact Contact, err error) {
	link, err := parseLink(text)
	if err != nil {
		return contact, err
	}
	c.connecting.Lock()
	defer c.connecting.Unlock()
	plan, err := c.plan(ctx, link)
	switch {
	case err != nil:
		return contact, err
	case plan.Own:
		return contact, ErrOwnLink
	case plan.Known != nil && plan.Known.State != ContactFailed:
		return *plan.Known, nil
	}
	var info []byte
	err = c.db.View(ctx, func(tx *store.Tx) (err error) {
		info, err = ownInfo(tx)
		return err
	})
	if err != nil {
		return contact, err
	}
	_, err = c.agent.Join(ctx, link, info, func(tx *store.Tx, connection int64) error {
		row, err := c.newContact(tx, connection, ContactConnecting, "")
		if err != nil {
			return err
		}
		if contact, err = loadContact(tx, row); err != nil {
			return err
		}
		return c.publishContact(tx, row)
	})
	if errors.Is(err, agent.ErrLinkVersion) {
		return Contact{}, ErrNewerLink
	} else if err != nil {
		return Contact{}, err
	}
	return contact, nil
}

// plan looks for the queue of a link among those of the profile.
func (c *Chat) plan(ctx context.Context, link agent.Link) (plan Plan, err error) {
	q := link.Queues[0].QueueAddress
	plan.Relay = q.Server
	same := func(server string, senderID []byte) bool {
		s, err := wire.ParseServer(server)
		return err == nil && q.Same(agent.QueueAddress{Server: s, SenderID: smp.ID(senderID)})
	}
	err = c.db.View(ctx, func(tx *store.Tx) error {
		known := func(connection int64) error {
			row, err := tx.ContactOf(connection)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			contact, err := loadContact(tx, row)
			plan.Known = &contact
			return err
		}
		received, err := tx.ReceiveQueuesBySender([]byte(q.SenderID))
		if err != nil {
			return err
		}
		for _, r := range received {
			if same(r.Server, r.SenderID) {
				plan.Own = true
				return known(r.Connection)
			}
		}
		sent, err := tx.SendQueuesBySender([]byte(q.SenderID))
		if err != nil {
			return err
		}
		for _, s := range sent {
			if same(s.Server, s.SenderID) {
				if err := known(s.Connection); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return plan, err
}

// parseLink reads the one-time link in a text.
func parseLink(text string) (link agent.Link, err error) {
	word, err := findLink(text)
	if err != nil {
		return link, err
	}
	full, short, err := agent.ParseLink(word)
	switch {
	case errors.Is(err, agent.ErrLinkVersion), errors.Is(err, ratchet.ErrVersion):
		return link, ErrNewerLink
	case err != nil:
		return link, fmt.Errorf("%w: %w", ErrDamagedLink, err)
	case short != nil:
		return link, &LinkKindError{short.Kind, true}
	case full.Kind != agent.LinkInvitation:
		return link, &LinkKindError{full.Kind, false}
	}
	return *full, nil
}

// findLink finds the first word of a text that looks like a link of the network, so that a
// whole message with a link in it can be pasted (agent.md §5 and §6).
func findLink(text string) (string, error) {
	for word := range strings.FieldsSeq(text) {
		word = strings.Trim(word, "<>\"'()[]")
		if rest, ok := strings.CutPrefix(word, "simplex:"); ok {
			path, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "#")
			if path != "" && !linkPath(path) {
				return "", ErrNewerLink
			}
			return word, nil
		}
		head, _, marked := strings.Cut(word, "#")
		u, err := url.Parse(head)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			continue
		}
		// One letter alone is the path of many pages.
		if path := strings.Trim(u.Path, "/"); linkPath(path) && (marked || len(path) > 1) {
			return word, nil
		}
	}
	return "", ErrNotLink
}

// linkPath tells whether links have this path.
func linkPath(path string) bool {
	switch strings.ToLower(strings.Trim(path, "/")) {
	case "invitation", "contact", "i", "a", "c", "g", "r":
		return true
	}
	return false
}
