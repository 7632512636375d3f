package ui

import (
	"context"
	"strings"
	"unicode/utf8"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

// listHits is how many messages the list shows that were found.
const listHits = 50

// findMessages looks for words in all conversations, and lists what was found below the names.
func (m *mainScreen) findMessages(words string) {
	w := m.w
	m.searches++
	number, p := m.searches, w.profile
	words = strings.TrimSpace(words)
	if m.hits = nil; words == "" || p == nil {
		return
	}
	ordered(w, func(ctx context.Context) ([]core.Hit, error) { return p.Search(ctx, words, 0, 0, listHits) }, func(hits []core.Hit, err error) {
		if number == m.searches && err == nil && w.main == m && w.profile == p {
			m.hits = hits
			m.refreshList()
		}
	})
}

// openHit opens a conversation at a message that was found.
func (m *mainScreen) openHit(r listRow) {
	hit := *r.hit
	m.w.openContact(hit.Item.Contact)
	if c, ok := m.w.main.content.(*conversation); ok {
		c.find.hits, c.find.at = []core.Hit{hit}, 0
		c.goTo(hit.Item.ID)
	}
}

// hitRow is what the row of a message shows that was found.
func (m *mainScreen) hitRow(r listRow) widget.ConversationView {
	item := &r.hit.Item
	v := widget.ConversationView{Avatar: m.w.avatar(r.contact), Name: m.w.contactName(r.contact), Time: listTime(item.Time, m.w.opt.Now())}
	v.Preview, v.Found = excerpt(item, r.hit.Ranges)
	return v
}

// excerpt is the part of a text around the first of what was found in it, on one line, and where that is.
func excerpt(item *core.Item, ranges [][2]int) (text string, found [][2]int) {
	if len(ranges) == 0 {
		return oneLine(messageText(item)), nil
	}
	const before, after = 14, 120 // bytes
	s := styled(item.Text)
	marks := s.found(ranges)
	if len(marks) == 0 {
		return oneLine(s.text), nil
	}
	from, to := marks[0][0]-before, min(marks[0][0]+after, len(s.text))
	for from > 0 && !utf8.RuneStart(s.text[from]) {
		from--
	}
	for to < len(s.text) && !utf8.RuneStart(s.text[to]) {
		to++
	}
	if from > 0 {
		text = "…"
	}
	from = max(from, 0)
	for _, span := range s.spans { // a secret stays one
		if span.Secret && span.Start < to && span.End > from {
			return oneLine(plainText(item.Text)), nil
		}
	}
	shift := len(text) - from
	// Line breaks become spaces of the same length, so that what was found stays where it is.
	text += strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, s.text[from:to])
	for _, mark := range marks {
		if mark[1] <= to {
			found = append(found, [2]int{mark[0] + shift, mark[1] + shift})
		}
	}
	return text, found
}

// openNotes opens the notes to oneself.
func (w *Window) openNotes() {
	p := w.profile
	if p == nil {
		return
	}
	ordered(w, p.Notes, func(c core.Contact, err error) {
		switch {
		case w.profile != p || w.main == nil:
		case err != nil:
			w.tell(lang.L("Not opened"), sentence(err))
		default:
			c.State = chat.ContactNotes
			w.setContact(c)
			w.main.refreshList()
			w.openContact(c.ID)
		}
	})
}
