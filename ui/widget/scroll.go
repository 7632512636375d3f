package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/theme"
)

// jumpButton leads to the end of the list and counts what came in there.
type jumpButton struct {
	control

	badge *CountBadge
}

func newJumpButton(tapped func()) *jumpButton {
	j := &jumpButton{badge: NewCountBadge(0)}
	j.tooltip.text = lang.L("Newest messages")
	j.init(j, tapped)
	return j
}

func (j *jumpButton) setCount(n int) {
	if n != j.badge.count {
		j.badge.SetCount(n)
		j.Refresh()
	}
}

// AccessibilityLabel implements fyne.Accessible.
func (j *jumpButton) AccessibilityLabel() string { return j.tooltip.text }

// AccessibilityRole implements fyne.Accessible.
func (j *jumpButton) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

func (j *jumpButton) CreateRenderer() fyne.WidgetRenderer {
	const side = 20
	disc := canvas.NewRectangle(nil)
	disc.CornerRadius = jumpSide / 2
	icon := newGlyph()
	ring := newRing(jumpSide)
	return newRenderer(&renderer{
		widget:  j,
		objects: []fyne.CanvasObject{disc, icon.Raster, ring, j.badge},
		minSize: func() fyne.Size { return fyne.NewSquareSize(jumpSide) },
		layout: func(size fyne.Size) {
			place(disc, 0, 0, size.Width, size.Height)
			place(icon, (size.Width-side)/2, (size.Height-side)/2, side, side)
			placeRing(ring, 0, 0, size.Width, size.Height)
			b := j.badge.MinSize()
			place(j.badge, (size.Width-b.Width)/2, -b.Height/2-2, b.Width, b.Height)
		},
		update: func() {
			disc.FillColor = theme.Color(theme.ColorPanel)
			disc.StrokeColor, disc.StrokeWidth = theme.Color(theme.ColorLine), 1
			disc.Shadow = canvas.Shadow{Color: theme.Color(theme.ColorEdge), BlurRadius: 8, Offset: fyne.NewPos(0, 2)}
			disc.Refresh()
			ink := theme.ColorSecondary
			if j.hovered {
				ink = theme.ColorAccent
			}
			icon.set("chevron-down", ink)
			setRing(ring, j.focused)
		},
	})
}

// scrollBar is a thin bar at the side of a list.
type scrollBar struct {
	rect *canvas.Rectangle

	top, length, track float32
	inside             bool // the pointer is in the list: the bar is shown
	active             bool // the pointer is on the bar: it is wider
	short              bool // everything is in sight
	size               fyne.Size
}

func (b *scrollBar) init() {
	b.rect = canvas.NewRectangle(nil)
	b.rect.CornerRadius = 4
	b.rect.Hide()
	b.update()
}

func (b *scrollBar) update() {
	b.rect.FillColor = theme.Color(theme.ColorScrollBar)
	b.rect.Refresh()
}

// place draws the bar for a window that is at a part of the whole and shows a part of it.
func (b *scrollBar) place(size fyne.Size, at, part float32) {
	const least, edge = 32, 4
	if b.rect == nil {
		return
	}
	b.size = size
	b.track = size.Height - 2*edge
	b.length = max(least, b.track*part)
	b.top = edge + (b.track-b.length)*at
	b.short = part >= 1
	b.rect.Hidden = b.short || !b.inside
	w := float32(4)
	if b.active {
		w = 8
	}
	place(b.rect, MirrorX(size.Width-w-3, w, size.Width), b.top, w, b.length)
}

// hit reports whether a position is on the bar or beside it.
func (b *scrollBar) hit(p fyne.Position) bool {
	return b.rect != nil && !b.short && MirrorX(p.X, 0, b.size.Width) >= b.size.Width-14
}

// fractionAt returns which part of the whole the middle of the bar stands for at a height.
func (b *scrollBar) fractionAt(y float32) float32 {
	free := b.track - b.length
	if free <= 0 {
		return 0
	}
	return (y - b.length/2 - 4) / free
}
