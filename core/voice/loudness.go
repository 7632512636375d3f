package voice

import "math"

// Level returns how loud samples are, 0 for silence to 255 for as loud as speech gets. It follows the logarithm of their power, as
// ears do.
func Level(samples []int16) byte {
	if len(samples) == 0 {
		return 0
	}
	power := 0.0
	for _, s := range samples {
		power += float64(s) * float64(s)
	}
	power /= float64(len(samples)) * (1 << 30)
	const silence, loud = -50, -12 // in dB below the loudest that can be
	db := 10 * math.Log10(power)   // minus infinity for nothing
	return byte(255 * max(0, min(1, (db-silence)/(loud-silence))))
}

// Waveform returns the levels of n pieces of equal length, for the curve of a message; fewer if there are fewer samples.
func Waveform(samples []int16, n int) []byte {
	n = min(n, len(samples))
	if n <= 0 {
		return nil
	}
	levels := make([]byte, n)
	for i := range levels {
		levels[i] = Level(samples[i*len(samples)/n : (i+1)*len(samples)/n])
	}
	return levels
}
