// Sotto opens the window.
//
//	sotto [--data DIR] [--relay ADDRESS]... [--tor-only] [--tor-config FILE] [--tor-binary PATH] [--background] [LINK]
//	sotto --demo [--data DIR]
//
// DIR is the folder with the profiles, by default ~/.local/share/sotto on Linux, or what XDG_DATA_HOME says. One program at a
// time can use it. With --relay, new queues are made on the given relays in place of those that profiles have chosen; the
// address "embedded" stands for a relay inside the program. If the program runs already, its window comes to the front in place of
// a second one. LINK is an invitation or an address, which the window then offers to open.
//
// With --tor-only nothing leaves but through Tor, whatever is chosen in the window. The lines of the file of --tor-config are added
// to the configuration of the tor that the program runs, and --tor-binary says which one that is. With --background the window stays
// away until it is opened from the tray, where the desktop has one; that is how the program is started at login.
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
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"

	"github.com/sotto-chat/sotto/assets"
	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui"
	"github.com/sotto-chat/sotto/ui/desktop"
	"github.com/sotto-chat/sotto/ui/sound"
)

//go:embed sotto.svg
var icon []byte

// version is set when a release is built.
var version = ""

// appID names the program to the desktop.
const appID = "chat.sotto.Sotto"

func main() {
	core.ReportFaults(os.Stderr)
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
	var opt core.Options
	flags.BoolVar(&opt.TorOnly, "tor-only", false, "let nothing leave but through Tor; this can't be undone while the program runs")
	torConfig := flags.String("tor-config", "", "`file` with lines that are added to Tor's configuration")
	flags.StringVar(&opt.TorBinary, "tor-binary", "", "`path` of the tor to run")
	background := flags.Bool("background", false, "leave the window away until it is opened from the tray")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(1))
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
		if len(relays) > 0 || opt.TorOnly {
			return errors.New("--demo has a relay of its own on this computer: leave --relay and --tor-only out")
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
	if *torConfig != "" {
		if *torConfig, err = filepath.Abs(*torConfig); err != nil {
			return err
		}
	}
	if opt.TorConfig, err = core.ReadTorConfig(*torConfig); err != nil {
		return err
	}
	if opt.TorBinary != "" {
		if opt.TorBinary, err = filepath.Abs(opt.TorBinary); err != nil {
			return err
		}
	}
	kept := []string{"--background"} // what a start at login keeps of this one
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "data":
			kept = append(kept, "--data="+dir)
		case "tor-binary":
			kept = append(kept, "--tor-binary="+opt.TorBinary)
		case "tor-only", "tor-config":
			kept = append(kept, "--"+f.Name+"="+f.Value.String())
		}
	})
	opt.Relays, opt.Keyring = relays, vault.SystemKeyring()
	return runWindow(ctx, dir, opt, ui.Options{Hidden: *background, Autostart: autostart(kept)}, flags.Arg(0))
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

// autostart starts the program at login, with arguments; nil if it does not know where it is.
func autostart(args []string) *desktop.Autostart {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	return &desktop.Autostart{ID: appID, Name: "Sotto", Command: append([]string{program}, args...)}
}

// What the program keeps in memory is small beside what it makes and drops while it starts and while conversations are looked at. So
// that is collected twice as early as usual, which costs little, and what the start alone needed is given back after startTime.
const (
	gcPercent = 50
	startTime = 5 * time.Second
)

// runWindow opens the window and returns when it was closed. A window that is open already gets the link.
func runWindow(ctx context.Context, dir string, opt core.Options, o ui.Options, link string) (err error) {
	c, err := core.Open(ctx, dir, opt)
	if errors.Is(err, core.ErrInUse) && core.Handover(dir, link) == nil {
		return nil
	}
	fyneapp.SetMetadata(fyne.AppMetadata{ID: appID, Name: "Sotto", Version: version,
		Icon: fyne.NewStaticResource("sotto.svg", icon), Migrations: map[string]bool{"fyneDo": true}})
	app := fyneapp.NewWithID(appID)
	if err != nil {
		ui.ShowFailure(app, app.NewWindow("Sotto"), err)
		app.Run()
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	frugal := time.AfterFunc(startTime, debug.FreeOSMemory)
	defer frugal.Stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	o.Core, o.Folder, o.Version, o.Relays, o.Camera = c, dir, version, opt.Relays, cameraPictures
	o.Clipboard, o.CopyPicture = desktop.ClipboardPicture, desktop.SetClipboardPicture
	o.Screenshot, o.Watch, o.LessMotion, o.Scale = desktop.Screenshot, desktop.Watch, desktop.LessMotion, scaleFunc()
	o.Record = func(r sound.Recording) (ui.Recorder, error) { return sound.Record(r) }
	o.Play = func(p sound.Playback) (ui.Player, error) { return sound.Play(p) }
	o.Notifier = func(opened func(id string)) (*desktop.Notifier, error) {
		return desktop.NewNotifier("Sotto", appID, opened)
	}
	if desktop.HasTray(ctx) {
		o.Tray = newTray(app)
	}
	w := ui.New(app, app.NewWindow("Sotto"), o)
	if link != "" {
		_ = c.OpenLink(link) // what is no text is no link either
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ctx.Done():
			fyne.Do(app.Quit)
		case <-ended:
		}
	}()
	defer w.Close() // after a panic too: what was typed is kept
	app.Run()
	return nil
}

// scaleVariable is where the toolkit looks for the scale, each time when its settings change.
const scaleVariable = "FYNE_SCALE"

// scaleFunc returns what makes everything larger or smaller, nil if a scale was given from outside.
func scaleFunc() func(factor float32) {
	if os.Getenv(scaleVariable) != "" {
		return nil
	}
	return func(factor float32) {
		_ = os.Setenv(scaleVariable, strconv.FormatFloat(float64(factor), 'f', 2, 32)) // the name and the value can be set
	}
}
