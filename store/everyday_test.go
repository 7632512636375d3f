package store

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// firstMigrations are the first n of the migrations that there are.
func firstMigrations(t *testing.T, n int) fs.FS {
	t.Helper()
	steps, err := loadMigrations(embedded)
	if err != nil {
		t.Fatal(err)
	}
	files := make(fstest.MapFS)
	for _, s := range steps[:n] {
		files["migrations/"+s.name] = &fstest.MapFile{Data: []byte(s.sql)}
	}
	return files
}

// TestFromChat brings a database up to date that has what the third migration knows.
func TestFromChat(t *testing.T) {
	dir := emptyVault(t)
	db := mustOpen(t, dir, firstMigrations(t, 3))
	err := db.Update(t.Context(), func(tx *Tx) error {
		for _, q := range []string{
			`INSERT INTO contacts (id, state, name, profile, unread, avatar, created, active) VALUES
				(1, 'connected', 'Bob', CAST('{"displayName":"Bob","image":"data:image/png;base64,AAAA","fullName":"x"}' AS BLOB), 1, 7, 1, 1),
				(2, 'connected', 'Eve', CAST('not JSON' AS BLOB), 5, 7, 1, 1), (3, 'invited', '', x'', 0, 7, 1, 1)`,
			`INSERT INTO items (contact, own, kind, text, raw, state, time, created, changed) VALUES
				(1, 0, 'text', 'Crème brûlée', NULL, 'received', 1, 1, 1), (1, 0, 'text', 'second', NULL, 'received', 2, 2, 2), (1, 0, 'renamed', 'Bob', NULL, 'received', 3, 3, 3),
				(1, 1, 'text', 'mine', NULL, 'delivered', 4, 4, 5), (2, 0, 'unsupported', 'a file', x'7b7d', 'received', 5, 5, 6)`,
			`UPDATE item_changes SET last = 6`,
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)

	db = mustOpen(t, dir, embedded)
	err = db.Update(t.Context(), func(tx *Tx) error {
		bob, err := tx.Contact(1)
		if err != nil {
			return err
		}
		if bob.Picture != "data:image/png;base64,AAAA" || string(bob.Profile) != `{"displayName":"Bob","fullName":"x"}` || bob.Read != 1 || bob.Unread != 1 || !bob.Tell || bob.Muted {
			t.Errorf("Bob is %+v", bob)
		}
		if id, err := tx.FirstUnread(1, [2]string{"text", "unsupported"}); err != nil || id != 2 {
			t.Errorf("the first unread is %d, %v", id, err)
		}
		eve, err := tx.Contact(2)
		if err != nil || string(eve.Profile) != "not JSON" || eve.Read != 0 {
			t.Errorf("Eve is %+v, %v", eve, err)
		}
		for query, want := range map[string]int64{"creme": 1, "mine": 4, "file": 5, "bob": 0} {
			list, err := tx.SearchItems(ParseQuery(query), 0, math.MaxInt64, 10)
			if err != nil || len(list) > 1 || len(list) == 1 && list[0].ID != want || len(list) == 0 && want != 0 {
				t.Errorf("%q finds %v, %v", query, list, err)
			}
		}
		list, err := tx.ItemsChangedAfter(5, 10)
		if err != nil || len(list) != 1 || list[0].Added != 6 || list[0].Stated != 6 || string(list[0].Raw) != "{}" {
			t.Errorf("the last change is %v, %v", list, err)
		}
		return tx.InsertItem(&Item{Contact: 1, Kind: "text", Text: "new", Words: "new", State: "received"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, db, "select count(*) from pragma_foreign_key_check"); got != 0 {
		t.Errorf("%d foreign keys lead nowhere", got)
	}
}

// TestFromDrafts brings a database up to date in which a draft is a text alone.
func TestFromDrafts(t *testing.T) {
	dir := emptyVault(t)
	db := mustOpen(t, dir, firstMigrations(t, 7))
	err := db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO contacts (id, state, name, profile, draft, avatar, created, active) VALUES
			(1, 'connected', 'Bob', x'', 'half a sent', 7, 1, 1), (2, 'connected', 'Eve', x'', '', 7, 1, 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)

	db = mustOpen(t, dir, embedded)
	err = db.View(t.Context(), func(tx *Tx) error {
		for id, draft := range map[int64]string{1: "half a sent", 2: ""} {
			c, err := tx.Contact(id)
			if err != nil {
				return err
			}
			if c.Draft != draft || c.DraftReply != 0 || c.DraftEdit != 0 || c.DraftEdited != "" {
				t.Errorf("%s is %+v", c.Name, c)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestItemLife(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	at := func(s int64) time.Time { return time.UnixMilli(s * 1000) }
	err := db.Update(t.Context(), func(tx *Tx) error {
		c := &Contact{State: "connected", Avatar: 1, Muted: true, Pinned: true, Archived: true, Blocked: true, Read: 3, Picture: "p", Preferences: []byte("{}"), Tell: true, Profile: []byte{},
			Created: at(1), Active: at(1), OpenedSender: []byte{}, OpenedKey: []byte{}}
		if err := tx.InsertContact(c); err != nil {
			return err
		}
		if got, err := tx.Contact(c.ID); err != nil || got.Muted != true || !got.Pinned || !got.Archived || !got.Blocked || got.Read != 3 || got.Picture != "p" || string(got.Preferences) != "{}" || !got.Tell {
			t.Errorf("the contact is %+v, %v", got, err)
		}
		c.Muted, c.Pinned, c.Archived, c.Blocked, c.Read, c.Picture, c.Preferences, c.Tell = false, false, false, false, 4, "", []byte("[]"), false
		if err := tx.SaveContact(c); err != nil {
			return err
		}
		if got, err := tx.Contact(c.ID); err != nil || got.Muted || got.Pinned || got.Archived || got.Blocked || got.Read != 4 || got.Picture != "" || string(got.Preferences) != "[]" || got.Tell {
			t.Errorf("the contact is %+v, %v", got, err)
		}

		i := &Item{Contact: c.ID, Own: true, Shared: []byte{1}, Kind: "text", Content: "link", Text: "t", Count: 1, Raw: []byte{2}, State: "pending", Time: at(2), Created: at(3),
			Forwarded: true, Live: true, TTL: 60, Expires: at(4), Deleted: at(5), Sent: at(6), Delivered: at(7), Route: "own", QuoteItem: 9, QuoteOwn: true, QuoteContent: "text",
			QuoteText: "q", FileName: "f", FileSize: 10, Duration: 11, Reactions: "[]", Preview: []byte{3}, Image: []byte{4}}
		i.Body, i.Words = []byte{5}, "found"
		if err := tx.InsertItem(i); err != nil {
			return err
		}
		if body, err := tx.ItemBody(i.ID); err != nil || !slices.Equal(body, []byte{5}) {
			t.Errorf("the body is %v, %v", body, err)
		}
		i.Body, i.Words = nil, ""
		if got, err := tx.Item(i.ID); err != nil || !reflect.DeepEqual(got, i) {
			t.Errorf("the item is %+v, not %+v, %v", got, i, err)
		}
		if live, err := tx.LiveItems(); err != nil || len(live) != 1 {
			t.Errorf("live are %v, %v", live, err)
		}
		added := i.Change
		i.Text, i.Live, i.QuoteItem, i.QuoteText, i.Reactions = "u", false, 0, "", ""
		if err := tx.SaveItem(i); err != nil {
			return err
		}
		if i.Added != added || i.Stated != added || i.Touched != i.Change {
			t.Errorf("a change of the text is %+v", i)
		}
		i.State = "sent"
		if err := tx.SaveItem(i); err != nil {
			return err
		}
		if i.Added != added || i.Stated != i.Change || i.Touched != i.Change-1 {
			t.Errorf("a change of the state is %+v", i)
		}
		if got, err := tx.Item(i.ID); err != nil || !reflect.DeepEqual(got, i) {
			t.Errorf("the item is %+v, not %+v, %v", got, i, err)
		}
		for n := range 5 {
			if err := tx.InsertEdition(i.ID, Edition{strings.Repeat("x", n), at(int64(n))}, 3); err != nil {
				return err
			}
		}
		if list, err := tx.Editions(i.ID); err != nil || len(list) != 3 || list[0] != (Edition{"xx", at(2)}) {
			t.Errorf("the editions are %v, %v", list, err)
		}
		if list, err := tx.SearchItems(ParseQuery("found"), 0, math.MaxInt64, 1); err != nil || len(list) != 1 {
			t.Errorf("found are %v, %v", list, err)
		}
		if err := tx.SetItemBody(i.ID, nil); err != nil {
			return err
		}
		if err := tx.BuryContact(c.ID, "deleted"); err != nil {
			return err
		}
		if ids, err := tx.ContactsIn("deleted"); err != nil || !slices.Equal(ids, []int64{c.ID}) {
			t.Errorf("deleted are %v, %v", ids, err)
		}
		// All goes with the contact, what it is found by too.
		if err := errors.Join(tx.InsertRemoved(c.ID, []byte{1}, at(1)), tx.DeleteContact(c.ID)); err != nil {
			return err
		}
		for _, table := range []string{"items", "editions", "removed", "search", "search_content"} {
			var n int
			if err := tx.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows are left in %s, %v", n, table, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if blocks := indexed(t, db); strings.Contains(blocks, "foun") {
		t.Errorf("the index still has what was deleted: %q", blocks)
	}
}

// indexed is all that is in the index for searching.
func indexed(t *testing.T, db *DB) string {
	t.Helper()
	var blocks []string
	err := db.View(t.Context(), func(tx *Tx) (err error) {
		blocks, err = collect(tx, "blocks", func(row scanner) (s string, err error) {
			err = row.Scan(&s)
			return s, err
		}, `SELECT CAST(block AS TEXT) FROM search_data`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(blocks, "")
}

// Of many items that are deleted, nothing is left in the index once it is merged.
func TestDeleteItems(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	var contact int64
	add := func(n int, text string) (ids []int64) {
		for range n { // in transactions of their own, so that the index has several parts
			err := db.Update(t.Context(), func(tx *Tx) error {
				i := &Item{Contact: contact, Kind: "text", Text: text, Words: text, State: "received"}
				err := tx.InsertItem(i)
				ids = append(ids, i.ID)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return ids
	}
	err := db.Update(t.Context(), func(tx *Tx) error {
		c := &Contact{State: "connected", Avatar: 1}
		err := tx.InsertContact(c)
		contact = c.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, MaxSecure, MaxSecure + 1, 10 * MaxSecure} {
		kept := add(3, "keep this")
		gone := add(n, "zebra crossing")
		err := db.Update(t.Context(), func(tx *Tx) error { return tx.DeleteItems(gone) })
		if err != nil {
			t.Fatal(err)
		}
		for done, steps := false, 0; !done; steps++ {
			if steps > 1000 {
				t.Fatal("merging does not end")
			}
			err := db.Update(t.Context(), func(tx *Tx) (err error) {
				done, err = tx.MergeIndex()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if blocks := indexed(t, db); strings.Contains(blocks, "zeb") || strings.Contains(blocks, "cro") {
			t.Errorf("after deleting %d the index still has them: %q", n, blocks)
		}
		err = db.Update(t.Context(), func(tx *Tx) error {
			if list, err := tx.SearchItems(ParseQuery("keep"), contact, math.MaxInt64, 10); err != nil || len(list) != len(kept) {
				t.Errorf("found are %d, %v", len(list), err)
			}
			_, err := tx.Exec(`INSERT INTO search (search) VALUES ('integrity-check')`)
			return errors.Join(err, tx.DeleteItems(kept))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "Crème brûlée", "東京タワー", "ẞ ﬁ ½ İ", "ཀྵ 한글 ไทย", "👨‍👩‍👧 🏳️‍🌈", "a\xffb\x00c", "שָׁלוֹם \u0301\u0301", "C++ \"x\" *"} {
		f.Add(s, s)
	}
	db, err := Create(f.Context(), filepath.Join(f.TempDir(), "p"), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	f.Fuzz(func(t *testing.T, text, query string) {
		at := 0
		for _, w := range words(text) {
			if w.start < at || w.end <= w.start || w.end > len(text) {
				t.Fatalf("word %+v after %d of %d bytes", w, at, len(text))
			}
			at = w.end
		}
		at = 0
		for _, r := range ParseQuery(query).Ranges(text) {
			if r[0] < at || r[1] <= r[0] || r[1] > len(text) {
				t.Fatalf("range %v after %d of %d bytes", r, at, len(text))
			}
			at = r[1]
		}
		err := db.View(t.Context(), func(tx *Tx) error {
			_, err := tx.SearchItems(ParseQuery(query), 1, math.MaxInt64, 1)
			return err
		})
		if err != nil {
			t.Errorf("searching %q: %v", query, err)
		}
	})
}
