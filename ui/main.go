package ui

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// mainScreen is the rail, the list of conversations, and the page and the panel beside it.
type mainScreen struct {
	w      *Window
	frame  *frame
	body   *fyne.Container
	rail   *widget.Rail
	list   *widget.ConversationList
	search *widget.SearchField
	title  *widget.Label
	below  *fyne.Container // the list, or what is shown where there is nothing to list

	archive     *fyne.Container // leads into the archive and out of it
	archiveSays string          // what it shows
	listColumn  *fyne.Container

	rows     []listRow  // of the list
	hits     []core.Hit // messages that were found
	searches int        // counts searches: what an earlier one finds is dropped
	archived bool       // the list shows the archive
	content  page
	holder   *fyne.Container // holds the content
	panel    *fyne.Container // holds the panel
}

func backName() string { return lang.L("Back") }

// showMain shows the main screen with the profile that was used last.
func (w *Window) showMain() {
	w.main = newMainScreen(w)
	w.show(w.main.body)
	current := slices.IndexFunc(w.profiles, func(p core.ProfileInfo) bool { return p.Current })
	w.useProfile(w.profiles[max(current, 0)].ID)
	w.loadPictures()
}

func newMainScreen(w *Window) *mainScreen {
	m := &mainScreen{w: w, rail: widget.NewRail(), holder: container.NewStack(), panel: container.NewStack(), below: container.NewStack()}
	m.rail.OnProfile = func(i int) {
		if i < len(w.profiles) {
			w.useProfile(w.profiles[i].ID)
		}
	}
	m.rail.OnAdd = w.addProfile
	m.rail.OnNetwork = w.showNetwork
	m.rail.OnSettings = w.showSettings

	m.title = widget.NewTitle("")
	add := widget.NewFilledIconButton("plus", lang.L("New conversation"), 34, func() { w.newConversation("") })
	m.search = widget.NewSearchField(lang.L("Search or paste a link"), m.searched)
	m.search.Entry.OnSubmitted = func(text string) {
		if len(m.rows) > 0 {
			m.openRowAt(0)
			m.search.Entry.SetText("")
		} else if text != "" {
			w.openHiddenQuietly(text)
		}
	}
	m.list = widget.NewConversationList(func() int { return len(m.rows) }, m.row)
	m.list.OnSelected = m.openRowAt
	m.list.OnMenu = m.menu
	notes := widget.NewIconButton("edit", lang.L("Notes to myself"), w.openNotes)
	top := widget.NewColumn(0,
		widget.NewInset(container.New(rightLayout{8}, m.title, widget.NewBar(6, -1, notes, add)), 15, 16, 9, 16),
		widget.NewInset(m.search, 0, 16, 8, 16))
	m.archive = widget.NewInset(widget.NewGap(1, 1), 0, 20, 6, 20)
	m.archive.Hide()
	m.listColumn = container.New(stackLayout{}, top, m.archive, m.below)
	list := widget.NewSurface(theme.ColorPanel, m.listColumn)

	m.frame = &frame{rail: m.rail, list: list, content: m.holder, panel: m.panel, listLine: widget.NewLine(), panelLine: widget.NewLine()}
	if m.frame.width = w.core.Appearance().List; m.frame.width <= 0 {
		m.frame.width = listWidth
	}
	m.frame.edge = newListEdge(func(by float32) {
		m.frame.width = max(listLeast, min(m.frame.width+by, listMost))
		m.arrange()
	}, func() { w.changeLook(func(a *core.Appearance) { a.List = m.frame.width }) })
	m.frame.arranged = func() { m.content.setNarrow(m.frame.narrow) }
	m.content = m.emptyPage()
	m.holder.Add(m.content.object())
	m.body = container.New(m.frame, m.frame.objects()...)
	return m
}

// useProfile shows a profile, or asks for its passphrase.
func (w *Window) useProfile(id string) {
	if w.main == nil {
		return // it was locked in the meantime
	}
	w.profiles = w.core.Profiles()
	same := w.profile != nil && w.profile.ID() == id
	w.profile = w.core.Profile(id)
	_ = w.core.Use(id) // if it can't be kept, another profile is shown at the next start
	for i := range w.profiles {
		w.profiles[i].Current = w.profiles[i].ID == id
	}
	w.setTitle()
	if same {
		w.main.refreshRail()
		w.main.showContact(0)
		return
	}
	w.contacts, w.relays, w.requests, w.address = nil, nil, nil, nil
	w.main.archived = false
	w.main.search.Entry.SetText("")
	if w.profile == nil {
		w.main.setPage(w.lockedPage(id), pageAlone)
		w.main.refresh()
		return
	}
	w.main.frame.noList = false
	w.main.showContact(0)
	w.reload()
}

// reload reads everything about the profile that is shown.
func (w *Window) reload() {
	p := w.profile
	if p == nil {
		return
	}
	type everything struct {
		contacts []core.Contact
		requests []core.Request
		address  *core.Address
		picture  []byte
	}
	ordered(w, func(ctx context.Context) (all everything, err error) {
		if all.contacts, err = p.Contacts(ctx); err != nil {
			return all, err
		}
		if all.requests, err = p.Requests(ctx); err != nil {
			return all, err
		}
		if all.picture, err = p.Picture(ctx); err != nil {
			return all, err
		}
		address, err := p.Address(ctx)
		if err == nil {
			all.address = &address
		} else if !errors.Is(err, core.ErrNoAddress) {
			return all, err
		}
		return all, nil
	}, func(all everything, err error) {
		if w.profile != p {
			return
		}
		if err != nil {
			w.main.setPage(w.errorPage(err), pageBeside)
			return
		}
		w.contacts, w.requests, w.address, w.relays = all.contacts, all.requests, all.address, p.Status()
		w.pictures[p.ID()] = all.picture
		w.main.refresh()
		w.main.content.changed(nil)
	})
}

// loadPictures reads the pictures of the profiles that are not shown.
func (w *Window) loadPictures() {
	for _, info := range w.profiles {
		if p := w.core.Profile(info.ID); p != nil && p != w.profile {
			ordered(w, p.Picture, func(picture []byte, err error) {
				if err == nil && len(picture) > 0 && w.main != nil {
					w.pictures[p.ID()] = picture
					w.main.refreshRail()
				}
			})
		}
	}
}

// contact returns the contact with an id, or nil.
func (w *Window) contact(id int64) *core.Contact {
	for i := range w.contacts {
		if w.contacts[i].ID == id {
			return &w.contacts[i]
		}
	}
	return nil
}

// setContact takes over a contact that changed.
func (w *Window) setContact(c core.Contact) {
	if old := w.contact(c.ID); old != nil {
		*old = c
	} else {
		w.contacts = append(w.contacts, c)
	}
	slices.SortStableFunc(w.contacts, func(a, b core.Contact) int {
		return cmp.Or(b.Active.Compare(a.Active), cmp.Compare(b.ID, a.ID))
	})
}

// refresh shows everything around the content again.
func (m *mainScreen) refresh() {
	m.refreshRail()
	m.refreshList()
}

func (m *mainScreen) refreshRail() {
	w := m.w
	views := make([]widget.ProfileView, len(w.profiles))
	selected := -1
	for i, p := range w.profiles {
		name := p.Name
		if name == "" {
			name = lang.L("Locked")
		}
		views[i] = widget.ProfileView{Avatar: widget.AvatarView{Name: name, ID: seed(p.AvatarSeed), Picture: w.thumbs.get(w.pictures[p.ID])}, Unread: p.Unread}
		if p.Current {
			selected = i
			views[i].Unread = 0 // its own list tells
		}
	}
	m.rail.SetProfiles(views, selected)
	m.showNetworkState()
	m.title.SetText("")
	if w.profile != nil {
		m.title.SetText(w.profile.Name())
	}
}

// searched is called with what is typed into the search field.
func (m *mainScreen) searched(text string) {
	if looksLikeLink(text) && m.w.profile != nil {
		m.search.Entry.SetText("")
		m.w.newConversation(text)
		return
	}
	m.findMessages(text)
	m.refreshList()
}

// looksLikeLink tells whether a text is worth being looked at as a link.
func looksLikeLink(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "simplex:/") || strings.HasPrefix(text, "https://") && strings.Contains(text, "#")
}

// Where a page is shown.
type pagePlace int

const (
	pageBehind pagePlace = iota // in a narrow window the list stays in front
	pageBeside                  // in a narrow window the page is in front
	pageAlone                   // there is no list
)

// setPage shows another page as the content.
func (m *mainScreen) setPage(p page, where pagePlace) {
	m.content.closed()
	// What had the keyboard on the page before would keep it.
	switch canvas := m.w.win.Canvas(); canvas.Focused() {
	case fyne.Focusable(m.search.Entry), fyne.Focusable(m.list):
	default:
		canvas.Unfocus()
	}
	m.content = p
	m.frame.noList = where == pageAlone
	m.frame.contentFirst = where != pageBehind
	m.closePanel()
	m.holder.Objects = []fyne.CanvasObject{p.object()}
	m.holder.Refresh()
	m.arrange()
	m.list.SetSelected(m.openRow())
	m.list.Refresh()
}

// arrange lays the main screen out again.
func (m *mainScreen) arrange() {
	m.frame.Layout(nil, m.body.Size())
	m.body.Refresh()
}

// back shows the list again in a narrow window.
func (m *mainScreen) back() { m.showContact(0) }

// showPanel opens the panel with something in it.
func (m *mainScreen) showPanel(o fyne.CanvasObject) {
	m.panel.Objects = []fyne.CanvasObject{o}
	m.panel.Refresh()
	m.frame.panelOpen = true
	m.arrange()
}

func (m *mainScreen) closePanel() {
	if m.frame.panelOpen {
		m.frame.panelOpen = false
		m.panel.Objects = nil
		m.arrange()
	}
}

// showContact shows the conversation with a contact, or with 0 what is shown when none is open.
func (m *mainScreen) showContact(id int64) {
	c := m.w.contact(id)
	switch {
	case c == nil:
		m.setPage(m.emptyPage(), pageBehind)
		return
	case c.State == chat.ContactInvited:
		m.setPage(newInvitationPage(m.w, c), pageBeside)
	default:
		p := newConversationPage(m.w, c)
		m.setPage(p, pageBeside)
		if m.w.core.Appearance().Panel && m.frame.panelFits(m.body.Size().Width) {
			m.showPanel(newPanel(p))
		}
	}
}

// openContact opens a conversation and puts the cursor where one writes.
func (w *Window) openContact(id int64) {
	if id == w.main.openID() {
		w.main.frame.contentFirst = true
		w.main.arrange()
	} else {
		w.main.showContact(id)
	}
	if c, ok := w.main.content.(*conversation); ok {
		c.focus()
	}
}

// emptyPage is shown while no conversation is open.
func (m *mainScreen) emptyPage() page {
	p := &simplePage{holder: container.NewStack(), back: m.back}
	p.update = func(any) {
		state := m.emptyState()
		p.holder.Objects = []fyne.CanvasObject{widget.NewSurface(theme.ColorBackground, state)}
		p.holder.Refresh()
	}
	p.update(nil)
	return p
}

func (m *mainScreen) emptyState() fyne.CanvasObject {
	if len(m.w.contacts) > 0 {
		return widget.NewEmptyState("chat", lang.L("No conversation is open"),
			lang.L("Choose one from the list, or start a new one."), lang.L("New conversation"), func() { m.w.newConversation("") })
	}
	return widget.NewEmptyState("chat", lang.L("Talk with somebody"),
		lang.L("There are no accounts and no phone numbers here. Show a friend your code, or paste the link that a friend sent you."),
		lang.L("New conversation"), func() { m.w.newConversation("") })
}

// simplePage is a page without a head.
type simplePage struct {
	holder *fyne.Container
	update func(c any)
	back   func() // may be nil
}

func (p *simplePage) object() fyne.CanvasObject { return p.holder }
func (p *simplePage) setNarrow(bool)            {}
func (p *simplePage) closed()                   {}

func (p *simplePage) leave() {
	if p.back != nil {
		p.back()
	}
}

func (p *simplePage) changed(c any) {
	if p.update != nil {
		p.update(c)
	}
}

// errorPage tells why a profile can't be shown.
func (w *Window) errorPage(err error) page {
	state := widget.NewEmptyState("warning", lang.L("This profile can't be opened"), sentence(err), lang.L("Try again"), w.reload)
	return &simplePage{holder: container.NewStack(widget.NewSurface(theme.ColorBackground, state))}
}

// ask asks before something that can't be taken back.
func (w *Window) ask(title, text, action string, do func()) {
	w.askWith(widget.ButtonDanger, title, text, action, do)
}

// confirm asks before something that is worth a second thought.
func (w *Window) confirm(title, text, action string, do func()) {
	w.askWith(widget.ButtonPrimary, title, text, action, do)
}

func (w *Window) askWith(style widget.ButtonStyle, title, text, action string, do func()) {
	var d *widget.Dialog
	button := widget.NewButton(action, style, func() {
		d.Close()
		do()
	})
	cancel := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { d.Close() })
	d = newDialog(title, 420, widget.NewColumn(20, widget.NewLabel(text, theme.TextBody), buttonRow(cancel, button)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(cancel)
}

// newDialog returns a dialog of the given width.
func newDialog(title string, width float32, content fyne.CanvasObject) *widget.Dialog {
	const room = 4 // for the focus ring of what is last
	return widget.NewDialog(title, widget.NewInset(content, 0, 0, room, 0), width)
}

// tell shows what has no place of its own.
func (w *Window) tell(title, text string) {
	var d *widget.Dialog
	button := widget.NewButton(lang.L("Close"), widget.ButtonPrimary, func() { d.Close() })
	d = newDialog(title, 420, widget.NewColumn(20, widget.NewLabel(text, theme.TextBody), buttonRow(button)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(button)
}

// avatar is the avatar of a contact.
func (w *Window) avatar(c *core.Contact) widget.AvatarView {
	name := cmp.Or(c.Alias, c.Name)
	if c.State == chat.ContactNotes {
		name = w.contactName(c)
	}
	return widget.AvatarView{Name: name, ID: seed(c.AvatarSeed), Picture: w.thumbs.get(c.Picture), Pending: c.State == chat.ContactInvited}
}

// seed makes the id of an avatar of the random number that core keeps for it.
func seed(n uint32) []byte {
	return binary.BigEndian.AppendUint32(nil, n)
}

// oneLine makes one line of a text for a row of a list.
func oneLine(text string) string {
	const enough = 200 // bytes: more than fits
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "")
	}
	return strings.Join(strings.Fields(text), " ")
}
