package voice

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

const (
	// maxFrames is how many frames a file that is decoded may have.
	maxFrames = int(maxPlayed/time.Second) * maxRate / samplesPerFrame
	// maxFrame is the size of the largest frame, in bytes: 6144 bits for each of two channels (ISO/IEC 14496-3 §4.5.3.1), and some more.
	maxFrame = 4096
)

// parse finds the sound track of a file: the first track of sound that is AAC.
func parse(file []byte) (*track, error) {
	if len(file) < 8 || string(file[4:8]) != "ftyp" {
		return nil, fmt.Errorf("%w: it is no m4a file", ErrUnsupported)
	}
	movie, ok := find(file, "moov")
	if !ok {
		return nil, fmt.Errorf("%w: it has no index", ErrDamaged)
	}
	if _, fragmented := find(movie, "mvex"); fragmented {
		return nil, fmt.Errorf("%w: it is made of fragments", ErrUnsupported)
	}
	t := &track{}
	if head, ok := find(movie, "mvhd"); ok {
		t.movieTimescale = timescale(head)
	}
	for trak := range all(movie, "trak") {
		media, _ := find(trak, "mdia")
		handler, _ := find(media, "hdlr")
		if len(handler) < 12 || string(handler[8:12]) != "soun" {
			continue
		}
		if head, ok := find(media, "mdhd"); ok {
			t.timescale = timescale(head)
		}
		t.edit(trak)
		info, _ := find(media, "minf")
		table, ok := find(info, "stbl")
		if !ok {
			return nil, fmt.Errorf("%w: it has no table of frames", ErrDamaged)
		}
		if err := t.describe(table); err != nil {
			return nil, err
		}
		return t, t.place(file, table)
	}
	return nil, fmt.Errorf("%w: it has no sound", ErrUnsupported)
}

// all yields the contents of the boxes of a name. It ends at what is no box.
func all(data []byte, name string) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) >= 8 {
			size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
			switch size {
			case 0: // to the end
				size = uint64(len(data))
			case 1:
				if len(data) < 16 {
					return
				}
				size, head = binary.BigEndian.Uint64(data[8:]), 16
			}
			if size < head || size > uint64(len(data)) {
				return
			}
			if string(data[4:8]) == name && !yield(data[head:size]) {
				return
			}
			data = data[size:]
		}
	}
}

// find returns the content of the first box of a name.
func find(data []byte, name string) ([]byte, bool) {
	for content := range all(data, name) {
		return content, true
	}
	return nil, false
}

// timescale reads the units per second in a mvhd or mdhd box; 0 if it has none.
func timescale(head []byte) uint64 {
	at := 12
	if len(head) > 0 && head[0] == 1 {
		at = 20
	}
	if len(head) < at+4 {
		return 0
	}
	return uint64(binary.BigEndian.Uint32(head[at:]))
}

// edit reads from where to where the track is played. Only the first piece that isn't a pause counts.
func (t *track) edit(trak []byte) {
	edits, _ := find(trak, "edts")
	list, _ := find(edits, "elst")
	if len(list) < 8 {
		return
	}
	wide := list[0] == 1
	for list = list[8:]; ; {
		var length, start uint64
		switch {
		case wide && len(list) >= 20:
			length, start, list = binary.BigEndian.Uint64(list), binary.BigEndian.Uint64(list[8:]), list[20:]
		case !wide && len(list) >= 12:
			length, start, list = uint64(binary.BigEndian.Uint32(list)), uint64(int64(int32(binary.BigEndian.Uint32(list[4:])))), list[12:]
		default:
			return
		}
		if start == math.MaxUint64 { // a pause
			continue
		}
		t.start, t.length = start, length
		return
	}
}

// describe reads what the decoder has to know.
func (t *track) describe(table []byte) error {
	descriptions, _ := find(table, "stsd")
	if len(descriptions) < 8 {
		return fmt.Errorf("%w: its sound is not described", ErrDamaged)
	}
	entry, ok := find(descriptions[8:], "mp4a")
	if !ok {
		return fmt.Errorf("%w: its sound is not AAC", ErrUnsupported)
	}
	// Versions 1 and 2 are QuickTime's and have more fields.
	head := 28
	if len(entry) >= 10 {
		head += [4]int{0, 16, 36, 0}[binary.BigEndian.Uint16(entry[8:])&3]
	}
	if len(entry) < head {
		return fmt.Errorf("%w: the description of its sound is too short", ErrDamaged)
	}
	children := entry[head:]
	if wave, ok := find(children, "wave"); ok {
		children = wave
	}
	esds, ok := find(children, "esds")
	if !ok || len(esds) < 4 {
		return fmt.Errorf("%w: the kind of its sound is not told", ErrDamaged)
	}
	stream, ok := descriptor(esds[4:], tagStream)
	if !ok || len(stream) < 3 {
		return fmt.Errorf("%w: the kind of its sound is not told", ErrDamaged)
	}
	const dependsOn, hasURL, hasClock = 0x80, 0x40, 0x20
	flags := stream[2]
	if flags&(dependsOn|hasURL|hasClock) != 0 {
		return fmt.Errorf("%w: its sound depends on something else", ErrUnsupported)
	}
	decoder, ok := descriptor(stream[3:], tagDecoderConfig)
	if !ok || len(decoder) < 13 {
		return fmt.Errorf("%w: the kind of its sound is not told", ErrDamaged)
	}
	if decoder[0] != aacObject {
		return fmt.Errorf("%w: its sound is not AAC", ErrUnsupported)
	}
	config, ok := descriptor(decoder[13:], tagSpecificInfo)
	if !ok || len(config) < 2 || len(config) > 64 {
		return fmt.Errorf("%w: the kind of its sound is not told", ErrDamaged)
	}
	t.config = config
	return nil
}

// descriptor returns the content of the first descriptor of a tag (ISO/IEC 14496-1 §8.3.3).
func descriptor(data []byte, tag byte) ([]byte, bool) {
	for len(data) >= 2 {
		this, size, at := data[0], 0, 1
		for {
			if at >= len(data) || at > 4 {
				return nil, false
			}
			b := data[at]
			size, at = size<<7|int(b&0x7f), at+1
			if b&0x80 == 0 {
				break
			}
		}
		if size > len(data)-at {
			return nil, false
		}
		if this == tag {
			return data[at : at+size], true
		}
		data = data[at+size:]
	}
	return nil, false
}

// place finds the frames in the file.
func (t *track) place(file, table []byte) error {
	sizes, _ := find(table, "stsz")
	if len(sizes) < 12 {
		return fmt.Errorf("%w: the sizes of its frames are missing", ErrDamaged)
	}
	same, count := binary.BigEndian.Uint32(sizes[4:]), binary.BigEndian.Uint32(sizes[8:])
	sizes = sizes[12:]
	switch {
	case count == 0:
		return ErrEmpty
	case count > uint32(maxFrames):
		return fmt.Errorf("%w: %d frames", ErrTooLong, count)
	case same == 0 && len(sizes) < int(count)*4:
		return fmt.Errorf("%w: the sizes of its frames are missing", ErrDamaged)
	}
	size := func(i int) uint64 {
		if same != 0 {
			return uint64(same)
		}
		return uint64(binary.BigEndian.Uint32(sizes[4*i:]))
	}

	offsets, width := []byte(nil), 4
	if box, ok := find(table, "stco"); ok && len(box) >= 8 {
		offsets = box[8:]
	} else if box, ok := find(table, "co64"); ok && len(box) >= 8 {
		offsets, width = box[8:], 8
	}
	runs, _ := find(table, "stsc")
	if len(runs) < 8 {
		return fmt.Errorf("%w: the places of its frames are missing", ErrDamaged)
	}
	runs = runs[8:]

	t.frames = make([][]byte, 0, count)
	perChunk := uint32(0)
	for chunk := uint32(1); len(offsets) >= width && len(t.frames) < int(count); chunk++ {
		at := uint64(0)
		for _, b := range offsets[:width] {
			at = at<<8 | uint64(b)
		}
		offsets = offsets[width:]
		if len(runs) >= 12 && binary.BigEndian.Uint32(runs) <= chunk {
			perChunk, runs = binary.BigEndian.Uint32(runs[4:]), runs[12:]
		}
		for range min(perChunk, count-uint32(len(t.frames))) {
			n := size(len(t.frames))
			if n > maxFrame || at > uint64(len(file)) || n > uint64(len(file))-at {
				return fmt.Errorf("%w: a frame lies outside of the file", ErrDamaged)
			}
			t.frames = append(t.frames, file[at:at+n])
			at += n
		}
	}
	if len(t.frames) < int(count) {
		return fmt.Errorf("%w: the places of some of its frames are missing", ErrDamaged)
	}
	return nil
}
