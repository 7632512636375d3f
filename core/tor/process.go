package tor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// process is a tor of our own.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended and its output was read

	mu        sync.Mutex
	started   bool     // it has accepted its configuration and folder
	last      string   // its last warning before
	problem   *Problem // what its messages tell about why it does not start
	transport *Problem // what they tell about the program of a transport
}

// startProcess starts tor with its configuration in files.
func (t *Tor) startProcess(f files, plugins map[string]string, dir string) (*process, error) {
	folder := func(err error) error { return &Problem{Kind: ProblemFolder, Err: withoutPath(err)} }
	for _, d := range []string{t.cfg.Dir, f.data} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, folder(err)
		}
		if err := os.Chmod(d, 0o700); err != nil { // tor uses no other
			return nil, folder(err)
		}
	}
	// Not the sockets: tor makes them anew, and another tor that has the folder would lose its own.
	for _, stale := range []string{f.controlFile, f.cookie} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, folder(err)
		}
	}
	for path, text := range map[string]string{f.torrc: t.cfg.torrc(f, plugins, os.Getpid()), f.defaults: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, folder(err)
		}
	}
	p := &process{cmd: exec.Command(t.binary, "-f", f.torrc, "--defaults-torrc", f.defaults), exited: make(chan struct{})}
	p.cmd.Env = environment()
	p.cmd.Dir = dir
	if dir == "" {
		p.cmd.Dir = f.data
	}
	setProcess(p.cmd)
	// A pipe of our own: one of os/exec would wait for programs that tor has started.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, &Problem{Kind: ProblemDied, Err: err}
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	err = p.cmd.Start()
	in.Close()
	if err != nil {
		out.Close()
		return nil, &Problem{Kind: ProblemMissing, Err: withoutPath(err)}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		follow(out, func(line string) {
			severity, text := parseLog(line)
			t.log.add(severity, text)
			if p.look(severity, text) {
				t.wake()
			}
		})
	}()
	go func() {
		defer close(p.exited)
		p.cmd.Wait()
		select {
		case <-read:
		case <-time.After(time.Second): // a program that tor has started still has the other end
		}
		out.Close()
		<-read
	}()
	return p, nil
}

// look reads a message for what tor tells in no other way. It returns whether there is news.
func (p *process) look(severity, text string) bool {
	if severity == "notice" {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	set := func(kind ProblemKind, detail string) {
		if p.problem == nil && !p.started {
			p.problem = &Problem{Kind: kind, Detail: clip(detail, maxDetail)}
		}
	}
	switch {
	case strings.Contains(text, "another Tor process is running with the same data directory"):
		set(ProblemInUse, "")
	case strings.Contains(text, "private data directory"), strings.HasPrefix(text, "Error creating directory"), strings.Contains(text, "not owned by this user"):
		set(ProblemFolder, text)
	case strings.HasPrefix(text, "Failed to parse/validate config: "):
		_, detail, _ := strings.Cut(text, ": ")
		set(ProblemConfig, detail)
	case strings.Contains(text, "Reading config failed"):
		set(ProblemConfig, p.last)
	case strings.Contains(text, "anaged proxy") && (strings.Contains(text, "failed") || strings.Contains(text, "Failed") || strings.Contains(text, "ould not launch")) ||
		strings.Contains(text, "Can't use bridge") && strings.Contains(text, "pluggable transport"):
		p.transport = &Problem{Kind: ProblemTransport, Detail: clip(text, maxDetail)}
		return true
	}
	p.last = text
	return false
}

// start notes that tor has started: its messages don't tell any more why it does not.
func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.problem = true, nil
}

// transportProblem returns what is wrong with the program of a transport, nil if nothing is.
func (p *process) transportProblem() *Problem {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.transport
}

// died returns why tor has ended.
func (p *process) died() *Problem {
	<-p.exited
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.problem != nil {
		return p.problem
	}
	return &Problem{Kind: ProblemDied, Err: fmt.Errorf("%v", p.cmd.ProcessState)}
}

// stop ends the process if it has not, and waits until it is gone.
func (p *process) stop() {
	select {
	case <-p.exited:
	default:
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// withoutPath leaves the path out of an error: the folder has the name of the user in it.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	var program *exec.Error
	if errors.As(err, &program) {
		return program.Err
	}
	return err
}

// own runs a tor of our own until it ends, or ctx does. The error is why.
func (t *Tor) own(ctx context.Context) error {
	plugins, dir, err := t.cfg.plugins()
	if err != nil {
		return err
	}
	f := t.cfg.files(runtime.GOOS != "windows")
	p, err := t.startProcess(f, plugins, dir)
	if err != nil {
		return err
	}
	defer p.stop()
	network, address, err := t.controlOf(ctx, p, f)
	if err != nil {
		return err
	}
	s, err := t.takeControl(ctx, network, address, f.cookie, "")
	if err != nil {
		return t.dead(ctx, p, err)
	}
	defer s.close()
	s.process, s.socks = p, f.socks
	p.start()
	os.Remove(f.torrc) // which may hold a password; tor has read it
	// From now on tor ends with this connection, and so with this program, however that ends.
	if _, err := s.commands.request(ctx, "TAKEOWNERSHIP"); err != nil {
		return t.dead(ctx, p, err)
	}
	err = t.serve(ctx, s)
	if ctx.Err() != nil {
		// Tor writes down what it wants to know the next time.
		s.commands.request(context.WithoutCancel(ctx), "SIGNAL HALT")
		select {
		case <-p.exited:
		case <-time.After(endTime):
		}
		return ctx.Err()
	}
	return t.dead(ctx, p, err)
}

// dead returns why tor ended if it did within a moment after err, else err.
func (t *Tor) dead(ctx context.Context, p *process, err error) error {
	select {
	case <-p.exited:
		return p.died()
	case <-ctx.Done():
		return err
	case <-time.After(t.timing.moment):
		return err
	}
}

// controlOf waits until tor has written down where its control port is, which it does within a second.
func (t *Tor) controlOf(ctx context.Context, p *process, f files) (network, address string, err error) {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	late := time.NewTimer(t.timing.start)
	defer late.Stop()
	for {
		if text, err := os.ReadFile(f.controlFile); err == nil {
			return parseControl(strings.TrimSpace(string(text)), f.control)
		}
		select {
		case <-poll.C:
		case <-p.exited:
			return "", "", p.died()
		case <-late.C:
			return "", "", problemf(ProblemControl, "tor does not open a control port")
		case <-ctx.Done():
			return "", "", ctx.Err()
		}
	}
}

// parseControl reads the file of ControlPortWriteToFile, which has one line.
func parseControl(text, socket string) (network, address string, err error) {
	if path, found := strings.CutPrefix(text, "UNIX_PORT="); found && path == socket && filepath.IsAbs(path) {
		return "unix", path, nil
	}
	if port, found := strings.CutPrefix(text, "PORT="); found && socket == "" {
		if a, err := netip.ParseAddrPort(port); err == nil && a.Addr().IsLoopback() {
			return "tcp", port, nil
		}
	}
	return "", "", problemf(ProblemControl, "tor opened another control port")
}
