package relay

import (
	"testing"

	"github.com/sotto-chat/sotto/core/smp"
)

// TestSendersStale sends to queues of which something is remembered that isn't so any more.
func TestSendersStale(t *testing.T) {
	s := startRelay(t, Config{})
	p, snd := s.dial(t, 18), s.dial(t, 18)
	a, b := p.newQueue(smp.ModeMessaging, nil), p.newQueue(smp.ModeMessaging, nil)
	id := func(i smp.ID) key { return key([]byte(i)) }

	s.senders.put(id(a.SndID), id(b.RcvID)) // another queue
	snd.want(smp.OK{}, text("to a"), a.SndID, nil)
	a.wantText(t, p.event(a.RcvID), "to a")

	s.senders.put(id(b.SndID), newKey()) // none
	snd.want(smp.OK{}, text("to b"), b.SndID, nil)
	b.wantText(t, p.event(b.RcvID), "to b")

	// A queue that is gone doesn't come back.
	p.want(smp.OK{}, smp.Del{}, a.RcvID, a.rcv.private)
	for range 2 {
		snd.want(smp.ErrAuth, text("to nobody"), a.SndID, nil)
	}
	if _, ok := s.senders.get(id(a.SndID)); ok {
		t.Error("a queue that is gone is remembered")
	}
}

func TestSendersBound(t *testing.T) {
	var s senders
	for range 100_000 {
		s.put(newKey(), newKey())
	}
	n := 0
	for i := range s {
		n += len(s[i].rcv)
	}
	if n > stripeCount*cachedQueues {
		t.Errorf("%d queues are remembered", n)
	}
}
