package front

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"testing"
)

// sequence returns n bytes that count up from first.
func sequence(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// TestReadFinished checks each cipher suite with a flight made here: a client hello in the
// clear, a change of cipher spec, and a Finished that is split over two records.
func TestReadFinished(t *testing.T) {
	for suite, size := range map[uint16]int{
		tls.TLS_CHACHA20_POLY1305_SHA256: 32,
		tls.TLS_AES_128_GCM_SHA256:       32,
		tls.TLS_AES_256_GCM_SHA384:       48,
	} {
		secret, verifyData := sequence(1, size), sequence(100, size)
		aead, iv, err := handshakeKeys(suite, secret)
		if err != nil {
			t.Fatal(err)
		}
		flight := []byte{22, 3, 1, 0, 2, 1, 2, 20, 3, 3, 0, 1, 1}
		messages := append([]byte{20, 0, 0, byte(size)}, verifyData...)
		messages = append([]byte{11, 0, 0, 1, 7}, messages...) // an empty certificate before it
		for i, part := range [][]byte{messages[:20], messages[20:]} {
			plain := append(bytes.Clone(part), 22, 0, 0) // with padding
			header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+aead.Overhead()))
			nonce := bytes.Clone(iv)
			nonce[11] ^= byte(i)
			flight = append(append(flight, header...), aead.Seal(nil, nonce, plain, header)...)
		}
		got, err := ReadFinished(suite, secret, flight)
		if err != nil || !bytes.Equal(got, verifyData) {
			t.Errorf("suite %x: error %v", suite, err)
		}
		for n := range flight {
			if _, err := ReadFinished(suite, secret, flight[:n]); err == nil {
				t.Errorf("suite %x: no error with %d of %d bytes", suite, n, len(flight))
			}
		}
		flight[len(flight)-1] ^= 1
		if _, err := ReadFinished(suite, secret, flight); err == nil {
			t.Errorf("suite %x: no error with a changed record", suite)
		}
	}
	if _, err := ReadFinished(tls.TLS_RSA_WITH_AES_128_CBC_SHA, nil, nil); err == nil {
		t.Error("an unknown suite is no error")
	}
}

func FuzzReadFinished(f *testing.F) {
	f.Add(uint16(tls.TLS_AES_128_GCM_SHA256), []byte{23, 3, 3, 0, 2, 1, 2, 22, 3, 1, 0, 1, 1})
	f.Fuzz(func(t *testing.T, suite uint16, records []byte) {
		if id, err := ReadFinished(suite, make([]byte, 32), records); err == nil {
			t.Errorf("forged a session id of %d bytes", len(id))
		}
	})
}
