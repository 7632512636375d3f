package ratchet

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/wire"
)

// KEMParams are the post-quantum part of parameters and of message headers.
type KEMParams struct {
	PublicKey  *sntrup761.PublicKey  // of the sender, for the other side to encapsulate to
	Ciphertext *sntrup761.Ciphertext // encapsulated to the key that the other side offered; nil if the sender only offers its own
}

// Params are one side's public parameters, as the joiner replies with and as both sides
// exchange when they synchronize again (E2EParams, ratchet.md §3).
type Params struct {
	Version    uint16
	Key1, Key2 crypt.X448Public
	KEM        *KEMParams // nil without post-quantum protection; written from version 3 on
}

// LinkParams are the public parameters of an initiator in a link (E2EParamsUri, ratchet.md §3).
type LinkParams struct {
	Versions   wire.VersionRange
	Key1, Key2 crypt.X448Public
	KEM        *sntrup761.PublicKey // nil without post-quantum protection
}

// Hash identifies the parameters by their two keys: whose hash is greater acts as the joiner
// when ratchets are synchronized again, and parameters with a hash that was seen before are
// a repetition (agent.md §14).
func (p *Params) Hash() [sha256.Size]byte {
	return sha256.Sum256(slices.Concat(p.Key1[:], p.Key2[:]))
}

// Append appends the binary form.
func (p *Params) Append(b []byte) []byte {
	b = appendKeys(wire.AppendUint16(b, p.Version), &p.Key1, &p.Key2)
	if p.Version >= kemVersion {
		b = appendKEM(b, p.KEM)
	}
	return b
}

// ReadParams reads the binary form. The version may be one that is not supported.
func ReadParams(r *wire.Reader) Params {
	p := Params{Version: r.Uint16(), Key1: readX448(r), Key2: readX448(r)}
	if p.Version >= kemVersion {
		p.KEM = readKEM(r)
	}
	if r.Err() != nil {
		return Params{}
	}
	return p
}

// Append appends the binary form, as in the data of short links.
func (p *LinkParams) Append(b []byte) []byte {
	b = appendKeys(p.Versions.Append(b), &p.Key1, &p.Key2)
	if p.KEM == nil {
		return appendKEM(b, nil)
	}
	return appendKEM(b, &KEMParams{PublicKey: p.KEM})
}

// ReadLinkParams reads the binary form. A link can't answer an offer: a ciphertext in it is an error.
func ReadLinkParams(r *wire.Reader) LinkParams {
	p := LinkParams{Versions: r.VersionRange(), Key1: readX448(r), Key2: readX448(r)}
	if kem := readKEM(r); kem != nil {
		if kem.Ciphertext != nil {
			r.Fail(ErrParams)
		}
		p.KEM = kem.PublicKey
	}
	if r.Err() != nil {
		return LinkParams{}
	}
	return p
}

// String returns the textual form, as in the e2e parameter of full links. Its values are
// not percent-encoded: the link does that to all of it (agent.md §5).
func (p *LinkParams) String() string {
	text := "v=" + p.Versions.String() + "&x3dh=" + wire.EncodeBase64(p.Key1.DER()) + "," + wire.EncodeBase64(p.Key2.DER())
	if p.KEM != nil && p.Versions.Max >= kemVersion {
		text += "&kem_key=" + wire.EncodeBase64(p.KEM[:])
	}
	return text
}

// ParseLinkParams reads the textual form. Parameters that it doesn't know are ignored.
func ParseLinkParams(text string) (LinkParams, error) {
	var p LinkParams
	values := map[string]string{}
	for param := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(param, "=")
		if _, repeated := values[name]; !repeated {
			values[name] = value
		}
	}
	versions, err := wire.ParseVersionRange(values["v"])
	if err != nil {
		return LinkParams{}, fmt.Errorf("%w: no range of versions", ErrParams)
	}
	p.Versions = versions
	text1, text2, _ := strings.Cut(values["x3dh"], ",")
	if p.Key1, err = parseX448(text1); err != nil {
		return LinkParams{}, err
	}
	if p.Key2, err = parseX448(text2); err != nil {
		return LinkParams{}, err
	}
	if versions.Max < kemVersion {
		return p, nil
	}
	if _, accepted := values["kem_ct"]; accepted {
		return LinkParams{}, fmt.Errorf("%w: a link can't accept a KEM key", ErrParams)
	}
	if key, ok := values["kem_key"]; ok {
		raw, err := wire.DecodeBase64(key)
		if err != nil || len(raw) != sntrup761.PublicKeySize {
			return LinkParams{}, fmt.Errorf("%w: not a KEM key", ErrParams)
		}
		p.KEM = (*sntrup761.PublicKey)(raw)
	}
	return p, nil
}

func parseX448(text string) (k crypt.X448Public, err error) {
	der, err := wire.DecodeBase64(text)
	if err == nil {
		k, err = crypt.ParseX448(der)
	}
	if err != nil {
		return k, fmt.Errorf("%w: not an X448 key", ErrParams)
	}
	return k, nil
}

func appendKeys(b []byte, key1, key2 *crypt.X448Public) []byte {
	return wire.AppendShort(wire.AppendShort(b, key1.DER()), key2.DER())
}

func readX448(r *wire.Reader) crypt.X448Public {
	der := r.Short()
	if r.Err() != nil {
		return crypt.X448Public{}
	}
	k, err := crypt.ParseX448(der)
	if err != nil {
		r.Fail(err)
	}
	return k
}

// Marks of KEM parameters (ratchet.md §3).
const (
	kemProposed = 'P'
	kemAccepted = 'A'
)

// appendKEM appends optional KEM parameters.
func appendKEM(b []byte, p *KEMParams) []byte {
	b = wire.AppendMaybe(b, p != nil)
	if p == nil {
		return b
	}
	if p.Ciphertext == nil {
		b = append(b, kemProposed)
	} else {
		b = wire.AppendLarge(append(b, kemAccepted), p.Ciphertext[:])
	}
	return wire.AppendLarge(b, p.PublicKey[:])
}

// readKEM reads optional KEM parameters. What it returns shares no memory with the input.
func readKEM(r *wire.Reader) *KEMParams {
	if !r.Maybe() {
		return nil
	}
	p := new(KEMParams)
	switch r.Byte() {
	case kemProposed:
	case kemAccepted:
		if b := r.Large(); len(b) == sntrup761.CiphertextSize {
			p.Ciphertext = new(sntrup761.Ciphertext(b))
		} else {
			r.Fail(ErrParams)
		}
	default:
		r.Fail(ErrParams)
	}
	if b := r.Large(); len(b) == sntrup761.PublicKeySize {
		p.PublicKey = new(sntrup761.PublicKey(b))
	} else {
		r.Fail(ErrParams)
	}
	if r.Err() != nil {
		return nil
	}
	return p
}
