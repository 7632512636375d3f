package chat

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// couple are two Chats that are connected through a relay.
type couple struct {
	t          *testing.T
	server     wire.Server
	alice, bob *side
}

// side is one of a couple, with the other one as its contact.
type side struct {
	*node
	contact int64
}

func newCouple(t *testing.T) *couple {
	t.Helper()
	server := startRelay(t)
	c := &couple{t, server, &side{node: startNode(t, "Alice", server)}, &side{node: startNode(t, "Bob", server)}}
	connectSides(t, c.alice, c.bob)
	return c
}

func connectSides(t *testing.T, alice, bob *side) {
	t.Helper()
	invitation, err := alice.Invite(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	contact, err := bob.Connect(t.Context(), invitation.Invitation)
	if err != nil {
		t.Fatal(err)
	}
	alice.contact, bob.contact = invitation.ID, contact.ID
	for _, s := range []*side{alice, bob} {
		s.wait("the connection", func() bool { return s.load().State == ContactConnected })
	}
}

func (s *side) load() Contact {
	s.t.Helper()
	c, err := s.Contact(s.t.Context(), s.contact)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *side) history() []Item {
	s.t.Helper()
	items, err := s.History(s.t.Context(), s.contact, 0, maxPage)
	if err != nil {
		s.t.Fatal(err)
	}
	return items
}

// find waits for an item.
func (s *side) find(what string, ok func(i Item) bool) (found Item) {
	s.t.Helper()
	s.wait(what, func() bool {
		for _, i := range s.history() {
			if ok(i) {
				found = i
				return true
			}
		}
		return false
	})
	return found
}

// text waits for an item with a text.
func (s *side) text(text string) Item {
	s.t.Helper()
	return s.find(fmt.Sprintf("%q", text), func(i Item) bool { return i.Text == text })
}

// gone waits until there is no item with an id.
func (s *side) gone(id int64) {
	s.t.Helper()
	s.wait("an item to be gone", func() bool { return !slices.ContainsFunc(s.history(), func(i Item) bool { return i.ID == id }) })
}

func (s *side) send(m NewMessage) Item {
	s.t.Helper()
	i, err := s.Send(s.t.Context(), s.contact, m)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *side) must(i Item, err error) Item {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *side) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestReplyEditReact(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	hello := c.alice.send(NewMessage{Text: "hello *Bob*"})
	theirs := c.bob.text("hello *Bob*")
	reply := c.bob.send(NewMessage{Text: "hi", Reply: theirs.ID})
	if q := reply.Quote; q == nil || q.Item != theirs.ID || q.Own || q.Text != "hello *Bob*" || q.Content != "" {
		t.Errorf("the reply quotes %+v", q)
	}
	got := c.alice.text("hi")
	if q := got.Quote; q == nil || q.Item != hello.ID || !q.Own || q.Text != "hello *Bob*" {
		t.Errorf("the reply quotes %+v", q)
	}

	// Edited twice: the earlier texts are kept on both sides.
	c.alice.must(c.alice.Edit(ctx, hello.ID, "hello Bob"))
	if i := c.alice.must(c.alice.Edit(ctx, hello.ID, "hello, Bob")); !i.Edited {
		t.Error("not edited")
	}
	if i := c.bob.text("hello, Bob"); i.ID != theirs.ID || !i.Edited {
		t.Errorf("the edited message is %+v", i)
	}
	for _, s := range []*side{c.alice, c.bob} {
		id := theirs.ID
		if s == c.alice {
			id = hello.ID
		}
		list, err := s.Editions(ctx, id)
		if err != nil || len(list) != 2 || list[0].Text != "hello *Bob*" || list[1].Text != "hello Bob" || list[1].Time.Before(list[0].Time) {
			t.Errorf("the editions are %v, %v", list, err)
		}
	}
	for _, bad := range []struct {
		id   int64
		text string
		want error
	}{{theirs.ID, "x", ErrNotEditable}, {reply.ID, " ", ErrEmptyMessage}, {999, "x", ErrNoItem}} {
		if _, err := c.bob.Edit(ctx, bad.id, bad.text); !errors.Is(err, bad.want) {
			t.Errorf("editing %d: %v", bad.id, err)
		}
	}

	// Reactions: both sides, at most three of each, taken back.
	for _, e := range Emojis()[:3] {
		c.bob.must(c.bob.React(ctx, theirs.ID, e, true))
	}
	if _, err := c.bob.React(ctx, theirs.ID, Emojis()[3], true); !errors.Is(err, ErrTooManyReactions) {
		t.Errorf("a fourth reaction: %v", err)
	}
	if _, err := c.bob.React(ctx, theirs.ID, "🐌", true); !errors.Is(err, ErrEmoji) {
		t.Errorf("a snail: %v", err)
	}
	c.bob.must(c.bob.React(ctx, theirs.ID, Emojis()[0], true)) // it is there already
	c.bob.must(c.bob.React(ctx, theirs.ID, Emojis()[1], false))
	want := []Reaction{{Emoji: Emojis()[0], Theirs: true}, {Emoji: Emojis()[2], Theirs: true}}
	c.alice.find("the reactions", func(i Item) bool { return i.ID == hello.ID && slices.Equal(i.Reactions, want) })
	c.alice.must(c.alice.React(ctx, hello.ID, Emojis()[2], true))
	want = []Reaction{{Emoji: Emojis()[0], Own: true}, {Emoji: Emojis()[2], Own: true, Theirs: true}}
	c.bob.find("the reactions", func(i Item) bool { return i.ID == theirs.ID && slices.Equal(i.Reactions, want) })

	d, err := c.alice.Details(ctx, hello.ID)
	if err != nil || d.Written.IsZero() || d.Sent.IsZero() || len(d.Editions) != 2 || d.Route != RouteDirect {
		t.Errorf("the details are %+v, %v", d, err)
	}
	c.alice.find("the receipt", func(i Item) bool { return i.ID == hello.ID && i.State == StateDelivered })
	if d, err = c.alice.Details(ctx, hello.ID); err != nil || d.Delivered.IsZero() {
		t.Errorf("the details are %+v, %v", d, err)
	}
	if d, err = c.bob.Details(ctx, theirs.ID); err != nil || d.Received.IsZero() || d.Sent.IsZero() {
		t.Errorf("the details are %+v, %v", d, err)
	}
}

func TestDeleteForEveryone(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	marked := c.alice.send(NewMessage{Text: "secret"})
	got := c.bob.text("secret")
	if err := c.bob.Delete(ctx, []int64{got.ID}, true); !errors.Is(err, ErrNotOwn) {
		t.Errorf("deleting another's message for everyone: %v", err)
	}
	c.alice.check(c.alice.Delete(ctx, []int64{marked.ID}, true))
	i := c.bob.find("the mark", func(i Item) bool { return i.ID == got.ID && !i.Deleted.IsZero() })
	if i.Text != "secret" || c.alice.text("secret").Deleted.IsZero() {
		t.Error("what is marked is not as it was")
	}
	if hits, err := c.bob.Search(ctx, "secret", 0, 0, 10); err != nil || len(hits) != 0 {
		t.Errorf("what was taken back is found: %v, %v", hits, err)
	}
	if _, err := c.alice.Edit(ctx, marked.ID, "x"); !errors.Is(err, ErrNotEditable) {
		t.Errorf("editing what was taken back: %v", err)
	}

	// With the preference of both, nothing is left, not even in quotes.
	erase := Preferences{FullDelete: &Preference{Allow: Yes}}
	c.alice.check(c.alice.SetPreferences(ctx, erase))
	c.bob.check(c.bob.SetFeature(ctx, c.bob.contact, FeatureFullDelete, &Preference{Allow: Yes}))
	for _, s := range []*side{c.alice, c.bob} {
		s.wait("the preference", func() bool {
			return slices.ContainsFunc(s.load().Features, func(f FeatureState) bool {
				return f.Feature == FeatureFullDelete && f.MeAllowed && f.ContactAllowed
			})
		})
		s.find("the notice", func(i Item) bool {
			return i.Kind == KindFeature && i.Text == string(FeatureFullDelete) && i.Content == WhoBoth
		})
	}
	erased := c.alice.send(NewMessage{Text: "very secret"})
	got = c.bob.text("very secret")
	c.bob.send(NewMessage{Text: "really?", Reply: got.ID})
	c.alice.text("really?")
	c.alice.check(c.alice.Delete(ctx, []int64{erased.ID}, true))
	c.bob.gone(got.ID)
	c.alice.gone(erased.ID)
	for _, s := range []*side{c.alice, c.bob} {
		if q := s.text("really?").Quote; q == nil || q.Text != "" || q.Item != 0 {
			t.Errorf("the quote is %+v", q)
		}
	}

	// Messages older than a day stay at the contact.
	old := c.alice.send(NewMessage{Text: "old"})
	c.bob.text("old")
	c.alice.ahead.Add(int64(25 * time.Hour))
	if err := c.alice.Delete(ctx, []int64{old.ID}, true); !errors.Is(err, ErrTooOld) {
		t.Errorf("deleting an old message: %v", err)
	}
	if _, err := c.alice.Edit(ctx, old.ID, "x"); !errors.Is(err, ErrTooOld) {
		t.Errorf("editing an old message: %v", err)
	}
	c.alice.check(c.alice.Delete(ctx, []int64{old.ID}, false))
	c.alice.gone(old.ID)
}

func TestLive(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	live := c.alice.send(NewMessage{Text: "I", Live: true})
	if got := c.bob.text("I"); !got.Live || !live.Live {
		t.Error("not live")
	}
	c.alice.must(c.alice.UpdateLive(ctx, live.ID, "I am", false)) // too soon to be told
	c.alice.ahead.Add(int64(liveInterval))
	c.alice.must(c.alice.UpdateLive(ctx, live.ID, "I am writing", false))
	if got := c.bob.text("I am writing"); !got.Live || got.Edited {
		t.Errorf("the message is %+v", got)
	}
	if i := c.alice.must(c.alice.UpdateLive(ctx, live.ID, "I am done", true)); i.Live || i.Edited {
		t.Errorf("the message is %+v", i)
	}
	c.bob.find("the end", func(i Item) bool { return i.Text == "I am done" && !i.Live && !i.Edited })
	if _, err := c.alice.UpdateLive(ctx, live.ID, "x", true); !errors.Is(err, ErrNotLive) {
		t.Errorf("going on: %v", err)
	}
	if list, err := c.bob.Editions(ctx, c.bob.text("I am done").ID); err != nil || len(list) != 0 {
		t.Errorf("a live message has editions %v, %v", list, err)
	}

	// What was being written when the program ended is complete.
	cut := c.alice.send(NewMessage{Text: "cut of", Live: true})
	c.alice.must(c.alice.UpdateLive(ctx, cut.ID, "cut off", false))
	c.alice.restart(c.server, 0)
	c.bob.find("the end", func(i Item) bool { return i.Text == "cut off" && !i.Live })
	if i := c.alice.text("cut off"); i.Live {
		t.Error("it is live after a restart")
	}
}

func TestDisappearing(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	before := c.bob.send(NewMessage{Text: "before"})
	c.alice.text("before")
	c.alice.check(c.alice.SetDisappearing(ctx, c.alice.contact, time.Hour))
	c.bob.wait("the agreement", func() bool { return c.bob.load().Disappearing == time.Hour })
	c.bob.find("the notice", func(i Item) bool { return i.Kind == KindDisappearing && i.TTL == time.Hour && !i.Own })
	c.alice.find("the notice", func(i Item) bool { return i.Kind == KindDisappearing && i.TTL == time.Hour && i.Own })

	sent := c.bob.send(NewMessage{Text: "burn"})
	got := c.alice.text("burn")
	if got.TTL != time.Hour || !got.Expires.IsZero() {
		t.Errorf("the message is %+v", got)
	}
	c.alice.send(NewMessage{Text: "really", Reply: got.ID})
	c.bob.text("really")
	c.bob.find("the timer", func(i Item) bool { return i.ID == sent.ID && !i.Expires.IsZero() })
	c.alice.check(c.alice.MarkRead(ctx, c.alice.contact))
	if i := c.alice.text("burn"); i.Expires.IsZero() {
		t.Error("the time does not run after it was read")
	}
	// The time comes while the program does not run.
	c.alice.restart(c.server, time.Hour+time.Minute)
	c.alice.gone(got.ID)
	c.bob.ahead.Add(int64(time.Hour + time.Minute))
	wake(c.bob.expiring)
	c.bob.gone(sent.ID)
	for _, s := range []*side{c.alice, c.bob} {
		if slices.ContainsFunc(s.history(), func(i Item) bool { return i.Quote != nil && i.Quote.Text != "" }) {
			t.Error("the text is left in a quote")
		}
		if hits, err := s.Search(ctx, "burn", 0, 0, 10); err != nil || len(hits) != 0 {
			t.Errorf("it is found: %v, %v", hits, err)
		}
		s.text("before")
	}
	if before.TTL != 0 {
		t.Error("a message from before disappears")
	}

	// Turned off by one it is off for both, and what one would like is an offer.
	c.bob.check(c.bob.SetDisappearing(ctx, c.bob.contact, 0))
	c.alice.wait("the end", func() bool { return c.alice.load().Disappearing == 0 })
	c.alice.check(c.alice.SetDisappearing(ctx, c.alice.contact, time.Minute))
	c.bob.wait("the offer", func() bool { return c.bob.load().DisappearingOffer == time.Minute })
	if c.bob.load().Disappearing != 0 || c.bob.send(NewMessage{Text: "stays"}).TTL != 0 {
		t.Error("an offer is in force")
	}
	c.bob.check(c.bob.SetDisappearing(ctx, c.bob.contact, time.Minute))
	c.alice.wait("the agreement", func() bool { return c.alice.load().Disappearing == time.Minute })
	for _, bad := range []time.Duration{-time.Second, time.Millisecond, MaxTTL + time.Second} {
		if err := c.bob.SetDisappearing(ctx, c.bob.contact, bad); !errors.Is(err, ErrPreference) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	notes, err := c.alice.Notes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	note := c.alice.must(c.alice.Send(ctx, notes.ID, NewMessage{Text: "milk"}))
	if note.State != StateKept || notes.State != ContactNotes {
		t.Errorf("the note is %+v", note)
	}
	if again, err := c.alice.Notes(ctx); err != nil || again.ID != notes.ID {
		t.Errorf("there are other notes: %v", err)
	}
	c.alice.must(c.alice.Edit(ctx, note.ID, "oat milk"))
	c.alice.must(c.alice.React(ctx, note.ID, Emojis()[0], true))
	other := c.alice.send(NewMessage{Text: "and bread"})
	list, err := c.alice.Forward(ctx, []int64{note.ID, other.ID}, c.alice.contact)
	if err != nil || len(list) != 2 || !list[0].Forwarded || list[1].Text != "and bread" {
		t.Fatalf("forwarded are %v, %v", list, err)
	}
	got := c.bob.text("oat milk")
	if !got.Forwarded {
		t.Error("it is not forwarded")
	}
	if _, err := c.alice.Edit(ctx, list[0].ID, "x"); !errors.Is(err, ErrNotEditable) {
		t.Errorf("editing what was forwarded: %v", err)
	}
	n := len(c.alice.history())
	if _, err := c.alice.Forward(ctx, []int64{note.ID, 999}, c.alice.contact); !errors.Is(err, ErrNoItem) || len(c.alice.history()) != n {
		t.Errorf("forwarding what is not there: %v", err)
	}
	c.alice.check(c.alice.DeleteContact(ctx, notes.ID))
	if fresh, err := c.alice.Notes(ctx); err != nil || fresh.ID == notes.ID {
		t.Errorf("the notes after they were deleted: %v", err)
	}
}

func TestBlock(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	c.alice.check(c.alice.SetBlocked(ctx, c.alice.contact, true))
	dropped := c.bob.send(NewMessage{Text: "let me in"})
	c.bob.find("it to be sent", func(i Item) bool { return i.ID == dropped.ID && i.State == StateSent })
	c.bob.check(c.bob.Rename(ctx, "Robert"))
	c.alice.wait("the new name", func() bool { return c.alice.load().Name == "Robert" })
	if items := c.alice.history(); len(items) != 0 || c.alice.load().Unread != 0 {
		t.Errorf("a blocked contact has written %v", items)
	}
	c.alice.check(c.alice.SetBlocked(ctx, c.alice.contact, false))
	c.bob.send(NewMessage{Text: "hello again"})
	c.alice.text("hello again")
	for _, i := range c.alice.history() {
		if i.Kind != KindText {
			t.Errorf("there is %+v", i)
		}
	}
	if i := c.bob.text("let me in"); i.State != StateSent {
		t.Errorf("the state of what was dropped is %s", i.State)
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	picture := append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte("picture"), 1300)...)
	c.alice.check(c.alice.SetPicture(ctx, picture))
	c.bob.wait("the picture", func() bool { return bytes.Equal(c.bob.load().Picture, picture) })
	c.bob.find("the notice", func(i Item) bool { return i.Kind == KindPicture && i.Content == "" })
	c.alice.check(c.alice.SetDescription(ctx, "reads a lot"))
	c.bob.wait("the description", func() bool { return c.bob.load().Description == "reads a lot" })
	if !bytes.Equal(c.bob.load().Picture, picture) {
		t.Error("the picture is gone")
	}
	c.bob.find("the notice", func(i Item) bool { return i.Kind == KindProfile && i.Text == "reads a lot" })
	c.alice.check(c.alice.SetPicture(ctx, nil))
	c.bob.wait("no picture", func() bool { return c.bob.load().Picture == nil })
	c.bob.find("the notice", func(i Item) bool { return i.Kind == KindPicture && i.Content == Gone })

	// Who connects later gets to know all of it, even what is too large for the handshake.
	c.alice.check(c.alice.SetPicture(ctx, picture))
	carol := &side{node: startNode(t, "Carol", c.server)}
	invitation, err := c.alice.Invite(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	contact, err := carol.Connect(ctx, invitation.Invitation)
	if err != nil {
		t.Fatal(err)
	}
	carol.contact = contact.ID
	carol.wait("the profile", func() bool {
		c := carol.load()
		return c.Name == "Alice" && c.Description == "reads a lot" && bytes.Equal(c.Picture, picture)
	})
	// An incognito contact gets to know neither.
	hidden, err := c.alice.Invite(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	if contact, err = carol.Connect(ctx, hidden.Invitation); err != nil {
		t.Fatal(err)
	}
	carol.contact = contact.ID
	carol.wait("the connection", func() bool { return carol.load().State == ContactConnected })
	c.alice.check(c.alice.SetDescription(ctx, "writes a lot"))
	c.alice.check(c.alice.SetPreferences(ctx, Preferences{Reactions: &Preference{Allow: No}}))
	c.alice.check(c.alice.SetContactPreferences(ctx, hidden.ID, Preferences{Voice: &Preference{Allow: No}}))
	carol.find("the preference", func(i Item) bool { return i.Kind == KindFeature })
	if list := carol.history(); slices.ContainsFunc(list, func(i Item) bool { return i.Kind == KindFeature && i.Text != string(FeatureVoice) }) {
		t.Errorf("incognito, the preferences of the profile are told: %v", list)
	}
	if got, err := c.alice.Contact(ctx, hidden.ID); err != nil || !slices.ContainsFunc(got.Features, func(f FeatureState) bool {
		return f.Feature == FeatureReactions && f.Mine == Yes && !f.Own
	}) {
		t.Errorf("incognito, the preferences are %+v, %v", got.Features, err)
	}
	if got := carol.load(); got.Name != hidden.IncognitoName || got.Description != "" || got.Picture != nil {
		t.Errorf("incognito Alice is %+v", got)
	}

	large := append([]byte("\xff\xd8\xff\xe0"), make([]byte, MaxPicture)...)
	if err := c.alice.SetPicture(ctx, large); !errors.As(err, new(*PictureTooLargeError)) {
		t.Errorf("a large picture: %v", err)
	}
	if err := c.alice.SetPicture(ctx, large[:MaxPicture]); err != nil {
		t.Errorf("the largest picture: %v", err)
	}
	if err := c.alice.SetPicture(ctx, []byte("GIF89a")); err == nil {
		t.Error("any file is a picture")
	}
	for _, bad := range []string{strings.Repeat("x", 161), "a\nb", "\xff"} {
		if err := c.alice.SetDescription(ctx, bad); !errors.Is(err, ErrDescription) {
			t.Errorf("description %q: %v", bad, err)
		}
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	feature := func(s *side, f Feature) FeatureState {
		for _, state := range s.load().Features {
			if state.Feature == f {
				return state
			}
		}
		t.Fatalf("no feature %s", f)
		return FeatureState{}
	}
	message := c.alice.send(NewMessage{Text: "hello"})
	got := c.bob.text("hello")
	c.alice.check(c.alice.SetContactPreferences(ctx, c.alice.contact, Preferences{Reactions: &Preference{Allow: No}}))
	c.bob.wait("reactions to be off", func() bool { return !feature(c.bob, FeatureReactions).MeAllowed })
	if f := feature(c.alice, FeatureReactions); f.Mine != No || f.Theirs != Yes || f.MeAllowed || f.ContactAllowed || !f.Own {
		t.Errorf("reactions are %+v", f)
	}
	if _, err := c.bob.React(ctx, got.ID, Emojis()[0], true); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("a reaction that is not allowed: %v", err)
	}
	c.bob.find("the notice", func(i Item) bool {
		return i.Kind == KindFeature && i.Text == "reactions" && i.Content == WhoNobody && !i.Own
	})
	c.alice.find("the notice", func(i Item) bool {
		return i.Kind == KindFeature && i.Text == "reactions" && i.Content == WhoNobody && i.Own
	})
	// The profile's preferences don't change what is set for a contact.
	c.alice.check(c.alice.SetPreferences(ctx, Preferences{Reactions: &Preference{Allow: Always}, Voice: &Preference{Allow: No}}))
	c.bob.wait("voice to be off", func() bool { return !feature(c.bob, FeatureVoice).MeAllowed })
	if feature(c.bob, FeatureReactions).MeAllowed || feature(c.alice, FeatureVoice).Own {
		t.Error("the preferences of the profile are taken for those of the contact")
	}
	c.alice.check(c.alice.SetContactPreferences(ctx, c.alice.contact, Preferences{}))
	c.bob.wait("reactions to be on", func() bool { return feature(c.bob, FeatureReactions).Theirs == Always })
	c.bob.must(c.bob.React(ctx, got.ID, Emojis()[0], true))
	c.alice.find("the reaction", func(i Item) bool { return i.ID == message.ID && len(i.Reactions) == 1 })
	p, err := c.alice.Preferences(ctx)
	if err != nil || p.Voice.Allow != No || p.Reactions.Allow != Always || p.FullDelete.Allow != No || p.Files.Allow != Always {
		t.Errorf("the preferences are %+v, %v", p, err)
	}
	if err := c.alice.SetFeature(ctx, 0, "telepathy", nil); !errors.Is(err, ErrPreference) {
		t.Errorf("an unknown feature: %v", err)
	}
	for _, bad := range []Preferences{{Voice: &Preference{Allow: "maybe"}}, {Voice: &Preference{Allow: Yes, TTL: 1}}, {TimedMessages: &Preference{Allow: Yes, TTL: -1}}} {
		if err := c.alice.SetPreferences(ctx, bad); !errors.Is(err, ErrPreference) {
			t.Errorf("bad preferences: %v", err)
		}
	}
}

func TestDeleteContact(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	c.alice.send(NewMessage{Text: "last words"})
	connection := int64(0)
	c.alice.check(c.alice.db.View(ctx, func(tx *store.Tx) error {
		row, err := tx.Contact(c.alice.contact)
		if err == nil {
			connection = row.Connection
		}
		return err
	}))
	c.alice.check(c.alice.DeleteContact(ctx, c.alice.contact))
	if _, err := c.alice.Contact(ctx, c.alice.contact); !errors.Is(err, ErrNoContact) {
		t.Errorf("the deleted contact: %v", err)
	}
	if list, err := c.alice.Contacts(ctx); err != nil || len(list) != 0 {
		t.Errorf("contacts are %v, %v", list, err)
	}
	c.bob.text("last words")
	c.bob.wait("the goodbye", func() bool { return c.bob.load().State == ContactLeft })
	// Nothing is left, neither here nor on the relay.
	c.alice.wait("the connection to go", func() bool {
		left := false
		c.alice.check(c.alice.db.View(ctx, func(tx *store.Tx) error {
			_, err := tx.Connection(connection)
			deletions, err2 := tx.Deletions()
			rows, err3 := tx.Contacts()
			left = err == nil || len(deletions) > 0 || len(rows) > 0
			return errors.Join(err2, err3)
		}))
		wake(c.alice.due)
		return !left
	})
	if _, err := c.bob.Send(ctx, c.bob.contact, NewMessage{Text: "hello?"}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("sending to who has left: %v", err)
	}
}

// A message that could not be sent is the same when it is sent again.
func TestRetry(t *testing.T) {
	t.Parallel()
	c := newCouple(t)
	ctx := t.Context()
	c.bob.send(NewMessage{Text: "question"})
	question := c.alice.text("question")
	reply := c.alice.send(NewMessage{Text: "answer", Reply: question.ID})
	c.bob.text("answer")
	c.alice.find("it to be delivered", func(i Item) bool { return i.ID == reply.ID && i.State == StateDelivered })
	if _, err := c.alice.Retry(ctx, reply.ID); !errors.Is(err, ErrNotFailed) {
		t.Errorf("sending again what was delivered: %v", err)
	}
	failed := int64(0)
	c.alice.check(c.alice.db.Update(ctx, func(tx *store.Tx) error {
		row, err := tx.Contact(c.alice.contact)
		if err != nil {
			return err
		}
		i := &store.Item{Text: "second answer"}
		e := event.MsgNew{Content: event.Text(i.Text)}
		if e.Quote, err = quoteItem(tx, row, i, question.ID); err != nil {
			return err
		}
		if err := c.alice.sendNew(tx, row, i, e); err != nil {
			return err
		}
		failed = i.ID
		// The relay never gets it, as if that could not be reached for too long.
		if _, err := tx.Exec(`DELETE FROM outgoing`); err != nil {
			return err
		}
		return c.alice.NotSent(tx, row.Connection, i.ID, agent.ErrExpired)
	}))
	if i := c.alice.text("second answer"); i.State != StateFailed || i.Failure != FailureExpired {
		t.Errorf("the failed message is %+v", i)
	}
	c.alice.must(c.alice.Edit(ctx, failed, "better answer"))
	if i := c.alice.must(c.alice.Retry(ctx, failed)); i.State != StatePending || i.Quote == nil {
		t.Errorf("the message is %+v", i)
	}
	got := c.bob.find("the answer", func(i Item) bool { return i.Text == "better answer" })
	if got.Quote == nil || got.Quote.Text != "question" || !got.Quote.Own {
		t.Errorf("the second answer is %+v", got)
	}
	c.alice.find("it to be delivered", func(i Item) bool { return i.ID == failed && i.State == StateDelivered })
	c.alice.check(c.alice.db.View(ctx, func(tx *store.Tx) error {
		body, err := tx.ItemBody(failed)
		if body != nil {
			t.Error("what was sent is kept twice")
		}
		return err
	}))
}
