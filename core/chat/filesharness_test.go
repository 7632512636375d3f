package chat

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// shelf is the files.Store of a relay in memory. A test can hold what goes in and out, and change it.
type shelf struct {
	mu     sync.Mutex
	open   *sync.Cond
	chunks map[string][]byte
	hold   bool // nothing goes in or out
	held   int  // requests that wait
	room   int  // how many chunks go in or out until hold, if it is not 0
	wrong  bool // what goes out is not what went in
}

// smallestChunk is the size of the smallest chunk. What is smaller is the relay's own.
const smallestChunk = 1 << 16

func (s *shelf) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room > 0 {
		if s.room--; s.room == 0 {
			s.hold = true
		}
		return
	}
	s.held++
	for s.hold {
		s.open.Wait()
	}
	s.held--
}

func (s *shelf) Put(_ context.Context, name string, size int64, r io.Reader) error {
	if size >= smallestChunk {
		s.pass()
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks[name] = b
	return nil
}

func (s *shelf) Get(_ context.Context, name string) (io.ReadCloser, error) {
	s.mu.Lock()
	b, ok := s.chunks[name]
	s.mu.Unlock()
	if !ok {
		return nil, fs.ErrNotExist
	}
	if len(b) < smallestChunk {
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	s.pass()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 1
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *shelf) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.chunks, name)
	return nil
}

func (s *shelf) List(_ context.Context, f func(name string) error) error {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.chunks))
	s.mu.Unlock()
	for _, name := range names {
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}

// set changes what the relay does.
func (s *shelf) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.open.Broadcast()
}

func (s *shelf) release() { s.set(func() { s.hold, s.room = false, 0 }) }

// count returns the number of chunks that a relay has, and of requests that wait.
func (s *shelf) count() (chunks, held int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.chunks) - 1, s.held // the relay has put its name beside them
}

// fileRelay is a relay for files that can be stopped and started.
type fileRelay struct {
	*shelf
	t      *testing.T
	dir    string
	port   string
	server wire.Server
	files  *files.Server
	done   chan error
	came   atomic.Int32 // connections
}

// countedListener counts the connections that come.
type countedListener struct {
	net.Listener
	came *atomic.Int32
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.came.Add(1)
	}
	return c, err
}

func startFileRelay(t *testing.T) *fileRelay {
	t.Helper()
	r := &fileRelay{t: t, dir: filepath.Join(t.TempDir(), "relay"), shelf: &shelf{chunks: map[string][]byte{}}}
	r.shelf.open = sync.NewCond(&r.shelf.mu)
	if _, err := relay.Init(r.dir, relay.Settings{Hosts: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *fileRelay) start() {
	r.t.Helper()
	var l net.Listener
	var err error
	if r.port == "" {
		l, err = relay.ListenLoopback()
	} else {
		l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", r.port))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	_, r.port, _ = net.SplitHostPort(l.Addr().String())
	if r.files, err = files.Open(r.dir, files.Config{Store: r.shelf}); err != nil {
		r.t.Fatal(err)
	}
	r.server = r.files.Address(r.port, "127.0.0.1")
	server, done := r.files, make(chan error, 1)
	r.done = done
	go func() { done <- server.Serve(context.Background(), countedListener{l, &r.came}) }()
}

func (r *fileRelay) stop() {
	r.release()
	if r.files == nil {
		return
	}
	if err := r.files.Close(); err != nil {
		r.t.Error(err)
	}
	<-r.done
	r.files = nil
}

// person is a Chat that can be closed and opened again, and has a conversation.
type person struct {
	*Chat
	t       *testing.T
	dir     string
	smp     wire.Server
	contact int64
	changed chan struct{}
	stop    func()

	mu        sync.Mutex
	relays    []xftp.Relay
	trusted   bool
	hidden    func(wire.Server) bool
	path      transport.PathFunc
	isolate   bool
	automatic int64
	ahead     time.Duration
	progress  map[int64][]FileProgress
}

func newPerson(t *testing.T, name string, server wire.Server, relays ...*fileRelay) *person {
	t.Helper()
	p := &person{t: t, dir: newData(t, name), smp: server, changed: make(chan struct{}, 1), trusted: true, progress: map[int64][]FileProgress{},
		hidden: func(wire.Server) bool { return false }, path: transport.Direct}
	for _, r := range relays {
		p.relays = append(p.relays, xftp.Relay{Server: r.server})
	}
	p.open()
	return p
}

// locked is what a function reads or writes while others may change it.
func locked[T any](p *person, f func() T) T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f()
}

func (p *person) open() {
	p.t.Helper()
	db, err := store.Open(context.Background(), p.dir, store.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.Chat = New(Config{
		Agent: agent.Config{DB: db, Rand: rand.Reader, PQ: true,
			Now:       func() time.Time { return time.Now().Add(locked(p, func() time.Duration { return p.ahead })) },
			Choose:    func(_, _ []wire.Server) (agent.Relay, error) { return agent.Relay{Server: p.smp}, nil },
			Isolate:   func() bool { return locked(p, func() bool { return p.isolate }) },
			RetrySend: agent.Retry{First: 20 * time.Millisecond, After: time.Second, Max: 100 * time.Millisecond}},
		Publish: func(e Event) {
			if e, ok := e.(FileProgress); ok {
				p.mu.Lock()
				p.progress[e.Item] = append(p.progress[e.Item], e)
				p.mu.Unlock()
			}
			wake(p.changed)
		},
		Files: FilesConfig{Dir: filepath.Join(p.dir, "files"),
			Relays: func() ([]xftp.Relay, error) {
				list := locked(p, func() []xftp.Relay { return p.relays })
				if len(list) == 0 {
					return nil, errors.New("none is given")
				}
				return list, nil
			},
			Network: xftp.Config{Path: func(ctx context.Context, server wire.Server, circuit string) (transport.Path, error) {
				return locked(p, func() transport.PathFunc { return p.path })(ctx, server, circuit)
			}},
			Hidden:    func(s wire.Server) bool { return locked(p, func() func(wire.Server) bool { return p.hidden })(s) },
			Known:     func(wire.Server) bool { return locked(p, func() bool { return p.trusted }) },
			Automatic: func() int64 { return locked(p, func() int64 { return p.automatic }) }},
	})
	p.stop = run(p.t, p.Chat, db)
}

func (p *person) restart() {
	p.t.Helper()
	p.stop()
	p.open()
}

func (p *person) wait(what string, cond func() bool) {
	p.t.Helper()
	await(p.t, p.changed, what, cond)
}

func (p *person) item(id int64) (item Item) {
	p.t.Helper()
	err := p.db.View(context.Background(), func(tx *store.Tx) error {
		row, err := tx.Item(id)
		if err == nil {
			item = newItem(row)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return item
}

func (p *person) state(id int64, want FileState) {
	p.t.Helper()
	p.wait(fmt.Sprintf("file %d to be %s", id, want), func() bool { return p.item(id).File.State == want })
}

// onDisk returns how many files there are, as they are kept and on their way.
func (p *person) onDisk() (kept, work int) {
	p.t.Helper()
	for dir, n := range map[string]*int{p.keptDir(): &kept, p.workDir(): &work} {
		list, err := os.ReadDir(dir)
		if err != nil {
			p.t.Fatal(err)
		}
		*n = len(list)
	}
	return kept, work
}

func (p *person) waitDisk(kept, work int) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%d files and %d on their way on disk", kept, work), func() bool {
		k, w := p.onDisk()
		return k == kept && w == work
	})
}

func (p *person) content(id int64) []byte {
	p.t.Helper()
	r, _, err := p.OpenFile(context.Background(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// two are connected, with a relay for files.
type two struct {
	a, b  *person
	relay *fileRelay
}

func newTwo(t *testing.T) *two {
	t.Helper()
	w := &two{relay: startFileRelay(t)}
	server := startRelay(t)
	w.a, w.b = newPerson(t, "Alice", server, w.relay), newPerson(t, "Bob", server, w.relay)
	w.a.contact, w.b.contact = join(w.a, w.b)
	return w
}

// join connects two people and returns how each knows the other.
func join(a, b *person) (ca, cb int64) {
	a.t.Helper()
	invitation, err := a.Invite(context.Background(), false)
	if err != nil {
		a.t.Fatal(err)
	}
	contact, err := b.Connect(context.Background(), invitation.Invitation)
	if err != nil {
		a.t.Fatal(err)
	}
	for p, id := range map[*person]int64{a: invitation.ID, b: contact.ID} {
		p.wait("the connection", func() bool {
			c, err := p.Contact(context.Background(), id)
			return err == nil && c.State == ContactConnected
		})
	}
	return invitation.ID, contact.ID
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

var smallJPEG = append([]byte("\xff\xd8\xff"), bytes.Repeat([]byte{1}, 8000)...)

func (p *person) sendFile(contact int64, f NewFile, content []byte) Item {
	p.t.Helper()
	f.Content, f.Size = bytes.NewReader(content), int64(len(content))
	if f.Type == "" {
		f.Type = event.TypeFile
	}
	if f.Name == "" {
		f.Name = "file.bin"
	}
	i, err := p.SendFile(context.Background(), contact, f)
	if err != nil {
		p.t.Fatal(err)
	}
	return i
}

// offer has Alice send a file, and returns it as both know it.
func (w *two) offer(f NewFile, content []byte) (sent, got int64) {
	w.a.t.Helper()
	before := w.newest(w.b)
	sent = w.a.sendFile(w.a.contact, f, content).ID
	w.b.wait("the message with the file", func() bool { got = w.newest(w.b); return got != before })
	return sent, got
}

// newest returns the newest message with a file.
func (w *two) newest(p *person) int64 {
	p.t.Helper()
	list, err := p.Files(context.Background(), p.contact, 0, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(list) == 0 {
		return 0
	}
	return list[0].ID
}

func (p *person) receive(id int64, o ReceiveOptions) {
	p.t.Helper()
	if err := p.ReceiveFile(context.Background(), id, o); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) do(what func(context.Context, int64) error, id int64) {
	p.t.Helper()
	if err := what(context.Background(), id); err != nil {
		p.t.Fatal(err)
	}
}

// waitChunks waits until the relay has a number of chunks.
func (w *two) waitChunks(want int) {
	w.a.t.Helper()
	w.a.wait(fmt.Sprintf("%d chunks on the relay", want), func() bool { n, _ := w.relay.count(); return n == want })
}

// waitHeld waits until requests wait at the relay.
func (w *two) waitHeld() {
	w.a.t.Helper()
	w.a.wait("a request at the relay", func() bool { _, n := w.relay.count(); return n > 0 })
}

// checkProgress looks at the progress of a file that is done.
func (p *person) checkProgress(id, size int64) {
	p.t.Helper()
	list := locked(p, func() []FileProgress { return p.progress[id] })
	if len(list) == 0 {
		p.t.Error("there was no progress")
		return
	}
	for n, now := range list {
		if now.Total != size || now.Done < 0 || now.Done > size || n > 0 && now.Done < list[n-1].Done || now.Speed < 0 {
			p.t.Errorf("the progress of %d bytes is %+v", size, list)
			return
		}
	}
	if last := list[len(list)-1]; last.Done != size {
		p.t.Errorf("the last progress of %d bytes is %+v", size, last)
	}
}

// complete tells whether all of a description has come.
func (p *person) complete(item int64) bool {
	p.t.Helper()
	_, ok := p.description(item)
	return ok
}

// description returns what has come of a description, and whether that is all.
func (p *person) description(item int64) (text string, ok bool) {
	p.t.Helper()
	err := p.db.View(context.Background(), func(tx *store.Tx) error {
		f, err := tx.File(item)
		if err == nil {
			text, ok = f.Description, f.Complete
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return text, ok
}
