package widget

import (
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

func pressed(name fyne.KeyName) *fyne.KeyEvent { return &fyne.KeyEvent{Name: name} }

// partAt returns the middle of a part of a visible row, in the list.
func partAt(t *testing.T, l *MessageList, i int, kind hitKind, index int) fyne.Position {
	t.Helper()
	for _, h := range l.rows[i].hits {
		if h.kind == kind && h.index == index {
			return fyne.NewPos(h.x+h.w/2, l.rows[i].box.Position().Y+h.y+h.h/2)
		}
	}
	t.Fatalf("row %d has no part %d", i, kind)
	return fyne.Position{}
}

func tapAt(l *MessageList, p fyne.Position) {
	l.MouseDown(primary(p))
	l.MouseUp(primary(p))
}

func TestChoosing(t *testing.T) {
	var source messages
	for i := range 8 {
		source = append(source, Message{ID: int64(100 + i), Text: fmt.Sprint("message ", i)})
	}
	source[2].Kind = MessageService
	l, c := newTestList(t, &source)
	told := 0
	l.OnChosen = func() { told++ }
	l.SetChoosing(true)
	tapAt(l, partAt(t, l, 1, hitText, 0))
	up := primary(partAt(t, l, 4, hitText, 0))
	up.Modifier = fyne.KeyModifierShift
	l.MouseDown(up)
	l.MouseUp(up)
	if got := l.Chosen(); !slices.Equal(got, []int64{101, 103, 104}) {
		t.Errorf("chosen are %v", got)
	}
	tapAt(l, partAt(t, l, 3, hitText, 0))
	if l.Current() != -1 {
		t.Error("a message has the keyboard before the list has")
	}
	c.Focus(l)
	if l.Current() != 3 {
		t.Errorf("message %d has the keyboard", l.Current())
	}
	l.TypedKey(pressed(fyne.KeyDown))
	l.TypedKey(pressed(fyne.KeySpace))
	l.TypedKey(pressed(fyne.KeyDown))
	l.TypedKey(pressed(fyne.KeyReturn))
	if got := l.Chosen(); !slices.Equal(got, []int64{101, 105}) {
		t.Errorf("chosen are %v", got)
	}
	// Older messages arrive, and one that is chosen goes.
	source = slices.Insert(source, 0, Message{ID: 99, Text: "older"})
	l.InsertedAtStart(1)
	if got := l.Chosen(); !slices.Equal(got, []int64{101, 105}) {
		t.Errorf("chosen are %v", got)
	}
	source = slices.Delete(source, 2, 3)
	l.Removed(2)
	if got := l.Chosen(); !slices.Equal(got, []int64{105}) {
		t.Errorf("chosen are %v", got)
	}
	l.TypedShortcut(&fyne.ShortcutSelectAll{})
	if got := len(l.Chosen()); got != 7 {
		t.Errorf("%d messages are chosen", got)
	}
	l.TypedKey(pressed(fyne.KeyEscape))
	if l.Choosing() || len(l.Chosen()) != 0 || told != 9 {
		t.Errorf("Escape does not end choosing, or it was told %d times", told)
	}
	l.Choose(0, true)
	if len(l.Chosen()) != 0 {
		t.Error("a message was chosen afterwards")
	}
}

func TestSecretsStayUncovered(t *testing.T) {
	source := messages{{ID: 7, Text: "it is hunter2", Spans: []Span{{Start: 6, End: 13, Secret: true}}}}
	l, _ := newTestList(t, &source)
	drawn := func() bool {
		for _, o := range l.rows[len(source)-1].texts[:l.rows[len(source)-1].nText] {
			if o.Text == "hunter2" {
				return true
			}
		}
		return false
	}
	if drawn() {
		t.Fatal("the secret is shown")
	}
	tapAt(l, textPoint(t, l, 0, 9))
	if !drawn() {
		t.Error("the secret is still covered")
	}
	source = slices.Insert(source, 0, Message{ID: 6, Text: "older"})
	l.InsertedAtStart(1)
	l.Changed(1)
	if !drawn() {
		t.Error("the secret is covered again")
	}
}

func TestButtonsBesideAMessage(t *testing.T) {
	source := messages{{Text: "one"}, {Text: "two", Kind: MessageOutgoing}, {Text: "joined", Kind: MessageService}}
	l, _ := newTestList(t, &source)
	var got []string
	l.OnReply = func(i int) { got = append(got, fmt.Sprint("reply", i)) }
	l.OnReact = func(i int, _ fyne.Position) { got = append(got, fmt.Sprint("react", i)) }
	l.OnMenu = func(i int, _ fyne.Position) { got = append(got, fmt.Sprint("menu", i)) }
	for i := range 2 {
		l.MouseMoved(primary(partAt(t, l, i, hitText, 0)))
		if !l.buttons.box.Visible() {
			t.Fatalf("message %d has no buttons", i)
		}
		for n := range 3 {
			p := l.buttons.pos.AddXY(2+(float32(n)+0.5)*hoverSide, 10)
			l.MouseMoved(primary(p)) // on the way they must not vanish
			if l.Cursor() != desktop.PointerCursor {
				t.Error("the pointer does not say that there is a button")
			}
			tapAt(l, p)
		}
	}
	if want := "[react0 reply0 menu0 react1 reply1 menu1]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	l.MouseMoved(primary(partAt(t, l, 2, hitBubble, 0)))
	if l.buttons.box.Visible() {
		t.Error("a line of the service has buttons")
	}
	l.MouseMoved(primary(partAt(t, l, 0, hitText, 0)))
	l.MouseOut()
	if l.buttons.box.Visible() || l.buttons.buttonAt(l.buttons.pos.AddXY(5, 5)) >= 0 {
		t.Error("the buttons stay when the pointer leaves")
	}
}

func TestMediaTaps(t *testing.T) {
	p := landscape(40, 40)
	source := messages{
		{Attachment: &Attachment{Kind: AttachmentPicture, Picture: p}},
		{Attachment: &Attachment{Kind: AttachmentVoice, Loudness: loudness(40), Speed: "1×"}},
		{Text: "x", Preview: &LinkPreview{Title: "A page", Link: "https://example.org"}},
	}
	l, c := newTestList(t, &source)
	c.Resize(fyne.NewSize(500, 800))
	var got []string
	l.OnAttachment = func(i int) { got = append(got, fmt.Sprint("attachment", i)) }
	l.OnSeek = func(i int, part float32) { got = append(got, fmt.Sprintf("seek %d %.1f", i, part)) }
	l.OnSpeed = func(i int) { got = append(got, fmt.Sprint("speed", i)) }
	l.OnLink = func(i int, link string) { got = append(got, link) }
	tapAt(l, partAt(t, l, 0, hitAttachment, 0))
	tapAt(l, partAt(t, l, 1, hitAttachment, 0))
	tapAt(l, partAt(t, l, 1, hitWave, 0))
	tapAt(l, partAt(t, l, 1, hitSpeed, 0))
	tapAt(l, partAt(t, l, 2, hitPreview, 0))
	if want := "[attachment0 attachment1 seek 1 0.5 speed1 https://example.org]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	l.MouseMoved(primary(partAt(t, l, 2, hitPreview, 0)))
	if l.hint.text != "https://example.org" {
		t.Errorf("the tooltip says %q", l.hint.text)
	}
	l.MouseOut()
}

func TestLinksShowWhereTheyLead(t *testing.T) {
	source := messages{{Text: "go to bank.example now", Spans: []Span{{Start: 6, End: 18, Link: "https://evil.example/" + strings.Repeat("x", 500), Lies: true}}}}
	l, _ := newTestList(t, &source)
	l.MouseMoved(primary(textPoint(t, l, 0, 9)))
	if !strings.HasPrefix(l.hint.text, "https://evil.example/") || len(l.hint.text) > 100 {
		t.Errorf("the tooltip says %q", l.hint.text)
	}
	l.MouseMoved(primary(textPoint(t, l, 0, 1)))
	if l.hint.text != "" {
		t.Errorf("beside the link the tooltip says %q", l.hint.text)
	}
}

func TestRightToLeftSelection(t *testing.T) {
	source := messages{{Text: "אבג abc דהו"}}
	l, _ := newTestList(t, &source)
	r := l.rows[0]
	// From the right edge of the line to the left one everything is selected.
	y := r.box.Position().Y + r.textTop + 5
	l.MouseDown(primary(fyne.NewPos(r.textLeft+r.textW-1, y)))
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(r.textLeft+1, y)}})
	if got := l.SelectedText(); got != source[0].Text {
		t.Errorf("selected %q", got)
	}
	l.DragEnd()
}

// overlayTest shows something over an empty window.
func overlayTest(t *testing.T) software.WindowlessCanvas {
	t.Helper()
	newApp(t, theme.Light)
	w := test.NewWindow(NewGap(1, 1))
	w.SetPadded(false)
	w.Resize(fyne.NewSize(600, 600))
	t.Cleanup(w.Close)
	return w.Canvas().(software.WindowlessCanvas)
}

func TestMenu(t *testing.T) {
	c := overlayTest(t)
	var got []string
	do := func(what string) func() { return func() { got = append(got, what) } }
	open := func() *menuBody {
		p := ShowMenu(c, fyne.NewPos(590, 590), Menu{Emoji: []string{"👍", "🚀"}, OnEmoji: func(e string) { got = append(got, e) }, OnMoreEmoji: do("more"),
			Items: []MenuItem{{Text: "why"}, {Text: "Reply", Do: do("reply")}, {Text: "Delete", Do: do("delete"), Line: true}}})
		if p.card.X+p.cardSize.Width > 600 || p.card.Y+p.cardSize.Height > 600 {
			t.Errorf("the menu is at %v, %v", p.card, p.cardSize)
		}
		return p.content.(*menuBody)
	}
	for _, keys := range [][]fyne.KeyName{
		{fyne.KeyDown, fyne.KeyReturn},
		{fyne.KeyDown, fyne.KeyDown, fyne.KeyDown, fyne.KeySpace},
		{fyne.KeyUp, fyne.KeyReturn},
		{fyne.KeyRight, fyne.KeyRight, fyne.KeyReturn},
		{fyne.KeyRight, fyne.KeyRight, fyne.KeyRight, fyne.KeyRight, fyne.KeyReturn},
		{fyne.KeyReturn, fyne.KeyEscape},
	} {
		b := open()
		if c.Focused() != fyne.Focusable(b) {
			t.Fatal("the menu has not got the keyboard")
		}
		for _, k := range keys {
			b.TypedKey(pressed(k))
		}
		if c.Overlays().Top() != nil {
			t.Fatalf("%v leaves the menu open", keys)
		}
	}
	b := open()
	b.Tapped(&fyne.PointEvent{Position: fyne.NewPos(30, 80)}) // the line that cannot be chosen
	if c.Overlays().Top() == nil {
		t.Fatal("a line without a deed closes the menu")
	}
	for _, cell := range b.cells {
		if cell.index == len(b.cells)-1 {
			b.MouseMoved(primary(fyne.NewPos(cell.x+5, cell.y+5)))
			b.Tapped(&fyne.PointEvent{Position: fyne.NewPos(cell.x+5, cell.y+5)})
			break
		}
	}
	p := open()
	test.TapCanvas(c, fyne.NewPos(3, 3))
	if c.Overlays().Top() != nil {
		t.Error("a tap beside the menu leaves it open")
		p.close()
	}
	if want := "[reply delete delete 🚀 more delete]"; fmt.Sprint(got) != want {
		t.Errorf("did %v, want %v", got, want)
	}
}

func TestEmojiPicker(t *testing.T) {
	c := overlayTest(t)
	var got []string
	p := ShowEmojiPicker(c, fyne.NewPos(10, 10), []string{"🚀", "no emoji", "👍🏽"}, func(e string) { got = append(got, e) })
	picker := p.content.(*EmojiPicker)
	if c.Focused() != fyne.Focusable(picker.search.Entry) {
		t.Fatal("the field has not got the keyboard")
	}
	grid := picker.grid
	picker.search.Entry.TypedKey(pressed(fyne.KeyDown))
	grid.TypedKey(pressed(fyne.KeyRight))
	grid.TypedKey(pressed(fyne.KeyReturn)) // the second of those used lately
	grid.TypedKey(pressed(fyne.KeyDown))
	grid.TypedKey(pressed(fyne.KeyReturn)) // the second of the smileys
	grid.TypedRune('p')
	picker.search.Entry.SetText("pizza")
	picker.search.Entry.TypedKey(pressed(fyne.KeyReturn))
	if want := "[👍🏽 😃 🍕]"; fmt.Sprint(got) != want {
		t.Errorf("chose %v, want %v", got, want)
	}
	picker.search.Entry.SetText("no such emoji")
	picker.search.Entry.TypedKey(pressed(fyne.KeyReturn))
	c.Capture()
	picker.search.Entry.SetText("")
	got = nil
	last := grid.tabs[len(grid.tabs)-1]
	grid.Tapped(&fyne.PointEvent{Position: fyne.NewPos(grid.width()-20, 10)})
	if grid.offset < last.y-pickerHeight || len(grid.items) < 1800 {
		t.Errorf("the tab of the flags leads to %v of %v", grid.offset, last.y)
	}
	drawn := grid.nEmoji
	if drawn > 9*9+len(grid.tabs)+1 {
		t.Errorf("%d emoji are drawn", drawn)
	}
	grid.Tapped(&fyne.PointEvent{Position: fyne.NewPos(40, pickerTabs+60)})
	if len(got) != 1 {
		t.Errorf("a tap chose %v", got)
	}
	for range 3000 {
		grid.Scrolled(&fyne.ScrollEvent{Scrolled: fyne.Delta{DY: -50}})
	}
	grid.TypedKey(pressed(fyne.KeyEnd))
	grid.TypedKey(pressed(fyne.KeyPageUp))
	grid.TypedKey(pressed(fyne.KeyHome))
	grid.TypedKey(pressed(fyne.KeyUp)) // back into the field
	if c.Focused() != fyne.Focusable(picker.search.Entry) {
		t.Error("Up does not lead back to the field")
	}
	picker.search.Entry.TypedKey(pressed(fyne.KeyEscape))
	if c.Overlays().Top() != nil {
		t.Error("Escape leaves the picker open")
	}
}

func TestViewer(t *testing.T) {
	c := overlayTest(t)
	v := NewViewer(album{landscape(900, 600), landscape(30, 30), nil, image.NewNRGBA(image.Rectangle{})}, 0)
	closed := false
	v.OnClosed = func() { closed = true }
	v.ShowOn(c)
	s := v.stage
	if c.Focused() != fyne.Focusable(s) {
		t.Fatal("the viewer has not got the keyboard")
	}
	if w := s.shown().Width; w != 568 {
		t.Errorf("the picture is %v wide in a window of 600", w)
	}
	s.TypedRune('+')
	s.Dragged(&fyne.DragEvent{Dragged: fyne.Delta{DX: 10_000, DY: 10_000}})
	if x := s.centre.X - s.shown().Width/2 + s.Size().Width/2; x > 0.5 {
		t.Errorf("the picture was dragged out of the window to %v", x)
	}
	s.TypedKey(pressed(fyne.KeyRight)) // moves the large picture
	if v.At() != 0 {
		t.Error("Right leaves a picture that is larger than the window")
	}
	s.Scrolled(&fyne.ScrollEvent{Scrolled: fyne.Delta{DY: 1e9}, PointEvent: fyne.PointEvent{Position: fyne.NewPos(5, 5)}})
	s.DoubleTapped(&fyne.PointEvent{Position: s.middle()})
	if s.zoom != 1 {
		t.Errorf("the zoom is %v", s.zoom)
	}
	s.TypedKey(pressed(fyne.KeyRight))
	if w := s.shown().Width; w != 30 {
		t.Errorf("a small picture is %v wide", w)
	}
	s.TypedKey(pressed(fyne.KeyEnd))
	s.TypedRune('+')
	s.Scrolled(&fyne.ScrollEvent{Scrolled: fyne.Delta{DY: -20}})
	s.TypedKey(pressed(fyne.KeyPageUp))
	if v.At() != 2 || v.note.Text != "The file is gone." {
		t.Errorf("picture %d says %q", v.At(), v.note.Text)
	}
	c.Capture()
	s.TypedKey(pressed(fyne.KeyHome))
	s.TypedKey(pressed(fyne.KeyEscape))
	if !closed || c.Overlays().Top() != nil {
		t.Error("Escape leaves the viewer open")
	}
}

func TestCropper(t *testing.T) {
	newApp(t, theme.Light)
	c := NewCropper(landscape(300, 200))
	c.Resize(fyne.NewSize(300, 300))
	if got := c.Square(); got != image.Rect(50, 0, 250, 200) {
		t.Errorf("it begins with %v", got)
	}
	c.TypedRune('-')
	c.TypedRune('-')
	c.Dragged(&fyne.DragEvent{Dragged: fyne.Delta{DX: -1000, DY: 1000}})
	got := c.Square()
	if got.Min.X != 0 || got.Max.Y != 200 || got.Dx() != got.Dy() || got.Dx() != 162 {
		t.Errorf("at the lower left it is %v", got)
	}
	for range 100 {
		c.Scrolled(&fyne.ScrollEvent{Scrolled: fyne.Delta{DY: 1}})
		c.TypedKey(pressed(fyne.KeyRight))
	}
	if got = c.Square(); got.Dx() < 31 || got.Max.X > 300 {
		t.Errorf("the smallest square is %v", got)
	}
	NewCropper(image.NewNRGBA(image.Rectangle{})).Square() // must not fail
}

func TestComposerBannerAndAttachments(t *testing.T) {
	newApp(t, theme.Light)
	c := NewComposer("Message")
	var got []string
	c.OnSend = func(text string) { got = append(got, "send "+text) }
	c.OnCancel = func() { got = append(got, "cancel"); c.SetBanner(nil) }
	c.OnEscape = func() { got = append(got, "escape") }
	c.OnRemove = func(i int) { got = append(got, fmt.Sprint("remove ", i)) }
	w := test.NewWindow(c)
	defer w.Close()
	w.Resize(fyne.NewSize(500, 200))
	low := c.MinSize().Height
	c.SetBanner(&ComposerBanner{Icon: "reply", Title: "Bob", Text: "Hi"})
	if c.MinSize().Height <= low {
		t.Error("the banner has no room")
	}
	w.Canvas().Focus(c.editor)
	c.editor.TypedKey(pressed(fyne.KeyEscape))
	c.editor.TypedKey(pressed(fyne.KeyEscape))
	if c.MinSize().Height != low {
		t.Error("the room of the banner stays")
	}
	if !c.send.Disabled() {
		t.Error("nothing can be sent")
	}
	c.SetAttachments([]ComposerAttachment{{Name: "a.txt"}, {Picture: landscape(9, 9)}})
	test.Tap(c.tiles[1].remove)
	test.Tap(c.send)
	c.SetAttachments(nil)
	test.Tap(c.send)
	if want := "[cancel escape remove 1 send ]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestComposerRecordsVoice(t *testing.T) {
	newApp(t, theme.Light)
	c := NewComposer("Message")
	var got []string
	c.OnSend = func(text string) { got = append(got, "send "+text) }
	c.OnVoice = func() { got = append(got, "voice"); c.SetRecording(&ComposerRecording{Time: "0:00"}) }
	c.OnVoiceDone = func(send bool) { got = append(got, fmt.Sprint("done ", send)); c.SetRecording(nil) }
	w := test.NewWindow(c)
	defer w.Close()
	w.Resize(fyne.NewSize(500, 100))
	if c.send.iconName != "mic" || c.send.Disabled() {
		t.Fatal("there is no microphone")
	}
	test.Tap(c.send)
	c.SetRecording(&ComposerRecording{Time: "0:01", Loudness: loudness(500)})
	w.Canvas().Capture()
	if c.send.iconName != "send" || w.Canvas().Focused() != fyne.Focusable(c.send) {
		t.Error("the recording cannot be sent with the keyboard")
	}
	c.send.TypedKey(pressed(fyne.KeyReturn))
	test.Tap(c.send)
	c.send.TypedKey(pressed(fyne.KeyEscape))
	test.Tap(c.send)
	test.Tap(c.attach)
	c.editor.SetText("text")
	if c.send.iconName != "send" {
		t.Error("a text cannot be sent")
	}
	test.Tap(c.send)
	if want := "[voice done true voice done false voice done false send text]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestHostileMedia draws attachments that make no sense.
func TestHostileMedia(t *testing.T) {
	long := strings.Repeat("ü\u202e", 20_000)
	source := messages{
		{Attachment: &Attachment{Kind: AttachmentPicture}},
		{Attachment: &Attachment{Kind: AttachmentPicture}, Album: true},
		{Text: "x"},
		{Attachment: &Attachment{Kind: AttachmentPicture, Duration: long, Icon: "close"}, Album: true, Reactions: []Reaction{{Emoji: long}}},
		{Attachment: &Attachment{Kind: AttachmentPicture, Width: 1 << 30, Height: 1, Detail: long, Icon: "no such icon"}},
		{Attachment: &Attachment{Kind: AttachmentVideo, Width: 1, Height: 1 << 30, Duration: long}},
		{Attachment: &Attachment{Kind: AttachmentVoice, Loudness: make([]byte, 1<<20), Played: 99, Duration: long, Speed: "1×"}},
		{Attachment: &Attachment{Kind: AttachmentKind(99), Name: long, Detail: long, Progress: -5}},
		{Preview: &LinkPreview{Title: long, Description: long, Host: long, Picture: image.NewNRGBA(image.Rectangle{})}},
		{Preview: &LinkPreview{}},
		{Text: "x", Found: [][2]int{{-5, 99}, {5, 2}}, Reactions: []Reaction{{Emoji: long, Count: -1}, {Emoji: "\u202e"}}},
		{Quote: &Quote{Icon: "x", Picture: image.NewNRGBA(image.Rectangle{}), Text: long, Author: long}},
	}
	l, c := newTestList(t, &source)
	for _, width := range []float32{240, 900} {
		c.Resize(fyne.NewSize(width, 600))
		for i := range source {
			l.ScrollTo(i, true)
			check(t, l)
			c.Capture()
		}
	}
}

func benchmarkRow(b *testing.B, m Message) {
	newApp(b, theme.Light)
	r := newMessageRow()
	for b.Loop() {
		r.textKey, r.text = rowTextKey{}, textLayout{}
		r.draw(m, rowState{}, 740)
	}
}

func BenchmarkDrawLongWord(b *testing.B) {
	benchmarkRow(b, Message{Text: strings.Repeat("x", 1<<20)})
}
func BenchmarkDrawManyEmoji(b *testing.B) {
	benchmarkRow(b, Message{Text: strings.Repeat("👩‍👩‍👧", 10_000)})
}
func BenchmarkDrawZalgo(b *testing.B) {
	benchmarkRow(b, Message{Text: strings.Repeat("e"+strings.Repeat("\u0301", 50), 2000)})
}

func BenchmarkDrawRightToLeft(b *testing.B) {
	benchmarkRow(b, Message{Text: strings.Repeat("שלום עולם 123 (abc), ", 20)})
}

// BenchmarkBacklog500 shows 500 messages that came while the conversation was open.
func BenchmarkBacklog500(b *testing.B) {
	l, source, _ := benchmarkList(b)
	for b.Loop() {
		for range 500 {
			source.n++
			l.InsertedAtEnd(1)
		}
	}
}

func BenchmarkOpenEmojiPicker(b *testing.B) {
	newApp(b, theme.Light)
	for b.Loop() {
		p := NewEmojiPicker(nil, nil)
		p.Resize(p.MinSize())
	}
}
