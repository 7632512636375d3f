package xftp

import (
	"bytes"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// A Message is what a relay answers (xftp.md §3). A failure is an *Error, which is also a Go error.
type Message interface {
	// Append appends the encoding in a version. What the version doesn't know is replaced by what
	// it has instead.
	Append(b []byte, version uint16) []byte
	message()
}

// Answers. The entity of SIDs and Pong is empty, that of the others the one of the command.
type (
	// SIDs is the answer to FNew: the sender's id, and one for each recipient in their order.
	SIDs struct {
		Sender     ID
		Recipients []ID
	}
	// RIDs is the answer to FAdd.
	RIDs struct{ Recipients []ID }
	// File is the answer to FGet: a chunk follows, in a box with the secret of the two keys and
	// with its tag at the end; see crypt.BoxKey.Stream.
	File struct {
		Key   crypt.X25519Public
		Nonce crypt.Nonce
	}
	// OK is the answer of a command that has nothing else to tell.
	OK struct{}
	// Pong is the answer to Ping.
	Pong struct{}
)

func (SIDs) message()   {}
func (RIDs) message()   {}
func (File) message()   {}
func (OK) message()     {}
func (Pong) message()   {}
func (*Error) message() {}

func (m SIDs) Append(b []byte, _ uint16) []byte {
	return appendIDs(wire.AppendShort(append(b, "SIDS "...), m.Sender), m.Recipients)
}

func (m RIDs) Append(b []byte, _ uint16) []byte {
	return appendIDs(append(b, "RIDS "...), m.Recipients)
}

func (m File) Append(b []byte, _ uint16) []byte {
	return append(wire.AppendShort(append(b, "FILE "...), m.Key.DER()), m.Nonce[:]...)
}

func (OK) Append(b []byte, _ uint16) []byte   { return append(b, "OK"...) }
func (Pong) Append(b []byte, _ uint16) []byte { return append(b, "PONG"...) }

func appendIDs(b []byte, ids []ID) []byte {
	b = append(b, byte(len(ids)))
	for _, id := range ids {
		b = wire.AppendShort(b, id)
	}
	return b
}

// ParseMessage reads an answer. The error is ErrUnknownCommand or ErrSyntax.
func ParseMessage(_ uint16, b []byte) (Message, error) {
	tag, params, hasParams := bytes.Cut(b, []byte{' '})
	r := wire.NewReader(params)
	var m Message
	switch string(tag) {
	case "OK":
		return bare[Message](OK{}, hasParams)
	case "PONG":
		return bare[Message](Pong{}, hasParams)
	case "SIDS":
		m = SIDs{readID(r), readIDs(r)}
	case "RIDS":
		m = RIDs{readIDs(r)}
	case "FILE":
		m = File{readX25519(r), crypt.NonceOf(r.Bytes(len(crypt.Nonce{})))}
	case "ERR":
		e, ok := parseError(params)
		if !ok {
			return nil, ErrSyntax
		}
		return e, nil
	default:
		return nil, ErrUnknownCommand
	}
	if !hasParams || r.End() != nil {
		return nil, ErrSyntax
	}
	return m, nil
}

func readID(r *wire.Reader) ID { return ID(r.Short()) }

func readIDs(r *wire.Reader) []ID {
	n := r.NonEmpty()
	var ids []ID
	for i := 0; i < n && r.Err() == nil; i++ {
		ids = append(ids, readID(r))
	}
	return ids
}
