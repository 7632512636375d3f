package desktop

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Change is what Watch tells.
type Change string

const (
	Locked         Change = "locked"   // the screen was locked, or the session
	Unlocked       Change = "unlocked" // the person is back
	Sleeping       Change = "sleeping" // the computer is about to sleep
	Awake          Change = "awake"    // it has slept
	NetworkChanged Change = "network"  // there is another network, or none
)

// Services whose signals are watched: the manager of sessions (org.freedesktop.login1(5)), screen savers, and
// the NetworkManager.
const (
	login       = "org.freedesktop.login1"
	loginPath   = "/org/freedesktop/login1"
	loginMgr    = login + ".Manager"
	loginSes    = login + ".Session"
	saver       = "org.freedesktop.ScreenSaver"
	gnomeSaver  = "org.gnome.ScreenSaver"
	networkMgr  = "org.freedesktop.NetworkManager"
	networkPath = "/org/freedesktop/NetworkManager"
)

// Watcher tells of changes until it is closed.
type Watcher struct {
	changed func(Change)
	conns   []*dbus.Conn
	work    sync.WaitGroup

	mu       sync.Mutex // guards what follows, and is held while changed is called
	system   *dbus.Conn
	session  dbus.ObjectPath // our own at the manager of sessions, empty if it is not known
	inhibit  *os.File        // holds sleep up until changed has returned; nil if it can't be had
	sleeping bool
	network  uint32          // the last state of the network
	lockedBy map[string]bool // who has told that the session is locked
}

// Watch calls changed for each change, one at a time, on goroutines of its own; changed must not close the Watcher. With Sleeping the computer waits,
// as far as it can be asked to, until changed has returned. The error is ErrUnavailable if there is nothing
// that would tell.
func Watch(changed func(Change)) (*Watcher, error) {
	w := &Watcher{changed: changed, lockedBy: make(map[string]bool)}
	session, sessionErr := sessionBus()
	if sessionErr == nil {
		sessionErr = w.listen(session,
			[]dbus.MatchOption{dbus.WithMatchInterface(saver), dbus.WithMatchMember("ActiveChanged")},
			[]dbus.MatchOption{dbus.WithMatchInterface(gnomeSaver), dbus.WithMatchMember("ActiveChanged")})
	}
	system, systemErr := systemBus()
	if systemErr == nil {
		w.mu.Lock()
		w.system = system
		w.session = ownSession(system)
		w.delaySleep()
		w.mu.Unlock()
		rules := [][]dbus.MatchOption{
			{dbus.WithMatchSender(login), dbus.WithMatchInterface(loginMgr), dbus.WithMatchMember("PrepareForSleep")},
			{dbus.WithMatchSender(networkMgr), dbus.WithMatchInterface(networkMgr), dbus.WithMatchMember("StateChanged")},
		}
		if w.session != "" {
			rules = append(rules, []dbus.MatchOption{dbus.WithMatchSender(login), dbus.WithMatchInterface(loginSes), dbus.WithMatchObjectPath(w.session)})
		}
		systemErr = w.listen(system, rules...)
	}
	if sessionErr != nil && systemErr != nil {
		return nil, errors.Join(sessionErr, systemErr, w.Close())
	}
	return w, nil
}

// ownSession returns the path of the session that the program runs in.
func ownSession(system *dbus.Conn) (path dbus.ObjectPath) {
	manager := system.Object(login, loginPath)
	if id := os.Getenv("XDG_SESSION_ID"); id != "" {
		if call(context.Background(), manager, loginMgr+".GetSession", []any{id}, &path) == nil {
			return path
		}
	}
	if call(context.Background(), manager, loginMgr+".GetSessionByPID", []any{uint32(os.Getpid())}, &path) != nil {
		return ""
	}
	return path
}

// listen handles the signals that match rules.
func (w *Watcher) listen(conn *dbus.Conn, rules ...[]dbus.MatchOption) error {
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	w.conns = append(w.conns, conn)
	w.work.Go(func() {
		for s := range signals {
			w.handle(s)
		}
	})
	for _, rule := range rules {
		if err := conn.AddMatchSignal(rule...); err != nil {
			return err
		}
	}
	return nil
}

func (w *Watcher) handle(s *dbus.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	flag, isFlag := false, false
	if len(s.Body) > 0 {
		flag, isFlag = s.Body[0].(bool)
	}
	switch s.Name {
	case loginSes + ".Lock":
		w.locked(loginSes, true)
	case loginSes + ".Unlock":
		w.locked(loginSes, false)
	case saver + ".ActiveChanged", gnomeSaver + ".ActiveChanged":
		if isFlag {
			w.locked("saver", flag)
		}
	case loginMgr + ".PrepareForSleep":
		if !isFlag || flag == w.sleeping {
			return
		}
		w.sleeping = flag
		if flag {
			w.changed(Sleeping)
			w.allowSleep()
		} else {
			w.delaySleep()
			w.changed(Awake)
		}
	case networkMgr + ".StateChanged":
		if len(s.Body) == 1 {
			if state, ok := s.Body[0].(uint32); ok && state != w.network {
				w.network = state
				w.changed(NetworkChanged)
			}
		}
	}
}

// locked tells that the session was locked or unlocked, once for each time. Some desktops tell in two ways.
func (w *Watcher) locked(source string, locked bool) {
	before := len(w.lockedBy) > 0
	if locked {
		w.lockedBy[source] = true
	} else {
		clear(w.lockedBy)
	}
	switch after := len(w.lockedBy) > 0; {
	case after && !before:
		w.changed(Locked)
	case before && !after:
		w.changed(Unlocked)
	}
}

// delaySleep asks the computer not to sleep before allowSleep, or before a few seconds have passed.
func (w *Watcher) delaySleep() {
	if w.system == nil || w.inhibit != nil {
		return
	}
	var fd dbus.UnixFD
	err := call(context.Background(), w.system.Object(login, loginPath), loginMgr+".Inhibit",
		[]any{"sleep", "Sotto", "to lock itself", "delay"}, &fd)
	if err == nil {
		w.inhibit = os.NewFile(uintptr(fd), "inhibit")
	}
}

func (w *Watcher) allowSleep() {
	if w.inhibit != nil {
		w.inhibit.Close()
		w.inhibit = nil
	}
}

// Close ends the watching and waits for it.
func (w *Watcher) Close() error {
	var errs []error
	for _, c := range w.conns {
		errs = append(errs, c.Close())
	}
	w.work.Wait()
	w.allowSleep()
	return errors.Join(errs...)
}
