package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// corner returns a white picture whose upper left quarter is red.
func corner(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{0xff, 0xff, 0xff, 0xff}
			if x < w/2 && y < h/2 {
				c = color.NRGBA{0xff, 0, 0, 0xff}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// noise cannot be compressed well.
func noise(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(r.Uint32())
		if i%4 == 3 {
			img.Pix[i] = 0xff
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// withExif puts an orientation and a secret into a JPEG.
func withExif(file []byte, orientation uint16) []byte {
	tiff := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	tiff = binary.BigEndian.AppendUint16(tiff, orientation)
	tiff = append(tiff, "\x00\x00\x00\x00\x00\x00GPS 52.5N 13.4E"...)
	body := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, file[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	return append(append(out, body...), file[2:]...)
}

func animation(t testing.TB, frames, w, h int) []byte {
	t.Helper()
	g := &gif.GIF{}
	for i := range frames {
		f := image.NewPaletted(image.Rect(0, 0, w, h), palette.Plan9)
		for k := range f.Pix {
			f.Pix[k] = byte(i * 40)
		}
		g.Image = append(g.Image, f)
		g.Delay = append(g.Delay, i)
		g.Disposal = append(g.Disposal, []byte{gif.DisposalNone, gif.DisposalBackground, gif.DisposalPrevious}[i%3])
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// dotWebP is a lossless WebP of 1 by 1 pixel.
var dotWebP = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

func red(img image.Image, x, y int) bool {
	r, g, b, _ := img.At(img.Bounds().Min.X+x, img.Bounds().Min.Y+y).RGBA()
	return r > 0xc000 && g < 0x4000 && b < 0x4000
}

func TestDecodeFormats(t *testing.T) {
	for name, data := range map[string][]byte{"jpeg": asJPEG(t, corner(40, 20)), "png": asPNG(t, corner(40, 20)), "gif": animation(t, 3, 40, 20), "webp": dotWebP} {
		img, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if Format(data) != name {
			t.Errorf("%s is taken for %q", name, Format(data))
		}
		size, err := Info(data)
		if err != nil || size != img.Bounds().Size() {
			t.Errorf("%s: Info says %v, %v; Decode %v", name, size, err, img.Bounds())
		}
	}
}

func TestOrientation(t *testing.T) {
	// Where the red corner is after turning: x and y are 0 for left and top, 1 for right and bottom.
	want := map[uint16][2]int{1: {0, 0}, 2: {1, 0}, 3: {1, 1}, 4: {0, 1}, 5: {0, 0}, 6: {1, 0}, 7: {1, 1}, 8: {0, 1}, 0: {0, 0}, 9: {0, 0}}
	file := asJPEG(t, corner(80, 40))
	for o, at := range want {
		data := withExif(file, o)
		for name, read := range map[string]func() (image.Image, error){
			"Decode":    func() (image.Image, error) { return Decode(data) },
			"Thumbnail": func() (image.Image, error) { return Thumbnail(data, 40) },
		} {
			img, err := read()
			if err != nil {
				t.Fatal(err)
			}
			w, h := img.Bounds().Dx(), img.Bounds().Dy()
			if turned := o >= 5 && o <= 8; turned != (h > w) {
				t.Errorf("orientation %d: %s gives %dx%d", o, name, w, h)
			}
			if !red(img, w/8+at[0]*w*3/4, h/8+at[1]*h*3/4) {
				t.Errorf("orientation %d: %s does not have the red corner at %v", o, name, at)
			}
		}
	}
}

func TestCleanKeepsPixelsOnly(t *testing.T) {
	data := withExif(asJPEG(t, corner(80, 40)), 6)
	clean, ext, err := Clean(data)
	if err != nil || ext != "jpg" {
		t.Fatal(ext, err)
	}
	if bytes.Contains(clean, []byte("GPS")) || bytes.Contains(clean, []byte("Exif")) || exif(clean) != nil {
		t.Error("the place is still in the file")
	}
	img, err := Decode(clean)
	if err != nil || img.Bounds().Dx() != 40 || !red(img, 35, 5) {
		t.Errorf("the picture is %v, %v", img.Bounds(), err)
	}

	glass := corner(30, 30)
	glass.SetNRGBA(20, 20, color.NRGBA{})
	file := asPNG(t, glass)
	text := []byte("tEXtAuthor\x00Alice")
	chunk := append([]byte{0, 0, 0, byte(len(text) - 4)}, text...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(text))
	file = append(append(bytes.Clone(file[:33]), chunk...), file[33:]...)
	if clean, ext, err = Clean(file); err != nil || ext != "png" || bytes.Contains(clean, []byte("Alice")) {
		t.Error(ext, err)
	}
	if img, err := Decode(clean); err != nil || opaque(img) {
		t.Error("the transparent part is lost", err)
	}
	if clean, _, err = Clean(asJPEG(t, corner(4000, 1000))); err != nil {
		t.Fatal(err)
	}
	if size, err := Info(clean); err != nil || size != image.Pt(SendSide, SendSide/4) {
		t.Errorf("a large picture is sent with %v, %v", size, err)
	}
}

func TestPreviewFitsIntoAMessage(t *testing.T) {
	for _, img := range []image.Image{corner(3000, 2000), noise(900, 700), image.NewNRGBA(image.Rect(0, 0, 300, 300)), noise(1, 5000)} {
		file, err := Preview(img)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(uriPrefix) + base64.StdEncoding.EncodedLen(len(file)); n > PreviewChars {
			t.Errorf("the preview of %v has %d characters", img.Bounds(), n)
		}
	}
	if _, err := Shrink(corner(9, 9), 9, 10); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := Preview(image.NewNRGBA(image.Rectangle{})); err == nil {
		t.Error("nothing has a preview")
	}
	file, err := Avatar(corner(300, 200), image.Rect(0, 0, 100, 100))
	if err != nil {
		t.Fatal(err)
	}
	if img, err := Decode(file); err != nil || img.Bounds().Dx() != 100 || !red(img, 50, 50) {
		t.Error("the picture of the profile is", img.Bounds(), err)
	}
}

func TestAnimation(t *testing.T) {
	frames, err := Animation(animation(t, 7, 60, 30), 30)
	if err != nil || len(frames) != 7 {
		t.Fatal(len(frames), err)
	}
	for i, f := range frames {
		if f.Image.Bounds().Dx() != 30 || f.Delay < 20*time.Millisecond {
			t.Errorf("frame %d: %v, %v", i, f.Image.Bounds(), f.Delay)
		}
	}
	if frames, err = Animation(asPNG(t, corner(8, 8)), 4); err != nil || len(frames) != 1 {
		t.Error(len(frames), err)
	}
}

func TestCleanAnimation(t *testing.T) {
	data := animation(t, 5, 40, 30)
	comment := append([]byte{0x21, 0xfe, 5}, "where\x00"...)
	clean, err := CleanAnimation(append(append(bytes.Clone(data[:len(data)-1]), comment...), 0x3b))
	if err != nil || bytes.Contains(clean, []byte("where")) {
		t.Fatalf("%d bytes, %v", len(clean), err)
	}
	want, err := Animation(data, 40)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Animation(clean, 40)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	for i := range got {
		if got[i].Delay != want[i].Delay || !bytes.Equal(got[i].Image.(*image.RGBA).Pix, want[i].Image.(*image.RGBA).Pix) {
			t.Errorf("frame %d is another one", i)
		}
	}
	for name, bad := range map[string][]byte{"nothing": nil, "JPEG": asJPEG(t, corner(8, 8)), "one frame": animation(t, 1, 8, 8), "cut": data[:len(data)-20]} {
		if _, err := CleanAnimation(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := CleanAnimation(animation(t, maxFrames+1, 2, 2)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many frames: %v", err)
	}
}

func TestTooMuchIsRefused(t *testing.T) {
	large := asPNG(t, corner(2, 2))
	binary.BigEndian.PutUint32(large[16:], 1<<20)
	binary.BigEndian.PutUint32(large[20:], 1<<20)
	// The checksum of the header is wrong now, which is found out first.
	if _, err := Decode(large); err == nil {
		t.Error("a picture of a tera pixel was decoded")
	}
	many := asJPEG(t, corner(8, 8))
	scan := bytes.Clone(many[bytes.Index(many, []byte{0xff, 0xda}):])
	for range 2 * maxScans {
		many = append(many[:len(many)-2], scan...)
	}
	if _, err := Decode(many); !errors.Is(err, ErrTooLarge) {
		t.Error("a JPEG with many scans:", err)
	}
	wide := asJPEG(t, corner(8, 8))
	sof := bytes.Index(wide, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(wide[sof+5:], 0xffff)
	binary.BigEndian.PutUint16(wide[sof+7:], 0xffff)
	if _, err := Decode(wide); !errors.Is(err, ErrTooLarge) {
		t.Error("a JPEG of four giga pixels:", err)
	}
	long := animation(t, 2, 1000, 1000)
	most := maxMotion / 1_000_000
	frame := bytes.Clone(long[bytes.IndexByte(long[13:], 0x2c)+13 : len(long)-1])
	for range 2 * most {
		long = append(append(long[:len(long)-1], frame...), 0x3b)
	}
	frames, err := Animation(long, 20)
	if err != nil || len(frames) > most+1 {
		t.Errorf("a long animation has %d frames, %v", len(frames), err)
	}
	if _, err := Decode(make([]byte, MaxBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Error("a huge file:", err)
	}
	for _, bad := range []string{"", "GIF89a", "\xff\xd8\xff", "RIFF0000WEBP", "\x89PNG\r\n\x1a\n", strings.Repeat("x", 100)} {
		if _, err := Decode([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(asJPEG(f, corner(8, 8)))
	f.Add(withExif(asJPEG(f, corner(8, 4)), 6))
	f.Add(asPNG(f, corner(8, 8)))
	f.Add(animation(f, 3, 8, 8))
	f.Add(dotWebP)
	f.Add(moving(f))
	f.Add(framed(image.Pt(4, 4), dot(0, 0, 1, 1, 0, 0), dot(2, 2, 1, 1, 0, flagClear|flagReplace)))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\xff\xff\xff\xff"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if size, err := Info(data); err != nil || size.X*size.Y > 1<<20 {
			return // it is not decoded, or takes too long for a fuzzer
		}
		img, err := Decode(data)
		if (err == nil) != (img != nil) {
			t.Fatal(img, err)
		}
		if frames, err := Animation(data, 16); err == nil && len(frames) == 0 {
			t.Fatal("no frames and no error")
		}
		if clean, err := CleanAnimation(data); err == nil {
			if frames, err := Animation(clean, 16); err != nil || len(frames) < 2 {
				t.Fatal(len(frames), err)
			}
		}
		if err != nil {
			return
		}
		if _, _, err := Clean(data); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkThumbnail12Megapixels(b *testing.B) {
	data := asJPEG(b, corner(4000, 3000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Thumbnail(data, 600); err != nil {
			b.Fatal(err)
		}
	}
}
