package relay

import (
	"slices"

	"github.com/sotto-chat/sotto/core/smp"
)

// link reads the link data, or answers and returns false.
func (q *request) link(queue *queue) (smp.Message, bool) {
	if queue.link == nil || queue.link.id() != smp.ID(q.t.Entity) {
		q.fail(smp.ErrAuth)
		return nil, false
	}
	data, err := q.relay.store.linkData(queue.rcv)
	if err != nil {
		q.storeError(err)
		return nil, false
	}
	return smp.Lnk{SndID: queue.snd.id(), Data: data}, true
}

// getLink executes LGET.
func (q *request) getLink() {
	rec, ok, failed := q.find(kindLink)
	if failed {
		return
	}
	if !ok {
		q.fail(smp.ErrAuth)
		return
	}
	q.locked(rec.rcv, func(_ *stripe, queue *queue) {
		if queue.mode == smp.ModeMessaging || queue.mode == smp.ModeUnknown && queue.sndKey != nil {
			q.fail(smp.ErrAuth)
			return
		}
		if q.refused(queue) {
			return
		}
		if answer, ok := q.link(queue); ok {
			q.ok(answer)
		}
	})
}

// setLink executes LSET. Unlike the reference with its memory store it never takes a link
// id away from another queue (smp-commands.md §5).
func (q *request) setLink(queue *queue, cmd smp.LSet) {
	id, ok := keyOf(cmd.LinkID)
	if !ok || queue.mode != smp.ModeContact && queue.sndKey != nil ||
		queue.link != nil && *queue.link != id {
		q.fail(smp.ErrAuth)
		return
	}
	q.relay.links.Lock()
	defer q.relay.links.Unlock()
	if queue.link != nil {
		old, err := q.relay.store.linkData(queue.rcv)
		if err != nil {
			q.storeError(err)
			return
		}
		if !slices.Equal(old.Fixed, cmd.Data.Fixed) {
			q.fail(smp.ErrAuth)
			return
		}
	} else if _, taken, err := q.relay.store.find(kindLink, cmd.LinkID); err != nil {
		q.storeError(err)
		return
	} else if taken {
		q.fail(smp.ErrAuth)
		return
	}
	next := queue.record
	next.link = &id
	q.change(queue, change{next: next, linkData: &cmd.Data}, smp.OK{})
}
