package tls13

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// hostileCase is a server that does one thing wrong.
type hostileCase struct {
	name  string
	srv   testServer
	check func(err error) bool
	alert Alert // that the client has to send; 0 is any or none
}

func isProtocolError(err error) bool {
	var e *ProtocolError
	return errors.As(err, &e)
}

func isCertificateError(index int) func(err error) bool {
	return func(err error) bool {
		var e *CertificateError
		return errors.As(err, &e) && e.Index == index
	}
}

func isVersionError(downgraded bool) func(err error) bool {
	return func(err error) bool {
		var e *VersionError
		return errors.As(err, &e) && e.Version == version12 && e.Downgraded == downgraded
	}
}

func is(target error) func(err error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// on returns a change of the messages of one type.
func on(typ uint8, f func(m []byte) []byte) func(uint8, []byte) []byte {
	return func(got uint8, m []byte) []byte {
		if got == typ {
			return f(m)
		}
		return m
	}
}

func flipLast(m []byte) []byte { m[len(m)-1] ^= 1; return m }

// extend extends a message and corrects its length.
func extend(m []byte, more ...byte) []byte {
	m = append(m, more...)
	n := len(m) - 4
	m[1], m[2], m[3] = byte(n>>16), byte(n>>8), byte(n)
	return m
}

func hostileCases(t *testing.T) []hostileCase {
	id := newIdentity(t, newEd25519)
	other := newIdentity(t, newEd25519)
	withChain := func(chain ...[]byte) testServer {
		return testServer{testIdentity: testIdentity{chain, id.key}, alpn: "smp/1"}
	}
	changed := func(change func(uint8, []byte) []byte) testServer {
		return testServer{testIdentity: id, alpn: "smp/1", change: change}
	}
	serverHello := func(f func(m []byte) []byte) testServer { return changed(on(typeServerHello, f)) }
	// chainOf makes a server whose chain has these certificates, each signed by the next.
	chainOf := func(certs ...testCert) testServer {
		keys := make([]testKey, len(certs))
		for i := range keys {
			keys[i] = newEd25519(t)
		}
		var chain [][]byte
		for i, c := range certs {
			chain = append(chain, c.der(keys[i].public, keys[min(i+1, len(keys)-1)]))
		}
		return testServer{testIdentity: testIdentity{chain, keys[0]}, alpn: "smp/1"}
	}
	authority := authorityCert("authority", "authority")
	spoil := func(c testCert, f func(c *testCert)) testCert { f(&c); return c }
	expired := func(c *testCert) { c.notBefore, c.notAfter = testTime.AddDate(-2, 0, 0), testTime.Add(-time.Second) }
	future := func(c *testCert) { c.notBefore, c.notAfter = testTime.Add(time.Second), testTime.AddDate(1, 0, 0) }
	wrongFingerprint := withChain(id.chain...)
	wrongFingerprint.chain = other.chain
	wrongFingerprint.key = other.key

	x448Low := make([]byte, 56)
	return []hostileCase{
		{"one certificate", withChain(id.chain[0]), isCertificateError(1), alertCertificateRequired},
		{"no certificate", withChain(), isProtocolError, alertDecodeError},
		{"five certificates", withChain(id.chain[0], id.chain[1], id.chain[1], id.chain[1], id.chain[1]), isCertificateError(4), alertCertificateUnknown},
		{"another identity", wrongFingerprint, is(ErrUnknownIdentity), alertUnknownCA},
		{"identity not second", withChain(id.chain[0], other.chain[1], id.chain[1]), is(ErrUnknownIdentity), alertUnknownCA},
		{"identity as leaf", withChain(id.chain[1], other.chain[1]), is(ErrUnknownIdentity), alertUnknownCA},
		{"leaf of another identity", withChain(other.chain[0], id.chain[1]), isCertificateError(0), alertCertificateUnknown},
		{"garbage leaf", withChain([]byte("garbage"), id.chain[1]), isCertificateError(0), alertBadCertificate},
		{"leaf expired", chainOf(spoil(leafCert(), expired), authority), isCertificateError(0), alertCertificateExpired},
		{"leaf not yet valid", chainOf(spoil(leafCert(), future), authority), isCertificateError(0), alertCertificateExpired},
		{"identity expired", chainOf(leafCert(), spoil(authority, expired)), isCertificateError(1), alertCertificateExpired},
		{"leaf of version 1", chainOf(spoil(leafCert(), func(c *testCert) { c.version1 = true }), authority), isCertificateError(0), alertCertificateUnknown},
		{"leaf may not sign", chainOf(spoil(leafCert(), func(c *testCert) { c.keyUsage = 0x08 }), authority), isCertificateError(0), alertCertificateUnknown},
		{"leaf with a critical extension", chainOf(spoil(leafCert(), func(c *testCert) { c.critical = true }), authority), isCertificateError(0), alertCertificateUnknown},
		{"identity is no authority", chainOf(leafCert(), spoil(authority, func(c *testCert) { c.ca = false })), isCertificateError(1), alertCertificateUnknown},
		{"identity without constraints", chainOf(leafCert(), spoil(authority, func(c *testCert) { c.noConstraints = true })), isCertificateError(1), alertCertificateUnknown},
		{"identity may not sign certificates", chainOf(leafCert(), spoil(authority, func(c *testCert) { c.keyUsage = 0x80 })), isCertificateError(1), alertCertificateUnknown},
		{"another issuer", chainOf(spoil(leafCert(), func(c *testCert) { c.issuer = "nobody" }), authority), isCertificateError(1), alertCertificateUnknown},
		{"path too long", chainOf(leafCert(), authorityCert("authority", "root"), spoil(authorityCert("root", "root"), func(c *testCert) { c.pathLen = 0 })), isCertificateError(2), alertCertificateUnknown},

		{"wrong signature", changed(on(typeCertificateVerify, flipLast)), isProtocolError, alertDecryptError},
		{"scheme of another key", changed(on(typeCertificateVerify, func(m []byte) []byte { m[5] = 8; return m })), isProtocolError, alertIllegalParameter},
		{"wrong Finished", changed(on(typeFinished, flipLast)), isProtocolError, alertDecryptError},
		{"short Finished", changed(on(typeFinished, func(m []byte) []byte { return []byte{typeFinished, 0, 0, 0} })), isProtocolError, alertDecryptError},
		{"no certificate message", changed(on(typeCertificate, func([]byte) []byte { return nil })), isProtocolError, alertUnexpectedMessage},
		{"no signature", changed(on(typeCertificateVerify, func([]byte) []byte { return nil })), isProtocolError, alertUnexpectedMessage},
		{"extension of a certificate", changed(on(typeCertificate, func(m []byte) []byte {
			m[len(m)-1] = 4 // extensions of the last certificate
			m = extend(m, 0, 5, 0, 0)
			n := len(m) - 8
			m[5], m[6], m[7] = byte(n>>16), byte(n>>8), byte(n)
			return m
		})), isProtocolError, alertUnsupportedExtension},
		{"certificate with a context", changed(on(typeCertificate, func(m []byte) []byte {
			return extend(slices.Concat(m[:4], []byte{1, 9}, m[5:]))
		})), isProtocolError, alertIllegalParameter},

		{"TLS 1.2", serverHello(func(m []byte) []byte {
			return slices.Concat([]byte{typeServerHello, 0, 0, 70}, m[4:4+67], []byte{0xcc, 0xa9, 0})
		}), isVersionError(false), alertProtocolVersion},
		{"TLS 1.2 by a downgrade", serverHello(func(m []byte) []byte {
			copy(m[4+2+24:], "DOWNGRD\x01")
			return slices.Concat([]byte{typeServerHello, 0, 0, 70}, m[4:4+67], []byte{0xcc, 0xa9, 0})
		}), isVersionError(true), alertIllegalParameter},
		{"another session id", serverHello(func(m []byte) []byte { m[4+2+32+1] ^= 1; return m }), isProtocolError, alertIllegalParameter},
		{"another suite", serverHello(func(m []byte) []byte { m[4+67+1] = 1; return m }), isProtocolError, alertIllegalParameter},
		{"compression", serverHello(func(m []byte) []byte { m[4+69] = 1; return m }), isProtocolError, alertIllegalParameter},
		{"low order share", serverHello(func(m []byte) []byte { copy(m[len(m)-56:], x448Low); return m }), isProtocolError, alertIllegalParameter},
		{"share of another group", serverHello(func(m []byte) []byte { m[len(m)-59] = groupX25519; return m }), isProtocolError, alertIllegalParameter},
		{"unknown extension", serverHello(func(m []byte) []byte {
			m[4+71] += 4
			return extend(m, 0xff, 1, 0, 0)
		}), isProtocolError, alertUnsupportedExtension},
		{"trailing bytes", serverHello(func(m []byte) []byte { return extend(m, 0) }), isProtocolError, alertDecodeError},
		{"ServerHello with more in its record", serverHello(func(m []byte) []byte { return append(m, typeEncryptedExtensions, 0, 0, 2, 0, 0) }), isProtocolError, alertUnexpectedMessage},
		{"another protocol", changed(on(typeEncryptedExtensions, flipLast)), isProtocolError, alertIllegalParameter},
		{"early data", changed(on(typeEncryptedExtensions, func([]byte) []byte {
			return []byte{typeEncryptedExtensions, 0, 0, 6, 0, 4, 0, 42, 0, 0}
		})), isProtocolError, alertUnsupportedExtension},
		{"CertificateRequest without algorithms", testServer{testIdentity: id, alpn: "smp/1", request: true,
			change: on(typeCertificateRequest, func([]byte) []byte { return []byte{typeCertificateRequest, 0, 0, 3, 0, 0, 0} })}, isProtocolError, alertMissingExtension},
		{"CertificateRequest with a context", testServer{testIdentity: id, alpn: "smp/1", request: true,
			change: on(typeCertificateRequest, func([]byte) []byte { return certificateRequestMessage([]byte{1}) })}, isProtocolError, alertIllegalParameter},
		{"oversized message", changed(on(typeCertificate, func(m []byte) []byte { return []byte{typeCertificate, 0, 0x80, 0} })), isProtocolError, alertDecodeError},

		{"two retries", testServer{testIdentity: id, alpn: "smp/1", group: groupX25519, retry: true,
			change: on(typeServerHello, func(m []byte) []byte { return retryOf(m) })}, isProtocolError, 0},
		{"retry for nothing", testServer{testIdentity: id, alpn: "smp/1", retry: true}, isProtocolError, alertIllegalParameter},
		{"retry for the same group", testServer{testIdentity: id, alpn: "smp/1", group: groupX25519, retry: true,
			change: on(typeServerHello, func(m []byte) []byte { m[len(m)-1] = groupX448; return m })}, isProtocolError, alertIllegalParameter},
		{"retry for an unknown group", testServer{testIdentity: id, alpn: "smp/1", group: groupX25519, retry: true,
			change: on(typeServerHello, func(m []byte) []byte { m[len(m)-1] = 0x17; return m })}, isProtocolError, alertIllegalParameter},

		{"plaintext alert under keys", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.conn.Write([]byte{21, 3, 3, 0, 2, 2, 80})
		}}, isAlertError(80), 0},
		{"plaintext handshake under keys", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.conn.Write([]byte{22, 3, 3, 0, 1, 8})
		}}, isProtocolError, alertUnexpectedMessage},
		{"encrypted alert", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.send(recordAlert, []byte{2, 120})
		}}, isAlertError(alertNoApplicationProto), 0},
		{"data in the handshake", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.send(recordApplicationData, []byte("early"))
		}}, isProtocolError, alertUnexpectedMessage},
		{"record without a type", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.send(0, make([]byte, 100))
		}}, isProtocolError, alertUnexpectedMessage},
		{"oversized record", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.send(recordHandshake, make([]byte, maxPlaintext+1))
		}}, isProtocolError, alertRecordOverflow},
		{"oversized ciphertext", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.conn.Write([]byte{23, 3, 3, 0x41, 1})
		}}, isProtocolError, alertRecordOverflow},
		{"empty handshake record", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.send(recordHandshake, nil)
		}}, isProtocolError, alertUnexpectedMessage},
		{"endless change_cipher_spec", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			for range 10 * freeRecords {
				s.conn.Write([]byte{20, 3, 3, 0, 1, 1})
			}
		}}, isProtocolError, alertUnexpectedMessage},
		{"long change_cipher_spec", testServer{testIdentity: id, alpn: "smp/1", beforeFlight: func(s *testSession) {
			s.conn.Write([]byte{20, 3, 3, 0, 2, 1, 1})
		}}, isProtocolError, alertUnexpectedMessage},
		{"garbage instead of TLS", testServer{testIdentity: id, alpn: "smp/1", change: on(typeServerHello, func(m []byte) []byte { return nil }),
			beforeFlight: func(s *testSession) { s.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n")) }}, isProtocolError, alertUnexpectedMessage},
	}
}

// retryOf makes a second HelloRetryRequest out of a ServerHello with an X25519 share.
func retryOf(m []byte) []byte {
	return serverHelloMessage(retryRandom[:], sessionIDOf(m), func(add func(uint16, []byte)) {
		add(extSupportedVersions, []byte{3, 4})
		add(extKeyShare, []byte{0, groupX25519})
	})
}

func isAlertError(alert Alert) func(err error) bool {
	return func(err error) bool {
		var e *AlertError
		return errors.As(err, &e) && e.Alert == alert
	}
}

func TestHostileServer(t *testing.T) {
	id := newIdentity(t, newEd25519)
	for _, c := range hostileCases(t) {
		t.Run(c.name, func(t *testing.T) {
			client, server := tcpPair(t)
			config := Config{ALPN: c.srv.alpn, Fingerprint: id.fingerprint(), Time: func() time.Time { return testTime }}
			if len(c.srv.chain) >= minChain && !c.check(ErrUnknownIdentity) {
				config.Fingerprint = c.srv.fingerprint()
			}
			done := c.srv.serve(server)
			recorder := &recordingConn{Conn: client}
			conn, err := Client(testContext(t), recorder, config)
			if err == nil {
				conn.Close()
				t.Fatal("handshake succeeded")
			}
			<-done
			if !c.check(err) {
				t.Errorf("another error: %T %v", errors.Unwrap(err), err)
			}
			// Alerts in the handshake are in plain text, as the client has no keys yet.
			last := recorder.writes[len(recorder.writes)-1]
			if want := []byte{21, 3, 3, 0, 2, 2, byte(c.alert)}; c.alert != 0 && !bytes.Equal(last, want) {
				t.Errorf("client sent %x at last, want alert %v", last[:min(len(last), 16)], c.alert)
			}
			if _, err := client.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("connection is still open: %v", err)
			}
		})
	}
}

// limitedConn delivers the first n bytes of the server and then its end, or changes byte n.
type limitedConn struct {
	net.Conn
	n    int
	flip bool
	seen int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if !c.flip {
		if c.seen == c.n {
			return 0, io.EOF
		}
		p = p[:min(len(p), c.n-c.seen)]
	}
	n, err := c.Conn.Read(p)
	if c.flip && c.seen <= c.n && c.n < c.seen+n {
		p[c.n-c.seen] ^= 0x10
	}
	c.seen += n
	return n, err
}

// flightLength returns how many bytes the server sends in the handshake.
func flightLength(t *testing.T, srv *testServer) int {
	client, server := tcpPair(t)
	done := srv.serve(server)
	counter := &limitedConn{Conn: client, flip: true, n: -1}
	c, err := Client(testContext(t), counter, srv.config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-done
	return counter.seen
}

func TestTruncatedAnywhere(t *testing.T) {
	srv := &testServer{testIdentity: newIdentity(t, newEd25519), alpn: "smp/1", group: groupX25519, retry: true, request: true}
	for n := range flightLength(t, srv) {
		client, server := tcpPair(t)
		done := srv.serve(server)
		c, err := Client(testContext(t), &limitedConn{Conn: client, n: n}, srv.config())
		if err == nil {
			c.Close()
			t.Fatalf("handshake succeeded with %d bytes", n)
		}
		if !errors.Is(err, ErrTruncated) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		<-done
	}
}

func TestChangedAnywhere(t *testing.T) {
	srv := &testServer{testIdentity: newIdentity(t, newEd25519), alpn: "smp/1"}
	total := flightLength(t, srv)
	for n := range total {
		if n == 2 { // the minor version of a record in plain text means nothing
			continue
		}
		client, server := tcpPair(t)
		done := srv.serve(server)
		// A changed length makes the client wait for more than there is; the end follows instead.
		conn := &limitedConn{Conn: &limitedConn{Conn: client, n: total}, n: n, flip: true}
		c, err := Client(testContext(t), conn, srv.config())
		if err == nil {
			c.Close()
			t.Fatalf("handshake succeeded with byte %d changed", n)
		}
		<-done
	}
}

func TestHandshakeCanceled(t *testing.T) {
	id := newIdentity(t, newEd25519)
	for _, stop := range []uint8{typeClientHello, typeServerHello, typeEncryptedExtensions, typeCertificate, typeCertificateVerify} {
		srv := &testServer{testIdentity: id, alpn: "smp/1", stop: stop}
		client, server := tcpPair(t)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			defer cancel()
			if stop == typeClientHello {
				server.Read(make([]byte, 1))
				return
			}
			srv.handshake(server)
		}()
		if _, err := Client(ctx, client, srv.config()); !errors.Is(err, context.Canceled) {
			t.Errorf("hanging after message %d: %v", stop, err)
		}
		if _, err := client.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("connection is still open: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	client, _ := tcpPair(t)
	if _, err := Client(ctx, client, Config{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging with a deadline: %v", err)
	}
}

func TestLongALPN(t *testing.T) {
	if _, err := Client(context.Background(), &scriptConn{in: bytes.NewReader(nil)}, Config{ALPN: string(make([]byte, 256))}); err == nil {
		t.Error("ALPN of 256 bytes accepted")
	}
}
