package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// holder is a widget with others inside that can have the keyboard.
type holder interface{ inside() []fyne.CanvasObject }

func (s *Surface) inside() []fyne.CanvasObject      { return []fyne.CanvasObject{s.Content} }
func (d *Dialog) inside() []fyne.CanvasObject       { return []fyne.CanvasObject{d.scroll} }
func (p *Popup) inside() []fyne.CanvasObject        { return []fyne.CanvasObject{p.content} }
func (l *TooltipLayer) inside() []fyne.CanvasObject { return []fyne.CanvasObject{l.content} }
func (n *Note) inside() []fyne.CanvasObject         { return []fyne.CanvasObject{n.action} }
func (p *Progress) inside() []fyne.CanvasObject     { return []fyne.CanvasObject{p.cancel} }
func (f *SearchField) inside() []fyne.CanvasObject  { return []fyne.CanvasObject{f.Entry} }
func (e *emptyState) inside() []fyne.CanvasObject   { return e.objects }

// Reveal scrolls what is around an object so far that all of it is seen, as is needed when it gets the keyboard.
func Reveal(o fyne.CanvasObject) {
	c := canvasOf(o)
	if c == nil {
		return
	}
	top := c.Overlays().Top()
	if top == nil {
		top = c.Content()
	}
	const room = 12 // for the ring around it
	d := fyne.CurrentApp().Driver()
	_, scrolls := findIn(o, top)
	for _, s := range scrolls {
		y := d.AbsolutePositionForObject(o).Y - d.AbsolutePositionForObject(s).Y
		by := min(0, y-room) // up, if it begins above
		if below := y + o.Size().Height + room - s.Size().Height; by == 0 && below > 0 {
			by = min(below, y-room) // its beginning stays in sight
		}
		if by != 0 && s.Direction != container.ScrollHorizontalOnly {
			s.ScrollToOffset(s.Offset.AddXY(0, by))
		}
	}
}

// findIn returns what scrolls between an object and one that it may be in, the innermost first.
func findIn(o, in fyne.CanvasObject) (found bool, scrolls []*container.Scroll) {
	var children []fyne.CanvasObject
	switch in := in.(type) {
	case *fyne.Container:
		children = in.Objects
	case *container.Scroll:
		children = []fyne.CanvasObject{in.Content}
	case holder:
		children = in.inside()
	}
	for _, child := range children {
		if found, scrolls = findIn(o, child); found {
			if s, ok := in.(*container.Scroll); ok {
				scrolls = append(scrolls, s)
			}
			return true, scrolls
		}
	}
	return in == o, nil
}
