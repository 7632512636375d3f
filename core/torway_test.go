package core

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/tor"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// dealtRand is random, except for the times that spreadOut draws: they are those that a test deals, in turn.
type dealtRand struct {
	mu   sync.Mutex
	deal []time.Duration
	n    int
}

func (r *dealtRand) Read(b []byte) (int, error) {
	if len(b) != 5 { // what a time below spread takes
		return rand.Read(b)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(r.deal[r.n%len(r.deal)]))
	r.n++
	return copy(b, n[3:]), nil
}

// Profiles that wait for Tor don't come to their relays in the moment in which it is there: each has a circuit of its own,
// and another time.
func TestStartsSpread(t *testing.T) {
	r, _ := newFarRelay(t, "relay.invalid")
	proxy := newSocks(t, net.JoinHostPort(loopback, r.port))
	opt := testOptions(r)
	dealt := &dealtRand{deal: []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond}}
	opt.TorOnly, opt.Rand = true, dealt
	c := openTest(t, t.TempDir(), opt)
	if err := c.SetTor(TorSettings{Mode: TorOnly, Socks: proxy.address}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Alice", "Bob", "Carol"} {
		mustInvite(t, c.create(name))
	}
	_, users := proxy.seen()
	if slices.Sort(users); len(slices.Compact(users)) != 3 {
		t.Errorf("3 profiles have %d circuits", len(slices.Compact(users)))
	}
	c.shut()
	port := proxy.port()
	proxy.stop()
	c.reopen()
	c.wait("Tor to be missed", func() bool { return c.TorStatus().State == TorWaiting })
	_, users = proxy.seen()
	before := len(users)
	proxy.start(port)
	c.RetryTor()
	server := mustServer(t, r.address)
	c.wait("all profiles", func() bool {
		_, users := proxy.seen()
		slices.Sort(users[before:])
		return len(slices.Compact(users[before:])) == 3
	})
	var turns []time.Time
	for _, p := range c.profiles() {
		way, err := c.tor.proxy(t.Context(), p.circuit(server, ""))
		if err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		turn := p.turn
		p.mu.Unlock()
		proxy.mu.Lock()
		first := slices.Index(proxy.users, way.User)
		if first < before {
			t.Error("a circuit has the name of one before the restart")
		} else if came := proxy.times[first]; came.Before(turn) {
			t.Errorf("a profile came %v before its turn", turn.Sub(came))
		}
		proxy.mu.Unlock()
		turns = append(turns, turn)
	}
	slices.SortFunc(turns, time.Time.Compare)
	if turns[1].Equal(turns[0]) || turns[2].Equal(turns[1]) {
		t.Errorf("the turns are %v", turns)
	}
	dealt.mu.Lock()
	defer dealt.mu.Unlock()
	if dealt.n < 4 { // twice: at the start, and when Tor was there
		t.Errorf("%d times were drawn", dealt.n)
	}
}

// With a circuit for each of 500 queues, Tor has to build no more at a time than it does.
func TestManyCircuits(t *testing.T) {
	queues := 500
	if testing.Short() {
		queues = 100
	}
	r, _ := newFarRelay(t, "relay.invalid")
	proxy := newSocks(t, net.JoinHostPort(loopback, r.port))
	opt := testOptions(r)
	opt.TorOnly, opt.NoPQ = true, true
	c := openTest(t, t.TempDir(), opt)
	if err := c.SetTor(TorSettings{Mode: TorOnly, Isolate: true, Socks: proxy.address}); err != nil {
		t.Fatal(err)
	}
	p := c.create("Alice")
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			for range queues / 20 {
				if _, err := p.Invite(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	c.shut()

	var pending, peak int
	full := make(chan struct{})
	proxy.mu.Lock()
	before := len(proxy.users)
	proxy.pending = func(more bool) {
		proxy.mu.Lock()
		if !more {
			pending--
			proxy.mu.Unlock()
			return
		}
		pending++
		if peak = max(peak, pending); pending == tor.MaxPending {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		proxy.mu.Unlock()
		<-full // Tor takes its time
	}
	proxy.mu.Unlock()
	c.reopen()
	circuits := func() int {
		_, users := proxy.seen()
		users = users[before:]
		slices.Sort(users)
		return len(slices.Compact(users))
	}
	c.wait("all queues to have a circuit", func() bool { return circuits() == queues })
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if peak != tor.MaxPending {
		t.Errorf("%d circuits were asked for at a time", peak)
	}
}

// Another Tor is used at once: nothing goes through the one before, which somebody else runs.
func TestOtherTor(t *testing.T) {
	r, _ := newFarRelay(t, "relay.invalid")
	first, second := newSocks(t, net.JoinHostPort(loopback, r.port)), newSocks(t, net.JoinHostPort(loopback, r.port))
	c := throughTor(t, r, first)
	p := c.create("Alice")
	mustInvite(t, p)
	if err := c.SetTor(TorSettings{Mode: TorOnly, Socks: second.address}); err != nil {
		t.Fatal(err)
	}
	hosts, _ := first.seen()
	mustInvite(t, p)
	if again, _ := first.seen(); len(again) != len(hosts) {
		t.Errorf("%d connections through the Tor of before", len(again)-len(hosts))
	}
	c.wait("the connections through it to end", func() bool {
		first.mu.Lock()
		defer first.mu.Unlock()
		return len(first.conns) == 0
	})
}

// A relay that is tried is not talked with any more when the mode is switched.
func TestRelayTestRerouted(t *testing.T) {
	l := mustListen(t, "0")
	defer l.Close()
	hangs := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			hangs <- c
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c := openTest(t, t.TempDir(), testOptions(nil))
	proxy := newSocks(t, l.Addr().String())
	p := c.create("Alice")
	for _, scheme := range []string{"smp", "xftp"} {
		result := make(chan error)
		go func() {
			result <- p.TestRelay(t.Context(), scheme+"://"+wire.EncodeBase64(make([]byte, 32))+"@127.0.0.1:"+port)
		}()
		conn := <-hangs
		if err := c.SetTor(TorSettings{Mode: TorOnly, Socks: proxy.address}); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, context.Canceled) && !errors.Is(err, errRerouted) {
			t.Errorf("%s: %v", scheme, err)
		}
		io.Copy(io.Discard, conn) // it was closed
		conn.Close()
		if err := c.SetTor(TorSettings{Mode: TorDirect}); err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				hangs <- c
			}
		}()
	}
}

// A link with the key of the relay in this program and another port does not lead to what listens there on this computer.
func TestOwnRelayPort(t *testing.T) {
	proxy := newSocks(t, "")
	opt := testOptions(nil)
	opt.Relays, opt.TorOnly = []string{EmbeddedRelay}, true
	c := openTest(t, t.TempDir(), opt)
	if err := c.SetTor(TorSettings{Mode: TorOnly, Socks: proxy.address}); err != nil {
		t.Fatal(err)
	}
	p := c.create("Alice")
	own, _, ok := c.LocalRelay()
	if !ok {
		t.Fatal("there is no relay")
	}
	if got, err := p.path(t.Context(), own, ""); err != nil || got != (transport.Path{Host: loopback}) {
		t.Errorf("to the own relay: %+v, %v", got, err)
	}
	for _, other := range []wire.Server{
		{Scheme: wire.SMP, Hosts: []string{loopback}, Port: "1", KeyHash: own.KeyHash},
		{Scheme: wire.XFTP, Hosts: []string{loopback}, Port: own.Port, KeyHash: own.KeyHash},
		{Scheme: wire.SMP, Hosts: own.Hosts, Port: own.Port},
	} {
		if got, err := p.path(t.Context(), other, ""); err != nil || got.Proxy == nil {
			t.Errorf("to %v: %+v, %v", other.Scheme, got, err)
		}
		if p.known(other) && !strings.Contains(own.String(), other.String()) {
			t.Errorf("the relay %v is taken for the own one", other.Scheme)
		}
	}
}

// When the network has changed, and when new circuits are asked for, all goes by others than before: messages and files.
func TestCircuitsChanged(t *testing.T) {
	r, _ := newFarRelay(t, "relay.invalid")
	proxy := newSocks(t, net.JoinHostPort(loopback, r.port))
	opt := testOptions(r)
	// It is reached, but is not the one that it should be: files go on trying.
	opt.Relays = append(opt.Relays, "xftp://"+wire.EncodeBase64(make([]byte, 32))+"@files.invalid")
	opt.TorOnly, opt.Rand = true, &dealtRand{deal: []time.Duration{0}} // nobody waits for a turn
	c := openTest(t, t.TempDir(), opt)
	if err := c.SetTor(TorSettings{Mode: TorOnly, Isolate: true, Socks: proxy.address}); err != nil {
		t.Fatal(err)
	}
	p := &pair{a: c, b: c}
	p.pa, p.pb = c.create("Alice"), c.create("Bob")
	p.connect(t)
	for range 2 {
		if _, err := p.pa.SendFile(t.Context(), p.ca, NewFile{Name: "a.bin", Type: event.TypeFile, Size: 10, Content: strings.NewReader("0123456789")}); err != nil {
			t.Fatal(err)
		}
	}
	// circuits returns those by which a host was asked for, from a request on.
	circuits := func(host string, from int) []string {
		hosts, users := proxy.seen()
		var list []string
		for i, h := range hosts[from:] {
			if h == host && !slices.Contains(list, users[from+i]) {
				list = append(list, users[from+i])
			}
		}
		return list
	}
	var before []string
	for _, change := range []func(){func() {}, c.NetworkChanged, func() {
		if err := c.NewCircuits(t.Context()); err != nil {
			t.Error(err)
		}
	}} {
		old := func(user string) bool { return slices.Contains(before, user) }
		change()
		c.wait("messages and files to go by new circuits", func() bool {
			for _, host := range []string{"relay.invalid", "files.invalid"} {
				if len(slices.DeleteFunc(circuits(host, 0), old)) < 2 {
					return false
				}
			}
			return true
		})
		hosts, _ := proxy.seen()
		c.wait("another attempt with the files", func() bool { return len(circuits("files.invalid", len(hosts))) > 0 })
		for _, host := range []string{"relay.invalid", "files.invalid"} {
			if slices.ContainsFunc(circuits(host, len(hosts)), old) {
				t.Errorf("%s is reached by a circuit of before", host)
			}
		}
		_, before = proxy.seen()
	}
}

// A link leads to the relay in this program by its onion address if it names that, and not for a port or a key that are like its own.
func TestLeadsHere(t *testing.T) {
	opt := testOptions(nil)
	opt.Relays, opt.TorBinary = []string{EmbeddedRelay}, "/nonexistent/tor"
	c := openTest(t, t.TempDir(), opt)
	p := c.create("Alice")
	near := mustInvite(t, p)
	if err := c.SetTor(TorSettings{Mode: TorDirect, OnionRelay: true}); err != nil {
		t.Fatal(err)
	}
	far := mustInvite(t, p)
	own, _, _ := c.LocalRelay()
	for link, want := range map[string]bool{
		near.Link: false, near.Full: false, far.Link: true, far.Full: true, "": false, "nonsense": false,
		strings.ReplaceAll(far.Full, own.Port, "1"): false, strings.ReplaceAll(far.Link, own.Port, "1"): false,
	} {
		if c.LeadsHere(link) != want {
			t.Errorf("%s: want %v", link, want)
		}
	}
}
