// Package vault keeps one SQLite database on disk so that nothing but ciphertext
// is ever written, and keeps the key that opens it.
//
// A vault is a directory with three files: the database (and, while it is open,
// its write-ahead log), a key file and a lock file. Every database page, every
// page in the log and every page in a rollback journal is sealed with
// XChaCha20-Poly1305 under a random 32-byte database key; the index of the log is
// held in memory and temporary tables never leave memory. What a reader of the
// disk learns is the sizes of the files, which pages change, and when.
//
// The key file holds the database key wrapped in one of three ways, see
// [Protection]: by a passphrase, by a key in the keyring of the operating system,
// or, where there is neither, by a key that lies in the file itself. The caller can also
// keep the key, for several vaults that open together.
//
// A hidden vault, see [Options], consists of the same files, and all bytes in them look
// random. [MakeDecoy] makes a directory with such files that is no vault.
//
// Open the vault, then make connections through its connector:
//
//	v, err := vault.Open(ctx, dir, vault.Options{Passphrase: p, Keyring: vault.SystemKeyring()})
//	...
//	c, err := v.Connector("foreign_keys(1)")
//	...
//	db := sql.OpenDB(c)
//	...
//	err = errors.Join(db.Close(), v.Close())
//
// One process at a time can have a vault open, with any number of connections.
package vault

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Names of the files in the directory of a vault.
const (
	DatabaseFile = "vault.db"
	KeyFile      = "vault.key"
	LockFile     = "vault.lock"
)

var (
	// ErrInUse says that a process, perhaps this one, already has the vault open.
	ErrInUse = errors.New("vault is in use by another running program")
	// ErrPassphraseNeeded says that the vault has a passphrase and none was given.
	ErrPassphraseNeeded = errors.New("vault needs its passphrase")
	// ErrWrongPassphrase says that the passphrase does not open the vault.
	ErrWrongPassphrase = errors.New("wrong passphrase")
	// ErrKeyringUnavailable says that the keyring with the key cannot be reached:
	// there is none, it stays locked, or it does not answer.
	ErrKeyringUnavailable = errors.New("keyring of the operating system is unavailable")
	// ErrKeyringEntryMissing says that the keyring answers but no longer has the key.
	ErrKeyringEntryMissing = errors.New("keyring has no key for this vault")
	// ErrWrongKey says that the key in the key file is not the one of the database:
	// the two files do not belong together.
	ErrWrongKey = errors.New("database was not made with the key in the key file")
	// ErrDamaged says that bytes on disk are not those that were written.
	ErrDamaged = errors.New("vault is damaged")
	// ErrDiskFull says that there is no room for what was to be written. Nothing of the transaction was.
	ErrDiskFull = errors.New("the disk is full: make room and try again")
	// ErrNewerFormat says that a newer version of the program made the key file.
	ErrNewerFormat = errors.New("vault was made by a newer version of the program")
)

// Options say how a vault is protected or opened.
type Options struct {
	// Passphrase protects a new vault, or opens one whose protection is
	// [Passphrase]. Its bytes are used as they are. Empty means none. The
	// caller keeps it and wipes it.
	Passphrase []byte
	// Key, of [KeySize] random bytes, protects a new vault without a passphrase, or opens
	// one whose protection is [CallerKey] or [Hidden]. Nil means none. The caller wipes it.
	Key []byte
	// Hidden makes or opens a vault with Key whose protection is [Hidden].
	Hidden bool
	// Keyring keeps the wrapping key when there is neither. With nil, or
	// when it is unavailable while a vault is made, the key goes into the key file.
	Keyring Keyring
}

func (o Options) check() error {
	if o.Key != nil && len(o.Key) != KeySize {
		return fmt.Errorf("key has %d bytes in place of %d", len(o.Key), KeySize)
	}
	if o.Hidden && (o.Key == nil || len(o.Passphrase) > 0) {
		return errors.New("a hidden vault has a key and no passphrase")
	}
	return nil
}

// A Vault is an open vault. Its methods may be called from several goroutines.
type Vault struct {
	dir  string
	lock *fileLock
	ring Keyring

	keys *pageKeys
	vfs  *vfs // for reading and writing
	view *vfs // for reading only, see Inspect

	mu     sync.Mutex // guards what follows, and the key file
	key    *databaseKey
	file   *keyFile
	closed bool
}

// Create makes a vault with an empty database in dir, and opens it. The directory
// is made if it is missing. It fails with an error that is [fs.ErrExist] if there is
// a vault already. A failure leaves no vault behind.
func Create(ctx context.Context, dir string, opt Options) (v *Vault, err error) {
	defer wrap(&err, "create vault")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, LockFile))
	if err != nil {
		return nil, err
	}
	defer closeOnError(lock, &err)

	if _, err := os.Lstat(filepath.Join(dir, KeyFile)); err == nil {
		return nil, fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path := filepath.Join(dir, DatabaseFile)
	if err := removeUnborn(path); err != nil {
		return nil, err
	}

	key := new(databaseKey)
	rand.Read(key[:])
	keys, err := newPageKeys(key)
	if err != nil {
		return nil, err
	}
	defer wipeOnError(key, &err)
	first, err := keys.sealedPage1()
	if err != nil {
		return nil, err
	}
	if err := WriteFile(path, first); err != nil {
		return nil, err
	}
	if opt.Hidden {
		if err := writeRandom(path+"-wal", hiddenLogSize); err != nil {
			return nil, err
		}
	}
	// The key file comes last: where it stands, the vault is complete.
	kf, err := protect(ctx, key, opt)
	if err != nil {
		return nil, err
	}
	if err := kf.write(ctx, filepath.Join(dir, KeyFile), opt.Keyring); err != nil {
		return nil, err
	}
	return open(dir, lock, opt.Keyring, key, keys, kf)
}

// removeUnborn removes the database of a creation that was interrupted before the
// key file was written: one empty page. A larger one without a key file is
// somebody's data, whose key file may yet turn up, and stays.
func removeUnborn(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, walErr := os.Lstat(path + "-wal"); walErr == nil || st.Size() > pageSize {
		return fmt.Errorf("%w: database without a key file: %w", ErrDamaged, fs.ErrExist)
	}
	return os.Remove(path)
}

// Open opens the vault in dir. The error is [fs.ErrNotExist] if there is none,
// or one of the errors of this package. Nothing is written; a new key file that a crash has left unused
// is removed.
func Open(ctx context.Context, dir string, opt Options) (v *Vault, err error) {
	defer wrap(&err, "open vault")
	if _, err := os.Lstat(filepath.Join(dir, KeyFile)); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, LockFile))
	if err != nil {
		return nil, err
	}
	defer closeOnError(lock, &err)

	parse := parseKeyFile
	if opt.Hidden {
		parse = parseHidden
	}
	kf, err := readKeyFile(filepath.Join(dir, KeyFile), parse)
	if err != nil {
		return nil, err
	}
	key, err := kf.unwrap(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer wipeOnError(key, &err)
	keys, err := newPageKeys(key)
	if err != nil {
		return nil, err
	}
	if err := keys.check(filepath.Join(dir, DatabaseFile)); err != nil {
		return nil, err
	}
	// The next key file replaces it if this can't be done now, on a disk that can only be read for example.
	_ = shred(filepath.Join(dir, KeyFile+unfinished))
	return open(dir, lock, opt.Keyring, key, keys, kf)
}

func open(dir string, lock *fileLock, ring Keyring, key *databaseKey, keys *pageKeys, kf *keyFile) (*Vault, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	indexes := newIndexTable()
	rw, err := registerVFS(keys, indexes, false, kf.protection == Hidden)
	if err != nil {
		return nil, err
	}
	ro, err := registerVFS(keys, indexes, true, kf.protection == Hidden)
	if err != nil {
		return nil, errors.Join(err, rw.unregister())
	}
	return &Vault{dir: dir, lock: lock, ring: ring, keys: keys, vfs: rw, view: ro, key: key, file: kf}, nil
}

// Connector makes connections to the database, for [sql.OpenDB]. Each pragma, as in
// "foreign_keys(1)", is applied to every new connection, in alphabetical order.
// Transactions begin immediate: they take the write lock when they start.
func (v *Vault) Connector(pragmas ...string) (driver.Connector, error) {
	if v.vfs.hidden {
		// The log stays as large as it was made, or becomes that again.
		pragmas = slices.DeleteFunc(slices.Clone(pragmas), func(p string) bool { return strings.HasPrefix(p, "journal_size_limit(") })
		pragmas = append(pragmas, fmt.Sprintf("wal_autocheckpoint(%d)", hiddenCheckpoint), fmt.Sprintf("journal_size_limit(%d)", hiddenLogSize))
	}
	return sqlite.NewConnector(v.dsn(v.vfs, pragmas))
}

// Inspect runs fn with a connection through which nothing can be written: not even
// the recovery of an interrupted transaction or the clean-up at its end changes a
// byte in the directory, while what fn reads is as recent as with [Vault.Connector].
func (v *Vault) Inspect(ctx context.Context, fn func(*sql.Conn) error) (err error) {
	defer wrap(&err, "inspect vault")
	c, err := sqlite.NewConnector(v.dsn(v.view, []string{"query_only(1)"}))
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	// Closing folds the log into the database, which the read-only layer refuses.
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return Explain(err)
	}
	defer conn.Close()
	return Explain(fn(conn))
}

func (v *Vault) dsn(layer *vfs, pragmas []string) string {
	path := filepath.ToSlash(filepath.Join(v.dir, DatabaseFile))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	q := url.Values{
		"vfs":        {layer.name},
		"mode":       {"rw"}, // never create: a fresh file would lack the reserved bytes
		"_txlock":    {"immediate"},
		"_defensive": {"1"},
		"_dqs":       {"0"},
		"_error_rc":  {"1"},
		"_pragma":    append([]string{"temp_store(memory)"}, pragmas...),
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Protection tells what guards the database key.
func (v *Vault) Protection() Protection {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.file.protection
}

// CheckPassphrase returns nil if passphrase opens the vault, [ErrWrongPassphrase] if
// not or if the vault has none.
func (v *Vault) CheckPassphrase(passphrase []byte) (err error) {
	defer wrap(&err, "check passphrase")
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return fs.ErrClosed
	}
	if v.file.protection != Passphrase {
		return ErrWrongPassphrase
	}
	key, err := v.file.unwrap(context.Background(), Options{Passphrase: passphrase})
	if errors.Is(err, ErrPassphraseNeeded) {
		return ErrWrongPassphrase
	}
	if err != nil {
		return err
	}
	key.wipe()
	return nil
}

// SetPassphrase protects the database key with a passphrase in place of what guarded
// it before. A crash leaves either the old protection or the new one. The database
// key itself stays: a copy of the old key file still opens with what guarded it then.
// The old key file is overwritten, see [WriteFile].
func (v *Vault) SetPassphrase(ctx context.Context, passphrase []byte) (err error) {
	defer wrap(&err, "set passphrase")
	if len(passphrase) == 0 {
		return ErrPassphraseNeeded
	}
	return v.protect(ctx, Options{Passphrase: passphrase})
}

// RemovePassphrase protects the database key with the keyring, or, where that is
// unavailable, with a key in the key file. See [Vault.Protection] for the outcome.
// It also moves a key from the key file to a keyring that has become available.
func (v *Vault) RemovePassphrase(ctx context.Context) (err error) {
	defer wrap(&err, "remove passphrase")
	return v.protect(ctx, Options{Keyring: v.ring})
}

// SetKey protects the database key with a key of [KeySize] bytes that the caller keeps, in place
// of what guarded it before. A hidden vault stays hidden; it can't be protected otherwise.
func (v *Vault) SetKey(ctx context.Context, key []byte) (err error) {
	defer wrap(&err, "set key")
	return v.protect(ctx, Options{Key: key, Hidden: v.vfs.hidden})
}

func (v *Vault) protect(ctx context.Context, opt Options) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return fs.ErrClosed
	}
	if v.file.protection == Hidden && !opt.Hidden {
		return errors.New("the vault is hidden: it is protected by the caller's key")
	}
	kf, err := protect(ctx, v.key, opt)
	if err != nil {
		return err
	}
	if err := kf.write(ctx, filepath.Join(v.dir, KeyFile), v.ring); err != nil {
		return err
	}
	v.file.forget(ctx, v.ring)
	v.file = kf
	return nil
}

// Close wipes the keys and lets other processes open the vault. All connections have
// to be closed before: as long as one is open, Close changes nothing and says so.
func (v *Vault) Close() (err error) {
	defer wrap(&err, "close vault")
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	if err := v.view.unregister(); err != nil {
		return err
	}
	if err := v.vfs.unregister(); err != nil {
		return err
	}
	v.closed = true
	v.key.wipe()
	v.file.wipe()
	v.keys.wipe()
	return v.lock.Close()
}

// Explain adds [ErrDamaged] to an error of the database that came from bytes on disk
// that cannot be right, and [ErrDiskFull] to that of a full disk. Other errors, and nil, are returned as they are.
func Explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrDiskFull) {
		return err
	}
	switch code := e.Code(); {
	case code == sqlite3.SQLITE_IOERR_DATA,
		code&0xff == sqlite3.SQLITE_CORRUPT,
		code&0xff == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case code&0xff == sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}

func wrap(err *error, doing string) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", doing, *err)
	}
}

func closeOnError(f io.Closer, err *error) {
	if *err != nil {
		f.Close()
	}
}

func wipeOnError(key *databaseKey, err *error) {
	if *err != nil {
		key.wipe()
	}
}
