package agent

import (
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// decrypt opens what the ratchet of the connection encrypted and keeps its new state in d.c, which
// the caller stores also if the message has to be dropped: its key is used up (ratchet.md §8).
// couldSend tells whether the ratchet could encrypt before.
func (a *Agent) decrypt(d *delivery, body []byte) (plain []byte, couldSend bool, err error) {
	r, err := loadRatchet(d.c)
	if err != nil {
		return nil, false, err
	}
	defer r.Wipe()
	couldSend = r.CanSend()
	plain, err = a.decryptWith(d, r, body)
	return plain, couldSend, err
}

func (a *Agent) decryptWith(d *delivery, r *ratchet.Ratchet, body []byte) ([]byte, error) {
	skipped := &skippedKeys{d.tx, d.c.ID}
	plain, change, reason := r.Decrypt(a.cfg.Rand, body, skipped)
	defer change.Wipe()
	if skippedErr := new(storeError); errors.As(reason, &skippedErr) {
		return nil, reason
	}
	if err := skipped.apply(change); err != nil {
		return nil, err
	}
	if change.State {
		state, err := r.MarshalBinary()
		if err != nil {
			return nil, err
		}
		d.c.Ratchet = state
	}
	if reason != nil {
		return nil, fmt.Errorf("%w: %w", errDropped, reason)
	}
	return plain, nil
}

// storeError is an error of the store on its way through the ratchet.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

// skippedKeys gives the ratchet the keys that a connection has stored.
type skippedKeys struct {
	tx         *store.Tx
	connection int64
}

var _ ratchet.SkippedKeys = (*skippedKeys)(nil)

func (s *skippedKeys) HeaderKeys() ([]crypt.Secret, error) {
	list, err := s.tx.SkippedHeaderKeys(s.connection)
	if err != nil {
		return nil, &storeError{err}
	}
	keys := make([]crypt.Secret, len(list))
	for i, k := range list {
		keys[i] = crypt.Secret(k)
	}
	return keys, nil
}

func (s *skippedKeys) Lookup(id ratchet.SkippedID) (k ratchet.BodyKey, ok bool, err error) {
	b, err := s.tx.SkippedKey(s.connection, id.Header[:], id.Number)
	if errors.Is(err, store.ErrNotFound) {
		return k, false, nil
	} else if err != nil {
		return k, false, &storeError{err}
	}
	r := wire.NewReader(b)
	copy(k.Key[:], r.Bytes(len(k.Key)))
	copy(k.IV[:], r.Bytes(len(k.IV)))
	if err := r.End(); err != nil {
		return k, false, &storeError{err}
	}
	return k, true, nil
}

func (s *skippedKeys) apply(c ratchet.Change) error {
	if c.Remove != nil {
		if err := s.tx.DeleteSkippedKey(s.connection, c.Remove.Header[:], c.Remove.Number); err != nil {
			return err
		}
	}
	for i := range c.Add {
		k := &c.Add[i]
		b := append(k.Key[:len(k.Key):len(k.Key)], k.IV[:]...)
		if err := s.tx.InsertSkippedKey(s.connection, k.Header[:], k.Number, b); err != nil {
			return err
		}
	}
	if len(c.Add) > 0 {
		return s.tx.LimitSkippedKeys(s.connection, ratchet.MaxStoredKeys)
	}
	return nil
}
