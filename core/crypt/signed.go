package crypt

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ErrSignedKey tells that a signed session key is malformed or its signature is wrong.
var ErrSignedKey = errors.New("crypt: signed key is not valid")

// AppendSignedKey appends the signed form of a session key as both sides of a handshake
// send it: an X.509-like structure with one more SEQUENCE around the key (encoding.md §4).
func AppendSignedKey(dst []byte, key PublicKey, signer *Ed25519Private) []byte {
	tbs := signedPart(key)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes([]byte(spkiEd25519[2:9])) // the AlgorithmIdentifier
		b.AddASN1BitString(signer.Sign(tbs))
	})
	return append(dst, b.BytesOrPanic()...)
}

func signedPart(key PublicKey) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(key.DER()) })
	return b.BytesOrPanic()
}

// OpenSignedKey verifies a signed key with the signer's key and returns the key in it.
func OpenSignedKey(signed []byte, signer PublicKey) (PublicKey, error) {
	var outer, tbs, alg cryptobyte.String
	var sig []byte
	in := cryptobyte.String(signed)
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1Element(&tbs, asn1.SEQUENCE) ||
		!outer.ReadASN1Element(&alg, asn1.SEQUENCE) ||
		!outer.ReadASN1BitStringAsBytes(&sig) || !outer.Empty() {
		return nil, ErrSignedKey
	}
	// The algorithm must be the signer's own: bytes 2 to 9 of its SPKI.
	if der := signer.DER(); !bytes.Equal(alg, der[2:9]) || !Verify(signer, tbs, sig) {
		return nil, ErrSignedKey
	}
	var spki cryptobyte.String
	if !tbs.ReadASN1(&spki, asn1.SEQUENCE) {
		return nil, ErrSignedKey
	}
	key, err := ParsePublic(spki)
	if err != nil {
		return nil, ErrSignedKey
	}
	return key, nil
}

// OpenSessionKey is OpenSignedKey for the key of a session with a relay, which is an X25519 key.
func OpenSessionKey(signed []byte, signer PublicKey) (X25519Public, error) {
	key, err := OpenSignedKey(signed, signer)
	if err != nil {
		return X25519Public{}, err
	}
	session, ok := key.(X25519Public)
	if !ok {
		return X25519Public{}, ErrSignedKey
	}
	return session, nil
}

// Fingerprint is the SHA-256 of a whole certificate, by which relays are known (encoding.md §4).
func Fingerprint(certificate []byte) [32]byte { return sha256.Sum256(certificate) }

// Equal compares secrets in constant time.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
