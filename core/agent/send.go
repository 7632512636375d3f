package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// The kinds of outgoing messages, by which the outcome of sending is told apart.
const (
	outConfirmation = "confirmation"
	outRequest      = "request"
	outHello        = "hello"
	outBody         = "message"
	outReceipt      = "receipt"
	outTest         = "test"
	outOther        = "other"
)

func outKind(kind string) string {
	switch kind {
	case kindHello:
		return outHello
	case kindBody:
		return outBody
	case kindReceipts:
		return outReceipt
	}
	return outOther
}

// Send queues a message in the caller's transaction; it is on its way when that is committed. The
// Handler is told with the reference, which is not 0, what becomes of the message.
func (a *Agent) Send(tx *store.Tx, connection, reference int64, body []byte, notify bool) error {
	c, sq, err := a.loadForSending(tx, connection)
	if err != nil {
		return err
	}
	// A joiner may send as soon as its confirmation is on its way, if the other side can
	// decrypt that before it answers (agent.md §7, step 10).
	early := State(c.State) == StateConfirmed && c.Role == roleJoiner && c.AgentVersion >= earlyVersion && smp.QueueMode(sq.Mode) == smp.ModeMessaging
	if State(c.State) != StateConnected && !early {
		return ErrNotConnected
	}
	if !SyncState(c.Sync).sendable() {
		return ErrSync
	}
	choice := ratchet.PQKeep
	if err := a.takeUpPQ(c); err != nil {
		return err
	}
	if c.PQ {
		choice = ratchet.PQOn
	}
	queues, err := tx.SendQueuesOf(connection)
	if err != nil {
		return err
	}
	m := message{kind: kindBody, info: body}
	if err := a.queueMessage(tx, c, queues, m, store.Outgoing{Kind: outBody, Reference: reference, Notify: notify}, choice); err != nil {
		return err
	}
	return tx.SaveConnection(c)
}

// MaxBody returns the length of the longest body that can be sent now, in bytes, before any compression.
func (a *Agent) MaxBody(tx *store.Tx, connection int64) (size int, pq bool, err error) {
	c, err := tx.Connection(connection)
	if err != nil {
		return 0, false, err
	}
	if err := a.takeUpPQ(c); err != nil {
		return 0, false, err
	}
	if c.PQ && c.AgentVersion >= pqVersion {
		return MaxBodyPQ, true, nil
	}
	return MaxBody, false, nil
}

// takeUpPQ makes a connection post-quantum that was made when one of the two did not want that, or could not (ratchet.md §9). The
// caller stores c, if it sends.
func (a *Agent) takeUpPQ(c *store.Connection) error {
	if c.PQ || !a.cfg.PQ || c.AgentVersion < pqVersion || c.Ratchet == nil {
		return nil
	}
	r, err := loadRatchet(c)
	if err != nil {
		return err
	}
	defer r.Wipe()
	c.PQ = r.Version() >= pqRatchetVersion
	return nil
}

// queueMessage numbers and encrypts a message and stores it for each of the queues that messages are
// sent to: while a queue is moved there are two, and the other side knows a message that comes
// twice. The caller stores c.
func (a *Agent) queueMessage(tx *store.Tx, c *store.Connection, queues []*store.SendQueue, m message, o store.Outgoing, pq ratchet.PQ) error {
	m.number, m.prevHash = c.SentNumber+1, c.SentHash
	plain := m.append(nil)
	padded := paddedMessage
	if c.PQ && c.AgentVersion >= pqVersion {
		padded = paddedMessagePQ
	}
	body, err := a.encrypt(c, plain, padded, pq)
	if errors.Is(err, ratchet.ErrTooLarge) {
		return ErrTooLarge
	} else if errors.Is(err, ratchet.ErrCannotSend) {
		return ErrNotConnected
	} else if err != nil {
		return err
	}
	if err := tx.InsertSent(c.ID, store.Sent{Number: c.SentNumber, Hash: c.SentHash, Reference: o.Reference}, a.cfg.Now()); err != nil {
		return err
	}
	e := envelope{version: a.cfg.Versions.Agent.Max, tag: tagMessage, body: body}
	for _, sq := range queues {
		if !sendable(sq) {
			continue
		}
		if err := a.enqueue(tx, c, sq, &o, nil, &smp.ClientMessage{Body: e.append(nil)}); err != nil {
			return err
		}
	}
	return nil
}

// sender is the worker of a send queue: it runs while messages wait.
type sender struct {
	wake chan struct{} // something new waits, or the queue has room again
}

// wake has the worker of a queue look for messages, and starts it if it does not run.
func (a *Agent) wake(queue int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if s := a.senders[queue]; s != nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
		return
	}
	s := &sender{wake: make(chan struct{}, 1)}
	a.senders[queue] = s
	a.wg.Go(func() { a.run(queue, s) })
}

// attempts are those to send the first message that waits for a queue.
type attempts struct {
	began   time.Time     // zero before the first has failed
	wait    time.Duration // until the next
	expired error         // why the message before was given up for its age
}

// patient tells whether messages can be given up for their age.
func (t *attempts) patient() bool { return !t.began.IsZero() && time.Since(t.began) >= expirePatience }

// failed returns how long to wait until the next attempt: the interval with a quarter of it taken away
// or added, so that what one event interrupted does not come back at one moment.
func (t *attempts) failed(retry Retry) time.Duration {
	if t.began.IsZero() {
		t.began, t.wait = time.Now(), retry.First
	} else {
		t.wait = retry.next(max(t.wait, retry.First), time.Since(t.began))
	}
	return t.wait*3/4 + rand.N(t.wait/2+1)
}

// run delivers what waits for a queue, in order, until nothing is left.
func (a *Agent) run(queue int64, s *sender) {
	var tries attempts
	for {
		o, err := a.deliver(queue, &tries)
		switch {
		case a.ctx.Err() != nil:
			return
		case err == nil && o == nil:
			a.nothingWaits(queue)
			if a.finish(queue, s) {
				return
			}
		case err != nil:
			retry := a.cfg.RetrySend
			if errors.Is(err, smp.ErrQuota) {
				retry = a.cfg.RetryQuota
			}
			t := time.NewTimer(tries.failed(retry))
			select {
			case <-t.C:
			case <-s.wake: // the queue may have room again, or the user tries
			case <-a.ctx.Done():
			}
			t.Stop()
		}
	}
}

// finish ends a worker unless it was woken meanwhile.
func (a *Agent) finish(queue int64, s *sender) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-s.wake:
		return false
	default:
		delete(a.senders, queue)
		return true
	}
}

// deliver sends the first message that waits for a queue. It returns nil if there is none, and
// an error if the same message has to be tried again.
func (a *Agent) deliver(queue int64, tries *attempts) (*store.Outgoing, error) {
	var o *store.Outgoing
	var sq *store.SendQueue
	var rqs []*store.ReceiveQueue
	err := a.cfg.DB.View(a.ctx, func(tx *store.Tx) (err error) {
		if o, err = tx.NextOutgoing(queue); err != nil {
			return err
		}
		if sq, err = tx.SendQueue(queue); err != nil {
			return err
		}
		if wait, err := a.blocked(tx, sq, o); err != nil || wait {
			return errors.Join(err, errBlocked)
		}
		if wait, err := a.testing(tx, sq, o); err != nil || wait {
			return errors.Join(err, errTesting)
		}
		rqs, err = tx.ReceiveQueuesOf(o.Connection)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errBlocked) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	age := a.cfg.Now().Sub(o.Created)
	if tries.expired != nil && age > expireMessage {
		return o, a.giveUp(sq, o, tries.expired)
	}
	err = a.prepare(sq, rqs)
	if err == nil {
		err = a.post(sq, o)
	}
	a.tellHeld(o.Connection, queue, err)
	switch {
	case errors.Is(err, smp.ErrQuota) && o.Kind != outConfirmation && o.Kind != outRequest && age <= expireQuota:
		return o, err
	case err != nil && !errors.Is(err, smp.ErrQuota) && !permanent(err):
		if age <= expireMessage || !tries.patient() {
			return o, err
		}
		tries.expired = fmt.Errorf("%w: %w", ErrExpired, err)
		return o, a.giveUp(sq, o, tries.expired)
	}
	*tries = attempts{}
	switch {
	case err == nil:
		return o, a.delivered(sq, o)
	case errors.Is(err, smp.ErrAuth):
		err = ErrQueueGone
	}
	return o, a.giveUp(sq, o, err)
}

// prepare secures the queues of a connection as far as that is still to be done: ours with the
// sender's key, theirs with ours. One that is offered in the place of another is not waited for, see startSecuring.
func (a *Agent) prepare(sq *store.SendQueue, rqs []*store.ReceiveQueue) error {
	for _, rq := range rqs {
		if rq.SenderKey == nil || rq.Replaces != 0 {
			continue
		}
		if err := a.setSenderKey(rq); err != nil {
			return err
		}
		err := a.update(func(tx *store.Tx) error {
			_, err := a.secured(tx, rq)
			return err
		})
		if err != nil {
			return err
		}
	}
	return a.secure(a.ctx, sq)
}

// setSenderKey has the relay of a queue of ours take the sender's key. Repeating it succeeds.
func (a *Agent) setSenderKey(q *store.ReceiveQueue) error {
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return err
	}
	sender, err := crypt.ParseAuthPublic(q.SenderKey)
	if err != nil {
		return err
	}
	key := crypt.Ed25519Private(q.Key)
	defer key.Wipe()
	_, err = a.command(a.ctx, server, smp.ID(q.RecipientID), &key, smp.Key{Key: sender})
	return err
}

// secured stores that the relay of a queue has the sender's key, and returns the queue as it is now, nil if it is gone.
func (a *Agent) secured(tx *store.Tx, q *store.ReceiveQueue) (*store.ReceiveQueue, error) {
	q, err := tx.ReceiveQueueByID(q.Server, q.RecipientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	q.SenderKey, q.State = nil, queueSecured
	return q, tx.SaveReceiveQueue(q)
}

// post hands a message to the relay. The queue is not secured yet when a confirmation carries
// the key to do it with, and the message is not authorized then.
func (a *Agent) post(sq *store.SendQueue, o *store.Outgoing) error {
	server, err := wire.ParseServer(sq.Server)
	if err != nil {
		return err
	}
	var key *crypt.Ed25519Private
	if o.Kind != outRequest && (o.Kind != outConfirmation || smp.QueueMode(sq.Mode) == smp.ModeMessaging) {
		k := crypt.Ed25519Private(sq.Key)
		defer k.Wipe()
		key = &k
	}
	_, err = a.command(a.ctx, server, smp.ID(sq.SenderID), key, smp.Send{Notify: o.Notify, Body: o.Body})
	return err
}

// delivered forgets a message that the relay has.
func (a *Agent) delivered(sq *store.SendQueue, o *store.Outgoing) error {
	return a.update(func(tx *store.Tx) error {
		if err := tx.DeleteOutgoing(o.ID); err != nil {
			return err
		}
		if err := a.unblock(tx, sq); err != nil {
			return err
		}
		c, err := tx.Connection(o.Connection)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		switch o.Kind {
		case outRequest:
			tx.AfterCommit(func() { a.sendsNoMore(sq) })
			return tx.DeleteSendQueue(sq.ID) // the owner answers to our own queue
		case outConfirmation:
			sq.State = queueActive
			if err := tx.SaveSendQueue(sq); err != nil {
				return err
			}
			// In the fast handshake the initiator's confirmation is the last step.
			if c.Role == roleInitiator && smp.QueueMode(sq.Mode) == smp.ModeMessaging && State(c.State) == StateConfirmed {
				return a.connected(tx, c)
			}
		case outHello:
			if c.Role == roleInitiator && c.HelloReceived && State(c.State) == StateConfirmed {
				return a.connected(tx, c)
			}
		case outTest:
			return a.tested(tx, sq)
		case outBody:
			return a.cfg.Handler.Sent(tx, o.Connection, o.Reference)
		}
		return nil
	})
}

// giveUp forgets a message that can't be sent.
func (a *Agent) giveUp(sq *store.SendQueue, o *store.Outgoing, reason error) error {
	return a.update(func(tx *store.Tx) error {
		if err := tx.DeleteOutgoing(o.ID); err != nil {
			return err
		}
		if err := a.unblock(tx, sq); err != nil {
			return err
		}
		switch o.Kind {
		case outRequest, outConfirmation, outHello:
			c, err := tx.Connection(o.Connection)
			if err != nil {
				return err
			}
			c.State = string(StateFailed)
			if err := tx.SaveConnection(c); err != nil {
				return err
			}
			return a.cfg.Handler.Failed(tx, o.Connection, reason)
		case outBody:
			queues, err := tx.SendQueuesOf(o.Connection)
			if err != nil {
				return err
			}
			for _, q := range queues {
				if q.ID != o.Queue && sendable(q) {
					return nil // the queue was moved, and the message goes to the other one too
				}
			}
			return a.cfg.Handler.NotSent(tx, o.Connection, o.Reference, reason)
		}
		return nil
	})
}

// update changes the store until the agent is closed.
func (a *Agent) update(f func(tx *store.Tx) error) error { return a.commit(a.ctx, f) }

// commit changes the store.
func (a *Agent) commit(ctx context.Context, f func(tx *store.Tx) error) error {
	if a.crash == nil {
		return a.cfg.DB.Update(ctx, f)
	}
	return a.cfg.DB.Update(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(a.crash)
		err := f(tx)
		if err == nil {
			a.crash()
		}
		return err
	})
}
