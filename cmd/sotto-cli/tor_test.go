package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/tor/tornet"
)

// torOf returns the process of the Tor that a program runs.
func (c *child) torOf() *os.Process {
	c.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		text := string(b)
		end := strings.LastIndexByte(text, ')')
		fields := strings.Fields(text[end+1:])
		if !strings.HasSuffix(text[:end], "(tor") || fields[1] != strconv.Itoa(c.cmd.Process.Pid) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			c.t.Fatal(err)
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			c.t.Fatal(err)
		}
		return p
	}
	c.t.Fatal("the program runs no Tor")
	return nil
}

// TestTorOnly has two programs talk through the relays inside them, which only Tor can reach. Tor is
// killed and comes back, and so does a program: everything arrives once.
func TestTorOnly(t *testing.T) {
	network := tornet.Start(t)
	config := filepath.Join(t.TempDir(), "torrc")
	if err := os.WriteFile(config, []byte(strings.Join(network.Client(), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var people []*child
	for _, name := range []string{"Alice", "Bob"} {
		c := startChild(t, "--data", t.TempDir(), "--relay", "embedded", "--tor-only", "--tor-config", config)
		c.do(object{"cmd": "profile.create", "name": name})
		people = append(people, c)
	}
	a, b := people[0], people[1]
	if answer := a.try(object{"cmd": "tor", "mode": "direct"}); answer["code"] != "tor_only" {
		t.Errorf("undoing --tor-only: %v", answer)
	}
	for _, c := range people {
		c.event(object{"event": "tor", "state": "ready"})
		status := c.event(object{"event": "tor", "reachable": true})
		if onion := fmt.Sprint(status["onion"]); status["mode"] != "tor-only" || !strings.HasSuffix(onion, ".onion") {
			t.Errorf("the status is %v", status)
		}
	}
	link := a.do(object{"cmd": "invite", "long": true})["link"]
	if strings.Contains(fmt.Sprint(link), "127.0.0.1") || !strings.Contains(fmt.Sprint(link), ".onion") {
		t.Error("the link does not lead to the onion address alone")
	}
	cb := b.do(object{"cmd": "connect", "link": link})["contact"]
	ca := a.event(object{"event": "connected", "name": "Bob"})["contact"]
	b.event(object{"event": "connected", "contact": cb})
	a.do(object{"cmd": "send", "contact": ca, "text": "first"})
	b.event(object{"event": "message", "text": "first"})

	want := []string{"first"}
	for round := range 2 {
		killed := b
		if round == 0 {
			killed = a
		}
		if err := killed.torOf().Kill(); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			text := fmt.Sprintf("round %d message %d", round, i)
			want = append(want, text)
			a.do(object{"cmd": "send", "contact": ca, "text": text})
		}
		if round == 1 {
			a.kill()
			a.start()
		}
		b.wait(cb, "the messages after Tor was killed", func(list []object) bool { return len(texts(list, false)) >= len(want) })
		if got := texts(b.history(cb), false); !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	}
	if circuits := b.do(object{"cmd": "tor.circuits"})["circuits"].([]any); len(circuits) == 0 {
		t.Error("Tor has no circuits")
	}
	tor := b.torOf()
	b.kill()
	if err := waitGone(t, tor); err != nil {
		t.Error(err)
	}
}

// waitGone waits until a process has ended that is not a child of this one.
func waitGone(t *testing.T, p *os.Process) error {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
		if err != nil || strings.Contains(string(b), ") Z ") {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("Tor runs on without the program")
		}
	}
}
