package core

import (
	"crypto/rand"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
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
	first, second := mustServer(t, presets[0].address).Hosts, mustServer(t, presets[1].address).Hosts
	for _, hosts := range [][]string{nil, {"smp1.example"}, {"smp1.example", first[0]}, {first[0], "smp1.example"}, {"smp1.example", first[1]}, {first[0], second[1]}} {
		if got := operator(wire.Server{Hosts: hosts}); got != "" {
			t.Errorf("operator of another relay, at %q, is %q", hosts, got)
		}
	}
}

// TestKnownHosts has somebody else name a relay that has a host of a public one beside its own, which would see where this
// computer is if it were taken for that one.
func TestKnownHosts(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	p := c.create("Alice")
	for _, list := range [][]preset{presets, filePresets} {
		real := mustServer(t, list[0].address)
		trap := real
		trap.Hosts = append([]string{"trap.example"}, real.Hosts...)
		for server, want := range map[*wire.Server]bool{&real: true, &trap: false} {
			if got := p.known(*server); got != want {
				t.Errorf("%v: known %t, want %t", server.Hosts, got, want)
			}
			if got := p.knowsFileRelay(*server); got != want {
				t.Errorf("%v: known for files %t, want %t", server.Hosts, got, want)
			}
		}
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

func TestEligibleRelays(t *testing.T) {
	hash := strings.Repeat("A", 43) + "="
	one, two := "smp://"+hash+"@one.example", "smp://"+hash+"@two.example,one.onion"
	simplex8, simplex9, flux := presets[0].address, presets[1].address, presets[len(presets)-1].address
	type list = []string
	for _, c := range []struct {
		name                          string
		candidates, used, tried, want list
	}{
		{"all", list{two, one}, nil, nil, list{two, one}},
		{"unused host", list{one, two}, list{one}, nil, list{two}},
		{"all hosts used", list{one, two}, list{one, two}, nil, list{one, two}},
		{"unused operator", list{simplex8, simplex9, flux}, list{simplex8}, nil, list{flux}},
		{"the same operator", list{simplex8, simplex9}, list{simplex8}, nil, list{simplex9}},
		{"own ones have no operator", list{one, two}, list{simplex8}, nil, list{one, two}},
		{"after the first", list{one, two, flux}, nil, list{one}, list{two, flux}},
		{"rather a used host than a tried one", list{one, two}, list{one}, list{two}, list{one}},
		{"rather a used operator than a tried relay", list{simplex8, simplex9, flux}, list{simplex8}, list{flux}, list{simplex9}},
		{"all tried", list{one, two}, nil, list{two, one}, list{one, two}},
		{"none", nil, list{one}, nil, nil},
	} {
		servers := func(addresses list) (servers []wire.Server) {
			for _, a := range addresses {
				servers = append(servers, mustServer(t, a))
			}
			return servers
		}
		var candidates []agent.Relay
		for _, server := range servers(c.candidates) {
			candidates = append(candidates, agent.Relay{Server: server})
		}
		var got list
		for _, r := range eligible(candidates, servers(c.used), servers(c.tried)) {
			got = append(got, r.Server.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if _, err := pickRelay(rand.Reader, nil); !errors.Is(err, ErrNoRelays) {
		t.Errorf("choosing from nothing: %v", err)
	}
}

// The order of relays that were given is what new queues go by, the next one being taken for a relay that the conversation
// has a queue on already or that can't be reached. Of the public relays each is used.
func TestRelayOrder(t *testing.T) {
	first, second := newTestRelay(t), newTestRelay(t)
	opt := testOptions(nil)
	c := openTest(t, t.TempDir(), opt)
	alice, bob := c.create("Alice"), c.create("Bob")
	order := func(p *Profile, relays ...*testRelay) {
		t.Helper()
		choice := RelayChoice{Kind: RelaysOwn}
		for _, r := range relays {
			choice.Addresses = append(choice.Addresses, r.address)
		}
		if err := p.SetRelays(t.Context(), choice); err != nil {
			t.Fatal(err)
		}
	}
	// on tells which relay an invitation leads to.
	on := func(link string) string {
		t.Helper()
		plan, err := bob.Plan(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Relay.Port
	}
	order(bob, first, second)
	order(alice, first, second)
	if got := on(mustInvite(t, alice).Link); got != first.port {
		t.Error("the first relay was not preferred")
	}
	order(alice, second, first)
	if got := on(mustInvite(t, alice).Link); got != second.port {
		t.Error("the new order was not used")
	}
	second.stop()
	if got := on(mustInvite(t, alice).Link); got != first.port {
		t.Error("the next relay was not used for one that is away")
	}
	second.start()
	c.wait("the relay to be preferred again", func() bool { return on(mustInvite(t, alice).Link) == second.port })

	used := make(map[string]bool)
	carol := c.create("Carol")
	for range 200 {
		r, err := carol.choose(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		used[r.Server.String()] = true
	}
	if len(used) != publicRelays {
		t.Errorf("%d public relays are used, want %d", len(used), publicRelays)
	}
}

func TestThisComputer(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	if _, _, ok := c.LocalRelay(); ok {
		t.Error("a relay runs that nobody wants")
	}
	alice, err := c.CreateProfile(t.Context(), NewProfile{Name: "Alice", Relays: RelayChoice{Kind: RelaysThisComputer}})
	if err != nil {
		t.Fatal(err)
	}
	link := mustInvite(t, alice).Link
	server, _, ok := c.LocalRelay()
	if plan, err := c.create("Bob").Plan(t.Context(), link); err != nil || !ok || plan.Relay.String() != server.String() || server.Hosts[0] != loopback {
		t.Errorf("the link leads to %v, %v", plan.Relay, err)
	}

	c.wait("its state", func() bool {
		list := alice.Status()
		return len(list) == 1 && list[0].Local && list[0].State == RelayConnected
	})

	// Nobody else makes queues on it, or stores files: contacts know its address.
	files, err := alice.fileRelays()
	if err != nil || len(files) != 1 {
		t.Fatalf("the relay for files is %v, %v", files, err)
	}
	for password, want := range map[string]error{"": xftp.ErrAuth, "guessed": xftp.ErrAuth, files[0].Password: nil} {
		if err := storeChunk(t, files[0].Server, password); !errors.Is(err, want) {
			t.Errorf("storing a file with the password %q: %v", password, err)
		}
	}
	stranger := openTest(t, t.TempDir(), testOptions(nil)).create("Eve")
	if err := stranger.TestRelay(t.Context(), server.String()); !errors.Is(err, ErrRelayPassword) {
		t.Errorf("a stranger makes a queue: %v", err)
	}
	if err := stranger.TestRelay(t.Context(), server.Text(c.local.password())); err != nil {
		t.Errorf("with the password: %v", err)
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
	if again, _, ok := c.LocalRelay(); !ok || again.String() != server.String() {
		t.Errorf("the relay is at %v, was at %v", again, server)
	}
}

// storeChunk registers a chunk at a relay for files.
func storeChunk(t *testing.T, server wire.Server, password string) error {
	t.Helper()
	client, err := xftp.Connect(t.Context(), xftp.Config{}, server)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	key, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.New(t.Context(), &key, xftp.FNew{Sender: key.Public(), Size: xftp.ChunkSizes[0], Digest: make([]byte, 32),
		Recipients: []crypt.AuthPublic{key.Public()}, Password: password})
	return err
}

// A relay on this computer that a version without passwords has made gets one, which stays the same.
func TestThisComputerWithoutPassword(t *testing.T) {
	opt := testOptions(nil)
	opt.Relays = []string{EmbeddedRelay}
	dir := t.TempDir()
	c := openTest(t, dir, opt)
	before, _, _ := c.LocalRelay()
	c.shut()
	if err := relay.ChangeSettings(filepath.Join(dir, "relay"), func(s *relay.Settings) { s.Password = "" }); err != nil {
		t.Fatal(err)
	}
	c.reopen()
	after, password, ok := c.LocalRelay()
	if !ok || password == "" || after.String() != before.String() {
		t.Errorf("the relay at %v, at %v before, has the password %q", after, before, password)
	}
	stranger := openTest(t, t.TempDir(), testOptions(nil)).create("Eve")
	if err := stranger.TestRelay(t.Context(), after.String()); !errors.Is(err, ErrRelayPassword) {
		t.Errorf("a stranger makes a queue: %v", err)
	}
	c.shut()
	c.reopen()
	if _, again, _ := c.LocalRelay(); again != password {
		t.Error("the password is another one after a restart")
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
