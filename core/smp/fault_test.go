package smp

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

// faultyConn is a connection whose bytes the program fails at. It counts how often it was closed, and wiped.
type faultyConn struct {
	Conn
	closed, wiped *atomic.Int32
}

func (faultyConn) ReadBlock() ([]byte, error) { panic("a mistake") }
func (c faultyConn) Close() error             { c.closed.Add(1); return nil }
func (c faultyConn) Wipe()                    { c.wiped.Add(1) }

// A fault in handling what a relay sends ends the session, before and after the handshake, and not the program.
func TestFaults(t *testing.T) {
	faults := 0
	fault.Report(func(*fault.Error) { faults++ })
	defer fault.Report(func(e *fault.Error) { panic(e) })
	conn := faultyConn{closed: new(atomic.Int32), wiped: new(atomic.Int32)}
	over := func(n int32) bool { return conn.closed.Load() == n && conn.wiped.Load() == n }
	c := &Client{conn: conn, config: Config{}.withDefaults()}
	c.start()
	<-c.Done()
	if err := c.Err(); !errors.Is(err, ErrClosed) || !errors.As(err, new(*fault.Error)) || faults != 1 || !over(1) {
		t.Errorf("%v after %d faults", err, faults)
	}
	dial := func(context.Context, wire.Server) (Conn, error) { return conn, nil }
	if _, err := Connect(t.Context(), Config{Dial: dial}, wire.Server{}); !errors.As(err, new(*fault.Error)) || faults != 2 || !over(2) {
		t.Errorf("%v after %d faults", err, faults)
	}
}
