package crypt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
)

// same checks a signature three times, as the key may be new to the Verifier or kept, and wants the
// answer of crypto/ed25519.
func same(t *testing.T, v *Verifier, key, msg, sig []byte) bool {
	t.Helper()
	want := len(sig) == ed25519.SignatureSize && ed25519.Verify(key, msg, sig)
	for _, v := range []*Verifier{nil, v, v} {
		if got := v.Verify(Ed25519Public(key), msg, sig); got != want {
			t.Fatalf("key %x, message %x, signature %x: %v, but %v with crypto/ed25519", key, msg, sig, got, want)
		}
	}
	return want
}

// pointsOfSmallOrder are all encodings of them, those included that are not canonical.
func pointsOfSmallOrder(t *testing.T) (list [][]byte) {
	for _, s := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		negative := bytes.Clone(b)
		negative[31] |= 0x80
		list = append(list, b, negative)
	}
	return list
}

// TestVerifierAcceptsTheSame compares it with crypto/ed25519, where implementations differ above all.
func TestVerifierAcceptsTheSame(t *testing.T) {
	v := NewVerifier(8)
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 111, 16226} {
		msg := make([]byte, n)
		rand.Read(msg)
		sig := ed25519.Sign(private, msg)
		if !same(t, v, public, msg, sig) {
			t.Fatal("a signature is refused")
		}
		for i := range len(sig) * 8 {
			changed := bytes.Clone(sig)
			changed[i/8] ^= 1 << (i % 8)
			if n < 200 && same(t, v, public, msg, changed) {
				t.Fatalf("a signature with bit %d changed is accepted", i)
			}
		}
		same(t, v, public, append(msg, 0), sig)
		same(t, v, public, msg, sig[:63])
		same(t, v, public, msg, append(bytes.Clone(sig), 0))
		same(t, v, public, msg, nil)
		// The other half of the signature is the same number modulo the order, but larger.
		half := bytes.Clone(sig[32:])
		slices.Reverse(half)
		s := new(big.Int).SetBytes(half)
		for s.Add(s, order); s.BitLen() <= 256; s.Add(s, order) {
			larger := s.FillBytes(make([]byte, 32))
			slices.Reverse(larger)
			if same(t, v, public, msg, append(bytes.Clone(sig[:32]), larger...)) {
				t.Fatal("a signature has two forms")
			}
		}
	}

	accepted := 0
	points := pointsOfSmallOrder(t)
	for _, key := range points {
		for _, r := range points {
			for i := range 8 {
				sig := append(bytes.Clone(r), make([]byte, 32)...)
				if same(t, v, key, []byte{byte(i)}, sig) {
					accepted++
				}
			}
		}
		sig := ed25519.Sign(private, []byte("message"))
		same(t, v, key, []byte("message"), sig)
		copy(sig, key)
		same(t, v, public, []byte("message"), sig)
	}
	if accepted == 0 || accepted == len(points)*len(points)*8 {
		t.Errorf("%d signatures of keys of small order are accepted, which compares nothing", accepted)
	}
	for range 64 { // half of them are no points
		key, sig := make([]byte, 32), make([]byte, 64)
		rand.Read(key)
		rand.Read(sig)
		sig[63] &= 0x0f
		same(t, v, key, []byte("message"), sig)
	}
}

func TestVerifierKeeps(t *testing.T) {
	const most = 4
	v := NewVerifier(most)
	msg := []byte("message")
	for i := range 3 * most {
		k := Ed25519Private{byte(i)}
		if v.Verify(k.Public(), msg, make([]byte, 64)) || len(v.keys) != min(i, most) {
			t.Fatalf("%d keys are kept after a wrong signature by key %d", len(v.keys), i)
		}
		for range 2 {
			if !v.Verify(k.Public(), msg, k.Sign(msg)) || v.keys[k.Public()] == nil || len(v.keys) > most {
				t.Fatalf("%d keys are kept after key %d", len(v.keys), i)
			}
		}
		if v.Verify(k.Public(), msg, make([]byte, 64)) || v.keys[k.Public()] == nil {
			t.Fatal("a wrong signature is accepted, or the key forgotten")
		}
	}
	if k := (Ed448Private{1}); !v.Verify(k.Public(), msg, k.Sign(msg)) || v.Verify(X25519Public{}, msg, make([]byte, 64)) {
		t.Error("keys of other algorithms")
	}
}

func BenchmarkVerifier(b *testing.B) {
	k := Ed25519Private{1}
	msg := make([]byte, 100)
	sig, public := k.Sign(msg), k.Public()
	for name, verify := range map[string]func(PublicKey, []byte, []byte) bool{
		"standard library": Verify, "new key": (*Verifier)(nil).Verify, "kept key": NewVerifier(1).Verify,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verify(public, msg, sig)
			}
		})
		b.Run(name+", wrong signature", func(b *testing.B) {
			wrong := bytes.Clone(sig)
			wrong[0] ^= 1
			for b.Loop() {
				verify(public, msg, wrong)
			}
		})
	}
}
