package smp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/wire"
)

// Times between attempts to connect, and the size of a batch of subscriptions (agent.md §11).
const (
	reconnectFirst = 2 * time.Second
	reconnectAfter = 10 * time.Second // from when on the time between attempts grows
	reconnectMax   = 180 * time.Second
	subscribeBatch = 1350
)

// A SessionEvent is what a Session tells: an Event, Up, Down or Subscribed.
type SessionEvent interface{ sessionEvent() }

type (
	// Up tells that the session is connected. Subscriptions follow.
	Up struct{ Params Params }
	// Down tells that the session is not connected any more, or that an attempt to connect
	// failed. The next attempt follows.
	Down struct{ Err error }
	// Subscribed tells the result of a subscription. With ErrAuth the queue is not there any
	// more and is forgotten; after another error it is tried again after the next Up. It does
	// not come after the End or Deld of the queue.
	Subscribed struct {
		Entity ID
		Err    error
	}
)

func (Event) sessionEvent()      {}
func (Up) sessionEvent()         {}
func (Down) sessionEvent()       {}
func (Subscribed) sessionEvent() {}

// A Subscription is a queue to be subscribed to. Its key stays in use until Unsubscribe.
type Subscription struct {
	Entity ID // recipient id
	Key    AuthKey
}

// Session keeps a Client of one relay connected until Close, and queues subscribed: after
// a loss it connects again, at growing intervals, and subscribes again.
type Session struct {
	connect func(context.Context) (*Client, error)
	events  chan SessionEvent
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	retry   chan struct{} // holds one when the next attempt is not to wait

	mu       sync.Mutex
	attempt  func()        // ends the attempt to connect, and a client that is not set yet
	client   *Client       // nil while down
	up       chan struct{} // closed when client is set; a new one when it is not
	subs     map[ID]*subscription
	unsubbed chan struct{} // holds one when a subscription is to be made

	telling sync.Mutex // held while it is told that a subscription began or ended
}

type subscription struct {
	key   AuthKey
	asked bool // in this connection
}

// NewSession starts to keep a session with a relay.
func NewSession(config Config, server wire.Server) *Session {
	return newSession(func(ctx context.Context) (*Client, error) { return Connect(ctx, config, server) })
}

func newSession(connect func(context.Context) (*Client, error)) *Session {
	s := &Session{
		connect:  connect,
		events:   make(chan SessionEvent),
		done:     make(chan struct{}),
		retry:    make(chan struct{}, 1),
		up:       make(chan struct{}),
		subs:     make(map[ID]*subscription),
		unsubbed: make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run()
	return s
}

// Events returns the channel of events. It has to be read for as long as the session is
// kept; it is closed after Close.
func (s *Session) Events() <-chan SessionEvent { return s.events }

// Close ends the session and waits for its goroutines.
func (s *Session) Close() {
	s.cancel()
	<-s.done
}

// Retry connects at once if the session waits for the next attempt, as when the network is back.
func (s *Session) Retry() { signal(s.retry) }

// Reconnect ends the connection, if there is one, and makes a new one at once: to be called when
// Config.Path answers something else from now on. After it returned no command goes by the connection that
// there was.
func (s *Session) Reconnect() {
	s.mu.Lock()
	c := s.client
	if c == nil && s.attempt != nil {
		s.attempt()
	}
	s.mu.Unlock()
	signal(s.retry)
	if c != nil {
		c.drop()
	}
}

// Check makes sure that the relay is still there, as after the computer slept, when a connection can be
// dead without either side knowing: it waits for any answer until ctx is done, and connects again at
// once if none came, or if the session was not connected.
func (s *Session) Check(ctx context.Context) {
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	if c == nil {
		s.Retry()
		return
	}
	before := c.blocksReceived()
	if _, err := c.Do(ctx, Request{Command: Ping{}}); err != nil && c.blocksReceived() == before && s.ctx.Err() == nil {
		signal(s.retry)
		c.fail(ErrTimeout)
	}
}

// Subscribe remembers queues and subscribes to them now, or when the session is next
// connected. The results come as events.
func (s *Session) Subscribe(list ...Subscription) {
	s.mu.Lock()
	for _, sub := range list {
		s.subs[sub.Entity] = &subscription{key: sub.Key}
	}
	s.mu.Unlock()
	signal(s.unsubbed)
}

// Unsubscribe forgets queues: they are not subscribed to again. The relay goes on sending
// until the connection ends.
func (s *Session) Unsubscribe(list ...ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range list {
		delete(s.subs, id)
	}
}

// Queues returns the queues that are remembered.
func (s *Session) Queues() (list []ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.subs {
		list = append(list, id)
	}
	return list
}

// Remembers tells whether a queue is remembered.
func (s *Session) Remembers(id ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs[id] != nil
}

// Empty tells whether no queue is remembered.
func (s *Session) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subs) == 0
}

// Do waits until the session is connected, for as long as ctx allows, and does what
// Client.Do does. A queue that a New subscribes to is remembered, and one that a Del
// deletes is forgotten.
func (s *Session) Do(ctx context.Context, r Request) (Message, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return nil, err
	}
	m, err := c.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	switch cmd := r.Command.(type) {
	case New:
		if ids, ok := m.(IDs); ok && cmd.Subscribe {
			s.remember(c, ids.RcvID, r.Key)
		}
	case Del:
		s.Unsubscribe(r.Entity)
	}
	return m, nil
}

// wait waits until the session is connected and returns the client, which lasts until
// the next Down.
func (s *Session) wait(ctx context.Context) (*Client, error) {
	for {
		s.mu.Lock()
		c, up := s.client, s.up
		s.mu.Unlock()
		if c != nil {
			return c, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, ErrClosed
		}
	}
}

func (s *Session) remember(c *Client, id ID, key AuthKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[id] = &subscription{key: key, asked: s.client == c}
	if s.client != c { // it has ended since
		signal(s.unsubbed)
	}
}

func (s *Session) emit(e SessionEvent) {
	select {
	case s.events <- e:
	case <-s.ctx.Done():
	}
}

func (s *Session) run() {
	defer close(s.done)
	defer close(s.events)
	wait := newBackoff()
	for s.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(s.ctx)
		s.mu.Lock()
		s.attempt = cancel
		s.mu.Unlock()
		c, err := s.connect(ctx)
		if err == nil {
			start := time.Now()
			s.serve(ctx, c)
			err = c.Err()
			if time.Since(start) > wait.delay && !errors.Is(err, errMute) {
				wait = newBackoff()
			}
		}
		cancel()
		s.emit(Down{err})
		s.pause(wait.next())
	}
}

func (s *Session) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.retry:
	case <-s.ctx.Done():
	}
}

// serve works with a client until its session or ctx ends.
func (s *Session) serve(ctx context.Context, c *Client) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.fail(errClosedHere) })
	defer stop()
	s.emit(Up{c.Params()})
	s.mu.Lock()
	if ctx.Err() != nil { // by Reconnect, which has not seen it
		s.mu.Unlock()
		for range c.Events() { // none: nothing was subscribed to
		}
		return
	}
	s.client = c
	close(s.up)
	for _, sub := range s.subs {
		sub.asked = false
	}
	s.mu.Unlock()
	signal(s.unsubbed)
	subscribed := make(chan struct{})
	go func() {
		defer close(subscribed)
		s.subscribe(c)
	}()
	for e := range c.Events() {
		switch e.Message.(type) {
		case End, Deld:
			s.ended(e)
		default:
			s.emit(e)
		}
	}
	<-subscribed
	s.mu.Lock()
	s.client, s.up = nil, make(chan struct{})
	s.mu.Unlock()
}

// ended forgets a queue whose subscription the relay has ended, and tells so.
func (s *Session) ended(e Event) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Unsubscribe(e.Entity)
	s.emit(e)
}

// errMute is the cause of a session that ended because the relay did not react to subscriptions at all.
var errMute = fmt.Errorf("%w to subscriptions", ErrTimeout)

// subscribe makes the subscriptions that are wanted until the client's session ends. If nothing at all comes while a batch waits for
// its answers the session is given up, as in the reference: behind a proxy nobody else may notice that it is dead.
func (s *Session) subscribe(c *Client) {
	wait := newBackoff()
	for {
		batch := s.takeBatch()
		if len(batch) == 0 {
			select {
			case <-c.stop:
				return
			case <-s.unsubbed:
			}
			continue
		}
		failed, before := false, c.blocksReceived()
		for i, r := range c.DoBatch(s.ctx, batch) {
			failed = s.subscribed(batch[i].Entity, r.Err) || failed
		}
		if failed && s.ctx.Err() == nil && c.blocksReceived() == before {
			c.fail(errMute)
		}
		if c.Err() != nil {
			return
		}
		if failed {
			timer := time.NewTimer(wait.next())
			select {
			case <-c.stop:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

func (s *Session) takeBatch() (batch []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, sub := range s.subs {
		if len(batch) == subscribeBatch {
			break
		}
		if !sub.asked {
			sub.asked = true
			batch = append(batch, Request{Entity: id, Key: sub.key, Command: Sub{}})
		}
	}
	return batch
}

// subscribed takes the result of a subscription and tells whether it is to be tried again
// in this connection.
func (s *Session) subscribed(id ID, err error) (again bool) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	sub := s.subs[id]
	if sub == nil { // it has ended before those that were asked for with it were answered
		s.mu.Unlock()
		return false
	}
	if errors.Is(err, ErrTimeout) || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
		sub.asked = false
		s.mu.Unlock()
		return true
	}
	if errors.Is(err, ErrAuth) {
		delete(s.subs, id)
	}
	s.mu.Unlock()
	s.emit(Subscribed{id, err})
	return false
}

// backoff is the time between attempts (agent.md §11).
type backoff struct{ delay, elapsed time.Duration }

func newBackoff() backoff { return backoff{delay: reconnectFirst} }

// next returns how long to wait: the delay with a quarter of it taken away or added, so
// that what one event interrupted does not come back at one moment.
func (b *backoff) next() time.Duration {
	d := b.delay
	b.elapsed += d
	if b.elapsed > reconnectAfter {
		b.delay = min(d*3/2, reconnectMax)
	}
	return d*3/4 + rand.N(d/2)
}
