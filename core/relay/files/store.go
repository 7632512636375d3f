package files

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/xftp"
)

// A Store keeps the bytes of chunks, under names that the server makes of letters and digits and
// uses once.
type Store interface {
	// Put stores the bytes of r, of which there are size, and returns when they can't be lost any
	// more. If r fails, or the process ends, nothing is kept that Get would return.
	Put(ctx context.Context, name string, size int64, r io.Reader) error
	// Get opens what Put has stored. The error is fs.ErrNotExist if there is nothing.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// Delete deletes what Put has stored. It is no error if there is nothing.
	Delete(ctx context.Context, name string) error
	// List calls f with all names, in any order, until that fails.
	List(ctx context.Context, f func(name string) error) error
}

// ErrOwner tells that a store holds the chunks of another relay, which this one would delete as
// what a crash has left.
var ErrOwner = errors.New("the folder or bucket for chunks belongs to another relay: give each its own")

// ownerName is the name under which a store has the fingerprint of the relay that it belongs to.
const ownerName = "owner"

// claim makes sure that the store belongs to this relay.
func (s *Server) claim() error {
	own := []byte(hex.EncodeToString(s.identity.Hash[:]))
	r, err := s.store.Get(s.ctx, ownerName)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.store.Put(s.ctx, ownerName, int64(len(own)), bytes.NewReader(own)); err != nil {
			return fmt.Errorf("writing to the store of chunks: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the store of chunks: %w", err)
	}
	defer r.Close()
	owner, err := io.ReadAll(io.LimitReader(r, int64(len(own))+1))
	if err != nil {
		return fmt.Errorf("reading the store of chunks: %w", err)
	}
	if !crypt.Equal(owner, own) {
		return ErrOwner
	}
	return nil
}

// A chunk's name is its sender id and some bytes that differ for each upload, so that uploads of
// one chunk at the same time have nothing to do with each other.
const uploadSize = 4

type upload [uploadSize]byte

func chunkName(id key, u upload) string { return hex.EncodeToString(id[:]) + hex.EncodeToString(u[:]) }

func parseChunkName(name string) (id key, u upload, ok bool) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(id)+len(u) {
		return id, u, false
	}
	return key(b[:len(id)]), upload(b[len(id):]), true
}

// sweep deletes bytes of chunks that the index doesn't know: what a crash has left.
func (s *Server) sweep() {
	err := s.store.List(s.ctx, func(name string) error {
		id, u, ok := parseChunkName(name)
		if !ok {
			return nil
		}
		// In this order: an upload is in the index before it is no longer in uploads.
		s.mu.Lock()
		_, busy := s.uploads[name]
		s.mu.Unlock()
		if busy {
			return nil
		}
		rec, ok, err := s.index.file(id)
		if err != nil {
			return err
		}
		if ok && rec.state == stored && rec.upload == u {
			return nil
		}
		err = s.store.Delete(s.ctx, name)
		s.stats.orphans.Add(1)
		s.changed.Notify()
		return err
	})
	if err != nil && s.ctx.Err() == nil {
		s.config.Log.Error("looking for chunks that a crash has left", "problem", err)
	}
}

// key is an id that this server made.
type key [xftp.IDSize]byte

// keyOf turns an id that came from a client into a key. An id of another size is nobody's.
func keyOf(id []byte) (k key, ok bool) {
	if len(id) != len(k) {
		return k, false
	}
	copy(k[:], id)
	return k, true
}
