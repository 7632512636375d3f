package core

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/sotto-chat/sotto/store/vault"
)

// wipe deletes everything in the data folder, the keys first, and makes it as it is at the first start. Relays are
// told nothing. The caller holds c.opening; no profile is open, and afterwards the program is not locked.
func (c *Core) wipe(ctx context.Context) error {
	c.mu.Lock()
	// Without the list and the key of the lock most is lost already.
	fresh := appState{Wiping: true}
	err := fresh.write(c.dir)
	c.app, c.locked = fresh, false
	clear(c.failed)
	c.mu.Unlock()
	err = errors.Join(err, c.local.stop(), c.finishWipe(ctx))
	c.tor.update() // nobody wants it any more
	return errors.Join(err, c.prepareSpares())
}

// finishWipe deletes what there is in the data folder.
func (c *Core) finishWipe(ctx context.Context) error {
	profiles := filepath.Join(c.dir, profilesDir)
	entries, err := os.ReadDir(profiles)
	errs := []error{err}
	for _, e := range entries {
		if e.IsDir() {
			errs = append(errs, vault.Destroy(ctx, filepath.Join(profiles, e.Name()), c.opt.Keyring))
		}
	}
	entries, err = os.ReadDir(c.dir)
	errs = append(errs, err)
	for _, e := range entries {
		if !slices.Contains([]string{appFile, instanceFile, handoverFile}, e.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(c.dir, e.Name())))
		}
	}
	errs = append(errs, os.MkdirAll(profiles, 0o700))
	if err := errors.Join(errs...); err != nil {
		return err // the next start tries again
	}
	return c.changeApp(func(s *appState) error {
		*s = appState{}
		return nil
	})
}
