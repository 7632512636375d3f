package agent

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/reference"
)

// recordedRandom yields what a party drew. What is for a key, a nonce and a post-quantum key is told apart by its size.
type recordedRandom struct {
	mu     sync.Mutex
	bySize map[int][][]byte
	own    *rand.ChaCha8
}

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
			r.add(reference.KEMDraw, reference.KEMInputDraw(k.Input))
		case k.Key != nil:
			for _, draw := range reference.KEMKeyDraws(k.Key) {
				r.add(len(draw), draw)
			}
		default:
			r.add(reference.KEMDraw, nil)
			r.add(reference.KEMDraw, nil)
			r.add(reference.KEMEncoded, nil)
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
