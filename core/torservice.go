package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/tor"
	"github.com/sotto-chat/sotto/core/transport"
)

// torService starts and ends Tor as it is needed. One goroutine does that, so that nobody waits
// for it who does not need it.
type torService struct {
	core *Core
	poke chan struct{}
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed when anything below changes
	running *tor.Tor      // nil if it does not run
	used    *TorSettings  // those that it runs with, or that err is about
	err     error         // why it could not be started
	wanted  bool
	asked   bool // somebody waits for it who may not be known to wantsTor
	spread  bool // Tor is ready, and profiles know when it is their turn

	onion     string            // the address of the relay on this computer
	ports     map[uint16]string // its ports, and where they lead
	reachable bool
}

// start starts the service.
func (s *torService) start(c *Core) {
	var ctx context.Context
	s.core, s.poke, s.done, s.changed = c, make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	ctx, s.stop = context.WithCancel(context.Background())
	go s.run(ctx)
}

// close ends Tor and waits for it.
func (s *torService) close() error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	<-s.done
	return nil
}

// update tells that something changed that Tor depends on.
func (s *torService) update() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

func (s *torService) run(ctx context.Context) {
	defer close(s.done)
	for {
		s.adjust(ctx)
		select {
		case <-s.poke:
		case <-ctx.Done():
			s.end()
			return
		}
	}
}

// adjust makes Tor run, or not, as it is wanted now.
func (s *torService) adjust(ctx context.Context) {
	settings, wanted := s.core.Tor(), s.core.wantsTor()
	s.mu.Lock()
	same := s.used != nil && sameTor(*s.used, settings)
	running := s.running
	wanted = wanted || s.asked
	s.wanted = wanted
	s.mu.Unlock()
	if running != nil && (!wanted || !same) {
		s.end()
		running = nil
	}
	switch {
	case !wanted:
		s.mu.Lock()
		failed := s.err != nil
		s.mu.Unlock()
		s.set(func() { s.used, s.err = nil, nil })
		if failed {
			s.publish()
		}
	case running == nil && !same:
		t, err := s.launch(ctx, settings)
		s.set(func() { s.running, s.used, s.err = t, &settings, err })
		s.publish()
	}
	s.publishOnion(ctx)
}

// sameTor tells whether a running Tor fits the choices.
func sameTor(a, b TorSettings) bool {
	a.Mode, a.OnionRequired, a.OnionRelay, a.Isolate = b.Mode, b.OnionRequired, b.OnionRelay, b.Isolate
	return reflect.DeepEqual(a, b)
}

func (s *torService) launch(ctx context.Context, settings TorSettings) (*tor.Tor, error) {
	cfg, err := settings.config()
	if err != nil {
		return nil, err
	}
	c := s.core
	cfg.Dir, cfg.Binary, cfg.Extra, cfg.Rand, cfg.Now = filepath.Join(c.dir, "tor"), c.opt.TorBinary, c.opt.TorConfig, c.opt.Rand, c.opt.Now
	cfg.Changed = func(status tor.Status) {
		s.publish()
		if status.State != TorReady {
			s.set(func() { s.spread = false })
			return
		}
		var waiting []*Profile
		for _, p := range c.profiles() {
			if mode, _ := p.TorMode(); mode != TorDirect {
				p.spreadOut()
				waiting = append(waiting, p)
			}
		}
		for _, p := range c.leavers() {
			p.spreadOut()
		}
		s.set(func() { s.spread = true })
		for _, p := range waiting { // what waits to try again need not
			p.Reconnect()
		}
	}
	return tor.Start(ctx, cfg)
}

// end ends Tor.
func (s *torService) end() {
	s.mu.Lock()
	t := s.running
	s.mu.Unlock()
	s.set(func() { s.running, s.used, s.onion, s.reachable, s.spread = nil, nil, "", false, false })
	if t != nil {
		_ = t.Close()
		s.publish()
	}
}

// set changes the state and tells who waits for it.
func (s *torService) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *torService) publish() {
	s.core.hub.publish(Event{"", TorChanged{s.core.TorStatus()}})
}

// get returns Tor as it was chosen, for which it waits if it is about to be started.
func (s *torService) get(ctx context.Context) (*tor.Tor, error) {
	for {
		settings := s.core.Tor()
		s.mu.Lock()
		t, err, changed := s.running, s.err, s.changed
		if s.used == nil || !sameTor(*s.used, settings) {
			t, err = nil, nil // of before
		}
		s.mu.Unlock()
		switch {
		case t != nil:
			return t, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrTorNotReady, err)
		}
		s.mu.Lock()
		s.asked = true
		s.mu.Unlock()
		s.update()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrTorNotReady, ctx.Err())
		}
	}
}

// ready waits until Tor is ready and profiles know when it is their turn: they are not to come to relays in the
// moment in which it is there.
func (s *torService) ready(ctx context.Context) error {
	for {
		if _, err := s.proxy(ctx, ""); err != nil {
			return err
		}
		s.mu.Lock()
		spread, changed := s.spread, s.changed
		s.mu.Unlock()
		if spread {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrTorNotReady, ctx.Err())
		}
	}
}

// proxy waits for Tor and returns the proxy to dial through.
func (s *torService) proxy(ctx context.Context, isolation string) (*transport.Proxy, error) {
	for {
		t, err := s.get(ctx)
		if err != nil {
			return nil, err
		}
		proxy, err := t.Proxy(ctx, isolation)
		if errors.Is(err, tor.ErrClosed) && ctx.Err() == nil {
			s.mu.Lock()
			replaced := s.running != t
			s.mu.Unlock()
			if replaced {
				continue
			}
		}
		return proxy, err
	}
}

// wantsTor tells whether anything needs Tor.
func (c *Core) wantsTor() bool {
	if c.Tor().Mode != TorDirect || c.onionRelay() {
		return true
	}
	return slices.ContainsFunc(append(c.profiles(), c.leavers()...), func(p *Profile) bool { mode, _ := p.TorMode(); return mode != TorDirect })
}

// onionRelay tells whether the relay on this computer is to have an onion address.
func (c *Core) onionRelay() bool {
	s := c.Tor()
	return s.OnionRelay || s.Mode == TorOnly ||
		slices.ContainsFunc(c.profiles(), func(p *Profile) bool { mode, _ := p.TorMode(); return mode == TorOnly })
}

// spread is the longest time that a profile waits before it connects through Tor when others do so
// at the same time, so that relays don't see profiles come at one moment.
const spread = 20 * time.Second

// spreadOut makes the profile wait before it connects through Tor, unless it is the one in use.
func (p *Profile) spreadOut() {
	p.core.mu.Lock()
	current := p.core.current() == p.id
	p.core.mu.Unlock()
	turn := time.Now()
	if !current {
		n, err := rand.Int(p.core.opt.Rand, big.NewInt(int64(spread)))
		if err == nil {
			turn = turn.Add(time.Duration(n.Int64()))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn = turn
}
