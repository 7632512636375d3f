package core

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// What conversations consist of, see package chat.
type (
	Contact      = chat.Contact
	ContactState = chat.ContactState
	Draft        = chat.Draft
	Item         = chat.Item
	ItemKind     = chat.ItemKind
	ItemState    = chat.ItemState
	Failure      = chat.Failure
	Plan         = chat.Plan

	Address         = chat.Address
	AddressSettings = chat.AddressSettings
	Request         = chat.Request

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
	ErrOlderLink    = chat.ErrOlderLink
	ErrOwnLink      = chat.ErrOwnLink
	ErrLinkUsed     = chat.ErrLinkUsed
	ErrLinkDeleted  = chat.ErrLinkDeleted
	ErrLinkRelay    = chat.ErrLinkRelay
	ErrBusinessLink = chat.ErrBusinessLink
	ErrNoContact    = chat.ErrNoContact
	ErrNoItem       = chat.ErrNoItem
	ErrNotConnected = chat.ErrNotConnected
	ErrEmptyMessage = chat.ErrEmptyMessage
	ErrNotFailed    = chat.ErrNotFailed

	ErrNoAddress     = chat.ErrNoAddress
	ErrAddressExists = chat.ErrAddressExists
	ErrNoRequest     = chat.ErrNoRequest
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
	avatar uint32
	db     *store.DB
	chat   *chat.Chat
	states relayStates

	hidden bool        // see Core.Hide
	smp    smp.Config  // how its sessions with relays are made
	xftp   xftp.Config // and those with relays for files
	turn   time.Time   // from when on it connects through Tor

	renaming sync.Mutex // held while the name is changed

	mu        sync.Mutex
	name      string
	relays    RelayChoice
	route     Network
	tor       TorMode       // empty for that of the program
	automatic int64         // see AutomaticFiles
	isolation []byte        // random: by which circuits are kept apart
	rerouted  chan struct{} // closed when connections are to go another way; nil if nobody waits for that
	unread    map[int64]int // by contact
	unstored  error         // see StoreError
}

// Invitation is a one-time link, and who will open it.
type Invitation struct {
	Contact Contact
	Link    string // the short form, if the relay keeps such
	Full    string // the form that says everything itself
}

// ID returns the id of the profile, which is random and the name of its folder.
func (p *Profile) ID() string { return p.id }

// Name returns the display name, which contacts get to know.
func (p *Profile) Name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.name
}

// Rename changes the display name. Contacts that know the profile by it get to know the new one,
// and so does who looks at the address. The error wraps ErrName if it can't be used.
func (p *Profile) Rename(ctx context.Context, name string) error {
	p.renaming.Lock()
	defer p.renaming.Unlock()
	if err := p.chat.Rename(ctx, name); err != nil {
		return err
	}
	p.mu.Lock()
	p.name = name
	p.mu.Unlock()
	p.changed()
	return nil
}

// Invite makes a one-time link. It waits for a relay, for as long as ctx allows.
func (p *Profile) Invite(ctx context.Context) (Invitation, error) { return p.invite(ctx, false) }

// InviteIncognito is Invite under a name that is made up for this contact alone.
func (p *Profile) InviteIncognito(ctx context.Context) (Invitation, error) {
	return p.invite(ctx, true)
}

func (p *Profile) invite(ctx context.Context, incognito bool) (Invitation, error) {
	contact, err := p.chat.Invite(ctx, incognito)
	return Invitation{contact, contact.Invitation, contact.FullInvitation}, err
}

// Look tells what opening the link in a text would do, as far as that can be told without asking a
// relay. The error is ErrNotLink, ErrDamagedLink, ErrNewerLink, ErrOlderLink or a *LinkKindError.
func (p *Profile) Look(ctx context.Context, text string) (Plan, error) { return p.chat.Look(ctx, text) }

// Plan tells what opening the link in a text would do. Nothing of it is told to who made the link.
// The data of a short link is read from its relay, for which Plan waits as long as ctx allows; a
// one-time short link can be opened by this profile alone then. The error is one of those of Look,
// ErrLinkUsed, ErrLinkDeleted, ErrLinkRelay, ErrBusinessLink, or tells why the relay can't be
// asked.
func (p *Profile) Plan(ctx context.Context, text string) (Plan, error) { return p.chat.Plan(ctx, text) }

// Connect opens the link in a text, and goes on in the background. The error is one of those of
// Plan, or ErrOwnLink. That somebody else has used a full link shows later, in the Failure
// of the contact. A link that was opened before leads to the same contact.
func (p *Profile) Connect(ctx context.Context, text string) (Contact, error) {
	return p.chat.Connect(ctx, text)
}

// ConnectTo is Connect with the link of a plan, without reading it again: under the name of the
// profile, or incognito under one that is made up for this contact alone.
func (p *Profile) ConnectTo(ctx context.Context, plan Plan, incognito bool) (Contact, error) {
	return p.chat.ConnectTo(ctx, plan, incognito)
}

// MakeAddress makes the address of the profile, which anybody can open to ask for a connection.
// It waits for a relay, for as long as ctx allows. The error is ErrAddressExists if there is one:
// for a new one, delete it first.
func (p *Profile) MakeAddress(ctx context.Context) (Address, error) { return p.chat.MakeAddress(ctx) }

// Address returns the address of the profile, or ErrNoAddress.
func (p *Profile) Address(ctx context.Context) (Address, error) { return p.chat.Address(ctx) }

// SetAddressSettings sets how requests are received. The error is ErrNoAddress, or a
// *MessageTooLongError of the greeting.
func (p *Profile) SetAddressSettings(ctx context.Context, s AddressSettings) error {
	return p.chat.SetAddressSettings(ctx, s)
}

// DeleteAddress deletes the address and the requests that wait at it, or returns ErrNoAddress.
func (p *Profile) DeleteAddress(ctx context.Context) error { return p.chat.DeleteAddress(ctx) }

// Requests returns who has opened the address and waits for an answer, oldest first.
func (p *Profile) Requests(ctx context.Context) ([]Request, error) { return p.chat.Requests(ctx) }

// Accept makes a contact of a request, and goes on in the background. The error is ErrNoRequest, or
// ErrNewerLink or ErrOlderLink if the other program is too new or too old.
func (p *Profile) Accept(ctx context.Context, request int64, incognito bool) (Contact, error) {
	return p.chat.Accept(ctx, request, incognito)
}

// Reject forgets a request, of which nobody is told, or returns ErrNoRequest.
func (p *Profile) Reject(ctx context.Context, request int64) error {
	return p.chat.Reject(ctx, request)
}

// Code returns the code of a contact, which both sides compare to see that nobody sits between
// them. The error is ErrNoContact, or ErrNotConnected while there is none yet.
func (p *Profile) Code(ctx context.Context, contact int64) (string, error) {
	return p.chat.Code(ctx, contact)
}

// Verify compares the code of a contact with the one that its side shows. If they are equal the
// contact is verified from then on, until its code changes.
func (p *Profile) Verify(ctx context.Context, contact int64, code string) (bool, error) {
	return p.chat.Verify(ctx, contact, code)
}

// Unverify forgets that the codes were compared.
func (p *Profile) Unverify(ctx context.Context, contact int64) error {
	return p.chat.Unverify(ctx, contact)
}

// SetReceipts sets whether a contact is told that its messages were received, which is so at first.
func (p *Profile) SetReceipts(ctx context.Context, contact int64, on bool) error {
	return p.chat.SetReceipts(ctx, contact, on)
}

// Contacts returns all contacts, the one that was active last first.
func (p *Profile) Contacts(ctx context.Context) ([]Contact, error) { return p.chat.Contacts(ctx) }

// Contact returns a contact, or ErrNoContact.
func (p *Profile) Contact(ctx context.Context, id int64) (Contact, error) {
	return p.chat.Contact(ctx, id)
}

// SetDraft keeps what was written to a contact and not sent yet. Of messages that are not here any more, or were taken back, nothing
// is kept.
func (p *Profile) SetDraft(ctx context.Context, contact int64, d Draft) error {
	return p.chat.SetDraft(ctx, contact, d)
}

// ReplaceDraft is SetDraft if the draft is still what SetDraft was called with last.
func (p *Profile) ReplaceDraft(ctx context.Context, contact int64, old, d Draft) error {
	return p.chat.ReplaceDraft(ctx, contact, old, d)
}

// SetAlias sets how a contact is called here, which nobody else gets to know.
func (p *Profile) SetAlias(ctx context.Context, contact int64, alias string) error {
	return p.chat.SetAlias(ctx, contact, alias)
}

// DeleteContact deletes a contact here, with all that was said. The contact is told.
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

// SetPassphrase protects the profile with a new passphrase, or with none if it is empty: then by the
// lock of the program, or without one with the keyring, or where there is none with a file. The
// error is ErrWrongPassphrase if old is not the one that protects it now, and for a hidden profile
// ErrNoPassphrase if new is empty and ErrPassphraseUsed if new opens another one.
func (p *Profile) SetPassphrase(ctx context.Context, old, new string) error {
	v := p.db.Vault()
	oldBytes, newBytes := []byte(old), []byte(new)
	defer clear(oldBytes)
	defer clear(newBytes)
	p.core.opening.Lock() // the key of the lock stays
	defer p.core.opening.Unlock()
	if p.hidden {
		return p.core.setHiddenPassphrase(ctx, p, oldBytes, newBytes)
	}
	if v.Protection() == vault.Passphrase {
		if err := v.CheckPassphrase(oldBytes); err != nil {
			return err
		}
	} else if old != "" {
		return ErrWrongPassphrase
	}
	if new == "" {
		if key := p.core.protection(nil).Key; key != nil {
			return v.SetKey(ctx, key)
		}
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
	p.changed()
}

// changed tells that something about the profile changed.
func (p *Profile) changed() {
	info := p.info()
	p.core.mu.Lock()
	info.Current = p.id == p.core.current()
	p.core.mu.Unlock()
	p.publish(ProfileChanged{info})
}

// info describes the profile but for Current.
func (p *Profile) info() ProfileInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ProfileInfo{ID: p.id, Name: p.name, AvatarSeed: p.avatar, Unread: p.unreadLocked(), Hidden: p.hidden}
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
		p.states.set(RelayStatus{Server: server, Operator: operator(server), Local: p.core.isLocal(server), State: RelayConnecting, Since: p.core.opt.Now()})
	}
	return nil
}

// Rotate moves the queue on which messages of a contact wait to another relay; see [chat.Chat.Rotate].
func (p *Profile) Rotate(ctx context.Context, contact int64) error {
	return p.chat.Rotate(ctx, contact)
}

// ReceiveAddressHere has the requests at the address come to this program again; see [chat.Chat.ReceiveAddressHere].
func (p *Profile) ReceiveAddressHere(ctx context.Context) error {
	return p.chat.ReceiveAddressHere(ctx)
}

// StoreError tells why what arrives can't be stored at present, nil if it can; see StoreChanged.
func (p *Profile) StoreError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unstored
}

// storeState is told by the agent whether what arrives can be stored.
func (p *Profile) storeState(reason error) {
	p.mu.Lock()
	p.unstored = reason
	p.mu.Unlock()
	p.publish(StoreChanged{reason})
}

// ReceiveHere has the messages of a contact come to this program again; see [chat.Chat.ReceiveHere].
func (p *Profile) ReceiveHere(ctx context.Context, contact int64) error {
	return p.chat.ReceiveHere(ctx, contact)
}

// Resync makes the encryption with a contact anew; see [chat.Chat.Resync].
func (p *Profile) Resync(ctx context.Context, contact int64) error {
	return p.chat.Resync(ctx, contact)
}
