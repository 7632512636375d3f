package relay

import (
	"time"

	"github.com/sotto-chat/sotto/core/relay/internal/front"
)

// limit waits until the connection may do what b counts. A client that does too much is
// slowed down, not refused: it is not read from in the meantime.
func (c *conn) limit(b *front.Bucket) {
	if d := b.Take(time.Now()); d > 0 {
		c.relay.stats.slowed.Add(1)
		c.letGo()
		front.Sleep(c.ctx, d)
	}
}
