package ui

import (
	"cmp"
	"context"
	"image"
	"image/png"
	"io"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/qr"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// invite makes an invitation and shows its code.
func (d *newConversation) invite() {
	d.setCode(waitingView(d.dialogClose))
	cancelled := false
	incognito := d.incognito
	cancel := apart(d.w, func(ctx context.Context) (core.Invitation, error) {
		ctx, cancel := context.WithTimeout(ctx, inviteTime)
		defer cancel()
		if incognito {
			return d.profile.InviteIncognito(ctx)
		}
		return d.profile.Invite(ctx)
	}, func(i core.Invitation, err error) {
		switch {
		case cancelled:
			if err == nil { // it was made just before it was cancelled, and nobody has seen it
				d.discard(i.Contact.ID)
			}
			return
		case err != nil:
			d.cancel = nil
			d.showProblem(err)
			return
		}
		d.cancel = nil
		d.invitation = &i
		d.showCode()
	})
	d.cancel = func() {
		cancelled = true
		cancel()
	}
}

// discard deletes an invitation that nobody can have.
func (d *newConversation) discard(contact int64) {
	ordered(d.w, only(func(ctx context.Context) error { return d.profile.DeleteContact(ctx, contact) }), nil)
}

// waitingView is shown while a relay makes room.
func waitingView(cancel func()) fyne.CanvasObject {
	activity := fynewidget.NewActivity()
	activity.Start()
	text := widget.NewLabel(lang.L("Asking a relay for a place where messages for you can wait…"), theme.TextBody)
	text.Alignment = fyne.TextAlignCenter
	stop := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, cancel)
	return widget.NewColumn(16, widget.NewGap(1, 56), container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(40), activity)),
		text, container.NewCenter(stop), widget.NewGap(1, 56))
}

func (d *newConversation) showProblem(err error) {
	again := widget.NewButton(lang.L("Try again"), widget.ButtonPrimary, d.invite)
	d.setCode(widget.NewColumn(16, widget.NewGap(1, 40), widget.NewNote(widget.ToneDanger, sentence(err)), container.NewCenter(again), widget.NewGap(1, 40)))
}

// showCode shows the code of the invitation.
func (d *newConversation) showCode() {
	d.showing(d.tabs.Selected() == tabCode)
	contact := d.invitation.Contact
	hint := widget.NewHint(lang.L("For one person, once. Whoever opens it first is connected with you and sees the name {{.Name}}, nothing else.",
		map[string]any{"Name": cmp.Or(contact.IncognitoName, d.profile.Name())}))
	hint.Alignment = fyne.TextAlignCenter
	switched := widget.NewFact(lang.L("Incognito"), lang.L("They see a random name, not {{.Name}}.", map[string]any{"Name": d.profile.Name()}),
		widget.NewToggle(d.incognito, d.setIncognito))
	address := widget.NewButton(lang.L("Use my address instead"), widget.ButtonText, d.useAddress)
	view, torChanged := d.w.codeView(d.invitation.Link, hint, func() { d.given = true }, switched, address)
	d.torChanged = torChanged
	d.setCode(view)
}

// setIncognito makes another invitation in place of this one, with the name of the profile or without it.
func (d *newConversation) setIncognito(incognito bool) {
	d.incognito = incognito
	d.dropInvitation(d.given)
	d.invite()
}

// showing tells whether the code is on the screen.
func (d *newConversation) showing(on bool) {
	now := d.w.opt.Now()
	if !d.since.IsZero() {
		d.seen += now.Sub(d.since)
	}
	d.since = time.Time{}
	if on {
		d.since = now
	}
}

// abandonInvitation deletes the invitation if nobody can have it: the dialog was on the way to something else. A code that may have been
// photographed stays, and what was on the screen at all is not deleted without a word.
func (d *newConversation) abandonInvitation() {
	shown := d.seen > 0 || !d.since.IsZero()
	d.showing(false)
	if d.dropInvitation(d.given || d.seen >= enoughToScan || d.w.locked) && shown {
		d.w.toast(lang.L("Your code was not used, and is deleted."))
	}
}

// dropInvitation forgets the invitation, and deletes it if it is not to be kept and nobody has opened it.
func (d *newConversation) dropInvitation(keep bool) (deleted bool) {
	if d.cancel != nil {
		d.cancel()
		d.cancel = nil
	}
	if i := d.invitation; i != nil && !keep {
		if contact := d.w.contact(i.Contact.ID); contact == nil || contact.State == chat.ContactInvited {
			d.discard(i.Contact.ID)
			deleted = true
		}
	}
	d.invitation, d.given, d.since, d.seen = nil, false, time.Time{}, 0
	return deleted
}

// useAddress shows the address in place of the invitation.
func (d *newConversation) useAddress() {
	d.dropInvitation(d.given)
	d.address = newAddressView(d.w, d.resized, func() {
		d.address.close()
		d.address = nil
		d.invite()
	})
	d.address.settings = func() {
		d.dialog.Close()
		d.w.showAddress()
	}
	d.address.fill()
	d.setCode(d.address.holder)
}

func (d *newConversation) setCode(o fyne.CanvasObject) {
	d.code.Objects = []fyne.CanvasObject{o}
	d.code.Refresh()
	d.resized()
}

// codeView shows a link as a QR code and as text, with a hint between them. given is called when it or its picture is copied or saved. below is
// something to be shown below the link, or nil, and more are buttons beside those that save and copy the picture. torChanged is to be
// called when Tor is in another state.
func (w *Window) codeView(link string, hint fyne.CanvasObject, given func(), below fyne.CanvasObject, more ...fyne.CanvasObject) (view fyne.CanvasObject, torChanged func()) {
	column := widget.NewColumn(12)
	code, err := widget.NewQR(link, qrSide(link))
	if err == nil {
		column.Add(container.NewCenter(code))
	}
	column.Add(widget.NewInset(hint, 0, 32))
	reach := widget.NewNote(widget.ToneWarning, "")
	column.Add(reach)
	torChanged = func() {}
	if w.core.LeadsHere(link) {
		torChanged = func() { reach.Set(widget.ToneWarning, w.notReached()) }
		torChanged()
	}
	text := widget.NewHint(link)
	text.OneLine = true
	var copied *widget.Button
	copied = widget.NewButton(lang.L("Copy link"), widget.ButtonPrimary, func() {
		widget.Copy(w.app.Clipboard(), link)
		copied.SetText(lang.L("Copied"))
		copied.SetIcon("check")
		given()
	})
	box := widget.NewSurface(theme.ColorBackground, container.New(rightLayout{8}, widget.NewInset(text, 0, 0, 0, 10), copied))
	box.Radius, box.Margin = theme.FieldRadius, 4
	column.Add(box)
	if below != nil {
		column.Add(below)
	}
	if err == nil {
		save := widget.NewButton(lang.L("Save as picture…"), widget.ButtonText, func() { w.savePicture(code.Image(qrModule), given) })
		buttons := []fyne.CanvasObject{save}
		if w.opt.CopyPicture != nil {
			var done *widget.Button
			done = widget.NewButton(lang.L("Copy picture"), widget.ButtonText, func() {
				w.copyPicture(func(context.Context) (image.Image, error) { return code.Image(qrModule), nil }, func() {
					done.SetText(lang.L("Copied"))
					given()
				})
			})
			buttons = append(buttons, done)
		}
		more = append(buttons, more...)
	}
	column.Add(widget.NewCenteredFlow(theme.Grid/2, more...))
	return column, torChanged
}

// notReached tells why nobody elsewhere can open a link to the relay on this computer, empty if they can.
func (w *Window) notReached() string {
	switch {
	case w.tor.Reachable:
		return ""
	case w.torIsAway():
		return lang.L("Nobody on another computer can open this yet: they reach yours through Tor, which is not there. “Network and relays” tells why.")
	case w.tor.State == core.TorReady:
		return lang.L("Nobody on another computer can open this for about a minute: Tor makes the address of yours known.")
	}
	return lang.L("Nobody on another computer can open this yet: they reach yours through Tor, which is connecting.")
}

// qrSide is the side of the code of a link on the screen: as many pixels for each module as there is room for, up to five.
func qrSide(link string) float32 {
	const edge = 10 // of the card around the code
	modules, err := qr.Encode(link)
	if err != nil {
		return qrLargest
	}
	n := float32(len(modules) + 2*qr.QuietZone)
	for scale := float32(5); scale > 2; scale-- {
		if side := scale*n + edge; side <= qrLargest {
			return side
		}
	}
	return 2*n + edge
}

// savePicture asks where to save a picture, and saves it as PNG.
func (w *Window) savePicture(img image.Image, saved func()) {
	w.saveFile("sotto.png", func(path string) {
		apart(w, only(func(context.Context) error {
			return replaceFile(path, func(to io.Writer) error { return png.Encode(to, img) })
		}), func(_ nothing, err error) {
			if err != nil {
				w.tell(lang.L("Not saved"), lang.L("The picture could not be saved there. Choose another folder."))
				return
			}
			saved()
		})
	})
}
