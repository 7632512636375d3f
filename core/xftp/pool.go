package xftp

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// A Pool has a session with each relay that is in use, one for each circuit, and leaves relays that are not.
type Pool struct {
	config Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex
	relays map[string]*pooled // by address and circuit
	reset  chan struct{}      // closed by Reset, which makes a new one
	users  sync.WaitGroup
}

// A Way says how relays are reached. The zero value shares sessions and goes wherever Config.Path leads.
type Way struct {
	// Circuit is passed to Config.Path: what has different values shares no session and no circuit of Tor.
	Circuit string

	// Permit, if not nil, is asked before a relay is reached on a path, also in a session that is there already. Its error
	// ends a transfer.
	Permit func(server wire.Server, path transport.Path) error
}

// A pooled session is used by one caller at a time.
type pooled struct {
	name string
	turn chan struct{} // holds one while in use

	users int // guarded by the pool's mutex

	mu      sync.Mutex
	client  *Client            // nil while not connected
	path    transport.Path     // of client
	attempt context.CancelFunc // ends the attempt to connect; nil if there is none
	idle    *time.Timer
}

// NewPool returns a pool without sessions.
func NewPool(config Config) *Pool {
	p := &Pool{config: config.withDefaults(), relays: map[string]*pooled{}, reset: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Do calls f with the session of a relay, which it connects if necessary. Calls for one relay and circuit wait
// for each other. The error is that of Connect, of way.Permit or of f, and ErrClosed after Close.
func (p *Pool) Do(ctx context.Context, server wire.Server, way Way, f func(context.Context, *Client) error) error {
	s, ok := p.use(server.String() + way.Circuit)
	if !ok {
		return ErrClosed
	}
	defer p.release(s)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return p.reason(ctx.Err())
	}
	defer func() { <-s.turn }()
	if err := cmp.Or(ctx.Err(), p.ctx.Err()); err != nil {
		return p.reason(err)
	}
	err := s.safely(ctx, p.config, server, way, f)
	p.done(s)
	if err != nil {
		return p.reason(err)
	}
	return nil
}

// safely calls f with the session. A fault in that is an error, and ends the session.
func (s *pooled) safely(ctx context.Context, config Config, server wire.Server, way Way, f func(context.Context, *Client) error) (err error) {
	var client *Client
	defer func() {
		if client != nil && errors.As(err, new(*fault.Error)) {
			client.Close()
		}
	}()
	defer fault.Contain(&err)
	if client, err = s.connected(ctx, config, server, way); err != nil {
		return err
	}
	return f(ctx, client)
}

// reason tells what ended by Close from what ended by the caller.
func (p *Pool) reason(err error) error {
	if p.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

func (p *Pool) use(name string) (*pooled, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, false
	}
	p.users.Add(1)
	s := p.relays[name]
	if s == nil {
		s = &pooled{name: name, turn: make(chan struct{}, 1)}
		p.relays[name] = s
	}
	s.users++
	return s, true
}

func (p *Pool) release(s *pooled) {
	p.mu.Lock()
	s.users--
	p.mu.Unlock()
	p.forget(s)
	p.users.Done()
}

// forget removes what is not in use and has no session.
func (p *Pool) forget(s *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 && s.client == nil && p.relays[s.name] == s {
		delete(p.relays, s.name)
	}
}

// connected returns the session; the caller has the turn.
func (s *pooled) connected(ctx context.Context, config Config, server wire.Server, way Way) (*Client, error) {
	permit := func(path transport.Path) error {
		if way.Permit == nil {
			return nil
		}
		if err := way.Permit(server, path); err != nil {
			return &localError{err}
		}
		return nil
	}
	s.mu.Lock()
	if s.idle != nil {
		s.idle.Stop()
	}
	if s.client != nil && s.client.Err() == nil {
		client, path := s.client, s.path
		s.mu.Unlock()
		if err := permit(path); err != nil {
			return nil, err
		}
		return client, nil
	}
	s.leave()
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	s.attempt = cancel
	s.mu.Unlock()

	var path transport.Path
	find := config.Path
	config.Circuit += way.Circuit
	config.Path = func(ctx context.Context, server wire.Server, circuit string) (_ transport.Path, err error) {
		if path, err = find(ctx, server, circuit); err == nil {
			err = permit(path)
		}
		return path, err
	}
	client, err := Connect(attempt, config, server)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt = nil
	if err == nil && attempt.Err() != nil {
		client.drop() // it has come about on the way of before
		client, err = nil, attempt.Err()
	}
	if err == nil {
		s.client, s.path = client, path
	} else if attempt.Err() != nil && ctx.Err() == nil {
		err = &closedError{err} // by Reset
	}
	return client, err
}

// done leaves the session for others, or closes it after a while.
func (p *Pool) done(s *pooled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return
	}
	if s.client.Err() != nil {
		s.leave()
		return
	}
	client := s.client
	s.idle = time.AfterFunc(p.config.IdleTimeout, func() {
		select {
		case s.turn <- struct{}{}: // else it is in use again
			defer func() { <-s.turn }()
			s.mu.Lock()
			if s.client == client {
				s.leave()
			}
			s.mu.Unlock()
			p.forget(s)
		default:
		}
	})
}

// leave ends the session if there is one; a request in progress fails with ErrClosed. s.mu is held.
func (s *pooled) leave() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// drop is leave without sending what waits to be sent. s.mu is held.
func (s *pooled) drop() {
	if s.client != nil {
		s.client.drop()
		s.client = nil
	}
}

// Reset ends all sessions, as when the network has changed: nothing more is sent in them. Transfers connect again at once, also if
// they were to wait for longer.
func (p *Pool) Reset() { p.end((*pooled).drop) }

func (p *Pool) end(leave func(*pooled)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.reset)
	p.reset = make(chan struct{})
	for _, s := range p.relays {
		s.mu.Lock()
		if s.idle != nil {
			s.idle.Stop()
		}
		if s.attempt != nil {
			s.attempt()
		}
		leave(s)
		s.mu.Unlock()
		if s.users == 0 {
			delete(p.relays, s.name)
		}
	}
}

// resets returns a channel that the next Reset closes.
func (p *Pool) resets() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reset
}

// Close ends all sessions and waits for the calls of Do, which fail.
func (p *Pool) Close() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.users.Wait()
	p.end((*pooled).leave)
}
