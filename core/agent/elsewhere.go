package agent

import (
	"context"
	"errors"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/store"
)

// queueName names a queue that we receive from.
type queueName struct {
	server string
	id     smp.ID
}

// setElsewhere takes over whether another program receives from a queue. It has the same data, as when the folder was copied to another
// computer, and the relay delivers to who has subscribed last. The two must not take the queue from each other in turns
// (agent.md §12), so that it is not subscribed to again before the next start, or ReceiveHere.
func (a *Agent) setElsewhere(s *relaySession, queue smp.ID, elsewhere bool) {
	server := s.server.String()
	here, name := server+a.apart(queue), queueName{server, queue}
	a.mu.Lock()
	// Another session of our own is no other program.
	changed := a.elsewhere[name] != elsewhere && a.sessions[here] == s
	a.mu.Unlock()
	if !changed {
		return
	}
	_ = a.update(func(tx *store.Tx) error { // where it fails the program ends, or can't store anything
		q, err := tx.ReceiveQueueByID(server, []byte(queue))
		if errors.Is(err, store.ErrNotFound) {
			return nil // the relay talks of what is not ours
		} else if err != nil {
			return err
		}
		tx.AfterCommit(func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if elsewhere {
				a.elsewhere[name] = true
			} else {
				delete(a.elsewhere, name)
			}
		})
		return a.cfg.Handler.Elsewhere(tx, q.Connection, elsewhere)
	})
}

func (a *Agent) isElsewhere(server string, queue smp.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.elsewhere[queueName{server, queue}]
}

// ReceiveHere takes the queues of a connection back from another program; see Handler.Elsewhere. That is told then what this one was.
func (a *Agent) ReceiveHere(ctx context.Context, connection int64) error {
	var queues []*store.ReceiveQueue
	err := a.cfg.DB.View(ctx, func(tx *store.Tx) (err error) {
		queues, err = tx.ReceiveQueuesOf(connection)
		return err
	})
	for _, q := range queues {
		err = errors.Join(err, a.subscribe(q))
	}
	return err
}
