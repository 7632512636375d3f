package agent

import (
	"context"
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

// pqVersion is the agent version from which connections can be post-quantum (agent.md §1),
// receiptVersion that from which messages have receipts, and syncVersion that from which ratchets can be synchronized.
const (
	syncVersion    = 3
	receiptVersion = 4
	pqVersion      = 5
	// pqRatchetVersion is the ratchet version that this needs.
	pqRatchetVersion = 3
	// earlyVersion is the one from which an initiator can decrypt messages before it has
	// answered the confirmation.
	earlyVersion = 7
)

// Invitation is a link in its two forms.
type Invitation struct {
	Full  Link
	Short *ShortLink // nil if the relay keeps no data of links
}

// Invite makes a queue on a relay and a one-time link to it. data is what the short link shows
// before connecting, MaxLinkData bytes at most. created is called in the transaction that stores the
// connection.
func (a *Agent) Invite(ctx context.Context, data []byte, created func(tx *store.Tx, connection int64, i Invitation) error) (connection int64, err error) {
	private, err := ratchet.NewPrivateParams(a.cfg.Rand, a.cfg.PQ)
	if err != nil {
		return 0, err
	}
	defer private.Wipe()
	q, err := a.newQueue(ctx, nil, aFewTries, smp.ModeMessaging, func(address QueueAddress) Link {
		return Link{Kind: LinkInvitation, Versions: a.cfg.Versions.Agent, E2E: private.Link(a.cfg.Versions.Ratchet),
			Queues: []QueueURI{{a.cfg.Versions.Client, address}}}
	}, data)
	if err != nil {
		return 0, fmt.Errorf("making an invitation: %w", err)
	}
	// The text of a full link has no KEM key: its QR code would become too large. The
	// ratchet takes post-quantum keys up with its first headers then (agent.md §6).
	q.links.Full.E2E.KEM = nil
	key, err := private.MarshalBinary()
	if err != nil {
		return 0, err
	}
	c := &store.Connection{State: string(StateInvited), Role: roleInitiator, AgentVersion: a.cfg.Versions.Agent.Max, PQ: a.cfg.PQ,
		Private: key, Created: a.cfg.Now()}
	return a.storeMade(ctx, c, q, created)
}

// storeMade stores a connection with the queue that was made for it, and subscribes to that.
func (a *Agent) storeMade(ctx context.Context, c *store.Connection, q *madeQueue, created func(tx *store.Tx, connection int64, i Invitation) error) (connection int64, err error) {
	err = a.commit(ctx, func(tx *store.Tx) error {
		if err := tx.InsertConnection(c); err != nil {
			return err
		}
		q.row.Connection = c.ID
		if err := tx.InsertReceiveQueue(&q.row); err != nil {
			return err
		}
		return created(tx, c.ID, q.links)
	})
	if err != nil {
		return 0, fmt.Errorf("storing a new %s: %w", c.State, err)
	}
	return c.ID, a.subscribeMade(&q.row)
}

// Join opens a one-time link, or sends a request to an address: it stores the connection, calls
// created in the same transaction, and goes on in the background. info is what the other side gets
// to know. A short link is resolved before.
func (a *Agent) Join(ctx context.Context, link Link, info []byte, created func(tx *store.Tx, connection int64) error) (connection int64, err error) {
	switch link.Kind {
	case LinkInvitation:
	case LinkContact:
		return a.request(ctx, link, info, created)
	default:
		return 0, fmt.Errorf("%w: %s", ErrLinkVersion, link.Kind)
	}
	if err := a.Check(link); err != nil {
		return 0, err
	}
	version, _ := a.cfg.Versions.Agent.Agree(link.Versions)
	queue := link.Queues[0]
	client, _ := a.cfg.Versions.Client.Agree(queue.Versions)
	pq := a.cfg.PQ && version >= pqVersion
	r, params, err := ratchet.Join(a.cfg.Rand, a.cfg.Versions.Ratchet, link.E2E, pq)
	if err != nil {
		return 0, fmt.Errorf("opening a link: %w", err)
	}
	defer r.Wipe()
	state, err := r.MarshalBinary()
	if err != nil {
		return 0, err
	}
	c := &store.Connection{State: string(StateJoining), Role: roleJoiner, AgentVersion: version, PQ: pq && params.Version >= pqRatchetVersion,
		Params: params.Append(nil), Info: info, Ratchet: state, Created: a.cfg.Now()}
	sq, err := a.newSendQueue(client, queue.QueueAddress)
	if err != nil {
		return 0, err
	}
	err = a.commit(ctx, func(tx *store.Tx) error {
		if err := tx.InsertConnection(c); err != nil {
			return err
		}
		sq.Connection = c.ID
		// Reading a short link has secured the queue already, with a key that has to stay. What was
		// read is kept, so that the link still leads here when it is opened again.
		p, err := tx.PreviewOf(sq.Server, sq.SenderID)
		if err == nil {
			sq.Key, sq.State = p.Key, queueSecured
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.InsertSendQueue(sq); err != nil {
			return err
		}
		return created(tx, c.ID)
	})
	if err != nil {
		return 0, fmt.Errorf("storing a connection: %w", err)
	}
	a.startJoin(c.ID)
	return c.ID, nil
}

// startJoin goes on with a join in the background, unless that is under way.
func (a *Agent) startJoin(connection int64) {
	a.mu.Lock()
	running := a.joins[connection]
	a.joins[connection] = true
	a.mu.Unlock()
	if running {
		return
	}
	a.goRun(func() {
		defer func() {
			a.mu.Lock()
			delete(a.joins, connection)
			a.mu.Unlock()
		}()
		began, wait := a.cfg.Now(), a.cfg.RetrySend.First
		for {
			err := a.join(a.ctx, connection)
			a.tellHeld(connection, 0, err)
			if err == nil || a.ctx.Err() != nil {
				return
			}
			if permanent(err) || a.cfg.Now().Sub(began) > expireMessage {
				a.fail(connection, err)
				a.tellHeld(connection, 0, nil)
				return
			}
			if !a.pauseOrRetry(wait) {
				return
			}
			wait = a.cfg.RetrySend.next(wait, a.cfg.Now().Sub(began))
		}
	})
}

// join does what is left of opening a link: secure the other side's queue, make one for the
// answer, and queue the confirmation. Each step is stored, so that it can be repeated.
func (a *Agent) join(ctx context.Context, connection int64) (err error) {
	defer fault.Contain(&err)
	var c *store.Connection
	var sq *store.SendQueue
	err = a.cfg.DB.View(ctx, func(tx *store.Tx) (err error) {
		c, sq, err = a.loadForSending(tx, connection)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	if State(c.State) != StateJoining {
		return nil
	}
	if err := a.secure(ctx, sq); err != nil {
		return err
	}
	server, err := wire.ParseServer(sq.Server)
	if err != nil {
		return err
	}
	q, err := a.newQueue(ctx, []wire.Server{server}, untilUp, smp.ModeMessaging, nil, nil)
	if err != nil {
		return err
	}
	err = a.commit(ctx, func(tx *store.Tx) error {
		c, sq, err := a.loadForSending(tx, connection)
		if err != nil {
			return err
		}
		q.row.Connection = c.ID
		if err := tx.InsertReceiveQueue(&q.row); err != nil {
			return err
		}
		if c.Role == roleInitiator { // of a request to an address
			if err := a.queueRequest(tx, c, sq, q.address); err != nil {
				return err
			}
			c.State, c.Info = string(StateInvited), nil
			return tx.SaveConnection(c)
		}
		reply := QueueInfo{sq.ClientVersion, q.address}
		plain := message{kind: kindConnInfoReply, queues: []QueueInfo{reply}, info: c.Info}.append(nil)
		r := wire.NewReader(c.Params)
		params := ratchet.ReadParams(r)
		if err := r.End(); err != nil {
			return fmt.Errorf("agent: stored parameters: %w", err)
		}
		if err := a.queueConfirmation(tx, c, sq, &params, plain); err != nil {
			return err
		}
		c.State, c.Params, c.Info = string(StateConfirmed), nil, nil
		return tx.SaveConnection(c)
	})
	if err != nil {
		return err
	}
	return a.subscribeMade(&q.row)
}

// secure gives the queue our key, if it is of the kind that senders secure (agent.md §7, step 3).
// Repeating it with the same key succeeds.
func (a *Agent) secure(ctx context.Context, sq *store.SendQueue) error {
	if smp.QueueMode(sq.Mode) != smp.ModeMessaging || sq.State != queueNew {
		return nil
	}
	server, err := wire.ParseServer(sq.Server)
	if err != nil {
		return err
	}
	key := crypt.Ed25519Private(sq.Key)
	defer key.Wipe()
	_, err = a.command(ctx, server, smp.ID(sq.SenderID), &key, smp.SKey{Key: key.Public()})
	if errors.Is(err, smp.ErrAuth) {
		return ErrLinkUsed
	} else if err != nil {
		return err
	}
	sq.State = queueSecured
	return a.commit(ctx, func(tx *store.Tx) error { return tx.SaveSendQueue(sq) })
}

// queueConfirmation encrypts a confirmation and stores it to be sent. A sender that could not
// secure the queue tells its key in it (agent.md §7, step 5).
func (a *Agent) queueConfirmation(tx *store.Tx, c *store.Connection, sq *store.SendQueue, params *ratchet.Params, plain []byte) error {
	padded := paddedInfo
	if c.PQ && c.AgentVersion >= pqVersion {
		padded = paddedInfoPQ
	}
	body, err := a.encrypt(c, plain, padded, ratchet.PQKeep)
	if err != nil {
		return err
	}
	m := smp.ClientMessage{Body: envelope{version: c.AgentVersion, tag: tagConfirmation, params: params, body: body}.append(nil)}
	if smp.QueueMode(sq.Mode) != smp.ModeMessaging {
		key := crypt.Ed25519Private(sq.Key)
		m.SenderKey = key.Public()
		key.Wipe()
	}
	public := crypt.X25519Public(sq.E2EPublic)
	return a.enqueue(tx, c, sq, &store.Outgoing{Kind: outConfirmation, Notify: true}, &public, &m)
}

// loadRatchet returns the ratchet of a connection, which the caller wipes.
func loadRatchet(c *store.Connection) (*ratchet.Ratchet, error) {
	r := new(ratchet.Ratchet)
	if err := r.UnmarshalBinary(c.Ratchet); err != nil {
		return nil, fmt.Errorf("agent: stored ratchet: %w", err)
	}
	return r, nil
}

// encrypt numbers a plaintext and encrypts it with the connection's ratchet. Both are kept in
// c, which the caller stores.
func (a *Agent) encrypt(c *store.Connection, plain []byte, padded int, pq ratchet.PQ) ([]byte, error) {
	r, err := loadRatchet(c)
	if err != nil {
		return nil, err
	}
	defer r.Wipe()
	r.Support(a.cfg.Versions.Ratchet.Max)
	key, err := r.NextKey(pq, len(plain), padded)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	body, err := key.Encrypt(plain, padded)
	if err != nil {
		return nil, err
	}
	if c.Ratchet, err = r.MarshalBinary(); err != nil {
		return nil, err
	}
	c.Count(sha256.Sum256(plain))
	return body, nil
}

// sendable tells whether messages are sent to a queue.
func sendable(q *store.SendQueue) bool { return q.State != queueDeleted && q.State != queueRotating }

// enqueue puts a message into the box of a queue and stores it to be sent.
func (a *Agent) enqueue(tx *store.Tx, c *store.Connection, sq *store.SendQueue, o *store.Outgoing, key *crypt.X25519Public, m *smp.ClientMessage) error {
	nonce, err := crypt.NewNonce(a.cfg.Rand)
	if err != nil {
		return err
	}
	secret := crypt.Secret(sq.E2ESecret)
	defer secret.Wipe()
	e := smp.Envelope{Version: sq.ClientVersion, Key: key, Nonce: nonce}
	if err := e.Seal(&secret, m); err != nil {
		return err
	}
	o.Connection, o.Queue, o.Body, o.Created = c.ID, sq.ID, e.Append(nil), a.cfg.Now()
	queue := sq.ID
	tx.AfterCommit(func() { a.wake(queue) })
	return tx.InsertOutgoing(o)
}

// loadForSending reads a connection and the queue that it sends to.
func (a *Agent) loadForSending(tx *store.Tx, connection int64) (*store.Connection, *store.SendQueue, error) {
	c, err := tx.Connection(connection)
	if err != nil {
		return nil, nil, err
	}
	queues, err := tx.SendQueuesOf(connection)
	if err != nil {
		return nil, nil, err
	}
	for _, q := range queues {
		if sendable(q) {
			return c, q, nil
		}
	}
	return c, nil, ErrNotConnected
}

// fail ends a connection that can't come about.
func (a *Agent) fail(connection int64, reason error) {
	_ = a.update(func(tx *store.Tx) error {
		c, err := tx.Connection(connection)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		c.State = string(StateFailed)
		if err := tx.SaveConnection(c); err != nil {
			return err
		}
		return a.cfg.Handler.Failed(tx, connection, reason)
	})
}

// pause waits and tells whether the agent still runs.
func (a *Agent) pause(d time.Duration) bool { return a.pauseUntil(d, nil) }

// pauseOrRetry waits as pause does, and no longer than until Retry is called.
func (a *Agent) pauseOrRetry(d time.Duration) bool {
	a.mu.Lock()
	again := a.again
	a.mu.Unlock()
	return a.pauseUntil(d, again)
}

func (a *Agent) pauseUntil(d time.Duration, enough <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-enough:
	case <-a.ctx.Done():
		return false
	}
	return true
}
