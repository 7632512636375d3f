package xftp

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
)

// A Pool has a session with each relay that is in use, and leaves relays that are not.
type Pool struct {
	config Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex
	relays map[string]*pooled
	reset  chan struct{} // closed by Reset, which makes a new one
	users  sync.WaitGroup
}

// A pooled session is used by one caller at a time.
type pooled struct {
	turn chan struct{} // holds one while in use

	mu      sync.Mutex
	client  *Client            // nil while not connected
	attempt context.CancelFunc // ends the attempt to connect; nil if there is none
	idle    *time.Timer
}

// NewPool returns a pool without sessions.
func NewPool(config Config) *Pool {
	p := &Pool{config: config.withDefaults(), relays: map[string]*pooled{}, reset: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Do calls f with the session of a relay, which it connects if necessary. Calls for one relay wait
// for each other. The error is that of Connect or of f, and ErrClosed after Close.
func (p *Pool) Do(ctx context.Context, server wire.Server, f func(context.Context, *Client) error) error {
	s, ok := p.relay(server)
	if !ok {
		return ErrClosed
	}
	defer p.users.Done()
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
	client, err := s.connected(ctx, p.config, server)
	if err == nil {
		err = f(ctx, client)
		s.done(p.config.IdleTimeout)
	}
	if err != nil {
		return p.reason(err)
	}
	return nil
}

// reason tells what ended by Close from what ended by the caller.
func (p *Pool) reason(err error) error {
	if p.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

func (p *Pool) relay(server wire.Server) (*pooled, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, false
	}
	p.users.Add(1)
	name := server.String()
	s := p.relays[name]
	if s == nil {
		s = &pooled{turn: make(chan struct{}, 1)}
		p.relays[name] = s
	}
	return s, true
}

// connected returns the session; the caller has the turn.
func (s *pooled) connected(ctx context.Context, config Config, server wire.Server) (*Client, error) {
	s.mu.Lock()
	if s.idle != nil {
		s.idle.Stop()
	}
	if s.client != nil && s.client.Err() == nil {
		defer s.mu.Unlock()
		return s.client, nil
	}
	s.leave()
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	s.attempt = cancel
	s.mu.Unlock()

	client, err := Connect(attempt, config, server)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt = nil
	if err == nil && attempt.Err() != nil {
		client.drop() // it has come about on the way of before
		client, err = nil, attempt.Err()
	}
	if err == nil {
		s.client = client
	} else if attempt.Err() != nil && ctx.Err() == nil {
		err = &closedError{err} // by Reset
	}
	return client, err
}

// done leaves the session for others, or closes it after a while.
func (s *pooled) done(idle time.Duration) {
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
	s.idle = time.AfterFunc(idle, func() {
		select {
		case s.turn <- struct{}{}: // else it is in use again
			defer func() { <-s.turn }()
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.client == client {
				s.leave()
			}
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
