package core

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// sendQueues is the number of queues that a profile sends to.
func sendQueues(t *testing.T, p *Profile) (n int) {
	t.Helper()
	err := p.db.View(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow("SELECT count(*) FROM send_queues").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRename(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := connectedPair(t, opt)
	for _, name := range []string{"", "#x", strings.Repeat("x", 51)} {
		if err := p.pa.Rename(t.Context(), name); !errors.Is(err, ErrName) {
			t.Errorf("renaming to %q: %v", name, err)
		}
	}
	waiting := mustInvite(t, p.pa) // is opened under the new name
	p.b.shut()
	for _, name := range []string{"Alicia", "Ali"} {
		if err := p.pa.Rename(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if p.pa.Name() != "Ali" || p.a.Profiles()[0].Name != "Ali" {
		t.Errorf("the name is %q", p.pa.Name())
	}
	p.a.shut()
	p.a.reopen()
	p.pa = p.a.Current()
	p.b.reopen()
	p.pb = p.b.Current()
	p.b.wait("the new name", func() bool { return mustContact(t, p.pb, p.cb).Name == "Ali" })
	last := mustHistory(t, p.pb, p.cb)
	if i := last[len(last)-1]; i.Kind != chat.KindRenamed || i.Text != "Ali" {
		t.Errorf("Bob sees %+v", i)
	}
	carol := p.b.create("Carol")
	c := mustConnect(t, carol, waiting.Link)
	p.b.connected(carol, c.ID)
	if c := mustContact(t, carol, c.ID); c.Name != "Ali" {
		t.Errorf("Carol knows %+v", c)
	}
	// Each name was told once: a message after it is the next thing that arrives.
	p.a.delivered(p.pa, waiting.Contact.ID, mustSend(t, p.pa, waiting.Contact.ID, "hello").ID)
	received(t, carol, c.ID)
}

func TestLock(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := connectedPair(t, opt)
	if err := p.a.LockProfile("x"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("locking no profile: %v", err)
	}
	if err := p.a.LockProfile(p.pa.ID()); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("locking a profile without passphrase: %v", err)
	}
	if err := p.pa.SetPassphrase(t.Context(), "", "secret"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.a.LockProfile(p.pa.ID()); err != nil {
			t.Fatal(err)
		}
	}
	if info := p.a.Profiles()[0]; !info.Locked || info.Name != "" || info.Err != nil || p.a.Current() != nil {
		t.Errorf("a locked profile is %+v", info)
	}
	if _, err := p.pa.Contacts(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("using a locked profile: %v", err)
	}
	sent := mustSend(t, p.pb, p.cb, "are you there?")
	if _, err := p.a.OpenProfile(t.Context(), p.pa.ID(), "wrong"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("opening with a wrong passphrase: %v", err)
	}
	var err error
	if p.pa, err = p.a.OpenProfile(t.Context(), p.pa.ID(), "secret"); err != nil {
		t.Fatal(err)
	}
	p.b.delivered(p.pb, p.cb, sent.ID)
}

// memoryKeyring is a keyring for tests.
type memoryKeyring struct {
	mu      sync.Mutex
	entries map[string][]byte
}

func (k *memoryKeyring) Get(_ context.Context, id string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if secret, ok := k.entries[id]; ok {
		return slices.Clone(secret), nil
	}
	return nil, vault.ErrKeyringEntryMissing
}

func (k *memoryKeyring) Set(_ context.Context, id string, secret []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries[id] = slices.Clone(secret)
	return nil
}

func (k *memoryKeyring) Delete(_ context.Context, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.entries, id)
	return nil
}

func TestDeleteProfile(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	ring := &memoryKeyring{entries: map[string][]byte{}}
	opt.Keyring = ring
	p := connectedPair(t, opt)
	address := mustAddress(t, p.pa)
	work, err := p.a.CreateProfile(t.Context(), NewProfile{Name: "Work", Passphrase: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.a.DeleteProfile(t.Context(), "x"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("deleting no profile: %v", err)
	}
	id, keys := p.pa.ID(), len(ring.entries)
	if err := p.a.DeleteProfile(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if list := p.a.Profiles(); len(list) != 1 || list[0].ID != work.ID() || !list[0].Current {
		t.Errorf("profiles are %+v", list)
	}
	if len(ring.entries) != keys-1 {
		t.Error("the key is still in the keyring")
	}
	if _, err := os.Stat(p.a.profileDir(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
	if _, err := p.pb.Connect(t.Context(), address.Link); !errors.Is(err, ErrLinkDeleted) {
		t.Errorf("opening the address of a deleted profile: %v", err)
	}
	item := mustSend(t, p.pb, p.cb, "are you there?")
	p.b.wait("the failure", func() bool {
		items := mustHistory(t, p.pb, p.cb)
		i := slices.IndexFunc(items, func(i Item) bool { return i.ID == item.ID })
		return items[i].State == chat.StateFailed
	})
	// A locked profile can be deleted, and so can the last one.
	if err := p.a.LockProfile(work.ID()); err != nil {
		t.Fatal(err)
	}
	if err := p.a.DeleteProfile(t.Context(), work.ID()); err != nil {
		t.Fatal(err)
	}
	if list := p.a.Profiles(); len(list) != 0 || p.a.Current() != nil {
		t.Errorf("profiles are %+v", list)
	}
	p.a.create("Another")
}

// TestDeletionInterrupted finishes at the next start what was interrupted.
func TestDeletionInterrupted(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	first, second := c.create("First"), c.create("Second")
	dir, gone := c.profileDir(first.ID()), c.profileDir(hex.EncodeToString(make([]byte, 16)))
	c.shut()
	if err := errors.Join(os.Rename(dir, dir+deleted), os.Mkdir(gone+deleted, 0o700)); err != nil {
		t.Fatal(err)
	}
	c.reopen()
	if list := c.Profiles(); len(list) != 1 || list[0].ID != second.ID() || list[0].Name != "Second" {
		t.Errorf("profiles are %+v", list)
	}
	for _, d := range []string{dir, gone} {
		if _, err := os.Stat(d + deleted); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder: %v", err)
		}
	}
}
