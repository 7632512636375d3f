package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Routing tells when commands to the relays of others go through a relay of our own, so that
// those relays don't see our network address (agent.md §16).
type Routing string

// The modes of private routing. See Config.Protected and Config.Known.
const (
	RouteNever       Routing = "never"
	RouteUnprotected Routing = "unprotected" // to unknown relays, if the network address is not protected from them
	RouteUnknown     Routing = "unknown"     // to relays that are not among our own
	RouteAlways      Routing = "always"
)

// Fallback tells whether a relay that can't be reached through a proxy may be reached directly. If it may not, what goes to it
// is held; see HeldError.
type Fallback string

// The modes of falling back.
const (
	FallbackNever     Fallback = "never"
	FallbackProtected Fallback = "protected" // if that tells nobody of our network address: see Config.Protected, Near and Known
	FallbackAllow     Fallback = "allow"
)

// Route is the choice of private routing. Its zero value is never to route.
type Route struct {
	Routing  Routing
	Fallback Fallback
}

// HeldError tells that a command is not sent to a relay: none of our own can forward it, and the choice of routing does not
// let the relay learn our network address.
type HeldError struct {
	Relay wire.Server
	Err   error // why it can't be forwarded, nil if there is no relay that could
}

func (e *HeldError) Error() string {
	text := "no relay of one's own can forward to " + e.Relay.Hosts[0] + ", which is not to learn the network address of this computer"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *HeldError) Unwrap() error { return e.Err }

// routes keeps a proxy session for each relay that is reached through one.
type routes struct {
	mu     sync.Mutex
	list   map[string]*route    // by the destination's address and what keeps it apart
	direct map[string]time.Time // by the destination's address: until then it is reached directly, as no proxy can reach it
}

// route makes its session once for all that wait for it.
type route struct {
	turn chan struct{} // holds one while the session is made

	mu      sync.Mutex
	proxied *smp.Proxied
	by      *relaySession // with the proxy
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
		r.list[server] = &route{turn: make(chan struct{}, 1)}
	}
	return r.list[server]
}

// proxy returns the relay through which another one is reached just now, nil if there is none.
func (r *routes) proxy(server wire.Server, apart string) *wire.Server {
	r.mu.Lock()
	route := r.list[server.String()+apart]
	r.mu.Unlock()
	if route == nil {
		return nil
	}
	_, by := route.lasting()
	if by == nil {
		return nil
	}
	server = by.server
	return &server
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
	defer r.mu.Unlock()
	return now.Before(r.direct[server.String()])
}

// goDirect has a relay be reached directly for now, unless the route on which no proxy could reach it was forgotten meanwhile.
func (r *routes) goDirect(server wire.Server, apart string, failed *route, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list[server.String()+apart] != failed {
		return
	}
	if r.direct == nil {
		r.direct = map[string]time.Time{}
	}
	r.direct[server.String()] = now.Add(directTime)
}

// forwardable tells whether a command can go through a proxy (smp-commands.md §9).
func forwardable(cmd smp.Command) bool {
	switch cmd.(type) {
	case smp.Send, smp.SKey, smp.LKey, smp.LGet:
		return true
	}
	return false
}

// routed tells whether a command to a relay is to go through a proxy, rather than directly.
func (a *Agent) routed(server wire.Server, cmd smp.Command) (choice Route, ok bool) {
	if a.cfg.Route == nil || !forwardable(cmd) {
		return choice, false
	}
	choice = a.cfg.Route()
	switch choice.Routing {
	case RouteAlways:
		return choice, true
	case RouteUnknown:
		return choice, !a.cfg.Known(server)
	case RouteUnprotected:
		return choice, !a.cfg.Known(server) && !a.protected(server)
	}
	return choice, false
}

func (a *Agent) protected(server wire.Server) bool {
	return a.cfg.Protected != nil && a.cfg.Protected(server)
}

func (a *Agent) near(server wire.Server) bool { return a.cfg.Near != nil && a.cfg.Near(server) }

// fallsBack tells whether a relay that no proxy can reach may be reached directly.
func (a *Agent) fallsBack(server wire.Server, choice Route) bool {
	switch choice.Fallback {
	case FallbackAllow:
		return true
	case FallbackProtected:
		return a.protected(server) || a.cfg.Known(server) || a.near(server)
	}
	return false
}

// proxyFor returns the relay through which another one is to be reached, after those that were tried. ok is false if there is none.
func (a *Agent) proxyFor(server wire.Server, tried []wire.Server) (proxy Relay, ok bool) {
	proxy, err := a.cfg.ChooseProxy(server, tried)
	if err != nil || proxy.Server.SameAs(server) || slices.ContainsFunc(tried, proxy.Server.SameAs) {
		return proxy, false
	}
	return proxy, true
}

// forward sends a command through a proxy: if one can't do it, through the next. Those that are away are waited for if no other can
// do it. direct tells that it has to be sent directly, which the choice of routing allows; if that does not, the error is a HeldError.
func (a *Agent) forward(ctx context.Context, server wire.Server, r smp.Request, choice Route, wait patience) (answer smp.Message, direct bool, err error) {
	if a.routes.isDirect(server, a.cfg.Now()) && a.fallsBack(server, choice) {
		return nil, true, nil
	}
	apart := a.apart(r.Entity)
	route := a.routes.get(server.String() + apart)
	var why error // what the last one said that can't forward
	var tried []wire.Server
	var away []Relay
	proxy, ok := a.proxyFor(server, tried)
	for ok {
		tried = append(tried, proxy.Server)
		next, more := a.proxyFor(server, tried)
		attempts := wait
		if more {
			attempts = oneAttempt
		}
		answer, err = a.forwardBy(ctx, route, proxy, server, r, apart, attempts)
		switch {
		case errors.As(err, new(*unforwardableError)):
			why = err
		case more && errors.As(err, new(*unreachedError)):
			away = append(away, proxy)
		default:
			return answer, false, err
		}
		proxy, ok = next, more
	}
	for _, proxy := range away { // they may be able to forward
		answer, err = a.forwardBy(ctx, route, proxy, server, r, apart, wait)
		if !errors.As(err, new(*unforwardableError)) {
			return answer, false, err
		}
		why = err
	}
	if why == nil && a.cfg.Known(server) {
		return nil, true, nil // it is our only one, and sees our address when we receive
	}
	if !a.fallsBack(server, choice) {
		return nil, false, &HeldError{server, why}
	}
	if why != nil {
		a.routes.goDirect(server, apart, route, a.cfg.Now())
	}
	return nil, true, nil
}

// forwardBy sends a command through one proxy.
func (a *Agent) forwardBy(ctx context.Context, route *route, proxy Relay, server wire.Server, r smp.Request, apart string, wait patience) (smp.Message, error) {
	for again := true; ; again = false {
		p, by, err := a.proxied(ctx, route, server, proxy, apart, wait)
		if err != nil {
			return nil, err
		}
		if _, ok := r.Command.(smp.Send); ok {
			a.sending(by)
		}
		answer, err := p.Do(ctx, r)
		if errors.Is(err, smp.ErrTimeout) {
			a.probe(by)
		}
		if kind, _ := proxyFailure(err); again && kind == smp.ProxyNoSession {
			route.drop(p)
			continue
		}
		if a.unreachable(server, err) {
			route.drop(p)
			err = &unforwardableError{err}
		}
		return answer, err
	}
}

// unforwardableError tells that a proxy can't reach a relay however often it is tried.
type unforwardableError struct{ reason error }

func (e *unforwardableError) Error() string { return e.reason.Error() }
func (e *unforwardableError) Unwrap() error { return e.reason }

// unreachable tells whether a proxy may not connect to a relay, or does not know how to talk with it. That a name is one of a network
// where it may not connect, or that is another one there, it does not tell from a relay that is away.
func (a *Agent) unreachable(server wire.Server, err error) bool {
	kind, broker := proxyFailure(err)
	if kind != smp.ProxyBroker {
		return false
	}
	switch broker.Kind {
	case smp.BrokerHost:
		return true
	case smp.BrokerTransport:
		return broker.Transport == smp.TransportVersion
	case smp.BrokerNetwork, smp.BrokerTimeout:
		return a.near(server)
	}
	return false
}

// noProxy tells whether the answer to Prxy means that our relay is no proxy for us, or an older one.
func noProxy(err error) bool {
	kind, _ := proxyFailure(err)
	return kind == smp.ProxyBasicAuth || errors.Is(err, smp.ErrUnknownCommand) || errors.Is(err, smp.ErrVersion)
}

// proxied returns the session of a route, a new one if the last one has ended, and that with the proxy.
func (a *Agent) proxied(ctx context.Context, route *route, server wire.Server, proxy Relay, apart string, wait patience) (p *smp.Proxied, by *relaySession, err error) {
	if p, by = route.lasting(); p != nil {
		return p, by, nil
	}
	s, err := a.session(proxy.Server, apart)
	if err != nil {
		return nil, nil, err
	}
	defer a.release(s)
	err = s.patiently(ctx, wait, func(ctx context.Context) (err error) {
		select {
		case route.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-route.turn }()
		if p, by = route.lasting(); p != nil {
			return nil // somebody else has made it meanwhile
		}
		if p, err = s.session.Proxy(ctx, server, proxy.Password); err == nil {
			by = s
			route.keep(p, by)
		}
		return err
	})
	if errors.Is(err, smp.ErrTimeout) {
		a.probe(s)
	}
	if a.unreachable(server, err) || noProxy(err) {
		return nil, nil, &unforwardableError{err}
	}
	if kind, _ := proxyFailure(err); err != nil && (kind == "" || kind == smp.ProxyProtocol) && !errors.Is(err, smp.ErrIdentity) {
		err = onRelay(proxy.Server, err) // otherwise it is about the other one
	}
	return p, by, err
}

// lasting returns the session of a route and that with its proxy, nil if there is none, or it has ended.
func (r *route) lasting() (*smp.Proxied, *relaySession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proxied == nil || r.proxied.Err() != nil {
		return nil, nil
	}
	return r.proxied, r.by
}

func (r *route) keep(p *smp.Proxied, by *relaySession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proxied, r.by = p, by
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
	r.list, r.direct = nil, nil
}

// proxyFailure returns what failed at the proxy, empty if something else did.
func proxyFailure(err error) (smp.ProxyErrorKind, smp.BrokerError) {
	var e *smp.Error
	if errors.As(err, &e) && e.Kind == smp.KindProxy && e.Proxy != nil {
		return e.Proxy.Kind, e.Proxy.Broker
	}
	return "", smp.BrokerError{}
}
