package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// MaxMentions is the number of members that a message may mention; this client should
// not send more than SendMentions (chat-protocol.md §5).
const (
	MaxMentions  = 5
	SendMentions = 3
)

// MsgNew is x.msg.new: a new message (chat-protocol.md §5).
type MsgNew struct {
	Content  Content            `json:"content"`
	File     *FileInvitation    `json:"file,omitempty"`
	TTL      int                `json:"ttl,omitempty"` // seconds until it disappears; 0 if it doesn't
	Live     bool               `json:"live,omitempty"`
	Mentions map[string]Mention `json:"mentions,omitempty"` // by the name after the @ in the text
	Scope    json.RawMessage    `json:"scope,omitempty"`
	AsGroup  bool               `json:"asGroup,omitempty"`
	Quote    *Quote             `json:"quote,omitempty"`
	Parent   json.RawMessage    `json:"parent,omitempty"`
	Forward  bool               `json:"forward,omitempty"`
}

// Mention is a member mentioned in a text.
type Mention struct {
	MemberID ID `json:"memberId"`
}

// Quote is the message that a message answers.
type Quote struct {
	Ref     MsgRef  `json:"msgRef"`
	Content Content `json:"content"`
}

// MsgRef refers to a message that may be known to the recipient.
type MsgRef struct {
	MsgID    ID        `json:"msgId,omitempty"` // may be empty
	SentAt   time.Time `json:"sentAt"`          // written as UTC
	Sent     bool      `json:"sent"`            // the one who quotes has sent it
	MemberID ID        `json:"memberId,omitempty"`
}

// MarshalJSON writes the time as UTC, since an offset would tell where the sender is.
func (r MsgRef) MarshalJSON() ([]byte, error) {
	type plain MsgRef
	r.SentAt = r.SentAt.UTC()
	return marshal(plain(r))
}

// Name returns "x.msg.new".
func (MsgNew) Name() string { return "x.msg.new" }

// UnmarshalJSON takes an object in forward for true, as old clients write it, and leaves
// out mentions if there are more than MaxMentions.
func (e *MsgNew) UnmarshalJSON(data []byte) error {
	type plain MsgNew
	v := struct {
		*plain
		Forward json.RawMessage `json:"forward"`
	}{plain: (*plain)(e)}
	if err := unmarshal(data, &v); err != nil {
		return err
	}
	switch f := string(v.Forward); {
	case f == "" || f == "null" || f == "false":
		e.Forward = false
	case f == "true" || isObject(v.Forward):
		e.Forward = true
	default:
		return fmt.Errorf("%w: forward is neither true nor an object", ErrJSON)
	}
	if len(e.Mentions) > MaxMentions {
		e.Mentions = nil
	}
	dropNull(&e.Scope, &e.Parent)
	return nil
}

func (e MsgNew) check() error {
	if err := checkMessage(e.Content, e.TTL, e.Mentions); err != nil {
		return err
	}
	if e.File != nil {
		if err := e.File.check(); err != nil {
			return err
		}
	}
	if e.Quote != nil {
		if y := e.Quote.Ref.SentAt.UTC().Year(); y < 0 || y > 9999 {
			return fmt.Errorf("%w: time of the quoted message", ErrValue)
		}
		return e.Quote.Content.check()
	}
	return nil
}

func checkMessage(c Content, ttl int, mentions map[string]Mention) error {
	if ttl < 0 {
		return fmt.Errorf("%w: ttl is negative", ErrValue)
	}
	if len(mentions) > MaxMentions {
		return fmt.Errorf("%w: mentions", ErrLimit)
	}
	for _, m := range mentions {
		if m.MemberID == "" {
			return missing("memberId")
		}
	}
	return c.check()
}

// MsgUpdate is x.msg.update: an edit, or the next text of a live message; without Live it ends one.
type MsgUpdate struct {
	MsgID    ID                 `json:"msgId"`
	Content  Content            `json:"content"`
	Mentions map[string]Mention `json:"mentions,omitempty"`
	TTL      int                `json:"ttl,omitempty"` // seconds
	Live     bool               `json:"live,omitempty"`
	Scope    json.RawMessage    `json:"scope,omitempty"`
	AsGroup  bool               `json:"asGroup,omitempty"`
	Prefs    json.RawMessage    `json:"prefs,omitempty"`
}

// Name returns "x.msg.update".
func (MsgUpdate) Name() string { return "x.msg.update" }

// UnmarshalJSON leaves out mentions if there are more than MaxMentions.
func (e *MsgUpdate) UnmarshalJSON(data []byte) error {
	type plain MsgUpdate
	if err := unmarshal(data, (*plain)(e)); err != nil {
		return err
	}
	if len(e.Mentions) > MaxMentions {
		e.Mentions = nil
	}
	dropNull(&e.Scope, &e.Prefs)
	return nil
}

func (e MsgUpdate) check() error {
	if e.MsgID == "" {
		return missing("msgId")
	}
	return checkMessage(e.Content, e.TTL, e.Mentions)
}

// MsgDel is x.msg.del: a message is deleted for everybody. MemberID is its author if a moderator deletes it.
type MsgDel struct {
	MsgID    ID              `json:"msgId"`
	MemberID ID              `json:"memberId,omitempty"`
	Scope    json.RawMessage `json:"scope,omitempty"`
}

// Name returns "x.msg.del".
func (MsgDel) Name() string { return "x.msg.del" }

// UnmarshalJSON reads the parameters.
func (e *MsgDel) UnmarshalJSON(data []byte) error {
	type plain MsgDel
	err := unmarshal(data, (*plain)(e))
	dropNull(&e.Scope)
	return err
}

func (e MsgDel) check() error { return needID("msgId", e.MsgID) }

// MsgReact is x.msg.react: a reaction is added or taken back. MemberID is the author of the message in groups.
type MsgReact struct {
	MsgID    ID              `json:"msgId"`
	MemberID ID              `json:"memberId,omitempty"`
	Scope    json.RawMessage `json:"scope,omitempty"`
	Reaction Reaction        `json:"reaction"`
	Add      bool            `json:"add"`
}

// Name returns "x.msg.react".
func (MsgReact) Name() string { return "x.msg.react" }

// UnmarshalJSON reads the parameters.
func (e *MsgReact) UnmarshalJSON(data []byte) error {
	type plain MsgReact
	err := unmarshal(data, (*plain)(e))
	dropNull(&e.Scope)
	return err
}

func (e MsgReact) check() error {
	if e.Reaction.Type == "" {
		return missing("reaction")
	}
	return needID("msgId", e.MsgID)
}

// MsgFileDescr is x.msg.file.descr: a part of the description of a file; MsgID is the message with the file.
type MsgFileDescr struct {
	MsgID ID        `json:"msgId"`
	Descr FileDescr `json:"fileDescr"`
}

// Name returns "x.msg.file.descr".
func (MsgFileDescr) Name() string { return "x.msg.file.descr" }

func (e MsgFileDescr) check() error {
	if err := e.Descr.check(); err != nil {
		return err
	}
	return needID("msgId", e.MsgID)
}

// FileCancel is x.file.cancel: the sender will not send the file of message MsgID.
type FileCancel struct {
	MsgID ID `json:"msgId"`
}

// Name returns "x.file.cancel".
func (FileCancel) Name() string { return "x.file.cancel" }

func (e FileCancel) check() error { return needID("msgId", e.MsgID) }

// Info is x.info: the sender's profile, in handshakes and when it changes.
type Info struct {
	Profile Profile `json:"profile"`
}

// Name returns "x.info".
func (Info) Name() string { return "x.info" }

func (e Info) check() error { return e.Profile.check() }

// Contact is x.contact: a request to the owner of a contact address. MsgID and Content
// are a first message, both or neither (chat-protocol.md §8).
type Contact struct {
	Profile      Profile  `json:"profile"`
	RequestID    ID       `json:"contactReqId,omitempty"`
	WelcomeMsgID ID       `json:"welcomeMsgId,omitempty"`
	MsgID        ID       `json:"msgId,omitempty"`
	Content      *Content `json:"content,omitempty"`
}

// Name returns "x.contact".
func (Contact) Name() string { return "x.contact" }

// UnmarshalJSON leaves out a first message that has no id or no content.
func (e *Contact) UnmarshalJSON(data []byte) error {
	type plain Contact
	err := unmarshal(data, (*plain)(e))
	if e.MsgID == "" || e.Content == nil {
		e.MsgID, e.Content = "", nil
	}
	return err
}

func (e Contact) check() error {
	if (e.MsgID == "") != (e.Content == nil) {
		return missing("msgId or content")
	}
	if e.Content != nil {
		if err := e.Content.check(); err != nil {
			return err
		}
	}
	return e.Profile.check()
}

// DirectDel is x.direct.del: the contact has deleted the conversation.
type DirectDel struct{}

// Name returns "x.direct.del".
func (DirectDel) Name() string { return "x.direct.del" }

func (DirectDel) check() error { return nil }

// OK is x.ok: nothing to say, where something has to be sent.
type OK struct{}

// Name returns "x.ok".
func (OK) Name() string { return "x.ok" }

func (OK) check() error { return nil }

// InfoProbe is x.info.probe, by which a contact and a member can be found to be the same
// (chat-protocol.md §11).
type InfoProbe struct {
	Probe ID `json:"probe"`
}

// Name returns "x.info.probe".
func (InfoProbe) Name() string { return "x.info.probe" }

func (e InfoProbe) check() error { return needID("probe", e.Probe) }

// InfoProbeCheck is x.info.probe.check: the SHA-256 of a probe.
type InfoProbeCheck struct {
	Hash ID `json:"probeHash"`
}

// Name returns "x.info.probe.check".
func (InfoProbeCheck) Name() string { return "x.info.probe.check" }

func (e InfoProbeCheck) check() error { return needID("probeHash", e.Hash) }

// InfoProbeOK is x.info.probe.ok: the probe that has the hash.
type InfoProbeOK struct {
	Probe ID `json:"probe"`
}

// Name returns "x.info.probe.ok".
func (InfoProbeOK) Name() string { return "x.info.probe.ok" }

func (e InfoProbeOK) check() error { return needID("probe", e.Probe) }

// CallInv is x.call.inv: an invitation to a call. A client without calls answers with CallEnd.
type CallInv struct {
	CallID     ID             `json:"callId"`
	Invitation CallInvitation `json:"invitation"`
}

// CallInvitation says what kind of call it is to be.
type CallInvitation struct {
	Type         CallType `json:"callType"`
	DHPubKey     string   `json:"callDhPubKey,omitempty"` // X25519, base64url of DER; empty without encryption
	VersionRange string   `json:"callVRange,omitempty"`   // "1-2"
}

// CallType is the kind of a call.
type CallType struct {
	Media        string           `json:"media"` // "audio" or "video"
	Capabilities CallCapabilities `json:"capabilities"`
}

// CallCapabilities tells what the caller's client can do.
type CallCapabilities struct {
	Encryption bool `json:"encryption"`
}

// Name returns "x.call.inv".
func (CallInv) Name() string { return "x.call.inv" }

func (e CallInv) check() error { return needID("callId", e.CallID) }

// CallEnd is x.call.end: the call is over, or refused.
type CallEnd struct {
	CallID ID `json:"callId"`
}

// Name returns "x.call.end".
func (CallEnd) Name() string { return "x.call.end" }

func (e CallEnd) check() error { return needID("callId", e.CallID) }

const groupPrefix = "x.grp."

// Group is an event of groups, x.grp.*, with its parameters as they came: a JSON object.
type Group struct {
	Event  string
	Params json.RawMessage
}

// Name returns the event's name.
func (e Group) Name() string { return e.Event }

// MarshalJSON returns the parameters.
func (e Group) MarshalJSON() ([]byte, error) { return e.Params, nil }

func (e Group) check() error {
	if !strings.HasPrefix(e.Event, groupPrefix) {
		return fmt.Errorf("%w: not the name of a group event", ErrValue)
	}
	return checkParams(e.Params)
}

// Unknown is any other event whose name starts with x., with its parameters as they
// came: a JSON object. It is to be ignored silently.
type Unknown struct {
	Event  string
	Params json.RawMessage
}

// Name returns the event's name.
func (e Unknown) Name() string { return e.Event }

// MarshalJSON returns the parameters.
func (e Unknown) MarshalJSON() ([]byte, error) { return e.Params, nil }

func (e Unknown) check() error { return checkParams(e.Params) }

// FileChunk is a piece of a file sent inside messages by old clients (chat-protocol.md
// §6). It is not JSON and this client doesn't send it.
type FileChunk struct {
	MsgID  ID   // the message with the file
	Number byte // from 1; 0 cancels
	Data   []byte
}

// Name returns "F", the letter that starts it.
func (FileChunk) Name() string { return "F" }

func (FileChunk) check() error { return nil }

func checkParams(b json.RawMessage) error {
	if !isObject(b) {
		return fmt.Errorf("%w: params is not an object", ErrJSON)
	}
	return nil
}

func needID(name string, id ID) error {
	if id == "" {
		return missing(name)
	}
	return nil
}

func missing(name string) error { return fmt.Errorf("%w: %s is missing", ErrValue, name) }

// WantsReceipt tells whether a delivery receipt is due for the event, if receipts are
// enabled (chat-protocol.md §8).
func WantsReceipt(e Event) bool {
	switch e.Name() {
	case "x.msg.new", "x.grp.inv", "x.call.inv":
		return true
	}
	return false
}

// Notifies returns the notification flag that an agent message with this event is sent
// with (chat-protocol.md §8). A batch is sent with true if any of its events has it; a
// batch of a group's history too.
func Notifies(e Event) bool {
	switch e.Name() {
	case "x.msg.new", "x.file", "x.contact", "x.grp.inv", "x.grp.mem.fwd", "x.grp.mem.intro", "x.grp.del", "x.call.inv":
		return true
	}
	return false
}
