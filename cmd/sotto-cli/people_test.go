package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs starts a program for each name, with a profile.
func programs(t *testing.T, relay *relayProcess, names ...string) (list []*child) {
	t.Helper()
	for _, name := range names {
		c := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
		c.do(object{"cmd": "profile.create", "name": name})
		list = append(list, c)
	}
	return list
}

// contact returns one of the contacts.
func (c *child) contact(id any) object {
	c.t.Helper()
	for _, o := range c.do(object{"cmd": "contacts"})["contacts"].([]any) {
		if o := o.(map[string]any); o["contact"] == id {
			return o
		}
	}
	return nil
}

func TestAddress(t *testing.T) {
	p := programs(t, startRelay(t), "Alice", "Bob", "Carol")
	a, b, c := p[0], p[1], p[2]
	if answer := a.try(object{"cmd": "address.show"}); answer["code"] != "no_address" {
		t.Errorf("without an address: %v", answer)
	}
	link := a.do(object{"cmd": "address.create"})["link"]
	long := a.do(object{"cmd": "address.show", "long": true})["link"]
	if shown := a.do(object{"cmd": "address.show"})["link"]; shown != link || !strings.HasPrefix(fmt.Sprint(link), "https://127.0.0.1/a#") ||
		!strings.HasPrefix(fmt.Sprint(long), "simplex:/contact#") {
		t.Errorf("links are %v, %v and %v", link, shown, long)
	}
	for command, code := range map[string]string{"address.create": "address_exists", "accept": "no_request", "reject": "no_request"} {
		if answer := a.try(object{"cmd": command, "request": 99}); answer["code"] != code {
			t.Errorf("%s: %v", command, answer)
		}
	}
	if answer := a.try(object{"cmd": "connect", "link": link}); answer["code"] != "own_link" {
		t.Errorf("opening one's own address: %v", answer)
	}
	plan := b.do(object{"cmd": "connect.plan", "link": link})
	if plan["kind"] != "address" || plan["name"] != "Alice" || plan["own"] != false || plan["known"] != nil || plan["relay"] != "127.0.0.1" {
		t.Errorf("the plan is %v", plan)
	}
	if plan := a.do(object{"cmd": "connect.plan", "link": link}); plan["own"] != true {
		t.Errorf("the plan of one's own address is %v", plan)
	}

	// The request comes while the program does not run.
	a.end()
	cb := b.do(object{"cmd": "connect", "link": link})["contact"]
	a.start()
	request := a.event(object{"event": "request", "name": "Bob"})["request"]
	a.kill()
	a.start()
	requests := a.do(object{"cmd": "requests"})["requests"].([]any)
	if r := requests[0].(map[string]any); len(requests) != 1 || r["request"] != request || r["name"] != "Bob" {
		t.Errorf("requests are %v", requests)
	}
	ca := a.do(object{"cmd": "accept", "request": request})["contact"]
	a.event(object{"event": "connected", "contact": ca, "name": "Bob"})
	b.event(object{"event": "connected", "contact": cb, "name": "Alice"})
	a.do(object{"cmd": "send", "contact": ca, "text": "hello"})
	b.event(object{"event": "message", "contact": cb, "text": "hello"})

	// The next one is rejected, and asks again after the address was replaced.
	c.do(object{"cmd": "connect", "link": long, "incognito": true})
	request = a.event(object{"event": "request", "request": 2})["request"]
	a.do(object{"cmd": "reject", "request": request})
	a.do(object{"cmd": "address.delete"})
	next := a.do(object{"cmd": "address.create", "long": true})["link"]
	if !strings.HasPrefix(fmt.Sprint(next), "simplex:/contact#") || next == long {
		t.Errorf("the next address is %v", next)
	}
	a.do(object{"cmd": "address.set", "greeting": "Welcome!", "auto": true})
	cc := c.do(object{"cmd": "connect", "link": a.do(object{"cmd": "address.show"})["link"]})["contact"]
	c.event(object{"event": "message", "contact": cc, "text": "Welcome!", "from": "Alice"})
	a.event(object{"event": "connected", "name": "Carol"})
	requested := map[any]bool{} // what was told last before a crash can come again
	for _, e := range a.events {
		if e["event"] == "request" {
			requested[e["request"]] = true
		}
	}
	if len(requested) != 2 {
		t.Errorf("the requests %v were told", requested)
	}
	for _, c := range p {
		c.end()
	}
}

func TestIncognitoAndCodes(t *testing.T) {
	p := programs(t, startRelay(t), "Alice", "Bob")
	a, b := p[0], p[1]
	invitation := a.do(object{"cmd": "invite", "incognito": true})
	full := a.do(object{"cmd": "invite", "long": true})
	if !strings.HasPrefix(fmt.Sprint(invitation["link"]), "https://127.0.0.1/i#") || !strings.HasPrefix(fmt.Sprint(full["link"]), "simplex:/invitation#") {
		t.Errorf("links are %v and %v", invitation["link"], full["link"])
	}
	a.do(object{"cmd": "contact.delete", "contact": full["invitation"]})
	ca := invitation["invitation"]
	cb := b.do(object{"cmd": "connect", "link": invitation["link"], "incognito": true})["contact"]
	b.event(object{"event": "connected", "contact": cb})
	a.event(object{"event": "connected", "contact": ca})
	alice, bob := b.contact(cb), a.contact(ca)
	if alice["name"] != bob["incognito"] || bob["name"] != alice["incognito"] || alice["name"] == "Alice" || bob["name"] == "Bob" {
		t.Errorf("Bob knows %v, Alice knows %v", alice, bob)
	}

	code := a.do(object{"cmd": "contact.code", "contact": ca})["code"]
	if other := b.do(object{"cmd": "contact.code", "contact": cb})["code"]; code != other {
		t.Errorf("codes are %v and %v", code, other)
	}
	for _, c := range []struct {
		code any
		want bool
	}{{"12345", false}, {code, true}} {
		if answer := a.do(object{"cmd": "contact.verify", "contact": ca, "code": c.code}); answer["verified"] != c.want {
			t.Errorf("verifying %v: %v", c.code, answer)
		}
	}
	if bob = a.contact(ca); bob["verified"] == nil {
		t.Errorf("Alice knows %v", bob)
	}
	b.do(object{"cmd": "contact.receipts", "contact": cb})
	if alice = b.contact(cb); alice["receipts"] != false {
		t.Errorf("Bob knows %v", alice)
	}
	a.end()
	b.end()
}

func TestOldProgram(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address,
		"--smp-versions", "6-8", "--agent-versions", "2-3", "--ratchet-versions", "2", "--client-versions", "1-2", "--pq", "off")
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	for _, side := range [][2]*child{{a, b}, {b, a}} {
		link := side[0].do(object{"cmd": "invite", "long": true})
		contact := side[1].do(object{"cmd": "connect", "link": link["link"]})["contact"]
		side[0].event(object{"event": "connected", "contact": link["invitation"]})
		side[1].event(object{"event": "connected", "contact": contact})
		side[0].do(object{"cmd": "send", "contact": link["invitation"], "text": "hello"})
		side[1].event(object{"event": "message", "contact": contact, "text": "hello"})
		side[1].do(object{"cmd": "send", "contact": contact, "text": "hi"})
		side[0].event(object{"event": "message", "contact": link["invitation"], "text": "hi"})
	}
	a.end()
	b.end()
}

func TestBadVersions(t *testing.T) {
	for _, option := range [][2]string{
		{"--smp-versions", "5-18"}, {"--smp-versions", "6-19"}, {"--agent-versions", "1-7"}, {"--ratchet-versions", "x"}, {"--client-versions", "4-1"}, {"--pq", "maybe"},
	} {
		if err := run(t.Context(), []string{"--data", t.TempDir(), option[0], option[1]}, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%q was accepted", option)
		}
	}
}

// TestElsewhere has two copies of a folder run: each tells when the other one receives.
func TestElsewhere(t *testing.T) {
	relay := startRelay(t)
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	a := startChild(t, "--data", dir, "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	contact := a.do(object{"cmd": "invite"})
	atBob := b.do(object{"cmd": "connect", "link": contact["link"]})["contact"]
	a.event(object{"event": "connected"})
	b.event(object{"event": "connected"})
	// What the first one sends, a receipt too, moves the encryption on to where the copy can't follow.
	a.do(object{"cmd": "contact.receipts", "contact": contact["invitation"], "on": false})
	a.do(object{"cmd": "address.create"})
	a.end()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	a.start()
	b.do(object{"cmd": "send", "contact": atBob, "text": "to the first"}) // which has subscribed when that arrives
	a.event(object{"event": "message", "text": "to the first"})
	other := startChild(t, "--data", copied, "--relay", relay.address)
	a.event(object{"event": "elsewhere", "contact": contact["invitation"], "elsewhere": true})
	a.event(object{"event": "elsewhere", "address": true, "elsewhere": true})
	if shown := a.do(object{"cmd": "address.show"}); shown["elsewhere"] != true {
		t.Errorf("the address is %v", shown)
	}
	b.do(object{"cmd": "send", "contact": atBob, "text": "to the copy"})
	other.event(object{"event": "message", "text": "to the copy"})
	a.do(object{"cmd": "receive.here", "contact": contact["invitation"]})
	other.event(object{"event": "elsewhere", "contact": contact["invitation"], "elsewhere": true})
	a.event(object{"event": "elsewhere", "contact": contact["invitation"], "elsewhere": false})
	a.do(object{"cmd": "receive.here"})
	other.event(object{"event": "elsewhere", "address": true, "elsewhere": true})
	a.event(object{"event": "elsewhere", "address": true, "elsewhere": false})
	a.end()
	other.end()
	b.end()
}

func TestMending(t *testing.T) {
	first, second := startRelay(t), startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", first.address, "--relay", second.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", second.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	if n := a.do(object{"cmd": "network"}); n["routing"] != "unknown" || n["fallback"] != "protected" {
		t.Errorf("at first the network is %v", n)
	}
	if n := a.do(object{"cmd": "network", "routing": "never"}); n["routing"] != "never" || n["fallback"] != "protected" {
		t.Errorf("the network is %v", n)
	}
	if n := a.try(object{"cmd": "network", "routing": "sometimes"}); n["code"] != "network" {
		t.Errorf("a choice that there is not: %v", n)
	}
	ca := a.do(object{"cmd": "invite"})
	for _, command := range []string{"rotate", "resync"} {
		if answer := a.try(object{"cmd": command, "contact": ca["invitation"]}); answer["code"] != "not_connected" {
			t.Errorf("%s before the connection: %v", command, answer)
		}
	}
	cb := b.do(object{"cmd": "connect", "link": ca["link"]})["contact"]
	a.event(object{"event": "connected"})
	b.event(object{"event": "connected"})
	a.do(object{"cmd": "rotate", "contact": ca["invitation"]})
	a.event(object{"event": "notice", "contact": ca["invitation"], "kind": "moved"})
	b.event(object{"event": "notice", "contact": cb, "kind": "peer moved"})
	b.do(object{"cmd": "send", "contact": cb, "text": "to the new relay"})
	a.event(object{"event": "message", "text": "to the new relay"})
	b.do(object{"cmd": "resync", "contact": cb})
	a.event(object{"event": "notice", "kind": "synced"})
	b.event(object{"event": "notice", "kind": "synced"})
	a.do(object{"cmd": "send", "contact": ca["invitation"], "text": "with new keys"})
	b.event(object{"event": "message", "text": "with new keys"})

	// While the other side is away no new keys are agreed on.
	b.end()
	a.do(object{"cmd": "resync", "contact": ca["invitation"]})
	if answer := a.try(object{"cmd": "send", "contact": ca["invitation"], "text": "too early"}); answer["code"] != "not_synchronized" {
		t.Errorf("sending meanwhile: %v", answer)
	}
	a.do(object{"cmd": "profile.rename", "name": "Alicia"}) // told later
	b.start()
	b.event(object{"event": "notice", "contact": cb, "kind": "renamed", "name": "Alicia"})

	// There is nobody to mend anything with in notes, and after a contact has left.
	a.do(object{"cmd": "contact.delete", "contact": ca["invitation"]})
	b.event(object{"event": "error", "contact": cb, "kind": "left"})
	for _, contact := range []any{cb, b.do(object{"cmd": "notes"})["contact"]} {
		for _, command := range []string{"rotate", "resync"} {
			if answer := b.try(object{"cmd": command, "contact": contact}); answer["code"] != "not_connected" {
				t.Errorf("%s of %v: %v", command, contact, answer)
			}
		}
	}
	if answer := b.try(object{"cmd": "receive.here", "contact": b.do(object{"cmd": "notes"})["contact"]}); answer["code"] != "not_connected" {
		t.Errorf("receiving notes: %v", answer)
	}
	a.end()
	b.end()
}
