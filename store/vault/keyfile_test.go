package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// memoryKeyring is a keyring for tests.
type memoryKeyring struct {
	mu      sync.Mutex
	entries map[string][]byte
	err     error // returned instead of an answer
	hang    bool  // wait for the context instead
}

func newMemoryKeyring() *memoryKeyring { return &memoryKeyring{entries: make(map[string][]byte)} }

func (m *memoryKeyring) ask(ctx context.Context) error {
	if m.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.err
}

func (m *memoryKeyring) Get(ctx context.Context, id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask(ctx); err != nil {
		return nil, err
	}
	secret, ok := m.entries[id]
	if !ok {
		return nil, ErrKeyringEntryMissing
	}
	return bytes.Clone(secret), nil
}

func (m *memoryKeyring) Set(ctx context.Context, id string, secret []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask(ctx); err != nil {
		return err
	}
	m.entries[id] = bytes.Clone(secret)
	return nil
}

func (m *memoryKeyring) Delete(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask(ctx); err != nil {
		return err
	}
	delete(m.entries, id)
	return nil
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	long := []byte(strings.Repeat("\x00\xff long e\u0301", 1000))
	v := mustCreate(t, dir, Options{Passphrase: []byte("first")})
	if got := v.Protection(); got != Passphrase || got.String() != "passphrase" {
		t.Errorf("protection %v", got)
	}
	if err := v.CheckPassphrase([]byte("first")); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][]byte{nil, []byte("First"), []byte("first ")} {
		if err := v.CheckPassphrase(wrong); !errors.Is(err, ErrWrongPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	mustClose(t, v)

	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrPassphraseNeeded) {
		t.Errorf("no passphrase: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{Passphrase: []byte("second")}); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	v = mustOpen(t, dir, Options{Passphrase: []byte("first")})
	if err := v.SetPassphrase(t.Context(), nil); !errors.Is(err, ErrPassphraseNeeded) {
		t.Errorf("empty passphrase: %v", err)
	}
	if err := v.SetPassphrase(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)
	if err := v.SetPassphrase(t.Context(), long); err == nil {
		t.Error("set passphrase of a closed vault")
	}
	if _, err := Open(t.Context(), dir, Options{Passphrase: []byte("first")}); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("old passphrase: %v", err)
	}

	// What an interrupted change left is no obstacle.
	if err := os.WriteFile(filepath.Join(dir, KeyFile+".new"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	v = mustOpen(t, dir, Options{Passphrase: long})
	if err := v.RemovePassphrase(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.Protection(); got != PlainFile || got.String() != "file" {
		t.Errorf("protection %v", got)
	}
	if err := v.CheckPassphrase(long); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("removed passphrase: %v", err)
	}
	mustClose(t, v)
	mustClose(t, mustOpen(t, dir, Options{}))
	if n := len(readDir(t, dir)); n != 3 {
		t.Errorf("%d files", n)
	}
}

func TestKeyring(t *testing.T) {
	dir, ring := t.TempDir(), newMemoryKeyring()
	v := mustCreate(t, dir, Options{Keyring: ring})
	if got := v.Protection(); got != KeyringEntry || got.String() != "keyring" {
		t.Errorf("protection %v", got)
	}
	mustClose(t, v)
	if len(ring.entries) != 1 {
		t.Fatalf("%d entries", len(ring.entries))
	}
	for id := range ring.entries {
		if len(id) != 2*entryIDSize || strings.Contains(id, filepath.Base(dir)) {
			t.Errorf("id %q", id)
		}
	}
	v = mustOpen(t, dir, Options{Keyring: ring})
	if err := v.SetPassphrase(t.Context(), []byte("p")); err != nil {
		t.Fatal(err)
	}
	if len(ring.entries) != 0 {
		t.Error("entry stays after it was replaced by a passphrase")
	}
	if err := v.RemovePassphrase(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)

	open := func(want error) {
		t.Helper()
		ctx := t.Context()
		if ring.hang {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			cancel()
		}
		if _, err := Open(ctx, dir, Options{Keyring: ring}); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	ring.err = errors.New("no bus")
	open(ErrKeyringUnavailable)
	ring.err, ring.hang = nil, true
	open(ErrKeyringUnavailable)
	ring.hang = false
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrKeyringUnavailable) {
		t.Errorf("without a keyring: %v", err)
	}
	for id, secret := range ring.entries {
		ring.entries[id] = secret[1:]
		open(ErrDamaged)
		ring.entries[id] = make([]byte, wrappingKeySize)
		open(ErrDamaged)
		delete(ring.entries, id)
	}
	open(ErrKeyringEntryMissing)
}

func TestKeyringUnavailable(t *testing.T) {
	dir, ring := t.TempDir(), newMemoryKeyring()
	ring.err = ErrKeyringUnavailable
	v := mustCreate(t, dir, Options{Keyring: ring})
	if got := v.Protection(); got != PlainFile {
		t.Errorf("protection %v", got)
	}
	ring.err = nil
	if err := v.RemovePassphrase(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.Protection(); got != KeyringEntry {
		t.Errorf("protection %v after the keyring came back", got)
	}
	mustClose(t, v)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ring.hang = true
	empty := t.TempDir()
	if _, err := Create(ctx, empty, Options{Keyring: ring}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, err := os.Stat(filepath.Join(empty, KeyFile)); err == nil {
		t.Error("canceled creation left a vault")
	}
}

// TestSystemKeyringWithoutBus checks that nothing is started or waited for.
func TestSystemKeyringWithoutBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if keyringReachable() {
		return // the keyring is part of this system; it is not to be touched by a test
	}
	ring := SystemKeyring()
	if _, err := ring.Get(t.Context(), "id"); !errors.Is(err, ErrKeyringUnavailable) {
		t.Error(err)
	}
	if err := ring.Set(t.Context(), "id", nil); !errors.Is(err, ErrKeyringUnavailable) {
		t.Error(err)
	}
	if err := ring.Delete(t.Context(), "id"); !errors.Is(err, ErrKeyringUnavailable) {
		t.Error(err)
	}
}

func TestAskKeyring(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	_, err := askKeyring(ctx, func() (string, error) {
		cancel()
		<-release
		return "", nil
	})
	if !errors.Is(err, ErrKeyringUnavailable) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// resum gives a changed key file the right checksum.
func resum(b []byte) []byte {
	sum := sha256.Sum256(b[:len(b)-checksumSize])
	copy(b[len(b)-checksumSize:], sum[:])
	return b
}

func sampleKeyFiles(t testing.TB) [][]byte {
	var files [][]byte
	for _, opt := range []Options{{Passphrase: []byte("p")}, {Keyring: newMemoryKeyring()}, {}, {Key: make([]byte, KeySize)}} {
		k, err := protect(t.Context(), new(databaseKey), opt)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, k.encode())
	}
	return files
}

func TestParseKeyFile(t *testing.T) {
	for _, b := range sampleKeyFiles(t) {
		k, err := parseKeyFile(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(k.encode(), b) {
			t.Errorf("%v: encodes differently", k.protection)
		}
		for i := range b {
			c := bytes.Clone(b)
			c[i] ^= 0x40
			if _, err := parseKeyFile(c); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewerFormat) {
				t.Errorf("%v: byte %d: %v", k.protection, i, err)
			}
			if _, err := parseKeyFile(b[:i]); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v: cut to %d: %v", k.protection, i, err)
			}
		}
		for _, c := range [][]byte{b[:len(b)-1], append(bytes.Clone(b), 0)} {
			if _, err := parseKeyFile(resum(bytes.Clone(c))); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v: wrong length: %v", k.protection, err)
			}
		}
		c := bytes.Clone(b)
		c[len(keyFileMagic)] = keyFileVersion + 1
		if _, err := parseKeyFile(resum(c)); !errors.Is(err, ErrNewerFormat) {
			t.Errorf("%v: newer version: %v", k.protection, err)
		}
	}
}

func TestHostileCosts(t *testing.T) {
	good := sampleKeyFiles(t)[0]
	const at = len(keyFileMagic) + 2 + saltSize
	for _, p := range []argonParams{
		{0, 64, 1}, {1, 0, 1}, {1, 64, 0}, {1, 7, 1}, {1, 64, 255},
		{1, 1 << 31, 1}, {1 << 31, 64, 1}, {1<<32 - 1, 1<<32 - 1, 255}, {64, 1 << 20, 4}, {1, 1<<20 + 1, 4},
	} {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint32(b[at:], p.passes)
		binary.BigEndian.PutUint32(b[at+4:], p.memory)
		b[at+8] = p.lanes
		if _, err := parseKeyFile(resum(b)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []argonParams{{3, 64 << 10, 4}, {1, 2 << 18, 4}, {4, 1 << 20, 16}} {
		if !p.valid() {
			t.Errorf("%+v refused", p)
		}
	}
}

func FuzzParseKeyFile(f *testing.F) {
	for _, b := range sampleKeyFiles(f) {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > checksumSize {
			b = resum(bytes.Clone(b)) // past the checksum
		}
		k, err := parseKeyFile(b)
		if err != nil {
			return
		}
		if !bytes.Equal(k.encode(), b) {
			t.Error("encodes differently")
		}
		if k.protection == Passphrase && !k.argon.valid() {
			t.Error("costs out of bounds")
		}
	})
}

// TestOldKeyFile looks for the key that was replaced where it lay, which an open file shows. A copy that a backup has by
// another name stays.
func TestOldKeyFile(t *testing.T) {
	for _, linked := range []bool{false, true} {
		dir := t.TempDir()
		v := mustCreate(t, dir, Options{})
		path := filepath.Join(dir, KeyFile)
		old, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if linked {
			if err := os.Link(path, filepath.Join(t.TempDir(), "backup")); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.SetPassphrase(t.Context(), []byte("p")); err != nil {
			t.Fatal(err)
		}
		after, err := io.ReadAll(old)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case linked && !bytes.Equal(after, before):
			t.Error("the backup was overwritten")
		case !linked && (len(after) != len(before) || bytes.Contains(after, before[:8]) || bytes.Contains(after, before[10:26])):
			t.Error("the key is still on the disk")
		}
		mustClose(t, v)
		mustClose(t, mustOpen(t, dir, Options{Passphrase: []byte("p")}))
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	victim := filepath.Join(t.TempDir(), "victim")
	// What an interrupted call has left, and links, lead nowhere.
	if err := errors.Join(os.WriteFile(path+".new", []byte("left"), 0o644), os.WriteFile(victim, []byte("v"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two and more", ""} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		st, statErr := os.Lstat(path)
		if err != nil || statErr != nil || string(b) != text || st.Mode() != 0o600 {
			t.Errorf("%q, %v, %v, %v", b, err, st, statErr)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "v" {
		t.Errorf("the link was followed: %q, %v", b, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("left: %v, %v", list, err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "f"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
}

// TestUnfinishedKeyFile has a crash happen after a new key file was written and before it took its place: with the
// passphrase that was removed the vault still opens, and what would open it without is gone.
func TestUnfinishedKeyFile(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	v := mustCreate(t, dir, Options{Passphrase: []byte("p")})
	copyDir(t, dir, other)
	if err := v.RemovePassphrase(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)
	b, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	left, held := filepath.Join(other, KeyFile+unfinished), filepath.Join(t.TempDir(), "held")
	leave := func() {
		t.Helper()
		if err := errors.Join(os.WriteFile(left, b, 0o600), os.Link(left, held)); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(how string) {
		t.Helper()
		after, err := os.ReadFile(held)
		if err != nil || len(after) != len(b) || bytes.Contains(after, b[10:26]) {
			t.Errorf("%s: the key is still on the disk: %v", how, err)
		}
		if err := os.Remove(held); err != nil {
			t.Error(err)
		}
	}
	leave()
	if _, err := Open(t.Context(), other, Options{Passphrase: []byte("q")}); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("with a wrong passphrase: %v", err)
	}
	mustClose(t, mustOpen(t, other, Options{Passphrase: []byte("p")}))
	gone("opened")
	if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	leave()
	if err := Destroy(t.Context(), other, nil); err != nil {
		t.Error(err)
	}
	gone("destroyed")
}

// TestKeyFileNotWritten keeps the entry of the keyring that the key file in place needs, though writing that has failed in the end, and
// no other.
func TestKeyFileNotWritten(t *testing.T) {
	ring := newMemoryKeyring()
	path := filepath.Join(t.TempDir(), KeyFile)
	fresh := func() *keyFile {
		t.Helper()
		k, err := protect(t.Context(), new(databaseKey), Options{Keyring: ring})
		if err != nil || k.protection != KeyringEntry {
			t.Fatal(k, err)
		}
		return k
	}
	there, same := fresh(), new(keyFile)
	*same = *there
	if err := there.write(t.Context(), path, ring); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+unfinished, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*keyFile{fresh(), same} {
		if err := k.write(t.Context(), path, ring); err == nil {
			t.Fatal("it was written")
		}
	}
	if _, err := ring.Get(t.Context(), there.entry()); err != nil || len(ring.entries) != 1 {
		t.Errorf("%d entries are left, %v", len(ring.entries), err)
	}
	if err := fresh().write(t.Context(), filepath.Join(filepath.Dir(path), "none", KeyFile), ring); err == nil || len(ring.entries) != 1 {
		t.Errorf("%d entries are left, %v", len(ring.entries), err)
	}
}
