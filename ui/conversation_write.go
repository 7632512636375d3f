package ui

import (
	"context"
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
	item  int64 // that is answered or edited, 0 for none
	edit  bool
	draft string // what was typed before a message was edited

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
	p.OnCancel = c.stopWriting
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

// reply makes what is written next an answer to a message.
func (c *conversation) reply(id int64) {
	i := c.index(id)
	if i < 0 || isNotice(&c.items[i]) || !c.mayWrite() {
		return
	}
	c.stopWriting()
	item := &c.items[i]
	c.writing.item = id
	c.composer.SetBanner(&widget.ComposerBanner{Icon: "reply", Title: c.author(item.Own), Text: oneLine(plainText(messageText(item))), Picture: c.media.preview(item)})
	c.composer.Focus()
}

// edit makes the composer change a message.
func (c *conversation) edit(id int64) {
	i := c.index(id)
	if i < 0 || !c.mayEdit(&c.items[i]) {
		return
	}
	c.stopWriting()
	c.endLive()
	item := &c.items[i]
	c.keepDraft()
	c.writing.item, c.writing.edit, c.writing.draft = id, true, c.composer.Text()
	c.composer.SetBanner(&widget.ComposerBanner{Icon: "edit", Title: lang.L("Edit message"), Text: oneLine(plainText(item.Text))})
	c.composer.SetText(item.Text)
	c.composer.Focus()
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

// stopWriting ends answering or editing.
func (c *conversation) stopWriting() {
	old := c.writing
	c.writing.item, c.writing.edit, c.writing.draft = 0, false, ""
	c.composer.SetBanner(nil)
	if old.edit {
		c.composer.SetText(old.draft)
	}
}

// send sends what was typed.
func (c *conversation) send(text string) {
	c.stopDraftTimer()
	if i := c.index(c.newID); i >= 0 {
		c.newID = 0
		c.list.Changed(i)
	}
	if c.writing.edit {
		c.sendEdited(text)
		return
	}
	c.draft = ""
	reply := c.writing.item
	c.stopWriting()
	if len(c.attached) > 0 {
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
	ordered(c.w, func(ctx context.Context) (core.Item, error) {
		item, err := c.profile.Send(ctx, c.id, core.NewMessage{Text: text, Reply: reply})
		if err == nil {
			_ = c.profile.SetDraft(ctx, c.id, "") // a draft that stays is better than an error about it
		}
		return item, err
	}, func(item core.Item, err error) {
		if err != nil {
			c.giveBack(text, reply, err)
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

// giveBack puts what could not be sent into the composer again, and tells why.
func (c *conversation) giveBack(text string, reply int64, err error) {
	if c.left {
		c.notSent(err, func() { c.sendText(text, reply) })
		return
	}
	c.composer.SetText(joinDraft(text, c.composer.Text()))
	if reply != 0 && c.writing.item == 0 {
		c.reply(reply)
	}
	c.warn(sentence(err))
}

// notSent tells of what could not be sent while somebody has gone on to another page, and offers to try again.
func (c *conversation) notSent(err error, again func()) {
	w := c.w
	if w.main == nil || w.core.Profile(c.profile.ID()) != c.profile {
		return // it was locked
	}
	text := sentence(err)
	if w.profile == c.profile {
		text = c.name() + ": " + text
	}
	var d *widget.Dialog
	retry := widget.NewButton(lang.L("Try again"), widget.ButtonPrimary, func() {
		d.Close()
		again()
	})
	d = newDialog(lang.L("A message was not sent"), 420, widget.NewColumn(20, widget.NewLabel(text, theme.TextBody), buttonRow(retry)))
	d.ShowOn(w.win.Canvas())
	w.win.Canvas().Focus(retry) // what is being typed elsewhere must not close it
}

func (c *conversation) sendEdited(text string) {
	id, draft := c.writing.item, c.writing.draft
	c.writing.edit = false // the text goes with the message
	c.stopWriting()
	ordered(c.w, func(ctx context.Context) (core.Item, error) { return c.profile.Edit(ctx, id, text) }, func(item core.Item, err error) {
		if err != nil && c.left {
			c.notSent(err, func() {
				c.writing.item, c.writing.draft = id, draft
				c.sendEdited(text)
			})
			return
		}
		if err != nil {
			if c.composer.Text() == "" {
				if c.edit(id); c.writing.edit {
					c.composer.SetText(text)
					c.writing.draft = draft
				}
			}
			c.warn(sentence(err))
			return
		}
		if c.composer.Text() == "" && draft != "" {
			c.composer.SetText(draft)
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
			c.update(contact)
		}
	}
	if c.writing.edit {
		return
	}
	if c.writing.live && len(c.attached) == 0 && c.composer.Text() != "" {
		c.sendLive(c.composer.Text(), false)
	}
	if c.draftTimer == nil {
		c.draftTimer = time.AfterFunc(draftPause, func() { c.w.later(c.keepDraft) })
	}
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
	reply := c.writing.item
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
	ordered(c.w, func(ctx context.Context) (item core.Item, err error) {
		if id == 0 {
			if id, err = c.lastLive(ctx); err != nil {
				return item, err
			}
		}
		if item, err = c.profile.UpdateLive(ctx, id, text, done); err == nil && done {
			_ = c.profile.SetDraft(ctx, c.id, "") // a draft that stays is better than an error about it
		}
		return item, err
	}, func(item core.Item, err error) {
		if err != nil {
			if done {
				c.giveBack(text, 0, err)
			}
			return
		}
		c.put(item)
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
		c.sendLive(text, true)
		c.draft = ""
		c.composer.SetText("")
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
	if c.writing.edit {
		text = c.writing.draft
	}
	if c.left || text == c.draft || c.profile == nil {
		return
	}
	c.draft = text
	ordered(c.w, only(func(ctx context.Context) error { return c.profile.SetDraft(ctx, c.id, text) }), nil)
}
