package ui

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// historyPage is how many messages are read at once.
const historyPage = 60

// draftPause is how long somebody who types has to pause before the draft is kept.
const draftPause = time.Second

// conversation is the page with the messages of a contact.
type conversation struct {
	w       *Window
	id      int64
	profile *core.Profile

	items    []core.Item // in the order of the conversation, the newest ones
	loaded   bool        // the newest messages were read
	complete bool        // the first message was read
	newID    int64       // the first message that was unread when the conversation was opened, or 0

	screen   fyne.CanvasObject
	head     *head
	list     *widget.MessageList
	composer *widget.Composer
	note     *widget.Note
	foot     *fyne.Container // the composer with a note above it, of which either may be hidden
	middle   *fyne.Container // the list, or what is shown while there are no messages

	draft      string // as it was kept last
	draftTimer *time.Timer
	left       bool
}

var (
	_ page                 = (*conversation)(nil)
	_ widget.MessageSource = (*conversation)(nil)
)

func newConversationPage(w *Window, contact *core.Contact) *conversation {
	c := &conversation{w: w, id: contact.ID, profile: w.profile, draft: contact.Draft}
	info := widget.NewIconButton("info", lang.L("Who can see what"), c.togglePanel)
	c.head = newHead(widget.NewAvatar(w.avatar(contact), widget.AvatarMedium), w.main.back, info)
	c.list = widget.NewMessageList(c)
	c.list.OnOlder = c.readOlder
	c.list.OnRetry = c.retry
	c.list.OnMenu = c.menu
	c.list.OnLink = func(_ int, link string) { w.openLink(link) }
	c.list.OnTyped = func(r rune) {
		if c.composer.Visible() {
			c.composer.Focus()
			c.composer.Insert(string(r))
		}
	}
	c.list.OnEscape = c.focus
	c.composer = widget.NewComposer(lang.L("Message"))
	c.composer.SetText(contact.Draft)
	c.composer.OnSend = c.send
	c.composer.OnChanged = func(string) { c.typed() }
	c.note = widget.NewNote(widget.ToneInfo, "")
	noteBar := widget.NewSurface(theme.ColorPanel, container.New(stackLayout{}, widget.NewLine(), widget.NewInset(c.note, 10, 18)))
	c.foot = container.New(stackLayout{}, noteBar, c.composer)
	c.middle = container.NewStack(c.list)
	body := container.New(footLayout{}, c.middle, c.foot)
	c.composer.OnResized = body.Refresh
	c.screen = widget.NewSurface(theme.ColorBackground, container.New(stackLayout{}, c.head.content, body))
	c.update(contact)
	c.load(contact.Unread)
	return c
}

// footLayout puts the second object below the first one.
type footLayout struct{}

func (footLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	foot := objects[1]
	foot.Resize(fyne.NewSize(size.Width, foot.MinSize().Height))
	h := foot.MinSize().Height
	place(objects[0], 0, 0, size.Width, size.Height-h)
	place(foot, 0, size.Height-h, size.Width, h)
}

func (footLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	a, b := objects[0].MinSize(), objects[1].MinSize()
	return fyne.NewSize(max(a.Width, b.Width), a.Height+b.Height)
}

func (c *conversation) object() fyne.CanvasObject { return c.screen }
func (c *conversation) setNarrow(narrow bool)     { c.head.setNarrow(narrow) }

// focus puts the cursor where one writes, or into the messages where nothing can be written.
func (c *conversation) focus() {
	if c.composer.Visible() {
		c.composer.Focus()
	} else {
		c.w.win.Canvas().Focus(c.list)
	}
}

// closed keeps the draft.
func (c *conversation) closed() {
	c.keepDraft()
	c.left = true
}

// update shows what is known of the contact.
func (c *conversation) update(contact *core.Contact) {
	name := c.w.contactName(contact)
	c.head.avatar.SetView(c.w.avatar(contact))
	c.head.set(name, c.w.connectionLine(contact))
	c.note.SetAction("", nil)
	composer := contact.State == chat.ContactConnected
	var empty fyne.CanvasObject
	switch contact.State {
	case chat.ContactConnecting:
		text := lang.L("You can write as soon as the other side was online.")
		empty = widget.NewEmptyState("pending", lang.L("Connecting"), text, "", nil)
		c.note.Set(widget.ToneInfo, text)
	case chat.ContactFailed:
		empty = widget.NewEmptyState("failed", lang.L("Not connected"), contactFailure(contact.Failure), lang.L("Delete…"), func() { c.w.askDelete(c.id) })
		c.note.Set(widget.ToneDanger, contactFailure(contact.Failure))
		c.note.SetAction(lang.L("Delete…"), func() { c.w.askDelete(c.id) })
	case chat.ContactLeft:
		c.note.Set(widget.ToneWarning, lang.L("{{.Name}} has deleted this conversation. Nothing more can be sent.", map[string]any{"Name": name}))
		c.note.SetAction(lang.L("Delete…"), func() { c.w.askDelete(c.id) })
	default:
		empty = widget.NewEmptyState("lock", lang.L("You are connected with {{.Name}}", map[string]any{"Name": name}),
			lang.L("Write the first message. Only the two of you can read what is said here."), "", nil)
		c.note.Set(widget.ToneInfo, "")
	}
	c.middle.Objects = []fyne.CanvasObject{c.list}
	if c.loaded && len(c.items) == 0 && empty != nil {
		c.note.Set(widget.ToneInfo, "")
		c.middle.Objects = []fyne.CanvasObject{empty}
	}
	c.middle.Refresh()
	c.showFoot(composer)
}

// showFoot shows the composer or not, and the note if it has something to tell.
func (c *conversation) showFoot(composer bool) {
	appeared := composer && c.composer.Hidden
	c.composer.Hidden = !composer
	c.foot.Objects[0].(*widget.Surface).Hidden = c.note.Hidden
	c.foot.Refresh()
	if c.screen == nil {
		return
	}
	c.screen.Refresh()
	// Whoever waited for the connection can write at once.
	if appeared && c.w.win.Canvas().Focused() == fyne.Focusable(c.list) {
		c.composer.Focus()
	}
}

// warn shows what went wrong above the composer until something is written or sent.
func (c *conversation) warn(text string) {
	c.note.Set(widget.ToneDanger, text)
	c.note.SetAction("", nil)
	c.showFoot(c.composer.Visible())
}

// load reads the newest messages, and all that are unread.
func (c *conversation) load(unread int) {
	limit := max(historyPage, unread+historyPage/2)
	ordered(c.w, func(ctx context.Context) ([]core.Item, error) { return c.profile.History(ctx, c.id, 0, limit) }, func(items []core.Item, err error) {
		if c.left {
			return
		}
		if err != nil {
			c.warn(sentence(err))
			return
		}
		first := !c.loaded
		c.items, c.loaded, c.complete = items, true, len(items) < limit
		if first {
			c.newID = firstUnread(items, unread)
		}
		c.list.Reset()
		if contact := c.w.contact(c.id); contact != nil && len(items) == 0 {
			c.update(contact)
		}
		if i := c.index(c.newID); first && i >= 0 {
			c.list.ScrollTo(i, false)
		}
		c.read()
	})
}

// firstUnread returns the id of the message with which the last n received ones begin, or 0.
func firstUnread(items []core.Item, n int) (id int64) {
	for i := len(items) - 1; i >= 0 && n > 0; i-- {
		if !items[i].Own && !isNotice(&items[i]) {
			id = items[i].ID
			n--
		}
	}
	return id
}

// readOlder reads the messages before those that are shown.
func (c *conversation) readOlder() {
	if c.complete || !c.loaded || len(c.items) == 0 {
		return
	}
	before := c.items[0].ID
	ordered(c.w, func(ctx context.Context) ([]core.Item, error) {
		return c.profile.History(ctx, c.id, before, historyPage)
	}, func(items []core.Item, err error) {
		if c.left || len(c.items) == 0 || c.items[0].ID != before {
			return
		}
		if err != nil {
			c.warn(sentence(err))
			return
		}
		c.complete = len(items) < historyPage
		c.items = append(items, c.items...)
		c.list.InsertedAtStart(len(items))
	})
}

// index returns the row of a message, or -1.
func (c *conversation) index(id int64) int {
	i := sort.Search(len(c.items), func(i int) bool { return c.items[i].ID >= id })
	if i < len(c.items) && c.items[i].ID == id {
		return i
	}
	return -1
}

// changed takes over what changed.
func (c *conversation) changed(e any) {
	switch e := e.(type) {
	case nil:
		if contact := c.w.contact(c.id); contact != nil {
			c.update(contact)
		}
		if c.loaded {
			c.load(0)
		}
	case core.ContactChanged:
		if e.Contact.ID != c.id {
			return
		}
		if e.Contact.State == chat.ContactInvited {
			return
		}
		c.update(&e.Contact)
		c.read()
		if c.w.main.frame.panelOpen {
			c.w.main.showPanel(newPanel(c))
		}
	case core.ItemAdded:
		c.put(e.Item)
	case core.ItemChanged:
		c.put(e.Item)
	case core.RelayChanged:
		if contact := c.w.contact(c.id); contact != nil {
			c.head.set(c.w.contactName(contact), c.w.connectionLine(contact))
		}
		if c.w.main.frame.panelOpen {
			c.w.main.showPanel(newPanel(c))
		}
	}
}

// put shows a message that is new or changed.
func (c *conversation) put(item core.Item) {
	if item.Contact != c.id || !c.loaded {
		return
	}
	if i := c.index(item.ID); i >= 0 {
		if c.items[i].Change <= item.Change {
			c.items[i] = item
			c.list.Changed(i)
		}
		return
	}
	if n := len(c.items); n > 0 && item.ID < c.items[n-1].ID {
		return // it is older than what is shown, and will be read when it is scrolled to
	}
	if !item.Own && !isNotice(&item) && c.newID == 0 && !c.w.inFront {
		c.newID = item.ID
	}
	c.items = append(c.items, item)
	c.list.InsertedAtEnd(1)
	if contact := c.w.contact(c.id); contact != nil && len(c.items) == 1 {
		c.update(contact)
	}
	if item.Own {
		c.list.ScrollToEnd()
	}
}

// read tells that what is shown was seen, if the window is in front.
func (c *conversation) read() {
	if !c.w.inFront || !c.loaded || c.left {
		return
	}
	if contact := c.w.contact(c.id); contact == nil || contact.Unread == 0 {
		return
	}
	ordered(c.w, only(func(ctx context.Context) error { return c.profile.MarkRead(ctx, c.id) }), nil)
}

// send sends what was typed.
func (c *conversation) send(text string) {
	c.stopDraftTimer()
	c.draft = ""
	if i := c.index(c.newID); i >= 0 {
		c.newID = 0
		c.list.Changed(i)
	}
	ordered(c.w, func(ctx context.Context) (core.Item, error) {
		item, err := c.profile.Send(ctx, c.id, text)
		if err == nil {
			_ = c.profile.SetDraft(ctx, c.id, "") // a draft that stays is better than an error about it
		}
		return item, err
	}, func(item core.Item, err error) {
		if err != nil {
			// What was typed must not get lost.
			c.composer.SetText(joinDraft(text, c.composer.Text()))
			c.warn(sentence(err))
			return
		}
		c.put(item)
	})
}

// joinDraft puts a text that could not be sent before what was typed since.
func joinDraft(text, typed string) string {
	if typed == "" {
		return text
	}
	return text + "\n" + typed
}

// typed keeps the draft soon.
func (c *conversation) typed() {
	if !c.note.Hidden && c.composer.Text() != "" {
		if contact := c.w.contact(c.id); contact != nil && contact.State == chat.ContactConnected {
			c.note.Set(widget.ToneInfo, "")
			c.showFoot(true)
		}
	}
	if c.draftTimer == nil {
		c.draftTimer = time.AfterFunc(draftPause, func() { c.w.later(c.keepDraft) })
	}
}

func (c *conversation) stopDraftTimer() {
	if c.draftTimer != nil {
		c.draftTimer.Stop()
		c.draftTimer = nil
	}
}

// keepDraft keeps what is typed now.
func (c *conversation) keepDraft() {
	c.stopDraftTimer()
	text := c.composer.Text()
	if c.left || text == c.draft || c.profile == nil {
		return
	}
	c.draft = text
	ordered(c.w, only(func(ctx context.Context) error { return c.profile.SetDraft(ctx, c.id, text) }), nil)
}

// retry sends a message again.
func (c *conversation) retry(i int) {
	id := c.items[i].ID
	ordered(c.w, func(ctx context.Context) (core.Item, error) { return c.profile.Retry(ctx, id) }, func(_ core.Item, err error) {
		if err != nil && !c.left {
			c.warn(sentence(err))
		}
	})
}

// menu offers what can be done with a message.
func (c *conversation) menu(i int, at fyne.Position) {
	item := c.items[i]
	var entries []*fyne.MenuItem
	if text := c.list.SelectedText(); text != "" {
		entries = append(entries, fyne.NewMenuItem(lang.L("Copy selection"), func() { c.w.app.Clipboard().SetContent(text) }))
	}
	if item.Text != "" && !isNotice(&item) {
		entries = append(entries, fyne.NewMenuItem(lang.L("Copy text"), func() { c.w.app.Clipboard().SetContent(item.Text) }))
	}
	if item.State == chat.StateFailed {
		why := fyne.NewMenuItem(messageFailure(item.Failure), nil)
		why.Disabled = true
		entries = append(entries, fyne.NewMenuItemSeparator(), why, fyne.NewMenuItem(lang.L("Try again"), func() {
			if i := c.index(item.ID); i >= 0 {
				c.retry(i)
			}
		}))
	}
	if len(entries) > 0 {
		fynewidget.ShowPopUpMenuAtPosition(fyne.NewMenu("", entries...), c.w.win.Canvas(), at)
	}
}

// Len implements widget.MessageSource.
func (c *conversation) Len() int { return len(c.items) }

// At implements widget.MessageSource.
func (c *conversation) At(i int) widget.Message {
	item := &c.items[i]
	now := c.w.opt.Now()
	at := item.Time.In(now.Location())
	name := ""
	if contact := c.w.contact(c.id); contact != nil {
		name = c.w.contactName(contact)
	}
	m := widget.Message{Text: itemText(item, name), At: at, Time: clock(at), Day: dayName(at, now), New: item.ID == c.newID,
		Delivery: delivery(item), Edited: item.Edited}
	switch {
	case isNotice(item):
		m.Kind = widget.MessageService
	case item.Own:
		m.Kind = widget.MessageOutgoing
	}
	if item.Kind == chat.KindUnsupported {
		end := strings.IndexByte(m.Text, '\n')
		if end < 0 {
			end = len(m.Text)
		}
		m.Spans = []widget.Span{{Start: 0, End: end, Italic: true}}
	} else if m.Kind != widget.MessageService {
		m.Spans = linkSpans(m.Text)
	}
	return m
}

// delivery is how far one's own message got.
func delivery(i *core.Item) widget.Delivery {
	if !i.Own || isNotice(i) {
		return widget.DeliveryNone
	}
	switch i.State {
	case chat.StatePending:
		return widget.DeliveryPending
	case chat.StateSent:
		return widget.DeliverySent
	case chat.StateDelivered:
		return widget.DeliveryDelivered
	case chat.StateFailed:
		return widget.DeliveryFailed
	}
	return widget.DeliveryNone
}

// linkPattern finds what looks like a link in a message.
var linkPattern = regexp.MustCompile(`(https?://|simplex:/)[^\s<>"]+`)

// linkSpans marks the links in a text.
func linkSpans(text string) (spans []widget.Span) {
	for _, at := range linkPattern.FindAllStringIndex(text, -1) {
		link := strings.TrimRight(text[at[0]:at[1]], ".,;:!?)]}'")
		spans = append(spans, widget.Span{Start: at[0], End: at[0] + len(link), Link: link, Color: theme.ColorAccent})
	}
	return spans
}

// openLink opens the link of a message: one for connecting here, others in the browser after asking.
func (w *Window) openLink(link string) {
	if strings.HasPrefix(link, "simplex:/") {
		w.newConversation(link)
		return
	}
	u, err := url.Parse(link)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" {
		return
	}
	var d *widget.Dialog
	open := widget.NewButton(lang.L("Open"), widget.ButtonPrimary, func() {
		d.Close()
		if err := w.app.OpenURL(u); err != nil {
			w.tell(lang.L("Not opened"), lang.L("No browser was found on this computer."))
		}
	})
	cancel := widget.NewButton(lang.L("Cancel"), widget.ButtonSecondary, func() { d.Close() })
	address := widget.NewLabel(link, theme.TextBody)
	address.Bold = true
	hint := widget.NewHint(lang.L("{{.Host}} will see your network address, and that somebody opened this link.", map[string]any{"Host": u.Host}))
	d = newDialog(lang.L("Open in the browser?"), 460, widget.NewColumn(12, address, hint, widget.NewGap(1, 4), buttonRow(cancel, open)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(open)
}
