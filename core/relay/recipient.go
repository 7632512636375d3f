package relay

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// recipient executes the commands that are authorized by a recipient's key.
func (q *request) recipient(cmd smp.Command) {
	rec, ok, failed := q.find(kindQueue)
	if failed {
		return
	}
	if !q.verified(rec.rcvKeys...) || !ok {
		q.fail(smp.ErrAuth)
		return
	}
	q.locked(rec.rcv, func(s *stripe, queue *queue) {
		switch cmd.(type) {
		case smp.Off, smp.Del:
		default:
			if q.refused(queue) {
				return
			}
		}
		switch cmd := cmd.(type) {
		case smp.Sub:
			q.subscribe(s, queue)
		case smp.Get:
			q.get(s, queue)
		case smp.Ack:
			q.acknowledge(s, queue, cmd.MsgID)
		case smp.Key:
			q.setSenderKey(queue, cmd.Key, smp.OK{})
		case smp.RKey:
			q.setRecipientKeys(queue, cmd.Keys)
		case smp.LSet:
			q.setLink(queue, cmd)
		case smp.LDel:
			next := queue.record
			next.link = nil
			q.change(queue, change{next: next}, smp.OK{})
		case smp.NKey:
			q.setNotifier(queue, cmd.Keys)
		case smp.NDel:
			q.deleteNotifier(queue)
		case smp.Off:
			next := queue.record
			next.off = true
			q.change(queue, change{next: next}, smp.OK{})
		case smp.Del:
			q.delete(s, queue)
		case smp.Que:
			q.describe(queue)
		default:
			q.fail(smp.ErrUnknownCommand)
		}
	})
}

// change stores a change of a queue's record and answers with m.
func (q *request) change(queue *queue, c change, m smp.Message) bool {
	stored, err := q.relay.store.update(queue, c)
	q.done(m, stored, err)
	return err == nil
}

// create executes NEW (smp-commands.md §2).
func (q *request) create(cmd smp.New) {
	if !q.verified(cmd.RcvAuth) {
		q.fail(smp.ErrAuth)
		return
	}
	password, limit := q.relay.settings.Password, int64(q.relay.config.MaxQueues)
	if q.relay.config.NoNewQueues || limit > 0 && q.relay.stats.queues.Load() >= limit ||
		password != "" && subtle.ConstantTimeCompare([]byte(password), []byte(cmd.Password)) != 1 {
		q.fail(smp.ErrAuth)
		return
	}
	if l := cmd.Link; q.service != nil && !cmd.Subscribe || l != nil && l.SenderID != smp.SenderID(q.t.CorrID) {
		q.fail(smp.ErrProhibited)
		return
	}
	q.conn.limit(&q.conn.creations)
	queue, answer, err := q.newQueue(cmd)
	if err != nil {
		q.fail(asError(err))
		return
	}
	defer queue.secret.Wipe()
	s := q.relay.stripe(queue.rcv)
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := q.relay.createQueue(queue, cmd.Link)
	if errors.Is(err, smp.ErrAuth) {
		q.fail(smp.ErrAuth)
		return
	}
	if err == nil {
		q.relay.stats.queues.Add(1)
		q.relay.stats.queuesCreated.Add(1)
		kept := *queue
		s.keep(&kept)
		if cmd.Subscribe {
			s.subscribe(q.conn, queue)
		}
	}
	q.done(answer, stored, err)
}

// newQueue makes ids and keys of a queue.
func (q *request) newQueue(cmd smp.New) (*queue, smp.IDs, error) {
	now := q.relay.config.Now()
	n := &queue{first: firstNumber(now)}
	n.next = n.first
	n.rcv, n.snd = newKey(), newKey()
	n.rcvKeys, n.mode, n.used = []crypt.AuthPublic{cmd.RcvAuth}, cmd.Mode, today(now)
	if l := cmd.Link; l != nil {
		link := newKey()
		if cmd.Mode == smp.ModeContact {
			var ok bool
			if link, ok = keyOf(l.LinkID); !ok {
				return nil, smp.IDs{}, smp.ErrProhibited
			}
		}
		n.link = &link
		n.snd, _ = keyOf(l.SenderID)
	}
	answer := smp.IDs{RcvID: n.rcv.id(), SndID: n.snd.id(), Mode: n.mode, ServiceID: q.serviceID()}
	if n.link != nil {
		answer.LinkID = n.link.id()
	}
	var err error
	if answer.ServerDH, n.secret, err = agreeKey(cmd.RcvDH); err != nil {
		return nil, smp.IDs{}, err
	}
	if cmd.Notifier != nil {
		var public crypt.X25519Public
		if n.notifier, public, err = newNotifier(*cmd.Notifier); err != nil {
			return nil, smp.IDs{}, err
		}
		answer.Notifier = &smp.NotifierIDs{ID: n.notifier.id.id(), ServerDH: public}
	}
	return n, answer, nil
}

func newNotifier(keys smp.NotifierKeys) (*notifier, crypt.X25519Public, error) {
	n := &notifier{id: newKey(), key: keys.Auth}
	public, secret, err := agreeKey(keys.DH)
	n.secret = secret
	return n, public, err
}

// agreeKey makes a key of the relay and its secret with a client's key.
func agreeKey(peer crypt.X25519Public) (public crypt.X25519Public, secret crypt.Secret, err error) {
	k, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return public, secret, err
	}
	defer k.Wipe()
	if secret, err = k.DH(peer); err != nil {
		return public, secret, smp.ErrSyntax // a key that gives everybody the same secret
	}
	return k.Public(), secret, nil
}

func newKey() (k key) {
	rand.Read(k[:]) // never fails
	return k
}

// createQueue stores a queue. Ids that a client chose must be new: else it is smp.ErrAuth.
// The others are random.
func (r *Relay) createQueue(n *queue, link *smp.NewLink) (*commit, error) {
	if link == nil {
		return r.store.create(n, nil)
	}
	r.links.Lock()
	defer r.links.Unlock()
	for _, c := range []struct {
		kind byte
		id   key
	}{{kindLink, *n.link}, {kindSender, n.snd}} {
		_, taken, err := r.store.find(c.kind, c.id.id())
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, smp.ErrAuth
		}
	}
	return r.store.create(n, &link.Data)
}

// subscribe executes SUB. The subscription is there before the answer (gotchas.md 61).
func (q *request) subscribe(s *stripe, queue *queue) {
	if own := q.conn.subs[queue.rcv]; own != nil && own.get && !own.ended {
		q.fail(smp.ErrProhibited)
		return
	}
	s.subscribe(q.conn, queue)
	q.conn.hold() // for the first message, which may join the answer
	q.ok(smp.SOK{ServiceID: q.serviceID()})
	s.deliverAfter(queue)
}

// get executes GET.
func (q *request) get(s *stripe, queue *queue) {
	sub := q.conn.subs[queue.rcv]
	if sub == nil || sub.ended {
		sub = &subscription{conn: q.conn, queue: queue.rcv, get: true}
		q.conn.subs[queue.rcv] = sub
	}
	if !sub.get {
		q.fail(smp.ErrProhibited)
		return
	}
	if !s.offer(sub, queue) {
		q.ok(smp.OK{})
		return
	}
	q.reply(outgoing{delivery: sub})
}

// acknowledge executes ACK. An empty id stands for any message and deletes none.
func (q *request) acknowledge(s *stripe, queue *queue, id smp.ID) {
	sub := q.conn.subs[queue.rcv]
	if sub == nil || sub.ended || sub.delivered == 0 || sub.id == (key{}) || id != "" && id != sub.id.id() {
		q.fail(smp.ErrNoMessage)
		return
	}
	// If it is not the first any more, another connection has acknowledged it or it has expired.
	if id != "" && sub.delivered == queue.first {
		if err := q.relay.store.removeFirst(queue, 1); err != nil {
			q.storeError(err)
			return
		}
		q.relay.stats.messagesAcknowledged.Add(1)
	}
	if sub.get {
		sub.delivered, sub.id = 0, key{}
		q.ok(smp.OK{})
		return
	}
	if !s.offer(sub, queue) {
		q.ok(smp.OK{})
		return
	}
	q.reply(outgoing{delivery: sub})
}

func (q *request) setRecipientKeys(queue *queue, keys []crypt.AuthPublic) {
	if queue.mode != smp.ModeContact {
		q.fail(smp.ErrAuth)
		return
	}
	next := queue.record
	next.rcvKeys = keys
	q.change(queue, change{next: next}, smp.OK{})
}

// setNotifier executes NKEY.
func (q *request) setNotifier(queue *queue, keys smp.NotifierKeys) {
	n, public, err := newNotifier(keys)
	if err != nil {
		q.fail(asError(err))
		return
	}
	old, next := queue.notifier, queue.record
	next.notifier = n
	answer := smp.NID{NotifierIDs: smp.NotifierIDs{ID: n.id.id(), ServerDH: public}}
	if q.change(queue, change{next: next}, answer) && old != nil {
		q.relay.notifiers.end(old, q.conn)
	}
}

// deleteNotifier executes NDEL.
func (q *request) deleteNotifier(queue *queue) {
	old, next := queue.notifier, queue.record
	if old == nil {
		q.ok(smp.OK{})
		return
	}
	next.notifier = nil
	if q.change(queue, change{next: next}, smp.OK{}) {
		q.relay.notifiers.end(old, q.conn)
	}
}

// delete executes DEL.
func (q *request) delete(s *stripe, queue *queue) {
	stored, err := s.remove(queue, q.conn)
	q.done(smp.OK{}, stored, err)
}

// remove deletes a queue and tells its subscribers, but not the connection by.
func (s *stripe) remove(queue *queue, by *conn) (*commit, error) {
	stored, err := s.relay.store.remove(queue)
	if err != nil {
		return nil, err
	}
	s.relay.stats.queues.Add(-1)
	s.relay.stats.queuesDeleted.Add(1)
	delete(s.queues, queue.rcv)
	if sub := s.subs[queue.rcv]; sub != nil {
		s.end(sub)
		if sub.conn != by {
			sub.conn.push(outgoing{entity: queue.rcv.id(), message: smp.Deld{}})
		}
	}
	if queue.notifier != nil {
		s.relay.notifiers.end(queue.notifier, by)
	}
	return stored, nil
}

// describe executes QUE (smp-commands.md §3).
func (q *request) describe(queue *queue) {
	info := smp.QueueInfo{
		Secured:  queue.sndKey != nil,
		Notifier: queue.notifier != nil,
		Size:     int(queue.next - queue.first),
	}
	if sub := q.conn.subs[queue.rcv]; sub != nil && !sub.ended {
		info.Sub = &smp.QueueSub{Thread: "noSub"}
		if sub.get {
			info.Sub.Thread = "prohibitSub"
		}
		if sub.id != (key{}) {
			info.Sub.Delivered = base64.StdEncoding.EncodeToString(sub.id[:])
		}
	}
	if !queue.empty() {
		m, err := q.relay.store.message(queue.rcv, queue.first)
		if err != nil {
			q.storeError(err)
			return
		}
		info.First = &smp.QueueMsgRef{
			ID:   base64.StdEncoding.EncodeToString(m.id[:]),
			Time: time.Unix(m.time, 0).UTC().Format(time.RFC3339),
			Type: "message",
		}
		if m.marker {
			info.First.Type = "quota"
		}
	}
	q.ok(smp.Info{QueueInfo: info})
}

// subscribeNotifier executes NSUB. What came while nobody listened is announced.
func (q *request) subscribeNotifier() {
	rec, ok, failed := q.find(kindNotifier)
	if failed {
		return
	}
	var keys []crypt.AuthPublic
	if ok && rec.notifier != nil {
		keys = []crypt.AuthPublic{rec.notifier.key}
	}
	if !q.verified(keys...) {
		q.fail(smp.ErrAuth)
		return
	}
	q.locked(rec.rcv, func(_ *stripe, queue *queue) {
		if queue.notifier == nil || queue.notifier.id.id() != smp.ID(q.t.Entity) {
			q.fail(smp.ErrAuth)
			return
		}
		before := queue.notifier.service
		stored, err := q.associate(queue)
		if err != nil {
			q.storeError(err)
			return
		}
		q.relay.notifiers.subscribe(queue.notifier, before, q.conn)
		q.done(smp.SOK{ServiceID: q.serviceID()}, stored, nil)
		if err := q.relay.announceWaiting(queue); err != nil {
			q.relay.storeError(err)
		}
	})
}
