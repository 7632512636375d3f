// Package fault keeps a mistake in the code that handles what relays and contacts send from ending the program: it ends what met it,
// a connection or the handling of a message.
//
//	func (c *conn) read() (err error) {
//		defer fault.Contain(&err)
//		…
//	}
//
// Faults in goroutines of libraries can't be contained.
package fault

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
)

// Error is a panic that was contained. Its text has where in the code it was, and nothing of the memory.
type Error struct {
	Value any    // what the panic was about
	Where string // the functions and lines, from the inside, one on each line
}

func (e *Error) Error() string {
	at, _, _ := strings.Cut(e.Where, "\n")
	if _, ok := e.Value.(runtime.Error); !ok {
		return "a fault of this program at " + at // the value may have anything in it
	}
	return fmt.Sprintf("a fault of this program at %s: %v", at, e.Value)
}

// report is called with each fault, if it is not nil.
var report atomic.Pointer[func(*Error)]

// Report has f be told of each fault that is contained from now on, on the goroutine that met it. With nil nobody is told, as at first.
func Report(f func(*Error)) {
	if f == nil {
		report.Store(nil)
	} else {
		report.Store(&f)
	}
}

// Contain, when it is deferred, turns a panic into an *Error.
func Contain(err *error) {
	v := recover()
	if v == nil {
		return
	}
	e := &Error{Value: v, Where: where()}
	*err = e
	if f := report.Load(); f != nil {
		(*f)(e)
	}
}

// where lists the functions that are being left, from the one that panicked on.
func where() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var lines []string
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			file := f.File[strings.LastIndexByte(f.File, '/')+1:]
			lines = append(lines, fmt.Sprintf("%s (%s:%d)", f.Function, file, f.Line))
		}
		if !more {
			return strings.Join(lines, "\n")
		}
	}
}
