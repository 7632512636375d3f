package smp

import (
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Forwarded is what a proxy forwards to the relay: the parts of a Pfwd and the
// correlation id that it came with (smp-commands.md §9).
type Forwarded struct {
	CorrID []byte
	Pfwd
}

// SealForward makes the box of a Pfwd that holds one transmission, or of the PRes that
// answers it. secret is that of the client's key in the Pfwd and the relay's session key;
// the nonce is the correlation id, and its reverse for the answer.
func SealForward(secret *crypt.Secret, nonce crypt.Nonce, transmission []byte) ([]byte, error) {
	content := AppendBlock(make([]byte, 0, 3+len(transmission)), [][]byte{transmission})
	box, err := secret.Box(nonce, content, paddedForward)
	if err != nil {
		return nil, fmt.Errorf("forwarded transmission of %d bytes: %w", len(transmission), ErrLarge)
	}
	return box, nil
}

// OpenForward opens a box that SealForward made. The content is that of a block: SplitBlock
// reads it, and more than one transmission is ErrBlock. The error is ErrCrypto.
func OpenForward(secret *crypt.Secret, nonce crypt.Nonce, box []byte) ([]byte, error) {
	content, err := secret.Open(nonce, box)
	if err != nil {
		return nil, ErrCrypto
	}
	return content, nil
}

// SealRelayForward makes the box of an Rfwd. secret is that of the two session keys of the
// proxy's session with the relay, the nonce is the proxy's correlation id.
func SealRelayForward(secret *crypt.Secret, nonce crypt.Nonce, f *Forwarded) []byte {
	plain := wire.AppendShort(make([]byte, 0, 80+len(f.Box)), f.CorrID)
	plain = appendKey(wire.AppendUint16(plain, f.Version), f.Key)
	return secret.BoxNoPad(nonce, append(plain, f.Box...))
}

// OpenRelayForward opens the box of an Rfwd. The error is ErrCrypto or ErrSyntax.
func OpenRelayForward(secret *crypt.Secret, nonce crypt.Nonce, box []byte) (*Forwarded, error) {
	plain, err := secret.OpenNoPad(nonce, box)
	if err != nil {
		return nil, ErrCrypto
	}
	r := wire.NewReader(plain)
	f := &Forwarded{CorrID: r.Short(), Pfwd: Pfwd{r.Uint16(), readX25519(r), r.Tail()}}
	if r.Err() != nil {
		return nil, ErrSyntax
	}
	return f, nil
}

// SealRelayAnswer makes the box of an RRes: the correlation id of the Pfwd and the box of
// the PRes. The nonce is the reverse of the one of the Rfwd.
func SealRelayAnswer(secret *crypt.Secret, nonce crypt.Nonce, corrID, answer []byte) []byte {
	return secret.BoxNoPad(nonce, append(wire.AppendShort(nil, corrID), answer...))
}

// OpenRelayAnswer opens the box of an RRes.
func OpenRelayAnswer(secret *crypt.Secret, nonce crypt.Nonce, box []byte) (corrID, answer []byte, err error) {
	plain, err := secret.OpenNoPad(nonce, box)
	if err != nil {
		return nil, nil, ErrCrypto
	}
	r := wire.NewReader(plain)
	corrID, answer = r.Short(), r.Tail()
	if r.Err() != nil {
		return nil, nil, ErrBlock
	}
	return corrID, answer, nil
}
