package chat

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// keep sets the draft and tells what is kept of it.
func (f *fixture) keep(d Draft) Draft {
	f.t.Helper()
	if err := f.SetDraft(f.t.Context(), f.contact, d); err != nil {
		f.t.Fatal(err)
	}
	return f.load().Draft
}

// own adds a message of ours.
func (f *fixture) own(i store.Item) int64 {
	f.t.Helper()
	i.Contact, i.Own, i.Kind, i.State, i.Time = f.contact, true, string(KindText), string(StateSent), start
	f.update(func(tx *store.Tx) error { return f.addItem(tx, &i) })
	return i.ID
}

func TestDraft(t *testing.T) {
	f := newFixture(t)
	f.body(text("1", "theirs"))
	theirs, ours := f.last().ID, f.own(store.Item{Text: "ours"})

	long := strings.Repeat("é", maxDraft)
	d := f.keep(Draft{Text: long, Reply: theirs, Edit: ours, Edited: "x" + long})
	if len(d.Text) != maxDraft || !strings.HasPrefix(long, d.Text) || len(d.Edited) != maxDraft-1 || !strings.HasPrefix("x"+long, d.Edited) {
		t.Errorf("%d and %d bytes are kept", len(d.Text), len(d.Edited))
	}
	if d.Reply != theirs || d.Edit != ours {
		t.Errorf("it answers %d and changes %d", d.Reply, d.Edit)
	}
	for _, c := range []struct{ d, want Draft }{
		{Draft{Text: "a", Edited: "of nothing"}, Draft{Text: "a"}},
		{Draft{Text: "a", Reply: 99}, Draft{Text: "a"}},
		{Draft{Text: "a", Edit: -1, Edited: "b"}, Draft{Text: "a"}},
		{Draft{Reply: theirs, Edit: ours}, Draft{Reply: theirs, Edit: ours}},
	} {
		if got := f.keep(c.d); got != c.want {
			t.Errorf("of %+v this is kept: %+v", c.d, got)
		}
	}

	events := len(f.events)
	if f.keep(Draft{Reply: theirs, Edit: ours}); len(f.events) != events {
		t.Error("what changes nothing was told")
	}

	// A message of somebody else can't be referred to.
	var other Contact
	f.update(func(tx *store.Tx) (err error) {
		other, err = f.addContact(tx, &store.Contact{State: string(ContactConnected)})
		return err
	})
	if err := f.SetDraft(t.Context(), other.ID, Draft{Text: "a", Reply: theirs, Edit: ours, Edited: "b"}); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Contact(t.Context(), other.ID); err != nil || got.Draft != (Draft{Text: "a"}) {
		t.Errorf("kept is %+v, %v", got.Draft, err)
	}
}

func TestReplaceDraft(t *testing.T) {
	f := newFixture(t)
	ours := f.own(store.Item{Text: "ours"})
	replace := func(old, d, want Draft) {
		t.Helper()
		if err := f.ReplaceDraft(t.Context(), f.contact, old, d); err != nil {
			t.Fatal(err)
		}
		if got := f.load().Draft; got != want {
			t.Errorf("the draft is %+v", got)
		}
	}
	// What was sent goes, what was written since stays.
	sent := Draft{Text: strings.Repeat("x", maxDraft+1)}
	f.keep(sent)
	replace(sent, Draft{}, Draft{})
	next := Draft{Text: "next"}
	f.keep(next)
	replace(sent, Draft{}, next)
	edit := Draft{Text: "next", Edit: ours, Edited: "b"}
	f.keep(edit)
	replace(edit, next, next)

	// So it does when the message that was answered went away meanwhile.
	reply := Draft{Text: "yes", Reply: ours}
	f.keep(reply)
	if err := f.Delete(t.Context(), []int64{ours}, false); err != nil {
		t.Fatal(err)
	}
	replace(reply, Draft{}, Draft{})
}

// TestDraftOfDeleted has nothing be left in drafts of messages that are gone, whichever way they went.
func TestDraftOfDeleted(t *testing.T) {
	for name, gone := range map[string]func(f *fixture, theirs, ours int64) error{
		"deleted":     func(f *fixture, theirs, ours int64) error { return f.Delete(t.Context(), []int64{theirs, ours}, false) },
		"cleared":     func(f *fixture, _, _ int64) error { return f.Clear(t.Context(), f.contact) },
		"disappeared": func(f *fixture, _, _ int64) error { f.expireDue(); return nil },
		"taken back": func(f *fixture, _, ours int64) error {
			f.body(message(event.MsgDel{MsgID: "1"}))
			return f.db.Update(t.Context(), func(tx *store.Tx) error {
				i, row, err := findItem(tx, ours)
				if err != nil {
					return err
				}
				i.Deleted = start
				return errors.Join(f.mark(tx, row, i), f.save(tx, row))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.body(withID("1", event.MsgNew{Content: event.Text("theirs"), TTL: 60}))
			if err := f.MarkRead(t.Context(), f.contact); err != nil {
				t.Fatal(err)
			}
			theirs := f.last().ID
			ours := f.own(store.Item{Text: "ours", TTL: 60, Expires: start.Add(time.Minute), Shared: []byte("2")})
			stays := f.own(store.Item{Text: "stays"})
			f.now = func() time.Time { return start.Add(time.Hour) }

			kept := Draft{Text: "my own words", Reply: theirs, Edit: ours, Edited: "ours, changed"}
			if got := f.keep(kept); got != kept {
				t.Fatalf("kept is %+v", got)
			}
			f.events = nil
			if err := gone(f, theirs, ours); err != nil {
				t.Fatal(err)
			}
			want := Draft{Text: "my own words"}
			if got := f.load().Draft; got != want {
				t.Errorf("the draft is %+v", got)
			}
			told := false
			for _, e := range f.events {
				if c, ok := e.(ContactChanged); ok {
					told = c.Contact.Draft == want
				}
			}
			if !told {
				t.Error("nobody was told")
			}
			// Somebody who does not know yet does not bring it back.
			if got := f.keep(kept); got != want {
				t.Errorf("kept is %+v", got)
			}
			if name == "cleared" {
				return
			}
			want = Draft{Text: "x", Edit: stays, Edited: "y"}
			if got := f.keep(want); got != want {
				t.Errorf("kept is %+v", got)
			}
		})
	}
}

// TestDraftOfDeletedContact has nothing be left of what was being written to a contact that was deleted.
func TestDraftOfDeletedContact(t *testing.T) {
	f := newFixture(t)
	ours := f.own(store.Item{Text: "ours"})
	f.keep(Draft{Text: "a", Reply: ours, Edit: ours, Edited: "b"})
	f.update(func(tx *store.Tx) error {
		if err := tx.BuryContact(f.contact, string(contactDeleted)); err != nil {
			return err
		}
		row, err := tx.Contact(f.contact)
		if err == nil && draftOf(row) != (Draft{}) {
			t.Errorf("left is %+v", draftOf(row))
		}
		return err
	})
}
