package ui

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/voice"
	"github.com/sotto-chat/sotto/ui/sound"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// say sends what was typed, as Enter does.
func (c *conversation) say(text string) {
	c.composer.SetText(text)
	c.composer.Focusable().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
}

// do chooses an entry of the menu of a message.
func (b *bench) do(c *conversation, i int, name string) {
	b.Helper()
	var names []string
	for _, item := range c.menuItems(&c.items[i]) {
		if item.Text == name && item.Do != nil {
			item.Do()
			return
		}
		names = append(names, item.Text)
	}
	b.Fatalf("the menu has no %q, but %q", name, names)
}

// can tells whether the menu of a message has an entry.
func (c *conversation) can(i int, name string) bool {
	for _, item := range c.menuItems(&c.items[i]) {
		if item.Text == name {
			return true
		}
	}
	return false
}

// talk opens two conversations in which something was said.
func talk(t *testing.T, texts ...string) (alice, bob *bench, a, b *conversation) {
	t.Helper()
	alice, bob = friends(t)
	a, b = alice.conversation(), bob.conversation()
	for i, text := range texts {
		a.say(text)
		both(alice, bob, "it arrived", func() bool {
			return len(a.items) == i+1 && len(b.items) == i+1 && a.items[i].State == chat.StateDelivered
		})
	}
	return alice, bob, a, b
}

func TestReplyEditReact(t *testing.T) {
	alice, bob, a, b := talk(t, "Shall we meet at *eight*?")

	// Bob answers, after having thought of something else.
	b.reply(b.items[0].ID)
	b.composer.OnCancel()
	if b.writing.reply != 0 {
		t.Error("the answer was not cancelled")
	}
	b.reply(b.items[0].ID)
	b.say("Yes!")
	both(alice, bob, "the answer", func() bool { return len(a.items) == 2 })
	if q := a.At(1).Quote; q == nil || q.Author != "You" || q.Text != "Shall we meet at eight?" {
		t.Errorf("it answers %+v", q)
	}
	a.list.OnQuote(1)
	if q := b.At(1).Quote; q == nil || q.Author != "Alice" {
		t.Errorf("Bob sees %+v", q)
	}

	// Alice edits her last message with Up; what she was writing comes back afterwards.
	a.composer.OnEditLast()
	if a.composer.Text() != "Shall we meet at *eight*?" {
		t.Errorf("%q is edited", a.composer.Text())
	}
	a.composer.OnCancel()
	if a.composer.Text() != "" || a.writing.edit != 0 {
		t.Error("Escape does not end it")
	}
	a.composer.SetText("Bring the b")
	alice.do(a, 0, "Edit")
	a.say("Shall we meet at nine?")
	both(alice, bob, "the other text", func() bool { return b.items[0].Edited && b.At(0).Text == "Shall we meet at nine?" })
	both(alice, bob, "the draft is back", func() bool { return a.composer.Text() == "Bring the b" })
	if !a.At(0).Edited || a.can(1, "Edit") {
		t.Error("a message of Bob's can be edited, or that one was is not told")
	}

	// Reactions.
	emoji := core.Emojis()[0]
	b.react(b.items[0].ID, emoji)
	both(alice, bob, "the reaction", func() bool { return len(a.items[0].Reactions) == 1 && len(b.items[0].Reactions) == 1 })
	a.list.OnReaction(0, 0)
	both(alice, bob, "both reacted", func() bool { r := b.At(0).Reactions; return len(r) == 1 && r[0].Count == 2 && r[0].Own })
	b.list.OnReaction(0, 0)
	both(alice, bob, "one was taken back", func() bool { r := a.At(0).Reactions; return len(r) == 1 && r[0].Count == 1 && r[0].Own })

	// What is known of it.
	alice.do(a, 0, "Info")
	alice.settle()
	if alice.win.Canvas().Overlays().Top() == nil {
		t.Fatal("nothing is shown")
	}
	alice.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
}

func TestDelete(t *testing.T) {
	alice, bob, a, b := talk(t, "one", "two", "three")
	bob.do(b, 0, "Delete…")
	if text, _ := b.everyone([]int64{b.items[0].ID}); text != "" {
		t.Errorf("Bob could delete a message of Alice's: %s", text)
	}
	bob.tap("Delete for me")
	bob.wait("it is gone", func() bool { return len(b.items) == 2 })
	alice.do(a, 1, "Delete…")
	alice.tap("Delete for everyone")
	both(alice, bob, "a mark is left", func() bool { return b.At(0).Removed })
	if b.At(0).Text != "This message was taken back." || b.can(0, "Reply") {
		t.Errorf("Bob sees %q", b.At(0).Text)
	}
	if bob.contacts[0].Last.Text == "two" {
		t.Error("the list shows it")
	}

	// Several at once.
	alice.do(a, 2, "Select")
	a.list.Choose(0, true)
	if !a.list.Choosing() || a.composer.Visible() || a.chooser.count.Text != "2 chosen" {
		t.Errorf("the bar says %q", a.chooser.count.Text)
	}
	a.chooser.copy.Tapped(&fyne.PointEvent{})
	if got := alice.app.Clipboard().Content(); !strings.Contains(got, "You: one\n") || !strings.HasSuffix(got, "You: three") {
		t.Errorf("%q was copied", got)
	}
	if a.list.Choosing() || !a.composer.Visible() {
		t.Error("choosing goes on")
	}
	alice.do(a, 0, "Select")
	a.list.Choose(2, true)
	a.chooser.trash.Tapped(&fyne.PointEvent{})
	alice.tap("Delete for me")
	alice.wait("they are gone", func() bool { return len(a.items) == 1 && !a.list.Choosing() })
}

func TestForwardToNotes(t *testing.T) {
	alice, _, a, _ := talk(t, "Remember the milk")
	alice.openNotes()
	alice.wait("the notes", func() bool { c := alice.contact(alice.main.openID()); return c != nil && c.State == chat.ContactNotes })
	notes := alice.main.openID()
	alice.openContact(a.id)
	a = alice.conversation()
	alice.wait("the messages", func() bool { return len(a.items) == 1 })
	alice.do(a, 0, "Forward…")
	if p := newContactPicker(alice.Window, func(int64) {}); len(p.rows) != 2 {
		t.Errorf("%d conversations are offered", len(p.rows))
	}
	field := alice.win.Canvas().Focused().(*widget.Entry)
	field.SetText("notes")
	field.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	alice.wait("it is in the notes", func() bool {
		c, ok := alice.main.content.(*conversation)
		return ok && c.id == notes && len(c.items) == 1 && c.items[0].Forwarded
	})
	c := alice.conversation()
	c.say("and the bread")
	alice.wait("a note", func() bool { return len(c.items) == 2 && c.items[1].State == chat.StateKept })
}

func TestSearchAndJump(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.openNotes()
	b.wait("the notes", func() bool { _, ok := b.main.content.(*conversation); return ok })
	for i := range 2*historyPage + 40 {
		text := "nothing of interest"
		if i == 5 {
			text = "the *quick* brown fox"
		}
		if _, err := b.profile.Send(t.Context(), b.main.openID(), core.NewMessage{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	id := b.main.openID()
	b.main.showContact(0)
	b.openContact(id)
	c := b.conversation()
	b.settle()
	if len(c.items) != historyPage {
		t.Fatalf("%d messages were read", len(c.items))
	}
	b.press(fyne.KeyF, fyne.KeyModifierShortcutDefault)
	c.find.field.Entry.SetText("quick")
	b.wait("the hit is shown", func() bool { return len(c.items) > 5 && strings.HasPrefix(c.At(5).Text, "the quick") })
	m := c.At(5)
	if len(m.Found) != 1 || m.Text[m.Found[0][0]:m.Found[0][1]] != "quick" || c.find.count.Text != "1 of 1" {
		t.Errorf("found is %v, and the bar says %q", m.Found, c.find.count.Text)
	}
	if !c.more || c.list.AtEnd() {
		t.Fatal("what is in between is missing, and that is not known")
	}
	// Scrolling down reads on, until the newest message.
	b.wait("the rest", func() bool {
		c.list.ScrollTo(len(c.items)-1, false)
		b.settle()
		return !c.more
	})
	if len(c.items) != 2*historyPage+40 {
		t.Errorf("%d messages", len(c.items))
	}
	c.find.field.Entry.SetText("nowhere")
	b.wait("nothing is found", func() bool { return c.find.count.Text == "nothing found" })
	c.find.close()
	c.goTo(c.items[0].ID)
	c.load(0)
	b.settle()
	c.toDay(c.items[0].Time.AddDate(0, 0, -3))
	b.wait("the first message", func() bool { return c.index(1) == 0 })
	c.say("new")
	b.wait("the newest are shown again", func() bool { return !c.more && c.items[len(c.items)-1].Text == "new" })

	// Over all conversations.
	b.main.search.Entry.SetText("quick")
	b.wait("the hit in the list", func() bool { return len(b.main.rows) == 1 && b.main.rows[0].hit != nil })
	b.main.openRowAt(0)
	c = b.conversation()
	b.wait("it is shown", func() bool { i := c.index(b.main.rows[0].hit.Item.ID); return i >= 0 && len(c.At(i).Found) == 1 })
}

// noise is a picture that is hard to compress.
func noise(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		for y := range h {
			img.Set(x, y, color.RGBA{uint8(x * y), uint8(x ^ y), uint8(x + 3*y), 255})
		}
	}
	return img
}

func writePicture(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, noise(320, 200)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles(t *testing.T) {
	alice, bob, a, b := talk(t)
	dir := t.TempDir()
	report := bytes.Repeat([]byte("all of it "), 5000)
	if err := os.WriteFile(filepath.Join(dir, "report.txt"), report, 0o600); err != nil {
		t.Fatal(err)
	}
	alice.dropped([]fyne.URI{storage.NewFileURI(filepath.Join(dir, "report.txt")), storage.NewFileURI(dir)})
	alice.wait("what is attached", func() bool { return len(a.attached) == 1 })
	if a.warned != "Only files can be sent. Make an archive of a folder first." {
		t.Errorf("about the folder it says %q", a.warned)
	}
	a.composer.OnRemove(0)
	a.attach(filepath.Join(dir, "report.txt"), writePicture(t, "bridge.png"))
	alice.wait("what is attached", func() bool { return len(a.attached) == 2 })
	if a.attached[1].view.Picture == nil {
		t.Error("the picture is not shown")
	}
	a.say("The view")
	both(alice, bob, "both messages", func() bool { return len(a.items) == 2 && len(b.items) == 2 })
	both(alice, bob, "the report is offered", func() bool { return b.items[0].File != nil && b.items[0].File.State == core.FileOffered })
	if at := b.At(0).Attachment; at == nil || at.Name != "report.txt" || at.Icon != "download" {
		t.Errorf("Bob sees %+v", at)
	}
	if m := b.At(1); m.Text != "The view" || m.Attachment == nil {
		t.Errorf("Bob sees %+v", m)
	}

	// The relay is Alice's, whom Bob's program would tell where it is.
	b.list.OnAttachment(0)
	both(alice, bob, "the question", func() bool { return bob.win.Canvas().Overlays().Top() != nil })
	bob.tap("Not now")
	if b.items[0].File.State != core.FileOffered {
		t.Errorf("it is %s", b.items[0].File.State)
	}
	b.list.OnAttachment(0)
	bob.wait("the question", func() bool { return bob.win.Canvas().Overlays().Top() != nil })
	bob.tap("Receive anyway")
	both(alice, bob, "it is here", func() bool { return b.items[0].File.State == core.FileDone })

	// Saved, and opened by another program.
	b.saveTo(b.items[0], filepath.Join(dir, "saved.txt"), b.failed)
	bob.wait("the copy", func() bool {
		got, err := os.ReadFile(filepath.Join(dir, "saved.txt"))
		return err == nil && bytes.Equal(got, report)
	})
	path, err := bob.copies.put(t.Context(), bob.profile, b.items[0].ID, "report.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, report) {
		t.Errorf("the copy is not the file: %v", err)
	}
	if err := bob.copies.wipe(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("the copy is still there")
	}
	b.open(b.items[0].ID)
	bob.tap("Cancel")

	// The picture.
	if b.items[1].Content == "image" {
		both(alice, bob, "the small picture", func() bool { return b.At(1).Attachment.Picture != nil })
		b.receive(b.items[1].ID, true)
		both(alice, bob, "it is here", func() bool { return b.items[1].File.State == core.FileDone })
		both(alice, bob, "it is shown", func() bool { return b.media.pictures[pictureKey{b.items[1].ID, pictureFile}] != nil || b.At(1).ID == 0 })
		b.list.OnAttachment(1)
		if bob.win.Canvas().Overlays().Top() == nil {
			t.Error("the viewer is not open")
		}
		bob.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
	}

	// A program is not started.
	b.items[0].File.Name = "holiday.jpg.exe "
	b.open(b.items[0].ID)
	bob.tap("Close")
}

func TestPastedPicture(t *testing.T) {
	alice, bob, a, b := talk(t)
	alice.opt.Clipboard = func(context.Context) image.Image { return noise(200, 100) }
	alice.app.Clipboard().SetContent("")
	if !a.composer.OnPaste() {
		t.Fatal("it is not pasted")
	}
	alice.wait("it is attached", func() bool { return len(a.attached) == 1 })
	a.say("")
	both(alice, bob, "the picture", func() bool { return len(b.items) == 1 && b.items[0].Content == "image" && b.At(0).Attachment != nil })
	alice.app.Clipboard().SetContent("text")
	if a.composer.OnPaste() {
		t.Error("text is pasted as a picture")
	}
}

func TestLiveMessage(t *testing.T) {
	alice, bob := friends(t)
	alice.changeLook(func(look *core.Appearance) { look.Live = true })
	id := alice.main.openID()
	alice.main.showContact(0)
	alice.openContact(id)
	a, b := alice.conversation(), bob.conversation()
	alice.settle()
	a.composer.OnLive()
	a.composer.SetText("I am")
	both(alice, bob, "Bob sees it", func() bool { return len(b.items) == 1 && b.At(0).Live && len(a.items) == 1 })
	a.composer.SetText("I am here")
	a.say("I am here now")
	both(alice, bob, "it is done", func() bool { return !b.At(0).Live && b.At(0).Text == "I am here now" })
	if len(a.items) != 1 {
		t.Errorf("there are %d messages", len(a.items))
	}
	a.say("Next")
	both(alice, bob, "the next one", func() bool { return len(b.items) == 2 && !b.At(1).Live })
}

func TestDisappearing(t *testing.T) {
	alice, bob, a, b := talk(t)
	a.setDisappearing(time.Hour)
	both(alice, bob, "Bob is told", func() bool { return len(b.items) > 0 })
	last := len(b.items) - 1
	if b.can(last, "Agree") {
		bob.do(b, last, "Agree")
	}
	both(alice, bob, "it is in force", func() bool {
		return alice.contact(a.id).Disappearing == time.Hour && bob.contact(b.id).Disappearing == time.Hour
	})
	a.say("for an hour")
	both(alice, bob, "it says so", func() bool {
		n := len(b.items)
		return b.items[n-1].Text == "for an hour" && b.At(n-1).Expires == "1 hour"
	})

	for text, want := range map[string]time.Duration{"90 minutes": 90 * time.Minute, "2d": 48 * time.Hour, "1 week": 7 * 24 * time.Hour, "30 s": 30 * time.Second,
		"": 0, "soon": 0, "0 hours": 0, "5": 0, "999999999 weeks": 0} {
		if got, ok := parseSpan(text); got != want || ok != (want > 0) {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestHostileMessages(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.fill()
	c := b.open(1)
	c.items = nil
	add := func(item core.Item) {
		item.ID, item.Contact, item.Time = int64(len(c.items)+1), 1, noon
		if item.Kind == "" {
			item.Kind = chat.KindText
		}
		c.items = append(c.items, item)
	}
	junk := bytes.Repeat([]byte{0xff, 0xd8, 0xff, 0}, 100)
	add(core.Item{Text: strings.Repeat("*a*_b_ #c# ", 6000)})
	add(core.Item{Text: "\u202Eevil\x00\xff\ufffd", Quote: &core.Quote{Item: 99, Text: strings.Repeat("\n\u202E#x", 1000)}})
	add(core.Item{Content: "image", Image: junk, File: &core.File{Name: "\u202Egpj.exe", Size: -5, State: core.FileOffered}})
	add(core.Item{Content: "voice", Duration: -time.Hour, File: &core.File{Size: 1 << 62, State: core.FileFailed, Failure: "new", Relay: "\nx"}})
	add(core.Item{Content: "video", Image: junk, Duration: 1 << 62})
	add(core.Item{Kind: chat.KindUnsupported, Content: "file"})
	add(core.Item{Content: "link", Preview: &core.LinkPreview{URL: "javascript:alert(1)", Title: "x"}})
	add(core.Item{Content: "link", Preview: &core.LinkPreview{URL: "https://example.org", Title: strings.Repeat("long ", 1000), Image: junk}})
	add(core.Item{Kind: chat.KindFeature, Text: "new", Content: "other"})
	add(core.Item{Kind: chat.KindDisappearing, TTL: -1})
	add(core.Item{Kind: "newer"})
	add(core.Item{Text: "x", TTL: time.Millisecond, Reactions: []core.Reaction{{Emoji: "no emoji"}, {}}})
	c.list.Reset()
	for i := range c.items {
		c.list.ScrollTo(i, true)
		b.win.Canvas().Capture()
		c.menuItems(&c.items[i])
	}
	b.wait("the pictures are refused", func() bool {
		b.settle()
		return len(c.media.turn) == 0
	})
	if c.At(6).Preview != nil {
		t.Error("a preview of a script is shown")
	}
	if p := c.At(7).Preview; p == nil || len(p.Title) > 300 {
		t.Errorf("the preview is %+v", p)
	}
	if slices.ContainsFunc(c.menuItems(&c.items[2]), func(m widget.MenuItem) bool { return strings.HasPrefix(m.Text, "Open") }) {
		t.Error("a file that is not here can be opened")
	}
}

// fakeSound is a microphone and a loudspeaker.
type fakeSound struct {
	write    func([]int16) error
	progress func(time.Duration)
	ended    func(error)
	done     []string
}

func (f *fakeSound) Stop() error { return nil }

type fakePlayer struct{ *fakeSound }

func (p fakePlayer) Pause()             { p.done = append(p.done, "pause") }
func (p fakePlayer) Resume()            { p.done = append(p.done, "resume") }
func (p fakePlayer) Seek(time.Duration) { p.done = append(p.done, "seek") }
func (p fakePlayer) SetSpeed(float64)   { p.done = append(p.done, "speed") }
func (p fakePlayer) Stop()              {}

func TestVoiceMessage(t *testing.T) {
	alice, bob := friends(t)
	f := new(fakeSound)
	for _, b := range []*bench{alice, bob} {
		b.opt.Record = func(r sound.Recording) (Recorder, error) {
			f.write = r.Write
			return f, nil
		}
		b.opt.Play = func(p sound.Playback) (Player, error) {
			f.progress, f.ended = p.Progress, p.Ended
			return fakePlayer{f}, nil
		}
		id := b.main.openID()
		b.main.showContact(0)
		b.openContact(id)
		b.settle()
	}
	a, b := alice.conversation(), bob.conversation()
	record := func() {
		a.composer.OnVoice()
		alice.wait("the microphone", func() bool { return a.recording != nil && a.recording.recorder != nil })
	}
	record()
	a.composer.OnVoiceDone(false)
	record()
	samples := make([]int16, 2*voice.Rate)
	for i := range samples {
		samples[i] = int16(8000 * (i % 100) / 100)
	}
	if err := f.write(samples); err != nil {
		t.Fatal(err)
	}
	a.composer.OnVoiceDone(true)
	both(alice, bob, "the voice message", func() bool {
		return len(a.items) == 1 && len(b.items) == 1 && b.items[0].Content == "voice" && b.items[0].File != nil
	})
	b.receive(b.items[0].ID, true)
	both(alice, bob, "it is here", func() bool { return b.items[0].File.State == core.FileDone })
	bob.wait("its curve", func() bool {
		return len(b.At(0).Attachment.Loudness) == waveSteps && b.At(0).Attachment.Loudness[10] > 0
	})
	b.list.OnAttachment(0)
	bob.wait("it plays", func() bool { return b.At(0).Attachment.Icon == "pause" })
	f.progress(time.Second)
	bob.wait("how far it is", func() bool { p := b.At(0).Attachment.Played; return p > 0.4 && p < 0.6 })
	b.list.OnSpeed(0)
	b.list.OnSeek(0, 0.25)
	b.list.OnAttachment(0)
	if at := b.At(0).Attachment; at.Icon != "play" || at.Speed != "1.5×" || len(at.Loudness) == 0 {
		t.Errorf("it is shown as %+v", at)
	}
	b.list.OnAttachment(0)
	if got := strings.Join(f.done, " "); got != "speed seek pause resume" {
		t.Errorf("the loudspeaker was told %q", got)
	}
	f.ended(nil)
	bob.wait("it is at its end", func() bool { at := b.At(0).Attachment; return at.Icon == "play" && at.Played == 0 })

	alice.opt.Record = func(sound.Recording) (Recorder, error) { return nil, sound.ErrNoMicrophone }
	a.composer.OnVoice()
	alice.wait("the refusal", func() bool { return a.recording == nil && strings.HasPrefix(a.warned, "There is no microphone") })
}
