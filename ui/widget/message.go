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
	Kind MessageKind
	Text string
	// Spans style parts of the text. Their links are never opened by the list.
	Spans []Span

	At   time.Time // only for telling which messages belong together
	Time string    // as shown in the bubble, such as "12:04"
	Day  string    // as shown above the first message of a day, such as "Today"; empty for none
	New  bool      // the first unread message: a line above it says so

	// Author is set in groups only: it is shown once for the messages that belong together, with its avatar.
	Author *AvatarView

	Quote      *Quote
	Attachment *Attachment
	Reactions  []Reaction

	Delivery Delivery
	Edited   bool
	Expires  string // how long it stays, such as "1 week"; empty for ever
	Removed  bool   // the text says that the message was taken back
}

// Quote is the message that a message answers.
type Quote struct {
	Author, Text string
}

// Attachment is a picture or a file of a message.
type Attachment struct {
	// Picture is a thumbnail; nil shows the attachment as a file. Make it no larger than it is shown: the toolkit keeps all of it
	// in memory.
	Picture image.Image
	// Icon is shown for a file; it tells what a tap does, for example "download", "close" while it runs, "file" afterwards.
	Icon         string
	Name, Detail string  // such as "report.pdf" and "1.2 of 3.4 MB"
	Progress     float32 // above 0 and below 1: a bar is shown
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
