package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// Protection is what guards the database key of a vault.
type Protection byte

const (
	// Passphrase: the vault opens with a passphrase that is stored nowhere.
	Passphrase Protection = iota + 1
	// KeyringEntry: the vault opens for whoever can use the person's account on
	// this computer. A copy of the directory alone does not open.
	KeyringEntry
	// PlainFile: the vault opens for whoever can read its directory.
	PlainFile
	// CallerKey: the vault opens with a key that the caller keeps.
	CallerKey
	// Hidden: the same, and nothing in the directory tells that it is a vault.
	Hidden
)

// String returns "passphrase", "keyring", "file", "key" or "hidden".
func (p Protection) String() string {
	switch p {
	case Passphrase:
		return "passphrase"
	case KeyringEntry:
		return "keyring"
	case PlainFile:
		return "file"
	case CallerKey:
		return "key"
	case Hidden:
		return "hidden"
	}
	return fmt.Sprintf("protection %d", byte(p))
}

// The key file. All numbers are big-endian.
//
//	magic "SOTTOKEY"
//	version     1 byte
//	protection  1 byte
//	then one of
//	  passphrase  16 bytes salt, uint32 passes, uint32 memory in KiB, 1 byte lanes
//	  keyring     16 bytes id of the entry
//	  file        32 bytes wrapping key
//	  key         nothing
//	nonce       24 bytes
//	sealed      32+16 bytes: the database key under XChaCha20-Poly1305 with the
//	            wrapping key; all bytes before the nonce are additional data
//	checksum    first 8 bytes of SHA-256 of all bytes before, which tells a damaged
//	            file from a wrong passphrase
//
// That of a hidden vault is nonce and sealed alone, which nobody without the key can tell from
// random bytes.
const (
	keyFileMagic    = "SOTTOKEY"
	keyFileVersion  = 1
	maxKeyFileSize  = 1024
	saltSize        = 16
	entryIDSize     = 16
	wrappingKeySize = KeySize
	hiddenKeySize   = nonceSize + wrappedSize // of the key file of a hidden vault
	wrappedSize     = len(databaseKey{}) + tagSize
	checksumSize    = 8
)

// KeySize is the size of Options.Key, in bytes.
const KeySize = chacha20poly1305.KeySize

// SaltSize is the size of a salt for DeriveKey, in bytes.
const SaltSize = saltSize

// DeriveKey makes a key of KeySize bytes from a passphrase, at the costs that vaults use.
func DeriveKey(passphrase, salt []byte) []byte {
	return argon2.IDKey(passphrase, salt, argonDefault.passes, argonDefault.memory, argonDefault.lanes, KeySize)
}

// argonParams are the costs of Argon2id (RFC 9106).
type argonParams struct {
	passes uint32
	memory uint32 // KiB
	lanes  uint8
}

// argonDefault is the second recommended choice of RFC 9106 section 4.
var argonDefault = argonParams{passes: 3, memory: 64 << 10, lanes: 4}

// Bounds for the costs in a key file: enough for years of faster machines, while a
// hostile file costs some seconds and 1 GiB.
const (
	maxArgonMemory = 1 << 20 // KiB
	maxArgonPasses = 64
	maxArgonLanes  = 16
	maxArgonWork   = 4 << 20 // passes times KiB
)

func (p argonParams) valid() bool {
	return p.passes >= 1 && p.passes <= maxArgonPasses &&
		p.lanes >= 1 && p.lanes <= maxArgonLanes &&
		p.memory >= 8*uint32(p.lanes) && p.memory <= maxArgonMemory &&
		uint64(p.passes)*uint64(p.memory) <= maxArgonWork
}

type keyFile struct {
	protection  Protection
	salt        [saltSize]byte
	argon       argonParams
	entryID     [entryIDSize]byte
	wrappingKey [wrappingKeySize]byte // of PlainFile only
	nonce       [nonceSize]byte
	wrapped     [wrappedSize]byte
}

// wipe forgets the wrapping key.
func (k *keyFile) wipe() { clear(k.wrappingKey[:]) }

// hiddenHeader is additional data of what is sealed in the key file of a hidden vault.
const hiddenHeader = "sotto hidden vault v1"

// header is what comes before the nonce, and for a hidden vault what is sealed along.
func (k *keyFile) header() []byte {
	if k.protection == Hidden {
		return []byte(hiddenHeader)
	}
	b := append([]byte(keyFileMagic), keyFileVersion, byte(k.protection))
	switch k.protection {
	case Passphrase:
		b = append(b, k.salt[:]...)
		b = binary.BigEndian.AppendUint32(b, k.argon.passes)
		b = binary.BigEndian.AppendUint32(b, k.argon.memory)
		b = append(b, k.argon.lanes)
	case KeyringEntry:
		b = append(b, k.entryID[:]...)
	case PlainFile:
		b = append(b, k.wrappingKey[:]...)
	}
	return b
}

func (k *keyFile) encode() []byte {
	if k.protection == Hidden {
		return append(bytes.Clone(k.nonce[:]), k.wrapped[:]...)
	}
	b := append(k.header(), k.nonce[:]...)
	b = append(b, k.wrapped[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:checksumSize]...)
}

func parseKeyFile(b []byte) (*keyFile, error) {
	damaged := func(what string) error { return fmt.Errorf("key file: %s: %w", what, ErrDamaged) }
	rest, ok := bytes.CutPrefix(b, []byte(keyFileMagic))
	if !ok || len(rest) < 2+checksumSize {
		return nil, damaged("not a key file")
	}
	if rest[0] > keyFileVersion {
		return nil, fmt.Errorf("key file: version %d: %w", rest[0], ErrNewerFormat)
	}
	body, sum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if want := sha256.Sum256(body); rest[0] != keyFileVersion || !bytes.Equal(sum, want[:checksumSize]) {
		return nil, damaged("wrong checksum")
	}

	k := &keyFile{protection: Protection(rest[1])}
	rest = rest[2 : len(rest)-checksumSize]
	take := func(dst []byte) {
		if len(rest) < len(dst) {
			ok = false
			return
		}
		copy(dst, rest)
		rest = rest[len(dst):]
	}
	switch k.protection {
	case Passphrase:
		var costs [9]byte
		take(k.salt[:])
		take(costs[:])
		k.argon = argonParams{
			passes: binary.BigEndian.Uint32(costs[:]),
			memory: binary.BigEndian.Uint32(costs[4:]),
			lanes:  costs[8],
		}
		if ok && !k.argon.valid() {
			return nil, damaged("costs of the passphrase out of bounds")
		}
	case KeyringEntry:
		take(k.entryID[:])
	case PlainFile:
		take(k.wrappingKey[:])
	case CallerKey:
	default:
		return nil, damaged("unknown protection")
	}
	take(k.nonce[:])
	take(k.wrapped[:])
	if !ok || len(rest) != 0 {
		return nil, damaged("wrong length")
	}
	return k, nil
}

// parseHidden reads the key file of a hidden vault. What it says no one knows without the key.
func parseHidden(b []byte) (*keyFile, error) {
	if len(b) != hiddenKeySize {
		return nil, fmt.Errorf("key file: wrong length: %w", ErrDamaged)
	}
	k := &keyFile{protection: Hidden}
	copy(k.wrapped[:], b[copy(k.nonce[:], b):])
	return k, nil
}

func readKeyFile(path string, parse func([]byte) (*keyFile, error)) (*keyFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFileSize))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer clear(b)
	return parse(b)
}

// write makes k the key file at path. After an error its keyring entry is removed.
func (k *keyFile) write(ctx context.Context, path string, ring Keyring) error {
	b := k.encode()
	defer clear(b)
	err := WriteFile(path, b)
	if err == nil {
		return nil
	}
	// If it stands there although it could not be made durable, or if that can't be told, the entry is needed.
	now, readErr := os.ReadFile(path)
	defer clear(now)
	if errors.Is(readErr, os.ErrNotExist) || readErr == nil && !bytes.Equal(now, b) {
		k.forget(ctx, ring)
	}
	k.wipe()
	return err
}

// protect wraps key: with a passphrase or a key if there is one, else with a new key in the
// keyring if that can be had, else with a key in the file.
func protect(ctx context.Context, key *databaseKey, opt Options) (*keyFile, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	k := new(keyFile)
	wrapping := make([]byte, wrappingKeySize)
	defer func() { clear(wrapping) }()
	rand.Read(wrapping)
	switch {
	case len(opt.Passphrase) > 0:
		k.protection, k.argon = Passphrase, argonDefault
		rand.Read(k.salt[:])
		wrapping = k.derive(opt.Passphrase)
	case opt.Key != nil:
		if k.protection = CallerKey; opt.Hidden {
			k.protection = Hidden
		}
		copy(wrapping, opt.Key)
	default:
		k.protection = PlainFile
		if opt.Keyring != nil {
			rand.Read(k.entryID[:])
			switch err := opt.Keyring.Set(ctx, k.entry(), wrapping); {
			case err == nil:
				k.protection = KeyringEntry
			case ctx.Err() != nil:
				return nil, err
			}
		}
		if k.protection == PlainFile {
			copy(k.wrappingKey[:], wrapping)
		}
	}
	rand.Read(k.nonce[:])
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return nil, err
	}
	aead.Seal(k.wrapped[:0], k.nonce[:], key[:], k.header())
	return k, nil
}

// unwrap recovers the database key.
func (k *keyFile) unwrap(ctx context.Context, opt Options) (*databaseKey, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	var wrapping []byte
	switch k.protection {
	case Passphrase:
		if len(opt.Passphrase) == 0 {
			return nil, ErrPassphraseNeeded
		}
		wrapping = k.derive(opt.Passphrase)
	case CallerKey, Hidden:
		if opt.Key == nil {
			return nil, ErrPassphraseNeeded
		}
		wrapping = bytes.Clone(opt.Key)
	case KeyringEntry:
		if opt.Keyring == nil {
			return nil, ErrKeyringUnavailable
		}
		var err error
		if wrapping, err = opt.Keyring.Get(ctx, k.entry()); err != nil {
			if !errors.Is(err, ErrKeyringEntryMissing) && !errors.Is(err, ErrKeyringUnavailable) {
				err = fmt.Errorf("%w: %w", ErrKeyringUnavailable, err)
			}
			return nil, err
		}
		if len(wrapping) != wrappingKeySize {
			clear(wrapping)
			return nil, fmt.Errorf("keyring entry has the wrong length: %w", ErrDamaged)
		}
	case PlainFile:
		wrapping = bytes.Clone(k.wrappingKey[:])
	}
	defer clear(wrapping)
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return nil, err
	}
	key := new(databaseKey)
	if _, err := aead.Open(key[:0], k.nonce[:], k.wrapped[:], k.header()); err != nil {
		switch k.protection {
		case Passphrase, CallerKey, Hidden:
			return nil, ErrWrongPassphrase
		}
		return nil, fmt.Errorf("key file does not open: %w", ErrDamaged)
	}
	return key, nil
}

func (k *keyFile) derive(passphrase []byte) []byte {
	return argon2.IDKey(passphrase, k.salt[:], k.argon.passes, k.argon.memory, k.argon.lanes, wrappingKeySize)
}

// entry names the keyring entry: a random id, which says nothing about the profile.
func (k *keyFile) entry() string { return hex.EncodeToString(k.entryID[:]) }

// forget removes the keyring entry of a key file that is no longer used. If the
// keyring refuses, an entry that opens nothing stays behind.
func (k *keyFile) forget(ctx context.Context, ring Keyring) {
	if k.protection == KeyringEntry && ring != nil {
		ring.Delete(context.WithoutCancel(ctx), k.entry())
	}
	k.wipe()
}

// WriteFile makes path a file with the contents b, which only its owner can read, and makes it durable.
// After a crash it is as before or complete. What was there before is overwritten, as far as the disk
// lets it be: a key that was replaced is not to be found in free space.
func WriteFile(path string, b []byte) error {
	temp := path + unfinished
	// What an interrupted call left must not lend its permissions.
	if err := shred(temp); err != nil {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, shred(temp))
	}
	before := openReplaced(path)
	if before != nil {
		defer before.Close()
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, shred(temp))
	}
	if err := syncDir(filepath.Dir(path)); err != nil || before == nil {
		return err
	}
	if !hasNames(before) { // a backup with links to the same file keeps it
		_ = overwrite(before) // the new file is there: that the old one resists is no failure
	}
	return nil
}

// unfinished ends the name of a file that WriteFile is writing. After a crash it may be complete, and open a vault.
const unfinished = ".new"

// shred overwrites a file and removes it. It may not be there.
func shred(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && st.Mode().IsRegular() {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			_ = errors.Join(overwrite(f), f.Close()) // removing it is what can't be left out
		}
	}
	return os.Remove(path)
}

// overwrite replaces the contents of a file by random bytes, on the same place of the disk as far as that can be had.
func overwrite(f *os.File) error {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(f, 0), io.LimitReader(rand.Reader, st.Size()))
	return errors.Join(err, f.Sync())
}
