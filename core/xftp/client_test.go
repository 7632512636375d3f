package xftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// upload stores a chunk for a number of recipients.
func upload(t testing.TB, c *Client, data []byte, recipients int) (sender ID, key *crypt.Ed25519Private, list []UploadRecipient) {
	t.Helper()
	private, _ := crypt.NewEd25519(rand.Reader)
	list, keys, err := newRecipients(recipients)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	ctx := context.Background()
	ids, err := c.New(ctx, &private, FNew{Sender: private.Public(), Size: uint32(len(data)), Digest: sum[:], Recipients: keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Put(ctx, ids.Sender, &private, bytes.NewReader(data), uint32(len(data)), nil); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].ID = ids.Recipients[i]
	}
	return ids.Sender, &private, list
}

func TestClient(t *testing.T) {
	for _, size := range ChunkSizes {
		ctx := context.Background()
		relay := newTestRelay(t, 1)
		c := relay.connect(t)
		if err := c.Ping(ctx); err != nil {
			t.Fatal(err)
		}
		data := randomBytes(uint64(size), int(size))
		sender, key, list := upload(t, c, data, 2)
		more, keys, err := newRecipients(1)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := c.Add(ctx, sender, key, keys)
		if err != nil {
			t.Fatal(err)
		}
		more[0].ID = ids[0]
		list = append(list, more...)
		get := func(r *UploadRecipient) ([]byte, error) {
			var b bytes.Buffer
			moved := 0
			err := c.Get(ctx, r.ID, &r.Key, &b, size, sha256.Sum256(data), func(n int) { moved += n })
			if err == nil && moved != int(size) {
				t.Errorf("%d bytes moved", moved)
			}
			return b.Bytes(), err
		}
		for i := range list {
			if got, err := get(&list[i]); err != nil || !bytes.Equal(got, data) {
				t.Errorf("recipient %d: %d bytes, %v", i, len(got), err)
			}
		}
		if err := c.Ack(ctx, list[0].ID, &list[0].Key); err != nil {
			t.Fatal(err)
		}
		if _, err := get(&list[0]); !errors.Is(err, ErrAuth) {
			t.Errorf("after FACK: %v", err)
		}
		if got, err := get(&list[1]); err != nil || !bytes.Equal(got, data) {
			t.Errorf("the other recipient after FACK: %v", err)
		}
		// A repeated upload is accepted.
		if err := c.Put(ctx, sender, key, bytes.NewReader(data), size, nil); err != nil {
			t.Error(err)
		}
		if err := c.Delete(ctx, sender, key); err != nil {
			t.Fatal(err)
		}
		if _, err := get(&list[1]); !errors.Is(err, ErrAuth) {
			t.Errorf("after FDEL: %v", err)
		}
		if c.Err() != nil {
			t.Errorf("refusals end the session: %v", c.Err())
		}
		c.Close()
		if err := c.Ping(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// A description may have keys that make authenticators, which need a nonce of their own.
func TestClientAuthenticator(t *testing.T) {
	ctx := context.Background()
	relay := newTestRelay(t, 1)
	c := relay.connect(t)
	data := randomBytes(1, int(ChunkSizes[0]))
	sum := sha256.Sum256(data)
	key, rcv := crypt.X25519Private{9}, crypt.Ed448Private{8}
	ids, err := c.New(ctx, &key, FNew{Sender: key.Public(), Size: ChunkSizes[0], Digest: sum[:], Recipients: []crypt.AuthPublic{rcv.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Put(ctx, ids.Sender, &key, bytes.NewReader(data), ChunkSizes[0], nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(ctx, ids.Recipients[0], &rcv, io.Discard, ChunkSizes[0], sum, nil); err != nil {
		t.Fatal(err)
	}
	// Without a handshake there is no key to make them for.
	relay = newTestRelay(t, 2)
	relay.alpn = ""
	c = relay.connect(t)
	if c.Params().Version != 1 {
		t.Errorf("version %d", c.Params().Version)
	}
	if err := c.Delete(ctx, "id", &key); !errors.Is(err, smp.ErrNoRelayKey) {
		t.Errorf("%v", err)
	}
	upload(t, c, data, 1)
}

func TestClientVersions(t *testing.T) {
	for version := Versions.Min; version <= Versions.Max; version++ {
		relay := newTestRelay(t, 1)
		relay.versions.Max = version
		c := relay.connect(t)
		if c.Params().Version != version {
			t.Errorf("version %d", c.Params().Version)
		}
		relay.before = func(Command) Message {
			return &Error{Kind: KindBlocked, Blocking: smp.Blocking{Reason: smp.BlockedSpam}}
		}
		key := crypt.Ed25519Private{1}
		want := ErrBlocked
		if version < 3 {
			want = ErrAuth
		}
		if err := c.Delete(context.Background(), "id", &key); !errors.Is(err, want) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestHandshakeErrors(t *testing.T) {
	answer := func(n int, b []byte) func(int, http.ResponseWriter, *http.Request) bool {
		return func(request int, w http.ResponseWriter, _ *http.Request) bool {
			if request == n {
				w.Write(b)
			}
			return request == n
		}
	}
	other := crypt.Ed25519Private{77}
	for name, c := range map[string]struct {
		change func(*testRelay)
		want   error
	}{
		"empty":            {func(r *testRelay) { r.raw = answer(1, nil) }, ErrProtocol},
		"short":            {func(r *testRelay) { r.raw = answer(1, make([]byte, 100)) }, ErrProtocol},
		"long":             {func(r *testRelay) { r.raw = answer(1, make([]byte, 2*BlockSize)) }, ErrProtocol},
		"endless":          {func(r *testRelay) { r.raw = endless }, ErrProtocol},
		"garbage":          {func(r *testRelay) { r.raw = answer(1, randomBytes(1, BlockSize)) }, ErrProtocol},
		"zeros":            {func(r *testRelay) { r.raw = answer(1, make([]byte, BlockSize)) }, ErrHandshake},
		"error":            {func(r *testRelay) { r.raw = answer(1, AppendHandshakeError(nil, ErrSession)) }, ErrSession},
		"second error":     {func(r *testRelay) { r.raw = answer(2, AppendHandshakeError(nil, ErrHandshake)) }, ErrHandshake},
		"second garbage":   {func(r *testRelay) { r.raw = answer(2, make([]byte, 77)) }, ErrProtocol},
		"another session":  {func(r *testRelay) { r.hello = func(h *ServerHello) { h.SessionID = make([]byte, 32) } }, ErrIdentity},
		"newer versions":   {func(r *testRelay) { r.versions = wire.VersionRange{Min: 4, Max: 9} }, ErrVersion},
		"another identity": {func(r *testRelay) { r.identity = []byte("another") }, ErrIdentity},
		"one certificate":  {func(r *testRelay) { r.hello = func(h *ServerHello) { h.Chain = h.Chain[1:] } }, ErrIdentity},
		"three":            {func(r *testRelay) { r.hello = func(h *ServerHello) { h.Chain = append(h.Chain, []byte("x")) } }, ErrIdentity},
		"another signer": {func(r *testRelay) {
			r.hello = func(h *ServerHello) { h.SignedKey = crypt.AppendSignedKey(nil, r.key.Public(), &other) }
		}, ErrIdentity},
		"another algorithm": {func(r *testRelay) {
			r.hello = func(h *ServerHello) { h.SignedKey = crypt.AppendSignedKey(nil, other.Public(), &r.leaf) }
		}, ErrIdentity},
	} {
		relay := newTestRelay(t, 1)
		c.change(relay)
		if _, err := Connect(context.Background(), configOf(relay), relay.server); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	relay := newTestRelay(t, 1)
	relay.alpn = ""
	config := configOf(relay)
	config.Versions = wire.VersionRange{Min: 2, Max: 3}
	if _, err := Connect(context.Background(), config, relay.server); !errors.Is(err, ErrVersion) {
		t.Errorf("an old relay: %v", err)
	}
}

// endless answers without an end.
func endless(_ int, w http.ResponseWriter, _ *http.Request) bool {
	for b := make([]byte, BlockSize); ; {
		if _, err := w.Write(b); err != nil {
			return true
		}
	}
}

func TestHostileAnswers(t *testing.T) {
	other := func(change func(*smp.Transmission)) func(Command, *smp.Transmission, []byte) []byte {
		return func(_ Command, t *smp.Transmission, b []byte) []byte {
			p := Params{Version: 3, SessionID: bytes.Clone(sessionOf(b))}
			change(t)
			b, err := p.AppendBlock(nil, t)
			if err != nil {
				panic(err)
			}
			return b
		}
	}
	block := func(f func([]byte) []byte) func(Command, *smp.Transmission, []byte) []byte {
		return func(_ Command, _ *smp.Transmission, b []byte) []byte { return f(b) }
	}
	for name, respond := range map[string]func(Command, *smp.Transmission, []byte) []byte{
		"empty":           block(func([]byte) []byte { return nil }),
		"short":           block(func(b []byte) []byte { return b[:BlockSize-1] }),
		"long":            block(func(b []byte) []byte { return append(b, 0) }),
		"endless":         block(func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) }),
		"garbage":         block(func(b []byte) []byte { return randomBytes(3, BlockSize) }),
		"another session": block(func(b []byte) []byte { return bytes.Replace(b, sessionOf(b), make([]byte, 32), 1) }),
		"another answer":  other(func(t *smp.Transmission) { t.Body = []byte("PONG") }),
		"unknown answer":  other(func(t *smp.Transmission) { t.Body = []byte("WHAT") }),
		"a command":       other(func(t *smp.Transmission) { t.Body = []byte("FDEL") }),
		"another entity":  other(func(t *smp.Transmission) { t.Entity = []byte("other") }),
		"no entity":       other(func(t *smp.Transmission) { t.Entity = nil }),
		"correlation":     other(func(t *smp.Transmission) { t.CorrID = []byte("other") }),
		"unknown error":   other(func(t *smp.Transmission) { t.Body = []byte("ERR WHAT") }),
	} {
		relay := newTestRelay(t, 1)
		relay.change(func() { relay.respond = respond })
		relay.change(func() { relay.before = func(Command) Message { return OK{} } })
		c := relay.connect(t)
		key := crypt.Ed25519Private{1}
		if err := c.Delete(context.Background(), "entity", &key); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		if !errors.Is(c.Err(), ErrClosed) {
			t.Errorf("%s: the session goes on", name)
		}
	}
	relay := newTestRelay(t, 1)
	relay.raw = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > 2 {
			w.WriteHeader(http.StatusTeapot)
		}
		return n > 2
	}
	c := relay.connect(t)
	if err := c.Ping(context.Background()); !errors.Is(err, ErrProtocol) {
		t.Errorf("another status: %v", err)
	}
	relay = newTestRelay(t, 1)
	relay.before = func(cmd Command) Message {
		switch cmd.(type) {
		case FNew:
			return SIDs{"sender", []ID{"one", "too many"}}
		case FAdd:
			return RIDs{[]ID{"one", "too many"}}
		}
		return nil
	}
	c = relay.connect(t)
	key := crypt.Ed25519Private{1}
	keys := []crypt.AuthPublic{key.Public()}
	if _, err := c.New(context.Background(), &key, FNew{Sender: key.Public(), Digest: []byte("x"), Recipients: keys}); !errors.Is(err, ErrProtocol) {
		t.Errorf("too many ids: %v", err)
	}
	if _, err := c.Add(context.Background(), "id", &key, keys); !errors.Is(err, ErrProtocol) {
		t.Errorf("too many ids: %v", err)
	}
}

// sessionOf is the session id in a block of an answer.
func sessionOf(block []byte) []byte { return block[2+3+1+1:][:32] }

func TestHostileChunks(t *testing.T) {
	write := func(f func(b []byte) []byte) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, _ *http.Request, b []byte) { w.Write(f(b)) }
	}
	for name, c := range map[string]struct {
		body func(http.ResponseWriter, *http.Request, []byte)
		want error
	}{
		"empty":         {write(func([]byte) []byte { return nil }), ErrCorrupt},
		"truncated":     {write(func(b []byte) []byte { return b[:1000] }), ErrCorrupt},
		"without tag":   {write(func(b []byte) []byte { return b[:len(b)-TagSize] }), ErrCorrupt},
		"part of a tag": {write(func(b []byte) []byte { return b[:len(b)-1] }), ErrCorrupt},
		"longer":        {write(func(b []byte) []byte { return append(b, 0) }), ErrCorrupt},
		"changed":       {write(func(b []byte) []byte { b[500] ^= 1; return b }), ErrCorrupt},
		"another tag":   {write(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), ErrCorrupt},
		"endless": {func(w http.ResponseWriter, r *http.Request, b []byte) {
			for {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, ErrCorrupt},
		"aborted": {func(w http.ResponseWriter, _ *http.Request, b []byte) {
			w.Write(b[:5000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, ErrClosed},
	} {
		relay := newTestRelay(t, 1)
		client := relay.connect(t)
		data := randomBytes(2, int(ChunkSizes[0]))
		_, _, list := upload(t, client, data, 1)
		relay.change(func() { relay.body = c.body })
		err := client.Get(context.Background(), list[0].ID, &list[0].Key, io.Discard, ChunkSizes[0], sha256.Sum256(data), nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if client.Err() == nil {
			t.Errorf("%s: the session goes on", name)
		}
	}
	relay := newTestRelay(t, 1)
	client := relay.connect(t)
	data := randomBytes(2, int(ChunkSizes[0]))
	_, _, list := upload(t, client, data, 1)
	// Another chunk than the one of the description, sealed as it should be.
	if err := client.Get(context.Background(), list[0].ID, &list[0].Key, io.Discard, ChunkSizes[0], ChunkDigest{1}, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another digest: %v", err)
	}
	client = relay.connect(t)
	full := failingWriter{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}}
	if err := client.Get(context.Background(), list[0].ID, &list[0].Key, full, ChunkSizes[0], sha256.Sum256(data), nil); !errors.Is(err, ErrDiskFull) {
		t.Errorf("a full disk: %v", err)
	}
	// A key that gives no secret.
	client = relay.connect(t)
	relay.change(func() { relay.before = func(Command) Message { return File{} } })
	if err := client.Get(context.Background(), list[0].ID, &list[0].Key, io.Discard, ChunkSizes[0], sha256.Sum256(data), nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("a zero key: %v", err)
	}
}

// A connection that ends in the middle of a chunk is not a wrong chunk.
func TestHangUp(t *testing.T) {
	relay := newTestRelay(t, 1)
	client := relay.connect(t)
	data := randomBytes(2, int(ChunkSizes[1]))
	_, _, list := upload(t, client, data, 1)
	relay.body = func(w http.ResponseWriter, _ *http.Request, b []byte) {
		w.Write(b[:100000])
		w.(http.Flusher).Flush()
		relay.hangUp()
	}
	err := client.Get(context.Background(), list[0].ID, &list[0].Key, io.Discard, ChunkSizes[1], sha256.Sum256(data), nil)
	if !errors.Is(err, ErrClosed) || errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

// A relay that says OK to what it can't have is not believed.
func TestEarlyOK(t *testing.T) {
	relay := newTestRelay(t, 1)
	relay.before = always(OK{})
	c := relay.connect(t)
	key := crypt.Ed25519Private{1}
	if err := c.Put(context.Background(), "id", &key, bytes.NewReader(make([]byte, 4<<20)), 4<<20, nil); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
}

func always(m Message) func(Command) Message { return func(Command) Message { return m } }

// What a relay refuses before it has read the chunk ends the session, and the pool has another one.
func TestRefusedUpload(t *testing.T) {
	relay := newTestRelay(t, 1)
	relay.before = func(cmd Command) Message {
		if _, put := cmd.(FPut); put {
			return ErrQuota
		}
		return nil
	}
	pool := newPool(t, relay)
	key := crypt.Ed25519Private{1}
	for _, size := range ChunkSizes { // the small ones are sent as a whole all the same
		var c *Client
		err := pool.Do(context.Background(), relay.server, Way{}, func(ctx context.Context, client *Client) error {
			c = client
			return c.Put(ctx, "id", &key, bytes.NewReader(make([]byte, size)), size, nil)
		})
		if !errors.Is(err, ErrQuota) {
			t.Fatal(err)
		}
		if !errors.Is(c.Err(), ErrClosed) {
			t.Errorf("the session goes on after %d bytes were refused", size)
		}
	}
	err := pool.Do(context.Background(), relay.server, Way{}, func(ctx context.Context, c *Client) error { return c.Ping(ctx) })
	if err != nil {
		t.Error(err)
	}
}

func register(c *Client, key *crypt.Ed25519Private) (ID, []ID, error) {
	ids, err := c.New(context.Background(), key, FNew{
		Sender: key.Public(), Size: 65536, Digest: make([]byte, 32), Recipients: []crypt.AuthPublic{key.Public()},
	})
	return ids.Sender, ids.Recipients, err
}

// A source that fails is nobody else's fault.
func TestUploadSource(t *testing.T) {
	key := crypt.Ed25519Private{1}
	for _, c := range []struct {
		r    io.Reader
		want error
	}{
		{io.MultiReader(strings.NewReader("abc"), failingReader{errTest}), errTest},
		{strings.NewReader("abc"), io.ErrUnexpectedEOF},
	} {
		relay := newTestRelay(t, 1)
		client := relay.connect(t)
		sender, _, err := register(client, &key)
		if err != nil {
			t.Fatal(err)
		}
		err = client.Put(context.Background(), sender, &key, c.r, 65536, nil)
		var local *localError
		if !errors.Is(err, c.want) || !errors.As(err, &local) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
}

func TestTimeouts(t *testing.T) {
	silent := func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		relay.change(func() { relay.raw = silent })
		start := time.Now()
		_, err := Connect(context.Background(), configOf(relay), relay.server)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != DefaultConnectTimeout {
			t.Errorf("a silent handshake: %v after %v", err, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		c := relay.connect(t)
		data := randomBytes(2, int(ChunkSizes[3]))
		_, _, list := upload(t, c, data, 1)
		get := func() error {
			return c.Get(context.Background(), list[0].ID, &list[0].Key, io.Discard, ChunkSizes[3], sha256.Sum256(data), nil)
		}
		// 4 KB a second are enough, however long it takes.
		drip := func(n int) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, r *http.Request, b []byte) {
				for len(b) > 0 {
					k := min(n, len(b))
					if _, err := w.Write(b[:k]); err != nil {
						return
					}
					w.(http.Flusher).Flush()
					b = b[k:]
					select {
					case <-time.After(time.Second):
					case <-r.Context().Done():
						return
					}
				}
			}
		}
		relay.change(func() { relay.body = drip(4 << 10) })
		start := time.Now()
		if err := get(); err != nil {
			t.Errorf("4 KB/s: %v", err)
		}
		if d := time.Since(start); d < 17*time.Minute {
			t.Errorf("it took %v", d)
		}
		relay.change(func() { relay.body = drip(100) })
		start = time.Now()
		if err := get(); !errors.Is(err, ErrTimeout) || time.Since(start) > 2*DefaultCommandTimeout {
			t.Errorf("100 B/s: %v after %v", err, time.Since(start))
		}
		c.Close()
		relay.change(func() { relay.body = nil })

		// A relay that does not read, and one that does not answer.
		c = relay.connect(t)
		relay.change(func() { relay.raw = silent })
		key := crypt.Ed25519Private{1}
		start = time.Now()
		err := c.Put(context.Background(), "id", &key, bytes.NewReader(data), ChunkSizes[3], nil)
		if !errors.Is(err, ErrTimeout) || time.Since(start) > 3*DefaultCommandTimeout {
			t.Errorf("an upload that stops: %v after %v", err, time.Since(start))
		}
		relay.change(func() { relay.raw = nil })
		c = relay.connect(t)
		relay.change(func() { relay.raw = silent })
		start = time.Now()
		if err := c.Ping(context.Background()); !errors.Is(err, ErrTimeout) || time.Since(start) != DefaultCommandTimeout {
			t.Errorf("no answer: %v after %v", err, time.Since(start))
		}
		relay.change(func() { relay.raw = nil })
		c = relay.connect(t)
		relay.change(func() { relay.raw = silent })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's deadline: %v", err)
		}
	})
}

// The pool leaves a relay after a while, connects again when it is needed, and after a loss.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		pool := newPool(t, relay)
		var clients []*Client
		ping := func() {
			t.Helper()
			err := pool.Do(context.Background(), relay.server, Way{}, func(ctx context.Context, c *Client) error {
				if len(clients) == 0 || clients[len(clients)-1] != c {
					clients = append(clients, c)
				}
				return c.Ping(ctx)
			})
			if err != nil {
				t.Error(err)
			}
		}
		expect := func(n int) {
			t.Helper()
			if len(clients) != n {
				t.Errorf("%d sessions, want %d", len(clients), n)
			}
		}
		ping()
		time.Sleep(DefaultIdleTimeout - time.Second)
		ping()
		time.Sleep(DefaultIdleTimeout - time.Second)
		ping()
		expect(1)
		time.Sleep(DefaultIdleTimeout + time.Second)
		if clients[0].Err() == nil {
			t.Error("the session is still there")
		}
		ping()
		expect(2)
		relay.hangUp()
		synctest.Wait()
		ping()
		expect(3)
		pool.Reset()
		ping()
		expect(4)
		pool.Close()
		if err := pool.Do(context.Background(), relay.server, Way{}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Close ends what is in progress.
func TestPoolClose(t *testing.T) {
	relay := newTestRelay(t, 1)
	pool := newPool(t, relay)
	there := make(chan struct{})
	result := make(chan error)
	for range 2 { // one waits for the other
		go func() {
			result <- pool.Do(context.Background(), relay.server, Way{}, func(ctx context.Context, c *Client) error {
				close(there)
				<-ctx.Done()
				return ctx.Err()
			})
		}()
	}
	<-there
	pool.Close()
	for range 2 {
		if err := <-result; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}

// What goes in different ways shares no session, and of ways that are not used any more nothing is left.
func TestPoolWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newTestRelay(t, 1)
		var circuits []string
		var dials int
		path := transport.Path{Host: "a"}
		pool := NewPool(Config{
			Path: func(_ context.Context, _ wire.Server, circuit string) (transport.Path, error) {
				circuits = append(circuits, circuit)
				return path, nil
			},
			dial: func(ctx context.Context, config Config, server wire.Server) (*link, error) {
				if _, err := config.Path(ctx, server, config.Circuit); err != nil {
					return nil, err
				}
				dials++
				return relay.dial()
			}})
		defer pool.Close()
		ping := func(way Way) error {
			return pool.Do(context.Background(), relay.server, way, func(ctx context.Context, c *Client) error { return c.Ping(ctx) })
		}
		sessions := func() int {
			pool.mu.Lock()
			defer pool.mu.Unlock()
			return len(pool.relays)
		}
		for range 2 {
			for _, c := range []string{"", "one", "two"} {
				if err := ping(Way{Circuit: c}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if want := []string{"", "one", "two"}; !slices.Equal(circuits, want) || sessions() != len(want) {
			t.Errorf("circuits %q, %d sessions", circuits, sessions())
		}
		time.Sleep(DefaultIdleTimeout + time.Second)
		if sessions() != 0 {
			t.Errorf("%d sessions are left", sessions())
		}

		// Only one host may be reached: neither in a new session nor in one that is there.
		only := Way{Permit: func(_ wire.Server, p transport.Path) error {
			if p.Host == "a" {
				return nil
			}
			return errTest
		}}
		dials = 0
		if err := ping(only); err != nil {
			t.Fatal(err)
		}
		pool.Reset()
		path.Host = "b"
		if err := ping(only); !errors.Is(err, errTest) || dials != 1 || sessions() != 0 {
			t.Errorf("%v, %d dials, %d sessions", err, dials, sessions())
		}
		if err := ping(Way{}); err != nil || dials != 2 {
			t.Errorf("%v, %d dials", err, dials)
		}
		if err := ping(only); !errors.Is(err, errTest) {
			t.Error(err)
		}
		time.Sleep(DefaultIdleTimeout + time.Second) // it is left though it was refused
		if sessions() != 0 {
			t.Errorf("%d sessions are left", sessions())
		}
		_, file, up := encrypted(t, 10, 1)
		err := up.Run(context.Background(), pool, file, UploadOptions{Relays: relaysOf(relay), Options: Options{Way: only}})
		if blamed := new(RelayError); !errors.Is(err, errTest) || errors.As(err, &blamed) {
			t.Errorf("an upload: %v", err)
		}
	})
}
