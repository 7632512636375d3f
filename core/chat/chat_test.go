package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

func TestMain(m *testing.M) {
	fault.Report(func(e *fault.Error) { panic(e) })
	goleak.VerifyTestMain(m)
}

// fixture is a Chat with one contact, whose agent is never started: what it would tell is
// told by the test.
type fixture struct {
	*Chat
	t          testing.TB
	events     []Event
	connection int64
	contact    int64
	next       int
}

// testFiles takes no file unasked.
func testFiles(t testing.TB) FilesConfig {
	return FilesConfig{Dir: t.TempDir(), Automatic: func() int64 { return 0 }, Known: func(wire.Server) bool { return false },
		Relays: func() ([]xftp.Relay, error) { return nil, errors.New("no relay") }}
}

var start = time.UnixMilli(1_700_000_000_000)

func newFixture(t testing.TB) *fixture {
	t.Helper()
	db, err := store.Create(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	f.Chat = New(Config{
		Agent: agent.Config{DB: db, Rand: rand.Reader, Now: func() time.Time { return start },
			Choose: func(_, _ []wire.Server) (agent.Relay, error) { return agent.Relay{}, errors.New("no relay") }},
		Publish: func(e Event) { f.events = append(f.events, e) },
		Files:   testFiles(t),
	})
	t.Cleanup(func() {
		f.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	f.update(func(tx *store.Tx) error {
		c := &store.Connection{State: string(agent.StateConnected), Created: start}
		if err := tx.InsertConnection(c); err != nil {
			return err
		}
		f.connection = c.ID
		contact, err := f.addContact(tx, &store.Contact{Connection: c.ID, State: string(ContactConnected)})
		if err != nil {
			return err
		}
		f.contact = contact.ID
		return SetName(tx, "Alice")
	})
	f.events = nil
	return f
}

func (f *fixture) update(fn func(tx *store.Tx) error) {
	f.t.Helper()
	if err := f.db.Update(context.Background(), fn); err != nil {
		f.t.Fatal(err)
	}
}

// receive has a body arrive, and returns whether there is to be a receipt.
func (f *fixture) receive(m agent.Message) (receipt bool) {
	f.t.Helper()
	f.next++
	if m.Time.IsZero() {
		m.Time = start.Add(time.Duration(f.next) * time.Second)
	}
	f.update(func(tx *store.Tx) (err error) {
		receipt, err = f.Message(tx, f.connection, m)
		return err
	})
	return receipt
}

func (f *fixture) body(body string) bool {
	f.t.Helper()
	return f.receive(agent.Message{Body: []byte(body)})
}

// items returns what History shows, one line each.
func (f *fixture) items() (lines []string) {
	f.t.Helper()
	list, err := f.History(context.Background(), f.contact, 0, maxPage)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, i := range list {
		line := string(i.Kind)
		if i.Content != "" {
			line += " " + i.Content
		}
		if i.Count > 0 {
			line += fmt.Sprint(" ", i.Count)
		}
		if i.Text != "" {
			line += ": " + i.Text
		}
		if i.Edited {
			line += " (edited)"
		}
		lines = append(lines, line)
	}
	return lines
}

func (f *fixture) expect(want ...string) {
	f.t.Helper()
	if got := f.items(); !slices.Equal(got, want) {
		f.t.Errorf("the conversation is %q, want %q", got, want)
	}
}

func (f *fixture) load() Contact {
	f.t.Helper()
	c, err := f.Contact(context.Background(), f.contact)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// text is a message with an id and a text.
func text(id, text string) string {
	b, err := json.Marshal(event.Message{ID: event.ID(id), Event: event.MsgNew{Content: event.Text(text)}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// message is a message with an event and no id.
func message(e event.Event) string {
	b, err := json.Marshal(event.Message{Event: e})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestReceive(t *testing.T) {
	f := newFixture(t)
	if !f.body(text("1", "hello")) {
		t.Error("no receipt for a message")
	}
	if !f.body(text("1", "hello")) {
		t.Error("no receipt for a message that came twice")
	}
	f.expect("text: hello")
	c := f.load()
	if c.Unread != 1 || c.Last == nil || c.Last.Text != "hello" || !c.Last.Time.Equal(start.Add(time.Second)) {
		t.Errorf("contact is %+v", c)
	}
	if want := []string{"chat.ItemAdded", "chat.ContactChanged", "chat.ContactChanged"}; !slices.Equal(kinds(f.events), want) {
		t.Errorf("events are %q, want %q", kinds(f.events), want)
	}
	f.body("[" + text("2", "two") + "," + text("3", "three") + "," + text("2", "again") + "]")
	f.expect("text: hello", "text: two", "text: three")
}

func kinds(events []Event) (list []string) {
	for _, e := range events {
		list = append(list, reflect.TypeOf(e).String())
	}
	return list
}

func TestKinds(t *testing.T) {
	message := func(name, params string) string {
		return `{"v":"1-16","msgId":"AAAA","event":"` + name + `","params":` + params + `}`
	}
	for _, c := range []struct {
		name, body string
		receipt    bool
		want       []string
	}{
		{"link", message("x.msg.new", `{"content":{"type":"link","text":"see https://a.example","preview":{"uri":"https://a.example","title":"","description":"","image":""}}}`), true,
			[]string{"text link: see https://a.example"}},
		{"file", message("x.msg.new", `{"content":{"type":"file","text":"the plan"},"file":{"fileName":"a","fileSize":1}}`), true,
			[]string{"text file: the plan"}},
		{"picture without a file", message("x.msg.new", `{"content":{"type":"image","text":"look","image":""}}`), true, []string{"unsupported image: look"}},
		{"content of the future", message("x.msg.new", `{"content":{"type":"hologram","text":"help me"}}`), true, []string{"unsupported hologram: help me"}},
		{"deletion of what is not there", message("x.msg.del", `{"msgId":"AAAA"}`), false, nil},
		{"call", message("x.call.inv", `{"callId":"AAAA","invitation":{"callType":{"media":"audio","capabilities":{"encryption":true}}}}`), true, []string{"call audio"}},
		{"part of a call", message("x.call.extra", `{}`), false, nil},
		{"reaction to what is not there", message("x.msg.react", `{"msgId":"AAAA","reaction":{"type":"emoji","emoji":"👍"},"add":true}`), false, nil},
		{"event of the future", message("x.hologram", `{"a":1}`), false, []string{"unsupported x.hologram"}},
		{"group", message("x.grp.leave", `{}`), false, []string{"unsupported x.grp.leave"}},
		{"edit of what is not there", message("x.msg.update", `{"msgId":"BBBB","content":{"type":"text","text":"new"}}`), false, []string{"text: new"}},
		{"renamed", message("x.info", `{"profile":{"displayName":" #Bob\u202e ","fullName":""}}`), false, []string{"renamed: Bob"}},
		{"left", message("x.direct.del", `{}`), false, []string{"left 1"}},
		{"ok", message("x.ok", `{}`), false, nil},
		{"probe", message("x.info.probe", `{"probe":"AAAA"}`), false, nil},
		{"not an event", message("y", `{}`), false, []string{"malformed 1"}},
		{"nothing", "", false, []string{"malformed 1"}},
		{"garbage", "garbage", false, []string{"malformed 1"}},
		{"batch with a bad part", "[" + message("y", `{}`) + "," + text("9", "good") + "]", true, []string{"text: good", "malformed 1"}},
		{"forwarded", ">M\x01a\x01b\x00\x00\x00\x00\x00\x00\x00\x01" + text("9", "not mine"), true, []string{"unsupported x.msg.new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			if got := f.body(c.body); got != c.receipt {
				t.Errorf("receipt is %t", got)
			}
			f.expect(c.want...)
		})
	}
}

func TestRawIsKept(t *testing.T) {
	f := newFixture(t)
	body := `{"v":"1-18","msgId":"AAAA","event":"x.hologram","params":{"depth":3}}`
	f.body(body)
	f.update(func(tx *store.Tx) error {
		i, err := tx.LastItem(f.contact)
		if err == nil && !strings.Contains(string(i.Raw), `"depth":3`) {
			t.Errorf("kept is %s", i.Raw)
		}
		return err
	})
}

func TestEdit(t *testing.T) {
	f := newFixture(t)
	f.body(text("1", "hello"))
	edit := func(live bool) {
		b, err := json.Marshal(event.Message{Event: event.MsgUpdate{MsgID: "1", Content: event.Text("bye"), Live: live}})
		if err != nil {
			t.Fatal(err)
		}
		f.body(string(b))
	}
	edit(true)
	f.expect("text: bye")
	edit(false)
	f.expect("text: bye")
	f.body(message(event.MsgUpdate{MsgID: "1", Content: event.Text("see you")}))
	f.expect("text: see you (edited)")
	if n := f.load().Unread; n != 1 {
		t.Errorf("unread are %d", n)
	}
}

func TestNotices(t *testing.T) {
	f := newFixture(t)
	f.receive(agent.Message{Body: []byte(text("1", "one")), Integrity: agent.IntegritySkipped, Missing: 3})
	f.receive(agent.Message{Body: []byte(text("2", "two")), Integrity: agent.IntegrityBadHash})
	unreadable := func() {
		f.update(func(tx *store.Tx) error { return f.Unreadable(tx, f.connection, start, errors.New("reason")) })
	}
	unreadable()
	unreadable()
	f.body("x")
	f.body("x")
	unreadable()
	f.expect("missing 3", "text: one", "integrity 1", "text: two", "unreadable 2", "malformed 2", "unreadable 1")
}

func TestHandshake(t *testing.T) {
	f := newFixture(t)
	info := `{"v":"1-16","event":"x.info","params":{"profile":{"displayName":"Bob","fullName":""}}}`
	confirm := func(info string) (reply []byte, err error) {
		f.update(func(tx *store.Tx) error {
			reply, err = f.Confirm(tx, f.connection, []byte(info))
			return nil
		})
		return reply, err
	}
	for _, bad := range []string{"", "garbage", text("1", "hello"), `{"event":"x.contact","params":{"profile":{"displayName":"Bob","fullName":""}}}`,
		`{"event":"x.info","params":{"profile":{"displayName":""}}}`, "[" + info + "," + info + "]"} {
		if _, err := confirm(bad); !errors.Is(err, agent.ErrReject) {
			t.Errorf("confirmation with %q: %v", bad, err)
		}
	}
	reply, err := confirm(info)
	if err != nil {
		t.Fatal(err)
	}
	if _, p, ok := parseInfo(reply); !ok || p.DisplayName != "Alice" {
		t.Errorf("the reply is %s", reply)
	}
	if c := f.load(); c.Name != "Bob" || c.State != ContactConnecting || c.Invitation != "" {
		t.Errorf("contact is %+v", c)
	}
	f.update(func(tx *store.Tx) error {
		return errors.Join(f.Info(tx, f.connection, []byte("garbage")), f.Connected(tx, f.connection))
	})
	if c := f.load(); c.Name != "Bob" || c.State != ContactConnected {
		t.Errorf("contact is %+v", c)
	}
	f.update(func(tx *store.Tx) error { return f.Failed(tx, f.connection, fmt.Errorf("x: %w", agent.ErrQueueGone)) })
	if c := f.load(); c.State != ContactFailed || c.Failure != FailureGone {
		t.Errorf("contact is %+v", c)
	}
}

// A contact shows that another program receives its messages, until this one does again.
func TestElsewhere(t *testing.T) {
	f := newFixture(t)
	for _, elsewhere := range []bool{true, false} {
		f.events = nil
		f.update(func(tx *store.Tx) error { return f.Elsewhere(tx, f.connection, elsewhere) })
		if len(f.events) != 1 || f.events[0].(ContactChanged).Contact.Elsewhere != elsewhere {
			t.Errorf("the events are %+v", f.events)
		}
		list, err := f.Contacts(t.Context())
		if err != nil || len(list) != 1 || list[0].Elsewhere != elsewhere || f.load().Elsewhere != elsewhere {
			t.Errorf("the contacts are %+v, %v", list, err)
		}
	}
	f.update(func(tx *store.Tx) error { return f.Elsewhere(tx, f.connection, true) })
	f.body(text("1", "came here"))
	if f.load().Elsewhere {
		t.Error("its messages come here")
	}
	if err := f.ReceiveHere(t.Context(), f.contact+1); !errors.Is(err, ErrNoContact) {
		t.Error("receiving from nobody:", err)
	}
}

// So does the address, and only that of now.
func TestAddressElsewhere(t *testing.T) {
	f := newFixture(t)
	if err := f.ReceiveAddressHere(t.Context()); !errors.Is(err, ErrNoAddress) {
		t.Error("receiving at no address:", err)
	}
	c := &store.Connection{State: string(agent.StateAddress), Created: start}
	f.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertConnection(c), tx.InsertAddress(&store.Address{Connection: c.ID, Link: "link", FullLink: "full"}))
	})
	for _, elsewhere := range []bool{true, false} {
		f.events = nil
		f.update(func(tx *store.Tx) error { return f.Elsewhere(tx, c.ID, elsewhere) })
		if len(f.events) != 1 || f.events[0].(AddressChanged).Address.Elsewhere != elsewhere {
			t.Errorf("the events are %+v", f.events)
		}
		if a, err := f.Address(t.Context()); err != nil || a.Elsewhere != elsewhere {
			t.Errorf("the address is %+v, %v", a, err)
		}
	}
	f.events = nil
	f.update(func(tx *store.Tx) error { return f.Elsewhere(tx, c.ID+1, true) })
	if a, err := f.Address(t.Context()); err != nil || a.Elsewhere || len(f.events) != 0 {
		t.Errorf("of another connection: %+v, %v, %v", a, err, f.events)
	}
	if err := f.ReceiveAddressHere(t.Context()); err != nil {
		t.Error(err)
	}
}

// A contact shows that what is written waits, and for which relay, until it does not any more.
func TestHeld(t *testing.T) {
	f := newFixture(t)
	for _, relay := range []*wire.Server{{Scheme: wire.SMP, Hosts: []string{"relay.example.org"}}, nil} {
		f.events = nil
		f.update(func(tx *store.Tx) error { return f.Held(tx, f.connection, relay) })
		want := ""
		if relay != nil {
			want = relay.Hosts[0]
		}
		if len(f.events) != 1 || f.events[0].(ContactChanged).Contact.Held != want || f.load().Held != want {
			t.Errorf("the events are %+v", f.events)
		}
	}
	f.update(func(tx *store.Tx) error {
		return errors.Join(f.Held(tx, f.connection, &wire.Server{Hosts: []string{"relay.example.org"}}), f.Failed(tx, f.connection, agent.ErrExpired))
	})
	if held := f.load().Held; held != "" {
		t.Errorf("what has failed waits for %s", held)
	}
}

// What the agent tells of a connection whose contact was deleted here has no effect.
func TestWithoutContact(t *testing.T) {
	f := newFixture(t)
	f.update(func(tx *store.Tx) error { return tx.DeleteContact(f.contact) })
	f.update(func(tx *store.Tx) error {
		if _, err := f.Confirm(tx, f.connection, nil); !errors.Is(err, agent.ErrReject) {
			t.Errorf("confirm: %v", err)
		}
		receipt, err := f.Message(tx, f.connection, agent.Message{Body: []byte(text("1", "x"))})
		if receipt {
			t.Error("a receipt for nothing")
		}
		return errors.Join(err, f.Info(tx, f.connection, nil), f.Connected(tx, f.connection), f.Failed(tx, f.connection, nil),
			f.Unreadable(tx, f.connection, start, nil), f.Elsewhere(tx, f.connection, true), f.Held(tx, f.connection, &wire.Server{Hosts: []string{"x"}}), f.Sent(tx, f.connection, 1), f.Delivered(tx, f.connection, 1), f.NotSent(tx, f.connection, 1, nil))
	})
	ctx := t.Context()
	for name, err := range map[string]error{
		"mark read": f.MarkRead(ctx, f.contact),
		"draft":     f.SetDraft(ctx, f.contact, Draft{Text: "x"}),
		"alias":     f.SetAlias(ctx, f.contact, "x"),
		"delete":    f.DeleteContact(ctx, f.contact),
	} {
		if !errors.Is(err, ErrNoContact) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestItemStates(t *testing.T) {
	sent := func(f *fixture, tx *store.Tx, id int64) error { return f.Sent(tx, f.connection, id) }
	delivered := func(f *fixture, tx *store.Tx, id int64) error { return f.Delivered(tx, f.connection, id) }
	notSent := func(f *fixture, tx *store.Tx, id int64) error {
		return f.NotSent(tx, f.connection, id, fmt.Errorf("x: %w", smp.ErrQuota))
	}
	type step = func(*fixture, *store.Tx, int64) error
	for _, c := range []struct {
		name  string
		steps []step
		want  ItemState
	}{
		{"as usual", []step{sent, delivered}, StateDelivered},
		{"receipt first", []step{delivered, sent}, StateDelivered},
		{"given up", []step{notSent}, StateFailed},
		{"given up, yet received", []step{notSent, delivered}, StateDelivered},
		{"sent, not given up", []step{sent, notSent}, StateSent},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			var id int64
			f.update(func(tx *store.Tx) error {
				i := &store.Item{Contact: f.contact, Own: true, Kind: string(KindText), State: string(StatePending), Time: start}
				err := f.addItem(tx, i)
				id = i.ID
				return err
			})
			for _, s := range c.steps {
				f.update(func(tx *store.Tx) error { return s(f, tx, id) })
			}
			i := f.load().Last
			if i.State != c.want || (i.Failure != "") != (c.want == StateFailed) {
				t.Errorf("item is %+v", i)
			}
			if c.want == StateFailed && i.Failure != FailureFull {
				t.Errorf("failure is %q", i.Failure)
			}
		})
	}
}

func TestAlias(t *testing.T) {
	f := newFixture(t)
	if err := f.SetAlias(t.Context(), f.contact, " #Bobby\n"); err != nil {
		t.Fatal(err)
	}
	if c := f.load(); c.Alias != "Bobby" {
		t.Errorf("the alias is %q", c.Alias)
	}
	events := len(f.events)
	if err := errors.Join(f.SetAlias(t.Context(), f.contact, "Bobby"), f.MarkRead(t.Context(), f.contact)); err != nil || len(f.events) != events {
		t.Errorf("what changes nothing was told, %v", err)
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range []string{"", "x", text("1", "hello"), "[" + text("1", "hello") + "]", "=\x01\x00\x02{}", "X\x010\x02{}", ">C\x00\x00\x00\x00\x00\x00\x00\x01{}", "F",
		`{"event":"x.msg.new","params":{"content":{"type":"chat","text":"","chatLink":{"connLink":"https://a.example/a#` + testShortKey + `","invLink":7}}}}`} {
		f.Add([]byte(s))
	}
	x := newFixture(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := len(x.events)
		x.t = t
		x.receive(agent.Message{Body: body})
		if len(x.events) == before {
			t.Error("nothing was told")
		}
		x.events = nil
	})
}
