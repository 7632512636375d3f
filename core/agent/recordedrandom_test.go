package agent

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// recordedRandom yields what a party drew. What is for a key, a nonce and a post-quantum key is told apart by its size.
type recordedRandom struct {
	mu     sync.Mutex
	bySize map[int][][]byte
	own    *rand.ChaCha8
}

// Sizes of what is drawn for the polynomials of post-quantum keys, and of their encoding.
const (
	kemDraw    = 4 * 761
	kemEncoded = 191
)

func newRecordedRandom(rec *recording, party string) *recordedRandom {
	r := &recordedRandom{bySize: map[int][][]byte{}, own: rand.NewChaCha8([32]byte{1})}
	drawn := rec.Random[party]
	for size, list := range map[int][]hexBytes{32: drawn.Keys, 56: drawn.X448, 24: drawn.Nonces} {
		for _, b := range list {
			r.add(size, b)
		}
	}
	for _, k := range drawn.KEM {
		switch {
		case k.Input != nil:
			r.add(kemDraw, shuffleDraw(k.Input))
		case k.Key != nil:
			r.add(kemDraw, smallDraw(k.Key[:kemEncoded]))
			r.add(kemDraw, shuffleDraw(k.Key[kemEncoded:2*kemEncoded]))
			r.add(kemEncoded, k.Key[2*kemEncoded:])
		default:
			r.add(kemDraw, nil)
			r.add(kemDraw, nil)
			r.add(kemEncoded, nil)
		}
	}
	return r
}

func (r *recordedRandom) add(size int, b []byte) { r.bySize[size] = append(r.bySize[size], b) }

func (r *recordedRandom) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.bySize[len(b)]
	if len(list) == 0 {
		return 0, fmt.Errorf("the recording has no more random values of %d bytes", len(b))
	}
	r.bySize[len(b)] = list[1:]
	if len(list[0]) == 0 {
		return r.own.Read(b)
	}
	return copy(b, list[0]), nil
}

func (r *recordedRandom) finish(t *testing.T, party string) {
	for size, list := range r.bySize {
		if len(list) > 0 {
			t.Errorf("%s did not draw %d values of %d bytes", party, len(list), size)
		}
	}
}

// coefficients decodes a polynomial; each is the coefficient plus 1.
func coefficients(encoded []byte) []uint32 {
	c := make([]uint32, 761)
	for i := range c {
		c[i] = uint32(encoded[i/4] >> (i % 4 * 2) & 3)
	}
	return c
}

// smallDraw returns the random numbers from which a small polynomial is made one by one.
func smallDraw(encoded []byte) (b []byte) {
	for _, c := range coefficients(encoded) {
		b = binary.LittleEndian.AppendUint32(b, c<<30/3+1)
	}
	return b
}

// shuffleDraw returns the random numbers from which a short polynomial is made by sorting: the first 286 are for the coefficients
// that are not zero.
func shuffleDraw(encoded []byte) (b []byte) {
	var zero []uint32
	for i, c := range coefficients(encoded) {
		if x := uint32(i)<<2 | c; c == 1 {
			zero = append(zero, x)
		} else {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	for _, x := range zero {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}
