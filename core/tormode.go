package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// TorMode tells what goes through Tor.
type TorMode string

// The modes of Tor. In TorOnly nothing leaves this computer in any other way: while Tor is not
// there, messages wait.
const (
	TorOnly        TorMode = "tor-only"     // everything
	TorOnionRelays TorMode = "onion-relays" // what goes to relays with an onion address
	TorDirect      TorMode = "direct"       // nothing
)

// Errors of the choice of a mode.
var (
	// ErrTorMode tells that there is no such mode.
	ErrTorMode = errors.New("there is no such mode of Tor")
	// ErrTorOnly tells that the program was started with Options.TorOnly, which can't be undone while it runs.
	ErrTorOnly = errors.New("the program was started for Tor only, which can't be changed while it runs")
)

func (m TorMode) valid() bool {
	return slices.Contains([]TorMode{TorOnly, TorOnionRelays, TorDirect}, m)
}

// settingTor is the setting of a profile that holds its own mode.
const settingTor = "tor"

// TorMode returns what of the profile's traffic goes through Tor, and whether that is a choice of
// its own: otherwise it is that of the program.
func (p *Profile) TorMode() (mode TorMode, own bool) {
	if p.core.opt.TorOnly {
		return TorOnly, false
	}
	p.mu.Lock()
	mode = p.tor
	p.mu.Unlock()
	if mode != "" {
		return mode, true
	}
	return p.core.Tor().Mode, false
}

// SetTorMode makes a choice of the profile's own, or with an empty mode takes that of the program. Its
// connections are made anew; nothing is sent in between in another way. The error is ErrTorMode or ErrTorOnly.
func (p *Profile) SetTorMode(ctx context.Context, mode TorMode) error {
	if mode != "" && !mode.valid() {
		return ErrTorMode
	}
	if p.core.opt.TorOnly && mode != "" && mode != TorOnly {
		return ErrTorOnly
	}
	if err := p.db.Update(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingTor, []byte(mode)) }); err != nil {
		return err
	}
	p.mu.Lock()
	p.tor = mode
	p.mu.Unlock()
	p.core.tor.update()
	p.reroute()
	return nil
}

// loadTor reads the profile's own mode.
func (p *Profile) loadTor(tx *store.Tx) error {
	b, err := tx.Setting(settingTor)
	if err != nil {
		return err
	}
	if p.tor = TorMode(b); p.tor != "" && !p.tor.valid() {
		return fmt.Errorf("setting %s: %w", settingTor, ErrTorMode)
	}
	return nil
}

// newCircuits makes the circuits of the profile differ from those before. No two profiles, and no two
// runs, have one in common.
func (p *Profile) newCircuits() error {
	isolation := make([]byte, 16)
	if _, err := io.ReadFull(p.core.opt.Rand, isolation); err != nil {
		return fmt.Errorf("reading randomness for circuits: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isolation = isolation
	return nil
}

// errRerouted tells that a connection was ended because it is to go another way now.
var errRerouted = errors.New("the way to relays was changed meanwhile")

// untilRerouted returns a context that also ends when connections are to go another way.
func (p *Profile) untilRerouted(ctx context.Context) (context.Context, context.CancelFunc) {
	p.mu.Lock()
	if p.rerouted == nil {
		p.rerouted = make(chan struct{})
	}
	rerouted := p.rerouted
	p.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-rerouted:
			cancel(errRerouted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// reroute ends all connections and makes them anew, as the mode is now.
func (p *Profile) reroute() {
	p.mu.Lock()
	if p.rerouted != nil {
		close(p.rerouted)
		p.rerouted = nil
	}
	p.mu.Unlock()
	// Without randomness the circuits stay as they are, which are the profile's own.
	_ = p.newCircuits()
	p.spreadOut()
	p.chat.Reroute()
}

// path is how a relay is reached now; see [transport.PathFunc].
func (p *Profile) path(ctx context.Context, server wire.Server, circuit string) (transport.Path, error) {
	if p.core.isLocal(server) {
		return transport.Path{Host: loopback}, nil // it is in this program
	}
	mode, _ := p.TorMode()
	host := onionHost(server)
	if mode == TorDirect || mode == TorOnionRelays && host == "" {
		return transport.Direct(ctx, server, circuit)
	}
	if host == "" {
		if p.core.Tor().OnionRequired {
			return transport.Path{}, transport.ErrHost
		}
		host = server.Hosts[0]
	}
	if err := p.core.tor.ready(ctx); err != nil {
		return transport.Path{}, err
	}
	if err := p.waitTurn(ctx); err != nil {
		return transport.Path{}, err
	}
	proxy, err := p.core.tor.proxy(ctx, p.circuit(server, circuit))
	return transport.Path{Host: host, Proxy: proxy}, err
}

func onionHost(server wire.Server) string {
	for _, h := range server.Hosts {
		if transport.IsOnion(h) {
			return h
		}
	}
	return ""
}

// circuit names what may share a circuit of Tor.
func (p *Profile) circuit(server wire.Server, circuit string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%x@%s%s", p.isolation, server.String(), circuit)
}

// waitTurn waits until the profile may connect.
func (p *Profile) waitTurn(ctx context.Context) error {
	p.mu.Lock()
	wait := time.Until(p.turn)
	p.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
