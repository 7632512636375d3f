// Package core is everything that happens without a screen. It is the one door that the
// window and the command line use.
//
//	c, err := core.Open(ctx, dir, core.Options{Keyring: vault.SystemKeyring()})
//	defer c.Close()
//	events, cancel := c.Subscribe(256)
//	p := c.Current()
//	if p == nil {
//		p, err = c.CreateProfile(ctx, core.NewProfile{Name: "Alice"})
//	}
//	invitation, err := p.Invite(ctx) // a link for one person
//	address, err := p.MakeAddress(ctx) // one for anybody: each who opens it makes a Request
//	item, err := p.Send(ctx, contact, "hello")
//
// A [Core] is a folder on disk. In it each [Profile] has a folder of its own with a random
// name: its database, and nothing else that tells of it. Profiles share no session with a
// relay, no key and no file; what the program keeps for all of them is in app.json, which
// holds nothing from a conversation.
//
// Errors are values of this package and of packages vault and smp; the words for people are
// made from them by who shows them.
package core

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
	"github.com/sotto-chat/sotto/store/vault"
)

// Errors of profiles. The other errors of OpenProfile are those of package vault and
// store.ErrNewerDatabase.
var (
	// ErrNoProfile tells that there is no such profile.
	ErrNoProfile = errors.New("there is no such profile")
	// ErrClosed tells that the Core was closed.
	ErrClosed = errors.New("core: closed")
	// ErrName tells that a name can't be used for a profile; the error says why.
	ErrName = event.ErrName
	// ErrLocked tells that a profile needs its passphrase.
	ErrLocked = store.ErrPassphraseNeeded
	// ErrWrongPassphrase tells that a passphrase does not open a profile.
	ErrWrongPassphrase = store.ErrWrongPassphrase
	// ErrInUse tells that another running program uses the folder.
	ErrInUse = store.ErrInUse
)

// Options say how a Core works. The zero value is good for all but Keyring.
type Options struct {
	// Relays are used for new queues in place of what profiles have chosen: addresses, or
	// EmbeddedRelay alone for the relay on this computer.
	Relays []string
	// Keyring keeps the keys of profiles without a passphrase. With nil they are in files.
	Keyring vault.Keyring
	// Network is how relays are reached.
	Network smp.Config
	Now     func() time.Time // time.Now if nil
	Rand    io.Reader        // crypto/rand.Reader if nil
	// Versions caps the versions to speak with contacts, and Network.Versions those to speak with
	// relays; what is zero is not capped.
	Versions Versions
	// NoPQ makes new connections without post-quantum encryption.
	NoPQ bool
	// Retry replaces the times between attempts to send if it is not zero.
	Retry agent.Retry
}

// Core holds the profiles of a folder. Its methods are safe for concurrent use.
type Core struct {
	dir      string
	opt      Options
	relays   []agent.Relay // of Options.Relays
	embedded bool          // Options.Relays is EmbeddedRelay
	local    *localRelay
	hub      hub

	opening sync.Mutex // held while a profile is made or opened, and by Close

	mu     sync.Mutex
	closed bool
	app    appState
	open   map[string]*Profile
	failed map[string]error // why a profile is not open
}

// ProfileInfo is what the list of profiles shows.
type ProfileInfo struct {
	ID         string
	Name       string // empty if it is not open
	AvatarSeed uint32 // random, never sent; 0 if it is not open
	Unread     int    // messages
	Current    bool   // it is the one that was used last
	Locked     bool   // it needs its passphrase
	Err        error  // why it can't be opened, if not for being locked
}

// NewProfile describes a profile to be made.
type NewProfile struct {
	Name       string      // told only to people one connects with
	Relays     RelayChoice // the zero value is for public relays
	Passphrase string      // empty for none
}

// Open opens the folder dir, which is made if it is missing, and all profiles in it that need
// no passphrase. A profile that can't be opened is no error: Profiles tells. The error is
// ErrInUse if another program has the folder open, or wraps ErrAppFile or ErrRelayAddress.
func Open(ctx context.Context, dir string, opt Options) (_ *Core, err error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	c := &Core{dir: dir, opt: opt, local: newLocalRelay(dir), open: make(map[string]*Profile), failed: make(map[string]error)}
	if c.embedded = slices.Equal(opt.Relays, []string{EmbeddedRelay}); !c.embedded && len(opt.Relays) > 0 {
		if c.relays, err = (RelayChoice{Addresses: opt.Relays}).candidates(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, profilesDir), 0o700); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	if c.app, err = readApp(dir); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	if err := c.finishDeletions(); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	if c.embedded || c.local.exists() {
		// If it can't start, what needs it tells so, and tries again.
		_, _ = c.local.start()
	}
	for _, id := range c.app.Profiles {
		_, err := c.openProfile(ctx, id, "")
		if errors.Is(err, ErrInUse) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("opening the data folder: %w", err), c.Close())
		}
	}
	return c, nil
}

// profilesDir holds the folders of the profiles.
const profilesDir = "profiles"

func (c *Core) profileDir(id string) string { return filepath.Join(c.dir, profilesDir, id) }

// Close ends everything and waits for it. The channels of subscribers are closed.
func (c *Core) Close() error {
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = map[string]*Profile{}
	c.mu.Unlock()
	var errs []error
	for _, p := range open {
		errs = append(errs, p.close())
	}
	errs = append(errs, c.local.close())
	c.hub.close()
	return errors.Join(errs...)
}

// Subscribe returns a channel with all events from now on. Nothing waits for the subscriber:
// if buffer events wait, what comes then is replaced by one Resync. cancel closes the channel,
// and so does Close.
func (c *Core) Subscribe(buffer int) (events <-chan Event, cancel func()) {
	return c.hub.subscribe(buffer)
}

// Profiles returns all profiles in their order.
func (c *Core) Profiles() []ProfileInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]ProfileInfo, len(c.app.Profiles))
	for i, id := range c.app.Profiles {
		list[i] = c.info(id)
	}
	return list
}

// info describes a profile. The caller holds c.mu.
func (c *Core) info(id string) ProfileInfo {
	info := ProfileInfo{ID: id}
	if p := c.open[id]; p != nil {
		info = p.info()
	} else if err := c.failed[id]; errors.Is(err, ErrLocked) {
		info.Locked = true
	} else {
		info.Err = err
	}
	info.Current = id == c.app.Current
	return info
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
	return c.open[c.app.Current]
}

// Use remembers the profile that is used. The others go on receiving.
func (c *Core) Use(id string) error {
	return c.changeApp(func(s *appState) error {
		if !slices.Contains(s.Profiles, id) {
			return ErrNoProfile
		}
		s.Current = id
		return nil
	})
}

// LocalRelay returns the address of the relay on this computer, if it runs.
func (c *Core) LocalRelay() (server wire.Server, ok bool) { return c.local.address() }

// Appearance returns what the window remembers.
func (c *Core) Appearance() Appearance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.app.Appearance
}

// SetAppearance keeps what the window remembers.
func (c *Core) SetAppearance(a Appearance) error {
	return c.changeApp(func(s *appState) error {
		s.Appearance = a
		return nil
	})
}

// changeApp changes app.json.
func (c *Core) changeApp(f func(*appState) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	s := c.app.clone()
	if err := f(&s); err != nil {
		return err
	}
	if err := s.write(c.dir); err != nil {
		return err
	}
	c.app = s
	return nil
}

// CreateProfile makes a profile and opens it. The first one becomes the one in use. The error
// wraps ErrName, ErrNoRelays, ErrRelayAddress or ErrRelayPort; nothing was made then.
func (c *Core) CreateProfile(ctx context.Context, n NewProfile) (*Profile, error) {
	if err := event.CheckName(n.Name); err != nil {
		return nil, err
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
	random := make([]byte, 16+4)
	if _, err := io.ReadFull(c.opt.Rand, random); err != nil {
		return nil, fmt.Errorf("making a profile: %w", err)
	}
	id, avatar := hex.EncodeToString(random[:16]), random[16:]
	p, err := c.makeProfile(ctx, id, avatar, relays, n)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a profile: %w", err), os.RemoveAll(c.profileDir(id)))
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
	db, err := store.Create(ctx, c.profileDir(id), store.Options{Passphrase: passphrase, Keyring: c.opt.Keyring})
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
	if c.closed {
		return ErrClosed
	}
	return nil
}

// openProfile opens a profile, or keeps why it is not open.
func (c *Core) openProfile(ctx context.Context, id, passphrase string) (*Profile, error) {
	b := []byte(passphrase)
	defer clear(b)
	db, err := store.Open(ctx, c.profileDir(id), store.Options{Passphrase: b, Keyring: c.opt.Keyring})
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
	p.publish(ProfileChanged{info})
}

// startProfile starts a profile with its database, which is closed after an error.
func (c *Core) startProfile(ctx context.Context, id string, db *store.DB) (_ *Profile, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	p := &Profile{core: c, id: id, db: db, unread: make(map[int64]int)}
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		if p.name, err = chat.Name(tx); err != nil {
			return err
		}
		return p.load(tx)
	})
	if err != nil {
		return nil, err
	}
	// No two profiles, and no two runs, share a circuit.
	isolation := make([]byte, 16)
	if _, err := io.ReadFull(c.opt.Rand, isolation); err != nil {
		return nil, err
	}
	network := c.opt.Network
	network.Isolation = hex.EncodeToString(isolation)
	p.chat = chat.New(chat.Config{
		Agent: agent.Config{DB: db, Choose: p.choose, Network: network, Presets: presetServers(),
			Route: p.Network, Known: p.known, ChooseProxy: p.chooseProxy, PQ: !c.opt.NoPQ, Versions: c.opt.Versions,
			Rand: c.opt.Rand, Now: c.opt.Now, RetrySend: c.opt.Retry},
		Publish: func(e chat.Event) {
			p.publish(e)
			p.count(e)
		},
		RelayState: p.relayState,
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
	if err := p.loadNetwork(tx); err != nil {
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
