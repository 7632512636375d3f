package files

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// TestLife follows chunks of all sizes through their life in all versions.
func TestLife(t *testing.T) {
	s := startServer(t, Config{})
	for version := uint16(1); version <= 3; version++ {
		p := s.dial(t, version)
		for _, size := range xftp.ChunkSizes {
			c := p.register(int(size), 2)
			own := newX25519()
			p.want(xftp.ErrNoFile, xftp.FGet{Key: own.Public()}, c.Recipients[0], c.recipients[0].private)
			p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
			p.get(c, 0)
			p.get(c, 1)
			p.get(c, 0)

			// A recipient leaves; the other one stays.
			p.want(xftp.OK{}, xftp.FAck{}, c.Recipients[0], c.recipients[0].private)
			p.want(xftp.ErrAuth, xftp.FAck{}, c.Recipients[0], c.recipients[0].private)
			p.want(xftp.ErrAuth, xftp.FGet{Key: own.Public()}, c.Recipients[0], c.recipients[0].private)
			p.get(c, 1)

			// Another one comes.
			more := ed25519Key()
			m, _ := p.do(xftp.FAdd{Recipients: []crypt.AuthPublic{more.public}}, c.Sender, c.sender.private)
			ids, ok := m.(xftp.RIDs)
			if !ok || len(ids.Recipients) != 1 {
				t.Fatalf("the answer to FADD is %v", m)
			}
			c.Recipients, c.recipients = append(c.Recipients, ids.Recipients...), append(c.recipients, more)
			p.get(c, 2)

			p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
			p.want(xftp.ErrAuth, xftp.FDel{}, c.Sender, c.sender.private)
			p.want(xftp.ErrAuth, xftp.FGet{Key: own.Public()}, c.Recipients[1], c.recipients[1].private)
			p.want(xftp.ErrAuth, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
		}
		p.want(xftp.Pong{}, xftp.Ping{}, "", nil)
	}
	s.wantUsed(0, 0)
	if names := s.names(t); len(names) != 0 {
		t.Errorf("%d chunks are left", len(names))
	}
}

// names lists the chunks in the store.
func (s *testServer) names(t testing.TB) (names []string) {
	t.Helper()
	err := s.Server.store.List(t.Context(), func(name string) error {
		if name != ownerName {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestKeys(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	for name, k := range map[string]func() authKey{"ed25519": ed25519Key, "ed448": ed448Key, "x25519": x25519Key} {
		c := newChunk(64<<10, 0)
		c.sender, c.recipients = k(), []authKey{k()}
		p.registerChunk(c)
		p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
		p.get(c, 0)
		// Another key of the same kind, and one of another kind.
		for _, other := range []authKey{k(), ed25519Key(), ed448Key(), x25519Key()} {
			p.want(xftp.ErrAuth, xftp.FDel{}, c.Sender, other.private)
			p.want(xftp.ErrAuth, xftp.FDel{}, c.Recipients[0], c.recipients[0].private)
			p.want(xftp.ErrAuth, xftp.FAck{}, c.Sender, c.sender.private)
			p.want(xftp.ErrAuth, xftp.FAck{}, xftp.ID(randomBytes(16)), other.private)
			p.want(xftp.ErrAuth, xftp.FDel{}, xftp.ID(randomBytes(16)), other.private)
			p.want(xftp.ErrAuth, xftp.FDel{}, xftp.ID(randomBytes(24)), other.private)
		}
		if _, _, err := p.tryDo(xftp.FDel{}, c.Sender, c.sender.private); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHandshake checks what each kind of connection is answered with (xftp.md §1 and §2).
func TestHandshake(t *testing.T) {
	s := startServer(t, Config{})
	id := s.identity
	for _, alpn := range []string{"xftp/1", "http/1.1"} {
		for _, tlsVersion := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			p := s.connect(t, []string{alpn}, tlsVersion)
			if err := p.handshake(3, id); err != nil {
				t.Errorf("%s, TLS %x: %v", alpn, tlsVersion, err)
				continue
			}
			if p.hello.Versions != xftp.Versions || len(p.hello.Chain) != 2 || !bytes.Equal(p.hello.Chain[1], id.Chain[1]) || len(p.hello.Proof) != 0 {
				t.Errorf("%s: another hello", alpn)
			}
			p.want(xftp.Pong{}, xftp.Ping{}, "", nil)
			// An empty request after that is an ordinary one.
			answer := must(p.try(nil))
			if m, tr, _, err := p.answer(answer); err != nil || !errors.Is(m.(*xftp.Error), xftp.ErrBlock) || len(tr.CorrID)+len(tr.Entity) > 0 {
				t.Errorf("an empty request: %v, %v", m, err)
			}
			p.want(xftp.Pong{}, xftp.Ping{}, "", nil)
		}
	}

	// Without ALPN there is no handshake, and the version is 1.
	p := s.connect(t, nil, 0)
	p.want(xftp.Pong{}, xftp.Ping{}, "", nil)
	c := newChunk(64<<10, 1)
	p.t = t
	p.registerChunk(c)
	c = newChunk(64<<10, 1)
	c.sender = x25519Key()
	key := newX25519().Public()
	p.relayKey = &key // the server told none
	p.want(xftp.ErrAuth, c.command(), "", c.sender.private)

	// With ALPN of something else everything is answered with nothing.
	p = s.connect(t, []string{"h2"}, 0)
	for _, body := range [][]byte{nil, p.block(xftp.Ping{}, "", nil)} {
		if answer, err := p.try(body); err != nil || len(answer) > 0 {
			t.Errorf("h2: %d bytes, %v", len(answer), err)
		}
	}
	if _, _, err := dialTLS(s.addr, []string{"smp/1"}, 0); err == nil {
		t.Error("another protocol is accepted")
	}
}

// TestHandshakeErrors checks what a wrong step is answered with, and that it can be repeated.
func TestHandshakeErrors(t *testing.T) {
	s := startServer(t, Config{})
	p := s.connect(t, []string{"xftp/1"}, 0)
	refused := func(what string, body []byte) {
		t.Helper()
		answer, err := p.try(body)
		if err != nil || len(answer) != xftp.BlockSize || !errors.Is(xftp.ParseHandshakeAnswer(answer), xftp.ErrHandshake) {
			t.Errorf("%s: %d bytes, %v", what, len(answer), err)
		}
	}
	refused("a command before the hello", p.block(xftp.Ping{}, "", nil))
	refused("a hello that is not empty", []byte{0})
	if _, err := xftp.ParseServerHello(must(p.try(nil))); err != nil {
		t.Fatal(err)
	}
	good := xftp.ClientHello{Version: 3, KeyHash: s.identity.Hash}
	refused("a second hello", nil)
	refused("a command", p.block(xftp.Ping{}, "", nil))
	refused("half a block", good.AppendBlock(nil)[:1000])
	for what, h := range map[string]xftp.ClientHello{
		"another relay": {Version: 3, KeyHash: wire.KeyHash{1}},
		"version 0":     {Version: 0, KeyHash: s.identity.Hash},
		"version 4":     {Version: 4, KeyHash: s.identity.Hash},
	} {
		refused(what, h.AppendBlock(nil))
	}
	if answer, err := p.try(good.AppendBlock(nil)); err != nil || len(answer) > 0 {
		t.Fatalf("the right one afterwards: %v", err)
	}
	p.params.Version = 3
	p.want(xftp.Pong{}, xftp.Ping{}, "", nil)
}

// TestErrors checks the errors of commands and their order (xftp.md §3).
func TestErrors(t *testing.T) {
	s := startServer(t, Config{Password: "secret"})
	p := s.dial(t, 3)
	c := newChunk(64<<10, 1)
	with := func(edit func(*xftp.FNew)) xftp.FNew {
		cmd := c.command()
		cmd.Password = "secret"
		edit(&cmd)
		return cmd
	}
	none := func(*xftp.FNew) {}
	key := c.sender.private
	for _, password := range []string{"", "x", "secret2"} {
		p.want(xftp.ErrAuth, with(func(n *xftp.FNew) { n.Password = password }), "", key)
	}
	p.want(xftp.ErrAuth, with(func(n *xftp.FNew) { n.Password, n.Size = "", 5 }), "", key)
	for _, size := range []uint32{0, 1, 65535, 65537, 8 << 20, 1<<32 - 1} {
		p.want(xftp.ErrSize, with(func(n *xftp.FNew) { n.Size = size }), "", key)
	}
	p.want(xftp.ErrAuth, with(none), "", ed25519Key().private)
	p.want(xftp.ErrAuth, with(func(n *xftp.FNew) { n.Size = 5 }), "", ed25519Key().private)
	p.want(xftp.ErrNoAuth, with(none), "", nil)
	p.want(xftp.ErrHasAuth, with(none), "x", key)
	p.want(xftp.ErrNoAuth, xftp.FPut{}, "", key)
	p.want(xftp.ErrNoAuth, xftp.FPut{}, "x", nil)
	p.want(xftp.ErrHasAuth, xftp.Ping{}, "x", nil)
	p.want(xftp.ErrHasAuth, xftp.Ping{}, "", key)
	p.want(xftp.ErrSyntax, with(func(n *xftp.FNew) { n.Recipients = nil }), "", key)

	m, _ := p.do(with(none), "", key)
	c.SIDs = m.(xftp.SIDs)
	own := newX25519()
	get := xftp.FGet{Key: own.Public()}
	p.want(xftp.ErrNoFile, get, c.Recipients[0], c.recipients[0].private)
	p.want(xftp.ErrAuth, get, c.Recipients[0], key)

	for what, raw := range map[string]struct {
		body string
		want *xftp.Error
	}{
		"unknown":      {"FXYZ", xftp.ErrUnknownCommand},
		"empty":        {"", xftp.ErrUnknownCommand},
		"an answer":    {"OK", xftp.ErrUnknownCommand},
		"trailing":     {"FPUT x", xftp.ErrSyntax},
		"no parameter": {"FGET", xftp.ErrSyntax},
		"bad key":      {"FGET \x01x", xftp.ErrSyntax},
		"no list":      {"FADD \x00", xftp.ErrSyntax},
	} {
		block := p.blockOf(smp.Transmission{CorrID: randomBytes(24), Entity: []byte(c.Sender), Body: []byte(raw.body)}, key)
		m, tr, _, err := p.answer(must(p.try(block)))
		if err != nil || !errors.Is(m.(*xftp.Error), raw.want) || string(tr.Entity) != string(c.Sender) {
			t.Errorf("%s: %v, %v", what, m, err)
		}
	}

	// Blocks that are none.
	ping := p.block(xftp.Ping{}, "", nil)
	broken := bytes.Clone(ping)
	broken[2] = 2 // two transmissions
	tooLong := bytes.Clone(ping)
	tooLong[0] = 0xff
	for what, block := range map[string][]byte{
		"short": ping[:xftp.BlockSize-1], "one byte": {1}, "count": broken, "length": tooLong, "zeros": make([]byte, xftp.BlockSize),
	} {
		m, tr, _, err := p.answer(must(p.try(block)))
		if err != nil || !errors.Is(m.(*xftp.Error), xftp.ErrBlock) || len(tr.CorrID)+len(tr.Entity) > 0 {
			t.Errorf("%s: %v, %v", what, m, err)
		}
	}
	other := *p
	other.params.SessionID = randomBytes(32)
	if m, _, _, err := other.answer(must(p.try(other.block(xftp.Ping{}, "", nil)))); err == nil {
		t.Errorf("another session: %v", m)
	}
	m, _, _, err := p.answer(must(p.try(other.block(xftp.Ping{}, "", nil))))
	if err != nil || !errors.Is(m.(*xftp.Error), xftp.ErrSession) {
		t.Errorf("another session: %v, %v", m, err)
	}
	// What follows a command that has nothing to follow it is ignored.
	p.want(xftp.Pong{}, xftp.Ping{}, "", nil, randomBytes(100_000))
}

func TestNoNewFiles(t *testing.T) {
	s := startServer(t, Config{NoNewFiles: true})
	p := s.dial(t, 3)
	c := newChunk(64<<10, 1)
	p.want(xftp.ErrAuth, c.command(), "", c.sender.private)
}

// TestReopen checks that everything is there after a restart.
func TestReopen(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	empty, full, gone := p.register(64<<10, 1), p.store(256<<10, 2), p.store(64<<10, 1)
	p.want(xftp.OK{}, xftp.FDel{}, gone.Sender, gone.sender.private)
	s.wantUsed(2, 256<<10)
	s.stop()
	if _, err := Open(t.TempDir(), Config{}); err == nil {
		t.Error("a folder without a relay is opened")
	}
	s = startIn(t, s.dir, Config{})
	s.wantUsed(2, 256<<10)
	p = s.dial(t, 3)
	p.get(full, 1)
	p.want(xftp.OK{}, xftp.FPut{}, empty.Sender, empty.sender.private, empty.bytes)
	p.get(empty, 0)
	p.want(xftp.ErrAuth, xftp.FPut{}, gone.Sender, gone.sender.private, gone.bytes)
	if _, err := Open(s.dir, Config{}); err == nil {
		t.Error("the server is opened twice")
	}
	if a := s.Address("5443", "relay.example"); !strings.HasPrefix(a.String(), "xftp://") || a.KeyHash != s.identity.Hash {
		t.Errorf("the address is %v", a)
	}
}

// TestServeEnds checks how Serve ends.
func TestServeEnds(t *testing.T) {
	s := must(Open(newFolder(t), Config{}))
	ctx, cancel := context.WithCancel(t.Context())
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	ts := &testServer{Server: s, addr: l.Addr().String()}
	p := ts.dial(t, 3)
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := p.try(nil); err == nil {
		t.Error("a connection survives")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := s.Serve(t.Context(), must(net.Listen("tcp", "127.0.0.1:0"))); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
	if err := s.Delete(xftp.ID(randomBytes(16))); !errors.Is(err, ErrClosed) {
		t.Errorf("Delete after Close: %v", err)
	}
}

// TestForeignStore checks that two relays can't share a store: each would delete what the other one has.
func TestForeignStore(t *testing.T) {
	disk := must(OpenDisk(t.TempDir()))
	a := startServer(t, Config{Store: disk})
	c := a.dial(t, 3).store(64<<10, 1)
	if _, err := Open(newFolder(t), Config{Store: disk}); !errors.Is(err, ErrOwner) {
		t.Errorf("error %v", err)
	}
	a.dial(t, 3).get(c, 0)
}

// TestOperator checks what an operator can do.
func TestOperator(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	c := p.store(64<<10, 2)
	status := must(s.File(c.Recipients[1]))
	if status.Size != 64<<10 || !status.Stored || status.Blocked != nil || status.Recipients != 2 || status.Created.IsZero() {
		t.Errorf("status %+v", status)
	}
	for _, id := range []xftp.ID{"", c.Sender, xftp.ID(randomBytes(16)), xftp.ID(randomBytes(24))} {
		if _, err := s.File(id); !errors.Is(err, ErrNoFile) {
			t.Errorf("status: %v", err)
		}
		if err := s.Block(id, smp.Blocking{Reason: smp.BlockedSpam}); !errors.Is(err, ErrNoFile) {
			t.Errorf("block: %v", err)
		}
		if err := s.Delete(id); !errors.Is(err, ErrNoFile) {
			t.Errorf("delete: %v", err)
		}
	}
	if err := s.Block(c.Recipients[0], smp.Blocking{Reason: "fun"}); err == nil {
		t.Error("any reason is accepted")
	}
	if err := s.Block(c.Recipients[0], smp.Blocking{Reason: smp.BlockedSpam}); err != nil {
		t.Fatal(err)
	}
	ttl := int64(7200)
	why := smp.Blocking{Reason: smp.BlockedContent, Notice: &smp.Notice{TTL: &ttl}}
	if err := s.Block(c.Recipients[1], why); err != nil {
		t.Fatal(err)
	}
	s.wantUsed(1, 0)
	if names := s.names(t); len(names) > 0 {
		t.Error("the bytes of a blocked chunk are kept")
	}
	want := &xftp.Error{Kind: xftp.KindBlocked, Blocking: why}
	get := xftp.FGet{Key: newX25519().Public()}
	for range 2 { // also after a restart
		for _, key := range []authKey{c.sender, ed25519Key()} {
			p.want(want, xftp.FPut{}, c.Sender, key.private, c.bytes)
			p.want(want, xftp.FDel{}, c.Sender, key.private)
			p.want(want, xftp.FAdd{Recipients: []crypt.AuthPublic{key.public}}, c.Sender, key.private)
			p.want(want, get, c.Recipients[0], key.private)
			p.want(want, xftp.FAck{}, c.Recipients[1], key.private)
		}
		s.dial(t, 2).want(xftp.ErrAuth, get, c.Recipients[0], c.recipients[0].private)
		s.stop()
		s = startIn(t, s.dir, Config{})
		p = s.dial(t, 3)
	}
	if status := must(s.File(c.Recipients[1])); status.Stored || status.Blocked == nil || *status.Blocked.Notice.TTL != ttl {
		t.Errorf("status %+v", status)
	}
	if err := s.Delete(c.Recipients[0]); err != nil {
		t.Error(err)
	}
	p.want(xftp.ErrAuth, xftp.FAck{}, c.Recipients[1], c.recipients[1].private)
	s.wantUsed(0, 0)

	var b strings.Builder
	if err := s.WriteMetrics(&b); err != nil || !strings.Contains(b.String(), "\nsotto_relay_files_chunks 0\n") {
		t.Errorf("metrics %q, %v", b.String(), err)
	}
}

// TestBrokenIdentity checks that a damaged folder is an error.
func TestBrokenIdentity(t *testing.T) {
	if _, err := Open(t.TempDir(), Config{}); err == nil {
		t.Error("an empty folder is opened")
	}
	dir := newFolder(t)
	if err := os.WriteFile(filepath.Join(dir, front.CertFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Config{}); !errors.Is(err, front.ErrIdentity) {
		t.Errorf("error %v", err)
	}
}
