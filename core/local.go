package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/wire"
)

// ErrRelayPort tells that the relay on this computer can't be reached at its address, because
// another program has taken its port. The port is part of what contacts know, so no other is used.
var ErrRelayPort = errors.New("the port of the relay on this computer is in use by another program: end that program")

// loopback is where the relay on this computer listens.
const loopback = "127.0.0.1"

// localRelay is the relay on this computer. All profiles that want it use the same, as
// they would use the same relay elsewhere.
type localRelay struct {
	dir string

	mu      sync.Mutex
	running *relay.Relay // nil if it does not run
	server  wire.Server
	done    chan struct{} // closed when running has ended
	closed  bool
}

// exists tells whether there is a relay on this computer.
func (l *localRelay) exists() bool {
	_, err := os.Stat(l.dir)
	return !errors.Is(err, fs.ErrNotExist)
}

// start makes and starts the relay unless it runs, and returns its address.
func (l *localRelay) start() (wire.Server, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return wire.Server{}, relay.ErrClosed
	}
	if l.running != nil {
		select {
		case <-l.done: // its listener failed
			l.running.Close()
			l.running = nil
		default:
			return l.server, nil
		}
	}
	server, listener, err := l.listen()
	if err != nil {
		return wire.Server{}, err
	}
	r, err := relay.Open(l.dir, relay.Config{})
	if err != nil {
		listener.Close()
		return wire.Server{}, fmt.Errorf("the relay on this computer: %w", err)
	}
	done := make(chan struct{})
	l.running, l.server, l.done = r, server, done
	go func() {
		defer close(done)
		_ = r.Serve(context.Background(), listener) // if it fails, start is tried again when the relay is needed
	}()
	return server, nil
}

// listen listens at the relay's port, which is chosen when the relay is made.
func (l *localRelay) listen() (server wire.Server, listener net.Listener, err error) {
	server, _, err = relay.ReadAddress(l.dir)
	if err == nil {
		listener, err = net.Listen("tcp", net.JoinHostPort(loopback, server.Port))
		if err != nil {
			return server, nil, fmt.Errorf("%w (%w)", ErrRelayPort, err)
		}
		return server, listener, nil
	}
	if !errors.Is(err, relay.ErrNotInitialized) {
		return server, nil, fmt.Errorf("the relay on this computer: %w", err)
	}
	listener, err = net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return server, nil, fmt.Errorf("the relay on this computer: %w", err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	server, err = relay.Init(l.dir, relay.Settings{Hosts: []string{loopback}, Port: port})
	if err != nil {
		listener.Close()
		return server, nil, fmt.Errorf("the relay on this computer: %w", err)
	}
	return server, listener, nil
}

// address returns the address of the relay if it runs.
func (l *localRelay) address() (server wire.Server, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.server, l.running != nil
}

func (l *localRelay) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.running == nil {
		return nil
	}
	err := l.running.Close()
	<-l.done
	l.running = nil
	return err
}

func newLocalRelay(dir string) *localRelay { return &localRelay{dir: filepath.Join(dir, "relay")} }
