package xftp

import (
	"github.com/sotto-chat/sotto/core/wire"
)

// ServerHello is the content of a relay's first block (xftp.md §2).
type ServerHello struct {
	Versions  wire.VersionRange
	SessionID []byte
	Chain     [][]byte // DER certificates, leaf first
	SignedKey []byte   // an X25519 key signed with the leaf's, see crypt.OpenSignedKey
	Proof     []byte   // the leaf's signature of the challenge in WebHello and the session id, or empty
}

// AppendBlock appends the block of BlockSize bytes. The error is wire.ErrPadded if the certificates
// are too long for it.
func (h *ServerHello) AppendBlock(b []byte) ([]byte, error) {
	c := wire.AppendShort(h.Versions.Append(nil), h.SessionID)
	c = wire.AppendShort(wire.AppendLarge(wire.AppendLarges(c, h.Chain), h.SignedKey), h.Proof)
	return wire.AppendPadded(b, c, BlockSize)
}

// ParseServerHello reads a relay's first block; what follows the known fields is ignored. The
// error is an *Error if the relay answered with one, and ErrBlock or ErrHandshake if the block
// can't be read.
func ParseServerHello(block []byte) (*ServerHello, error) {
	content, err := unpadBlock(block)
	if err != nil {
		return nil, err
	}
	if e, ok := parseError(content); ok {
		return nil, e
	}
	r := wire.NewReader(content)
	h := &ServerHello{Versions: r.VersionRange(), SessionID: r.Short(), Chain: r.Larges(), SignedKey: r.Large()}
	if r.Err() != nil {
		return nil, ErrHandshake
	}
	if r.Len() > 0 {
		h.Proof = r.Short() // it is optional: what can't be read is none
	}
	return h, nil
}

// ClientHello is the content of a client's block (xftp.md §2).
type ClientHello struct {
	Version uint16
	KeyHash wire.KeyHash
}

// AppendBlock appends the block of BlockSize bytes.
func (h *ClientHello) AppendBlock(b []byte) []byte {
	block, err := wire.AppendPadded(b, wire.AppendShort(wire.AppendUint16(nil, h.Version), h.KeyHash[:]), BlockSize)
	if err != nil {
		panic(err) // the size is known
	}
	return block
}

// ParseClientHello reads a client's block; what follows the known fields is ignored. The error is
// ErrHandshake.
func ParseClientHello(block []byte) (*ClientHello, error) {
	content, err := unpadBlock(block)
	if err != nil {
		return nil, ErrHandshake
	}
	r := wire.NewReader(content)
	h := &ClientHello{Version: r.Uint16()}
	hash := r.Short()
	if r.Err() != nil || len(hash) != len(h.KeyHash) {
		return nil, ErrHandshake
	}
	h.KeyHash = wire.KeyHash(hash)
	return h, nil
}

// WebHello is what a browser, which can't see the session id, sends first (xftp.md §2.1).
type WebHello struct {
	Challenge []byte // 32 bytes for the relay to sign, or nil
}

// ChallengeSize is the size of a browser's challenge.
const ChallengeSize = 32

// AppendBlock appends the block of BlockSize bytes.
func (h *WebHello) AppendBlock(b []byte) []byte {
	c := wire.AppendMaybe(nil, h.Challenge != nil)
	if h.Challenge != nil {
		c = wire.AppendShort(c, h.Challenge)
	}
	block, err := wire.AppendPadded(b, c, BlockSize)
	if err != nil {
		panic(err) // at most 257 bytes
	}
	return block
}

// ParseWebHello reads a browser's hello, which may be empty; what follows the known fields is
// ignored. The error is ErrHandshake.
func ParseWebHello(body []byte) (*WebHello, error) {
	h := new(WebHello)
	if len(body) == 0 {
		return h, nil
	}
	content, err := unpadBlock(body)
	if err != nil {
		return nil, ErrHandshake
	}
	r := wire.NewReader(content)
	if r.Maybe() {
		if h.Challenge = r.Short(); len(h.Challenge) != ChallengeSize {
			r.Fail(wire.ErrSyntax)
		}
	}
	if r.Err() != nil {
		return nil, ErrHandshake
	}
	return h, nil
}

// AppendHandshakeError appends the block of BlockSize bytes that answers a handshake with an error.
func AppendHandshakeError(b []byte, e *Error) []byte {
	block, err := wire.AppendPadded(b, e.append(nil, Versions.Max), BlockSize)
	if err != nil {
		panic(err) // a word
	}
	return block
}

// ParseHandshakeAnswer reads the answer to a ClientHello: nil if it is accepted, the relay's *Error
// if it answered with one, and ErrBlock if it can't be read.
func ParseHandshakeAnswer(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	content, err := unpadBlock(body)
	if err != nil {
		return err
	}
	if e, ok := parseError(content); ok {
		return e
	}
	return ErrBlock
}

func unpadBlock(block []byte) ([]byte, error) {
	if len(block) != BlockSize {
		return nil, ErrBlock
	}
	content, err := wire.Unpad(block)
	if err != nil {
		return nil, ErrBlock
	}
	return content, nil
}
