package smp

import (
	"context"
	"errors"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

// faultyConn is a connection whose bytes the program fails at.
type faultyConn struct{ Conn }

func (faultyConn) ReadBlock() ([]byte, error) { panic("a mistake") }
func (faultyConn) Close() error               { return nil }
func (faultyConn) Wipe()                      {}

// A fault in handling what a relay sends ends the session, before and after the handshake, and not the program.
func TestFaults(t *testing.T) {
	faults := 0
	fault.Report(func(*fault.Error) { faults++ })
	defer fault.Report(func(e *fault.Error) { panic(e) })
	c := &Client{conn: faultyConn{}, config: Config{}.withDefaults()}
	c.start()
	<-c.Done()
	if err := c.Err(); !errors.Is(err, ErrClosed) || !errors.As(err, new(*fault.Error)) || faults != 1 {
		t.Errorf("%v after %d faults", err, faults)
	}
	dial := func(context.Context, wire.Server) (Conn, error) { return faultyConn{}, nil }
	if _, err := Connect(t.Context(), Config{Dial: dial}, wire.Server{}); !errors.As(err, new(*fault.Error)) || faults != 2 {
		t.Errorf("%v after %d faults", err, faults)
	}
}
