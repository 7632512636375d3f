package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// counter counts the connections of relays with other relays.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) dial(ctx context.Context, server wire.Server) (relay.BlockConn, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return transport.Dialer{}.Dial(ctx, server.Hosts[0], server.Port, server.KeyHash, "smp/1")
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// With private routing each party talks with its own relay only.
func TestPrivateRouting(t *testing.T) {
	t.Parallel()
	proxies := new(counter)
	first, second := newProxy(t, proxies.dial), newProxy(t, proxies.dial)
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", second.server)
	for _, p := range []*party{alice, bob} {
		p.route = Route{Routing: RouteUnknown, Fallback: FallbackNever}
		p.restart()
	}
	_, full, short := alice.invite()
	d, err := bob.Resolve(t.Context(), short)
	if err != nil {
		t.Fatal(err)
	}
	if d.Link.Queues[0].SenderID != full.Queues[0].SenderID {
		t.Error("the short link leads elsewhere")
	}
	atBob := bob.join(d.Link)
	alice.wait("the connection", func() bool { return alice.state == StateConnected })
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
	list := texts("through the proxy", 10)
	bob.write(atBob, list...)
	alice.wait("the messages", alice.has(list...))
	bob.wait("the receipts", func() bool { return len(bob.receipts) == 10 })
	for _, p := range []*party{alice, bob} {
		p.Agent.mu.Lock()
		if len(p.sessions) != 1 || p.sessions[p.relay.String()] == nil {
			t.Errorf("%s has %d sessions, one of them with another relay than its own", p.name, len(p.sessions))
		}
		p.Agent.mu.Unlock()
	}
	if proxies.count() != 2 {
		t.Errorf("%d connections between the relays, want 2", proxies.count())
	}
	// The proxy forgets its session when it is started again; the message finds a new one.
	second.stop()
	bob.write(atBob, "afterwards")
	second.start()
	alice.wait("the message", alice.has(append(list, "afterwards")...))
	if len(alice.problems)+len(bob.problems) > 0 {
		t.Error(alice.problems, bob.problems)
	}
}

// A relay that is no proxy is passed by where the choice of routing allows it.
func TestRoutingWithoutProxy(t *testing.T) {
	first, second := newRelay(t), newRelay(t)
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", second.server)
	bob.route = Route{Routing: RouteAlways, Fallback: FallbackAllow}
	bob.restart()
	_, link, _ := alice.invite()
	bob.join(link)
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
}

// What would tell a relay of our address is held, and told so, until the choice of routing lets it go; each of our relays is tried.
func TestRoutingHeld(t *testing.T) {
	t.Parallel()
	proxies := new(counter)
	first, none, proxy := newRelay(t), newRelay(t), newProxy(t, proxies.dial)
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", none.server)
	var mu sync.Mutex
	near := false
	bob.near = func(s wire.Server) bool {
		mu.Lock()
		defer mu.Unlock()
		return near && s.SameAs(first.server)
	}
	bob.route = Route{Routing: RouteUnknown, Fallback: FallbackProtected}
	bob.restart()
	_, link, short := alice.invite()
	var held *HeldError
	if _, err := bob.Resolve(t.Context(), short); !errors.As(err, &held) || !held.Relay.SameAs(first.server) || permanent(err) {
		t.Errorf("resolving: %v", err)
	}
	atBob := bob.join(link)
	bob.wait("being told", func() bool { return len(bob.held) == 1 && bob.held[0].SameAs(first.server) })
	bob.Agent.mu.Lock()
	if len(bob.sessions) != 1 || bob.sessions[none.server.String()] == nil {
		t.Errorf("bob has %d sessions, not one with his own relay alone", len(bob.sessions))
	}
	bob.Agent.mu.Unlock()
	list, err := bob.Queues(t.Context(), atBob)
	if err != nil || len(list) != 1 || list[0].Proxy != nil || !list[0].Held {
		t.Errorf("the queues are %+v, %v", list, err)
	}

	// A relay of one's own that can be the proxy is found among those that can't.
	bob.note(nil, func() { bob.proxies = []wire.Server{proxy.server} })
	bob.Retry()
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
	bob.wait("being told", func() bool { return len(bob.held) == 2 && bob.held[1] == nil })
	if proxies.count() == 0 {
		t.Error("nothing went through the proxy")
	}
	list, err = bob.Queues(t.Context(), atBob)
	if err != nil || len(list) != 2 || list[1].Proxy == nil || !list[1].Proxy.SameAs(proxy.server) || list[1].Held {
		t.Errorf("the queues are %+v, %v", list, err)
	}

	// A relay nearby may see the address.
	proxy.stop()
	bob.note(nil, func() { bob.proxies = nil })
	bob.Reconnect()
	bob.write(atBob, "held")
	bob.wait("being told", func() bool { return len(bob.held) == 3 && bob.held[2] != nil })
	mu.Lock()
	near = true
	mu.Unlock()
	bob.Retry()
	alice.wait("the message", alice.has("held"))
	bob.wait("being told", func() bool { return len(bob.held) == 4 && bob.held[3] == nil })
	if len(alice.problems)+len(bob.problems) > 0 {
		t.Error(alice.problems, bob.problems)
	}
}

// A relay nearby whose name the proxy does not find is reached directly, and told to be, also when each queue has a route of its own.
func TestProxyElsewhere(t *testing.T) {
	for _, isolated := range []bool{false, true} {
		t.Run(fmt.Sprint("isolated ", isolated), func(t *testing.T) {
			t.Parallel()
			testProxyElsewhere(t, isolated)
		})
	}
}

func testProxyElsewhere(t *testing.T, isolated bool) {
	first := newRelay(t)
	proxy := newProxy(t, func(context.Context, wire.Server) (relay.BlockConn, error) { return nil, errors.New("no such host") })
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", proxy.server)
	bob.route = Route{Routing: RouteUnknown, Fallback: FallbackProtected}
	bob.near, bob.isolate = first.server.SameAs, func() bool { return isolated }
	bob.restart()
	_, link, _ := alice.invite()
	atBob := bob.join(link)
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
	if len(bob.held) > 0 {
		t.Error("something was held")
	}
	list, err := bob.Queues(t.Context(), atBob)
	if err != nil || len(list) != 2 || list[1].Receive || list[1].Proxy != nil {
		t.Errorf("the queues are %+v, %v", list, err)
	}
	bob.Reconnect()
	if list, err = bob.Queues(t.Context(), atBob); err != nil || list[1].Proxy == nil {
		t.Errorf("after the network has changed no proxy is tried: %+v, %v", list, err)
	}
}

// Looking a link up through a proxy keeps no session with that, but sending messages does.
func TestProxyLeft(t *testing.T) {
	t.Parallel()
	first, proxy := newRelay(t), newProxy(t, new(counter).dial)
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", proxy.server)
	bob.route = Route{Routing: RouteUnknown, Fallback: FallbackNever}
	bob.isolate = func() bool { return true }
	bob.restart()
	sending := func() (n int) {
		bob.Agent.mu.Lock()
		defer bob.Agent.mu.Unlock()
		for _, s := range bob.sessions {
			if s.sends {
				n++
			}
		}
		return n
	}
	_, _, short := alice.invite()
	d, err := bob.Resolve(t.Context(), short)
	if err != nil || sending() != 0 {
		t.Fatalf("%d sessions stay after a look-up: %v", sending(), err)
	}
	atBob := bob.join(d.Link)
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
	if n := sending(); n != 1 {
		t.Errorf("%d sessions stay for messages, want 1", n)
	}
	list, err := bob.Queues(t.Context(), atBob)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.db.Update(t.Context(), func(tx *store.Tx) error { return bob.Delete(tx, atBob) }); err != nil {
		t.Fatal(err)
	}
	if n := sending(); n != 0 || bob.routes.proxy(list[1].Server, bob.apart(d.Link.Queues[0].SenderID)) != nil {
		t.Errorf("%d sessions stay, or a route, after the connection was deleted", n)
	}
}

// forwardless is a connection on which commands to other relays are lost while it is told so.
type forwardless struct {
	smp.Conn
	lost   *atomic.Bool
	pinged chan<- struct{}
}

func (c forwardless) WriteBlock(content []byte) error {
	switch {
	case !c.lost.Load():
	case bytes.Contains(content, []byte("PFWD ")):
		return nil
	case bytes.Contains(content, []byte("PING")):
		select {
		case c.pinged <- struct{}{}:
		default:
		}
	}
	return c.Conn.WriteBlock(content)
}

// A proxy that does not answer is asked whether it is still there: its connection may have died without a word.
func TestProxySilent(t *testing.T) {
	t.Parallel()
	first, proxy := newRelay(t), newProxy(t, new(counter).dial)
	var lost atomic.Bool
	pinged := make(chan struct{}, 1)
	dial := func(ctx context.Context, s wire.Server) (smp.Conn, error) {
		conn, err := transport.Dialer{}.Dial(ctx, s.Hosts[0], s.Port, s.KeyHash, "smp/1")
		if err != nil {
			return nil, err
		}
		return forwardless{conn, &lost, pinged}, nil
	}
	node := func(name string, r *testRelay, network smp.Config, routing Routing) *node {
		n := &node{t: t, name: name, dir: filepath.Join(t.TempDir(), "db"), network: network, retry: quickRetry}
		n.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: r.server}, nil }
		n.configure = func(c *Config) {
			c.Route, c.Known = func() Route { return Route{routing, FallbackNever} }, r.server.SameAs
			c.ChooseProxy = func(wire.Server, []wire.Server) (Relay, error) { return Relay{Server: r.server}, nil }
		}
		if err := n.start(true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.stop)
		return n
	}
	alice := node("alice", first, smp.Config{}, RouteNever)
	bob := node("bob", proxy, smp.Config{Dial: dial, CommandTimeout: time.Second}, RouteUnknown)
	there, back := befriend(t, alice, bob)
	lost.Store(true)
	if err := bob.write(back.fromID, "anybody there?"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-pinged:
	case <-time.After(time.Minute):
		t.Fatal("the proxy was not asked")
	}
	lost.Store(false)
	alice.wait("the message", func() bool { return slices.Contains(alice.texts(there.fromID, "message"), "anybody there?") })
}

// While a relay of one's own is away another one is the proxy.
func TestProxyAway(t *testing.T) {
	t.Parallel()
	proxies := new(counter)
	first, gone, proxy := newRelay(t), newRelay(t), newProxy(t, proxies.dial)
	gone.stop()
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", gone.server)
	bob.route = Route{Routing: RouteUnknown, Fallback: FallbackNever}
	bob.proxies = []wire.Server{proxy.server}
	bob.restart()
	_, _, short := alice.invite()
	if _, err := bob.Resolve(t.Context(), short); err != nil || proxies.count() != 1 {
		t.Errorf("%v, %d connections between the relays", err, proxies.count())
	}
	proxy.stop()
	bob.Reconnect()
	var at *RelayError
	if _, err := bob.Resolve(t.Context(), &ShortLink{Kind: LinkContact, Server: first.server, Key: make([]byte, 32)}); !errors.As(err, &at) || !at.Relay.SameAs(proxy.server) && !at.Relay.SameAs(gone.server) {
		t.Errorf("with both away: %v", err)
	}
}

// While a relay of one's own that may be a proxy is away, what another one can't forward does not go directly.
func TestProxyMayForward(t *testing.T) {
	t.Parallel()
	first, gone, none := newRelay(t), newRelay(t), newRelay(t)
	gone.stop()
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", gone.server)
	bob.route = Route{Routing: RouteUnknown, Fallback: FallbackAllow}
	bob.proxies = []wire.Server{none.server}
	bob.restart()
	_, _, short := alice.invite()
	var at *RelayError
	if _, err := bob.Resolve(t.Context(), short); !errors.As(err, &at) || !at.Relay.SameAs(gone.server) || permanent(err) {
		t.Errorf("while it is away: %v", err)
	}
	gone.start()
	bob.Retry()
	if _, err := bob.Resolve(t.Context(), short); err != nil { // it is no proxy either
		t.Errorf("when it is back: %v", err)
	}
}

// With a single relay of one's own what goes there needs no proxy, and nothing else may go directly.
func TestRoutingWithoutAnyProxy(t *testing.T) {
	known, other := wire.Server{Scheme: wire.SMP, Hosts: []string{"own.example"}}, wire.Server{Scheme: wire.SMP, Hosts: []string{"other.example"}}
	for _, c := range []struct {
		route     Route
		protected bool
		near      bool
		known     string // what becomes of a message to the known relay
		other     string
	}{
		{Route{RouteNever, FallbackNever}, false, false, "direct", "direct"},
		{Route{RouteUnknown, FallbackNever}, false, true, "direct", "held"},
		{Route{RouteUnknown, FallbackProtected}, false, false, "direct", "held"},
		{Route{RouteUnknown, FallbackProtected}, true, false, "direct", "direct"},
		{Route{RouteUnknown, FallbackProtected}, false, true, "direct", "direct"},
		{Route{RouteUnknown, FallbackAllow}, false, false, "direct", "direct"},
		{Route{RouteUnprotected, FallbackNever}, true, false, "direct", "direct"},
		{Route{RouteUnprotected, FallbackNever}, false, false, "direct", "held"},
		{Route{RouteAlways, FallbackNever}, true, true, "direct", "held"},
		{Route{RouteAlways, FallbackProtected}, false, false, "direct", "held"},
	} {
		a := New(Config{Now: time.Now, Route: func() Route { return c.route }, Known: known.SameAs,
			Protected: func(wire.Server) bool { return c.protected }, Near: func(wire.Server) bool { return c.near },
			ChooseProxy: func(wire.Server, []wire.Server) (Relay, error) { return Relay{Server: known}, nil }})
		for _, to := range []struct {
			server wire.Server
			want   string
		}{{known, c.known}, {other, c.other}} {
			got := "direct"
			if choice, ok := a.routed(to.server, smp.Send{}); ok {
				a.cfg.ChooseProxy = func(wire.Server, []wire.Server) (Relay, error) { return Relay{Server: to.server}, nil }
				_, direct, err := a.forward(t.Context(), to.server, smp.Request{}, choice, untilUp)
				if held := errors.As(err, new(*HeldError)); held == direct {
					t.Errorf("%+v: direct %v, %v", c, direct, err)
				} else if held {
					got = "held"
				}
			}
			if got != to.want {
				t.Errorf("%+v: to %s %s, want %s", c, to.server.Hosts[0], got, to.want)
			}
		}
	}
}

// A relay that was asked once and can't be reached is not connected to for ever.
func TestRelayLeft(t *testing.T) {
	t.Parallel()
	gone := newRelay(t)
	gone.stop()
	alice := newParty(t, "alice", gone.server)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := alice.Resolve(ctx, &ShortLink{Kind: LinkContact, Server: gone.server, Key: make([]byte, 32)}); err == nil {
		t.Error("a relay that does not run has answered")
	}
	alice.wait("leaving the relay", func() bool { return alice.left })
	alice.Agent.mu.Lock()
	defer alice.Agent.mu.Unlock()
	if len(alice.sessions) != 0 {
		t.Error("the session is still there")
	}
}

// What was held is told not to be any more when it is given up: nothing waits then.
func TestHeldGivenUp(t *testing.T) {
	for _, opening := range []bool{false, true} {
		t.Run(fmt.Sprint("opening a link ", opening), func(t *testing.T) {
			inBubble(t, func(t *testing.T, p *pair) {
				p.bob.configure = func(c *Config) {
					c.Route, c.Known = func() Route { return Route{RouteUnknown, FallbackNever} }, func(wire.Server) bool { return false }
					c.ChooseProxy = func(wire.Server, []wire.Server) (Relay, error) { return Relay{}, errors.New("no relay") }
				}
				p.bob.restart()
				connection, end := p.atBob, "not sent"
				if opening {
					var link Link
					_, err := p.alice.Invite(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { link = i.Full; return nil })
					if err != nil {
						t.Fatal(err)
					}
					if connection, err = p.bob.Join(t.Context(), link, nil, func(*store.Tx, int64) error { return nil }); err != nil {
						t.Fatal(err)
					}
					end = "failed"
				} else if err := p.bob.write(connection, "held"); err != nil {
					t.Fatal(err)
				}
				p.bob.wait("being told", func() bool { return slices.Equal(p.bob.texts(connection, "held"), []string{p.relay.server.Hosts[0]}) })
				time.Sleep(expireMessage + time.Hour)
				if n := len(p.bob.texts(connection, end)); n != 1 {
					t.Errorf("%d times told that it is given up", n)
				}
				if got := p.bob.texts(connection, "held"); !slices.Equal(got, []string{p.relay.server.Hosts[0], ""}) {
					t.Errorf("told to be held by %q", got)
				}
			})
		})
	}
}

// What becomes of another queue says nothing about the one that is held.
func TestHeldQueues(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pair) {
		held := &HeldError{Relay: p.relay.server}
		for _, step := range []struct {
			queue   int64
			outcome error
			held    bool
			told    int
		}{
			{1, nil, false, 0}, {1, held, true, 1}, {1, held, true, 1}, {2, nil, true, 1}, {0, nil, true, 1}, {1, errors.New("x"), false, 2},
			{0, held, true, 3}, {1, nil, false, 4}, {0, held, true, 5}, {0, nil, false, 6},
		} {
			p.bob.tellHeld(p.atBob, step.queue, step.outcome)
			told := p.bob.texts(p.atBob, "held")
			if len(told) != step.told || step.told > 0 && step.held != (told[step.told-1] != "") {
				t.Errorf("after %d: %v: told %q", step.queue, step.outcome, told)
			}
		}
		p.bob.tellHeld(p.atBob, 1, held)
		if err := p.bob.db.Update(t.Context(), func(tx *store.Tx) error { return p.bob.Delete(tx, p.atBob) }); err != nil {
			t.Fatal(err)
		}
		if p.bob.isHeld(p.atBob, 1) {
			t.Error("a connection is held that was deleted")
		}
	})
}

// That no proxy could reach a relay says nothing any more once the ways have changed.
func TestRouteForgotten(t *testing.T) {
	var r routes
	server := wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example"}}
	now := time.Now()
	before := r.get(server.String())
	r.goDirect(server, "", before, now)
	if !r.isDirect(server, now) || r.isDirect(server, now.Add(directTime)) {
		t.Error("not reached directly, or for too long")
	}
	r.forget()
	r.get(server.String())
	if r.goDirect(server, "", before, now); r.isDirect(server, now) {
		t.Error("reached directly on account of what was before")
	}
}
