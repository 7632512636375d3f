package chat

import (
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
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
	ContactNotes      ContactState = "notes"  // notes to oneself, see Chat.Notes

	// It was deleted here: nobody sees it, and it goes when the contact was told and nothing is left of it.
	contactDeleted ContactState = "deleted"
)

// Failure tells why a contact or a message failed.
type Failure string

// The reasons of failures.
const (
	FailureNone     Failure = ""
	FailureLinkUsed Failure = "link used"    // the link was opened before, or taken back
	FailureVersion  Failure = "version"      // the other side's program is too new or too old
	FailureBusiness Failure = "business"     // the address is that of a business, which answers with a group
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
		{smp.ErrBlocked, FailureRefused},
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
	Draft      Draft
	AvatarSeed uint32    // random, never sent
	Active     time.Time // the last time that something was said

	FullInvitation string    // the form of Invitation that says everything itself
	IncognitoName  string    // what it knows us by, empty if that is the profile's name
	Verified       time.Time // when the codes were compared, zero if they were not, or have changed since
	Receipts       bool      // it is told that its messages were received

	FullName    string // as the contact gives it, may be empty
	Description string // as the contact gives it, may be empty
	Address     string // the contact's own address if it tells that, unchecked
	Picture     []byte // a JPEG or PNG file as it was received, unchecked; nil for none

	Muted    bool // nothing but the number of unread messages tells that it has written
	Pinned   bool // stands above the others
	Archived bool // stands apart from the others, until it writes again or for good if it is muted
	Blocked  bool // see Chat.SetBlocked

	// Elsewhere tells that another program with the same data receives its messages, since this one did; see Chat.ReceiveHere.
	Elsewhere bool

	// Held is the host of the contact's relay while what is written waits because no relay of our own can pass it on there, and the
	// relay is not to see our network address; empty otherwise. See agent.HeldError.
	Held string

	Features          []FeatureState // who may use what
	Disappearing      time.Duration  // after which messages disappear, 0 for never
	DisappearingOffer time.Duration  // what the contact would like that to be and we do not allow, 0 for nothing
}

// newContact makes the Contact of a row but for its last item. The preferences are those of the profile.
func (c *Chat) newContact(row *store.Contact, own *Preferences) Contact {
	contact := Contact{ID: row.ID, Name: row.Name, Alias: row.Alias, State: ContactState(row.State), Failure: Failure(row.Failure),
		Invitation: row.Link, Unread: row.Unread, Draft: draftOf(row), AvatarSeed: uint32(row.Avatar), Active: row.Active,
		FullInvitation: row.FullLink, IncognitoName: row.Incognito, Verified: row.Verified, Receipts: row.Receipts,
		Muted: row.Muted, Pinned: row.Pinned, Archived: row.Archived, Blocked: row.Blocked}
	if contact.State == ContactNotes {
		return contact
	}
	p := peerProfile(row)
	contact.FullName, contact.Description, contact.Address = cleanLine(p.FullName), cleanLine(p.ShortDescr), p.ContactLink
	if row.Picture != "" {
		contact.Picture, _ = event.DecodeImage(row.Picture, maxPicture)
	}
	t := termsOf(row, own)
	contact.Features, contact.Disappearing, contact.DisappearingOffer = t.features(), t.ttl(), t.offer()
	_, contact.Elsewhere = c.elsewhere.Load(row.ID)
	if held, ok := c.held.Load(row.ID); ok && (contact.State == ContactConnecting || contact.State == ContactConnected) {
		contact.Held = held.(string)
	}
	return contact
}

// loadContact makes the Contact of a row.
func (c *Chat) loadContact(tx *store.Tx, row *store.Contact) (Contact, error) {
	own, err := ownPreferences(tx)
	if err != nil {
		return Contact{}, err
	}
	contact := c.newContact(row, own)
	last, err := tx.LastItem(row.ID)
	if errors.Is(err, store.ErrNotFound) {
		return contact, nil
	} else if err != nil {
		return contact, err
	}
	item := newItem(last)
	contact.Last = &item
	return contact, nil
}

// ItemKind tells what an item of a conversation is.
type ItemKind string

// The kinds of items. All but KindText and KindUnsupported are notices. A notice is Own if it is about
// what was done here.
const (
	KindText        ItemKind = "text"
	KindUnsupported ItemKind = "unsupported" // not handled in full by this version; Content tells what it is, Text its text
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

	KindFeature      ItemKind = "feature"      // who may use a feature has changed: Text is a Feature, Content one of Who…
	KindDisappearing ItemKind = "disappearing" // messages disappear after TTL from now on; with Content Offer the contact would like that
	KindPicture      ItemKind = "picture"      // the contact has another picture, or with Content Gone none any more
	KindProfile      ItemKind = "profile"      // the contact describes itself as Text, which may be empty
	KindCall         ItemKind = "call"         // the contact has called, which this version can't answer; Content is audio or video
)

// What the Content of notices says.
const (
	WhoBoth    = "both" // both may use a feature
	WhoMe      = "me"
	WhoContact = "contact"
	WhoNobody  = "nobody"

	Offer = "offer"
	Gone  = "gone"
)

// IsMessage tells whether it is something that was said, and not a notice.
func (k ItemKind) IsMessage() bool { return k == KindText || k == KindUnsupported }

// ItemState tells what became of an item.
type ItemState string

// The states of items.
const (
	StateReceived  ItemState = "received"
	StatePending   ItemState = "pending"   // waits for the relay
	StateSent      ItemState = "sent"      // the relay has it
	StateDelivered ItemState = "delivered" // the contact has it
	StateFailed    ItemState = "failed"    // see Failure
	StateKept      ItemState = "kept"      // a note to oneself: it is sent to nobody
)

// Item is something in a conversation: a message, or a notice about it.
type Item struct {
	ID      int64 // in the order of the conversation
	Contact int64
	Own     bool
	Kind    ItemKind
	Content string // "image", "file", "link", …, or the name of an event; empty for plain text
	Text    string
	Count   int64 // of messages that a notice is about
	Edited  bool
	State   ItemState
	Failure Failure   // if State is StateFailed
	Time    time.Time // when the relay got it, or it was written here

	Quote     *Quote        // what it answers, nil for nothing
	Forwarded bool          // somebody else may have written it
	Reactions []Reaction    // in the order of their first appearance
	Deleted   time.Time     // when its author took it back, zero if not; the Text is still what it was
	Live      bool          // it is still being written
	TTL       time.Duration // it disappears so long after it was read or sent, 0 for never
	Expires   time.Time     // when it disappears, zero if never or if that is not known yet
	Preview   *LinkPreview  // what is behind a link in it, as its author says; nil for nothing
	File      *File         // nil if it has none
	Image     []byte        // a small picture of what an image or a video shows: a JPEG or PNG file, unchecked
	Duration  time.Duration // of a voice message or a video

	Change  int64 // the number of its last change, see Chat.Changes,
	Added   int64 // of its first one,
	Stated  int64 // of the last one of its State,
	Touched int64 // and of the last one of anything else
}

// Quote is what a message answers.
type Quote struct {
	Item    int64 // 0 if it is not here any more, or never was
	Own     bool
	Text    string // may be cut; empty if it has disappeared since
	Content string // "image", "voice", …; empty for text
}

// Reaction is an emoji under a message, with who has put it there. An emoji that other apps don't know
// is shown as "?".
type Reaction struct {
	Emoji       string
	Own, Theirs bool
}

// LinkPreview is what the author of a message has found behind a link. Nothing of it may be looked up.
type LinkPreview struct {
	URL         string `json:"url"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Image       []byte `json:"-"` // a JPEG or PNG file, unchecked; nil for none
}

// File is a file that belongs to a message.
type File struct {
	Name    string // fit to be the name of a file
	Size    int64  // bytes
	State   FileState
	Failure Failure // if State is FileFailed; or FailureSave
	Relay   string  // the host of the relay that has failed, empty if none has
}

func newItem(row *store.Item) Item {
	i := Item{ID: row.ID, Contact: row.Contact, Own: row.Own, Kind: ItemKind(row.Kind), Content: row.Content, Text: row.Text, Count: row.Count,
		Edited: row.Edited, State: ItemState(row.State), Failure: Failure(row.Failure), Time: row.Time,
		Forwarded: row.Forwarded, Reactions: shownReactions(row.Reactions), Deleted: row.Deleted, Live: row.Live,
		TTL: time.Duration(row.TTL) * time.Second, Expires: row.Expires, Duration: time.Duration(row.Duration) * time.Second,
		Change: row.Change, Added: row.Added, Stated: row.Stated, Touched: row.Touched}
	if row.QuoteContent != "" {
		i.Quote = &Quote{Item: row.QuoteItem, Own: row.QuoteOwn, Text: row.QuoteText}
		if row.QuoteContent != string(event.TypeText) {
			i.Quote.Content = row.QuoteContent
		}
	}
	if row.FileName != "" {
		i.File = &File{Name: row.FileName, Size: row.FileSize, State: FileState(row.FileState), Failure: Failure(row.FileFailure), Relay: row.FileRelay}
	}
	if row.Preview == nil {
		i.Image = row.Image
		return i
	}
	i.Preview = new(LinkPreview)
	if err := json.Unmarshal(row.Preview, i.Preview); err != nil {
		i.Preview = nil // never: it was written here
		return i
	}
	i.Preview.Image = row.Image
	return i
}

// An Event tells what changed: ContactChanged, ContactDeleted, ItemAdded, ItemChanged, ItemsRemoved,
// RequestAdded, RequestRemoved, AddressChanged or FileProgress.
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
	// ItemsRemoved tells that something is not in a conversation any more: it was deleted, or has disappeared.
	ItemsRemoved struct {
		Contact int64
		Items   []int64
	}
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
func (ItemsRemoved) chatEvent()   {}
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
