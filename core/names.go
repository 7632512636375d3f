package core

import (
	"github.com/sotto-chat/sotto/core/agent"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// Versions are the versions to speak with contacts.
type Versions = agent.Versions

// The versions that are spoken with contacts if Versions does not cap them (agent.md §1).
var (
	AgentVersions  = wire.VersionRange{Min: 2, Max: 7}
	ClientVersions = wire.VersionRange{Min: 1, Max: 4}
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

// Errors about a relay: a RelayError tells which one it is, a DialError why it can't be reached, and a HeldError that it is not
// reached because it would see the network address of this computer; see Network.
type (
	RelayError = agent.RelayError
	DialError  = transport.DialError
	HeldError  = agent.HeldError
)

// ErrNewerDatabase tells that a profile was used by a newer version of the program.
var ErrNewerDatabase = store.ErrNewerDatabase
