package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// ErrRotating tells that a connection's queue is being moved already.
var ErrRotating = errors.New("the queue is being moved already")

// Rotate moves the queue that we receive from to another relay, while messages flow: a new queue is
// made and offered to the other side, and the old one is deleted when a message came through the
// new one (agent.md §13). An offer that is not answered yet is replaced, and so is one whose relay could not be told the key
// from the answer; after that the error is ErrRotating, and the other side is told again to use the new queue.
func (a *Agent) Rotate(ctx context.Context, connection int64) error {
	var used []wire.Server
	rotating := false
	err := a.commit(ctx, func(tx *store.Tx) error {
		c, queues, err := a.rotatable(tx, connection)
		if err != nil {
			return err
		}
		for _, q := range queues {
			server, err := wire.ParseServer(q.Server)
			if err != nil {
				return err
			}
			used = append(used, server)
			if agreed(q) {
				rotating = true
				return a.offerUse(tx, c, q)
			}
		}
		return nil
	})
	if rotating && err == nil {
		err = ErrRotating
	}
	if err != nil {
		return err
	}
	q, err := a.newQueue(ctx, used, aFewTries, smp.ModeMessaging, nil, nil)
	if err != nil {
		return fmt.Errorf("moving a queue: %w", err)
	}
	err = a.commit(ctx, func(tx *store.Tx) error {
		c, queues, err := a.rotatable(tx, connection)
		if err != nil {
			return err
		}
		for _, offered := range queues[1:] {
			if agreed(offered) {
				return ErrRotating
			}
			if err := errors.Join(a.deleteReceiveQueue(tx, offered), tx.DeleteReceiveQueue(offered.ID)); err != nil {
				return err
			}
		}
		old := queues[0]
		server, err := wire.ParseServer(old.Server)
		if err != nil {
			return err
		}
		old.Gap = 0 // of the last move
		if err := tx.SaveReceiveQueue(old); err != nil {
			return err
		}
		q.row.Connection, q.row.Replaces, q.row.State = c.ID, old.ID, queueRotating
		if err := tx.InsertReceiveQueue(&q.row); err != nil {
			return err
		}
		offer := replacement{QueueURI{a.cfg.Versions.Client, q.address}, &QAddr{server, smp.ID(old.SenderID)}}
		return a.sendOwn(tx, c, message{kind: kindAdd, add: []replacement{offer}}, false)
	})
	if err != nil {
		return fmt.Errorf("moving a queue: %w", err)
	}
	return a.subscribeMade(&q.row)
}

// agreed tells whether a queue was offered in the place of another one, and the other side was told to use it.
func agreed(q *store.ReceiveQueue) bool {
	return q.Replaces != 0 && q.E2ESecret != nil && q.SenderKey == nil
}

// rotatable returns a connection whose queue can be moved, and its queues, the present one first.
func (a *Agent) rotatable(tx *store.Tx, connection int64) (*store.Connection, []*store.ReceiveQueue, error) {
	c, err := tx.Connection(connection)
	if err != nil {
		return nil, nil, err
	}
	queues, err := tx.ReceiveQueuesOf(connection)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case State(c.State) != StateConnected || len(queues) == 0:
		return nil, nil, ErrNotConnected
	case !SyncState(c.Sync).sendable():
		return nil, nil, ErrSync
	}
	return c, queues, nil
}

// offerUse tells the other side that a new queue of ours can be used. The caller does not store c.
func (a *Agent) offerUse(tx *store.Tx, c *store.Connection, q *store.ReceiveQueue) error {
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return err
	}
	return a.sendOwn(tx, c, message{kind: kindUse, use: []queueUse{{QAddr{server, smp.ID(q.SenderID)}, true}}}, false)
}

// processAdd answers the offer of a new queue with our keys for it. Only the first offer counts.
func (a *Agent) processAdd(d *delivery, add []replacement) error {
	offer := add[0]
	client, ok := a.cfg.Versions.Client.Agree(offer.queue.Versions)
	if !ok || offer.replaced == nil {
		return nil
	}
	queues, err := d.tx.SendQueuesOf(d.c.ID)
	if err != nil {
		return err
	}
	var old *store.SendQueue
	var stale []int64
	for _, q := range queues {
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return err
		}
		switch {
		case smp.ID(q.SenderID) == offer.queue.SenderID && server.SameAs(offer.queue.Server):
			return nil // it is there already
		case q.State == queueRotating, q.Replaces != 0 && q.State == queueSecured:
			stale = append(stale, q.ID)
		case smp.ID(q.SenderID) == offer.replaced.SenderID && server.SameAs(offer.replaced.Server):
			old = q
		}
	}
	if old == nil {
		return nil
	}
	// The other side has made a new attempt. The queue of the last one is never used, or could not be
	// reached so far; what waits for it waits for the old one too.
	for _, id := range stale {
		if err := d.tx.DeleteSendQueue(id); err != nil {
			return err
		}
	}
	sq, err := a.newSendQueue(client, offer.queue.QueueAddress)
	if err != nil {
		return nil // its key can't be used
	}
	// In this exchange the recipient secures the queue, whatever its mode (agent.md §13).
	sq.Connection, sq.State, sq.Replaces = d.c.ID, queueRotating, old.ID
	if err := d.tx.InsertSendQueue(sq); err != nil {
		return err
	}
	key := crypt.Ed25519Private(sq.Key)
	defer key.Wipe()
	// The field of the recipient's key carries the sender's here.
	info := QueueInfo{client, offer.queue.QueueAddress}
	info.DH = crypt.X25519Public(sq.E2EPublic)
	return a.sendFrom(d, message{kind: kindKey, keys: []queueKey{{info, key.Public().DER()}}}, false)
}

// processKey takes the sender's keys for our new queue.
func (a *Agent) processKey(d *delivery, keys []queueKey) error {
	k := keys[0]
	q, err := a.findReceiveQueue(d, QAddr{k.queue.Server, k.queue.SenderID})
	if err != nil || q == nil || q.State != queueRotating || q.E2ESecret != nil {
		return err
	}
	if _, err := crypt.ParseAuthPublic(k.key); err != nil {
		return nil
	}
	own := crypt.X25519Private(q.E2EKey)
	defer own.Wipe()
	secret, err := own.DH(k.queue.DH)
	if err != nil {
		return nil
	}
	defer secret.Wipe()
	q.E2ESecret, q.SenderKey = append([]byte(nil), secret[:]...), k.key
	d.tx.AfterCommit(func() { a.startSecuring(q) })
	return d.tx.SaveReceiveQueue(q)
}

// startSecuring has the relay of an offered queue take the sender's key, in the background: messages do not wait for a relay that is
// away.
func (a *Agent) startSecuring(q *store.ReceiveQueue) {
	a.mu.Lock()
	running := a.securing[q.ID]
	a.securing[q.ID] = true
	a.mu.Unlock()
	if running {
		return
	}
	a.goRun(func() {
		defer func() {
			a.mu.Lock()
			delete(a.securing, q.ID)
			a.mu.Unlock()
		}()
		began, wait := a.cfg.Now(), a.cfg.RetrySend.First
		for {
			err := a.secureOffered(q.Server, smp.ID(q.RecipientID))
			if err == nil || a.ctx.Err() != nil || !a.pauseOrRetry(wait) {
				return // what is left is done after the next start
			}
			wait = a.cfg.RetrySend.next(wait, a.cfg.Now().Sub(began))
		}
	})
}

// secureOffered tells the other side to use a queue when its relay has taken the key. A queue that its relay does not have any more
// is forgotten, and can be offered anew.
func (a *Agent) secureOffered(server string, id smp.ID) error {
	var q *store.ReceiveQueue
	err := a.cfg.DB.View(a.ctx, func(tx *store.Tx) (err error) {
		q, err = tx.ReceiveQueueByID(server, []byte(id))
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && q.SenderKey == nil {
		return nil
	} else if err != nil {
		return err
	}
	err = a.setSenderKey(q)
	if permanent(err) {
		a.queueGone(server, id, ErrQueueGone)
		return nil
	} else if err != nil {
		return err
	}
	return a.update(func(tx *store.Tx) error {
		if q, err = a.secured(tx, q); err != nil || q == nil {
			return err
		}
		c, err := tx.Connection(q.Connection)
		if err != nil || !SyncState(c.Sync).sendable() {
			return err
		}
		return a.offerUse(tx, c, q)
	})
}

// processUse begins to send to the new queue too; the test in it ends the use of the old one.
func (a *Agent) processUse(d *delivery, use []queueUse) error {
	queues, err := d.tx.SendQueuesOf(d.c.ID)
	if err != nil {
		return err
	}
	for _, q := range queues {
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return err
		}
		if q.State != queueRotating || smp.ID(q.SenderID) != use[0].queue.SenderID || !server.SameAs(use[0].queue.Server) {
			continue
		}
		q.State = queueSecured
		if err := d.tx.SaveSendQueue(q); err != nil {
			return err
		}
		m := message{kind: kindTest, test: []QAddr{use[0].queue}}
		if err := a.queueMessage(d.tx, d.c, []*store.SendQueue{q}, m, store.Outgoing{Kind: outTest}, ratchet.PQKeep); err != nil {
			return err
		}
		return d.tx.SaveConnection(d.c)
	}
	return nil
}

// blocked tells whether the first message for a new queue has to wait: what was queued before it
// for the old queue must be on its relay then, where the other side gets it first.
func (a *Agent) blocked(tx *store.Tx, sq *store.SendQueue, o *store.Outgoing) (bool, error) {
	if sq.Replaces == 0 || sq.State == queueActive {
		return false, nil
	}
	first, err := tx.NextOutgoing(sq.Replaces)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && first.ID < o.ID, err
}

// errTesting tells that a message waits for the outcome of the test in a new queue.
var errTesting = errors.New("agent: the new queue is being tested")

// testPatience is how long messages wait for the test in a new queue before they go to the old one as
// well. Without the wait a message could arrive by the old queue before the test, which has
// the number before it.
const testPatience = 30 * time.Second

// testing tells whether a message for the old queue is to wait for the test in the new one.
func (a *Agent) testing(tx *store.Tx, sq *store.SendQueue, o *store.Outgoing) (bool, error) {
	queues, err := tx.SendQueuesOf(sq.Connection)
	if err != nil {
		return false, err
	}
	for _, q := range queues {
		if q.Replaces != sq.ID || q.State != queueSecured {
			continue
		}
		test, err := tx.NextOutgoing(q.ID)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		age := a.cfg.Now().Sub(test.Created) // negative if the clock was set back
		return test.ID < o.ID && age >= 0 && age < testPatience, nil
	}
	return false, nil
}

// errBlocked tells that what waits for a queue has to wait for what waits for another one.
var errBlocked = errors.New("agent: the old queue comes first")

// unblock wakes the queues that wait for this one.
func (a *Agent) unblock(tx *store.Tx, sq *store.SendQueue) error {
	queues, err := tx.SendQueuesOf(sq.Connection)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if q.Replaces == sq.ID {
			tx.AfterCommit(func() { a.wake(q.ID) })
		}
	}
	return nil
}

// tested drops the queue in whose place the relay has taken a test. What still waits for it waits
// for the new queue too.
func (a *Agent) tested(tx *store.Tx, sq *store.SendQueue) error {
	if _, err := tx.SendQueue(sq.ID); errors.Is(err, store.ErrNotFound) {
		return nil // another one was offered meanwhile
	} else if err != nil {
		return err
	}
	sq.State = queueActive
	if err := tx.SaveSendQueue(sq); err != nil {
		return err
	}
	if old, err := tx.SendQueue(sq.Replaces); err == nil {
		tx.AfterCommit(func() { a.sendsNoMore(old) })
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.DeleteSendQueue(sq.Replaces); err != nil {
		return err
	}
	return a.cfg.Handler.Moved(tx, sq.Connection, false)
}

// errDraining tells that a message has come through a new queue while the old one may still have
// earlier ones. It is delivered again when these are here.
var errDraining = errors.New("agent: the old queue is not empty yet")

// Draining gives a relay that does not answer up after drainAttempts of drainTimeout each: that a
// relay is gone can be the reason for leaving it. What waits there is reported as missing then.
const (
	drainAttempts = 3
	drainTimeout  = 20 * time.Second
)

// drain waits until nothing is left in the queue in whose place another one is, and deletes it.
// Then the other one delivers.
func (a *Agent) drain(old, replacing *store.ReceiveQueue) {
	a.mu.Lock()
	running := a.draining[old.ID]
	a.draining[old.ID] = true
	a.mu.Unlock()
	if running {
		return
	}
	a.goRun(func() {
		defer func() {
			a.mu.Lock()
			delete(a.draining, old.ID)
			a.mu.Unlock()
		}()
		for failures := 0; failures < drainAttempts; {
			empty, err := a.empty(old)
			if err != nil {
				failures++
			} else if empty {
				break
			}
			if !a.pause(a.cfg.RetrySend.First) {
				return
			}
		}
		err := a.update(func(tx *store.Tx) error {
			last, err := tx.ReceiveQueueByID(old.Server, old.RecipientID)
			if errors.Is(err, store.ErrNotFound) {
				return nil // the relay had deleted it
			} else if err != nil {
				return err
			}
			q, err := tx.ReceiveQueueByID(replacing.Server, replacing.RecipientID)
			if err != nil {
				return err
			}
			q.Gap, q.GapSince = last.Gap, last.GapSince
			if err := tx.SaveReceiveQueue(q); err != nil {
				return err
			}
			if err := a.deleteReceiveQueue(tx, old); err != nil {
				return err
			}
			return tx.DeleteReceiveQueue(old.ID)
		})
		if err == nil {
			_ = a.subscribe(replacing) // its relay address was used before
		}
	})
}

// empty tells whether a queue has no messages, which is true of one that does not exist.
func (a *Agent) empty(q *store.ReceiveQueue) (bool, error) {
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(a.ctx, drainTimeout)
	defer cancel()
	key := crypt.Ed25519Private(q.Key)
	answer, err := a.command(ctx, server, smp.ID(q.RecipientID), &key, smp.Que{})
	if errors.Is(err, smp.ErrAuth) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	info, ok := answer.(smp.Info)
	if !ok {
		return false, errUnexpected
	}
	return info.Size == 0, nil
}

// moved is called when a message comes through a queue that was made in the place of another one. The
// other one must be empty by then, or its messages would come too late.
func (a *Agent) moved(d *delivery) error {
	queues, err := d.tx.ReceiveQueuesOf(d.c.ID)
	if err != nil {
		return err
	}
	for _, old := range queues {
		if old.ID == d.q.Replaces {
			replacing := *d.q
			a.drain(old, &replacing)
			return errDraining
		}
	}
	d.q.Replaces, d.q.State = 0, queueActive
	return a.cfg.Handler.Moved(d.tx, d.c.ID, true)
}

// gapReported stands in place of the number of a missing message that was reported. One that may be the
// test in a new queue is reported when the test has come and is another one, or its sender has given it
// up: until then the relay of the new queue may just not have been there.
const gapReported = -1

// mayBeTest tells whether a missing message may be the test in a new queue of ours, whose relay may be
// slower than that of the old one.
func (a *Agent) mayBeTest(d *delivery, number int64) (bool, error) {
	if d.q.Gap != 0 {
		return false, nil
	}
	queues, err := d.tx.ReceiveQueuesOf(d.c.ID)
	if err != nil {
		return false, err
	}
	for _, q := range queues {
		if q.Replaces == d.q.ID && q.E2ESecret != nil {
			d.q.Gap, d.q.GapSince = number, a.cfg.Now()
			return true, nil
		}
	}
	return false, nil
}

// lateTest takes a test after messages that were sent after it.
func (a *Agent) lateTest(d *delivery, number int64) error {
	if err := d.tx.SaveConnection(d.c); err != nil {
		return err
	}
	gap := d.q.Gap
	d.q.Gap = 0
	if gap <= 0 || gap == number {
		return nil
	}
	return a.cfg.Handler.Unreadable(d.tx, d.c.ID, d.time, &MissingError{1})
}

// findReceiveQueue returns the queue of the connection with an address, or nil.
func (a *Agent) findReceiveQueue(d *delivery, addr QAddr) (*store.ReceiveQueue, error) {
	queues, err := d.tx.ReceiveQueuesOf(d.c.ID)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return nil, err
		}
		if smp.ID(q.SenderID) == addr.SenderID && server.SameAs(addr.Server) {
			return q, nil
		}
	}
	return nil, nil
}
