package voice

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tphakala/go-aac/pcm"
)

// Decode reads the file of a voice message, ours or anybody's. Two channels become one. A file that is longer than a voice message
// can be, that is damaged or that holds something else gives ErrTooLong, ErrDamaged or ErrUnsupported; a file without sound gives
// ErrEmpty. It takes less than 100 MB of memory whatever the file is, a third of which remains in the clip.
func Decode(ctx context.Context, r io.Reader) (clip Clip, err error) {
	defer func() {
		// The decoder reads bytes that anybody may have made.
		if v := recover(); v != nil {
			clip, err = Clip{}, fmt.Errorf("%w: %v", ErrDamaged, v)
		}
	}()
	file, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return Clip{}, fmt.Errorf("read the voice message: %w", err)
	}
	if len(file) > maxFile {
		return Clip{}, fmt.Errorf("%w: more than %d bytes", ErrTooLong, maxFile)
	}
	t, err := parse(file)
	if err != nil {
		return Clip{}, err
	}
	t.config = coreConfig(t.config)
	clip, err = t.decode(ctx)
	if errors.Is(err, pcm.ErrUnsupported) {
		if err := t.toCore(ctx); err != nil {
			return Clip{}, err
		}
		return t.decode(ctx)
	}
	return clip, err
}

// toCore makes HE-AAC its core.
func (t *track) toCore(ctx context.Context) error {
	for i, f := range t.frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		core, ok := coreFrame(t.config, f)
		if !ok {
			return fmt.Errorf("%w: it is neither AAC-LC nor HE-AAC", ErrUnsupported)
		}
		t.frames[i] = core
	}
	return nil
}

// decode decodes the frames.
func (t *track) decode(ctx context.Context) (Clip, error) {
	// The decoder takes frames that each follow their size.
	var framed bytes.Buffer
	for _, f := range t.frames {
		framed.Write(binary.BigEndian.AppendUint16(framed.AvailableBuffer(), uint16(len(f))))
		framed.Write(f)
	}
	decoder, err := pcm.NewDecoder(&framed, pcm.WithRawStream(t.config))
	if err != nil {
		return Clip{}, decodeError(err)
	}
	info := decoder.Info()
	switch {
	case info.SampleRate <= 0 || info.SampleRate > maxRate || info.Channels < 1 || info.Channels > 2:
		return Clip{}, fmt.Errorf("%w: %d samples per second, %d channels", ErrUnsupported, info.SampleRate, info.Channels)
	case len(t.frames)*samplesPerFrame > int(maxPlayed.Seconds())*info.SampleRate:
		return Clip{}, ErrTooLong
	}

	samples := make([]int16, 0, len(t.frames)*samplesPerFrame)
	frame := make([]byte, samplesPerFrame*2*info.Channels)
	for {
		if err := ctx.Err(); err != nil {
			return Clip{}, err
		}
		n, err := io.ReadFull(decoder, frame)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return Clip{}, decodeError(err)
		}
		samples = appendMono(samples, frame[:n], info.Channels)
		if err != nil {
			break
		}
	}
	samples = t.trim(samples, info.SampleRate)
	if len(samples) == 0 {
		return Clip{}, ErrEmpty
	}
	return Clip{Samples: samples, Rate: info.SampleRate}, nil
}

// appendMono adds little-endian samples of one or two channels that take turns.
func appendMono(samples []int16, data []byte, channels int) []int16 {
	for ; len(data) >= 2*channels; data = data[2*channels:] {
		s := int32(int16(binary.LittleEndian.Uint16(data)))
		if channels == 2 {
			s = (s + int32(int16(binary.LittleEndian.Uint16(data[2:])))) / 2
		}
		samples = append(samples, int16(s))
	}
	return samples
}

// trim cuts what is not to be played. An edit that makes no sense is passed over: the sound is worth more than the order.
func (t *track) trim(samples []int16, rate int) []int16 {
	in := func(n, scale uint64) uint64 {
		if scale == 0 || n > 1<<40 {
			return 0
		}
		return n * uint64(rate) / scale
	}
	if start := in(t.start, t.timescale); start < uint64(len(samples)) {
		samples = samples[start:]
	}
	if length := in(t.length, t.movieTimescale); length > 0 && length < uint64(len(samples)) {
		samples = samples[:length]
	}
	return samples
}

// decodeError tells damage from what is not supported.
func decodeError(err error) error {
	if errors.Is(err, pcm.ErrUnsupported) {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
