package files

import (
	"time"
)

// expireRegularly deletes what is too old, at once and then from time to time (xftp.md §3).
func (s *Server) expireRegularly() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-timer.C:
		}
		if err := s.expire(); err != nil && s.ctx.Err() == nil {
			s.config.Log.Error("expiry of files", "problem", err)
		}
		timer.Reset(expiryInterval)
	}
}

// expiredAtOnce is the number of chunks that are deleted with one sync.
const expiredAtOnce = 200

// expire deletes the chunks that are older than the TTL.
func (s *Server) expire() error {
	if s.config.TTL < 0 {
		return nil
	}
	oldest := hour(s.config.Now().Add(-s.config.TTL))
	for s.ctx.Err() == nil {
		ids, err := s.index.createdBefore(oldest, expiredAtOnce)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := s.expireAll(ids); err != nil {
			return err
		}
	}
	return nil
}

// expireAll deletes some chunks. A chunk changes only under its lock, so those of all of them are
// held; they are taken in the order of their numbers, and nobody else holds more than one.
func (s *Server) expireAll(ids []key) error {
	var hold [256]bool
	for _, id := range ids {
		hold[id[0]] = true
	}
	for i, h := range hold {
		if h {
			s.locks[i].Lock()
			defer s.locks[i].Unlock()
		}
	}
	b := s.index.db.NewBatch()
	var names []string
	var used int64
	files := 0
	for _, id := range ids {
		rec, ok, err := s.index.file(id)
		if err == nil && ok {
			err = s.index.remove(b, &rec)
		}
		if err != nil {
			b.Close()
			return err
		}
		if !ok {
			continue // deleted in the meantime
		}
		files++
		if rec.state == stored {
			names = append(names, chunkName(rec.id, rec.upload))
			used += int64(rec.size)
		}
	}
	if err := s.index.commit(b); err != nil {
		return err
	}
	s.forget(files, used)
	s.stats.expired.Add(int64(files))
	s.changed.Notify()
	for _, name := range names {
		s.discard(name)
	}
	return nil
}

// delete deletes a chunk and all its ids, under its lock. What the index doesn't know any more is
// nobody's, so the bytes go last: they are to be discarded under the name that is returned, if it is
// not empty, when the lock is free.
func (s *Server) delete(rec *record) (name string, err error) {
	b := s.index.db.NewBatch()
	if err := s.index.remove(b, rec); err != nil {
		b.Close()
		return "", err
	}
	if err := s.index.commit(b); err != nil {
		return "", err
	}
	s.forget(1, 0)
	return s.dropped(rec), nil
}

// dropped no longer counts the bytes of a chunk, and returns the name under which to discard them.
func (s *Server) dropped(rec *record) (name string) {
	if rec.state != stored {
		return ""
	}
	s.forget(0, int64(rec.size))
	return chunkName(rec.id, rec.upload)
}
