package ui

import (
	"context"
	"errors"
	"image"
	"slices"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/ui/widget"
)

// draftPause is how long after something was typed the draft is kept, with what was typed meanwhile.
const draftPause = time.Second

// pendingDraft is a draft that is being stored.
type pendingDraft struct {
	core.Draft
	failed bool // it could not be: it is here alone
}

// key names the conversation.
func (c *conversation) key() contactKey { return contactKey{c.profile.ID(), c.id} }

// here is the page on which the conversation is open: this one, or one that was opened since. It is nil if there is none.
func (c *conversation) here() *conversation {
	if !c.left {
		return c
	}
	if c.w.main != nil {
		if p, ok := c.w.main.content.(*conversation); ok && !p.left && p.profile == c.profile && p.id == c.id {
			return p
		}
	}
	return nil
}

// draft is what was written to a contact of the profile that is shown and not sent.
func (w *Window) draft(contact *core.Contact) core.Draft {
	if p := w.drafts[w.key(contact.ID)]; p != nil {
		return p.Draft
	}
	return contact.Draft
}

// draftText is what the list shows of a draft.
func draftText(d core.Draft) string {
	if d.Edit != 0 && d.Edited != "" {
		return d.Edited
	}
	return d.Text
}

// written is what was written here and not sent.
func (c *conversation) written() core.Draft {
	text := c.composer.Text()
	if c.writing.edit == 0 {
		return core.Draft{Text: text, Reply: c.writing.reply}
	}
	d := core.Draft{Text: c.writing.draft, Reply: c.writing.reply}
	if text != c.writing.original {
		d.Edit, d.Edited = c.writing.edit, text
	}
	return d
}

// keepSoon keeps what is written, with what is written meanwhile.
func (c *conversation) keepSoon() {
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

// keepDraft keeps what is written now.
func (c *conversation) keepDraft() {
	c.stopDraftTimer()
	d := c.written()
	if old := c.w.drafts[c.key()]; c.left || d == c.kept && (old == nil || !old.failed) {
		return
	}
	p := c.storing(d)
	ordered(c.w, func(ctx context.Context) (core.Draft, error) {
		if err := c.profile.SetDraft(ctx, c.id, d); err != nil {
			return d, err
		}
		contact, err := c.profile.Contact(ctx, c.id)
		return contact.Draft, err
	}, func(kept core.Draft, err error) {
		if c.lost(err) {
			p.failed = true
			return
		}
		c.stored(p, kept)
	})
}

// lost tells whether a draft that could not be stored for a reason is here alone.
func (c *conversation) lost(err error) bool {
	return err != nil && !errors.Is(err, core.ErrNoContact) && c.isOpen()
}

// isOpen tells whether the profile was neither locked nor deleted.
func (c *conversation) isOpen() bool { return c.w.core.Profile(c.profile.ID()) == c.profile }

// storing has a draft stand for what is in the database until that is stored, which the caller sees to.
func (c *conversation) storing(d core.Draft) *pendingDraft {
	p := &pendingDraft{Draft: d}
	c.kept, c.w.drafts[c.key()] = d, p
	return p
}

// stored has the draft be the one in the database again, which is as given.
func (c *conversation) stored(p *pendingDraft, kept core.Draft) {
	if c.w.drafts[c.key()] != p {
		return // there is another one since
	}
	delete(c.w.drafts, c.key())
	c.kept = kept
	if p := c.here(); p != nil {
		p.kept = kept
	}
	if contact := c.w.contact(c.id); contact != nil && c.w.profile == c.profile && contact.Draft != kept {
		contact.Draft = kept // the event that tells it is not here yet
		c.w.main.refreshList()
	}
}

// sending is what becomes of the draft while a part of it is being sent.
type sending struct {
	c *conversation
	// What is in the database before, after it was sent, and if it could not be.
	was, left, unsent core.Draft
	pending           *pendingDraft
}

// sending begins to send a part of the draft.
func (c *conversation) sending(left, unsent core.Draft) *sending {
	s := &sending{c: c, was: c.kept, left: left, unsent: unsent}
	s.pending = c.storing(left)
	return s
}

// after is the draft after something was sent, or could not be for a reason.
func (s *sending) after(err error) core.Draft {
	if err != nil {
		return s.unsent
	}
	return s.left
}

// keep stores the draft after something was sent, or could not be for a reason. It is called beside the main goroutine.
func (s *sending) keep(ctx context.Context, err error) {
	_ = s.c.profile.ReplaceDraft(ctx, s.c.id, s.was, s.after(err)) // a draft that stays is better than an error about it
}

// ended is called after that.
func (s *sending) ended(err error) { s.c.stored(s.pending, s.after(err)) }

// putBack has change put what could not be sent into the draft of the conversation, which is not open. Then it calls done.
func (c *conversation) putBack(change func(d *core.Draft), done func()) {
	ordered(c.w, func(ctx context.Context) (d core.Draft, err error) {
		contact, err := c.profile.Contact(ctx, c.id)
		d = contact.Draft
		if change(&d); err == nil {
			err = c.profile.SetDraft(ctx, c.id, d)
		}
		return d, err
	}, func(d core.Draft, err error) {
		if old := c.w.drafts[c.key()]; old == nil || old.failed {
			if p := c.storing(d); c.lost(err) {
				p.failed = true
			} else {
				c.stored(p, d)
			}
		}
		done()
	})
}

// keepWritten keeps what is being written before its profile is locked.
func (w *Window) keepWritten() {
	if w.main == nil {
		return
	}
	if c, ok := w.main.content.(*conversation); ok {
		c.endLive()
		c.keepDraft()
	}
}

// forgetWritten forgets what is kept here, and not in the database, of what was written to contacts: those that gone tells.
func (w *Window) forgetWritten(gone func(key contactKey) bool) {
	for key := range w.drafts {
		if gone(key) {
			delete(w.drafts, key)
		}
	}
	for key := range w.attached {
		if gone(key) {
			delete(w.attached, key)
		}
	}
}

// start goes on with what was being written when the conversation was left.
func (c *conversation) start(d core.Draft) {
	c.kept = d
	c.writing.reply, c.writing.edit = d.Reply, d.Edit
	c.composer.SetText(d.Text)
	if d.Edit != 0 {
		c.writing.draft = d.Text
		c.composer.SetText(d.Edited)
		c.showBanner()
	}
	c.attached = c.w.attached[c.key()]
	delete(c.w.attached, c.key())
	if len(c.attached) > 0 {
		c.showAttached()
	}
}

// resume looks whether the messages that are being answered and changed still are such that they can be.
func (c *conversation) resume() {
	if id := c.writing.reply; id != 0 {
		c.resumeReply(id)
	}
	if id := c.writing.edit; id != 0 {
		c.resumeEdit(id)
	}
}

func (c *conversation) resumeReply(id int64) {
	c.readItem(id, func(item core.Item, err error) {
		switch {
		case c.writing.reply != id:
		case errors.Is(err, core.ErrNoItem) || err == nil && !answerable(&item):
			c.stopReply()
		case err == nil:
			c.setReply(&item)
		}
	})
}

func (c *conversation) resumeEdit(id int64) {
	c.readItem(id, func(item core.Item, err error) {
		switch {
		case c.writing.edit != id:
		case errors.Is(err, core.ErrNoItem) || err == nil && !item.Deleted.IsZero():
			c.gone(id)
		case err != nil:
			c.warn(sentence(err))
		case c.mayWrite() && !c.mayEdit(&item):
			text := c.composer.Text()
			c.stopEdit()
			if text != item.Text {
				c.composer.SetText(joinDraft(text, c.composer.Text()))
				c.warn(lang.L("This message can't be changed any more. What you have typed is kept as a draft."))
			}
		case c.composer.Text() == item.Text:
			c.stopEdit() // it was sent
		default:
			c.writing.original = item.Text
			c.showBanner()
		}
	})
}

// readItem reads a message of the conversation, or returns core.ErrNoItem, while the page is open.
func (c *conversation) readItem(id int64, done func(core.Item, error)) {
	ordered(c.w, func(ctx context.Context) (item core.Item, err error) {
		items, err := c.profile.Around(ctx, c.id, id, 1)
		if err != nil {
			return item, err
		}
		if i := slices.IndexFunc(items, func(i core.Item) bool { return i.ID == id }); i >= 0 {
			return items[i], nil
		}
		return item, core.ErrNoItem
	}, func(item core.Item, err error) {
		if !c.left {
			done(item, err)
		}
	})
}

// showBanner shows what is being changed, or else what is being answered.
func (c *conversation) showBanner() {
	if c.writing.edit != 0 {
		c.composer.SetBanner(&widget.ComposerBanner{Icon: "edit", Title: lang.L("Edit message"), Text: oneLine(plainText(c.writing.original))})
		return
	}
	c.composer.SetBanner(c.writing.banner)
}

// showReplyPicture shows the picture of the message that is answered once it was decoded.
func (c *conversation) showReplyPicture(key pictureKey, img image.Image) {
	if c.writing.banner != nil && key == (pictureKey{c.writing.reply, picturePreview}) {
		c.writing.banner.Picture = img
		c.showBanner()
	}
}

// gone ends that a message is answered or changed that was deleted or taken back, or has disappeared. A text that it was to have goes
// with it: it would be a copy of what is to be here no more.
func (c *conversation) gone(id int64) {
	if c.writing.reply == id {
		c.stopReply()
	}
	if c.writing.edit == id {
		c.stopEdit()
		c.warn(lang.L("The message that you were changing is gone."))
	}
}
