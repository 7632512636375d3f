package transport

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/accept"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is generous: nothing should ever take so long.
const testTimeout = time.Minute

// testRelay is a TLS server of the standard library.
type testRelay struct {
	host, port  string
	fingerprint [32]byte
	accepted    chan *tls.Conn // after the handshake
}

// newCertificate makes a chain as relays have it.
func newCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	parse := func(der []byte, err error) *x509.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	authorityPublic, authorityKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leafPublic, leafKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authority := parse(x509.CreateCertificate(rand.Reader, template, template, authorityPublic, authorityKey))
	template.Subject.CommonName, template.IsCA, template.KeyUsage = "relay", false, x509.KeyUsageDigitalSignature
	leaf := parse(x509.CreateCertificate(rand.Reader, template, authority, leafPublic, authorityKey))
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, authority.Raw}, PrivateKey: leafKey}
}

func newRelay(t testing.TB) *testRelay {
	t.Helper()
	certificate := newCertificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &testRelay{fingerprint: crypt.Fingerprint(certificate.Certificate[1]), accepted: make(chan *tls.Conn, 16)}
	r.host, r.port, _ = net.SplitHostPort(l.Addr().String())
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"smp/1", "h2"}, MinVersion: tls.VersionTLS13}
	accept.Each(t, l, func(conn net.Conn) {
		c := tls.Server(conn, config)
		if c.Handshake() == nil {
			r.accepted <- c
		}
	})
	return r
}

// socksServer is a proxy that connects everything to one relay.
type socksServer struct {
	address string
	relay   *testRelay

	// What the clients asked for.
	mu       sync.Mutex
	requests []socksRequest

	reply byte // what to answer to the request; 0 connects

	// answer may answer the client's message of this number, from 1, in its own way and end the
	// connection; it returns false if it does not.
	answer func(conn net.Conn, step int) bool
}

type socksRequest struct {
	user, password string
	kind           byte
	host           string
	port           uint16
}

func newSOCKS(t testing.TB, network, address string, relay *testRelay) *socksServer {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &socksServer{address: l.Addr().String(), relay: relay}
	accept.Each(t, l, s.handle)
	return s
}

func (s *socksServer) handle(conn net.Conn) {
	defer conn.Close()
	var request socksRequest
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(conn, b)
		return b
	}
	short := func() string { return string(read(int(read(1)[0]))) }
	method := read(3)[2]
	if s.answer != nil && s.answer(conn, 1) {
		return
	}
	conn.Write([]byte{5, method})
	if method == 2 {
		read(1)
		request.user, request.password = short(), short()
		if s.answer != nil && s.answer(conn, 2) {
			return
		}
		conn.Write([]byte{1, 0})
	}
	request.kind = read(4)[3]
	switch request.kind {
	case 1:
		request.host = net.IP(read(4)).String()
	case 3:
		request.host = short()
	case 4:
		request.host = net.IP(read(16)).String()
	}
	port := read(2)
	request.port = uint16(port[0])<<8 | uint16(port[1])
	s.mu.Lock()
	s.requests = append(s.requests, request)
	s.mu.Unlock()
	if s.answer != nil && s.answer(conn, 3) {
		return
	}
	if s.reply != 0 {
		conn.Write([]byte{5, s.reply, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	relay, err := net.Dial("tcp", net.JoinHostPort(s.relay.host, s.relay.port))
	if err != nil {
		return
	}
	defer relay.Close()
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(relay, conn)
		relay.Close()
	})
	io.Copy(conn, relay)
	conn.Close()
	wg.Wait()
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// asDialError returns the *DialError of err.
func asDialError(t *testing.T, err error) *DialError {
	t.Helper()
	var e *DialError
	if !errors.As(err, &e) {
		t.Fatalf("error %v is not a *DialError", err)
	}
	return e
}
