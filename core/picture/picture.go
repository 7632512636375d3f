// Package picture reads pictures that come from other people and makes those that are sent to them.
//
// Decode, Thumbnail and Animation take the bytes of a JPEG, PNG, GIF or WebP file of any origin. They never panic, and what they
// use of memory and time is limited: a file that would need more gives ErrTooLarge before it is decoded. The orientation that
// cameras write into a file is honoured.
//
// Clean and Shrink write pictures from their pixels alone, so that nothing else in the original, such as the place and the time
// where it was taken, the camera and its owner, a small picture of what was cut off, or the name of a colour profile, is sent along.
// CleanAnimation does so with what moves.
//
// All decoders are those of the standard library but for WebP, which golang.org/x/image decodes. That knows only files with one picture,
// and takes the colours of the lossy kind for those of a JPEG file. So webp.go takes the container apart itself (RFC 9649), hands
// each frame of an animation over as a file of its own, corrects the colours, and puts the frames together.
//
// The package knows nothing of the window and may be used from any goroutine.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"time"

	xdraw "golang.org/x/image/draw"
)

// Limits on what is decoded.
const (
	MaxBytes  = 64 << 20 // of a file
	maxPixels = 50 << 20 // of one picture: the largest cameras have about that many
	maxMemory = 400 << 20
	maxScans  = 100      // of a progressive JPEG; encoders write about ten
	maxFrames = 1000     // of an animation; the rest is left out
	maxMotion = 48 << 20 // pixels of all frames of an animation
	maxShown  = 16 << 20 // and of those in the size in which they are shown
)

var (
	// ErrFormat means that the bytes are no picture of a known format, or a broken one.
	ErrFormat = errors.New("not a JPEG, PNG, GIF or WebP picture, or a damaged one")
	// ErrTooLarge means that the picture would need more memory or time than it should.
	ErrTooLarge = errors.New("the picture is too large")
)

// Decode returns the picture, upright; of an animation the first frame.
func Decode(data []byte) (image.Image, error) {
	img, err := decode(data)
	if err != nil {
		return nil, err
	}
	return upright(img, orientation(data)), nil
}

// decode returns the picture as it lies in the file.
func decode(data []byte) (img image.Image, err error) {
	defer recovered(&err)
	if _, err := Info(data); err != nil {
		return nil, err
	}
	switch format(data) {
	case formatJPEG:
		img, err = jpeg.Decode(bytes.NewReader(data))
	case formatPNG:
		img, err = png.Decode(bytes.NewReader(data))
	case formatGIF:
		img, err = firstFrame(data)
	case formatWebP:
		img, err = firstWebP(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	return img, nil
}

// Info returns the size of the picture in pixels, upright. It decodes nothing, and fails where Decode would refuse to.
func Info(data []byte) (size image.Point, err error) {
	defer recovered(&err)
	if len(data) > MaxBytes {
		return size, ErrTooLarge
	}
	var config image.Config
	switch f := format(data); f {
	case formatJPEG:
		if scans(data) > maxScans {
			return size, ErrTooLarge
		}
		config, err = jpeg.DecodeConfig(bytes.NewReader(data))
	case formatPNG:
		config, err = png.DecodeConfig(bytes.NewReader(data))
	case formatGIF:
		config, err = gif.DecodeConfig(bytes.NewReader(data))
	case formatWebP:
		var w *webpFile
		if w, err = parseWebP(data, 1); err == nil {
			config.Width, config.Height = w.size.X, w.size.Y
		}
	default:
		return size, ErrFormat
	}
	if err != nil {
		return size, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	if config.Width < 1 || config.Height < 1 {
		return size, ErrFormat
	}
	if config.Width > maxPixels/config.Height {
		return size, ErrTooLarge
	}
	perPixel := 4
	if config.ColorModel == color.RGBA64Model || config.ColorModel == color.NRGBA64Model {
		perPixel = 8
	}
	if config.Width*config.Height*perPixel > maxMemory {
		return size, ErrTooLarge
	}
	size = image.Pt(config.Width, config.Height)
	if orientation(data) >= 5 {
		size.X, size.Y = size.Y, size.X
	}
	return size, nil
}

// recovered turns a panic of a decoder into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: the decoder failed", ErrFormat)
	}
}

// Thumbnail returns the picture, no wider and no higher than the given number of pixels.
func Thumbnail(data []byte, side int) (image.Image, error) {
	img, err := decode(data)
	if err != nil {
		return nil, err
	}
	return upright(Fit(img, side), orientation(data)), nil // small pictures are turned faster
}

// Fit returns the picture, scaled down so that it is no wider and no higher than the given number of pixels.
func Fit(img image.Image, side int) image.Image {
	b := img.Bounds()
	w, h := fitted(b.Dx(), b.Dy(), side)
	if w == b.Dx() && h == b.Dy() {
		return img
	}
	return scale(img, b, w, h)
}

func fitted(w, h, side int) (int, int) {
	side = max(side, 1)
	if w <= side && h <= side {
		return w, h
	}
	f := float64(side) / float64(max(w, h))
	return max(1, int(math.Round(float64(w)*f))), max(1, int(math.Round(float64(h)*f)))
}

// Cut returns the part of a picture inside a box, scaled to the given size if it is larger.
func Cut(img image.Image, box image.Rectangle, w, h int) image.Image {
	box = box.Intersect(img.Bounds())
	if box.Empty() {
		return image.NewNRGBA(image.Rect(0, 0, 1, 1))
	}
	return scale(img, box, min(max(w, 1), box.Dx()), min(max(h, 1), box.Dy()))
}

// scale averages over all pixels, first roughly where the picture is very large: good scaling of those takes seconds. The scaler is
// fast for this kind of picture only.
func scale(img image.Image, box image.Rectangle, w, h int) image.Image {
	if box.Dx() > 4*w && box.Dy() > 4*h {
		rough := image.NewRGBA(image.Rect(0, 0, 3*w, 3*h))
		xdraw.ApproxBiLinear.Scale(rough, rough.Bounds(), img, box, draw.Src, nil)
		img, box = rough, rough.Bounds()
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	xdraw.CatmullRom.Scale(small, small.Bounds(), img, box, draw.Src, nil)
	return small
}

// Frame is one picture of an animation.
type Frame struct {
	Image image.Image
	Delay time.Duration // until the next one, at least 20 ms
}

// seenDelay is how long a frame is shown, where almost no time is as good as none: as browsers have it.
func seenDelay(d time.Duration) time.Duration {
	if d < 20*time.Millisecond {
		return 100 * time.Millisecond
	}
	return d
}

// Animation returns the frames of an animated GIF or WebP, upright, no wider and no higher than the given number of pixels; of every
// other picture one frame. What exceeds the limits at the end is left out, and so is what is damaged at the end of a WebP.
func Animation(data []byte, side int) (frames []Frame, err error) {
	defer recovered(&err)
	size, err := Info(data)
	if err != nil {
		return nil, err
	}
	w, h := fitted(size.X, size.Y, side)
	most := min(maxFrames, max(1, maxShown/(w*h)), max(1, maxMotion/(size.X*size.Y)))
	switch format(data) {
	case formatGIF:
		return playGIF(data, most, w, h)
	case formatWebP:
		file, err := parseWebP(data, most)
		if err != nil {
			return nil, err
		}
		if file.motion {
			return file.play(orientation(data), side)
		}
	}
	img, err := Thumbnail(data, side)
	if err != nil {
		return nil, err
	}
	return []Frame{{Image: img}}, nil
}

// playGIF returns the first frames of a GIF in a size.
func playGIF(data []byte, most, w, h int) (frames []Frame, err error) {
	g, err := gif.DecodeAll(bytes.NewReader(cutGIF(data, most)))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	stage := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	var before []uint8
	for i, f := range g.Image {
		if g.Disposal[i] == gif.DisposalPrevious {
			before = append(before[:0], stage.Pix...)
		}
		draw.Draw(stage, f.Bounds(), f, f.Bounds().Min, draw.Over)
		frames = append(frames, Frame{Image: scale(stage, stage.Bounds(), w, h), Delay: seenDelay(time.Duration(g.Delay[i]) * 10 * time.Millisecond)})
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(stage, f.Bounds(), image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			copy(stage.Pix, before)
		}
	}
	if len(frames) == 0 {
		return nil, ErrFormat
	}
	return frames, nil
}

// firstFrame returns the first picture of a GIF on its whole stage.
func firstFrame(data []byte) (image.Image, error) {
	g, err := gif.DecodeAll(bytes.NewReader(cutGIF(data, 1)))
	if err != nil {
		return nil, err
	}
	if len(g.Image) == 0 {
		return nil, ErrFormat
	}
	stage := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	draw.Draw(stage, g.Image[0].Bounds(), g.Image[0], g.Image[0].Bounds().Min, draw.Src)
	return stage, nil
}
