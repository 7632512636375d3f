package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// previewOf makes a link with what is behind it, as other programs send it.
func previewOf(text, uri, title string) event.Content {
	return event.Content{Type: event.TypeLink, Text: text, Preview: &event.LinkPreview{URI: uri, Title: title, Image: testPicture}}
}

// testPicture is a data URI that has the beginning of a PNG file.
const testPicture = "data:image/png;base64,iVBORw0KGgo="

// Other programs look for what is behind a link while a message is edited, too, and at the end of a live one.
func TestEditPreview(t *testing.T) {
	f := newFixture(t)
	f.body(text("1", "look"))
	check := func(wantText, wantTitle string, picture bool) {
		t.Helper()
		i := f.last()
		title := ""
		if i.Preview != nil {
			title = i.Preview.Title
		}
		if i.Text != wantText || title != wantTitle || (i.Preview != nil) != (wantTitle != "") || (i.Content == "link") != (wantTitle != "") ||
			i.Preview != nil && (i.Preview.Image != nil) != picture || i.Image != nil {
			t.Errorf("the message is %+v with %+v", i, i.Preview)
		}
	}
	update := func(c event.Content, live bool) {
		t.Helper()
		f.events = nil
		f.body(message(event.MsgUpdate{MsgID: "1", Content: c, Live: live}))
	}
	update(previewOf("look: https://a.example", "https://a.example", "A"), false)
	check("look: https://a.example", "A", true)
	// The text may stay as it is.
	update(previewOf("look: https://a.example", "https://a.example", "B"), false)
	check("look: https://a.example", "B", true)
	if len(kinds(f.events)) == 0 {
		t.Error("nobody is told of another preview")
	}
	update(previewOf("look: https://a.example", "https://a.example", "B"), false)
	if len(f.last().Reactions) != 0 || fmt.Sprint(kinds(f.events)) != "[chat.ContactChanged]" {
		t.Errorf("the same again is told as %v", kinds(f.events))
	}
	update(event.Content{Type: event.TypeLink, Text: "evil", Preview: &event.LinkPreview{URI: "javascript:alert(1)", Title: "C"}}, false)
	check("evil", "", false)
	update(previewOf("https://a.example", "https://a.example", "D"), false)
	update(event.Text("nothing"), false)
	check("nothing", "", false)

	f.body(withID("2", event.MsgNew{Content: event.Text("see"), Live: true}))
	f.body(message(event.MsgUpdate{MsgID: "2", Content: event.Text("see https://a.example"), Live: true}))
	f.body(message(event.MsgUpdate{MsgID: "2", Content: previewOf("see https://a.example", "https://a.example", "E")}))
	check("see https://a.example", "E", true)
	if i := f.last(); i.Live || i.Edited {
		t.Errorf("the message is %+v", i)
	}

	// What has a file keeps what it shows.
	f.body(withID("3", event.MsgNew{Content: event.Content{Type: event.TypeImage, Image: testPicture}, File: event.NewFileInvitation("a.png", 5)}))
	f.body(message(event.MsgUpdate{MsgID: "3", Content: event.Content{Type: event.TypeImage, Image: testPicture, Text: "caption"}}))
	if i := f.last(); i.Text != "caption" || i.Content != "image" || i.Image == nil {
		t.Errorf("the picture is %+v", i)
	}
}

// The card of a person, a group or a channel has no more than a name in its text: the link would be lost.
func TestCard(t *testing.T) {
	const address, channel = "https://smp1.example/a#" + testShortKey, "https://smp1.example/c#" + testShortKey
	card := func(text, link string) event.Content {
		return event.Content{Type: event.TypeChat, Text: text, ChatLink: json.RawMessage(link)}
	}
	for _, c := range []struct {
		content event.Content
		want    string
	}{
		{card("Bob", `{"type":"contact","connLink":"`+address+`","profile":{"displayName":"Bob","fullName":""},"business":false}`), "text: Bob\n" + address},
		{card("Bob", `{"type":"invitation","invLink":"`+testLink+`","profile":{"displayName":"Bob","fullName":""}}`), "text: Bob\n" + testLink},
		{card("News", `{"type":"group","connLink":"`+channel+`","groupProfile":{"displayName":"News","fullName":""}}`), "text: News\n" + channel},
		{card("", `{"type":"contact","connLink":"`+address+`"}`), "text: " + address},
		{card("see "+address, `{"type":"contact","connLink":"`+address+`"}`), "text: see " + address},
		{card("Bob", `{"type":"contact","connLink":"https://evil.example/"}`), "unsupported chat: Bob"},
		{card("Bob", `{"type":"contact","connLink":7}`), "unsupported chat: Bob"},
		{card("Bob", `{"type":"hologram"}`), "unsupported chat: Bob"},
	} {
		f := newFixture(t)
		f.body(withID("1", event.MsgNew{Content: c.content}))
		f.expect(c.want)
		f.body(message(event.MsgUpdate{MsgID: "1", Content: c.content})) // an edit that changes nothing
		f.expect(c.want)
	}
}

// A voice message that is quoted has no text but what was said about it: others show its duration.
func TestQuoteVoice(t *testing.T) {
	f := newFixture(t)
	f.body(withID("1", event.MsgNew{Content: event.Content{Type: event.TypeVoice, Duration: 5}, File: event.NewFileInvitation("voice.m4a", 5)}))
	f.body(withID("2", event.MsgNew{Content: event.Content{Type: event.TypeFile}, File: event.NewFileInvitation("plan.pdf", 5)}))
	for id, want := range map[string]event.Content{"1": {Type: event.TypeVoice, Duration: 5}, "2": {Type: event.TypeFile, Text: "plan.pdf"}} {
		f.update(func(tx *store.Tx) error {
			row, err := tx.Contact(f.contact)
			if err != nil {
				return err
			}
			source, err := tx.ItemByShared(f.contact, false, []byte(id))
			if err != nil {
				return err
			}
			q, err := quoteItem(tx, row, new(store.Item), source.ID)
			if err == nil && (q.Content.Type != want.Type || q.Content.Text != want.Text || q.Content.Duration != want.Duration) {
				t.Errorf("the quote is %+v", q.Content)
			}
			return err
		})
	}
}

// The time after which messages disappear is agreed on in the handshake, by the rule of the other programs: the longer one of what
// the two sides would have, if both let messages disappear. Both have it from the first message on.
func TestMeetTTL(t *testing.T) {
	timed := func(allow Allow, ttl int) *Preferences {
		return &Preferences{TimedMessages: &Preference{Allow: allow, TTL: ttl}}
	}
	for _, c := range []struct {
		mine, theirs *Preferences
		incognito    bool
		want         int
		notice       bool
	}{
		{nil, nil, false, 0, false},
		{nil, timed(Yes, 0), false, 0, false},
		{nil, timed(Yes, 60), false, 60, true},
		{nil, timed(Always, 60), false, 60, true},
		{nil, timed(No, 60), false, 0, false},
		{nil, timed("maybe", 60), false, 0, false},
		{timed(No, 0), timed(Yes, 60), false, 0, false},
		{timed(No, 0), timed(Always, 60), false, 0, false},
		{timed(Yes, 30), timed(Yes, 60), false, 60, true},
		{timed(Yes, 90), timed(Yes, 60), false, 90, false},
		{timed(Yes, 90), timed(Yes, 0), false, 90, false},
		{timed(Yes, 90), nil, false, 90, false},
		{timed(Yes, 90), timed(No, 0), false, 0, false},
		{timed(Yes, 90), timed(Yes, 60), true, 60, true},
		{timed(Yes, 90), nil, true, 0, false},
	} {
		profile := event.Profile{DisplayName: "Bob", Preferences: c.theirs}
		check := func(f *fixture, id int64, how string) {
			t.Helper()
			contact, err := f.Contact(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got := int(contact.Disappearing / time.Second); got != c.want {
				t.Errorf("%+v and %+v: %s: %d", c.mine, c.theirs, how, got)
			}
			items, err := f.History(context.Background(), id, 0, 10)
			items = slices.DeleteFunc(items, func(i Item) bool { return i.Own }) // about what was set here
			if err != nil || (len(items) == 1) != c.notice || c.notice && (items[0].Kind != KindDisappearing || items[0].Own || items[0].TTL != contact.Disappearing) {
				t.Errorf("%+v and %+v: %s: the conversation is %v, %v", c.mine, c.theirs, how, items, err)
			}
		}
		prepare := func() *fixture {
			f := newFixture(t)
			if c.incognito {
				f.update(func(tx *store.Tx) error {
					connection := &store.Connection{State: string(agent.StateConnected), Created: start}
					if err := tx.InsertConnection(connection); err != nil {
						return err
					}
					contact, err := f.addContact(tx, &store.Contact{Connection: connection.ID, State: string(ContactConnected), Incognito: "Quiet Heron"})
					f.connection, f.contact = connection.ID, contact.ID
					return err
				})
			}
			if c.mine != nil {
				if err := f.SetPreferences(context.Background(), *c.mine); err != nil {
					t.Fatal(err)
				}
			}
			return f
		}
		toldTTL := func(p event.Profile) int { return p.Preferences.Get(FeatureTimedMessages).TTL }

		// Somebody opens our link, and gets to know what was agreed on.
		f := prepare()
		var reply []byte
		f.update(func(tx *store.Tx) (err error) {
			reply, err = f.Confirm(tx, f.connection, []byte(message(event.Info{Profile: profile})))
			return err
		})
		check(f, f.contact, "confirmed")
		if _, p, ok := parseInfo(reply); !ok || c.notice && toldTTL(p) != c.want {
			t.Errorf("%+v and %+v: the reply is %s", c.mine, c.theirs, reply)
		}

		// We open a link, and tell it afterwards.
		f = prepare()
		f.update(func(tx *store.Tx) error {
			return errors.Join(f.Info(tx, f.connection, []byte(message(event.Info{Profile: profile}))), f.Connected(tx, f.connection))
		})
		check(f, f.contact, "connected")
		f.update(func(tx *store.Tx) error {
			row, err := tx.Contact(f.contact)
			if err != nil {
				return err
			}
			p, err := ownProfile(tx, row)
			if c.notice && (!row.Tell || toldTTL(p) != c.want) {
				t.Errorf("%+v and %+v: %d is told", c.mine, c.theirs, toldTTL(p))
			}
			return err
		})

		// We accept a request: there is nothing more to be told then. Incognito the profile's preferences don't count.
		f = prepare()
		f.ask(f.withAddress(false), testLink, message(event.Contact{Profile: profile, RequestID: "1"}))
		requests, err := f.Requests(context.Background())
		if err != nil || len(requests) != 1 {
			t.Fatalf("requests are %v, %v", requests, err)
		}
		contact, err := f.Accept(context.Background(), requests[0].ID, c.incognito)
		if err != nil {
			t.Fatal(err)
		}
		check(f, contact.ID, "accepted")
		f.update(func(tx *store.Tx) error {
			row, err := tx.Contact(contact.ID)
			if err != nil {
				return err
			}
			p, err := ownProfile(tx, row)
			if err != nil {
				return err
			}
			if print, err := fingerprint(p); err != nil || print != row.Told {
				t.Errorf("%+v and %+v: something else was told than what was agreed on, %v", c.mine, c.theirs, err)
			}
			return nil
		})
	}
}

// Businesses answer who opens their address with a group. The contact does not wait for more then.
func TestBusinessAnswer(t *testing.T) {
	const answer = `{"v":"1-16","event":"x.grp.link.inv","params":{"groupLinkInvitation":{}}}`
	for _, opened := range []bool{true, false} {
		f := newFixture(t)
		f.update(func(tx *store.Tx) error {
			c := &store.Connection{State: string(agent.StateInvited), Created: start}
			if err := tx.InsertConnection(c); err != nil {
				return err
			}
			row := &store.Contact{Connection: c.ID, State: string(ContactInvited)}
			if opened {
				row.State, row.OpenedServer, row.OpenedSender = string(ContactConnecting), "smp://a", []byte("sender")
			}
			contact, err := f.addContact(tx, row)
			f.connection, f.contact = c.ID, contact.ID
			return err
		})
		f.update(func(tx *store.Tx) error {
			if _, err := f.Confirm(tx, f.connection, []byte(answer)); !errors.Is(err, agent.ErrReject) {
				t.Errorf("opened %t: %v", opened, err)
			}
			return nil
		})
		c := f.load()
		if failed := c.State == ContactFailed && c.Failure == FailureBusiness; failed != opened {
			t.Errorf("opened %t: the contact is %s, %s", opened, c.State, c.Failure)
		}
	}
}

// Programs that show the greeting of an address as a message from its owner tell its id when they ask to be connected. It is a message
// at the owner's side as well then, whoever accepts the request, so that a reaction to it has its place.
func TestKnownGreeting(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := startRelay(t)
	alice, bob := &side{node: startNode(t, "Alice", server)}, &side{node: startNode(t, "Bob", server)}
	address, err := alice.MakeAddress(ctx)
	if err != nil {
		t.Fatal(err)
	}
	alice.check(alice.SetAddressSettings(ctx, AddressSettings{Greeting: "Welcome!"}))
	plan, err := bob.Plan(ctx, address.Full)
	if err != nil {
		t.Fatal(err)
	}
	info := message(event.Contact{Profile: event.Profile{DisplayName: "Bob"}, RequestID: "request", WelcomeMsgID: "welcome"})
	_, err = bob.agent.Join(ctx, *plan.link, []byte(info), func(tx *store.Tx, connection int64) error {
		contact, err := bob.addContact(tx, &store.Contact{State: string(ContactConnecting), Connection: connection})
		bob.contact = contact.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var requests []Request
	alice.wait("the request", func() bool {
		requests, err = alice.Requests(ctx)
		return err != nil || len(requests) == 1
	})
	if err != nil {
		t.Fatal(err)
	}
	contact, err := alice.Accept(ctx, requests[0].ID, false)
	if err != nil {
		t.Fatal(err)
	}
	alice.contact = contact.ID
	got := bob.text("Welcome!")
	bob.must(bob.React(ctx, got.ID, Emojis()[0], true))
	alice.find("the reaction", func(i Item) bool { return i.Own && i.Text == "Welcome!" && len(i.Reactions) == 1 })
}
