package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options are those of a store.
type Options struct {
	BlockCache int64  // bytes
	MemTable   uint64 // bytes; what is deleted within one never costs more than its place in the log
	OpenTables int

	FS     vfs.FS       // the system's, vfs.Default
	Log    *slog.Logger // what is wrong with the disk; its lines name files, never what is in them
	Failed func(error)  // called once if the store can't write any more; it must be closed soon. Must not wait
}

// Open opens the store in the folder path, which it makes. It is closed with Disk.Close.
func Open(path string, o Options) (db *pebble.DB, disk *Disk, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, nil, fmt.Errorf("making the folder of the store: %w", err)
	}
	disk = &Disk{FS: o.FS, onFailed: o.Failed, log: o.Log}
	if o.FS == vfs.Default {
		disk.syncer = newSyncer()
	}
	defer disk.Guard(&err)
	log := storeLog{disk}
	options := &pebble.Options{
		FS:           disk,
		CacheSize:    o.BlockCache,
		MemTableSize: o.MemTable,
		MaxOpenFiles: o.OpenTables,
		Logger:       log,
		// Writes must not wait for tables that can't be merged because one of them is damaged.
		L0StopWritesThreshold: 1000,
	}
	options.EventListener = &pebble.EventListener{
		// What can't be read is answered with an error; the rest of the store is in order.
		DataCorruption:  func(i pebble.DataCorruptionInfo) { log.Errorf("damaged file: %v", i.Details) },
		BackgroundError: disk.background,
	}
	// An idle relay has nothing to do: no ticker that looks for slow disks, and none that
	// looks for compactions, which also start when data is written out or one of them ends.
	options.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	// Messages are ciphertexts: compression would only cost time.
	options.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	options.FormatMajorVersion = pebble.FormatNewest
	if db, err = pebble.Open(path, options); err != nil {
		disk.syncer.close()
		return nil, nil, openError(disk, err)
	}
	if err := disk.Failure(); err != nil {
		disk.Close(db)
		return nil, nil, fmt.Errorf("opening the store: %w", err)
	}
	return db, disk, nil
}

// openError is the error of Open for one of Pebble's. Pebble marks nearly all damage that it finds as such, and
// reports nothing else without an error of the system.
func openError(disk *Disk, err error) error {
	var no syscall.Errno
	var path *fs.PathError
	switch {
	case disk.Failure() != nil:
		return fmt.Errorf("opening the store: %w", err)
	case errors.Is(err, ErrInUse):
		return err
	case pebble.IsCorruptionError(err) || !errors.As(err, &no) && !errors.As(err, &path):
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return fmt.Errorf("opening the store: %w", err)
}

// storeLog hands on what is wrong with the disk. Its lines name files, never queues.
type storeLog struct{ disk *Disk }

func (storeLog) Infof(string, ...any) {}

func (l storeLog) Errorf(format string, args ...any) {
	l.disk.log.Error("store", "problem", fmt.Sprintf(format, args...))
}

// Fatalf is called when the store's own code can't go on. It wants the process to end; here the store
// ends, and the goroutine goes on with a disk that takes nothing any more.
func (l storeLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("%w: %s", ErrInternal, format) // not with all args: keys may be among them
	for _, a := range args {
		if e, ok := a.(error); ok {
			err = fmt.Errorf("%w: %w", err, e)
		}
	}
	l.disk.fail(err)
}
