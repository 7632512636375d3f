package tor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cretz/bine/control"
)

// Limits of what a control port may send. A list of all circuits of a busy client has some 100 KB.
const (
	maxAnswer = 1 << 20
	maxEvent  = 64 << 10
)

// answerTime bounds how long tor may take to answer a command; it answers all of them at once.
// Once Tor is being closed, endTime does.
const (
	answerTime = 30 * time.Second
	endTime    = 3 * time.Second
)

// Refusal is the answer of tor to a command that it does not carry out.
type Refusal struct {
	Code int
	Text string
}

func (r *Refusal) Error() string { return fmt.Sprintf("tor refused: %d %s", r.Code, r.Text) }

// controller is a connection to tor's control port. One that fails once is of no use any more.
type controller struct {
	life  context.Context // of the Tor
	conn  *bounded
	proto *control.Conn
	turn  chan struct{} // holds a value while nobody waits for an answer
	rand  io.Reader

	broken atomic.Pointer[Problem]
	ended  chan struct{} // closed when the connection is broken or closed
}

// bounded is a connection that ends when too much comes at once.
type bounded struct {
	net.Conn
	left int
}

var errTooMuch = errors.New("the control port sends more than it should")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func newController(life context.Context, conn net.Conn, rand io.Reader) *controller {
	c := &controller{life: life, conn: &bounded{Conn: conn}, turn: make(chan struct{}, 1), rand: rand, ended: make(chan struct{})}
	c.proto = control.NewConn(textproto.NewConn(c.conn))
	c.turn <- struct{}{}
	return c
}

// dialControl connects to a control port of a Tor that lives as long as the context.
func dialControl(life context.Context, network, address string, rand io.Reader) (*controller, error) {
	ctx, cancel := context.WithTimeout(life, answerTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, &Problem{Kind: ProblemNotThere, Err: withoutAddress(err)}
	}
	return newController(life, conn, rand), nil
}

func withoutAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// fail ends a connection that can't be relied on any more, and returns why.
func (c *controller) fail(p *Problem) error {
	if c.broken.CompareAndSwap(nil, p) {
		c.conn.Close()
		close(c.ended)
	}
	return c.broken.Load()
}

func (c *controller) failed() bool { return c.broken.Load() != nil }

func (c *controller) close() { c.fail(&Problem{Kind: ProblemDied, Err: ErrClosed}) }

// request sends a command and returns the lines of the answer, without their codes. The error is a
// *Refusal if tor does not want to; after all others but those of ctx the connection is broken.
func (c *controller) request(ctx context.Context, command string) ([]string, error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ended:
		return nil, c.broken.Load()
	}
	defer func() { c.turn <- struct{}{} }()
	if c.failed() {
		return nil, c.broken.Load()
	}
	c.conn.left = maxAnswer
	c.conn.SetDeadline(time.Now().Add(answerTime))
	defer context.AfterFunc(c.life, func() { c.conn.SetDeadline(time.Now().Add(endTime)) })()
	// The answer is waited for even when ctx ends, or it would be taken for that to the next command.
	answer, err := c.proto.SendRequest("%s", command)
	if answer == nil {
		return nil, c.fail(c.problem(err))
	}
	if err != nil {
		return nil, &Refusal{answer.Err.Code, clip(answer.Reply, maxDetail)}
	}
	return answer.DataWithReply(), nil
}

// problem returns what an error of the connection means. The words of who sends garbage are left out.
func (c *controller) problem(err error) *Problem {
	var protocol textproto.ProtocolError
	switch {
	case errors.As(err, &protocol):
		err = errors.New("the control port does not speak Tor's control protocol")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the control connection was closed")
	default:
		err = withoutAddress(err)
	}
	return &Problem{Kind: ProblemControl, Err: err}
}

// info asks for one value (control-spec, GETINFO).
func (c *controller) info(ctx context.Context, key string) (string, error) {
	answer, err := c.request(ctx, "GETINFO "+key)
	var refused *Refusal
	if errors.As(err, &refused) {
		return "", fmt.Errorf("tor: asking for %s: %w", key, err)
	}
	if err != nil {
		return "", err
	}
	if value, found := strings.CutPrefix(answer[0], key+"="); found && len(answer) == 2 {
		return strings.TrimPrefix(value, "\r\n"), nil
	}
	return "", c.fail(problemf(ProblemControl, "the control port answers another question"))
}

// set changes options (control-spec, SETCONF).
func (c *controller) set(ctx context.Context, options string) error {
	_, err := c.request(ctx, "SETCONF "+options)
	return err
}

// authenticate proves that this program may control tor: by the cookie in a file, which both sides
// prove to know (SAFECOOKIE), or, for an existing tor only, by a password or not at all. cookie is
// the path of the cookie of a tor of our own, empty for an existing one.
func (c *controller) authenticate(ctx context.Context, cookie, password string) error {
	answer, err := c.request(ctx, "PROTOCOLINFO 1")
	if err != nil {
		return accessProblem(err)
	}
	own := cookie != ""
	methods := ""
	for _, line := range answer {
		rest, found := strings.CutPrefix(line, "AUTH ")
		if !found {
			continue
		}
		args := parseArgs(rest)
		methods = "," + args["METHODS"] + ","
		if !own {
			cookie = args["COOKIEFILE"]
		}
	}
	offers := func(method string) bool { return strings.Contains(methods, ","+method+",") }
	if offers("SAFECOOKIE") && cookie != "" {
		secret, err := readCookie(cookie)
		if err == nil {
			defer clear(secret)
			return c.safeCookie(ctx, secret)
		}
		if own {
			return problemf(ProblemControl, "the cookie of tor can't be read: %w", err)
		}
	}
	switch {
	case own:
		return c.fail(problemf(ProblemControl, "tor does not authenticate by a cookie"))
	case offers("HASHEDPASSWORD") && password != "":
		_, err = c.request(ctx, "AUTHENTICATE "+hex.EncodeToString([]byte(password)))
	case offers("NULL"):
		_, err = c.request(ctx, "AUTHENTICATE")
	default:
		return problemf(ProblemAccess, "its cookie can't be read, and there is no password for it")
	}
	return accessProblem(err)
}

// accessProblem makes a refusal to authenticate a Problem.
func accessProblem(err error) error {
	var refused *Refusal
	if errors.As(err, &refused) {
		return &Problem{Kind: ProblemAccess, Err: err}
	}
	return err
}

const cookieSize = 32

// readCookie reads the file of a cookie. It reads no other kinds of file, as an existing tor tells the path.
func readCookie(path string) ([]byte, error) {
	// Looked at before it is opened: to open a pipe would wait.
	if s, err := os.Stat(path); err != nil || !s.Mode().IsRegular() || s.Size() != cookieSize {
		return nil, errors.Join(err, errors.New("not a cookie"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, cookieSize)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	return b, nil
}

// The keys of SAFECOOKIE (control-spec, AUTHCHALLENGE).
const (
	serverHashKey = "Tor safe cookie authentication server-to-controller hash"
	clientHashKey = "Tor safe cookie authentication controller-to-server hash"
)

// safeCookie authenticates to a tor that proves first that it knows the cookie, too.
func (c *controller) safeCookie(ctx context.Context, cookie []byte) error {
	var nonce [32]byte
	if _, err := io.ReadFull(c.rand, nonce[:]); err != nil {
		return fmt.Errorf("tor: authenticating: %w", err)
	}
	answer, err := c.request(ctx, "AUTHCHALLENGE SAFECOOKIE "+hex.EncodeToString(nonce[:]))
	if err != nil {
		return accessProblem(err)
	}
	args := parseArgs(strings.TrimPrefix(answer[len(answer)-1], "AUTHCHALLENGE "))
	hash, err1 := hex.DecodeString(args["SERVERHASH"])
	serverNonce, err2 := hex.DecodeString(args["SERVERNONCE"])
	sum := func(key string) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write(cookie)
		m.Write(nonce[:])
		m.Write(serverNonce)
		return m.Sum(nil)
	}
	if err1 != nil || err2 != nil || len(serverNonce) != 32 || !hmac.Equal(hash, sum(serverHashKey)) {
		return c.fail(problemf(ProblemControl, "the control port does not know the cookie: it is not tor's"))
	}
	_, err = c.request(ctx, "AUTHENTICATE "+hex.EncodeToString(sum(clientHashKey)))
	return accessProblem(err)
}

// event is one that tor sends on its own: its first word, and the rest.
type event struct{ kind, rest string }

// listen hands the events that were asked for to a function until the connection ends.
func (c *controller) listen(handle func(event)) error {
	c.conn.SetDeadline(time.Time{})
	for {
		c.conn.left = maxEvent
		answer, err := c.proto.ReadResponse()
		if err != nil {
			return c.fail(c.problem(err))
		}
		if !answer.IsAsync() {
			return c.fail(problemf(ProblemControl, "the control port answers what nobody has asked"))
		}
		kind, rest, _ := strings.Cut(answer.DataWithReply()[0], " ")
		handle(event{kind, rest})
	}
}

// maxArgs bounds the words of an answer that are looked at.
const maxArgs = 100

// parseArgs splits key=value words, where a value may be quoted. Words of another form are skipped.
func parseArgs(s string) map[string]string {
	args := map[string]string{}
	for range maxArgs {
		s = strings.TrimLeft(s, " ")
		if s == "" {
			break
		}
		end := strings.IndexAny(s, " =")
		if end < 0 {
			break
		}
		if s[end] == ' ' {
			s = s[end:]
			continue
		}
		key := s[:end]
		var value string
		value, s = cutValue(s[end+1:])
		args[key] = value
	}
	return args
}

// cutValue takes a value from the beginning of s.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:]
		case c == '\\' && i+1 < len(s):
			i++
			i += unescape(&b, s[i:])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// unescape appends the character that stands behind a backslash, as in C, and returns how many more
// bytes than one it has.
func unescape(b *strings.Builder, s string) (more int) {
	switch c := s[0]; {
	case c == 'n':
		b.WriteByte('\n')
	case c == 'r':
		b.WriteByte('\r')
	case c == 't':
		b.WriteByte('\t')
	case '0' <= c && c <= '7':
		digits := 1
		for digits < 3 && digits < len(s) && '0' <= s[digits] && s[digits] <= '7' {
			digits++
		}
		n, _ := strconv.ParseUint(s[:digits], 8, 16)
		b.WriteByte(byte(n))
		return digits - 1
	default:
		b.WriteByte(c)
	}
	return 0
}
