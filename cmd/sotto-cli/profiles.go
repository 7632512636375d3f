package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
)

// listCommands are the commands about the list of profiles and about the program as a whole.
var listCommands = map[string]func(context.Context, *core.Core, command) (object, error){
	"profile.rename": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		p, err := current(c)
		if err != nil {
			return nil, err
		}
		return nil, p.Rename(ctx, cmd.Name)
	},
	"profile.protect": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		p, err := current(c)
		if err != nil {
			return nil, err
		}
		return nil, p.SetPassphrase(ctx, cmd.Old, cmd.Passphrase)
	},
	"profile.delete": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		return nil, c.DeleteProfile(ctx, cmd.Profile)
	},
	"profile.hide": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		return profileObject(c.Hide(ctx, cmd.Profile, cmd.Passphrase))
	},
	"profile.show": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		return profileObject(c.Unhide(ctx, cmd.Profile, cmd.Passphrase))
	},
	"hidden.open": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		p, err := c.OpenHidden(ctx, cmd.Passphrase)
		if err == nil {
			err = c.Use(p.ID())
		}
		return profileObject(p, err)
	},
	"hidden.close": func(_ context.Context, c *core.Core, _ command) (object, error) {
		return nil, c.CloseHidden()
	},
	"lock": func(ctx context.Context, c *core.Core, _ command) (object, error) {
		return nil, c.Lock(ctx)
	},
	"unlock": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		return nil, c.Unlock(ctx, cmd.Passphrase)
	},
	"lock.set": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		if cmd.Seconds < 0 || int64(cmd.Seconds) > maxSeconds {
			return nil, fmt.Errorf("%w: seconds is a time from 0 to %d", errCommand, maxSeconds)
		}
		if err := c.SetLock(ctx, cmd.Old, cmd.Passphrase); err != nil {
			return nil, err
		}
		return nil, c.SetIdle(time.Duration(cmd.Seconds) * time.Second)
	},
	"lock.wipe": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		return nil, c.SetWipe(ctx, cmd.Passphrase)
	},
}

func profileObject(p *core.Profile, err error) (object, error) {
	if err != nil {
		return nil, err
	}
	return object{"profile": p.ID(), "name": p.Name()}, nil
}

// current returns the profile in use, or tells why there is none.
func current(c *core.Core) (*core.Profile, error) {
	if p := c.Current(); p != nil {
		return p, nil
	}
	if c.Locked() {
		return nil, core.ErrAppLocked
	}
	for _, p := range c.Profiles() {
		if p.Current && p.Locked {
			return nil, core.ErrLocked
		}
		if p.Current && p.Err != nil {
			return nil, openError(p.Err)
		}
	}
	return nil, errNoProfileInUse
}

// openError tells that files of a profile that can't be opened are missing.
func openError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (%w)", vault.ErrDamaged, err)
	}
	return err
}
