package ratchet

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
)

// Lengths that the agent pads messages to (agent.md §3).
const (
	paddedPlain = 15840
	paddedPQ    = 13618
)

func forPQ(b *testing.B, f func(b *testing.B, h handshake, padded int)) {
	b.Run("PQ=off", func(b *testing.B) { f(b, handshake{}, paddedPlain) })
	b.Run("PQ=on", func(b *testing.B) {
		f(b, handshake{joinerPQ: true, initiatorPQ: true, offer: true}, paddedPQ)
	})
}

func encrypt(b *testing.B, s *side, text []byte, padded int) []byte {
	key, err := s.NextKey(PQKeep, len(text), padded)
	if err != nil {
		b.Fatal(err)
	}
	msg, err := key.Encrypt(text, padded)
	if err != nil {
		b.Fatal(err)
	}
	return msg
}

func decrypt(b *testing.B, s *side, msg []byte) {
	_, change, err := s.Decrypt(rand.Reader, msg, &s.keys)
	if err != nil {
		b.Fatal(err)
	}
	s.keys.apply(change)
}

func perSecond(b *testing.B, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkEncrypt encrypts messages of one chain.
func BenchmarkEncrypt(b *testing.B) {
	forPQ(b, func(b *testing.B, h handshake, padded int) {
		from, _ := connect(b, h)
		text := make([]byte, 1000)
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			encrypt(b, from, text, padded)
			n++
		}
		perSecond(b, n)
	})
}

// BenchmarkDecrypt decrypts messages of one chain.
func BenchmarkDecrypt(b *testing.B) {
	forPQ(b, func(b *testing.B, h handshake, padded int) {
		from, to := connect(b, h)
		text := make([]byte, 1000)
		var msgs [][]byte
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if len(msgs) == 0 {
				b.StopTimer()
				for range 100 {
					msgs = append(msgs, encrypt(b, from, text, padded))
				}
				b.StartTimer()
			}
			decrypt(b, to, msgs[0])
			msgs = msgs[1:]
			n++
		}
		perSecond(b, n)
	})
}

// BenchmarkTurn encrypts and decrypts messages each of which answers the one before: every one
// is a step of the ratchet.
func BenchmarkTurn(b *testing.B) {
	forPQ(b, func(b *testing.B, h handshake, padded int) {
		from, to := connect(b, h)
		text := make([]byte, 1000)
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			decrypt(b, to, encrypt(b, from, text, padded))
			from, to = to, from
			n++
		}
		perSecond(b, n)
	})
}

// BenchmarkSkip decrypts a message with the longest gaps that a peer can leave, in two chains.
func BenchmarkSkip(b *testing.B) {
	from, to := connect(b, handshake{})
	decrypt(b, to, encrypt(b, from, nil, testPadded))
	skip := func() {
		for range MaxSkip {
			encrypt(b, from, nil, testPadded)
		}
	}
	skip()
	decrypt(b, from, encrypt(b, to, nil, testPadded))
	skip()
	msg := encrypt(b, from, nil, testPadded)
	state, _ := to.MarshalBinary()
	for b.Loop() {
		r := new(Ratchet)
		if err := r.UnmarshalBinary(state); err != nil {
			b.Fatal(err)
		}
		if _, _, err := r.Decrypt(rand.Reader, msg, &to.keys); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnknown decrypts what no key fits, with as many stored header keys as there can be.
func BenchmarkUnknown(b *testing.B) {
	_, to := connect(b, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	other, _ := connect(b, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	msg := encrypt(b, other, nil, paddedPQ)
	for i := range MaxStoredKeys {
		to.keys.keys = append(to.keys.keys, SkippedKey{SkippedID: SkippedID{Header: crypt.Secret([]byte(fmt.Sprintf("%032d", i)))}})
	}
	for b.Loop() {
		if _, _, err := to.Decrypt(rand.Reader, msg, &to.keys); err != ErrHeader {
			b.Fatal(err)
		}
	}
}

// BenchmarkStore stores and loads a ratchet.
func BenchmarkStore(b *testing.B) {
	forPQ(b, func(b *testing.B, h handshake, _ int) {
		s, _ := connect(b, h)
		b.ReportAllocs()
		for b.Loop() {
			stored(b, s.Ratchet)
		}
	})
}

// BenchmarkHandshake makes both ends of a connection.
func BenchmarkHandshake(b *testing.B) {
	forPQ(b, func(b *testing.B, h handshake, _ int) {
		h.skipFirst = true
		for b.Loop() {
			connect(b, h)
		}
	})
}
