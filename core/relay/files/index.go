package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sotto-chat/sotto/core/relay/internal/disk"
)

// Folders in that of the relay.
const (
	indexDir  = "files"
	chunksDir = "chunks"
)

// Sizes of the index's memory. Its records have some hundred bytes.
const (
	blockCacheSize = 8 << 20
	memTableSize   = 4 << 20
	openTables     = 128
)

// Kinds of keys in the index. A sender id follows, or what is told.
const (
	kindFile      = 'f' // → record
	kindRecipient = 'r' // recipient id → recipient
	kindOfFile    = 'o' // sender id, recipient id → nothing
	kindHour      = 'h' // hour of creation, sender id → nothing
)

// index keeps what is known of chunks. What it has committed survives a crash.
type index struct {
	db   *pebble.DB
	disk *disk.Disk
}

// openIndex opens the index in the folder path. failed is called once if it can't write any
// more; then it must be closed soon. It must not wait.
func openIndex(path string, fs vfs.FS, log *slog.Logger, failed func(error)) (*index, error) {
	db, d, err := disk.Open(path, disk.Options{
		BlockCache: blockCacheSize,
		MemTable:   memTableSize,
		OpenTables: openTables,
		FS:         fs,
		Log:        log,
		Failed:     failed,
	})
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return &index{db, d}, nil
}

func (x *index) close() error {
	if err := x.disk.Close(x.db); err != nil {
		return fmt.Errorf("closing the file index: %w", err)
	}
	return nil
}

func indexKey(kind byte, ids ...key) []byte {
	b := append(make([]byte, 0, 1+2*len(key{})), kind)
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return b
}

func hourKey(hour uint32, id key) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kindHour}, hour), id[:]...)
}

// get returns a copy of a value; ok is false if there is none.
func (x *index) get(k []byte) (v []byte, ok bool, err error) {
	defer x.disk.Guard(&err)
	v, closer, err := x.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading the file index: %w", err)
	}
	defer closer.Close()
	return append([]byte(nil), v...), true, nil
}

// file returns the record of a chunk; ok is false if there is none.
func (x *index) file(id key) (rec record, ok bool, err error) {
	v, ok, err := x.get(indexKey(kindFile, id))
	if err != nil || !ok {
		return rec, false, err
	}
	rec, err = parseRecord(id, v)
	return rec, err == nil, err
}

// recipient returns what a recipient id stands for; ok is false if there is none.
func (x *index) recipient(id key) (rcp recipient, ok bool, err error) {
	v, ok, err := x.get(indexKey(kindRecipient, id))
	if err != nil || !ok {
		return rcp, false, err
	}
	rcp, err = parseRecipient(id, v)
	return rcp, err == nil, err
}

// commit makes changes, and returns when they are on disk.
func (x *index) commit(b *pebble.Batch) (err error) {
	defer x.disk.Guard(&err)
	defer b.Close()
	err = x.disk.Failure()
	if err == nil {
		err = b.Commit(pebble.Sync)
	}
	if err == nil {
		err = x.disk.Failure()
	}
	if err != nil {
		return fmt.Errorf("writing to the file index: %w", err)
	}
	return nil
}

// create stores a new chunk with its recipients.
func (x *index) create(rec *record, list []recipient) error {
	b := x.db.NewBatch()
	b.Set(hourKey(rec.created, rec.id), nil, nil)
	return x.addTo(b, rec, list)
}

// add stores more recipients of a chunk; rec counts them already.
func (x *index) add(rec *record, list []recipient) error { return x.addTo(x.db.NewBatch(), rec, list) }

func (x *index) addTo(b *pebble.Batch, rec *record, list []recipient) error {
	putRecord(b, rec)
	for i := range list {
		r := &list[i]
		b.Set(indexKey(kindRecipient, r.id), r.append(nil), nil)
		b.Set(indexKey(kindOfFile, rec.id, r.id), nil, nil)
	}
	return x.commit(b)
}

func putRecord(b *pebble.Batch, rec *record) {
	b.Set(indexKey(kindFile, rec.id), rec.append(make([]byte, 0, 160)), nil)
}

// update stores a changed record.
func (x *index) update(rec *record) error {
	b := x.db.NewBatch()
	putRecord(b, rec)
	return x.commit(b)
}

// leave deletes a recipient id; rec no longer counts it.
func (x *index) leave(rec *record, id key) error {
	b := x.db.NewBatch()
	b.Delete(indexKey(kindRecipient, id), nil)
	b.Delete(indexKey(kindOfFile, rec.id, id), nil)
	putRecord(b, rec)
	return x.commit(b)
}

// remove has b delete a chunk and all its ids.
func (x *index) remove(b *pebble.Batch, rec *record) error {
	b.Delete(indexKey(kindFile, rec.id), nil)
	b.Delete(hourKey(rec.created, rec.id), nil)
	first := indexKey(kindOfFile, rec.id)
	return x.each(first, func(k []byte) error {
		b.Delete(k, nil)
		b.Delete(append([]byte{kindRecipient}, k[len(first):]...), nil)
		return nil
	})
}

// each calls f with all keys that begin with prefix, until f fails. The key is f's only until it
// returns.
func (x *index) each(prefix []byte, f func(k []byte) error) (err error) {
	defer x.disk.Guard(&err)
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return fmt.Errorf("reading the file index: %w", err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		if err := f(it.Key()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("reading the file index: %w", err)
	}
	return nil
}

// after is the first key behind all that begin with prefix, whose first byte is a kind.
func after(prefix []byte) []byte {
	b := append([]byte(nil), prefix...)
	for i := len(b) - 1; ; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
}

// createdBefore returns the ids of up to n chunks that were created before an hour, the oldest
// first.
func (x *index) createdBefore(hour uint32, n int) (ids []key, err error) {
	enough := errors.New("enough")
	err = x.each([]byte{kindHour}, func(k []byte) error {
		if binary.BigEndian.Uint32(k[1:]) >= hour || len(ids) == n {
			return enough
		}
		ids = append(ids, key(k[5:]))
		return nil
	})
	if err == enough {
		err = nil
	}
	return ids, err
}

// count returns how many chunks are registered, and the bytes of those that are stored.
func (x *index) count() (files int, used int64, err error) {
	defer x.disk.Guard(&err)
	prefix := []byte{kindFile}
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return 0, 0, fmt.Errorf("reading the file index: %w", err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return 0, 0, fmt.Errorf("reading the file index: %w", err)
		}
		rec, err := parseRecord(key(it.Key()[1:]), v)
		if err != nil {
			return 0, 0, err
		}
		files++
		if rec.state == stored {
			used += int64(rec.size)
		}
	}
	if err := it.Error(); err != nil {
		return 0, 0, fmt.Errorf("reading the file index: %w", err)
	}
	return files, used, nil
}
