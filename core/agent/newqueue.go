package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// shortLinkVersion is the client version from which there are short links. What is below 3 can't even say in the data of one that
// who opens it secures the queue (smp-commands.md §7).
const shortLinkVersion = 4

// madeQueue is a queue that the relay has made and the store does not have yet.
type madeQueue struct {
	row     store.ReceiveQueue
	address QueueAddress
	links   Invitation // if a link was asked for
}

// newQueue makes a queue on the relay that Config.Choose prefers for a connection that has queues on the used ones. If that
// can't be reached, or can't make one now, the next one is taken (presets.md §5); if none can be reached, the first is waited
// for, as long as wait tells. link, if it is not nil, tells what the link to the queue says; the relay gets that, and data, for a short link.
func (a *Agent) newQueue(ctx context.Context, used []wire.Server, wait patience, mode smp.QueueMode, link func(QueueAddress) Link, data []byte) (*madeQueue, error) {
	first, err := a.cfg.Choose(used, nil)
	if err != nil {
		return nil, err
	}
	relay := first
	reached := false
	var tried []wire.Server
	for {
		q, err := a.makeQueue(ctx, relay, oneAttempt, mode, link, data)
		if err == nil || permanent(err) || ctx.Err() != nil {
			return q, err
		}
		reached = reached || !errors.As(err, new(*unreachedError))
		tried = append(tried, relay.Server)
		next, chooseErr := a.cfg.Choose(used, tried)
		if chooseErr != nil {
			return nil, chooseErr
		}
		if slices.ContainsFunc(tried, next.Server.SameAs) {
			if reached {
				return nil, err
			}
			return a.makeQueue(ctx, first, wait, mode, link, data)
		}
		relay = next
	}
}

// makeQueue makes a queue on a relay.
func (a *Agent) makeQueue(ctx context.Context, relay Relay, wait patience, mode smp.QueueMode, link func(QueueAddress) Link, data []byte) (*madeQueue, error) {
	// The session goes on using the key for the queue's subscription.
	key, err := crypt.NewEd25519(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	dh, err := crypt.NewX25519(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	defer dh.Wipe()
	e2e, err := crypt.NewX25519(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	defer e2e.Wipe()
	q := &madeQueue{address: QueueAddress{Server: relay.Server, DH: e2e.Public(), Mode: mode}}
	cmd := smp.New{RcvAuth: key.Public(), RcvDH: dh.Public(), Password: relay.Password, Subscribe: true, Mode: mode}
	r := smp.Request{Key: &key}
	if link != nil {
		if r.CorrID, err = a.prepareLink(q, &cmd, mode, link, data); err != nil {
			return nil, err
		}
		if a.cfg.Versions.Client.Max < shortLinkVersion {
			cmd.Link = nil
		}
	}
	r.Command = cmd
	answer, err := a.do(ctx, relay.Server, r, wait)
	if err != nil {
		return nil, err
	}
	ids, ok := answer.(smp.IDs)
	if !ok {
		return nil, errUnexpected
	}
	secret, err := dh.DH(ids.ServerDH)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	q.address.SenderID, q.address.Mode = ids.SndID, ids.Mode
	q.row.Server, q.row.RecipientID, q.row.SenderID = relay.Server.String(), []byte(ids.RcvID), []byte(ids.SndID)
	q.row.Mode, q.row.ClientVersion, q.row.State = byte(ids.Mode), a.cfg.Versions.Client.Max, queueNew
	q.row.Key, q.row.DHSecret, q.row.E2EKey = bytes.Clone(key[:]), bytes.Clone(secret[:]), bytes.Clone(e2e[:])
	if link != nil {
		q.links.Full = link(q.address)
		a.finishLink(q, cmd.Link, ids)
	}
	return q, nil
}

// prepareLink puts the data of a short link into a NEW and returns the correlation id from which
// the queue's sender id follows (smp-commands.md §7).
func (a *Agent) prepareLink(q *madeQueue, cmd *smp.New, mode smp.QueueMode, link func(QueueAddress) Link, data []byte) (corrID []byte, err error) {
	corrID = make([]byte, smp.CorrIDSize)
	if _, err := io.ReadFull(a.cfg.Rand, corrID); err != nil {
		return nil, err
	}
	root, err := crypt.NewEd25519(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	defer root.Wipe()
	q.address.SenderID = smp.SenderID(corrID)
	full := link(q.address)
	fixed := fixedPart(root.Public(), full)
	key := linkKey(fixed)
	id, secret := linkSecret(full.Kind, key)
	defer secret.Wipe()
	user, err := userPart(full.Kind, data)
	if err != nil {
		return nil, err
	}
	cmd.Link = &smp.NewLink{LinkID: id, SenderID: q.address.SenderID}
	if cmd.Link.Data.Fixed, err = sealLinkPart(a.cfg.Rand, &secret, &root, fixed, paddedFixed); err != nil {
		return nil, err
	}
	if cmd.Link.Data.User, err = sealLinkPart(a.cfg.Rand, &secret, &root, user, paddedUser); err != nil {
		return nil, err
	}
	q.row.LinkKey, q.row.LinkRoot, q.row.LinkFixed, q.row.LinkID = key, bytes.Clone(root[:]), cmd.Link.Data.Fixed, []byte(id)
	return corrID, nil
}

// finishLink makes the short link, if there is data for one and the relay took it: those below version 15 don't.
func (a *Agent) finishLink(q *madeQueue, link *smp.NewLink, ids smp.IDs) {
	if link == nil || ids.LinkID == "" || ids.SndID != link.SenderID {
		q.row.LinkKey, q.row.LinkRoot, q.row.LinkFixed, q.row.LinkID = nil, nil, nil, nil
		return
	}
	q.row.LinkID = []byte(ids.LinkID)
	short := &ShortLink{Kind: q.links.Full.Kind, Server: q.address.Server, Key: q.row.LinkKey}
	if short.Kind == LinkInvitation {
		short.ID = q.row.LinkID
	}
	for _, s := range a.cfg.Presets {
		if s.KeyHash == short.Server.KeyHash && s.SameAs(short.Server) {
			short.Preset = true
		}
	}
	q.links.Short = short
}

// newSendQueue makes our keys for a queue of the other side.
func (a *Agent) newSendQueue(version uint16, q QueueAddress) (*store.SendQueue, error) {
	key, err := crypt.NewEd25519(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	e2e, err := crypt.NewX25519(a.cfg.Rand)
	if err != nil {
		return nil, err
	}
	defer e2e.Wipe()
	secret, err := e2e.DH(q.DH)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	public := e2e.Public()
	return &store.SendQueue{Server: q.Server.String(), SenderID: []byte(q.SenderID), Mode: byte(q.Mode), ClientVersion: version, State: queueNew,
		Key: append([]byte(nil), key[:]...), E2EPublic: public[:], E2ESecret: append([]byte(nil), secret[:]...)}, nil
}
