// Package xftp is the file protocol: its commands and answers in every version from 1 to 3, a
// client of one file relay, the encryption and description of files, and transfers that survive
// a restart.
//
// # Protocol
//
// The codec serves both sides. A request is one block of [BlockSize] bytes, which holds one
// [Command], and after it the bytes of a chunk if the command is [FPut]; an answer is a block with
// one [Message] and, after a [File], a chunk. [Params] frames both:
//
//	t := smp.Transmission{Entity: []byte(id), Body: xftp.FPut{}.Append(nil, p.Version)}
//	err := p.Authorize(&t, key, relayKey)
//	block, err := p.AppendBlock(nil, &t)
//
//	t, err := p.ParseBlock(block)
//	cmd, err := xftp.ParseCommand(p.Version, t.Body)
//
// A transmission is that of version 6 of the message protocol, so its type is [smp.Transmission].
// What is parsed shares memory with its input where a field is a byte slice; an [ID] is a copy.
//
// A session starts with two requests. The first has an empty body (from a browser it is a
// [WebHello]) and is answered with the block of a [ServerHello]; the second is the block of a
// [ClientHello] and is answered with an empty body, or with a block of [AppendHandshakeError].
//
// # Files
//
// A file is encrypted as a whole, padded, and cut into chunks of a few sizes, which are stored on
// one or several relays. [Encrypt] makes the encrypted file and an [Upload], which stores the
// chunks; its result is a [Description] for each recipient, who needs nothing else. [Download]
// collects the chunks of a description in a file, and [Open] verifies and decrypts that:
//
//	up, err := xftp.Encrypt(ctx, file, xftp.Source{Content: f, Size: size, Name: name}, recipients)
//	err = up.Run(ctx, pool, file, options)
//	sender, list, err := up.Descriptions()
//
//	err = xftp.Download(ctx, pool, description, file, options)
//	content, err := xftp.Open(file, description)
//	_, err = io.Copy(destination, content)
//
// Both transfers can be stopped at any time, also by the end of the process, and go on when they are
// called again: a download with the same file, an upload with the same file and what it had told to
// save. A [Pool] has the sessions with relays that transfers share.
package xftp

import (
	"fmt"
	"io"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Versions that clients and relays speak (xftp.md §2).
var Versions = wire.VersionRange{Min: 1, Max: 3}

// versionBlocked knows the error BLOCKED (xftp.md §2).
const versionBlocked = 3

// BlockSize is the size of the block that starts each request and answer (xftp.md §1).
const BlockSize = crypt.BlockSize

// TagSize is the size of what follows the chunk in the answer to FGet (xftp.md §4).
const TagSize = crypt.BoxOverhead

// Ports and protocols of relays (xftp.md §1).
const (
	ALPN        = "xftp/1"
	DefaultPort = "443"
	webALPN     = "http/1.1"
)

// MaxKeys is the number of recipients that clients register in one command; the encoding has
// room for 255 (xftp.md §3).
const MaxKeys = 200

// ID names a chunk on a relay, for its sender or for one of its recipients. The empty ID means
// that there is none.
type ID string

// IDSize is the size of the ids that relays make (xftp.md §3). Others may have up to 255 bytes.
const IDSize = 16

// NewID makes a random id from 16 bytes of rand.
func NewID(rand io.Reader) (ID, error) {
	var b [IDSize]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("xftp: reading randomness for an id: %w", err)
	}
	return ID(b[:]), nil
}
