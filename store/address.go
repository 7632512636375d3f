package store

import (
	"fmt"
	"time"
)

// Address is where anybody can ask to be connected. There is at most one.
type Address struct {
	Connection int64
	Link       string
	FullLink   string
	Greeting   string
	AutoAccept bool
	Incognito  bool // of what is accepted automatically
	Failure    string
	Published  bool // the relay has what the link is to show
	Created    time.Time
}

// InsertAddress stores the address.
func (tx *Tx) InsertAddress(a *Address) error {
	_, err := tx.Exec(`INSERT INTO address (id, connection, link, full_link, greeting, auto_accept, incognito, failure, published, created) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		a.Connection, a.Link, a.FullLink, a.Greeting, a.AutoAccept, a.Incognito, a.Failure, a.Published, a.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding an address: %w", err)
	}
	return nil
}

// SaveAddress stores what changes in the life of the address.
func (tx *Tx) SaveAddress(a *Address) error {
	_, err := tx.Exec(`UPDATE address SET greeting = ?, auto_accept = ?, incognito = ?, failure = ?, published = ? WHERE connection = ?`,
		a.Greeting, a.AutoAccept, a.Incognito, a.Failure, a.Published, a.Connection)
	if err != nil {
		return fmt.Errorf("store: saving an address: %w", err)
	}
	return nil
}

// Address returns the address, or ErrNotFound. It is deleted with its connection.
func (tx *Tx) Address() (*Address, error) {
	a, created := new(Address), int64(0)
	err := tx.QueryRow(`SELECT connection, link, full_link, greeting, auto_accept, incognito, failure, published, created FROM address`).
		Scan(&a.Connection, &a.Link, &a.FullLink, &a.Greeting, &a.AutoAccept, &a.Incognito, &a.Failure, &a.Published, &created)
	if err != nil {
		return nil, fmt.Errorf("store: reading an address: %w", found(err))
	}
	a.Created = time.UnixMilli(created)
	return a, nil
}

// ContactRequest is somebody who asks to be connected.
type ContactRequest struct {
	ID      int64
	Request int64  // the agent's, with which it is deleted
	Shared  []byte // by which it is known if it comes again
	Name    string // fit to be shown
	Info    []byte // as received
	Avatar  int64
	Auto    bool // it is about to be accepted, without being asked for
	Created time.Time
}

const contactRequestColumns = `id, request, shared, name, info, avatar, auto, created`

// InsertContactRequest stores a new request and sets its ID.
func (tx *Tx) InsertContactRequest(r *ContactRequest) error {
	res, err := tx.Exec(`INSERT INTO contact_requests (request, shared, name, info, avatar, auto, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.Request, blob(r.Shared), r.Name, blob(r.Info), r.Avatar, r.Auto, r.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding a contact request: %w", err)
	}
	r.ID, err = res.LastInsertId()
	return err
}

// SaveContactRequest stores what changes when a request comes again, and Auto.
func (tx *Tx) SaveContactRequest(r *ContactRequest) error {
	_, err := tx.Exec(`UPDATE contact_requests SET request = ?, name = ?, info = ?, auto = ? WHERE id = ?`, r.Request, r.Name, blob(r.Info), r.Auto, r.ID)
	if err != nil {
		return fmt.Errorf("store: saving a contact request: %w", err)
	}
	return nil
}

// ContactRequest returns a request, or ErrNotFound.
func (tx *Tx) ContactRequest(id int64) (*ContactRequest, error) {
	return tx.contactRequest(`SELECT `+contactRequestColumns+` FROM contact_requests WHERE id = ?`, id)
}

// ContactRequestByShared returns the request with an id that its sender gave it, or ErrNotFound.
func (tx *Tx) ContactRequestByShared(shared []byte) (*ContactRequest, error) {
	return tx.contactRequest(`SELECT `+contactRequestColumns+` FROM contact_requests WHERE shared = ?`, blob(shared))
}

func (tx *Tx) contactRequest(query string, args ...any) (*ContactRequest, error) {
	r, err := scanContactRequest(tx.QueryRow(query, args...))
	if err != nil {
		return nil, fmt.Errorf("store: reading a contact request: %w", found(err))
	}
	return r, nil
}

// ContactRequests returns the requests that are, or are not, about to be accepted by themselves, oldest first.
func (tx *Tx) ContactRequests(auto bool) ([]*ContactRequest, error) {
	return collect(tx, "contact requests", scanContactRequest, `SELECT `+contactRequestColumns+` FROM contact_requests WHERE auto = ? ORDER BY id`, auto)
}

func scanContactRequest(row scanner) (*ContactRequest, error) {
	r, created := new(ContactRequest), int64(0)
	err := row.Scan(&r.ID, &r.Request, &r.Shared, &r.Name, &r.Info, &r.Avatar, &r.Auto, &created)
	r.Created = time.UnixMilli(created)
	return r, err
}
