package event

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// ContentType names what a message contains.
type ContentType string

// The content types that this package knows (chat-protocol.md §5).
const (
	TypeText   ContentType = "text"
	TypeLink   ContentType = "link"
	TypeImage  ContentType = "image"
	TypeVideo  ContentType = "video"
	TypeVoice  ContentType = "voice"
	TypeFile   ContentType = "file"
	TypeReport ContentType = "report"
	TypeChat   ContentType = "chat"
)

// Content is the content of a message. Which fields count depends on the type.
type Content struct {
	Type     ContentType
	Text     string          // of all types; may be empty
	Image    string          // image, video: preview as a data URI, see DecodeImage
	Duration int             // video, voice: seconds
	Preview  *LinkPreview    // link
	Reason   string          // report: "spam", "content", "community", "profile", "other" or any text
	ChatLink json.RawMessage // chat: the card of a contact or a group

	// Raw is the whole JSON object if the type is not one of the above. Text is then its
	// text, if it has one.
	Raw json.RawMessage
}

// LinkPreview is what the sender's client has found behind a link. Nothing of it may
// make the recipient's client use the network.
type LinkPreview struct {
	URI         string          `json:"uri"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Image       string          `json:"image"`
	Content     json.RawMessage `json:"content,omitempty"`
}

// Text returns content of type text.
func Text(text string) Content { return Content{Type: TypeText, Text: text} }

// Known tells whether this package knows the type.
func (c Content) Known() bool {
	switch c.Type {
	case TypeText, TypeLink, TypeImage, TypeVideo, TypeVoice, TypeFile, TypeReport, TypeChat:
		return true
	}
	return false
}

// contentJSON is the JSON form of the known types; pointers tell what is present.
type contentJSON struct {
	Type     ContentType     `json:"type"`
	Text     *string         `json:"text,omitempty"`
	Image    *string         `json:"image,omitempty"`
	Duration *int            `json:"duration,omitempty"`
	Preview  *LinkPreview    `json:"preview,omitempty"`
	Reason   *string         `json:"reason,omitempty"`
	ChatLink json.RawMessage `json:"chatLink,omitempty"`
}

// MarshalJSON returns the JSON form. Content of an unknown type is written as it was read.
func (c Content) MarshalJSON() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if !c.Known() {
		return c.Raw, nil
	}
	v := contentJSON{Type: c.Type, Text: &c.Text}
	switch c.Type {
	case TypeLink:
		v.Preview = c.Preview
	case TypeImage:
		v.Image = &c.Image
	case TypeVideo:
		v.Image, v.Duration = &c.Image, &c.Duration
	case TypeVoice:
		v.Duration = &c.Duration
	case TypeReport:
		v.Reason = &c.Reason
	case TypeChat:
		v.ChatLink = c.ChatLink
	}
	return marshal(v)
}

// UnmarshalJSON reads content of any type. The fields of a known type have to be present.
func (c *Content) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var head struct {
		Type ContentType     `json:"type"`
		Text json.RawMessage `json:"text"`
	}
	if err := unmarshal(data, &head); err != nil {
		return err
	}
	*c = Content{Type: head.Type}
	if !c.Known() {
		c.Raw = bytes.Clone(data)
		// The text of a type of the future may be something else than a string.
		_ = json.Unmarshal(head.Text, &c.Text)
		return nil
	}
	var v contentJSON
	if err := unmarshal(data, &v); err != nil {
		return err
	}
	if v.Text == nil {
		return missing("text")
	}
	c.Text = *v.Text
	ok := true
	switch c.Type {
	case TypeLink:
		if ok = v.Preview != nil; ok {
			c.Preview = v.Preview
			dropNull(&c.Preview.Content)
		}
	case TypeImage:
		ok = set(&c.Image, v.Image)
	case TypeVideo:
		ok = set(&c.Image, v.Image) && set(&c.Duration, v.Duration)
	case TypeVoice:
		ok = set(&c.Duration, v.Duration)
	case TypeReport:
		ok = set(&c.Reason, v.Reason)
	case TypeChat:
		if ok = isObject(v.ChatLink); ok {
			c.ChatLink = v.ChatLink
		}
	}
	if !ok {
		return fmt.Errorf("%w: content of type %s lacks a member", ErrValue, c.Type)
	}
	return nil
}

// CardLink returns the link in the card of a person, a group or a channel, as the sender gives it; empty if there is none.
// Programs that show cards write no more than the name on them into Text.
func (c Content) CardLink() string {
	if c.Type != TypeChat {
		return ""
	}
	var card struct {
		Address    string `json:"connLink"`
		Invitation string `json:"invLink"`
	}
	if err := unmarshal(c.ChatLink, &card); err != nil {
		return ""
	}
	return cmp.Or(card.Address, card.Invitation)
}

func set[T any](to, from *T) bool {
	if from != nil {
		*to = *from
	}
	return from != nil
}

func (c Content) check() error {
	switch {
	case c.Type == "":
		return missing("content or its type")
	case !c.Known() && !isObject(c.Raw):
		return fmt.Errorf("%w: unknown type of content", ErrValue)
	case c.Type == TypeLink && c.Preview == nil:
		return missing("preview")
	case c.Type == TypeChat && !isObject(c.ChatLink):
		return missing("chatLink")
	case c.Duration < 0:
		return fmt.Errorf("%w: duration is negative", ErrValue)
	}
	return nil
}

// MaxReactions is the number of different reactions that one sender may give to one
// message (chat-protocol.md §5).
const MaxReactions = 3

// reactionEmoji is the type of the reactions that this package knows.
const reactionEmoji = "emoji"

// heart is without a variation selector (gotchas-agent.md B13).
const heart = "\u2764"

// emojis are the reactions that may be sent (chat-protocol.md §5).
var emojis = []string{"👍", "👎", "😀", "😂", "😢", heart, "🚀", "✅"}

// Emojis returns the emojis that may be sent as reactions, in the usual order. Each is one code point.
func Emojis() []string { return slices.Clone(emojis) }

// Reaction is a reaction to a message. Two reactions are the same if their types and emojis are.
type Reaction struct {
	Type  string          // "emoji", or a type of the future
	Emoji string          // as received, see Known
	Raw   json.RawMessage // the whole JSON object if Known is false
}

// NewReaction returns the reaction with an emoji, which has to be one of Emojis.
func NewReaction(emoji string) (Reaction, error) {
	r := Reaction{Type: reactionEmoji, Emoji: emoji}
	if !r.Known() {
		return Reaction{}, fmt.Errorf("%w: this emoji can't be a reaction", ErrValue)
	}
	return r, nil
}

// Known tells whether the reaction is one of those that all clients know; others are
// shown as "?" and never sent by this client.
func (r Reaction) Known() bool { return r.Type == reactionEmoji && slices.Contains(emojis, r.Emoji) }

type reactionJSON struct {
	Type  string `json:"type"`
	Emoji string `json:"emoji"`
}

// MarshalJSON returns the JSON form. An unknown reaction is written as it was read.
func (r Reaction) MarshalJSON() ([]byte, error) {
	if !r.Known() {
		if !isObject(r.Raw) {
			return nil, fmt.Errorf("%w: unknown reaction", ErrValue)
		}
		return r.Raw, nil
	}
	return marshal(reactionJSON{r.Type, r.Emoji})
}

// UnmarshalJSON reads any reaction.
func (r *Reaction) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var v struct {
		Type  string          `json:"type"`
		Emoji json.RawMessage `json:"emoji"`
	}
	if err := unmarshal(data, &v); err != nil {
		return err
	}
	*r = Reaction{Type: v.Type}
	_ = json.Unmarshal(v.Emoji, &r.Emoji) // stays empty if a type of the future has no such string
	if !r.Known() {
		r.Raw = bytes.Clone(data)
	}
	return nil
}

// FileInvitation announces a file. Its description follows in MsgFileDescr (chat-protocol.md §6).
type FileInvitation struct {
	Name  string     `json:"fileName"` // as the sender gives it: see SafeFileName
	Size  int64      `json:"fileSize"` // bytes
	Descr *FileDescr `json:"fileDescr,omitempty"`
}

// FileDescr is a part of the description of a file. Part 0, empty and not complete, stands in the invitation.
type FileDescr struct {
	Text     string `json:"fileDescrText"`
	Part     int    `json:"fileDescrPartNo"`
	Complete bool   `json:"fileDescrComplete"` // this is the last part
}

// NewFileInvitation returns the invitation to a file of size bytes whose description is still to come.
func NewFileInvitation(name string, size int64) *FileInvitation {
	return &FileInvitation{Name: name, Size: size, Descr: &FileDescr{}}
}

func (f *FileInvitation) check() error {
	if f.Name == "" || f.Size < 0 {
		return fmt.Errorf("%w: name or size of a file", ErrValue)
	}
	if f.Descr != nil {
		return f.Descr.check()
	}
	return nil
}

func (d FileDescr) check() error {
	if d.Part < 0 {
		return fmt.Errorf("%w: number of a part of a file description", ErrValue)
	}
	return nil
}

// descrPart is the size of a part of a file description, in characters (chat-protocol.md §6).
const descrPart = 14000

// SplitFileDescr splits the YAML text of a file description into the parts that are sent, numbered from 1.
func SplitFileDescr(text string) []FileDescr {
	var parts []FileDescr
	rest := []rune(text)
	for {
		n := min(len(rest), descrPart)
		parts = append(parts, FileDescr{Text: string(rest[:n]), Part: len(parts) + 1})
		if rest = rest[n:]; len(rest) == 0 {
			parts[len(parts)-1].Complete = true
			return parts
		}
	}
}

// maxFileName is the longest file name in bytes that the usual file systems take, less
// room for a number that tells apart files of the same name.
const maxFileName = 255 - 15

// SafeFileName makes a name that a peer has given fit to be the name of a file in a
// directory on any system: no path, no control characters or characters that change the
// direction of text, no leading dot, no name of a device. It is never empty.
func SafeFileName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		case unsafeRune(r):
			return -1
		}
		return r
	}, name)
	name = strings.TrimLeft(name, ". ")
	if len(name) > maxFileName {
		ext := name[strings.LastIndexByte(name, '.')+1:]
		if len(ext) == len(name) || len(ext) > 16 {
			name = cut(name, maxFileName)
		} else {
			name = cut(name, maxFileName-len(ext)-1) + "." + ext
		}
	}
	name = strings.TrimRight(name, ". ")
	stem, _, _ := strings.Cut(name, ".")
	switch stem = strings.ToUpper(strings.TrimSpace(stem)); {
	case name == "":
		return "file"
	case slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, stem),
		len(stem) == 4 && (strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && stem[3] >= '0' && stem[3] <= '9':
		return "_" + name
	}
	return name
}

// cut returns the first n bytes of s, or a few less so as not to end inside a character.
func cut(s string, n int) string { return strings.ToValidUTF8(s[:n], "") }
