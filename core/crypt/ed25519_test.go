package crypt

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"slices"
	"sync"
	"testing"
)

// verifyAll compares what both ways of the cache say about a signature with crypto/ed25519.
func verifyAll(t *testing.T, key Ed25519Public, msg, sig []byte) bool {
	t.Helper()
	want := ed25519.Verify(key[:], msg, sig)
	var c Ed25519Cache
	times := 1
	if want {
		times = ed25519Often + 2
	}
	for i := range times {
		if got := c.Verify(key, msg, sig); got != want {
			t.Fatalf("time %d: the signature %x of %x by %x is %v, want %v", i, sig, msg, key, got, want)
		}
	}
	if table, ok := newEd25519Table(key, 8); ok && table.verify(msg, sig) != want {
		t.Fatalf("the signature %x of %x by %x is not %v", sig, msg, key, want)
	}
	return want
}

func TestEd25519Cache(t *testing.T) {
	for i := range 32 {
		k, err := NewEd25519(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, msg := k.Public(), make([]byte, 3*i)
		rand.Read(msg)
		sig := k.Sign(msg)
		if !verifyAll(t, key, msg, sig) {
			t.Fatal("a signature is wrong")
		}
		for range 4 {
			changed := slices.Clone(sig)
			var b [2]byte
			rand.Read(b[:])
			changed[int(b[0])%len(changed)] ^= 1 << (b[1] % 8)
			if verifyAll(t, key, msg, changed) {
				t.Fatal("a changed signature is right")
			}
		}
		if verifyAll(t, key, append(msg, 0), sig) {
			t.Fatal("the signature of another message is right")
		}
		// S + L says the same, but is not allowed.
		s := new(big.Int).Add(littleEndian(sig[32:]), ed25519Order)
		high := s.FillBytes(make([]byte, 32))
		slices.Reverse(high)
		if verifyAll(t, key, msg, append(slices.Clone(sig[:32]), high...)) {
			t.Fatal("a signature that is not reduced is right")
		}
	}
}

// TestEd25519Strange has keys and signatures of low order, keys that are no points and keys with
// several encodings.
func TestEd25519Strange(t *testing.T) {
	var keys []Ed25519Public
	for _, y := range []byte{0, 1, 2, 18, 19} {
		keys = append(keys, Ed25519Public{y}, Ed25519Public{y, 31: 0x80})
		high := Ed25519Public{}
		for i := range high {
			high[i] = 0xff
		}
		high[0] = 0xff - y
		keys = append(keys, high)
		high[31] = 0x7f
		keys = append(keys, high)
	}
	// Points of order 8.
	eighth := Ed25519Public{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}
	other := eighth
	other[31] |= 0x80
	keys = append(keys, eighth, other)
	accepted := 0
	for _, key := range keys {
		for _, r := range keys {
			for m := range byte(3) {
				if verifyAll(t, key, []byte{m}, append(slices.Clone(r[:]), make([]byte, 32)...)) {
					accepted++
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no signature of low order was accepted: crypto/ed25519 has become stricter, and the cache need not be the same here")
	}
}

func TestSignedDigits(t *testing.T) {
	values := []uint64{0, 1, 2, 1<<64 - 1, 1 << 63, 0xaaaaaaaaaaaaaaaa, 0x5555555555555555, 1<<63 - 1}
	for range 1000 {
		var b [8]byte
		rand.Read(b[:])
		values = append(values, binary.LittleEndian.Uint64(b[:]))
	}
	for _, odd := range []int{8, 64} {
		for _, k := range values {
			var d [65]int8
			signedDigits(&d, k, odd)
			sum := new(big.Int)
			for i, x := range d {
				if x != 0 && (x%2 == 0 || int(x) >= 2*odd || int(x) <= -2*odd) {
					t.Fatalf("digit %d of %x is %d", i, k, x)
				}
				sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(x)), uint(i)))
			}
			if sum.Cmp(new(big.Int).SetUint64(k)) != 0 {
				t.Fatalf("the digits of %x give %x", k, sum)
			}
		}
	}
}

// TestEd25519CacheShared uses keys that share a place, in several goroutines.
func TestEd25519CacheShared(t *testing.T) {
	var c Ed25519Cache
	var keys []Ed25519Private
	places := make(map[uint16]Ed25519Private)
	for len(keys) < 2 {
		k, err := NewEd25519(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p := k.Public()
		place := binary.LittleEndian.Uint16(p[:]) % uint16(len(c.slots))
		if first, ok := places[place]; ok {
			keys = []Ed25519Private{first, k}
		}
		places[place] = k
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 40 {
				k := &keys[(i/5+g)%2]
				msg := []byte{byte(i)}
				if sig := k.Sign(msg); !c.Verify(k.Public(), msg, sig) || c.Verify(keys[(i/5+g+1)%2].Public(), msg, sig) {
					t.Error("wrong key")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkVerify(b *testing.B) {
	k, err := NewEd25519(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	key, msg := k.Public(), make([]byte, 100)
	sig := k.Sign(msg)
	b.Run("once", func(b *testing.B) {
		for b.Loop() {
			Verify(key, msg, sig)
		}
	})
	b.Run("often", func(b *testing.B) {
		var c Ed25519Cache
		b.ReportAllocs()
		for b.Loop() {
			c.Verify(key, msg, sig)
		}
	})
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			newEd25519Table(key, 8)
		}
	})
}
