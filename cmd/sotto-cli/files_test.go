package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
)

// couple starts two programs that are connected, with relays inside them.
func couple(t *testing.T) (a, b *child, ca, cb any) {
	t.Helper()
	var people []*child
	for _, name := range []string{"Alice", "Bob"} {
		c := startChild(t, "--data", t.TempDir(), "--relay", "embedded")
		c.do(object{"cmd": "profile.create", "name": name})
		people = append(people, c)
	}
	a, b = people[0], people[1]
	cb = b.do(object{"cmd": "connect", "link": a.do(object{"cmd": "invite"})["link"]})["contact"]
	ca = a.event(object{"event": "connected", "name": "Bob"})["contact"]
	b.event(object{"event": "connected", "contact": cb})
	return a, b, ca, cb
}

func writeFile(t *testing.T, name string, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rand.Read(content)
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestFiles(t *testing.T) {
	a, b, ca, cb := couple(t)
	path, content := writeFile(t, "report.pdf", 3<<20)
	sent := a.do(object{"cmd": "send", "contact": ca, "file": path, "caption": "as promised"})
	a.event(object{"event": "file", "file": sent["file"], "state": "uploading"})
	a.event(object{"event": "file", "file": sent["file"], "state": "done"})
	message := b.event(object{"event": "message", "contact": cb, "text": "as promised"})
	file := message["file"].(map[string]any)
	if file["name"] != "report.pdf" || file["size"] != float64(len(content)) || file["state"] != "offered" {
		t.Errorf("the message has the file %v", file)
	}
	to := filepath.Join(t.TempDir(), "received.pdf")
	// The relay inside the other program is not known here, which is seen when all of the description has come.
	b.wait(cb, "the end of the description", func([]object) bool {
		return b.try(object{"cmd": "receive", "file": file["id"], "to": to, "ask": true})["code"] == "unknown_relays"
	})
	b.do(object{"cmd": "receive", "file": file["id"], "to": to})
	done := b.event(object{"event": "file", "file": file["id"], "state": "done"})
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) || done["done"] != float64(len(content)) {
		t.Errorf("received %d bytes, %v; the event is %v", len(got), err, done)
	}
	again := filepath.Join(t.TempDir(), "again.pdf")
	b.do(object{"cmd": "receive", "file": file["id"], "to": again})
	if got, err := os.ReadFile(again); err != nil || !bytes.Equal(got, content) {
		t.Errorf("saved again: %d bytes, %v", len(got), err)
	}
	if list := b.do(object{"cmd": "files"})["files"].([]any); len(list) != 1 || list[0].(map[string]any)["state"] != "done" {
		t.Errorf("files are %v", list)
	}

	// One that is given up.
	path, _ = writeFile(t, "unwanted.bin", 100)
	sent = a.do(object{"cmd": "send", "contact": ca, "file": path})
	message = b.event(object{"event": "file", "state": "offered"})
	a.event(object{"event": "file", "file": sent["file"], "state": "done"})
	second := b.event(object{"event": "message", "contact": cb, "text": ""})["file"].(map[string]any)["id"]
	b.do(object{"cmd": "cancel", "file": second})
	b.event(object{"event": "file", "file": second, "state": "cancelled"})
	if answer := b.try(object{"cmd": "receive", "file": second}); answer["code"] != "file_state" {
		t.Errorf("receiving what was cancelled: %v", answer)
	}
	for name, bad := range map[string]object{
		"no_file":       {"cmd": "receive", "file": a.do(object{"cmd": "send", "contact": ca, "text": "hi"})["message"]},
		"no_message":    {"cmd": "cancel", "file": 9999},
		"bad_command":   {"cmd": "receive", "file": "name"},
		"":              {"cmd": "send", "contact": ca, "file": "/nonexistent"},
		"not_connected": {"cmd": "send", "contact": a.do(object{"cmd": "invite"})["contact"], "file": path},
	} {
		if answer := a.try(bad); answer["ok"] != false || name != "" && answer["code"] != name {
			t.Errorf("%v: %v, want %s", bad, answer, name)
		}
	}
}

// TestFileKilled kills both programs again and again while a file is on its way.
func TestFileKilled(t *testing.T) {
	a, b, ca, cb := couple(t)
	path, content := writeFile(t, "large.bin", 24<<20)
	a.do(object{"cmd": "send", "contact": ca, "file": path, "caption": "large"})
	file := b.event(object{"event": "message", "contact": cb, "text": "large"})["file"].(map[string]any)["id"]
	to := filepath.Join(t.TempDir(), "received")
	b.do(object{"cmd": "receive", "file": file, "to": to})
	if err := os.Remove(path); err != nil { // a copy was made
		t.Fatal(err)
	}
	for i := range 5 {
		for _, c := range []*child{a, b} {
			c.kill()
			c.start()
			for range i { // at another point each time
				c.do(object{"cmd": "files"})
			}
		}
	}
	b.event(object{"event": "file", "file": file, "state": "done"})
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("received %d bytes, %v", len(got), err)
	}
}
