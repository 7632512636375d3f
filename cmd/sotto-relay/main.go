// Command sotto-relay is a relay for messages and files that anyone can run.
//
//	sotto-relay init --data DIR [--host HOST]... [--port PORT] [--files-port PORT] [--password PASSWORD]
//	sotto-relay start --data DIR [--listen ADDRESS]... [--files-listen ADDRESS]
//	sotto-relay address --data DIR [--host HOST]... [--files]
//	sotto-relay control --data DIR status|block|unblock|delete [ID]
//	sotto-relay bench --relay ADDRESS [--connections N] [--seconds S]
//
// init makes the relay's folder and prints the addresses to give to clients, that for messages
// and that for files. start runs the relay until it gets SIGINT or SIGTERM; control talks with it through a socket in its folder.
// bench loads any relay and prints how fast it is.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

const usage = `sotto-relay is a relay for messages and files that anyone can run.

Usage:

  sotto-relay init --data DIR [--host HOST]... [--port PORT] [--files-port PORT]
                   [--password PASSWORD]
      Makes a relay in the folder DIR and prints its addresses, smp:// for messages and
      xftp:// for files. Back up the folder: without its ca.key and ca.crt nobody can
      continue with the same addresses.
      --host        name or IP address of this machine, an onion name after it if you like
      --port        port in the address for messages, if it is not 5223
      --files-port  port in the address for files, if it is not 5443
      --password    only who knows it can create queues and store files

  sotto-relay start --data DIR [--listen ADDRESS]... [--onion]
      Runs the relay until it is told to stop (Ctrl-C or SIGTERM) and prints its
      addresses when it is ready.
      --listen                      address and port, :5223 or the port of the
                                    relay's address. May be given again: apps can be
                                    told to use port 443 where an address has none
      --message-days                days after which messages are deleted, 21
      --queue-days                  days without use after which queues are deleted,
                                    0 for never
      --no-new-queues               serve the queues that there are, and create none
      --metrics 127.0.0.1:PORT      counters for Prometheus at /metrics, off by default;
                                    nothing in them is about one queue or address
    Onion service, so that clients can reach the relay through Tor alone:
      --onion                       publish one. Its name is added to the addresses; its key
                                    is onion.key in the folder
      --tor PATH                    the program tor, if it is not the system's
      --tor-config FILE             lines to be added to tor's configuration
    Limits, -1 for none:
      --max-connections             connections at a time, 20000
      --max-connections-per-source  of one IPv4 address or IPv6 /64, 2000; connections
                                    from this machine (an onion service) don't count
      --max-queues                  queues that there are, 10000000
      --new-queues-per-minute       that one connection creates, 6000; more have to wait
      --commands-per-second         of one connection, 5000; more have to wait
    Private routing (clients send to other relays through this one; who may create
    queues may do that):
      --no-proxy                    refuse it
      --proxy-private               connect to relays with private and loopback addresses,
                                    too. Without it nobody can reach into the network
                                    that this machine is in; only a relay that listens on
                                    127.0.0.1 and has no other host reaches others there
      --socks ADDRESS               SOCKS5 proxy for onion hosts, such as Tor's
                                    127.0.0.1:9050
    Files, encrypted by who sends them, until they expire:
      --files-listen ADDRESS        address and port, that of the relay's address or :5443
      --no-files                    don't serve files
      --files-quota SIZE            of all files together, 10gb
      --files-hours                 after which files are deleted, 48
      --no-new-files                serve the files that there are, and take none
      --files-dir DIR               where they are, DIR/chunks of the relay's folder
      --s3 URL --s3-bucket NAME     keep them in a bucket of an S3-compatible object store,
                                    such as https://s3.example.org. The keys are in the
                                    environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
      --s3-region, --s3-prefix      region of the bucket, and what names begin with
      --max-file-connections        connections at a time, 5000
      --max-file-connections-per-source
                                    of one IPv4 address or IPv6 /64, 500
      --new-files-per-minute        pieces of files that one connection registers, 1200;
                                    more have to wait

  sotto-relay address --data DIR [--host HOST]... [--files]
      Prints the relay's address for messages, or with --files that for files.

  sotto-relay control --data DIR COMMAND
      Controls the relay that runs in the folder DIR, through a socket in it.
      status                   prints the counters of the relay
      status ID                prints the state of a queue or of a piece of a file
      block ID --reason spam|content [--notice TIME]
                               refuses commands on it and tells clients why; TIME (such as
                               720h, or forever) is how long they show it. The bytes of a
                               file are deleted
      unblock ID               takes that back for a queue
      delete ID                deletes a queue and its messages, or a piece of a file
      ID of a queue is a link to it of any kind, in quotes, or the id of its sender; that of
      a piece of a file is the first one after its number in the description of the file.

  sotto-relay bench --relay ADDRESS [--connections N] [--seconds S] [--pid PID]
      Loads a relay, this one or any other of the network, and prints handshakes, new
      queues and messages per second, and how long messages take. It makes queues of its
      own and deletes them, and stops by itself. Ask before you load somebody's relay.
      --connections  at a time, 16: half of them send, half receive
      --seconds      for messages, 8; as much again for the rest
      --pid          of a relay on this machine, to print the CPU time that it needs
`

// defaultPort is the port of relays whose address has none (encoding.md §6).
const defaultPort = "5223"

// errUsage tells that the command line is wrong.
var errUsage = errors.New("run sotto-relay help for the usage")

func main() {
	if len(os.Args) > 1 && os.Args[1] == "start" {
		relaxTimers()
	}
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

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	defer func() {
		if errors.Is(err, flag.ErrHelp) {
			_, err = io.WriteString(stdout, usage)
		}
	}()
	command := "help"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "init":
		return initialize(args, stdout)
	case "start":
		return start(ctx, args, stdout, stderr)
	case "address":
		return printAddress(args, stdout)
	case "control":
		return control(ctx, args, stdout)
	case "bench":
		return bench(ctx, args, stdout)
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

// newFlags makes a set of flags that says what is wrong in its error alone.
func newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parseWords reads flags. The error is flag.ErrHelp or wraps errUsage.
func parseWords(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	return err
}

// parseFlags reads flags that nothing may follow.
func parseFlags(f *flag.FlagSet, args []string) error {
	if err := parseWords(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is not expected here: %w", f.Arg(0), errUsage)
	}
	return nil
}

// parse reads the flags of a command that has --data.
func parse(name string, args []string, add func(*flag.FlagSet)) (dir string, err error) {
	f := newFlags(name)
	f.StringVar(&dir, "data", "", "")
	add(f)
	if err := parseFlags(f, args); err != nil {
		return "", err
	}
	if dir == "" {
		return "", fmt.Errorf("--data is missing, the folder of the relay: %w", errUsage)
	}
	return dir, nil
}

func initialize(args []string, stdout io.Writer) error {
	var s relay.Settings
	dir, err := parse("init", args, func(f *flag.FlagSet) {
		f.Var((*hosts)(&s.Hosts), "host", "")
		f.StringVar(&s.Port, "port", "", "")
		f.StringVar(&s.FilesPort, "files-port", "", "")
		f.StringVar(&s.Password, "password", "", "")
	})
	if err != nil {
		return err
	}
	if s.Port == defaultFilesPort && s.FilesPort == "" || s.FilesPort == defaultPort && s.Port == "" {
		return fmt.Errorf("%w: port %s can't be both for messages and for files; --port and --files-port choose them",
			relay.ErrSetting, cmp.Or(s.Port, s.FilesPort))
	}
	address, err := relay.Init(dir, s)
	if err != nil {
		return err
	}
	return show(stdout, s.Password, address, filesAddress(address, s.FilesPort))
}

func printAddress(args []string, stdout io.Writer) error {
	var names hosts
	var ofFiles bool
	dir, err := parse("address", args, func(f *flag.FlagSet) {
		f.Var(&names, "host", "")
		f.BoolVar(&ofFiles, "files", false, "")
	})
	if err != nil {
		return err
	}
	settings, err := relay.ReadSettings(dir)
	if err != nil {
		return err
	}
	address, password, err := relay.ReadAddress(dir, names...)
	if err != nil {
		return err
	}
	if ofFiles {
		address = filesAddress(address, settings.FilesPort)
	}
	return show(stdout, password, address)
}

// show prints addresses, one in a line. A relay without a host in its settings is shown with the
// name that works on this machine.
func show(w io.Writer, password string, addresses ...wire.Server) error {
	var text strings.Builder
	for _, a := range addresses {
		if len(a.Hosts) == 0 {
			a.Hosts = []string{"localhost"}
		}
		a.Hosts = slices.Clone(a.Hosts)
		for i, host := range a.Hosts {
			// Without brackets a port would be read as a part of it.
			if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
				a.Hosts[i] = "[" + host + "]"
			}
		}
		fmt.Fprintln(&text, a.Text(password))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// startOptions are the flags of start.
type startOptions struct {
	config                relay.Config
	listen                hosts
	metrics, socks        string
	noProxy, proxyPrivate bool
	out                   *outbound // nil without a proxy
	files                 fileOptions
	onion                 onionOptions
}

func parseStart(args []string) (dir string, o startOptions, err error) {
	var messageDays, queueDays int
	c := &o.config
	dir, err = parse("start", args, func(f *flag.FlagSet) {
		f.Var(&o.listen, "listen", "")
		f.IntVar(&messageDays, "message-days", 0, "")
		f.IntVar(&queueDays, "queue-days", 0, "")
		f.IntVar(&c.MaxConnections, "max-connections", 0, "")
		f.IntVar(&c.MaxConnectionsPerSource, "max-connections-per-source", 0, "")
		f.IntVar(&c.MaxQueues, "max-queues", 0, "")
		f.IntVar(&c.NewQueuesPerMinute, "new-queues-per-minute", 0, "")
		f.IntVar(&c.CommandsPerSecond, "commands-per-second", 0, "")
		f.BoolVar(&c.NoNewQueues, "no-new-queues", false, "")
		f.StringVar(&o.metrics, "metrics", "", "")
		f.BoolVar(&o.noProxy, "no-proxy", false, "")
		f.BoolVar(&o.proxyPrivate, "proxy-private", false, "")
		f.StringVar(&o.socks, "socks", "", "")
		o.files.flags(f)
		o.onion.flags(f)
	})
	if err != nil {
		return "", o, err
	}
	if messageDays < 0 || queueDays < 0 {
		return "", o, fmt.Errorf("a number of days can't be negative: %w", errUsage)
	}
	const day = 24 * time.Hour
	c.MessageTTL, c.QueueTTL = time.Duration(messageDays)*day, time.Duration(queueDays)*day
	if !o.noProxy {
		o.out = &outbound{private: o.proxyPrivate, lookup: net.DefaultResolver.LookupNetIP}
		if o.socks != "" {
			o.out.socks = &transport.Proxy{Address: o.socks}
		}
		c.Dial = o.out.dial
	}
	return dir, o, errors.Join(o.files.check(), o.onion.check())
}

// gcPercent makes the relay collect garbage a little earlier than usual: for a small machine
// memory is what limits the number of connections. The variable GOGC overrides it.
const gcPercent = 50

func start(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	dir, o, err := parseStart(args)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	o.config.Log = slog.New(slog.NewTextHandler(stderr, nil))
	var metrics net.Listener
	if o.metrics != "" {
		if metrics, err = listenMetrics(o.metrics); err != nil {
			return err
		}
		defer metrics.Close()
	}
	r, err := relay.Open(dir, o.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	running := &servers{messages: r}
	address := r.Address()
	listeners, err := listen(o.listen, address.Port)
	for _, l := range listeners {
		defer l.Close()
	}
	if err != nil {
		return err
	}
	if o.out != nil {
		o.out.local = !o.onion.on
		for _, l := range listeners {
			o.out.local = o.out.local && onlyLocal(l.Addr(), address.Hosts)
		}
	}
	addresses := []wire.Server{shown(address, listeners[0], defaultPort)}

	var fileListener net.Listener
	if !o.files.off {
		settings, e := relay.ReadSettings(dir)
		if e != nil {
			return e
		}
		if fileListener, e = listenFiles(o, settings.FilesPort); e != nil {
			return e
		}
		if fileListener != nil {
			defer fileListener.Close()
			s, closeFiles, e := openFiles(ctx, dir, o, settings.Password)
			if e != nil {
				return e
			}
			defer func() { err = errors.Join(err, closeFiles()) }()
			running.files = s
			addresses = append(addresses, shown(s.Address(settings.FilesPort, address.Hosts...), fileListener, ""))
		}
	}

	if o.onion.on {
		end, e := o.onion.publish(ctx, dir, o.config.Log, addresses, listeners[0], fileListener)
		if e != nil {
			return e
		}
		defer func() { err = errors.Join(err, end()) }()
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if wait, err := serveControl(ctx, dir, running); err != nil {
		// The relay is of use without it.
		o.config.Log.Warn("the relay can't be controlled", "problem", err)
	} else {
		defer wait()
		defer cancel()
	}
	if metrics != nil {
		defer serveMetrics(ctx, metrics, running)()
		defer cancel()
	}
	if err := show(stdout, r.Password(), addresses...); err != nil {
		return err
	}
	return running.serve(ctx, listeners, fileListener)
}

// listen listens for messages at addresses, or if there are none at the port of the relay's address. With an error
// it returns those listeners that there are.
func listen(addresses []string, port string) (list []net.Listener, err error) {
	if len(addresses) == 0 {
		addresses = []string{":" + cmp.Or(port, defaultPort)}
	}
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return list, fmt.Errorf("listening for messages (--listen chooses another address and port): %w", err)
		}
		list = append(list, l)
	}
	return list, nil
}

// shown is the address of a server that listens on l. One that has no port because it was never
// decided is shown with the port where it really listens, unless that is the usual one; or, if it
// has hosts for others, that may lead to another port than this one.
func shown(address wire.Server, l net.Listener, usual string) wire.Server {
	if address.Port != "" || !localHosts(address.Hosts) && usual != "" {
		return address
	}
	if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil && port != usual {
		address.Port = port
	}
	return address
}
