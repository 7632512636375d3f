// Package desktop talks to the desktop that the window is on: it shows notifications, tells when the person
// goes and the computer sleeps, starts the program at login, and looks at the screen.
//
//	n, err := desktop.NewNotifier("Sotto", "chat.sotto.Sotto", func(id string) { ... })
//	err = n.Show(ctx, desktop.Notification{Group: conversation, ID: id, Title: "Bob", Text: "New message"})
//	err = n.Remove(ctx, conversation) // it was read
//
//	w, err := desktop.Watch(func(c desktop.Change) { ... })
//
//	err = desktop.Autostart{ID: "chat.sotto.Sotto", Name: "Sotto", Command: []string{exe}}.Enable()
//
//	img, err := desktop.Screenshot(ctx)
//
// On Linux and the BSDs most of it goes over D-Bus, the bus by which the programs of a desktop talk to each
// other. What a desktop does not have is [ErrUnavailable]: the window does without it. The package
// knows nothing of conversations, and opens no connection that leaves the computer.
package desktop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

var (
	// ErrUnavailable tells that the desktop does not offer what was asked for.
	ErrUnavailable = errors.New("the desktop does not offer this")
	// ErrCanceled tells that the person has said no.
	ErrCanceled = errors.New("canceled")
	// ErrNoCamera tells that there is no camera, or that another program uses it.
	ErrNoCamera = errors.New("there is no camera that can be used")
)

// callTime bounds how long a service of the desktop may take to answer.
const callTime = 5 * time.Second

// sessionBus connects to the bus of the session. It starts none: on a bus of our own there would be nobody.
func sessionBus(opts ...dbus.ConnOption) (*dbus.Conn, error) {
	address := os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address == "" {
		dir := os.Getenv("XDG_RUNTIME_DIR")
		if dir == "" {
			dir = filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
		}
		path := filepath.Join(dir, "bus")
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: there is no session bus", ErrUnavailable)
		}
		address = "unix:path=" + dbus.EscapeBusAddressValue(path)
	}
	return connect(address, opts...)
}

// systemBus connects to the bus of the computer.
func systemBus(opts ...dbus.ConnOption) (*dbus.Conn, error) {
	address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=/var/run/dbus/system_bus_socket"
	}
	return connect(address, opts...)
}

func connect(address string, opts ...dbus.ConnOption) (*dbus.Conn, error) {
	if !strings.HasPrefix(address, "unix:") { // another kind could lead to another computer, or start a bus
		return nil, fmt.Errorf("%w: the bus is not on this computer", ErrUnavailable)
	}
	conn, err := dbus.Connect(address, opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return conn, nil
}

// call calls a method of a service and stores what it answers.
func call(ctx context.Context, o dbus.BusObject, method string, args []any, answer ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := o.CallWithContext(ctx, method, 0, args...).Store(answer...)
	var refused dbus.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, dbus.ErrClosed):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.As(err, &refused):
		switch refused.Name {
		case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
			"org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface",
			"org.freedesktop.DBus.Error.UnknownObject", "org.freedesktop.DBus.Error.Spawn.ChildExited":
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return fmt.Errorf("calling %s: %w", method, err)
}
