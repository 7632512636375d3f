package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/wire"
)

// asRelay makes the test binary a relay for messages and files in the folder that it names.
const asRelay = "SOTTO_TEST_AS_RELAY"

// testRelay is a relay that runs as a program of its own.
type testRelay struct {
	t         *testing.T
	dir       string
	addresses []string
	cmd       *exec.Cmd
}

func newRelay(t *testing.T) *testRelay {
	t.Helper()
	r := &testRelay{t: t, dir: t.TempDir()}
	r.start()
	return r
}

// start starts the relay, at the addresses that it had before.
func (r *testRelay) start() {
	r.t.Helper()
	program, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd = exec.Command(program)
	r.cmd.Env = append(os.Environ(), asRelay+"="+r.dir)
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	start(r.t, r.cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		r.t.Fatalf("the relay did not start: %v", err)
	}
	r.addresses = strings.Fields(line)
}

// flags let the program use the relay.
func (r *testRelay) flags() (args []string) {
	for _, a := range r.addresses {
		args = append(args, "--relay", a)
	}
	return args
}

// runRelay is the relay's program. It prints its addresses and runs until it is killed.
func runRelay(dir string) error {
	port := func(kept string) (l net.Listener, at string, err error) {
		if kept == "" {
			l, err = relay.ListenLoopback()
		} else {
			l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", kept))
		}
		if err != nil {
			return nil, "", err
		}
		_, at, err = net.SplitHostPort(l.Addr().String())
		return l, at, err
	}
	kept, err := relay.ReadSettings(dir)
	isNew := errors.Is(err, relay.ErrNotInitialized)
	if err != nil && !isNew {
		return err
	}
	messages, at, err := port(kept.Port)
	if err != nil {
		return err
	}
	chunks, filesAt, err := port(kept.FilesPort)
	if err != nil {
		return err
	}
	if isNew {
		if _, err := relay.Init(dir, relay.Settings{Hosts: []string{"127.0.0.1"}, Port: at, FilesPort: filesAt}); err != nil {
			return err
		}
	}
	server, _, err := relay.ReadAddress(dir)
	if err != nil {
		return err
	}
	r, err := relay.Open(dir, relay.Config{})
	if err != nil {
		return err
	}
	f, err := files.Open(dir, files.Config{})
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- r.Serve(context.Background(), messages) }()
	go func() { ended <- f.Serve(context.Background(), chunks) }()
	address := server.Text("")
	server.Scheme, server.Port = wire.XFTP, filesAt
	fmt.Println(address, server.Text(""))
	return <-ended
}

// person is somebody's folder, with a profile of the same name, and the window on it when that is open.
type person struct {
	*window
	name string
	dir  string
	args []string
}

// newPeople makes folders with a profile each that use a relay.
func newPeople(t *testing.T, r *testRelay, names ...string) []*person {
	t.Helper()
	people := make([]*person, len(names))
	for i, name := range names {
		p := &person{name: name, dir: filepath.Join(t.TempDir(), name)}
		p.args = append([]string{"--data", p.dir}, r.flags()...)
		p.with(t, r, func(c *core.Core) {
			if _, err := c.CreateProfile(t.Context(), core.NewProfile{Name: name}); err != nil {
				t.Fatal(err)
			}
		})
		people[i] = p
	}
	return people
}

// with works in the folder while no window is open on it.
func (p *person) with(t *testing.T, r *testRelay, do func(*core.Core)) {
	t.Helper()
	c, err := core.Open(t.Context(), p.dir, core.Options{Relays: r.addresses, TorBinary: "/nonexistent/tor"})
	if err != nil {
		t.Fatal(err)
	}
	do(c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// befriend connects two people, and returns the link that one of them gave the other.
func befriend(t *testing.T, r *testRelay, a, b *person) (link string) {
	t.Helper()
	a.with(t, r, func(ca *core.Core) {
		b.with(t, r, func(cb *core.Core) {
			i, err := ca.Current().Invite(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			link = i.Link
			if _, err := cb.Current().Connect(t.Context(), link); err != nil {
				t.Fatal(err)
			}
			awaitContact(t, ca, b.name)
			awaitContact(t, cb, a.name)
		})
	})
	return link
}

// awaitContact waits until the profile is connected with somebody.
func awaitContact(t *testing.T, c *core.Core, name string) {
	t.Helper()
	events, stop := c.Subscribe(64)
	defer stop()
	for deadline := time.After(patience); ; {
		list, err := c.Current().Contacts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(list, func(c core.Contact) bool { return c.State == chat.ContactConnected && c.Name == name }) {
			return
		}
		select {
		case <-events:
		case <-deadline:
			t.Fatalf("%s does not connect", name)
		}
	}
}

// openAt opens the window of a person at x, with the conversation with somebody if that has a name.
func (p *person) openAt(s *screen, x int, with string) {
	s.t.Helper()
	p.window = s.open(p.name, x, p.args...)
	p.titled(p.name + " – Sotto")
	if with != "" {
		p.click(with)
		p.until("the conversation is open", func() bool { return p.count(with) > 0 })
	}
}
