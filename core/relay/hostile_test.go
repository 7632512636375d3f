package relay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// dialTCP connects without TLS.
func (s *server) dialTCP(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func wantEnd(t *testing.T, r io.Reader) {
	t.Helper()
	if _, err := io.Copy(io.Discard, r); err != nil && os.IsTimeout(err) {
		t.Error("the relay keeps the connection")
	}
}

func TestSlowHandshakes(t *testing.T) {
	s := startRelay(t, Config{TLSTimeout: 50 * time.Millisecond, HelloTimeout: 50 * time.Millisecond})
	wantEnd(t, s.dialTCP(t)) // says nothing

	c := s.dialTCP(t)
	c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")) // stops in its client hello
	wantEnd(t, c)

	conn, _, err := dialTLS(s.addr, dialOptions{protocols: []string{"smp/1"}})
	if err != nil {
		t.Fatal(err)
	}
	wantEnd(t, conn) // stops before the SMP hello
	conn.NetConn().Close()
	s.waitForConnections(t, 0)
}

func TestGarbage(t *testing.T) {
	s := startRelay(t, Config{})
	c := s.dialTCP(t)
	c.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 1000))
	wantEnd(t, c)

	conn, _, err := dialTLS(s.addr, dialOptions{protocols: []string{"smp/1"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(make([]byte, crypt.BlockSize)) // an empty client hello
	wantEnd(t, conn)
	conn.NetConn().Close()

	// A client that leaves in the middle of a block.
	p := s.dial(t, 18)
	p.net.Write(make([]byte, 100))
	p.net.NetConn().Close()

	// The relay is there for the others.
	p = s.dial(t, 18)
	p.want(smp.Pong{}, smp.Ping{}, "", nil)
	p.net.NetConn().Close()
	s.waitForConnections(t, 0)
}

func TestMaxConnections(t *testing.T) {
	s := startRelay(t, Config{MaxConnections: 2})
	a, b := s.dial(t, 18), s.dial(t, 18)
	wantEnd(t, s.dialTCP(t))
	a.want(smp.Pong{}, smp.Ping{}, "", nil)
	b.net.NetConn().Close()
	s.waitForConnections(t, 1)
	s.dial(t, 18).want(smp.Pong{}, smp.Ping{}, "", nil)
}

func TestIdle(t *testing.T) {
	s := startRelay(t, Config{IdleTimeout: time.Second})
	p := s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	// Idle connections go, but not the subscriber that is idle for longer.
	s.dial(t, 18).closed()
	s.dial(t, 18).closed()
	p.want(smp.OK{}, text("hello"), q.SndID, nil)
	q.wantText(t, p.event(q.RcvID), "hello")
	// Without the subscription it goes too.
	p.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
	p.closed()
}

// TestSlowReader floods the relay with commands and doesn't read the answers. The relay
// stops to read, holds a bounded number of answers and drops the client in the end.
func TestSlowReader(t *testing.T) {
	s := startRelay(t, Config{WriteTimeout: 200 * time.Millisecond})
	p := s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	p.want(smp.OK{}, text("hello"), q.SndID, nil)
	rcv, _ := keyOf(q.RcvID)
	st := s.stripe(rcv)
	st.mu.Lock()
	c := st.subs[rcv].conn
	st.mu.Unlock()
	var list []smp.Transmission
	for range 100 {
		list = append(list, p.transmission(smp.Get{}, q.RcvID, q.rcv.private), p.transmission(smp.Sub{}, q.RcvID, q.rcv.private))
	}
	most := 0
	for p.trySend(list[:100]...) == nil {
		c.mu.Lock()
		most = max(most, len(c.waiting))
		c.mu.Unlock()
	}
	if most > 2*maxWaiting {
		t.Errorf("%d answers were waiting", most)
	}
	s.waitForConnections(t, 0)

	// Its queue is free for others, who are not disturbed by what was on the way.
	other := s.dial(t, 18)
	other.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
	q.wantText(t, other.event(q.RcvID), "hello")
}

// TestFlood has many clients send garbage while two others talk.
func TestFlood(t *testing.T) {
	s := startRelay(t, Config{})
	rcv, snd := s.dial(t, 18), s.dial(t, 18)
	q := rcv.newQueue(smp.ModeMessaging, nil)
	stop := make(chan struct{})
	var floods sync.WaitGroup
	for i := range 4 {
		p := s.dial(t, 6+uint16(4*i))
		floods.Go(func() {
			defer p.net.NetConn().Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if p.tryWriteContent([]byte{1, 0, 1, byte(i)}) != nil {
					return
				}
				if _, err := p.tryReadContent(); err != nil {
					return
				}
			}
		})
	}
	for i := range 200 {
		snd.want(smp.OK{}, text(strconv.Itoa(i)), q.SndID, nil)
		id := q.wantText(t, rcv.event(q.RcvID), strconv.Itoa(i))
		rcv.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	}
	close(stop)
	floods.Wait()
}

// TestConcurrent has several senders send to several queues while their subscriptions
// move between connections. Everything arrives once and in each sender's order.
func TestConcurrent(t *testing.T) {
	s := startRelay(t, Config{Quota: 1 << 20})
	const queues, senders, messages = 3, 3, 40
	var all sync.WaitGroup
	for range queues {
		first, second := s.dial(t, 18), s.dial(t, 11)
		q := first.newQueue(smp.ModeContact, nil)
		for sender := range senders {
			p := s.dial(t, 7+uint16(sender))
			all.Go(func() {
				for i := range messages {
					m := p.transmission(text(fmt.Sprintf("%d %d", sender, i)), q.SndID, nil)
					if err := p.trySend(m); err != nil {
						t.Error(err)
						return
					}
					if a, err := p.tryNext(); err != nil || string(a.Body) != "OK" {
						t.Errorf("answer %q, error %v", a.Body, err)
						return
					}
				}
			})
		}
		all.Go(func() {
			next := make([]int, senders)
			peers := [2]*peer{first, second}
			seen := make(map[smp.ID]bool)
			for got, turn := 0, 0; got < senders*messages; turn++ {
				// Each connection takes a few messages and then loses the subscription.
				p := peers[turn%2]
				if err := p.takeSome(q, 10, func(id smp.ID, body string) {
					if seen[id] {
						return // was on its way, or not acknowledged, when the other one took over
					}
					seen[id] = true
					var sender, n int
					fmt.Sscan(body, &sender, &n)
					if n != next[sender] {
						t.Errorf("message %d of sender %d instead of %d", n, sender, next[sender])
					}
					next[sender] = n + 1
					got++
				}, func() bool { return got == senders*messages }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// takeSome subscribes, receives and acknowledges up to n messages.
func (p *peer) takeSome(q *testQueue, n int, got func(smp.ID, string), done func() bool) error {
	if err := p.trySend(p.transmission(smp.Sub{}, q.RcvID, q.rcv.private)); err != nil {
		return err
	}
	for n > 0 && !done() {
		a, err := p.tryNext()
		if err != nil {
			return err
		}
		m, err := smp.ParseMessage(p.params.Version, a.Body)
		if err != nil {
			return err
		}
		msg, ok := m.(smp.Msg)
		if !ok {
			continue // SOK, OK, or END of an earlier turn
		}
		r, err := smp.OpenMessage(&q.secret, msg)
		if err != nil {
			return err
		}
		got(msg.ID, string(r.Body))
		n--
		if err := p.trySend(p.transmission(smp.Ack{MsgID: msg.ID}, q.RcvID, q.rcv.private)); err != nil {
			return err
		}
	}
	return nil
}

func TestServeStops(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, Settings{}); err != nil {
		t.Fatal(err)
	}
	r := must(Open(dir, Config{}))
	if _, err := Open(dir, Config{}); err == nil {
		t.Error("the same folder was opened twice")
	}
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- r.Serve(ctx, l) }()
	s := &server{Relay: r, addr: l.Addr().String()}
	p := s.dial(t, 18)
	p.newQueue(smp.ModeMessaging, nil)
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	p.closed()
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Serve(t.Context(), must(net.Listen("tcp", "127.0.0.1:0"))); err != ErrClosed {
		t.Errorf("Serve after Close returned %v", err)
	}
}

// offline makes a connection without a network: what it would send stays in waiting.
func offline(r *Relay, version uint16) *conn {
	nc, _ := net.Pipe()
	c := newConn(r.ctx, r, nc)
	c.writing = true
	c.params = smp.Params{Version: version, SessionID: make([]byte, 32)}
	return c
}

func FuzzExecuteBlock(f *testing.F) {
	s := startRelay(f, Config{})
	p := smp.Params{Version: 18, SessionID: make([]byte, 32)}
	q := s.dial(f, 18).newQueue(smp.ModeContact, func(n *smp.New) {
		n.Link = &smp.NewLink{LinkID: newLinkID(), Data: linkData("f", "u")}
	})
	k, service := ed25519Key(), ed25519Key()
	const inService = 1000 // added to the version, for the session of a service
	serviceSession := serviceOf(service)
	for _, seed := range []struct {
		cmd    smp.Command
		entity smp.ID
		key    authKey
	}{
		{smp.Ping{}, "", authKey{}},
		{smp.New{RcvAuth: k.public, RcvDH: crypt.X25519Public{9}, Mode: smp.ModeMessaging, Link: &smp.NewLink{}}, "", k},
		{smp.Sub{}, q.RcvID, q.rcv},
		{smp.Get{}, q.RcvID, q.rcv},
		{smp.Ack{}, q.RcvID, q.rcv},
		{smp.LSet{LinkID: q.LinkID, Data: linkData("f", "v")}, q.RcvID, q.rcv},
		{smp.RKey{Keys: []crypt.AuthPublic{q.rcv.public}}, q.RcvID, q.rcv},
		{smp.NKey{Keys: smp.NotifierKeys{Auth: k.public, DH: crypt.X25519Public{9}}}, q.RcvID, q.rcv},
		{smp.LGet{}, q.LinkID, authKey{}},
		{text("hello"), q.SndID, authKey{}},
		{smp.NSub{}, q.RcvID, q.rcv},
		{smp.NSubs{}, key{}.id(), service},
		{smp.Subs{}, key{}.id(), service},
		{smp.Rfwd{Box: make([]byte, 100)}, "", authKey{}},
		{smp.Prxy{Server: s.Address("host")}, "", authKey{}},
	} {
		for _, version := range []uint16{6, 18, 18 + inService} {
			p.Version = version % inService
			t := smp.Transmission{CorrID: make([]byte, 24), Entity: []byte(seed.entity), Body: seed.cmd.Append(nil, p.Version)}
			if seed.key.private != nil {
				if err := t.Authorize(p, seed.key.private, nil); err != nil {
					f.Fatal(err)
				}
			}
			f.Add(version, smp.AppendBlock(nil, [][]byte{p.AppendTransmission(nil, &t)}))
		}
	}
	f.Fuzz(func(t *testing.T, version uint16, content []byte) {
		c := offline(s.Relay, 6+(version%inService-6)%13)
		if version >= inService {
			c.service = &serviceSession
		}
		secret := crypt.Secret{1}
		c.forward, c.hasKey = &secret, true
		c.executeBlock(content[:min(len(content), 4096)]) // few enough not to wait for room
		if len(c.waiting) == 0 {
			t.Error("no answer")
		}
		for i := range c.waiting {
			if m := c.resolve(&c.waiting[i], new([crypt.BlockSize]byte)); m != nil {
				c.encode(nil, &c.waiting[i], m)
			}
		}
		for rcv, sub := range c.subs {
			st := s.stripe(rcv)
			st.mu.Lock()
			st.end(sub)
			st.mu.Unlock()
		}
		for id := range c.notifiers {
			s.notifiers.leave(id, c)
		}
		s.notifiers.leaveService(key{}, c)
	})
}
