package core

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

func TestConversation(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	if c := mustContact(t, p.pa, p.ca); c.Name != "Bob" || c.Invitation != "" || c.Last != nil {
		t.Errorf("Alice knows %+v", c)
	}
	if c := mustContact(t, p.pb, p.cb); c.Name != "Alice" {
		t.Errorf("Bob knows %+v", c)
	}

	sent := mustSend(t, p.pa, p.ca, "hello\nBob")
	if sent.State != chat.StatePending || !sent.Own {
		t.Errorf("sent %+v", sent)
	}
	p.a.delivered(p.pa, p.ca, sent.ID)
	if got := received(t, p.pb, p.cb); !slices.Equal(got, []string{"hello\nBob"}) {
		t.Errorf("Bob received %q", got)
	}
	c := mustContact(t, p.pb, p.cb)
	if c.Unread != 1 || c.Last == nil || c.Last.Text != "hello\nBob" || c.Last.Own {
		t.Errorf("the list shows %+v", c)
	}
	if n := p.b.Profiles()[0].Unread; n != 1 {
		t.Errorf("profile has %d unread", n)
	}
	if err := p.pb.MarkRead(t.Context(), p.cb); err != nil {
		t.Fatal(err)
	}
	if n := p.b.Profiles()[0].Unread; n != 0 {
		t.Errorf("profile has %d unread after reading", n)
	}
	p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "hi ❤️ Alice").ID)
	if got := received(t, p.pa, p.ca); !slices.Equal(got, []string{"hi ❤️ Alice"}) {
		t.Errorf("Alice received %q", got)
	}
	for _, s := range []*Profile{p.pa, p.pb} {
		if status := s.Status(); len(status) != 1 || status[0].State != RelayConnected || status[0].Host() != loopback {
			t.Errorf("status is %+v", status)
		}
	}
}

func TestManyMessagesBothWays(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	const n = 60
	var want []string
	for i := range n {
		text := fmt.Sprint("message ", i)
		want = append(want, text)
		mustSend(t, p.pa, p.ca, text)
		mustSend(t, p.pb, p.cb, text)
	}
	p.a.wait("all to arrive", func() bool { return len(received(t, p.pa, p.ca)) == n })
	p.b.wait("all to arrive", func() bool { return len(received(t, p.pb, p.cb)) == n })
	if got := received(t, p.pa, p.ca); !slices.Equal(got, want) {
		t.Errorf("Alice received %q", got)
	}
	if got := received(t, p.pb, p.cb); !slices.Equal(got, want) {
		t.Errorf("Bob received %q", got)
	}
}

func TestRestart(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "first").ID)
	p.b.shut()
	waiting := mustSend(t, p.pa, p.ca, "second")
	if err := p.pa.SetDraft(t.Context(), p.ca, Draft{Text: "a draft"}); err != nil {
		t.Fatal(err)
	}
	if err := p.pa.SetAlias(t.Context(), p.ca, " Robert "); err != nil {
		t.Fatal(err)
	}
	p.a.shut()

	p.b.reopen()
	p.a.reopen()
	p.pa, p.pb = p.a.Current(), p.b.Current()
	if p.pa == nil || p.pa.Name() != "Alice" || p.pb == nil || p.pb.Name() != "Bob" {
		t.Fatal("the profiles in use were forgotten")
	}
	p.a.delivered(p.pa, p.ca, waiting.ID)
	if got := received(t, p.pb, p.cb); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("Bob received %q", got)
	}
	if c := mustContact(t, p.pa, p.ca); c.Draft.Text != "a draft" || c.Alias != "Robert" || c.Name != "Bob" {
		t.Errorf("after the restart Alice knows %+v", c)
	}
	p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "third").ID)
}

func TestHistoryPages(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	for i := range 7 {
		mustSend(t, p.pa, p.ca, fmt.Sprint(i))
	}
	page := func(before int64) []Item {
		items, err := p.pa.History(t.Context(), p.ca, before, 3)
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	var got []string
	for items := page(0); len(items) > 0; items = page(items[0].ID) {
		var texts []string
		for _, i := range items {
			texts = append(texts, i.Text)
		}
		got = append(got, strings.Join(texts, ""))
	}
	if want := []string{"456", "123", "0"}; !slices.Equal(got, want) {
		t.Errorf("pages are %q, want %q", got, want)
	}
	if _, err := p.pa.History(t.Context(), 99, 0, 3); !errors.Is(err, ErrNoContact) {
		t.Errorf("history of nobody: %v", err)
	}
}

func TestMessageLimits(t *testing.T) {
	p := connectedPair(t, testOptions(newTestRelay(t)))
	for _, text := range []string{"", " \n\t"} {
		if _, err := p.pa.Send(t.Context(), p.ca, NewMessage{Text: text}); !errors.Is(err, ErrEmptyMessage) {
			t.Errorf("sending %q: %v", text, err)
		}
	}
	var tooLong *MessageTooLongError
	if _, err := p.pa.Send(t.Context(), p.ca, NewMessage{Text: strings.Repeat("x", 15602)}); !errors.As(err, &tooLong) || tooLong.Size <= tooLong.Limit {
		t.Errorf("sending too much: %v", err)
	}
	if _, err := p.pa.Send(t.Context(), 99, NewMessage{Text: "x"}); !errors.Is(err, ErrNoContact) {
		t.Errorf("sending to nobody: %v", err)
	}
	invited := mustInvite(t, p.pa).Contact
	if _, err := p.pa.Send(t.Context(), invited.ID, NewMessage{Text: "x"}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("sending before the connection: %v", err)
	}
	if items := mustHistory(t, p.pa, p.ca); len(items) != 0 {
		t.Errorf("%d messages were stored that could not be sent", len(items))
	}
	// As long as can be, and compressed on the way.
	long := strings.Repeat("x", 15602-200)
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, long).ID)
	if got := received(t, p.pb, p.cb); len(got) != 1 || got[0] != long {
		t.Error("a long message did not arrive as it was")
	}
	if _, err := p.pa.Retry(t.Context(), mustHistory(t, p.pa, p.ca)[0].ID); !errors.Is(err, ErrNotFailed) {
		t.Errorf("retrying what was delivered: %v", err)
	}
	if _, err := p.pa.Retry(t.Context(), 99); !errors.Is(err, ErrNoItem) {
		t.Errorf("retrying nothing: %v", err)
	}
}

func TestRelayRestarted(t *testing.T) {
	r := newTestRelay(t)
	p := connectedPair(t, testOptions(r))
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "before").ID)
	r.stop()
	down := func(s *Profile) func() bool {
		return func() bool { return s.Status()[0].State == RelayDisconnected && s.Status()[0].Err != nil }
	}
	p.a.wait("Alice to see that the relay is down", down(p.pa))
	p.b.wait("Bob to see that the relay is down", down(p.pb))
	waiting := mustSend(t, p.pa, p.ca, "meanwhile")
	r.start()
	p.pa.Reconnect()
	p.pb.Reconnect()
	p.a.delivered(p.pa, p.ca, waiting.ID)
	if got := received(t, p.pb, p.cb); !slices.Equal(got, []string{"before", "meanwhile"}) {
		t.Errorf("Bob received %q", got)
	}
	if s := p.pa.Status()[0]; s.State != RelayConnected || s.Err != nil {
		t.Errorf("status is %+v", s)
	}
}

func TestLinks(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := connectedPair(t, opt)
	i := mustInvite(t, p.pa)
	if c := mustContact(t, p.pa, i.Contact.ID); c.State != chat.ContactInvited || c.Invitation != i.Link {
		t.Errorf("the invitation is shown as %+v", c)
	}

	if plan, err := p.pa.Plan(t.Context(), i.Link); err != nil || !plan.Own || plan.Known == nil {
		t.Errorf("the plan of one's own link is %+v, %v", plan, err)
	}
	if _, err := p.pa.Connect(t.Context(), i.Link); !errors.Is(err, ErrOwnLink) {
		t.Errorf("opening one's own link: %v", err)
	}
	if plan, err := p.pb.Plan(t.Context(), i.Link); err != nil || plan.Own || plan.Known != nil || plan.Relay.String() != mustServer(t, opt.Relays[0]).String() {
		t.Errorf("the plan is %+v, %v", plan, err)
	}
	first := mustConnect(t, p.pb, "Join me! <"+i.Link+"> See you")
	if again := mustConnect(t, p.pb, i.Link); again.ID != first.ID {
		t.Errorf("opening a link again leads to contact %d, not %d", again.ID, first.ID)
	}
	if plan, err := p.pb.Plan(t.Context(), i.Link); err != nil || plan.Own || plan.Known == nil || plan.Known.ID != first.ID {
		t.Errorf("the plan of a link that was opened is %+v, %v", plan, err)
	}
	p.b.wait("the connection", func() bool { return mustContact(t, p.pb, first.ID).State == chat.ContactConnected })

	// Somebody else opens it too.
	other := openTest(t, t.TempDir(), opt)
	carol := other.create("Carol")
	for _, open := range []func() error{
		func() error { _, err := carol.Plan(t.Context(), i.Link); return err },
		func() error { _, err := carol.Connect(t.Context(), i.Link); return err },
	} {
		if err := open(); !errors.Is(err, ErrLinkUsed) {
			t.Errorf("opening a used link: %v", err)
		}
	}
	c := mustConnect(t, carol, i.Full)
	other.wait("the failure", func() bool { return mustContact(t, carol, c.ID).State == chat.ContactFailed })
	if c = mustContact(t, carol, c.ID); c.Failure != chat.FailureLinkUsed {
		t.Errorf("a used link fails with %q", c.Failure)
	}
	if _, err := carol.Send(t.Context(), c.ID, NewMessage{Text: "x"}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("sending over a used link: %v", err)
	}
}

func TestDeleteContact(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := connectedPair(t, opt)
	mustSend(t, p.pa, p.ca, "secret")
	if err := p.pa.DeleteContact(t.Context(), p.ca); err != nil {
		t.Fatal(err)
	}
	if list, err := p.pa.Contacts(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("contacts are %+v, %v", list, err)
	}
	if err := p.pa.DeleteContact(t.Context(), p.ca); !errors.Is(err, ErrNoContact) {
		t.Errorf("deleting again: %v", err)
	}
	// Bob is told, then the queue is deleted on the relay.
	p.b.wait("Bob to be told", func() bool { return mustContact(t, p.pb, p.cb).State == chat.ContactLeft })
	if _, err := p.pb.Send(t.Context(), p.cb, NewMessage{Text: "are you there?"}); !errors.Is(err, ErrNotConnected) {
		t.Errorf("sending to who has left: %v", err)
	}
	if items := mustHistory(t, p.pb, p.cb); len(items) != 2 || items[0].Text != "secret" || items[1].Kind != chat.KindLeft {
		t.Errorf("Bob has %+v", items)
	}
}

// deletions is the number of queues that are still to be deleted.
func deletions(t *testing.T, p *Profile) (n int) {
	t.Helper()
	err := p.db.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Deletions()
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProfiles(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	c := openTest(t, t.TempDir(), opt)
	if c.Current() != nil || len(c.Profiles()) != 0 {
		t.Error("a new folder has profiles")
	}
	before, err := c.spares()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", " x", "#x", strings.Repeat("x", 51), "a\nb"} {
		if _, err := c.CreateProfile(t.Context(), NewProfile{Name: name}); !errors.Is(err, ErrName) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, r := range []struct {
		choice RelayChoice
		err    error
	}{
		{RelayChoice{Kind: RelaysOwn}, ErrNoRelays},
		{RelayChoice{Kind: RelaysOwn, Addresses: []string{"example.com"}}, ErrRelayAddress},
		{RelayChoice{Kind: RelaysOwn, Addresses: []string{strings.Replace(opt.Relays[0], "smp:", "xftp:", 1)}}, ErrNoRelays},
	} {
		if _, err := c.CreateProfile(t.Context(), NewProfile{Name: "x", Relays: r.choice}); !errors.Is(err, r.err) {
			t.Errorf("relays %v: %v", r.choice, err)
		}
	}
	if after, err := c.spares(); err != nil || !slices.Equal(before, after) {
		t.Errorf("what could not be made left %v, %v", after, err)
	}

	alice := c.create("Alice")
	locked, err := c.CreateProfile(t.Context(), NewProfile{Name: "Work", Passphrase: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	if alice.Protection() != vault.PlainFile || locked.Protection() != vault.Passphrase {
		t.Errorf("protections are %v, %v", alice.Protection(), locked.Protection())
	}
	if c.Current() != alice {
		t.Error("a second profile is in use without having been chosen")
	}
	if err := c.Use("x"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("using no profile: %v", err)
	}
	if err := c.SetAppearance(Appearance{Width: 800, Theme: "dark"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Use(locked.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c.dir, opt); !errors.Is(err, ErrInUse) {
		t.Errorf("opening a folder twice: %v", err)
	}

	c.shut()
	c.reopen()
	if a := c.Appearance(); a.Width != 800 || a.Theme != "dark" {
		t.Errorf("the window forgot its appearance: %+v", a)
	}
	list := c.Profiles()
	if len(list) != 2 || list[0].Name != "Alice" || list[0].Locked || !list[1].Locked || list[1].Name != "" || !list[1].Current || list[1].Err != nil {
		t.Errorf("profiles are %+v", list)
	}
	if list[0].AvatarSeed == 0 {
		t.Error("a profile has no avatar")
	}
	if c.Current() != nil {
		t.Error("a locked profile is open")
	}
	id := list[1].ID
	if _, err := c.OpenProfile(t.Context(), id, ""); !errors.Is(err, ErrLocked) {
		t.Errorf("opening without the passphrase: %v", err)
	}
	if _, err := c.OpenProfile(t.Context(), id, "wrong"); !errors.Is(err, ErrWrongPassphrase) || !c.Profiles()[1].Locked {
		t.Errorf("opening with a wrong passphrase: %v", err)
	}
	if _, err := c.OpenProfile(t.Context(), "x", ""); !errors.Is(err, ErrNoProfile) {
		t.Errorf("opening no profile: %v", err)
	}
	p, err := c.OpenProfile(t.Context(), id, "correct horse")
	if err != nil || p.Name() != "Work" || c.Current() != p {
		t.Fatalf("opening with the passphrase: %v, %v", p, err)
	}
	if err := p.SetPassphrase(t.Context(), "wrong", "x"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("changing with a wrong passphrase: %v", err)
	}
	if err := p.SetPassphrase(t.Context(), "correct horse", ""); err != nil || p.Protection() != vault.PlainFile {
		t.Errorf("removing the passphrase: %v", err)
	}
	if err := p.SetPassphrase(t.Context(), "", "new"); err != nil || p.Protection() != vault.Passphrase {
		t.Errorf("setting a passphrase: %v", err)
	}
	c.shut()
	c.reopen()
	if _, err := c.OpenProfile(t.Context(), id, "new"); err != nil {
		t.Errorf("opening with the new passphrase: %v", err)
	}
}

func TestClosed(t *testing.T) {
	c, err := Open(t.Context(), t.TempDir(), testOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.CreateProfile(t.Context(), NewProfile{Name: "Alice"})
	if err != nil {
		t.Fatal(err)
	}
	events, cancel := c.Subscribe(1)
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := <-events; ok {
		t.Error("an event after Close")
	}
	cancel()
	if _, err := p.Contacts(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("contacts after Close: %v", err)
	}
	if _, err := c.CreateProfile(t.Context(), NewProfile{Name: "Bob"}); !errors.Is(err, ErrClosed) {
		t.Errorf("a new profile after Close: %v", err)
	}
	if err := c.SetAppearance(Appearance{}); !errors.Is(err, ErrClosed) {
		t.Errorf("appearance after Close: %v", err)
	}
	late, _ := c.Subscribe(1)
	if _, ok := <-late; ok {
		t.Error("an event after Close")
	}
}

func TestBadFolder(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{"", "x", `{"profiles":["../../etc"]}`, `{"profiles":1}`} {
		if err := os.WriteFile(filepath.Join(dir, appFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrAppFile) {
			t.Errorf("app.json with %q: %v", content, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, appFile), []byte(`{"profiles":["00112233445566778899aabbccddeeff"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := openTest(t, dir, testOptions(nil))
	if list := c.Profiles(); len(list) != 1 || list[0].Err == nil || list[0].Locked {
		t.Errorf("a profile whose folder is gone: %+v", list)
	}
	if _, err := Open(t.Context(), t.TempDir(), Options{Relays: []string{"x"}}); !errors.Is(err, ErrRelayAddress) {
		t.Errorf("opening with a bad relay: %v", err)
	}
}
