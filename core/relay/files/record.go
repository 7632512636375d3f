package files

import (
	"errors"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// ErrDamaged tells that a record of the index can't be read.
var ErrDamaged = errors.New("the file relay's index is damaged: restore it from a backup")

// A state is how far a chunk has come.
type state byte

const (
	registered state = 'r' // there are no bytes yet
	stored     state = 's' // its bytes are in the store
	blocked    state = 'b' // by the operator; the bytes are deleted
)

func (s state) String() string {
	switch s {
	case registered:
		return "registered"
	case stored:
		return "stored"
	case blocked:
		return "blocked"
	}
	return "unknown"
}

// record is what the index keeps of a chunk.
type record struct {
	id         key // of the sender
	state      state
	size       uint32
	digest     []byte // SHA-256; a client can register another length, which no chunk ever has
	sender     crypt.AuthPublic
	created    uint32 // hour, counted from 1970
	recipients uint32
	upload     upload       // of what is stored
	blocking   smp.Blocking // why it is blocked
}

// recordVersion is the first byte of a record.
const recordVersion = 1

func (r *record) append(b []byte) []byte {
	b = append(b, recordVersion, byte(r.state))
	b = wire.AppendUint32(wire.AppendUint32(wire.AppendUint32(b, r.size), r.created), r.recipients)
	b = wire.AppendShort(wire.AppendShort(b, r.digest), r.sender.DER())
	switch r.state {
	case stored:
		b = append(b, r.upload[:]...)
	case blocked:
		b = wire.AppendShort(b, r.blocking.Reason)
		b = wire.AppendMaybe(b, r.blocking.Notice != nil)
		if n := r.blocking.Notice; n != nil {
			b = wire.AppendMaybe(b, n.TTL != nil)
			if n.TTL != nil {
				b = wire.AppendInt64(b, *n.TTL)
			}
		}
	}
	return b
}

func parseRecord(id key, b []byte) (record, error) {
	r := wire.NewReader(b)
	if r.Byte() != recordVersion {
		return record{}, ErrDamaged
	}
	rec := record{id: id, state: state(r.Byte()), size: r.Uint32(), created: r.Uint32(), recipients: r.Uint32(), digest: r.Short()}
	sender, err := crypt.ParseAuthPublic(r.Short())
	if err != nil {
		return record{}, ErrDamaged
	}
	rec.sender = sender
	switch rec.state {
	case registered:
	case stored:
		copy(rec.upload[:], r.Bytes(len(rec.upload)))
	case blocked:
		rec.blocking.Reason = smp.BlockingReason(r.Short())
		if r.Maybe() {
			rec.blocking.Notice = new(smp.Notice)
			if r.Maybe() {
				ttl := r.Int64()
				rec.blocking.Notice.TTL = &ttl
			}
		}
	default:
		return record{}, ErrDamaged
	}
	if r.End() != nil {
		return record{}, ErrDamaged
	}
	return rec, nil
}

// recipient is what the index keeps of a recipient id.
type recipient struct {
	id   key
	file key
	auth crypt.AuthPublic
}

func (r *recipient) append(b []byte) []byte { return append(append(b, r.file[:]...), r.auth.DER()...) }

func parseRecipient(id key, b []byte) (recipient, error) {
	r := wire.NewReader(b)
	rcp := recipient{id: id}
	copy(rcp.file[:], r.Bytes(len(rcp.file)))
	auth, err := crypt.ParseAuthPublic(r.Tail())
	if err != nil {
		return recipient{}, ErrDamaged
	}
	rcp.auth = auth
	return rcp, nil
}
