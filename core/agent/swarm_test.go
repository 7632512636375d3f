package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

var swarmRounds = flag.Int("swarm.rounds", 8, "rounds of TestSwarm; each is about a second")

// faultyLine is the only way to a relay: a TCP proxy that ends each connection after some bytes, in
// the middle of a block or of the TLS handshake if it so happens.
type faultyLine struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	rand  *rand.Rand // nil once nothing is to break any more
	conns map[net.Conn]bool
}

func newFaultyLine(t *testing.T, target string, seed uint64) *faultyLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyLine{listener: l, target: target, rand: rand.New(rand.NewPCG(seed, 3)), conns: map[net.Conn]bool{}}
	f.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.cut()
		f.wg.Wait()
	})
	return f
}

func (f *faultyLine) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()
	f.mu.Lock()
	f.conns[client] = true
	budget := int64(1) << 40
	if f.rand != nil {
		budget = 1000 + f.rand.Int64N(2_000_000)
	}
	f.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.CopyN(way[1], way[0], budget)
			client.Close()
			server.Close()
		})
	}
	both.Wait()
	f.mu.Lock()
	delete(f.conns, client)
	f.mu.Unlock()
}

// cut ends all connections.
func (f *faultyLine) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
	}
}

func (f *faultyLine) mend() {
	f.mu.Lock()
	f.rand = nil
	f.mu.Unlock()
}

// partition is which relays a client can't reach.
type partition struct {
	mu      sync.Mutex
	blocked map[string]bool // by port
	conns   map[smp.Conn]string
}

var errPartition = errors.New("no route to the relay")

func (p *partition) dial(ctx context.Context, server wire.Server) (smp.Conn, error) {
	p.mu.Lock()
	blocked := p.blocked[server.Port]
	p.mu.Unlock()
	if blocked {
		return nil, errPartition
	}
	c, err := transport.Dialer{}.Dial(ctx, server.Hosts[0], server.Port, server.KeyHash, "smp/1")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocked[server.Port] {
		c.Close()
		return nil, errPartition
	}
	p.conns[c] = server.Port
	return c, nil
}

// set cuts off the blocked relays, and only these.
func (p *partition) set(blocked map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = blocked
	for c, port := range p.conns {
		if blocked[port] {
			c.Close()
			delete(p.conns, c)
		}
	}
}

// stream is one direction of a connection.
type stream struct {
	from, to     *node
	fromID, toID int64
	written      []string
}

// TestSwarm has 20 clients with 3 relays write to each other, while relays are stopped and started,
// clients are cut off from some relays or restarted, and connections break at any byte.
func TestSwarm(t *testing.T) {
	t.Parallel()
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-model.seed=%d -swarm.rounds=%d", seed, *swarmRounds)
	random := rand.New(rand.NewPCG(seed, 4))
	const clients, friends = 20, 2
	var relays []*testRelay
	var lines []*faultyLine
	var servers []wire.Server
	for i := range 3 {
		r := newRelayWith(t, relay.Config{MaxConnectionsPerSource: -1, NewQueuesPerMinute: -1})
		line := newFaultyLine(t, net.JoinHostPort("127.0.0.1", r.server.Port), seed+uint64(i))
		server := r.server
		_, server.Port, _ = net.SplitHostPort(line.listener.Addr().String())
		relays, lines, servers = append(relays, r), append(lines, line), append(servers, server)
	}
	nodes, partitions := make([]*node, clients), make([]*partition, clients)
	for i := range nodes {
		p := &partition{conns: map[smp.Conn]string{}}
		n := &node{t: t, name: fmt.Sprint("client ", i), dir: filepath.Join(t.TempDir(), "db"), retry: quickRetry, network: smp.Config{Dial: p.dial}}
		n.choose = func(used, _ []wire.Server) (Relay, error) {
			free := slices.DeleteFunc(slices.Clone(servers), func(s wire.Server) bool { return slices.ContainsFunc(used, s.SameAs) })
			return Relay{Server: free[i%len(free)]}, nil
		}
		if err := n.start(true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.stop() })
		nodes[i], partitions[i] = n, p
	}
	var streams []*stream
	for i, a := range nodes {
		for k := range friends {
			b := nodes[(i+1+k*7)%clients]
			there, back := befriend(t, a, b)
			streams = append(streams, there, back)
		}
	}
	began := time.Now()
	count := 0
	write := func(s *stream) {
		text := fmt.Sprint("message ", count)
		count++
		if err := s.from.write(s.fromID, text); err != nil {
			t.Fatal(err)
		}
		s.written = append(s.written, text)
	}
	for round := range shorter(*swarmRounds) {
		for i, p := range partitions {
			blocked := map[string]bool{}
			for _, s := range servers {
				blocked[s.Port] = random.IntN(4) == 0
			}
			p.set(blocked)
			if random.IntN(10) == 0 {
				nodes[i].restart()
			}
			nodes[i].Retry()
		}
		down := relays[random.IntN(len(relays))]
		if round%3 == 0 {
			down.stop()
		}
		for range 2 * clients {
			write(streams[random.IntN(len(streams))])
		}
		if round%3 == 0 {
			down.start()
		}
		for range clients {
			write(streams[random.IntN(len(streams))])
		}
	}
	for i, p := range partitions {
		p.set(nil)
		nodes[i].Retry()
	}
	for _, l := range lines {
		l.mend()
	}
	for _, s := range streams {
		s.to.wait("all messages", func() bool {
			s.to.Retry()
			return len(s.to.texts(s.toID, "message")) >= len(s.written)
		})
		s.from.wait("all receipts", func() bool { return len(s.from.texts(s.fromID, "delivered")) >= len(s.written) })
		if got := s.to.texts(s.toID, "message"); !slices.Equal(got, s.written) {
			t.Errorf("%s to %s: received %v, want %v", s.from.name, s.to.name, got, s.written)
		}
		if p := s.to.texts(s.toID, "problem"); len(p) > 0 {
			t.Errorf("%s to %s: %v", s.from.name, s.to.name, p)
		}
	}
	t.Logf("%d messages in %d directions, %v", count, len(streams), time.Since(began).Round(time.Millisecond))
}

// befriend connects two nodes.
func befriend(t *testing.T, a, b *node) (there, back *stream) {
	t.Helper()
	var link Link
	invite := func() (int64, error) {
		return a.Invite(t.Context(), nil, func(_ *store.Tx, _ int64, i Invitation) error { link = i.Full; return nil })
	}
	atA, err := invite()
	for err != nil && t.Context().Err() == nil { // the connection broke
		atA, err = invite()
	}
	atB, err := b.Join(t.Context(), link, []byte(b.name), func(*store.Tx, int64) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for n, id := range map[*node]int64{a: atA, b: atB} {
		n.wait("the connection", func() bool { return State(n.connection(id).State) == StateConnected })
	}
	return &stream{from: a, to: b, fromID: atA, toID: atB}, &stream{from: b, to: a, fromID: atB, toID: atA}
}
