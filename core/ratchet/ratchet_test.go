package ratchet

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/wire"
)

const testPadded = 200

// side is one end of a conversation.
type side struct {
	*Ratchet
	keys memory
}

// sealed encrypts text.
func (s *side) sealed(t testing.TB, pq PQ, text string) []byte {
	t.Helper()
	key, err := s.NextKey(pq, len(text), testPadded)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := key.Encrypt([]byte(text), testPadded)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// open decrypts as the agent does: what has changed is stored, whether there is an error or not.
func (s *side) open(t testing.TB, msg []byte) (string, error) {
	t.Helper()
	before, _ := s.MarshalBinary()
	plain, change, err := s.Decrypt(rand.Reader, msg, &s.keys)
	if after, _ := s.MarshalBinary(); bytes.Equal(before, after) == change.State {
		t.Fatalf("the change says %v of the state, which is not so (error %v)", change.State, err)
	}
	s.keys.apply(change)
	return string(plain), err
}

func (s *side) mustOpen(t testing.TB, msg []byte, want string) {
	t.Helper()
	if got, err := s.open(t, msg); err != nil || got != want {
		t.Fatalf("got %q and error %v, want %q", got, err, want)
	}
}

// mustFail checks that a message fails and, unless it is expected to, changes nothing.
func (s *side) mustFail(t testing.TB, msg []byte, want error, changes bool) {
	t.Helper()
	before, _ := s.MarshalBinary()
	keys := s.keys.String()
	_, err := s.open(t, msg)
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	after, _ := s.MarshalBinary()
	if unchanged := bytes.Equal(before, after) && keys == s.keys.String(); unchanged == changes {
		t.Fatalf("with error %v the state has changed: %v, want %v", err, !unchanged, changes)
	}
}

// handshake makes the two ends; versions limit what each supports.
type handshake struct {
	joiner, initiator     uint16 // highest versions; 0 for MaxVersion
	joinerPQ, initiatorPQ bool
	offer                 bool // the link has a KEM key
	skipFirst             bool // don't exchange a first message each way
}

func connect(t testing.TB, h handshake) (joiner, initiator *side) {
	t.Helper()
	limit := func(version uint16) wire.VersionRange {
		if version == 0 {
			version = MaxVersion
		}
		return wire.VersionRange{Min: MinVersion, Max: version}
	}
	own, err := NewPrivateParams(rand.Reader, h.offer)
	if err != nil {
		t.Fatal(err)
	}
	link := own.Link(Versions)
	link.Versions = limit(h.initiator)
	j, reply, err := Join(rand.Reader, limit(h.joiner), link, h.joinerPQ)
	if err != nil {
		t.Fatal(err)
	}
	i, err := Initiate(own, limit(h.initiator), reply, h.initiatorPQ)
	if err != nil {
		t.Fatal(err)
	}
	joiner, initiator = &side{Ratchet: j}, &side{Ratchet: i}
	if !h.skipFirst {
		initiator.mustOpen(t, joiner.sealed(t, PQKeep, "hello"), "hello")
		joiner.mustOpen(t, initiator.sealed(t, PQKeep, "hi"), "hi")
	}
	return joiner, initiator
}

func TestSwitchPQ(t *testing.T) {
	a, b := connect(t, handshake{})
	exchange := func(pq PQ) {
		t.Helper()
		b.mustOpen(t, a.sealed(t, pq, "ping"), "ping")
		a.mustOpen(t, b.sealed(t, pq, "pong"), "pong")
	}
	both := func() bool { return a.SendPQ() && a.ReceivePQ() && b.SendPQ() && b.ReceivePQ() }
	none := func() bool { return !a.SendPQ() && !a.ReceivePQ() && !b.SendPQ() && !b.ReceivePQ() }
	until := func(pq PQ, reached func() bool) {
		t.Helper()
		for range 6 {
			if exchange(pq); reached() {
				return
			}
		}
		t.Fatalf("PQ was not switched %v", pq)
	}
	until(PQOn, both)
	exchange(PQKeep)
	if !both() {
		t.Error("PQ went off by itself")
	}
	until(PQOff, none)
	if !a.LargeHeaders() || !b.LargeHeaders() {
		t.Error("headers got small again")
	}
	until(PQOn, both)
}

// The headers after a switch to off have all that the chain was made of: the messages before
// may come later or never.
func TestSwitchOffInChain(t *testing.T) {
	a, b := connect(t, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	late := a.sealed(t, PQOff, "late")
	b.mustOpen(t, a.sealed(t, PQOff, "first"), "first")
	if !b.ReceivePQ() {
		t.Error("the chain is protected, and the flag is off")
	}
	b.mustOpen(t, late, "late")
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	b.mustOpen(t, a.sealed(t, PQKeep, "off"), "off")
	if b.ReceivePQ() || a.SendPQ() {
		t.Error("PQ is still on")
	}
}

func TestLengths(t *testing.T) {
	for _, test := range []struct {
		name       string
		h          handshake
		raw, total int
	}{
		{"version 3 with PQ", handshake{joinerPQ: true, initiatorPQ: true}, 2346, 13618 + 2364},
		{"version 3", handshake{}, 124, 15840 + 142},
		{"version 2", handshake{initiator: 2}, 123, 15840 + 140},
	} {
		a, _ := connect(t, test.h)
		padded := 15840
		if a.LargeHeaders() {
			padded = 13618
		}
		key, err := a.NextKey(PQKeep, 3, padded)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := key.Encrypt([]byte("abc"), padded)
		if err != nil {
			t.Fatal(err)
		}
		if len(key.rawHeader) != test.raw || len(msg) != test.total {
			t.Errorf("%s: header has %d bytes and the message %d, want %d and %d", test.name, len(key.rawHeader), len(msg), test.raw, test.total)
		}
	}
}

func TestSkipped(t *testing.T) {
	a, b := connect(t, handshake{})
	var late []string
	var msgs [][]byte
	send := func(text string) {
		msgs = append(msgs, a.sealed(t, PQKeep, text))
		late = append(late, text)
	}
	for i := range 4 {
		send(fmt.Sprint("first chain ", i))
	}
	b.mustOpen(t, msgs[3], late[3])
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	for i := range 4 {
		send(fmt.Sprint("second chain ", i))
	}
	b.mustOpen(t, msgs[6], late[6])
	if n := len(b.keys.keys); n != 3+2 {
		t.Fatalf("%d keys are stored, want 5", n)
	}
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	send("third chain")
	b.mustOpen(t, msgs[8], late[8])
	for _, i := range []int{5, 0, 7, 2, 4, 1} {
		b.mustOpen(t, msgs[i], late[i])
	}
	if n := len(b.keys.keys); n != 0 {
		t.Errorf("%d keys are left over", n)
	}
	for i := range msgs {
		if got, err := b.open(t, msgs[i]); err == nil {
			t.Errorf("message %d came twice: %q", i, got)
		}
	}
	b.mustFail(t, msgs[0], ErrHeader, false)
	b.mustFail(t, msgs[8], ErrDuplicate, false)
}

func TestEarlier(t *testing.T) {
	a, b := connect(t, handshake{})
	msgs := [][]byte{a.sealed(t, PQKeep, "1"), a.sealed(t, PQKeep, "2"), a.sealed(t, PQKeep, "3")}
	b.mustOpen(t, msgs[2], "3")
	b.mustFail(t, msgs[2], ErrDuplicate, false)
	b.mustOpen(t, msgs[0], "1")
	var earlier *EarlierError
	if _, err := b.open(t, msgs[0]); !errors.As(err, &earlier) || earlier.Behind != 2 {
		t.Errorf("error %v, want 2 before", err)
	}
	b.mustOpen(t, msgs[1], "2")
}

func TestLimits(t *testing.T) {
	skip := func(s *side, n int) {
		for range n {
			if _, err := s.NextKey(PQKeep, 0, testPadded); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, b := connect(t, handshake{})
	skip(a, 1)
	b.mustOpen(t, a.sealed(t, PQKeep, "now"), "now")
	skip(a, MaxSkip)
	b.mustOpen(t, a.sealed(t, PQKeep, "just"), "just")
	skip(a, MaxSkip+1)
	tooMany := a.sealed(t, PQKeep, "too many")
	var skipped *TooManySkippedError
	if _, err := b.open(t, tooMany); !errors.As(err, &skipped) || skipped.Missing != MaxSkip+2 {
		t.Fatalf("error %v, want %d missing", err, MaxSkip+2)
	}

	// started makes two ends that are both in the chain of a.
	started := func() (a, b *side) {
		a, b = connect(t, handshake{})
		b.mustOpen(t, a.sealed(t, PQKeep, "start"), "start")
		return a, b
	}

	// The same at the end of a chain: nothing changes.
	a, b = started()
	skip(a, MaxSkip+1)
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	msg := a.sealed(t, PQKeep, "next chain")
	before := stateOf(b.Ratchet)
	if _, err := b.open(t, msg); !errors.As(err, &skipped) || skipped.Missing != MaxSkip+2 {
		t.Fatalf("error %v, want %d missing", err, MaxSkip+2)
	}
	checkState(t, b.Ratchet, before)

	// At the start of a chain: the chain before is complete, and its keys are kept.
	a, b = started()
	skip(a, 3)
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	first := a.sealed(t, PQKeep, "first")
	skip(a, MaxSkip)
	msg = a.sealed(t, PQKeep, "far")
	if _, err := b.open(t, msg); !errors.As(err, &skipped) {
		t.Fatalf("error %v, want too many skipped", err)
	}
	if len(b.keys.keys) != 3 {
		t.Errorf("%d keys are stored, want 3", len(b.keys.keys))
	}
	b.mustOpen(t, first, "first")

	// Both gaps at once.
	a, b = started()
	skip(a, MaxSkip)
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	skip(a, MaxSkip)
	b.mustOpen(t, a.sealed(t, PQKeep, "both"), "both")
	if len(b.keys.keys) != 2*MaxSkip {
		t.Errorf("%d keys are stored, want %d", len(b.keys.keys), 2*MaxSkip)
	}
}

func TestDamaged(t *testing.T) {
	a, b := connect(t, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	damaged := func(msg []byte, at int) []byte {
		msg = bytes.Clone(msg)
		msg[at] ^= 1
		return msg
	}
	msg := a.sealed(t, PQKeep, "text")
	b.mustFail(t, nil, ErrMessage, false)
	b.mustFail(t, msg[:100], ErrMessage, false)
	b.mustFail(t, damaged(msg, 1), ErrMessage, false)
	b.mustFail(t, damaged(msg, 10), ErrHeader, false)
	b.mustFail(t, damaged(msg, 200), ErrHeader, false)
	b.mustFail(t, msg[:2348+crypt.TagSize], ErrBody, true) // a body that is gone starts the new chain
	b.mustFail(t, msg, ErrDuplicate, false)

	late, last := a.sealed(t, PQKeep, "late"), a.sealed(t, PQKeep, "last")
	b.mustFail(t, damaged(last, len(last)-1), ErrBody, true)
	if len(b.keys.keys) != 1 {
		t.Fatalf("%d keys are stored, want 1", len(b.keys.keys))
	}
	b.mustFail(t, damaged(late, len(late)-1), ErrBody, true)
	if len(b.keys.keys) != 0 {
		t.Fatal("the key of a damaged message was not removed")
	}
	b.mustOpen(t, a.sealed(t, PQKeep, "goes on"), "goes on")
	a.mustOpen(t, b.sealed(t, PQKeep, "both ways"), "both ways")
}

// A peer has the keys to our headers; what it writes into them is as hostile as anything.
func TestHostileHeaders(t *testing.T) {
	t.Run("ciphertext without an offer", func(t *testing.T) {
		a, b := connect(t, handshake{})
		pair, err := newKEMPair(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		a.kem = &kemState{*pair, new(sntrup761.Ciphertext)}
		a.largeHeaders = true
		b.mustFail(t, a.sealed(t, PQKeep, "x"), ErrKEM, false)
	})
	t.Run("key of low order", func(t *testing.T) {
		a, b := connect(t, handshake{})
		a.public = crypt.X448Public{}
		b.mustFail(t, a.sealed(t, PQKeep, "x"), ErrMessage, false)
	})
	t.Run("not a header", func(t *testing.T) {
		a, b := connect(t, handshake{})
		b.mustFail(t, hostile(t, a.send.header, a.Ratchet, 3, []byte("nonsense")), ErrMessage, false)
	})
	t.Run("highest numbers", func(t *testing.T) {
		a, b := connect(t, handshake{})
		b.mustOpen(t, a.sealed(t, PQKeep, "x"), "x")
		h := header{maxVersion: 0xffff, public: a.public, number: 0xffffffff}
		var skipped *TooManySkippedError
		if _, err := b.open(t, hostile(t, a.send.header, a.Ratchet, 3, h.append(nil, 3))); !errors.As(err, &skipped) {
			t.Errorf("error %v, want too many skipped", err)
		}
		b.mustOpen(t, a.sealed(t, PQKeep, "x"), "x")
		h = header{public: a.public, previous: 0xffffffff}
		msg := hostile(t, a.nextSend, a.Ratchet, 3, h.append(nil, 3))
		if _, err := b.open(t, msg); !errors.As(err, &skipped) {
			t.Errorf("error %v, want too many skipped", err)
		}
	})
}

// hostile is a message with any header that the peer of r can read.
func hostile(t testing.TB, key crypt.Secret, r *Ratchet, version uint16, plain []byte) []byte {
	t.Helper()
	tag, ct, err := key.SealAEAD(crypt.IV{1}, r.ad[:], plain, max(smallHeader, len(plain)+2))
	if err != nil {
		t.Fatal(err)
	}
	raw := append(wire.AppendUint16(nil, version), 1)
	raw = append(append(raw, make([]byte, crypt.IVSize-1)...), tag[:]...)
	raw = append(wire.AppendUint16(raw, uint16(len(ct))), ct...)
	msg := append(wire.AppendUint16(nil, uint16(len(raw))), raw...)
	return append(msg, make([]byte, 100)...)
}

func TestRefused(t *testing.T) {
	joiner, initiator := connect(t, handshake{skipFirst: true})
	if initiator.CanSend() || !joiner.CanSend() {
		t.Error("the joiner can send at first, the initiator can't")
	}
	if _, err := initiator.NextKey(PQKeep, 1, 100); !errors.Is(err, ErrCannotSend) {
		t.Errorf("error %v, want %v", err, ErrCannotSend)
	}
	before := stateOf(joiner.Ratchet)
	for _, size := range [][2]int{{99, 100}, {0, 1}, {0, -5}, {1, 0}, {65536, 70000}, {10, 65536}} {
		if _, err := joiner.NextKey(PQOn, size[0], size[1]); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes padded to %d: error %v, want %v", size[0], size[1], err, ErrTooLarge)
		}
	}
	checkState(t, joiner.Ratchet, before)
	key, err := joiner.NextKey(PQKeep, 98, 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Encrypt(make([]byte, 99), 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want %v", err, ErrTooLarge)
	}
	if _, err := key.Encrypt(make([]byte, 98), 100); err != nil {
		t.Error(err)
	}
}

// failing is a store that can't be read.
type failing struct{ error }

func (f failing) HeaderKeys() ([]crypt.Secret, error)              { return nil, f.error }
func (f failing) Lookup(SkippedID) (key BodyKey, ok bool, e error) { return key, false, f.error }

func TestFailures(t *testing.T) {
	a, b := connect(t, handshake{joinerPQ: true, initiatorPQ: true})
	old := a.sealed(t, PQKeep, "old")
	b.mustOpen(t, old, "old")
	a.mustOpen(t, b.sealed(t, PQKeep, "turn"), "turn")
	msg := a.sealed(t, PQKeep, "new")
	before := stateOf(b.Ratchet)

	broken := errors.New("broken")
	if _, _, err := b.Decrypt(iotest.ErrReader(broken), msg, &b.keys); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	for n := int64(0); n < 20000; n += 1000 { // cuts each of the three reads
		if _, _, err := b.Decrypt(io.LimitReader(rand.Reader, n), msg, &b.keys); err == nil {
			break
		}
		checkState(t, b.Ratchet, before)
	}
	a, b = connect(t, handshake{})
	first, second := a.sealed(t, PQKeep, "first"), a.sealed(t, PQKeep, "second")
	b.mustOpen(t, second, "second")
	before = stateOf(b.Ratchet)
	for _, msg := range [][]byte{first, old} {
		if _, change, err := b.Decrypt(rand.Reader, msg, failing{broken}); !errors.Is(err, broken) || change.State || change.Remove != nil {
			t.Errorf("error %v and change %v, want %v", err, change, broken)
		}
	}
	checkState(t, b.Ratchet, before)
	b.mustOpen(t, first, "first")
}

// The store is asked for nothing when messages come in order.
func TestLookups(t *testing.T) {
	a, b := connect(t, handshake{})
	for range 3 {
		b.mustOpen(t, a.sealed(t, PQKeep, "1"), "1")
		b.mustOpen(t, a.sealed(t, PQKeep, "2"), "2")
		a.mustOpen(t, b.sealed(t, PQKeep, "3"), "3")
	}
	if a.keys.lookups != 0 || b.keys.lookups != 0 {
		t.Error("the store was read")
	}
}

func TestWiped(t *testing.T) {
	a, b := connect(t, handshake{joinerPQ: true, initiatorPQ: true, offer: true})
	send, receive, secret := b.send, b.receive, b.kem.pair.secret
	b.mustOpen(t, a.sealed(t, PQKeep, "x"), "x")
	if *send != (chain{}) || *receive != (chain{}) || *secret != (sntrup761.SecretKey{}) {
		t.Error("keys that were replaced are still in memory")
	}
	send, receive, secret = b.send, b.receive, b.kem.pair.secret
	b.Wipe()
	if *send != (chain{}) || *receive != (chain{}) || *secret != (sntrup761.SecretKey{}) || b.root != (crypt.Secret{}) {
		t.Error("Wipe has left keys")
	}
	own, err := NewPrivateParams(rand.Reader, true)
	if err != nil {
		t.Fatal(err)
	}
	secret = own.kem.secret
	own.Wipe()
	if *secret != (sntrup761.SecretKey{}) || own.key1 != (crypt.X448Private{}) {
		t.Error("Wipe has left private parameters")
	}
	key, err := a.NextKey(PQKeep, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	key.Wipe()
	if key.key != (BodyKey{}) {
		t.Error("Wipe has left a message key")
	}
	change := Change{Add: []SkippedKey{{BodyKey: BodyKey{Key: crypt.Secret{1}}}}}
	add := change.Add
	change.Wipe()
	if add[0] != (SkippedKey{}) {
		t.Error("Wipe has left a skipped key")
	}
}
