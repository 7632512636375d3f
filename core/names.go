package core

import (
	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/store"
)

// LinkKind tells what a link leads to.
type LinkKind = agent.LinkKind

// The kinds of links.
const (
	LinkInvitation = agent.LinkInvitation
	LinkContact    = agent.LinkContact
	LinkGroup      = agent.LinkGroup
	LinkChannel    = agent.LinkChannel
	LinkRelay      = agent.LinkRelay
)

// DialError tells why a relay can't be reached.
type DialError = transport.DialError

// The kinds of a DialError.
const (
	DialNotFound = transport.KindNotFound
	DialRefused  = transport.KindRefused
	DialTimeout  = transport.KindTimeout
	DialIdentity = transport.KindIdentity
	DialTLS      = transport.KindTLS
	DialOnion    = transport.KindOnion
)

// ErrNewerDatabase tells that a profile was used by a newer version of the program.
var ErrNewerDatabase = store.ErrNewerDatabase
