package tls13

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sotto-chat/sotto/core/crypt"
)

// testKey is a certificate key.
type testKey struct {
	public crypt.PublicKey
	scheme uint16
	sign   func(msg []byte) []byte
	seed   []byte
}

func newEd25519(testing.TB) testKey {
	var k crypt.Ed25519Private
	rand.Read(k[:])
	return testKey{k.Public(), schemeEd25519, k.Sign, k[:]}
}

// fixedEd25519 makes the same key in all processes of a fuzz test.
func fixedEd25519(testing.TB) testKey {
	k := crypt.Ed25519Private{1}
	return testKey{k.Public(), schemeEd25519, k.Sign, k[:]}
}

func newEd448(testing.TB) testKey {
	var k crypt.Ed448Private
	rand.Read(k[:])
	return testKey{k.Public(), schemeEd448, k.Sign, k[:]}
}

// testCert is a certificate as servers have it, with the fields that tests spoil.
type testCert struct {
	subject, issuer     string
	notBefore, notAfter time.Time
	version1            bool
	ca                  bool
	noConstraints       bool
	pathLen             int  // -1 is none
	keyUsage            byte // bits of the first octet; 0 is no extension
	critical            bool // an unknown critical extension
}

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func leafCert() testCert {
	return testCert{subject: "relay", issuer: "authority", keyUsage: 0xc8, pathLen: -1}
}

func authorityCert(name, issuer string) testCert {
	return testCert{subject: name, issuer: issuer, ca: true, keyUsage: 0x04, pathLen: -1}
}

// der makes the certificate of key, signed by issuer.
func (c testCert) der(key crypt.PublicKey, issuer testKey) []byte {
	if c.notBefore.IsZero() {
		c.notBefore, c.notAfter = testTime.AddDate(-1, 0, 0), testTime.AddDate(2000, 0, 0)
	}
	algorithm := issuer.public.DER()[2:9]
	name := func(b *cryptobyte.Builder, s string) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes([]byte{6, 3, 0x55, 4, 3})
					b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
				})
			})
		})
	}
	extension := func(b *cryptobyte.Builder, oid byte, value func(b *cryptobyte.Builder)) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes([]byte{6, 3, 0x55, 0x1d, oid})
			b.AddASN1Boolean(true)
			b.AddASN1(asn1.OCTET_STRING, value)
		})
	}
	var tbs cryptobyte.Builder
	tbs.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if !c.version1 {
			b.AddASN1(asn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		}
		b.AddASN1Int64(7)
		b.AddBytes(algorithm)
		name(b, c.issuer)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(c.notBefore)
			b.AddASN1GeneralizedTime(c.notAfter)
		})
		name(b, c.subject)
		b.AddBytes(key.DER())
		if c.version1 {
			return
		}
		b.AddASN1(asn1.Tag(3).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				if !c.noConstraints {
					extension(b, 19, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							if c.ca {
								b.AddASN1Boolean(true)
							}
							if c.pathLen >= 0 {
								b.AddASN1Int64(int64(c.pathLen))
							}
						})
					})
				}
				if c.keyUsage != 0 {
					extension(b, 15, func(b *cryptobyte.Builder) { b.AddBytes([]byte{3, 2, 0, c.keyUsage}) })
				}
				if c.critical {
					extension(b, 99, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
				}
			})
		})
	})
	content := tbs.BytesOrPanic()
	var cert cryptobyte.Builder
	cert.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(content)
		b.AddBytes(algorithm)
		b.AddASN1BitString(issuer.sign(content))
	})
	return cert.BytesOrPanic()
}

// testIdentity is what a server has: its chain, leaf first, and the leaf's key.
type testIdentity struct {
	chain [][]byte
	key   testKey
}

func (id testIdentity) fingerprint() [32]byte { return crypt.Fingerprint(id.chain[1]) }

func newIdentity(t testing.TB, newKey func(testing.TB) testKey) testIdentity {
	t.Helper()
	authority, leaf := newKey(t), newKey(t)
	return testIdentity{[][]byte{
		leafCert().der(leaf.public, authority),
		authorityCert("authority", "authority").der(authority.public, authority),
	}, leaf}
}

// testServer is the server side of a handshake, with ways to do it wrong.
type testServer struct {
	testIdentity
	group   uint16 // of the key share; groupX448 if 0
	retry   bool   // ask for group in a HelloRetryRequest
	cookie  []byte
	request bool // ask for a client certificate
	alpn    string

	// change may replace a message before it goes into the transcript and on the wire; nil leaves
	// it out.
	change func(typ uint8, message []byte) []byte
	// beforeFlight, if set, is called when the server's handshake keys are there.
	beforeFlight func(s *testSession)
	// stop ends the handshake after the message of this type.
	stop uint8
}

// testSession is the server's end of a connection.
type testSession struct {
	conn     net.Conn
	reader   recordReader
	writer   recordWriter
	messages messages

	hello      []byte // the last ClientHello, as a message
	finished   []byte // the client's verify_data
	transcript hash.Hash
}

var errStopped = errors.New("test server stopped")

// send sends a record.
func (s *testSession) send(typ recordType, content []byte) error {
	_, err := s.conn.Write(s.writer.appendRecord(nil, typ, content))
	return err
}

// receive returns the next handshake message.
func (s *testSession) receive() ([]byte, error) {
	for {
		if m, err := s.messages.next(); m != nil || err != nil {
			return m, err
		}
		typ, content, err := s.reader.next()
		if err != nil {
			return nil, err
		}
		switch typ {
		case recordHandshake:
			s.messages.add(content)
		case recordAlert:
			return nil, &AlertError{Alert(content[1])}
		default:
			return nil, fmt.Errorf("record of type %d", typ)
		}
	}
}

// handshake runs the server's side on conn.
func (srv *testServer) handshake(conn net.Conn) (*testSession, error) {
	s := &testSession{conn: conn, reader: newRecordReader(conn), transcript: sha256.New()}
	message := func(m []byte) error {
		if srv.change != nil {
			if m = srv.change(m[0], m); m == nil {
				return nil
			}
		}
		s.transcript.Write(m)
		if err := s.send(recordHandshake, m); err != nil {
			return err
		}
		if srv.stop != 0 && m[0] == srv.stop {
			return errStopped
		}
		return nil
	}
	hello, err := s.receive()
	if err != nil {
		return s, err
	}
	if srv.group == 0 {
		srv.group = groupX448
	}
	if srv.retry {
		first := sha256.Sum256(hello)
		s.transcript.Write([]byte{typeMessageHash, 0, 0, 32})
		s.transcript.Write(first[:])
		if err := message(srv.retryRequest(hello)); err != nil {
			return s, err
		}
		if hello, err = s.receive(); err != nil {
			return s, err
		}
	}
	s.hello = bytes.Clone(hello)
	s.transcript.Write(hello)
	public, shared, err := srv.share(clientShare(hello))
	if err != nil {
		return s, err
	}
	if err := message(srv.serverHello(hello, public)); err != nil {
		return s, err
	}
	secret := handshakeSecret(shared)
	clientSecret := expandLabel(secret, "c hs traffic", s.transcript.Sum(nil), 32)
	serverSecret := expandLabel(secret, "s hs traffic", s.transcript.Sum(nil), 32)
	s.writer.keys.set(bytes.Clone(serverSecret))
	if srv.beforeFlight != nil {
		srv.beforeFlight(s)
	}
	if err := srv.sendFlight(s, message, serverSecret); err != nil {
		return s, err
	}
	transcript := s.transcript.Sum(nil)
	s.reader.keys.set(bytes.Clone(clientSecret))
	if srv.request {
		m, err := s.receive()
		if err != nil {
			return s, err
		}
		if !bytes.Equal(m, []byte{typeCertificate, 0, 0, 4, 0, 0, 0, 0}) {
			return s, fmt.Errorf("client certificate %x", m)
		}
		s.transcript.Write(m)
	}
	m, err := s.receive()
	if err != nil {
		return s, err
	}
	s.finished = bytes.Clone(m[4:])
	if !hmac.Equal(s.finished, finishedMAC(clientSecret, s.transcript.Sum(nil))) {
		return s, errors.New("client's Finished is wrong")
	}
	s.transcript.Write(m)
	master := masterSecret(secret)
	s.reader.keys.set(expandLabel(master, "c ap traffic", transcript, 32))
	s.writer.keys.set(expandLabel(master, "s ap traffic", transcript, 32))
	s.reader.established = true
	return s, nil
}

func (srv *testServer) sendFlight(s *testSession, message func([]byte) error, serverSecret []byte) error {
	alpn := srv.alpn
	flight := []func() []byte{
		func() []byte {
			return marshalMessage(typeEncryptedExtensions, func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					if alpn != "" {
						b.AddUint16(extALPN)
						b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
							b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
								b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(alpn)) })
							})
						})
					}
				})
			})
		},
		func() []byte {
			if !srv.request {
				return nil
			}
			return certificateRequestMessage(nil)
		},
		func() []byte { return certificateMessage(srv.chain) },
		func() []byte {
			signature := srv.key.sign(signedTranscript(s.transcript.Sum(nil)))
			return marshalMessage(typeCertificateVerify, func(b *cryptobyte.Builder) {
				b.AddUint16(srv.key.scheme)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(signature) })
			})
		},
		func() []byte { return marshalFinished(finishedMAC(serverSecret, s.transcript.Sum(nil))) },
	}
	for _, f := range flight {
		if m := f(); m != nil {
			if err := message(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func certificateMessage(chain [][]byte) []byte {
	return marshalMessage(typeCertificate, func(b *cryptobyte.Builder) {
		b.AddUint8(0)
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, der := range chain {
				b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
				b.AddUint16(0)
			}
		})
	})
}

func certificateRequestMessage(context []byte) []byte {
	return marshalMessage(typeCertificateRequest, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(context) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(extSignatureAlgorithms)
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte{0, 2, 8, 7}) })
		})
	})
}

// Offsets in the hello of a client that offers an ALPN of len(alpn) bytes are found by parsing.
func clientExtensions(hello []byte) map[uint16]cryptobyte.String {
	s := cryptobyte.String(hello[4+2+32+1+32:])
	var suites, compression cryptobyte.String
	s.ReadUint16LengthPrefixed(&suites)
	s.ReadUint8LengthPrefixed(&compression)
	extensions, err := readExtensions(&s, "ClientHello")
	if err != nil {
		panic(err)
	}
	return extensions
}

func clientShare(hello []byte) (group uint16, share []byte) {
	s := clientExtensions(hello)[extKeyShare]
	var list, value cryptobyte.String
	s.ReadUint16LengthPrefixed(&list)
	list.ReadUint16(&group)
	list.ReadUint16LengthPrefixed(&value)
	return group, value
}

func (srv *testServer) share(group uint16, share []byte) (public, shared []byte, err error) {
	if group != srv.group {
		return nil, nil, fmt.Errorf("client's share is of group %#x, want %#x", group, srv.group)
	}
	if group == groupX448 {
		k, err := crypt.NewX448(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		secret, err := k.DH(crypt.X448Public(share))
		pub := k.Public()
		return pub[:], secret[:], err
	}
	k, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	secret, err := k.DH(crypt.X25519Public(share))
	pub := k.Public()
	return pub[:], secret[:], err
}

func serverHelloMessage(random, sessionID []byte, extensions func(add func(typ uint16, body []byte))) []byte {
	return marshalMessage(typeServerHello, func(b *cryptobyte.Builder) {
		b.AddUint16(version12)
		b.AddBytes(random)
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(sessionID) })
		b.AddUint16(suiteChaCha20Poly1305)
		b.AddUint8(0)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			extensions(func(typ uint16, body []byte) {
				b.AddUint16(typ)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(body) })
			})
		})
	})
}

func sessionIDOf(hello []byte) []byte { return hello[4+2+32+1:][:32] }

func (srv *testServer) serverHello(hello, public []byte) []byte {
	var random [32]byte
	rand.Read(random[:])
	return serverHelloMessage(random[:], sessionIDOf(hello), func(add func(uint16, []byte)) {
		add(extSupportedVersions, []byte{3, 4})
		add(extKeyShare, slices.Concat([]byte{byte(srv.group >> 8), byte(srv.group), 0, byte(len(public))}, public))
	})
}

func (srv *testServer) retryRequest(hello []byte) []byte {
	return serverHelloMessage(retryRandom[:], sessionIDOf(hello), func(add func(uint16, []byte)) {
		add(extSupportedVersions, []byte{3, 4})
		if srv.group == groupX25519 {
			add(extKeyShare, []byte{0, groupX25519})
		}
		if srv.cookie != nil {
			add(extCookie, slices.Concat([]byte{byte(len(srv.cookie) >> 8), byte(len(srv.cookie))}, srv.cookie))
		}
	})
}

// tcpPair returns both ends of a connection over loopback.
func tcpPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server = <-accepted; server == nil {
		t.Fatal("accept failed")
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func (srv *testServer) config() Config {
	return Config{ALPN: srv.alpn, Fingerprint: srv.fingerprint(), Time: func() time.Time { return testTime }}
}

// testTimeout is generous: nothing should ever take so long.
const testTimeout = time.Minute

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// result is how the server fared.
type result struct {
	session *testSession
	err     error
}

// serve runs the server's side in its own goroutine.
func (srv *testServer) serve(conn net.Conn) <-chan result {
	done := make(chan result, 1)
	go func() {
		s, err := srv.handshake(conn)
		done <- result{s, err}
	}()
	return done
}

// connect makes an established connection.
func (srv *testServer) connect(t testing.TB) (*Conn, *testSession) {
	t.Helper()
	client, server := tcpPair(t)
	done := srv.serve(server)
	c, err := Client(testContext(t), client, srv.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if !bytes.Equal(r.session.finished, c.ClientFinished()) {
		t.Fatal("the sides don't agree on the client's Finished")
	}
	return c, r.session
}
