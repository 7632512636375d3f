//go:build unix

package vault

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLockCopied closes a lock while a child process that is being started still has its descriptor.
func TestLockCopied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.FcntlInt(l.f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	again, err := lockFile(path)
	if err != nil {
		t.Fatalf("a closed lock is still held: %v", err)
	}
	again.Close()
}
