package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// ConversationHeight is the height of a row of the list of conversations in pixels.
const ConversationHeight float32 = 64

// ConversationView is what a row of the list of conversations shows.
type ConversationView struct {
	Avatar    AvatarView
	Name      string
	Preview   string   // the last message on one line, or the draft
	Found     [][2]int // parts of the preview that a search found, as start and end in bytes
	Time      string
	Unread    int
	Delivery  Delivery // of the last message, when it is one's own
	Draft     bool     // the preview is what was typed and not sent
	Incognito bool
	Muted     bool
	Pinned    bool
	Verified  bool // the security code was compared
}

// ConversationList is the list at the left of the window. It calls the functions it was made with for the rows that are on
// screen; call Refresh after the conversations changed.
type ConversationList struct {
	fynewidget.BaseWidget

	OnSelected func(i int) // a row was tapped, or chosen with Enter
	OnMenu     func(i int, at fyne.Position)

	length func() int
	at     func(i int) ConversationView

	selected int // or -1
	current  int // the row that has the keyboard
	hovered  int // or -1
	focused  bool
	pressed  bool
	offset   float32

	rows    []painter
	content *fyne.Container
	clip    *container.Clip
	bar     scrollBar
}

var (
	_ fyne.Widget            = (*ConversationList)(nil)
	_ fyne.Focusable         = (*ConversationList)(nil)
	_ fyne.Tappable          = (*ConversationList)(nil)
	_ fyne.SecondaryTappable = (*ConversationList)(nil)
	_ fyne.Scrollable        = (*ConversationList)(nil)
	_ fyne.Draggable         = (*ConversationList)(nil)
	_ desktop.Mouseable      = (*ConversationList)(nil)
	_ desktop.Hoverable      = (*ConversationList)(nil)
)

// NewConversationList returns a list of length() rows, of which at tells what they show.
func NewConversationList(length func() int, at func(i int) ConversationView) *ConversationList {
	l := &ConversationList{length: length, at: at, selected: -1, hovered: -1, content: container.NewWithoutLayout()}
	l.clip = container.NewClip(l.content)
	l.ExtendBaseWidget(l)
	return l
}

// Selected returns the row that is shown as open, or -1.
func (l *ConversationList) Selected() int { return l.selected }

// SetSelected shows a row as open and brings it into sight; -1 means none. It does not call OnSelected.
func (l *ConversationList) SetSelected(i int) {
	l.selected = i
	if i >= 0 {
		l.current = i
		l.reveal(i)
	}
	l.relayout()
}

func (l *ConversationList) choose(i int) {
	if i < 0 || i >= l.length() {
		return
	}
	l.SetSelected(i)
	if l.OnSelected != nil {
		l.OnSelected(i)
	}
}

func (l *ConversationList) reveal(i int) {
	top := float32(i) * ConversationHeight
	l.offset = max(min(l.offset, top), top+ConversationHeight-l.Size().Height)
}

func (l *ConversationList) rowAt(y float32) int {
	i := int((y + l.offset) / ConversationHeight)
	if y < 0 || i >= l.length() {
		return -1
	}
	return i
}

func (l *ConversationList) relayout() {
	size := l.Size()
	if size.Width <= 0 || size.Height <= 0 {
		return
	}
	n := l.length()
	whole := float32(n) * ConversationHeight
	l.offset = max(0, min(l.offset, whole-size.Height))
	l.current = max(0, min(l.current, n-1))
	l.content.Objects = l.content.Objects[:0]
	first := int(l.offset / ConversationHeight)
	for k := 0; first+k < n && float32(first+k)*ConversationHeight-l.offset < size.Height; k++ {
		if k == len(l.rows) {
			l.rows = append(l.rows, newPainter())
		}
		p := &l.rows[k]
		l.drawRow(p, first+k, size.Width)
		p.box.Move(fyne.NewPos(0, float32(first+k)*ConversationHeight-l.offset))
		l.content.Objects = append(l.content.Objects, p.box)
	}
	if whole > size.Height {
		l.bar.place(size, l.offset/(whole-size.Height), size.Height/whole)
	} else {
		l.bar.place(size, 0, 1)
	}
	canvas.Refresh(l)
}

func (l *ConversationList) drawRow(p *painter, i int, width float32) {
	const left, right, side float32 = 72, 16, 14
	v := l.at(i)
	p.begin()
	p.whole = width
	p.box.Resize(fyne.NewSize(width, ConversationHeight))
	switch {
	case i == l.selected:
		p.rect(theme.Color(theme.ColorSelected), theme.FieldRadius, 4, 0, width-8, ConversationHeight)
	case i == l.hovered:
		p.rect(theme.Color(theme.ColorHover), theme.FieldRadius, 4, 0, width-8, ConversationHeight)
	}
	p.avatar(v.Avatar, AvatarRow, 16, (ConversationHeight-AvatarRow)/2)

	// The first line: name, marks, time.
	const y1, y2, h float32 = 13, 33, 20
	regular, bold := fyne.TextStyle{}, fyne.TextStyle{Bold: true}
	timeW := textWidth(v.Time, theme.TextCaption, false)
	p.text(v.Time, theme.TextCaption, regular, theme.Color(theme.ColorSecondary), width-right-timeW, y1+1, timeW, h)
	room := width - right - timeW - left - theme.Grid
	for _, marked := range []bool{v.Verified, v.Muted} {
		if marked {
			room -= side + 4
		}
	}
	ink := theme.ColorText
	if v.Avatar.Pending {
		ink = theme.ColorSecondary
	}
	name := ellipsize(v.Name, theme.TextBody, bold, room)
	nameW := textWidth(name, theme.TextBody, true)
	p.text(name, theme.TextBody, bold, theme.Color(ink), left, y1, nameW, h)
	mark := left + nameW + 4
	if v.Verified {
		p.icon("shield-check", theme.ColorAccent, mark, y1+(h-side)/2, side)
		mark += side + 4
	}
	if v.Muted {
		p.icon("mute", theme.ColorSecondary, mark, y1+(h-side)/2, side)
	}

	// The second line: what kind of preview it is, the preview, how many are unread.
	x, end := left, width-right
	if v.Unread > 0 {
		badge := CountBadge{count: v.Unread}
		w := max(20, textWidth(badge.label(), theme.TextCaption, true)+12)
		fill, on := theme.ColorAccent, theme.ColorOnAccent
		if v.Muted {
			fill, on = theme.ColorSecondary, theme.ColorPanel
		}
		label := textWidth(badge.label(), theme.TextCaption, true)
		p.rect(theme.Color(fill), 10, end-w, y2, w, 20)
		p.text(badge.label(), theme.TextCaption, bold, theme.Color(on), end-w+(w-label)/2, y2, label, 20)
		end -= w + theme.Grid
	} else if v.Pinned {
		p.icon("pin", theme.ColorSecondary, end-side, y2+(h-side)/2, side)
		end -= side + 4
	}
	if v.Incognito {
		const pill = 17
		label := lang.L("incognito")
		w := textWidth(label, theme.TextCaption, true)
		p.rect(theme.Color(theme.ColorAccentSoft), pill/2, x, y2+(h-pill)/2, w+12, pill)
		p.text(label, theme.TextCaption, bold, theme.Color(theme.ColorAccent), x+6, y2+(h-pill)/2, w, pill)
		x += w + 16
	}
	switch icon := v.Delivery.icon(); {
	case v.Draft:
		label := lang.L("Draft:")
		w := textWidth(label, theme.TextSmall, false)
		p.text(label, theme.TextSmall, regular, theme.Color(theme.ColorAccent), x, y2, w, h)
		x += w + 4
	case icon != "":
		tick := theme.ColorSecondary
		switch v.Delivery {
		case DeliveryDelivered:
			tick = theme.ColorAccent
		case DeliveryFailed:
			tick = theme.ColorDanger
		}
		p.icon(icon, tick, x, y2+(h-18)/2, 18)
		x += 23
	}
	preview := ellipsize(v.Preview, theme.TextSmall, regular, max(end-x, 0))
	if len(v.Found) > 0 {
		line := layoutText(preview, nil, theme.TextSmall, regular, 0)
		start := p.mirrorX(x, line.width)
		for _, f := range v.Found {
			if f[0] < 0 || f[0] >= f[1] || f[1] > len(preview) || preview[:f[1]] != v.Preview[:f[1]] {
				continue // it was cut off
			}
			for _, e := range line.extent(0, f[0], f[1]) {
				p.asIs(func() { p.rect(theme.Color(theme.ColorHighlight), 3, start+e[0], y2, e[1], h) })
			}
		}
	}
	p.text(preview, theme.TextSmall, regular, theme.Color(theme.ColorSecondary), x, y2, max(end-x, 0), h)
	if l.focused && i == l.current {
		ring := p.rect(color.Transparent, theme.FieldRadius, 5, 1, width-10, ConversationHeight-2)
		outline(ring, theme.ColorAccent, theme.FocusWidth)
		ring.Refresh()
	}
}

// Tapped implements fyne.Tappable.
func (l *ConversationList) Tapped(ev *fyne.PointEvent) {
	if !l.bar.hit(ev.Position) {
		l.choose(l.rowAt(ev.Position.Y))
	}
}

// TappedSecondary implements fyne.SecondaryTappable.
func (l *ConversationList) TappedSecondary(ev *fyne.PointEvent) {
	if i := l.rowAt(ev.Position.Y); i >= 0 && l.OnMenu != nil {
		l.OnMenu(i, ev.AbsolutePosition)
	}
}

// MouseDown implements desktop.Mouseable.
func (l *ConversationList) MouseDown(ev *desktop.MouseEvent) {
	l.pressed = ev.Button == desktop.MouseButtonPrimary && l.bar.hit(ev.Position)
	if l.pressed {
		l.scrollToFraction(l.bar.fractionAt(ev.Position.Y))
	}
}

// MouseUp implements desktop.Mouseable.
func (l *ConversationList) MouseUp(*desktop.MouseEvent) { l.pressed = false }

// Dragged implements fyne.Draggable: it moves the scroll bar.
func (l *ConversationList) Dragged(ev *fyne.DragEvent) {
	if l.pressed {
		l.scrollToFraction(l.bar.fractionAt(ev.Position.Y))
	}
}

// DragEnd implements fyne.Draggable.
func (l *ConversationList) DragEnd() { l.pressed = false }

func (l *ConversationList) scrollToFraction(at float32) {
	l.offset = at * (float32(l.length())*ConversationHeight - l.Size().Height)
	l.relayout()
}

// MouseIn implements desktop.Hoverable.
func (l *ConversationList) MouseIn(ev *desktop.MouseEvent) { l.MouseMoved(ev) }

// MouseMoved implements desktop.Hoverable.
func (l *ConversationList) MouseMoved(ev *desktop.MouseEvent) {
	touched()
	l.setHovered(l.rowAt(ev.Position.Y), l.bar.hit(ev.Position))
}

// MouseOut implements desktop.Hoverable.
func (l *ConversationList) MouseOut() { l.setHovered(-1, false) }

func (l *ConversationList) setHovered(i int, bar bool) {
	if inside := i >= 0 || bar; i != l.hovered || bar != l.bar.active || inside != l.bar.inside {
		l.hovered, l.bar.active, l.bar.inside = i, bar, inside
		l.relayout()
	}
}

// Scrolled implements fyne.Scrollable.
func (l *ConversationList) Scrolled(ev *fyne.ScrollEvent) {
	touched()
	l.offset -= ev.Scrolled.DY
	l.relayout()
}

// FocusGained implements fyne.Focusable.
func (l *ConversationList) FocusGained() {
	l.focused = true
	if l.selected >= 0 {
		l.current = l.selected
	}
	l.reveal(l.current)
	l.relayout()
}

// FocusLost implements fyne.Focusable.
func (l *ConversationList) FocusLost() {
	l.focused = false
	l.relayout()
}

// TypedRune implements fyne.Focusable.
func (l *ConversationList) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (l *ConversationList) TypedKey(ev *fyne.KeyEvent) {
	touched()
	page := max(1, int(l.Size().Height/ConversationHeight)-1)
	switch ev.Name {
	case fyne.KeyUp:
		l.step(-1)
	case fyne.KeyDown:
		l.step(1)
	case fyne.KeyPageUp:
		l.step(-page)
	case fyne.KeyPageDown:
		l.step(page)
	case fyne.KeyHome:
		l.step(-l.length())
	case fyne.KeyEnd:
		l.step(l.length())
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		l.choose(l.current)
	case desktop.KeyMenu:
		if l.OnMenu != nil && l.current < l.length() {
			l.reveal(l.current)
			l.relayout()
			at := fyne.CurrentApp().Driver().AbsolutePositionForObject(l)
			l.OnMenu(l.current, at.AddXY(MirrorX(72, 0, l.Size().Width), float32(l.current)*ConversationHeight-l.offset+ConversationHeight*0.7))
		}
	}
}

func (l *ConversationList) step(by int) {
	l.current = max(0, min(l.current+by, l.length()-1))
	l.reveal(l.current)
	l.relayout()
}

// CreateRenderer implements fyne.Widget.
func (l *ConversationList) CreateRenderer() fyne.WidgetRenderer {
	l.bar.init()
	return newRenderer(&renderer{
		widget:  l,
		objects: []fyne.CanvasObject{l.clip, l.bar.rect},
		minSize: func() fyne.Size { return fyne.NewSize(200, ConversationHeight) },
		layout: func(size fyne.Size) {
			l.clip.Resize(size)
			l.relayout()
		},
		update: l.bar.update,
	})
}
