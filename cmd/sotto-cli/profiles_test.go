package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestProfileCommands hides and opens profiles, locks and wipes, over restarts and a crash.
func TestProfileCommands(t *testing.T) {
	relay := startRelay(t)
	a := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	b := startChild(t, "--data", t.TempDir(), "--relay", relay.address)
	count := func(want int) {
		t.Helper()
		if list := a.do(object{"cmd": "profile.list"})["profiles"].([]any); len(list) != want {
			t.Errorf("profiles are %v", list)
		}
	}
	fails := func(o object, code string) {
		t.Helper()
		if got := a.try(o); got["ok"] != false || got["code"] != code {
			t.Errorf("%v: %v, want %s", o, got, code)
		}
	}
	b.do(object{"cmd": "profile.create", "name": "Bob"})
	alice := a.do(object{"cmd": "profile.create", "name": "Alice"})["profile"]
	a.do(object{"cmd": "profile.create", "name": "Selene", "passphrase": "moon", "hidden": true})
	count(2)
	a.do(object{"cmd": "hidden.close"})
	count(1)
	fails(object{"cmd": "hidden.open", "passphrase": "sun"}, "no_profile")
	a.do(object{"cmd": "hidden.open", "passphrase": "moon"})
	ca, cb := connect(a, b)
	a.kill()
	b.do(object{"cmd": "send", "contact": cb, "text": "after the crash"})
	a.start()
	count(1)
	a.do(object{"cmd": "hidden.open", "passphrase": "moon"})
	a.event(object{"event": "message", "contact": ca, "text": "after the crash"})
	a.do(object{"cmd": "hidden.close"})
	b.do(object{"cmd": "send", "contact": cb, "text": "while it was closed"})
	a.do(object{"cmd": "hidden.open", "passphrase": "moon"})
	a.event(object{"event": "message", "contact": ca, "text": "while it was closed"})
	a.do(object{"cmd": "hidden.close"})

	hidden := a.do(object{"cmd": "profile.hide", "profile": alice, "passphrase": "sun"})["profile"]
	a.do(object{"cmd": "profile.show", "profile": hidden})
	a.do(object{"cmd": "profile.rename", "name": "Alicia"})
	a.do(object{"cmd": "profile.protect", "passphrase": "own"})
	a.do(object{"cmd": "profile.protect", "old": "own"})
	fails(object{"cmd": "lock"}, "no_passphrase")
	fails(object{"cmd": "lock.set", "passphrase": "door", "seconds": -1}, "bad_command")
	fails(object{"cmd": "lock.set", "passphrase": "door", "seconds": 1 << 60}, "bad_command")
	a.do(object{"cmd": "lock.set", "passphrase": "door", "seconds": 60})
	a.do(object{"cmd": "lock.wipe", "passphrase": "fire"})
	a.do(object{"cmd": "lock"})
	a.event(object{"event": "lock", "locked": true})
	fails(object{"cmd": "hidden.open", "passphrase": "moon"}, "app_locked")
	fails(object{"cmd": "contacts"}, "app_locked")
	fails(object{"cmd": "profile.rename", "name": "x"}, "app_locked")
	fails(object{"cmd": "profile.protect", "passphrase": "x"}, "app_locked")
	fails(object{"cmd": "unlock", "passphrase": "gate"}, "wrong_passphrase")
	a.do(object{"cmd": "unlock", "passphrase": "door"})
	a.event(object{"event": "lock", "locked": false})
	count(1)
	a.do(object{"cmd": "profile.delete", "profile": hidden})
	count(0)
	a.do(object{"cmd": "lock"})
	a.do(object{"cmd": "unlock", "passphrase": "fire"})
	fails(object{"cmd": "hidden.open", "passphrase": "moon"}, "no_profile")
	a.end()
}

// TestDamagedProfile takes files of a profile away: that is told, and the others go on.
func TestDamagedProfile(t *testing.T) {
	relay := startRelay(t)
	dir := t.TempDir()
	a := startChild(t, "--data", dir, "--relay", relay.address)
	first := a.do(object{"cmd": "profile.create", "name": "First"})["profile"]
	second := a.do(object{"cmd": "profile.create", "name": "Second"})["profile"]
	a.end()
	for _, name := range []string{"vault.key", "vault.db"} {
		if err := os.Remove(filepath.Join(dir, "profiles", first.(string), name)); err != nil {
			t.Fatal(err)
		}
		a.start()
		for _, command := range []object{{"cmd": "contacts"}, {"cmd": "profile.use", "profile": first}} {
			if answer := a.try(command); answer["ok"] != false || answer["code"] != "damaged" {
				t.Errorf("without %s: %v", name, answer)
			}
		}
		for _, p := range a.do(object{"cmd": "profile.list"})["profiles"].([]any) {
			if p := p.(map[string]any); (p["profile"] == first) != (p["error"] != nil) {
				t.Errorf("without %s a profile is %v", name, p)
			}
		}
		a.end()
	}
	a.start()
	a.do(object{"cmd": "profile.use", "profile": second})
	a.do(object{"cmd": "contacts"})
	a.end()
}

func TestDiskFull(t *testing.T) {
	if text, code := describe(fmt.Errorf("making a profile: %w", &fs.PathError{Op: "write", Path: "vault.db", Err: syscall.ENOSPC})); code != "disk_full" || strings.Contains(text, "vault.db") {
		t.Errorf("%s: %s", code, text)
	}
}
