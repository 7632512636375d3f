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
			Link: "link", FullLink: "full", Avatar: 1<<32 - 1, Created: at(1), Active: at(1), Receipts: true, Incognito: "Quiet Heron", Told: "Quiet Heron",
			OpenedServer: "server", OpenedSender: []byte{1}, OpenedKey: []byte{2}, Request: []byte{3}, Greet: true, GreetID: []byte{4}}
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
		first.DraftReply, first.DraftEdit, first.DraftEdited = 5, 6, "edited"
		first.FullLink, first.Receipts, first.Told, first.Verified, first.GreetID = "", false, "Alice", at(4), nil
		if err := tx.SaveContact(first); err != nil {
			return err
		}
		for _, find := range []func() (*Contact, error){
			func() (*Contact, error) { return tx.Contact(first.ID) },
			func() (*Contact, error) { return tx.ContactOf(first.Connection) },
			func() (*Contact, error) { return tx.ContactByLinkKey([]byte{2}) },
			func() (*Contact, error) { return tx.ContactByRequest([]byte{3}) },
		} {
			if got, err := find(); err != nil || !reflect.DeepEqual(got, first) {
				t.Errorf("contact is %+v, %v", got, err)
			}
		}
		if list, err := tx.ContactsOpenedBy([]byte{1}); err != nil || !reflect.DeepEqual(list, []*Contact{first}) {
			t.Errorf("contacts of a queue are %v, %v", list, err)
		}
		// What was not opened with a link, or did not come from a request, is not found by the lack of it.
		if list, err := tx.ContactsOpenedBy(nil); err != nil || len(list) != 0 {
			t.Errorf("contacts of no queue are %v, %v", list, err)
		}
		for _, find := range []func([]byte) (*Contact, error){tx.ContactByLinkKey, tx.ContactByRequest} {
			if _, err := find(nil); !errors.Is(err, ErrNotFound) {
				t.Errorf("contact of nothing: %v", err)
			}
		}
		if list, err := tx.ContactsToGreet("connected"); err != nil || !slices.Equal(list, []int64{first.ID}) {
			t.Errorf("to be greeted are %v, %v", list, err)
		}
		if err := tx.TellContacts(); err != nil {
			return err
		}
		// Who knows another name is not told.
		if list, err := tx.ContactsToTell("connected"); err != nil || len(list) > 0 {
			t.Errorf("to be told are %v, %v", list, err)
		}
		if list, err := tx.ContactsToTell("failed"); err != nil || !slices.Equal(list, []int64{second.ID}) {
			t.Errorf("to be told are %v, %v", list, err)
		}
		if n, err := tx.CountRequested("connected"); n != 1 || err != nil {
			t.Errorf("%d contacts came from requests, %v", n, err)
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

func TestAddressAndRequests(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	now := time.UnixMilli(1000)
	err := db.Update(t.Context(), func(tx *Tx) error {
		if _, err := tx.Address(); !errors.Is(err, ErrNotFound) {
			t.Errorf("address before there is one: %v", err)
		}
		c := &Connection{State: "address", Created: now}
		if err := tx.InsertConnection(c); err != nil {
			return err
		}
		a := &Address{Connection: c.ID, Link: "short", FullLink: "full", Greeting: "hello", AutoAccept: true, Published: true, Created: now}
		if err := tx.InsertAddress(a); err != nil {
			return err
		}
		if err := tx.InsertAddress(a); err == nil {
			t.Error("there is a second address")
		}
		a.Greeting, a.AutoAccept, a.Incognito, a.Failure, a.Published = "", false, true, "gone", false
		if err := tx.SaveAddress(a); err != nil {
			return err
		}
		if got, err := tx.Address(); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("address is %+v, %v", got, err)
		}
		var list []*ContactRequest
		for i := range 3 {
			sent := &Request{Connection: c.ID, Link: "link", Created: now}
			if err := tx.InsertRequest(sent); err != nil {
				return err
			}
			r := &ContactRequest{Request: sent.ID, Shared: []byte{byte(i)}, Name: "Bob", Info: []byte("{}"), Avatar: 5, Auto: i == 2, Created: now}
			if err := tx.InsertContactRequest(r); err != nil {
				return err
			}
			list = append(list, r)
		}
		list[0].Name, list[0].Info = "Robert", []byte("[]")
		if err := tx.SaveContactRequest(list[0]); err != nil {
			return err
		}
		for _, auto := range []bool{false, true} {
			want := list[:2]
			if auto {
				want = list[2:]
			}
			if got, err := tx.ContactRequests(auto); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("requests are %+v, %v", got, err)
			}
		}
		if got, err := tx.ContactRequestByShared([]byte{1}); err != nil || !reflect.DeepEqual(got, list[1]) {
			t.Errorf("request is %+v, %v", got, err)
		}
		if n, err := tx.CountRequested("connecting"); n != 1 || err != nil {
			t.Errorf("%d requests are about to be accepted, %v", n, err)
		}
		// A request goes with what the agent keeps of it, and all go with the address.
		if err := tx.DeleteRequest(list[0].Request); err != nil {
			return err
		}
		if _, err := tx.ContactRequest(list[0].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted request: %v", err)
		}
		if err := tx.DeleteConnection(c.ID); err != nil {
			return err
		}
		if _, err := tx.ContactRequest(list[1].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("request at a deleted address: %v", err)
		}
		if _, err := tx.Address(); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted address: %v", err)
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
		// What was added comes before what was added after it, also if it was changed since then.
		if all, err := tx.ItemsChangedAfter(items[0].Change, 2); err != nil || len(all) != 2 || all[0].ID != items[1].ID || all[1].ID != items[2].ID {
			t.Errorf("changes are %+v, %v", all, err)
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
