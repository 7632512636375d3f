package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// incognitoLine tells under which name an invitation was made, nil if that is the profile's.
func incognitoLine(c *core.Contact) fyne.CanvasObject {
	if c.IncognitoName == "" {
		return nil
	}
	return container.NewCenter(widget.NewBar(theme.Grid/2, -1, widget.NewPill(lang.L("incognito")),
		widget.NewHint(lang.L("They see you as “{{.Name}}”.", map[string]any{"Name": c.IncognitoName}))))
}

// invitationPage shows an invitation that nobody has opened yet.
type invitationPage struct {
	*plainPage
	id int64
}

func newInvitationPage(w *Window, c *core.Contact) *invitationPage {
	hint := widget.NewHint(lang.L("For one person, once. As soon as somebody opens it, the conversation begins here. If you gave it to the wrong person, delete it."))
	hint.Alignment = fyne.TextAlignCenter
	remove := widget.NewButton(lang.L("Delete invitation"), widget.ButtonText, func() { w.askDelete(c.ID) })
	code, torChanged := w.codeView(c.Invitation, hint, func() {}, incognitoLine(c))
	card := widget.NewSurface(theme.ColorPanel, code)
	card.Radius, card.Margin, card.Border = theme.DialogRadius, 24, theme.ColorLine
	p := &invitationPage{newPlainPage(w.contactName(c), widget.NewColumn(16, card, container.NewCenter(remove)), w.main.back), c.ID}
	p.head.set(w.contactName(c), lang.L("waiting to be opened"))
	p.update = func(e any) {
		if _, ok := e.(core.TorChanged); ok {
			torChanged()
			p.scroll.Refresh()
		}
		if e, ok := e.(core.ContactChanged); ok && e.Contact.ID == p.id && e.Contact.State != chat.ContactInvited {
			w.main.showContact(p.id)
		}
	}
	return p
}
