package core

import (
	"sync"
	"testing"
)

func TestHub(t *testing.T) {
	var h hub
	fast, cancelFast := h.subscribe(10)
	slow, cancelSlow := h.subscribe(2)
	for range 5 {
		h.publish(Event{Profile: "p"})
	}
	if len(fast) != 5 {
		t.Errorf("the fast subscriber has %d events", len(fast))
	}
	for i := range 3 {
		e := <-slow
		if _, resync := e.Change.(Resync); resync != (i == 2) {
			t.Errorf("event %d of the slow subscriber is %+v", i, e)
		}
	}
	// It caught up: events come again.
	h.publish(Event{Profile: "q"})
	if e := <-slow; e.Profile != "q" {
		t.Errorf("after Resync comes %+v", e)
	}
	cancelSlow()
	cancelSlow()
	h.publish(Event{})
	if _, ok := <-slow; ok {
		t.Error("an event after cancel")
	}
	h.close()
	cancelFast()
	for range fast {
	}
}

// A subscriber that reads everything anew at Resync knows in the end what the last change was.
func TestHubNeverLoses(t *testing.T) {
	var h hub
	var mu sync.Mutex
	state := 0
	events, _ := h.subscribe(3)
	var writer sync.WaitGroup
	const last = 20000
	writer.Go(func() {
		for i := 1; i <= last; i++ {
			mu.Lock()
			state = i
			mu.Unlock()
			h.publish(Event{Change: i})
		}
	})
	known := 0
	for known != last {
		switch c := (<-events).Change.(type) {
		case int:
			known = max(known, c) // what was read anew may be newer
		case Resync:
			mu.Lock()
			known = state
			mu.Unlock()
		}
	}
	writer.Wait()
	h.close()
}
