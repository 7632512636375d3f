package crypt

import (
	"crypto/ed25519"
	"sync"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// A Verifier checks signatures of keys that come back, for relays: what is computed from an Ed25519 key
// alone is kept of the keys that have signed something, which makes the next verification a third
// faster than crypto/ed25519. It accepts exactly what crypto/ed25519 accepts. A nil Verifier keeps nothing.
//
// A signature that does not verify takes the same time whether the key is kept or not, so that nobody
// but the owner of a key can tell whether it was used.
type Verifier struct {
	max  int
	mu   sync.Mutex
	keys map[Ed25519Public]*voi.ExpandedPublicKey
}

// NewVerifier makes a Verifier that keeps up to n keys, each of which takes about 1.6 KiB.
func NewVerifier(n int) *Verifier {
	return &Verifier{max: n, keys: make(map[Ed25519Public]*voi.ExpandedPublicKey)}
}

// asStandardLibrary is verification as crypto/ed25519 does it.
var asStandardLibrary = &voi.Options{Verify: voi.VerifyOptionsStdLib}

// Verify checks a signature of msg by an Ed25519 or Ed448 key. A key of another algorithm verifies nothing.
func (v *Verifier) Verify(key PublicKey, msg, sig []byte) bool {
	k, ok := key.(Ed25519Public)
	if !ok {
		return Verify(key, msg, sig)
	}
	if len(sig) != ed25519.SignatureSize {
		return false
	}
	expanded := v.get(k)
	known := expanded != nil
	if !known {
		var err error
		if expanded, err = voi.NewExpandedPublicKey(k[:]); err != nil {
			return false // not a point of the curve
		}
	}
	ok = voi.VerifyExpandedWithOptions(expanded, msg, sig, asStandardLibrary)
	switch {
	case ok && !known:
		v.keep(k, expanded)
	case !ok && known:
		voi.NewExpandedPublicKey(k[:]) // only for the time it takes
	}
	return ok
}

func (v *Verifier) get(k Ed25519Public) *voi.ExpandedPublicKey {
	if v == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.keys[k]
}

// keep makes room by forgetting any other key: which one that is only costs time.
func (v *Verifier) keep(k Ed25519Public, expanded *voi.ExpandedPublicKey) {
	if v == nil || v.max <= 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for old := range v.keys {
		if len(v.keys) < v.max {
			break
		}
		delete(v.keys, old)
	}
	v.keys[k] = expanded
}
