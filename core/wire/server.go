package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Scheme names the protocol of a relay.
type Scheme string

// The protocols that relays speak.
const (
	SMP  Scheme = "smp"
	XFTP Scheme = "xftp"
)

// KeyHash is the SHA-256 fingerprint of a relay's identity certificate.
type KeyHash [32]byte

// MaxHosts bounds the hosts of one relay; the network's relays have at most two.
const MaxHosts = 16

// Server is the address of a relay. Its binary form carries no scheme: that is known
// from where the address stands.
type Server struct {
	Scheme  Scheme
	KeyHash KeyHash
	Hosts   []string // at least one, usually a domain and then an onion host
	Port    string   // empty for the default port, and kept empty (gotchas.md 25)
}

// Errors of addresses.
var (
	ErrAddress  = errors.New("not a relay address, which looks like smp://fingerprint@host (for files xftp://fingerprint@host)")
	ErrPassword = errors.New("a relay address with a password can't stand here")
)

// SameAs tells whether two addresses have the same hosts and port (encoding.md §6).
func (s Server) SameAs(o Server) bool { return s.Port == o.Port && slices.Equal(s.Hosts, o.Hosts) }

// Append appends the binary form: the hosts, the port and the fingerprint.
func (s Server) Append(b []byte) []byte {
	b = append(b, byte(len(s.Hosts)))
	for _, h := range s.Hosts {
		b = AppendShort(b, h)
	}
	return AppendShort(AppendShort(b, s.Port), s.KeyHash[:])
}

// AppendLegacy appends the binary form of queue addresses of SMP client version 1, which has one host.
func (s Server) AppendLegacy(b []byte) []byte {
	return AppendShort(AppendShort(AppendShort(b, s.Hosts[0]), s.Port), s.KeyHash[:])
}

// Server reads the binary form.
func (r *Reader) Server(scheme Scheme) Server {
	n := r.NonEmpty()
	if n > MaxHosts {
		r.Fail(ErrSyntax)
		return Server{}
	}
	return r.server(scheme, n)
}

// LegacyServer reads the binary form with one host.
func (r *Reader) LegacyServer(scheme Scheme) Server { return r.server(scheme, 1) }

func (r *Reader) server(scheme Scheme, hosts int) Server {
	s := Server{Scheme: scheme}
	for range hosts {
		h := string(r.Short())
		if r.err == nil && checkHost(h) != nil {
			r.Fail(ErrSyntax)
		}
		s.Hosts = append(s.Hosts, h)
	}
	s.Port = string(r.Short())
	if r.err == nil && checkPort(s.Port) != nil {
		r.Fail(ErrSyntax)
	}
	hash := r.Short()
	if r.err == nil && len(hash) != len(s.KeyHash) {
		r.Fail(ErrSyntax)
	}
	if r.err != nil {
		return Server{}
	}
	copy(s.KeyHash[:], hash)
	return s
}

// String is the textual form without a password.
func (s Server) String() string { return s.Text("") }

// Text is the textual form with a password, if that is not empty.
func (s Server) Text(password string) string {
	var b strings.Builder
	b.WriteString(string(s.Scheme) + "://" + base64.URLEncoding.EncodeToString(s.KeyHash[:]))
	if password != "" {
		b.WriteString(":" + password)
	}
	b.WriteString("@" + strings.Join(s.Hosts, ","))
	if s.Port != "" {
		b.WriteString(":" + s.Port)
	}
	return b.String()
}

// ParseServer reads the textual form; a password is ErrPassword.
func ParseServer(text string) (Server, error) {
	s, password, err := ParseServerPassword(text)
	if err == nil && password != "" {
		return Server{}, ErrPassword
	}
	return s, err
}

// ParseServerPassword reads the textual form with an optional password.
func ParseServerPassword(text string) (s Server, password string, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != string(SMP) && scheme != string(XFTP) {
		return Server{}, "", ErrAddress
	}
	user, hosts, ok := strings.Cut(rest, "@")
	if !ok {
		return Server{}, "", ErrAddress
	}
	hash, password, hasPassword := strings.Cut(user, ":")
	if hasPassword && (password == "" || len(password) > MaxShort || strings.ContainsAny(password, "@:/ ") || !printable(password)) {
		return Server{}, "", fmt.Errorf("%w: its password has characters that can't stand there", ErrAddress)
	}
	s.Scheme = Scheme(scheme)
	raw, err := DecodeBase64(hash)
	if err != nil || len(raw) != len(s.KeyHash) {
		return Server{}, "", fmt.Errorf("%w: its fingerprint is not 32 bytes in base64url", ErrAddress)
	}
	copy(s.KeyHash[:], raw)
	if s.Hosts, s.Port, err = ParseHosts(hosts); err != nil {
		return Server{}, "", err
	}
	return s, password, nil
}

// ParseHosts reads "host,host:port" with an optional port.
func ParseHosts(text string) (hosts []string, port string, err error) {
	text, port = cutPort(text)
	hosts = strings.Split(text, ",")
	if len(hosts) > MaxHosts {
		return nil, "", fmt.Errorf("%w: it has too many hosts", ErrAddress)
	}
	for i, h := range hosts {
		hosts[i] = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
		if checkHost(hosts[i]) != nil {
			return nil, "", fmt.Errorf("%w: one of its hosts is not a host name", ErrAddress)
		}
	}
	if checkPort(port) != nil {
		return nil, "", fmt.Errorf("%w: its port is not a number from 1 to 65535", ErrAddress)
	}
	return hosts, port, nil
}

// cutPort splits off a port. A bare IPv6 address has several colons and no port (gotchas.md 27).
func cutPort(text string) (hosts, port string) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.HasSuffix(text, "]") {
		return text, ""
	}
	last := text[strings.LastIndexByte(text[:i], ',')+1 : i]
	if strings.Contains(last, ":") && !strings.HasSuffix(last, "]") {
		return text, ""
	}
	return text[:i], text[i+1:]
}

func checkHost(h string) error {
	if h == "" || len(h) > MaxShort {
		return ErrAddress
	}
	if _, err := netip.ParseAddr(h); err == nil && !strings.Contains(h, "%") {
		return nil
	}
	if strings.ContainsAny(h, ":#,;/@? \n\r\t") || !printable(h) {
		return ErrAddress
	}
	if name, onion := strings.CutSuffix(h, ".onion"); onion {
		for _, c := range name {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return ErrAddress
			}
		}
	}
	return nil
}

func checkPort(p string) error {
	if p == "" {
		return nil
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return ErrAddress
	}
	return nil
}

// printable tells whether a text can be shown: nothing in it is invisible or changes the direction of what stands around it.
func printable(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) || c == utf8.RuneError {
			return false
		}
	}
	return true
}

// EncodeBase64 is base64url with padding, as in addresses and long links.
func EncodeBase64(b []byte) string { return base64.URLEncoding.EncodeToString(b) }

// DecodeBase64 reads base64url with or without padding; an empty string is an error (encoding.md §6).
func DecodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if s == "" {
		return nil, ErrSyntax
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, ErrSyntax
	}
	return b, nil
}
