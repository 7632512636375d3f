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
	Draft      string
	Unread     int
	Avatar     int64
	Created    time.Time
	Active     time.Time // the last time that something was said
}

const contactColumns = `id, coalesce(connection, 0), state, failure, name, alias, profile, version_min, version_max, link, draft, unread, avatar, created, active`

// InsertContact stores a new contact and sets its ID.
func (tx *Tx) InsertContact(c *Contact) error {
	res, err := tx.Exec(`INSERT INTO contacts (connection, state, failure, name, alias, profile, version_min, version_max, link, draft, unread, avatar, created, active)
		VALUES (nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.Connection, c.State, c.Failure, c.Name, c.Alias, blob(c.Profile), c.VersionMin, c.VersionMax, c.Link, c.Draft, c.Unread, c.Avatar,
		c.Created.UnixMilli(), c.Active.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding a contact: %w", err)
	}
	c.ID, err = res.LastInsertId()
	return err
}

// SaveContact stores all of c but its ID, Avatar and Created.
func (tx *Tx) SaveContact(c *Contact) error {
	_, err := tx.Exec(`UPDATE contacts SET connection = nullif(?, 0), state = ?, failure = ?, name = ?, alias = ?, profile = ?,
		version_min = ?, version_max = ?, link = ?, draft = ?, unread = ?, active = ? WHERE id = ?`,
		c.Connection, c.State, c.Failure, c.Name, c.Alias, blob(c.Profile), c.VersionMin, c.VersionMax, c.Link, c.Draft, c.Unread, c.Active.UnixMilli(), c.ID)
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
	var created, active int64
	err := row.Scan(&c.ID, &c.Connection, &c.State, &c.Failure, &c.Name, &c.Alias, &c.Profile, &c.VersionMin, &c.VersionMax,
		&c.Link, &c.Draft, &c.Unread, &c.Avatar, &created, &active)
	c.Created, c.Active = time.UnixMilli(created), time.UnixMilli(active)
	return c, err
}

// ReceiveQueuesBySender returns the queues whose sender knows them by an id.
func (tx *Tx) ReceiveQueuesBySender(senderID []byte) ([]*ReceiveQueue, error) {
	return collect(tx, "receive queues", scanReceiveQueue, `SELECT `+receiveQueueColumns+` FROM receive_queues WHERE sender_id = ? ORDER BY id`, blob(senderID))
}

// SendQueuesBySender returns the queues that we send to by an id.
func (tx *Tx) SendQueuesBySender(senderID []byte) ([]*SendQueue, error) {
	return collect(tx, "send queues", scanSendQueue, `SELECT `+sendQueueColumns+` FROM send_queues WHERE sender_id = ? ORDER BY id`, blob(senderID))
}
