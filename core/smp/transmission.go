package smp

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Params are what a handshake agreed on and all transmissions of the session depend on.
type Params struct {
	Version   uint16
	SessionID []byte // from TLS, usually 32 bytes
}

// A Transmission is a command or message with its credentials (smp-transport.md §7).
type Transmission struct {
	// Auth is empty, a signature of 64 or 114 bytes or an authenticator of 80.
	Auth []byte
	// ServiceSig is empty or the Ed25519 signature of a service, from version 16.
	ServiceSig []byte
	// CorrID is answered with; it is empty in events. Clients make 24 random bytes.
	CorrID []byte
	// Entity is the ID of what the command is about, or empty.
	Entity []byte
	// Body is the encoded command or message.
	Body []byte
}

// CorrIDSize is the size of the correlation ids that clients make.
const CorrIDSize = 24

func (t *Transmission) appendBody(b []byte) []byte {
	return append(wire.AppendShort(wire.AppendShort(b, t.CorrID), t.Entity), t.Body...)
}

// AppendSigned appends the bytes of t that its authorization covers.
func (p Params) AppendSigned(b []byte, t *Transmission) []byte {
	return t.appendBody(wire.AppendShort(b, p.SessionID))
}

// AppendTransmission appends the encoding of t. CorrID and Entity may have up to 255 bytes.
func (p Params) AppendTransmission(b []byte, t *Transmission) []byte {
	b = wire.AppendShort(b, t.Auth)
	if p.Version >= versionServices && len(t.Auth) > 0 {
		b = wire.AppendMaybe(b, len(t.ServiceSig) > 0)
		if len(t.ServiceSig) > 0 {
			b = wire.AppendShort(b, t.ServiceSig)
		}
	}
	if p.Version < versionSessionKeys {
		b = wire.AppendShort(b, p.SessionID)
	}
	return t.appendBody(b)
}

// ParseTransmission reads a transmission; its fields share memory with b. The error is
// ErrBlock or ErrSession, which a relay answers with the CorrID that is returned with it,
// which is empty if it can't be read, and an empty entity (smp-transport.md §8).
func (p Params) ParseTransmission(b []byte) (Transmission, error) {
	r := wire.NewReader(b)
	var t Transmission
	t.Auth = r.Short()
	if p.Version >= versionServices && len(t.Auth) > 0 && r.Maybe() {
		if t.ServiceSig = r.Short(); len(t.ServiceSig) != ed25519.SignatureSize {
			r.Fail(wire.ErrSyntax)
		}
	}
	var session []byte
	if p.Version < versionSessionKeys {
		session = r.Short()
	}
	t.CorrID, t.Entity = r.Short(), r.Short()
	t.Body = r.Tail()
	if r.Err() != nil {
		return Transmission{}, ErrBlock
	}
	switch len(t.Auth) {
	case 0, ed25519.SignatureSize, ed448.SignatureSize, crypt.AuthenticatorSize:
	default:
		return Transmission{CorrID: t.CorrID}, ErrBlock
	}
	if p.Version < versionSessionKeys && string(session) != string(p.SessionID) {
		return Transmission{CorrID: t.CorrID}, ErrSession
	}
	return t, nil
}

// AuthKey is a private key that authorizes commands: a *crypt.Ed25519Private or
// *crypt.Ed448Private signs, a *crypt.X25519Private makes a deniable authenticator.
type AuthKey interface{ Wipe() }

// ErrNoRelayKey tells that a relay of version 6 can't verify authenticators.
var ErrNoRelayKey = errors.New("smp: the relay has no session key for an authenticator; use a signing key")

// Authorize sets t.Auth. relayKey is the relay's key of this session, which only an
// X25519 key needs; its box takes CorrID as the nonce, so CorrID must never repeat.
func (t *Transmission) Authorize(p Params, key AuthKey, relayKey *crypt.X25519Public) error {
	signed := p.AppendSigned(make([]byte, 0, 96+len(t.Body)), t)
	auth, err := authorization(signed, t.CorrID, key, relayKey)
	if err != nil {
		return err
	}
	t.Auth = auth
	return nil
}

func authorization(signed, corrID []byte, key AuthKey, relayKey *crypt.X25519Public) ([]byte, error) {
	switch k := key.(type) {
	case *crypt.Ed25519Private:
		return k.Sign(signed), nil
	case *crypt.Ed448Private:
		return k.Sign(signed), nil
	case *crypt.X25519Private:
		if relayKey == nil {
			return nil, ErrNoRelayKey
		}
		return k.Authenticator(*relayKey, crypt.NonceOf(corrID), signed)
	}
	return nil, fmt.Errorf("smp: authorizing with %T: %w", key, crypt.ErrKey)
}

// dummyKeys take the place of a key that is missing or of another algorithm, so that a
// failure takes as long as a success (smp-transport.md §7.4). They secure nothing.
var dummyKeys = sync.OnceValue(func() (d struct {
	ed25519 crypt.Ed25519Public
	ed448   crypt.Ed448Public
	x25519  crypt.X25519Public
}) {
	d.ed25519 = (&crypt.Ed25519Private{1}).Public()
	d.ed448 = (&crypt.Ed448Private{1}).Public()
	d.x25519 = (&crypt.X25519Private{1}).Public()
	return d
})

// Verify tells whether t is authorized by one of keys. v may be nil, signed are the signed bytes of t and
// relayKey is the relay's private key of the session, nil if it has none. Without a key of
// the right algorithm it takes the time of a verification and returns false.
func (t *Transmission) Verify(v *crypt.Verifier, signed []byte, relayKey *crypt.X25519Private, keys ...crypt.AuthPublic) bool {
	verified, tried := false, false
	for _, k := range keys {
		if authSize(k) == len(t.Auth) {
			tried = true
			verified = t.verify(v, signed, relayKey, k) || verified
		}
	}
	if !tried {
		t.verifyDummy(signed, relayKey)
	}
	return verified
}

func (t *Transmission) verifyDummy(signed []byte, relayKey *crypt.X25519Private) {
	d := dummyKeys()
	for _, k := range [...]crypt.AuthPublic{d.ed25519, d.ed448, d.x25519} {
		if authSize(k) == len(t.Auth) {
			t.verify(nil, signed, relayKey, k) // a key that is not kept takes as long as any
		}
	}
}

func authSize(k crypt.AuthPublic) int {
	switch k.(type) {
	case crypt.Ed25519Public:
		return ed25519.SignatureSize
	case crypt.Ed448Public:
		return ed448.SignatureSize
	case crypt.X25519Public:
		return crypt.AuthenticatorSize
	}
	return -1
}

func (t *Transmission) verify(v *crypt.Verifier, signed []byte, relayKey *crypt.X25519Private, k crypt.AuthPublic) bool {
	if x, ok := k.(crypt.X25519Public); ok {
		return relayKey != nil && relayKey.VerifyAuthenticator(x, crypt.NonceOf(t.CorrID), signed, t.Auth)
	}
	return v.Verify(k, signed, t.Auth)
}
