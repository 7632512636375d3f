package core

import (
	"context"
	"errors"
	"sync"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// What conversations consist of, see package chat.
type (
	Contact      = chat.Contact
	ContactState = chat.ContactState
	Item         = chat.Item
	ItemKind     = chat.ItemKind
	ItemState    = chat.ItemState
	Failure      = chat.Failure
	Plan         = chat.Plan

	// LinkKindError tells that a link leads to something that this version can't connect with.
	LinkKindError = chat.LinkKindError
	// MessageTooLongError tells that a message is longer than can be sent.
	MessageTooLongError = chat.MessageTooLongError
)

// Errors of links and messages, see package chat.
var (
	ErrNotLink      = chat.ErrNotLink
	ErrDamagedLink  = chat.ErrDamagedLink
	ErrNewerLink    = chat.ErrNewerLink
	ErrOwnLink      = chat.ErrOwnLink
	ErrNoContact    = chat.ErrNoContact
	ErrNoItem       = chat.ErrNoItem
	ErrNotConnected = chat.ErrNotConnected
	ErrEmptyMessage = chat.ErrEmptyMessage
	ErrNotFailed    = chat.ErrNotFailed
)

// Settings of a profile.
const (
	settingAvatar    = "avatar"    // 4 random bytes
	settingAnnounced = "announced" // see SetAnnounced
)

// Profile is a person as others see it: a name and the conversations under that name. Its
// methods are safe for concurrent use. After Core.Close they return store.ErrClosed.
type Profile struct {
	core   *Core
	id     string
	name   string
	avatar uint32
	db     *store.DB
	chat   *chat.Chat
	states relayStates

	mu     sync.Mutex
	relays RelayChoice
	unread map[int64]int // by contact
}

// Invitation is a one-time link, and who will open it.
type Invitation struct {
	Contact Contact
	Link    string
}

// ID returns the id of the profile, which is random and the name of its folder.
func (p *Profile) ID() string { return p.id }

// Name returns the display name, which contacts get to know.
func (p *Profile) Name() string { return p.name }

// Invite makes a one-time link. It waits for a relay, for as long as ctx allows.
func (p *Profile) Invite(ctx context.Context) (Invitation, error) {
	contact, link, err := p.chat.Invite(ctx)
	return Invitation{contact, link}, err
}

// Plan tells what opening the link in a text would do, without doing anything. The error is
// ErrNotLink, ErrDamagedLink, ErrNewerLink or a *LinkKindError.
func (p *Profile) Plan(ctx context.Context, text string) (Plan, error) { return p.chat.Plan(ctx, text) }

// Connect opens the link in a text, and goes on in the background. The error is one of those of
// Plan, or ErrOwnLink. That somebody else has used the link shows later, in the Failure
// of the contact. A link that was opened before leads to the same contact.
func (p *Profile) Connect(ctx context.Context, text string) (Contact, error) {
	return p.chat.Connect(ctx, text)
}

// Contacts returns all contacts, the one that was active last first.
func (p *Profile) Contacts(ctx context.Context) ([]Contact, error) { return p.chat.Contacts(ctx) }

// Contact returns a contact, or ErrNoContact.
func (p *Profile) Contact(ctx context.Context, id int64) (Contact, error) {
	return p.chat.Contact(ctx, id)
}

// Send sends a text to a contact. When it returns the message is stored, and will be sent as soon
// as the relay can be reached. The error is ErrNoContact, ErrNotConnected, ErrEmptyMessage
// or a *MessageTooLongError; nothing is stored then.
func (p *Profile) Send(ctx context.Context, contact int64, text string) (Item, error) {
	return p.chat.Send(ctx, contact, text)
}

// Retry sends a message again that could not be sent.
func (p *Profile) Retry(ctx context.Context, item int64) (Item, error) {
	return p.chat.Retry(ctx, item)
}

// History returns up to limit items of a contact in the order of the conversation: the newest of
// those whose id is below before, or of all with before 0.
func (p *Profile) History(ctx context.Context, contact, before int64, limit int) ([]Item, error) {
	return p.chat.History(ctx, contact, before, limit)
}

// Changes returns up to limit items that were added or changed after a change, in the order
// in which that happened: the Change of the last one is where to go on.
func (p *Profile) Changes(ctx context.Context, after int64, limit int) ([]Item, error) {
	return p.chat.Changes(ctx, after, limit)
}

// MarkRead tells that all messages of a contact were seen.
func (p *Profile) MarkRead(ctx context.Context, contact int64) error {
	return p.chat.MarkRead(ctx, contact)
}

// SetDraft keeps what was written to a contact and not sent yet.
func (p *Profile) SetDraft(ctx context.Context, contact int64, text string) error {
	return p.chat.SetDraft(ctx, contact, text)
}

// SetAlias sets how a contact is called here, which nobody else gets to know.
func (p *Profile) SetAlias(ctx context.Context, contact int64, alias string) error {
	return p.chat.SetAlias(ctx, contact, alias)
}

// DeleteContact deletes a contact here, with all that was said.
func (p *Profile) DeleteContact(ctx context.Context, contact int64) error {
	return p.chat.DeleteContact(ctx, contact)
}

// Reconnect tries to reach relays and to send what waits at once, as when the network is back.
func (p *Profile) Reconnect() { p.chat.Reconnect() }

// Announced returns what SetAnnounced kept, nil if nothing was.
func (p *Profile) Announced(ctx context.Context) (mark []byte, err error) {
	err = p.db.View(ctx, func(tx *store.Tx) (err error) {
		mark, err = tx.Setting(settingAnnounced)
		return err
	})
	return mark, err
}

// SetAnnounced keeps a mark of what was told to somebody outside of the program, so that it can
// go on there after a restart. What the mark looks like is up to the caller.
func (p *Profile) SetAnnounced(ctx context.Context, mark []byte) error {
	return p.db.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingAnnounced, mark) })
}

// Protection tells what guards the profile on disk.
func (p *Profile) Protection() vault.Protection { return p.db.Vault().Protection() }

// SetPassphrase protects the profile with a new passphrase, or with none if it is empty: then
// with the keyring, or where there is none with a file. The error is ErrWrongPassphrase if
// old is not the one that protects it now.
func (p *Profile) SetPassphrase(ctx context.Context, old, new string) error {
	v := p.db.Vault()
	oldBytes, newBytes := []byte(old), []byte(new)
	defer clear(oldBytes)
	defer clear(newBytes)
	if v.Protection() == vault.Passphrase {
		if err := v.CheckPassphrase(oldBytes); err != nil {
			return err
		}
	} else if old != "" {
		return ErrWrongPassphrase
	}
	if new == "" {
		return v.RemovePassphrase(ctx)
	}
	return v.SetPassphrase(ctx, newBytes)
}

func (p *Profile) close() error {
	p.chat.Close()
	return p.db.Close()
}

func (p *Profile) publish(change any) { p.core.hub.publish(Event{p.id, change}) }

// count keeps the number of unread messages, and tells when it changes.
func (p *Profile) count(e chat.Event) {
	p.mu.Lock()
	before := p.unreadLocked()
	switch e := e.(type) {
	case ContactChanged:
		p.unread[e.Contact.ID] = e.Contact.Unread
	case ContactDeleted:
		delete(p.unread, e.ID)
	}
	changed := p.unreadLocked() != before
	p.mu.Unlock()
	if !changed {
		return
	}
	info := p.info()
	p.core.mu.Lock()
	info.Current = p.id == p.core.app.Current
	p.core.mu.Unlock()
	p.publish(ProfileChanged{info})
}

// info describes the profile but for Current.
func (p *Profile) info() ProfileInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ProfileInfo{ID: p.id, Name: p.name, AvatarSeed: p.avatar, Unread: p.unreadLocked()}
}

func (p *Profile) unreadLocked() (n int) {
	for _, u := range p.unread {
		n += u
	}
	return n
}

// loadRelays finds the relays that the agent will connect to.
func (p *Profile) loadRelays(tx *store.Tx) error {
	queues, err := tx.ReceiveQueues()
	if err != nil {
		return err
	}
	for _, q := range queues {
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return errors.Join(errors.New("stored relay address"), err)
		}
		p.states.set(RelayStatus{Server: server, Operator: operator(server), State: RelayConnecting, Since: p.core.opt.Now()})
	}
	return nil
}
