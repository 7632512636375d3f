package agent

import (
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/store"
)

// Code returns what the two ends of a connection compare to see that nobody sits between them
// (ratchet.md §12). The error is ErrNotConnected before the keys are agreed on.
func (a *Agent) Code(tx *store.Tx, connection int64) (code ratchet.VerificationCode, err error) {
	c, err := tx.Connection(connection)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Ratchet == nil {
		return code, ErrNotConnected
	} else if err != nil {
		return code, err
	}
	r := new(ratchet.Ratchet)
	if err := r.UnmarshalBinary(c.Ratchet); err != nil {
		return code, fmt.Errorf("agent: stored ratchet: %w", err)
	}
	defer r.Wipe()
	return r.VerificationCode(), nil
}

// Check returns ErrLinkVersion if Join could not open a link because of its versions.
func (a *Agent) Check(l Link) error {
	_, ok := a.cfg.Versions.Agent.Agree(l.Versions)
	if ok {
		_, ok = a.cfg.Versions.Client.Agree(l.Queues[0].Versions)
	}
	if ok && l.Kind == LinkInvitation {
		_, ok = a.cfg.Versions.Ratchet.Agree(l.E2E.Versions)
	}
	if !ok {
		return ErrLinkVersion
	}
	return nil
}
