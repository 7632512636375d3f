package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Profile is how a person presents itself to a contact (chat-protocol.md §7).
type Profile struct {
	DisplayName string       `json:"displayName"` // as the peer gives it: show CleanName of it
	FullName    string       `json:"fullName"`
	ShortDescr  string       `json:"shortDescr,omitempty"`
	Image       string       `json:"image,omitempty"` // data URI, see DecodeImage
	ContactLink string       `json:"contactLink,omitempty"`
	Preferences *Preferences `json:"preferences,omitempty"`
	PeerType    string       `json:"peerType,omitempty"` // "bot" if it is one
}

func (p Profile) check() error {
	if p.DisplayName == "" {
		return missing("displayName")
	}
	return nil
}

// GroupProfile is how a group presents itself (chat-protocol.md §7).
type GroupProfile struct {
	DisplayName string          `json:"displayName"`
	FullName    string          `json:"fullName"`
	ShortDescr  string          `json:"shortDescr,omitempty"`
	Description string          `json:"description,omitempty"` // the welcome message
	Image       string          `json:"image,omitempty"`
	Preferences json.RawMessage `json:"groupPreferences,omitempty"`
	Admission   json.RawMessage `json:"memberAdmission,omitempty"`
	Public      json.RawMessage `json:"publicGroup,omitempty"`
}

// Limits of an own profile, in characters.
const (
	MaxDisplayName = 50  // a choice of this client: what a line of a list can show
	MaxShortDescr  = 160 // chat-protocol.md §7
)

// ErrName is why a display name can't be used, with the reason in its wrapping error.
var ErrName = errors.New("this name can't be used")

// CheckName tells whether a name may be the display name of an own profile
// (chat-protocol.md §7). It returns an error that wraps ErrName if not.
func CheckName(name string) error {
	because := func(reason string) error { return fmt.Errorf("%w: %s", ErrName, reason) }
	switch {
	case name == "":
		return because("it is empty")
	case !utf8.ValidString(name):
		return because("it is not text")
	case utf8.RuneCountInString(name) > MaxDisplayName:
		return because(fmt.Sprintf("it has more than %d characters", MaxDisplayName))
	case strings.TrimSpace(name) != name:
		return because("it starts or ends with a space")
	case name[0] == '#' || name[0] == '@':
		return because("it starts with # or @")
	case strings.ContainsFunc(name, unsafeRune):
		return because("it has control characters, or some that can't be seen")
	case strings.TrimLeftFunc(name, isJoiner) != name:
		return because("it starts with a character that can't be seen")
	}
	return nil
}

// CleanName returns a name that a peer has given without what could deceive who reads
// it: control characters, characters that change the direction of text or that can't be seen, spaces at the
// ends, a leading # or @; and cut to MaxDisplayName characters. It may return an empty string.
func CleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unsafeRune(r):
			return -1
		}
		return r
	}, name)
	name = strings.TrimLeftFunc(name, func(r rune) bool { return r == '#' || r == '@' || r == ' ' || isJoiner(r) })
	if r := []rune(name); len(r) > MaxDisplayName {
		name = string(r[:MaxDisplayName])
	}
	return strings.TrimSpace(name)
}

// CleanText returns a line that a peer has given without control characters and characters that change the
// direction of text or can't be seen.
func CleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unsafeRune(r) {
			return -1
		}
		return r
	}, s)
}

// unsafeRune tells whether a character is a control character, changes the direction of the text around it, or can't be
// seen, so that two names with and without it look the same.
func unsafeRune(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return true
	case r == '\u200c', r == '\u200d', r >= 0xe0020 && r <= 0xe007f: // they join letters, and parts of emoji
		return false
	case slices.Contains(blanks, r):
		return true
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// blanks are letters, symbols and marks that nothing is shown of.
var blanks = []rune{'\u034f', '\u115f', '\u1160', '\u2800', '\u3164', '\uffa0'}

// isJoiner tells whether a character is seen only by what it does to those beside it.
func isJoiner(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}

// Allow is what a person lets a contact do.
type Allow string

// Values of Allow (chat-protocol.md §7). Any other counts as No.
const (
	Always Allow = "always" // whatever the contact says
	Yes    Allow = "yes"    // if the contact lets me do it too
	No     Allow = "no"
)

// Feature names something that contacts may let each other do.
type Feature string

// The features (chat-protocol.md §7).
const (
	FeatureTimedMessages Feature = "timedMessages"
	FeatureFullDelete    Feature = "fullDelete"
	FeatureReactions     Feature = "reactions"
	FeatureVoice         Feature = "voice"
	FeatureFiles         Feature = "files"
	FeatureCalls         Feature = "calls"
)

// Preference is what a person allows for one feature.
type Preference struct {
	Allow Allow `json:"allow"`
	TTL   int   `json:"ttl,omitempty"` // seconds; of timedMessages only, 0 if none is set
}

// Preferences are a person's preferences for one contact, or for all. Those that are nil have their defaults.
type Preferences struct {
	TimedMessages *Preference `json:"timedMessages,omitempty"`
	FullDelete    *Preference `json:"fullDelete,omitempty"`
	Reactions     *Preference `json:"reactions,omitempty"`
	Voice         *Preference `json:"voice,omitempty"`
	Files         *Preference `json:"files,omitempty"`
	Calls         *Preference `json:"calls,omitempty"`
}

// Get returns the preference for a feature, its default if p doesn't have it
// (chat-protocol.md §7). Clients that don't know the preference for files always take
// them, so its default is Always. p may be nil.
func (p *Preferences) Get(f Feature) Preference {
	if p == nil {
		p = new(Preferences)
	}
	var set *Preference
	allow := Yes
	switch f {
	case FeatureTimedMessages:
		set = p.TimedMessages
	case FeatureFullDelete:
		set, allow = p.FullDelete, No
	case FeatureReactions:
		set = p.Reactions
	case FeatureVoice:
		set = p.Voice
	case FeatureFiles:
		set, allow = p.Files, Always
	case FeatureCalls:
		set = p.Calls
	default:
		allow = No
	}
	if set == nil {
		return Preference{Allow: allow}
	}
	return *set
}

// Effective tells who of two contacts may use a feature, by the preferences of both
// (table in chat-protocol.md §7). For FeatureFullDelete contact decides whether a
// deletion by the contact erases.
func Effective(f Feature, mine, theirs *Preferences) (me, contact bool) {
	m, t := mine.Get(f).Allow, theirs.Get(f).Allow
	me, contact = permits(t, m), permits(m, t)
	if f == FeatureTimedMessages && me != contact {
		return false, false
	}
	return me, contact
}

// permits tells whether somebody who allows a lets the other, who allows b, use a feature.
func permits(a, b Allow) bool { return a == Always || a == Yes && (b == Yes || b == Always) }

// MessageTTL returns the seconds after which own messages disappear, 0 for never.
func MessageTTL(mine, theirs *Preferences) int {
	if me, _ := Effective(FeatureTimedMessages, mine, theirs); !me {
		return 0
	}
	return max(0, mine.Get(FeatureTimedMessages).TTL)
}
