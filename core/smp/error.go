package smp

import (
	"bytes"
	"encoding/json"

	"github.com/sotto-chat/sotto/core/wire"
)

// Error is the failure that a relay answers with (smp-commands.md §4). Compare with
// errors.Is and the sentinels below, which match by Kind and, where they have one, Command.
type Error struct {
	Kind     ErrorKind
	Command  CommandErrorKind // of KindCommand
	Blocking Blocking         // of KindBlocked
	Proxy    *ProxyError      // of KindProxy
	Text     string           // of KindStore
}

// ErrorKind is the word of an error on the wire.
type ErrorKind string

// Kinds of errors.
const (
	KindBlock     ErrorKind = "BLOCK"     // a block or transmission is malformed
	KindSession   ErrorKind = "SESSION"   // the session id of a version 6 transmission is another one
	KindCommand   ErrorKind = "CMD"       // the command is malformed or not allowed
	KindProxy     ErrorKind = "PROXY"     // private routing failed
	KindAuth      ErrorKind = "AUTH"      // no such queue, or not authorized
	KindBlocked   ErrorKind = "BLOCKED"   // the operator blocked the queue
	KindService   ErrorKind = "SERVICE"   // the service signature is missing, wrong or unexpected
	KindCrypto    ErrorKind = "CRYPTO"    // the relay can't decrypt a forwarded command
	KindQuota     ErrorKind = "QUOTA"     // the queue is full
	KindStore     ErrorKind = "STORE"     // the relay can't store
	KindNoMessage ErrorKind = "NO_MSG"    // nothing to acknowledge
	KindLarge     ErrorKind = "LARGE_MSG" // the message is too long
	KindExpired   ErrorKind = "EXPIRED"
	KindInternal  ErrorKind = "INTERNAL"
	KindDuplicate ErrorKind = "DUPLICATE_" // relays use it inside and don't send it
)

// CommandErrorKind tells what is wrong with a command.
type CommandErrorKind string

// Kinds of command errors.
const (
	CommandUnknown    CommandErrorKind = "UNKNOWN"
	CommandSyntax     CommandErrorKind = "SYNTAX"
	CommandProhibited CommandErrorKind = "PROHIBITED"
	CommandNoAuth     CommandErrorKind = "NO_AUTH"
	CommandHasAuth    CommandErrorKind = "HAS_AUTH"
	CommandNoEntity   CommandErrorKind = "NO_ENTITY"
)

// Errors without parameters, to send and to compare with.
var (
	ErrBlock          = &Error{Kind: KindBlock}
	ErrSession        = &Error{Kind: KindSession}
	ErrUnknownCommand = &Error{Kind: KindCommand, Command: CommandUnknown}
	ErrSyntax         = &Error{Kind: KindCommand, Command: CommandSyntax}
	ErrProhibited     = &Error{Kind: KindCommand, Command: CommandProhibited}
	ErrNoAuth         = &Error{Kind: KindCommand, Command: CommandNoAuth}
	ErrHasAuth        = &Error{Kind: KindCommand, Command: CommandHasAuth}
	ErrNoEntity       = &Error{Kind: KindCommand, Command: CommandNoEntity}
	ErrAuth           = &Error{Kind: KindAuth}
	ErrBlocked        = &Error{Kind: KindBlocked}
	ErrService        = &Error{Kind: KindService}
	ErrCrypto         = &Error{Kind: KindCrypto}
	ErrQuota          = &Error{Kind: KindQuota}
	ErrStore          = &Error{Kind: KindStore}
	ErrNoMessage      = &Error{Kind: KindNoMessage}
	ErrLarge          = &Error{Kind: KindLarge}
	ErrExpired        = &Error{Kind: KindExpired}
	ErrInternal       = &Error{Kind: KindInternal}
)

// Blocking is why an operator blocked a queue.
type Blocking struct {
	Reason BlockingReason
	Notice *Notice // from version 18
}

// BlockingReason is the word of a reason on the wire.
type BlockingReason string

// Reasons of blocking.
const (
	BlockedSpam    BlockingReason = "spam"
	BlockedContent BlockingReason = "content"
)

// Notice tells for how many seconds a client should show it; nil is for ever.
type Notice struct {
	TTL *int64 `json:"ttl,omitempty"`
}

// ProxyError is a failure of private routing.
type ProxyError struct {
	Kind ProxyErrorKind
	// Relay is the error of the relay that refused, of ProxyProtocol.
	Relay *Error
	// Broker tells what happened between proxy and relay, of ProxyBroker.
	Broker BrokerError
}

// ProxyErrorKind is the word of a proxy error on the wire.
type ProxyErrorKind string

// Kinds of proxy errors.
const (
	ProxyProtocol  ProxyErrorKind = "PROTOCOL"   // the relay refused what the proxy handed on, or the proxy itself did
	ProxyBroker    ProxyErrorKind = "BROKER"     // the proxy can't talk with the relay
	ProxyBasicAuth ProxyErrorKind = "BASIC_AUTH" // the proxy's password is missing or wrong
	ProxyNoSession ProxyErrorKind = "NO_SESSION" // the proxy has left that relay
)

// BrokerError is what happened between proxy and relay.
type BrokerError struct {
	Kind BrokerErrorKind
	// Text is the detail of BrokerResponse and BrokerUnexpected, up to 255 bytes.
	Text string
	// Transport is the error of BrokerTransport.
	Transport TransportError
}

// BrokerErrorKind is the word of a broker error on the wire.
type BrokerErrorKind string

// Kinds of broker errors.
const (
	BrokerResponse   BrokerErrorKind = "RESPONSE"
	BrokerUnexpected BrokerErrorKind = "UNEXPECTED"
	BrokerTransport  BrokerErrorKind = "TRANSPORT"
	BrokerNetwork    BrokerErrorKind = "NETWORK"
	BrokerTimeout    BrokerErrorKind = "TIMEOUT"
	BrokerHost       BrokerErrorKind = "HOST"
	BrokerNoService  BrokerErrorKind = "NO_SERVICE"
)

// TransportError is a failure of the handshake as it stands on the wire
// (smp-transport.md §4).
type TransportError string

// Transport errors.
const (
	TransportBlock      TransportError = "BLOCK"
	TransportVersion    TransportError = "VERSION"
	TransportLarge      TransportError = "LARGE_MSG"
	TransportSession    TransportError = "SESSION"
	TransportNoAuth     TransportError = "NO_AUTH"
	TransportParse      TransportError = "HANDSHAKE PARSE"
	TransportIdentity   TransportError = "HANDSHAKE IDENTITY"
	TransportBadAuth    TransportError = "HANDSHAKE BAD_AUTH"
	TransportBadService TransportError = "HANDSHAKE BAD_SERVICE"
)

func (e TransportError) Error() string { return "smp: handshake failed: " + string(e) }

// Error tells the kinds of the error, never a text that came from the relay.
func (e *Error) Error() string {
	s := "smp: the relay answered " + string(e.Kind)
	switch {
	case e.Kind == KindCommand:
		s += " " + string(e.Command)
	case e.Kind == KindProxy && e.Proxy != nil:
		s += " " + string(e.Proxy.Kind)
		if e.Proxy.Kind == ProxyProtocol && e.Proxy.Relay != nil {
			s += " " + string(e.Proxy.Relay.Kind)
		} else if e.Proxy.Kind == ProxyBroker {
			s += " " + string(e.Proxy.Broker.Kind)
		}
	}
	return s
}

// Is tells whether target is an *Error of the same Kind and, if it has one, the same Command.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && (t.Command == "" || t.Command == e.Command)
}

// Append appends the encoding in a version.
func (e *Error) Append(b []byte, version uint16) []byte {
	return e.append(append(b, "ERR "...), version)
}

func (e *Error) append(b []byte, version uint16) []byte {
	if e.Kind == KindBlocked && version < versionBlocked {
		return append(b, KindAuth...)
	}
	b = append(b, e.Kind...)
	switch e.Kind {
	case KindCommand:
		b = append(append(b, ' '), e.Command...)
	case KindStore:
		b = append(append(b, ' '), e.Text...)
	case KindBlocked:
		b = append(append(b, " reason="...), e.Blocking.Reason...)
		if version >= versionNotice && e.Blocking.Notice != nil {
			notice, err := json.Marshal(e.Blocking.Notice)
			if err != nil {
				panic(err) // a number always encodes
			}
			b = append(append(b, ",notice="...), notice...)
		}
	case KindProxy:
		b = e.Proxy.append(append(b, ' '), version)
	}
	return b
}

func (e *ProxyError) append(b []byte, version uint16) []byte {
	b = append(b, e.Kind...)
	switch e.Kind {
	case ProxyProtocol:
		b = e.Relay.append(append(b, ' '), version)
	case ProxyBroker:
		b = append(append(b, ' '), e.Broker.Kind...)
		switch e.Broker.Kind {
		case BrokerResponse, BrokerUnexpected:
			b = wire.AppendShort(append(b, ' '), e.Broker.Text[:min(len(e.Broker.Text), wire.MaxShort)])
		case BrokerTransport:
			b = append(append(b, ' '), e.Broker.Transport...)
		}
	}
	return b
}

// maxErrorDepth bounds PROXY PROTOCOL inside PROXY PROTOCOL; nothing sends it twice.
const maxErrorDepth = 2

// readWord reads to the next space or the end. spaced tells that a space was read.
func readWord(r *wire.Reader) (word string, spaced bool) {
	rest := r.Tail()
	w, params, spaced := bytes.Cut(rest, []byte{' '})
	if r.Err() == nil {
		*r = *wire.NewReader(params)
	}
	return string(w), spaced
}

func readError(r *wire.Reader, depth int) *Error {
	word, spaced := readWord(r)
	e := &Error{Kind: ErrorKind(word)}
	switch e.Kind {
	case KindBlock, KindSession, KindAuth, KindService, KindCrypto, KindQuota, KindNoMessage,
		KindLarge, KindExpired, KindInternal, KindDuplicate:
		last(r, spaced)
		return e
	case KindCommand:
		e.Command = readCommandError(r)
	case KindStore:
		e.Text = string(r.Tail())
	case KindBlocked:
		e.Blocking = readBlocking(r)
	case KindProxy:
		e.Proxy = readProxyError(r, depth)
	default:
		r.Fail(wire.ErrSyntax)
	}
	if !spaced {
		r.Fail(wire.ErrSyntax)
	}
	return e
}

// last fails if anything follows a word that stands alone.
func last(r *wire.Reader, spaced bool) {
	if spaced || r.Len() > 0 {
		r.Fail(wire.ErrSyntax)
	}
}

func readCommandError(r *wire.Reader) CommandErrorKind {
	switch k := CommandErrorKind(r.Tail()); k {
	case CommandUnknown, CommandSyntax, CommandProhibited, CommandNoAuth, CommandHasAuth, CommandNoEntity:
		return k
	case "NO_QUEUE":
		return CommandNoEntity
	}
	r.Fail(wire.ErrSyntax)
	return ""
}

func readBlocking(r *wire.Reader) (b Blocking) {
	r.Literal("reason=")
	reason, notice, hasNotice := bytes.Cut(r.Tail(), []byte(",notice="))
	if b.Reason = BlockingReason(reason); b.Reason == "" { // later relays may have other reasons
		r.Fail(wire.ErrSyntax)
	}
	if hasNotice {
		b.Notice = new(Notice)
		if json.Unmarshal(notice, b.Notice) != nil {
			r.Fail(wire.ErrSyntax)
		}
	}
	return b
}

func readProxyError(r *wire.Reader, depth int) *ProxyError {
	word, spaced := readWord(r)
	e := &ProxyError{Kind: ProxyErrorKind(word)}
	switch {
	case e.Kind == ProxyProtocol && spaced && depth < maxErrorDepth:
		e.Relay = readError(r, depth+1)
	case e.Kind == ProxyBroker && spaced:
		e.Broker = readBrokerError(r)
	case e.Kind == ProxyBasicAuth, e.Kind == ProxyNoSession:
		last(r, spaced)
	default:
		r.Fail(wire.ErrSyntax)
	}
	return e
}

func readBrokerError(r *wire.Reader) BrokerError {
	word, spaced := readWord(r)
	e := BrokerError{Kind: BrokerErrorKind(word)}
	switch {
	case (e.Kind == BrokerResponse || e.Kind == BrokerUnexpected) && spaced:
		e.Text = string(r.Short())
	case e.Kind == BrokerTransport && spaced:
		e.Transport = readTransportError(r)
	case e.Kind == BrokerNetwork:
		r.Tail() // the detail that later relays may send (gotchas.md 30)
	case e.Kind == BrokerTimeout, e.Kind == BrokerHost, e.Kind == BrokerNoService:
		last(r, spaced)
	default:
		r.Fail(wire.ErrSyntax)
	}
	return e
}

func readTransportError(r *wire.Reader) TransportError {
	switch e := TransportError(r.Tail()); e {
	case TransportBlock, TransportVersion, TransportLarge, TransportSession, TransportNoAuth,
		TransportParse, TransportIdentity, TransportBadAuth, TransportBadService:
		return e
	}
	r.Fail(wire.ErrSyntax)
	return ""
}
