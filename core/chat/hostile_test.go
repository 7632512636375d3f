package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// patience bounds the wait for a condition. It is far longer than anything takes.
const patience = 60 * time.Second

func startRelay(t *testing.T) wire.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := filepath.Join(t.TempDir(), "relay")
	server, err := relay.Init(dir, relay.Settings{Hosts: []string{"127.0.0.1"}, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	r, err := relay.Open(dir, relay.Config{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, relay.ErrClosed) {
			t.Error(err)
		}
	})
	return server
}

// node is a Chat on a relay.
type node struct {
	*Chat
	t       *testing.T
	dir     string
	changed chan struct{}
	ahead   *atomic.Int64 // how far its clock goes ahead, in nanoseconds
	stop    func()
}

func startNode(t *testing.T, name string, server wire.Server) *node {
	t.Helper()
	n := newNode(t, name)
	n.runWith(server, func(*Chat) {})
	return n
}

// newNode makes a node that does not run yet.
func newNode(t *testing.T, name string) *node {
	t.Helper()
	return &node{t: t, dir: newData(t, name), changed: make(chan struct{}, 1), ahead: new(atomic.Int64)}
}

// newData makes a folder with the database of a profile.
func newData(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := store.Create(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *store.Tx) error { return SetName(tx, name) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run starts a Chat, and returns what ends it and closes its database, as the end of the test does.
func run(t *testing.T, c *Chat, db *store.DB) (stop func()) {
	t.Helper()
	stop = sync.OnceFunc(func() {
		c.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return stop
}

// runWith starts a Chat on the database of a node, after something was done with it.
func (n *node) runWith(server wire.Server, prepare func(*Chat)) {
	n.t.Helper()
	db, err := store.Open(n.t.Context(), n.dir, store.Options{})
	if err != nil {
		n.t.Fatal(err)
	}
	n.Chat = New(Config{
		Agent: agent.Config{DB: db, Rand: rand.Reader, PQ: true,
			Now:    func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) },
			Choose: func(_, _ []wire.Server) (agent.Relay, error) { return agent.Relay{Server: server}, nil }},
		Publish: func(Event) { wake(n.changed) },
		Files:   testFiles(n.t),
	})
	prepare(n.Chat)
	n.stop = run(n.t, n.Chat, db)
}

// restart ends the Chat and starts one on the same database, whose clock goes further ahead.
func (n *node) restart(server wire.Server, ahead time.Duration) {
	n.t.Helper()
	n.stop()
	n.ahead.Add(int64(ahead))
	n.runWith(server, func(*Chat) {})
}

func (n *node) wait(what string, cond func() bool) {
	n.t.Helper()
	await(n.t, n.changed, what, cond)
}

// await waits until a condition holds, which is looked at after each event, and now and then.
func await(t *testing.T, changed <-chan struct{}, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !cond() {
		select {
		case <-changed:
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func (n *node) names() (names []string) {
	n.t.Helper()
	list, err := n.Requests(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names
}

// TestLinkData reads short links whose owner put something else into them.
func TestLinkData(t *testing.T) {
	t.Parallel()
	server := startRelay(t)
	alice, bob := startNode(t, "Alice", server), startNode(t, "Bob", server)
	address, err := alice.MakeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var connection int64
	err = alice.db.View(t.Context(), func(tx *store.Tx) error {
		a, err := tx.Address()
		if err == nil {
			connection = a.Connection
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	encode := func(d event.LinkData) string {
		b, err := event.EncodeLinkData(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	welcome := event.Text(strings.Repeat("é", 5000))
	group, isRelay := &LinkKindError{agent.LinkGroup, true}, &LinkKindError{agent.LinkRelay, true}
	for _, c := range []struct {
		data, name string
		greeting   int
		err        error
	}{
		{"", "", 0, nil},
		{"garbage", "", 0, nil},
		{"X garbage", "", 0, nil},
		{"{}", "", 0, nil},
		{strings.Repeat(`{"profile":`, 1000), "", 0, nil},
		{encode(event.LinkData{Profile: &event.Profile{DisplayName: " @\u202eeve\n "}}), "eve", 0, nil},
		{encode(event.LinkData{Profile: &event.Profile{DisplayName: strings.Repeat("x", 9000)}}), strings.Repeat("x", event.MaxDisplayName), 0, nil},
		{encode(event.LinkData{Profile: &event.Profile{DisplayName: "Eve"}, Message: &welcome}), "Eve", maxGreeting, nil},
		{encode(event.LinkData{Profile: &event.Profile{DisplayName: "Eve"}, Business: true}), "", 0, ErrBusinessLink},
		{encode(event.LinkData{GroupProfile: &event.GroupProfile{DisplayName: "Eves"}}), "", 0, group},
		{encode(event.LinkData{RelayProfile: []byte(`{}`)}), "", 0, isRelay},
	} {
		if err := alice.agent.SetLinkData(t.Context(), connection, []byte(c.data)); err != nil {
			t.Fatal(err)
		}
		plan, err := bob.Plan(t.Context(), address.Link)
		if kind := new(LinkKindError); errors.As(err, &kind) {
			if want := new(LinkKindError); !errors.As(c.err, &want) || *kind != *want {
				t.Errorf("%.40q: %v, want %v", c.data, err, c.err)
			}
		} else if !errors.Is(err, c.err) {
			t.Errorf("%.40q: %v, want %v", c.data, err, c.err)
		}
		if plan.Name != c.name || len(plan.Greeting) != c.greeting {
			t.Errorf("%.40q: the plan is %.80q, %d bytes", c.data, plan.Name, len(plan.Greeting))
		}
	}
	// Nothing of it keeps anybody from connecting, unless it can't be connected with.
	if list, err := bob.Contacts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("contacts are %+v, %v", list, err)
	}
	if err := alice.agent.SetLinkData(t.Context(), connection, []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Connect(t.Context(), address.Link); err != nil {
		t.Fatal(err)
	}
	alice.wait("the request", func() bool { return slices.Equal(alice.names(), []string{"Bob"}) })
}

// TestBadRequests has somebody send anything to an address.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	server := startRelay(t)
	alice, eve := startNode(t, "Alice", server), startNode(t, "Eve", server)
	address, err := alice.MakeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	full, _, err := agent.ParseLink(address.Full)
	if err != nil {
		t.Fatal(err)
	}
	send := func(info string) {
		t.Helper()
		if _, err := eve.agent.Join(t.Context(), *full, []byte(info), func(*store.Tx, int64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, info := range []string{"", "garbage", "{}", text("1", "hello"), `{"event":"x.contact","params":{}}`, strings.Repeat("[", 5000)} {
		send(info)
	}
	for i := range 20 {
		send(contactInfo(fmt.Sprint("Eve ", i), "the same id", ""))
	}
	send(contactInfo("Mallory", "", ""))
	// The order in which they arrive is not that in which they were sent.
	alice.wait("the requests", func() bool { return len(alice.names()) == 2 && slices.Contains(alice.names(), "Mallory") })
	if _, err := eve.Connect(t.Context(), address.Full); err != nil {
		t.Fatal(err)
	}
	alice.wait("a good request", func() bool { return len(alice.names()) == 3 && slices.Contains(alice.names(), "Eve") })
}
