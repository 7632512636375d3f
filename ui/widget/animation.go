package widget

import (
	"image"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
)

// Frame is one picture of an animation.
type Frame struct {
	Image image.Image
	Delay time.Duration // until the next one
}

const (
	// frameStep is the shortest time between two frames: each one has the whole window drawn.
	frameStep = 50 * time.Millisecond
	// playTime is how long an animation in the list plays before it rests, until the pointer comes to it.
	playTime = 30 * time.Second
	// coveredStep is how often it is looked whether something still lies in front of the animations.
	coveredStep = 300 * time.Millisecond
)

// frameAt returns the frame that is shown some time after the start of an animation, and how long it remains.
func frameAt(frames []Frame, at time.Duration) (i int, rest time.Duration) {
	var whole time.Duration
	for _, f := range frames {
		whole += max(f.Delay, time.Millisecond)
	}
	at %= whole
	for i := range frames {
		if d := max(frames[i].Delay, time.Millisecond); at < d {
			return i, d - at
		} else {
			at -= d
		}
	}
	return 0, frameStep
}

// motion is what plays animations: a clock, a timer on the main goroutine, and what shows the frames.
type motion struct {
	now   func() time.Time
	after func(d time.Duration, f func()) (stop func() bool)
	stop  func() bool // of the timer; nil if none runs
	waits int         // how often wait was called: a timer that could not be stopped any more does nothing
}

func newMotion() motion { return motion{now: time.Now, after: After} }

// After calls f on the main goroutine after a time, unless stop is called before.
func After(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, func() { fyne.Do(f) }).Stop
}

// wait has step called after some time, once, unless rest is called before.
func (m *motion) wait(d time.Duration, step func()) {
	m.rest()
	m.waits++
	number := m.waits
	m.stop = m.after(max(d, frameStep), func() {
		if m.stop != nil && number == m.waits {
			m.stop = nil
			step()
		}
	})
}

// rest stops the timer.
func (m *motion) rest() {
	if m.stop != nil {
		m.stop()
		m.stop = nil
	}
}

// moving is an animation in a row.
type moving struct {
	message int64
	frames  []Frame
	shown   *canvas.Image
}

// SetPlaying lets animations play where they stand, or not, as while the window is not in front. What is not on screen does not play,
// nor what lies behind a dialog. Where nothing plays, the first frame is shown.
func (l *MessageList) SetPlaying(on bool) {
	if on == l.playing {
		return
	}
	l.playing = on
	if l.After != nil {
		l.motion.after = l.After
	}
	clear(l.started)
	l.play()
}

// play shows the frames that are due, and waits for the next ones if there are any.
func (l *MessageList) play() {
	c := canvasOf(l)
	covered := l.playing && c != nil && c.Overlays().Top() != nil
	next := time.Duration(-1)
	for i := l.top; i <= l.last; i++ {
		r, ok := l.rows[i]
		if !ok {
			continue
		}
		for _, m := range r.moving {
			n, rest := l.frameOf(m.message, m.frames)
			if covered && rest > 0 { // once its time is over nobody waits for it
				next = coveredStep
				continue
			}
			if img := m.frames[n].Image; m.shown.Image != img {
				m.shown.Image = img
				m.shown.Refresh()
			}
			if rest > 0 && (next < 0 || rest < next) {
				next = rest
			}
		}
	}
	if next < 0 {
		l.motion.rest()
		return
	}
	l.motion.wait(next, l.play)
}

// frameOf returns the frame of the animation of a message that is to be seen now, and how long it remains: 0 if it does not play.
func (l *MessageList) frameOf(message int64, frames []Frame) (n int, rest time.Duration) {
	if !l.playing {
		return 0, 0
	}
	now := l.motion.now()
	start, ok := l.started[message]
	if !ok {
		start = now
		l.started[message] = now
	}
	at := now.Sub(start)
	if at >= playTime {
		return 0, 0
	}
	return frameAt(frames, at)
}

// playAgain has the animation of a message that rests play again.
func (l *MessageList) playAgain(i int) {
	if i < 0 || i >= l.length || !l.playing {
		return
	}
	if r, _ := l.holder(i); r != nil && len(r.moving) > 0 {
		if id := l.source.At(i).ID; l.motion.now().Sub(l.started[id]) >= playTime {
			delete(l.started, id)
			l.play()
		}
	}
}
