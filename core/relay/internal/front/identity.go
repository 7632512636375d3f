// Package front is what the two servers of a relay, for messages and for files, have in common
// towards their clients: the identity in the relay's folder, TLS with the id of the session,
// and limits.
package front

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Files of the identity.
const (
	CACertFile = "ca.crt"
	CAKeyFile  = "ca.key" // may be kept elsewhere: only a new server certificate needs it
	CertFile   = "server.crt"
	KeyFile    = "server.key"
)

// ErrIdentity tells that an identity can't be read.
var ErrIdentity = errors.New("the relay's certificates or its key are damaged: restore them from a backup")

// certificateDays is the validity of both certificates (smp-transport.md §2). A relay is
// pinned by the fingerprint of its identity certificate, so that must not run out.
const certificateDays = 999999

// WriteIdentity makes an identity certificate and a server certificate in dir (smp-transport.md §2).
func WriteIdentity(dir string, now time.Time) (wire.KeyHash, error) {
	// A day of slack lets clients in whose clock is behind.
	from := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	until := from.AddDate(0, 0, certificateDays)

	caPublic, caKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return wire.KeyHash{}, err
	}
	defer clear(caKey)
	ca := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "SMP server CA"},
		NotBefore:             from,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caPublic, caKey)
	if err != nil {
		return wire.KeyHash{}, err
	}

	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return wire.KeyHash{}, err
	}
	defer clear(key)
	leaf := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "SMP server"},
		NotBefore:             from,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyAgreement,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, public, caKey)
	if err != nil {
		return wire.KeyHash{}, err
	}

	for _, f := range []struct {
		name, kind string
		der        []byte
	}{
		{CAKeyFile, "PRIVATE KEY", privateDER(caKey)},
		{CACertFile, "CERTIFICATE", caDER},
		{KeyFile, "PRIVATE KEY", privateDER(key)},
		{CertFile, "CERTIFICATE", leafDER},
	} {
		text := pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})
		err := WriteFile(filepath.Join(dir, f.name), text)
		if f.kind == "PRIVATE KEY" {
			clear(text)
			clear(f.der)
		}
		if err != nil {
			return wire.KeyHash{}, err
		}
	}
	return crypt.Fingerprint(caDER), nil
}

func privateDER(key ed25519.PrivateKey) []byte {
	k := crypt.Ed25519Private(key.Seed())
	defer k.Wipe()
	return k.DER()
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

// WriteFile writes a file that only its owner can read, completely or not at all.
func WriteFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // has mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// An Identity is what a relay shows and signs with.
type Identity struct {
	Hash  wire.KeyHash
	Chain [][]byte // DER: the server certificate, then the identity
	Key   crypt.Ed25519Private

	certificate tls.Certificate
}

// TLSConfig is what all connections of a server share (smp-transport.md §1). protocols are
// those of ALPN. No client certificate is asked for: only services have one, and they do
// without when they are not asked.
func (id *Identity) TLSConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		Certificates:     []tls.Certificate{id.certificate},
		NextProtos:       protocols,
		MinVersion:       tls.VersionTLS12,
		CurvePreferences: []tls.CurveID{tls.X25519},
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		// Resumption would change what the session id is made of.
		SessionTicketsDisabled: true,
		// A block is one record.
		DynamicRecordSizingDisabled: true,
	}
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the relay's identity: %w", err)
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), ErrIdentity)
	}
	return block.Bytes, nil
}

// ReadHash returns the fingerprint of the identity in dir.
func ReadHash(dir string) (wire.KeyHash, error) {
	der, err := readPEM(filepath.Join(dir, CACertFile), "CERTIFICATE")
	if err != nil {
		return wire.KeyHash{}, err
	}
	return crypt.Fingerprint(der), nil
}

// ReadIdentity reads the identity in dir, but for the key that is only needed to renew it.
func ReadIdentity(dir string) (*Identity, error) {
	caDER, err := readPEM(filepath.Join(dir, CACertFile), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	leafDER, err := readPEM(filepath.Join(dir, CertFile), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	keyDER, err := readPEM(filepath.Join(dir, KeyFile), "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	defer clear(keyDER)
	id := &Identity{Hash: crypt.Fingerprint(caDER), Chain: [][]byte{leafDER, caDER}}
	if id.Key, err = crypt.ParseEd25519Private(keyDER); err != nil {
		return nil, fmt.Errorf("%s: %w", KeyFile, ErrIdentity)
	}
	ca, err1 := x509.ParseCertificate(caDER)
	leaf, err2 := x509.ParseCertificate(leafDER)
	if err1 != nil || err2 != nil || leaf.CheckSignatureFrom(ca) != nil {
		return nil, fmt.Errorf("%s: %w", CertFile, ErrIdentity)
	}
	private := ed25519.NewKeyFromSeed(id.Key[:])
	if !private.Public().(ed25519.PublicKey).Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%s: %w", KeyFile, ErrIdentity)
	}
	id.certificate = tls.Certificate{Certificate: id.Chain, PrivateKey: private, Leaf: leaf}
	return id, nil
}
