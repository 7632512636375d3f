package ui

import (
	"context"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

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
	menu := widget.Menu{Items: c.menuItems(&item)}
	if c.mayReact(&item) {
		menu.Emoji, menu.Chosen = core.Emojis(), ownReactions(&item)
		menu.OnEmoji = func(emoji string) { c.react(item.ID, emoji) }
	}
	if len(menu.Items) > 0 {
		widget.ShowMenu(c.w.win.Canvas(), at, menu)
	}
}

// menuItems is what can be done with a message.
func (c *conversation) menuItems(item *core.Item) (items []widget.MenuItem) {
	id, notice, here := item.ID, isNotice(item), item.Deleted.IsZero()
	add := func(when bool, icon, text, hint string, do func()) {
		if when {
			items = append(items, widget.MenuItem{Icon: icon, Text: text, Hint: hint, Do: do})
		}
	}
	if item.State == chat.StateFailed {
		add(true, "warning", messageFailure(item.Failure), "", nil)
		add(true, "retry", lang.L("Try again"), "", func() {
			if i := c.index(id); i >= 0 {
				c.retry(i)
			}
		})
	}
	items = append(items, c.fileItems(item)...)
	if offer := c.disappearingOffer(item); offer > 0 {
		add(true, "timer", lang.L("Agree"), "", func() { c.setDisappearing(offer) })
	}
	add(!notice && here && c.mayWrite(), "reply", lang.L("Reply"), "", func() { c.reply(id) })
	add(c.mayEdit(item), "edit", lang.L("Edit"), c.editHint(item), func() { c.edit(id) })
	add(c.w.copyable(item), "image", lang.L("Copy picture"), "", func() { c.copyImage(item) })
	selected := c.list.SelectedText()
	add(selected != "", "copy", lang.L("Copy selection"), "", func() { c.w.copyText(selected) })
	add(!notice && here && item.Text != "" && selected == "", "copy", lang.L("Copy text"), "", func() { c.w.copyText(item.Text) })
	add(!notice && here && !item.Live, "forward", lang.L("Forward…"), "", func() { c.forward([]int64{id}) })
	add(!notice, "info", lang.L("Info"), "", func() { c.showInfo(id) })
	add(!notice, "select", lang.L("Select"), "", func() { c.choose(id) })
	items = append(items, widget.MenuItem{Icon: "trash", Text: lang.L("Delete…"), Danger: true, Line: len(items) > 0, Do: func() { c.askDelete([]int64{id}) }})
	return items
}

// editHint is the key that edits a message: Up does if it is the last one of one's own.
func (c *conversation) editHint(item *core.Item) string {
	for i := len(c.items) - 1; i >= 0; i-- {
		if c.items[i].Own && !isNotice(&c.items[i]) {
			if c.items[i].ID == item.ID {
				return lang.L("Up")
			}
			break
		}
	}
	return ""
}

// mayReact tells whether a reaction can be put under a message.
func (c *conversation) mayReact(item *core.Item) bool {
	if isNotice(item) || !item.Deleted.IsZero() || item.Live {
		return false
	}
	contact := c.w.contact(c.id)
	if contact == nil || contact.State != chat.ContactConnected {
		return false
	}
	f := feature(contact, chat.FeatureReactions)
	return f == nil || f.MeAllowed
}

// feature returns what is known of a feature, or nil.
func feature(contact *core.Contact, f core.Feature) *core.FeatureState {
	if i := slices.IndexFunc(contact.Features, func(s core.FeatureState) bool { return s.Feature == f }); i >= 0 {
		return &contact.Features[i]
	}
	return nil
}

// ownReactions are one's own reactions under a message.
func ownReactions(item *core.Item) (emoji []string) {
	for _, r := range item.Reactions {
		if r.Own {
			emoji = append(emoji, r.Emoji)
		}
	}
	return emoji
}

// react puts a reaction under a message, or takes it back.
func (c *conversation) react(id int64, emoji string) {
	i := c.index(id)
	if i < 0 {
		return
	}
	on := !slices.Contains(ownReactions(&c.items[i]), emoji)
	ordered(c.w, func(ctx context.Context) (core.Item, error) { return c.profile.React(ctx, id, emoji, on) }, func(item core.Item, err error) {
		if err != nil {
			c.warn(sentence(err))
			return
		}
		c.put(item)
	})
}

// pickReaction offers reactions beside a message.
func (c *conversation) pickReaction(i int, at fyne.Position) {
	item := c.items[i]
	if !c.mayReact(&item) {
		c.warn(lang.L("{{.Name}} does not allow reactions.", map[string]any{"Name": c.name()}))
		return
	}
	widget.ShowMenu(c.w.win.Canvas(), at, widget.Menu{Emoji: core.Emojis(), Chosen: ownReactions(&item), OnEmoji: func(emoji string) { c.react(item.ID, emoji) }})
}

// toggleReaction joins a reaction that is under a message, or takes one's own back.
func (c *conversation) toggleReaction(i, reaction int) {
	item := &c.items[i]
	if reaction < len(item.Reactions) && (item.Reactions[reaction].Own || c.mayReact(item)) {
		c.react(item.ID, item.Reactions[reaction].Emoji)
	}
}

// choose begins to choose several messages.
func (c *conversation) choose(id int64) {
	c.list.SetChoosing(true)
	c.list.Choose(c.index(id), true)
	c.chooser.update()
	c.w.win.Canvas().Focus(c.list)
}

// itemsOf returns those of the messages that are there, in the order of the conversation, without notices.
func (c *conversation) itemsOf(ids []int64) (items []*core.Item) {
	for i := range c.items {
		if slices.Contains(ids, c.items[i].ID) && !isNotice(&c.items[i]) {
			items = append(items, &c.items[i])
		}
	}
	return items
}

// copyAll puts the texts of messages into the clipboard, with their authors and times if there are several.
func (c *conversation) copyAll(ids []int64) {
	items := c.itemsOf(ids)
	var texts []string
	for _, item := range items {
		text := messageText(item)
		if len(items) > 1 {
			at := item.Time.In(c.w.zone())
			text = "[" + at.Format("2006-01-02 15:04") + "] " + c.author(item.Own) + ": " + text
		}
		texts = append(texts, text)
	}
	c.w.copyText(strings.Join(texts, "\n"))
}
