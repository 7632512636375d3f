package xftp

import (
	"context"
	"errors"
	"testing"

	"github.com/sotto-chat/sotto/core/internal/fault"
)

// A fault in handling what a relay sends ends the session with it, and the next command has another one.
func TestFaults(t *testing.T) {
	fault.Report(nil)
	defer fault.Report(func(e *fault.Error) { panic(e) })
	relay := newTestRelay(t, 0)
	pool := newPool(t, relay)
	var met *Client
	err := pool.Do(t.Context(), relay.server, Way{}, func(_ context.Context, c *Client) error {
		met = c
		panic("a mistake")
	})
	if !errors.As(err, new(*fault.Error)) || met.Err() == nil {
		t.Errorf("%v; the session has ended with: %v", err, met.Err())
	}
	err = pool.Do(t.Context(), relay.server, Way{}, func(ctx context.Context, c *Client) error {
		if c == met {
			t.Error("the same session again")
		}
		return c.Ping(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}
