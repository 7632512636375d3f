package chat

import (
	"errors"
	"time"

	"github.com/sotto-chat/sotto/store"
)

// wordsOf is what an item is found by: what was said in it, unless that was taken back.
func wordsOf(row *store.Item) string {
	if !ItemKind(row.Kind).IsMessage() || !row.Deleted.IsZero() {
		return ""
	}
	if row.FileName != "" {
		return row.Text + "\n" + row.FileName
	}
	return row.Text
}

// addItem stores a new item and publishes it.
func (c *Chat) addItem(tx *store.Tx, row *store.Item) error {
	row.Created, row.Words = c.now(), wordsOf(row)
	if err := tx.InsertItem(row); err != nil {
		return err
	}
	item := newItem(row)
	tx.AfterCommit(func() { c.cfg.Publish(ItemAdded{item}) })
	return nil
}

// saveItem stores a changed item and publishes it.
func (c *Chat) saveItem(tx *store.Tx, row *store.Item) error {
	if err := tx.SaveItem(row); err != nil {
		return err
	}
	item := newItem(row)
	tx.AfterCommit(func() { c.cfg.Publish(ItemChanged{item}) })
	return nil
}

// saveText is saveItem when the text has changed, or is not to be found any more.
func (c *Chat) saveText(tx *store.Tx, row *store.Item) error {
	row.Words = wordsOf(row)
	if err := tx.IndexItem(row); err != nil {
		return err
	}
	return c.saveItem(tx, row)
}

// findItem returns an item with its contact, or ErrNoItem.
func findItem(tx *store.Tx, id int64) (*store.Item, *store.Contact, error) {
	i, err := tx.Item(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, ErrNoItem
	} else if err != nil {
		return nil, nil, err
	}
	row, err := findContact(tx, i.Contact)
	if errors.Is(err, ErrNoContact) {
		return nil, nil, ErrNoItem
	}
	return i, row, err
}

// startTimer has the time begin to run after which an item disappears, if it is one that does.
func (c *Chat) startTimer(tx *store.Tx, i *store.Item) {
	if i.TTL > 0 && i.Expires.IsZero() {
		i.Expires = c.now().Add(time.Duration(i.TTL) * time.Second)
		tx.AfterCommit(func() { wake(c.expiring) })
	}
}

// rememberRemoved is how long it is known that a message was removed here: what its author does with it
// later has no effect. Other programs let messages be edited for a day.
const rememberRemoved = 7 * 24 * time.Hour

// removal tells what goes with the items that are removed.
type removal int

const (
	removeItem    removal = iota // nothing: they were deleted here by who may still see them quoted
	removeContent                // where they are quoted
	removeAll                    // what quotes them is removed as well, by the caller
)

// remove deletes items of a contact, which the caller stores.
func (c *Chat) remove(tx *store.Tx, row *store.Contact, items []*store.Item, how removal) error {
	if len(items) == 0 {
		return nil
	}
	undraft(row, items...)
	ids := make([]int64, len(items))
	for n, i := range items {
		ids[n] = i.ID
		if !i.Own && i.Shared != nil && c.now().Sub(i.Created) < rememberRemoved {
			if err := tx.InsertRemoved(row.ID, i.Shared, c.now()); err != nil {
				return err
			}
		}
		if !i.Own && i.ID > row.Read && ItemKind(i.Kind).IsMessage() && row.Unread > 0 {
			row.Unread--
		}
		if how != removeAll {
			if err := c.unquote(tx, i.ID, how == removeContent); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(c.dropFiles(tx, items), tx.DeleteItems(ids)); err != nil {
		return err
	}
	c.later(tx)
	contact := row.ID
	tx.AfterCommit(func() { c.cfg.Publish(ItemsRemoved{contact, ids}) })
	return nil
}

// unquote has what answers an item not lead to it any more, and with forget not show its text either.
func (c *Chat) unquote(tx *store.Tx, id int64, forget bool) error {
	quoting, err := tx.ItemsQuoting(id)
	if err != nil {
		return err
	}
	for _, q := range quoting {
		q.QuoteItem = 0
		if forget {
			q.QuoteText = ""
			if err := tx.SetItemBody(q.ID, nil); err != nil {
				return err
			}
		}
		if err := c.saveItem(tx, q); err != nil {
			return err
		}
	}
	return nil
}
