package relay

import (
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
)

// ErrNoQueue tells that there is no queue with an id.
var ErrNoQueue = errors.New("the relay has no queue with this id")

// QueueStatus is what the operator can see of a queue.
type QueueStatus struct {
	Mode     smp.QueueMode
	Secured  bool          // has a sender
	Off      bool          // was switched off by its recipient
	Blocked  *smp.Blocking // nil if it is not blocked
	Messages int
	Used     time.Time // day of the last command
}

// operate calls f with the queue that has a sender or link id, under its lock. These are
// the ids that stand in links, so the only ones that an operator gets to know.
func (r *Relay) operate(id smp.ID, f func(s *stripe, q *queue) (*commit, error)) error {
	if !r.front.Begin() {
		return ErrClosed
	}
	defer r.front.End()
	rcv, ok, err := r.store.find(kindSender, id)
	if err == nil && !ok {
		rcv, ok, err = r.store.find(kindLink, id)
	}
	if err != nil {
		return err
	}
	if !ok {
		return ErrNoQueue
	}
	stored, err := r.locked(rcv, f)
	if err != nil {
		return err
	}
	return stored.wait()
}

// locked calls f with a queue under its lock.
func (r *Relay) locked(rcv key, f func(s *stripe, q *queue) (*commit, error)) (*commit, error) {
	s := r.stripe(rcv)
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(rcv)
	switch {
	case err != nil:
		return nil, err
	case q == nil:
		return nil, ErrNoQueue
	}
	return f(s, q)
}

// Queue returns the state of the queue with a sender or link id. The error is ErrNoQueue
// if there is none.
func (r *Relay) Queue(id smp.ID) (status QueueStatus, err error) {
	err = r.operate(id, func(_ *stripe, q *queue) (*commit, error) {
		status = QueueStatus{
			Mode:     q.mode,
			Secured:  q.sndKey != nil,
			Off:      q.off,
			Blocked:  q.blocked,
			Messages: int(q.next - q.first),
			Used:     time.Unix(int64(q.used)*24*60*60, 0).UTC(),
		}
		return nil, nil
	})
	return status, err
}

// Block makes the relay refuse nearly all commands on the queue with a sender or link id,
// and tells its subscriber why; messages stay (smp-commands.md §8). Blocking it again
// replaces the reason. The error is ErrNoQueue if there is none.
func (r *Relay) Block(id smp.ID, why smp.Blocking) error {
	if why.Reason != smp.BlockedSpam && why.Reason != smp.BlockedContent {
		return fmt.Errorf("a queue can be blocked for %s or %s, not for %q", smp.BlockedSpam, smp.BlockedContent, why.Reason)
	}
	return r.operate(id, func(s *stripe, q *queue) (*commit, error) {
		next := q.record
		next.blocked = &why
		stored, err := r.store.update(q, change{next: next})
		if sub := s.subs[q.rcv]; sub != nil && err == nil {
			sub.conn.push(outgoing{entity: q.rcv.id(), message: blockedError(q), stored: stored})
		}
		return stored, err
	})
}

// Unblock takes Block back. The error is ErrNoQueue if there is no such queue.
func (r *Relay) Unblock(id smp.ID) error {
	return r.operate(id, func(_ *stripe, q *queue) (*commit, error) {
		next := q.record
		next.blocked = nil
		return r.store.update(q, change{next: next})
	})
}

// Delete deletes the queue with a sender or link id and its messages, and tells its
// subscriber. The error is ErrNoQueue if there is none.
func (r *Relay) Delete(id smp.ID) error {
	return r.operate(id, func(s *stripe, q *queue) (*commit, error) { return s.remove(q, nil) })
}

func blockedError(q *queue) *smp.Error {
	return &smp.Error{Kind: smp.KindBlocked, Blocking: *q.blocked}
}

// refused answers a command on a queue that the operator has blocked.
func (q *request) refused(queue *queue) bool {
	if queue.blocked == nil {
		return false
	}
	q.fail(blockedError(queue))
	return true
}
