//go:build !unix || darwin

package desktop

import (
	"context"
	"image"
	"sync"

	"golang.design/x/clipboard"
)

var initClipboard = sync.OnceValue(clipboard.Init)

// ClipboardPicture returns the picture in the clipboard, or nil if there is none.
func ClipboardPicture(context.Context) image.Image {
	if initClipboard() != nil {
		return nil
	}
	return decodeClipboard(clipboard.Read(clipboard.FmtImage))
}

// SetClipboardPicture puts a picture, the file of a PNG, into the clipboard. It stays until something else is put there, or until clear is
// called, which does nothing else. The error is ErrUnavailable.
func SetClipboardPicture(file []byte) (clear func(), err error) {
	if initClipboard() != nil {
		return nil, ErrUnavailable
	}
	changed := clipboard.Write(clipboard.FmtImage, file)
	if changed == nil {
		return nil, ErrUnavailable
	}
	return sync.OnceFunc(func() {
		select {
		case <-changed:
		default:
			clipboard.Write(clipboard.FmtText, nil)
		}
	}), nil
}
