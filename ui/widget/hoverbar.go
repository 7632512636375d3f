package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/theme"
)

// hoverAction is a button beside the message under the pointer.
type hoverAction int

const (
	hoverReact hoverAction = iota
	hoverReply
	hoverMenu
)

func (a hoverAction) look() (icon, name string) {
	switch a {
	case hoverReact:
		return "smile", lang.L("React")
	case hoverReply:
		return "reply", lang.L("Reply")
	default:
		return "more", lang.L("More")
	}
}

const hoverSide float32 = 30 // of one button

// hoverBar is the row of buttons beside the message under the pointer. It is drawn and listened to by the list: as a widget of its
// own it would take the pointer away from the message that it belongs to.
type hoverBar struct {
	painter

	row     int // or -1
	pos     fyne.Position
	actions []hoverAction
	hot     int // the button under the pointer, or -1
}

func newHoverBar() *hoverBar {
	b := &hoverBar{painter: newPainter(), row: -1, hot: -1}
	b.box.Hide()
	return b
}

func (b *hoverBar) size() fyne.Size {
	return fyne.NewSize(float32(len(b.actions))*hoverSide+4, hoverSide+4)
}

// buttonAt returns the number of the button at a position of the list, or -1.
func (b *hoverBar) buttonAt(p fyne.Position) int {
	size := b.size()
	p = p.Subtract(b.pos)
	if b.row < 0 || p.X < 0 || p.Y < 0 || p.X >= size.Width || p.Y >= size.Height {
		return -1
	}
	return max(0, min(int((p.X-2)/hoverSide), len(b.actions)-1))
}

func (b *hoverBar) draw() {
	const side = 18
	b.begin()
	size := b.size()
	ground := b.rect(theme.Color(theme.ColorPanel), size.Height/2, 0, 0, size.Width, size.Height)
	ground.StrokeColor, ground.StrokeWidth = theme.Color(theme.ColorLine), 1
	ground.Shadow = canvas.Shadow{Color: theme.Color(theme.ColorEdge), BlurRadius: 6, Offset: fyne.NewPos(0, 2)}
	ground.Refresh()
	for i, a := range b.actions {
		x := 2 + float32(i)*hoverSide
		ink := theme.ColorSecondary
		var fill color.Color = color.Transparent
		if i == b.hot {
			ink, fill = theme.ColorAccent, theme.Color(theme.ColorHover)
		}
		b.rect(fill, hoverSide/2, x, 2, hoverSide, hoverSide)
		icon, _ := a.look()
		b.icon(icon, ink, x+(hoverSide-side)/2, 2+(hoverSide-side)/2, side)
	}
	b.box.Resize(size)
	b.box.Move(b.pos)
}

// placeHoverBar shows the buttons beside the message under the pointer, or none.
func (l *MessageList) placeHoverBar() {
	const gap = 6
	b := l.buttons
	r, _ := l.holder(l.hovered)
	var actions []hoverAction
	if r != nil && r.message.Kind != MessageService && !l.choosing && !l.sel.dragging {
		if l.OnReact != nil {
			actions = append(actions, hoverReact)
		}
		if l.OnReply != nil {
			actions = append(actions, hoverReply)
		}
		if l.OnMenu != nil && len(actions) > 0 {
			actions = append(actions, hoverMenu)
		}
	}
	if len(actions) == 0 {
		b.row, b.actions = -1, nil
		if b.box.Visible() {
			b.box.Hide()
		}
		return
	}
	if b.row != l.hovered {
		b.hot = -1
	}
	b.row, b.actions = l.hovered, actions
	size := b.size()
	at, box, _ := l.boxOf(l.hovered)
	x := at.X + box.Width + gap
	switch {
	case len(r.album) > 0: // on the picture: between others it could not be reached
		x = at.X + (box.Width-size.Width)/2
	case (r.message.Kind == MessageOutgoing) != mirrored:
		x = at.X - gap - size.Width
	}
	x = max(4, min(x, l.Size().Width-size.Width-16)) // over the bubble where there is no room beside it
	y := at.Y + min(0, (box.Height-size.Height)/2)
	if box.Height > size.Height {
		y = at.Y + (min(box.Height, 60)-size.Height)/2
	}
	b.pos = fyne.NewPos(x, max(4, min(y, l.Size().Height-size.Height-4)))
	b.draw()
	b.box.Show()
	canvas.Refresh(l)
}

// hoverButton tells which button is under the pointer, or none with -1.
func (l *MessageList) hoverButton(n int) {
	b := l.buttons
	if n == b.hot {
		return
	}
	b.hot = n
	l.hint.hide()
	l.hint.text = ""
	if b.row < 0 {
		return
	}
	if n >= 0 {
		_, l.hint.text = b.actions[n].look()
		l.hint.at, l.hint.size = b.pos.AddXY(2+float32(n)*hoverSide, 0), fyne.NewSquareSize(hoverSide+4)
		l.hint.show()
	}
	b.draw()
	canvas.Refresh(l)
}

// hoverTapped does what a button says.
func (l *MessageList) hoverTapped(n int) {
	b := l.buttons
	row := b.row
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(l).Add(b.pos).AddXY(float32(n)*hoverSide, b.size().Height+2)
	l.hint.hide()
	switch b.actions[n] {
	case hoverReact:
		l.OnReact(row, at)
	case hoverReply:
		l.OnReply(row)
	case hoverMenu:
		l.OnMenu(row, at)
	}
}
