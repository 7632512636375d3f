package ui

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// requestPage shows somebody who asks to be connected.
type requestPage struct {
	*plainPage
	id      int64
	problem *widget.Note
	buttons []*widget.Button
}

// requestName is how somebody who asks is called in the window.
func requestName(r *core.Request) string { return cmp.Or(r.Name, lang.L("Somebody without a name")) }

// request returns the request with an id, or nil.
func (w *Window) request(id int64) *core.Request {
	if i := slices.IndexFunc(w.requests, func(r core.Request) bool { return r.ID == id }); i >= 0 {
		return &w.requests[i]
	}
	return nil
}

// openRequest shows a request.
func (w *Window) openRequest(id int64) {
	if r := w.request(id); r != nil {
		p := newRequestPage(w, r)
		w.main.setPage(p, pageBeside)
		w.win.Canvas().Focus(p.buttons[0])
	}
}

func newRequestPage(w *Window, r *core.Request) *requestPage {
	p := &requestPage{id: r.ID, problem: widget.NewNote(widget.ToneDanger, "")}
	body := widget.NewColumn(16)
	fill := func() {
		r := w.request(p.id)
		if r == nil {
			return
		}
		name := map[string]any{"Name": requestName(r), "Own": w.profile.Name()}
		title := widget.NewLabel(lang.L("{{.Name}} wants to connect with you", name), theme.TextTitle)
		title.Bold, title.Alignment = true, fyne.TextAlignCenter
		hint := widget.NewHint(lang.L("Somebody opened your address {{.Date}} and gave this name. Anybody can give any name: if you are not sure who it is, ask them another way.",
			map[string]any{"Date": listDate(r.Created, w.opt.Now())}))
		hint.Alignment = fyne.TextAlignCenter
		card := widget.NewColumn(12, container.NewCenter(widget.NewAvatar(widget.AvatarView{Name: r.Name, ID: seed(r.AvatarSeed)}, widget.AvatarLarge)), title)
		if r.Message != "" {
			card.Add(quoteCard(r.Message))
		}
		card.Add(hint)
		choices, primary := widget.NewColumn(14), widget.ButtonPrimary
		p.buttons = nil
		if w.nameless() {
			incognito := widget.NewButton(lang.L("Accept incognito"), primary, func() { p.answer(func() { w.accept(p.id, true, p.failed) }) })
			choices.Add(widget.NewFact(lang.L("Incognito"), lang.L("{{.Name}} sees a random name that is made up for this conversation alone.", name), incognito))
			choices.Add(widget.NewLine())
			p.buttons, primary = append(p.buttons, incognito), widget.ButtonSecondary
		}
		accept := widget.NewButton(lang.L("Accept"), primary, func() { p.answer(func() { w.accept(p.id, false, p.failed) }) })
		reject := widget.NewButton(lang.L("Reject"), widget.ButtonSecondary, func() { p.answer(func() { w.reject(p.id, p.failed) }) })
		p.buttons = append(p.buttons, accept, reject)
		choices.Add(widget.NewFact(lang.L("As {{.Own}}", name), lang.L("You can write to each other, and {{.Name}} sees your name.", name), accept))
		choices.Add(widget.NewLine())
		choices.Add(widget.NewFact(lang.L("Not at all"), lang.L("The request is deleted here. {{.Name}} is not told.", name), reject))
		choices.Add(p.problem)
		body.Objects = []fyne.CanvasObject{bigCard(card), bigCard(choices)}
		body.Refresh()
	}
	p.plainPage = newPlainPage(requestName(r), body, w.main.back)
	p.head.set(lang.L("Contact request"), "")
	fill()
	p.update = func(c any) {
		switch c := c.(type) {
		case nil:
			if w.request(p.id) == nil {
				w.main.showContact(0)
				return
			}
			fill()
		case core.RequestAdded:
			if c.Request.ID == p.id {
				fill()
			}
		case core.AddressChanged:
			fill()
		}
	}
	return p
}

// answer does something with the request, once.
func (p *requestPage) answer(do func()) {
	p.problem.Set(widget.ToneDanger, "")
	for _, b := range p.buttons {
		b.Disable()
	}
	do()
}

// failed tells why the answer did not work.
func (p *requestPage) failed(err error) {
	for _, b := range p.buttons {
		b.Enable()
	}
	p.problem.Set(widget.ToneDanger, sentence(err))
	p.scroll.Refresh()
}

// nameless tells whether who opens the address is not shown the profile's name, so that one can be accepted incognito.
func (w *Window) nameless() bool { return w.address != nil && w.address.Settings.Incognito }

// accept makes a contact of a request and shows it. failed is told why not, and may be nil.
func (w *Window) accept(id int64, incognito bool, failed func(error)) {
	p := w.profile
	ordered(w, func(ctx context.Context) (core.Contact, error) { return p.Accept(ctx, id, incognito) }, func(c core.Contact, err error) {
		if w.profile != p {
			return
		}
		if err != nil {
			w.answerFailed(err, failed)
			return
		}
		w.removeRequest(id)
		w.setContact(c)
		w.main.refreshList()
		w.openContact(c.ID)
	})
}

// reject forgets a request. failed is told why not, and may be nil.
func (w *Window) reject(id int64, failed func(error)) {
	p := w.profile
	ordered(w, only(func(ctx context.Context) error { return p.Reject(ctx, id) }), func(_ nothing, err error) {
		if err != nil && w.profile == p {
			w.answerFailed(err, failed)
		}
	})
}

func (w *Window) answerFailed(err error, failed func(error)) {
	switch {
	case errors.Is(err, core.ErrNoRequest): // the event that tells so is on its way
	case failed != nil:
		failed(err)
	default:
		w.tell(lang.L("Not answered"), sentence(err))
	}
}

// removeRequest takes a request out of the list, and its page away.
func (w *Window) removeRequest(id int64) {
	w.requests = slices.DeleteFunc(w.requests, func(r core.Request) bool { return r.ID == id })
	if p, ok := w.main.content.(*requestPage); ok && p.id == id {
		w.main.showContact(0)
	}
	w.main.refreshList()
}

// bigCard is a card of a page.
func bigCard(content fyne.CanvasObject) fyne.CanvasObject {
	card := widget.NewSurface(theme.ColorPanel, content)
	card.Radius, card.Margin, card.Border = theme.DialogRadius, 24, theme.ColorLine
	return card
}

// quoteCard shows what somebody else wrote.
func quoteCard(text string) fyne.CanvasObject {
	card := widget.NewSurface(theme.ColorBackground, widget.NewLabel(text, theme.TextBody))
	card.Radius, card.Margin = theme.BubbleRadius, 12
	return card
}
