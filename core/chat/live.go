package chat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/store"
)

// ErrNotLive tells that a message is not one that is being written.
var ErrNotLive = errors.New("this message is complete")

// liveInterval is how often a contact is told the text of a message that is being written.
const liveInterval = 3 * time.Second

// lives knows when the contact was told last of each message that is being written.
type lives struct {
	mu   sync.Mutex
	told map[int64]time.Time // by item
}

func (l *lives) begin(item int64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = make(map[int64]time.Time)
	}
	l.told[item] = now
}

// due tells whether the contact may be told again.
func (l *lives) due(item int64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	elapsed := now.Sub(l.told[item])
	return elapsed >= liveInterval || elapsed < 0
}

func (l *lives) end(item int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.told, item)
}

// UpdateLive gives a message that was sent live its next text, or with done its last one, from which on it is a
// message like any other. It may be called as often as the text changes: the contact is told every few
// seconds. The error is ErrNoItem, ErrNotLive or one of those of Send, and then nothing has changed.
func (c *Chat) UpdateLive(ctx context.Context, id int64, text string, done bool) (item Item, err error) {
	if text, err = messageText(text); err != nil {
		return item, err
	}
	tell := false
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		i, row, err := changeable(tx, id)
		if err != nil {
			return err
		}
		if !i.Live {
			return ErrNotLive
		}
		tell = done || c.live.due(id, c.now())
		if err := c.updateLive(tx, row, i, text, done, tell); err != nil {
			return err
		}
		item = newItem(i)
		return c.publishContact(tx, row)
	})
	switch {
	case err != nil:
		return Item{}, err
	case done:
		c.live.end(id)
	case tell:
		c.live.begin(id, c.now())
	}
	return item, nil
}

func (c *Chat) updateLive(tx *store.Tx, row *store.Contact, i *store.Item, text string, done, tell bool) error {
	if done && (ItemState(i.State) == StateSent || ItemState(i.State) == StateDelivered) {
		c.startTimer(tx, i) // of the others it begins when they are sent
	}
	if err := c.setText(tx, i, text, c.now(), !done); err != nil || !tell {
		return err
	}
	return c.say(tx, row, changeOf(i.ID), updateOf(i))
}

// endLive ends what was being written when the program ended.
func (c *Chat) endLive(tx *store.Tx) error {
	items, err := tx.LiveItems()
	if err != nil {
		return err
	}
	for _, i := range items {
		row, err := tx.Contact(i.Contact)
		if err != nil {
			return err
		}
		if err := c.updateLive(tx, row, i, i.Text, true, false); err != nil {
			return err
		}
		// A contact that can't be told now has the text as far as it went.
		_ = c.say(tx, row, changeOf(i.ID), updateOf(i))
	}
	return nil
}
