package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/relay/files/s3"
	"github.com/sotto-chat/sotto/core/wire"
)

// defaultFilesPort is the port for files of relays that were made without one. The protocol's own
// default is 443, which only root may listen on.
const defaultFilesPort = "5443"

// filesAddress is the address for files of the relay with this address.
func filesAddress(address wire.Server, port string) wire.Server {
	if port == "" {
		port = defaultFilesPort
	}
	address.Scheme, address.Port = wire.XFTP, port
	return address
}

// fileOptions are the flags of start that are about files.
type fileOptions struct {
	off    bool
	listen string
	quota  size
	hours  int
	dir    string
	s3     s3.Config
	config files.Config
}

func (o *fileOptions) flags(f *flag.FlagSet) {
	f.BoolVar(&o.off, "no-files", false, "")
	f.StringVar(&o.listen, "files-listen", "", "")
	f.Var(&o.quota, "files-quota", "")
	f.IntVar(&o.hours, "files-hours", 0, "")
	f.StringVar(&o.dir, "files-dir", "", "")
	f.BoolVar(&o.config.NoNewFiles, "no-new-files", false, "")
	f.IntVar(&o.config.MaxConnections, "max-file-connections", 0, "")
	f.IntVar(&o.config.MaxConnectionsPerSource, "max-file-connections-per-source", 0, "")
	f.IntVar(&o.config.NewFilesPerMinute, "new-files-per-minute", 0, "")
	f.StringVar(&o.s3.Endpoint, "s3", "", "")
	f.StringVar(&o.s3.Bucket, "s3-bucket", "", "")
	f.StringVar(&o.s3.Region, "s3-region", "", "")
	f.StringVar(&o.s3.Prefix, "s3-prefix", "", "")
}

func (o *fileOptions) check() error {
	switch {
	case o.hours < 0:
		return fmt.Errorf("a number of hours can't be negative: %w", errUsage)
	case o.s3.Endpoint == "" && (o.s3.Bucket != "" || o.s3.Region != "" || o.s3.Prefix != ""):
		return fmt.Errorf("--s3 is missing, the address of the object store: %w", errUsage)
	case o.s3.Endpoint != "" && o.s3.Bucket == "":
		return fmt.Errorf("--s3-bucket is missing: %w", errUsage)
	case o.s3.Endpoint != "" && o.dir != "":
		return fmt.Errorf("files are either in --files-dir or in --s3: %w", errUsage)
	}
	o.config.Quota, o.config.TTL = int64(o.quota), time.Duration(o.hours)*time.Hour
	return nil
}

// A size is a number of bytes, such as 100gb.
type size int64

func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

// Set reads a size; -1 is for no limit.
func (s *size) Set(text string) error {
	if text == "-1" {
		*s = -1
		return nil
	}
	unit := int64(1)
	digits := strings.TrimRight(strings.ToLower(text), "kmgtb")
	switch strings.ToLower(text)[len(digits):] {
	case "", "b":
	case "kb", "k":
		unit = 1 << 10
	case "mb", "m":
		unit = 1 << 20
	case "gb", "g":
		unit = 1 << 30
	case "tb", "t":
		unit = 1 << 40
	default:
		return errors.New("it is a size like 100gb")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/unit {
		return errors.New("it is a size like 100gb")
	}
	*s = size(n * unit)
	return nil
}

// servers are those that run.
type servers struct {
	messages *relay.Relay
	files    *files.Server // nil without
}

// WriteMetrics writes the counters of all.
func (s *servers) WriteMetrics(w io.Writer) error {
	err := s.messages.WriteMetrics(w)
	if err == nil && s.files != nil {
		err = s.files.WriteMetrics(w)
	}
	return err
}

// serve serves until ctx is done or one of the servers fails; then it stops all. ofFiles is nil without files.
func (s *servers) serve(ctx context.Context, messages []net.Listener, ofFiles net.Listener) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error)
	begin := func(serve func(context.Context, net.Listener) error, l net.Listener) {
		go func() {
			err := serve(ctx, l)
			cancel()
			failed <- err
		}()
	}
	for _, l := range messages {
		begin(s.messages.Serve, l)
	}
	count := len(messages)
	if s.files != nil {
		begin(s.files.Serve, ofFiles)
		count++
	}
	for range count {
		if e := <-failed; e != nil && !errors.Is(err, e) { // a failure of the store ends all alike
			err = errors.Join(err, e)
		}
	}
	return err
}

// openFiles opens the server for files of the relay in dir and returns what closes it.
func openFiles(ctx context.Context, dir string, o startOptions, password string) (s *files.Server, closeAll func() error, err error) {
	config := o.files.config
	config.Log, config.Password = o.config.Log, password
	closeStore := func() error { return nil }
	switch {
	case o.files.dir != "":
		if config.Store, err = files.OpenDisk(o.files.dir); err != nil {
			return nil, nil, err
		}
	case o.files.s3.Endpoint != "":
		c := o.files.s3
		c.AccessKey, c.SecretKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
		store, err := s3.Open(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		config.Store, closeStore = store, store.Close
	}
	if s, err = files.Open(dir, config); err != nil {
		return nil, nil, errors.Join(err, closeStore())
	}
	return s, func() error { return errors.Join(s.Close(), closeStore()) }, nil
}

// listenFiles listens for the server for files. port is that of its address, empty if the relay was
// made without one; such a relay is of use without files, so that it returns nil when the usual port
// is in use and nobody has asked for it.
func listenFiles(o startOptions, port string) (net.Listener, error) {
	address := o.files.listen
	if address == "" {
		host := ""
		if len(o.listen) > 0 {
			if h, p, err := net.SplitHostPort(o.listen[0]); err == nil {
				host = h
				if p == "0" && port == "" {
					port = p
				}
			}
		}
		own := port
		if own == "" {
			own = defaultFilesPort
		}
		address = net.JoinHostPort(host, own)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) && o.files.listen == "" && port == "" {
		o.config.Log.Warn("the relay doesn't serve files: the port is in use; --files-listen chooses another one", "port", defaultFilesPort)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listening for files (--files-listen chooses another port, --no-files does without): %w", err)
	}
	return l, nil
}
