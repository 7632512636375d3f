package agent

import (
	"errors"

	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// heldQueue is what is held of a connection.
type heldQueue struct {
	queue int64 // that is sent to; 0 while a link is opened
	relay string
}

// isHeld tells whether what goes to a queue is held.
func (a *Agent) isHeld(connection, queue int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.held[connection]
	return ok && (h.queue == 0 || h.queue == queue)
}

// nothingWaits tells that nothing is to be sent to a queue any more: what was held may have been given up, or the queue is gone.
func (a *Agent) nothingWaits(queue int64) {
	var connections []int64
	a.mu.Lock()
	for c, h := range a.held {
		if h.queue == queue {
			connections = append(connections, c)
		}
	}
	a.mu.Unlock()
	for _, c := range connections {
		a.tellHeld(c, queue, nil)
	}
}

// tellHeld has the Handler told whether what goes to a queue is held, as the outcome of sending to it shows. It is not kept: after a
// start the first attempt tells.
func (a *Agent) tellHeld(connection, queue int64, outcome error) {
	var held *HeldError
	var relay *wire.Server
	now := heldQueue{queue: queue}
	if errors.As(outcome, &held) {
		relay, now.relay = &held.Relay, held.Relay.String()
	}
	a.mu.Lock()
	before, was := a.held[connection]
	same := before == now
	if relay == nil {
		same = !was || before.queue != 0 && before.queue != queue // another queue says nothing about that one
	}
	a.mu.Unlock()
	if same {
		return
	}
	_ = a.update(func(tx *store.Tx) error { // where it fails the program ends, or can't store anything
		tx.AfterCommit(func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if relay != nil {
				a.held[connection] = now
			} else {
				delete(a.held, connection)
			}
		})
		return a.cfg.Handler.Held(tx, connection, relay)
	})
}
