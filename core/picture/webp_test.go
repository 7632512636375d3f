package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"os"
	"slices"
	"testing"
	"time"
)

// moving reads the animation in testdata.
func moving(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/moving.webp")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// framed makes an animation of chunks, which are written as they are.
func framed(size image.Point, rest ...[]byte) []byte {
	return riff(size, flagMotion|flagAlpha, slices.Concat(append([][]byte{appendChunk(nil, "ANIM", make([]byte, loopLen))}, rest...)...))
}

// dot is a frame of one pixel.
func dot(x, y, w, h, milliseconds int, flags byte, more ...[]byte) []byte {
	head := make([]byte, frameLen)
	putUint24(head, x/2)
	putUint24(head[3:], y/2)
	putUint24(head[6:], w-1)
	putUint24(head[9:], h-1)
	putUint24(head[12:], milliseconds)
	head[15] = flags
	content := append([][]byte{head}, more...)
	return appendChunk(nil, "ANMF", append(content, dotWebP[riffHead:])...)
}

func near(a, b uint8, by int) bool { return max(int(a)-int(b), int(b)-int(a)) <= by }

func TestAnimatedWebP(t *testing.T) {
	data := moving(t)
	strip, err := os.ReadFile("testdata/moving.png")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Decode(strip)
	if err != nil {
		t.Fatal(err)
	}
	frames, err := Animation(data, 64)
	if err != nil {
		t.Fatal(err)
	}
	first, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	delays := []time.Duration{100, 40, 100, 100, 200, 80} // too short ones are as in browsers
	if len(frames) != len(delays) {
		t.Fatalf("%d frames", len(frames))
	}
	check := func(name string, img image.Image, n int) {
		t.Helper()
		if img.Bounds().Size() != image.Pt(64, 48) {
			t.Fatalf("%s: %v", name, img.Bounds())
		}
		var far int
		for y := range 48 {
			for x := range 64 {
				a := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
				b := color.NRGBAModel.Convert(want.At(64*n+x, y)).(color.NRGBA)
				if !near(a.A, b.A, 2) {
					t.Fatalf("%s: %v at %d, %d where it is %v", name, a, x, y, b)
				}
				// Of colours, which have half the points, ours are sharper.
				if a.A > 0 && (!near(a.R, b.R, 12) || !near(a.G, b.G, 12) || !near(a.B, b.B, 12)) {
					far++
				}
			}
		}
		if far > 64*48/20 {
			t.Errorf("%s: %d points have another colour", name, far)
		}
	}
	check("the picture", first, 0)
	for i, f := range frames {
		check("a frame", f.Image, i)
		if f.Delay != delays[i]*time.Millisecond {
			t.Errorf("frame %d is shown for %v", i, f.Delay)
		}
	}
	if small, err := Animation(data, 16); err != nil || len(small) != 6 || small[5].Image.Bounds().Size() != image.Pt(16, 12) {
		t.Error(len(small), err)
	}
}

// TestColoursOfWebP decodes pictures of one colour, in VP8 chunks that are the first frame and a part of the canvas.
func TestColoursOfWebP(t *testing.T) {
	w, err := parseWebP(moving(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	still, err := Decode(riff(w.size, 0, w.frames[0].content()))
	if err != nil {
		t.Fatal(err)
	}
	// It was drawn as min(255, 40+3x), min(255, 60+4y), 180-2x.
	for _, at := range []image.Point{{4, 4}, {30, 40}, {60, 4}, {60, 44}} {
		c := color.NRGBAModel.Convert(still.At(at.X, at.Y)).(color.NRGBA)
		if !near(c.R, uint8(min(255, 40+3*at.X)), 12) || !near(c.G, uint8(min(255, 60+4*at.Y)), 12) || !near(c.B, uint8(180-2*at.X), 12) {
			t.Errorf("%v at %v", c, at)
		}
	}
	white := image.NewYCbCr(image.Rect(0, 0, 2, 1), image.YCbCrSubsampleRatio420)
	white.Y, white.Cb, white.Cr = []byte{235, 16}, []byte{128}, []byte{128}
	if img := narrow(white); img.At(0, 0) != (color.RGBA{255, 255, 255, 255}) || img.At(1, 0) != (color.RGBA{0, 0, 0, 255}) {
		t.Error(img.At(0, 0), img.At(1, 0))
	}
}

func TestCleanAnimatedWebP(t *testing.T) {
	data := moving(t)
	secrets := []string{"GPS", "secret title", "colour profile", "EXIF", "XMP ", "ICCP", "junk"}
	junk := appendChunk(nil, "junk", []byte("junk"))
	w, err := parseWebP(data, maxFrames)
	if err != nil {
		t.Fatal(err)
	}
	stuffed := framed(image.Pt(4, 4), junk, dot(0, 0, 1, 1, 5, 0, junk), junk, dot(0, 0, 1, 1, 5, 0xfc, junk), appendChunk(nil, "EXIF", []byte("GPS")), []byte{})
	for name, file := range map[string][]byte{"the file": data, "with more behind it": append(bytes.Clone(data), "junk"...), "with chunks everywhere": stuffed} {
		clean, err := CleanAnimation(file)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, s := range secrets {
			if bytes.Contains(clean, []byte(s)) {
				t.Errorf("%s: %q is still there", name, s)
			}
		}
		got, err := parseWebP(clean, maxFrames)
		if err != nil || got.broken || len(clean) > len(file) || Format(clean) != "webp" {
			t.Errorf("%s: %d bytes, %v", name, len(clean), err)
		}
		if again, err := CleanAnimation(clean); err != nil || !bytes.Equal(again, clean) {
			t.Errorf("%s: cleaned twice it is another: %v", name, err)
		}
		before, _ := Animation(file, 64)
		after, err := Animation(clean, 64)
		if err != nil || len(after) != len(before) {
			t.Fatalf("%s: %d frames for %d, %v", name, len(after), len(before), err)
		}
		for i := range after {
			if after[i].Delay != before[i].Delay || !bytes.Equal(after[i].Image.(*image.RGBA).Pix, before[i].Image.(*image.RGBA).Pix) {
				t.Errorf("%s: frame %d is another one", name, i)
			}
		}
	}
	clean, _ := CleanAnimation(data)
	if got, _ := parseWebP(clean, maxFrames); got.loop != w.loop || got.alpha != w.alpha || w.loop != [loopLen]byte{7, 8, 9, 255, 3, 0} {
		t.Errorf("it is repeated as %v", got.loop)
	}
	for name, bad := range map[string][]byte{"cut": data[:len(data)-200], "one frame": framed(image.Pt(4, 4), dot(0, 0, 1, 1, 0, 0)), "a picture": dotWebP,
		"a frame of another size": framed(image.Pt(4, 4), dot(0, 0, 1, 1, 0, 0), dot(0, 0, 2, 2, 0, 0))} {
		if _, err := CleanAnimation(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTurnedAnimation(t *testing.T) {
	exif := bytes.Index(moving(t), []byte("EXIF"))
	data := moving(t)
	at := bytes.Index(data[exif:], []byte("\x01\x12\x00\x03\x00\x00\x00\x01")) + exif + 9
	data[at] = 6
	clean, err := CleanAnimation(data)
	if err != nil || bytes.Contains(clean, []byte("GPS")) {
		t.Fatal(err)
	}
	for _, file := range [][]byte{data, clean} {
		frames, err := Animation(file, 32)
		if err != nil || len(frames) != 6 || frames[3].Image.Bounds().Size() != image.Pt(24, 32) {
			t.Errorf("%d frames, %v", len(frames), err)
		}
		if img, err := Decode(file); err != nil || img.Bounds().Size() != image.Pt(48, 64) {
			t.Error(img.Bounds(), err)
		}
		if size, err := Info(file); err != nil || size != image.Pt(48, 64) {
			t.Error(size, err)
		}
	}
	for o := 1; o <= 8; o++ {
		if got := orientation(riff(image.Pt(1, 1), flagExif, appendChunk(dotWebP[riffHead:], "EXIF", turned(o)))); got != o {
			t.Errorf("orientation %d is read as %d", o, got)
		}
	}
}

func TestHostileAnimatedWebP(t *testing.T) {
	size := image.Pt(8, 8)
	good := dot(0, 0, 1, 1, 50, 0)
	nested := appendChunk(nil, "ANMF", make([]byte, frameLen), good)
	short := appendChunk(nil, "ANMF", make([]byte, frameLen-1))
	lies := bytes.Clone(good)
	binary.LittleEndian.PutUint32(lies[4:], 0xffff_fff0)
	inner := bytes.Clone(good)
	binary.LittleEndian.PutUint32(inner[chunkHead+frameLen+4:], 0xffff_fff0)
	canvas := make([]byte, canvasLen)
	putUint24(canvas[4:], 1<<24-1)
	for name, file := range map[string][]byte{
		"no frame":              framed(size),
		"an empty frame":        framed(size, appendChunk(nil, "ANMF")),
		"a short frame":         framed(size, short),
		"no picture":            framed(size, appendChunk(nil, "ANMF", make([]byte, frameLen))),
		"a frame in a frame":    framed(size, nested),
		"out of the canvas":     framed(size, dot(8, 0, 1, 1, 0, 0)),
		"far out":               framed(size, dot(1<<25-2, 1<<25-2, 1, 1, 0, 0)),
		"larger than it":        framed(size, dot(0, 0, 9, 8, 0, 0)),
		"a giant":               framed(size, dot(0, 0, 1<<24, 1<<24, 0, 0)),
		"another size":          framed(size, dot(0, 0, 2, 2, 0, 0)),
		"a size that lies":      framed(size, lies),
		"an inner one":          framed(size, inner),
		"only transparent":      framed(size, dot(0, 0, 1, 1, 0, 0, appendChunk(nil, "ALPH"))[:chunkHead+frameLen+chunkHead]),
		"no flag":               riff(size, 0, good),
		"a file in a file":      framed(size, moving(t)),
		"a picture, no frame":   framed(size, dotWebP[riffHead:]),
		"no canvas":             append([]byte("RIFF\xff\x00\x00\x00WEBP"), good...),
		"an empty canvas chunk": append([]byte("RIFF\xff\x00\x00\x00WEBPVP8X\x00\x00\x00\x00"), good...),
		"the head alone":        []byte("RIFF\x00\x00\x00\x00WEBP"),
	} {
		if img, err := Decode(file); !errors.Is(err, ErrFormat) || img != nil {
			t.Errorf("%s: Decode: %v", name, err)
		}
		if frames, err := Animation(file, 8); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Animation: %d frames, %v", name, len(frames), err)
		}
		if _, err := CleanAnimation(file); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: CleanAnimation: %v", name, err)
		}
	}
	// What is right at the beginning is shown.
	for name, bad := range map[string][]byte{"a frame out of the canvas": dot(8, 8, 1, 1, 0, 0), "one that can't be decoded": dot(0, 0, 2, 2, 0, 0), "a cut one": good[:len(good)-4],
		"half a chunk": []byte("ANM")} {
		frames, err := Animation(framed(size, good, dot(2, 4, 1, 1, 0, flagClear), bad, good), 8)
		if err != nil || len(frames) < 2 {
			t.Errorf("%s: %d frames, %v", name, len(frames), err)
		}
	}
	// Chunks that are there twice: the first one counts.
	twice := framed(size, appendChunk(nil, "VP8X", canvas), dot(0, 0, 1, 1, 0, 0, dotWebP[riffHead:]), appendChunk(nil, "ANIM", bytes.Repeat([]byte{9}, loopLen)), good)
	if w, err := parseWebP(twice, 10); err != nil || w.size != size || w.loop != [loopLen]byte{} || len(w.frames) != 2 || w.frames[0].delay != 0 {
		t.Errorf("%+v, %v", w, err)
	}
	if frames, err := Animation(twice, 8); err != nil || len(frames) != 2 || frames[0].Delay != 100*time.Millisecond {
		t.Error(len(frames), err)
	}
}

func TestLongAnimatedWebP(t *testing.T) {
	many := framed(image.Pt(4, 4), bytes.Repeat(dot(0, 0, 1, 1, 0, 0), 3*maxFrames))
	if frames, err := Animation(many, 4); err != nil || len(frames) != maxFrames {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	if _, err := CleanAnimation(many); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	wide := framed(image.Pt(4000, 3000), bytes.Repeat(dot(0, 0, 1, 1, 0, 0), 50))
	if frames, err := Animation(wide, 10); err != nil || len(frames) != maxMotion/(4000*3000) {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	if _, err := CleanAnimation(wide); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	for _, size := range []image.Point{{1 << 24, 1 << 24}, {1 << 24, 1}, {10_000, 10_000}} {
		_, err := Decode(framed(size, dot(0, 0, 1, 1, 0, 0)))
		if want := size.X*size.Y > maxPixels; errors.Is(err, ErrTooLarge) != want {
			t.Errorf("%v: %v", size, err)
		}
	}
}

func BenchmarkAnimatedWebP(b *testing.B) {
	data := moving(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Animation(data, 64); err != nil {
			b.Fatal(err)
		}
	}
}
