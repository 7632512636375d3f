package ratchet

import (
	"bytes"
	"crypto/rand"
	"reflect"
	"testing"

	"github.com/sotto-chat/sotto/core/wire"
)

func FuzzDecrypt(f *testing.F) {
	a, b := connect(f, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	c, d := connect(f, handshake{joiner: 2})
	f.Add([]byte(nil))
	f.Add(a.sealed(f, PQKeep, "x"))
	f.Add(c.sealed(f, PQKeep, "x"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, s := range []*side{b, d} {
			s := &side{Ratchet: stored(t, s.Ratchet)}
			before := stateOf(s.Ratchet)
			if _, change, _ := s.Decrypt(rand.Reader, msg, &s.keys); !change.State {
				checkState(t, s.Ratchet, before)
			}
		}
	})
}

// FuzzHeader decrypts any header of a peer who has the keys.
func FuzzHeader(f *testing.F) {
	a, b := connect(f, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	b.mustOpen(f, a.sealed(f, PQKeep, "x"), "x")
	h := header{maxVersion: 3, public: a.public, kem: &KEMParams{a.kem.pair.public, a.kem.ciphertext}, number: 5}
	f.Add(h.append(nil, 3), uint16(3), false)
	f.Add(h.append(nil, 3), uint16(3), true)
	f.Add(h.append(nil, 2), uint16(2), true)
	h.kem, h.previous = nil, 600
	f.Add(h.append(nil, 3), uint16(9), true)
	f.Fuzz(func(t *testing.T, plain []byte, version uint16, next bool) {
		if len(plain) > 5000 {
			return
		}
		key := a.send.header
		if next {
			key = a.nextSend
		}
		s := &side{Ratchet: stored(t, b.Ratchet)}
		_, change, err := s.Decrypt(rand.Reader, hostile(t, key, a.Ratchet, version, plain), &s.keys)
		if err == nil {
			t.Error("a body of zeros was read")
		}
		if len(change.Add) > 2*MaxSkip {
			t.Errorf("%d keys were derived", len(change.Add))
		}
		if h, err := parseHeader(plain, version); err == nil && !bytes.Equal(h.append(nil, version), plain) {
			t.Error("the header is not the same when it is written")
		}
		stored(t, s.Ratchet)
	})
}

func FuzzParams(f *testing.F) {
	own, err := NewPrivateParams(rand.Reader, true)
	if err != nil {
		f.Fatal(err)
	}
	_, reply, err := Join(rand.Reader, Versions, own.Link(Versions), true)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range []Params{reply, own.Params(2), own.Params(3)} {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := wire.NewReader(b)
		p := ReadParams(in)
		if in.End() != nil {
			return
		}
		if !bytes.Equal(p.Append(nil), b) {
			t.Error("not the same when it is written")
		}
		if r, err := Initiate(own, Versions, p, true); err == nil {
			stored(t, r)
		}
	})
}

func FuzzLinkParams(f *testing.F) {
	for _, v := range readLinks(f) {
		f.Add([]byte(v.Binary))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := wire.NewReader(b)
		p := ReadLinkParams(in)
		if in.End() == nil && !bytes.Equal(p.Append(nil), b) {
			t.Error("not the same when it is written")
		}
	})
}

func FuzzParseLinkParams(f *testing.F) {
	for _, v := range readLinks(f) {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseLinkParams(text)
		if err != nil {
			return
		}
		if again, err := ParseLinkParams(p.String()); err != nil || !reflect.DeepEqual(again, p) {
			t.Error("not the same when it is written:", err)
		}
	})
}

func FuzzRatchetState(f *testing.F) {
	for _, h := range []handshake{{}, {skipFirst: true}, {joinerPQ: true, initiatorPQ: true, offer: true}} {
		a, b := connect(f, h)
		for _, s := range []*side{a, b} {
			state, _ := s.MarshalBinary()
			f.Add(state)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := new(Ratchet)
		if r.UnmarshalBinary(b) != nil {
			return
		}
		if again, _ := r.MarshalBinary(); !bytes.Equal(again, b) {
			t.Error("not the same when it is stored again")
		}
		if key, err := r.NextKey(PQOn, 1, 100); err == nil {
			storedKey(t, key)
		}
	})
}

func FuzzMessageKey(f *testing.F) {
	a, _ := connect(f, handshake{})
	key, err := a.NextKey(PQKeep, 1, 100)
	if err != nil {
		f.Fatal(err)
	}
	b, _ := key.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		key := new(MessageKey)
		if key.UnmarshalBinary(b) != nil {
			return
		}
		if again, _ := key.MarshalBinary(); !bytes.Equal(again, b) {
			t.Error("not the same when it is stored again")
		}
		if _, err := key.Encrypt([]byte("x"), 100); err != nil {
			t.Error(err)
		}
	})
}

func FuzzPrivateParams(f *testing.F) {
	for _, offer := range []bool{false, true} {
		own, err := NewPrivateParams(rand.Reader, offer)
		if err != nil {
			f.Fatal(err)
		}
		b, _ := own.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := new(PrivateParams)
		if p.UnmarshalBinary(b) != nil {
			return
		}
		if again, _ := p.MarshalBinary(); !bytes.Equal(again, b) {
			t.Error("not the same when it is stored again")
		}
		p.Params(MaxVersion)
	})
}
