package store

import (
	"fmt"
	"time"
)

// Contact is somebody to talk with, from the invitation on.
type Contact struct {
	ID         int64
	Connection int64 // 0 if there is none any more
	State      string
	Failure    string
	Name       string // as the peer calls itself, fit to be shown
	Alias      string // as it is called here, empty for none
	Profile    []byte // JSON, as received
	VersionMin uint16 // the chat versions of the peer
	VersionMax uint16
	Link       string // our invitation, until somebody opens it
	FullLink   string // the form of it that needs no relay
	Unread     int
	Avatar     int64
	Created    time.Time
	Active     time.Time // the last time that something was said
	Receipts   bool      // it is told that its messages were received
	Incognito  string    // our name for it, empty if that is the profile's
	Told       string    // what it was told of us last: a hash of it, or in old databases our name
	Verified   time.Time // when the codes were compared, zero for never

	// The queue of the link that was opened, and the link's key if it was a short one.
	OpenedServer            string
	OpenedSender, OpenedKey []byte

	Request []byte // the id of the request that it came from, nil for none
	Greet   bool   // the greeting is still to be sent
	GreetID []byte // the message that the greeting is, nil for a new one

	Muted, Pinned, Archived, Blocked bool

	Draft       string // what was written to it and not sent yet,
	DraftReply  int64  // and the item that this answers, 0 for none
	DraftEdit   int64  // the item whose text is being changed, 0 for none,
	DraftEdited string // and that text, as far as it was changed

	Read        int64  // the last item that was seen
	Picture     string // as received; it is not in Profile
	Preferences []byte // JSON: ours for this contact, where they differ from the profile's
	Tell        bool   // what it was told of us may have changed
}

const contactColumns = `id, coalesce(connection, 0), state, failure, name, alias, profile, version_min, version_max, link, full_link, unread, avatar, created, active,
	receipts, incognito, told, verified, opened_server, opened_sender, opened_key, request, greet, greet_id, muted, pinned, archived, blocked,
	draft, draft_reply, draft_edit, draft_edited, read, picture, preferences, tell`

// InsertContact stores a new contact and sets its ID.
func (tx *Tx) InsertContact(c *Contact) error {
	res, err := tx.Exec(`INSERT INTO contacts (connection, state, failure, name, alias, profile, version_min, version_max, link, full_link, unread, avatar, created, active,
		receipts, incognito, told, verified, opened_server, opened_sender, opened_key, request, greet, greet_id,
		muted, pinned, archived, blocked, draft, draft_reply, draft_edit, draft_edited, read, picture, preferences, tell)
		VALUES (nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Connection, c.State, c.Failure, c.Name, c.Alias, blob(c.Profile), c.VersionMin, c.VersionMax, c.Link, c.FullLink, c.Unread, c.Avatar,
		c.Created.UnixMilli(), c.Active.UnixMilli(),
		c.Receipts, c.Incognito, c.Told, milli(c.Verified), c.OpenedServer, blob(c.OpenedSender), blob(c.OpenedKey), c.Request, c.Greet, c.GreetID,
		c.Muted, c.Pinned, c.Archived, c.Blocked, c.Draft, c.DraftReply, c.DraftEdit, c.DraftEdited, c.Read, c.Picture, blob(c.Preferences), c.Tell)
	if err != nil {
		return fmt.Errorf("store: adding a contact: %w", err)
	}
	c.ID, err = res.LastInsertId()
	return err
}

// SaveContact stores all of c but what never changes: its ID, Avatar, Created, Incognito, Request and
// the link that was opened.
func (tx *Tx) SaveContact(c *Contact) error {
	_, err := tx.Exec(`UPDATE contacts SET connection = nullif(?, 0), state = ?, failure = ?, name = ?, alias = ?, profile = ?,
		version_min = ?, version_max = ?, link = ?, full_link = ?, unread = ?, active = ?, receipts = ?, told = ?, verified = ?, greet = ?, greet_id = ?,
		muted = ?, pinned = ?, archived = ?, blocked = ?, draft = ?, draft_reply = ?, draft_edit = ?, draft_edited = ?, read = ?, picture = ?, preferences = ?, tell = ? WHERE id = ?`,
		c.Connection, c.State, c.Failure, c.Name, c.Alias, blob(c.Profile), c.VersionMin, c.VersionMax, c.Link, c.FullLink, c.Unread, c.Active.UnixMilli(),
		c.Receipts, c.Told, milli(c.Verified), c.Greet, c.GreetID,
		c.Muted, c.Pinned, c.Archived, c.Blocked, c.Draft, c.DraftReply, c.DraftEdit, c.DraftEdited, c.Read, c.Picture, blob(c.Preferences), c.Tell, c.ID)
	if err != nil {
		return fmt.Errorf("store: saving a contact: %w", err)
	}
	return nil
}

// Contact returns a contact, or ErrNotFound.
func (tx *Tx) Contact(id int64) (*Contact, error) {
	return tx.contact(`SELECT `+contactColumns+` FROM contacts WHERE id = ?`, id)
}

// ContactOf returns the contact that a connection leads to, or ErrNotFound.
func (tx *Tx) ContactOf(connection int64) (*Contact, error) {
	return tx.contact(`SELECT `+contactColumns+` FROM contacts WHERE connection = ?`, connection)
}

func (tx *Tx) contact(query string, args ...any) (*Contact, error) {
	c, err := scanContact(tx.QueryRow(query, args...))
	if err != nil {
		return nil, fmt.Errorf("store: reading a contact: %w", found(err))
	}
	return c, nil
}

// Contacts returns all contacts, the one that was active last first.
func (tx *Tx) Contacts() ([]*Contact, error) {
	return collect(tx, "contacts", scanContact, `SELECT `+contactColumns+` FROM contacts ORDER BY active DESC, id DESC`)
}

// ContactsOpenedBy returns the contacts whose link led to a queue with a sender id, the newest first.
func (tx *Tx) ContactsOpenedBy(senderID []byte) ([]*Contact, error) {
	return collect(tx, "contacts", scanContact, `SELECT `+contactColumns+` FROM contacts WHERE opened_sender = ? AND opened_sender <> x'' ORDER BY id DESC`, blob(senderID))
}

// ContactByLinkKey returns the newest contact that a short link with this key was opened for, or ErrNotFound.
func (tx *Tx) ContactByLinkKey(key []byte) (*Contact, error) {
	return tx.contact(`SELECT `+contactColumns+` FROM contacts WHERE opened_key = ? AND opened_key <> x'' ORDER BY id DESC LIMIT 1`, blob(key))
}

// ContactByRequest returns the newest contact that came from a request with this id, or ErrNotFound.
func (tx *Tx) ContactByRequest(shared []byte) (*Contact, error) {
	return tx.contact(`SELECT `+contactColumns+` FROM contacts WHERE request = ? ORDER BY id DESC LIMIT 1`, blob(shared))
}

// CountRequested returns how many contacts in a state came from a request, with the requests that are
// about to be accepted by themselves.
func (tx *Tx) CountRequested(state string) (n int, err error) {
	if err := tx.QueryRow(`SELECT (SELECT count(*) FROM contacts WHERE request IS NOT NULL AND state = ?) + (SELECT count(*) FROM contact_requests WHERE auto)`, state).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: counting contacts: %w", err)
	}
	return n, nil
}

// TellContacts marks the contacts that know the profile as those that may have to be told what has changed about it.
func (tx *Tx) TellContacts() error {
	if _, err := tx.Exec(`UPDATE contacts SET tell = 1 WHERE incognito = ''`); err != nil {
		return fmt.Errorf("store: marking contacts: %w", err)
	}
	return nil
}

// ContactsToTell returns the ids of the contacts in a state that may have to be told what has changed about us.
func (tx *Tx) ContactsToTell(state string) ([]int64, error) {
	return collect(tx, "contacts", scanID, `SELECT id FROM contacts WHERE tell AND state = ? ORDER BY id`, state)
}

// ContactsIn returns the ids of the contacts in a state.
func (tx *Tx) ContactsIn(state string) ([]int64, error) {
	return collect(tx, "contacts", scanID, `SELECT id FROM contacts WHERE state = ? ORDER BY id`, state)
}

// ContactsToGreet returns the ids of the contacts in a state that the greeting is still to be sent to.
func (tx *Tx) ContactsToGreet(state string) ([]int64, error) {
	return collect(tx, "contacts", scanID, `SELECT id FROM contacts WHERE state = ? AND greet ORDER BY id`, state)
}

// Unread returns the number of unread messages of all contacts.
func (tx *Tx) Unread() (n int, err error) {
	if err := tx.QueryRow(`SELECT coalesce(sum(unread), 0) FROM contacts`).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: counting unread messages: %w", err)
	}
	return n, nil
}

// DeleteContact deletes a contact with all that was said, but not its connection.
func (tx *Tx) DeleteContact(id int64) error {
	if _, err := tx.Exec(`DELETE FROM contacts WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: deleting a contact: %w", err)
	}
	return nil
}

func scanContact(row scanner) (*Contact, error) {
	c := new(Contact)
	var created, active, verified int64
	err := row.Scan(&c.ID, &c.Connection, &c.State, &c.Failure, &c.Name, &c.Alias, &c.Profile, &c.VersionMin, &c.VersionMax,
		&c.Link, &c.FullLink, &c.Unread, &c.Avatar, &created, &active,
		&c.Receipts, &c.Incognito, &c.Told, &verified, &c.OpenedServer, &c.OpenedSender, &c.OpenedKey, &c.Request, &c.Greet, &c.GreetID,
		&c.Muted, &c.Pinned, &c.Archived, &c.Blocked, &c.Draft, &c.DraftReply, &c.DraftEdit, &c.DraftEdited, &c.Read, &c.Picture, &c.Preferences, &c.Tell)
	c.Created, c.Active, c.Verified = time.UnixMilli(created), time.UnixMilli(active), unmilli(verified)
	return c, err
}

func scanID(row scanner) (id int64, err error) {
	err = row.Scan(&id)
	return id, err
}

// milli is a time that may be zero, as it is stored.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// unmilli is the time that milli has stored.
func unmilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// ReceiveQueuesBySender returns the queues whose sender knows them by an id.
func (tx *Tx) ReceiveQueuesBySender(senderID []byte) ([]*ReceiveQueue, error) {
	return collect(tx, "receive queues", scanReceiveQueue, `SELECT `+receiveQueueColumns+` FROM receive_queues WHERE sender_id = ? ORDER BY id`, blob(senderID))
}

// ReceiveQueueByLink returns the queue whose short link has this key, or ErrNotFound.
func (tx *Tx) ReceiveQueueByLink(key []byte) (*ReceiveQueue, error) {
	q, err := scanReceiveQueue(tx.QueryRow(`SELECT `+receiveQueueColumns+` FROM receive_queues WHERE link_key = ?`, blob(key)))
	if err != nil {
		return nil, fmt.Errorf("store: reading a receive queue: %w", found(err))
	}
	return q, nil
}

// BuryContact forgets all of a contact but its connection and what was said, and puts it in a state.
func (tx *Tx) BuryContact(id int64, state string) error {
	_, err := tx.Exec(`UPDATE contacts SET state = ?, failure = '', name = '', alias = '', profile = x'', picture = '', preferences = x'', link = '', full_link = '',
		draft = '', draft_reply = 0, draft_edit = 0, draft_edited = '', unread = 0, incognito = '', told = '', verified = 0, opened_server = '', opened_sender = x'', opened_key = x'',
		request = NULL, greet = 0, greet_id = NULL, tell = 0 WHERE id = ?`, state, id)
	if err != nil {
		return fmt.Errorf("store: deleting a contact: %w", err)
	}
	return nil
}
