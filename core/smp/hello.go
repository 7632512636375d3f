package smp

import (
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// ServerHello is the content of a relay's first block (smp-transport.md §4). Chain and
// SignedKey are there when the relay's highest version is at least 7.
type ServerHello struct {
	Versions  wire.VersionRange
	SessionID []byte
	Chain     [][]byte // DER certificates, leaf first
	SignedKey []byte   // an X25519 key signed with the leaf's, see crypt.OpenSignedKey
}

// Append appends the encoding.
func (h *ServerHello) Append(b []byte) []byte {
	b = wire.AppendShort(h.Versions.Append(b), h.SessionID)
	if h.Versions.Max >= versionSessionKeys {
		b = wire.AppendLarge(wire.AppendLarges(b, h.Chain), h.SignedKey)
	}
	return b
}

// ParseServerHello reads a relay's hello; what follows the known fields is ignored.
// The error is TransportParse.
func ParseServerHello(b []byte) (*ServerHello, error) {
	r := wire.NewReader(b)
	h := &ServerHello{Versions: r.VersionRange(), SessionID: r.Short()}
	if h.Versions.Max >= versionSessionKeys {
		h.Chain, h.SignedKey = r.Larges(), r.Large()
	}
	if r.Err() != nil {
		return nil, TransportParse
	}
	return h, nil
}

// ClientHello is the content of a client's first block.
type ClientHello struct {
	Version uint16
	KeyHash wire.KeyHash
	Key     *crypt.X25519Public // the client's session key, from version 7
	Proxy   bool                // the client is a proxy, from version 14
	Service *ServiceHello       // from version 16
}

// ServiceHello is the part of a client's hello in which a service makes itself known.
type ServiceHello struct {
	Role      Role
	Chain     [][]byte
	SignedKey []byte // an Ed25519 key signed with the leaf's
}

// Role is what a service does.
type Role byte

// Roles of services.
const (
	RoleMessaging Role = 'M'
	RoleNotifier  Role = 'N'
	RoleProxy     Role = 'P'
)

// Append appends the encoding.
func (h *ClientHello) Append(b []byte) []byte {
	b = wire.AppendShort(wire.AppendUint16(b, h.Version), h.KeyHash[:])
	if h.Version >= versionSessionKeys && h.Key != nil {
		b = appendKey(b, *h.Key)
	}
	if h.Version >= versionProxyFlag {
		b = wire.AppendBool(b, h.Proxy)
	}
	if h.Version >= versionServices {
		b = wire.AppendMaybe(b, h.Service != nil)
		if s := h.Service; s != nil {
			b = wire.AppendLarge(wire.AppendLarges(append(b, byte(s.Role)), s.Chain), s.SignedKey)
		}
	}
	return b
}

// ParseClientHello reads a client's hello; what follows the known fields is ignored.
// The error is TransportParse.
func ParseClientHello(b []byte) (*ClientHello, error) {
	r := wire.NewReader(b)
	h := &ClientHello{Version: r.Uint16()}
	hash := r.Short()
	if r.Err() != nil || len(hash) != len(h.KeyHash) {
		return nil, TransportParse
	}
	h.KeyHash = wire.KeyHash(hash)
	if h.Version >= versionSessionKeys {
		h.Key = readHelloKey(r)
	}
	if h.Version >= versionProxyFlag {
		h.Proxy = r.Bool()
	}
	if h.Version >= versionServices && r.Maybe() {
		h.Service = &ServiceHello{Role: Role(r.Byte()), Chain: r.Larges(), SignedKey: r.Large()}
		switch h.Service.Role {
		case RoleMessaging, RoleNotifier, RoleProxy:
		default:
			r.Fail(wire.ErrSyntax)
		}
	}
	if r.Err() != nil {
		return nil, TransportParse
	}
	return h, nil
}

// readHelloKey reads the client's key, which has no mark of being there (gotchas.md 21).
func readHelloKey(r *wire.Reader) *crypt.X25519Public {
	before := *r
	key, err := crypt.ParseX25519(r.Short())
	if err != nil {
		*r = before
		return nil
	}
	return &key
}

// ServiceAnswer is the content of the third handshake block, which follows the hello of a
// service: its id, or an error.
type ServiceAnswer struct {
	ServiceID ID
	Err       TransportError // empty if there is none
}

// Append appends the encoding.
func (a *ServiceAnswer) Append(b []byte) []byte {
	if a.Err != "" {
		return append(append(b, 'E'), a.Err...)
	}
	return wire.AppendShort(append(b, 'R'), a.ServiceID)
}

// ParseServiceAnswer reads the third block; what follows a service id is ignored. The
// error is TransportParse.
func ParseServiceAnswer(b []byte) (*ServiceAnswer, error) {
	r, a := wire.NewReader(b), new(ServiceAnswer)
	switch r.Byte() {
	case 'R':
		a.ServiceID = readID(r)
	case 'E':
		a.Err = readTransportError(r)
	default:
		r.Fail(wire.ErrSyntax)
	}
	if r.Err() != nil {
		return nil, TransportParse
	}
	return a, nil
}
