package agent

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// errDropped wraps the reason why a message is acknowledged without effect: it is not for us,
// or can't be what its sender says.
var errDropped = errors.New("agent: message dropped")

func drop(reason string) error { return fmt.Errorf("%w: %s", errDropped, reason) }

// receive stores what a relay delivered. Without an error the message is to be acknowledged with
// the key that it returns, which is that of the queue.
//
// A fault of this program, which a message has met, must not hold up those after it: it is told like a message that can't be decrypted.
func (a *Agent) receive(server string, id smp.ID, msg smp.Msg) (key *crypt.Ed25519Private, err error) {
	key, err = a.receiveWith(server, id, msg, a.process)
	var met *fault.Error
	if !errors.As(err, &met) {
		return key, err
	}
	return a.receiveWith(server, id, msg, func(tx *store.Tx, q *store.ReceiveQueue, _ smp.Msg) error {
		return a.cfg.Handler.Unreadable(tx, q.Connection, a.cfg.Now(), met)
	})
}

// receiveWith has process take a message, unless it was stored before.
func (a *Agent) receiveWith(server string, id smp.ID, msg smp.Msg, process func(*store.Tx, *store.ReceiveQueue, smp.Msg) error) (key *crypt.Ed25519Private, err error) {
	defer fault.Contain(&err)
	err = a.update(func(tx *store.Tx) error {
		q, err := tx.ReceiveQueueByID(server, []byte(id))
		if err != nil {
			return err
		}
		key = new(crypt.Ed25519Private)
		copy(key[:], q.Key)
		if bytes.Equal(q.LastMessage, []byte(msg.ID)) {
			return nil // stored before, but the acknowledgement got lost
		}
		changed := *q
		err = process(tx, &changed, msg)
		if err == nil {
			q = &changed
		} else if !errors.Is(err, errDropped) {
			return err
		}
		q.LastMessage = []byte(msg.ID)
		return tx.SaveReceiveQueue(q)
	})
	return key, err
}

// delivery is a message on its way through process.
type delivery struct {
	tx   *store.Tx
	c    *store.Connection
	q    *store.ReceiveQueue
	time time.Time
}

// process opens the layers of a message one after the other (agent.md §2 and §9).
func (a *Agent) process(tx *store.Tx, q *store.ReceiveQueue, msg smp.Msg) error {
	c, err := tx.Connection(q.Connection)
	if err != nil {
		return err
	}
	d := &delivery{tx: tx, c: c, q: q}
	secret := crypt.Secret(q.DHSecret)
	defer secret.Wipe()
	received, err := smp.OpenMessage(&secret, msg)
	if err != nil {
		return drop("its outer box does not open")
	}
	d.time = received.Time
	if received.Quota {
		return a.continueSending(d)
	}
	env, err := smp.ParseEnvelope(received.Body)
	if err != nil {
		return drop("its envelope is malformed")
	}
	if !a.cfg.Versions.Client.Contains(env.Version) && env.Version > q.ClientVersion {
		return drop("its envelope is of another version")
	}
	switch known := q.E2ESecret != nil; {
	case known && env.Key != nil:
		return a.processRepetition(d, env)
	case known:
		if q.Replaces != 0 {
			if err := a.moved(d); err != nil {
				return err
			}
		}
		shared := crypt.Secret(q.E2ESecret)
		defer shared.Wipe()
		m, err := env.Open(&shared)
		if err != nil {
			return drop("its inner box does not open")
		}
		return a.processMessage(d, m)
	case env.Key == nil:
		return drop("a message before the confirmation")
	}
	key := crypt.X25519Private(q.E2EKey)
	defer key.Wipe()
	shared, err := key.DH(*env.Key)
	if err != nil {
		return drop("a bad key")
	}
	defer shared.Wipe()
	m, err := env.Open(&shared)
	if err != nil {
		return drop("its inner box does not open")
	}
	e, err := parseEnvelope(m.Body)
	if err == nil && e.tag == tagInvitation && m.SenderKey == nil && State(c.State) == StateAddress {
		return a.processRequest(d, e)
	}
	if err != nil || e.tag != tagConfirmation || State(c.State) == StateAddress {
		return drop("not a confirmation")
	}
	if m.SenderKey == nil && smp.QueueMode(q.Mode) != smp.ModeMessaging {
		return drop("a confirmation without the key of its sender")
	}
	if !a.cfg.Versions.Agent.Contains(e.version) {
		return drop("of an agent version that can't be talked to")
	}
	q.E2ESecret = append([]byte(nil), shared[:]...)
	if m.SenderKey != nil {
		q.SenderKey = m.SenderKey.DER()
	}
	if c.Role == roleInitiator {
		return a.processJoiner(d, e)
	}
	return a.processAnswer(d, e)
}

// processJoiner handles the confirmation of who opened our link (agent.md §7, step 6 to 8).
func (a *Agent) processJoiner(d *delivery, e envelope) error {
	if State(d.c.State) != StateInvited || e.params == nil {
		return drop("a confirmation that was not asked for")
	}
	private := new(ratchet.PrivateParams)
	if err := private.UnmarshalBinary(d.c.Private); err != nil {
		return fmt.Errorf("agent: stored keys: %w", err)
	}
	defer private.Wipe()
	d.c.AgentVersion = min(e.version, a.cfg.Versions.Agent.Max)
	pq := d.c.PQ && d.c.AgentVersion >= pqVersion && e.params.Version >= pqRatchetVersion
	r, err := ratchet.Initiate(private, a.cfg.Versions.Ratchet, *e.params, pq)
	if err != nil {
		return drop(err.Error())
	}
	defer r.Wipe()
	plain, err := a.decryptWith(d, r, e.body)
	if err != nil {
		return drop(err.Error())
	}
	m, err := parseMessage(plain)
	if err != nil || m.kind != kindConnInfoReply {
		return drop("a confirmation without a queue for the answer")
	}
	info := m.queues[0]
	if !a.cfg.Versions.Client.Contains(info.Version) {
		return drop("the queue for the answer is of another version")
	}
	sq, err := a.newSendQueue(info.Version, info.QueueAddress)
	if err != nil {
		return drop(err.Error())
	}
	hash := sha256.Sum256(plain)
	// Those before it, which were made in vain, count as well.
	d.c.ReceivedNumber, d.c.ReceivedHash = int64(r.Received()), hash[:]
	d.c.PQ, d.c.Private = pq, nil
	d.c.State = string(StateConfirmed)
	d.q.State = queueSecured
	if info.Version < d.q.ClientVersion {
		d.q.ClientVersion = info.Version
	}
	reply, err := a.cfg.Handler.Confirm(d.tx, d.c.ID, m.info)
	if errors.Is(err, ErrReject) {
		return drop("rejected")
	} else if err != nil {
		return err
	}
	sq.Connection = d.c.ID
	if err := d.tx.InsertSendQueue(sq); err != nil {
		return err
	}
	if err := a.queueConfirmation(d.tx, d.c, sq, nil, message{kind: kindConnInfo, info: reply}.append(nil)); err != nil {
		return err
	}
	return d.tx.SaveConnection(d.c)
}

// processRepetition drops the confirmation of who opened our link when it came before. The reference encrypts it anew where it
// does not learn that the relay has the first one: it is another message for the ratchet and in the count then, and not a
// missing one.
func (a *Agent) processRepetition(d *delivery, env *smp.Envelope) error {
	const repeated = "a confirmation that was answered before"
	shared := crypt.Secret(d.q.E2ESecret)
	defer shared.Wipe()
	m, err := env.Open(&shared)
	if err != nil {
		return drop("its inner box does not open")
	}
	e, err := parseEnvelope(m.Body)
	if err != nil || e.tag != tagConfirmation || e.params == nil || d.c.Role != roleInitiator || d.c.Ratchet == nil {
		return drop(repeated)
	}
	plain, _, err := a.decrypt(d, e.body)
	if errors.Is(err, errDropped) {
		if err := d.tx.SaveConnection(d.c); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if hash := sha256.Sum256(plain); bytes.Equal(hash[:], d.c.ReceivedHash) {
		d.c.ReceivedNumber++
	}
	return d.tx.SaveConnection(d.c)
}

// processAnswer handles the confirmation of who made the link that we opened (agent.md §7, step 9).
func (a *Agent) processAnswer(d *delivery, e envelope) error {
	if State(d.c.State) != StateConfirmed || e.params != nil {
		return drop("an answer that was not asked for")
	}
	plain, _, err := a.decrypt(d, e.body)
	if errors.Is(err, errDropped) {
		if err := d.tx.SaveConnection(d.c); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	m, err := parseMessage(plain)
	if err != nil || m.kind != kindConnInfo {
		return drop("an answer without information")
	}
	hash := sha256.Sum256(plain)
	d.c.ReceivedNumber, d.c.ReceivedHash = 1, hash[:]
	d.c.AgentVersion = max(d.c.AgentVersion, min(e.version, a.cfg.Versions.Agent.Max))
	d.q.State = queueSecured
	if err := a.cfg.Handler.Info(d.tx, d.c.ID, m.info); err != nil {
		return err
	}
	if d.q.SenderKey == nil {
		return a.connected(d.tx, d.c)
	}
	// The standard handshake: each side still has to show that it can send (agent.md §7).
	return a.hello(d)
}

// connected marks a connection as such.
func (a *Agent) connected(tx *store.Tx, c *store.Connection) error {
	c.State = string(StateConnected)
	if err := tx.SaveConnection(c); err != nil {
		return err
	}
	return a.cfg.Handler.Connected(tx, c.ID)
}

// hello queues a HELLO.
func (a *Agent) hello(d *delivery) error {
	d.c.HelloSent = true
	return a.sendFrom(d, message{kind: kindHello}, true)
}

// continueSending tells the sender of a queue that was full to go on (agent.md §9). Those who filled an
// address or an open invitation can't be told. A joiner can fill a queue before it has our confirmation, behind which
// it is told then.
func (a *Agent) continueSending(d *delivery) error {
	if s := State(d.c.State); s != StateConnected && (s != StateConfirmed || d.c.Role != roleInitiator) {
		return nil
	}
	server, err := wire.ParseServer(d.q.Server)
	if err != nil {
		return err
	}
	return a.sendFrom(d, message{kind: kindContinue, address: QAddr{server, smp.ID(d.q.SenderID)}}, false)
}

// sendFrom queues an agent's own message while one is processed.
func (a *Agent) sendFrom(d *delivery, m message, notify bool) error {
	if !SyncState(d.c.Sync).sendable() && m.kind != kindReady {
		return d.tx.SaveConnection(d.c) // it could not be decrypted; receipts and the like can be missed
	}
	return a.sendOwn(d.tx, d.c, m, notify)
}

// sendOwn queues an agent's own message for all queues of a connection, and stores c.
func (a *Agent) sendOwn(tx *store.Tx, c *store.Connection, m message, notify bool) error {
	queues, err := tx.SendQueuesOf(c.ID)
	if err != nil {
		return err
	}
	if err := a.queueMessage(tx, c, queues, m, store.Outgoing{Kind: outKind(m.kind), Notify: notify}, ratchet.PQKeep); err != nil {
		return err
	}
	return tx.SaveConnection(c)
}

// processMessage handles what comes after the confirmation.
func (a *Agent) processMessage(d *delivery, m *smp.ClientMessage) error {
	e, err := parseEnvelope(m.Body)
	if err != nil || m.SenderKey != nil {
		return drop("malformed")
	}
	// The other side sends its own highest version, which only raises the one agreed on (agent.md §1).
	d.c.AgentVersion = max(d.c.AgentVersion, min(e.version, a.cfg.Versions.Agent.Max))
	switch e.tag {
	case tagMessage:
	case tagRatchetKey:
		return a.processRatchetKey(d, e.params, e.body)
	default:
		return drop("of a kind that is not expected here")
	}
	hash := sha256.Sum256(e.body)
	plain, couldSend, err := a.decrypt(d, e.body)
	if errors.Is(err, errDropped) {
		known, err2 := d.tx.WasReceived(d.c.ID, hash[:])
		if err2 != nil || known {
			return err2 // a redelivery that the ratchet has moved past
		}
		if err := a.setSync(d.tx, d.c, syncAfter(SyncState(d.c.Sync), err)); err != nil {
			return err
		}
		if err := d.tx.SaveConnection(d.c); err != nil {
			return err
		}
		return a.cfg.Handler.Unreadable(d.tx, d.c.ID, d.time, err)
	} else if err != nil {
		return err
	}
	if err := d.tx.InsertReceived(d.c.ID, hash[:], a.cfg.Now()); err != nil {
		return err
	}
	if s := SyncState(d.c.Sync); s != SyncOK && s != SyncStarted {
		if err := a.setSync(d.tx, d.c, SyncOK); err != nil {
			return err
		}
	}
	msg, err := parseMessage(plain)
	if err != nil || msg.prevHash == nil && msg.number == 0 {
		return d.tx.SaveConnection(d.c)
	}
	integrity, missing := a.check(d.c, msg)
	if missing == 1 {
		if test, err := a.mayBeTest(d, msg.number-1); err != nil {
			return err
		} else if test {
			integrity, missing = IntegrityOK, 0
		}
	}
	if d.q.Gap > 0 && a.cfg.Now().Sub(d.q.GapSince) > expireMessage {
		d.q.Gap = gapReported
		if err := a.cfg.Handler.Unreadable(d.tx, d.c.ID, d.time, &MissingError{1}); err != nil {
			return err
		}
	}
	if msg.kind == kindTest && msg.number < d.c.ReceivedNumber {
		return a.lateTest(d, msg.number) // the messages after it came before it
	}
	plainHash, last := sha256.Sum256(plain), d.c.ReceivedNumber
	d.c.ReceivedNumber, d.c.ReceivedHash = msg.number, plainHash[:]
	if err := d.tx.SaveConnection(d.c); err != nil {
		return err
	}
	if missing > 0 && msg.kind != kindBody {
		if err := a.cfg.Handler.Unreadable(d.tx, d.c.ID, d.time, &MissingError{missing}); err != nil {
			return err
		}
	}
	switch msg.kind {
	case kindBody:
		receipt, err := a.cfg.Handler.Message(d.tx, d.c.ID, Message{msg.info, msg.number, d.time, integrity, missing})
		if err != nil || !receipt || d.c.AgentVersion < receiptVersion {
			return err
		}
		return a.sendFrom(d, message{kind: kindReceipts, receipts: []receiptInfo{{msg.number, plainHash[:], nil}}}, false)
	case kindHello:
		return a.processHello(d)
	case kindReceipts:
		return a.processReceipts(d, msg.receipts)
	case kindContinue:
		a.resume(d, msg.address)
	case kindAdd:
		return a.processAdd(d, msg.add)
	case kindKey:
		return a.processKey(d, msg.keys)
	case kindUse:
		return a.processUse(d, msg.use)
	case kindReady:
		if !couldSend {
			// The last one was the keys that this ratchet is made of. The number is that before them.
			return a.sendFrom(d, message{kind: kindReady, ready: last - 1}, true)
		}
	}
	return nil
}

// check is the integrity check (agent.md §4).
func (a *Agent) check(c *store.Connection, m message) (i Integrity, missing int64) {
	switch prev := c.ReceivedNumber; {
	case m.number == prev+1 && bytes.Equal(m.prevHash, c.ReceivedHash):
		return IntegrityOK, 0
	case m.number < prev:
		return IntegrityBadID, 0
	case m.number == prev:
		return IntegrityDuplicate, 0
	case m.number > prev+1:
		return IntegritySkipped, m.number - prev - 1
	}
	return IntegrityBadHash, 0
}

// processHello goes on with the standard handshake (agent.md §7, step 9).
func (a *Agent) processHello(d *delivery) error {
	if State(d.c.State) != StateConfirmed || d.c.HelloReceived {
		return nil
	}
	d.c.HelloReceived = true
	d.q.State = queueActive
	if !d.c.HelloSent {
		// The initiator answers; it is connected once the relay has the answer.
		return a.hello(d)
	}
	return a.connected(d.tx, d.c)
}

func (a *Agent) processReceipts(d *delivery, receipts []receiptInfo) error {
	for _, r := range receipts {
		s, err := d.tx.Sent(d.c.ID, r.number)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if s.Reference == 0 || !crypt.Equal(s.Hash, r.hash) {
			continue
		}
		if err := a.cfg.Handler.Delivered(d.tx, d.c.ID, s.Reference); err != nil {
			return err
		}
	}
	return nil
}

// resume goes on sending to a queue that is not full any more.
func (a *Agent) resume(d *delivery, address QAddr) {
	queues, err := d.tx.SendQueuesOf(d.c.ID)
	if err != nil {
		return // it goes on by itself later
	}
	for _, sq := range queues {
		if server, err := wire.ParseServer(sq.Server); err == nil && server.SameAs(address.Server) && smp.ID(sq.SenderID) == address.SenderID {
			d.tx.AfterCommit(func() { a.wake(sq.ID) })
		}
	}
}
