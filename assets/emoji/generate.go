//go:build ignore

// Generate makes table.tsv and pictures.bin from the data of emojibase (MIT) and the font Noto Color Emoji (SIL Open Font License):
//
//	npm pack emojibase-data            # en/data.json
//	apt-get download fonts-noto-color-emoji
//	go run generate.go data.json NotoColorEmoji.ttf
package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/draw"
	"golang.org/x/image/math/fixed"
)

// Keep these in step with emoji.go.
const (
	side  = 64 // pixels of a picture
	block = 32 // pictures that are compressed together
)

const colors = 64 // of one picture

type entry struct {
	Emoji string   `json:"emoji"`
	Label string   `json:"label"`
	Group *int     `json:"group"`
	Order int      `json:"order"`
	Tags  []string `json:"tags"`
	Skins []entry  `json:"skins"`
}

func main() {
	log.SetFlags(0)
	data, err := os.ReadFile(os.Args[1])
	check(err)
	var entries []entry
	check(json.Unmarshal(data, &entries))
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.Order, b.Order) })
	file, err := os.ReadFile(os.Args[2])
	check(err)
	face, err := font.ParseTTF(bytes.NewReader(file))
	check(err)

	var table strings.Builder
	pictures := map[string]image.Image{}
	for _, e := range entries {
		if e.Group == nil || *e.Group == 2 { // 2 are the skin tones by themselves
			continue
		}
		img := picture(face, e.Emoji)
		if img == nil {
			continue // newer than the font
		}
		pictures[bare(e.Emoji)] = img
		for _, s := range e.Skins {
			if img := picture(face, s.Emoji); img != nil {
				pictures[bare(s.Emoji)] = img
			}
		}
		fmt.Fprintf(&table, "%d\t%s\t%s\t%s\n", *e.Group, e.Emoji, e.Label, strings.Join(e.Tags, " "))
	}
	check(os.WriteFile("table.tsv", []byte(table.String()), 0o644))
	check(os.WriteFile("pictures.bin", pack(pictures), 0o644))
	fmt.Println(len(pictures), "pictures")
}

// bare is the key of a picture: the emoji without its variation selectors.
func bare(s string) string { return strings.ReplaceAll(s, "\ufe0f", "") }

// picture draws one emoji, or nil if the font has none for it.
func picture(face *font.Face, s string) image.Image {
	runes := []rune(s)
	out := (&shaping.HarfbuzzShaper{}).Shape(shaping.Input{Text: runes, RunEnd: len(runes), Direction: di.DirectionLTR, Face: face,
		Size: fixed.I(64), Script: language.Common, Language: "en"})
	var glyphs []font.GID
	for _, g := range out.Glyphs {
		if g.Advance > 0 {
			glyphs = append(glyphs, g.GlyphID)
		}
	}
	if len(glyphs) != 1 || glyphs[0] == 0 {
		return nil
	}
	bitmap, ok := face.GlyphData(glyphs[0]).(font.GlyphBitmap)
	if !ok || bitmap.Format != font.PNG {
		return nil
	}
	img, err := png.Decode(bytes.NewReader(bitmap.Data))
	check(err)
	// The bitmaps are a little wider than high; what is left and right is nearly always empty.
	b := img.Bounds()
	small := image.NewRGBA(image.Rect(0, 0, side, side))
	w, h := side, side*b.Dy()/b.Dx()
	at := image.Rect(0, (side-h)/2, w, (side-h)/2+h)
	draw.CatmullRom.Scale(small, at, img, b, draw.Src, nil)
	return small
}

// pack quantizes and compresses the pictures. The format is described in emoji.go.
func pack(pictures map[string]image.Image) []byte {
	keys := make([]string, 0, len(pictures))
	for k := range pictures {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	check(err)
	var blocks [][]byte
	for part := range slices.Chunk(keys, block) {
		var raw []byte
		for _, k := range part {
			raw = append(raw, encode(quantize(pictures[k]))...)
		}
		blocks = append(blocks, enc.EncodeAll(raw, nil))
	}
	index := enc.EncodeAll([]byte(strings.Join(keys, "\n")), nil)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(index)))
	out = append(out, index...)
	for _, b := range blocks {
		out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
	}
	return append(out, bytes.Join(blocks, nil)...)
}

// encode writes the palette, always of the same size, and one byte for each pixel.
func encode(img *image.Paletted) []byte {
	out := make([]byte, 4*colors, 4*colors+side*side)
	for i, c := range img.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		copy(out[4*i:], []byte{n.R, n.G, n.B, n.A})
	}
	return append(out, img.Pix...)
}

// quantize reduces the colours by median cut over all four channels.
func quantize(img image.Image) *image.Paletted {
	var points [][4]uint8
	for y := range side {
		for x := range side {
			n := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			if n.A < 8 {
				n = color.NRGBA{}
			}
			points = append(points, [4]uint8{n.R, n.G, n.B, n.A})
		}
	}
	boxes := [][][4]uint8{slices.Clone(points)}
	for len(boxes) < colors {
		best, channel, widest := -1, 0, 0
		for i, b := range boxes {
			for c := range 4 {
				lo, hi := uint8(255), uint8(0)
				for _, p := range b {
					lo, hi = min(lo, p[c]), max(hi, p[c])
				}
				if w := int(hi-lo) * min(len(b), 64); w > widest && len(b) > 1 {
					best, channel, widest = i, c, w
				}
			}
		}
		if best < 0 {
			break
		}
		b := boxes[best]
		slices.SortFunc(b, func(p, q [4]uint8) int { return cmp.Compare(p[channel], q[channel]) })
		cut := len(b) / 2
		for cut < len(b)-1 && b[cut][channel] == b[cut-1][channel] {
			cut++
		}
		boxes[best] = b[:cut]
		boxes = append(boxes, b[cut:])
	}
	palette := make(color.Palette, 0, colors)
	for _, b := range boxes {
		var sum [4]int
		for _, p := range b {
			for c := range 4 {
				sum[c] += int(p[c])
			}
		}
		n := len(b)
		palette = append(palette, color.NRGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), uint8(sum[3] / n)})
	}
	slices.SortFunc(palette, func(a, b color.Color) int {
		p, q := a.(color.NRGBA), b.(color.NRGBA)
		return cmp.Or(cmp.Compare(p.A, q.A), cmp.Compare(int(p.R)+int(p.G)+int(p.B), int(q.R)+int(q.G)+int(q.B)))
	})
	out := image.NewPaletted(image.Rect(0, 0, side, side), palette)
	for i, p := range points {
		best, least := 0, 1<<30
		for k, c := range palette {
			n := c.(color.NRGBA)
			d := 0
			for ch, v := range [4]uint8{n.R, n.G, n.B, n.A} {
				e := int(v) - int(p[ch])
				d += e * e
			}
			if p[3] == 0 { // the colour of nothing does not matter
				d = int(n.A)
			}
			if d < least {
				best, least = k, d
			}
		}
		out.Pix[i] = uint8(best)
	}
	return out
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
