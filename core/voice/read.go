package voice

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/sotto-chat/sotto/core/mp4"
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
	movie, ok := mp4.Find(file, "moov")
	if !ok {
		return nil, fmt.Errorf("%w: it has no index", ErrDamaged)
	}
	if _, fragmented := mp4.Find(movie, "mvex"); fragmented {
		return nil, fmt.Errorf("%w: it is made of fragments", ErrUnsupported)
	}
	t := &track{}
	if head, ok := mp4.Find(movie, "mvhd"); ok {
		t.movieTimescale, _ = mp4.Time(head)
	}
	for trak := range mp4.All(movie, "trak") {
		media, _ := mp4.Find(trak, "mdia")
		handler, _ := mp4.Find(media, "hdlr")
		if len(handler) < 12 || string(handler[8:12]) != "soun" {
			continue
		}
		if head, ok := mp4.Find(media, "mdhd"); ok {
			t.timescale, _ = mp4.Time(head)
		}
		t.edit(trak)
		info, _ := mp4.Find(media, "minf")
		table, ok := mp4.Find(info, "stbl")
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

// edit reads from where to where the track is played. Only the first piece that isn't a pause counts.
func (t *track) edit(trak []byte) {
	edits, _ := mp4.Find(trak, "edts")
	list, _ := mp4.Find(edits, "elst")
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
	descriptions, _ := mp4.Find(table, "stsd")
	if len(descriptions) < 8 {
		return fmt.Errorf("%w: its sound is not described", ErrDamaged)
	}
	entry, ok := mp4.Find(descriptions[8:], "mp4a")
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
	if wave, ok := mp4.Find(children, "wave"); ok {
		children = wave
	}
	esds, ok := mp4.Find(children, "esds")
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
	sizes, _ := mp4.Find(table, "stsz")
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
	if box, ok := mp4.Find(table, "stco"); ok && len(box) >= 8 {
		offsets = box[8:]
	} else if box, ok := mp4.Find(table, "co64"); ok && len(box) >= 8 {
		offsets, width = box[8:], 8
	}
	runs, _ := mp4.Find(table, "stsc")
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
