package tor

import (
	"bufio"
	"io"
	"strings"
	"sync"
	"time"
)

// LogLine is a message of tor. Tor leaves out addresses in it (SafeLogging).
type LogLine struct {
	Time     time.Time
	Severity string // "notice", "warn" or "err"
	Text     string
}

// Limits of what is kept of tor's messages.
const (
	maxLogLines = 500
	maxLogText  = 1024 // bytes
)

// ring keeps the last messages.
type ring struct {
	now func() time.Time

	mu    sync.Mutex
	lines []LogLine // as a ring once it is full
	next  int
}

func (r *ring) add(severity, text string) {
	line := LogLine{r.now(), severity, clip(text, maxLogText)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < maxLogLines {
		r.lines = append(r.lines, line)
		return
	}
	r.lines[r.next] = line
	r.next = (r.next + 1) % maxLogLines
}

func (r *ring) all() []LogLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append([]LogLine(nil), r.lines[r.next:]...), r.lines[:r.next]...)
}

// parseLog splits a line of tor's standard output: Nov 23 07:00:52.247 [notice] text.
func parseLog(line string) (severity, text string) {
	_, rest, found := strings.Cut(line, " [")
	severity, text, closed := strings.Cut(rest, "] ")
	if !found || !closed || severity != "notice" && severity != "warn" && severity != "err" {
		return "notice", line
	}
	return severity, text
}

// follow hands each line of tor's output to a function until the output ends. Of a line that is too
// long it takes the beginning.
func follow(out io.Reader, line func(text string)) {
	r := bufio.NewReaderSize(out, 4*maxLogText)
	for {
		text, prefix, err := r.ReadLine()
		if err != nil {
			return
		}
		s := string(text)
		for prefix && err == nil {
			_, prefix, err = r.ReadLine()
		}
		if s != "" {
			line(s)
		}
	}
}
