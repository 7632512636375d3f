package ui

import (
	"slices"

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
		if w.locked != w.core.Locked() {
			w.lockChanged()
			return
		}
		w.profiles = w.core.Profiles()
		w.markCurrent()
		w.torChanged(w.core.TorStatus())
		w.reload()
	case core.LockChanged:
		if w.locked != w.core.Locked() {
			w.lockChanged()
		}
		return
	case core.LinkOpened:
		w.linkOpened(c.Text)
	case core.ProfileChanged:
		w.profileChanged(c.Profile)
	case core.ItemAdded:
		w.notify(e.Profile, c.Item)
		w.moved(e.Profile, c.Item)
	case core.RequestAdded:
		w.notifyRequest(e.Profile, c.Request)
	case core.ProfileDeleted:
		w.forgetUse()
		delete(w.unstored, e.Profile)
		w.profileDeleted(e.Profile)
	case core.TorChanged:
		w.torChanged(w.core.TorStatus()) // the event may be an old one
	case core.StoreChanged:
		w.storeChanged(e.Profile)
	}
	if w.profile == nil || w.main == nil || e.Profile != w.profile.ID() {
		return
	}
	switch c := e.Change.(type) {
	case core.ContactChanged:
		old := w.contact(c.Contact.ID)
		if key := w.key(c.Contact.ID); old != nil && !old.Verified.IsZero() && c.Contact.Verified.IsZero() {
			w.codeChanged[key] = !w.unverified[key]
			delete(w.unverified, key)
		}
		w.setContact(c.Contact)
		w.main.refreshList()
	case core.RequestAdded:
		w.setRequest(c.Request)
		w.main.refreshList()
	case core.RequestRemoved:
		w.removeRequest(c.ID)
	case core.AddressChanged:
		w.address = c.Address
	case core.ContactDeleted:
		w.contacts = slices.DeleteFunc(w.contacts, func(contact core.Contact) bool { return contact.ID == c.ID })
		if w.main.openID() == c.ID {
			w.main.showContact(0)
		}
		gone := w.key(c.ID)
		w.forgetWritten(func(key contactKey) bool { return key == gone })
		w.main.refreshList()
	case core.ItemChanged:
		if contact := w.contact(c.Item.Contact); contact != nil && contact.Last != nil && contact.Last.ID == c.Item.ID {
			item := c.Item
			contact.Last = &item
			w.main.refreshList()
		}
	case core.RelayChanged:
		w.relays = w.profile.Status()
		w.main.showNetworkState()
	}
	w.main.content.changed(e.Change)
	if w.adder != nil {
		w.adder.changed(e.Change)
	}
}

// storeChanged tells when what arrives can't be stored any more: once, for all profiles are on the same disk.
func (w *Window) storeChanged(profile string) {
	p := w.core.Profile(profile)
	if p == nil || w.main == nil {
		return
	}
	err := p.StoreError()
	if err != nil && len(w.unstored) == 0 {
		w.tell(lang.L("No room for messages"), storeSentence(err))
	}
	if err != nil {
		w.unstored[profile] = true
	} else {
		delete(w.unstored, profile)
	}
	w.mended(w.main.openID())
}

// linkOpened shows the window, and what the link leads to that another start of the program was given.
func (w *Window) linkOpened(text string) {
	w.present()
	if w.locked {
		w.link = text
		return
	}
	if text != "" && w.main != nil && w.profile != nil && w.win.Canvas().Overlays().Top() == nil {
		w.newConversation(text)
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
	w.fillTray()
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
	w.setPlaying()
	if !inFront || w.main == nil {
		return
	}
	w.lookedAt()
	if c, ok := w.main.content.(*conversation); ok {
		c.read()
	}
}
