package ratchet

import (
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/wire"
)

// The first byte of each stored value is the version of its format.
const (
	ratchetFormat = 1
	privateFormat = 1
	keyFormat     = 1
)

// Bits of the flags of a stored ratchet.
const (
	flagSend = 1 << iota
	flagReceive
	flagKEM
	flagCiphertext
	flagLargeHeaders
	flagEnableKEM
	flagSendPQ
	flagReceivePQ
)

// MarshalBinary returns the state for the store, keys and all. It never fails.
func (r *Ratchet) MarshalBinary() ([]byte, error) {
	flags := bit(r.send != nil, flagSend) | bit(r.receive != nil, flagReceive) | bit(r.kem != nil, flagKEM) |
		bit(r.kem != nil && r.kem.ciphertext != nil, flagCiphertext) | bit(r.largeHeaders, flagLargeHeaders) |
		bit(r.enableKEM, flagEnableKEM) | bit(r.sendPQ, flagSendPQ) | bit(r.receivePQ, flagReceivePQ)
	const small, kem = 512, sntrup761.PublicKeySize + sntrup761.SecretKeySize + sntrup761.CiphertextSize
	size := small
	if r.kem != nil {
		size += kem
	}
	b := append(make([]byte, 0, size), ratchetFormat, flags)
	b = wire.AppendUint16(wire.AppendUint16(b, r.current), r.max)
	b = append(b, r.ad[:]...)
	b = append(append(b, r.private[:]...), r.public[:]...)
	b = append(append(append(b, r.root[:]...), r.nextSend[:]...), r.nextRecv[:]...)
	b = wire.AppendUint32(wire.AppendUint32(wire.AppendUint32(b, r.sent), r.received), r.previous)
	for _, c := range []*chain{r.send, r.receive} {
		if c != nil {
			b = append(append(b, c.key[:]...), c.header[:]...)
		}
	}
	if r.kem != nil {
		b = r.kem.pair.append(b)
		if r.kem.ciphertext != nil {
			b = append(b, r.kem.ciphertext[:]...)
		}
	}
	return b, nil
}

func bit(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

// UnmarshalBinary sets r to what MarshalBinary returned; an error leaves it unchanged.
func (r *Ratchet) UnmarshalBinary(data []byte) error {
	in, err := readFormat(data, ratchetFormat)
	if err != nil {
		return err
	}
	flags := in.Byte()
	s := Ratchet{
		current:      in.Uint16(),
		max:          in.Uint16(),
		largeHeaders: flags&flagLargeHeaders != 0,
		enableKEM:    flags&flagEnableKEM != 0,
		sendPQ:       flags&flagSendPQ != 0,
		receivePQ:    flags&flagReceivePQ != 0,
	}
	if !Versions.Contains(s.current) || !Versions.Contains(s.max) || s.max < s.current {
		in.Fail(wire.ErrSyntax)
	}
	for _, field := range [][]byte{s.ad[:], s.private[:], s.public[:], s.root[:], s.nextSend[:], s.nextRecv[:]} {
		copy(field, in.Bytes(len(field)))
	}
	s.sent, s.received, s.previous = in.Uint32(), in.Uint32(), in.Uint32()
	if flags&flagSend != 0 {
		s.send = readChain(in)
	}
	if flags&flagReceive != 0 {
		s.receive = readChain(in)
	}
	switch flags & (flagKEM | flagCiphertext) {
	case flagKEM:
		s.kem = &kemState{pair: readKEMPair(in)}
	case flagKEM | flagCiphertext:
		s.kem = &kemState{pair: readKEMPair(in), ciphertext: new(sntrup761.Ciphertext)}
		copy(s.kem.ciphertext[:], in.Bytes(sntrup761.CiphertextSize))
	case flagCiphertext:
		in.Fail(wire.ErrSyntax)
	}
	if err := in.End(); err != nil {
		s.Wipe()
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	*r = s
	return nil
}

// MarshalBinary returns the keys for the store. It never fails.
func (p *PrivateParams) MarshalBinary() ([]byte, error) {
	const size = 1 + len(p.key1) + len(p.key2) + 1 + sntrup761.PublicKeySize + sntrup761.SecretKeySize
	b := append(make([]byte, 0, size), privateFormat)
	b = append(append(b, p.key1[:]...), p.key2[:]...)
	b = wire.AppendMaybe(b, p.kem != nil)
	if p.kem != nil {
		b = p.kem.append(b)
	}
	return b, nil
}

// UnmarshalBinary sets p to what MarshalBinary returned; an error leaves it unchanged.
func (p *PrivateParams) UnmarshalBinary(data []byte) error {
	in, err := readFormat(data, privateFormat)
	if err != nil {
		return err
	}
	var s PrivateParams
	copy(s.key1[:], in.Bytes(len(s.key1)))
	copy(s.key2[:], in.Bytes(len(s.key2)))
	if in.Maybe() {
		pair := readKEMPair(in)
		s.kem = &pair
	}
	if err := in.End(); err != nil {
		s.Wipe()
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	*p = s
	return nil
}

// MarshalBinary returns the key for the store. It never fails.
func (k *MessageKey) MarshalBinary() ([]byte, error) {
	size := 1 + 2 + len(k.ad) + len(k.key.Key) + len(k.key.IV) + 2 + len(k.rawHeader)
	b := wire.AppendUint16(append(make([]byte, 0, size), keyFormat), k.version)
	b = append(append(append(b, k.ad[:]...), k.key.Key[:]...), k.key.IV[:]...)
	return wire.AppendLarge(b, k.rawHeader), nil
}

// UnmarshalBinary sets k to what MarshalBinary returned; an error leaves it unchanged.
func (k *MessageKey) UnmarshalBinary(data []byte) error {
	in, err := readFormat(data, keyFormat)
	if err != nil {
		return err
	}
	s := MessageKey{version: in.Uint16()}
	if !Versions.Contains(s.version) {
		in.Fail(wire.ErrSyntax)
	}
	for _, field := range [][]byte{s.ad[:], s.key.Key[:], s.key.IV[:]} {
		copy(field, in.Bytes(len(field)))
	}
	s.rawHeader = append([]byte(nil), in.Large()...)
	if s.version < kemVersion && len(s.rawHeader) > wire.MaxShort {
		in.Fail(wire.ErrSyntax)
	}
	if err := in.End(); err != nil {
		s.Wipe()
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	*k = s
	return nil
}

func readFormat(data []byte, format byte) (*wire.Reader, error) {
	in := wire.NewReader(data)
	if got := in.Byte(); got != format {
		return nil, fmt.Errorf("%w: format %d, not %d", ErrState, got, format)
	}
	return in, nil
}

func readChain(in *wire.Reader) *chain {
	c := new(chain)
	copy(c.key[:], in.Bytes(len(c.key)))
	copy(c.header[:], in.Bytes(len(c.header)))
	return c
}

func (p kemPair) append(b []byte) []byte {
	return append(append(b, p.public[:]...), p.secret[:]...)
}

func readKEMPair(in *wire.Reader) kemPair {
	p := kemPair{new(sntrup761.PublicKey), new(sntrup761.SecretKey)}
	copy(p.public[:], in.Bytes(len(p.public)))
	copy(p.secret[:], in.Bytes(len(p.secret)))
	return p
}
