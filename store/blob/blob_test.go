package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
)

func write(t testing.TB, d *Dir, content []byte) Ref {
	t.Helper()
	w, err := d.Create(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// In pieces, as they come from a network.
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 5000)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	ref, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func read(d *Dir, ref Ref) ([]byte, error) {
	r, err := d.Reader(ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func open(t testing.TB) *Dir {
	t.Helper()
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestRoundTrip(t *testing.T) {
	d := open(t)
	for _, n := range []int{0, 1, 4095, 65535, 65536, 65537, 1 << 20} {
		content := random(n)
		ref := write(t, d, content)
		got, err := read(d, ref)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: read %d, %v", n, len(got), err)
		}
		if n < 100 {
			continue
		}
		r, err := d.Reader(ref)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 64)
		if _, err := r.ReadAt(part, int64(n)-64); err != nil || !bytes.Equal(part, content[n-64:]) {
			t.Errorf("%d bytes: the end: %v", n, err)
		}
		if _, err := r.ReadAt(part, int64(n)-32); err != io.EOF {
			t.Errorf("%d bytes: past the end: %v", n, err)
		}
		r.Close()
	}
}

func TestNothingToSee(t *testing.T) {
	d := open(t)
	content := bytes.Repeat([]byte("do not find me "), 5000)
	ref := write(t, d, content)
	path := filepath.Join(d.path, ref.Name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("find me")) || bytes.Contains(b, make([]byte, 16)) {
		t.Errorf("the file of %d bytes tells what is in it", len(b))
	}
	// Nothing tells a content from a slightly longer one: neither the size nor where the ciphertext ends.
	other, err := os.ReadFile(filepath.Join(d.path, write(t, d, append(content, "and this"...)).Name))
	if err != nil || len(other) != len(b) {
		t.Errorf("files of %d and %d bytes, %v", len(b), len(other), err)
	}
	for off := 0; off < len(b); off += 65536 + 32 { // the headers of the format, but for their nonces
		if !bytes.Equal(b[off:off+4], other[off:off+4]) || b[off+4]&0x80 != other[off+4]&0x80 {
			t.Errorf("the headers at %d differ", off)
		}
	}
	info, err := os.Stat(path)
	if err != nil || !info.ModTime().Equal(noDay) || info.Mode().Perm() != 0o600 {
		t.Errorf("time %v, mode %v, %v", info.ModTime(), info.Mode(), err)
	}
}

func TestPadded(t *testing.T) {
	for size, want := range map[int64]int64{math.MaxInt64: math.MaxInt64, 0: 4096, 4096: 4096, 4097: 4608, 65536: 65536, 65537: 73728, 1 << 30: 1 << 30, 1<<30 + 1: 1<<30 + 1<<27} {
		if got := padded(size); got != want {
			t.Errorf("padded(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestDamaged(t *testing.T) {
	content := random(200_000)
	for name, damage := range map[string]func(b []byte) []byte{
		"a bit":        func(b []byte) []byte { b[150_000] ^= 1; return b },
		"the header":   func(b []byte) []byte { b[0] ^= 1; return b },
		"cut":          func(b []byte) []byte { return b[:130_000] },
		"cut at block": func(b []byte) []byte { return b[:2*(65536+32)] },
		"empty":        func([]byte) []byte { return nil },
		"swapped": func(b []byte) []byte {
			const n = 65536 + 32
			c := bytes.Clone(b)
			copy(c[:n], b[n:2*n])
			copy(c[n:2*n], b[:n])
			return c
		},
	} {
		d := open(t)
		ref := write(t, d, content)
		path := filepath.Join(d.path, ref.Name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(d, ref); !errors.Is(err, ErrDamaged) || len(got) > 0 && !bytes.HasPrefix(content, got) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	d := open(t)
	ref := write(t, d, content)
	for _, size := range []int64{padded(ref.Size) + 1, math.MaxInt64} {
		wrong := ref
		wrong.Size = size
		if _, err := read(d, wrong); !errors.Is(err, ErrDamaged) {
			t.Errorf("another size: %v", err)
		}
	}
	ref = write(t, d, content)
	ref.Key[0] ^= 1
	if _, err := read(d, ref); !errors.Is(err, ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
	for _, bad := range []Ref{{}, {Name: "../../etc/passwd", Key: make([]byte, 32)}, {Name: ref.Name, Key: []byte("short")}, {Name: ref.Name, Key: ref.Key, Size: -1}} {
		if _, err := d.Reader(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestRemoveAndKeep(t *testing.T) {
	d := open(t)
	a, b, c := write(t, d, random(10)), write(t, d, random(10)), write(t, d, random(10))
	if err := d.Remove(a); err != nil {
		t.Error(err)
	}
	if err := d.Remove(a); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := d.Reader(a); !errors.Is(err, ErrDamaged) {
		t.Errorf("removed: %v", err)
	}
	if err := d.Keep(func(name string) bool { return name == b.Name }); err != nil {
		t.Error(err)
	}
	if _, err := read(d, b); err != nil {
		t.Errorf("kept: %v", err)
	}
	if _, err := read(d, c); !errors.Is(err, ErrDamaged) {
		t.Errorf("not kept: %v", err)
	}
}

func TestUnfinished(t *testing.T) {
	d := open(t)
	w, err := d.Create(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(random(100_000)); err != nil {
		t.Fatal(err)
	}
	w.file.Close() // the program ends here
	if _, err := Open(d.path); err != nil {
		t.Fatal(err)
	}
	w, err = d.Create(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.Discard()
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("wrote to a discarded file")
	}
	if _, err := w.Commit(); err == nil {
		t.Error("a discarded file was committed")
	}
	if list, err := os.ReadDir(d.path); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

func TestExport(t *testing.T) {
	d := open(t)
	content := random(100_000)
	ref := write(t, d, content)
	path := filepath.Join(t.TempDir(), "picture.jpg")
	if err := d.Export(t.Context(), ref, path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := d.Export(t.Context(), ref, path); err != nil {
		t.Errorf("again, as after a crash: %v", err)
	}
	for name, other := range map[string][]byte{"longer": append(content, 0), "other": random(len(content)), "empty": nil} {
		if err := os.WriteFile(path, other, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Export(t.Context(), ref, path); !errors.Is(err, os.ErrExist) {
			t.Errorf("over a file that is %s: %v", name, err)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, other) {
			t.Errorf("a file that is %s was changed: %v", name, err)
		}
	}
	// What is in the way of the copy is not written to, wherever it leads.
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.Remove(path), os.WriteFile(victim, []byte("v"), 0o600), os.Symlink(victim, filepath.Join(filepath.Dir(path), ".sotto-"+ref.Name))); err != nil {
		t.Fatal(err)
	}
	if err := d.Export(t.Context(), ref, path); err != nil {
		t.Errorf("over a link: %v", err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "v" {
		t.Errorf("it was written to: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Export(ctx, ref, filepath.Join(filepath.Dir(path), "stopped")); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("beside the file there is %v, %v", list, err)
	}
	if err := os.Truncate(filepath.Join(d.path, ref.Name), 1000); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "half")
	if err := d.Export(t.Context(), ref, other); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file is left: %v", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	d := open(b)
	content := random(16 << 20)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		write(b, d, content)
	}
}

func BenchmarkRead(b *testing.B) {
	d := open(b)
	ref := write(b, d, random(16<<20))
	b.SetBytes(ref.Size)
	for b.Loop() {
		if _, err := read(d, ref); err != nil {
			b.Fatal(err)
		}
	}
}
