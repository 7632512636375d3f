package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// hiddenKey is the key of the hidden profile with a passphrase. The caller wipes it.
func (c *Core) hiddenKey(passphrase []byte) ([]byte, error) {
	s := c.derive(passphrase)
	defer s.wipe()
	return s.key(keyForHidden)
}

// newHiddenKey is hiddenKey for a new passphrase. The error is ErrNoPassphrase if it is empty, and
// ErrPassphraseUsed if it opens a hidden profile.
func (c *Core) newHiddenKey(passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, ErrNoPassphrase
	}
	key, err := c.hiddenKey(passphrase)
	if err != nil {
		return nil, err
	}
	if _, err := c.findHidden(key); !errors.Is(err, ErrNoProfile) {
		clear(key)
		if err == nil {
			err = ErrPassphraseUsed
		}
		return nil, err
	}
	return key, nil
}

// findHidden returns the id of the hidden profile that a key opens, or ErrNoProfile. It tries all spares in
// any case.
func (c *Core) findHidden(key []byte) (string, error) {
	list, err := c.spares()
	if err != nil {
		return "", err
	}
	found := ""
	for _, id := range list {
		if vault.Opens(c.profileDir(id), key) {
			found = id
		}
	}
	if found == "" {
		return "", ErrNoProfile
	}
	return found, nil
}

// OpenHidden opens the hidden profile with a passphrase, or returns it if it is open. It is not the one in use
// before Use. The error is ErrNoProfile if there is none, which takes as long to find out as that there
// is one.
func (c *Core) OpenHidden(ctx context.Context, passphrase string) (*Profile, error) {
	b := []byte(passphrase)
	defer clear(b)
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	key, err := c.hiddenKey(b)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	id, err := c.findHidden(key)
	if err != nil {
		return nil, err
	}
	if p := c.Profile(id); p != nil {
		return p, nil
	}
	return c.openHidden(ctx, id, key)
}

func (c *Core) openHidden(ctx context.Context, id string, key []byte) (*Profile, error) {
	db, err := store.Open(ctx, c.profileDir(id), store.Options{Key: key, Hidden: true})
	if err != nil {
		return nil, errors.Join(err, c.disguise())
	}
	p, err := c.startProfile(ctx, id, db)
	if err != nil {
		return nil, errors.Join(err, c.disguise())
	}
	c.openedHidden(p)
	return p, nil
}

// openedHidden adds a hidden profile to those that are open.
func (c *Core) openedHidden(p *Profile) {
	c.mu.Lock()
	c.hidden = append(c.hidden, p.id)
	c.mu.Unlock()
	c.opened(p)
}

// CloseHidden closes all hidden profiles that are open and forgets what was in them. If one of them was in
// use, the profile that was used before is that again.
func (c *Core) CloseHidden() error {
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.Lock()
	var list []*Profile
	for _, id := range c.hidden {
		list = append(list, c.open[id])
	}
	c.mu.Unlock()
	var errs []error
	for _, p := range list {
		errs = append(errs, c.closeHidden(p))
	}
	return errors.Join(errs...)
}

// closeHidden closes one hidden profile. The caller holds c.opening.
func (c *Core) closeHidden(p *Profile) error {
	c.forgetOpen(p.id)
	err := p.close()
	c.tellHidden(p.id)
	if err := errors.Join(err, c.disguise()); err != nil {
		return fmt.Errorf("closing a hidden profile: %w", err)
	}
	return nil
}

// forgetOpen removes a profile from those that are open, hidden ones and others.
func (c *Core) forgetOpen(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
	c.hidden = slices.DeleteFunc(c.hidden, func(h string) bool { return h == id })
	if c.used == id {
		c.used = ""
	}
	c.tor.update()
}

// tellHidden tells that a hidden profile is gone, and which one is in use now.
func (c *Core) tellHidden(id string) {
	c.mu.Lock()
	current := c.info(c.current())
	c.mu.Unlock()
	c.hub.publish(Event{id, ProfileDeleted{}})
	if current.ID != "" {
		c.hub.publish(Event{current.ID, ProfileChanged{current}})
	}
}

// Hide makes a visible profile, which is open, a hidden one that opens with a passphrase alone. It gets
// another id. The error is ErrNoProfile, ErrLocked, ErrNoPassphrase or ErrPassphraseUsed; nothing was changed then.
func (c *Core) Hide(ctx context.Context, id, passphrase string) (*Profile, error) {
	b := []byte(passphrase)
	defer clear(b)
	c.opening.Lock()
	defer c.opening.Unlock()
	p, err := c.known(id)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, ErrLocked
	}
	if p.hidden {
		return nil, ErrNoProfile
	}
	key, err := c.newHiddenKey(b)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if p, err = c.hide(ctx, p, key); err != nil {
		return nil, fmt.Errorf("hiding a profile: %w", err)
	}
	return p, nil
}

func (c *Core) hide(ctx context.Context, p *Profile, key []byte) (*Profile, error) {
	hidden, err := c.newID()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	delete(c.open, p.id)
	c.mu.Unlock()
	p.chat.Close()
	if err := p.db.Hide(ctx, key); err != nil {
		return nil, c.reopen(ctx, p.id, err)
	}
	// Should the program end here, the next start finds that it is hidden and takes it from the list.
	if err := c.forgetProfile(p.id, ""); err != nil {
		return nil, err
	}
	c.hub.publish(Event{p.id, ProfileDeleted{}})
	if err := os.Rename(c.profileDir(p.id), c.profileDir(hidden)); err != nil {
		return nil, err
	}
	return c.openHidden(ctx, hidden, key)
}

// reopen opens a visible profile again, as far as that needs no passphrase, after something failed.
func (c *Core) reopen(ctx context.Context, id string, err error) error {
	_, openErr := c.openProfile(ctx, id, "")
	c.mu.Lock()
	info := c.info(id)
	c.mu.Unlock()
	if openErr != nil {
		c.hub.publish(Event{id, ProfileChanged{info}})
	}
	return err
}

// Unhide makes a hidden profile, which is open, a visible one that is protected by a passphrase, or by none
// if it is empty. The error is ErrNoProfile if no such hidden profile is open.
func (c *Core) Unhide(ctx context.Context, id, passphrase string) (*Profile, error) {
	b := []byte(passphrase)
	defer clear(b)
	c.opening.Lock()
	defer c.opening.Unlock()
	p, err := c.known(id)
	if err != nil {
		return nil, err
	}
	if p == nil || !p.hidden {
		return nil, ErrNoProfile
	}
	if p, err = c.unhide(ctx, p, b); err != nil {
		return nil, fmt.Errorf("showing a hidden profile: %w", err)
	}
	return p, nil
}

func (c *Core) unhide(ctx context.Context, p *Profile, passphrase []byte) (*Profile, error) {
	// Should the program end before the key file is replaced, the next start takes it from the list.
	err := c.changeApp(func(s *appState) error {
		s.Profiles = append(s.Profiles, p.id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	use := c.used == p.id || c.app.Current == ""
	c.mu.Unlock()
	c.forgetOpen(p.id)
	p.chat.Close()
	if err := p.db.Show(ctx, c.protection(passphrase)); err != nil {
		err = errors.Join(err, c.forgetProfile(p.id, ""))
		c.tellHidden(p.id)
		return nil, err
	}
	if use {
		if err := c.Use(p.id); err != nil {
			return nil, err
		}
	}
	return c.openProfile(ctx, p.id, string(passphrase))
}

// setHiddenPassphrase is SetPassphrase of a hidden profile. The caller holds c.opening.
func (c *Core) setHiddenPassphrase(ctx context.Context, p *Profile, old, new []byte) error {
	oldKey, err := c.hiddenKey(old)
	if err != nil {
		return err
	}
	defer clear(oldKey)
	if !vault.Opens(c.profileDir(p.id), oldKey) {
		return ErrWrongPassphrase
	}
	if slices.Equal(old, new) {
		return nil
	}
	newKey, err := c.newHiddenKey(new)
	if err != nil {
		return err
	}
	defer clear(newKey)
	return p.db.Vault().SetKey(ctx, newKey)
}
