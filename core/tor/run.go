package tor

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// run keeps Tor running until ctx ends. All changes of the status are made here.
func (t *Tor) run(ctx context.Context) {
	defer close(t.done)
	defer t.cancel()
	attempt := 0
	for {
		t.set(Status{State: Starting, Phase: PhaseStart})
		use := t.own
		if e := t.cfg.Existing; e != nil && e.Control == "" {
			use = t.socksOnly
		} else if e != nil {
			use = t.existing
		}
		began := time.Now()
		err := use(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > maxRetry {
			attempt = 0 // it has worked for a while
		}
		delay := min(t.timing.retry<<min(attempt, 10), maxRetry)
		attempt++
		problem := asProblem(err)
		status := Status{State: Waiting, Problem: problem, Retry: t.cfg.Now().Add(delay)}
		wait := time.NewTimer(delay)
		if problem.Kind.fatal() {
			status = Status{State: Failed, Problem: problem}
			wait.Stop()
		}
		select {
		case <-t.retry: // of before
		default:
		}
		t.set(status)
		select {
		case <-wait.C:
		case <-t.retry:
			attempt = 0
		case <-ctx.Done():
		}
		wait.Stop()
		if ctx.Err() != nil {
			break
		}
	}
	t.mu.Lock()
	for address := range t.onions {
		t.forget(address)
	}
	clear(t.secret[:])
	t.mu.Unlock()
	t.set(Status{State: Off})
}

// set changes the status and tells everybody.
func (t *Tor) set(s Status) {
	t.mu.Lock()
	same := t.status.same(s)
	t.status = s
	if !same {
		t.broadcast()
	}
	t.mu.Unlock()
	if !same && t.cfg.Changed != nil {
		t.cfg.Changed(s)
	}
}

// broadcast wakes up all who wait for a change. The caller holds mu.
func (t *Tor) broadcast() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// session is a tor that is under control.
type session struct {
	commands, listener *controller

	process        *process // nil for an existing tor
	network, socks string   // where SOCKS is; empty for a tor of our own that chooses a port

	idle           bool // it is not connected to the network, or must not be used
	percent        int
	phase          Phase
	summary        string
	established    bool // there is a circuit
	problem, clock *Problem
	progressed     time.Time // when it last got further
}

func (s *session) close() {
	s.commands.close()
	s.listener.close()
}

// takeControl connects to a control port twice: once for commands and once for events.
func (t *Tor) takeControl(ctx context.Context, network, address, cookie, password string) (*session, error) {
	var both [2]*controller
	for i := range both {
		c, err := dialControl(ctx, network, address, t.cfg.Rand)
		if err == nil {
			both[i] = c
			err = c.authenticate(ctx, cookie, password)
		}
		if err != nil {
			for _, c := range both {
				if c != nil {
					c.close()
				}
			}
			return nil, err
		}
	}
	return &session{commands: both[0], listener: both[1]}, nil
}

// existing uses a tor that runs already.
func (t *Tor) existing(ctx context.Context) error {
	e := t.cfg.Existing
	network, address, err := endpoint(e.Control)
	if err != nil {
		return err
	}
	s, err := t.takeControl(ctx, network, address, "", e.Password)
	if err != nil {
		return err
	}
	defer s.close()
	if s.network, s.socks, err = endpoint(e.Socks); err != nil {
		return err
	}
	return t.serve(ctx, s)
}

// socksOnly uses a tor that runs already and can't be controlled.
func (t *Tor) socksOnly(ctx context.Context) error {
	network, address, err := endpoint(t.cfg.Existing.Socks)
	if err != nil {
		return err
	}
	tick := time.NewTicker(t.timing.tick)
	defer tick.Stop()
	for {
		if err := probe(ctx, network, address); err != nil {
			return err
		}
		t.mu.Lock()
		t.network, t.address = network, address
		idle := t.paused
		t.mu.Unlock()
		status := Status{State: Ready, Percent: 100, Phase: PhaseDone}
		if idle {
			status = Status{State: Paused}
		}
		t.set(status)
		t.settle(idle)
		select {
		case <-tick.C:
		case <-t.poke:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// probe tells whether something speaks SOCKS5 with a user at the address (RFC 1928 §3).
func probe(ctx context.Context, network, address string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return &Problem{Kind: ProblemNotThere, Err: withoutAddress(err)}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write([]byte{5, 1, 2}); err == nil {
		var answer [2]byte
		if _, err := io.ReadFull(conn, answer[:]); err == nil && answer == [2]byte{5, 2} {
			return nil
		}
	}
	return problemf(ProblemNotThere, "what is there does not speak SOCKS5 with a user name, as Tor does")
}

// eventKinds are what tor is asked to tell. Messages come from an existing tor only; one of our own
// writes them to its output.
const (
	eventKinds = "STATUS_CLIENT STATUS_GENERAL HS_DESC"
	logKinds   = " NOTICE WARN ERR"
)

// serve uses a tor under control until it ends or breaks off, or ctx ends. The error is why.
func (t *Tor) serve(ctx context.Context, s *session) error {
	kinds := eventKinds
	if s.process == nil {
		kinds += logKinds
	}
	if _, err := s.listener.request(ctx, "SETEVENTS "+kinds); err != nil {
		return err
	}
	version, err := s.commands.info(ctx, "version")
	if err != nil {
		return err
	}
	events := make(chan event)
	ended := make(chan struct{})
	var lost error
	go func() {
		defer close(ended)
		lost = s.listener.listen(func(e event) {
			select {
			case events <- e:
			case <-s.listener.ended:
			}
		})
	}()
	defer func() {
		s.listener.close()
		<-ended
	}()

	t.mu.Lock()
	t.control, t.version = s.commands, clip(version, maxSummary)
	t.idle, s.idle = true, true
	t.broadcast()
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.control = nil
		for _, o := range t.onions {
			o.uploaded = make(chan struct{})
		}
		t.broadcast()
		t.mu.Unlock()
	}()
	if err := t.publishAll(ctx, s.commands); err != nil {
		return err
	}

	var exited chan struct{}
	if s.process != nil {
		exited = s.process.exited
	}
	tick := time.NewTicker(t.timing.tick)
	defer tick.Stop()
	looked := t.cfg.Now().Round(0)
	s.progressed = time.Now()
	if err := t.apply(ctx, s); err != nil {
		return err
	}
	for {
		select {
		case <-t.poke:
			err = t.apply(ctx, s)
		case e := <-events:
			t.handle(s, e)
		case <-tick.C:
			// Only the clock on the wall goes on while the computer sleeps.
			now := t.cfg.Now().Round(0)
			if gap := now.Sub(looked); gap > t.timing.tick+t.timing.asleep {
				t.NetworkChanged()
			}
			looked = now
			err = t.look(ctx, s)
		case <-s.commands.ended:
			err = s.commands.broken.Load()
		case <-ended:
			err = lost
		case <-exited:
			return s.process.died()
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		t.set(t.judge(s))
	}
}

// apply does what the methods of Tor have asked for.
func (t *Tor) apply(ctx context.Context, s *session) error {
	t.mu.Lock()
	paused, renew := t.paused, t.renew
	t.renew = false
	t.mu.Unlock()
	if renew && s.process == nil {
		if _, err := s.commands.request(ctx, "SIGNAL NEWNYM"); err != nil && s.commands.failed() {
			return err
		}
	}
	if !s.idle && (paused || renew && s.process != nil) {
		// The status first, so that nobody sets out on a way that is about to end.
		s.idle, s.established = paused, false
		t.set(t.judge(s))
		if err := s.disconnect(ctx); err != nil {
			return err
		}
	}
	if s.idle && !paused {
		network, address, err := s.connect(ctx)
		if err != nil {
			return err
		}
		t.mu.Lock()
		t.network, t.address = network, address
		t.mu.Unlock()
	}
	if err := t.look(ctx, s); err != nil {
		return err
	}
	t.set(t.judge(s))
	t.settle(s.idle)
	return nil
}

// settle tells those who wait for it that tor is off the network or not. The status tells it already.
func (t *Tor) settle(idle bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = idle
	t.broadcast()
}

// disconnect takes tor off the network.
func (s *session) disconnect(ctx context.Context) error {
	s.idle = true
	if s.process == nil {
		return nil // others use it
	}
	return s.commands.set(ctx, "DisableNetwork=1")
}

// connect lets tor connect to the network, and returns where its SOCKS proxy is.
func (s *session) connect(ctx context.Context) (network, address string, err error) {
	s.progressed, s.problem = time.Now(), nil
	if s.process == nil {
		s.idle = false
		return s.network, s.socks, nil
	}
	if err := s.commands.set(ctx, "DisableNetwork=0"); err != nil {
		return "", "", err
	}
	s.idle = false
	text, err := s.commands.info(ctx, "net/listeners/socks")
	if err != nil {
		return "", "", err
	}
	address, rest := cutValue(text)
	if rest != "" {
		return "", "", s.commands.fail(problemf(ProblemControl, "tor has several SOCKS proxies"))
	}
	if s.socks != "" && address == "unix:"+s.socks {
		return "unix", s.socks, nil
	}
	if a, err := netip.ParseAddrPort(address); s.socks != "" || err != nil || !a.Addr().IsLoopback() {
		return "", "", s.commands.fail(problemf(ProblemControl, "tor has another SOCKS proxy"))
	}
	return "tcp", address, nil
}

// look asks tor how it is, as an event can be missed while nobody listens yet.
func (t *Tor) look(ctx context.Context, s *session) error {
	phase, err := s.commands.info(ctx, "status/bootstrap-phase")
	if err != nil {
		return err
	}
	t.bootstrap(s, parseArgs(phase))
	established, err := s.commands.info(ctx, "status/circuit-established")
	if err != nil {
		return err
	}
	s.established = established == "1"
	return nil
}

// handle takes in an event.
func (t *Tor) handle(s *session, e event) {
	switch e.kind {
	case "NOTICE", "WARN", "ERR":
		t.log.add(strings.ToLower(e.kind), e.rest)
		return
	case "HS_DESC":
		action, rest, _ := strings.Cut(e.rest, " ")
		service, _, _ := strings.Cut(rest, " ")
		if action == "UPLOADED" {
			t.uploaded(service + ".onion")
		}
		return
	}
	_, rest, _ := strings.Cut(e.rest, " ") // the severity
	action, rest, _ := strings.Cut(rest, " ")
	args := parseArgs(rest)
	switch action {
	case "BOOTSTRAP":
		t.bootstrap(s, args)
	case "CIRCUIT_ESTABLISHED":
		s.established = true
	case "CIRCUIT_NOT_ESTABLISHED":
		s.established = false
		s.progressed = time.Now()
	case "CLOCK_SKEW":
		s.clock = &Problem{Kind: ProblemClock}
		if seconds, err := strconv.ParseInt(args["SKEW"], 10, 32); err == nil {
			s.clock.Skew = time.Duration(seconds) * time.Second
		}
	}
}

// failures is how many relays may fail before it is taken for a problem; single ones often do.
const failures = 3

// bootstrap takes in how far tor is.
func (t *Tor) bootstrap(s *session, args map[string]string) {
	percent, err := strconv.Atoi(args["PROGRESS"])
	if err != nil || percent < 0 || percent > 100 {
		return
	}
	phase, known := phases[args["TAG"]]
	if !known {
		phase = s.phase // of a newer tor: it can't be told in words
	}
	if percent < s.percent {
		return // an event from before tor was asked
	}
	if percent > s.percent {
		s.progressed, s.problem = time.Now(), nil
	}
	s.percent, s.phase, s.summary = percent, phase, clip(args["SUMMARY"], maxSummary)
	if percent == 100 {
		s.clock, s.problem = nil, nil
		return
	}
	warning := args["WARNING"]
	count, _ := strconv.Atoi(args["COUNT"])
	if warning != "" && (count >= failures || args["RECOMMENDATION"] == "warn" || args["REASON"] == "NOROUTE" || args["REASON"] == "PT_MISSING") {
		s.problem = t.cfg.problemOf(args["REASON"], phase, warning)
	}
}

// uploaded tells those who wait for an onion service that it can be found.
func (t *Tor) uploaded(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.onions[address]; o != nil {
		select {
		case <-o.uploaded:
		default:
			close(o.uploaded)
		}
	}
}

// judge returns the status that follows from what is known of tor.
func (t *Tor) judge(s *session) Status {
	switch {
	case s.idle:
		return Status{State: Paused}
	case s.percent == 100 && s.established:
		return Status{State: Ready, Percent: 100, Phase: PhaseDone, Summary: s.summary}
	}
	status := Status{State: Bootstrapping, Percent: s.percent, Phase: s.phase, Summary: s.summary, Problem: s.problem}
	if s.percent == 100 { // it was there, and has no circuit now
		status.Percent, status.Phase, status.Summary = 95, PhaseCircuit, ""
	}
	if status.Phase == "" {
		status.Phase = PhaseStart
	}
	// The more certain of several explanations.
	if p := s.process.transportProblem(); p != nil {
		status.Problem = p
	} else if s.clock != nil {
		status.Problem = s.clock
	} else if status.Problem == nil && time.Since(s.progressed) > t.timing.stall {
		status.Problem = t.cfg.problemOf("", status.Phase, "")
	}
	return status
}
