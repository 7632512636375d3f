package event

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// Longest data URIs, in characters, that are sent and that should be shown (chat-protocol.md §5).
const (
	MaxPreviewImage = 14000
	MaxProfileImage = 12500
)

var (
	jpegMagic = []byte{0xff, 0xd8, 0xff}
	pngMagic  = []byte("\x89PNG\r\n\x1a\n")
)

// EncodeImage returns the data URI of a JPEG or PNG file of at most limit characters.
func EncodeImage(file []byte, limit int) (string, error) {
	var uri string
	switch {
	case bytes.HasPrefix(file, jpegMagic):
		uri = "data:image/jpg;base64,"
	case bytes.HasPrefix(file, pngMagic):
		uri = "data:image/png;base64,"
	default:
		return "", fmt.Errorf("%w: an image has to be JPEG or PNG", ErrValue)
	}
	if n := len(uri) + base64.StdEncoding.EncodedLen(len(file)); n > limit {
		return "", &TooLargeError{Size: n, Limit: limit}
	}
	return uri + base64.StdEncoding.EncodeToString(file), nil
}

// DecodeImage returns the file in a data URI that a peer has sent, if that has at most
// limit characters and starts like a JPEG or PNG file. Nothing else has been checked: the
// decoder must not trust it, least of all the number of its pixels.
func DecodeImage(uri string, limit int) ([]byte, error) {
	if len(uri) > limit {
		return nil, &TooLargeError{Size: len(uri), Limit: limit}
	}
	for _, prefix := range []string{"data:image/jpg;base64,", "data:image/jpeg;base64,", "data:image/png;base64,"} {
		data, ok := strings.CutPrefix(uri, prefix)
		if !ok {
			continue
		}
		file, err := base64.StdEncoding.DecodeString(data)
		if err != nil || !bytes.HasPrefix(file, jpegMagic) && !bytes.HasPrefix(file, pngMagic) {
			break
		}
		return file, nil
	}
	return nil, fmt.Errorf("%w: an image has to be a data URI of a JPEG or PNG file", ErrValue)
}
