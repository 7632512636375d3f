package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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
	// Where something is, and where no folder is, nothing is put.
	for code, path := range map[string]string{"exists": to, "not_found": filepath.Join(t.TempDir(), "none", "received.pdf")} {
		if answer := b.try(object{"cmd": "receive", "file": file["id"], "to": path}); answer["ok"] != false || answer["code"] != code {
			t.Errorf("receiving to %s: %v", path, answer)
		}
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
	b.event(object{"event": "file", "state": "offered"})
	a.event(object{"event": "file", "file": sent["file"], "state": "done"})
	second := b.event(object{"event": "message", "contact": cb, "text": ""})["file"].(map[string]any)["id"]
	b.do(object{"cmd": "cancel", "file": second})
	b.event(object{"event": "file", "file": second, "state": "cancelled"})
	if answer := b.try(object{"cmd": "receive", "file": second}); answer["code"] != "file_state" {
		t.Errorf("receiving what was cancelled: %v", answer)
	}
	for name, bad := range map[string]object{
		"no_file":       {"cmd": "receive", "file": a.do(object{"cmd": "send", "contact": ca, "text": "hi"})["message"]},
		"bad_command":   {"cmd": "receive", "file": "name"},
		"not_found":     {"cmd": "send", "contact": ca, "file": "/nonexistent"},
		"not_regular":   {"cmd": "send", "contact": ca, "file": t.TempDir()},
		"not_connected": {"cmd": "send", "contact": a.do(object{"cmd": "invite"})["contact"], "file": path},
	} {
		if answer := a.try(bad); answer["ok"] != false || answer["code"] != name {
			t.Errorf("%v: %v, want %s", bad, answer, name)
		}
	}
	for _, command := range []string{"receive", "pause", "cancel"} {
		if answer := b.try(object{"cmd": command, "file": 9999}); answer["code"] != "no_file" {
			t.Errorf("%s of a file that there is not: %v", command, answer)
		}
	}
	if answer := b.try(object{"cmd": "files", "contact": 99}); answer["code"] != "no_contact" {
		t.Errorf("files of a contact that there is not: %v", answer)
	}
	if list := b.do(object{"cmd": "files", "limit": -1})["files"].([]any); len(list) != 2 {
		t.Errorf("files are %v", list)
	}
}

// TestFileGoesOn kills and pauses who receives a file: it goes on to where it was to go, and is told with its contact.
func TestFileGoesOn(t *testing.T) {
	a, b, ca, cb := couple(t)
	path, content := writeFile(t, "large.bin", 24<<20)
	for attempt := 1; ; attempt++ {
		caption := fmt.Sprint("large ", attempt)
		a.do(object{"cmd": "send", "contact": ca, "file": path, "caption": caption})
		file := b.event(object{"event": "message", "contact": cb, "text": caption})["file"].(map[string]any)["id"]
		to := filepath.Join(t.TempDir(), "received")
		b.do(object{"cmd": "receive", "file": file, "to": to})
		underWay := func(o object) bool { return o["file"] == file && (o["speed"] != nil || o["state"] == "done") }
		if e := b.eventWhere("file", underWay); e["contact"] != cb {
			t.Errorf("progress is %v", e)
		}
		b.kill()
		b.events = nil
		b.start()
		e := b.eventWhere("file", underWay)
		if e["contact"] != cb {
			t.Errorf("progress after a crash is %v", e)
		}
		if answer := b.try(object{"cmd": "pause", "file": file}); answer["ok"] == true {
			b.do(object{"cmd": "receive", "file": file})
		}
		b.event(object{"event": "file", "file": file, "state": "done"})
		if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
			t.Errorf("received %d bytes, %v", len(got), err)
		}
		if e["state"] != "done" {
			return
		}
		if attempt == 10 { // it was too fast each time
			t.Fatal("no progress is told after a crash")
		}
	}
}

// TestFileKilled kills both programs, with the relays in them, ten times while a file is on its way.
func TestFileKilled(t *testing.T) {
	a, b, ca, cb := couple(t)
	path, content := writeFile(t, "large.bin", 48<<20)
	sent := a.do(object{"cmd": "send", "contact": ca, "file": path, "caption": "large"})["file"]
	file := b.event(object{"event": "message", "contact": cb, "text": "large"})["file"].(map[string]any)["id"]
	to := filepath.Join(t.TempDir(), "received")
	b.do(object{"cmd": "receive", "file": file, "to": to})
	if err := os.Remove(path); err != nil { // a copy was made
		t.Fatal(err)
	}
	state := func(c *child, id any) any {
		for _, f := range c.do(object{"cmd": "files"})["files"].([]any) {
			if f := f.(map[string]any); f["id"] == id {
				return f["state"]
			}
		}
		return nil
	}
	underWay := 0
	for i := range 10 {
		for _, c := range []*child{a, b} {
			if state(b, file) != "done" {
				underWay++
			}
			c.kill()
			c.start()
			for range i % 3 { // at another point each time
				c.do(object{"cmd": "files"})
			}
		}
	}
	t.Logf("%d of 20 kills were while it was on its way", underWay)
	b.event(object{"event": "file", "file": file, "state": "done"})
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("received %d bytes, %v", len(got), err)
	}
	if s := state(a, sent); s != "done" {
		t.Errorf("the state of what was sent is %v", s)
	}
}

// memory tells the most memory that a running program had in use, where that can be found out.
func memory(process *os.Process) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Pid))
	if err != nil {
		return "unknown"
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// TestLargeFile sends a file of SOTTO_FILE_MB megabytes through a relay that is killed on the way there and back, and tells how much
// memory that took.
func TestLargeFile(t *testing.T) {
	size := int64(64)
	if s := os.Getenv("SOTTO_FILE_MB"); s != "" {
		var err error
		if size, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	size <<= 20
	relay := makeRelay(t, true)
	var people []*child
	for _, name := range []string{"Alice", "Bob"} {
		c := startChild(t, "--data", t.TempDir(), "--relay", relay.address, "--relay", relay.files)
		c.do(object{"cmd": "profile.create", "name": name})
		people = append(people, c)
	}
	a, b := people[0], people[1]
	ca, cb := connect(a, b)

	path := filepath.Join(t.TempDir(), "large.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, want), rand.Reader, size)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	sent := a.do(object{"cmd": "send", "contact": ca, "file": path, "caption": "large"})["file"]
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	halfway := func(c *child, id any, state string) {
		t.Helper()
		deadline := time.After(patience)
		for {
			o := c.read(deadline)
			if o["event"] == "file" && o["file"] == id && (o["state"] == "done" || o["state"] == state && o["done"].(float64) > float64(size)/3) {
				return
			}
		}
	}
	halfway(a, sent, "uploading")
	relay.kill()
	relay.start()
	a.event(object{"event": "file", "file": sent, "state": "done"})
	uploaded := time.Now()
	file := b.event(object{"event": "message", "contact": cb, "text": "large"})["file"].(map[string]any)["id"]
	to := filepath.Join(t.TempDir(), "received")
	b.do(object{"cmd": "receive", "file": file, "to": to})
	halfway(b, file, "downloading")
	relay.kill()
	relay.start()
	b.event(object{"event": "file", "file": file, "state": "done"})
	t.Logf("%d MB: uploaded in %v, downloaded in %v, each with one kill of the relay; most memory: sender %s, recipient %s, relay since its last start %s",
		size>>20, uploaded.Sub(begin).Round(time.Millisecond), time.Since(uploaded).Round(time.Millisecond), memory(a.cmd.Process), memory(b.cmd.Process), memory(relay.cmd.Process))
	got := sha256.New()
	if f, err = os.Open(to); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(got, f); err != nil || n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("received %d bytes, %v", n, err)
	}
	for c, id := range map[*child]any{a: sent, b: file} {
		last := -1.0
		for _, e := range c.events {
			if e["event"] != "file" || e["file"] != id {
				continue
			}
			if e["total"] != float64(size) || e["done"].(float64) < last {
				t.Errorf("after %v bytes: %v", last, e)
			}
			last = e["done"].(float64)
		}
		if last != float64(size) {
			t.Errorf("the last event has %v bytes", last)
		}
	}
}
