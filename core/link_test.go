package core

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/chat"
)

func mustPlan(t *testing.T, p *Profile, link string) Plan {
	t.Helper()
	plan, err := p.Plan(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestShortLinks(t *testing.T) {
	r := newTestRelay(t)
	opt := testOptions(r)
	p := &pair{a: openTest(t, t.TempDir(), opt), b: openTest(t, t.TempDir(), opt)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")
	i := mustInvite(t, p.pa)
	if !strings.HasPrefix(i.Link, "https://127.0.0.1/i#") || !strings.HasPrefix(i.Full, "simplex:/invitation#") || i.Contact.FullInvitation != i.Full {
		t.Errorf("the invitation is %+v", i)
	}
	look, err := p.pb.Look(t.Context(), i.Link)
	if err != nil || look.Kind != LinkInvitation || look.Name != "" || look.Own || look.Known != nil || look.Relay.Hosts[0] != loopback {
		t.Errorf("at first sight the link is %+v, %v", look, err)
	}
	for range 2 { // reading it again gives the same
		if plan := mustPlan(t, p.pb, "see "+i.Link); plan.Kind != LinkInvitation || plan.Name != "Alice" || plan.Own || plan.Known != nil {
			t.Errorf("the plan is %+v", plan)
		}
	}
	if list, err := p.pb.Contacts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("planning has made contacts: %+v, %v", list, err)
	}
	// The link is read, and not opened yet, when the program ends.
	p.b.shut()
	p.b.reopen()
	p.pb = p.b.Current()

	// One's own link is known without asking the relay, in both forms.
	r.stop()
	for _, link := range []string{i.Link, i.Full} {
		if plan := mustPlan(t, p.pa, link); !plan.Own || plan.Known == nil || plan.Known.ID != i.Contact.ID {
			t.Errorf("the plan of one's own link is %+v", plan)
		}
		if _, err := p.pa.Connect(t.Context(), link); !errors.Is(err, ErrOwnLink) {
			t.Errorf("opening one's own link: %v", err)
		}
	}
	// Another one can't be read while the relay is away; it is not lost by that.
	second := "https://127.0.0.1/i#AAAA/" + strings.Repeat("A", 43) + i.Link[strings.Index(i.Link, "?"):]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.pb.Connect(ctx, second); err == nil {
		t.Error("a link was read without its relay")
	}
	r.start()
	p.pa.Reconnect()
	p.pb.Reconnect()
	if _, err := p.pb.Connect(t.Context(), second); !errors.Is(err, ErrLinkUsed) {
		t.Errorf("opening a link that the relay does not have: %v", err)
	}

	first := mustConnect(t, p.pb, i.Link)
	p.b.wait("the connection", func() bool { return mustContact(t, p.pb, first.ID).State == chat.ContactConnected })
	p.a.wait("the connection", func() bool { return mustContact(t, p.pa, i.Contact.ID).State == chat.ContactConnected })
	for _, link := range []string{i.Link, i.Full} {
		if again := mustConnect(t, p.pb, link); again.ID != first.ID {
			t.Errorf("opening the link again leads to contact %d, not %d", again.ID, first.ID)
		}
		if plan := mustPlan(t, p.pa, link); !plan.Own {
			t.Errorf("the plan of one's own used link is %+v", plan)
		}
	}
}

func TestBadShortLinks(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := &pair{a: openTest(t, t.TempDir(), opt), b: openTest(t, t.TempDir(), opt)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")

	i := mustInvite(t, p.pa)
	at := strings.Index(i.Link, "/i#") + len("/i#") + 32 + len("/") // of the key, behind the id
	letter := "A"
	if i.Link[at] == 'A' {
		letter = "B"
	}
	damaged := i.Link[:at] + letter + i.Link[at+1:]
	if _, err := p.pb.Connect(t.Context(), damaged); !errors.Is(err, ErrDamagedLink) {
		t.Errorf("opening a link with a wrong key: %v", err)
	}
	if plan := mustPlan(t, p.pb, i.Link); plan.Name != "Alice" {
		t.Errorf("the undamaged link is %+v", plan)
	}
	// Taken back.
	i = mustInvite(t, p.pa)
	if err := p.pa.DeleteContact(t.Context(), i.Contact.ID); err != nil {
		t.Fatal(err)
	}
	p.a.wait("the deletion", func() bool { return deletions(t, p.pa) == 0 })
	if _, err := p.pb.Connect(t.Context(), i.Link); !errors.Is(err, ErrLinkUsed) {
		t.Errorf("opening a link that was taken back: %v", err)
	}
	// On a relay that it names by its host alone.
	bare, _, _ := strings.Cut(i.Link, "?")
	if _, err := p.pb.Connect(t.Context(), bare); !errors.Is(err, ErrLinkRelay) {
		t.Errorf("opening a link on an unknown relay: %v", err)
	}
	if list, err := p.pb.Contacts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("contacts are %+v, %v", list, err)
	}
}

func TestPresetServers(t *testing.T) {
	list := presetServers()
	for n, s := range list {
		if len(s.Hosts) != 2 || s.Port != "" || s.String() != presets[n].address {
			t.Errorf("preset %d is %+v", n, s)
		}
	}
}

func TestVersions(t *testing.T) {
	r := newTestRelay(t)
	old := testOptions(r)
	old.Versions.Agent.Min, old.Versions.Agent.Max = 2, 5
	old.Versions.Ratchet.Min, old.Versions.Ratchet.Max = 2, 2
	old.Network.Versions.Min, old.Network.Versions.Max = 6, 14
	old.NoPQ = true
	p := &pair{a: openTest(t, t.TempDir(), testOptions(r)), b: openTest(t, t.TempDir(), old)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")
	p.connect(t)
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "hello").ID)
	p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "hi").ID)
	// Links of the relay's old protocol have one form only.
	i := mustInvite(t, p.pb)
	if i.Link != i.Full {
		t.Errorf("the old program has made the link %q", i.Link)
	}
	// What can't be talked to is told before anything is sent, of short links too.
	newer := testOptions(r)
	newer.Versions.Agent.Min, newer.Versions.Agent.Max = 6, 7
	c := openTest(t, t.TempDir(), newer)
	carol := c.create("Carol")
	if _, err := carol.Plan(t.Context(), i.Link); !errors.Is(err, ErrOlderLink) {
		t.Errorf("planning with a program that is too old: %v", err)
	}
	if _, err := p.pb.Plan(t.Context(), mustInvite(t, carol).Full); !errors.Is(err, ErrNewerLink) {
		t.Errorf("planning with a program that is too new: %v", err)
	}
	if a, err := p.pb.MakeAddress(t.Context()); err != nil {
		t.Error(err)
	} else if _, err := carol.Connect(t.Context(), a.Link); !errors.Is(err, ErrOlderLink) {
		t.Errorf("opening the address of a program that is too old: %v", err)
	}
	old.Network.Versions.Max = 18
	d := openTest(t, t.TempDir(), old)
	dave := d.create("Dave")
	short := mustInvite(t, carol)
	if short.Link == short.Full {
		t.Fatal("there is no short link")
	}
	if _, err := dave.Plan(t.Context(), short.Link); !errors.Is(err, ErrNewerLink) {
		t.Errorf("planning with a short link of a program that is too new: %v", err)
	}
}

var madeUp = regexp.MustCompile(`^[A-Z][a-z]+ [A-Z][a-z]+$`)

func TestIncognito(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := &pair{a: openTest(t, t.TempDir(), opt), b: openTest(t, t.TempDir(), opt)}
	p.pa, p.pb = p.a.create("Alice"), p.b.create("Bob")
	i, err := p.pa.InviteIncognito(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.ca = i.Contact.ID
	name := i.Contact.IncognitoName
	if !madeUp.MatchString(name) {
		t.Errorf("the name is %q", name)
	}
	plan := mustPlan(t, p.pb, i.Link)
	if plan.Name != name {
		t.Errorf("the link tells the name %q, not %q", plan.Name, name)
	}
	contact, err := p.pb.ConnectTo(t.Context(), plan, true)
	if err != nil {
		t.Fatal(err)
	}
	if contact.Name != name {
		t.Errorf("until they are connected the contact is called %q, not %q as the link tells", contact.Name, name)
	}
	p.cb = contact.ID
	p.a.wait("Alice to be connected", func() bool { return mustContact(t, p.pa, p.ca).State == chat.ContactConnected })
	p.b.wait("Bob to be connected", func() bool { return mustContact(t, p.pb, p.cb).State == chat.ContactConnected })
	a, b := mustContact(t, p.pa, p.ca), mustContact(t, p.pb, p.cb)
	if a.Name != b.IncognitoName || b.Name != name || !madeUp.MatchString(a.Name) {
		t.Errorf("Alice knows %q, Bob knows %q", a.Name, b.Name)
	}
	// What comes next is under the same names, and a new name of the profile is not told.
	if err := p.pa.Rename(t.Context(), "Alicia"); err != nil {
		t.Fatal(err)
	}
	p.a.shut()
	p.a.reopen()
	p.pa = p.a.Current()
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "hello").ID)
	received(t, p.pb, p.cb) // fails for anything but messages
	if c := mustContact(t, p.pb, p.cb); c.Name != name {
		t.Errorf("Bob knows %q now", c.Name)
	}
	if c := mustContact(t, p.pa, p.ca); c.IncognitoName != name {
		t.Errorf("the name was forgotten: %+v", c)
	}
	// Another contact gets another name.
	other, err := p.pa.InviteIncognito(t.Context())
	if err != nil || other.Contact.IncognitoName == name {
		t.Errorf("the next contact gets the name %q, %v", other.Contact.IncognitoName, err)
	}
}

func TestVerification(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	code := func(s *Profile, contact int64) string {
		t.Helper()
		code, err := s.Code(t.Context(), contact)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	a, b := code(p.pa, p.ca), code(p.pb, p.cb)
	if a != b || !regexp.MustCompile(`^(\d{5} ){10,}\d{1,5}$`).MatchString(a) {
		t.Fatalf("codes are %q and %q", a, b)
	}
	verify := func(code string, want bool) {
		t.Helper()
		if ok, err := p.pa.Verify(t.Context(), p.ca, code); ok != want || err != nil {
			t.Errorf("verifying is %t, %v", ok, err)
		}
	}
	verify("", false)
	verify(a[:len(a)-1], false)
	verify(a+"0", false)
	verify(strings.Replace(a, a[:5], "00000", 1), false)
	if c := mustContact(t, p.pa, p.ca); !c.Verified.IsZero() {
		t.Errorf("with wrong codes the contact is %+v", c)
	}
	verify(b, true)
	verify(" \n"+strings.ReplaceAll(b, " ", "\u00a0\t"), true)
	p.a.shut()
	p.a.reopen()
	p.pa = p.a.Current()
	if c := mustContact(t, p.pa, p.ca); c.Verified.IsZero() {
		t.Error("the verification was forgotten")
	}
	verify("", false)
	if c := mustContact(t, p.pa, p.ca); c.Verified.IsZero() {
		t.Error("a wrong code has undone the verification")
	}
	if err := p.pa.Unverify(t.Context(), p.ca); err != nil || !mustContact(t, p.pa, p.ca).Verified.IsZero() {
		t.Errorf("taking the verification back: %v", err)
	}
	if _, err := p.pa.Code(t.Context(), 99); !errors.Is(err, ErrNoContact) {
		t.Errorf("code of nobody: %v", err)
	}
	if _, err := p.pa.Code(t.Context(), mustInvite(t, p.pa).Contact.ID); !errors.Is(err, ErrNotConnected) {
		t.Errorf("code before the connection: %v", err)
	}
}

func TestReceipts(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	if !mustContact(t, p.pb, p.cb).Receipts {
		t.Error("receipts are off at first")
	}
	set := func(on bool) {
		t.Helper()
		if err := p.pb.SetReceipts(t.Context(), p.cb, on); err != nil {
			t.Fatal(err)
		}
	}
	set(false)
	first := mustSend(t, p.pa, p.ca, "one")
	p.b.wait("the first", func() bool { return len(received(t, p.pb, p.cb)) == 1 })
	set(true)
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "two").ID)
	for _, i := range mustHistory(t, p.pa, p.ca) {
		if i.ID == first.ID && i.State != chat.StateSent {
			t.Errorf("without a receipt the message is %s", i.State)
		}
	}
}
