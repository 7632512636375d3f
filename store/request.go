package store

import (
	"fmt"
	"time"
)

// Request is somebody's wish to connect, sent to an address.
type Request struct {
	ID         int64
	Connection int64 // the address
	Link       string
	Created    time.Time
}

// InsertRequest stores a request and sets its ID.
func (tx *Tx) InsertRequest(r *Request) error {
	res, err := tx.Exec(`INSERT INTO requests (connection, link, created) VALUES (?, ?, ?)`, r.Connection, r.Link, r.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding a request: %w", err)
	}
	r.ID, err = res.LastInsertId()
	return err
}

// Request returns a request, or ErrNotFound.
func (tx *Tx) Request(id int64) (*Request, error) {
	r, created := &Request{ID: id}, int64(0)
	err := tx.QueryRow(`SELECT connection, link, created FROM requests WHERE id = ?`, id).Scan(&r.Connection, &r.Link, &created)
	if err != nil {
		return nil, fmt.Errorf("store: reading a request: %w", found(err))
	}
	r.Created = time.UnixMilli(created)
	return r, nil
}

// CountRequests returns how many requests wait at an address.
func (tx *Tx) CountRequests(connection int64) (n int, err error) {
	if err = tx.QueryRow(`SELECT count(*) FROM requests WHERE connection = ?`, connection).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: counting requests: %w", err)
	}
	return n, nil
}

// DeleteRequest forgets a request.
func (tx *Tx) DeleteRequest(id int64) error {
	if _, err := tx.Exec(`DELETE FROM requests WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: deleting a request: %w", err)
	}
	return nil
}

// Preview is what was read of a one-time short link that is not joined yet. Its key secures the
// queue: without it the link could never be opened again.
type Preview struct {
	Server      string
	LinkID      []byte
	Key         []byte
	SenderID    []byte // nil until the relay has answered, as are Fixed and User
	Fixed, User []byte
	Created     time.Time
}

// SavePreview stores a preview, in the place of the one that there is for the link.
func (tx *Tx) SavePreview(p *Preview) error {
	_, err := tx.Exec(`INSERT INTO previews (server, link_id, key, sender_id, fixed, user, created) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (server, link_id) DO UPDATE SET sender_id = excluded.sender_id, fixed = excluded.fixed, user = excluded.user`,
		p.Server, blob(p.LinkID), blob(p.Key), p.SenderID, p.Fixed, p.User, p.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: saving a link preview: %w", err)
	}
	return nil
}

// Preview returns the preview of a link, or ErrNotFound.
func (tx *Tx) Preview(server string, linkID []byte) (*Preview, error) {
	return tx.preview(`server = ? AND link_id = ?`, server, blob(linkID))
}

// PreviewOf returns the preview of the link that leads to a queue, or ErrNotFound.
func (tx *Tx) PreviewOf(server string, senderID []byte) (*Preview, error) {
	return tx.preview(`server = ? AND sender_id = ?`, server, blob(senderID))
}

func (tx *Tx) preview(where string, args ...any) (*Preview, error) {
	p, created := new(Preview), int64(0)
	err := tx.QueryRow(`SELECT server, link_id, key, sender_id, fixed, user, created FROM previews WHERE `+where, args...).
		Scan(&p.Server, &p.LinkID, &p.Key, &p.SenderID, &p.Fixed, &p.User, &created)
	if err != nil {
		return nil, fmt.Errorf("store: reading a link preview: %w", found(err))
	}
	p.Created = time.UnixMilli(created)
	return p, nil
}

// DeleteOldPreviews forgets the links that were read before a time.
func (tx *Tx) DeleteOldPreviews(before time.Time) error {
	if _, err := tx.Exec(`DELETE FROM previews WHERE created < ?`, before.UnixMilli()); err != nil {
		return fmt.Errorf("store: deleting link previews: %w", err)
	}
	return nil
}
