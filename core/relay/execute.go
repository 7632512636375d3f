package relay

import (
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// A request is a command with its transmission. Its functions answer exactly once, with
// reply or, if the answer has to come from another relay, later.
type request struct {
	conn    *conn
	relay   *Relay
	version uint16   // of the command's encoding and limits
	service *service // that the client is, nil if it is none or the command came through a proxy
	t       smp.Transmission
	signed  []byte // until execute returns
	reply   func(outgoing)
}

// executeBlock executes the commands of a block, first to last.
func (c *conn) executeBlock(content []byte) {
	list, err := smp.SplitBlock(nil, content)
	if err != nil {
		c.answer(outgoing{message: smp.ErrBlock})
		return
	}
	if len(list) > 1 { // else there is nothing to wait for: the writer may begin
		c.hold()
	}
	defer c.letGo()
	defer c.deliverFirst(len(list))
	for _, b := range list {
		t, err := c.params.ParseTransmission(b)
		if err != nil {
			c.answer(outgoing{corrID: string(t.CorrID), message: asError(err)})
			continue
		}
		c.limit(&c.commands)
		c.makeRoom()
		q := request{conn: c, relay: c.relay, version: c.params.Version, service: c.service, t: t}
		q.reply = func(o outgoing) {
			o.answer, o.corrID, o.entity = true, string(t.CorrID), smp.ID(t.Entity)
			c.push(o)
		}
		q.execute(c.params)
	}
}

func asError(err error) *smp.Error {
	var e *smp.Error
	if errors.As(err, &e) {
		return e
	}
	return smp.ErrInternal
}

func (q *request) fail(e *smp.Error)    { q.reply(outgoing{message: e}) }
func (q *request) ok(m smp.Message)     { q.reply(outgoing{message: m}) }
func (q *request) storeError(err error) { q.fail(q.relay.storeError(err)) }

// done answers when a change is on disk.
func (q *request) done(m smp.Message, stored *commit, err error) {
	if err != nil {
		q.storeError(err)
		return
	}
	q.reply(outgoing{message: m, stored: stored})
}

// execute checks a command in the order of smp-transport.md §8 and executes it.
func (q *request) execute(p smp.Params) {
	cmd, err := smp.ParseCommand(q.version, q.t.Body)
	if err == nil {
		err = smp.CheckCredentials(cmd, &q.t)
	}
	if err != nil {
		q.fail(asError(err))
		return
	}
	q.relay.stats.commands.Add(1)
	buf := blocks.Get().(*[crypt.BlockSize]byte)
	defer blocks.Put(buf)
	q.signed = p.AppendSigned(buf[:0], &q.t)
	if e := q.checkService(cmd); e != nil {
		q.fail(e)
		return
	}
	switch cmd := cmd.(type) {
	case smp.New:
		q.create(cmd)
	case smp.SKey:
		q.secure(kindSender, cmd.Key)
	case smp.LKey:
		q.secure(kindLink, cmd.Key)
	case smp.Send:
		q.sendMessage(cmd)
	case smp.LGet:
		q.getLink()
	case smp.NSub:
		q.subscribeNotifier()
	case smp.Ping:
		q.ok(smp.Pong{})
	case smp.Subs:
		q.fail(smp.ErrProhibited) // no relay has that (smp-commands.md §10)
	case smp.NSubs:
		q.subscribeService()
	case smp.Prxy:
		q.connect(cmd)
	case smp.Pfwd:
		q.pass(cmd)
	case smp.Rfwd:
		q.forwarded(cmd)
	default:
		q.recipient(cmd)
	}
}

func proxyError(kind smp.ProxyErrorKind) *smp.Error {
	return &smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{Kind: kind}}
}

// verified tells whether the command is authorized by one of keys. Without any it takes as
// long (smp-transport.md §7.4).
func (q *request) verified(keys ...crypt.AuthPublic) bool {
	var relayKey *crypt.X25519Private
	if q.conn.hasKey {
		relayKey = &q.conn.key
	}
	return q.t.Verify(q.relay.verifier, q.signed, relayKey, keys...)
}

// find returns what the store knows of the queue that the command is about, by its
// recipient id or, with another kind, by that id. Without such a queue ok is false and rec
// is empty. It answers only if the store fails, and then failed is true.
func (q *request) find(kind byte) (rec record, ok, failed bool) {
	entity := smp.ID(q.t.Entity)
	id, ok := keyOf(entity)
	if !ok {
		return record{}, false, false
	}
	rcv, known := id, false
	var err error
	if kind == kindSender {
		rcv, known = q.relay.senders.get(id)
	}
	if kind != kindQueue && !known {
		rcv, ok, err = q.relay.store.find(kind, entity)
	}
	if ok && err == nil {
		rec, ok, err = q.relay.record(rcv)
		if known && err == nil && (!ok || rec.snd != id) { // the queue was deleted in the meantime
			q.relay.senders.forget(id)
			return q.find(kind)
		}
	}
	if err != nil {
		q.storeError(err)
		return record{}, false, true
	}
	if ok && kind == kindSender && !known {
		q.relay.senders.put(id, rcv)
	}
	return rec, ok, false
}

// record returns what the store knows of a queue; ok is false if there is none.
func (r *Relay) record(rcv key) (rec record, ok bool, err error) {
	s := r.stripe(rcv)
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, err := s.queue(rcv)
	if queue == nil || err != nil {
		return record{}, false, err
	}
	return queue.record, true, nil
}

// locked calls f with a queue under its lock, or answers AUTH if it is gone.
func (q *request) locked(rcv key, f func(s *stripe, queue *queue)) {
	s := q.relay.stripe(rcv)
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, err := s.queue(rcv)
	switch {
	case err != nil:
		q.storeError(err)
	case queue == nil:
		q.fail(smp.ErrAuth)
	default:
		if day := today(q.relay.config.Now()); queue.used != day {
			if err := q.relay.store.touch(queue, day); err != nil {
				q.storeError(err)
				return
			}
		}
		f(s, queue)
	}
}

func today(now time.Time) uint32 { return uint32(now.Unix() / (24 * 60 * 60)) }
