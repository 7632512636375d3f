package ui

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// TestCopyCode copies the picture of an invitation, which then is not deleted with the dialog any more.
func TestCopyCode(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.clip.err = errors.New("no clipboard")
	b.newConversation("")
	b.wait("the invitation", func() bool { return b.adder.invitation != nil })
	b.tap("Copy picture")
	b.wait("the complaint", func() bool { return b.says("can't be reached") })
	b.tap("Close")
	if b.adder.given {
		t.Error("the invitation counts as given")
	}
	b.clip.err = nil
	b.tap("Copy picture")
	b.wait("the picture", func() bool { return b.adder.given })
	img, err := png.Decode(bytes.NewReader(b.clip.file))
	if err != nil {
		t.Fatal(err)
	}
	if link, err := qr.Find(img); err != nil || link != b.adder.invitation.Link {
		t.Errorf("the code is that of %q: %v", link, err)
	}
}

// TestCopyMessagePicture copies the picture of a message.
func TestCopyMessagePicture(t *testing.T) {
	b, c := notes(t)
	c.attach(writePicture(t, "photo.png"))
	b.wait("it is attached", func() bool { return len(c.attached) == 1 })
	c.say("")
	b.wait("the picture", func() bool { return len(c.items) == 1 && c.items[0].Content == "image" })
	b.choosePicture(c)
	b.wait("it is copied", func() bool { return b.clip.file != nil })
	if size, err := png.DecodeConfig(bytes.NewReader(b.clip.file)); err != nil || size.Width != 320 || size.Height != 200 {
		t.Errorf("it is %v: %v", size, err)
	}

	// Of one that is not here yet, the small picture is.
	item := c.items[0]
	item.Own, item.File = false, nil
	b.clip.file = nil
	if !b.copyable(&item) {
		t.Fatal("the small picture can't be copied")
	}
	c.copyImage(&item)
	b.wait("it is copied", func() bool { return b.clip.file != nil })
	if _, err := png.DecodeConfig(bytes.NewReader(b.clip.file)); err != nil {
		t.Error(err)
	}
	b.opt.CopyPicture = nil
	if b.copyable(&item) {
		t.Error("it can be copied to nowhere")
	}
}

// choosePicture chooses to copy the picture of the first message.
func (b *bench) choosePicture(c *conversation) {
	b.Helper()
	for _, item := range c.menuItems(&c.items[0]) {
		if item.Text == "Copy picture" {
			item.Do()
			return
		}
	}
	b.Fatal("the menu does not copy pictures")
}

// TestLockClearsClipboard locks the program: what was copied there is gone, unless something else is in the clipboard.
func TestLockClearsClipboard(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	if err := b.core.SetLock(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	clipboard := b.app.Clipboard()
	locked := func() {
		t.Helper()
		b.lock()
		b.wait("the lock", func() bool { return b.locked })
	}
	unlocked := func() {
		t.Helper()
		b.entry().SetText("open sesame")
		b.entry().OnSubmitted("")
		b.wait("it is open", func() bool { return !b.locked && b.profile != nil })
	}
	b.copyText("a link")
	b.newConversation("")
	b.wait("the invitation", func() bool { return b.adder.invitation != nil })
	b.tap("Copy picture")
	b.wait("the picture", func() bool { return b.clip.file != nil && b.uncopy != nil })
	locked()
	b.wait("nothing of it is left", func() bool { return b.clip.file == nil && clipboard.Content() == "" })

	// What was put there meanwhile stays. What was copied out of a field goes.
	unlocked()
	b.copyText("a link")
	clipboard.SetContent("something else")
	locked()
	done := false
	b.after(forgetTime, func() { done = true })
	b.wait("the time", func() bool { return done })
	if clipboard.Content() != "something else" {
		t.Error("what another program has put there is gone")
	}
	unlocked()
	entry := widget.NewEntry("")
	w := test.NewWindow(entry)
	defer w.Close()
	entry.SetText("typed")
	entry.TypedShortcut(&fyne.ShortcutSelectAll{})
	entry.TypedShortcut(&fyne.ShortcutCopy{Clipboard: clipboard})
	if clipboard.Content() != "typed" {
		t.Fatal("it is not copied")
	}
	locked()
	b.wait("it is gone", func() bool { return clipboard.Content() == "" })
}

// TestLockWhileCopying locks the profile whose picture is being copied.
func TestLockWhileCopying(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	if err := b.profile.SetPassphrase(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	read, cleared := make(chan image.Image), make(chan struct{})
	b.opt.CopyPicture = func([]byte) (func(), error) { return func() { close(cleared) }, nil }
	b.copyPicture(func(context.Context) (image.Image, error) { return <-read, nil }, func() { t.Error("it tells that it was copied") })
	b.lock()
	b.wait("it is locked", func() bool { return b.profile == nil })
	read <- image.NewGray(image.Rect(0, 0, 1, 1))
	b.wait("it is taken out again", func() bool {
		select {
		case <-cleared:
			return true
		default:
			return false
		}
	})
}

// TestCopiesLeft finds the copies for other programs that a run has left which was killed, and nothing else.
func TestCopiesLeft(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	killed, other := newCopies("/data"), newCopies("/other")
	var left []string
	for _, c := range []*copies{killed, killed, other} {
		d, err := c.make()
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, filepath.Join(d, "report.txt"))
	}
	kept := filepath.Join(dir, "kept.txt")
	for _, name := range append(left, kept) {
		if err := os.WriteFile(name, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(kept, filepath.Join(filepath.Dir(left[0]), "link")); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, newCopies("/data").prefix+"x") // which others can look into, and so have made
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	next := newCopies("/data")
	used, err := next.make()
	if err != nil {
		t.Fatal(err)
	}
	if err := next.wipeLeft(); err != nil {
		t.Error(err)
	}
	for _, name := range left[:2] {
		if _, err := os.Stat(filepath.Dir(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	for _, name := range []string{left[2], kept} {
		if got, err := os.ReadFile(name); err != nil || string(got) != "secret" {
			t.Errorf("%s is %q: %v", name, got, err)
		}
	}
	if _, err := os.Stat(open); err != nil {
		t.Error("a folder that others can look into is taken for one of these")
	}
	if _, err := os.Stat(used); err != nil {
		t.Error("a copy of this run is gone")
	}
}
