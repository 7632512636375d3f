package store

import (
	"fmt"
	"time"
)

// Item is something in a conversation: a message, or a notice about it.
type Item struct {
	ID      int64
	Contact int64
	Own     bool
	Shared  []byte // the id that both sides know, nil if it has none
	Kind    string
	Content string // the type or the event, of what is not understood
	Text    string
	Count   int64  // of messages that a notice is about
	Raw     []byte // the JSON of what is not understood, nil for none
	Edited  bool
	State   string
	Failure string
	Time    time.Time // when the relay got it, or it was written here
	Created time.Time
	Change  int64 // the number of its last change
}

const itemColumns = `id, contact, own, shared, kind, content, text, count, raw, edited, state, failure, time, created, changed`

// InsertItem stores a new item and sets its ID and Change.
func (tx *Tx) InsertItem(i *Item) (err error) {
	if i.Change, err = tx.nextChange(); err != nil {
		return err
	}
	res, err := tx.Exec(`INSERT INTO items (contact, own, shared, kind, content, text, count, raw, edited, state, failure, time, created, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		i.Contact, i.Own, i.Shared, i.Kind, i.Content, i.Text, i.Count, i.Raw, i.Edited, i.State, i.Failure, i.Time.UnixMilli(), i.Created.UnixMilli(), i.Change)
	if err != nil {
		return fmt.Errorf("store: adding an item: %w", err)
	}
	i.ID, err = res.LastInsertId()
	return err
}

// SaveItem stores what changes in the life of an item, and sets its Change.
func (tx *Tx) SaveItem(i *Item) (err error) {
	if i.Change, err = tx.nextChange(); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE items SET kind = ?, content = ?, text = ?, count = ?, raw = ?, edited = ?, state = ?, failure = ?, time = ?, changed = ? WHERE id = ?`,
		i.Kind, i.Content, i.Text, i.Count, i.Raw, i.Edited, i.State, i.Failure, i.Time.UnixMilli(), i.Change, i.ID)
	if err != nil {
		return fmt.Errorf("store: saving an item: %w", err)
	}
	return nil
}

// Item returns an item, or ErrNotFound.
func (tx *Tx) Item(id int64) (*Item, error) {
	return tx.item(`SELECT `+itemColumns+` FROM items WHERE id = ?`, id)
}

// ItemByShared returns the item of a contact with an id that both sides know, or ErrNotFound.
func (tx *Tx) ItemByShared(contact int64, own bool, shared []byte) (*Item, error) {
	return tx.item(`SELECT `+itemColumns+` FROM items WHERE contact = ? AND own = ? AND shared = ?`, contact, own, blob(shared))
}

// LastItem returns the newest item of a contact, or ErrNotFound.
func (tx *Tx) LastItem(contact int64) (*Item, error) {
	return tx.item(`SELECT `+itemColumns+` FROM items WHERE contact = ? ORDER BY id DESC LIMIT 1`, contact)
}

func (tx *Tx) item(query string, args ...any) (*Item, error) {
	i, err := scanItem(tx.QueryRow(query, args...))
	if err != nil {
		return nil, fmt.Errorf("store: reading an item: %w", found(err))
	}
	return i, nil
}

// ItemsBefore returns the newest items of a contact whose id is below before, newest first.
func (tx *Tx) ItemsBefore(contact, before int64, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE contact = ? AND id < ? ORDER BY id DESC LIMIT ?`, contact, before, limit)
}

// ItemsChangedAfter returns the items whose last change has a number above change, in the order of their changes.
func (tx *Tx) ItemsChangedAfter(change int64, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE changed > ? ORDER BY changed LIMIT ?`, change, limit)
}

// nextChange numbers a change of an item.
func (tx *Tx) nextChange() (n int64, err error) {
	if err := tx.QueryRow(`UPDATE item_changes SET last = last + 1 RETURNING last`).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: numbering a change: %w", err)
	}
	return n, nil
}

func scanItem(row scanner) (*Item, error) {
	i := new(Item)
	var at, created int64
	err := row.Scan(&i.ID, &i.Contact, &i.Own, &i.Shared, &i.Kind, &i.Content, &i.Text, &i.Count, &i.Raw, &i.Edited,
		&i.State, &i.Failure, &at, &created, &i.Change)
	i.Time, i.Created = time.UnixMilli(at), time.UnixMilli(created)
	return i, err
}
