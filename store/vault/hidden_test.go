package vault

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// optionsOf are the options for the vaults of other tests, which have no passphrase.
func optionsOf(dir string) Options {
	if IsHidden(dir) {
		return hiddenOptions(1)
	}
	return Options{}
}

func hiddenOptions(b byte) Options {
	return Options{Key: bytes.Repeat([]byte{b}, KeySize), Hidden: true}
}

// grow writes rows, more than fit between two checkpoints, and returns how many there are.
func grow(t *testing.T, v *Vault) int {
	t.Helper()
	db := connect(t, v, "journal_mode(wal)", "journal_size_limit(16777216)", "synchronous(off)")
	defer db.Close()
	mustExec(t, db, "create table if not exists t(id integer primary key, x blob)")
	for range 100 {
		mustExec(t, db, "insert into t(x) values (randomblob(20000))")
	}
	if got := scan[string](t, db, "pragma integrity_check"); got != "ok" {
		t.Error(got)
	}
	return scan[int](t, db, "select count(*) from t")
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

func TestHidden(t *testing.T) {
	dir, opt := t.TempDir(), hiddenOptions(1)
	v := mustCreate(t, dir, opt)
	if got := v.Protection(); got != Hidden || got.String() != "hidden" {
		t.Errorf("protection %v", got)
	}
	if n := grow(t, v); n != 100 {
		t.Errorf("%d rows", n)
	}
	mustClose(t, v)
	v = mustOpen(t, dir, opt)
	if n := grow(t, v); n != 200 {
		t.Errorf("%d rows after it was opened again", n)
	}
	if err := v.SetPassphrase(t.Context(), []byte("p")); err == nil {
		t.Error("a passphrase was set")
	}
	if err := v.RemovePassphrase(t.Context()); err == nil {
		t.Error("the key was moved to the directory")
	}
	other := hiddenOptions(2)
	if err := v.SetKey(t.Context(), other.Key); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)
	if _, err := Open(t.Context(), dir, opt); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("the old key: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{Passphrase: []byte("p")}); !errors.Is(err, ErrDamaged) {
		t.Errorf("as a vault: %v", err)
	}
	if Opens(dir, opt.Key) || !Opens(dir, other.Key) || !IsHidden(dir) {
		t.Error("it is not known with its key")
	}

	// Byte by byte it is like a decoy.
	decoy := filepath.Join(t.TempDir(), "decoy")
	if err := MakeDecoy(decoy, 0); err != nil {
		t.Fatal(err)
	}
	if Opens(decoy, other.Key) || !IsHidden(decoy) {
		t.Error("a decoy is known")
	}
	real, fake := readDir(t, dir), readDir(t, decoy)
	if len(real) != len(fake) {
		t.Errorf("%d files, a decoy has %d", len(real), len(fake))
	}
	for name, b := range real {
		f, ok := fake[name]
		switch {
		case !ok:
			t.Errorf("a decoy has no %s", name)
		case name == DatabaseFile:
			if len(b)%pageSize != 0 || len(f)%pageSize != 0 {
				t.Error("the size of a database")
			}
		case len(b) != len(f):
			t.Errorf("%s: %d bytes, of a decoy %d", name, len(b), len(f))
		}
		if len(b) > 1000 && (!looksRandom(b) || !looksRandom(f)) {
			t.Errorf("%s does not look random", name)
		}
	}
	// No part of the log that is at a fixed place stands out either.
	log := real[DatabaseFile+"-wal"]
	var headers []byte
	for off := walHeaderSize; off < len(log); off += frameSize {
		headers = append(headers, log[off:off+frameHeaderSize]...)
	}
	if !looksRandom(headers) {
		t.Error("the headers of frames do not look random")
	}
	if bytes.Equal(log[:4], []byte{0x37, 0x7f, 6, 0x82}) || bytes.Equal(log[:4], []byte{0x37, 0x7f, 6, 0x83}) {
		t.Error("the header of the log is in plaintext")
	}
}

func TestHide(t *testing.T) {
	dir, ring := t.TempDir(), newMemoryKeyring()
	visible, hidden := Options{Keyring: ring}, hiddenOptions(1)
	v := mustCreate(t, dir, visible)
	grow(t, v)
	if err := v.Hide(t.Context(), []byte("short")); err == nil {
		t.Error("hidden with a short key")
	}
	db := connect(t, v, "journal_mode(wal)")
	mustExec(t, db, "insert into t(x) values (1)")
	if err := v.Hide(t.Context(), hidden.Key); err == nil {
		t.Error("hidden with a log that is not in the database")
	}
	db.Close()
	for range 2 {
		if IsHidden(dir) {
			t.Error("it is hidden already")
		}
		if err := v.Hide(t.Context(), hidden.Key); err != nil {
			t.Fatal(err)
		}
		mustClose(t, v)
		if len(ring.entries) != 0 {
			t.Error("the key stays in the keyring")
		}
		v = mustOpen(t, dir, hidden)
		n := grow(t, v)
		db := connect(t, v)
		mustExec(t, db, "begin; insert into t(x) values (1)")
		if err := v.Show(t.Context(), visible); err == nil {
			t.Error("shown while it is being written to")
		}
		db.Close()
		if err := v.Show(t.Context(), visible); err != nil {
			t.Fatal(err)
		}
		mustClose(t, v)
		v = mustOpen(t, dir, visible)
		if got := grow(t, v); got != n+100 {
			t.Errorf("%d rows, want %d", got, n+100)
		}
	}
	mustClose(t, v)
	if len(ring.entries) != 1 {
		t.Error("the key is not in the keyring")
	}
	for _, err := range []error{v.Hide(t.Context(), hidden.Key), v.Show(t.Context(), visible)} {
		if err == nil {
			t.Error("a closed vault was changed")
		}
	}
}

func TestDisguise(t *testing.T) {
	dir, crashed, cut := t.TempDir(), t.TempDir(), t.TempDir()
	v := mustCreate(t, dir, hiddenOptions(1))
	db := connect(t, v, "journal_mode(wal)", "journal_size_limit(16777216)")
	mustExec(t, db, "create table t(x)")
	mustExec(t, db, "insert into t values (randomblob(3000000))") // more than the log has room for
	copyDir(t, dir, crashed)
	mustExec(t, db, "pragma wal_checkpoint(truncate)")
	copyDir(t, dir, cut)
	mustExec(t, db, "update t set x = randomblob(3000000)")
	db.Close()
	mustClose(t, v)
	for _, test := range []struct {
		dir  string
		logs int64 // the size of the log, in those of a decoy's
	}{{dir, 1}, {crashed, 3}, {cut, 1}} {
		at := time.Unix(1700000000, 0)
		for range 2 {
			if err := Disguise(test.dir, at); err != nil {
				t.Fatal(err)
			}
			if got, want := logSize(t, test.dir), walHeaderSize+test.logs*hiddenLogFrames*frameSize; got != want {
				t.Errorf("the log has %d bytes, want %d", got, want)
			}
		}
		for _, name := range []string{".", DatabaseFile, DatabaseFile + "-wal", KeyFile, LockFile} {
			st, err := os.Stat(filepath.Join(test.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !st.ModTime().Equal(at) {
				t.Errorf("%s: %v", name, st.ModTime())
			}
		}
		v = mustOpen(t, test.dir, hiddenOptions(1))
		db = connect(t, v)
		if n := scan[int](t, db, "select length(x) from t"); n != 3000000 {
			t.Errorf("%d bytes", n)
		}
		mustExec(t, db, "insert into t values (1)")
		db.Close()
		mustClose(t, v)
		if got := logSize(t, test.dir); got != hiddenLogSize {
			t.Errorf("the log has %d bytes after all, want %d", got, hiddenLogSize)
		}
		log, err := os.ReadFile(filepath.Join(test.dir, DatabaseFile+"-wal"))
		if err != nil || !looksRandom(log) {
			t.Errorf("the log does not look random: %v", err)
		}
		v = mustOpen(t, test.dir, hiddenOptions(1))
		db = connect(t, v)
		if n := scan[int](t, db, "select count(*) from t"); n != 2 {
			t.Errorf("%d rows", n)
		}
		db.Close()
		mustClose(t, v)
	}
}

func logSize(t *testing.T, dir string) int64 {
	t.Helper()
	st, err := os.Stat(filepath.Join(dir, DatabaseFile+"-wal"))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func TestDestroy(t *testing.T) {
	ring := newMemoryKeyring()
	for _, opt := range []Options{{}, {Passphrase: []byte("p")}, {Keyring: ring}, hiddenOptions(1), {Key: make([]byte, KeySize)}} {
		dir := t.TempDir()
		mustClose(t, mustCreate(t, dir, opt))
		for range 2 {
			if err := Destroy(t.Context(), dir, ring); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(t.Context(), dir, opt); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongPassphrase) {
			t.Errorf("%+v opens after it was destroyed: %v", opt, err)
		}
	}
	if len(ring.entries) != 0 {
		t.Error("the key stays in the keyring")
	}
	if err := Destroy(t.Context(), t.TempDir(), nil); err != nil {
		t.Error(err)
	}
	if err := Disguise(t.TempDir(), time.Now()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestCallerKey(t *testing.T) {
	dir, key := t.TempDir(), bytes.Repeat([]byte{3}, KeySize)
	v := mustCreate(t, dir, Options{})
	if err := v.SetKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if got := v.Protection(); got != CallerKey || got.String() != "key" {
		t.Errorf("protection %v", got)
	}
	if err := v.SetKey(t.Context(), key[1:]); err == nil {
		t.Error("a short key was taken")
	}
	mustClose(t, v)
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrPassphraseNeeded) {
		t.Errorf("without the key: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{Key: make([]byte, KeySize)}); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("with another key: %v", err)
	}
	v = mustOpen(t, dir, Options{Key: key})
	if err := v.RemovePassphrase(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)
	mustClose(t, mustOpen(t, dir, Options{}))
}

func TestLockTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrInUse) {
		t.Errorf("locked twice: %v", err)
	}
	l.Close()
	if l, err = Lock(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
}
