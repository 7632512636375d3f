package relay

import (
	"errors"
	"strings"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

// TestBlock blocks queues and looks at what each version is told (smp-commands.md §4).
func TestBlock(t *testing.T) {
	s := startRelay(t, Config{})
	ttl := int64(3600)
	why := smp.Blocking{Reason: smp.BlockedContent, Notice: &smp.Notice{TTL: &ttl}}
	blocked := &smp.Error{Kind: smp.KindBlocked, Blocking: why}
	allVersions(t, func(t *testing.T, version uint16) {
		rcv, snd, ntf := s.dial(t, version), s.dial(t, version), s.dial(t, version)
		ntfKey := ed25519Key()
		key := ed25519Key()
		q := rcv.newQueue(smp.ModeMessaging, nil)
		nid := rcv.do(smp.NKey{Keys: smp.NotifierKeys{Auth: ntfKey.public, DH: (&crypt.X25519Private{1}).Public()}}, q.RcvID, q.rcv.private).(smp.NID)
		rcv.want(smp.OK{}, smp.Key{Key: key.public}, q.RcvID, q.rcv.private)
		snd.want(smp.OK{}, text("1"), q.SndID, key.private)
		first := q.wantText(t, rcv.event(q.RcvID), "1")
		snd.want(smp.OK{}, text("2"), q.SndID, key.private)

		if err := s.Block(q.SndID, smp.Blocking{Reason: smp.BlockedSpam}); err != nil {
			t.Fatal(err)
		}
		rcv.check(&smp.Error{Kind: smp.KindBlocked, Blocking: smp.Blocking{Reason: smp.BlockedSpam}}, rcv.event(q.RcvID), smp.Sub{})
		if err := s.Block(q.SndID, why); err != nil { // replaces the reason
			t.Fatal(err)
		}
		rcv.check(blocked, rcv.event(q.RcvID), smp.Sub{})
		for _, cmd := range []smp.Command{
			smp.Sub{}, smp.Get{}, smp.Ack{MsgID: first}, smp.Key{Key: key.public}, smp.Que{}, smp.NDel{}, smp.LDel{},
		} {
			rcv.want(blocked, cmd, q.RcvID, q.rcv.private)
			rcv.want(smp.ErrAuth, cmd, q.RcvID, key.private)
		}
		snd.want(blocked, text("3"), q.SndID, key.private)
		snd.want(smp.ErrAuth, text("3"), q.SndID, nil)
		snd.want(smp.ErrLarge, text(strings.Repeat("a", smp.MaxBody(version)+1)), q.SndID, key.private)
		if version >= 9 {
			snd.want(blocked, smp.SKey{Key: key.public}, q.SndID, key.private)
			snd.want(smp.ErrAuth, smp.SKey{Key: ntfKey.public}, q.SndID, ntfKey.private)
		}
		var subscribed smp.Message = smp.SOK{}
		ntf.want(subscribed, smp.NSub{}, nid.ID, ntfKey.private)

		if err := s.Unblock(q.SndID); err != nil {
			t.Fatal(err)
		}
		q.wantText(t, rcv.do(smp.Ack{MsgID: first}, q.RcvID, q.rcv.private), "2")
		snd.want(smp.OK{}, text("3"), q.SndID, key.private)
		if err := s.Block(q.SndID, why); err != nil {
			t.Fatal(err)
		}
		rcv.event(q.RcvID)
		rcv.want(smp.OK{}, smp.Off{}, q.RcvID, q.rcv.private)
		rcv.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
		if err := s.Unblock(q.SndID); !errors.Is(err, ErrNoQueue) {
			t.Errorf("a deleted queue: %v", err)
		}
	})
}

func TestOperator(t *testing.T) {
	s := startRelay(t, Config{})
	p := s.dial(t, 18)
	data := linkData("fixed", "user")
	contact := p.newQueue(smp.ModeContact, func(n *smp.New) { n.Link = &smp.NewLink{LinkID: newLinkID(), Data: data} })
	p.want(smp.OK{}, text("1"), contact.SndID, nil)
	contact.wantText(t, p.event(contact.RcvID), "1")
	status := must(s.Queue(contact.LinkID))
	if status.Mode != smp.ModeContact || status.Messages != 1 || status.Blocked != nil || status.Secured || status.Off || status.Used.IsZero() {
		t.Errorf("status %+v", status)
	}
	// Only the ids that stand in links are known to an operator.
	for _, id := range []smp.ID{contact.RcvID, newLinkID(), "", "x"} {
		if _, err := s.Queue(id); !errors.Is(err, ErrNoQueue) {
			t.Errorf("id %x: error %v", id, err)
		}
	}
	if err := s.Block(contact.LinkID, smp.Blocking{Reason: "boredom"}); err == nil {
		t.Error("blocked for no reason")
	}
	if err := s.Block(contact.LinkID, smp.Blocking{Reason: smp.BlockedSpam, Notice: &smp.Notice{}}); err != nil {
		t.Fatal(err)
	}
	if m, ok := p.event(contact.RcvID).(*smp.Error); !ok || m.Blocking.Notice == nil || m.Blocking.Notice.TTL != nil {
		t.Errorf("event %+v", m)
	}
	p.want(&smp.Error{Kind: smp.KindBlocked, Blocking: smp.Blocking{Reason: smp.BlockedSpam, Notice: &smp.Notice{}}}, smp.LGet{}, contact.LinkID, nil)

	// It stays over a restart.
	dir := s.dir
	s.stop()
	if _, err := s.Queue(contact.SndID); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed relay: %v", err)
	}
	s = startIn(t, dir, Config{})
	p = s.dial(t, 18)
	if status = must(s.Queue(contact.SndID)); status.Blocked == nil || status.Blocked.Reason != smp.BlockedSpam || status.Blocked.Notice == nil {
		t.Errorf("after a restart: %+v", status)
	}
	if err := s.Unblock(contact.LinkID); err != nil {
		t.Fatal(err)
	}
	p.want(smp.SOK{}, smp.Sub{}, contact.RcvID, contact.rcv.private)
	contact.wantText(t, p.event(contact.RcvID), "1")
	if err := s.Delete(contact.LinkID); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.event(contact.RcvID).(smp.Deld); !ok {
		t.Error("no DELD")
	}
	p.want(smp.ErrAuth, text("2"), contact.SndID, nil)
}

// TestMetrics checks that the metrics count, and that they name nobody.
func TestMetrics(t *testing.T) {
	s := startRelay(t, Config{Quota: 1})
	p := s.dial(t, 18)
	q := p.newQueue(smp.ModeMessaging, nil)
	p.newQueue(smp.ModeMessaging, nil)
	p.want(smp.OK{}, text("1"), q.SndID, nil)
	id := q.wantText(t, p.event(q.RcvID), "1")
	p.want(smp.ErrQuota, text("2"), q.SndID, nil)
	p.want(smp.ErrQuota, text("3"), q.SndID, nil)
	p.do(smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)
	p.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
	p.want(proxyError(smp.ProxyBasicAuth), smp.Prxy{Server: s.server()}, "", nil)
	garbage := s.dialTCP(t)
	garbage.Write(make([]byte, 100))
	wantEnd(t, garbage)
	s.waitForConnections(t, 1)

	var b strings.Builder
	if err := s.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"connections 1", "queues 1", "proxy_connections 0", "connections_total 2", "handshake_errors_total 1", "queues_created_total 2",
		"queues_deleted_total 1", "messages_stored_total 2", "messages_acknowledged_total 1", "quota_errors_total 2", "commands_total 8",
	} {
		if !strings.Contains(b.String(), "\nsotto_relay_"+want+"\n") {
			t.Errorf("there is no %q", want)
		}
	}
	for line := range strings.Lines(b.String()) {
		if strings.ContainsAny(line, "{\"@") || strings.Contains(line, "127.0.0.1") {
			t.Errorf("a metric has a label: %s", line)
		}
	}
	// The number of queues is right again after a restart.
	s.stop()
	s = startIn(t, s.dir, Config{})
	relaytest.WaitUntil(t, "queues to be counted", &s.changed, func() bool { return s.stats.queues.Load() == 1 })
}
