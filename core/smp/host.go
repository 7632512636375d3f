package smp

import (
	"errors"
	"strings"
)

// HostMode says which of a relay's hosts to connect to (smp-transport.md §11).
type HostMode int

// Modes of choosing a host.
const (
	// HostOnionViaSOCKS takes the onion host if connections go through a SOCKS proxy, and
	// the public host otherwise.
	HostOnionViaSOCKS HostMode = iota
	// HostOnion takes the onion host.
	HostOnion
	// HostPublic takes the public host.
	HostPublic
)

// ErrHost tells that a relay has no host of the kind that is required.
var ErrHost = errors.New("smp: the relay has no host that the network settings allow")

// String returns the name of the mode.
func (m HostMode) String() string {
	switch m {
	case HostOnion:
		return "onion"
	case HostPublic:
		return "public"
	}
	return "onion via SOCKS"
}

// Choose returns the host to connect to. socks tells that connections go through a SOCKS
// proxy. If no host is of the wanted kind it is the first one, or ErrHost if required.
func (m HostMode) Choose(hosts []string, socks, required bool) (string, error) {
	onion := m == HostOnion || m == HostOnionViaSOCKS && socks
	for _, h := range hosts {
		if strings.HasSuffix(h, ".onion") == onion {
			return h, nil
		}
	}
	if required || len(hosts) == 0 {
		return "", ErrHost
	}
	return hosts[0], nil
}
