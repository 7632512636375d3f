package widget

import (
	"image"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"
)

const (
	listEdge   float32 = 16 // above the first and below the last message
	nearTop            = 20 // rows above the window at which older messages are asked for
	jumpAfter  float32 = 48 // pixels above the end at which the jump button appears
	keyStep    float32 = 60
	jumpSide   float32 = 40
	jumpMargin float32 = 16
)

// MessageList shows the messages of a conversation, the newest at the bottom. Only the visible rows exist, so it opens
// a conversation of any length at once. It is anchored: the row at the top of the window and the distance of its upper edge
// stay what they are while rows are added or changed around it, and a list that is at its end stays there.
//
// The list calls the source for rows and has to be told what changed: InsertedAtEnd, InsertedAtStart, Changed, or Reset. Set the
// callbacks before it is shown; each of them may be nil.
type MessageList struct {
	fynewidget.BaseWidget

	// OnLink is called with the link of a span that was tapped. The list never opens one itself.
	OnLink func(i int, link string)
	// OnMenu is called on a secondary tap and on Enter; at is a position on the canvas.
	OnMenu func(i int, at fyne.Position)
	// OnHover is called when the pointer comes to another message, with the box of its bubble in the list, and with -1 when it
	// leaves.
	OnHover      func(i int, pos fyne.Position, size fyne.Size)
	OnQuote      func(i int)               // the quoted text was tapped
	OnAttachment func(i int)               // the picture, the file or the button of a voice message was tapped
	OnSeek       func(i int, part float32) // the curve of a voice message was tapped, at a part of it from 0 to 1
	OnSpeed      func(i int)               // the speed of a voice message was tapped
	OnReaction   func(i, reaction int)
	OnAuthor     func(i int)
	OnRetry      func(i int)
	// OnReply and OnReact are called by the buttons that appear beside the message under the pointer, together with one for OnMenu;
	// at is a position on the canvas. A message of the service has no buttons.
	OnReply func(i int)
	OnReact func(i int, at fyne.Position)
	// OnChosen is called when other messages are chosen, or none, while several are being chosen; see SetChoosing.
	OnChosen func()
	// OnOlder is called when the reader comes near the first row, once until InsertedAtStart or Reset.
	OnOlder func()
	// OnNewer is called when the reader comes near the last row while there is more than the source has, once until InsertedAtEnd
	// or Reset, and OnNewest when the newest message is asked for then; see SetMore.
	OnNewer  func()
	OnNewest func()
	// OnVisible is called after the visible rows may have changed.
	OnVisible func()
	// OnTyped is called with characters that are typed while the list has the keyboard, for handing them to the composer.
	OnTyped  func(r rune)
	OnEscape func()
	// After takes the place of After where time passes otherwise.
	After func(d time.Duration, f func()) (stop func() bool)

	source MessageSource
	length int // as of the last notification

	// The anchor. Rows above top are not on screen; y is the upper edge of top in the list.
	top   int
	y     float32
	atEnd bool // the end is at the bottom edge and stays there

	rows    map[int]*messageRow
	pool    []*messageRow
	last    int // the last visible row
	unseen  int // messages that came while the end was out of sight
	older   bool
	more    bool // the last row is not the newest message
	newer   bool
	focused bool
	hovered int
	pressed bool // on the scroll bar
	linked  bool // the pointer is on something that can be tapped
	inText  bool

	motion  motion
	playing bool                // what moves does
	started map[int64]time.Time // when it began to, by Message.ID

	choosing bool
	chosen   map[int64]bool // by Message.ID
	// The secrets that are shown, the buttons beside the message under the pointer, and the tooltip of a button or a link.
	uncovered map[secret]bool
	buttons   *hoverBar
	hint      tooltip

	current int // the row that has the keyboard, or -1
	marked  int // the row that was jumped to, or -1
	sel     selection

	content *fyne.Container
	clip    *container.Clip
	bar     scrollBar
	jump    *jumpButton
}

var (
	_ fyne.Widget            = (*MessageList)(nil)
	_ fyne.Focusable         = (*MessageList)(nil)
	_ fyne.Scrollable        = (*MessageList)(nil)
	_ fyne.Draggable         = (*MessageList)(nil)
	_ fyne.DoubleTappable    = (*MessageList)(nil)
	_ fyne.SecondaryTappable = (*MessageList)(nil)
	_ fyne.Shortcutable      = (*MessageList)(nil)
	_ desktop.Mouseable      = (*MessageList)(nil)
	_ desktop.Hoverable      = (*MessageList)(nil)
	_ desktop.Cursorable     = (*MessageList)(nil)
)

// NewMessageList returns a list that shows the end of the source.
func NewMessageList(source MessageSource) *MessageList {
	l := &MessageList{
		source:    source,
		length:    source.Len(),
		rows:      make(map[int]*messageRow),
		content:   container.NewWithoutLayout(),
		atEnd:     true,
		current:   -1,
		marked:    -1,
		hovered:   -1,
		last:      -1,
		sel:       selection{row: -1},
		chosen:    make(map[int64]bool),
		uncovered: make(map[secret]bool),
		buttons:   newHoverBar(),
		motion:    newMotion(),
		started:   make(map[int64]time.Time),
	}
	l.hint.owner = l
	l.clip = container.NewClip(l.content)
	l.jump = newJumpButton(func() { l.ScrollToEnd() })
	l.jump.Hide()
	l.ExtendBaseWidget(l)
	return l
}

// SetSource shows another conversation, at its end.
func (l *MessageList) SetSource(source MessageSource) {
	l.source = source
	l.choosing = false
	clear(l.chosen)
	l.Reset()
}

// Reset reads everything again and shows the end.
func (l *MessageList) Reset() {
	l.length = l.source.Len()
	l.dropRows()
	l.atEnd, l.top, l.y = true, 0, 0
	l.unseen, l.older, l.newer, l.more = 0, false, false, false
	l.current, l.marked, l.sel = -1, -1, selection{row: -1}
	clear(l.uncovered)
	clear(l.started)
	l.forgetMissing()
	l.setHovered(-1)
	l.relayout()
}

// InsertedAtEnd tells that n messages were added after the last one. A list that is not at its end stays where it is and
// counts those of other people on the jump button.
func (l *MessageList) InsertedAtEnd(n int) {
	if n <= 0 {
		return
	}
	old := l.length
	l.length += n
	l.dropRow(old - 1) // its group may go on now
	if l.more {
		l.atEnd, l.newer = false, false
	} else if !l.atEnd {
		for i := old; i < l.length && l.unseen < 1000; i++ {
			if l.source.At(i).Kind == MessageIncoming {
				l.unseen++
			}
		}
	}
	l.relayout()
}

// SetMore tells whether there are newer messages than the source has, as after a jump to an old one: then the list does not stay
// at its end, and asks for them with OnNewer and OnNewest. Reset sets it to false.
func (l *MessageList) SetMore(more bool) {
	l.more, l.newer = more, false
	l.relayout()
}

// InsertedAtStart tells that n messages were added before the first one. What is on screen does not move.
func (l *MessageList) InsertedAtStart(n int) {
	l.older = false
	if n > 0 {
		l.shift(0, n)
	}
	l.relayout()
}

// Changed tells that row i shows something else now.
func (l *MessageList) Changed(i int) {
	l.regrouped(i)
	if i == l.sel.row {
		l.sel = selection{row: -1}
	}
	l.relayout()
}

// Removed tells that row i is gone.
func (l *MessageList) Removed(i int) {
	if i < 0 || i >= l.length {
		return
	}
	l.regrouped(i)
	if i == l.sel.row {
		l.sel = selection{row: -1}
	}
	l.shift(i+1, -1)
	l.dropRow(i)
	l.forgetMissing()
	l.setHovered(-1)
	l.relayout()
}

// shift renumbers what is known of the rows from number from on.
func (l *MessageList) shift(from, n int) {
	rows := make(map[int]*messageRow, len(l.rows))
	for i, r := range l.rows {
		if i >= from {
			i += n
		}
		rows[i] = r
	}
	l.rows = rows
	for _, p := range []*int{&l.top, &l.last, &l.current, &l.marked, &l.hovered, &l.sel.row} {
		if *p >= from {
			*p += n
		}
	}
	l.length += n
	if from == 0 {
		l.regrouped(n) // it may join the one above now
	}
}

// ScrollToEnd shows the newest message.
func (l *MessageList) ScrollToEnd() {
	if l.more && l.OnNewest != nil {
		l.OnNewest()
		return
	}
	l.atEnd = true
	l.relayout()
}

// ScrollTo shows row i in the upper half of the list. With mark its background is coloured until the next jump.
func (l *MessageList) ScrollTo(i int, mark bool) {
	if i < 0 || i >= l.length {
		return
	}
	l.setMarked(-1)
	if mark {
		l.setMarked(i)
	}
	l.atEnd, l.top, l.y = false, i, l.Size().Height/4
	l.relayout()
}

func (l *MessageList) setMarked(i int) {
	l.dropRow(l.marked)
	l.marked = i
	l.dropRow(i)
}

// AtEnd reports whether the newest message is in sight.
func (l *MessageList) AtEnd() bool { return l.atEnd }

// Current returns the row that has the keyboard, or -1, for key combinations that do something with one message.
func (l *MessageList) Current() int {
	if !l.focused || l.current >= l.length {
		return -1
	}
	return l.current
}

// VisibleRows returns the first and the last row that are on screen, or 0, -1.
func (l *MessageList) VisibleRows() (first, last int) {
	if l.length == 0 || l.last < 0 {
		return 0, -1
	}
	return l.top, l.last
}

// BubbleBox returns where the bubble of a visible row is in the list.
func (l *MessageList) BubbleBox(i int) (pos fyne.Position, size fyne.Size, ok bool) {
	return l.boxOf(i)
}

// dropRow has message i drawn anew.
func (l *MessageList) dropRow(i int) {
	if _, k := l.holder(i); k >= 0 {
		l.release(k)
	}
	l.release(i)
}

func (l *MessageList) dropRows() {
	for i := range l.rows {
		l.release(i)
	}
}

// release gives up row i.
func (l *MessageList) release(i int) {
	if r, ok := l.rows[i]; ok {
		l.pool = append(l.pool, r)
		delete(l.rows, i)
	}
}

// state tells what the list knows of message i.
func (l *MessageList) state(i int, m *Message) rowState {
	s := rowState{current: i == l.current && l.focused, marked: i == l.marked, firstOfDay: true}
	if i == l.sel.row {
		s.selFrom, s.selTo = l.sel.bounds()
	}
	s.choosing = l.choosing
	s.chosen = l.choosing && l.chosen[m.ID]
	return s
}

// row returns row i, drawn for the present width.
func (l *MessageList) row(i int) *messageRow {
	if r, ok := l.rows[i]; ok {
		return r
	}
	var r *messageRow
	if n := len(l.pool); n > 0 {
		r, l.pool = l.pool[n-1], l.pool[:n-1]
	} else {
		r = newMessageRow()
	}
	l.rows[i] = r
	l.drawRow(i, r)
	return r
}

func (l *MessageList) drawRow(i int, r *messageRow) {
	m := l.source.At(i)
	r.uncovered = func(start int) bool { return l.uncovered[secret{m.ID, start}] }
	r.frameOf = func(message int64, frames []Frame) image.Image {
		n, _ := l.frameOf(message, frames)
		return frames[n].Image
	}
	s := l.state(i, &m)
	if i+1 < l.length {
		next := l.source.At(i + 1)
		if next.Album {
			r.fold(m, l.Size().Width)
			return
		}
		s.joinsNext = joins(&m, &next)
	}
	r.album = l.members(i, m)
	first := i
	if n := len(r.album); n > 0 {
		first, m = i-n+1, asOne(r.album)
		for k := range r.album {
			s.album = append(s.album, l.state(first+k, &r.album[k]))
			s.marked = s.marked || first+k == l.marked
		}
	}
	if first > 0 {
		previous := l.source.At(first - 1)
		s.joinsPrevious = joins(&previous, &m)
		s.firstOfDay = previous.Day != m.Day
	}
	r.draw(m, s, l.Size().Width)
}

// redraw draws a visible row again where it is.
func (l *MessageList) redraw(i int) {
	if r, k := l.holder(i); r != nil {
		l.drawRow(k, r)
		canvas.Refresh(l)
	}
}

// relayout fills the list from the anchor.
func (l *MessageList) relayout() {
	size := l.Size()
	if size.Width < 4*listMargin || size.Height <= 0 {
		return
	}
	l.content.Objects = l.content.Objects[:0]
	l.last = -1
	if l.length > 0 {
		l.fill(size)
	}
	for i := range l.rows {
		if i < l.top || i > l.last {
			l.release(i)
		}
	}
	const spare = 64 // a tall window full of short rows
	if len(l.pool) > spare {
		clear(l.pool[spare:])
		l.pool = l.pool[:spare]
	}
	if l.atEnd {
		l.unseen = 0
	}
	l.placeJump(size)
	l.placeBar()
	l.placeHoverBar()
	l.play()
	if l.OnVisible != nil {
		l.OnVisible()
	}
	l.askOlder()
	if l.more && !l.newer && l.OnNewer != nil && l.last >= l.length-nearTop {
		l.newer = true
		l.OnNewer()
	}
}

// fill decides which rows are visible and places them.
func (l *MessageList) fill(size fyne.Size) {
	l.top = max(0, min(l.top, l.length-1))
	bottom := size.Height - listEdge
	if l.atEnd {
		l.fillUp(bottom)
	} else {
		for l.y > listEdge && l.top > 0 {
			l.top--
			l.y -= l.row(l.top).height
		}
		if l.top == 0 {
			l.y = min(l.y, listEdge)
		}
		for l.top < l.length-1 && l.y+l.row(l.top).height <= 0 {
			l.y += l.row(l.top).height
			l.top++
		}
		y, i := l.y, l.top
		for ; i < l.length && y < bottom; i++ {
			y += l.row(i).height
		}
		if i == l.length && y <= bottom {
			l.atEnd = true
			l.fillUp(bottom)
		}
	}
	y := l.y
	for i := l.top; i < l.length && y < size.Height; i++ {
		r := l.row(i)
		r.box.Move(fyne.NewPos(0, y))
		l.content.Objects = append(l.content.Objects, r.box)
		y += r.height
		l.last = i
	}
}

// fillUp anchors the list so that its end is at the given height.
func (l *MessageList) fillUp(bottom float32) {
	l.top, l.y = l.length, bottom
	for l.top > 0 && l.y > 0 {
		l.top--
		l.y -= l.row(l.top).height
	}
}

func (l *MessageList) placeBar() {
	at, part := l.fraction()
	l.bar.place(l.Size(), at, part)
	canvas.Refresh(l)
}

// fraction returns where the window is: 0 at the first row, 1 at the end, and which part of the rows it shows. It counts rows,
// whose heights are not known, so the bar moves a little unevenly.
func (l *MessageList) fraction() (at, part float32) {
	if l.last < 0 {
		return 0, 1
	}
	first := float32(l.top) - min(l.y, 0)/max(l.row(l.top).height, 1)
	visible := float32(l.last + 1 - l.top)
	if l.atEnd {
		at = 1
	} else if rest := float32(l.length) - visible; rest > 0 {
		at = min(first/rest, 1)
	}
	if l.top == 0 && l.y >= 0 {
		if l.atEnd {
			return 0, 1
		}
		return 0, visible / float32(l.length)
	}
	return at, min(visible/float32(l.length), 0.98)
}

func (l *MessageList) placeJump(size fyne.Size) {
	l.jump.setCount(l.unseen)
	below := float32(0)
	if !l.atEnd && l.last >= 0 {
		below = jumpAfter
		if l.last == l.length-1 {
			r := l.rows[l.last]
			below = r.box.Position().Y + r.height - size.Height + listEdge
		}
	}
	l.jump.Hidden = below < jumpAfter && l.unseen == 0 && !l.more
	if l.jump.Hidden && l.jump.focused { // the keyboard would be lost with it
		l.takeFocus()
	}
	place(l.jump, MirrorX(size.Width-jumpSide-jumpMargin, jumpSide, size.Width), size.Height-jumpSide-jumpMargin, jumpSide, jumpSide)
}

func (l *MessageList) askOlder() {
	if l.OnOlder != nil && !l.older && l.last >= 0 && l.top < nearTop {
		l.older = true
		l.OnOlder()
	}
}

// ScrollBy moves the messages down by dy pixels, or up where dy is negative.
func (l *MessageList) ScrollBy(dy float32) {
	if l.length == 0 || dy == 0 || dy < 0 && l.atEnd {
		return
	}
	if l.atEnd && l.top == 0 && l.y >= 0 { // all of it is in sight
		return
	}
	l.atEnd = false
	l.y += dy
	l.relayout()
}

// scrollToFraction puts the row at a part of the whole to the top.
func (l *MessageList) scrollToFraction(at float32) {
	if at >= 1 {
		l.ScrollToEnd()
		return
	}
	visible := float32(l.last + 1 - l.top)
	row := max(at, 0) * max(float32(l.length)-visible, 0)
	l.atEnd, l.top = false, int(row)
	l.y = -(row - float32(l.top)) * l.row(min(l.top, l.length-1)).height
	if l.top == 0 && at <= 0 {
		l.y = listEdge
	}
	l.relayout()
}

// CreateRenderer implements fyne.Widget.
func (l *MessageList) CreateRenderer() fyne.WidgetRenderer {
	l.bar.init()
	return &messageListRenderer{l}
}

type messageListRenderer struct{ list *MessageList }

func (r *messageListRenderer) Destroy()           {}
func (r *messageListRenderer) MinSize() fyne.Size { return fyne.NewSize(200, 120) }

func (r *messageListRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.list.clip, r.list.buttons.box, r.list.bar.rect, r.list.jump}
}

func (r *messageListRenderer) Layout(size fyne.Size) {
	r.list.clip.Resize(size)
	r.list.dropRows()
	r.list.relayout()
}

func (r *messageListRenderer) Refresh() {
	r.list.dropRows()
	r.list.bar.update()
	r.list.relayout()
}
