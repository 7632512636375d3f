package desktop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"
)

// The service that shows notifications (Desktop Notifications Specification 1.2).
const (
	notifyService = "org.freedesktop.Notifications"
	notifyPath    = "/org/freedesktop/Notifications"
)

// maxNotification bounds a title and a text, in runes: more is not shown anywhere.
const maxNotification = 300

// Notification is what is shown. It has no picture: services keep those.
type Notification struct {
	// Group is what it is about, as a conversation. A later notification takes the place of the one
	// of the same group.
	Group string
	// ID is given to the function of NewNotifier when the notification is clicked. The service does not get it.
	ID    string
	Title string
	Text  string
	Sound bool
	// Transient asks the service not to keep the notification in a list.
	Transient bool
}

// Notifier shows notifications through the service of the desktop. Its methods are safe for concurrent use.
type Notifier struct {
	name, entry string
	opened      func(id string)
	conn        *dbus.Conn
	service     dbus.BusObject
	markup      bool // the service reads the text as markup
	done        chan struct{}

	calls  sync.Mutex // held while something is shown, so that it is known before it is clicked
	mu     sync.Mutex
	groups map[string]shown
}

type shown struct {
	number uint32 // by which the service knows it
	id     string
}

// NewNotifier connects to the service. name is that of the program as people read it, and entry that of its
// .desktop file without the ending. opened is called when a notification is clicked, on a goroutine of the
// notifier; it must not wait. The error is ErrUnavailable if there is no such service.
func NewNotifier(name, entry string, opened func(id string)) (*Notifier, error) {
	conn, err := sessionBus()
	if err != nil {
		return nil, err
	}
	n := &Notifier{name: name, entry: entry, opened: opened, conn: conn, service: conn.Object(notifyService, notifyPath),
		done: make(chan struct{}), groups: make(map[string]shown)}
	var capabilities []string
	err = call(context.Background(), n.service, notifyService+".GetCapabilities", nil, &capabilities)
	if err == nil {
		err = conn.AddMatchSignal(dbus.WithMatchSender(notifyService), dbus.WithMatchInterface(notifyService))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	n.markup = slices.Contains(capabilities, "body-markup")
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	go n.listen(signals)
	return n, nil
}

// listen handles signals until the connection is closed.
func (n *Notifier) listen(signals <-chan *dbus.Signal) {
	defer close(n.done)
	for s := range signals {
		if len(s.Body) != 2 || s.Path != notifyPath {
			continue
		}
		number, ok := s.Body[0].(uint32)
		if !ok {
			continue
		}
		switch s.Name {
		case notifyService + ".ActionInvoked":
			if key, ok := s.Body[1].(string); !ok || key != "default" {
				continue
			}
			n.calls.Lock()
			id, ok := n.forget(number)
			n.calls.Unlock()
			if ok && n.opened != nil {
				n.opened(id)
			}
		case notifyService + ".NotificationClosed":
			// The reason 1 is that its time is over: services that keep it in a list can still have it
			// clicked. It is forgotten with the next one of its group.
			if reason, ok := s.Body[1].(uint32); ok && reason != 1 {
				n.calls.Lock()
				n.forget(number)
				n.calls.Unlock()
			}
		}
	}
}

// forget forgets what the service knows by a number.
func (n *Notifier) forget(number uint32) (id string, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for group, s := range n.groups {
		if s.number == number {
			delete(n.groups, group)
			return s.id, true
		}
	}
	return "", false
}

// Show shows a notification in place of the one of its group. The error is ErrUnavailable if the service has
// gone.
func (n *Notifier) Show(ctx context.Context, m Notification) error {
	title, text := short(m.Title), short(m.Text)
	if n.markup {
		text = markup.Replace(text)
	}
	hints := map[string]dbus.Variant{
		"desktop-entry": dbus.MakeVariant(n.entry),
		"category":      dbus.MakeVariant("im.received"),
		"urgency":       dbus.MakeVariant(byte(1)),
	}
	if m.Sound {
		hints["sound-name"] = dbus.MakeVariant("message-new-instant")
	} else {
		hints["suppress-sound"] = dbus.MakeVariant(true)
	}
	if m.Transient {
		hints["transient"] = dbus.MakeVariant(true)
	}
	n.calls.Lock()
	defer n.calls.Unlock()
	n.mu.Lock()
	before := n.groups[m.Group].number // 0 for a new one
	n.mu.Unlock()
	var number uint32
	err := call(ctx, n.service, notifyService+".Notify",
		[]any{n.name, before, "", title, text, []string{"default", ""}, hints, int32(-1)}, &number)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.groups[m.Group] = shown{number, m.ID}
	return nil
}

// Remove takes the notification of a group away, if there is one.
func (n *Notifier) Remove(ctx context.Context, group string) error {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.mu.Lock()
	s, ok := n.groups[group]
	delete(n.groups, group)
	n.mu.Unlock()
	if !ok {
		return nil
	}
	return n.take(ctx, s)
}

func (n *Notifier) take(ctx context.Context, s shown) error {
	err := call(ctx, n.service, notifyService+".CloseNotification", []any{s.number})
	var refused dbus.Error
	if errors.As(err, &refused) && !errors.Is(err, ErrUnavailable) {
		return nil // the service says so if it was gone already
	}
	return err
}

// RemoveAll takes all notifications away, as when the program is locked.
func (n *Notifier) RemoveAll(ctx context.Context) error {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.mu.Lock()
	groups := n.groups
	n.groups = make(map[string]shown)
	n.mu.Unlock()
	var errs []error
	for _, s := range groups {
		if errs = append(errs, n.take(ctx, s)); ctx.Err() != nil || errors.Is(errs[len(errs)-1], ErrUnavailable) {
			break
		}
	}
	return errors.Join(errs...)
}

// Close takes all notifications away and ends the connection.
func (n *Notifier) Close() error {
	err := n.RemoveAll(context.Background())
	if errors.Is(err, ErrUnavailable) {
		err = nil // with the service all of them are gone
	}
	err = errors.Join(err, n.conn.Close())
	<-n.done
	return err
}

var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

// short makes one short line of a text, without what could change how it is shown.
func short(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxNotification {
			b.WriteString("…")
			break
		}
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			continue
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
