package voice

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/tphakala/go-aac/pcm"
)

// HE-AAC is AAC-LC at half the rate, the core, with hints about the higher tones in elements that a decoder of AAC-LC is to pass over
// (ISO/IEC 14496-3 §4.6.18). The decoder refuses the hints instead, and what announces them, so they are made what it passes over:
// a voice is as well understood without.

// Types of objects (ISO/IEC 14496-3 §1.5.1.1).
const (
	objectLC  = 2
	objectSBR = 5
	objectPS  = 29
)

// coreConfig returns the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) of the core, without what announces hints. One that is not
// understood is returned as it is.
func coreConfig(config []byte) []byte {
	r := bitReader{data: config}
	rate := func() []field {
		const escape = 15
		index := r.read(4)
		if index != escape {
			return []field{{index, 4}}
		}
		return []field{{escape, 4}, {r.read(24), 24}}
	}
	object := r.read(5)
	fields := append([]field{{objectLC, 5}}, rate()...)
	fields = append(fields, field{r.read(4), 4}) // channels
	if object == objectSBR || object == objectPS {
		rate() // with the hints
		object = r.read(5)
	}
	// Long frames that depend on nothing, with no extension.
	if object != objectLC || r.read(3) != 0 || r.at > 8*len(config) {
		return config
	}
	var b bitWriter
	for _, f := range append(fields, field{0, 3}) {
		b.write(f)
	}
	return b.data
}

// coreFrame returns a frame without hints: the extension that holds them is given the type of one that only fills. Where it
// begins is known to who decodes all that comes before; it is found here as what fits up to the end of the frame and makes the
// decoder take the frame. A frame that it takes already is returned as it is. ok tells that it takes what is returned.
func coreFrame(config, frame []byte) (core []byte, ok bool) {
	const (
		longest = 512 // bytes with hints and what fills: an element has up to 269
		tries   = 16  // of a place in a frame: one of a thousand looks right by chance
	)
	if accepted(config, frame) {
		return frame, true
	}
	n := 0
	for at := max(0, 8*(len(frame)-longest)); at < 8*len(frame) && n < tries; at++ {
		kind, found := hints(frame, at)
		if !found {
			continue
		}
		n++
		core := bytes.Clone(frame)
		for i := kind; i < kind+4; i++ {
			core[i/8] &^= 0x80 >> (i % 8)
		}
		if accepted(config, core) {
			return core, true
		}
	}
	return nil, false
}

// accepted tells whether the decoder takes a frame.
func accepted(config, frame []byte) bool {
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(frame)))
	decoder, err := pcm.NewDecoder(bytes.NewReader(append(framed, frame...)), pcm.WithRawStream(config))
	if err == nil {
		_, err = io.Copy(io.Discard, decoder)
	}
	return err == nil
}

// Elements of a frame (ISO/IEC 14496-3 §4.5.2.1) and of extensions (§4.5.2.8.1).
const (
	elementData = 4
	elementFill = 6
	elementEnd  = 7

	extensionSBR    = 13
	extensionSBRCRC = 14
)

// hints tells whether an element with hints begins at a bit of a frame, after which there is nothing but such elements up to the end,
// and at which bit the type of its extension is.
func hints(frame []byte, at int) (kind int, ok bool) {
	const most = 8 // elements after the one with hints, of which there is one in most files
	r := bitReader{data: frame, at: at}
	for i := 0; i <= most && r.at <= 8*len(frame); i++ {
		first := i == 0
		switch element := r.read(3); {
		case element == elementFill:
			n := r.read(4)
			if n == 15 {
				n += r.read(8) - 1
			}
			if first {
				kind = r.at
				if k := (&bitReader{data: frame, at: kind}).read(4); n == 0 || k != extensionSBR && k != extensionSBRCRC {
					return 0, false
				}
			}
			r.at += 8 * int(n)
		case first:
			return 0, false
		case element == elementData:
			r.read(4)
			aligned := r.read(1) != 0
			n := r.read(8)
			if n == 255 {
				n += r.read(8)
			}
			if aligned {
				r.at = (r.at + 7) / 8 * 8
			}
			r.at += 8 * int(n)
		default:
			return kind, element == elementEnd && r.at > 8*(len(frame)-1) && r.at <= 8*len(frame)
		}
	}
	return 0, false
}

// bitReader reads numbers, the highest bit first. Behind the end there are zeros.
type bitReader struct {
	data []byte
	at   int // in bits
}

func (r *bitReader) read(n int) (v uint32) {
	for ; n > 0; n, r.at = n-1, r.at+1 {
		v <<= 1
		if r.at/8 < len(r.data) {
			v |= uint32(r.data[r.at/8]>>(7-r.at%8)) & 1
		}
	}
	return v
}

// field is a number of some bits.
type field struct {
	value uint32
	bits  int
}

// bitWriter writes numbers, the highest bit first.
type bitWriter struct {
	data []byte
	at   int
}

func (w *bitWriter) write(f field) {
	for n := f.bits - 1; n >= 0; n, w.at = n-1, w.at+1 {
		if w.at%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.at/8] |= byte(f.value>>n&1) << (7 - w.at%8)
	}
}
