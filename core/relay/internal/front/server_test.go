package front

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

var errTestClosed = errors.New("closed")

// pipes is a listener whose connections a test makes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{}, 16)} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.done <- struct{}{}; return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// dial makes a connection and returns the client's side.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// isClosed tells whether the other side has closed a connection. It waits for that.
func isClosed(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil
}

func TestServerEnds(t *testing.T) {
	failure := errors.New("broken")
	for _, c := range []struct {
		name string
		end  func(s *Server, cancel func(), l *pipes)
		want error
	}{
		{"by its context", func(_ *Server, cancel func(), _ *pipes) { cancel() }, nil},
		{"by Close", func(s *Server, _ func(), _ *pipes) { s.Close(func() error { return nil }) }, errTestClosed},
		{"by a failure", func(s *Server, _ func(), _ *pipes) { s.Fail(failure); s.Fail(errTestClosed) }, failure},
		{"by its listener", func(_ *Server, _ func(), l *pipes) { l.Close() }, net.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := NewServer(1, -1, errTestClosed), newPipes()
				ctx, cancel := context.WithCancel(t.Context())
				refused := 0
				served := make(chan error, 1)
				serve := func(ctx context.Context, nc net.Conn) { <-ctx.Done() }
				go func() { served <- s.Serve(ctx, l, serve, func() { refused++ }) }()
				first := l.dial()
				if second := l.dial(); !isClosed(second) || refused != 1 || s.Gate.Open() != 1 {
					t.Errorf("%d connections are refused, %d open", refused, s.Gate.Open())
				}
				c.end(s, cancel, l)
				if err := <-served; !errors.Is(err, c.want) {
					t.Errorf("Serve returned %v", err)
				}
				if !isClosed(first) || s.Gate.Open() != 0 {
					t.Errorf("%d connections are open", s.Gate.Open())
				}
				closed := 0
				for range 2 {
					if err := s.Close(func() error { closed++; return nil }); err != nil {
						t.Error(err)
					}
				}
				if s.Begin() || closed > 1 {
					t.Errorf("the store was closed %d times", closed)
				}
				cancel()
			})
		})
	}
}

// TestServerLeavesWork has work that never ends because the store has failed.
func TestServerLeavesWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := NewServer(0, 0, errTestClosed), newPipes()
		stuck := make(chan struct{})
		served := make(chan error, 1)
		failure := errors.New("broken")
		go func() {
			served <- s.Serve(t.Context(), l, func(context.Context, net.Conn) { <-stuck }, nil)
		}()
		client := l.dial()
		synctest.Wait()
		s.Fail(failure)
		if !isClosed(client) {
			t.Error("the client's connection is open")
		}
		if err := <-served; err != failure {
			t.Errorf("Serve returned %v", err)
		}
		if err := s.Close(func() error { return failure }); err != nil {
			t.Errorf("Close returned %v", err)
		}
		close(stuck)
	})
}

// TestServerReportsStore tells what closing the store says.
func TestServerReportsStore(t *testing.T) {
	s, failure := NewServer(0, 0, errTestClosed), errors.New("broken")
	if err := s.Close(func() error { return failure }); err != failure {
		t.Errorf("Close returned %v", err)
	}
}
