// Package sound records from the microphone and plays clips. It speaks to the sound server of the desktop, PulseAudio or PipeWire,
// over the server's own socket, without C; on systems that have neither it returns ErrUnavailable. It knows nothing of windows:
// callbacks come from goroutines of this package, and a window has to hand them to its own.
//
//	var file voice.Encoder
//	r, err := sound.Record(sound.Recording{Write: func(s []int16) error { show(voice.Level(s)); return file.Write(s) }})
//	…
//	err = r.Stop()
//	err = file.Finish(w)
//
//	clip, err := voice.Decode(ctx, f)
//	p, err := sound.Play(sound.Playback{Clip: clip, Speed: 1.5, Progress: show, Ended: ended})
//	…
//	p.Pause(); p.Resume(); p.Seek(at); p.SetSpeed(2); p.Stop()
//
// The server is the one that PULSE_SERVER names, or the one of the desktop session.
package sound

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// Errors of this package, wrapped with what was being done.
var (
	// ErrUnavailable: sound can't be used on this computer: no sound server runs, or this system is not supported.
	ErrUnavailable = errors.New("no sound server was found on this computer")
	// ErrNoMicrophone: the sound server has nothing to record from.
	ErrNoMicrophone = errors.New("no microphone was found")
	// ErrNoSpeaker: the sound server has nothing to play on.
	ErrNoSpeaker = errors.New("no loudspeaker was found")
	// ErrLost: the sound server ended, or it took the microphone or the loudspeaker away.
	ErrLost = errors.New("the sound server ended the connection")
)

const (
	// answerTime is how long the server has for an answer; it may have to wake a device first.
	answerTime = 5 * time.Second
	// checkEvery is how often it is looked whether the server is still there, and where it plays.
	checkEvery = 50 * time.Millisecond

	bytesPerSample = 2
)

// server is a connection with the sound server, for one stream.
type server struct {
	*proto.Client
	conn io.Closer

	wake chan struct{} // something came

	mu     sync.Mutex
	wanted map[uint32]int // bytes that the server asks for, by stream
	data   []byte         // recorded and not yet taken
	limit  int            // of data; what comes above it is dropped
	killed bool           // the server ended the stream
}

// dial connects with the sound server.
func dial() (s *server, err error) {
	defer func() {
		// The library panics on some odd addresses in the environment.
		if v := recover(); v != nil {
			s, err = nil, fmt.Errorf("%w: %v", ErrUnavailable, v)
		}
	}()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return nil, fmt.Errorf("%w: there is no support for this system", ErrUnavailable)
	}
	client, conn, err := proto.Connect("")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s = &server{Client: client, conn: conn, wake: make(chan struct{}, 1), wanted: map[uint32]int{}}
	client.SetTimeout(answerTime)
	client.Callback = s.receive
	props := proto.PropList{"application.name": proto.PropListString("Sotto"), "application.icon_name": proto.PropListString("sotto")}
	if err := client.Request(&proto.SetClientName{Props: props}, &proto.SetClientNameReply{}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return s, nil
}

// receive takes what the server sends by itself. It is called by the goroutine that reads, and must not wait.
func (s *server) receive(message any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := message.(type) {
	case *proto.Request:
		s.wanted[m.StreamIndex] += int(m.Length)
	case *proto.DataPacket:
		s.data = append(s.data, m.Data[:min(len(m.Data), s.limit-len(s.data))]...)
	case *proto.PlaybackStreamKilled, *proto.RecordStreamKilled, *proto.ConnectionClosed:
		s.killed = true
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// recorded takes what came since the last call.
func (s *server) recorded() (data []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// An odd byte waits for its other half.
	whole := len(s.data) &^ 1
	data, s.data = s.data[:whole], append([]byte(nil), s.data[whole:]...)
	if s.killed {
		err = ErrLost
	}
	return data, err
}

// asked takes how many bytes a stream has to be sent.
func (s *server) asked(stream uint32) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.wanted[stream]
	delete(s.wanted, stream)
	if s.killed {
		err = ErrLost
	}
	return n, err
}

// properties name a stream for the volume control of the desktop.
var properties = proto.PropList{"media.name": proto.PropListString("Sotto")}

// noDevice returns absent for the server's answer that there is no device.
func noDevice(err, absent error) error {
	if errors.Is(err, proto.ErrNoSuchEntity) {
		return absent
	}
	return err
}
