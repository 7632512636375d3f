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
// holds nothing from a conversation. A program that is started while another has the folder
// open gets [ErrInUse], and can hand over a link with [Handover].
//
// # Lock
//
// With [Core.SetLock] the program has a passphrase: the keys of all profiles without a passphrase of
// their own are wrapped with a key that it opens. [Core.Lock] closes all profiles and forgets all keys,
// so that neither the disk nor the memory of the unattended computer opens a conversation. Nothing is
// received meanwhile: messages wait on their relays, as they do while the program does not run. A
// second passphrase, see [Core.SetWipe], deletes everything when it is typed in place of the first.
//
// # Hidden profiles
//
// A hidden profile is opened by its passphrase alone, see [Core.OpenHidden]. While it is closed it does
// not receive, and this is promised to somebody who has the disk and all other passphrases:
//
//   - Neither app.json nor any other file tells that one exists. A data folder has folders that belong
//     to no profile from the first start on, a random number of them and of random sizes, and deleting
//     a visible profile leaves one more; all bytes in them look random, but for the format of encrypted
//     files, which is the same in all of them. A hidden profile is one of these, with the same files. Hiding
//     a visible profile looks like deleting it.
//   - All such folders have the same times: those of the last start of the program, or of when a hidden
//     profile was closed after it. A crash while one is open shows in them until the next start.
//   - Trying a passphrase does the same work whether there is a hidden profile or not.
//   - No event, list or count shows it.
//
// This can't be promised: Somebody who copies the disk twice sees in which of the folders pages have
// changed in between, and somebody who takes the running computer sees an open one. A hidden
// profile stands out if its database is larger than random sizes and deleted profiles account for (8 MiB), if it
// keeps more than a few files or larger ones than pictures, if it is closed while files are on their way, or if the program
// crashed while much was written to it at once, until it is opened and closed again. The file system keeps times of its own
// (when a file was made, its journal), as do backups and flash disks, which also keep what was
// overwritten. Swap space and a crash dump can hold what was in memory; keys are overwritten when a
// profile is closed, but texts that were shown are only left to the garbage collector. If it
// alone uses Tor or the relay on this computer, there is a folder of that, with its queues but without
// names. Relays and contacts know what they know.
//
// Errors are values of this package and of packages vault and smp; the words for people are
// made from them by who shows them.
package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
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
	// ErrAppLocked tells that the program is locked.
	ErrAppLocked = errors.New("the program is locked: unlock it first")
)

// Options say how a Core works. The zero value is good for all but Keyring.
type Options struct {
	// Relays are used for new queues and files in place of what profiles have chosen: addresses, or
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
	// TorOnly lets nothing leave but through Tor, whatever else is chosen.
	TorOnly bool
	// TorConfig are lines that are added to Tor's configuration, see tor.ParseExtra, and TorBinary is the
	// path of Tor; if it is empty, it is looked for.
	TorConfig []string
	TorBinary string
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
	files    []xftp.Relay  // of Options.Relays
	embedded bool          // Options.Relays is EmbeddedRelay
	local    *localRelay
	tor      torService
	hub      hub
	instance io.Closer // the lock of the folder
	handover *handover // nil if nothing can be handed over

	opening   sync.Mutex // held while a profile is made, opened or closed, and by Close
	spreading bool       // guarded by opening: several profiles are opened at once

	mu      sync.Mutex
	closed  bool
	locked  bool
	key     []byte // protects profiles without a passphrase while there is a lock, else nil
	app     appState
	open    map[string]*Profile
	leaving map[string]*leaver
	hidden  []string         // ids of hidden profiles that are open, in the order of opening
	used    string           // id of the hidden profile that was used last, empty if that is another
	failed  map[string]error // why a profile is not open
}

// Open opens the folder dir, which is made if it is missing, and all profiles in it that need
// no passphrase, unless it is locked. A profile that can't be opened is no error: Profiles tells. The
// error is ErrInUse if another program has the folder open, or wraps ErrAppFile or ErrRelayAddress.
func Open(ctx context.Context, dir string, opt Options) (_ *Core, err error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	c := &Core{dir: dir, opt: opt, local: newLocalRelay(dir), open: make(map[string]*Profile), failed: make(map[string]error),
		leaving: make(map[string]*leaver)}
	if c.embedded = slices.Equal(opt.Relays, []string{EmbeddedRelay}); !c.embedded && len(opt.Relays) > 0 {
		choice := RelayChoice{Addresses: opt.Relays}
		if c.relays, err = choice.candidates(); err != nil {
			return nil, err
		}
		_, c.files, _ = choice.parse()
	}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the data folder: %w", err), c.Close())
	}
	c.tor.start(c)
	if c.embedded || c.local.exists() {
		// If it can't start, what needs it tells so, and tries again.
		_, _ = c.local.start()
		if s, err := relay.ReadSettings(c.local.dir); err == nil && s.FilesPort != "" {
			_, _ = c.local.startFiles()
		}
	}
	if c.locked = c.app.Lock != nil; c.locked {
		return c, nil
	}
	c.opening.Lock()
	err = c.openAll(ctx)
	c.opening.Unlock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the data folder: %w", err), c.Close())
	}
	return c, nil
}

// instanceFile is locked by the program that uses the folder.
const instanceFile = "app.lock"

// prepare takes the folder and brings it in order.
func (c *Core) prepare(ctx context.Context) (err error) {
	if err := os.MkdirAll(filepath.Join(c.dir, profilesDir), 0o700); err != nil {
		return err
	}
	if c.instance, err = vault.Lock(filepath.Join(c.dir, instanceFile)); err != nil {
		return err
	}
	if c.app, err = readApp(c.dir); err != nil {
		return err
	}
	if c.app.Wiping {
		if err := c.finishWipe(ctx); err != nil {
			return err
		}
	}
	if err := c.finishDeletions(); err != nil {
		return err
	}
	if err := c.prepareSpares(); err != nil {
		return err
	}
	c.listen()
	return nil
}

// openAll opens all profiles that need no passphrase, and goes on with deletions. The caller holds
// c.opening.
func (c *Core) openAll(ctx context.Context) error {
	c.spreading = true
	defer func() { c.spreading = false }()
	for _, id := range c.app.Profiles {
		_, err := c.openProfile(ctx, id, "")
		if errors.Is(err, ErrInUse) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, id := range slices.Clone(c.app.Leaving) {
		_ = c.startLeaver(ctx, id) // what fails is tried after the next start
	}
	return ctx.Err()
}

// profilesDir holds the folders of the profiles.
const profilesDir = "profiles"

func (c *Core) profileDir(id string) string { return filepath.Join(c.dir, profilesDir, id) }

// Close ends everything and waits for it. The channels of subscribers are closed.
func (c *Core) Close() error {
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	err := errors.Join(c.closeAll(), c.tor.close(), c.local.close(), c.handover.close())
	if c.instance != nil {
		err = errors.Join(err, c.instance.Close())
	}
	c.hub.close()
	return err
}

// closeAll closes all profiles and forgets all keys. The caller holds c.opening.
func (c *Core) closeAll() error {
	c.mu.Lock()
	open, leaving, hidden := c.open, c.leaving, c.hidden
	c.open, c.leaving, c.hidden, c.used = make(map[string]*Profile), make(map[string]*leaver), nil, ""
	clear(c.key)
	c.key = nil
	c.mu.Unlock()
	var errs []error
	for _, p := range open {
		errs = append(errs, p.close())
	}
	for _, l := range leaving {
		errs = append(errs, l.close())
	}
	if len(hidden) > 0 {
		errs = append(errs, c.disguise())
	}
	return errors.Join(errs...)
}

// Subscribe returns a channel with all events from now on. Nothing waits for the subscriber:
// if buffer events wait, what comes then is replaced by one Resync. cancel closes the channel,
// and so does Close.
func (c *Core) Subscribe(buffer int) (events <-chan Event, cancel func()) {
	return c.hub.subscribe(buffer)
}

// LocalRelay returns the address of the relay on this computer, if it runs, and the password for making queues and storing
// files there.
func (c *Core) LocalRelay() (server wire.Server, password string, ok bool) { return c.local.address() }

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
