package files

//lint:file-ignore SA1019 net/http speaks HTTP/2 only where ALPN says h2, or without TLS

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/xftp"
)

// TestSlowUpload checks that an upload that never ends is ended, with the right answer, and that
// nothing of it is kept.
func TestSlowUpload(t *testing.T) {
	s := startServer(t, Config{UploadTimeout: 300 * time.Millisecond})
	p := s.dial(t, 3)
	for _, sent := range []int{0, 1, 100_000} {
		c := p.register(256<<10, 1)
		in, out := io.Pipe()
		go func() {
			out.Write(p.block(xftp.FPut{}, c.Sender, c.sender.private))
			out.Write(c.bytes[:sent])
		}()
		answer, err := p.request(in)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, xftp.BlockSize)
		if _, err := io.ReadFull(answer.Body, body); err != nil {
			t.Fatal(err)
		}
		in.Close()
		answer.Body.Close()
		if m, _, _, err := p.answer(body); err != nil || !isKind(m, xftp.KindTimeout) {
			t.Errorf("after %d bytes: %v, %v", sent, m, err)
		}
		s.waitUntil(t, "the upload to be dropped", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.uploads) == 0 && s.used == 0
		})
		p = s.dial(t, 3)
	}
}

// TestLostUpload checks that an upload whose connection is lost leaves nothing.
func TestLostUpload(t *testing.T) {
	s := startServer(t, Config{})
	for _, reset := range []bool{false, true} {
		p := s.dial(t, 3)
		c := p.register(1<<20, 1)
		in, out := io.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.tryBody(in)
		}()
		out.Write(p.block(xftp.FPut{}, c.Sender, c.sender.private))
		out.Write(c.bytes[:300_000])
		s.waitUntil(t, "the upload to begin", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.uploads) == 1
		})
		if reset {
			out.CloseWithError(errors.New("no more")) // resets the stream
		} else {
			p.close()
			out.Close()
		}
		<-ended
		s.waitUntil(t, "the upload to be dropped", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.uploads) == 0 && s.used == 0
		})
		if n := len(s.names(t)); n != 0 {
			t.Errorf("%d chunks are left", n)
		}
		p = s.dial(t, 3)
		p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
		p.want(xftp.OK{}, xftp.FDel{}, c.Sender, c.sender.private)
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestEndlessBody checks that a body that doesn't end is not read for ever, whatever the command.
func TestEndlessBody(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	c := p.register(64<<10, 1)
	stored := p.store(64<<10, 1)
	for what, block := range map[string][]byte{
		"an upload":    p.block(xftp.FPut{}, c.Sender, c.sender.private),
		"stored":       p.block(xftp.FPut{}, stored.Sender, stored.sender.private),
		"refused":      p.block(xftp.FPut{}, c.Sender, ed25519Key().private),
		"no file":      p.block(xftp.Ping{}, "", nil),
		"not a block":  make([]byte, xftp.BlockSize),
		"a download":   p.block(xftp.FGet{Key: newX25519().Public()}, stored.Recipients[0], stored.recipients[0].private),
		"acknowledged": p.block(xftp.FAck{}, c.Recipients[0], ed25519Key().private),
	} {
		q := s.connect(t, []string{"xftp/1"}, 0)
		q.params.Version = 3
		if err := q.handshake(3, s.identity); err != nil {
			t.Fatal(err)
		}
		// The block is of another session, so these are answered with SESSION; what matters is that
		// they are answered, and that the rest is refused.
		body := io.MultiReader(bytes.NewReader(block), zeros{})
		if what == "an upload" {
			body = io.MultiReader(bytes.NewReader(q.block(xftp.FPut{}, c.Sender, c.sender.private)), zeros{})
		}
		answer, err := q.request(body)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		q.close()
	}
	p.want(xftp.ErrNoFile, xftp.FGet{Key: newX25519().Public()}, c.Recipients[0], c.recipients[0].private)
	p.get(stored, 0)
	s.wantUsed(2, 64<<10)
}

// TestSlowReader checks that a client that doesn't read a download is dropped, and holds no lock.
func TestSlowReader(t *testing.T) {
	s := startServer(t, Config{WriteTimeout: 200 * time.Millisecond})
	p := s.dial(t, 3)
	c := p.store(4<<20, 1)
	answer, err := p.request(bytes.NewReader(p.block(xftp.FGet{Key: newX25519().Public()}, c.Recipients[0], c.recipients[0].private)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	// The client's window has not room for all of it.
	s.waitUntil(t, "the stream to be reset", func() bool { return s.stats.downloadErrors.Load() == 1 })
	if _, err := io.Copy(io.Discard, answer.Body); err == nil {
		t.Error("half a download looks like a whole one")
	}
	if n := s.stats.downloaded.Load(); n != 0 {
		t.Error("half a download is counted")
	}
	s.dial(t, 3).get(c, 0)
}

// TestSilent checks that connections that say nothing, or stop in the handshake, are closed, and that
// idle ones are.
func TestSilent(t *testing.T) {
	s := startServer(t, Config{TLSTimeout: 100 * time.Millisecond, HelloTimeout: 100 * time.Millisecond, IdleTimeout: 200 * time.Millisecond})
	raw := must(net.Dial("tcp", s.addr))
	defer raw.Close()
	silent, _, err := dialTLS(s.addr, []string{"xftp/1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.NetConn().Close()
	greeted := s.connect(t, []string{"xftp/1"}, 0)
	must(greeted.try(nil))
	foreign := s.connect(t, []string{"h2"}, 0)
	must(foreign.try(nil))
	idle := s.dial(t, 3)
	s.waitForConnections(t, 0)
	for _, p := range []*peer{greeted, foreign, idle} {
		if _, err := p.try(nil); err == nil {
			t.Error("a connection is still served")
		}
	}
}

// rawPeer speaks HTTP/2 frame by frame.
type rawPeer struct {
	t       *testing.T
	conn    *tls.Conn
	session []byte
	framer  *http2.Framer
	header  bytes.Buffer
	enc     *hpack.Encoder
}

func (s *testServer) raw(t *testing.T) *rawPeer {
	t.Helper()
	conn, session, err := dialTLS(s.addr, []string{"xftp/1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.NetConn().Close() })
	conn.SetDeadline(time.Now().Add(patience))
	r := &rawPeer{t: t, conn: conn, session: session, framer: http2.NewFramer(conn, conn)}
	r.enc = hpack.NewEncoder(&r.header)
	r.framer.SetMaxReadFrameSize(1 << 20)
	io.WriteString(conn, http2.ClientPreface)
	r.framer.WriteSettings()
	return r
}

// headers opens a stream; fields are names and values in turn.
func (r *rawPeer) headers(stream uint32, end bool, fields ...string) {
	r.header.Reset()
	for i := 0; i < len(fields); i += 2 {
		r.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	block := bytes.Clone(r.header.Bytes())
	const most = 16 << 10
	first := block[:min(len(block), most)]
	block = block[len(first):]
	r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0})
	for len(block) > 0 {
		piece := block[:min(len(block), most)]
		block = block[len(piece):]
		if r.framer.WriteContinuation(stream, len(block) == 0, piece) != nil {
			return
		}
	}
}

func (r *rawPeer) post(stream uint32, end bool, more ...string) {
	r.headers(stream, end, append([]string{":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/"}, more...)...)
}

// ends reads frames until the server resets the stream or ends the connection, or has answered.
func (r *rawPeer) ends(stream uint32) string {
	r.t.Helper()
	for {
		f, err := r.framer.ReadFrame()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				r.t.Fatal("the server neither answers nor ends")
			}
			return "closed"
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			return "goaway"
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return "reset"
			}
		case *http2.HeadersFrame:
			if f.StreamID == stream {
				return "answered"
			}
		}
	}
}

// TestHostileHTTP2 sends frames that no client sends. The server goes on to serve others.
func TestHostileHTTP2(t *testing.T) {
	s := startServer(t, Config{HelloTimeout: time.Second})
	long := strings.Repeat("x", 20<<10)
	for what, test := range map[string]struct {
		send func(r *rawPeer)
		want []string
	}{
		"no method": {func(r *rawPeer) { r.headers(1, true, ":scheme", "https", ":path", "/") }, []string{"reset"}},
		"get": {func(r *rawPeer) {
			r.headers(1, true, ":method", "GET", ":scheme", "https", ":path", "/x", ":authority", "x")
		}, []string{"answered"}},
		"a body of another length": {func(r *rawPeer) {
			r.post(1, false, "content-length", "5")
			r.framer.WriteData(1, true, []byte("1234567"))
		}, []string{"reset"}},
		"large headers":         {func(r *rawPeer) { r.post(1, true, "a", long, "b", long, "c", long) }, []string{"answered", "goaway", "closed"}},
		"upper case":            {func(r *rawPeer) { r.post(1, true, "Abc", "x") }, []string{"reset", "goaway", "closed"}},
		"stream 2":              {func(r *rawPeer) { r.post(2, true) }, []string{"goaway", "closed"}},
		"data without a stream": {func(r *rawPeer) { r.framer.WriteData(1, true, []byte("x")) }, []string{"goaway", "closed"}},
		"a huge frame":          {func(r *rawPeer) { r.post(1, false); r.framer.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<20)) }, []string{"goaway", "closed"}},
		"beyond the window": {func(r *rawPeer) {
			r.post(1, false)
			for range 40 {
				r.framer.WriteData(1, false, make([]byte, 32<<10))
			}
			r.framer.WriteData(1, true, nil)
		}, []string{"reset", "answered", "goaway", "closed"}},
		"garbage": {func(r *rawPeer) { r.conn.Write(randomBytes(1000)) }, []string{"goaway", "closed"}},
		"window of 2^31": {func(r *rawPeer) {
			r.post(1, false)
			r.framer.WriteWindowUpdate(0, 1<<31-1)
			r.framer.WriteWindowUpdate(0, 1<<31-1)
		}, []string{"goaway", "closed"}},
		"headers without end": {func(r *rawPeer) {
			r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			for range 10_000 {
				if r.framer.WriteContinuation(1, false, make([]byte, 1000)) != nil {
					return
				}
			}
		}, []string{"goaway", "closed"}},
	} {
		r := s.raw(t)
		test.send(r)
		if got := r.ends(1); !strings.Contains(" "+strings.Join(test.want, " ")+" ", " "+got+" ") {
			t.Errorf("%s: %s instead of %v", what, got, test.want)
		}
		r.conn.NetConn().Close()
	}
	// Streams without end, and streams that are reset at once.
	r := s.raw(t)
	streams := uint32(10_000)
	if testing.Short() {
		streams = 1000
	}
	for i := range streams {
		r.post(2*i+1, false)
		if i%2 == 0 && r.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			break
		}
	}
	r.conn.NetConn().Close()
	s.waitForConnections(t, 0)
	s.dial(t, 3).store(64<<10, 1)
}

// TestManyStreams has more requests on a connection than it may have at once: the rest waits.
func TestManyStreams(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	var work sync.WaitGroup
	for range 5 * maxStreams {
		work.Go(func() {
			c := newChunk(64<<10, 1)
			m, _, err := p.tryDo(c.command(), "", c.sender.private)
			if err != nil {
				t.Error(err)
				return
			}
			c.SIDs = m.(xftp.SIDs)
			for range 2 {
				if m, _, err := p.tryDo(xftp.FPut{}, c.Sender, c.sender.private, c.bytes); err != nil || m != (xftp.OK{}) {
					t.Errorf("an upload: %v, %v", m, err)
				}
			}
		})
	}
	work.Wait()
	s.wantUsed(5*maxStreams, 5*maxStreams*64<<10)
}

// TestMethodsAndHeaders checks that only the body counts (xftp.md §1).
func TestMethodsAndHeaders(t *testing.T) {
	s := startServer(t, Config{})
	p := s.dial(t, 3)
	for _, method := range []string{http.MethodPost, http.MethodPut, "WHATEVER"} {
		req := must(http.NewRequest(method, "https://relay.example/a/b?c", bytes.NewReader(p.block(xftp.Ping{}, "", nil))))
		req.Header.Set("xftp-web-hello", "1")
		req.Header.Set("xftp-handshake", "1")
		answer, err := p.http.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if m, _, _, err := p.answer(body); err != nil || m != (xftp.Pong{}) {
			t.Errorf("%s: %v, %v", method, m, err)
		}
	}
}

// FuzzCommand sends commands of any bytes: there is always an answer.
func FuzzCommand(f *testing.F) {
	key := ed25519Key()
	for _, cmd := range []xftp.Command{
		newChunk(64<<10, 2).command(), xftp.FAdd{Recipients: []crypt.AuthPublic{key.public}}, xftp.FPut{}, xftp.FDel{}, xftp.FAck{}, xftp.Ping{},
		xftp.FGet{Key: newX25519().Public()},
	} {
		f.Add(cmd.Append(nil, 3), []byte{}, []byte{})
		f.Add(cmd.Append(nil, 3), bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 64))
	}
	s := startServer(f, Config{})
	p := s.dial(f, 3)
	f.Fuzz(func(t *testing.T, command, entity, auth []byte) {
		tr := transmission(command, entity[:min(len(entity), 255)], auth[:min(len(auth), 255)])
		block, err := p.params.AppendBlock(nil, &tr)
		if err != nil {
			return
		}
		body, err := p.try(block)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := p.answer(body); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzRecord reads what could stand in the index.
func FuzzRecord(f *testing.F) {
	rec := record{state: blocked, sender: ed25519Key().public}
	f.Add(rec.append(nil))
	rec.state = stored
	f.Add(rec.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := parseRecord(key{}, b)
		if err == nil && !bytes.Equal(rec.append(nil), b) {
			t.Error("a record is read that is never written")
		}
	})
}
