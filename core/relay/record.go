package relay

import (
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// record is what the store keeps of a queue.
type record struct {
	rcv, snd key
	rcvKeys  []crypt.AuthPublic
	secret   crypt.Secret     // with the recipient, for messages
	sndKey   crypt.AuthPublic // nil until the queue is secured
	mode     smp.QueueMode
	off      bool
	blocked  *smp.Blocking // by the operator
	link     *key          // if there is link data
	notifier *notifier
	used     uint32 // day of the last command, counted from 1970
}

// notifier is the right to be told about messages.
type notifier struct {
	id     key
	key    crypt.AuthPublic
	secret crypt.Secret // with the recipient, for the metadata
	// service is told about the messages of all its queues at once; nil if the notifier is nobody's.
	service *key
}

// Versions of a record. Only that of a blocked queue begins with why. That of a queue whose
// notifier belongs to a service begins with whether and why it is blocked, and has the service
// at its end.
const (
	recordVersion  = 1
	blockedVersion = 2
	serviceVersion = 3
)

func (r *record) append(b []byte) []byte {
	inService := r.notifier != nil && r.notifier.service != nil
	switch {
	case inService:
		b = wire.AppendMaybe(append(b, serviceVersion), r.blocked != nil)
	case r.blocked != nil:
		b = append(b, blockedVersion)
	default:
		b = append(b, recordVersion)
	}
	if r.blocked != nil {
		b = wire.AppendShort(b, r.blocked.Reason)
		b = wire.AppendMaybe(b, r.blocked.Notice != nil)
		if n := r.blocked.Notice; n != nil {
			b = wire.AppendMaybe(b, n.TTL != nil)
			if n.TTL != nil {
				b = wire.AppendInt64(b, *n.TTL)
			}
		}
	}
	b = append(append(b, r.snd[:]...), byte(len(r.rcvKeys)))
	for _, k := range r.rcvKeys {
		b = wire.AppendShort(b, k.DER())
	}
	b = append(b, r.secret[:]...)
	b = wire.AppendMaybe(b, r.sndKey != nil)
	if r.sndKey != nil {
		b = wire.AppendShort(b, r.sndKey.DER())
	}
	b = wire.AppendBool(append(b, byte(r.mode)), r.off)
	b = wire.AppendMaybe(b, r.link != nil)
	if r.link != nil {
		b = append(b, r.link[:]...)
	}
	b = wire.AppendMaybe(b, r.notifier != nil)
	if n := r.notifier; n != nil {
		b = append(wire.AppendShort(append(b, n.id[:]...), n.key.DER()), n.secret[:]...)
	}
	b = wire.AppendUint32(b, r.used)
	if inService {
		b = append(b, r.notifier.service[:]...)
	}
	return b
}

func parseRecord(rcv key, b []byte) (record, error) {
	r := wire.NewReader(b)
	rec := record{rcv: rcv}
	authKey := func() crypt.AuthPublic {
		k, err := crypt.ParseAuthPublic(r.Short())
		if err != nil {
			r.Fail(err)
		}
		return k
	}
	version := r.Byte()
	if version < recordVersion || version > serviceVersion {
		return rec, ErrDamaged
	}
	if version == blockedVersion || version == serviceVersion && r.Maybe() {
		rec.blocked = &smp.Blocking{Reason: smp.BlockingReason(r.Short())}
		if r.Maybe() {
			rec.blocked.Notice = new(smp.Notice)
			if r.Maybe() {
				ttl := r.Int64()
				rec.blocked.Notice.TTL = &ttl
			}
		}
	}
	copy(rec.snd[:], r.Bytes(len(rec.snd)))
	n := r.NonEmpty()
	for i := 0; i < n && r.Err() == nil; i++ {
		rec.rcvKeys = append(rec.rcvKeys, authKey())
	}
	copy(rec.secret[:], r.Bytes(len(rec.secret)))
	if r.Maybe() {
		rec.sndKey = authKey()
	}
	rec.mode, rec.off = smp.QueueMode(r.Byte()), r.Bool()
	if r.Maybe() {
		rec.link = new(key)
		copy(rec.link[:], r.Bytes(len(rec.link)))
	}
	if r.Maybe() {
		rec.notifier = new(notifier)
		copy(rec.notifier.id[:], r.Bytes(len(key{})))
		rec.notifier.key = authKey()
		copy(rec.notifier.secret[:], r.Bytes(len(rec.notifier.secret)))
	}
	rec.used = r.Uint32()
	if version == serviceVersion {
		if rec.notifier == nil {
			return rec, ErrDamaged
		}
		rec.notifier.service = new(key)
		copy(rec.notifier.service[:], r.Bytes(len(key{})))
	}
	if r.End() != nil {
		return rec, ErrDamaged
	}
	return rec, nil
}

// queue is a record and where its messages are. Their numbers follow each other from
// first up to, but not including, next.
type queue struct {
	record
	first, next uint64
	full        bool // the last message is the quota marker
}

func (q *queue) empty() bool { return q.first == q.next }

// message is a stored message or quota marker.
type message struct {
	id     key
	time   int64 // seconds since 1970
	marker bool  // that the queue was full; there is no body
	notify bool
	// unannounced tells that nobody was there to be told about it.
	unannounced bool
	body        []byte
}

// Flags of a stored message.
const (
	flagMarker = 1 << iota
	flagNotify
	flagUnannounced
)

// append appends the encoding without the body.
func (m *message) append(b []byte) []byte {
	var flags byte
	if m.marker {
		flags |= flagMarker
	}
	if m.notify {
		flags |= flagNotify
	}
	if m.unannounced {
		flags |= flagUnannounced
	}
	return append(wire.AppendInt64(append(b, flags), m.time), m.id[:]...)
}

func parseMessage(b []byte) (m message, err error) {
	r := wire.NewReader(b)
	flags := r.Byte()
	m.marker, m.notify, m.unannounced = flags&flagMarker != 0, flags&flagNotify != 0, flags&flagUnannounced != 0
	m.time = r.Int64()
	copy(m.id[:], r.Bytes(len(m.id)))
	if r.End() != nil {
		return m, ErrDamaged
	}
	return m, nil
}
