//go:build unix && !darwin

package desktop

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/jezek/xgb/xproto"
)

// noisy is a picture that does not get smaller by being compressed, and its file.
func noisy(t *testing.T, side int) (*image.NRGBA, []byte) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(random.Uint32())
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return img, b.Bytes()
}

// TestClipboardPicture copies pictures from one program to another, in one piece and in several.
func TestClipboardPicture(t *testing.T) {
	t.Setenv("DISPLAY", "")
	if _, err := SetClipboardPicture([]byte{1}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	if ClipboardPicture(t.Context()) != nil {
		t.Error("there is a picture without a server")
	}
	startX(t)
	if ClipboardPicture(t.Context()) != nil {
		t.Error("there is a picture in an empty clipboard")
	}
	for _, side := range []int{3, 180, 400} { // in one piece, in one full piece and a bit, in several
		img, file := noisy(t, side)
		clear, err := SetClipboardPicture(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, ok := ClipboardPicture(t.Context()).(*image.NRGBA)
			if !ok || !bytes.Equal(got.Pix, img.Pix) {
				t.Errorf("the picture of %d pixels a side (%d bytes) is another one", side, len(file))
			}
		}
		clear()
		clear()
		if ClipboardPicture(t.Context()) != nil {
			t.Error("the picture is still there")
		}
	}
}

// TestClipboardTaken sees that a picture goes when another one comes, and that taking back the first leaves the second.
func TestClipboardTaken(t *testing.T) {
	startX(t)
	_, first := noisy(t, 3)
	img, second := noisy(t, 4)
	clear, err := SetClipboardPicture(first)
	if err != nil {
		t.Fatal(err)
	}
	clearSecond, err := SetClipboardPicture(second)
	if err != nil {
		t.Fatal(err)
	}
	clear()
	if got := ClipboardPicture(t.Context()); got == nil || got.Bounds() != img.Bounds() {
		t.Error("the second picture is not there")
	}
	clearSecond()
}

// TestClipboardOthers reads from programs that have no picture, that do not answer, and that send no picture.
func TestClipboardOthers(t *testing.T) {
	startX(t)
	c, err := connectClipboard()
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	if err := xproto.SetSelectionOwnerChecked(c.conn, c.window, c.clipboard, xproto.TimeCurrentTime).Check(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan image.Image)
	go func() { got <- ClipboardPicture(ctx) }()
	asked := c.next().(xproto.SelectionRequestEvent)
	cancel() // it does not answer
	if next(t, "the end", got) != nil {
		t.Error("there is a picture")
	}
	c.answer(asked, []byte("too late"), nil)

	for _, file := range [][]byte{nil, []byte("no picture"), bytes.Repeat([]byte("none"), clipboardPiece)} {
		pasting := make(map[transfer][]byte)
		go func() { got <- ClipboardPicture(t.Context()) }()
		for asked = (xproto.SelectionRequestEvent{}); asked.Target == 0; {
			asked, _ = c.next().(xproto.SelectionRequestEvent)
		}
		c.answer(asked, file, pasting)
		for to, left := range pasting { // and no more after the first piece
			c.write(to, c.targets, 8, left[:10])
		}
		if next(t, "an answer", got) != nil {
			t.Errorf("%d bytes are a picture", len(file))
		}
	}
}
