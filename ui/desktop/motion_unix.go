//go:build unix && !darwin

package desktop

import (
	"context"

	"github.com/godbus/dbus/v5"
)

// portalSettings is the portal that tells of the settings of the desktop (XDG Desktop Portal, "Settings").
const portalSettings = "org.freedesktop.portal.Settings"

// LessMotion tells whether the person has asked the desktop for things not to move.
func LessMotion(ctx context.Context) bool {
	conn, err := sessionBus()
	if err != nil {
		return false
	}
	defer conn.Close()
	setting := func(namespace, key string) any {
		var v dbus.Variant
		if call(ctx, conn.Object(portal, portalPath), portalSettings+".ReadOne", []any{namespace, key}, &v) != nil {
			return nil
		}
		return v.Value()
	}
	const reduced = uint32(1)
	return setting("org.freedesktop.appearance", "reduced-motion") == reduced || setting("org.gnome.desktop.interface", "enable-animations") == false
}
