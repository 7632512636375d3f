package tls13

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// tapConn keeps what a server reads.
type tapConn struct {
	net.Conn
	read bytes.Buffer
}

func (c *tapConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Write(p[:n])
	return n, err
}

// clientFinished finds the client's Finished in what a server of crypto/tls has read, with the
// secret that it logged.
func clientFinished(t *testing.T, read []byte, keyLog string) []byte {
	t.Helper()
	var secret []byte
	for line := range strings.Lines(keyLog) {
		if f := strings.Fields(line); f[0] == "CLIENT_HANDSHAKE_TRAFFIC_SECRET" {
			secret = unhex(t, f[2])
		}
	}
	for len(read) > recordHeader && recordType(read[0]) != recordApplicationData {
		read = read[recordHeader+int(binary.BigEndian.Uint16(read[3:])):]
	}
	r := newRecordReader(bytes.NewReader(read))
	r.keys.set(secret)
	var m messages
	for {
		message, err := m.next()
		if err != nil {
			t.Fatal(err)
		}
		if message != nil && message[0] == typeFinished {
			return message[messageHeader:]
		}
		if message != nil {
			continue
		}
		_, content, err := r.next()
		if err != nil {
			t.Fatalf("no Finished: %v", err)
		}
		m.add(content)
	}
}

// TestCryptoTLS connects to servers of the standard library. They have no X448, so each handshake
// has a HelloRetryRequest.
func TestCryptoTLS(t *testing.T) {
	id := newIdentity(t, newEd25519)
	certificate := tls.Certificate{Certificate: id.chain, PrivateKey: ed25519.NewKeyFromSeed(id.key.seed)}
	for name, c := range map[string]struct {
		offered string
		server  []string
		agreed  string
		request tls.ClientAuthType
	}{
		"smp/1":               {"smp/1", []string{"smp/1", "h2", "http/1.1"}, "smp/1", tls.NoClientCert},
		"http/1.1":            {"http/1.1", []string{"xftp/1", "h2", "http/1.1"}, "http/1.1", tls.NoClientCert},
		"server without ALPN": {"smp/1", nil, "", tls.NoClientCert},
		"client without ALPN": {"", []string{"smp/1"}, "", tls.NoClientCert},
		"certificate request": {"smp/1", []string{"smp/1"}, "smp/1", tls.RequestClientCert},
	} {
		t.Run(name, func(t *testing.T) {
			client, raw := tcpPair(t)
			tap := &tapConn{Conn: raw}
			var keyLog bytes.Buffer
			server := tls.Server(tap, &tls.Config{
				Certificates: []tls.Certificate{certificate},
				NextProtos:   c.server, ClientAuth: c.request, KeyLogWriter: &keyLog,
				MinVersion: tls.VersionTLS13,
			})
			served := make(chan error, 1)
			var finished []byte
			go func() {
				served <- func() error {
					if err := server.HandshakeContext(testContext(t)); err != nil {
						return err
					}
					finished = bytes.Clone(tap.read.Bytes())
					_, err := io.Copy(server, server) // echo, to the client's close_notify
					server.Close()
					return err
				}()
			}()
			conn, err := Client(testContext(t), client, Config{
				ALPN: c.offered, Fingerprint: id.fingerprint(), Time: func() time.Time { return testTime },
			})
			if err != nil {
				t.Fatal(err)
			}
			if conn.ALPN() != c.agreed {
				t.Errorf("ALPN %q, want %q", conn.ALPN(), c.agreed)
			}
			data := bytes.Repeat([]byte("0123456789abcdef"), 4096)
			go conn.Write(data)
			got := make([]byte, len(data))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("echo: %v", err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Errorf("server: %v", err)
			}
			if want := clientFinished(t, finished, keyLog.String()); !bytes.Equal(conn.ClientFinished(), want) {
				t.Errorf("client's Finished is %x, server has %x", conn.ClientFinished(), want)
			}
		})
	}
}

func TestCryptoTLSRefused(t *testing.T) {
	id := newIdentity(t, newEd25519)
	certificate := tls.Certificate{Certificate: id.chain, PrivateKey: ed25519.NewKeyFromSeed(id.key.seed)}
	for name, c := range map[string]struct {
		config *tls.Config
		check  func(error) bool
	}{
		"nothing in common": {&tls.Config{NextProtos: []string{"h2"}}, isAlertError(alertNoApplicationProto)},
		"TLS 1.2":           {&tls.Config{MaxVersion: tls.VersionTLS12}, isVersionError(false)},
	} {
		t.Run(name, func(t *testing.T) {
			client, raw := tcpPair(t)
			c.config.Certificates = []tls.Certificate{certificate}
			server := tls.Server(raw, c.config)
			served := make(chan error, 1)
			go func() { served <- server.HandshakeContext(testContext(t)) }()
			_, err := Client(testContext(t), client, Config{ALPN: "smp/1", Fingerprint: id.fingerprint()})
			if !c.check(err) {
				t.Errorf("another error: %v", err)
			}
			if err := <-served; err == nil {
				t.Error("server is satisfied")
			}
		})
	}
}
