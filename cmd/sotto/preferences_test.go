package main

import (
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"
)

// TestDialogsForget lets a dialog look into a folder, which it remembers, but not on the disk.
func TestDialogsForget(t *testing.T) {
	app := test.NewTempApp(t)
	private := newPrivateApp(app)
	fyne.SetCurrentApp(private)
	kept := false
	app.Preferences().AddChangeListener(func() { kept = true })

	const secret = "source of the leak"
	folder := filepath.Join(t.TempDir(), secret)
	uri := storage.NewFileURI(folder)
	if err := storage.CreateListable(uri); err != nil {
		t.Fatal(err)
	}
	list, err := storage.ListerForURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	win := app.NewWindow("")
	d := dialog.NewFileOpen(func(fyne.URIReadCloser, error) {}, win)
	d.SetLocation(list)
	d.Show()
	d.Hide()
	win.Close()

	const key = "fyne:fileDialogLastFolder" // of the toolkit's dialogs
	if got := private.Preferences().String(key); got != uri.String() {
		t.Errorf("the dialog remembers %q: is it another key now?", got)
	}
	if got := app.Preferences().String(key); got != "" || kept {
		t.Errorf("%q was kept on the disk", got)
	}
	private.Preferences().SetInt("n", 2)
	private.Preferences().RemoveValue(key)
	if n, s := private.Preferences().IntWithFallback("n", 1), private.Preferences().StringWithFallback(key, "none"); n != 2 || s != "none" || kept {
		t.Errorf("%d, %q, %v", n, s, kept)
	}
}
