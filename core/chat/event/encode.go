package event

import (
	"fmt"

	"github.com/sotto-chat/sotto/core/wire"
)

// Sizes of bodies, in bytes (chat-protocol.md §3).
const (
	maxMessage    = 15602 // A_MSG: JSON before compression
	maxMessagePQ  = 13380 // A_MSG with post-quantum encryption: as sent
	maxConnInfo   = 14694 // connection info: JSON before compression
	maxConnInfoPQ = 10968 // connection info with post-quantum encryption: as sent
)

// Limits are the limits of a body on one connection.
type Limits struct {
	JSON     int  // longest JSON before compression, in bytes
	Body     int  // longest body as it is sent, in bytes
	Compress bool // a body that is longer than Body may be compressed
}

// MessageLimits returns the limits of an A_MSG to a contact, by the connection's chat
// version and whether it supports post-quantum encryption.
func MessageLimits(version uint16, pq bool) Limits {
	return limits(version, pq, maxMessage, maxMessagePQ)
}

// ConnInfoLimits returns the limits of connection info.
func ConnInfoLimits(version uint16, pq bool) Limits {
	return limits(version, pq, maxConnInfo, maxConnInfoPQ)
}

func limits(version uint16, pq bool, size, sizePQ int) Limits {
	l := Limits{JSON: size, Body: size}
	if pq {
		l.Body, l.Compress = sizePQ, version >= VersionCompression
	}
	return l
}

// TooLargeError tells that something is too large to be sent, and by how much.
type TooLargeError struct {
	Size       int  // bytes that it has
	Limit      int  // bytes that it may have
	Compressed bool // Size is that after compression
}

// Error says how large it is and how large it may be.
func (e *TooLargeError) Error() string {
	how := ""
	if e.Compressed {
		how = " after compression"
	}
	return fmt.Sprintf("event: %d bytes%s, where at most %d can be sent", e.Size, how, e.Limit)
}

// Encode returns the body of one message. It returns a *TooLargeError if the limits don't
// let it be sent, even compressed.
func Encode(m Message, l Limits) ([]byte, error) {
	b, err := marshal(m)
	if err != nil {
		return nil, err
	}
	return l.fit(b)
}

// fit returns the body with the JSON b.
func (l Limits) fit(b []byte) ([]byte, error) {
	switch {
	case len(b) > l.JSON:
		return nil, &TooLargeError{Size: len(b), Limit: l.JSON}
	case len(b) <= l.Body:
		return b, nil
	case !l.Compress:
		return nil, &TooLargeError{Size: len(b), Limit: l.Body}
	}
	body := wire.AppendLarge([]byte{formCompressed, 1, partZstd}, compress(b))
	if len(body) > l.Body {
		return nil, &TooLargeError{Size: len(body), Limit: l.Body, Compressed: true}
	}
	return body, nil
}
