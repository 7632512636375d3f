package core

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/picture"
)

// taken stands where cameras and programs write about a picture.
const taken = "52.5200 N 13.4050 E"

func shot() image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for y := range 200 {
		for x := range 300 {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), 100, 255})
		}
	}
	return img
}

func encodeJPEG(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, shot(), nil); err != nil {
		t.Fatal(err)
	}
	comment := append([]byte{0xff, 0xfe, 0, byte(len(taken) + 2)}, taken...)
	return append(append(append([]byte{}, out.Bytes()[:2]...), comment...), out.Bytes()[2:]...)
}

func encodePNG(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, shot()); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), taken...)
}

func encodeGIF(t *testing.T, frames int) []byte {
	t.Helper()
	g := &gif.GIF{}
	for n := range frames {
		img := image.NewPaletted(image.Rect(0, 0, 40, 30), palette.Plan9)
		for i := range img.Pix {
			img.Pix[i] = uint8(i + n)
		}
		g.Image, g.Delay = append(g.Image, img), append(g.Delay, 7+n)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		t.Fatal(err)
	}
	comment := append([]byte{0x21, 0xfe, byte(len(taken))}, taken+"\x00"...)
	b := out.Bytes()
	return append(append(append([]byte{}, b[:len(b)-1]...), comment...), 0x3b)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSendPath sends what is in files of all kinds.
func TestSendPath(t *testing.T) {
	r := newTestRelay(t)
	c := openTest(t, t.TempDir(), testOptions(r))
	p := c.create("Alice")
	notes, err := p.Notes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "") // no program that makes pictures of videos
	dir := t.TempDir()
	for _, f := range []struct {
		name     string
		content  []byte
		sentName string
		kind     string
		same     bool
	}{
		{"photo.JPEG", encodeJPEG(t), "photo.jpg", "image", false},
		{"drawing.png", encodePNG(t), "drawing.jpg", "image", false},
		{"no extension", encodeJPEG(t), "no extension.jpg", "image", false},
		{"lies.txt", encodeJPEG(t), "lies.jpg", "image", false},
		{"moves.gif", encodeGIF(t, 5), "moves.gif", "image", false},
		{"stands.gif", encodeGIF(t, 1), "stands.jpg", "image", false},
		{"moves.webp", append(readFile(t, "picture/testdata/moving.webp"), taken...), "moves.webp", "image", false},
		{"damaged.jpg", encodeJPEG(t)[:300], "damaged.jpg", "file", true},
		{"hostile.png", append(encodePNG(t)[:16], 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 8, 6, 0, 0, 0), "hostile.png", "file", true},
		{"clip.mp4", []byte("\x00\x00\x00\x18ftypmp42" + taken), "clip.mp4", "file", true},
		{"film.mov", append(readFile(t, "video/testdata/turned.mov"), "\xff\xff\xff\xff"+taken...), "film.mov", "video", false},
		{"empty", nil, "empty", "file", true},
		{"short.jpg", []byte("\xff\xd8\xff"), "short.jpg", "file", true},
		{"text.txt", []byte(taken), "text.txt", "file", true},
	} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			t.Fatal(err)
		}
		i, err := p.SendPath(t.Context(), notes.ID, path, "a caption", 0)
		if err != nil {
			t.Fatal(err)
		}
		if i.File.Name != f.sentName || i.Content != f.kind || i.Text != "a caption" || (len(i.Image) > 0) != (f.kind != "file") || f.kind == "video" && i.Duration != 3*time.Second {
			t.Errorf("%s is sent as %+v with %+v", f.name, i, i.File)
		}
		file, _, err := p.OpenFile(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := io.ReadAll(file)
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || bytes.Equal(sent, f.content) != f.same || int64(len(sent)) != i.File.Size || !f.same && strings.Contains(string(sent), taken) {
			t.Errorf("%s: %d bytes are sent, %v", f.name, len(sent), err)
		}
		if f.kind != "image" {
			continue
		}
		if _, err := picture.Decode(sent); err != nil {
			t.Errorf("%s: what is sent: %v", f.name, err)
		}
		if f.sentName == "moves.gif" {
			if g, err := gif.DecodeAll(bytes.NewReader(sent)); err != nil || len(g.Image) != 5 || g.Delay[4] != 11 {
				t.Errorf("%s does not move as it did: %v", f.name, err)
			}
		}
		if f.sentName == "moves.webp" {
			if frames, err := picture.Animation(sent, 64); err != nil || len(frames) != 6 || bytes.Contains(sent, []byte("GPS")) {
				t.Errorf("%s has %d frames: %v", f.name, len(frames), err)
			}
		}
	}
	if _, err := p.SendPath(t.Context(), notes.ID, dir, "", 0); err == nil {
		t.Error("a folder was sent")
	}
	if _, err := p.SendPath(t.Context(), notes.ID, filepath.Join(dir, "nothing"), "", 0); err == nil {
		t.Error("nothing was sent")
	}
	if list, err := p.Files(t.Context(), notes.ID, 0, 100); err != nil || len(list) != 14 || list[0].State != chat.StateKept {
		t.Errorf("%d files, %v", len(list), err)
	}
}

// TestReadPicture makes pictures of profiles of files of all kinds.
func TestReadPicture(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"shot.jpg", encodeJPEG(t), nil},
		{"shot.png", encodePNG(t), nil},
		{"moves.gif", encodeGIF(t, 3), nil},
		{"half.jpg", encodeJPEG(t)[:300], ErrNotPicture},
		{"start.png", encodePNG(t)[:20], ErrNotPicture},
		{"text", []byte(taken), ErrNotPicture},
		{"empty", nil, ErrNotPicture},
		{"hostile.png", append(encodePNG(t)[:16], 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 8, 6, 0, 0, 0), ErrNotPicture},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := ReadPicture(path)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != nil {
			continue
		}
		if img, err := picture.Decode(file); err != nil || img.Bounds().Dx() > picture.AvatarSide || len(file) > MaxPicture || bytes.Contains(file, []byte(taken)) {
			t.Errorf("%s becomes %d bytes, %v", c.name, len(file), err)
		}
	}
	if _, err := ReadPicture(dir); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := ReadPicture(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}
