package widget

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Cropper lets a person choose the square part of a picture that becomes their own. A drag and the arrow keys move the circle, the wheel,
// + and - change its size.
type Cropper struct {
	fynewidget.BaseWidget

	img     image.Image
	x, y, s float32 // the square, in pixels of the picture
	focused bool
}

var (
	_ fyne.Widget        = (*Cropper)(nil)
	_ fyne.Focusable     = (*Cropper)(nil)
	_ fyne.Draggable     = (*Cropper)(nil)
	_ fyne.Scrollable    = (*Cropper)(nil)
	_ fyne.Tappable      = (*Cropper)(nil)
	_ desktop.Cursorable = (*Cropper)(nil)
)

// NewCropper returns a cropper with the largest square in the middle of a picture. Make the picture no larger than it is shown.
func NewCropper(img image.Image) *Cropper {
	b := img.Bounds()
	c := &Cropper{img: img}
	c.s = float32(max(1, min(b.Dx(), b.Dy())))
	c.x, c.y = (float32(b.Dx())-c.s)/2, (float32(b.Dy())-c.s)/2
	c.ExtendBaseWidget(c)
	return c
}

// Square returns the chosen part, in pixels of the picture.
func (c *Cropper) Square() image.Rectangle {
	b := c.img.Bounds()
	side := max(1, int(c.s))
	x, y := b.Min.X+int(c.x), b.Min.Y+int(c.y)
	return image.Rect(x, y, x+side, y+side).Intersect(b)
}

// scale is how many pixels of the window one of the picture takes.
func (c *Cropper) scale() float32 {
	b := c.img.Bounds()
	return min(c.Size().Width/float32(max(b.Dx(), 1)), c.Size().Height/float32(max(b.Dy(), 1)))
}

func (c *Cropper) move(dx, dy float32) {
	b := c.img.Bounds()
	c.x = max(0, min(c.x+dx, float32(b.Dx())-c.s))
	c.y = max(0, min(c.y+dy, float32(b.Dy())-c.s))
	c.Refresh()
}

// resize changes the size of the square around its middle.
func (c *Cropper) resize(f float32) {
	b := c.img.Bounds()
	most := float32(min(b.Dx(), b.Dy()))
	s := max(min(most, 32), min(c.s*f, most))
	d := (c.s - s) / 2
	c.s = s
	c.move(d, d)
}

// Dragged implements fyne.Draggable.
func (c *Cropper) Dragged(ev *fyne.DragEvent) {
	if f := c.scale(); f > 0 {
		c.move(ev.Dragged.DX/f, ev.Dragged.DY/f)
	}
}

// DragEnd implements fyne.Draggable.
func (c *Cropper) DragEnd() {}

// Scrolled implements fyne.Scrollable.
func (c *Cropper) Scrolled(ev *fyne.ScrollEvent) {
	if ev.Scrolled.DY > 0 {
		c.resize(0.92)
	} else {
		c.resize(1 / 0.92)
	}
}

// Tapped implements fyne.Tappable: it takes the keyboard.
func (c *Cropper) Tapped(*fyne.PointEvent) {
	if cv := canvasOf(c); cv != nil {
		cv.Focus(c)
	}
}

// Cursor implements desktop.Cursorable.
func (c *Cropper) Cursor() desktop.Cursor { return desktop.PointerCursor }

// FocusGained implements fyne.Focusable.
func (c *Cropper) FocusGained() {
	c.focused = true
	c.Refresh()
}

// FocusLost implements fyne.Focusable.
func (c *Cropper) FocusLost() {
	c.focused = false
	c.Refresh()
}

// TypedRune implements fyne.Focusable.
func (c *Cropper) TypedRune(r rune) {
	switch r {
	case '+', '=':
		c.resize(1 / 0.9)
	case '-':
		c.resize(0.9)
	}
}

// TypedKey implements fyne.Focusable.
func (c *Cropper) TypedKey(ev *fyne.KeyEvent) {
	step := max(1, c.s/20)
	switch ev.Name {
	case fyne.KeyLeft:
		c.move(-step, 0)
	case fyne.KeyRight:
		c.move(step, 0)
	case fyne.KeyUp:
		c.move(0, -step)
	case fyne.KeyDown:
		c.move(0, step)
	case fyne.KeyEscape:
		Escape(c)
	}
}

// shade darkens everything outside of the circle.
func (c *Cropper) shade(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	b := c.img.Bounds()
	fx, fy := float32(w)/float32(max(b.Dx(), 1)), float32(h)/float32(max(b.Dy(), 1))
	cx, cy, r := (c.x+c.s/2)*fx, (c.y+c.s/2)*fy, c.s/2*fx
	const ring = 2.5
	line := color.NRGBA{0xff, 0xff, 0xff, 0xff}
	if c.focused {
		line = color.NRGBAModel.Convert(theme.Color(theme.ColorAccent)).(color.NRGBA)
	}
	ink := color.NRGBAModel.Convert(theme.Color(theme.ColorMedia)).(color.NRGBA)
	for y := range h {
		dy := float32(y) + 0.5 - cy
		for x := range w {
			dx := float32(x) + 0.5 - cx
			d := dx*dx + dy*dy
			switch {
			case d > r*r:
				img.SetNRGBA(x, y, ink)
			case r > ring && d > (r-ring)*(r-ring):
				img.SetNRGBA(x, y, line)
			}
		}
	}
	return img
}

// CreateRenderer implements fyne.Widget.
func (c *Cropper) CreateRenderer() fyne.WidgetRenderer {
	picture := &canvas.Image{Image: c.img, FillMode: canvas.ImageFillStretch}
	shade := canvas.NewRaster(c.shade)
	return newRenderer(&renderer{
		widget:  c,
		objects: []fyne.CanvasObject{picture, shade},
		minSize: func() fyne.Size { return fyne.NewSize(200, 200) },
		layout: func(size fyne.Size) {
			b := c.img.Bounds()
			w, h := float32(b.Dx())*c.scale(), float32(b.Dy())*c.scale()
			for _, o := range []fyne.CanvasObject{picture, shade} {
				place(o, (size.Width-w)/2, (size.Height-h)/2, w, h)
			}
		},
		update: shade.Refresh,
	})
}
