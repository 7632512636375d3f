package core

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/chat/event"
	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/store"
)

// testFiles is a relay for files on loopback that can be stopped and started again.
type testFiles struct {
	t       *testing.T
	dir     string
	port    string
	address string
	running *files.Server
	done    chan error
}

func newTestFiles(t *testing.T) *testFiles {
	t.Helper()
	r := &testFiles{t: t, dir: filepath.Join(t.TempDir(), "files")}
	if _, err := relay.Init(r.dir, relay.Settings{Hosts: []string{loopback}}); err != nil {
		t.Fatal(err)
	}
	r.port = "0"
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *testFiles) start() {
	r.t.Helper()
	l := mustListen(r.t, r.port)
	r.port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	server, err := files.Open(r.dir, files.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	address, done := server.Address(r.port, loopback), make(chan error, 1)
	r.address, r.running, r.done = address.String(), server, done
	go func() { done <- server.Serve(context.Background(), l) }()
}

func (r *testFiles) stop() {
	if r.running == nil {
		return
	}
	if err := r.running.Close(); err != nil {
		r.t.Error(err)
	}
	<-r.done
	r.running = nil
}

// sentFile has Alice send Bob a file and waits until it is on the relay, and returns it as Bob knows it.
func (p *pair) sentFile(t *testing.T, r *testFiles) int64 {
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

	item := p.sentFile(t, shelf)
	if err := p.a.DeleteProfile(t.Context(), p.pa.ID()); err != nil {
		t.Fatal(err)
	}
	if len(leavers()) != 0 {
		t.Error("something is left though all relays were there")
	}
	gone(item)

	p.pa = p.a.create("Alice")
	p.connect(t)
	item = p.sentFile(t, shelf)
	shelf.stop()
	if err := p.a.DeleteProfile(briefly(t), p.pa.ID()); err != nil {
		t.Fatal(err)
	}
	if len(leavers()) != 1 {
		t.Fatalf("%d deleted profiles have something left", len(leavers()))
	}
	// What is kept deletes chunks and nothing else.
	err := p.a.leaving[leavers()[0]].db.View(t.Context(), func(tx *store.Tx) error {
		uploads, err := loadUploads(tx)
		if err != nil || len(uploads) != 1 || len(uploads[0]) != 2 {
			t.Errorf("%d files are kept, %v", len(uploads), err)
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
	p.a.NetworkChanged() // which leavers are told as well
	p.a.shut()
	p.a.reopen()
	shelf.start()
	p.a.wait("the deletion on the relay", func() bool { return len(leavers()) == 0 })
	gone(item)
}
