package ui

import (
	"fmt"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/ui/theme"
)

// exampleLink is as long as the links of public relays are.
const exampleLink = "simplex:/invitation#/?v=2-7&smp=smp%3A%2F%2F0RehoN-yYMj184Kj6FtZtudnq7PxPIGgSS9U942nEnA%3D%40smp8.simplex.im%2Cbeccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion%2FMPtGUKbEOZz-eXE0dTyp9Yfj_Fqrow-S%23%2F%3Fv%3D1-4%26dh%3DMCowBQYDK2VuAyEAnpy8jI2KIJgf6U1cd_JDR84d54qI6nCUqhE1xZmlNHc%253D%26q%3Dm%26k%3Ds&e2e=v%3D2-3%26x3dh%3DMEIwBQYDK2VvAzkASSxCa12HW2SWzzKmF2_CRs-szx1s_3FyiYnhVsSw4uq7p19bUpf4vQtIjTxrTMI2hNuzMz-jA84%3D%2CMEIwBQYDK2VvAzkAW3Kkm8nrIL0XnueXXx1yg_wOhzydzhxngbEoOncMiS9Una56hdfrVtzbDbvPbtfp2klDHomlhHk%3D"

func ago(d time.Duration) time.Time { return noon.Add(-d) }

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
	items = append(items, core.Item{ID: 6, Contact: 1, Kind: chat.KindUnsupported, Content: "image", Text: "The view from the bridge", State: chat.StateReceived, Time: ago(2 * time.Minute)})
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
	carol := contact(2, "Carol", chat.ContactConnected, ago(24*time.Minute))
	carol.Unread = 3
	carol.Last = &core.Item{ID: 20, Contact: 2, Kind: chat.KindText, Text: "Shall we meet on Saturday instead?", State: chat.StateReceived}
	emil := contact(3, "Emil", chat.ContactConnected, ago(4*24*time.Hour))
	emil.Draft = "about the lease, I"
	dana := contact(4, "", chat.ContactConnecting, ago(5*24*time.Hour))
	failed := contact(5, "", chat.ContactFailed, ago(9*24*time.Hour))
	failed.Failure = chat.FailureLinkUsed
	invited := contact(6, "", chat.ContactInvited, ago(21*24*time.Hour))
	invited.Invitation = exampleLink
	b.contacts = []core.Contact{bob, carol, emil, dana, failed, invited}
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
		b.fill()
		b.newConversation("")
		b.wait("the invitation and its row", func() bool {
			i := b.adder.invitation
			return i != nil && b.contact(i.Contact.ID) != nil && b.contact(i.Contact.ID).Invitation == i.Link
		})
		b.fill()
		b.adder.showCode(exampleLink)
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
		b.adder.entry.SetText("hello")
		b.wait("the refusal", func() bool { return !b.adder.problem.Hidden && len(b.adder.plan.Objects) == 0 })
		b.win.Canvas().Unfocus()
		b.compare(fmt.Sprintf("paste-wrong-%v", mode))
		b.resize(smallestWidth, smallestHeight)
		b.adder.tabs.Select(0)
		b.adder.showCode(exampleLink)
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
	})
}
