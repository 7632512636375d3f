package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/internal/fault"
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
	// ErrNewerLink tells that a link was made by a program that is too new.
	ErrNewerLink = errors.New("the link was made by a newer version: update this program")
	// ErrOlderLink tells that a link was made by a program that is too old.
	ErrOlderLink = errors.New("the link was made by a version that is too old to be talked to: ask for an update there, and then for a new link")
	// ErrLinkUsed tells that a one-time link was opened by somebody else, or taken back.
	ErrLinkUsed = errors.New("the link was used by somebody else, or was taken back: ask for a new one")
	// ErrLinkDeleted tells that an address was deleted by its owner.
	ErrLinkDeleted = errors.New("the address was deleted by its owner: ask for a new one")
	// ErrLinkRelay tells that a short link is on a relay that it names by its host alone, and that
	// this version does not know.
	ErrLinkRelay = errors.New("the short link is on a relay that is not known here: ask for the full link")
	// ErrBusinessLink tells that an address is that of a business, which answers with a group.
	ErrBusinessLink = errors.New("this is the address of a business, which this version can't connect with")
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
	return fmt.Sprintf("this version can't open a %s of the kind %v: ask for a one-time link or the address of a person", form, e.Kind)
}

// Plan tells what opening a link would do.
type Plan struct {
	Kind  agent.LinkKind // LinkInvitation or LinkContact
	Own   bool           // it was made here, by the same profile: it is to be given to somebody else
	Known *Contact       // who made it or opened it, if the link was used here before
	Relay wire.Server    // where the queue of the link is

	// Who made it, and what that person says to whoever opens it, as short links tell. They are empty
	// if the link does not tell, is one's own, or leads to Known. Whoever made it chose them.
	Name, Greeting string

	link    *agent.Link    // to be opened, nil if there is no need to
	key     []byte         // of a short link
	profile *event.Profile // what Name is from
}

// leads tells whether a link leads to a contact that there is already. One that has failed can be
// tried again, and so can an address whose owner has deleted the conversation.
func (p Plan) leads() bool {
	return p.Known != nil && p.Known.State != ContactFailed && (p.Kind != agent.LinkContact || p.Known.State != ContactLeft)
}

// Invite makes a one-time link to be given to somebody, and the contact that will be that
// person. It waits for the relay, for as long as ctx allows.
func (c *Chat) Invite(ctx context.Context, incognito bool) (contact Contact, err error) {
	name, err := c.incognitoName(incognito)
	if err != nil {
		return contact, err
	}
	var data []byte
	err = c.db.View(ctx, func(tx *store.Tx) error {
		p, err := ownProfile(tx, &store.Contact{Incognito: name})
		if err == nil {
			data, err = encodeLink(event.LinkData{Profile: &p})
		}
		return err
	})
	if err != nil {
		return contact, err
	}
	_, err = c.agent.Invite(ctx, data, func(tx *store.Tx, connection int64, i agent.Invitation) error {
		short, full := linkTexts(i)
		contact, err = c.addContact(tx, &store.Contact{Connection: connection, State: string(ContactInvited), Link: short, FullLink: full, Incognito: name})
		return err
	})
	if err != nil {
		return Contact{}, err
	}
	return contact, nil
}

// linkTexts are the two forms of a link. Without a short one, both are the full one.
func linkTexts(i agent.Invitation) (short, full string) {
	full = i.Full.String()
	if i.Short == nil {
		return full, full
	}
	return i.Short.String(), full
}

// Look tells what opening the link in a text would do, as far as that can be told without asking a
// relay. The error is one of the errors of links.
func (c *Chat) Look(ctx context.Context, text string) (Plan, error) {
	full, short, err := parseLink(text)
	if err != nil {
		return Plan{}, err
	}
	return c.look(ctx, full, short)
}

// Plan tells what opening the link in a text would do. For the data of a short link it waits for the
// relay, for as long as ctx allows; a one-time link that was looked at so can be opened by this
// profile alone. The error is one of the errors of links, or tells why the relay could not be
// asked. Nothing was sent to who made the link.
func (c *Chat) Plan(ctx context.Context, text string) (plan Plan, err error) {
	defer fault.Contain(&err)
	full, short, err := parseLink(text)
	if err != nil {
		return plan, err
	}
	plan, err = c.look(ctx, full, short)
	if err != nil || plan.Own || plan.leads() || short == nil {
		return plan, err
	}
	if short.Preset && !slices.ContainsFunc(c.cfg.Agent.Presets, func(s wire.Server) bool { return s.Hosts[0] == short.Server.Hosts[0] }) {
		return Plan{}, ErrLinkRelay
	}
	data, err := c.agent.Resolve(ctx, short)
	if err != nil {
		return Plan{}, resolveError(short.Kind, err)
	}
	shown, err := event.ParseLinkData(data.User)
	switch {
	case err != nil: // only means that nothing is known of who made it
	case shown.GroupProfile != nil:
		return Plan{}, &LinkKindError{agent.LinkGroup, true}
	case shown.RelayProfile != nil:
		return Plan{}, &LinkKindError{agent.LinkRelay, true}
	case shown.Business:
		return Plan{}, ErrBusinessLink
	}
	if plan, err = c.look(ctx, &data.Link, short); err != nil {
		return Plan{}, err
	}
	if shown.Profile != nil && !plan.Own && !plan.leads() {
		plan.Name, plan.profile = event.CleanName(shown.Profile.DisplayName), shown.Profile
		if shown.Message != nil {
			plan.Greeting = cut(shown.Message.Text, maxGreeting)
		}
	}
	return plan, nil
}

// resolveError makes an error of links of why the data of a short link can't be had.
func resolveError(kind agent.LinkKind, err error) error {
	switch {
	case errors.Is(err, agent.ErrLinkUsed) && kind == agent.LinkContact:
		return ErrLinkDeleted
	case errors.Is(err, agent.ErrLinkUsed):
		return ErrLinkUsed
	case errors.Is(err, agent.ErrLinkVersion):
		return versionError(err)
	case errors.Is(err, agent.ErrLink):
		return fmt.Errorf("%w: %w", ErrDamagedLink, err)
	}
	return fmt.Errorf("reading what a link leads to: %w", err)
}

// look finds a link among those of the profile, and what speaks against opening it. What a short
// link leads to need not be known.
func (c *Chat) look(ctx context.Context, full *agent.Link, short *agent.ShortLink) (plan Plan, err error) {
	if full != nil {
		plan.Kind, plan.Relay, plan.link = full.Kind, full.Queues[0].Server, full
	}
	if short != nil {
		plan.Kind, plan.Relay, plan.key = short.Kind, short.Server, short.Key
	}
	err = c.db.View(ctx, func(tx *store.Tx) error {
		known := func(row *store.Contact) error {
			contact, err := c.loadContact(tx, row)
			plan.Known = &contact
			return err
		}
		own, err := findOwn(tx, full, short)
		if err != nil {
			return err
		}
		if own != 0 {
			plan.Own = true
			row, err := contactOf(tx, own)
			if errors.Is(err, store.ErrNotFound) {
				return nil // it is the address
			} else if err != nil {
				return err
			}
			return known(row)
		}
		row, err := findOpened(tx, full, short)
		if err != nil || row == nil {
			return err
		}
		return known(row)
	})
	if err != nil {
		return Plan{}, err
	}
	if plan.Own || plan.leads() {
		plan.link = nil
		return plan, nil
	}
	if full != nil {
		if err := c.agent.Check(*full); err != nil {
			return Plan{}, versionError(err)
		}
	}
	return plan, nil
}

// sameQueue tells whether a stored queue is that of a link.
func sameQueue(l *agent.Link, server string, senderID []byte) bool {
	s, err := wire.ParseServer(server)
	return err == nil && l.Queues[0].Same(agent.QueueAddress{Server: s, SenderID: smp.ID(senderID)})
}

// findOwn returns the connection of a link that was made here, 0 if it was not.
func findOwn(tx *store.Tx, full *agent.Link, short *agent.ShortLink) (connection int64, err error) {
	if short != nil {
		q, err := tx.ReceiveQueueByLink(short.Key)
		if err == nil {
			return q.Connection, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return 0, err
		}
	}
	if full == nil {
		return 0, nil
	}
	queues, err := tx.ReceiveQueuesBySender([]byte(full.Queues[0].SenderID))
	if err != nil {
		return 0, err
	}
	for _, q := range queues {
		if sameQueue(full, q.Server, q.SenderID) {
			return q.Connection, nil
		}
	}
	return 0, nil
}

// findOpened returns the contact that a link was opened for, nil if it was not.
func findOpened(tx *store.Tx, full *agent.Link, short *agent.ShortLink) (*store.Contact, error) {
	if short != nil {
		row, err := tx.ContactByLinkKey(short.Key)
		if !errors.Is(err, store.ErrNotFound) {
			return row, err
		}
	}
	if full == nil {
		return nil, nil
	}
	rows, err := tx.ContactsOpenedBy([]byte(full.Queues[0].SenderID))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if sameQueue(full, row.OpenedServer, row.OpenedSender) {
			return row, nil
		}
	}
	return nil, nil
}

// Connect opens the link in a text: it is Plan and ConnectTo.
func (c *Chat) Connect(ctx context.Context, text string) (Contact, error) {
	plan, err := c.Plan(ctx, text)
	if err != nil {
		return Contact{}, err
	}
	return c.ConnectTo(ctx, plan, false)
}

// ConnectTo opens the link of a plan, incognito or under the profile's name. It goes on in the
// background: the contact that is returned is connecting. A link that was opened here before leads
// to the same contact. The error is ErrOwnLink, ErrNewerLink, ErrOlderLink or ErrNotLink. That a full
// one-time link was used by somebody else shows only later, as FailureLinkUsed of the contact.
func (c *Chat) ConnectTo(ctx context.Context, plan Plan, incognito bool) (contact Contact, err error) {
	defer fault.Contain(&err)
	c.connecting.Lock()
	defer c.connecting.Unlock()
	if plan.link != nil { // the link may have been opened meanwhile
		var short *agent.ShortLink
		if plan.key != nil {
			short = &agent.ShortLink{Kind: plan.Kind, Key: plan.key}
		}
		known, err := c.look(ctx, plan.link, short)
		if err != nil {
			return contact, err
		}
		plan.Own, plan.Known, plan.link = known.Own, known.Known, known.link
	}
	switch {
	case plan.Own:
		return contact, ErrOwnLink
	case plan.leads():
		return *plan.Known, nil
	case plan.link == nil:
		return contact, ErrNotLink
	}
	q := plan.link.Queues[0]
	row := &store.Contact{State: string(ContactConnecting), OpenedServer: q.Server.String(), OpenedSender: []byte(q.SenderID), OpenedKey: plan.key}
	if plan.profile != nil { // until the handshake tells, which may take days
		if err := setProfile(row, *plan.profile); err != nil {
			return contact, err
		}
	}
	info, err := c.introduce(ctx, row, plan.Kind, incognito)
	if err != nil {
		return contact, err
	}
	_, err = c.agent.Join(ctx, *plan.link, info, func(tx *store.Tx, connection int64) error {
		row.Connection = connection
		contact, err = c.addContact(tx, row)
		return err
	})
	if err != nil {
		return Contact{}, versionError(err)
	}
	return contact, nil
}

// versionError makes an error of links of what the agent says about versions.
func versionError(err error) error {
	switch {
	case errors.Is(err, agent.ErrLinkOld):
		return ErrOlderLink
	case errors.Is(err, agent.ErrLinkVersion):
		return ErrNewerLink
	}
	return err
}

// introduce makes what who made a link gets to know of us, and keeps that in row.
func (c *Chat) introduce(ctx context.Context, row *store.Contact, kind agent.LinkKind, incognito bool) (info []byte, err error) {
	if row.Incognito, err = c.incognitoName(incognito); err != nil {
		return nil, err
	}
	wrap := wrapInfo
	if kind == agent.LinkContact {
		id, err := event.NewRequestID(c.rand)
		if err != nil {
			return nil, err
		}
		wrap = func(p event.Profile) event.Event { return event.Contact{Profile: p, RequestID: id} }
	}
	err = c.db.View(ctx, func(tx *store.Tx) (err error) {
		told := *row
		if _, err = meetTTL(tx, &told); err == nil { // as meet is going to
			info, err = introduction(tx, &told, smallest, wrap)
		}
		row.Told = told.Told
		return err
	})
	return info, err
}

// parseLink reads the link in a text: exactly one of the results is not nil.
func parseLink(text string) (full *agent.Link, short *agent.ShortLink, err error) {
	word, err := findLink(text)
	if err != nil {
		return nil, nil, err
	}
	full, short, err = agent.ParseLink(word)
	switch {
	case errors.Is(err, agent.ErrLinkVersion):
		return nil, nil, versionError(err)
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", ErrDamagedLink, err)
	case short != nil && short.Kind != agent.LinkInvitation && short.Kind != agent.LinkContact:
		return nil, nil, &LinkKindError{short.Kind, true}
	case full != nil && ofGroup(full):
		return nil, nil, &LinkKindError{agent.LinkGroup, false}
	}
	return full, short, nil
}

// ofGroup tells whether a full link says that it leads to a group (agent.md §5, client data).
func ofGroup(l *agent.Link) bool {
	var data struct {
		Type string `json:"type"`
	}
	return l.Kind == agent.LinkContact && l.Data != "" && json.Unmarshal([]byte(l.Data), &data) == nil && data.Type == "group"
}

// quotes are put around links in a text.
const quotes = "<>\"'`()[]{}«»“”„‘’"

// findLink finds the first word of a text that looks like a link of the network, so that a
// whole message with a link in it can be pasted (agent.md §5 and §6).
func findLink(text string) (string, error) {
	for word := range strings.FieldsSeq(text) {
		word = strings.TrimLeft(strings.TrimRight(word, quotes+".,;!?…"), quotes)
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
