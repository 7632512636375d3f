package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// memNet is a network in memory, with relays that do what a test wants. It works in a synctest
// bubble, where time passes at once.
type memNet struct {
	mu     sync.Mutex
	relays map[string]*memRelay
}

func newMemNet() *memNet { return &memNet{relays: map[string]*memRelay{}} }

// dial is for smp.Config.Dial.
func (n *memNet) dial(ctx context.Context, server wire.Server) (smp.Conn, error) {
	n.mu.Lock()
	r := n.relays[server.String()]
	n.mu.Unlock()
	if r == nil {
		return nil, errors.New("there is no such relay")
	}
	return r.dial(ctx)
}

// memPipe is one end of a connection. It carries blocks without TLS and without encrypting them.
type memPipe struct {
	in, out   chan []byte
	ended     chan struct{} // closed when either end is
	end       func()
	sessionID []byte
	leaf      crypt.PublicKey
}

var _ smp.Conn = (*memPipe)(nil)

func (p *memPipe) ReadBlock() ([]byte, error) {
	select {
	case b := <-p.in:
		return b, nil
	case <-p.ended:
		return nil, io.EOF
	}
}

func (p *memPipe) WriteBlock(content []byte) error {
	select {
	case <-p.ended:
		return net.ErrClosed
	default:
	}
	select {
	case p.out <- append([]byte(nil), content...):
		return nil
	case <-p.ended:
		return net.ErrClosed
	}
}

func (p *memPipe) Encrypt(send, receive *crypt.BlockChain) {}
func (p *memPipe) SessionID() []byte                       { return p.sessionID }
func (p *memPipe) ServerKey() crypt.PublicKey              { return p.leaf }
func (p *memPipe) Close() error                            { p.end(); return nil }
func (p *memPipe) Wipe()                                   {}

// fate is what becomes of a command.
type fate int

const (
	executed  fate = iota
	cutBefore      // the connection ends before the command is executed
	cutAfter       // it ends before the answer
	silent         // the command is executed and not answered
	ignored        // it is neither
)

// memRelay is a relay in memory. It believes whoever asks; keys are only compared where senders
// secure a queue.
type memRelay struct {
	server wire.Server
	cert   []byte
	leaf   crypt.Ed25519Private
	quota  int

	wg sync.WaitGroup

	mu       sync.Mutex
	down     bool
	dials    []time.Time
	conns    map[*memConn]bool
	queues   map[smp.ID]*memQueue // by recipient id
	senders  map[smp.ID]*memQueue
	last     int
	commands map[string]int // executed, by type

	// What a test makes of the relay, guarded by mu; fate and answer are called with it locked.
	// fate decides about a command, if it is not nil; answer makes the answer in place of the
	// relay, unless it returns nil; greet is called after the handshake.
	fate   func(cmd smp.Command) fate
	answer func(c *memConn, t *smp.Transmission, cmd smp.Command) smp.Message
	greet  func(c *memConn)
	hello  func() (hello, sessionID []byte, key crypt.PublicKey) // replaces the relay's, if it is not nil
	delay  func() time.Duration                                  // of an answer
}

// memQueue is a queue. Its messages are kept as they were sent.
type memQueue struct {
	rcv, snd  smp.ID
	mode      smp.QueueMode
	secret    crypt.Secret
	sender    crypt.AuthPublic // nil if it is not secured
	messages  []memMessage
	full      bool
	sub       *memConn
	delivered bool // the first message was, and is not acknowledged
}

type memMessage struct {
	id    smp.ID
	body  []byte
	quota bool
	at    time.Time
}

// memConn is the relay's end of a connection.
type memConn struct {
	*memPipe
	relay  *memRelay
	params smp.Params
	wake   chan struct{}
	dead   bool // nothing comes through any more, and nobody is told; guarded by the relay's mutex

	mu  sync.Mutex
	out [][]byte // transmissions
}

func (n *memNet) add(t testing.TB, name string) *memRelay {
	t.Helper()
	r := &memRelay{cert: []byte("identity of " + name), leaf: crypt.Ed25519Private{1}, quota: 128,
		conns: map[*memConn]bool{}, queues: map[smp.ID]*memQueue{}, senders: map[smp.ID]*memQueue{}, commands: map[string]int{}}
	r.server = wire.Server{Scheme: wire.SMP, Hosts: []string{name + ".example"}, KeyHash: crypt.Fingerprint(r.cert)}
	n.mu.Lock()
	n.relays[r.server.String()] = r
	n.mu.Unlock()
	t.Cleanup(func() { r.setDown(true); r.wg.Wait() })
	return r
}

// setDown ends all connections and refuses new ones, or lets them in again. Queues stay.
func (r *memRelay) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
	r.cutLocked()
}

// cut ends all connections.
func (r *memRelay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutLocked()
}

func (r *memRelay) cutLocked() {
	for c := range r.conns {
		c.Close()
	}
}

// die has nothing come through the present connections any more, without ending them.
func (r *memRelay) die() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.dead = true
	}
}

// with runs f while nothing is executed.
func (r *memRelay) with(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// count returns how many commands like cmd were executed.
func (r *memRelay) count(cmd smp.Command) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commands[fmt.Sprintf("%T", cmd)]
}

func (r *memRelay) dial(ctx context.Context) (smp.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials = append(r.dials, time.Now())
	if r.down {
		return nil, errors.New("the relay is down")
	}
	id := make([]byte, 32)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	up, down, ended := make(chan []byte, 64), make(chan []byte, 64), make(chan struct{})
	end := sync.OnceFunc(func() { close(ended) })
	c := &memConn{relay: r, wake: make(chan struct{}, 1), memPipe: &memPipe{in: up, out: down, ended: ended, end: end}}
	r.conns[c] = true
	hello, key := []byte(nil), crypt.PublicKey(r.leaf.Public())
	if r.hello != nil {
		hello, id, key = r.hello()
	}
	r.wg.Go(func() {
		defer c.leave()
		if c.handshake(id, hello) == nil {
			var writing sync.WaitGroup
			writing.Go(c.write)
			c.read()
			c.Close()
			writing.Wait()
		}
	})
	return &memPipe{in: down, out: up, ended: ended, end: end, sessionID: id, leaf: key}, nil
}

func (c *memConn) leave() {
	c.Close()
	c.relay.mu.Lock()
	defer c.relay.mu.Unlock()
	delete(c.relay.conns, c)
	for _, q := range c.relay.queues {
		if q.sub == c {
			q.sub, q.delivered = nil, false
		}
	}
}

// handshake does the relay's part. hello is nil for that of a relay of its own.
func (c *memConn) handshake(id, hello []byte) error {
	if hello == nil {
		key, err := crypt.NewX25519(rand.Reader)
		if err != nil {
			return err
		}
		c.relay.mu.Lock()
		cert := c.relay.cert
		c.relay.mu.Unlock()
		h := smp.ServerHello{Versions: smp.Versions, SessionID: id, Chain: [][]byte{[]byte("leaf"), cert}, SignedKey: crypt.AppendSignedKey(nil, key.Public(), &c.relay.leaf)}
		hello = h.Append(nil)
	}
	if err := c.WriteBlock(hello); err != nil {
		return err
	}
	content, err := c.ReadBlock()
	if err != nil {
		return err
	}
	client, err := smp.ParseClientHello(content)
	if err != nil {
		return err
	}
	c.params = smp.Params{Version: client.Version, SessionID: id}
	c.relay.mu.Lock()
	greet := c.relay.greet
	c.relay.mu.Unlock()
	if greet != nil {
		greet(c)
	}
	return nil
}

func (c *memConn) read() {
	for {
		content, err := c.ReadBlock()
		if err != nil {
			return
		}
		list, err := smp.SplitBlock(nil, content)
		if err != nil {
			return
		}
		for _, b := range list {
			t, err := c.params.ParseTransmission(b)
			if err != nil {
				return
			}
			cmd, err := smp.ParseCommand(c.params.Version, t.Body)
			if err != nil || !c.command(&t, cmd) {
				return
			}
		}
	}
}

// command does what a command says; it returns false if the connection ends.
func (c *memConn) command(t *smp.Transmission, cmd smp.Command) bool {
	r := c.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	f := executed
	if r.fate != nil {
		f = r.fate(cmd)
	}
	switch {
	case f == cutBefore:
		return false
	case f == ignored || c.dead:
		return true
	}
	r.commands[fmt.Sprintf("%T", cmd)]++
	var m smp.Message
	if r.answer != nil {
		m = r.answer(c, t, cmd)
	}
	if m == nil {
		m = r.execute(c, t, cmd)
	}
	switch f {
	case cutAfter:
		return false
	case executed:
		c.push(t.CorrID, t.Entity, m)
	}
	// What it makes possible to deliver comes after its answer.
	for _, q := range []*memQueue{r.queues[smp.ID(t.Entity)], r.senders[smp.ID(t.Entity)]} {
		if q != nil {
			q.deliver()
		}
	}
	return true
}

// push sends a message. The caller holds the relay's mutex.
func (c *memConn) push(corrID, entity []byte, m smp.Message) {
	if c.dead {
		return
	}
	c.raw(c.params.AppendTransmission(nil, &smp.Transmission{CorrID: corrID, Entity: entity, Body: m.Append(nil, c.params.Version)}))
}

// raw sends a transmission.
func (c *memConn) raw(b []byte) {
	c.mu.Lock()
	c.out = append(c.out, b)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *memConn) write() {
	for {
		select {
		case <-c.ended:
			return
		case <-c.wake:
		}
		c.relay.mu.Lock()
		delay := c.relay.delay
		c.relay.mu.Unlock()
		if delay != nil {
			t := time.NewTimer(delay())
			select {
			case <-t.C:
			case <-c.ended:
			}
			t.Stop()
		}
		c.mu.Lock()
		list := c.out
		c.out = nil
		c.mu.Unlock()
		groups, err := smp.Batch(list)
		if err != nil {
			panic(err)
		}
		for _, g := range groups {
			if c.WriteBlock(smp.AppendBlock(nil, g)) != nil {
				return
			}
		}
	}
}

// execute runs a command as relays do. The caller holds the mutex.
func (r *memRelay) execute(c *memConn, t *smp.Transmission, cmd smp.Command) smp.Message {
	q := r.queues[smp.ID(t.Entity)]
	switch cmd.(type) {
	case smp.Send, smp.SKey:
		q = r.senders[smp.ID(t.Entity)]
	case smp.New, smp.Ping:
		q = new(memQueue)
	}
	if q == nil {
		return smp.ErrAuth
	}
	switch cmd := cmd.(type) {
	case smp.Ping:
		return smp.Pong{}
	case smp.New:
		return r.make(c, cmd)
	case smp.Sub:
		if q.sub != nil && q.sub != c {
			q.sub.push(nil, []byte(q.rcv), smp.End{})
		}
		q.sub, q.delivered = c, false
		return smp.SOK{}
	case smp.Key:
		q.sender = cmd.Key
	case smp.SKey:
		if q.sender != nil && q.sender != cmd.Key {
			return smp.ErrAuth
		}
		q.sender = cmd.Key
	case smp.Que:
		return smp.Info{QueueInfo: smp.QueueInfo{Secured: q.sender != nil, Size: len(q.messages)}}
	case smp.Del:
		delete(r.queues, q.rcv)
		delete(r.senders, q.snd)
		if q.sub != nil && q.sub != c {
			q.sub.push(nil, []byte(q.rcv), smp.Deld{})
		}
		q.sub = nil
	case smp.Ack:
		if len(q.messages) == 0 || q.messages[0].id != cmd.MsgID || q.sub != c {
			return smp.ErrNoMessage
		}
		q.messages, q.delivered = q.messages[1:], false
		q.full = q.full && len(q.messages) > 0
	case smp.Send:
		if (q.sender != nil) != (len(t.Auth) > 0) {
			return smp.ErrAuth
		}
		if q.full || len(q.messages) >= r.quota {
			if !q.full {
				q.full = true
				r.store(q, memMessage{quota: true})
			}
			return smp.ErrQuota
		}
		r.store(q, memMessage{body: append([]byte(nil), cmd.Body...)})
	default:
		return smp.ErrUnknownCommand
	}
	return smp.OK{}
}

// id makes an id of the usual size, which no other relay has.
func (r *memRelay) id(kind string) smp.ID {
	r.last++
	return smp.ID(fmt.Sprintf("%9.9s %7.7s%7d", kind, r.server.Hosts[0], r.last))
}

func (r *memRelay) make(c *memConn, cmd smp.New) smp.Message {
	key, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return smp.ErrInternal
	}
	q := &memQueue{rcv: r.id("recipient"), snd: r.id("sender"), mode: cmd.Mode}
	if q.secret, err = key.DH(cmd.RcvDH); err != nil {
		return smp.ErrAuth
	}
	if cmd.Subscribe {
		q.sub = c
	}
	r.queues[q.rcv], r.senders[q.snd] = q, q
	return smp.IDs{RcvID: q.rcv, SndID: q.snd, ServerDH: key.Public(), Mode: cmd.Mode}
}

// store adds a message to a queue.
func (r *memRelay) store(q *memQueue, m memMessage) {
	m.id, m.at = r.id("message"), time.Now()
	q.messages = append(q.messages, m)
}

// deliver offers the first message to the subscriber. The caller holds the mutex.
func (q *memQueue) deliver() {
	if q.sub == nil || q.delivered || len(q.messages) == 0 {
		return
	}
	q.delivered = true
	q.sub.push(nil, []byte(q.rcv), q.seal(q.messages[0]))
}

func (q *memQueue) seal(m memMessage) smp.Msg {
	body, err := smp.AppendReceived(nil, &q.secret, m.id, &smp.Received{Quota: m.quota, Time: m.at, Body: m.body})
	if err != nil {
		panic(err)
	}
	return smp.Msg{ID: m.id, Body: body}
}
