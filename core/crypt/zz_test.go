package crypt

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"testing"
)

// TestX25519 compares with crypto/ecdh, also for keys that are not reduced or have the top bit set.
func TestX25519(t *testing.T) {
	for i := range 300 {
		k, err := NewX25519(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var p X25519Public
		rand.Read(p[:])
		if i >= 200 { // not reduced, low orders
			for j := range p {
				p[j] = 0xff
			}
			p[0] = byte(i)
			if i&1 == 0 {
				p[31] = 0x7f
			}
		}
		if i >= 295 {
			p = X25519Public{byte(i - 295)}
		}
		priv, _ := ecdh.X25519().NewPrivateKey(k[:])
		pub, _ := ecdh.X25519().NewPublicKey(p[:])
		want, wantErr := priv.ECDH(pub)
		got, err := k.DH(p)
		if (err != nil) != (wantErr != nil) || err == nil && !bytes.Equal(got[:], want) {
			t.Fatalf("%x %x: %x, %v; want %x %v", k, p, got, err, want, wantErr)
		}
		if pk := k.Public(); !bytes.Equal(pk[:], priv.PublicKey().Bytes()) {
			t.Fatal("public")
		}
	}
}
func BenchmarkX(b *testing.B) {
	k, _ := NewX25519(rand.Reader)
	p := k.Public()
	b.Run("dh", func(b *testing.B) {
		for b.Loop() {
			k.DH(p)
		}
	})
	b.Run("public", func(b *testing.B) {
		for b.Loop() {
			k.Public()
		}
	})
	priv, _ := ecdh.X25519().NewPrivateKey(k[:])
	_ = priv
	b.Run("publicstd", func(b *testing.B) {
		for b.Loop() {
			priv, _ := ecdh.X25519().NewPrivateKey(k[:])
			priv.PublicKey()
		}
	})
}
