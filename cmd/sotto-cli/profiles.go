package main

import (
	"context"
	"time"

	"github.com/sotto-chat/sotto/core"
)

// listCommands are the commands about the list of profiles and about the program as a whole.
var listCommands = map[string]func(context.Context, *core.Core, command) (object, error){
	"profile.rename": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		p := c.Current()
		if p == nil {
			return nil, errNoProfileInUse
		}
		return nil, p.Rename(ctx, cmd.Name)
	},
	"profile.protect": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		p := c.Current()
		if p == nil {
			return nil, errNoProfileInUse
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
