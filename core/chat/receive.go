package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Confirm stores who opened our link, and tells who we are. What is not a profile is
// refused (chat-protocol.md §8).
func (c *Chat) Confirm(tx *store.Tx, connection int64, info []byte) (reply []byte, err error) {
	row, err := contactOf(tx, connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil, agent.ErrReject
	} else if err != nil {
		return nil, err
	}
	m, profile, ok := parseInfo(info)
	if !ok {
		if m.Event != nil && m.Event.Name() == groupAnswer && row.OpenedSender != nil {
			if err := c.setState(tx, connection, ContactFailed, FailureBusiness); err != nil {
				return nil, err
			}
		}
		return nil, agent.ErrReject
	}
	row.State, row.Link, row.FullLink = string(ContactConnecting), "", ""
	if err := c.meet(tx, row, m, profile); err != nil {
		return nil, err
	}
	if reply, err = introduction(tx, row, event.ConnInfoLimits(chatVersion(row), true), wrapInfo); err != nil {
		return nil, err
	}
	return reply, tx.SaveContact(row)
}

// groupAnswer is the event with which businesses answer who opens their address (chat-protocol.md §8): they make a group for
// each of their customers. Only short links tell before that an address is one of a business.
const groupAnswer = "x.grp.link.inv"

// Info stores what the owner of a link that we opened tells. The connection stands whatever
// that is.
func (c *Chat) Info(tx *store.Tx, connection int64, info []byte) error {
	row, err := contactOf(tx, connection)
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

// meet stores what a contact tells of itself in the handshake, and what is agreed on with it.
func (c *Chat) meet(tx *store.Tx, row *store.Contact, m event.Message, p event.Profile) error {
	before, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	if err := setProfile(row, p); err != nil {
		return err
	}
	switch agreed, err := meetTTL(tx, row); {
	case err != nil:
		return err
	case agreed:
		if err := c.tellTTL(tx, row, before, false, c.now()); err != nil {
			return err
		}
	}
	row.VersionMin, row.VersionMax = m.Versions.Min, m.Versions.Max
	row.Active = c.now()
	return c.save(tx, row)
}

// Connected marks a contact as connected.
func (c *Chat) Connected(tx *store.Tx, connection int64) error {
	c.later(tx)
	row, err := contactOf(tx, connection)
	if err == nil {
		row.Tell = true // something may have changed during the handshake, or did not fit into it
		err = tx.SaveContact(row)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
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
	row, err := contactOf(tx, connection)
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
	row, err := contactOf(tx, connection)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // deleted here
	} else if err != nil {
		return false, err
	}
	if _, elsewhere := c.elsewhere.LoadAndDelete(row.ID); elsewhere { // its messages come here, by another queue
		if err := c.publishContact(tx, row); err != nil {
			return false, err
		}
	}
	if row.Blocked {
		return false, c.drop(tx, row, m)
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
		return c.received(tx, row, m, m.ID, e, at)
	case event.MsgUpdate:
		return c.edited(tx, row, m, e, at)
	case event.MsgDel:
		return c.deleted(tx, row, e, at.UnixMilli())
	case event.MsgReact:
		return c.reacted(tx, row, e)
	case event.Info:
		return c.profileChanged(tx, row, e.Profile, at)
	case event.DirectDel:
		row.State = string(ContactLeft)
		return c.notice(tx, row, KindLeft, 1, at)
	case event.CallInv:
		// Answering it would tell the contact that somebody is there.
		i := &store.Item{Contact: row.ID, Kind: string(KindCall), Content: contentName(e.Invitation.Type.Media), State: string(StateReceived), Time: at}
		return c.addItem(tx, i)
	case event.OK, event.InfoProbe, event.InfoProbeCheck, event.InfoProbeOK:
		return nil // probes are about finding that two contacts are one, which nobody is to know
	case event.MsgFileDescr:
		return c.fileDescribed(tx, row, e)
	case event.FileCancel:
		return c.fileCancelled(tx, row, e)
	case event.CallEnd, event.FileChunk:
		return nil // they follow a call or a message with a file, which is shown already
	case event.Unknown:
		if strings.HasPrefix(e.Event, "x.call.") {
			return nil // so do these
		}
	}
	return c.unsupported(tx, row, m, at)
}

// drop applies what a contact that is blocked sends: only what is about the contact itself, and that it takes messages back.
func (c *Chat) drop(tx *store.Tx, row *store.Contact, m agent.Message) error {
	msgs, _ := event.Parse(m.Body)
	for _, msg := range msgs {
		if msg.Relay != nil {
			continue
		}
		var err error
		switch e := msg.Event.(type) {
		case event.Info:
			err = c.profileChanged(tx, row, e.Profile, m.Time)
		case event.MsgDel:
			err = c.deleted(tx, row, e, m.Time.UnixMilli())
		case event.DirectDel:
			row.State = string(ContactLeft)
		}
		if err != nil {
			return err
		}
	}
	return c.save(tx, row)
}

// Limits of what is kept of a message, in bytes.
const (
	maxPreviewImage = 1 << 15 // characters of a data URI; others send up to 14000 (chat-protocol.md §5)
	maxLinkText     = 1024
	maxDuration     = 24 * 60 * 60 // seconds
)

// received adds a message of a contact unless it is there already, or was removed here.
func (c *Chat) received(tx *store.Tx, row *store.Contact, m event.Message, id event.ID, e event.MsgNew, at time.Time) error {
	content := e.Content
	i := &store.Item{Contact: row.ID, Kind: string(KindText), Text: receivedText(content), State: string(StateReceived), Time: at,
		Live: e.Live && e.File == nil, Forwarded: e.Forward}
	image := ""
	switch content.Type {
	case event.TypeText:
	case event.TypeLink:
		if err := setPreview(i, content); err != nil {
			return err
		}
	case event.TypeImage, event.TypeVideo, event.TypeVoice, event.TypeFile:
		image = content.Image
		i.Content, i.Duration = string(content.Type), int64(min(content.Duration, maxDuration))
		if e.File == nil { // there is nothing of it to be received
			i.Kind, i.Raw = string(KindUnsupported), withoutImage(m, e)
		}
	default:
		i.Raw = rawJSON(m)
		if !isContactLink(content.CardLink()) {
			i.Kind, i.Content = string(KindUnsupported), contentName(string(content.Type))
		}
	}
	if e.File != nil {
		i.FileName, i.FileSize, i.FileState = event.SafeFileName(e.File.Name), e.File.Size, string(FileOffered)
		if content.Type == event.TypeText || content.Type == event.TypeLink {
			i.Content = string(event.TypeFile)
		}
	}
	if image != "" {
		i.Image, _ = event.DecodeImage(image, maxPreviewImage)
	}
	if err := quoted(tx, row, i, e.Quote); err != nil {
		return err
	}
	t, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	// A time that was not agreed on is not taken: messages of others would disappear from here.
	if me, contact := t.may(FeatureTimedMessages); me && contact {
		i.TTL = int64(seconds(e.TTL) / time.Second)
	}
	if err := c.addReceived(tx, row, i, id); err != nil || e.File == nil {
		return err
	}
	return c.fileReceived(tx, i, e.File)
}

// receivedText is the text of a message of a contact. What other programs show as a card has its link added.
func receivedText(content event.Content) string {
	link := content.CardLink()
	if !isContactLink(link) || strings.Contains(content.Text, link) {
		return content.Text
	}
	return strings.TrimPrefix(content.Text+"\n"+link, "\n")
}

// setPreview sets what is behind a link in a message of a contact, or that there is none.
func setPreview(i *store.Item, content event.Content) (err error) {
	i.Content, i.Preview, i.Image = "", nil, nil
	p := content.Preview
	if content.Type != event.TypeLink || !isWebLink(p.URI) { // it would not be one of what can be opened
		return nil
	}
	i.Content = string(event.TypeLink)
	if p.Image != "" {
		i.Image, _ = event.DecodeImage(p.Image, maxPreviewImage)
	}
	i.Preview, err = json.Marshal(LinkPreview{URL: p.URI, Title: cleanLine(cut(p.Title, maxLinkText)), Description: cleanLine(cut(p.Description, maxLinkText))})
	return err
}

// withoutImage is the JSON of a message, but for the picture, which is kept by itself.
func withoutImage(m event.Message, e event.MsgNew) []byte {
	e.Content.Image, e.Quote = "", nil
	m.Event = e
	return rawJSON(m)
}

// quoted stores what a message of a contact answers.
func quoted(tx *store.Tx, row *store.Contact, i *store.Item, q *event.Quote) error {
	if q == nil {
		return nil
	}
	// What the contact quotes as its own is not ours, and the other way round.
	i.QuoteOwn, i.QuoteText, i.QuoteContent = !q.Ref.Sent, cut(q.Content.Text, maxQuote), contentName(string(q.Content.Type))
	if i.QuoteContent == "" {
		i.QuoteContent = string(event.TypeText)
	}
	if q.Ref.MsgID == "" {
		return nil
	}
	source, err := tx.ItemByShared(row.ID, i.QuoteOwn, []byte(q.Ref.MsgID))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	i.QuoteItem = source.ID
	return nil
}

// contentName makes the name of a content type or an event that a peer has made up fit to be shown.
func contentName(name string) string { return event.CleanName(name) }

// unsupported keeps a message that this version does not know how to show.
func (c *Chat) unsupported(tx *store.Tx, row *store.Contact, m event.Message, at time.Time) error {
	i := &store.Item{Contact: row.ID, Kind: string(KindUnsupported), Content: contentName(m.Event.Name()), Raw: rawJSON(m),
		State: string(StateReceived), Time: at}
	return c.addReceived(tx, row, i, m.ID)
}

// addReceived adds an item of a contact unless one with the id is there already, or was removed here.
func (c *Chat) addReceived(tx *store.Tx, row *store.Contact, i *store.Item, id event.ID) error {
	if id != "" {
		switch _, err := tx.ItemByShared(row.ID, false, []byte(id)); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		if gone, err := tx.Removed(row.ID, []byte(id)); err != nil || gone {
			return err
		}
		i.Shared = []byte(id)
	}
	row.Unread++
	row.Active = c.now()
	row.Archived = row.Archived && row.Muted
	return c.addItem(tx, i)
}

// edited changes the text of a message of a contact. If it is not there, it is added
// (chat-protocol.md §5).
func (c *Chat) edited(tx *store.Tx, row *store.Contact, m event.Message, e event.MsgUpdate, at time.Time) error {
	i, err := tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c.received(tx, row, m, e.MsgID, event.MsgNew{Content: e.Content, TTL: e.TTL, Live: e.Live}, at)
	case err != nil:
		return err
	case i.Forwarded:
		return c.notice(tx, row, KindMalformed, 1, at) // what somebody else wrote is not changed (chat-protocol.md §5)
	case !i.Deleted.IsZero():
		return nil
	}
	text, preview := receivedText(e.Content), false
	if (i.Content == "" || i.Content == string(event.TypeLink)) && ItemKind(i.Kind) == KindText {
		before := *i
		if err := setPreview(i, e.Content); err != nil {
			return err
		}
		if preview = i.Content != before.Content || !bytes.Equal(i.Preview, before.Preview) || !bytes.Equal(i.Image, before.Image); preview {
			if err := tx.SetItemPreview(i.ID, i.Preview, i.Image); err != nil {
				return err
			}
		}
	}
	switch {
	case i.Text != text || i.Live != e.Live:
		return c.setText(tx, i, text, at, e.Live)
	case preview:
		return c.saveItem(tx, i)
	}
	return nil
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
func (c *Chat) Unreadable(tx *store.Tx, connection int64, at time.Time, reason error) error {
	row, err := contactOf(tx, connection)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if row.Blocked {
		return nil
	}
	kind, count := KindUnreadable, int64(1)
	if missing := new(agent.MissingError); errors.As(reason, &missing) {
		kind, count = KindMissing, missing.Count
	}
	if err := c.notice(tx, row, kind, count, at); err != nil {
		return err
	}
	return c.publishContact(tx, row)
}

// Sent marks a message as sent. The time begins to run after which it disappears.
func (c *Chat) Sent(tx *store.Tx, connection, reference int64) error {
	if reference == goodbye {
		return c.parted(tx, connection)
	}
	if reference <= noItem {
		return nil
	}
	route, err := c.route(tx, connection)
	if err != nil {
		return err
	}
	return c.setItemState(tx, reference, func(i *store.Item) bool {
		ok := i.Sent.IsZero()
		i.Sent, i.Route = c.now(), string(route)
		if ItemState(i.State) == StatePending { // its receipt may have come first
			i.State = string(StateSent)
		}
		if !i.Live {
			c.startTimer(tx, i)
		}
		return ok
	})
}

// Delivered marks a message as delivered.
func (c *Chat) Delivered(tx *store.Tx, _, reference int64) error {
	return c.setItemState(tx, reference, func(i *store.Item) bool {
		ok := ItemState(i.State) != StateDelivered
		i.State, i.Failure, i.Delivered = string(StateDelivered), "", c.now()
		if !i.Live {
			c.startTimer(tx, i)
		}
		return ok
	})
}

// NotSent marks a message as failed, be it that it was to be sent or to be changed.
func (c *Chat) NotSent(tx *store.Tx, connection, reference int64, reason error) error {
	if reference == goodbye {
		return c.parted(tx, connection)
	}
	item, change := changed(reference)
	if !change {
		item = reference
	}
	return c.setItemState(tx, item, func(i *store.Item) bool {
		ok := ItemState(i.State) == StatePending || change && ItemState(i.State) != StateFailed
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
	if s := ItemState(i.State); s == StateSent || s == StateDelivered {
		if err := tx.SetItemBody(id, nil); err != nil {
			return err
		}
	}
	if err := c.saveItem(tx, i); err != nil {
		return err
	}
	row, err := findContact(tx, i.Contact)
	if errors.Is(err, ErrNoContact) {
		return nil // it is being deleted
	} else if err != nil {
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

// StoreState tells whether what arrives can be stored.
func (c *Chat) StoreState(reason error) {
	if c.cfg.StoreState != nil {
		c.cfg.StoreState(reason)
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
