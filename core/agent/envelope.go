package agent

import (
	"errors"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/wire"
)

// errEnvelope tells that an envelope or an agent message does not parse.
var errEnvelope = errors.New("agent: malformed message")

// The kinds of agent envelopes (agent.md §3).
const (
	tagConfirmation = 'C'
	tagMessage      = 'M'
	tagInvitation   = 'I'
	tagRatchetKey   = 'R'
)

// envelope is what stands in the box of a queue.
type envelope struct {
	version uint16
	tag     byte
	params  *ratchet.Params // of a confirmation by a joiner, and of a ratchet key
	link    string          // of an invitation
	body    []byte          // encrypted by the ratchet; open in an invitation and a ratchet key
}

func (e envelope) append(b []byte) []byte {
	b = append(wire.AppendUint16(b, e.version), e.tag)
	switch e.tag {
	case tagConfirmation:
		if b = wire.AppendMaybe(b, e.params != nil); e.params != nil {
			b = e.params.Append(b)
		}
	case tagInvitation:
		b = wire.AppendLarge(b, e.link)
	case tagRatchetKey:
		b = e.params.Append(b)
	}
	return append(b, e.body...)
}

func parseEnvelope(b []byte) (e envelope, err error) {
	r := wire.NewReader(b)
	e.version, e.tag = r.Uint16(), r.Byte()
	switch e.tag {
	case tagConfirmation:
		if r.Maybe() {
			p := ratchet.ReadParams(r)
			e.params = &p
		}
	case tagMessage:
	case tagInvitation:
		e.link = string(r.Large())
	case tagRatchetKey:
		p := ratchet.ReadParams(r)
		e.params = &p
	default:
		r.Fail(wire.ErrSyntax)
	}
	e.body = r.Tail()
	if r.End() != nil {
		return envelope{}, errEnvelope
	}
	return e, nil
}

// The kinds of agent messages, and of the body of a numbered one (agent.md §3).
const (
	kindConnInfo      = "I"
	kindConnInfoReply = "D"
	kindRatchetInfo   = "R"
	kindHello         = "H"
	kindBody          = "M"
	kindReceipts      = "V"
	kindContinue      = "QC"
	kindAdd           = "QA"
	kindKey           = "QK"
	kindUse           = "QU"
	kindTest          = "QT"
	kindReady         = "E"
	kindUnknown       = "?" // of later versions: only its number and hash count
)

// receiptInfo tells the sender of a message that it was stored.
type receiptInfo struct {
	number int64
	hash   []byte // SHA-256 of the message's plaintext
	info   []byte // empty today
}

// replacement offers a new queue in the place of another.
type replacement struct {
	queue    QueueURI
	replaced *QAddr
}

// queueKey answers a replacement with the sender's keys.
type queueKey struct {
	queue QueueInfo
	key   []byte // DER
}

// queueUse tells to use a new queue.
type queueUse struct {
	queue   QAddr
	primary bool
}

// message is what the ratchet encrypts: the information of a handshake, or a numbered message.
type message struct {
	kind     string
	info     []byte // connection information, or the body of a user's message
	queues   []QueueInfo
	number   int64 // of numbered kinds
	prevHash []byte
	receipts []receiptInfo
	address  QAddr // of kindContinue
	add      []replacement
	keys     []queueKey
	use      []queueUse
	test     []QAddr
	ready    int64
}

func (m message) append(b []byte) []byte {
	switch m.kind {
	case kindConnInfo, kindRatchetInfo:
		return append(append(b, m.kind...), m.info...)
	case kindConnInfoReply:
		b = append(b, 'D', byte(len(m.queues)))
		for _, q := range m.queues {
			b = q.append(b)
		}
		return append(b, m.info...)
	}
	b = wire.AppendInt64(append(b, 'M'), m.number)
	b = wire.AppendShort(b, m.prevHash)
	b = append(b, m.kind...)
	switch m.kind {
	case kindBody:
		b = append(b, m.info...)
	case kindReceipts:
		b = append(b, byte(len(m.receipts)))
		for _, r := range m.receipts {
			b = wire.AppendLarge(wire.AppendShort(wire.AppendInt64(b, r.number), r.hash), r.info)
		}
	case kindContinue:
		b = m.address.append(b)
	case kindAdd:
		b = append(b, byte(len(m.add)))
		for _, a := range m.add {
			b = a.queue.append(b)
			if b = wire.AppendMaybe(b, a.replaced != nil); a.replaced != nil {
				b = a.replaced.append(b)
			}
		}
	case kindKey:
		b = append(b, byte(len(m.keys)))
		for _, k := range m.keys {
			b = wire.AppendShort(k.queue.append(b), k.key)
		}
	case kindUse:
		b = append(b, byte(len(m.use)))
		for _, u := range m.use {
			b = wire.AppendBool(u.queue.append(b), u.primary)
		}
	case kindTest:
		b = append(b, byte(len(m.test)))
		for _, q := range m.test {
			b = q.append(b)
		}
	case kindReady:
		b = wire.AppendInt64(b, m.ready)
	}
	return b
}

func parseMessage(b []byte) (m message, err error) {
	r := wire.NewReader(b)
	switch m.kind = string(r.Bytes(1)); m.kind {
	case kindConnInfo, kindRatchetInfo:
		m.info = r.Tail()
	case kindConnInfoReply:
		for n := r.NonEmpty(); n > 0 && r.Err() == nil; n-- {
			m.queues = append(m.queues, readQueueInfo(r))
		}
		m.info = r.Tail()
	case "M":
		m.number, m.prevHash = r.Int64(), r.Short()
		body := wire.NewReader(r.Tail())
		m.readBody(body)
		if r.Err() == nil && body.End() != nil {
			return message{kind: kindUnknown, number: m.number, prevHash: m.prevHash}, nil
		}
	default:
		r.Fail(wire.ErrSyntax)
	}
	if r.End() != nil {
		return message{}, errEnvelope
	}
	return m, nil
}

func (m *message) readBody(r *wire.Reader) {
	m.kind = string(r.Bytes(1))
	if m.kind == "Q" {
		m.kind += string(r.Bytes(1))
	}
	count := func() int { return r.NonEmpty() }
	switch m.kind {
	case kindHello:
	case kindBody:
		m.info = r.Tail()
	case kindReceipts:
		for n := count(); n > 0 && r.Err() == nil; n-- {
			m.receipts = append(m.receipts, receiptInfo{r.Int64(), r.Short(), r.Large()})
		}
	case kindContinue:
		m.address = readQAddr(r)
	case kindAdd:
		for n := count(); n > 0 && r.Err() == nil; n-- {
			a := replacement{queue: readQueueURI(r)}
			if r.Maybe() {
				q := readQAddr(r)
				a.replaced = &q
			}
			m.add = append(m.add, a)
		}
	case kindKey:
		for n := count(); n > 0 && r.Err() == nil; n-- {
			m.keys = append(m.keys, queueKey{readQueueInfo(r), r.Short()})
		}
	case kindUse:
		for n := count(); n > 0 && r.Err() == nil; n-- {
			m.use = append(m.use, queueUse{readQAddr(r), r.Bool()})
		}
	case kindTest:
		for n := count(); n > 0 && r.Err() == nil; n-- {
			m.test = append(m.test, readQAddr(r))
		}
	case kindReady:
		m.ready = r.Int64()
	default:
		r.Fail(wire.ErrSyntax)
	}
}

// Padded lengths of what the ratchet encrypts (agent.md §3, Sizes).
const (
	paddedInfo      = 14832
	paddedInfoPQ    = 11106
	paddedMessage   = 15840
	paddedMessagePQ = 13618
)

// MaxBody and MaxBodyPQ are the longest body of a message in bytes, without and with post-quantum
// keys; MaxInfo and MaxInfoPQ the longest connection information (chat-protocol.md §3).
const (
	MaxBody   = 15602
	MaxBodyPQ = 13380
	MaxInfo   = 14694
	MaxInfoPQ = 10968
)
