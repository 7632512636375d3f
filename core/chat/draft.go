package chat

import (
	"context"
	"errors"

	"github.com/sotto-chat/sotto/store"
)

// maxDraft is the longest text of a draft that is kept, in bytes: about four messages.
const maxDraft = 1 << 16

// Draft is what was written to a contact and not sent yet. A new message and the new text of an earlier one can be under way at the
// same time: while the one is changed, the other waits.
type Draft struct {
	Text   string
	Reply  int64  // the item that Text answers, 0 for none
	Edit   int64  // the item of ours whose text is being changed, 0 for none,
	Edited string // and that text, as far as it was changed
}

// limited is the draft as it is kept.
func (d Draft) limited() Draft {
	d.Text, d.Edited = cut(d.Text, maxDraft), cut(d.Edited, maxDraft)
	if d.Edit == 0 {
		d.Edited = ""
	}
	return d
}

func draftOf(row *store.Contact) Draft {
	return Draft{Text: row.Draft, Reply: row.DraftReply, Edit: row.DraftEdit, Edited: row.DraftEdited}
}

func putDraft(row *store.Contact, d Draft) {
	row.Draft, row.DraftReply, row.DraftEdit, row.DraftEdited = d.Text, d.Reply, d.Edit, d.Edited
}

// SetDraft keeps what was written to a contact and not sent yet, up to 64 KiB of each text. Of messages that are not here any more,
// or were taken back, nothing is kept: neither that they are answered, nor another text of them.
func (c *Chat) SetDraft(ctx context.Context, contact int64, d Draft) error {
	return c.replaceDraft(ctx, contact, nil, d)
}

// ReplaceDraft is SetDraft if the draft is still what SetDraft was called with last: so what was sent is forgotten, and not what was
// written since.
func (c *Chat) ReplaceDraft(ctx context.Context, contact int64, old, d Draft) error {
	return c.replaceDraft(ctx, contact, &old, d)
}

func (c *Chat) replaceDraft(ctx context.Context, contact int64, old *Draft, d Draft) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		is := draftOf(row)
		if old != nil {
			if was, err := keepable(tx, row, *old); err != nil || was != is {
				return err
			}
		}
		if d, err = keepable(tx, row, d); err != nil || d == is {
			return err
		}
		putDraft(row, d)
		return c.save(tx, row)
	})
}

// keepable is what of a draft can be kept.
func keepable(tx *store.Tx, row *store.Contact, d Draft) (Draft, error) {
	for _, id := range []*int64{&d.Reply, &d.Edit} {
		if *id == 0 {
			continue
		}
		i, err := tx.Item(*id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return d, err
		}
		if err != nil || i.Contact != row.ID || !ItemKind(i.Kind).IsMessage() || !i.Deleted.IsZero() {
			*id = 0
		}
	}
	return d.limited(), nil
}

// undraft forgets that messages were being answered or changed, since they are deleted or taken back. Another text of one goes with
// it: what of it stood in the message before can't be told.
func undraft(row *store.Contact, items ...*store.Item) {
	d := draftOf(row)
	for _, i := range items {
		if d.Reply == i.ID {
			d.Reply = 0
		}
		if d.Edit == i.ID {
			d.Edit = 0
		}
	}
	putDraft(row, d.limited())
}
