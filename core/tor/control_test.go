package tor

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/internal/accept"
	"github.com/sotto-chat/sotto/core/transport"
)

// fakeControl is a control port, of a tor that does what a test wants.
type fakeControl struct {
	address string
	cookie  string // path

	// answer may answer a command in its own way; with false the usual answer follows.
	answer func(conn net.Conn, command string) bool

	mu       sync.Mutex
	commands []string
	events   net.Conn // the connection that asked for events
}

func newFakeControl(t *testing.T) *fakeControl {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeControl{address: l.Addr().String(), cookie: filepath.Join(t.TempDir(), "cookie")}
	secret := make([]byte, cookieSize)
	rand.Read(secret)
	if err := os.WriteFile(f.cookie, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	accept.Each(t, l, func(conn net.Conn) {
		defer conn.Close()
		f.serve(conn, secret)
	})
	return f
}

func (f *fakeControl) serve(conn net.Conn, secret []byte) {
	var hash string
	for r := bufio.NewScanner(conn); r.Scan(); {
		command := r.Text()
		f.mu.Lock()
		f.commands = append(f.commands, command)
		answer := f.answer
		f.mu.Unlock()
		if answer != nil && answer(conn, command) {
			continue
		}
		verb, rest, _ := strings.Cut(command, " ")
		reply := "250 OK"
		switch verb {
		case "PROTOCOLINFO":
			reply = "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"" + f.cookie + "\"\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK"
		case "AUTHCHALLENGE":
			nonce, _ := hex.DecodeString(strings.TrimPrefix(rest, "SAFECOOKIE "))
			sum := func(key string) string {
				m := hmac.New(sha256.New, []byte(key))
				m.Write(secret)
				m.Write(nonce)
				m.Write(make([]byte, 32))
				return hex.EncodeToString(m.Sum(nil))
			}
			hash = sum(clientHashKey)
			reply = "250 AUTHCHALLENGE SERVERHASH=" + sum(serverHashKey) + " SERVERNONCE=" + strings.Repeat("00", 32)
		case "AUTHENTICATE":
			if rest != hash {
				reply = "515 Authentication failed"
			}
		case "SETEVENTS":
			f.mu.Lock()
			f.events = conn
			f.mu.Unlock()
		case "GETINFO":
			value := map[string]string{
				"version":                    "0.4.9.11",
				"status/bootstrap-phase":     `NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay"`,
				"status/circuit-established": "0",
				"circuit-status":             "",
			}[rest]
			reply = "250-" + rest + "=" + value + "\r\n250 OK"
		case "ADD_ONION":
			reply = "250-ServiceID=wrong\r\n250 OK"
		}
		fmt.Fprintf(conn, "%s\r\n", reply)
	}
}

func (f *fakeControl) set(answer func(conn net.Conn, command string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// send sends an event.
func (f *fakeControl) send(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(f.events, "650 %s\r\n", text)
}

// to answers one command, by its beginning.
func to(command, reply string) func(net.Conn, string) bool {
	return func(conn net.Conn, c string) bool {
		if !strings.HasPrefix(c, command) {
			return false
		}
		io.WriteString(conn, reply)
		if strings.HasSuffix(reply, "\x00") { // ends the connection
			conn.Close()
		}
		return true
	}
}

// endless answers one command without an end.
func endless(command, first, more string) func(net.Conn, string) bool {
	return func(conn net.Conn, c string) bool {
		if !strings.HasPrefix(c, command) {
			return false
		}
		io.WriteString(conn, first)
		for err := error(nil); err == nil; {
			_, err = io.WriteString(conn, more)
		}
		return true
	}
}

// TestLyingControl uses control ports that are not tor's. Nothing may go through them.
func TestLyingControl(t *testing.T) {
	zeros := strings.Repeat("00", 32)
	for name, c := range map[string]struct {
		answer func(net.Conn, string) bool
		kind   ProblemKind
	}{
		"closes at once":           {to("PROTOCOLINFO", "\x00"), ProblemControl},
		"closes in a line":         {to("PROTOCOLINFO", "250-PROTOCOLINFO\x00"), ProblemControl},
		"speaks HTTP":              {to("PROTOCOLINFO", "HTTP/1.1 400 Bad Request\r\n\r\n"), ProblemControl},
		"speaks binary":            {to("PROTOCOLINFO", "\x15\x03\x01\x00\x02\r\n"), ProblemControl},
		"changes the code":         {to("PROTOCOLINFO", "250-PROTOCOLINFO 1\r\n251 OK\r\n"), ProblemControl},
		"a line without end":       {endless("PROTOCOLINFO", "250-", strings.Repeat("x", 4096)), ProblemControl},
		"lines without end":        {endless("PROTOCOLINFO", "", "250-AUTH METHODS=NULL\r\n"), ProblemControl},
		"data without end":         {endless("PROTOCOLINFO", "250+AUTH\r\n", "x\r\n"), ProblemControl},
		"events without end":       {endless("PROTOCOLINFO", "", "650 BW 1 1\r\n"), ProblemControl},
		"no way to authenticate":   {to("PROTOCOLINFO", "250-PROTOCOLINFO 1\r\n250 OK\r\n"), ProblemAccess},
		"a password is wanted":     {to("PROTOCOLINFO", "250-AUTH METHODS=HASHEDPASSWORD\r\n250 OK\r\n"), ProblemAccess},
		"cookie in the open":       {to("PROTOCOLINFO", "250-AUTH METHODS=COOKIE COOKIEFILE=\"/etc/passwd\"\r\n250 OK\r\n"), ProblemAccess},
		"cookie of a device":       {to("PROTOCOLINFO", "250-AUTH METHODS=SAFECOOKIE COOKIEFILE=\"/dev/zero\"\r\n250 OK\r\n"), ProblemAccess},
		"cookie of another file":   {to("PROTOCOLINFO", "250-AUTH METHODS=SAFECOOKIE COOKIEFILE=\"/etc/passwd\"\r\n250 OK\r\n"), ProblemAccess},
		"wrong hash":               {to("AUTHCHALLENGE", "250 AUTHCHALLENGE SERVERHASH="+zeros+" SERVERNONCE="+zeros+"\r\n"), ProblemControl},
		"short nonce":              {to("AUTHCHALLENGE", "250 AUTHCHALLENGE SERVERHASH="+zeros+" SERVERNONCE=00\r\n"), ProblemControl},
		"no hash":                  {to("AUTHCHALLENGE", "250 OK\r\n"), ProblemControl},
		"refuses the challenge":    {to("AUTHCHALLENGE", "513 Invalid base16 client nonce\r\n"), ProblemAccess},
		"refuses the cookie":       {to("AUTHENTICATE", "515 Authentication failed\r\n"), ProblemAccess},
		"closes then":              {to("AUTHENTICATE", "\x00"), ProblemControl},
		"answers another question": {to("GETINFO version", "250-config-file=x\r\n250 OK\r\n"), ProblemControl},
		"ends in an answer":        {to("GETINFO status/bootstrap", "250-status\x00"), ProblemControl},
		"an event that is none":    {to("SETEVENTS", "250 OK\r\n250 OK\r\n"), ProblemControl},
		"a long event":             {endless("SETEVENTS", "250 OK\r\n650 NOTICE ", strings.Repeat("x", 4096)), ProblemControl},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeControl(t)
			f.set(c.answer)
			x, states := newTor(t, Config{Existing: &Existing{Socks: closedPort(t).String(), Control: f.address}}, slow)
			s := awaitState(t, x, Waiting)
			if s.Problem == nil || s.Problem.Kind != c.kind || s.Retry.IsZero() {
				t.Errorf("problem is %v", s.Problem)
			}
			if states.saw(Ready) {
				t.Errorf("states were %v", states.states())
			}
			if _, _, err := x.Socks(); !errors.Is(err, ErrNotReady) {
				t.Errorf("there is a way: %v", err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if strings.HasPrefix(name, "cookie") && slices.ContainsFunc(f.commands, func(c string) bool { return strings.HasPrefix(c, "AUTH") }) {
				t.Errorf("a file was sent or asked for: %q", f.commands)
			}
		})
	}
}

// slow has no second attempt within a test.
var slow = func() timing {
	s := quick
	s.retry = time.Hour
	return s
}()

// TestEndlessControl measures what an answer without an end costs.
func TestEndlessControl(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		bufio.NewReader(server).ReadString('\n')
		endless("", "", "250-"+strings.Repeat("x", 60)+"\r\n")(server, "")
		server.Close()
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := newController(context.Background(), client, rand.Reader)
	_, err := c.request(context.Background(), "GETINFO circuit-status")
	runtime.ReadMemStats(&after)
	var p *Problem
	if !errors.As(err, &p) || p.Kind != ProblemControl || !errors.Is(err, errTooMuch) {
		t.Errorf("error is %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 20*maxAnswer {
		t.Errorf("%d bytes were used", used)
	}
	if _, err := c.request(context.Background(), "GETINFO version"); !errors.As(err, &p) {
		t.Errorf("a broken connection was used again: %v", err)
	}
	client.Close()
}

// TestBootstrap follows what a tor tells.
func TestBootstrap(t *testing.T) {
	f := newFakeControl(t)
	socks := closedPort(t).String()
	cfg := Config{Existing: &Existing{Socks: socks, Control: f.address}}
	x, _ := newTor(t, cfg, slow)
	s := awaitState(t, x, Bootstrapping)
	if s.Percent != 5 || s.Phase != PhaseConnecting || s.Summary != "Connecting to a relay" || s.Problem != nil {
		t.Errorf("status is %+v", s)
	}
	kind := func(kind ProblemKind) func(Status) bool {
		return func(s Status) bool { return s.Problem != nil && s.Problem.Kind == kind }
	}
	warn := func(progress int, tag, reason string, count int) string {
		return fmt.Sprintf(`STATUS_CLIENT WARN BOOTSTRAP PROGRESS=%d TAG=%s SUMMARY="x" WARNING="No \"way\"" REASON=%s COUNT=%d RECOMMENDATION=ignore HOSTADDR="192.0.2.1:1"`,
			progress, tag, reason, count)
	}
	f.send(warn(5, "conn", "TIMEOUT", 1))
	f.send(`STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=10 TAG=conn_done SUMMARY="Connected"`)
	await(t, x, func(s Status) bool { return s.Percent == 10 && s.Problem == nil })
	f.send(warn(10, "conn_done", "TIMEOUT", 3))
	s = await(t, x, kind(ProblemBlocked))
	if s.State != Bootstrapping || s.Problem.Detail != `No "way"` {
		t.Errorf("status is %+v, %v", s, s.Problem)
	}
	f.send(warn(10, "conn_done", "NOROUTE", 1))
	await(t, x, kind(ProblemOffline))
	f.send(warn(10, "conn_proxy", "CONNECTREFUSED", 5))
	await(t, x, kind(ProblemProxy))
	f.send(warn(10, "conn_pt", "PT_MISSING", 1))
	await(t, x, kind(ProblemTransport))
	f.send("STATUS_GENERAL WARN CLOCK_SKEW SKEW=-7200 SOURCE=CONSENSUS")
	s = await(t, x, kind(ProblemClock))
	if s.Problem.Skew != -2*time.Hour {
		t.Errorf("skew is %v", s.Problem.Skew)
	}
	// What is not understood changes nothing.
	for _, e := range []string{"", "X", "STATUS_CLIENT", "STATUS_CLIENT NOTICE BOOTSTRAP", "STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=-1 TAG=done", "HS_DESC",
		"STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=1000 TAG=done", "STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=2 TAG=conn", "HS_DESC UPLOADED x", "NOTICE a message"} {
		f.send(e)
	}
	f.send(`STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=50 TAG=from_the_future SUMMARY="New"`)
	s = await(t, x, func(s Status) bool { return s.Percent == 50 })
	if s.Phase != PhaseTransport || s.Summary != "New" {
		t.Errorf("status is %+v", s)
	}
	if _, _, err := x.Socks(); !errors.Is(err, ErrNotReady) {
		t.Errorf("a way before tor is ready: %v", err)
	}
	// Later answers agree.
	f.set(func(conn net.Conn, command string) bool {
		return to("GETINFO status/bootstrap-phase", "250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"\r\n250 OK\r\n")(conn, command) ||
			to("GETINFO status/circuit-established", "250-status/circuit-established=1\r\n250 OK\r\n")(conn, command)
	})
	s = awaitState(t, x, Ready)
	if s.Percent != 100 || s.Problem != nil {
		t.Errorf("status is %+v", s)
	}
	if network, address, err := x.Socks(); err != nil || network != "tcp" || address != socks {
		t.Errorf("SOCKS is at %s %s, %v", network, address, err)
	}
	f.set(nil)
	f.send("STATUS_CLIENT NOTICE CIRCUIT_NOT_ESTABLISHED REASON=CLOCK_JUMPED")
	s = awaitState(t, x, Bootstrapping)
	if s.Phase != PhaseCircuit {
		t.Errorf("status is %+v", s)
	}

	// An existing tor is not taken from the network of others.
	if err := x.SetPaused(testContext(t), true); err != nil || x.Status().State != Paused {
		t.Errorf("paused: %v, %v", x.Status(), err)
	}
	x.NetworkChanged()
	if err := x.NewCircuits(testContext(t)); err != nil {
		t.Error(err)
	}
	if log := x.Log(); len(log) != 1 || log[0].Text != "a message" {
		t.Errorf("log is %v", log)
	}
	// A service that tor publishes at another address is not ours.
	var p *Problem
	if _, err := x.PublishOnion(testContext(t), Onion{Key: newKey(t, x), Ports: map[uint16]string{1: "127.0.0.1:1"}}); err != nil {
		t.Errorf("published: %v", err)
	}
	s = awaitState(t, x, Waiting)
	if !errors.As(s.Problem, &p) || p.Kind != ProblemControl {
		t.Errorf("status is %+v", s)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		if strings.HasPrefix(c, "SETCONF") || strings.HasPrefix(c, "TAKEOWNERSHIP") || strings.HasPrefix(c, "SIGNAL") && c != "SIGNAL NEWNYM" {
			t.Errorf("an existing tor was told %q", c)
		}
	}
}

// TestHangingControl closes Tor while a control port does not answer.
func TestHangingControl(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"PROTOCOLINFO", "SETEVENTS", "GETINFO status"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			f := newFakeControl(t)
			hangs := make(chan struct{}, 2)
			f.set(func(_ net.Conn, c string) bool {
				if !strings.HasPrefix(c, command) {
					return false
				}
				hangs <- struct{}{}
				return true
			})
			x, _ := newTor(t, Config{Existing: &Existing{Socks: closedPort(t).String(), Control: f.address}}, slow)
			<-hangs
			if err := x.Close(); err != nil || x.Status().State != Off {
				t.Errorf("closed: %v, %v", x.Status(), err)
			}
		})
	}
}

// TestPassword controls an existing tor by a password.
func TestPassword(t *testing.T) {
	f := newFakeControl(t)
	f.set(func(conn net.Conn, command string) bool {
		return to("PROTOCOLINFO", "250-AUTH METHODS=HASHEDPASSWORD\r\n250 OK\r\n")(conn, command) ||
			to("AUTHENTICATE 7365637265740a22", "250 OK\r\n")(conn, command)
	})
	x, _ := newTor(t, Config{Existing: &Existing{Socks: closedPort(t).String(), Control: f.address, Password: "secret\n\""}}, slow)
	awaitState(t, x, Bootstrapping)
}

// testFailedDials looks at the circuits of dials after others that failed.
func testFailedDials(t *testing.T, x *Tor) {
	t.Helper()
	proxy := func(isolation string) *transport.Proxy {
		t.Helper()
		p, err := x.Proxy(testContext(t), isolation)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, same, other := proxy("a"), proxy("a"), proxy("b")
	if first.User != same.User || first.User == other.User {
		t.Errorf("users are %q, %q and %q", first.User, same.User, other.User)
	}
	first.Failed()
	second := proxy("a")
	if first.Timeout >= second.Timeout || other.Timeout != first.Timeout {
		t.Errorf("dials may take %v, %v after a failure, and %v elsewhere", first.Timeout, second.Timeout, other.Timeout)
	}
	same.Failed() // the same circuits
	if again := proxy("a"); second.User == first.User || again.User != second.User || proxy("b").User != other.User {
		t.Errorf("after a failure users are %q and %q", second.User, again.User)
	}
	second.Failed()
	if third := proxy("a"); third.User == first.User || third.User == second.User {
		t.Errorf("after two failures the user is %q", third.User)
	}
	if err := x.NewCircuits(testContext(t)); err != nil {
		t.Error(err)
	}
	if anew := proxy("a"); anew.User == first.User || anew.Timeout != first.Timeout {
		t.Errorf("with new circuits dials of %q may take %v", anew.User, anew.Timeout)
	}
	for i := range 2 * maxFailed {
		x.dialFailed(strconv.Itoa(i), 0)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.failed); n == 0 || n > maxFailed {
		t.Errorf("%d failures are remembered", n)
	}
}

// TestSocksOnly uses an existing tor that can't be controlled, which comes, goes and comes back.
func TestSocksOnly(t *testing.T) {
	address := closedPort(t).String()
	x, states := newTor(t, Config{Existing: &Existing{Socks: address}}, slow)
	if s := awaitState(t, x, Waiting); s.Problem.Kind != ProblemNotThere {
		t.Errorf("problem is %v", s.Problem)
	}
	listen := func(answer string) (stop func()) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				io.ReadFull(conn, make([]byte, 3))
				io.WriteString(conn, answer)
				conn.Close()
			}
		})
		return func() { l.Close(); wg.Wait() }
	}
	for _, wrong := range []string{"\x05\x00", "\x05\xff", "\x04\x02", "HTTP/1.1 400\r\n", "\x05", ""} {
		stop := listen(wrong)
		before := x.Status().Retry
		x.Retry()
		await(t, x, func(s Status) bool { return s.State == Waiting && s.Retry.After(before) })
		stop()
	}
	if states.saw(Ready) {
		t.Errorf("states were %v", states.states())
	}
	stop := listen("\x05\x02")
	x.Retry()
	awaitState(t, x, Ready)
	if _, err := x.Circuits(testContext(t)); !errors.Is(err, ErrNoControl) {
		t.Errorf("circuits: %v", err)
	}
	if err := x.NewCircuits(testContext(t)); err != nil {
		t.Error(err)
	}
	if p, err := x.Proxy(testContext(t), "a"); err != nil || p.Address != address || p.User == "" || p.Password == "" {
		t.Errorf("proxy is %v, %v", p, err)
	}
	if err := x.SetPaused(testContext(t), true); err != nil || x.Status().State != Paused {
		t.Errorf("paused: %v, %v", x.Status(), err)
	}
	if err := x.SetPaused(testContext(t), false); err != nil || x.Status().State != Ready {
		t.Errorf("not paused: %v, %v", x.Status(), err)
	}
	testFailedDials(t, x)
	stop()
	awaitState(t, x, Waiting)
	if _, _, err := x.Socks(); !errors.Is(err, ErrNotReady) {
		t.Errorf("there is a way: %v", err)
	}
}

func TestParseArgs(t *testing.T) {
	args := parseArgs(`WORD A=1 B="a \"b\" \\ \303\274\n\0" C= D="x`)
	for key, want := range map[string]string{"A": "1", "B": "a \"b\" \\ ü\n\x00", "C": "", "D": "x", "WORD": ""} {
		if args[key] != want {
			t.Errorf("%s is %q, want %q", key, args[key], want)
		}
	}
}

func TestParseCircuits(t *testing.T) {
	got := parseCircuits("1 BUILT $A~a,$B~b,$C BUILD_FLAGS=NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED=2026-11-23T07:17:07.708288 SOCKS_USERNAME=\"u PURPOSE=X\"\r\n" +
		"2 LAUNCHED BUILD_FLAGS=IS_INTERNAL PURPOSE=HS_CLIENT_REND\n3 CLOSED $A\n4 FAILED\n\nx\n5 EXTENDED $A PURPOSE=GENERAL\n")
	want := []Circuit{
		{"1", true, "GENERAL", 3, time.Date(2026, 11, 23, 7, 17, 7, 708288000, time.UTC)},
		{ID: "2", Purpose: "HS_CLIENT_REND"},
		{ID: "5", Purpose: "GENERAL", Hops: 1},
	}
	if !slices.Equal(got, want) {
		t.Errorf("circuits are %+v", got)
	}
	if n := len(parseCircuits(strings.Repeat("1 BUILT\n", 2*maxCircuits))); n != maxCircuits {
		t.Errorf("%d circuits", n)
	}
}

// FuzzAnswers reads arbitrary text as that of a control port.
func FuzzAnswers(f *testing.F) {
	f.Add(`PROGRESS=5 TAG=conn SUMMARY="a \"b\" \\" X="`)
	f.Add("1 BUILT $A,$B PURPOSE=GENERAL")
	f.Add("=a =\" b= c")
	f.Fuzz(func(t *testing.T, s string) {
		if args := parseArgs(s); len(args) > maxArgs {
			t.Errorf("%d words", len(args))
		}
		for _, c := range parseCircuits(s) {
			if len(c.ID) > 16 || len(c.Purpose) > 40 || c.Hops < 0 {
				t.Errorf("circuit %+v", c)
			}
		}
		if _, rest := cutValue(s); len(rest) > len(s) {
			t.Error("the rest is longer than all")
		}
		severity, text := parseLog(s)
		if len(severity) > 6 || len(text) > len(s) {
			t.Errorf("log line %q %q", severity, text)
		}
	})
}

func TestLog(t *testing.T) {
	now := time.Unix(1, 0)
	r := ring{now: func() time.Time { return now }}
	follow(strings.NewReader("Nov 23 07:00:52.247 [warn] one\nno time\n\n"+strings.Repeat("x", 1<<20)+"\n\x1b[31m [evil] a\nlast"), func(line string) { r.add(parseLog(line)) })
	all := r.all()
	if len(all) != 5 || all[0] != (LogLine{now, "warn", "one"}) || all[1].Text != "no time" || len(all[2].Text) != maxLogText || strings.ContainsRune(all[3].Text, 0x1b) || all[4].Text != "last" {
		t.Errorf("log is %+v", all)
	}
	for i := range 2*maxLogLines + 3 {
		r.add("notice", fmt.Sprint(i))
	}
	all = r.all()
	if len(all) != maxLogLines || all[0].Text != fmt.Sprint(maxLogLines+3) || all[len(all)-1].Text != fmt.Sprint(2*maxLogLines+2) {
		t.Errorf("%d lines from %q to %q", len(all), all[0].Text, all[len(all)-1].Text)
	}
}
