package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// MakeAddress makes a queue that anybody can send a request to, and the links to it. data is what the
// short link shows before connecting, MaxLinkData bytes at most. created is called in the
// transaction that stores the address.
func (a *Agent) MakeAddress(ctx context.Context, data []byte, created func(tx *store.Tx, connection int64, i Invitation) error) (connection int64, err error) {
	q, err := a.newQueue(ctx, nil, aFewTries, smp.ModeContact, func(address QueueAddress) Link {
		return Link{Kind: LinkContact, Versions: a.cfg.Versions.Agent, Queues: []QueueURI{{a.cfg.Versions.Client, address}}}
	}, data)
	if err != nil {
		return 0, fmt.Errorf("making an address: %w", err)
	}
	c := &store.Connection{State: string(StateAddress), Role: roleInitiator, AgentVersion: a.cfg.Versions.Agent.Max, Created: a.cfg.Now()}
	return a.storeMade(ctx, c, q, created)
}

// SetLinkData replaces what the short link of an address or invitation shows.
func (a *Agent) SetLinkData(ctx context.Context, connection int64, data []byte) error {
	var q *store.ReceiveQueue
	err := a.cfg.DB.View(ctx, func(tx *store.Tx) error {
		queues, err := tx.ReceiveQueuesOf(connection)
		if err == nil && len(queues) == 0 {
			err = store.ErrNotFound
		}
		if err == nil {
			q = queues[0]
		}
		return err
	})
	if err != nil {
		return err
	}
	if q.LinkRoot == nil {
		return fmt.Errorf("%w: it has no short link", ErrLink)
	}
	kind := LinkInvitation
	if smp.QueueMode(q.Mode) == smp.ModeContact {
		kind = LinkContact
	}
	part, err := userPart(kind, data)
	if err != nil {
		return err
	}
	server, err := wire.ParseServer(q.Server)
	if err != nil {
		return err
	}
	root, key := crypt.Ed25519Private(q.LinkRoot), crypt.Ed25519Private(q.Key)
	defer root.Wipe()
	defer key.Wipe()
	_, secret := linkSecret(kind, q.LinkKey)
	defer secret.Wipe()
	blob, err := sealLinkPart(a.cfg.Rand, &secret, &root, part, paddedUser)
	if err != nil {
		return err
	}
	_, err = a.command(ctx, server, smp.ID(q.RecipientID), &key, smp.LSet{LinkID: smp.ID(q.LinkID), Data: smp.LinkData{Fixed: q.LinkFixed, User: blob}})
	return err
}

// Resolve reads what a relay keeps for a short link. That of a one-time link secures its queue for
// us: nobody else can open it then, and the key is kept with the data for a later Join, so that
// resolving again gives the same.
func (a *Agent) Resolve(ctx context.Context, l *ShortLink) (_ *LinkData, err error) {
	defer fault.Contain(&err)
	link := *l
	if link.Preset {
		known := false
		for _, s := range a.cfg.Presets {
			if len(s.Hosts) > 0 && s.Hosts[0] == l.Server.Hosts[0] {
				link.Server, known = s, true
			}
		}
		if !known {
			return nil, fmt.Errorf("%w: it names a relay that this program does not know", ErrLink)
		}
	}
	if link.Kind == LinkInvitation {
		return a.resolveInvitation(ctx, &link)
	}
	id, secret := linkSecret(link.Kind, link.Key)
	secret.Wipe()
	answer, err := a.ask(ctx, link.Server, id, nil, smp.LGet{})
	if errors.Is(err, smp.ErrAuth) {
		return nil, ErrLinkUsed
	} else if err != nil {
		return nil, err
	}
	lnk, ok := answer.(smp.Lnk)
	if !ok {
		return nil, errUnexpected
	}
	return openLinkData(&link, lnk.SndID, lnk.Data)
}

func (a *Agent) resolveInvitation(ctx context.Context, l *ShortLink) (*LinkData, error) {
	p := &store.Preview{Server: l.Server.String(), LinkID: l.ID}
	// The key is stored before it is used: after a crash the same key opens the link again.
	err := a.commit(ctx, func(tx *store.Tx) error {
		known, err := tx.Preview(p.Server, p.LinkID)
		if err == nil {
			p = known
			return nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		key, err := crypt.NewEd25519(a.cfg.Rand)
		if err != nil {
			return err
		}
		p.Key, p.Created = key[:], a.cfg.Now()
		return tx.SavePreview(p)
	})
	if err != nil {
		return nil, err
	}
	if p.SenderID == nil {
		key := crypt.Ed25519Private(p.Key)
		defer key.Wipe()
		answer, err := a.ask(ctx, l.Server, smp.ID(l.ID), &key, smp.LKey{Key: key.Public()})
		if errors.Is(err, smp.ErrAuth) {
			return nil, ErrLinkUsed
		} else if err != nil {
			return nil, err
		}
		lnk, ok := answer.(smp.Lnk)
		if !ok {
			return nil, errUnexpected
		}
		p.SenderID, p.Fixed, p.User = []byte(lnk.SndID), lnk.Data.Fixed, lnk.Data.User
		if err := a.commit(ctx, func(tx *store.Tx) error { return tx.SavePreview(p) }); err != nil {
			return nil, err
		}
	}
	return openLinkData(l, smp.ID(p.SenderID), smp.LinkData{Fixed: p.Fixed, User: p.User})
}

// request begins a connection with the owner of an address: our own invitation goes to the
// address, and the owner opens it (agent.md §8).
func (a *Agent) request(ctx context.Context, link Link, info []byte, created func(tx *store.Tx, connection int64) error) (connection int64, err error) {
	if err := a.Check(link); err != nil {
		return 0, err
	}
	version, _ := a.cfg.Versions.Agent.Agree(link.Versions)
	queue := link.Queues[0]
	client, _ := a.cfg.Versions.Client.Agree(queue.Versions)
	private, err := ratchet.NewPrivateParams(a.cfg.Rand, a.cfg.PQ && version >= pqVersion)
	if err != nil {
		return 0, err
	}
	defer private.Wipe()
	keys, err := private.MarshalBinary()
	if err != nil {
		return 0, err
	}
	sq, err := a.newSendQueue(client, queue.QueueAddress)
	if err != nil {
		return 0, err
	}
	sq.Mode = byte(smp.ModeContact)
	c := &store.Connection{State: string(StateJoining), Role: roleInitiator, AgentVersion: version, PQ: a.cfg.PQ,
		Private: keys, Info: info, Created: a.cfg.Now()}
	err = a.commit(ctx, func(tx *store.Tx) error {
		if err := tx.InsertConnection(c); err != nil {
			return err
		}
		sq.Connection = c.ID
		if err := tx.InsertSendQueue(sq); err != nil {
			return err
		}
		return created(tx, c.ID)
	})
	if err != nil {
		return 0, fmt.Errorf("storing a request: %w", err)
	}
	a.startJoin(c.ID)
	return c.ID, nil
}

// queueRequest queues our invitation for an address. The key in the public header is for this
// message alone.
func (a *Agent) queueRequest(tx *store.Tx, c *store.Connection, sq *store.SendQueue, address QueueAddress) error {
	private := new(ratchet.PrivateParams)
	if err := private.UnmarshalBinary(c.Private); err != nil {
		return fmt.Errorf("agent: stored keys: %w", err)
	}
	defer private.Wipe()
	own := Link{Kind: LinkInvitation, Versions: a.cfg.Versions.Agent, E2E: private.Link(a.cfg.Versions.Ratchet), Queues: []QueueURI{{a.cfg.Versions.Client, address}}}
	e := envelope{version: c.AgentVersion, tag: tagInvitation, link: own.String(), body: c.Info}
	public := crypt.X25519Public(sq.E2EPublic)
	return a.enqueue(tx, c, sq, &store.Outgoing{Kind: outRequest, Notify: true}, &public, &smp.ClientMessage{Body: e.append(nil)})
}

// maxRequests bounds the requests that wait at an address: whoever has it can send any number.
const maxRequests = 1000

// processRequest stores what somebody sent to an address.
func (a *Agent) processRequest(d *delivery, e envelope) error {
	l, _, err := ParseLink(e.link)
	if err != nil || l == nil || l.Kind != LinkInvitation {
		return drop("a request without an invitation")
	}
	n, err := d.tx.CountRequests(d.c.ID)
	if err != nil {
		return err
	}
	if n >= maxRequests {
		return drop("too many requests")
	}
	r := &store.Request{Connection: d.c.ID, Link: l.String(), Created: a.cfg.Now()}
	if err := d.tx.InsertRequest(r); err != nil {
		return err
	}
	return a.cfg.Handler.Request(d.tx, d.c.ID, r.ID, e.body)
}

// Accept opens the invitation in a request; the request is forgotten. info and created are those
// of Join.
func (a *Agent) Accept(ctx context.Context, request int64, info []byte, created func(tx *store.Tx, connection int64) error) (connection int64, err error) {
	var r *store.Request
	err = a.cfg.DB.View(ctx, func(tx *store.Tx) (err error) {
		r, err = tx.Request(request)
		return err
	})
	if err != nil {
		return 0, err
	}
	link, _, err := ParseLink(r.Link)
	if err != nil {
		return 0, err
	}
	return a.Join(ctx, *link, info, func(tx *store.Tx, connection int64) error {
		if err := tx.DeleteRequest(request); err != nil {
			return err
		}
		return created(tx, connection)
	})
}

// Reject forgets a request in the caller's transaction. Who sent it is not told.
func (a *Agent) Reject(tx *store.Tx, request int64) error { return tx.DeleteRequest(request) }
