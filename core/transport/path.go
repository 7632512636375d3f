package transport

import (
	"context"
	"errors"
	"strings"

	"github.com/sotto-chat/sotto/core/wire"
)

// Path is how a relay is reached: at one of its hosts, and directly or through a proxy.
type Path struct {
	Host  string
	Proxy *Proxy // nil for none
}

// A PathFunc chooses the path to a relay. Connections for which circuit is not the same are to share
// no circuit of Tor. It is asked before each connection, so that what it
// answers may change with the network; it may wait for a way to be there, for as long as ctx allows.
// With an error nothing is dialed: there is no other way.
type PathFunc func(ctx context.Context, relay wire.Server, circuit string) (Path, error)

// ErrHost tells that a relay has no host of the kind that is required.
var ErrHost = errors.New("the relay has no host that the network settings allow")

// Direct is the PathFunc without any proxy: it takes the first host that is not an onion one.
func Direct(_ context.Context, relay wire.Server, _ string) (Path, error) {
	for _, h := range relay.Hosts {
		if !IsOnion(h) {
			return Path{Host: h}, nil
		}
	}
	return Path{}, &DialError{Stage: StageConnect, Kind: KindOnion, Err: ErrHost}
}

// IsOnion tells whether a host is an onion service, which only Tor can reach.
func IsOnion(host string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".onion")
}
