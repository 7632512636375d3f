package xftp

//lint:file-ignore SA1019 the relay's end of HTTP/2 over a pipe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// A testRelay is a file relay in memory, which a test can make misbehave. Its connections are pipes
// without TLS.
type testRelay struct {
	t        testing.TB
	server   wire.Server
	identity []byte // certificate
	leaf     crypt.Ed25519Private
	key      crypt.X25519Private
	http     http2.Server

	mu     sync.Mutex
	chunks map[ID]*testChunk // by sender id
	ids    map[ID]*testID    // by recipient id
	log    []string          // types of commands
	conns  map[net.Conn]bool
	down   bool // refuses connections

	// What a test changes: before there are connections, or with change.
	versions wire.VersionRange
	alpn     string
	password string
	hello    func(*ServerHello)                                             // changes the hello
	raw      func(n int, w http.ResponseWriter, r *http.Request) bool       // answers the nth request
	before   func(cmd Command) Message                                      // answers instead, or nil
	respond  func(cmd Command, t *smp.Transmission, block []byte) []byte    // changes the block
	body     func(w http.ResponseWriter, r *http.Request, encrypted []byte) // sends a chunk instead

	serving sync.WaitGroup
}

type testChunk struct {
	cmd  FNew
	data []byte
	ids  []ID
}

type testID struct {
	key   crypt.AuthPublic
	chunk *testChunk
}

// testServer is the address of the nth relay.
func testServer(n byte) wire.Server {
	return wire.Server{
		Scheme: wire.XFTP, Hosts: []string{"relay" + string('a'+rune(n)) + ".example"},
		KeyHash: crypt.Fingerprint([]byte{n, 'i', 'd'}),
	}
}

func newTestRelay(t testing.TB, n byte) *testRelay {
	r := &testRelay{
		t: t, server: testServer(n), identity: []byte{n, 'i', 'd'}, leaf: crypt.Ed25519Private{n, 1}, key: crypt.X25519Private{n, 2},
		chunks: map[ID]*testChunk{}, ids: map[ID]*testID{}, conns: map[net.Conn]bool{}, versions: Versions, alpn: ALPN,
	}
	// Without it all servers share channels, also those of a synctest bubble.
	if err := http2.ConfigureServer(new(http.Server), &r.http); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.hangUp()
		r.serving.Wait()
	})
	return r
}

// newPool returns a pool that reaches some relays.
func newPool(t testing.TB, relays ...*testRelay) *Pool {
	p := NewPool(configOf(relays...))
	t.Cleanup(p.Close)
	return p
}

func configOf(relays ...*testRelay) Config {
	return Config{dial: func(_ context.Context, _ Config, server wire.Server) (*link, error) {
		for _, r := range relays {
			if r.server.String() == server.String() {
				return r.dial()
			}
		}
		return nil, &transport.DialError{Kind: transport.KindNotFound}
	}}
}

func (r *testRelay) dial() (*link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return nil, &transport.DialError{Kind: transport.KindRefused}
	}
	a, b := net.Pipe()
	session := make([]byte, 32)
	rand.Read(session)
	h := &testSession{relay: r, params: Params{Version: r.versions.Min, SessionID: session}}
	r.conns[b] = true
	r.serving.Go(func() { r.http.ServeConn(b, &http2.ServeConnOpts{Handler: h}) })
	cc, err := newHTTPTransport().NewClientConn(a)
	if err != nil {
		return nil, err
	}
	return &link{cc, a.Close, a.Close, r.server.Hosts[0], r.alpn, session, r.leaf.Public()}, nil
}

// change changes what the relay does while it may be doing something.
func (r *testRelay) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// hangUp ends all connections.
func (r *testRelay) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
}

func (r *testRelay) setDown(down bool) {
	r.mu.Lock()
	r.down = down
	r.mu.Unlock()
	if down {
		r.hangUp()
	}
}

// count tells how often a command came.
func (r *testRelay) count(name string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.log {
		if l == name {
			n++
		}
	}
	return n
}

// testSession serves a connection.
type testSession struct {
	relay    *testRelay
	params   Params
	mu       sync.Mutex
	requests int
}

func (s *testSession) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	r := s.relay
	r.mu.Lock()
	raw, respond, send := r.raw, r.respond, r.body
	r.mu.Unlock()
	if raw != nil && raw(n, w, req) {
		return
	}
	if req.Method != http.MethodPost || req.URL.Path != "/" || len(req.Header) > 0 && req.Header.Get("Content-Length") != "0" {
		r.t.Errorf("a request %s %s with headers %v", req.Method, req.URL.Path, req.Header)
	}
	if r.alpn != "" && n <= 2 {
		s.handshake(n, w, req)
		return
	}
	block := make([]byte, BlockSize)
	if _, err := io.ReadFull(req.Body, block); err != nil {
		return // the client is gone
	}
	t, err := s.params.ParseBlock(block)
	if err != nil {
		r.t.Errorf("a block of the client: %v", err)
		return
	}
	cmd, err := ParseCommand(s.params.Version, t.Body)
	if err != nil {
		r.t.Errorf("a command of the client: %v", err)
		return
	}
	if err := CheckCredentials(cmd, &t); err != nil {
		r.t.Errorf("%T: %v", cmd, err)
	}
	m, data := r.execute(s.params, cmd, &t, req.Body)
	entity := t.Entity
	switch m.(type) {
	case SIDs, Pong:
		entity = nil
	}
	answer := smp.Transmission{CorrID: t.CorrID, Entity: entity, Body: m.Append(nil, s.params.Version)}
	block, err = s.params.AppendBlock(nil, &answer)
	if err != nil {
		r.t.Errorf("an answer: %v", err)
	}
	if respond != nil {
		block = respond(cmd, &answer, block)
	}
	w.Write(block)
	if data == nil {
		return
	}
	if send != nil {
		w.(http.Flusher).Flush()
		send(w, req, data)
		return
	}
	w.Write(data)
}

func (s *testSession) handshake(n int, w http.ResponseWriter, req *http.Request) {
	r := s.relay
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if n == 1 {
		if len(body) != 0 {
			r.t.Errorf("the first request has %d bytes", len(body))
		}
		hello := ServerHello{
			Versions: r.versions, SessionID: s.params.SessionID, Chain: [][]byte{[]byte("leaf"), r.identity},
			SignedKey: crypt.AppendSignedKey(nil, r.key.Public(), &r.leaf),
		}
		if r.hello != nil {
			r.hello(&hello)
		}
		block, err := hello.AppendBlock(nil)
		if err != nil {
			r.t.Error(err)
		}
		w.Write(block)
		return
	}
	hello, err := ParseClientHello(body)
	if err != nil || hello.KeyHash != r.server.KeyHash || !r.versions.Contains(hello.Version) {
		w.Write(AppendHandshakeError(nil, ErrHandshake))
		return
	}
	s.params.Version = hello.Version
}

// execute does a command; data is the body of a File.
func (r *testRelay) execute(p Params, cmd Command, t *smp.Transmission, body io.Reader) (m Message, data []byte) {
	r.mu.Lock()
	name, _, _ := bytes.Cut(t.Body, []byte{' '})
	r.log = append(r.log, string(name))
	before := r.before
	r.mu.Unlock()
	if before != nil {
		if m := before(cmd); m != nil {
			return m, nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := ID(t.Entity)
	verify := func(key crypt.AuthPublic) bool { return t.Verify(nil, p.AppendSigned(nil, t), &r.key, key) }
	chunk := r.chunks[id]
	switch c := cmd.(type) {
	case Ping:
		return Pong{}, nil
	case FNew:
		if !verify(c.Sender) || c.Password != r.password {
			return ErrAuth, nil
		}
		if !slices.Contains(ChunkSizes[:], c.Size) {
			return ErrSize, nil
		}
		sender, _ := NewID(rand.Reader)
		c.Digest = bytes.Clone(c.Digest)
		chunk = &testChunk{cmd: c}
		r.chunks[sender] = chunk
		return SIDs{sender, r.addIDs(chunk, c.Recipients)}, nil
	case FGet, FAck:
		rcv := r.ids[id]
		if rcv == nil || !verify(rcv.key) {
			return ErrAuth, nil
		}
		get, ok := c.(FGet)
		if !ok {
			delete(r.ids, id)
			return OK{}, nil
		}
		if rcv.chunk.data == nil {
			return ErrNoFile, nil
		}
		return r.seal(get, rcv.chunk.data)
	}
	if chunk == nil || !verify(chunk.cmd.Sender) {
		return ErrAuth, nil
	}
	switch c := cmd.(type) {
	case FAdd:
		return RIDs{r.addIDs(chunk, c.Recipients)}, nil
	case FDel:
		for _, id := range chunk.ids {
			delete(r.ids, id)
		}
		delete(r.chunks, id)
		return OK{}, nil
	}
	r.mu.Unlock()
	data, err := io.ReadAll(body)
	r.mu.Lock()
	switch sum := sha256.Sum256(data); {
	case err != nil:
		return ErrTimedOut, nil
	case len(data) != int(chunk.cmd.Size):
		return ErrSize, nil
	case chunk.data != nil:
		return OK{}, nil
	case !bytes.Equal(sum[:], chunk.cmd.Digest):
		return ErrDigest, nil
	}
	chunk.data = data
	return OK{}, nil
}

func (r *testRelay) addIDs(chunk *testChunk, keys []crypt.AuthPublic) (ids []ID) {
	for _, k := range keys {
		id, _ := NewID(rand.Reader)
		r.ids[id] = &testID{k, chunk}
		ids = append(ids, id)
	}
	chunk.ids = append(chunk.ids, ids...)
	return ids
}

func (r *testRelay) seal(c FGet, data []byte) (Message, []byte) {
	private, _ := crypt.NewX25519(rand.Reader)
	nonce, _ := crypt.NewNonce(rand.Reader)
	secret, err := private.DH(c.Key)
	if err != nil {
		return ErrCrypto, nil
	}
	key := secret.BoxKey()
	s := key.Stream(nonce)
	data = bytes.Clone(data)
	s.Seal(data)
	return File{private.Public(), nonce}, s.AppendTag(data)
}

// stored returns how many chunks are uploaded.
func (r *testRelay) stored() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.chunks {
		if c.data != nil {
			n++
		}
	}
	return n
}

// connect returns a client of the relay.
func (r *testRelay) connect(t testing.TB) *Client {
	t.Helper()
	c, err := Connect(context.Background(), configOf(r), r.server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var errTest = errors.New("test")
