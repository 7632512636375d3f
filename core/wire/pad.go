package wire

import (
	"errors"
	"strings"
)

// ErrPadded tells that a message is too long for the length it is to be padded to.
var ErrPadded = errors.New("wire: message too long for its padded length")

// filler fills up padded messages; readers don't look at it (encoding.md §2).
const filler = "#"

var fill = strings.Repeat(filler, 4096)

// AppendPadded appends msg padded to n bytes: a two-byte length, msg and filler. msg may
// have up to n-2 bytes, and up to 65533.
func AppendPadded(b, msg []byte, n int) ([]byte, error) {
	if len(msg) > n-2 || len(msg) > 65533 {
		return nil, ErrPadded
	}
	b = append(AppendUint16(b, uint16(len(msg))), msg...)
	return AppendFiller(b, n-2-len(msg)), nil
}

// AppendFiller appends n bytes of what fills up padded messages.
func AppendFiller(b []byte, n int) []byte {
	for ; n > 0; n -= len(fill) {
		b = append(b, fill[:min(n, len(fill))]...)
	}
	return b
}

// Unpad returns the message in b, which shares memory with it.
func Unpad(b []byte) ([]byte, error) {
	r := NewReader(b)
	msg := r.Large()
	return msg, r.Err()
}
