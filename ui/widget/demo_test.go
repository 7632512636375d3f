package widget

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

// newApp makes a test app in our theme.
func newApp(t testing.TB, mode theme.Mode) fyne.App {
	t.Helper()
	a := test.NewApp()
	a.Settings().SetTheme(theme.New(mode))
	t.Cleanup(func() { test.NewApp() })
	return a
}

// show puts an object on a canvas of its own, as the software driver draws it.
func show(o fyne.CanvasObject, width, height, scale float32) software.WindowlessCanvas {
	c := software.NewCanvas()
	c.SetPadded(false)
	c.SetScale(scale)
	c.SetContent(o)
	c.Resize(fyne.NewSize(width, height))
	return c
}

func landscape(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{0x7F, 0xB5, 0xC9, 0xFF}
			if s := y*2 + x; s > h*5/2 {
				c = color.NRGBA{0x6E, 0x8E, 0x6C, 0xFF}
			} else if s > h*3/2 {
				c = color.NRGBA{0xC9, 0xD8, 0xB6, 0xFF}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

func id(s string) []byte { return []byte(s) }

type messages []Message

func (m *messages) Len() int         { return len(*m) }
func (m *messages) At(i int) Message { return (*m)[i] }

func at(clock string) time.Time {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	return t
}

func demoMessages() *messages {
	in := func(clock, text string) Message {
		return Message{Kind: MessageIncoming, Text: text, At: at(clock), Time: clock, Day: "Today"}
	}
	out := func(clock, text string, d Delivery) Message {
		m := in(clock, text)
		m.Kind, m.Delivery = MessageOutgoing, d
		return m
	}
	picture := in("12:02", "The view from the bridge")
	picture.Attachment = &Attachment{Picture: landscape(290, 150)}
	picture.Reactions = []Reaction{{"❤", 1, false}, {"👍", 1, true}}
	answer := in("12:03", "And if one of them is taken away?")
	answer.Quote = &Quote{Author: "Alice", Text: "relays that see neither who writes nor who reads"}
	answer.New = true
	return &messages{
		{Kind: MessageService, Text: "Messages are end-to-end encrypted, also against quantum computers.", Day: "Today"},
		in("11:58", "Hi! Are you there already?"),
		in("11:58", "I found the place, it is the one with the green door"),
		out("12:01", "Yes, on the train. I read about it yesterday: relays that see neither who writes nor who reads", DeliveryDelivered),
		picture,
		answer,
		out("12:04", "Then we move to another one, and nobody loses a word. See you at 8, by the bridge", DeliverySent),
	}
}

func demoConversations() []ConversationView {
	c := func(name, preview, time string) ConversationView {
		return ConversationView{Avatar: AvatarView{Name: name, ID: id(name + "3")}, Name: name, Preview: preview, Time: time}
	}
	bob := c("Bob", "See you at 8, by the bridge", "12:04")
	bob.Delivery = DeliveryDelivered
	carol := c("Carol", "Photo", "11:40")
	carol.Unread = 3
	circle := c("Reading circle", "Dana: chapter four changed my mind about all of it", "Sun")
	circle.Muted, circle.Pinned = true, true
	heron := c("Quiet Heron", "thanks, got it", "Sat")
	heron.Incognito = true
	emil := c("Emil", "about the lease, I", "Sat")
	emil.Draft = true
	invitation := c("Invitation of 19 Nov", "waiting to be opened", "Thu")
	invitation.Avatar.Pending = true
	return []ConversationView{bob, carol, circle, heron, emil, invitation}
}

type demo struct {
	window   fyne.CanvasObject
	rail     *Rail
	list     *ConversationList
	messages *MessageList
	composer *Composer
}

// newDemo composes a main window out of the widgets.
func newDemo(panel bool) *demo {
	d := &demo{}
	d.rail = NewRail()
	d.rail.SetProfiles([]ProfileView{
		{Avatar: AvatarView{Name: "Alice", ID: id("a3")}},
		{Avatar: AvatarView{Name: "Work", ID: id("b")}, Unread: 3},
		{Avatar: AvatarView{Name: "Nora", ID: id("c")}},
	}, 0)
	d.rail.SetNetwork(NetworkTor, "Through Tor")

	conversations := demoConversations()
	d.list = NewConversationList(func() int { return len(conversations) }, func(i int) ConversationView { return conversations[i] })
	d.list.SetSelected(0)
	head := NewInset(NewBar(8, 0, NewTitle("Alice"), NewFilledIconButton("plus", "New conversation", 34, func() {})), 14, 16, 10, 16)
	search := NewInset(NewSearchField("Search or paste a link", nil), 0, 16, 6, 16)
	left := NewFixed(NewSurface(theme.ColorPanel, NewBorder(NewColumn(0, head, search), nil, nil, nil, d.list)), 300, 0)

	name := NewLabel("Bob", theme.TextBody)
	name.Bold, name.OneLine = true, true
	about := NewHint("through Tor, two relays")
	about.OneLine = true
	chatHead := NewSurface(theme.ColorPanel, NewInset(NewBar(10, 1,
		NewAvatar(AvatarView{Name: "Bob", ID: id("Bob3")}, AvatarMedium),
		NewColumn(0, name, NewBar(6, 1, NewPill("verified"), about)),
		NewIconButton("search", "Search", func() {}), NewIconButton("more", "More", func() {})), 0, 14, 0, 18))
	d.messages = NewMessageList(demoMessages())
	d.composer = NewComposer("Message")
	d.composer.OnAttach, d.composer.OnEmoji = func() {}, func() {}
	chat := NewBorder(NewColumn(0, NewFixed(chatHead, 0, 63), NewLine()), d.composer, nil, nil, d.messages)

	var right fyne.CanvasObject
	if panel {
		right = NewBorder(nil, nil, NewLine(), nil, NewFixed(NewSurface(theme.ColorPanel, demoPanel()), 300, 0))
	}
	sides := NewBorder(nil, nil, d.rail, NewLine(), left)
	d.window = NewTooltipLayer(NewSurface(theme.ColorBackground, NewBorder(nil, nil, sides, right, chat)))
	return d
}

func demoPanel() fyne.CanvasObject {
	card := func(title, text, bold string, ink fyne.ThemeColorName) fyne.CanvasObject {
		head := NewLabel(title, theme.TextSmall)
		head.Bold = true
		body := NewHint(text + " " + bold)
		body.Spans = []Span{{Start: len(text) + 1, End: len(text) + 1 + len(bold), Bold: true, Color: ink}}
		return NewCard(head, body)
	}
	name := NewLabel("Bob", theme.TextBody)
	name.Bold, name.Alignment = true, fyne.TextAlignCenter
	return NewInset(NewColumn(8,
		container.NewCenter(NewAvatar(AvatarView{Name: "Bob", ID: id("Bob3")}, AvatarLarge)), name,
		container.NewCenter(NewPill("verified 12 Nov")),
		NewGap(1, 4), NewHeading("WHO CAN SEE WHAT"),
		card("Relay one, where Bob's messages wait", "sees a queue, padded blocks and their times.", "Your address: hidden by Tor", theme.ColorAccent),
		card("Relay two, where yours wait for Bob", "sees another queue; nothing joins the two.", "Your address: hidden by Tor", theme.ColorAccent),
		card("Your network", "sees that you use Tor, when, and how much.", "It may guess when you chat", theme.ColorWarning),
		card("This computer", "keeps 1,204 messages, encrypted.", "Passphrase set", theme.ColorAccent),
		NewGap(1, 4), NewHeading("THIS CONVERSATION"),
		NewColumn(0, NewRow("Disappearing messages", "1 week", func() {}), NewLine(), NewRow("Receipts", "on", func() {}), NewLine(), NewRow("Media and files", "38", func() {}), NewLine()),
	), 22, 18)
}

func demoDialog() *Dialog {
	code, err := NewQR("simplex:/i#AbCdEfGhIjKlMnOpQrStUvWx/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 286)
	if err != nil {
		panic(err)
	}
	hint := NewHint("For one person, once. Whoever opens it first is connected to you; neither of you learns anything but the name below.")
	hint.Alignment = fyne.TextAlignCenter
	link := NewHint("simplex:/i#AbCdEfGhIjKlMnOpQrStUvWx/0123456789abcdef0123456789abcdef")
	link.OneLine = true
	box := NewSurface(theme.ColorBackground, NewInset(NewBar(8, 0, link, NewButton("Copy link", ButtonPrimary, func() {})), 0, 0, 0, 10))
	box.Radius, box.Margin = theme.FieldRadius, 4
	incognito := NewLabel("Incognito they see a random name, not Alice", theme.TextSmall)
	incognito.Color = theme.ColorSecondary
	incognito.Spans = []Span{{Start: 0, End: 9, Color: theme.ColorText}}
	foot := NewBar(10, 1, NewToggle(false, nil), incognito,
		NewButton("Save picture", ButtonText, func() {}), NewButton("Use my address", ButtonText, func() {}))
	return NewDialog("New conversation", NewColumn(16, NewTabs([]string{"Show my code", "Scan or paste"}, nil), code, NewInset(hint, 0, 50), box, foot), 560)
}

// TestCompositions draws whole windows. With SOTTO_PICTURES set to a folder they are also drawn at scale 2 and kept there for
// looking at.
func TestCompositions(t *testing.T) {
	scales := []float32{1}
	if os.Getenv("SOTTO_PICTURES") != "" {
		scales = append(scales, 2)
	}
	for _, mode := range []theme.Mode{theme.Light, theme.Dark} {
		newApp(t, mode)
		for _, scale := range scales {
			for name, build := range map[string]func() software.WindowlessCanvas{
				"main":  func() software.WindowlessCanvas { return show(newDemo(false).window, 1100, 720, scale) },
				"panel": func() software.WindowlessCanvas { return show(newDemo(true).window, 1100, 720, scale) },
				"dialog": func() software.WindowlessCanvas {
					c := show(newDemo(false).window, 1100, 720, scale)
					demoDialog().ShowOn(c)
					return c
				},
			} {
				img := build().Capture()
				if img.Bounds().Dx() != int(1100*scale) {
					t.Errorf("%s at scale %v is %v", name, scale, img.Bounds())
				}
				keep(t, fmt.Sprintf("%s-%s-%v.png", name, strings.ToLower(mode.String()), scale), img)
			}
		}
	}
}

func keep(t *testing.T, name string, img image.Image) {
	t.Helper()
	dir := os.Getenv("SOTTO_PICTURES")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}
