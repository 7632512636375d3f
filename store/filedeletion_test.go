package store

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFileDeletions(t *testing.T) {
	db := mustCreate(t, filepath.Join(t.TempDir(), "p"))
	at := func(s int64) time.Time { return time.UnixMilli(s * 1000) }
	err := db.Update(t.Context(), func(tx *Tx) error {
		list := func(what string, want ...FileDeletion) {
			t.Helper()
			if got, err := tx.FileDeletions(); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
		a, b, c := FileDeletion{1, 7, "a"}, FileDeletion{2, 5, "b"}, FileDeletion{3, 7, "c"}
		for n, d := range []FileDeletion{a, b, c, a} {
			if err := tx.InsertFileDeletion(d, at(int64(n))); err != nil {
				return err
			}
		}
		list("by item", b, a, c)
		if err := tx.ForgetFileDeletions(at(0), 3); err != nil {
			return err
		}
		list("nothing is old", b, a, c)
		if err := tx.ForgetFileDeletions(at(1), 3); err != nil {
			return err
		}
		list("one is old", b, c)
		if err := tx.ForgetFileDeletions(at(0), 1); err != nil {
			return err
		}
		list("one is too many", c)
		err := errors.Join(tx.DeleteFileDeletion(3), tx.ForgetFileDeletions(at(9), 0))
		list("done")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
