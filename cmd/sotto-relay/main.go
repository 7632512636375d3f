// Command sotto-relay is a relay for messages that anyone can run.
//
//	sotto-relay init --data DIR [--host HOST]... [--port PORT] [--password PASSWORD]
//	sotto-relay start --data DIR [--listen ADDRESS]
//	sotto-relay address --data DIR [--host HOST]...
//
// init makes the relay's folder and prints the address to give to clients. start runs the
// relay until it gets SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/wire"
)

const usage = `sotto-relay is a relay for messages that anyone can run.

Usage:

  sotto-relay init --data DIR [--host HOST]... [--port PORT] [--password PASSWORD]
      Makes a relay in the folder DIR and prints its address. Back up the folder:
      without its ca.key and ca.crt nobody can continue with the same address.
      --host      name or IP address of this machine, an onion name after it if you like
      --port      port in the address, if it is not 5223
      --password  only who knows it can create queues

  sotto-relay start --data DIR [--listen ADDRESS]
      Runs the relay until it is told to stop (Ctrl-C or SIGTERM) and prints its
      address when it is ready.
      --listen           address and port, :5223 or the port of the relay's address
      --message-days     days after which messages are deleted, 21
      --queue-days       days without use after which queues are deleted, 0 for never
      --max-connections  connections at a time, 20000
      --no-new-queues    serve the queues that there are, and create none

  sotto-relay address --data DIR [--host HOST]...
      Prints the relay's address.
`

// defaultPort is the port of relays whose address has none (encoding.md §6).
const defaultPort = "5223"

// errUsage tells that the command line is wrong; what is wrong was already said.
var errUsage = errors.New("run sotto-relay help for the usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "sotto-relay:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sotto-relay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	command := "help"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "init":
		return initialize(args, stdout, stderr)
	case "start":
		return start(ctx, args, stdout, stderr)
	case "address":
		return printAddress(args, stdout, stderr)
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	}
	return fmt.Errorf("there is no command %q: %w", command, errUsage)
}

// hosts is a flag that may be given several times.
type hosts []string

func (h *hosts) String() string     { return fmt.Sprint(*h) }
func (h *hosts) Set(v string) error { *h = append(*h, v); return nil }

// parse reads the flags of a command, which all have --data.
func parse(name string, args []string, stderr io.Writer, add func(*flag.FlagSet)) (dir string, err error) {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {}
	f.StringVar(&dir, "data", "", "")
	add(f)
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return "", errUsage
	case err != nil:
		return "", errUsage
	case f.NArg() > 0:
		return "", fmt.Errorf("%q is not expected here: %w", f.Arg(0), errUsage)
	case dir == "":
		return "", fmt.Errorf("--data is missing, the folder of the relay: %w", errUsage)
	}
	return dir, nil
}

func initialize(args []string, stdout, stderr io.Writer) error {
	var s relay.Settings
	dir, err := parse("init", args, stderr, func(f *flag.FlagSet) {
		f.Var((*hosts)(&s.Hosts), "host", "")
		f.StringVar(&s.Port, "port", "", "")
		f.StringVar(&s.Password, "password", "", "")
	})
	if err != nil {
		return err
	}
	address, err := relay.Init(dir, s)
	if err != nil {
		return err
	}
	return show(stdout, address, s.Password)
}

func printAddress(args []string, stdout, stderr io.Writer) error {
	var names hosts
	dir, err := parse("address", args, stderr, func(f *flag.FlagSet) { f.Var(&names, "host", "") })
	if err != nil {
		return err
	}
	address, password, err := relay.ReadAddress(dir, names...)
	if err != nil {
		return err
	}
	return show(stdout, address, password)
}

// show prints an address in one line. A relay without a host in its settings is shown with
// the name that works on this machine.
func show(w io.Writer, address wire.Server, password string) error {
	if len(address.Hosts) == 0 {
		address.Hosts = []string{"localhost"}
	}
	_, err := fmt.Fprintln(w, address.Text(password))
	return err
}

func start(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	config := relay.Config{Log: slog.New(slog.NewTextHandler(stderr, nil))}
	var listen string
	var messageDays, queueDays int
	dir, err := parse("start", args, stderr, func(f *flag.FlagSet) {
		f.StringVar(&listen, "listen", "", "")
		f.IntVar(&messageDays, "message-days", 0, "")
		f.IntVar(&queueDays, "queue-days", 0, "")
		f.IntVar(&config.MaxConnections, "max-connections", 0, "")
		f.BoolVar(&config.NoNewQueues, "no-new-queues", false, "")
	})
	if err != nil {
		return err
	}
	if messageDays < 0 || queueDays < 0 || config.MaxConnections < 0 {
		return fmt.Errorf("a limit can't be negative: %w", errUsage)
	}
	const day = 24 * time.Hour
	config.MessageTTL, config.QueueTTL = time.Duration(messageDays)*day, time.Duration(queueDays)*day

	r, err := relay.Open(dir, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	address := r.Address()
	if listen == "" {
		listen = ":" + defaultPort
		if address.Port != "" {
			listen = ":" + address.Port
		}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if len(address.Hosts) == 0 && address.Port == "" {
		// The address of a relay that is only for this machine: where it really listens.
		if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil && port != defaultPort {
			address.Port = port
		}
	}
	if err := show(stdout, address, r.Password()); err != nil {
		l.Close()
		return err
	}
	return r.Serve(ctx, l)
}
