// Package widget has the building blocks of Sotto's window: avatars, the rail, the list of conversations, the list of
// messages, the composer, buttons, dialogs and the like.
//
// The blocks know nothing of the program behind them. They are given plain view structs (AvatarView, ConversationView,
// Message) and callbacks, and texts that are already in the reader's language; the few words that a block says by itself come
// from the toolkit's lang package. All of it runs on the toolkit's main goroutine, as everything in a Fyne interface does:
// other goroutines go through fyne.Do.
//
// Texts may come from anybody. What would do more than be read, such as the signs that turn the direction of writing around, has no
// effect, long texts are cut, and links show where they lead. Emoji are pictures of our own, scripts that the toolkit has no
// font for are set in those that come with the program, and lines that mix directions are put in order here.
//
// Layouts are written from the left. With SetMirrored all of them are turned around for a language that is written from the right: each
// ends with Mirror, a painter and the renderers of this package do it by themselves, and what is computed from a position goes through MirrorX.
//
// Every block that does something can be reached with Tab and used with Space, Enter and the arrow keys, and shows a ring
// while it has the keyboard. Tooltips need a TooltipLayer around the content of the window.
package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// renderer is a fyne.WidgetRenderer made of functions, so that a widget can keep its drawing in one place.
type renderer struct {
	widget  fyne.Widget
	objects []fyne.CanvasObject
	minSize func() fyne.Size
	layout  func(size fyne.Size)
	update  func() // takes texts and colours over from the widget and the theme
	still   int    // how many of the last objects are not mirrored, as layout does not place them by left and right
}

// allStill is for renderer.still: nothing is mirrored.
const allStill = 1 << 16

func newRenderer(r *renderer) *renderer {
	layout := r.layout
	r.layout = func(size fyne.Size) {
		layout(size)
		Mirror(r.objects[:max(0, len(r.objects)-r.still)], size.Width)
	}
	r.update()
	return r
}

func (r *renderer) Destroy()                     {}
func (r *renderer) Objects() []fyne.CanvasObject { return r.objects }
func (r *renderer) MinSize() fyne.Size           { return r.minSize() }
func (r *renderer) Layout(size fyne.Size)        { r.layout(size) }

func (r *renderer) Refresh() {
	r.update()
	r.layout(r.widget.Size())
	canvas.Refresh(r.widget)
}

// control is what buttons, tabs and switches have in common: hovering, the keyboard and tapping.
type control struct {
	fynewidget.DisableableWidget

	hovered, focused bool
	tap              func()
	escaped          func() bool // sees Escape first; true means that it was used
	tooltip          tooltip
}

// Tapped implements fyne.Tappable.
func (c *control) Tapped(*fyne.PointEvent) {
	touched()
	c.tooltip.hide()
	c.activate()
}

func (c *control) activate() {
	if c.tap != nil && !c.Disabled() {
		c.tap()
	}
}

// FocusGained implements fyne.Focusable.
func (c *control) FocusGained() {
	c.focused = true
	c.Refresh()
	Reveal(c.tooltip.owner)
}

// FocusLost implements fyne.Focusable.
func (c *control) FocusLost() {
	c.focused = false
	c.Refresh()
}

// TypedRune implements fyne.Focusable.
func (c *control) TypedRune(rune) {}

// TypedKey implements fyne.Focusable: Space and Enter do what a tap does, Escape closes the dialog around.
func (c *control) TypedKey(ev *fyne.KeyEvent) {
	touched()
	switch ev.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		c.activate()
	case fyne.KeyEscape:
		c.escape()
	}
}

func (c *control) escape() {
	if c.escaped == nil || !c.escaped() {
		Escape(c.tooltip.owner)
	}
}

// MouseIn implements desktop.Hoverable.
func (c *control) MouseIn(*desktop.MouseEvent) {
	touched()
	c.hovered = true
	c.tooltip.show()
	c.Refresh()
}

// MouseMoved implements desktop.Hoverable.
func (c *control) MouseMoved(*desktop.MouseEvent) { touched() }

// MouseOut implements desktop.Hoverable.
func (c *control) MouseOut() {
	c.hovered = false
	c.tooltip.hide()
	c.Refresh()
}

// init ties the control to the widget that embeds it; constructors call it first.
func (c *control) init(w fyne.Widget, tap func()) {
	c.tap = tap
	c.tooltip.owner = w
	c.ExtendBaseWidget(w)
}

// Escape closes the topmost dialog or popup of the canvas that o is on. Where there is none, the window gets the key.
func Escape(o fyne.CanvasObject) {
	c := canvasOf(o)
	if c == nil {
		return
	}
	top := c.Overlays().Top()
	if d, ok := top.(interface{ cancel() }); ok {
		d.cancel()
	} else if typed := c.OnTypedKey(); top == nil && typed != nil {
		typed(&fyne.KeyEvent{Name: fyne.KeyEscape})
	}
}

// canvasOf returns the canvas that shows o, or nil.
func canvasOf(o fyne.CanvasObject) fyne.Canvas {
	if o == nil {
		return nil
	}
	return fyne.CurrentApp().Driver().CanvasForObject(o)
}

// forwardShortcut gives a key combination that a focused widget does not use to its canvas, which the toolkit does not do.
func forwardShortcut(c fyne.Canvas, s fyne.Shortcut) {
	if h, ok := c.(fyne.Shortcutable); ok {
		h.TypedShortcut(s)
	}
}

// place moves and resizes o.
func place(o fyne.CanvasObject, x, y, w, h float32) {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
}

// newRing returns a focus ring; setRing shows it in the accent colour or hides it.
func newRing(radius float32) *canvas.Rectangle {
	r := canvas.NewRectangle(color.Transparent)
	r.CornerRadius = radius
	r.StrokeWidth = theme.FocusWidth
	r.Hide()
	return r
}

func setRing(ring *canvas.Rectangle, on bool) {
	outline(ring, theme.ColorAccent, theme.FocusWidth)
	if on {
		ring.Show()
	} else {
		ring.Hide()
	}
	ring.Refresh()
}

// outline gives a rectangle a border and no filling.
func outline(r *canvas.Rectangle, name fyne.ThemeColorName, width float32) {
	r.StrokeColor, r.StrokeWidth = theme.Color(name), width
	// The toolkit blends the edge of the border into the filling, which must not be black where it is transparent.
	inside := color.NRGBAModel.Convert(r.StrokeColor).(color.NRGBA)
	inside.A = 1
	r.FillColor = inside
}

// placeRing lays the ring around a box, one pixel outside of it.
func placeRing(ring *canvas.Rectangle, x, y, w, h float32) {
	const out = 3
	place(ring, x-out, y-out, w+2*out, h+2*out)
}

func newText(size float32, bold bool) *canvas.Text {
	t := canvas.NewText("", color.Transparent)
	t.TextSize = size
	t.TextStyle.Bold = bold
	return t
}

// setText gives t a text and a colour of the theme.
func setText(t *canvas.Text, text string, name fyne.ThemeColorName) {
	t.Text = harmless(text)
	t.Color = theme.Color(name)
	t.Refresh()
}

func textWidth(s string, size float32, bold bool) float32 {
	if s == "" {
		return 0
	}
	return measureText(s, size, fyne.TextStyle{Bold: bold})
}

// lineHeight is the height of a line of text of the given size, in whole pixels.
func lineHeight(size float32) float32 { return float32(int(size*theme.LineHeight + 0.5)) }
