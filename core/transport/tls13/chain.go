package tls13

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
)

// Lengths of a server's chain (smp-transport.md §2): the leaf, the identity, and up to two
// authorities above it.
const (
	minChain = 2
	maxChain = 4

	identityIndex = 1
)

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}

// VerifyChain checks the chain of a relay, leaf first (smp-transport.md §2), and returns the leaf's key. The
// fingerprint decides alone who the server is; all else has to be in order too.
func VerifyChain(chain [][]byte, fingerprint [32]byte, now time.Time) (crypt.PublicKey, error) {
	if len(chain) < minChain {
		return nil, &CertificateError{len(chain), "is missing", alertCertificateRequired}
	}
	if len(chain) > maxChain {
		return nil, &CertificateError{maxChain, "is one too many", alertCertificateUnknown}
	}
	if got := crypt.Fingerprint(chain[identityIndex]); !crypt.Equal(got[:], fingerprint[:]) {
		return nil, ErrUnknownIdentity
	}
	certs := make([]*x509.Certificate, len(chain))
	keys := make([]crypt.PublicKey, len(chain))
	for i, der := range chain {
		var err error
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, &CertificateError{i, "is malformed", alertBadCertificate}
		}
		if keys[i], err = crypt.ParsePublic(certs[i].RawSubjectPublicKeyInfo); err != nil {
			return nil, &CertificateError{i, "has a key that is not Ed25519 or Ed448", alertCertificateUnknown}
		}
	}
	for i, cert := range certs {
		if now.Before(cert.NotBefore) {
			return nil, &CertificateError{i, "is not valid yet: check the clock of this computer", alertCertificateExpired}
		}
		if now.After(cert.NotAfter) {
			return nil, &CertificateError{i, "has expired", alertCertificateExpired}
		}
		if len(cert.UnhandledCriticalExtensions) > 0 {
			return nil, unfit(i, "has a critical extension of unknown meaning")
		}
	}
	if certs[0].Version != 3 {
		return nil, unfit(0, "is not an X.509 certificate of version 3")
	}
	if !mayUseKey(certs[0], x509.KeyUsageDigitalSignature) {
		return nil, unfit(0, "may not sign handshakes")
	}
	for i := 1; i < len(certs); i++ {
		if err := verifyIssued(certs[i-1], certs[i], keys[i], i); err != nil {
			return nil, err
		}
	}
	return keys[0], nil
}

// verifyIssued checks that the certificate at place i, which has key, may issue others and has
// issued cert, the one before it.
func verifyIssued(cert, issuer *x509.Certificate, key crypt.PublicKey, i int) error {
	switch {
	case !issuer.BasicConstraintsValid || !issuer.IsCA:
		return unfit(i, "is not one of an authority")
	case !mayUseKey(issuer, x509.KeyUsageCertSign):
		return unfit(i, "may not sign certificates")
	case issuer.MaxPathLen >= 0 && i-1 > issuer.MaxPathLen:
		return unfit(i, "may not have so many certificates below it")
	case !bytes.Equal(cert.RawIssuer, issuer.RawSubject):
		return unfit(i, "does not have the name of the issuer of the one before it")
	case !crypt.Verify(key, cert.RawTBSCertificate, cert.Signature):
		return unfit(i-1, "has a wrong signature")
	}
	return nil
}

func unfit(i int, reason string) error {
	return &CertificateError{i, reason, alertCertificateUnknown}
}

// mayUseKey tells whether the certificate permits usage: also if it does not restrict its key.
func mayUseKey(cert *x509.Certificate, usage x509.KeyUsage) bool {
	restricted := slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidKeyUsage) })
	return !restricted || cert.KeyUsage&usage != 0
}
