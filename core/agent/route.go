package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Routing tells when commands to the relays of others go through a relay of our own, so that
// those relays don't see our network address (agent.md §16).
type Routing string

// The modes of private routing. See Route.Protected.
const (
	RouteNever       Routing = "never"
	RouteUnprotected Routing = "unprotected" // to unknown relays, if the network address is not protected
	RouteUnknown     Routing = "unknown"     // to relays that are not among our own
	RouteAlways      Routing = "always"
)

// Fallback tells whether a relay that can't be reached through a proxy may be reached directly.
type Fallback string

// The modes of falling back.
const (
	FallbackNever     Fallback = "never"
	FallbackProtected Fallback = "protected" // if the network address is protected
	FallbackAllow     Fallback = "allow"
)

// Route is the choice of private routing. Its zero value is never to route.
type Route struct {
	Routing  Routing
	Fallback Fallback
	// Protected tells that relays don't see our network address anyway, as through Tor.
	Protected bool `json:"-"`
}

// routes keeps a proxy session for each relay that is reached through one.
type routes struct {
	mu   sync.Mutex
	list map[string]*route // by the destination's address and what keeps it apart
}

// route makes its session once for all that wait for it.
type route struct {
	mu      sync.Mutex
	proxied *smp.Proxied
	direct  time.Time // until then the relay is reached directly: no proxy can reach it
}

// directTime is how long a relay that no proxy can reach is not tried through one again.
const directTime = 10 * time.Minute

func (r *routes) get(server string) *route {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = map[string]*route{}
	}
	if r.list[server] == nil {
		r.list[server] = new(route)
	}
	return r.list[server]
}

// remove forgets the session for a relay.
func (r *routes) remove(server string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.list, server)
}

// isDirect tells whether a relay is reached directly for now, because no proxy can reach it.
func (r *routes) isDirect(server wire.Server, now time.Time) bool {
	r.mu.Lock()
	route := r.list[server.String()]
	r.mu.Unlock()
	return route != nil && route.isDirect(now)
}

// forwardable tells whether a command can go through a proxy (smp-commands.md §9).
func forwardable(cmd smp.Command) bool {
	switch cmd.(type) {
	case smp.Send, smp.SKey, smp.LKey, smp.LGet:
		return true
	}
	return false
}

// routed tells whether a command to a relay is to go through a proxy, and through which.
func (a *Agent) routed(server wire.Server, cmd smp.Command) (proxy Relay, fallback, ok bool) {
	if a.cfg.Route == nil || !forwardable(cmd) {
		return proxy, false, false
	}
	choice := a.cfg.Route()
	switch choice.Routing {
	case RouteAlways:
	case RouteUnknown:
		ok = a.cfg.Known(server)
	case RouteUnprotected:
		ok = a.cfg.Known(server) || choice.Protected
	default:
		ok = true
	}
	if ok {
		return proxy, false, false
	}
	proxy, err := a.cfg.ChooseProxy(server)
	if err != nil || proxy.Server.SameAs(server) {
		return proxy, false, false // there is no other relay that could be the proxy
	}
	fallback = choice.Fallback == FallbackAllow || choice.Fallback == FallbackProtected && choice.Protected
	return proxy, fallback, true
}

// forward sends a command through a proxy. direct tells that it has to be sent directly, which the
// choice of routing allows.
func (a *Agent) forward(ctx context.Context, server wire.Server, r smp.Request, proxy Relay, fallback bool) (answer smp.Message, direct bool, err error) {
	apart := a.apart(r.Entity)
	route := a.routes.get(server.String() + apart)
	if fallback && route.isDirect(a.cfg.Now()) {
		return nil, true, nil
	}
	for again := true; ; again = false {
		var p *smp.Proxied
		if p, err = a.proxied(ctx, route, server, proxy, apart); err == nil {
			answer, err = p.Do(ctx, r)
		}
		if err == nil {
			return answer, false, nil
		}
		kind, broker := proxyFailure(err)
		switch {
		case again && kind == smp.ProxyNoSession:
			route.drop(p)
		case kind == smp.ProxyBroker && (broker.Kind == smp.BrokerHost || broker.Kind == smp.BrokerTransport && broker.Transport == smp.TransportVersion):
			route.goDirect(a.cfg.Now())
			return nil, fallback, err
		case kind == smp.ProxyBasicAuth, errors.Is(err, smp.ErrUnknownCommand):
			// Our relay is no proxy, or an older one.
			route.goDirect(a.cfg.Now())
			return nil, fallback, err
		default:
			return nil, false, err
		}
	}
}

// proxied returns the session of a route, a new one if the last one has ended.
func (a *Agent) proxied(ctx context.Context, route *route, server wire.Server, proxy Relay, apart string) (*smp.Proxied, error) {
	route.mu.Lock()
	defer route.mu.Unlock()
	if route.proxied != nil && route.proxied.Err() == nil {
		return route.proxied, nil
	}
	s, err := a.session(proxy.Server, apart, false)
	if err != nil {
		return nil, err
	}
	defer a.release(s)
	a.sending(s)
	p, err := s.session.Proxy(ctx, server, proxy.Password)
	if err != nil {
		return nil, err
	}
	route.proxied = p
	return p, nil
}

// drop forgets a session that the proxy does not know any more.
func (r *route) drop(p *smp.Proxied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proxied == p {
		r.proxied = nil
	}
}

// forget drops all sessions through proxies: they are made anew when they are needed.
func (r *routes) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
}

func (r *route) goDirect(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.direct = now.Add(directTime)
}

func (r *route) isDirect(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.direct)
}

// proxyFailure returns what failed at the proxy, empty if something else did.
func proxyFailure(err error) (smp.ProxyErrorKind, smp.BrokerError) {
	var e *smp.Error
	if errors.As(err, &e) && e.Kind == smp.KindProxy && e.Proxy != nil {
		return e.Proxy.Kind, e.Proxy.Broker
	}
	return "", smp.BrokerError{}
}
