package core

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func (c *testCore) linkOpened() string {
	c.t.Helper()
	for e := range c.events {
		if l, ok := e.Change.(LinkOpened); ok {
			return l.Text
		}
	}
	c.t.Fatal("closed while waiting for a link")
	return ""
}

func TestHandover(t *testing.T) {
	dir := t.TempDir()
	if err := Handover(dir, "simplex:/x"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a running program: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, handoverFile), nil, 0o600); err != nil { // a crash leaves it
		t.Fatal(err)
	}
	var late atomic.Int64
	start := time.Now()
	opt := testOptions(nil)
	opt.Now = func() time.Time { return start.Add(time.Duration(late.Load())) }
	c := openTest(t, dir, opt)
	if _, err := Open(t.Context(), dir, testOptions(nil)); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	st, err := os.Stat(filepath.Join(dir, handoverFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", st.Mode(), err)
	}
	path := filepath.Join(dir, handoverFile)
	for _, bad := range []string{"a\nb", "a\x00b", "\xff", strings.Repeat("x", maxHandover+1)} {
		if err := Handover(dir, bad); !errors.Is(err, ErrHandover) {
			t.Errorf("%.20q: %v", bad, err)
		}
		// Somebody else's program does not check.
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(bad))
		conn.(*net.UnixConn).CloseWrite()
		if n, _ := conn.Read(make([]byte, 1)); n != 0 {
			t.Errorf("%.20q was taken", bad)
		}
		conn.Close()
	}
	texts := []string{"https://smp.example/i#abc", "", strings.Repeat("x", maxHandover), "é", "5"}
	for _, text := range texts {
		if err := Handover(dir, text); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
		if got := c.linkOpened(); got != text {
			t.Errorf("handed over %.20q, got %.20q", text, got)
		}
	}
	if err := Handover(dir, "one too many"); !errors.Is(err, ErrHandover) {
		t.Errorf("one more: %v", err)
	}
	late.Store(int64(handoverInterval))
	if err := Handover(dir, "later"); err != nil || c.linkOpened() != "later" {
		t.Errorf("later: %v", err)
	}
	if err := Handover(dir, "one too many"); !errors.Is(err, ErrHandover) {
		t.Errorf("one more: %v", err)
	}
	if err := c.OpenLink("a\nb"); !errors.Is(err, ErrHandover) {
		t.Errorf("opening no link: %v", err)
	}
	if err := c.OpenLink("mine"); err != nil || c.linkOpened() != "mine" {
		t.Errorf("opening a link: %v", err)
	}
	silent, err := net.Dial("unix", path) // one that says nothing does not hold up the end
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c.shut()
	if err := Handover(dir, "x"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

func FuzzReadHandover(f *testing.F) {
	for _, seed := range []string{"", "\n", "simplex:/invitation#x\n", "a\nb\n", "\xff\n", strings.Repeat("x", maxHandover+2)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, out := net.Pipe()
		go func() {
			out.Write(b)
			out.Close()
		}()
		text, ok := readHandover(in)
		in.Close()
		if ok && (!validHandover(text) || !strings.HasPrefix(string(b), text+"\n")) {
			t.Errorf("%q was read as %q", b, text)
		}
	})
}

// TestHandoverLongPath has a folder whose path is too long for a socket.
func TestHandoverLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 150))
	c := openTest(t, dir, testOptions(nil))
	c.create("Alice")
	if err := Handover(dir, "x"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("handing over: %v", err)
	}
}
