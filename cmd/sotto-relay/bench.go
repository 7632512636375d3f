package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Bounds of a load test, so that a slip of the finger doesn't become an attack.
const (
	maxBenchConnections = 10000
	maxBenchTime        = 10 * time.Minute
	// maxBenchQueues is how many queues each connection makes at most, which is less than a
	// relay lets one connection make at once.
	maxBenchQueues = 500
	// maxBenchDialers is how many connections are made at a time.
	maxBenchDialers = 16
)

// A load is a load test of one relay.
type load struct {
	server      wire.Server
	password    string
	connections int
	time        time.Duration // of the exchange of messages; the other parts take a quarter of it
	pid         int           // of the relay, 0 if it is not known
	out         io.Writer
}

func bench(ctx context.Context, args []string, stdout io.Writer) error {
	var address string
	var seconds int
	l := load{out: stdout}
	f := newFlags("bench")
	f.StringVar(&address, "relay", "", "")
	f.IntVar(&l.connections, "connections", 16, "")
	f.IntVar(&seconds, "seconds", 8, "")
	f.IntVar(&l.pid, "pid", 0, "")
	if err := parseFlags(f, args); err != nil {
		return err
	}
	l.time = time.Duration(seconds) * time.Second
	switch {
	case address == "":
		return fmt.Errorf("--relay is missing, the address of the relay: %w", errUsage)
	case l.connections < 2 || l.connections > maxBenchConnections:
		return fmt.Errorf("--connections must be 2 to %d: %w", maxBenchConnections, errUsage)
	case l.time <= 0 || l.time > maxBenchTime:
		return fmt.Errorf("--seconds must be 1 to %d: %w", maxBenchTime/time.Second, errUsage)
	}
	var err error
	if l.server, l.password, err = wire.ParseServerPassword(address); err != nil {
		return err
	}
	if l.server.Scheme != wire.SMP {
		return fmt.Errorf("--relay is the address of a relay for files, not of one for messages: %w", errUsage)
	}
	return l.run(ctx)
}

func (l *load) run(ctx context.Context) error {
	for _, part := range []func(context.Context) error{l.handshakes, l.queues, l.messages} {
		if err := part(ctx); err != nil {
			return fmt.Errorf("loading the relay: %w", err)
		}
	}
	return nil
}

func (l *load) connect(ctx context.Context) (*smp.Client, error) {
	c, err := smp.Connect(ctx, smp.Config{}, l.server)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// each runs f in n goroutines and returns their first error; the others are told to stop.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// A stretch is a time in which something is counted.
type stretch struct {
	*load
	start      time.Time
	own, relay time.Duration // CPU time at the start
}

func (l *load) begin() stretch {
	s := stretch{load: l, start: time.Now()}
	s.own, s.relay = l.cpu()
	return s
}

// cpu returns the CPU time of this process and of the relay, 0 if it is not known.
func (l *load) cpu() (own, relay time.Duration) {
	own, _ = cpuTime("self")
	if l.pid != 0 {
		relay, _ = cpuTime(strconv.Itoa(l.pid))
	}
	return own, relay
}

// end prints how many there were of something.
func (s stretch) end(what string, n int64) {
	took := time.Since(s.start)
	own, relay := s.cpu()
	own, relay = own-s.own, relay-s.relay
	fmt.Fprintf(s.out, "%-20s %8.0f/s  %d in %.1f s", what, float64(n)/took.Seconds(), n, took.Seconds())
	if relay > 0 {
		fmt.Fprintf(s.out, "; relay %.2f s of CPU, %.0f per CPU second", relay.Seconds(), float64(n)/relay.Seconds())
	}
	if own > 0 {
		fmt.Fprintf(s.out, "; this program %.2f s of CPU", own.Seconds())
	}
	fmt.Fprintln(s.out)
}

// handshakes counts new connections, each of which is used once.
func (l *load) handshakes(ctx context.Context) error {
	var count atomic.Int64
	s := l.begin()
	until := s.start.Add(l.time / 4)
	err := each(ctx, min(l.connections, maxBenchDialers), func(ctx context.Context, _ int) error {
		for time.Now().Before(until) && ctx.Err() == nil {
			c, err := l.connect(ctx)
			if err != nil {
				return err
			}
			_, err = c.Do(ctx, smp.Request{Command: smp.Ping{}})
			c.Close()
			if err != nil {
				return err
			}
			count.Add(1)
		}
		return nil
	})
	s.end("handshakes", count.Load())
	return err
}

// A benchQueue is a queue that the load test made.
type benchQueue struct {
	smp.IDs
	key crypt.Ed25519Private
}

func (l *load) newQueue(ctx context.Context, c *smp.Client, subscribe bool) (*benchQueue, error) {
	q := new(benchQueue)
	var err error
	if q.key, err = crypt.NewEd25519(rand.Reader); err != nil {
		return nil, err
	}
	dh, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return nil, err
	}
	defer dh.Wipe()
	cmd := smp.New{RcvAuth: q.key.Public(), RcvDH: dh.Public(), Password: l.password, Mode: smp.ModeMessaging, Subscribe: subscribe}
	m, err := c.Do(ctx, smp.Request{Key: &q.key, Command: cmd})
	if errors.Is(err, smp.ErrAuth) {
		return nil, fmt.Errorf("%w (%w)", errRefused, err)
	}
	if err != nil {
		return nil, err
	}
	q.IDs = m.(smp.IDs) // Do returns no other answer to a New
	return q, nil
}

// remove deletes queues, also when the test is told to stop.
func remove(ctx context.Context, c *smp.Client, list []*benchQueue) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	requests := make([]smp.Request, len(list))
	for i, q := range list {
		requests[i] = smp.Request{Entity: q.RcvID, Key: &q.key, Command: smp.Del{}}
	}
	for _, r := range c.DoBatch(ctx, requests) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// queues counts new queues, and deletes them afterwards.
func (l *load) queues(ctx context.Context) error {
	n := min(l.connections, maxBenchDialers)
	clients, err := l.clients(ctx, n)
	defer closeAll(clients)
	if err != nil {
		return err
	}
	made := make([][]*benchQueue, n)
	var count atomic.Int64
	s := l.begin()
	until := s.start.Add(l.time / 4)
	err = each(ctx, n, func(ctx context.Context, i int) error {
		for len(made[i]) < maxBenchQueues && time.Now().Before(until) && ctx.Err() == nil {
			q, err := l.newQueue(ctx, clients[i], false)
			if err != nil {
				return err
			}
			made[i] = append(made[i], q)
			count.Add(1)
		}
		return nil
	})
	s.end("new queues", count.Load())
	return errors.Join(err, each(ctx, n, func(ctx context.Context, i int) error { return remove(ctx, clients[i], made[i]) }))
}

func (l *load) clients(ctx context.Context, n int) ([]*smp.Client, error) {
	list := make([]*smp.Client, n)
	var next atomic.Int64
	err := each(ctx, min(n, maxBenchDialers), func(ctx context.Context, _ int) error {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			c, err := l.connect(ctx)
			if err != nil {
				return err
			}
			list[i] = c
		}
		return nil
	})
	return list, err
}

func closeAll(clients []*smp.Client) {
	for _, c := range clients {
		if c != nil {
			c.Close()
		}
	}
}

// messages counts messages that are sent, received and acknowledged. Each queue has one
// connection to send and one to receive, and one message on its way.
func (l *load) messages(ctx context.Context) error {
	pairs := l.connections / 2
	clients, err := l.clients(ctx, 2*pairs)
	defer closeAll(clients)
	if err != nil {
		return err
	}
	times := make([][]time.Duration, pairs)
	list := make([]*benchQueue, pairs)
	sender, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		return err
	}
	err = each(ctx, pairs, func(ctx context.Context, i int) error {
		q, err := l.newQueue(ctx, clients[2*i], true)
		if err != nil {
			return err
		}
		list[i] = q
		secure := smp.Request{Entity: q.SndID, Key: &sender, Command: smp.SKey{Key: sender.Public()}}
		_, err = clients[2*i+1].Do(ctx, secure)
		return err
	})
	s := l.begin()
	until := s.start.Add(l.time)
	if err == nil {
		err = each(ctx, pairs, func(ctx context.Context, i int) error {
			rcv, snd := clients[2*i], clients[2*i+1]
			body := make([]byte, smp.MaxBody(snd.Params().Version))
			rand.Read(body) // never fails
			for time.Now().Before(until) && ctx.Err() == nil {
				took, err := cycle(ctx, rcv, snd, list[i], &sender, body)
				if err != nil {
					return err
				}
				times[i] = append(times[i], took)
			}
			return nil
		})
	}
	all := slices.Concat(times...)
	s.end("messages", int64(len(all)))
	if len(all) > 0 {
		slices.Sort(all)
		fmt.Fprintf(l.out, "from SEND to MSG     p50 %s  p99 %s  p999 %s\n", quantile(all, 0.5), quantile(all, 0.99), quantile(all, 0.999))
	}
	return errors.Join(err, each(ctx, pairs, func(ctx context.Context, i int) error {
		if list[i] == nil {
			return nil
		}
		return remove(ctx, clients[2*i], list[i:i+1])
	}))
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(10 * time.Microsecond)
}

// errRefused tells that the relay makes no queue.
var errRefused = errors.New("the relay makes no queue for this password, which is in its address before the @, or for nobody")

// errNoMessage tells that the relay has accepted a message and does not deliver it.
var errNoMessage = errors.New("a message does not arrive")

// benchPatience is how long a message may take.
const benchPatience = 30 * time.Second

// cycle sends a message, receives and acknowledges it.
func cycle(ctx context.Context, rcv, snd *smp.Client, q *benchQueue, sender *crypt.Ed25519Private, body []byte) (took time.Duration, err error) {
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := snd.Do(ctx, smp.Request{Entity: q.SndID, Key: sender, Command: smp.Send{Body: body}})
		sent <- err
	}()
	defer func() { err = cmp.Or(<-sent, err) }()
	timer := time.NewTimer(benchPatience)
	defer timer.Stop()
	for {
		select {
		case e, ok := <-rcv.Events():
			if !ok {
				return 0, rcv.Err()
			}
			msg, ok := e.Message.(smp.Msg)
			if !ok || e.Entity != q.RcvID {
				continue
			}
			took = time.Since(start)
			_, err := rcv.Do(ctx, smp.Request{Entity: q.RcvID, Key: &q.key, Command: smp.Ack{MsgID: msg.ID}})
			return took, err
		case <-timer.C:
			return 0, errNoMessage
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// cpuTime returns the CPU time that a process has used, as far as the system tells it in
// /proc: the fields utime and stime in ticks of 10 ms.
func cpuTime(pid string) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, err
	}
	// The name in parentheses may have anything in it; utime is the 12th field after it.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 13 {
		return 0, errors.New("/proc has another format")
	}
	var ticks int64
	for _, field := range f[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
