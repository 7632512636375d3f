package core

import (
	"context"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat"
)

// What is in conversations, see package chat.
type (
	NewMessage  = chat.NewMessage
	Quote       = chat.Quote
	Reaction    = chat.Reaction
	LinkPreview = chat.LinkPreview
	File        = chat.File
	Edition     = chat.Edition
	Details     = chat.Details
	RouteKind   = chat.RouteKind
	Hit         = chat.Hit

	Preferences  = chat.Preferences
	Preference   = chat.Preference
	Feature      = chat.Feature
	FeatureState = chat.FeatureState
	Allow        = chat.Allow

	// Span is a part of a text that is not shown as plain text.
	Span = chat.Span
	// Style is how a Span is shown.
	Style = chat.Style

	// PictureTooLargeError tells that a picture is larger than what contacts can be sent.
	PictureTooLargeError = chat.PictureTooLargeError
)

// Errors of changing, deleting and forwarding messages, of reactions and of profiles, see package chat.
var (
	ErrNotEditable      = chat.ErrNotEditable
	ErrTooOld           = chat.ErrTooOld
	ErrNotForwardable   = chat.ErrNotForwardable
	ErrNotLive          = chat.ErrNotLive
	ErrNotOwn           = chat.ErrNotOwn
	ErrEmoji            = chat.ErrEmoji
	ErrTooManyReactions = chat.ErrTooManyReactions
	ErrNotAllowed       = chat.ErrNotAllowed
	ErrPreference       = chat.ErrPreference
	ErrDescription      = chat.ErrDescription

	// ErrSync tells that nothing can be sent to a contact before the encryption is synchronized, which it may be just now.
	ErrSync = agent.ErrSync
	// ErrRotating tells that the queue of a contact is on its way to another relay already.
	ErrRotating = agent.ErrRotating
	// ErrPeerTooOld tells that a contact's program can't synchronize encryption.
	ErrPeerTooOld = agent.ErrPeerTooOld
)

// MaxPicture is the size of the largest picture of a profile, in bytes.
const MaxPicture = chat.MaxPicture

// Format finds the network's markdown in a text.
func Format(text string) []Span { return chat.Format(text) }

// Emojis returns the emojis that can be reactions.
func Emojis() []string { return chat.Emojis() }

// Features returns all features that preferences are about, in the order in which they are shown.
func Features() []Feature { return chat.Features() }

// Send sends a message to a contact. When it returns the message is stored, and will be sent as soon
// as the relay can be reached. The error is ErrNoContact, ErrNotConnected, ErrEmptyMessage, ErrNoItem if what it
// answers is not there, or a *MessageTooLongError; nothing is stored then.
func (p *Profile) Send(ctx context.Context, contact int64, m NewMessage) (Item, error) {
	return p.chat.Send(ctx, contact, m)
}

// Retry sends a message again that could not be sent.
func (p *Profile) Retry(ctx context.Context, item int64) (Item, error) {
	return p.chat.Retry(ctx, item)
}

// Edit changes the text of a message of one's own. The error is ErrNoItem, ErrNotEditable, ErrTooOld or one of those of
// Send.
func (p *Profile) Edit(ctx context.Context, item int64, text string) (Item, error) {
	return p.chat.Edit(ctx, item, text)
}

// UpdateLive gives a message that was sent live its next text, or with done its last one; see
// [chat.Chat.UpdateLive].
func (p *Profile) UpdateLive(ctx context.Context, item int64, text string, done bool) (Item, error) {
	return p.chat.UpdateLive(ctx, item, text, done)
}

// Editions returns the texts that a message had before it was edited, oldest first.
func (p *Profile) Editions(ctx context.Context, item int64) ([]Edition, error) {
	return p.chat.Editions(ctx, item)
}

// Delete deletes messages and notices here, and with everyone messages of one's own at their contacts too; see
// [chat.Chat.Delete]. The error is ErrNoItem, and with everyone ErrNotOwn, ErrTooOld or ErrNotConnected.
func (p *Profile) Delete(ctx context.Context, items []int64, everyone bool) error {
	return p.chat.Delete(ctx, items, everyone)
}

// React puts an emoji under a message, or takes it back. The error is ErrNoItem, ErrEmoji, ErrTooManyReactions,
// ErrNotAllowed or ErrNotConnected.
func (p *Profile) React(ctx context.Context, item int64, emoji string, on bool) (Item, error) {
	return p.chat.React(ctx, item, emoji, on)
}

// Forward sends messages, in the order in which they are given, to a contact: all of them, or none. The error is
// ErrNotForwardable or one of those of Send.
func (p *Profile) Forward(ctx context.Context, items []int64, to int64) ([]Item, error) {
	return p.chat.Forward(ctx, items, to)
}

// Details returns what is known of a message, or ErrNoItem.
func (p *Profile) Details(ctx context.Context, item int64) (Details, error) {
	return p.chat.Details(ctx, item)
}

// History returns up to limit items of a contact in the order of the conversation: the newest of
// those whose id is below before, or of all with before 0.
func (p *Profile) History(ctx context.Context, contact, before int64, limit int) ([]Item, error) {
	return p.chat.History(ctx, contact, before, limit)
}

// HistoryAfter returns up to limit items of a contact in the order of the conversation: the oldest of
// those whose id is above after.
func (p *Profile) HistoryAfter(ctx context.Context, contact, after int64, limit int) ([]Item, error) {
	return p.chat.HistoryAfter(ctx, contact, after, limit)
}

// Around returns an item of a contact with up to limit items before it and as many after it.
func (p *Profile) Around(ctx context.Context, contact, item int64, limit int) ([]Item, error) {
	return p.chat.Around(ctx, contact, item, limit)
}

// ItemAt returns the earliest item of a contact at or after a time, or ErrNoItem.
func (p *Profile) ItemAt(ctx context.Context, contact int64, t time.Time) (Item, error) {
	return p.chat.ItemAt(ctx, contact, t)
}

// FirstUnread returns the id of the oldest message of a contact that was not seen, 0 if all were.
func (p *Profile) FirstUnread(ctx context.Context, contact int64) (int64, error) {
	return p.chat.FirstUnread(ctx, contact)
}

// Search returns up to limit messages with all words of a query, the newest first: of a contact, or of all with
// contact 0. To go on, before is the id of the last message that was returned.
func (p *Profile) Search(ctx context.Context, query string, contact, before int64, limit int) ([]Hit, error) {
	return p.chat.Search(ctx, query, contact, before, limit)
}

// Changes returns up to limit items that were added or changed after a change, in the order
// in which that happened: the Change of the last one is where to go on.
func (p *Profile) Changes(ctx context.Context, after int64, limit int) ([]Item, error) {
	return p.chat.Changes(ctx, after, limit)
}

// MarkRead tells that all messages of a contact were seen. The time of those that disappear begins to run.
func (p *Profile) MarkRead(ctx context.Context, contact int64) error {
	return p.chat.MarkRead(ctx, contact)
}

// SetMuted sets whether messages of a contact are only counted.
func (p *Profile) SetMuted(ctx context.Context, contact int64, on bool) error {
	return p.chat.SetMuted(ctx, contact, on)
}

// SetPinned sets whether a conversation stands above the others.
func (p *Profile) SetPinned(ctx context.Context, contact int64, on bool) error {
	return p.chat.SetPinned(ctx, contact, on)
}

// SetArchived sets whether a conversation stands apart from the others, until its next message unless it is muted.
func (p *Profile) SetArchived(ctx context.Context, contact int64, on bool) error {
	return p.chat.SetArchived(ctx, contact, on)
}

// SetBlocked sets whether what a contact sends is dropped; see [chat.Chat.SetBlocked].
func (p *Profile) SetBlocked(ctx context.Context, contact int64, on bool) error {
	return p.chat.SetBlocked(ctx, contact, on)
}

// Clear deletes all that was said with a contact here.
func (p *Profile) Clear(ctx context.Context, contact int64) error { return p.chat.Clear(ctx, contact) }

// Preferences returns what the profile allows all contacts for which nothing else is set.
func (p *Profile) Preferences(ctx context.Context) (Preferences, error) {
	return p.chat.Preferences(ctx)
}

// SetFeature sets one preference of a contact, or of the profile with contact 0, and tells who it is about. With nil it is that of
// the profile, or the default. The error is ErrNoContact or ErrPreference.
func (p *Profile) SetFeature(ctx context.Context, contact int64, f Feature, set *Preference) error {
	return p.chat.SetFeature(ctx, contact, f, set)
}

// SetDisappearing has messages to and from a contact disappear so long after they were read or sent, in whole seconds,
// or never with 0, once the contact allows it. The error is ErrNoContact or ErrPreference.
func (p *Profile) SetDisappearing(ctx context.Context, contact int64, after time.Duration) error {
	return p.chat.SetDisappearing(ctx, contact, after)
}

// Notes returns the conversation with oneself, which is made if there is none.
func (p *Profile) Notes(ctx context.Context) (Contact, error) { return p.chat.Notes(ctx) }

// SetPicture sets the picture of the profile, a JPEG or PNG file that is sent as it is, or removes it if that is nil, and tells
// contacts. ReadPicture makes such a file. The error is a *PictureTooLargeError, or tells that it is no such file.
func (p *Profile) SetPicture(ctx context.Context, file []byte) error {
	if err := p.chat.SetPicture(ctx, file); err != nil {
		return err
	}
	p.changed()
	return nil
}

// Picture returns the picture of the profile, nil if it has none.
func (p *Profile) Picture(ctx context.Context) ([]byte, error) { return p.chat.Picture(ctx) }

// SetDescription sets how the profile describes itself, in one line of at most 160 characters, and tells contacts. The error is
// ErrDescription.
func (p *Profile) SetDescription(ctx context.Context, text string) error {
	return p.chat.SetDescription(ctx, text)
}

// Description returns how the profile describes itself.
func (p *Profile) Description(ctx context.Context) (string, error) { return p.chat.Description(ctx) }
