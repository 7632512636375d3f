package relay

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/front"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Bounds of what a connection may have waiting to be sent. A client that doesn't read its
// answers is not read from either; notifications beyond the bound are kept for its next NSUB.
const (
	maxWaiting       = 256
	maxWaitingNotice = 1024
)

// errHello tells that a client's hello is malformed or meant for another relay.
var errHello = errors.New("relay: the client's hello is not acceptable")

// A conn is the connection of a client.
type conn struct {
	relay   *Relay
	ctx     context.Context // until the connection ends
	cancel  context.CancelFunc
	net     *tls.Conn
	params  smp.Params
	key     crypt.X25519Private // the relay's key of the session
	hasKey  bool                // the client was told the key
	forward *crypt.Secret       // with the client's session key, nil if it has none
	send    *crypt.BlockChain   // nil without block encryption
	receive *crypt.BlockChain
	service *service // that the client is, nil if it is none

	// Used by the goroutine that executes commands. What is in it may have ended.
	subs      map[key]*subscription
	notifiers map[key]struct{}
	most      int // subs and notifiers before those that have ended are forgotten
	commands  front.Bucket
	creations front.Bucket
	proxied   chan struct{} // has an element for each request to another relay; nil before the first
	first     []outgoing    // messages that the SUBs of the block which is executed are to get

	proxying sync.WaitGroup // requests to other relays

	live atomic.Int64 // subscriptions that have not ended
	// notified is the number of notifiers of the service that the session is subscribed to, guarded
	// by the lock of the relay's notifiers.
	notified int64
	wrote    atomic.Int64 // time of the last block that was sent, Unix nanoseconds

	mu      sync.Mutex
	ready   sync.Cond // there is room in waiting, or the connection is closed
	waiting []outgoing
	later   []outgoing // messages after SUBs, which come one by one while there is nothing else to send
	held    bool       // nothing of what waits is to be sent yet
	writing bool       // a goroutine is sending what waits
	closed  bool
	writer  sync.WaitGroup
}

// outgoing is an answer or event that waits to be sent. It has one of message, delivery
// and notice.
type outgoing struct {
	answer   bool // to a command that could be read; else it is an event
	corrID   string
	entity   smp.ID
	message  smp.Message
	delivery *subscription // the message that is offered to it
	notice   *notice
	joins    bool    // a message that goes into the block of the answers before it, if there is room
	stored   *commit // is on disk before this is sent
}

func newConn(ctx context.Context, r *Relay, nc net.Conn) *conn {
	c := &conn{relay: r, subs: make(map[key]*subscription), notifiers: make(map[key]struct{}), most: minForget}
	c.ready.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(ctx)
	perSecond, perMinute := float64(r.config.CommandsPerSecond), float64(r.config.NewQueuesPerMinute)
	c.commands, c.creations = front.NewBucket(perSecond, 10*perSecond), front.NewBucket(perMinute/60, perMinute)
	c.net = front.TLS(nc, r.tlsFor(nc))
	return c
}

// serve runs the connection until it ends.
func (c *conn) serve() {
	defer c.end()
	defer c.recovered()
	if c.handshake(c.ctx) != nil {
		c.relay.stats.handshakeErrors.Add(1)
		return
	}
	c.readBlocks()
}

// recovered is deferred in the connection's goroutines: a fault in the relay's code ends the connection
// that has met it, and not the process around the relay.
func (c *conn) recovered() {
	if p := recover(); p != nil {
		c.relay.stats.faults.Add(1)
		c.relay.config.Log.Error("a fault in the relay", "problem", p, "stack", string(debug.Stack()))
		c.close()
	}
}

// end closes the connection and gives up its subscriptions.
func (c *conn) end() {
	c.close()
	c.proxying.Wait()
	c.writer.Wait()
	for rcv, sub := range c.subs {
		s := c.relay.stripe(rcv)
		s.mu.Lock()
		s.end(sub)
		s.mu.Unlock()
	}
	for id := range c.notifiers {
		c.relay.notifiers.leave(id, c)
	}
	if c.service != nil {
		c.relay.notifiers.leaveService(c.service.id, c)
		c.relay.services.leave(c.service.id)
	}
	c.key.Wipe()
	if c.forward != nil {
		c.forward.Wipe()
	}
	if c.send != nil {
		c.send.Wipe()
		c.receive.Wipe()
	}
}

func (c *conn) close() {
	c.mu.Lock()
	c.closed, c.waiting, c.later = true, nil, nil
	c.ready.Broadcast()
	c.mu.Unlock()
	c.cancel()
	// No TLS alert: it could wait for a client that doesn't read.
	c.net.NetConn().Close()
}

// handshake does the TLS and the SMP handshake (smp-transport.md §4).
func (c *conn) handshake(ctx context.Context) error {
	config := &c.relay.config
	deadline := func(d time.Duration) { c.net.SetDeadline(time.Now().Add(d)) }
	deadline(config.TLSTimeout)
	if err := c.net.HandshakeContext(ctx); err != nil {
		if isCertificateFailure(err) {
			c.relay.unasked.add(addressOf(c.net.NetConn()), config.Now())
		}
		return err
	}
	state := c.net.ConnectionState()
	id, err := front.SessionID(c.net)
	if err != nil {
		return err
	}
	c.params.SessionID = id
	front.LimitReads(c.net, crypt.BlockSize)

	deadline(config.HelloTimeout)
	versions := smp.Versions
	if state.NegotiatedProtocol == "" {
		versions.Max = versions.Min // smp-transport.md §1
	}
	if c.key, err = crypt.NewX25519(rand.Reader); err != nil {
		return err
	}
	hello := smp.ServerHello{Versions: versions, SessionID: id}
	if c.hasKey = versions.Max > versions.Min; c.hasKey {
		hello.Chain = c.relay.identity.Chain
		hello.SignedKey = crypt.AppendSignedKey(nil, c.key.Public(), &c.relay.identity.Key)
	}
	if err := c.writeBlock(hello.Append(nil)); err != nil {
		return err
	}
	block, content, err := c.readBlock(config.HelloTimeout)
	if err != nil {
		return err
	}
	defer blocks.Put(block)
	client, err := smp.ParseClientHello(content)
	if err != nil {
		return err
	}
	if !versions.Contains(client.Version) || client.KeyHash != c.relay.identity.Hash {
		return errHello
	}
	if client.Service != nil {
		if err := c.acceptService(client.Service, state.PeerCertificates); err != nil {
			return err
		}
	}
	return c.agree(client)
}

// acceptService answers the hello of a service, before block encryption begins (gotchas.md 20).
func (c *conn) acceptService(hello *smp.ServiceHello, peer []*x509.Certificate) error {
	var answer smp.ServiceAnswer
	s, err := c.relay.acceptService(hello, peer)
	if err != nil {
		errors.As(err, &answer.Err)
		c.writeBlock(answer.Append(nil))
		return errHello
	}
	c.service, answer.ServiceID = s, s.id.id()
	return c.writeBlock(answer.Append(nil))
}

// agree takes over what the client's hello says.
func (c *conn) agree(hello *smp.ClientHello) error {
	c.params.Version = hello.Version
	c.net.SetDeadline(time.Time{})
	if hello.Key == nil {
		return nil
	}
	secret, err := c.key.DH(*hello.Key)
	if err != nil {
		return err
	}
	c.forward = &secret
	if hello.Version >= versionBlockEncryption && !hello.Proxy {
		c.send, c.receive = crypt.NewBlockChains(c.params.SessionID, &secret)
	}
	return nil
}

// versionBlockEncryption is the first version with block encryption (smp-transport.md §5).
const versionBlockEncryption = 11

// blocks are buffers for one block, which are only taken while one is coming in or going out.
var blocks = sync.Pool{New: func() any { return new([crypt.BlockSize]byte) }}

// readBlocks executes the commands of the client until the connection ends. What they keep
// is a copy: the block is used again.
func (c *conn) readBlocks() {
	for {
		block, content, err := c.readBlock(c.relay.config.IdleTimeout)
		switch {
		case err == nil:
			c.executeBlock(content)
			blocks.Put(block)
			c.forgetEnded()
		case errors.Is(err, crypt.ErrBox) || errors.Is(err, wire.ErrShort):
			c.answer(outgoing{message: smp.ErrBlock})
		case errors.Is(err, os.ErrDeadlineExceeded) && c.inUse():
		default:
			return
		}
	}
}

// minForget is how many subscriptions a connection may have had before it is worth looking for those
// that have ended.
const minForget = 1000

// forgetEnded forgets the subscriptions that have ended if there may be many: the queues are gone, or
// another connection has them.
func (c *conn) forgetEnded() {
	if len(c.subs)+len(c.notifiers) < c.most {
		return
	}
	for rcv, sub := range c.subs {
		s := c.relay.stripe(rcv)
		s.mu.Lock()
		ended := sub.ended
		s.mu.Unlock()
		if ended {
			delete(c.subs, rcv)
		}
	}
	for id := range c.notifiers {
		if !c.relay.notifiers.has(id, c) {
			delete(c.notifiers, id)
		}
	}
	c.most = max(minForget, 2*(len(c.subs)+len(c.notifiers)))
}

// inUse tells whether a connection without incoming traffic is to be kept.
func (c *conn) inUse() bool {
	return c.live.Load() > 0 || time.Since(time.Unix(0, c.wrote.Load())) < c.relay.config.IdleTimeout
}

// readBlock returns the next block and its content, which stands in it. The error of a block
// that doesn't open is crypt.ErrBox or wire.ErrShort; the connection can go on after it. While
// nothing comes in, it holds no buffer.
func (c *conn) readBlock(idle time.Duration) (block *[crypt.BlockSize]byte, content []byte, err error) {
	var first [1]byte
	c.net.SetReadDeadline(time.Now().Add(idle))
	if _, err := io.ReadFull(c.net, first[:]); err != nil {
		return nil, nil, err
	}
	block = blocks.Get().(*[crypt.BlockSize]byte)
	block[0] = first[0]
	c.net.SetReadDeadline(time.Now().Add(min(idle, c.relay.config.HelloTimeout)))
	if _, err = io.ReadFull(c.net, block[1:]); err != nil {
		err = fmt.Errorf("relay: half a block: %v", err) // not to be taken for an idle client
	} else if c.receive != nil {
		content, err = c.receive.OpenInPlace(block[:])
	} else {
		content, err = wire.Unpad(block[:])
	}
	if err != nil {
		blocks.Put(block)
		return nil, nil, err
	}
	return block, content, nil
}

// writeBlock sends a block.
func (c *conn) writeBlock(content []byte) (err error) {
	buf := blocks.Get().(*[crypt.BlockSize]byte)
	defer blocks.Put(buf)
	var block []byte
	if c.send != nil {
		block, err = c.send.Seal(buf[:0], content)
	} else {
		block, err = wire.AppendPadded(buf[:0], content, crypt.BlockSize)
	}
	if err != nil {
		return err
	}
	c.net.SetWriteDeadline(time.Now().Add(c.relay.config.WriteTimeout))
	_, err = c.net.Write(block)
	c.wrote.Store(time.Now().UnixNano())
	return err
}

// answer queues an answer after it has waited for room, so that a client that doesn't read
// can't make the relay collect answers.
func (c *conn) answer(o outgoing) {
	c.makeRoom()
	c.push(o)
}

func (c *conn) makeRoom() {
	c.mu.Lock()
	for len(c.waiting) >= maxWaiting && !c.closed {
		c.release()
		c.ready.Wait()
	}
	c.mu.Unlock()
}

// hold keeps answers and events until letGo, so that the answers to one block share a block.
func (c *conn) hold() {
	c.mu.Lock()
	c.held = true
	c.mu.Unlock()
}

// letGo has what was held sent.
func (c *conn) letGo() {
	c.mu.Lock()
	c.release()
	c.mu.Unlock()
}

// release is letGo with the mutex held.
func (c *conn) release() {
	c.held = false
	if len(c.waiting)+len(c.later) > 0 {
		c.startWriting()
	}
}

// startWriting has what waits sent, unless somebody does that or it is held. The mutex is held.
func (c *conn) startWriting() {
	if !c.writing && !c.held && !c.closed {
		c.writing = true
		c.writer.Add(1)
		c.relay.startWriter(c)
	}
}

// takesNotice tells whether there is room for a notice.
func (c *conn) takesNotice() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && len(c.waiting) < maxWaitingNotice
}

// push queues an answer or event. It never waits, so it may be called with locks held.
func (c *conn) push(o outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || o.notice != nil && len(c.waiting) >= maxWaitingNotice {
		return
	}
	c.waiting = append(c.waiting, o)
	c.startWriting()
}

// maxJoining is how many answers the first message after SUBs may share a block with (smp-commands.md §5).
const maxJoining = 4

// deliverFirst has the messages sent that the SUBs of a block are to get, when the answers to the whole block
// are there: a client waits for answers, and messages would hold them up where the network is slow.
func (c *conn) deliverFirst(answers int) {
	if len(c.first) == 0 {
		return
	}
	list := c.first
	c.first = nil
	if answers <= maxJoining {
		list[0].joins = true
		c.push(list[0])
		list = list[1:]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.later = append(c.later, list...)
		c.startWriting()
	}
}

// write sends what waits until nothing does.
func (c *conn) write() {
	defer c.recovered()
	for {
		c.mu.Lock()
		list, later := c.waiting, len(c.later)
		if c.held || len(list)+later == 0 {
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.waiting = nil
		c.ready.Broadcast()
		c.mu.Unlock()
		_, err := c.writeAll(noticesLast(list))
		if err == nil {
			err = c.writeLater(later)
		}
		if err != nil {
			c.close()
		}
	}
}

// noticesLast returns list with the notices at its end, in their order. Many may stand among answers and would cut
// these into many blocks; it doesn't matter when they come. That of other events does: an END says something else
// after the answer to the next SUB.
func noticesLast(list []outgoing) []outgoing {
	isNotice := func(o outgoing) bool { return o.notice != nil }
	if !slices.ContainsFunc(list, isNotice) {
		return list
	}
	sorted := make([]outgoing, 0, len(list))
	for _, last := range []bool{false, true} {
		for _, o := range list {
			if isNotice(o) == last {
				sorted = append(sorted, o)
			}
		}
	}
	return sorted
}

// writeLater sends the first of up to n messages that come later which somebody is still to get.
func (c *conn) writeLater(n int) error {
	for range n {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil
		}
		o := c.later[0]
		if c.later = c.later[1:]; len(c.later) == 0 {
			c.later = nil
		}
		c.mu.Unlock()
		if written, err := c.writeAll([]outgoing{o}); written || err != nil {
			return err
		}
	}
	return nil
}

// batchSize is the room for transmissions in a block, which leaves some for block
// encryption in any case (smp-transport.md §6).
const (
	batchSize  = crypt.MaxBlockContent - 1
	batchCount = 255
)

// writeAll sends answers and events in their order in as few blocks as they fit in. As in the reference events
// share no block with answers, and a message that is an event shares its block with nothing, but for what joins
// (smp-commands.md §5): simple clients read one transmission as the answer to their command. written tells
// whether there was anything to send.
func (c *conn) writeAll(list []outgoing) (written bool, err error) {
	buf := blocks.Get().(*[crypt.BlockSize]byte)
	defer blocks.Put(buf)
	taken := blocks.Get().(*[crypt.BlockSize]byte)
	defer blocks.Put(taken)
	content := append(buf[:0], 0) // the count
	var last *outgoing            // in content
	for i := range list {
		o := &list[i]
		message := c.resolve(o, taken)
		if message == nil {
			continue
		}
		start := len(content)
		content = c.encode(append(content, 0, 0), o, message)
		if len(content)-start > batchSize {
			content = c.encode(content[:start+2], o, smp.ErrInternal)
		}
		binary.BigEndian.PutUint16(content[start:], uint16(len(content)-start-2))
		if content[0] > 0 && (len(content) > 1+batchSize || content[0] == batchCount || !o.mayFollow(last)) {
			if err := c.writeBlock(content[:start]); err != nil {
				return written, err
			}
			content = append(append(buf[:0], 0), content[start:]...)
		}
		content[0]++
		last, written = o, true
	}
	if !written {
		return false, nil
	}
	return true, c.writeBlock(content)
}

// mayFollow tells whether o may stand behind before in a block.
func (o *outgoing) mayFollow(before *outgoing) bool {
	switch {
	case o.joins:
		return before.answer
	case o.answer || before.answer:
		return o.answer && before.answer
	}
	return o.delivery == nil && before.delivery == nil
}

// encode appends the transmission of a message, whose body comes last.
func (c *conn) encode(b []byte, o *outgoing, m smp.Message) []byte {
	b = c.params.AppendTransmission(b, &smp.Transmission{CorrID: []byte(o.corrID), Entity: []byte(o.entity)})
	return m.Append(b, c.params.Version)
}

// resolve makes the message that is to be sent when what it tells of is on disk. It is nil
// for an event that has become void. It may stand in buf.
func (c *conn) resolve(o *outgoing, buf *[crypt.BlockSize]byte) smp.Message {
	if err := o.stored.wait(); err != nil {
		if !o.answer {
			return nil
		}
		return c.relay.storeError(err)
	}
	switch {
	case o.delivery != nil:
		msg, ok, err := c.relay.take(o.delivery, buf)
		switch {
		case ok:
			return msg
		case !o.answer:
			return nil
		case err != nil:
			return c.relay.storeError(err)
		}
		return smp.OK{}
	case o.notice != nil:
		return o.notice.message()
	}
	return o.message
}

func (n *notice) message() smp.Message {
	nonce, err := crypt.NewNonce(rand.Reader)
	if err != nil {
		return nil
	}
	meta, err := smp.SealNotification(&n.secret, nonce, n.msgID, time.Unix(n.time, 0))
	if err != nil {
		return nil
	}
	return smp.NMsg{Nonce: nonce, Meta: meta}
}

// storeError logs why something can't be stored. The client only learns that it is so.
func (r *Relay) storeError(err error) *smp.Error {
	r.stats.storeErrors.Add(1)
	if r.ctx.Err() == nil { // else that was logged already
		r.config.Log.Error("queue store", "problem", err)
	}
	return &smp.Error{Kind: smp.KindStore, Text: "the relay cannot store"}
}
