package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/relay"
	"github.com/sotto-chat/sotto/core/relay/files"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/core/xftp"
)

// controlFile is the socket in a relay's folder through which its operator controls it.
// Whoever may open the folder may do that, so there is no password.
const controlFile = "control.sock"

// controlTimeout bounds a conversation over the socket.
const controlTimeout = 30 * time.Second

// maxControlRequest is the size of the longest request.
const maxControlRequest = 4 << 10

// A controlRequest is what the operator wants, one line of JSON.
type controlRequest struct {
	Command string             `json:"command"` // status, block, unblock or delete
	ID      string             `json:"id,omitempty"`
	Reason  smp.BlockingReason `json:"reason,omitempty"`
	Notice  *smp.Notice        `json:"notice,omitempty"`
}

// A controlAnswer is the answer, one line of JSON.
type controlAnswer struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// serveControl listens on the socket of the relay in dir, and serves until ctx is done.
func serveControl(ctx context.Context, dir string, s *servers) (wait func(), err error) {
	path := filepath.Join(dir, controlFile)
	// The relay has locked the folder: a socket that is there is left from a crash.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("making the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("making the control socket (the path of the folder may be too long for one): %w", err)
	}
	// As sockets are made, nobody else may write to it before this either.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("making the control socket: %w", err)
	}
	var work sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { l.Close() })
	work.Go(func() {
		defer stop()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { answerControl(conn, s) })
		}
	})
	return work.Wait, nil
}

// answerControl answers one request.
func answerControl(conn net.Conn, s *servers) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlTimeout))
	line, err := bufio.NewReader(io.LimitReader(conn, maxControlRequest)).ReadBytes('\n')
	if err != nil {
		return
	}
	var request controlRequest
	var answer controlAnswer
	if err := json.Unmarshal(line, &request); err != nil {
		answer.Error = "the request can't be read"
	} else if answer.Text, err = execute(s, request); err != nil {
		answer.Error = err.Error()
	}
	json.NewEncoder(conn).Encode(answer)
}

// execute does what the operator wants and returns what to print. Ids of files are shorter than those
// of queues.
func execute(s *servers, q controlRequest) (string, error) {
	if q.Command == "status" && q.ID == "" {
		var b strings.Builder
		err := s.WriteMetrics(&b)
		return b.String(), err
	}
	id, err := wire.DecodeBase64(q.ID)
	switch {
	case err == nil && len(id) == smp.IDSize:
		return executeQueue(s.messages, smp.ID(id), q)
	case err == nil && len(id) == xftp.IDSize && s.files != nil:
		return executeFile(s.files, xftp.ID(id), q)
	}
	return "", errors.New("this is not the id of a queue, link or file: those of queues and links have 32 characters, those of files 24")
}

func executeQueue(r *relay.Relay, queue smp.ID, q controlRequest) (string, error) {
	switch q.Command {
	case "status":
		s, err := r.Queue(queue)
		if err != nil {
			return "", err
		}
		return describe(s), nil
	case "block":
		return "blocked\n", r.Block(queue, smp.Blocking{Reason: q.Reason, Notice: q.Notice})
	case "unblock":
		return "unblocked\n", r.Unblock(queue)
	case "delete":
		return "deleted\n", r.Delete(queue)
	}
	return "", fmt.Errorf("there is no command %q", q.Command)
}

func executeFile(f *files.Server, file xftp.ID, q controlRequest) (string, error) {
	switch q.Command {
	case "status":
		s, err := f.File(file)
		if err != nil {
			return "", err
		}
		return describeFile(s), nil
	case "block":
		return "blocked\n", f.Block(file, smp.Blocking{Reason: q.Reason, Notice: q.Notice})
	case "unblock":
		return "", errors.New("a file that was blocked is deleted: that can't be taken back")
	case "delete":
		return "deleted\n", f.Delete(file)
	}
	return "", fmt.Errorf("there is no command %q", q.Command)
}

func describeFile(s files.FileStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind        piece of a file\nsize        %d\nrecipients  %d\nmade        %s\n", s.Size, s.Recipients, s.Created.Format(time.DateTime))
	switch {
	case s.Blocked != nil:
		fmt.Fprintf(&b, "state       blocked for %s\n", s.Blocked.Reason)
	case s.Stored:
		b.WriteString("state       stored\n")
	default:
		b.WriteString("state       not yet uploaded\n")
	}
	return b.String()
}

func describe(s relay.QueueStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind      %s\nmessages  %d\nlast use  %s\nsecured   %t\n", s.Mode, s.Messages, s.Used.Format(time.DateOnly), s.Secured)
	switch {
	case s.Blocked != nil:
		fmt.Fprintf(&b, "state     blocked for %s\n", s.Blocked.Reason)
	case s.Off:
		b.WriteString("state     switched off by its owner\n")
	default:
		b.WriteString("state     active\n")
	}
	return b.String()
}

// control sends the operator's command to the running relay and prints its answer.
func control(ctx context.Context, args []string, stdout io.Writer) error {
	var dir, reason, notice string
	f := newFlags("control")
	f.StringVar(&dir, "data", "", "")
	f.StringVar(&reason, "reason", "", "")
	f.StringVar(&notice, "notice", "", "")
	words, err := parseMixed(f, args)
	if err != nil {
		return err
	}
	request := controlRequest{Reason: smp.BlockingReason(reason)}
	switch {
	case dir == "":
		return fmt.Errorf("--data is missing, the folder of the relay: %w", errUsage)
	case len(words) == 0 || len(words) > 2:
		return fmt.Errorf("a command is missing, or there are too many: %w", errUsage)
	case len(words) == 1 && words[0] != "status":
		return fmt.Errorf("the id of the queue or file is missing: %w", errUsage)
	case words[0] == "block" && reason == "":
		return fmt.Errorf("--reason is missing, spam or content: %w", errUsage)
	case words[0] != "block" && (reason != "" || notice != ""):
		return fmt.Errorf("--reason and --notice are for block: %w", errUsage)
	}
	request.Command = words[0]
	if len(words) == 2 {
		if request.ID, err = idInLink(words[1]); err != nil {
			return err
		}
	}
	if request.Notice, err = parseNotice(notice); err != nil {
		return err
	}
	answer, err := askControl(ctx, dir, request)
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, answer)
	return err
}

// parseMixed parses flags between which there are other words, and returns these. An id may begin
// with a hyphen and is no flag then; ids come last.
func parseMixed(f *flag.FlagSet, args []string) (words []string, err error) {
	isID := func(arg string) bool { return strings.HasPrefix(arg, "-") && isID(arg) }
	var ids []string
	for _, arg := range args {
		if isID(arg) {
			ids = append(ids, arg)
		}
	}
	args = slices.DeleteFunc(slices.Clone(args), isID)
	for {
		if err := parseWords(f, args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			return append(words, ids...), nil
		}
		words, args = append(words, f.Arg(0)), f.Args()[1:]
	}
}

// isID tells whether a text is the id of a queue, a link or a file.
func isID(text string) bool {
	id, err := wire.DecodeBase64(text)
	return err == nil && (len(id) == smp.IDSize || len(id) == xftp.IDSize)
}

// parseNotice reads for how long clients show why a queue is blocked.
func parseNotice(text string) (*smp.Notice, error) {
	switch text {
	case "":
		return nil, nil
	case "forever":
		return new(smp.Notice), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		return nil, fmt.Errorf("--notice is a time like 720h, or forever: %w", errUsage)
	}
	seconds := int64(d / time.Second)
	return &smp.Notice{TTL: &seconds}, nil
}

// errNotRunning tells that nobody listens on the socket.
var errNotRunning = errors.New("the relay of this folder is not running")

func askControl(ctx context.Context, dir string, q controlRequest) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(dir, controlFile))
	if err != nil {
		return "", fmt.Errorf("%w (%w)", errNotRunning, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlTimeout))
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return "", fmt.Errorf("asking the relay: %w", err)
	}
	var answer controlAnswer
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return "", fmt.Errorf("asking the relay: %w", err)
	}
	if answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.Text, nil
}
