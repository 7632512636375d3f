package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/driver/camera"
	"github.com/pion/mediadevices/pkg/prop"

	"github.com/sotto-chat/sotto/ui/desktop"
)

// cameraWidth is the width of the pictures that are asked for, in pixels: enough for a code that is held up.
const cameraWidth = 1280

// cameraPictures gives the pictures of a camera to frame until ctx is done, which is no error. frame has a
// picture for itself. The error wraps desktop.ErrNoCamera if no camera can be used.
func cameraPictures(ctx context.Context, frame func(image.Image)) error {
	camera.Initialize() // one may have been plugged in since
	err := desktop.ErrNoCamera
	for _, d := range driver.GetManager().Query(driver.FilterVideoRecorder()) {
		openErr := d.Open()
		if openErr != nil {
			err = fmt.Errorf("%w: %w", desktop.ErrNoCamera, openErr)
			continue
		}
		used, recordErr := record(ctx, d, frame)
		closeErr := d.Close()
		if used {
			return errors.Join(recordErr, closeErr)
		}
		err = fmt.Errorf("%w: %w", desktop.ErrNoCamera, errors.Join(recordErr, closeErr))
	}
	return err
}

// record reads pictures from an open camera. It tells whether there was one at all: of the devices of a camera,
// some give none.
func record(ctx context.Context, d driver.Driver, frame func(image.Image)) (used bool, err error) {
	forms := d.Properties()
	if len(forms) == 0 {
		return false, errors.New("it has no pictures of a known form")
	}
	best := forms[0]
	for _, f := range forms {
		if distance(f) < distance(best) {
			best = f
		}
	}
	best.FrameRate = 0 // as it comes
	recorder, ok := d.(driver.VideoRecorder)
	if !ok {
		return false, errors.New("it does not record")
	}
	pictures, err := recorder.VideoRecord(best)
	if err != nil {
		return false, err
	}
	for ctx.Err() == nil {
		img, release, err := pictures.Read()
		if err != nil {
			return used, fmt.Errorf("%w: %w", desktop.ErrNoCamera, err)
		}
		used = true
		frame(copyPicture(img))
		release()
	}
	return true, nil
}

// distance tells how far a form is from the one that is wanted. Depth is no picture.
func distance(p prop.Media) float64 {
	if p.FrameFormat == "Z16" || p.Width <= 0 {
		return math.Inf(1)
	}
	return math.Abs(math.Log(float64(p.Width) / cameraWidth))
}

// copyPicture copies a picture whose memory the camera uses again.
func copyPicture(img image.Image) image.Image {
	switch img := img.(type) {
	case *image.YCbCr:
		c := *img
		c.Y, c.Cb, c.Cr = append([]byte(nil), img.Y...), append([]byte(nil), img.Cb...), append([]byte(nil), img.Cr...)
		return &c
	default:
		c := image.NewRGBA(img.Bounds())
		for y := c.Rect.Min.Y; y < c.Rect.Max.Y; y++ {
			for x := c.Rect.Min.X; x < c.Rect.Max.X; x++ {
				c.Set(x, y, img.At(x, y))
			}
		}
		return c
	}
}
