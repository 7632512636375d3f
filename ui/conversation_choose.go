package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// chooser is what can be done with several messages, in place of the composer while they are being chosen.
type chooser struct {
	c     *conversation
	bar   fyne.CanvasObject
	count *widget.Label
	copy  *widget.Button
	send  *widget.Button
	trash *widget.Button
}

func newChooser(c *conversation) *chooser {
	h := &chooser{c: c, count: widget.NewLabel("", theme.TextBody)}
	h.count.Bold, h.count.OneLine = true, true
	button := func(icon, text string, do func(ids []int64)) *widget.Button {
		b := widget.NewButton(text, widget.ButtonSecondary, func() { do(c.list.Chosen()) })
		b.SetIcon(icon)
		return b
	}
	h.copy = button("copy", lang.L("Copy"), func(ids []int64) {
		c.copyAll(ids)
		h.end()
	})
	h.send = button("forward", lang.L("Forward…"), c.forward)
	h.trash = button("trash", lang.L("Delete…"), c.askDelete)
	end := widget.NewIconButton("close", lang.L("Cancel"), h.end)
	row := widget.NewInset(widget.NewBar(theme.Grid, 1, end, h.count, h.copy, h.send, h.trash), 10, 14)
	h.bar = widget.NewSurface(theme.ColorPanel, container.New(stackLayout{}, widget.NewLine(), row))
	h.bar.Hide()
	return h
}

// end ends choosing.
func (h *chooser) end() { h.c.list.SetChoosing(false) }

// update shows how many messages are chosen, or that none are being chosen any more.
func (h *chooser) update() {
	c := h.c
	on := c.list.Choosing()
	if n := len(c.list.Chosen()); on {
		h.count.SetText(lang.N("{{.Count}} chosen", n, map[string]any{"Count": n}))
		for _, b := range []*widget.Button{h.copy, h.send, h.trash} {
			if n > 0 {
				b.Enable()
			} else {
				b.Disable()
			}
		}
	}
	if on == h.bar.Visible() {
		return
	}
	if contact := c.w.contact(c.id); contact != nil {
		c.update(contact)
	}
	if !on {
		c.focus()
	}
}
