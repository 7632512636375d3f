package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// TestDefaultRouting has people on different relays of this machine talk without setting anything: on one that can forward and may
// not connect to loopback, on one inside the program, and on one more.
func TestDefaultRouting(t *testing.T) {
	first, second := startRelay(t), startRelay(t)
	people := []*child{
		startChild(t, "--data", t.TempDir(), "--relay", first.address),
		startChild(t, "--data", t.TempDir(), "--relay", second.address),
		startChild(t, "--data", t.TempDir(), "--relay", "embedded"),
	}
	for i, c := range people {
		c.do(object{"cmd": "profile.create", "name": fmt.Sprint("Person ", i)})
		if n := c.do(object{"cmd": "network"}); n["routing"] != "unknown" || n["fallback"] != "protected" {
			t.Errorf("at first: %v", n)
		}
	}
	for i, a := range people {
		b := people[(i+1)%len(people)]
		ca, cb := connect(a, b)
		a.do(object{"cmd": "send", "contact": ca, "text": fmt.Sprint("hello ", i)})
		b.event(object{"event": "message", "contact": cb, "text": fmt.Sprint("hello ", i)})
	}
	for _, c := range people {
		for _, e := range c.events {
			if e["event"] == "held" || e["event"] == "error" {
				t.Errorf("told %v", e)
			}
		}
		c.end()
	}
}

// TestHeld opens links on a relay that nothing here can forward to: nobody there learns the address of this machine, and it is told
// what waits, and why.
func TestHeld(t *testing.T) {
	a := startChild(t, "--data", t.TempDir(), "--relay", "embedded")
	b := startChild(t, "--data", t.TempDir(), "--relay", "embedded")
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	far := func(link any) string { return strings.ReplaceAll(fmt.Sprint(link), "127.0.0.1", "relay.example.org") }
	short, long := far(a.do(object{"cmd": "address.create"})["link"]), far(a.do(object{"cmd": "invite", "long": true})["link"])
	if plan := b.try(object{"cmd": "connect.plan", "link": short}); plan["code"] != "held" || !strings.Contains(fmt.Sprint(plan["error"]), "relay.example.org") {
		t.Errorf("the plan is %v", plan)
	}
	contact := b.do(object{"cmd": "connect", "link": long})["contact"]
	e := b.event(object{"event": "held", "contact": contact, "held": true, "relay": "relay.example.org"})
	if text := fmt.Sprint(e["error"]); !strings.Contains(text, "relay.example.org") || !strings.Contains(text, "allow") {
		t.Errorf("told %v", e)
	}
	list := b.do(object{"cmd": "contacts"})["contacts"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["held"] != "relay.example.org" {
		t.Errorf("the contacts are %v", list)
	}
	b.end()
	a.end()
}

// TestUnreachable has a relay be away: what waits for it is answered while the program goes on trying, in words that name it, and
// works when it is there again.
func TestUnreachable(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	a.do(object{"cmd": "profile.create", "name": "Alice"})
	link := a.do(object{"cmd": "address.create"})["link"]
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	relay.kill()
	for c, commands := range map[*child][]object{
		a: {{"cmd": "invite"}}, b: {{"cmd": "address.create"}, {"cmd": "connect.plan", "link": link}},
	} {
		for _, command := range commands {
			answer := c.try(command)
			text := fmt.Sprint(answer["error"])
			if answer["code"] != "unreachable" || !strings.Contains(text, "127.0.0.1") || strings.Contains(text, "dial") || strings.Contains(text, "smp:") {
				t.Errorf("%v: %v", command["cmd"], answer)
			}
		}
		e := c.event(object{"event": "relay", "state": "disconnected", "code": "unreachable"})
		if text := fmt.Sprint(e["error"]); !strings.Contains(text, "127.0.0.1") || strings.Contains(text, "smp:") || e["detail"] == nil {
			t.Errorf("told %v", e)
		}
	}
	relay.start()
	b.do(object{"cmd": "connect", "link": link})
	a.event(object{"event": "request", "name": "Bob"})
	a.end()
	b.end()
}

// What is the matter with a relay is told in words that name it, and what the program says to itself only as the detail.
func TestRelayTexts(t *testing.T) {
	server := wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example.org"}}
	for _, c := range []struct {
		err  error
		code string
	}{
		{&core.DialError{Kind: transport.KindRefused, Err: errors.New("connect: connection refused")}, "unreachable"},
		{&core.DialError{Kind: transport.KindIdentity}, "relay_identity"},
		{fmt.Errorf("%w: %w", smp.ErrClosed, fmt.Errorf("reading a block: %w", io.EOF)), "unreachable"},
		{fmt.Errorf("smp: handshake with the relay: %w", smp.ErrVersion), "relay_version"},
		{smp.ErrTimeout, "timeout"},
		{smp.ErrAuth, "refused"},
		{fmt.Errorf("%w: soon", core.ErrTorNotReady), "tor_not_ready"},
	} {
		o := object{}
		relayError(o, core.RelayStatus{Server: server, Err: c.err})
		text := fmt.Sprint(o["error"])
		if o["code"] != c.code || o["detail"] != c.err.Error() || c.code != "tor_not_ready" && !strings.Contains(text, "relay.example.org") {
			t.Errorf("%v is told as %v", c.err, o)
		}
		for _, technical := range []string{"smp: ", "transport: ", "block", "connection refused", "handshake"} {
			if strings.Contains(text, technical) {
				t.Errorf("%v is told as %q", c.err, text)
			}
		}
	}
	held := &core.HeldError{Relay: server, Err: smp.ErrUnknownCommand}
	if text, code := describe(fmt.Errorf("reading what a link leads to: %w", held)); code != "held" || !strings.Contains(text, "relay.example.org") {
		t.Errorf("what is held is told as %q, %q", text, code)
	}
}
