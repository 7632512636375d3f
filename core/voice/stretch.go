package voice

import "math"

// MinSpeed and MaxSpeed are the limits of a Stretcher's speed.
const (
	MinSpeed = 0.5
	MaxSpeed = 3
)

// Stretcher reads a clip faster or slower than it was spoken, at the pitch it was spoken in. It joins pieces of the sound where
// they resemble each other (WSOLA: W. Verhelst and M. Roelands, ICASSP 1993). At speed 1 it gives the samples as they are.
// A Stretcher is for one goroutine.
type Stretcher struct {
	samples []int16
	speed   float64
	at      float64 // where in samples the next piece would be taken from
	next    int     // where the piece that was last given goes on
	block   []int16 // of one piece
	ready   []int16 // the part of block that is still to be given

	hop    int // length of a piece
	reach  int // how far from its place a piece may be taken
	stride int // every how many samples are compared
}

// NewStretcher returns a Stretcher at the start of a clip, at speed 1.
func NewStretcher(c Clip) *Stretcher {
	s := &Stretcher{samples: c.Samples, speed: 1}
	// A piece spans the periods of a low voice, and so does the range it is looked for in: 60 Hz are 17 ms.
	s.hop = max(1, c.Rate*15/1000)
	s.reach = c.Rate * 10 / 1000
	s.stride = max(1, c.Rate/12000)
	s.block = make([]int16, s.hop)
	return s
}

// SetSpeed changes the speed from here on; it is kept within MinSpeed and MaxSpeed.
func (s *Stretcher) SetSpeed(speed float64) {
	s.speed = max(MinSpeed, min(MaxSpeed, speed))
	s.at = float64(s.next)
}

// Seek goes on from a sample of the clip.
func (s *Stretcher) Seek(sample int) {
	s.next = max(0, min(sample, len(s.samples)))
	s.at, s.ready = float64(s.next), nil
}

// Read gives the next samples; 0 means that the clip is at its end.
func (s *Stretcher) Read(out []int16) int {
	n := 0
	for n < len(out) {
		if len(s.ready) == 0 && !s.piece() {
			break
		}
		c := copy(out[n:], s.ready)
		s.ready, n = s.ready[c:], n+c
	}
	return n
}

// piece makes the next piece. It reports false at the end.
func (s *Stretcher) piece() bool {
	if s.next >= len(s.samples) {
		return false
	}
	ideal := int(s.at)
	if s.speed == 1 {
		ideal = s.next
	}
	if ideal+s.reach+s.hop > len(s.samples) || s.next+s.hop > len(s.samples) {
		// The end: what is left where the last piece ended, if it isn't what a fast listener would have passed.
		rest := s.samples[s.next:min(len(s.samples), s.next+s.hop)]
		s.ready = s.block[:copy(s.block, rest)]
		s.next += len(rest)
		s.at += float64(s.hop) * s.speed
		if s.at >= float64(len(s.samples)) {
			s.next = len(s.samples)
		}
		return true
	}
	from := ideal
	if ideal != s.next {
		from = s.similar(ideal)
	}
	old, fresh := s.samples[s.next:], s.samples[from:]
	copy(s.block, old)
	if from != s.next {
		for i := range s.block {
			// The old goes out as the new comes in; they are alike, so their amplitudes add up.
			w := float64(i) / float64(s.hop)
			s.block[i] = int16(float64(old[i])*(1-w) + float64(fresh[i])*w)
		}
	}
	s.ready = s.block
	s.next = from + s.hop
	if s.speed == 1 {
		s.at = float64(s.next)
	} else {
		s.at += float64(s.hop) * s.speed
	}
	return true
}

// similar returns the place near ideal where the sound is most like the one that would come next.
func (s *Stretcher) similar(ideal int) int {
	want := s.samples[s.next : s.next+s.hop]
	best, least := ideal, int64(math.MaxInt64)
	for from := max(0, ideal-s.reach); from <= ideal+s.reach; from++ {
		have := s.samples[from : from+s.hop]
		difference := int64(0)
		for i := 0; i < s.hop && difference < least; i += s.stride {
			d := int64(want[i]) - int64(have[i])
			if d < 0 {
				d = -d
			}
			difference += d
		}
		if difference < least {
			best, least = from, difference
		}
	}
	return best
}
