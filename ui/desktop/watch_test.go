package desktop

import (
	"os"
	"testing"

	"github.com/godbus/dbus/v5"
)

const ownPath = dbus.ObjectPath("/org/freedesktop/login1/session/_32")

// sessions is a manager of sessions.
type sessions struct{ held chan pipe }

// pipe is what delays sleep as long as its other end is open anywhere.
type pipe struct{ r, w *os.File }

// released tells whether the other end is closed.
func (p pipe) released() bool {
	n, err := p.r.Read(make([]byte, 1))
	return n == 0 && err != nil && p.r.Close() == nil
}

func (s *sessions) GetSession(id string) (dbus.ObjectPath, *dbus.Error) {
	if id != "2" {
		return "", dbus.NewError("org.freedesktop.login1.NoSuchSession", nil)
	}
	return ownPath, nil
}

func (s *sessions) GetSessionByPID(uint32) (dbus.ObjectPath, *dbus.Error) { return ownPath, nil }

func (s *sessions) Inhibit(what, _, _, mode string) (dbus.UnixFD, *dbus.Error) {
	r, w, err := os.Pipe()
	if err != nil || what != "sleep" || mode != "delay" {
		return 0, dbus.NewError("org.freedesktop.DBus.Error.Failed", nil)
	}
	fd := dbus.UnixFD(w.Fd())
	s.held <- pipe{r, w}
	return fd, nil
}

func TestWatch(t *testing.T) {
	startBus(t)
	t.Setenv("XDG_SESSION_ID", "nonsense") // the second way has to answer
	manager := &sessions{make(chan pipe, 10)}
	loginConn := serve(t, manager, loginPath, login, loginMgr)
	network := serve(t, struct{}{}, networkPath, networkMgr, networkMgr)
	changes := make(chan Change, 10)
	w, err := Watch(func(c Change) { changes <- c })
	if err != nil {
		t.Fatal(err)
	}
	held := next(t, "the wish to delay sleep", manager.held)
	held.w.Close() // it was passed on
	want := func(c Change) {
		t.Helper()
		if got := next(t, string(c), changes); got != c {
			t.Errorf("told %s, want %s", got, c)
		}
	}
	// Another session, and nonsense, mean nothing; what comes after shows that nothing was told.
	emit(t, loginConn, "/org/freedesktop/login1/session/_33", loginSes+".Lock")
	emit(t, loginConn, loginPath, loginMgr+".PrepareForSleep", "yes")
	emit(t, loginConn, loginPath, loginMgr+".PrepareForSleep", false)
	emit(t, network, networkPath, networkMgr+".StateChanged", "x")
	emit(t, loginConn, ownPath, loginSes+".Lock")
	want(Locked)
	emit(t, loginConn, ownPath, loginSes+".Lock")
	emit(t, loginConn, "/org/freedesktop/ScreenSaver", saver+".ActiveChanged", true) // the same in another way
	emit(t, loginConn, ownPath, loginSes+".Unlock")
	want(Unlocked)
	emit(t, loginConn, "/org/freedesktop/ScreenSaver", saver+".ActiveChanged", true)
	want(Locked)
	emit(t, loginConn, "/org/freedesktop/ScreenSaver", saver+".ActiveChanged", false)
	want(Unlocked)
	emit(t, loginConn, "/org/gnome/ScreenSaver", gnomeSaver+".ActiveChanged", true)
	want(Locked)
	emit(t, network, networkPath, networkMgr+".StateChanged", uint32(70))
	want(NetworkChanged)

	emit(t, loginConn, loginPath, loginMgr+".PrepareForSleep", true)
	want(Sleeping)
	if !held.released() {
		t.Error("sleep is still delayed")
	}
	emit(t, loginConn, loginPath, loginMgr+".PrepareForSleep", false)
	held = next(t, "the wish to delay sleep", manager.held)
	want(Awake)
	held.w.Close()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if !held.released() {
		t.Error("sleep is delayed after the end")
	}
	if len(changes) != 0 {
		t.Errorf("told %s as well", <-changes)
	}
}

// TestWatchSessionOnly has no bus of the computer.
func TestWatchSessionOnly(t *testing.T) {
	startBus(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
	conn := serve(t, struct{}{}, "/org/freedesktop/ScreenSaver", saver, saver)
	changes := make(chan Change, 10)
	w, err := Watch(func(c Change) { changes <- c })
	if err != nil {
		t.Fatal(err)
	}
	emit(t, conn, "/org/freedesktop/ScreenSaver", saver+".ActiveChanged", true)
	if got := next(t, "the lock", changes); got != Locked {
		t.Errorf("told %s", got)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
