package chat

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Errors of changing and forwarding messages.
var (
	// ErrNotEditable tells that a message is not one of ours, or not one whose text can be changed.
	ErrNotEditable = errors.New("this message can't be changed")
	// ErrTooOld tells that a message was sent so long ago that it can't be changed or deleted for everyone any more.
	ErrTooOld = errors.New("messages can be changed or deleted for everyone within 24 hours")
	// ErrNotForwardable tells that a message is not one that can be sent to somebody else.
	ErrNotForwardable = errors.New("this message can't be forwarded")
)

// changeTime is how long a message of ours can be changed or deleted for everyone. Contacts would take
// a deletion for 78 hours (chat-protocol.md §5), but the programs of the network offer it for 24.
const changeTime = 24 * time.Hour

// NewMessage is a message to be sent.
type NewMessage struct {
	Text  string
	Reply int64 // the item that it answers, 0 for none
	Live  bool  // it is still being written, see Chat.UpdateLive
}

// Send sends a message to a contact. When it returns the message is stored, and will be sent as
// soon as the relay can be reached. The error is ErrNoContact, ErrNotConnected, ErrEmptyMessage, ErrNoItem if
// what it answers is not there, or a *MessageTooLongError; nothing is stored then.
func (c *Chat) Send(ctx context.Context, contact int64, m NewMessage) (item Item, err error) {
	text, err := messageText(m.Text)
	if err != nil {
		return item, err
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		i := &store.Item{Text: text, Live: m.Live && ContactState(row.State) != ContactNotes}
		e := event.MsgNew{Content: event.Text(text), Live: i.Live}
		if m.Reply != 0 {
			if e.Quote, err = quoteItem(tx, row, i, m.Reply); err != nil {
				return err
			}
		}
		if err := c.sendNew(tx, row, i, e); err != nil {
			return err
		}
		if i.Live {
			c.live.begin(i.ID, c.now())
		}
		item = newItem(i)
		return c.save(tx, row)
	})
	if err != nil {
		return Item{}, err
	}
	return item, nil
}

// messageText is a text as it is sent.
func messageText(text string) (string, error) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.TrimSpace(text) == "" {
		return "", ErrEmptyMessage
	}
	return text, nil
}

// sendNew completes, stores and sends a message of ours. The caller stores row.
func (c *Chat) sendNew(tx *store.Tx, row *store.Contact, i *store.Item, e event.MsgNew) error {
	id, err := event.NewID(c.rand)
	if err != nil {
		return err
	}
	now := c.now()
	i.Contact, i.Own, i.Shared, i.Kind, i.State, i.Time = row.ID, true, []byte(id), string(KindText), string(StatePending), now
	row.Active = now
	if ContactState(row.State) == ContactNotes {
		i.State = string(StateKept)
		return c.addItem(tx, i)
	}
	t, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	e.TTL = int(t.ttl() / time.Second)
	i.TTL = int64(e.TTL)
	if i.Body, err = json.Marshal(e); err != nil {
		return err
	}
	if err := c.addItem(tx, i); err != nil {
		return err
	}
	return c.queue(tx, row, i, e)
}

// maxQuote is the longest text of a quote that is shown, and that is sent where all of it would be too much, in bytes.
const maxQuote = 1000

// quoteItem makes an item an answer to another one, and returns how that is quoted.
func quoteItem(tx *store.Tx, row *store.Contact, i *store.Item, id int64) (*event.Quote, error) {
	q, err := tx.Item(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (q.Contact != row.ID || !ItemKind(q.Kind).IsMessage() || !q.Deleted.IsZero()) {
		return nil, ErrNoItem
	} else if err != nil {
		return nil, err
	}
	text := q.Text
	if text == "" {
		text = q.FileName
	}
	content := event.Text(text)
	switch t := event.ContentType(q.Content); t {
	case event.TypeFile:
		content.Type = t
	case event.TypeVoice:
		// Others show its duration in place of a text that is empty, and would show the name of its file.
		content.Type, content.Duration, content.Text = t, int(q.Duration), q.Text
	case event.TypeImage, event.TypeVideo:
		// A quote without the picture is one of text.
		if uri, err := event.EncodeImage(q.Image, event.MaxPreviewImage); err == nil {
			content.Type, content.Image, content.Duration = t, uri, int(q.Duration)
		}
	}
	i.QuoteItem, i.QuoteOwn, i.QuoteContent, i.QuoteText = q.ID, q.Own, string(content.Type), cut(text, maxQuote)
	if q.Content != "" {
		i.QuoteContent = q.Content
	}
	return &event.Quote{Ref: event.MsgRef{MsgID: event.ID(q.Shared), SentAt: q.Time, Sent: q.Own}, Content: content}, nil
}

// Retry sends a message of ours again that could not be sent. The contact gets it once even if
// it had arrived after all. The error is ErrNoItem, ErrNotFailed or one of those of Send.
func (c *Chat) Retry(ctx context.Context, id int64) (item Item, err error) {
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		i, row, err := findItem(tx, id)
		if err != nil {
			return err
		}
		if !i.Own || ItemState(i.State) != StateFailed {
			return ErrNotFailed
		}
		e, err := original(tx, i)
		if err != nil {
			return err
		}
		i.State, i.Failure = string(StatePending), ""
		if err := c.saveItem(tx, i); err != nil {
			return err
		}
		if err := c.queue(tx, row, i, e); err != nil {
			return err
		}
		if i.FileName != "" { // its description may have been lost as well, and relays keep files for two days only
			if err := c.resendFile(tx, i); err != nil {
				return err
			}
		}
		if i.Edited {
			// If it had arrived it was with another text.
			if err := c.say(tx, row, changeOf(i.ID), updateOf(i)); err != nil {
				return err
			}
		}
		item = newItem(i)
		return c.publishContact(tx, row)
	})
	if err != nil {
		return Item{}, err
	}
	return item, nil
}

// original returns the message that an item was sent as, with the text that it has now.
func original(tx *store.Tx, i *store.Item) (e event.MsgNew, err error) {
	body, err := tx.ItemBody(i.ID)
	if err != nil {
		return e, err
	}
	if body == nil {
		e = event.MsgNew{Content: contentOf(i), TTL: int(i.TTL), Forward: i.Forwarded}
		if i.FileName != "" {
			e.File = event.NewFileInvitation(i.FileName, i.FileSize)
		}
		return e, nil
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, err
	}
	e.Content.Text, e.Live = i.Text, i.Live
	return e, nil
}

// contentOf is the content of a message of ours.
func contentOf(i *store.Item) event.Content {
	if i.FileName != "" {
		content := event.Content{Type: event.ContentType(i.Content), Text: i.Text, Duration: int(i.Duration)}
		if uri, err := event.EncodeImage(i.Image, event.MaxPreviewImage); err == nil && i.Image != nil {
			content.Image = uri
		}
		return content
	}
	if i.Preview == nil {
		return event.Text(i.Text)
	}
	shown := newItem(i).Preview
	p := &event.LinkPreview{URI: shown.URL, Title: shown.Title, Description: shown.Description}
	if uri, err := event.EncodeImage(shown.Image, event.MaxPreviewImage); err == nil {
		p.Image = uri
	}
	return event.Content{Type: event.TypeLink, Text: i.Text, Preview: p}
}

// updateOf is the event that changes a message of ours to what the item is now.
func updateOf(i *store.Item) event.MsgUpdate {
	return event.MsgUpdate{MsgID: event.ID(i.Shared), Content: contentOf(i), TTL: int(i.TTL), Live: i.Live}
}

// changeable returns a message of ours whose text can be changed, with its contact.
func changeable(tx *store.Tx, id int64) (*store.Item, *store.Contact, error) {
	i, row, err := findItem(tx, id)
	switch {
	case err != nil:
		return nil, nil, err
	// Contacts don't take a change of what was forwarded (chat-protocol.md §5).
	case !i.Own || ItemKind(i.Kind) != KindText || i.Forwarded || !i.Deleted.IsZero() || i.Shared == nil:
		return nil, nil, ErrNotEditable
	}
	return i, row, nil
}

// Edit changes the text of a message of ours. The error is ErrNoItem, ErrNotEditable, ErrTooOld or one of those of
// Send.
func (c *Chat) Edit(ctx context.Context, id int64, text string) (item Item, err error) {
	text, empty := messageText(text)
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		i, row, err := changeable(tx, id)
		if err != nil {
			return err
		}
		if empty != nil && i.FileName == "" {
			return empty
		}
		notes := ContactState(row.State) == ContactNotes
		switch {
		case i.Live:
			return ErrNotEditable
		case c.now().Sub(i.Time) > changeTime && !notes:
			return ErrTooOld
		case i.Text == text:
			item = newItem(i)
			return nil
		}
		if err := c.setText(tx, i, text, c.now(), false); err != nil {
			return err
		}
		// What has failed is sent with its new text by Retry.
		if !notes && ItemState(i.State) != StateFailed {
			if err := c.say(tx, row, changeOf(i.ID), updateOf(i)); err != nil {
				return err
			}
		}
		item = newItem(i)
		return c.publishContact(tx, row)
	})
	if err != nil {
		return Item{}, err
	}
	return item, nil
}

// maxEditions is how many earlier texts of a message are kept.
const maxEditions = 50

// setText changes the text of an item at a time. Of one that is not, and is not to be, written live, the text that it
// had is kept.
func (c *Chat) setText(tx *store.Tx, i *store.Item, text string, at time.Time, live bool) error {
	if i.Live || live {
		i.Text, i.Live = text, live
		if live {
			return c.saveItem(tx, i) // it is found when it is complete
		}
		return c.saveText(tx, i)
	}
	if err := tx.InsertEdition(i.ID, store.Edition{Text: i.Text, Replaced: at}, maxEditions); err != nil {
		return err
	}
	i.Text, i.Edited = text, true
	return c.saveText(tx, i)
}

// Forward sends messages, in the order in which they are given, to a contact: those with a file if that is here. All of them
// are sent, or none. The error is ErrNotForwardable or one of those of Send and SendFile.
func (c *Chat) Forward(ctx context.Context, items []int64, to int64) (list []Item, err error) {
	copies, err := c.copyFiles(ctx, items)
	if err != nil {
		return nil, err
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, to)
		if err != nil {
			return err
		}
		for n, id := range items {
			from, _, err := findItem(tx, id)
			if err != nil {
				return err
			}
			file := copies[n].Name != ""
			said := from.Content == "" || event.ContentType(from.Content) == event.TypeLink
			if ItemKind(from.Kind) != KindText || !from.Deleted.IsZero() || from.Live || file != (from.FileName != "") || !file && !said {
				return ErrNotForwardable
			}
			i := &store.Item{Text: from.Text, Content: from.Content, Preview: from.Preview, Image: from.Image, Forwarded: true,
				FileName: from.FileName, FileSize: copies[n].Size, Duration: from.Duration}
			e := event.MsgNew{Content: contentOf(i), Forward: true}
			if !file {
				err = c.sendNew(tx, row, i, e)
			} else if err = mayFile(tx, to, event.ContentType(i.Content)); err == nil {
				err = c.sendNewFile(tx, row, i, e, copies[n])
			}
			if err != nil {
				return err
			}
			list = append(list, newItem(i))
		}
		return c.save(tx, row)
	})
	if err != nil {
		return nil, errors.Join(err, c.removeCopies(copies))
	}
	return list, nil
}

// queue hands a message of ours to the agent, which sends it as e after the commit. What it quotes is cut if
// that makes it too long.
func (c *Chat) queue(tx *store.Tx, row *store.Contact, i *store.Item, e event.MsgNew) error {
	m := event.Message{ID: event.ID(i.Shared), Event: e}
	err := c.post(tx, row, i.ID, m)
	if tooLong := new(MessageTooLongError); !errors.As(err, &tooLong) || e.Quote == nil {
		return err
	}
	short := *e.Quote
	short.Content = event.Text(cut(short.Content.Text, maxQuote))
	e.Quote = &short
	m.Event = e
	return c.post(tx, row, i.ID, m)
}

// What becomes of a message is told with a reference: the item's id for the message itself, or one of these.
const noItem = -1 // it is not shown

// changeOf is the reference of what changes an item.
func changeOf(item int64) int64 { return -1 - item }

// changed returns the item of a reference that changeOf has made.
func changed(reference int64) (item int64, ok bool) { return -1 - reference, reference < noItem }

// say posts an event that is not a message by itself.
func (c *Chat) say(tx *store.Tx, row *store.Contact, reference int64, e event.Event) error {
	id, err := event.NewID(c.rand)
	if err != nil {
		return err
	}
	return c.post(tx, row, reference, event.Message{ID: id, Event: e})
}

// post hands a message to the agent.
func (c *Chat) post(tx *store.Tx, row *store.Contact, reference int64, m event.Message) error {
	if row.Connection == 0 || !hasPeer(row) {
		return ErrNotConnected
	}
	_, pq, err := c.agent.MaxBody(tx, row.Connection)
	if err != nil {
		return err
	}
	body, err := event.Encode(m, event.MessageLimits(chatVersion(row), pq))
	if tooLarge := new(event.TooLargeError); errors.As(err, &tooLarge) {
		return &MessageTooLongError{Size: tooLarge.Size, Limit: tooLarge.Limit}
	} else if err != nil {
		return err
	}
	return notConnected(c.agent.Send(tx, row.Connection, reference, body, event.Notifies(m.Event)))
}

// chatVersion is the version to talk to a contact with (chat-protocol.md §2).
func chatVersion(row *store.Contact) uint16 {
	v, ok := event.Versions.Agree(wire.VersionRange{Min: row.VersionMin, Max: row.VersionMax})
	if !ok {
		return event.Versions.Min
	}
	return v
}
