package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// testRelay is a relay on loopback that can be stopped and started again.
type testRelay struct {
	t      testing.TB
	dir    string
	server wire.Server
	config relay.Config // from the next start on
	stop   func()
}

func newRelay(t testing.TB) *testRelay { return newRelayWith(t, relay.Config{}) }

// newProxy is a relay that connects with others.
func newProxy(t testing.TB, dial relay.DialFunc) *testRelay {
	return newRelayWith(t, relay.Config{Dial: dial})
}

func newRelayWith(t testing.TB, config relay.Config) *testRelay {
	t.Helper()
	r := &testRelay{t: t, config: config, dir: filepath.Join(t.TempDir(), "relay")}
	l, err := relay.ListenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if r.server, err = relay.Init(r.dir, relay.Settings{Hosts: []string{"127.0.0.1"}, Port: port}); err != nil {
		t.Fatal(err)
	}
	r.serve(l)
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *testRelay) serve(l net.Listener) {
	r.t.Helper()
	rel, err := relay.Open(r.dir, r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rel.Serve(ctx, l) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		if err := rel.Close(); err != nil {
			r.t.Error(err)
		}
	})
}

// start serves again on the same port.
func (r *testRelay) start() {
	r.t.Helper()
	released()
	l, err := net.Listen("tcp", net.JoinHostPort(r.server.Hosts[0], r.server.Port))
	if err != nil {
		r.t.Fatal(err)
	}
	r.serve(l)
}

// party is a user of an agent in a test: it writes down all that happens.
type party struct {
	*Agent
	t     testing.TB
	name  string
	dir   string
	relay wire.Server
	db    *store.DB

	mu        sync.Mutex
	changed   chan struct{} // closed at the next change
	bodies    []string
	problems  []string
	sent      map[int64]bool
	receipts  map[int64]bool
	info      string
	up        bool
	left      bool
	failed    error
	state     State
	connected int   // how many connections
	last      int64 // reference
	requests  []int64
	moved     []bool
	sync      []SyncState
	versions  Versions // set before run
	smp       wire.VersionRange
	noPQ      bool
	route     Route          // likewise
	held      []*wire.Server // what Held was told
	protected func(wire.Server) bool
	near      func(wire.Server) bool
	proxies   []wire.Server // besides relay
	path      transport.PathFunc
	isolate   func() bool
}

func newParty(t testing.TB, name string, relay wire.Server) *party {
	p := &party{t: t, name: name, dir: t.TempDir(), relay: relay, changed: make(chan struct{}), sent: map[int64]bool{}, receipts: map[int64]bool{}}
	db, err := createStore(t.Context(), filepath.Join(p.dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	p.run(db)
	t.Cleanup(p.close)
	return p
}

func (p *party) run(db *store.DB) {
	p.t.Helper()
	p.db = db
	p.Agent = New(Config{DB: db, Handler: p, Rand: rand.Reader, Now: time.Now, PQ: !p.noPQ, Network: smp.Config{Versions: p.smp, Path: p.path}, Isolate: p.isolate, Versions: p.versions, Route: func() Route { return p.route },
		Known:     func(s wire.Server) bool { return s.SameAs(p.relay) },
		Protected: p.protected, Near: p.near,
		ChooseProxy: func(_ wire.Server, tried []wire.Server) (Relay, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, s := range append([]wire.Server{p.relay}, p.proxies...) {
				if !slices.ContainsFunc(tried, s.SameAs) {
					return Relay{Server: s}, nil
				}
			}
			return Relay{}, errors.New("no other relay")
		},
		RetrySend: Retry{10 * time.Millisecond, time.Second, time.Second},
		Choose:    func(_, _ []wire.Server) (Relay, error) { return Relay{Server: p.relay}, nil }})
	if err := p.Start(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *party) close() {
	p.Agent.Close()
	if err := p.db.Close(); err != nil {
		p.t.Error(err)
	}
}

func (p *party) restart() {
	p.t.Helper()
	p.close()
	db, err := store.Open(context.Background(), filepath.Join(p.dir, "db"), store.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.run(db)
}

// note changes what the party knows, after the transaction if there is one.
func (p *party) note(tx *store.Tx, f func()) error {
	change := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		f()
		close(p.changed)
		p.changed = make(chan struct{})
	}
	if tx == nil {
		change()
	} else {
		tx.AfterCommit(change)
	}
	return nil
}

// wait waits until a condition on what the party knows is true.
func (p *party) wait(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		done, changed := ok(), p.changed
		state := fmt.Sprintf("state %s, failed %v, %d bodies, %d sent, %d receipts, problems %v", p.state, p.failed, len(p.bodies), len(p.sent), len(p.receipts), p.problems)
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			p.t.Fatalf("%s: waited for %s in vain: %s", p.name, what, state)
		}
	}
}

func (p *party) Request(tx *store.Tx, address, request int64, info []byte) error {
	return p.note(tx, func() { p.requests = append(p.requests, request); p.info = string(info) })
}
func (p *party) Confirm(tx *store.Tx, connection int64, info []byte) ([]byte, error) {
	return []byte(p.name), p.note(tx, func() { p.info = string(info) })
}
func (p *party) Info(tx *store.Tx, connection int64, info []byte) error {
	return p.note(tx, func() { p.info = string(info) })
}
func (p *party) Connected(tx *store.Tx, connection int64) error {
	return p.note(tx, func() { p.state = StateConnected; p.connected++ })
}
func (p *party) Failed(tx *store.Tx, connection int64, reason error) error {
	return p.note(tx, func() { p.failed = reason })
}
func (p *party) Message(tx *store.Tx, connection int64, m Message) (bool, error) {
	body := string(m.Body)
	return true, p.note(tx, func() {
		p.bodies = append(p.bodies, body)
		if m.Integrity != IntegrityOK {
			p.problems = append(p.problems, m.Integrity.String())
		}
	})
}
func (p *party) Unreadable(tx *store.Tx, connection int64, at time.Time, reason error) error {
	return p.note(tx, func() { p.problems = append(p.problems, reason.Error()) })
}
func (p *party) Sync(tx *store.Tx, connection int64, _, state SyncState) error {
	return p.note(tx, func() { p.sync = append(p.sync, state) })
}
func (p *party) StoreState(error) {}
func (p *party) Held(tx *store.Tx, connection int64, relay *wire.Server) error {
	return p.note(tx, func() { p.held = append(p.held, relay) })
}
func (p *party) Elsewhere(tx *store.Tx, connection int64, elsewhere bool) error { return nil }
func (p *party) Moved(tx *store.Tx, connection int64, mine bool) error {
	return p.note(tx, func() { p.moved = append(p.moved, mine) })
}
func (p *party) Sent(tx *store.Tx, connection, reference int64) error {
	return p.note(tx, func() { p.sent[reference] = true })
}
func (p *party) Delivered(tx *store.Tx, connection, reference int64) error {
	return p.note(tx, func() { p.receipts[reference] = true })
}
func (p *party) NotSent(tx *store.Tx, connection, reference int64, reason error) error {
	return p.note(tx, func() { p.problems = append(p.problems, reason.Error()) })
}
func (p *party) RelayState(server wire.Server, up bool, reason error) {
	_ = p.note(nil, func() { p.up, p.left = up, errors.Is(reason, ErrRelayLeft) })
}

// invite makes an invitation and returns its links.
func (p *party) invite() (connection int64, full Link, short *ShortLink) {
	p.t.Helper()
	connection, err := p.Invite(context.Background(), []byte("data of "+p.name), func(_ *store.Tx, _ int64, i Invitation) error {
		full, short = i.Full, i.Short
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return connection, full, short
}

// join opens a link.
func (p *party) join(l Link) (connection int64) {
	p.t.Helper()
	connection, err := p.Join(context.Background(), l, []byte(p.name), func(*store.Tx, int64) error { return nil })
	if err != nil {
		p.t.Fatal(err)
	}
	return connection
}

// write sends texts, each in a transaction of its own.
func (p *party) write(connection int64, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.last++
		err := p.db.Update(context.Background(), func(tx *store.Tx) error { return p.Send(tx, connection, p.last, []byte(text), true) })
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

func texts(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s %d", prefix, i))
	}
	return list
}

func (p *party) has(texts ...string) func() bool {
	return func() bool { return slices.Equal(p.bodies, texts) }
}

// connect makes two parties and connects them by a link.
func connect(t testing.TB, r *testRelay) (alice, bob *party, atAlice, atBob int64) {
	t.Helper()
	alice, bob = newParty(t, "alice", r.server), newParty(t, "bob", r.server)
	atAlice, link, _ := alice.invite()
	parsed, _, err := ParseLink(link.String())
	if err != nil {
		t.Fatal(err)
	}
	atBob = bob.join(*parsed)
	alice.wait("the connection", func() bool { return alice.state == StateConnected && alice.info == "bob" })
	bob.wait("the connection", func() bool { return bob.state == StateConnected && bob.info == "alice" })
	return alice, bob, atAlice, atBob
}

func TestConversation(t *testing.T) {
	alice, bob, atAlice, atBob := connect(t, newRelay(t))
	fromAlice, fromBob := texts("from alice", 20), texts("from bob", 20)
	for i := range fromAlice {
		alice.write(atAlice, fromAlice[i])
		bob.write(atBob, fromBob[i])
	}
	alice.wait("messages and receipts", func() bool { return alice.has(fromBob...)() && len(alice.receipts) == 20 && len(alice.sent) == 20 })
	bob.wait("messages and receipts", func() bool { return bob.has(fromAlice...)() && len(bob.receipts) == 20 && len(bob.sent) == 20 })
	if len(alice.problems)+len(bob.problems) > 0 {
		t.Error(alice.problems, bob.problems)
	}
}

func TestRestarts(t *testing.T) {
	r := newRelay(t)
	alice, bob, atAlice, atBob := connect(t, r)
	bob.close()
	fromAlice := texts("while bob was away", 5)
	alice.write(atAlice, fromAlice...)
	alice.wait("the relay to have them", func() bool { return len(alice.sent) == 5 })
	r.stop()
	more := texts("while the relay was away", 5)
	alice.write(atAlice, more...)
	alice.restart()
	r.start()
	db, err := store.Open(t.Context(), filepath.Join(bob.dir, "db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bob.run(db)
	bob.wait("all messages", bob.has(append(fromAlice, more...)...))
	alice.wait("all receipts", func() bool { return len(alice.receipts) == 10 })
	bob.write(atBob, "still here")
	alice.wait("the answer", alice.has("still here"))
	if len(alice.problems)+len(bob.problems) > 0 {
		t.Error(alice.problems, bob.problems)
	}
}

func TestLinkUsedTwice(t *testing.T) {
	r := newRelay(t)
	alice, bob, carol := newParty(t, "alice", r.server), newParty(t, "bob", r.server), newParty(t, "carol", r.server)
	_, link, short := alice.invite()
	bob.join(link)
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
	carol.join(link)
	carol.wait("the refusal", func() bool { return errors.Is(carol.failed, ErrLinkUsed) })
	if _, err := carol.Resolve(t.Context(), short); !errors.Is(err, ErrLinkUsed) {
		t.Error("its short form:", err)
	}
	if alice.info != "bob" {
		t.Error("the link led somebody else to alice:", alice.info)
	}
}

func TestJoinRefusals(t *testing.T) {
	r := newRelay(t)
	alice := newParty(t, "alice", r.server)
	_, good, _ := alice.invite()
	for name, change := range map[string]func(*Link){
		"agent version":  func(l *Link) { l.Versions = wire.VersionRange{Min: 8, Max: 9} },
		"client version": func(l *Link) { l.Queues = []QueueURI{{wire.VersionRange{Min: 5, Max: 6}, l.Queues[0].QueueAddress}} },
		"e2e version":    func(l *Link) { l.E2E.Versions = wire.VersionRange{Min: 4, Max: 5} },
		"kind":           func(l *Link) { l.Kind = LinkGroup },
	} {
		link := good
		change(&link)
		if _, err := alice.Join(t.Context(), link, nil, func(*store.Tx, int64) error { return nil }); !errors.Is(err, ErrLinkVersion) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSendLimits(t *testing.T) {
	alice, bob, atAlice, _ := connect(t, newRelay(t))
	send := func(size int) error {
		return alice.db.Update(t.Context(), func(tx *store.Tx) error { return alice.Send(tx, atAlice, 1, make([]byte, size), false) })
	}
	var size int
	err := alice.db.View(t.Context(), func(tx *store.Tx) (err error) {
		size, _, err = alice.MaxBody(tx, atAlice)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := send(size); err != nil {
		t.Fatal(err)
	}
	if err := send(MaxBody + 1000); !errors.Is(err, ErrTooLarge) {
		t.Error("too long a message:", err)
	}
	// The refused message must have left no gap.
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	bob.wait("both messages", func() bool { return len(bob.bodies) == 2 })
	if len(bob.problems) > 0 {
		t.Error(bob.problems)
	}
}

// A short link shows its data before connecting, also after a restart, and then only to who
// looked first.
func TestShortInvitation(t *testing.T) {
	r := newRelay(t)
	alice, bob, carol := newParty(t, "alice", r.server), newParty(t, "bob", r.server), newParty(t, "carol", r.server)
	_, _, short := alice.invite()
	_, parsed, err := ParseLink(short.String())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d, err := bob.Resolve(t.Context(), parsed)
		if err != nil || string(d.User) != "data of alice" || d.Link.E2E.KEM == nil {
			t.Fatalf("%+v, %v", d, err)
		}
		bob.restart()
	}
	if _, err := carol.Resolve(t.Context(), parsed); !errors.Is(err, ErrLinkUsed) {
		t.Error("for somebody else:", err)
	}
	d, err := bob.Resolve(t.Context(), parsed)
	if err != nil {
		t.Fatal(err)
	}
	bob.join(d.Link)
	alice.wait("the connection", func() bool { return alice.state == StateConnected && alice.info == "bob" })
	bob.wait("the connection", func() bool { return bob.state == StateConnected && bob.info == "alice" })
}

func TestAddress(t *testing.T) {
	r := newRelay(t)
	owner, bob, carol := newParty(t, "owner", r.server), newParty(t, "bob", r.server), newParty(t, "carol", r.server)
	var made Invitation
	address, err := owner.MakeAddress(t.Context(), []byte("greeting"), func(_ *store.Tx, _ int64, i Invitation) error {
		made = i
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	full, _, err := ParseLink(made.Full.String())
	if err != nil {
		t.Fatal(err)
	}
	_, short, err := ParseLink(made.Short.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.SetLinkData(t.Context(), address, []byte("another greeting")); err != nil {
		t.Fatal(err)
	}
	d, err := carol.Resolve(t.Context(), short)
	if err != nil || string(d.User) != "another greeting" {
		t.Fatalf("%+v, %v", d, err)
	}
	// bob has the full link and carol the short one; both may use it, and both wait.
	atBob := bob.join(*full)
	owner.wait("bob's request", func() bool { return len(owner.requests) == 1 && owner.info == "bob" })
	atCarol := carol.join(d.Link)
	owner.wait("carol's request", func() bool { return len(owner.requests) == 2 && owner.info == "carol" })
	owner.restart()
	if err := owner.db.Update(t.Context(), func(tx *store.Tx) error { return owner.Reject(tx, owner.requests[0]) }); err != nil {
		t.Fatal(err)
	}
	created := func(*store.Tx, int64) error { return nil }
	if _, err := owner.Accept(t.Context(), owner.requests[0], nil, created); !errors.Is(err, store.ErrNotFound) {
		t.Error("accepting a rejected request:", err)
	}
	atOwner, err := owner.Accept(t.Context(), owner.requests[1], []byte("owner"), created)
	if err != nil {
		t.Fatal(err)
	}
	carol.wait("the connection", func() bool { return carol.state == StateConnected && carol.info == "owner" })
	owner.wait("the connection", func() bool { return owner.state == StateConnected })
	owner.write(atOwner, "welcome")
	carol.wait("the message", carol.has("welcome"))
	carol.write(atCarol, "thanks")
	owner.wait("the answer", owner.has("thanks"))
	err = bob.db.Update(t.Context(), func(tx *store.Tx) error { return bob.Send(tx, atBob, 1, []byte("hello?"), false) })
	if !errors.Is(err, ErrNotConnected) {
		t.Error("sending before the request is accepted:", err)
	}
	if len(owner.problems)+len(carol.problems)+len(bob.problems) > 0 {
		t.Error(owner.problems, carol.problems, bob.problems)
	}
}

func TestDelete(t *testing.T) {
	alice, bob, atAlice, atBob := connect(t, newRelay(t))
	if err := alice.db.Update(t.Context(), func(tx *store.Tx) error { return alice.Delete(tx, atAlice) }); err != nil {
		t.Fatal(err)
	}
	for {
		// Until the deletion has reached the relay bob's messages are accepted.
		bob.write(atBob, "anybody there?")
		before := bob.last
		bob.wait("an outcome", func() bool { return bob.sent[before] || len(bob.problems) > 0 })
		if len(bob.problems) > 0 {
			break
		}
	}
	if bob.problems[0] != ErrQueueGone.Error() {
		t.Error(bob.problems)
	}
}

func (p *party) resync(connection int64) {
	p.t.Helper()
	if err := p.db.Update(context.Background(), func(tx *store.Tx) error { return p.Resync(tx, connection, true) }); err != nil {
		p.t.Fatal(err)
	}
}

func (p *party) synced() bool { return len(p.sync) > 0 && p.sync[len(p.sync)-1] == SyncOK }

func TestResync(t *testing.T) {
	for name, start := range map[string]func(alice, bob *party, atAlice, atBob int64){
		"one side":   func(alice, _ *party, atAlice, _ int64) { alice.resync(atAlice) },
		"both sides": func(alice, bob *party, atAlice, atBob int64) { alice.resync(atAlice); bob.resync(atBob) },
	} {
		t.Run(name, func(t *testing.T) {
			alice, bob, atAlice, atBob := connect(t, newRelay(t))
			alice.write(atAlice, "before")
			bob.wait("a message", bob.has("before"))
			alice.wait("its receipt", func() bool { return len(alice.receipts) == 1 })
			for round := range 2 {
				alice.mu.Lock()
				alice.sync, alice.bodies = nil, nil
				alice.mu.Unlock()
				bob.mu.Lock()
				bob.sync, bob.bodies = nil, nil
				bob.mu.Unlock()
				start(alice, bob, atAlice, atBob)
				alice.wait("the new ratchet", alice.synced)
				bob.wait("the new ratchet", bob.synced)
				text := fmt.Sprintf("after %d", round)
				alice.write(atAlice, text)
				bob.write(atBob, text)
				alice.wait("a message", alice.has(text))
				bob.wait("a message", bob.has(text))
			}
			if len(alice.problems)+len(bob.problems) > 0 {
				t.Error(alice.problems, bob.problems)
			}
		})
	}
}

// Who restores an old copy of its database can't decrypt any more, is told so, and can mend it.
func TestRestoredBackup(t *testing.T) {
	r := newRelay(t)
	alice, bob, atAlice, atBob := connect(t, r)
	bob.close()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(bob.dir, "db"))); err != nil {
		t.Fatal(err)
	}
	open := func() {
		db, err := store.Open(t.Context(), filepath.Join(bob.dir, "db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		bob.run(db)
	}
	open()
	for i := range 4 { // each turn makes a new chain
		alice.write(atAlice, fmt.Sprint("question ", i))
		bob.wait("a question", func() bool { return len(bob.bodies) == i+1 })
		bob.write(atBob, fmt.Sprint("answer ", i))
		alice.wait("an answer", func() bool { return len(alice.bodies) == i+1 })
	}
	alice.wait("the receipts", func() bool { return len(alice.receipts) == 4 })
	bob.wait("the receipts", func() bool { return len(bob.receipts) == 4 })
	bob.close()
	if err := os.RemoveAll(filepath.Join(bob.dir, "db")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(bob.dir, "db"), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	open()
	alice.write(atAlice, "can you read this?")
	bob.wait("the news", func() bool { return slices.Contains(bob.sync, SyncRequired) })
	err := bob.db.Update(t.Context(), func(tx *store.Tx) error { return bob.Send(tx, atBob, 99, []byte("no"), false) })
	if !errors.Is(err, ErrSync) {
		t.Error("sending without a ratchet:", err)
	}
	if err := bob.db.Update(t.Context(), func(tx *store.Tx) error { return bob.Resync(tx, atBob, false) }); err != nil {
		t.Fatal(err)
	}
	bob.wait("the new ratchet", bob.synced)
	alice.wait("the new ratchet", alice.synced)
	alice.write(atAlice, "and this?")
	bob.wait("the message", func() bool { return slices.Contains(bob.bodies, "and this?") })
}

// What the window shows of who can see what.
func TestQueues(t *testing.T) {
	first, second := newRelay(t), newProxy(t, new(counter).dial)
	alice, bob := newParty(t, "alice", first.server), newParty(t, "bob", second.server)
	bob.route = Route{Routing: RouteUnknown, Fallback: FallbackNever}
	atAlice, link, _ := alice.invite()
	atBob := bob.join(link)
	alice.wait("the connection", func() bool { return alice.state == StateConnected })
	bob.wait("the connection", func() bool { return bob.state == StateConnected })
	for _, c := range []struct {
		p     *party
		id    int64
		proxy bool
	}{{alice, atAlice, false}, {bob, atBob, true}} {
		list, err := c.p.Queues(t.Context(), c.id)
		if err != nil || len(list) != 2 {
			t.Fatalf("%s: %+v, %v", c.p.name, list, err)
		}
		in, out := list[0], list[1]
		if !in.Receive || !in.Server.SameAs(c.p.relay) || in.Proxy != nil || in.State != QueueSecured {
			t.Errorf("%s receives from %+v", c.p.name, in)
		}
		if out.Receive || out.Server.SameAs(c.p.relay) || (out.Proxy != nil) != c.proxy || out.State != QueueActive {
			t.Errorf("%s sends to %+v", c.p.name, out)
		}
		if c.proxy && !out.Proxy.SameAs(c.p.relay) {
			t.Errorf("%s sends through %v", c.p.name, out.Proxy)
		}
	}
	if _, err := alice.Queues(t.Context(), 12345); !errors.Is(err, store.ErrNotFound) {
		t.Error("of no connection:", err)
	}
}

func TestRotation(t *testing.T) {
	first, second := newRelay(t), newRelay(t)
	alice, bob, atAlice, atBob := connect(t, first)
	var fromAlice, fromBob []string
	write := func(n int) {
		for range n {
			text := fmt.Sprint("message ", len(fromAlice))
			alice.write(atAlice, text)
			bob.write(atBob, text)
			fromAlice, fromBob = append(fromAlice, text), append(fromBob, text)
		}
	}
	write(5)
	alice.relay, bob.relay = second.server, second.server
	if err := alice.Rotate(t.Context(), atAlice); err != nil {
		t.Fatal(err)
	}
	write(10)
	alice.wait("her queue to move", func() bool { return slices.Equal(alice.moved, []bool{true}) })
	bob.wait("alice's queue to move", func() bool { return slices.Equal(bob.moved, []bool{false}) })
	if err := bob.Rotate(t.Context(), atBob); err != nil {
		t.Fatal(err)
	}
	write(5)
	bob.wait("his queue to move", func() bool { return slices.Equal(bob.moved, []bool{false, true}) })
	alice.wait("bob's queue to move", func() bool { return slices.Equal(alice.moved, []bool{true, false}) })
	alice.wait("all messages", alice.has(fromBob...))
	bob.wait("all messages", bob.has(fromAlice...))
	// Nothing is left on the first relay that they would need.
	first.stop()
	alice.restart()
	bob.restart()
	write(3)
	alice.wait("all messages", alice.has(fromBob...))
	bob.wait("all messages", bob.has(fromAlice...))
	if len(alice.problems)+len(bob.problems) > 0 {
		t.Error(alice.problems, bob.problems)
	}
}
