package ui

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/voice"
	"github.com/sotto-chat/sotto/ui/sound"
	"github.com/sotto-chat/sotto/ui/widget"
)

// Recorder is a recording under way, see sound.Recorder.
type Recorder interface{ Stop() error }

// Player plays a voice message, see sound.Player.
type Player interface {
	Pause()
	Resume()
	Seek(at time.Duration)
	SetSpeed(speed float64)
	Stop()
}

// waveSteps is how many steps the curve of a voice message has.
const waveSteps = 60

// recording is a voice message that is being recorded.
type recording struct {
	recorder Recorder // nil until the microphone is open
	mu       sync.Mutex
	encoder  voice.Encoder
	levels   []byte
}

// write takes what the microphone gives. It is called on another goroutine.
func (r *recording) write(samples []int16) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.levels = append(r.levels, voice.Level(samples))
	return r.encoder.Write(samples)
}

// view is what the composer shows of it.
func (r *recording) view() *widget.ComposerRecording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &widget.ComposerRecording{Time: clockOf(r.encoder.Duration()), Loudness: bytes.Clone(r.levels[max(0, len(r.levels)-waveSteps):])}
}

// clockOf is a time such as "0:07".
func clockOf(d time.Duration) string { return time.Time{}.Add(d).Format("4:05") }

// record begins to record a voice message.
func (c *conversation) record() {
	if c.recording != nil || !c.mayWrite() {
		return
	}
	c.stopPlaying()
	r := new(recording)
	c.recording = r
	c.composer.SetRecording(r.view())
	show := func() {
		c.w.later(func() {
			if c.recording == r {
				c.composer.SetRecording(r.view())
			}
		})
	}
	apart(c.w, func(context.Context) (Recorder, error) {
		return c.w.opt.Record(sound.Recording{
			Write: func(samples []int16) error {
				err := r.write(samples)
				show()
				return err
			},
			Ended: func(err error) {
				c.w.later(func() {
					if c.recording == r && err != nil {
						c.warn(soundFailure(err))
					}
				})
			},
		})
	}, func(recorder Recorder, err error) {
		switch {
		case err != nil:
			if c.recording == r {
				c.recording = nil
				c.composer.SetRecording(nil)
				c.warn(soundFailure(err))
			}
		case c.recording != r || c.left: // it was given up meanwhile
			apart(c.w, func(context.Context) (nothing, error) { return nothing{}, recorder.Stop() }, func(nothing, error) {})
		default:
			r.recorder = recorder
		}
	})
}

// recorded ends the recording, and sends it or throws it away.
func (c *conversation) recorded(send bool) {
	r := c.recording
	if r == nil {
		return
	}
	c.recording = nil
	c.composer.SetRecording(nil)
	if r.recorder == nil {
		return
	}
	reply, now := c.writing.reply, c.w.opt.Now()
	if send {
		c.stopReply()
		c.newest()
	}
	apart(c.w, func(context.Context) (file []byte, err error) {
		err = r.recorder.Stop()
		if !send {
			return nil, nil
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		var b bytes.Buffer
		if failed := r.encoder.Finish(&b); failed != nil {
			return nil, errors.Join(failed, err)
		}
		return b.Bytes(), nil
	}, func(file []byte, err error) {
		switch {
		case err != nil && !c.left:
			c.warn(soundFailure(err))
		case err == nil && send:
			c.sendVoice(file, core.NewFile{Name: voice.FileName(now), Size: int64(len(file)), Reply: reply, Type: "voice", Duration: r.encoder.Duration()})
		}
	})
}

// sendVoice sends a voice message. What was spoken is kept for trying again if that does not work.
func (c *conversation) sendVoice(content []byte, file core.NewFile) {
	profile, id := c.profile, c.id
	apart(c.w, func(ctx context.Context) (nothing, error) {
		file.Content = bytes.NewReader(content)
		_, err := profile.SendFile(ctx, id, file)
		return nothing{}, notKept(err)
	}, func(_ nothing, err error) {
		again := func() { c.sendVoice(content, file) }
		switch {
		case err != nil && c.left:
			c.notSent(err, again)
		case err != nil:
			c.failed(err, again)
		}
	})
}

// soundFailure tells why nothing can be recorded or played.
func soundFailure(err error) string {
	switch {
	case errors.Is(err, sound.ErrNoMicrophone):
		return lang.L("There is no microphone, or this program may not use it.")
	case errors.Is(err, sound.ErrNoSpeaker):
		return lang.L("There is no loudspeaker to play it on.")
	case errors.Is(err, sound.ErrUnavailable):
		return lang.L("Sound can't be used on this computer: no sound server runs.")
	case errors.Is(err, sound.ErrLost):
		return lang.L("The sound server has ended. Try again.")
	case errors.Is(err, voice.ErrEmpty):
		return lang.L("Nothing was recorded.")
	case errors.Is(err, voice.ErrUnsupported), errors.Is(err, voice.ErrDamaged), errors.Is(err, voice.ErrTooLong):
		return lang.L("This voice message can't be played. Save it, and try another program.")
	}
	return sentence(err)
}

// playing is a voice message that is played, or was until it was paused.
type playing struct {
	item   int64
	player Player // nil while it is being decoded, and after the end
	clip   voice.Clip
	at     time.Duration
	speed  float64
	paused bool
}

// speeds are how fast voice messages are played, one after the other.
var speeds = map[float64]float64{1: 1.5, 1.5: 2, 2: 1}

// speedNames are how they are shown.
var speedNames = map[float64]string{1: "1×", 1.5: "1.5×", 2: "2×"}

// play plays a voice message, or pauses it.
func (c *conversation) play(id int64) {
	if c.w.opt.Play == nil {
		c.warn(soundFailure(sound.ErrUnavailable))
		return
	}
	if p := c.playing; p != nil && p.item == id {
		switch {
		case p.player == nil && len(p.clip.Samples) == 0: // it is being decoded
		case p.player == nil:
			p.at = 0
			c.startPlayer(p)
		case p.paused:
			p.paused = false
			p.player.Resume()
		default:
			p.paused = true
			p.player.Pause()
		}
		c.show(id)
		return
	}
	speed := 1.0
	if c.playing != nil {
		speed = c.playing.speed
	}
	c.stopPlaying()
	p := &playing{item: id, speed: speed}
	c.playing = p
	profile := c.profile
	apart(c.w, func(ctx context.Context) (voice.Clip, error) { return readClip(ctx, profile, id) }, func(clip voice.Clip, err error) {
		if c.playing != p || c.left {
			return
		}
		if err != nil {
			c.playing = nil
			c.warn(soundFailure(err))
			return
		}
		p.clip = clip
		c.startPlayer(p)
	})
	c.show(id)
}

// startPlayer opens the loudspeaker.
func (c *conversation) startPlayer(p *playing) {
	still := func(do func()) {
		c.w.later(func() {
			if c.playing == p && !c.left {
				do()
				c.show(p.item)
			}
		})
	}
	apart(c.w, func(context.Context) (Player, error) {
		return c.w.opt.Play(sound.Playback{Clip: p.clip, At: p.at, Speed: p.speed,
			Progress: func(at time.Duration) { still(func() { p.at = at }) },
			Ended: func(err error) {
				still(func() {
					p.player, p.at, p.paused = nil, 0, false
					if err != nil {
						c.warn(soundFailure(err))
					}
				})
			},
		})
	}, func(player Player, err error) {
		switch {
		case err != nil:
			if c.playing == p {
				c.playing = nil
				c.show(p.item)
				c.warn(soundFailure(err))
			}
		case c.playing != p || c.left:
			apart(c.w, func(context.Context) (nothing, error) { player.Stop(); return nothing{}, nil }, func(nothing, error) {})
		default:
			p.player = player
			c.show(p.item)
		}
	})
}

// stopPlaying ends what is played.
func (c *conversation) stopPlaying() {
	p := c.playing
	if p == nil {
		return
	}
	c.playing = nil
	if player := p.player; player != nil {
		apart(c.w, func(context.Context) (nothing, error) { player.Stop(); return nothing{}, nil }, func(nothing, error) {})
	}
	c.show(p.item)
}

// show draws a message again.
func (c *conversation) show(id int64) {
	if i := c.index(id); i >= 0 {
		c.list.Changed(i)
	}
}

// seek goes on with another part of a voice message.
func (c *conversation) seek(i int, part float32) {
	p := c.playing
	if p == nil || p.item != c.items[i].ID || p.player == nil {
		return
	}
	p.at = time.Duration(float64(p.clip.Duration()) * float64(part))
	p.player.Seek(p.at)
	c.show(p.item)
}

// faster plays a voice message faster, or as it was spoken again.
func (c *conversation) faster(i int) {
	p := c.playing
	if p == nil || p.item != c.items[i].ID {
		return
	}
	p.speed = speeds[p.speed]
	if p.player != nil {
		p.player.SetSpeed(p.speed)
	}
	c.show(p.item)
}

// voiceView shows how far a voice message was played.
func (c *conversation) voiceView(item *core.Item, a *widget.Attachment) {
	if !isHere(item) {
		return
	}
	a.Detail, a.Loudness = "", c.media.wave(item)
	if a.Icon == "" {
		a.Icon = "play"
	}
	p := c.playing
	if p == nil || p.item != item.ID {
		return
	}
	a.Speed = speedNames[p.speed]
	if length := p.clip.Duration(); length > 0 {
		a.Played = float32(p.at) / float32(length)
		a.Duration = clockOf(length - p.at)
	}
	if p.player != nil && !p.paused && a.Icon == "play" {
		a.Icon = "pause"
	}
}
