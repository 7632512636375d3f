package ui

import (
	"context"
	"fmt"
	"image"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/ui/desktop"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// exampleLink is as long as the links of public relays are.
const exampleLink = "simplex:/invitation#/?v=2-7&smp=smp%3A%2F%2F0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA%3D%40smp8.simplex.im%2Cbeccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion%2FMPtGUKbEOZz-eXE0dTyp9Yfj_Fqrow-S%23%2F%3Fv%3D1-4%26dh%3DMCowBQYDK2VuAyEAnpy8jI2KIJgf6U1cd_JDR84d54qI6nCUqhE1xZmlNHc%253D%26q%3Dm%26k%3Ds&e2e=v%3D2-3%26x3dh%3DMEIwBQYDK2VvAzkASSxCa12HW2SWzzKmF2_CRs-szx1s_3FyiYnhVsSw4uq7p19bUpf4vQtIjTxrTMI2hNuzMz-jA84%3D%2CMEIwBQYDK2VvAzkAW3Kkm8nrIL0XnueXXx1yg_wOhzydzhxngbEoOncMiS9Una56hdfrVtzbDbvPbtfp2klDHomlhHk%3D"

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// examplePicture is the message of the example with a picture, which is evening.
const examplePicture = 6

// exampleItems is a conversation.
func exampleItems() []core.Item {
	var items []core.Item
	add := func(own bool, at time.Time, text string, state core.ItemState) {
		items = append(items, core.Item{ID: int64(len(items) + 1), Contact: 1, Own: own, Kind: chat.KindText, Text: text, State: state, Time: at})
	}
	add(false, ago(30*time.Hour), "Did you read the book that I gave you?", chat.StateReceived)
	add(true, ago(29*time.Hour), "Half of it. Chapter four changed my mind about all of it", chat.StateDelivered)
	add(false, ago(6*time.Minute), "Hi! Are you there already?", chat.StateReceived)
	add(false, ago(6*time.Minute), "I found the place, it is the one with the green door: https://example.org/map", chat.StateReceived)
	add(true, ago(3*time.Minute), "Yes, on the train. I read about it yesterday: relays that see neither who writes nor who reads", chat.StateDelivered)
	items = append(items, core.Item{ID: examplePicture, Contact: 1, Kind: chat.KindText, Content: "image", Text: "The view from the bridge", State: chat.StateReceived, Time: ago(2 * time.Minute),
		File: &core.File{Name: "bridge.jpg", Size: 345_000, State: core.FileDone}})
	add(false, ago(time.Minute), "And if one of them is taken away?", chat.StateReceived)
	add(true, ago(0), "Then we move to another one, and nobody loses a word. See you at 8, by the bridge", chat.StateSent)
	add(true, ago(0), "Bring the book!", chat.StateFailed)
	return items
}

// fill puts an example into the window in place of what is in its folder, so that it always looks the same.
func (b *bench) fill() {
	b.Helper()
	b.settle()
	items := exampleItems()
	last := items[len(items)-2]
	contact := func(id int64, name string, state core.ContactState, active time.Time) core.Contact {
		return core.Contact{ID: id, Name: name, State: state, Active: active, AvatarSeed: uint32(id * 7919)}
	}
	bob := contact(1, "Bob", chat.ContactConnected, ago(0))
	bob.Last = &last
	bob.Verified, bob.Receipts = ago(8*24*time.Hour), true
	carol := contact(2, "Carol", chat.ContactConnected, ago(24*time.Minute))
	carol.Unread = 3
	carol.Last = &core.Item{ID: 20, Contact: 2, Kind: chat.KindText, Text: "Shall we meet on Saturday instead?", State: chat.StateReceived}
	emil := contact(3, "Emil", chat.ContactConnected, ago(4*24*time.Hour))
	emil.Draft.Text = "about the lease, I"
	dana := contact(4, "", chat.ContactConnecting, ago(5*24*time.Hour))
	failed := contact(5, "", chat.ContactFailed, ago(9*24*time.Hour))
	failed.Failure = chat.FailureLinkUsed
	invited := contact(6, "", chat.ContactInvited, ago(21*24*time.Hour))
	invited.Invitation = exampleLink
	grace := contact(7, "Grace", chat.ContactConnected, ago(6*24*time.Hour))
	grace.IncognitoName, grace.Receipts = "QuietHeron", true
	grace.Last = &core.Item{ID: 30, Contact: 7, Kind: chat.KindText, Text: "thanks, got it", State: chat.StateReceived}
	b.contacts = []core.Contact{bob, carol, emil, dana, grace, failed, invited}
	b.relays = []core.RelayStatus{
		{Server: wire.Server{Hosts: []string{"smp8.simplex.im"}}, Operator: "SimpleX Chat", State: core.RelayConnected, Since: ago(2 * time.Hour)},
		{Server: wire.Server{Hosts: []string{"smp4.simplexonflux.com"}}, Operator: "Flux", State: core.RelayConnected, Since: ago(3 * time.Hour)},
	}
	b.tame()
	b.main.refresh()
	b.main.content.changed(nil)
}

// tame gives the profiles avatars that are always the same.
func (b *bench) tame() {
	for i := range b.profiles {
		b.profiles[i].AvatarSeed = uint32(i*31 + 5)
		if i > 0 {
			b.profiles[i].Unread = 3
		}
	}
}

// open opens a conversation of the example.
func (b *bench) open(id int64) *conversation {
	b.Helper()
	b.openContact(id)
	c := b.main.content.(*conversation)
	b.settle()
	if id == 1 {
		c.media.pictures[pictureKey{examplePicture, pictureFile}] = evening()
		c.items, c.loaded, c.complete = exampleItems(), true, true
		c.newID = 7
	} else {
		c.items, c.loaded, c.complete = nil, true, true
	}
	c.note.Set(0, "")
	c.update(b.contact(id))
	c.list.Reset()
	b.win.Canvas().Unfocus()
	return c
}

// ask puts somebody who wants to be connected into the window.
func (b *bench) ask() core.Request {
	r := core.Request{ID: 3, Name: "Dora", Message: "Hello Alice, we met at the reading circle on Sunday.", AvatarSeed: 77, Created: ago(40 * time.Minute)}
	b.requests = []core.Request{r}
	b.main.refresh()
	return r
}

func eachMode(t *testing.T, f func(t *testing.T, mode theme.Mode)) {
	for _, mode := range []theme.Mode{theme.Light, theme.Dark} {
		t.Run(mode.String(), func(t *testing.T) { f(t, mode) })
	}
}

func TestPicturesOfFirstStart(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode)
		s := b.starting
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("start-1-%v", mode))
		s.forward()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("start-1-empty-%v", mode))
		s.name.SetText("Alice")
		s.forward()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("start-2-%v", mode))
		s.network.choose(1)
		b.compare(fmt.Sprintf("start-2-tor-%v", mode))
		s.network.choose(0)
		s.forward()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("start-3-%v", mode))
		s.relays.choices.choose(1)
		s.passphrase.toggle.Tapped(&fyne.PointEvent{})
		s.passphrase.first.SetText("one")
		s.passphrase.second.SetText("two")
		s.forward()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("start-3-own-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.compare(fmt.Sprintf("start-3-narrow-%v", mode))
	})
}

func TestPicturesOfMain(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice", "Work", "Nora")
		b.settle()
		b.tame()
		b.main.refresh()
		b.compare(fmt.Sprintf("empty-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.main.refresh()
		b.compare(fmt.Sprintf("empty-narrow-%v", mode))
		b.resize(firstWidth, firstHeight)
		b.fill()
		b.contacts[0].Pinned, b.contacts[1].Muted, b.contacts[4].Archived = true, true, true
		b.main.refresh()
		b.compare(fmt.Sprintf("none-open-%v", mode))
		c := b.open(1)
		b.compare(fmt.Sprintf("main-%v", mode))
		c.togglePanel()
		b.compare(fmt.Sprintf("panel-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.compare(fmt.Sprintf("panel-narrow-%v", mode))
		c.togglePanel()
		b.compare(fmt.Sprintf("chat-narrow-%v", mode))
		b.main.back()
		b.compare(fmt.Sprintf("list-narrow-%v", mode))
		b.resize(firstWidth, firstHeight)
		b.open(4)
		b.compare(fmt.Sprintf("connecting-%v", mode))
		b.open(5)
		b.compare(fmt.Sprintf("failed-%v", mode))
		b.openContact(6)
		b.compare(fmt.Sprintf("invitation-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.compare(fmt.Sprintf("invitation-narrow-%v", mode))
	})
}

func TestPicturesOfPages(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		// Those that are chosen at random would look different each time.
		choice := core.RelayChoice{Kind: core.RelaysOwn, Addresses: []string{
			"smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@relay.example.org", "smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@another.example.org"}}
		if err := b.profile.SetRelays(t.Context(), choice); err != nil {
			t.Fatal(err)
		}
		b.fill()
		b.showSettings()
		b.compare(fmt.Sprintf("settings-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.compare(fmt.Sprintf("settings-narrow-%v", mode))
		b.resize(firstWidth, firstHeight)
		b.showNetwork()
		b.compare(fmt.Sprintf("network-%v", mode))
		b.main.back()
		b.showShortcuts()
		b.compare(fmt.Sprintf("shortcuts-%v", mode))
		b.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
		b.addProfile()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("add-profile-%v", mode))
		b.win.Canvas().Overlays().Top().(interface{ Close() }).Close()
		b.askDelete(1)
		b.compare(fmt.Sprintf("delete-%v", mode))
	})
}

func TestPicturesOfNewConversation(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.opt.Screenshot = func(context.Context) (image.Image, error) { return nil, nil }
		b.opt.Camera = func(context.Context, func(image.Image)) error { return nil }
		b.fill()
		b.newConversation("")
		b.wait("the invitation and its row", func() bool {
			i := b.adder.invitation
			return i != nil && b.contact(i.Contact.ID) != nil && b.contact(i.Contact.ID).Invitation == i.Link
		})
		b.fill()
		b.adder.invitation.Link = exampleLink
		b.adder.showCode()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("code-%v", mode))
		b.adder.showProblem(errNoFile)
		b.compare(fmt.Sprintf("code-failed-%v", mode))
		b.adder.tabs.Select(1)
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("paste-%v", mode))
		b.adder.entry.SetText(exampleLink)
		b.wait("the plan", func() bool { return len(b.adder.plan.Objects) > 0 })
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("paste-plan-%v", mode))
		b.adder.showPlan(core.Plan{Kind: core.LinkContact, Relay: wire.Server{Scheme: wire.SMP, Hosts: []string{"smp8.simplex.im"}}, Name: "Reading circle",
			Greeting: "Hello! Tell us which book you liked last."}, nil)
		b.adder.switched.Tapped(nil)
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("paste-address-%v", mode))
		b.adder.entry.SetText("hello")
		b.wait("the refusal", func() bool { return !b.adder.problem.Hidden && len(b.adder.plan.Objects) == 0 })
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("paste-wrong-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.adder.tabs.Select(0)
		b.adder.invitation.Link = exampleLink
		b.adder.showCode()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("code-narrow-%v", mode))
	})
}

func TestPicturesOfLockedProfile(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.settle()
		b.tame()
		b.profiles[0] = core.ProfileInfo{ID: b.profiles[0].ID, Locked: true, Current: true}
		b.profile, b.contacts = nil, nil
		b.main.setPage(b.lockedPage(b.profiles[0].ID), pageAlone)
		b.main.refresh()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("locked-%v", mode))
		b.main.setPage(b.main.emptyPage(), pageAlone)
		b.showLock()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("lock-%v", mode))
	})
}

func TestPicturesOfRequest(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.fill()
		r := b.ask()
		b.openRequest(r.ID)
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("request-%v", mode))
		b.address = &core.Address{Link: shortLink, Created: noon, Settings: core.AddressSettings{Incognito: true}}
		b.main.content.(*requestPage).update(core.AddressChanged{})
		b.compare(fmt.Sprintf("request-incognito-%v", mode))
		b.address = nil
		b.main.content.(*requestPage).update(core.AddressChanged{})
		b.resize(smallestWidth, smallestHeight)
		b.compare(fmt.Sprintf("request-narrow-%v", mode))
	})
}

func TestPicturesOfAddress(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.fill()
		b.newConversation("")
		b.wait("the invitation", func() bool { return b.adder.invitation != nil })
		b.fill()
		b.adder.useAddress()
		b.settle()
		b.fill()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("address-none-%v", mode))
		b.address = &core.Address{Link: shortLink, Created: noon, Settings: core.AddressSettings{Greeting: "Hello! Tell me who you are.", AutoAccept: true}}
		b.adder.address.fill()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("address-dialog-%v", mode))
		b.adder.address.settings()
		b.compare(fmt.Sprintf("address-%v", mode))
		page := b.main.content.(*plainPage)
		page.scroll.ScrollToBottom()
		b.compare(fmt.Sprintf("address-settings-%v", mode))
	})
}

// shortLink is what the short links of public relays look like.
const shortLink = "https://smp8.simplex.im/a#AvQ4Wd9pzYRwDYVIKPfRvTxfkaLO2dI2aCYJMhO7-AE"

func TestPicturesOfSecurityCode(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		const code = "61889 38426 63934 09576 96390 79389 84124 85253 63658 69469 70853 37788 95900 68296 20156 25"
		b := newBench(t, mode, "Alice")
		b.fill()
		b.showVerify(2)
		p := b.main.content.(*verifyPage)
		b.settle()
		p.show(b.contact(2), code, nil)
		b.compare(fmt.Sprintf("verify-%v", mode))
		p.tell(0, "")
		p.tell(2, "The codes differ. It may be that of another contact, or somebody sits between you: don't write anything secret until you know.")
		p.scroll.ScrollToBottom()
		b.compare(fmt.Sprintf("verify-differs-%v", mode))
		b.showVerify(1)
		p = b.main.content.(*verifyPage)
		b.settle()
		p.show(b.contact(1), code, nil)
		b.resize(smallestWidth, 800)
		b.compare(fmt.Sprintf("verified-narrow-%v", mode))
	})
}

func TestPicturesOfMending(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.fill()
		c := b.open(1)
		c.items = append(c.items, core.Item{ID: 10, Contact: 1, Kind: chat.KindOutOfSync, Time: noon})
		c.list.Reset()
		c.update(b.contact(1))
		b.compare(fmt.Sprintf("out-of-sync-%v", mode))
		b.open(7)
		b.moving[b.key(7)] = &move{cancel: func() {}}
		b.mended(7)
		c = b.conversation()
		c.togglePanel()
		c.w.main.panel.Objects[0].(*widget.Surface).Content.(*container.Scroll).ScrollToBottom()
		b.compare(fmt.Sprintf("moving-%v", mode))
	})
}

func TestPicturesOfSettings(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		b.notifier, b.opt.Scale = &fakeNotifier{}, func(float32) {}
		b.fill()
		b.showAppearance()
		b.compare(fmt.Sprintf("appearance-%v", mode))
		b.showNotifications()
		b.settle()
		b.compare(fmt.Sprintf("notifications-%v", mode))
		b.opt.Autostart, b.tray = &desktop.Autostart{}, &fakeTray{}
		t.Setenv("XDG_CONFIG_HOME", t.TempDir())
		b.showStarting()
		b.settle()
		b.compare(fmt.Sprintf("starting-%v", mode))
		b.opt.Autostart, b.tray = nil, nil
		b.refill()
		b.compare(fmt.Sprintf("starting-none-%v", mode))
		b.showAbout()
		b.compare(fmt.Sprintf("about-%v", mode))
		b.showPrivacy()
		b.compare(fmt.Sprintf("privacy-%v", mode))
		if err := b.core.SetLock(t.Context(), "", "open sesame"); err != nil {
			t.Fatal(err)
		}
		b.refill()
		b.main.content.(*plainPage).scroll.ScrollToBottom()
		b.compare(fmt.Sprintf("privacy-lock-%v", mode))
		b.changeLock(false)
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("passphrase-%v", mode))
		b.win.Canvas().Overlays().Top().(*widget.Dialog).Close()
		b.changePicture()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("profile-picture-%v", mode))
		b.win.Canvas().Overlays().Top().(*widget.Dialog).Close()
		b.showProfileSettings()
		b.settle()
		b.compare(fmt.Sprintf("profile-%v", mode))
		b.deleteProfile()
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("profile-delete-%v", mode))
	})
}

func TestPicturesOfAccents(t *testing.T) {
	b := newBench(t, theme.Light, "Alice")
	b.fill()
	b.open(1)
	b.setAccent("violet")
	b.compare("accent-violet-light")
	b.setMode(theme.Dark)
	b.setAccent("amber")
	b.compare("accent-amber-dark")
}

func TestPicturesOfRouting(t *testing.T) {
	eachMode(t, func(t *testing.T, mode theme.Mode) {
		b := newBench(t, mode, "Alice")
		choice := core.RelayChoice{Kind: core.RelaysOwn, Addresses: []string{
			"smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@smp8.simplex.im,beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion",
			"smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=:secret@relay.example.org",
			"smp://0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA=@another.example.org"}}
		if err := b.profile.SetRelays(t.Context(), choice); err != nil {
			t.Fatal(err)
		}
		b.fill()
		b.showNetwork()
		list := b.networkList()
		list.tests[choice.Addresses[0]] = &relayTest{}
		list.tests[choice.Addresses[1]] = &relayTest{err: core.ErrRelayPassword}
		list.tests[choice.Addresses[2]] = &relayTest{cancel: func() {}}
		list.fill()
		b.compare(fmt.Sprintf("relays-tested-%v", mode))
		b.main.content.(*networkPage).scroll.ScrollToBottom()
		b.compare(fmt.Sprintf("relays-routing-%v", mode))
		chooseOption(b.Window, "Private routing", "What you write goes to the relay where it waits for the other side.", routings(), core.RouteUnknown,
			func(context.Context, core.Routing) error { return nil }, func() {})
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("routing-%v", mode))
	})
}
