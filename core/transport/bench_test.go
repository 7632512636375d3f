package transport

import (
	"io"
	"testing"

	"github.com/sotto-chat/sotto/core/wire"
)

func BenchmarkBlocks(b *testing.B) {
	for name, encrypt := range map[string]bool{"Plain": false, "Encrypted": true} {
		b.Run(name+"/Write", func(b *testing.B) {
			client, server, _, _ := encrypted(b)
			if !encrypt {
				client.Encrypt(nil, nil)
			}
			go io.Copy(io.Discard, server)
			content := make([]byte, MaxEncryptedContent)
			b.SetBytes(BlockSize)
			b.ReportAllocs()
			for b.Loop() {
				if err := client.WriteBlock(content); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/Read", func(b *testing.B) {
			client, server, toClient, _ := encrypted(b)
			content := make([]byte, MaxEncryptedContent)
			plain, _ := wire.AppendPadded(nil, content, BlockSize)
			if !encrypt {
				client.Encrypt(nil, nil)
			}
			go func() {
				for block := plain; ; {
					if encrypt {
						block, _ = toClient.Seal(block[:0], content)
					}
					if _, err := server.Write(block); err != nil {
						return
					}
				}
			}()
			b.SetBytes(BlockSize)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.ReadBlock(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
