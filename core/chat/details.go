package chat

import (
	"context"
	"errors"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// RouteKind tells how the relay of a message was reached, and so who knows the network address of this computer.
type RouteKind string

// The kinds of ways to a relay.
const (
	RouteOwn     RouteKind = "own"     // it is one that this profile has chosen, and was reached directly
	RouteProxied RouteKind = "proxied" // one of this profile's relays stood between
	RouteDirect  RouteKind = "direct"  // it is the contact's, and was reached directly
	RouteTor     RouteKind = "tor"     // it was reached through Tor
)

// Details is what is known of a message. Times are zero if they are not known, or if it has not happened.
type Details struct {
	Written   time.Time // of one's own
	Sent      time.Time // when the relay got it
	Received  time.Time // of the contact's: when it arrived here
	Delivered time.Time // of one's own: when the contact's receipt came
	Route     RouteKind // of one's own, once it was sent; empty if it is not known
	Editions  []Edition // the texts that it had before, oldest first
}

// Edition is a text that a message had before it was edited.
type Edition struct {
	Text string
	Time time.Time // when it was written
}

// Details returns what is known of a message, or ErrNoItem.
func (c *Chat) Details(ctx context.Context, id int64) (d Details, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		i, _, err := findItem(tx, id)
		if err != nil {
			return err
		}
		d = Details{Sent: i.Sent, Delivered: i.Delivered, Route: RouteKind(i.Route)}
		if i.Own {
			d.Written = i.Created
		} else {
			d.Sent, d.Received = i.Time, i.Created
		}
		d.Editions, err = editions(tx, i)
		return err
	})
	return d, err
}

// Editions returns the texts that a message had before it was edited, oldest first, or ErrNoItem. Of very many
// the oldest are forgotten.
func (c *Chat) Editions(ctx context.Context, id int64) (list []Edition, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		i, _, err := findItem(tx, id)
		if err == nil {
			list, err = editions(tx, i)
		}
		return err
	})
	return list, err
}

func editions(tx *store.Tx, i *store.Item) ([]Edition, error) {
	rows, err := tx.Editions(i.ID)
	list := make([]Edition, len(rows))
	at := i.Time
	for n, e := range rows {
		list[n] = Edition{e.Text, at}
		at = e.Replaced
	}
	return list, err
}

// route tells how the relay was reached that has just got a message.
func (c *Chat) route(tx *store.Tx, connection int64) (RouteKind, error) {
	queues, err := tx.SendQueuesOf(connection)
	if errors.Is(err, store.ErrNotFound) || len(queues) == 0 {
		return "", nil
	} else if err != nil {
		return "", err
	}
	queue := queues[len(queues)-1]
	server, err := wire.ParseServer(queue.Server)
	if err != nil {
		return "", err
	}
	cfg := c.cfg.Agent
	proxy := c.agent.Proxy(server, smp.ID(queue.SenderID))
	dialed := server
	if proxy != nil {
		dialed = *proxy
	}
	switch {
	case cfg.Protected != nil && cfg.Protected(dialed):
		return RouteTor, nil
	case proxy != nil:
		return RouteProxied, nil
	case cfg.Known != nil && cfg.Known(server):
		return RouteOwn, nil
	}
	return RouteDirect, nil
}
