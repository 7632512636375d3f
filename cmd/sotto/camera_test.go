package main

import (
	"context"
	"errors"
	"image"
	"image/color"
	"io"
	"testing"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/frame"
	"github.com/pion/mediadevices/pkg/io/video"
	"github.com/pion/mediadevices/pkg/prop"

	"github.com/sotto-chat/sotto/ui/desktop"
)

// fakeCamera gives pictures, all in the same memory, and then an error.
type fakeCamera struct {
	driver.Driver
	forms    []prop.Media
	pictures int
	chosen   prop.Media
	err      error
}

func (f *fakeCamera) Properties() []prop.Media { return f.forms }

func (f *fakeCamera) VideoRecord(p prop.Media) (video.Reader, error) {
	f.chosen = p
	img := image.NewYCbCr(image.Rect(0, 0, 4, 2), image.YCbCrSubsampleRatio420)
	return video.ReaderFunc(func() (image.Image, func(), error) {
		if f.pictures == 0 {
			return nil, func() {}, io.EOF
		}
		f.pictures--
		img.Y[0]++
		return img, func() {}, nil
	}), f.err
}

func form(width int, format frame.Format) prop.Media {
	return prop.Media{Video: prop.Video{Width: width, Height: width / 2, FrameFormat: format, FrameRate: 30}}
}

func TestRecord(t *testing.T) {
	f := &fakeCamera{forms: []prop.Media{form(cameraWidth, frame.FormatZ16), form(320, frame.FormatYUYV), form(1920, frame.FormatMJPEG)}, pictures: 3}
	var seen []image.Image
	used, err := record(t.Context(), f, func(img image.Image) { seen = append(seen, img) })
	if !used || !errors.Is(err, desktop.ErrNoCamera) || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, %v", used, err)
	}
	if f.chosen.Width != 1920 || f.chosen.FrameRate != 0 {
		t.Errorf("chosen is %+v", f.chosen)
	}
	if len(seen) != 3 || seen[0].(*image.YCbCr).Y[0] != 1 || seen[2].(*image.YCbCr).Y[0] != 3 {
		t.Error("pictures share their memory")
	}

	ctx, cancel := context.WithCancel(t.Context())
	f.pictures = 100
	if used, err := record(ctx, f, func(image.Image) { cancel() }); !used || err != nil || f.pictures != 99 {
		t.Errorf("stopped: %v, %v", used, err)
	}
	f.err = errors.New("in use")
	if used, err := record(t.Context(), f, func(image.Image) {}); used || err == nil {
		t.Errorf("a camera in use: %v, %v", used, err)
	}
	f.forms = nil
	if used, err := record(t.Context(), f, func(image.Image) {}); used || err == nil {
		t.Errorf("a camera without forms: %v, %v", used, err)
	}
	gray := image.NewGray(image.Rect(1, 1, 3, 3))
	gray.Set(2, 2, color.White)
	if c := copyPicture(gray); c.Bounds() != gray.Rect || c.At(2, 2) != (color.RGBA{0xff, 0xff, 0xff, 0xff}) {
		t.Errorf("copied as %v", c)
	}
}
