package chat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// BenchmarkContacts reads a list of 500 contacts with pictures and last messages.
func BenchmarkContacts(b *testing.B) {
	f := newFixture(b)
	picture, err := event.EncodeImage(append([]byte("\xff\xd8\xff"), make([]byte, 9000)...), event.MaxProfileImage)
	if err != nil {
		b.Fatal(err)
	}
	f.update(func(tx *store.Tx) error {
		for n := range 500 {
			row := &store.Contact{State: string(ContactConnected), Avatar: 1, Created: start, Active: start}
			if err := setProfile(row, event.Profile{DisplayName: fmt.Sprint("contact ", n), Image: picture, Preferences: &Preferences{FullDelete: &Preference{Allow: Yes}}}); err != nil {
				return err
			}
			if err := tx.InsertContact(row); err != nil {
				return err
			}
			for k := range 10 {
				i := &store.Item{Contact: row.ID, Kind: string(KindText), Text: fmt.Sprint("message ", k), State: string(StateReceived), Time: start}
				if err := f.addItem(tx, i); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for b.Loop() {
		if list, err := f.Contacts(b.Context()); err != nil || len(list) != 501 {
			b.Fatal(len(list), err)
		}
	}
}

// BenchmarkReceive has messages arrive, after they were decrypted.
func BenchmarkReceive(b *testing.B) {
	f := newFixture(b)
	n := 0
	for b.Loop() {
		n++
		f.receive(agent.Message{Body: []byte(text(fmt.Sprint(n), "a message of some length with a number in it")), Time: start})
		f.events = nil
	}
}

// BenchmarkPage reads pages of 100 messages with replies and reactions from a conversation of 100,000.
func BenchmarkPage(b *testing.B) {
	f := newFixture(b)
	const batch = 5000
	for n := 0; n < 100_000; n += batch {
		f.update(func(tx *store.Tx) error {
			for k := n; k < n+batch; k++ {
				i := &store.Item{Contact: f.contact, Own: k%2 == 0, Shared: fmt.Append(nil, k), Kind: string(KindText), Text: strings.Repeat("word ", k%40+1), State: string(StateDelivered),
					Time: start.Add(time.Duration(k) * time.Second)}
				if k%5 == 0 {
					i.QuoteContent, i.QuoteText, i.QuoteItem, i.Reactions = "text", "what was said before", int64(k), `[{"e":"👍","o":true}]`
				}
				if err := tx.InsertItem(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	before := f.last().ID
	for b.Loop() {
		list, err := f.History(b.Context(), f.contact, before, 100)
		if err != nil || len(list) != 100 {
			b.Fatal(len(list), err)
		}
		if before = list[0].ID; before < 1000 {
			before = f.last().ID
		}
	}
}
