package relay

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A service with an Ed448 certificate, which the notification servers of the network have unless their operators
// want another one, can't show it to this relay: crypto/tls has no Ed448. It gives up in the TLS handshake, and would
// do so forever. Who failed so is therefore not asked for a certificate for some time: without being asked such a
// server goes on as an ordinary client.
const (
	unaskedTime = time.Hour
	maxUnasked  = 1024 // addresses
)

// unasked are the addresses of clients that can't show their certificate, and until when that is remembered.
type unasked struct {
	mu    sync.Mutex
	until map[netip.Addr]time.Time
}

// has tells whether a client at an address is not to be asked for a certificate.
func (u *unasked) has(a netip.Addr, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return now.Before(u.until[a])
}

// add remembers an address.
func (u *unasked) add(a netip.Addr, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.until == nil {
		u.until = make(map[netip.Addr]time.Time)
	}
	if len(u.until) >= maxUnasked {
		for old, until := range u.until {
			if !now.Before(until) {
				delete(u.until, old)
			}
		}
	}
	for old := range u.until {
		if len(u.until) < maxUnasked {
			break
		}
		delete(u.until, old)
	}
	u.until[a] = now.Add(unaskedTime)
}

// addressOf returns the address of a client, the zero Addr if it has none.
func addressOf(nc net.Conn) netip.Addr {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

// isCertificateFailure tells whether a handshake may have failed because the client could not show its certificate:
// it says that there is no common algorithm, or breaks off in the middle of its messages (as the reference's TLS does),
// or has shown one with a key of another kind. crypto/tls has no types for these errors.
func isCertificateFailure(err error) bool {
	const badRecordMAC, handshakeFailure = tls.AlertError(20), tls.AlertError(40) // RFC 8446 §6
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "remote error" && op.Err.Error() == handshakeFailure.Error() ||
			op.Op == "local error" && op.Err.Error() == badRecordMAC.Error()
	}
	return err != nil && strings.Contains(err.Error(), "unsupported public key")
}

// tlsFor returns how to speak TLS with a client.
func (r *Relay) tlsFor(nc net.Conn) *tls.Config {
	if r.unasked.has(addressOf(nc), r.config.Now()) {
		return r.tlsUnasked
	}
	return r.tls
}
