package xftp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// encryptWith encrypts with a given key and nonce.
func encryptWith(t testing.TB, key, nonce []byte, name string, content []byte) (encrypted []byte, up *Upload) {
	t.Helper()
	e := newEncryption(name, int64(len(content)))
	e.rand = bytes.NewReader(append(bytes.Clone(key), nonce...))
	var b bytes.Buffer
	up, err := e.run(context.Background(), &b, bytes.NewReader(content), 1)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), up
}

func TestFileVectors(t *testing.T) {
	v := loadVectors(t).File
	r := wire.NewReader(v.Header)
	name := string(r.Short())
	for _, c := range []fileVector{v.Small, v.Large} {
		got, up := encryptWith(t, v.Key, v.Nonce, name, c.Content)
		sum256, sum512 := sha256.Sum256(got), sha512.Sum512(got)
		if int64(len(got)) != c.Size || !bytes.Equal(sum256[:], c.SHA256) || !bytes.Equal(sum512[:], c.SHA512) {
			t.Errorf("%d bytes: another encrypted file", len(c.Content))
		}
		if !bytes.Equal(got[:64], c.First) || !bytes.Equal(got[len(got)-64:], c.Last) {
			t.Errorf("%d bytes: another start or end", len(c.Content))
		}
		if !bytes.Equal(up.Digest[:], c.SHA512) || up.Size() != c.Size {
			t.Errorf("%d bytes: another digest", len(c.Content))
		}
		for i, d := range c.Digests {
			if !bytes.Equal(up.Chunks[i].Digest[:], d) {
				t.Errorf("chunk %d: another digest", i)
			}
		}
		content, err := Open(bytes.NewReader(got), describe(up))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(content)
		if err != nil || !bytes.Equal(plain, c.Content) || content.Name != name || content.Size != int64(len(c.Content)) {
			t.Errorf("%q of %d bytes, %v", content.Name, len(plain), err)
		}
	}
}

// describe is the description of a file that is nowhere.
func describe(up *Upload) *Description {
	d := &Description{Party: Recipient, Size: up.Size(), Digest: up.Digest, Key: up.Key, Nonce: up.Nonce, ChunkSize: up.Chunks[0].Size}
	for _, c := range up.Chunks {
		d.Chunks = append(d.Chunks, Chunk{Size: c.Size, Digest: c.Digest})
	}
	return d
}

// The second example of xftp.md §8.
func TestFileExample(t *testing.T) {
	var key, nonce [32]byte
	for i := range key {
		key[i], nonce[i] = byte(i), byte(0x40+i)
	}
	got, up := encryptWith(t, key[:], nonce[:24], "a.txt", []byte("hello\n"))
	for _, c := range []struct{ what, got, want string }{
		{"start", hex.EncodeToString(got[:32]), "5dcf8d1a6b52c0f199afb9eba56fa694ba5d520e44a0104384f9e9b48938dea3"},
		{"tag", hex.EncodeToString(got[len(got)-16:]), "98b0bae12270b9e9ccd9bc38366f3826"},
		{"chunk", hex.EncodeToString(up.Chunks[0].Digest[:]), "a4b55c6994a53578ad66acde6d25e4eddabb0d685d2811af9eb71183a5ccee0b"},
		{"digest", hex.EncodeToString(up.Digest[:]), "e5c3438595ccef17bf9f7ae1e893a823d067469a57638486a79f78d6073188424544e01ff1d3c1b3c18d27922a5c3c00d88ab3669bcd000a47e6d2db79e8ffb3"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	c.Read(b)
	return b
}

// Files of all sizes around what changes the layout come back as they were.
func TestEncryptOpen(t *testing.T) {
	for _, name := range []string{"n", strings.Repeat("é", 127)} {
		header := int64(len(name) + 2 + lengthSize + TagSize)
		for _, payload := range []int64{1, 64 << 10, 192 << 10, 256 << 10, 768 << 10, 1 << 20, 3 << 20, 4 << 20} {
			for _, d := range []int64{-1, 0, 1} {
				size := max(0, payload+d-header)
				content := randomBytes(uint64(size), int(size))
				var b bytes.Buffer
				up, err := Encrypt(context.Background(), &b, Source{bytes.NewReader(content), size, name}, 1)
				if err != nil {
					t.Fatal(err)
				}
				if int64(b.Len()) != up.Size() {
					t.Fatalf("%d bytes are written of %d", b.Len(), up.Size())
				}
				c, err := Open(bytes.NewReader(b.Bytes()), describe(up))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, content) || c.Size != size {
					t.Errorf("%d bytes come back as %d, %v", size, len(got), err)
				}
				if c.Name != name {
					t.Errorf("the name is %q", c.Name)
				}
			}
		}
	}
}

// Recipients get to know the name without its folder.
func TestEncryptName(t *testing.T) {
	for in, want := range map[string]string{
		"": "file", "/": "file", "/home/me/photo.jpg": "photo.jpg", "dir/": "dir", ".hidden": ".hidden",
		strings.Repeat("é", 200) + ".jpg": strings.Repeat("é", 125) + ".jpg",
	} {
		var b bytes.Buffer
		up, err := Encrypt(context.Background(), &b, Source{strings.NewReader("x"), 1, in}, 1)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(bytes.NewReader(b.Bytes()), describe(up))
		if err != nil || c.Name != want {
			t.Errorf("%q becomes %q, %v", in, c.Name, err)
		}
	}
}

func TestEncryptErrors(t *testing.T) {
	ctx := context.Background()
	broken := errors.New("broken")
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		dst  io.Writer
		src  Source
		want error
	}{
		{ctx, io.Discard, Source{strings.NewReader("abc"), 4, "a"}, ErrChanged},
		{ctx, io.Discard, Source{strings.NewReader("abc"), 2, "a"}, ErrChanged},
		{ctx, io.Discard, Source{strings.NewReader(""), 1, "a"}, ErrChanged},
		{ctx, io.Discard, Source{strings.NewReader(""), -1, "a"}, ErrTooLarge},
		{ctx, io.Discard, Source{strings.NewReader(""), MaxSize + 1, "a"}, ErrTooLarge},
		{ctx, io.Discard, Source{io.MultiReader(strings.NewReader("a"), failingReader{broken}), 9, "a"}, broken},
		{canceled, io.Discard, Source{strings.NewReader("abc"), 3, "a"}, context.Canceled},
		{ctx, failingWriter{broken}, Source{strings.NewReader("abc"), 3, "a"}, broken},
		{ctx, failingWriter{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}}, Source{strings.NewReader("abc"), 3, "a"}, ErrDiskFull},
	} {
		if _, err := Encrypt(c.ctx, c.dst, c.src, 1); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	if _, err := Encrypt(ctx, io.Discard, Source{strings.NewReader("abc"), 3, "a"}, 0); err == nil {
		t.Error("a file for nobody")
	}
	long := &Description{Chunks: make([]Chunk, 1)}
	for range 30000 {
		long.Chunks[0].Replicas = append(long.Chunks[0].Replicas, Replica{testServer(1), ID(strings.Repeat("i", 100)), &crypt.Ed25519Private{}})
	}
	if _, err := EncryptDescription(ctx, io.Discard, long, 1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long description: %v", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestOpenErrors(t *testing.T) {
	key, nonce := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 24)
	file, up := encryptWith(t, key, nonce, "name", []byte("content"))
	d := describe(up)
	check := func(what string, file []byte, d *Description) {
		t.Helper()
		if _, err := Open(bytes.NewReader(file), d); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, at := range []int{0, 8, 100, len(file) - 17, len(file) - 16, len(file) - 1} {
		changed := bytes.Clone(file)
		changed[at] ^= 1
		check(fmt.Sprintf("byte %d changed", at), changed, d)
		// Even if the digest is that of the changed file the tag is not.
		other := *d
		other.Digest = sha512.Sum512(changed)
		check(fmt.Sprintf("byte %d changed with the digest", at), changed, &other)
	}
	check("cut off", file[:len(file)-1], d)
	check("empty", nil, d)
	check("no size", file, &Description{})
	other := *d
	other.Key[0] ^= 1
	check("another key", file, &other)

	// What the sender wrote into the file is wrong, with a right tag.
	for what, plain := range map[string][]byte{
		"negative length": {0xff, 0, 0, 0, 0, 0, 0, 0},
		"long length":     {0, 0, 0, 0, 0, 1, 0, 0},
		"no header":       {0, 0, 0, 0, 0, 0, 0, 0},
		"cut name":        {0, 0, 0, 0, 0, 0, 0, 3, 9, 'a', 'b'},
		"no mark":         {0, 0, 0, 0, 0, 0, 0, 2, 1, 'a'},
		"wrong mark":      {0, 0, 0, 0, 0, 0, 0, 3, 1, 'a', 'x'},
		"cut extra":       {0, 0, 0, 0, 0, 0, 0, 4, 1, 'a', '1', 5},
	} {
		secret := crypt.Secret(key)
		k := secret.BoxKey()
		s := k.Stream(crypt.NonceOf(nonce))
		b := make([]byte, 65536-TagSize)
		copy(b, plain)
		s.Seal(b)
		b = s.AppendTag(b)
		d := *d
		d.Digest = sha512.Sum512(b)
		check(what, b, &d)
	}
}

// What changes on disk between Open and the end of Read is told before the end.
func TestContentChanges(t *testing.T) {
	file, up := encryptWith(t, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 24), "name", make([]byte, 5000))
	c, err := Open(bytes.NewReader(file), describe(up))
	if err != nil {
		t.Fatal(err)
	}
	file[4000] ^= 1
	if _, err := io.ReadAll(c); !errors.Is(err, ErrFile) {
		t.Errorf("a changed file: %v", err)
	}
	c, err = Open(bytes.NewReader(fixed(file, 4000)), describe(up))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, iotestOneByte{c}); n != 5000 || err != nil {
		t.Errorf("%d bytes one by one, %v", n, err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

func fixed(b []byte, at int) []byte { b[at] ^= 1; return b }

type iotestOneByte struct{ r io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.r.Read(p[:min(1, len(p))]) }

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// The memory that a large file takes is that of a small one.
func TestConstantMemory(t *testing.T) {
	size := int64(200 << 20)
	if testing.Short() {
		size = 20 << 20
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "encrypted"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var most uint64
	watch := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	src := Source{io.LimitReader(&sampled{r: zeros{}, f: watch}, size), size, "zeros"}
	up, err := Encrypt(context.Background(), file, src, 1)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(file, describe(up))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, &sampled{r: c, f: watch})
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	grown := int64(most) - int64(before.HeapAlloc)
	t.Logf("%d MB encrypted and decrypted with %d KB of heap", size>>20, grown>>10)
	if grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// sampled calls f now and then.
type sampled struct {
	r io.Reader
	f func()
	n int
}

func (s *sampled) Read(p []byte) (int, error) {
	if s.n++; s.n%256 == 0 {
		s.f()
	}
	return s.r.Read(p)
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"": "file", ".": "file", "..": "file", "/": "file", "a.txt": "a.txt", "../../etc/passwd": "passwd", `..\..\a.exe`: "a.exe",
		"dir/": "dir", ".bashrc": "bashrc", "a\x00b\nc": "abc", "a<b>:c|d?e*f\"": "a_b__c_d_e_f_", "name. . ": "name", "  x ": "x",
		"CON": "_CON", "nul.txt": "_nul.txt", "lpt1 .tar.gz": "_lpt1 .tar.gz", "console": "console", "a\u202etxt.exe": "atxt.exe",
		"\xff\xfe": "_", "фото 1.jpg": "фото 1.jpg", "...": "file", "/a/b/..": "file",
	} {
		if got := SafeName(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{strings.Repeat("a", 1000) + ".tar", strings.Repeat("é", 500) + ".png", strings.Repeat("x", 300), "a." + strings.Repeat("y", 400)} {
		got := SafeName(in)
		if len(got) > maxName || len(got) < maxName-2 || !strings.HasPrefix(in, got[:100]) {
			t.Errorf("%d bytes become %d", len(in), len(got))
		}
		if strings.HasSuffix(in, ".png") && !strings.HasSuffix(got, ".png") {
			t.Error("the extension is gone")
		}
	}
}
