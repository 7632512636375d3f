package picture

import (
	"bytes"
	"encoding/binary"
	"image"
)

type formatName string

const (
	formatNone formatName = ""
	formatJPEG formatName = "jpeg"
	formatPNG  formatName = "png"
	formatGIF  formatName = "gif"
	formatWebP formatName = "webp"
)

// Format returns "jpeg", "png", "gif" or "webp" from the first bytes of a file, and "" for everything else.
func Format(data []byte) string { return string(format(data)) }

func format(data []byte) formatName {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return formatJPEG
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return formatPNG
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		return formatGIF
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return formatWebP
	default:
		return formatNone
	}
}

// segments calls f for every marker segment of a JPEG until it returns false (ITU-T T.81, annex B).
func segments(data []byte, f func(marker byte, body []byte) bool) {
	for i := 2; i+4 <= len(data); {
		if data[i] != 0xff { // between the segments: compressed data
			next := bytes.IndexByte(data[i:], 0xff)
			if next < 0 {
				return
			}
			i += next
			continue
		}
		marker := data[i+1]
		switch {
		case marker == 0xff:
			i++
			continue
		case marker == 0 || marker >= 0xd0 && marker <= 0xd8 || marker == 0x01: // no segments
			i += 2
			continue
		case marker == 0xd9: // the end
			return
		}
		n := int(binary.BigEndian.Uint16(data[i+2:]))
		if n < 2 || i+2+n > len(data) {
			return
		}
		if !f(marker, data[i+4:i+2+n]) {
			return
		}
		i += 2 + n
	}
}

// scans counts the passes of a JPEG. Each one goes over the whole picture, and a file can have thousands of them in a few bytes.
func scans(data []byte) (n int) {
	const startOfScan = 0xda
	segments(data, func(marker byte, _ []byte) bool {
		if marker == startOfScan {
			n++
		}
		return n <= maxScans
	})
	return n
}

// exif returns the TIFF structure with what a camera wrote about the picture, or nil.
func exif(data []byte) (tiff []byte) {
	switch format(data) {
	case formatJPEG:
		const app1, startOfScan = 0xe1, 0xda
		segments(data, func(marker byte, body []byte) bool {
			if marker == app1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
				tiff = body[6:]
			}
			return tiff == nil && marker != startOfScan
		})
	case formatPNG:
		for rest := data[8:]; len(rest) >= 12; {
			n := binary.BigEndian.Uint32(rest)
			if uint64(n)+12 > uint64(len(rest)) {
				break
			}
			if string(rest[4:8]) == "eXIf" {
				return rest[8 : 8+n]
			}
			rest = rest[12+n:]
		}
	case formatWebP:
		chunks(data[riffHead:], func(name string, content []byte) bool {
			if name == "EXIF" {
				tiff = bytes.TrimPrefix(content, []byte("Exif\x00\x00"))
			}
			return tiff == nil
		})
	}
	return tiff
}

// Orientation in a TIFF structure (TIFF 6.0 specification).
const (
	tagOrientation = 274
	typeShort      = 3
)

// turned makes a TIFF structure with an orientation and nothing else.
func turned(orientation int) []byte {
	const directory, entries = 8, 1
	out := append([]byte("II*\x00"), directory, 0, 0, 0, entries, 0)
	for _, v := range []uint16{tagOrientation, typeShort, 1, 0, uint16(orientation), 0, 0, 0} { // one value, and no other directory
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	return out
}

// orientation returns how the picture has to be turned, from 1 to 8 as in the TIFF 6.0 specification, tag 274.
func orientation(data []byte) int {
	t := exif(data)
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(t[:2]) {
	case "II":
		order = binary.LittleEndian
	case "MM":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(t[4:]))
	if at+2 > uint64(len(t)) {
		return 1
	}
	count := int(order.Uint16(t[at:]))
	for e := t[at+2:]; count > 0 && len(e) >= 12; count, e = count-1, e[12:] {
		if order.Uint16(e) == tagOrientation && order.Uint16(e[2:]) == typeShort {
			if v := int(order.Uint16(e[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// upright turns a picture.
func upright(img image.Image, orientation int) image.Image {
	if orientation <= 1 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewNRGBA(size)
	for y := range h {
		for x := range w {
			var u, v int
			switch orientation {
			case 2:
				u, v = w-1-x, y
			case 3:
				u, v = w-1-x, h-1-y
			case 4:
				u, v = x, h-1-y
			case 5:
				u, v = y, x
			case 6:
				u, v = h-1-y, x
			case 7:
				u, v = h-1-y, w-1-x
			default:
				u, v = y, w-1-x
			}
			out.Set(u, v, img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	return out
}

// cutGIF returns a GIF with at most n pictures, without decoding any (GIF89a specification).
func cutGIF(data []byte, n int) []byte {
	const header, descriptor = 13, 10
	if len(data) < header {
		return data
	}
	table := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	i := header + table(data[10])
	blocks := func() {
		for i < len(data) && data[i] != 0 {
			i += 1 + int(data[i])
		}
		i++
	}
	for i < len(data) {
		switch data[i] {
		case 0x21: // an extension
			i += 2
			blocks()
		case 0x2c:
			if n--; n < 0 {
				return append(bytes.Clone(data[:i]), 0x3b)
			}
			if i+descriptor > len(data) {
				return data
			}
			i += descriptor + table(data[i+9]) + 1
			blocks()
		default:
			return data
		}
	}
	return data
}
