package tls13

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/crypt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// offsets of the random fields in a record with a ClientHello
const (
	helloRandom    = 5 + 4 + 2
	helloSessionID = helloRandom + 32 + 1
)

type helloVectors struct {
	SMP  []string
	XFTP []string
}

func readVectors(t testing.TB) map[string][][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/tls_client_hello.json")
	if err != nil {
		t.Fatal(err)
	}
	var v helloVectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	records := make(map[string][][]byte)
	for alpn, list := range map[string][]string{"smp/1": v.SMP, "xftp/1": v.XFTP} {
		for _, s := range list {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			records[alpn] = append(records[alpn], b)
		}
		if len(records[alpn]) == 0 {
			t.Fatalf("no vectors for %s", alpn)
		}
	}
	return records
}

// scriptConn is a connection on which the server's bytes are known before.
type scriptConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *scriptConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *scriptConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

func TestClientHelloVectors(t *testing.T) {
	for alpn, records := range readVectors(t) {
		for _, want := range records {
			group, share := clientShare(want[5:])
			h := clientHello{
				random:    [32]byte(want[helloRandom:]),
				sessionID: [32]byte(want[helloSessionID:]),
				alpn:      alpn, group: group, share: share,
			}
			if got := h.marshal(); !bytes.Equal(got, want[5:]) {
				t.Errorf("%s: hello\n%x, want\n%x", alpn, got, want[5:])
			}

			// What a client really sends first: the same record but for the random fields.
			conn := &scriptConn{in: bytes.NewReader(nil)}
			if _, err := Client(context.Background(), conn, Config{ALPN: alpn}); !errors.Is(err, ErrTruncated) {
				t.Fatalf("without a server: %v", err)
			}
			got := conn.out.Bytes()
			if len(got) != len(want) {
				t.Fatalf("%s: first record has %d bytes, want %d", alpn, len(got), len(want))
			}
			at := bytes.Index(want, share)
			for _, b := range [][]byte{got, want} {
				clear(b[helloRandom:][:32])
				clear(b[helloSessionID:][:32])
				clear(b[at:][:len(share)])
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: first record\n%x, want\n%x", alpn, got, want)
			}
		}
	}
}

func TestHelloIsFresh(t *testing.T) {
	var seen [][]byte
	for range 2 {
		conn := &scriptConn{in: bytes.NewReader(nil)}
		Client(context.Background(), conn, Config{ALPN: "smp/1"})
		out := conn.out.Bytes()
		_, share := clientShare(out[5:])
		for _, b := range [][]byte{out[helloRandom:][:32], out[helloSessionID:][:32], share} {
			if slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, b) }) {
				t.Fatal("random field used again")
			}
			seen = append(seen, b)
		}
	}
}

// TestKeySchedule compares with the trace of RFC 8448 §3.
func TestKeySchedule(t *testing.T) {
	shared := unhex(t, "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
	secret := handshakeSecret(shared)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"handshake secret", secret, "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"},
		{"master secret", masterSecret(secret), "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"},
		{"client traffic secret", expandLabel(secret, "c hs traffic",
			unhex(t, "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8"), 32),
			"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s is %x, want %x", c.name, c.got, want)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHandshake(t *testing.T) {
	ed25519, ed448 := newIdentity(t, newEd25519), newIdentity(t, newEd448)
	for name, srv := range map[string]*testServer{
		"Ed25519, X448":             {testIdentity: ed25519, alpn: "smp/1"},
		"Ed448, X448":               {testIdentity: ed448, alpn: "smp/1"},
		"Ed448, retry with X25519":  {testIdentity: ed448, alpn: "xftp/1", group: groupX25519, retry: true},
		"retry with X25519, cookie": {testIdentity: ed25519, alpn: "smp/1", group: groupX25519, retry: true, cookie: []byte("cookie")},
		"retry with only a cookie":  {testIdentity: ed25519, alpn: "smp/1", retry: true, cookie: bytes.Repeat([]byte("c"), 1000)},
		"certificate request":       {testIdentity: ed25519, alpn: "smp/1", request: true},
		"no ALPN":                   {testIdentity: ed25519},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := srv.connect(t)
			if c.ALPN() != srv.alpn {
				t.Errorf("ALPN %q, want %q", c.ALPN(), srv.alpn)
			}
			if !slices.EqualFunc(c.ServerChain(), srv.chain, bytes.Equal) {
				t.Error("another chain")
			}
			if !bytes.Equal(c.ServerKey().DER(), srv.key.public.DER()) {
				t.Error("another server key")
			}
			if cookie := clientExtensions(s.hello)[extCookie]; srv.cookie == nil != (cookie == nil) || cookie != nil && !bytes.Equal(cookie[2:], srv.cookie) {
				t.Errorf("cookie %x, want %x", cookie, srv.cookie)
			}
			if _, err := c.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			if typ, content, err := s.reader.next(); err != nil || typ != recordApplicationData || string(content) != "ping" {
				t.Fatalf("server received %d %q, %v", typ, content, err)
			}
			if err := s.send(recordApplicationData, []byte("pong")); err != nil {
				t.Fatal(err)
			}
			var buf [4]byte
			if _, err := io.ReadFull(c, buf[:]); err != nil || string(buf[:]) != "pong" {
				t.Fatalf("client received %q, %v", buf, err)
			}
		})
	}
}

// TestSecondHello checks that the second hello differs from the first only as it may.
func TestSecondHello(t *testing.T) {
	srv := &testServer{testIdentity: newIdentity(t, newEd25519), alpn: "smp/1", group: groupX25519, retry: true, cookie: []byte{1, 2, 3}}
	client, server := tcpPair(t)
	recorder := &recordingConn{Conn: client}
	done := srv.serve(server)
	c, err := Client(testContext(t), recorder, srv.config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	first := recorder.writes[0][5:]
	h := clientHello{
		random: [32]byte(first[6:]), sessionID: [32]byte(sessionIDOf(first)), alpn: "smp/1",
		group: groupX25519, cookie: []byte{1, 2, 3},
	}
	_, h.share = clientShare(r.session.hello)
	if got := h.marshal(); !bytes.Equal(got, r.session.hello) {
		t.Errorf("second hello\n%x, want\n%x", r.session.hello, got)
	}
	// The reference client writes the same records: hello, change_cipher_spec, hello, Finished.
	wantHeaders := []string{"160301", "140303000101", "160303", "170303"}
	if len(recorder.writes) != len(wantHeaders) {
		t.Fatalf("%d writes, want %d", len(recorder.writes), len(wantHeaders))
	}
	for i, want := range wantHeaders {
		if !bytes.HasPrefix(recorder.writes[i], unhex(t, want)) {
			t.Errorf("write %d begins with %x, want %s", i, recorder.writes[i][:6], want)
		}
	}
}

// recordingConn keeps what is written to it.
type recordingConn struct {
	net.Conn
	writes [][]byte
}

func (c *recordingConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return c.Conn.Write(p)
}

func TestRefusedKey(t *testing.T) {
	// A certificate with a key for key agreement in place of one for signatures.
	authority, leaf := newEd25519(t), newEd25519(t)
	x25519, err := crypt.NewX25519(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	srv := &testServer{alpn: "smp/1", testIdentity: testIdentity{[][]byte{
		leafCert().der(x25519.Public(), authority),
		authorityCert("authority", "authority").der(authority.public, authority),
	}, leaf}}
	client, server := tcpPair(t)
	done := srv.serve(server)
	if _, err := Client(testContext(t), client, srv.config()); err == nil {
		t.Error("handshake succeeded")
	}
	<-done
}

func TestLongChains(t *testing.T) {
	leaf, identity, middle, root := newEd25519(t), newEd448(t), newEd25519(t), newEd448(t)
	for _, chain := range [][][]byte{
		{
			leafCert().der(leaf.public, identity),
			authorityCert("authority", "root").der(identity.public, root),
			authorityCert("root", "root").der(root.public, root),
		},
		{
			leafCert().der(leaf.public, identity),
			authorityCert("authority", "middle").der(identity.public, middle),
			authorityCert("middle", "root").der(middle.public, root),
			authorityCert("root", "root").der(root.public, root),
		},
	} {
		srv := &testServer{testIdentity: testIdentity{chain, leaf}, alpn: "smp/1"}
		srv.connect(t)
	}
}
