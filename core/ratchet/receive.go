package ratchet

import (
	"fmt"
	"io"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
)

// A SkippedID names a message that did not come when its successors did.
type SkippedID struct {
	Header crypt.Secret // the header key of its chain
	Number uint32       // its number in the chain
}

// A SkippedKey is the key of a message that may still come.
type SkippedKey struct {
	SkippedID
	BodyKey
}

// SkippedKeys are the keys that Decrypt returned in [Change.Add] before and that have not
// been removed since. They are asked for only when a message is late: Lookup once at most,
// and HeaderKeys only if the message is of none of the current chains.
type SkippedKeys interface {
	// HeaderKeys returns each header key that a stored key has, once.
	HeaderKeys() ([]crypt.Secret, error)
	// Lookup returns the key of a message, and false if there is none.
	Lookup(SkippedID) (BodyKey, bool, error)
}

// A Change is what has to be stored after a call of Decrypt, together with its message.
type Change struct {
	State  bool         // the ratchet has changed
	Add    []SkippedKey // keys to add, oldest first; see MaxStoredKeys
	Remove *SkippedID   // the key to remove, or nil
}

// Wipe overwrites the keys, once they are stored.
func (c *Change) Wipe() {
	clear(c.Add)
	*c = Change{}
}

// Decrypt returns the plaintext of a message and moves the ratchet on. rand makes the new keys
// when the message begins a chain: a KEM encapsulation and a KEM key if they are needed, and the
// ratchet's key.
//
// The change has to be stored whether or not there is an error: a message whose body is
// damaged has used up its key, and one whose number is refused can have begun a chain before.
// Without a change the ratchet is as it was.
//
// The errors are ErrMessage, ErrHeader, ErrDuplicate, *EarlierError, *TooManySkippedError,
// ErrBody, ErrKEM, and those of skipped and rand.
func (r *Ratchet) Decrypt(rand io.Reader, msg []byte, skipped SkippedKeys) ([]byte, Change, error) {
	m, err := parseMessage(msg)
	if err != nil {
		return nil, Change{}, err
	}
	if r.receive != nil {
		h, err := m.openHeader(&r.receive.header, &r.ad)
		if err != nil {
			return nil, Change{}, err
		}
		if h != nil {
			return r.decryptCurrent(m, h, skipped)
		}
	}
	h, err := m.openHeader(&r.nextRecv, &r.ad)
	if err != nil {
		return nil, Change{}, err
	}
	if h != nil {
		return r.decryptNext(rand, m, h)
	}
	return r.decryptOld(m, skipped)
}

// decryptOld decrypts a message of a chain that is gone. The reference tries these keys first,
// which makes no difference: a header has one key.
func (r *Ratchet) decryptOld(m *message, skipped SkippedKeys) ([]byte, Change, error) {
	keys, err := skipped.HeaderKeys()
	if err != nil {
		return nil, Change{}, fmt.Errorf("ratchet: header keys of skipped messages: %w", err)
	}
	defer clear(keys)
	for i := range keys {
		h, err := m.openHeader(&keys[i], &r.ad)
		if err != nil {
			return nil, Change{}, err
		}
		if h == nil {
			continue
		}
		plain, change, found, err := r.decryptSkipped(m, SkippedID{keys[i], h.number}, skipped)
		if err == nil && !found {
			err = ErrHeader
		}
		return plain, change, err
	}
	return nil, Change{}, ErrHeader
}

// decryptSkipped decrypts a message whose key is stored, and tells if it is.
func (r *Ratchet) decryptSkipped(m *message, id SkippedID, skipped SkippedKeys) ([]byte, Change, bool, error) {
	key, found, err := skipped.Lookup(id)
	if err != nil {
		return nil, Change{}, false, fmt.Errorf("ratchet: key of a skipped message: %w", err)
	}
	if !found {
		return nil, Change{}, false, nil
	}
	plain, err := m.openBody(&key, &r.ad)
	return plain, Change{Remove: &id}, true, err
}

// decryptCurrent decrypts a message of the chain that we are receiving.
func (r *Ratchet) decryptCurrent(m *message, h *header, skipped SkippedKeys) ([]byte, Change, error) {
	if h.number < r.received {
		plain, change, found, err := r.decryptSkipped(m, SkippedID{r.receive.header, h.number}, skipped)
		if found || err != nil {
			return plain, change, err
		}
	}
	next := r.clone()
	upgraded := next.upgrade(h.maxVersion)
	keys, err := next.skip(h.number)
	if err != nil {
		r.replace(next)
		return nil, Change{State: upgraded}, err
	}
	plain, err := next.open(m)
	r.replace(next)
	return plain, Change{State: true, Add: keys}, err
}

// decryptNext decrypts a message that begins a chain, or the first to come of it.
func (r *Ratchet) decryptNext(rand io.Reader, m *message, h *header) ([]byte, Change, error) {
	next := r.clone()
	next.upgrade(h.maxVersion)
	keys, err := next.skip(h.previous)
	if err == nil {
		err = next.step(rand, h)
	}
	if err != nil {
		next.Wipe()
		clear(keys)
		return nil, Change{}, err
	}
	var plain []byte
	more, err := next.skip(h.number)
	if err == nil {
		keys = append(keys, more...)
		clear(more)
		plain, err = next.open(m)
	}
	r.replace(next)
	return plain, Change{State: true, Add: keys}, err
}

// upgrade raises the version to one that both sides support, and tells if it has changed.
func (r *Ratchet) upgrade(peerMax uint16) bool {
	before := r.current
	r.current = max(r.current, min(peerMax, r.max))
	return r.current != before
}

// skip moves the receiving chain on to a message and returns the keys of those before it.
// With an error the chain is unchanged (ratchet.md §8).
func (r *Ratchet) skip(number uint32) ([]SkippedKey, error) {
	if r.receive == nil {
		return nil, nil
	}
	switch next, until := uint64(r.received), uint64(number); {
	case next > until+1:
		return nil, &EarlierError{uint32(next - until - 1)}
	case next == until+1:
		return nil, ErrDuplicate
	case next+MaxSkip < until:
		return nil, &TooManySkippedError{until + 1 - next}
	}
	var keys []SkippedKey
	if n := number - r.received; n > 0 {
		keys = make([]SkippedKey, 0, n)
	}
	for ; r.received < number; r.received++ {
		body, _ := r.receive.next()
		keys = append(keys, SkippedKey{SkippedID{r.receive.header, r.received}, body})
	}
	return keys, nil
}

// open decrypts the next message of the receiving chain.
func (r *Ratchet) open(m *message) ([]byte, error) {
	body, _ := r.receive.next()
	r.received++
	return m.openBody(&body, &r.ad)
}

// step derives two new chains from a header with a new key of the peer (ratchet.md §8).
func (r *Ratchet) step(rand io.Reader, h *header) error {
	kem, err := r.kemStep(rand, h.kem)
	if err != nil {
		return err
	}
	defer kem.wipe()
	private, err := crypt.NewX448(rand)
	if err != nil {
		return err
	}
	defer private.Wipe()
	dhReceive, err := r.private.DH(h.public)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	dhSend, err := private.DH(h.public)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}

	receive, send := &chain{header: r.nextRecv}, &chain{header: r.nextSend}
	r.root, receive.key, r.nextRecv = rootKDF(&r.root, &dhReceive, kem.received)
	r.root, send.key, r.nextSend = rootKDF(&r.root, &dhSend, kem.sent)
	r.receive.wipe()
	r.send.wipe()
	r.receive, r.send = receive, send
	r.private, r.public = private, private.Public()
	r.previous, r.sent, r.received = r.sent, 0, 0

	r.kem.wipe()
	r.kem = kem.state
	kem.state = nil
	r.receivePQ, r.sendPQ = kem.received != nil, kem.sent != nil
	r.enableKEM = r.receivePQ || r.sendPQ || r.kem != nil
	r.largeHeaders = r.largeHeaders || r.enableKEM && r.current >= kemVersion
	return nil
}

// A kemResult is the post-quantum part of a step: the secrets for the two chains, nil for none,
// and our part for the headers to come.
type kemResult struct {
	received, sent *kemSecret
	state          *kemState
}

func (s *kemResult) wipe() {
	for _, secret := range []*kemSecret{s.received, s.sent} {
		if secret != nil {
			clear(secret[:])
		}
	}
	s.state.wipe()
}

// kemStep makes the post-quantum part of a step from the peer's, nil for none (ratchet.md §8).
func (r *Ratchet) kemStep(rand io.Reader, peer *KEMParams) (*kemResult, error) {
	result := new(kemResult)
	enabled := r.enableKEM && r.current >= kemVersion
	if peer != nil && peer.Ciphertext != nil {
		if r.kem == nil {
			return nil, ErrKEM
		}
		secret := sntrup761.Decapsulate(r.kem.pair.secret, peer.Ciphertext)
		result.received = &secret
	}
	// A peer that has a key of ours and sends none has switched off.
	if !enabled || peer == nil && r.kem != nil {
		return result, nil
	}
	state := new(kemState)
	if peer != nil {
		ct, secret, err := sntrup761.Encapsulate(rand, peer.PublicKey)
		if err != nil {
			result.wipe()
			return nil, err
		}
		state.ciphertext, result.sent = ct, &secret
	}
	own, err := newKEMPair(rand)
	if err != nil {
		result.wipe()
		return nil, err
	}
	state.pair, result.state = *own, state
	return result, nil
}
