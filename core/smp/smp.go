// Package smp is the message protocol: its commands, answers and events in every
// version from 6 to 18, the blocks that carry them, and a client of one relay.
//
// The codec serves both sides. A client writes a [Command] and reads a [Message]; a
// relay does the reverse. What the handshake agreed on is in [Params], which frames a
// command or message as a [Transmission]; [Batch] and [AppendBlock] put transmissions
// into the content of a block and [SplitBlock] takes them out again:
//
//	t := smp.Transmission{CorrID: corrID, Entity: rcvID, Body: smp.Sub{}.Append(nil, p.Version)}
//	err := t.Authorize(p, key, relayKey)
//	content := smp.AppendBlock(nil, [][]byte{p.AppendTransmission(nil, &t)})
//
//	list, err := smp.SplitBlock(nil, content)
//	t, err := p.ParseTransmission(list[0])
//	cmd, err := smp.ParseCommand(p.Version, t.Body)
//
// What is parsed shares memory with its input where a field is a byte slice; an [ID] is
// a copy and can be a map's key.
//
// A [Client] is one session with one relay. A [Session] keeps a client connected for as
// long as it is wanted, and its queues subscribed.
package smp

import (
	"crypto/sha3"
	"fmt"
	"io"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Versions that clients and relays speak (smp-transport.md §5).
var Versions = wire.VersionRange{Min: 6, Max: 18}

// ProxyVersions may be used for commands that go through a proxy (smp-transport.md §5).
var ProxyVersions = wire.VersionRange{Min: 8, Max: 17}

// Versions from which something changed (smp-transport.md §5).
const (
	versionSessionKeys     = 7
	versionSenderSecures   = 9
	versionDeleted         = 10
	versionBlockEncryption = 11
	versionBlocked         = 12
	versionProxyFlag       = 14
	versionShortLinks      = 15
	versionServices        = 16
	versionNewNotifier     = 17
	versionNotice          = 18
)

// ID names a queue on a relay, or a message, link, notifier, service or proxy session.
// Relays make 24 bytes; others may have up to 255. The empty ID means that there is none.
type ID string

// IDSize is the size of the ids that relays make (smp-commands.md §2).
const IDSize = 24

// NewID makes a random id from 24 bytes of rand.
func NewID(rand io.Reader) (ID, error) {
	var b [IDSize]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("smp: reading randomness for an id: %w", err)
	}
	return ID(b[:]), nil
}

// SenderID is the sender id that a queue with link data must have: it follows from the
// correlation id of the NEW that makes the queue (smp-commands.md §2).
func SenderID(corrID []byte) ID {
	sum := sha3.Sum384(corrID)
	return ID(sum[:IDSize])
}

// MaxBody returns the size of the longest body of a SEND (smp-commands.md §6.1).
func MaxBody(version uint16) int {
	switch {
	case version >= versionBlockEncryption:
		return 16048
	case version >= 8:
		return 16064
	}
	return 16088
}

// QueueMode tells what a queue is for.
type QueueMode byte

// Modes of queues. Queues made with versions below 9 have no known mode (smp-commands.md §2).
const (
	ModeUnknown   QueueMode = 0
	ModeMessaging QueueMode = 'M' // one sender, who secures the queue
	ModeContact   QueueMode = 'C' // a contact address: many senders, never secured
)

// String returns the name of the mode.
func (m QueueMode) String() string {
	switch m {
	case ModeMessaging:
		return "messaging"
	case ModeContact:
		return "contact"
	}
	return "unknown"
}

func appendKey(b []byte, k crypt.PublicKey) []byte { return wire.AppendShort(b, k.DER()) }

func readAuthKey(r *wire.Reader) crypt.AuthPublic {
	k, err := crypt.ParseAuthPublic(r.Short())
	if err != nil {
		r.Fail(err)
		return nil
	}
	return k
}

func readX25519(r *wire.Reader) crypt.X25519Public {
	k, err := crypt.ParseX25519(r.Short())
	if err != nil {
		r.Fail(err)
	}
	return k
}

func readID(r *wire.Reader) ID { return ID(r.Short()) }

// appendMaybeShort appends an optional string of which the empty one means absent.
func appendMaybeShort[T ~string](b []byte, s T) []byte {
	b = wire.AppendMaybe(b, s != "")
	if s != "" {
		b = wire.AppendShort(b, s)
	}
	return b
}

func readMaybeShort[T ~string](r *wire.Reader) T {
	if r.Maybe() {
		return T(r.Short())
	}
	return ""
}
