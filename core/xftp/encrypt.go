package xftp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// lengthSize is the size of the length in front of the header and the file (xftp.md §5).
const lengthSize = 8

// bufferSize is the memory that a file of any size takes on its way.
const bufferSize = 64 << 10

// Errors of files.
var (
	// ErrTooLarge tells that a file is longer than MaxSize, or a description too long for a
	// redirect.
	ErrTooLarge = errors.New("xftp: the file is too large to be sent")
	// ErrChanged tells that a file has another size than at the start of its encryption.
	ErrChanged = errors.New("xftp: the file changed while it was read")
	// ErrFile tells that the chunks, each as it should be, are together not the file of the
	// description: its sender made a mistake, or what was received was changed on disk.
	ErrFile = errors.New("xftp: not the file of its description")
)

// Source is a file to be sent.
type Source struct {
	Content io.Reader
	Size    int64  // of Content, in bytes
	Name    string // its last element is what recipients get to know, shortened to 255 bytes
}

// Encrypt writes the encrypted file to dst, and returns the Upload of it for one or more recipients,
// each of whom gets a description of his own. The memory that it takes does not depend on the size.
// dst has to be on disk before the Upload is saved.
func Encrypt(ctx context.Context, dst io.Writer, src Source, recipients int) (*Upload, error) {
	if src.Size < 0 || src.Size > MaxSize {
		return nil, ErrTooLarge
	}
	return newEncryption(baseName(src.Name), src.Size).run(ctx, dst, src.Content, recipients)
}

// baseName is the last element of a path, shortened to what the header can hold.
func baseName(name string) string {
	if name = path.Base(name); name == "." || name == "/" {
		name = "file"
	}
	return shorten(name, wire.MaxShort)
}

// redirectName is the name that the file of a description has in the reference.
const redirectName = "direct.yaml"

// EncryptDescription is Encrypt for a recipient's description that is too long for where it has to go: the
// new descriptions are short, and lead to d.
func EncryptDescription(ctx context.Context, dst io.Writer, d *Description, recipients int) (*Upload, error) {
	text := d.String()
	e := newEncryption(redirectName, int64(len(text)))
	size, ok := SingleSize(e.payload())
	if !ok {
		return nil, ErrTooLarge
	}
	e.sizes = []uint32{size}
	up, err := e.run(ctx, dst, strings.NewReader(text), recipients)
	if err != nil {
		return nil, err
	}
	up.Redirect = &Redirect{d.Size, d.Digest}
	return up, nil
}

// An encryption is the layout of an encrypted file: its length and header, the content, filler up to
// the end of the chunks, and the tag.
type encryption struct {
	rand   io.Reader
	header []byte
	size   int64 // of the content
	sizes  []uint32
}

func newEncryption(name string, size int64) *encryption {
	// The header may also have a text that nothing uses yet (xftp.md §5).
	e := &encryption{rand: rand.Reader, header: wire.AppendMaybe(wire.AppendShort(nil, name), false), size: size}
	e.sizes = SplitSize(e.payload())
	return e
}

func (e *encryption) payload() int64 {
	return lengthSize + int64(len(e.header)) + e.size + TagSize
}

func (e *encryption) run(ctx context.Context, dst io.Writer, content io.Reader, recipients int) (*Upload, error) {
	if recipients < 1 {
		return nil, errors.New("xftp: a file needs a recipient")
	}
	up := &Upload{Recipients: recipients}
	if _, err := io.ReadFull(e.rand, up.Key[:]); err != nil {
		return nil, fmt.Errorf("xftp: reading randomness for a key: %w", err)
	}
	var err error
	if up.Nonce, err = crypt.NewNonce(e.rand); err != nil {
		return nil, err
	}
	w := newEncrypter(dst, &up.Key, up.Nonce, e.sizes)
	defer w.box.Wipe()
	start := append(binary.BigEndian.AppendUint64(nil, uint64(int64(len(e.header))+e.size)), e.header...)
	if err := w.seal(start); err != nil {
		return nil, err
	}
	buffer := make([]byte, bufferSize)
	defer clear(buffer)
	for rest := e.size; rest > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		piece := buffer[:min(rest, bufferSize)]
		if _, err := io.ReadFull(content, piece); err != nil {
			return nil, readError(err)
		}
		if err := w.seal(piece); err != nil {
			return nil, err
		}
		rest -= int64(len(piece))
	}
	if n, err := io.ReadFull(content, buffer[:1]); n > 0 {
		return nil, ErrChanged
	} else if err != io.EOF {
		return nil, readError(err)
	}
	if err := w.finish(buffer); err != nil {
		return nil, err
	}
	up.Digest = Digest(w.file.Sum(nil))
	for i, size := range e.sizes {
		up.Chunks = append(up.Chunks, UploadChunk{Size: size, Digest: w.digests[i]})
	}
	return up, nil
}

func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrChanged
	}
	return fmt.Errorf("xftp: reading the file to be sent: %w", err)
}

// An encrypter seals and hashes what it writes.
type encrypter struct {
	dst     io.Writer
	box     *crypt.BoxStream
	file    hasher
	chunk   hasher
	sizes   []uint32 // of the chunks that are not complete
	left    uint32   // to the end of the current chunk
	digests []ChunkDigest
	total   int64 // still to be written, with the tag
}

// A hasher is a hash.Hash without what is not needed of it.
type hasher interface {
	io.Writer
	Sum(b []byte) []byte
	Reset()
}

func newEncrypter(dst io.Writer, key *crypt.Secret, nonce crypt.Nonce, sizes []uint32) *encrypter {
	k := key.BoxKey()
	defer k.Wipe()
	w := &encrypter{dst: dst, box: k.Stream(nonce), file: sha512.New(), chunk: sha256.New(), sizes: sizes[1:], left: sizes[0]}
	for _, size := range sizes {
		w.total += int64(size)
	}
	return w
}

// seal encrypts b in place and writes it.
func (w *encrypter) seal(b []byte) error {
	w.box.Seal(b)
	return w.write(b)
}

func (w *encrypter) write(b []byte) error {
	if _, err := w.dst.Write(b); err != nil {
		return diskError("writing the encrypted file", err)
	}
	w.total -= int64(len(b))
	w.file.Write(b)
	for len(b) > 0 {
		n := min(int(w.left), len(b))
		w.chunk.Write(b[:n])
		b, w.left = b[n:], w.left-uint32(n)
		if w.left == 0 {
			w.digests = append(w.digests, ChunkDigest(w.chunk.Sum(nil)))
			w.chunk.Reset()
			if len(w.sizes) > 0 {
				w.left, w.sizes = w.sizes[0], w.sizes[1:]
			}
		}
	}
	return nil
}

// finish writes the filler and the tag.
func (w *encrypter) finish(buffer []byte) error {
	for w.total > TagSize {
		piece := buffer[:min(w.total-TagSize, int64(len(buffer)))]
		for i := range piece {
			piece[i] = '#'
		}
		if err := w.seal(piece); err != nil {
			return err
		}
	}
	return w.write(w.box.AppendTag(nil))
}
