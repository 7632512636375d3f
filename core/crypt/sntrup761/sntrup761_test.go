package sntrup761

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/sotto-chat/sotto/core/internal/reference"
)

type hexBytes = reference.Hex

// A vector is one key pair with one encapsulation, made by the reference.
type vector struct {
	Seed                  string
	PublicKey             hexBytes `json:"pk"`
	SecretKey             hexBytes `json:"sk"`
	Ciphertext            hexBytes `json:"ct"`
	Corrupted             hexBytes `json:"ct_corrupted"`
	SharedSecret          hexBytes `json:"ss"`
	SharedSecretCorrupted hexBytes `json:"ss_corrupted"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	var content struct{ Vectors []vector }
	reference.Read(t, "vectors.json.gz", &content)
	if len(content.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	return content.Vectors
}

// seededReader gives the random bytes that the vectors were made with:
// SHA-512(seed || counter), block after block. It counts the bytes read.
type seededReader struct {
	seed  string
	block []byte
	next  uint32
	count int
}

func (r *seededReader) Read(b []byte) (int, error) {
	if len(r.block) == 0 {
		sum := sha512.Sum512(binary.BigEndian.AppendUint32([]byte(r.seed), r.next))
		r.block = sum[:]
		r.next++
	}
	n := copy(b, r.block)
	r.block = r.block[n:]
	r.count += n
	return n, nil
}

// mustGenerate returns a key pair that depends on the seed alone.
func mustGenerate(t testing.TB, seed string) (*PublicKey, *SecretKey) {
	t.Helper()
	pk, sk, err := GenerateKey(&seededReader{seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return pk, sk
}

func mustEncapsulate(t testing.TB, rand io.Reader, pk *PublicKey) (*Ciphertext, [SharedSecretSize]byte) {
	t.Helper()
	ct, secret, err := Encapsulate(rand, pk)
	if err != nil {
		t.Fatal(err)
	}
	return ct, secret
}

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Seed, func(t *testing.T) {
			random := &seededReader{seed: v.Seed}
			pk, sk, err := GenerateKey(random)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pk[:], v.PublicKey) {
				t.Error("another public key")
			}
			if !bytes.Equal(sk[:], v.SecretKey) {
				t.Error("another secret key")
			}
			if want := 2*4*p + smallSize; random.count != want {
				t.Errorf("GenerateKey read %d random bytes, want %d", random.count, want)
			}

			random.count = 0
			ct, secret := mustEncapsulate(t, random, (*PublicKey)(v.PublicKey))
			if !bytes.Equal(ct[:], v.Ciphertext) {
				t.Error("another ciphertext")
			}
			if !bytes.Equal(secret[:], v.SharedSecret) {
				t.Error("another shared secret from Encapsulate")
			}
			if want := 4 * p; random.count != want {
				t.Errorf("Encapsulate read %d random bytes, want %d", random.count, want)
			}

			secret = Decapsulate((*SecretKey)(v.SecretKey), (*Ciphertext)(v.Ciphertext))
			if !bytes.Equal(secret[:], v.SharedSecret) {
				t.Error("another shared secret from Decapsulate")
			}
			secret = Decapsulate((*SecretKey)(v.SecretKey), (*Ciphertext)(v.Corrupted))
			if !bytes.Equal(secret[:], v.SharedSecretCorrupted) {
				t.Error("another shared secret from a corrupted ciphertext")
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	for range 20 {
		pk, sk, err := GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			ct, want := mustEncapsulate(t, rand.Reader, pk)
			if got := Decapsulate(sk, ct); got != want {
				t.Fatalf("the two sides disagree\nsk %x\nct %x", *sk, *ct)
			}
		}
	}
}

// TestRejection damages a ciphertext in each of its parts: every damage must
// give a secret of its own, and the same one each time.
func TestRejection(t *testing.T) {
	pk, sk := mustGenerate(t, "rejection")
	ct, secret := mustEncapsulate(t, rand.Reader, pk)
	seen := map[[SharedSecretSize]byte]int{secret: -1}
	for _, i := range []int{0, 1, 500, roundedSize - 1, roundedSize, roundedSize + 1, CiphertextSize - 1} {
		damaged := *ct
		damaged[i] ^= 0x80
		got := Decapsulate(sk, &damaged)
		if other, ok := seen[got]; ok {
			t.Errorf("damage at byte %d gives the same secret as damage at byte %d (-1: none)", i, other)
		}
		seen[got] = i
		if again := Decapsulate(sk, &damaged); again != got {
			t.Errorf("damage at byte %d gives another secret the second time", i)
		}
	}

	// The secret of a rejected ciphertext depends on the secret key, not only
	// on the ciphertext.
	_, otherKey := mustGenerate(t, "rejection by another key")
	if _, ok := seen[Decapsulate(otherKey, ct)]; ok {
		t.Error("another key decapsulates to a known secret")
	}
}

// TestNotInvertible feeds GenerateKey with a polynomial g of zeros first, which
// has no inverse: it must take the next one.
func TestNotInvertible(t *testing.T) {
	zeros := bytes.Repeat([]byte{0, 0, 0, 0x20}, p)
	random := io.MultiReader(bytes.NewReader(zeros), &seededReader{seed: "key"})
	pk, sk, err := GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	wantPK, wantSK := mustGenerate(t, "key")
	if *pk != *wantPK || *sk != *wantSK {
		t.Error("another key pair than without the polynomial that has no inverse")
	}
}

func TestRandomFails(t *testing.T) {
	broken := errors.New("broken")
	pk, _ := mustGenerate(t, "key")
	for _, n := range []int{0, 4*p - 1, 4 * p, 8*p - 1, 8 * p, 8*p + smallSize - 1} {
		random := io.MultiReader(io.LimitReader(&seededReader{seed: "key"}, int64(n)), iotest.ErrReader(broken))
		pk, sk, err := GenerateKey(random)
		if !errors.Is(err, broken) || pk != nil || sk != nil {
			t.Errorf("GenerateKey with %d random bytes: %v", n, err)
		}
	}
	for _, n := range []int{0, 4*p - 1} {
		ct, secret, err := Encapsulate(io.LimitReader(&seededReader{seed: "key"}, int64(n)), pk)
		if err == nil || ct != nil || secret != [SharedSecretSize]byte{} {
			t.Errorf("Encapsulate with %d random bytes: %v", n, err)
		}
	}
}

// TestParallel is for the race detector: operations share nothing.
func TestParallel(t *testing.T) {
	pk, sk := mustGenerate(t, "parallel")
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 20 {
				ct, want := mustEncapsulate(t, rand.Reader, pk)
				if got := Decapsulate(sk, ct); got != want {
					t.Error("the two sides disagree")
				}
			}
		})
	}
}

func FuzzDecapsulate(f *testing.F) {
	pk, sk := mustGenerate(f, "fuzz")
	ct, secret := mustEncapsulate(f, &seededReader{seed: "encapsulation"}, pk)
	f.Add(ct[:])
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, CiphertextSize))
	f.Add(append(bytes.Repeat([]byte{0xff}, roundedSize), ct[roundedSize:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var other Ciphertext
		copy(other[:], b)
		got := Decapsulate(sk, &other)
		if (got == secret) != (other == *ct) {
			t.Error("the right secret from another ciphertext, or the reverse")
		}
	})
}

func FuzzEncapsulate(f *testing.F) {
	pk, _ := mustGenerate(f, "fuzz")
	f.Add(pk[:], "seed")
	f.Add([]byte{}, "")
	f.Add(bytes.Repeat([]byte{0xff}, PublicKeySize), "seed")
	f.Fuzz(func(t *testing.T, b []byte, seed string) {
		var pk PublicKey
		copy(pk[:], b)
		ct, secret := mustEncapsulate(t, &seededReader{seed: seed}, &pk)
		again, secretAgain := mustEncapsulate(t, &seededReader{seed: seed}, &pk)
		if *ct != *again || secret != secretAgain {
			t.Error("the same random bytes give another result the second time")
		}
	})
}

func BenchmarkGenerateKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := GenerateKey(rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncapsulate(b *testing.B) {
	pk, _ := mustGenerate(b, "benchmark")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Encapsulate(rand.Reader, pk); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecapsulate(b *testing.B) {
	pk, sk := mustGenerate(b, "benchmark")
	ct, _ := mustEncapsulate(b, rand.Reader, pk)
	b.ReportAllocs()
	for b.Loop() {
		Decapsulate(sk, ct)
	}
}
