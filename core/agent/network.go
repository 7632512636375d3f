package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
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
	name    string // in Agent.sessions
	server  wire.Server
	session *smp.Session

	// Guarded by the agent's mutex: how many commands use the session, and whether queues are
	// subscribed in it. Without either it is not connected again.
	users   int
	keep    bool
	sends   bool // messages were sent in it: more will follow
	idling  bool // waits to be closed unless it is used again
	probing bool

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
// apart names the session among those with the relay, see Config.Isolate. keep is for a session
// that queues are subscribed in.
func (a *Agent) session(server wire.Server, apart string, keep bool) (*relaySession, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, smp.ErrClosed
	}
	name := server.String() + apart
	if s := a.sessions[name]; s != nil {
		s.users++
		s.keep = s.keep || keep
		return s, nil
	}
	network := a.cfg.Network
	network.Circuit = apart
	s := &relaySession{name: name, server: server, session: smp.NewSession(network, server), users: 1, keep: keep}
	a.sessions[name] = s
	a.wg.Go(func() { a.watch(s) })
	return s, nil
}

// apart names the session for commands about an entity, empty if all share one with each relay.
func (a *Agent) apart(entity smp.ID) string {
	if a.cfg.Isolate == nil || !a.cfg.Isolate() {
		return ""
	}
	if entity == "" { // it will be used for the queue that is made, so no other may be made in it
		return "#" + rand.Text()
	}
	return "#" + hex.EncodeToString([]byte(entity))
}

// command sends a command to a relay and returns its answer.
func (a *Agent) command(ctx context.Context, server wire.Server, entity smp.ID, key *crypt.Ed25519Private, cmd smp.Command) (smp.Message, error) {
	r := smp.Request{Entity: entity, Command: cmd}
	if key != nil {
		r.Key = key
	}
	return a.do(ctx, server, r)
}

// idleTime is how long a session stays open in which nothing but a link was looked up.
const idleTime = 5 * time.Minute

// release tells that a session is not used any more.
func (a *Agent) release(s *relaySession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.users--
	if s.users > 0 || s.keep || s.sends || s.idling || a.closed {
		return
	}
	s.idling = true
	a.wg.Go(func() {
		if a.pause(idleTime) {
			a.mu.Lock()
			s.idling = false
			idle := !s.sends
			a.mu.Unlock()
			if idle {
				a.leave(s)
			}
		}
	})
}

// sending tells that messages are sent in a session, or through it.
func (a *Agent) sending(s *relaySession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.sends = true
}

// leave closes a session that nothing needs: what was looked up once is no reason to go on
// connecting. It tells whether it did.
func (a *Agent) leave(s *relaySession) bool {
	a.mu.Lock()
	idle := s.users == 0 && !s.keep && !a.closed && a.sessions[s.name] == s
	others := false
	if idle {
		delete(a.sessions, s.name)
		for _, other := range a.sessions {
			others = others || other.server.String() == s.server.String()
		}
	}
	a.mu.Unlock()
	if idle {
		s.session.Close()
		if !others {
			a.cfg.Handler.RelayState(s.server, false, ErrRelayLeft)
		}
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
	s, err := a.session(server, a.apart(r.Entity), makes)
	if err != nil {
		return nil, err
	}
	defer a.release(s)
	if _, ok := r.Command.(smp.Send); ok {
		a.sending(s)
	}
	answer, err := s.session.Do(ctx, r)
	if errors.Is(err, smp.ErrTimeout) {
		a.probe(s)
	}
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
	s, err := a.session(server, a.apart(smp.ID(q.RecipientID)), true)
	if err != nil {
		return err
	}
	defer a.release(s)
	key := crypt.Ed25519Private(q.Key)
	s.session.Subscribe(smp.Subscription{Entity: smp.ID(q.RecipientID), Key: &key})
	return nil
}

// probeTime is how long a relay may take to answer before its connection is taken for dead.
const probeTime = 20 * time.Second

// probe makes sure, in the background, that the relay of a session still answers, and connects again
// if it does not.
func (a *Agent) probe(s *relaySession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.probeLocked(s)
}

func (a *Agent) probeLocked(s *relaySession) {
	if s.probing || a.closed {
		return
	}
	s.probing = true
	a.wg.Go(func() {
		ctx, cancel := context.WithTimeout(a.ctx, probeTime)
		defer cancel()
		s.session.Check(ctx)
		a.mu.Lock()
		s.probing = false
		a.mu.Unlock()
	})
}

// The clock is looked at every clockTick; if it went on by clockSlack more than that, the computer
// slept.
const (
	clockTick  = 10 * time.Second
	clockSlack = 20 * time.Second
)

// watchClock connects to relays again, or makes sure that they still answer, after the computer
// slept. Timers stand still meanwhile, and the connections are often dead.
func (a *Agent) watchClock() {
	// Depending on the system the monotonic clock stands still as well, or goes on.
	wall, monotonic := a.cfg.Now().Round(0), time.Now()
	for a.pause(clockTick) {
		w, m := a.cfg.Now().Round(0), time.Now()
		if max(w.Sub(wall), m.Sub(monotonic)) > clockTick+clockSlack {
			a.Retry()
		}
		wall, monotonic = w, m
	}
}

// Retry connects to relays and sends what waits at once, as when the network is back. Relays that
// there is a connection with are asked whether they still answer.
func (a *Agent) Retry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		a.probeLocked(s)
	}
	for _, s := range a.senders {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Reconnect ends the connections to all relays and makes new ones: to be called when
// Config.Network.Path or Config.Isolate answers something else from now on. After it returned nothing goes by the
// connections that there were.
func (a *Agent) Reconnect() {
	a.routes.forget()
	isolated := a.apart("") != ""
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		s.session.Reconnect()
		if isolated != a.isolated && !a.closed {
			a.wg.Go(func() { a.regroup(s) })
		}
	}
	a.isolated = isolated
}

// regroupPoll is how often regroup looks whether a session is in use.
const regroupPoll = 100 * time.Millisecond

// regroup closes a session as soon as it is not in use, and subscribes to its queues in those that they are to have now.
func (a *Agent) regroup(s *relaySession) {
	for {
		a.mu.Lock()
		there, idle := a.sessions[s.name] == s, s.users == 0 && !a.closed
		if there && idle {
			s.keep, s.sends = false, false
		}
		a.mu.Unlock()
		if !there {
			return
		}
		if idle {
			queues := s.session.Queues()
			if a.leave(s) {
				a.subscribeAnew(s.server, queues)
				return
			}
		}
		if !a.pause(regroupPoll) {
			return
		}
	}
}

// subscribeAnew subscribes to those of the queues that are still ours.
func (a *Agent) subscribeAnew(server wire.Server, ids []smp.ID) {
	var queues []*store.ReceiveQueue
	err := a.cfg.DB.View(a.ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			q, err := tx.ReceiveQueueByID(server.String(), []byte(id))
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			queues = append(queues, q)
		}
		return nil
	})
	if err != nil {
		return // the program ends
	}
	for _, q := range queues {
		_ = a.subscribe(q) // the address of the relay is good, and Close ends it otherwise
	}
}

// watch handles what comes from a relay until its session is closed.
func (a *Agent) watch(s *relaySession) {
	for e := range s.session.Events() {
		switch e := e.(type) {
		case smp.Up:
			s.setDown(nil)
			a.cfg.Handler.RelayState(s.server, true, nil)
		case smp.Down:
			s.setDown(e.Err)
			if a.leave(s) {
				return
			}
			if a.ctx.Err() == nil {
				a.cfg.Handler.RelayState(s.server, false, e.Err)
			}
		case smp.Subscribed:
			switch {
			case errors.Is(e.Err, smp.ErrAuth):
				a.queueGone(s.server.String(), e.Entity)
			case e.Err != nil && !permanent(e.Err):
				a.resubscribe(s, e.Entity, a.cfg.RetrySend.Max)
			}
		case smp.Event:
			switch m := e.Message.(type) {
			case smp.Msg:
				a.arrived(s, e.Entity, m)
			case smp.Deld:
				a.queueGone(s.server.String(), e.Entity)
			}
		}
	}
}

// arrived stores a message and then acknowledges it.
func (a *Agent) arrived(s *relaySession, id smp.ID, msg smp.Msg) {
	key, err := a.receive(s.server.String(), id, msg)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errDraining) {
		return // of a queue that is not ours any more, or too early
	}
	if err != nil {
		// It could not be stored. Subscribing again makes the relay deliver it again.
		a.resubscribe(s, id, a.cfg.RetrySend.First)
		return
	}
	// Waiting for the answer here would hold up the messages of other queues.
	a.goRun(func() {
		// Without the acknowledgement the relay delivers the message again, which is recognised.
		_, err := s.session.Do(a.ctx, smp.Request{Entity: id, Key: key, Command: smp.Ack{MsgID: msg.ID}})
		switch {
		case errors.Is(err, smp.ErrTimeout):
			a.probe(s)
			a.resubscribe(s, id, a.cfg.RetrySend.First)
		case err != nil && !permanent(err) && !errors.Is(err, smp.ErrClosed):
			// The relay goes on with the queue only then.
			a.resubscribe(s, id, a.cfg.RetrySend.First)
		}
	})
}

// resubscribe subscribes to a queue again after a while, if it is still ours.
func (a *Agent) resubscribe(s *relaySession, id smp.ID, after time.Duration) {
	a.goRun(func() {
		if !a.pause(after) {
			return
		}
		var q *store.ReceiveQueue
		err := a.cfg.DB.View(a.ctx, func(tx *store.Tx) (err error) {
			q, err = tx.ReceiveQueueByID(s.server.String(), []byte(id))
			return err
		})
		if err == nil && q.State != queueDeleted {
			key := crypt.Ed25519Private(q.Key)
			s.session.Subscribe(smp.Subscription{Entity: id, Key: &key})
		}
	})
}

// queueGone ends a connection whose queue the relay has deleted. While a queue is moved the other one may
// do instead.
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
		queues, err := tx.ReceiveQueuesOf(c.ID)
		if err != nil {
			return err
		}
		for _, other := range queues {
			if q.Replaces == other.ID || other.Replaces == q.ID && other.E2ESecret != nil {
				return tx.DeleteReceiveQueue(q.ID)
			}
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
