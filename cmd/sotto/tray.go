package main

import (
	"bytes"
	"context"

	"fyne.io/fyne/v2"
	fynedesktop "fyne.io/fyne/v2/driver/desktop"

	"github.com/sotto-chat/sotto/ui/desktop"
)

// tray is the icon in the tray, which the toolkit shows.
type tray struct{ app fynedesktop.App }

// findTray returns the tray, if the desktop has one.
func findTray(ctx context.Context, app fyne.App) (tray, error) {
	a, ok := app.(fynedesktop.App)
	if !ok || !desktop.HasTray(ctx) {
		return tray{}, desktop.ErrUnavailable
	}
	return tray{a}, nil
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
