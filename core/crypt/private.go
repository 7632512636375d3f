package crypt

// AuthPrivate is a private key that authorizes commands: a *Ed25519Private, *Ed448Private or *X25519Private.
type AuthPrivate interface {
	// DER returns the PKCS #8 form, as keys have in file descriptions.
	DER() []byte
	// Wipe overwrites the key.
	Wipe()
	authPrivate()
}

// DER prefixes of PKCS #8 (encoding.md §3).
const (
	pkcs8X25519 = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20"
	pkcs8Ed448  = "\x30\x47\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x71\x04\x3b\x04\x39"
)

// DER returns the PKCS #8 form, as keys have in file descriptions.
func (k *Ed448Private) DER() []byte { return append([]byte(pkcs8Ed448), k[:]...) }

// DER returns the PKCS #8 form, as keys have in file descriptions.
func (k *X25519Private) DER() []byte { return append([]byte(pkcs8X25519), k[:]...) }

func (*Ed25519Private) authPrivate() {}
func (*Ed448Private) authPrivate()   {}
func (*X25519Private) authPrivate()  {}

// ParseAuthPrivate reads the PKCS #8 form of a key that authorizes commands.
func ParseAuthPrivate(der []byte) (AuthPrivate, error) {
	n := min(len(der), len(pkcs8Ed25519))
	switch prefix, raw := string(der[:n]), der[n:]; {
	case prefix == pkcs8Ed25519 && len(raw) == 32:
		k := Ed25519Private(raw)
		return &k, nil
	case prefix == pkcs8X25519 && len(raw) == 32:
		k := X25519Private(raw)
		return &k, nil
	case prefix == pkcs8Ed448 && len(raw) == 57:
		k := Ed448Private(raw)
		return &k, nil
	}
	return nil, ErrKey
}
