package desktop

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godbus/dbus/v5"
)

// noticeboard is a service that shows notifications.
type noticeboard struct {
	capabilities []string
	shown        chan posted
	closed       chan uint32
	last         atomic.Uint32
}

type posted struct {
	number, replaces  uint32
	name, title, text string
	icon              string
	actions           []string
	hints             map[string]dbus.Variant
}

func (b *noticeboard) GetCapabilities() ([]string, *dbus.Error) { return b.capabilities, nil }

func (b *noticeboard) Notify(name string, replaces uint32, icon, title, text string, actions []string, hints map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	number := replaces
	if number == 0 {
		number = b.last.Add(1)
	}
	b.shown <- posted{number, replaces, name, title, text, icon, actions, hints}
	return number, nil
}

func (b *noticeboard) CloseNotification(number uint32) *dbus.Error {
	b.closed <- number
	if number == 1 {
		return dbus.NewError("org.freedesktop.DBus.Error.Failed", nil) // as when it is gone already
	}
	return nil
}

func startBoard(t *testing.T, capabilities ...string) (*noticeboard, *dbus.Conn) {
	t.Helper()
	startBus(t)
	b := &noticeboard{capabilities: capabilities, shown: make(chan posted, 10), closed: make(chan uint32, 10)}
	return b, serve(t, b, notifyPath, notifyService, notifyService)
}

func TestNotifier(t *testing.T) {
	board, service := startBoard(t, "body", "body-markup", "actions")
	opened := make(chan string, 10)
	n, err := NewNotifier("Sotto", "chat.sotto.Sotto", func(id string) { opened <- id })
	if err != nil {
		t.Fatal(err)
	}
	show := func(m Notification) posted {
		t.Helper()
		if err := n.Show(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		return next(t, "the notification", board.shown)
	}
	bob := show(Notification{Group: "bob", ID: "secret id 1", Title: "Bob\n<b>", Text: "<a href=\"x\">1 & 2</a>\x00\u202e" + strings.Repeat("é", 1000), Sound: true})
	if bob.name != "Sotto" || bob.title != "Bob <b>" || !strings.HasPrefix(bob.text, "&lt;a href=&quot;x&quot;&gt;1 &amp; 2&lt;/a&gt;éé") ||
		!strings.HasSuffix(bob.text, "é…") || bob.icon != "" {
		t.Errorf("shown as %+v", bob)
	}
	if _, suppressed := bob.hints["suppress-sound"]; suppressed || bob.hints["sound-name"].Value() != "message-new-instant" ||
		bob.hints["desktop-entry"].Value() != "chat.sotto.Sotto" || bob.hints["transient"].Value() != nil {
		t.Errorf("hints are %v", bob.hints)
	}
	carol := show(Notification{Group: "carol", ID: "c", Title: "Carol", Transient: true})
	if carol.hints["suppress-sound"].Value() != true || carol.hints["sound-name"].Value() != nil || carol.hints["transient"].Value() != true {
		t.Errorf("hints are %v", carol.hints)
	}
	if again := show(Notification{Group: "bob", ID: "secret id 2", Title: "Bob"}); bob.replaces != 0 || carol.replaces != 0 || again.replaces != bob.number {
		t.Errorf("%d replaces %d in place of %d", again.number, again.replaces, bob.number)
	}

	// Signals of others and about others mean nothing.
	emit(t, service, notifyPath, notifyService+".ActionInvoked", uint32(99), "default")
	emit(t, service, notifyPath, notifyService+".ActionInvoked", carol.number, "other")
	emit(t, service, notifyPath, notifyService+".ActionInvoked", "x", uint32(1))
	emit(t, service, notifyPath, notifyService+".NotificationClosed", bob.number, uint32(1)) // expired: it can still be clicked
	emit(t, service, notifyPath, notifyService+".ActionInvoked", bob.number, "default")
	if id := next(t, "the click", opened); id != "secret id 2" {
		t.Errorf("opened %q", id)
	}
	emit(t, service, notifyPath, notifyService+".ActionInvoked", bob.number, "default") // twice
	emit(t, service, notifyPath, notifyService+".ActionInvoked", carol.number, "default")
	if id := next(t, "the click", opened); id != "c" {
		t.Errorf("opened %q", id)
	}

	// One that was closed there is a new one the next time.
	bob = show(Notification{Group: "bob", ID: "3"})
	if bob.replaces != 0 {
		t.Error("it replaces one that was clicked")
	}
	emit(t, service, notifyPath, notifyService+".NotificationClosed", bob.number, uint32(2))
	carol = show(Notification{Group: "carol", ID: "4"})
	emit(t, service, notifyPath, notifyService+".ActionInvoked", carol.number, "default")
	next(t, "the click", opened) // what came before was handled
	if bob = show(Notification{Group: "bob", ID: "5"}); bob.replaces != 0 {
		t.Error("it replaces one that was closed")
	}
	if err := errors.Join(n.Remove(t.Context(), "bob"), n.Remove(t.Context(), "bob"), n.Remove(t.Context(), "nobody")); err != nil {
		t.Error(err)
	}
	if number := next(t, "the removal", board.closed); number != bob.number || len(board.closed) != 0 {
		t.Errorf("removed %d", number)
	}
	dave := show(Notification{Group: "dave"})
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if number := next(t, "the removal", board.closed); number != dave.number {
		t.Errorf("removed %d", number)
	}
	if err := n.Show(t.Context(), Notification{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNotifierPlain(t *testing.T) {
	board, service := startBoard(t)
	n, err := NewNotifier("Sotto", "chat.sotto.Sotto", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Show(t.Context(), Notification{Group: "a", Title: "A", Text: "1 < 2 & 3"}); err != nil {
		t.Fatal(err)
	}
	p := next(t, "the notification", board.shown)
	if p.text != "1 < 2 & 3" {
		t.Errorf("shown as %q", p.text)
	}
	if err := n.Remove(t.Context(), "a"); err != nil { // it says that it is gone already
		t.Error(err)
	}
	if err := n.Show(t.Context(), Notification{Group: "a"}); err != nil {
		t.Fatal(err)
	}
	service.Close() // the service crashes
	if err := n.Show(t.Context(), Notification{Group: "b"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without the service: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoService(t *testing.T) {
	startBus(t)
	if _, err := NewNotifier("Sotto", "x", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a service: %v", err)
	}
	for _, address := range []string{"unix:path=/nonexistent", "tcp:host=127.0.0.1,port=1", "autolaunch:", "nonsense"} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
		if _, err := NewNotifier("Sotto", "x", nil); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := Watch(func(Change) {}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: watching: %v", address, err)
		}
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if _, err := NewNotifier("Sotto", "x", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a bus: %v", err)
	}
}
