package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"time"

	"golang.org/x/image/webp"
)

// Sizes in a WebP file, in bytes (RFC 9649 §2).
const (
	riffHead  = 12 // "RIFF", the size of the rest, "WEBP"
	chunkHead = 8  // four letters, the size of the content
	canvasLen = 10 // the content of VP8X
	loopLen   = 6  // the content of ANIM
	frameLen  = 16 // the content of ANMF before the chunks of the picture
)

// Flags in VP8X and ANMF.
const (
	flagMotion = 1 << 1
	flagExif   = 1 << 3
	flagAlpha  = 1 << 4

	flagClear   = 1 << 0
	flagReplace = 1 << 1
)

// webpFile is a WebP file that was taken apart.
type webpFile struct {
	size   image.Point
	alpha  bool // it may have transparent parts
	motion bool
	loop   [loopLen]byte // a colour, and how often an animation is repeated
	frames []webpFrame   // of a picture that does not move one
	broken bool          // something follows that is no frame
}

// webpFrame is one picture in a WebP file.
type webpFrame struct {
	box     image.Rectangle // where it lies
	delay   time.Duration
	replace bool // what was there before does not shine through
	clear   bool // its place is empty before the next one
	// The contents of its chunks: alpha is nil without an ALPH, and kind is "VP8 " or "VP8L".
	kind        string
	alpha, bits []byte
}

// chunks calls f for every chunk in a part of a RIFF file, until it returns false. whole tells whether the last one ended where it
// should.
func chunks(data []byte, f func(name string, content []byte) bool) (whole bool) {
	for len(data) > 0 {
		if len(data) < chunkHead {
			return false
		}
		n := uint64(binary.LittleEndian.Uint32(data[4:]))
		if n > uint64(len(data)-chunkHead) {
			return false
		}
		if !f(string(data[:4]), data[chunkHead:chunkHead+n]) {
			return true
		}
		data = data[min(chunkHead+n+n%2, uint64(len(data))):]
	}
	return true
}

// uint24 reads 24 bits.
func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func putUint24(b []byte, n int) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }

// picture takes over the chunks of a picture, of which the first of a kind counts. Others are of no interest.
func (f *webpFrame) picture(name string, content []byte) {
	switch {
	case f.bits != nil:
	case name == "ALPH" && f.alpha == nil:
		f.alpha = content
	case name == "VP8 ", name == "VP8L":
		f.kind, f.bits = name, content
	}
	if f.kind == "VP8L" {
		f.alpha = nil // it has transparent parts of its own
	}
}

// parseWebP takes a file apart, up to a number of frames. The error is ErrFormat if there is not one.
func parseWebP(data []byte, most int) (*webpFile, error) {
	if format(data) != formatWebP {
		return nil, ErrFormat
	}
	w := &webpFile{}
	said := chunkHead + uint64(binary.LittleEndian.Uint32(data[4:]))
	end := min(said, uint64(len(data)))
	if end < riffHead {
		return nil, ErrFormat
	}
	still := webpFrame{replace: true}
	whole := chunks(data[riffHead:end], func(name string, content []byte) bool {
		switch {
		case name == "VP8X" && w.size == image.Point{} && len(content) >= canvasLen:
			w.motion, w.alpha = content[0]&flagMotion != 0, content[0]&flagAlpha != 0
			w.size = image.Pt(uint24(content[4:])+1, uint24(content[7:])+1)
		case name == "ANIM" && w.motion && len(w.frames) == 0 && len(content) >= loopLen:
			copy(w.loop[:], content)
		case name == "ANMF" && w.motion:
			f, ok := parseFrame(content, w.size)
			if !ok {
				w.broken = true
				return false
			}
			w.frames = append(w.frames, f)
			return len(w.frames) < most
		case !w.motion:
			still.picture(name, content)
			return still.bits == nil
		}
		return true
	})
	w.broken = w.broken || !whole || end < said
	if !w.motion && still.bits != nil {
		if w.size == (image.Point{}) { // a file without VP8X: the picture alone says how large it is
			config, err := webp.DecodeConfig(bytes.NewReader(data))
			if err != nil {
				return nil, err
			}
			w.size = image.Pt(config.Width, config.Height)
		}
		still.box = image.Rectangle{Max: w.size}
		w.frames = append(w.frames, still)
	}
	if len(w.frames) == 0 {
		return nil, ErrFormat
	}
	return w, nil
}

// parseFrame reads the content of ANMF. It has to lie on the canvas.
func parseFrame(content []byte, canvas image.Point) (f webpFrame, ok bool) {
	if len(content) < frameLen {
		return f, false
	}
	at := image.Pt(2*uint24(content), 2*uint24(content[3:]))
	f.box = image.Rectangle{Min: at, Max: at.Add(image.Pt(uint24(content[6:])+1, uint24(content[9:])+1))}
	f.delay = time.Duration(uint24(content[12:])) * time.Millisecond
	f.replace, f.clear = content[15]&flagReplace != 0, content[15]&flagClear != 0
	whole := chunks(content[frameLen:], func(name string, content []byte) bool {
		f.picture(name, content)
		return f.bits == nil
	})
	return f, whole && f.bits != nil && f.box.In(image.Rectangle{Max: canvas})
}

// appendChunk appends a chunk.
func appendChunk(out []byte, name string, content ...[]byte) []byte {
	n := 0
	for _, c := range content {
		n += len(c)
	}
	out = binary.LittleEndian.AppendUint32(append(out, name...), uint32(n))
	for _, c := range content {
		out = append(out, c...)
	}
	if n%2 == 1 {
		out = append(out, 0)
	}
	return out
}

// riff makes a WebP file of a canvas and more chunks.
func riff(size image.Point, flags byte, rest []byte) []byte {
	canvas := make([]byte, canvasLen)
	canvas[0] = flags
	putUint24(canvas[4:], size.X-1)
	putUint24(canvas[7:], size.Y-1)
	return appendChunk(nil, "RIFF", []byte("WEBP"), appendChunk(nil, "VP8X", canvas), rest)
}

// content returns the chunks of a picture.
func (f *webpFrame) content() (out []byte) {
	if f.alpha != nil {
		out = appendChunk(out, "ALPH", f.alpha)
	}
	return appendChunk(out, f.kind, f.bits)
}

// decode returns the picture, with its upper left corner at 0, 0. The decoder gets a file with this frame alone, and so refuses a picture that
// has not the size of the frame.
func (f *webpFrame) decode() (image.Image, error) {
	var flags byte
	if f.alpha != nil {
		flags = flagAlpha
	}
	img, err := webp.Decode(bytes.NewReader(riff(f.box.Size(), flags, f.content())))
	if err != nil {
		return nil, err
	}
	if img.Bounds().Size() != f.box.Size() {
		return nil, ErrFormat
	}
	return narrow(img), nil
}

// narrow returns the colours of a picture in a VP8 chunk: those are in the range of television (RFC 6386 §9.2, ITU-R BT.601), which
// the decoder hands over as if they were those of a JPEG file, and white would be grey.
func narrow(img image.Image) image.Image {
	var in *image.YCbCr
	var alpha *image.NYCbCrA
	switch img := img.(type) {
	case *image.YCbCr:
		in = img
	case *image.NYCbCrA:
		in, alpha = &img.YCbCr, img
	default:
		return img
	}
	b := in.Bounds()
	pix, stride := make([]uint8, 4*b.Dx()*b.Dy()), 4*b.Dx()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		out := pix[(y-b.Min.Y)*stride:][:stride]
		for x := b.Min.X; x < b.Max.X; x++ {
			c := in.COffset(x, y)
			luma, blue, red := 76309*(int(in.Y[in.YOffset(x, y)])-16), int(in.Cb[c])-128, int(in.Cr[c])-128 // 65536 · 255/219
			out[0] = clamp(luma + 104597*red)
			out[1] = clamp(luma - 25675*blue - 53279*red)
			out[2] = clamp(luma + 132201*blue)
			out[3] = 0xff
			if alpha != nil {
				out[3] = alpha.A[alpha.AOffset(x, y)]
			}
			out = out[4:]
		}
	}
	size := image.Rect(0, 0, b.Dx(), b.Dy())
	if alpha != nil {
		return &image.NRGBA{Pix: pix, Stride: stride, Rect: size}
	}
	return &image.RGBA{Pix: pix, Stride: stride, Rect: size}
}

// clamp rounds to 8 bits what has 16 behind the point.
func clamp(v int) uint8 { return uint8(max(0, min((v+1<<15)>>16, 0xff))) }

// firstWebP returns the first picture of a WebP file on its whole canvas.
func firstWebP(data []byte) (image.Image, error) {
	w, err := parseWebP(data, 1)
	if err != nil {
		return nil, err
	}
	img, err := w.frames[0].decode()
	if err != nil || w.frames[0].box.Size() == w.size {
		return img, err
	}
	stage := image.NewRGBA(image.Rectangle{Max: w.size})
	draw.Draw(stage, w.frames[0].box, img, image.Point{}, draw.Src)
	return stage, nil
}

// play returns the frames of an animation as they are seen, turned and no larger than the given number of pixels, up to one
// that can't be decoded.
func (w *webpFile) play(orientation, side int) (frames []Frame, err error) {
	stage := image.NewRGBA(image.Rectangle{Max: w.size})
	width, height := fitted(w.size.X, w.size.Y, side)
	for i := range w.frames {
		f := &w.frames[i]
		img, err := f.decode()
		if err != nil && i == 0 {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		} else if err != nil {
			break
		}
		op := draw.Over
		if f.replace {
			op = draw.Src
		}
		draw.Draw(stage, f.box, img, image.Point{}, op)
		frames = append(frames, Frame{Image: upright(scale(stage, stage.Bounds(), width, height), orientation), Delay: seenDelay(f.delay)})
		if f.clear {
			draw.Draw(stage, f.box, image.Transparent, image.Point{}, draw.Src)
		}
	}
	return frames, nil
}

// clean returns the file of an animation with nothing but what is seen: each frame with its place and its time, and how often they are
// repeated. The compressed pixels stay as they are. orientation is how they are to be turned.
func (w *webpFile) clean(orientation int) []byte {
	flags := byte(flagMotion)
	if w.alpha {
		flags |= flagAlpha
	}
	rest := appendChunk(nil, "ANIM", w.loop[:])
	for i := range w.frames {
		f := &w.frames[i]
		head := make([]byte, frameLen)
		putUint24(head, f.box.Min.X/2)
		putUint24(head[3:], f.box.Min.Y/2)
		putUint24(head[6:], f.box.Dx()-1)
		putUint24(head[9:], f.box.Dy()-1)
		putUint24(head[12:], int(f.delay/time.Millisecond))
		if f.replace {
			head[15] |= flagReplace
		}
		if f.clear {
			head[15] |= flagClear
		}
		rest = appendChunk(rest, "ANMF", head, f.content())
	}
	if orientation > 1 {
		flags |= flagExif
		rest = appendChunk(rest, "EXIF", turned(orientation))
	}
	return riff(w.size, flags, rest)
}
