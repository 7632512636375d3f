package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
)

// one parses a body that has to hold exactly one good message.
func one(t *testing.T, body string) Message {
	t.Helper()
	msgs, errs := Parse([]byte(body))
	if len(errs) > 0 || len(msgs) != 1 {
		t.Fatalf("%d messages, errors %v", len(msgs), errs)
	}
	return msgs[0]
}

func newMsg(params string) string { return `{"event":"x.msg.new","params":` + params + `}` }

const text = `"content":{"type":"text","text":"hi"}`

func TestRoundTrip(t *testing.T) {
	id, other := ID("\x00\xff id"), ID("0123456789abcdef")
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	profile := Profile{DisplayName: "jane", FullName: "J <&> é", ShortDescr: "d", Image: "data:image/png;base64,", ContactLink: "simplex:/a#x",
		Preferences: &Preferences{TimedMessages: &Preference{Yes, 3600}, FullDelete: &Preference{Allow: No}, Reactions: &Preference{Allow: Always},
			Voice: &Preference{Allow: Yes}, Files: &Preference{Allow: Yes}, Calls: &Preference{Allow: No}}, PeerType: "bot"}
	heartReaction, err := NewReaction(heart)
	if err != nil {
		t.Fatal(err)
	}
	content := Text("a \"b\" <c> \u2028 👨‍👩‍👧")
	events := []Event{
		MsgNew{Content: content},
		MsgNew{Content: content, File: NewFileInvitation("a.jpg", 1<<40), TTL: 5, Live: true, Mentions: map[string]Mention{"bob": {other}},
			Scope: json.RawMessage(`{"type":"member"}`), AsGroup: true, Parent: json.RawMessage(`{"msgId":"AA=="}`), Forward: true,
			Quote: &Quote{Ref: MsgRef{MsgID: id, SentAt: at, Sent: true, MemberID: other}, Content: content}},
		MsgNew{Content: Content{Type: TypeLink, Text: "l", Preview: &LinkPreview{URI: "u", Title: "t", Description: "d", Image: "i", Content: json.RawMessage(`{"type":"page"}`)}}},
		MsgNew{Content: Content{Type: TypeImage, Text: "", Image: "i"}},
		MsgNew{Content: Content{Type: TypeVideo, Text: "", Image: "i", Duration: 3}},
		MsgNew{Content: Content{Type: TypeVoice, Text: ""}},
		MsgNew{Content: Content{Type: TypeFile, Text: ""}},
		MsgNew{Content: Content{Type: TypeReport, Text: "", Reason: "spam"}},
		MsgNew{Content: Content{Type: TypeChat, Text: "", ChatLink: json.RawMessage(`{"type":"contact"}`)}},
		MsgNew{Content: Content{Type: "poll", Text: "t", Raw: json.RawMessage(`{"type":"poll","text":"t","options":[1,2]}`)}},
		MsgUpdate{MsgID: id, Content: content, TTL: 1, Live: true, Prefs: json.RawMessage(`{}`)},
		MsgDel{MsgID: id, MemberID: other},
		MsgReact{MsgID: id, Reaction: heartReaction, Add: true},
		MsgReact{MsgID: id, Reaction: Reaction{Type: "sticker", Raw: json.RawMessage(`{"type":"sticker","emoji":7}`)}},
		MsgFileDescr{MsgID: id, Descr: FileDescr{Text: "yaml", Part: 1, Complete: true}},
		FileCancel{MsgID: id},
		Info{Profile: profile},
		Contact{Profile: profile, RequestID: id, WelcomeMsgID: other, MsgID: id, Content: &content},
		Contact{Profile: profile},
		DirectDel{}, OK{},
		InfoProbe{Probe: id}, InfoProbeCheck{Hash: other}, InfoProbeOK{Probe: id},
		CallInv{CallID: id, Invitation: CallInvitation{Type: CallType{Media: "audio", Capabilities: CallCapabilities{true}}, DHPubKey: "k", VersionRange: "1-2"}},
		CallEnd{CallID: id},
		Group{Event: "x.grp.leave", Params: json.RawMessage(`{}`)},
		Unknown{Event: "x.future", Params: json.RawMessage(`{"a":[1,null]}`)},
	}
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.Name()] = true
		b, err := Encode(Message{ID: id, Event: e}, MessageLimits(16, false))
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		want := Message{Versions: Versions, ID: id, Event: e}
		if got := one(t, string(b)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %#v\nwant %#v\nin %s", e.Name(), got, want, b)
		}
	}
	for name := range decoders {
		if !seen[name] {
			t.Errorf("%s is not in this test", name)
		}
	}
}

func TestEnvelope(t *testing.T) {
	for v, want := range map[string]wire.VersionRange{`"v":"1-18",`: {Min: 1, Max: 18}, `"v":"7",`: {Min: 7, Max: 7}, ``: {Min: 1, Max: 1}, `"v":null,"msgId":null,`: {Min: 1, Max: 1}} {
		m := one(t, `{`+v+`"new":1,"event":"x.ok","params":{}}`)
		if m.Versions != want || m.ID != "" || m.Event != (OK{}) {
			t.Errorf("%s: %+v", v, m)
		}
	}
	b, err := Encode(Message{Event: OK{}}, ConnInfoLimits(1, false))
	if want := `{"v":"1-16","event":"x.ok","params":{}}`; err != nil || string(b) != want {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
	// <, > and & are not escaped: escapes count against the limit.
	b, err = Encode(Message{Event: MsgNew{Content: Text("<&>")}}, ConnInfoLimits(1, false))
	if err != nil || !bytes.Contains(b, []byte(`"<&>"`)) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestBadMessages(t *testing.T) {
	long := base64.URLEncoding.EncodeToString(make([]byte, 256))
	for body, want := range map[string]error{
		``:                                       ErrForm,
		`x`:                                      ErrForm,
		` {"event":"x.ok","params":{}}`:          ErrForm,
		`{`:                                      ErrJSON,
		`{}`:                                     ErrJSON,
		`{"event":"x.ok"}`:                       ErrJSON,
		`{"event":"x.ok","params":[]}`:           ErrJSON,
		`{"event":"x.ok","params":{}}{}`:         ErrJSON,
		`{"event":5,"params":{}}`:                ErrJSON,
		`{"event":"y.ok","params":{}}`:           ErrEvent,
		`{"event":"x","params":{}}`:              ErrEvent,
		`{"event":"","params":{}}`:               ErrEvent,
		`{"v":"2-1","event":"x.ok","params":{}}`: ErrValue,
		`{"v":"","event":"x.ok","params":{}}`:    ErrValue,
		`{"v":1,"event":"x.ok","params":{}}`:     ErrJSON,
		`{"msgId":"","event":"x.ok","params":{}}`:  ErrValue,
		`{"msgId":"*","event":"x.ok","params":{}}`: ErrValue,
		`{"msgId":"` + long + `","event":"x.ok"}`:  ErrValue,
		newMsg(`{}`):                                                                                    ErrValue,
		newMsg(`{"content":null}`):                                                                      ErrValue,
		newMsg(`{"content":{"text":"no type"}}`):                                                        ErrValue,
		newMsg(`{"content":{"type":"text"}}`):                                                           ErrValue,
		newMsg(`{"content":{"type":"text","text":1}}`):                                                  ErrJSON,
		newMsg(`{"content":{"type":"image","text":""}}`):                                                ErrValue,
		newMsg(`{"content":{"type":"link","text":""}}`):                                                 ErrValue,
		newMsg(`{"content":{"type":"voice","text":"","duration":-1}}`):                                  ErrValue,
		newMsg(`{` + text + `,"ttl":-1}`):                                                               ErrValue,
		newMsg(`{` + text + `,"forward":1}`):                                                            ErrJSON,
		newMsg(`{` + text + `,"forward":"true"}`):                                                       ErrJSON,
		newMsg(`{` + text + `,"file":{"fileName":"a","fileSize":-1}}`):                                  ErrValue,
		newMsg(`{` + text + `,"mentions":{"a":{}}}`):                                                    ErrValue,
		newMsg(`{` + text + `,"quote":{` + text + `,"msgRef":{"sentAt":"yesterday"}}}`):                 ErrJSON,
		newMsg(`{` + text + `,"quote":{` + text + `,"msgRef":{"sentAt":"9999-12-31T23:59:59-01:00"}}}`): ErrValue,
		newMsg(`{` + text + `,"scope":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`):      ErrLimit,
		`{"event":"x.msg.update","params":{` + text + `}}`:                                              ErrValue,
		`{"event":"x.msg.del","params":{}}`:                                                             ErrValue,
		`{"event":"x.msg.react","params":{"msgId":"AA=="}}`:                                             ErrValue,
		`{"event":"x.info","params":{}}`:                                                                ErrValue,
		`{"event":"x.info","params":{"profile":5}}`:                                                     ErrJSON,
		`{"event":"x.info.probe","params":{}}`:                                                          ErrValue,
		`[{"event":"x.ok"}`:                                                                             ErrJSON,
		strings.Repeat("[", 60000):                                                                      ErrLimit,
		strings.Repeat("{", 70000):                                                                      ErrLimit,
		"=\x00":                                                                                         ErrForm,
		"=\x01\x00\x05{":                                                                                ErrForm,
		"=\x01\x00\x02[]":                                                                               ErrForm,
		"=\x01\x00\x01X":                                                                                ErrForm,
		"X":                                                                                             ErrForm,
		"X\x00":                                                                                         ErrForm,
		"X\x01":                                                                                         ErrForm,
		"X\x01" + "2\x00":                                                                               ErrForm,
		"X\x01" + "1\x00\x01x":                                                                          ErrForm,
		"X\x01" + "0\x01X":                                                                              ErrForm,
		"X\x09":                                                                                         ErrLimit,
		">":                                                                                             ErrForm,
		">C":                                                                                            ErrForm,
		">M\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x01{}":                                                 ErrForm,
		">C\x00\x00\x00\x00\x00\x00\x00\x01>":                                                           ErrForm,
		">C\x00\x00\x00\x00\x00\x00\x00\x01{}":                                                          ErrJSON,
		"/G\x01M\x01a{}":                                                                                ErrForm,
		"/S\x01M\x01a{}":                                                                                ErrForm,
		"F":                                                                                             ErrForm,
	} {
		msgs, errs := Parse([]byte(body))
		if len(msgs) != 0 || len(errs) != 1 || !errors.Is(errs[0], want) {
			t.Errorf("%.100q: %d messages, errors %v, want %v", body, len(msgs), errs, want)
		}
	}
}

// Errors end up in logs: nothing of a message may be in them.
func TestErrorsAreSilent(t *testing.T) {
	const secret = "SECRET"
	for _, body := range []string{
		`{"event":"SECRET","params":{}}`,
		`{"event":"x.ok","params":"SECRET"}`,
		`{"v":"SECRET","event":"x.ok","params":{}}`,
		`{"msgId":"SECRET*","event":"x.ok","params":{}}`,
		newMsg(`{"content":"SECRET"}`),
		newMsg(`{` + text + `,"ttl":"SECRET"}`),
		newMsg(`{` + text + `,"mentions":{"SECRET":5}}`),
		newMsg(`{` + text + `,"quote":{` + text + `,"msgRef":{"sentAt":"SECRET"}}}`),
		newMsg(`{SECRET}`),
	} {
		_, errs := Parse([]byte(body))
		if len(errs) != 1 || strings.Contains(errs[0].Error(), secret) {
			t.Errorf("%s: %v", body, errs)
		}
	}
}

func TestTolerance(t *testing.T) {
	for params, want := range map[string]MsgNew{
		`{` + text + `,"forward":{}}`:      {Content: Text("hi"), Forward: true},
		`{` + text + `,"forward":{"a":1}}`: {Content: Text("hi"), Forward: true},
		`{` + text + `,"forward":true}`:    {Content: Text("hi"), Forward: true},
		`{` + text + `,"forward":false}`:   {Content: Text("hi")},
		`{` + text + `,"forward":null}`:    {Content: Text("hi")},
		`{` + text + `,"scope":null,"parent":null,"quote":null,"file":null,"ttl":null,"live":null,"mentions":null}`: {Content: Text("hi")},
		`{"content":{"type":"future"}}`:       {Content: Content{Type: "future", Raw: json.RawMessage(`{"type":"future"}`)}},
		`{"content":{"type":"f","text":[1]}}`: {Content: Content{Type: "f", Raw: json.RawMessage(`{"type":"f","text":[1]}`)}},
		`{` + text + `,"quote":{` + text + `,"msgRef":{"sentAt":"2026-01-02T03:04:05Z","sent":false}}}`: {Content: Text("hi"),
			Quote: &Quote{Ref: MsgRef{SentAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, Content: Text("hi")}},
	} {
		if got := one(t, newMsg(params)).Event; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %#v\nwant %#v", params, got, want)
		}
	}
	m := one(t, newMsg(`{`+text+`,"mentions":{"a":{"memberId":"AA=="},"b":{"memberId":"AA=="},"c":{"memberId":"AA=="},"d":{"memberId":"AA=="},"e":{"memberId":"AA=="},"f":{"memberId":"AA=="}}}`))
	if n := m.Event.(MsgNew).Mentions; n != nil {
		t.Errorf("%d mentions", len(n))
	}
	m = one(t, `{"event":"x.contact","params":{"profile":{"displayName":"a"},"msgId":"AA=="}}`)
	if c := m.Event.(Contact); c.MsgID != "" || c.Content != nil {
		t.Errorf("half a first message: %+v", c)
	}
}

// A quote doesn't tell the time zone of who writes it.
func TestQuoteIsUTC(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 5*3600+1800))
	b, err := Encode(Message{Event: MsgNew{Content: Text(""), Quote: &Quote{Ref: MsgRef{SentAt: at}, Content: Text("")}}}, MessageLimits(1, false))
	if err != nil || !bytes.Contains(b, []byte(`"sentAt":"2026-01-01T21:34:05Z"`)) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestReactions(t *testing.T) {
	for emoji, known := range map[string]bool{"❤": true, "❤\ufe0f": false, "👍": true, "✅": true, "👍🏽": false, "🎉": false, "": false, "?": false} {
		if _, err := NewReaction(emoji); (err == nil) != known {
			t.Errorf("NewReaction(%q): %v", emoji, err)
		}
		body := `{"event":"x.msg.react","params":{"msgId":"AA==","add":true,"reaction":{"type":"emoji","emoji":"` + emoji + `"}}}`
		r := one(t, body).Event.(MsgReact).Reaction
		if r.Known() != known || r.Emoji != emoji {
			t.Errorf("%q: %+v", emoji, r)
		}
	}
	if n := len(Emojis()); n != 8 {
		t.Errorf("%d emojis", n)
	}
	for _, e := range Emojis() {
		if len([]rune(e)) != 1 {
			t.Errorf("%q is not one code point", e)
		}
	}
	if r := (Reaction{Type: "emoji", Emoji: "🎉"}); r.Known() {
		t.Error("known")
	} else if _, err := Encode(Message{Event: MsgReact{MsgID: "a", Reaction: r}}, MessageLimits(16, false)); !errors.Is(err, ErrValue) {
		t.Errorf("an unknown reaction is sent: %v", err)
	}
}

func TestFlags(t *testing.T) {
	for name, want := range map[string][2]bool{ // receipt, notification
		"x.msg.new": {true, true}, "x.msg.update": {}, "x.grp.inv": {true, true}, "x.call.inv": {true, true}, "x.contact": {false, true},
		"x.file": {false, true}, "x.grp.mem.fwd": {false, true}, "x.grp.del": {false, true}, "x.info": {}, "x.msg.del": {}, "x.future": {},
	} {
		e := Unknown{Event: name}
		if got := [2]bool{WantsReceipt(e), Notifies(e)}; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestIDs(t *testing.T) {
	src := bytes.NewReader(bytes.Repeat([]byte{0xfb, 0xef, 0xbe}, 40))
	id, err := NewID(src)
	if err != nil || id != "++++++++++++++++" {
		t.Errorf("%q, %v", id, err)
	}
	b, err := json.Marshal(id)
	if err != nil || string(b) != `"KysrKysrKysrKysrKysrKw=="` {
		t.Errorf("%s, %v", b, err)
	}
	if req, err := NewRequestID(src); err != nil || len(req) != 16 {
		t.Errorf("%q, %v", req, err)
	}
	if _, err := NewID(bytes.NewReader(nil)); err == nil {
		t.Error("an id without randomness")
	}
	for _, id := range []ID{"", ID(make([]byte, 256))} {
		if _, err := id.MarshalText(); !errors.Is(err, ErrValue) {
			t.Errorf("%d bytes: %v", len(id), err)
		}
	}
}

// noise returns n characters that hardly compress, the same each time.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		for b[i] == 0 || b[i] == '"' || b[i] == '\\' {
			b[i] = byte(' ' + r.IntN(95))
		}
	}
	return string(b)
}

// sized returns a message whose JSON has n bytes.
func sized(t testing.TB, n int) Message {
	t.Helper()
	m := Message{ID: "0123456789abcdef", Event: MsgNew{Content: Text("")}}
	b, err := marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	m.Event = MsgNew{Content: Text(noise(n - len(b)))}
	return m
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		l     Limits
		size  int
		form  byte // 0: too large
		large TooLargeError
	}{
		{"message", MessageLimits(16, false), 15602, '{', TooLargeError{}},
		{"message", MessageLimits(16, false), 15603, 0, TooLargeError{15603, 15602, false}},
		{"message pq", MessageLimits(8, true), 13380, '{', TooLargeError{}},
		{"message pq", MessageLimits(8, true), 13381, 'X', TooLargeError{}},
		{"message pq", MessageLimits(8, true), 15602, 'X', TooLargeError{}},
		{"message pq", MessageLimits(8, true), 15603, 0, TooLargeError{15603, 15602, false}},
		{"message pq old", MessageLimits(7, true), 13380, '{', TooLargeError{}},
		{"message pq old", MessageLimits(7, true), 13381, 0, TooLargeError{13381, 13380, false}},
		{"info", ConnInfoLimits(16, false), 14694, '{', TooLargeError{}},
		{"info", ConnInfoLimits(16, false), 14695, 0, TooLargeError{14695, 14694, false}},
		{"info pq", ConnInfoLimits(8, true), 10968, '{', TooLargeError{}},
		{"info pq", ConnInfoLimits(8, true), 10969, 'X', TooLargeError{}},
		{"info pq", ConnInfoLimits(8, true), 14694, 0, TooLargeError{0, 10968, true}},
	} {
		m := sized(t, c.size)
		b, err := Encode(m, c.l)
		if c.form == 0 {
			var large *TooLargeError
			if !errors.As(err, &large) {
				t.Errorf("%s %d: %v", c.name, c.size, err)
			} else if c.large.Size == 0 {
				c.large.Size = large.Size
			}
			if large != nil && (*large != c.large || large.Size <= large.Limit) {
				t.Errorf("%s %d: %+v", c.name, c.size, large)
			}
			continue
		}
		if err != nil || b[0] != c.form || len(b) > c.l.Body {
			t.Errorf("%s %d: %d bytes, %v", c.name, c.size, len(b), err)
			continue
		}
		m.Versions = Versions
		if got := one(t, string(b)); !reflect.DeepEqual(got, m) {
			t.Errorf("%s %d: another message comes out", c.name, c.size)
		}
	}
}

// The largest preview fits into a post-quantum message although base64 has no repetitions.
func TestPreviewFits(t *testing.T) {
	r := rand.NewChaCha8([32]byte{})
	file := append([]byte("\xff\xd8\xff"), make([]byte, 10478)...)
	if _, err := r.Read(file[3:]); err != nil {
		t.Fatal(err)
	}
	uri, err := EncodeImage(file, MaxPreviewImage)
	if err != nil || len(uri) < MaxPreviewImage-10 {
		t.Fatalf("%d characters, %v", len(uri), err)
	}
	m := Message{ID: "0123456789abcdef", Event: MsgNew{Content: Content{Type: TypeImage, Image: uri}, File: NewFileInvitation("a.jpg", 1<<20)}}
	if b, err := Encode(m, MessageLimits(16, true)); err != nil || b[0] != formCompressed {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, m := range map[string]Message{
		"nothing":       {},
		"a bad name":    {Event: Unknown{Event: "y", Params: json.RawMessage(`{}`)}},
		"bad JSON":      {Event: Unknown{Event: "x.y", Params: json.RawMessage(`{`)}},
		"no object":     {Event: Group{Event: "x.grp.y"}},
		"no group":      {Event: Group{Event: "x.y", Params: json.RawMessage(`{}`)}},
		"a chunk":       {Event: FileChunk{}},
		"a long id":     {ID: ID(make([]byte, 256)), Event: OK{}},
		"relayed":       {Event: OK{}, Relay: &Relay{}},
		"signed":        {Event: OK{}, Signed: &Signed{}},
		"no content":    {Event: MsgNew{}},
		"half a text":   {Event: Contact{Profile: Profile{DisplayName: "a"}, MsgID: "a"}},
		"no preview":    {Event: MsgNew{Content: Content{Type: TypeLink}}},
		"quote":         {Event: MsgNew{Content: Text(""), Quote: &Quote{}}},
		"many mentions": {Event: MsgNew{Content: Text(""), Mentions: map[string]Mention{"a": {"1"}, "b": {"1"}, "c": {"1"}, "d": {"1"}, "e": {"1"}, "f": {"1"}}}},
	} {
		if b, err := Encode(m, MessageLimits(16, false)); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}
