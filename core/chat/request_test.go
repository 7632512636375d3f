package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/store"
)

// withAddress gives a fixture an address, and returns its connection.
func (f *fixture) withAddress(auto bool) (connection int64) {
	f.t.Helper()
	f.update(func(tx *store.Tx) error {
		c := &store.Connection{State: string(agent.StateAddress), Created: start}
		if err := tx.InsertConnection(c); err != nil {
			return err
		}
		connection = c.ID
		return tx.InsertAddress(&store.Address{Connection: c.ID, Link: "short", FullLink: "full", AutoAccept: auto, Published: true, Created: start})
	})
	return connection
}

// ask has a request arrive with a link and some info.
func (f *fixture) ask(address int64, link, info string) {
	f.t.Helper()
	f.update(func(tx *store.Tx) error {
		r := &store.Request{Connection: address, Link: link, Created: start}
		if err := tx.InsertRequest(r); err != nil {
			return err
		}
		return f.Request(tx, address, r.ID, []byte(info))
	})
}

// contactInfo is what somebody tells who asks.
func contactInfo(name string, id event.ID, first string) string {
	e := event.Contact{Profile: event.Profile{DisplayName: name}, RequestID: id}
	if first != "" {
		content := event.Text(first)
		e.MsgID, e.Content = "first", &content
	}
	b, err := json.Marshal(event.Message{Event: e})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (f *fixture) requests() (list []string) {
	f.t.Helper()
	requests, err := f.Requests(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range requests {
		list = append(list, r.Name+": "+r.Message)
	}
	return list
}

// kept is the number of requests that the agent keeps.
func (f *fixture) kept(address int64) (n int) {
	f.t.Helper()
	f.update(func(tx *store.Tx) (err error) {
		n, err = tx.CountRequests(address)
		return err
	})
	return n
}

func TestRequests(t *testing.T) {
	f := newFixture(t)
	address := f.withAddress(false)
	f.ask(address, "link 1", contactInfo(" #Carol\u202e ", "id 1", "let me in"))
	f.ask(address, "link 1", contactInfo("Carol", "id 1", "let me in")) // the relay got it twice
	f.ask(address, "link 2", contactInfo("Caroline", "id 1", ""))       // asked again
	f.ask(address, "link 3", contactInfo("Carol", "id 2", ""))          // somebody else
	f.ask(address, "link 4", `{"event":"x.info","params":{"profile":{"displayName":"Old","fullName":""}}}`)
	f.ask(address, "link 4", `{"event":"x.info","params":{"profile":{"displayName":"Old","fullName":""}}}`)
	f.ask(address, "link 5", contactInfo("\u202e", "id 5", ""))
	for n, bad := range []string{"", "garbage", text("1", "hello"), `{"event":"x.contact","params":{"profile":{"displayName":""}}}`,
		"[" + contactInfo("a", "x", "") + "," + contactInfo("b", "y", "") + "]"} {
		f.ask(address, fmt.Sprint("bad ", n), bad)
	}
	f.ask(f.connection, "link 9", contactInfo("Lost", "id 9", "")) // at what is not the address
	if got, want := f.requests(), []string{"Caroline: ", "Carol: ", "Old: ", ": "}; !slices.Equal(got, want) {
		t.Errorf("requests are %q, want %q", got, want)
	}
	if n := f.kept(address); n != 4 {
		t.Errorf("the agent keeps %d requests", n)
	}
	var added, removed int
	ids := map[int64]bool{}
	for _, e := range f.events {
		switch e := e.(type) {
		case RequestAdded:
			added++
			ids[e.Request.ID] = true
		case RequestRemoved:
			removed++
		}
	}
	if added != 7 || len(ids) != 4 || removed != 0 {
		t.Errorf("told were %d requests of %d people, removed %d", added, len(ids), removed)
	}
	f.update(func(tx *store.Tx) error {
		rows, err := tx.ContactRequests(false)
		if err != nil {
			return err
		}
		r, err := tx.Request(rows[0].Request)
		if err == nil && r.Link != "link 2" {
			t.Errorf("of a repeated request %q is kept", r.Link)
		}
		return err
	})
	f.events = nil
	if err := f.DeleteAddress(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := kinds(f.events); !slices.Equal(got, []string{"chat.RequestRemoved", "chat.RequestRemoved", "chat.RequestRemoved", "chat.RequestRemoved", "chat.AddressChanged"}) {
		t.Errorf("with the address went %q", got)
	}
	if got := f.requests(); len(got) != 0 {
		t.Errorf("requests are %q", got)
	}
}

// A request that comes again after it was accepted is the contact, as long as that can be used.
func TestRequestOfContact(t *testing.T) {
	f := newFixture(t)
	address := f.withAddress(false)
	f.ask(address, testLink, contactInfo("Carol", "id 1", "let me in"))
	list, err := f.Requests(t.Context())
	if err != nil || len(list) != 1 || list[0].Message != "let me in" {
		t.Fatalf("requests are %+v, %v", list, err)
	}
	c, err := f.Accept(t.Context(), list[0].ID, false)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Carol" || c.State != ContactConnecting || c.Unread != 1 || c.Last == nil || c.Last.Text != "let me in" || c.Last.Own {
		t.Errorf("the contact is %+v", c)
	}
	f.contact = c.ID
	f.ask(address, testLink, contactInfo("Carol", "id 1", "let me in"))
	f.ask(address, "another link", contactInfo("Caroline", "id 1", ""))
	f.expect("text: let me in", "renamed: Caroline")
	if n := f.kept(address); n != 0 || len(f.requests()) != 0 {
		t.Errorf("the agent keeps %d requests", n)
	}
	f.update(func(tx *store.Tx) error {
		row, err := tx.Contact(c.ID)
		if err != nil {
			return err
		}
		return f.Failed(tx, row.Connection, agent.ErrQueueGone)
	})
	f.ask(address, "a third link", contactInfo("Caroline", "id 1", ""))
	if got := f.requests(); !slices.Equal(got, []string{"Caroline: "}) {
		t.Errorf("after the failure requests are %q", got)
	}
}

func TestAcceptVersion(t *testing.T) {
	f := newFixture(t)
	f.ask(f.withAddress(false), "simplex:/invitation#/?v=98-99&smp="+testQueue+"&e2e="+testKeys, contactInfo("Carol", "id 1", ""))
	list, err := f.Requests(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("requests are %+v, %v", list, err)
	}
	if _, err := f.Accept(t.Context(), list[0].ID, false); err != ErrNewerLink {
		t.Errorf("accepting: %v", err)
	}
	if len(f.requests()) != 1 {
		t.Error("a request that could not be accepted is gone")
	}
}

// A flood of requests is not accepted automatically beyond a limit, and what can't be accepted is shown.
func TestRequestFlood(t *testing.T) {
	f := newFixture(t)
	address := f.withAddress(true)
	for i := range maxAutoAccept + 20 {
		f.ask(address, "x"+testLink, contactInfo("Robot", event.ID(fmt.Sprint(i)), ""))
	}
	if n := len(f.requests()); n != 20 {
		t.Errorf("%d requests wait for an answer", n)
	}
	f.acceptAll() // none of their links is one
	if n := len(f.requests()); n != maxAutoAccept+20 {
		t.Errorf("%d requests wait for an answer", n)
	}
	for i := range maxAutoAccept + 20 {
		f.ask(address, testLink, contactInfo("Robot", event.ID(fmt.Sprint("good ", i)), ""))
		f.acceptAll()
	}
	list, err := f.Contacts(t.Context())
	if err != nil || len(list) != 1+maxAutoAccept {
		t.Errorf("%d contacts were accepted, %v", len(list)-1, err)
	}
}

func TestSyncEndsVerification(t *testing.T) {
	f := newFixture(t)
	verified := func() bool { return !f.load().Verified.IsZero() }
	f.update(func(tx *store.Tx) error {
		row, err := tx.Contact(f.contact)
		if err != nil {
			return err
		}
		row.Verified = start
		return tx.SaveContact(row)
	})
	sync := func(from, to agent.SyncState) {
		f.update(func(tx *store.Tx) error { return f.Sync(tx, f.connection, from, to) })
	}
	sync(agent.SyncOK, agent.SyncRequired)
	sync(agent.SyncRequired, agent.SyncStarted)
	if !verified() {
		t.Error("the verification was undone while the keys are the same")
	}
	sync(agent.SyncStarted, agent.SyncAgreed)
	if verified() {
		t.Error("the verification is still there with new keys")
	}
}

func TestAddressGone(t *testing.T) {
	f := newFixture(t)
	address := f.withAddress(false)
	f.events = nil
	f.update(func(tx *store.Tx) error { return f.Failed(tx, address, agent.ErrQueueGone) })
	if a, err := f.Address(t.Context()); err != nil || a.Failure != FailureGone {
		t.Errorf("the address is %+v, %v", a, err)
	}
	if got := kinds(f.events); !slices.Equal(got, []string{"chat.AddressChanged"}) {
		t.Errorf("told was %q", got)
	}
}

func TestIncognitoNames(t *testing.T) {
	for _, words := range [][]string{adjectives[:], birds[:]} {
		sorted := slices.Compact(slices.Sorted(slices.Values(words)))
		if !slices.Equal(sorted, words) {
			t.Error("the words are not in order, or one is there twice")
		}
		for _, w := range words {
			if event.CheckName(w) != nil || len(w) > 20 {
				t.Errorf("%q can't be part of a name", w)
			}
		}
	}
	f := newFixture(t)
	seen := map[string]bool{}
	for range 100 {
		name, err := f.incognitoName(true)
		if err != nil || event.CheckName(name) != nil {
			t.Fatalf("the name is %q, %v", name, err)
		}
		seen[name] = true
	}
	if len(seen) < 90 {
		t.Errorf("of 100 names %d are different", len(seen))
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{"", "x", contactInfo("Carol", "id", "hello"), contactInfo("Carol", "", ""), text("1", "hello"),
		`{"event":"x.contact","params":{"profile":{"displayName":"a"},"msgId":"AA==","content":{"type":"image","text":"","image":"x"}}}`} {
		f.Add([]byte(s))
	}
	x := newFixture(f)
	address := x.withAddress(false)
	f.Fuzz(func(t *testing.T, info []byte) {
		x.t = t
		x.ask(address, testLink, string(info))
		list, err := x.Requests(t.Context())
		if err != nil || len(list) > 1 {
			t.Fatalf("requests are %+v, %v", list, err)
		}
		for _, r := range list {
			c, err := x.Accept(t.Context(), r.ID, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := x.DeleteContact(t.Context(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// faultyRandom is a mistake in the program.
type faultyRandom struct{}

func (faultyRandom) Read([]byte) (int, error) { panic("a mistake") }

// TestFaultInRequest has a fault in accepting a request automatically, which is tried at each start, end neither the program nor the
// request, and be told to who accepts it.
func TestFaultInRequest(t *testing.T) {
	fault.Report(nil)
	defer fault.Report(func(e *fault.Error) { panic(e) })
	f := newFixture(t)
	f.ask(f.withAddress(true), "link", contactInfo("Eve", "id", ""))
	f.update(func(tx *store.Tx) error {
		a, err := tx.Address()
		if err != nil {
			return err
		}
		a.Incognito = true
		return tx.SaveAddress(a)
	})
	f.rand = faultyRandom{}
	f.acceptAll()
	f.update(func(tx *store.Tx) error {
		if list, err := tx.ContactRequests(true); err != nil || len(list) != 0 {
			t.Errorf("it is to be accepted automatically again: %v, %v", list, err)
		}
		return nil
	})
	list, err := f.Requests(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if _, err := f.Accept(t.Context(), list[0].ID, true); !errors.As(err, new(*fault.Error)) {
		t.Errorf("accepting it: %v", err)
	}
}
