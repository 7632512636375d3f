// Package video tells of a video that is sent what others see before they play it: how long it is, and a picture. It decodes no video.
//
//	info, err := video.Read(file, size)       // an MP4 or QuickTime file
//	img, err := video.Still(ctx, path, at)    // a picture of it, by a program of this computer
//	img := video.Blank(info.Size)             // where there is none
//	clean, err := video.Clean(file, size)     // the file without metadata
package video

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"math"
	"time"

	"github.com/sotto-chat/sotto/core/mp4"
)

const (
	// maxIndex is the size of the largest index that is read, in bytes: that of a film of many hours.
	maxIndex = 32 << 20
	// maxBoxes is how many boxes may come before the index; files have a handful.
	maxBoxes = 1000
	// maxSide is the longest side of a video, in pixels.
	maxSide = 1 << 14
)

// ErrFormat tells that a file is no video in a container of this kind, or a damaged one.
var ErrFormat = errors.New("not an MP4 or QuickTime video, or a damaged one")

// Info is what a file tells of the video in it.
type Info struct {
	Duration time.Duration // 0 if it does not tell
	Size     image.Point   // in pixels as it is shown, zero if it does not tell
	Cover    []byte        // a picture file that its maker has put in, not looked at; nil for none
}

// Read reads the index of a file of the given size. The error is ErrFormat, or that of reading.
func Read(r io.ReaderAt, size int64) (info Info, err error) {
	movie, err := index(r, size)
	if err != nil {
		return info, err
	}
	if head, ok := mp4.Find(movie, "mvhd"); ok {
		scale, duration := mp4.Time(head)
		if seconds := float64(duration) / float64(max(scale, 1)); scale > 0 && seconds < math.MaxInt32 {
			info.Duration = time.Duration(seconds * float64(time.Second))
		}
	}
	found := false
	for track := range mp4.All(movie, "trak") {
		media, _ := mp4.Find(track, "mdia")
		handler, _ := mp4.Find(media, "hdlr")
		if len(handler) < 12 || string(handler[8:12]) != "vide" {
			continue
		}
		found = true
		if head, ok := mp4.Find(track, "tkhd"); ok {
			info.Size = shownSize(head)
		}
		break
	}
	if !found {
		return Info{}, ErrFormat
	}
	info.Cover = cover(movie)
	return info, nil
}

// index finds the index of a file, which may stand at its end.
func index(r io.ReaderAt, size int64) (movie []byte, err error) {
	n := 0
	err = walk(r, size, func(b topBox) error {
		if n++; n > maxBoxes {
			return ErrFormat
		}
		if b.name != "moov" {
			return nil
		}
		if movie, err = b.read(r); err != nil {
			return err
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return movie, nil
	case err == nil:
		err = ErrFormat
	}
	return nil, err
}

// errFound ends a walk that need not go on.
var errFound = errors.New("found")

// A topBox is one of those that a file is made of.
type topBox struct {
	name           string
	at, head, size int64 // where it begins, and how long its head and the whole are
}

// read returns the content of a box that is an index.
func (b topBox) read(r io.ReaderAt) ([]byte, error) {
	if b.size > maxIndex {
		return nil, ErrFormat
	}
	content := make([]byte, b.size-b.head)
	if _, err := r.ReadAt(content, b.at+b.head); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading a video: %w", err)
	}
	return content, nil
}

// walk calls do for each of the boxes that a file is made of, until that returns an error.
func walk(r io.ReaderAt, size int64, do func(topBox) error) error {
	head := make([]byte, 16)
	for at := int64(0); at < size; {
		part := head[:min(16, size-at)]
		if _, err := r.ReadAt(part, at); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading a video: %w", err)
		}
		name, skip, length, ok := mp4.Next(part)
		if length == 0 {
			length = uint64(size - at)
		}
		if !ok || length < skip || length > uint64(size-at) || at == 0 && name != "ftyp" {
			return ErrFormat
		}
		if err := do(topBox{name, at, int64(skip), int64(length)}); err != nil {
			return err
		}
		at += int64(length)
	}
	return nil
}

// shownSize reads the size of a track, turned as it is shown (ISO/IEC 14496-12 §8.3.2).
func shownSize(head []byte) image.Point {
	const matrix, width = 36, 8 // in bytes, and both of the sizes
	if len(head) < matrix+width {
		return image.Point{}
	}
	at := len(head) - matrix - width
	fixed := func(at int) int { return int(binary.BigEndian.Uint32(head[at:]) >> 16) }
	w, h := fixed(len(head)-8), fixed(len(head)-4)
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		return image.Point{}
	}
	if binary.BigEndian.Uint32(head[at:]) == 0 { // by a quarter
		w, h = h, w
	}
	return image.Pt(w, h)
}

// cover returns the picture in the metadata as players of music write it.
func cover(movie []byte) []byte {
	user, _ := mp4.Find(movie, "udta")
	meta, ok := mp4.Find(user, "meta")
	if !ok || len(meta) < 4 {
		return nil
	}
	list, ok := mp4.Find(meta[4:], "ilst") // after a version
	if !ok {
		list, _ = mp4.Find(meta, "ilst") // of QuickTime, without
	}
	item, _ := mp4.Find(list, "covr")
	data, _ := mp4.Find(item, "data")
	const head = 8 // type and language
	if len(data) <= head {
		return nil
	}
	return data[head:]
}

// Blank returns a picture for a video of which there is none, a dark film, in the shape of the given size.
func Blank(size image.Point) image.Image {
	const long = 480
	w, h := long, long*9/16
	if size.X > 0 && size.Y > 0 {
		w, h = min(long, max(long*size.X/size.Y, long/4)), min(long, max(long*size.Y/size.X, long/4))
	}
	ground, edge, hole := color.RGBA{38, 45, 54, 255}, color.RGBA{22, 27, 33, 255}, color.RGBA{44, 52, 62, 255}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	fill := func(x, y, w, h int, c color.Color) {
		draw.Draw(img, image.Rect(x, y, x+w, y+h), image.NewUniform(c), image.Point{}, draw.Src)
	}
	const band, side, step = 36, 16, 40
	fill(0, 0, w, h, ground)
	for _, y := range []int{0, h - band} {
		fill(0, y, w, band, edge)
		n := (w - side) / step
		for i := range n + 1 {
			fill((w-n*step-side)/2+i*step, y+(band-side)/2, side, side, hole)
		}
	}
	return img
}
