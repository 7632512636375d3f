package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// NewColumn stacks objects from the top with a gap in pixels between them. Unlike the toolkit's VBox it tells every object
// its width before asking for its height, so that labels wrap.
func NewColumn(gap float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(&column{gap: gap}, objects...)
}

type column struct {
	gap   float32
	width float32
}

func (c *column) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	c.width = size.Width
	y := float32(0)
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		o.Move(fyne.NewPos(0, y))
		o.Resize(fyne.NewSize(size.Width, o.MinSize().Height))
		h := o.MinSize().Height
		o.Resize(fyne.NewSize(size.Width, h))
		y += h + c.gap
	}
}

func (c *column) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		if c.width > 0 && o.Size().Width != c.width {
			o.Resize(fyne.NewSize(c.width, o.MinSize().Height))
		}
		m := o.MinSize()
		s.Width = max(s.Width, m.Width)
		if s.Height > 0 {
			s.Height += c.gap
		}
		s.Height += m.Height
	}
	return s
}

// NewFlow lines objects up from the left at their own size, centred on the line, and starts a new line when one is full.
func NewFlow(gap float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(&flow{gap: gap}, objects...)
}

// NewCenteredFlow is NewFlow with its lines in the middle.
func NewCenteredFlow(gap float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(&flow{gap: gap, centered: true}, objects...)
}

type flow struct {
	gap      float32
	width    float32
	centered bool
}

func (f *flow) arrange(objects []fyne.CanvasObject, width float32, put func(o fyne.CanvasObject, x, y float32, s fyne.Size)) fyne.Size {
	var total fyne.Size
	x, y, h := float32(0), float32(0), float32(0)
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		m := o.MinSize()
		if x > 0 && width > 0 && x+m.Width > width {
			x, y, h = 0, y+h+f.gap, 0
		}
		put(o, x, y, m)
		h = max(h, m.Height)
		x += m.Width + f.gap
		total = total.Max(fyne.NewSize(m.Width, y+h))
	}
	return total
}

func (f *flow) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	f.width = size.Width
	var line []fyne.CanvasObject // that is being filled
	end := func() {
		if n := len(line); f.centered && n > 0 {
			free := size.Width - line[n-1].Position().X - line[n-1].Size().Width
			for _, o := range line {
				o.Move(o.Position().AddXY(free/2, 0))
			}
		}
		line = line[:0]
	}
	f.arrange(objects, size.Width, func(o fyne.CanvasObject, x, y float32, s fyne.Size) {
		if x == 0 {
			end()
		}
		place(o, x, y, s.Width, s.Height)
		line = append(line, o)
	})
	end()
	Mirror(objects, size.Width)
}

func (f *flow) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return f.arrange(objects, f.width, func(fyne.CanvasObject, float32, float32, fyne.Size) {})
}

// NewBorder puts objects at the edges of what is left, and center in the middle; each may be nil. Unlike the toolkit's border
// it leaves no gaps.
func NewBorder(top, bottom, left, right, center fyne.CanvasObject) *fyne.Container {
	b := &border{top: top, bottom: bottom, left: left, right: right, center: center}
	var objects []fyne.CanvasObject
	for _, o := range []fyne.CanvasObject{top, left, center, right, bottom} { // the order of Tab
		if o != nil {
			objects = append(objects, o)
		}
	}
	return container.New(b, objects...)
}

type border struct{ top, bottom, left, right, center fyne.CanvasObject }

func shown(o fyne.CanvasObject) bool { return o != nil && o.Visible() }

func (b *border) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	var x, y float32
	w, h := size.Width, size.Height
	if shown(b.top) {
		b.top.Resize(fyne.NewSize(w, b.top.MinSize().Height))
		m := b.top.MinSize().Height
		place(b.top, 0, 0, w, m)
		y, h = m, h-m
	}
	if shown(b.bottom) {
		b.bottom.Resize(fyne.NewSize(w, b.bottom.MinSize().Height))
		m := b.bottom.MinSize().Height
		place(b.bottom, 0, size.Height-m, w, m)
		h -= m
	}
	if shown(b.left) {
		m := b.left.MinSize().Width
		place(b.left, 0, y, m, h)
		x, w = m, w-m
	}
	if shown(b.right) {
		m := b.right.MinSize().Width
		place(b.right, size.Width-m, y, m, h)
		w -= m
	}
	if shown(b.center) {
		place(b.center, x, y, max(w, 0), max(h, 0))
	}
	Mirror(objects, size.Width)
}

func (b *border) MinSize([]fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	if shown(b.center) {
		s = b.center.MinSize()
	}
	for _, o := range []fyne.CanvasObject{b.left, b.right} {
		if shown(o) {
			m := o.MinSize()
			s = fyne.NewSize(s.Width+m.Width, max(s.Height, m.Height))
		}
	}
	for _, o := range []fyne.CanvasObject{b.top, b.bottom} {
		if shown(o) {
			m := o.MinSize()
			s = fyne.NewSize(max(s.Width, m.Width), s.Height+m.Height)
		}
	}
	return s
}

// NewBar lines objects up from the left, centred on the line, with a gap in pixels between them. The object with the number
// stretch gets the room that is left; -1 leaves it empty at the right.
func NewBar(gap float32, stretch int, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(&bar{gap: gap, stretch: stretch}, objects...)
}

type bar struct {
	gap     float32
	stretch int
}

func (b *bar) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	left := size.Width - b.MinSize(objects).Width
	x := float32(0)
	for i, o := range objects {
		if !o.Visible() {
			continue
		}
		m := o.MinSize()
		if i == b.stretch {
			m.Width += left
			o.Resize(m)
			m.Height = o.MinSize().Height
		}
		place(o, x, (size.Height-m.Height)/2, m.Width, m.Height)
		x += m.Width + b.gap
	}
	Mirror(objects, size.Width)
}

func (b *bar) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		m := o.MinSize()
		if s.Width > 0 {
			s.Width += b.gap
		}
		s = fyne.NewSize(s.Width+m.Width, max(s.Height, m.Height))
	}
	return s
}

// NewFixed makes an object ask for a width and a height in pixels, whatever it needs; 0 leaves what it asks for.
func NewFixed(o fyne.CanvasObject, width, height float32) *fyne.Container {
	return container.New(fixed{width, height}, o)
}

type fixed struct{ width, height float32 }

func (f fixed) Layout(objects []fyne.CanvasObject, size fyne.Size) { objects[0].Resize(size) }

func (f fixed) MinSize(objects []fyne.CanvasObject) fyne.Size {
	m := objects[0].MinSize()
	if f.width > 0 {
		m.Width = f.width
	}
	if f.height > 0 {
		m.Height = f.height
	}
	return m
}

// NewInset leaves a margin around an object: one number for all sides, two for vertical and horizontal, four for top, right,
// bottom and left.
func NewInset(o fyne.CanvasObject, margins ...float32) *fyne.Container {
	in := &inset{}
	switch len(margins) {
	case 1:
		in.top, in.right, in.bottom, in.left = margins[0], margins[0], margins[0], margins[0]
	case 2:
		in.top, in.right, in.bottom, in.left = margins[0], margins[1], margins[0], margins[1]
	case 4:
		in.top, in.right, in.bottom, in.left = margins[0], margins[1], margins[2], margins[3]
	}
	return container.New(in, o)
}

type inset struct{ top, right, bottom, left float32 }

func (in *inset) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		place(o, in.left, in.top, size.Width-in.left-in.right, size.Height-in.top-in.bottom)
	}
	Mirror(objects, size.Width)
}

func (in *inset) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		s = s.Max(o.MinSize())
	}
	return s.AddWidthHeight(in.left+in.right, in.top+in.bottom)
}

// Surface is a background in a colour of the theme behind some content. Set the fields before it is shown.
type Surface struct {
	fynewidget.BaseWidget

	Content fyne.CanvasObject // may be nil
	Color   fyne.ThemeColorName
	Border  fyne.ThemeColorName // empty for none
	Radius  float32
	Margin  float32 // between the edge and the content

	min fyne.Size
}

var _ fyne.Widget = (*Surface)(nil)

// NewSurface returns content on a background.
func NewSurface(colorName fyne.ThemeColorName, content fyne.CanvasObject) *Surface {
	s := &Surface{Content: content, Color: colorName}
	s.ExtendBaseWidget(s)
	return s
}

// NewCard returns objects, one below the other, on a panel with rounded corners and a thin border.
func NewCard(objects ...fyne.CanvasObject) *Surface {
	s := NewSurface(theme.ColorPanel, NewColumn(2, objects...))
	s.Border, s.Radius, s.Margin = theme.ColorLine, theme.BubbleRadius, 12
	return s
}

// NewLine returns a thin line; it fills the length that it is given and is one pixel thick.
func NewLine() *Surface {
	s := NewSurface(theme.ColorLine, nil)
	s.min = fyne.NewSquareSize(1)
	return s
}

// NewGap returns nothing, of the given size.
func NewGap(width, height float32) *canvas.Rectangle {
	r := canvas.NewRectangle(color.Transparent)
	r.SetMinSize(fyne.NewSize(width, height))
	return r
}

// CreateRenderer implements fyne.Widget.
func (s *Surface) CreateRenderer() fyne.WidgetRenderer {
	box := canvas.NewRectangle(nil)
	r := &renderer{
		widget:  s,
		objects: []fyne.CanvasObject{box},
		minSize: func() fyne.Size {
			if s.Content == nil {
				return s.min
			}
			return s.Content.MinSize().Add(fyne.NewSquareSize(2 * s.Margin)).Max(s.min)
		},
		layout: func(size fyne.Size) {
			box.Resize(size)
			if s.Content != nil {
				place(s.Content, s.Margin, s.Margin, size.Width-2*s.Margin, size.Height-2*s.Margin)
			}
		},
		update: func() {
			box.FillColor = theme.Color(s.Color)
			box.CornerRadius = s.Radius
			box.StrokeWidth = 0
			if s.Border != "" {
				box.StrokeColor, box.StrokeWidth = theme.Color(s.Border), 1
			}
			box.Refresh()
		},
	}
	if s.Content != nil {
		r.objects = append(r.objects, s.Content)
	}
	return newRenderer(r)
}
