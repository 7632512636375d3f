package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/smp"
)

// block reads one block and returns the tags in it.
func (p *peer) block() (list []smp.Transmission, tags string) {
	p.t.Helper()
	if len(p.unread) > 0 || len(p.events) > 0 {
		p.t.Fatal("there is something from another block")
	}
	first := p.next()
	list = append([]smp.Transmission{first}, p.unread...)
	p.unread = nil
	for _, t := range list {
		tag, _, _ := strings.Cut(string(t.Body), " ")
		tags += " " + tag
	}
	return list, strings.TrimSpace(tags)
}

// wantBlocks reads as many blocks and checks what they have.
func (p *peer) wantBlocks(what string, want ...string) {
	p.t.Helper()
	for i, w := range want {
		if _, got := p.block(); got != w {
			p.t.Fatalf("version %d, %s: block %d has %q, not %q", p.params.Version, what, i, got, w)
		}
	}
}

// TestBlocks checks which answers and events share a block (smp-transport.md §6, smp-commands.md §5). Simple clients
// take the block after a command for its answer, and rely on a SUB being answered together with its message.
func TestBlocks(t *testing.T) {
	s := startRelay(t, Config{})
	for _, version := range []uint16{6, 7, 11, 18} {
		sok := "SOK"
		if version < 16 {
			sok = "OK"
		}
		rcv := s.dial(t, version)
		queues := make([]*testQueue, 6)
		for i := range queues {
			queues[i] = rcv.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
			rcv.want(smp.OK{}, text("hello"), queues[i].SndID, nil)
		}
		sub := func(p *peer, q *testQueue) smp.Transmission {
			return p.transmission(smp.Sub{}, q.RcvID, q.rcv.private)
		}
		for range 20 { // so that a race has its chance
			p := s.dial(t, version)
			p.send(sub(p, queues[0]))
			p.wantBlocks("SUB", sok+" MSG")
			p.send(sub(p, queues[0]))
			p.wantBlocks("SUB again", sok+" MSG")
			p.send(sub(p, queues[1]), sub(p, queues[2]))
			if version < 7 {
				p.wantBlocks("two SUBs", sok+" "+sok, "MSG", "MSG")
			} else {
				p.wantBlocks("two SUBs", sok+" "+sok+" MSG", "MSG")
			}
			var all []smp.Transmission
			for _, q := range queues {
				all = append(all, sub(p, q))
			}
			p.send(all...)
			p.wantBlocks("six SUBs", append([]string{strings.TrimSpace(strings.Repeat(sok+" ", 6))}, slices.Repeat([]string{"MSG"}, 6)...)...)
			p.net.NetConn().Close()
		}

		// The sender is the subscriber.
		own := rcv.newQueue(smp.ModeMessaging, nil)
		rcv.send(rcv.transmission(text("hello"), own.SndID, nil))
		rcv.wantBlocks("SEND to oneself", "MSG", "OK")
		msg := rcv.transmission(smp.Sub{}, own.RcvID, own.rcv.private)
		rcv.send(msg)
		list, _ := rcv.block()
		id := own.wantText(t, rcv.message(list[1]), "hello")
		rcv.send(rcv.transmission(text("2"), own.SndID, nil), rcv.transmission(text("3"), own.SndID, nil))
		rcv.wantBlocks("SENDs", "OK OK")
		rcv.send(rcv.transmission(smp.Ack{MsgID: id}, own.RcvID, own.rcv.private), rcv.transmission(smp.Ping{}, "", nil))
		rcv.wantBlocks("ACK", "MSG PONG")

		// A batch is answered at once.
		var pings []smp.Transmission
		for range 100 {
			pings = append(pings, rcv.transmission(smp.Ping{}, "", nil))
		}
		rcv.send(pings...)
		rcv.wantBlocks("pings", strings.TrimSpace(strings.Repeat("PONG ", 100)))

		// What was not announced comes after the answer, in a block of its own.
		q, ntf, k := rcv.withNotifier()
		rcv.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("x")}, q.SndID, nil)
		rcv.unread, rcv.events = nil, nil
		listener := s.dial(t, version)
		listener.send(listener.transmission(smp.NSub{}, ntf, k.private))
		listener.wantBlocks("NSUB", sok, "NMSG")
		var subs []smp.Transmission
		for range 3 {
			q, ntf, k := rcv.withNotifier()
			rcv.want(smp.OK{}, smp.Send{Notify: true, Body: []byte("x")}, q.SndID, nil)
			rcv.unread, rcv.events = nil, nil
			subs = append(subs, listener.transmission(smp.NSub{}, ntf, k.private))
		}
		listener.send(subs...)
		listener.wantBlocks("NSUBs", strings.TrimSpace(strings.Repeat(sok+" ", 3)), "NMSG NMSG NMSG")
	}
}

// TestAnswersFirst checks that a client which subscribes to many queues is not kept waiting for answers by messages.
func TestAnswersFirst(t *testing.T) {
	s := startRelay(t, Config{})
	p := s.dial(t, 18)
	c := offline(s.Relay, 18)
	c.params.SessionID = p.params.SessionID
	var content [][]byte
	const count = 60
	for range count {
		q := p.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
		p.want(smp.OK{}, text("hello"), q.SndID, nil)
		m := p.transmission(smp.Sub{}, q.RcvID, q.rcv.private)
		content = append(content, p.params.AppendTransmission(nil, &m))
	}
	ping := p.transmission(smp.Ping{}, "", nil)
	for range 3 { // also when they are repeated before a message could be sent
		c.executeBlock(smp.AppendBlock(nil, content))
	}
	c.executeBlock(smp.AppendBlock(nil, [][]byte{p.params.AppendTransmission(nil, &ping)}))
	got := ""
	for _, o := range c.waiting {
		got += fmt.Sprintf("%T ", o.message)
	}
	if want := strings.Repeat("smp.SOK ", 3*count) + "smp.Pong "; got != want {
		t.Errorf("first are sent: %s", got)
	}
	if len(c.later) != count {
		t.Errorf("%d messages follow, not %d", len(c.later), count)
	}
}
