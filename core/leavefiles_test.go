package core

import (
	"bytes"
	"testing"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// sentFile has Alice send Bob a file and waits until it is on the relay, and returns it as Bob knows it.
func (p *pair) sentFile(t *testing.T) int64 {
	t.Helper()
	content := make([]byte, 300_000)
	sent, err := p.pa.SendFile(t.Context(), p.ca, NewFile{Name: "a.bin", Type: event.TypeFile, Size: int64(len(content)), Content: bytes.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
	p.a.wait("the upload", func() bool { return mustFile(t, p.pa, p.ca, sent.ID) == FileDone })
	var got int64
	p.b.wait("the file", func() bool {
		list, err := p.pb.Files(t.Context(), p.cb, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 0 {
			got = list[0].ID
		}
		return got != 0
	})
	return got
}

func mustFile(t *testing.T, p *Profile, contact, item int64) FileState {
	t.Helper()
	for _, i := range mustHistory(t, p, contact) {
		if i.ID == item {
			return i.File.State
		}
	}
	return ""
}

// TestLeaveFiles deletes a profile, and what it has uploaded: at once if the relay is there, and after a restart if it
// was not.
func TestLeaveFiles(t *testing.T) {
	relay, shelf := newTestRelay(t), newTestFiles(t)
	opt := testOptions(relay)
	opt.Relays = append(opt.Relays, shelf.address)
	p := connectedPair(t, opt)
	gone := func(item int64) {
		t.Helper()
		if err := p.pb.ReceiveFile(t.Context(), item, ReceiveOptions{}); err != nil {
			t.Fatal(err)
		}
		p.b.wait("the file to be missed", func() bool { return mustFile(t, p.pb, p.cb, item) == FileFailed })
		for _, i := range mustHistory(t, p.pb, p.cb) {
			if i.ID == item && i.File.Failure != chat.FailureGone {
				t.Errorf("the failure is %q", i.File.Failure)
			}
		}
	}
	leavers := func() []string {
		t.Helper()
		app, err := readApp(p.a.dir)
		if err != nil {
			t.Fatal(err)
		}
		return app.Leaving
	}

	item := p.sentFile(t)
	if err := p.a.DeleteProfile(t.Context(), p.pa.ID()); err != nil {
		t.Fatal(err)
	}
	if len(leavers()) != 0 {
		t.Error("something is left though all relays were there")
	}
	gone(item)

	p.pa = p.a.create("Alice")
	p.connect(t)
	item = p.sentFile(t)
	shelf.stop()
	if err := p.a.DeleteProfile(briefly(t), p.pa.ID()); err != nil {
		t.Fatal(err)
	}
	if len(leavers()) != 1 {
		t.Fatalf("%d deleted profiles have something left", len(leavers()))
	}
	// What is kept deletes chunks and nothing else.
	left := p.a.leaving[leavers()[0]]
	err := left.db.View(t.Context(), func(tx *store.Tx) error {
		chunks, err := tx.FileDeletions()
		if err != nil || len(chunks) != 2 || chunks[0].Item != chunks[1].Item {
			t.Errorf("%v is kept, %v", chunks, err)
		}
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM files").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d files are left, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	circuit := left.profile.circuit(wire.Server{}, "")
	p.a.NetworkChanged()
	if left.profile.circuit(wire.Server{}, "") == circuit {
		t.Error("what is left goes by the circuits that it had in another network")
	}
	p.a.shut()
	p.a.reopen()
	shelf.start()
	p.a.wait("the deletion on the relay", func() bool { return len(leavers()) == 0 })
	gone(item)
}
