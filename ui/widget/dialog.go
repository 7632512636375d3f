package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Dialog is a card in front of a dimmed window, with a title and a button to close it. Escape and a tap beside the card close it
// as well. Content that is too high for the window scrolls. Call Refresh after the content changed its height.
type Dialog struct {
	fynewidget.BaseWidget

	// OnClosed is called once the dialog is gone, however it was closed.
	OnClosed func()

	title   *Label
	content fyne.CanvasObject
	scroll  *container.Scroll
	close   *IconButton
	width   float32
	bubble  tooltipBubble

	card     fyne.Position // of the last layout
	cardSize fyne.Size
	laid     fyne.Size // heights of the room for the content and of the content
	canvas   fyne.Canvas
	typedKey func(*fyne.KeyEvent) // of the canvas, before the dialog was shown
	fixed    bool
}

var (
	_ fyne.Widget   = (*Dialog)(nil)
	_ fyne.Tappable = (*Dialog)(nil)
	_ tooltipHost   = (*Dialog)(nil)
)

// NewDialog returns a dialog whose card has the given width in pixels, less where the window is narrower.
func NewDialog(title string, content fyne.CanvasObject, width float32) *Dialog {
	d := &Dialog{title: NewTitle(title), content: content, width: width, bubble: newTooltipBubble()}
	d.scroll = container.NewVScroll(content)
	d.close = NewIconButton("close", lang.L("Close"), func() { d.Close() })
	d.ExtendBaseWidget(d)
	return d
}

// SetTitle changes the title.
func (d *Dialog) SetTitle(title string) { d.title.SetText(title) }

// SetDismissible decides whether Escape, a tap beside the card and the close button work; they do unless told otherwise.
func (d *Dialog) SetDismissible(dismissible bool) {
	d.fixed = !dismissible
	d.close.Hidden = d.fixed
	d.Refresh()
}

// ShowOn puts the dialog in front of everything on a canvas. It has the keyboard until it is closed.
func (d *Dialog) ShowOn(c fyne.Canvas) {
	if d.canvas != nil {
		return
	}
	d.canvas = c
	d.typedKey = c.OnTypedKey()
	c.SetOnTypedKey(func(ev *fyne.KeyEvent) {
		if ev.Name == fyne.KeyEscape {
			d.cancel()
		}
	})
	c.Overlays().Add(d)
}

// Close takes the dialog away.
func (d *Dialog) Close() {
	if d.canvas == nil {
		return
	}
	c := d.canvas
	d.canvas = nil
	c.Overlays().Remove(d)
	c.SetOnTypedKey(d.typedKey)
	if d.OnClosed != nil {
		d.OnClosed()
	}
}

func (d *Dialog) cancel() {
	if !d.fixed {
		d.Close()
	}
}

// Tapped implements fyne.Tappable.
func (d *Dialog) Tapped(ev *fyne.PointEvent) {
	p := ev.Position.Subtract(d.card)
	if p.X < 0 || p.Y < 0 || p.X > d.cardSize.Width || p.Y > d.cardSize.Height {
		d.cancel()
	}
}

func (d *Dialog) showTooltip(text string, at fyne.Position, size fyne.Size) {
	d.bubble.show(text, at.Subtract(d.Position()), size, d.Size())
	canvas.Refresh(d)
}

func (d *Dialog) hideTooltip() {
	d.bubble.hide()
	canvas.Refresh(d)
}

// keepInSight scrolls to what has the keyboard after the room for the content, or its height, has changed.
func (d *Dialog) keepInSight(room float32) {
	now := fyne.NewSize(room, d.content.Size().Height)
	if d.laid == now || d.canvas == nil {
		return
	}
	d.laid = now
	if f, ok := d.canvas.Focused().(fyne.CanvasObject); ok {
		Reveal(f)
	}
}

// CreateRenderer implements fyne.Widget.
func (d *Dialog) CreateRenderer() fyne.WidgetRenderer {
	const margin, edge, head = 26, 16, 66
	dim, card, ground := canvas.NewRectangle(nil), canvas.NewRectangle(nil), NewGround()
	card.CornerRadius = theme.DialogRadius
	return newRenderer(&renderer{
		widget:  d,
		objects: append([]fyne.CanvasObject{dim, card, ground, d.title, d.close, d.scroll}, d.bubble.objects()...),
		still:   len(d.bubble.objects()),
		minSize: func() fyne.Size { return fyne.NewSize(200, 200) },
		layout: func(size fyne.Size) {
			dim.Resize(size)
			w := min(d.width, size.Width-2*edge)
			inner := w - 2*margin
			d.content.Resize(fyne.NewSize(inner, d.content.MinSize().Height))
			h := min(d.content.MinSize().Height, size.Height-2*edge-head-margin)
			d.cardSize = fyne.NewSize(w, head+h+margin-6)
			d.card = fyne.NewPos((size.Width-w)/2, max(edge, (size.Height-d.cardSize.Height)*0.42))
			x, y := d.card.X, d.card.Y
			card.Move(d.card)
			card.Resize(d.cardSize)
			place(ground, d.card.X, d.card.Y, d.cardSize.Width, d.cardSize.Height)
			place(d.title, x+margin, y+28, inner-buttonHeight-theme.Grid, lineHeight(theme.TextTitle))
			place(d.close, x+w-margin-buttonHeight+6, y+24, buttonHeight, buttonHeight)
			// The scroller reaches to the edge of the card, so that its bar and the focus rings have room.
			const out = 8
			d.scroll.Content = NewInset(d.content, 6, out, 0, out)
			place(d.scroll, x+margin-out, y+head, inner+2*out, h+6)
			d.scroll.Refresh()
			d.keepInSight(h)
		},
		update: func() {
			dim.FillColor = theme.Color(theme.ColorDim)
			dim.Refresh()
			card.FillColor = theme.Color(theme.ColorPanel)
			card.Shadow = canvas.Shadow{Color: theme.Color(theme.ColorEdge), BlurRadius: 24, Offset: fyne.NewPos(0, 10)}
			card.Refresh()
			d.bubble.update()
		},
	})
}

// Tone says what kind of news a note has.
type Tone int

const (
	ToneInfo Tone = iota
	ToneWarning
	ToneDanger
)

func (t Tone) look() (icon string, ink fyne.ThemeColorName) {
	switch t {
	case ToneWarning:
		return "warning", theme.ColorWarning
	case ToneDanger:
		return "failed", theme.ColorDanger
	default:
		return "info", theme.ColorSecondary
	}
}

// Note is a sentence next to what it is about, with an icon and at most one thing to do about it. It is hidden while it has no
// text.
type Note struct {
	fynewidget.BaseWidget

	tone   Tone
	label  *Label
	action *Button
	acted  func()
}

var _ fyne.Widget = (*Note)(nil)

// NewNote returns a note; an empty text hides it.
func NewNote(tone Tone, text string) *Note {
	n := &Note{label: NewLabel("", theme.TextSmall)}
	n.action = NewButton("", ButtonText, func() {
		if n.acted != nil {
			n.acted()
		}
	})
	n.ExtendBaseWidget(n)
	n.Set(tone, text)
	return n
}

// Set changes the sentence. An empty text hides the note.
func (n *Note) Set(tone Tone, text string) {
	n.tone = tone
	_, n.label.Color = tone.look()
	n.label.SetText(text)
	n.Hidden = text == ""
	n.Refresh()
}

// SetAction offers one thing to do; an empty name removes it.
func (n *Note) SetAction(name string, acted func()) {
	n.acted = acted
	n.action.SetText(name)
	n.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (n *Note) CreateRenderer() fyne.WidgetRenderer {
	const side, gap = 18, 8
	icon := newGlyph()
	actionWidth := func() float32 {
		if n.action.Hidden {
			return 0
		}
		return n.action.MinSize().Width
	}
	return newRenderer(&renderer{
		widget:  n,
		objects: []fyne.CanvasObject{icon.Raster, n.label, n.action},
		minSize: func() fyne.Size {
			h := max(n.label.MinSize().Height, side)
			if !n.action.Hidden {
				h = max(h, buttonHeight)
			}
			return fyne.NewSize(120, h)
		},
		layout: func(size fyne.Size) {
			w := size.Width - side - gap - actionWidth()
			n.label.Resize(fyne.NewSize(w, size.Height))
			h := n.label.MinSize().Height
			y := (size.Height - h) / 2
			place(icon, 0, y, side, side)
			place(n.label, side+gap, y, w, h)
			place(n.action, size.Width-actionWidth(), (size.Height-buttonHeight)/2, actionWidth(), buttonHeight)
		},
		update: func() {
			name, ink := n.tone.look()
			icon.set(name, ink)
			n.action.Hidden = n.action.text == ""
		},
	})
}

// NewEmptyState returns what is shown where there is nothing yet: an icon, a title, a sentence that says what belongs here, and
// the one next step. An empty action leaves the button out.
func NewEmptyState(icon, title, text, action string, acted func()) fyne.CanvasObject {
	if action == "" {
		return NewEmptyStateWith(icon, title, text, nil)
	}
	return NewEmptyStateWith(icon, title, text, NewButton(action, ButtonPrimary, acted))
}

// NewEmptyStateWith is NewEmptyState with a button, or nil, for where there is no next step but a way out.
func NewEmptyStateWith(icon, title, text string, button *Button) fyne.CanvasObject {
	const width, disc = 340, 72
	picture := newGlyph()
	ground := canvas.NewCircle(nil)
	e := &emptyState{update: func() {
		picture.set(icon, theme.ColorAccent)
		ground.FillColor = theme.Color(theme.ColorAccentSoft)
		ground.Refresh()
	}}
	titleLabel := NewLabel(title, theme.TextTitle)
	titleLabel.Bold, titleLabel.Alignment = true, fyne.TextAlignCenter
	textLabel := NewLabel(text, theme.TextBody)
	textLabel.Color, textLabel.Alignment = theme.ColorSecondary, fyne.TextAlignCenter
	e.objects = []fyne.CanvasObject{ground, picture.Raster, titleLabel, textLabel}
	if button != nil {
		e.objects = append(e.objects, button)
	}
	heights := func(w float32) (t, s, b float32) {
		titleLabel.Resize(fyne.NewSize(w, 1))
		textLabel.Resize(fyne.NewSize(w, 1))
		if button != nil {
			b = buttonHeight + 3*theme.Grid
		}
		return titleLabel.MinSize().Height, textLabel.MinSize().Height, b
	}
	e.layout = func(size fyne.Size) {
		w := min(width, size.Width-2*theme.Grid)
		t, s, b := heights(w)
		x, y := (size.Width-w)/2, max(0, (size.Height-(disc+16+t+8+s+b))/2)
		place(ground, (size.Width-disc)/2, y, disc, disc)
		place(picture, (size.Width-disc/2)/2, y+disc/4, disc/2, disc/2)
		y += disc + 16
		place(titleLabel, x, y, w, t)
		place(textLabel, x, y+t+8, w, s)
		if button != nil {
			bw := button.MinSize().Width
			place(button, (size.Width-bw)/2, y+t+8+s+3*theme.Grid, bw, buttonHeight)
		}
	}
	e.minSize = func() fyne.Size {
		t, s, b := heights(min(width, max(200, e.Size().Width-2*theme.Grid)))
		return fyne.NewSize(200, disc+16+t+8+s+b)
	}
	e.ExtendBaseWidget(e)
	return e
}

type emptyState struct {
	fynewidget.BaseWidget

	objects []fyne.CanvasObject
	minSize func() fyne.Size
	layout  func(fyne.Size)
	update  func()
}

func (e *emptyState) CreateRenderer() fyne.WidgetRenderer {
	return newRenderer(&renderer{widget: e, objects: e.objects, minSize: e.minSize, layout: e.layout, update: e.update})
}
