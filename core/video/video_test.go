package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/picture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testfile(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func read(file []byte) (Info, error) { return Read(bytes.NewReader(file), int64(len(file))) }

func TestRead(t *testing.T) {
	for name, want := range map[string]struct {
		size  image.Point
		cover bool
	}{"short.mp4": {image.Pt(96, 64), false}, "cover.mp4": {image.Pt(96, 64), true}, "turned.mov": {image.Pt(64, 96), false}} {
		info, err := read(testfile(t, name))
		if err != nil || info.Duration != 3*time.Second || info.Size != want.size || (info.Cover != nil) != want.cover {
			t.Errorf("%s: %v, %v, cover %v: %v", name, info.Duration, info.Size, info.Cover != nil, err)
		}
		if want.cover {
			if img, err := picture.Decode(info.Cover); err != nil || img.Bounds().Dx() != 16 {
				t.Errorf("%s: the cover: %v", name, err)
			}
		}
	}
}

func TestBadFiles(t *testing.T) {
	good := testfile(t, "short.mp4")
	change := func(box string, at int, values ...byte) []byte {
		file := bytes.Clone(good)
		copy(file[bytes.Index(file, []byte(box))+at:], values)
		return file
	}
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("this is a text and no video at all"), "another kind": change("ftyp", 0, 'x'), "no index": change("moov", 0, 'x'),
		"sound only": change("vide", 0, 's', 'o', 'u', 'n'), "a huge box": change("ftyp", -4, 0x7f), "an endless index": change("moov", -4, 0xff, 0xff, 0xff, 0xff),
		"empty boxes": append(bytes.Clone(good[:32]), bytes.Repeat([]byte{0, 0, 0, 8, 'f', 'r', 'e', 'e'}, maxBoxes+1)...),
	} {
		if _, err := read(file); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range good {
		if info, err := read(good[:n]); err == nil {
			t.Fatalf("cut at %d: %v", n, info)
		}
	}
	if info, err := read(change("mvhd", 16, 0, 0, 0, 0)); err != nil || info.Duration != 0 {
		t.Errorf("no time scale: %v, %v", info.Duration, err)
	}
	if info, err := read(change("mvhd", 16, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff)); err != nil || info.Duration < 0 {
		t.Errorf("the longest: %v, %v", info.Duration, err)
	}
	broken := errors.New("disk broken")
	if _, err := Read(brokenFile{broken}, 1000); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type brokenFile struct{ err error }

func (f brokenFile) ReadAt(b []byte, _ int64) (int, error) { return iotest.ErrReader(f.err).Read(b) }

func TestBlank(t *testing.T) {
	for size, want := range map[image.Point]image.Point{
		{}: {480, 270}, {1920, 1080}: {480, 270}, {1080, 1920}: {270, 480}, {maxSide, 1}: {480, 120}, {1, maxSide}: {120, 480},
	} {
		if got := Blank(size).Bounds().Size(); got != want {
			t.Errorf("%v: %v, want %v", size, got, want)
		}
	}
}

// withProgram puts a script in the place of the program.
func withProgram(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Fatal("scripts can't be programs there")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestStill(t *testing.T) {
	dir := t.TempDir()
	img := image.NewRGBA(image.Rect(0, 0, 40, 30))
	img.Set(1, 1, color.White)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, nil); err != nil {
		t.Fatal(err)
	}
	still := filepath.Join(dir, "still.jpg")
	if err := os.WriteFile(still, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	withProgram(t, fmt.Sprintf("echo \"$@\" > %s/args; exec /bin/cat %s", dir, still))
	got, err := Still(t.Context(), "/a folder/my video.mp4", 1500*time.Millisecond)
	if err != nil || got.Bounds().Dx() != 40 {
		t.Fatal(got, err)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !bytes.Contains(args, []byte("-protocol_whitelist file -f mov -ss 1.500 -i file:/a folder/my video.mp4")) {
		t.Errorf("%s %v", args, err)
	}

	withProgram(t, "exec /bin/cat /dev/zero")
	if _, err := Still(t.Context(), "x.mp4", 0); !errors.Is(err, picture.ErrTooLarge) {
		t.Error("endless:", err)
	}
	withProgram(t, "exit 1")
	if _, err := Still(t.Context(), "x.mp4", 0); err == nil {
		t.Error("it failed")
	}
	withProgram(t, "echo no picture")
	if _, err := Still(t.Context(), "x.mp4", 0); !errors.Is(err, picture.ErrFormat) {
		t.Error("no picture:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	withProgram(t, "echo started; exec /bin/sleep 1000")
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := Still(ctx, "x.mp4", 0); !errors.Is(err, context.Canceled) {
		t.Error("it hangs:", err)
	}
	t.Setenv("PATH", dir)
	if _, err := Still(t.Context(), "x.mp4", 0); !errors.Is(err, ErrUnavailable) {
		t.Error("no program:", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"short.mp4", "cover.mp4", "turned.mov"} {
		f.Add(testfile(f, name))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if info, err := read(file); err == nil && (info.Duration < 0 || info.Size.X < 0 || info.Size.X > maxSide) {
			t.Errorf("%+v", info)
		}
	})
}
