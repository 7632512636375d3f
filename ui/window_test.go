package ui

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
)

// press types a key combination into the window.
func (b *bench) press(key fyne.KeyName, modifier fyne.KeyModifier) {
	for _, s := range b.shortcuts() {
		if s.key == key && s.modifier == modifier {
			b.pressed(s)
			return
		}
	}
	b.Errorf("%s does nothing", key)
}

// both does what both windows are asked to do until ok.
func both(a, b *bench, what string, ok func() bool) {
	a.Helper()
	deadline := time.After(patience)
	for !ok() {
		select {
		case f := <-a.queue:
			f()
		case f := <-b.queue:
			f()
		case <-deadline:
			a.Fatalf("it did not happen: %s", what)
		}
	}
}

// friends opens two windows whose people are connected, with the conversation open in both.
func friends(t *testing.T) (alice, bob *bench) {
	t.Helper()
	alice = newBench(t, theme.Light, "Alice")
	alice.newConversation("")
	alice.wait("the invitation", func() bool { return alice.adder.invitation != nil })
	bob = newBench(t, theme.Light, "Bob")
	bob.newConversation(alice.adder.invitation.Link)
	bob.wait("the plan", func() bool { return len(bob.adder.plan.Objects) > 0 })
	bob.adder.next()
	connected := func(b *bench, name string) bool {
		c, ok := b.main.content.(*conversation)
		return ok && c.composer.Visible() && b.contact(c.id) != nil && b.contact(c.id).Name == name
	}
	both(alice, bob, "both are connected", func() bool { return connected(alice, "Bob") && connected(bob, "Alice") })
	if alice.adder != nil || bob.adder != nil {
		t.Error("the dialog is still open")
	}
	return alice, bob
}

// open returns the conversation that is open.
func (b *bench) conversation() *conversation {
	b.Helper()
	c, ok := b.main.content.(*conversation)
	if !ok {
		b.Fatalf("no conversation is open but a %T", b.main.content)
	}
	return c
}

func TestConversation(t *testing.T) {
	bob, alice := friends(t) // whoever comes last is the app that the toolkit's test helpers look at
	a, b := alice.conversation(), bob.conversation()
	a.composer.SetText("Are you there?")
	a.composer.OnSend(a.composer.Text())
	a.composer.SetText("")
	both(alice, bob, "the message is delivered", func() bool {
		return len(b.items) == 1 && len(a.items) == 1 && a.items[0].State == chat.StateDelivered
	})
	if got := b.At(0).Text; got != "Are you there?" {
		t.Errorf("Bob reads %q", got)
	}
	both(alice, bob, "Bob has read it", func() bool { return bob.contact(b.id).Unread == 0 })

	// What comes while another window is in front is unread, and told by name only.
	alice.setInFront(false)
	b.send("Yes")
	both(alice, bob, "the answer is there", func() bool { return len(a.items) == 2 && alice.contact(a.id).Unread == 1 })
	if a.newID != a.items[1].ID {
		t.Error("no line above the message that is new")
	}
	test.AssertNotificationSent(t, fyne.NewNotification("Alice", "New message"), func() {
		alice.notified = map[notice]bool{}
		alice.notify(alice.profile.ID(), a.items[1])
		alice.settle()
	})
	alice.setInFront(true)
	alice.wait("the answer is read", func() bool { return alice.contact(a.id).Unread == 0 })
	test.AssertNotificationSent(t, nil, func() {
		alice.notify(alice.profile.ID(), a.items[1])
		alice.settle()
	})
}

func TestDraftIsKept(t *testing.T) {
	alice, _ := friends(t)
	c := alice.conversation()
	c.composer.SetText("half a sent")
	alice.main.back()
	alice.wait("the draft", func() bool { return alice.contact(c.id).Draft.Text == "half a sent" })
	row := alice.main.row(0)
	if !row.Draft || row.Preview != "half a sent" {
		t.Errorf("the list shows %+v", row)
	}
	alice.openContact(c.id)
	if got := alice.conversation().composer.Text(); got != "half a sent" {
		t.Errorf("the composer has %q", got)
	}
}

func TestTooLongMessageIsNotLost(t *testing.T) {
	alice, _ := friends(t)
	c := alice.conversation()
	long := strings.Repeat("0123456789 äöü ", 4000)
	c.send(long)
	alice.wait("the message is refused", func() bool { return c.composer.Text() == long })
	if c.note.Hidden {
		t.Error("nothing tells why the message was not sent")
	}
	c.composer.SetText("short")
	if !c.note.Hidden {
		t.Error("the complaint is still there after the text was changed")
	}
}

func TestHistoryIsReadInPages(t *testing.T) {
	alice, bob := friends(t)
	c := alice.conversation()
	const total = 3 * historyPage
	for range total {
		c.send("message")
	}
	both(alice, bob, "all are there", func() bool { return len(c.items) == total })
	alice.main.back()
	alice.openContact(c.id)
	c = alice.conversation()
	alice.wait("the first page", func() bool { return c.loaded })
	if len(c.items) >= total {
		t.Fatalf("%d messages were read at once", len(c.items))
	}
	for !c.complete {
		n := len(c.items)
		c.readOlder()
		alice.wait("an older page", func() bool { return len(c.items) > n || c.complete })
	}
	if len(c.items) != total {
		t.Errorf("%d of %d messages", len(c.items), total)
	}
	for i := 1; i < len(c.items); i++ {
		if c.items[i].ID <= c.items[i-1].ID {
			t.Fatalf("message %d is not after the one before", i)
		}
	}
}

func TestFirstUnread(t *testing.T) {
	items := exampleItems()
	for n, want := range map[int]int64{0: 0, 1: 7, 2: 6, 3: 4, 100: 1} {
		if got := firstUnread(items, n); got != want {
			t.Errorf("with %d unread the first is %d, not %d", n, got, want)
		}
	}
}

func TestInvitationIsShownAgainAndDeleted(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.newConversation("")
	b.wait("the invitation", func() bool { return b.adder.invitation != nil })
	link := b.adder.invitation.Link
	b.tap("Copy link")
	b.adder.dialog.Close()
	b.wait("its row", func() bool { return len(b.main.rows) == 1 })
	b.openContact(b.main.rows[0].contact.ID)
	if _, ok := b.main.content.(*invitationPage); !ok {
		t.Fatalf("a %T is shown", b.main.content)
	}
	if b.contacts[0].Invitation != link {
		t.Error("the row has another link")
	}
	ordered(b.Window, only(func(ctx context.Context) error { return b.profile.DeleteContact(ctx, b.contacts[0].ID) }), nil)
	b.wait("it is gone", func() bool { return len(b.main.rows) == 0 })
	if _, ok := b.main.content.(*simplePage); !ok {
		t.Errorf("a %T is shown", b.main.content)
	}
}

func TestUnusedInvitationIsDiscarded(t *testing.T) {
	other := newBench(t, theme.Light, "Bob")
	other.newConversation("")
	other.wait("the invitation", func() bool { return other.adder.invitation != nil })
	b := newBench(t, theme.Light, "Alice")
	b.newConversation("")
	b.wait("the invitation", func() bool { return b.adder.invitation != nil && len(b.contacts) == 1 })
	b.adder.tabs.Select(tabPaste)
	b.adder.entry.SetText(other.adder.invitation.Link)
	b.wait("the plan", func() bool { return b.adder.next != nil })
	b.adder.next()
	b.wait("only the contact is left", func() bool { return len(b.contacts) == 1 && b.contacts[0].State != chat.ContactInvited })
}

func TestWrongLinks(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.newConversation("")
	b.wait("the invitation", func() bool { return b.adder.invitation != nil })
	own := b.adder.invitation.Link
	b.adder.tabs.Select(tabPaste)
	for text, want := range map[string]string{
		"hello":               "There is no link",
		own:                   "your own link",
		own[:len(own)/2]:      "incomplete",
		"simplex:/future#abc": "newer version",
		"https://smp8.simplex.im/g#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA": "group",
		strings.Repeat("x", 1<<20): "There is no link",
	} {
		b.adder.entry.SetText("")
		b.adder.look(text)
		b.wait("the refusal", func() bool { return !b.adder.problem.Hidden })
		if b.adder.problem.Hidden || len(b.adder.plan.Objects) > 0 {
			t.Errorf("%.40q is not refused", text)
		}
		if got := b.adder.problemText; !strings.Contains(got, want) {
			t.Errorf("%.40q: %q does not say %q", text, got, want)
		}
	}
}

func TestLinkInSearchField(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.main.search.Entry.SetText(exampleLink)
	b.wait("the plan", func() bool { return b.adder != nil && len(b.adder.plan.Objects) > 0 })
	if b.main.search.Entry.Text != "" {
		t.Error("the link is still in the search field")
	}
}

// Enter in the field does what the button of the plan does, and nothing without a plan.
func TestEnterConnects(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.newConversation("hello")
	enter := &fyne.KeyEvent{Name: fyne.KeyReturn}
	b.wait("the refusal", func() bool { return !b.adder.problem.Hidden })
	b.adder.entry.TypedKey(enter)
	if b.adder.entry.Text != "hello" {
		t.Errorf("Enter changed the text to %q", b.adder.entry.Text)
	}
	b.adder.entry.SetText(exampleLink)
	b.wait("the plan", func() bool { return b.adder.next != nil })
	b.adder.entry.TypedKey(enter)
	b.wait("the contact", func() bool { return len(b.contacts) == 1 && b.contacts[0].State == chat.ContactConnecting })
}

func TestCodeInPictureFile(t *testing.T) {
	modules, err := qr.Encode(exampleLink)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "code.png")
	keep(t, name, qr.Picture(modules, 4))
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.dropped([]fyne.URI{storage.NewFileURI(name)})
	b.wait("the plan", func() bool { return b.adder != nil && len(b.adder.plan.Objects) > 0 })
	if b.adder.entry.Text != exampleLink {
		t.Errorf("the code was read as %.40q", b.adder.entry.Text)
	}

	keep(t, name, image.NewGray(image.Rect(0, 0, 100, 100)))
	b.dropped([]fyne.URI{storage.NewFileURI(name)})
	b.wait("the complaint", func() bool { return strings.Contains(b.adder.problemText, "no QR code") })
}

func TestCodeInClipboard(t *testing.T) {
	modules, err := qr.Encode(exampleLink)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, theme.Light, "Alice")
	b.opt.Clipboard = func(context.Context) image.Image { return qr.Picture(modules, 4) }
	b.newConversation("simplex:/")
	b.settle()
	b.adder.pasteAny()
	b.wait("the plan", func() bool { return len(b.adder.plan.Objects) > 0 })
}

func TestInvitationNeedsRelay(t *testing.T) {
	// Nothing listens at this address.
	b := openBench(t, t.TempDir(), theme.Light, []string{"smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@127.0.0.1:1"}, "Alice")
	b.newConversation("")
	if b.adder.cancel == nil {
		t.Fatal("no invitation is being made")
	}
	b.adder.dialog.Close() // cancels it
	b.settle()
	if b.adder != nil || len(b.contacts) != 0 {
		t.Error("something is left of the invitation")
	}
}

func TestFirstStart(t *testing.T) {
	b := newBench(t, theme.Light)
	s := b.starting
	s.forward()
	if s.step != 0 || s.nameProblem.Hidden {
		t.Error("one can go on without a name")
	}
	s.name.SetText("Alice")
	s.forward()
	s.network.choose(1)
	if s.torNote.Hidden {
		t.Error("nobody is told that Tor is not installed")
	}
	s.network.choose(0)
	if !s.torNote.Hidden {
		t.Error("the missing Tor is told where it is not needed")
	}
	s.forward()
	s.relays.choices.choose(1)
	s.forward()
	b.wait("the complaint", func() bool { return !s.working })
	if s.problem.Hidden || b.main != nil {
		t.Error("one can go on without the address of the relay")
	}
	s.relays.choices.choose(2)
	s.passphrase.toggle.Tapped(&fyne.PointEvent{})
	s.passphrase.first.SetText("open sesame")
	s.forward()
	if s.working || s.passphrase.problem.Hidden {
		t.Error("one can go on with two passphrases")
	}
	s.passphrase.second.SetText("open sesame")
	s.forward()
	b.wait("the main screen", func() bool { return b.main != nil })
	if p := b.profile; p == nil || p.Name() != "Alice" || p.Protection().String() != "passphrase" || p.Relays().Kind != core.RelaysThisComputer {
		t.Error("the profile is not what was asked for")
	}
}

func TestNameThatCannotBeUsed(t *testing.T) {
	b := newBench(t, theme.Light)
	s := b.starting
	s.name.SetText(strings.Repeat("long ", 400))
	s.forward()
	s.forward()
	s.forward()
	b.wait("the complaint", func() bool { return !s.nameProblem.Hidden })
	if s.step != 0 {
		t.Error("the name can't be corrected here")
	}
}

func TestLockedProfile(t *testing.T) {
	dir := t.TempDir()
	c, err := core.Open(t.Context(), dir, core.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.CreateProfile(t.Context(), core.NewProfile{Name: "Alice", Passphrase: "open sesame", Relays: core.RelayChoice{Kind: core.RelaysThisComputer}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b := openBench(t, dir, theme.Light, nil)
	if b.profile != nil {
		t.Fatal("the profile is open without its passphrase")
	}
	// Nothing that needs a profile does anything.
	b.press(fyne.KeyN, fyne.KeyModifierShortcutDefault)
	b.press(fyne.KeyComma, fyne.KeyModifierShortcutDefault)
	b.press(fyne.KeyK, fyne.KeyModifierShortcutDefault)
	b.press(fyne.KeyDown, fyne.KeyModifierAlt)
	var wrong error
	b.unlock(p.ID(), "close sesame", func(err error) { wrong = err })
	b.wait("the answer", func() bool { return wrong != nil })
	if !errors.Is(wrong, core.ErrWrongPassphrase) {
		t.Errorf("a wrong passphrase gives %v", wrong)
	}
	b.unlock(p.ID(), "open sesame", func(error) {})
	b.wait("the profile", func() bool { return b.profile != nil && b.main.title.Text == "Alice" })
}

func TestSwitchProfile(t *testing.T) {
	b := newBench(t, theme.Light, "Alice", "Work")
	b.settle()
	if b.profile.Name() != "Alice" {
		t.Fatalf("%s is shown first", b.profile.Name())
	}
	b.press(fyne.Key2, fyne.KeyModifierShortcutDefault)
	b.settle()
	if b.profile.Name() != "Work" || b.main.title.Text != "Work" || b.win.Title() != "Work – Sotto" {
		t.Errorf("%s is shown as %q in %q", b.profile.Name(), b.main.title.Text, b.win.Title())
	}
	if b.core.Current() != b.profile {
		t.Error("the choice is not remembered")
	}
	b.press(fyne.Key9, fyne.KeyModifierShortcutDefault)
	if b.profile.Name() != "Work" {
		t.Error("a profile that does not exist was chosen")
	}
}

func TestKeys(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.fill()
	b.press(fyne.KeyDown, fyne.KeyModifierAlt)
	if b.main.openID() != 1 {
		t.Error("Alt+Down opens nothing")
	}
	b.press(fyne.KeyDown, fyne.KeyModifierAlt)
	if b.main.openID() != 2 {
		t.Error("Alt+Down does not go on")
	}
	b.press(fyne.KeyUp, fyne.KeyModifierAlt)
	if b.main.openID() != 1 {
		t.Error("Alt+Up does not go back")
	}
	b.press(fyne.KeyI, fyne.KeyModifierShortcutDefault)
	if !b.main.frame.panelOpen {
		t.Error("Ctrl+I does not open the panel")
	}
	b.escape()
	if b.main.frame.panelOpen || b.main.openID() != 1 {
		t.Error("Escape does not close the panel alone")
	}
	b.press(fyne.KeyK, fyne.KeyModifierShortcutDefault)
	if b.win.Canvas().Focused() != fyne.Focusable(b.main.search.Entry) {
		t.Error("Ctrl+K does not lead to the search field")
	}
	b.main.search.Entry.SetText("em")
	if len(b.main.rows) != 1 || b.main.rows[0].contact.Name != "Emil" {
		t.Errorf("the search finds %d", len(b.main.rows))
	}
	b.main.search.Entry.SetText("")
	b.press(fyne.KeyComma, fyne.KeyModifierShortcutDefault)
	if _, ok := b.main.content.(*plainPage); !ok {
		t.Error("Ctrl+, does not open the settings")
	}
	b.press(fyne.KeySlash, fyne.KeyModifierShortcutDefault)
	if b.win.Canvas().Overlays().Top() == nil {
		t.Error("Ctrl+/ does not open the cheat sheet")
	}
}

func TestNarrowWindow(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.fill()
	b.resize(smallestWidth, smallestHeight)
	list, content := b.main.frame.list, b.main.frame.content
	if !list.Visible() || content.Visible() {
		t.Error("the list is not in front")
	}
	c := b.open(1)
	if list.Visible() || !content.Visible() || !c.head.back.Visible() {
		t.Error("the conversation is not in front with a way back")
	}
	b.main.back()
	if !list.Visible() || content.Visible() {
		t.Error("there is no way back")
	}
	b.resize(firstWidth, firstHeight)
	if !list.Visible() || !content.Visible() {
		t.Error("a wide window does not show both")
	}
}

func TestWindowSizeIsRemembered(t *testing.T) {
	dir := t.TempDir()
	b := openBench(t, dir, theme.Light, nil, "Alice")
	b.resize(900, 640)
	b.Window.Close()
	if look := b.core.Appearance(); look.Width != 900 || look.Height != 640 || look.Theme != "light" {
		t.Errorf("kept: %+v", look)
	}
}

func TestAppearance(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.setMode(theme.Dark)
	if b.core.Appearance().Theme != "dark" {
		t.Error("the choice is not kept")
	}
}

func TestPassphrase(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	set := func(old, new string) error {
		var result error
		done := false
		apart(b.Window, only(func(ctx context.Context) error { return b.profile.SetPassphrase(ctx, old, new) }), func(_ nothing, err error) {
			result, done = err, true
		})
		b.wait("the passphrase", func() bool { return done })
		return result
	}
	b.showSettings()
	if err := set("", "open sesame"); err != nil {
		t.Fatal(err)
	}
	b.main.content.changed(nil)
	if err := set("wrong", ""); sentence(err) != sentence(core.ErrWrongPassphrase) {
		t.Errorf("a wrong passphrase gives %v", err)
	}
	if err := set("open sesame", ""); err != nil {
		t.Fatal(err)
	}
}

func TestListTime(t *testing.T) {
	for at, want := range map[time.Time]string{
		noon.Add(-time.Hour):      "11:04",
		noon.Add(-24 * time.Hour): "Wed",
		noon.AddDate(0, 0, -6):    "Fri",
		noon.AddDate(0, 0, -7):    "5 Mar",
		noon.AddDate(-1, 0, 0):    "2025-03-12",
		noon.Add(2 * time.Hour):   "14:04",
	} {
		if got := listTime(at, noon); got != want {
			t.Errorf("%v is shown as %q, not %q", at, got, want)
		}
	}
	for at, want := range map[time.Time]string{
		noon: "Today", noon.AddDate(0, 0, -1): "Yesterday", noon.AddDate(0, 0, -2): "Tue, 10 Mar", noon.AddDate(-1, 0, 0): "12 Mar 2025",
	} {
		if got := dayName(at, noon); got != want {
			t.Errorf("%v is the day %q, not %q", at, got, want)
		}
	}
}

func TestStyled(t *testing.T) {
	s := styled("see *this* https://example.org/a?b=c and #hunter2#")
	if want := "see this https://example.org/a?b=c and hunter2"; s.text != want {
		t.Errorf("%q is shown", s.text)
	}
	var parts []string
	for _, span := range s.spans {
		parts = append(parts, s.text[span.Start:span.End])
	}
	if got := strings.Join(parts, "|"); got != "this|https://example.org/a?b=c|hunter2" || !s.spans[0].Bold || s.spans[1].Link == "" || !s.spans[2].Secret {
		t.Errorf("the parts are %q", got)
	}
	if got := s.found([][2]int{{5, 9}, {0, 6}}); len(got) != 3 || s.text[got[0][0]:got[0][1]] != "this" || s.text[got[2][0]:got[2][1]] != "t" {
		t.Errorf("found is %v", got)
	}
	if got := plainText("the key is #hunter2#"); got != "the key is •••" {
		t.Errorf("a list shows %q", got)
	}
	if s = styled(exampleLink); s.text != "Link for connecting" || len(s.spans) != 1 || s.spans[0].Link == "" {
		t.Errorf("a long link is shown as %q", s.text)
	}
}

var exampleRelay = wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example.org"}}

// TestSentences sees to it that errors that people meet are not shown as the program says them to itself.
func TestSentences(t *testing.T) {
	for _, err := range []error{core.ErrNotLink, core.ErrDamagedLink, core.ErrNewerLink, core.ErrOlderLink, core.ErrOwnLink, core.ErrNoContact, core.ErrNotConnected,
		core.ErrName, core.ErrWrongPassphrase, core.ErrLocked, core.ErrInUse, core.ErrNoRelays, core.ErrRelayAddress, core.ErrRelayPort,
		core.ErrNoRequest, core.ErrNoAddress, core.ErrAddressExists, core.ErrNoPassphrase, core.ErrNoProfile, core.ErrRelayPassword, core.ErrNetwork,
		core.ErrNewerDatabase, qr.ErrNoCode, qr.ErrPicture, qr.ErrTooLarge, context.DeadlineExceeded, &core.DialError{}, &core.HeldError{Relay: exampleRelay},
		&core.RelayError{Relay: exampleRelay, Err: smp.ErrVersion}, smp.ErrProtocol, smp.ErrClosed, smp.ErrAuth, smp.ErrInternal, smp.ErrQuota,
		&smp.Error{Kind: smp.KindProxy}, transport.ErrHost, &core.DialError{Kind: transport.KindProxy}, &core.LinkKindError{},
		&core.MessageTooLongError{Size: 3, Limit: 2}, core.ErrEmptyMessage, core.ErrTooOld, core.ErrNotEditable, core.ErrNotForwardable, core.ErrTooManyReactions,
		core.ErrEmoji, core.ErrNotAllowed, core.ErrPreference, core.ErrFileTooLarge, core.ErrDiskFull, core.ErrNotHere, core.ErrNotRegular, core.ErrFileState} {
		if s := sentence(err); s == "" || strings.HasPrefix(s, "This did not work") || !strings.HasSuffix(s, ".") {
			t.Errorf("%v becomes %q", err, s)
		}
	}
}

// TestNoTextOutsideTranslations finds texts that are shown without going through the translations.
func TestNoTextOutsideTranslations(t *testing.T) {
	shown := map[string]bool{"NewLabel": true, "NewHint": true, "NewTitle": true, "NewHeading": true, "NewButton": true, "NewNote": true,
		"NewEntry": true, "NewPasswordEntry": true, "NewRow": true, "NewFact": true, "NewPill": true, "NewDialog": true, "newDialog": true, "NewMenuItem": true}
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.BasicLit); ok && shown[name] && lit.Kind == token.STRING && len(lit.Value) > 2 {
					t.Errorf("%s: %s is not translated", files.Position(lit.Pos()), lit.Value)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
