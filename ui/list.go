package ui

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// listRow is a row of the list: somebody who asks to be connected, a contact, or a message that was found.
type listRow struct {
	request *core.Request
	contact *core.Contact
	hit     *core.Hit // in the conversation with contact
}

// shows tells whether a row is that of a page.
func (r listRow) shows(p page) bool {
	switch p := p.(type) {
	case *conversation:
		return r.contact != nil && r.contact.ID == p.id && r.hit == nil
	case *invitationPage:
		return r.contact != nil && r.contact.ID == p.id
	case *verifyPage:
		return r.contact != nil && r.contact.ID == p.id
	case *requestPage:
		return r.request != nil && r.request.ID == p.id
	}
	return false
}

// openRowAt opens what a row is about.
func (m *mainScreen) openRowAt(i int) {
	if r := m.rows[i]; r.request != nil {
		m.w.openRequest(r.request.ID)
	} else if r.hit != nil {
		m.openHit(r)
	} else {
		m.w.openContact(r.contact.ID)
	}
}

// openRow is the row of what is open, or -1.
func (m *mainScreen) openRow() int {
	return slices.IndexFunc(m.rows, func(r listRow) bool { return r.shows(m.content) })
}

// openID is the contact that is shown, or 0.
func (m *mainScreen) openID() int64 {
	switch p := m.content.(type) {
	case *conversation:
		return p.id
	case *invitationPage:
		return p.id
	}
	return 0
}

// refreshList filters the contacts and shows them below those who ask to be connected.
func (m *mainScreen) refreshList() {
	w := m.w
	words := strings.ToLower(strings.TrimSpace(m.search.Entry.Text))
	found := func(name string) bool { return words == "" || strings.Contains(strings.ToLower(name), words) }
	m.rows = m.rows[:0]
	for _, r := range w.requests {
		if !m.archived && found(requestName(&r)) {
			m.rows = append(m.rows, listRow{request: &r})
		}
	}
	// Those that are pinned are first. What is in the archive shows there, and when it is searched for.
	archived := 0
	for _, pinned := range []bool{true, false} {
		for _, c := range w.contacts {
			if c.Pinned != pinned {
				continue
			}
			if c.Archived {
				archived++
			}
			if found(w.contactName(&c)) && (words != "" || c.Archived == m.archived) {
				m.rows = append(m.rows, listRow{contact: &c})
			}
		}
	}
	for i := range m.hits {
		if c := w.contact(m.hits[i].Item.Contact); c != nil && words != "" {
			m.rows = append(m.rows, listRow{contact: c, hit: &m.hits[i]})
		}
	}
	m.showArchiveRow(archived, words != "")
	var below fyne.CanvasObject = m.list
	switch {
	case w.profile == nil || len(m.rows) > 0:
	case words != "":
		below = widget.NewEmptyState("search", lang.L("Nothing found"), lang.L("These words are in no name and in no message."), "", nil)
	case m.archived:
		below = widget.NewEmptyState("folder", lang.L("Nothing in the archive"), lang.L("Conversations that you put there come back with their next message, unless they are muted."), "", nil)
	case m.frame.narrow:
		below = m.emptyState()
	default:
		hint := widget.NewHint(lang.L("Your conversations will be listed here."))
		hint.Alignment = fyne.TextAlignCenter
		below = container.New(columnLayout{width: listWidth}, hint)
	}
	if len(m.below.Objects) != 1 || m.below.Objects[0] != below {
		m.below.Objects = []fyne.CanvasObject{below}
		m.below.Refresh()
	}
	m.list.SetSelected(m.openRow())
	m.list.Refresh()
}

// showArchiveRow shows the way into the archive where there is something in it, and the way out of it.
func (m *mainScreen) showArchiveRow(n int, searching bool) {
	icon, title, value := "folder", lang.L("Archive"), strconv.Itoa(n)
	if m.archived {
		icon, title, value = "back", lang.L("All conversations"), ""
	}
	if said := title + value; said != m.archiveSays { // it keeps the keyboard while it says the same
		row := widget.NewRow(title, value, func() {
			m.archived = !m.archived
			m.refreshList()
			m.w.win.Canvas().Focus(m.list)
		})
		row.SetIcon(icon)
		m.archiveSays, m.archive.Objects = said, []fyne.CanvasObject{row}
	}
	m.archive.Hidden = searching || n == 0 && !m.archived || m.w.profile == nil
	m.archive.Refresh()
	m.listColumn.Refresh()
}

// row is what a row of the list shows.
func (m *mainScreen) row(i int) widget.ConversationView {
	w, now := m.w, m.w.opt.Now()
	if r := m.rows[i].request; r != nil {
		return widget.ConversationView{Avatar: widget.AvatarView{Name: r.Name, ID: seed(r.AvatarSeed)}, Name: requestName(r),
			Time: listTime(r.Created, now), Preview: lang.L("wants to connect with you"), Unread: 1}
	}
	if m.rows[i].hit != nil {
		return m.hitRow(m.rows[i])
	}
	c := m.rows[i].contact
	v := widget.ConversationView{Avatar: w.avatar(c), Name: w.contactName(c), Time: listTime(c.Active, now), Unread: c.Unread, Incognito: c.IncognitoName != "",
		Muted: c.Muted, Pinned: c.Pinned, Verified: !c.Verified.IsZero()}
	if c.ID == m.openID() && w.inFront {
		v.Unread = 0
	}
	switch {
	case c.State == chat.ContactInvited:
		v.Preview = lang.L("waiting to be opened")
	case c.State == chat.ContactFailed:
		v.Preview = lang.L("could not be connected")
	case c.Blocked:
		v.Preview = lang.L("blocked")
	case draftText(w.draft(c)) != "" && c.ID != m.openID():
		v.Draft, v.Preview = true, oneLine(draftText(w.draft(c)))
	case c.Last != nil:
		v.Preview = oneLine(itemText(c.Last, v.Name))
		v.Delivery = delivery(c.Last)
	case c.State == chat.ContactConnecting:
		v.Preview = lang.L("connecting…")
	case c.State == chat.ContactNotes:
		v.Preview = lang.L("stay on this computer")
	default:
		v.Preview = lang.L("connected")
	}
	return v
}

// menu offers what can be done with a row.
func (m *mainScreen) menu(i int, at fyne.Position) {
	w, r := m.w, m.rows[i]
	var items []widget.MenuItem
	if r.request != nil {
		request := *r.request
		items = []widget.MenuItem{
			{Icon: "chat", Text: lang.L("Open"), Do: func() { w.openRequest(request.ID) }},
		}
		if w.nameless() {
			items = append(items, widget.MenuItem{Icon: "incognito", Text: lang.L("Accept incognito"), Line: true, Do: func() { w.accept(request.ID, true, nil) }})
		}
		items = append(items,
			widget.MenuItem{Icon: "check", Text: lang.L("Accept"), Line: !w.nameless(), Do: func() { w.accept(request.ID, false, nil) }},
			widget.MenuItem{Icon: "close", Text: lang.L("Reject"), Danger: true, Do: func() { w.reject(request.ID, nil) }})
	} else if r.hit == nil {
		items = w.contactMenu(r.contact)
	} else {
		items = []widget.MenuItem{{Icon: "chat", Text: lang.L("Open"), Do: func() { m.openHit(r) }}}
	}
	widget.ShowMenu(w.win.Canvas(), at, widget.Menu{Items: items})
}

// openMenu offers what can be done with what is open.
func (m *mainScreen) openMenu() {
	if i := m.openRow(); i >= 0 {
		at := m.w.app.Driver().AbsolutePositionForObject(m.list)
		m.menu(i, at.AddXY(widget.MirrorX(2*theme.Grid, 0, m.list.Size().Width), widget.ConversationHeight))
	}
}

// contactMenu is what can be done with a contact from the list.
func (w *Window) contactMenu(c *core.Contact) (items []widget.MenuItem) {
	id := c.ID
	line := false // before the next one
	add := func(icon, text string, do func()) {
		items = append(items, widget.MenuItem{Icon: icon, Text: text, Line: line, Do: do})
		line = false
	}
	toggle := func(on bool, icon, set, unset string, change func(p *core.Profile, ctx context.Context, contact int64, on bool) error) {
		name := set
		if on {
			name = unset
		}
		add(icon, name, func() { w.change(func(ctx context.Context, p *core.Profile) error { return change(p, ctx, id, !on) }) })
	}
	add("chat", lang.L("Open"), func() { w.openContact(id) })
	line = true
	toggle(c.Pinned, "pin", lang.L("Pin to the top"), lang.L("Unpin"), (*core.Profile).SetPinned)
	if c.State == chat.ContactConnected || c.State == chat.ContactConnecting {
		icon := "mute"
		if c.Muted {
			icon = "bell"
		}
		toggle(c.Muted, icon, lang.L("Mute"), lang.L("Unmute"), (*core.Profile).SetMuted)
	}
	toggle(c.Archived, "folder", lang.L("Put into the archive"), lang.L("Take out of the archive"), (*core.Profile).SetArchived)
	if c.State == chat.ContactConnected {
		line = true
		add("edit", lang.L("Name on this computer…"), func() { w.rename(id) })
		add("shield-check", lang.L("Security code…"), func() { w.showVerify(id) })
		if c.Blocked {
			add("shield", lang.L("Unblock"), func() { w.setBlocked(id, false) })
		} else {
			add("shield-off", lang.L("Block…"), func() { w.askBlock(id) })
		}
	}
	line = true
	if c.Last != nil {
		add("trash", lang.L("Delete all messages…"), func() { w.askClear(id) })
		items[len(items)-1].Danger = true
	}
	add("trash", deleteName(c), func() { w.askDelete(id) })
	items[len(items)-1].Danger = true
	return items
}

// change does something quick with the profile that is shown, and tells if it did not work.
func (w *Window) change(do func(ctx context.Context, p *core.Profile) error) {
	p := w.profile
	ordered(w, only(func(ctx context.Context) error { return do(ctx, p) }), func(_ nothing, err error) {
		if err != nil && !errors.Is(err, core.ErrNoContact) {
			w.tell(lang.L("Not changed"), sentence(err))
		}
	})
}

// askBlock asks whether a contact is to be blocked.
func (w *Window) askBlock(id int64) {
	if c := w.contact(id); c != nil {
		w.ask(lang.L("Block {{.Name}}?", map[string]any{"Name": w.contactName(c)}),
			lang.L("What this contact sends from now on is dropped, and does not come back when you unblock it. It is not told, but sees that its messages are not received."),
			lang.L("Block"), func() { w.setBlocked(id, true) })
	}
}

func (w *Window) setBlocked(id int64, on bool) {
	w.change(func(ctx context.Context, p *core.Profile) error { return p.SetBlocked(ctx, id, on) })
}

// askClear asks whether all messages with a contact are to be deleted.
func (w *Window) askClear(id int64) {
	if c := w.contact(id); c != nil {
		w.ask(lang.L("Delete all messages with {{.Name}}?", map[string]any{"Name": w.contactName(c)}),
			lang.L("They are deleted on this computer, and can't be brought back. You stay connected, and the other side keeps its own."),
			lang.L("Delete messages"), func() {
				w.change(func(ctx context.Context, p *core.Profile) error { return p.Clear(ctx, id) })
			})
	}
}

// deleteName is what deleting a contact is called.
func deleteName(c *core.Contact) string {
	switch c.State {
	case chat.ContactInvited:
		return lang.L("Delete invitation…")
	case chat.ContactConnecting:
		return lang.L("Cancel connecting…")
	}
	return lang.L("Delete…")
}

// askDelete asks whether a contact is to be deleted, and deletes it.
func (w *Window) askDelete(id int64) {
	c, p := w.contact(id), w.profile
	if c == nil || p == nil {
		return
	}
	name := map[string]any{"Name": w.contactName(c)}
	title := lang.L("Delete {{.Name}}?", name)
	text, action := lang.L("All messages of this conversation are deleted on this computer. They can't be brought back."), lang.L("Delete conversation")
	switch c.State {
	case chat.ContactInvited:
		text, action = lang.L("Nobody can connect to you with this code any more."), lang.L("Delete invitation")
	case chat.ContactConnecting:
		title = lang.L("Cancel connecting?")
		text, action = lang.L("The link is given up. A one-time link can't be opened again: for another try, ask for a new one."), lang.L("Cancel connecting")
	}
	w.ask(title, text, action, func() {
		ordered(w, only(func(ctx context.Context) error { return p.DeleteContact(ctx, id) }), func(_ nothing, err error) {
			if err != nil && !errors.Is(err, core.ErrNoContact) {
				w.tell(lang.L("Not deleted"), sentence(err))
			}
		})
	})
}

// setRequest takes over a request that is new or changed.
func (w *Window) setRequest(r core.Request) {
	if i := slices.IndexFunc(w.requests, func(old core.Request) bool { return old.ID == r.ID }); i >= 0 {
		w.requests[i] = r
		return
	}
	w.requests = append(w.requests, r)
	slices.SortFunc(w.requests, func(a, b core.Request) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID)) })
}

// hasLetters tells whether a name has the letters that are searched for.
func hasLetters(name, words string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(strings.TrimSpace(words)))
}
