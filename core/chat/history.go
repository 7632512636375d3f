package chat

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/sotto-chat/sotto/store"
)

// maxPage is the largest number of items that are read at once.
const maxPage = 1000

// page reads items of a contact.
func (c *Chat) page(ctx context.Context, contact int64, read func(tx *store.Tx) ([]*store.Item, error)) (list []Item, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		if _, err := findContact(tx, contact); err != nil {
			return err
		}
		rows, err := read(tx)
		list = newItems(rows)
		return err
	})
	return list, err
}

func newItems(rows []*store.Item) []Item {
	list := make([]Item, len(rows))
	for i, row := range rows {
		list[i] = newItem(row)
	}
	return list
}

func pageSize(limit int) int { return min(max(limit, 0), maxPage) }

// History returns up to limit items of a contact in the order of the conversation, the newest
// of those whose id is below before. With before 0 they are the newest of all.
func (c *Chat) History(ctx context.Context, contact, before int64, limit int) ([]Item, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return c.page(ctx, contact, func(tx *store.Tx) ([]*store.Item, error) {
		rows, err := tx.ItemsBefore(contact, before, pageSize(limit))
		slices.Reverse(rows)
		return rows, err
	})
}

// HistoryAfter returns up to limit items of a contact in the order of the conversation, the oldest
// of those whose id is above after.
func (c *Chat) HistoryAfter(ctx context.Context, contact, after int64, limit int) ([]Item, error) {
	return c.page(ctx, contact, func(tx *store.Tx) ([]*store.Item, error) { return tx.ItemsAfter(contact, after, pageSize(limit)) })
}

// Around returns an item of a contact with up to limit items before it and as many after it, in the order of the
// conversation. If the item is not there any more, its place is what they are around.
func (c *Chat) Around(ctx context.Context, contact, item int64, limit int) ([]Item, error) {
	return c.page(ctx, contact, func(tx *store.Tx) ([]*store.Item, error) {
		rows, err := tx.ItemsBefore(contact, item, pageSize(limit))
		if err != nil {
			return nil, err
		}
		slices.Reverse(rows)
		after, err := tx.ItemsAfter(contact, item-1, pageSize(limit)+1)
		if n := pageSize(limit); len(after) > n && after[0].ID != item {
			after = after[:n]
		}
		return append(rows, after...), err
	})
}

// ItemAt returns the earliest item of a contact at or after a time. The error is ErrNoItem if there is none.
func (c *Chat) ItemAt(ctx context.Context, contact int64, t time.Time) (item Item, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		if _, err := findContact(tx, contact); err != nil {
			return err
		}
		row, err := tx.ItemAt(contact, t)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoItem
		} else if err != nil {
			return err
		}
		item = newItem(row)
		return nil
	})
	return item, err
}

// FirstUnread returns the id of the oldest message of a contact that was not seen, 0 if all were.
func (c *Chat) FirstUnread(ctx context.Context, contact int64) (id int64, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) (err error) {
		if _, err := findContact(tx, contact); err != nil {
			return err
		}
		id, err = tx.FirstUnread(contact, [2]string{string(KindText), string(KindUnsupported)})
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return id, err
}

// Hit is a message that a search has found.
type Hit struct {
	Item   Item
	Ranges [][2]int // where the Text has what was searched for, in bytes; none if that is in the name of its file
}

// maxQuery is the longest query, in bytes.
const maxQuery = 512

// Search returns up to limit messages with all words of a query, the newest first: of a contact, or of all
// with contact 0. The last letters of a word may be missing; case and accents don't count. To go on, before is
// the id of the last message that was returned.
func (c *Chat) Search(ctx context.Context, query string, contact, before int64, limit int) (hits []Hit, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	q := store.ParseQuery(cut(query, maxQuery))
	err = c.db.View(ctx, func(tx *store.Tx) error {
		if contact != 0 {
			if _, err := findContact(tx, contact); err != nil {
				return err
			}
		}
		rows, err := tx.SearchItems(q, contact, before, pageSize(limit))
		if err != nil {
			return err
		}
		for _, row := range rows {
			hits = append(hits, Hit{newItem(row), q.Ranges(row.Text)})
		}
		return nil
	})
	return hits, err
}
