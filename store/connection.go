package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound tells that there is no such row.
var ErrNotFound = errors.New("store: not found")

// Connection is a connection of the agent. Keys and ratchets are encoded by their packages.
type Connection struct {
	ID             int64
	State          string
	Role           string
	AgentVersion   uint16
	PQ             bool
	Private        []byte // an initiator's keys, until the joiner's are there
	Params         []byte // a joiner's keys, until its confirmation is made
	Info           []byte // what a joiner tells with its confirmation
	Ratchet        []byte
	SentNumber     int64
	SentHash       []byte
	ReceivedNumber int64
	ReceivedHash   []byte
	HelloReceived  bool
	HelloSent      bool
	Sync           string
	Created        time.Time
}

// Count counts a message that is sent, of which the hash is given.
func (c *Connection) Count(hash [32]byte) {
	c.SentNumber++
	c.SentHash = hash[:]
}

// ReceiveQueue is the end of a queue that we receive from.
type ReceiveQueue struct {
	ID            int64
	Connection    int64
	Server        string
	RecipientID   []byte
	SenderID      []byte
	Mode          byte
	ClientVersion uint16
	State         string
	Key           []byte
	DHSecret      []byte
	E2EKey        []byte
	E2ESecret     []byte // nil until the sender's confirmation came
	SenderKey     []byte // nil if there is none to be set
	LastMessage   []byte
	Replaces      int64     // the queue in whose place this one was made, 0 for none
	Gap           int64     // the number of a missing message that may be the test in a new queue, 0 for none,
	GapSince      time.Time // and since when it is missing

	// Of a queue with a short link: the link's id and key, the key that signs its data, and the part
	// of the data that never changes.
	LinkID, LinkKey, LinkRoot, LinkFixed []byte
}

// SendQueue is the end of a queue that we send to.
type SendQueue struct {
	ID            int64
	Connection    int64
	Server        string
	SenderID      []byte
	Mode          byte
	ClientVersion uint16
	State         string
	Key           []byte
	E2EPublic     []byte
	E2ESecret     []byte
	Replaces      int64 // the queue in whose place this one is to be used, 0 for none
}

// Outgoing is an encrypted message that waits to be sent.
type Outgoing struct {
	ID         int64
	Connection int64
	Queue      int64
	Kind       string
	Reference  int64
	Notify     bool
	Body       []byte
	Created    time.Time
}

// Sent is what is kept of a sent message for its receipt.
type Sent struct {
	Number    int64
	Hash      []byte
	Reference int64
}

const connectionColumns = `id, state, role, agent_version, pq, private, params, info, ratchet, sent_number, sent_hash,
	received_number, received_hash, hello_received, hello_sent, sync, created`

// InsertConnection stores a new connection and sets its ID.
func (tx *Tx) InsertConnection(c *Connection) error {
	if c.Sync == "" {
		c.Sync = "ok"
	}
	res, err := tx.Exec(`INSERT INTO connections (state, role, agent_version, pq, private, params, info, ratchet, sent_number, sent_hash,
		received_number, received_hash, hello_received, hello_sent, sync, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.State, c.Role, c.AgentVersion, c.PQ, c.Private, c.Params, c.Info, c.Ratchet, c.SentNumber, blob(c.SentHash),
		c.ReceivedNumber, blob(c.ReceivedHash), c.HelloReceived, c.HelloSent, c.Sync, c.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding a connection: %w", err)
	}
	c.ID, err = res.LastInsertId()
	return err
}

// SaveConnection stores all of c but its ID and Created.
func (tx *Tx) SaveConnection(c *Connection) error {
	_, err := tx.Exec(`UPDATE connections SET state = ?, role = ?, agent_version = ?, pq = ?, private = ?, params = ?, info = ?, ratchet = ?,
		sent_number = ?, sent_hash = ?, received_number = ?, received_hash = ?, hello_received = ?, hello_sent = ?, sync = ? WHERE id = ?`,
		c.State, c.Role, c.AgentVersion, c.PQ, c.Private, c.Params, c.Info, c.Ratchet,
		c.SentNumber, blob(c.SentHash), c.ReceivedNumber, blob(c.ReceivedHash), c.HelloReceived, c.HelloSent, c.Sync, c.ID)
	if err != nil {
		return fmt.Errorf("store: saving a connection: %w", err)
	}
	return nil
}

// Connection returns a connection, or ErrNotFound.
func (tx *Tx) Connection(id int64) (*Connection, error) {
	c, err := scanConnection(tx.QueryRow(`SELECT `+connectionColumns+` FROM connections WHERE id = ?`, id))
	if err != nil {
		return nil, fmt.Errorf("store: reading a connection: %w", found(err))
	}
	return c, nil
}

// ConnectionsIn returns the connections that are in a state, oldest first.
func (tx *Tx) ConnectionsIn(state string) ([]*Connection, error) {
	return collect(tx, "connections", scanConnection, `SELECT `+connectionColumns+` FROM connections WHERE state = ? ORDER BY id`, state)
}

// DeleteConnection deletes a connection with all that belongs to it.
func (tx *Tx) DeleteConnection(id int64) error {
	if _, err := tx.Exec(`DELETE FROM connections WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: deleting a connection: %w", err)
	}
	return nil
}

func scanConnection(row scanner) (*Connection, error) {
	c, created := new(Connection), int64(0)
	err := row.Scan(&c.ID, &c.State, &c.Role, &c.AgentVersion, &c.PQ, &c.Private, &c.Params, &c.Info, &c.Ratchet, &c.SentNumber, &c.SentHash,
		&c.ReceivedNumber, &c.ReceivedHash, &c.HelloReceived, &c.HelloSent, &c.Sync, &created)
	c.Created = time.UnixMilli(created)
	return c, err
}

const receiveQueueColumns = `id, connection, server, recipient_id, sender_id, mode, client_version, state, key, dh_secret, e2e_key, e2e_secret, sender_key, last_message, replaces, gap, gap_since,
	link_id, link_key, link_root, link_fixed`

// InsertReceiveQueue stores a new queue and sets its ID.
func (tx *Tx) InsertReceiveQueue(q *ReceiveQueue) error {
	res, err := tx.Exec(`INSERT INTO receive_queues (connection, server, recipient_id, sender_id, mode, client_version, state, key, dh_secret, e2e_key, e2e_secret, sender_key, replaces,
		link_id, link_key, link_root, link_fixed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		q.Connection, q.Server, blob(q.RecipientID), blob(q.SenderID), q.Mode, q.ClientVersion, q.State, blob(q.Key), blob(q.DHSecret), blob(q.E2EKey), q.E2ESecret, q.SenderKey, q.Replaces,
		q.LinkID, q.LinkKey, q.LinkRoot, q.LinkFixed)
	if err != nil {
		return fmt.Errorf("store: adding a receive queue: %w", err)
	}
	q.ID, err = res.LastInsertId()
	return err
}

// SaveReceiveQueue stores what changes in the life of a queue.
func (tx *Tx) SaveReceiveQueue(q *ReceiveQueue) error {
	_, err := tx.Exec(`UPDATE receive_queues SET state = ?, client_version = ?, e2e_secret = ?, sender_key = ?, last_message = ?, replaces = ?, gap = ?, gap_since = ? WHERE id = ?`,
		q.State, q.ClientVersion, q.E2ESecret, q.SenderKey, blob(q.LastMessage), q.Replaces, q.Gap, milli(q.GapSince), q.ID)
	if err != nil {
		return fmt.Errorf("store: saving a receive queue: %w", err)
	}
	return nil
}

// DeleteReceiveQueue forgets a queue.
func (tx *Tx) DeleteReceiveQueue(id int64) error {
	if _, err := tx.Exec(`DELETE FROM receive_queues WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: deleting a receive queue: %w", err)
	}
	return nil
}

// ReceiveQueueByID returns the queue that a relay knows by its recipient id, or ErrNotFound.
func (tx *Tx) ReceiveQueueByID(server string, recipientID []byte) (*ReceiveQueue, error) {
	q, err := scanReceiveQueue(tx.QueryRow(`SELECT `+receiveQueueColumns+` FROM receive_queues WHERE server = ? AND recipient_id = ?`, server, blob(recipientID)))
	if err != nil {
		return nil, fmt.Errorf("store: reading a receive queue: %w", found(err))
	}
	return q, nil
}

// ReceiveQueues returns all queues that we receive from, oldest first.
func (tx *Tx) ReceiveQueues() ([]*ReceiveQueue, error) {
	return collect(tx, "receive queues", scanReceiveQueue, `SELECT `+receiveQueueColumns+` FROM receive_queues ORDER BY id`)
}

// ReceiveQueuesOf returns the queues of a connection, oldest first.
func (tx *Tx) ReceiveQueuesOf(connection int64) ([]*ReceiveQueue, error) {
	return collect(tx, "receive queues", scanReceiveQueue, `SELECT `+receiveQueueColumns+` FROM receive_queues WHERE connection = ? ORDER BY id`, connection)
}

func scanReceiveQueue(row scanner) (*ReceiveQueue, error) {
	q := new(ReceiveQueue)
	var since int64
	err := row.Scan(&q.ID, &q.Connection, &q.Server, &q.RecipientID, &q.SenderID, &q.Mode, &q.ClientVersion, &q.State,
		&q.Key, &q.DHSecret, &q.E2EKey, &q.E2ESecret, &q.SenderKey, &q.LastMessage, &q.Replaces, &q.Gap, &since,
		&q.LinkID, &q.LinkKey, &q.LinkRoot, &q.LinkFixed)
	q.GapSince = unmilli(since)
	return q, err
}

const sendQueueColumns = `id, connection, server, sender_id, mode, client_version, state, key, e2e_public, e2e_secret, replaces`

// InsertSendQueue stores a new queue and sets its ID.
func (tx *Tx) InsertSendQueue(q *SendQueue) error {
	res, err := tx.Exec(`INSERT INTO send_queues (connection, server, sender_id, mode, client_version, state, key, e2e_public, e2e_secret, replaces) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		q.Connection, q.Server, blob(q.SenderID), q.Mode, q.ClientVersion, q.State, blob(q.Key), blob(q.E2EPublic), blob(q.E2ESecret), q.Replaces)
	if err != nil {
		return fmt.Errorf("store: adding a send queue: %w", err)
	}
	q.ID, err = res.LastInsertId()
	return err
}

// SaveSendQueue stores what changes in the life of a queue.
func (tx *Tx) SaveSendQueue(q *SendQueue) error {
	if _, err := tx.Exec(`UPDATE send_queues SET state = ? WHERE id = ?`, q.State, q.ID); err != nil {
		return fmt.Errorf("store: saving a send queue: %w", err)
	}
	return nil
}

// DeleteSendQueue deletes a queue that is not sent to any more, with what waits for it.
func (tx *Tx) DeleteSendQueue(id int64) error {
	if _, err := tx.Exec(`DELETE FROM send_queues WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: deleting a send queue: %w", err)
	}
	return nil
}

// SendQueue returns a queue, or ErrNotFound.
func (tx *Tx) SendQueue(id int64) (*SendQueue, error) {
	q, err := scanSendQueue(tx.QueryRow(`SELECT `+sendQueueColumns+` FROM send_queues WHERE id = ?`, id))
	if err != nil {
		return nil, fmt.Errorf("store: reading a send queue: %w", found(err))
	}
	return q, nil
}

// SendQueuesOf returns the queues of a connection, oldest first.
func (tx *Tx) SendQueuesOf(connection int64) ([]*SendQueue, error) {
	return collect(tx, "send queues", scanSendQueue, `SELECT `+sendQueueColumns+` FROM send_queues WHERE connection = ? ORDER BY id`, connection)
}

func scanSendQueue(row scanner) (*SendQueue, error) {
	q := new(SendQueue)
	return q, row.Scan(&q.ID, &q.Connection, &q.Server, &q.SenderID, &q.Mode, &q.ClientVersion, &q.State, &q.Key, &q.E2EPublic, &q.E2ESecret, &q.Replaces)
}

const outgoingColumns = `id, connection, queue, kind, reference, notify, body, created`

// InsertOutgoing stores a message that is to be sent and sets its ID.
func (tx *Tx) InsertOutgoing(o *Outgoing) error {
	res, err := tx.Exec(`INSERT INTO outgoing (connection, queue, kind, reference, notify, body, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		o.Connection, o.Queue, o.Kind, o.Reference, o.Notify, blob(o.Body), o.Created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding an outgoing message: %w", err)
	}
	o.ID, err = res.LastInsertId()
	return err
}

// NextOutgoing returns the oldest message that waits for a queue, or ErrNotFound.
func (tx *Tx) NextOutgoing(queue int64) (*Outgoing, error) {
	o, err := scanOutgoing(tx.QueryRow(`SELECT `+outgoingColumns+` FROM outgoing WHERE queue = ? ORDER BY id LIMIT 1`, queue))
	if err != nil {
		return nil, fmt.Errorf("store: reading an outgoing message: %w", found(err))
	}
	return o, nil
}

// DeleteOutgoing deletes a message that was sent or given up.
func (tx *Tx) DeleteOutgoing(id int64) error {
	if _, err := tx.Exec(`DELETE FROM outgoing WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: deleting an outgoing message: %w", err)
	}
	return nil
}

// QueuesWithOutgoing returns the ids of the send queues for which messages wait.
func (tx *Tx) QueuesWithOutgoing() ([]int64, error) {
	return collect(tx, "queues to send to", scanID, `SELECT DISTINCT queue FROM outgoing ORDER BY queue`)
}

func scanOutgoing(row scanner) (*Outgoing, error) {
	o, created := new(Outgoing), int64(0)
	err := row.Scan(&o.ID, &o.Connection, &o.Queue, &o.Kind, &o.Reference, &o.Notify, &o.Body, &created)
	o.Created = time.UnixMilli(created)
	return o, err
}

// InsertSent keeps the number and hash of a message for its receipt.
func (tx *Tx) InsertSent(connection int64, s Sent, at time.Time) error {
	_, err := tx.Exec(`INSERT INTO sent (connection, number, hash, reference, created) VALUES (?, ?, ?, ?, ?)`,
		connection, s.Number, blob(s.Hash), s.Reference, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: keeping the hash of a sent message: %w", err)
	}
	return nil
}

// Sent returns what is kept of a sent message, or ErrNotFound.
func (tx *Tx) Sent(connection, number int64) (s Sent, err error) {
	s.Number = number
	err = tx.QueryRow(`SELECT hash, reference FROM sent WHERE connection = ? AND number = ?`, connection, number).Scan(&s.Hash, &s.Reference)
	if err != nil {
		return s, fmt.Errorf("store: reading the hash of a sent message: %w", found(err))
	}
	return s, nil
}

// InsertReceived keeps the hash of a received message.
func (tx *Tx) InsertReceived(connection int64, hash []byte, at time.Time) error {
	_, err := tx.Exec(`INSERT OR IGNORE INTO received (connection, hash, created) VALUES (?, ?, ?)`, connection, blob(hash), at.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: keeping the hash of a received message: %w", err)
	}
	return nil
}

// WasReceived tells whether a message with this hash was received before.
func (tx *Tx) WasReceived(connection int64, hash []byte) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT count(*) FROM received WHERE connection = ? AND hash = ?`, connection, blob(hash)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("store: looking for the hash of a message: %w", err)
	}
	return n > 0, nil
}

// DeleteOldHashes deletes the hashes of messages that were sent or received before a time.
func (tx *Tx) DeleteOldHashes(before time.Time) error {
	for _, q := range []string{`DELETE FROM sent WHERE created < ?`, `DELETE FROM received WHERE created < ?`} {
		if _, err := tx.Exec(q, before.UnixMilli()); err != nil {
			return fmt.Errorf("store: deleting old hashes: %w", err)
		}
	}
	return nil
}

// scanner is a row of a result.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](tx *Tx, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: reading %s: %w", what, err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("store: reading %s: %w", what, err)
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: reading %s: %w", what, err)
	}
	return list, nil
}

// found turns the driver's error for a missing row into ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// blob makes an empty blob of nil, which would be NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
