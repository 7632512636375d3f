package crypt

import (
	"crypto/subtle"

	//lint:ignore SA1019 a box is made of it, and secretbox can't work in pieces
	"golang.org/x/crypto/poly1305"
	//lint:ignore SA1019 secretbox can't work in pieces
	"golang.org/x/crypto/salsa20/salsa"
)

// A BoxStream makes or opens a box piece by piece, for files. The tag, of BoxOverhead bytes, comes at
// the end (encoding.md §5, "tail tag"): what a stream has opened is not authentic before Verify has
// said so.
type BoxStream struct {
	keys boxStream
	mac  *poly1305.MAC
	rest [64]byte // key stream that is left of a block of the cipher
	left int
}

// Stream starts a box with a nonce, which is used for this box only.
func (k *BoxKey) Stream(nonce Nonce) *BoxStream {
	s := new(BoxStream)
	s.keys.init(k, nonce)
	s.mac = poly1305.New(&s.keys.macKey)
	s.left = copy(s.rest[len(s.rest)-len(s.keys.head):], s.keys.head[:])
	return s
}

// Seal encrypts the next piece of the message in place.
func (s *BoxStream) Seal(b []byte) {
	s.xor(b)
	s.mac.Write(b)
}

// Open decrypts the next piece of the box in place.
func (s *BoxStream) Open(b []byte) {
	s.mac.Write(b)
	s.xor(b)
}

// Skip passes the next piece of the box by: it counts for Verify and is not decrypted. No Seal and no
// Open may follow.
func (s *BoxStream) Skip(b []byte) { s.mac.Write(b) }

// AppendTag appends the tag after the last piece.
func (s *BoxStream) AppendTag(b []byte) []byte { return s.mac.Sum(b) }

// Verify tells whether tag is that of all pieces.
func (s *BoxStream) Verify(tag []byte) bool { return s.mac.Verify(tag) }

// Wipe overwrites the keys.
func (s *BoxStream) Wipe() { *s = BoxStream{} }

func (s *BoxStream) xor(b []byte) {
	n := subtle.XORBytes(b, b, s.rest[len(s.rest)-s.left:])
	s.left -= n
	b = b[n:]
	if whole := len(b) &^ (len(s.rest) - 1); whole > 0 {
		xorSalsa(b[:whole], &s.keys.counter, &s.keys.key)
		s.advance(uint64(whole / len(s.rest)))
		b = b[whole:]
	}
	if len(b) > 0 {
		clear(s.rest[:])
		salsa.XORKeyStream(s.rest[:], s.rest[:], &s.keys.counter, &s.keys.key)
		s.advance(1)
		s.left = len(s.rest) - subtle.XORBytes(b, b, s.rest[:])
	}
}

// advance counts blocks of the cipher; XORKeyStream leaves the counter as it is.
func (s *BoxStream) advance(blocks uint64) {
	for i := 8; i < len(s.keys.counter); i++ {
		blocks += uint64(s.keys.counter[i])
		s.keys.counter[i] = byte(blocks)
		blocks >>= 8
	}
}
