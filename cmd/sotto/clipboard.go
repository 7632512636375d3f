package main

import (
	"bytes"
	"image"
	_ "image/png" // the form in which pictures come out of the clipboard
	"sync"

	"golang.design/x/clipboard"
)

// maxClipboard is the largest picture that is looked at, in pixels: that of a very large screen.
const maxClipboard = 64 << 20

var initClipboard = sync.OnceValue(clipboard.Init)

// clipboardPicture returns the picture in the clipboard, or nil.
func clipboardPicture() image.Image {
	if initClipboard() != nil {
		return nil
	}
	b := clipboard.Read(clipboard.FmtImage)
	size, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || size.Width <= 0 || size.Height <= 0 || size.Width > maxClipboard/size.Height {
		return nil
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	return img
}
