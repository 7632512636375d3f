package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// nearNames are the ends of names that the DNS of the internet does not have (RFC 6761, 6762 and 8375, and ICANN's reserved ones).
var nearNames = []string{"localhost", "local", "internal", "home.arpa", "lan", "home", "test"}

// nearNetworks are networks that nobody on the internet has an address of, besides those that netip knows: those of carriers and of
// virtual networks, and those for documentation and measurements.
var nearNetworks = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
}

// IsNear tells whether a host is on this computer or in its network, and not on the internet: by its address, by a name that the
// internet does not have, or by what the file of hosts of this computer says. Nothing is asked of the network.
func IsNear(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return nearAddr(a)
	}
	if IsOnion(host) {
		return false
	}
	if isLabel(host) || slices.ContainsFunc(nearNames, func(n string) bool { return strings.HasSuffix(host, "."+n) }) {
		return true
	}
	return hosts.near(host)
}

// isLabel tells whether a host is a name without a dot, which is one of the network here. Systems take a number for an
// address of the internet (134744072 and 0x08080808 are 8.8.8.8), and some characters for a dot (UTS #46).
func isLabel(host string) bool {
	for i, c := range host {
		letter := c >= 'a' && c <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return host != ""
}

// hostsCache keeps what the file of hosts says, which is asked for with each message.
type hostsCache struct {
	mu    sync.Mutex
	read  time.Time
	known map[string]bool
}

var hosts hostsCache

// hostsTime is how long the cache is good.
const hostsTime = 10 * time.Second

func (c *hostsCache) near(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.read) > hostsTime {
		c.known, c.read = map[string]bool{}, time.Now()
	}
	near, ok := c.known[host]
	if !ok {
		addrs, err := hostsFile.LookupNetIP(context.Background(), "ip", host)
		near = err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !nearAddr(a) })
		c.known[host] = near
	}
	return near
}

// hostsFile looks names up in the file of hosts alone: servers can't be asked.
var hostsFile = net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("not to be asked")
}}

func nearAddr(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() ||
		slices.ContainsFunc(nearNetworks, func(p netip.Prefix) bool { return p.Contains(a) })
}
