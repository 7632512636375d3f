package main

import (
	"bufio"
	"context"
	_ "embed" // the package comment is the help
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store/vault"
)

// errUsage tells that the command line is wrong.
var errUsage = errors.New("run sotto-cli --help for the usage")

func main() {
	core.ReportFaults(os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sotto-cli:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// doc is the file with the package comment.
//
//go:embed doc.go
var doc string

// help returns the package comment as a text.
func help() string {
	var text strings.Builder
	for line := range strings.Lines(doc) {
		line, ok := strings.CutPrefix(line, "//")
		if !ok {
			break
		}
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			text.WriteString("    " + code)
		} else {
			text.WriteString(strings.TrimPrefix(line, " "))
		}
	}
	return text.String()
}

// relayFlags are the values of --relay.
type relayFlags []string

func (f *relayFlags) String() string { return strings.Join(*f, " ") }

func (f *relayFlags) Set(address string) error {
	*f = append(*f, address)
	return nil
}

// versionsFlag is a range of versions that is within another one.
type versionsFlag struct {
	value  *wire.VersionRange
	within wire.VersionRange
}

func (f *versionsFlag) String() string {
	if f.value == nil {
		return ""
	}
	return f.value.String()
}

func (f *versionsFlag) Set(text string) error {
	v, err := wire.ParseVersionRange(text)
	if err != nil || v.Min < f.within.Min || v.Max > f.within.Max {
		return fmt.Errorf("not a range within %v", f.within)
	}
	*f.value = v
	return nil
}

// options are the command line.
type options struct {
	data       string
	relays     relayFlags
	passphrase string
	core       core.Options
}

// parse reads the command line and the files that it names. The error is flag.ErrHelp, wraps errUsage, or tells why a file can't be read.
func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("sotto-cli", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.data, "data", "", "")
	flags.Var(&o.relays, "relay", "")
	passphraseFile := flags.String("passphrase-file", "", "")
	keyring := flags.Bool("keyring", false, "")
	for _, v := range []struct {
		name   string
		value  *wire.VersionRange
		within wire.VersionRange
	}{
		{"smp-versions", &o.core.Network.Versions, smp.Versions},
		{"agent-versions", &o.core.Versions.Agent, core.AgentVersions},
		{"ratchet-versions", &o.core.Versions.Ratchet, ratchet.Versions},
		{"client-versions", &o.core.Versions.Client, core.ClientVersions},
	} {
		flags.Var(&versionsFlag{v.value, v.within}, v.name, "")
	}
	pq := flags.String("pq", "on", "")
	flags.BoolVar(&o.core.TorOnly, "tor-only", false, "")
	torConfig := flags.String("tor-config", "", "")
	flags.StringVar(&o.core.TorBinary, "tor-binary", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp), slices.Equal(flags.Args(), []string{"help"}):
		return flag.ErrHelp
	case err != nil:
		return fmt.Errorf("%w: %w", err, errUsage)
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no option; commands are read from standard input: %w", flags.Arg(0), errUsage)
	case o.data == "":
		return fmt.Errorf("--data is missing, the folder with the profiles: %w", errUsage)
	case *pq != "on" && *pq != "off":
		return fmt.Errorf("--pq %q is neither on nor off: %w", *pq, errUsage)
	case len(o.relays) > 1 && slices.Contains(o.relays, core.EmbeddedRelay):
		return fmt.Errorf("--relay embedded can't be together with other relays: it is for messages and files: %w", errUsage)
	}
	o.core.Relays, o.core.NoPQ = o.relays, *pq == "off"
	if *keyring {
		o.core.Keyring = vault.SystemKeyring()
	}
	var err error
	if o.passphrase, err = readPassphrase(*passphraseFile); err != nil {
		return err
	}
	o.core.TorConfig, err = core.ReadTorConfig(*torConfig)
	return err
}

// run is the program. It ends with the input or with ctx.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	var o options
	switch err := o.parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(out, help())
		return err
	case err != nil:
		return err
	}
	c, err := core.Open(ctx, o.data, o.core)
	switch {
	case errors.Is(err, core.ErrInUse):
		return fmt.Errorf("another running program uses the folder %s: end it, or give another one with --data", o.data)
	case errors.Is(err, core.ErrRelayAddress):
		return fmt.Errorf("--relay: %w: %w", err, errUsage)
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s := newSession(c, o.relays, o.passphrase, out)
	return s.run(ctx, in)
}

// readPassphrase reads the first line of a file, or the environment if no file is named.
func readPassphrase(name string) (string, error) {
	if name == "" {
		return os.Getenv("SOTTO_PASSPHRASE"), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("the first line of %s is empty: it is the passphrase", name)
	}
	return line, nil
}
