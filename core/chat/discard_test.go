package chat

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
	"github.com/sotto-chat/sotto/store"
)

// discarded returns what is to be deleted from relays.
func (p *person) discarded() (list []discardedFile) {
	p.t.Helper()
	err := p.db.View(context.Background(), func(tx *store.Tx) (err error) {
		list, err = discarded(tx)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// TestDiscard takes files back while their relay is not there, and ends the program before it is.
func TestDiscard(t *testing.T) {
	t.Parallel()
	w := newTwo(t)
	del := func(item int64) {
		t.Helper()
		if err := w.a.Delete(t.Context(), []int64{item}, true); err != nil {
			t.Fatal(err)
		}
	}
	var sent []int64
	for range 4 {
		item, _ := w.offer(NewFile{}, randomBytes(200_000))
		w.a.state(item, FileDone)
		sent = append(sent, item)
	}
	all, _ := w.relay.count()
	each := all / len(sent)
	w.relay.stop()
	del(sent[0])
	if list := w.a.discarded(); len(list) != 1 || len(list[0].replicas) != each {
		t.Fatalf("%d files are to be deleted", len(list))
	}
	w.a.restart()
	del(sent[1]) // while the first one is being tried
	if n := len(w.a.discarded()); n != 2 {
		t.Fatalf("%d files are to be deleted", n)
	}
	if n, _ := w.relay.count(); n != all {
		t.Fatalf("%d chunks of %d are there", n, all)
	}
	w.relay.start()
	w.a.Reconnect()
	w.waitChunks(2 * each)
	w.a.wait("all to be deleted", func() bool { return len(w.a.discarded()) == 0 })

	// One that the relay does not know is as good as deleted, and so is what can't be read.
	err := w.a.db.Update(t.Context(), func(tx *store.Tx) error {
		f, err := tx.File(sent[2])
		if err != nil {
			return err
		}
		up, err := restoreUpload(tx, f)
		if err != nil {
			return err
		}
		up.Chunks[0].Sender = xftp.ID("unknown")
		up.Chunks = up.Chunks[:1]
		return w.a.discard(tx, 99, up)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.a.wait("the relay to say so", func() bool { return len(w.a.discarded()) == 0 })
	if n, _ := w.relay.count(); n != 2*each {
		t.Errorf("%d chunks are there", n)
	}

	// The profile is deleted before the relay is there: what was to be deleted stays to be deleted, with what is to be now.
	w.relay.stop()
	del(sent[2])
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.a.DeleteUploads(ctx); err != nil {
		t.Error(err)
	}
	for range 2 {
		list := w.a.discarded()
		if len(list) != 2 || len(list[0].replicas) != each || len(list[1].replicas) != each {
			t.Errorf("of %d files something is to be deleted: %v", len(list), list)
		}
		w.a.restart()
	}

	// After a week nobody has the file any more.
	locked(w.a, func() any { w.a.ahead = discardTime + time.Hour; return nil })
	wake(w.a.discarding)
	w.a.wait("it to be given up", func() bool { return len(w.a.discarded()) == 0 })
}

// TestDiscardDamaged has what can't be read keep nothing else from being deleted, and two files apart: each has a circuit of its own.
func TestDiscardDamaged(t *testing.T) {
	f := newFixture(t)
	key := new(crypt.Ed25519Private)
	server := wire.Server{Scheme: wire.XFTP, Hosts: []string{"127.0.0.1"}, Port: "1"}
	f.update(func(tx *store.Tx) error {
		for n, item := range []int64{1, 1, 2, 2, 3} {
			text, err := xftp.Replica{Server: server, ID: xftp.ID(fmt.Sprint(n)), Key: key}.MarshalText()
			if err != nil {
				return err
			}
			if n%2 == 0 {
				text = append(text, "damaged "...)
			}
			if err := tx.InsertFileDeletion(store.FileDeletion{Item: item, Replica: string(text)}, start); err != nil {
				return err
			}
		}
		list, err := discarded(tx)
		if err != nil || len(list) != 2 || list[0].replicas[0].ID != "1" || list[1].replicas[0].ID != "3" {
			t.Errorf("%v, %v", list, err)
		}
		return nil
	})
}
