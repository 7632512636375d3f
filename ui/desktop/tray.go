package desktop

import (
	"context"
	"runtime"
)

// trayService keeps the icons of programs (StatusNotifierItem Specification, "StatusNotifierWatcher").
const trayService = "org.kde.StatusNotifierWatcher"

// HasTray tells whether the desktop shows icons of programs that are always there, so that a program can go on
// without a window.
func HasTray(ctx context.Context) bool {
	switch runtime.GOOS {
	case "windows", "darwin":
		return true
	}
	conn, err := sessionBus()
	if err != nil {
		return false
	}
	defer conn.Close()
	var owned bool
	err = call(ctx, conn.BusObject(), "org.freedesktop.DBus.NameHasOwner", []any{trayService}, &owned)
	return err == nil && owned
}
