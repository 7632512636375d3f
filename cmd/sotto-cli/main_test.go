package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestTwoPrograms(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	profile := a.do(object{"cmd": "profile.create", "name": "Alice"})["profile"]
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	ca, cb := connect(a, b)
	if e := a.event(object{"event": "connected"}); e["name"] != "Bob" || e["profile"] != profile {
		t.Errorf("Alice is told %v", e)
	}
	if e := b.event(object{"event": "connected"}); e["name"] != "Alice" {
		t.Errorf("Bob is told %v", e)
	}
	a.event(object{"event": "relay", "address": relay.address, "state": "connected"})

	m := a.do(object{"cmd": "send", "contact": ca, "text": "hello <Bob> & \u2028 all"})["message"]
	a.event(object{"event": "sent", "contact": ca, "message": m})
	a.event(object{"event": "delivered", "contact": ca, "message": m})
	e := b.event(object{"event": "message", "contact": cb, "from": "Alice", "text": "hello <Bob> & \u2028 all"})
	if _, err := time.Parse(time.RFC3339, fmt.Sprint(e["time"])); err != nil {
		t.Error(err)
	}

	// One ends, and finds what was sent meanwhile.
	b.end()
	m = a.do(object{"cmd": "send", "contact": ca, "text": "are you there?"})["message"]
	a.event(object{"event": "sent", "message": m})
	b.start()
	b.event(object{"event": "message", "contact": cb, "text": "are you there?"})
	a.event(object{"event": "delivered", "message": m})
	b.do(object{"cmd": "send", "contact": cb, "text": "yes"})
	a.event(object{"event": "message", "text": "yes"})
	if got := texts(b.history(cb), false); !slices.Equal(got, []string{"hello <Bob> & \u2028 all", "are you there?"}) {
		t.Errorf("Bob's history is %q", got)
	}
	b.end()
	b.start()
	contacts := b.do(object{"cmd": "contacts"})["contacts"].([]any)
	if c := contacts[0].(map[string]any); len(contacts) != 1 || c["name"] != "Alice" || c["state"] != "connected" || c["unread"] != 2.0 {
		t.Errorf("Bob's contacts are %v", contacts)
	}
	b.do(object{"cmd": "read", "contact": cb})
	b.end()
	counts := make(map[string]int)
	for _, e := range b.events {
		counts[fmt.Sprint(e["event"], e["text"])]++
	}
	for _, text := range []string{"hello <Bob> & \u2028 all", "are you there?"} {
		if n := counts["message"+text]; n != 1 {
			t.Errorf("Bob was told %d times of %q", n, text)
		}
	}
	if counts["connected<nil>"] != 1 {
		t.Errorf("Bob was told %d times that Alice is connected", counts["connected<nil>"])
	}
	a.do(object{"cmd": "quit"})
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("quit: %v", err)
	}
}

// TestKilled kills both clients and the relay, one after the other, while a hundred
// messages go each way.
func TestKilled(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	ca, cb := connect(a, b)
	const n = 100
	var want []string
	for i := range n {
		switch i {
		case 20, 85:
			a.kill()
			a.start()
		case 40:
			relay.kill()
			relay.start()
		case 60:
			b.kill()
			b.start()
		case 75:
			relay.kill()
			a.kill()
			b.kill()
			relay.start()
			a.start()
			b.start()
		}
		text := fmt.Sprint("message ", i)
		want = append(want, text)
		a.do(object{"cmd": "send", "contact": ca, "text": text})
		b.do(object{"cmd": "send", "contact": cb, "text": text})
	}
	delivered := func(list []object) bool {
		count := 0
		for _, m := range list {
			if m["own"] == true && m["state"] == "delivered" {
				count++
			}
		}
		return count == n
	}
	a.wait(ca, "all to be delivered", delivered)
	b.wait(cb, "all to be delivered", delivered)
	for _, side := range []struct {
		c       *child
		contact any
	}{{a, ca}, {b, cb}} {
		list := side.c.history(side.contact)
		if got := texts(list, false); len(list) != 2*n || !slices.Equal(got, want) {
			t.Errorf("received were %d of %d: %q", len(got), len(list), got)
		}
		if got := texts(list, true); !slices.Equal(got, want) {
			t.Errorf("sent were %q", got)
		}
		side.c.end()
		// The events tell the same; the last one before a crash may have come twice.
		var told []string
		seen := make(map[any]bool)
		for _, e := range side.c.events {
			if e["event"] == "error" {
				t.Errorf("an error was told: %v", e)
			}
			if e["event"] == "message" && !seen[e["message"]] {
				seen[e["message"]] = true
				told = append(told, fmt.Sprint(e["text"]))
			}
		}
		if !slices.Equal(told, want) {
			t.Errorf("told were %q", told)
		}
	}
}

// TestKilledWhileConnecting kills each side where the other waits for it.
func TestKilledWhileConnecting(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	invitation := a.do(object{"cmd": "invite"})
	a.kill()
	cb := b.do(object{"cmd": "connect", "link": invitation["link"]})["contact"]
	b.kill()
	relay.kill()
	relay.start()
	b.start()
	a.start()
	a.event(object{"event": "connected", "contact": invitation["invitation"], "name": "Bob"})
	b.event(object{"event": "connected", "contact": cb, "name": "Alice"})
	a.do(object{"cmd": "send", "contact": invitation["invitation"], "text": "hello"})
	b.event(object{"event": "message", "text": "hello"})
	// The link is used up.
	c := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	c.do(object{"cmd": "profile.create", "name": "Carol"})
	if answer := c.try(object{"cmd": "connect", "link": invitation["link"]}); answer["code"] != "used_link" {
		t.Errorf("opening a used link: %v", answer)
	}
	// Of a full link that shows only when it is opened.
	full := a.do(object{"cmd": "invite", "long": true})
	b.do(object{"cmd": "connect", "link": full["link"]})
	a.event(object{"event": "connected", "contact": full["invitation"]})
	cc := c.do(object{"cmd": "connect", "link": full["link"]})["contact"]
	c.event(object{"event": "error", "contact": cc, "failure": "link used"})
}

// TestTwoProfiles has two profiles of one program talk with each other.
func TestTwoProfiles(t *testing.T) {
	a := startChild(t, "--data", t.TempDir(), "--relay", "embedded")
	alice := a.do(object{"cmd": "profile.create", "name": "Alice"})["profile"]
	work := a.do(object{"cmd": "profile.create", "name": "Work"})["profile"]
	invitation := a.do(object{"cmd": "invite"})
	a.do(object{"cmd": "profile.use", "profile": work})
	contact := a.do(object{"cmd": "connect", "link": invitation["link"]})["contact"]
	a.event(object{"event": "connected", "profile": alice, "name": "Work"})
	a.event(object{"event": "connected", "profile": work, "name": "Alice"})
	a.do(object{"cmd": "send", "contact": contact, "text": "hello"})
	a.event(object{"event": "message", "profile": alice, "contact": invitation["invitation"], "text": "hello", "from": "Work"})
	a.end()
	a.start()
	profiles := a.do(object{"cmd": "profile.list"})["profiles"].([]any)
	if len(profiles) != 2 {
		t.Fatalf("profiles are %v", profiles)
	}
	for i, want := range []object{{"profile": alice, "name": "Alice", "current": false, "unread": 1.0}, {"profile": work, "name": "Work", "current": true, "unread": 0.0}} {
		for k, v := range want {
			if got := profiles[i].(map[string]any)[k]; got != v {
				t.Errorf("profile %d has %s %v, want %v", i, k, got, v)
			}
		}
	}
	a.end()
}

func TestEmbeddedRelayAndPassphrase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := startChild(t, "--data", dir, "--relay", "embedded", "--passphrase-file", file)
	b := startChild(t, "--data", t.TempDir(), "--relay", "embedded")
	profile := a.do(object{"cmd": "profile.create", "name": "Alice"})["profile"]
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	ca, cb := connect(a, b)
	a.do(object{"cmd": "send", "contact": ca, "text": "hello"})
	b.event(object{"event": "message", "contact": cb, "text": "hello"})
	address := fmt.Sprint(a.do(object{"cmd": "status"})["embedded"])
	// Another program uses it by this address, and not without the password that is in it.
	scheme, rest, _ := strings.Cut(address, "://")
	fingerprint, secret, _ := strings.Cut(rest, ":")
	_, host, _ := strings.Cut(secret, "@")
	for relay, code := range map[string]any{address: nil, scheme + "://" + fingerprint + "@" + host: "refused"} {
		c := startChild(t, "--data", t.TempDir(), "--relay", relay)
		c.do(object{"cmd": "profile.create", "name": "Carol"})
		if answer := c.try(object{"cmd": "invite"}); answer["code"] != code {
			t.Errorf("inviting on %s: %v", relay, answer)
		}
		c.end()
	}
	a.end()

	// What was chosen holds without the options, but the passphrase is needed.
	a.args = []string{"--data", dir}
	a.start()
	if answer := a.try(object{"cmd": "invite"}); answer["code"] != "locked" {
		t.Errorf("inviting while locked: %v", answer)
	}
	if answer := a.try(object{"cmd": "profile.use", "profile": profile, "passphrase": "wrong"}); answer["code"] != "wrong_passphrase" {
		t.Errorf("using with a wrong passphrase: %v", answer)
	}
	a.do(object{"cmd": "profile.use", "profile": profile, "passphrase": "correct horse"})
	if link := fmt.Sprint(a.do(object{"cmd": "invite"})["link"]); a.do(object{"cmd": "status"})["embedded"] != address || !strings.Contains(link, "127.0.0.1") {
		t.Errorf("the relay has moved: %v", link)
	}
	b.do(object{"cmd": "send", "contact": cb, "text": "hi"})
	a.event(object{"event": "message", "text": "hi"})
	a.end()
	b.end()
}

// answers runs the program with some input and returns its answers by id.
func answers(t *testing.T, args []string, lines ...string) map[string]object {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, strings.NewReader(strings.Join(lines, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	list := make(map[string]object)
	for line := range strings.Lines(out.String()) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if o["event"] == nil {
			list[fmt.Sprint(o["id"])] = o
		}
	}
	return list
}

func TestErrors(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--relay", "embedded"}
	for id, o := range answers(t, args,
		`{"id":"bad_command","cmd":"x"}`,
		`{"id":"no_profile_in_use","cmd":"contacts"}`,
		`{"id":"name","cmd":"profile.create","name":"#"}`,
		`{"id":"relay_address","cmd":"profile.create","name":"x","relays":["x"]}`,
		`{"id":"no_profile","cmd":"profile.use","profile":"x"}`,
	) {
		if o["ok"] != false || o["code"] != id || o["error"] == "" {
			t.Errorf("%s: %v", id, o)
		}
	}
	got := answers(t, args,
		`{"id":1,"cmd":"profile.create","name":"Alice"}`,
		`{"id":"invitation","cmd":"invite"}`,
		``,
		`   `,
		`{"id":"no_contact","cmd":"send","contact":99,"text":"x"}`,
		`{"id":"empty","cmd":"send","contact":1,"text":" "}`,
		`{"id":"not_link","cmd":"connect","link":"hello"}`,
		`{"id":"damaged_link","cmd":"connect","link":"simplex:/invitation#/?v=2-7"}`,
		`{"id":"no_message","cmd":"retry","message":99}`,
		`{"id":{"any":["value"]},"cmd":"status"}`,
	)
	for id, o := range got {
		switch id {
		case "1", "invitation", "map[any:[value]]":
			if o["ok"] != true {
				t.Errorf("%s: %v", id, o)
			}
		default:
			if o["ok"] != false || o["code"] != id {
				t.Errorf("%s: %v", id, o)
			}
		}
	}
	if len(got) != 8 {
		t.Errorf("%d answers: %v", len(got), got)
	}
	for settings, want := range map[string]string{`{"mode":1}`: "mode is not a text", `7`: "not a JSON object", `{"nope":1}`: "unknown field"} {
		o := answers(t, args, `{"cmd":"tor.settings","settings":`+settings+`}`)["<nil>"]
		if text := fmt.Sprint(o["error"]); o["code"] != "bad_command" || !strings.Contains(text, want) || strings.Contains(text, "Go ") {
			t.Errorf("settings %s: %v", settings, o)
		}
	}
	// A line that is no command, and one that is too long.
	for _, line := range []string{"x", `{"id":`, `[]`, `{"cmd":1}`, `{"cmd":"` + strings.Repeat("x", maxLine) + `"}`} {
		if o := answers(t, args, line)["<nil>"]; o["ok"] != false || o["code"] != "bad_command" {
			t.Errorf("%.20q: %v", line, o)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ line, id, want string }{
		{`{"id":1,"cmd":"status"}`, "1", ""},
		{`{"id":1,"cmd":"delete","messages":[1]}`, "1", ""},
		{`{"id":1,"cmd":"history","contact":1,"unknown":2}`, "1", ""},
		{`null`, "", "it has no cmd"},
		{`{"id":[1]}`, "[1]", "it has no cmd"},
		{`7`, "", "not a JSON object"},
		{`{"cmd":"status","id":{"a":1}} {}`, `{"a":1}`, "not JSON"},
		{`{"id":2,"cmd":"sta`, "2", "not JSON"},
		{`{"cmd":"sta`, "", "not JSON"},
		{`{"id":3,"cmd":"history"}`, "3", "history needs contact"},
		{`{"id":3,"cmd":"delete"}`, "3", "delete needs message"},
		{`{"id":3,"cmd":"contact.verify","contact":1}`, "3", "contact.verify needs code"},
		{`{"id":4,"cmd":"history","contact":"1"}`, "4", "contact is not a whole number"},
		{`{"contact":1.5,"id":4,"cmd":"history"}`, "4", "contact is not a whole number"},
		{`{"id":4,"cmd":"send","text":true}`, "4", "text is not a text"},
		{`{"id":4,"cmd":"invite","long":"yes"}`, "4", "long is not true or false"},
		{`{"id":4,"cmd":"delete","messages":1}`, "4", "messages is not a list"},
		{`{"id":5,"cmd":"send","contact":1,"text":"` + "\xff" + `"}`, "5", "not UTF-8"},
		{`{"id":6,"cmd":"send","text":"` + strings.Repeat("x", maxLine) + `"}`, "6", "has more than"},
	} {
		command, err := parse([]byte(c.line))
		switch {
		case string(command.ID) != c.id:
			t.Errorf("%.50q: the id is %q", c.line, command.ID)
		case c.want == "" && err != nil, c.want != "" && (!errors.Is(err, errCommand) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%.50q: %v, want %q", c.line, err, c.want)
		}
	}
}

// TestHelp looks for every command and every code of an error in the help.
func TestHelp(t *testing.T) {
	for _, option := range []string{"--help", "-h", "help"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{option}, strings.NewReader(""), &out); err != nil || out.String() != help() {
			t.Errorf("%s: %d bytes, %v", option, out.Len(), err)
		}
	}
	words := strings.FieldsFunc(help(), func(r rune) bool { return r != '.' && r != '_' && !unicode.IsLetter(r) })
	for i := range words {
		words[i] = strings.TrimRight(words[i], ".")
	}
	commands := []string{"profile.create", "profile.list", "profile.use", "quit"}
	commands = slices.AppendSeq(commands, maps.Keys(needed))
	for _, keys := range []iter.Seq[string]{maps.Keys(relayCommands), maps.Keys(listCommands), maps.Keys(torCommands), maps.Keys(profileCommands),
		maps.Keys(messageCommands), maps.Keys(fileCommands)} {
		commands = slices.AppendSeq(commands, keys)
	}
	for _, c := range errorCodes {
		commands = append(commands, c.code)
	}
	for _, word := range commands {
		if !slices.Contains(words, word) {
			t.Errorf("the help does not have %s", word)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--data", t.TempDir(), "x"},
		{"--data", t.TempDir(), "--relay", "x"},
		{"--data", t.TempDir(), "--passphrase-file", filepath.Join(t.TempDir(), "none")},
		{"--data", t.TempDir(), "--passphrase-file", os.DevNull},
		{"--data", t.TempDir(), "--relay", "embedded", "--relay", "embedded"},
		{"--x"},
	} {
		if err := run(t.Context(), args, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

// failingWriter is a pipe that nobody reads any more.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestOutputGone(t *testing.T) {
	in, feed := io.Pipe()
	defer feed.Close()
	go io.WriteString(feed, `{"cmd":"profile.create","name":"Alice"}`+"\n")
	err := run(t.Context(), []string{"--data", t.TempDir()}, in, failingWriter{})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("ended with: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	in, feed := io.Pipe()
	defer feed.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"--data", t.TempDir()}, in, io.Discard); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ended with: %v", err)
	}
}
