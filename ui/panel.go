package ui

import (
	"context"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// togglePanel opens or closes the panel about the contact.
func (c *conversation) togglePanel() {
	open := !c.w.main.frame.panelOpen
	if open {
		c.w.main.showPanel(newPanel(c))
	} else {
		c.w.main.closePanel()
	}
	c.w.keepPanel(open)
}

// refreshPanel shows the panel again if it is open, scrolled as it was.
func (c *conversation) refreshPanel() {
	if !c.w.main.frame.panelOpen {
		return
	}
	offset := fyne.Position{}
	if s := c.w.main.panelScroll(); s != nil {
		offset = s.Offset
	}
	c.w.main.showPanel(newPanel(c))
	if s := c.w.main.panelScroll(); s != nil && offset.Y > 0 {
		s.ScrollToOffset(offset)
	}
}

// panelScroll is what scrolls in the panel, nil if there is none.
func (m *mainScreen) panelScroll() *container.Scroll {
	if len(m.panel.Objects) == 0 {
		return nil
	}
	if s, ok := m.panel.Objects[0].(*widget.Surface); ok {
		scroll, _ := s.Content.(*container.Scroll)
		return scroll
	}
	return nil
}

// readCarriers finds out which relays carry the conversation, and shows it.
func (c *conversation) readCarriers() {
	ordered(c.w, func(ctx context.Context) ([]core.Carrier, error) { return c.profile.Carriers(ctx, c.id) }, func(list []core.Carrier, err error) {
		if err == nil && !c.left && !slices.EqualFunc(list, c.carriers, sameCarrier) {
			c.carriers = list
			c.refreshPanel()
		}
	})
}

func sameCarrier(a, b core.Carrier) bool {
	return a.Host == b.Host && a.Receive == b.Receive && a.Reach == b.Reach && a.Proxy == b.Proxy && a.Operator == b.Operator
}

// contactPills are words about a contact that are always in sight.
func (w *Window) contactPills(c *core.Contact) (words []string) {
	if !c.Verified.IsZero() {
		words = append(words, lang.L("verified"))
	}
	if c.IncognitoName != "" {
		words = append(words, lang.L("incognito"))
	}
	return words
}

// newPanel returns the panel of a conversation: who it is with, who can see what of it, and what can be changed.
func newPanel(c *conversation) fyne.CanvasObject {
	w := c.w
	contact := w.contact(c.id)
	if contact == nil {
		return widget.NewGap(1, 1)
	}
	name := widget.NewLabel(w.contactName(contact), theme.TextBody)
	name.Bold, name.Alignment = true, fyne.TextAlignCenter
	top := container.New(rightLayout{}, widget.NewGap(1, 1), widget.NewIconButton("close", lang.L("Close"), c.togglePanel))
	column := widget.NewColumn(theme.Grid,
		container.NewCenter(widget.NewAvatar(w.avatar(contact), widget.AvatarLarge)), name)
	below := func(text string) {
		hint := widget.NewHint(text)
		hint.Alignment = fyne.TextAlignCenter
		column.Add(hint)
	}
	if contact.Alias != "" && contact.Name != "" {
		below(lang.L("calls itself {{.Name}}", map[string]any{"Name": contact.Name}))
	}
	if !contact.Verified.IsZero() {
		column.Add(container.NewCenter(widget.NewPill(verifiedText(contact, w))))
	}
	if contact.IncognitoName != "" {
		column.Add(container.NewCenter(widget.NewPill(lang.L("incognito"))))
		below(lang.L("You are “{{.Name}}” in this conversation.", map[string]any{"Name": contact.IncognitoName}))
	}
	column.Add(widget.NewGap(1, 4))
	column.Add(c.messageRows(contact))
	column.Add(widget.NewGap(1, 4))
	column.Add(widget.NewHeading(lang.L("WHO CAN SEE WHAT")))
	relays := seenRelays(c.carriers)
	if len(relays) == 0 {
		relays = w.conversationRelays(contact)
	}
	for _, card := range w.whoSeesWhat(contact, relays) {
		column.Add(card)
	}
	column.Add(widget.NewGap(1, 4))
	column.Add(widget.NewHeading(lang.L("THIS CONVERSATION")))
	column.Add(c.panelRows(contact))
	return widget.NewSurface(theme.ColorPanel, container.NewVScroll(container.NewStack(
		widget.NewInset(column, 22, 18), container.NewVBox(widget.NewInset(top, 10, 8)))))
}

// panelRows are what can be changed about a conversation.
func (c *conversation) panelRows(contact *core.Contact) fyne.CanvasObject {
	w, id := c.w, c.id
	rows := widget.NewColumn(0)
	add := func(o fyne.CanvasObject) {
		rows.Add(roomy(o))
		rows.Add(widget.NewLine())
	}
	add(widget.NewRow(lang.L("Name on this computer"), contact.Alias, func() { w.rename(id) }))
	if contact.State == chat.ContactConnected {
		state := lang.L("compare")
		if !contact.Verified.IsZero() {
			state = lang.L("verified")
		}
		add(widget.NewRow(lang.L("Security code"), state, func() { w.showVerify(id) }))
		var receipts *widget.Toggle
		receipts = widget.NewToggle(contact.Receipts, func(on bool) { c.setReceipts(receipts, on) })
		add(widget.NewInset(widget.NewFact(lang.L("Receipts"), lang.L("{{.Name}} sees that messages have arrived here.",
			map[string]any{"Name": w.contactName(contact)}), receipts), 4, 0))
		muted := widget.NewToggle(contact.Muted, func(on bool) {
			w.change(func(ctx context.Context, p *core.Profile) error { return p.SetMuted(ctx, id, on) })
		})
		add(widget.NewInset(widget.NewFact(lang.L("Mute"), lang.L("Messages are counted, and not told."), muted), 4, 0))
		add(widget.NewRow(lang.L("Synchronize encryption"), "", func() { w.askResync(id) }))
		move := widget.NewRow(lang.L("Move to another relay"), "", func() { w.askMove(id) })
		if m := w.moving[w.key(id)]; m != nil && m.err == nil {
			move.SetValue(lang.L("moving…"))
		}
		add(move)
	}
	if contact.State == chat.ContactConnected && !contact.Blocked {
		add(widget.NewRow(lang.L("Block…"), "", func() { w.askBlock(id) }))
	} else if contact.Blocked {
		add(widget.NewRow(lang.L("Unblock"), "", func() { w.setBlocked(id, false) }))
	}
	add(widget.NewRow(deleteName(contact), "", func() { w.askDelete(id) }))
	return rows
}

// setReceipts sets whether the contact is told that its messages arrived.
func (c *conversation) setReceipts(toggle *widget.Toggle, on bool) {
	ordered(c.w, only(func(ctx context.Context) error { return c.profile.SetReceipts(ctx, c.id, on) }), func(_ nothing, err error) {
		if err != nil {
			toggle.SetOn(!on)
			c.warn(sentence(err))
		}
	})
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
	entry := widget.NewEntry(w.contactName(contact))
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
