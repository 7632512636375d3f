package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"modernc.org/sqlite"

	"github.com/sotto-chat/sotto/store/vault"
)

// TestMigrationKilled runs the test binary again as a process that dies in a migration.
const (
	crashDirEnv = "STORE_TEST_DIR"
	crashAtEnv  = "STORE_TEST_CRASH_AT"
)

var cancelTest atomic.Pointer[context.CancelFunc]

func TestMain(m *testing.M) {
	// crash_at(n) kills the process if n is the number it was told to die at.
	crashAt := os.Getenv(crashAtEnv)
	sqlite.MustRegisterScalarFunction("crash_at", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if crashAt != "" && fmt.Sprint(args[0]) == crashAt {
			p, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = p.Kill()
			}
			if err != nil {
				return nil, err
			}
			select {}
		}
		return args[0], nil
	})
	// cancel_test() cancels the context of the test that runs.
	sqlite.MustRegisterScalarFunction("cancel_test", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		(*cancelTest.Load())()
		return int64(0), nil
	})
	if dir := os.Getenv(crashDirEnv); dir != "" {
		db, err := openWith(context.Background(), dir, Options{}, crashMigrations())
		if err == nil {
			err = db.Close()
		}
		fmt.Println("survived:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func mustCreate(t testing.TB, dir string) *DB {
	t.Helper()
	db, err := Create(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, db) })
	return db
}

// emptyVault returns the folder of a database to which no migration was applied.
func emptyVault(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	v, err := vault.Create(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustOpen(t testing.TB, dir string, files fs.FS) *DB {
	t.Helper()
	db, err := openWith(t.Context(), dir, Options{}, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, db) })
	return db
}

func mustClose(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// query returns the only value of a query.
func query[T any](t testing.TB, db *DB, q string, args ...any) (v T) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *Tx) error { return tx.QueryRow(q, args...).Scan(&v) }); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return v
}

func set(t testing.TB, db *DB, name, value string) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.SetSetting(name, []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, db *DB, name string) string {
	t.Helper()
	var value []byte
	if err := db.View(t.Context(), func(tx *Tx) (err error) { value, err = tx.Setting(name); return err }); err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func readDir(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	for name, b := range readDir(t, from) {
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestCreateOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "profile")
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	db, err := Create(t.Context(), dir, Options{Passphrase: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	set(t, db, "name", "value")
	if _, err := Open(t.Context(), dir, Options{Passphrase: []byte("p")}); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1", "temp_store": "2", "page_size": "4096",
	} {
		if got := query[string](t, db, "pragma "+pragma); got != want {
			t.Errorf("%s = %s, want %s", pragma, got, want)
		}
		err := db.Update(t.Context(), func(tx *Tx) error {
			var got string
			if err := tx.QueryRow("pragma " + pragma).Scan(&got); err != nil || got != want {
				return fmt.Errorf("%s = %s, want %s, %v", pragma, got, want, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if db.Vault().Protection() != vault.Passphrase {
		t.Error("protection", db.Vault().Protection())
	}
	mustClose(t, db)
	mustClose(t, db)
	if err := db.View(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("view after close: %v", err)
	}
	if err := db.Compact(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("compact after close: %v", err)
	}
	if _, err := Create(t.Context(), dir, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second create: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrPassphraseNeeded) {
		t.Errorf("without passphrase: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{Passphrase: []byte("q")}); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	db, err = Open(t.Context(), dir, Options{Passphrase: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, db, "name"); got != "value" {
		t.Errorf("got %q", got)
	}
	mustClose(t, db)
}

func TestSettings(t *testing.T) {
	db := mustCreate(t, t.TempDir())
	set(t, db, "a", "1")
	set(t, db, "a", "2")
	set(t, db, "empty", "")
	err := db.Update(t.Context(), func(tx *Tx) error {
		for name, want := range map[string][]byte{"a": []byte("2"), "empty": {}, "none": nil} {
			got, err := tx.Setting(name)
			if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		return tx.SetSetting("a", nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, db, "a"); got != "" {
		t.Errorf("removed, but %q", got)
	}
}

func TestRollback(t *testing.T) {
	db := mustCreate(t, t.TempDir())
	set(t, db, "a", "before")
	change := func(tx *Tx) {
		if err := tx.SetSetting("a", []byte("after")); err != nil {
			t.Error(err)
		}
	}
	wrong := errors.New("wrong")
	if err := db.Update(t.Context(), func(tx *Tx) error { change(tx); return wrong }); err != wrong {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() {
			if recover() != wrong {
				t.Error("panic is gone")
			}
		}()
		db.Update(t.Context(), func(tx *Tx) error { change(tx); panic(wrong) })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	if err := db.Update(ctx, func(tx *Tx) error { change(tx); cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := db.Update(ctx, func(tx *Tx) error { change(tx); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v", err)
	}
	if err := db.View(t.Context(), func(tx *Tx) error { return tx.SetSetting("a", nil) }); err == nil {
		t.Error("a View has written")
	}
	if err := db.Update(t.Context(), func(tx *Tx) error {
		change(tx)
		_, err := tx.Exec("INSERT INTO no_table VALUES (1)")
		return err
	}); err == nil {
		t.Error("no error")
	}
	if got := get(t, db, "a"); got != "before" {
		t.Errorf("a = %q", got)
	}
	set(t, db, "a", "works again")
}

// TestInterrupt cancels statements that would run for ages, while they run.
func TestInterrupt(t *testing.T) {
	db := mustCreate(t, t.TempDir())
	const forever = "WITH RECURSIVE n(i) AS (SELECT cancel_test() UNION ALL SELECT i FROM n) SELECT count(*) FROM n"
	for name, transact := range map[string]func(context.Context, func(*Tx) error) error{"update": db.Update, "view": db.View} {
		t.Run(name, func(t *testing.T) {
			for range 3 * readers { // with every connection more than once
				ctx, cancel := context.WithCancel(t.Context())
				cancelTest.Store(&cancel)
				err := transact(ctx, func(tx *Tx) error { return tx.QueryRow(forever).Scan(new(int)) })
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}
			if err := transact(t.Context(), func(tx *Tx) error { _, err := tx.Setting("a"); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelTest.Store(&cancel)
	err := db.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO settings SELECT 'n', * FROM (" + forever + ")")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("insert: %v", err)
	}
	set(t, db, "a", "works again")
}

// TestSnapshot holds Views open while Updates go on.
func TestSnapshot(t *testing.T) {
	db := mustCreate(t, t.TempDir())
	set(t, db, "n", "0")
	err := db.View(t.Context(), func(old *Tx) error {
		if v, err := old.Setting("n"); err != nil || string(v) != "0" {
			t.Errorf("%q, %v", v, err)
		}
		set(t, db, "n", "1")
		if got := get(t, db, "n"); got != "1" {
			t.Errorf("another View sees %q", got)
		}
		v, err := old.Setting("n")
		if string(v) != "0" {
			t.Errorf("changed within a View: %q", v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConcurrent(t *testing.T) {
	db := mustCreate(t, t.TempDir())
	set(t, db, "a", "0")
	set(t, db, "b", "0")
	const writers, each = 4, 50
	number := func(tx *Tx, name string) int {
		v, err := tx.Setting(name)
		if err != nil {
			t.Error(err)
		}
		n, err := strconv.Atoi(string(v))
		if err != nil {
			t.Error(err)
		}
		return n
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := db.Update(t.Context(), func(tx *Tx) error {
					n := []byte(strconv.Itoa(number(tx, "a") + 1))
					return errors.Join(tx.SetSetting("a", n), tx.SetSetting("b", n))
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 * readers {
		wg.Go(func() {
			for range each {
				if err := db.View(t.Context(), func(tx *Tx) error {
					if a, b := number(tx, "a"), number(tx, "b"); a != b {
						return fmt.Errorf("a = %d, b = %d", a, b)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := get(t, db, "a"); got != strconv.Itoa(writers*each) {
		t.Errorf("a = %s", got)
	}
}

// TestCloseWaits closes while transactions run and others wait.
func TestCloseWaits(t *testing.T) {
	dir := t.TempDir()
	db := mustCreate(t, dir)
	var wg sync.WaitGroup
	running, finish := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		err := db.Update(t.Context(), func(tx *Tx) error {
			close(running)
			<-finish
			return tx.SetSetting("a", []byte("kept"))
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-running
	wg.Go(func() {
		if err := db.Update(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("waiting update: %v", err)
		}
	})
	wg.Go(func() { mustCloseAsync(t, db) })
	<-db.closing
	close(finish)
	wg.Wait()
	db = mustOpen(t, dir, embedded)
	if got := get(t, db, "a"); got != "kept" {
		t.Errorf("a = %q", got)
	}
}

func mustCloseAsync(t *testing.T, db *DB) {
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestManyStatements(t *testing.T) {
	db := mustCreate(t, t.TempDir())
	err := db.Update(t.Context(), func(tx *Tx) error {
		for i := range 3 * maxStatements {
			var got int
			if err := tx.QueryRow(fmt.Sprintf("SELECT ? + %d", i), 1).Scan(&got); err != nil || got != i+1 {
				return fmt.Errorf("%d: %d, %w", i, got, err)
			}
		}
		if err := tx.QueryRow("SELECT nonsense FROM nothing").Scan(new(int)); err == nil {
			return errors.New("no error from nonsense")
		}
		if _, err := tx.Query("nonsense"); err == nil {
			return errors.New("no error from nonsense")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error {
		if n := len(tx.conn.statements); n > maxStatements {
			return fmt.Errorf("%d statements kept", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	db := mustCreate(t, dir)
	set(t, db, "a", string(make([]byte, 100_000)))
	mustClose(t, db)
	path := filepath.Join(dir, vault.DatabaseFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b); i += 4096 {
		b[i] ^= 1
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err = Open(t.Context(), dir, Options{})
	if err == nil {
		err = db.View(t.Context(), func(tx *Tx) error { _, err := tx.Setting("a"); return err })
		mustClose(t, db)
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestCompact(t *testing.T) {
	dir := t.TempDir()
	db := mustCreate(t, dir)
	set(t, db, "big", string(make([]byte, 5_000_000)))
	set(t, db, "small", "kept")
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.SetSetting("big", nil) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, b := range readDir(t, dir) {
		if len(b) > 1_000_000 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	if got := get(t, db, "small"); got != "kept" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkUpdate(b *testing.B) {
	db := mustCreate(b, b.TempDir())
	for n := 0; b.Loop(); n++ { // SQLite does not write a value that stays the same
		if err := db.Update(b.Context(), func(tx *Tx) error { return tx.SetSetting("a", []byte(strconv.Itoa(n))) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkView(b *testing.B) {
	db := mustCreate(b, b.TempDir())
	set(b, db, "a", "value")
	for b.Loop() {
		if err := db.View(b.Context(), func(tx *Tx) error { _, err := tx.Setting("a"); return err }); err != nil {
			b.Fatal(err)
		}
	}
}
