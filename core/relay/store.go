package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sotto-chat/sotto/core/relay/internal/disk"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Sizes of the store's memory. A memtable holds what is not yet in a table file: messages
// that are acknowledged within one never cost more than their place in the log.
const (
	blockCacheSize = 16 << 20
	memTableSize   = 16 << 20
	openTables     = 256
)

// Kinds of keys in the store. An id follows; after that of a message, its number. Bodies
// stand apart: what only looks for messages must not read their 16 KiB each.
const (
	kindQueue    = 'q' // recipient id → record
	kindSender   = 's' // sender id → recipient id
	kindLink     = 'l' // link id → recipient id
	kindNotifier = 'n' // notifier id → recipient id
	kindLinkData = 'd' // recipient id → link data
	kindService  = 'v' // fingerprint of a service's certificate → role and service id
	kindMessage  = 'm' // recipient id, number → message without its body
	kindBody     = 'b' // recipient id, number → body of a message

	kindServiceNotifier = 'w' // service id, notifier id → nothing
)

// ErrDamaged tells that a record of the store can't be read.
var ErrDamaged = errors.New("the relay's queue store is damaged: restore it from a backup")

// key is an id that this relay made.
type key [smp.IDSize]byte

// keyOf turns an id that came from a client into a key. An id of another size is nobody's.
func keyOf(id smp.ID) (k key, ok bool) {
	if len(id) != len(k) {
		return k, false
	}
	copy(k[:], id)
	return k, true
}

func (k key) id() smp.ID { return smp.ID(k[:]) }

// store keeps queues and messages on disk. What it has committed survives a crash of the
// process or the machine.
type store struct {
	db   *pebble.DB
	disk *disk.Disk
}

// openStore opens the store in dir. failed is called once if it can't write any more; then
// it must be closed soon. It must not wait.
func openStore(dir string, fs vfs.FS, log *slog.Logger, failed func(error)) (*store, error) {
	db, d, err := disk.Open(filepath.Join(dir, storeDir), disk.Options{
		BlockCache: blockCacheSize,
		MemTable:   memTableSize,
		OpenTables: openTables,
		FS:         fs,
		Log:        log,
		Failed:     failed,
	})
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	return &store{db, d}, nil
}

// size is the space that the store takes on disk, in bytes.
func (s *store) size() int64 { return int64(s.db.Metrics().DiskSpaceUsage()) }

// countQueues counts the queues that there are when it is called.
func (s *store) countQueues() (wait func() (int64, error)) {
	snapshot := s.db.NewSnapshot()
	return func() (n int64, err error) {
		defer s.disk.Guard(&err)
		defer snapshot.Close()
		it, err := snapshot.NewIter(&pebble.IterOptions{LowerBound: []byte{kindQueue}, UpperBound: []byte{kindQueue + 1}})
		if err != nil {
			return 0, fmt.Errorf("reading the queue store: %w", err)
		}
		defer it.Close()
		for it.First(); it.Valid(); it.Next() {
			n++
		}
		return n, it.Error()
	}
}

func (s *store) close() error {
	if err := s.disk.Close(s.db); err != nil {
		return fmt.Errorf("closing the queue store: %w", err)
	}
	return nil
}

// A commit is a change that is visible but perhaps not yet on disk. Many commits share
// one sync. A nil commit is on disk already, or need not be.
type commit struct {
	once  sync.Once
	store *store
	batch *pebble.Batch
	err   error
}

// wait returns when the change is on disk. It may be called from several goroutines.
func (c *commit) wait() error {
	if c == nil {
		return nil
	}
	c.once.Do(func() {
		defer c.store.disk.Guard(&c.err)
		c.err = c.batch.SyncWait()
		if e := c.batch.Close(); c.err == nil {
			c.err = e
		}
		if c.err == nil {
			c.err = c.store.disk.Failure()
		}
	})
	return c.err
}

// commit makes a change visible and has it synced; the caller answers after wait.
func (s *store) commit(b *pebble.Batch) (_ *commit, err error) {
	defer s.disk.Guard(&err)
	if err := s.disk.Failure(); err != nil {
		b.Close()
		return nil, fmt.Errorf("writing to the queue store: %w", err)
	}
	if err := s.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return nil, fmt.Errorf("writing to the queue store: %w", err)
	}
	if err := s.disk.Failure(); err != nil { // the batch may be stuck
		return nil, fmt.Errorf("writing to the queue store: %w", err)
	}
	return &commit{store: s, batch: b}, nil
}

// commitLater makes a change visible that a crash may undo. Changes reach the disk in
// their order, so what follows it can't survive without it.
func (s *store) commitLater(b *pebble.Batch) (err error) {
	defer s.disk.Guard(&err)
	defer b.Close()
	err = s.disk.Failure()
	if err == nil {
		err = b.Commit(pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("writing to the queue store: %w", err)
	}
	return nil
}

func storeKey(kind byte, k key) []byte {
	return append(append(make([]byte, 0, 1+len(k)+8), kind), k[:]...)
}

func messageKey(kind byte, k key, number uint64) []byte {
	return binary.BigEndian.AppendUint64(storeKey(kind, k), number)
}

// get returns a copy of a value, or nil if there is none.
func (s *store) get(k []byte) ([]byte, error) { return s.append(nil, k) }

// append appends a value to b. It is nil if there is none.
func (s *store) append(b, k []byte) (_ []byte, err error) {
	defer s.disk.Guard(&err)
	v, closer, err := s.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the queue store: %w", err)
	}
	defer closer.Close()
	return append(slices.Grow(b, max(len(v), 1)), v...), nil
}

// find returns the recipient id that belongs to an id of another kind.
func (s *store) find(kind byte, id smp.ID) (rcv key, ok bool, err error) {
	k, ok := keyOf(id)
	if !ok {
		return rcv, false, nil
	}
	v, err := s.get(storeKey(kind, k))
	if err != nil || v == nil {
		return rcv, false, err
	}
	rcv, ok = keyOf(smp.ID(v))
	if !ok {
		return rcv, false, ErrDamaged
	}
	return rcv, true, nil
}

// firstNumber is the number of the first message of a queue that is empty and not in
// memory. Numbers never come twice, so that a late acknowledgement can't delete another
// message; a crash or a restart doesn't change that.
func firstNumber(now time.Time) uint64 { return uint64(now.UnixNano()) }

// load reads a queue; it is nil if there is none.
func (s *store) load(rcv key, now time.Time) (_ *queue, err error) {
	defer s.disk.Guard(&err)
	v, err := s.get(storeKey(kindQueue, rcv))
	if err != nil || v == nil {
		return nil, err
	}
	q := &queue{}
	if q.record, err = parseRecord(rcv, v); err != nil {
		return nil, err
	}
	it, err := s.messages(rcv)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	if !it.First() {
		q.first = firstNumber(now)
		q.next = q.first
		return q, it.Error()
	}
	q.first = messageNumber(it.Key())
	it.Last()
	q.next = messageNumber(it.Key()) + 1
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("reading the queue store: %w", err)
	}
	m, err := parseMessage(value)
	if err != nil {
		return nil, err
	}
	q.full = m.marker
	return q, nil
}

// messages iterates over the messages of a queue.
func (s *store) messages(rcv key) (*pebble.Iterator, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: messageKey(kindMessage, rcv, 0),
		UpperBound: messageKey(kindMessage, rcv, 1<<64-1),
	})
	if err != nil {
		return nil, fmt.Errorf("reading the queue store: %w", err)
	}
	return it, nil
}

func messageNumber(k []byte) uint64 { return binary.BigEndian.Uint64(k[len(k)-8:]) }

// message reads one message of a queue, but not its body.
func (s *store) message(rcv key, number uint64) (m message, err error) {
	v, err := s.get(messageKey(kindMessage, rcv, number))
	if err != nil {
		return m, err
	}
	if v == nil {
		return m, ErrDamaged
	}
	return parseMessage(v)
}

// body appends the body of a message to b; a quota marker has none.
func (s *store) body(b []byte, rcv key, number uint64) ([]byte, error) {
	return s.append(b, messageKey(kindBody, rcv, number))
}

// add stores the next message of q.
func (s *store) add(q *queue, m *message) (*commit, error) {
	b := s.db.NewBatchWithSize(len(m.body) + 256)
	b.Set(messageKey(kindMessage, q.rcv, q.next), m.append(make([]byte, 0, 1+8+len(m.id))), nil)
	if !m.marker {
		b.Set(messageKey(kindBody, q.rcv, q.next), m.body, nil)
	}
	c, err := s.commit(b)
	if err == nil {
		q.next++
		q.full = m.marker
	}
	return c, err
}

// rewrite changes what is kept of a message, but for its body. It is not synced.
func (s *store) rewrite(q *queue, number uint64, m *message) error {
	b := s.db.NewBatch()
	b.Set(messageKey(kindMessage, q.rcv, number), m.append(nil), nil)
	return s.commitLater(b)
}

// removeFirst deletes the first n messages of q. It is not synced: if a crash undoes it,
// the recipient gets messages again that it knows by their ids.
func (s *store) removeFirst(q *queue, n uint64) error {
	b := s.db.NewBatch()
	for i := range n {
		deleteMessage(b, q.rcv, q.first+i)
	}
	if err := s.commitLater(b); err != nil {
		return err
	}
	q.first += n
	if q.empty() {
		q.full = false
	}
	return nil
}

func deleteMessage(b *pebble.Batch, rcv key, number uint64) {
	b.Delete(messageKey(kindMessage, rcv, number), nil)
	b.Delete(messageKey(kindBody, rcv, number), nil)
}

func deleteNotifier(b *pebble.Batch, n *notifier) {
	b.Delete(storeKey(kindNotifier, n.id), nil)
	if n.service != nil {
		b.Delete(serviceKey(n), nil)
	}
}

// create stores a new queue, with link data if data is not nil.
func (s *store) create(q *queue, data *smp.LinkData) (*commit, error) {
	b := s.db.NewBatch()
	b.Set(storeKey(kindSender, q.snd), q.rcv[:], nil)
	s.putRecord(b, &q.record)
	if data != nil {
		s.putLink(b, &q.record, data)
	}
	if q.notifier != nil {
		b.Set(storeKey(kindNotifier, q.notifier.id), q.rcv[:], nil)
	}
	return s.commit(b)
}

func (s *store) putRecord(b *pebble.Batch, r *record) {
	b.Set(storeKey(kindQueue, r.rcv), r.append(make([]byte, 0, 384)), nil)
}

func (s *store) putLink(b *pebble.Batch, r *record, data *smp.LinkData) {
	b.Set(storeKey(kindLink, *r.link), r.rcv[:], nil)
	v := make([]byte, 0, 4+len(data.Fixed)+len(data.User))
	b.Set(storeKey(kindLinkData, r.rcv), wire.AppendLarge(wire.AppendLarge(v, data.Fixed), data.User), nil)
}

// linkData reads the link data of a queue that has some.
func (s *store) linkData(rcv key) (d smp.LinkData, err error) {
	v, err := s.get(storeKey(kindLinkData, rcv))
	if err != nil {
		return d, err
	}
	r := wire.NewReader(v)
	d.Fixed, d.User = r.Large(), r.Large()
	if r.End() != nil {
		return d, ErrDamaged
	}
	return d, nil
}

// change is what happens to a queue's record and to the keys that point to it.
type change struct {
	next     record
	linkData *smp.LinkData // new data of next.link
}

// update stores a change of q's record.
func (s *store) update(q *queue, c change) (*commit, error) {
	b := s.db.NewBatch()
	old, next := &q.record, &c.next
	if old.link != nil && (next.link == nil || *next.link != *old.link) {
		b.Delete(storeKey(kindLink, *old.link), nil)
		b.Delete(storeKey(kindLinkData, q.rcv), nil)
	}
	if c.linkData != nil {
		s.putLink(b, next, c.linkData)
	}
	if old.notifier != next.notifier {
		if old.notifier != nil {
			deleteNotifier(b, old.notifier)
		}
		if n := next.notifier; n != nil {
			b.Set(storeKey(kindNotifier, n.id), q.rcv[:], nil)
			if n.service != nil {
				b.Set(serviceKey(n), nil, nil)
			}
		}
	}
	s.putRecord(b, next)
	done, err := s.commit(b)
	if err == nil {
		q.record = *next
	}
	return done, err
}

// touch stores the day of a queue's last use. Losing it in a crash does no harm.
func (s *store) touch(q *queue, day uint32) error {
	q.used = day
	b := s.db.NewBatch()
	s.putRecord(b, &q.record)
	return s.commitLater(b)
}

// remove deletes a queue and its messages.
func (s *store) remove(q *queue) (*commit, error) {
	b := s.db.NewBatch()
	b.Delete(storeKey(kindQueue, q.rcv), nil)
	b.Delete(storeKey(kindSender, q.snd), nil)
	if q.link != nil {
		b.Delete(storeKey(kindLink, *q.link), nil)
		b.Delete(storeKey(kindLinkData, q.rcv), nil)
	}
	if q.notifier != nil {
		deleteNotifier(b, q.notifier)
	}
	for n := q.first; n < q.next; n++ {
		deleteMessage(b, q.rcv, n)
	}
	return s.commit(b)
}

// after returns the first key of a kind whose id is k or comes after it; ok is false
// behind the last one.
func (s *store) after(kind byte, k key) (found key, ok bool, err error) {
	defer s.disk.Guard(&err)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: storeKey(kind, k), UpperBound: []byte{kind + 1}})
	if err != nil {
		return found, false, fmt.Errorf("reading the queue store: %w", err)
	}
	defer it.Close()
	if !it.First() {
		return found, false, it.Error()
	}
	copy(found[:], it.Key()[1:])
	return found, true, nil
}
