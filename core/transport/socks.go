package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// Proxy is a SOCKS5 proxy (RFC 1928), as Tor has one. It resolves the names of relays.
type Proxy struct {
	// Address is an IP address and port, "localhost" and port, or the path of a Unix socket. It
	// is no other name: looking that up would be a packet that does not go through the proxy.
	Address string

	// User and Password, of up to 255 bytes each, authenticate to the proxy (RFC 1929). Tor uses
	// separate circuits for separate users (smp-transport.md §11). If User is not empty, a proxy
	// that does not ask for it is refused: it would not keep apart what is to be kept apart.
	User, Password string

	// Limit bounds how many dials wait for the proxy at a time, if it is not nil: Tor builds only so
	// many circuits at once.
	Limit *Limit

	// Timeout bounds a dial, if it is not 0 and nothing else ends it sooner.
	Timeout time.Duration

	// Failed is called, if it is not nil, when the proxy did not connect, or not in time. Who
	// makes proxies for Tor can give the next dial another User: Tor would
	// have it wait for the circuit that has failed.
	Failed func()
}

// Limit bounds how many dials wait for a proxy at a time. Others wait for their turn, in the order
// in which they came. It is shared by all that use the proxy.
type Limit struct{ turns chan struct{} }

// NewLimit returns the limit of n dials.
func NewLimit(n int) *Limit { return &Limit{make(chan struct{}, n)} }

// wait waits for a turn, which the caller must give back with done.
func (l *Limit) wait(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case l.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Limit) done() { <-l.turns }

// Constants of RFC 1928 and 1929.
const (
	socksVersion     = 5
	socksAuthVersion = 1

	socksNoAuth       = 0
	socksUserPassword = 2

	socksConnect = 1

	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4
)

// ProxyError is the reply of a proxy that did not connect.
type ProxyError struct{ Reply byte }

// The replies; those from 0xf0 are Tor's, for onion services (Tor's socks-extensions).
var proxyReplies = map[byte]struct {
	kind Kind
	text string
}{
	1:    {KindProxy, "general failure"},
	2:    {KindProxy, "connection not allowed"},
	3:    {KindUnreachable, "network unreachable"},
	4:    {KindUnreachable, "host unreachable"},
	5:    {KindRefused, "connection refused"},
	6:    {KindTimeout, "expired"},
	7:    {KindProxy, "command not supported"},
	8:    {KindProxy, "type of address not supported"},
	0xf0: {KindUnreachable, "onion service not found"},
	0xf1: {KindNotFound, "onion service descriptor is not valid"},
	0xf2: {KindUnreachable, "introduction to the onion service failed"},
	0xf3: {KindUnreachable, "rendezvous with the onion service failed"},
	0xf4: {KindUnreachable, "onion service wants authorization"},
	0xf5: {KindUnreachable, "onion service refused the authorization"},
	0xf6: {KindNotFound, "onion address is not valid"},
	0xf7: {KindTimeout, "introduction to the onion service timed out"},
}

func (e *ProxyError) Error() string {
	if r, ok := proxyReplies[e.Reply]; ok {
		return "proxy replied: " + r.text
	}
	return fmt.Sprintf("proxy replied with code %d", e.Reply)
}

func kindOfProxy(err error) Kind {
	var reply *ProxyError
	if errors.As(err, &reply) {
		if r, ok := proxyReplies[reply.Reply]; ok {
			return r.kind
		}
	}
	return KindProxy
}

// Errors of the proxy's configuration and protocol.
var (
	errProxyAddress = errors.New("the proxy's address is not an IP address and port or the path of a socket")
	errProxyUser    = errors.New("user or password of the proxy is longer than 255 bytes")
	errProxySpeech  = errors.New("the proxy does not speak SOCKS5")
	errProxyMethod  = errors.New("the proxy does not accept the way of authentication")
	errProxyAuth    = errors.New("the proxy refused user and password")
)

// endpoint returns what net.Dial needs to reach the proxy.
func (p *Proxy) endpoint() (network, address string, err error) {
	if filepath.IsAbs(p.Address) {
		return "unix", p.Address, nil
	}
	address = p.Address
	if port, ok := strings.CutPrefix(address, "localhost:"); ok {
		address = "127.0.0.1:" + port
	}
	if _, err := netip.ParseAddrPort(address); err != nil {
		return "", "", errProxyAddress
	}
	return "tcp", address, nil
}

// dial connects to the host through the proxy.
func (p *Proxy) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	if p.Timeout != 0 {
		bounded, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		ctx = bounded
	}
	network, address, err := p.endpoint()
	if err == nil && (len(p.User) > 255 || len(p.Password) > 255) {
		err = errProxyUser
	}
	if err != nil {
		return nil, dialError(StageProxy, err)
	}
	conn, err := tcpDialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, dialError(StageProxy, contextError(ctx, err))
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(interrupted)
	})
	err = p.handshake(conn, host, port)
	if !stop() {
		<-interrupted
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		if p.Failed != nil && !errors.Is(err, context.Canceled) {
			p.Failed()
		}
		return nil, dialError(StageProxy, err)
	}
	return conn, nil
}

// handshake makes conn a connection to the host.
func (p *Proxy) handshake(conn io.ReadWriter, host string, port uint16) error {
	method := byte(socksNoAuth)
	if p.User != "" {
		method = socksUserPassword
	}
	if _, err := conn.Write([]byte{socksVersion, 1, method}); err != nil {
		return err
	}
	var answer [4]byte
	if err := readProxy(conn, answer[:2]); err != nil {
		return err
	}
	if answer[0] != socksVersion {
		return errProxySpeech
	}
	if answer[1] != method {
		return errProxyMethod
	}
	if method == socksUserPassword {
		if err := p.authenticate(conn); err != nil {
			return err
		}
	}
	if _, err := conn.Write(append(appendTarget([]byte{socksVersion, socksConnect, 0}, host), byte(port>>8), byte(port))); err != nil {
		return err
	}
	if err := readProxy(conn, answer[:]); err != nil {
		return err
	}
	if answer[0] != socksVersion {
		return errProxySpeech
	}
	if answer[1] != 0 {
		return &ProxyError{answer[1]}
	}
	return discardBound(conn, answer[3])
}

// authenticate sends user and password (RFC 1929).
func (p *Proxy) authenticate(conn io.ReadWriter) error {
	b := append([]byte{socksAuthVersion, byte(len(p.User))}, p.User...)
	b = append(append(b, byte(len(p.Password))), p.Password...)
	if _, err := conn.Write(b); err != nil {
		return err
	}
	var answer [2]byte
	if err := readProxy(conn, answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return errProxyAuth
	}
	return nil
}

// appendTarget appends the host, which has at most 255 bytes.
func appendTarget(b []byte, host string) []byte {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil || addr.Zone() != "":
		return append(append(b, socksName, byte(len(host))), host...)
	case addr.Is4():
		return append(append(b, socksIPv4), addr.AsSlice()...)
	default:
		return append(append(b, socksIPv6), addr.AsSlice()...)
	}
}

// discardBound reads the address and port that the proxy uses, of which nobody has a use.
func discardBound(conn io.Reader, kind byte) error {
	n := 2
	switch kind {
	case socksIPv4:
		n += 4
	case socksIPv6:
		n += 16
	case socksName:
		var length [1]byte
		if err := readProxy(conn, length[:]); err != nil {
			return err
		}
		n += int(length[0])
	default:
		return errProxySpeech
	}
	return readProxy(conn, make([]byte, n))
}

func readProxy(conn io.Reader, b []byte) error {
	if _, err := io.ReadFull(conn, b); err != nil {
		return fmt.Errorf("proxy hung up: %w", withoutAddress(err))
	}
	return nil
}
