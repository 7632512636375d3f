//go:build unix && !darwin

package vault

import (
	"os"
	"path/filepath"
	"strconv"
)

// keyringReachable tells whether there is a session bus to ask. Without one the D-Bus
// library would start a bus of its own, on which no keyring lives.
func keyringReachable() bool {
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" {
		return address != "autolaunch:"
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	}
	_, err := os.Stat(filepath.Join(dir, "bus"))
	return err == nil
}
