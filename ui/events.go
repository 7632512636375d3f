package ui

import (
	"context"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
)

// listen brings the events of core to the main goroutine until the subscription ends.
func (w *Window) listen(events <-chan core.Event) {
	defer w.tasks.Done()
	for e := range events {
		w.later(func() { w.handle(e) })
	}
}

// handle applies an event. It may have been overtaken by what was read after it, so it may tell again what is known.
func (w *Window) handle(e core.Event) {
	switch c := e.Change.(type) {
	case core.Resync:
		w.profiles = w.core.Profiles()
		w.markCurrent()
		w.reload()
	case core.ProfileChanged:
		w.profileChanged(c.Profile)
	case core.ItemAdded:
		w.notify(e.Profile, c.Item)
	}
	if w.profile == nil || w.main == nil || e.Profile != w.profile.ID() {
		return
	}
	switch c := e.Change.(type) {
	case core.ContactChanged:
		w.setContact(c.Contact)
		w.main.refreshList()
	case core.ContactDeleted:
		w.contacts = slices.DeleteFunc(w.contacts, func(contact core.Contact) bool { return contact.ID == c.ID })
		if w.main.openID() == c.ID {
			w.main.showContact(0)
		}
		w.main.refreshList()
	case core.ItemChanged:
		if contact := w.contact(c.Item.Contact); contact != nil && contact.Last != nil && contact.Last.ID == c.Item.ID {
			item := c.Item
			contact.Last = &item
			w.main.refreshList()
		}
	case core.RelayChanged:
		w.relays = w.profile.Status()
		w.main.rail.SetNetwork(w.network())
	}
	w.main.content.changed(e.Change)
	if w.adder != nil {
		w.adder.changed(e.Change)
	}
}

func (w *Window) profileChanged(p core.ProfileInfo) {
	i := slices.IndexFunc(w.profiles, func(old core.ProfileInfo) bool { return old.ID == p.ID })
	if i < 0 {
		w.profiles = append(w.profiles, p)
	} else {
		w.profiles[i] = p
	}
	w.markCurrent()
	if w.main != nil {
		w.main.refreshRail()
	}
}

// markCurrent keeps the profile that is shown marked, whatever an event from before says.
func (w *Window) markCurrent() {
	for i := range w.profiles {
		if w.profile != nil {
			w.profiles[i].Current = w.profiles[i].ID == w.profile.ID()
		}
	}
}

// setInFront is told when the window gets or loses the keyboard.
func (w *Window) setInFront(inFront bool) {
	w.inFront = inFront
	if !inFront || w.main == nil {
		return
	}
	clear(w.notified)
	if c, ok := w.main.content.(*conversation); ok {
		c.read()
	}
}

// notice names a conversation that was told of and not looked at since.
type notice struct {
	profile string
	contact int64
}

// notify tells the desktop that a message came, by the name of who sent it only, and once until the window is looked at. Of the
// conversation that is in front nothing is told.
func (w *Window) notify(profile string, item core.Item) {
	key := notice{profile, item.Contact}
	open := w.main != nil && w.profile != nil && w.profile.ID() == profile && w.main.openID() == item.Contact
	if item.Own || isNotice(&item) || w.inFront && open || w.notified[key] {
		return
	}
	p := w.core.Profile(profile)
	if p == nil {
		return
	}
	w.notified[key] = true
	ordered(w, func(ctx context.Context) (core.Contact, error) { return p.Contact(ctx, item.Contact) }, func(c core.Contact, err error) {
		if err == nil {
			w.app.SendNotification(fyne.NewNotification(w.contactName(&c), lang.L("New message")))
		}
	})
}
