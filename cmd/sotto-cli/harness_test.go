package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/relay"
)

// patience bounds the wait for a line. It is far longer than anything takes.
const patience = 120 * time.Second

// bin is the folder with the programs.
var bin string

func TestMain(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	if bin, err = os.MkdirTemp("", "sotto-cli-test"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(bin)
	out, err := exec.Command("go", "build", "-o", bin+string(filepath.Separator), ".", "../sotto-relay").CombinedOutput()
	if err != nil {
		return 1, fmt.Errorf("building the programs: %w: %s", err, out)
	}
	if code = m.Run(); code == 0 {
		err = goleak.Find()
	}
	return code, err
}

// child is a running sotto-cli.
type child struct {
	t      *testing.T
	args   []string
	where  func(start func() error) error // starts it elsewhere, if it is not nil
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan object
	next   int
	events []object // in the order in which they came, over all runs
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{t: t, args: args}
	c.start()
	t.Cleanup(c.kill)
	return c
}

func (c *child) start() {
	c.t.Helper()
	c.cmd = exec.Command(filepath.Join(bin, "sotto-cli"), c.args...)
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		c.t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	where := c.where
	if where == nil {
		where = func(start func() error) error { return start() }
	}
	if err := where(c.cmd.Start); err != nil {
		c.t.Fatal(err)
	}
	// All that is written before a kill is read.
	lines := make(chan object, 1<<16)
	c.lines = lines
	go func() {
		defer close(lines)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				return
			}
			var o object
			if err := json.Unmarshal(line, &o); err != nil {
				o = object{"event": "not JSON", "line": string(line)}
			}
			lines <- o
		}
	}()
}

// kill ends the program as a crash would, and keeps the events that it has told.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	c.cmd.Process.Kill()
	for o := range c.lines {
		c.keep(o)
	}
	c.cmd.Wait()
	c.cmd = nil
}

// end closes the input and waits for a clean end.
func (c *child) end() {
	c.t.Helper()
	c.in.Close()
	for o := range c.lines {
		c.keep(o)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("sotto-cli ended with: %v", err)
	}
	c.cmd = nil
}

func (c *child) keep(o object) {
	if _, ok := o["event"]; ok {
		c.events = append(c.events, o)
	}
}

// read returns the next line, nil after a while without one.
func (c *child) read(deadline <-chan time.Time) object {
	c.t.Helper()
	select {
	case o, ok := <-c.lines:
		if !ok {
			c.t.Fatal("sotto-cli has ended")
		}
		c.keep(o)
		return o
	case <-time.After(100 * time.Millisecond):
		return nil
	case <-deadline:
		c.t.Fatal("waited in vain for a line")
		return nil
	}
}

// do executes a command that succeeds.
func (c *child) do(o object) object {
	c.t.Helper()
	a := c.try(o)
	if a["ok"] != true {
		c.t.Fatalf("%v failed: %v", o["cmd"], a)
	}
	return a
}

// send gives a command without waiting for its answer.
func (c *child) send(o object) {
	c.t.Helper()
	c.next++
	o["id"] = c.next
	b, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		c.t.Fatal(err)
	}
}

// try executes a command and returns its answer.
func (c *child) try(o object) object {
	c.t.Helper()
	c.send(o)
	deadline := time.After(patience)
	for {
		if a := c.read(deadline); a != nil && a["id"] == float64(c.next) {
			return a
		}
	}
}

// event waits for an event with these members, which may have come already.
func (c *child) event(want object) object {
	c.t.Helper()
	matches := func(o object) bool {
		for k, v := range want {
			if fmt.Sprint(o[k]) != fmt.Sprint(v) {
				return false
			}
		}
		return true
	}
	if i := slices.IndexFunc(c.events, matches); i >= 0 {
		return c.events[i]
	}
	deadline := time.After(patience)
	for {
		if o := c.read(deadline); o != nil && o["event"] != nil && matches(o) {
			return o
		}
	}
}

// history returns the messages of a contact.
func (c *child) history(contact any) (list []object) {
	c.t.Helper()
	for _, m := range c.do(object{"cmd": "history", "contact": contact, "limit": 1000})["messages"].([]any) {
		list = append(list, m.(map[string]any))
	}
	return list
}

// wait looks at the history again and again until it is as it should be.
func (c *child) wait(contact any, what string, cond func([]object) bool) {
	c.t.Helper()
	deadline := time.After(patience)
	for !cond(c.history(contact)) {
		select {
		case <-deadline:
			c.t.Fatalf("waited in vain for: %s", what)
		default:
			c.read(deadline)
		}
	}
}

// texts returns the texts of messages of one side.
func texts(list []object, own bool) (texts []string) {
	for _, m := range list {
		if m["own"] == own {
			texts = append(texts, fmt.Sprint(m["text"]))
		}
	}
	return texts
}

// relayProcess is a running sotto-relay.
type relayProcess struct {
	t       *testing.T
	dir     string
	port    string
	address string
	files   string // the address for files, empty if it has none
	listen  string // where it listens for files
	cmd     *exec.Cmd
}

func startRelay(t *testing.T) *relayProcess { return makeRelay(t, false) }

// freePort returns a port that stays free until a relay is started, and started again.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := relay.ListenLoopback()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// makeRelay starts a relay, also for files or not.
func makeRelay(t *testing.T, files bool) *relayProcess {
	t.Helper()
	r := &relayProcess{t: t, dir: filepath.Join(t.TempDir(), "relay"), port: freePort(t)}
	args := []string{"init", "--data", r.dir, "--host", "127.0.0.1", "--port", r.port}
	if files {
		port := freePort(t)
		r.listen = "127.0.0.1:" + port
		args = append(args, "--files-port", port)
	}
	out, err := exec.Command(filepath.Join(bin, "sotto-relay"), args...).Output()
	if err != nil {
		t.Fatalf("making a relay: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "smp://"):
			r.address = line
		case strings.HasPrefix(line, "xftp://") && files:
			r.files = line
		}
	}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *relayProcess) start() {
	r.t.Helper()
	args := []string{"start", "--data", r.dir, "--listen", "127.0.0.1:" + r.port}
	if r.listen == "" {
		args = append(args, "--no-files")
	} else {
		args = append(args, "--files-listen", r.listen)
	}
	r.cmd = exec.Command(filepath.Join(bin, "sotto-relay"), args...)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	// It prints its address when it is ready.
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		r.t.Fatalf("the relay does not start: %v", err)
	}
}

func (r *relayProcess) kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// connect connects two children that have a profile, and returns how each knows the other.
func connect(a, b *child) (ca, cb any) {
	a.t.Helper()
	invitation := a.do(object{"cmd": "invite"})
	cb = b.do(object{"cmd": "connect", "link": invitation["link"]})["contact"]
	ca = invitation["invitation"]
	for _, event := range []string{"connecting", "connected"} {
		a.event(object{"event": event, "contact": ca})
		b.event(object{"event": event, "contact": cb})
	}
	return ca, cb
}
