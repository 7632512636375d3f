package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestContacts(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	at := func(s int64) time.Time { return time.UnixMilli(s * 1000) }
	var first, second *Contact
	err := db.Update(t.Context(), func(tx *Tx) error {
		connection := &Connection{State: "connected", Role: "joiner", Created: at(1)}
		if err := tx.InsertConnection(connection); err != nil {
			return err
		}
		first = &Contact{Connection: connection.ID, State: "connecting", Name: "Bob", Profile: []byte("{}"), VersionMin: 1, VersionMax: 16,
			Link: "link", Avatar: 1<<32 - 1, Created: at(1), Active: at(1)}
		second = &Contact{State: "failed", Failure: "x", Profile: []byte("{}"), Created: at(2), Active: at(2)}
		return errors.Join(tx.InsertContact(first), tx.InsertContact(second))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *Tx) error {
		list, err := tx.Contacts()
		if err != nil || len(list) != 2 || !reflect.DeepEqual(list[0], second) || !reflect.DeepEqual(list[1], first) {
			t.Errorf("contacts are %v, %v", list, err)
		}
		first.State, first.Alias, first.Link, first.Draft, first.Unread, first.Active = "connected", "Robert", "", "draft", 3, at(3)
		if err := tx.SaveContact(first); err != nil {
			return err
		}
		for _, find := range []func() (*Contact, error){
			func() (*Contact, error) { return tx.Contact(first.ID) },
			func() (*Contact, error) { return tx.ContactOf(first.Connection) },
		} {
			if got, err := find(); err != nil || !reflect.DeepEqual(got, first) {
				t.Errorf("contact is %+v, %v", got, err)
			}
		}
		if n, err := tx.Unread(); n != 3 || err != nil {
			t.Errorf("unread are %d, %v", n, err)
		}
		// Without its connection a contact stays.
		if err := tx.DeleteConnection(first.Connection); err != nil {
			return err
		}
		if got, err := tx.Contact(first.ID); err != nil || got.Connection != 0 {
			t.Errorf("contact without connection is %+v, %v", got, err)
		}
		if err := tx.DeleteContact(first.ID); err != nil {
			return err
		}
		if _, err := tx.Contact(first.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted contact: %v", err)
		}
		if _, err := tx.ContactOf(0); !errors.Is(err, ErrNotFound) {
			t.Errorf("contact of no connection: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestItems(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	now := time.UnixMilli(1000)
	err := db.Update(t.Context(), func(tx *Tx) error {
		contact, other := &Contact{Created: now, Active: now}, &Contact{Created: now, Active: now}
		if err := errors.Join(tx.InsertContact(contact), tx.InsertContact(other)); err != nil {
			return err
		}
		var items []*Item
		for i := range 5 {
			item := &Item{Contact: contact.ID, Own: i%2 == 0, Shared: []byte{byte(i)}, Kind: "text", Content: "c", Text: fmt.Sprint(i),
				Raw: []byte("{}"), State: "pending", Time: now, Created: now}
			if i == 3 {
				item.Shared, item.Raw = nil, nil
			}
			if err := tx.InsertItem(item); err != nil {
				return err
			}
			items = append(items, item)
		}
		if got, err := tx.LastItem(contact.ID); err != nil || !reflect.DeepEqual(got, items[4]) {
			t.Errorf("last item is %+v, %v", got, err)
		}
		if _, err := tx.LastItem(other.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("last item of an empty conversation: %v", err)
		}
		got, err := tx.ItemsBefore(contact.ID, items[3].ID, 2)
		if err != nil || !reflect.DeepEqual(got, []*Item{items[2], items[1]}) {
			t.Errorf("page is %v, %v", got, err)
		}
		if got, err := tx.ItemByShared(contact.ID, true, []byte{2}); err != nil || got.ID != items[2].ID {
			t.Errorf("item by shared id is %+v, %v", got, err)
		}
		for _, find := range []func() (*Item, error){
			func() (*Item, error) { return tx.ItemByShared(contact.ID, false, []byte{2}) },
			func() (*Item, error) { return tx.ItemByShared(other.ID, true, []byte{2}) },
			func() (*Item, error) { return tx.ItemByShared(contact.ID, false, nil) },
			func() (*Item, error) { return tx.Item(99) },
		} {
			if _, err := find(); !errors.Is(err, ErrNotFound) {
				t.Errorf("found what is not there: %v", err)
			}
		}
		// The same id twice: of the other side it is another message.
		twin := *items[0]
		if err := tx.InsertItem(&twin); err == nil {
			t.Error("an id was stored twice")
		}
		twin.Own = false
		if err := tx.InsertItem(&twin); err != nil {
			return err
		}

		seen := items[4].Change
		items[1].State, items[1].Failure, items[1].Edited, items[1].Count = "sent", "f", true, 2
		if err := tx.SaveItem(items[1]); err != nil {
			return err
		}
		changed, err := tx.ItemsChangedAfter(seen, 10)
		if err != nil || len(changed) != 2 || changed[0].ID != twin.ID || !reflect.DeepEqual(changed[1], items[1]) {
			t.Errorf("changes are %+v, %v", changed, err)
		}
		// Numbers of changes are never used again.
		last := items[1].Change
		if err := tx.DeleteContact(contact.ID); err != nil {
			return err
		}
		next := &Item{Contact: other.ID, Time: now, Created: now}
		if err := tx.InsertItem(next); err != nil {
			return err
		}
		if next.Change <= last || next.ID <= twin.ID {
			t.Errorf("change %d after %d, item %d after %d", next.Change, last, next.ID, twin.ID)
		}
		if all, err := tx.ItemsChangedAfter(0, 100); err != nil || len(all) != 1 {
			t.Errorf("after deleting a contact there are %d items, %v", len(all), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAfterCommit(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	var got []int
	note := func(n int) func() { return func() { got = append(got, n) } }
	err := db.Update(t.Context(), func(tx *Tx) error {
		tx.AfterCommit(note(1))
		tx.AfterCommit(note(2))
		if len(got) > 0 {
			t.Error("called before the commit")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("failure")
	err = db.Update(t.Context(), func(tx *Tx) error {
		tx.AfterCommit(note(3))
		return failure
	})
	if !errors.Is(err, failure) || !slices.Equal(got, []int{1, 2}) {
		t.Errorf("called were %v, %v", got, err)
	}
}

// conversation stores a contact with n messages.
func conversation(b *testing.B, n int) (db *DB, contact int64) {
	b.Helper()
	db = mustCreate(b, filepath.Join(b.TempDir(), "p"))
	now := time.UnixMilli(1000)
	err := db.Update(b.Context(), func(tx *Tx) error {
		c := &Contact{Created: now, Active: now}
		if err := tx.InsertContact(c); err != nil {
			return err
		}
		contact = c.ID
		for i := range n {
			item := &Item{Contact: contact, Own: i%3 == 0, Shared: fmt.Append(nil, "shared id ", i), Kind: "text",
				Text: "a message of usual length, as people write them", State: "received", Time: now, Created: now}
			if err := tx.InsertItem(item); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return db, contact
}

// BenchmarkHistoryPage reads pages of 100 messages from a conversation of 100,000.
func BenchmarkHistoryPage(b *testing.B) {
	db, contact := conversation(b, 100_000)
	before := int64(1 << 62)
	for b.Loop() {
		err := db.View(b.Context(), func(tx *Tx) error {
			items, err := tx.ItemsBefore(contact, before, 100)
			if err == nil && len(items) > 0 {
				before = items[len(items)-1].ID
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		if before < 100 {
			before = 1 << 62
		}
	}
}
