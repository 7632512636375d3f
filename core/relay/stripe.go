package relay

import (
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// stripeCount is the number of locks that the queues share.
const stripeCount = 256

// cachedQueues is how many queues each stripe keeps in memory; the others are read when
// they are needed. A queue in memory takes about 1 KiB.
const cachedQueues = 32

// A stripe has the queues whose recipient id begins with the same byte. Its lock guards
// the queues, their messages in the store and the subscriptions to them. It may be held
// while taking the lock of notifiers, of links or of a connection's output, never the
// other way round, and never while waiting for a sync or for a client.
type stripe struct {
	mu     sync.Mutex
	relay  *Relay
	queues map[key]*queue
	subs   map[key]*subscription
}

func (s *stripe) init(r *Relay) {
	s.relay, s.queues, s.subs = r, make(map[key]*queue), make(map[key]*subscription)
}

func (r *Relay) stripe(rcv key) *stripe { return &r.stripes[rcv[0]] }

// queue returns a queue, or nil if there is none.
func (s *stripe) queue(rcv key) (*queue, error) {
	if q := s.queues[rcv]; q != nil {
		return q, nil
	}
	q, err := s.relay.store.load(rcv, s.relay.config.Now())
	if q != nil && err == nil {
		s.keep(q)
	}
	return q, err
}

func (s *stripe) keep(q *queue) {
	for k := range s.queues {
		if len(s.queues) < cachedQueues {
			break
		}
		delete(s.queues, k)
	}
	s.queues[q.rcv] = q
}

// subscription is what a connection has of a queue: messages as they come, or with get
// only those it asks for. Its fields are guarded by the stripe's lock.
type subscription struct {
	conn  *conn
	queue key
	get   bool
	ended bool // the queue was deleted, or another connection subscribed
	// delivered is the number of the message that the client has or is about to get, and
	// id that message's id once it was sent. 0 means that there is none.
	delivered uint64
	id        key
	// first tells that the message which the SUB is to get has yet to be sent.
	first bool
}

// subscribe makes c the subscriber of q and tells the previous one. The caller answers
// and then calls deliverAfter, so that a message can't come before the answer.
func (s *stripe) subscribe(c *conn, q *queue) *subscription {
	old := s.subs[q.rcv]
	if old != nil && old.conn == c {
		old.delivered, old.id = 0, key{}
		return old
	}
	if old != nil {
		s.end(old)
		old.conn.push(outgoing{entity: q.rcv.id(), message: smp.End{}})
	}
	sub := &subscription{conn: c, queue: q.rcv}
	s.subs[q.rcv] = sub
	c.subs[q.rcv] = sub
	c.live.Add(1)
	return sub
}

// end takes a subscription away from its connection.
func (s *stripe) end(sub *subscription) {
	sub.ended = true
	if s.subs[sub.queue] == sub {
		delete(s.subs, sub.queue)
		sub.conn.live.Add(-1)
	}
}

// offer marks the first message of q as delivered to sub. It is false if there is none.
func (s *stripe) offer(sub *subscription, q *queue) bool {
	sub.delivered, sub.id = 0, key{}
	if q.empty() {
		return false
	}
	sub.delivered = q.first
	return true
}

// deliverAfter has the first message of q sent after the answers to the block with its SUB. The connection is that
// whose command is executed.
func (s *stripe) deliverAfter(q *queue) {
	sub := s.subs[q.rcv]
	if sub.delivered != 0 || !s.offer(sub, q) || sub.first {
		return
	}
	sub.first = true
	sub.conn.first = append(sub.conn.first, outgoing{entity: q.rcv.id(), delivery: sub})
}

// deliver pushes the first message of q to its subscriber if that has nothing to
// acknowledge. The message goes out when stored is on disk.
func (s *stripe) deliver(q *queue, stored *commit) {
	sub := s.subs[q.rcv]
	if sub != nil && sub.delivered == 0 && s.offer(sub, q) {
		sub.conn.push(outgoing{entity: q.rcv.id(), delivery: sub, stored: stored})
	}
}

// take reads the message that was offered to sub; ok is false if there is none any more.
// If it has expired in the meantime it is the first message that is left. The message stands
// in buf.
func (r *Relay) take(sub *subscription, buf *[crypt.BlockSize]byte) (msg smp.Msg, ok bool, err error) {
	body := blocks.Get().(*[crypt.BlockSize]byte)
	defer blocks.Put(body)
	m, secret, err := r.stripe(sub.queue).take(sub, body[:0])
	if err != nil || m == nil {
		return msg, false, err
	}
	defer secret.Wipe()
	msg.ID = m.id.id()
	msg.Body, err = smp.AppendReceived(buf[:0], &secret, msg.ID, &smp.Received{
		Quota:  m.marker,
		Time:   time.Unix(m.time, 0),
		Notify: m.notify,
		Body:   m.body,
	})
	return msg, err == nil, err
}

// take reads a message. Its body is appended to buf.
func (s *stripe) take(sub *subscription, buf []byte) (m *message, secret crypt.Secret, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.first = false
	if sub.ended {
		return nil, secret, nil
	}
	q, err := s.queue(sub.queue)
	if err != nil || q == nil {
		return nil, secret, err
	}
	if sub.delivered < q.first && !s.offer(sub, q) {
		return nil, secret, nil
	}
	stored, err := s.relay.store.message(q.rcv, sub.delivered)
	if err != nil {
		return nil, secret, err
	}
	if stored.body, err = s.relay.store.body(buf, q.rcv, sub.delivered); err != nil {
		return nil, secret, err
	}
	sub.id = stored.id
	return &stored, q.secret, nil
}
