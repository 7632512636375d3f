package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Network is how a profile reaches relays that are not its own: through one of its own, so that they
// don't see the network address of this computer, or directly.
type Network = agent.Route

// Routing and Fallback are the choices in a Network; see package agent.
type (
	Routing  = agent.Routing
	Fallback = agent.Fallback
)

// The modes of routing and of falling back to a direct connection.
const (
	RouteNever        = agent.RouteNever
	RouteUnprotected  = agent.RouteUnprotected
	RouteUnknown      = agent.RouteUnknown
	RouteAlways       = agent.RouteAlways
	FallbackNever     = agent.FallbackNever
	FallbackProtected = agent.FallbackProtected
	FallbackAllow     = agent.FallbackAllow
)

// defaultNetwork hides the network address from the relays of others, as the network's terminal client does (presets.md §7). A relay
// of a contact's choice can't undo that by turning ours away: what goes there waits then, and the contact shows it.
var defaultNetwork = Network{Routing: RouteUnknown, Fallback: FallbackProtected}

const settingNetwork = "network"

// ErrNetwork tells that a choice of routing or of falling back is none of those that there are.
var ErrNetwork = errors.New("there is no such choice of private routing")

// errNoProxy tells that a profile has no relay that could be a proxy.
var errNoProxy = errors.New("no relay of one's own can be a proxy")

// Network returns the choice of private routing.
func (p *Profile) Network() Network {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.route
}

// SetNetwork sets the choice of private routing; it is in force at once, also for what waits. The error is ErrNetwork for
// a choice that does not exist.
func (p *Profile) SetNetwork(ctx context.Context, n Network) error {
	if !slices.Contains([]Routing{RouteNever, RouteUnprotected, RouteUnknown, RouteAlways}, n.Routing) ||
		!slices.Contains([]Fallback{FallbackNever, FallbackProtected, FallbackAllow}, n.Fallback) {
		return ErrNetwork
	}
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := p.db.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingNetwork, b) }); err != nil {
		return err
	}
	p.mu.Lock()
	p.route = n
	p.mu.Unlock()
	p.Reconnect()
	return nil
}

// loadNetwork reads the choice of private routing.
func (p *Profile) loadNetwork(tx *store.Tx) error {
	p.route = defaultNetwork
	b, err := tx.Setting(settingNetwork)
	if err != nil || b == nil {
		return err
	}
	if err := json.Unmarshal(b, &p.route); err != nil {
		return fmt.Errorf("setting %s: %w", settingNetwork, err)
	}
	return nil
}

// ownRelays returns the relays of the profile, nil if it is the one on this computer.
func (p *Profile) ownRelays() ([]agent.Relay, error) {
	if p.core.relays != nil {
		return p.core.relays, nil
	}
	choice := p.Relays()
	if p.core.embedded || choice.Kind == RelaysThisComputer {
		return nil, nil
	}
	return choice.candidates()
}

// known tells whether a relay sees this computer's network address anyway: it is one of the
// profile's own, or, for who uses public relays, any of those.
func (p *Profile) known(server wire.Server) bool {
	if p.core.isLocal(server) {
		return true
	}
	if p.core.relays == nil && p.Relays().Kind == RelaysPublic && operator(server) != "" {
		return true
	}
	relays, err := p.ownRelays()
	return err == nil && slices.ContainsFunc(relays, func(r agent.Relay) bool { return r.Server.SameAs(server) })
}

// protected tells whether Tor hides the network address of this computer from a relay that is not reached through another one, as
// the choices are now.
func (p *Profile) protected(server wire.Server) bool {
	reach := p.reach(server)
	return reach == ReachExit || reach == ReachOnion
}

// near tells whether a relay is on this computer or in its network, as its address shows: relays in between can't reach it, and
// who runs it is no stranger. Names are not looked up, which would tell who answers for them that somebody here wants to connect;
// the file of hosts of this computer is.
func (p *Profile) near(server wire.Server) bool {
	path, err := transport.Direct(context.Background(), server, "")
	return err == nil && transport.IsNear(path.Host)
}

// chooseProxy returns a relay of the profile through which another one can be reached, after those that were tried. The relay on
// this computer is none: it has the same network address. One that is not near is none for a relay nearby, and need not know of it.
func (p *Profile) chooseProxy(destination wire.Server, tried []wire.Server) (agent.Relay, error) {
	relays, err := p.ownRelays()
	if err != nil {
		return agent.Relay{}, err
	}
	near := p.near(destination)
	relays = slices.DeleteFunc(slices.Clone(relays), func(r agent.Relay) bool {
		return r.Server.SameAs(destination) || near && !p.near(r.Server) || slices.ContainsFunc(tried, r.Server.SameAs)
	})
	if len(relays) == 0 {
		return agent.Relay{}, errNoProxy
	}
	return pickRelay(p.core.opt.Rand, eligible(relays, []wire.Server{destination}, nil))
}
