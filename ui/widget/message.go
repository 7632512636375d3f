package widget

import (
	"image"
	"time"

	"fyne.io/fyne/v2"

	"github.com/sotto-chat/sotto/ui/theme"
)

// MessageKind says whose message a row is.
type MessageKind int

const (
	MessageIncoming MessageKind = iota
	MessageOutgoing
	MessageService // what happened to the conversation, as a small centred line
)

// Delivery is how far one's own message got.
type Delivery int

const (
	DeliveryNone      Delivery = iota // nothing is shown
	DeliveryPending                   // a clock: still on this computer
	DeliverySent                      // one tick: a relay has it
	DeliveryDelivered                 // two ticks: the other side has it
	DeliveryFailed                    // red, with a way to try again
)

// icon returns the icon for a state, or "".
func (d Delivery) icon() string {
	switch d {
	case DeliveryPending:
		return "clock"
	case DeliverySent:
		return "check"
	case DeliveryDelivered:
		return "double-check"
	case DeliveryFailed:
		return "failed"
	default:
		return ""
	}
}

// Message is what one row of a MessageList shows.
type Message struct {
	// ID tells messages apart while rows come and go. It is needed for choosing several messages and for uncovering secrets.
	ID   int64
	Kind MessageKind
	Text string
	// Spans style parts of the text. Their links are never opened by the list.
	Spans []Span
	// Found are the parts of the text that a search found, as start and end in bytes; they are coloured.
	Found [][2]int

	At   time.Time // only for telling which messages belong together
	Time string    // as shown in the bubble, such as "12:04"
	Day  string    // as shown above the first message of a day, such as "Today"; empty for none
	New  bool      // the first unread message: a line above it says so

	// Author is set in groups only: it is shown once for the messages that belong together, with its avatar.
	Author *AvatarView

	// Album: its picture stands in one grid with that of the message above it, and with those above that this is set for. Only the
	// last one may have a text. No more than MaxAlbum messages stand together.
	Album bool

	Forwarded  bool
	Quote      *Quote
	Attachment *Attachment
	Preview    *LinkPreview
	Reactions  []Reaction

	Delivery Delivery
	Edited   bool
	Live     bool   // its author is still typing it
	Expires  string // how long it stays, such as "1 week"; empty for ever
	Removed  bool   // the text says that the message was taken back
}

// Quote is the message that a message answers.
type Quote struct {
	Author, Text string
	Icon         string      // of what it holds beside text, such as "image", "video", "mic" or "file"; empty for nothing
	Picture      image.Image // its small preview, or nil
}

// AttachmentKind says what an attachment is.
type AttachmentKind int

const (
	AttachmentFile AttachmentKind = iota // a name and a size, or a picture where Picture is set
	AttachmentPicture
	AttachmentVideo // a still of it with a mark to play it
	AttachmentVoice // a curve of its loudness that can be played
)

// Attachment is what a message carries beside its text. How far a transfer is stands in Progress; what a tap does is told by
// Icon: "download", "close" while something runs, "play", "pause", or nothing.
type Attachment struct {
	Kind AttachmentKind
	// Picture is a thumbnail of a picture or a video. Make it no larger than it is shown: the toolkit keeps all of it in memory.
	Picture image.Image
	// Frames are those of a picture that moves: they are shown in place of Picture while the list plays; see MessageList.SetPlaying.
	Frames []Frame
	// Width and Height are how large the picture is, in any unit, when that differs from the thumbnail: room is kept for it.
	Width, Height int
	Icon          string
	Name, Detail  string  // such as "report.pdf" and "1.2 of 3.4 MB"
	Duration      string  // of a video or a voice message, such as "0:42"
	Progress      float32 // above 0 and below 1: how far the transfer is
	Waiting       bool    // the transfer has begun and nothing has moved yet

	// Of a voice message: its loudness over time, 0 to 255, in any number of steps; how much of it was played, 0 to 1; and how fast,
	// such as "1×", empty while it cannot be changed.
	Loudness []byte
	Played   float32
	Speed    string
}

// isPicture reports whether the attachment is shown as a picture.
func (a *Attachment) isPicture() bool {
	return a.Kind == AttachmentPicture || a.Kind == AttachmentVideo || a.Kind == AttachmentFile && a.Picture != nil
}

// LinkPreview is a card about a page that a message links to. Nothing of it is fetched by the list.
type LinkPreview struct {
	Title, Description string
	Host               string      // as shown, such as "example.org"
	Link               string      // handed to OnLink
	Picture            image.Image // or nil
}

// Reaction is an emoji under a message.
type Reaction struct {
	Emoji string
	Count int
	Own   bool
}

// MessageSource gives a MessageList its rows, the oldest first. At is called for visible rows and their neighbours.
type MessageSource interface {
	Len() int
	At(i int) Message
}

// groupGap is the longest pause between two messages that still belong together.
const groupGap = 5 * time.Minute

// joins reports whether b continues the group of a, which stands above it.
func joins(a, b *Message) bool {
	if a.Kind != b.Kind || a.Kind == MessageService || a.Day != b.Day || b.New {
		return false
	}
	if (a.Author == nil) != (b.Author == nil) || a.Author != nil && string(a.Author.ID) != string(b.Author.ID) {
		return false
	}
	return a.At.IsZero() || b.At.IsZero() || b.At.Sub(a.At) < groupGap
}

// bubbleColors are the colours that depend on whose message it is.
type bubbleColors struct {
	ground, secondary, quote fyne.ThemeColorName
}

func colorsFor(kind MessageKind) bubbleColors {
	if kind == MessageOutgoing {
		return bubbleColors{theme.ColorOwnBubble, theme.ColorOwnSecondary, theme.ColorOwnQuote}
	}
	return bubbleColors{theme.ColorBubble, theme.ColorSecondary, theme.ColorQuote}
}
