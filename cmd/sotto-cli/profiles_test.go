package main

import "testing"

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
	a.do(object{"cmd": "lock.set", "passphrase": "door", "seconds": 60})
	a.do(object{"cmd": "lock.wipe", "passphrase": "fire"})
	a.do(object{"cmd": "lock"})
	a.event(object{"event": "lock", "locked": true})
	fails(object{"cmd": "hidden.open", "passphrase": "moon"}, "app_locked")
	fails(object{"cmd": "contacts"}, "app_locked")
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
