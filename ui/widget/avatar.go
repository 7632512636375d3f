package widget

import (
	"image"
	"image/color"
	"strconv"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"
	"github.com/clipperhouse/uax29/v2/graphemes"

	"github.com/sotto-chat/sotto/ui/theme"
)

// Sizes of avatars, in pixels.
const (
	AvatarTiny   float32 = 28 // beside a message of a group
	AvatarSmall  float32 = 36
	AvatarMedium float32 = 40 // the rail, the head of a conversation
	AvatarRow    float32 = 44 // the list of conversations
	AvatarLarge  float32 = 72 // the page about a contact
)

// AvatarView is what an avatar shows.
type AvatarView struct {
	Name    string      // its initials are shown when there is no picture
	ID      []byte      // drawn at random on this machine; the colour is derived from it, see theme.AvatarColor
	Picture image.Image // a small square thumbnail, or nil
	Pending bool        // an invitation that nobody has opened yet: a dashed outline
}

// Avatar is a round picture or initials on a colour.
type Avatar struct {
	fynewidget.BaseWidget

	view     AvatarView
	size     float32
	selected bool
	unread   int
	ground   fyne.ThemeColorName // what the unread badge is cut out of
}

var _ fyne.Widget = (*Avatar)(nil)

// NewAvatar returns an avatar of one of the sizes above.
func NewAvatar(view AvatarView, size float32) *Avatar {
	a := &Avatar{view: view, size: size, ground: theme.ColorPanel}
	a.ExtendBaseWidget(a)
	return a
}

// SetView changes what the avatar shows.
func (a *Avatar) SetView(view AvatarView) {
	a.view = view
	a.Refresh()
}

// SetSelected draws a ring around the avatar, five pixels outside its size.
func (a *Avatar) SetSelected(selected bool) {
	a.selected = selected
	a.Refresh()
}

// SetUnread shows a badge with a number of unread messages; 0 removes it.
func (a *Avatar) SetUnread(n int) {
	a.unread = n
	a.Refresh()
}

// initials returns the first letters of the first and the last word of a name that have one, or "?".
func initials(name string) string {
	const long = 256 // bytes
	var letters []string
	for _, word := range strings.FieldsFunc(strings.ToValidUTF8(name[:min(len(name), long)], ""), unicode.IsSpace) {
		at := strings.IndexFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
		if at < 0 {
			continue
		}
		g := graphemes.FromString(harmless(word[at:]))
		g.Next()
		letters = append(letters, strings.ToUpper(g.Value()))
	}
	switch n := len(letters); n {
	case 0:
		return "?"
	case 1:
		return letters[0]
	default:
		return letters[0] + letters[n-1]
	}
}

// CreateRenderer implements fyne.Widget.
func (a *Avatar) CreateRenderer() fyne.WidgetRenderer {
	disc := canvas.NewCircle(nil)
	ring := canvas.NewCircle(color.Transparent)
	ring.StrokeWidth = 2
	text := newText(a.size*0.34, true)
	text.Alignment = fyne.TextAlignCenter
	picture := &canvas.Image{FillMode: canvas.ImageFillStretch, CornerRadius: a.size / 2}
	dashes := newGlyph()
	badge := NewCountBadge(0)
	edge := canvas.NewRectangle(nil)
	return newRenderer(&renderer{
		widget:  a,
		objects: []fyne.CanvasObject{ring, disc, text, picture, dashes.Raster, edge, badge},
		minSize: func() fyne.Size { return fyne.NewSquareSize(a.size) },
		layout: func(size fyne.Size) {
			x, y := (size.Width-a.size)/2, (size.Height-a.size)/2
			for _, o := range []fyne.CanvasObject{disc, text, picture, dashes} {
				place(o, x, y, a.size, a.size)
			}
			place(ring, x-5, y-5, a.size+10, a.size+10)
			b := badge.MinSize().Subtract(fyne.NewSquareSize(3))
			place(edge, x+a.size-b.Width+3, y-5, b.Width+4, b.Height+4)
			place(badge, x+a.size-b.Width+5, y-3, b.Width, b.Height)
			edge.CornerRadius = (b.Height + 4) / 2
		},
		update: func() {
			disc.FillColor = theme.AvatarColor(a.view.ID)
			disc.Hidden = a.view.Pending || a.view.Picture != nil
			disc.Refresh()
			ring.StrokeColor = theme.Color(theme.ColorAccent)
			ring.Hidden = !a.selected
			ring.Refresh()
			text.Hidden = disc.Hidden
			text.Text = initials(a.view.Name)
			text.FontSource = nil
			if n, font := theme.FontRun(text.Text, true); n == len(text.Text) {
				text.FontSource = font
			}
			text.Color = theme.ColorOnAvatar
			text.Refresh()
			picture.Hidden = a.view.Pending || a.view.Picture == nil
			if !picture.Hidden && picture.Image != a.view.Picture {
				picture.Image = a.view.Picture
				picture.Refresh()
			}
			dashes.Hidden = !a.view.Pending
			if a.view.Pending {
				dashes.set("pending", theme.ColorSecondary)
			}
			edge.FillColor = theme.Color(a.ground)
			edge.Hidden = a.unread == 0
			edge.Refresh()
			badge.SetCount(a.unread)
		},
	})
}

// CountBadge is a number on a pill in the accent colour; it is hidden at 0 and says 99+ above 99.
type CountBadge struct {
	fynewidget.BaseWidget

	count int
	quiet bool
}

var _ fyne.Widget = (*CountBadge)(nil)

// NewCountBadge returns a badge for a number.
func NewCountBadge(count int) *CountBadge {
	b := &CountBadge{}
	b.ExtendBaseWidget(b)
	b.SetCount(count)
	return b
}

// SetCount changes the number.
func (b *CountBadge) SetCount(count int) {
	b.count = count
	b.Hidden = count <= 0
	b.Refresh()
}

// SetQuiet draws the badge in grey, for conversations that are muted.
func (b *CountBadge) SetQuiet(quiet bool) {
	b.quiet = quiet
	b.Refresh()
}

func (b *CountBadge) label() string {
	if b.count > 99 {
		return "99+"
	}
	return strconv.Itoa(b.count)
}

// CreateRenderer implements fyne.Widget.
func (b *CountBadge) CreateRenderer() fyne.WidgetRenderer {
	const height = 20
	pill := canvas.NewRectangle(nil)
	text := newText(theme.TextCaption, true)
	text.Alignment = fyne.TextAlignCenter
	return newRenderer(&renderer{
		widget:  b,
		objects: []fyne.CanvasObject{pill, text},
		minSize: func() fyne.Size {
			return fyne.NewSize(max(height, textWidth(b.label(), theme.TextCaption, true)+12), height)
		},
		layout: func(size fyne.Size) {
			pill.CornerRadius = size.Height / 2
			place(pill, 0, 0, size.Width, size.Height)
			place(text, 0, 0, size.Width, size.Height)
		},
		update: func() {
			fill, ink := theme.ColorAccent, theme.ColorOnAccent
			if b.quiet {
				fill, ink = theme.ColorSecondary, theme.ColorPanel
			}
			pill.FillColor = theme.Color(fill)
			pill.Refresh()
			setText(text, b.label(), ink)
		},
	})
}

// Pill is a short word on a soft background, such as "verified" or "incognito".
type Pill struct {
	fynewidget.BaseWidget

	text string
}

var _ fyne.Widget = (*Pill)(nil)

// NewPill returns a pill.
func NewPill(text string) *Pill {
	p := &Pill{text: text}
	p.ExtendBaseWidget(p)
	return p
}

// SetText changes the word.
func (p *Pill) SetText(text string) {
	p.text = text
	p.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (p *Pill) CreateRenderer() fyne.WidgetRenderer {
	const height = 17
	box := canvas.NewRectangle(nil)
	text := newWords(theme.TextCaption, true)
	return newRenderer(&renderer{
		widget:  p,
		objects: []fyne.CanvasObject{box, text.box},
		minSize: func() fyne.Size { return fyne.NewSize(textWidth(p.text, theme.TextCaption, true)+12, height) },
		layout: func(size fyne.Size) {
			w := textWidth(p.text, theme.TextCaption, true) + 12
			box.CornerRadius = height / 2
			place(box, 0, (size.Height-height)/2, w, height)
			text.center(0, (size.Height-height)/2, w, height, size.Width)
		},
		update: func() {
			box.FillColor = theme.Color(theme.ColorAccentSoft)
			box.Refresh()
			text.set(p.text, theme.ColorAccent)
		},
	})
}
