package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

var (
	modelSteps = flag.Int("model.steps", 1000, "steps of each model test")
	modelSeed  = flag.Uint64("model.seed", 0, "what the steps of the model tests follow from; 0 chooses one")
)

// shorter is n, or a fifth of it where the detector of data races makes everything slow.
func shorter(n int) int {
	if testing.Short() {
		return max(n/5, 1)
	}
	return n
}

// model is two agents and two relays in memory, with all that can go wrong between them. The steps
// follow from a seed; when they happen in the agents' goroutines does not.
type model struct {
	t      *testing.T
	rand   *rand.Rand
	net    *memNet
	relays []*memRelay
	nodes  [2]*node
	ids    [2]int64 // of their connection
	lossy  bool     // relays lose, repeat and reorder messages, and backups are restored

	// What was written to the present connection, and which of it was given up.
	written [2][]string
	next    int
	backups [2]bool // there is one of the present connection
	history []string

	mu    sync.Mutex
	fates *rand.Rand
	calm  bool
}

func newModel(t *testing.T, lossy bool) *model {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-model.seed=%d -model.steps=%d", seed, *modelSteps)
	m := &model{t: t, lossy: lossy, net: newMemNet(), rand: rand.New(rand.NewPCG(seed, 1)), fates: rand.New(rand.NewPCG(seed, 2))}
	for _, name := range []string{"first", "second"} {
		r := m.net.add(t, name)
		r.quota = 12
		r.fate, r.delay = m.fate, m.delay
		m.relays = append(m.relays, r)
	}
	for i, name := range []string{"alice", "bob"} {
		n := &node{t: t, name: name, dir: filepath.Join(t.TempDir(), "db"), network: smp.Config{Dial: m.net.dial}}
		n.choose = func(used, _ []wire.Server) (Relay, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			r := m.relays[m.fates.IntN(2)]
			if len(used) > 0 && used[0].SameAs(r.server) {
				r = m.relays[0]
				if used[0].SameAs(r.server) {
					r = m.relays[1]
				}
			}
			return Relay{Server: r.server}, nil
		}
		if err := n.start(true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.stop)
		m.nodes[i] = n
	}
	return m
}

func (m *model) fate(smp.Command) fate {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calm {
		return executed
	}
	switch n := m.fates.IntN(60); {
	case n == 0:
		return cutBefore
	case n == 1:
		return cutAfter
	case n == 2:
		return silent
	case n == 3:
		return ignored
	}
	return executed
}

func (m *model) delay() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Duration(m.fates.IntN(300)) * time.Millisecond
}

func (m *model) setCalm(calm bool) {
	m.mu.Lock()
	m.calm = calm
	m.mu.Unlock()
	if calm {
		for _, r := range m.relays {
			r.setDown(false)
		}
	}
}

func (m *model) note(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

// fatal tells what happened last.
func (m *model) fatal(format string, args ...any) {
	m.t.Helper()
	m.t.Logf("last steps: %s", strings.Join(m.history[max(0, len(m.history)-150):], "; "))
	for i, n := range m.nodes {
		c := n.connection(m.ids[i])
		m.t.Logf("%s: %s %s, %d waiting, sent number %d, received number %d", n.name, c.State, c.Sync, n.waiting(), c.SentNumber, c.ReceivedNumber)
		list := n.records(m.ids[i])
		end := len(list)
		if i := slices.IndexFunc(list, func(r record) bool { return r.kind == "problem" }); i >= 0 && !m.lossy {
			end = min(len(list), i+10)
		}
		for _, r := range list[max(0, end-25):end] {
			m.t.Logf("   %s %q %d", r.kind, r.text, r.number)
		}
	}
	m.t.Fatalf(format, args...)
}

// until waits for a condition, for hours if need be.
func (m *model) until(what string, ok func() bool) {
	m.t.Helper()
	for start := time.Now(); !ok(); {
		if time.Since(start) > 8*24*time.Hour {
			m.fatal("waited for %s in vain", what)
		}
		time.Sleep(10 * time.Second)
	}
}

// connect makes a connection in the place of the last one.
func (m *model) connect() {
	for i, n := range m.nodes {
		if m.ids[i] != 0 {
			if err := n.db.Update(m.t.Context(), func(tx *store.Tx) error { return n.Delete(tx, m.ids[i]) }); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	m.written, m.backups = [2][]string{}, [2]bool{}
	inviter := m.rand.IntN(2)
	a, b := m.nodes[inviter], m.nodes[1-inviter]
	var link Link
	m.until("an invitation", func() bool {
		id, err := a.Invite(context.Background(), nil, func(_ *store.Tx, _ int64, i Invitation) error { link = i.Full; return nil })
		m.ids[inviter] = id
		return err == nil
	})
	m.until("opening it", func() bool {
		id, err := b.Join(context.Background(), link, []byte(b.name), func(*store.Tx, int64) error { return nil })
		m.ids[1-inviter] = id
		return err == nil
	})
	m.until("the connection", func() bool {
		return State(a.connection(m.ids[inviter]).State) == StateConnected && State(b.connection(m.ids[1-inviter]).State) == StateConnected
	})
	m.note("connected")
}

// lost tells whether a queue of the connection is gone for good.
func (m *model) lost() bool {
	for i, n := range m.nodes {
		if State(n.connection(m.ids[i]).State) == StateFailed || slices.ContainsFunc(n.texts(m.ids[i], "not sent"), func(s string) bool { return s == ErrQueueGone.Error() }) {
			return true
		}
	}
	return false
}

func (m *model) write(i int) {
	text := strconv.Itoa(m.next)
	switch err := m.nodes[i].write(m.ids[i], text); {
	case err == nil:
		m.next++
		m.written[i] = append(m.written[i], text)
		m.note("%s writes %s", m.nodes[i].name, text)
	case errors.Is(err, ErrSync), errors.Is(err, ErrNotConnected) && m.lossy:
	default:
		m.fatal("writing: %v", err)
	}
}

func (m *model) resync(i int, force bool) {
	err := m.nodes[i].db.Update(m.t.Context(), func(tx *store.Tx) error { return m.nodes[i].Resync(tx, m.ids[i], force) })
	if err != nil && !errors.Is(err, ErrNotConnected) {
		m.fatal("synchronizing: %v", err)
	}
	m.note("%s synchronizes: %v", m.nodes[i].name, err)
}

func (m *model) step() {
	i := m.rand.IntN(2)
	n, r := m.nodes[i], m.relays[m.rand.IntN(2)]
	switch k := m.rand.IntN(1000); {
	case k < 700:
		m.write(i)
	case k < 730:
		r.cut()
		m.note("cut")
	case k < 745:
		r.setDown(!r.down)
		m.note("%s down: %v", r.server.Hosts[0], r.down)
	case k < 775:
		m.note("%s restarts", n.name)
		n.restart()
	case k < 785:
		err := n.Rotate(m.t.Context(), m.ids[i])
		m.note("%s rotates: %v", n.name, err)
	case k < 788:
		n.Retry()
	case k < 791:
		m.settle()
		m.connect()
	case !m.lossy:
	case k < 830:
		r.with(func() { m.disturb(r) })
	case k < 840:
		m.note("%s makes a backup", n.name)
		n.backup()
		m.backups[i] = true
	case k < 845 && m.backups[i]:
		m.note("%s restores", n.name)
		n.restore()
		m.resync(i, true)
	case k < 848 || !SyncState(n.connection(m.ids[i]).Sync).sendable():
		m.resync(i, true)
	}
	time.Sleep(time.Duration(m.rand.ExpFloat64() * float64(500*time.Millisecond)))
}

// disturb loses, repeats or swaps messages that wait on a relay.
func (m *model) disturb(r *memRelay) {
	var ids []smp.ID
	for id := range r.queues {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		q := r.queues[id]
		first := 0
		if q.delivered {
			first = 1
		}
		if len(q.messages) < first+2 {
			continue
		}
		at := first + m.rand.IntN(len(q.messages)-first-1)
		switch m.rand.IntN(3) {
		case 0:
			q.messages = slices.Delete(q.messages, at, at+1)
			m.note("a message is lost")
		case 1:
			again := q.messages[at]
			again.id = r.id("again")
			q.messages = append(q.messages, again)
			m.note("a message is repeated")
		case 2:
			q.messages[at], q.messages[at+1] = q.messages[at+1], q.messages[at]
			m.note("two messages are swapped")
		}
	}
}

// settle lets everything arrive, and checks it.
func (m *model) settle() {
	m.t.Helper()
	m.setCalm(true)
	m.note("calm")
	for m.lossy && !m.lost() {
		// What the user of such an application would do.
		synced := true
		for i, n := range m.nodes {
			if s := SyncState(n.connection(m.ids[i]).Sync); s != SyncOK {
				synced = false
				m.resync(i, true)
				break
			}
		}
		if synced {
			break
		}
		time.Sleep(time.Hour)
	}
	if m.lossy && m.lost() {
		m.check()
		m.connect()
	}
	for range 2 { // what is missing shows at the next message, or when the test in a new queue can't come any more
		for i := range m.nodes {
			m.write(i)
		}
		time.Sleep(expireMessage + time.Hour)
		for i := range m.nodes {
			m.write(i)
		}
	}
	m.until("everything to be sent", func() bool { return m.nodes[0].waiting()+m.nodes[1].waiting() == 0 })
	m.until("everything to be received", func() bool {
		for _, r := range m.relays {
			left := 0
			r.with(func() {
				for _, q := range r.queues {
					if q.sub != nil {
						left += len(q.messages)
					}
				}
			})
			if left > 0 {
				return false
			}
		}
		return true
	})
	time.Sleep(time.Minute)
	m.check()
	if m.lost() {
		m.fatal("the connection is lost")
	}
	for i := range m.nodes {
		if got, last := m.nodes[1-i].texts(m.ids[1-i], "message"), m.written[i][len(m.written[i])-1]; len(got) == 0 || got[len(got)-1] != last {
			m.fatal("%s did not get the last message, %s", m.nodes[1-i].name, last)
		}
	}
	m.setCalm(false)
}

// check checks what was received: all of it once and in order, or a report where it is not.
func (m *model) check() {
	m.t.Helper()
	for i, n := range m.nodes {
		if !m.lossy {
			if got := n.texts(m.ids[i], "message"); !slices.Equal(got, m.written[1-i]) {
				m.fatal("%s received %v, want %v", n.name, got, m.written[1-i])
			}
			if p := n.texts(m.ids[i], "problem"); len(p) > 0 {
				m.fatal("%s: %v", n.name, p)
			}
			continue
		}
		last, reported, unreported := -1, false, 0
		seen := map[string]bool{}
		for _, r := range n.records(m.ids[i]) {
			switch r.kind {
			case "problem", "sync":
				reported = true
				unreported = 0
			case "message":
				at := slices.Index(m.written[1-i], r.text)
				if at < 0 || seen[r.text] {
					m.fatal("%s received %s, which was not written, or twice", n.name, r.text)
				}
				if at != last+1 && !reported {
					unreported++ // while a queue is moved it comes a little later
				}
				seen[r.text] = true
				last, reported = at, false
			}
		}
		if unreported > 0 {
			m.fatal("%s did not receive all, and has no report of what is missing", n.name)
		}
	}
}

func (m *model) run() {
	m.connect()
	for range shorter(*modelSteps) {
		m.step()
	}
	m.settle()
	for i, n := range m.nodes {
		kinds := map[string]int{}
		for _, r := range n.records(m.ids[i]) {
			kinds[r.kind]++
		}
		m.t.Logf("%d messages in all; %s in the last connection: %v", m.next, n.name, kinds)
	}
}

// TestModel has two agents talk while connections break at any command, answers are lost, relays
// and agents are stopped and started, and queues are moved: each message arrives once and in order.
func TestModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { newModel(t, false).run() })
}

// TestModelLossy has relays that lose, repeat and reorder messages as well, and agents that go back to
// a backup: each message arrives once and in order, or what is missing is reported.
func TestModelLossy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { newModel(t, true).run() })
}
