package widget

import (
	"fmt"
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"
	"rsc.io/qr"

	"github.com/sotto-chat/sotto/ui/theme"
)

// quietZone is the white border that a QR code needs to be found, in modules (ISO/IEC 18004, 5.3.8 "quiet zone").
const quietZone = 4

// QR shows a QR code, black on white in every theme, with the modules on whole pixels.
type QR struct {
	fynewidget.BaseWidget

	code *qr.Code
	side float32
}

var _ fyne.Widget = (*QR)(nil)

// NewQR encodes a text at error correction level M and shows it on a white card with the given side in pixels. It fails for a
// text that is too long for a QR code.
func NewQR(text string, side float32) (*QR, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("widget: %d bytes as a QR code: %w", len(text), err)
	}
	q := &QR{code: code, side: side}
	q.ExtendBaseWidget(q)
	return q, nil
}

// Image returns the code with its quiet zone as a picture, for saving and copying. Each module has the given side in pixels.
func (q *QR) Image(module int) image.Image {
	n := (q.code.Size + 2*quietZone) * max(module, 1)
	return q.draw(n, n)
}

// draw fills a picture of the given size with the code, as large as whole pixels for each module allow.
func (q *QR) draw(width, height int) image.Image {
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.White, color.Black})
	n := q.code.Size + 2*quietZone
	module := min(width, height) / n
	if module < 1 {
		return img
	}
	left, top := (width-module*q.code.Size)/2, (height-module*q.code.Size)/2
	for y := range q.code.Size * module {
		for x := range q.code.Size * module {
			if q.code.Black(x/module, y/module) {
				img.SetColorIndex(left+x, top+y, 1)
			}
		}
	}
	return img
}

// CreateRenderer implements fyne.Widget.
func (q *QR) CreateRenderer() fyne.WidgetRenderer {
	card := canvas.NewRectangle(color.White)
	card.CornerRadius = theme.DialogRadius
	raster := canvas.NewRaster(q.draw)
	raster.ScaleMode = canvas.ImageScalePixels
	const edge = 5 // keeps the corners of the picture inside the rounded ones of the card
	return newRenderer(&renderer{
		widget:  q,
		objects: []fyne.CanvasObject{card, raster},
		minSize: func() fyne.Size { return fyne.NewSquareSize(q.side) },
		layout: func(size fyne.Size) {
			side := min(size.Width, size.Height)
			x, y := (size.Width-side)/2, (size.Height-side)/2
			place(card, x, y, side, side)
			place(raster, x+edge, y+edge, side-2*edge, side-2*edge)
		},
		update: func() {
			card.FillColor = color.White
			card.StrokeColor, card.StrokeWidth = theme.Color(theme.ColorLine), 1
			card.Refresh()
		},
	})
}
