package tor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/internal/accept"
	"github.com/sotto-chat/sotto/core/transport"
	"golang.org/x/net/proxy"
)

// quick are times for tests.
var quick = func() timing {
	t := defaultTiming
	t.tick = 200 * time.Millisecond
	t.retry = 100 * time.Millisecond
	return t
}()

// recorder records the changes of the status.
type recorder struct {
	mu      sync.Mutex
	all     []Status
	times   []time.Time
	changed chan struct{}
}

func (r *recorder) add(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all, r.times = append(r.all, s), append(r.times, time.Now())
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) states() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []State
	for _, s := range r.all {
		if len(all) == 0 || all[len(all)-1] != s.State {
			all = append(all, s.State)
		}
	}
	return all
}

func (r *recorder) saw(state State) bool {
	for _, s := range r.states() {
		if s == state {
			return true
		}
	}
	return false
}

// await waits until the recorded changes are as wanted. A status is recorded a moment after it can be seen.
func (r *recorder) await(t *testing.T, want func() bool) {
	t.Helper()
	ctx := testContext(t)
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if want() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("states are %v", r.states())
		}
	}
}

// newTor starts a Tor that ends with the test.
func newTor(t *testing.T, cfg Config, times timing) (*Tor, *recorder) {
	t.Helper()
	r := &recorder{changed: make(chan struct{})}
	cfg.Changed = r.add
	if cfg.Dir == "" && cfg.Existing == nil {
		cfg.Dir = t.TempDir()
	}
	x, err := start(context.Background(), cfg, times)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.Close()
		if t.Failed() {
			t.Logf("states: %v, problem: %v", r.states(), x.Status().Problem)
			for _, l := range x.Log() {
				t.Log(l.Severity, l.Text)
			}
		}
	})
	return x, r
}

// await waits until Tor has a status.
func await(t *testing.T, x *Tor, want func(Status) bool) Status {
	t.Helper()
	ctx := testContext(t)
	for {
		x.mu.Lock()
		s, changed := x.status, x.changed
		x.mu.Unlock()
		if want(s) {
			return s
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("status is %+v, %v", s, s.Problem)
		}
	}
}

func awaitState(t *testing.T, x *Tor, state State) Status {
	t.Helper()
	return await(t, x, func(s Status) bool { return s.State == state })
}

// newEcho serves what sends back all that it gets.
func newEcho(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, l, func(conn net.Conn) {
		defer conn.Close()
		io.Copy(conn, conn)
	})
	return l.Addr().String()
}

// dial connects through p once.
func dial(ctx context.Context, p *transport.Proxy, address string) (net.Conn, error) {
	network := "tcp"
	if filepath.IsAbs(p.Address) {
		network = "unix"
	}
	d, err := proxy.SOCKS5(network, p.Address, &proxy.Auth{User: p.User, Password: p.Password}, proxy.Direct)
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
}

// echo connects to an echo through Tor until it works, as onion services take a moment, and returns
// the connection.
func echo(t *testing.T, x *Tor, isolation, address string) net.Conn {
	t.Helper()
	ctx := testContext(t)
	for patience := 4 * time.Second; ; patience = min(2*patience, 16*time.Second) {
		p, err := x.Proxy(ctx, isolation)
		if err != nil {
			t.Fatal(err)
		}
		attempt, cancel := context.WithTimeout(ctx, patience)
		conn, err := dial(attempt, p, address)
		cancel()
		if err == nil {
			if err = exchange(conn); err == nil {
				t.Cleanup(func() { conn.Close() })
				return conn
			}
			conn.Close()
		}
		p.Failed()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("no connection: %v", err)
		}
	}
}

// exchange sends some bytes and gets them back.
func exchange(conn net.Conn) error {
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	var b [5]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return err
	}
	if string(b[:]) != "hello" {
		return fmt.Errorf("got %q", b)
	}
	return nil
}

func newKey(t *testing.T, x *Tor) *OnionKey {
	t.Helper()
	key, err := NewOnionKey(x.cfg.Rand)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// processOf returns the process of the tor of x, whose id it asks tor for.
func processOf(t *testing.T, x *Tor) *os.Process {
	t.Helper()
	control, err := x.controlled()
	if err != nil {
		t.Fatal(err)
	}
	text, err := control.info(testContext(t), "process/pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOnion publishes onion services, dials them, kills tor, and dials them again.
func TestOnion(t *testing.T) {
	n := privateNetwork(t)
	ctx := testContext(t)
	x, states := newTor(t, Config{Extra: n.Client()}, quick)
	target := newEcho(t, "tcp", "127.0.0.1:0")
	key := newKey(t, x)
	kept := key.Bytes()
	// Before tor is there, and while it is.
	address, err := x.PublishOnion(ctx, Onion{Key: key, Ports: map[uint16]string{5223: target}})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := x.PublishOnion(ctx, Onion{Key: key, Ports: map[uint16]string{5223: target}}); err != nil || again != address {
		t.Errorf("published again: %q, %v", again, err)
	}
	if err := x.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "echo")
	newEcho(t, "unix", socket)
	second, err := x.PublishOnion(ctx, Onion{Key: newKey(t, x), Ports: map[uint16]string{443: socket, 444: target}})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{address, second} {
		if err := x.WaitOnion(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	echo(t, x, "a", address+":5223")
	open := echo(t, x, "a", second+":443")

	if err := processOf(t, x).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := exchange(open); err == nil {
		t.Error("a connection has outlived tor")
	}
	await(t, x, func(s Status) bool { return s.State == Ready && states.saw(Waiting) })
	for _, a := range []string{address, second} {
		if err := x.WaitOnion(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	echo(t, x, "a", address+":5223")
	echo(t, x, "b", second+":443")
	echo(t, x, "b", second+":444")

	if err := x.RemoveOnion(ctx, second); err != nil {
		t.Fatal(err)
	}
	if err := x.RemoveOnion(ctx, second); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if err := x.WaitOnion(ctx, second); !errors.Is(err, ErrNotReady) {
		t.Errorf("waiting for a service that was removed: %v", err)
	}
	control, err := x.controlled()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := control.info(ctx, "onions/current"); err != nil || strings.TrimSpace(text)+".onion" != address {
		t.Errorf("onion services: %q, %v", text, err)
	}

	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if parsed, err := ParseOnionKey(kept); err != nil || parsed.Address() != address {
		t.Errorf("the key that was kept is of another address: %v", err)
	}
	if _, err := x.PublishOnion(ctx, Onion{Key: newKey(t, x), Ports: map[uint16]string{1: target}}); !errors.Is(err, ErrClosed) {
		t.Errorf("published after the end: %v", err)
	}
	if err := x.WaitOnion(ctx, address); !errors.Is(err, ErrClosed) {
		t.Errorf("waited after the end: %v", err)
	}
}

// TestNetwork pauses Tor, changes the network, lets the computer sleep, and looks at circuits.
func TestNetwork(t *testing.T) {
	n := privateNetwork(t)
	ctx := testContext(t)
	var mu sync.Mutex
	var slept time.Duration
	x, states := newTor(t, Config{
		Dir:    filepath.Join(t.TempDir(), "ü b"), // sockets have a path that is not simple, too
		Extra:  n.Client(),
		Paused: true,
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(slept)
		},
	}, quick)
	target := newEcho(t, "tcp", "127.0.0.1:0")
	awaitState(t, x, Paused)
	if _, err := os.Stat(filepath.Join(x.cfg.Dir, "torrc")); !os.IsNotExist(err) {
		t.Errorf("the configuration lies around: %v", err)
	}
	if _, _, err := x.Socks(); !errors.Is(err, ErrNotReady) {
		t.Errorf("a way through a tor that is off the network: %v", err)
	}
	if _, err := net.Dial("unix", filepath.Join(x.cfg.Dir, "socks")); err == nil {
		t.Error("a paused tor has a SOCKS proxy")
	}
	if states.saw(Bootstrapping) {
		t.Errorf("states were %v", states.states())
	}
	if err := x.SetPaused(ctx, false); err != nil {
		t.Fatal(err)
	}
	conn := echo(t, x, "a", target) // through an exit
	if network, _, err := x.Socks(); err != nil || network != "unix" {
		t.Errorf("SOCKS is on %s, %v", network, err)
	}
	if !strings.HasPrefix(x.Version(), "0.") {
		t.Errorf("version is %q", x.Version())
	}

	circuits, err := x.Circuits(ctx)
	if err != nil {
		t.Fatal(err)
	}
	built := 0
	for _, c := range circuits {
		if c.Built && c.Hops >= 3 && c.Purpose != "" && !c.Created.IsZero() {
			built++
		}
	}
	if built == 0 {
		t.Errorf("circuits are %+v", circuits)
	}

	before, err := x.Proxy(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := x.Proxy(ctx, "b"); err != nil || other.User == before.User || other.Limit != before.Limit {
		t.Errorf("isolation: %v, %v, %v", before, other, err)
	}
	if err := x.NewCircuits(ctx); err != nil {
		t.Fatal(err)
	}
	if after, err := x.Proxy(ctx, "a"); err != nil || after.User == before.User {
		t.Errorf("isolation is the same after new circuits: %v", err)
	}
	if err := exchange(conn); err != nil {
		t.Errorf("new circuits have closed a connection: %v", err)
	}

	x.NetworkChanged()
	if err := exchangeUntilEnd(conn); err == nil {
		t.Error("a connection goes on in another network")
	}
	conn = echo(t, x, "a", target)

	mu.Lock()
	slept = time.Hour
	mu.Unlock()
	if err := exchangeUntilEnd(conn); err == nil {
		t.Error("a connection goes on after sleep")
	}
	conn = echo(t, x, "a", target)

	if err := x.SetPaused(ctx, true); err != nil {
		t.Fatal(err)
	}
	if s := x.Status(); s.State != Paused {
		t.Errorf("paused, and %v", s.State)
	}
	if _, _, err := x.Socks(); !errors.Is(err, ErrNotReady) {
		t.Errorf("a way through a tor that is off the network: %v", err)
	}
	if err := exchangeUntilEnd(conn); err == nil {
		t.Error("a connection goes on without a network")
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := x.Proxy(short, "a"); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNotReady) {
		t.Errorf("waiting for a way: %v", err)
	}
	if log := x.Log(); len(log) == 0 || log[0].Severity != "notice" {
		t.Errorf("log is %v", log)
	}
}

// exchangeUntilEnd exchanges until the connection fails, and returns how.
func exchangeUntilEnd(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(testTimeout))
	for {
		if err := exchange(conn); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return nil
			}
			return err
		}
	}
}

// TestPorts uses tor as on Windows, with ports, in a folder whose name is not simple.
func TestPorts(t *testing.T) {
	n := privateNetwork(t)
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30)+` name with "quotes" and \ and ü`)
	x, _ := newTor(t, Config{Dir: dir, Extra: n.Client()}, quick)
	echo(t, x, "a", newEcho(t, "tcp", "127.0.0.1:0"))
	network, address, err := x.Socks()
	if err != nil || network != "tcp" || !isAddress(address) {
		t.Errorf("SOCKS is at %s %s, %v", network, address, err)
	}
}

// TestBridges connects through an obfs4 bridge alone.
func TestBridges(t *testing.T) {
	n := privateNetwork(t)
	line, err := n.Bridge(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	bridges, err := ParseBridges(line)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := newTor(t, Config{Extra: n.Client(), Bridges: bridges}, quick)
	echo(t, x, "a", newEcho(t, "tcp", "127.0.0.1:0"))
	control, err := x.controlled()
	if err != nil {
		t.Fatal(err)
	}
	if guards, err := control.info(testContext(t), "entry-guards"); err != nil || !strings.Contains(guards, bridges[0].Fingerprint) {
		t.Errorf("entry guards are %q, %v", guards, err)
	}

	// Nobody is at the address of this one.
	bridges[0].Address = closedPort(t)
	dead, _ := newTor(t, Config{Extra: n.Client(), Bridges: bridges}, func() timing { q := quick; q.stall = time.Second; return q }())
	s := await(t, dead, func(s Status) bool { return s.Problem != nil })
	if s.State != Bootstrapping || s.Problem.Kind != ProblemBridges {
		t.Errorf("status is %+v, %v", s, s.Problem)
	}
}

// TestUpstream connects through a proxy of the network that is not there.
func TestUpstream(t *testing.T) {
	n := privateNetwork(t)
	stalling := quick
	stalling.stall = time.Second
	for _, kind := range []UpstreamKind{UpstreamHTTPS, UpstreamSOCKS5} {
		x, _ := newTor(t, Config{
			Extra:    n.Client(),
			Upstream: &Upstream{Kind: kind, Address: closedPort(t).String(), User: "user", Password: `pass "word" \`},
		}, stalling)
		s := await(t, x, func(s Status) bool { return s.Problem != nil })
		if s.State != Bootstrapping || s.Problem.Kind != ProblemProxy {
			t.Errorf("%s: status is %+v, %v", kind, s, s.Problem)
		}
	}
}

// childVariable tells the test's own program to be an app with a tor in the folder that it names.
const childVariable = "SOTTO_TOR_TEST_CHILD"

func child(dir string) {
	x, err := Start(context.Background(), Config{Dir: dir, Paused: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for x.Status().State != Paused {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
	time.Sleep(testTimeout) // it is killed before
}

// TestKilled kills the app; tor ends, too, and the next one can use the folder.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	app := exec.Command(exe)
	app.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := app.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	socket := filepath.Join(dir, "control")
	alive := func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	if err != nil || line != "ready\n" || !alive() {
		t.Errorf("the app says %q, %v", line, err)
	}
	app.Process.Kill()
	app.Wait()
	for ctx := testContext(t); alive(); {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("tor has outlived the app")
		}
	}
	x, _ := newTor(t, Config{Dir: dir, Paused: true}, quick)
	awaitState(t, x, Paused)
}
