package front

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Server is what the servers of a relay have in common: it accepts connections, counts the work that
// goes on, and ends it.
type Server struct {
	Gate Gate
	// Context is that of all work, until Close or Fail.
	Context context.Context

	errClosed error
	cancel    context.CancelFunc
	work      sync.WaitGroup
	patience  time.Duration // for work after a failure

	mu       sync.Mutex
	failed   chan struct{} // closed by Fail
	failure  error
	isClosed bool // Close was called
}

// failedPatience is how long work may take to end when its store has failed.
const failedPatience = 10 * time.Second

// NewServer makes a server that has up to max connections, perSource of them from one network at a time;
// see Gate. After Close Serve returns errClosed.
func NewServer(max, perSource int, errClosed error) *Server {
	s := &Server{
		Gate:      Gate{Max: max, PerSource: perSource},
		errClosed: errClosed,
		patience:  failedPatience,
		failed:    make(chan struct{}),
	}
	s.Context, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections on l and runs serve for each in a goroutine of its own, until ctx is done, and
// then returns nil when all of them have ended; or until Close; or until Fail, and returns its error; or until
// l fails. It closes l, and a connection when its context is done or serve returns. refused is called
// for a connection for which there is no place.
func (s *Server) Serve(ctx context.Context, l net.Listener, serve func(context.Context, net.Conn), refused func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.Context, cancel)()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()

	var conns sync.WaitGroup
	defer s.wait(&conns)
	defer cancel()
	for {
		nc, err := Accept(ctx, l)
		switch {
		case s.Context.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return s.reason()
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("accepting connections: %w", err)
		}
		leave, ok := s.Gate.Enter(nc)
		if !ok {
			refused()
			nc.Close()
			continue
		}
		if !s.Begin() {
			leave()
			nc.Close()
			continue
		}
		conns.Go(func() {
			defer s.End()
			defer leave()
			defer nc.Close()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(ctx, func() { nc.Close() })()
			serve(ctx, nc)
		})
	}
}

// reason returns why the server is closed.
func (s *Server) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure
	}
	return s.errClosed
}

// Begin counts a piece of work, which must tell its End, unless the server is closed.
func (s *Server) Begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Context.Err() != nil {
		return false
	}
	s.work.Add(1)
	return true
}

// End ends what Begin began.
func (s *Server) End() { s.work.Done() }

// Go runs f in a goroutine as a piece of work. The caller is one itself, or has just made the server.
func (s *Server) Go(f func()) { s.work.Go(f) }

// Fail closes the server because of err, but for what only Close does. It never waits.
func (s *Server) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
		close(s.failed)
	}
	s.cancel()
}

// hasFailed tells whether Fail was called.
func (s *Server) hasFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil
}

// Close ends all work and then calls closeStore, once. It is no error if the store has failed
// before: then what was not on disk is known to be lost.
func (s *Server) Close(closeStore func() error) error {
	s.mu.Lock()
	closed := s.isClosed
	s.isClosed = true
	s.cancel()
	s.mu.Unlock()
	s.wait(&s.work)
	if closed {
		return nil
	}
	if err := closeStore(); err != nil && !s.hasFailed() {
		return err
	}
	return nil
}

// wait waits for work to end. Work that waits for a store that has failed may never do that: it is
// left behind after some time. It does no harm, for such a store does not write any more.
func (s *Server) wait(work *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-s.failed:
	}
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
