package ui

import (
	"context"
	"errors"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

// contactKey names a contact of any profile.
type contactKey struct {
	profile string
	contact int64
}

// key names a contact of the profile that is shown.
func (w *Window) key(contact int64) contactKey { return contactKey{w.profile.ID(), contact} }

// move is under way from the moment at which another relay is asked for until messages wait there.
type move struct {
	cancel func() // nil once the relay has made room: the rest can't be stopped
	err    error  // why it did not begin
}

// askMove asks whether messages of a contact are to wait on another relay.
func (w *Window) askMove(id int64) {
	c := w.contact(id)
	if c == nil {
		return
	}
	w.confirm(lang.L("Move to another relay?"), lang.L("Messages of {{.Name}} wait on another one of your relays then. Nothing gets lost meanwhile, and the old relay deletes its queue.",
		map[string]any{"Name": w.contactName(c)}), lang.L("Move"), func() { w.startMove(id) })
}

// startMove has another relay make room for the messages of a contact.
func (w *Window) startMove(id int64) {
	p, key := w.profile, w.key(id)
	if w.moving[key] != nil && w.moving[key].err == nil {
		return
	}
	m := &move{}
	w.moving[key] = m
	m.cancel = apart(w, only(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, inviteTime)
		defer cancel()
		return p.Rotate(ctx, id)
	}), func(_ nothing, err error) {
		m.cancel, m.err = nil, err
		if errors.Is(err, context.Canceled) {
			delete(w.moving, key)
		}
		w.mended(id)
	})
	w.mended(id)
}

// askResync asks whether the encryption with a contact is to be made anew.
func (w *Window) askResync(id int64) {
	c := w.contact(id)
	if c == nil {
		return
	}
	w.confirm(lang.L("Synchronize the encryption?"), lang.L("New keys are agreed on with {{.Name}}, as is needed when one of you has restored a backup. The security code changes: compare it again afterwards.",
		map[string]any{"Name": w.contactName(c)}), lang.L("Synchronize"), func() { w.resync(id) })
}

// resync makes the encryption with a contact anew. Notices in the conversation tell how it goes on.
func (w *Window) resync(id int64) {
	p := w.profile
	ordered(w, only(func(ctx context.Context) error { return p.Resync(ctx, id) }), func(_ nothing, err error) {
		if err == nil || w.profile != p || w.main == nil {
			return
		}
		if c, ok := w.main.content.(*conversation); ok && c.id == id {
			c.warn(sentence(err))
			return
		}
		w.tell(lang.L("Not synchronized"), sentence(err))
	})
}

// receiveHere has the messages of a contact come here again, and not to another program.
func (w *Window) receiveHere(id int64) {
	p := w.profile
	ordered(w, only(func(ctx context.Context) error { return p.ReceiveHere(ctx, id) }), func(_ nothing, err error) {
		if err != nil && w.profile == p && w.main != nil {
			w.tell(lang.L("Not received here"), sentence(err))
		}
	})
}

// mended shows again how far mending a conversation is.
func (w *Window) mended(id int64) {
	if w.profile == nil || w.main == nil {
		return
	}
	c, ok := w.main.content.(*conversation)
	if contact := w.contact(id); ok && c.id == id && contact != nil {
		c.update(contact)
		if w.main.frame.panelOpen {
			c.refreshPanel()
		}
	}
}

// moved takes over that messages of a contact wait on another relay.
func (w *Window) moved(profile string, item core.Item) {
	if item.Kind == chat.KindMoved {
		delete(w.moving, contactKey{profile, item.Contact})
	}
}

// needsSync tells what the newest notice about the encryption says: that it has to be synchronized, is being synchronized, or
// nothing that matters any more.
func needsSync(items []core.Item) core.ItemKind {
	for i := len(items) - 1; i >= 0; i-- {
		switch k := items[i].Kind; k {
		case chat.KindOutOfSync, chat.KindSyncing:
			return k
		case chat.KindSynced:
			return ""
		case chat.KindText, chat.KindUnsupported:
			if !items[i].Own {
				return "" // it was decrypted
			}
		}
	}
	return ""
}

// tellHeld tells that what is written waits, and leads to where that can be changed.
func (c *conversation) tellHeld(contact *core.Contact) {
	c.note.Set(widget.ToneWarning, heldSentence(contact.Held))
	c.note.SetAction(lang.L("Settings…"), c.w.showNetwork)
}

// tellState tells above the composer what is wrong with a connected conversation, and offers what can be done about it.
func (c *conversation) tellState(contact *core.Contact) {
	w, name := c.w, map[string]any{"Name": c.w.contactName(contact)}
	move := w.moving[w.key(c.id)]
	sync := needsSync(c.items)
	switch {
	case contact.Blocked:
		c.note.Set(widget.ToneWarning, lang.L("You have blocked {{.Name}}: what this contact sends is dropped.", name))
		c.note.SetAction(lang.L("Unblock"), func() { w.setBlocked(c.id, false) })
	case contact.Elsewhere:
		c.note.Set(widget.ToneWarning, lang.L("Another Sotto that has a copy of this profile receives the messages of {{.Name}}. Use only one of them.", name))
		c.note.SetAction(lang.L("Receive here"), func() { w.receiveHere(c.id) })
	case contact.Held != "":
		c.tellHeld(contact)
	case sync == chat.KindOutOfSync:
		c.note.Set(widget.ToneWarning, lang.L("Messages of {{.Name}} can't be decrypted any more. New keys make it possible again.", name))
		c.note.SetAction(lang.L("Synchronize"), func() { w.askResync(c.id) })
	case sync == chat.KindSyncing:
		c.note.Set(widget.ToneInfo, lang.L("New keys were sent. The encryption is in order again when {{.Name}} was online.", name))
	case w.codeChanged[w.key(c.id)] && contact.Verified.IsZero():
		c.note.Set(widget.ToneWarning, lang.L("The security code of {{.Name}} has changed. Compare it again before you write anything secret.", name))
		c.note.SetAction(lang.L("Compare…"), func() { w.showVerify(c.id) })
	case c.openOffer() > 0:
		after := c.openOffer()
		c.note.Set(widget.ToneInfo, lang.L("{{.Name}} would like messages to disappear after {{.Time}}.", map[string]any{"Name": c.w.contactName(contact), "Time": timeSpan(after)}))
		c.note.SetAction(lang.L("Agree"), func() { c.setDisappearing(after) })
	case move != nil && move.err != nil:
		c.note.Set(widget.ToneDanger, lang.L("Not moved to another relay. {{.Reason}}", map[string]any{"Reason": sentence(move.err)}))
		c.note.SetAction(lang.L("Try again"), func() { w.startMove(c.id) })
	case move != nil && move.cancel != nil:
		c.note.Set(widget.ToneInfo, lang.L("Asking another relay for a place where messages of {{.Name}} can wait…", name))
		c.note.SetAction(lang.L("Cancel"), move.cancel)
	case move != nil:
		c.note.Set(widget.ToneInfo, lang.L("Moving to another relay. It is done when {{.Name}} was online.", name))
	}
}
