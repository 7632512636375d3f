package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/store/vault"
)

// maxStatements is how many prepared statements a connection keeps from one transaction
// to the next. The queries of this package are constants; the bound is for those
// that are put together.
const maxStatements = 256

// conn is a connection with its prepared statements.
type conn struct {
	sql        *sql.Conn
	statements map[string]*sql.Stmt
}

func newConn(c *sql.Conn) *conn { return &conn{sql: c, statements: make(map[string]*sql.Stmt)} }

func (c *conn) close() {
	c.forget()
	c.sql.Close()
}

func (c *conn) forget() {
	for _, s := range c.statements {
		s.Close()
	}
	clear(c.statements)
}

func (c *conn) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.statements[query]; ok {
		return s, nil
	}
	s, err := c.sql.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = s
	return s, nil
}

// exec runs a statement that ends or begins a transaction.
func (c *conn) exec(ctx context.Context, query string) error {
	s, err := c.prepare(ctx, query)
	if err == nil {
		_, err = s.ExecContext(ctx)
	}
	return err
}

// A Tx is a transaction. It is for the function it was passed to and for one goroutine.
// When the context of the transaction is done, a statement that is being run, up to
// its first row, is interrupted, and further ones fail. Rows have to be closed before
// the function returns, and before the same query is run again: there is one prepared
// statement for both.
type Tx struct {
	ctx   context.Context
	conn  *conn
	after []func() // see AfterCommit
}

// Context is the context that the transaction was begun with.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Exec runs one statement that returns no rows. Statements are prepared once and kept:
// values belong into args, not into query.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	s, err := tx.conn.prepare(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(tx.ctx, args...)
}

// Query runs one statement that returns rows.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	s, err := tx.conn.prepare(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(tx.ctx, args...)
}

// QueryRow runs one statement that returns at most one row. Errors come from its Scan,
// [sql.ErrNoRows] if there is no row.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row {
	s, err := tx.conn.prepare(tx.ctx, query)
	if err != nil {
		return tx.conn.sql.QueryRowContext(tx.ctx, query, args...) // a row with the same error
	}
	return s.QueryRowContext(tx.ctx, args...)
}

// Update runs fn in a transaction that can write, and commits it if fn returns nil. If fn
// returns an error or panics, or ctx is done before the commit, nothing is changed. It
// waits for the Update that is running, so fn must not call Update or View.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	return db.transact(ctx, db.writer, "BEGIN IMMEDIATE", fn)
}

// View runs fn in a transaction that can read only. All that fn reads is of one moment.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	return db.transact(ctx, db.reader, "BEGIN", fn)
}

func (db *DB) transact(ctx context.Context, pool chan *conn, begin string, fn func(*Tx) error) (err error) {
	c, err := db.take(ctx, pool)
	if err != nil {
		return err
	}
	defer func() {
		if len(c.statements) > maxStatements {
			c.forget()
		}
		pool <- c
	}()
	// A transaction that is ended because its context is done must be ended nevertheless.
	end := context.WithoutCancel(ctx)
	if err := c.exec(end, begin); err != nil {
		return fmt.Errorf("begin transaction: %w", vault.Explain(err))
	}
	committed := false
	defer func() {
		if !committed { // an error, or fn panics
			c.rollback(end)
		}
	}()
	tx := &Tx{ctx: ctx, conn: c}
	if err := fn(tx); err != nil {
		return vault.Explain(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.exec(end, "COMMIT"); err != nil {
		return fmt.Errorf("commit transaction: %w", vault.Explain(err))
	}
	committed = true
	for _, f := range tx.after {
		f()
	}
	return nil
}

// rollback ends the transaction. SQLite may have rolled it back on its own, after a full
// disk for example, and then says that there is none; there is nothing else it can
// fail with, and in no case is anything committed.
func (c *conn) rollback(ctx context.Context) { _ = c.exec(ctx, "ROLLBACK") }

func (db *DB) take(ctx context.Context, pool chan *conn) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-db.closing: // even if there is a connection
		return nil, ErrClosed
	default:
	}
	select {
	case c := <-pool:
		return c, nil
	case <-db.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Setting returns a value that was stored with SetSetting, nil if there is none.
func (tx *Tx) Setting(name string) ([]byte, error) {
	var value []byte
	err := tx.QueryRow("SELECT value FROM settings WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read setting: %w", err)
	}
	if value == nil {
		value = []byte{} // the driver reads an empty value as nil
	}
	return value, nil
}

// SetSetting stores a value under a name. A nil value removes it.
func (tx *Tx) SetSetting(name string, value []byte) error {
	var err error
	if value == nil {
		_, err = tx.Exec("DELETE FROM settings WHERE name = ?", name)
	} else {
		_, err = tx.Exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	}
	if err != nil {
		return fmt.Errorf("write setting: %w", err)
	}
	return nil
}
