package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// Measures of the main screen, in pixels at scale 1.
const (
	narrowBelow   float32 = 760 // list and content take turns in a window that is narrower
	listWidth     float32 = 300 // unless somebody has moved its edge
	listLeast     float32 = 220
	listMost      float32 = 480
	listSmall     float32 = 264 // beside an open panel
	panelWidth    float32 = 300
	contentBeside float32 = 400 // the content needs this much, or the panel takes its place
	contentLikes  float32 = 470 // the list gives way until the content has so much
	headHeight    float32 = 63
	pageWidth     float32 = 560 // of the column of text on a page
)

// frame arranges the main screen: the rail, the list, the content, and the panel when it is open.
type frame struct {
	rail, list, content, panel fyne.CanvasObject
	listLine, panelLine        fyne.CanvasObject
	edge                       *listEdge

	width        float32 // that the list is to have
	contentFirst bool    // in a narrow window: the content is shown, not the list
	noList       bool    // the content has all the room beside the rail
	panelOpen    bool

	narrow   bool // as of the last layout
	arranged func()
}

func (f *frame) objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{f.content, f.list, f.listLine, f.panel, f.panelLine, f.rail, f.edge}
}

func (f *frame) Layout(objects []fyne.CanvasObject, size fyne.Size) {
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
	list := max(listLeast, min(f.width, listMost, size.Width-widget.RailWidth-contentBeside/2))
	beside := f.panelOpen && showContent && f.panelFits(size.Width)
	if beside {
		list = min(list, max(listSmall, size.Width-widget.RailWidth-panelWidth-2-contentLikes))
	}
	if f.narrow {
		list = size.Width - x
	}
	put(f.list, list, showList)
	if f.edge.Hidden = !showList || f.narrow; !f.edge.Hidden {
		place(f.edge, x-edgeWidth/2, 0, edgeWidth, size.Height)
	}
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
	widget.Mirror(objects, size.Width)
	f.arranged()
}

// panelFits tells whether there is room for the panel beside the content.
func (f *frame) panelFits(width float32) bool {
	return width-widget.RailWidth-listSmall-panelWidth-2 >= contentBeside
}

func (f *frame) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(smallestWidth, smallestHeight)
}

// listEdge is the edge of the list, which can be dragged to make it wider.
type listEdge struct {
	fynewidget.BaseWidget
	dragged func(by float32)
	done    func()
}

const edgeWidth float32 = 8

var (
	_ fyne.Draggable     = (*listEdge)(nil)
	_ desktop.Cursorable = (*listEdge)(nil)
)

func newListEdge(dragged func(by float32), done func()) *listEdge {
	e := &listEdge{dragged: dragged, done: done}
	e.ExtendBaseWidget(e)
	return e
}

// Dragged implements fyne.Draggable.
func (e *listEdge) Dragged(ev *fyne.DragEvent) {
	by := ev.Dragged.DX
	if widget.Mirrored() {
		by = -by
	}
	e.dragged(by)
}

// DragEnd implements fyne.Draggable.
func (e *listEdge) DragEnd() { e.done() }

// Cursor implements desktop.Cursorable.
func (e *listEdge) Cursor() desktop.Cursor { return desktop.HResizeCursor }

// CreateRenderer implements fyne.Widget.
func (e *listEdge) CreateRenderer() fyne.WidgetRenderer {
	return fynewidget.NewSimpleRenderer(widget.NewGap(edgeWidth, 1))
}

// page is what the content of the main screen shows.
type page interface {
	object() fyne.CanvasObject
	setNarrow(narrow bool) // shows or hides the way back to the list
	changed(c any)         // tells of an event of the profile, and of nil when everything was read again
	leave()                // does what the way back does
	closed()               // another page comes, or the window closes
}

// plainPage is a page with a head and a column of things below it that scrolls.
type plainPage struct {
	content fyne.CanvasObject
	head    *head
	scroll  *container.Scroll
	update  func(c any) // may be nil
	left    func()      // called when the page is left; may be nil
}

func (p *plainPage) object() fyne.CanvasObject { return p.content }

func (p *plainPage) closed() {
	if p.left != nil {
		p.left()
	}
}

func (p *plainPage) setNarrow(narrow bool) { p.head.setNarrow(narrow) }
func (p *plainPage) leave()                { p.head.leave() }

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
	leave    func() // what back does
	always   bool   // back is shown in wide windows as well
	avatar   *widget.Avatar
	title    *widget.Label
	subtitle *widget.Label
	pills    *fyne.Container // before the subtitle
	row      *fyne.Container
}

func newHead(avatar *widget.Avatar, back func(), buttons ...fyne.CanvasObject) *head {
	h := &head{avatar: avatar, leave: back, title: widget.NewLabel("", theme.TextBody), subtitle: widget.NewHint("")}
	h.title.Bold, h.title.OneLine, h.subtitle.OneLine = true, true, true
	if avatar == nil {
		h.title.TextSize = theme.TextTitle
	}
	h.back = widget.NewIconButton("back", backName(), back)
	h.pills = container.New(widePills{})
	h.row = container.New(headLayout{h}, append([]fyne.CanvasObject{h.back, h.title, h.subtitle, h.pills}, buttons...)...)
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

// setPills shows words before the line below the title.
func (h *head) setPills(words ...string) {
	h.pills.Objects = nil
	for _, word := range words {
		h.pills.Add(widget.NewPill(word))
	}
	h.row.Refresh()
}

// keepBack shows the way back in wide windows as well, for pages that belong to another one.
func (h *head) keepBack() {
	h.always = true
	h.setNarrow(true)
}

func (h *head) setNarrow(narrow bool) {
	hidden := !narrow && !h.always
	if h.back.Hidden == hidden {
		return
	}
	h.back.Hidden = hidden
	h.row.Refresh()
}

// widePills lines words up from the left.
type widePills struct{}

const pillGap float32 = 6

func (widePills) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	x := float32(0)
	for _, o := range objects {
		m := o.MinSize()
		place(o, x, (size.Height-m.Height)/2, m.Width, m.Height)
		x += m.Width + pillGap
	}
	widget.Mirror(objects, size.Width)
}

func (widePills) MinSize(objects []fyne.CanvasObject) (s fyne.Size) {
	for _, o := range objects {
		m := o.MinSize()
		s = fyne.NewSize(s.Width+m.Width+pillGap, max(s.Height, m.Height))
	}
	return s
}

// headLayout lays out a head of a fixed height.
type headLayout struct{ h *head }

func (l headLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	const edge, side = 18, 36
	h := l.h
	defer widget.Mirror(objects, size.Width)
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
	for i := len(objects) - 1; i >= 4; i-- {
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
	pills := h.pills.MinSize()
	place(h.pills, x, y+titleHeight+(subtitleHeight-pills.Height)/2, pills.Width, pills.Height)
	place(h.subtitle, x+pills.Width, y+titleHeight, right-x-pills.Width, subtitleHeight)
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
	widget.Mirror(objects, size.Width)
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
	widget.Mirror(objects, size.Width)
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
