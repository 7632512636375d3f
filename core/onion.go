package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/tor"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store/vault"
)

// onionFile keeps the key of the onion address in the folder of the relay on this computer.
const onionFile = "onion.key"

// onionKey reads the key of the relay's onion address, or makes it.
func (l *localRelay) onionKey() (*tor.OnionKey, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	file := filepath.Join(l.dir, onionFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		key, err := tor.NewOnionKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		b = key.Bytes()
		defer clear(b)
		if err := vault.WriteFile(file, b); err != nil {
			return nil, fmt.Errorf("keeping the key of the onion address: %w", err)
		}
		return key, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the key of the onion address: %w", err)
	}
	defer clear(b)
	return tor.ParseOnionKey(b)
}

// localServer starts the relay on this computer and returns its address, by which others can reach it:
// the onion one if it is to have that.
func (c *Core) localServer() (wire.Server, error) {
	server, err := c.local.start()
	if err != nil || !c.onionRelay() {
		return server, err
	}
	if s := c.Tor(); s.Socks != "" && s.Control == "" {
		return server, ErrTorControl
	}
	key, err := c.local.onionKey()
	if err != nil {
		return server, err
	}
	defer key.Wipe()
	c.tor.update()
	server.Hosts = []string{key.Address()}
	if c.Tor().Mode != TorOnly { // who is on this computer too needs no Tor
		server.Hosts = append(server.Hosts, loopback)
	}
	return server, nil
}

// localFiles starts the relay for files on this computer and returns its address.
func (c *Core) localFiles() (wire.Server, error) {
	server, err := c.localServer()
	if err != nil {
		return server, err
	}
	port, err := c.local.startFiles()
	if err != nil {
		return server, err
	}
	server.Scheme, server.Port = wire.XFTP, port
	if server.Hosts[0] != loopback {
		c.tor.update() // its port has to be published too
	}
	return server, nil
}

// isLocal tells whether a relay is the one in this program. Its key alone does not tell: a link of somebody else may name that
// with any port of this computer.
func (c *Core) isLocal(server wire.Server) bool {
	local, _, ok := c.LocalRelay()
	if !ok || local.KeyHash != server.KeyHash {
		return false
	}
	if server.Scheme == wire.XFTP {
		local.Port, ok = c.local.filesPort()
	}
	return ok && local.Port == server.Port
}

// LeadsHere tells whether a link leads to the relay on this computer by its onion address: others can open it once Tor has
// made that known.
func (c *Core) LeadsHere(link string) bool {
	full, short, err := agent.ParseLink(link)
	switch {
	case err != nil:
		return false
	case full != nil:
		server := full.Queues[0].Server
		return onionHost(server) != "" && c.isLocal(server)
	}
	return onionHost(short.Server) != "" && c.isLocal(short.Server)
}

// localPorts returns where connections to the relays on this computer go that run, by their ports.
func (c *Core) localPorts() map[uint16]string {
	ports := map[uint16]string{}
	add := func(port string, runs bool) {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && runs {
			ports[uint16(n)] = net.JoinHostPort(loopback, port)
		}
	}
	server, _, runs := c.LocalRelay()
	add(server.Port, runs)
	add(c.local.filesPort())
	return ports
}

// publishOnion publishes the onion address of the relay on this computer, or takes it back.
func (s *torService) publishOnion(ctx context.Context) {
	s.mu.Lock()
	t, published, before := s.running, s.onion, s.ports
	s.mu.Unlock()
	ports := s.core.localPorts()
	wanted := s.core.onionRelay() && len(ports) > 0
	if t == nil || wanted && published != "" && maps.Equal(ports, before) || !wanted && published == "" {
		return
	}
	if published != "" {
		if err := t.RemoveOnion(ctx, published); err != nil {
			return // of a Tor that has just ended
		}
		s.set(func() { s.onion, s.reachable = "", false })
		s.publish()
	}
	if !wanted {
		return
	}
	key, err := s.core.local.onionKey()
	if err != nil {
		return // who asks for the address is told
	}
	address, err := t.PublishOnion(ctx, tor.Onion{Key: key, Ports: ports})
	if err != nil {
		return // of an existing Tor that can't be controlled; TorStatus shows that there is no address
	}
	s.set(func() { s.onion, s.ports, s.reachable = address, ports, false })
	s.publish()
	go func() { // ends with Tor
		if t.WaitOnion(ctx, address) != nil {
			return
		}
		s.mu.Lock()
		same := s.running == t && s.onion == address
		s.mu.Unlock()
		if same {
			s.set(func() { s.reachable = true })
			s.publish()
		}
	}()
}
