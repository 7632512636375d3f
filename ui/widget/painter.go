package widget

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"github.com/sotto-chat/sotto/assets/emoji"
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
	arcs     []*canvas.Arc
	emojis   []*emojiRun

	nText, nRect, nIcon, nPicture, nAvatar, nArc, nEmoji int

	whole     float32              // the width that is mirrored, if the window is; 0 mirrors nothing
	uncovered func(start int) bool // whether the secret that starts at a byte of the text is shown; nil covers all
}

func newPainter() painter { return painter{box: &fyne.Container{}} }

// begin forgets what was drawn.
func (p *painter) begin() {
	p.nText, p.nRect, p.nIcon, p.nPicture, p.nAvatar, p.nArc, p.nEmoji = 0, 0, 0, 0, 0, 0, 0
	clear(p.box.Objects)
	p.box.Objects = p.box.Objects[:0]
}

// words is a line of text in a widget, in the order in which its directions are read.
type words struct {
	painter

	size float32
	bold bool
	text string
	ink  fyne.ThemeColorName
	at   fyne.Position
	high float32
}

func newWords(size float32, bold bool) *words {
	return &words{painter: newPainter(), size: size, bold: bold}
}

// set gives the line a text and a colour of the theme.
func (l *words) set(text string, ink fyne.ThemeColorName) {
	l.text, l.ink = harmless(text), ink
	l.draw()
}

// center puts the line into the middle of a box in a widget of the given width.
func (l *words) center(x, y, w, h, whole float32) {
	l.place(x+(w-textWidth(l.text, l.size, l.bold))/2, y, h, whole)
}

func (l *words) place(x, y, h, whole float32) {
	l.at, l.high, l.whole = fyne.NewPos(x, y), h, whole
	l.draw()
}

func (l *words) draw() {
	l.begin()
	if l.high > 0 {
		style := fyne.TextStyle{Bold: l.bold}
		l.painter.text(l.text, l.size, style, theme.Color(l.ink), l.at.X, l.at.Y, textWidth(l.text, l.size, l.bold), l.high)
	}
	l.box.Refresh()
}

// next returns the object with number *n of a pool, which grows when it is used up.
func next[T any](pool *[]T, n *int, create func() T) T {
	if *n == len(*pool) {
		*pool = append(*pool, create())
	}
	*n++
	return (*pool)[*n-1]
}

// mirrorX returns where something of width w is drawn that would be at x from the left.
func (p *painter) mirrorX(x, w float32) float32 {
	if p.whole == 0 {
		return x
	}
	return MirrorX(x, w, p.whole)
}

// asIs draws without mirroring, such as the parts of a text, of which the place of the whole is known.
func (p *painter) asIs(draw func()) {
	whole := p.whole
	p.whole = 0
	draw()
	p.whole = whole
}

func (p *painter) add(o fyne.CanvasObject, x, y, w, h float32) {
	place(o, p.mirrorX(x, w), y, w, h)
	p.box.Objects = append(p.box.Objects, o)
}

// text draws a line of text from x on, centred vertically in the height.
func (p *painter) text(s string, size float32, style fyne.TextStyle, ink color.Color, x, y, w, h float32) {
	if n, font := theme.FontRun(s, style.Bold); n == len(s) && !hasRTL(s) {
		if from, _ := emoji.Next(s); from == len(s) {
			if mirrored && p.whole > 0 {
				w = measureText(s, size, style)
			}
			p.run(s, font, size, style, ink, x, y, w, h)
			return
		}
	}
	l := layoutText(s, nil, size, style, 0)
	for _, line := range l.lines[:min(1, len(l.lines))] {
		left := p.mirrorX(x, line.width)
		p.asIs(func() {
			for i := range line.fragments {
				p.fragment(&line.fragments[i], size, ink, left, y, h)
			}
		})
	}
}

// fragment draws a part of a line that begins at x.
func (p *painter) fragment(f *fragment, size float32, ink color.Color, x, y, h float32) {
	if !f.emoji {
		p.run(f.drawn(), f.font, size, f.style, ink, x+f.x, y, f.width, h)
		return
	}
	e := next(&p.emojis, &p.nEmoji, newEmojiRun)
	side := emojiSide(size)
	p.add(e.Raster, x+f.x, y+(h-side)/2, f.width, side)
	if e.text != f.text {
		e.text = f.text
		e.Refresh()
	}
}

// emoji draws an emoji in the middle of a box, beside text of the given size.
func (p *painter) emoji(s string, size, x, y, w, h float32) {
	tw := measureText(s, size, fyne.TextStyle{})
	p.text(s, size, fyne.TextStyle{}, theme.Color(theme.ColorText), x+(w-tw)/2, y, tw, h)
}

// run draws a text of one direction in one font; nil is the theme's own.
func (p *painter) run(s string, font fyne.Resource, size float32, style fyne.TextStyle, ink color.Color, x, y, w, h float32) {
	t := next(&p.texts, &p.nText, func() *canvas.Text { return &canvas.Text{} })
	if t.Text != s || t.TextSize != size || t.TextStyle != style || t.Color != ink || t.FontSource != font {
		t.Text, t.TextSize, t.TextStyle, t.Color, t.FontSource = s, size, style, ink, font
		t.Refresh()
	}
	// At its own height: the toolkit draws the line under a link at the wrong place in a higher one.
	own, baseline := measureRun(s, size, style, font)
	top := y + (h-own.Height)/2
	if font != nil { // on the baseline of the theme's font
		usual, base := measureRun("x", size, fyne.TextStyle{}, nil)
		top = y + (h-usual.Height)/2 + base - baseline
	}
	p.add(t, x, top, w, own.Height)
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

// cover draws a picture that fills the box and is cut where it does not fit.
func (p *painter) cover(img image.Image, radius, x, y, w, h float32) *canvas.Image {
	i := next(&p.pictures, &p.nPicture, func() *canvas.Image { return &canvas.Image{FillMode: canvas.ImageFillCover} })
	p.add(i, x, y, w, h)
	if i.Image != img || i.CornerRadius != radius {
		i.Image, i.CornerRadius = img, radius
		i.Refresh()
	}
	return i
}

// arc draws a part of a ring around a point, in degrees from the top.
func (p *painter) arc(ink color.Color, degrees, cx, cy, side float32) {
	const thickness = 3
	a := next(&p.arcs, &p.nArc, func() *canvas.Arc { return &canvas.Arc{} })
	p.add(a, cx-side/2, cy-side/2, side, side)
	a.FillColor, a.EndAngle, a.CutoutRatio, a.CornerRadius = ink, degrees, 1-2*thickness/side, thickness/2
	a.Refresh()
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
	x = p.mirrorX(x, w)
	p.asIs(func() { p.lines(l, ink, linkInk, x, y, w) })
}

func (p *painter) lines(l *textLayout, ink, linkInk fyne.ThemeColorName, x, y, w float32) {
	h := lineHeight(l.size)
	for i, line := range l.lines {
		left := x + l.indent(i, w)
		for _, f := range line.fragments {
			name := ink
			if f.span >= 0 {
				switch s := l.spans[f.span]; {
				case s.Secret && (p.uncovered == nil || !p.uncovered(s.Start)):
					p.rect(theme.Color(theme.ColorSecondary), 3, left+f.x, y+float32(i)*h+2, f.width, h-4)
					continue
				case s.Lies:
					name = theme.ColorWarning
				case s.Link != "":
					name = linkInk
				case s.Color != "":
					name = s.Color
				}
			}
			p.fragment(&f, l.size, theme.Color(name), left, y+float32(i)*h, h)
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
