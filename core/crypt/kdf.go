package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/wire"
)

// HKDF is HKDF-SHA512 with n bytes of output (encoding.md §5). An empty salt is the default
// of RFC 5869. It panics if n is more than 16320.
func HKDF(salt, ikm []byte, info string, n int) []byte {
	out, err := hkdf.Key(sha512.New, ikm, salt, info, n)
	if err != nil {
		panic(fmt.Sprintf("crypt: HKDF: %v", err)) // only a length that a caller chose wrongly
	}
	return out
}

// Sizes of the ratchet's AES-256-GCM (ratchet.md §2).
const (
	IVSize  = 16
	TagSize = 16
)

// IV is an initialization vector of AES-256-GCM, all 16 bytes of it.
type IV [IVSize]byte

// ErrAEAD tells that a ciphertext does not authenticate.
var ErrAEAD = errors.New("crypt: ciphertext does not authenticate")

func (s *Secret) gcm() cipher.AEAD {
	block, err := aes.NewCipher(s[:])
	if err != nil {
		panic(err) // the length is right by type
	}
	aead, err := cipher.NewGCMWithNonceSize(block, IVSize)
	if err != nil {
		panic(err)
	}
	return aead
}

// SealAEAD encrypts msg padded to padded bytes with AES-256-GCM and returns the tag apart.
func (s *Secret) SealAEAD(iv IV, ad, msg []byte, padded int) (tag [TagSize]byte, ciphertext []byte, err error) {
	plain, err := wire.AppendPadded(make([]byte, 0, padded+TagSize), msg, padded)
	if err != nil {
		return tag, nil, err
	}
	out := s.gcm().Seal(plain[:0], iv[:], plain, ad)
	copy(tag[:], out[padded:])
	return tag, out[:padded:padded], nil
}

// OpenAEAD decrypts and removes the padding.
func (s *Secret) OpenAEAD(iv IV, ad []byte, tag [TagSize]byte, ciphertext []byte) ([]byte, error) {
	in := make([]byte, 0, len(ciphertext)+TagSize)
	in = append(append(in, ciphertext...), tag[:]...)
	plain, err := s.gcm().Open(in[:0], iv[:], in, ad)
	if err != nil {
		return nil, ErrAEAD
	}
	return wire.Unpad(plain)
}
