package chat

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Confirm stores who opened our link, and tells who we are. What is not a profile is
// refused (chat-protocol.md §8).
func (c *Chat) Confirm(tx *store.Tx, connection int64, info []byte) (reply []byte, err error) {
	row, err := tx.ContactOf(connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil, agent.ErrReject
	} else if err != nil {
		return nil, err
	}
	m, profile, ok := parseInfo(info)
	if !ok {
		return nil, agent.ErrReject
	}
	if row.Told, err = ownName(tx, row.Incognito); err != nil {
		return nil, err
	}
	row.State, row.Link, row.FullLink = string(ContactConnecting), "", ""
	if err := c.meet(tx, row, m, profile); err != nil {
		return nil, err
	}
	return ownInfo(row.Told)
}

// Info stores what the owner of a link that we opened tells. The connection stands whatever
// that is.
func (c *Chat) Info(tx *store.Tx, connection int64, info []byte) error {
	row, err := tx.ContactOf(connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	m, profile, ok := parseInfo(info)
	if !ok {
		return nil
	}
	return c.meet(tx, row, m, profile)
}

// parseInfo reads the profile in connection info.
func parseInfo(info []byte) (m event.Message, p event.Profile, ok bool) {
	msgs, _ := event.Parse(info)
	if len(msgs) != 1 {
		return m, p, false
	}
	e, ok := msgs[0].Event.(event.Info)
	return msgs[0], e.Profile, ok
}

// meet stores what a contact tells of itself in the handshake.
func (c *Chat) meet(tx *store.Tx, row *store.Contact, m event.Message, p event.Profile) error {
	if err := setProfile(row, p); err != nil {
		return err
	}
	row.VersionMin, row.VersionMax = m.Versions.Min, m.Versions.Max
	row.Active = c.now()
	return c.save(tx, row)
}

func setProfile(row *store.Contact, p event.Profile) (err error) {
	row.Name = event.CleanName(p.DisplayName)
	row.Profile, err = json.Marshal(p)
	return err
}

// Connected marks a contact as connected.
func (c *Chat) Connected(tx *store.Tx, connection int64) error {
	c.later(tx)
	return c.setState(tx, connection, ContactConnected, FailureNone)
}

// Failed marks a contact, or the address, as failed.
func (c *Chat) Failed(tx *store.Tx, connection int64, reason error) error {
	if ours, err := c.addressFailed(tx, connection, failureOf(reason)); err != nil || ours {
		return err
	}
	return c.setState(tx, connection, ContactFailed, failureOf(reason))
}

func (c *Chat) setState(tx *store.Tx, connection int64, state ContactState, failure Failure) error {
	row, err := tx.ContactOf(connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	row.State, row.Failure, row.Link = string(state), string(failure), ""
	row.FullLink = ""
	row.Active = c.now()
	return c.save(tx, row)
}

// Message applies what a contact sends. Nothing of it is dropped: what can't be read or is not
// understood becomes an item as well.
func (c *Chat) Message(tx *store.Tx, connection int64, m agent.Message) (receipt bool, err error) {
	row, err := tx.ContactOf(connection)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // deleted here
	} else if err != nil {
		return false, err
	}
	switch m.Integrity {
	case agent.IntegrityOK:
	case agent.IntegritySkipped:
		err = c.notice(tx, row, KindMissing, m.Missing, m.Time)
	default:
		err = c.notice(tx, row, KindIntegrity, 1, m.Time)
	}
	if err != nil {
		return false, err
	}
	msgs, bad := event.Parse(m.Body)
	for _, msg := range msgs {
		if v := msg.Versions; v != (wire.VersionRange{}) {
			row.VersionMin, row.VersionMax = v.Min, v.Max
		}
		if err := c.apply(tx, row, msg, m.Time); err != nil {
			return false, err
		}
		receipt = receipt || event.WantsReceipt(msg.Event)
	}
	if len(bad) > 0 {
		if err := c.notice(tx, row, KindMalformed, int64(len(bad)), m.Time); err != nil {
			return false, err
		}
	}
	return receipt && row.Receipts, c.save(tx, row)
}

// apply applies one chat message. The caller stores row.
func (c *Chat) apply(tx *store.Tx, row *store.Contact, m event.Message, at time.Time) error {
	if m.Relay != nil {
		return c.unsupported(tx, row, m, at) // only relays of channels forward
	}
	switch e := m.Event.(type) {
	case event.MsgNew:
		return c.addMessage(tx, row, m, m.ID, e.Content, at)
	case event.MsgUpdate:
		return c.edit(tx, row, m, e, at)
	case event.Info:
		return c.rename(tx, row, e.Profile, at)
	case event.DirectDel:
		row.State = string(ContactLeft)
		return c.notice(tx, row, KindLeft, 1, at)
	case event.OK, event.InfoProbe, event.InfoProbeCheck, event.InfoProbeOK:
		return nil // probes are about finding that two contacts are one, which nobody is to know
	case event.CallEnd, event.MsgFileDescr, event.FileCancel, event.FileChunk:
		return nil // they follow a call or a message with a file, which is shown already
	}
	return c.unsupported(tx, row, m, at)
}

// addMessage adds a message of a contact unless it is there already.
func (c *Chat) addMessage(tx *store.Tx, row *store.Contact, m event.Message, id event.ID, content event.Content, at time.Time) error {
	i := &store.Item{Contact: row.ID, Kind: string(KindText), Text: content.Text, State: string(StateReceived), Time: at}
	switch content.Type {
	case event.TypeText, event.TypeLink:
	default:
		i.Kind, i.Content, i.Raw = string(KindUnsupported), contentName(string(content.Type)), rawJSON(m)
	}
	return c.addReceived(tx, row, i, id)
}

// contentName makes the name of a content type or an event that a peer has made up fit to be shown.
func contentName(name string) string { return event.CleanName(name) }

// unsupported keeps a message that this version does not know how to show.
func (c *Chat) unsupported(tx *store.Tx, row *store.Contact, m event.Message, at time.Time) error {
	i := &store.Item{Contact: row.ID, Kind: string(KindUnsupported), Content: contentName(m.Event.Name()), Raw: rawJSON(m),
		State: string(StateReceived), Time: at}
	return c.addReceived(tx, row, i, m.ID)
}

// addReceived adds an item of a contact unless one with the id is there already.
func (c *Chat) addReceived(tx *store.Tx, row *store.Contact, i *store.Item, id event.ID) error {
	if id != "" {
		switch _, err := tx.ItemByShared(row.ID, false, []byte(id)); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		i.Shared = []byte(id)
	}
	row.Unread++
	row.Active = c.now()
	return c.addItem(tx, i)
}

// edit changes the text of a message of a contact. If it is not there, it is added
// (chat-protocol.md §5).
func (c *Chat) edit(tx *store.Tx, row *store.Contact, m event.Message, e event.MsgUpdate, at time.Time) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) {
		return c.addMessage(tx, row, m, e.MsgID, e.Content, at)
	} else if err != nil {
		return err
	}
	i.Text = e.Content.Text
	i.Edited = !e.Live
	return c.saveItem(tx, i)
}

// rename takes over a changed profile.
func (c *Chat) rename(tx *store.Tx, row *store.Contact, p event.Profile, at time.Time) error {
	before := row.Name
	if err := setProfile(row, p); err != nil || row.Name == before {
		return err
	}
	return c.addItem(tx, &store.Item{Contact: row.ID, Kind: string(KindRenamed), Text: row.Name, State: string(StateReceived), Time: at})
}

// notice adds a notice about n messages, or adds n to the one that is the last item already.
func (c *Chat) notice(tx *store.Tx, row *store.Contact, kind ItemKind, n int64, at time.Time) error {
	last, err := tx.LastItem(row.ID)
	switch {
	case err == nil && ItemKind(last.Kind) == kind:
		last.Count += n
		return c.saveItem(tx, last)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	return c.addItem(tx, &store.Item{Contact: row.ID, Kind: string(kind), Count: n, State: string(StateReceived), Time: at})
}

// Unreadable adds a notice that messages can't be decrypted.
func (c *Chat) Unreadable(tx *store.Tx, connection int64, at time.Time, _ error) error {
	row, err := tx.ContactOf(connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := c.notice(tx, row, KindUnreadable, 1, at); err != nil {
		return err
	}
	return c.publishContact(tx, row)
}

// Sent marks a message as sent.
func (c *Chat) Sent(tx *store.Tx, _, reference int64) error {
	return c.setItemState(tx, reference, func(i *store.Item) bool {
		ok := ItemState(i.State) == StatePending // its receipt may have come first
		i.State = string(StateSent)
		return ok
	})
}

// Delivered marks a message as delivered.
func (c *Chat) Delivered(tx *store.Tx, _, reference int64) error {
	return c.setItemState(tx, reference, func(i *store.Item) bool {
		ok := ItemState(i.State) != StateDelivered
		i.State, i.Failure = string(StateDelivered), ""
		return ok
	})
}

// NotSent marks a message as failed.
func (c *Chat) NotSent(tx *store.Tx, _, reference int64, reason error) error {
	return c.setItemState(tx, reference, func(i *store.Item) bool {
		ok := ItemState(i.State) == StatePending
		i.State, i.Failure = string(StateFailed), string(failureOf(reason))
		return ok
	})
}

// setItemState stores what f changes in an item of ours, if it tells that it changed something.
func (c *Chat) setItemState(tx *store.Tx, id int64, f func(*store.Item) bool) error {
	i, err := tx.Item(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted here
	} else if err != nil {
		return err
	}
	if !f(i) {
		return nil
	}
	if err := c.saveItem(tx, i); err != nil {
		return err
	}
	row, err := tx.Contact(i.Contact)
	if err != nil {
		return err
	}
	return c.publishContact(tx, row)
}

// RelayState tells that the session with a relay changed.
func (c *Chat) RelayState(server wire.Server, up bool, reason error) {
	if c.cfg.RelayState != nil {
		c.cfg.RelayState(server, up, reason)
	}
}

// rawJSON is the JSON of a message that is kept as it is.
func rawJSON(m event.Message) []byte {
	if m.Signed != nil {
		return append([]byte{}, m.Signed.JSON...)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil // of a kind that can't be written: only its name is kept
	}
	return b
}
