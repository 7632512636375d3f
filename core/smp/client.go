package smp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/fault"
)

// Errors of a Client. A command that failed with one of them may have been executed.
var (
	// ErrTimeout tells that the relay did not answer in time.
	ErrTimeout = errors.New("smp: the relay did not answer in time")
	// ErrClosed tells that the session has ended; it is wrapped with the cause.
	ErrClosed = errors.New("smp: the session with the relay has ended")
	// ErrProtocol tells that the relay broke the protocol.
	ErrProtocol = errors.New("smp: the relay broke the protocol")
)

// errClosedHere is the cause of a session that Close ended.
var errClosedHere = errors.New("closed by this side")

// A Request is a command to be sent.
type Request struct {
	Entity  ID      // empty for New, Ping, Prxy
	Key     AuthKey // nil for a command without an authorization
	Command Command
	// CorrID is nil for a random one. A New with link data has to choose it, see SenderID:
	// CorrIDSize random bytes, never used before.
	CorrID []byte
}

// A Result is the answer to a request, or why there is none. Err is an *Error if the relay refused.
type Result struct {
	Message Message
	Err     error
}

// An Event is what the relay sent without having been asked, and every message: Message is
// a Msg, NMsg, End, Ends, Deld or *Error.
type Event struct {
	Entity  ID
	Message Message
}

// Client is a session with one relay. Its methods may be called by several goroutines.
type Client struct {
	conn     Conn
	params   Params
	relayKey *crypt.X25519Public // nil in version 6
	config   Config

	events  chan Event
	wake    chan struct{} // holds one when there is something to write
	arrived chan struct{} // holds one when there are events to deliver

	forwards chan struct{} // holds one for each command that the relay is asked to forward
	stop     chan struct{} // closed when the session ends
	done     chan struct{} // closed when the goroutines have ended, too

	mu         sync.Mutex
	err        error // why stop is closed
	outbox     []*request
	pending    map[string]*request // by correlation id
	inbox      []Event
	subscribed int // subscriptions that were asked for
	timeouts   int // in a row
	blocks     int // received
	received   time.Time
}

type request struct {
	Request
	encoded []byte
	answer  chan Result // holds one
	left    bool        // nobody waits for the answer
}

// start starts the goroutines of a session whose handshake is done.
func (c *Client) start() {
	c.events = make(chan Event)
	c.wake, c.arrived = make(chan struct{}, 1), make(chan struct{}, 1)
	c.stop, c.done = make(chan struct{}), make(chan struct{})
	c.forwards = make(chan struct{}, maxForwards)
	c.pending = make(map[string]*request)
	c.received = time.Now()
	var wg sync.WaitGroup
	for _, run := range []func(){c.read, c.write, c.deliver, c.watch} {
		wg.Go(func() {
			if err := contained(run); err != nil {
				c.fail(err)
			}
		})
	}
	go func() {
		wg.Wait()
		c.conn.Wipe()
		close(c.events)
		close(c.done)
	}()
}

// contained does what handles bytes of the relay. A fault in it is an error.
func contained(f func()) (err error) {
	defer fault.Contain(&err)
	f()
	return nil
}

// Params returns what the handshake agreed on.
func (c *Client) Params() Params { return c.params }

// RelayKey returns the relay's session key, nil in version 6.
func (c *Client) RelayKey() *crypt.X25519Public { return c.relayKey }

// Events returns the channel of events, in the order in which they came. It is closed when
// the session has ended; what was not taken by then comes again after the next Sub.
//
// A relay sends the next message of a queue only after the last one was acknowledged, so
// events wait in memory without holding up answers. A relay that sends more than that, to a
// receiver that does not take them, loses the session with ErrProtocol.
func (c *Client) Events() <-chan Event { return c.events }

// Done returns a channel that is closed when the session has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns nil while the session lasts, then ErrClosed wrapped with the cause.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session and waits for its goroutines. What waits for an answer gets ErrClosed.
func (c *Client) Close() {
	c.fail(errClosedHere)
	<-c.done
}

func (c *Client) fail(cause error) { c.end(cause, c.conn.Close) }

// drop is Close without waiting, and without sending what was written and waits to be sent.
func (c *Client) drop() {
	end := c.conn.Close
	if conn, ok := c.conn.(interface{ Drop() error }); ok { // not in tests
		end = conn.Drop
	}
	c.end(errClosedHere, end)
}

func (c *Client) end(cause error, end func() error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = fmt.Errorf("%w: %w", ErrClosed, cause)
	c.outbox, c.inbox = nil, nil
	clear(c.pending)
	close(c.stop)
	c.mu.Unlock()
	end()
}

// Do sends a command and returns its answer. The error is an *Error if the relay refused,
// ErrTimeout, ErrClosed, an *UnexpectedError or that of ctx.
//
// A message never comes as an answer: where the relay answers with a Msg it is delivered as
// an event, and Do returns OK for an Ack and SOK for a Sub. Only the Msg that answers a Get
// is returned.
func (c *Client) Do(ctx context.Context, r Request) (Message, error) {
	result := c.DoBatch(ctx, []Request{r})[0]
	return result.Message, result.Err
}

// DoBatch sends commands in as few blocks as possible and returns their results in the same
// order. The commands must not depend on each other: relays execute them in any order
// (smp-transport.md §9).
func (c *Client) DoBatch(ctx context.Context, list []Request) []Result {
	results := make([]Result, len(list))
	requests := make([]*request, len(list))
	timeout := c.config.CommandTimeout
	for i, r := range list {
		q, err := c.prepare(r)
		if err != nil {
			results[i].Err = err
			continue
		}
		requests[i] = q
		timeout = max(timeout, c.timeout(r.Command))
	}
	if err := c.submit(requests); err != nil {
		for i, q := range requests {
			if q != nil {
				results[i].Err = err
			}
		}
		return results
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var over error // why waiting is over
	for i, q := range requests {
		if q == nil {
			continue
		}
		if over == nil {
			select {
			case results[i] = <-q.answer:
				continue
			case <-c.stop:
				over = c.Err()
			case <-ctx.Done():
				over = ctx.Err()
			case <-timer.C:
				over = ErrTimeout
				c.timedOut()
			}
		}
		results[i] = c.leave(q, over)
	}
	return results
}

// timeout is how long a command may take (smp-transport.md §10).
func (c *Client) timeout(cmd Command) time.Duration {
	switch cmd.(type) {
	case Pfwd:
		return 2 * c.config.CommandTimeout
	case Prxy:
		return c.config.ConnectTimeout + c.config.CommandTimeout
	}
	return c.config.CommandTimeout
}

// prepare encodes and authorizes a request.
func (c *Client) prepare(r Request) (*request, error) {
	if send, ok := r.Command.(Send); ok && len(send.Body) > MaxBody(c.params.Version) {
		return nil, fmt.Errorf("smp: message of %d bytes: %w", len(send.Body), ErrLarge)
	}
	if r.CorrID == nil {
		r.CorrID = make([]byte, CorrIDSize)
		if _, err := rand.Read(r.CorrID); err != nil {
			return nil, fmt.Errorf("smp: reading randomness for a command: %w", err)
		}
	}
	t := Transmission{CorrID: r.CorrID, Entity: []byte(r.Entity), Body: r.Command.Append(nil, c.params.Version)}
	if r.Key != nil {
		if err := t.Authorize(c.params, r.Key, c.relayKey); err != nil {
			return nil, err
		}
	}
	encoded := c.params.AppendTransmission(make([]byte, 0, 200+len(t.Body)), &t)
	if len(encoded) > MaxTransmission {
		return nil, fmt.Errorf("smp: command of %d bytes: %w", len(encoded), ErrLarge)
	}
	return &request{Request: r, encoded: encoded, answer: make(chan Result, 1)}, nil
}

// submit hands requests to the writer.
func (c *Client) submit(requests []*request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	for _, q := range requests {
		if q == nil {
			continue
		}
		c.pending[string(q.CorrID)] = q
		c.outbox = append(c.outbox, q)
		switch cmd := q.Command.(type) {
		case Sub, NSub, NSubs:
			c.subscribed++
		case New:
			if cmd.Subscribe {
				c.subscribed++
			}
		}
	}
	signal(c.wake)
	return nil
}

// leave gives a request up, unless its answer has just come. The late answer to an Ack or a
// Sub may be a message, so these stay known.
func (c *Client) leave(q *request, reason error) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case r := <-q.answer:
		return r
	default:
	}
	q.left = true
	switch q.Command.(type) {
	case Ack, Sub:
	default:
		delete(c.pending, string(q.CorrID))
	}
	return Result{Err: reason}
}

// Rules of giving a session up (smp-transport.md §10).
const (
	maxTimeouts = 3
	maxSilence  = 15 * time.Minute
	pingAgain   = time.Minute // after a Ping that was not answered
)

func (c *Client) timedOut() {
	c.mu.Lock()
	c.timeouts++
	dead := c.timeouts >= maxTimeouts && time.Since(c.received) > maxSilence
	c.mu.Unlock()
	if dead {
		c.fail(ErrTimeout)
	}
}

// blocksReceived returns how many blocks were received: what shows that the relay is there.
func (c *Client) blocksReceived() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write writes what is ready in as few blocks as possible.
func (c *Client) write() {
	var content []byte
	for {
		select {
		case <-c.stop:
			return
		case <-c.wake:
		}
		groups, err := Batch(c.takeOutbox())
		for _, g := range groups {
			if err == nil {
				content = AppendBlock(content[:0], g)
				err = c.conn.WriteBlock(content)
			}
		}
		if err != nil {
			c.fail(fmt.Errorf("writing a block: %w", err))
			return
		}
	}
}

func (c *Client) takeOutbox() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list [][]byte
	for _, q := range c.outbox {
		if !q.left {
			list = append(list, q.encoded)
		}
		q.encoded = nil
	}
	c.outbox = nil
	return list
}

// read reads blocks until the session ends.
func (c *Client) read() {
	var list [][]byte
	for {
		content, err := c.conn.ReadBlock()
		if err != nil {
			c.fail(fmt.Errorf("reading a block: %w", err))
			return
		}
		if list, err = SplitBlock(list[:0], content); err != nil {
			c.fail(fmt.Errorf("%w: a block can't be read", ErrProtocol))
			return
		}
		if err := c.receiveAll(list); err != nil {
			c.fail(err)
			return
		}
	}
}

// receiveAll takes the transmissions of a block.
func (c *Client) receiveAll(list [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock() // also after a fault
	c.received, c.timeouts = time.Now(), 0
	c.blocks++
	for _, b := range list {
		if err := c.receive(b); err != nil {
			return err
		}
	}
	return nil
}

// receive takes one transmission. The caller holds the mutex.
func (c *Client) receive(b []byte) error {
	t, err := c.params.ParseTransmission(b)
	if err != nil {
		return fmt.Errorf("%w: a transmission can't be read", ErrProtocol)
	}
	m, err := ParseMessage(c.params.Version, t.Body)
	if len(t.CorrID) == 0 {
		if err != nil || !isEvent(m) {
			return nil // an event that a later version may know
		}
		return c.happened(Event{ID(t.Entity), m})
	}
	q := c.pending[string(t.CorrID)]
	if q == nil {
		return nil // given up before
	}
	delete(c.pending, string(t.CorrID))
	var result Result
	if err != nil {
		result.Err = &UnexpectedError{Command: q.Command}
	} else {
		result = q.accept(ID(t.Entity), m)
	}
	if msg, ok := m.(Msg); ok && result.Err == nil {
		if _, get := q.Command.(Get); !get {
			result.Message = OK{}
			if _, sub := q.Command.(Sub); sub {
				result.Message = SOK{}
			}
			if err := c.happened(Event{q.Entity, msg}); err != nil {
				return err
			}
		}
	}
	q.answer <- result
	return nil
}

// maxEvents bounds the events in memory apart from two for each subscription: the message
// that is not acknowledged yet, and the end of the subscription.
const maxEvents = 256

func (c *Client) happened(e Event) error {
	if c.err != nil {
		return nil
	}
	if len(c.inbox) >= maxEvents+2*c.subscribed {
		return fmt.Errorf("%w: too many events", ErrProtocol)
	}
	c.inbox = append(c.inbox, e)
	signal(c.arrived)
	return nil
}

// deliver hands events over in order.
func (c *Client) deliver() {
	for {
		e, ok := c.nextEvent()
		if !ok {
			select {
			case <-c.stop:
				return
			case <-c.arrived:
			}
			continue
		}
		select {
		case <-c.stop:
			return
		case c.events <- e:
		}
	}
}

func (c *Client) nextEvent() (e Event, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.inbox) == 0 {
		return e, false
	}
	e, c.inbox[0] = c.inbox[0], Event{}
	c.inbox = c.inbox[1:]
	return e, true
}

// watch sends a Ping after a subscription whenever nothing came for PingInterval.
func (c *Client) watch() {
	timer := time.NewTimer(c.config.PingInterval)
	defer timer.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-timer.C:
		}
		c.mu.Lock()
		silence, subscribed := time.Since(c.received), c.subscribed > 0
		c.mu.Unlock()
		if silence < c.config.PingInterval {
			timer.Reset(c.config.PingInterval - silence)
			continue
		}
		next := c.config.PingInterval
		if subscribed {
			// Its failure counts as a timeout, and is looked into without waiting as long again.
			if _, err := c.Do(context.Background(), Request{Command: Ping{}}); err != nil {
				next = min(next, pingAgain)
			}
		}
		timer.Reset(next)
	}
}
