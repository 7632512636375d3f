package sound

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/sotto-chat/sotto/core/voice"
)

const (
	// ahead is how much sound the server has before it is heard: short enough for Pause to be prompt, long enough for a busy
	// computer.
	ahead = 200 * time.Millisecond
)

// Playback says what is played.
type Playback struct {
	Clip  voice.Clip
	At    time.Duration // where in the clip to start
	Speed float64       // 1 for as it was spoken, also for 0; see voice.Stretcher

	// Progress is called about 20 times a second while it plays, with the place in the clip that is heard.
	Progress func(at time.Duration)
	// Ended is called when the clip is at its end, with nil, or when it cannot go on. It is not called after Stop.
	// Progress and Ended are called by one goroutine. They must not call Stop, and not wait for what waits for Stop.
	Ended func(err error)
}

// Player plays a clip. Its methods may be called from any goroutine, and do nothing once playing has ended. All but Stop return at
// once, and take effect as soon as the server has followed; a call of Progress from before can still come after them.
type Player struct {
	server   *server
	playback Playback
	commands chan func() error
	stop     chan struct{}
	once     sync.Once
	done     chan struct{}

	// What follows belongs to run.
	sound   *voice.Stretcher
	stream  uint32
	open    bool
	paused  bool
	speed   float64
	from    time.Duration // the place in the clip where the stream began
	at      time.Duration // the place that is heard
	atEnd   bool          // the sound of the clip is with the server; silence follows
	length  int           // in bytes, what was sent of the clip
	samples []int16
	bytes   []byte
}

// Play starts to play a clip on the loudspeaker that is chosen in the settings of the desktop. It can wait for the sound server
// for some seconds. ErrUnavailable and ErrNoSpeaker tell what is missing.
func Play(what Playback) (*Player, error) {
	if what.Clip.Rate <= 0 || len(what.Clip.Samples) == 0 {
		return nil, fmt.Errorf("play: %w", voice.ErrEmpty)
	}
	s, err := dial()
	if err != nil {
		return nil, fmt.Errorf("play: %w", err)
	}
	p := &Player{
		server: s, playback: what, sound: voice.NewStretcher(what.Clip),
		commands: make(chan func() error, 16), stop: make(chan struct{}), done: make(chan struct{}),
	}
	p.setSpeed(what.Speed)
	if err := p.start(what.At); err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("play: %w", err)
	}
	go p.run()
	return p, nil
}

// Pause stops until Resume.
func (p *Player) Pause() { p.do(func() error { return p.cork(true) }) }

// Resume goes on after Pause.
func (p *Player) Resume() { p.do(func() error { return p.cork(false) }) }

// Seek goes on from another place in the clip; a paused clip remains paused.
func (p *Player) Seek(at time.Duration) { p.do(func() error { return p.start(at) }) }

// SetSpeed changes how fast it plays.
func (p *Player) SetSpeed(speed float64) {
	p.do(func() error {
		if err := p.look(); err != nil {
			return err
		}
		p.setSpeed(speed)
		return p.start(p.at)
	})
}

// Stop ends playing; no callback comes after it has returned. It can be called again.
func (p *Player) Stop() {
	p.once.Do(func() { close(p.stop) })
	<-p.done
}

// do has run call f, in the order of the calls.
func (p *Player) do(f func() error) {
	select {
	case p.commands <- f:
	case <-p.done:
	}
}

// run owns the stream until the end.
func (p *Player) run() {
	defer close(p.done)
	defer p.server.conn.Close()
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		var err error
		select {
		case <-p.stop:
			return
		case f := <-p.commands:
			err = f()
		case <-p.server.wake:
			err = p.feed()
		case <-check.C:
			if err = p.look(); err != nil || p.paused {
				break
			}
			if p.at >= p.playback.Clip.Duration() {
				p.progress()
				p.ended(nil)
				return
			}
			p.progress()
		}
		if err != nil {
			p.ended(fmt.Errorf("play: %w", err))
			return
		}
	}
}

func (p *Player) progress() {
	if p.playback.Progress != nil {
		p.playback.Progress(p.at)
	}
}

// ended tells of the end, unless Stop was called in the meantime.
func (p *Player) ended(err error) {
	select {
	case <-p.stop:
	default:
		if p.playback.Ended != nil {
			p.playback.Ended(err)
		}
	}
}

func (p *Player) setSpeed(speed float64) {
	if speed == 0 {
		speed = 1
	}
	p.speed = max(voice.MinSpeed, min(voice.MaxSpeed, speed))
	p.sound.SetSpeed(p.speed)
}

// start plays from a place in the clip. It opens a new stream, so that nothing is heard of what the old one still has, and the
// server counts from 0.
func (p *Player) start(at time.Duration) error {
	if p.open {
		p.open = false
		if err := p.server.Request(&proto.DeletePlaybackStream{StreamIndex: p.stream}, nil); err != nil {
			return ErrLost
		}
		if _, err := p.server.asked(p.stream); err != nil {
			return err
		}
	}
	clip := p.playback.Clip
	p.from = max(0, min(at, clip.Duration()))
	p.at = p.from
	p.sound.Seek(int(p.from * time.Duration(clip.Rate) / time.Second))
	p.atEnd, p.length = false, 0

	var reply proto.CreatePlaybackStreamReply
	err := p.server.Request(&proto.CreatePlaybackStream{
		SampleSpec:         proto.SampleSpec{Format: proto.FormatInt16LE, Channels: 1, Rate: uint32(clip.Rate)},
		ChannelMap:         proto.ChannelMap{proto.ChannelMono},
		SinkIndex:          proto.Undefined,
		BufferMaxLength:    proto.Undefined,
		Corked:             p.paused,
		BufferTargetLength: uint32(clip.Rate) * bytesPerSample * uint32(ahead/time.Millisecond) / 1000,
		// What came late would be dropped without this: the server would go on as if it had been there. More would keep clips waiting that
		// are shorter.
		BufferPrebufferLength: bytesPerSample,
		BufferMinimumRequest:  proto.Undefined,
		ChannelVolumes:        proto.ChannelVolumes{0x10000},
		AdjustLatency:         true,
		Properties:            properties,
	}, &reply)
	if err != nil {
		return noDevice(err, ErrNoSpeaker)
	}
	p.stream, p.open = reply.StreamIndex, true
	return p.send(int(reply.Missing))
}

func (p *Player) cork(paused bool) error {
	if paused == p.paused {
		return nil
	}
	if err := p.server.Request(&proto.CorkPlaybackStream{StreamIndex: p.stream, Corked: paused}, nil); err != nil {
		return ErrLost
	}
	p.paused = paused
	return nil
}

// feed sends what the server asks for.
func (p *Player) feed() error {
	n, err := p.server.asked(p.stream)
	if err != nil {
		return err
	}
	return p.send(n)
}

// send sends n bytes, of the clip or of silence after it: the server has to go on for the end of the clip to leave the loudspeaker.
func (p *Player) send(n int) error {
	const most = 1 << 16
	for n >= bytesPerSample {
		size := min(n, most) / bytesPerSample
		if cap(p.samples) < size {
			p.samples = make([]int16, size)
		}
		out := p.samples[:size]
		if !p.atEnd {
			out = out[:p.sound.Read(out)]
			p.length += len(out) * bytesPerSample
			p.atEnd = len(out) == 0
		}
		if p.atEnd {
			out = p.samples[:size]
			clear(out)
		}
		p.bytes = p.bytes[:0]
		for _, s := range out {
			p.bytes = binary.LittleEndian.AppendUint16(p.bytes, uint16(s))
		}
		if err := p.server.Send(p.stream, p.bytes); err != nil {
			return ErrLost
		}
		n -= len(p.bytes)
	}
	return nil
}

// look asks the server where it is, and whether it is.
func (p *Player) look() error {
	var reply proto.GetPlaybackLatencyReply
	if err := p.server.Request(&proto.GetPlaybackLatency{StreamIndex: p.stream}, &reply); err != nil {
		return ErrLost
	}
	rate := time.Duration(p.playback.Clip.Rate) * bytesPerSample
	heard := time.Duration(max(0, reply.ReadIndex))*time.Second/rate - time.Duration(reply.Latency)*time.Microsecond
	if whole := time.Duration(p.length) * time.Second / rate; p.atEnd && heard >= whole {
		p.at = p.playback.Clip.Duration()
		return nil
	}
	at := p.from + time.Duration(float64(max(0, heard))*p.speed)
	p.at = max(p.at, min(at, p.playback.Clip.Duration()-1))
	return nil
}
