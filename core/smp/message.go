package smp

import (
	"bytes"
	"encoding/json"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// A Message is what a relay sends to a client: an answer to a command, or an event
// (smp-commands.md §3). A failure is an *Error, which is also a Go error.
type Message interface {
	// Append appends the encoding in a version. What the version doesn't know is left
	// out or replaced by what it has instead.
	Append(b []byte, version uint16) []byte
	message()
}

// Answers and events.
type (
	// IDs is the answer to New.
	IDs struct {
		RcvID, SndID ID
		ServerDH     crypt.X25519Public
		Mode         QueueMode    // from version 9
		LinkID       ID           // of a queue with link data
		ServiceID    ID           // in a session of a service, from version 16
		Notifier     *NotifierIDs // if New had notifier keys, from version 17
	}
	// Lnk is the answer to LKey and LGet.
	Lnk struct {
		SndID ID
		Data  LinkData
	}
	// SOK is the answer to Sub and NSub. It is OK in versions below 16 and read as OK there.
	SOK struct{ ServiceID ID }
	// SOKs is the answer to NSubs: the number of queues.
	SOKs struct{ Count int64 }
	// Msg is a message; Body opens with OpenMessage.
	Msg struct {
		ID   ID
		Body []byte
	}
	// NID is the answer to NKey.
	NID struct{ NotifierIDs }
	// NMsg is the event of a notification; Meta opens with OpenNotification.
	NMsg struct {
		Nonce crypt.Nonce
		Meta  []byte
	}
	// PKey is the answer to Prxy: what the relay's hello to the proxy had. Versions is
	// what the proxy offers.
	PKey struct {
		SessionID []byte
		Versions  wire.VersionRange
		Chain     [][]byte
		SignedKey []byte
	}
	// PRes is the answer to Pfwd.
	PRes struct{ Box []byte }
	// RRes is the answer to Rfwd.
	RRes struct{ Box []byte }
	// End is the event of another session having subscribed to the queue.
	End struct{}
	// Ends is the event of another session having subscribed to the queues of the service.
	Ends struct{ Count int64 }
	// Deld is the event of a deleted queue or notifier. It is End in versions below 10.
	Deld struct{}
	// Info is the answer to Que.
	Info struct{ QueueInfo }
	// OK is the answer of a command that has nothing else to tell.
	OK struct{}
	// Pong is the answer to Ping.
	Pong struct{}
)

// NotifierIDs are what a relay made for a notifier.
type NotifierIDs struct {
	ID       ID
	ServerDH crypt.X25519Public
}

// QueueInfo is the state of a queue (smp-commands.md §3). Its names are those of the JSON.
type QueueInfo struct {
	Secured  bool         `json:"qiSnd"`
	Notifier bool         `json:"qiNtf"`
	Sub      *QueueSub    `json:"qiSub,omitempty"`
	Size     int          `json:"qiSize"`
	First    *QueueMsgRef `json:"qiMsg,omitempty"`
}

// QueueSub is the subscription of the asking session. Thread is "noSub", "subPending",
// "subThread" or "prohibitSub"; Delivered is a message id in standard base64.
type QueueSub struct {
	Thread    string `json:"qSubThread"`
	Delivered string `json:"qDelivered,omitempty"`
}

// QueueMsgRef is the first message of a queue: its id in standard base64, its time in
// ISO 8601 and "message" or "quota".
type QueueMsgRef struct {
	ID   string `json:"msgId"`
	Time string `json:"msgTs"`
	Type string `json:"msgType"`
}

func (n NotifierIDs) append(b []byte) []byte {
	return appendKey(wire.AppendShort(b, n.ID), n.ServerDH)
}

func readNotifierIDs(r *wire.Reader) NotifierIDs {
	return NotifierIDs{ID: readID(r), ServerDH: readX25519(r)}
}

func (m IDs) Append(b []byte, version uint16) []byte {
	b = wire.AppendShort(wire.AppendShort(append(b, "IDS "...), m.RcvID), m.SndID)
	b = appendKey(b, m.ServerDH)
	if version >= versionSenderSecures && version < versionShortLinks {
		b = wire.AppendBool(b, m.Mode == ModeMessaging)
	}
	if version >= versionShortLinks {
		b = wire.AppendMaybe(b, m.Mode != ModeUnknown)
		if m.Mode != ModeUnknown {
			b = append(b, byte(m.Mode))
		}
		b = appendMaybeShort(b, m.LinkID)
	}
	if version >= versionServices {
		b = appendMaybeShort(b, m.ServiceID)
	}
	if version >= versionNewNotifier {
		b = wire.AppendMaybe(b, m.Notifier != nil)
		if m.Notifier != nil {
			b = m.Notifier.append(b)
		}
	}
	return b
}

func readIDs(r *wire.Reader, version uint16) IDs {
	m := IDs{RcvID: readID(r), SndID: readID(r), ServerDH: readX25519(r)}
	if version >= versionSenderSecures && version < versionShortLinks {
		m.Mode = readSenderSecures(r)
	}
	if version >= versionShortLinks {
		if r.Maybe() {
			m.Mode = readMode(r)
		}
		m.LinkID = readMaybeShort[ID](r)
	}
	if version >= versionServices {
		m.ServiceID = readMaybeShort[ID](r)
	}
	if version >= versionNewNotifier && r.Maybe() {
		n := readNotifierIDs(r)
		m.Notifier = &n
	}
	return m
}

func (m Lnk) Append(b []byte, _ uint16) []byte {
	return m.Data.append(wire.AppendShort(append(b, "LNK "...), m.SndID))
}

func (m SOK) Append(b []byte, version uint16) []byte {
	if version < versionServices {
		return OK{}.Append(b, version)
	}
	return appendMaybeShort(append(b, "SOK "...), m.ServiceID)
}

func (m SOKs) Append(b []byte, _ uint16) []byte {
	return wire.AppendInt64(append(b, "SOKS "...), m.Count)
}

func (m Msg) Append(b []byte, _ uint16) []byte {
	return append(wire.AppendShort(append(b, "MSG "...), m.ID), m.Body...)
}

func (m NID) Append(b []byte, _ uint16) []byte { return m.append(append(b, "NID "...)) }

func (m NMsg) Append(b []byte, _ uint16) []byte {
	return wire.AppendShort(append(append(b, "NMSG "...), m.Nonce[:]...), m.Meta)
}

func (m PKey) Append(b []byte, _ uint16) []byte {
	b = m.Versions.Append(wire.AppendShort(append(b, "PKEY "...), m.SessionID))
	return wire.AppendLarge(wire.AppendLarges(b, m.Chain), m.SignedKey)
}

func (m PRes) Append(b []byte, _ uint16) []byte { return append(append(b, "PRES "...), m.Box...) }
func (m RRes) Append(b []byte, _ uint16) []byte { return append(append(b, "RRES "...), m.Box...) }
func (End) Append(b []byte, _ uint16) []byte    { return append(b, "END"...) }
func (OK) Append(b []byte, _ uint16) []byte     { return append(b, "OK"...) }
func (Pong) Append(b []byte, _ uint16) []byte   { return append(b, "PONG"...) }

func (m Ends) Append(b []byte, _ uint16) []byte {
	return wire.AppendInt64(append(b, "ENDS "...), m.Count)
}

func (Deld) Append(b []byte, version uint16) []byte {
	if version < versionDeleted {
		return End{}.Append(b, version)
	}
	return append(b, "DELD"...)
}

func (m Info) Append(b []byte, _ uint16) []byte {
	text, err := json.Marshal(m.QueueInfo)
	if err != nil {
		panic(err) // strings, numbers and booleans always encode
	}
	return append(append(b, "INFO "...), text...)
}

func (IDs) message()    {}
func (Lnk) message()    {}
func (SOK) message()    {}
func (SOKs) message()   {}
func (Msg) message()    {}
func (NID) message()    {}
func (NMsg) message()   {}
func (PKey) message()   {}
func (PRes) message()   {}
func (RRes) message()   {}
func (End) message()    {}
func (Ends) message()   {}
func (Deld) message()   {}
func (Info) message()   {}
func (OK) message()     {}
func (Pong) message()   {}
func (*Error) message() {}

// ParseMessage reads an answer or event. The error is ErrUnknownCommand or ErrSyntax.
func ParseMessage(version uint16, b []byte) (Message, error) {
	tag, params, hasParams := bytes.Cut(b, []byte{' '})
	r := wire.NewReader(params)
	var m Message
	switch string(tag) {
	case "OK":
		return bareMessage(OK{}, hasParams)
	case "PONG":
		return bareMessage(Pong{}, hasParams)
	case "END":
		return bareMessage(End{}, hasParams)
	case "DELD":
		return bareMessage(Deld{}, hasParams)
	case "MSG":
		m = Msg{readID(r), r.Tail()}
	case "SOK":
		m = SOK{readMaybeShort[ID](r)}
	case "SOKS":
		m = SOKs{r.Int64()}
	case "ENDS":
		m = Ends{r.Int64()}
	case "IDS":
		m = readIDs(r, version)
	case "LNK":
		m = Lnk{readID(r), readLinkData(r)}
	case "NID":
		m = NID{readNotifierIDs(r)}
	case "NMSG":
		m = NMsg{crypt.NonceOf(r.Bytes(24)), r.Short()}
	case "PKEY":
		m = PKey{r.Short(), r.VersionRange(), r.Larges(), r.Large()}
	case "PRES":
		m = PRes{r.Tail()}
	case "RRES":
		m = RRes{r.Tail()}
	case "INFO":
		var info Info
		if json.Unmarshal(r.Tail(), &info.QueueInfo) != nil {
			r.Fail(wire.ErrSyntax)
		}
		m = info
	case "ERR":
		m = readError(r, 0)
	default:
		return nil, ErrUnknownCommand
	}
	if !hasParams || r.End() != nil {
		return nil, ErrSyntax
	}
	return m, nil
}

func bareMessage[T Message](m T, hasParams bool) (Message, error) {
	if hasParams {
		return nil, ErrSyntax
	}
	return m, nil
}
