package crypt

import (
	"bytes"
	"math/rand/v2"
	"testing"

	//lint:ignore SA1019 polySum has to do what this does
	"golang.org/x/crypto/poly1305"
)

// polyLike compares with the general implementation.
func polyLike(t *testing.T, msg []byte, key *[32]byte) {
	t.Helper()
	var want [poly1305.TagSize]byte
	poly1305.Sum(&want, msg, key)
	if got := polySum(msg, key); got != want {
		t.Errorf("the tag of %d bytes is %x, not %x", len(msg), got, want)
	}
}

// TestPoly has all sizes up to some batches, with bytes and keys that make carries as long as they get.
func TestPoly(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	var zero, noise, high, one [32]byte
	random.Read(noise[:])
	for i := range high {
		high[i] = 0xff
	}
	one[0] = 1 // the tag is a sum
	msg := make([]byte, 2*BlockSize)
	for _, fill := range []func(){
		func() { random.Read(msg) },
		func() { clear(msg) },
		func() { copy(msg, bytes.Repeat([]byte{0xff}, len(msg))) },
		func() { copy(msg, bytes.Repeat([]byte{0xfa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, len(msg)/8)) },
	} {
		fill()
		for _, key := range [][32]byte{zero, noise, high, one} {
			for n := range 1700 {
				polyLike(t, msg[1:1+n], &key)
			}
			polyLike(t, msg[:BlockSize-BoxOverhead], &key)
			polyLike(t, msg, &key)
		}
	}
}

// TestPolyModulus has sums around the modulus, which one in 2^120 messages has: r is 1, all blocks but the
// first are 0 and add 2^128, so that four times k + 3 of them and a large one are 2^130 + 5k and less.
func TestPolyModulus(t *testing.T) {
	key := [32]byte{1}
	for _, blocks := range []int{35, 39, 43, 67, 83, 131} {
		msg := make([]byte, 16*blocks)
		copy(msg, bytes.Repeat([]byte{0xff}, 16))
		for low := range 256 {
			msg[0] = byte(low)
			polyLike(t, msg, &key)
		}
	}
}

func FuzzPoly(f *testing.F) {
	f.Add(make([]byte, 1000), make([]byte, 32))
	f.Fuzz(func(t *testing.T, msg, key []byte) {
		var k [32]byte
		copy(k[:], key)
		for len(msg) > 0 && len(msg) < 2048 { // so that it is long enough for the batches
			msg = append(msg, msg...)
		}
		polyLike(t, msg, &k)
	})
}

func BenchmarkPoly(b *testing.B) {
	var key [32]byte
	msg := make([]byte, BlockSize)
	b.SetBytes(BlockSize)
	for b.Loop() {
		polySum(msg, &key)
	}
}
