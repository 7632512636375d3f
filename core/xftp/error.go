package xftp

import (
	"github.com/sotto-chat/sotto/core/smp"
)

// Error is the failure that a relay answers with (xftp.md §3). Compare with errors.Is and the
// sentinels below, which match by Kind and, where they have one, Command.
type Error struct {
	Kind     ErrorKind
	Command  smp.CommandErrorKind // of KindCommand
	Blocking smp.Blocking         // of KindBlocked
}

// ErrorKind is the word of an error on the wire.
type ErrorKind string

// Kinds of errors.
const (
	KindBlock     ErrorKind = "BLOCK"      // a block or transmission is malformed
	KindSession   ErrorKind = "SESSION"    // the session id is another one
	KindHandshake ErrorKind = "HANDSHAKE"  // the handshake is malformed, or still to come
	KindCommand   ErrorKind = "CMD"        // the command is malformed or not allowed
	KindAuth      ErrorKind = "AUTH"       // no such chunk, or not authorized
	KindBlocked   ErrorKind = "BLOCKED"    // the operator blocked the chunk
	KindSize      ErrorKind = "SIZE"       // the size is not allowed, or not the one registered
	KindQuota     ErrorKind = "QUOTA"      // the relay is full
	KindDigest    ErrorKind = "DIGEST"     // the chunk is not the one registered
	KindCrypto    ErrorKind = "CRYPTO"     // the relay can't encrypt the chunk
	KindNoFile    ErrorKind = "NO_FILE"    // the chunk was not uploaded
	KindHasFile   ErrorKind = "HAS_FILE"   // a chunk that does not belong there
	KindFileIO    ErrorKind = "FILE_IO"    // the relay can't read or write
	KindTimeout   ErrorKind = "TIMEOUT"    // the upload took too long
	KindInternal  ErrorKind = "INTERNAL"   // a fault of the relay
	KindDuplicate ErrorKind = "DUPLICATE_" // relays use it inside and don't send it
)

// Errors without parameters, to send and to compare with.
var (
	ErrBlock          = &Error{Kind: KindBlock}
	ErrSession        = &Error{Kind: KindSession}
	ErrHandshake      = &Error{Kind: KindHandshake}
	ErrUnknownCommand = &Error{Kind: KindCommand, Command: smp.CommandUnknown}
	ErrSyntax         = &Error{Kind: KindCommand, Command: smp.CommandSyntax}
	ErrNoAuth         = &Error{Kind: KindCommand, Command: smp.CommandNoAuth}
	ErrHasAuth        = &Error{Kind: KindCommand, Command: smp.CommandHasAuth}
	ErrAuth           = &Error{Kind: KindAuth}
	ErrBlocked        = &Error{Kind: KindBlocked}
	ErrSize           = &Error{Kind: KindSize}
	ErrQuota          = &Error{Kind: KindQuota}
	ErrDigest         = &Error{Kind: KindDigest}
	ErrCrypto         = &Error{Kind: KindCrypto}
	ErrNoFile         = &Error{Kind: KindNoFile}
	ErrFileIO         = &Error{Kind: KindFileIO}
	ErrTimedOut       = &Error{Kind: KindTimeout}
	ErrInternal       = &Error{Kind: KindInternal}
)

// Error tells the kinds of the error, never a text that came from the relay.
func (e *Error) Error() string {
	s := "xftp: the relay answered " + string(e.Kind)
	if e.Kind == KindCommand {
		s += " " + string(e.Command)
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
	switch {
	case e.Kind == KindBlocked && version < versionBlocked:
		return append(b, KindAuth...)
	case e.Kind == KindBlocked:
		same := smp.Error{Kind: smp.KindBlocked, Blocking: e.Blocking}
		return append(b, same.Append(nil, smp.Versions.Max)[len("ERR "):]...)
	case e.Kind == KindCommand:
		return append(append(append(b, e.Kind...), ' '), e.Command...)
	}
	return append(b, e.Kind...)
}

// parseError reads what follows "ERR ", which is also how a failed handshake is answered.
func parseError(b []byte) (*Error, bool) {
	switch e := (&Error{Kind: ErrorKind(b)}); e.Kind {
	case KindBlock, KindSession, KindHandshake, KindAuth, KindSize, KindQuota, KindDigest, KindCrypto, KindNoFile,
		KindHasFile, KindFileIO, KindTimeout, KindInternal, KindDuplicate:
		return e, true
	}
	// The errors with parameters are those of the message protocol.
	m, err := smp.ParseMessage(smp.Versions.Max, append([]byte("ERR "), b...))
	if err != nil {
		return nil, false
	}
	switch e := m.(*smp.Error); e.Kind {
	case smp.KindCommand:
		return &Error{Kind: KindCommand, Command: e.Command}, true
	case smp.KindBlocked:
		return &Error{Kind: KindBlocked, Blocking: e.Blocking}, true
	}
	return nil, false
}
