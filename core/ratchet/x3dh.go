package ratchet

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/crypt/sntrup761"
	"github.com/sotto-chat/sotto/core/wire"
)

// PrivateParams are the private half of parameters that were published: the initiator keeps
// them until the joiner replies, and each side that starts to synchronize again until the
// other's parameters arrive.
type PrivateParams struct {
	key1, key2 crypt.X448Private
	kem        *kemPair // nil if no KEM key was offered
}

// NewPrivateParams makes new keys; offerKEM offers a KEM key, too. The order of what is read
// from rand is the first key, the second key and the KEM key.
func NewPrivateParams(rand io.Reader, offerKEM bool) (*PrivateParams, error) {
	p := new(PrivateParams)
	var err error
	if p.key1, err = crypt.NewX448(rand); err != nil {
		return nil, err
	}
	if p.key2, err = crypt.NewX448(rand); err != nil {
		return nil, err
	}
	if offerKEM {
		if p.kem, err = newKEMPair(rand); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newKEMPair(rand io.Reader) (*kemPair, error) {
	public, secret, err := sntrup761.GenerateKey(rand)
	if err != nil {
		return nil, err
	}
	return &kemPair{public, secret}, nil
}

// Link returns the public half for a link that announces the given versions.
func (p *PrivateParams) Link(versions wire.VersionRange) LinkParams {
	l := LinkParams{Versions: versions, Key1: p.key1.Public(), Key2: p.key2.Public()}
	if p.kem != nil {
		l.KEM = p.kem.public
	}
	return l
}

// Params returns the public half with one version, for synchronizing again.
func (p *PrivateParams) Params(version uint16) Params {
	params := Params{Version: version, Key1: p.key1.Public(), Key2: p.key2.Public()}
	if p.kem != nil && version >= kemVersion {
		params.KEM = &KEMParams{PublicKey: p.kem.public}
	}
	return params
}

// Wipe overwrites the keys.
func (p *PrivateParams) Wipe() {
	if p.kem != nil {
		p.kem.wipe()
	}
	*p = PrivateParams{}
}

// Join makes the ratchet of the side that opens a link and the parameters to reply with.
// With pq it accepts the KEM key of the link, or offers one if the link has none. The order of
// what is read from rand is the two keys, the KEM key, the encapsulation and the ratchet's key.
//
// versions are those that we speak. It returns ErrVersion if there is no common version.
func Join(rand io.Reader, versions wire.VersionRange, link LinkParams, pq bool) (*Ratchet, Params, error) {
	version, ok := versions.Agree(link.Versions)
	if !ok {
		return nil, Params{}, ErrVersion
	}
	own, err := NewPrivateParams(rand, pq && version >= kemVersion)
	if err != nil {
		return nil, Params{}, err
	}
	defer own.Wipe()
	reply := own.Params(version)
	var secret *kemSecret
	if reply.KEM != nil && link.KEM != nil {
		ct, shared, err := sntrup761.Encapsulate(rand, link.KEM)
		if err != nil {
			return nil, Params{}, err
		}
		defer clear(shared[:])
		reply.KEM.Ciphertext, secret = ct, &shared
	}
	r, err := newJoiner(rand, own, &reply, versions.Max, &link.Key1, &link.Key2, secret)
	if err != nil {
		return nil, Params{}, err
	}
	return r, reply, nil
}

// newJoiner makes the ratchet of the joiner, who can send at once (ratchet.md §5). params are
// the public half of own.
func newJoiner(rand io.Reader, own *PrivateParams, params *Params, maxVersion uint16, peer1, peer2 *crypt.X448Public, kem *kemSecret) (*Ratchet, error) {
	header, nextHeader, agreed, err := agree(
		pair{&own.key2, peer1}, pair{&own.key1, peer2}, pair{&own.key2, peer2}, kem)
	if err != nil {
		return nil, err
	}
	defer agreed.Wipe()
	r := &Ratchet{
		ad:       newAssociatedData(&params.Key1, peer1),
		current:  params.Version,
		max:      maxVersion,
		nextRecv: nextHeader,
	}
	if params.KEM != nil {
		secret := *own.kem.secret
		r.kem = &kemState{kemPair{own.kem.public, &secret}, params.KEM.Ciphertext}
		r.largeHeaders, r.enableKEM = true, true
		r.sendPQ = kem != nil
	}
	if r.private, err = crypt.NewX448(rand); err != nil {
		return nil, err
	}
	r.public = r.private.Public()
	dh, err := r.private.DH(*peer2)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrParams, err)
	}
	r.send = &chain{header: header}
	r.root, r.send.key, r.nextSend = rootKDF(&agreed, &dh, kem)
	return r, nil
}

// Initiate makes the ratchet of the side that published own, from the joiner's reply. pq is
// the connection's setting. The initiator can't send before it has received a message. When
// the ratchet is stored, own is to be deleted and wiped.
//
// It returns ErrVersion if the joiner chose a version that is not supported, ErrKEM if it
// accepted a KEM key that own doesn't have, and ErrParams if its keys can't be used.
func Initiate(own *PrivateParams, versions wire.VersionRange, reply Params, pq bool) (*Ratchet, error) {
	if !versions.Contains(reply.Version) {
		return nil, ErrVersion
	}
	var secret *kemSecret
	accepted := reply.KEM != nil && reply.KEM.Ciphertext != nil
	if accepted {
		if own.kem == nil {
			return nil, ErrKEM
		}
		shared := sntrup761.Decapsulate(own.kem.secret, reply.KEM.Ciphertext)
		defer clear(shared[:])
		secret = &shared
	}
	header, nextHeader, agreed, err := agree(
		pair{&own.key1, &reply.Key2}, pair{&own.key2, &reply.Key1}, pair{&own.key2, &reply.Key2}, secret)
	if err != nil {
		return nil, err
	}
	ownPublic := own.key1.Public()
	r := &Ratchet{
		ad:           newAssociatedData(&reply.Key1, &ownPublic),
		current:      reply.Version,
		max:          versions.Max,
		private:      own.key2,
		public:       own.key2.Public(),
		root:         agreed,
		nextSend:     nextHeader,
		nextRecv:     header,
		largeHeaders: pq,
		enableKEM:    pq,
	}
	// The joiner's KEM key comes again in the header of its first message, and is used then.
	// Our own is needed to read that header if the joiner has encapsulated to it.
	if accepted {
		secret := *own.kem.secret
		r.kem = &kemState{pair: kemPair{own.kem.public, &secret}}
	}
	return r, nil
}

// Resync makes a new ratchet from the parameters that both sides sent (ratchet.md §10).
// pq is the connection's setting. Which side acts as the joiner follows from the keys:
// CanSend tells it of the result, and the joiner has to send a message at once. The skipped keys
// of the old ratchet are of no more use.
//
// It returns ErrVersion if the peer's version is not supported, and ErrParams if its
// parameters answer an offer or its keys can't be used.
func Resync(rand io.Reader, own *PrivateParams, versions wire.VersionRange, peer Params, pq bool) (*Ratchet, error) {
	if !versions.Contains(peer.Version) {
		return nil, ErrVersion
	}
	if peer.KEM != nil && peer.KEM.Ciphertext != nil {
		return nil, fmt.Errorf("%w: nothing was offered that could be accepted", ErrParams)
	}
	params := own.Params(peer.Version)
	ownHash, peerHash := params.Hash(), peer.Hash()
	if bytes.Compare(ownHash[:], peerHash[:]) <= 0 {
		return Initiate(own, versions, peer, pq)
	}
	return newJoiner(rand, own, &params, versions.Max, &peer.Key1, &peer.Key2, nil)
}

type pair struct {
	private *crypt.X448Private
	public  *crypt.X448Public
}

// agree is X3DH (ratchet.md §4).
func agree(dh1, dh2, dh3 pair, kem *kemSecret) (header, nextHeader, root crypt.Secret, err error) {
	var secrets [3]crypt.X448Secret
	for i, p := range []pair{dh1, dh2, dh3} {
		if secrets[i], err = p.private.DH(*p.public); err != nil {
			return header, nextHeader, root, fmt.Errorf("%w: %w", ErrParams, err)
		}
	}
	header, nextHeader, root = agreementKDF(&secrets, kem)
	return header, nextHeader, root, nil
}

func newAssociatedData(joiner, initiator *crypt.X448Public) associatedData {
	return associatedData(slices.Concat(joiner[:], initiator[:]))
}
