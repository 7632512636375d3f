package files

//lint:file-ignore SA1019 net/http speaks HTTP/2 only where ALPN says h2, or without TLS

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// patience is how long a test waits for something that must happen.
const patience = relaytest.Patience

func TestMain(m *testing.M) {
	relaytest.Child(func(dir string, l net.Listener) error {
		return must(Open(dir, Config{})).Serve(context.Background(), l)
	})
	goleak.VerifyTestMain(m)
}

func must[T any](v T, err error) T { return relaytest.Must(v, err) }

// waitUntil waits for a condition that the server's signal is about.
func (s *testServer) waitUntil(t testing.TB, what string, ok func() bool) {
	t.Helper()
	relaytest.WaitUntil(t, what, &s.changed, ok)
}

// waitForConnections waits until as many are open.
func (s *testServer) waitForConnections(t testing.TB, n int) {
	t.Helper()
	gate := &s.front.Gate
	relaytest.WaitUntil(t, "connections to end", &gate.Changed, func() bool { return gate.Open() == n })
}

// testServer is a server that listens on a loopback address.
type testServer struct {
	*Server
	dir, addr string
	stop      func()
}

// newFolder makes the folder of a relay.
func newFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := relay.Init(dir, relay.Settings{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func startServer(t testing.TB, config Config) *testServer {
	t.Helper()
	return startIn(t, newFolder(t), config)
}

func startIn(t testing.TB, dir string, config Config) *testServer {
	t.Helper()
	s, err := Open(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	ts := &testServer{Server: s, dir: dir, addr: l.Addr().String()}
	ts.stop = sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	t.Cleanup(ts.stop)
	return ts
}

// A peer is a client for tests. Its calls end the test if the connection fails.
type peer struct {
	t        testing.TB
	tls      *tls.Conn
	http     *http2.ClientConn
	params   xftp.Params
	hello    *xftp.ServerHello
	relayKey *crypt.X25519Public
}

// dialTLS connects and returns the id of the session.
func dialTLS(addr string, protocols []string, tlsVersion uint16) (*tls.Conn, []byte, error) {
	return relaytest.Client{Protocols: protocols, Version: tlsVersion}.Dial(addr)
}

// connect connects without the handshake of the protocol.
func (s *testServer) connect(t testing.TB, protocols []string, tlsVersion uint16) *peer {
	t.Helper()
	p, err := connect(s.addr, protocols, tlsVersion)
	if err != nil {
		t.Fatal(err)
	}
	p.t = t
	t.Cleanup(p.close)
	return p
}

func connect(addr string, protocols []string, tlsVersion uint16) (*peer, error) {
	conn, id, err := dialTLS(addr, protocols, tlsVersion)
	if err != nil {
		return nil, err
	}
	h := &http2.Transport{AllowHTTP: true, DisableCompression: true, StrictMaxConcurrentStreams: true}
	cc, err := h.NewClientConn(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &peer{tls: conn, http: cc, params: xftp.Params{Version: 1, SessionID: id}}, nil
}

func (p *peer) close() {
	p.tls.NetConn().Close()
	p.http.Close()
}

// dial connects with a version and does the handshake.
func (s *testServer) dial(t testing.TB, version uint16) *peer {
	t.Helper()
	p := s.connect(t, []string{"xftp/1"}, 0)
	if err := p.handshake(version, s.identity); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *peer) handshake(version uint16, id *front.Identity) error {
	answer, err := p.try(nil)
	if err != nil {
		return err
	}
	if p.hello, err = xftp.ParseServerHello(answer); err != nil {
		return err
	}
	if !bytes.Equal(p.hello.SessionID, p.params.SessionID) {
		return errors.New("the two sides have different session ids")
	}
	leaf, err := crypt.ParseEd25519(p.tls.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	if err != nil {
		return err
	}
	k, err := crypt.OpenSignedKey(p.hello.SignedKey, leaf)
	if err != nil {
		return err
	}
	key := k.(crypt.X25519Public)
	p.relayKey = &key
	p.params.Version = version
	answer, err = p.try((&xftp.ClientHello{Version: version, KeyHash: id.Hash}).AppendBlock(nil))
	if err != nil {
		return err
	}
	return xftp.ParseHandshakeAnswer(answer)
}

// try sends a request with the parts of a body and returns the whole body of the answer.
func (p *peer) try(parts ...[]byte) ([]byte, error) {
	body := bytes.Join(parts, nil)
	return p.tryBody(bytes.NewReader(body))
}

func (p *peer) tryBody(body io.Reader) ([]byte, error) {
	answer, err := p.request(body)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// request sends a request. The answer has no header but the status.
func (p *peer) request(body io.Reader) (*http.Response, error) {
	req := must(http.NewRequest(http.MethodPost, "https://relay.example/", struct{ io.Reader }{body}))
	answer, err := p.http.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	delete(answer.Header, "Content-Length")
	if answer.StatusCode != http.StatusOK || len(answer.Header) > 0 {
		answer.Body.Close()
		return nil, fmt.Errorf("status %d, headers %v", answer.StatusCode, answer.Header)
	}
	return answer, nil
}

// block makes the block of a command; key may be nil.
func (p *peer) block(cmd xftp.Command, entity xftp.ID, key smp.AuthKey) []byte {
	corrID := make([]byte, smp.CorrIDSize)
	rand.Read(corrID)
	t := smp.Transmission{CorrID: corrID, Entity: []byte(entity), Body: cmd.Append(nil, p.params.Version)}
	return p.blockOf(t, key)
}

func (p *peer) blockOf(t smp.Transmission, key smp.AuthKey) []byte {
	if key != nil {
		if err := p.params.Authorize(&t, key, p.relayKey); err != nil {
			panic(err)
		}
	}
	return must(p.params.AppendBlock(nil, &t))
}

// answer reads the block of an answer and what follows it.
func (p *peer) answer(body []byte) (xftp.Message, smp.Transmission, []byte, error) {
	n := min(len(body), xftp.BlockSize)
	t, err := p.params.ParseBlock(body[:n])
	if err != nil {
		return nil, t, nil, err
	}
	m, err := xftp.ParseMessage(p.params.Version, t.Body)
	return m, t, body[n:], err
}

// do sends a command with what follows it, and returns the answer and what follows that.
func (p *peer) do(cmd xftp.Command, entity xftp.ID, key smp.AuthKey, chunk ...[]byte) (xftp.Message, []byte) {
	p.t.Helper()
	m, rest, err := p.tryDo(cmd, entity, key, chunk...)
	if err != nil {
		p.t.Fatalf("%T: %v", cmd, err)
	}
	return m, rest
}

func (p *peer) tryDo(cmd xftp.Command, entity xftp.ID, key smp.AuthKey, chunk ...[]byte) (xftp.Message, []byte, error) {
	body, err := p.try(append([][]byte{p.block(cmd, entity, key)}, chunk...)...)
	if err != nil {
		return nil, nil, err
	}
	m, t, rest, err := p.answer(body)
	if err != nil {
		return nil, nil, err
	}
	switch m.(type) {
	case xftp.SIDs, xftp.Pong:
		entity = ""
	}
	if string(t.Entity) != string(entity) || len(t.CorrID) != smp.CorrIDSize {
		return nil, nil, fmt.Errorf("the answer %v has another entity or correlation id", m)
	}
	return m, rest, nil
}

// want does a command and checks the answer.
func (p *peer) want(want xftp.Message, cmd xftp.Command, entity xftp.ID, key smp.AuthKey, chunk ...[]byte) {
	p.t.Helper()
	got, _ := p.do(cmd, entity, key, chunk...)
	p.same(want, got)
}

func (p *peer) same(want, got xftp.Message) {
	p.t.Helper()
	encode := func(m xftp.Message) string { return string(m.Append(nil, p.params.Version)) }
	if w, g := encode(want), encode(got); w != g {
		p.t.Fatalf("version %d: the answer is %.40q instead of %.40q", p.params.Version, g, w)
	}
}

// authKey is a key pair for authorizing.
type authKey struct {
	private smp.AuthKey
	public  crypt.AuthPublic
}

func ed25519Key() authKey {
	k := must(crypt.NewEd25519(rand.Reader))
	return authKey{&k, k.Public()}
}

func ed448Key() authKey {
	var k crypt.Ed448Private
	rand.Read(k[:])
	return authKey{&k, k.Public()}
}

func x25519Key() authKey {
	k := must(crypt.NewX25519(rand.Reader))
	return authKey{&k, k.Public()}
}

func newX25519() *crypt.X25519Private {
	k := must(crypt.NewX25519(rand.Reader))
	return &k
}

// testChunk is a chunk as its sender and its recipients know it.
type testChunk struct {
	xftp.SIDs
	sender     authKey
	recipients []authKey
	bytes      []byte
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// newChunk makes a chunk that the server doesn't know.
func newChunk(size int, recipients int) *testChunk {
	c := &testChunk{sender: ed25519Key(), bytes: randomBytes(size)}
	for range recipients {
		c.recipients = append(c.recipients, ed25519Key())
	}
	return c
}

// command registers the chunk.
func (c *testChunk) command() xftp.FNew {
	sum := sha256.Sum256(c.bytes)
	cmd := xftp.FNew{Sender: c.sender.public, Size: uint32(len(c.bytes)), Digest: sum[:]}
	for _, r := range c.recipients {
		cmd.Recipients = append(cmd.Recipients, r.public)
	}
	return cmd
}

// register registers a chunk of a size.
func (p *peer) register(size int, recipients int) *testChunk {
	p.t.Helper()
	c := newChunk(size, recipients)
	p.registerChunk(c)
	return c
}

func (p *peer) registerChunk(c *testChunk) {
	p.t.Helper()
	m, _ := p.do(c.command(), "", c.sender.private)
	ids, ok := m.(xftp.SIDs)
	if !ok || len(ids.Recipients) != len(c.recipients) {
		p.t.Fatalf("version %d: the answer to FNEW is %v", p.params.Version, m)
	}
	c.SIDs = ids
}

// store registers and uploads a chunk.
func (p *peer) store(size int, recipients int) *testChunk {
	p.t.Helper()
	c := p.register(size, recipients)
	p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
	return c
}

// get downloads a chunk as one of its recipients and checks it.
func (p *peer) get(c *testChunk, recipient int) {
	p.t.Helper()
	own := newX25519()
	m, body := p.do(xftp.FGet{Key: own.Public()}, c.Recipients[recipient], c.recipients[recipient].private)
	f, ok := m.(xftp.File)
	if !ok {
		p.t.Fatalf("the answer to FGET is %v", m)
	}
	if err := openBox(own, f, body, c.bytes); err != nil {
		p.t.Fatal(err)
	}
}

// openBox checks that a download is the box of a chunk.
func openBox(own *crypt.X25519Private, f xftp.File, body, chunk []byte) error {
	if len(body) != len(chunk)+xftp.TagSize {
		return fmt.Errorf("the download has %d bytes", len(body))
	}
	secret, err := own.DH(f.Key)
	if err != nil {
		return err
	}
	// The tag stands first in the usual form of a box.
	box := append(bytes.Clone(body[len(chunk):]), body[:len(chunk)]...)
	plain, err := secret.OpenNoPad(f.Nonce, box)
	if err != nil {
		return err
	}
	if !bytes.Equal(plain, chunk) {
		return errors.New("the download is another chunk")
	}
	return nil
}

// wantUsed checks the quota counter.
func (s *testServer) wantUsed(files int, used int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files != files || s.used != used {
		panic(fmt.Sprintf("%d chunks and %d bytes are counted instead of %d and %d", s.files, s.used, files, used))
	}
}

func transmission(command, entity, auth []byte) smp.Transmission {
	return smp.Transmission{CorrID: []byte{}, Entity: entity, Auth: auth, Body: command}
}

// padded is a block with a content.
func padded(content []byte) ([]byte, error) {
	return wire.AppendPadded(nil, content, xftp.BlockSize)
}
