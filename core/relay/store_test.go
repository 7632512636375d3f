package relay

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
)

// TestRestart checks that all of a relay's state is on disk.
func TestRestart(t *testing.T) {
	s := startRelay(t, Config{})
	a, b := s.dial(t, 18), s.dial(t, 18)
	key, ntfKey := x25519Key(), ed448Key()
	ntfDH := crypt.X25519Private{1}
	secured := a.newQueue(smp.ModeMessaging, func(n *smp.New) {
		n.Notifier = &smp.NotifierKeys{Auth: ntfKey.public, DH: ntfDH.Public()}
	})
	b.want(smp.OK{}, smp.SKey{Key: key.public}, secured.SndID, key.private)
	for i := range 5 {
		b.want(smp.OK{}, text(fmt.Sprint(i)), secured.SndID, key.private)
	}
	first := secured.wantText(t, a.event(secured.RcvID), "0")
	secured.wantText(t, a.do(smp.Ack{MsgID: first}, secured.RcvID, secured.rcv.private), "1")
	off := a.newQueue(smp.ModeUnknown, nil)
	a.want(smp.OK{}, smp.Off{}, off.RcvID, off.rcv.private)
	data := linkData("fixed", "user")
	contact := a.newQueue(smp.ModeContact, func(n *smp.New) { n.Link = &smp.NewLink{LinkID: newLinkID(), Data: data} })
	second := ed25519Key()
	a.want(smp.OK{}, smp.RKey{Keys: []crypt.AuthPublic{contact.rcv.public, second.public}}, contact.RcvID, contact.rcv.private)
	deleted := a.newQueue(smp.ModeMessaging, nil)
	a.want(smp.OK{}, smp.Del{}, deleted.RcvID, deleted.rcv.private)

	hash := s.Address().KeyHash
	s.stop()
	s = startIn(t, s.dir, Config{})
	if s.Address().KeyHash != hash {
		t.Error("the identity has changed")
	}
	a, b = s.dial(t, 18), s.dial(t, 18)
	a.want(smp.SOK{}, smp.Sub{}, secured.RcvID, secured.rcv.private)
	m := a.event(secured.RcvID)
	for i := 1; i < 5; i++ {
		id := secured.wantText(t, m, fmt.Sprint(i))
		m = a.do(smp.Ack{MsgID: id}, secured.RcvID, secured.rcv.private)
	}
	a.check(smp.OK{}, m, smp.Ack{})
	b.want(smp.ErrAuth, text("x"), secured.SndID, nil)
	b.want(smp.OK{}, text("5"), secured.SndID, key.private)
	secured.wantText(t, a.event(secured.RcvID), "5")
	b.want(smp.SOK{}, smp.NSub{}, secured.Notifier.ID, ntfKey.private)
	b.want(smp.ErrAuth, text("x"), off.SndID, nil)
	a.want(smp.SOK{}, smp.Sub{}, contact.RcvID, second.private)
	b.want(smp.Lnk{SndID: contact.SndID, Data: data}, smp.LGet{}, contact.LinkID, nil)
	a.want(smp.ErrAuth, smp.Sub{}, deleted.RcvID, deleted.rcv.private)
	b.want(smp.ErrAuth, text("x"), deleted.SndID, nil)
}

// TestDeletedLeavesNothing checks that a deleted queue takes no space.
func TestDeletedLeavesNothing(t *testing.T) {
	s := startRelay(t, Config{})
	a := s.dial(t, 18)
	keys := smp.NotifierKeys{Auth: ed25519Key().public, DH: (&crypt.X25519Private{1}).Public()}
	q := a.newQueue(smp.ModeMessaging, func(n *smp.New) {
		n.Link, n.Notifier = &smp.NewLink{Data: linkData("f", "u")}, &keys
	})
	for range 3 {
		a.want(smp.OK{}, text("x"), q.SndID, nil)
	}
	if _, ok := a.do(smp.NKey{Keys: keys}, q.RcvID, q.rcv.private).(smp.NID); !ok {
		t.Error("no NID")
	}
	a.want(smp.OK{}, smp.Del{}, q.RcvID, q.rcv.private)
	it := must(s.store.db.NewIter(nil))
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		t.Errorf("a key of kind %q is left", it.Key()[0])
	}
}

func TestExpiry(t *testing.T) {
	now := relaytest.NewClock(time.Unix(1700000000, 0))
	s := startRelay(t, Config{Now: now.Now, Quota: 4, MessageTTL: 10 * time.Hour, QueueTTL: 30 * 24 * time.Hour})
	a, b := s.dial(t, 18), s.dial(t, 18)
	expire := func() {
		t.Helper()
		if err := s.expire(); err != nil {
			t.Fatal(err)
		}
	}
	q := a.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
	full := a.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
	for i := range 4 {
		b.want(smp.OK{}, text(fmt.Sprint(i)), q.SndID, nil)
		b.want(smp.OK{}, text(fmt.Sprint(i)), full.SndID, nil)
		now.Advance(time.Hour)
	}
	b.want(smp.ErrQuota, text("4"), full.SndID, nil)
	size := func(q *testQueue) int { return a.do(smp.Que{}, q.RcvID, q.rcv.private).(smp.Info).Size }
	expire()
	if n := size(q); n != 4 {
		t.Errorf("%d of 4 fresh messages", n)
	}
	now.Advance(7*time.Hour + time.Minute) // the first two are more than 10 hours old
	expire()
	if n := size(q); n != 2 {
		t.Errorf("%d messages instead of 2", n)
	}

	// A subscriber who has an expired message in hand gets the next one.
	a.want(smp.SOK{}, smp.Sub{}, q.RcvID, q.rcv.private)
	id := q.wantText(t, a.event(q.RcvID), "2")
	now.Advance(time.Hour)
	expire()
	id = q.wantText(t, a.do(smp.Ack{MsgID: id}, q.RcvID, q.rcv.private), "3")
	now.Advance(20 * time.Hour)
	expire()
	b.want(smp.OK{}, text("4"), q.SndID, nil)
	id = q.wantText(t, a.do(smp.Ack{MsgID: id}, q.RcvID, q.rcv.private), "4")
	a.want(smp.OK{}, smp.Ack{MsgID: id}, q.RcvID, q.rcv.private)

	// Only the marker is left of the full queue.
	if n := size(full); n != 1 {
		t.Errorf("%d messages in the full queue instead of the marker", n)
	}
	b.want(smp.ErrQuota, text("5"), full.SndID, nil)

	// The unused queue goes, the one with a subscriber stays.
	now.Advance(29 * 24 * time.Hour)
	expire()
	b.want(smp.ErrQuota, text("6"), full.SndID, nil)
	now.Advance(31 * 24 * time.Hour)
	expire()
	b.want(smp.ErrAuth, text("7"), full.SndID, nil)
	b.want(smp.OK{}, text("8"), q.SndID, nil)
	q.wantText(t, a.event(q.RcvID), "8")
}

func TestRecord(t *testing.T) {
	link := newKey()
	for _, want := range []record{
		{rcv: newKey(), snd: newKey(), rcvKeys: []crypt.AuthPublic{ed25519Key().public}, secret: crypt.Secret{1}},
		{
			rcv: newKey(), snd: newKey(), rcvKeys: []crypt.AuthPublic{ed25519Key().public},
			blocked: &smp.Blocking{Reason: smp.BlockedSpam},
		},
		{
			rcv: newKey(), snd: newKey(), rcvKeys: []crypt.AuthPublic{ed25519Key().public},
			blocked: &smp.Blocking{Reason: smp.BlockedContent, Notice: &smp.Notice{TTL: new(int64)}},
		},
		{
			rcv: newKey(), snd: newKey(), secret: crypt.Secret{2}, mode: smp.ModeContact, off: true, link: &link, used: 12345,
			rcvKeys:  []crypt.AuthPublic{ed448Key().public, x25519Key().public},
			sndKey:   ed448Key().public,
			notifier: &notifier{id: newKey(), key: ed25519Key().public, secret: crypt.Secret{3}},
		},
		{
			rcv: newKey(), snd: newKey(), rcvKeys: []crypt.AuthPublic{ed25519Key().public}, used: 1,
			notifier: &notifier{id: newKey(), key: ed25519Key().public, secret: crypt.Secret{4}, service: &link},
		},
		{
			rcv: newKey(), snd: newKey(), rcvKeys: []crypt.AuthPublic{ed25519Key().public}, used: 2,
			notifier: &notifier{id: newKey(), key: ed25519Key().public, secret: crypt.Secret{5}, service: &link},
			blocked:  &smp.Blocking{Reason: smp.BlockedContent, Notice: &smp.Notice{TTL: new(int64)}},
		},
	} {
		b := want.append(nil)
		got, err := parseRecord(want.rcv, b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("record differs (error %v)", err)
		}
		for n := range b {
			if _, err := parseRecord(want.rcv, b[:n]); err == nil {
				t.Errorf("no error with %d of %d bytes", n, len(b))
			}
		}
		if _, err := parseRecord(want.rcv, append(b, 0)); err == nil {
			t.Error("no error with a byte more")
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	r := record{rcvKeys: []crypt.AuthPublic{ed25519Key().public}, notifier: &notifier{key: x25519Key().public}}
	f.Add(r.append(nil))
	r.blocked = &smp.Blocking{Reason: smp.BlockedSpam, Notice: new(smp.Notice)}
	f.Add(r.append(nil))
	r.notifier.service = new(key)
	f.Add(r.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(key{}, b)
		if err == nil && !bytes.Equal(r.append(nil), b) {
			t.Error("the record has another encoding")
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	m := message{id: newKey(), time: 1700000000, notify: true}
	f.Add(m.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err == nil && !bytes.Equal(m.append(nil)[1:], b[1:]) {
			t.Error("the message has another encoding")
		}
	})
}

func TestSuccessor(t *testing.T) {
	last := key(bytes.Repeat([]byte{0xff}, len(key{})))
	if _, ok := last.successor(); ok {
		t.Error("the last key has a successor")
	}
	k := key{0: 1, 22: 7, 23: 0xff}
	if next, ok := k.successor(); !ok || next != (key{0: 1, 22: 8}) {
		t.Errorf("successor %x", next)
	}
}

// TestExpiryPassesDamage has a damaged record, which must not keep the queues behind it for ever.
func TestExpiryPassesDamage(t *testing.T) {
	now := relaytest.NewClock(time.Unix(1700000000, 0))
	s := startRelay(t, Config{Now: now.Now, MessageTTL: time.Hour})
	a, b := s.dial(t, 18), s.dial(t, 18)
	q := a.newQueue(smp.ModeMessaging, func(n *smp.New) { n.Subscribe = false })
	b.want(smp.OK{}, text("old"), q.SndID, nil)
	var first key // comes before all others
	batch := s.store.db.NewBatch()
	batch.Set(storeKey(kindQueue, first), []byte("damaged"), nil)
	batch.Set(messageKey(kindMessage, first, 1), []byte("damaged"), nil)
	if err := s.store.commitLater(batch); err != nil {
		t.Fatal(err)
	}
	now.Advance(2 * time.Hour)
	if err := s.expire(); !errors.Is(err, ErrDamaged) {
		t.Errorf("the damage is told as %v", err)
	}
	if n := a.do(smp.Que{}, q.RcvID, q.rcv.private).(smp.Info).Size; n != 0 {
		t.Errorf("%d messages are left", n)
	}
}
