package ui

import (
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
)

// That what is written waits is told in the conversation, with the relay and the way to the settings.
func TestHeld(t *testing.T) {
	alice, _ := friends(t)
	alice.openContact(alice.contacts[0].ID)
	c, contact := alice.conversation(), alice.contacts[0]
	contact.Held = "relay.example.org"
	c.update(&contact)
	if !alice.says(heldSentence("relay.example.org")) {
		t.Error("nothing is told")
	}
	contact.State = chat.ContactConnecting
	c.items = nil
	c.update(&contact)
	if !alice.says(heldSentence("relay.example.org")) {
		t.Error("nothing is told while connecting")
	}
	contact.State = chat.ContactConnected
	c.update(&contact)
	alice.tap("Settings…")
	alice.settle()
	if _, ok := alice.main.content.(*networkPage); !ok {
		t.Errorf("the way to the settings leads to %T", alice.main.content)
	}
}

// That another program receives the requests is told at the address, with what ends that.
func TestAddressElsewhere(t *testing.T) {
	alice, _ := friends(t)
	a, err := alice.profile.MakeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alice.wait("the address", func() bool { return alice.address != nil })
	alice.showAddress()
	const note = "Another Sotto that has a copy of this profile receives the requests at this address. Use only one of them."
	if alice.says(note) {
		t.Error("something is told at first")
	}
	a.Elsewhere = true
	alice.handle(core.Event{Profile: alice.profile.ID(), Change: core.AddressChanged{Address: &a}})
	if !alice.says(note) {
		t.Error("nothing is told")
	}
	alice.tap("Receive here")
	alice.settle()
	a.Elsewhere = false
	alice.handle(core.Event{Profile: alice.profile.ID(), Change: core.AddressChanged{Address: &a}})
	if alice.says(note) {
		t.Error("it is still told")
	}
}

// What can't be stored is told in a sentence, whatever the store says to itself.
func TestStoreSentence(t *testing.T) {
	for _, err := range []error{core.ErrDiskFull, core.ErrNoItem} {
		if s := storeSentence(err); !strings.HasPrefix(s, "What arrives can't be stored and waits on the relays. ") || !strings.HasSuffix(s, "disk and try again.") && !strings.HasSuffix(s, "Make room and try again.") {
			t.Errorf("%v becomes %q", err, s)
		}
	}
}
