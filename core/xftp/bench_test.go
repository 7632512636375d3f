package xftp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/xftp"
)

const benchFile = 64 << 20

func BenchmarkEncrypt(b *testing.B) {
	content := noise(b, benchFile)
	b.SetBytes(benchFile)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := xftp.Encrypt(context.Background(), io.Discard, xftp.Source{Content: bytes.NewReader(content), Size: benchFile, Name: "n"}, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen verifies and decrypts.
func BenchmarkOpen(b *testing.B) {
	_, list := uploadFile(b, benchFile)
	path := filepath.Join(b.TempDir(), "download")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := xftp.Download(context.Background(), newPool(b), list, f, xftp.Options{}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchFile)
	b.ReportAllocs()
	for b.Loop() {
		c, err := xftp.Open(f, list)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			b.Fatal(err)
		}
	}
}

func uploadFile(b *testing.B, n int) (*xftp.Upload, *xftp.Description) {
	server := startRelay(b, files.Config{Quota: -1})
	file, up := encryptFile(b, filepath.Join(b.TempDir(), "encrypted"), noise(b, n), 1)
	if err := up.Run(context.Background(), newPool(b), file, xftp.UploadOptions{Relays: []xftp.Relay{{Server: server}}}); err != nil {
		b.Fatal(err)
	}
	_, list, err := up.Descriptions()
	if err != nil {
		b.Fatal(err)
	}
	return up, list[0]
}

// BenchmarkUpload uploads an encrypted file to a relay on this computer, which writes it to its disk.
func BenchmarkUpload(b *testing.B) {
	server := startRelay(b, files.Config{Quota: -1, NewFilesPerMinute: -1})
	file, up := encryptFile(b, filepath.Join(b.TempDir(), "encrypted"), noise(b, benchFile), 1)
	plan, err := up.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	pool := newPool(b)
	b.SetBytes(benchFile)
	b.ReportAllocs()
	for b.Loop() {
		if err := up.UnmarshalBinary(plan); err != nil {
			b.Fatal(err)
		}
		if err := up.Run(context.Background(), pool, file, xftp.UploadOptions{Relays: []xftp.Relay{{Server: server}}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDownload downloads a file from a relay on this computer to the disk, without decrypting it.
func BenchmarkDownload(b *testing.B) {
	_, d := uploadFile(b, benchFile)
	pool := newPool(b)
	path := filepath.Join(b.TempDir(), "download")
	b.SetBytes(benchFile)
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := xftp.Download(context.Background(), pool, d, f, xftp.Options{}); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkDisk writes chunks to the disk and nothing else.
func BenchmarkDisk(b *testing.B) {
	chunk := noise(b, 4<<20)
	path := filepath.Join(b.TempDir(), "chunk")
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(chunk); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkHTTP2 posts and gets chunks with the standard library, over TLS with AES, and nothing else.
func BenchmarkHTTP2(b *testing.B) {
	chunk := noise(b, 4<<20)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.Copy(io.Discard, r.Body)
			return
		}
		w.Write(chunk)
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	defer s.Close()
	client := s.Client()
	defer client.CloseIdleConnections()
	b.Run("post", func(b *testing.B) {
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			resp, err := client.Post(s.URL, "", bytes.NewReader(chunk))
			if err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
	})
	b.Run("get", func(b *testing.B) {
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			resp, err := client.Get(s.URL)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
	})
}

// BenchmarkHashes is what each byte of a chunk costs at least: the digest of the chunk and the
// encryption on its way.
func BenchmarkHashes(b *testing.B) {
	chunk := noise(b, 4<<20)
	b.Run("SHA-256", func(b *testing.B) {
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			sha256.Sum256(chunk)
		}
	})
	b.Run("XSalsa20-Poly1305", func(b *testing.B) {
		key := (&crypt.Secret{1}).BoxKey()
		s := key.Stream(crypt.Nonce{})
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			s.Seal(chunk)
		}
	})
}

func BenchmarkDescription(b *testing.B) {
	_, d := uploadFile(b, benchFile)
	text := []byte(d.String())
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := xftp.ParseDescription(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = d.String()
		}
	})
}
