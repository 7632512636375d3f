package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/store"
)

// ProfileInfo is what the list of profiles shows.
type ProfileInfo struct {
	ID         string
	Name       string // empty if it is not open
	AvatarSeed uint32 // random, never sent; 0 if it is not open
	Unread     int    // messages
	Current    bool   // it is the one that was used last
	Hidden     bool   // it is a hidden one that is open
	Locked     bool   // it needs its passphrase
	Err        error  // why it can't be opened, if not for being locked
}

// NewProfile describes a profile to be made.
type NewProfile struct {
	Name       string      // told only to people one connects with
	Relays     RelayChoice // the zero value is for public relays
	Passphrase string      // empty for none
	Hidden     bool        // it is to be a hidden one with Passphrase
}

// Profiles returns all profiles in their order, hidden ones that are open last. While the program is
// locked their names are not known.
func (c *Core) Profiles() []ProfileInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []ProfileInfo
	for _, id := range slices.Concat(c.app.Profiles, c.hidden) {
		list = append(list, c.info(id))
	}
	return list
}

// info describes a profile. The caller holds c.mu.
func (c *Core) info(id string) ProfileInfo {
	info := ProfileInfo{ID: id}
	if p := c.open[id]; p != nil {
		info = p.info()
	} else if err := c.failed[id]; c.locked || errors.Is(err, ErrLocked) {
		info.Locked = true
	} else {
		info.Err = err
	}
	info.Current = id == c.current()
	return info
}

// current is the id of the profile that was used last. The caller holds c.mu.
func (c *Core) current() string {
	if c.used != "" {
		return c.used
	}
	return c.app.Current
}

// Profile returns a profile that is open, or nil.
func (c *Core) Profile(id string) *Profile {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[id]
}

// Current returns the profile that was used last, or nil if there is none or it is not open.
func (c *Core) Current() *Profile {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[c.current()]
}

// Use remembers the profile that is used, a hidden one until it is closed. The others go on receiving.
func (c *Core) Use(id string) error {
	c.mu.Lock()
	hidden := slices.Contains(c.hidden, id)
	if hidden {
		c.used = id
	}
	c.mu.Unlock()
	if hidden {
		return nil
	}
	err := c.changeApp(func(s *appState) error {
		if !slices.Contains(s.Profiles, id) {
			return ErrNoProfile
		}
		s.Current = id
		return nil
	})
	if err == nil {
		c.mu.Lock()
		c.used = ""
		c.mu.Unlock()
	}
	return err
}

// CreateProfile makes a profile and opens it. The first one becomes the one in use. The error
// wraps ErrName, ErrNoRelays, ErrRelayAddress or ErrRelayPort; nothing was made then.
func (c *Core) CreateProfile(ctx context.Context, n NewProfile) (*Profile, error) {
	if err := event.CheckName(n.Name); err != nil {
		return nil, err
	}
	if n.Hidden && n.Passphrase == "" {
		return nil, ErrNoPassphrase
	}
	relays, err := n.Relays.complete(c.opt.Rand)
	if err != nil {
		return nil, err
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	if relays.Kind == RelaysThisComputer {
		if _, err := c.local.start(); err != nil {
			return nil, err
		}
	}
	id, err := c.newID()
	if err != nil {
		return nil, fmt.Errorf("making a profile: %w", err)
	}
	avatar := make([]byte, 4)
	if _, err := io.ReadFull(c.opt.Rand, avatar); err != nil {
		return nil, fmt.Errorf("making a profile: %w", err)
	}
	p, err := c.makeProfile(ctx, id, avatar, relays, n)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a profile: %w", err), os.RemoveAll(c.profileDir(id)))
	}
	if n.Hidden {
		c.openedHidden(p)
		return p, nil
	}
	err = c.changeApp(func(s *appState) error {
		s.Profiles = append(s.Profiles, id)
		if s.Current == "" {
			s.Current = id
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a profile: %w", err), p.close(), os.RemoveAll(c.profileDir(id)))
	}
	c.opened(p)
	return p, nil
}

// makeProfile makes the folder of a profile. The caller removes it after an error.
func (c *Core) makeProfile(ctx context.Context, id string, avatar []byte, relays RelayChoice, n NewProfile) (*Profile, error) {
	passphrase := []byte(n.Passphrase)
	defer clear(passphrase)
	opt := c.protection(passphrase)
	if n.Hidden {
		key, err := c.newHiddenKey(passphrase)
		if err != nil {
			return nil, err
		}
		defer clear(key)
		opt = store.Options{Key: key, Hidden: true}
	}
	db, err := store.Create(ctx, c.profileDir(id), opt)
	if err != nil {
		return nil, err
	}
	err = db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting(settingAvatar, avatar); err != nil {
			return err
		}
		if err := setRelays(tx, relays); err != nil {
			return err
		}
		return chat.SetName(tx, n.Name)
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c.startProfile(ctx, id, db)
}
