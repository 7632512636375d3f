package xftp

import (
	"sync"
	"time"
)

// Progress is how far a transfer is.
type Progress struct {
	Done, Total int64 // bytes of the encrypted file
	Speed       int64 // bytes a second, of the last few seconds
}

// Times of progress: how often it is told, and over how long the speed is measured.
const (
	progressInterval = 250 * time.Millisecond
	speedSpan        = 4 * time.Second
)

// A meter counts bytes.
type meter struct {
	mu     sync.Mutex
	report func(Progress)
	now    Progress
	told   time.Time
	since  time.Time // start of the measurement of the speed
	moved  int64     // since then
}

func newMeter(report func(Progress), done, total int64) *meter {
	m := &meter{report: report, now: Progress{Done: done, Total: total}, since: time.Now()}
	m.tell()
	return m
}

// add counts n bytes that moved.
func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Done += int64(n)
	m.moved += int64(n)
	if time.Since(m.told) >= progressInterval {
		m.tell()
	}
}

// take counts n bytes less, which have to move again.
func (m *meter) take(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Done -= n
	m.tell()
}

// complete tells the progress after a chunk.
func (m *meter) complete() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell()
}

func (m *meter) tell() {
	m.told = time.Now()
	if span := m.told.Sub(m.since); span > 0 && m.moved > 0 {
		m.now.Speed = int64(float64(m.moved) / span.Seconds())
		if span > speedSpan { // half of it goes on counting
			m.since, m.moved = m.told.Add(-span/2), m.moved/2
		}
	}
	if m.report != nil {
		m.report(m.now)
	}
}

// A share counts the bytes of one attempt with a chunk.
type share struct {
	*meter
	n int64
}

func (s *share) add(n int) {
	s.n += int64(n)
	s.meter.add(n)
}

// end takes the bytes back if the attempt failed.
func (s *share) end(err error) {
	if err != nil {
		s.take(s.n)
		return
	}
	s.complete()
}
