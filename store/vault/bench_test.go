package vault

import (
	"crypto/rand"
	"database/sql"
	"testing"
)

// The benchmarks run on a vault and on plain SQLite with the same settings.
func benchBoth(b *testing.B, bench func(b *testing.B, db *sql.DB)) {
	b.Run("vault", func(b *testing.B) {
		db := connect(b, mustCreate(b, b.TempDir(), Options{}), "journal_mode(wal)")
		db.SetMaxOpenConns(1)
		bench(b, db)
		db.Close()
	})
	b.Run("plain", func(b *testing.B) { bench(b, openPlain(b)) })
}

func BenchmarkAutocommit(b *testing.B) {
	benchBoth(b, func(b *testing.B, db *sql.DB) {
		mustExec(b, db, "create table t(id integer primary key, x blob)")
		x := make([]byte, 300)
		rand.Read(x)
		for b.Loop() {
			mustExec(b, db, "insert into t(x) values (?)", x)
		}
	})
}

func BenchmarkBatchInsert(b *testing.B) {
	benchBoth(b, func(b *testing.B, db *sql.DB) {
		mustExec(b, db, "create table t(id integer primary key, x blob)")
		x := make([]byte, 300)
		rand.Read(x)
		b.SetBytes(1000 * 300)
		for b.Loop() {
			tx, err := db.Begin()
			if err != nil {
				b.Fatal(err)
			}
			for range 1000 {
				mustExec(b, tx, "insert into t(x) values (?)", x)
			}
			if err := tx.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRandomRead(b *testing.B) {
	benchBoth(b, func(b *testing.B, db *sql.DB) {
		mustExec(b, db, "create table t(id integer primary key, x blob)")
		mustExec(b, db, `with recursive n(i) as (select 1 union all select i+1 from n where i<20000)
			insert into t select i, randomblob(1000) from n`)
		mustExec(b, db, "pragma wal_checkpoint(truncate)")
		mustExec(b, db, "pragma cache_size = 100") // so that pages come from disk
		id := 0
		for b.Loop() {
			id = (id*7 + 12345) % 20000
			scan[[]byte](b, db, "select x from t where id = ?", id+1)
		}
	})
}

func BenchmarkPage(b *testing.B) {
	keys, err := newPageKeys(new(databaseKey))
	if err != nil {
		b.Fatal(err)
	}
	s := sealer{keys: keys, kind: mainDatabase}
	page, sealed := make([]byte, pageSize), make([]byte, pageSize)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(pageSize)
		b.ReportAllocs()
		for b.Loop() {
			s.seal(sealed, page, 4096)
		}
	})
	b.Run("open", func(b *testing.B) {
		b.SetBytes(pageSize)
		b.ReportAllocs()
		for b.Loop() {
			copy(page, sealed)
			if !s.open(page, 4096) {
				b.Fatal("does not open")
			}
		}
	})
}
