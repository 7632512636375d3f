package widget

import (
	"fmt"
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
)

// album returns messages of which those from from to to are an album.
func albumOf(n, from, to int) messages {
	source := make(messages, n)
	for i := range source {
		source[i] = Message{ID: int64(i + 1), Text: fmt.Sprint("message ", i), Time: "12:00"}
		if i >= from && i <= to {
			source[i].Attachment = &Attachment{Kind: AttachmentPicture, Picture: landscape(60, 40)}
			source[i].Album = i > from
			source[i].Text = ""
		}
	}
	source[to].Text = "caption"
	return source
}

// cell returns the middle of the picture of a message in an album.
func cell(t *testing.T, l *MessageList, i int) fyne.Position {
	t.Helper()
	pos, size, ok := l.BubbleBox(i)
	if !ok {
		t.Fatalf("message %d is not on screen", i)
	}
	return pos.AddXY(size.Width/2, size.Height/2)
}

func TestAlbum(t *testing.T) {
	source := albumOf(8, 2, 6)
	source[3].Reactions = []Reaction{{Emoji: "👍", Count: 1}}
	l, c := newTestList(t, &source)
	c.Resize(fyne.NewSize(500, 900))
	check(t, l)
	for i := 2; i < 6; i++ {
		if r := l.rows[i]; !r.folded || r.height != 0 {
			t.Errorf("row %d is %v high", i, r.height)
		}
	}
	var got []string
	l.OnAttachment = func(i int) { got = append(got, fmt.Sprint("tap ", i)) }
	l.OnReaction = func(i, n int) { got = append(got, fmt.Sprint("reaction ", i, n)) }
	l.OnMenu = func(i int, _ fyne.Position) { got = append(got, fmt.Sprint("menu ", i)) }
	l.OnReply = func(i int) { got = append(got, fmt.Sprint("reply ", i)) }
	for i := 2; i <= 6; i++ {
		tapAt(l, cell(t, l, i))
		l.TappedSecondary(&fyne.PointEvent{Position: cell(t, l, i)})
	}
	for _, h := range l.rows[6].hits {
		if h.kind == hitReaction {
			tapAt(l, fyne.NewPos(h.x+h.w/2, l.rows[6].box.Position().Y+h.y+h.h/2))
		}
	}
	// The buttons of a picture lie on it.
	l.MouseMoved(primary(cell(t, l, 4)))
	tapAt(l, l.buttons.pos.AddXY(10, 10))
	want := "[tap 2 menu 2 tap 3 menu 3 tap 4 menu 4 tap 5 menu 5 tap 6 menu 6 reaction 3 0 reply 4]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	l.MouseOut()

	l.SetChoosing(true)
	tapAt(l, cell(t, l, 3))
	tapAt(l, cell(t, l, 5))
	l.MouseUp(&desktop.MouseEvent{}) // nothing was pressed
	if ids := l.Chosen(); !slices.Equal(ids, []int64{4, 6}) {
		t.Errorf("chosen %v", ids)
	}
	l.SetChoosing(false)

	// The keyboard goes from picture to picture.
	l.FocusGained()
	l.current = 1
	got = nil
	for range 3 {
		l.TypedKey(pressed(fyne.KeyDown))
		l.TypedKey(pressed(fyne.KeyReturn))
	}
	if want := "[menu 2 menu 3 menu 4]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAlbumChanges adds to an album and takes from it, wherever the list is.
func TestAlbumChanges(t *testing.T) {
	for _, at := range []int{0, 3, 9, -1} {
		source := albumOf(12, 3, 6)
		source[7] = Message{ID: 8, Attachment: source[6].Attachment, Time: "12:01"}
		l, c := newTestList(t, &source)
		c.Resize(fyne.NewSize(400, 420))
		drawn := func() (albums []int) {
			for i, r := range l.rows {
				if len(r.album) > 0 {
					albums = append(albums, i, len(r.album))
				}
			}
			return albums
		}
		look := func(what string, want ...int) {
			t.Helper()
			check(t, l)
			l.ScrollTo(want[0], false)
			check(t, l)
			if got := drawn(); !slices.Equal(got, want) {
				t.Errorf("%s: albums %v, want %v", what, got, want)
			}
			if at >= 0 {
				l.ScrollTo(at, false)
			} else {
				l.ScrollToEnd()
			}
		}
		look("at first", 6, 4)
		source[6].Text, source[7].Album = "", true
		l.Changed(7)
		look("one joins", 7, 5)
		source[5].Album = false
		l.Changed(5)
		check(t, l)
		source[5].Album = true
		l.Changed(5)
		look("as before", 7, 5)
		source = slices.Delete(source, 4, 5)
		l.Removed(4)
		look("one is gone", 6, 4)
		source = append(messages{{ID: 100, Text: "older"}, {ID: 101, Attachment: source[4].Attachment}}, source[3:]...)
		source[2].Album = true
		l.Reset()
		look("read again", 5, 5)
		source = append(messages{{ID: 102, Text: "oldest"}, {ID: 103, Attachment: source[4].Attachment}}, source[1:]...)
		source[2].Album = true
		l.InsertedAtStart(1)
		look("older ones", 6, 6)
	}
}

func TestGrid(t *testing.T) {
	for n := 2; n <= MaxAlbum; n++ {
		const w = 300
		h := gridHeight(n, w)
		cells := gridCells(n, 10, 20, w, h)
		if len(cells) != n {
			t.Errorf("%d cells of %d", len(cells), n)
		}
		last := cells[len(cells)-1]
		if right, bottom := last.x+last.w, last.y+last.h; right < 309 || right > 311 || bottom < 19+h || bottom > 21+h {
			t.Errorf("%d: the last cell ends at %v, %v of %v", n, right, bottom, h)
		}
		for i, a := range cells {
			for _, b := range cells[:i] {
				if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
					t.Errorf("%d: cells overlap: %v, %v", n, a, b)
				}
			}
		}
	}
}
