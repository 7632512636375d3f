package video

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/sotto-chat/sotto/core/mp4"
)

// Clean returns the file of the given size without what tells where, when and with what the video was taken: its metadata, the
// times of its tracks, and tracks that are neither sound, picture nor text, as those of positions are. Nothing moves, so the
// size stays: what is taken out becomes free space full of zeros. What is in the pictures and the sound themselves
// stays, as the names of programs that some encoders put there. The error is ErrFormat, or that of reading.
func Clean(r io.ReaderAt, size int64) (io.Reader, error) {
	c := &cleaned{file: r, size: size}
	end, found := int64(0), false // of the last box, and whether one was the index
	err := walk(r, size, func(b topBox) error {
		end = b.at + b.size
		switch b.name {
		case "moov":
			movie, err := b.read(r)
			if err != nil {
				return err
			}
			found = true
			c.cleanMovie(movie)
			c.changes = append(c.changes, change{at: b.at + b.head, size: int64(len(movie)), content: movie})
		case "ftyp", "styp", "mdat", "moof", "mfra", "sidx", "ssix":
		default:
			c.changes = append(c.changes, change{at: b.at + 4, size: 4, content: []byte("free")}, change{at: b.at + b.head, size: b.size - b.head})
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrFormat) && found: // some cameras write something of their own behind the boxes
		const toTheEnd = "\x00\x00\x00\x00free"
		head := min(int64(len(toTheEnd)), size-end)
		c.changes = append(c.changes, change{at: end, size: head, content: []byte(toTheEnd)}, change{at: end + head, size: size - end - head})
	case err != nil:
		return nil, err
	case !found:
		return nil, ErrFormat
	}
	slices.SortFunc(c.changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	return c, nil
}

// A change is what stands in the place of a part of a file.
type change struct {
	at, size int64
	content  []byte // zeros if it is nil
}

// cleaned is a file with changes, which are in order.
type cleaned struct {
	file     io.ReaderAt
	at, size int64
	changes  []change
}

func (c *cleaned) Read(b []byte) (int, error) {
	b = b[:min(int64(len(b)), c.size-c.at)]
	if len(b) == 0 && c.at == c.size {
		return 0, io.EOF
	}
	n, err := c.file.ReadAt(b, c.at)
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	if n == 0 && err == nil && len(b) > 0 {
		err = io.ErrUnexpectedEOF // it has become shorter
	}
	end := c.at + int64(n)
	for i := range c.changes {
		d := &c.changes[i]
		from, to := max(d.at, c.at), min(d.at+d.size, end)
		switch {
		case from >= to:
		case d.content == nil:
			clear(b[from-c.at : to-c.at])
		default:
			copy(b[from-c.at:to-c.at], d.content[from-d.at:])
		}
		if d.at >= end {
			break
		}
	}
	c.at = end
	for len(c.changes) > 0 && c.changes[0].at+c.changes[0].size <= c.at {
		c.changes = c.changes[1:]
	}
	return n, err
}

// cleanMovie cleans the index of a file in place.
func (c *cleaned) cleanMovie(movie []byte) {
	for name, box := range mp4.Boxes(movie) {
		switch name {
		case "mvhd":
			forgetTimes(box.Content())
		case "trak":
			c.cleanTrack(box)
		case "mvex", "iods": // how the rest is to be played
		default:
			box.Free()
		}
	}
}

func (c *cleaned) cleanTrack(track mp4.Box) {
	media, _ := mp4.Find(track.Content(), "mdia")
	handler, _ := mp4.Find(media, "hdlr")
	if len(handler) < 12 {
		handler = make([]byte, 12)
	}
	switch string(handler[8:12]) {
	case "vide", "soun", "text", "sbtl", "subt", "clcp":
	default:
		info, _ := mp4.Find(media, "minf")
		table, _ := mp4.Find(info, "stbl")
		c.changes = append(c.changes, chunks(table, c.size)...)
		track.Free()
		return
	}
	for name, box := range mp4.Boxes(track.Content()) {
		switch name {
		case "tkhd":
			forgetTimes(box.Content())
		case "mdia", "edts", "tref", "trgr", "tapt", "clip":
		default:
			box.Free()
		}
	}
	for name, box := range mp4.Boxes(media) {
		switch name {
		case "mdhd":
			forgetTimes(box.Content())
		case "hdlr", "minf", "elng":
		default:
			box.Free()
		}
	}
}

// forgetTimes clears when a movie, a track or its media was made and changed: of 4 or, in version 1, 8 bytes each.
func forgetTimes(head []byte) {
	const version = 4 // with flags
	n := 4
	if len(head) > 0 && head[0] == 1 {
		n = 8
	}
	if len(head) >= version+2*n {
		clear(head[version : version+2*n])
	}
}

// chunks returns where in a file of the given size the samples of a track are (ISO/IEC 14496-12 §8.7).
func chunks(table []byte, size int64) (list []change) {
	const sizesHead, offsetsHead, runsHead, run = 12, 8, 8, 12
	sizes, _ := mp4.Find(table, "stsz")
	runs, _ := mp4.Find(table, "stsc")
	offsets, width := []byte(nil), 4
	if box, ok := mp4.Find(table, "stco"); ok {
		offsets = box
	} else if box, ok := mp4.Find(table, "co64"); ok {
		offsets, width = box, 8
	}
	if len(sizes) < sizesHead || len(runs) < runsHead+run || len(offsets) < offsetsHead {
		return nil
	}
	all := int64(binary.BigEndian.Uint32(sizes[4:])) // the size of all samples, 0 if each has its own
	sizes, runs, offsets = sizes[sizesHead:], runs[runsHead:], offsets[offsetsHead:]
	for n := uint32(1); len(offsets) >= width; n++ {
		at := uint64(binary.BigEndian.Uint32(offsets))
		if width == 8 {
			at = binary.BigEndian.Uint64(offsets)
		}
		offsets = offsets[width:]
		for len(runs) >= 2*run && binary.BigEndian.Uint32(runs[run:]) <= n {
			runs = runs[run:]
		}
		samples, length := int64(binary.BigEndian.Uint32(runs[4:])), int64(0)
		if all > 0 {
			length = min(all*samples, math.MaxInt64/2)
		}
		for ; all == 0 && samples > 0 && len(sizes) >= 4; samples-- {
			length += int64(binary.BigEndian.Uint32(sizes))
			sizes = sizes[4:]
		}
		if at < uint64(size) && length > 0 {
			list = append(list, change{at: int64(at), size: min(length, size-int64(at))})
		}
	}
	return list
}
