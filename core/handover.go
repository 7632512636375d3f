package core

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// handoverFile is the socket in the data folder at which the program takes over texts from one that
// was started after it.
const handoverFile = "app.sock"

const (
	maxHandover      = 64 << 10         // bytes of a text, several times those of the longest link
	handoverTime     = 5 * time.Second  // for one text
	handoverBurst    = 5                // texts that are taken at once,
	handoverInterval = 10 * time.Second // and how long it takes until one more is
)

var (
	// ErrNotRunning tells that no program takes texts over.
	ErrNotRunning = errors.New("no running program answers")
	// ErrHandover tells that the running program did not take a text: it is too long, it is no text, or there were
	// too many.
	ErrHandover = errors.New("the running program did not take the link")
)

// Handover gives a text, in which there may be a link, to the program that has the folder dir open, where it
// becomes a LinkOpened. With an empty text that program shows its window. The error is ErrNotRunning
// or ErrHandover.
func Handover(dir, text string) error {
	if !validHandover(text) {
		return ErrHandover
	}
	conn, err := net.DialTimeout("unix", filepath.Join(dir, handoverFile), handoverTime)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(handoverTime)); err != nil {
		return err
	}
	// The text ends with a line feed, which it does not have itself; the answer is one byte.
	if _, err := io.WriteString(conn, text+"\n"); err != nil {
		return fmt.Errorf("%w: %w", ErrHandover, err)
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != '+' {
		return errors.Join(ErrHandover, err)
	}
	return nil
}

// OpenLink tells LinkOpened, as for a link that the program itself was started with. The error is ErrHandover for
// what is no text.
func (c *Core) OpenLink(text string) error {
	if !validHandover(text) {
		return ErrHandover
	}
	c.hub.publish(Event{Change: LinkOpened{text}})
	return nil
}

// validHandover tells whether a text is one line that can hold a link.
func validHandover(text string) bool {
	return len(text) <= maxHandover && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// handover takes texts over.
type handover struct {
	listener net.Listener
	done     chan struct{} // closed when nothing is taken over any more

	mu     sync.Mutex
	conn   net.Conn // the one that is read from, or nil
	closed bool
}

// listen takes texts over from now on. Where there are no such sockets, or the path is too long for one,
// a second start can't hand anything over.
func (c *Core) listen() {
	path := filepath.Join(c.dir, handoverFile)
	_ = os.Remove(path) // of a program that crashed: this one has the lock
	l, err := net.Listen("unix", path)
	if err != nil {
		return
	}
	// The folder is for its owner only. So is the socket, should the folder have been there before.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return
	}
	c.handover = &handover{listener: l, done: make(chan struct{})}
	go c.takeOver(c.handover)
}

func (h *handover) close() error {
	if h == nil {
		return nil
	}
	err := h.listener.Close()
	h.mu.Lock()
	h.closed = true
	if h.conn != nil {
		h.conn.Close()
	}
	h.mu.Unlock()
	<-h.done
	return err
}

// use has conn closed by close; it tells whether that was not called yet.
func (h *handover) use(conn net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conn = conn
	return !h.closed
}

// takeOver takes one text after the other.
func (c *Core) takeOver(h *handover) {
	defer close(h.done)
	tokens, last := handoverBurst, c.opt.Now()
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		if !h.use(conn) {
			conn.Close()
			return
		}
		now := c.opt.Now()
		for ; tokens < handoverBurst && now.Sub(last) >= handoverInterval; tokens++ {
			last = last.Add(handoverInterval)
		}
		if tokens == handoverBurst {
			last = now
		}
		if text, ok := readHandover(conn); ok && tokens > 0 {
			tokens--
			c.hub.publish(Event{Change: LinkOpened{text}})
			_, _ = conn.Write([]byte{'+'})
		}
		conn.Close()
		h.use(nil)
	}
}

func readHandover(conn net.Conn) (string, bool) {
	if err := conn.SetDeadline(time.Now().Add(handoverTime)); err != nil {
		return "", false
	}
	b := make([]byte, 0, 4096)
	for len(b) <= maxHandover {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := conn.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if text, ok := bytes.CutSuffix(b, []byte{'\n'}); ok {
			return string(text), validHandover(string(text))
		}
		if err != nil {
			return "", false
		}
	}
	return "", false
}
