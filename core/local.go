package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/wire"
)

// ErrRelayPort tells that the relay on this computer can't be reached at its address, because
// another program has taken its port. The port is part of what contacts know, so no other is used.
var ErrRelayPort = errors.New("the port of the relay on this computer is in use by another program: end that program")

// loopback is where the relay on this computer listens.
const loopback = "127.0.0.1"

// localRelay is the relay on this computer. All profiles that want it use the same, as
// they would use the same relay elsewhere. Nobody else makes queues or stores files on it, which has a
// password for that: contacts know its address, and it may be reached from anywhere.
type localRelay struct {
	dir string

	mu        sync.Mutex
	running   *relay.Relay // nil if it does not run
	server    wire.Server
	secret    string        // the password
	done      chan struct{} // closed when running has ended
	files     *files.Server // nil if it does not run
	port      string        // of files
	filesDone chan struct{} // closed when files has ended
	closed    bool
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
	server, secret, listener, err := l.listen()
	if err != nil {
		return wire.Server{}, err
	}
	r, err := relay.Open(l.dir, relay.Config{})
	if err != nil {
		listener.Close()
		return wire.Server{}, fmt.Errorf("the relay on this computer: %w", err)
	}
	done := make(chan struct{})
	l.running, l.server, l.secret, l.done = r, server, secret, done
	go func() {
		defer close(done)
		_ = r.Serve(context.Background(), listener) // if it fails, start is tried again when the relay is needed
	}()
	return server, nil
}

// startFiles starts the relay for files beside the other one unless it runs, and returns its port.
func (l *localRelay) startFiles() (port string, err error) {
	if _, err := l.start(); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.files != nil {
		select {
		case <-l.filesDone: // its listener failed
			l.files.Close()
			l.files = nil
		default:
			return l.port, nil
		}
	}
	settings, err := relay.ReadSettings(l.dir)
	if err != nil {
		return "", fmt.Errorf("the relay on this computer: %w", err)
	}
	var listener net.Listener
	if settings.FilesPort == "" {
		listener, err = relay.ListenLoopback()
	} else {
		listener, err = net.Listen("tcp", net.JoinHostPort(loopback, settings.FilesPort))
	}
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrRelayPort, err)
	}
	if l.port = settings.FilesPort; l.port == "" {
		l.port = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
		err = relay.ChangeSettings(l.dir, func(s *relay.Settings) { s.FilesPort = l.port })
	}
	var server *files.Server
	if err == nil {
		server, err = files.Open(l.dir, files.Config{Password: settings.Password})
	}
	if err != nil {
		listener.Close()
		return "", fmt.Errorf("the relay for files on this computer: %w", err)
	}
	done := make(chan struct{})
	l.files, l.filesDone = server, done
	go func() {
		defer close(done)
		_ = server.Serve(context.Background(), listener) // if it fails, it is started again when it is needed
	}()
	return l.port, nil
}

// filesPort returns the port of the relay for files if it runs.
func (l *localRelay) filesPort() (port string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.port, l.files != nil
}

// password is what queues and files are made with on the relay, if it runs.
func (l *localRelay) password() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secret
}

// listen listens at the relay's port, which is chosen when the relay is made.
func (l *localRelay) listen() (server wire.Server, password string, listener net.Listener, err error) {
	failed := func(err error) (wire.Server, string, net.Listener, error) {
		if listener != nil {
			listener.Close()
		}
		return server, "", nil, fmt.Errorf("the relay on this computer: %w", err)
	}
	server, password, err = relay.ReadAddress(l.dir)
	if err == nil {
		listener, err = net.Listen("tcp", net.JoinHostPort(loopback, server.Port))
		if err != nil {
			return server, "", nil, fmt.Errorf("%w (%w)", ErrRelayPort, err)
		}
		if password == "" { // of a version that had none
			password = rand.Text()
			if err := relay.ChangeSettings(l.dir, func(s *relay.Settings) { s.Password = password }); err != nil {
				return failed(err)
			}
		}
		return server, password, listener, nil
	}
	if !errors.Is(err, relay.ErrNotInitialized) {
		return failed(err)
	}
	if listener, err = relay.ListenLoopback(); err != nil {
		return failed(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	password = rand.Text()
	if server, err = relay.Init(l.dir, relay.Settings{Hosts: []string{loopback}, Port: port, Password: password}); err != nil {
		return failed(err)
	}
	return server, password, listener, nil
}

// address returns the address of the relay and its password if it runs.
func (l *localRelay) address() (server wire.Server, password string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.server, l.secret, l.running != nil
}

func (l *localRelay) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.stop()
}

// stop ends the relay until it is started again.
func (l *localRelay) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.files != nil {
		err = l.files.Close()
		<-l.filesDone
		l.files = nil
	}
	if l.running == nil {
		return err
	}
	err = errors.Join(err, l.running.Close())
	<-l.done
	l.running = nil
	return err
}

func newLocalRelay(dir string) *localRelay { return &localRelay{dir: filepath.Join(dir, "relay")} }
