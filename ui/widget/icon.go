package widget

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/ui/theme"
)

// glyph is an icon in a drawing. Unlike a picture of the toolkit its lines get thicker with its size, and it is sharp on every
// screen.
type glyph struct {
	*canvas.Raster

	name string
	ink  color.Color
}

func newGlyph() *glyph {
	g := &glyph{ink: color.Transparent}
	g.Raster = canvas.NewRaster(func(w, h int) image.Image {
		img := theme.DrawIcon(g.name, g.ink, w, h)
		if mirrored && pointing[g.name] {
			return flip(img)
		}
		return img
	})
	return g
}

// set changes the icon; it is only drawn again when the icon or its colour changed.
func (g *glyph) set(name string, colorName fyne.ThemeColorName) {
	ink := theme.Color(colorName)
	if name != g.name || ink != g.ink {
		g.name, g.ink = name, ink
		g.Refresh()
	}
}

// Icon shows an icon of the assets.
type Icon struct {
	fynewidget.BaseWidget

	name      string
	colorName fyne.ThemeColorName
	size      float32
}

var _ fyne.Widget = (*Icon)(nil)

// NewIcon returns an icon with the given side in pixels, in a colour of the theme.
func NewIcon(name string, size float32, colorName fyne.ThemeColorName) *Icon {
	i := &Icon{name: name, colorName: colorName, size: size}
	i.ExtendBaseWidget(i)
	return i
}

// Set changes the icon and its colour.
func (i *Icon) Set(name string, colorName fyne.ThemeColorName) {
	i.name, i.colorName = name, colorName
	i.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (i *Icon) CreateRenderer() fyne.WidgetRenderer {
	g := newGlyph()
	return newRenderer(&renderer{
		widget:  i,
		objects: []fyne.CanvasObject{g.Raster},
		minSize: func() fyne.Size { return fyne.NewSquareSize(i.size) },
		layout: func(size fyne.Size) {
			place(g, (size.Width-i.size)/2, (size.Height-i.size)/2, i.size, i.size)
		},
		update: func() { g.set(i.name, i.colorName) },
	})
}
