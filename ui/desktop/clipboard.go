package desktop

import (
	"bytes"
	"image"
	_ "image/png" // the form of pictures in the clipboard
)

const (
	maxClipboard     = 64 << 20  // pixels of a picture in the clipboard that is looked at: those of a very large screen
	maxClipboardFile = 128 << 20 // bytes of its file
)

// decodeClipboard returns the picture that another program has put into the clipboard, or nil if it is none or too large.
func decodeClipboard(file []byte) image.Image {
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || size.Width <= 0 || size.Height <= 0 || size.Width > maxClipboard/size.Height {
		return nil
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	return img
}
