package ui

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

const (
	// inviteTime is how long a relay may take to make room for an invitation.
	inviteTime = time.Minute
	// enoughToScan is how long a code has to be on the screen for somebody to take a phone, find the button and scan it.
	enoughToScan = 3 * time.Second
	// qrLargest is the largest side of a QR code on the screen, in pixels at scale 1: that of the narrowest dialog.
	qrLargest float32 = 336
	// qrModule is the side of a module in a saved picture, in pixels.
	qrModule = 8
)

// newConversation is the dialog in which conversations begin.
type newConversation struct {
	w       *Window
	profile *core.Profile
	dialog  *widget.Dialog
	tabs    *widget.Tabs
	holder  *fyne.Container

	// The first tab.
	code       *fyne.Container
	cancel     func() // of the invitation that is being made
	invitation *core.Invitation
	given      bool          // the link was copied or saved
	since      time.Time     // when the code came on the screen, zero if it is not there
	seen       time.Duration // how long it was there before
	torChanged func()        // of the code that is shown, or nil
	incognito  bool          // the invitation is made under a name of its own
	address    *addressView  // shown in place of an invitation, or nil

	// The second tab.
	paste    fyne.CanvasObject
	entry    *widget.Entry
	problem  *widget.Note
	plan     *fyne.Container
	switched *widget.Toggle // of the plan: incognito

	next     func() // what Enter does in the field, nil for nothing
	stopLook func() // ends looking a link up

	problemText string // what problem shows
	read        int    // counts what was read, so that the last one wins
}

// newConversation opens the dialog, with a link if there is one already, otherwise as it was used last: who pastes links makes no invitations.
func (w *Window) newConversation(link string) {
	if w.profile == nil || w.adder != nil {
		return
	}
	d := &newConversation{w: w, profile: w.profile, holder: container.NewStack(), code: container.NewStack()}
	w.adder = d
	d.tabs = widget.NewTabs([]string{lang.L("Show my code"), lang.L("Scan or paste")}, d.selected)
	d.buildPaste()
	d.dialog = newDialog(lang.L("New conversation"), pageWidth, widget.NewColumn(18, d.tabs, d.holder))
	d.dialog.OnClosed = func() {
		if d.stopLook != nil {
			d.stopLook()
		}
		w.adder = nil
		if link == "" {
			w.adderTab = d.tabs.Selected()
		}
		d.abandonInvitation()
		if d.address != nil {
			d.address.close()
		}
	}
	d.dialog.ShowOn(w.win.Canvas())
	if link != "" {
		d.tabs.Select(tabPaste)
		d.entry.SetText(link)
		return
	}
	if w.adderTab == tabPaste {
		d.tabs.Select(tabPaste)
		return
	}
	d.selected(tabCode)
	w.win.Canvas().Focus(d.tabs)
}

// The tabs of the dialog.
const (
	tabCode = iota
	tabPaste
)

// selected shows a tab. The invitation is made when it is to be seen for the first time.
func (d *newConversation) selected(tab int) {
	if tab == tabPaste {
		d.showing(false)
		d.setTab(d.paste)
		d.w.win.Canvas().Focus(d.entry)
		if text := d.w.app.Clipboard().Content(); d.entry.Text == "" && looksLikeLink(text) {
			d.offer(strings.TrimSpace(text))
		}
		return
	}
	d.setTab(d.code)
	d.showing(d.invitation != nil)
	if d.invitation == nil && d.cancel == nil && d.address == nil {
		d.invite()
	}
}

func (d *newConversation) setTab(o fyne.CanvasObject) {
	d.holder.Objects = []fyne.CanvasObject{o}
	d.resized()
}

// resized lays the dialog out again after its content changed.
func (d *newConversation) resized() {
	d.holder.Refresh()
	if d.dialog != nil {
		d.dialog.Refresh()
	}
}

func (d *newConversation) dialogClose() { d.dialog.Close() }

// changed leads to the conversation as soon as somebody opens the code that is shown.
func (d *newConversation) changed(e any) {
	if d.address != nil {
		d.address.changed(e)
		return
	}
	if _, ok := e.(core.TorChanged); ok && d.invitation != nil && d.torChanged != nil {
		d.torChanged()
		d.resized()
		return
	}
	c, ok := e.(core.ContactChanged)
	if !ok || d.invitation == nil || c.Contact.ID != d.invitation.Contact.ID || c.Contact.State == chat.ContactInvited {
		return
	}
	d.invitation = nil // it is a contact now
	d.dialog.Close()
	d.w.openContact(c.Contact.ID)
}
