package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	argonDefault = argonParams{passes: 1, memory: 64, lanes: 1}
	if child, ok := children[os.Getenv(childEnv)]; ok {
		child(os.Getenv(childDirEnv))
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// mustCreate makes a vault that is closed at the end of the test.
func mustCreate(t testing.TB, dir string, opt Options) *Vault {
	t.Helper()
	v, err := Create(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, v) })
	return v
}

func mustOpen(t testing.TB, dir string, opt Options) *Vault {
	t.Helper()
	v, err := Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, v) })
	return v
}

func mustClose(t testing.TB, v *Vault) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// connect opens the database with up to four connections.
func connect(t testing.TB, v *Vault, pragmas ...string) *sql.DB {
	t.Helper()
	c, err := v.Connector(append([]string{"busy_timeout(60000)"}, pragmas...)...)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(4)
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t testing.TB, db execer, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), query, args...); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scan[T any](t testing.TB, db execer, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return v
}

// readDir returns the contents of all files in dir.
func readDir(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	return files
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range readDir(t, from) {
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCreateOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20e")
	v, err := Create(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := connect(t, v)
	mustExec(t, db, "create table t(x)")
	mustExec(t, db, "insert into t values ('kept')")
	if got := scan[string](t, db, "pragma journal_mode"); got != "wal" {
		t.Errorf("journal mode %q", got)
	}
	if err := v.Close(); err == nil {
		t.Fatal("closed with open connections")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)
	mustClose(t, v)

	v = mustOpen(t, dir, Options{})
	db = connect(t, v)
	if got := scan[string](t, db, "select x from t"); got != "kept" {
		t.Errorf("got %q", got)
	}
	db.Close()
	for name := range readDir(t, dir) {
		if name != DatabaseFile && name != KeyFile && name != LockFile {
			t.Errorf("unexpected file %s", name)
		}
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v", name, st.Mode(), err)
		}
	}
}

func TestCreateErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
	if len(readDir(t, dir)) != 0 {
		t.Error("open of nothing left files")
	}
	v := mustCreate(t, dir, Options{})
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	mustClose(t, v)
	if _, err := Create(t.Context(), dir, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second create: %v", err)
	}

	// A creation that was interrupted before the key file is repeated.
	if err := os.Remove(filepath.Join(dir, KeyFile)); err != nil {
		t.Fatal(err)
	}
	v = mustCreate(t, dir, Options{})
	db := connect(t, v)
	mustExec(t, db, "create table t(x)")
	db.Close()
	mustClose(t, v)

	// A database with contents is never overwritten.
	if err := os.Remove(filepath.Join(dir, KeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), dir, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a database: %v", err)
	}
}

func TestWrongKey(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	mustClose(t, mustCreate(t, a, Options{}))
	mustClose(t, mustCreate(t, b, Options{}))
	key, err := os.ReadFile(filepath.Join(a, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b, KeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b, Options{}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(filepath.Join(b, DatabaseFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without database: %v", err)
	}
}

// TestManyVaults uses several vaults, with different keys, from several goroutines, and
// looks for what they leave behind.
func TestManyVaults(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 6 {
		dir := t.TempDir()
		wg.Go(func() {
			for round := range 5 {
				if err := useVault(dir, round, fmt.Sprint("vault ", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	registry.RLock()
	defer registry.RUnlock()
	if len(registry.files) != 0 || len(registry.layers) != 0 {
		t.Errorf("left: %d files, %d layers", len(registry.files), len(registry.layers))
	}
}

func useVault(dir string, round int, text string) (err error) {
	open := Open
	if round == 0 {
		open = Create
	}
	v, err := open(context.Background(), dir, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	c, err := v.Connector("busy_timeout(60000)")
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	if _, err := db.Exec("create table if not exists t(id integer primary key, x text)"); err != nil {
		return err
	}
	const writers, rows = 3, 20
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		wg.Go(func() {
			for range rows {
				if _, err := db.Exec("insert into t(x) values (?)", text); err != nil {
					errs[w] = err
					return
				}
				var n int
				if err := db.QueryRow("select count(*) from t where x = ?", text).Scan(&n); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var n int
	if err := db.QueryRow("select count(*) from t where x = ?", text).Scan(&n); err != nil {
		return err
	}
	if want := (round + 1) * writers * rows; n != want {
		return fmt.Errorf("%d rows, want %d", n, want)
	}
	x := v.vfs.indexes
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.byPath) != 1 {
		return fmt.Errorf("%d indexes for one database", len(x.byPath))
	}
	return nil
}

// TestOnlyCiphertext scans what is on disk at every stage of a database's life.
func TestOnlyCiphertext(t *testing.T) {
	dir := t.TempDir()
	v := mustCreate(t, dir, Options{Passphrase: []byte("passphrase-marker")})
	stage := func(name string) {
		t.Helper()
		for file, b := range readDir(t, dir) {
			for _, word := range []string{"SQLite", "marker", "CREATE", "create", "sqlite_"} {
				if bytes.Contains(b, []byte(word)) {
					t.Errorf("%s: %s contains %q", name, file, word)
				}
			}
			if bytes.Contains(b, make([]byte, 16)) {
				t.Errorf("%s: %s contains a run of zeros", name, file)
			}
			if strings.HasSuffix(file, "-shm") {
				t.Errorf("%s: index on disk", name)
			}
		}
	}
	stage("created")
	db := connect(t, v, "cache_size(10)")
	db.SetMaxOpenConns(1)
	mustExec(t, db, `create table marker_table(marker_column text);
		create virtual table marker_search using fts5(marker_text)`)
	stage("tables")
	mustExec(t, db, "begin")
	for i := range 500 {
		mustExec(t, db, "insert into marker_table values (?)", strings.Repeat("row-marker ", i%300))
		mustExec(t, db, "insert into marker_search values ('searched-marker')")
	}
	mustExec(t, db, "insert into marker_table values (zeroblob(100000))")
	stage("spilled")
	mustExec(t, db, "commit")
	stage("committed")
	mustExec(t, db, "create temp table marker_temp as select * from marker_table order by marker_column")
	scan[int](t, db, "select count(*) from (select distinct marker_column from marker_temp order by 1)")
	stage("temporary")
	mustExec(t, db, "pragma wal_checkpoint(truncate)")
	stage("checkpointed")
	mustExec(t, db, "delete from marker_table where rowid % 2")
	mustExec(t, db, "vacuum")
	stage("vacuumed")
	mustExec(t, db, "vacuum into ?", filepath.Join(dir, "copy.db"))
	stage("copied")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	stage("closed")
}

// TestDamage flips one bit in every page and in the log, and cuts the files.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	v := mustCreate(t, dir, Options{})
	db := connect(t, v)
	fill(t, db, 60)
	db.Close()
	mustClose(t, v)
	whole, err := os.ReadFile(filepath.Join(dir, DatabaseFile))
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(name string, b []byte) {
		t.Helper()
		to := t.TempDir()
		copyDir(t, dir, to)
		if err := os.WriteFile(filepath.Join(to, DatabaseFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := readAll(to); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	pages := len(whole) / pageSize
	if pages < 10 {
		t.Fatalf("only %d pages", pages)
	}
	for page := range pages {
		b := bytes.Clone(whole)
		b[page*pageSize+(page*997)%pageSize] ^= 1
		attempt(fmt.Sprintf("bit in page %d", page+1), b)

		b = bytes.Clone(whole)
		other := (page + 1) % pages
		copy(b[page*pageSize:(page+1)*pageSize], whole[other*pageSize:])
		attempt(fmt.Sprintf("page %d in place of %d", other+1, page+1), b)

		b = bytes.Clone(whole)
		clear(b[page*pageSize : (page+1)*pageSize])
		attempt(fmt.Sprintf("page %d zeroed", page+1), b)
	}
	for _, n := range []int{0, 1, 100, pageSize - 1, pageSize, pageSize + 1, len(whole) - pageSize, len(whole) - 1} {
		attempt(fmt.Sprintf("cut to %d", n), whole[:n])
	}
}

// fill makes tables with rows, long values and an index.
func fill(t testing.TB, db *sql.DB, rows int) {
	t.Helper()
	mustExec(t, db, "create table t(id integer primary key, x blob, y text); create index i on t(y)")
	for i := range rows {
		mustExec(t, db, "insert into t(x, y) values (randomblob(?), ?)", i*i%9000, fmt.Sprint("text ", i))
	}
}

// readAll opens the vault in dir and reads every page that is in use.
func readAll(dir string) (err error) {
	v, err := Open(context.Background(), dir, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	c, err := v.Connector()
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	var n int
	if err := db.QueryRow("select sum(length(hex(x)) + length(y)) from t").Scan(&n); err != nil {
		return Explain(err)
	}
	if err := db.QueryRow("select count(*) from t indexed by i where y > ''").Scan(&n); err != nil {
		return Explain(err)
	}
	var result string
	if err := db.QueryRow("pragma integrity_check").Scan(&result); err != nil {
		return Explain(err)
	}
	if result != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, result)
	}
	return nil
}

// TestDamagedLog changes a page in the log under an open connection, which must not
// be taken for the end of the log.
func TestDamagedLog(t *testing.T) {
	dir := t.TempDir()
	v := mustCreate(t, dir, Options{})
	db := connect(t, v, "cache_size(0)", "wal_autocheckpoint(0)")
	fill(t, db, 30)
	path := filepath.Join(dir, DatabaseFile+"-wal")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for off := walHeaderSize + frameHeaderSize; off < len(b); off += frameSize {
		b[off] ^= 1
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	var n int
	err = Explain(db.QueryRow("select sum(length(x)) from t").Scan(&n))
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("read %d: %v", n, err)
	}
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	v := mustCreate(t, dir, Options{})
	db := connect(t, v, "wal_autocheckpoint(0)")
	fill(t, db, 10)
	crashed := filepath.Join(t.TempDir(), "crashed")
	copyDir(t, dir, crashed)
	db.Close()
	mustClose(t, v)
	cleanDir := dir

	for name, dir := range map[string]string{"clean": cleanDir, "crashed": crashed} {
		t.Run(name, func(t *testing.T) {
			before := readDir(t, dir)
			if _, ok := before[DatabaseFile+"-wal"]; ok != (name == "crashed") {
				t.Fatal("log present:", ok)
			}
			v := mustOpen(t, dir, Options{})
			err := v.Inspect(t.Context(), func(c *sql.Conn) error {
				if n := scan[int](t, c, "select count(*) from t"); n != 10 {
					t.Errorf("%d rows", n)
				}
				for _, q := range []string{"insert into t(y) values ('')", "pragma user_version = 7", "pragma query_only = 0; delete from t", "vacuum"} {
					if _, err := c.ExecContext(t.Context(), q); err == nil {
						t.Errorf("%s: succeeded", q)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			mustClose(t, v)
			after := readDir(t, dir)
			if len(before) != len(after) {
				t.Errorf("%d files became %d", len(before), len(after))
			}
			for file, b := range before {
				if !bytes.Equal(b, after[file]) {
					t.Errorf("%s changed", file)
				}
			}
		})
	}
}

func TestVacuumInto(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	v := mustCreate(t, dir, Options{})
	db := connect(t, v)
	fill(t, db, 200)
	mustExec(t, db, "delete from t where id % 3 = 0")
	want := scan[string](t, db, "select count(*) || ' ' || sum(length(x)) from t")
	mustExec(t, db, "vacuum into ?", filepath.Join(to, DatabaseFile))
	key, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, KeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	db2 := connect(t, mustOpen(t, to, Options{}), "journal_mode(wal)")
	if got := scan[string](t, db2, "select count(*) || ' ' || sum(length(x)) from t"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := scan[string](t, db2, "pragma integrity_check"); got != "ok" {
		t.Error(got)
	}
	mustExec(t, db2, "insert into t(y) values ('more')")
	db.Close()
	db2.Close()
}

// TestForeignDatabase checks that the layer refuses what it could not seal.
func TestForeignDatabase(t *testing.T) {
	dir := t.TempDir()
	v := mustCreate(t, dir, Options{})
	db := connect(t, v)
	db.SetMaxOpenConns(1)
	mustExec(t, db, "attach ? as fresh", filepath.Join(dir, "fresh.db"))
	if _, err := db.Exec("create table fresh.t(x)"); err == nil {
		t.Error("wrote a database without reserved bytes")
	}
	mustExec(t, db, "detach fresh")
	mustExec(t, db, "pragma temp_store = file; pragma cache_size = 1; pragma temp.cache_size = 1")
	if _, err := db.Exec(`create temp table big as with recursive n(i) as (select 1 union all select i+1 from n where i<2000)
		select i, randomblob(2000) from n`); err == nil {
		t.Error("wrote a temporary file")
	}
	db.Close()
}

func TestExplain(t *testing.T) {
	if Explain(nil) != nil {
		t.Error("nil became an error")
	}
	other := errors.New("other")
	if Explain(other) != other {
		t.Error("other error changed")
	}
	db := connect(t, mustCreate(t, t.TempDir(), Options{}))
	db.SetMaxOpenConns(1)
	mustExec(t, db, "create table t (x)")
	mustExec(t, db, "pragma max_page_count = 1") // as many as there are, as if the disk were full
	_, err := db.Exec("insert into t values (randomblob(100000))")
	if err = Explain(err); !errors.Is(err, ErrDiskFull) || errors.Is(err, ErrDamaged) || Explain(err) != err {
		t.Errorf("on a full disk: %v", err)
	}
}

func TestSealer(t *testing.T) {
	key := new(databaseKey)
	rand.Read(key[:])
	keys, err := newPageKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	page, sealed := make([]byte, pageSize), make([]byte, pageSize)
	rand.Read(page[:bodySize])
	s := sealer{keys: keys, kind: mainDatabase}
	s.seal(sealed, page, 8192)
	for name, other := range map[string]struct {
		kind fileKind
		off  int64
	}{"place": {mainDatabase, 4096}, "kind": {writeAheadLog, 8192}} {
		o := sealer{keys: keys, kind: other.kind}
		if b := bytes.Clone(sealed); o.open(b, other.off) || !isZero(b) {
			t.Errorf("opened with the wrong %s, or left bytes", name)
		}
	}
	if !s.open(sealed, 8192) || !bytes.Equal(sealed, page) {
		t.Error("does not open")
	}

	words := []byte("0123456789abcdef")
	b := bytes.Clone(words)
	s.encryptWords(b, 40)
	c := bytes.Clone(words)
	s.encryptWords(c, 41)
	if bytes.Equal(b, words) || bytes.Equal(b, c) {
		t.Error("words do not depend on key and place")
	}
	s.decryptWords(b, 40)
	if !bytes.Equal(b, words) {
		t.Error("words do not decrypt")
	}
}
