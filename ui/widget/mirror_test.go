package widget

import (
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

// turnAround lays out from right to left until the test ends.
func turnAround(t *testing.T) {
	SetMirrored(true)
	t.Cleanup(func() { SetMirrored(false) })
}

// What is drawn and where it is tapped turn around together, but not the order of the letters in a text.
func TestMirroredBubble(t *testing.T) {
	newApp(t, theme.Light)
	const width = 600
	draw := func(m Message) *messageRow {
		r := newMessageRow()
		r.draw(m, rowState{selFrom: -1, selTo: -1}, width)
		return r
	}
	own := Message{Kind: MessageOutgoing, Text: "some text", Time: "12:00", Quote: &Quote{Author: "Bob", Text: "a question"}, Delivery: DeliveryFailed}
	plain := draw(own)
	turnAround(t)
	turned := draw(own)
	if want := width - plain.bubble.x - plain.bubble.w; turned.bubble.x != want {
		t.Errorf("the bubble is at %v, want %v", turned.bubble.x, want)
	}
	if len(turned.hits) != len(plain.hits) {
		t.Fatalf("%d places to tap, were %d", len(turned.hits), len(plain.hits))
	}
	for i, h := range plain.hits {
		if got := turned.hits[i]; got.kind != h.kind || got.x != width-h.x-h.w {
			t.Errorf("a place to tap is %+v, was %+v", got, h)
		}
	}
	last := 0
	for x := turned.textLeft; x < turned.textLeft+turned.text.width; x++ {
		at := turned.offsetAt(fyne.NewPos(x, turned.textTop+1))
		if at < last {
			t.Fatalf("the letters run backwards: %d after %d", at, last)
		}
		last = at
	}
	if last < len(own.Text)-1 {
		t.Errorf("the text ends at %d of %d", last, len(own.Text))
	}
	if other := draw(Message{Kind: MessageIncoming, Text: "some text", Time: "12:00"}); other.bubble.x+other.bubble.w != width-listMargin {
		t.Errorf("a bubble of the other side ends at %v", other.bubble.x+other.bubble.w)
	}
}

func TestMirroredTabs(t *testing.T) {
	newApp(t, theme.Light)
	turnAround(t)
	tabs := NewTabs([]string{"one", "two", "three"}, nil)
	tabs.Resize(fyne.NewSize(300, 40))
	for x, want := range map[float32]int{280: 0, 150: 1, 20: 2} {
		tabs.Tapped(&fyne.PointEvent{Position: fyne.NewPos(x, 20)})
		if tabs.Selected() != want {
			t.Errorf("at %v is tab %d, want %d", x, tabs.Selected(), want)
		}
	}
	tabs.Select(1)
	tabs.TypedKey(&fyne.KeyEvent{Name: fyne.KeyLeft})
	if tabs.Selected() != 2 {
		t.Error("the arrow to the left leads to the right")
	}
}

// A layout that is done twice stays as it is.
func TestMirrorTwice(t *testing.T) {
	turnAround(t)
	a, b := NewGap(20, 10), NewGap(30, 10)
	bar := NewBar(8, -1, a, b)
	for range 2 {
		bar.Resize(fyne.NewSize(200, 10))
		bar.Refresh()
		if a.Position().X != 180 || b.Position().X != 142 {
			t.Errorf("the objects are at %v and %v", a.Position().X, b.Position().X)
		}
	}
}

// What gets the keyboard is scrolled into sight.
func TestReveal(t *testing.T) {
	newApp(t, theme.Light)
	column := NewColumn(0)
	for range 30 {
		column.Add(NewSurface(theme.ColorPanel, NewButton("x", ButtonText, nil)))
	}
	scroll := container.NewVScroll(column)
	w := test.NewWindow(NewTooltipLayer(scroll))
	defer w.Close()
	w.Resize(fyne.NewSize(300, 200))
	c := w.Canvas()
	for i, o := range []int{29, 0, 15} {
		button := column.Objects[o].(*Surface).Content.(*Button)
		c.Focus(button)
		y := fyne.CurrentApp().Driver().AbsolutePositionForObject(button).Y - fyne.CurrentApp().Driver().AbsolutePositionForObject(scroll).Y
		if y < 0 || y+button.Size().Height > scroll.Size().Height {
			t.Errorf("%d: the button is at %v of %v", i, y, scroll.Size().Height)
		}
	}
}

// A menu opens to the left of the pointer.
func TestMirroredMenu(t *testing.T) {
	newApp(t, theme.Light)
	turnAround(t)
	w := test.NewWindow(NewTooltipLayer(NewGap(1, 1)))
	defer w.Close()
	w.Resize(fyne.NewSize(600, 400))
	for at, want := range map[float32]float32{300: 300, 100: 8 + 170, 600: 592} { // the right edge: at the pointer, as far as there is room
		p := ShowMenu(w.Canvas(), fyne.NewPos(at, 50), Menu{Items: []MenuItem{{Text: "one", Do: func() {}}}})
		if right := p.card.X + p.cardSize.Width; right != want {
			t.Errorf("at %v the menu ends at %v, want %v", at, right, want)
		}
		p.Close()
	}
}

// Of more attachments than there is room for, the first ones are in sight.
func TestMirroredAttachments(t *testing.T) {
	newApp(t, theme.Light)
	turnAround(t)
	c := NewComposer("")
	w := test.NewWindow(NewTooltipLayer(c))
	defer w.Close()
	w.Resize(fyne.NewSize(500, 200))
	c.SetAttachments([]ComposerAttachment{{Name: "first"}, {Name: "second"}, {Name: "third"}, {Name: "fourth"}})
	d := fyne.CurrentApp().Driver()
	strip, first := d.AbsolutePositionForObject(c.strip), d.AbsolutePositionForObject(c.tiles[0])
	if first.X < strip.X || first.X+c.tiles[0].Size().Width > strip.X+c.strip.Size().Width {
		t.Errorf("the first one is at %v, in %v to %v", first.X, strip.X, strip.X+c.strip.Size().Width)
	}
}

// The prompt of an empty field is at its right, before what else stands there.
func TestMirroredPrompt(t *testing.T) {
	newApp(t, theme.Light)
	turnAround(t)
	for _, e := range []*Entry{NewEntry("some prompt"), NewPasswordEntry("some prompt"), NewTextEntry("some prompt", 3)} {
		w := test.NewWindow(e)
		w.Resize(fyne.NewSize(400, 100))
		end := e.Size().Width - theme.FieldPadding
		if e.Password {
			end -= e.ActionItem.MinSize().Width
		}
		text := e.drawn.box.Objects[0]
		if right := text.Position().X + text.Size().Width; right < end-2 || right > end+2 || e.drawn.box.Hidden {
			t.Errorf("the prompt ends at %v, want %v", right, end)
		}
		e.SetText("some text")
		if !e.drawn.box.Hidden {
			t.Error("the prompt is behind the text")
		}
		e.SetText("")
		e.SetPlaceHolder("another")
		if e.drawn.box.Hidden || e.drawn.text != "another" {
			t.Errorf("the prompt is %q", e.drawn.text)
		}
		w.Close()
	}
}

// A sentence of the interface that begins with a name in another script is read from the right all the same; what people write is as they
// begin it.
func TestMirroredSentence(t *testing.T) {
	newApp(t, theme.Light)
	const text = "Bob: لم تُرسل رسالة."
	if NewLabel(text, theme.TextBody).lay(0).lines[0].rtl {
		t.Error("it is read from the right in a window that is not")
	}
	turnAround(t)
	if !NewLabel(text, theme.TextBody).lay(0).lines[0].rtl {
		t.Error("it is read from the left")
	}
	if NewLabel("Bob", theme.TextBody).lay(0).lines[0].rtl {
		t.Error("a name is read from the right")
	}
	if layoutText(text, nil, theme.TextBody, fyne.TextStyle{}, 0).lines[0].rtl {
		t.Error("a message is not read as it begins")
	}
}
