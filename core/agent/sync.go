package agent

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/store"
)

// SyncState tells whether the ratchets of the two ends of a connection fit together (agent.md §14).
type SyncState string

// The states of re-synchronisation. Messages can be sent in the first two.
const (
	SyncOK       SyncState = "ok"
	SyncAllowed  SyncState = "allowed"  // a message could not be decrypted
	SyncRequired SyncState = "required" // no message can be decrypted any more
	SyncStarted  SyncState = "started"  // our new keys are on their way
	SyncAgreed   SyncState = "agreed"   // there is a new ratchet; a message has to pass through it
)

// sendable tells whether messages can be sent.
func (s SyncState) sendable() bool { return s == SyncOK || s == SyncAllowed }

// ErrSync tells that the ratchets of a connection have to be synchronized first.
var ErrSync = errors.New("encryption has to be synchronized with the other side first")

// ErrPeerTooOld tells that the other side's program can't synchronize.
var ErrPeerTooOld = errors.New("the other side's program is too old to synchronize encryption")

// setSync changes the state in c, which the caller stores, and tells the Handler.
func (a *Agent) setSync(tx *store.Tx, c *store.Connection, s SyncState) error {
	from := SyncState(c.Sync)
	if from == s {
		return nil
	}
	c.Sync = string(s)
	return a.cfg.Handler.Sync(tx, c.ID, from, s)
}

// Resync begins to make a new ratchet with the other side, in the caller's transaction. What is
// encrypted with the old one and still on its way is lost. It is for a connection whose state is
// SyncAllowed or SyncRequired; force is for any other, as after a backup was restored. The error is ErrNotConnected or ErrPeerTooOld.
func (a *Agent) Resync(tx *store.Tx, connection int64, force bool) error {
	c, _, err := a.loadForSending(tx, connection)
	if err != nil {
		return err
	}
	if s := SyncState(c.Sync); State(c.State) != StateConnected || !force && s != SyncAllowed && s != SyncRequired {
		return ErrNotConnected
	}
	if c.AgentVersion < syncVersion {
		return ErrPeerTooOld // it would never answer, and nothing could be sent meanwhile
	}
	private, err := ratchet.NewPrivateParams(a.cfg.Rand, c.PQ)
	if err != nil {
		return err
	}
	defer private.Wipe()
	if c.Private, err = private.MarshalBinary(); err != nil {
		return err
	}
	version, err := a.resyncVersion(c)
	if err != nil {
		return err
	}
	params := private.Params(version)
	if err := a.queueRatchetKey(tx, c, &params); err != nil {
		return err
	}
	if err := a.setSync(tx, c, SyncStarted); err != nil {
		return err
	}
	return tx.SaveConnection(c)
}

// resyncVersion returns the version of our new keys. The other side drops keys of a version that it does not know, without a word, so that
// they have the version that the two have agreed on before. The new ratchet goes up from there as any does.
func (a *Agent) resyncVersion(c *store.Connection) (uint16, error) {
	if c.Ratchet == nil {
		return a.cfg.Versions.Ratchet.Max, nil
	}
	r, err := loadRatchet(c)
	if err != nil {
		return 0, err
	}
	defer r.Wipe()
	return min(r.Version(), a.cfg.Versions.Ratchet.Max), nil
}

// queueRatchetKey queues our new keys. They go without the ratchet, but are numbered like its
// messages (agent.md §4).
func (a *Agent) queueRatchetKey(tx *store.Tx, c *store.Connection, params *ratchet.Params) error {
	queues, err := tx.SendQueuesOf(c.ID)
	if err != nil {
		return err
	}
	plain := message{kind: kindRatchetInfo}.append(nil)
	c.Count(sha256.Sum256(plain))
	e := envelope{version: a.cfg.Versions.Agent.Max, tag: tagRatchetKey, params: params, body: plain}
	for _, sq := range queues {
		if !sendable(sq) {
			continue
		}
		if err := a.enqueue(tx, c, sq, &store.Outgoing{Kind: outOther, Notify: true}, nil, &smp.ClientMessage{Body: e.append(nil)}); err != nil {
			return err
		}
	}
	return nil
}

// processRatchetKey makes a new ratchet from the keys of the other side. info is what came with them.
func (a *Agent) processRatchetKey(d *delivery, peer *ratchet.Params, info []byte) error {
	if !a.cfg.Versions.Ratchet.Contains(peer.Version) || State(d.c.State) != StateConnected {
		return drop("ratchet keys that can't be used")
	}
	hash := peer.Hash()
	if known, err := d.tx.SeenRatchetKey(d.c.ID, hash[:]); err != nil || known {
		return err // a repetition
	}
	if err := d.tx.InsertRatchetKey(d.c.ID, hash[:]); err != nil {
		return err
	}
	// They are counted as a message by who sends them (agent.md §4).
	received := d.c.ReceivedNumber
	infoHash := sha256.Sum256(info)
	d.c.ReceivedNumber, d.c.ReceivedHash = received+1, infoHash[:]
	own := new(ratchet.PrivateParams)
	defer own.Wipe()
	var reply *ratchet.Params
	switch SyncState(d.c.Sync) {
	case SyncStarted:
		if err := own.UnmarshalBinary(d.c.Private); err != nil {
			return fmt.Errorf("agent: stored keys: %w", err)
		}
	case SyncAgreed:
		if err := a.setSync(d.tx, d.c, SyncRequired); err != nil {
			return err
		}
		return d.tx.SaveConnection(d.c)
	default:
		fresh, err := ratchet.NewPrivateParams(a.cfg.Rand, d.c.PQ)
		if err != nil {
			return err
		}
		*own = *fresh
		params := own.Params(peer.Version)
		reply = &params
	}
	r, err := ratchet.Resync(a.cfg.Rand, own, a.cfg.Versions.Ratchet, *peer, d.c.PQ)
	if err != nil {
		return drop(err.Error())
	}
	defer r.Wipe()
	if reply != nil {
		if err := a.queueRatchetKey(d.tx, d.c, reply); err != nil {
			return err
		}
	}
	if err := d.tx.DeleteSkippedKeys(d.c.ID); err != nil {
		return err
	}
	if d.c.Ratchet, err = r.MarshalBinary(); err != nil {
		return err
	}
	d.c.Private = nil
	if err := a.setSync(d.tx, d.c, SyncAgreed); err != nil {
		return err
	}
	if r.CanSend() {
		// The other side can't send before it has received a message.
		return a.sendFrom(d, message{kind: kindReady, ready: received}, true)
	}
	return d.tx.SaveConnection(d.c)
}

// syncAfter returns the state that follows from a message that could not be decrypted
// (agent.md §14).
func syncAfter(s SyncState, reason error) SyncState {
	if s == SyncStarted || s == SyncAgreed {
		return s
	}
	var many *ratchet.TooManySkippedError
	if errors.Is(reason, ratchet.ErrHeader) || errors.As(reason, &many) {
		return SyncRequired
	}
	if s == SyncRequired {
		return s
	}
	return SyncAllowed
}
