// Package qr makes the QR codes of links and reads them from pictures.
//
// Encoding is rsc.io/qr and decoding gozxing. gozxing finds a code only when its
// modules are neither too small nor too large for its detector, so a picture is
// looked at in several sizes; the package exists for that and for the limits
// that a picture from outside needs.
package qr

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // the formats that people save
	_ "image/jpeg" // and send
	_ "image/png"  // pictures in
	"io"
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // browsers save this one
	"rsc.io/qr"
)

// Errors of codes and pictures.
var (
	ErrTooLong  = errors.New("qr: the text is too long for a code")
	ErrNoCode   = errors.New("qr: there is no readable QR code in the picture")
	ErrPicture  = errors.New("qr: the file is not a picture of a known kind")
	ErrTooLarge = errors.New("qr: the picture is too large")
)

// MaxFile and MaxPixels bound the pictures that are looked at, in bytes and in pixels.
const (
	MaxFile   = 32 << 20
	MaxPixels = 50 << 20
)

// QuietZone is the width, in modules, of the light border that readers need around a code.
const QuietZone = 4

// Encode returns the modules of a code, row by row, true for dark, without quiet zone. It has
// error correction level M.
func Encode(text string) ([][]bool, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLong, len(text))
	}
	rows := make([][]bool, code.Size)
	for y := range rows {
		rows[y] = make([]bool, code.Size)
		for x := range rows[y] {
			rows[y][x] = code.Black(x, y)
		}
	}
	return rows, nil
}

// Picture draws modules with a quiet zone; each module is scale pixels wide.
func Picture(modules [][]bool, scale int) image.Image {
	side := (len(modules) + 2*QuietZone) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y, row := range modules {
		for x, dark := range row {
			if !dark {
				continue
			}
			for dy := range scale {
				at := img.PixOffset((x+QuietZone)*scale, (y+QuietZone)*scale+dy)
				for dx := range scale {
					img.Pix[at+dx] = 1
				}
			}
		}
	}
	return img
}

// Read finds the code in a picture file and returns its text.
func Read(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return "", fmt.Errorf("qr: reading the picture: %w", err)
	}
	if len(b) > MaxFile {
		return "", ErrTooLarge
	}
	file := string(b)
	size, _, err := image.DecodeConfig(strings.NewReader(file))
	if err != nil {
		return "", ErrPicture
	}
	if size.Width <= 0 || size.Height <= 0 || size.Width > MaxPixels/size.Height {
		return "", ErrTooLarge
	}
	img, _, err := image.Decode(strings.NewReader(file))
	if err != nil {
		return "", ErrPicture
	}
	return Find(img)
}

// sides are the lengths, in pixels, of a picture's longer side at which a code is looked for.
var sides = []int{0, 1600, 1000, 640, 400}

// Find returns the text of the code in img, which may be anywhere, turned, or light on dark.
func Find(img image.Image) (text string, err error) {
	defer func() {
		// A picture comes from outside, and gozxing indexes by what it finds in it.
		if recover() != nil {
			text, err = "", ErrNoCode
		}
	}()
	longer := max(img.Bounds().Dx(), img.Bounds().Dy())
	if longer == 0 {
		return "", ErrNoCode
	}
	for _, side := range sides {
		scaled := img
		switch {
		case side == 0 && longer > 2400:
			continue // no screen shows a code that needs more, and it takes seconds
		case side != 0 && side == longer:
			continue
		case side != 0:
			scaled = resize(img, side, longer)
		}
		if text, ok := find(scaled); ok {
			return text, nil
		}
	}
	return "", ErrNoCode
}

func find(img image.Image) (string, bool) {
	source := gozxing.NewLuminanceSourceFromImage(img)
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true, gozxing.DecodeHintType_CHARACTER_SET: "UTF-8"}
	for _, s := range []gozxing.LuminanceSource{source, source.Invert()} {
		for _, b := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(s), gozxing.NewGlobalHistgramBinarizer(s)} {
			bitmap, err := gozxing.NewBinaryBitmap(b)
			if err != nil {
				continue
			}
			if result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints); err == nil && result.GetText() != "" {
				return result.GetText(), true
			}
		}
	}
	return "", false
}

// resize returns img with its longer side at the given length and a light border, which a
// picture that was cut close lacks.
func resize(img image.Image, side, longer int) image.Image {
	b := img.Bounds()
	w, h := max(b.Dx()*side/longer, 1), max(b.Dy()*side/longer, 1)
	const border = 24
	out := image.NewGray(image.Rect(0, 0, w+2*border, h+2*border))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(out, image.Rect(border, border, border+w, border+h), img, b, draw.Over, nil)
	return out
}
