package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// choiceCard is one of several possibilities, of which one is chosen: a title and a sentence that tells the consequence.
type choiceCard struct {
	fynewidget.DisableableWidget

	title, text      *widget.Label
	chosen           bool
	hovered, focused bool
	choose           func()
	step             func(by int) // moves to another possibility
	submit           func()
}

var (
	_ fyne.Tappable     = (*choiceCard)(nil)
	_ fyne.Focusable    = (*choiceCard)(nil)
	_ desktop.Hoverable = (*choiceCard)(nil)
)

// choices is a list of possibilities.
type choices struct {
	cards   []*choiceCard
	chosen  int
	changed func(index int)

	submitted func() // Enter was typed; may be nil
}

// newChoices returns possibilities, each with a title and a sentence, of which one is chosen.
func newChoices(chosen int, changed func(index int), texts ...[2]string) *choices {
	c := &choices{chosen: chosen, changed: changed}
	for i, t := range texts {
		card := &choiceCard{title: widget.NewLabel(t[0], theme.TextBody), text: widget.NewHint(t[1]), chosen: i == chosen}
		card.title.Bold = true
		card.choose = func() { c.choose(i) }
		card.step = func(by int) { c.step(i, by) }
		card.submit = func() {
			c.choose(i)
			if c.submitted != nil && !card.Disabled() {
				c.submitted()
			}
		}
		card.ExtendBaseWidget(card)
		c.cards = append(c.cards, card)
	}
	return c
}

func (c *choices) objects() []fyne.CanvasObject {
	objects := make([]fyne.CanvasObject, len(c.cards))
	for i, card := range c.cards {
		objects[i] = card
	}
	return objects
}

func (c *choices) choose(i int) {
	if c.cards[i].Disabled() || i == c.chosen {
		return
	}
	c.chosen = i
	for k, card := range c.cards {
		card.chosen = k == i
		card.Refresh()
	}
	if c.changed != nil {
		c.changed(i)
	}
}

// step chooses the next possibility that can be chosen and gives it the keyboard.
func (c *choices) step(from, by int) {
	for i := from + by; i >= 0 && i < len(c.cards); i += by {
		if !c.cards[i].Disabled() {
			c.choose(i)
			if canvas := fyne.CurrentApp().Driver().CanvasForObject(c.cards[i]); canvas != nil {
				canvas.Focus(c.cards[i])
			}
			return
		}
	}
}

// Tapped implements fyne.Tappable.
func (c *choiceCard) Tapped(*fyne.PointEvent) { c.choose() }

// TypedRune implements fyne.Focusable.
func (c *choiceCard) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (c *choiceCard) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name {
	case fyne.KeySpace:
		c.choose()
	case fyne.KeyReturn, fyne.KeyEnter:
		c.submit()
	case fyne.KeyUp, fyne.KeyLeft:
		c.step(-1)
	case fyne.KeyDown, fyne.KeyRight:
		c.step(1)
	case fyne.KeyEscape:
		widget.Escape(c)
	}
}

func (c *choiceCard) FocusGained() {
	c.focused = true
	c.Refresh()
	widget.Reveal(c)
}

func (c *choiceCard) FocusLost() {
	c.focused = false
	c.Refresh()
}

func (c *choiceCard) MouseIn(*desktop.MouseEvent) {
	c.hovered = true
	c.Refresh()
}

func (c *choiceCard) MouseMoved(*desktop.MouseEvent) {}

func (c *choiceCard) MouseOut() {
	c.hovered = false
	c.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (c *choiceCard) CreateRenderer() fyne.WidgetRenderer {
	r := &choiceRenderer{card: c, box: canvas.NewRectangle(nil), ring: canvas.NewRectangle(color.Transparent),
		disc: canvas.NewCircle(nil), dot: canvas.NewCircle(nil)}
	r.Refresh()
	return r
}

type choiceRenderer struct {
	card      *choiceCard
	box, ring *canvas.Rectangle
	disc, dot *canvas.Circle
}

const (
	choiceEdge float32 = 14
	choiceDisc float32 = 18
	choiceText         = choiceEdge + choiceDisc + 12
)

func (r *choiceRenderer) Destroy() {}

func (r *choiceRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.box, r.disc, r.dot, r.card.title, r.card.text, r.ring}
}

func (r *choiceRenderer) MinSize() fyne.Size {
	return fyne.NewSize(200, 2*choiceEdge+r.card.title.MinSize().Height+r.card.text.MinSize().Height)
}

func (r *choiceRenderer) Layout(size fyne.Size) {
	place(r.box, 0, 0, size.Width, size.Height)
	place(r.ring, -3, -3, size.Width+6, size.Height+6)
	place(r.disc, choiceEdge, choiceEdge+1, choiceDisc, choiceDisc)
	const inner = 5
	place(r.dot, choiceEdge+inner, choiceEdge+1+inner, choiceDisc-2*inner, choiceDisc-2*inner)
	w := size.Width - choiceText - choiceEdge
	r.card.title.Resize(fyne.NewSize(w, 1))
	h := r.card.title.MinSize().Height
	place(r.card.title, choiceText, choiceEdge, w, h)
	r.card.text.Resize(fyne.NewSize(w, 1))
	place(r.card.text, choiceText, choiceEdge+h, w, r.card.text.MinSize().Height)
	widget.Mirror(r.Objects(), size.Width)
}

func (r *choiceRenderer) Refresh() {
	c := r.card
	fill, line, mark := theme.ColorPanel, theme.ColorLine, theme.ColorTrack
	if c.chosen {
		fill, line, mark = theme.ColorAccentSoft, theme.ColorAccent, theme.ColorAccent
	} else if c.hovered && !c.Disabled() {
		fill = theme.ColorSelected
	}
	c.title.Color, c.text.Color = theme.ColorText, theme.ColorSecondary
	if c.Disabled() {
		c.title.Color = theme.ColorSecondary
	}
	if c.chosen {
		c.text.Color = theme.ColorText
	}
	r.box.CornerRadius, r.box.FillColor = theme.BubbleRadius, theme.Color(fill)
	r.box.StrokeColor, r.box.StrokeWidth = theme.Color(line), 1
	r.ring.CornerRadius, r.ring.StrokeWidth, r.ring.StrokeColor = theme.BubbleRadius+3, theme.FocusWidth, theme.Color(theme.ColorAccent)
	r.ring.Hidden = !c.focused
	r.disc.FillColor, r.disc.StrokeColor, r.disc.StrokeWidth = theme.Color(theme.ColorPanel), theme.Color(mark), 2
	r.dot.FillColor = theme.Color(mark)
	r.dot.Hidden = !c.chosen
	c.title.Refresh()
	c.text.Refresh()
	r.Layout(c.Size())
	canvas.Refresh(c)
}
