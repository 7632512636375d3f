package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// Settings that hold what the profile tells of itself.
const (
	settingName        = "name"
	settingPicture     = "picture"     // a data URI
	settingDescription = "description" // text
)

// maxPicture is the longest data URI of a contact's picture that is kept, in characters. Others send up
// to 12500 (chat-protocol.md §5); what fits into a message at all is let pass.
const maxPicture = 1 << 15

// ErrDescription tells that a description is too long, or is more than a line of text.
var ErrDescription = errors.New("a description is one line of at most 160 characters")

// SetName sets the display name of the profile, which contacts get to know when they
// connect. The error wraps [event.ErrName] if it can't be used.
func SetName(tx *store.Tx, name string) error {
	if err := event.CheckName(name); err != nil {
		return err
	}
	return tx.SetSetting(settingName, []byte(name))
}

// Name returns the display name of the profile.
func Name(tx *store.Tx) (string, error) {
	name, err := tx.Setting(settingName)
	return string(name), err
}

// Rename changes the display name of the profile. Contacts that don't know another name get to
// know it, now or when they can be sent to. The error wraps [event.ErrName] if it can't be used.
func (c *Chat) Rename(ctx context.Context, name string) error {
	return c.changeProfile(ctx, func(tx *store.Tx) error { return SetName(tx, name) })
}

// SetPicture sets the picture of the profile, a JPEG or PNG file, or removes it if that is nil. Contacts that
// know the profile get to know it. The error is a *PictureTooLargeError, or tells that it is no such file.
func (c *Chat) SetPicture(ctx context.Context, file []byte) error {
	var uri []byte
	if file != nil {
		s, err := event.EncodeImage(file, event.MaxProfileImage)
		if tooLarge := new(event.TooLargeError); errors.As(err, &tooLarge) {
			return &PictureTooLargeError{Size: len(file), Limit: MaxPicture}
		} else if err != nil {
			return err
		}
		uri = []byte(s)
	}
	return c.changeProfile(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingPicture, uri) })
}

// MaxPicture is the size of the largest picture of a profile, in bytes: as a data URI it has at most 12500
// characters (chat-protocol.md §5).
const MaxPicture = (event.MaxProfileImage - len("data:image/jpg;base64,")) / 4 * 3

// PictureTooLargeError tells that a picture is larger than what contacts can be sent.
type PictureTooLargeError struct{ Size, Limit int } // bytes

func (e *PictureTooLargeError) Error() string {
	return fmt.Sprintf("the picture has %d bytes, where at most %d can be sent", e.Size, e.Limit)
}

// Picture returns the picture of the profile, nil if it has none.
func (c *Chat) Picture(ctx context.Context) (file []byte, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		uri, err := tx.Setting(settingPicture)
		if err != nil || uri == nil {
			return err
		}
		file, err = event.DecodeImage(string(uri), event.MaxProfileImage)
		return err
	})
	return file, err
}

// SetDescription sets how the profile describes itself, in one line of at most 160 characters. Contacts that
// know the profile get to know it. The error is ErrDescription.
func (c *Chat) SetDescription(ctx context.Context, text string) error {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > event.MaxShortDescr || strings.ContainsFunc(text, unicode.IsControl) {
		return ErrDescription
	}
	return c.changeProfile(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingDescription, []byte(text)) })
}

// Description returns how the profile describes itself.
func (c *Chat) Description(ctx context.Context) (text string, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		b, err := tx.Setting(settingDescription)
		text = string(b)
		return err
	})
	return text, err
}

// changeProfile changes what the profile tells of itself, and has everybody told who is to know.
func (c *Chat) changeProfile(ctx context.Context, change func(tx *store.Tx) error) error {
	return c.db.Update(ctx, func(tx *store.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		if err := tx.TellContacts(); err != nil {
			return err
		}
		c.later(tx)
		return c.republish(tx)
	})
}

// publicProfile is what anybody who looks at the address gets to know.
func publicProfile(tx *store.Tx) (p event.Profile, err error) {
	if p.DisplayName, err = Name(tx); err != nil {
		return p, err
	}
	picture, err := tx.Setting(settingPicture)
	if err != nil {
		return p, err
	}
	description, err := tx.Setting(settingDescription)
	if err != nil {
		return p, err
	}
	p.Image, p.ShortDescr = string(picture), string(description)
	p.Preferences, err = ownPreferences(tx)
	return p, err
}

// ownProfile is what a contact gets to know of us. Incognito that is a name and what it may do.
func ownProfile(tx *store.Tx, row *store.Contact) (event.Profile, error) {
	p, err := publicProfile(tx)
	if err != nil {
		return p, err
	}
	p.Preferences = overridden(preferencesFor(row, p.Preferences), contactPreferences(row))
	if row.Incognito != "" {
		p = event.Profile{DisplayName: row.Incognito, Preferences: p.Preferences}
	}
	return p, nil
}

// introduction writes what a contact gets to know of us in the handshake, and keeps in row what that was. A
// picture that is too large for it is told when we are connected.
func introduction(tx *store.Tx, row *store.Contact, limits event.Limits, wrap func(event.Profile) event.Event) ([]byte, error) {
	p, err := ownProfile(tx, row)
	if err != nil {
		return nil, err
	}
	body, err := event.Encode(event.Message{Event: wrap(p)}, limits)
	if tooLarge := new(event.TooLargeError); errors.As(err, &tooLarge) {
		p.Image = ""
		body, err = event.Encode(event.Message{Event: wrap(p)}, limits)
	}
	if err != nil {
		return nil, err
	}
	row.Told, err = fingerprint(p)
	return body, err
}

func wrapInfo(p event.Profile) event.Event { return event.Info{Profile: p} }

// smallest are the limits of what is told in a handshake to somebody of whom nothing is known yet.
var smallest = event.ConnInfoLimits(event.Versions.Min, true)

// fingerprint tells apart what was told of a profile.
func fingerprint(p event.Profile) (string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}

// tell tells a contact what we say of ourselves, if that is not what it was told last.
func (c *Chat) tell(tx *store.Tx, row *store.Contact) error {
	p, err := ownProfile(tx, row)
	if err != nil {
		return err
	}
	print, err := fingerprint(p)
	if err != nil {
		return err
	}
	if row.Told != print {
		id, err := event.NewID(c.rand)
		if err != nil {
			return err
		}
		if err := c.post(tx, row, noItem, event.Message{ID: id, Event: event.Info{Profile: p}}); err != nil {
			return err
		}
	}
	row.Told, row.Tell = print, false
	return tx.SaveContact(row)
}

// setProfile stores what a contact tells of itself. A picture that is none is left out.
func setProfile(row *store.Contact, p event.Profile) (err error) {
	row.Name, row.Picture = event.CleanName(p.DisplayName), ""
	if _, err := event.DecodeImage(p.Image, maxPicture); err == nil {
		row.Picture = p.Image
	}
	p.Image = ""
	row.Profile, err = json.Marshal(p)
	return err
}

// profileChanged takes over a changed profile, and adds notices about what is new in it. The caller stores row.
func (c *Chat) profileChanged(tx *store.Tx, row *store.Contact, p event.Profile, at time.Time) error {
	before, err := loadTerms(tx, row)
	if err != nil {
		return err
	}
	old := *row
	if err := setProfile(row, p); err != nil {
		return err
	}
	if err := agreeTTL(row, before); err != nil || row.Blocked {
		return err
	}
	notice := func(kind ItemKind, content, text string) error {
		return c.addItem(tx, &store.Item{Contact: row.ID, Kind: string(kind), Content: content, Text: text, State: string(StateReceived), Time: at})
	}
	if row.Name != old.Name {
		if err := notice(KindRenamed, "", row.Name); err != nil {
			return err
		}
	}
	if row.Picture != old.Picture {
		content := ""
		if row.Picture == "" {
			content = Gone
		}
		if err := notice(KindPicture, content, ""); err != nil {
			return err
		}
	}
	told := peerProfile(&old)
	for _, change := range [][2]string{{told.FullName, p.FullName}, {told.ShortDescr, p.ShortDescr}} {
		if text := cleanLine(change[1]); cleanLine(change[0]) != text {
			if err := notice(KindProfile, "", text); err != nil {
				return err
			}
		}
	}
	return c.tellTerms(tx, row, before, false, at)
}

// agreeTTL takes over the time after which a contact would have messages disappear, as all programs of the
// network do: who changed it last decides, as long as both let messages disappear at all.
func agreeTTL(row *store.Contact, before terms) error {
	theirs := peerProfile(row).Preferences.Get(FeatureTimedMessages)
	if ttl := int(seconds(theirs.TTL) / time.Second); ttl != before.mine.Get(FeatureTimedMessages).TTL {
		return setTTL(row, before, ttl)
	}
	return nil
}

// meetTTL does so in the handshake, in which neither side has changed anything: the longer time counts then, if both let
// messages disappear. It tells whether that is not what we would have.
func meetTTL(tx *store.Tx, row *store.Contact) (changed bool, err error) {
	t, err := loadTerms(tx, row)
	if err != nil {
		return false, err
	}
	ttl := int(seconds(t.theirs.Get(FeatureTimedMessages).TTL) / time.Second)
	if me, _ := t.may(FeatureTimedMessages); !me || ttl <= t.mine.Get(FeatureTimedMessages).TTL {
		return false, nil
	}
	return true, setTTL(row, t, ttl)
}

// setTTL sets the time after which messages to a contact disappear, in seconds.
func setTTL(row *store.Contact, t terms, ttl int) error {
	own := *t.own
	own.TimedMessages = &Preference{Allow: t.mine.Get(FeatureTimedMessages).Allow, TTL: ttl}
	b, err := encodePreferences(&own)
	if err != nil {
		return err
	}
	row.Preferences = b
	return nil
}

// maxLineLength is the longest line that a contact tells of itself, in characters.
const maxLineLength = 256

// cleanLine makes a line that a contact tells of itself fit to be shown.
func cleanLine(s string) string {
	s = event.CleanText(strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > maxLineLength {
		s = string(r[:maxLineLength])
	}
	return s
}
