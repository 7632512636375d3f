package widget

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// tooltipDelay is how long the pointer rests before a tooltip appears.
const tooltipDelay = 500 * time.Millisecond

// tooltipHost shows one tooltip at a time above its content.
type tooltipHost interface {
	showTooltip(text string, at fyne.Position, size fyne.Size)
	hideTooltip()
}

// TooltipLayer shows the tooltips of what is inside it. Make it the content of the window.
type TooltipLayer struct {
	fynewidget.BaseWidget

	content fyne.CanvasObject
	bubble  tooltipBubble
}

var (
	_ fyne.Widget = (*TooltipLayer)(nil)
	_ tooltipHost = (*TooltipLayer)(nil)
)

// NewTooltipLayer returns content with a layer for tooltips above it.
func NewTooltipLayer(content fyne.CanvasObject) *TooltipLayer {
	l := &TooltipLayer{content: content, bubble: newTooltipBubble()}
	l.ExtendBaseWidget(l)
	return l
}

// CreateRenderer implements fyne.Widget.
func (l *TooltipLayer) CreateRenderer() fyne.WidgetRenderer {
	return newRenderer(&renderer{
		widget:  l,
		objects: append([]fyne.CanvasObject{l.content}, l.bubble.objects()...),
		still:   len(l.bubble.objects()),
		minSize: l.content.MinSize,
		layout:  l.content.Resize,
		update:  l.bubble.update,
	})
}

func (l *TooltipLayer) showTooltip(text string, at fyne.Position, size fyne.Size) {
	l.bubble.show(text, at.Subtract(fyne.CurrentApp().Driver().AbsolutePositionForObject(l)), size, l.Size())
	canvas.Refresh(l) // the toolkit does not notice that something hidden is shown
}

func (l *TooltipLayer) hideTooltip() {
	l.bubble.hide()
	canvas.Refresh(l)
}

// tooltipBubble is the drawing of a tooltip.
type tooltipBubble struct {
	box  *canvas.Rectangle
	text *words
}

func newTooltipBubble() tooltipBubble {
	b := tooltipBubble{box: canvas.NewRectangle(nil), text: newWords(theme.TextSmall, false)}
	b.box.CornerRadius = 6
	b.box.FillColor = theme.Color(theme.ColorTooltip)
	b.hide()
	return b
}

func (b *tooltipBubble) objects() []fyne.CanvasObject { return []fyne.CanvasObject{b.box, b.text.box} }

func (b *tooltipBubble) update() {
	b.box.FillColor = theme.Color(theme.ColorTooltip)
	b.box.Refresh()
	b.text.set(b.text.text, theme.ColorOnTooltip)
}

// show places the tooltip below the object at pos, or above it where there is no room, within the given bounds.
func (b *tooltipBubble) show(text string, pos fyne.Position, size, bounds fyne.Size) {
	const pad, gap = theme.Grid, theme.Grid - 2
	b.text.text = text
	b.update()
	w := textWidth(text, theme.TextSmall, false) + 2*pad
	h := lineHeight(theme.TextSmall) + pad
	x := pos.X + (size.Width-w)/2
	x = max(gap, min(x, bounds.Width-w-gap))
	y := pos.Y + size.Height + gap
	if y+h > bounds.Height {
		y = pos.Y - gap - h
	}
	place(b.box, x, y, w, h)
	b.text.place(x+pad, y, h, 0)
	b.box.Show()
	b.text.box.Show()
}

func (b *tooltipBubble) hide() {
	b.box.Hide()
	b.text.box.Hide()
}

const (
	toastTime         = 2 * time.Second
	toastEdge float32 = 120 // from the foot of the window, above the field for messages
)

// ShowToast tells something for a moment, near the foot of a window or of the dialog in front. after calls something later on the main goroutine.
func ShowToast(c fyne.Canvas, text string, after func(d time.Duration, f func()) (stop func() bool)) {
	var top fyne.CanvasObject = c.Overlays().Top()
	if top == nil {
		top = c.Content()
	}
	if host, ok := top.(tooltipHost); ok {
		size := c.Size()
		host.showTooltip(text, fyne.NewPos(0, size.Height-toastEdge), fyne.NewSize(size.Width, 0))
		after(toastTime, host.hideTooltip)
	}
}

// tooltip belongs to one widget and asks the host around it to show its text.
type tooltip struct {
	owner fyne.CanvasObject
	text  string
	at    fyne.Position // the part of the owner that it is about; with no size it is about all of it
	size  fyne.Size

	timer *time.Timer
	shown tooltipHost
}

func (t *tooltip) show() {
	t.hide()
	if t.text == "" || t.owner == nil {
		return
	}
	t.timer = time.AfterFunc(tooltipDelay, func() { fyne.Do(t.showNow) })
}

func (t *tooltip) showNow() {
	if t.timer == nil { // the pointer left in the meantime
		return
	}
	t.timer = nil
	c := canvasOf(t.owner)
	if c == nil {
		return
	}
	var top fyne.CanvasObject = c.Overlays().Top()
	if top == nil {
		top = c.Content()
	}
	if host, ok := top.(tooltipHost); ok {
		t.shown = host
		size := t.size
		if size.IsZero() {
			size = t.owner.Size()
		}
		host.showTooltip(t.text, fyne.CurrentApp().Driver().AbsolutePositionForObject(t.owner).Add(t.at), size)
	}
}

func (t *tooltip) hide() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if t.shown != nil {
		t.shown.hideTooltip()
		t.shown = nil
	}
}
