// Package reference reads what tests compare with: vectors and recordings of the reference software, which stand as JSON,
// compressed with gzip, in the folder testdata of the package under test.
//
//	var v struct{ Key, Nonce, Box reference.Hex }
//	reference.Read(t, "boxes.json.gz", &v)
//
// Recorded post-quantum keys are made again by the random bytes that the functions KEM… return.
package reference

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Hex are bytes that stand in hexadecimal in JSON.
type Hex []byte

// UnmarshalText decodes hexadecimal digits.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// MarshalText encodes the bytes in hexadecimal digits.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// Read decodes the file testdata/name into v. The test fails if it can't.
func Read(t testing.TB, name string, v any) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	b, err := io.ReadAll(z) // to its end, where the checksum is
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
