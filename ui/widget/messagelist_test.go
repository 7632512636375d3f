package widget

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

// generated is a source of n messages of different lengths and kinds that counts how often it is asked.
type generated struct {
	n     int
	first int // the number of the first message, which falls as older ones are loaded
	asked int
}

func (g *generated) Len() int { return g.n }

func (g *generated) At(i int) Message {
	g.asked++
	k := i + g.first
	m := Message{Kind: MessageKind(k / 3 % 2), At: time.Unix(int64(k)*200, 0), Time: "12:00", Day: fmt.Sprint("Day ", k/50)}
	m.Text = fmt.Sprintf("message %d ", k) + strings.Repeat("some more words ", k*7%11)
	if m.Kind == MessageOutgoing {
		m.Delivery = DeliveryDelivered
	}
	return m
}

func newTestList(t testing.TB, source MessageSource) (*MessageList, software.WindowlessCanvas) {
	t.Helper()
	newApp(t, theme.Light)
	l := NewMessageList(source)
	w := test.NewWindow(l)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(500, 600))
	t.Cleanup(w.Close)
	return l, w.Canvas().(software.WindowlessCanvas)
}

// check fails if the rows on screen overlap, leave a gap, or do not fill the list.
func check(t *testing.T, l *MessageList) {
	t.Helper()
	first, last := l.VisibleRows()
	y := l.y
	for i := first; i <= last; i++ {
		r, ok := l.rows[i]
		if !ok {
			t.Fatalf("row %d of %d..%d is not there", i, first, last)
		}
		if got := r.box.Position().Y; got-y > 0.01 || y-got > 0.01 {
			t.Fatalf("row %d is at %v, want %v", i, got, y)
		}
		y += r.height
	}
	if len(l.rows) != last-first+1 {
		t.Errorf("%d rows exist, %d are visible", len(l.rows), last-first+1)
	}
	if l.y > listEdge+0.01 && first > 0 {
		t.Errorf("there is a gap of %v above row %d", l.y, first)
	}
	if y < l.Size().Height-listEdge-0.01 && !l.atEnd {
		t.Errorf("the rows end at %v of %v", y, l.Size().Height)
	}
}

func bottom(l *MessageList) float32 {
	r := l.rows[l.last]
	return r.box.Position().Y + r.height
}

func TestListOpensAtTheEndAndAsksForFewRows(t *testing.T) {
	source := &generated{n: 100_000}
	l, _ := newTestList(t, source)
	check(t, l)
	if first, last := l.VisibleRows(); last != 99_999 || last-first > 40 {
		t.Errorf("rows %d to %d are visible", first, last)
	}
	if source.asked > 2000 {
		t.Errorf("the source was asked %d times", source.asked)
	}
	if !l.AtEnd() || !l.jump.Hidden {
		t.Error("the list is not at its end")
	}
}

func TestScrollingKeepsRowsTogether(t *testing.T) {
	l, c := newTestList(t, &generated{n: 2000})
	for range 300 {
		test.Scroll(c, fyne.NewPos(100, 100), 0, 137)
		check(t, l)
	}
	if first, _ := l.VisibleRows(); first > 1500 {
		t.Errorf("scrolling up led to row %d only", first)
	}
	for i := 0; !l.AtEnd(); i++ {
		l.ScrollBy(-491)
		check(t, l)
		if i > 2000 {
			t.Fatal("the end is never reached")
		}
	}
	if got := bottom(l); got < 583.9 || got > 584.1 {
		t.Errorf("the last row ends at %v, want 584", got)
	}
	l.ScrollBy(-100)
	check(t, l)
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyHome})
	check(t, l)
	if first, _ := l.VisibleRows(); first != 0 || l.y != listEdge {
		t.Errorf("Home shows row %d at %v", first, l.y)
	}
	l.ScrollBy(1000)
	if l.y != listEdge {
		t.Errorf("the list was pulled down to %v", l.y)
	}
	for range 3 {
		l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyPageDown})
		check(t, l)
	}
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyPageUp})
	check(t, l)
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEnd})
	if !l.AtEnd() {
		t.Error("End does not show the end")
	}
}

func TestNewMessageAtTheEnd(t *testing.T) {
	source := &generated{n: 100}
	l, _ := newTestList(t, source)
	source.n += 2
	l.InsertedAtEnd(2)
	check(t, l)
	if _, last := l.VisibleRows(); last != 101 || !l.AtEnd() {
		t.Errorf("the list shows row %d as its last", last)
	}

	// Away from the end nothing moves, and the button counts.
	l.ScrollBy(900)
	first, _ := l.VisibleRows()
	y := l.y
	incoming := 0
	for i := range 7 {
		if source.At(source.n+i).Kind == MessageIncoming {
			incoming++
		}
	}
	source.n += 7
	l.InsertedAtEnd(7)
	check(t, l)
	if f, _ := l.VisibleRows(); f != first || l.y != y {
		t.Errorf("the list moved from row %d at %v to %d at %v", first, y, f, l.y)
	}
	if l.jump.Hidden || l.jump.badge.count != incoming {
		t.Errorf("the button is hidden: %v, and counts %d, want %d", l.jump.Hidden, l.jump.badge.count, incoming)
	}
	test.Tap(l.jump)
	if !l.AtEnd() || !l.jump.Hidden || l.unseen != 0 {
		t.Error("the button does not lead to the end")
	}
}

func TestOlderMessagesAreAskedForAndDoNotMoveTheRest(t *testing.T) {
	source := &generated{n: 60, first: 1000}
	l, _ := newTestList(t, source)
	asked := 0
	l.OnOlder = func() { asked++ }
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyHome})
	l.ScrollBy(-30)
	if asked != 1 {
		t.Fatalf("older messages were asked for %d times", asked)
	}
	text := l.rows[l.top].message.Text
	y := l.y
	source.n, source.first = source.n+50, source.first-50
	l.InsertedAtStart(50)
	check(t, l)
	if got := l.rows[l.top].message.Text; got != text || l.y != y {
		t.Errorf("the list shows %q at %v, want %q at %v", got, l.y, text, y)
	}
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyHome})
	if asked != 2 {
		t.Errorf("older messages were asked for %d times", asked)
	}
	// A callback that answers at once must not confuse the list.
	l.OnOlder = func() {
		if source.n < 400 {
			source.n, source.first = source.n+50, source.first-50
			l.InsertedAtStart(50)
		}
	}
	l.InsertedAtStart(0)
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyHome})
	check(t, l)
}

func TestChangedAndRemovedRows(t *testing.T) {
	source := messages{}
	for i := range 60 {
		source = append(source, Message{Text: fmt.Sprint("message ", i), Time: "12:00", Day: "Today"})
	}
	l, _ := newTestList(t, &source)
	first, _ := l.VisibleRows()
	i := first + 3
	source[i].Text = strings.Repeat("longer ", 80)
	l.Changed(i)
	check(t, l)
	if !l.AtEnd() || bottom(l) > 584.1 {
		t.Error("the list left its end")
	}
	l.ScrollBy(800)
	first, _ = l.VisibleRows()
	y := l.y
	source[first+2].Reactions = []Reaction{{"👍", 1, true}}
	l.Changed(first + 2)
	check(t, l)
	if f, _ := l.VisibleRows(); f != first || l.y != y {
		t.Error("the list moved")
	}
	source = append(source[:first+1], source[first+2:]...)
	l.Removed(first + 1)
	check(t, l)
	if l.rows[first+1].message.Text != source[first+1].Text {
		t.Errorf("row %d shows %q", first+1, l.rows[first+1].message.Text)
	}
	source = nil
	l.Reset()
	if f, last := l.VisibleRows(); f != 0 || last != -1 || len(l.rows) != 0 {
		t.Error("an empty conversation has rows")
	}
	l.ScrollBy(10)
	l.TypedKey(&fyne.KeyEvent{Name: fyne.KeyUp})
	source = messages{{Text: "hello"}}
	l.Reset()
	check(t, l)
}

func TestResizeKeepsTheAnchor(t *testing.T) {
	l, c := newTestList(t, &generated{n: 500})
	l.ScrollTo(250, true)
	check(t, l)
	first, _ := l.VisibleRows()
	for _, w := range []float32{320, 900, 500} {
		c.Resize(fyne.NewSize(w, 600))
		check(t, l)
		if f, _ := l.VisibleRows(); f < first-1 || f > first+1 {
			t.Errorf("at a width of %v row %d is on top, before %d", w, f, first)
		}
	}
	l.ScrollToEnd()
	c.Resize(fyne.NewSize(420, 300))
	check(t, l)
	if !l.AtEnd() {
		t.Error("the list left its end")
	}
	for _, size := range []fyne.Size{{}, {Width: 20, Height: 20}, {Width: 300, Height: 10}} {
		l.Resize(size) // must not fail
	}
}

func TestScrollBar(t *testing.T) {
	l, _ := newTestList(t, &generated{n: 5000})
	press := func(y float32) {
		l.MouseDown(&desktop.MouseEvent{Button: desktop.MouseButtonPrimary, PointEvent: fyne.PointEvent{Position: fyne.NewPos(496, y)}})
	}
	press(300)
	check(t, l)
	if first, _ := l.VisibleRows(); first < 2200 || first > 2800 {
		t.Errorf("the middle of the bar shows row %d of 5000", first)
	}
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(496, 0)}})
	check(t, l)
	if first, _ := l.VisibleRows(); first != 0 {
		t.Errorf("the top of the bar shows row %d", first)
	}
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(496, 900)}})
	check(t, l)
	if !l.AtEnd() {
		t.Error("the foot of the bar does not show the end")
	}
	l.DragEnd()
}

// textPoint returns the position in the list of a byte of the text of a visible row.
func textPoint(t *testing.T, l *MessageList, i, offset int) fyne.Position {
	t.Helper()
	r := l.rows[i]
	for n, line := range r.text.lines {
		if offset < line.start || offset > line.end {
			continue
		}
		x := float32(0)
		if boxes := r.text.extent(n, line.start, offset); len(boxes) > 0 {
			x = boxes[len(boxes)-1][0] + boxes[len(boxes)-1][1]
		}
		h := lineHeight(r.text.size)
		return fyne.NewPos(r.textLeft+x, r.box.Position().Y+r.textTop+(float32(n)+0.5)*h)
	}
	t.Fatalf("row %d has no byte %d", i, offset)
	return fyne.Position{}
}

func primary(p fyne.Position) *desktop.MouseEvent {
	return &desktop.MouseEvent{Button: desktop.MouseButtonPrimary, PointEvent: fyne.PointEvent{Position: p}}
}

func TestSelection(t *testing.T) {
	long := strings.Repeat("several words ", 20)
	source := messages{{Text: "Hello, wide world"}, {Kind: MessageOutgoing, Text: long}}
	l, c := newTestList(t, &source)

	l.MouseDown(primary(textPoint(t, l, 0, 7)))
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: textPoint(t, l, 0, 11)}})
	if got := l.SelectedText(); got != "wide" {
		t.Errorf("dragging selects %q", got)
	}
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: textPoint(t, l, 0, 0)}})
	if got := l.SelectedText(); got != "Hello, " {
		t.Errorf("dragging back selects %q", got)
	}
	l.MouseUp(primary(textPoint(t, l, 0, 0)))
	l.DragEnd()
	if c.Focused() != fyne.Focusable(l) {
		t.Error("the list has not got the keyboard")
	}
	l.TypedShortcut(&fyne.ShortcutCopy{})
	if got := fyne.CurrentApp().Clipboard().Content(); got != "Hello, " {
		t.Errorf("copied %q", got)
	}

	l.DoubleTapped(&fyne.PointEvent{Position: textPoint(t, l, 0, 9).AddXY(1, 0)})
	if got := l.SelectedText(); got != "wide" {
		t.Errorf("a double tap selects %q", got)
	}

	// Over several lines, to a place outside the bubble.
	l.MouseDown(primary(textPoint(t, l, 1, 8)))
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(490, 599)}})
	if got := l.SelectedText(); got != strings.TrimRight(long[8:], " ") {
		t.Errorf("dragging down selects %q", got)
	}
	l.MouseDown(primary(fyne.NewPos(5, 5)))
	if got := l.SelectedText(); got != "" {
		t.Errorf("a click elsewhere leaves %q selected", got)
	}
}

func TestTaps(t *testing.T) {
	source := messages{
		{Text: "look at example.org now", Spans: []Span{{Start: 8, End: 19, Link: "https://example.org"}, {Start: 20, End: 23, Secret: true}},
			Quote: &Quote{Author: "Alice", Text: "what?"}, Reactions: []Reaction{{"👍", 2, false}, {"🎉", 1, true}}},
		{Kind: MessageOutgoing, Text: "no", Delivery: DeliveryFailed, Attachment: &Attachment{Name: "a.txt"}},
	}
	l, _ := newTestList(t, &source)
	var got []string
	note := func(what string) func(int) { return func(i int) { got = append(got, fmt.Sprint(what, i)) } }
	l.OnLink = func(i int, link string) { got = append(got, fmt.Sprint(link, i)) }
	l.OnQuote, l.OnAttachment, l.OnRetry = note("quote"), note("attachment"), note("retry")
	l.OnReaction = func(i, r int) { got = append(got, fmt.Sprint("reaction", i, r)) }
	l.OnMenu = func(i int, _ fyne.Position) { got = append(got, fmt.Sprint("menu", i)) }
	tap := func(p fyne.Position) {
		l.MouseDown(primary(p))
		l.MouseUp(primary(p))
	}
	middle := func(i int, kind hitKind, index int) fyne.Position {
		for _, h := range l.rows[i].hits {
			if h.kind == kind && h.index == index {
				return fyne.NewPos(h.x+h.w/2, l.rows[i].box.Position().Y+h.y+h.h/2)
			}
		}
		t.Fatalf("row %d has no part %d", i, kind)
		return fyne.Position{}
	}
	tap(textPoint(t, l, 0, 12))
	tap(textPoint(t, l, 0, 21))
	if !l.uncovered[secret{0, 20}] {
		t.Error("the secret is still covered")
	}
	tap(textPoint(t, l, 0, 2)) // plain text
	tap(middle(0, hitQuote, 0))
	tap(middle(0, hitReaction, 1))
	tap(middle(1, hitAttachment, 0))
	tap(middle(1, hitRetry, 0))
	l.TappedSecondary(&fyne.PointEvent{Position: textPoint(t, l, 1, 1)})
	want := "[https://example.org0 quote0 reaction0 1 attachment1 retry1 menu1]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	// Dragging over a link does not open it.
	got = nil
	p := textPoint(t, l, 0, 9)
	l.MouseDown(primary(p))
	l.Dragged(&fyne.DragEvent{PointEvent: fyne.PointEvent{Position: p.AddXY(40, 0)}})
	l.MouseUp(primary(p.AddXY(40, 0)))
	l.DragEnd()
	if got != nil {
		t.Errorf("dragging did %v", got)
	}
}

func TestKeyboardWalksThroughMessages(t *testing.T) {
	source := &generated{n: 100}
	l, c := newTestList(t, source)
	var menu int
	l.OnMenu = func(i int, _ fyne.Position) { menu = i }
	c.Focus(l)
	key := func(k fyne.KeyName) { l.TypedKey(&fyne.KeyEvent{Name: k}) }
	for i := 99; i > 60; i-- {
		if l.current != i {
			t.Fatalf("the keyboard is at message %d, want %d", l.current, i)
		}
		if _, ok := l.rows[i]; !ok {
			t.Fatalf("message %d is not in sight", i)
		}
		key(fyne.KeyUp)
		check(t, l)
	}
	key(fyne.KeyReturn)
	if menu != 60 {
		t.Errorf("the menu of %d was opened", menu)
	}
	l.TypedShortcut(&fyne.ShortcutCopy{})
	if got := fyne.CurrentApp().Clipboard().Content(); got != source.At(60).Text {
		t.Errorf("copied %q", got)
	}
	for range 39 {
		key(fyne.KeyDown)
		check(t, l)
	}
	if l.current != 99 {
		t.Errorf("the keyboard is at message %d, want 99", l.current)
	}
	var typed []rune
	l.OnTyped = func(r rune) { typed = append(typed, r) }
	test.Type(l, "hi")
	if string(typed) != "hi" {
		t.Errorf("handed on %q", string(typed))
	}
}

func TestHover(t *testing.T) {
	source := messages{{Text: "one"}, {Text: "two", Kind: MessageOutgoing}}
	l, c := newTestList(t, &source)
	var got []int
	l.OnHover = func(i int, _ fyne.Position, _ fyne.Size) { got = append(got, i) }
	test.MoveMouse(c, textPoint(t, l, 0, 1))
	test.MoveMouse(c, textPoint(t, l, 0, 2))
	test.MoveMouse(c, textPoint(t, l, 1, 1))
	test.MoveMouse(c, fyne.NewPos(5, 5))
	if fmt.Sprint(got) != "[0 1 -1]" {
		t.Errorf("hovered over %v", got)
	}
	if l.Cursor() != desktop.DefaultCursor {
		t.Error("the cursor is not the usual one beside the messages")
	}
}

func TestHostileMessages(t *testing.T) {
	source := messages{
		{Text: strings.Repeat("\n", 50_000)},
		{Text: strings.Repeat("x", 200_000)},
		{Text: strings.Repeat("é\u0301\u0301", 20_000)},
		{Text: "\xff\xfe\x00 broken \xc3", Spans: []Span{{Start: 1, End: 3, Bold: true}, {Start: -5, End: 900, Link: "x"}, {Start: 2, End: 1}}},
		{Text: "שלום \u202e\u2066 abc (עולם) 123 \u200f"},
		{Text: strings.Repeat("👩‍👩‍👧", 3), Quote: &Quote{Author: strings.Repeat("a", 10_000), Text: strings.Repeat("b ", 10_000)}},
		{Attachment: &Attachment{Picture: landscape(1, 3000), Name: strings.Repeat("n", 9000), Progress: 0.5}},
		{Attachment: &Attachment{Picture: landscape(0, 0)}, Reactions: make([]Reaction, 50)},
		{},
		{Kind: MessageService, Author: &AvatarView{}},
	}
	l, c := newTestList(t, &source)
	for i := range source {
		l.ScrollTo(i, true)
		check(t, l)
		c.Capture()
		for y := float32(0); y < 600; y += 17 {
			for x := float32(0); x < 500; x += 53 {
				l.MouseMoved(primary(fyne.NewPos(x, y)))
				l.DoubleTapped(&fyne.PointEvent{Position: fyne.NewPos(x, y)})
			}
		}
	}
	if n := len(l.row(0).text.lines); n > maxTextLines {
		t.Errorf("a message has %d lines", n)
	}
}

func benchmarkList(b *testing.B) (*MessageList, *generated, software.WindowlessCanvas) {
	source := &generated{n: 100_000}
	l, c := newTestList(b, source)
	return l, source, c
}

func BenchmarkOpen100000(b *testing.B) {
	newApp(b, theme.Light)
	source := &generated{n: 100_000}
	for b.Loop() {
		l := NewMessageList(source)
		l.Resize(fyne.NewSize(740, 600))
		l.CreateRenderer().Layout(fyne.NewSize(740, 600))
	}
}

func BenchmarkScrollStep(b *testing.B) {
	l, _, _ := benchmarkList(b)
	for b.Loop() {
		l.ScrollBy(40)
		if l.top < 1000 {
			l.ScrollToEnd()
		}
	}
}

func BenchmarkNewMessage(b *testing.B) {
	l, source, _ := benchmarkList(b)
	for b.Loop() {
		source.n++
		l.InsertedAtEnd(1)
	}
}

func BenchmarkFrame(b *testing.B) {
	_, _, c := benchmarkList(b)
	for b.Loop() {
		c.Capture()
	}
}
