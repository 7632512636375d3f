package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"
)

// Ground is nothing to be seen behind other widgets, beside which a click does not take the keyboard away from them: the toolkit does that
// unless there is something at that place that can have it. This seems to be such, but is disabled, so that Tab passes it by.
type Ground struct{ fynewidget.BaseWidget }

var (
	_ fyne.Focusable   = (*Ground)(nil)
	_ fyne.Disableable = (*Ground)(nil)
)

// NewGround returns a ground. Put it behind all others.
func NewGround() *Ground {
	g := &Ground{}
	g.ExtendBaseWidget(g)
	return g
}

// FocusGained implements fyne.Focusable.
func (g *Ground) FocusGained() {}

// FocusLost implements fyne.Focusable.
func (g *Ground) FocusLost() {}

// TypedRune implements fyne.Focusable.
func (g *Ground) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (g *Ground) TypedKey(*fyne.KeyEvent) {}

// Enable implements fyne.Disableable.
func (g *Ground) Enable() {}

// Disable implements fyne.Disableable.
func (g *Ground) Disable() {}

// Disabled implements fyne.Disableable.
func (g *Ground) Disabled() bool { return true }

// CreateRenderer implements fyne.Widget.
func (g *Ground) CreateRenderer() fyne.WidgetRenderer {
	return fynewidget.NewSimpleRenderer(canvas.NewRectangle(color.Transparent))
}
