package widget

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"github.com/sotto-chat/sotto/ui/theme"
)

// painter draws a row of a list from the start each time, with the objects that it used the last time. Objects whose text or
// colour stay the same keep what the toolkit has drawn for them.
type painter struct {
	box *fyne.Container

	texts    []*canvas.Text
	rects    []*canvas.Rectangle
	icons    []*glyph
	pictures []*canvas.Image
	avatars  []*Avatar

	nText, nRect, nIcon, nPicture, nAvatar int
}

func newPainter() painter { return painter{box: &fyne.Container{}} }

// begin forgets what was drawn.
func (p *painter) begin() {
	p.nText, p.nRect, p.nIcon, p.nPicture, p.nAvatar = 0, 0, 0, 0, 0
	clear(p.box.Objects)
	p.box.Objects = p.box.Objects[:0]
}

// next returns the object with number *n of a pool, which grows when it is used up.
func next[T any](pool *[]T, n *int, create func() T) T {
	if *n == len(*pool) {
		*pool = append(*pool, create())
	}
	*n++
	return (*pool)[*n-1]
}

func (p *painter) add(o fyne.CanvasObject, x, y, w, h float32) {
	place(o, x, y, w, h)
	p.box.Objects = append(p.box.Objects, o)
}

// text draws a line of text, centred vertically in the height.
func (p *painter) text(s string, size float32, style fyne.TextStyle, ink color.Color, x, y, w, h float32) {
	t := next(&p.texts, &p.nText, func() *canvas.Text { return &canvas.Text{} })
	if t.Text != s || t.TextSize != size || t.TextStyle != style || t.Color != ink {
		t.Text, t.TextSize, t.TextStyle, t.Color = s, size, style, ink
		t.Refresh()
	}
	// At its own height: the toolkit draws the line under a link at the wrong place in a higher one.
	own := fyne.MeasureText(s, size, style).Height
	p.add(t, x, y+(h-own)/2, w, own)
}

// rect draws a rectangle with rounded corners and returns it for further settings, followed by Refresh.
func (p *painter) rect(fill color.Color, radius, x, y, w, h float32) *canvas.Rectangle {
	r := next(&p.rects, &p.nRect, func() *canvas.Rectangle { return &canvas.Rectangle{} })
	r.FillColor, r.CornerRadius = fill, radius
	r.StrokeColor, r.StrokeWidth, r.Shadow = nil, 0, canvas.Shadow{}
	r.TopLeftCornerRadius, r.TopRightCornerRadius, r.BottomLeftCornerRadius, r.BottomRightCornerRadius = 0, 0, 0, 0
	p.add(r, x, y, w, h)
	r.Refresh()
	return r
}

func (p *painter) icon(name string, ink fyne.ThemeColorName, x, y, side float32) {
	g := next(&p.icons, &p.nIcon, newGlyph)
	p.add(g.Raster, x, y, side, side)
	g.set(name, ink)
}

func (p *painter) picture(img image.Image, radius, x, y, w, h float32) {
	i := next(&p.pictures, &p.nPicture, func() *canvas.Image { return &canvas.Image{} })
	i.CornerRadius = radius
	p.add(i, x, y, w, h)
	if i.Image != img {
		i.Image = img
		i.Refresh()
	}
}

func (p *painter) avatar(view AvatarView, size, x, y float32) {
	a := next(&p.avatars, &p.nAvatar, func() *Avatar { return NewAvatar(view, size) })
	if a.size != size || a.view.Name != view.Name || a.view.Picture != view.Picture || a.view.Pending != view.Pending ||
		string(a.view.ID) != string(view.ID) {
		a.size, a.view = size, view
		a.Refresh()
	}
	p.add(a, x, y, size, size)
}

// layout draws the lines of a laid out text below one another. Right-to-left lines end at the right edge.
func (p *painter) layout(l *textLayout, ink, linkInk fyne.ThemeColorName, x, y, w float32) {
	h := lineHeight(l.size)
	for i, line := range l.lines {
		left := x + l.indent(i, w)
		for _, f := range line.fragments {
			name := ink
			if f.span >= 0 {
				switch s := l.spans[f.span]; {
				case s.Secret:
					p.rect(theme.Color(theme.ColorSecondary), 3, left+f.x, y+float32(i)*h+2, f.width, h-4)
					continue
				case s.Link != "":
					name = linkInk
				case s.Color != "":
					name = s.Color
				}
			}
			p.text(f.drawn(), l.size, f.style, theme.Color(name), left+f.x, y+float32(i)*h, f.width, h)
		}
	}
}

// indent returns where a line starts in a box of width w.
func (l *textLayout) indent(line int, w float32) float32 {
	if l.lines[line].rtl {
		return w - l.lines[line].width
	}
	return 0
}
