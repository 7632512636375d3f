package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// togglePanel opens or closes the panel about the contact.
func (c *conversation) togglePanel() {
	if c.w.main.frame.panelOpen {
		c.w.main.closePanel()
		return
	}
	c.w.main.showPanel(newPanel(c))
}

// newPanel returns the panel of a conversation: who it is with, and who can see what of it.
func newPanel(c *conversation) fyne.CanvasObject {
	w := c.w
	contact := w.contact(c.id)
	if contact == nil {
		return widget.NewGap(1, 1)
	}
	name := widget.NewLabel(w.contactName(contact), theme.TextBody)
	name.Bold, name.Alignment = true, fyne.TextAlignCenter
	top := container.New(rightLayout{}, widget.NewGap(1, 1), widget.NewIconButton("close", lang.L("Close"), w.main.closePanel))
	column := widget.NewColumn(theme.Grid,
		container.NewCenter(widget.NewAvatar(w.avatar(contact), widget.AvatarLarge)), name)
	if contact.Alias != "" && contact.Name != "" {
		own := widget.NewHint(lang.L("calls itself {{.Name}}", map[string]any{"Name": contact.Name}))
		own.Alignment = fyne.TextAlignCenter
		column.Add(own)
	}
	column.Add(widget.NewGap(1, 4))
	column.Add(widget.NewHeading(lang.L("WHO CAN SEE WHAT")))
	for _, card := range w.whoSeesWhat(contact) {
		column.Add(card)
	}
	column.Add(widget.NewGap(1, 4))
	column.Add(widget.NewHeading(lang.L("THIS CONVERSATION")))
	column.Add(widget.NewColumn(0,
		widget.NewRow(lang.L("Name on this computer"), contact.Alias, func() { w.rename(c.id) }), widget.NewLine(),
		widget.NewRow(lang.L("Delete conversation"), "", func() { w.askDelete(c.id) }), widget.NewLine()))
	return widget.NewSurface(theme.ColorPanel, container.NewVScroll(container.NewStack(
		widget.NewInset(column, 22, 18), container.NewVBox(widget.NewInset(top, 10, 8)))))
}

// fact is a card that tells what somebody sees.
func fact(title, text, point string, ink fyne.ThemeColorName) fyne.CanvasObject {
	head := widget.NewLabel(title, theme.TextSmall)
	head.Bold = true
	body := widget.NewHint(text + " " + point)
	body.Spans = []widget.Span{{Start: len(text) + 1, End: len(text) + 1 + len(point), Bold: true, Color: ink}}
	return widget.NewCard(head, body)
}

// rename asks for the name of a contact on this computer.
func (w *Window) rename(id int64) {
	contact, p := w.contact(id), w.profile
	if contact == nil {
		return
	}
	entry := widget.NewEntry(contact.Name)
	entry.SetText(contact.Alias)
	problem := widget.NewNote(widget.ToneDanger, "")
	var d *widget.Dialog
	save := func() {
		name := entry.Text
		ordered(w, only(func(ctx context.Context) error { return p.SetAlias(ctx, id, name) }), func(_ nothing, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				d.Refresh()
				return
			}
			d.Close()
		})
	}
	entry.OnSubmitted = func(string) { save() }
	d = newDialog(lang.L("Name on this computer"), 420, widget.NewColumn(12,
		widget.NewHint(lang.L("Only you see this name. Leave it empty to use the one that the contact has chosen.")),
		entry, problem, buttonRow(widget.NewButton(lang.L("Save"), widget.ButtonPrimary, save))))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(entry)
}
