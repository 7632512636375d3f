package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/sotto-chat/sotto/core"
)

// torCommands are the commands about Tor.
var torCommands = map[string]func(context.Context, *core.Core, command) (object, error){
	"tor": func(_ context.Context, c *core.Core, cmd command) (object, error) {
		s := c.Tor()
		s.Mode = cmd.Mode
		if err := c.SetTor(s); err != nil {
			return nil, err
		}
		return torObject(c.TorStatus()), nil
	},
	"tor.profile": func(ctx context.Context, c *core.Core, cmd command) (object, error) {
		p := c.Current()
		if p == nil {
			return nil, errNoProfileInUse
		}
		return nil, p.SetTorMode(ctx, cmd.Mode)
	},
	"tor.status": func(_ context.Context, c *core.Core, _ command) (object, error) {
		o := torObject(c.TorStatus())
		if p := c.Current(); p != nil {
			o["profile"], _ = p.TorMode()
		}
		return o, nil
	},
	"tor.bridges": func(_ context.Context, c *core.Core, cmd command) (object, error) {
		s := c.Tor()
		if cmd.Bridges != nil {
			s.Bridges = cmd.Bridges
			if err := c.SetTor(s); err != nil {
				return nil, err
			}
		}
		return object{"bridges": append([]string{}, s.Bridges...)}, nil
	},
	"tor.settings": func(_ context.Context, c *core.Core, cmd command) (object, error) {
		s := c.Tor()
		if cmd.Settings != nil {
			d := json.NewDecoder(bytes.NewReader(cmd.Settings))
			d.DisallowUnknownFields()
			if err := d.Decode(&s); err != nil {
				return nil, fmt.Errorf("settings: %w", decodeError(err))
			}
			if err := c.SetTor(s); err != nil {
				return nil, err
			}
		}
		return object{"settings": c.Tor()}, nil
	},
	"tor.circuits": func(ctx context.Context, c *core.Core, _ command) (object, error) {
		if c.TorStatus().State != core.TorReady {
			return nil, core.ErrTorNotReady
		}
		circuits, err := c.Circuits(ctx)
		list := []object{}
		for _, i := range circuits {
			list = append(list, object{"hops": i.Hops, "built": i.Built, "purpose": i.Purpose, "time": i.Created})
		}
		return object{"circuits": list}, err
	},
	"tor.new": func(ctx context.Context, c *core.Core, _ command) (object, error) {
		if c.TorStatus().State != core.TorReady {
			return nil, core.ErrTorNotReady
		}
		return nil, c.NewCircuits(ctx)
	},
	"tor.log": func(_ context.Context, c *core.Core, _ command) (object, error) {
		list := []object{}
		for _, l := range c.TorLog() {
			list = append(list, object{"time": l.Time, "severity": l.Severity, "text": l.Text})
		}
		return object{"log": list}, nil
	},
}

func torObject(s core.TorStatus) object {
	o := object{"mode": s.Mode, "state": s.State, "percent": s.Percent, "phase": s.Phase}
	if s.Problem != nil {
		o["problem"], o["error"] = s.Problem.Kind, s.Problem.Error()
		if s.Problem.Kind == core.TorProblemMissing {
			o["error"] = "the program tor was not found: install it, or say with --tor-binary where it is"
		}
	}
	if s.Onion != "" {
		o["onion"], o["reachable"] = s.Onion, s.Reachable
	}
	return o
}
