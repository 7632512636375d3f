package store

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// TestFileChunks keeps chunks of an upload, and none when it was given up.
func TestFileChunks(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	err := db.Update(t.Context(), func(tx *Tx) error {
		at := time.UnixMilli(1000)
		contact := &Contact{State: "connected", Profile: []byte("{}"), Created: at, Active: at}
		if err := tx.InsertContact(contact); err != nil {
			return err
		}
		item := &Item{Contact: contact.ID, Own: true, Kind: "text", State: "sent", Time: at, FileName: "f"}
		if err := tx.InsertItem(item); err != nil {
			return err
		}
		f := &File{Item: item.ID}
		if err := tx.InsertFile(f); err != nil {
			return err
		}
		expect := func(what string, want ...FileChunk) {
			t.Helper()
			if got, err := tx.FileChunks(item.ID); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
		refused := func(what string) {
			t.Helper()
			if err := tx.SetFileChunk(item.ID, 0, []byte("late")); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
			expect(what)
		}
		refused("nothing is uploaded")
		f.Upload = []byte{1}
		err := errors.Join(tx.SaveFile(f), tx.SetFileChunk(item.ID, 1, []byte("b")), tx.SetFileChunk(item.ID, 0, []byte("a")), tx.SetFileChunk(item.ID, 1, []byte("c")))
		if err != nil {
			return err
		}
		expect("uploading", FileChunk{0, []byte("a")}, FileChunk{1, []byte("c")})
		f.Upload = nil
		if err := errors.Join(tx.SaveFile(f), tx.DeleteFileChunks(item.ID)); err != nil {
			return err
		}
		refused("it was given up")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
