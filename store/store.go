// Package store keeps what a profile knows in one encrypted SQLite database.
//
// [Create] and [Open] give a [DB]. All reading happens in [DB.View] and all writing in
// [DB.Update], each of which runs a function in a transaction:
//
//	err := db.Update(ctx, func(tx *store.Tx) error {
//		_, err := tx.Exec("UPDATE message SET read = 1 WHERE chat = ?", chat)
//		return err
//	})
//
// When Update returns nil the change is on disk and survives a crash; when it returns
// an error nothing has changed. One Update runs at a time; Views see the state as it
// was when they began and neither wait for an Update nor hold one up.
//
// The tables are made by the numbered files in the directory migrations, in order, each
// in a transaction of its own. A file that has been released is never changed: what
// comes later is a new file with the next number.
//
// The encryption, and the passphrase, are the matter of package vault beneath.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/sotto-chat/sotto/store/vault"
)

// ErrNewerDatabase says that a newer version of the program has changed the database so
// that this one cannot use it. Nothing has been written.
var ErrNewerDatabase = errors.New("profile was last used by a newer version of Sotto: install that version or a later one")

// ErrClosed says that the DB has been closed.
var ErrClosed = errors.New("store is closed")

// Errors of package vault that [Open] returns; see there.
var (
	ErrInUse               = vault.ErrInUse
	ErrPassphraseNeeded    = vault.ErrPassphraseNeeded
	ErrWrongPassphrase     = vault.ErrWrongPassphrase
	ErrKeyringUnavailable  = vault.ErrKeyringUnavailable
	ErrKeyringEntryMissing = vault.ErrKeyringEntryMissing
	ErrDamaged             = vault.ErrDamaged
	ErrWrongKey            = vault.ErrWrongKey
	ErrNewerFormat         = vault.ErrNewerFormat
	ErrDiskFull            = vault.ErrDiskFull
)

// Options say how the database is protected; see [vault.Options].
type Options = vault.Options

// readers is how many Views run at a time. Each costs a connection with a page cache.
const readers = 4

// pragmas are set on every connection.
var pragmas = []string{
	"busy_timeout(10000)", // milliseconds; only recovery and checkpoints make anyone wait
	"synchronous(full)",   // a commit is on disk when it returns
	"foreign_keys(1)",
	"secure_delete(1)",
	"trusted_schema(0)",
	"cache_size(-4000)",            // KiB
	"journal_size_limit(16777216)", // bytes that the log keeps after a large transaction
}

// A DB is the open database of a profile. Its methods may be called from several goroutines.
type DB struct {
	vault *vault.Vault
	pools []*sql.DB

	// The connections that are not in use. Closing takes them all.
	writer chan *conn
	reader chan *conn

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// Create makes the database of a new profile in the directory dir, which is made if it is
// missing, and opens it. The error is [fs.ErrExist] if there is one already. What a failure
// may leave is a database without tables, which Open completes.
func Create(ctx context.Context, dir string, opt Options) (*DB, error) {
	v, err := vault.Create(ctx, dir, opt)
	if err != nil {
		return nil, fmt.Errorf("create profile: %w", err)
	}
	return openVault(ctx, v, embedded)
}

// Open opens the database of the profile in dir, and brings its tables up to date. The
// error is [fs.ErrNotExist] if there is none, [ErrNewerDatabase], or one of the
// errors of package vault.
func Open(ctx context.Context, dir string, opt Options) (*DB, error) {
	return openWith(ctx, dir, opt, embedded)
}

func openWith(ctx context.Context, dir string, opt Options, files fs.FS) (*DB, error) {
	v, err := vault.Open(ctx, dir, opt)
	if err != nil {
		return nil, fmt.Errorf("open profile: %w", err)
	}
	return openVault(ctx, v, files)
}

// openVault migrates and opens the database in v. It owns v from the call on.
func openVault(ctx context.Context, v *vault.Vault, files fs.FS) (_ *DB, err error) {
	db := &DB{
		vault:   v,
		writer:  make(chan *conn, 1),
		reader:  make(chan *conn, readers),
		closing: make(chan struct{}),
	}
	var opened []*conn
	defer func() {
		if err != nil {
			for _, c := range opened {
				c.close()
			}
			err = fmt.Errorf("open profile: %w", errors.Join(vault.Explain(err), db.closePools(), v.Close()))
		}
	}()

	steps, err := loadMigrations(files)
	if err != nil {
		return nil, err
	}
	// An ordinary connection may write as soon as it is opened, if only to finish
	// what a crash has interrupted, and a newer version may want that otherwise.
	if err := v.Inspect(ctx, func(c *sql.Conn) error { return checkVersion(ctx, c, len(steps)) }); err != nil {
		return nil, err
	}

	connect := func(extra string) (*conn, error) {
		pool, err := db.pool(extra)
		if err != nil {
			return nil, err
		}
		c, err := pool.Conn(ctx)
		if err != nil {
			return nil, err
		}
		opened = append(opened, newConn(c))
		return opened[len(opened)-1], nil
	}
	w, err := connect("journal_mode(wal)")
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, w, steps); err != nil {
		return nil, err
	}
	for range readers {
		r, err := connect("query_only(1)")
		if err != nil {
			return nil, err
		}
		db.reader <- r
	}
	db.writer <- w
	return db, nil
}

// pool makes a pool for one connection. The connection is held for good, which spares
// database/sql's handing out, and keeps its prepared statements.
func (db *DB) pool(pragma string) (*sql.DB, error) {
	connector, err := db.vault.Connector(append(pragmas[:len(pragmas):len(pragmas)], pragma)...)
	if err != nil {
		return nil, err
	}
	p := sql.OpenDB(connector)
	p.SetMaxOpenConns(1)
	db.pools = append(db.pools, p)
	return p, nil
}

func (db *DB) closePools() error {
	var errs []error
	for _, p := range db.pools {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// Close waits for the transactions that are running, closes the database and wipes its
// keys. Transactions that begin later get [ErrClosed].
func (db *DB) Close() error { return db.closeWith(func(*vault.Vault) error { return nil }) }

// Hide closes the database like Close, and makes its vault a hidden one; see [vault.Vault.Hide].
func (db *DB) Hide(ctx context.Context, key []byte) error {
	return db.closeWith(func(v *vault.Vault) error { return v.Hide(ctx, key) })
}

// Show closes the database like Close, and makes its hidden vault one that is not.
func (db *DB) Show(ctx context.Context, opt Options) error {
	return db.closeWith(func(v *vault.Vault) error { return v.Show(ctx, opt) })
}

// closeWith closes the database, and does something to the vault before that is closed.
func (db *DB) closeWith(change func(*vault.Vault) error) error {
	db.closeOnce.Do(func() {
		close(db.closing)
		for range readers {
			(<-db.reader).close()
		}
		// The writer is the last to go, so that it folds the log into the database.
		(<-db.writer).close()
		if db.closeErr = errors.Join(db.closePools(), change(db.vault), db.vault.Close()); db.closeErr != nil {
			db.closeErr = fmt.Errorf("close profile: %w", vault.Explain(db.closeErr))
		}
	})
	return db.closeErr
}

// Vault is the encrypted layer, with the passphrase and its [vault.Protection].
func (db *DB) Vault() *vault.Vault { return db.vault }

// Compact gives the space of deleted rows back to the disk. It rewrites the whole
// database, for which it needs as much free space again, while Updates wait.
func (db *DB) Compact(ctx context.Context) error {
	c, err := db.take(ctx, db.writer)
	if err != nil {
		return err
	}
	defer func() { db.writer <- c }()
	for _, q := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := c.sql.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("compact profile: %w", vault.Explain(err))
		}
	}
	return nil
}
