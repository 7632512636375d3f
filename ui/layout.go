package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// Measures of the main screen, in pixels at scale 1.
const (
	narrowBelow   float32 = 760 // list and content take turns in a window that is narrower
	listWidth     float32 = 300
	listSmall     float32 = 264 // beside an open panel
	panelWidth    float32 = 300
	contentBeside float32 = 400 // the content needs this much, or the panel takes its place
	headHeight    float32 = 63
	pageWidth     float32 = 560 // of the column of text on a page
)

// frame arranges the main screen: the rail, the list, the content, and the panel when it is open.
type frame struct {
	rail, list, content, panel fyne.CanvasObject
	listLine, panelLine        fyne.CanvasObject

	contentFirst bool // in a narrow window: the content is shown, not the list
	noList       bool // the content has all the room beside the rail
	panelOpen    bool

	narrow   bool // as of the last layout
	arranged func()
}

func (f *frame) objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{f.content, f.list, f.listLine, f.panel, f.panelLine, f.rail}
}

func (f *frame) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	f.narrow = size.Width < narrowBelow
	showList, showContent, showRail := !f.noList, true, true
	if f.narrow {
		front := f.contentFirst || f.noList
		showList = !front
		showContent = front
		showRail = !front || f.noList
	}
	x := float32(0)
	put := func(o fyne.CanvasObject, width float32, shown bool) {
		if !shown {
			o.Hide()
			return
		}
		o.Move(fyne.NewPos(x, 0))
		o.Resize(fyne.NewSize(width, size.Height))
		o.Show()
		x += width
	}
	put(f.rail, widget.RailWidth, showRail)
	list := listWidth
	beside := f.panelOpen && showContent && size.Width-widget.RailWidth-listSmall-panelWidth-2 >= contentBeside
	if beside {
		list = listSmall
	}
	if f.narrow {
		list = size.Width - x
	}
	put(f.list, list, showList)
	put(f.listLine, 1, showList && !f.narrow)
	switch {
	case beside:
		put(f.content, size.Width-x-panelWidth-1, showContent)
		put(f.panelLine, 1, true)
		put(f.panel, panelWidth, true)
	case f.panelOpen && showContent:
		put(f.content, 0, false)
		put(f.panelLine, 0, false)
		put(f.panel, size.Width-x, true)
	default:
		put(f.content, size.Width-x, showContent)
		put(f.panelLine, 0, false)
		put(f.panel, 0, false)
	}
	f.arranged()
}

func (f *frame) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(smallestWidth, smallestHeight)
}

// page is what the content of the main screen shows.
type page interface {
	object() fyne.CanvasObject
	setNarrow(narrow bool) // shows or hides the way back to the list
	changed(c any)         // tells of an event of the profile, and of nil when everything was read again
	closed()               // another page comes, or the window closes
}

// plainPage is a page with a head and a column of things below it that scrolls.
type plainPage struct {
	content fyne.CanvasObject
	head    *head
	scroll  *container.Scroll
	update  func(c any)
}

func (p *plainPage) object() fyne.CanvasObject { return p.content }
func (p *plainPage) closed()                   {}

func (p *plainPage) setNarrow(narrow bool) { p.head.setNarrow(narrow) }

func (p *plainPage) changed(c any) {
	if p.update != nil {
		p.update(c)
	}
}

// newPlainPage returns a page. close is called by the button in its head that leads back.
func newPlainPage(title string, body fyne.CanvasObject, back func()) *plainPage {
	p := &plainPage{head: newHead(nil, back)}
	p.head.set(title, "")
	p.scroll = container.NewVScroll(container.New(columnLayout{width: pageWidth}, body))
	p.content = widget.NewSurface(theme.ColorBackground, container.New(stackLayout{}, p.head.content, p.scroll))
	return p
}

// head is the upper edge of a page: a way back in narrow windows, an avatar, a title, a line below it, and buttons.
type head struct {
	content  fyne.CanvasObject
	back     *widget.IconButton
	avatar   *widget.Avatar
	title    *widget.Label
	subtitle *widget.Label
	row      *fyne.Container
}

func newHead(avatar *widget.Avatar, back func(), buttons ...fyne.CanvasObject) *head {
	h := &head{avatar: avatar, title: widget.NewLabel("", theme.TextBody), subtitle: widget.NewHint("")}
	h.title.Bold, h.title.OneLine, h.subtitle.OneLine = true, true, true
	if avatar == nil {
		h.title.TextSize = theme.TextTitle
	}
	h.back = widget.NewIconButton("back", backName(), back)
	h.row = container.New(headLayout{h}, append([]fyne.CanvasObject{h.back, h.title, h.subtitle}, buttons...)...)
	if avatar != nil {
		h.row.Add(avatar)
	}
	h.content = container.New(stackLayout{}, widget.NewSurface(theme.ColorPanel, h.row), widget.NewLine())
	return h
}

func (h *head) set(title, subtitle string) {
	h.title.SetText(title)
	h.subtitle.SetText(subtitle)
	h.subtitle.Hidden = subtitle == ""
	h.row.Refresh()
}

func (h *head) setNarrow(narrow bool) {
	if h.back.Hidden == !narrow {
		return
	}
	h.back.Hidden = !narrow
	h.row.Refresh()
}

// headLayout lays out a head of a fixed height.
type headLayout struct{ h *head }

func (l headLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	const edge, side = 18, 36
	h := l.h
	x := float32(edge)
	if h.back.Visible() {
		place(h.back, 10, (size.Height-side)/2, side, side)
		x = 10 + side + 6
	}
	if h.avatar != nil {
		place(h.avatar, x, (size.Height-widget.AvatarMedium)/2, widget.AvatarMedium, widget.AvatarMedium)
		x += widget.AvatarMedium + 12
	}
	right := size.Width - edge + 4
	for i := len(objects) - 1; i >= 3; i-- {
		o := objects[i]
		if o == fyne.CanvasObject(h.avatar) || !o.Visible() {
			continue
		}
		w := o.MinSize().Width
		right -= w
		place(o, right, (size.Height-o.MinSize().Height)/2, w, o.MinSize().Height)
		right -= 4
	}
	titleHeight, subtitleHeight := h.title.MinSize().Height, h.subtitle.MinSize().Height
	if !h.subtitle.Visible() {
		place(h.title, x, (size.Height-titleHeight)/2, right-x, titleHeight)
		return
	}
	y := (size.Height - titleHeight - subtitleHeight) / 2
	place(h.title, x, y, right-x, titleHeight)
	place(h.subtitle, x, y+titleHeight, right-x, subtitleHeight)
}

func (headLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(200, headHeight) }

// stackLayout puts objects below each other; the last one gets the room that is left.
type stackLayout struct{}

func (stackLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for i, o := range objects {
		if !o.Visible() {
			continue
		}
		h := size.Height - y
		if i < len(objects)-1 {
			o.Resize(fyne.NewSize(size.Width, o.MinSize().Height))
			h = o.MinSize().Height
		}
		place(o, 0, y, size.Width, h)
		y += h
	}
}

func (stackLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		if o.Visible() {
			m := o.MinSize()
			s = fyne.NewSize(max(s.Width, m.Width), s.Height+m.Height)
		}
	}
	return s
}

// columnLayout centres a column of at most the given width, with room around it.
type columnLayout struct {
	width  float32
	middle bool // vertically too, where there is room
}

const columnEdge float32 = 24

func (l columnLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	w := min(l.width, size.Width-2*columnEdge)
	for _, o := range objects {
		o.Resize(fyne.NewSize(w, o.MinSize().Height))
		h := o.MinSize().Height
		y := columnEdge
		if l.middle {
			y = max(y, (size.Height-h)*0.42)
		}
		place(o, (size.Width-w)/2, y, w, h)
	}
}

func (l columnLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	s := fyne.NewSize(240, 0)
	for _, o := range objects {
		s.Height = max(s.Height, o.MinSize().Height+2*columnEdge)
	}
	return s
}

// rightLayout gives the last object its own width at the right, and the first one the rest.
type rightLayout struct{ gap float32 }

func (l rightLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	first, last := objects[0], objects[1]
	w := last.MinSize().Width
	first.Resize(fyne.NewSize(size.Width-w-l.gap, first.MinSize().Height))
	h := first.MinSize().Height
	place(first, 0, (size.Height-h)/2, size.Width-w-l.gap, h)
	place(last, size.Width-w, (size.Height-last.MinSize().Height)/2, w, last.MinSize().Height)
}

func (l rightLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	a, b := objects[0].MinSize(), objects[1].MinSize()
	return fyne.NewSize(a.Width+l.gap+b.Width, max(a.Height, b.Height))
}

// place moves and resizes o.
func place(o fyne.CanvasObject, x, y, w, h float32) {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
}

// buttonRow lines buttons up at the right.
func buttonRow(buttons ...fyne.CanvasObject) fyne.CanvasObject {
	return container.New(rowLayout{}, buttons...)
}

type rowLayout struct{}

func (rowLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	x := size.Width
	for i := len(objects) - 1; i >= 0; i-- {
		if o := objects[i]; o.Visible() {
			m := o.MinSize()
			x -= m.Width
			place(o, x, (size.Height-m.Height)/2, m.Width, m.Height)
			x -= theme.Grid
		}
	}
}

func (rowLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range objects {
		if o.Visible() {
			m := o.MinSize()
			s = fyne.NewSize(s.Width+m.Width+theme.Grid, max(s.Height, m.Height))
		}
	}
	return s
}
