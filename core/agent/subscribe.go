package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// subscribe subscribes to a queue, now and after each time the session was lost.
func (a *Agent) subscribe(q *store.ReceiveQueue) error {
	if a.exchange != nil || q.State == queueDeleted {
		return nil
	}
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return fmt.Errorf("agent: stored relay address: %w", err)
	}
	s, err := a.session(server, a.apart(smp.ID(q.RecipientID)))
	if err != nil {
		return err
	}
	defer a.release(s)
	key := crypt.Ed25519Private(q.Key)
	s.session.Subscribe(smp.Subscription{Entity: smp.ID(q.RecipientID), Key: &key})
	return nil
}

// subscribeMade does the same for a queue that was just made, which is subscribed to already unless its session has ended since.
func (a *Agent) subscribeMade(q *store.ReceiveQueue) error {
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return fmt.Errorf("agent: relay address: %w", err)
	}
	id := smp.ID(q.RecipientID)
	name := server.String() + a.apart(id)
	a.mu.Lock()
	s := a.sessions[name]
	a.mu.Unlock()
	if s != nil && s.session.Remembers(id) {
		return nil
	}
	return a.subscribe(q)
}

// subscribeAnew subscribes to those of the queues that are still ours.
func (a *Agent) subscribeAnew(server wire.Server, ids []smp.ID) {
	var queues []*store.ReceiveQueue
	err := a.cfg.DB.View(a.ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			q, err := tx.ReceiveQueueByID(server.String(), []byte(id))
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			queues = append(queues, q)
		}
		return nil
	})
	if err != nil {
		return // the program ends
	}
	for _, q := range queues {
		_ = a.subscribe(q) // the address of the relay is good, and Close ends it otherwise
	}
}

// watch handles what comes from a relay until its session is closed.
func (a *Agent) watch(s *relaySession) {
	for e := range s.session.Events() {
		switch e := e.(type) {
		case smp.Up:
			s.set(nil)
			a.cfg.Handler.RelayState(s.server, true, nil)
		case smp.Down:
			s.set(e.Err)
			if a.leave(s, false) {
				return
			}
			if a.ctx.Err() == nil {
				a.cfg.Handler.RelayState(s.server, false, e.Err)
			}
		case smp.Subscribed:
			switch {
			case e.Err == nil:
				a.setElsewhere(s, e.Entity, false)
			case errors.Is(e.Err, smp.ErrAuth):
				a.queueGone(s.server.String(), e.Entity, ErrQueueGone)
			case errors.Is(e.Err, smp.ErrBlocked):
				a.queueGone(s.server.String(), e.Entity, onRelay(s.server, e.Err))
			case !permanent(e.Err):
				a.resubscribe(s, e.Entity, a.cfg.RetrySend.Max)
			}
		case smp.Event:
			switch m := e.Message.(type) {
			case smp.Msg:
				a.arrived(s, e.Entity, m)
			case smp.End:
				a.setElsewhere(s, e.Entity, true)
			case smp.Deld:
				a.queueGone(s.server.String(), e.Entity, ErrQueueGone)
			}
		}
	}
}

// arrived stores a message and then acknowledges it.
func (a *Agent) arrived(s *relaySession, id smp.ID, msg smp.Msg) {
	key, err := a.receive(s.server.String(), id, msg)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errDraining) {
		return // of a queue that is not ours any more, or too early
	}
	wait := a.tellStore(err)
	if err != nil {
		// It could not be stored. Subscribing again makes the relay deliver it again.
		a.resubscribe(s, id, wait)
		return
	}
	// Waiting for the answer here would hold up the messages of other queues.
	a.goRun(func() {
		// Without the acknowledgement the relay delivers the message again, which is recognised.
		_, err := s.session.Do(a.ctx, smp.Request{Entity: id, Key: key, Command: smp.Ack{MsgID: msg.ID}})
		switch {
		case errors.Is(err, smp.ErrTimeout):
			a.probe(s)
			a.resubscribe(s, id, a.cfg.RetrySend.First)
		case err != nil && !permanent(err) && !errors.Is(err, smp.ErrClosed):
			// The relay goes on with the queue only then.
			a.resubscribe(s, id, a.cfg.RetrySend.First)
		}
	})
}

// storeRetryMax bounds the time until a message that could not be stored is asked for again. When there is room on the disk again
// nobody tells.
const storeRetryMax = 30 * time.Second

// tellStore has the Handler told whether what arrives can be stored, as the outcome of storing shows. It returns how long to wait
// until what could not be stored is asked for again.
func (a *Agent) tellStore(outcome error) (wait time.Duration) {
	if a.ctx.Err() != nil {
		return 0 // the program ends
	}
	a.storing.Lock()
	defer a.storing.Unlock()
	was := a.unstored
	if outcome == nil {
		a.unstored = attempts{}
	} else {
		wait = min(a.unstored.failed(a.cfg.RetrySend), storeRetryMax)
	}
	if was.began.IsZero() != (outcome == nil) {
		a.cfg.Handler.StoreState(outcome)
	}
	return wait
}

// resubscribe subscribes to a queue again after a while, or when Retry is called, if it is still ours.
func (a *Agent) resubscribe(s *relaySession, id smp.ID, after time.Duration) {
	a.goRun(func() {
		if !a.pauseOrRetry(after) || a.isElsewhere(s.server.String(), id) {
			return
		}
		var q *store.ReceiveQueue
		err := a.cfg.DB.View(a.ctx, func(tx *store.Tx) (err error) {
			q, err = tx.ReceiveQueueByID(s.server.String(), []byte(id))
			return err
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			a.resubscribe(s, id, a.tellStore(err))
			return
		}
		if err == nil && q.State != queueDeleted {
			key := crypt.Ed25519Private(q.Key)
			s.session.Subscribe(smp.Subscription{Entity: id, Key: &key})
		}
	})
}

// queueGone ends a connection whose queue the relay has deleted, which the reason ErrQueueGone tells, or does not deliver from any
// more. While a queue is moved the other one may do instead.
func (a *Agent) queueGone(server string, id smp.ID, reason error) {
	_ = a.update(func(tx *store.Tx) error {
		q, err := tx.ReceiveQueueByID(server, []byte(id))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		c, err := tx.Connection(q.Connection)
		if err != nil {
			return err
		}
		queues, err := tx.ReceiveQueuesOf(c.ID)
		if err != nil {
			return err
		}
		for _, other := range queues {
			if q.Replaces == other.ID || other.Replaces == q.ID && other.E2ESecret != nil {
				return tx.DeleteReceiveQueue(q.ID)
			}
		}
		if reason == ErrQueueGone {
			q.State = queueDeleted
		} else if State(c.State) == StateFailed {
			return nil // told after an earlier start
		}
		c.State = string(StateFailed)
		if err := tx.SaveReceiveQueue(q); err != nil {
			return err
		}
		if err := tx.SaveConnection(c); err != nil {
			return err
		}
		return a.cfg.Handler.Failed(tx, c.ID, reason)
	})
}
