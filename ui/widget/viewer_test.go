package widget

import (
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"

	"github.com/sotto-chat/sotto/ui/theme"
)

// films is a source of a picture between two videos, the last of which has none.
type films struct {
	album
	loaded []func() // what Load would have done, if it is not nil
}

func newFilms() *films {
	return &films{album: album{landscape(120, 80), landscape(300, 300), image.NewNRGBA(image.Rectangle{})}}
}

func (f *films) Video(i int) (string, bool) { return []string{"1:07", "", ""}[i], i != 1 }

func (f *films) Load(i int, done func([]Frame, string)) {
	if f.loaded == nil {
		f.album.Load(i, done)
		return
	}
	f.loaded = append(f.loaded, func() { f.album.Load(i, done) })
}

func TestViewerOfVideos(t *testing.T) {
	c := overlayTest(t)
	v := NewViewer(newFilms(), 0)
	var played []int
	v.OnPlay = func(i int) { played = append(played, i) }
	v.OnSave = func(int) {}
	v.ShowOn(c)
	s := v.stage
	if got := s.shown(); got.Width != 488 || got.Height < 325 || got.Height > 326 {
		t.Errorf("the picture of a video is %v", got)
	}
	for _, key := range []fyne.KeyName{fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter, fyne.KeyUp} {
		s.TypedKey(pressed(key))
	}
	s.Tapped(&fyne.PointEvent{Position: s.middle()})
	s.DoubleTapped(&fyne.PointEvent{Position: s.middle()})
	if !slices.Equal(played, []int{0, 0, 0, 0, 0}) || v.At() != 0 {
		t.Errorf("played %v, number %d is shown", played, v.At())
	}
	s.TypedRune('+')
	s.Dragged(&fyne.DragEvent{Dragged: fyne.Delta{DX: 50, DY: 50}})
	s.Scrolled(&fyne.ScrollEvent{Scrolled: fyne.Delta{DY: 20}})
	if s.zoom != 1 || s.centre.X != 0 || v.in.Visible() || !v.save.Visible() || !s.disc.Visible() || !s.badge.Visible() || s.Cursor() != desktop.PointerCursor {
		t.Error("a video is shown as a picture")
	}
	v.Tell("There is no room.")
	if v.foot.Text != "There is no room." {
		t.Errorf("it says %q", v.foot.Text)
	}
	s.TypedKey(pressed(fyne.KeyRight))
	if v.At() != 1 || v.foot.Text != "" || !v.in.Visible() || s.disc.Visible() || s.badge.Visible() {
		t.Error("a picture is shown as a video")
	}
	s.TypedKey(pressed(fyne.KeyReturn))
	s.TypedKey(pressed(fyne.KeySpace)) // the next one
	if v.At() != 2 || len(played) != 5 || !s.ground.Visible() || s.badge.Visible() {
		t.Errorf("number %d is shown, played %v", v.At(), played)
	}
	v.OnPlay = nil
	s.TypedKey(pressed(fyne.KeySpace))
	s.Tapped(&fyne.PointEvent{Position: fyne.NewPos(1, 1)})
	if c.Overlays().Top() != nil {
		t.Error("a tap beside the video leaves it open")
	}
}

// TestViewerChanges has the source get more pictures while one is read.
func TestViewerChanges(t *testing.T) {
	c := overlayTest(t)
	source := newFilms()
	source.loaded = []func(){}
	v := NewViewer(source, 1)
	v.ShowOn(c)
	source.album = append(album{landscape(10, 10)}, source.album...)
	v.Changed(2)
	source.loaded[0]()
	if v.At() != 2 || v.stage.img == nil {
		t.Error("what was read before is not shown")
	}
	v.show(1)
	v.show(0)
	source.loaded[1]()
	if v.stage.img != nil {
		t.Error("another one is shown")
	}
	source.loaded[2]()
	if v.stage.img != source.album[0] {
		t.Error("it is not shown")
	}
	v.Close()
}

// TestPicturesOfVideos compares a video in the viewer with the pictures in testdata, also where one reads from the right.
func TestPicturesOfVideos(t *testing.T) {
	for _, mode := range []theme.Mode{theme.Light, theme.Dark} {
		for _, right := range []bool{false, true} {
			if right {
				turnAround(t)
			}
			newApp(t, mode)
			c := show(NewSurface(theme.ColorBackground, NewMessageList(demoMessages())), 520, 400, 1)
			v := NewViewer(newFilms(), 0)
			v.OnSave = func(int) {}
			v.ShowOn(c)
			img := c.Capture()
			name := fmt.Sprintf("video-%v.png", mode)
			if right {
				name = strings.Replace(name, "video-", "video-right-", 1)
			}
			keep(t, name, img)
			test.AssertImageMatches(t, name, img)
			SetMirrored(false)
		}
	}
}
