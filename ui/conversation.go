package ui

import (
	"context"
	"slices"
	"sort"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// conversation is the page with the messages of a contact.
type conversation struct {
	w       *Window
	id      int64
	profile *core.Profile
	state   core.ContactState // that is shown

	items    []core.Item // in the order of the conversation: a part of it without gaps
	loaded   bool        // something was read
	complete bool        // items begin with the first message
	more     bool        // items don't end with the newest one
	newID    int64       // the first message that was unread when the conversation was opened, or 0
	reading  int         // counts jumps: what was read for an earlier one is dropped

	screen   fyne.CanvasObject
	stack    *fyne.Container // what is in screen, from its top
	head     *head
	list     *widget.MessageList
	composer *widget.Composer
	note     *widget.Note
	foot     *fyne.Container // the composer with a note above it, of which either may be hidden
	body     *fyne.Container // what is below the head
	middle   *fyne.Container // the list, or what is shown while there are no messages

	warned     string            // what warn said last
	warning    bool              // the note above the composer is what warn said
	tell       func(text string) // does what warn does in place of it; may be nil
	kept       core.Draft        // what was kept last
	draftTimer *time.Timer
	left       bool

	writing   writing         // what the composer is for besides new messages
	attached  []attached      // what will be sent with the text
	recording *recording      // nil if nothing is recorded
	playing   *playing        // nil if nothing is played
	chooser   *chooser        // below the messages while several are chosen
	find      *findBar        // above the messages while they are searched
	texts     map[int64]shown // texts as they are shown, by the id of their message
	media     *media          // pictures of messages
	carriers  []core.Carrier  // the relays of the conversation, as far as they were read
}

var (
	_ page                 = (*conversation)(nil)
	_ widget.MessageSource = (*conversation)(nil)
)

func newConversationPage(w *Window, contact *core.Contact) *conversation {
	c := &conversation{w: w, id: contact.ID, profile: w.profile, texts: make(map[int64]shown)}
	c.media = newMedia(c)
	search := widget.NewIconButton("search", lang.L("Search in this conversation"), c.search)
	info := widget.NewIconButton("info", lang.L("About this conversation"), c.togglePanel)
	c.head = newHead(widget.NewAvatar(w.avatar(contact), widget.AvatarMedium), w.main.back, search, info)
	c.list = widget.NewMessageList(c)
	c.listen()
	c.composer = widget.NewComposer(lang.L("Message"))
	c.start(w.draft(contact))
	c.equip()
	c.note = widget.NewNote(widget.ToneInfo, "")
	noteBar := widget.NewSurface(theme.ColorPanel, container.New(stackLayout{}, widget.NewLine(), widget.NewInset(c.note, 10, 18)))
	c.chooser = newChooser(c)
	c.foot = container.New(stackLayout{}, noteBar, c.chooser.bar, c.composer)
	c.middle = container.NewStack(c.list)
	c.find = newFindBar(c)
	c.body = container.New(footLayout{}, c.middle, c.foot)
	c.composer.OnResized = c.body.Refresh
	c.stack = container.New(stackLayout{}, c.head.content, c.find.bar, c.body)
	c.screen = widget.NewSurface(theme.ColorBackground, c.stack)
	c.update(contact)
	c.load(contact.Unread)
	c.resume()
	c.readCarriers()
	return c
}

// listen connects the list of messages with what is done with them.
func (c *conversation) listen() {
	l := c.list
	l.After = c.w.after
	l.SetPlaying(c.w.inFront && c.w.moves())
	l.OnOlder, l.OnNewer, l.OnNewest = c.readOlder, c.readNewer, c.toNewest
	l.OnRetry = c.retry
	l.OnMenu = c.menu
	l.OnReply = func(i int) { c.reply(c.items[i].ID) }
	l.OnReact = c.pickReaction
	l.OnReaction = c.toggleReaction
	l.OnQuote = c.toQuoted
	l.OnAttachment = c.attachmentTapped
	l.OnSeek, l.OnSpeed = c.seek, c.faster
	l.OnLink = func(_ int, link string) { c.w.openLink(link) }
	l.OnChosen = func() { c.chooser.update() }
	l.OnTyped = func(r rune) {
		if !c.list.Choosing() && c.composer.Visible() {
			c.composer.Focus()
			c.composer.Insert(string(r))
		}
	}
	l.OnEscape = c.focus
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
func (c *conversation) leave()                    { c.head.leave() }

// focus puts the cursor where one writes, or into the messages where nothing can be written.
func (c *conversation) focus() {
	if c.composer.Visible() {
		c.w.win.Canvas().Focus(c.composer.Focusable()) // the composer knows its canvas only after it was drawn
	} else {
		c.w.win.Canvas().Focus(c.list)
	}
}

// closed keeps what is written.
func (c *conversation) closed() {
	c.endLive()
	c.recorded(false)
	c.stopPlaying()
	c.list.SetPlaying(false)
	c.keepDraft()
	c.left = true
	c.hold(c.attached)
}

// updateHead shows what is known of the contact above the messages.
func (c *conversation) updateHead(contact *core.Contact) {
	c.head.avatar.SetView(c.w.avatar(contact))
	c.head.set(c.w.contactName(contact), c.w.connectionLine(contact))
	c.head.setPills(c.w.contactPills(contact)...)
}

// update shows what is known of the contact, in place of what warn said.
func (c *conversation) update(contact *core.Contact) {
	c.state, c.warning = contact.State, false
	name := c.w.contactName(contact)
	c.updateHead(contact)
	c.note.SetAction("", nil)
	composer := contact.State == chat.ContactConnected || contact.State == chat.ContactNotes
	var empty fyne.CanvasObject
	switch contact.State {
	case chat.ContactConnecting:
		text := lang.L("You can write as soon as the other side was online.")
		if contact.Held != "" {
			text = heldSentence(contact.Held)
		}
		empty = widget.NewEmptyStateWith("pending", lang.L("Connecting"), text,
			widget.NewButton(lang.L("Cancel connecting…"), widget.ButtonSecondary, func() { c.w.askDelete(c.id) }))
		c.note.Set(widget.ToneInfo, text)
	case chat.ContactFailed:
		empty = widget.NewEmptyStateWith("failed", lang.L("Not connected"), contactFailure(contact.Failure),
			widget.NewButton(lang.L("Delete…"), widget.ButtonSecondary, func() { c.w.askDelete(c.id) }))
		c.note.Set(widget.ToneDanger, contactFailure(contact.Failure))
		c.note.SetAction(lang.L("Delete…"), func() { c.w.askDelete(c.id) })
	case chat.ContactLeft:
		c.note.Set(widget.ToneWarning, lang.L("{{.Name}} has deleted this conversation. Nothing more can be sent.", map[string]any{"Name": name}))
		c.note.SetAction(lang.L("Delete…"), func() { c.w.askDelete(c.id) })
	case chat.ContactNotes:
		empty = widget.NewEmptyState("edit", lang.L("Notes to myself"), lang.L("What you write here stays on this computer, encrypted."), "", nil)
		c.note.Set(widget.ToneInfo, "")
	default:
		empty = widget.NewEmptyState("lock", lang.L("You are connected with {{.Name}}", map[string]any{"Name": name}),
			lang.L("Write the first message. Only the two of you can read what is said here."), "", nil)
		c.note.Set(widget.ToneInfo, "")
		c.tellState(contact)
	}
	c.middle.Objects = []fyne.CanvasObject{c.list}
	if c.loaded && len(c.items) == 0 && empty != nil {
		if contact.State != chat.ContactConnected {
			c.note.Set(widget.ToneInfo, "")
		}
		c.middle.Objects = []fyne.CanvasObject{empty}
	}
	c.middle.Refresh()
	c.showFoot(composer)
}

// showFoot shows the composer or not, and the note if it has something to tell.
func (c *conversation) showFoot(composer bool) {
	appeared := composer && c.composer.Hidden
	if c.list.Choosing() {
		c.chooser.bar.Show()
	} else {
		c.chooser.bar.Hide()
	}
	c.composer.Hidden = !composer || c.list.Choosing()
	c.foot.Objects[0].(*widget.Surface).Hidden = c.note.Hidden
	c.foot.Refresh()
	c.body.Refresh()
	// Whoever waited for the connection can write at once.
	if appeared && c.w.win.Canvas().Focused() == fyne.Focusable(c.list) {
		c.focus()
	}
}

// warn shows what went wrong above the composer until something is written or sent.
func (c *conversation) warn(text string) {
	c.warned = text
	if c.tell != nil {
		c.tell(text)
		return
	}
	c.warning = true
	c.note.Set(widget.ToneDanger, text)
	c.note.SetAction("", nil)
	c.showFoot(c.composer.Visible())
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
		if c.loaded && !c.more {
			c.load(0)
		}
	case core.ContactChanged:
		if e.Contact.ID != c.id {
			return
		}
		if e.Contact.State == chat.ContactInvited {
			return
		}
		connected := c.state != e.Contact.State
		if c.warning && !connected {
			c.updateHead(&e.Contact)
		} else {
			c.update(&e.Contact)
		}
		c.read()
		c.refreshPanel()
		if connected {
			c.readCarriers()
		}
	case core.ItemAdded:
		c.put(e.Item)
	case core.ItemChanged:
		c.put(e.Item)
		if e.Item.Contact == c.id && !e.Item.Deleted.IsZero() {
			c.gone(e.Item.ID)
		}
	case core.ItemsRemoved:
		if e.Contact == c.id {
			c.remove(e.Items)
		}
	case core.FileProgress:
		c.fileProgress(e)
	case core.RelayChanged, core.TorChanged:
		if contact := c.w.contact(c.id); contact != nil {
			c.head.set(c.w.contactName(contact), c.w.connectionLine(contact))
		}
		c.readCarriers()
	}
}

// put shows a message that is new or changed.
func (c *conversation) put(item core.Item) {
	if item.Contact != c.id || !c.loaded {
		return
	}
	if i := c.index(item.ID); i >= 0 {
		if old := c.items[i]; old.Change <= item.Change {
			c.items[i] = item
			c.list.Changed(i)
			c.fileChanged(old.File, &item)
		}
		return
	}
	if n := len(c.items); c.more || n > 0 && item.ID < c.items[n-1].ID {
		return // it will be read when it is scrolled to
	}
	if !item.Own && !isNotice(&item) && c.newID == 0 && !c.w.inFront {
		c.newID = item.ID
	}
	c.items = append(c.items, item)
	c.list.InsertedAtEnd(1)
	if item.Kind == chat.KindMoved || item.Kind == chat.KindPeerMoved {
		c.readCarriers()
	}
	if contact := c.w.contact(c.id); contact != nil && (len(c.items) == 1 || isNotice(&item)) {
		c.update(contact)
	}
	if item.Own && !isNotice(&item) {
		c.list.ScrollToEnd()
	}
}

// remove takes away messages that were deleted or have disappeared.
func (c *conversation) remove(ids []int64) {
	for _, id := range ids {
		if i := c.index(id); i >= 0 {
			c.items = slices.Delete(c.items, i, i+1)
			c.list.Removed(i)
		}
		delete(c.texts, id)
		c.media.forget(id)
	}
	c.find.removed(ids)
	if contact := c.w.contact(c.id); contact != nil && len(c.items) == 0 {
		c.update(contact)
	}
	for _, id := range ids {
		c.gone(id)
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
