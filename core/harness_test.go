package core

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store/vault"
)

// realDeriveKey is what the program derives keys with.
var realDeriveKey = deriveKey

func TestMain(m *testing.M) {
	fault.Report(func(e *fault.Error) { panic(e) })
	deriveKey = func(passphrase, salt []byte) []byte {
		mac := hmac.New(sha256.New, salt)
		mac.Write(passphrase)
		return mac.Sum(nil)
	}
	deleteTime = patience
	goleak.VerifyTestMain(m)
}

// TestDeriveKey makes sure that the program's own passphrases cost what those of vaults do.
func TestDeriveKey(t *testing.T) {
	passphrase, salt := []byte("passphrase"), make([]byte, vault.SaltSize)
	if !bytes.Equal(realDeriveKey(passphrase, salt), vault.DeriveKey(passphrase, salt)) {
		t.Error("keys are derived in another way")
	}
}

// briefly is a context for what is tried in vain.
func briefly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// patience bounds the wait for a condition. It is far longer than anything takes.
const patience = 60 * time.Second

// testRelay is a relay on loopback, for messages or for files, that can be stopped and started again.
type testRelay struct {
	t       *testing.T
	dir     string
	files   bool
	address string
	port    string
	running interface {
		Serve(context.Context, net.Listener) error
		Close() error
	}
	done chan error
}

func newTestRelay(t *testing.T) *testRelay { t.Helper(); return makeTestRelay(t, false) }

// newTestFiles makes a relay for files.
func newTestFiles(t *testing.T) *testRelay { t.Helper(); return makeTestRelay(t, true) }

func makeTestRelay(t *testing.T, files bool) *testRelay {
	t.Helper()
	r := &testRelay{t: t, dir: filepath.Join(t.TempDir(), "relay"), files: files}
	l := mustListen(t, "0")
	r.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	server, err := relay.Init(r.dir, relay.Settings{Hosts: []string{loopback}, Port: r.port, Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if files {
		server.Scheme = wire.XFTP
	}
	r.address = server.Text("secret")
	r.serve(l)
	t.Cleanup(r.stop)
	return r
}

// mustListen listens on loopback at a port, or with "0" at one that is still free when it is to be listened at again.
func mustListen(t *testing.T, port string) net.Listener {
	t.Helper()
	if port == "0" {
		l, err := relay.ListenLoopback()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, port))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (r *testRelay) serve(l net.Listener) {
	r.t.Helper()
	var err error
	if r.files {
		r.running, err = files.Open(r.dir, files.Config{Password: "secret"})
	} else {
		r.running, err = relay.Open(r.dir, relay.Config{})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	running, done := r.running, make(chan error, 1)
	r.done = done
	go func() { done <- running.Serve(context.Background(), l) }()
}

func (r *testRelay) start() { r.t.Helper(); r.serve(mustListen(r.t, r.port)) }

func (r *testRelay) stop() {
	if r.running == nil {
		return
	}
	if err := r.running.Close(); err != nil {
		r.t.Error(err)
	}
	<-r.done
	r.running = nil
}

// testOptions uses a relay, and tries again soon.
func testOptions(r *testRelay) Options {
	opt := Options{Retry: agent.Retry{First: 20 * time.Millisecond, After: time.Second, Max: 100 * time.Millisecond}}
	if r != nil {
		opt.Relays = []string{r.address}
	}
	return opt
}

// testCore is a Core whose events a test can wait for.
type testCore struct {
	*Core
	t      *testing.T
	dir    string
	opt    Options
	events <-chan Event
}

func openTest(t *testing.T, dir string, opt Options) *testCore {
	t.Helper()
	c := &testCore{t: t, dir: dir, opt: opt}
	c.reopen()
	t.Cleanup(c.shut)
	return c
}

func (c *testCore) reopen() {
	c.t.Helper()
	var err error
	if c.Core, err = Open(context.Background(), c.dir, c.opt); err != nil {
		c.t.Fatal(err)
	}
	c.events, _ = c.Subscribe(16)
}

func (c *testCore) shut() {
	if c.Core == nil {
		return
	}
	if err := c.Close(); err != nil {
		c.t.Error(err)
	}
	c.Core = nil
}

// wait waits until a condition holds, which is looked at after each event, and now and then.
func (c *testCore) wait(what string, cond func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !cond() {
		select {
		case <-again.C:
		case _, ok := <-c.events:
			if !ok {
				c.t.Fatalf("closed while waiting for: %s", what)
			}
		case <-deadline.C:
			c.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// create makes a profile and uses it.
func (c *testCore) create(name string) *Profile {
	c.t.Helper()
	p, err := c.CreateProfile(c.t.Context(), NewProfile{Name: name})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.Use(p.ID()); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func mustInvite(t *testing.T, p *Profile) Invitation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i, err := p.Invite(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustConnect(t *testing.T, p *Profile, link string) Contact {
	t.Helper()
	contact, err := p.Connect(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	return contact
}

func mustContact(t *testing.T, p *Profile, id int64) Contact {
	t.Helper()
	contact, err := p.Contact(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return contact
}

func mustSend(t *testing.T, p *Profile, contact int64, text string) Item {
	t.Helper()
	i, err := p.Send(t.Context(), contact, NewMessage{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustHistory(t *testing.T, p *Profile, contact int64) []Item {
	t.Helper()
	items, err := p.History(t.Context(), contact, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// received returns the texts of the other side, and fails for any other item.
func received(t *testing.T, p *Profile, contact int64) (texts []string) {
	t.Helper()
	for _, i := range mustHistory(t, p, contact) {
		if i.Kind != chat.KindText {
			t.Fatalf("unexpected item of kind %s, count %d", i.Kind, i.Count)
		}
		if !i.Own {
			texts = append(texts, i.Text)
		}
	}
	return texts
}

// pair are two profiles that are connected, in two Cores.
type pair struct {
	a, b   *testCore
	pa, pb *Profile
	ca, cb int64 // how each knows the other
}

func connectedPair(t *testing.T, opt Options) *pair {
	t.Helper()
	p := &pair{a: openTest(t, t.TempDir(), opt), b: openTest(t, t.TempDir(), opt)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")
	p.connect(t)
	return p
}

func (p *pair) connect(t *testing.T) {
	t.Helper()
	i := mustInvite(t, p.pa)
	p.ca, p.cb = i.Contact.ID, mustConnect(t, p.pb, i.Link).ID
	p.a.wait("Alice to be connected", func() bool { return mustContact(t, p.pa, p.ca).State == chat.ContactConnected })
	p.b.wait("Bob to be connected", func() bool { return mustContact(t, p.pb, p.cb).State == chat.ContactConnected })
}

// delivered waits until a message of one's own is delivered.
func (c *testCore) delivered(p *Profile, contact int64, id int64) {
	c.t.Helper()
	c.wait("a message to be delivered", func() bool {
		for _, i := range mustHistory(c.t, p, contact) {
			if i.ID == id {
				return i.State == chat.StateDelivered
			}
		}
		return false
	})
}

func mustServer(t *testing.T, address string) wire.Server {
	t.Helper()
	s, _, err := wire.ParseServerPassword(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
