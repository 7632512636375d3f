package crypt

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	//lint:ignore SA1019 xorSalsa has to do what this does
	"golang.org/x/crypto/salsa20/salsa"
)

// TestSalsa compares with the general implementation: all sizes around one and two batches,
// a block of the relay, and counters that carry into the next word and overflow.
func TestSalsa(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	sizes := []int{0, 1, 63, 64, BlockSize, BlockSize - 48, 65536 + 17}
	for n := range 70 {
		sizes = append(sizes, 480+n, 992+n)
	}
	for _, size := range sizes {
		for _, number := range []uint64{0, 1, 1<<32 - 3, 1<<32 - 9, 1<<64 - 5} {
			var key [32]byte
			var counter [16]byte
			random.Read(key[:])
			random.Read(counter[:8])
			binary.LittleEndian.PutUint64(counter[8:], number)
			buf := make([]byte, size+2)
			random.Read(buf)
			want, before := bytes.Clone(buf), counter
			salsa.XORKeyStream(want[1:1+size], want[1:1+size], &counter, &key)
			xorSalsa(buf[1:1+size], &counter, &key)
			if !bytes.Equal(buf, want) || counter != before {
				t.Fatalf("%d bytes from block %d differ", size, number)
			}
		}
	}
}

func BenchmarkSalsa(b *testing.B) {
	var key [32]byte
	var counter [16]byte
	buf := make([]byte, BlockSize)
	for name, f := range map[string]func(){
		"here":    func() { xorSalsa(buf, &counter, &key) },
		"general": func() { salsa.XORKeyStream(buf, buf, &counter, &key) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(BlockSize)
			for b.Loop() {
				f()
			}
		})
	}
}
