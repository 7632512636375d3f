package agent

import (
	"errors"

	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/wire"
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
	r, err := loadRatchet(c)
	if err != nil {
		return code, err
	}
	defer r.Wipe()
	return r.VerificationCode(), nil
}

// Check returns ErrLinkVersion or ErrLinkOld if Join could not open a link because of its versions.
func (a *Agent) Check(l Link) error {
	type versions struct{ ours, theirs wire.VersionRange }
	list := []versions{{a.cfg.Versions.Agent, l.Versions}, {a.cfg.Versions.Client, l.Queues[0].Versions}}
	if l.Kind == LinkInvitation {
		list = append(list, versions{a.cfg.Versions.Ratchet, l.E2E.Versions})
	}
	var err error
	for _, v := range list {
		switch _, ok := v.ours.Agree(v.theirs); {
		case ok:
		case v.theirs.Max < v.ours.Min:
			err = ErrLinkOld
		default:
			return ErrLinkVersion
		}
	}
	return err
}
