package ui

import (
	"context"
	"slices"

	"github.com/sotto-chat/sotto/core"
)

// historyPage is how many messages are read at once.
const historyPage = 60

// load reads the newest messages; with some that are unread it goes to the first of them, however far back that is.
func (c *conversation) load(unread int) {
	c.reading++
	number := c.reading
	type page struct {
		items []core.Item
		first int64 // that is unread
		more  bool
	}
	ordered(c.w, func(ctx context.Context) (p page, err error) {
		if unread > historyPage {
			if p.first, err = c.profile.FirstUnread(ctx, c.id); err != nil {
				return p, err
			}
		}
		if p.first != 0 {
			p.items, err = c.profile.Around(ctx, c.id, p.first, historyPage)
			p.more = true
			return p, err
		}
		p.items, err = c.profile.History(ctx, c.id, 0, historyPage+unread)
		return p, err
	}, func(p page, err error) {
		if c.left || number != c.reading {
			return
		}
		if err != nil {
			c.warn(sentence(err))
			return
		}
		first := !c.loaded
		c.items, c.loaded, c.more, c.complete = p.items, true, p.more, !p.more && len(p.items) < historyPage+unread
		if first {
			if c.newID = p.first; p.first == 0 {
				c.newID = firstUnread(p.items, unread)
			}
		}
		c.list.Reset()
		if contact := c.w.contact(c.id); contact != nil {
			c.update(contact)
		}
		if i := c.index(c.newID); first && i >= 0 {
			c.list.ScrollTo(i, false)
		}
		c.list.SetMore(c.more)
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

// readNewer reads the messages after those that are shown.
func (c *conversation) readNewer() {
	if !c.more || len(c.items) == 0 {
		return
	}
	after := c.items[len(c.items)-1].ID
	ordered(c.w, func(ctx context.Context) ([]core.Item, error) {
		return c.profile.HistoryAfter(ctx, c.id, after, historyPage)
	}, func(items []core.Item, err error) {
		if c.left || len(c.items) == 0 || c.items[len(c.items)-1].ID != after {
			return
		}
		if err != nil {
			c.warn(sentence(err))
			return
		}
		c.items = append(c.items, items...)
		c.list.InsertedAtEnd(len(items))
		if len(items) < historyPage {
			c.more = false
			c.list.SetMore(false)
		}
	})
}

// toNewest shows the newest messages again after a jump to an old one.
func (c *conversation) toNewest() { c.load(0) }

// goTo shows a message with its surroundings, which are read if they are not there.
func (c *conversation) goTo(id int64) {
	if i := c.index(id); i >= 0 {
		c.list.ScrollTo(i, true)
		return
	}
	c.reading++
	number := c.reading
	ordered(c.w, func(ctx context.Context) ([]core.Item, error) {
		return c.profile.Around(ctx, c.id, id, historyPage)
	}, func(items []core.Item, err error) {
		if c.left || number != c.reading {
			return
		}
		if err != nil {
			c.warn(sentence(err))
			return
		}
		at := slices.IndexFunc(items, func(i core.Item) bool { return i.ID == id })
		c.items, c.loaded, c.complete, c.more = items, true, at < historyPage, len(items)-at-1 >= historyPage
		if contact := c.w.contact(c.id); contact != nil {
			c.update(contact)
		}
		c.list.Reset()
		c.list.ScrollTo(c.index(id), true)
		c.list.SetMore(c.more)
	})
}

// toQuoted shows what a message answers.
func (c *conversation) toQuoted(i int) {
	if q := c.items[i].Quote; q != nil && q.Item != 0 {
		c.goTo(q.Item)
	}
}
