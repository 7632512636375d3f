package event

import (
	"encoding/json"
	"fmt"
)

// Sizes of the user data of a short link, in bytes.
const (
	maxPlainLink = 10240 // longer data is compressed (chat-protocol.md §9)

	// What is left of the padded link data of a contact address without owners and relays:
	// less the length of the padding, the signature, the header and the length of the user
	// data (agent.md §6).
	maxLink = 13784 - 2 - 65 - 8 - 3
)

// LinkData is what a short link tells before one connects: the profile of a person, a
// group or a relay (chat-protocol.md §9). Exactly one of the three profiles is set.
type LinkData struct {
	Profile      *Profile
	Message      *Content // with Profile: the welcome message of an address
	Business     bool     // with Profile: the address of a business
	GroupProfile *GroupProfile
	PublicGroup  json.RawMessage // with GroupProfile: may be empty
	RelayProfile json.RawMessage
}

// linkJSON is the JSON form of LinkData.
type linkJSON struct {
	Profile      *Profile        `json:"profile,omitempty"`
	Message      *Content        `json:"message,omitempty"`
	Business     *bool           `json:"business,omitempty"`
	GroupProfile *GroupProfile   `json:"groupProfile,omitempty"`
	PublicGroup  json.RawMessage `json:"publicGroupData,omitempty"`
	RelayProfile json.RawMessage `json:"relayProfile,omitempty"`
}

// ParseLinkData reads the user data of a short link, plain or compressed. An error is no
// reason not to connect: it only means that nothing is known about the other side.
func ParseLinkData(b []byte) (LinkData, error) {
	if len(b) > 0 && b[0] == formCompressed {
		var err error
		if b, err = decompress(b[1:]); err != nil {
			return LinkData{}, fmt.Errorf("link data: %w", err)
		}
	}
	if len(b) > maxDecompressed {
		return LinkData{}, fmt.Errorf("link data: %w", ErrLimit)
	}
	if !isObject(b) {
		return LinkData{}, fmt.Errorf("link data: %w", ErrForm)
	}
	if err := checkDepth(b); err != nil {
		return LinkData{}, fmt.Errorf("link data: %w", err)
	}
	var v linkJSON
	if err := unmarshal(b, &v); err != nil {
		return LinkData{}, fmt.Errorf("link data: %w", err)
	}
	dropNull(&v.PublicGroup, &v.RelayProfile)
	d := LinkData{Profile: v.Profile, Message: v.Message, GroupProfile: v.GroupProfile, PublicGroup: v.PublicGroup, RelayProfile: v.RelayProfile}
	if v.Business != nil {
		d.Business = *v.Business
	}
	if d.GroupProfile != nil {
		dropNull(&d.GroupProfile.Preferences, &d.GroupProfile.Admission, &d.GroupProfile.Public)
	}
	if err := d.check(); err != nil {
		return LinkData{}, fmt.Errorf("link data: %w", err)
	}
	return d, nil
}

// EncodeLinkData returns the user data of a short link: JSON, or compressed if it has
// more than 10240 bytes. It returns a *TooLargeError if it doesn't fit even then.
func EncodeLinkData(d LinkData) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("link data: %w", err)
	}
	v := linkJSON{Profile: d.Profile, Message: d.Message, GroupProfile: d.GroupProfile, PublicGroup: d.PublicGroup, RelayProfile: d.RelayProfile}
	if d.Profile != nil {
		v.Business = &d.Business
	}
	b, err := marshal(v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("link data: %w", err)
	case len(b) <= maxPlainLink:
		return b, nil
	case len(b) > maxDecompressed:
		return nil, &TooLargeError{Size: len(b), Limit: maxDecompressed}
	}
	if b = append([]byte{formCompressed}, compress(b)...); len(b) > maxLink {
		return nil, &TooLargeError{Size: len(b), Limit: maxLink, Compressed: true}
	}
	return b, nil
}

func (d LinkData) check() error {
	profiles := 0
	if d.Profile != nil {
		if err := d.Profile.check(); err != nil {
			return err
		}
		profiles++
	}
	if d.GroupProfile != nil {
		if d.GroupProfile.DisplayName == "" {
			return missing("displayName")
		}
		profiles++
	}
	if d.RelayProfile != nil {
		profiles++
	}
	if profiles != 1 {
		return fmt.Errorf("%w: one profile is needed", ErrValue)
	}
	if d.Message != nil {
		return d.Message.check()
	}
	return nil
}
