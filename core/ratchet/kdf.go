package ratchet

import (
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
)

// kemSecret is what a KEM adds to a derivation, which takes a nil pointer for none.
type kemSecret = [sntrup761.SharedSecretSize]byte

// hkdf3 derives three keys and wipes ikm (ratchet.md §2).
func hkdf3(salt, ikm []byte, info string) (a, b, c crypt.Secret) {
	const size = len(crypt.Secret{})
	out := crypt.HKDF(salt, ikm, info, 3*size)
	a, b, c = crypt.Secret(out[:size]), crypt.Secret(out[size:2*size]), crypt.Secret(out[2*size:])
	clear(out)
	clear(ikm)
	return a, b, c
}

// agreementKDF derives the first keys of a ratchet from the results of X3DH (ratchet.md §4).
func agreementKDF(dh *[3]crypt.X448Secret, kem *kemSecret) (header, nextHeader, root crypt.Secret) {
	ikm := make([]byte, 0, len(dh)*len(dh[0])+len(kemSecret{}))
	for i := range dh {
		ikm = append(ikm, dh[i][:]...)
		dh[i].Wipe()
	}
	var salt [64]byte
	return hkdf3(salt[:], appendSecret(ikm, kem), "SimpleXX3DH")
}

// rootKDF is half a step of the ratchet (ratchet.md §5). It wipes dh.
func rootKDF(root *crypt.Secret, dh *crypt.X448Secret, kem *kemSecret) (newRoot, chainKey, nextHeader crypt.Secret) {
	ikm := make([]byte, 0, len(dh)+len(kemSecret{}))
	ikm = append(ikm, dh[:]...)
	dh.Wipe()
	return hkdf3(root[:], appendSecret(ikm, kem), "SimpleXRootRatchet")
}

func appendSecret(ikm []byte, kem *kemSecret) []byte {
	if kem == nil {
		return ikm
	}
	return append(ikm, kem[:]...)
}

// A BodyKey encrypts the body of one message.
type BodyKey struct {
	Key crypt.Secret
	IV  crypt.IV
}

// Wipe overwrites the key.
func (k *BodyKey) Wipe() { *k = BodyKey{} }

// next returns the keys of the next message of the chain and moves the chain on (ratchet.md §5).
func (c *chain) next() (body BodyKey, headerIV crypt.IV) {
	ikm := c.key
	chainKey, key, ivs := hkdf3(nil, ikm[:], "SimpleXChainRatchet")
	c.key = chainKey
	return BodyKey{key, crypt.IV(ivs[:crypt.IVSize])}, crypt.IV(ivs[crypt.IVSize:])
}
