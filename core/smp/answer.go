package smp

import "fmt"

// UnexpectedError tells that a relay answered with something that does not answer the
// command, or about another entity.
type UnexpectedError struct {
	Command Command
	Message Message // nil if it could not be read
}

// Error tells the types, never contents.
func (e *UnexpectedError) Error() string {
	if e.Message == nil {
		return fmt.Sprintf("smp: the relay's answer to %T can't be read", e.Command)
	}
	return fmt.Sprintf("smp: the relay answered %T with %T of another kind or entity", e.Command, e.Message)
}

// Is makes an UnexpectedError an ErrProtocol.
func (e *UnexpectedError) Is(target error) bool { return target == ErrProtocol }

// accept checks that m about entity answers the request (smp-commands.md §3).
func (q *request) accept(entity ID, m Message) Result {
	if e, ok := m.(*Error); ok {
		return Result{Err: e} // errors have any entity
	}
	if answers(q.Command, m) {
		if _, ids := m.(IDs); ids || entity == q.Entity {
			return Result{Message: m}
		}
	}
	return Result{Err: &UnexpectedError{q.Command, m}}
}

// answers tells whether m is an answer that cmd has.
func answers(cmd Command, m Message) (ok bool) {
	switch cmd.(type) {
	case New:
		_, ok = m.(IDs)
	case Sub:
		_, sok := m.(SOK)
		_, msg := m.(Msg)
		ok = sok || msg || m == OK{}
	case NSub:
		_, sok := m.(SOK)
		ok = sok || m == OK{}
	case Subs, NSubs:
		_, ok = m.(SOKs)
	case Get, Ack:
		_, msg := m.(Msg)
		ok = msg || m == OK{}
	case NKey:
		_, ok = m.(NID)
	case Que:
		_, ok = m.(Info)
	case LKey, LGet:
		_, ok = m.(Lnk)
	case Ping:
		_, ok = m.(Pong)
	case Prxy:
		_, ok = m.(PKey)
	case Pfwd:
		_, ok = m.(PRes)
	case Rfwd:
		_, ok = m.(RRes)
	default:
		_, ok = m.(OK)
	}
	return ok
}

// isEvent tells whether a relay sends m without having been asked.
func isEvent(m Message) bool {
	switch m.(type) {
	case Msg, NMsg, End, Ends, Deld, *Error:
		return true
	}
	return false
}
