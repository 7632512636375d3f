package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
)

// first returns the only element of a list in an answer.
func first(t *testing.T, list any) map[string]any {
	t.Helper()
	all, _ := list.([]any)
	if len(all) != 1 {
		t.Fatalf("there are %v", list)
	}
	return all[0].(map[string]any)
}

// eventWhere waits for an event about which something is true, which may have come already.
func (c *child) eventWhere(name string, ok func(object) bool) object {
	c.t.Helper()
	matches := func(o object) bool { return o["event"] == name && ok(o) }
	if i := slices.IndexFunc(c.events, matches); i >= 0 {
		return c.events[i]
	}
	deadline := time.After(patience)
	for {
		if o := c.read(deadline); o != nil && matches(o) {
			return o
		}
	}
}

func TestMessages(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	ca, cb := connect(a, b)

	m := a.do(object{"cmd": "send", "contact": ca, "text": "hello"})["message"]
	got := b.event(object{"event": "message", "text": "hello"})["message"]
	b.do(object{"cmd": "send", "contact": cb, "text": "hi", "reply": got})
	if r := a.event(object{"event": "message", "text": "hi"})["reply"].(map[string]any); r["message"] != m || r["text"] != "hello" || r["own"] != true {
		t.Errorf("the reply answers %v", r)
	}
	a.do(object{"cmd": "edit", "message": m, "text": "hello!"})
	b.event(object{"event": "message.changed", "message": got, "text": "hello!", "edited": true})
	b.do(object{"cmd": "react", "message": got, "emoji": "👍", "on": true})
	changed := a.eventWhere("message.changed", func(o object) bool { return o["message"] == m && o["reactions"] != nil })
	if r := first(t, changed["reactions"]); r["emoji"] != "👍" || r["theirs"] != true || changed["own"] != true {
		t.Errorf("the reaction is %v", r)
	}
	info := a.do(object{"cmd": "message.info", "message": m})
	if info["written"] == nil || info["sent"] == nil || info["route"] != "own" || first(t, info["editions"])["text"] != "hello" {
		t.Errorf("about the message is known %v", info)
	}

	hit := first(t, b.do(object{"cmd": "search", "text": "HELL"})["messages"])
	if ranges := hit["ranges"].([]any); hit["message"] != got || len(ranges) != 1 || ranges[0].([]any)[1] != 4.0 {
		t.Errorf("found is %v", hit)
	}

	live := a.do(object{"cmd": "send", "contact": ca, "text": "typ", "live": true})["message"]
	b.event(object{"event": "message", "text": "typ", "live": true})
	a.do(object{"cmd": "live", "message": live, "text": "typed", "done": true})
	if e := b.event(object{"event": "message.changed", "text": "typed"}); e["live"] != nil || e["edited"] != nil {
		t.Errorf("the end is %v", e)
	}

	notes := a.do(object{"cmd": "notes"})["contact"]
	note := a.do(object{"cmd": "send", "contact": notes, "text": "milk"})["message"]
	a.do(object{"cmd": "forward", "message": note, "contact": ca})
	b.event(object{"event": "message", "text": "milk", "forwarded": true})

	a.do(object{"cmd": "delete", "messages": []any{live}, "everyone": true})
	b.eventWhere("message.changed", func(o object) bool { return o["text"] == "typed" && o["deleted"] != nil })
	a.do(object{"cmd": "preferences.set", "feature": "fullDelete", "allow": "always"})
	b.do(object{"cmd": "preferences.set", "contact": cb, "feature": "fullDelete", "allow": "yes"})
	a.event(object{"event": "notice", "kind": "feature", "feature": "fullDelete", "who": "both", "own": false})
	a.do(object{"cmd": "delete", "message": m, "everyone": true})
	if list := b.event(object{"event": "messages.removed", "contact": cb})["messages"].([]any); len(list) != 1 || list[0] != got {
		t.Errorf("removed are %v", list)
	}

	a.do(object{"cmd": "disappearing", "contact": ca, "seconds": 1})
	b.event(object{"event": "notice", "kind": "disappearing", "seconds": 1.0, "offer": false})
	a.do(object{"cmd": "send", "contact": ca, "text": "puff"})
	e := b.event(object{"event": "message", "text": "puff", "ttl": 1.0})
	b.do(object{"cmd": "read", "contact": cb})
	b.eventWhere("messages.removed", func(o object) bool { return slices.Contains(o["messages"].([]any), e["message"]) })

	for _, cmd := range []string{"mute", "pin", "archive"} {
		a.do(object{"cmd": cmd, "contact": ca, "on": true})
	}
	a.do(object{"cmd": "alias", "contact": ca, "name": "Bobby"})
	a.do(object{"cmd": "draft", "contact": ca, "text": "to be"})
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(t.TempDir(), "p.png")
	if err := os.WriteFile(picture, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.png")
	if err := os.WriteFile(damaged, file.Bytes()[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(object{"cmd": "picture", "file": picture})
	b.do(object{"cmd": "description", "text": "reads"})
	a.event(object{"event": "notice", "kind": "picture"})
	a.event(object{"event": "notice", "kind": "profile", "text": "reads"})
	for _, c := range a.do(object{"cmd": "contacts"})["contacts"].([]any) {
		c := c.(map[string]any)
		if c["contact"] == notes {
			continue
		}
		for name, want := range map[string]any{"muted": true, "pinned": true, "archived": true, "alias": "Bobby", "draft": "to be", "picture": true, "description": "reads", "disappearing": 1.0} {
			if c[name] != want {
				t.Errorf("%s of the contact is %v", name, c[name])
			}
		}
	}
	own := 0
	for _, p := range b.do(object{"cmd": "preferences", "contact": cb})["preferences"].([]any) {
		if p.(map[string]any)["own"] == true {
			own++
		}
	}
	if own != 2 { // fullDelete, and the time that was agreed on
		t.Errorf("%d preferences are for the contact alone", own)
	}
	a.do(object{"cmd": "block", "contact": ca, "on": true})
	a.do(object{"cmd": "clear", "contact": ca})
	if list := a.history(ca); len(list) != 0 {
		t.Errorf("left are %v", list)
	}

	for _, c := range []struct {
		cmd  object
		code string
	}{
		{object{"cmd": "edit", "message": 999, "text": "x"}, "no_message"},
		{object{"cmd": "react", "message": note, "emoji": "x", "on": true}, "emoji"},
		{object{"cmd": "live", "message": note, "text": "x"}, "not_live"},
		{object{"cmd": "preferences.set", "feature": "x"}, "preference"},
		{object{"cmd": "disappearing", "contact": ca, "seconds": -1}, "bad_command"},
		{object{"cmd": "description", "text": "a\nb"}, "description"},
		{object{"cmd": "picture", "file": damaged}, "not_picture"},
		{object{"cmd": "picture", "file": filepath.Dir(damaged)}, "not_regular"},
	} {
		if got := a.try(c.cmd); got["ok"] != false || got["code"] != c.code {
			t.Errorf("%v: %v", c.cmd, got)
		}
	}
}

// TestToldLater has messages come and change while nobody tells it: each is told, before what came after it.
func TestToldLater(t *testing.T) {
	relay := startRelay(t)
	dir := t.TempDir()
	a := startChild(t, "--data", dir, "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	ca, cb := connect(a, b)
	a.end()

	// The same without the program that tells events.
	c, err := core.Open(t.Context(), dir, core.Options{Relays: []string{relay.address}})
	if err != nil {
		t.Fatal(err)
	}
	contact := int64(ca.(float64))
	has := func(what string, ok func(core.Item) bool) {
		t.Helper()
		deadline := time.After(patience)
		events, unsubscribe := c.Subscribe(eventBuffer)
		defer unsubscribe()
		for {
			items, err := c.Current().History(t.Context(), contact, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(items, ok) {
				return
			}
			select {
			case <-events:
			case <-deadline:
				t.Fatalf("waited in vain for: %s", what)
			}
		}
	}
	own, err := c.Current().Send(t.Context(), contact, core.NewMessage{Text: "own"})
	if err != nil {
		t.Fatal(err)
	}
	has("the receipt", func(i core.Item) bool { return i.ID == own.ID && i.State == chat.StateDelivered })
	at := b.event(object{"event": "message", "text": "own"})["message"]
	first := b.do(object{"cmd": "send", "contact": cb, "text": "first"})["message"]
	b.do(object{"cmd": "send", "contact": cb, "text": "second"})
	has("the second", func(i core.Item) bool { return i.Text == "second" })
	b.do(object{"cmd": "edit", "message": first, "text": "first!"})
	b.do(object{"cmd": "react", "message": at, "emoji": "👍", "on": true})
	has("the edit", func(i core.Item) bool { return i.Text == "first!" })
	has("the reaction", func(i core.Item) bool { return len(i.Reactions) > 0 })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	a.events = nil
	a.start()
	b.do(object{"cmd": "send", "contact": cb, "text": "last"})
	a.event(object{"event": "message", "text": "last"})
	var told []string
	for _, e := range a.events {
		if name := e["event"]; name == "message" {
			told = append(told, fmt.Sprint(e["text"]))
		} else if e["message"] != nil {
			told = append(told, fmt.Sprint(name))
		}
	}
	if want := []string{"sent", "delivered", "message.changed", "first!", "second", "last"}; !slices.Equal(told, want) {
		t.Errorf("told is %q, want %q", told, want)
	}
}
