package agent

import (
	"context"
	"fmt"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// QueueState is the state of a queue.
type QueueState string

// The states of a queue.
const (
	QueueNew      QueueState = queueNew
	QueueSecured  QueueState = queueSecured  // only its sender can send to it
	QueueActive   QueueState = queueActive   // a message came through it
	QueueDeleted  QueueState = queueDeleted  // gone on the relay
	QueueRotating QueueState = queueRotating // offered in the place of another one
)

// QueueUse tells which relay carries one direction of a connection, and how it is reached.
type QueueUse struct {
	Server  wire.Server
	Receive bool // we receive from it; otherwise we send to it
	State   QueueState
	// Proxy is the relay of our own through which we send to it, so that it does not see our network
	// address; nil if we talk with it ourselves, as always to receive.
	Proxy *wire.Server
	// Held tells that nothing is sent to it at present, see HeldError.
	Held bool
}

// Queues returns the queues of a connection, those that we receive from first. While a queue is moved
// there are two of a direction. How a relay is reached is what holds for the next message.
func (a *Agent) Queues(ctx context.Context, connection int64) ([]QueueUse, error) {
	var receive []*store.ReceiveQueue
	var send []*store.SendQueue
	err := a.cfg.DB.View(ctx, func(tx *store.Tx) (err error) {
		if _, err = tx.Connection(connection); err != nil {
			return err
		}
		if receive, err = tx.ReceiveQueuesOf(connection); err != nil {
			return err
		}
		send, err = tx.SendQueuesOf(connection)
		return err
	})
	if err != nil {
		return nil, err
	}
	var list []QueueUse
	for _, q := range receive {
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return nil, fmt.Errorf("agent: stored relay address: %w", err)
		}
		list = append(list, QueueUse{Server: server, Receive: true, State: QueueState(q.State)})
	}
	for _, q := range send {
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return nil, fmt.Errorf("agent: stored relay address: %w", err)
		}
		u := QueueUse{Server: server, State: QueueState(q.State), Held: a.isHeld(connection, q.ID)}
		if !u.Held {
			u.Proxy, u.Held = a.proxyTo(server, smp.ID(q.SenderID))
		}
		list = append(list, u)
	}
	return list, nil
}

// Proxy returns the relay of our own through which messages to a queue go at present, nil if there is none.
func (a *Agent) Proxy(server wire.Server, sender smp.ID) *wire.Server {
	proxy, _ := a.proxyTo(server, sender)
	return proxy
}

// proxyTo returns the relay of our own through which messages to a queue go at present, nil if there is none, and whether they are
// held then.
func (a *Agent) proxyTo(server wire.Server, sender smp.ID) (proxy *wire.Server, held bool) {
	choice, ok := a.routed(server, smp.Send{})
	if !ok {
		return nil, false
	}
	if a.routes.isDirect(server, a.cfg.Now()) && a.fallsBack(server, choice) {
		return nil, false
	}
	if proxy := a.routes.proxy(server, a.apart(sender)); proxy != nil {
		return proxy, false
	}
	relay, ok := a.proxyFor(server, nil)
	if !ok {
		return nil, !a.cfg.Known(server) && !a.fallsBack(server, choice)
	}
	return &relay.Server, false
}
