package ui

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/desktop"
)

// notifyLevel is how much of a message is told outside of the window.
type notifyLevel string

const (
	notifyName notifyLevel = "" // who wrote
	notifyText notifyLevel = "text"
	notifyNone notifyLevel = "nothing"
)

// notice names what was told of and not looked at since.
type notice struct {
	profile string
	contact int64
	request bool
}

// tellOutside tells the desktop of something, once until the window is looked at: what text returns.
func (w *Window) tellOutside(key notice, text func(ctx context.Context, p *core.Profile) (title, text string, err error)) {
	p := w.core.Profile(key.profile)
	if p == nil || w.notified[key] || w.core.Appearance().Quiet || notifyLevel(w.core.Appearance().Notify) == notifyNone {
		return
	}
	w.notified[key] = true
	n := desktop.Notification{Group: key.group(), ID: key.group()}
	ordered(w, func(ctx context.Context) (quiet bool, err error) {
		if quiet, err = p.Quiet(ctx); quiet || err != nil {
			return quiet, err
		}
		n.Title, n.Text, err = text(ctx, p)
		return false, err
	}, func(quiet bool, err error) {
		if quiet || err != nil {
			delete(w.notified, key)
			return
		}
		n.Sound = !w.core.Appearance().Silent
		if w.notifier == nil {
			w.app.SendNotification(fyne.NewNotification(n.Title, n.Text))
			return
		}
		ordered(w, only(func(ctx context.Context) error { return w.notifier.Show(ctx, n) }), nil)
	})
}

// notifier shows notifications; see desktop.Notifier.
type notifier interface {
	Show(ctx context.Context, n desktop.Notification) error
	Remove(ctx context.Context, group string) error
	RemoveAll(ctx context.Context) error
	Close() error
}

// connectDesktop begins to show notifications by the service of the desktop, and to hear of what happens there.
func (w *Window) connectDesktop() {
	if w.opt.Notifier != nil {
		apart(w, func(ctx context.Context) (*desktop.Notifier, error) {
			n, err := w.opt.Notifier(func(id string) { w.later(func() { w.notificationOpened(id) }) })
			if err == nil && ctx.Err() != nil { // the window was closed
				err = n.Close()
			}
			return n, err
		}, func(n *desktop.Notifier, err error) {
			if err == nil { // without it the toolkit shows them
				w.notifier = n
			}
		})
	}
	if w.opt.LessMotion != nil {
		apart(w, func(ctx context.Context) (bool, error) { return w.opt.LessMotion(ctx), nil }, func(still bool, _ error) {
			w.still = still
			w.setPlaying()
		})
	}
	if w.opt.Watch != nil {
		apart(w, func(ctx context.Context) (*desktop.Watcher, error) {
			watcher, err := w.opt.Watch(func(c desktop.Change) { w.later(func() { w.desktopChanged(c) }) })
			if err == nil && ctx.Err() != nil {
				err = watcher.Close()
			}
			return watcher, err
		}, func(watcher *desktop.Watcher, err error) {
			if err == nil {
				w.watcher = watcher
			}
		})
	}
}

// group names what a notification is about to the desktop, in a way that tells nothing to others.
func (n notice) group() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %v", n.profile, n.contact, n.request))
	return hex.EncodeToString(sum[:8])
}

// notificationOpened shows what a notification was about that was clicked.
func (w *Window) notificationOpened(id string) {
	w.present()
	for key := range w.notified {
		if key.group() != id || w.main == nil || w.win.Canvas().Overlays().Top() != nil {
			continue
		}
		if !w.shows(key.profile) {
			w.useProfile(key.profile)
		}
		// What is in the profile may have to be read first.
		ordered(w, func(context.Context) (nothing, error) { return nothing{}, nil }, func(nothing, error) {
			switch {
			case !w.shows(key.profile):
			case key.request:
				w.openRequest(key.contact)
			case w.contact(key.contact) != nil:
				w.openContact(key.contact)
			}
		})
		return
	}
}

// forget drops what is kept of a profile that is closed now.
func (w *Window) forget(profile string) {
	delete(w.pictures, profile)
	w.forgetWritten(func(key contactKey) bool { return key.profile == profile })
	for key := range w.notified {
		if key.profile == profile {
			w.takeBack(key)
		}
	}
}

// takeBack takes a notification away.
func (w *Window) takeBack(key notice) {
	delete(w.notified, key)
	if n := w.notifier; n != nil {
		ordered(w, only(func(ctx context.Context) error { return n.Remove(ctx, key.group()) }), nil)
	}
}

// lookedAt takes all notifications away: the window tells what they told.
func (w *Window) lookedAt() {
	for key := range w.notified {
		w.takeBack(key)
	}
}

// desktopChanged locks the program when its person goes, and connects again when the network has changed.
func (w *Window) desktopChanged(c desktop.Change) {
	switch c {
	case desktop.Locked, desktop.Sleeping:
		if w.core.HasLock() {
			w.lock()
		}
	case desktop.NetworkChanged, desktop.Awake:
		ordered(w, func(context.Context) (nothing, error) { w.core.NetworkChanged(); return nothing{}, nil }, nil)
	}
}

// notify tells the desktop that a message came. Of the conversation that is in front nothing is told.
func (w *Window) notify(profile string, item core.Item) {
	open := w.shows(profile) && w.main.openID() == item.Contact
	if item.Own || isNotice(&item) || w.inFront && open {
		return
	}
	w.tellOutside(notice{profile: profile, contact: item.Contact}, func(ctx context.Context, p *core.Profile) (string, string, error) {
		c, err := p.Contact(ctx, item.Contact)
		if c.Muted {
			return "", "", errMuted
		}
		name, text := w.contactName(&c), lang.L("New message")
		if notifyLevel(w.core.Appearance().Notify) == notifyText {
			text = oneLine(itemText(&item, name))
		}
		return name, text, err
	})
}

// notifyRequest tells the desktop that somebody asks to be connected.
func (w *Window) notifyRequest(profile string, r core.Request) {
	if w.shows(profile) {
		if p, ok := w.main.content.(*requestPage); ok && p.id == r.ID && w.inFront {
			return
		}
	}
	w.tellOutside(notice{profile: profile, contact: r.ID, request: true}, func(context.Context, *core.Profile) (string, string, error) {
		return requestName(&r), lang.L("wants to connect with you"), nil
	})
}

// shows tells whether a profile is the one that is shown.
func (w *Window) shows(profile string) bool {
	return w.main != nil && w.profile != nil && w.profile.ID() == profile
}

// errMuted tells that nothing is told of a contact.
var errMuted = errors.New("the contact is muted")
