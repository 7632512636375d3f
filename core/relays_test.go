package core

import (
	"crypto/rand"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestPresets(t *testing.T) {
	seen := make(map[wire.KeyHash]bool)
	for _, p := range presets {
		s, password, err := wire.ParseServerPassword(p.address)
		if err != nil || password != "" || s.Scheme != wire.SMP || len(s.Hosts) != 2 || !strings.HasSuffix(s.Hosts[1], ".onion") {
			t.Errorf("preset %s: %v", p.address, err)
		}
		if seen[s.KeyHash] {
			t.Errorf("preset %s is there twice", p.address)
		}
		seen[s.KeyHash] = true
		if got := operator(s); got != p.operator {
			t.Errorf("operator of %s is %q", p.address, got)
		}
		if got := operator(wire.Server{Hosts: s.Hosts[1:]}); got != p.operator {
			t.Errorf("operator of the onion host of %s is %q", p.address, got)
		}
	}
	if got := operator(wire.Server{Hosts: []string{"smp1.example"}}); got != "" {
		t.Errorf("operator of another relay is %q", got)
	}
}

func TestPublicRelays(t *testing.T) {
	sets := make(map[string]bool)
	for range 50 {
		choice, err := RelayChoice{}.complete(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		list := choice.Addresses
		slices.Sort(list)
		if len(slices.Compact(slices.Clone(list))) != publicRelays+publicFileRelays {
			t.Fatalf("chosen are %q", list)
		}
		for _, a := range list {
			if !slices.ContainsFunc(slices.Concat(presets, filePresets), func(p preset) bool { return p.address == a && p.queues }) {
				t.Fatalf("%s is not for new queues", a)
			}
		}
		sets[strings.Join(list, " ")] = true
	}
	if len(sets) < 10 { // of 330 that there are
		t.Errorf("50 profiles have %d different sets of relays", len(sets))
	}
}

func TestChooseRelay(t *testing.T) {
	relays := func(addresses ...string) (list []agent.Relay) {
		for _, a := range addresses {
			list = append(list, agent.Relay{Server: mustServer(t, a)})
		}
		return list
	}
	hash := strings.Repeat("A", 43) + "="
	one, two := "smp://"+hash+"@one.example", "smp://"+hash+"@two.example,one.onion"
	simplex8, simplex9, flux := presets[0].address, presets[1].address, presets[len(presets)-1].address
	for _, c := range []struct {
		name       string
		candidates []string
		used       []string
		want       []string
	}{
		{"all", []string{one, two}, nil, []string{one, two}},
		{"unused host", []string{one, two}, []string{one}, []string{two}},
		{"all hosts used", []string{one, two}, []string{one, two}, []string{one, two}},
		{"unused operator", []string{simplex8, simplex9, flux}, []string{simplex8}, []string{flux}},
		{"the same operator", []string{simplex8, simplex9}, []string{simplex8}, []string{simplex9}},
		{"own ones have no operator", []string{one, two}, []string{simplex8}, []string{one, two}},
	} {
		var used []wire.Server
		for _, u := range c.used {
			used = append(used, mustServer(t, u))
		}
		got := make(map[string]bool)
		for range 100 {
			r, err := chooseRelay(rand.Reader, relays(c.candidates...), used)
			if err != nil {
				t.Fatal(err)
			}
			got[r.Server.String()] = true
		}
		for _, w := range c.want {
			if !got[w] {
				t.Errorf("%s: %s was never chosen", c.name, w)
			}
			delete(got, w)
		}
		if len(got) > 0 {
			t.Errorf("%s: %v were chosen", c.name, got)
		}
	}
	if _, err := chooseRelay(rand.Reader, nil, nil); !errors.Is(err, ErrNoRelays) {
		t.Errorf("choosing from nothing: %v", err)
	}
}

func TestThisComputer(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	if _, ok := c.LocalRelay(); ok {
		t.Error("a relay runs that nobody wants")
	}
	alice, err := c.CreateProfile(t.Context(), NewProfile{Name: "Alice", Relays: RelayChoice{Kind: RelaysThisComputer}})
	if err != nil {
		t.Fatal(err)
	}
	link := mustInvite(t, alice).Link
	server, ok := c.LocalRelay()
	if plan, err := c.create("Bob").Plan(t.Context(), link); err != nil || !ok || plan.Relay.String() != server.String() || server.Hosts[0] != loopback {
		t.Errorf("the link leads to %v, %v", plan.Relay, err)
	}

	// Its address stays the same, and if its port is taken no other is used.
	c.shut()
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, server.Port))
	if err != nil {
		t.Fatal(err)
	}
	c.reopen()
	alice = c.Profile(alice.ID())
	if _, err := alice.Invite(t.Context()); !errors.Is(err, ErrRelayPort) {
		t.Errorf("inviting while the port is taken: %v", err)
	}
	if err := c.Current().SetRelays(t.Context(), RelayChoice{Kind: RelaysThisComputer}); !errors.Is(err, ErrRelayPort) {
		t.Errorf("choosing the relay while its port is taken: %v", err)
	}
	l.Close()
	mustInvite(t, alice)
	if again, ok := c.LocalRelay(); !ok || again.String() != server.String() {
		t.Errorf("the relay is at %v, was at %v", again, server)
	}
}

func TestSetRelays(t *testing.T) {
	r := newTestRelay(t)
	opt := testOptions(r)
	opt.Relays = nil
	c := openTest(t, t.TempDir(), opt)
	p := c.create("Alice")
	if choice := p.Relays(); choice.Kind != RelaysPublic || len(choice.Addresses) != publicRelays+publicFileRelays {
		t.Errorf("a new profile has %+v", choice)
	}
	if err := p.SetRelays(t.Context(), RelayChoice{Kind: "x"}); err == nil {
		t.Error("an unknown kind of relays was taken")
	}
	if err := p.SetRelays(t.Context(), RelayChoice{Kind: RelaysOwn, Addresses: []string{r.address}}); err != nil {
		t.Fatal(err)
	}
	c.shut()
	c.reopen()
	p = c.Current()
	if choice := p.Relays(); choice.Kind != RelaysOwn || !slices.Equal(choice.Addresses, []string{r.address}) {
		t.Errorf("after a restart the profile has %+v", choice)
	}
	mustInvite(t, p)
}
