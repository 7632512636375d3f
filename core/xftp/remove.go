package xftp

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Delete deletes the chunks of a sender's description from their relays, so that nobody can download
// the file any more. A chunk that is not there any more is as good as deleted, so that Delete can be
// repeated.
func Delete(ctx context.Context, pool *Pool, d *Description, way Way) error {
	if d.Party != Sender {
		return invalid("not the sender's")
	}
	return forget(ctx, pool, d.replicas(), way, (*Client).Delete)
}

// Acknowledge deletes a recipient's ids from the relays after the file was received: the description is
// of no use to anybody any more. It can be repeated.
func Acknowledge(ctx context.Context, pool *Pool, d *Description, way Way) error {
	if d.Party != Recipient {
		return invalid("not a recipient's")
	}
	return forget(ctx, pool, d.replicas(), way, (*Client).Ack)
}

func (d *Description) replicas() (list []Replica) {
	for _, c := range d.Chunks {
		list = append(list, c.Replicas...)
	}
	return list
}

// gone tells whether a relay does not have what was to be deleted.
func gone(err error) bool {
	return errors.Is(err, ErrAuth) || errors.Is(err, ErrBlocked) || errors.Is(err, ErrNoFile)
}

// forget sends a command for each replica. One that the relay does not know is done.
func forget(ctx context.Context, pool *Pool, list []Replica, way Way, do func(*Client, context.Context, ID, smp.AuthKey) error) error {
	f := forgetting{pool, list, func(int) Way { return way }, do, func(_ int, err error) error {
		if gone(err) {
			return nil
		}
		return err
	}}
	return f.run(ctx)
}

// Remove deletes the chunks of several files, each list that of a file, in the way that goes with it. What a relay refuses to
// delete for good is left there. removed is told of each chunk that needs no more attempts, by one goroutine at a
// time. The error is that of ctx or of removed.
func Remove(ctx context.Context, pool *Pool, files [][]Replica, ways []Way, removed func(file, chunk int) error) error {
	type place struct{ file, chunk int }
	var list []Replica
	var places []place
	for i, replicas := range files {
		list = append(list, replicas...)
		for j := range replicas {
			places = append(places, place{i, j})
		}
	}
	var telling sync.Mutex
	f := forgetting{pool, list, func(i int) Way { return ways[places[i].file] }, (*Client).Delete, func(i int, _ error) error {
		telling.Lock()
		defer telling.Unlock()
		if err := removed(places[i].file, places[i].chunk); err != nil {
			return &localError{err}
		}
		return nil
	}}
	return f.run(ctx)
}

// forgetting sends a command for each of some replicas.
type forgetting struct {
	pool *Pool
	list []Replica
	way  func(i int) Way
	do   func(*Client, context.Context, ID, smp.AuthKey) error
	// settled is told of each replica that was done, or of the error that will be the same next time. Its own error ends all.
	settled func(i int, err error) error
}

func (f *forgetting) run(ctx context.Context) error {
	todo := make([]int, len(f.list))
	for i := range todo {
		todo[i] = i
	}
	r := &runner{
		pool:       f.pool,
		candidates: func(i int) []wire.Server { return []wire.Server{f.list[i].Server} },
		failed: func(_ int, _ wire.Server, err error) verdict {
			if lasting(err) {
				return fatal
			}
			return retry
		},
		step: func(ctx context.Context, i int, server wire.Server) error {
			err := f.pool.Do(ctx, server, f.way(i), func(ctx context.Context, c *Client) error { return f.do(c, ctx, f.list[i].ID, f.list[i].Key) })
			if err == nil || lasting(err) {
				return f.settled(i, err)
			}
			return err
		},
	}
	return r.run(ctx, todo)
}

// MarshalText encodes the replica, key and all, as address, id and key with spaces between.
func (r Replica) MarshalText() ([]byte, error) {
	der := r.Key.DER()
	defer clear(der)
	return []byte(r.Server.String() + " " + wire.EncodeBase64([]byte(r.ID)) + " " + wire.EncodeBase64(der)), nil
}

// UnmarshalText reads what MarshalText has encoded. The error wraps ErrDescription.
func (r *Replica) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), " ")
	if len(parts) != 3 {
		return invalid("replica")
	}
	server, err := wire.ParseServer(parts[0])
	id, idErr := wire.DecodeBase64(parts[1])
	der, derErr := wire.DecodeBase64(parts[2])
	defer clear(der)
	key, keyErr := crypt.ParseAuthPrivate(der)
	if errors.Join(err, idErr, derErr, keyErr) != nil || server.Scheme != wire.XFTP || len(id) > wire.MaxShort {
		return invalid("replica")
	}
	*r = Replica{server, ID(id), key}
	return nil
}
