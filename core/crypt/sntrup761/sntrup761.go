// Package sntrup761 implements Streamlined NTRU Prime with the parameter set
// sntrup761: a key encapsulation mechanism that is believed to resist quantum
// computers. The double ratchet mixes its shared secrets into the root key
// (ratchet.md §2).
//
// One side makes a key pair and sends the public key. The other side
// encapsulates to it and sends the ciphertext back. Both then hold the same
// shared secret:
//
//	pk, sk, err := sntrup761.GenerateKey(rand.Reader)
//	ct, secret, err := sntrup761.Encapsulate(rand.Reader, pk)
//	secret = sntrup761.Decapsulate(sk, ct)
//
// Keys and ciphertexts are arrays in the encoding that goes over the wire. A
// slice of the right length is converted with PublicKey(b); the conversion
// panics on a shorter one, so check the length first.
//
// Every array of the right size is a usable public key and a usable
// ciphertext. A ciphertext that was damaged or forged decapsulates to an
// unpredictable secret that depends on the secret key (implicit rejection), so
// the failure shows only when something encrypted with the secret does not
// decrypt.
//
// No branch and no memory index depends on a secret, and the package erases its
// intermediate values. Erasing the secret key and the shared secrets is the
// caller's part.
//
// The algorithm is defined in "NTRU Prime: round 3" (Bernstein, Brumley, Chen,
// Chuengsatiansup, Lange, Marotzke, Peng, Tuveri, van Vredendaal, Yang; 2020).
// Random bytes are consumed in the order of its reference implementation.
package sntrup761

import (
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"io"
)

// Sizes in bytes ("NTRU Prime: round 3"; ratchet.md §2).
const (
	PublicKeySize    = 1158
	SecretKeySize    = 1763
	CiphertextSize   = 1039
	SharedSecretSize = 32
)

// A PublicKey is what others encapsulate to.
type PublicKey [PublicKeySize]byte

// A SecretKey decapsulates. It contains the public key.
type SecretKey [SecretKeySize]byte

// A Ciphertext carries a shared secret to the owner of a secret key.
type Ciphertext [CiphertextSize]byte

const (
	hashSize    = 32  // Every hash is SHA-512 cut to this length.
	smallSize   = 191 // An encoded polynomial with coefficients -1, 0 and 1.
	roundedSize = CiphertextSize - hashSize
)

// A secret key is, in this order, f, 1/g, the public key, the secret that
// stands in for the input when a ciphertext is rejected, and the hash of the
// public key.
const (
	secretF          = 0
	secretGInv       = secretF + smallSize
	secretPublicKey  = secretGInv + smallSize
	secretRejection  = secretPublicKey + PublicKeySize
	secretPublicHash = secretRejection + smallSize
)

// Each hash has a first byte that tells what it is for.
const (
	hashSessionRejected = 0
	hashSession         = 1
	hashConfirm         = 2
	hashInput           = 3
	hashPublicKey       = 4
)

// GenerateKey returns a new key pair. The random bytes are read from rand,
// which is crypto/rand.Reader outside tests; the only errors are those of rand.
func GenerateKey(rand io.Reader) (*PublicKey, *SecretKey, error) {
	w := newWorkspace()
	defer w.release()
	g, gInv, f, fInv, h := &w.polys[0], &w.polys[1], &w.polys[2], &w.polys[3], &w.polys[4]

	for {
		if err := w.randomSmall(g, rand); err != nil {
			return nil, nil, err
		}
		if w.inverse.invert3(gInv, g) {
			break
		}
	}
	if err := w.randomShort(f, rand); err != nil {
		return nil, nil, err
	}
	w.inverse.invert3f(fInv, f)
	w.product.mulQ(h, fInv, g)

	pk := new(PublicKey)
	w.encodeQ(pk[:], h)

	sk := new(SecretKey)
	encodeSmall(sk[secretF:][:smallSize], f)
	encodeSmall(sk[secretGInv:][:smallSize], gInv)
	copy(sk[secretPublicKey:], pk[:])
	if err := readRandom(rand, sk[secretRejection:][:smallSize]); err != nil {
		clear(sk[:])
		return nil, nil, err
	}
	publicHash := w.hash(hashPublicKey, pk[:])
	copy(sk[secretPublicHash:], publicHash[:])
	return pk, sk, nil
}

// Encapsulate makes a shared secret for the owner of pk and the ciphertext
// that carries it. The random bytes are read from rand, which is
// crypto/rand.Reader outside tests; the only errors are those of rand.
func Encapsulate(rand io.Reader, pk *PublicKey) (*Ciphertext, [SharedSecretSize]byte, error) {
	w := newWorkspace()
	defer w.release()

	r := &w.polys[0]
	if err := w.randomShort(r, rand); err != nil {
		return nil, [SharedSecretSize]byte{}, err
	}
	publicHash := w.hash(hashPublicKey, pk[:])
	ct := new(Ciphertext)
	w.encrypt(ct, r, pk, publicHash[:])
	return ct, w.sessionHash(hashSession, ct), nil
}

// Decapsulate returns the shared secret that ct carries. If ct was not made by
// [Encapsulate] for this key, the result is unrelated to any other secret, and
// always the same for the same ct.
func Decapsulate(sk *SecretKey, ct *Ciphertext) [SharedSecretSize]byte {
	w := newWorkspace()
	defer w.release()

	r := &w.polys[0]
	w.decrypt(r, sk, ct)
	w.encrypt(&w.again, r, (*PublicKey)(sk[secretPublicKey:][:PublicKeySize]), sk[secretPublicHash:])
	accepted := subtle.ConstantTimeCompare(ct[:], w.again[:])
	subtle.ConstantTimeCopy(1-accepted, w.input[:], sk[secretRejection:][:smallSize])
	return w.sessionHash(hashSessionRejected+byte(accepted)*(hashSession-hashSessionRejected), ct)
}

// encrypt sets ct to the ciphertext of the short polynomial r, and w.input to
// the encoding of r. publicHash is the hash of pk.
func (w *workspace) encrypt(ct *Ciphertext, r *poly, pk *PublicKey, publicHash []byte) {
	h, c := &w.polys[1], &w.polys[2]
	w.decodeQ(h, pk[:])
	w.product.mulQ(c, h, r)
	c.round()
	w.encodeRounded(ct[:roundedSize], c)

	encodeSmall(w.input[:], r)
	inputHash := w.hash(hashInput, w.input[:])
	confirm := w.hash(hashConfirm, inputHash[:], publicHash)
	copy(ct[roundedSize:], confirm[:])
	clear(inputHash[:])
}

// decrypt sets r to the short polynomial that ct was made of. If there is none,
// r becomes a fixed short polynomial, and encrypting it again gives another
// ciphertext than ct.
func (w *workspace) decrypt(r *poly, sk *SecretKey, ct *Ciphertext) {
	c, f, gInv, e := &w.polys[1], &w.polys[2], &w.polys[3], &w.polys[4]
	decodeSmall(f, sk[secretF:][:smallSize])
	decodeSmall(gInv, sk[secretGInv:][:smallSize])
	w.decodeRounded(c, ct[:roundedSize])

	w.product.mulQ(e, c, f)
	for i := range e {
		e[i] = mod3(modQ(3 * e[i]))
	}
	w.product.mul3(r, e, gInv)

	weight := int32(0)
	for i := range r {
		weight += r[i] & 1 // 1 for both 1 and -1.
	}
	wrong := nonZeroMask(weight - shortWeight)
	for i := range r {
		fallback := int32(0)
		if i < shortWeight {
			fallback = 1
		}
		r[i] ^= wrong & (r[i] ^ fallback)
	}
}

// sessionHash returns the shared secret of w.input and ct.
func (w *workspace) sessionHash(purpose byte, ct *Ciphertext) [SharedSecretSize]byte {
	inputHash := w.hash(hashInput, w.input[:])
	defer clear(inputHash[:])
	return w.hash(purpose, inputHash[:], ct[:])
}

// hash returns the first 32 bytes of the SHA-512 of purpose and parts. The
// message is put together in w, where it gets erased.
func (w *workspace) hash(purpose byte, parts ...[]byte) [hashSize]byte {
	message := append(w.message[:0], purpose)
	for _, part := range parts {
		message = append(message, part...)
	}
	sum := sha512.Sum512(message)
	defer clear(sum[:])
	return [hashSize]byte(sum[:hashSize])
}

// readRandom fills b from rand.
func readRandom(rand io.Reader, b []byte) error {
	if _, err := io.ReadFull(rand, b); err != nil {
		return fmt.Errorf("sntrup761: reading random bytes: %w", err)
	}
	return nil
}
