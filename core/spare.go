package core

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/store/vault"
)

// Spares are the folders among those of the profiles that belong to none: decoys, and hidden profiles
// that nobody has opened. Nothing tells which is which.

// The number of decoys at the first start is a random one of these.
const (
	minSpares = 2
	maxSpares = 5
)

// maxSpare bounds the size of the database in a decoy that takes the place of a deleted profile, in bytes.
const maxSpare = 64 << 20

// newID makes an id for a profile, which names its folder.
func (c *Core) newID() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(c.opt.Rand, b); err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// prepareSpares makes the decoys of a new data folder, ends what was interrupted while a profile was hidden or
// shown, and lets all spares look alike.
func (c *Core) prepareSpares() error {
	if c.app.Salt == nil {
		random := make([]byte, vault.SaltSize+1)
		if _, err := io.ReadFull(c.opt.Rand, random); err != nil {
			return err
		}
		for range minSpares + int(random[0])%(maxSpares-minSpares+1) {
			if err := c.makeSpare(0); err != nil {
				return err
			}
		}
		err := c.changeApp(func(s *appState) error {
			s.Salt = random[1:]
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, id := range slices.Clone(c.app.Profiles) {
		if vault.IsHidden(c.profileDir(id)) {
			if err := c.forgetProfile(id, ""); err != nil {
				return err
			}
		}
	}
	return c.disguise()
}

// makeSpare makes a decoy. The size of its database is like that of a deleted profile, or random with 0.
func (c *Core) makeSpare(size int64) error {
	id, err := c.newID()
	if err != nil {
		return err
	}
	dir := c.profileDir(id)
	err = vault.MakeDecoy(dir, min(size, maxSpare))
	if err == nil {
		err = chat.Decoy(filepath.Join(dir, filesDir), c.opt.Rand)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// spares returns the ids of all spares, in the order of their names. Hidden profiles that are open are
// among them.
func (c *Core) spares() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, profilesDir))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, e := range entries {
		id := e.Name()
		if profileID.MatchString(id) && !slices.Contains(c.app.Profiles, id) && !slices.Contains(c.app.Leaving, id) {
			list = append(list, id)
		}
	}
	return list, nil
}

// disguise gives all spares that nobody has open the same times, and undoes other traces of use.
func (c *Core) disguise() error {
	list, err := c.spares()
	if err != nil {
		return err
	}
	now := c.opt.Now()
	for _, id := range list {
		if c.Profile(id) != nil {
			continue
		}
		// A folder that lacks a file is none that could be opened.
		if err := vault.Disguise(c.profileDir(id), now); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Chtimes(filepath.Join(c.dir, profilesDir), now, now)
}
