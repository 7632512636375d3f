// Sotto opens the window.
//
//	sotto [--data DIR] [--relay ADDRESS]...
//	sotto --demo [--data DIR]
//
// DIR is the folder with the profiles, by default ~/.local/share/sotto on Linux, or what XDG_DATA_HOME says. One program at a
// time can use it. With --relay, new queues are made on the given relays in place of those that profiles have chosen; the
// address "embedded" stands for a relay inside the program.
//
// With --demo it starts a relay on this computer and opens two windows, of Alice and of Bob, who can be connected through that
// relay without any network.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"

	"github.com/sotto-chat/sotto/assets"
	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui"
)

//go:embed sotto.svg
var icon []byte

// version is set when a release is built.
var version = ""

// appID names the program to the desktop.
const appID = "chat.sotto.Sotto"

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "sotto:", err)
		}
		os.Exit(1)
	}
}

// nameLocale gives the locale without a language, which the toolkit complains about, the language
// of the texts.
func nameLocale() error {
	for _, name := range []string{"LC_ALL", "LANG"} {
		switch value, _, _ := strings.Cut(os.Getenv(name), "."); value {
		case "C", "POSIX":
			return os.Setenv(name, "en_US.UTF-8")
		case "":
		default:
			return nil
		}
	}
	return os.Setenv("LANG", "en_US.UTF-8")
}

func run(args []string) error {
	flags := flag.NewFlagSet("sotto", flag.ContinueOnError)
	data := flags.String("data", "", "folder with the profiles")
	demo := flags.Bool("demo", false, "open two windows that share a relay on this computer")
	var relays []string
	flags.Func("relay", "address of a relay for new queues in place of those that profiles have chosen, or \"embedded\"; can be repeated", func(s string) error {
		relays = append(relays, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := nameLocale(); err != nil {
		return err
	}
	if err := assets.LoadTranslations(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *demo {
		if len(relays) > 0 {
			return errors.New("--demo has a relay of its own: leave --relay out")
		}
		dir, err := dataDir(*data, "sotto-demo")
		if err != nil {
			return err
		}
		return runDemo(ctx, dir)
	}
	dir, err := dataDir(*data, "sotto")
	if err != nil {
		return err
	}
	return runWindow(ctx, dir, relays)
}

// dataDir returns the folder that was asked for, or the one in the person's data folder.
func dataDir(asked, name string) (string, error) {
	if asked != "" {
		return filepath.Abs(asked)
	}
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, name), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		base, err := os.UserConfigDir()
		return filepath.Join(base, name), err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the profiles: %w; choose one with --data", err)
	}
	return filepath.Join(home, ".local", "share", name), nil
}

// runWindow opens the window and returns when it was closed.
func runWindow(ctx context.Context, dir string, relays []string) (err error) {
	c, err := core.Open(ctx, dir, core.Options{Relays: relays, Keyring: vault.SystemKeyring()})
	fyneapp.SetMetadata(fyne.AppMetadata{ID: appID, Name: "Sotto", Version: version,
		Icon: fyne.NewStaticResource("sotto.svg", icon), Migrations: map[string]bool{"fyneDo": true}})
	app := fyneapp.NewWithID(appID)
	if err != nil {
		ui.ShowFailure(app, app.NewWindow("Sotto"), err)
		app.Run()
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	w := ui.New(app, app.NewWindow("Sotto"), ui.Options{Core: c, Version: version, Relays: relays, Clipboard: clipboardPicture})
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ctx.Done():
			fyne.Do(app.Quit)
		case <-ended:
		}
	}()
	app.Run()
	w.Close()
	return nil
}
