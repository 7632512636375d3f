package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// torMode is what a fakeTor does.
type torMode string

const (
	torWorks   torMode = "works"
	torGone    torMode = "is gone"
	torHangs   torMode = "hangs"              // takes connections, and never answers
	torRefuses torMode = "refuses"            // answers that it can't connect
	torGarbage torMode = "answers garbage"    // in place of SOCKS, or once connected
	torCuts    torMode = "dies in mid-stream" // after some bytes
)

// fakeTor is a SOCKS proxy that stands in for a Tor that runs already. All names that it knows lead to this computer.
type fakeTor struct {
	t      *testing.T
	listen func() (net.Listener, error) // called for each start
	work   sync.WaitGroup

	mu       sync.Mutex
	mode     torMode
	listener net.Listener // nil while it is gone
	at       string       // its address
	conns    map[net.Conn]bool
	changed  chan struct{} // closed when there is more of these:
	users    []string      // that have asked for something
	asked    []string      // hosts
}

func newFakeTor(t *testing.T, listen func() (net.Listener, error)) *fakeTor {
	t.Helper()
	f := &fakeTor{t: t, listen: listen, mode: torGone, conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	f.set(torWorks)
	t.Cleanup(func() {
		f.set(torGone)
		f.work.Wait()
	})
	return f
}

// set ends all connections and goes on in another way.
func (f *fakeTor) set(mode torMode) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
	for c := range f.conns {
		c.Close()
	}
	if mode == torGone {
		if f.listener != nil {
			f.listener.Close()
			f.listener = nil
		}
		return
	}
	if f.listener != nil {
		return
	}
	l, err := f.listen()
	if err != nil {
		f.t.Error(err)
		return
	}
	f.listener, f.at = l, l.Addr().String()
	f.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.work.Go(func() {
				mode := f.open(c)
				defer f.close(c)
				f.serve(c, mode)
			})
		}
	})
}

func (f *fakeTor) open(c net.Conn) torMode {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = true
	return f.mode
}

func (f *fakeTor) close(c net.Conn) {
	c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

func (f *fakeTor) address() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// count returns how often something was asked for.
func (f *fakeTor) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.users)
}

// wait waits until a condition on what was asked for holds.
func (f *fakeTor) wait(what string, cond func() bool) {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		f.mu.Lock()
		ok, changed := cond(), f.changed
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// request notes that something was asked for, and tells how often that was so.
func (f *fakeTor) request(user, host string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users, f.asked = append(f.users, user), append(f.asked, host)
	close(f.changed)
	f.changed = make(chan struct{})
	return len(f.users)
}

// serve speaks SOCKS5 with a user and a password (RFC 1928 and 1929).
func (f *fakeTor) serve(c net.Conn, mode torMode) {
	r := bufio.NewReader(c)
	gone := false // the program has ended the connection, as when it is killed
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			gone = true
			return make([]byte, n)
		}
		return b
	}
	short := func() string { return string(read(int(read(1)[0]))) }
	if !slices.Contains(read(int(read(2)[1])), 2) {
		return
	}
	c.Write([]byte{5, 2})
	if _, err := r.Peek(1); err != nil {
		return // it only looked whether there is a proxy
	}
	read(1)
	user := short()
	short()
	c.Write([]byte{1, 0})
	var host string
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = short()
	}
	port := binary.BigEndian.Uint16(read(2))
	if gone {
		return
	}
	turn := f.request(user, host)
	answer := func(reply byte) { c.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0}) }
	switch {
	case mode == torHangs:
		io.Copy(io.Discard, r)
		return
	case mode == torRefuses:
		answer(1)
		return
	case mode == torGarbage:
		if turn%2 == 0 {
			answer(0) // what the relay should send is garbage then
		}
		io.CopyN(c, rand.Reader, 32<<10)
		return
	case host != "relay.invalid" && host != "127.0.0.1":
		answer(4)
		return
	}
	up, err := net.Dial("tcp", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}).String())
	if err != nil {
		answer(5)
		return
	}
	f.open(up)
	defer f.close(up)
	answer(0)
	var down io.Reader = up
	if mode == torCuts { // in the handshakes, or in the first blocks after them
		down = io.LimitReader(up, int64(turn%8)*5000)
	}
	f.work.Go(func() {
		io.Copy(c, down)
		c.Close()
	})
	io.Copy(up, r)
}

// check looks at all that was asked for: nothing but relays, and never without a name for the circuits.
func (f *fakeTor) check() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, host := range f.asked {
		if host != "relay.invalid" && host != "wrong.invalid" {
			f.t.Errorf("the proxy was asked for %q", host)
		}
	}
	if slices.Contains(f.users, "") {
		f.t.Error("something was asked for without a user, whose circuits others share")
	}
}

// farRelay is a relay that the programs of a test can't reach by its name.
type farRelay struct{ messages, files string }

func startFarRelay(t *testing.T, host string) *farRelay {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "relay")
	var ports []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
		l.Close()
	}
	out, err := exec.Command(filepath.Join(bin, "sotto-relay"), "init", "--data", dir, "--host", host, "--port", ports[0], "--files-port", ports[1]).Output()
	if err != nil {
		t.Fatalf("making a relay: %v", err)
	}
	r := &farRelay{}
	for line := range strings.Lines(string(out)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "smp://"):
			r.messages = line
		case strings.HasPrefix(line, "xftp://"):
			r.files = line
		}
	}
	cmd := exec.Command(filepath.Join(bin, "sotto-relay"), "start", "--data", dir, "--listen", "127.0.0.1:"+ports[0], "--files-listen", "127.0.0.1:"+ports[1])
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // it prints its address when it is ready
		t.Fatalf("the relay does not start: %v", err)
	}
	return r
}

// forward forwards connections to the same port outside of the namespace of the listener. What they
// send has to pass the gate.
func forward(t *testing.T, l net.Listener, gate *gate) {
	var mu sync.Mutex
	var work sync.WaitGroup
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			keep(c)
			up, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				c.Close()
				continue
			}
			keep(up)
			work.Go(func() { io.Copy(up, gatedReader{c, gate}); up.Close() })
			work.Go(func() { io.Copy(c, up); c.Close() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
}

// gate lets a number of bytes pass, and more only once it is open.
type gate struct {
	mu   sync.Mutex
	left int
	open chan struct{} // closed when it is open
	full chan struct{} // closed when no more passes
}

func newGate(bytes int) *gate {
	return &gate{left: bytes, open: make(chan struct{}), full: make(chan struct{})}
}

// pass takes up to n bytes, 0 for any number once the gate is open.
func (g *gate) pass(n int) int {
	g.mu.Lock()
	n = min(n, g.left)
	if g.left -= n; n > 0 && g.left == 0 {
		close(g.full)
	}
	g.mu.Unlock()
	if n == 0 {
		<-g.open
	}
	return n
}

// gatedReader reads what passes a gate.
type gatedReader struct {
	io.Reader
	gate *gate
}

func (r gatedReader) Read(b []byte) (int, error) {
	if n := r.gate.pass(len(b)); n > 0 {
		b = b[:n]
	}
	return r.Reader.Read(b)
}
