package theme

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"sync"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
	"github.com/fyne-io/oksvg"
	"github.com/srwiley/rasterx"

	"github.com/sotto-chat/sotto/assets"
)

// icon is an SVG resource whose lines take the named colour at the moment it is drawn.
type icon struct {
	name  string
	svg   []byte
	color fyne.ThemeColorName
}

// Icon returns an icon of the assets package in a colour of the theme; it follows changes of the theme. An unknown name
// gives the toolkit's picture for broken images.
//
// The toolkit does not scale the lines of a resource with its size. Icons in widgets are drawn with DrawIcon instead; this is
// for the toolkit's own parts, such as menus.
func Icon(name string, color fyne.ThemeColorName) fyne.Resource {
	svg, err := assets.Icon(name)
	if err != nil {
		return fynetheme.BrokenImageIcon()
	}
	return &icon{name: name, svg: svg, color: color}
}

func (i *icon) hex() string {
	r, g, b, _ := Color(i.color).RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

// Name implements fyne.Resource. The toolkit caches drawn icons by it, so it has the colour in it.
func (i *icon) Name() string { return "sotto-" + i.name + i.hex() + ".svg" }

// Content implements fyne.Resource.
func (i *icon) Content() []byte {
	return bytes.ReplaceAll(i.svg, []byte("currentColor"), []byte(i.hex()))
}

type iconKey struct {
	name          string
	ink           color.NRGBA
	width, height int
}

// icons keeps the drawn icons. There are few names, colours and sizes in a window; the limit is against a leak.
var icons = struct {
	sync.Mutex
	drawn map[iconKey]image.Image
}{drawn: make(map[iconKey]image.Image)}

const maxDrawnIcons = 1024

// DrawIcon draws an icon of the assets package in one colour, as large as fits into the given number of pixels. An unknown name
// gives an empty picture.
func DrawIcon(name string, ink color.Color, width, height int) image.Image {
	key := iconKey{name, color.NRGBAModel.Convert(ink).(color.NRGBA), width, height}
	icons.Lock()
	defer icons.Unlock()
	img, ok := icons.drawn[key]
	if !ok {
		img = drawIcon(key)
		if len(icons.drawn) >= maxDrawnIcons {
			clear(icons.drawn)
		}
		icons.drawn[key] = img
	}
	return img
}

func drawIcon(key iconKey) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, key.width, key.height))
	data, err := assets.Icon(key.name)
	if err != nil {
		return img
	}
	hex := fmt.Sprintf("#%02x%02x%02x", key.ink.R, key.ink.G, key.ink.B)
	icon, err := oksvg.ReadReplacingCurrentColor(bytes.NewReader(data), hex)
	if err != nil || icon.ViewBox.W <= 0 {
		return img
	}
	side := float64(min(key.width, key.height))
	scale := side / icon.ViewBox.W
	for i := range icon.SVGPaths {
		p := &icon.SVGPaths[i]
		p.LineWidth *= scale
		for k := range p.Dash {
			p.Dash[k] *= scale
		}
	}
	icon.SetTarget((float64(key.width)-side)/2, (float64(key.height)-side)/2, side, side)
	scanner := rasterx.NewScannerGV(key.width, key.height, img, img.Bounds())
	icon.Draw(rasterx.NewDasher(key.width, key.height, scanner), float64(key.ink.A)/0xff)
	return img
}
