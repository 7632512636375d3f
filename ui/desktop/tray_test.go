package desktop

import (
	"testing"

	"github.com/godbus/dbus/v5"
)

func TestHasTray(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	if HasTray(t.Context()) {
		t.Error("there is a tray without a bus")
	}
	startBus(t)
	if HasTray(t.Context()) {
		t.Error("there is a tray that nobody shows")
	}
	conn, err := sessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.RequestName(trayService, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	if !HasTray(t.Context()) {
		t.Error("the tray was not found")
	}
}
