package vault

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The log of a hidden vault is never removed, so that a crash leaves the same as a clean end. It has a
// round number of frames, more than are written between two checkpoints; one that a large transaction has
// made longer is cut to that when the vault is closed at the latest.
const (
	hiddenCheckpoint = 200 // frames after which the log is folded into the database
	hiddenLogFrames  = 320
	hiddenLogSize    = walHeaderSize + hiddenLogFrames*frameSize
)

// IsHidden tells whether the key file in dir is that of a hidden vault, or of none.
func IsHidden(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, KeyFile))
	if err != nil {
		return false
	}
	_, err = parseKeyFile(b)
	return err != nil && len(b) == hiddenKeySize
}

// Opens tells whether key is that of the hidden vault in dir. It takes as long if there is none.
func Opens(dir string, key []byte) bool {
	kf, err := readKeyFile(filepath.Join(dir, KeyFile), parseHidden)
	if err != nil {
		return false
	}
	database, err := kf.unwrap(context.Background(), Options{Key: key, Hidden: true})
	if err != nil {
		return false
	}
	database.wipe()
	return true
}

// Hide makes the vault a hidden one with a key. No connection may be open, and the vault has to be
// closed next. A crash leaves the one or the other.
func (v *Vault) Hide(ctx context.Context, key []byte) (err error) {
	defer wrap(&err, "hide vault")
	return v.convert(ctx, Options{Key: key, Hidden: true}, func(path string) error {
		// The log was removed when the last connection was closed.
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, errors.New("connections to the database are still open"))
		}
		return writeRandom(path, hiddenLogSize)
	})
}

// Show makes a hidden vault one that is protected as opt says. No connection may be open, and the
// vault has to be closed next. A crash leaves the one or the other.
func (v *Vault) Show(ctx context.Context, opt Options) (err error) {
	defer wrap(&err, "show vault")
	if err := v.fold(ctx); err != nil {
		return err
	}
	return v.convert(ctx, opt, func(path string) error {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// fold brings everything in the log into the database.
func (v *Vault) fold(ctx context.Context) error {
	c, err := v.Connector("synchronous(full)")
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxOpenConns(1)
	var busy, frames, done int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(FULL)").Scan(&busy, &frames, &done); err != nil {
		return Explain(err)
	}
	if busy != 0 || frames != done {
		return errors.New("connections to the database are still open")
	}
	return nil
}

// convert replaces what protects the vault, after doing to the path of its log what that needs.
func (v *Vault) convert(ctx context.Context, opt Options, log func(path string) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return fs.ErrClosed
	}
	kf, err := protect(ctx, v.key, opt)
	if err != nil {
		return err
	}
	if err := log(filepath.Join(v.dir, DatabaseFile+"-wal")); err != nil {
		kf.forget(ctx, opt.Keyring)
		return err
	}
	if err := kf.write(ctx, filepath.Join(v.dir, KeyFile), opt.Keyring); err != nil {
		return err
	}
	v.file.forget(ctx, v.ring)
	v.file = kf
	return nil
}

// The size of a decoy's database, in pages: from that of a new profile to that of one with some ten
// thousands of messages.
const (
	minDecoy = 100
	maxDecoy = 2000
)

// MakeDecoy makes dir, with files that nobody can tell from those of a hidden vault. The
// size of the database is size, in bytes, or a random one if that is 0.
func MakeDecoy(dir string, size int64) (err error) {
	defer wrap(&err, "make decoy")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	pages := size / pageSize
	if pages == 0 {
		// Evenly on a logarithmic scale: small ones are as likely as large ones.
		var b [8]byte
		rand.Read(b[:])
		at := float64(binary.BigEndian.Uint64(b[:])) / (1 << 64)
		pages = int64(minDecoy * math.Pow(maxDecoy/minDecoy, at))
	}
	path := filepath.Join(dir, DatabaseFile)
	return errors.Join(
		writeRandom(filepath.Join(dir, LockFile), 0),
		writeRandom(path, pages*pageSize),
		writeRandom(path+"-wal", hiddenLogSize),
		writeRandom(filepath.Join(dir, KeyFile), int64(hiddenKeySize)),
	)
}

// Disguise undoes what tells a hidden vault that was used from one that was not, and from a decoy:
// it fills up the log, and gives all files in dir and dir itself the time at.
func Disguise(dir string, at time.Time) (err error) {
	defer wrap(&err, "disguise vault")
	log, err := os.OpenFile(filepath.Join(dir, DatabaseFile+"-wal"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	st, err := log.Stat()
	if err != nil {
		return err
	}
	if over := (st.Size() - walHeaderSize) % (hiddenLogFrames * frameSize); over != 0 {
		if _, err := io.CopyN(log, rand.Reader, hiddenLogFrames*frameSize-over); err != nil {
			return err
		}
	}
	// A folder gets its time after what is in it.
	var paths []string
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	for _, path := range slices.Backward(paths) {
		err = errors.Join(err, os.Chtimes(path, at, at))
	}
	return err
}

// Destroy overwrites the key file in dir, without which nothing there can ever be read, and
// removes the key from the keyring if it is there. It does not matter whether there is a vault.
func Destroy(ctx context.Context, dir string, ring Keyring) (err error) {
	defer wrap(&err, "destroy vault")
	path := filepath.Join(dir, KeyFile)
	return errors.Join(destroy(ctx, path, ring), destroy(ctx, path+unfinished, ring))
}

func destroy(ctx context.Context, path string, ring Keyring) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if kf, err := parseKeyFile(b); err == nil {
		kf.forget(ctx, ring)
	}
	clear(b)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(overwrite(f), f.Close())
}

// Lock locks a file for this process, until it is closed or the process ends. The error wraps
// ErrInUse if another process, perhaps this one, has it.
func Lock(path string) (io.Closer, error) {
	f, err := lockFile(path)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// fileLock is a file that is locked until Close, or until the process ends.
type fileLock struct{ f *os.File }

func (l *fileLock) Close() error { return errors.Join(unlockFile(l.f), l.f.Close()) }

// writeRandom makes a file of size random bytes.
func writeRandom(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	return errors.Join(err, f.Close())
}
