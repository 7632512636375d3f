package files

import (
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/xftp"
)

// ErrNoFile tells that there is no chunk with an id.
var ErrNoFile = errors.New("the relay has no file with this id")

// FileStatus is what the operator can see of a chunk.
type FileStatus struct {
	Size       int // bytes
	Stored     bool
	Blocked    *smp.Blocking // nil if it is not blocked
	Recipients int           // ids that there are
	Created    time.Time     // hour
}

// operate calls f with the chunk that has a recipient id, under its lock, and then discards what f
// returns the name of. These ids stand in descriptions of files, so they are the only ones that an
// operator gets to know.
func (s *Server) operate(id xftp.ID, f func(*record) (drop string, err error)) error {
	if !s.front.Begin() {
		return ErrClosed
	}
	defer s.front.End()
	k, ok := keyOf([]byte(id))
	if !ok {
		return ErrNoFile
	}
	rcp, ok, err := s.index.recipient(k)
	if err != nil {
		return err
	}
	if !ok {
		return ErrNoFile
	}
	drop, err := s.operateLocked(rcp.file, f)
	s.discard(drop)
	return err
}

func (s *Server) operateLocked(id key, f func(*record) (string, error)) (drop string, err error) {
	mu := &s.locks[id[0]]
	mu.Lock()
	defer mu.Unlock()
	rec, ok, err := s.index.file(id)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", ErrNoFile
	}
	return f(&rec)
}

// File returns the state of the chunk with a recipient id. The error is ErrNoFile if there is none.
func (s *Server) File(id xftp.ID) (status FileStatus, err error) {
	err = s.operate(id, func(rec *record) (string, error) {
		status = FileStatus{
			Size:       int(rec.size),
			Stored:     rec.state == stored,
			Recipients: int(rec.recipients),
			Created:    time.Unix(int64(rec.created)*3600, 0).UTC(),
		}
		if rec.state == blocked {
			status.Blocked = &rec.blocking
		}
		return "", nil
	})
	return status, err
}

// Block deletes the bytes of the chunk with a recipient id, and makes the server answer all commands
// on it with why (xftp.md §3). Blocking it again replaces the reason. It can't be taken back. The
// error is ErrNoFile if there is none.
func (s *Server) Block(id xftp.ID, why smp.Blocking) error {
	if why.Reason != smp.BlockedSpam && why.Reason != smp.BlockedContent {
		return fmt.Errorf("a file can be blocked for %s or %s, not for %q", smp.BlockedSpam, smp.BlockedContent, why.Reason)
	}
	return s.operate(id, func(rec *record) (string, error) {
		next := *rec
		next.state, next.blocking = blocked, why
		if err := s.index.update(&next); err != nil {
			return "", err
		}
		s.stats.blocked.Add(1)
		return s.dropped(rec), nil
	})
}

// Delete deletes the chunk with a recipient id and all its ids. The error is ErrNoFile if there is
// none.
func (s *Server) Delete(id xftp.ID) error {
	return s.operate(id, func(rec *record) (string, error) {
		name, err := s.delete(rec)
		if err == nil {
			s.stats.deleted.Add(1)
		}
		return name, err
	})
}
