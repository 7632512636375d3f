//go:build unix && !darwin

package desktop

import (
	"testing"

	"github.com/godbus/dbus/v5"
)

// fakeSettings are those of a desktop, by namespace and key.
type fakeSettings map[string]any

func (f fakeSettings) ReadOne(namespace, key string) (dbus.Variant, *dbus.Error) {
	if v, ok := f[namespace+" "+key]; ok {
		return dbus.MakeVariant(v), nil
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.portal.Error.NotFound", []any{"no such setting"})
}

func TestLessMotion(t *testing.T) {
	startBus(t)
	if LessMotion(t.Context()) {
		t.Error("without a portal")
	}
	settings := fakeSettings{}
	serve(t, settings, portalPath, portal, portalSettings)
	const gnome, common = "org.gnome.desktop.interface enable-animations", "org.freedesktop.appearance reduced-motion"
	for _, c := range []struct {
		settings fakeSettings
		want     bool
	}{
		{nil, false}, {fakeSettings{gnome: true}, false}, {fakeSettings{gnome: false}, true}, {fakeSettings{common: uint32(0)}, false},
		{fakeSettings{common: uint32(1), gnome: true}, true}, {fakeSettings{common: "odd", gnome: "odd"}, false},
	} {
		clear(settings)
		for k, v := range c.settings {
			settings[k] = v
		}
		if got := LessMotion(t.Context()); got != c.want {
			t.Errorf("%v: %v", c.settings, got)
		}
	}
}
