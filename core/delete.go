package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/store/vault"
)

// deleteTime bounds how long DeleteProfile waits for relays. It is a variable for tests on computers that are slow.
var deleteTime = 3 * time.Second

// deleted is what the folder of a profile ends in that is being deleted.
const deleted = ".deleted"

// DeleteProfile deletes a profile with all that belongs to it. If it is open, its queues and what it has uploaded are
// deleted on their relays: those that can't be reached within three seconds, or as long as ctx allows,
// are tried for a week in the background, for which their addresses are kept, and nothing else. Of a hidden
// profile nothing is kept: what its relays don't delete at once stays there until they forget it, as
// does all of a profile that is not open. The first other profile becomes the one in use if it was
// that. The error is ErrNoProfile, or tells why its files can't be deleted.
func (c *Core) DeleteProfile(ctx context.Context, id string) error {
	c.opening.Lock()
	defer c.opening.Unlock()
	p, err := c.known(id)
	if err == nil {
		err = c.deleteProfile(ctx, id, p)
	}
	if err != nil && !errors.Is(err, ErrNoProfile) {
		return fmt.Errorf("deleting a profile: %w", err)
	}
	return err
}

func (c *Core) deleteProfile(ctx context.Context, id string, p *Profile) error {
	leaver := ""
	if p != nil {
		err := p.deleteFromRelays(ctx)
		ctx = context.WithoutCancel(ctx) // what follows is to be done in any case
		if err == nil && !p.hidden {
			leaver, err = c.leave(ctx, p)
		}
		if err != nil {
			return err
		}
		c.forgetOpen(id)
		if err := p.close(); err != nil {
			return err
		}
	}
	dir := c.profileDir(id)
	if p != nil && p.hidden {
		err := c.removeFolder(ctx, dir)
		c.tellHidden(id)
		return err
	}
	// From here on it is gone, even if the program is ended.
	if err := os.Rename(dir, dir+deleted); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := c.forgetProfile(id, leaver); err != nil {
		return err
	}
	c.hub.publish(Event{id, ProfileDeleted{}})
	if err := c.removeFolder(ctx, dir+deleted); err != nil {
		return err
	}
	if leaver != "" {
		return c.startLeaver(ctx, leaver)
	}
	return nil
}

// deleteFromRelays deletes what relays have of the profile. What is left stands in its database.
func (p *Profile) deleteFromRelays(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deleteTime)
	defer cancel()
	var err error
	var files sync.WaitGroup
	files.Go(func() { err = p.chat.DeleteUploads(ctx) })
	queuesErr := p.chat.DeleteQueues(ctx)
	files.Wait()
	return errors.Join(queuesErr, err)
}

// removeFolder deletes the folder of a profile, the key first, and leaves one that looks as if there
// were a hidden profile.
func (c *Core) removeFolder(ctx context.Context, dir string) error {
	err := vault.Destroy(ctx, dir, c.opt.Keyring)
	st, statErr := os.Stat(filepath.Join(dir, vault.DatabaseFile))
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil || statErr != nil {
		return err
	}
	return errors.Join(c.makeSpare(st.Size()), c.disguise())
}

// forgetProfile removes a profile from app.json, where leaver takes its place if it is not empty.
func (c *Core) forgetProfile(id, leaver string) error {
	err := c.changeApp(func(s *appState) error {
		s.Profiles = slices.DeleteFunc(s.Profiles, func(p string) bool { return p == id })
		if s.Current == id {
			s.Current = ""
			if len(s.Profiles) > 0 {
				s.Current = s.Profiles[0]
			}
		}
		if leaver != "" {
			s.Leaving = append(s.Leaving, leaver)
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
			if err := c.forgetProfile(id, ""); err != nil {
				return err
			}
		}
		if err := c.removeFolder(context.Background(), filepath.Join(c.dir, profilesDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
