package xftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

// Options say how a transfer runs. The functions are called by several goroutines, one at a time; the
// transfer waits for them.
type Options struct {
	// Parallel is the number of relays that are used at the same time; 0 is DefaultParallel.
	Parallel int

	// Way says how relays are reached.
	Way Way

	// Progress, if not nil, is called after each chunk, and a few times a second in between.
	Progress func(Progress)

	// Trouble, if not nil, is called when a relay fails and will be tried again.
	Trouble func(*RelayError)
}

// DefaultParallel is the number of relays that a transfer uses at the same time.
const DefaultParallel = 4

// RelayError tells which relay failed.
type RelayError struct {
	Server wire.Server
	Err    error // an error of Connect or of Client
}

// Error does not tell which relay: addresses are not for logs.
func (e *RelayError) Error() string { return "xftp: a relay: " + e.Err.Error() }

// Unwrap returns the relay's failure.
func (e *RelayError) Unwrap() error { return e.Err }

// Times between attempts with a relay: they double from the first to the last, give or take a quarter.
const (
	retryFirst = time.Second
	retryLast  = 2 * time.Minute
)

// A step is what a transfer does with a chunk on a relay: all that is left to do there.
type step func(ctx context.Context, chunk int, server wire.Server) error

// A verdict is what follows from a failed step.
type verdict byte

const (
	retry     verdict = iota // try again later, there or elsewhere
	elsewhere                // try again at once if there is another relay for the chunk
	fatal                    // the transfer ends with the error
)

// A runner does the steps of a transfer, for several relays at the same time and for each relay one at
// a time.
type runner struct {
	pool    *Pool
	options Options
	// candidates returns the relays on which a chunk can be done, in order of preference. Without
	// any the transfer ends with the last error. The runner's lock is held.
	candidates func(chunk int) []wire.Server
	// failed decides what a failure of a step means. The runner's lock is held.
	failed func(chunk int, server wire.Server, err error) verdict
	step   step

	mu      sync.Mutex
	todo    []int
	busy    int // steps in progress
	relays  map[string]*relayState
	last    error         // of a relay
	changed chan struct{} // closed when something changed that a worker may wait for, see done
	err     error
}

type relayState struct {
	busy     bool
	failures int
	after    time.Time // of the next attempt
}

// run does the chunks and returns the first fatal error.
func (r *runner) run(ctx context.Context, chunks []int) error {
	r.todo, r.relays, r.changed = chunks, map[string]*relayState{}, make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	n := r.options.Parallel
	if n <= 0 {
		n = DefaultParallel
	}
	for range min(n, len(chunks)) {
		workers.Go(func() {
			if err := r.work(ctx); err != nil {
				r.mu.Lock()
				if r.err == nil {
					r.err = err
				}
				r.mu.Unlock()
				cancel()
			}
		})
	}
	workers.Wait()
	return r.err
}

// safely does a step. A fault in it is an error.
func (r *runner) safely(ctx context.Context, chunk int, server wire.Server) (err error) {
	defer fault.Contain(&err)
	return r.step(ctx, chunk, server)
}

// work does steps until nothing is left.
func (r *runner) work(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.mu.Lock()
		if len(r.todo) == 0 && r.busy == 0 {
			r.mu.Unlock()
			return nil
		}
		chunk, server, wait, err := r.next()
		changed, reset := r.changed, r.pool.resets()
		r.mu.Unlock()
		switch {
		case err != nil:
			return err
		case chunk >= 0:
			err := r.safely(ctx, chunk, server)
			if err := r.done(ctx, chunk, server, err); err != nil {
				return err
			}
		default:
			timer := time.NewTimer(wait)
			select {
			case <-changed:
			case <-reset:
				r.hurry()
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	}
}

// next takes a chunk whose relay is free, or tells how long to wait for one at most.
func (r *runner) next() (chunk int, server wire.Server, wait time.Duration, err error) {
	now := time.Now()
	wait = retryLast
	for i, c := range r.todo {
		list := r.candidates(c)
		if len(list) == 0 {
			return -1, server, 0, cmp.Or(r.last, ErrNoRelay)
		}
		for _, s := range list {
			state := r.relay(s)
			if state.busy {
				continue
			}
			if d := state.after.Sub(now); d > 0 {
				wait = min(wait, d)
				continue
			}
			state.busy = true
			r.busy++
			r.todo = append(r.todo[:i], r.todo[i+1:]...)
			return c, s, 0, nil
		}
	}
	return -1, server, wait, nil
}

// hurry forgets that relays failed: the network was to blame, and it is another one now.
func (r *runner) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.relays {
		s.failures, s.after = 0, time.Time{}
	}
}

func (r *runner) relay(server wire.Server) *relayState {
	name := server.String()
	s := r.relays[name]
	if s == nil {
		s = new(relayState)
		r.relays[name] = s
	}
	return s
}

// done keeps the result of a step; an error of its own ends the transfer.
func (r *runner) done(ctx context.Context, chunk int, server wire.Server, err error) error {
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // what fails because the transfer ends blames no relay
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.relay(server)
	state.busy = false
	r.busy--
	if err != nil || len(r.todo) == 0 && r.busy == 0 { // else who has freed the relay takes what was waiting for it
		close(r.changed)
		r.changed = make(chan struct{})
	}
	var local *localError
	switch {
	case err == nil:
		state.failures = 0
		return nil
	case ctx.Err() != nil:
		return err
	case errors.As(err, &local):
		return local.error
	}
	relayErr := &RelayError{server, err}
	r.last = relayErr
	r.todo = append(r.todo, chunk)
	switch r.failed(chunk, server, err) {
	case fatal:
		return relayErr
	case retry:
		state.failures++
		state.after = time.Now().Add(retryDelay(state.failures))
		if r.options.Trouble != nil {
			r.options.Trouble(relayErr)
		}
	}
	return nil
}

func retryDelay(failures int) time.Duration {
	d := retryLast
	if failures < 8 {
		d = min(d, retryFirst<<(failures-1))
	}
	return d*3/4 + rand.N(d/2)
}

// lasting tells whether an error of a relay about a chunk will be the same next time.
func lasting(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		switch e.Kind {
		case KindAuth, KindBlocked, KindNoFile, KindSize, KindDigest, KindCommand, KindHasFile:
			return true
		}
		return false
	}
	return errors.Is(err, ErrVersion)
}

// local wraps a failure on this computer, which ends a transfer.
func local(doing string, err error) error { return &localError{fmt.Errorf("xftp: %s: %w", doing, err)} }
