package core

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

func TestAppLock(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	ring := &memoryKeyring{entries: map[string][]byte{}}
	opt.Keyring = ring
	p := connectedPair(t, opt)
	entries := len(ring.entries)
	if err := p.a.Lock(t.Context()); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("locking without a passphrase: %v", err)
	}
	if err := p.a.SetWipe(t.Context(), "fire"); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("a passphrase that wipes without a lock: %v", err)
	}
	if err := p.a.SetLock(t.Context(), "x", "y"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("changing a lock that is not there: %v", err)
	}
	if err := errors.Join(p.a.SetLock(t.Context(), "", ""), p.a.Unlock(t.Context(), "x")); err != nil {
		t.Error(err)
	}
	own, err := p.a.CreateProfile(t.Context(), NewProfile{Name: "Own", Passphrase: "own"})
	if err != nil {
		t.Fatal(err)
	}
	createHidden(t, p.a, "Selene", "moon")
	if p.a.HasLock() {
		t.Error("there is a lock")
	}
	if err := p.a.SetLock(t.Context(), "", "door"); err != nil {
		t.Fatal(err)
	}
	if err := p.a.SetIdle(90*time.Second + 1); err != nil || p.a.Idle() != 90*time.Second {
		t.Errorf("idle %v, %v", p.a.Idle(), err)
	}
	if p.pa.Protection() != vault.CallerKey || own.Protection() != vault.Passphrase || len(ring.entries) != entries-1 {
		t.Error("the profile is not under the lock")
	}
	later, err := p.a.CreateProfile(t.Context(), NewProfile{Name: "Later"})
	if err != nil {
		t.Fatal(err)
	}
	if later.Protection() != vault.CallerKey {
		t.Error("a new profile is not under the lock")
	}

	for range 2 { // locked twice is locked
		if err := p.a.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		list := p.a.Profiles()
		if !p.a.Locked() || len(list) != 3 || p.a.Current() != nil {
			t.Errorf("%s: %+v", when, list)
		}
		for _, info := range list {
			if !info.Locked || info.Name != "" || info.Err != nil {
				t.Errorf("%s: %+v", when, info)
			}
		}
		_, createErr := p.a.CreateProfile(t.Context(), NewProfile{Name: "x"})
		_, openErr := p.a.OpenProfile(t.Context(), own.ID(), "own")
		_, hiddenErr := p.a.OpenHidden(t.Context(), "moon")
		for _, err := range []error{createErr, openErr, hiddenErr, p.a.DeleteProfile(t.Context(), own.ID()), p.a.SetLock(t.Context(), "door", "")} {
			if !errors.Is(err, ErrAppLocked) {
				t.Errorf("%s: %v", when, err)
			}
		}
		for _, wrong := range []string{"", "moon"} {
			if err := p.a.Unlock(t.Context(), wrong); !errors.Is(err, ErrWrongPassphrase) {
				t.Errorf("%s: %q: %v", when, wrong, err)
			}
		}
	}
	check("locked")
	if p.a.key != nil {
		t.Error("the key is still there")
	}
	if _, err := p.pa.Contacts(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("using a profile: %v", err)
	}
	sent := mustSend(t, p.pb, p.cb, "are you there?")
	p.a.shut()
	p.a.reopen()
	check("after a start")
	if err := p.a.Unlock(t.Context(), "door"); err != nil {
		t.Fatal(err)
	}
	if list := p.a.Profiles(); p.a.Locked() || list[0].Name != "Alice" || !list[1].Locked || list[2].Name != "Later" {
		t.Errorf("unlocked: %+v", list)
	}
	p.b.delivered(p.pb, p.cb, sent.ID)

	// Another passphrase, and none.
	if err := p.a.SetLock(t.Context(), "wrong", "gate"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if err := p.a.SetLock(t.Context(), "door", "gate"); err != nil {
		t.Fatal(err)
	}
	if err := p.a.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.a.Unlock(t.Context(), "door"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("the old passphrase: %v", err)
	}
	if err := p.a.Unlock(t.Context(), "gate"); err != nil {
		t.Fatal(err)
	}
	alice := p.a.Current()
	if err := errors.Join(alice.SetPassphrase(t.Context(), "", "mine"), alice.SetPassphrase(t.Context(), "mine", "")); err != nil {
		t.Fatal(err)
	}
	if alice.Protection() != vault.CallerKey {
		t.Error("without its passphrase the profile is not under the lock")
	}
	if err := p.a.SetLock(t.Context(), "gate", ""); err != nil {
		t.Fatal(err)
	}
	p.a.shut()
	p.a.reopen()
	if p.a.HasLock() || p.a.Locked() || p.a.Current() == nil || p.a.Current().Protection() != vault.KeyringEntry {
		t.Error("it is still locked")
	}
}

// TestLockInterrupted has the program end before all profiles are under the lock.
func TestLockInterrupted(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	p := c.create("Alice")
	if err := c.SetLock(t.Context(), "", "door"); err != nil {
		t.Fatal(err)
	}
	if err := p.db.Vault().RemovePassphrase(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.shut()
	c.reopen()
	if err := c.Unlock(t.Context(), "door"); err != nil {
		t.Fatal(err)
	}
	if c.Current().Protection() != vault.CallerKey {
		t.Error("the profile is not under the lock")
	}
}

func TestWipe(t *testing.T) {
	relay := newTestRelay(t)
	opt := testOptions(relay)
	ring := &memoryKeyring{entries: map[string][]byte{}}
	opt.Keyring = ring
	c := openTest(t, t.TempDir(), opt)
	alice := c.create("Alice")
	if _, err := c.CreateProfile(t.Context(), NewProfile{Name: "Local", Relays: RelayChoice{Kind: RelaysThisComputer}}); err != nil {
		t.Fatal(err)
	}
	entries := len(ring.entries)
	createHidden(t, c, "Selene", "moon")
	if err := c.SetLock(t.Context(), "", "door"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetWipe(t.Context(), "door"); !errors.Is(err, ErrPassphraseUsed) {
		t.Errorf("the same passphrase for both: %v", err)
	}
	if err := errors.Join(c.SetWipe(t.Context(), "fire"), c.SetWipe(t.Context(), ""), c.Lock(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := c.Unlock(t.Context(), "fire"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("a passphrase that was removed: %v", err)
	}
	if err := errors.Join(c.Unlock(t.Context(), "door"), c.SetWipe(t.Context(), "fire")); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLock(t.Context(), "door", "fire"); !errors.Is(err, ErrPassphraseUsed) {
		t.Errorf("the same passphrase for both: %v", err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "something"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := mustSpares(t, c)
	app, err := readApp(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.Remove(filepath.Join(c.dir, handoverFile)); err != nil {
		t.Fatal(err)
	}
	copyDir(t, c.dir, copied)

	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Unlock(t.Context(), "fire"); err != nil {
		t.Fatal(err)
	}
	if len(c.Profiles()) != 0 || c.Locked() || c.HasLock() || c.Current() != nil {
		t.Error("something is left")
	}
	if _, err := c.OpenHidden(t.Context(), "moon"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("the hidden profile: %v", err)
	}
	files, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); name != appFile && name != instanceFile && name != profilesDir {
			t.Errorf("%s is left", name)
		}
	}
	after, err := os.ReadDir(filepath.Join(c.dir, profilesDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range after {
		for _, id := range append(before, alice.ID()) {
			if e.Name() == id {
				t.Errorf("%s is left", id)
			}
		}
	}
	if fresh, err := readApp(c.dir); err != nil || string(fresh.Salt) == string(app.Salt) {
		t.Errorf("the salt is the old one, %v", err)
	}
	c.create("Bob")
	c.shut()
	c.reopen()
	if list := c.Profiles(); len(list) != 1 || list[0].Name != "Bob" {
		t.Errorf("profiles are %+v", list)
	}
	if entries == 0 {
		t.Error("no key was in the keyring at first")
	}

	// A wipe that was interrupted at its first step is ended by the next start.
	if err := (appState{Wiping: true}).write(copied); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, copied, opt)
	if _, err := again.OpenHidden(t.Context(), "moon"); !errors.Is(err, ErrNoProfile) || len(again.Profiles()) != 0 {
		t.Errorf("after an interrupted wipe: %v", err)
	}
	if _, err := os.Stat(filepath.Join(copied, "something")); !errors.Is(err, os.ErrNotExist) {
		t.Error("something is left")
	}
}

// TestDamagedLock opens folders whose app.json was tampered with.
func TestDamagedLock(t *testing.T) {
	for _, text := range []string{
		`{"profiles":null,"lock":{"key":"AAAA","wipe":"AAAA"}}`,
		`{"profiles":null,"lock":{}}`,
		`{"profiles":null,"salt":"AAAA"}`,
		`{"profiles":null,"leaving":["../../x"]}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, appFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Open(t.Context(), dir, testOptions(nil)); !errors.Is(err, ErrAppFile) {
			t.Errorf("%s: %v", text, err)
			if err == nil {
				c.Close()
			}
		}
	}
	// Of another length in the right form it is a passphrase that nobody knows.
	dir := t.TempDir()
	key, wipe := strings.Repeat("A", lockKeySize/3*4), strings.Repeat("A", 43)+"="
	text := `{"profiles":null,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","lock":{"key":"` + key + `","wipe":"` + wipe + `"}}`
	if err := os.WriteFile(filepath.Join(dir, appFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := openTest(t, dir, testOptions(nil))
	if err := c.Unlock(t.Context(), ""); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("unlocking: %v", err)
	}
}
