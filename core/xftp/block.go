package xftp

import (
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Params are what a handshake agreed on and all transmissions of the session depend on. Without
// ALPN there is no handshake and the version is 1.
type Params struct {
	Version   uint16
	SessionID []byte // from TLS, usually 32 bytes
}

// framing are the parameters that frame a transmission the same way in the message protocol: with
// the session id, and without services (xftp.md §3).
func (p Params) framing() smp.Params {
	return smp.Params{Version: smp.Versions.Min, SessionID: p.SessionID}
}

// AppendSigned appends the bytes of t that its authorization covers, for t.Verify.
func (p Params) AppendSigned(b []byte, t *smp.Transmission) []byte {
	return p.framing().AppendSigned(b, t)
}

// Authorize sets t.Auth. relayKey is the relay's key of this session, which only an X25519 key
// needs; its box takes t.CorrID as the nonce, so that must never repeat.
func (p Params) Authorize(t *smp.Transmission, key smp.AuthKey, relayKey *crypt.X25519Public) error {
	return t.Authorize(p.framing(), key, relayKey)
}

// AppendBlock appends the block of BlockSize bytes that holds t. The error is wire.ErrPadded if t
// is too long for it.
func (p Params) AppendBlock(b []byte, t *smp.Transmission) ([]byte, error) {
	content := p.framing().AppendTransmission(make([]byte, 3, 512), t)
	if n := len(content) - 3; n > BlockSize {
		return b, fmt.Errorf("transmission of %d bytes: %w", n, wire.ErrPadded)
	}
	content[0] = 1
	wire.AppendUint16(content[:1], uint16(len(content)-3))
	return wire.AppendPadded(b, content, BlockSize)
}

// ParseBlock reads the transmission of a block; its fields share memory with it. The error is
// ErrBlock or ErrSession, which a relay answers with the CorrID that is returned with it and an
// empty entity.
func (p Params) ParseBlock(block []byte) (smp.Transmission, error) {
	if len(block) != BlockSize {
		return smp.Transmission{}, ErrBlock
	}
	content, err := wire.Unpad(block)
	if err != nil {
		return smp.Transmission{}, ErrBlock
	}
	list, err := smp.SplitBlock(nil, content)
	if err != nil || len(list) != 1 {
		return smp.Transmission{}, ErrBlock
	}
	t, err := p.framing().ParseTransmission(list[0])
	switch err {
	case nil:
		return t, nil
	case smp.ErrSession:
		return t, ErrSession
	}
	return t, ErrBlock
}
