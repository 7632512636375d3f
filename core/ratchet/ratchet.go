// Package ratchet is the end-to-end encryption of a connection: X3DH over X448
// and a double ratchet with encrypted headers, into which each step mixes a
// sntrup761 secret when both sides want post-quantum protection (ratchet.md).
//
// The initiator publishes [LinkParams] of its [PrivateParams] in a link. The
// joiner calls [Join] and sends the [Params] that it returns with its first
// message; the initiator then calls [Initiate]. When a ratchet has broken both
// sides exchange new Params and call [Resync].
//
//	own, err := ratchet.NewPrivateParams(rand.Reader, true)        // initiator
//	joiner, reply, err := ratchet.Join(rand.Reader, ratchet.Versions, own.Link(ratchet.Versions), true)
//	initiator, err := ratchet.Initiate(own, ratchet.Versions, reply, true)
//
// Sending has two halves. [Ratchet.NextKey] makes the header when a message is
// queued, and [MessageKey.Encrypt] the body whenever the message is delivered.
// [Ratchet.Decrypt] receives: it also says which keys of skipped messages are to
// be stored or deleted.
//
// A Ratchet does not touch a disk. Load it, use it and store it within one
// transaction, and forget the value if the transaction fails: it is not for
// concurrent use and it never goes back.
package ratchet

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/wire"
)

// Versions of the end-to-end encryption (ratchet.md §1). Version 2 has no
// post-quantum step.
const (
	MinVersion = 2
	MaxVersion = 3

	kemVersion = 3 // from here on headers have a KEM field and two-byte lengths
)

// Versions is the range of versions that links announce, unless it is capped.
var Versions = wire.VersionRange{Min: MinVersion, Max: MaxVersion}

// MaxSkip is how many messages a chain may miss between two that arrive (ratchet.md §8).
// A message that starts a chain can leave a gap in the old chain and another in the new
// one, so that no message costs more than twice as many key derivations.
const MaxSkip = 512

// MaxStoredKeys is how many keys of skipped messages a connection keeps. The protocol
// has no limit; without one a peer that skips messages in every chain makes the store
// grow for ever. It is enough for eight full gaps. Whoever stores the keys drops the oldest
// beyond it.
const MaxStoredKeys = 8 * MaxSkip

// Errors of messages, with what the agent does about them in ratchet.md §11. The ratchet
// is unchanged unless the error says something else.
var (
	// ErrMessage tells that a message, or the header in it, is malformed.
	ErrMessage = errors.New("ratchet: malformed message")
	// ErrHeader tells that no key decrypts the header, or that the message was received
	// before in a chain that is gone. The ratchets of the two sides may have to be
	// synchronized again.
	ErrHeader = errors.New("ratchet: no key for the message header")
	// ErrDuplicate tells that the message is the one that was received last in its chain.
	ErrDuplicate = errors.New("ratchet: message was received before")
	// ErrBody tells that the body does not authenticate. The ratchet has moved on past
	// this message, and its new state has to be stored.
	ErrBody = errors.New("ratchet: message body does not authenticate")
	// ErrKEM tells that the peer encapsulated to a key that we don't have.
	ErrKEM = errors.New("ratchet: peer used a KEM key that was not offered")
	// ErrCannotSend tells that the initiator has not received a message yet.
	ErrCannotSend = errors.New("ratchet: can't send before the first message was received")
	// ErrTooLarge tells that a message does not fit into its padded length.
	ErrTooLarge = errors.New("ratchet: message too large for its padded length")
)

// Errors of parameters and of stored values.
var (
	ErrParams  = errors.New("ratchet: malformed encryption parameters")
	ErrVersion = errors.New("ratchet: no common version of end-to-end encryption")
	ErrState   = errors.New("ratchet: stored value is damaged or of a newer release")
)

// EarlierError tells that a message is older than the last one in its chain, and that its
// key is not stored: it was received before, or its key was dropped.
type EarlierError struct {
	Behind uint32 // how many messages before the last one
}

func (e *EarlierError) Error() string {
	return fmt.Sprintf("ratchet: message is %d before the last one received", e.Behind)
}

// TooManySkippedError tells that more than MaxSkip messages are missing. The ratchets of
// the two sides have to be synchronized again.
type TooManySkippedError struct {
	Missing uint64 // how many, with the message itself
}

func (e *TooManySkippedError) Error() string {
	return fmt.Sprintf("ratchet: %d messages missing, of at most %d", e.Missing, MaxSkip)
}

// associatedData is the first X448 key of the joiner and that of the initiator.
type associatedData [2 * len(crypt.X448Public{})]byte

// A Ratchet is one side of a conversation (ratchet.md §5). The zero value is of no use:
// get one from Join, Initiate, Resync or UnmarshalBinary.
//
// The public keys of the peer that its current chains came from, and the KEM secret that
// was mixed in, are never needed again and are not kept.
type Ratchet struct {
	ad      associatedData
	current uint16 // the version messages are sent in
	max     uint16 // the version we can go up to

	private  crypt.X448Private // our current ratchet key
	public   crypt.X448Public
	root     crypt.Secret
	send     *chain       // nil until the initiator has received a message
	receive  *chain       // nil until a message was received
	nextSend crypt.Secret // header key of our next chain
	nextRecv crypt.Secret // header key of the peer's next chain

	sent, received uint32 // numbers of the next messages in the two chains
	previous       uint32 // how many messages our previous chain had

	kem          *kemState // nil while we neither offer nor use a KEM
	largeHeaders bool      // headers have room for KEM parameters; never goes off again
	enableKEM    bool      // the next step is to use a KEM
	sendPQ       bool      // the sending chain came from a KEM secret too
	receivePQ    bool      // so did the receiving chain
}

// A chain derives the keys of the messages of one side between two steps.
type chain struct {
	key, header crypt.Secret
}

// kemState is our part of the KEM in the current step.
type kemState struct {
	pair       kemPair
	ciphertext *sntrup761.Ciphertext // encapsulated to the peer's key; nil if it has offered none
}

type kemPair struct {
	public *sntrup761.PublicKey
	secret *sntrup761.SecretKey
}

// Version returns the version that messages are sent in. It goes up when the peer shows
// that it supports a newer one.
func (r *Ratchet) Version() uint16 { return r.current }

// Support raises the highest version that the peer is told to be supported, as when the program was updated since the ratchet was made.
func (r *Ratchet) Support(version uint16) { r.max = max(r.max, min(version, MaxVersion)) }

// CanSend tells whether messages can be sent: the initiator has to receive one first.
func (r *Ratchet) CanSend() bool { return r.send != nil }

// SendPQ tells whether what we send is protected by a KEM secret too (sndKEM).
func (r *Ratchet) SendPQ() bool { return r.sendPQ }

// ReceivePQ tells whether what was last received is protected by a KEM secret too (rcvKEM).
func (r *Ratchet) ReceivePQ() bool { return r.receivePQ }

// Received returns how many messages the peer had sent in its present chain when it sent the last one of them that was received.
func (r *Ratchet) Received() uint32 { return r.received }

// LargeHeaders tells whether headers have the size that KEM parameters need, which leaves
// less room for the body (ratchet.md §6 and §9).
func (r *Ratchet) LargeHeaders() bool { return r.largeHeaders && r.current >= kemVersion }

// VerificationCode is what two people compare to see that nobody sits between them.
type VerificationCode [sha256.Size]byte

// VerificationCode returns the code, which is the same on both sides and changes when the
// ratchets are synchronized again (ratchet.md §12).
func (r *Ratchet) VerificationCode() VerificationCode { return sha256.Sum256(r.ad[:]) }

// String returns the code as people read it: a decimal number in groups of five digits.
func (c VerificationCode) String() string {
	digits := new(big.Int).SetBytes(c[:]).String()
	var text []byte
	for i, d := range []byte(digits) {
		if i > 0 && i%5 == 0 {
			text = append(text, ' ')
		}
		text = append(text, d)
	}
	return string(text)
}

// Wipe overwrites all keys. The ratchet can't be used afterwards.
func (r *Ratchet) Wipe() {
	r.send.wipe()
	r.receive.wipe()
	r.kem.wipe()
	*r = Ratchet{}
}

func (c *chain) wipe() {
	if c != nil {
		*c = chain{}
	}
}

func (k *kemState) wipe() {
	if k != nil {
		k.pair.wipe()
	}
}

func (p kemPair) wipe() {
	if p.secret != nil {
		clear(p.secret[:])
	}
}

// clone copies everything that changes in place or is wiped.
func (r *Ratchet) clone() *Ratchet {
	c := *r
	c.send, c.receive = r.send.clone(), r.receive.clone()
	if r.kem != nil {
		secret := *r.kem.pair.secret
		c.kem = &kemState{kemPair{r.kem.pair.public, &secret}, r.kem.ciphertext}
	}
	return &c
}

func (c *chain) clone() *chain {
	if c == nil {
		return nil
	}
	copied := *c
	return &copied
}

// replace makes r the state of next, whose keys it takes over.
func (r *Ratchet) replace(next *Ratchet) {
	r.Wipe()
	*r = *next
}
