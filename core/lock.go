package core

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/store/vault"
)

// ErrNoPassphrase tells that a profile can't be locked because it has no passphrase.
var ErrNoPassphrase = errors.New("the profile has no passphrase: set one first")

// LockProfile closes a profile until its passphrase is given again. It does not receive meanwhile.
// The error is ErrNoProfile or ErrNoPassphrase.
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
	switch {
	case c.closed:
		return nil, ErrClosed
	case !slices.Contains(c.app.Profiles, id):
		return nil, ErrNoProfile
	}
	return c.open[id], nil
}

// deleteTime bounds how long DeleteProfile waits for relays.
const deleteTime = 10 * time.Second

// deleted is what the folder of a profile ends in that is being deleted.
const deleted = ".deleted"

// DeleteProfile deletes a profile with all that belongs to it. If it is open, its queues are deleted
// on their relays as far as those can be reached within ten seconds, or as long as ctx allows;
// queues that are left there are never read again. The first other profile becomes the one in use if it
// was that. The error is ErrNoProfile, or tells why its files can't be deleted.
func (c *Core) DeleteProfile(ctx context.Context, id string) error {
	c.opening.Lock()
	defer c.opening.Unlock()
	p, err := c.known(id)
	if err != nil {
		return err
	}
	if p != nil {
		waiting, cancel := context.WithTimeout(ctx, deleteTime)
		err = p.chat.DeleteQueues(waiting)
		cancel()
		if err == nil && p.Protection() == vault.KeyringEntry {
			err = p.forgetKey(ctx)
		}
		if err != nil {
			return fmt.Errorf("deleting a profile: %w", err)
		}
		c.mu.Lock()
		delete(c.open, id)
		c.mu.Unlock()
		if err := p.close(); err != nil {
			return fmt.Errorf("deleting a profile: %w", err)
		}
	}
	// From here on it is gone, even if the program is ended.
	dir := c.profileDir(id)
	if err := os.Rename(dir, dir+deleted); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("deleting a profile: %w", err)
	}
	if err := c.forgetProfile(id); err != nil {
		return fmt.Errorf("deleting a profile: %w", err)
	}
	c.hub.publish(Event{id, ProfileDeleted{}})
	if err := os.RemoveAll(dir + deleted); err != nil {
		return fmt.Errorf("deleting a profile: %w", err)
	}
	return nil
}

// forgetKey removes the key of a profile from the keyring: it is under a passphrase then that
// nobody knows.
func (p *Profile) forgetKey(ctx context.Context) error {
	b := make([]byte, 32)
	if _, err := io.ReadFull(p.core.opt.Rand, b); err != nil {
		return err
	}
	passphrase := []byte(hex.EncodeToString(b))
	clear(b)
	defer clear(passphrase)
	return p.db.Vault().SetPassphrase(ctx, passphrase)
}

// forgetProfile removes a profile from app.json.
func (c *Core) forgetProfile(id string) error {
	err := c.changeApp(func(s *appState) error {
		s.Profiles = slices.DeleteFunc(s.Profiles, func(p string) bool { return p == id })
		if s.Current == id {
			s.Current = ""
			if len(s.Profiles) > 0 {
				s.Current = s.Profiles[0]
			}
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failed, id)
	return err
}

// finishDeletions deletes what is left of profiles whose deletion was interrupted.
func (c *Core) finishDeletions() error {
	entries, err := os.ReadDir(filepath.Join(c.dir, profilesDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), deleted)
		if !ok || !profileID.MatchString(id) {
			continue
		}
		if slices.Contains(c.app.Profiles, id) {
			if err := c.forgetProfile(id); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(filepath.Join(c.dir, profilesDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
