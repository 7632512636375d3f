package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
)

// Sizes of what is sent.
const (
	// SendSide is the longest side of a picture that is sent, in pixels.
	SendSide = 1920
	// PreviewChars is how long the data URI of a preview or of the picture of a profile may be, as the network's other programs expect.
	PreviewChars = 14_000
	// AvatarSide is the side of the picture of a profile, in pixels.
	AvatarSide = 192
)

const uriPrefix = "data:image/jpg;base64,"

// PreviewBytes is how large the JPEG file in a data URI of PreviewChars can be.
const PreviewBytes = (PreviewChars - len(uriPrefix)) / 4 * 3

// Clean makes the file that is sent for a picture: its pixels and nothing else of it, upright and with sides of at most SendSide
// pixels. A picture with transparent parts becomes a PNG file, every other a JPEG file; ext is "png" or "jpg". An animation
// becomes its first frame; see CleanAnimation.
func Clean(data []byte) (clean []byte, ext string, err error) {
	defer recovered(&err)
	img, err := Thumbnail(data, SendSide)
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	if opaque(img) {
		err, ext = jpeg.Encode(&out, img, &jpeg.Options{Quality: 88}), "jpg"
	} else {
		err, ext = png.Encode(&out, pixels(img)), "png"
	}
	if err != nil {
		return nil, "", fmt.Errorf("write the picture: %w", err)
	}
	return out.Bytes(), ext, nil
}

// CleanAnimation makes the file that is sent for an animated GIF or WebP: its frames in their size, with their delays, and nothing
// else of it, such as comments, what cameras and programs have added, and the names of colour profiles. Of a WebP the compressed pixels
// stay as they are, and so does how it is to be turned. The error is ErrFormat if it does not move, and ErrTooLarge if it has
// more frames or pixels than are shown.
func CleanAnimation(data []byte) (clean []byte, err error) {
	defer recovered(&err)
	size, err := Info(data)
	if err != nil {
		return nil, err
	}
	most := min(maxFrames, maxMotion/(size.X*size.Y))
	if most < 1 {
		return nil, ErrTooLarge
	}
	switch format(data) {
	case formatGIF:
		return cleanGIF(data, most)
	case formatWebP:
		return cleanWebP(data, most)
	}
	return nil, ErrFormat
}

func cleanGIF(data []byte, most int) ([]byte, error) {
	g, err := gif.DecodeAll(bytes.NewReader(cutGIF(data, most+1)))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	case len(g.Image) < 2:
		return nil, ErrFormat
	case len(g.Image) > most:
		return nil, ErrTooLarge
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		return nil, fmt.Errorf("write the picture: %w", err)
	}
	return out.Bytes(), nil
}

func cleanWebP(data []byte, most int) ([]byte, error) {
	w, err := parseWebP(data, most+1)
	switch {
	case err != nil:
		return nil, err
	case len(w.frames) > most:
		return nil, ErrTooLarge
	case w.broken || len(w.frames) < 2:
		return nil, ErrFormat
	}
	for i := range w.frames { // what can't be seen is not sent
		if _, err := w.frames[i].decode(); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		}
	}
	return w.clean(orientation(data)), nil
}

// pixels copies a picture, so that an encoder sees pixels and no more.
func pixels(img image.Image) image.Image {
	out := image.NewNRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	return out
}

func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// Shrink writes a JPEG file of at most limit bytes, with sides of at most the given number of pixels, fewer and coarser where they do
// not fit. Transparent parts become white.
func Shrink(img image.Image, side, limit int) ([]byte, error) {
	if img.Bounds().Empty() {
		return nil, ErrFormat
	}
	for side := max(side, 1); ; side = side * 4 / 5 {
		small := Fit(img, side)
		if !opaque(small) {
			white := image.NewNRGBA(image.Rect(0, 0, small.Bounds().Dx(), small.Bounds().Dy()))
			draw.Draw(white, white.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
			draw.Draw(white, white.Bounds(), small, small.Bounds().Min, draw.Over)
			small = white
		}
		for _, quality := range []int{85, 70, 50} {
			var out bytes.Buffer
			if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: quality}); err != nil {
				return nil, fmt.Errorf("write the picture: %w", err)
			}
			if out.Len() <= limit {
				return out.Bytes(), nil
			}
		}
		if side <= 2 {
			return nil, fmt.Errorf("no picture fits into %d bytes: %w", limit, ErrTooLarge)
		}
	}
}

// Preview writes the small JPEG file that is shown before a picture is loaded.
func Preview(img image.Image) ([]byte, error) { return Shrink(img, 512, PreviewBytes) }

// Avatar writes the picture of a profile from a square part of a picture.
func Avatar(img image.Image, square image.Rectangle) ([]byte, error) {
	return Shrink(Cut(img, square, AvatarSide, AvatarSide), AvatarSide, PreviewBytes)
}
