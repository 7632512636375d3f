//go:build !amd64

package crypt

import (
	//lint:ignore SA1019 boxes need the bare cipher (encoding.md §5)
	"golang.org/x/crypto/salsa20/salsa"
)

// xorSalsa encrypts b in place with Salsa20, whose first block has the number in the last half
// of counter.
func xorSalsa(b []byte, counter *[16]byte, key *[32]byte) { salsa.XORKeyStream(b, b, counter, key) }
