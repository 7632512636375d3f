package core

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/store"
)

// TestLeave deletes a profile while its relay can't be reached. Its queues are deleted after a restart, when the relay
// is back, and then nothing is kept of it.
func TestLeave(t *testing.T) {
	relay := newTestRelay(t)
	opt := testOptions(relay)
	p := connectedPair(t, opt)
	address := mustAddress(t, p.pa)
	id := p.pa.ID()
	relay.stop()
	if err := p.a.DeleteProfile(briefly(t), id); err != nil {
		t.Fatal(err)
	}
	app, err := readApp(p.a.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.a.Profiles()) != 0 || len(app.Profiles) != 0 || len(app.Leaving) != 1 || app.Leaving[0] == id {
		t.Fatalf("app.json holds %+v", app)
	}
	if _, err := os.Stat(p.a.profileDir(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the profile: %v", err)
	}
	if slices.Contains(mustSpares(t, p.a), app.Leaving[0]) {
		t.Error("the leaver is among the spares")
	}
	// What is kept names queues and nothing else.
	err = p.a.leaving[app.Leaving[0]].db.View(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"connections", "contacts", "items", "address", "receive_queues", "send_queues"} {
			var n int
			if err := tx.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows of %s are left, %v", n, table, err)
			}
		}
		var names string
		err := tx.QueryRow("SELECT group_concat(name, ' ') FROM (SELECT name FROM settings ORDER BY name)").Scan(&names)
		if names != "left network relays tor" && names != "left network relays" && names != "left relays" {
			t.Errorf("settings are %q", names)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.a.SetLock(t.Context(), "", "door"); err != nil { // it is under the lock as well
		t.Fatal(err)
	}
	p.a.shut()
	p.a.reopen()
	if len(p.a.leaving) != 0 {
		t.Error("it goes on while the program is locked")
	}
	relay.start()
	if err := p.a.Unlock(t.Context(), "door"); err != nil {
		t.Fatal(err)
	}
	gone := func() bool {
		app, err := readApp(p.a.dir)
		return err == nil && len(app.Leaving) == 0
	}
	p.a.wait("the deletion on the relay", gone)
	if _, err := os.Stat(p.a.profileDir(app.Leaving[0])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the leaver: %v", err)
	}
	if _, err := p.pb.Connect(t.Context(), address.Link); !errors.Is(err, ErrLinkDeleted) {
		t.Errorf("opening the address: %v", err)
	}
	if err := p.a.SetLock(t.Context(), "door", ""); err != nil { // though the leaver may still be known
		t.Error(err)
	}
}

// TestLeaveGivenUp forgets queues that could not be deleted for a week, and needs no Tor for them any more.
func TestLeaveGivenUp(t *testing.T) {
	relay := newTestRelay(t)
	opt := testOptions(relay)
	opt.TorBinary = "/nonexistent/tor"
	late := time.Duration(0)
	opt.Now = func() time.Time { return time.Now().Add(late) }
	p := connectedPair(t, opt)
	relay.stop()
	if err := p.pa.SetTorMode(t.Context(), TorOnly); err != nil {
		t.Fatal(err)
	}
	if err := p.a.DeleteProfile(briefly(t), p.pa.ID()); err != nil {
		t.Fatal(err)
	}
	if !p.a.wantsTor() {
		t.Error("the queues are deleted without Tor")
	}
	p.a.shut()
	p.b.shut()
	late = leaveTime + time.Hour
	p.a.reopen()
	p.a.wait("it to be given up", func() bool {
		app, err := readApp(p.a.dir)
		return err == nil && len(app.Leaving) == 0 && !p.a.wantsTor()
	})
	// One whose folder is gone is forgotten too.
	p.a.shut()
	app, err := readApp(p.a.dir)
	if err != nil {
		t.Fatal(err)
	}
	app.Leaving = []string{"00112233445566778899aabbccddeeff"}
	if err := app.write(p.a.dir); err != nil {
		t.Fatal(err)
	}
	p.a.reopen()
	if app, err := readApp(p.a.dir); err != nil || len(app.Leaving) != 0 {
		t.Errorf("app.json holds %+v, %v", app, err)
	}
}
