package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/accept"
	"github.com/sotto-chat/sotto/core/transport/tls13"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestDialDirect(t *testing.T) {
	relay := newRelay(t)
	for _, host := range []string{relay.host, "localhost"} {
		conn, err := Dialer{}.Dial(testContext(t), host, relay.port, relay.fingerprint, "smp/1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if conn.ALPN() != "smp/1" || len(conn.SessionID()) != 32 || len(conn.ServerChain()) != 2 || conn.ServerKey() == nil {
			t.Errorf("ALPN %q, session id of %d bytes, %d certificates, key %v", conn.ALPN(), len(conn.SessionID()), len(conn.ServerChain()), conn.ServerKey())
		}
	}
}

func TestDialProxy(t *testing.T) {
	relay := newRelay(t)
	tcp := newSOCKS(t, "tcp", "127.0.0.1:0", relay)
	unix := newSOCKS(t, "unix", filepath.Join(t.TempDir(), "socks"), relay)
	_, port, _ := net.SplitHostPort(tcp.address)
	onion := strings.Repeat("a", 56) + ".onion"
	for _, c := range []struct {
		server *socksServer
		proxy  Proxy
		host   string
		want   socksRequest
	}{
		{tcp, Proxy{Address: tcp.address}, "relay.invalid", socksRequest{kind: 3, host: "relay.invalid", port: 5223}},
		{tcp, Proxy{Address: "localhost:" + port, User: "user", Password: "password"}, onion, socksRequest{"user", "password", 3, onion, 5223}},
		{unix, Proxy{Address: unix.address, User: strings.Repeat("u", 255)}, "192.0.2.1", socksRequest{strings.Repeat("u", 255), "", 1, "192.0.2.1", 5223}},
		{tcp, Proxy{Address: tcp.address}, "2001:db8::1", socksRequest{kind: 4, host: "2001:db8::1", port: 5223}},
	} {
		conn, err := Dialer{Proxy: &c.proxy}.Dial(testContext(t), c.host, "5223", relay.fingerprint, "smp/1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c.server.mu.Lock()
		if got := c.server.requests[len(c.server.requests)-1]; got != c.want {
			t.Errorf("proxy was asked for %v, want %v", got, c.want)
		}
		c.server.mu.Unlock()
		roundTrip(t, conn, relay)
	}
}

// roundTrip sends a block through conn, and another one back.
func roundTrip(t *testing.T, conn *Conn, relay *testRelay) {
	t.Helper()
	server := <-relay.accepted
	if err := conn.WriteBlock([]byte("to the relay")); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, BlockSize)
	if _, err := io.ReadFull(server, block); err != nil {
		t.Fatal(err)
	}
	if content, err := wire.Unpad(block); err != nil || string(content) != "to the relay" {
		t.Errorf("relay received %q, %v", content, err)
	}
	block, err := wire.AppendPadded(nil, []byte("to the client"), BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(block); err != nil {
		t.Fatal(err)
	}
	if content, err := conn.ReadBlock(); err != nil || string(content) != "to the client" {
		t.Errorf("client received %q, %v", content, err)
	}
}

func TestDialErrors(t *testing.T) {
	relay := newRelay(t)
	// The port of a connection is one that nobody listens at, nor can as long as it is open.
	open, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", relay.port))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	_, closedPort, _ := net.SplitHostPort(open.LocalAddr().String())
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, plain, func(conn net.Conn) {
		conn.Write([]byte("220 mail.example ESMTP\r\n"))
		io.Copy(io.Discard, conn)
	})
	_, plainPort, _ := net.SplitHostPort(plain.Addr().String())
	proxy := func(change func(s *socksServer)) *Proxy {
		s := newSOCKS(t, "tcp", "127.0.0.1:0", relay)
		change(s)
		return &Proxy{Address: s.address, User: "user"}
	}
	reply := func(code byte) *Proxy { return proxy(func(s *socksServer) { s.reply = code }) }
	answer := func(at int, b ...byte) *Proxy {
		return proxy(func(s *socksServer) {
			s.answer = func(conn net.Conn, step int) bool {
				if step != at {
					return false
				}
				conn.Write(b)
				return true
			}
		})
	}
	end := func(at int) *Proxy { return answer(at) }
	onion := strings.Repeat("a", 56) + ".onion"
	for name, c := range map[string]struct {
		dialer     Dialer
		host, port string
		stage      Stage
		kind       Kind
	}{
		"refused":                   {Dialer{}, "127.0.0.1", closedPort, StageConnect, KindRefused},
		"unreachable":               {Dialer{}, "255.255.255.255", "5223", StageConnect, KindUnreachable},
		"empty host":                {Dialer{}, "", "5223", StageConnect, KindNotFound},
		"long host":                 {Dialer{}, strings.Repeat("a", 256), "5223", StageConnect, KindNotFound},
		"host with brackets":        {Dialer{}, "[::1]", "5223", StageConnect, KindNotFound},
		"port 0":                    {Dialer{}, "127.0.0.1", "0", StageConnect, KindNotFound},
		"port that is a name":       {Dialer{}, "127.0.0.1", "https", StageConnect, KindNotFound},
		"port too large":            {Dialer{}, "127.0.0.1", "65536", StageConnect, KindNotFound},
		"onion without proxy":       {Dialer{}, onion, "5223", StageConnect, KindOnion},
		"onion in capitals":         {Dialer{}, strings.ToUpper(onion) + ".", "5223", StageConnect, KindOnion},
		"not TLS":                   {Dialer{}, "127.0.0.1", plainPort, StageTLS, KindTLS},
		"no proxy there":            {Dialer{Proxy: &Proxy{Address: "127.0.0.1:" + closedPort}}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy address is a name":   {Dialer{Proxy: &Proxy{Address: "proxy.invalid:9050"}}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy without address":     {Dialer{Proxy: &Proxy{}}, "127.0.0.1", relay.port, StageProxy, KindProxy},
		"proxy user too long":       {Dialer{Proxy: &Proxy{Address: "127.0.0.1:9050", User: strings.Repeat("u", 256)}}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy: general failure":    {Dialer{Proxy: reply(1)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy: unreachable":        {Dialer{Proxy: reply(4)}, "relay.invalid", "5223", StageProxy, KindUnreachable},
		"proxy: refused":            {Dialer{Proxy: reply(5)}, "relay.invalid", "5223", StageProxy, KindRefused},
		"proxy: expired":            {Dialer{Proxy: reply(6)}, "relay.invalid", "5223", StageProxy, KindTimeout},
		"proxy: no onion service":   {Dialer{Proxy: reply(0xf0)}, onion, "5223", StageProxy, KindUnreachable},
		"proxy: unknown reply":      {Dialer{Proxy: reply(99)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy of version 4":        {Dialer{Proxy: answer(1, 4, 2)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy without user":        {Dialer{Proxy: answer(1, 5, 0)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy accepts no method":   {Dialer{Proxy: answer(1, 5, 255)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy refuses the user":    {Dialer{Proxy: answer(2, 1, 1)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy: reply of version 4": {Dialer{Proxy: answer(3, 4, 0, 0, 1)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy: unknown address":    {Dialer{Proxy: answer(3, 5, 0, 0, 9)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy: reply cut off":      {Dialer{Proxy: answer(3, 5, 0, 0, 3, 200, 1, 2)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy ends at once":        {Dialer{Proxy: end(1)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy ends after user":     {Dialer{Proxy: end(2)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy ends after request":  {Dialer{Proxy: end(3)}, "relay.invalid", "5223", StageProxy, KindProxy},
		"proxy dies in TLS":         {Dialer{Proxy: answer(3, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0)}, "relay.invalid", "5223", StageTLS, KindTLS},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := c.dialer.Dial(testContext(t), c.host, c.port, relay.fingerprint, "smp/1")
			if err == nil {
				conn.Close()
				t.Fatal("connected")
			}
			e := asDialError(t, err)
			if e.Stage != c.stage || e.Kind != c.kind {
				t.Errorf("%v: stage %v and kind %v, want %v and %v", err, e.Stage, e.Kind, c.stage, c.kind)
			}
			for _, address := range []string{"127.0.0.1", "255.255", "::1", ".invalid", "onion:", "aaaa", "AAAA", closedPort} {
				if strings.Contains(err.Error(), address) {
					t.Errorf("error %q holds an address", err)
				}
			}
		})
	}
}

func TestUnknownIdentity(t *testing.T) {
	relay := newRelay(t)
	_, err := Dialer{}.Dial(testContext(t), relay.host, relay.port, [32]byte{1}, "smp/1")
	if e := asDialError(t, err); e.Kind != KindIdentity || e.Stage != StageTLS || !errors.Is(err, tls13.ErrUnknownIdentity) {
		t.Errorf("another error: %v", err)
	}
	_, err = Dialer{}.Dial(testContext(t), relay.host, relay.port, relay.fingerprint, "smp/2")
	var alert *tls13.AlertError
	if e := asDialError(t, err); e.Kind != KindTLS || !errors.As(err, &alert) {
		t.Errorf("another error: %v", err)
	}
}

// hangingDial is a dial that hangs at a stage, and tells when it does.
type hangingDial struct {
	dialer Dialer
	port   string
	hangs  <-chan struct{}
	stage  Stage
}

func hangingDials(t *testing.T) map[string]hangingDial {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inTLS := make(chan struct{}, 1)
	accept.Each(t, silent, func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, 1))
		inTLS <- struct{}{}
		io.Copy(io.Discard, conn)
	})
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	dials := map[string]hangingDial{"TLS": {Dialer{}, port, inTLS, StageTLS}}
	for step, name := range map[int]string{1: "SOCKS method", 2: "SOCKS user", 3: "SOCKS request"} {
		s := newSOCKS(t, "tcp", "127.0.0.1:0", nil)
		hangs := make(chan struct{}, 1)
		s.answer = func(conn net.Conn, at int) bool {
			if at != step {
				return false
			}
			hangs <- struct{}{}
			io.Copy(io.Discard, conn)
			return true
		}
		dials[name] = hangingDial{Dialer{Proxy: &Proxy{Address: s.address, User: "user"}}, "5223", hangs, StageProxy}
	}
	return dials
}

func TestDialCanceled(t *testing.T) {
	for name, c := range hangingDials(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				<-c.hangs
				cancel()
			}()
			failed := countFailures(c.dialer.Proxy)
			_, err := c.dialer.Dial(ctx, "127.0.0.1", c.port, [32]byte{}, "smp/1")
			if e := asDialError(t, err); e.Kind != KindCanceled || e.Stage != c.stage || !errors.Is(err, context.Canceled) {
				t.Errorf("%v: stage %v and kind %v", err, e.Stage, e.Kind)
			}
			if *failed != 0 {
				t.Error("a dial that nobody wants any more is a failure of the proxy")
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, d := range []Dialer{{}, {Proxy: &Proxy{Address: "127.0.0.1:9"}}} {
		if _, err := d.Dial(ctx, "127.0.0.1", "9", [32]byte{}, "smp/1"); asDialError(t, err).Kind != KindCanceled {
			t.Errorf("canceled before: %v", err)
		}
	}
}

func TestDialTimeout(t *testing.T) {
	for name, c := range hangingDials(t) {
		t.Run(name, func(t *testing.T) {
			// The kind of the error is the same at whatever stage the time is over.
			c.dialer.Timeout = 100 * time.Millisecond
			failed := countFailures(c.dialer.Proxy)
			_, err := c.dialer.Dial(context.Background(), "127.0.0.1", c.port, [32]byte{}, "smp/1")
			if e := asDialError(t, err); e.Kind != KindTimeout || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: kind %v", err, e.Kind)
			}
			if c.dialer.Proxy == nil {
				return
			}
			<-c.hangs
			// The proxy's own time ends a dial as well.
			c.dialer.Timeout, c.dialer.Proxy.Timeout = 0, 100*time.Millisecond
			_, err = c.dialer.Dial(context.Background(), "127.0.0.1", c.port, [32]byte{}, "smp/1")
			if e := asDialError(t, err); e.Kind != KindTimeout || *failed != 2 {
				t.Errorf("%v: kind %v; the proxy failed %d times", err, e.Kind, *failed)
			}
		})
	}
}

// countFailures counts the calls of the proxy's Failed.
func countFailures(p *Proxy) *int {
	var count int
	if p != nil {
		p.Failed = func() { count++ }
	}
	return &count
}

// TestProxyFailed dials through proxies that connect and that don't.
func TestProxyFailed(t *testing.T) {
	relay := newRelay(t)
	for reply, want := range map[byte]int{0: 0, 1: 1, 0xf3: 1} {
		s := newSOCKS(t, "tcp", "127.0.0.1:0", relay)
		s.reply = reply
		proxy := &Proxy{Address: s.address}
		failed := countFailures(proxy)
		if conn, err := (Dialer{Proxy: proxy}).Dial(testContext(t), "relay.invalid", "5223", relay.fingerprint, "smp/1"); err == nil {
			conn.Close()
		}
		if *failed != want {
			t.Errorf("after the reply %d the proxy failed %d times", reply, *failed)
		}
	}
}

// connect returns both ends of a connection.
func connect(t testing.TB) (client *Conn, server net.Conn) {
	t.Helper()
	relay := newRelay(t)
	client, err := Dialer{}.Dial(testContext(t), relay.host, relay.port, relay.fingerprint, "smp/1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, <-relay.accepted
}

type blockVector struct {
	Plaintext string
	SHA256    string `json:"block_sha256"`
	Block     string
}

func TestBlockEncryptionVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/block_encryption.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		SessionID string               `json:"session_id"`
		Init      struct{ IKM string } `json:"init_hkdf_sha512"`
		ToServer  []blockVector        `json:"client_to_server"`
		ToClient  []blockVector        `json:"server_to_client"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if len(v.ToServer) == 0 || len(v.ToClient) == 0 {
		t.Fatal("no vectors")
	}
	secret := crypt.Secret(unhex(v.Init.IKM))
	receive, send := crypt.NewBlockChains(unhex(v.SessionID), &secret)
	client, server := connect(t)
	client.Encrypt(send, receive)
	block := make([]byte, BlockSize)
	for i, b := range v.ToServer {
		if err := client.WriteBlock(unhex(b.Plaintext)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, block); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(block); !bytes.Equal(sum[:], unhex(b.SHA256)) {
			t.Errorf("block %d to the server is another one", i)
		}
	}
	toClient, _ := crypt.NewBlockChains(unhex(v.SessionID), &secret)
	for i, b := range v.ToClient {
		block := unhex(b.Block)
		own, err := toClient.Seal(nil, unhex(b.Plaintext))
		if err != nil {
			t.Fatal(err)
		}
		if len(block) != BlockSize { // the recording keeps the first blocks whole
			block = own
		}
		if sum := sha256.Sum256(block); !bytes.Equal(sum[:], unhex(b.SHA256)) {
			t.Errorf("block %d to the client is another one", i)
		}
		if _, err := server.Write(block); err != nil {
			t.Fatal(err)
		}
		if content, err := client.ReadBlock(); err != nil || !bytes.Equal(content, unhex(b.Plaintext)) {
			t.Errorf("block %d to the client: %x, %v", i, content, err)
		}
	}
}

// encrypted returns a connection with block encryption, and the server's chains.
func encrypted(t testing.TB) (client *Conn, server net.Conn, toClient, toServer *crypt.BlockChain) {
	t.Helper()
	client, server = connect(t)
	secret := crypt.Secret{1}
	receive, send := crypt.NewBlockChains(client.SessionID(), &secret)
	client.Encrypt(send, receive)
	toClient, toServer = crypt.NewBlockChains(client.SessionID(), &secret)
	return client, server, toClient, toServer
}

func TestContentLimits(t *testing.T) {
	client, server := connect(t)
	go io.Copy(io.Discard, server)
	if err := client.WriteBlock(make([]byte, MaxContent+1)); !errors.Is(err, wire.ErrPadded) {
		t.Errorf("%d bytes: %v", MaxContent+1, err)
	}
	if err := client.WriteBlock(make([]byte, MaxContent)); err != nil {
		t.Error(err)
	}
	client, server, _, toServer := encrypted(t)
	if err := client.WriteBlock(make([]byte, MaxEncryptedContent+1)); !errors.Is(err, wire.ErrPadded) {
		t.Errorf("%d bytes: %v", MaxEncryptedContent+1, err)
	}
	// The block that was too long has not moved the chain.
	content := bytes.Repeat([]byte{7}, MaxEncryptedContent)
	if err := client.WriteBlock(content); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, BlockSize)
	if _, err := io.ReadFull(server, block); err != nil {
		t.Fatal(err)
	}
	if got, err := toServer.Open(block); err != nil || !bytes.Equal(got, content) {
		t.Errorf("server opened %d bytes, %v", len(got), err)
	}
}

func TestBadBlocks(t *testing.T) {
	client, server := connect(t)
	server.Write(append([]byte{0xff, 0xff}, make([]byte, BlockSize-2)...))
	if _, err := client.ReadBlock(); err == nil {
		t.Error("block with a wrong length accepted")
	}
	good, _ := wire.AppendPadded(nil, []byte("good"), BlockSize)
	server.Write(good)
	if content, err := client.ReadBlock(); err != nil || string(content) != "good" {
		t.Errorf("after a bad block: %q, %v", content, err)
	}

	client, server, toClient, _ := encrypted(t)
	bad, err := toClient.Seal(nil, []byte("bad"))
	if err != nil {
		t.Fatal(err)
	}
	bad[100] ^= 1
	server.Write(bad)
	if _, err := client.ReadBlock(); !errors.Is(err, crypt.ErrBox) {
		t.Errorf("changed block: %v", err)
	}
	if good, err = toClient.Seal(nil, []byte("good")); err != nil {
		t.Fatal(err)
	}
	server.Write(good)
	if content, err := client.ReadBlock(); err != nil || string(content) != "good" {
		t.Errorf("after a changed block: %q, %v", content, err)
	}
}

func TestReadEnds(t *testing.T) {
	client, server := connect(t)
	server.Close()
	if _, err := client.ReadBlock(); err != io.EOF {
		t.Errorf("end between blocks: %v", err)
	}
	client, server = connect(t)
	server.Write(make([]byte, 100))
	server.Close()
	if _, err := client.ReadBlock(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("end within a block: %v", err)
	}
}

func TestReadDeadline(t *testing.T) {
	client, server := connect(t)
	block, _ := wire.AppendPadded(nil, []byte("content"), BlockSize)
	server.Write(block[:5000])
	client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := client.ReadBlock(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("with a deadline: %v", err)
	}
	client.SetReadDeadline(time.Time{})
	server.Write(block[5000:])
	if content, err := client.ReadBlock(); err != nil || string(content) != "content" {
		t.Errorf("after the deadline: %q, %v", content, err)
	}
}

func TestContentIsOwn(t *testing.T) {
	client, server := connect(t)
	var contents [][]byte
	for _, s := range []string{"first", "other"} {
		block, _ := wire.AppendPadded(nil, []byte(s), BlockSize)
		server.Write(block)
		content, err := client.ReadBlock()
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, content)
	}
	if string(contents[0]) != "first" {
		t.Errorf("content changed to %q", contents[0])
	}
}

func TestConcurrentBlocks(t *testing.T) {
	client, server, toClient, toServer := encrypted(t)
	const writers, rounds = 4, 20
	var wg sync.WaitGroup
	wg.Go(func() { // the server sends back what it received
		block := make([]byte, BlockSize)
		for range writers * rounds {
			if _, err := io.ReadFull(server, block); err != nil {
				t.Error(err)
				return
			}
			content, err := toServer.Open(block)
			if err != nil {
				t.Error(err)
				return
			}
			back, _ := toClient.Seal(nil, content)
			server.Write(back)
		}
	})
	for i := range writers {
		wg.Go(func() {
			for range rounds {
				if err := client.WriteBlock(bytes.Repeat([]byte{byte(i)}, 1000)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range writers * rounds {
		if content, err := client.ReadBlock(); err != nil || !bytes.Equal(content, bytes.Repeat(content[:1], 1000)) {
			t.Fatalf("%d bytes, %v", len(content), err)
		}
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	client, _, _, _ := encrypted(t)
	errs := make(chan error, 2)
	go func() {
		_, err := client.ReadBlock()
		errs <- err
	}()
	go func() {
		var err error
		for err == nil {
			err = client.WriteBlock(nil)
		}
		errs <- err
	}()
	client.Close()
	for range 2 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	client.Wipe()
	if !bytes.Equal(client.block, make([]byte, BlockSize)) {
		t.Error("the last block is still there")
	}
}
