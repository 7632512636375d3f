package event

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/sotto-chat/sotto/core/wire"
)

// ID is the id of a message, a member, a request, a call, or a probe: 1 to 255 opaque
// bytes that its maker has chosen (chat-protocol.md §2). It is a string, though seldom
// text, so that ids can be compared and be keys of maps. The empty ID is no id.
type ID string

// Random bytes in what this client makes (chat-protocol.md §2 and §4).
const (
	idBytes        = 12
	requestIDBytes = 16
)

// NewID returns a fresh id of a message or a member. Like those of the reference it is
// the standard base64 text of 12 random bytes (chat-protocol.md §2), so that the form of
// an id doesn't tell which client has made it.
func NewID(rand io.Reader) (ID, error) {
	b, err := randomBytes(rand, idBytes)
	if err != nil {
		return "", err
	}
	return ID(base64.StdEncoding.EncodeToString(b)), nil
}

// NewRequestID returns a fresh id of a contact request or a call: 16 random bytes
// (chat-protocol.md §2).
func NewRequestID(rand io.Reader) (ID, error) {
	b, err := randomBytes(rand, requestIDBytes)
	return ID(b), err
}

func randomBytes(rand io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, fmt.Errorf("event: making an id: %w", err)
	}
	return b, nil
}

// MarshalText returns the padded base64url form that stands in JSON.
func (id ID) MarshalText() ([]byte, error) {
	if len(id) == 0 || len(id) > wire.MaxShort {
		return nil, fmt.Errorf("%w: an id has 1 to %d bytes", ErrValue, wire.MaxShort)
	}
	return []byte(wire.EncodeBase64([]byte(id))), nil
}

// UnmarshalText reads base64url with or without padding.
func (id *ID) UnmarshalText(text []byte) error {
	b, err := wire.DecodeBase64(string(text))
	if err != nil || len(b) == 0 || len(b) > wire.MaxShort {
		return fmt.Errorf("%w: an id is base64url of 1 to %d bytes", ErrValue, wire.MaxShort)
	}
	*id = ID(b)
	return nil
}
