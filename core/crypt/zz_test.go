package crypt

import (
	"crypto/ed25519"
	"testing"
	ced "github.com/cloudflare/circl/sign/ed25519"
	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/math/fp25519"
)

func BenchmarkZ(b *testing.B) {
	pub, priv, _ := ed25519.GenerateKey(nil)
	msg := make([]byte, 100)
	sig := ed25519.Sign(priv, msg)
	b.Run("std", func(b *testing.B) { for b.Loop() { ed25519.Verify(pub, msg, sig) } })
	b.Run("circl", func(b *testing.B) { for b.Loop() { if !ced.Verify(ced.PublicKey(pub), msg, sig) { b.Fatal() } } })
	var k X25519Private
	k[0] = 1
	k[5]=9
	p := k.Public()
	b.Run("x25519", func(b *testing.B) { for b.Loop() { k.DH(p) } })
	b.Run("x25519circl", func(b *testing.B) { var s, kk, pp x25519.Key; kk=x25519.Key(k); pp = x25519.Key(p); for b.Loop() { x25519.Shared(&s,&kk,&pp) } })
	b.Run("fpmul", func(b *testing.B) { var x, y fp25519.Elt; x[0]=5; y[3]=7; for b.Loop() { fp25519.Mul(&x,&x,&y) } })
	b.Run("fpsqr", func(b *testing.B) { var x fp25519.Elt; x[0]=5; for b.Loop() { fp25519.Sqr(&x,&x) } })
	c := &BlockChain{}
	buf := make([]byte, BlockSize)
	b.Run("seal", func(b *testing.B) { b.SetBytes(BlockSize); for b.Loop() { c.Seal(buf[:0], msg) } })
	b.Run("next", func(b *testing.B) { for b.Loop() { c.next() } })
	var bk BoxKey
	b.Run("salsa", func(b *testing.B) { b.SetBytes(BlockSize); var s boxStream; s.init(&bk, Nonce{}); for b.Loop() { s.xor(buf) } })
}
