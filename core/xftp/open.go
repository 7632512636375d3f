package xftp

import (
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// maxHeader is the part of the plain text in which the header has to be (xftp.md §5).
const maxHeader = 1024

// Content is the plain content of a received file. It is read once.
type Content struct {
	Name string // as the sender chose it: SafeName makes it fit to be used
	Size int64  // in bytes

	file io.ReaderAt
	box  *crypt.BoxStream
	head []byte // content that was decrypted with the header
	next int64  // offset in the encrypted file
	left int64  // of the content, without head
	end  int64  // offset of the tag
}

// Open verifies an encrypted file as a whole, so that nothing is read that is not as its sender made
// it. The error is ErrFile, or that of file.
func Open(file io.ReaderAt, d *Description) (*Content, error) {
	if d.Size < lengthSize+TagSize {
		return nil, fmt.Errorf("%w: it is too short", ErrFile)
	}
	key := d.Key.BoxKey()
	defer key.Wipe()
	end := d.Size - TagSize
	if err := verifyFile(file, d, &key, end); err != nil {
		return nil, err
	}
	c := &Content{file: file, box: key.Stream(d.Nonce), end: end}
	return c, c.readHeader()
}

// verifyFile checks the digest and the tag.
func verifyFile(file io.ReaderAt, d *Description, key *crypt.BoxKey, end int64) error {
	box, digest := key.Stream(d.Nonce), sha512.New()
	defer box.Wipe()
	var tag [TagSize]byte
	buffer := make([]byte, bufferSize)
	for at := int64(0); at < d.Size; {
		piece := buffer[:min(d.Size-at, bufferSize)]
		if err := readAt(file, piece, at); err != nil {
			return err
		}
		digest.Write(piece)
		sealed := max(0, min(end-at, int64(len(piece))))
		box.Skip(piece[:sealed])
		if sealed < int64(len(piece)) {
			copy(tag[at+sealed-end:], piece[sealed:])
		}
		at += int64(len(piece))
	}
	if Digest(digest.Sum(nil)) != d.Digest {
		return fmt.Errorf("%w: another digest", ErrFile)
	}
	if !box.Verify(tag[:]) {
		return fmt.Errorf("%w: another key", ErrFile)
	}
	return nil
}

// readHeader reads the length and the header, and some content with them.
func (c *Content) readHeader() error {
	head := make([]byte, min(c.end, lengthSize+maxHeader))
	if err := c.decrypt(head); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint64(head))
	if length < 0 || length > c.end-lengthSize {
		return fmt.Errorf("%w: its length", ErrFile)
	}
	head = head[lengthSize:][:min(length, int64(len(head)-lengthSize))]
	r := wire.NewReader(head)
	c.Name = string(r.Short())
	if r.Maybe() {
		r.Short() // nothing uses it yet
	}
	if r.Err() != nil {
		return fmt.Errorf("%w: its header", ErrFile)
	}
	c.Size = length - int64(len(head)-r.Len())
	c.head = r.Tail()
	c.left = c.Size - int64(len(c.head))
	return nil
}

// Read reads the content. Instead of io.EOF the error is ErrFile if the encrypted file changed since
// Open: then what was read is not to be used.
func (c *Content) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if c.left == 0 {
		return 0, c.finish()
	}
	p = p[:min(int64(len(p)), c.left)]
	if err := c.decrypt(p); err != nil {
		return 0, err
	}
	c.left -= int64(len(p))
	return len(p), nil
}

// finish verifies what was decrypted, with the filler.
func (c *Content) finish() error {
	if c.box == nil {
		return io.EOF
	}
	buffer := make([]byte, bufferSize)
	for c.next < c.end {
		piece := buffer[:min(c.end-c.next, bufferSize)]
		if err := readAt(c.file, piece, c.next); err != nil {
			return err
		}
		c.box.Skip(piece)
		c.next += int64(len(piece))
	}
	tag := buffer[:TagSize]
	if err := readAt(c.file, tag, c.end); err != nil {
		return err
	}
	if !c.box.Verify(tag) {
		return fmt.Errorf("%w: it changed on disk", ErrFile)
	}
	c.box.Wipe()
	c.box = nil
	return io.EOF
}

func (c *Content) decrypt(p []byte) error {
	if err := readAt(c.file, p, c.next); err != nil {
		return err
	}
	c.box.Open(p)
	c.next += int64(len(p))
	return nil
}

func readAt(file io.ReaderAt, p []byte, at int64) error {
	n, err := file.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it is too short", ErrFile)
	}
	return fmt.Errorf("xftp: reading the encrypted file: %w", err)
}
