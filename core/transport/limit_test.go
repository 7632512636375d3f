package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// TestLimit starts 500 dials at once through a proxy that answers none of them until all who may
// wait for it do.
func TestLimit(t *testing.T) {
	const dials, most = 500, 32
	relay := newRelay(t)
	proxy := newSOCKS(t, "tcp", "127.0.0.1:0", relay)
	var mu sync.Mutex
	var waiting, peak int
	full := make(chan struct{})
	proxy.answer = func(_ net.Conn, step int) bool {
		switch step {
		case 1:
			mu.Lock()
			waiting++
			peak = max(peak, waiting)
			if waiting == most {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			mu.Unlock()
			<-full
		case 3:
			mu.Lock()
			waiting--
			mu.Unlock()
		}
		return false
	}
	// The timeout of a dial begins with its turn: those in the queue don't run out of time.
	d := Dialer{Proxy: &Proxy{Address: proxy.address, User: "user", Limit: NewLimit(most)}}
	ctx := testContext(t)
	var wg sync.WaitGroup
	for range dials {
		wg.Go(func() {
			conn, err := d.Dial(ctx, "relay.invalid", "5223", relay.fingerprint, "smp/1")
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			conn.Close()
		})
	}
	// What was connected is not needed.
	end := make(chan struct{})
	var drained sync.WaitGroup
	drained.Go(func() {
		for {
			select {
			case <-relay.accepted:
			case <-end:
				return
			}
		}
	})
	wg.Wait()
	close(end)
	drained.Wait()
	if peak != most {
		t.Errorf("%d dials waited for the proxy at a time", peak)
	}
	if len(proxy.requests) != dials {
		t.Errorf("%d requests", len(proxy.requests))
	}
}

// TestLimitEnds tells that dials give their turns back however they end, and that waiting for one ends
// with the context.
func TestLimitEnds(t *testing.T) {
	for name, c := range hangingDials(t) {
		if c.dialer.Proxy == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := c.dialer
			d.Proxy.Limit = NewLimit(1)
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { d.Dial(ctx, "127.0.0.1", "1", [32]byte{}, "smp/1") })
			<-c.hangs
			short, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
			defer stop()
			_, err := d.Dial(short, "127.0.0.1", "1", [32]byte{}, "smp/1")
			if e := asDialError(t, err); e.Stage != StageProxy || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waiting for a turn: %v", err)
			}
			cancel()
			wg.Wait()
			if err := d.Proxy.Limit.wait(testContext(t)); err != nil {
				t.Errorf("the turn was not given back: %v", err)
			}
			if err := d.Proxy.Limit.wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a turn after the end of the context: %v", err)
			}
		})
	}
}
