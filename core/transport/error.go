package transport

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/sotto-chat/sotto/core/transport/tls13"
)

// Stage is a part of dialing.
type Stage uint8

// The stages of a dial, in their order.
const (
	StageConnect Stage = iota // TCP, to the relay itself
	StageProxy                // TCP to the proxy, and SOCKS
	StageTLS                  // the TLS handshake with the relay
)

func (s Stage) String() string {
	switch s {
	case StageConnect:
		return "connecting to the relay"
	case StageProxy:
		return "connecting through the proxy"
	case StageTLS:
		return "TLS handshake with the relay"
	}
	return "unknown stage"
}

// Kind tells why a dial failed.
type Kind uint8

// The kinds of failure.
const (
	KindOther       Kind = iota
	KindCanceled         // the caller's context was canceled
	KindTimeout          // something did not answer in time
	KindNotFound         // the host has no address, or is not valid
	KindUnreachable      // no way to the relay: no network, or the relay's host is down
	KindRefused          // the relay's host runs no relay on that port
	KindProxy            // the proxy is not there, or does not work as a proxy
	KindOnion            // an onion host can be reached through Tor's proxy only
	KindTLS              // the relay does not speak TLS as it should
	KindIdentity         // the relay is not the one of its address
)

func (k Kind) String() string {
	switch k {
	case KindOther:
		return "failed"
	case KindCanceled:
		return "canceled"
	case KindTimeout:
		return "timed out"
	case KindNotFound:
		return "host not found"
	case KindUnreachable:
		return "host unreachable"
	case KindRefused:
		return "connection refused"
	case KindProxy:
		return "the proxy does not work"
	case KindOnion:
		return "an onion host needs Tor"
	case KindTLS:
		return "no secure connection"
	case KindIdentity:
		return "the relay has another identity"
	}
	return "unknown failure"
}

// DialError tells at which stage a dial failed, and why.
type DialError struct {
	Stage Stage
	Kind  Kind
	Err   error // the cause, without names and addresses; may be nil
}

func (e *DialError) Error() string {
	text := "transport: " + e.Stage.String() + ": " + e.Kind.String()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause, for instance an error of the context or of tls13.
func (e *DialError) Unwrap() error { return e.Err }

// Timeout tells whether something did not answer in time.
func (e *DialError) Timeout() bool { return e.Kind == KindTimeout }

// Numbers that Windows has for errors of connecting; other systems don't use them.
const (
	wsaNetUnreachable  syscall.Errno = 10051
	wsaRefused         syscall.Errno = 10061
	wsaHostUnreachable syscall.Errno = 10065
)

// dialError makes the error of a stage.
func dialError(stage Stage, err error) *DialError {
	var dns *net.DNSError
	if errors.As(err, &dns) { // its text has the name in it
		kind := KindUnreachable
		switch {
		case dns.IsTimeout:
			kind = KindTimeout
		case dns.IsNotFound:
			kind = KindNotFound
		}
		return &DialError{stage, kind, errors.New("name resolution failed")}
	}
	var addr *net.AddrError
	if errors.As(err, &addr) { // so has this one
		return &DialError{stage, KindNotFound, errTarget}
	}
	return &DialError{stage, kindOf(stage, err), withoutAddress(err)}
}

func kindOf(stage Stage, err error) Kind {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return KindCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return KindTimeout
	case stage == StageProxy:
		return kindOfProxy(err)
	case errors.Is(err, tls13.ErrUnknownIdentity):
		return KindIdentity
	case stage == StageTLS:
		return KindTLS
	}
	for _, e := range []syscall.Errno{syscall.ECONNREFUSED, wsaRefused} {
		if errors.Is(err, e) {
			return KindRefused
		}
	}
	for _, e := range []syscall.Errno{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL, wsaHostUnreachable, wsaNetUnreachable} {
		if errors.Is(err, e) {
			return KindUnreachable
		}
	}
	return KindOther
}
