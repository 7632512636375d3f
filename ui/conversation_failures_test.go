package ui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/voice"
	"github.com/sotto-chat/sotto/ui/sound"
	"github.com/sotto-chat/sotto/ui/widget"
)

// again taps "Try again" beside a warning.
func (b *bench) again(c *conversation) {
	b.Helper()
	for _, o := range test.LaidOutObjects(c.foot) {
		if button, ok := o.(*widget.Button); ok && button.Visible() && button.Text() == "Try again" {
			test.Tap(button)
			return
		}
	}
	b.Fatalf("there is no way to try again after %q", c.warned)
}

// warns waits for a warning that begins with a text.
func (b *bench) warns(c *conversation, text string) {
	b.Helper()
	b.wait(text, func() bool { return strings.HasPrefix(c.warned, text) })
}

// keepFile sends a file to the notes.
func (b *bench) keepFile(c *conversation, f core.NewFile, content []byte) core.Item {
	b.Helper()
	f.Content, f.Size = bytes.NewReader(content), int64(len(content))
	item, err := b.profile.SendFile(b.Context(), c.id, f)
	if err != nil {
		b.Fatal(err)
	}
	b.wait("the message", func() bool { return c.index(item.ID) >= 0 })
	return item
}

// filesOf is the folder of the files of the profile that is open, in the folder of the program.
func (b *bench) filesOf(dir string) string {
	return filepath.Join(dir, "profiles", b.profile.ID(), "files")
}

// lose removes all kept files below a folder.
func lose(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
			err = os.Remove(path)
		}
		return err
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files were lost: %v", n, err)
	}
}

// TestDiskFullWhileSending gives back what could not be kept, and sends it once there is room.
func TestDiskFullWhileSending(t *testing.T) {
	b, c := notes(t)
	full := true
	path := writePicture(t, "bridge.png")
	file := attached{view: widget.ComposerAttachment{Name: "bridge.png"}}
	file.send = func(ctx context.Context, p *core.Profile, contact int64, caption string, reply int64) error {
		if full {
			return fmt.Errorf("writing a file: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
		}
		return sendPath(path)(ctx, p, contact, caption, reply)
	}
	c.addAttached(file)
	c.say("the bridge")
	b.warns(c, "The disk is full.")
	if len(c.attached) != 1 || c.composer.Text() != "the bridge" {
		t.Errorf("%d files and %q are given back", len(c.attached), c.composer.Text())
	}
	full = false
	c.say(c.composer.Text())
	b.wait("it is sent", func() bool { return len(c.items) == 1 && c.items[0].Text == "the bridge" })
	if len(c.attached) > 0 {
		t.Error("it is still attached")
	}
}

// TestNotSentAfterLeaving offers to send what could not be sent before somebody went on to another page.
func TestNotSentAfterLeaving(t *testing.T) {
	b, c := notes(t)
	full := true
	leave := make(chan bool)
	path := writePicture(t, "bridge.png")
	file := attached{view: widget.ComposerAttachment{Name: "bridge.png"}}
	file.send = func(ctx context.Context, p *core.Profile, contact int64, caption string, reply int64) error {
		if <-leave; full {
			return syscall.ENOSPC
		}
		return sendPath(path)(ctx, p, contact, caption, reply)
	}
	const title = "A message was not sent"
	told := func() bool { return b.win.Canvas().Overlays().Top() != nil && b.says("The disk is full.") }
	c.addAttached(file)
	c.say("the bridge")
	b.showSettings()
	leave <- true
	b.wait(title, told)
	b.tap("Try again")
	leave <- true
	b.wait(title+" again", told)
	full = false
	b.tap("Try again")
	leave <- true
	b.openNotes()
	b.wait("it is sent", func() bool {
		page, ok := b.main.content.(*conversation)
		return ok && len(page.items) == 1 && page.items[0].Text == "the bridge"
	})

	// A text, which stays too long.
	alice, _ := friends(t)
	alice.conversation().composer.OnSend(strings.Repeat("x", 1<<20))
	alice.showSettings()
	for range 2 {
		alice.wait(title, func() bool {
			return alice.win.Canvas().Overlays().Top() != nil && alice.says("Bob: This message is too long")
		})
		alice.tap("Try again")
	}
}

func TestPasteTooMuch(t *testing.T) {
	b, c := notes(t)
	b.app.Clipboard().SetContent(strings.Repeat("x", widget.MaxPaste+1))
	if !c.composer.OnPaste() || c.composer.Text() != "" || !strings.HasPrefix(c.warned, "This text is too long for a message.") {
		t.Errorf("it says %q", c.warned)
	}
	b.app.Clipboard().SetContent("hello")
	if c.composer.OnPaste() {
		t.Error("a short text is not pasted")
	}
}

// TestVoiceIsNotLost keeps what was spoken until it is stored.
func TestVoiceIsNotLost(t *testing.T) {
	dir := t.TempDir()
	b, c := notesIn(t, dir)
	f := new(fakeSound)
	b.opt.Record = func(r sound.Recording) (Recorder, error) { f.write = r.Write; return f, nil }
	c.record()
	b.wait("the microphone", func() bool { return c.recording.recorder != nil })
	if err := f.write(make([]int16, voice.Rate)); err != nil {
		t.Fatal(err)
	}
	files := b.filesOf(dir)
	if err := os.Rename(files, files+".away"); err != nil {
		t.Fatal(err)
	}
	c.recorded(true)
	b.warns(c, "The folder of this profile can't be written to.")
	if err := os.Rename(files+".away", files); err != nil {
		t.Fatal(err)
	}
	b.again(c)
	b.wait("it is sent", func() bool {
		return len(c.items) == 1 && c.items[0].Content == "voice" && c.items[0].Duration == time.Second
	})
}

// TestFileGone has somebody remove the kept copies.
func TestFileGone(t *testing.T) {
	dir := t.TempDir()
	b, c := notesIn(t, dir)
	text := b.keepFile(c, core.NewFile{Name: "list.txt", Type: "file"}, []byte("bread"))
	said := b.keepFile(c, core.NewFile{Name: "voice.m4a", Type: "voice", Duration: time.Second}, []byte("no voice"))
	b.opt.Play = func(sound.Playback) (Player, error) { return nil, sound.ErrNoSpeaker }
	lose(t, b.filesOf(dir))
	const gone = "The copy on this computer is damaged or gone."
	for what, do := range map[string]func(){
		"open": func() { c.open(text.ID) },
		"play": func() { c.play(said.ID) },
		"save": func() {
			path := filepath.Join(t.TempDir(), "copy.txt")
			c.saveTo(text, path, c.failed)
			t.Cleanup(func() {
				if _, err := os.Stat(path); err == nil {
					t.Error("something is left where it was to be saved")
				}
			})
		},
	} {
		c.warned = ""
		do()
		b.wait(what, func() bool { return c.warned != "" })
		if !strings.HasPrefix(c.warned, gone) {
			t.Errorf("%s: it says %q", what, c.warned)
		}
	}
	failure := ""
	(&pictureSource{c: c, items: c.items}).Load(0, func(_ []widget.Frame, f string) { failure = f })
	b.wait("the viewer", func() bool { return failure != "" })
	if !strings.HasPrefix(failure, gone) {
		t.Errorf("the viewer says %q", failure)
	}
}

// TestNoTemporaryFolder opens a file with another program where there is no folder to put it in, and then there is.
func TestNoTemporaryFolder(t *testing.T) {
	b, c := notes(t)
	item := b.keepFile(c, core.NewFile{Name: "list.txt", Type: "file"}, []byte("bread"))
	dir := filepath.Join(t.TempDir(), "none")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("TMPDIR", dir)
	c.open(item.ID)
	b.warns(c, "The folder for temporary files can't be written to")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.again(c)
	b.wait("the copy", func() bool {
		copies, err := filepath.Glob(filepath.Join(dir, "*", "list.txt"))
		return err == nil && len(copies) == 1
	})
}

// noRoom is a place on a disk that is full.
type noRoom struct{}

func (noRoom) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
}

// TestReplaceFile leaves what was there unless the new file is complete, and nothing beside it.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.txt")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	there := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q is there, want %q: %v", got, want, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%d files, %v", len(list), err)
		}
	}
	err := replaceFile(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		_, err := placeWriter{noRoom{}}.Write(nil)
		return err
	})
	if got := sentence(err); got != "The disk is full. Make room and try again." {
		t.Errorf("it says %q", got)
	}
	there("old")
	if err := replaceFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Error(err)
	}
	there("new")
}

func TestNoPlaceToSave(t *testing.T) {
	b, c := notes(t)
	item := b.keepFile(c, core.NewFile{Name: "list.txt", Type: "file"}, []byte("bread"))
	dir := t.TempDir()
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "copy.txt"), folder} { // in a folder that is gone, and in place of one
		c.warned = ""
		c.saveTo(item, path, c.failed)
		b.warns(c, "Nothing can be saved there.")
		b.again(c)
		if top := b.win.Canvas().Overlays().Top(); top == nil {
			t.Error("no other place can be chosen")
		} else {
			b.win.Canvas().Overlays().Remove(top)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%d are left, %v", len(list), err)
	}
}

// TestFailedFiles tells why a file was not received, and goes on with it on a tap.
func TestFailedFiles(t *testing.T) {
	b := newBench(t, 0, "Alice")
	b.fill()
	c := b.open(1)
	for failure, want := range map[core.Failure]string{
		chat.FailureDisk: "The disk is full.", chat.FailureSource: "The copy on this computer is damaged or gone.",
		chat.FailureSave: "It was received, but could not be saved", chat.FailureDamaged: "The file arrived damaged.",
	} {
		b.talkOf(c, core.Item{Content: "file", File: &core.File{Name: "a.zip", Size: 1000, State: core.FileFailed, Failure: failure}})
		m := c.At(0)
		if !strings.HasPrefix(m.Text, want) || m.Attachment.Icon != "retry" {
			t.Errorf("%s: %q with %q", failure, m.Text, m.Attachment.Icon)
		}
		if !c.can(0, "Go on") {
			t.Errorf("%s: it can't go on", failure)
		}
	}
	b.talkOf(c, core.Item{Content: "file", File: &core.File{Name: "a.zip", Size: 1000, State: core.FileFailed, Failure: chat.FailureLegacy}})
	if m := c.At(0); !strings.HasPrefix(m.Text, "It was sent in a way") || m.Attachment.Icon == "retry" || c.can(0, "Go on") {
		t.Errorf("of an old version: %q with %q", m.Text, m.Attachment.Icon)
	}
}
