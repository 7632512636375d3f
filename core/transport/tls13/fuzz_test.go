package tls13

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
)

// serverBytes returns what a server sends in a handshake, as it arrives.
func serverBytes(f *testing.F, srv *testServer) []byte {
	client, server := tcpPair(f)
	done := srv.serve(server)
	tap := &tapConn{Conn: client}
	c, err := Client(testContext(f), tap, srv.config())
	if err != nil {
		f.Fatal(err)
	}
	defer c.Close()
	<-done
	return bytes.Clone(tap.read.Bytes())
}

// FuzzHandshake is a client whose server sends arbitrary bytes.
func FuzzHandshake(f *testing.F) {
	id := newIdentity(f, fixedEd25519)
	f.Add(serverBytes(f, &testServer{testIdentity: id, alpn: "smp/1"}))
	f.Add(serverBytes(f, &testServer{testIdentity: id, alpn: "smp/1", group: groupX25519, retry: true, cookie: []byte{1}}))
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Client(context.Background(), &scriptConn{in: bytes.NewReader(data)}, Config{ALPN: "smp/1"})
		if err == nil {
			c.Close()
			t.Fatal("handshake succeeded without a server")
		}
	})
}

// FuzzMessages parses arbitrary messages: the first byte is the type.
func FuzzMessages(f *testing.F) {
	id := newIdentity(f, fixedEd25519)
	var sent [][]byte
	for _, srv := range []*testServer{
		{testIdentity: id, alpn: "smp/1", request: true},
		{testIdentity: newIdentity(f, newEd448), alpn: "smp/1", group: groupX25519, retry: true, cookie: []byte{1}},
	} {
		srv.change = func(typ uint8, m []byte) []byte {
			sent = append(sent, append([]byte{typ}, m[messageHeader:]...))
			return m
		}
		serverBytes(f, srv)
	}
	for _, m := range sent {
		f.Add(m)
	}
	fingerprint := id.fingerprint()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		body := data[1:]
		switch data[0] {
		case typeServerHello:
			h, err := parseServerHello(body)
			if err == nil && h.retry && len(h.share) != 0 {
				t.Error("HelloRetryRequest with a share")
			}
		case typeEncryptedExtensions:
			if alpn, err := parseEncryptedExtensions(body, "smp/1"); err == nil && alpn != "" && alpn != "smp/1" {
				t.Errorf("ALPN %q", alpn)
			}
		case typeCertificateRequest:
			parseCertificateRequest(body)
		case typeCertificate:
			chain, err := parseCertificate(body)
			if err != nil {
				return
			}
			if len(chain) == 0 || len(chain) > maxChain {
				t.Errorf("%d certificates", len(chain))
			}
			VerifyChain(chain, fingerprint, testTime)
			if len(chain) >= minChain { // also with an identity that is known
				key, err := VerifyChain(chain, crypt.Fingerprint(chain[1]), testTime)
				if (err == nil) != (key != nil) {
					t.Errorf("key %v with error %v", key, err)
				}
			}
		case typeCertificateVerify:
			parseCertificateVerify(body)
		}
	})
}

// FuzzFlight sends arbitrary messages under the handshake keys: data is cut into records, each
// after a byte for its type and two for its length.
func FuzzFlight(f *testing.F) {
	id := newIdentity(f, fixedEd25519)
	var flight []byte
	srv := &testServer{testIdentity: id, alpn: "smp/1", request: true}
	srv.change = func(typ uint8, m []byte) []byte {
		if typ != typeServerHello {
			flight = append(append(flight, byte(recordHandshake), byte(len(m)>>8), byte(len(m))), m...)
		}
		return m
	}
	serverBytes(f, srv)
	f.Add(flight)
	f.Add([]byte{byte(recordAlert), 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, data []byte) {
		secret := make([]byte, 32)
		var w recordWriter
		w.keys.set(bytes.Clone(secret))
		c := newConn(&scriptConn{in: bytes.NewReader(encrypt(&w, data))})
		c.reader.keys.set(bytes.Clone(secret))
		h := handshake{c: c, transcript: sha256.New(), config: &Config{
			ALPN: "smp/1", Fingerprint: id.fingerprint(), Time: func() time.Time { return testTime },
		}}
		if _, err := h.readServerFlight(secret); err == nil {
			t.Error("flight accepted without a signature of its transcript")
		}
	})
}

// encrypt makes records of data.
func encrypt(w *recordWriter, data []byte) []byte {
	var records []byte
	for len(data) >= 3 {
		typ, n := recordType(data[0]), min(int(data[1])<<8|int(data[2]), len(data)-3)
		records = w.appendRecord(records, typ, data[3:3+n])
		data = data[3+n:]
	}
	return records
}

// FuzzRecords sends arbitrary records, encrypted rightly, after the handshake.
func FuzzRecords(f *testing.F) {
	record := func(typ recordType, content []byte) []byte {
		return append([]byte{byte(typ), byte(len(content) >> 8), byte(len(content))}, content...)
	}
	f.Add(record(recordApplicationData, []byte("data")))
	f.Add(append(record(recordHandshake, sessionTicket), record(recordAlert, []byte{1, 0})...))
	f.Add(record(recordHandshake, keyUpdateRequested))
	f.Add(record(recordHandshake, certificateRequestMessage([]byte{1, 2})))
	f.Fuzz(func(t *testing.T, data []byte) {
		secret := make([]byte, 32)
		var w recordWriter
		w.keys.set(bytes.Clone(secret))
		c := newConn(&scriptConn{in: bytes.NewReader(encrypt(&w, data))})
		c.transcript = sha256.New()
		c.reader.keys.set(bytes.Clone(secret))
		c.reader.established = true
		c.writer.keys.set(bytes.Clone(secret))
		n, err := io.Copy(io.Discard, c)
		if err != nil && errors.Is(err, io.EOF) {
			t.Error("io.Copy returned io.EOF")
		}
		if n > int64(len(data)) {
			t.Errorf("%d bytes came out of %d", n, len(data))
		}
		c.Write([]byte("answer"))
		c.Close()
	})
}
