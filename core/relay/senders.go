package relay

import "sync"

// senders remembers the recipient ids of queues that messages were sent to, by sender id, so
// that not every message has to look in the store for it. What it says may be out of date: the
// queue may be gone, and its sender id belong to another one. The zero value is ready.
type senders [stripeCount]struct {
	mu  sync.Mutex
	rcv map[key]key
}

// get returns the recipient id, if it is remembered.
func (s *senders) get(snd key) (rcv key, ok bool) {
	part := &s[snd[0]]
	part.mu.Lock()
	defer part.mu.Unlock()
	rcv, ok = part.rcv[snd]
	return rcv, ok
}

// put remembers as many queues as are kept in memory themselves.
func (s *senders) put(snd, rcv key) {
	part := &s[snd[0]]
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.rcv == nil {
		part.rcv = make(map[key]key)
	}
	for k := range part.rcv {
		if len(part.rcv) < cachedQueues {
			break
		}
		delete(part.rcv, k)
	}
	part.rcv[snd] = rcv
}

func (s *senders) forget(snd key) {
	part := &s[snd[0]]
	part.mu.Lock()
	defer part.mu.Unlock()
	delete(part.rcv, snd)
}
