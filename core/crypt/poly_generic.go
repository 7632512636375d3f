//go:build !amd64

package crypt

import (
	//lint:ignore SA1019 a box is made of it
	"golang.org/x/crypto/poly1305"
)

// polySum returns the Poly1305 tag of msg.
func polySum(msg []byte, key *[32]byte) (tag [poly1305.TagSize]byte) {
	poly1305.Sum(&tag, msg, key)
	return tag
}
