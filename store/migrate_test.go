package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/sotto-chat/sotto/store/vault"
)

func TestEmbeddedMigrations(t *testing.T) {
	steps, err := loadMigrations(embedded)
	if err != nil {
		t.Fatal(err)
	}
	db := mustCreate(t, t.TempDir())
	if got := query[int](t, db, "pragma user_version"); got != len(steps) || got == 0 {
		t.Errorf("version %d of %d", got, len(steps))
	}
	if got := query[int](t, db, "select count(*) from pragma_foreign_key_check"); got != 0 {
		t.Errorf("%d foreign keys lead nowhere", got)
	}
}

func migrations(scripts ...string) fstest.MapFS {
	files := make(fstest.MapFS)
	for i, s := range scripts {
		files[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(s)}
	}
	return files
}

func TestLoadMigrations(t *testing.T) {
	for _, names := range [][]string{
		{"0002_a.sql"}, {"0001_a.sql", "0003_b.sql"}, {"0001_a.sql", "0001_b.sql"}, {"1_a.sql"}, {"0001_A.sql"}, {"0001_a.txt"}, {"0000_a.sql"},
	} {
		files := make(fstest.MapFS)
		for _, n := range names {
			files["migrations/"+n] = new(fstest.MapFile)
		}
		if _, err := loadMigrations(files); err == nil {
			t.Errorf("%v: no error", names)
		}
	}
}

func TestMigrate(t *testing.T) {
	dir := emptyVault(t)
	scripts := []string{"create table t(x); insert into t values (1)", "alter table t add column y; update t set y = x + 1"}
	db := mustOpen(t, dir, migrations(scripts[:1]...))
	mustClose(t, db)
	db = mustOpen(t, dir, migrations(scripts...))
	if got := query[int](t, db, "select y from t"); got != 2 {
		t.Errorf("y = %d", got)
	}
	mustClose(t, db)

	// A migration that fails leaves nothing of itself, and what came before it stays.
	bad := append(slices.Clone(scripts), "create table u(x)", "create table v(x); insert into u values (1); insert into nowhere values (1)")
	if _, err := openWith(t.Context(), dir, Options{}, migrations(bad...)); err == nil {
		t.Fatal("no error")
	}
	db = mustOpen(t, dir, migrations(bad[:3]...))
	if got := query[string](t, db, "select group_concat(name) || (select count(*) from u) from sqlite_schema"); got != "t,u0" {
		t.Errorf("tables %s", got)
	}
}

func TestNewerDatabase(t *testing.T) {
	dir := emptyVault(t)
	db := mustOpen(t, dir, migrations("create table t(x)", "create table u(x)"))
	crashed := copyDir(t, dir) // with everything still in the log
	mustClose(t, db)
	for name, dir := range map[string]string{"clean": dir, "crashed": crashed} {
		t.Run(name, func(t *testing.T) {
			before := readDir(t, dir)
			if _, ok := before[vault.DatabaseFile+"-wal"]; ok != (name == "crashed") {
				t.Fatal("log present:", ok)
			}
			for range 2 {
				if _, err := openWith(t.Context(), dir, Options{}, migrations("create table t(x)")); !errors.Is(err, ErrNewerDatabase) {
					t.Fatalf("got %v", err)
				}
			}
			after := readDir(t, dir)
			if len(after) != len(before) {
				t.Errorf("%d files became %d", len(before), len(after))
			}
			for name := range before {
				if !bytes.Equal(before[name], after[name]) {
					t.Errorf("%s has changed", name)
				}
			}
			mustClose(t, mustOpen(t, dir, migrations("create table t(x)", "create table u(x)")))
		})
	}
}

// crashMigrations can be interrupted, by crash_at, at 9 places of 3 migrations.
func crashMigrations() fs.FS {
	var scripts []string
	for step := range 3 {
		scripts = append(scripts, fmt.Sprintf(`
			create table t%[1]d(n integer, x blob);
			select crash_at(%[2]d);
			with recursive n(i) as (select 1 union all select i+1 from n where i < 3000)
			insert into t%[1]d select case when i = 2000 then crash_at(%[2]d + 1) else i end, randomblob(1500) from n;
			select crash_at(%[2]d + 2)`, step+1, step*3))
	}
	return migrations(scripts...)
}

func TestMigrationKilled(t *testing.T) {
	dir := emptyVault(t)
	for at := range 9 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDirEnv+"="+dir, crashAtEnv+"="+strconv.Itoa(at))
		if out, err := cmd.CombinedOutput(); err == nil || bytes.Contains(out, []byte("survived")) {
			t.Fatalf("crash %d: %v, %s", at, err, out)
		}
		v, err := vault.Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = v.Inspect(t.Context(), func(c *sql.Conn) error {
			version, err := readVersion(t.Context(), c)
			if err != nil {
				return err
			}
			var tables int
			if err := c.QueryRowContext(t.Context(), "select count(*) from sqlite_schema").Scan(&tables); err != nil {
				return err
			}
			if version != at/3 || tables != version {
				t.Errorf("crash %d: version %d with %d tables", at, version, tables)
			}
			return nil
		})
		if err := errors.Join(err, v.Close()); err != nil {
			t.Fatal(err)
		}
	}
	db := mustOpen(t, dir, crashMigrations())
	for _, table := range []string{"t1", "t2", "t3"} {
		if got := query[int](t, db, "select count(*) from "+table); got != 3000 {
			t.Errorf("%s has %d rows", table, got)
		}
	}
	if got := query[string](t, db, "pragma integrity_check"); got != "ok" {
		t.Error(got)
	}
}
