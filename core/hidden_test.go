package core

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/store/vault"
)

func createHidden(t *testing.T, c *testCore, name, passphrase string) *Profile {
	t.Helper()
	p, err := c.CreateProfile(t.Context(), NewProfile{Name: name, Passphrase: passphrase, Hidden: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustOpenHidden(t *testing.T, c *testCore, passphrase string) *Profile {
	t.Helper()
	p, err := c.OpenHidden(t.Context(), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustSpares(t *testing.T, c *testCore) []string {
	t.Helper()
	list, err := c.spares()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestHidden(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := connectedPair(t, opt)
	visible := p.pa
	for _, n := range []NewProfile{{Name: "x", Hidden: true}, {Name: "", Passphrase: "moon", Hidden: true}} {
		if _, err := p.a.CreateProfile(t.Context(), n); err == nil {
			t.Errorf("%+v was made", n)
		}
	}
	p.pa = createHidden(t, p.a, "Selene", "moon")
	id := p.pa.ID()
	if _, err := p.a.CreateProfile(t.Context(), NewProfile{Name: "x", Passphrase: "moon", Hidden: true}); !errors.Is(err, ErrPassphraseUsed) {
		t.Errorf("a second one with the same passphrase: %v", err)
	}
	if list := p.a.Profiles(); len(list) != 2 || list[1].ID != id || !list[1].Hidden || list[1].Current || list[0].Hidden {
		t.Errorf("profiles are %+v", list)
	}
	if err := p.a.Use(id); err != nil {
		t.Fatal(err)
	}
	if p.a.Current() != p.pa {
		t.Error("the hidden profile is not in use")
	}
	p.connect(t)
	p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, "hello").ID)

	// While it is closed there is no sign of it, and it receives nothing.
	if err := p.a.CloseHidden(); err != nil {
		t.Fatal(err)
	}
	if list := p.a.Profiles(); len(list) != 1 || !list[0].Current || p.a.Current() != visible || p.a.Profile(id) != nil {
		t.Errorf("profiles are %+v", list)
	}
	if _, err := p.pa.Contacts(t.Context()); err == nil {
		t.Error("it can still be read")
	}
	for _, err := range []error{p.a.Use(id), p.a.DeleteProfile(t.Context(), id), p.a.LockProfile(id)} {
		if !errors.Is(err, ErrNoProfile) {
			t.Errorf("something with a closed hidden profile: %v", err)
		}
	}
	for _, wrong := range []string{"", "Moon", "moon "} {
		if _, err := p.a.OpenHidden(t.Context(), wrong); !errors.Is(err, ErrNoProfile) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	sent := mustSend(t, p.pb, p.cb, "are you there?")
	p.a.shut()
	p.a.reopen()
	if list := p.a.Profiles(); len(list) != 1 || list[0].Hidden {
		t.Errorf("after a start profiles are %+v", list)
	}
	p.pa = mustOpenHidden(t, p.a, "moon")
	if again := mustOpenHidden(t, p.a, "moon"); again != p.pa || p.pa.ID() != id || p.pa.Name() != "Selene" {
		t.Error("another one was opened")
	}
	p.b.delivered(p.pb, p.cb, sent.ID)

	// Another passphrase.
	if err := p.pa.SetPassphrase(t.Context(), "wrong", "sun"); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if err := p.pa.SetPassphrase(t.Context(), "moon", ""); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("no passphrase: %v", err)
	}
	if err := p.pa.SetPassphrase(t.Context(), "moon", "sun"); err != nil {
		t.Fatal(err)
	}
	if err := p.a.LockProfile(id); err != nil {
		t.Fatal(err)
	}
	if _, err := p.a.OpenHidden(t.Context(), "moon"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("the old passphrase: %v", err)
	}
	p.pa = mustOpenHidden(t, p.a, "sun")

	// Deleted, it becomes a spare as there are others.
	before := mustSpares(t, p.a)
	if err := p.a.DeleteProfile(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := p.a.OpenHidden(t.Context(), "sun"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("a deleted one: %v", err)
	}
	if after := mustSpares(t, p.a); len(after) != len(before) || slices.Contains(after, id) {
		t.Errorf("spares were %v and are %v", before, after)
	}
	item := mustSend(t, p.pb, p.cb, "hello?")
	p.b.wait("the failure", func() bool {
		items := mustHistory(t, p.pb, p.cb)
		i := slices.IndexFunc(items, func(i Item) bool { return i.ID == item.ID })
		return items[i].State == "failed"
	})
}

// TestHide hides a profile and shows it again, with all that is in it.
func TestHide(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	ring := &memoryKeyring{entries: map[string][]byte{}}
	opt.Keyring = ring
	p := connectedPair(t, opt)
	id, entries := p.pa.ID(), len(ring.entries)
	if _, err := p.a.Hide(t.Context(), "x", "moon"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("hiding no profile: %v", err)
	}
	if _, err := p.a.Hide(t.Context(), id, ""); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("without a passphrase: %v", err)
	}
	var err error
	if p.pa, err = p.a.Hide(t.Context(), id, "moon"); err != nil {
		t.Fatal(err)
	}
	if list := p.a.Profiles(); len(list) != 1 || !list[0].Hidden || p.pa.ID() == id {
		t.Errorf("profiles are %+v", list)
	}
	if len(ring.entries) != entries-1 {
		t.Error("its key is still in the keyring")
	}
	if _, err := p.a.Hide(t.Context(), p.pa.ID(), "sun"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("hiding it twice: %v", err)
	}
	p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "one").ID)
	p.a.shut()
	p.a.reopen()
	if list := p.a.Profiles(); len(list) != 0 {
		t.Errorf("profiles are %+v", list)
	}
	p.pa = mustOpenHidden(t, p.a, "moon")
	p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "two").ID)
	if _, err := p.a.Unhide(t.Context(), id, ""); !errors.Is(err, ErrNoProfile) {
		t.Errorf("showing none: %v", err)
	}
	if p.pa, err = p.a.Unhide(t.Context(), p.pa.ID(), "secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.a.Unhide(t.Context(), p.pa.ID(), ""); !errors.Is(err, ErrNoProfile) {
		t.Errorf("showing one that is visible: %v", err)
	}
	if list := p.a.Profiles(); len(list) != 1 || list[0].Hidden || !list[0].Current || p.pa.Protection() != vault.Passphrase {
		t.Errorf("profiles are %+v", list)
	}
	p.b.delivered(p.pb, p.cb, mustSend(t, p.pb, p.cb, "three").ID)
	if texts := received(t, p.pa, p.ca); !slices.Equal(texts, []string{"one", "two", "three"}) {
		t.Errorf("received %q", texts)
	}
	if _, err := p.a.OpenHidden(t.Context(), "moon"); !errors.Is(err, ErrNoProfile) {
		t.Errorf("it is still hidden as well: %v", err)
	}
	p.a.shut()
	p.a.reopen()
	if list := p.a.Profiles(); len(list) != 1 || !list[0].Locked {
		t.Errorf("profiles are %+v", list)
	}
	if _, err := p.a.Hide(t.Context(), p.pa.ID(), "moon"); !errors.Is(err, ErrLocked) {
		t.Errorf("hiding a locked profile: %v", err)
	}
}

// TestHideInterrupted has the program end between the two steps of hiding and of showing.
func TestHideInterrupted(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	p := c.create("Alice")
	other := c.create("Bob")
	key, err := c.hiddenKey([]byte("moon"))
	if err != nil {
		t.Fatal(err)
	}
	p.chat.Close()
	if err := p.db.Hide(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	c.shut()
	c.reopen()
	if list := c.Profiles(); len(list) != 1 || list[0].ID != other.ID() {
		t.Errorf("profiles are %+v", list)
	}
	if p := mustOpenHidden(t, c, "moon"); p.Name() != "Alice" {
		t.Errorf("opened %q", p.Name())
	}
}

// traits is what a look at a folder tells, but for random bytes.
func traits(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	var kept []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		trait := info.Mode().String() + " " + info.ModTime().Format(time.RFC3339Nano)
		if profileID.MatchString(d.Name()) && filepath.Base(filepath.Dir(path)) == "kept" {
			// How many files there are is random, but not what they look like.
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if head := []byte{0x20, 1}; len(b) < 4096 || !bytes.HasPrefix(b, head) {
				t.Errorf("%s has %d bytes, and begins with %x", path, len(b), b[:16])
			}
			kept = append(kept, trait)
			return nil
		} else if !d.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if name != vault.DatabaseFile {
				trait += " " + strings.Repeat("x", len(b)/100)
			} else if len(b)%4096 != 0 {
				t.Errorf("%s has %d bytes", path, len(b))
			}
			if len(b) > 1000 && !looksRandom(b) {
				t.Errorf("%s does not look random", path)
			}
		}
		all[name] = trait
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, trait := range kept {
		if !strings.HasPrefix(all[vault.KeyFile], trait) {
			t.Errorf("a file in %s is %s, the key file %s", dir, trait, all[vault.KeyFile])
		}
	}
	return all
}

// looksRandom tells whether bytes are as evenly distributed as random ones are.
func looksRandom(b []byte) bool {
	var counts [256]float64
	for _, x := range b {
		counts[x]++
	}
	want, chi := float64(len(b))/256, 0.0
	for _, n := range counts {
		chi += (n - want) * (n - want) / want
	}
	return math.Abs(chi-255) < 8*math.Sqrt(2*255) // eight standard deviations
}

// copyDir copies a folder as it is.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestDeniable compares a hidden profile that was used with decoys: after it was closed, and after a crash and
// the next start.
func TestDeniable(t *testing.T) {
	opt := testOptions(newTestRelay(t))
	p := connectedPair(t, opt)
	p.pa = createHidden(t, p.a, "Selene", "moon")
	id := p.pa.ID()
	p.connect(t)
	for range 20 {
		p.a.delivered(p.pa, p.ca, mustSend(t, p.pa, p.ca, strings.Repeat("hello ", 1000)).ID)
	}
	compare := func(when, dir string, list []string) {
		t.Helper()
		if len(list) < 1+minSpares || !slices.Contains(list, id) {
			t.Fatalf("%s spares are %v", when, list)
		}
		want := traits(t, filepath.Join(dir, profilesDir, id))
		for _, other := range list {
			if got := traits(t, filepath.Join(dir, profilesDir, other)); !maps.Equal(got, want) {
				t.Errorf("%s: one spare is %v, another %v", when, got, want)
			}
		}
	}
	// A crash while it is open: the copy is what the disk has then.
	crashed := filepath.Join(t.TempDir(), "crashed")
	if err := os.Remove(filepath.Join(p.a.dir, handoverFile)); err != nil {
		t.Fatal(err) // a socket can't be copied
	}
	copyDir(t, p.a.dir, crashed)
	if err := p.a.CloseHidden(); err != nil {
		t.Fatal(err)
	}
	compare("closed", p.a.dir, mustSpares(t, p.a))
	app, err := os.ReadFile(filepath.Join(p.a.dir, appFile))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(app, []byte(id)) || bytes.Contains(app, []byte("idden")) {
		t.Error("app.json tells of it")
	}
	p.a.shut()
	entries, err := os.ReadDir(p.a.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{appFile, instanceFile, profilesDir}, e.Name()) {
			t.Errorf("the data folder has %s", e.Name())
		}
	}

	c := openTest(t, crashed, testOptions(nil))
	compare("after a crash", crashed, mustSpares(t, c))
	if p := mustOpenHidden(t, c, "moon"); p.ID() != id {
		t.Error("another profile was opened")
	}
}

// TestSpares sees that folders look the same whether profiles are hidden or deleted.
func TestSpares(t *testing.T) {
	c := openTest(t, t.TempDir(), testOptions(nil))
	n := len(mustSpares(t, c))
	if n < minSpares || n > maxSpares {
		t.Errorf("%d spares at the first start", n)
	}
	deleted, hidden := c.create("Deleted"), c.create("Hidden")
	if err := c.DeleteProfile(t.Context(), deleted.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hide(t.Context(), hidden.ID(), "moon"); err != nil {
		t.Fatal(err)
	}
	alike := func(when string) {
		t.Helper()
		var want map[string]string
		for _, id := range mustSpares(t, c) {
			got := traits(t, c.profileDir(id))
			if want != nil && !maps.Equal(got, want) {
				t.Errorf("%s: one spare is %v, another %v", when, got, want)
			}
			want = got
		}
	}
	if err := c.CloseHidden(); err != nil {
		t.Fatal(err)
	}
	alike("closed")
	if err := c.DeleteProfile(t.Context(), mustOpenHidden(t, c, "moon").ID()); err != nil {
		t.Fatal(err)
	}
	alike("deleted")
	p := createHidden(t, c, "Another", "moon")
	if err := c.DeleteProfile(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	alike("deleted again")
	createHidden(t, c, "The last", "moon")
	if got := len(mustSpares(t, c)); got != n+4 {
		t.Errorf("%d spares, want %d", got, n+4)
	}
	c.shut()
	c.reopen()
	if got := len(mustSpares(t, c)); got != n+4 {
		t.Errorf("after a start %d spares, want %d", got, n+4)
	}
	// A folder without all files, as a crash may leave, is no obstacle.
	id := strings.Repeat("0f", 16)
	if err := os.Mkdir(c.profileDir(id), 0o700); err != nil {
		t.Fatal(err)
	}
	c.shut()
	c.reopen()
	mustOpenHidden(t, c, "moon")
}
