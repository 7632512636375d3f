package core

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// Who has chosen nothing shows the network address to no relay of others, unless that is nearby or there is Tor.
func TestDefaultNetwork(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(newTestRelay(t)))
	p := c.create("Alice")
	if n := p.Network(); n != (Network{Routing: RouteUnknown, Fallback: FallbackProtected}) {
		t.Errorf("the choice is %+v", n)
	}
	relay, far := p.core.relays[0], wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example.org"}}
	if proxy, err := p.chooseProxy(far, nil); err != nil || !proxy.Server.SameAs(relay.Server) {
		t.Errorf("the relay in between is %v, %v", proxy.Server, err)
	}
	if _, err := p.chooseProxy(far, []wire.Server{relay.Server}); err == nil {
		t.Error("a relay that was tried is tried again")
	}
	p.core.relays[0].Server = far
	for host, ok := range map[string]bool{"other.example.org": true, "10.0.0.1": false} {
		if _, err := p.chooseProxy(wire.Server{Scheme: wire.SMP, Hosts: []string{host}}, nil); ok != (err == nil) {
			t.Errorf("for %s: %v", host, err)
		}
	}
	p.core.relays[0] = relay
	for _, s := range []struct {
		hosts     string
		near      bool
		protected []TorMode
	}{
		{"192.168.1.2", true, []TorMode{TorOnly}},
		{"relay.example.org", false, []TorMode{TorOnly}},
		{"relay.example.org,abc.onion", false, []TorMode{TorOnionRelays, TorOnly}},
		{"abc.onion", false, []TorMode{TorOnionRelays, TorOnly}},
		{"abc.onion,10.0.0.1", true, []TorMode{TorOnionRelays, TorOnly}},
	} {
		server := wire.Server{Scheme: wire.SMP, Hosts: strings.Split(s.hosts, ",")}
		if got := p.near(server); got != s.near {
			t.Errorf("%s: near %v", s.hosts, got)
		}
		var protected []TorMode
		for _, mode := range []TorMode{TorDirect, TorOnionRelays, TorOnly} {
			p.mu.Lock()
			p.tor = mode
			p.mu.Unlock()
			if p.protected(server) {
				protected = append(protected, mode)
			}
		}
		p.mu.Lock()
		p.tor = ""
		p.mu.Unlock()
		if fmt.Sprint(protected) != fmt.Sprint(s.protected) {
			t.Errorf("%s: protected with %v, want %v", s.hosts, protected, s.protected)
		}
	}
}

// Each problem is told as what it is for people, however deep it is wrapped.
func TestProblemOf(t *testing.T) {
	at := func(err error) error {
		return fmt.Errorf("making an invitation: %w", &RelayError{Relay: wire.Server{Hosts: []string{"relay.example.org"}}, Err: err})
	}
	for _, c := range []struct {
		err  error
		want RelayProblem
	}{
		{&DialError{Kind: transport.KindRefused}, RelayRefuses},
		{&DialError{Kind: transport.KindNotFound}, RelayNotFound},
		{&DialError{}, RelayUnreachable},
		{fmt.Errorf("%w: %w", smp.ErrClosed, fmt.Errorf("reading a block: %w", io.EOF)), RelayLost},
		{fmt.Errorf("smp: handshake with the relay: %w", smp.ErrVersion), RelayVersion},
		{fmt.Errorf("%w: %w", smp.ErrClosed, smp.ErrProtocol), RelayProtocol},
		{xftp.ErrIdentity, RelayIdentity},
		{smp.ErrAuth, RelayDenies},
		{smp.ErrInternal, RelayFails},
		{smp.ErrQuota, RelayFull},
		{&smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{Kind: smp.ProxyBroker, Broker: smp.BrokerError{Kind: smp.BrokerTimeout}}}, RelayBeyond},
		{transport.ErrHost, RelayNoHost},
		{store.ErrDiskFull, ""},
		{ErrNoContact, ""},
		{nil, ""},
	} {
		if got := ProblemOf(at(c.err)); c.err != nil && got != c.want {
			t.Errorf("%v is %q, want %q", c.err, got, c.want)
		}
	}
	if ProblemOf(nil) != "" {
		t.Error("no error is a problem")
	}
}

// limitStore lets the database of a profile not grow, as if the disk were full, or grow again.
func limitStore(t *testing.T, p *Profile, full bool) {
	t.Helper()
	pages := 1 << 30
	if full {
		pages = 1 // which is as many as there are
	}
	if err := p.db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// While the disk is full what arrives is not acknowledged, and it is told; when there is room again it is here without anybody's help.
func TestDiskFull(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	events, cancel := p.a.Subscribe(1000)
	defer cancel()
	told := func(want error) {
		t.Helper()
		deadline := time.After(patience)
		for {
			select {
			case e := <-events:
				if c, ok := e.Change.(StoreChanged); ok {
					if e.Profile != p.pa.ID() || !errors.Is(c.Err, want) {
						t.Errorf("told %+v, want %v", e, want)
					}
					return
				}
			case <-deadline:
				t.Fatalf("waited in vain to be told %v", want)
			}
		}
	}
	limitStore(t, p.pa, true)
	var ids []int64
	for i := range 5 { // there may be unused pages for the first one
		ids = append(ids, mustSend(t, p.pb, p.cb, strings.Repeat(fmt.Sprint("message ", i), 1200)).ID)
	}
	told(ErrDiskFull)
	if err := p.pa.StoreError(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("the state is %v", err)
	}
	if n := len(mustHistory(t, p.pa, p.ca)); n == len(ids) {
		t.Error("there was room")
	}
	limitStore(t, p.pa, false)
	told(nil)
	for _, id := range ids {
		p.b.delivered(p.pb, p.cb, id)
	}
	if err := p.pa.StoreError(); err != nil {
		t.Errorf("the state is %v", err)
	}
	list := mustHistory(t, p.pa, p.ca)
	if len(list) != len(ids) {
		t.Errorf("%d messages, want %d", len(list), len(ids))
	}
	for _, i := range list {
		if !i.Kind.IsMessage() {
			t.Errorf("a notice: %+v", i)
		}
	}
}

// What no relay in between can forward is held, and sent at once when the choice allows a direct connection.
func TestHeldUntilAllowed(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	opt.Retry = agent.Retry{First: time.Hour, After: time.Hour, Max: time.Hour} // nothing is tried again by itself
	p := &pair{a: openTest(t, t.TempDir(), testOptions(newTestRelay(t))), b: openTest(t, t.TempDir(), opt)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")
	p.connect(t)
	if err := p.pb.SetNetwork(t.Context(), Network{Routing: RouteAlways, Fallback: FallbackNever}); err != nil {
		t.Fatal(err)
	}
	sent := mustSend(t, p.pb, p.cb, "hello")
	held := func() bool {
		list, err := p.pb.Carriers(t.Context(), p.cb)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list, func(c Carrier) bool { return !c.Receive && c.Reach == ReachHeld })
	}
	p.b.wait("the message to be held", func() bool { return held() && mustContact(t, p.pb, p.cb).Held == loopback })
	if err := p.pb.SetNetwork(t.Context(), defaultNetwork); err != nil {
		t.Fatal(err)
	}
	p.b.delivered(p.pb, p.cb, sent.ID)
	if held() {
		t.Error("it is still told to be held")
	}
}
