package relay

import (
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

// eachQueue calls f, under its lock, with each queue that has a key of a kind.
func (r *Relay) eachQueue(kind byte, f func(*stripe, *queue) error) error {
	var at key
	for r.ctx.Err() == nil {
		rcv, ok, err := r.store.after(kind, at)
		if err != nil || !ok {
			return err
		}
		s := r.stripe(rcv)
		s.mu.Lock()
		q, err := s.queue(rcv)
		if q != nil && err == nil {
			err = f(s, q)
		}
		s.mu.Unlock()
		if err != nil {
			return err
		}
		if at, ok = rcv.successor(); !ok {
			return nil
		}
	}
	return nil
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
