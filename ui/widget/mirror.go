package widget

import (
	"image"

	"fyne.io/fyne/v2"
)

// mirrored tells whether the window is laid out from right to left.
var mirrored bool

// SetMirrored has everything that is laid out from now on begin at the right, as a language wants that is written from there.
func SetMirrored(on bool) { mirrored = on }

// Mirrored tells whether the window is laid out from right to left.
func Mirrored() bool { return mirrored }

// Mirror turns around what was just laid out from the left in a width, if the window is laid out from right to left. Every layout that
// has a left and a right side ends with it, and no other place needs to know.
func Mirror(objects []fyne.CanvasObject, width float32) {
	if !mirrored {
		return
	}
	for _, o := range objects {
		// What has no width stays: the drawings of a painter, which turns them around by itself.
		if w := o.Size().Width; w > 0 {
			o.Move(fyne.NewPos(width-o.Position().X-w, o.Position().Y))
		}
	}
}

// MirrorX returns where something of width w belongs that would be at x from the left, in a whole of the given width.
func MirrorX(x, w, width float32) float32 {
	if mirrored {
		return width - x - w
	}
	return x
}

// MirrorKey swaps the arrow keys to the left and to the right.
func MirrorKey(key fyne.KeyName) fyne.KeyName {
	switch {
	case mirrored && key == fyne.KeyLeft:
		return fyne.KeyRight
	case mirrored && key == fyne.KeyRight:
		return fyne.KeyLeft
	}
	return key
}

// pointing are the icons that point to where one reads on, or back from.
var pointing = map[string]bool{"back": true, "chevron-left": true, "chevron-right": true, "send": true, "reply": true, "forward": true}

// flip returns a picture as it is in a mirror.
func flip(img image.Image) image.Image {
	b := img.Bounds()
	out := image.NewNRGBA(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			out.Set(b.Max.X-1-(x-b.Min.X), y, img.At(x, y))
		}
	}
	return out
}
