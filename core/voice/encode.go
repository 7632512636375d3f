package voice

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/tphakala/go-aac/pcm"
)

// Encoder makes the file of a voice message while it is recorded. The sound is kept in memory, coded (4 KB for a second), so that
// nothing is on disk before the caller puts it there. The zero value is ready for use; don't copy it after the first Write.
type Encoder struct {
	coder   *pcm.FrameEncoder
	bytes   []byte // the samples of one Write, as the coder takes them
	frames  []byte // coded
	sizes   []uint32
	samples int
	err     error
}

// Write adds samples, Rate of them for a second, one channel. Once the message is longer than MaxDuration, the rest is dropped
// and the error is ErrTooLong; what was written before can still be finished.
func (e *Encoder) Write(samples []int16) error {
	if e.err != nil {
		return e.err
	}
	if e.coder == nil {
		e.coder, e.err = pcm.NewFrameEncoder(pcm.Config{SampleRate: Rate, BitDepth: 16, Channels: 1, Bitrate: bitRate, Cutoff: cutoff})
		if e.err != nil {
			return fmt.Errorf("start the encoder: %w", e.err)
		}
	}
	room := int(MaxDuration/time.Second)*Rate - e.samples
	tooLong := len(samples) > room
	samples = samples[:min(len(samples), room)]
	e.samples += len(samples)
	e.bytes = e.bytes[:0]
	for _, s := range samples {
		e.bytes = binary.LittleEndian.AppendUint16(e.bytes, uint16(s))
	}
	if err := e.coder.EncodeInterleaved(e.bytes, e.add); err != nil {
		e.err = fmt.Errorf("encode the voice message: %w", err)
		return e.err
	}
	if tooLong {
		return ErrTooLong
	}
	return nil
}

// Duration tells how much has been written.
func (e *Encoder) Duration() time.Duration {
	return time.Duration(e.samples) * time.Second / Rate
}

// Finish writes the file; nothing can be added then. Without any sound it returns ErrEmpty.
// The file tells nothing but the sound: no time, no name, no program.
func (e *Encoder) Finish(w io.Writer) error {
	switch {
	case e.err != nil:
		return e.err
	case e.samples == 0:
		return ErrEmpty
	}
	if err := e.coder.Flush(e.add); err != nil {
		return fmt.Errorf("encode the voice message: %w", err)
	}
	t := track{
		config:    e.coder.AudioSpecificConfig(),
		timescale: Rate, movieTimescale: Rate,
		start: uint64(e.coder.Delay()), length: uint64(e.samples),
	}
	if _, err := w.Write(t.header(e.sizes, len(e.frames))); err != nil {
		return fmt.Errorf("write the voice message: %w", err)
	}
	if _, err := w.Write(e.frames); err != nil {
		return fmt.Errorf("write the voice message: %w", err)
	}
	return nil
}

func (e *Encoder) add(frame []byte, _ int) error {
	e.frames = append(e.frames, frame...)
	e.sizes = append(e.sizes, uint32(len(frame)))
	return nil
}
