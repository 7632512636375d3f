package ratchet

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seedVariable names the environment variable that repeats a run of TestModel.
const seedVariable = "RATCHET_SEED"

// packet is a message on its way.
type packet struct {
	text    string
	sealed  []byte
	damaged bool
}

// TestModel sends in both directions over a network that reorders, drops, damages and repeats
// messages, to receivers that crash between decrypting and storing. Every message that comes
// undamaged is read, once.
func TestModel(t *testing.T) {
	seed := mathrand.Uint64()
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := mathrand.New(mathrand.NewPCG(seed, seed))
	for run, h := range []handshake{
		{},
		{joinerPQ: true, initiatorPQ: true, offer: true},
		{joinerPQ: true, initiatorPQ: true},
		{initiator: 2},
	} {
		t.Run(fmt.Sprintf("%+v", h), func(t *testing.T) {
			a, b := connect(t, h)
			model(t, random, run, a, b)
		})
	}
}

func model(t *testing.T, random *mathrand.Rand, run int, a, b *side) {
	sides := [2]*side{a, b}
	var wires [2][]packet // to each side
	read := map[string]int{}
	choices := []PQ{PQKeep}
	if run > 0 {
		choices = []PQ{PQKeep, PQKeep, PQOn, PQOff}
	}
	lost, sent := 0, 0

	receive := func(to int) {
		queue := &wires[to]
		i := 0
		if random.IntN(3) == 0 {
			i = random.IntN(len(*queue))
		}
		p := (*queue)[i]
		*queue = append((*queue)[:i:i], (*queue)[i+1:]...)
		s := sides[to]
		if random.IntN(10) == 0 { // a crash: what was not stored has not happened
			crashed := stored(t, s.Ratchet)
			crashed.Decrypt(rand.Reader, p.sealed, &s.keys)
		}
		got, err := s.open(t, p.sealed)
		s.Ratchet = stored(t, s.Ratchet)
		switch {
		case p.damaged:
			if err == nil {
				t.Fatalf("%q is damaged and was read", p.text)
			}
		case read[p.text] > 0:
			if err == nil {
				t.Fatalf("%q was read twice", p.text)
			}
		case err != nil || got != p.text:
			t.Fatalf("%q was read as %q with error %v", p.text, got, err)
		default:
			read[p.text]++
		}
	}
	for range 600 {
		from := random.IntN(2)
		switch action := random.IntN(10); {
		case action < 5:
			text := fmt.Sprint("message ", sent)
			sent++
			p := packet{text: text, sealed: sides[from].sealed(t, choices[random.IntN(len(choices))], text)}
			to := &wires[1-from]
			switch random.IntN(12) {
			case 0:
				lost++
			case 1: // the message takes its key with it
				lost++
				p.damaged = true
				p.sealed[len(p.sealed)-1] ^= 1
				*to = append(*to, p)
			case 2:
				copied := p
				copied.damaged = true
				copied.sealed = append([]byte(nil), p.sealed...)
				copied.sealed[30] ^= 1 // the header: the message itself can still be read
				*to = append(*to, copied, p)
			case 3:
				*to = append(*to, p, p)
			default:
				*to = append(*to, p)
			}
		case len(wires[from]) > 0:
			receive(from)
		}
	}
	for to := range wires {
		for len(wires[to]) > 0 {
			receive(to)
		}
	}
	if len(read) != sent-lost {
		t.Fatalf("%d of %d messages were read, %d lost", len(read), sent, lost)
	}
	// Both still understand each other.
	b.mustOpen(t, a.sealed(t, PQKeep, "end"), "end")
	a.mustOpen(t, b.sealed(t, PQKeep, "end"), "end")
	t.Logf("%d sent, %d lost, %d and %d keys left", sent, lost, len(a.keys.keys), len(b.keys.keys))
}
