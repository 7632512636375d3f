package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// attempt bounds how long a command of the background waits for its relay. After it the
// age of what is to be sent is looked at again.
const attempt = 5 * time.Minute

// errUnexpected tells that a relay answered with something else.
var errUnexpected = errors.New("agent: unexpected answer of the relay")

// relaySession is the session with a relay and what the agent knows of it.
type relaySession struct {
	server  wire.Server
	session *smp.Session

	// Guarded by the agent's mutex: how many commands use the session, and whether queues are
	// subscribed in it. Without either it is not connected again.
	users int
	keep  bool

	mu   sync.Mutex
	down error // why the session is down, nil while it is up or was not tried yet
}

func (s *relaySession) setDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// reason returns why the session is down.
func (s *relaySession) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// session returns the session with a relay, a new one if there is none. The caller releases it.
// keep is for a session that queues are subscribed in.
func (a *Agent) session(server wire.Server, keep bool) (*relaySession, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, smp.ErrClosed
	}
	name := server.String()
	if s := a.sessions[name]; s != nil {
		s.users++
		s.keep = s.keep || keep
		return s, nil
	}
	s := &relaySession{server: server, session: smp.NewSession(a.cfg.Network, server), users: 1, keep: keep}
	a.sessions[name] = s
	a.wg.Go(func() { a.watch(name, s) })
	return s, nil
}

// command sends a command to a relay and returns its answer.
func (a *Agent) command(ctx context.Context, server wire.Server, entity smp.ID, key *crypt.Ed25519Private, cmd smp.Command) (smp.Message, error) {
	r := smp.Request{Entity: entity, Command: cmd}
	if key != nil {
		r.Key = key
	}
	return a.do(ctx, server, r)
}

// release tells that a session is not used any more.
func (a *Agent) release(s *relaySession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.users--
}

// leave closes a session that was lost and that nothing needs: what was looked up once is no reason
// to go on connecting. It tells whether it did.
func (a *Agent) leave(name string, s *relaySession) bool {
	a.mu.Lock()
	idle := s.users == 0 && !s.keep && !a.closed
	if idle {
		delete(a.sessions, name)
	}
	a.mu.Unlock()
	if idle {
		s.session.Close()
		a.cfg.Handler.RelayState(s.server, false, ErrRelayLeft)
	}
	return idle
}

// do waits for the session with a relay to be up, sends a command and returns its answer.
func (a *Agent) do(ctx context.Context, server wire.Server, r smp.Request) (smp.Message, error) {
	if a.exchange != nil {
		return a.exchange(server, r)
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if proxy, fallback, ok := a.routed(server, r.Command); ok {
		answer, direct, err := a.forward(ctx, server, r, proxy, fallback)
		if !direct {
			return answer, err
		}
	}
	_, makes := r.Command.(smp.New)
	s, err := a.session(server, makes)
	if err != nil {
		return nil, err
	}
	defer a.release(s)
	answer, err := s.session.Do(ctx, r)
	if ctx.Err() != nil {
		if down := s.reason(); down != nil {
			err = down // tells more than that time is over
		}
	}
	return answer, err
}

// permanent tells whether trying a command again can't help.
func permanent(err error) bool {
	var refused *smp.Error
	switch {
	case errors.Is(err, ErrLinkUsed), errors.Is(err, ErrLinkVersion), errors.Is(err, wire.ErrAddress):
		return true
	case errors.As(err, &refused):
		switch refused.Kind {
		case smp.KindQuota, smp.KindStore, smp.KindInternal, smp.KindProxy:
			return false
		}
		return true
	}
	return false
}

// subscribe subscribes to a queue, now and after each time the session was lost.
func (a *Agent) subscribe(q *store.ReceiveQueue) error {
	if a.exchange != nil || q.State == queueDeleted {
		return nil
	}
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return fmt.Errorf("agent: stored relay address: %w", err)
	}
	s, err := a.session(server, true)
	if err != nil {
		return err
	}
	defer a.release(s)
	key := crypt.Ed25519Private(q.Key)
	s.session.Subscribe(smp.Subscription{Entity: smp.ID(q.RecipientID), Key: &key})
	return nil
}

// Retry connects to relays and sends what waits at once, as when the network is back.
func (a *Agent) Retry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		s.session.Retry()
	}
	for _, s := range a.senders {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// watch handles what comes from a relay until its session is closed.
func (a *Agent) watch(name string, s *relaySession) {
	for e := range s.session.Events() {
		switch e := e.(type) {
		case smp.Up:
			s.setDown(nil)
			a.cfg.Handler.RelayState(s.server, true, nil)
		case smp.Down:
			s.setDown(e.Err)
			if a.leave(name, s) {
				return
			}
			if a.ctx.Err() == nil {
				a.cfg.Handler.RelayState(s.server, false, e.Err)
			}
		case smp.Subscribed:
			if errors.Is(e.Err, smp.ErrAuth) {
				a.queueGone(name, e.Entity)
			}
		case smp.Event:
			if msg, ok := e.Message.(smp.Msg); ok {
				a.arrived(name, s, e.Entity, msg)
			}
		}
	}
}

// arrived stores a message and then acknowledges it.
func (a *Agent) arrived(name string, s *relaySession, id smp.ID, msg smp.Msg) {
	key, err := a.receive(name, id, msg)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errDraining) {
		return // of a queue that is not ours any more, or too early
	}
	if err != nil {
		// It could not be stored. Subscribing again makes the relay deliver it again.
		a.goRun(func() {
			if a.pause(a.cfg.RetrySend.First) && key != nil {
				s.session.Subscribe(smp.Subscription{Entity: id, Key: key})
			}
		})
		return
	}
	// Waiting for the answer here would hold up the messages of other queues.
	a.goRun(func() {
		// Without the acknowledgement the relay delivers the message again, which is recognised.
		_, _ = s.session.Do(a.ctx, smp.Request{Entity: id, Key: key, Command: smp.Ack{MsgID: msg.ID}})
	})
}

// queueGone ends a connection whose queue the relay has deleted.
func (a *Agent) queueGone(server string, id smp.ID) {
	_ = a.update(func(tx *store.Tx) error {
		q, err := tx.ReceiveQueueByID(server, []byte(id))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		c, err := tx.Connection(q.Connection)
		if err != nil {
			return err
		}
		q.State, c.State = queueDeleted, string(StateFailed)
		if err := tx.SaveReceiveQueue(q); err != nil {
			return err
		}
		if err := tx.SaveConnection(c); err != nil {
			return err
		}
		return a.cfg.Handler.Failed(tx, c.ID, ErrQueueGone)
	})
}
