package vault

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The tests run their own binary again as a child that is killed.
const (
	childEnv    = "VAULT_TEST_CHILD"
	childDirEnv = "VAULT_TEST_DIR"
)

var children = map[string]func(dir string){
	"wal":        func(dir string) { commitForever(dir, "wal") },
	"hidden":     func(dir string) { commitForever(dir, "wal") },
	"delete":     func(dir string) { commitForever(dir, "delete") },
	"persist":    func(dir string) { commitForever(dir, "persist") },
	"checkpoint": dieBeforeCheckpoint,
}

func childMust(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func childDB(dir string, pragmas ...string) *sql.DB {
	v, err := Open(context.Background(), dir, optionsOf(dir))
	childMust(err)
	c, err := v.Connector(pragmas...)
	childMust(err)
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	return db
}

// commitForever commits transactions and prints the number of each one after it. Every
// transaction n adds rows that are numbered n and changes older ones, so that
// frames are spilled and rewritten and checkpoints happen all the time.
func commitForever(dir, journal string) {
	db := childDB(dir, "journal_mode("+journal+")", "synchronous(full)", "cache_size(12)", "wal_autocheckpoint(40)")
	var n int
	childMust(db.QueryRow("select coalesce(max(n), 0) from t").Scan(&n))
	for {
		n++
		tx, err := db.Begin()
		childMust(err)
		for i := range 1 + n%7 {
			_, err = tx.Exec("insert into t(n, i, x) values (?, ?, randomblob(?))", n, i, n*613%7000)
			childMust(err)
		}
		_, err = tx.Exec("update t set x = randomblob(length(x)) where id % 11 = ? % 11", n)
		childMust(err)
		_, err = tx.Exec("delete from t where n < ? - 60", n)
		childMust(err)
		_, err = tx.Exec("update last set n = ?", n)
		childMust(err)
		childMust(tx.Commit())
		fmt.Println(n)
		if n%8 == 0 {
			_, err = db.Exec("pragma wal_checkpoint(truncate)")
			childMust(err)
		}
	}
}

func startChild(t *testing.T, name, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, childDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// TestKill kills a process in the middle of its commits, again and again on the same
// database. What was acknowledged is there, and nothing of what was not, but for
// the one commit that was under way.
func TestKill(t *testing.T) {
	for journal, rounds := range map[string]int{"wal": 8, "hidden": 8, "delete": 4, "persist": 2} { // only VACUUM INTO has a journal
		t.Run(journal, func(t *testing.T) {
			if testing.Short() {
				rounds = 2
			}
			dir := t.TempDir()
			opt := Options{}
			if journal == "hidden" {
				opt = hiddenOptions(1)
			}
			v := mustCreate(t, dir, opt)
			db := connect(t, v)
			mustExec(t, db, `create table t(id integer primary key, n integer, i integer, x blob);
				create index t_n on t(n); create table last(n); insert into last values (0)`)
			db.Close()
			mustClose(t, v)

			acknowledged := 0
			for range rounds {
				cmd, lines := startChild(t, journal, dir)
				for stop := 1 + mrand.IntN(25); stop > 0 && lines.Scan(); stop-- {
					if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
						t.Fatal("child:", lines.Text())
					}
				}
				cmd.Process.Kill()
				for lines.Scan() { // what it said before it died counts
					fmt.Sscan(lines.Text(), &acknowledged)
				}
				cmd.Wait()
				checkCommits(t, dir, acknowledged)
			}
			t.Logf("%d acknowledged commits in %d rounds", acknowledged, rounds)
		})
	}
}

func checkCommits(t *testing.T, dir string, acknowledged int) {
	t.Helper()
	v := mustOpen(t, dir, optionsOf(dir))
	db := connect(t, v)
	last := scan[int](t, db, "select n from last")
	if last != acknowledged && last != acknowledged+1 {
		t.Fatalf("acknowledged %d, found %d", acknowledged, last)
	}
	for n := max(1, last-60); n <= last; n++ {
		if got := scan[int](t, db, "select count(*) from t where n = ?", n); got != 1+n%7 {
			t.Fatalf("commit %d of %d: %d rows, want %d", n, last, got, 1+n%7)
		}
	}
	if got := scan[string](t, db, "pragma integrity_check"); got != "ok" {
		t.Fatal(got)
	}
	db.Close()
	mustClose(t, v)
}

// dieBeforeCheckpoint leaves a database many of whose pages, the first one included, are
// also in the log. Each commit adds 1 to the version.
func dieBeforeCheckpoint(dir string) {
	db := childDB(dir, "wal_autocheckpoint(0)", "synchronous(off)")
	for n := 1; n <= 40; n++ {
		_, err := db.Exec(fmt.Sprintf(`begin; update t set x = randomblob(3000), n = %d;
			create table t%[1]d(x); pragma user_version = %[1]d; commit`, n))
		childMust(err)
	}
	fmt.Println("ready")
	select {}
}

func TestTorn(t *testing.T) {
	dir := t.TempDir()
	v := mustCreate(t, dir, Options{})
	db := connect(t, v)
	mustExec(t, db, "create table t(id integer primary key, n integer, x blob)")
	for range 10 {
		mustExec(t, db, "insert into t(n, x) values (0, randomblob(3000))")
	}
	db.Close()
	mustClose(t, v)
	cmd, lines := startChild(t, "checkpoint", dir)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatal("child:", lines.Text())
	}
	cmd.Process.Kill()
	cmd.Wait()

	// version opens the copy and returns how many commits it has, all of them whole.
	version := func(t *testing.T, dir string) int {
		t.Helper()
		v := mustOpen(t, dir, Options{})
		db := connect(t, v, "synchronous(off)")
		n := scan[int](t, db, "pragma user_version")
		if got := scan[int](t, db, "select count(*) from t where n = ?", n); got != 10 {
			t.Errorf("version %d: %d rows", n, got)
		}
		if got := scan[string](t, db, "pragma integrity_check"); got != "ok" {
			t.Errorf("version %d: %s", n, got)
		}
		mustExec(t, db, "insert into t(n) values (-1)")
		db.Close()
		mustClose(t, v)
		return n
	}
	patch := func(t *testing.T, path string, change func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	log, err := os.ReadFile(filepath.Join(dir, DatabaseFile+"-wal"))
	if err != nil {
		t.Fatal(err)
	}
	logged := make(map[uint32]uint32) // the pages in the log, which a checkpoint would write
	for off := walHeaderSize; off < len(log); off += frameSize {
		page := binary.BigEndian.Uint32(log[off:])
		logged[page] = page
	}
	if logged[1] != 1 || len(logged) < 10 {
		t.Fatal("logged:", logged)
	}

	t.Run("pages", func(t *testing.T) { // power was lost during a checkpoint
		to := t.TempDir()
		copyDir(t, dir, to)
		patch(t, filepath.Join(to, DatabaseFile), func(b []byte) []byte {
			for _, page := range logged {
				if off := int(page-1) * pageSize; off < len(b) {
					rand.Read(b[off+pageSize/2 : off+pageSize])
				}
			}
			return b
		})
		if n := version(t, to); n != 40 {
			t.Errorf("version %d", n)
		}
	})
	for _, damage := range []struct {
		name   string
		change func(b []byte, at int) []byte
	}{
		{"cut", func(b []byte, at int) []byte { return b[:at] }},
		{"zeros", func(b []byte, at int) []byte { clear(b[at:]); return b }},
		{"noise", func(b []byte, at int) []byte { rand.Read(b[at : at+1+(len(b)-at)/2]); return b }},
		{"bit", func(b []byte, at int) []byte { b[at] ^= 4; return b }},
	} {
		t.Run(damage.name, func(t *testing.T) { // power was lost during a commit
			seen := make(map[int]bool)
			for i := range 25 {
				to := t.TempDir()
				copyDir(t, dir, to)
				at := i * (len(log) - 1) / 24
				patch(t, filepath.Join(to, DatabaseFile+"-wal"), func(b []byte) []byte { return damage.change(b, at) })
				n := version(t, to)
				if max := 40 * at / len(log); n > max+1 {
					t.Errorf("damage at %d of %d: version %d", at, len(log), n)
				}
				seen[n] = true
			}
			if len(seen) < 10 {
				t.Errorf("only %d versions came out", len(seen))
			}
		})
	}
}
