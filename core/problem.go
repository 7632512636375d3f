package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/xftp"
)

// RelayProblem tells why a relay could not be used.
type RelayProblem string

// The problems with relays.
const (
	RelayNotFound    RelayProblem = "not found"       // there is no host with its name, or no network
	RelayRefuses     RelayProblem = "refuses"         // its host is there, but nothing listens on its port
	RelayUnreachable RelayProblem = "unreachable"     // there is no way to it
	RelayTimeout     RelayProblem = "timeout"         // it did not answer in time
	RelayIdentity    RelayProblem = "identity"        // what answers is another one
	RelayNoTLS       RelayProblem = "no tls"          // what answers does not encrypt as relays do
	RelayProtocol    RelayProblem = "protocol"        // what answers does not speak as relays do
	RelayVersion     RelayProblem = "version"         // it is too old or too new
	RelayNeedsTor    RelayProblem = "needs tor"       // it has an onion address, and Tor is off
	RelayNoHost      RelayProblem = "no host"         // it has no onion address, and settings ask for one
	RelayNoProxy     RelayProblem = "no proxy"        // the proxy that is between, as Tor is one, is not there
	RelayBeyond      RelayProblem = "beyond"          // the relay of one's own that forwards to it can't reach it
	RelayFull        RelayProblem = "full"            // it takes no more for now
	RelayDenies      RelayProblem = "denies"          // it wants a password, or another one, or does not know what is asked for
	RelayFails       RelayProblem = "fails"           // it says that something is wrong with itself
	RelayLost        RelayProblem = "connection lost" // it ended the connection, or the network did
)

// ReportFaults has what is a mistake of this program, and was kept from ending it, be written from now on: where in the code it was, and
// nothing of what was handled there.
func ReportFaults(w io.Writer) {
	fault.Report(func(e *fault.Error) { fmt.Fprintf(w, "%v\n%s\n", e, e.Where) })
}

// ProblemOf tells what problem with a relay an error is about, empty if it is about none. Which relay it is tells a RelayError, if
// there is one in it.
func ProblemOf(err error) RelayProblem {
	var (
		dial    *DialError
		refused *smp.Error
		network *net.OpError
		system  *os.SyscallError // what is left of such an error in package transport
	)
	switch {
	case errors.As(err, &dial):
		return dialProblem(dial)
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.Is(err, transport.ErrHost):
		return RelayNoHost
	case errors.Is(err, smp.ErrIdentity), errors.Is(err, xftp.ErrIdentity):
		return RelayIdentity
	case errors.Is(err, smp.ErrVersion), errors.Is(err, xftp.ErrVersion):
		return RelayVersion
	case errors.Is(err, smp.ErrProtocol), errors.Is(err, xftp.ErrProtocol), errors.As(err, new(*smp.UnexpectedError)):
		return RelayProtocol
	case errors.Is(err, smp.ErrTimeout), errors.Is(err, xftp.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return RelayTimeout
	case errors.Is(err, smp.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, errRerouted),
		errors.Is(err, xftp.ErrClosed), errors.As(err, &network), errors.As(err, &system):
		return RelayLost
	}
	return ""
}

func dialProblem(e *DialError) RelayProblem {
	switch e.Kind {
	case transport.KindTimeout:
		return RelayTimeout
	case transport.KindNotFound:
		return RelayNotFound
	case transport.KindRefused:
		return RelayRefuses
	case transport.KindProxy:
		return RelayNoProxy
	case transport.KindOnion:
		return RelayNeedsTor
	case transport.KindTLS:
		return RelayNoTLS
	case transport.KindIdentity:
		return RelayIdentity
	case transport.KindCanceled:
		return RelayLost
	}
	return RelayUnreachable
}

// refusal tells what an answer that is an error means.
func refusal(e *smp.Error) RelayProblem {
	switch e.Kind {
	case smp.KindProxy:
		if e.Proxy != nil && e.Proxy.Kind == smp.ProxyBasicAuth {
			return RelayDenies
		}
		return RelayBeyond
	case smp.KindQuota:
		return RelayFull
	case smp.KindStore, smp.KindInternal:
		return RelayFails
	}
	return RelayDenies
}
