package relay

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// patience is how long a test waits for something that must happen.
const patience = relaytest.Patience

func TestMain(m *testing.M) {
	relaytest.Child(func(dir string, l net.Listener) error {
		return must(Open(dir, Config{Quota: 1 << 20, Dial: dialLoopback})).Serve(context.Background(), l)
	})
	goleak.VerifyTestMain(m)
}

func must[T any](v T, err error) T { return relaytest.Must(v, err) }

// waitForConnections waits until as many are open.
func (s *server) waitForConnections(t testing.TB, n int) {
	t.Helper()
	gate := &s.front.Gate
	relaytest.WaitUntil(t, "connections to end", &gate.Changed, func() bool { return gate.Open() == n })
}

// server is a relay that listens on a loopback address.
type server struct {
	*Relay
	dir, addr string
	stop      func()
}

func startRelay(t testing.TB, config Config) *server {
	t.Helper()
	dir := t.TempDir()
	if _, err := Init(dir, Settings{}); err != nil {
		t.Fatal(err)
	}
	return startIn(t, dir, config)
}

func startIn(t testing.TB, dir string, config Config) *server {
	t.Helper()
	return startAt(t, dir, "127.0.0.1:0", config)
}

// startAt starts the relay of a folder at an address.
func startAt(t testing.TB, dir, addr string, config Config) *server {
	t.Helper()
	r, err := Open(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(context.Background(), l) }()
	s := &server{Relay: r, dir: dir, addr: l.Addr().String()}
	s.stop = sync.OnceFunc(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// peer is a client for tests: every call either succeeds or ends the test.
type peer struct {
	t        testing.TB
	net      *tls.Conn
	hello    *smp.ServerHello
	params   smp.Params
	relayKey *crypt.X25519Public
	service  *smp.ServiceAnswer // to the hello of a service
	secret   *crypt.Secret
	out, in  *crypt.BlockChain
	unread   []smp.Transmission
	events   []smp.Transmission
}

type dialOptions struct {
	version    uint16
	tlsVersion uint16 // 0 for 1.3
	protocols  []string
	noKey      bool
	proxy      bool
	// certificate is shown if the relay asks for it.
	certificate *tls.Certificate
	plainHello  func(*smp.ClientHello)
}

func dialTLS(addr string, o dialOptions) (*tls.Conn, []byte, error) {
	c, id, err := relaytest.Client{Protocols: o.protocols, Version: o.tlsVersion, Certificate: o.certificate}.Dial(addr)
	if err == nil {
		c.SetDeadline(time.Now().Add(patience))
	}
	return c, id, err
}

// dial connects with version; the defaults are TLS 1.3, ALPN smp/1 and a session key.
func (s *server) dial(t testing.TB, version uint16) *peer {
	t.Helper()
	return s.dialWith(t, dialOptions{version: version, protocols: []string{"smp/1"}})
}

func (s *server) dialWith(t testing.TB, o dialOptions) *peer {
	t.Helper()
	conn, id, err := dialTLS(s.addr, o)
	if err != nil {
		t.Fatal(err)
	}
	socket := relaytest.Socket(conn)
	t.Cleanup(func() { socket.Close() })
	p := &peer{t: t, net: conn, params: smp.Params{Version: o.version, SessionID: id}}
	hello, err := smp.ParseServerHello(p.readContent())
	if err != nil {
		t.Fatal(err)
	}
	if string(hello.SessionID) != string(id) {
		t.Fatal("the two sides have different session ids")
	}
	p.hello = hello
	client := smp.ClientHello{Version: o.version, KeyHash: s.identity.Hash, Proxy: o.proxy}
	if hello.Versions.Max >= 7 {
		leaf, err := crypt.ParseEd25519(spkiOf(t, hello.Chain[0]))
		if err != nil {
			t.Fatal(err)
		}
		k, err := crypt.OpenSignedKey(hello.SignedKey, leaf)
		if err != nil {
			t.Fatal(err)
		}
		relayKey := k.(crypt.X25519Public)
		p.relayKey = &relayKey
		if !o.noKey {
			own := must(crypt.NewX25519(rand.Reader))
			public := own.Public()
			client.Key = &public
			secret := must(own.DH(relayKey))
			p.secret = &secret
		}
	}
	if o.plainHello != nil {
		o.plainHello(&client)
	}
	p.writeContent(client.Append(nil))
	if client.Service != nil && o.certificate != nil {
		if p.service, err = smp.ParseServiceAnswer(p.readContent()); err != nil {
			t.Fatal(err)
		}
	}
	if o.version >= 11 && p.secret != nil && !o.proxy {
		p.in, p.out = crypt.NewBlockChains(id, p.secret)
	}
	return p
}

func (p *peer) writeContent(content []byte) {
	p.t.Helper()
	if err := p.tryWriteContent(content); err != nil {
		p.t.Fatalf("writing a block: %v", err)
	}
}

func (p *peer) tryWriteContent(content []byte) (err error) {
	var block []byte
	if p.out != nil {
		block, err = p.out.Seal(nil, content)
	} else {
		block, err = wire.AppendPadded(nil, content, crypt.BlockSize)
	}
	if err == nil {
		_, err = p.net.Write(block)
	}
	return err
}

func (p *peer) tryReadContent() ([]byte, error) {
	block := make([]byte, crypt.BlockSize)
	if _, err := io.ReadFull(p.net, block); err != nil {
		return nil, err
	}
	if p.in != nil {
		return p.in.Open(block)
	}
	return wire.Unpad(block)
}

func (p *peer) readContent() []byte {
	p.t.Helper()
	content, err := p.tryReadContent()
	if err != nil {
		p.t.Fatalf("reading a block: %v", err)
	}
	return content
}

// closed waits until the relay closes the connection.
func (p *peer) closed() {
	p.t.Helper()
	for {
		if _, err := p.tryReadContent(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				p.t.Fatal("the relay keeps the connection")
			}
			return
		}
	}
}

// next returns the next transmission from the relay.
func (p *peer) next() smp.Transmission {
	p.t.Helper()
	t, err := p.tryNext()
	if err != nil {
		p.t.Fatalf("reading a transmission: %v", err)
	}
	return t
}

func (p *peer) tryNext() (t smp.Transmission, err error) {
	for len(p.unread) == 0 {
		content, err := p.tryReadContent()
		if err != nil {
			return t, err
		}
		list, err := smp.SplitBlock(nil, content)
		if err != nil {
			return t, err
		}
		for _, b := range list {
			t, err := p.params.ParseTransmission(b)
			if err != nil {
				return t, err
			}
			p.unread = append(p.unread, t)
		}
	}
	t = p.unread[0]
	p.unread = p.unread[1:]
	return t, nil
}

func (p *peer) message(t smp.Transmission) smp.Message {
	p.t.Helper()
	m, err := smp.ParseMessage(p.params.Version, t.Body)
	if err != nil {
		p.t.Fatalf("parsing %q: %v", t.Body[:min(len(t.Body), 20)], err)
	}
	return m
}

// event returns the next event, which must be about entity.
func (p *peer) event(entity smp.ID) smp.Message {
	p.t.Helper()
	var t smp.Transmission
	if len(p.events) > 0 {
		t, p.events = p.events[0], p.events[1:]
	} else {
		t = p.next()
	}
	if len(t.CorrID) != 0 {
		p.t.Fatalf("%q is an answer", t.Body[:min(len(t.Body), 20)])
	}
	if smp.ID(t.Entity) != entity {
		p.t.Fatalf("event %q is about another entity", t.Body[:min(len(t.Body), 20)])
	}
	return p.message(t)
}

// transmission makes an authorized transmission; key may be nil.
func (p *peer) transmission(cmd smp.Command, entity smp.ID, key smp.AuthKey) smp.Transmission {
	p.t.Helper()
	corrID := make([]byte, smp.CorrIDSize)
	rand.Read(corrID)
	t := smp.Transmission{CorrID: corrID, Entity: []byte(entity), Body: cmd.Append(nil, p.params.Version)}
	if n, ok := cmd.(smp.New); ok && n.Link != nil {
		n.Link.SenderID = smp.SenderID(corrID)
		t.Body = n.Append(nil, p.params.Version)
	}
	if key != nil {
		if err := t.Authorize(p.params, key, p.relayKey); err != nil {
			p.t.Fatal(err)
		}
	}
	return t
}

func (p *peer) send(list ...smp.Transmission) {
	p.t.Helper()
	if err := p.trySend(list...); err != nil {
		p.t.Fatalf("writing a block: %v", err)
	}
}

func (p *peer) trySend(list ...smp.Transmission) error {
	var encoded [][]byte
	for i := range list {
		encoded = append(encoded, p.params.AppendTransmission(nil, &list[i]))
	}
	return p.tryWriteContent(smp.AppendBlock(nil, encoded))
}

// answerTo returns the answer to t. Events that come before are kept.
func (p *peer) answerTo(t smp.Transmission) smp.Message {
	p.t.Helper()
	for {
		a := p.next()
		if len(a.CorrID) == 0 {
			p.events = append(p.events, a)
			continue
		}
		if string(a.CorrID) != string(t.CorrID) {
			p.t.Fatal("the answer is to another command")
		}
		m := p.message(a)
		switch m.(type) {
		case smp.IDs, smp.Pong, smp.RRes, smp.PKey:
			if len(a.Entity) != 0 {
				p.t.Fatalf("%T has an entity", m)
			}
		case *smp.Error:
		default:
			if string(a.Entity) != string(t.Entity) {
				p.t.Fatalf("%T has another entity", m)
			}
		}
		return m
	}
}

// do sends a command and returns its answer.
func (p *peer) do(cmd smp.Command, entity smp.ID, key smp.AuthKey) smp.Message {
	p.t.Helper()
	t := p.transmission(cmd, entity, key)
	p.send(t)
	return p.answerTo(t)
}

// want does a command and checks that the answer equals m.
func (p *peer) want(m smp.Message, cmd smp.Command, entity smp.ID, key smp.AuthKey) {
	p.t.Helper()
	p.check(m, p.do(cmd, entity, key), cmd)
}

func (p *peer) check(want, got smp.Message, cmd smp.Command) {
	p.t.Helper()
	encode := func(m smp.Message) string { return string(m.Append(nil, p.params.Version)) }
	if w, g := encode(want), encode(got); w != g {
		p.t.Fatalf("version %d: answer to %T is %.40q instead of %.40q", p.params.Version, cmd, g, w)
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

// testQueue is a queue as its recipient knows it.
type testQueue struct {
	smp.IDs
	rcv    authKey
	secret crypt.Secret
}

// newQueue makes a queue with an Ed25519 key; edit may change the command.
func (p *peer) newQueue(mode smp.QueueMode, edit func(*smp.New)) *testQueue {
	p.t.Helper()
	return p.newQueueWith(ed25519Key(), mode, edit)
}

func (p *peer) newQueueWith(rcv authKey, mode smp.QueueMode, edit func(*smp.New)) *testQueue {
	p.t.Helper()
	dh := must(crypt.NewX25519(rand.Reader))
	cmd := smp.New{RcvAuth: rcv.public, RcvDH: dh.Public(), Mode: mode, Subscribe: true}
	if edit != nil {
		edit(&cmd)
	}
	answer := p.do(cmd, "", rcv.private)
	ids, ok := answer.(smp.IDs)
	if !ok {
		p.t.Fatalf("version %d: the answer to NEW is %v", p.params.Version, answer)
	}
	return &testQueue{IDs: ids, rcv: rcv, secret: must(dh.DH(ids.ServerDH))}
}

// open decrypts a message of the queue.
func (q *testQueue) open(t testing.TB, m smp.Message) (smp.ID, *smp.Received) {
	t.Helper()
	msg, ok := m.(smp.Msg)
	if !ok {
		t.Fatalf("%#v is not a message", m)
	}
	r, err := smp.OpenMessage(&q.secret, msg)
	if err != nil {
		t.Fatal(err)
	}
	return msg.ID, r
}

// wantText checks that m is a message of the queue and returns its id.
func (q *testQueue) wantText(t testing.TB, m smp.Message, text string) smp.ID {
	t.Helper()
	id, r := q.open(t, m)
	if r.Quota || string(r.Body) != text {
		t.Fatalf("got %.40q (quota %v) instead of %.40q", r.Body, r.Quota, text)
	}
	return id
}

func text(s string) smp.Send { return smp.Send{Body: []byte(s)} }
