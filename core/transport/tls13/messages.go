package tls13

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Handshake message types (RFC 8446 §4).
const (
	typeClientHello         = 1
	typeServerHello         = 2
	typeNewSessionTicket    = 4
	typeEncryptedExtensions = 8
	typeCertificate         = 11
	typeCertificateRequest  = 13
	typeCertificateVerify   = 15
	typeFinished            = 20
	typeKeyUpdate           = 24
	typeMessageHash         = 254
)

// Extension types.
const (
	extSupportedGroups      = 10
	extECPointFormats       = 11
	extSignatureAlgorithms  = 13
	extALPN                 = 16
	extExtendedMasterSecret = 23
	extSupportedVersions    = 43
	extCookie               = 44
	extPSKKeyExchangeModes  = 45
	extPostHandshakeAuth    = 49
	extKeyShare             = 51
)

const (
	version12 = 0x0303
	version13 = 0x0304

	suiteChaCha20Poly1305 = 0x1303 // TLS_CHACHA20_POLY1305_SHA256
	suiteTLS12            = 0xcca9 // TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, only offered

	groupX25519 = 0x001d
	groupX448   = 0x001e

	schemeEd25519 = 0x0807
	schemeEd448   = 0x0808
)

// messageHeader is the size of a handshake message's type and length.
const messageHeader = 4

// maxMessage bounds a handshake message. A chain has to fit into a block of 16384 bytes in the
// handshake that follows (smp-transport.md §4); the rest is for servers that name many authorities
// in their CertificateRequest.
const maxMessage = 32768

// retryRandom marks a ServerHello as a HelloRetryRequest (RFC 8446 §4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

func marshalMessage(typ uint8, body func(b *cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	b.AddUint8(typ)
	b.AddUint24LengthPrefixed(body)
	return b.BytesOrPanic()
}

// clientHello has what differs between the client's hellos.
type clientHello struct {
	random    [32]byte
	sessionID [32]byte
	alpn      string
	group     uint16 // of share
	share     []byte
	cookie    []byte // from a HelloRetryRequest
}

// marshal writes the hello as the reference client does: the same offer in the same order.
func (h *clientHello) marshal() []byte {
	return marshalMessage(typeClientHello, func(b *cryptobyte.Builder) {
		b.AddUint16(version12)
		b.AddBytes(h.random[:])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.sessionID[:]) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(suiteChaCha20Poly1305)
			b.AddUint16(suiteTLS12)
		})
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no compression
		b.AddUint16LengthPrefixed(h.marshalExtensions)
	})
}

func (h *clientHello) marshalExtensions(b *cryptobyte.Builder) {
	extension := func(typ uint16, body func(b *cryptobyte.Builder)) {
		b.AddUint16(typ)
		b.AddUint16LengthPrefixed(body)
	}
	if h.alpn != "" {
		extension(extALPN, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(h.alpn)) })
			})
		})
	}
	extension(extExtendedMasterSecret, func(b *cryptobyte.Builder) {})
	extension(extSupportedGroups, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(groupX448)
			b.AddUint16(groupX25519)
		})
	})
	extension(extECPointFormats, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // uncompressed
	})
	extension(extSignatureAlgorithms, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(schemeEd448)
			b.AddUint16(schemeEd25519)
		})
	})
	extension(extSupportedVersions, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(version13)
			b.AddUint16(version12)
		})
	})
	extension(extKeyShare, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(h.group)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.share) })
		})
	})
	if h.cookie != nil {
		extension(extCookie, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.cookie) })
		})
	}
	extension(extPostHandshakeAuth, func(b *cryptobyte.Builder) {})
	extension(extPSKKeyExchangeModes, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(1) }) // psk_dhe_ke
	})
}

// readExtensions reads a list of extensions to the end of s.
func readExtensions(s *cryptobyte.String, message string) (map[uint16]cryptobyte.String, error) {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() {
		return nil, malformed(message)
	}
	extensions := make(map[uint16]cryptobyte.String)
	for !list.Empty() {
		var typ uint16
		var body cryptobyte.String
		if !list.ReadUint16(&typ) || !list.ReadUint16LengthPrefixed(&body) {
			return nil, malformed(message)
		}
		if _, twice := extensions[typ]; twice {
			return nil, illegalParameter("extension twice in " + message)
		}
		extensions[typ] = body
	}
	return extensions, nil
}

// allow checks that there are no extensions but the allowed ones.
func allow(extensions map[uint16]cryptobyte.String, message string, allowed ...uint16) error {
	for typ := range extensions {
		if !slices.Contains(allowed, typ) {
			return &ProtocolError{alertUnsupportedExtension, "extension in " + message + " that was not asked for"}
		}
	}
	return nil
}

// serverHello is a ServerHello or a HelloRetryRequest of TLS 1.3.
type serverHello struct {
	retry     bool
	sessionID []byte
	suite     uint16
	group     uint16 // 0 if there is no key_share
	share     []byte // nil in a HelloRetryRequest
	cookie    []byte // only in a HelloRetryRequest
}

// parseServerHello reads the body of a ServerHello. The error is a *VersionError if it is not one
// of TLS 1.3.
func parseServerHello(body []byte) (*serverHello, error) {
	const message = "ServerHello"
	s := cryptobyte.String(body)
	var h serverHello
	var version uint16
	var random []byte
	var sessionID cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&sessionID) ||
		!s.ReadUint16(&h.suite) || !s.ReadUint8(&compression) {
		return nil, malformed(message)
	}
	var extensions map[uint16]cryptobyte.String
	if !s.Empty() { // before TLS 1.3 the extensions may be missing
		var err error
		if extensions, err = readExtensions(&s, message); err != nil {
			return nil, err
		}
	}
	versions, ok := extensions[extSupportedVersions]
	if !ok {
		sentinel := random[24:]
		return nil, &VersionError{version, bytes.Equal(sentinel, []byte("DOWNGRD\x01")) || bytes.Equal(sentinel, []byte("DOWNGRD\x00"))}
	}
	var selected uint16
	if !versions.ReadUint16(&selected) || !versions.Empty() {
		return nil, malformed(message)
	}
	if version != version12 || selected != version13 || compression != 0 {
		return nil, illegalParameter("version or compression that was not offered")
	}
	h.sessionID = sessionID
	h.retry = bytes.Equal(random, retryRandom[:])
	keyShare, ok := extensions[extKeyShare]
	if ok {
		share := cryptobyte.String{}
		if !keyShare.ReadUint16(&h.group) || !h.retry && !keyShare.ReadUint16LengthPrefixed(&share) || !keyShare.Empty() {
			return nil, malformed(message)
		}
		h.share = share
	}
	if !h.retry {
		return &h, allow(extensions, message, extSupportedVersions, extKeyShare)
	}
	if cookie, ok := extensions[extCookie]; ok {
		var value cryptobyte.String
		if !cookie.ReadUint16LengthPrefixed(&value) || value.Empty() || !cookie.Empty() {
			return nil, malformed(message)
		}
		h.cookie = value
	}
	return &h, allow(extensions, message, extSupportedVersions, extKeyShare, extCookie)
}

// parseEncryptedExtensions returns the protocol that the server chose, empty if it chose none.
func parseEncryptedExtensions(body []byte, offered string) (alpn string, err error) {
	const message = "EncryptedExtensions"
	s := cryptobyte.String(body)
	extensions, err := readExtensions(&s, message)
	if err != nil {
		return "", err
	}
	value, ok := extensions[extALPN]
	if ok && offered != "" {
		var list, name cryptobyte.String
		if !value.ReadUint16LengthPrefixed(&list) || !value.Empty() ||
			!list.ReadUint8LengthPrefixed(&name) || !list.Empty() {
			return "", malformed(message)
		}
		if string(name) != offered {
			return "", illegalParameter("server chose a protocol that was not offered")
		}
		delete(extensions, extALPN)
		alpn = offered
	}
	return alpn, allow(extensions, message, extSupportedGroups)
}

// parseCertificateRequest returns the request's context, which is empty during the handshake.
func parseCertificateRequest(body []byte) (context []byte, err error) {
	const message = "CertificateRequest"
	s := cryptobyte.String(body)
	var value cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&value) {
		return nil, malformed(message)
	}
	extensions, err := readExtensions(&s, message)
	if err != nil {
		return nil, err
	}
	if _, ok := extensions[extSignatureAlgorithms]; !ok {
		return nil, &ProtocolError{alertMissingExtension, "CertificateRequest without signature algorithms"}
	}
	return bytes.Clone(value), nil
}

// parseCertificate returns the certificates of the server, leaf first. More than maxChain of them
// are not read.
func parseCertificate(body []byte) (chain [][]byte, err error) {
	const message = "Certificate"
	s := cryptobyte.String(body)
	var context, list cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&context) || !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, malformed(message)
	}
	if !context.Empty() {
		return nil, illegalParameter("server certificate for a request that was not made")
	}
	for !list.Empty() {
		var der, rest cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || der.Empty() || !list.ReadUint16LengthPrefixed(&rest) {
			return nil, malformed(message)
		}
		if !rest.Empty() {
			return nil, &ProtocolError{alertUnsupportedExtension, "extension of a certificate that was not asked for"}
		}
		if len(chain) == maxChain {
			return nil, &CertificateError{len(chain), "is one too many", alertCertificateUnknown}
		}
		chain = append(chain, bytes.Clone(der))
	}
	if len(chain) == 0 {
		return nil, malformed("Certificate: it is empty")
	}
	return chain, nil
}

// parseCertificateVerify returns the signature and its scheme.
func parseCertificateVerify(body []byte) (scheme uint16, signature []byte, err error) {
	s := cryptobyte.String(body)
	var value cryptobyte.String
	if !s.ReadUint16(&scheme) || !s.ReadUint16LengthPrefixed(&value) || !s.Empty() {
		return 0, nil, malformed("CertificateVerify")
	}
	return scheme, value, nil
}

// emptyCertificate is the answer of a client without a certificate.
func emptyCertificate(context []byte) []byte {
	return marshalMessage(typeCertificate, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
		b.AddUint24(0)
	})
}

func marshalFinished(verifyData []byte) []byte {
	return marshalMessage(typeFinished, func(b *cryptobyte.Builder) { b.AddBytes(verifyData) })
}
