package agent

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// contain has faults be contained as outside of tests, and counts them.
func contain(t *testing.T) *atomic.Int32 {
	n := new(atomic.Int32)
	fault.Report(func(*fault.Error) { n.Add(1) })
	t.Cleanup(func() { fault.Report(func(e *fault.Error) { panic(e) }) })
	return n
}

// A message that the program fails at is told, and the next ones arrive. Neither does an answer of a relay end the program.
func TestFaults(t *testing.T) {
	faults := contain(t)
	inBubble(t, func(t *testing.T, p *pair) {
		p.bob.fail.Store(true)
		if d := p.say(t, p.alice, time.Minute); d >= 0 {
			t.Error("received in spite of a fault")
		}
		p.bob.wait("the fault", func() bool { return len(p.bob.texts(p.atBob, "problem")) == 1 })
		p.bob.fail.Store(false)
		if d := p.say(t, p.alice, time.Minute); d < 0 {
			t.Error("a message after it did not arrive")
		}
		if n := faults.Load(); n != 1 {
			t.Errorf("%d faults, want 1", n)
		}
		p.alice.Agent.exchange = func(wire.Server, smp.Request) (smp.Message, error) { panic("x") }
		if _, err := p.alice.Resolve(t.Context(), &ShortLink{Kind: LinkContact, Server: p.relay.server, Key: make([]byte, 32)}); err == nil || faults.Load() != 2 {
			t.Errorf("%v after %d faults", err, faults.Load())
		}
		p.alice.Agent.exchange = nil
	})
}
