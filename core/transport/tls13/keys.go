package tls13

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"

	"golang.org/x/crypto/chacha20poly1305"
)

// extract is HKDF-Extract with SHA-256.
func extract(salt, secret []byte) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write(secret)
	return mac.Sum(nil)
}

// expandLabel is HKDF-Expand-Label (RFC 8446 §7.1) for up to 32 bytes, which is everything that a
// suite with SHA-256 and ChaCha20-Poly1305 derives: the first and only block of HKDF-Expand.
func expandLabel(secret []byte, label string, context []byte, length int) []byte {
	const prefix = "tls13 "
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte{0, byte(length), byte(len(prefix) + len(label))})
	mac.Write([]byte(prefix + label))
	mac.Write([]byte{byte(len(context))})
	mac.Write(context)
	mac.Write([]byte{1})
	return mac.Sum(nil)[:length]
}

// nextStage goes from one stage of the key schedule to the next by mixing in input.
func nextStage(secret, input []byte) []byte {
	empty := sha256.Sum256(nil)
	derived := expandLabel(secret, "derived", empty[:], sha256.Size)
	defer clear(derived)
	return extract(derived, input)
}

// handshakeSecret starts the key schedule with the shared secret, without a pre-shared key.
func handshakeSecret(shared []byte) []byte {
	var zero [sha256.Size]byte
	return nextStage(extract(zero[:], zero[:]), shared)
}

// masterSecret is the last stage of the key schedule.
func masterSecret(handshakeSecret []byte) []byte {
	var zero [sha256.Size]byte
	return nextStage(handshakeSecret, zero[:])
}

// finishedMAC is the verify_data of a Finished message.
func finishedMAC(trafficSecret, transcript []byte) []byte {
	key := expandLabel(trafficSecret, "finished", nil, sha256.Size)
	defer clear(key)
	return extract(key, transcript)
}

// trafficKeys protect the records of one direction. Their zero value protects nothing.
type trafficKeys struct {
	secret []byte
	aead   cipher.AEAD // nil before the first keys
	iv     [chacha20poly1305.NonceSize]byte
	seq    uint64
	nonce  [chacha20poly1305.NonceSize]byte // here, so that it is not allocated for each record
}

// set takes over secret and starts to use its keys.
func (k *trafficKeys) set(secret []byte) {
	clear(k.secret)
	key := expandLabel(secret, "key", nil, chacha20poly1305.KeySize)
	defer clear(key)
	k.secret = secret
	k.aead, _ = chacha20poly1305.New(key) // fails only for another key size
	k.iv = [chacha20poly1305.NonceSize]byte(expandLabel(secret, "iv", nil, chacha20poly1305.NonceSize))
	k.seq = 0
}

// update goes to the next keys (RFC 8446 §7.2).
func (k *trafficKeys) update() {
	k.set(expandLabel(k.secret, "traffic upd", nil, sha256.Size))
}

// next returns the nonce of the next record; it is valid until the next call. At a million records
// a second the sequence number lasts for half a million years.
func (k *trafficKeys) next() []byte {
	k.nonce = k.iv
	for i := range 8 {
		k.nonce[len(k.nonce)-1-i] ^= byte(k.seq >> (8 * i))
	}
	k.seq++
	return k.nonce[:]
}

func (k *trafficKeys) wipe() {
	clear(k.secret)
	clear(k.iv[:])
}
