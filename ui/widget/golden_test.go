package widget

import (
	"image"
	"math"
	"slices"
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
			r.SetAmount("45 %")
			return r
		}},
		"conversations": {300, 400, func() fyne.CanvasObject {
			views := demoConversations()
			views[0].Delivery, views[0].Verified = DeliveryFailed, true
			views[2].Verified = true
			views[2].Unread = 120
			l := NewConversationList(func() int { return len(views) }, func(i int) ConversationView { return views[i] })
			l.SetSelected(1)
			return focused(l, l)
		}},
		"messages": {520, 560, func() fyne.CanvasObject { return NewMessageList(demoMessages()) }},
		"group":    {520, 800, func() fyne.CanvasObject { return NewMessageList(demoGroup()) }},
		"states":   {520, 760, func() fyne.CanvasObject { return demoStates() }},
		"media":    {560, 1040, func() fyne.CanvasObject { return NewMessageList(demoMedia()) }},
		"voice":    {520, 420, func() fyne.CanvasObject { return NewMessageList(demoVoice()) }},
		"scripts":  {560, 640, func() fyne.CanvasObject { return NewMessageList(demoScripts()) }},
		"choosing": {520, 420, func() fyne.CanvasObject {
			l := NewMessageList(demoMessages())
			l.SetChoosing(true)
			l.Choose(3, true)
			l.Choose(5, true)
			return focused(l, l)
		}},
		"cropper": {300, 220, func() fyne.CanvasObject {
			c := NewCropper(landscape(260, 180))
			c.resize(0.7)
			c.move(30, 10)
			return NewInset(focused(c, c), 12)
		}},
		"composer-reply": {520, 210, func() fyne.CanvasObject {
			c := NewComposer("Message")
			c.OnAttach, c.OnEmoji, c.OnLive, c.OnCancel = func() {}, func() {}, func() {}, func() {}
			c.SetLive(true)
			c.SetBanner(&ComposerBanner{Icon: "reply", Title: "Bob", Text: "The view from the bridge", Picture: landscape(60, 60)})
			c.SetAttachments([]ComposerAttachment{{Picture: landscape(90, 60)}, {Picture: landscape(60, 90), Icon: "play"},
				{Name: "minutes of the last meeting.pdf", Detail: "2.1 MB"}})
			c.SetText("Here they are")
			return c
		}},
		"composer-recording": {520, 64, func() fyne.CanvasObject {
			c := NewComposer("Message")
			c.OnAttach, c.OnVoice, c.OnVoiceDone = func() {}, func() {}, func(bool) {}
			c.SetRecording(&ComposerRecording{Time: "0:07", Loudness: loudness(60)})
			return c
		}},
		"composer-voice": {520, 64, func() fyne.CanvasObject {
			c := NewComposer("Message")
			c.OnAttach, c.OnEmoji, c.OnVoice = func() {}, func() {}, func() {}
			return c
		}},
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
				if slices.Contains([]string{"messages", "group", "states", "media", "voice", "scripts", "choosing"}, name) {
					ground = theme.ColorBackground
				}
				img := show(NewSurface(ground, p.build()), p.width, p.height, 1).Capture()
				keep(t, strings.ReplaceAll(t.Name(), "/", "-")+".png", img)
				test.AssertImageMatches(t, name+"-"+mode.String()+".png", img)
			})
		}
		t.Run("menu-"+mode.String(), func(t *testing.T) {
			c := show(NewSurface(theme.ColorBackground, NewGap(1, 1)), 400, 400, 1)
			nothing := func() {}
			p := ShowMenu(c, fyne.NewPos(20, 20), Menu{
				Emoji: []string{"👍", "👎", "😀", "😂", "😢", "❤️", "🚀"}, Chosen: []string{"❤️"}, OnMoreEmoji: nothing,
				Items: []MenuItem{{Icon: "reply", Text: "Reply", Do: nothing}, {Icon: "edit", Text: "Edit", Hint: "Up", Do: nothing}, {Icon: "copy", Text: "Copy text", Hint: "Ctrl+C", Do: nothing},
					{Icon: "forward", Text: "Forward…", Do: nothing}, {Icon: "info", Text: "Not sent: the relay is full", Line: true}, {Icon: "trash", Text: "Delete…", Danger: true, Line: true, Do: nothing}}})
			p.content.(*menuBody).TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
			img := c.Capture()
			keep(t, strings.ReplaceAll(t.Name(), "/", "-")+".png", img)
			test.AssertImageMatches(t, "menu-"+mode.String()+".png", img)
		})
		t.Run("picker-"+mode.String(), func(t *testing.T) {
			c := show(NewSurface(theme.ColorBackground, NewGap(1, 1)), 400, 420, 1)
			p := ShowEmojiPicker(c, fyne.NewPos(20, 10), []string{"🚀", "❤️", "👍🏽"}, func(string) {}).content.(*EmojiPicker)
			c.Focus(p.grid)
			for range 6 {
				p.grid.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
			}
			img := c.Capture()
			keep(t, strings.ReplaceAll(t.Name(), "/", "-")+".png", img)
			test.AssertImageMatches(t, "picker-"+mode.String()+".png", img)
		})
		t.Run("viewer-"+mode.String(), func(t *testing.T) {
			c := show(NewSurface(theme.ColorBackground, NewMessageList(demoMessages())), 520, 400, 1)
			v := NewViewer(album{landscape(900, 600), landscape(300, 300), nil}, 1)
			v.OnSave = func(int) {}
			v.ShowOn(c)
			v.stage.zoomBy(1.5, fyne.NewPos(100, 100))
			img := c.Capture()
			keep(t, strings.ReplaceAll(t.Name(), "/", "-")+".png", img)
			test.AssertImageMatches(t, "viewer-"+mode.String()+".png", img)
		})
		t.Run("hover-"+mode.String(), func(t *testing.T) {
			l := NewMessageList(demoMessages())
			l.OnReply, l.OnReact, l.OnMenu = func(int) {}, func(int, fyne.Position) {}, func(int, fyne.Position) {}
			c := show(NewTooltipLayer(NewSurface(theme.ColorBackground, l)), 520, 300, 1)
			l.MouseMoved(primary(fyne.NewPos(100, 200)))
			l.MouseMoved(primary(l.buttons.pos.AddXY(45, 10)))
			img := c.Capture()
			l.MouseOut()
			keep(t, strings.ReplaceAll(t.Name(), "/", "-")+".png", img)
			test.AssertImageMatches(t, "hover-"+mode.String()+".png", img)
		})
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

// loudness returns a curve for a voice message.
func loudness(n int) []byte {
	curve := make([]byte, n)
	for i := range curve {
		curve[i] = byte(120 + 70*math.Sin(float64(i)*0.7) + 60*math.Sin(float64(i)*0.23))
	}
	return curve
}

// demoStates has the states of a text message.
func demoStates() *MessageList {
	text := "The password is hunter2, but *really* do not tell: see bank.example or simplex"
	source := &messages{
		{ID: 1, Text: "I am still thinking about wh", Time: "12:00", Live: true},
		{ID: 2, Kind: MessageOutgoing, Text: "From somebody else", Forwarded: true, Time: "12:01", Delivery: DeliverySent, Edited: true},
		{ID: 3, Text: "A photo", Time: "12:02", Quote: &Quote{Author: "You", Text: "The view from the bridge", Icon: "image", Picture: landscape(60, 60)}},
		{ID: 4, Kind: MessageOutgoing, Text: "Short", Time: "12:03", Expires: "1 day", Delivery: DeliveryDelivered,
			Reactions: []Reaction{{"👍", 12, true}, {"😂", 3, false}, {"❤️", 2, false}, {"🚀", 1, false}, {"🎉", 1, false}, {"😢", 1, false}}},
		{ID: 5, Text: text, Time: "12:04", Spans: []Span{{Start: 4, End: 12, Bold: true}, {Start: 16, End: 23, Secret: true}, {Start: 25, End: 28, Italic: true},
			{Start: 29, End: 37, Strike: true}, {Start: 38, End: 49, Color: theme.ColorDanger}, {Start: 55, End: 67, Link: "https://evil.example", Lies: true},
			{Start: 71, End: len(text), Mono: true}}},
		{ID: 6, Kind: MessageOutgoing, Text: "Where did we meet? At the bridge, the green bridge.", Found: [][2]int{{26, 32}, {44, 50}}, Time: "12:05", Delivery: DeliverySent},
		{ID: 7, Kind: MessageOutgoing, Removed: true, Text: "You took this message back", Time: "12:06"},
		{ID: 8, Text: "Read this first", Time: "12:07", Preview: &LinkPreview{Title: "How messages find their way", Host: "example.org", Link: "https://example.org/a",
			Description: "A page that explains in four paragraphs what relays see and what they do not see, and why that is", Picture: landscape(300, 120)}},
	}
	l := NewMessageList(source)
	l.uncovered[secret{5, 16}] = false
	return l
}

// demoMedia has pictures, videos and files in all their states.
func demoMedia() *messages {
	return &messages{
		{Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(90, 60)}, Time: "12:00"},
		{Album: true, Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(60, 90), Icon: "close", Progress: 0.4}, Time: "12:00"},
		{Album: true, Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(60, 60)}, Time: "12:00", Reactions: []Reaction{{Emoji: "👍", Count: 1, Own: true}}},
		{Album: true, Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(90, 90)}, Time: "12:00", Reactions: []Reaction{{Emoji: "❤", Count: 2}}},
		{Album: true, Attachment: &Attachment{Kind: AttachmentPicture}, Time: "12:00"},
		{Kind: MessageOutgoing, Time: "12:01", Delivery: DeliveryPending, Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(90, 60)}},
		{Kind: MessageOutgoing, Album: true, Text: "Two of them", Time: "12:01", Delivery: DeliverySent, Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(60, 90)}},
		{Attachment: &Attachment{Kind: AttachmentVideo, Picture: landscape(160, 90), Duration: "0:42", Detail: "3.1 MB"}, Time: "12:02"},
		{Kind: MessageOutgoing, Time: "12:03", Delivery: DeliveryPending, Attachment: &Attachment{Kind: AttachmentPicture, Picture: landscape(160, 90), Icon: "close", Progress: 0.4, Detail: "0.8 of 2.1 MB"}},
		{Attachment: &Attachment{Name: "minutes of the last meeting.pdf", Detail: "0.8 of 2.1 MB", Icon: "close", Progress: 0.4}, Time: "12:04"},
		{Kind: MessageOutgoing, Attachment: &Attachment{Name: "a.txt", Detail: "12 KB"}, Time: "12:05", Delivery: DeliveryDelivered},
	}
}

func demoVoice() *messages {
	return &messages{
		{Attachment: &Attachment{Kind: AttachmentVoice, Icon: "pause", Loudness: loudness(80), Played: 0.4, Duration: "0:12 / 0:31", Speed: "1.5×"}, Time: "12:00"},
		{Kind: MessageOutgoing, Attachment: &Attachment{Kind: AttachmentVoice, Loudness: loudness(300), Duration: "0:31"}, Time: "12:01", Delivery: DeliveryDelivered},
		{Attachment: &Attachment{Kind: AttachmentVoice, Icon: "close", Waiting: true, Loudness: loudness(30), Duration: "0:05", Detail: "40 KB"}, Time: "12:02"},
		{Kind: MessageOutgoing, Attachment: &Attachment{Kind: AttachmentVoice, Duration: "0:02"}, Text: "Listen", Time: "12:03", Delivery: DeliveryFailed},
	}
}

// demoScripts has what is written in other scripts, and what tries to harm.
func demoScripts() *messages {
	hebrew := &AvatarView{Name: "שרה 2 (עבודה)", ID: id("h")}
	return &messages{
		{Text: "שלום, מה שלומך? ראיתי 3 קבצים (photo.jpg) ב-12:30.", Time: "12:00", Author: hebrew},
		{Text: "The word שלום עולם means hello world, and 42 אחת 43 שתיים.", Time: "12:01", Author: hebrew},
		{Kind: MessageOutgoing, Text: "Open report\u202efdp.exe now", Time: "12:02", Delivery: DeliverySent},
		{Text: "Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b\u030c\u0310a\u0334\u0335\u0336\u0337\u0338\u0321lgo", Time: "12:03", Author: &AvatarView{Name: "A\u202egnp.exe", ID: id("x")}},
		{Text: "سلام، هذا نص (تجربة) 123 hello. नमस्ते दुनिया, สวัสดีชาวโลก, გამარჯობა", Time: "12:04"},
		{Text: "Привет, мир. Γειά σου κόσμε. Xin chào thế giới", Time: "12:04"},
		{Kind: MessageOutgoing, Text: "מודגש ורגיל וקישור https://example.org סוף", Spans: []Span{{Start: 0, End: 10, Bold: true}, {Start: 35, End: 54, Link: "https://example.org"}}, Time: "12:05", Delivery: DeliverySent},
		{Text: "😀👍🏽👩‍👩‍👧🇩🇪🥰🫡1️⃣❤️ and words", Time: "12:06"},
		{Text: "🥹🇫🇷", Time: "12:07"},
	}
}

// album is the source of a viewer; what is missing in it cannot be loaded.
type album []image.Image

func (a album) Len() int                   { return len(a) }
func (a album) Title(int) (string, string) { return "Bob", "Today, 12:04" }
func (a album) Video(int) (string, bool)   { return "", false }

func (a album) Load(i int, done func([]Frame, string)) {
	if a[i] == nil {
		done(nil, "The file is gone.")
		return
	}
	done([]Frame{{Image: a[i]}}, "")
}
