package relay

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := Open(dir, Config{}); !errors.Is(err, ErrNotInitialized) {
		t.Errorf("Open of an empty folder: %v", err)
	}
	if _, _, err := ReadAddress(dir); !errors.Is(err, ErrNotInitialized) {
		t.Errorf("ReadAddress of an empty folder: %v", err)
	}
	settings := Settings{Hosts: []string{"relay.example", "abc.onion"}, Port: "5224", Password: "secret"}
	address, err := Init(dir, settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, settings); !errors.Is(err, ErrInitialized) {
		t.Errorf("second Init: %v", err)
	}
	again, password, err := ReadAddress(dir)
	if err != nil || again.String() != address.String() || password != "secret" {
		t.Errorf("the address changes from %v to %v (%v)", address, again, err)
	}
	if parsed, password, err := wire.ParseServerPassword(address.Text("secret")); err != nil || password != "secret" || parsed.KeyHash != address.KeyHash {
		t.Errorf("the address can't be read: %v", err)
	}
	if other, _, err := ReadAddress(dir, "localhost"); err != nil || other.Hosts[0] != "localhost" || len(other.Hosts) != 1 {
		t.Errorf("address with another host: %v %v", other, err)
	}
	r, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Address().String() != address.String() || r.Password() != "secret" {
		t.Error("the open relay has another address")
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		// Files of the queue store are protected by its folder.
		inStore := filepath.Dir(path) == filepath.Join(dir, storeDir)
		if !inStore && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", d.Name(), info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestInitAgain checks that nothing of a relay is lost when its settings are and somebody makes a relay in its folder.
func TestInitAgain(t *testing.T) {
	dir := t.TempDir()
	first := must(Init(dir, Settings{Hosts: []string{"relay.example"}}))
	startIn(t, dir, Config{}).stop()
	lose := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	lose(settingsFile)
	again := must(Init(dir, Settings{Hosts: []string{"other.example"}}))
	if again.KeyHash != first.KeyHash || again.Hosts[0] != "other.example" {
		t.Errorf("the address %v has become %v", first, again)
	}
	startIn(t, dir, Config{}).stop()

	lose(settingsFile, front.CertFile)
	before := must(os.ReadFile(filepath.Join(dir, front.CAKeyFile)))
	if _, err := Init(dir, Settings{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Init without the certificate: %v", err)
	}
	if after := must(os.ReadFile(filepath.Join(dir, front.CAKeyFile))); string(after) != string(before) {
		t.Error("the key of the identity is lost")
	}
	// What a crash in Init has left is made anew.
	if err := os.RemoveAll(filepath.Join(dir, storeDir)); err != nil {
		t.Fatal(err)
	}
	must(Init(dir, Settings{}))
	startIn(t, dir, Config{}).stop()
}

// TestCertificates checks what clients of the network check (smp-transport.md §2).
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	address := must(Init(dir, Settings{}))
	id := must(front.ReadIdentity(dir))
	if wire.KeyHash(crypt.Fingerprint(id.Chain[1])) != address.KeyHash {
		t.Error("the fingerprint is not that of the second certificate")
	}
	leaf, ca := must(x509.ParseCertificate(id.Chain[0])), must(x509.ParseCertificate(id.Chain[1]))
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, at := range []time.Time{time.Now(), time.Now().Add(-12 * time.Hour), time.Now().AddDate(500, 0, 0)} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at}); err != nil {
			t.Errorf("the chain is not valid: %v", err)
		}
	}
	if leaf.IsCA || leaf.Version != 3 || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		t.Error("the server certificate is not what clients expect")
	}
	if !ca.IsCA || !ca.BasicConstraintsValid || ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Error("the identity certificate is not what clients expect")
	}
}

func TestDamagedFolder(t *testing.T) {
	dir := t.TempDir()
	must(Init(dir, Settings{}))
	other := t.TempDir()
	must(Init(other, Settings{}))
	tests := map[string]struct {
		file    string
		content []byte
		want    error
	}{
		"settings":          {settingsFile, []byte("{"), ErrSettings},
		"host":              {settingsFile, []byte(`{"hosts":["a b"]}`), ErrSetting},
		"port":              {settingsFile, []byte(`{"port":"70000"}`), ErrSetting},
		"password":          {settingsFile, []byte(`{"password":"a@b"}`), ErrSetting},
		"empty certificate": {front.CertFile, nil, ErrIdentity},
		"no certificate":    {front.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), ErrIdentity},
		"key for another":   {front.KeyFile, must(os.ReadFile(filepath.Join(other, front.KeyFile))), ErrIdentity},
		"cut key":           {front.KeyFile, must(os.ReadFile(filepath.Join(dir, front.KeyFile)))[:60], ErrIdentity},
		"another identity":  {front.CACertFile, must(os.ReadFile(filepath.Join(other, front.CACertFile))), ErrIdentity},
	}
	for name, test := range tests {
		path := filepath.Join(dir, test.file)
		good := must(os.ReadFile(path))
		if err := os.WriteFile(path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := Open(dir, Config{}); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v", name, err)
			if err == nil {
				r.Close()
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The identity's key is not needed to run.
	if err := os.Remove(filepath.Join(dir, front.CAKeyFile)); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
