package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
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

	// Guarded by the agent's mutex. Without commands that use the session, and queues that are subscribed in it, it is not
	// connected again.
	users   int
	sends   bool // messages were sent in it: more will follow
	idling  bool // waits to be closed unless it is used again
	probing bool
	left    chan struct{} // closed when it is not in Agent.sessions any more

	mu     sync.Mutex
	up     bool
	down   error         // why the session is down, nil while it is up or was not tried yet
	broken chan struct{} // closed while it is down
	failed chan struct{} // closed, and made anew, when an attempt to connect fails or the session is lost
}

// set keeps whether the session is up, or why it is not.
func (s *relaySession) set(down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down == nil && down != nil:
		close(s.broken)
	case s.down != nil && down == nil:
		s.broken = make(chan struct{})
	}
	if s.up, s.down = down == nil, down; down != nil {
		close(s.failed)
		s.failed = make(chan struct{})
	}
}

// patience is how long a command waits for the session with its relay to be up.
type patience int

const (
	untilUp    patience = iota // in the background: attempts to connect go on at growing intervals
	aFewTries                  // somebody waits for the answer: fewTries attempts, made soon
	oneAttempt                 // there is another relay that would do as well: the attempt that is being made, connectTime at most
)

// fewTries is how many attempts to connect have to fail, the second fewPause after the first, before who waits for a command is
// told why; one is enough if it took fewTime, as where names can't be looked up. An attempt that hangs is waited for, as for Tor to
// be ready, and what Tor fails at may work with the next circuit.
const (
	fewTries = 3
	fewPause = 500 * time.Millisecond
	fewTime  = 8 * time.Second
)

// byCircuit tells whether an attempt to connect failed at a circuit of Tor.
func byCircuit(err error) bool {
	var dial *transport.DialError
	if !errors.As(err, &dial) || dial.Stage != transport.StageProxy {
		return false
	}
	return dial.Kind == transport.KindUnreachable || dial.Kind == transport.KindTimeout || dial.Kind == transport.KindOther
}

// patiently does what needs the session to be up. If that is not up in time its error is an unreachedError, which tells why.
func (s *relaySession) patiently(ctx context.Context, wait patience, f func(ctx context.Context) error) error {
	whole := ctx
	cancel := func() {}
	switch wait {
	case aFewTries:
		ctx, cancel = s.whileTrying(ctx)
	case oneAttempt:
		ctx, cancel = s.whileUp(ctx)
	}
	defer cancel()
	err := f(ctx)
	if err != nil && ctx.Err() != nil {
		if down := s.reason(); down != nil {
			err = down // tells more than that time is over
		}
		if whole.Err() == nil {
			err = &unreachedError{err}
		}
	}
	return err
}

// whileTrying returns a context that ends when fewTries attempts to connect have failed from now on.
func (s *relaySession) whileTrying(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		began, wait := time.Now(), fewPause
		for tries := 0; ; wait *= 2 {
			s.mu.Lock()
			failed, down := s.failed, s.down != nil
			s.mu.Unlock()
			if down {
				s.session.Retry()
			}
			select {
			case <-failed:
			case <-ctx.Done():
				return
			}
			if !byCircuit(s.reason()) {
				if tries++; tries == fewTries || time.Since(began) >= fewTime {
					return
				}
			}
			pause := time.NewTimer(wait)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
		}
	}()
	return ctx, cancel
}

// connectTime is how long a relay may take to be connected with before another one that would do as well is tried.
const connectTime = 20 * time.Second

// whileUp returns a context that ends when the session is down, or is not up in time.
func (s *relaySession) whileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	late := time.AfterFunc(connectTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.up {
			cancel()
		}
	})
	go func() {
		defer late.Stop()
		select {
		case <-broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// unreachedError tells that a command was not done as there is no connection with its relay.
type unreachedError struct{ reason error }

func (e *unreachedError) Error() string { return e.reason.Error() }
func (e *unreachedError) Unwrap() error { return e.reason }

// reason returns why the session is down.
func (s *relaySession) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// session returns the session with a relay, a new one if there is none. The caller releases it.
// apart names the session among those with the relay, see Config.Isolate.
func (a *Agent) session(server wire.Server, apart string) (*relaySession, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, smp.ErrClosed
	}
	name := server.String() + apart
	if s := a.sessions[name]; s != nil {
		s.users++
		return s, nil
	}
	network := a.cfg.Network
	network.Circuit = apart
	s := &relaySession{name: name, server: server, session: smp.NewSession(network, server), users: 1, left: make(chan struct{}),
		broken: make(chan struct{}), failed: make(chan struct{})}
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

// command sends a command to a relay in the background and returns its answer.
func (a *Agent) command(ctx context.Context, server wire.Server, entity smp.ID, key *crypt.Ed25519Private, cmd smp.Command) (smp.Message, error) {
	return a.do(ctx, server, requestOf(entity, key, cmd), untilUp)
}

// ask is command for what somebody waits for.
func (a *Agent) ask(ctx context.Context, server wire.Server, entity smp.ID, key *crypt.Ed25519Private, cmd smp.Command) (smp.Message, error) {
	return a.do(ctx, server, requestOf(entity, key, cmd), aFewTries)
}

func requestOf(entity smp.ID, key *crypt.Ed25519Private, cmd smp.Command) smp.Request {
	r := smp.Request{Entity: entity, Command: cmd}
	if key != nil {
		r.Key = key
	}
	return r
}

// idleTime is how long a session stays open in which nothing but a link was looked up.
const idleTime = 5 * time.Minute

// release tells that a session is not used any more.
func (a *Agent) release(s *relaySession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.users--; s.users > 0 || s.sends || s.idling || a.closed || !s.session.Empty() {
		return
	}
	s.idling = true
	a.wg.Go(func() {
		if a.pauseUntil(idleTime, s.left) {
			a.mu.Lock()
			s.idling = false
			idle := !s.sends
			a.mu.Unlock()
			if idle {
				a.leave(s, false)
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

// sendsNoMore tells that a queue is not sent to any more, so that sessions for it alone, with its relay or a proxy, are left.
func (a *Agent) sendsNoMore(q *store.SendQueue) {
	apart := a.apart(smp.ID(q.SenderID))
	if apart == "" {
		return
	}
	a.routes.remove(q.Server + apart)
	var left []*relaySession
	a.mu.Lock()
	for name, s := range a.sessions {
		if strings.HasSuffix(name, apart) {
			s.sends = false
			s.users++
			left = append(left, s)
		}
	}
	a.mu.Unlock()
	for _, s := range left {
		a.release(s)
	}
}

// leave closes a session that nothing needs: what was looked up once is no reason to go on
// connecting. With regrouped the queues that are subscribed in it do not need it. It tells whether it did.
func (a *Agent) leave(s *relaySession, regrouped bool) bool {
	a.mu.Lock()
	idle := s.users == 0 && (regrouped || s.session.Empty()) && !a.closed && a.sessions[s.name] == s
	others := false
	if idle {
		delete(a.sessions, s.name)
		close(s.left)
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

// RelayError tells which relay it is that could not do something.
type RelayError struct {
	Relay wire.Server
	Err   error
}

func (e *RelayError) Error() string { return e.Relay.Hosts[0] + ": " + e.Err.Error() }
func (e *RelayError) Unwrap() error { return e.Err }

// onRelay has an error tell the relay, unless it tells one.
func onRelay(server wire.Server, err error) error {
	if err == nil || errors.As(err, new(*RelayError)) || errors.As(err, new(*HeldError)) {
		return err
	}
	return &RelayError{server, err}
}

// do sends a command to a relay and returns its answer. If the session with the relay is not up it waits for that; if it was not
// up in time, the error is an unreachedError. Errors are in a RelayError, but for a HeldError.
func (a *Agent) do(ctx context.Context, server wire.Server, r smp.Request, wait patience) (_ smp.Message, err error) {
	defer fault.Contain(&err)
	if a.exchange != nil {
		return a.exchange(server, r)
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if choice, ok := a.routed(server, r.Command); ok {
		answer, direct, err := a.forward(ctx, server, r, choice, wait)
		if !direct {
			return answer, onRelay(server, err)
		}
	}
	s, err := a.session(server, a.apart(r.Entity))
	if err != nil {
		return nil, err
	}
	defer a.release(s)
	if _, ok := r.Command.(smp.Send); ok {
		a.sending(s)
	}
	var answer smp.Message
	err = s.patiently(ctx, wait, func(ctx context.Context) (err error) {
		answer, err = s.session.Do(ctx, r)
		return err
	})
	if ids, ok := answer.(smp.IDs); ok {
		a.adopt(s, ids.RcvID)
	}
	if errors.Is(err, smp.ErrTimeout) {
		a.probe(s)
	}
	return answer, onRelay(server, err)
}

// adopt names a session that was made for a new queue alone after that queue.
func (a *Agent) adopt(s *relaySession, queue smp.ID) {
	apart := a.apart(queue)
	if apart == "" {
		return
	}
	name := s.server.String() + apart
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[s.name] == s && a.sessions[name] == nil {
		delete(a.sessions, s.name)
		s.name, a.sessions[name] = name, s
	}
}

// permanent tells whether trying a command again can't help.
func permanent(err error) bool {
	var refused *smp.Error
	switch {
	case errors.As(err, new(*HeldError)):
		return false // the choice of routing can be changed, and so can relays
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
	close(a.again)
	a.again = make(chan struct{})
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
		if a.leave(s, true) {
			a.subscribeAnew(s.server, s.session.Queues())
			return
		}
		a.mu.Lock()
		there := a.sessions[s.name] == s
		a.mu.Unlock()
		if !there {
			return
		}
		if !a.pause(regroupPoll) {
			return
		}
	}
}
