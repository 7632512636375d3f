// Package agent keeps connections. A connection is a pair of one-way queues on
// relays, one for each direction, with end-to-end encryption between the two
// ends (agent.md).
//
// One side makes a one-time link with [Agent.Invite], the other opens it with
// [Agent.Join]; both then learn through their [Handler] what the other tells of
// itself, and that they are connected. [Agent.Send] queues a message. An address,
// made by [Agent.MakeAddress], can be opened by anybody: each Join becomes a request
// there, which [Agent.Accept] makes a connection of. Of links there is a full form,
// which carries everything, and a short one, whose data a relay keeps and
// [Agent.Resolve] reads.
//
// Everything survives a crash. What is to be sent is stored encrypted, together
// with the ratchet that encrypted it, in the caller's transaction, and resent
// with the same bytes until the relay has it. What is received is stored by the
// Handler in the transaction that stores the ratchet, and only then acknowledged
// to the relay; a redelivery is recognised. So each message arrives once, in
// order, or is reported as missing.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Errors that a Handler or a caller gets.
var (
	// ErrLinkUsed tells that a one-time link was used before, or was taken back.
	ErrLinkUsed = errors.New("the link was used already, or was deleted by who made it")
	// ErrNotConnected tells that a connection can't send, not yet or not any more.
	ErrNotConnected = errors.New("not connected")
	// ErrQueueGone tells that the other side deleted its queue.
	ErrQueueGone = errors.New("the other side's queue does not exist any more")
	// ErrExpired tells that a message could not be handed to a relay for too long.
	ErrExpired = errors.New("the relay could not be reached for too long")
	// ErrTooLarge tells that a message is longer than MaxBody or MaxBodyPQ.
	ErrTooLarge = errors.New("message too long")
	// ErrRelayLeft is the reason when a session is over for good: nothing needs the relay any more.
	ErrRelayLeft = errors.New("the relay is not needed any more")
	// ErrReject is returned by a Handler that does not want a confirmation.
	ErrReject = errors.New("agent: confirmation rejected")
)

// State is the state of a connection.
type State string

// The states of a connection (agent.md §7).
const (
	StateInvited   State = "invited"   // our link was not opened yet
	StateAddress   State = "address"   // anybody can send requests to it
	StateJoining   State = "joining"   // we opened a link, and don't have a queue for the answer yet
	StateConfirmed State = "confirmed" // our confirmation is on its way
	StateConnected State = "connected"
	StateFailed    State = "failed"
)

// The roles in a handshake.
const (
	roleInitiator = "initiator"
	roleJoiner    = "joiner"
)

// The states of a queue, as the store has them; see QueueState.
const (
	queueNew      = "new"
	queueSecured  = "secured"
	queueActive   = "active"
	queueDeleted  = "deleted"
	queueRotating = "rotating"
)

// Relay is a relay on which queues can be made.
type Relay struct {
	Server   wire.Server
	Password string // for new queues, empty for none
}

// Integrity tells how a message follows the one before it (agent.md §4).
type Integrity int

// The results of the integrity check. A message is delivered whatever the result is.
const (
	IntegrityOK        Integrity = iota
	IntegritySkipped             // messages before this one are missing
	IntegrityBadID               // its number is lower than that of the last one
	IntegrityDuplicate           // its number is that of the last one
	IntegrityBadHash             // the sender's record of the message before differs from ours
)

func (i Integrity) String() string {
	return [...]string{"ok", "skipped", "bad id", "duplicate", "bad hash"}[i]
}

// MissingError tells that messages were skipped before one that the Handler does not get.
type MissingError struct{ Count int64 }

func (e *MissingError) Error() string { return fmt.Sprintf("%d messages are missing", e.Count) }

// Message is a message as it arrived.
type Message struct {
	Body      []byte
	Number    int64 // as the sender counts
	Time      time.Time
	Integrity Integrity
	Missing   int64 // how many messages were skipped
}

// Handler is the application above the agent. Its methods, RelayState and StoreState excepted, are called
// in the transaction that changes the connection; an error undoes all of it and the event
// comes again later. They must not wait for the network.
type Handler interface {
	// Request is called when somebody wants to connect by an address, with what they tell of
	// themselves. It is for Accept or Reject.
	Request(tx *store.Tx, address, request int64, info []byte) error
	// Confirm is called on the side that made the link when somebody opens it, with what they
	// tell of themselves. It returns what we tell. ErrReject leaves the link as it was.
	Confirm(tx *store.Tx, connection int64, info []byte) (reply []byte, err error)
	// Info is called on the side that opened a link with what the other side tells.
	Info(tx *store.Tx, connection int64, info []byte) error
	// Connected is called when both sides have confirmed.
	Connected(tx *store.Tx, connection int64) error
	// Failed is called when a connection can't come about, or was deleted by the relay.
	Failed(tx *store.Tx, connection int64, reason error) error
	// Message is called for each message. It tells whether the sender gets a receipt.
	Message(tx *store.Tx, connection int64, m Message) (receipt bool, err error)
	// Unreadable is called for a message that can't be decrypted, and with a *MissingError when one
	// that is not for the Handler, as a receipt, shows that others before it are missing.
	Unreadable(tx *store.Tx, connection int64, at time.Time, reason error) error
	// Sync is called when it changes whether the two ends can decrypt each other's messages.
	Sync(tx *store.Tx, connection int64, from, to SyncState) error
	// Moved is called when a queue is on another relay: mine tells whether it is the one that we
	// receive from or the one that we send to.
	Moved(tx *store.Tx, connection int64, mine bool) error
	// Elsewhere is called when another program, which has the same data, receives the messages of a connection from now
	// on, and when this one does again.
	Elsewhere(tx *store.Tx, connection int64, elsewhere bool) error
	// Held is called when what is to be sent to a connection waits because no relay of our own can forward it to that relay, see
	// HeldError, and with nil when it does not wait any more.
	Held(tx *store.Tx, connection int64, relay *wire.Server) error
	// Sent is called when the relay has a message, Delivered when its receipt came, and
	// NotSent when it is given up. The reference is that of Send.
	Sent(tx *store.Tx, connection, reference int64) error
	Delivered(tx *store.Tx, connection, reference int64) error
	NotSent(tx *store.Tx, connection, reference int64, reason error) error
	// RelayState is called, outside of any transaction, when the session with a relay changes.
	RelayState(server wire.Server, up bool, reason error)
	// StoreState is called, outside of any transaction, with the reason when what arrives can't be stored, as when the disk is
	// full. It stays on the relay until it can, of which StoreState is told with nil.
	StoreState(reason error)
}

// Retry is how long to wait between attempts (agent.md §11): First, then half as much again
// each time once After has passed, up to Max.
type Retry struct{ First, After, Max time.Duration }

// The intervals and limits of agent.md §11.
var (
	retrySend  = Retry{2 * time.Second, 10 * time.Second, 120 * time.Second}
	retryQuota = Retry{300 * time.Second, 60 * time.Second, 6 * time.Hour}
)

// A message is not given up for its age before it was tried for expirePatience since the start: the
// program did not run meanwhile, or the clock was set.
const (
	expireMessage  = 2 * 24 * time.Hour
	expireQuota    = 7 * 24 * time.Hour
	expirePatience = 10 * time.Minute
	keepHashes     = 21 * 24 * time.Hour
)

// next returns the interval after d, of which the first began elapsed ago.
func (r Retry) next(d, elapsed time.Duration) time.Duration {
	if elapsed <= r.After {
		return d
	}
	return min(d*3/2, r.Max)
}

// Versions are the ranges of the versions that are agreed on between the two ends of a
// connection (agent.md §1).
type Versions struct{ Agent, Client, Ratchet wire.VersionRange }

func (v Versions) withDefaults() Versions {
	for _, r := range []struct {
		value *wire.VersionRange
		other wire.VersionRange
	}{{&v.Agent, agentVersions}, {&v.Client, clientVersions}, {&v.Ratchet, ratchet.Versions}} {
		if *r.value == (wire.VersionRange{}) {
			*r.value = r.other
		}
	}
	return v
}

// Config is what an agent works with.
type Config struct {
	DB      *store.DB
	Handler Handler
	// Choose returns the relay for a new queue of a connection that has queues on the used ones. Those tried
	// could not make it just now; one of them is returned only if there is no other.
	Choose func(used, tried []wire.Server) (Relay, error)
	// Network is how relays are reached; its sessions belong to this agent only.
	Network smp.Config
	// Presets are the relays that short links may name by their host alone.
	Presets []wire.Server
	// Route returns the choice of private routing; with nil nothing is routed. Known tells whether a
	// relay is one of our own, and ChooseProxy returns the relay of our own through which another
	// one is to be reached, after those that were tried. Both are needed with Route. Protected tells whether a relay that we
	// connect to ourselves does not see our network address, as through Tor, and Near whether a relay is in a network where
	// its users know each other's addresses and where no proxy reaches it, as on this computer. With nil none is.
	Route       func() Route
	Known       func(server wire.Server) bool
	Protected   func(server wire.Server) bool
	Near        func(server wire.Server) bool
	ChooseProxy func(destination wire.Server, tried []wire.Server) (Relay, error)
	// Isolate tells whether each queue has a connection of its own to its relay, so that the relay
	// can't tell by it which queues belong together; with nil all share one.
	Isolate func() bool
	// PQ asks for post-quantum encryption.
	PQ bool
	// Versions caps the versions to speak; what is zero in it is not capped.
	Versions Versions
	Rand     io.Reader        // crypto/rand.Reader outside tests
	Now      func() time.Time // time.Now outside tests
	// RetrySend and RetryQuota replace the intervals of agent.md §11 if they are not zero.
	RetrySend, RetryQuota Retry
}

// Agent keeps the connections of one profile. Its methods are safe for concurrent use.
type Agent struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// exchange replaces the network in tests that replay a recorded conversation, and crash is called
	// before and after each commit in those of crashes.
	exchange func(server wire.Server, r smp.Request) (smp.Message, error)
	crash    func()

	routes routes

	mu       sync.Mutex
	closed   bool
	isolated bool // what Config.Isolate told when the sessions were made
	sessions map[string]*relaySession
	senders  map[int64]*sender // by send queue
	joins    map[int64]bool    // connections with a join under way
	draining map[int64]bool    // receive queues that are waited for to be empty
	securing map[int64]bool    // offered receive queues whose relay is to take the sender's key
	again    chan struct{}     // closed, and made anew, by Retry
	// The queues that another program receives from.
	elsewhere map[queueName]bool
	held      map[int64]heldQueue // by connection

	storing  sync.Mutex
	unstored attempts // to store what arrives, while that fails
}

// New returns an agent, which does nothing before Start.
func New(cfg Config) *Agent {
	cfg.Versions = cfg.Versions.withDefaults()
	if cfg.RetrySend == (Retry{}) {
		cfg.RetrySend = retrySend
	}
	if cfg.RetryQuota == (Retry{}) {
		cfg.RetryQuota = retryQuota
	}
	a := &Agent{cfg: cfg, sessions: map[string]*relaySession{}, senders: map[int64]*sender{}, joins: map[int64]bool{}, draining: map[int64]bool{}, securing: map[int64]bool{},
		again: make(chan struct{}), elsewhere: map[queueName]bool{}, held: map[int64]heldQueue{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// Start subscribes to all queues and goes on with what was not finished.
func (a *Agent) Start(ctx context.Context) error {
	var queues []*store.ReceiveQueue
	var sending []int64
	var joining []*store.Connection
	var deletions []*store.Deletion
	err := a.commit(ctx, func(tx *store.Tx) (err error) {
		if err = tx.DeleteOldHashes(a.cfg.Now().Add(-keepHashes)); err != nil {
			return err
		}
		if err = tx.DeleteOldPreviews(a.cfg.Now().Add(-keepHashes)); err != nil {
			return err
		}
		if queues, err = tx.ReceiveQueues(); err != nil {
			return err
		}
		if sending, err = tx.QueuesWithOutgoing(); err != nil {
			return err
		}
		if deletions, err = tx.Deletions(); err != nil {
			return err
		}
		joining, err = tx.ConnectionsIn(string(StateJoining))
		return err
	})
	if err != nil {
		return fmt.Errorf("agent: starting: %w", err)
	}
	isolated := a.apart("") != ""
	a.mu.Lock()
	a.isolated = isolated
	a.mu.Unlock()
	for _, q := range queues {
		if err := a.subscribe(q); err != nil {
			return err
		}
		if q.Replaces != 0 && q.SenderKey != nil {
			a.startSecuring(q)
		}
	}
	for _, id := range sending {
		a.wake(id)
	}
	for _, c := range joining {
		a.startJoin(c.ID)
	}
	for _, d := range deletions {
		a.startDeletion(d)
	}
	a.goRun(a.watchClock)
	return nil
}

// Close ends all sessions and waits for everything that is under way.
func (a *Agent) Close() {
	a.mu.Lock()
	a.closed = true
	sessions := a.sessions
	a.sessions = map[string]*relaySession{}
	a.mu.Unlock()
	a.cancel()
	for _, s := range sessions {
		s.session.Close()
	}
	a.wg.Wait()
}

// goRun runs f in a goroutine that Close waits for; after Close it does nothing.
func (a *Agent) goRun(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.wg.Go(f)
	return true
}
