package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
)

// Versions is the range of chat protocol versions that this client announces.
//
// Announcing a version asks peers to use its features (chat-protocol.md §2): 8 compressed
// bodies, 9 JSON arrays, 15 scoped messages, 16 a first message in a contact request and
// profiles in link data. All of these are read here. Version 17 is about voice messages
// while a group member is being approved and 18 about comments on channel posts, which
// this client has not.
var Versions = wire.VersionRange{Min: 1, Max: 16}

// Versions from which on a peer understands a feature (chat-protocol.md §2).
const (
	VersionGroupBatch     = 5  // JSON arrays in groups
	VersionCompression    = 8  // compressed bodies
	VersionBatch          = 9  // JSON arrays between contacts
	VersionContactMessage = 16 // first message in x.contact
)

// Errors of messages. They hold nothing of what a peer has sent, apart from names of events that this package knows.
var (
	ErrForm  = errors.New("event: unknown form of a message body")
	ErrJSON  = errors.New("event: malformed JSON or a member of the wrong type")
	ErrEvent = errors.New("event: the name of an event has to start with \"x.\"")
	ErrValue = errors.New("event: invalid value")
	ErrLimit = errors.New("event: more than a message may have")
)

// Event is what a message says: one of the event types of this package.
type Event interface {
	// Name is the name on the wire, for example "x.msg.new".
	Name() string
	// check reports what makes the event unfit to be sent or to be believed.
	check() error
}

// Message is one chat message (chat-protocol.md §2).
type Message struct {
	// Versions are the chat versions of the sender: 1 if it has sent none. A zero
	// range is written as this client's Versions.
	Versions wire.VersionRange
	// ID is the shared id of the message, the same in all copies; empty in connection
	// info and in some service messages.
	ID    ID
	Event Event

	// Relay is set if a relay has forwarded the message for somebody else. Such a
	// message can't be encoded.
	Relay *Relay
	// Signed is set if the message stood in a signed element. Nothing has checked the
	// signatures. Such a message can't be encoded.
	Signed *Signed
}

// Relay tells whose message a relay has forwarded (chat-protocol.md §3).
type Relay struct {
	MemberID   ID     // empty if the channel itself is the sender
	MemberName string // as the relay gives it
	Time       time.Time
}

// Signed is a signed element (chat-protocol.md §3).
type Signed struct {
	Signatures [][]byte // Ed25519, 64 bytes each, at least one
	JSON       []byte   // the message as it was signed
}

// envelope is the JSON form of a Message.
type envelope struct {
	V      *string         `json:"v,omitempty"`
	MsgID  ID              `json:"msgId,omitempty"`
	Event  string          `json:"event"`
	Params json.RawMessage `json:"params"`
}

// MarshalJSON returns the JSON form, without the limits that Encode applies.
func (m Message) MarshalJSON() ([]byte, error) {
	switch {
	case m.Event == nil:
		return nil, fmt.Errorf("%w: a message without an event", ErrValue)
	case m.Relay != nil || m.Signed != nil:
		return nil, fmt.Errorf("%w: a relayed or signed message can't be written", ErrValue)
	case !strings.HasPrefix(m.Event.Name(), "x."):
		return nil, ErrEvent
	}
	name := m.Event.Name()
	if err := m.Event.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	params, err := marshal(m.Event)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	versions := m.Versions
	if versions == (wire.VersionRange{}) {
		versions = Versions
	}
	v := versions.String()
	return marshal(envelope{V: &v, MsgID: m.ID, Event: name, Params: params})
}

// UnmarshalJSON reads the JSON form. It is strict about the events that this package
// knows and keeps others as Group or Unknown.
func (m *Message) UnmarshalJSON(data []byte) error {
	var e envelope
	if err := unmarshal(data, &e); err != nil {
		return err
	}
	if !isObject(e.Params) {
		return fmt.Errorf("%w: params is not an object", ErrJSON)
	}
	msg := Message{Versions: wire.VersionRange{Min: 1, Max: 1}, ID: e.MsgID}
	if e.V != nil {
		v, err := wire.ParseVersionRange(*e.V)
		if err != nil || v.Max == 0 {
			return fmt.Errorf("%w: the version range", ErrValue)
		}
		msg.Versions = v
	}
	var err error
	if msg.Event, err = parseEvent(e.Event, e.Params); err != nil {
		return err
	}
	*m = msg
	return nil
}

// decoders has the events with typed parameters.
var decoders = map[string]func(json.RawMessage) (Event, error){
	MsgNew{}.Name():         decode[MsgNew],
	MsgUpdate{}.Name():      decode[MsgUpdate],
	MsgDel{}.Name():         decode[MsgDel],
	MsgReact{}.Name():       decode[MsgReact],
	MsgFileDescr{}.Name():   decode[MsgFileDescr],
	FileCancel{}.Name():     decode[FileCancel],
	Info{}.Name():           decode[Info],
	Contact{}.Name():        decode[Contact],
	DirectDel{}.Name():      decode[DirectDel],
	OK{}.Name():             decode[OK],
	InfoProbe{}.Name():      decode[InfoProbe],
	InfoProbeCheck{}.Name(): decode[InfoProbeCheck],
	InfoProbeOK{}.Name():    decode[InfoProbeOK],
	CallInv{}.Name():        decode[CallInv],
	CallEnd{}.Name():        decode[CallEnd],
}

func parseEvent(name string, params json.RawMessage) (Event, error) {
	if decode, ok := decoders[name]; ok {
		e, err := decode(params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return e, nil
	}
	switch {
	case strings.HasPrefix(name, groupPrefix):
		return Group{Event: name, Params: params}, nil
	case strings.HasPrefix(name, "x."):
		return Unknown{Event: name, Params: params}, nil
	}
	return nil, ErrEvent
}

func decode[E Event](params json.RawMessage) (Event, error) {
	var e E
	if err := unmarshal(params, &e); err != nil {
		return nil, err
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	return e, nil
}

// marshal is json.Marshal without the escapes for HTML, which would make messages longer.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, ownError(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// unmarshal is json.Unmarshal with errors that show nothing of data.
func unmarshal(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return ownError(err)
	}
	return nil
}

// ownError returns an error of this package with its explanation, or ErrJSON: the texts of
// encoding/json and time quote their input.
func ownError(err error) error {
	var m *json.MarshalerError
	for errors.As(err, &m) {
		err = m.Unwrap()
	}
	for _, own := range []error{ErrForm, ErrJSON, ErrEvent, ErrValue, ErrLimit} {
		if errors.Is(err, own) {
			return err
		}
	}
	return ErrJSON
}

func isObject(b []byte) bool { return len(b) > 0 && b[0] == '{' }

// dropNull makes null the same as an absent member.
func dropNull(raws ...*json.RawMessage) {
	for _, r := range raws {
		if string(*r) == "null" {
			*r = nil
		}
	}
}
