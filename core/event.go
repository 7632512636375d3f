package core

import (
	"sync"

	"github.com/sotto-chat/sotto/core/chat"
)

// Event tells what changed. Change is one of
//
//	ContactChanged, ContactDeleted   a row of the list of conversations
//	ItemAdded, ItemChanged           a conversation
//	ItemsRemoved                     a conversation
//	RequestAdded, RequestRemoved     the list of requests
//	AddressChanged                   the address
//	RelayChanged                     the session with a relay
//	StoreChanged                     whether messages can be stored
//	ProfileChanged, ProfileDeleted   the list of profiles
//	LockChanged                      whether the program is locked
//	LinkOpened                       a link that was handed over
//	TorChanged                       Tor, for all profiles
//	Resync                           anything: events were missed
type Event struct {
	Profile string // id of the profile that it is about, empty with LockChanged, LinkOpened and Resync
	Change  any
}

// Changes of conversations, see package chat.
type (
	ContactChanged = chat.ContactChanged
	ContactDeleted = chat.ContactDeleted
	ItemAdded      = chat.ItemAdded
	ItemChanged    = chat.ItemChanged
	ItemsRemoved   = chat.ItemsRemoved
	RequestAdded   = chat.RequestAdded
	RequestRemoved = chat.RequestRemoved
	AddressChanged = chat.AddressChanged
)

type (
	// RelayChanged tells that the session with a relay changed.
	RelayChanged struct{ Relay RelayStatus }
	// StoreChanged tells why what arrives can't be stored, ErrDiskFull for example, or with nil that it can again. Until then it
	// stays on the relays, and nothing is lost.
	StoreChanged struct{ Err error }
	// ProfileChanged tells that a profile is new, or that something about it changed.
	ProfileChanged struct{ Profile ProfileInfo }
	// ProfileDeleted tells that a profile is gone: it was deleted, or it is a hidden one that was closed.
	ProfileDeleted struct{}
	// LockChanged tells that the program was locked, unlocked or wiped: the list of profiles is to be
	// read again.
	LockChanged struct{ Locked bool }
	// LinkOpened tells that the program was started once more, with the text in which there may be a
	// link, or with none: then the window is to be shown.
	LinkOpened struct{ Text string }
	// Resync tells that the subscriber was too slow and has missed events: everything that
	// it knows is to be read again.
	Resync struct{}
)

// hub passes events on to subscribers. Nobody ever waits for a subscriber.
type hub struct {
	mu     sync.Mutex
	closed bool
	subs   map[*subscriber]struct{}
}

type subscriber struct {
	ch     chan Event // has one place more than was asked for, for Resync
	missed bool       // the last event in ch is Resync
}

// subscribe returns a channel that holds up to buffer events. It is closed by cancel and
// when the hub is closed.
func (h *hub) subscribe(buffer int) (events <-chan Event, cancel func()) {
	s := &subscriber{ch: make(chan Event, max(buffer, 1)+1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.ch)
		return s.ch, func() {}
	}
	if h.subs == nil {
		h.subs = make(map[*subscriber]struct{})
	}
	h.subs[s] = struct{}{}
	return s.ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.subs[s]; ok {
			delete(h.subs, s)
			close(s.ch)
		}
	}
}

func (h *hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		// Resync is the last event in the channel: as long as it was not taken out, the
		// subscriber will still read everything, this change too.
		if s.missed && len(s.ch) > 0 {
			continue
		}
		s.missed = len(s.ch) == cap(s.ch)-1
		if s.missed {
			s.ch <- Event{Change: Resync{}}
		} else {
			s.ch <- e
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.subs {
		close(s.ch)
	}
	h.subs = nil
}
