package tor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeTor begins the names by which the test's own program is a tor that fails in some way.
const fakeTor = "fake-tor-"

func beTor(mode string) {
	dir := filepath.Dir(os.Args[2]) // -f torrc
	switch mode {
	case "ends":
		os.Exit(3)
	case "config":
		fmt.Println("Nov 23 07:00:52.247 [warn] Failed to parse/validate config: Unknown option 'X'.  Failing.")
		fmt.Println("Nov 23 07:00:52.247 [err] Reading config failed--see warnings above.")
		os.Exit(1)
	case "silent":
		time.Sleep(testTimeout) // it is killed before
	case "floods":
		for line := strings.Repeat("x", 1<<16); ; {
			if _, err := fmt.Print(line); err != nil {
				os.Exit(1)
			}
		}
	case "elsewhere":
		os.WriteFile(filepath.Join(dir, "control-port"), []byte("PORT=192.0.2.1:9051\n"), 0o600)
		time.Sleep(testTimeout)
	case "impostor": // another program sits at the socket
		l, err := net.Listen("unix", filepath.Join(dir, "control"))
		if err != nil {
			os.Exit(1)
		}
		os.WriteFile(filepath.Join(dir, "cookie"), make([]byte, cookieSize), 0o600)
		os.WriteFile(filepath.Join(dir, "control-port"), []byte("UNIX_PORT="+l.Addr().String()+"\n"), 0o600)
		for {
			conn, err := l.Accept()
			if err != nil {
				os.Exit(1)
			}
			fmt.Fprintf(conn, "250-AUTH METHODS=NULL\r\n250 OK\r\n250 OK\r\n")
		}
	case "environment":
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
		os.Exit(3)
	}
}

// newFake starts a Tor whose binary is a fake one.
func newFake(t *testing.T, mode string, times timing) (*Tor, *recorder) {
	t.Helper()
	return newTor(t, Config{Binary: fakeBinary(t, mode)}, times)
}

func fakeBinary(t *testing.T, mode string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), fakeTor+mode)
	if err := os.Symlink(exe, binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestFailingTor has programs that are not the tor that they should be.
func TestFailingTor(t *testing.T) {
	hasty := slow
	hasty.start = 500 * time.Millisecond
	for mode, want := range map[string]struct {
		state State
		kind  ProblemKind
	}{
		"ends":      {Waiting, ProblemDied},
		"config":    {Failed, ProblemConfig},
		"silent":    {Waiting, ProblemControl},
		"floods":    {Waiting, ProblemControl},
		"elsewhere": {Waiting, ProblemControl},
		"impostor":  {Waiting, ProblemControl},
	} {
		t.Run(mode, func(t *testing.T) {
			x, states := newFake(t, mode, hasty)
			s := await(t, x, func(s Status) bool { return s.Problem != nil })
			if s.State != want.state || s.Problem.Kind != want.kind {
				t.Errorf("status is %+v, %v", s, s.Problem)
			}
			if mode == "config" && s.Problem.Detail != "Unknown option 'X'.  Failing." {
				t.Errorf("detail is %q", s.Problem.Detail)
			}
			if want.state == Failed {
				if err := x.Wait(testContext(t)); err == nil {
					t.Error("waiting for what can't come ends without an error")
				}
			}
			before := len(states.states())
			x.Retry()
			states.await(t, func() bool {
				all := states.states()
				return len(all) >= before+2 && all[len(all)-1] == want.state
			})
		})
	}
}

// TestMessages reads what tor writes when it does not start, and when it did.
func TestMessages(t *testing.T) {
	const inUse = "It looks like another Tor process is running with the same data directory.  Waiting 5 seconds to see if it goes away."
	for text, want := range map[string]ProblemKind{
		inUse: ProblemInUse,
		"Couldn't create private data directory \"/x\"":                  ProblemFolder,
		"Failed to parse/validate config: Unknown option 'X'.  Failing.": ProblemConfig,
		"Reading config failed--see warnings above.":                     ProblemConfig,
	} {
		p := &process{}
		if p.look("notice", text); p.problem != nil {
			t.Errorf("%q as a notice: %v", text, p.problem)
		}
		p.look("warn", "Could not bind")
		p.look("warn", text)
		p.look("err", "Reading config failed--see warnings above.")
		if p.problem == nil || p.problem.Kind != want {
			t.Errorf("%q: %v", text, p.problem)
		}
		p.start()
		p.look("warn", text)
		if p.problem != nil {
			t.Errorf("%q after the start: %v", text, p.problem)
		}
	}
	p := &process{}
	if p.look("warn", "Could not launch managed proxy executable at '/x'."); p.transportProblem() == nil || p.transportProblem().Kind != ProblemTransport {
		t.Errorf("problem is %v", p.transportProblem())
	}
}

// TestBackOff lets a tor end again and again.
func TestBackOff(t *testing.T) {
	now := time.Now()
	times := quick
	times.retry = 10 * time.Millisecond
	_, states := newTor(t, Config{Binary: fakeBinary(t, "ends"), Now: func() time.Time { return now }}, times)
	var waits []time.Duration
	states.await(t, func() bool {
		waits = nil
		states.mu.Lock()
		defer states.mu.Unlock()
		for _, s := range states.all {
			if s.State == Waiting {
				waits = append(waits, s.Retry.Sub(now))
			}
		}
		return len(waits) >= 5
	})
	for i, w := range waits {
		if w != times.retry<<i {
			t.Fatalf("waits are %v", waits)
		}
	}
}

// TestEnvironment looks at what tor learns of the program's environment.
func TestEnvironment(t *testing.T) {
	t.Setenv("SOTTO_PASSPHRASE", "secret")
	x, _ := newFake(t, "environment", slow)
	awaitState(t, x, Waiting)
	path := false
	for _, l := range x.Log() {
		path = path || strings.HasPrefix(l.Text, "PATH=")
		if strings.Contains(l.Text, "secret") || strings.HasPrefix(l.Text, "SOTTO") {
			t.Errorf("tor has %q", l.Text)
		}
	}
	if !path {
		t.Errorf("tor's environment is %v", x.Log())
	}
}

// TestWrongConfig has tor itself refuse a configuration.
func TestWrongConfig(t *testing.T) {
	x, _ := newTor(t, Config{Extra: []string{"ConnLimit many"}}, slow)
	if s := awaitState(t, x, Failed); s.Problem.Kind != ProblemConfig || !strings.Contains(s.Problem.Detail, "ConnLimit") {
		t.Errorf("problem is %v", s.Problem)
	}
}

// TestFolder has folders that tor can't use.
func TestFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x, _ := newTor(t, Config{Dir: filepath.Join(file, "dir")}, slow)
	s := awaitState(t, x, Failed)
	if s.Problem.Kind != ProblemFolder || strings.Contains(s.Problem.Error(), file) {
		t.Errorf("problem is %v", s.Problem)
	}

	// A second tor in the same folder leaves the first one alone.
	dir := t.TempDir()
	first, _ := newTor(t, Config{Dir: dir, Paused: true}, quick)
	awaitState(t, first, Paused)
	second, _ := newTor(t, Config{Dir: dir, Paused: true}, slow)
	if s := awaitState(t, second, Waiting); s.Problem.Kind != ProblemInUse {
		t.Errorf("problem is %v", s.Problem)
	}
	if _, err := first.Circuits(testContext(t)); err != nil {
		t.Errorf("the first tor is lost: %v", err)
	}
}

func TestParseControl(t *testing.T) {
	for _, c := range []struct{ text, socket, network string }{
		{"PORT=127.0.0.1:9051", "", "tcp"},
		{"UNIX_PORT=/dir/control", "/dir/control", "unix"},
		{"UNIX_PORT=/dir/other", "/dir/control", ""},
		{"PORT=127.0.0.1:9051", "/dir/control", ""},
		{"PORT=192.0.2.1:9051", "", ""},
		{"PORT=localhost:9051", "", ""},
		{"UNIX_PORT=", "", ""},
		{"", "", ""},
		{"PORT=127.0.0.1:9051\nPORT=127.0.0.1:9052", "", ""},
	} {
		network, _, err := parseControl(c.text, c.socket)
		if network != c.network || (err == nil) != (c.network != "") {
			t.Errorf("%q: %q, %v", c.text, network, err)
		}
	}
}

// TestFind finds what is installed.
func TestFind(t *testing.T) {
	if path, err := FindTor(); err != nil || !filepath.IsAbs(path) {
		t.Errorf("tor is at %q, %v: install it", path, err)
	}
	if path := FindTransports()["obfs4"]; !filepath.IsAbs(path) {
		t.Errorf("obfs4proxy is at %q: install it", path)
	}
	if path := find("no-such-program"); path != "" {
		t.Errorf("found %q", path)
	}
}
