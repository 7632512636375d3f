package crypt

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestBoxStream(t *testing.T) {
	secret := Secret{1, 2, 3}
	key := secret.BoxKey()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 16, 31, 32, 33, 63, 64, 95, 96, 97, 128, 1000, 64*300 + 7} {
		msg := make([]byte, n)
		for i := range msg {
			msg[i] = byte(r.Uint32())
		}
		nonce := Nonce{byte(n)}
		box := key.Append(nil, nonce, msg) // the tag first
		for range 20 {
			seal, open, skip := key.Stream(nonce), key.Stream(nonce), key.Stream(nonce)
			var sealed, opened []byte
			for rest := msg; len(rest) > 0; {
				piece := bytes.Clone(rest[:min(len(rest), 1+r.IntN(200))])
				rest = rest[len(piece):]
				seal.Seal(piece)
				sealed = append(sealed, piece...)
				skip.Skip(piece)
				open.Open(piece)
				opened = append(opened, piece...)
			}
			tag := seal.AppendTag(nil)
			if !bytes.Equal(tag, box[:BoxOverhead]) || !bytes.Equal(sealed, box[BoxOverhead:]) {
				t.Fatalf("a stream of %d bytes differs from the box", n)
			}
			if !bytes.Equal(opened, msg) || !open.Verify(tag) || !skip.Verify(tag) {
				t.Fatalf("a stream of %d bytes does not open", n)
			}
			tag[r.IntN(len(tag))] ^= 1
			if open.Verify(tag) || open.Verify(tag[:15]) || open.Verify(nil) {
				t.Fatal("a wrong tag is accepted")
			}
		}
	}
}

// The counter of the cipher has 64 bits: a stream of more than 4 GiB must not repeat itself.
func TestBoxStreamCounter(t *testing.T) {
	var s BoxStream
	copy(s.keys.counter[8:], "\xfe\xff\xff\xff\x00\x00\x00\x00")
	s.advance(3)
	if !bytes.Equal(s.keys.counter[8:], []byte("\x01\x00\x00\x00\x01\x00\x00\x00")) {
		t.Errorf("the counter is %x", s.keys.counter[8:])
	}
}
