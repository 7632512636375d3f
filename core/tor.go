package core

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sotto-chat/sotto/core/tor"
)

// What Tor tells of itself, see package tor.
type (
	TorState       = tor.State
	TorPhase       = tor.Phase
	TorProblem     = tor.Problem
	TorProblemKind = tor.ProblemKind
	TorCircuit     = tor.Circuit
	TorLogLine     = tor.LogLine
)

// The states of Tor.
const (
	TorOff           = tor.Off
	TorStarting      = tor.Starting
	TorBootstrapping = tor.Bootstrapping
	TorReady         = tor.Ready
	TorWaiting       = tor.Waiting
	TorFailed        = tor.Failed
)

// The phases of its bootstrapping, in their order.
const (
	TorPhaseStart      = tor.PhaseStart
	TorPhaseTransport  = tor.PhaseTransport
	TorPhaseProxy      = tor.PhaseProxy
	TorPhaseConnecting = tor.PhaseConnecting
	TorPhaseDirectory  = tor.PhaseDirectory
	TorPhaseCircuit    = tor.PhaseCircuit
	TorPhaseDone       = tor.PhaseDone
)

// The kinds of its problems.
const (
	TorProblemMissing   = tor.ProblemMissing
	TorProblemTransport = tor.ProblemTransport
	TorProblemConfig    = tor.ProblemConfig
	TorProblemFolder    = tor.ProblemFolder
	TorProblemClock     = tor.ProblemClock
	TorProblemOffline   = tor.ProblemOffline
	TorProblemBlocked   = tor.ProblemBlocked
	TorProblemBridges   = tor.ProblemBridges
	TorProblemProxy     = tor.ProblemProxy
	TorProblemDied      = tor.ProblemDied
	TorProblemControl   = tor.ProblemControl
	TorProblemAccess    = tor.ProblemAccess
	TorProblemNotThere  = tor.ProblemNotThere
	TorProblemInUse     = tor.ProblemInUse
)

// Errors of Tor.
var (
	// ErrTorNotReady tells that there is no way through Tor at the moment.
	ErrTorNotReady = tor.ErrNotReady
	// ErrTorControl tells that a running Tor can do what is asked for only with its control address.
	ErrTorControl = tor.ErrNoControl
	// ErrTorBridge tells that a line does not describe a bridge; the error says which and why.
	ErrTorBridge = errors.New("not the line of a bridge")
	// ErrTorUpstream tells that a proxy for Tor is not described by the likes of socks5://127.0.0.1:1080.
	ErrTorUpstream = errors.New("not the address of a proxy, which looks like socks5://127.0.0.1:1080 or http://user:password@192.0.2.1:3128")
	// ErrTorExisting tells that the address of a Tor that runs already is not one.
	ErrTorExisting = errors.New("not the address of a running Tor, which looks like 127.0.0.1:9050 or /run/tor/socks")
)

// TorSettings are the choices about Tor for the program as a whole.
type TorSettings struct {
	Mode          TorMode  `json:"mode,omitempty"`           // of profiles without a choice of their own
	OnionRequired bool     `json:"onion_required,omitempty"` // relays without an onion address are not reached through Tor
	OnionRelay    bool     `json:"onion_relay,omitempty"`    // the relay on this computer can be reached by an onion address
	Isolate       bool     `json:"isolate,omitempty"`        // a circuit for each queue, not for each relay
	Bridges       []string `json:"bridges,omitempty"`        // lines that describe them; "snowflake" stands for those that everybody uses
	Upstream      string   `json:"upstream,omitempty"`       // the proxy that the network needs, as socks5:// or http://

	// A Tor that runs already is used if Socks is not empty: addresses, or paths of sockets.
	Socks    string `json:"socks,omitempty"`
	Control  string `json:"control,omitempty"`
	Password string `json:"password,omitempty"` // for Control, if its cookie can't be read
}

// TorSnowflake stands for the bridges of that kind that are known, in TorSettings.Bridges.
const TorSnowflake = "snowflake"

// TorBridgeError tells which line does not describe a bridge, counted from 1, and why. It wraps ErrTorBridge.
type TorBridgeError struct {
	Line int
	Err  error
}

func (e *TorBridgeError) Error() string {
	return fmt.Sprintf("%v: line %d: %v", ErrTorBridge, e.Line, e.Err)
}

func (e *TorBridgeError) Unwrap() []error { return []error{ErrTorBridge, e.Err} }

// ReadTorBridges returns the lines of bridges in a text as people paste it, without empty lines and comments. The
// error is a *TorBridgeError.
func ReadTorBridges(text string) (lines []string, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		bridges, err := tor.ParseBridges(line)
		if err != nil {
			return nil, &TorBridgeError{n, err}
		}
		if len(bridges) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// ReadTorConfig reads lines for Options.TorConfig from a file. An empty name stands for none.
func ReadTorConfig(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of Tor: %w", err)
	}
	lines, err := tor.ParseExtra(string(b))
	if err != nil {
		return nil, fmt.Errorf("the configuration of Tor in %s: %w", name, err)
	}
	return lines, nil
}

func (s TorSettings) clone() TorSettings {
	s.Bridges = slices.Clone(s.Bridges)
	return s
}

// config makes the configuration of Tor of the choices.
func (s TorSettings) config() (cfg tor.Config, err error) {
	if s.Socks != "" {
		cfg.Existing = &tor.Existing{Socks: s.Socks, Control: s.Control, Password: s.Password}
		for _, a := range []string{s.Socks, s.Control} {
			if a == "" || filepath.IsAbs(a) {
				continue
			}
			if _, _, err := net.SplitHostPort(a); err != nil {
				return cfg, ErrTorExisting
			}
		}
	}
	for _, line := range s.Bridges {
		if strings.TrimSpace(line) == TorSnowflake {
			cfg.Bridges = append(cfg.Bridges, tor.SnowflakeBridges()...)
			continue
		}
		bridges, err := tor.ParseBridges(line)
		if err != nil {
			return cfg, fmt.Errorf("%w: %w", ErrTorBridge, err)
		}
		cfg.Bridges = append(cfg.Bridges, bridges...)
	}
	if s.Upstream != "" {
		u, err := url.Parse(s.Upstream)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return cfg, ErrTorUpstream // the error of url.Parse has the password in it
		}
		cfg.Upstream = &tor.Upstream{Kind: tor.UpstreamSOCKS5, Address: u.Host}
		switch u.Scheme {
		case "socks5":
		case "http", "https":
			cfg.Upstream.Kind = tor.UpstreamHTTPS
		default:
			return cfg, ErrTorUpstream
		}
		if u.User != nil {
			cfg.Upstream.User = u.User.Username()
			cfg.Upstream.Password, _ = u.User.Password()
		}
	}
	return cfg, nil
}

// TorStatus is how Tor is.
type TorStatus struct {
	Mode      TorMode // of the program
	State     TorState
	Percent   int // of bootstrapping
	Phase     TorPhase
	Problem   *TorProblem // what stands in the way, nil if nothing does
	Onion     string      // the onion address of the relay on this computer, empty if it has none
	Reachable bool        // it can be found at that address
}

// TorChanged tells that the state of Tor changed, or the choices about it.
type TorChanged struct{ Tor TorStatus }

// Tor returns the choices about Tor.
func (c *Core) Tor() TorSettings {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.app.Tor.clone()
	if s.Mode == "" {
		s.Mode = TorDirect
	}
	if c.opt.TorOnly {
		s.Mode = TorOnly
	}
	return s
}

// SetTor makes choices about Tor. They are in force at once: connections that are to go another way are
// made anew, and nothing is sent in between. The error is ErrTorMode, ErrTorOnly, ErrTorUpstream,
// ErrTorExisting or wraps ErrTorBridge.
func (c *Core) SetTor(s TorSettings) error {
	if !s.Mode.valid() {
		return ErrTorMode
	}
	if c.opt.TorOnly && s.Mode != TorOnly {
		return ErrTorOnly
	}
	if _, err := s.config(); err != nil {
		return err
	}
	before := c.Tor()
	err := c.changeApp(func(a *appState) error {
		a.Tor = s.clone()
		return nil
	})
	if err != nil {
		return err
	}
	c.tor.mu.Lock()
	c.tor.asked = false
	c.tor.mu.Unlock()
	c.tor.update()
	after := c.Tor()
	for _, p := range c.profiles() {
		mode, own := p.TorMode()
		if before.Mode != after.Mode && !own || before.OnionRequired != after.OnionRequired || before.Isolate != after.Isolate ||
			mode != TorDirect && !sameTor(before, after) { // what goes through a Tor of somebody else would not end by itself
			p.reroute()
		}
	}
	c.rerouteLeavers()
	c.hub.publish(Event{"", TorChanged{c.TorStatus()}})
	return nil
}

// TorInstalled tells whether there is a Tor that can be started, or one was chosen that runs already.
func (c *Core) TorInstalled() bool {
	if c.Tor().Socks != "" {
		return true
	}
	if c.opt.TorBinary != "" {
		_, err := exec.LookPath(c.opt.TorBinary)
		return err == nil
	}
	_, err := tor.FindTor()
	return err == nil
}

// TorLocked tells whether the program was started with Options.TorOnly, so that the mode can't be changed.
func (c *Core) TorLocked() bool { return c.opt.TorOnly }

// profiles returns those that are open.
func (c *Core) profiles() (list []*Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.open {
		list = append(list, p)
	}
	return list
}

// TorStatus returns how Tor is.
func (c *Core) TorStatus() TorStatus {
	s := TorStatus{Mode: c.Tor().Mode, State: TorOff}
	c.tor.mu.Lock()
	defer c.tor.mu.Unlock()
	s.Onion, s.Reachable = c.tor.onion, c.tor.reachable
	switch t := c.tor.running; {
	case t != nil:
		status := t.Status()
		s.State, s.Percent, s.Phase, s.Problem = status.State, status.Percent, status.Phase, status.Problem
	case c.tor.err != nil:
		s.State = TorFailed
		if !errors.As(c.tor.err, &s.Problem) {
			s.Problem = &TorProblem{Kind: tor.ProblemConfig, Err: c.tor.err}
		}
	case c.tor.wanted:
		s.State = TorStarting
	}
	return s
}

// NewCircuits makes all circuits anew: what is connected through Tor connects again on other ways.
func (c *Core) NewCircuits(ctx context.Context) error {
	t, err := c.tor.get(ctx)
	if err != nil {
		return err
	}
	if err := t.NewCircuits(ctx); err != nil {
		return err
	}
	for _, p := range c.profiles() {
		if mode, _ := p.TorMode(); mode != TorDirect {
			p.reroute()
		}
	}
	c.rerouteLeavers()
	return nil
}

// Circuits returns the circuits of Tor, without the relays on them.
func (c *Core) Circuits(ctx context.Context) ([]TorCircuit, error) {
	t, err := c.tor.get(ctx)
	if err != nil {
		return nil, err
	}
	return t.Circuits(ctx)
}

// TorLog returns the last messages of Tor, the oldest first.
func (c *Core) TorLog() []TorLogLine {
	c.tor.mu.Lock()
	defer c.tor.mu.Unlock()
	if c.tor.running == nil {
		return nil
	}
	return c.tor.running.Log()
}

// RetryTor starts Tor at once if it waits to be tried again, or could not be started.
func (c *Core) RetryTor() {
	c.tor.mu.Lock()
	if c.tor.running != nil {
		c.tor.running.Retry()
	} else {
		c.tor.used = nil
	}
	c.tor.mu.Unlock()
	c.tor.update()
}

// NetworkChanged tells that the computer is in another network, or was asleep: all connections are made
// anew.
func (c *Core) NetworkChanged() {
	c.tor.mu.Lock()
	if c.tor.running != nil {
		c.tor.running.NetworkChanged()
	}
	c.tor.mu.Unlock()
	for _, p := range c.profiles() {
		p.reroute()
	}
	c.rerouteLeavers()
}
