package chat

import (
	"time"

	"github.com/sotto-chat/sotto/store"
)

// maxExpiryWait is how long the clock is trusted to go on as it did: it may be set, or the computer
// may sleep.
const maxExpiryWait = 30 * time.Second

// maxExpired is how many messages disappear in one transaction: few enough for all that is known of them to be gone at once,
// see store.Tx.DeleteItems.
const maxExpired = store.MaxSecure

// expire has messages disappear when their time has come, until the Chat is closed.
func (c *Chat) expire() {
	var last time.Time
	for {
		now := c.now()
		if now.Before(last) || last.IsZero() { // the clock was set back, or may have been since the last run
			_ = c.db.Update(c.ctx, func(tx *store.Tx) error {
				_, err := tx.LimitExpiries(now)
				return err
			})
		}
		last = now
		wait := c.expireDue()
		var again <-chan time.Time
		var timer *time.Timer
		if wait >= 0 {
			timer = time.NewTimer(min(wait, maxExpiryWait))
			again = timer.C
		}
		select {
		case <-c.expiring:
		case <-again:
		case <-c.ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
		if c.ctx.Err() != nil {
			return
		}
	}
}

// expireDue deletes the messages whose time has come, and returns how long it takes until the next one's has,
// or -1 if there is none.
func (c *Chat) expireDue() time.Duration {
	for {
		n, wait := 0, time.Duration(-1)
		err := c.db.Update(c.ctx, func(tx *store.Tx) error {
			items, err := tx.ItemsExpired(c.now(), maxExpired)
			if err != nil {
				return err
			}
			n = len(items)
			byContact := map[int64][]*store.Item{}
			var order []int64
			for _, i := range items {
				if byContact[i.Contact] == nil {
					order = append(order, i.Contact)
				}
				byContact[i.Contact] = append(byContact[i.Contact], i)
			}
			for _, id := range order {
				row, err := tx.Contact(id)
				if err != nil {
					return err
				}
				if err := c.remove(tx, row, byContact[id], removeContent); err != nil {
					return err
				}
				if ContactState(row.State) == contactDeleted {
					continue
				}
				if err := c.save(tx, row); err != nil {
					return err
				}
			}
			if n == maxExpired {
				return nil
			}
			next, err := tx.NextExpiry()
			if err == nil && !next.IsZero() {
				wait = max(next.Sub(c.now()), 0)
			}
			return err
		})
		switch {
		case err != nil:
			return maxExpiryWait // the disk is full, for example
		case n < maxExpired:
			return wait
		}
	}
}
