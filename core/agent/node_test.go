package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// node is an agent with an application that keeps a record of all that happens in the database of the
// agent, in the same transactions: so it knows exactly what a program would know after a crash.
type node struct {
	*Agent
	t         testing.TB
	name      string
	dir       string // of the database
	db        *store.DB
	network   smp.Config
	retry     Retry
	now       func() time.Time // nil for time.Now
	choose    func(used, tried []wire.Server) (Relay, error)
	isolate   func() bool
	configure func(c *Config) // changes what it starts with, if it is not nil
	crash     func()          // called before and after each commit of the agent, in tests of crashes
	refuse    atomic.Bool     // messages, as if the disk were full
	fail      atomic.Bool     // at messages, as a mistake in the program would
	changed   chan struct{}   // holds one when there is a new record

	storeMu sync.Mutex
	stored  []error
}

// wait waits until a condition on the records is true.
func (n *node) wait(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-n.changed:
		case <-deadline.C:
			n.t.Fatalf("%s: waited for %s in vain", n.name, what)
		}
	}
}

func (n *node) open(create bool) (*store.DB, error) {
	if create {
		return createStore(context.Background(), n.dir)
	}
	return store.Open(context.Background(), n.dir, store.Options{})
}

// start opens the database, or makes it, and runs an agent.
func (n *node) start(create bool) error {
	db, err := n.open(create)
	if err != nil {
		return err
	}
	n.db, n.changed = db, make(chan struct{}, 1)
	err = db.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(`CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, connection INTEGER NOT NULL,
			kind TEXT NOT NULL, text TEXT NOT NULL, number INTEGER NOT NULL) STRICT`)
		return err
	})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	now := n.now
	if now == nil {
		now = time.Now
	}
	c := Config{DB: db, Handler: n, Rand: rand.Reader, Now: now, PQ: true, Network: n.network, Choose: n.choose, Isolate: n.isolate, RetrySend: n.retry}
	if n.configure != nil {
		n.configure(&c)
	}
	n.Agent = New(c)
	n.Agent.crash = n.crash
	return n.Start(context.Background())
}

func (n *node) stop() {
	n.Agent.Close()
	if err := n.db.Close(); err != nil {
		n.t.Error(err)
	}
	released()
}

// released waits until no process that another test is just starting has our files and sockets open any more: it
// would keep a lock, or a port, that was given up here.
func released() {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
}

func (n *node) restart() {
	n.t.Helper()
	n.stop()
	if err := n.start(false); err != nil {
		n.t.Fatal(err)
	}
}

// backup copies the database, and restore puts the copy back.
func (n *node) backup() {
	n.t.Helper()
	n.stop()
	copyTo := filepath.Join(filepath.Dir(n.dir), "backup")
	if err := errors.Join(os.RemoveAll(copyTo), os.CopyFS(copyTo, os.DirFS(n.dir)), n.start(false)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) restore() {
	n.t.Helper()
	n.stop()
	copyOf := filepath.Join(filepath.Dir(n.dir), "backup")
	if err := errors.Join(os.RemoveAll(n.dir), os.CopyFS(n.dir, os.DirFS(copyOf)), n.start(false)); err != nil {
		n.t.Fatal(err)
	}
}

// record is a line of what happened.
type record struct {
	connection int64
	kind       string
	text       string
	number     int64
}

func (n *node) record(tx *store.Tx, connection int64, kind, text string, number int64) error {
	changed := n.changed
	tx.AfterCommit(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	_, err := tx.Exec(`INSERT INTO record (connection, kind, text, number) VALUES (?, ?, ?, ?)`, connection, kind, text, number)
	return err
}

// records returns what happened with a connection.
func (n *node) records(connection int64) []record {
	n.t.Helper()
	list, err := n.list(connection)
	if err != nil {
		n.t.Fatal(err)
	}
	return list
}

func (n *node) list(connection int64) (list []record, err error) {
	err = n.db.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT connection, kind, text, number FROM record WHERE connection = ? ORDER BY id`, connection)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r record
			if err := rows.Scan(&r.connection, &r.kind, &r.text, &r.number); err != nil {
				return err
			}
			list = append(list, r)
		}
		return rows.Err()
	})
	return list, err
}

// texts returns those of the records of a kind.
func (n *node) texts(connection int64, kind string) (list []string) {
	n.t.Helper()
	for _, r := range n.records(connection) {
		if r.kind == kind {
			list = append(list, r.text)
		}
	}
	return list
}

func (n *node) connection(id int64) (c *store.Connection) {
	n.t.Helper()
	err := n.db.View(context.Background(), func(tx *store.Tx) (err error) {
		c, err = tx.Connection(id)
		return err
	})
	if err != nil {
		n.t.Fatal(n.name, err)
	}
	return c
}

// waiting tells how many messages are still to be sent.
func (n *node) waiting() (count int) {
	n.t.Helper()
	err := n.db.View(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM outgoing`).Scan(&count)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return count
}

// receiveQueues returns the queues that a connection receives from.
func (n *node) receiveQueues(connection int64) (queues []*store.ReceiveQueue) {
	n.t.Helper()
	err := n.db.View(context.Background(), func(tx *store.Tx) (err error) {
		queues, err = tx.ReceiveQueuesOf(connection)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return queues
}

// write sends a text; the error is that of Send.
func (n *node) write(connection int64, text string) error {
	return n.commit(context.Background(), func(tx *store.Tx) error {
		res, err := tx.Exec(`INSERT INTO record (connection, kind, text, number) VALUES (?, 'written', ?, 0)`, connection, text)
		if err != nil {
			return err
		}
		reference, err := res.LastInsertId()
		if err != nil {
			return err
		}
		return n.Send(tx, connection, reference, []byte(text), true)
	})
}

var errFullDisk = errors.New("the disk is full")

func (n *node) Request(tx *store.Tx, address, request int64, info []byte) error {
	return n.record(tx, address, "request", string(info), request)
}
func (n *node) Confirm(tx *store.Tx, connection int64, info []byte) ([]byte, error) {
	return []byte(n.name), n.record(tx, connection, "confirm", string(info), 0)
}
func (n *node) Info(tx *store.Tx, connection int64, info []byte) error {
	return n.record(tx, connection, "info", string(info), 0)
}
func (n *node) Connected(tx *store.Tx, connection int64) error {
	return n.record(tx, connection, "connected", "", 0)
}
func (n *node) Failed(tx *store.Tx, connection int64, reason error) error {
	return n.record(tx, connection, "failed", reason.Error(), 0)
}
func (n *node) Message(tx *store.Tx, connection int64, m Message) (bool, error) {
	if n.fail.Load() {
		panic("a mistake")
	}
	if n.refuse.Load() {
		return false, errFullDisk
	}
	if m.Integrity != IntegrityOK {
		if err := n.record(tx, connection, "problem", m.Integrity.String(), m.Missing); err != nil {
			return false, err
		}
	}
	return true, n.record(tx, connection, "message", string(m.Body), m.Number)
}
func (n *node) Unreadable(tx *store.Tx, connection int64, at time.Time, reason error) error {
	return n.record(tx, connection, "problem", reason.Error(), 0)
}
func (n *node) Sync(tx *store.Tx, connection int64, from, to SyncState) error {
	return n.record(tx, connection, "sync", string(to), 0)
}
func (n *node) Moved(tx *store.Tx, connection int64, mine bool) error {
	return n.record(tx, connection, "moved", fmt.Sprint(mine), 0)
}
func (n *node) Elsewhere(tx *store.Tx, connection int64, elsewhere bool) error {
	return n.record(tx, connection, "elsewhere", fmt.Sprint(elsewhere), 0)
}
func (n *node) Held(tx *store.Tx, connection int64, relay *wire.Server) error {
	host := ""
	if relay != nil {
		host = relay.Hosts[0]
	}
	return n.record(tx, connection, "held", host, 0)
}
func (n *node) Sent(tx *store.Tx, connection, reference int64) error {
	return n.record(tx, connection, "sent", "", reference)
}
func (n *node) Delivered(tx *store.Tx, connection, reference int64) error {
	return n.record(tx, connection, "delivered", "", reference)
}
func (n *node) NotSent(tx *store.Tx, connection, reference int64, reason error) error {
	return n.record(tx, connection, "not sent", reason.Error(), reference)
}
func (n *node) RelayState(server wire.Server, up bool, reason error) {}
func (n *node) StoreState(reason error) {
	n.storeMu.Lock()
	defer n.storeMu.Unlock()
	n.stored = append(n.stored, reason)
}

// storeStates returns what StoreState was told.
func (n *node) storeStates() []error {
	n.storeMu.Lock()
	defer n.storeMu.Unlock()
	return slices.Clone(n.stored)
}
