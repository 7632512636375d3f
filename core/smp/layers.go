package smp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Sizes of padded contents (smp-commands.md §6, §9).
const (
	paddedMessage      = 16106
	paddedNotification = 128
	paddedForward      = 16226
	// PaddedConfirmation is the size of what an envelope with a key holds, PaddedMessage
	// that of one without.
	PaddedConfirmation = 15904
	PaddedMessage      = 16000
)

// MsgBodySize is the size of every Msg's body.
const MsgBodySize = paddedMessage + crypt.BoxOverhead

// Received is what the body of a Msg holds: a message, or the mark that the queue was
// full and the sender had to wait (smp-commands.md §6.2).
type Received struct {
	Quota  bool
	Time   time.Time // of the relay, in seconds
	Notify bool
	Body   []byte
}

const quotaMark = "QUOTA "

// AppendReceived appends the body of the Msg with the given id, MsgBodySize bytes. secret
// is that of the queue: of the recipient's key in New and the relay's in IDs.
func AppendReceived(b []byte, secret *crypt.Secret, id ID, m *Received) ([]byte, error) {
	// The box is made in place: a relay makes one for every message.
	const room = crypt.BoxOverhead + 2 // for the tag and the length
	start := len(b)
	b = append(slices.Grow(b, MsgBodySize), make([]byte, room)...)
	box := b[start:]
	if m.Quota {
		box = wire.AppendInt64(append(box, quotaMark...), m.Time.Unix())
	} else {
		box = append(wire.AppendBool(wire.AppendInt64(box, m.Time.Unix()), m.Notify), ' ')
		if len(box)+len(m.Body) > MsgBodySize {
			return nil, fmt.Errorf("message of %d bytes: %w", len(m.Body), ErrLarge)
		}
		box = append(box, m.Body...)
	}
	binary.BigEndian.PutUint16(box[crypt.BoxOverhead:], uint16(len(box)-room))
	box = wire.AppendFiller(box, MsgBodySize-len(box))
	k := secret.BoxKey()
	defer k.Wipe()
	k.SealInPlace(crypt.NonceOf([]byte(id)), box)
	return b[:start+MsgBodySize], nil
}

// OpenMessage opens the body of a Msg.
func OpenMessage(secret *crypt.Secret, msg Msg) (*Received, error) {
	plain, err := secret.Open(crypt.NonceOf([]byte(msg.ID)), msg.Body)
	if err != nil {
		return nil, fmt.Errorf("smp: opening a message: %w", err)
	}
	m := new(Received)
	rest, quota := bytes.CutPrefix(plain, []byte(quotaMark))
	r := wire.NewReader(rest)
	m.Quota = quota
	m.Time = time.Unix(r.Int64(), 0).UTC()
	if !quota {
		m.Notify = r.Bool()
		for r.Err() == nil && r.Byte() != ' ' { // reserved flags
		}
		m.Body = r.Tail()
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("smp: opening a message: %w", err)
	}
	return m, nil
}

// SealNotification makes the metadata of an NMsg with the secret of the recipient's and
// the relay's notifier keys (smp-commands.md §6.4).
func SealNotification(secret *crypt.Secret, nonce crypt.Nonce, msgID ID, at time.Time) ([]byte, error) {
	plain := wire.AppendInt64(wire.AppendShort(nil, msgID), at.Unix())
	return secret.Box(nonce, plain, paddedNotification)
}

// OpenNotification opens the metadata of an NMsg.
func OpenNotification(secret *crypt.Secret, n NMsg) (msgID ID, at time.Time, err error) {
	plain, err := secret.Open(n.Nonce, n.Meta)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("smp: opening a notification: %w", err)
	}
	r := wire.NewReader(plain)
	msgID, at = readID(r), time.Unix(r.Int64(), 0).UTC()
	if err := r.Err(); err != nil {
		return "", time.Time{}, fmt.Errorf("smp: opening a notification: %w", err)
	}
	return msgID, at, nil
}

// Envelope is the body of a Send: a box between the clients that the relay can't open
// (smp-commands.md §6.3).
type Envelope struct {
	Version uint16              // of the clients, 1 to 4
	Key     *crypt.X25519Public // the sender's key, in confirmations and invitations
	Nonce   crypt.Nonce
	Box     []byte
}

// ClientMessage is what an envelope holds.
type ClientMessage struct {
	SenderKey crypt.AuthPublic // the key to secure the queue with, or nil
	Body      []byte
}

// Append appends the encoding.
func (e *Envelope) Append(b []byte) []byte {
	b = wire.AppendMaybe(wire.AppendUint16(b, e.Version), e.Key != nil)
	if e.Key != nil {
		b = appendKey(b, *e.Key)
	}
	return append(append(b, e.Nonce[:]...), e.Box...)
}

// ParseEnvelope reads the body of a message; Box shares memory with b.
func ParseEnvelope(b []byte) (*Envelope, error) {
	r := wire.NewReader(b)
	e := &Envelope{Version: r.Uint16()}
	if r.Maybe() {
		k := readX25519(r)
		e.Key = &k
	}
	e.Nonce, e.Box = crypt.NonceOf(r.Bytes(24)), r.Tail()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("smp: reading an envelope: %w", err)
	}
	return e, nil
}

// Seal sets e.Box to m, padded to PaddedConfirmation bytes if e.Key is set and to
// PaddedMessage otherwise. secret is that of the queue's key in its address and of the
// sender's; e.Nonce must be new.
func (e *Envelope) Seal(secret *crypt.Secret, m *ClientMessage) error {
	padded := PaddedMessage
	if e.Key != nil {
		padded = PaddedConfirmation
	}
	plain := make([]byte, 0, 80+len(m.Body))
	if m.SenderKey != nil {
		plain = appendKey(append(plain, 'K'), m.SenderKey)
	} else {
		plain = append(plain, '_')
	}
	box, err := secret.Box(e.Nonce, append(plain, m.Body...), padded)
	if err != nil {
		return fmt.Errorf("smp: sealing an envelope: %w", err)
	}
	e.Box = box
	return nil
}

// Open opens e.Box.
func (e *Envelope) Open(secret *crypt.Secret) (*ClientMessage, error) {
	plain, err := secret.Open(e.Nonce, e.Box)
	if err != nil {
		return nil, fmt.Errorf("smp: opening an envelope: %w", err)
	}
	r, m := wire.NewReader(plain), new(ClientMessage)
	switch r.Byte() {
	case 'K':
		m.SenderKey = readAuthKey(r)
	case '_':
	default:
		r.Fail(wire.ErrSyntax)
	}
	m.Body = r.Tail()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("smp: opening an envelope: %w", err)
	}
	return m, nil
}
