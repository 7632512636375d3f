// Package emoji knows the emoji: their names, groups and pictures, so that they look the same on every computer and none is
// missing where the system has no font for them.
//
// All lists them for choosing from, Search finds some by words of a language, Next finds those in a text, and Draw draws one.
//
// The names come from emojibase-data (MIT, see LICENSE.emojibase), the Arabic ones from the Unicode CLDR (see LICENSE.unicode), packed by
// generate_names.go. The pictures, 64 pixels wide and reduced to 64 colours each, come
// from Noto Color Emoji, version 2.042 with all of Unicode 15.1 (SIL Open Font License, see ../fonts/OFL.txt). The English
// names and the pictures are made by generate.go.
package emoji

import (
	_ "embed"
	"encoding/binary"
	"image"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/draw"
)

// pictures is the length of the index in four bytes, the index, for each block its length in four bytes, and the blocks. The index
// is the sorted list of emoji without variation selectors, one a line, and every block has the pictures of 32 of them: a palette of
// 64 colours with opacity and a byte for each pixel. The index and the blocks are compressed with Zstandard.
//
//go:embed pictures.bin
var pictures []byte

const (
	side    = 64
	block   = 32
	colors  = 64
	perItem = 4*colors + side*side
)

// library is what is unpacked of the pictures.
type library struct {
	index  map[string]int
	blocks [][]byte // compressed

	mu     sync.Mutex
	dec    *zstd.Decoder
	whole  map[int]*image.NRGBA // by number
	scaled map[scaledKey]*image.NRGBA
}

type scaledKey struct {
	number, side int
}

// Limits on what is kept unpacked: about 8 MB each.
const (
	maxWhole  = 512
	maxPixels = 2 << 20
)

var open = sync.OnceValue(func() *library {
	l := &library{index: make(map[string]int), whole: make(map[int]*image.NRGBA), scaled: make(map[scaledKey]*image.NRGBA)}
	// The decoder starts no goroutines with a concurrency of one.
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20))
	if err != nil || len(pictures) < 4 {
		return l
	}
	l.dec = dec
	rest := pictures
	take := func() []byte {
		n := min(int(binary.BigEndian.Uint32(rest)), len(rest)-4)
		part := rest[4 : 4+n]
		rest = rest[4+n:]
		return part
	}
	index, err := dec.DecodeAll(take(), nil)
	if err != nil {
		return l
	}
	keys := strings.Split(string(index), "\n")
	for i, k := range keys {
		l.index[k] = i
	}
	lengths := rest
	rest = rest[4*((len(keys)+block-1)/block):]
	for ; len(rest) > 0 && len(lengths) >= 4; lengths = lengths[4:] {
		n := min(int(binary.BigEndian.Uint32(lengths)), len(rest))
		l.blocks = append(l.blocks, rest[:n])
		rest = rest[n:]
	}
	return l
})

// unpack returns the picture with a number.
func (l *library) unpack(number int) *image.NRGBA {
	if img, ok := l.whole[number]; ok {
		return img
	}
	b := number / block
	if b >= len(l.blocks) {
		return nil
	}
	raw, err := l.dec.DecodeAll(l.blocks[b], nil)
	if err != nil {
		return nil
	}
	if len(l.whole) >= maxWhole {
		clear(l.whole)
	}
	for i := 0; (i+1)*perItem <= len(raw); i++ {
		item := raw[i*perItem:]
		img := image.NewNRGBA(image.Rect(0, 0, side, side))
		for p, v := range item[4*colors : perItem] {
			copy(img.Pix[4*p:], item[4*int(v%colors):4*int(v%colors)+4])
		}
		l.whole[b*block+i] = img
	}
	return l.whole[number]
}

// Draw draws an emoji on a square of the given side in pixels. The result is shared and must not be changed; it is nil for what
// is no emoji.
func Draw(s string, pixels int) image.Image {
	l := open()
	number, ok := l.index[key(s)]
	if !ok || pixels < 1 || pixels > 1024 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := scaledKey{number, pixels}
	img, ok := l.scaled[k]
	if !ok {
		whole := l.unpack(number)
		if whole == nil {
			return nil
		}
		img = image.NewNRGBA(image.Rect(0, 0, pixels, pixels))
		draw.CatmullRom.Scale(img, img.Bounds(), whole, whole.Bounds(), draw.Src, nil)
		if (len(l.scaled)+1)*pixels*pixels > maxPixels {
			clear(l.scaled)
		}
		l.scaled[k] = img
	}
	return img
}

// Is reports whether one character, as a reader sees it, is an emoji. Signs that are also used in plain text, such as © and ↔, are
// emoji only with the variation selector that says so.
func Is(s string) bool {
	first, n := utf8.DecodeRuneInString(s)
	if !mayStart(first) || strings.Contains(s, "\ufe0e") {
		return false
	}
	if (first < 0x2600 && !early(first) || first == 0x3030 || first == 0x303d || first == 0x3297 || first == 0x3299 || first == 0x2934 || first == 0x2935) &&
		!strings.ContainsAny(s[n:], "\ufe0f\u20e3") {
		return false
	}
	_, ok := open().index[key(s)]
	return ok
}

// early tells the emoji before U+2600 that are no signs of plain text.
func early(r rune) bool {
	return r == 0x231a || r == 0x231b || r >= 0x23e9 && r <= 0x23fa
}

// mayStart is a quick look at whether an emoji can begin with r.
func mayStart(r rune) bool {
	switch {
	case r >= 0x1f000:
		return r <= 0x1faff
	case r >= 0x203c:
		return r <= 0x3299
	default:
		return r == '#' || r == '*' || r >= '0' && r <= '9' || r == 0xa9 || r == 0xae
	}
}

// Next returns where the first run of emoji in a text begins and ends, or len(s) twice.
func Next(s string) (start, end int) {
	if !mayHave(s) {
		return len(s), len(s)
	}
	start = -1
	g := graphemes.FromString(s)
	for pos := 0; g.Next(); {
		is := Is(g.Value())
		if is && start < 0 {
			start = pos
		} else if !is && start >= 0 {
			return start, pos
		}
		pos += len(g.Value())
	}
	if start < 0 {
		return len(s), len(s)
	}
	return start, len(s)
}

// mayHave is a quick look at whether there can be emoji in a text.
func mayHave(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0xf0: // U+10000 and above
			return true
		case 0xe2, 0xe3, 0xef: // the signs from U+2000 to U+3FFF, and the variation selectors
			return true
		}
	}
	return false
}

// key is what the index knows an emoji by: without variation selectors.
func key(s string) string {
	if strings.Contains(s, "\ufe0f") {
		s = strings.ReplaceAll(s, "\ufe0f", "")
	}
	return s
}
