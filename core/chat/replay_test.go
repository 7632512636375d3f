package chat

import (
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/store"
)

// recorded is a body that the reference client has sent to the other side of a conversation (version 5.7).
type recorded struct {
	Step, From, Text string
	Hex              reference.Hex
}

func (r recorded) body() []byte {
	if len(r.Hex) == 0 {
		return []byte(r.Text)
	}
	return r.Hex
}

func recordings(t *testing.T) (list []recorded) {
	t.Helper()
	reference.Read(t, "direct.json.gz", &list)
	if len(list) < 50 {
		t.Fatalf("only %d recordings", len(list))
	}
	return list
}

// replay has a side of the recorded conversation receive what it received, with what it sent being there.
func replay(t *testing.T, side string) *fixture {
	t.Helper()
	f := newFixture(t)
	for _, r := range recordings(t) {
		if r.From != side {
			f.receive(agent.Message{Body: r.body()})
			continue
		}
		msgs, bad := event.Parse(r.body())
		if len(bad) > 0 || len(msgs) != 1 {
			t.Fatalf("%s: %v", r.Step, bad)
		}
		switch e := msgs[0].Event.(type) {
		case event.MsgNew:
			f.next++
			f.update(func(tx *store.Tx) error {
				return f.addItem(tx, &store.Item{Contact: f.contact, Own: true, Shared: []byte(msgs[0].ID), Kind: string(KindText), Text: e.Content.Text, State: string(StateSent), Time: start})
			})
		case event.Info:
			f.update(func(tx *store.Tx) error {
				b, err := encodePreferences(e.Profile.Preferences)
				if err != nil {
					return err
				}
				return tx.SetSetting(settingPreferences, b)
			})
		}
	}
	return f
}

// TestReplay shows what each side of the recorded conversation has in the end.
func TestReplay(t *testing.T) {
	t.Run("bob", func(t *testing.T) {
		f := replay(t, "bob")
		var shown []string
		items, err := f.History(t.Context(), f.contact, 0, maxPage)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range f.items() {
			i := items[n]
			if i.Own {
				continue
			}
			if i.Quote != nil {
				line += " <" + i.Quote.Text + ">"
				if i.Quote.Item == 0 {
					t.Errorf("what %q answers is not found", i.Text)
				}
			}
			if !i.Deleted.IsZero() {
				line += " (deleted)"
			}
			if i.TTL > 0 {
				line += " " + i.TTL.String()
			}
			if len(i.Text) > 1000 {
				line = line[:12]
			}
			if i.File != nil {
				line += " " + i.File.Name
			}
			if i.Live {
				t.Errorf("%q is live", i.Text)
			}
			shown = append(shown, line)
		}
		want := []string{
			"text: how are you today? (edited)",
			"text: line 1\nline 2\n\n  indented \"quoted\" \\ back\tTab",
			"text: *bold* _italic_ ~strike~ `code` #secret# !1 red! https://simplex.chat me@example.com",
			"text: 👍😀 ❤️ é你好 \u202e 👨\u200d👩\u200d👧",
			"text: quoting myself <how are you?>",
			"text: to be deleted (deleted)",
			"renamed: alice",
			"text: typing more and done",
			"disappearing 1h0m0s",
			"text: this will disappear 1h0m0s",
			"text: this will disappear sooner 1m0s",
			"disappearing",
			"feature nobody: voice",
			"feature both: voice",
			"feature nobody: fullDelete",
			"disappearing 24h0m0s",
			"text link: ",
			"text image: a picture photo.jpg",
			"text file 24h0m0s doc.txt",
		}
		for n, w := range want {
			if n >= len(shown) || shown[n] != w && !strings.HasPrefix(w, "text link") && !strings.HasPrefix(w, "text image") {
				t.Fatalf("line %d of the conversation is not %q:\n%s", n, w, strings.Join(shown, "\n"))
			}
		}
		rest := shown[len(want):]
		for _, w := range []string{"text file: a bigger file 24h0m0s big.bin", "text voice 24h0m0s voice.m4a", "text: original to forward 24h0m0s",
			"unsupported poll: a type of the future 24h0m0s", "call video", "call audio", "profile: Alice Example", "picture", "left 1"} {
			if !slices.Contains(rest, w) {
				t.Errorf("there is no %q:\n%s", w, strings.Join(rest, "\n"))
			}
		}
		if c := f.load(); c.State != ContactLeft || c.FullName != "Alice Example" || c.Picture == nil || c.Address == "" || c.Disappearing != 24*60*60*1e9 {
			t.Errorf("the contact is %+v", c)
		}
		for _, i := range items {
			if !i.Kind.IsMessage() {
				continue
			}
			switch i.Content {
			case "image", "video", "link":
				if i.Preview != nil && i.Preview.URL != "" {
					i.Image = i.Preview.Image
				}
				if len(i.Image) == 0 {
					t.Errorf("the %s has no picture", i.Content)
				}
			}
			if i.Content == "video" && i.Duration.Seconds() != 7 || i.Content == "voice" && i.Duration.Seconds() != 5 {
				t.Errorf("the %s takes %v", i.Content, i.Duration)
			}
		}
	})
	t.Run("alice", func(t *testing.T) {
		f := replay(t, "alice")
		items, err := f.History(t.Context(), f.contact, 0, maxPage)
		if err != nil {
			t.Fatal(err)
		}
		var quotes, forwarded, reactions int
		for _, i := range items {
			if i.Quote != nil {
				quotes++
				if i.Quote.Item == 0 || !i.Quote.Own || i.Quote.Text != "how are you?" {
					t.Errorf("%q answers %+v", i.Text, i.Quote)
				}
			}
			if i.Forwarded && !i.Own {
				forwarded++
				if i.TTL.Hours() != 24 {
					t.Errorf("what was forwarded disappears after %v", i.TTL)
				}
			}
			for _, r := range i.Reactions {
				reactions++
				if r.Emoji != "\u2764" || !r.Theirs || r.Own {
					t.Errorf("%q has %+v", i.Text, r)
				}
			}
			if i.Kind == KindUnsupported && !strings.HasPrefix(i.Content, "x.call") || i.Kind == KindMalformed {
				t.Errorf("not understood is %+v", i)
			}
		}
		if quotes != 1 || forwarded != 1 || reactions != 1 {
			t.Errorf("%d quotes, %d forwarded, %d reactions", quotes, forwarded, reactions)
		}
	})
}

// FuzzConversation has anything arrive in a conversation where everything was.
func FuzzConversation(f *testing.F) {
	for _, s := range []string{
		`{"event":"x.msg.update","params":{"msgId":"AAAA","content":{"type":"text","text":"new"},"live":true}}`,
		`{"event":"x.msg.del","params":{"msgId":"AAAA"}}`,
		`{"event":"x.msg.react","params":{"msgId":"AAAA","reaction":{"type":"emoji","emoji":"🐌"},"add":true}}`,
		`{"msgId":"BBBB","event":"x.msg.new","params":{"content":{"type":"voice","text":"","duration":9223372036854775807},"quote":{"msgRef":{"sentAt":"0000-01-01T00:00:00Z","sent":true},"content":{"type":"?","text":1}},"ttl":9223372036854775807,"file":{"fileName":"../\u202e","fileSize":1}}}`,
		`[{"msgId":"CCCC","event":"x.msg.new","params":{"content":{"type":"file","text":""},"file":{"fileName":"a","fileSize":9223372036854775807,"fileDescr":{"fileDescrText":"party: recipient\n","fileDescrPartNo":9,"fileDescrComplete":true}}}},
			{"event":"x.file.cancel","params":{"msgId":"CCCC"}}]`,
		`[{"msgId":"DDDD","event":"x.msg.new","params":{"content":{"type":"image","text":"","image":""},"file":{"fileName":"a","fileSize":0,"fileDescr":{"fileDescrText":"","fileDescrPartNo":0,"fileDescrComplete":false}}}},
			{"event":"x.msg.file.descr","params":{"msgId":"DDDD","fileDescr":{"fileDescrText":"x","fileDescrPartNo":2,"fileDescrComplete":false}}},
			{"event":"x.msg.file.descr","params":{"msgId":"DDDD","fileDescr":{"fileDescrText":"x","fileDescrPartNo":1,"fileDescrComplete":true}}},
			{"event":"x.msg.del","params":{"msgId":"DDDD"}}]`,
		`{"event":"x.info","params":{"profile":{"displayName":"\u202e","fullName":"\n","image":"data:image/png;base64,iVBORw0KGgo=","preferences":{"timedMessages":{"allow":"x","ttl":-1}}}}}`,
	} {
		f.Add([]byte(s))
	}
	x := newFixture(f)
	x.update(func(tx *store.Tx) error {
		return x.addItem(tx, &store.Item{Contact: x.contact, Shared: []byte{0, 0, 0}, Kind: string(KindText), Text: "text", State: string(StateReceived), Time: start})
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		x.t = t
		x.receive(agent.Message{Body: body})
		if err := x.MarkRead(t.Context(), x.contact); err != nil {
			t.Fatal(err)
		}
		x.items()
		x.load()
		x.expireDue()
		x.events = nil
	})
}
