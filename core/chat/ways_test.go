package chat

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// dialed records the circuits by which a person's files go.
type dialed struct {
	mu       sync.Mutex
	circuits []string
}

func (d *dialed) record(p *person) {
	locked(p, func() any {
		p.path = func(ctx context.Context, server wire.Server, circuit string) (transport.Path, error) {
			d.mu.Lock()
			d.circuits = append(d.circuits, circuit)
			d.mu.Unlock()
			return transport.Direct(ctx, server, circuit)
		}
		return nil
	})
}

// take returns the circuits since the last call, each once.
func (d *dialed) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]bool{}
	for _, c := range d.circuits {
		all[c] = true
	}
	d.circuits = nil
	return slices.Sorted(maps.Keys(all))
}

// TestFileCircuits has each file go by circuits of its own if that is chosen, and new ones when the network has changed.
func TestFileCircuits(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	var ways dialed
	ways.record(w.a)
	for range 2 {
		sent, _ := w.offer(NewFile{}, randomBytes(10))
		w.a.state(sent, FileDone)
	}
	if got := ways.take(); !slices.Equal(got, []string{""}) {
		t.Errorf("all files together go by %d circuits", len(got))
	}

	locked(w.a, func() any { w.a.isolate = true; return nil })
	w.a.Reroute()
	seen := map[string]bool{"": true}
	expect := func(n int) {
		t.Helper()
		got := ways.take()
		if len(got) != n {
			t.Errorf("%d circuits, want %d", len(got), n)
		}
		for _, c := range got {
			if seen[c] {
				t.Error("a circuit is used for another file")
			}
			seen[c] = true
		}
	}
	for range 2 {
		sent, _ := w.offer(NewFile{}, randomBytes(300_000))
		w.a.state(sent, FileDone)
		expect(1)
		w.a.wait("all to be at rest", func() bool {
			w.a.Chat.mu.Lock()
			defer w.a.Chat.mu.Unlock()
			return len(w.a.transfers) == 0
		})
		w.a.do(w.a.CancelFile, sent) // which the relay is told
		w.waitChunks(2)
		expect(1)
	}
	w.relay.set(func() { w.relay.hold = true })
	sent, _ := w.offer(NewFile{}, randomBytes(10))
	w.waitHeld()
	expect(1)
	w.a.Reroute()
	w.relay.release()
	w.a.state(sent, FileDone)
	expect(1)
}

// TestFileShown has a file that was accepted because its relay did not see where the receiver is not asked for in another way,
// at whatever moment that changes.
func TestFileShown(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	direct := 0
	locked(w.b, func() any {
		w.b.trusted, w.b.hidden = false, func(wire.Server) bool { return true }
		w.b.path = func(ctx context.Context, server wire.Server, circuit string) (transport.Path, error) {
			locked(w.b, func() any { direct++; return nil })
			return transport.Direct(ctx, server, circuit) // Tor has just been switched off
		}
		return nil
	})
	sent, got := w.offer(NewFile{}, randomBytes(10))
	w.a.state(sent, FileDone)
	w.b.wait("the description", func() bool { return w.b.complete(got) })
	before := w.relay.came.Load()
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileOffered)
	if n := locked(w.b, func() int { return direct }); n != 1 || w.relay.came.Load() != before {
		t.Errorf("it was tried %d times, with %d connections", n, w.relay.came.Load()-before)
	}
	locked(w.b, func() any { w.b.hidden = func(wire.Server) bool { return false }; return nil })
	unknown := new(UnknownRelaysError)
	if err := w.b.ReceiveFile(t.Context(), got, ReceiveOptions{}); !errors.As(err, &unknown) {
		t.Errorf("asking again: %v", err)
	}
	w.b.receive(got, ReceiveOptions{AnyRelay: true})
	w.b.state(got, FileDone)

	// A session with the relay is there already, for a file for which the person has allowed it.
	locked(w.b, func() any { w.b.hidden = func(wire.Server) bool { return true }; return nil })
	sent, got = w.offer(NewFile{}, randomBytes(10))
	w.a.state(sent, FileDone)
	w.b.wait("the description", func() bool { return w.b.complete(got) })
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileOffered)

	// What is told to the relay when a file is here does not go there in another way either.
	err := w.b.pool.Do(t.Context(), w.relay.server, w.b.downloadWay("", false), func(context.Context, *xftp.Client) error { return nil })
	if !errors.Is(err, errUnknownRelay) {
		t.Errorf("after the file: %v", err)
	}
}
