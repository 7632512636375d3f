package agent

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
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
