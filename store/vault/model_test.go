package vault

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// TestModel applies the same random statements to a vault and to plain SQLite and
// compares all contents, over and over.
func TestModel(t *testing.T) {
	for journal, steps := range map[string]int{"wal": 600, "hidden": 600, "delete": 300, "truncate": 200, "persist": 200} {
		t.Run(journal, func(t *testing.T) {
			if testing.Short() {
				steps = 100
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			dir, opt := t.TempDir(), Options{}
			if journal == "hidden" {
				journal, opt = "wal", hiddenOptions(1)
			}
			v := mustCreate(t, dir, opt)
			pragmas := []string{"journal_mode(" + journal + ")", "cache_size(15)", "wal_autocheckpoint(30)", "synchronous(off)"}
			db := connect(t, v, pragmas...)
			db.SetMaxOpenConns(1)
			plain := openPlain(t)
			both := func(query string, args ...any) {
				t.Helper()
				_, errV := db.Exec(query, args...)
				_, errP := plain.Exec(query, args...)
				if errV != nil || errP != nil {
					t.Fatalf("%s: vault %v, plain %v", query, errV, errP)
				}
			}
			both("create table t(id integer primary key, k integer, x blob); create index i on t(k)")
			both("create virtual table s using fts5(body)")
			for step := range steps {
				// SQLite's random functions would differ between the two.
				blob := make([]byte, []int{r.IntN(100), r.IntN(3000), r.IntN(20000)}[r.IntN(3)])
				for i := range blob {
					blob[i] = byte(r.Uint32())
				}
				k := r.IntN(300)
				switch r.IntN(12) {
				case 0, 1, 2:
					both("insert into t(k, x) values (?, ?)", k, blob)
				case 3:
					both("update t set x = ? where k = ?", blob, k)
				case 4:
					both("delete from t where k between ? and ? + 5", k, k)
				case 5:
					both("insert into s values (?)", fmt.Sprint("word", k, " and ", step))
				case 6: // large, so that it spills, and in parts undone
					both("begin")
					for i := range 5 {
						both("savepoint p")
						both("update t set x = zeroblob(length(x) / 2) || ? where k % 7 = ?", blob[:len(blob)/8], i)
						both("insert into t(k, x) values (?, ?)", k+i, blob)
						if r.IntN(2) == 0 {
							both("rollback to p")
						}
						both("release p")
					}
					both([]string{"commit", "rollback"}[r.IntN(2)])
				case 7:
					if r.IntN(8) == 0 {
						both("vacuum")
					}
				case 8:
					both("pragma wal_checkpoint(truncate)")
				case 9:
					both("pragma incremental_vacuum; update t set k = k + 1 where id % 13 = ?", k%13)
				case 10:
					if r.IntN(4) == 0 {
						db.Close()
						mustClose(t, v)
						v = mustOpen(t, dir, opt)
						db = connect(t, v, pragmas...)
						db.SetMaxOpenConns(1)
					}
				case 11:
					if got, want := contents(t, db), contents(t, plain); got != want {
						t.Fatalf("step %d: contents differ", step)
					}
				}
			}
			if got := scan[string](t, db, "pragma integrity_check"); got != "ok" {
				t.Error(got)
			}
			if got, want := contents(t, db), contents(t, plain); got != want {
				t.Error("contents differ at the end")
			}
			db.Close()
		})
	}
}

func openPlain(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "plain.db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func contents(t testing.TB, db *sql.DB) string {
	t.Helper()
	h := sha256.New()
	for _, q := range []string{
		"select id, k, x from t order by id",
		"select id, k, '' from t indexed by i order by k, id",
		"select rowid, 0, body from s order by rowid",
		"select rowid, 0, '' from s where s match 'word1*' order by rowid",
	} {
		rows, err := db.Query(q)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, k int64
			var x []byte
			if err := rows.Scan(&id, &k, &x); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(h, "%d %d %x\n", id, k, x)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return hex.EncodeToString(h.Sum(nil))
}
