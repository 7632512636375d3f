package core

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/chat"
)

func mustAddress(t *testing.T, p *Profile) Address {
	t.Helper()
	a, err := p.MakeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustRequests(t *testing.T, p *Profile) []Request {
	t.Helper()
	list, err := p.Requests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// request waits for the only request, and returns it.
func (c *testCore) request(p *Profile) Request {
	c.t.Helper()
	c.wait("a request", func() bool { return len(mustRequests(c.t, p)) > 0 })
	list := mustRequests(c.t, p)
	if len(list) != 1 {
		c.t.Fatalf("requests are %+v", list)
	}
	return list[0]
}

func mustAccept(t *testing.T, p *Profile, request int64, incognito bool) Contact {
	t.Helper()
	c, err := p.Accept(t.Context(), request, incognito)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connected waits until a contact is connected.
func (c *testCore) connected(p *Profile, contact int64) {
	c.t.Helper()
	c.wait("the connection", func() bool { return mustContact(c.t, p, contact).State == chat.ContactConnected })
}

// strangers are two profiles in two Cores that are not connected.
func strangers(t *testing.T, opt Options) *pair {
	t.Helper()
	p := &pair{a: openTest(t, t.TempDir(), opt), b: openTest(t, t.TempDir(), opt)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")
	return p
}

func TestAddress(t *testing.T) {
	p := strangers(t, testOptions(newTestRelay(t)))
	if _, err := p.pa.Address(t.Context()); !errors.Is(err, ErrNoAddress) {
		t.Errorf("address before it is made: %v", err)
	}
	for name, err := range map[string]error{
		"settings": p.pa.SetAddressSettings(t.Context(), AddressSettings{}),
		"delete":   p.pa.DeleteAddress(t.Context()),
	} {
		if !errors.Is(err, ErrNoAddress) {
			t.Errorf("%s without an address: %v", name, err)
		}
	}
	address := mustAddress(t, p.pa)
	if !strings.HasPrefix(address.Link, "https://127.0.0.1/a#") || !strings.HasPrefix(address.Full, "simplex:/contact#") {
		t.Errorf("the address is %+v", address)
	}
	if _, err := p.pa.MakeAddress(t.Context()); !errors.Is(err, ErrAddressExists) {
		t.Errorf("making a second address: %v", err)
	}
	for _, link := range []string{address.Link, address.Full} {
		if plan := mustPlan(t, p.pa, link); !plan.Own || plan.Kind != LinkContact || plan.Known != nil {
			t.Errorf("the plan of one's own address is %+v", plan)
		}
		if _, err := p.pa.Connect(t.Context(), link); !errors.Is(err, ErrOwnLink) {
			t.Errorf("opening one's own address: %v", err)
		}
	}
	// What the link shows can be changed.
	var tooLong *MessageTooLongError
	for _, greeting := range []string{strings.Repeat("x", 5000), strings.Repeat("\x01", 4000)} {
		if err := p.pa.SetAddressSettings(t.Context(), AddressSettings{Greeting: greeting}); !errors.As(err, &tooLong) {
			t.Errorf("a long greeting: %v", err)
		}
	}
	if err := p.pa.SetAddressSettings(t.Context(), AddressSettings{Greeting: " Welcome!\n"}); err != nil {
		t.Fatal(err)
	}
	p.b.wait("the greeting", func() bool { return mustPlan(t, p.pb, address.Link).Greeting == "Welcome!" })
	if plan := mustPlan(t, p.pb, address.Link); plan.Name != "Alice" || plan.Kind != LinkContact || plan.Own || plan.Known != nil {
		t.Errorf("the plan is %+v", plan)
	}
	if err := p.pa.Rename(t.Context(), "Alicia"); err != nil {
		t.Fatal(err)
	}
	p.b.wait("the name", func() bool { return mustPlan(t, p.pb, address.Link).Name == "Alicia" })

	bob := mustConnect(t, p.pb, address.Link)
	if bob.State != chat.ContactConnecting {
		t.Errorf("after asking, the contact is %+v", bob)
	}
	for _, link := range []string{address.Link, address.Full} {
		if again := mustConnect(t, p.pb, link); again.ID != bob.ID {
			t.Errorf("asking again makes contact %d of %d", again.ID, bob.ID)
		}
	}
	request := p.a.request(p.pa)
	if request.Name != "Bob" || request.Message != "" || request.Created.IsZero() {
		t.Errorf("the request is %+v", request)
	}
	if _, err := p.pa.Accept(t.Context(), 99, false); !errors.Is(err, ErrNoRequest) {
		t.Errorf("accepting nothing: %v", err)
	}
	contact := mustAccept(t, p.pa, request.ID, false)
	if contact.Name != "Bob" || contact.State != chat.ContactConnecting || contact.AvatarSeed != request.AvatarSeed {
		t.Errorf("accepted is %+v", contact)
	}
	if _, err := p.pa.Accept(t.Context(), request.ID, false); !errors.Is(err, ErrNoRequest) {
		t.Errorf("accepting again: %v", err)
	}
	p.a.connected(p.pa, contact.ID)
	p.b.connected(p.pb, bob.ID)
	p.a.delivered(p.pa, contact.ID, mustSend(t, p.pa, contact.ID, "hello").ID)
	p.b.delivered(p.pb, bob.ID, mustSend(t, p.pb, bob.ID, "hi").ID)
	if got := received(t, p.pb, bob.ID); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("Bob received %q", got)
	}
	if c := mustContact(t, p.pb, bob.ID); c.Name != "Alicia" {
		t.Errorf("Bob knows %+v", c)
	}
	if plan := mustPlan(t, p.pb, address.Link); plan.Known == nil || plan.Known.ID != bob.ID {
		t.Errorf("the plan of the address that was opened is %+v", plan)
	}

	// Without the address, its contacts stay.
	if err := p.pa.DeleteAddress(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.a.wait("the deletion", func() bool { return deletions(t, p.pa) == 0 })
	p.a.delivered(p.pa, contact.ID, mustSend(t, p.pa, contact.ID, "still here").ID)
	carol := p.b.create("Carol")
	if _, err := carol.Connect(t.Context(), address.Link); !errors.Is(err, ErrLinkDeleted) {
		t.Errorf("opening an address that was deleted: %v", err)
	}
	late := mustConnect(t, carol, address.Full)
	p.b.wait("the failure", func() bool { return mustContact(t, carol, late.ID).State == chat.ContactFailed })
	if c := mustContact(t, carol, late.ID); c.Failure != chat.FailureGone {
		t.Errorf("asking at an address that was deleted fails with %q", c.Failure)
	}
	if again := mustAddress(t, p.pa); again.Link == address.Link || again.Settings != (AddressSettings{}) {
		t.Errorf("the new address is %+v", again)
	}
}

func TestReject(t *testing.T) {
	p := strangers(t, testOptions(newTestRelay(t)))
	address := mustAddress(t, p.pa)
	mustConnect(t, p.pb, address.Full)
	request := p.a.request(p.pa)
	if err := p.pa.Reject(t.Context(), request.ID); err != nil || len(mustRequests(t, p.pa)) != 0 {
		t.Errorf("rejecting: %v", err)
	}
	if err := p.pa.Reject(t.Context(), request.ID); !errors.Is(err, ErrNoRequest) {
		t.Errorf("rejecting again: %v", err)
	}
	// Requests go with the address.
	mustConnect(t, p.b.create("Carol"), address.Link)
	p.a.request(p.pa)
	if err := p.pa.DeleteAddress(t.Context()); err != nil || len(mustRequests(t, p.pa)) != 0 {
		t.Errorf("deleting the address: %v", err)
	}
	if list, err := p.pa.Contacts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("contacts are %+v, %v", list, err)
	}
}

// TestAddressRestarts ends each side wherever the other one can do without it.
func TestAddressRestarts(t *testing.T) {
	r := newTestRelay(t)
	p := strangers(t, testOptions(r))
	restart := func(c *testCore, p **Profile) {
		t.Helper()
		if c.Core != nil {
			c.shut()
		}
		c.reopen()
		*p = c.Current()
	}
	address := mustAddress(t, p.pa)
	p.a.shut()
	bob := mustConnect(t, p.pb, address.Link)
	restart(p.b, &p.pb)
	p.b.wait("the request to be sent", func() bool { return sendQueues(t, p.pb) == 0 })
	p.b.shut()
	r.stop()
	r.start()
	restart(p.a, &p.pa)
	p.a.request(p.pa)
	restart(p.a, &p.pa)
	request := p.a.request(p.pa)
	contact := mustAccept(t, p.pa, request.ID, true)
	restart(p.a, &p.pa)
	restart(p.b, &p.pb)
	p.a.connected(p.pa, contact.ID)
	p.b.connected(p.pb, bob.ID)
	p.a.delivered(p.pa, contact.ID, mustSend(t, p.pa, contact.ID, "hello").ID)
	if c := mustContact(t, p.pb, bob.ID); c.Name != contact.IncognitoName || !madeUp.MatchString(c.Name) {
		t.Errorf("Bob knows %+v", c)
	}
	if got, err := p.pa.Address(t.Context()); err != nil || got.Link != address.Link {
		t.Errorf("the address is %+v, %v", got, err)
	}
	if again := mustConnect(t, p.pb, address.Full); again.ID != bob.ID {
		t.Errorf("asking again makes contact %d of %d", again.ID, bob.ID)
	}
	if list := mustRequests(t, p.pa); len(list) != 0 {
		t.Errorf("requests are %+v", list)
	}
}

func TestAutoAccept(t *testing.T) {
	p := strangers(t, testOptions(newTestRelay(t)))
	address := mustAddress(t, p.pa)
	set := func(s AddressSettings) {
		t.Helper()
		if err := p.pa.SetAddressSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	set(AddressSettings{Greeting: "Welcome!", AutoAccept: true})
	only := func(s *Profile) (c Contact, ok bool) {
		t.Helper()
		list, err := s.Contacts(t.Context())
		if err != nil || len(list) != 1 {
			return c, false
		}
		return list[0], true
	}
	bob := mustConnect(t, p.pb, address.Link)
	p.b.connected(p.pb, bob.ID)
	p.b.wait("the greeting", func() bool { return slices.Equal(received(t, p.pb, bob.ID), []string{"Welcome!"}) })
	p.a.wait("the greeting to be delivered", func() bool {
		c, ok := only(p.pa)
		return ok && c.Name == "Bob" && c.State == chat.ContactConnected && c.Last != nil && c.Last.Own && c.Last.State == chat.StateDelivered
	})

	// It happens once, wherever the program is ended.
	set(AddressSettings{Greeting: "Hi there!", AutoAccept: true, Incognito: true})
	carol := p.b.create("Carol")
	p.b.wait("no name to be shown", func() bool {
		plan := mustPlan(t, carol, address.Link)
		return plan.Name == "Incognito" && plan.Greeting == "Hi there!"
	})
	p.a.shut()
	contact := mustConnect(t, carol, address.Full)
	for range 3 {
		p.a.reopen()
		p.a.shut()
	}
	p.a.reopen()
	p.pa = p.a.Current()
	p.b.connected(carol, contact.ID)
	p.b.wait("the greeting", func() bool { return slices.Equal(received(t, carol, contact.ID), []string{"Hi there!"}) })
	if c := mustContact(t, carol, contact.ID); !madeUp.MatchString(c.Name) {
		t.Errorf("Carol knows %+v", c)
	}
	if list, err := p.pa.Contacts(t.Context()); err != nil || len(list) != 2 || len(mustRequests(t, p.pa)) != 0 {
		t.Errorf("contacts are %+v, %v", list, err)
	}
}
