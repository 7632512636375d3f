package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// verifyPage shows the security code of a contact, for comparing it with the one that the other side shows.
type verifyPage struct {
	*plainPage
	w       *Window
	profile *core.Profile
	id      int64
	code    string
	body    *fyne.Container
	entry   *widget.Entry
	result  *widget.Note
	told    string // what result shows
}

// showVerify shows the security code of a contact.
func (w *Window) showVerify(id int64) {
	c := w.contact(id)
	if c == nil || c.State != chat.ContactConnected {
		return
	}
	p := &verifyPage{w: w, profile: w.profile, id: id, body: widget.NewColumn(16), result: widget.NewNote(widget.ToneDanger, "")}
	p.entry = widget.NewTextEntry(lang.L("The code that the other side sent you"), 2)
	p.entry.OnChanged = func(string) { p.tell(widget.ToneDanger, "") }
	p.entry.OnKey = func(ev *fyne.KeyEvent) bool {
		enter := ev.Name == fyne.KeyReturn || ev.Name == fyne.KeyEnter
		if enter {
			p.compare(p.entry.Text)
		}
		return enter
	}
	p.plainPage = newPlainPage("", p.body, func() { w.openContact(id) })
	p.head.keepBack()
	p.head.set(lang.L("Security code"), lang.L("with {{.Name}}", map[string]any{"Name": w.contactName(c)}))
	p.update = func(c any) {
		switch c := c.(type) {
		case nil:
			p.fill()
		case core.ContactChanged:
			if c.Contact.ID == id {
				p.fill()
			}
		}
	}
	w.main.setPage(p, pageBeside)
	p.fill()
}

// fill reads the code and shows it.
func (p *verifyPage) fill() {
	c := p.w.contact(p.id)
	if c == nil {
		return // the list shows something else soon
	}
	ordered(p.w, func(ctx context.Context) (string, error) { return p.profile.Code(ctx, p.id) }, func(code string, err error) {
		if c := p.w.contact(p.id); c != nil && p.w.main != nil && p.w.main.content == page(p) {
			p.show(c, code, err)
		}
	})
}

func (p *verifyPage) show(c *core.Contact, code string, err error) {
	w, name := p.w, map[string]any{"Name": p.w.contactName(c)}
	if err != nil {
		p.body.Objects = []fyne.CanvasObject{bigCard(widget.NewNote(widget.ToneDanger, sentence(err)))}
		p.body.Refresh()
		return
	}
	p.code = code
	card := widget.NewColumn(14)
	if c.Verified.IsZero() {
		if w.codeChanged[w.key(p.id)] {
			card.Add(widget.NewNote(widget.ToneWarning, lang.L("This code is a new one since you compared it last: the encryption was made anew. Compare it again.")))
		}
	} else {
		card.Add(container.NewCenter(widget.NewPill(verifiedText(c, w))))
	}
	if picture, err := widget.NewQR(code, 220); err == nil {
		card.Add(container.NewCenter(picture))
	}
	card.Add(codeLabel(code))
	hint := widget.NewHint(lang.L("{{.Name}} sees the same code in the same place if nobody sits between you. Read it to each other on a call, hold the screens side by side, or send it another way than through this conversation.", name))
	hint.Alignment = fyne.TextAlignCenter
	card.Add(hint)
	copied := widget.NewButton(lang.L("Copy code"), widget.ButtonText, func() { w.copyText(code) })
	card.Add(container.NewCenter(copied))

	check := widget.NewColumn(12)
	if c.Verified.IsZero() {
		same := widget.NewButton(lang.L("They are the same"), widget.ButtonPrimary, func() { p.compare(p.code) })
		check.Add(widget.NewFact(lang.L("You compared the codes yourself"), lang.L("The conversation is marked as verified until the code changes."), same))
		check.Add(widget.NewLine())
		title := widget.NewLabel(lang.L("Or have them compared here"), theme.TextBody)
		title.Bold = true
		read := widget.NewButton(lang.L("Read a picture…"), widget.ButtonSecondary, func() { w.chooseCode(p.readCode) })
		read.SetIcon("image")
		paste := widget.NewButton(lang.L("Paste"), widget.ButtonSecondary, func() { p.entry.SetText(strings.TrimSpace(w.app.Clipboard().Content())) })
		paste.SetIcon("paste")
		compare := widget.NewButton(lang.L("Compare"), widget.ButtonSecondary, func() { p.compare(p.entry.Text) })
		check.Add(title)
		check.Add(p.entry)
		check.Add(widget.NewFlow(theme.Grid, paste, read, compare))
		check.Add(p.result)
	} else {
		undo := widget.NewButton(lang.L("Take back"), widget.ButtonSecondary, p.unverify)
		check.Add(widget.NewFact(lang.L("The codes were the same"), lang.L("You are told if the code changes. Take this back if you are not sure any more."), undo))
		check.Add(p.result)
	}
	p.body.Objects = []fyne.CanvasObject{bigCard(card), bigCard(check)}
	p.body.Refresh()
	p.scroll.Refresh()
}

// codeLabel shows a code in lines of four groups.
func codeLabel(code string) fyne.CanvasObject {
	const perLine = 4
	groups := strings.Fields(code)
	var lines []string
	for len(groups) > 0 {
		n := min(perLine, len(groups))
		line := strings.Join(groups[:n], "  ")
		if len(lines) > 0 && len(line) < len(lines[0]) { // the groups stand below each other
			line += strings.Repeat("\u00a0", len(lines[0])-len(line))
		}
		lines = append(lines, line)
		groups = groups[n:]
	}
	label := widget.NewLabel(strings.Join(lines, "\n"), theme.TextBody)
	label.Spans = []widget.Span{{Start: 0, End: len(label.Text), Mono: true}}
	label.Alignment = fyne.TextAlignCenter
	return label
}

// verifiedText tells since when a contact is verified.
func verifiedText(c *core.Contact, w *Window) string {
	return lang.L("verified {{.Date}}", map[string]any{"Date": shortDate(c.Verified.In(w.zone()))})
}

func (p *verifyPage) tell(tone widget.Tone, text string) {
	p.told = text
	p.result.Set(tone, text)
	p.body.Refresh()
	p.scroll.Refresh()
}

// readCode compares the code that is read from a picture, on a goroutine of its own.
func (p *verifyPage) readCode(read func() (string, error)) {
	p.tell(widget.ToneInfo, lang.L("Looking for a code in the picture…"))
	apart(p.w, func(context.Context) (string, error) { return read() }, func(text string, err error) {
		if err != nil {
			p.tell(widget.ToneDanger, sentence(err))
			return
		}
		p.compare(text)
	})
}

// compare compares a code with the one of the contact, and marks the contact as verified if they are equal.
func (p *verifyPage) compare(code string) {
	if strings.TrimSpace(code) == "" {
		p.tell(widget.ToneDanger, lang.L("Paste the code of the other side first."))
		return
	}
	ordered(p.w, func(ctx context.Context) (bool, error) { return p.profile.Verify(ctx, p.id, code) }, func(same bool, err error) {
		switch {
		case err != nil:
			p.tell(widget.ToneDanger, sentence(err))
		case !same:
			p.tell(widget.ToneDanger, lang.L("The codes differ. It may be that of another contact, or somebody sits between you: don't write anything secret until you know."))
		default:
			delete(p.w.codeChanged, contactKey{p.profile.ID(), p.id})
			p.entry.SetText("")
		}
	})
}

func (p *verifyPage) unverify() {
	key := p.w.key(p.id)
	p.w.unverified[key] = true
	ordered(p.w, only(func(ctx context.Context) error { return p.profile.Unverify(ctx, p.id) }), func(_ nothing, err error) {
		if err != nil {
			delete(p.w.unverified, key)
			p.tell(widget.ToneDanger, sentence(err))
		}
	})
}
