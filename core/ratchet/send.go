package ratchet

import (
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// PQ is the choice of post-quantum protection that a message makes for those that follow
// (ratchet.md §7 and §9).
type PQ uint8

const (
	PQKeep PQ = iota // leave it as it is
	PQOn
	PQOff
)

// String returns the name of the choice.
func (pq PQ) String() string {
	switch pq {
	case PQKeep:
		return "keep"
	case PQOn:
		return "on"
	case PQOff:
		return "off"
	}
	return fmt.Sprintf("PQ(%d)", uint8(pq))
}

// A MessageKey is all that is needed to encrypt the body of one message: the first half of
// sending has happened when it exists. It is stored with the pending message.
type MessageKey struct {
	version   uint16
	ad        associatedData
	key       BodyKey
	rawHeader []byte
}

// NextKey takes the key of the next message from the ratchet, whose new state has to be stored
// together with the key and the message. size is the length of the message and padded the
// length that it is going to be padded to, both in bytes; the agent's are in agent.md §3.
//
// It returns ErrTooLarge if the message does not fit, which needs padded to be size+2 or more, and
// ErrCannotSend; the ratchet is unchanged then.
func (r *Ratchet) NextKey(pq PQ, size, padded int) (*MessageKey, error) {
	if r.send == nil {
		return nil, ErrCannotSend
	}
	if err := checkSize(size, padded); err != nil {
		return nil, err
	}
	enableKEM := pq == PQOn || pq == PQKeep && r.enableKEM
	largeHeaders := r.largeHeaders || enableKEM && r.current >= kemVersion
	maxVersion := r.max
	if pq == PQOn {
		maxVersion = max(maxVersion, kemVersion)
	}

	// A switch to off changes nothing in the headers of this chain. The reference leaves out the
	// ciphertext from the next header on; but the secret in it is part of the chain, and a peer to
	// whom the messages before did not come could not derive it.
	h := header{maxVersion: maxVersion, public: r.public, previous: r.previous, number: r.sent}
	if r.kem != nil {
		h.kem = &KEMParams{PublicKey: r.kem.pair.public, Ciphertext: r.kem.ciphertext}
	}
	headerSize := smallHeader
	if largeHeaders && r.current >= kemVersion {
		headerSize = largeHeader
	}
	chain := *r.send
	defer chain.wipe()
	body, headerIV := chain.next()
	tag, ct, err := chain.header.SealAEAD(headerIV, r.ad[:], h.append(nil, r.current), headerSize)
	if err != nil {
		return nil, fmt.Errorf("ratchet: header: %w", err)
	}
	raw := make([]byte, 0, 2+crypt.IVSize+crypt.TagSize+2+headerSize)
	raw = append(append(wire.AppendUint16(raw, r.current), headerIV[:]...), tag[:]...)
	raw = append(appendLength(raw, r.current, len(ct)), ct...)

	*r.send = chain
	r.sent++
	r.max, r.enableKEM, r.largeHeaders = maxVersion, enableKEM, largeHeaders
	return &MessageKey{r.current, r.ad, body, raw}, nil
}

func checkSize(size, padded int) error {
	const lengthSize = 2
	if size > padded-lengthSize || padded > 0xffff {
		return ErrTooLarge
	}
	return nil
}

// Encrypt returns the whole message, with msg padded to padded bytes. The result depends on
// nothing else, so that a delivery can be repeated with the same bytes. It must always be
// called with the same msg and the same padded: AES-GCM gives up its secrets to whoever sees
// two different messages under one key.
func (k *MessageKey) Encrypt(msg []byte, padded int) ([]byte, error) {
	if err := checkSize(len(msg), padded); err != nil {
		return nil, err
	}
	tag, ct, err := k.key.Key.SealAEAD(k.key.IV, bodyData(&k.ad, k.rawHeader), msg, padded)
	if err != nil {
		return nil, fmt.Errorf("ratchet: body: %w", err)
	}
	out := make([]byte, 0, 2+len(k.rawHeader)+len(tag)+len(ct))
	out = append(appendLength(out, k.version, len(k.rawHeader)), k.rawHeader...)
	return append(append(out, tag[:]...), ct...), nil
}

// Wipe overwrites the key.
func (k *MessageKey) Wipe() { *k = MessageKey{} }
