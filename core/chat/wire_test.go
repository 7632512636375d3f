package chat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// tap is a Chat whose incoming bodies are kept.
type tap struct {
	*Chat
	mu     sync.Mutex
	bodies []string
}

func (p *tap) Message(tx *store.Tx, connection int64, m agent.Message) (bool, error) {
	p.mu.Lock()
	p.bodies = append(p.bodies, string(m.Body))
	p.mu.Unlock()
	return p.Chat.Message(tx, connection, m)
}

// put has a Chat that was not started yet keep what arrives.
func (p *tap) put(c *Chat) {
	p.Chat = c
	cfg := c.cfg.Agent
	cfg.Handler = p
	c.agent = agent.New(cfg)
}

// received returns the events that arrived with a name, without the versions, ids, times and names in them.
func (p *tap) received(t *testing.T, name string) (list []string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range p.bodies {
		if shape := shapeOf(t, body); strings.Contains(shape, `"event":"`+name+`"`) {
			list = append(list, shape)
		}
	}
	return list
}

// shapeOf is a body in which all that differs from one conversation to another is the same.
func shapeOf(t *testing.T, body string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var clean func(v any)
	clean = func(v any) {
		m, _ := v.(map[string]any)
		for k, e := range m {
			switch k {
			case "v", "displayName", "fullName":
				m[k] = k
			case "msgId":
				if s, _ := e.(string); len(s) != 24 {
					t.Errorf("the id %q is not as those of other programs", e)
				}
				m[k] = k
			case "sentAt":
				at, err := time.Parse(time.RFC3339Nano, e.(string))
				if err != nil || !strings.HasSuffix(e.(string), "Z") || at.IsZero() {
					t.Errorf("the time is %v, %v", e, err)
				}
				m[k] = k
			case "files": // a preference that the recorded client does not know
				delete(m, k)
			case "calls": // calls are not for us
				m[k] = k
			default:
				clean(e)
			}
		}
	}
	clean(v)
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAsRecorded does what the recorded client did, and compares what is sent with what that has sent.
func TestAsRecorded(t *testing.T) {
	t.Parallel()
	server := startRelay(t)
	p := new(tap)
	alice := &side{node: startNode(t, "alice", server)}
	bob := &side{node: newNode(t, "bob")}
	bob.runWith(server, p.put)
	connectSides(t, alice, bob)
	ctx := t.Context()

	hello := alice.send(NewMessage{Text: "how are you?"})
	bob.text("how are you?")
	alice.send(NewMessage{Text: "quoting myself", Reply: hello.ID})
	alice.must(alice.Edit(ctx, hello.ID, "how are you today?"))
	for _, on := range []bool{true, false} {
		alice.must(alice.React(ctx, hello.ID, "👍", on))
	}
	gone := alice.send(NewMessage{Text: "to be deleted"})
	alice.check(alice.Delete(ctx, []int64{gone.ID}, true))
	bob.send(NewMessage{Text: "original to forward"})
	live := alice.send(NewMessage{Text: "typing", Live: true})
	alice.ahead.Add(int64(liveInterval))
	alice.must(alice.UpdateLive(ctx, live.ID, "typing more", false))
	alice.must(alice.UpdateLive(ctx, live.ID, "typing more and done", true))
	source := alice.text("original to forward")
	alice.check(alice.SetFeature(ctx, alice.contact, FeatureFullDelete, &Preference{Allow: Yes}))
	alice.check(alice.SetDisappearing(ctx, alice.contact, time.Hour))
	alice.send(NewMessage{Text: "this will disappear"})
	if _, err := alice.Forward(ctx, []int64{source.ID}, alice.contact); err != nil {
		t.Fatal(err)
	}
	bob.find("the end", func(i Item) bool { return i.Forwarded })
	bob.wait("the preferences", func() bool { return len(p.received(t, "x.info")) > 0 })
	alice.check(alice.DeleteContact(ctx, alice.contact))
	bob.wait("the goodbye", func() bool { return bob.load().State == ContactLeft })

	for step, names := range map[string][]string{
		"text message":                         {"x.msg.new"},
		"reply with quote (own message)":       {"x.msg.new"},
		"edit":                                 {"x.msg.update"},
		"reaction added":                       {"x.msg.react"},
		"reaction removed":                     {"x.msg.react"},
		"delete for everyone (marked deleted)": {"x.msg.new", "x.msg.del"},
		"live message: start, update, end":     {"x.msg.new", "x.msg.update"},
		"preference: disappearing messages":    {"x.info"},
		"disappearing message (default ttl)":   {"x.msg.new"},
		"contact deleted (with notice)":        {"x.direct.del"},
		"forwarded message":                    {},
	} {
		found := false
		for _, r := range recordings(t) {
			if r.Step != step {
				continue
			}
			found = true
			if r.From == "bob" && step != "reaction added" && step != "reaction removed" {
				continue
			}
			shape := shapeOf(t, r.Text)
			for _, name := range names {
				if !strings.Contains(shape, `"event":"`+name+`"`) {
					continue
				}
				if got := p.received(t, name); !slices.Contains(got, shape) {
					t.Errorf("%s: not sent was\n%s\nbut\n%s", step, shape, strings.Join(got, "\n"))
				}
			}
		}
		if !found {
			t.Errorf("there is no recording of %q", step)
		}
	}
	// What the recording has with another time to disappear.
	want := shapeOf(t, `{"v":"1-8","msgId":"R2k5a3J5R1dhRkZZaFQzZg==","event":"x.msg.new","params":{"content":{"text":"original to forward","type":"text"},"forward":true,"ttl":3600}}`)
	if got := p.received(t, "x.msg.new"); !slices.Contains(got, want) {
		t.Errorf("forwarded was %q", got)
	}
	// Only messages notify, and only they are answered with a receipt.
	for _, name := range []string{"x.msg.update", "x.msg.react", "x.msg.del", "x.info", "x.direct.del"} {
		e, err := event.Parse([]byte(fmt.Sprintf(`{"event":%q,"params":{"msgId":"AAAA","content":{"type":"text","text":""},"reaction":{"type":"emoji","emoji":"x"},"add":true,"profile":{"displayName":"x","fullName":""}}}`, name)))
		if err != nil || event.Notifies(e[0].Event) || event.WantsReceipt(e[0].Event) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
