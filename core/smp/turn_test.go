package smp

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// TestConnectTurns has more connections wait for a proxy than it has turns, for longer than one may take: each has all of its
// time once it has its turn.
func TestConnectTurns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const connections = 10
	var accepting sync.WaitGroup
	var accepted []net.Conn
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted = append(accepted, c) // and never answers
		}
	})
	limit := transport.NewLimit(1)
	config := Config{ConnectTimeout: 50 * time.Millisecond, Path: func(ctx context.Context, _ wire.Server, circuit string) (transport.Path, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the wait for a path has no bound")
		}
		return transport.Path{Host: "relay.invalid", Proxy: &transport.Proxy{Address: l.Addr().String(), User: circuit, Limit: limit}}, nil
	}}
	var work sync.WaitGroup
	for range connections {
		work.Go(func() {
			_, err := Connect(t.Context(), config, testServer())
			var dial *transport.DialError
			if !errors.As(err, &dial) || dial.Stage != transport.StageProxy || dial.Kind != transport.KindTimeout {
				t.Errorf("connecting: %v", err)
			}
		})
	}
	work.Wait()
	l.Close()
	accepting.Wait()
	for _, c := range accepted {
		c.Close()
	}
	if len(accepted) != connections {
		t.Errorf("%d of %d came to the proxy", len(accepted), connections)
	}
}
