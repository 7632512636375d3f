package widget

import (
	"image"
	"testing"
	"time"

	"fyne.io/fyne/v2"
)

// fakeTime is a clock that goes on when it is told to, with the timer of a motion.
type fakeTime struct {
	now  time.Time
	due  time.Time
	f    func()
	runs int
}

func (c *fakeTime) motion() motion {
	return motion{now: func() time.Time { return c.now }, after: func(d time.Duration, f func()) func() bool {
		c.due, c.f = c.now.Add(d), f
		return func() bool { c.f = nil; return true }
	}}
}

// pass lets time pass.
func (c *fakeTime) pass(d time.Duration) {
	end := c.now.Add(d)
	for c.f != nil && !c.due.After(end) {
		f := c.f
		c.now, c.f = c.due, nil
		c.runs++
		f()
	}
	c.now = end
}

func demoFrames(n int, delay time.Duration) []Frame {
	frames := make([]Frame, n)
	for i := range frames {
		frames[i] = Frame{landscape(20+i, 20), delay}
	}
	return frames
}

// shownFrame is the number of the frame that a row shows.
func shownFrame(r *messageRow, k int) int {
	for i, f := range r.moving[k].frames {
		if f.Image == r.moving[k].shown.Image {
			return i
		}
	}
	return -1
}

func TestAnimationsPlayWhereTheyAreSeen(t *testing.T) {
	frames := demoFrames(4, 100*time.Millisecond)
	source := make(messages, 40)
	for i := range source {
		source[i] = Message{ID: int64(i + 1), Text: "x"}
	}
	source[38] = Message{ID: 39, Attachment: &Attachment{Kind: AttachmentPicture, Picture: frames[0].Image, Frames: frames}}
	source[39] = Message{ID: 40, Album: true, Attachment: &Attachment{Kind: AttachmentPicture, Frames: demoFrames(2, time.Millisecond)}}
	l, c := newTestList(t, &source)
	var clock fakeTime
	l.motion = clock.motion()
	c.Resize(fyne.NewSize(400, 500))
	look := func(what string, want int) {
		t.Helper()
		if got := shownFrame(l.rows[39], 0); got != want {
			t.Errorf("%s: frame %d, want %d", what, got, want)
		}
	}
	clock.pass(time.Second)
	look("not playing", 0)
	if clock.runs > 0 {
		t.Errorf("%d steps while nothing plays", clock.runs)
	}
	l.SetPlaying(true)
	look("start", 0)
	clock.pass(250 * time.Millisecond)
	look("third", 2)
	l.Changed(0)
	l.Changed(39)
	look("drawn again", 2)
	clock.pass(200 * time.Millisecond)
	look("from the start", 0)
	if most := int(450*time.Millisecond/frameStep) + 2; clock.runs > most {
		t.Errorf("%d steps in 450 ms", clock.runs)
	}

	// Nothing moves behind a dialog, out of sight, or in a window that is not in front.
	still := func(what string, most int) {
		t.Helper()
		clock.runs = 0
		clock.pass(3 * time.Second)
		if clock.runs > most {
			t.Errorf("%s: %d steps", what, clock.runs)
		}
	}
	dialog := NewLabel("dialog", 14)
	c.Overlays().Add(dialog)
	clock.pass(100 * time.Millisecond)
	at := shownFrame(l.rows[39], 0)
	still("dialog", int(3*time.Second/coveredStep)+1)
	look("dialog", at)
	c.Overlays().Remove(dialog)
	clock.pass(coveredStep)
	clock.runs = 0
	clock.pass(time.Second)
	if clock.runs == 0 {
		t.Error("it does not go on after the dialog")
	}
	c.Overlays().Add(dialog)
	clock.pass(playTime)
	still("behind a dialog that stays open", 0)
	look("behind a dialog that stays open", 0)
	c.Overlays().Remove(dialog)
	l.ScrollTo(0, false)
	still("out of sight", 0)
	l.ScrollToEnd()
	l.SetPlaying(false)
	look("not in front", 0)
	still("not in front", 0)

	// It rests after a while, until the pointer comes.
	l.SetPlaying(true)
	clock.pass(playTime + time.Second)
	look("at rest", 0)
	still("at rest", 0)
	l.MouseMoved(primary(cell(t, l, 38)))
	clock.pass(150 * time.Millisecond)
	look("under the pointer", 1)
	l.MouseOut()
	l.SetPlaying(false)
}

// TestLateTimer has a timer fire that was stopped when its call was on the way already.
func TestLateTimer(t *testing.T) {
	var calls []func()
	m := motion{after: func(_ time.Duration, f func()) func() bool {
		calls = append(calls, f)
		return func() bool { return false }
	}}
	steps := 0
	step := func() { steps++ }
	m.wait(0, step)
	m.wait(0, step)
	for _, f := range calls {
		f()
	}
	m.wait(0, step)
	m.rest()
	calls[2]()
	if steps != 1 {
		t.Errorf("%d steps", steps)
	}
}

func TestFrameAt(t *testing.T) {
	frames := []Frame{{Delay: 50 * time.Millisecond}, {Delay: 0}, {Delay: 20 * time.Millisecond}}
	for _, c := range []struct {
		at    time.Duration
		frame int
		rest  time.Duration
	}{{0, 0, 50}, {49, 0, 1}, {50, 1, 1}, {51, 2, 20}, {71, 0, 50}, {71*1000 + 60, 2, 11}} {
		if i, rest := frameAt(frames, c.at*time.Millisecond); i != c.frame || rest != c.rest*time.Millisecond {
			t.Errorf("at %d ms: frame %d for %v", c.at, i, rest)
		}
	}
}

// motionAlbum is a source of one animation.
type motionAlbum []Frame

func (m motionAlbum) Len() int                   { return 2 }
func (m motionAlbum) Title(int) (string, string) { return "Bob", "Today" }
func (m motionAlbum) Video(int) (string, bool)   { return "", false }
func (m motionAlbum) Load(i int, done func([]Frame, string)) {
	done(m[:len(m)-i*(len(m)-1)], "")
}

func TestViewerPlays(t *testing.T) {
	c := overlayTest(t)
	frames := demoFrames(3, 100*time.Millisecond)
	v := NewViewer(motionAlbum(frames), 0)
	var clock fakeTime
	v.stage.motion = clock.motion()
	v.ShowOn(c)
	shown := func() image.Image { return v.stage.picture.Image }
	clock.pass(150 * time.Millisecond)
	if shown() != frames[1].Image {
		t.Error("it does not play")
	}
	v.show(1)
	clock.runs = 0
	clock.pass(time.Second)
	if shown() != frames[0].Image || clock.runs > 0 {
		t.Errorf("a picture of one frame moves: %d steps", clock.runs)
	}
	v.show(0)
	v.Close()
	clock.runs = 0
	clock.pass(time.Second)
	if clock.runs > 0 {
		t.Error("it plays after it was closed")
	}
}
