package sound

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/sotto-chat/sotto/core/voice"
)

// pieceTime is how much sound a piece has that is handed to Recording.Write.
const pieceTime = 50 * time.Millisecond

// Recording says what becomes of what is recorded.
type Recording struct {
	// Write takes the samples, voice.Rate of them for a second, one channel, in pieces of about 50 ms. It is called by one
	// goroutine. If it returns an error, the recording ends: voice.ErrTooLong, which an Encoder returns at the longest a message
	// may be, is an end like any other, and every other error goes to Ended. The samples are the caller's only until it returns.
	Write func(samples []int16) error
	// Ended is called, by the same goroutine, if the recording ends before Stop is called: nil for the longest time, else what
	// happened. Everything that was recorded until then has gone to Write, and can be used.
	Ended func(err error)
}

// Recorder is a recording under way.
type Recorder struct {
	server *server
	stream uint32
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}
	err    error // before done is closed
}

// Record starts to record from the microphone that is chosen in the settings of the desktop. It can wait for the sound server for
// some seconds. ErrUnavailable and ErrNoMicrophone tell what is missing.
func Record(to Recording) (*Recorder, error) {
	s, err := dial()
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := &Recorder{server: s, stop: make(chan struct{}), done: make(chan struct{})}
	if err := r.open(); err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("record: %w", err)
	}
	go r.run(to)
	return r, nil
}

func (r *Recorder) open() error {
	// Without a microphone, servers offer what the loudspeakers play instead. Nobody who records a voice message wants to send that.
	var source proto.GetSourceInfoReply
	err := r.server.Request(&proto.GetSourceInfo{SourceIndex: proto.Undefined, SourceName: "@DEFAULT_SOURCE@"}, &source)
	if err != nil {
		return noDevice(err, ErrNoMicrophone)
	}
	if source.MonitorSourceIndex != proto.Undefined {
		return ErrNoMicrophone
	}
	// What isn't taken for ten seconds is lost.
	r.server.mu.Lock()
	r.server.limit = 10 * voice.Rate * bytesPerSample
	r.server.mu.Unlock()
	var reply proto.CreateRecordStreamReply
	err = r.server.Request(&proto.CreateRecordStream{
		SampleSpec:         proto.SampleSpec{Format: proto.FormatInt16LE, Channels: 1, Rate: voice.Rate},
		ChannelMap:         proto.ChannelMap{proto.ChannelMono},
		SourceIndex:        source.SourceIndex,
		BufferMaxLength:    proto.Undefined,
		BufferFragSize:     uint32(voice.Rate*bytesPerSample*pieceTime/time.Second) &^ 1,
		AdjustLatency:      true,
		DirectOnInputIndex: proto.Undefined,
		ChannelVolumes:     proto.ChannelVolumes{0x10000},
		Properties:         properties,
	}, &reply)
	if err != nil {
		return noDevice(err, ErrNoMicrophone)
	}
	r.stream = reply.StreamIndex
	return nil
}

// Stop ends the recording and waits until the last samples have gone to Write. It returns why the recording had ended before, if
// it had. Don't call it from Write or Ended, nor have them wait for what waits for it. It can be called again.
func (r *Recorder) Stop() error {
	r.once.Do(func() { close(r.stop) })
	<-r.done
	return r.err
}

// run takes what comes until the end.
func (r *Recorder) run(to Recording) {
	defer close(r.done)
	defer r.server.conn.Close()
	check := time.NewTicker(time.Second)
	defer check.Stop()
	var samples []int16
	pass := func() error {
		data, lost := r.server.recorded()
		samples = samples[:0]
		for ; len(data) >= bytesPerSample; data = data[bytesPerSample:] {
			samples = append(samples, int16(binary.LittleEndian.Uint16(data)))
		}
		if len(samples) > 0 {
			if err := to.Write(samples); err != nil {
				return err
			}
		}
		return lost
	}
	for {
		var err error
		select {
		case <-r.stop:
			// Once the server has answered, all that it sent for the stream is here.
			_ = r.server.Request(&proto.CorkRecordStream{StreamIndex: r.stream, Corked: true}, nil)
			if err := pass(); err != nil && !errors.Is(err, voice.ErrTooLong) {
				r.err = fmt.Errorf("record: %w", err)
			}
			return
		case <-r.server.wake:
			err = pass()
		case <-check.C:
			if r.server.Request(&proto.GetRecordLatency{StreamIndex: r.stream}, &proto.GetRecordLatencyReply{}) != nil {
				if err = pass(); err == nil {
					err = ErrLost
				}
			}
		}
		if err != nil {
			if !errors.Is(err, voice.ErrTooLong) {
				r.err = fmt.Errorf("record: %w", err)
			}
			if to.Ended != nil {
				to.Ended(r.err)
			}
			return
		}
	}
}
