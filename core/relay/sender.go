package relay

import (
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// setSenderKey secures a queue once. The same key again is no error.
func (q *request) setSenderKey(queue *queue, k crypt.AuthPublic, answer smp.Message) {
	switch queue.sndKey {
	case nil:
		next := queue.record
		next.sndKey = k
		q.change(queue, change{next: next}, answer)
	case k:
		q.ok(answer)
	default:
		q.fail(smp.ErrAuth)
	}
}

// secure executes SKEY, and LKEY, which answers with the link data.
func (q *request) secure(kind byte, k crypt.AuthPublic) {
	rec, ok, failed := q.find(kind)
	if failed {
		return
	}
	if !q.verified(k) || !ok || rec.mode != smp.ModeMessaging || rec.sndKey != nil && rec.sndKey != k {
		q.fail(smp.ErrAuth)
		return
	}
	q.locked(rec.rcv, func(_ *stripe, queue *queue) {
		if q.refused(queue) {
			return
		}
		var answer smp.Message = smp.OK{}
		if kind == kindLink {
			if answer, ok = q.link(queue); !ok {
				return
			}
		}
		q.setSenderKey(queue, k, answer)
	})
}

// sendMessage executes SEND. The order of its checks is that of smp-commands.md §5.
func (q *request) sendMessage(cmd smp.Send) {
	rec, ok, failed := q.find(kindSender)
	if failed {
		return
	}
	if !q.mayBeSender(&rec) || !ok {
		q.fail(smp.ErrAuth)
		return
	}
	if len(cmd.Body) > smp.MaxBody(q.version) {
		q.fail(smp.ErrLarge)
		return
	}
	q.locked(rec.rcv, func(s *stripe, queue *queue) {
		if queue.off || queue.sndKey != rec.sndKey {
			q.fail(smp.ErrAuth)
			return
		}
		if q.refused(queue) {
			return
		}
		if queue.full {
			q.relay.stats.quotaErrors.Add(1)
			q.fail(smp.ErrQuota)
			return
		}
		q.store(s, queue, cmd)
	})
}

// mayBeSender tells whether the command is authorized as the queue wants it: by the
// sender's key if it is secured, and not at all if it isn't.
func (q *request) mayBeSender(rec *record) bool {
	switch {
	case rec.sndKey != nil && len(q.t.Auth) > 0:
		return q.verified(rec.sndKey)
	case len(q.t.Auth) > 0:
		return q.verified() // false, after some time
	}
	return rec.sndKey == nil
}

// store puts a message into a queue that is not full, or the quota marker in its place if
// that makes the queue full, and delivers it.
func (q *request) store(s *stripe, queue *queue, cmd smp.Send) {
	m := message{id: newKey(), time: q.relay.config.Now().Unix(), notify: cmd.Notify, body: cmd.Body}
	if queue.next-queue.first >= uint64(q.relay.config.Quota) {
		m.marker, m.notify, m.body = true, false, nil
	}
	if !m.marker && queue.link != nil && queue.mode != smp.ModeContact && queue.sndKey != nil {
		// The link has done its work (gotchas.md 40). This reaches the disk before the message does.
		next := queue.record
		next.link = nil
		if _, err := q.relay.store.update(queue, change{next: next}); err != nil {
			q.storeError(err)
			return
		}
	}
	m.unannounced = m.notify && queue.notifier != nil && !q.relay.notifiers.hears(queue.notifier)
	stored, err := q.relay.store.add(queue, &m)
	if err == nil {
		q.relay.stats.messagesStored.Add(1)
		s.deliver(queue, stored) // before the answer, as with the reference: the client may be both
		if m.notify && queue.notifier != nil && !m.unannounced {
			q.relay.notifiers.notify(queue, &m, stored)
		}
	}
	var answer smp.Message = smp.OK{}
	if m.marker {
		q.relay.stats.quotaErrors.Add(1)
		answer = smp.ErrQuota
	}
	q.done(answer, stored, err)
}
