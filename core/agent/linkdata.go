package agent

import (
	"crypto/sha3"
	"fmt"
	"io"
	"strings"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Padded lengths of the two parts of a short link's data (agent.md §6), and how much an
// application can put into them, in bytes.
const (
	paddedFixed = 2008
	paddedUser  = 13784

	// MaxLinkData is the longest application's data of an address without owners and relays.
	MaxLinkData = 13700
)

// LinkData is what a relay keeps for a short link, opened.
type LinkData struct {
	Link Link                // what a full link would say
	Root crypt.Ed25519Public // signs what the owner changes
	User []byte              // of the application
}

// fixedPart is the part that never changes, and of which the link has the hash.
func fixedPart(root crypt.Ed25519Public, l Link) []byte {
	b := wire.AppendShort(agentVersions.Append(nil), root.DER())
	return l.append(b)
}

// userPart is the part that the owner can replace (agent.md §6, Link data).
func userPart(kind LinkKind, data []byte) ([]byte, error) {
	letter := byte('C')
	if kind == LinkInvitation {
		letter = 'I'
	}
	b := agentVersions.Append([]byte{letter})
	if kind != LinkInvitation {
		b = append(wire.AppendBool(b, true), 0, 0) // direct; neither owners nor relays
	}
	switch {
	case len(data) > MaxLinkData:
		return nil, fmt.Errorf("%w: link data of %d bytes, of at most %d", ErrTooLarge, len(data), MaxLinkData)
	case len(data) > 254:
		return wire.AppendLarge(append(b, 0xff), data), nil
	}
	return wire.AppendShort(b, data), nil
}

// linkKey is what a short link carries: the hash of the fixed part.
func linkKey(fixed []byte) []byte {
	sum := sha3.Sum256(fixed)
	return sum[:]
}

// linkSecret derives the key of the data, and the id of a contact link, from the link's key.
func linkSecret(kind LinkKind, key []byte) (id smp.ID, secret crypt.Secret) {
	if kind == LinkInvitation {
		return "", crypt.Secret(crypt.HKDF(nil, key, "SimpleXInvLink", 32))
	}
	out := crypt.HKDF(nil, key, "SimpleXContactLink", 56)
	return smp.ID(out[:24]), crypt.Secret(out[24:])
}

// sealLinkPart signs a part and encrypts it.
func sealLinkPart(rand io.Reader, secret *crypt.Secret, root *crypt.Ed25519Private, part []byte, padded int) ([]byte, error) {
	nonce, err := crypt.NewNonce(rand)
	if err != nil {
		return nil, err
	}
	signed := append(wire.AppendShort(nil, root.Sign(part)), part...)
	box, err := secret.Box(nonce, signed, padded)
	if err != nil {
		return nil, fmt.Errorf("link data of %d bytes: %w", len(part), err)
	}
	return append(nonce[:], box...), nil
}

func openLinkPart(secret *crypt.Secret, blob []byte) (sig, part []byte, err error) {
	r := wire.NewReader(blob)
	nonce := crypt.NonceOf(r.Bytes(24))
	signed, err := secret.Open(nonce, r.Tail())
	if err != nil {
		return nil, nil, err
	}
	r = wire.NewReader(signed)
	sig, part = r.Short(), r.Tail()
	return sig, part, r.End()
}

// errLinkData tells that what a relay has for a short link is not what its maker put there.
var errLinkData = fmt.Errorf("%w: what the relay keeps for it does not belong to it", ErrLink)

// lastVersion is far beyond the versions that there may be one day: more is read in damaged data.
const lastVersion = 255

// badLinkData returns the error for data that can't be read: a maker of a later version may have put it
// there in a layout that did not exist yet.
func badLinkData(maker wire.VersionRange) error {
	if maker.Max > agentVersions.Max && maker.Max <= lastVersion {
		return fmt.Errorf("%w: its data is of a newer version", ErrLinkVersion)
	}
	return errLinkData
}

// openLinkData opens and checks the data of a short link, in the order of agent.md §6. sender is the
// one that the relay named. The error is ErrLink or ErrLinkVersion.
func openLinkData(l *ShortLink, sender smp.ID, data smp.LinkData) (*LinkData, error) {
	_, secret := linkSecret(l.Kind, l.Key)
	defer secret.Wipe()
	fixedSig, fixed, err := openLinkPart(&secret, data.Fixed)
	if err != nil || !crypt.Equal(linkKey(fixed), l.Key) {
		return nil, errLinkData
	}
	d := new(LinkData)
	r := wire.NewReader(fixed)
	maker := r.VersionRange()
	root, err := parseEd25519(r)
	if err != nil {
		return nil, badLinkData(maker)
	}
	d.Root = root
	d.Link = readLink(r) // anything after it is of later versions
	if r.Err() != nil || !crypt.Verify(d.Root, fixed, fixedSig) {
		return nil, badLinkData(maker)
	}
	userSig, user, err := openLinkPart(&secret, data.User)
	if err != nil {
		return nil, errLinkData
	}
	if d.User, err = readUserPart(user, userSig, d.Root, l.Kind); err != nil {
		return nil, err
	}
	q := &d.Link.Queues[0]
	if (d.Link.Kind == LinkInvitation) != (l.Kind == LinkInvitation) || q.SenderID != sender || !hasHost(q.Server, l.Server.Hosts[0]) {
		return nil, errLinkData
	}
	q.Server = l.Server
	return d, nil
}

func hasHost(s wire.Server, host string) bool {
	for _, h := range s.Hosts {
		if h == host {
			return true
		}
	}
	return false
}

func parseEd25519(r *wire.Reader) (crypt.Ed25519Public, error) {
	der := r.Short()
	if err := r.Err(); err != nil {
		return crypt.Ed25519Public{}, err
	}
	return crypt.ParseEd25519(der)
}

// maxOwners bounds the owners of a link that are looked at.
const maxOwners = 64

// readUserPart verifies the part that the owner can replace and returns the application's data.
func readUserPart(part, sig []byte, root crypt.Ed25519Public, kind LinkKind) ([]byte, error) {
	r := wire.NewReader(part)
	letter := r.Byte()
	maker := r.VersionRange()
	signers := []crypt.Ed25519Public{root}
	switch {
	case letter == 'I' && kind == LinkInvitation:
	case letter == 'C' && kind != LinkInvitation:
		r.Bool() // direct
		n := r.List()
		if n > maxOwners {
			r.Fail(wire.ErrSyntax)
		}
		for ; n > 0 && r.Err() == nil; n-- {
			o := wire.NewReader(r.Short())
			id := o.Short()
			key, err := parseEd25519(o)
			ownerSig := o.Short()
			// Anything after the signature is of later versions.
			if err != nil || o.Err() != nil || !verifyAny(signers, append(append([]byte(nil), id...), key.DER()...), ownerSig) {
				return nil, badLinkData(maker)
			}
			signers = append(signers, key)
		}
		for n := r.List(); n > 0 && r.Err() == nil; n-- {
			skipShortLink(r)
		}
	default:
		return nil, badLinkData(maker)
	}
	var data []byte
	if r.Peek() == 0xff && r.Len() > 0 {
		r.Byte()
		data = r.Large()
	} else {
		data = r.Short()
	}
	if r.Err() != nil || !verifyAny(signers, part, sig) {
		return nil, badLinkData(maker)
	}
	return data, nil
}

func verifyAny(keys []crypt.Ed25519Public, msg, sig []byte) bool {
	for _, k := range keys {
		if crypt.Verify(k, msg, sig) {
			return true
		}
	}
	return false
}

// skipShortLink reads past the binary form of a short link (agent.md §6).
func skipShortLink(r *wire.Reader) {
	switch r.Byte() {
	case 'I':
		r.Server(wire.SMP)
		r.Short()
	case 'C':
		r.Byte()
		r.Server(wire.SMP)
	default:
		r.Fail(wire.ErrSyntax)
	}
	r.Short()
}

// readLink reads the binary form of a connection request (agent.md §5).
func readLink(r *wire.Reader) (l Link) {
	switch r.Byte() {
	case 'I':
		l.Kind = LinkInvitation
	case 'C':
		l.Kind = LinkContact
	default:
		r.Fail(wire.ErrSyntax)
	}
	l.Versions = r.VersionRange()
	for n := r.NonEmpty(); n > 0 && r.Err() == nil; n-- {
		q := readQueueURI(r)
		if q.Mode == smp.ModeUnknown {
			q.Mode = smp.ModeContact // the binary form has no other way to say it
		}
		l.Queues = append(l.Queues, q)
	}
	if r.Maybe() {
		l.Data = string(r.Large())
	}
	if l.Kind == LinkInvitation {
		l.E2E = ratchet.ReadLinkParams(r)
	}
	return l
}

// String is the textual form: with the scheme of the web, which people's programs make
// clickable, and the relay's first host (agent.md §6).
func (l ShortLink) String() string {
	letter := map[LinkKind]string{LinkInvitation: "i", LinkContact: "a", LinkGroup: "g", LinkChannel: "c", LinkRelay: "r"}[l.Kind]
	fragment := rawBase64(l.Key)
	if l.Kind == LinkInvitation {
		fragment = rawBase64(l.ID) + "/" + fragment
	}
	var params []string
	add := func(name, value string) {
		if value != "" {
			params = append(params, name+"="+escape(value))
		}
	}
	if !l.Preset {
		add("h", strings.Join(l.Server.Hosts[1:], ","))
		add("p", l.Server.Port)
		add("c", rawBase64(l.Server.KeyHash[:]))
	}
	s := "https://" + l.Server.Hosts[0] + "/" + letter + "#" + fragment
	if len(params) > 0 {
		s += "?" + strings.Join(params, "&")
	}
	return s
}

func rawBase64(b []byte) string { return strings.TrimRight(wire.EncodeBase64(b), "=") }
