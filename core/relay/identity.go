package relay

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Files of a relay's directory. The settings are written last: a directory is that of a
// relay when they are there.
const (
	settingsFile = "relay.json"
	caCertFile   = "ca.crt"
	caKeyFile    = "ca.key" // may be kept elsewhere: only a new server certificate needs it
	certFile     = "server.crt"
	keyFile      = "server.key"
	storeDir     = "queues"
)

// certificateDays is the validity of both certificates (smp-transport.md §2). A relay is
// pinned by the fingerprint of its identity certificate, so that must not run out.
const certificateDays = 999999

// Errors of a relay's directory.
var (
	ErrInitialized    = errors.New("this folder is already that of a relay")
	ErrNotInitialized = errors.New("this folder is not that of a relay: run init first")
	ErrIdentity       = errors.New("the relay's certificates or its key are damaged: restore them from a backup")
	ErrSettings       = errors.New("relay.json is damaged: correct it or restore it from a backup")
)

// Settings are what an operator decides once, when the relay is made. They are kept in
// relay.json and can be changed there while the relay doesn't run.
type Settings struct {
	Hosts    []string `json:"hosts,omitempty"`    // names in the relay's address, none if Address gets them
	Port     string   `json:"port,omitempty"`     // port in the relay's address, empty for 5223
	Password string   `json:"password,omitempty"` // needed to create queues; empty lets everybody
}

func (s Settings) check() error {
	address := "smp://" + wire.EncodeBase64(make([]byte, 32))
	if s.Password != "" {
		address += ":" + s.Password
	}
	hosts := s.Hosts
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
	}
	address += "@" + strings.Join(hosts, ",")
	if s.Port != "" {
		address += ":" + s.Port
	}
	if _, _, err := wire.ParseServerPassword(address); err != nil {
		return fmt.Errorf("relay settings: %w", err)
	}
	return nil
}

// Init makes dir the directory of a new relay: an identity that never changes, a server
// certificate signed by it, and the settings. It returns the address of the relay, without
// hosts if the settings have none. It is ErrInitialized if dir has a relay already.
func Init(dir string, settings Settings) (wire.Server, error) {
	if err := settings.check(); err != nil {
		return wire.Server{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wire.Server{}, fmt.Errorf("making the relay's folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, settingsFile)); err == nil {
		return wire.Server{}, ErrInitialized
	}
	hash, err := writeIdentity(dir, time.Now())
	if err != nil {
		return wire.Server{}, fmt.Errorf("making the relay's identity: %w", err)
	}
	text, err := json.MarshalIndent(settings, "", "\t")
	if err != nil {
		return wire.Server{}, fmt.Errorf("writing the relay's settings: %w", err)
	}
	if err := writeFile(filepath.Join(dir, settingsFile), append(text, '\n')); err != nil {
		return wire.Server{}, fmt.Errorf("writing the relay's settings: %w", err)
	}
	return address(hash, settings, nil), nil
}

func address(hash wire.KeyHash, s Settings, hosts []string) wire.Server {
	if len(hosts) == 0 {
		hosts = s.Hosts
	}
	return wire.Server{Scheme: wire.SMP, KeyHash: hash, Hosts: hosts, Port: s.Port}
}

// writeIdentity makes the identity certificate and the server certificate (smp-transport.md §2).
func writeIdentity(dir string, now time.Time) (wire.KeyHash, error) {
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
		{caKeyFile, "PRIVATE KEY", privateDER(caKey)},
		{caCertFile, "CERTIFICATE", caDER},
		{keyFile, "PRIVATE KEY", privateDER(key)},
		{certFile, "CERTIFICATE", leafDER},
	} {
		text := pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})
		err := writeFile(filepath.Join(dir, f.name), text)
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

// writeFile writes a file that only its owner can read, completely or not at all.
func writeFile(path string, content []byte) error {
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

// identity is what a relay shows and signs with.
type identity struct {
	hash  wire.KeyHash
	chain [][]byte // DER: the server certificate, then the identity
	key   crypt.Ed25519Private
	tls   tls.Certificate
}

func readSettings(dir string) (s Settings, err error) {
	text, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, ErrNotInitialized
	}
	if err != nil {
		return s, fmt.Errorf("reading the relay's settings: %w", err)
	}
	if json.Unmarshal(text, &s) != nil {
		return s, ErrSettings
	}
	return s, s.check()
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

func identityHash(dir string) (wire.KeyHash, error) {
	der, err := readPEM(filepath.Join(dir, caCertFile), "CERTIFICATE")
	if err != nil {
		return wire.KeyHash{}, err
	}
	return crypt.Fingerprint(der), nil
}

func readIdentity(dir string) (*identity, error) {
	caDER, err := readPEM(filepath.Join(dir, caCertFile), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	leafDER, err := readPEM(filepath.Join(dir, certFile), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	keyDER, err := readPEM(filepath.Join(dir, keyFile), "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	defer clear(keyDER)
	id := &identity{hash: crypt.Fingerprint(caDER), chain: [][]byte{leafDER, caDER}}
	if id.key, err = crypt.ParseEd25519Private(keyDER); err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, ErrIdentity)
	}
	ca, err1 := x509.ParseCertificate(caDER)
	leaf, err2 := x509.ParseCertificate(leafDER)
	if err1 != nil || err2 != nil || leaf.CheckSignatureFrom(ca) != nil {
		return nil, fmt.Errorf("%s: %w", certFile, ErrIdentity)
	}
	private := ed25519.NewKeyFromSeed(id.key[:])
	if !private.Public().(ed25519.PublicKey).Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%s: %w", keyFile, ErrIdentity)
	}
	id.tls = tls.Certificate{Certificate: id.chain, PrivateKey: private, Leaf: leaf}
	return id, nil
}

// ReadAddress returns the address and the password of the relay in dir, which may be running.
func ReadAddress(dir string, hosts ...string) (server wire.Server, password string, err error) {
	s, err := readSettings(dir)
	if err != nil {
		return wire.Server{}, "", err
	}
	hash, err := identityHash(dir)
	if err != nil {
		return wire.Server{}, "", err
	}
	return address(hash, s, hosts), s.Password, nil
}
