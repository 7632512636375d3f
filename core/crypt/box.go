package crypt

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	//lint:ignore SA1019 the network's symmetric boxes need the bare HSalsa20 step (encoding.md §5)
	"golang.org/x/crypto/salsa20/salsa"

	"github.com/sotto-chat/sotto/core/wire"
)

// BoxOverhead is the size of a box's Poly1305 tag, which stands before the ciphertext.
const BoxOverhead = 16

// AuthenticatorSize is the size of a deniable authenticator (smp-transport.md §7.2).
const AuthenticatorSize = BoxOverhead + sha512.Size

// ErrBox tells that a box was not made with this key and nonce, or was changed on its way.
var ErrBox = errors.New("crypt: box does not open")

// Nonce is the nonce of a box.
type Nonce [24]byte

// NewNonce makes a nonce from 24 bytes of rand.
func NewNonce(rand io.Reader) (n Nonce, err error) {
	err = read(rand, n[:])
	return n, err
}

// NonceOf makes a nonce of b, cut to 24 bytes or filled up with zeros (encoding.md §5).
func NonceOf(b []byte) (n Nonce) {
	copy(n[:], b)
	return n
}

// Reverse returns the nonce with its bytes in reverse order, as answers of a proxied command have.
func (n Nonce) Reverse() Nonce {
	slices.Reverse(n[:])
	return n
}

// BoxKey is a secret prepared for several boxes: both the network's crypto_box and its
// secret_box derive it the same way (encoding.md §5).
type BoxKey [32]byte

// BoxKey prepares the secret.
func (s *Secret) BoxKey() (k BoxKey) {
	var zero [16]byte
	salsa.HSalsa20((*[32]byte)(&k), &zero, (*[32]byte)(s), &salsa.Sigma)
	return k
}

// Wipe overwrites the key.
func (k *BoxKey) Wipe() { clear(k[:]) }

// Append appends a box of msg without padding to dst; it is BoxOverhead bytes longer than msg,
// which doesn't overlap what is appended.
func (k *BoxKey) Append(dst []byte, nonce Nonce, msg []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, BoxOverhead+len(msg))[:n+BoxOverhead]
	dst = append(dst, msg...)
	k.SealInPlace(nonce, dst[n:])
	return dst
}

// AppendOpened appends the unpadded content of a box to dst.
func (k *BoxKey) AppendOpened(dst []byte, nonce Nonce, box []byte) ([]byte, error) {
	var s boxStream
	s.init(k, nonce)
	defer s.wipe()
	if !s.verify(box) {
		return nil, ErrBox
	}
	n := len(dst)
	dst = append(dst, box[BoxOverhead:]...)
	s.xor(dst[n:])
	return dst, nil
}

// Box encrypts msg padded to padded bytes; the box is BoxOverhead bytes longer.
func (s *Secret) Box(nonce Nonce, msg []byte, padded int) ([]byte, error) {
	plain, err := wire.AppendPadded(make([]byte, 0, padded), msg, padded)
	if err != nil {
		return nil, err
	}
	return s.BoxNoPad(nonce, plain), nil
}

// Open decrypts a box and removes the padding.
func (s *Secret) Open(nonce Nonce, box []byte) ([]byte, error) {
	plain, err := s.OpenNoPad(nonce, box)
	if err != nil {
		return nil, err
	}
	return wire.Unpad(plain)
}

// BoxNoPad encrypts msg as it is.
func (s *Secret) BoxNoPad(nonce Nonce, msg []byte) []byte {
	k := s.BoxKey()
	defer k.Wipe()
	return k.Append(make([]byte, 0, len(msg)+BoxOverhead), nonce, msg)
}

// OpenNoPad decrypts a box whose content is not padded.
func (s *Secret) OpenNoPad(nonce Nonce, box []byte) ([]byte, error) {
	k := s.BoxKey()
	defer k.Wipe()
	return k.AppendOpened(nil, nonce, box)
}

// Authenticator makes the deniable authorization of signed, the bytes that a signature
// would cover: a box of their hash for the relay's session key (smp-transport.md §7.2).
func (k *X25519Private) Authenticator(peer X25519Public, nonce Nonce, signed []byte) ([]byte, error) {
	s, err := k.DH(peer)
	if err != nil {
		return nil, err
	}
	defer s.Wipe()
	sum := sha512.Sum512(signed)
	return s.BoxNoPad(nonce, sum[:]), nil
}

// VerifyAuthenticator checks an authenticator with the relay's session key.
func (k *X25519Private) VerifyAuthenticator(peer X25519Public, nonce Nonce, signed, authenticator []byte) bool {
	s, err := k.DH(peer)
	if err != nil || len(authenticator) != AuthenticatorSize {
		return false
	}
	defer s.Wipe()
	got, err := s.OpenNoPad(nonce, authenticator)
	if err != nil {
		return false
	}
	sum := sha512.Sum512(signed)
	return subtle.ConstantTimeCompare(got, sum[:]) == 1
}

// BlockSize is the size of a block on the wire, in both directions (smp-transport.md §6).
const BlockSize = 16384

// MaxBlockContent is the longest content of a block with block encryption.
const MaxBlockContent = BlockSize - BoxOverhead - 2

// BlockChain is the chain key of block encryption in one direction. It advances once a
// block, also when a block does not open, so blocks must pass through it in order.
type BlockChain struct{ ck Secret }

// NewBlockChains derives both chains of a session from its id and the secret of its two
// session keys.
func NewBlockChains(sessionID []byte, secret *Secret) (serverToClient, clientToServer *BlockChain) {
	keys := HKDF(sessionID, secret[:], "SimpleXSbChainInit", 64)
	defer clear(keys)
	return &BlockChain{Secret(keys[:32])}, &BlockChain{Secret(keys[32:])}
}

// next derives the key and the nonce of a block: HKDF(nil, ck, info, 88) is the next
// chain key, a key and a nonce (smp-transport.md §6).
func (c *BlockChain) next() (key Secret, nonce Nonce) {
	const info = "SimpleXSbChain"
	var zero, mac [sha512.Size]byte
	var message [sha512.Size + len(info) + 1]byte
	defer clear(message[:])
	defer clear(mac[:])
	prk := hmacSHA512(&zero, c.ck[:])
	defer clear(prk[:])

	first := message[sha512.Size:]
	copy(first, info)
	first[len(info)] = 1
	mac = hmacSHA512(&prk, first)
	copy(c.ck[:], mac[:32])
	copy(key[:], mac[32:])

	copy(message[:], mac[:])
	first[len(info)] = 2
	mac = hmacSHA512(&prk, message[:])
	copy(nonce[:], mac[:])
	return key, nonce
}

// hmacSHA512 is HMAC-SHA512 of up to 128 bytes. Unlike crypto/hmac it needs no memory,
// which is most of what a key for a block costs there.
func hmacSHA512(key *[sha512.Size]byte, message []byte) [sha512.Size]byte {
	const block = sha512.BlockSize
	var inner [2 * block]byte
	var outer [block + sha512.Size]byte
	defer clear(inner[:])
	defer clear(outer[:])
	for i := range block {
		var k byte
		if i < len(key) {
			k = key[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	n := block + copy(inner[block:], message)
	sum := sha512.Sum512(inner[:n])
	copy(outer[block:], sum[:])
	return sha512.Sum512(outer[:])
}

// Seal appends to dst the block of BlockSize bytes that holds content, which has at most
// MaxBlockContent bytes and does not overlap what is appended.
func (c *BlockChain) Seal(dst, content []byte) ([]byte, error) {
	if len(content) > MaxBlockContent {
		return nil, fmt.Errorf("block of %d bytes: %w", len(content), wire.ErrPadded)
	}
	key, nonce := c.next()
	defer key.Wipe()
	n := len(dst)
	dst = slices.Grow(dst, BlockSize)[:n+BlockSize]
	block := dst[n:]
	padded := block[BoxOverhead:]
	binary.BigEndian.PutUint16(padded, uint16(len(content)))
	end := 2 + copy(padded[2:], content)
	copy(padded[end:], blockFiller[:])
	k := key.BoxKey()
	defer k.Wipe()
	k.SealInPlace(nonce, block)
	return dst, nil
}

// blockFiller is what follows the content of a block (encoding.md §2).
var blockFiller = func() (b [BlockSize]byte) {
	for i := range b {
		b[i] = '#'
	}
	return b
}()

// Open returns the content of a block in memory of its own.
func (c *BlockChain) Open(block []byte) ([]byte, error) {
	if len(block) != BlockSize {
		return c.OpenInPlace(block) // the chain advances all the same
	}
	return c.OpenInPlace(slices.Clone(block))
}

// OpenInPlace returns the content of a block in the block's own memory, which it overwrites.
// The block is as it was if it does not open.
func (c *BlockChain) OpenInPlace(block []byte) ([]byte, error) {
	key, nonce := c.next()
	defer key.Wipe()
	if len(block) != BlockSize {
		return nil, ErrBox
	}
	k := key.BoxKey()
	defer k.Wipe()
	if !k.openInPlace(nonce, block) {
		return nil, ErrBox
	}
	return wire.Unpad(block[BoxOverhead:])
}

// SealInPlace makes a box of b[BoxOverhead:], which has room for the tag before it.
func (k *BoxKey) SealInPlace(nonce Nonce, b []byte) {
	var s boxStream
	s.init(k, nonce)
	defer s.wipe()
	s.xor(b[BoxOverhead:])
	tag := polySum(b[BoxOverhead:], &s.macKey)
	copy(b, tag[:])
}

// openInPlace turns the box b into the tag and what it holds.
func (k *BoxKey) openInPlace(nonce Nonce, b []byte) bool {
	var s boxStream
	s.init(k, nonce)
	defer s.wipe()
	if !s.verify(b) {
		return false
	}
	s.xor(b[BoxOverhead:])
	return true
}

// A boxStream is the key stream of a box: its first 32 bytes are the key of the tag.
type boxStream struct {
	key, macKey, head [32]byte // head is for the first bytes of the message
	counter           [16]byte
}

func (s *boxStream) init(k *BoxKey, nonce Nonce) {
	salsa.HSalsa20(&s.key, (*[16]byte)(nonce[:16]), (*[32]byte)(k), &salsa.Sigma)
	copy(s.counter[:8], nonce[16:])
	var first [64]byte
	salsa.XORKeyStream(first[:], first[:], &s.counter, &s.key)
	copy(s.macKey[:], first[:32])
	copy(s.head[:], first[32:])
	clear(first[:])
	s.counter[8] = 1
}

// verify tells whether box was made with this key stream.
func (s *boxStream) verify(box []byte) bool {
	if len(box) < BoxOverhead {
		return false
	}
	tag := polySum(box[BoxOverhead:], &s.macKey)
	return subtle.ConstantTimeCompare(tag[:], box[:BoxOverhead]) == 1
}

func (s *boxStream) xor(b []byte) {
	n := subtle.XORBytes(b, b[:min(len(b), len(s.head))], s.head[:])
	xorSalsa(b[n:], &s.counter, &s.key)
}

func (s *boxStream) wipe() { *s = boxStream{} }

// Wipe overwrites the chain key.
func (c *BlockChain) Wipe() { c.ck.Wipe() }
