package front

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFileLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if err := WriteFile(filepath.Join(dir, "other"), []byte("x")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "other")); err != nil || !bytes.Equal(b, []byte("x")) {
		t.Error("other content")
	}
}
