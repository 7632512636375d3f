package chat

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// ErrNotOwn tells that only messages of one's own can be deleted for everyone.
var ErrNotOwn = errors.New("only own messages can be deleted for everyone")

// Delete deletes messages and notices here. With everyone it has contacts delete messages of ours as well: if
// the preferences allow it nothing is left of them at either side, otherwise both mark them. The error is
// ErrNoItem, and with everyone ErrNotOwn, ErrTooOld or ErrNotConnected; nothing is deleted then.
func (c *Chat) Delete(ctx context.Context, items []int64, everyone bool) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		rows := map[int64]*store.Contact{}
		var order []int64
		gone := map[int64][]*store.Item{}
		for n, id := range items {
			if slices.Contains(items[:n], id) {
				continue
			}
			i, row, err := findItem(tx, id)
			if err != nil {
				return err
			}
			if rows[row.ID] == nil {
				rows[row.ID] = row
				order = append(order, row.ID)
			}
			row = rows[row.ID]
			erase := true
			if everyone && ContactState(row.State) != ContactNotes {
				if erase, err = c.takeBack(tx, row, i); err != nil {
					return err
				}
			}
			if erase {
				gone[row.ID] = append(gone[row.ID], i)
			}
		}
		how := removeItem
		if everyone {
			how = removeContent
		}
		for _, id := range order {
			if err := c.remove(tx, rows[id], gone[id], how); err != nil {
				return err
			}
			if err := c.save(tx, rows[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

// takeBack has the contact delete a message of ours. It tells whether nothing is to be left of it here either;
// otherwise it is marked. The caller stores row.
func (c *Chat) takeBack(tx *store.Tx, row *store.Contact, i *store.Item) (erase bool, err error) {
	switch {
	case !i.Own || !ItemKind(i.Kind).IsMessage() || i.Shared == nil:
		return false, ErrNotOwn
	case c.now().Sub(i.Time) > changeTime:
		return false, ErrTooOld
	}
	t, err := loadTerms(tx, row)
	if err != nil {
		return false, err
	}
	erase, _ = t.may(FeatureFullDelete)
	if !i.Deleted.IsZero() {
		return erase, nil // the contact knows
	}
	if err := c.say(tx, row, noItem, event.MsgDel{MsgID: event.ID(i.Shared)}); err != nil {
		return false, err
	}
	c.live.end(i.ID)
	if erase {
		return true, nil
	}
	i.Deleted = c.now()
	return false, c.mark(tx, row, i)
}

// mark stores that a message was taken back. The caller stores row.
func (c *Chat) mark(tx *store.Tx, row *store.Contact, i *store.Item) error {
	undraft(row, i)
	i.Live, i.Reactions = false, ""
	if err := errors.Join(tx.DeleteEditions(i.ID), c.takeBackFile(tx, i)); err != nil {
		return err
	}
	return c.saveText(tx, i)
}

// maxAge is how old a message of a contact may be that it takes back (chat-protocol.md §5).
const maxAge = 78 * 60 * 60 * 1000 // milliseconds

// deleted takes over that a contact takes a message back. The caller stores row.
func (c *Chat) deleted(tx *store.Tx, row *store.Contact, e event.MsgDel, at int64) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if at-i.Time.UnixMilli() >= maxAge || !i.Deleted.IsZero() {
		return nil
	}
	t, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	if _, contact := t.may(FeatureFullDelete); contact {
		return c.remove(tx, row, []*store.Item{i}, removeContent)
	}
	i.Deleted = c.now()
	return c.mark(tx, row, i)
}

// purgePage is how many items are deleted in one transaction when a conversation is emptied.
const purgePage = 250

// Clear deletes all that was said with a contact here. If ctx is done before that, a part is left.
func (c *Chat) Clear(ctx context.Context, contact int64) error {
	for {
		n := 0
		err := c.db.Update(ctx, func(tx *store.Tx) error {
			row, err := findContact(tx, contact)
			if err != nil {
				return err
			}
			items, err := tx.ItemsBefore(contact, math.MaxInt64, purgePage)
			if err != nil || len(items) == 0 {
				return err
			}
			n = len(items)
			if err := c.remove(tx, row, items, removeAll); err != nil {
				return err
			}
			return c.save(tx, row)
		})
		if err != nil || n < purgePage {
			return err
		}
	}
}

// DeleteContact deletes a contact with all that was said. The contact is told, and when it was our queue is deleted on
// the relay, so that an invitation that was not opened yet can't be opened any more. What it sends until then
// is dropped.
func (c *Chat) DeleteContact(ctx context.Context, id int64) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, id)
		if err != nil {
			return err
		}
		if row.Connection != 0 {
			if err := c.part(tx, row); err != nil {
				return err
			}
		}
		if err := tx.BuryContact(id, string(contactDeleted)); err != nil {
			return err
		}
		tx.AfterCommit(func() { c.cfg.Publish(ContactDeleted{id}) })
		c.later(tx)
		_, err = c.purge(tx, id)
		return err
	})
}

// goodbye is the reference of what tells a contact that it was deleted here.
const goodbye = math.MinInt64

// part tells a contact that it was deleted, after which its connection goes, or has the connection go at once if it
// can't be told.
func (c *Chat) part(tx *store.Tx, row *store.Contact) error {
	if ContactState(row.State) == ContactConnected {
		if err := c.say(tx, row, goodbye, event.DirectDel{}); err == nil {
			return nil
		}
	}
	return c.agent.Delete(tx, row.Connection)
}

// parted has the connection of a contact go that was told, or can't be told, that it was deleted.
func (c *Chat) parted(tx *store.Tx, connection int64) error {
	c.later(tx)
	return c.agent.Delete(tx, connection)
}

// purge deletes some of what is left of a contact that was deleted. It tells whether nothing is left, or only
// a connection over which the contact is being told.
func (c *Chat) purge(tx *store.Tx, id int64) (done bool, err error) {
	items, err := tx.ItemsBefore(id, math.MaxInt64, purgePage)
	if err != nil {
		return false, err
	}
	ids := make([]int64, len(items))
	for n, i := range items {
		ids[n] = i.ID
	}
	if err := errors.Join(c.dropFiles(tx, items), tx.DeleteItems(ids)); err != nil {
		return false, err
	}
	if len(items) == purgePage {
		return false, nil
	}
	row, err := tx.Contact(id)
	if err != nil || row.Connection != 0 {
		return true, err
	}
	return true, tx.DeleteContact(id)
}

// purgeAll deletes what is left of contacts that were deleted, as far as that can go.
func (c *Chat) purgeAll() {
	var ids []int64
	err := c.db.View(c.ctx, func(tx *store.Tx) (err error) {
		ids, err = tx.ContactsIn(string(contactDeleted))
		return err
	})
	if err != nil {
		return
	}
	for _, id := range ids {
		for done := false; !done; {
			err := c.db.Update(c.ctx, func(tx *store.Tx) (err error) {
				done, err = c.purge(tx, id)
				return err
			})
			if err != nil {
				break // it is tried again when there is something to do again
			}
		}
	}
}

// mergeIndex has nothing be left of what was deleted in the index for searching.
func (c *Chat) mergeIndex() {
	for done := false; !done; {
		err := c.db.Update(c.ctx, func(tx *store.Tx) (err error) {
			done, err = tx.MergeIndex()
			return err
		})
		if err != nil {
			return // it goes on when there is something to do again
		}
	}
}
