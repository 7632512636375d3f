package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui/widget"
)

// Tray is the icon of the program among those that the desktop always shows. Its methods are called on the main goroutine.
type Tray interface {
	// SetMenu shows another menu.
	SetMenu(menu *fyne.Menu)
	// SetUnread marks the icon while there are unread messages.
	SetUnread(unread bool)
}

// connectTray puts the icon into the tray. Where there is none, a window that was to stay away is shown.
func (w *Window) connectTray() {
	if w.tray = w.opt.Tray; w.tray != nil {
		w.fillTray()
		w.win.SetCloseIntercept(w.closeAsked)
	} else if w.away {
		w.present()
	}
}

// closeAsked puts the window away, or ends the program.
func (w *Window) closeAsked() {
	if !w.core.Appearance().Tray {
		w.app.Quit()
		return
	}
	w.away = true
	w.win.Hide()
	w.setInFront(false)
}

// present brings the window to the front.
func (w *Window) present() {
	if w.away {
		w.away = false
		w.win.Show()
	}
	w.win.RequestFocus()
}

// fillTray shows in the tray what can be done there, and whether there is something unread.
func (w *Window) fillTray() {
	if w.tray == nil {
		return
	}
	unread, quiet := false, w.core.Appearance().Quiet
	for _, p := range w.profiles {
		unread = unread || p.Unread > 0
	}
	lock := w.core.HasLock() && !w.locked || w.profile != nil && w.profile.Protection() == vault.Passphrase
	if now := (trayState{unread, quiet, lock}); w.trayShows == nil || *w.trayShows != now {
		w.trayShows = &now
		still := fyne.NewMenuItem(lang.L("Do not disturb"), func() { w.setQuiet(!w.core.Appearance().Quiet) })
		still.Checked = quiet
		locking := fyne.NewMenuItem(lang.L("Lock"), w.lock)
		locking.Disabled = !lock
		quit := fyne.NewMenuItem(lang.L("Quit"), w.app.Quit)
		quit.IsQuit = true
		w.tray.SetMenu(fyne.NewMenu(lang.L("Sotto"), fyne.NewMenuItem(lang.L("Open Sotto"), w.present),
			fyne.NewMenuItemSeparator(), still, locking, fyne.NewMenuItemSeparator(), quit))
		w.tray.SetUnread(unread)
	}
}

// trayState is what the tray shows.
type trayState struct{ unread, quiet, lock bool }

// setQuiet silences notifications, or lets them be told again.
func (w *Window) setQuiet(on bool) {
	w.changeLook(func(a *core.Appearance) { a.Quiet = on })
	w.fillTray()
	w.refill()
}

// showStarting shows how the program starts and ends.
func (w *Window) showStarting() {
	var page *plainPage
	page = w.showSettingsPage(lang.L("Start and close"), func() []fyne.CanvasObject {
		start := container.NewStack(widget.NewFact(lang.L("Start at login"), lang.L("This desktop does not let programs do that."), widget.NewPill(lang.L("off"))))
		w.fillAutostart(start, func() { page.scroll.Refresh() })
		var tray fyne.CanvasObject = widget.NewFact(lang.L("Keep running when the window is closed"),
			lang.L("This desktop has no tray for icons, so closing the window ends Sotto, and nothing is received until you open it again."), widget.NewPill(lang.L("off")))
		if w.tray != nil {
			tray = widget.NewFact(lang.L("Keep running when the window is closed"),
				lang.L("Sotto stays in the tray and goes on receiving. Otherwise closing the window ends it."), widget.NewToggle(w.core.Appearance().Tray, func(on bool) {
					w.changeLook(func(a *core.Appearance) { a.Tray = on })
				}))
		}
		return []fyne.CanvasObject{section(lang.L("START"), settingsCard(start)), section(lang.L("CLOSE"), settingsCard(tray))}
	})
}

// fillAutostart puts the switch that has the program started at login into a holder, if there is a way to do that.
// filled is called afterwards.
func (w *Window) fillAutostart(holder *fyne.Container, filled func()) {
	a := w.opt.Autostart
	if a == nil {
		return
	}
	put := func(enabled bool) {
		var toggle *widget.Toggle
		toggle = widget.NewToggle(enabled, func(on bool) {
			change := a.Disable
			if on {
				change = a.Enable
			}
			ordered(w, func(context.Context) (nothing, error) { return nothing{}, change() }, func(_ nothing, err error) {
				if err != nil {
					toggle.SetOn(!on)
					w.tell(lang.L("Not changed"), sentence(err))
				}
			})
		})
		holder.Objects = []fyne.CanvasObject{widget.NewFact(lang.L("Start at login"), lang.L("Sotto opens in the tray when you log in, and you miss no message. Others who see your programs see that you use it."), toggle)}
		holder.Refresh()
		filled()
	}
	ordered(w, func(context.Context) (bool, error) { return a.Enabled() }, func(enabled bool, err error) {
		if err == nil {
			put(enabled)
		}
	})
}
