package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// What contacts let each other do, see package event.
type (
	// Preferences are what a person allows. What is nil is as it is for everybody.
	Preferences = event.Preferences
	// Preference is what a person allows for one feature.
	Preference = event.Preference
	// Feature names something that contacts may let each other do.
	Feature = event.Feature
	// Allow is what a person lets a contact do.
	Allow = event.Allow
)

// The features that this program has.
const (
	FeatureTimedMessages = event.FeatureTimedMessages // messages disappear
	FeatureFullDelete    = event.FeatureFullDelete    // deleting for everyone leaves nothing
	FeatureReactions     = event.FeatureReactions
	FeatureVoice         = event.FeatureVoice
	FeatureFiles         = event.FeatureFiles
)

// Values of Allow.
const (
	Always = event.Always // whatever the contact says
	Yes    = event.Yes    // if the contact allows it too
	No     = event.No
)

var features = []Feature{FeatureTimedMessages, FeatureFullDelete, FeatureReactions, FeatureVoice, FeatureFiles}

// Features returns all features, in the order in which they are shown.
func Features() []Feature { return append([]Feature{}, features...) }

// ErrPreference tells that a preference is none of those that there are, or can't be what was asked for.
var ErrPreference = errors.New("there is no such preference, or no such choice")

// Limits of how long messages take to disappear.
const (
	MinTTL = time.Second
	MaxTTL = 10 * 365 * 24 * time.Hour
)

// FeatureState tells who of two contacts may use a feature, and why.
type FeatureState struct {
	Feature                   Feature
	Mine, Theirs              Allow
	MeAllowed, ContactAllowed bool
	Own                       bool // Mine is for this contact alone, not the profile's or, incognito, the default
}

const settingPreferences = "preferences"

// ownPreferences returns the preferences of the profile, all of them.
func ownPreferences(tx *store.Tx) (*Preferences, error) {
	p := new(Preferences)
	b, err := tx.Setting(settingPreferences)
	if err == nil && b != nil {
		err = json.Unmarshal(b, p)
	}
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", settingPreferences, err)
	}
	return overridden(&defaults, p), nil
}

// defaults are the preferences of who has set none. They are told all the same: the defaults of other programs may
// change. There are no calls.
var defaults = Preferences{
	TimedMessages: &Preference{Allow: Yes},
	FullDelete:    &Preference{Allow: No},
	Reactions:     &Preference{Allow: Yes},
	Voice:         &Preference{Allow: Yes},
	Files:         &Preference{Allow: Always},
	Calls:         &Preference{Allow: No},
}

// field returns where p has a feature.
func field(p *Preferences, f Feature) **Preference {
	switch f {
	case FeatureTimedMessages:
		return &p.TimedMessages
	case FeatureFullDelete:
		return &p.FullDelete
	case FeatureReactions:
		return &p.Reactions
	case FeatureVoice:
		return &p.Voice
	case FeatureFiles:
		return &p.Files
	}
	return nil
}

// overridden returns p with what other has in its place.
func overridden(p, other *Preferences) *Preferences {
	result := *p
	for _, f := range features {
		if o := *field(other, f); o != nil {
			*field(&result, f) = o
		}
	}
	return &result
}

// contactPreferences returns our preferences for a contact, where they differ from the profile's.
func contactPreferences(row *store.Contact) *Preferences {
	p := new(Preferences)
	if len(row.Preferences) > 0 {
		_ = json.Unmarshal(row.Preferences, p) // it was written here
	}
	return p
}

// peerProfile returns what a contact tells of itself, but for its picture.
func peerProfile(row *store.Contact) (p event.Profile) {
	if len(row.Profile) > 0 {
		_ = json.Unmarshal(row.Profile, &p) // it was written here
	}
	return p
}

// terms are the preferences of both sides of a conversation.
type terms struct {
	mine, theirs *Preferences
	own          *Preferences // of mine, what is for this contact alone
}

func termsOf(row *store.Contact, profile *Preferences) terms {
	own := contactPreferences(row)
	return terms{overridden(preferencesFor(row, profile), own), peerProfile(row).Preferences, own}
}

// preferencesFor returns our preferences for a contact but for those that are for it alone. Incognito they are not those of
// the profile, by which two contacts could find out that they know the same person, as by their changing at the same time.
func preferencesFor(row *store.Contact, profile *Preferences) *Preferences {
	if row.Incognito != "" {
		return &defaults
	}
	return profile
}

// loadTerms returns the preferences of both sides of a conversation as they are stored.
func loadTerms(tx *store.Tx, row *store.Contact) (terms, error) {
	profile, err := ownPreferences(tx)
	if err != nil {
		return terms{}, err
	}
	return termsOf(row, profile), nil
}

// may tells who may use a feature.
func (t terms) may(f Feature) (me, contact bool) { return event.Effective(f, t.mine, t.theirs) }

// ttl is the time after which messages disappear, 0 for never.
func (t terms) ttl() time.Duration { return seconds(event.MessageTTL(t.mine, t.theirs)) }

// offer is the time after which the contact would like messages to disappear while we don't.
func (t terms) offer() time.Duration {
	theirs := t.theirs.Get(FeatureTimedMessages)
	if me, _ := t.may(FeatureTimedMessages); me || theirs.Allow == No || t.mine.Get(FeatureTimedMessages).Allow != No {
		return 0
	}
	return seconds(theirs.TTL)
}

// seconds is a time as it was received.
func seconds(n int) time.Duration {
	return min(time.Duration(max(n, 0)), MaxTTL/time.Second) * time.Second
}

func (t terms) features() []FeatureState {
	list := make([]FeatureState, len(features))
	for i, f := range features {
		me, contact := t.may(f)
		list[i] = FeatureState{Feature: f, Mine: t.mine.Get(f).Allow, Theirs: t.theirs.Get(f).Allow, MeAllowed: me, ContactAllowed: contact, Own: *field(t.own, f) != nil}
	}
	return list
}

// Preferences returns what the profile allows all contacts for which nothing else is set. Each feature is set.
func (c *Chat) Preferences(ctx context.Context) (p Preferences, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		own, err := ownPreferences(tx)
		if err == nil {
			own.Calls = nil
			p = *own
		}
		return err
	})
	return p, err
}

// SetPreferences sets what the profile allows all contacts for which nothing else is set, but for those that know it
// incognito. They get to know. What is nil gets its default. The error is ErrPreference.
func (c *Chat) SetPreferences(ctx context.Context, p Preferences) error {
	b, err := encodePreferences(&p)
	if err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error {
		rows, err := tx.Contacts()
		if err != nil {
			return err
		}
		before, err := ownPreferences(tx)
		if err != nil {
			return err
		}
		if err := tx.SetSetting(settingPreferences, b); err != nil {
			return err
		}
		for _, row := range rows {
			if !hasPeer(row) {
				continue
			}
			if err := c.tellTerms(tx, row, termsOf(row, before), true, c.now()); err != nil {
				return err
			}
			if err := c.publishContact(tx, row); err != nil {
				return err
			}
		}
		if err := tx.TellContacts(); err != nil {
			return err
		}
		c.later(tx)
		return c.republish(tx)
	})
}

// SetFeature sets one preference and leaves the others as they are: of a contact, or of the profile with contact 0. With nil it
// is that of the profile, or the default. The error is ErrNoContact or ErrPreference.
func (c *Chat) SetFeature(ctx context.Context, contact int64, f Feature, set *Preference) error {
	if field(new(Preferences), f) == nil {
		return fmt.Errorf("%w: %q", ErrPreference, f)
	}
	if contact == 0 {
		p, err := c.Preferences(ctx)
		if err != nil {
			return err
		}
		*field(&p, f) = set
		return c.SetPreferences(ctx, p)
	}
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		p := contactPreferences(row)
		*field(p, f) = set
		b, err := encodePreferences(p)
		if err != nil {
			return err
		}
		return c.setContactPreferences(tx, row, b)
	})
}

// hasPeer tells whether there is somebody at the other end whose preferences count.
func hasPeer(row *store.Contact) bool {
	return ContactState(row.State) == ContactConnected || ContactState(row.State) == ContactConnecting
}

// SetContactPreferences sets what a contact is allowed, in place of what the profile allows where that is
// nil. The contact gets to know. The error is ErrNoContact or ErrPreference.
func (c *Chat) SetContactPreferences(ctx context.Context, contact int64, p Preferences) error {
	b, err := encodePreferences(&p)
	if err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error {
		row, err := findContact(tx, contact)
		if err != nil {
			return err
		}
		return c.setContactPreferences(tx, row, b)
	})
}

func (c *Chat) setContactPreferences(tx *store.Tx, row *store.Contact, encoded []byte) error {
	before, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	row.Preferences, row.Tell = encoded, true
	if err := c.tellTerms(tx, row, before, true, c.now()); err != nil {
		return err
	}
	c.later(tx)
	return c.save(tx, row)
}

// encodePreferences checks preferences and writes them as they are stored.
func encodePreferences(p *Preferences) ([]byte, error) {
	p.Calls = nil
	for _, f := range features {
		switch set := *field(p, f); {
		case set == nil:
		case set.Allow != Always && set.Allow != Yes && set.Allow != No,
			set.TTL < 0, set.TTL > int(MaxTTL/time.Second), set.TTL > 0 && f != FeatureTimedMessages:
			return nil, fmt.Errorf("%w: of %s", ErrPreference, f)
		}
	}
	return json.Marshal(p)
}

// SetDisappearing has messages to and from a contact disappear so long after they were read or sent, in
// whole seconds, or never with 0. It is in force once the contact allows it, which Contact.Disappearing tells; that
// of an offer of the contact is in force at once. The error is ErrNoContact or ErrPreference.
func (c *Chat) SetDisappearing(ctx context.Context, contact int64, after time.Duration) error {
	if after < 0 || after > MaxTTL || after%time.Second != 0 || contact == 0 {
		return fmt.Errorf("%w: of %s", ErrPreference, FeatureTimedMessages)
	}
	p := &Preference{Allow: Yes, TTL: int(after / time.Second)}
	if after == 0 {
		p.Allow = No
	}
	return c.SetFeature(ctx, contact, FeatureTimedMessages, p)
}

// tellTerms adds notices about what differs from before. The caller stores row.
func (c *Chat) tellTerms(tx *store.Tx, row *store.Contact, before terms, own bool, at time.Time) error {
	after, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	for _, f := range features {
		me, contact := after.may(f)
		if m, c := before.may(f); m == me && c == contact || f == FeatureTimedMessages {
			continue
		}
		who := WhoNobody
		switch {
		case me && contact:
			who = WhoBoth
		case me:
			who = WhoMe
		case contact:
			who = WhoContact
		}
		i := &store.Item{Contact: row.ID, Own: own, Kind: string(KindFeature), Text: string(f), Content: who, State: string(StateReceived), Time: at}
		if err := c.addItem(tx, i); err != nil {
			return err
		}
	}
	return c.tellTTL(tx, row, before, own, at)
}

// tellTTL is tellTerms for the time after which messages disappear alone.
func (c *Chat) tellTTL(tx *store.Tx, row *store.Contact, before terms, own bool, at time.Time) error {
	after, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	i := &store.Item{Contact: row.ID, Own: own, Kind: string(KindDisappearing), State: string(StateReceived), Time: at}
	switch ttl, offer := after.ttl(), after.offer(); {
	case ttl != before.ttl():
		i.TTL = int64(ttl / time.Second)
	case offer != before.offer() && offer > 0:
		i.TTL, i.Content = int64(offer/time.Second), Offer
	default:
		return nil
	}
	return c.addItem(tx, i)
}
