package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/store/vault"
)

// The windows of the demo are this large, so that two fit side by side on a usual screen.
const demoWidth, demoHeight = 900, 680

// stopTime is how long a window of the demo may take to end when it is told to.
const stopTime = 10 * time.Second

// runDemo runs a relay and, as programs of their own, a window for Alice and one for Bob. It returns when both were closed.
func runDemo(ctx context.Context, dir string) (err error) {
	// A folder without profiles, for its relay only.
	host, err := core.Open(ctx, filepath.Join(dir, "relay"), core.Options{Relays: []string{core.EmbeddedRelay}})
	if err != nil {
		return fmt.Errorf("start the relay of the demo: %w", err)
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	server, password, err := relay.ReadAddress(filepath.Join(dir, "relay", "relay"))
	if err != nil {
		return fmt.Errorf("start the relay of the demo: %w", err)
	}
	address := server.Text(password)
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program itself: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := []string{"Alice", "Bob"}
	ended := make(chan error, len(names))
	for _, name := range names {
		folder := filepath.Join(dir, name)
		if err := prepareDemo(ctx, folder, name); err != nil {
			return fmt.Errorf("make the profile of %s: %w", name, err)
		}
		cmd := exec.CommandContext(ctx, program, "--data", folder, "--relay", address)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = stopTime
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("open the window of %s: %w", name, err)
		}
		go func() { ended <- cmd.Wait() }()
	}
	for range names {
		if e := <-ended; e != nil && ctx.Err() == nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

// prepareDemo makes a profile unless there is one.
func prepareDemo(ctx context.Context, dir, name string) (err error) {
	c, err := core.Open(ctx, dir, core.Options{Keyring: vault.SystemKeyring()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if len(c.Profiles()) > 0 {
		return nil
	}
	if err := c.SetAppearance(core.Appearance{Width: demoWidth, Height: demoHeight}); err != nil {
		return err
	}
	_, err = c.CreateProfile(ctx, core.NewProfile{Name: name, Relays: core.RelayChoice{Kind: core.RelaysPublic}})
	return err
}
