// Package voice makes and reads the files of voice messages: AAC-LC sound in an MP4 container, named .m4a. It knows neither
// microphones nor loudspeakers; ui/sound does.
//
// To record, feed an Encoder what the microphone gives and call Finish. To play, Decode the file and hand the Clip to a Player of
// ui/sound, or read it through a Stretcher. Waveform and Level give the curve that is drawn.
//
// The sound itself is coded by github.com/tphakala/go-aac, which needs no C. It decodes AAC-LC of every rate, mono and stereo:
// phones send 16 kHz mono at 32 kbit/s. Of HE-AAC the core is played, which lacks the highest tones. The container and the change of
// speed are small and are done here: files come from anybody, so every count in them is checked against what a voice message can be
// before memory is taken.
package voice

import (
	"errors"
	"time"
)

const (
	// MaxDuration is how long a voice message may be (chat-protocol.md §5).
	MaxDuration = 300 * time.Second
	// Rate is how many samples per second an Encoder takes.
	Rate = 44100

	// bitRate is in bits per second, as the network's other programs record.
	bitRate = 32_000
	// cutoff, in Hz, is the highest frequency that is coded: that of the 16 kHz recordings of phones. Nothing of speech is lost,
	// and the bits go where they are heard.
	cutoff = 8000

	// maxPlayed is how long a file may be that is decoded: other programs stop their recordings some time after the limit.
	maxPlayed = MaxDuration + 30*time.Second
	// maxRate is the highest rate that is decoded; with maxPlayed it bounds the memory of a Clip to 32 MB.
	maxRate = 48000
	// maxFile is the size of the largest file that is decoded, in bytes: ten times what is usual for the longest message.
	maxFile = 12 << 20
)

// Errors of this package, wrapped with what was wrong.
var (
	ErrTooLong     = errors.New("the voice message is too long")
	ErrEmpty       = errors.New("the voice message has no sound")
	ErrUnsupported = errors.New("voice messages of this kind can't be played")
	ErrDamaged     = errors.New("the voice message is damaged")
)

// Clip is decoded sound with one channel.
type Clip struct {
	Samples []int16
	Rate    int // samples per second
}

// Duration tells how long the clip is.
func (c Clip) Duration() time.Duration {
	if c.Rate <= 0 {
		return 0
	}
	return time.Duration(len(c.Samples)) * time.Second / time.Duration(c.Rate)
}

// FileName returns the name of the file of a voice message that is recorded at a time, as the network's other programs name theirs.
func FileName(at time.Time) string {
	return at.Format("voice_20060102_150405") + ".m4a"
}
