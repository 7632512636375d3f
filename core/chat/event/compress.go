package event

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxDecompressed is the largest content of a zstd frame, in bytes (chat-protocol.md §3).
const maxDecompressed = 65536

// maxWindow is the window that every zstd decoder is advised to support.
const maxWindow = 8 << 20

// Encoder and decoder start no goroutines and may be used by several at once.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		// A single segment always carries its content size, even of short content
		// (gotchas-agent.md B12). The default level is the reference's level 3, except that it
		// stores what has no repetitions, such as the base64 of a picture, as it is: a
		// preview of 14000 characters would then not fit into a post-quantum message.
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithAllLitEntropyCompression(true),
			zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxDecompressed))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxWindow),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1))
		if err != nil {
			panic(err) // the options are constant
		}
		return d
	})
)

// compress returns a zstd frame with its content size.
func compress(b []byte) []byte { return encoder().EncodeAll(b, nil) }

// decompress returns the content of one zstd frame, whose size has to stand in it.
func decompress(frame []byte) ([]byte, error) {
	var h zstd.Header
	switch err := h.Decode(frame); {
	case err != nil || h.Skippable:
		return nil, fmt.Errorf("%w: not a zstd frame", ErrForm)
	case !h.HasFCS:
		return nil, fmt.Errorf("%w: a zstd frame without its content size", ErrForm)
	case h.FrameContentSize > maxDecompressed:
		return nil, fmt.Errorf("%w: content of a zstd frame", ErrLimit)
	}
	b, err := decoder().DecodeAll(frame, make([]byte, 0, h.FrameContentSize))
	if err != nil || uint64(len(b)) != h.FrameContentSize {
		return nil, fmt.Errorf("%w: damaged zstd frame", ErrForm)
	}
	return b, nil
}
