//go:build unix

package core

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenRegular opens a named pipe to which nobody writes.
func TestOpenRegular(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openRegular(pipe); !errors.Is(err, ErrNotRegular) {
		t.Errorf("opening a pipe: %v", err)
	}
	if _, err := ReadPicture(pipe); !errors.Is(err, ErrNotRegular) {
		t.Errorf("reading a picture from a pipe: %v", err)
	}
}
