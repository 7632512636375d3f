// Package mp4 reads the boxes that MP4 and QuickTime files are made of (ISO/IEC 14496-12 §4.2). Files come from anybody: what is no
// box ends the reading, and no memory is taken for what a file says of itself.
//
//	movie, ok := mp4.Find(file, "moov")
//	for track := range mp4.All(movie, "trak") { … }
package mp4

import (
	"encoding/binary"
	"iter"
)

// Next returns the name of the box that data begins with, how long its head is, and how long the whole box is: 0 for up to the end
// of the file. ok is false for what is no box.
func Next(data []byte) (name string, head, size uint64, ok bool) {
	if len(data) < 8 {
		return "", 0, 0, false
	}
	name, head, size = string(data[4:8]), 8, uint64(binary.BigEndian.Uint32(data))
	if size == 1 {
		if len(data) < 16 {
			return "", 0, 0, false
		}
		head, size = 16, binary.BigEndian.Uint64(data[8:])
	}
	return name, head, size, size == 0 || size >= head
}

// A Box is a part of the data that it was found in.
type Box struct{ head, content []byte }

// Content is what the box has after its head.
func (b Box) Content() []byte { return b.content }

// Free makes free space full of zeros of the box, in the data that it is in.
func (b Box) Free() {
	copy(b.head[4:], "free")
	clear(b.content)
}

// Boxes yields the names and boxes in data. It ends at what is no box.
func Boxes(data []byte) iter.Seq2[string, Box] {
	return func(yield func(string, Box) bool) {
		for {
			name, head, size, ok := Next(data)
			if size == 0 {
				size = uint64(len(data))
			}
			if !ok || size > uint64(len(data)) || !yield(name, Box{data[:head], data[head:size]}) {
				return
			}
			data = data[size:]
		}
	}
}

// All yields the contents of the boxes of a name. It ends at what is no box.
func All(data []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for this, box := range Boxes(data) {
			if this == name && !yield(box.content) {
				return
			}
		}
	}
}

// Find returns the content of the first box of a name.
func Find(data []byte, name string) ([]byte, bool) {
	for content := range All(data, name) {
		return content, true
	}
	return nil, false
}

// Time reads the units per second in the content of a mvhd or mdhd box, and how many of them the movie or the track lasts; 0 for what
// it does not tell.
func Time(head []byte) (timescale, duration uint64) {
	wide := len(head) > 0 && head[0] == 1
	switch {
	case wide && len(head) >= 32:
		timescale, duration = uint64(binary.BigEndian.Uint32(head[20:])), binary.BigEndian.Uint64(head[24:])
	case !wide && len(head) >= 20:
		timescale, duration = uint64(binary.BigEndian.Uint32(head[12:])), uint64(binary.BigEndian.Uint32(head[16:]))
	}
	return timescale, duration
}
