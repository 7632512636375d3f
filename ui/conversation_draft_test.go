package ui

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fyne.io/fyne/v2/canvas"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// banner is what stands above the field of the composer.
func (c *conversation) banner() string {
	var texts []string
	for _, o := range laidOut(c.composer) {
		if t, ok := o.(*canvas.Text); ok && t.Visible() && (len(texts) > 0 || t.Text == "Edit message" || t.Text == "You" || t.Text == "Alice") {
			texts = append(texts, t.Text)
		}
	}
	return strings.Join(texts[:min(len(texts), 2)], ": ")
}

// back opens a conversation again, and waits until it has read what it needs.
func (b *bench) back(id int64) *conversation {
	b.Helper()
	b.showSettings()
	b.openContact(id)
	b.settle()
	return b.conversation()
}

// kept waits until the draft in the database is as given.
func (b *bench) kept(id int64, want core.Draft) {
	b.Helper()
	var got core.Draft
	deadline := time.After(patience)
	for {
		b.settle()
		contact, err := b.profile.Contact(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		if got = contact.Draft; got == want {
			return
		}
		select {
		case f := <-b.queue:
			f()
		case <-deadline:
			b.Fatalf("kept is %.300s, not %.300s", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
		}
	}
}

// restart ends the program and starts it again, or has it crash and starts a copy of what was on the disk.
func (b *bench) restart(dir string, crash bool) (*bench, *conversation) {
	b.Helper()
	if crash {
		copied := b.TempDir()
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			file, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			path = filepath.Join(copied, strings.TrimPrefix(path, dir))
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, file, 0o600))
		})
		if err != nil {
			b.Fatal(err)
		}
		dir = copied
	}
	b.close()
	again := openBench(b.T, dir, theme.Light, nil)
	again.wait("the contacts", func() bool { return len(again.contacts) > 0 })
	again.openContact(again.contacts[0].ID)
	again.settle()
	return again, again.conversation()
}

// TestEditIsKept goes away while a message is being changed and another one waits, in all ways.
func TestEditIsKept(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, b *bench, dir string, want core.Draft) (*bench, *conversation){
		"page": func(_ *testing.T, b *bench, _ string, _ core.Draft) (*bench, *conversation) {
			id := b.main.openID()
			b.main.showContact(0)
			if row := b.main.row(0); !row.Draft || row.Preview != "one, two" {
				t.Errorf("the list shows %+v", row)
			}
			return b, b.back(id)
		},
		"restart": func(_ *testing.T, b *bench, dir string, _ core.Draft) (*bench, *conversation) {
			return b.restart(dir, false)
		},
		"crash": func(_ *testing.T, b *bench, dir string, want core.Draft) (*bench, *conversation) {
			b.kept(b.main.openID(), want)
			return b.restart(dir, true)
		},
		"lock": func(t *testing.T, b *bench, _ string, _ core.Draft) (*bench, *conversation) {
			id := b.main.openID()
			if err := b.core.SetLock(t.Context(), "", "open sesame"); err != nil {
				t.Fatal(err)
			}
			b.lock()
			b.wait("the lock", func() bool { return b.locked })
			if len(b.drafts)+len(b.attached) > 0 {
				t.Error("what was written is here while it is locked")
			}
			if err := b.core.Unlock(t.Context(), "open sesame"); err != nil {
				t.Fatal(err)
			}
			b.wait("the contacts", func() bool { return !b.locked && len(b.contacts) > 0 })
			return b, b.back(id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b, c := notesIn(t, dir)
			c.say("one")
			c.say("two")
			b.wait("both", func() bool { return len(c.items) == 2 })
			one, two := c.items[0].ID, c.items[1].ID
			c.reply(two)
			c.composer.SetText("half a sent")
			c.edit(one)
			if got := c.banner(); got != "Edit message: one" || c.composer.Text() != "one" {
				t.Errorf("%q stands above %q", got, c.composer.Text())
			}
			c.composer.SetText("one, two")

			draft := core.Draft{Text: "half a sent", Reply: two}
			editing := draft
			editing.Edit, editing.Edited = one, "one, two"
			b, c = away(t, b, dir, editing)
			if got := c.banner(); got != "Edit message: one" || c.composer.Text() != "one, two" {
				t.Errorf("%q stands above %q", got, c.composer.Text())
			}
			// What was typed before comes back, too.
			c.composer.OnCancel()
			if got := c.banner(); got != "You: two" || c.composer.Text() != "half a sent" {
				t.Errorf("%q stands above %q", got, c.composer.Text())
			}
			b.wait("the messages", func() bool { return len(c.items) == 2 })
			c.edit(one)
			b.kept(c.id, draft) // nothing was changed yet
			c.say("one!")
			b.wait("the other text", func() bool { return c.items[0].Text == "one!" })
			if c.composer.Text() != "half a sent" || c.writing.edit != 0 {
				t.Errorf("the composer has %q", c.composer.Text())
			}
			b.kept(c.id, draft)

			c = b.back(c.id)
			if got := c.banner(); got != "You: two" || c.composer.Text() != "half a sent" {
				t.Errorf("%q stands above %q", got, c.composer.Text())
			}
			c.say("a sentence")
			b.wait("the answer", func() bool { return len(c.items) == 3 && c.items[2].Quote != nil && c.items[2].Quote.Item == two })
			b.kept(c.id, core.Draft{})
			if c.banner() != "" || c.composer.Text() != "" {
				t.Errorf("%q stands above %q", c.banner(), c.composer.Text())
			}
		})
	}
}

// TestSendEditAfterComingBack changes the message that was being changed, whose draft stays.
func TestSendEditAfterComingBack(t *testing.T) {
	alice, bob, a, b := talk(t, "at eight")
	a.composer.SetText("bring the b")
	a.edit(a.items[0].ID)
	a.composer.SetText("at nine")
	a = alice.back(a.id)
	a.say(a.composer.Text())
	both(alice, bob, "the other text", func() bool { return b.items[0].Text == "at nine" && b.items[0].Edited })
	alice.kept(a.id, core.Draft{Text: "bring the b"})
	if a.composer.Text() != "bring the b" || len(a.items) != 1 {
		t.Errorf("the composer has %q", a.composer.Text())
	}

	// One that was sent although that is not known, as after a crash, is at its end.
	id := a.items[0].ID
	if err := alice.profile.SetDraft(t.Context(), a.id, core.Draft{Text: "bring the b", Edit: id, Edited: "at nine"}); err != nil {
		t.Fatal(err)
	}
	alice.wait("the draft", func() bool { return alice.contact(a.id).Draft.Edit == id })
	alice.main.showContact(0)
	if a = alice.back(a.id); a.composer.Text() != "bring the b" || a.banner() != "" {
		t.Errorf("%q stands above %q", a.banner(), a.composer.Text())
	}
}

// TestMessageGoneMeanwhile comes back to a message that was to be changed, and one that was to be answered.
func TestMessageGoneMeanwhile(t *testing.T) {
	for name, gone := range map[string]func(b *bench, c *conversation, ids []int64){
		"while it is open": func(b *bench, c *conversation, ids []int64) {
			if err := b.profile.Delete(t.Context(), ids, false); err != nil {
				t.Fatal(err)
			}
			b.warns(c, "The message that you were changing is gone.")
			b.kept(c.id, core.Draft{Text: "half a sent"})
			b.settle()
			if c.note.Hidden {
				t.Error("nothing tells so any more")
			}
		},
		"while it is not": func(b *bench, c *conversation, ids []int64) {
			b.main.showContact(0)
			if err := b.profile.Delete(t.Context(), ids, false); err != nil {
				t.Fatal(err)
			}
			b.wait("it is known", func() bool { return b.contact(c.id).Draft == core.Draft{Text: "half a sent"} })
		},
		"before it was kept": func(b *bench, c *conversation, ids []int64) {
			if err := b.profile.Delete(t.Context(), ids, false); err != nil {
				t.Fatal(err)
			}
			b.main.showContact(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, c := notes(t)
			c.say("one")
			c.say("two")
			b.wait("both", func() bool { return len(c.items) == 2 })
			ids := []int64{c.items[0].ID, c.items[1].ID}
			c.reply(ids[1])
			c.composer.SetText("half a sent")
			c.edit(ids[0])
			c.composer.SetText("one, two")
			gone(b, c, ids)
			c = b.back(c.id)
			if c.composer.Text() != "half a sent" || c.banner() != "" || c.writing.reply != 0 || c.writing.edit != 0 {
				t.Errorf("%q stands above %q", c.banner(), c.composer.Text())
			}
			b.kept(c.id, core.Draft{Text: "half a sent"})
			c.say(c.composer.Text())
			b.wait("it is sent", func() bool { return len(c.items) == 1 })
		})
	}
}

// TestTakenBackWhileWriting takes a message back that is being changed here and answered there.
func TestTakenBackWhileWriting(t *testing.T) {
	alice, bob, a, b := talk(t, "at eight")
	b.reply(b.items[0].ID)
	b.composer.SetText("fine")
	id := a.items[0].ID
	a.composer.SetText("bring the b")
	a.edit(id)
	a.composer.SetText("at nine")
	alice.kept(a.id, core.Draft{Text: "bring the b", Edit: id, Edited: "at nine"})
	a.reply(id)
	if a.writing.reply != 0 || a.composer.Text() != "at nine" || !strings.HasPrefix(a.warned, "You are changing a message.") {
		t.Errorf("with %q, it says %q", a.composer.Text(), a.warned)
	}
	if err := alice.profile.Delete(t.Context(), []int64{id}, true); err != nil {
		t.Fatal(err)
	}
	alice.warns(a, "The message that you were changing is gone.")
	both(alice, bob, "the mark", func() bool { return b.At(0).Removed && a.At(0).Removed })
	both(alice, bob, "nothing is answered", func() bool { return b.writing.reply == 0 })
	if a.composer.Text() != "bring the b" || a.banner() != "" || b.composer.Text() != "fine" || b.banner() != "" {
		t.Errorf("%q stands above %q, %q above %q", a.banner(), a.composer.Text(), b.banner(), b.composer.Text())
	}
	alice.kept(a.id, core.Draft{Text: "bring the b"})
	b.say("fine")
	both(alice, bob, "the answer", func() bool { return len(a.items) == 2 && a.items[1].Quote == nil })
	bob.kept(b.id, core.Draft{})
}

// TestEditTooLate comes back to a message a day later: its other text is the draft.
func TestEditTooLate(t *testing.T) {
	alice, _, a, _ := talk(t, "at eight")
	a.composer.SetText("bring the b")
	a.edit(a.items[0].ID)
	a.composer.SetText("at nine")
	alice.opt.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	a = alice.back(a.id)
	want := core.Draft{Text: "at nine\nbring the b"}
	if a.composer.Text() != want.Text || a.banner() != "" {
		t.Errorf("%q stands above %q", a.banner(), a.composer.Text())
	}
	alice.kept(a.id, want)
	if !strings.HasPrefix(a.warned, "This message can't be changed any more.") || a.note.Hidden {
		t.Errorf("it says %q", a.warned)
	}
	a.composer.SetText(want.Text + "ook")
	if !a.note.Hidden {
		t.Error("it still says so")
	}
}

// TestEditThatFails gives back what could not be changed: with the conversation open, and when it is not.
func TestEditThatFails(t *testing.T) {
	alice, _, a, _ := talk(t, "at eight")
	long := strings.Repeat("x", 1<<15)
	a.composer.SetText("bring the b")
	a.edit(a.items[0].ID)
	id := a.items[0].ID
	a.say(long)
	if a.composer.Text() != "bring the b" {
		t.Errorf("the composer has %d bytes", len(a.composer.Text()))
	}
	alice.warns(a, "This message is too long")
	editing := core.Draft{Text: "bring the b", Edit: id, Edited: long}
	if a.composer.Text() != long || a.banner() != "Edit message: at eight" || a.written() != editing {
		t.Errorf("%q stands above %d bytes", a.banner(), len(a.composer.Text()))
	}
	a.say(long)
	alice.showSettings()
	const title = "A message was not sent"
	for range 2 {
		alice.wait(title, func() bool {
			return alice.win.Canvas().Overlays().Top() != nil && alice.says("Bob: This message is too long")
		})
		alice.tap("Try again")
	}
	alice.wait(title, func() bool { return alice.win.Canvas().Overlays().Top() != nil })
	alice.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
	alice.kept(a.id, editing)
	alice.openContact(a.id)
	alice.settle()
	if a = alice.conversation(); a.written() != editing {
		t.Errorf("written is %.100q", a.composer.Text())
	}
	a.say("at nine")
	alice.wait("the other text", func() bool { return a.items[0].Text == "at nine" })
	alice.kept(a.id, core.Draft{Text: "bring the b"})

	// And a text that could not be sent, with what it answers.
	a.reply(id)
	a.say(long)
	alice.showSettings()
	alice.wait(title, func() bool { return alice.win.Canvas().Overlays().Top() != nil })
	alice.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
	alice.kept(a.id, core.Draft{Text: long, Reply: id})
}

// TestComingBackAtOnce is faster than the disk.
func TestComingBackAtOnce(t *testing.T) {
	b, c := notes(t)
	c.say("one")
	b.wait("it is there", func() bool { return len(c.items) == 1 })
	one := c.items[0].ID
	disk := make(chan bool)
	block := func() { ordered(b.Window, only(func(context.Context) error { <-disk; return nil }), nil) }
	block()
	c.reply(one)
	c.composer.SetText("half a sent")
	b.showSettings()
	b.openContact(c.id)
	c = b.conversation()
	if c.composer.Text() != "half a sent" || c.writing.reply != one {
		t.Errorf("the composer has %q", c.composer.Text())
	}
	disk <- true
	b.kept(c.id, core.Draft{Text: "half a sent", Reply: one})
	block()
	c.say(c.composer.Text())
	b.showSettings()
	b.openContact(c.id)
	if c = b.conversation(); c.composer.Text() != "" || c.writing.reply != 0 {
		t.Errorf("the composer still has %q", c.composer.Text())
	}
	disk <- true
	b.kept(c.id, core.Draft{})
	if len(b.drafts) > 0 {
		t.Error("the draft is still being stored")
	}
}

// TestAttachedIsKept goes to another conversation and back with something attached.
func TestAttachedIsKept(t *testing.T) {
	alice, bob, a, b := talk(t)
	alice.opt.Clipboard = func(context.Context) image.Image { return noise(200, 100) }
	alice.app.Clipboard().SetContent("")
	a.attach(writePicture(t, "bridge.png"))
	alice.wait("it is attached", func() bool { return len(a.attached) == 1 })
	a.composer.OnPaste()
	alice.wait("both are attached", func() bool { return len(a.attached) == 2 })
	a.composer.SetText("the view")

	alice.openNotes()
	alice.wait("the notes", func() bool { return alice.main.openID() != a.id })
	notes := alice.conversation()
	if len(notes.attached) > 0 {
		t.Error("it is attached in another conversation")
	}
	// What is looked at while one goes away is attached all the same.
	path := writePicture(t, "milk.png")
	notes.attach(path)
	a = alice.back(a.id)
	if len(a.attached) != 2 || a.composer.Text() != "the view" || len(alice.attached[a.key()]) > 0 {
		t.Errorf("%d are attached to %q", len(a.attached), a.composer.Text())
	}
	alice.wait("the other one", func() bool { return len(alice.attached[notes.key()]) == 1 })
	a.say(a.composer.Text())
	both(alice, bob, "both pictures", func() bool { return len(b.items) == 2 && b.items[1].Text == "the view" })
	alice.kept(a.id, core.Draft{})
	if a = alice.back(a.id); len(a.attached) > 0 || len(alice.attached) != 1 {
		t.Error("they are still attached")
	}
	if n := alice.back(notes.id); len(n.attached) != 1 {
		t.Errorf("%d are attached", len(n.attached))
	}

	// With the contact it is gone, and when the program is locked.
	alice.main.showContact(0)
	ordered(alice.Window, only(func(ctx context.Context) error { return alice.profile.DeleteContact(ctx, a.id) }), nil)
	a.hold([]attached{{}})
	alice.wait("the contact is gone", func() bool { return alice.contact(a.id) == nil })
	if len(alice.attached) != 1 {
		t.Errorf("%d conversations have something attached", len(alice.attached))
	}
	if err := alice.core.SetLock(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	alice.openContact(notes.id)
	alice.lock()
	alice.wait("the lock", func() bool { return alice.locked })
	notes.hold([]attached{{}})
	if len(alice.attached) > 0 {
		t.Error("it is attached while it is locked")
	}
}

// TestTooMuchAttached bounds what is held of pictures in all conversations.
func TestTooMuchAttached(t *testing.T) {
	b, c := notes(t)
	large := attached{size: maxHeld / 2}
	c.addAttached(large)
	b.attached[contactKey{"other", 1}] = []attached{large}
	c.addAttached(attached{size: 1})
	if len(c.attached) != 1 || !strings.HasPrefix(c.warned, "Too many pictures") {
		t.Errorf("%d are attached, and it says %q", len(c.attached), c.warned)
	}
	clear(b.attached)
	c.addAttached(slices.Repeat([]attached{{}}, maxAttached)...)
	if len(c.attached) != maxAttached || !strings.HasPrefix(c.warned, "Up to 20 files") {
		t.Errorf("%d are attached, and it says %q", len(c.attached), c.warned)
	}
	// All of it is kept when one goes away, and not more is added then.
	b.showSettings()
	c.hold([]attached{{}})
	if n := len(b.attached[c.key()]); n != maxAttached {
		t.Errorf("%d are kept", n)
	}
}

// TestDraftWhileSending keeps what is typed while files are being sent, and gives back what was not.
func TestDraftWhileSending(t *testing.T) {
	b, c := notes(t)
	go1 := make(chan error)
	path := writePicture(t, "bridge.png")
	file := attached{view: widget.ComposerAttachment{Name: "bridge.png"}}
	file.send = func(ctx context.Context, p *core.Profile, contact int64, caption string, reply int64) error {
		if err := <-go1; err != nil {
			return err
		}
		return sendPath(path)(ctx, p, contact, caption, reply)
	}
	c.addAttached(file)
	c.say("the bridge")
	b.kept(c.id, core.Draft{Text: "the bridge"}) // until it is sent
	c.composer.SetText("and n")
	b.kept(c.id, core.Draft{Text: "and n"})
	go1 <- nil
	b.wait("it is sent", func() bool { return len(c.items) == 1 && c.items[0].Text == "the bridge" })
	b.settle()
	b.kept(c.id, core.Draft{Text: "and n"})
	if c.composer.Text() != "and n" {
		t.Errorf("the composer has %q", c.composer.Text())
	}

	// When it fails while another page is shown, it is in the conversation again.
	c.addAttached(file)
	c.say("once more")
	b.showSettings()
	go1 <- syscall.ENOSPC
	b.wait("the dialog", func() bool { return b.win.Canvas().Overlays().Top() != nil })
	b.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
	b.kept(c.id, core.Draft{Text: "once more"})
	if c = b.back(c.id); len(c.attached) != 1 || c.composer.Text() != "once more" {
		t.Errorf("%d are attached to %q", len(c.attached), c.composer.Text())
	}
	// So it is if it is open again.
	c.say(c.composer.Text())
	id := c.id
	c = b.back(id)
	go1 <- syscall.ENOSPC
	b.warns(c, "The disk is full.")
	if len(c.attached) != 1 || c.composer.Text() != "once more" || b.win.Canvas().Overlays().Top() != nil {
		t.Errorf("%d are attached to %q", len(c.attached), c.composer.Text())
	}
}

// TestFileWithoutText gives back a file that was sent alone.
func TestFileWithoutText(t *testing.T) {
	b, c := notes(t)
	full := make(chan bool)
	file := attached{view: widget.ComposerAttachment{Name: "bridge.png"}}
	file.send = func(context.Context, *core.Profile, int64, string, int64) error {
		<-full
		return syscall.ENOSPC
	}
	c.addAttached(file)
	c.say("")
	c.composer.SetText("and n")
	full <- true
	b.warns(c, "The disk is full.")
	if len(c.attached) != 1 || c.composer.Text() != "and n" {
		t.Errorf("%d are attached to %q", len(c.attached), c.composer.Text())
	}
}

// TestLiveLeavesNoDraft goes away while what is typed is shown to the other side, which completes it.
func TestLiveLeavesNoDraft(t *testing.T) {
	alice, bob, a, b := talk(t, "at eight")
	alice.changeLook(func(look *core.Appearance) { look.Live = true })
	a = alice.back(a.id)
	a.reply(a.items[0].ID)
	a.composer.OnLive()
	a.composer.SetText("or at")
	both(alice, bob, "Bob sees it", func() bool { return len(b.items) == 2 && b.At(1).Live && b.At(1).Quote != nil && len(a.items) == 2 })
	a.composer.SetText("or at nine")
	alice.kept(a.id, core.Draft{Text: "or at nine", Reply: a.items[0].ID}) // until it is complete
	alice.showSettings()
	both(alice, bob, "it is complete", func() bool { return !b.At(1).Live && b.At(1).Text == "or at nine" })
	alice.kept(a.id, core.Draft{})
	if a = alice.back(a.id); a.composer.Text() != "" || a.banner() != "" {
		t.Errorf("%q stands above %q", a.banner(), a.composer.Text())
	}
}

// TestWarningStays until something is typed, whatever else becomes known of the contact.
func TestWarningStays(t *testing.T) {
	alice, _, a, _ := talk(t)
	a.say(strings.Repeat("x", 1<<15))
	alice.warns(a, "This message is too long")
	alice.kept(a.id, core.Draft{Text: strings.Repeat("x", 1<<15)})
	alice.settle()
	if a.note.Hidden {
		t.Error("nothing tells why the message was not sent")
	}
	a.composer.Focusable().TypedRune('y')
	if !a.note.Hidden || alice.contact(a.id).State != chat.ContactConnected {
		t.Error("it still says so")
	}

	// What is sent in place of it leaves nothing, however soon that is.
	a.say(strings.Repeat("x", 1<<15))
	a.warned = ""
	alice.warns(a, "This message is too long")
	a.say("x")
	alice.wait("it is sent", func() bool { return len(a.items) == 1 })
	alice.kept(a.id, core.Draft{})
	a.say(strings.Repeat("x", 1<<15))
	a = alice.back(a.id)
	alice.wait("it is given back", func() bool { return a.composer.Text() != "" })
	a.say("y")
	alice.wait("it is sent", func() bool { return len(a.items) == 2 })
	alice.kept(a.id, core.Draft{})
}
