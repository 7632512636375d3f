package video

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/sotto-chat/sotto/core/mp4"
)

// Clean returns the file of the given size without what tells where, when and with what the video was taken: its metadata, the
// times of its tracks, the names of what made them, and what belongs to no track of sound or pictures. Positions are found in tracks of
// their own, in subtitles, and between the samples of others. Nothing moves, so the size stays: what is taken out becomes zeros.
//
// What is in the pictures and the sound themselves stays, as the names of programs that some encoders put there, and so does the kind of
// file, which is that of one maker now and then. Of a file that is made of fragments, what is in these stays but for what the index
// tells of the tracks that are taken out. The error is ErrFormat, or that of reading.
func Clean(r io.ReaderAt, size int64) (io.Reader, error) {
	c := &cleaned{file: r, size: size}
	var movie *layout
	var media []change // where the samples are
	end := int64(0)    // of the last box
	err := walk(r, size, func(b topBox) error {
		switch name := b.name; {
		case name == "moov" && movie == nil:
			content, err := b.read(r)
			if err != nil {
				return err
			}
			movie = cleanMovie(content, size)
			c.changes = append(c.changes, change{at: b.at + b.head, size: int64(len(content)), content: content})
		case name == "mdat":
			if len(media) <= maxBoxes {
				media = append(media, change{at: b.at + b.head, size: b.size - b.head})
			}
		case name == "ftyp", name == "styp", name == "moof", name == "mfra", name == "sidx", name == "ssix":
		case len(c.changes) > 2*maxBoxes:
			return ErrFormat
		default:
			c.changes = append(c.changes, change{at: b.at + 4, size: 4, content: []byte("free")}, change{at: b.at + b.head, size: b.size - b.head})
		}
		end = b.at + b.size
		return nil
	})
	switch {
	case errors.Is(err, ErrFormat) && movie != nil && media != nil: // some cameras write something of their own behind the boxes
		const toTheEnd = "\x00\x00\x00\x00free"
		head := min(int64(len(toTheEnd)), size-end)
		c.changes = append(c.changes, change{at: end, size: head, content: []byte(toTheEnd)}, change{at: end + head, size: size - end - head})
	case err != nil:
		return nil, err
	case movie == nil:
		return nil, ErrFormat
	}
	c.changes = append(c.changes, movie.removed(media)...)
	slices.SortFunc(c.changes, byPlace)
	return c, nil
}

// A change is what stands in the place of a part of a file.
type change struct {
	at, size int64
	content  []byte // zeros if it is nil
}

func byPlace(a, b change) int { return cmp.Compare(a.at, b.at) }

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

// layout is what the index of a file tells of where samples are.
type layout struct {
	kept, dropped []change // of the tracks that stay and of those that don't
	partial       bool     // it does not tell where all are that stay
}

// cleanMovie cleans the index of a file of the given size in place.
func cleanMovie(movie []byte, size int64) *layout {
	l := new(layout)
	for name, box := range mp4.Boxes(movie) {
		switch name {
		case "mvhd":
			forgetTimes(box.Content())
		case "trak":
			l.cleanTrack(box, size)
		case "mvex": // the rest is in fragments
			l.partial = true
		case "iods": // how it is to be played
		default:
			box.Free()
		}
	}
	return l
}

func (l *layout) cleanTrack(track mp4.Box, size int64) {
	media, _ := mp4.Find(track.Content(), "mdia")
	handler, _ := mp4.Find(media, "hdlr")
	info, _ := mp4.Find(media, "minf")
	table, _ := mp4.Find(info, "stbl")
	samples, equal := chunks(table, size)
	if len(handler) < 12 || string(handler[8:12]) != "vide" && string(handler[8:12]) != "soun" {
		l.dropped = append(l.dropped, samples...)
		track.Free()
		return
	}
	l.kept = append(l.kept, samples...)
	// Samples of old kinds of sound are told to have one byte when they have several.
	_, more := mp4.Find(table, "saio") // with places of something else that belongs to them
	l.partial = l.partial || len(samples) == 0 || equal || more
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
		case "hdlr":
			forgetHandler(box.Content())
		case "minf", "elng":
		default:
			box.Free()
		}
	}
	if second, ok := mp4.Find(info, "hdlr"); ok { // in QuickTime files
		forgetHandler(second)
	}
	if descriptions, ok := mp4.Find(table, "stsd"); ok {
		forgetEncoder(descriptions, string(handler[8:12]) == "vide")
	}
}

// removed returns what is taken out of the places where samples are: all between those that stay or, if it is not known where all of
// these are, those of the tracks that don't.
func (l *layout) removed(media []change) (list []change) {
	if l.partial || len(l.kept) == 0 || len(media) > maxBoxes {
		return l.dropped
	}
	slices.SortFunc(l.kept, byPlace)
	at, kept := int64(0), l.kept
	for _, m := range media {
		at = max(at, m.at)
		end := m.at + m.size
		for ; len(kept) > 0 && kept[0].at < end; kept = kept[1:] {
			if kept[0].at > at {
				list = append(list, change{at: at, size: kept[0].at - at})
			}
			at = max(at, kept[0].at+kept[0].size)
		}
		if at < end {
			list = append(list, change{at: at, size: end - at})
		}
	}
	return list
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

// forgetHandler clears what follows the kind of a track: who made it, and its name ("Handler Reference Atoms" of the QuickTime File
// Format Specification; ISO/IEC 14496-12 §8.4.3 has zeros and a name there).
func forgetHandler(handler []byte) {
	const kind = 12 // its end
	clear(handler[min(kind, len(handler)):])
}

// forgetEncoder clears who made the sound or the pictures of a track, and with what ("Sample Description Atoms" of the QuickTime File
// Format Specification; ISO/IEC 14496-12 §12.1.3 and §12.2.3 have zeros there but for the name).
func forgetEncoder(descriptions []byte, pictures bool) {
	const (
		head                = 8 // before the descriptions
		revision, vendor    = 10, 16
		encoder, encoderEnd = 42, 74
	)
	for _, box := range mp4.Boxes(descriptions[min(head, len(descriptions)):]) {
		entry := box.Content()
		if len(entry) < vendor {
			continue
		}
		clear(entry[revision:vendor])
		if pictures && len(entry) >= encoderEnd {
			clear(entry[encoder:encoderEnd])
		}
	}
}

// chunks returns where in a file of the given size the samples of a track are (ISO/IEC 14496-12 §8.7), and whether they are said to be of
// equal size.
func chunks(table []byte, size int64) (list []change, equal bool) {
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
		return nil, false
	}
	all := uint64(binary.BigEndian.Uint32(sizes[4:])) // the size of all samples, 0 if each has its own
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
		samples := uint64(binary.BigEndian.Uint32(runs[4:]))
		length := all * samples
		for ; all == 0 && samples > 0 && len(sizes) >= 4; samples-- {
			length += uint64(binary.BigEndian.Uint32(sizes))
			sizes = sizes[4:]
		}
		if at < uint64(size) && length > 0 {
			list = append(list, change{at: int64(at), size: int64(min(length, uint64(size)-at))})
		}
	}
	return list, all > 0
}
