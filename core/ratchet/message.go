package ratchet

import (
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Padded lengths of headers (ratchet.md §6).
const (
	smallHeader = 88
	largeHeader = 2310
)

// A message is what goes over the wire, before anything is decrypted.
type message struct {
	rawHeader []byte // as it is authenticated with the body
	version   uint16 // decides the layout of the header
	headerIV  crypt.IV
	headerTag [crypt.TagSize]byte
	header    []byte // ciphertext
	bodyTag   [crypt.TagSize]byte
	body      []byte // ciphertext
}

// parseMessage splits a message; the slices share memory with msg.
func parseMessage(msg []byte) (*message, error) {
	m := new(message)
	r := wire.NewReader(msg)
	m.rawHeader = r.Bytes(readLength(r))
	copy(m.bodyTag[:], r.Bytes(crypt.TagSize))
	m.body = r.Tail()
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	r = wire.NewReader(m.rawHeader)
	m.version = r.Uint16()
	copy(m.headerIV[:], r.Bytes(crypt.IVSize))
	copy(m.headerTag[:], r.Bytes(crypt.TagSize))
	m.header = r.Bytes(readLength(r))
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return m, nil
}

// readLength reads a length of one byte, as version 2 writes it, or of two. Headers are longer
// than 31 bytes and shorter than 8192, so that the first byte tells which it is: a peer may
// change its version with any message.
func readLength(r *wire.Reader) int {
	if r.Peek() < 32 {
		return int(r.Uint16())
	}
	return int(r.Byte())
}

// appendLength appends what readLength reads, for a short or large header.
func appendLength(b []byte, version uint16, n int) []byte {
	if version >= kemVersion {
		return wire.AppendUint16(b, uint16(n))
	}
	return append(b, byte(n))
}

// A header is the decrypted header of a message.
type header struct {
	maxVersion uint16 // what the sender could go up to
	public     crypt.X448Public
	kem        *KEMParams
	previous   uint32 // the length of the sender's previous chain
	number     uint32 // of the message in its chain
}

// append appends the header in the layout of version.
func (h *header) append(b []byte, version uint16) []byte {
	b = wire.AppendShort(wire.AppendUint16(b, h.maxVersion), h.public.DER())
	if version >= kemVersion {
		b = appendKEM(b, h.kem)
	}
	return wire.AppendUint32(wire.AppendUint32(b, h.previous), h.number)
}

func parseHeader(b []byte, version uint16) (*header, error) {
	r := wire.NewReader(b)
	h := &header{maxVersion: r.Uint16(), public: readX448(r)}
	if version >= kemVersion {
		h.kem = readKEM(r)
	}
	h.previous, h.number = r.Uint32(), r.Uint32()
	if err := r.Err(); err != nil { // anything after them is of later versions
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return h, nil
}

// openHeader decrypts the header; it returns nil without an error if key is not its key.
func (m *message) openHeader(key *crypt.Secret, ad *associatedData) (*header, error) {
	plain, err := key.OpenAEAD(m.headerIV, ad[:], m.headerTag, m.header)
	if errors.Is(err, crypt.ErrAEAD) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return parseHeader(plain, m.version)
}

// openBody decrypts the body and wipes its key.
func (m *message) openBody(key *BodyKey, ad *associatedData) ([]byte, error) {
	defer key.Wipe()
	plain, err := key.Key.OpenAEAD(key.IV, bodyData(ad, m.rawHeader), m.bodyTag, m.body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	}
	return plain, nil
}

// bodyData is what is authenticated with a body (ratchet.md §6).
func bodyData(ad *associatedData, rawHeader []byte) []byte {
	return append(ad[:len(ad):len(ad)], rawHeader...)
}
