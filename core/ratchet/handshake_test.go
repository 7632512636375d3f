package ratchet

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestFlags(t *testing.T) {
	type flags struct{ send, receive bool }
	for _, test := range []struct {
		name  string
		h     handshake
		turns []flags // of the receiver, after each turn; the joiner sends first
	}{
		{"no PQ", handshake{}, []flags{{}, {}, {}, {}, {}, {}}},
		{"offered by the joiner", handshake{joinerPQ: true, initiatorPQ: true},
			[]flags{{true, false}, {true, true}, {true, true}, {true, true}, {true, true}, {true, true}}},
		{"offered by the link", handshake{joinerPQ: true, initiatorPQ: true, offer: true},
			[]flags{{true, true}, {true, true}, {true, true}, {true, true}, {true, true}, {true, true}}},
		{"offer not accepted", handshake{initiatorPQ: true, offer: true},
			[]flags{{}, {}, {}, {}, {}, {}}},
		{"refused by the initiator", handshake{joinerPQ: true},
			[]flags{{}, {}, {}, {}, {}, {}}},
		{"version 2", handshake{joinerPQ: true, initiatorPQ: true, offer: true, joiner: 2},
			[]flags{{}, {}, {}, {}, {}, {}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.h.skipFirst = true
			from, to := connect(t, test.h)
			if from.VerificationCode() != to.VerificationCode() {
				t.Error("the verification codes differ")
			}
			for i, want := range test.turns {
				text := fmt.Sprint("turn ", i)
				to.mustOpen(t, from.sealed(t, PQKeep, text), text)
				if got := (flags{to.SendPQ(), to.ReceivePQ()}); got != want {
					t.Errorf("turn %d: flags are %v, want %v", i, got, want)
				}
				from, to = to, from
			}
		})
	}
}

// A peer that installs a newer release goes from one-byte to two-byte lengths in the middle of
// a conversation.
func TestUpgrade(t *testing.T) {
	a, b := connect(t, handshake{initiator: 2})
	if a.Version() != 2 || b.Version() != 2 {
		t.Fatalf("versions are %d and %d, want 2", a.Version(), b.Version())
	}
	old := a.sealed(t, PQKeep, "one-byte lengths")
	if old[0] != 123 {
		t.Errorf("first byte is %d, want the length 123", old[0])
	}
	b.max = 3
	b.mustOpen(t, old, "one-byte lengths")
	if b.Version() != 3 {
		t.Errorf("version is %d after a header that announces 3", b.Version())
	}
	answer := b.sealed(t, PQOn, "two-byte lengths")
	if !bytes.HasPrefix(answer, []byte{2346 >> 8, 2346 & 255}) {
		t.Error("the answer has no two-byte length of 2346")
	}
	a.mustOpen(t, answer, "two-byte lengths")
	if a.Version() != 3 {
		t.Errorf("version is %d after a header that announces 3", a.Version())
	}
	for range 3 {
		b.mustOpen(t, a.sealed(t, PQOn, "x"), "x")
		a.mustOpen(t, b.sealed(t, PQOn, "y"), "y")
	}
	if !a.SendPQ() || !a.ReceivePQ() {
		t.Error("no PQ after the upgrade")
	}
}

func TestVerificationCode(t *testing.T) {
	var code VerificationCode
	copy(code[2:], bytes.Repeat([]byte{1}, 30))
	if got := code.String(); got != "69288 12018 73876 20767 97245 10095 26216 30696 01528 18651 72384 79061 25540 88705" {
		t.Errorf("code is %q", got)
	}
	if got := (VerificationCode{}).String(); got != "0" {
		t.Errorf("code of zeros is %q", got)
	}
	all := VerificationCode(bytes.Repeat([]byte{0xff}, 32))
	if got := strings.ReplaceAll(all.String(), " ", ""); got != "115792089237316195423570985008687907853269984665640564039457584007913129639935" {
		t.Errorf("highest code is %q", got)
	}
}

func TestResync(t *testing.T) {
	for _, pq := range []bool{false, true} {
		joiners := map[bool]int{}
		for range 6 {
			ownA, err := NewPrivateParams(rand.Reader, pq)
			if err != nil {
				t.Fatal(err)
			}
			ownB, err := NewPrivateParams(rand.Reader, pq)
			if err != nil {
				t.Fatal(err)
			}
			ra, err := Resync(rand.Reader, ownA, Versions, ownB.Params(MaxVersion), pq)
			if err != nil {
				t.Fatal(err)
			}
			rb, err := Resync(rand.Reader, ownB, Versions, ownA.Params(MaxVersion), pq)
			if err != nil {
				t.Fatal(err)
			}
			if ra.CanSend() == rb.CanSend() {
				t.Fatal("one side has to be the joiner")
			}
			joiners[ra.CanSend()]++
			if ra.VerificationCode() != rb.VerificationCode() {
				t.Error("the verification codes differ")
			}
			from, to := &side{Ratchet: ra}, &side{Ratchet: rb}
			if !ra.CanSend() {
				from, to = to, from
			}
			for range 4 {
				to.mustOpen(t, from.sealed(t, PQKeep, "x"), "x")
				from, to = to, from
			}
			if ra.SendPQ() != pq || rb.ReceivePQ() != pq {
				t.Error("PQ is not as it was wanted")
			}
		}
	}
}

func TestHandshakeRefused(t *testing.T) {
	own, err := NewPrivateParams(rand.Reader, true)
	if err != nil {
		t.Fatal(err)
	}
	link := own.Link(Versions)
	for _, versions := range []wire.VersionRange{{Min: 1, Max: 1}, {Min: 4, Max: 5}} {
		link := link
		link.Versions = versions
		if _, _, err := Join(rand.Reader, Versions, link, false); !errors.Is(err, ErrVersion) {
			t.Errorf("versions %v: error %v, want %v", versions, err, ErrVersion)
		}
	}
	r, reply, err := Join(rand.Reader, Versions, LinkParams{wire.VersionRange{Min: 2, Max: 9}, link.Key1, link.Key2, link.KEM}, true)
	if err != nil || r.Version() != MaxVersion {
		t.Fatal("a link of a newer release:", err)
	}

	bad := reply
	bad.Version = 4
	if _, err := Initiate(own, Versions, bad, true); !errors.Is(err, ErrVersion) {
		t.Errorf("error %v, want %v", err, ErrVersion)
	}
	if _, err := Resync(rand.Reader, own, Versions, bad, true); !errors.Is(err, ErrVersion) {
		t.Errorf("error %v, want %v", err, ErrVersion)
	}
	if _, err := Resync(rand.Reader, own, Versions, reply, true); !errors.Is(err, ErrParams) {
		t.Errorf("error %v, want %v", err, ErrParams)
	}
	bad = reply
	bad.Key2 = crypt.X448Public{}
	if _, err := Initiate(own, Versions, bad, true); !errors.Is(err, ErrParams) {
		t.Errorf("error %v, want %v", err, ErrParams)
	}
	noOffer, err := NewPrivateParams(rand.Reader, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Initiate(noOffer, Versions, reply, true); !errors.Is(err, ErrKEM) {
		t.Errorf("error %v, want %v", err, ErrKEM)
	}
	link.Key2 = crypt.X448Public{}
	if _, _, err := Join(rand.Reader, Versions, link, true); !errors.Is(err, ErrParams) {
		t.Errorf("error %v, want %v", err, ErrParams)
	}
	for n := int64(0); n < 20000; n += 500 {
		_, _, err := Join(io.LimitReader(rand.Reader, n), Versions, own.Link(Versions), true)
		if err == nil {
			break
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("error %v, want the end of the input", err)
		}
	}
}
