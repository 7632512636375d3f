package qr

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"testing"
)

func link(n int) string {
	return "simplex:/invitation#/?v=2-7&smp=" + strings.Repeat("aB3-_%", n/6+1)[:n-32]
}

func modules(t testing.TB, text string) [][]bool {
	t.Helper()
	m, err := Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{40, 200, 700, 1000, 1600} {
		text := link(n)
		for _, scale := range []int{2, 3, 8} {
			var b bytes.Buffer
			if err := png.Encode(&b, Picture(modules(t, text), scale)); err != nil {
				t.Fatal(err)
			}
			if got, err := Read(&b); err != nil || got != text {
				t.Errorf("%d characters at scale %d: %v", n, scale, err)
			}
		}
	}
}

// A screenshot: the code somewhere on a coloured page.
func TestOnAPage(t *testing.T) {
	text := link(700)
	page := image.NewRGBA(image.Rect(0, 0, 1280, 800))
	draw.Draw(page, page.Bounds(), image.NewUniform(color.RGBA{0x0f, 0x13, 0x17, 0xff}), image.Point{}, draw.Src)
	code := Picture(modules(t, text), 4)
	draw.Draw(page, code.Bounds().Add(image.Pt(420, 120)), code, image.Point{}, draw.Src)
	if got, err := Find(page); err != nil || got != text {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, page, &jpeg.Options{Quality: 60}); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(&b); err != nil || got != text {
		t.Error("as JPEG:", err)
	}
}

func TestInvertedAndTurned(t *testing.T) {
	text := link(200)
	code := Picture(modules(t, text), 5)
	side := code.Bounds().Dx()
	inverted, turned := image.NewGray(code.Bounds()), image.NewGray(image.Rect(0, 0, 2*side, 2*side))
	draw.Draw(turned, turned.Bounds(), image.White, image.Point{}, draw.Src)
	sin, cos := math.Sincos(0.3)
	for y := range 2 * side {
		for x := range 2 * side {
			if x < side && y < side {
				inverted.SetGray(x, y, color.Gray{255 - color.GrayModel.Convert(code.At(x, y)).(color.Gray).Y})
			}
			dx, dy := float64(x-side), float64(y-side)
			from := image.Pt(int(cos*dx+sin*dy)+side/2, int(cos*dy-sin*dx)+side/2)
			if from.In(code.Bounds()) {
				turned.Set(x, y, code.At(from.X, from.Y))
			}
		}
	}
	for name, img := range map[string]image.Image{"inverted": inverted, "turned": turned} {
		if got, err := Find(img); err != nil || got != text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadPictures(t *testing.T) {
	var empty bytes.Buffer
	if err := png.Encode(&empty, image.NewGray(image.Rect(0, 0, 300, 200))); err != nil {
		t.Fatal(err)
	}
	// A picture that says of itself that it is huge: width and height stand at 16 and 20.
	huge := bytes.Clone(empty.Bytes())
	copy(huge[16:], "\x00\x0f\x00\x00\x00\x0f\x00\x00")
	copy(huge[29:], "\x00\x00\x00\x00")
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"empty":   {nil, ErrPicture},
		"text":    {[]byte("simplex:/invitation"), ErrPicture},
		"no code": {empty.Bytes(), ErrNoCode},
		"cut off": {empty.Bytes()[:60], ErrPicture},
		"huge":    {huge, ErrPicture}, // its checksum is wrong before its size counts
		"long":    {make([]byte, MaxFile+1), ErrTooLarge},
	} {
		if text, err := Read(bytes.NewReader(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := Find(image.NewGray(image.Rect(0, 0, 0, 0))); !errors.Is(err, ErrNoCode) {
		t.Error("no pixels:", err)
	}
	if _, err := Encode(strings.Repeat("a", 3000)); !errors.Is(err, ErrTooLong) {
		t.Error("too long:", err)
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := png.Encode(&b, Picture(modules(f, "simplex:/i#a"), 2)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if size, _, err := image.DecodeConfig(bytes.NewReader(file)); err == nil && size.Width*size.Height > 1<<20 {
			return // only slow
		}
		if text, err := Read(bytes.NewReader(file)); err == nil && text == "" {
			t.Error("an empty text")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	text := link(700)
	for b.Loop() {
		modules(b, text)
	}
}

func BenchmarkFindOnScreen(b *testing.B) {
	page := image.NewGray(image.Rect(0, 0, 1280, 800))
	code := Picture(modules(b, link(700)), 4)
	draw.Draw(page, code.Bounds().Add(image.Pt(300, 100)), code, image.Point{}, draw.Src)
	for b.Loop() {
		if _, err := Find(page); err != nil {
			b.Fatal(err)
		}
	}
}
