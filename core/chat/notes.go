package chat

import (
	"context"

	"github.com/sotto-chat/sotto/store"
)

// Notes returns the conversation with oneself, a contact whose State is ContactNotes, and makes it if there is none.
// What is said in it is kept here and sent to nobody.
func (c *Chat) Notes(ctx context.Context) (contact Contact, err error) {
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		ids, err := tx.ContactsIn(string(ContactNotes))
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			contact, err = c.addContact(tx, &store.Contact{State: string(ContactNotes)})
			return err
		}
		row, err := tx.Contact(ids[0])
		if err != nil {
			return err
		}
		contact, err = c.loadContact(tx, row)
		return err
	})
	return contact, err
}
