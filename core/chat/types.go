package chat

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/store"
)

// ContactState tells how far the connection with a contact has come.
type ContactState string

// The states of a contact.
const (
	ContactInvited    ContactState = "invited"    // our link was not opened yet
	ContactConnecting ContactState = "connecting" // one side opened the other's link
	ContactConnected  ContactState = "connected"
	ContactFailed     ContactState = "failed" // see Failure
	ContactLeft       ContactState = "left"   // the contact deleted the conversation
)

// Failure tells why a contact or a message failed.
type Failure string

// The reasons of failures.
const (
	FailureNone     Failure = ""
	FailureLinkUsed Failure = "link used"    // the link was opened before, or taken back
	FailureVersion  Failure = "version"      // the other side's program is too new or too old
	FailureGone     Failure = "gone"         // the other side deleted its queue
	FailureExpired  Failure = "expired"      // the relay could not be reached for too long
	FailureTooLong  Failure = "too long"     // the message is longer than can be sent
	FailureFull     Failure = "full"         // too much waits for the other side
	FailureRefused  Failure = "refused"      // the relay refused
	FailureOther    Failure = "not possible" // anything else
)

// failureOf finds the reason in an error of the agent.
func failureOf(err error) Failure {
	for _, f := range []struct {
		err     error
		failure Failure
	}{
		{agent.ErrLinkUsed, FailureLinkUsed},
		{agent.ErrLinkVersion, FailureVersion},
		{agent.ErrQueueGone, FailureGone},
		{agent.ErrExpired, FailureExpired},
		{agent.ErrTooLarge, FailureTooLong},
		{smp.ErrQuota, FailureFull},
		{smp.ErrAuth, FailureRefused},
	} {
		if errors.Is(err, f.err) {
			return f.failure
		}
	}
	return FailureOther
}

// Contact is somebody to talk with, from the invitation on.
type Contact struct {
	ID         int64
	Name       string // as the contact calls itself; empty until it has told, or if nothing of it can be shown
	Alias      string // as it is called here, empty for none
	State      ContactState
	Failure    Failure // if State is ContactFailed
	Invitation string  // our link, while State is ContactInvited: the short one if the relay keeps such
	Last       *Item   // nil if nothing was said yet
	Unread     int     // messages
	Draft      string
	AvatarSeed uint32    // random, never sent
	Active     time.Time // the last time that something was said

	FullInvitation string    // the form of Invitation that says everything itself
	IncognitoName  string    // what it knows us by, empty if that is the profile's name
	Verified       time.Time // when the codes were compared, zero if they were not, or have changed since
	Receipts       bool      // it is told that its messages were received
}

// loadContact makes the Contact of a row.
func loadContact(tx *store.Tx, row *store.Contact) (Contact, error) {
	c := Contact{ID: row.ID, Name: row.Name, Alias: row.Alias, State: ContactState(row.State), Failure: Failure(row.Failure),
		Invitation: row.Link, Unread: row.Unread, Draft: row.Draft, AvatarSeed: uint32(row.Avatar), Active: row.Active,
		FullInvitation: row.FullLink, IncognitoName: row.Incognito, Verified: row.Verified, Receipts: row.Receipts}
	last, err := tx.LastItem(row.ID)
	if errors.Is(err, store.ErrNotFound) {
		return c, nil
	} else if err != nil {
		return c, err
	}
	item := newItem(last)
	c.Last = &item
	return c, nil
}

// ItemKind tells what an item of a conversation is.
type ItemKind string

// The kinds of items. All but KindText and KindUnsupported are notices.
const (
	KindText        ItemKind = "text"
	KindUnsupported ItemKind = "unsupported" // not shown by this version; Content tells what it is, Text its text
	KindMissing     ItemKind = "missing"     // Count messages were lost before this point
	KindIntegrity   ItemKind = "integrity"   // the sender's record of the conversation differs from ours
	KindUnreadable  ItemKind = "unreadable"  // Count messages could not be decrypted
	KindMalformed   ItemKind = "malformed"   // Count messages were not understood at all
	KindRenamed     ItemKind = "renamed"     // the contact is now called Text
	KindLeft        ItemKind = "left"        // the contact deleted the conversation
	KindOutOfSync   ItemKind = "out of sync" // the encryption has to be synchronized again, or nothing can be read
	KindSyncing     ItemKind = "syncing"     // new keys were sent for that
	KindSynced      ItemKind = "synced"      // the encryption is in order again
	KindMoved       ItemKind = "moved"       // messages for us wait on another relay now
	KindPeerMoved   ItemKind = "peer moved"  // messages for the contact do
)

// ItemState tells what became of an item.
type ItemState string

// The states of items.
const (
	StateReceived  ItemState = "received"
	StatePending   ItemState = "pending"   // waits for the relay
	StateSent      ItemState = "sent"      // the relay has it
	StateDelivered ItemState = "delivered" // the contact has it
	StateFailed    ItemState = "failed"    // see Failure
)

// Item is something in a conversation: a message, or a notice about it.
type Item struct {
	ID      int64 // in the order of the conversation
	Contact int64
	Own     bool
	Kind    ItemKind
	Content string // of KindUnsupported: "image", "file", …, or the name of an event
	Text    string
	Count   int64 // of messages that a notice is about
	Edited  bool
	State   ItemState
	Failure Failure   // if State is StateFailed
	Time    time.Time // when the relay got it, or it was written here
	Change  int64     // the number of its last change, see Chat.Changes
}

func newItem(row *store.Item) Item {
	return Item{ID: row.ID, Contact: row.Contact, Own: row.Own, Kind: ItemKind(row.Kind), Content: row.Content, Text: row.Text, Count: row.Count,
		Edited: row.Edited, State: ItemState(row.State), Failure: Failure(row.Failure), Time: row.Time, Change: row.Change}
}

// An Event tells what changed: ContactChanged, ContactDeleted, ItemAdded, ItemChanged,
// RequestAdded, RequestRemoved or AddressChanged.
type Event interface{ chatEvent() }

type (
	// ContactChanged tells that a contact is new, or that something about it changed,
	// be it its last message.
	ContactChanged struct{ Contact Contact }
	// ContactDeleted tells that a contact was deleted here.
	ContactDeleted struct{ ID int64 }
	// ItemAdded tells that something was added to a conversation.
	ItemAdded struct{ Item Item }
	// ItemChanged tells that something in a conversation changed.
	ItemChanged struct{ Item Item }
	// RequestAdded tells that somebody asks to be connected, or asks again, maybe under another name.
	RequestAdded struct{ Request Request }
	// RequestRemoved tells that a request was accepted or rejected, or that its address was deleted.
	RequestRemoved struct{ ID int64 }
	// AddressChanged tells that the address was made, changed or deleted.
	AddressChanged struct{ Address *Address } // nil if there is none any more
)

func (ContactChanged) chatEvent() {}
func (ContactDeleted) chatEvent() {}
func (ItemAdded) chatEvent()      {}
func (ItemChanged) chatEvent()    {}
func (RequestAdded) chatEvent()   {}
func (RequestRemoved) chatEvent() {}
func (AddressChanged) chatEvent() {}

// cut returns the first n bytes of s, or less in order not to divide a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
