package files

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sotto-chat/sotto/core/xftp"
)

// BenchmarkDisk is what the disk does by itself: files of a chunk, synced.
func BenchmarkDisk(b *testing.B) {
	for _, size := range xftp.ChunkSizes {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			dir, chunk := b.TempDir(), randomBytes(int(size))
			b.SetBytes(int64(size))
			for i := range b.N {
				f := must(os.Create(filepath.Join(dir, fmt.Sprint(i))))
				if _, err := f.Write(chunk); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}

// BenchmarkUpload registers and uploads chunks through a server on a loopback address, client and server
// in one process, with one and with several connections.
func BenchmarkUpload(b *testing.B) {
	for _, clients := range []int{1, 8} {
		for _, size := range xftp.ChunkSizes {
			b.Run(fmt.Sprintf("clients=%d/%dKiB", clients, size>>10), func(b *testing.B) {
				s := startServer(b, Config{Quota: -1, NewFilesPerMinute: -1, CommandsPerSecond: -1, MaxFiles: -1})
				template := newChunk(int(size), 1)
				b.SetBytes(int64(size))
				run(b, s, clients, func(p *peer) {
					c := *template
					p.registerChunk(&c)
					p.want(xftp.OK{}, xftp.FPut{}, c.Sender, c.sender.private, c.bytes)
				})
			})
		}
	}
}

// BenchmarkDownload downloads a chunk. The client doesn't decrypt it.
func BenchmarkDownload(b *testing.B) {
	for _, clients := range []int{1, 8} {
		for _, size := range xftp.ChunkSizes {
			b.Run(fmt.Sprintf("clients=%d/%dKiB", clients, size>>10), func(b *testing.B) {
				s := startServer(b, Config{CommandsPerSecond: -1})
				c := s.dial(b, 3).store(int(size), 1)
				b.SetBytes(int64(size))
				run(b, s, clients, func(p *peer) {
					block := p.block(xftp.FGet{Key: newX25519().Public()}, c.Recipients[0], c.recipients[0].private)
					answer, err := p.request(bytes.NewReader(block))
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
					if err != nil || n != int64(xftp.BlockSize)+int64(size)+xftp.TagSize {
						b.Errorf("%d bytes, %v", n, err)
					}
				})
			})
		}
	}
}

// run has several clients do b.N pieces of work.
func run(b *testing.B, s *testServer, clients int, do func(*peer)) {
	peers := make([]*peer, clients)
	for i := range peers {
		peers[i] = s.dial(b, 3)
	}
	var next atomic.Int64
	var work sync.WaitGroup
	b.ResetTimer()
	for _, p := range peers {
		work.Go(func() {
			for next.Add(1) <= int64(b.N) {
				do(p)
			}
		})
	}
	work.Wait()
}
