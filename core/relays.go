package core

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// Errors of the choice of relays.
var (
	// ErrNoRelays tells that a profile is to use relays of one's own, and none is given.
	ErrNoRelays = errors.New("no relay for messages is given: add the address of at least one")
	// ErrRelayAddress tells that a text is not the address of a relay.
	ErrRelayAddress = wire.ErrAddress
	// ErrNoFileRelay tells that a profile has no relay for files.
	ErrNoFileRelay = errors.New("no relay for files is given: add the address of at least one, which looks like xftp://fingerprint@host")
)

// EmbeddedRelay stands for the relay on this computer where addresses are given as text.
const EmbeddedRelay = "embedded"

// RelayKind tells where the messages for a profile wait until they are fetched.
type RelayKind string

// The kinds of relays.
const (
	RelaysPublic       RelayKind = "public"        // preset ones, anybody's
	RelaysOwn          RelayKind = "own"           // whose addresses are given
	RelaysThisComputer RelayKind = "this computer" // it runs inside the program, while that runs
)

// RelayChoice tells on which relays new queues of a profile are made.
type RelayChoice struct {
	Kind RelayKind `json:"kind"`
	// Addresses of RelaysOwn for messages and for files, with passwords if they need any. Of those for messages the first is
	// preferred that the conversation has no queue on yet and that can be reached. Of RelaysPublic they are those that were
	// chosen at random.
	Addresses []string `json:"addresses,omitempty"`
}

// settingRelays is the setting of a profile that holds its RelayChoice as JSON.
const settingRelays = "relays"

// complete checks a choice, and makes the random part of one for public relays.
func (r RelayChoice) complete(random io.Reader) (RelayChoice, error) {
	switch r.Kind {
	case RelaysThisComputer:
		return RelayChoice{Kind: r.Kind}, nil
	case RelaysOwn:
		if len(r.Addresses) == 0 {
			return r, ErrNoRelays
		}
		_, err := r.candidates()
		return r, err
	case RelaysPublic, "":
		r = RelayChoice{Kind: RelaysPublic}
		for _, kind := range []struct {
			list []preset
			n    int
		}{{presets, publicRelays}, {filePresets, publicFileRelays}} {
			var addresses []string
			for _, p := range kind.list {
				if p.queues {
					addresses = append(addresses, p.address)
				}
			}
			for range kind.n {
				i, err := pick(random, len(addresses))
				if err != nil {
					return r, err
				}
				r.Addresses = append(r.Addresses, addresses[i])
				addresses = slices.Delete(addresses, i, i+1)
			}
		}
		return r, nil
	}
	return r, fmt.Errorf("core: unknown kind of relays %q", r.Kind)
}

// parse returns the relays for messages and those for files among the addresses.
func (r RelayChoice) parse() (messages []agent.Relay, files []xftp.Relay, err error) {
	for i, text := range r.Addresses {
		server, password, err := wire.ParseServerPassword(text)
		switch {
		case err != nil:
		case server.Scheme == wire.SMP:
			messages = append(messages, agent.Relay{Server: server, Password: password})
		case server.Scheme == wire.XFTP:
			files = append(files, xftp.Relay{Server: server, Password: password})
		default:
			err = wire.ErrAddress
		}
		if err != nil {
			return nil, nil, fmt.Errorf("relay %d: %w", i+1, err)
		}
	}
	return messages, files, nil
}

// candidates returns the relays for messages, of which there has to be one.
func (r RelayChoice) candidates() ([]agent.Relay, error) {
	messages, _, err := r.parse()
	if err == nil && len(messages) == 0 {
		err = ErrNoRelays
	}
	return messages, err
}

// eligible returns those of the candidates on which a new queue can be: not on the tried ones, of operators that have no
// queue of the connection yet, and on hosts that have none, each only as far as there are such (presets.md §5).
func eligible(candidates []agent.Relay, used, tried []wire.Server) []agent.Relay {
	keep := func(unused func(agent.Relay) bool) {
		if list := slices.DeleteFunc(slices.Clone(candidates), func(r agent.Relay) bool { return !unused(r) }); len(list) > 0 {
			candidates = list
		}
	}
	keep(func(r agent.Relay) bool { return !slices.ContainsFunc(tried, r.Server.SameAs) })
	keep(func(r agent.Relay) bool {
		o := operator(r.Server)
		return o == "" || !slices.ContainsFunc(used, func(u wire.Server) bool { return operator(u) == o })
	})
	keep(func(r agent.Relay) bool {
		return !slices.ContainsFunc(used, func(u wire.Server) bool {
			return slices.ContainsFunc(u.Hosts, func(host string) bool { return slices.Contains(r.Server.Hosts, host) })
		})
	})
	return candidates
}

// pickRelay returns one of the relays at random.
func pickRelay(random io.Reader, relays []agent.Relay) (agent.Relay, error) {
	if len(relays) == 0 {
		return agent.Relay{}, ErrNoRelays
	}
	i, err := pick(random, len(relays))
	if err != nil {
		return agent.Relay{}, err
	}
	return relays[i], nil
}

// pick returns a random number below n.
func pick(random io.Reader, n int) (int, error) {
	i, err := rand.Int(random, big.NewInt(int64(n)))
	if err != nil {
		return 0, fmt.Errorf("choosing a relay: %w", err)
	}
	return int(i.Int64()), nil
}

// choose is what the agent asks for a relay for a new queue. Relays that were given are preferred in their order; of the
// public ones any is as good, and with one at random no one of them carries all.
func (p *Profile) choose(used, tried []wire.Server) (agent.Relay, error) {
	if candidates := p.core.relays; candidates != nil {
		return eligible(candidates, used, tried)[0], nil
	}
	choice := p.Relays()
	if p.core.embedded || choice.Kind == RelaysThisComputer {
		server, err := p.core.localServer()
		return agent.Relay{Server: server, Password: p.core.local.password()}, err
	}
	candidates, err := choice.candidates()
	if err != nil {
		return agent.Relay{}, err
	}
	candidates = eligible(candidates, used, tried)
	if choice.Kind == RelaysOwn {
		return candidates[0], nil
	}
	return pickRelay(p.core.opt.Rand, candidates)
}

// Relays returns where new queues of the profile are made.
func (p *Profile) Relays() RelayChoice {
	p.mu.Lock()
	defer p.mu.Unlock()
	choice := p.relays
	choice.Addresses = slices.Clone(choice.Addresses)
	return choice
}

// SetRelays sets where new queues of the profile are made. Those that exist stay where they
// are. For RelaysPublic some are chosen at random. The error is ErrNoRelays, wraps
// ErrRelayAddress or ErrRelayPort.
func (p *Profile) SetRelays(ctx context.Context, choice RelayChoice) error {
	choice, err := choice.complete(p.core.opt.Rand)
	if err != nil {
		return err
	}
	if choice.Kind == RelaysThisComputer {
		if _, err := p.core.local.start(); err != nil {
			return err
		}
	}
	if err := p.db.Update(ctx, func(tx *store.Tx) error { return setRelays(tx, choice) }); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relays = choice
	return nil
}

func setRelays(tx *store.Tx, choice RelayChoice) error {
	b, err := json.Marshal(choice)
	if err != nil {
		return err
	}
	return tx.SetSetting(settingRelays, b)
}

// RelayState tells whether a relay can be reached.
type RelayState string

// The states of the session with a relay.
const (
	RelayConnecting   RelayState = "connecting"
	RelayConnected    RelayState = "connected"
	RelayDisconnected RelayState = "disconnected"
)

// RelayStatus is the state of the session with a relay.
type RelayStatus struct {
	Server   wire.Server
	Operator string // who runs it, empty if that is not known
	Local    bool   // it is the relay on this computer
	State    RelayState
	Since    time.Time
	Err      error // why it is disconnected
}

// Host is how a relay is shown: the first of its hosts, which is not the onion one.
func (r RelayStatus) Host() string { return r.Server.Hosts[0] }

// Onion tells whether the relay has an onion address.
func (r RelayStatus) Onion() bool { return onionHost(r.Server) != "" }

// relayStates are the sessions of a profile.
type relayStates struct {
	mu   sync.Mutex
	list []RelayStatus // in the order in which they came up first
}

// set keeps the state of a relay and tells whether it changed.
func (s *relayStates) set(r RelayStatus) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.Server.String()
	for i := range s.list {
		if s.list[i].Server.String() != name {
			continue
		}
		changed := s.list[i].State != r.State
		if !changed {
			r.Since = s.list[i].Since
		}
		s.list[i] = r
		return changed
	}
	s.list = append(s.list, r)
	return true
}

// remove forgets a relay.
func (s *relayStates) remove(server wire.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(r RelayStatus) bool { return r.Server.String() == server.String() })
}

// Status returns the relays that the profile has sessions with.
func (p *Profile) Status() []RelayStatus {
	p.states.mu.Lock()
	defer p.states.mu.Unlock()
	return slices.Clone(p.states.list)
}

// relayState is told by the agent that a session changed.
func (p *Profile) relayState(server wire.Server, up bool, reason error) {
	left := errors.Is(reason, agent.ErrRelayLeft)
	r := RelayStatus{Server: server, Operator: operator(server), Local: p.core.isLocal(server), State: RelayConnected, Since: p.core.opt.Now()}
	if !up {
		r.State, r.Err = RelayDisconnected, reason
	}
	if left {
		r.Err = nil
	}
	changed := p.states.set(r)
	if left {
		p.states.remove(server)
	}
	if changed || left {
		p.publish(RelayChanged{r})
	}
}
