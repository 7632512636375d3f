package widget

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// MenuItem is a line of a Menu.
type MenuItem struct {
	Icon   string // of the assets, or empty
	Text   string
	Hint   string // small at the right, such as a key combination
	Danger bool   // what cannot be taken back
	Do     func() // nil makes it a line that cannot be chosen, such as the reason of a failure
	Line   bool   // a line above it
}

// Menu is what can be done with something, as lines with icons. Above them may be a row of emoji to react with. Show it with
// ShowMenu, or put it where it belongs.
type Menu struct {
	// Emoji are shown in a row; those in Chosen are marked. OnEmoji is called with the one that was tapped.
	Emoji   []string
	Chosen  []string
	OnEmoji func(emoji string)
	// OnMoreEmoji adds a button to the row that leads to all emoji.
	OnMoreEmoji func()
	Items       []MenuItem
}

// ShowMenu shows a menu that begins at a position of the canvas. It has the keyboard: the arrow keys, Enter and Escape.
func ShowMenu(c fyne.Canvas, at fyne.Position, menu Menu) *Popup {
	b := &menuBody{menu: menu, painter: newPainter(), hot: -1}
	b.ExtendBaseWidget(b)
	p := ShowPopup(c, b, at)
	b.close = p.Close
	return p
}

const (
	menuRow   float32 = 34
	menuEmoji float32 = 38
	menuEdge  float32 = 6
	menuLine  float32 = 9 // height of a line between items
)

// menuBody draws the menu and listens for all of it. Its cells are the emoji, the button for more of them, and the items.
type menuBody struct {
	fynewidget.BaseWidget
	painter

	menu  Menu
	cells []hitBox // index is the number of the cell
	hot   int      // the cell under the pointer or with the keyboard, or -1
	close func()
}

var (
	_ fyne.Widget       = (*menuBody)(nil)
	_ fyne.Focusable    = (*menuBody)(nil)
	_ fyne.Tappable     = (*menuBody)(nil)
	_ desktop.Hoverable = (*menuBody)(nil)
)

func (b *menuBody) emojiCells() int {
	n := len(b.menu.Emoji)
	if n > 0 && b.menu.OnMoreEmoji != nil {
		n++
	}
	return n
}

func (b *menuBody) size() fyne.Size {
	const icon, least, gap = 40, 170, 24
	w, h := float32(least), 2*menuEdge
	if n := b.emojiCells(); n > 0 {
		w = max(w, float32(n)*menuEmoji+2*menuEdge)
		h += menuEmoji + menuEdge
	}
	for _, it := range b.menu.Items {
		iw := icon + textWidth(it.Text, theme.TextBody, false) + gap
		if it.Hint != "" {
			iw += textWidth(it.Hint, theme.TextCaption, false) + gap
		}
		w = max(w, iw)
		h += menuRow
		if it.Line {
			h += menuLine
		}
	}
	return fyne.NewSize(min(w, 360), h)
}

func (b *menuBody) draw() {
	const icon, radius = 18, 8
	b.begin()
	b.cells = b.cells[:0]
	size := b.size()
	b.whole = size.Width
	y := menuEdge
	cell := func(x, y, w, h float32) bool {
		b.cells = append(b.cells, hitBox{index: len(b.cells), x: b.mirrorX(x, w), y: y, w: w, h: h})
		return len(b.cells)-1 == b.hot
	}
	if n := b.emojiCells(); n > 0 {
		for i := range n {
			x := menuEdge + float32(i)*menuEmoji
			on := i < len(b.menu.Emoji) && slices.Contains(b.menu.Chosen, b.menu.Emoji[i])
			switch hot := cell(x, y, menuEmoji, menuEmoji); {
			case on:
				b.rect(theme.Color(theme.ColorAccentSoft), menuEmoji/2, x+1, y+1, menuEmoji-2, menuEmoji-2)
				if hot {
					outline(b.rects[b.nRect-1], theme.ColorAccent, theme.FocusWidth)
				}
			case hot:
				b.rect(theme.Color(theme.ColorSelected), menuEmoji/2, x+1, y+1, menuEmoji-2, menuEmoji-2)
			}
			if i == len(b.menu.Emoji) {
				b.icon("plus", theme.ColorSecondary, x+(menuEmoji-icon)/2, y+(menuEmoji-icon)/2, icon)
				continue
			}
			b.emoji(b.menu.Emoji[i], 20, x, y, menuEmoji, menuEmoji)
		}
		y += menuEmoji + menuEdge - 1
		b.rect(theme.Color(theme.ColorLine), 0, 0, y-2, size.Width, 1)
		y++
	}
	for _, it := range b.menu.Items {
		if it.Line {
			b.rect(theme.Color(theme.ColorLine), 0, 0, y+menuLine/2, size.Width, 1)
			y += menuLine
		}
		ink := theme.ColorText
		switch {
		case it.Do == nil:
			ink = theme.ColorSecondary
		case it.Danger:
			ink = theme.ColorDanger
		}
		if cell(menuEdge, y, size.Width-2*menuEdge, menuRow) && it.Do != nil {
			b.rect(theme.Color(theme.ColorSelected), radius, menuEdge, y, size.Width-2*menuEdge, menuRow)
		}
		if it.Icon != "" {
			name := ink
			if ink == theme.ColorText {
				name = theme.ColorSecondary
			}
			b.icon(it.Icon, name, menuEdge+8, y+(menuRow-icon)/2, icon)
		}
		hint := textWidth(it.Hint, theme.TextCaption, false)
		room := size.Width - 40 - 2*menuEdge - hint
		b.text(ellipsize(it.Text, theme.TextBody, fyne.TextStyle{}, room), theme.TextBody, fyne.TextStyle{}, theme.Color(ink), menuEdge+34, y, room, menuRow)
		if it.Hint != "" {
			b.text(it.Hint, theme.TextCaption, fyne.TextStyle{}, theme.Color(theme.ColorSecondary), size.Width-menuEdge-8-hint, y, hint, menuRow)
		}
		y += menuRow
	}
	canvas.Refresh(b)
}

// usable reports whether a cell can be chosen.
func (b *menuBody) usable(cell int) bool {
	item := cell - b.emojiCells()
	return cell >= 0 && cell < len(b.cells) && (item < 0 || b.menu.Items[item].Do != nil)
}

func (b *menuBody) choose(cell int) {
	if !b.usable(cell) {
		return
	}
	emoji := b.emojiCells()
	b.close()
	switch {
	case cell < len(b.menu.Emoji):
		if b.menu.OnEmoji != nil {
			b.menu.OnEmoji(b.menu.Emoji[cell])
		}
	case cell < emoji:
		b.menu.OnMoreEmoji()
	default:
		b.menu.Items[cell-emoji].Do()
	}
}

func (b *menuBody) setHot(cell int) {
	if cell != b.hot {
		b.hot = cell
		b.draw()
	}
}

func (b *menuBody) cellAt(p fyne.Position) int {
	for _, c := range b.cells {
		if c.contains(p) {
			return c.index
		}
	}
	return -1
}

// Tapped implements fyne.Tappable.
func (b *menuBody) Tapped(ev *fyne.PointEvent) { b.choose(b.cellAt(ev.Position)) }

// MouseIn implements desktop.Hoverable.
func (b *menuBody) MouseIn(ev *desktop.MouseEvent) { b.MouseMoved(ev) }

// MouseMoved implements desktop.Hoverable.
func (b *menuBody) MouseMoved(ev *desktop.MouseEvent) { b.setHot(b.cellAt(ev.Position)) }

// MouseOut implements desktop.Hoverable.
func (b *menuBody) MouseOut() { b.setHot(-1) }

// FocusGained implements fyne.Focusable.
func (b *menuBody) FocusGained() {}

// FocusLost implements fyne.Focusable.
func (b *menuBody) FocusLost() {}

// TypedRune implements fyne.Focusable.
func (b *menuBody) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (b *menuBody) TypedKey(ev *fyne.KeyEvent) {
	emoji := b.emojiCells()
	switch MirrorKey(ev.Name) {
	case fyne.KeyEscape:
		b.close()
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
		b.choose(b.hot)
	case fyne.KeyDown:
		b.step(max(b.hot, emoji-1), 1)
	case fyne.KeyUp:
		switch {
		case b.hot < 0:
			b.step(len(b.cells), -1)
		case b.hot > emoji:
			b.step(b.hot, -1)
		case b.hot == emoji && emoji > 0:
			b.setHot(0)
		}
	case fyne.KeyRight:
		if b.hot < emoji {
			b.setHot(min(b.hot+1, emoji-1))
		}
	case fyne.KeyLeft:
		if b.hot > 0 && b.hot < emoji {
			b.setHot(b.hot - 1)
		}
	}
}

// step goes to the next cell that can be chosen.
func (b *menuBody) step(from, by int) {
	for c := from + by; c >= 0 && c < len(b.cells); c += by {
		if b.usable(c) {
			b.setHot(c)
			return
		}
	}
}

// CreateRenderer implements fyne.Widget.
func (b *menuBody) CreateRenderer() fyne.WidgetRenderer {
	return newRenderer(&renderer{
		widget:  b,
		objects: []fyne.CanvasObject{b.box},
		minSize: b.size,
		layout:  func(fyne.Size) {},
		update:  b.draw,
	})
}
