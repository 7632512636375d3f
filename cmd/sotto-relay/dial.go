package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// An outbound decides where the relay may connect to as a proxy, and connects. Whoever may
// use the relay chooses the address, so without a rule it would open connections inside the
// operator's own network for everybody.
type outbound struct {
	private bool             // addresses of private networks are allowed
	local   bool             // addresses of this machine are allowed: the relay is only for this machine itself
	socks   *transport.Proxy // for onion hosts, nil for none
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// alpn is the protocol that relays speak (smp-transport.md §1).
const alpn = "smp/1"

// dial is a relay.DialFunc. It resolves a name itself and connects to the addresses that it
// has looked at: the name could have another one a moment later.
func (o *outbound) dial(ctx context.Context, server wire.Server) (relay.BlockConn, error) {
	host := server.Hosts[0]
	if i := slices.IndexFunc(server.Hosts, func(h string) bool { return !transport.IsOnion(h) }); i >= 0 {
		host = server.Hosts[i]
	}
	port := server.Port
	if port == "" {
		port = defaultPort
	}
	if o.socks != nil && transport.IsOnion(host) {
		return connect(ctx, transport.Dialer{Proxy: o.socks}, host, port, server.KeyHash)
	}
	addrs, err := o.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		var conn relay.BlockConn
		if conn, err = connect(ctx, transport.Dialer{}, a.String(), port, server.KeyHash); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func connect(ctx context.Context, d transport.Dialer, host, port string, fingerprint wire.KeyHash) (relay.BlockConn, error) {
	conn, err := d.Dial(ctx, host, port, fingerprint, alpn)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// maxAddresses bounds the attempts to connect to a name.
const maxAddresses = 4

// resolve returns the addresses of a host that the relay may connect to. A client is told
// that an address is forbidden, but not that a name has a forbidden one: that would let it
// find out which names the operator's network has.
func (o *outbound) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if !o.allows(a) {
			return nil, relay.ErrForbiddenHost
		}
		return []netip.Addr{a}, nil
	}
	if transport.IsOnion(host) { // never ask the DNS for it (RFC 7686)
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	all, err := o.lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, a := range all {
		if o.allows(a) && len(list) < maxAddresses {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return list, nil
}

// forbidden are the networks that are not part of the public internet, beyond those that
// netip knows (the special-purpose registries of IANA).
var forbidden = func() (list []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		// Those of IPv6 have an IPv4 address in them, are for documentation or go nowhere.
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
	} {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}()

// onlyLocal tells whether a relay that listens at addr and has hosts in its address can be reached from this machine
// alone. An onion service listens on it, too, but for others.
func onlyLocal(addr net.Addr, hosts []string) bool {
	listens, ok := addr.(*net.TCPAddr)
	return ok && listens.IP.IsLoopback() && localHosts(hosts)
}

// localHosts tells whether all hosts are names of this machine for itself.
func localHosts(hosts []string) bool {
	return !slices.ContainsFunc(hosts, func(host string) bool {
		a, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return !strings.EqualFold(host, "localhost") && (err != nil || !a.IsLoopback())
	})
}

func (o *outbound) allows(a netip.Addr) bool {
	a = a.Unmap()
	if o.local && a.IsLoopback() && a.Zone() == "" {
		return true
	}
	if o.private {
		return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast()
	}
	if a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range forbidden {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
