package core

import (
	"context"

	"github.com/sotto-chat/sotto/core/wire"
)

// Reach tells how a relay is reached, and so what it sees of where this computer is.
type Reach string

// The ways to a relay.
const (
	ReachLocal   Reach = "local"   // it is in this program
	ReachDirect  Reach = "direct"  // it sees the network address of this computer
	ReachProxied Reach = "proxied" // it sees that of Carrier.Proxy
	ReachExit    Reach = "exit"    // through Tor: it sees that of an exit
	ReachOnion   Reach = "onion"   // through Tor, as an onion service: it sees no network address
	ReachHeld    Reach = "held"    // not at all: no relay in between can reach it, and it is not to see the network address
)

// Carrier is a relay that carries one direction of a conversation.
type Carrier struct {
	Server   wire.Server
	Host     string // as it is shown
	Operator string // who runs it, empty if that is not known
	Receive  bool   // messages for us wait there; otherwise those for the contact
	Own      bool   // it is one that the profile has chosen
	Reach    Reach
	Proxy    string // the host of the relay between, if Reach is ReachProxied,
	Sees     Reach  // and how that is reached
}

// Carriers returns the relays of a conversation, those where messages for us wait first. There are none before
// the contact has opened the link or answered, and of notes. The error is ErrNoContact.
func (p *Profile) Carriers(ctx context.Context, contact int64) ([]Carrier, error) {
	queues, err := p.chat.Queues(ctx, contact)
	if err != nil {
		return nil, err
	}
	var list []Carrier
	for _, q := range queues {
		c := Carrier{Server: q.Server, Host: q.Server.Hosts[0], Operator: operator(q.Server), Receive: q.Receive, Own: p.known(q.Server), Reach: p.reach(q.Server)}
		if q.Proxy != nil && c.Reach != ReachLocal {
			c.Reach, c.Proxy, c.Sees = ReachProxied, q.Proxy.Hosts[0], p.reach(*q.Proxy)
		}
		if q.Held {
			c.Reach = ReachHeld
		}
		list = append(list, c)
	}
	return list, nil
}

// reach tells how a relay is reached without another relay between; see path.
func (p *Profile) reach(server wire.Server) Reach {
	if p.core.isLocal(server) {
		return ReachLocal
	}
	mode, _ := p.TorMode()
	onion := onionHost(server) != ""
	switch {
	case mode != TorDirect && onion:
		return ReachOnion
	case mode == TorOnly:
		return ReachExit
	}
	return ReachDirect
}
