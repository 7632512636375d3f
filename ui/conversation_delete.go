package ui

import (
	"context"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

// askDelete asks whether messages are to be deleted, and for whom.
func (c *conversation) askDelete(ids []int64) {
	if len(ids) == 0 {
		return
	}
	n := len(ids)
	count := map[string]any{"Count": n, "Name": c.name()}
	var d *widget.Dialog
	remove := func(everyone bool) func() {
		return func() {
			d.Close()
			c.delete(ids, everyone)
		}
	}
	mine := lang.N("It is deleted on this computer. {{.Name}} keeps it.", n, count)
	if contact := c.w.contact(c.id); contact != nil && contact.State == chat.ContactNotes {
		mine = lang.L("It is deleted on this computer, and can't be brought back.")
	}
	forMe := widget.NewButton(lang.L("Delete for me"), widget.ButtonDanger, remove(false))
	rows := widget.NewColumn(14, widget.NewFact(lang.L("Here"), mine, forMe))
	if text, ok := c.everyone(ids); text != "" {
		forAll := widget.NewButton(lang.L("Delete for everyone"), widget.ButtonDanger, remove(true))
		if !ok {
			forAll.Disable()
		}
		rows.Add(widget.NewLine())
		rows.Add(widget.NewFact(lang.L("Everywhere"), text, forAll))
	}
	cancel := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { d.Close() })
	rows.Add(widget.NewGap(1, 2))
	rows.Add(buttonRow(cancel))
	d = newDialog(lang.N("Delete {{.Count}} messages?", n, count), 480, rows)
	d.ShowOn(c.w.win.Canvas())
	c.w.win.Canvas().Focus(cancel)
}

// everyone tells what happens when messages are deleted for everyone, and whether they can be. The text is empty if that makes no
// sense.
func (c *conversation) everyone(ids []int64) (text string, ok bool) {
	contact := c.w.contact(c.id)
	if contact == nil || contact.State != chat.ContactConnected {
		return "", false
	}
	name := map[string]any{"Name": c.name()}
	own := 0
	for _, item := range c.itemsOf(ids) {
		switch {
		case !item.Own || !item.Deleted.IsZero() || item.State == chat.StateFailed:
		case c.w.opt.Now().Sub(item.Time) >= editTime:
			return lang.L("Messages can be changed and taken back for a day only."), false
		default:
			own++
		}
	}
	switch {
	case own == 0:
		return "", false
	case own < len(ids):
		return lang.L("Only what you have written yourself can be deleted for everyone."), false
	}
	if f := feature(contact, chat.FeatureFullDelete); f != nil && f.MeAllowed {
		return lang.L("{{.Name}} allows that it is deleted there too, and nothing is left of it.", name), true
	}
	return lang.L("{{.Name}} sees that a message was taken back, and may still be able to read it: deleting for everyone is not allowed there.", name), true
}

// delete deletes messages, here or for everyone.
func (c *conversation) delete(ids []int64, everyone bool) {
	ordered(c.w, only(func(ctx context.Context) error { return c.profile.Delete(ctx, ids, everyone) }), func(_ nothing, err error) {
		if err != nil {
			c.warn(sentence(err))
			return
		}
		c.list.SetChoosing(false)
		c.chooser.update()
	})
}

// forward asks to whom messages are to be sent, and sends them.
func (c *conversation) forward(ids []int64) {
	if len(ids) == 0 {
		return
	}
	w := c.w
	var d *widget.Dialog
	problem := widget.NewNote(widget.ToneDanger, "")
	picker := newContactPicker(w, func(to int64) {
		ordered(w, func(ctx context.Context) ([]core.Item, error) { return c.profile.Forward(ctx, ids, to) }, func(_ []core.Item, err error) {
			if err != nil {
				problem.Set(widget.ToneDanger, sentence(err))
				d.Refresh()
				return
			}
			d.Close()
			c.list.SetChoosing(false)
			w.openContact(to)
		})
	})
	d = newDialog(lang.N("Forward {{.Count}} messages", len(ids), map[string]any{"Count": len(ids)}), 420, widget.NewColumn(12,
		widget.NewHint(lang.L("Who gets it does not see who has written it.")), picker.search, widget.NewFixed(picker.list, 0, 320), problem))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(picker.search.Entry)
}

// contactPicker is a list of conversations of which one is chosen.
type contactPicker struct {
	search *widget.SearchField
	list   *widget.ConversationList
	rows   []*core.Contact
}

func newContactPicker(w *Window, chosen func(id int64)) *contactPicker {
	p := new(contactPicker)
	fill := func(words string) {
		p.rows = p.rows[:0]
		for i := range w.contacts {
			c := &w.contacts[i]
			if (c.State == chat.ContactConnected || c.State == chat.ContactNotes) && hasLetters(w.contactName(c), words) {
				p.rows = append(p.rows, c)
			}
		}
	}
	fill("")
	p.list = widget.NewConversationList(func() int { return len(p.rows) }, func(i int) widget.ConversationView {
		c := p.rows[i]
		return widget.ConversationView{Avatar: w.avatar(c), Name: w.contactName(c), Incognito: c.IncognitoName != "", Preview: w.connectionLine(c)}
	})
	p.list.OnSelected = func(i int) { chosen(p.rows[i].ID) }
	p.search = widget.NewSearchField(lang.L("Search"), func(words string) {
		fill(words)
		p.list.Refresh()
	})
	p.search.Entry.OnSubmitted = func(string) {
		if len(p.rows) > 0 {
			chosen(p.rows[0].ID)
		}
	}
	return p
}
