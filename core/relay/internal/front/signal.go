package front

import "sync"

// A Signal tells whoever waits that something has changed. The zero Signal is ready; what nobody
// waits for costs nothing.
type Signal struct {
	mu      sync.Mutex
	changed chan struct{}
}

// C returns a channel that the next Notify closes. Get it before looking at what may change.
func (s *Signal) C() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Notify wakes all that wait.
func (s *Signal) Notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
