package ui

import (
	"context"
	"errors"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/theme"
	"github.com/sotto-chat/sotto/ui/widget"
)

// writing is what the composer is for besides new messages.
type writing struct {
	reply  int64                  // the message that is answered, 0 for none,
	banner *widget.ComposerBanner // and what is shown of it; nil before it was read

	edit     int64  // the message that is changed, 0 for none,
	original string // what it says; empty before it was read
	draft    string // and what was typed before: it comes back afterwards

	live     bool  // what is typed is shown to the other side at once
	liveItem int64 // the message that is being typed so, 0 before its first word
	begun    bool  // it is being sent
}

// maxRecent bounds the emoji that are offered first, because they were used lately.
const maxRecent = 24

// equip connects the composer with what it does.
func (c *conversation) equip() {
	p := c.composer
	p.OnSend = c.send
	p.OnChanged = func(string) { c.typed() }
	p.OnEditLast = c.editLast
	p.OnCancel = c.cancel
	p.OnEscape = c.w.escape
	p.OnAttach = c.chooseFiles
	p.OnPaste = c.paste
	p.OnRemove = c.detach
	p.OnEmoji = func() {
		size := c.composer.Size()
		at := c.w.app.Driver().AbsolutePositionForObject(c.composer).AddXY(widget.MirrorX(size.Width, 0, size.Width), -pickerHeight)
		c.w.pickEmoji(at, func(emoji string) { c.composer.Insert(emoji) })
	}
	if c.w.opt.Record != nil {
		p.OnVoice, p.OnVoiceDone = c.record, c.recorded
	}
	if c.w.core.Appearance().Live {
		p.OnLive = func() {
			c.endLive()
			c.writing.live = !c.writing.live
			c.composer.SetLive(c.writing.live)
		}
	}
}

// pickerHeight is about how high a picker of emoji is, in pixels.
const pickerHeight float32 = 380

// pickEmoji shows all emoji, and hands over each one that is chosen.
func (w *Window) pickEmoji(at fyne.Position, picked func(emoji string)) (popup *widget.Popup) {
	return widget.ShowEmojiPicker(w.win.Canvas(), at, w.recent, func(emoji string) {
		w.used(emoji)
		picked(emoji)
	})
}

// used puts an emoji before the others that were used lately.
func (w *Window) used(emoji string) {
	recent := []string{emoji}
	for _, e := range w.recent {
		if e != emoji && len(recent) < maxRecent {
			recent = append(recent, e)
		}
	}
	w.recent = recent
}

// answerable tells whether a message can be answered.
func answerable(item *core.Item) bool { return !isNotice(item) && item.Deleted.IsZero() }

// reply makes what is written next an answer to a message.
func (c *conversation) reply(id int64) {
	i := c.index(id)
	if i < 0 || !answerable(&c.items[i]) || !c.mayWrite() || c.changing() {
		return
	}
	c.stopEdit()
	c.setReply(&c.items[i])
	c.keepSoon()
	c.composer.Focus()
}

func (c *conversation) setReply(item *core.Item) {
	c.writing.reply = item.ID
	c.writing.banner = &widget.ComposerBanner{Icon: "reply", Title: c.author(item.Own), Text: oneLine(plainText(messageText(item))), Picture: c.media.preview(item)}
	c.showBanner()
}

// edit makes the composer change a message.
func (c *conversation) edit(id int64) {
	i := c.index(id)
	if i < 0 || !c.mayEdit(&c.items[i]) {
		return
	}
	if c.writing.edit != id {
		if c.changing() {
			return
		}
		c.stopEdit()
		c.endLive()
		c.startEdit(id, c.items[i].Text, c.items[i].Text)
	}
	c.composer.Focus()
}

// changing tells whether a message was changed and is not sent yet, which has to end before another one is answered or changed. If so it is
// said.
func (c *conversation) changing() bool {
	if c.writing.edit == 0 || c.composer.Text() == c.writing.original {
		return false
	}
	c.warn(lang.L("You are changing a message. Send or cancel that first."))
	return true
}

// startEdit changes the text of a message, which has come as far as given.
func (c *conversation) startEdit(id int64, original, text string) {
	c.writing.edit, c.writing.original, c.writing.draft = id, original, c.composer.Text()
	c.showBanner()
	c.composer.SetText(text)
}

// editLast edits the last message of one's own.
func (c *conversation) editLast() {
	for i := len(c.items) - 1; i >= 0 && !c.more; i-- {
		if item := &c.items[i]; item.Own && !isNotice(item) {
			c.edit(item.ID)
			return
		}
	}
}

// editTime is how long a message can be changed and taken back.
const editTime = 24 * time.Hour

// mayEdit tells whether a message can be changed.
func (c *conversation) mayEdit(item *core.Item) bool {
	if !item.Own || item.Kind != chat.KindText || !item.Deleted.IsZero() || item.Live || !c.mayWrite() || item.State == chat.StateFailed {
		return false
	}
	return item.State == chat.StateKept || c.w.opt.Now().Sub(item.Time) < editTime
}

// mayWrite tells whether anything can be sent.
func (c *conversation) mayWrite() bool {
	contact := c.w.contact(c.id)
	return contact != nil && (contact.State == chat.ContactConnected || contact.State == chat.ContactNotes)
}

// cancel ends changing a message, or else answering one.
func (c *conversation) cancel() {
	if c.writing.edit != 0 {
		c.stopEdit()
	} else {
		c.stopReply()
	}
}

// stopReply ends answering a message.
func (c *conversation) stopReply() {
	if c.writing.reply == 0 {
		return
	}
	c.writing.reply, c.writing.banner = 0, nil
	c.showBanner()
	c.keepSoon()
}

// stopEdit ends changing a message, and goes on with what was typed before.
func (c *conversation) stopEdit() {
	if c.writing.edit == 0 {
		return
	}
	draft := c.writing.draft
	c.writing.edit, c.writing.original, c.writing.draft = 0, "", ""
	c.showBanner()
	c.composer.SetText(draft)
	c.keepSoon()
}

// send sends what was typed.
func (c *conversation) send(text string) {
	if contact := c.w.contact(c.id); c.warning && contact != nil {
		c.update(contact)
	}
	if i := c.index(c.newID); i >= 0 {
		c.newID = 0
		c.list.Changed(i)
	}
	if c.writing.edit != 0 {
		c.sendEdited(text)
		return
	}
	reply := c.writing.reply
	c.stopReply()
	c.stopDraftTimer()
	if len(c.attached) > 0 {
		if d := (core.Draft{Text: text, Reply: reply}); d != c.kept { // this may take a while
			c.kept = d
			ordered(c.w, only(func(ctx context.Context) error { return c.profile.SetDraft(ctx, c.id, d) }), nil)
		}
		c.sendAttached(text, reply)
		return
	}
	if c.writing.live && c.writing.begun {
		c.sendLive(text, true)
		return
	}
	c.sendText(text, reply)
}

func (c *conversation) sendText(text string, reply int64) {
	c.newest()
	s := c.sending(core.Draft{}, core.Draft{Text: text, Reply: reply})
	ordered(c.w, func(ctx context.Context) (core.Item, error) {
		item, err := c.profile.Send(ctx, c.id, core.NewMessage{Text: text, Reply: reply})
		s.keep(ctx, err)
		return item, err
	}, func(item core.Item, err error) {
		s.ended(err)
		if err != nil {
			c.giveBack(text, reply, s.was, err, func() { c.sendText(text, reply) })
			return
		}
		c.put(item)
	})
}

// newest goes back to the newest messages, where what is sent appears.
func (c *conversation) newest() {
	if c.more {
		c.load(0)
	}
}

// giveBack puts what could not be sent into the composer again, and tells why. Where that is closed it becomes the draft, in place of
// what was kept of it before, and again can be tried.
func (c *conversation) giveBack(text string, reply int64, was core.Draft, err error, again func()) {
	p := c.here()
	if p == nil {
		c.putBack(func(d *core.Draft) {
			if d.Text == was.Text || d.Text == text {
				d.Text = ""
			}
			if d.Text = joinDraft(text, d.Text); d.Reply == 0 {
				d.Reply = reply
			}
		}, func() { c.notSent(err, again) })
		return
	}
	p.giveBackText(text, reply)
	p.warn(sentence(err))
}

// giveBackText puts a text, with what it answers, before what was typed since.
func (c *conversation) giveBackText(text string, reply int64) {
	if reply != 0 && c.writing.reply == 0 {
		c.writing.reply = reply
		c.resumeReply(reply)
	}
	if c.writing.edit != 0 {
		c.writing.draft = joinDraft(text, c.writing.draft)
		c.keepSoon()
		return
	}
	c.composer.SetText(joinDraft(text, c.composer.Text()))
}

// notSent tells of what could not be sent while somebody has gone on to another page, and offers to try again.
func (c *conversation) notSent(err error, again func()) {
	w := c.w
	if w.main == nil || !c.isOpen() {
		return // it was locked
	}
	text := sentence(err)
	if w.profile == c.profile {
		text = c.name() + ": " + text
	}
	var d *widget.Dialog
	retry := widget.NewButton(lang.L("Try again"), widget.ButtonPrimary, func() {
		d.Close()
		if p := c.here(); p != nil {
			p.focus() // it is there to be sent
		} else {
			again()
		}
	})
	d = newDialog(lang.L("A message was not sent"), 420, widget.NewColumn(20, widget.NewLabel(text, theme.TextBody), buttonRow(retry)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(retry) // what is being typed elsewhere must not close it
}

func (c *conversation) sendEdited(text string) {
	id, original := c.writing.edit, c.writing.original
	c.stopEdit()
	c.stopDraftTimer()
	c.editTo(id, original, text, c.written())
}

// editTo gives a message another text, after which a draft is left.
func (c *conversation) editTo(id int64, original, text string, left core.Draft) {
	unsent := left
	unsent.Edit, unsent.Edited = id, text
	s := c.sending(left, unsent)
	ordered(c.w, func(ctx context.Context) (core.Item, error) {
		item, err := c.profile.Edit(ctx, id, text)
		s.keep(ctx, err)
		return item, err
	}, func(item core.Item, err error) {
		s.ended(err)
		p := c.here()
		switch {
		case err == nil:
			c.put(item)
		case p == nil:
			c.putBack(func(d *core.Draft) {
				if d.Edit == 0 || d.Edit == id {
					d.Edit, d.Edited = id, text
				} else {
					d.Text = joinDraft(text, d.Text)
				}
			}, func() {
				left := c.kept
				left.Edit, left.Edited = 0, ""
				c.notSent(err, func() { c.editTo(id, original, text, left) })
			})
		default:
			p.editAgain(id, original, text, err)
			p.warn(sentence(err))
		}
	})
}

// editAgain goes on with the text of a message that could not be changed to it. If it can't be at all, the text becomes the draft.
func (c *conversation) editAgain(id int64, original, text string, err error) {
	switch {
	case errors.Is(err, core.ErrNoItem): // it went with the message
	case c.writing.edit != 0 || errors.Is(err, core.ErrTooOld) || errors.Is(err, core.ErrNotEditable):
		c.giveBackText(text, 0)
	default:
		c.startEdit(id, original, text)
	}
}

// joinDraft puts a text that could not be sent before what was typed since.
func joinDraft(text, typed string) string {
	if text == "" || typed == "" {
		return text + typed
	}
	return text + "\n" + typed
}

// typed keeps what is written soon.
func (c *conversation) typed() {
	if !c.note.Hidden && c.composer.Text() != "" {
		if contact := c.w.contact(c.id); contact != nil && (c.warning || contact.State == chat.ContactConnected) {
			c.update(contact)
		}
	}
	if c.writing.live && c.writing.edit == 0 && len(c.attached) == 0 && c.composer.Text() != "" {
		c.sendLive(c.composer.Text(), false)
	}
	c.keepSoon()
}

// sendLive lets the other side see what is typed so far, or with done all of it.
func (c *conversation) sendLive(text string, done bool) {
	if c.writing.begun {
		id := c.writing.liveItem
		if done {
			c.writing.begun, c.writing.liveItem = false, 0
		}
		if id == 0 && !done {
			return // the first word is on its way; what was typed since goes with the next
		}
		c.updateLive(id, text, done)
		return
	}
	c.writing.begun = true
	reply := c.writing.reply
	ordered(c.w, func(ctx context.Context) (core.Item, error) {
		return c.profile.Send(ctx, c.id, core.NewMessage{Text: text, Reply: reply, Live: true})
	}, func(item core.Item, err error) {
		if err != nil {
			c.writing.begun = false
			c.warn(sentence(err))
			return
		}
		c.put(item)
		if c.writing.begun {
			c.writing.liveItem = item.ID
		}
	})
}

// updateLive gives a live message its next text. Without an id it is the one that was begun last.
func (c *conversation) updateLive(id int64, text string, done bool) {
	var s *sending
	if done {
		s = c.sending(core.Draft{}, core.Draft{Text: text})
	}
	ordered(c.w, func(ctx context.Context) (item core.Item, err error) {
		if id == 0 {
			if id, err = c.lastLive(ctx); err != nil {
				return item, err
			}
		}
		if item, err = c.profile.UpdateLive(ctx, id, text, done); done {
			s.keep(ctx, err)
		}
		return item, err
	}, func(item core.Item, err error) {
		if done {
			s.ended(err)
		}
		switch {
		case err == nil:
			c.put(item)
		case done:
			c.giveBack(text, 0, s.was, err, func() { c.sendText(text, 0) })
		}
	})
}

// lastLive returns the id of the message that is being typed, which was sent before.
func (c *conversation) lastLive(ctx context.Context) (int64, error) {
	items, err := c.profile.History(ctx, c.id, 0, historyPage)
	for i := len(items) - 1; i >= 0; i-- {
		if items[i].Own && items[i].Live {
			return items[i].ID, err
		}
	}
	if err == nil {
		err = core.ErrNotLive
	}
	return 0, err
}

// endLive makes a message that is being typed one like any other.
func (c *conversation) endLive() {
	if text := c.composer.Text(); c.writing.begun && text != "" {
		c.stopReply()
		c.sendLive(text, true)
		c.composer.SetText("")
	}
}
