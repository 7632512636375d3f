package chat

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// Errors of reactions.
var (
	// ErrEmoji tells that an emoji is none that other programs know as a reaction, see Emojis.
	ErrEmoji = errors.New("this emoji can't be a reaction")
	// ErrTooManyReactions tells that a message has as many reactions of ours as one may give.
	ErrTooManyReactions = errors.New("a message can have at most 3 reactions of one person")
	// ErrNotAllowed tells that the preferences of the two sides don't allow it.
	ErrNotAllowed = errors.New("this is not allowed in this conversation")
)

// Emojis returns the emojis that can be reactions.
func Emojis() []string { return event.Emojis() }

// storedReaction is a reaction as it is stored. One that is not known is kept as it came, so that it can be taken back.
type storedReaction struct {
	Emoji  string `json:"e"`
	Raw    string `json:"r,omitempty"`
	Own    bool   `json:"o,omitempty"`
	Theirs bool   `json:"t,omitempty"`
}

// unknownEmoji is shown for what no other program knows (chat-protocol.md §5).
const unknownEmoji = "?"

// maxRawReaction is the longest reaction that is kept without being known, in bytes.
const maxRawReaction = 128

func readReactions(stored string) (list []storedReaction) {
	if stored != "" {
		_ = json.Unmarshal([]byte(stored), &list) // it was written here
	}
	return list
}

// shownReactions are the reactions to an item: those that are not known are one.
func shownReactions(stored string) (list []Reaction) {
next:
	for _, r := range readReactions(stored) {
		for i := range list {
			if list[i].Emoji == r.Emoji {
				list[i].Own, list[i].Theirs = list[i].Own || r.Own, list[i].Theirs || r.Theirs
				continue next
			}
		}
		list = append(list, Reaction{r.Emoji, r.Own, r.Theirs})
	}
	return list
}

// react adds or removes a reaction of one side to an item. It tells whether that changes anything.
func react(i *store.Item, r event.Reaction, own, on bool) (changed bool, err error) {
	s := storedReaction{Emoji: r.Emoji}
	if !r.Known() {
		if len(r.Raw) > maxRawReaction {
			return false, nil
		}
		s.Emoji, s.Raw = unknownEmoji, string(r.Raw)
	}
	list := readReactions(i.Reactions)
	at, count := -1, 0
	for n := range list {
		if list[n].Emoji == s.Emoji && list[n].Raw == s.Raw {
			at = n
		}
		if own && list[n].Own || !own && list[n].Theirs {
			count++
		}
	}
	if at < 0 {
		if !on {
			return false, nil
		}
		at = len(list)
		list = append(list, s)
	}
	side := &list[at].Theirs
	if own {
		side = &list[at].Own
	}
	switch {
	case *side == on:
		return false, nil
	case on && count >= event.MaxReactions:
		return false, ErrTooManyReactions
	}
	if *side = on; !list[at].Own && !list[at].Theirs {
		list = append(list[:at], list[at+1:]...)
	}
	i.Reactions = ""
	if len(list) > 0 {
		b, err := json.Marshal(list)
		if err != nil {
			return false, err
		}
		i.Reactions = string(b)
	}
	return true, nil
}

// React puts an emoji under a message, or takes it back. The error is ErrNoItem, ErrEmoji, ErrTooManyReactions,
// ErrNotAllowed or ErrNotConnected.
func (c *Chat) React(ctx context.Context, id int64, emoji string, on bool) (item Item, err error) {
	r, err := event.NewReaction(emoji)
	if err != nil {
		return item, ErrEmoji
	}
	err = c.db.Update(ctx, func(tx *store.Tx) error {
		i, row, err := findItem(tx, id)
		if err != nil {
			return err
		}
		notes := ContactState(row.State) == ContactNotes
		if !ItemKind(i.Kind).IsMessage() || !i.Deleted.IsZero() || i.Shared == nil {
			return ErrNotAllowed
		}
		if t, err := loadTerms(tx, row); err != nil {
			return err
		} else if me, _ := t.may(FeatureReactions); !me && on && !notes {
			return ErrNotAllowed
		}
		changed, err := react(i, r, true, on)
		if err != nil {
			return err
		}
		if changed {
			if !notes {
				if err := c.say(tx, row, noItem, event.MsgReact{MsgID: event.ID(i.Shared), Reaction: r, Add: on}); err != nil {
					return err
				}
			}
			if err := c.saveItem(tx, i); err != nil {
				return err
			}
		}
		item = newItem(i)
		return nil
	})
	return item, err
}

// reacted takes over a reaction of a contact to a message that is here. Others have no effect.
func (c *Chat) reacted(tx *store.Tx, row *store.Contact, e event.MsgReact) error {
	t, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	if _, contact := t.may(FeatureReactions); !contact && e.Add {
		return nil
	}
	i, err := tx.ItemByShared(row.ID, true, []byte(e.MsgID))
	if errors.Is(err, store.ErrNotFound) {
		i, err = tx.ItemByShared(row.ID, false, []byte(e.MsgID))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if !i.Deleted.IsZero() || !ItemKind(i.Kind).IsMessage() {
		return nil
	}
	changed, err := react(i, e.Reaction, false, e.Add)
	if !changed || err != nil {
		return nil // it is there already, or it is one too many
	}
	return c.saveItem(tx, i)
}
