// Package tor runs a Tor of the program's own, or uses one that is there, and tells how it is. With
// core/transport it is the only package that opens network connections: to tor's control port.
//
//	t, err := tor.Start(ctx, tor.Config{Dir: dir, Changed: func(s tor.Status) { … }})
//	proxy, err := t.Proxy(ctx, "what must not share a circuit with anything else")
//	conn, err := transport.Dialer{Proxy: proxy}.Dial(ctx, host, port, fingerprint, "smp/1")
//
// Start returns at once; Tor comes, dies and comes back in the background, and each change of its Status is
// reported. There is no way around it: as long as Tor is not there, Socks returns an error and
// Proxy waits.
//
// A tor of our own listens on Unix sockets in its folder, elsewhere than on Windows, or else on
// loopback ports that it chooses. It ends with the program, even one that is killed: it follows
// the program's control connection (TAKEOWNERSHIP) and process id (__OwningControllerProcess).
package tor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/transport"
)

// MaxPending is how many dials may wait for Tor at a time; Tor builds so many circuits at once
// (tor's manual, MaxClientCircuitsPending).
const MaxPending = 32

// Config says which Tor to use and how.
type Config struct {
	// Dir is the folder of a tor of our own, for its keys, caches and sockets. It is made if it is
	// missing. Only one tor at a time can use it.
	Dir string

	// Binary is the path of tor; if it is empty, FindTor looks for it.
	Binary string

	// Existing is a tor that runs already, to be used in place of one of our own. The folder, binary,
	// bridges, proxy and additional lines are of no use then: they are up to whoever runs that tor.
	Existing *Existing

	// Bridges are the only ways into the network, if there are any. Transports are the paths of the
	// programs for them by the name of the transport; if it is nil, FindTransports looks for them.
	Bridges    []Bridge
	Transports map[string]string

	// Upstream is a proxy that is needed to reach the internet; nil is none.
	Upstream *Upstream

	// Extra are additional lines for tor's configuration, see ParseExtra. Those with options that
	// are decided here, such as SocksPort, have no effect.
	Extra []string

	// Paused starts tor without a connection to the network, until SetPaused(false).
	Paused bool

	// Changed is told every change of the Status, in order and by the goroutine that runs Tor: it must not wait
	// for Tor (Close, Wait, Proxy, SetPaused, WaitOnion). It may be nil.
	Changed func(Status)

	Rand io.Reader        // crypto/rand if it is nil
	Now  func() time.Time // time.Now if it is nil
}

// Existing is a tor that somebody else runs, such as the system. Its addresses are an IP address and port,
// localhost and port, or the path of a Unix socket.
type Existing struct {
	Socks string

	// Control is needed for onion services, circuits and the progress of bootstrapping. Without it Tor is
	// taken for ready as long as something speaks SOCKS at the other address.
	Control string

	// Password for controlling it, if this program can't read its cookie.
	Password string
}

// Tor is a Tor that is used. Its methods may be called at the same time.
type Tor struct {
	cfg    Config
	timing timing
	binary string
	limit  *transport.Limit
	log    ring
	cancel context.CancelFunc
	done   chan struct{}
	poke   chan struct{} // tells the goroutine that runs tor that something is to be done
	retry  chan struct{}

	mu      sync.Mutex
	status  Status
	changed chan struct{} // closed when status, control or paused changes
	control *controller   // nil while tor can't be controlled
	network string        // and address: of SOCKS, while Ready
	address string
	version string
	paused  bool // what is wanted
	idle    bool // what is so
	renew   bool // connect to the network anew
	secret  [32]byte
	failed  map[string]int // dials, by isolation, up to maxFailed
	onions  map[string]*published
}

// timing has the times that tests shorten.
type timing struct {
	tick   time.Duration // between looks at tor and at the clock
	asleep time.Duration // a longer gap between two looks tells that the computer slept
	stall  time.Duration // without progress tells that something is in the way
	start  time.Duration // until a tor of our own must have a control port
	moment time.Duration // in which a tor that breaks off also ends
	retry  time.Duration // first time to wait before another attempt, doubled up to maxRetry
}

var defaultTiming = timing{
	tick:   20 * time.Second,
	asleep: time.Minute,
	stall:  time.Minute,
	start:  time.Minute,
	moment: time.Second,
	retry:  time.Second,
}

const maxRetry = time.Minute

// Start starts Tor in the background. It runs until ctx ends, or Close is called. The error tells
// that the configuration can't be used; it is a *Problem if something is missing on this computer.
func Start(ctx context.Context, cfg Config) (*Tor, error) { return start(ctx, cfg, defaultTiming) }

func start(ctx context.Context, cfg Config, timing timing) (*Tor, error) {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	t := &Tor{
		cfg: cfg, timing: timing,
		limit:  transport.NewLimit(MaxPending),
		log:    ring{now: cfg.Now},
		done:   make(chan struct{}),
		poke:   make(chan struct{}, 1),
		retry:  make(chan struct{}, 1),
		status: Status{State: Starting}, changed: make(chan struct{}),
		paused: cfg.Paused,
		failed: map[string]int{}, onions: map[string]*published{},
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	if err := t.newSecret(); err != nil {
		return nil, err
	}
	ctx, t.cancel = context.WithCancel(ctx)
	go t.run(ctx)
	return t, nil
}

// check looks at the configuration, and for tor.
func (t *Tor) check() error {
	cfg := &t.cfg
	if e := cfg.Existing; e != nil {
		_, _, err := endpoint(e.Socks)
		if err == nil && e.Control != "" {
			_, _, err = endpoint(e.Control)
		}
		return err
	}
	for _, b := range cfg.Bridges {
		if err := b.valid(); err != nil {
			return fmt.Errorf("tor: %w", err)
		}
	}
	if cfg.Upstream != nil {
		if err := cfg.Upstream.valid(); err != nil {
			return fmt.Errorf("tor: %w", err)
		}
	}
	for _, line := range cfg.Extra {
		if _, err := checkExtra(line); err != nil {
			return err
		}
	}
	dir, err := filepath.Abs(cfg.Dir)
	if cfg.Dir == "" || err != nil || strings.ContainsAny(dir, "\r\n") {
		return &Problem{Kind: ProblemFolder, Err: fmt.Errorf("not a folder that tor can use")}
	}
	cfg.Dir = dir
	if t.binary = cfg.Binary; t.binary == "" {
		t.binary, err = FindTor()
	} else if t.binary, err = exec.LookPath(t.binary); err == nil {
		t.binary, err = filepath.Abs(t.binary)
	}
	if err != nil {
		return &Problem{Kind: ProblemMissing}
	}
	_, _, err = cfg.plugins()
	return err
}

// ErrAddress tells that the address of an existing tor is not valid.
var ErrAddress = fmt.Errorf("tor: an address is not an IP address and port or the path of a socket")

func endpoint(address string) (network, endpoint string, err error) {
	if filepath.IsAbs(address) {
		return "unix", address, nil
	}
	if !isAddress(address) {
		return "", "", ErrAddress
	}
	return "tcp", strings.Replace(address, "localhost:", "127.0.0.1:", 1), nil
}

// Close ends Tor, if it is our own, and waits until it is gone.
func (t *Tor) Close() error {
	t.cancel()
	<-t.done
	return nil
}

// Status returns how Tor is.
func (t *Tor) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// Version returns the version of tor, empty if it is not known yet.
func (t *Tor) Version() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.version
}

// Log returns the last messages of tor, up to 500, the oldest first. Of an existing tor they are
// those since it is used.
func (t *Tor) Log() []LogLine { return t.log.all() }

// Socks returns where Tor's SOCKS proxy is: the network "tcp" or "unix", and the address. The error
// is ErrNotReady, together with the *Problem if there is one, or ErrClosed.
func (t *Tor) Socks() (network, address string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status.State != Ready {
		return "", "", t.notReady()
	}
	return t.network, t.address, nil
}

// notReady returns why there is no way. The caller holds mu.
func (t *Tor) notReady() error {
	if t.status.State == Off {
		return ErrClosed
	}
	if p := t.status.Problem; p != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotReady, t.status.State, p)
	}
	return fmt.Errorf("%w: %s", ErrNotReady, t.status.State)
}

// Wait waits until Tor is Ready. It does not wait for what only a person can change: the error is
// ErrNotReady with the *Problem then. With the end of ctx its error is that of ctx and, in the same way, why Tor is
// not ready.
func (t *Tor) Wait(ctx context.Context) error {
	for {
		t.mu.Lock()
		state, reason, changed := t.status.State, t.notReady(), t.changed
		t.mu.Unlock()
		switch state {
		case Ready:
			return nil
		case Off, Failed:
			return reason
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ctx.Err(), reason)
		}
	}
}

// Proxy waits like Wait and returns the proxy to dial through. Dials with the same isolation may
// share circuits, others never do. After a dial that failed the next one has new circuits: tor would have it wait for the circuit
// to an onion service that does not answer any more, for minutes. All proxies share the limit of MaxPending dials at a time.
//
// A proxy is to be asked for before each dial: the address and the isolation can change. One from
// before leads nowhere then, and in no case past Tor.
func (t *Tor) Proxy(ctx context.Context, isolation string) (*transport.Proxy, error) {
	for {
		if err := t.Wait(ctx); err != nil {
			return nil, err
		}
		t.mu.Lock()
		state, address, secret, failed := t.status.State, t.address, t.secret, t.failed[isolation]
		t.mu.Unlock()
		if state != Ready {
			continue
		}
		// The name of the isolation stays here: tor has a random one in its lists and messages.
		m := hmac.New(sha256.New, secret[:])
		m.Write([]byte(isolation))
		if failed > 0 {
			fmt.Fprintf(m, "\x00%d", failed)
		}
		return &transport.Proxy{
			Address: address, User: base64.RawURLEncoding.EncodeToString(m.Sum(nil)), Password: "sotto",
			Limit: t.limit, Timeout: dialTimes[failed%len(dialTimes)], Failed: func() { t.dialFailed(isolation, failed) },
		}, nil
	}
}

// dialTimes are how long dials may take, one after another that failed. Most circuits are there within seconds, and what tor waits for in
// vain, as for an onion service that has restarted, it does not give up for a minute: other circuits are tried sooner. The last one is for
// slow networks.
var dialTimes = [...]time.Duration{15 * time.Second, 30 * time.Second, 45 * time.Second}

// maxFailed is how many isolations with failed dials are remembered. Those that are forgotten have their first circuits again.
const maxFailed = 10_000

// dialFailed gives an isolation new circuits, unless another dial that was made with the same ones did so.
func (t *Tor) dialFailed(isolation string, before int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed[isolation] != before {
		return
	}
	if len(t.failed) >= maxFailed && before == 0 {
		clear(t.failed)
	}
	t.failed[isolation] = before + 1
}

// newSecret changes the user names of all isolations.
func (t *Tor) newSecret() error {
	var secret [32]byte
	if _, err := io.ReadFull(t.cfg.Rand, secret[:]); err != nil {
		return fmt.Errorf("tor: making names for isolation: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secret = secret
	clear(t.failed)
	return nil
}

// SetPaused takes Tor off the network, or lets it connect again. It waits until that is so; what
// was open through a tor of our own is closed. An existing tor stays connected for others, but there is no way
// through it from here.
func (t *Tor) SetPaused(ctx context.Context, paused bool) error {
	t.mu.Lock()
	t.paused = paused
	t.mu.Unlock()
	t.wake()
	for {
		t.mu.Lock()
		state, done, changed := t.status.State, t.idle == paused, t.changed
		there := t.control != nil || state == Ready || state == Paused
		t.mu.Unlock()
		switch {
		case state == Off:
			return ErrClosed
		case done, !there: // a tor that is not there yet begins with what is wanted
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// NetworkChanged tells that the computer is in another network. A tor of our own drops its connections, which
// lead nowhere any more, and connects again; an existing one uses new circuits.
func (t *Tor) NetworkChanged() {
	t.mu.Lock()
	t.renew = true
	t.mu.Unlock()
	t.wake()
}

// Retry starts the next attempt at once if Tor is Waiting or Failed.
func (t *Tor) Retry() {
	select {
	case t.retry <- struct{}{}:
	default:
	}
}

func (t *Tor) wake() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}
