package core

import (
	"errors"
	"strings"
	"testing"
)

func TestRelayIsTested(t *testing.T) {
	messages, files := newTestRelay(t), newTestFiles(t)
	c := openTest(t, t.TempDir(), Options{Relays: []string{messages.address}})
	p := c.create("Alice")
	for name, r := range map[string]*testRelay{"messages": messages, "files": files} {
		t.Run(name, func(t *testing.T) {
			if err := p.TestRelay(t.Context(), r.address); err != nil {
				t.Errorf("a relay that works: %v", err)
			}
			if err := p.TestRelay(t.Context(), strings.Replace(r.address, ":secret@", ":wrong@", 1)); !errors.Is(err, ErrRelayPassword) {
				t.Errorf("with a wrong password: %v", err)
			}
			r.stop()
			if err := p.TestRelay(t.Context(), r.address); ProblemOf(err) != RelayRefuses {
				t.Errorf("while it does not run: %v", err)
			}
		})
	}
	if err := p.TestRelay(t.Context(), "smp://example"); !errors.Is(err, ErrRelayAddress) {
		t.Errorf("with half an address: %v", err)
	}
}

func TestReadRelay(t *testing.T) {
	info, err := ReadRelay(presets[0].address)
	if err != nil || info.Host() != "smp8.simplex.im" || info.Operator != operatorSimpleX || info.Password {
		t.Errorf("a public relay: %+v, %v", info, err)
	}
	info, err = ReadRelay("smp://0YuTwO05YJWS8rkjn9eLJDjQhFKvIYd8d4xG8X1blIU=:secret@relay.example.org")
	if err != nil || info.Host() != "relay.example.org" || info.Operator != "" || !info.Password {
		t.Errorf("a relay of one's own: %+v, %v", info, err)
	}
	if _, err := ReadRelay("https://relay.example.org"); !errors.Is(err, ErrRelayAddress) {
		t.Errorf("a web page: %v", err)
	}
}

func TestSpaceAndQuiet(t *testing.T) {
	c := openTest(t, t.TempDir(), Options{})
	p := c.create("Alice")
	if s, err := p.Space(); err != nil || s.Messages <= 0 {
		t.Errorf("space %+v, %v", s, err)
	}
	if err := p.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []bool{true, false} {
		if err := p.SetQuiet(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Quiet(t.Context()); err != nil || got != want {
			t.Errorf("quiet is %v, %v", got, err)
		}
	}
}
