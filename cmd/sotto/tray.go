package main

import (
	"bytes"

	"fyne.io/fyne/v2"
	fynedesktop "fyne.io/fyne/v2/driver/desktop"

	"github.com/sotto-chat/sotto/ui"
)

// tray is the icon in the tray, which the toolkit shows.
type tray struct{ app fynedesktop.App }

// newTray returns the tray, nil if the toolkit has none. It has to get its menu before the toolkit runs, which starts it then.
func newTray(app fyne.App) ui.Tray {
	if a, ok := app.(fynedesktop.App); ok {
		return tray{a}
	}
	return nil
}

func (t tray) SetMenu(menu *fyne.Menu) { t.app.SetSystemTrayMenu(menu) }

func (t tray) SetUnread(unread bool) {
	name, picture := "sotto.svg", icon
	if unread {
		name, picture = "sotto-unread.svg", withDot(icon)
	}
	t.app.SetSystemTrayIcon(fyne.NewStaticResource(name, picture))
}

// withDot returns the icon with a dot at its upper right.
func withDot(icon []byte) []byte {
	const dot = `<circle cx="100" cy="28" r="26" fill="#C2352B" stroke="#FFFFFF" stroke-width="6"/></svg>`
	return bytes.Replace(icon, []byte("</svg>"), []byte(dot), 1)
}
