package relay

import "sync/atomic"

// idleWriters is how many goroutines without anything to send are kept at most.
const idleWriters = 32

// writers are the goroutines that send what waits for connections. Some are kept when they have
// nothing to do: a new one first has to grow its stack, again and again on a busy relay.
type writers struct {
	conns chan *conn // with something to send, for a goroutine that has nothing to do
	idle  atomic.Int64
}

// startWriter has what waits for c sent. It never waits. The caller is part of the server's work.
func (r *Relay) startWriter(c *conn) {
	select {
	case r.writers.conns <- c:
	default:
		r.front.Go(func() { r.writeFor(c) })
	}
}

// writeFor sends what waits for c and then for others, until the relay is closed or enough
// goroutines have nothing to do.
func (r *Relay) writeFor(c *conn) {
	for {
		c.write()
		c.writer.Done()
		c = nil // it may end
		if r.writers.idle.Add(1) > idleWriters {
			r.writers.idle.Add(-1)
			return
		}
		select {
		case c = <-r.writers.conns:
			r.writers.idle.Add(-1)
		case <-r.ctx.Done():
			return
		}
	}
}
