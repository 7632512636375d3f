package store

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Item is something in a conversation: a message, or a notice about it.
type Item struct {
	ID      int64
	Contact int64
	Own     bool
	Shared  []byte // the id that both sides know, nil if it has none
	Kind    string
	Content string // the type or the event, of what is more than text
	Text    string
	Count   int64  // of messages that a notice is about
	Raw     []byte // the JSON of what is not understood, nil for none
	Edited  bool
	State   string
	Failure string
	Time    time.Time // when the relay got it, or it was written here
	Created time.Time

	Forwarded bool
	Live      bool      // it is still being written
	TTL       int64     // seconds until it disappears, 0 for never
	Expires   time.Time // when it disappears, zero if that is not known yet
	Deleted   time.Time // when its author took it back, zero if not
	Sent      time.Time // when the relay had it, zero if not
	Delivered time.Time // when its receipt came, zero if not
	Route     string    // how the relay was reached

	QuoteItem    int64 // what it answers, 0 if that is not here
	QuoteOwn     bool
	QuoteContent string // empty if it answers nothing
	QuoteText    string

	FileName    string // empty if it has no file
	FileSize    int64
	FileState   string
	FileFailure string
	FileRelay   string // the host of the relay that has failed
	Duration    int64  // seconds
	Reactions   string // JSON, empty for none
	Preview     []byte // JSON of what is behind a link, nil for none
	Image       []byte // a small preview picture, nil for none

	// Body is what is to be sent until the relay has it. It is not read with the item, see ItemBody.
	Body []byte
	// Words are searched for. They are not read with the item either; see IndexItem.
	Words string

	Change  int64 // the number of its last change,
	Added   int64 // of its first one,
	Stated  int64 // of the last one of its state,
	Touched int64 // and of the last one of anything else
}

const itemColumns = `id, contact, own, shared, kind, content, text, count, raw, edited, state, failure, time, created, forwarded, live, ttl, expires, deleted, sent, delivered, route,
	coalesce(quote_item, 0), quote_own, quote_content, quote_text, file_name, file_size, file_state, file_failure, file_relay, duration, reactions, preview, image, changed, added, stated, touched`

// prefixed puts the name of a table before the columns of a list.
func prefixed(table, columns string) string {
	list := strings.Split(columns, ",")
	for i, c := range list {
		c = strings.TrimSpace(c)
		if rest, ok := strings.CutPrefix(c, "coalesce("); ok {
			list[i] = "coalesce(" + table + "." + rest
		} else if c != "0)" {
			list[i] = table + "." + c
		}
	}
	return strings.Join(list, ", ")
}

// InsertItem stores a new item and its words, and sets its ID and the numbers of its changes.
func (tx *Tx) InsertItem(i *Item) (err error) {
	if i.Change, err = tx.nextChange(); err != nil {
		return err
	}
	i.Added, i.Stated, i.Touched = i.Change, i.Change, i.Change
	res, err := tx.Exec(`INSERT INTO items (contact, own, shared, kind, content, text, count, raw, edited, state, failure, time, created, forwarded, live, ttl, expires, deleted, sent, delivered,
		route, quote_item, quote_own, quote_content, quote_text, file_name, file_size, file_state, file_failure, file_relay, duration, reactions, preview, image, body, changed, added, stated, touched)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		i.Contact, i.Own, i.Shared, i.Kind, i.Content, i.Text, i.Count, i.Raw, i.Edited, i.State, i.Failure, i.Time.UnixMilli(), i.Created.UnixMilli(), i.Forwarded, i.Live,
		i.TTL, milli(i.Expires), milli(i.Deleted), milli(i.Sent), milli(i.Delivered), i.Route, i.QuoteItem, i.QuoteOwn, i.QuoteContent, i.QuoteText,
		i.FileName, i.FileSize, i.FileState, i.FileFailure, i.FileRelay, i.Duration, i.Reactions, i.Preview, i.Image, i.Body, i.Change, i.Added, i.Stated, i.Touched)
	if err != nil {
		return fmt.Errorf("store: adding an item: %w", err)
	}
	if i.ID, err = res.LastInsertId(); err != nil {
		return err
	}
	return tx.index(i, true)
}

// SaveItem stores what changes in the life of an item, and sets the numbers of its changes. Its words and its body have
// methods of their own.
func (tx *Tx) SaveItem(i *Item) (err error) {
	if i.Change, err = tx.nextChange(); err != nil {
		return err
	}
	err = tx.QueryRow(`UPDATE items SET stated = iif(state = ?1 AND failure = ?2, stated, ?3), touched = iif(state = ?1 AND failure = ?2, ?3, touched), kind = ?, content = ?, text = ?, count = ?, raw = ?, edited = ?, state = ?, failure = ?, time = ?,
		live = ?, ttl = ?, expires = ?, deleted = ?, sent = ?, delivered = ?, route = ?, quote_item = nullif(?, 0), quote_content = ?, quote_text = ?, file_state = ?, file_failure = ?, file_relay = ?, reactions = ?, changed = ?
		WHERE id = ? RETURNING stated, touched`,
		i.State, i.Failure, i.Change, i.Kind, i.Content, i.Text, i.Count, i.Raw, i.Edited, i.State, i.Failure, i.Time.UnixMilli(),
		i.Live, i.TTL, milli(i.Expires), milli(i.Deleted), milli(i.Sent), milli(i.Delivered), i.Route, i.QuoteItem, i.QuoteContent, i.QuoteText, i.FileState, i.FileFailure, i.FileRelay, i.Reactions, i.Change, i.ID).Scan(&i.Stated, &i.Touched)
	if err = found(err); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("store: saving an item: %w", err)
	}
	return nil
}

// IndexItem has an item found by its Words, and by nothing else of it.
func (tx *Tx) IndexItem(i *Item) error { return tx.index(i, false) }

// ItemBody returns what is to be sent of an item, nil if the relay has it.
func (tx *Tx) ItemBody(id int64) (body []byte, err error) {
	if err := tx.QueryRow(`SELECT body FROM items WHERE id = ?`, id).Scan(&body); err != nil {
		return nil, fmt.Errorf("store: reading an item: %w", found(err))
	}
	return body, nil
}

// SetItemBody stores what is to be sent of an item, nil for nothing.
func (tx *Tx) SetItemBody(id int64, body []byte) error {
	if _, err := tx.Exec(`UPDATE items SET body = ? WHERE id = ?`, body, id); err != nil {
		return fmt.Errorf("store: saving an item: %w", err)
	}
	return nil
}

// SetItemPreview stores what is behind a link in an item, and a small picture of it; nil for none.
func (tx *Tx) SetItemPreview(id int64, preview, image []byte) error {
	if _, err := tx.Exec(`UPDATE items SET preview = ?, image = ? WHERE id = ?`, preview, image, id); err != nil {
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

// LastItems returns the newest item of each contact that has any.
func (tx *Tx) LastItems() ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+prefixed("i", itemColumns)+` FROM contacts c
		JOIN items i ON i.id = (SELECT id FROM items WHERE contact = c.id ORDER BY id DESC LIMIT 1)`)
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

// ItemsAfter returns the oldest items of a contact whose id is above after, oldest first.
func (tx *Tx) ItemsAfter(contact, after int64, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE contact = ? AND id > ? ORDER BY id LIMIT ?`, contact, after, limit)
}

// ItemAt returns the earliest item of a contact at or after a time, or ErrNotFound.
func (tx *Tx) ItemAt(contact int64, t time.Time) (*Item, error) {
	return tx.item(`SELECT `+itemColumns+` FROM items WHERE contact = ? AND time >= ? ORDER BY time, id LIMIT 1`, contact, t.UnixMilli())
}

// FirstUnread returns the id of the oldest received item of some kinds that was not seen, or ErrNotFound.
func (tx *Tx) FirstUnread(contact int64, kinds [2]string) (id int64, err error) {
	err = tx.QueryRow(`SELECT id FROM items WHERE contact = ?1 AND id > (SELECT read FROM contacts WHERE id = ?1) AND NOT own AND kind IN (?2, ?3) ORDER BY id LIMIT 1`,
		contact, kinds[0], kinds[1]).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("store: reading an item: %w", found(err))
	}
	return id, nil
}

// ItemsQuoting returns the items that answer an item.
func (tx *Tx) ItemsQuoting(id int64) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE quote_item = ? ORDER BY id`, id)
}

// ItemsToTime returns the received items of a contact, up to the one with the id read, whose time has not begun to run yet.
func (tx *Tx) ItemsToTime(contact, read int64, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE contact = ? AND id <= ? AND ttl > 0 AND expires = 0 AND NOT own ORDER BY id LIMIT ?`,
		contact, read, limit)
}

// ItemsExpired returns items that are to disappear by a time.
func (tx *Tx) ItemsExpired(now time.Time, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE expires > 0 AND expires <= ? ORDER BY expires LIMIT ?`, now.UnixMilli(), limit)
}

// NextExpiry returns when the next item is to disappear, zero if none is.
func (tx *Tx) NextExpiry() (time.Time, error) {
	var at int64
	if err := tx.QueryRow(`SELECT coalesce(min(expires), 0) FROM items WHERE expires > 0`).Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("store: reading an item: %w", err)
	}
	return unmilli(at), nil
}

// LimitExpiries sees to it that no item takes longer to disappear than its time from now on, as it would
// after the clock was set back. It returns whether any would have.
func (tx *Tx) LimitExpiries(now time.Time) (changed bool, err error) {
	res, err := tx.Exec(`UPDATE items SET expires = ?1 + ttl * 1000 WHERE expires > 0 AND expires > ?1 + ttl * 1000`, now.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("store: limiting times: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// LiveItems returns our items that are still being written.
func (tx *Tx) LiveItems() ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE live AND own ORDER BY id`)
}

// ItemsChangedAfter returns the items whose last change has a number above change, in the order of the first of their numbers (Added,
// Stated, Touched) that is: one that was added, and changed since then, comes before those that were added after it.
func (tx *Tx) ItemsChangedAfter(change int64, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE changed > ?1
		ORDER BY min(iif(added > ?1, added, changed), iif(stated > ?1, stated, changed), iif(touched > ?1, touched, changed)) LIMIT ?2`, change, limit)
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
	var at, created, expires, deleted, sent, delivered int64
	err := row.Scan(&i.ID, &i.Contact, &i.Own, &i.Shared, &i.Kind, &i.Content, &i.Text, &i.Count, &i.Raw, &i.Edited,
		&i.State, &i.Failure, &at, &created, &i.Forwarded, &i.Live, &i.TTL, &expires, &deleted, &sent, &delivered, &i.Route,
		&i.QuoteItem, &i.QuoteOwn, &i.QuoteContent, &i.QuoteText, &i.FileName, &i.FileSize, &i.FileState, &i.FileFailure, &i.FileRelay, &i.Duration, &i.Reactions, &i.Preview, &i.Image,
		&i.Change, &i.Added, &i.Stated, &i.Touched)
	i.Time, i.Created = time.UnixMilli(at), time.UnixMilli(created)
	i.Expires, i.Deleted, i.Sent, i.Delivered = unmilli(expires), unmilli(deleted), unmilli(sent), unmilli(delivered)
	return i, err
}

// An Edition is a text that a message had before it was edited.
type Edition struct {
	Text     string
	Replaced time.Time // when it was edited
}

// InsertEdition keeps a text of an item, and forgets the oldest ones if there are more than keep.
func (tx *Tx) InsertEdition(item int64, e Edition, keep int) error {
	if _, err := tx.Exec(`INSERT INTO editions (item, text, replaced) VALUES (?, ?, ?)`, item, e.Text, e.Replaced.UnixMilli()); err != nil {
		return fmt.Errorf("store: adding an edition: %w", err)
	}
	_, err := tx.Exec(`DELETE FROM editions WHERE item = ?1 AND id <= (SELECT id FROM editions WHERE item = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, item, keep)
	if err != nil {
		return fmt.Errorf("store: forgetting editions: %w", err)
	}
	return nil
}

// Editions returns the texts that an item had, oldest first.
func (tx *Tx) Editions(item int64) ([]Edition, error) {
	return collect(tx, "editions", func(row scanner) (e Edition, err error) {
		var at int64
		err = row.Scan(&e.Text, &at)
		e.Replaced = time.UnixMilli(at)
		return e, err
	}, `SELECT text, replaced FROM editions WHERE item = ? ORDER BY id`, item)
}

// DeleteEditions forgets the texts that an item had.
func (tx *Tx) DeleteEditions(item int64) error {
	if _, err := tx.Exec(`DELETE FROM editions WHERE item = ?`, item); err != nil {
		return fmt.Errorf("store: forgetting editions: %w", err)
	}
	return nil
}

// InsertRemoved remembers that a message of a contact was removed here.
func (tx *Tx) InsertRemoved(contact int64, shared []byte, at time.Time) error {
	if _, err := tx.Exec(`INSERT OR REPLACE INTO removed (contact, shared, time) VALUES (?, ?, ?)`, contact, blob(shared), at.UnixMilli()); err != nil {
		return fmt.Errorf("store: remembering a removal: %w", err)
	}
	return nil
}

// Removed tells whether a message of a contact was removed here.
func (tx *Tx) Removed(contact int64, shared []byte) (ok bool, err error) {
	if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM removed WHERE contact = ? AND shared = ?)`, contact, blob(shared)).Scan(&ok); err != nil {
		return false, fmt.Errorf("store: reading removals: %w", err)
	}
	return ok, nil
}

// ForgetRemoved forgets what was removed before a time.
func (tx *Tx) ForgetRemoved(before time.Time) error {
	if _, err := tx.Exec(`DELETE FROM removed WHERE time < ?`, before.UnixMilli()); err != nil {
		return fmt.Errorf("store: forgetting removals: %w", err)
	}
	return nil
}
