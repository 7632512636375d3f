package ui

import (
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

// albumPause is the longest time between two pictures that were sent together. The network has no word for that: programs send
// several pictures as messages that follow each other, the text with the last one.
const albumPause = time.Minute

// album tells whether a message stands in one grid of pictures with the one above it.
func (c *conversation) album(i int) bool {
	if !c.together(i) {
		return false
	}
	n := 1 // pictures above it
	for c.together(i - n) {
		n++
	}
	return n%widget.MaxAlbum != 0
}

// together tells whether two messages are pictures that were sent together: message i and the one above it.
func (c *conversation) together(i int) bool {
	if i < 1 {
		return false
	}
	a, b := &c.items[i-1], &c.items[i]
	if !inAlbum(a) || !inAlbum(b) || a.Own != b.Own || a.Text != "" || b.Quote != nil || b.ID == c.newID {
		return false
	}
	return a.TTL == b.TTL && a.Forwarded == b.Forwarded && b.Time.Sub(a.Time).Abs() <= albumPause
}

// inAlbum tells whether a message is nothing but a picture, with a text perhaps, with which nothing is wrong.
func inAlbum(item *core.Item) bool {
	return item.Content == "image" && hasMedia(item) && item.Preview == nil && item.Deleted.IsZero() && !item.Live && !isNotice(item) &&
		item.State != chat.StateFailed && (item.File == nil || item.File.State != core.FileFailed && item.File.Failure == "")
}
