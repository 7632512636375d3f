package chat

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFileDiskFull has the disk be full while a file is received: when there is room again it goes on.
func TestFileDiskFull(t *testing.T) {
	w := newTwo(t)
	content := randomBytes(5 << 20)
	sent, got := w.offer(NewFile{}, content)
	w.a.state(sent, FileDone)
	w.relay.set(func() { w.relay.room = 2 })
	w.b.receive(got, ReceiveOptions{})
	w.waitHeld()
	w.b.do(w.b.PauseFile, got)
	w.relay.release()
	w.b.restart()
	list, err := os.ReadDir(w.b.workDir())
	if err != nil || len(list) != 1 {
		t.Fatalf("on their way are %v, %v", list, err)
	}
	work := filepath.Join(w.b.workDir(), list[0].Name())
	if err := os.Rename(work, work+".part"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", work); err != nil {
		t.Fatal(err)
	}
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileFailed)
	if f := w.b.item(got).File; f.Failure != FailureDisk {
		t.Errorf("the failure is %q", f.Failure)
	}
	if err := os.Rename(work+".part", work); err != nil {
		t.Fatal(err)
	}
	w.b.receive(got, ReceiveOptions{})
	w.b.state(got, FileDone)
	w.b.waitDisk(1, 0)

	// A copy of what is sent, or received, can't be kept: nothing is half there.
	if err := os.RemoveAll(w.a.workDir()); err != nil {
		t.Fatal(err)
	}
	sent, got = w.offer(NewFile{}, content)
	w.a.state(sent, FileFailed)
	if err := os.Mkdir(w.a.workDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	w.a.receive(sent, ReceiveOptions{})
	w.b.receive(got, ReceiveOptions{})
	w.a.state(sent, FileDone)
	w.b.state(got, FileDone)
	w.a.waitDisk(2, 0)
	w.b.waitDisk(2, 0)
}
