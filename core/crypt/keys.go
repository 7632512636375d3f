// Package crypt holds the keys of the network and everything that is done with
// them below the ratchet: key encodings, boxes, authenticators, key derivation,
// the chain keys of block encryption, AES-GCM with 16-byte IVs and signed keys
// (encoding.md §3–§5, smp-transport.md §6–§7, ratchet.md §2).
//
// Keys are typed: a key of one algorithm can't be used as another, and a raw
// byte slice never plays a key. Private keys and secrets have Wipe, to be called
// when they are no longer needed.
package crypt

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/dh/x25519" // more than twice as fast as crypto/ecdh
	"github.com/cloudflare/circl/dh/x448"
	"github.com/cloudflare/circl/sign/ed448"
)

// Errors of keys.
var (
	ErrKey      = errors.New("crypt: not a key of the expected algorithm")
	ErrLowOrder = errors.New("crypt: the peer's key gives an all-zero secret")
)

// PublicKey is a public key of any of the four algorithms.
type PublicKey interface {
	// DER returns the SubjectPublicKeyInfo form, as keys have on the wire.
	DER() []byte
	publicKey()
}

// AuthPublic is a public key that authorizes commands: Ed25519Public, Ed448Public or X25519Public.
type AuthPublic interface {
	PublicKey
	authPublic()
}

// Public keys in raw form.
type (
	Ed25519Public [32]byte
	Ed448Public   [57]byte
	X25519Public  [32]byte
	X448Public    [56]byte
)

// Private keys in raw form: the seed of Ed25519 and Ed448, the scalar of X25519 and X448.
type (
	Ed25519Private [32]byte
	Ed448Private   [57]byte
	X25519Private  [32]byte
	X448Private    [56]byte
)

// Secret is a 32-byte shared secret or symmetric key.
type Secret [32]byte

// X448Secret is the 56-byte shared secret of X448.
type X448Secret [56]byte

// DER prefixes of SubjectPublicKeyInfo and PKCS #8 (encoding.md §3).
const (
	spkiEd25519 = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
	spkiX25519  = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"
	spkiEd448   = "\x30\x43\x30\x05\x06\x03\x2b\x65\x71\x03\x3a\x00"
	spkiX448    = "\x30\x42\x30\x05\x06\x03\x2b\x65\x6f\x03\x39\x00"

	pkcs8Ed25519 = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"
)

func (k Ed25519Public) DER() []byte { return append([]byte(spkiEd25519), k[:]...) }
func (k Ed448Public) DER() []byte   { return append([]byte(spkiEd448), k[:]...) }
func (k X25519Public) DER() []byte  { return append([]byte(spkiX25519), k[:]...) }
func (k X448Public) DER() []byte    { return append([]byte(spkiX448), k[:]...) }

func (Ed25519Public) publicKey() {}
func (Ed448Public) publicKey()   {}
func (X25519Public) publicKey()  {}
func (X448Public) publicKey()    {}

func (Ed25519Public) authPublic() {}
func (Ed448Public) authPublic()   {}
func (X25519Public) authPublic()  {}

// ParsePublic reads a SubjectPublicKeyInfo of any of the four algorithms.
func ParsePublic(der []byte) (PublicKey, error) {
	n := min(len(der), len(spkiX25519))
	switch prefix, raw := string(der[:n]), der[n:]; {
	case prefix == spkiEd25519 && len(raw) == 32:
		return Ed25519Public(raw), nil
	case prefix == spkiX25519 && len(raw) == 32:
		return X25519Public(raw), nil
	case prefix == spkiEd448 && len(raw) == 57:
		return Ed448Public(raw), nil
	case prefix == spkiX448 && len(raw) == 56:
		return X448Public(raw), nil
	}
	return nil, ErrKey
}

func parseAs[K PublicKey](der []byte) (k K, err error) {
	p, err := ParsePublic(der)
	if err != nil {
		return k, err
	}
	k, ok := p.(K)
	if !ok {
		return k, ErrKey
	}
	return k, nil
}

// ParseAuthPublic reads the public key of a command's authorization.
func ParseAuthPublic(der []byte) (AuthPublic, error) { return parseAs[AuthPublic](der) }

// ParseEd25519 reads an Ed25519 public key.
func ParseEd25519(der []byte) (Ed25519Public, error) { return parseAs[Ed25519Public](der) }

// ParseX25519 reads an X25519 public key.
func ParseX25519(der []byte) (X25519Public, error) { return parseAs[X25519Public](der) }

// ParseX448 reads an X448 public key.
func ParseX448(der []byte) (X448Public, error) { return parseAs[X448Public](der) }

// NewEd25519 makes a key from 32 bytes of rand, which is crypto/rand.Reader outside tests.
func NewEd25519(rand io.Reader) (k Ed25519Private, err error) {
	err = read(rand, k[:])
	return k, err
}

// NewX25519 makes a key from 32 bytes of rand.
func NewX25519(rand io.Reader) (k X25519Private, err error) {
	err = read(rand, k[:])
	return k, err
}

// NewX448 makes a key from 56 bytes of rand.
func NewX448(rand io.Reader) (k X448Private, err error) {
	err = read(rand, k[:])
	return k, err
}

func read(rand io.Reader, b []byte) error {
	if _, err := io.ReadFull(rand, b); err != nil {
		return fmt.Errorf("crypt: reading randomness for a key: %w", err)
	}
	return nil
}

// Public returns the public half.
func (k *Ed25519Private) Public() Ed25519Public {
	return Ed25519Public(ed25519.NewKeyFromSeed(k[:])[32:])
}

// Public returns the public half.
func (k *Ed448Private) Public() Ed448Public {
	return Ed448Public(ed448.NewKeyFromSeed(k[:])[57:])
}

// Public returns the public half.
func (k *X25519Private) Public() X25519Public {
	var pub, priv x25519.Key = x25519.Key{}, x25519.Key(*k)
	x25519.KeyGen(&pub, &priv)
	clear(priv[:])
	return X25519Public(pub)
}

// Public returns the public half.
func (k *X448Private) Public() X448Public {
	var pub, priv x448.Key = x448.Key{}, x448.Key(*k)
	x448.KeyGen(&pub, &priv)
	clear(priv[:])
	return X448Public(pub)
}

// Sign signs msg; the signature has 64 bytes.
func (k *Ed25519Private) Sign(msg []byte) []byte {
	key := ed25519.NewKeyFromSeed(k[:])
	defer clear(key)
	return ed25519.Sign(key, msg)
}

// Sign signs msg with an empty context; the signature has 114 bytes.
func (k *Ed448Private) Sign(msg []byte) []byte {
	key := ed448.NewKeyFromSeed(k[:])
	defer clear(key)
	return ed448.Sign(key, msg, "")
}

// Verify checks a signature of msg by an Ed25519 or Ed448 key. A key of another algorithm verifies nothing.
func Verify(key PublicKey, msg, sig []byte) bool {
	switch k := key.(type) {
	case Ed25519Public:
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(k[:], msg, sig)
	case Ed448Public:
		return len(sig) == ed448.SignatureSize && ed448.Verify(k[:], msg, sig, "")
	}
	return false
}

// DH returns the shared secret with the peer's key; it is the raw X25519 output.
func (k *X25519Private) DH(peer X25519Public) (s Secret, err error) {
	var priv, pub x25519.Key = x25519.Key(*k), x25519.Key(peer)
	ok := x25519.Shared((*x25519.Key)(&s), &priv, &pub)
	clear(priv[:])
	if !ok {
		s.Wipe()
		return s, ErrLowOrder
	}
	return s, nil
}

// DH returns the shared secret with the peer's key.
func (k *X448Private) DH(peer X448Public) (s X448Secret, err error) {
	var shared, priv, pub x448.Key = x448.Key{}, x448.Key(*k), x448.Key(peer)
	ok := x448.Shared(&shared, &priv, &pub)
	clear(priv[:])
	if !ok {
		return s, ErrLowOrder
	}
	s = X448Secret(shared)
	clear(shared[:])
	return s, nil
}

// DER returns the PKCS #8 form, as keys have in file descriptions.
func (k *Ed25519Private) DER() []byte { return append([]byte(pkcs8Ed25519), k[:]...) }

// ParseEd25519Private reads the PKCS #8 form.
func ParseEd25519Private(der []byte) (k Ed25519Private, err error) {
	n := len(pkcs8Ed25519)
	if len(der) != n+len(k) || string(der[:n]) != pkcs8Ed25519 {
		return k, ErrKey
	}
	return Ed25519Private(der[n:]), nil
}

// Wipe overwrites the key.
func (k *Ed25519Private) Wipe() { clear(k[:]) }

// Wipe overwrites the key.
func (k *Ed448Private) Wipe() { clear(k[:]) }

// Wipe overwrites the key.
func (k *X25519Private) Wipe() { clear(k[:]) }

// Wipe overwrites the key.
func (k *X448Private) Wipe() { clear(k[:]) }

// Wipe overwrites the secret.
func (s *Secret) Wipe() { clear(s[:]) }

// Wipe overwrites the secret.
func (s *X448Secret) Wipe() { clear(s[:]) }
