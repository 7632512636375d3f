package relay

import (
	"crypto/rand"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// addrConn is a connection from somewhere else.
type addrConn struct {
	net.Conn
	addr net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.addr }

func TestMaxConnectionsPerSource(t *testing.T) {
	s := startRelay(t, Config{MaxConnectionsPerSource: 2})
	add := func(addr string) (leave func(), ok bool) {
		return s.front.Gate.Enter(addrConn{addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))})
	}
	var open []func()
	for _, test := range []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1:1", true}, {"192.0.2.1:2", true}, {"192.0.2.1:3", false}, {"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true}, {"[2001:db8::2]:1", true}, {"[2001:db8::3]:1", false}, {"[2001:db8:0:1::1]:1", true},
		{"127.0.0.1:1", true}, {"127.0.0.1:2", true}, {"127.0.0.1:3", true},
	} {
		leave, ok := add(test.addr)
		if ok != test.ok {
			t.Errorf("%s: %t", test.addr, ok)
		}
		if ok {
			open = append(open, leave)
		}
	}
	open[0]()
	leave, ok := add("192.0.2.1:4")
	if !ok {
		t.Error("a place that was left is not given again")
	}
	for _, leave := range append(open[1:], leave) {
		leave()
	}
	if n := s.front.Gate.Open(); n != 0 {
		t.Errorf("%d connections are counted", n)
	}
}

func TestMaxQueues(t *testing.T) {
	s := startRelay(t, Config{MaxQueues: 2})
	p := s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	p.newQueue(smp.ModeMessaging, nil)
	key, dh := ed25519Key(), must(crypt.NewX25519(rand.Reader))
	cmd := smp.New{RcvAuth: key.public, RcvDH: dh.Public(), Mode: smp.ModeMessaging}
	p.want(smp.ErrAuth, cmd, "", key.private)
	p.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
	p.newQueue(smp.ModeMessaging, nil)
}

// TestRates checks that a client that does too much is slowed down and gets all answers.
func TestRates(t *testing.T) {
	s := startRelay(t, Config{CommandsPerSecond: 10, NewQueuesPerMinute: 60})
	p := s.dial(t, 18)
	for n := 0; s.stats.slowed.Load() == 0; n++ { // once is enough unless this computer is very slow
		if n == 100 {
			t.Fatal("commands don't wait")
		}
		var list []smp.Transmission
		for range 105 {
			list = append(list, p.transmission(smp.Ping{}, "", nil))
		}
		p.send(list...)
		for _, sent := range list {
			p.check(smp.Pong{}, p.answerTo(sent), smp.Ping{})
		}
	}
	// A client that waits can leave.
	var creations []smp.Transmission
	p = s.dial(t, 18)
	key := ed25519Key()
	for range 70 {
		dh := must(crypt.NewX25519(rand.Reader))
		creations = append(creations, p.transmission(smp.New{RcvAuth: key.public, RcvDH: dh.Public()}, "", key.private))
	}
	began := time.Now()
	p.send(creations[:35]...)
	p.send(creations[35:]...)
	for range 60 { // as many as one may create at once
		p.next()
	}
	n := s.stats.queues.Load()
	if most := 61 + int64(time.Since(began)/time.Second); n > most { // one more for each second
		t.Errorf("%d queues, at most %d may be", n, most)
	}
	p.net.NetConn().Close()
}

// TestForgetEnded checks that a connection doesn't collect subscriptions that have ended.
func TestForgetEnded(t *testing.T) {
	s := startRelay(t, Config{})
	owner, thief := offline(s.Relay, 18), offline(s.Relay, 18)
	k := ed25519Key()
	do := func(c *conn, cmd smp.Command, entity smp.ID) smp.Message {
		t.Helper()
		tr := smp.Transmission{CorrID: make([]byte, smp.CorrIDSize), Entity: []byte(entity), Body: cmd.Append(nil, 18)}
		if err := tr.Authorize(c.params, k.private, nil); err != nil {
			t.Fatal(err)
		}
		c.executeBlock(smp.AppendBlock(nil, [][]byte{c.params.AppendTransmission(nil, &tr)}))
		i := slices.IndexFunc(c.waiting, func(o outgoing) bool { return o.corrID != "" }) // the others are events
		answer := c.waiting[i].message
		c.waiting = nil
		c.forgetEnded()
		return answer
	}
	const most = 20
	owner.most = most
	dh, ntf := crypt.X25519Private{1}, crypt.X25519Private{2}
	cmd := smp.New{RcvAuth: k.public, RcvDH: dh.Public(), Mode: smp.ModeMessaging, Subscribe: true,
		Notifier: &smp.NotifierKeys{Auth: k.public, DH: ntf.Public()}}
	var kept smp.IDs
	for i := range 3 * most {
		ids := do(owner, cmd, "").(smp.IDs)
		do(owner, smp.NSub{}, ids.Notifier.ID)
		switch {
		case i == 0:
			kept = ids
		case i%2 == 0:
			do(thief, smp.Sub{}, ids.RcvID)
			do(thief, smp.NSub{}, ids.Notifier.ID)
		default:
			do(thief, smp.Del{}, ids.RcvID)
		}
		if n := len(owner.subs) + len(owner.notifiers); n > most+4 {
			t.Fatalf("%d subscriptions are kept after %d", n, i)
		}
		owner.most = min(owner.most, most)
	}
	if n := len(owner.subs) + len(owner.notifiers); n > most+4 || owner.live.Load() != 2 {
		t.Errorf("%d subscriptions are kept, %d are live", n, owner.live.Load())
	}
	rcv := key([]byte(kept.RcvID))
	if sub := owner.subs[rcv]; sub == nil || sub.ended {
		t.Error("a subscription is forgotten that has not ended")
	}
}
