package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/xftp"
)

// An incoming is the chunk that a client uploads. It ends with io.EOF if it has the size and the
// digest that were registered, and else fails before its last bytes: whoever reads it never gets a
// whole chunk that is wrong. The error is an *xftp.Error, or that of the connection.
type incoming struct {
	mu     sync.Mutex // a Store may still be reading when it has given up
	body   io.Reader
	left   int64
	sum    hash.Hash // nil if the content doesn't matter
	digest []byte
	err    error
}

func newIncoming(body io.Reader, rec *record) *incoming {
	return &incoming{body: body, left: int64(rec.size), sum: sha256.New(), digest: rec.digest}
}

func (c *incoming) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	n, err := c.body.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	switch {
	case c.left == 0:
		if c.err = c.end(); c.err != io.EOF {
			return 0, c.err
		}
		return n, nil
	case err != nil:
		c.err = uploadError(err)
		return 0, c.err
	}
	return n, nil
}

// end checks what can only be known at the end.
func (c *incoming) end() error {
	var more [1]byte
	if _, err := io.ReadFull(c.body, more[:]); err == nil {
		return xftp.ErrSize
	} else if err != io.EOF {
		return uploadError(err)
	}
	if c.sum != nil && !crypt.Equal(c.sum.Sum(nil), c.digest) {
		return xftp.ErrDigest
	}
	return io.EOF
}

// uploadError tells why a body ended too early.
func uploadError(err error) error {
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return xftp.ErrSize
	case errors.Is(err, os.ErrDeadlineExceeded):
		return xftp.ErrTimedOut
	}
	return err
}

// close ends reading, and returns why it had failed, or nil. interrupt ends a Read that the store has not waited for.
func (c *incoming) close(interrupt func()) error {
	if !c.mu.TryLock() {
		interrupt()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	err := c.err
	if c.err == nil {
		c.err = fs.ErrClosed
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// upload executes FPUT. That it is refused for the quota, or stored already, only counts when the
// body has begun: without one the answer is SIZE in any case (xftp.md §3).
func (q *request) upload(rec *record) xftp.Message {
	q.control.SetReadDeadline(time.Now().Add(q.server.config.UploadTimeout))
	var first [1]byte
	if _, err := io.ReadFull(q.body, first[:]); err != nil {
		return q.uploadFailed(uploadError(err))
	}
	q.body = io.MultiReader(bytes.NewReader(first[:]), q.body)
	if rec.state == stored {
		return q.uploadAgain(rec)
	}
	if !q.server.reserve(int64(rec.size)) {
		q.server.stats.quotaErrors.Add(1)
		return xftp.ErrQuota
	}
	m, kept := q.uploadNew(rec)
	if !kept {
		q.server.forget(0, int64(rec.size))
	}
	return m
}

// uploadNew stores a chunk whose bytes are reserved. Another upload of the same chunk may be faster,
// or the chunk may be deleted meanwhile; then it is not kept.
func (q *request) uploadNew(rec *record) (m xftp.Message, kept bool) {
	s := q.server
	var u upload
	rand.Read(u[:]) // never fails
	name := chunkName(rec.id, u)
	s.uploading(name)
	defer s.uploaded(name)
	if err := q.put(name, rec); err != nil {
		s.discard(name)
		return q.uploadFailed(err), false
	}
	m = q.locked(rec.id, func(rec *record) (xftp.Message, error) {
		if rec.state == stored {
			return xftp.OK{}, nil
		}
		rec.state, rec.upload = stored, u
		// If this fails, only the next start knows whether it is stored.
		kept = true
		return xftp.OK{}, s.index.update(rec)
	})
	if !kept {
		s.discard(name)
		return m, false
	}
	s.stats.uploaded.Add(1)
	s.stats.uploadedBytes.Add(int64(rec.size))
	return m, true
}

// put hands the body to the store. The error tells what is wrong with the body, if it is that.
func (q *request) put(name string, rec *record) error {
	in := newIncoming(q.body, rec)
	err := q.server.store.Put(q.ctx, name, int64(rec.size), in)
	// Only where it has to be: the rest of the body can't be read after an interruption, and the client loses its connection.
	if e := in.close(func() { q.control.SetReadDeadline(time.Now()) }); e != nil {
		return e
	}
	return err
}

// uploadFailed is the answer to an upload that did not succeed. If the connection is gone nobody
// gets it.
func (q *request) uploadFailed(err error) *xftp.Error {
	var e *xftp.Error
	switch {
	case errors.As(err, &e):
	case q.ctx.Err() != nil:
		e = xftp.ErrInternal
	case errors.Is(err, syscall.ENOSPC):
		q.server.config.Log.Error("the disk for chunks is full")
		q.server.stats.quotaErrors.Add(1)
		return xftp.ErrQuota
	default:
		return q.storeError(err)
	}
	q.server.stats.uploadErrors.Add(1)
	return e
}

// uploadAgain reads a chunk that is stored already. Its content doesn't matter (xftp.md §3).
func (q *request) uploadAgain(rec *record) xftp.Message {
	in := newIncoming(q.body, rec)
	in.sum = nil
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, in, piece[:]); err != nil {
		return q.uploadFailed(err)
	}
	return xftp.OK{}
}

// reserve counts the bytes of a chunk if the quota has room for them.
func (s *Server) reserve(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config.Quota > 0 && s.used+n > s.config.Quota {
		return false
	}
	s.used += n
	return true
}

// uploading keeps the sweep away from a chunk until uploaded.
func (s *Server) uploading(name string) {
	defer s.changed.Notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads[name] = struct{}{}
}

func (s *Server) uploaded(name string) {
	defer s.changed.Notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, name)
}

// deleteTimeout bounds the deletion of a chunk's bytes.
const deleteTimeout = time.Minute

// discard deletes bytes that the index doesn't know, if name is not empty. If that fails the sweep
// of the next start does it.
func (s *Server) discard(name string) {
	if name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, deleteTimeout)
	defer cancel()
	if err := s.store.Delete(ctx, name); err != nil && s.ctx.Err() == nil {
		s.stats.storeErrors.Add(1)
		s.config.Log.Error("file store", "problem", err)
	}
}

// download executes FGET. It returns nil when it has answered.
func (q *request) download(rec *record, cmd xftp.FGet) xftp.Message {
	if rec.state != stored {
		return xftp.ErrNoFile
	}
	chunk, err := q.server.store.Get(q.ctx, chunkName(rec.id, rec.upload))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return xftp.ErrAuth
	case err != nil:
		return q.storeError(err)
	}
	defer chunk.Close()
	own, err1 := crypt.NewX25519(rand.Reader)
	nonce, err2 := crypt.NewNonce(rand.Reader)
	if err1 != nil || err2 != nil {
		return xftp.ErrInternal
	}
	defer own.Wipe()
	secret, err := own.DH(cmd.Key)
	if err != nil {
		return xftp.ErrCrypto
	}
	defer secret.Wipe()
	box := secret.BoxKey()
	defer box.Wipe()
	if q.reply(xftp.File{Key: own.Public(), Nonce: nonce}) != nil {
		return nil
	}
	stream := box.Stream(nonce)
	defer stream.Wipe()
	if q.send(stream, chunk, int64(rec.size)) != nil {
		// Half a chunk must not look like a whole one.
		q.server.stats.downloadErrors.Add(1)
		q.server.changed.Notify()
		panic(http.ErrAbortHandler)
	}
	q.server.stats.downloaded.Add(1)
	q.server.stats.downloadedBytes.Add(int64(rec.size))
	return nil
}

// send encrypts size bytes of a chunk piece by piece.
func (q *request) send(stream *crypt.BoxStream, chunk io.Reader, size int64) error {
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for left := size; left > 0; {
		b := piece[:min(left, pieceSize)]
		if _, err := io.ReadFull(chunk, b); err != nil {
			if q.ctx.Err() == nil {
				q.server.stats.storeErrors.Add(1)
				q.server.config.Log.Error("file store", "problem", err)
			}
			return err
		}
		left -= int64(len(b))
		stream.Seal(b)
		if err := q.write(b); err != nil {
			return err
		}
	}
	return q.write(stream.AppendTag(make([]byte, 0, xftp.TagSize)))
}
