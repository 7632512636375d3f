package ui

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/desktop"
	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// button returns the button with a text that is in front.
func (b *bench) button(text string) *widget.Button {
	b.Helper()
	front := b.win.Canvas().Content()
	if o := b.win.Canvas().Overlays().Top(); o != nil {
		front = o
	}
	for _, o := range test.LaidOutObjects(front) {
		if button, ok := o.(*widget.Button); ok && button.Text() == text && button.Visible() {
			return button
		}
	}
	b.Fatalf("there is no button %q", text)
	return nil
}

// tap taps the button with a text that is in front.
func (b *bench) tap(text string) {
	b.Helper()
	b.button(text).Tapped(&fyne.PointEvent{})
}

// choose chooses an entry of the menu of a contact.
func (b *bench) choose(contact int64, name string) {
	b.Helper()
	for _, item := range b.contactMenu(b.contact(contact)) {
		if item.Text == name {
			item.Do()
			return
		}
	}
	b.Fatalf("the menu has no %q", name)
}

func TestIncognitoInvitation(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.newConversation("")
	b.wait("the invitation", func() bool { return b.adder.invitation != nil && len(b.contacts) == 1 })
	first := b.adder.invitation.Contact.ID
	b.adder.setIncognito(true)
	b.wait("another invitation instead", func() bool {
		return b.adder.invitation != nil && b.adder.invitation.Contact.ID != first && len(b.contacts) == 1 && b.contacts[0].ID != first
	})
	name := b.adder.invitation.Contact.IncognitoName
	if name == "" {
		t.Fatal("the invitation has no name of its own")
	}
	bob := newBench(t, theme.Light, "Bob")
	bob.newConversation(b.adder.invitation.Link)
	bob.wait("the plan", func() bool { return bob.adder.next != nil })
	bob.adder.next()
	both(b, bob, "Bob is connected with the random name", func() bool {
		return len(bob.contacts) == 1 && bob.contacts[0].State == chat.ContactConnected && bob.contacts[0].Name == name
	})
	if got := b.contactPills(&b.contacts[0]); len(got) != 1 || got[0] != "incognito" {
		t.Errorf("the head says %q", got)
	}
}

// toasted tells whether a text is told for a moment.
func (b *bench) toasted(text string) bool {
	for _, o := range laidOut(b.win.Content()) {
		if t, ok := o.(*canvas.Text); ok && strings.HasPrefix(t.Text, text) {
			return true
		}
	}
	return false
}

// TestInvitationsStayIfTheyWereSeen keeps codes that somebody may have photographed, and no others.
func TestInvitationsStayIfTheyWereSeen(t *testing.T) {
	alice := newBench(t, theme.Light, "Alice")
	now := noon
	alice.opt.Now = func() time.Time { return now }
	const deleted = "Your code was not used"
	alice.newConversation("")
	alice.adder.tabs.Select(tabPaste)
	alice.wait("an invitation that is not shown", func() bool { return alice.adder.invitation != nil && len(alice.contacts) == 1 })
	alice.adder.dialog.Close()
	alice.wait("it is gone", func() bool { return len(alice.contacts) == 0 })
	if alice.toasted(deleted) {
		t.Error("it tells of a code that was not seen")
	}

	// Whoever pastes links makes none.
	alice.newConversation("")
	if alice.adder.tabs.Selected() != tabPaste || alice.adder.cancel != nil || alice.win.Canvas().Focused() != alice.adder.entry {
		t.Error("a link can't be pasted at once")
	}
	alice.adder.tabs.Select(tabCode)
	alice.wait("the invitation", func() bool { return alice.adder.invitation != nil && len(alice.contacts) == 1 })
	now = now.Add(enoughToScan - time.Second)
	alice.adder.tabs.Select(tabPaste)
	now = now.Add(time.Minute)
	alice.adder.dialog.Close()
	if !alice.toasted(deleted) {
		t.Error("it does not tell that the code is deleted")
	}
	alice.wait("it is gone", func() bool { return len(alice.contacts) == 0 })

	alice.newConversation("")
	alice.adder.tabs.Select(tabCode)
	alice.wait("another one", func() bool { return alice.adder.invitation != nil && len(alice.contacts) == 1 })
	shown := alice.adder.invitation.Contact.ID
	now = now.Add(enoughToScan)

	// It stays when the dialog is used for another link, too.
	bob := newBench(t, theme.Light, "Bob")
	bob.newConversation("")
	bob.wait("the invitation", func() bool { return bob.adder.invitation != nil })
	alice.adder.tabs.Select(tabPaste)
	alice.adder.entry.SetText(bob.adder.invitation.Link)
	alice.wait("the plan", func() bool { return alice.adder.next != nil })
	alice.adder.next()
	both(alice, bob, "they are connected", func() bool {
		return len(bob.contacts) == 1 && bob.contacts[0].State == chat.ContactConnected && bob.adder == nil && len(alice.contacts) == 2
	})
	alice.settle()
	if c := alice.contact(shown); c == nil || c.State != chat.ContactInvited {
		t.Error("what was shown is gone")
	}
	alice.newConversation("simplex:/")
	alice.adder.dialog.Close()
	alice.newConversation("")
	alice.adder.tabs.Select(tabCode)
	alice.adder.dialog.Close()
	alice.newConversation("")
	if alice.adder.tabs.Selected() != tabCode {
		t.Error("it does not open as it was used last")
	}
}

func TestConnectIncognito(t *testing.T) {
	alice := newBench(t, theme.Light, "Alice")
	alice.newConversation("")
	alice.wait("the invitation", func() bool { return alice.adder.invitation != nil })
	bob := newBench(t, theme.Light, "Bob")
	bob.newConversation(alice.adder.invitation.Link)
	bob.wait("the plan", func() bool { return bob.adder.next != nil })
	bob.adder.switched.Tapped(&fyne.PointEvent{})
	bob.adder.next()
	both(alice, bob, "Alice sees a random name", func() bool {
		return len(alice.contacts) == 1 && alice.contacts[0].State == chat.ContactConnected && len(bob.contacts) == 1 &&
			bob.contacts[0].IncognitoName != "" && alice.contacts[0].Name == bob.contacts[0].IncognitoName
	})
}

func TestAddress(t *testing.T) {
	bob := newBench(t, theme.Light, "Bob")
	alice := newBench(t, theme.Light, "Alice")
	alice.newConversation("")
	alice.wait("the invitation", func() bool { return alice.adder.invitation != nil && len(alice.contacts) == 1 })
	alice.adder.useAddress()
	alice.wait("the invitation is gone: nobody has it", func() bool { return len(alice.contacts) == 0 })
	alice.tap("Make an address")
	alice.wait("the address", func() bool { return alice.address != nil && alice.adder.address.cancel == nil })
	link := alice.address.Link
	alice.tap("Copy link")
	if got := alice.app.Clipboard().Content(); got != link {
		t.Errorf("%q was copied", got)
	}
	alice.adder.dialog.Close()

	// Somebody opens it, and is rejected; then again, and is accepted.
	ask := func() {
		bob.newConversation(link)
		bob.wait("the plan", func() bool { return bob.adder.next != nil })
		bob.adder.next()
		both(alice, bob, "the request", func() bool { return len(alice.requests) == 1 && bob.adder == nil })
	}
	test.AssertNotificationSent(t, fyne.NewNotification("Bob", "wants to connect with you"), func() {
		ask()
		alice.settle()
	})
	if v := alice.main.row(0); v.Name != "Bob" || v.Unread != 1 {
		t.Errorf("the first row shows %+v", v)
	}
	alice.main.openRowAt(0)
	alice.tap("Reject")
	alice.wait("the request is gone", func() bool { return len(alice.requests) == 0 })
	if _, ok := alice.main.content.(*requestPage); ok {
		t.Error("its page is still shown")
	}
	bobs := bob.contacts[0].ID
	bob.choose(bobs, "Cancel connecting…")
	bob.tap("Cancel connecting")
	bob.wait("the contact is gone", func() bool { return len(bob.contacts) == 0 })

	// Who was shown the name can't be met under another one.
	ask()
	alice.main.openRowAt(0)
	page := alice.main.content.(*requestPage)
	if len(page.buttons) != 2 {
		t.Errorf("there are %d ways to answer", len(page.buttons))
	}
	if err := alice.profile.SetAddressSettings(t.Context(), core.AddressSettings{Incognito: true}); err != nil {
		t.Fatal(err)
	}
	alice.wait("the address to be incognito", func() bool { return len(page.buttons) == 3 })
	alice.tap("Accept incognito")
	both(alice, bob, "both are connected", func() bool {
		return len(alice.contacts) == 1 && alice.contacts[0].State == chat.ContactConnected && len(bob.contacts) == 1 && bob.contacts[0].State == chat.ContactConnected
	})
	if alice.contacts[0].IncognitoName == "" || bob.contacts[0].Name != alice.contacts[0].IncognitoName {
		t.Errorf("Bob sees %q", bob.contacts[0].Name)
	}
	if alice.main.openID() != alice.contacts[0].ID {
		t.Error("the conversation is not open")
	}

	// Settings, another address in place of this one, and none.
	alice.showAddress()
	alice.wait("the settings are kept", func() bool {
		for _, o := range test.LaidOutObjects(alice.win.Canvas().Content()) {
			if toggle, ok := o.(*widget.Toggle); ok && !toggle.On() {
				toggle.Tapped(&fyne.PointEvent{})
				break
			}
		}
		alice.settle()
		return alice.address.Settings.AutoAccept
	})
	alice.tap("Replace…")
	alice.tap("Replace")
	alice.wait("another address", func() bool {
		return alice.address != nil && alice.address.Link != link && alice.address.Settings.AutoAccept
	})
	alice.wait("the page shows it", func() bool { _, err := alice.profile.Address(t.Context()); return err == nil })
	alice.settle()
	alice.tap("Delete…")
	alice.tap("Delete address")
	alice.wait("it is deleted", func() bool { return alice.address == nil })
	if len(alice.contacts) != 1 {
		t.Error("the contact is gone as well")
	}
}

func TestAddressNeedsRelay(t *testing.T) {
	// Nothing listens at this address.
	b := openBench(t, t.TempDir(), theme.Light, []string{"smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@127.0.0.1:1"}, "Alice")
	b.settle()
	b.showAddress()
	b.tap("Make an address")
	b.tap("Cancel")
	b.wait("it is offered again", func() bool {
		for _, o := range test.LaidOutObjects(b.win.Canvas().Content()) {
			if button, ok := o.(*widget.Button); ok && button.Text() == "Make an address" {
				return true
			}
		}
		return false
	})
}

func TestSecurityCode(t *testing.T) {
	alice, bob := friends(t)
	id := alice.contacts[0].ID
	alice.showVerify(id)
	p := alice.main.content.(*verifyPage)
	alice.wait("the code", func() bool { return p.code != "" })
	p.compare("12345 12345")
	alice.wait("they differ", func() bool { return strings.HasPrefix(p.told, "The codes differ") })
	if !alice.contact(id).Verified.IsZero() {
		t.Fatal("verified with a wrong code")
	}
	code, err := bob.profile.Code(t.Context(), bob.contacts[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	p.entry.SetText(strings.ReplaceAll(code, " ", "\n"))
	p.compare(p.entry.Text)
	alice.wait("it is verified", func() bool { return !alice.contact(id).Verified.IsZero() })
	if got := alice.contactPills(alice.contact(id)); len(got) != 1 || got[0] != "verified" {
		t.Errorf("the head says %q", got)
	}

	// A new code is told, and one's own change of mind is not.
	alice.openContact(id)
	alice.resync(id)
	both(alice, bob, "the code has changed", func() bool { return alice.contact(id).Verified.IsZero() && alice.codeChanged[alice.key(id)] })
	both(alice, bob, "the encryption is in order again", func() bool {
		c := alice.conversation()
		return len(c.items) > 0 && c.items[len(c.items)-1].Kind == chat.KindSynced
	})
	c := alice.conversation()
	if c.note.Hidden {
		t.Error("nothing tells that the code has changed")
	}
	alice.showVerify(id)
	p = alice.main.content.(*verifyPage)
	alice.wait("the code", func() bool { return p.code != "" })
	if p.code == code {
		t.Error("the code is the same")
	}
	alice.tap("They are the same")
	alice.wait("it is verified again", func() bool { return !alice.contact(id).Verified.IsZero() && !alice.codeChanged[alice.key(id)] })
	p.unverify()
	alice.wait("it is not verified any more", func() bool { return alice.contact(id).Verified.IsZero() })
	alice.settle()
	if alice.codeChanged[alice.key(id)] {
		t.Error("it is told that the code has changed")
	}
	alice.escape()
	if alice.main.openID() != id {
		t.Error("Escape does not lead back to the conversation")
	}
}

func TestMove(t *testing.T) {
	alice, bob := friends(t)
	id := alice.contacts[0].ID
	c := alice.conversation()
	alice.askMove(id)
	alice.tap("Move")
	if alice.moving[alice.key(id)] == nil || c.note.Hidden {
		t.Error("nothing tells that it moves")
	}
	both(alice, bob, "it has moved", func() bool {
		return alice.moving[alice.key(id)] == nil && len(c.items) > 0 && c.items[len(c.items)-1].Kind == chat.KindMoved
	})
	if !c.note.Hidden {
		t.Error("it is still told that it moves")
	}
}

func TestReceipts(t *testing.T) {
	alice, _ := friends(t)
	id := alice.contacts[0].ID
	c := alice.conversation()
	if !alice.contact(id).Receipts {
		t.Fatal("there are no receipts at first")
	}
	c.setReceipts(widget.NewToggle(false, nil), false)
	alice.wait("no receipts", func() bool { return !alice.contact(id).Receipts })
}

func TestListOrder(t *testing.T) {
	alice, bob := friends(t)
	id := alice.contacts[0].ID
	alice.newConversation("")
	alice.wait("an invitation", func() bool { return alice.adder.invitation != nil && len(alice.contacts) == 2 })
	alice.tap("Copy link")
	alice.adder.dialog.Close()
	if alice.main.rows[0].contact.ID == id {
		t.Fatal("the invitation is not first")
	}
	alice.choose(id, "Pin to the top")
	alice.wait("it is pinned", func() bool { return alice.main.rows[0].contact.ID == id && alice.main.row(0).Pinned })
	alice.choose(id, "Unpin")
	alice.wait("it is not pinned", func() bool { return alice.main.rows[0].contact.ID != id })
	alice.choose(id, "Put into the archive")
	alice.wait("it is in the archive", func() bool { return len(alice.main.rows) == 1 && alice.main.archive.Visible() })
	alice.main.search.Entry.SetText("bo")
	if len(alice.main.rows) != 1 || alice.main.rows[0].contact.ID != id {
		t.Error("the search does not find what is in the archive")
	}
	alice.main.search.Entry.SetText("")
	alice.main.archive.Objects[0].(*widget.Row).Tapped(&fyne.PointEvent{})
	if len(alice.main.rows) != 1 || alice.main.rows[0].contact.ID != id {
		t.Error("the archive does not show it")
	}
	alice.choose(id, "Take out of the archive")
	alice.wait("it is out of the archive", func() bool { return len(alice.main.rows) == 0 })
	alice.main.archive.Objects[0].(*widget.Row).Tapped(&fyne.PointEvent{})
	if len(alice.main.rows) != 2 || alice.main.archive.Visible() {
		t.Error("the list does not show all")
	}

	// Muted, nothing is told.
	alice.choose(id, "Mute")
	alice.wait("it is muted", func() bool { return alice.contact(id).Muted })
	alice.setInFront(false)
	test.AssertNotificationSent(t, nil, func() {
		bob.conversation().send("hello")
		both(alice, bob, "the message", func() bool { return alice.contact(id).Unread == 1 })
		alice.settle()
	})
	alice.choose(id, "Delete all messages…")
	alice.tap("Delete messages")
	alice.wait("the messages are gone", func() bool { return alice.contact(id).Last == nil })
	alice.openContact(id)
	alice.choose(id, "Block…")
	alice.tap("Block")
	alice.wait("it is blocked", func() bool { return alice.contact(id).Blocked })
	if alice.conversation().note.Hidden {
		t.Error("nothing tells that the contact is blocked")
	}
	alice.choose(id, "Unblock")
	alice.wait("it is not blocked", func() bool { return !alice.contact(id).Blocked })
}

func TestNotifications(t *testing.T) {
	bob, alice := friends(t)
	id := alice.contacts[0].ID
	bob.main.back()
	item := core.Item{Contact: id, Kind: chat.KindText, Text: "See you\nat 8"}
	alice.setInFront(false)
	notify := func(want *fyne.Notification) {
		t.Helper()
		test.AssertNotificationSent(t, want, func() {
			clear(alice.notified)
			alice.notify(alice.profile.ID(), item)
			alice.settle()
		})
	}
	notify(fyne.NewNotification("Alice", "New message"))
	alice.changeLook(func(a *core.Appearance) { a.Notify, a.Silent = string(notifyText), true })
	notify(fyne.NewNotification("Alice", "See you at 8"))
	alice.changeLook(func(a *core.Appearance) { a.Notify = string(notifyNone) })
	notify(nil)
	alice.changeLook(func(a *core.Appearance) { a.Notify = "" })
	if err := alice.profile.SetQuiet(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	notify(nil)
}

// fakeNotifier keeps what it is told.
type fakeNotifier struct {
	shown   []desktop.Notification
	removed []string
}

func (n *fakeNotifier) Show(_ context.Context, m desktop.Notification) error {
	n.shown = append(n.shown, m)
	return nil
}

func (n *fakeNotifier) Remove(_ context.Context, group string) error {
	n.removed = append(n.removed, group)
	return nil
}

func (n *fakeNotifier) RemoveAll(context.Context) error { return n.Remove(context.Background(), "all") }
func (n *fakeNotifier) Close() error                    { return nil }

func TestNotificationIsClicked(t *testing.T) {
	bob, alice := friends(t)
	id := alice.contacts[0].ID
	alice.main.back()
	n := &fakeNotifier{}
	alice.notifier = n
	alice.setInFront(false)
	bob.conversation().send("hello")
	both(alice, bob, "it is told", func() bool { alice.settle(); return len(n.shown) == 1 })
	if m := n.shown[0]; !m.Sound || m.Title != "Alice" || strings.Contains(m.ID+m.Group, "Alice") {
		t.Errorf("shown: %+v", m)
	}
	alice.notificationOpened(n.shown[0].ID)
	alice.settle()
	if alice.main.openID() != id {
		t.Error("a click does not open the conversation")
	}
	alice.setInFront(true)
	both(alice, bob, "it is taken away when it was read", func() bool { alice.settle(); return len(n.removed) > 0 && n.removed[0] == n.shown[0].Group })
	alice.notificationOpened("nonsense")
}

func TestDesktopChanges(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.desktopChanged(desktop.NetworkChanged)
	b.desktopChanged(desktop.Locked)
	b.settle()
	if b.locked {
		t.Error("it is locked without a passphrase")
	}
	if err := b.core.SetLock(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	b.desktopChanged(desktop.Sleeping)
	b.wait("the lock", func() bool { return b.locked })
	b.linkOpened(exampleLink)
	if err := b.core.Unlock(t.Context(), "open sesame"); err != nil {
		t.Fatal(err)
	}
	b.wait("the link that came meanwhile", func() bool { return b.adder != nil && len(b.adder.plan.Objects) > 0 })
}

func TestRouting(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.showNetwork()
	done := false
	chooseOption(b.Window, "", "", routings(), core.RouteUnknown, func(ctx context.Context, r core.Routing) error {
		n := b.profile.Network()
		n.Routing = r
		return b.profile.SetNetwork(ctx, n)
	}, func() { done = true })
	for _, o := range test.LaidOutObjects(b.win.Canvas().Overlays().Top()) {
		if card, ok := o.(*choiceCard); ok && card.title.Text == "Never" {
			card.Tapped(&fyne.PointEvent{})
		}
	}
	b.tap("Save")
	b.wait("it is kept", func() bool { return done })
	if got := b.profile.Network().Routing; got != core.RouteNever {
		t.Errorf("routing is %q", got)
	}
	for _, r := range b.conversationRelays(&core.Contact{}) {
		if !r.own && r.reach != reachDirect {
			t.Error("the panel says that the address is hidden")
		}
	}
}

func TestRelayList(t *testing.T) {
	host := newBench(t, theme.Light, "Host") // for its relay
	server, password, ok := host.core.LocalRelay()
	if !ok {
		t.Fatal("there is no relay")
	}
	address := server.Text(password)
	b := newBench(t, theme.Light, "Alice")
	away := "smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@127.0.0.1:1"
	if err := b.profile.SetRelays(t.Context(), core.RelayChoice{Kind: core.RelaysOwn, Addresses: []string{away}}); err != nil {
		t.Fatal(err)
	}
	b.settle()
	b.showNetwork()
	l := b.networkList()
	l.entry.SetText("smp://nonsense")
	l.add()
	b.wait("the complaint", func() bool { return !l.problem.Hidden })
	l.entry.SetText(address)
	l.add()
	b.wait("it is added and works", func() bool { r := l.tests[address]; return r != nil && r.cancel == nil && r.err == nil })
	l.test(away)
	b.wait("the other one does not", func() bool { r := l.tests[away]; return r.cancel == nil && r.err != nil })
	if r := b.profile.Relays(); r.Addresses[0] != away {
		t.Fatal("the new relay is preferred at once")
	}
	l.prefer(address)
	b.wait("it is preferred", func() bool { return b.profile.Relays().Addresses[0] == address })
	l.remove(away)
	b.wait("it is removed", func() bool { return len(b.profile.Relays().Addresses) == 1 })
	l.test(address)
	b.tap("Cancel")
	b.wait("the test is given up, or was quick", func() bool { r := l.tests[address]; return r == nil || r.cancel == nil })
}

func TestRenameProfile(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.showSettings()
	b.tap("Name…")
	entry := b.win.Canvas().Focused().(*widget.Entry)
	entry.SetText("")
	b.tap("Save")
	b.settle()
	if b.win.Canvas().Overlays().Top() == nil {
		t.Fatal("an empty name was taken")
	}
	entry.SetText("Alicia")
	b.tap("Save")
	b.wait("the name", func() bool { return b.profile.Name() == "Alicia" && b.win.Title() == "Alicia – Sotto" })
}

func TestDeleteProfile(t *testing.T) {
	b := newBench(t, theme.Light, "Alice", "Work")
	b.settle()
	remove := func(name, next string) {
		t.Helper()
		b.showProfileSettings()
		b.tap("Delete…")
		button := b.button("Delete profile")
		entry := b.win.Canvas().Focused().(*widget.Entry)
		entry.SetText("another")
		button.Tapped(&fyne.PointEvent{})
		if !button.Disabled() {
			t.Fatal("the name was not asked for")
		}
		entry.SetText(name)
		b.tap("Delete profile")
		b.wait("it is gone", func() bool {
			return b.win.Canvas().Overlays().Top() == nil && (next == "" && b.starting != nil || b.profile != nil && b.profile.Name() == next)
		})
	}
	remove("Alice", "Work")
	if len(b.core.Profiles()) != 1 || b.main.title.Text != "Work" {
		t.Errorf("%d profiles are left", len(b.core.Profiles()))
	}
	remove("Work", "")
	if b.main != nil || b.profile != nil {
		t.Error("something of the last profile is left")
	}
	b.settle()
}

func TestLockProfile(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.press(fyne.KeyL, fyne.KeyModifierShortcutDefault)
	if b.profile == nil {
		t.Fatal("it was locked without a passphrase")
	}
	if err := b.profile.SetPassphrase(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	id := b.profile.ID()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	opened, err := b.copies.make() // for a file that another program was given
	if err != nil {
		t.Fatal(err)
	}
	b.copyText("a link")
	b.recent, b.place = []string{"🚀"}, t.TempDir()
	b.press(fyne.KeyL, fyne.KeyModifierShortcutDefault)
	b.wait("it is locked", func() bool { return b.profile == nil })
	b.wait("nothing of it is left outside", func() bool {
		_, err := os.Stat(opened)
		return errors.Is(err, fs.ErrNotExist) && b.app.Clipboard().Content() == ""
	})
	if b.recent != nil || b.place != "" {
		t.Error("it is known what was used")
	}
	b.unlock(id, "open sesame", func(error) {})
	b.wait("it is open", func() bool { return b.profile != nil })
}

func TestStorage(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.showStorage()
	b.settle()
	b.tap("Compact")
	b.wait("it is done", func() bool {
		for _, o := range test.LaidOutObjects(b.win.Canvas().Content()) {
			if button, ok := o.(*widget.Button); ok && button.Text() == "Compact" {
				return true
			}
		}
		return false
	})
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1234: "1.2 kB", 123456: "123 kB", 5_600_000_000: "5.6 GB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d is shown as %q", n, got)
		}
	}
}

func TestLookIsRemembered(t *testing.T) {
	dir := t.TempDir()
	b := openBench(t, dir, theme.Light, nil, "Alice")
	b.settle()
	var scale float32
	b.opt.Scale = func(f float32) { scale = f }
	b.setAccent("rose")
	b.setScale(1.2)
	b.main.frame.edge.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(40, 0)})
	b.main.frame.edge.DragEnd()
	if look := b.core.Appearance(); look.Accent != "rose" || look.Scale != 1.2 || look.List != listWidth+40 {
		t.Errorf("kept: %+v", look)
	}
	if scale != 1.2 || b.main.frame.list.Size().Width != listWidth+40 {
		t.Errorf("scale %v, list %v wide", scale, b.main.frame.list.Size().Width)
	}
	b.main.frame.edge.Dragged(&fyne.DragEvent{Dragged: fyne.NewDelta(5000, 0)})
	if got := b.main.frame.list.Size().Width; got > listMost {
		t.Errorf("the list is %v wide", got)
	}
}

func TestPanelStaysOpen(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.fill()
	b.open(1).togglePanel()
	b.openContact(2)
	if !b.main.frame.panelOpen {
		t.Error("the panel was closed with the conversation")
	}
	b.escape()
	b.openContact(1)
	if b.main.frame.panelOpen {
		t.Error("the panel opens by itself")
	}
}

func TestEscapeLeadsBackToSettings(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	for _, show := range []func(){b.showAppearance, b.showNotifications, b.showPrivacy, b.showStorage, b.showProfileSettings, b.showAbout, b.showAddress} {
		b.showSettings()
		settings := b.main.content.(*plainPage).head.title.Text
		show()
		if got := b.main.content.(*plainPage); got.head.title.Text == settings || !got.head.back.Visible() {
			t.Error("there is no way back to the settings in sight")
		}
		b.escape()
		if got := b.main.content.(*plainPage).head.title.Text; got != settings {
			t.Errorf("Escape leads to %q", got)
		}
	}
}

func TestProfilePicture(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	img := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for y := range 480 {
		for x := range 640 {
			img.Set(x, y, color.RGBA{uint8(x * y), uint8(x ^ y), uint8(x + 3*y), 255}) // hard to compress
		}
	}
	name := filepath.Join(t.TempDir(), "me.png")
	keep(t, name, img)
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := readPicture(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := profilePicture(decoded, middle(decoded.Bounds()))
	if err != nil || len(sent) > core.MaxPicture {
		t.Fatalf("%d bytes, %v", len(sent), err)
	}
	if err := b.profile.SetPicture(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	b.reload()
	b.wait("the picture", func() bool { return b.ownAvatar().Picture != nil })
	if got := b.ownAvatar().Picture.Bounds().Size(); got.X != got.Y || got.X > thumbSide {
		t.Errorf("the picture is shown in %v", got)
	}
	if b.thumbs.get([]byte("no picture")) != nil {
		t.Error("what is no picture was decoded")
	}
	b.showSettings()
	b.tap("Picture…")
	b.tap("Remove")
	b.tap("Save")
	b.wait("it is removed", func() bool { return b.win.Canvas().Overlays().Top() == nil && b.ownAvatar().Picture == nil })
}

func TestListDate(t *testing.T) {
	for at, want := range map[time.Time]string{noon.Add(-time.Hour): "today at 11:04", noon.Add(-24 * time.Hour): "yesterday at 12:04",
		noon.AddDate(0, 0, -7): "on 5 Mar", noon.AddDate(-1, 0, 0): "on 12 Mar 2025"} {
		if got := listDate(at, noon); got != want {
			t.Errorf("%v is %q", at, got)
		}
	}
}

func TestLockProgram(t *testing.T) {
	b := newBench(t, theme.Light, "Alice", "Work")
	b.settle()
	if err := b.core.SetLock(t.Context(), "", "open sesame"); err != nil {
		t.Fatal(err)
	}
	if err := b.core.SetIdle(time.Minute); err != nil {
		t.Fatal(err)
	}
	b.checkIdle(59 * time.Second)
	b.settle()
	if b.locked {
		t.Fatal("it was locked too early")
	}
	b.newConversation("")
	b.checkIdle(time.Minute)
	b.wait("the lock", func() bool { return b.locked })
	if b.main != nil || b.profile != nil || b.contacts != nil || b.adder != nil || b.win.Canvas().Overlays().Top() != nil || b.win.Title() != "Sotto" {
		t.Error("something of what was shown is left")
	}
	entry := b.win.Canvas().Focused().(*widget.Entry)
	entry.SetText("close sesame")
	button := b.button("Unlock")
	button.Tapped(&fyne.PointEvent{})
	b.wait("it is refused", func() bool { return !button.Disabled() })
	if !b.locked {
		t.Fatal("any passphrase unlocks it")
	}
	entry.SetText("open sesame")
	b.tap("Unlock")
	b.wait("the profile", func() bool { return b.profile != nil && b.profile.Name() == "Alice" })

	// The passphrase that deletes everything leads to the first start.
	if err := b.core.SetWipe(t.Context(), "fire"); err != nil {
		t.Fatal(err)
	}
	b.press(fyne.KeyL, fyne.KeyModifierShortcutDefault)
	b.wait("the lock", func() bool { return b.locked })
	b.win.Canvas().Focused().(*widget.Entry).SetText("fire")
	b.tap("Unlock")
	b.wait("the first start", func() bool { return b.starting != nil })
}

func TestHiddenProfile(t *testing.T) {
	b := newBench(t, theme.Light, "Alice", "Secret")
	b.settle()
	b.press(fyne.Key2, fyne.KeyModifierShortcutDefault)
	b.settle()
	b.showPrivacy()
	b.tap("Hide…")
	first := b.win.Canvas().Focused().(*widget.Entry)
	first.SetText("attic")
	b.tap("Hide")
	if b.win.Canvas().Overlays().Top() == nil {
		t.Fatal("the passphrase was not asked for twice")
	}
	for _, o := range test.LaidOutObjects(b.win.Canvas().Overlays().Top()) {
		if e, ok := o.(*widget.Entry); ok {
			e.SetText("attic")
		}
	}
	b.tap("Hide")
	b.wait("it is hidden", func() bool {
		i := b.core.Profiles()
		return b.win.Canvas().Overlays().Top() == nil && b.profile != nil && b.profile.Name() == "Secret" && len(i) == 2 && i[1].Hidden
	})
	b.showPrivacy()
	b.tap("Close now")
	b.wait("it is closed", func() bool { return b.profile != nil && b.profile.Name() == "Alice" && len(b.profiles) == 1 })
	b.openHidden()
	b.win.Canvas().Focused().(*widget.Entry).SetText("cellar")
	b.tap("Open")
	b.wait("it is refused", func() bool { return !b.button("Open").Disabled() })
	b.win.Canvas().Focused().(*widget.Entry).SetText("attic")
	b.tap("Open")
	b.wait("it is open", func() bool { return b.profile != nil && b.profile.Name() == "Secret" })
}

func TestLinkFromAnotherStart(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.settle()
	b.handle(core.Event{Change: core.LinkOpened{Text: exampleLink}})
	b.wait("the plan", func() bool { return b.adder != nil && len(b.adder.plan.Objects) > 0 })
	b.handle(core.Event{Change: core.LinkOpened{}})
}

func TestCodeOnScreenAndCamera(t *testing.T) {
	modules, err := qr.Encode(exampleLink)
	if err != nil {
		t.Fatal(err)
	}
	code := qr.Picture(modules, 4)
	b := newBench(t, theme.Light, "Alice")
	b.opt.Screenshot = func(context.Context) (image.Image, error) { return code, nil }
	b.opt.Camera = func(ctx context.Context, frame func(image.Image)) error {
		frame(image.NewGray(image.Rect(0, 0, 64, 64)))
		frame(code)
		<-ctx.Done()
		return nil
	}
	b.newConversation("simplex:/")
	b.settle()
	b.tap("My screen")
	b.wait("the plan", func() bool { return b.adder.entry.Text == exampleLink && b.adder.next != nil })
	if b.win.Canvas().Focused() != b.adder.entry {
		t.Error("Enter does not open what was read")
	}
	b.adder.entry.SetText("")
	b.tap("Camera…")
	b.wait("the code before the camera", func() bool { return b.adder.entry.Text == exampleLink && b.adder.next != nil })
	b.opt.Camera = func(context.Context, func(image.Image)) error { return desktop.ErrNoCamera }
	b.tap("Camera…")
	b.settle()
	b.tap("Cancel")
	if b.adder == nil {
		t.Error("the dialog behind was closed as well")
	}
	b.opt.Screenshot = func(context.Context) (image.Image, error) { return nil, desktop.ErrCanceled }
	b.tap("My screen")
	b.wait("why not", func() bool { return strings.Contains(b.adder.problemText, "not shown") })
}

// That another program receives the messages of a contact is told in its conversation, with what ends that.
func TestElsewhere(t *testing.T) {
	alice, _ := friends(t)
	alice.openContact(alice.contacts[0].ID)
	c, contact := alice.conversation(), alice.contacts[0]
	c.update(&contact)
	if !c.note.Hidden {
		t.Error("something is told at first")
	}
	contact.Elsewhere = true
	c.update(&contact)
	if c.note.Hidden {
		t.Error("nothing is told")
	}
	alice.tap("Receive here")
	alice.settle()
	contact.Elsewhere = false
	c.update(&contact)
	if !c.note.Hidden {
		t.Error("it is still told")
	}
}
