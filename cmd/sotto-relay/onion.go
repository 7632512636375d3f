package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/sotto-chat/sotto/core/tor"
	"github.com/sotto-chat/sotto/core/wire"
)

// onionOptions are the flags of start that are about the onion service.
type onionOptions struct {
	on             bool
	binary, config string
}

func (o *onionOptions) flags(f *flag.FlagSet) {
	f.BoolVar(&o.on, "onion", false, "")
	f.StringVar(&o.binary, "tor", "", "")
	f.StringVar(&o.config, "tor-config", "", "")
}

func (o *onionOptions) check() error {
	if !o.on && (o.binary != "" || o.config != "") {
		return fmt.Errorf("--onion is missing: %w", errUsage)
	}
	return nil
}

// Names in the relay's folder.
const (
	onionKeyFile = "onion.key" // in the format of tor's own hs_ed25519_secret_key
	torFolder    = "tor"
)

// publish starts tor and publishes an onion service for the listeners. The service's name is
// added to the addresses, which belong to the listeners in their order.
func (o *onionOptions) publish(ctx context.Context, dir string, log *slog.Logger, addresses []wire.Server, listeners ...net.Listener) (end func() error, err error) {
	key, err := readOnionKey(filepath.Join(dir, onionKeyFile))
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	ports := map[uint16]string{}
	for i, a := range addresses {
		target, own, err := loopback(listeners[i])
		if err != nil {
			return nil, err
		}
		port := a.Port
		switch {
		case port == "" && a.Scheme == wire.SMP:
			port = defaultPort
		case port == "":
			port = own
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("the port of the relay's address: %w", err)
		}
		ports[uint16(n)] = target
	}
	var extra []string
	if o.config != "" {
		text, err := os.ReadFile(o.config)
		if err != nil {
			return nil, fmt.Errorf("--tor-config: %w", err)
		}
		if extra, err = tor.ParseExtra(string(text)); err != nil {
			return nil, fmt.Errorf("--tor-config: %w", err)
		}
	}
	t, err := tor.Start(ctx, tor.Config{
		Dir:     filepath.Join(dir, torFolder),
		Binary:  o.binary,
		Extra:   extra,
		Changed: func(s tor.Status) { logTor(log, s) },
	})
	if err != nil {
		return nil, err
	}
	name, err := t.PublishOnion(ctx, tor.Onion{Key: key, Ports: ports})
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	for i := range addresses {
		if !slices.Contains(addresses[i].Hosts, name) {
			addresses[i].Hosts = append(slices.Clone(addresses[i].Hosts), name)
		}
	}
	waiting, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if t.WaitOnion(waiting, name) == nil {
			log.Info(onionReachable)
		}
	})
	return func() error {
		stop()
		wg.Wait()
		return t.Close()
	}, nil
}

// onionReachable is logged when clients can find the onion service.
const onionReachable = "the onion service can be reached"

// logTor tells the operator what becomes of the onion service.
func logTor(log *slog.Logger, s tor.Status) {
	switch {
	case s.Problem != nil:
		log.Warn("tor: "+s.Problem.Kind.String(), "state", s.State, "detail", s.Problem.Detail)
	case s.State == tor.Ready:
		log.Info("tor is ready")
	}
}

// loopback returns where connections from this machine reach a listener.
func loopback(l net.Listener) (address, port string, err error) {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", "", err
	}
	switch ip := net.ParseIP(host); {
	case ip.IsUnspecified():
		host = "127.0.0.1"
	case !ip.IsLoopback():
		return "", "", errors.New("--onion needs a relay that listens on all addresses or on a loopback address")
	}
	return net.JoinHostPort(host, port), port, nil
}

// readOnionKey reads the key of the onion service, and makes one the first time. One that can't be
// read is never replaced: the service's name would be lost.
func readOnionKey(path string) (*tor.OnionKey, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		defer clear(b)
		key, err := tor.ParseOnionKey(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := tor.NewOnionKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	b = key.Bytes()
	defer clear(b)
	if err := writeOnionKey(path, b); err != nil {
		return nil, fmt.Errorf("writing the key of the onion service: %w", err)
	}
	return key, nil
}

// writeOnionKey writes the key whole or not at all.
func writeOnionKey(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), onionKeyFile+"-*") // only its owner may read it
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
