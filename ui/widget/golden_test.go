package widget

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

// TestPictures compares every widget, light and dark, with the pictures in testdata.
func TestPictures(t *testing.T) {
	focused := func(o fyne.CanvasObject, f fyne.Focusable) fyne.CanvasObject {
		f.FocusGained()
		return o
	}
	pictures := map[string]struct {
		width, height float32
		build         func() fyne.CanvasObject
	}{
		"avatars": {470, 96, func() fyne.CanvasObject {
			chosen := NewAvatar(AvatarView{Name: "Alice", ID: id("1")}, AvatarMedium)
			chosen.SetSelected(true)
			unread := NewAvatar(AvatarView{Name: "Work", ID: id("2")}, AvatarMedium)
			unread.SetUnread(128)
			return NewInset(NewBar(14, -1,
				NewAvatar(AvatarView{Name: "Ann", ID: id("3")}, AvatarTiny), NewAvatar(AvatarView{ID: id("4")}, AvatarSmall),
				chosen, unread, NewAvatar(AvatarView{Pending: true}, AvatarRow),
				NewAvatar(AvatarView{Name: "Éva Nagy", ID: id("5")}, AvatarLarge),
				NewAvatar(AvatarView{Picture: landscape(72, 72)}, AvatarLarge)), 8)
		}},
		"buttons": {560, 120, func() fyne.CanvasObject {
			icon := NewButton("Save picture", ButtonSecondary, func() {})
			icon.SetIcon("download")
			off := NewButton("Send", ButtonPrimary, func() {})
			off.Disable()
			ring := NewButton("Focused", ButtonPrimary, func() {})
			return NewInset(NewColumn(14,
				NewBar(10, -1, NewButton("Copy link", ButtonPrimary, func() {}), icon, NewButton("Skip", ButtonText, func() {}), NewButton("Delete", ButtonDanger, func() {}), off),
				NewBar(10, -1, focused(ring, ring), NewIconButton("search", "Search", func() {}), NewFilledIconButton("plus", "New", 34, func() {}), NewPill("verified"), NewCountBadge(3), NewIcon("warning", 24, theme.ColorWarning))), 12)
		}},
		"choices": {420, 260, func() fyne.CanvasObject {
			tabs := NewTabs([]string{"Show my code", "Scan or paste"}, nil)
			tabs.Select(1)
			on := NewToggle(true, nil)
			row := NewRow("Passphrase", "set", func() {})
			row.SetIcon("lock")
			row.SetHint("Asked for when Sotto starts")
			progress := NewProgress("Cancel", func() {})
			progress.Set(0.4, "1.2 of 3.0 MB")
			return NewInset(NewColumn(8, tabs, NewFact("Incognito", "they see a random name", NewToggle(false, nil)),
				NewFact("Receipts", "", focused(on, on)), row, progress), 12)
		}},
		"fields": {320, 180, func() fyne.CanvasObject {
			full := NewSearchField("Search", nil)
			full.Entry.SetText("bob")
			return NewInset(NewColumn(10, NewSearchField("Search or paste a link", nil), full, NewEntry("Your name")), 12)
		}},
		"rail": {64, 420, func() fyne.CanvasObject {
			r := NewRail()
			r.SetProfiles([]ProfileView{{Avatar: AvatarView{Name: "Alice", ID: id("1")}}, {Avatar: AvatarView{Name: "Work", ID: id("2")}, Unread: 3}}, 0)
			r.SetNetwork(NetworkConnecting, "Connecting")
			return r
		}},
		"conversations": {300, 400, func() fyne.CanvasObject {
			views := demoConversations()
			views[0].Delivery = DeliveryFailed
			views[2].Unread = 120
			l := NewConversationList(func() int { return len(views) }, func(i int) ConversationView { return views[i] })
			l.SetSelected(1)
			return focused(l, l)
		}},
		"messages": {520, 560, func() fyne.CanvasObject { return NewMessageList(demoMessages()) }},
		"group":    {520, 800, func() fyne.CanvasObject { return NewMessageList(demoGroup()) }},
		"composer": {520, 64, func() fyne.CanvasObject {
			c := NewComposer("Message")
			c.OnAttach, c.OnEmoji = func() {}, func() {}
			return c
		}},
		"composer-lines": {420, 115, func() fyne.CanvasObject {
			c := NewComposer("Message")
			c.Resize(fyne.NewSize(420, 64))
			c.SetText("Two lines of text, one of which is so long that it has to be broken\nand the other not")
			return c
		}},
		"notes": {360, 130, func() fyne.CanvasObject {
			retry := NewNote(ToneWarning, "Tor does not answer. Messages wait until it does.")
			retry.SetAction("Try again", func() {})
			return NewInset(NewColumn(8, NewNote(ToneInfo, "Nobody has opened this link yet."), retry, NewNote(ToneDanger, "This link was already used.")), 12)
		}},
		"empty": {400, 320, func() fyne.CanvasObject {
			return NewEmptyState("chat", "No conversation yet", "Show a QR code to a friend, or paste a link that somebody gave you.", "New conversation", func() {})
		}},
		"qr": {200, 200, func() fyne.CanvasObject {
			q, err := NewQR("https://example.org/abc", 180)
			if err != nil {
				t.Fatal(err)
			}
			return NewInset(q, 10)
		}},
		"card": {280, 96, func() fyne.CanvasObject {
			head := NewLabel("Your network", theme.TextSmall)
			head.Bold = true
			body := NewHint("sees that you use Tor, when, and how much. It may guess.")
			body.Spans = []Span{{Start: 43, End: len(body.Text), Bold: true, Color: theme.ColorWarning}}
			return NewInset(NewCard(head, body), 8)
		}},
		"tooltip": {200, 80, func() fyne.CanvasObject {
			l := NewTooltipLayer(NewInset(NewIconButton("info", "Info", func() {}), 4, 80))
			l.Resize(fyne.NewSize(200, 80))
			l.bubble.show("Who can see what", fyne.NewPos(82, 4), fyne.NewSquareSize(36), l.Size())
			return l
		}},
	}
	for _, mode := range []theme.Mode{theme.Light, theme.Dark} {
		newApp(t, mode)
		for name, p := range pictures {
			t.Run(name+"-"+mode.String(), func(t *testing.T) {
				ground := theme.ColorPanel
				if name == "messages" || name == "group" {
					ground = theme.ColorBackground
				}
				img := show(NewSurface(ground, p.build()), p.width, p.height, 1).Capture()
				keep(t, strings.ReplaceAll(t.Name(), "/", "-")+".png", img)
				test.AssertImageMatches(t, name+"-"+mode.String()+".png", img)
			})
		}
		t.Run("dialog-"+mode.String(), func(t *testing.T) {
			c := show(NewSurface(theme.ColorBackground, NewGap(1, 1)), 420, 260, 1)
			note := NewNote(ToneDanger, "They will not be told.")
			d := NewDialog("Delete Bob?", NewColumn(16, NewHint("The messages on this computer are deleted for good."), note,
				NewBar(8, 0, NewGap(1, 1), NewButton("Keep", ButtonText, func() {}), NewButton("Delete", ButtonDanger, func() {}))), 360)
			d.ShowOn(c)
			test.AssertImageMatches(t, "dialog-"+mode.String()+".png", c.Capture())
		})
	}
}

// demoGroup has one of everything that a message can show.
func demoGroup() *messages {
	dana, erik := &AvatarView{Name: "Dana", ID: id("d")}, &AvatarView{Name: "Erik Holm", ID: id("e")}
	day := "Yesterday"
	return &messages{
		{Text: "Who has the key?", Author: dana, Time: "18:01", Day: day},
		{Text: "I looked everywhere", Author: dana, Time: "18:01", Day: day},
		{Kind: MessageService, Text: "Erik Holm joined", Day: day},
		{Text: "see https://example.org/key and this code", Author: erik, Time: "18:02", Day: day, Edited: true,
			Spans: []Span{{Start: 4, End: 27, Link: "https://example.org/key"}, {Start: 37, End: 41, Mono: true, Bold: true}}},
		{Attachment: &Attachment{Name: "minutes of the last meeting.pdf", Detail: "0.8 of 2.1 MB", Icon: "close", Progress: 0.4}, Author: erik, Time: "18:03", Day: day},
		{Kind: MessageOutgoing, Text: "🔥🎉", Time: "18:03", Day: "Today", Delivery: DeliverySent},
		{Kind: MessageOutgoing, Text: "the secret is out", Time: "18:04", Day: "Today", Delivery: DeliveryPending, Expires: "1 week",
			Spans: []Span{{Start: 4, End: 10, Secret: true}}},
		{Text: "message deleted", Author: erik, Removed: true, Time: "18:05", Day: "Today"},
		{Text: "שלום, how are you?", Author: dana, Time: "18:06", Day: "Today"},
		{Kind: MessageOutgoing, Text: "antidisestablishmentarianism-and-other-words-without-any-space-that-go-on-and-on-and-on-for-ever", Time: "18:07", Day: "Today", Delivery: DeliveryFailed},
	}
}
