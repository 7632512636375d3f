package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
)

// The folder of alice is copied to another computer, and both programs run. What each was told shows who receives: nobody takes the
// queue back by itself, not even when the connection was lost, and who is asked to does.
func TestElsewhere(t *testing.T) {
	for _, isolated := range []bool{false, true} {
		t.Run(fmt.Sprint("isolated ", isolated), func(t *testing.T) {
			inBubble(t, func(t *testing.T, p *pair) { testElsewhere(t, p, isolated) })
		})
	}
}

func testElsewhere(t *testing.T, p *pair, isolated bool) {
	p.alice.isolate = func() bool { return isolated }
	p.alice.stop()
	other := &node{t: t, name: "other alice", dir: filepath.Join(t.TempDir(), "db"), network: p.alice.network, choose: p.alice.choose, isolate: p.alice.isolate}
	if err := errors.Join(os.CopyFS(other.dir, os.DirFS(p.alice.dir)), p.alice.start(false)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	told := func(when string, atAlice, atOther []string) {
		t.Helper()
		if got := p.alice.texts(p.atAlice, "elsewhere"); !slices.Equal(got, atAlice) {
			t.Errorf("%s: alice was told %q, want %q", when, got, atAlice)
		}
		if got := other.texts(p.atAlice, "elsewhere"); !slices.Equal(got, atOther) {
			t.Errorf("%s: the other was told %q, want %q", when, got, atOther)
		}
	}
	// That it ends in another session of our own does not tell of another program.
	queues := p.alice.receiveQueues(p.atAlice)
	s, err := p.alice.session(p.relay.server, "#other")
	if err != nil {
		t.Fatal(err)
	}
	p.alice.setElsewhere(s, smp.ID(queues[0].RecipientID), true)
	p.alice.release(s)
	if got := p.alice.texts(p.atAlice, "elsewhere"); len(got) != 0 {
		t.Errorf("told %q of another session", got)
	}
	if err := other.start(false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.stop)
	synctest.Wait()
	told("after the start", []string{"true"}, nil)
	if err := p.bob.write(p.atBob, "hello"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if here, there := p.alice.texts(p.atAlice, "message"), other.texts(p.atAlice, "message"); len(here) != 0 || len(there) != 1 {
		t.Errorf("alice received %q, the other %q", here, there)
	}

	p.relay.cut()
	subs := p.relay.count(smp.Sub{})
	time.Sleep(time.Hour)
	told("an hour after both connections were lost", []string{"true"}, nil)
	if n := p.relay.count(smp.Sub{}) - subs; n != 2 { // the other's and bob's
		t.Errorf("%d subscriptions", n)
	}
	p.relay.with(func() {
		if n := len(p.relay.conns); n != 2 { // alice has nothing to connect for
			t.Errorf("%d connections", n)
		}
	})

	if err := p.alice.ReceiveHere(t.Context(), p.atAlice); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	told("when alice took it back", []string{"true", "false"}, []string{"true"})
	p.alice.restart()
	synctest.Wait()
	told("after a start of alice", []string{"true", "false"}, []string{"true"})

	// What is to be asked for again meanwhile is not.
	p.relay.refusing(smp.Ack{})
	if err := p.bob.write(p.atBob, "not acknowledged"); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	other.restart()
	synctest.Wait()
	p.relay.refusing()
	time.Sleep(time.Hour)
	told("when the other took it back", []string{"true", "false", "true"}, []string{"true"})
}
