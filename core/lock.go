package core

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

var (
	// ErrNoPassphrase tells that something needs a passphrase and there is none.
	ErrNoPassphrase = errors.New("there is no passphrase: set one first")
	// ErrPassphraseUsed tells that a passphrase does something else already.
	ErrPassphraseUsed = errors.New("this passphrase is used already: choose another one")
)

// LockProfile closes a profile until its passphrase is given again. It does not receive meanwhile.
// The error is ErrNoProfile or ErrNoPassphrase. A hidden profile is closed without a trace.
func (c *Core) LockProfile(id string) error {
	c.opening.Lock()
	defer c.opening.Unlock()
	p, err := c.known(id)
	if err != nil {
		return err
	}
	if p == nil {
		return nil // it is locked, or could not be opened
	}
	if p.hidden {
		return c.closeHidden(p)
	}
	if p.Protection() != vault.Passphrase {
		return ErrNoPassphrase
	}
	c.mu.Lock()
	delete(c.open, id)
	c.failed[id] = ErrLocked
	info := c.info(id)
	c.mu.Unlock()
	err = p.close()
	c.hub.publish(Event{id, ProfileChanged{info}})
	return err
}

// known returns a profile if it is open, nil if it is not, and ErrNoProfile if there is no such
// profile. The caller holds c.opening.
func (c *Core) known(id string) (*Profile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkLocked(); err != nil {
		return nil, err
	}
	if p := c.open[id]; p != nil || slices.Contains(c.app.Profiles, id) {
		return p, nil
	}
	return nil, ErrNoProfile
}

// appLock is what app.json keeps of the lock.
type appLock struct {
	// Key is the key that protects the profiles without a passphrase, sealed with one from the passphrase
	// of the lock: a nonce, and what XChaCha20-Poly1305 makes of the key.
	Key []byte `json:"key"`
	// Wipe is made from the passphrase that deletes everything. If there is none it is random,
	// so that nobody can tell.
	Wipe []byte `json:"wipe"`
}

// lockKeySize is the size of appLock.Key, in bytes.
const lockKeySize = chacha20poly1305.NonceSizeX + vault.KeySize + chacha20poly1305.Overhead

// What keys are made for from a passphrase.
const (
	keyForLock   = "sotto lock v1"
	keyForWipe   = "sotto wipe v1"
	keyForHidden = "sotto hidden profile v1"
)

// secret is what a passphrase gives after the slow derivation.
type secret []byte

// deriveKey is a variable for tests, which would spend half of their time in it.
var deriveKey = vault.DeriveKey

// derive makes a secret of a passphrase, which takes a while by design.
func (c *Core) derive(passphrase []byte) secret {
	c.mu.Lock()
	salt := c.app.Salt
	c.mu.Unlock()
	return deriveKey(passphrase, salt)
}

func (s secret) wipe() { clear(s) }

// key is the key for one purpose. The caller wipes it.
func (s secret) key(purpose string) ([]byte, error) {
	return hkdf.Expand(sha256.New, s, purpose, vault.KeySize)
}

func (s secret) lockCipher() (cipher.AEAD, error) {
	key, err := s.key(keyForLock)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return chacha20poly1305.NewX(key)
}

// seal makes appLock.Key.
func (s secret) seal(random io.Reader, key []byte) ([]byte, error) {
	aead, err := s.lockCipher()
	if err != nil {
		return nil, err
	}
	b := make([]byte, chacha20poly1305.NonceSizeX, lockKeySize)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, err
	}
	return aead.Seal(b, b, key, nil), nil
}

// open returns what seal has sealed, or ErrWrongPassphrase.
func (s secret) open(sealed []byte) ([]byte, error) {
	aead, err := s.lockCipher()
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], nil)
	if err != nil {
		return nil, ErrWrongPassphrase
	}
	return key, nil
}

// wipes tells whether the passphrase is the one that deletes everything.
func (s secret) wipes(l *appLock) (bool, error) {
	key, err := s.key(keyForWipe)
	if err != nil {
		return false, err
	}
	defer clear(key)
	return subtle.ConstantTimeCompare(key, l.Wipe) == 1, nil
}

// lock returns what is kept of the lock, nil if there is none.
func (c *Core) lock() *appLock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Lock
}

// HasLock tells whether the program has a passphrase.
func (c *Core) HasLock() bool { return c.lock() != nil }

// Locked tells whether the program is locked.
func (c *Core) Locked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.locked
}

// SetLock gives the program a passphrase, or another one, or none if new is empty. The error is
// ErrWrongPassphrase if old is not the one that it has, empty for none, and ErrPassphraseUsed
// if new deletes everything. As long as there is one, it guards all profiles that have none of their own.
// A copy of the data folder from before opens with what guarded it then.
func (c *Core) SetLock(ctx context.Context, old, new string) error {
	oldBytes, newBytes := []byte(old), []byte(new)
	defer clear(oldBytes)
	defer clear(newBytes)
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.checkOpen(); err != nil {
		return err
	}
	l := c.lock()
	var key []byte
	var err error
	switch {
	case l == nil && old != "":
		return ErrWrongPassphrase
	case l == nil && new == "":
		return nil
	case l == nil:
		key = make([]byte, vault.KeySize)
		l = &appLock{Wipe: make([]byte, vault.KeySize)}
		if _, err := io.ReadFull(c.opt.Rand, key); err != nil {
			return fmt.Errorf("setting the lock: %w", err)
		}
		if _, err := io.ReadFull(c.opt.Rand, l.Wipe); err != nil {
			return fmt.Errorf("setting the lock: %w", err)
		}
	default:
		s := c.derive(oldBytes)
		key, err = s.open(l.Key)
		s.wipe()
		if err != nil {
			return err
		}
	}
	defer clear(key)
	if new == "" {
		err = c.removeLock(ctx)
	} else {
		err = c.sealLock(ctx, newBytes, key, l)
	}
	if err != nil {
		return fmt.Errorf("setting the lock: %w", err)
	}
	return nil
}

// sealLock keeps the key under a passphrase, and protects with it all profiles that have none.
func (c *Core) sealLock(ctx context.Context, passphrase, key []byte, l *appLock) error {
	s := c.derive(passphrase)
	defer s.wipe()
	if used, err := s.wipes(l); err != nil {
		return err
	} else if used {
		return ErrPassphraseUsed
	}
	sealed, err := s.seal(c.opt.Rand, key)
	if err != nil {
		return err
	}
	err = c.changeApp(func(s *appState) error {
		s.Lock = &appLock{Key: sealed, Wipe: l.Wipe}
		return nil
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.key == nil {
		c.key = slices.Clone(key)
	}
	c.mu.Unlock()
	// Should the program end here, the rest is done when it is unlocked.
	for _, db := range c.databases() {
		if err := c.underLock(ctx, db); err != nil && !errors.Is(err, fs.ErrClosed) {
			return err
		}
	}
	return nil
}

// removeLock protects the profiles otherwise, and then forgets the lock.
func (c *Core) removeLock(ctx context.Context) error {
	c.mu.Lock()
	for _, id := range c.app.Profiles {
		// It could not be opened any more.
		if err := c.failed[id]; err != nil && !errors.Is(err, ErrLocked) {
			c.mu.Unlock()
			return fmt.Errorf("a profile is not open: %w", err)
		}
	}
	c.mu.Unlock()
	for _, db := range c.databases() {
		if db.Vault().Protection() == vault.CallerKey {
			if err := db.Vault().RemovePassphrase(ctx); err != nil && !errors.Is(err, fs.ErrClosed) {
				return err
			}
		}
	}
	err := c.changeApp(func(s *appState) error {
		s.Lock = nil
		return nil
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	clear(c.key)
	c.key = nil
	c.mu.Unlock()
	return nil
}

// databases are all that are open, and perhaps those of leavers that are done. The caller holds c.opening.
func (c *Core) databases() (list []*store.DB) {
	c.mu.Lock()
	for _, p := range c.open {
		list = append(list, p.db)
	}
	defer c.mu.Unlock()
	for _, l := range c.leaving {
		list = append(list, l.db)
	}
	return list
}

// underLock protects a database by the lock, if there is one and the database has no passphrase.
func (c *Core) underLock(ctx context.Context, db *store.DB) error {
	key := c.protection(nil).Key
	if p := db.Vault().Protection(); key == nil || p != vault.KeyringEntry && p != vault.PlainFile {
		return nil
	}
	return db.Vault().SetKey(ctx, key)
}

// SetWipe sets the passphrase that deletes everything if it is typed to unlock the program, or removes it
// if it is empty. The error is ErrNoPassphrase if there is no lock, and ErrPassphraseUsed for the
// passphrase of the lock.
func (c *Core) SetWipe(_ context.Context, passphrase string) error {
	b := []byte(passphrase)
	defer clear(b)
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.checkOpen(); err != nil {
		return err
	}
	l := c.lock()
	if l == nil {
		return ErrNoPassphrase
	}
	wipe := make([]byte, vault.KeySize)
	if passphrase == "" {
		if _, err := io.ReadFull(c.opt.Rand, wipe); err != nil {
			return err
		}
	} else {
		s := c.derive(b)
		defer s.wipe()
		if key, err := s.open(l.Key); err == nil {
			clear(key)
			return ErrPassphraseUsed
		}
		var err error
		if wipe, err = s.key(keyForWipe); err != nil {
			return err
		}
	}
	return c.changeApp(func(s *appState) error {
		s.Lock = &appLock{Key: l.Key, Wipe: wipe}
		return nil
	})
}

// Idle is the time without input after which the program is to be locked, 0 for never.
func (c *Core) Idle() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.app.Idle) * time.Second
}

// SetIdle keeps what Idle tells, in whole seconds. It is up to the window to know of input.
func (c *Core) SetIdle(d time.Duration) error {
	return c.changeApp(func(s *appState) error {
		s.Idle = max(0, int(d/time.Second))
		return nil
	})
}

// Lock closes all profiles and forgets all keys, until Unlock. The error is ErrNoPassphrase if the program
// has no passphrase, or tells what went wrong in closing; it is locked then nevertheless.
func (c *Core) Lock(context.Context) error {
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return ErrClosed
	case c.app.Lock == nil:
		c.mu.Unlock()
		return ErrNoPassphrase
	case c.locked:
		c.mu.Unlock()
		return nil
	}
	c.locked = true
	clear(c.failed)
	c.mu.Unlock()
	err := c.closeAll()
	c.tor.update()
	c.hub.publish(Event{Change: LockChanged{true}})
	if err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	return nil
}

// Unlock opens all profiles that have no passphrase of their own. The error is ErrWrongPassphrase. With the
// passphrase of SetWipe everything is deleted: the program is as at its first start then.
func (c *Core) Unlock(ctx context.Context, passphrase string) error {
	b := []byte(passphrase)
	defer clear(b)
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.Lock()
	l, locked, closed := c.app.Lock, c.locked, c.closed
	c.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if !locked {
		return nil
	}
	s := c.derive(b)
	defer s.wipe()
	wipes, err := s.wipes(l)
	if err != nil {
		return err
	}
	key, err := s.open(l.Key)
	if wipes {
		err = c.wipe(ctx)
	} else if err == nil {
		c.mu.Lock()
		c.locked, c.key = false, key
		c.mu.Unlock()
		err = c.openAll(ctx)
	}
	if errors.Is(err, ErrWrongPassphrase) {
		return err
	}
	c.hub.publish(Event{Change: LockChanged{c.Locked()}})
	if err != nil {
		return fmt.Errorf("unlocking: %w", err)
	}
	return nil
}
