package relay

import (
	"cmp"
	"time"
)

// expireRegularly deletes what is too old, at once and then from time to time
// (smp-server.md §6).
func (r *Relay) expireRegularly() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-timer.C:
		}
		if err := r.expire(); err != nil {
			r.config.Log.Error("expiry", "problem", err)
		}
		timer.Reset(expiryInterval)
	}
}

// expire deletes messages and, if that is wanted, unused queues that are too old.
func (r *Relay) expire() error {
	if err := r.eachQueue(kindMessage, (*stripe).expireMessages); err != nil {
		return err
	}
	if r.config.QueueTTL == 0 {
		return nil
	}
	return r.eachQueue(kindQueue, (*stripe).expireQueue)
}

// eachQueue calls f, under its lock, with each queue that has a key of a kind. The error is that of the
// first queue that has one; it doesn't keep the others from their turn.
func (r *Relay) eachQueue(kind byte, f func(*stripe, *queue) error) (problem error) {
	var at key
	for r.ctx.Err() == nil {
		rcv, ok, err := r.store.after(kind, at)
		if err != nil || !ok {
			return cmp.Or(problem, err)
		}
		_, err = r.locked(rcv, func(s *stripe, q *queue) (*commit, error) { return nil, f(s, q) })
		if err != nil && err != ErrNoQueue { // which is gone in the meantime
			problem = cmp.Or(problem, err)
		}
		if at, ok = rcv.successor(); !ok {
			break
		}
	}
	return problem
}

// successor is the key that follows k; there is none after the last one.
func (k key) successor() (key, bool) {
	for i := len(k) - 1; i >= 0; i-- {
		if k[i]++; k[i] != 0 {
			return k, true
		}
	}
	return k, false
}

// expireMessages deletes old messages from the head of a queue, but neither a quota marker
// nor what is behind it.
func (s *stripe) expireMessages(q *queue) error {
	oldest := s.relay.config.Now().Add(-s.relay.config.MessageTTL).Unix()
	n := uint64(0)
	for ; q.first+n < q.next; n++ {
		m, err := s.relay.store.message(q.rcv, q.first+n)
		if err != nil {
			return err
		}
		if m.marker || m.time >= oldest {
			break
		}
	}
	if n == 0 {
		return nil
	}
	s.relay.stats.messagesExpired.Add(int64(n))
	return s.relay.store.removeFirst(q, n)
}

// expireQueue deletes a queue that nobody uses and nobody is subscribed to.
func (s *stripe) expireQueue(q *queue) error {
	oldest := today(s.relay.config.Now().Add(-s.relay.config.QueueTTL))
	if q.used >= oldest || s.subs[q.rcv] != nil {
		return nil
	}
	_, err := s.remove(q, nil)
	return err
}
