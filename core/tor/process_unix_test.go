//go:build unix

package tor

import (
	"syscall"
	"testing"
)

// TestStopped closes a tor that does nothing any more.
func TestStopped(t *testing.T) {
	t.Parallel()
	x, _ := newTor(t, Config{Paused: true}, slow)
	awaitState(t, x, Paused)
	p := processOf(t, x)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	x.Close()
	if err := p.Signal(syscall.Signal(0)); err == nil {
		t.Error("tor has outlived Close")
	}
}
