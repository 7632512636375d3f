package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// OpenProfile opens a profile with its passphrase, or returns it if it is open. The error is
// ErrNoProfile, ErrLocked, ErrWrongPassphrase, or tells why it can't be opened at all.
func (c *Core) OpenProfile(ctx context.Context, id, passphrase string) (*Profile, error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.checkOpen(); err != nil {
		return nil, err
	}
	if p := c.Profile(id); p != nil {
		return p, nil
	}
	c.mu.Lock()
	known := slices.Contains(c.app.Profiles, id)
	c.mu.Unlock()
	if !known {
		return nil, ErrNoProfile
	}
	return c.openProfile(ctx, id, passphrase)
}

func (c *Core) checkOpen() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checkLocked()
}

// checkLocked tells why profiles can't be opened or changed, if that is so. The caller holds c.mu.
func (c *Core) checkLocked() error {
	switch {
	case c.closed:
		return ErrClosed
	case c.locked:
		return ErrAppLocked
	}
	return nil
}

// protection is how a profile is protected, by a passphrase if there is one. What it returns is good
// while the caller holds c.opening.
func (c *Core) protection(passphrase []byte) store.Options {
	c.mu.Lock()
	defer c.mu.Unlock()
	return store.Options{Passphrase: passphrase, Key: c.key, Keyring: c.opt.Keyring}
}

// openProfile opens a profile, or keeps why it is not open.
func (c *Core) openProfile(ctx context.Context, id, passphrase string) (*Profile, error) {
	b := []byte(passphrase)
	defer clear(b)
	db, err := store.Open(ctx, c.profileDir(id), c.protection(b))
	if err == nil {
		if err = c.underLock(ctx, db); err != nil {
			err = errors.Join(err, db.Close())
		}
	}
	var p *Profile
	if err == nil {
		p, err = c.startProfile(ctx, id, db)
	}
	if errors.Is(err, ErrWrongPassphrase) {
		return nil, err // it stays locked
	}
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed[id] = err
		return nil, err
	}
	c.opened(p)
	return p, nil
}

// opened adds a profile to those that are open.
func (c *Core) opened(p *Profile) {
	c.mu.Lock()
	c.open[p.id] = p
	delete(c.failed, p.id)
	info := c.info(p.id)
	c.mu.Unlock()
	c.tor.update()
	p.publish(ProfileChanged{info})
}

// startProfile starts a profile with its database, which is closed after an error.
func (c *Core) startProfile(ctx context.Context, id string, db *store.DB) (_ *Profile, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	p := &Profile{core: c, id: id, db: db, hidden: db.Vault().Protection() == vault.Hidden, unread: make(map[int64]int)}
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		if p.name, err = chat.Name(tx); err != nil {
			return err
		}
		return p.load(tx)
	})
	if err != nil {
		return nil, err
	}
	if err := p.newCircuits(); err != nil {
		return nil, err
	}
	if c.spreading {
		p.spreadOut()
	}
	p.smp = c.opt.Network
	p.smp.Path = p.path
	p.xftp = xftp.Config{Path: p.path}
	p.chat = chat.New(chat.Config{
		Files: chat.FilesConfig{Dir: filepath.Join(c.profileDir(id), filesDir), Network: p.xftp, Relays: p.fileRelays,
			Known: p.knowsFileRelay, Hidden: p.protected, Automatic: p.AutomaticFiles},
		Agent: agent.Config{DB: db, Choose: p.choose, Network: p.smp, Presets: presetServers(),
			Route: p.Network, Known: p.known, Protected: p.protected, Near: p.near, ChooseProxy: p.chooseProxy,
			Isolate: func() bool { return c.Tor().Isolate }, PQ: !c.opt.NoPQ, Versions: c.opt.Versions,
			Rand: c.opt.Rand, Now: c.opt.Now, RetrySend: c.opt.Retry},
		Publish: func(e chat.Event) {
			p.publish(e)
			p.count(e)
		},
		RelayState: p.relayState,
		StoreState: p.storeState,
	})
	if err := p.chat.Start(ctx); err != nil {
		p.chat.Close()
		return nil, err
	}
	return p, nil
}

// load reads the settings of a profile, and what it counts.
func (p *Profile) load(tx *store.Tx) error {
	avatar, err := tx.Setting(settingAvatar)
	if err != nil {
		return err
	}
	for _, b := range avatar {
		p.avatar = p.avatar<<8 | uint32(b)
	}
	relays, err := tx.Setting(settingRelays)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(relays, &p.relays); err != nil {
		return fmt.Errorf("setting %s: %w", settingRelays, err)
	}
	if err := errors.Join(p.loadNetwork(tx), p.loadTor(tx), p.loadFiles(tx)); err != nil {
		return err
	}
	contacts, err := tx.Contacts()
	if err != nil {
		return err
	}
	for _, contact := range contacts {
		p.unread[contact.ID] = contact.Unread
	}
	return p.loadRelays(tx)
}
