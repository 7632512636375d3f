package smp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// scriptedRelay makes a connect function whose n-th connection, from 0, does what play says.
func scriptedRelay(t *testing.T, play func(n int, s *script)) func(context.Context) (*Client, error) {
	n := 0
	return func(ctx context.Context) (*Client, error) {
		conn, s := newScript(t, 18)
		i := n
		n++
		go func() {
			defer s.Close()
			if s.handshake() == nil {
				play(i, s)
			}
		}()
		return handshake(ctx, conn, Config{}.withDefaults(), testServer())
	}
}

func expect[E SessionEvent](t *testing.T, s *Session) (e E) {
	t.Helper()
	got := <-s.Events()
	e, ok := got.(E)
	if !ok {
		t.Errorf("event %T %v, want %T", got, got, e)
	}
	return e
}

func TestSessionResubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := make(chan struct{})
		s := newSession(scriptedRelay(t, func(n int, r *script) {
			go func() {
				select {
				case <-cut:
					r.Close()
				case <-t.Context().Done():
				}
			}()
			r.serve(func(cmd Command, tr Transmission) Message {
				switch id := string(tr.Entity); cmd.(type) {
				case Sub:
					if id == "deleted" {
						return ErrAuth
					}
					if id == "taken" && n == 0 {
						if err := r.write(r.reply(tr.CorrID, tr.Entity, SOK{}), r.reply(nil, tr.Entity, End{})); err != nil {
							t.Error(err)
						}
						return nil
					}
					return SOK{}
				case New:
					return IDs{RcvID: "made"}
				}
				return OK{}
			})
		}))
		defer s.Close()
		s.Subscribe(Subscription{"kept", testKey}, Subscription{"deleted", testKey}, Subscription{"taken", testKey}, Subscription{"dropped", testKey})
		expect[Up](t, s)
		results := make(map[ID]error)
		taken := 0
		for taken == 0 || len(results) < 3 {
			switch e := (<-s.Events()).(type) {
			case Subscribed:
				if e.Entity != "taken" || taken > 0 || e.Err != nil { // that may come before its end
					results[e.Entity] = e.Err
				}
			case Event:
				if taken++; e.Entity != "taken" || e.Message != (End{}) {
					t.Errorf("event %v", e)
				}
			default:
				t.Errorf("event %T", e)
			}
		}
		if len(results) != 3 || taken != 1 || !errors.Is(results["deleted"], ErrAuth) || results["kept"] != nil || results["dropped"] != nil {
			t.Errorf("results %v", results)
		}
		ctx := context.Background()
		if _, err := s.Do(ctx, Request{Key: testKey, Command: New{RcvAuth: testKey.Public(), Subscribe: true}}); err != nil {
			t.Error(err)
		}
		if _, err := s.Do(ctx, Request{Entity: "dropped", Key: testKey, Command: Del{}}); err != nil {
			t.Error(err)
		}
		cut <- struct{}{}
		if down := expect[Down](t, s); !errors.Is(down.Err, ErrClosed) {
			t.Errorf("down: %v", down.Err)
		}
		start := time.Now()
		expect[Up](t, s)
		if d := time.Since(start); d < 1500*time.Millisecond || d > 2500*time.Millisecond {
			t.Errorf("connected again after %v", d)
		}
		again := make(map[ID]bool)
		for range 2 {
			again[expect[Subscribed](t, s).Entity] = true
		}
		if !again["kept"] || !again["made"] {
			t.Errorf("subscribed again to %v", again)
		}
		synctest.Wait()
		select {
		case e := <-s.Events():
			t.Errorf("event %T %v", e, e)
		default:
		}
	})
}

// A subscription that ends before the answers to those that were asked for with it have come is not told to have begun.
func TestSessionEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(scriptedRelay(t, func(_ int, r *script) {
			r.serve(func(_ Command, tr Transmission) Message {
				if string(tr.Entity) == "late" {
					go func() {
						time.Sleep(time.Second)
						if err := r.write(r.reply(tr.CorrID, tr.Entity, SOK{})); err != nil {
							t.Error(err)
						}
					}()
				} else if err := r.write(r.reply(tr.CorrID, tr.Entity, SOK{}), r.reply(nil, tr.Entity, End{})); err != nil {
					t.Error(err)
				}
				return nil
			})
		}))
		defer s.Close()
		s.Subscribe(Subscription{"taken", testKey}, Subscription{"late", testKey})
		expect[Up](t, s)
		if e := expect[Event](t, s); e.Entity != "taken" || e.Message != (End{}) {
			t.Errorf("event %v", e)
		}
		if e := expect[Subscribed](t, s); e.Entity != "late" || e.Err != nil {
			t.Errorf("event %v", e)
		}
		synctest.Wait()
		select {
		case e := <-s.Events():
			t.Errorf("event %T %v", e, e)
		default:
		}
	})
}

func TestSessionBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		s := newSession(func(context.Context) (*Client, error) { return nil, refused })
		defer s.Close()
		var longest time.Duration
		last := time.Now()
		for i := range 40 {
			if down := expect[Down](t, s); down.Err != refused {
				t.Errorf("down: %v", down.Err)
			}
			d := time.Since(last)
			last = time.Now()
			longest = max(longest, d)
			if i > 0 && i < 5 && (d < 1500*time.Millisecond || d > 2500*time.Millisecond) {
				t.Errorf("attempt %d after %v", i, d)
			}
		}
		if longest < reconnectMax*3/4 || longest > reconnectMax*5/4 {
			t.Errorf("longest pause %v", longest)
		}
		synctest.Wait() // it pauses for minutes now
		last = time.Now()
		s.Retry()
		expect[Down](t, s)
		if d := time.Since(last); d != 0 {
			t.Errorf("retry after %v", d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := s.Do(ctx, Request{Command: Ping{}}); err != context.DeadlineExceeded {
			t.Errorf("command without a connection: %v", err)
		}
	})
}

// TestSessionRetriesSubscriptions has a relay that answers about one of two queues only the second time.
func TestSessionRetriesSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := newSession(scriptedRelay(t, func(_ int, r *script) {
			r.serve(func(cmd Command, tr Transmission) Message {
				if string(tr.Entity) == "queue" {
					if asked++; asked == 1 {
						return nil
					}
				}
				return SOK{}
			})
		}))
		defer s.Close()
		s.Subscribe(Subscription{"queue", testKey}, Subscription{"other", testKey})
		expect[Up](t, s)
		for _, want := range []ID{"other", "queue"} {
			if e := expect[Subscribed](t, s); e.Entity != want || e.Err != nil {
				t.Errorf("%v, want %s", e, want)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestSessionSubscribesInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(scriptedRelay(t, func(_ int, r *script) {
			r.serve(func(Command, Transmission) Message { return SOK{} })
		}))
		defer s.Close()
		const queues = subscribeBatch + 10
		for i := range queues {
			s.Subscribe(Subscription{ID(fmt.Sprint(i)), testKey})
		}
		expect[Up](t, s)
		for range queues {
			if e := expect[Subscribed](t, s); e.Err != nil {
				t.Errorf("%v: %v", e.Entity, e.Err)
			}
		}
	})
}

func TestSessionClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(scriptedRelay(t, func(_ int, r *script) {
			r.serve(func(Command, Transmission) Message { return nil })
		}))
		expect[Up](t, s)
		got := make(chan error)
		go func() {
			_, err := s.Do(context.Background(), sub("queue"))
			got <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Errorf("command: %v", err)
		}
		if _, err := s.Do(context.Background(), sub("queue")); !errors.Is(err, ErrClosed) {
			t.Errorf("command after Close: %v", err)
		}
		if _, ok := <-s.Events(); ok {
			t.Error("event after Close")
		}
	})
}

// TestSessionReconnect ends an attempt that hangs, and a connection, when there is another way.
func TestSessionReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect := scriptedRelay(t, func(_ int, r *script) {
			r.serve(func(Command, Transmission) Message { return SOK{} })
		})
		attempts := 0
		s := newSession(func(ctx context.Context) (*Client, error) {
			if attempts++; attempts == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return connect(ctx)
		})
		defer s.Close()
		synctest.Wait()
		start := time.Now()
		s.Reconnect()
		expect[Down](t, s)
		expect[Up](t, s)
		synctest.Wait()
		s.Reconnect()
		expect[Down](t, s)
		expect[Up](t, s)
		if d := time.Since(start); d != 0 || attempts != 3 {
			t.Errorf("%d attempts in %v", attempts, d)
		}
	})
}

// TestSessionReconnectEndsClient tells that Reconnect leaves no connection behind that something could still be sent by: not
// one that is in use, and not one that comes about in the same moment.
func TestSessionReconnectEndsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commands := make([]int, 3) // by connection
		connect := scriptedRelay(t, func(n int, r *script) {
			r.serve(func(Command, Transmission) Message {
				commands[n]++
				return Pong{}
			})
		})
		established := make(chan *Client)
		proceed := make(chan bool)
		n := 0
		s := newSession(func(ctx context.Context) (*Client, error) {
			c, err := connect(ctx)
			if n++; n == 2 { // the context ends when all is done
				established <- c
				<-proceed
			}
			return c, err
		})
		defer s.Close()
		expect[Up](t, s)
		if _, err := s.Do(t.Context(), Request{Command: Ping{}}); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		first := s.client
		s.mu.Unlock()
		s.Reconnect()
		if first.Err() == nil {
			t.Error("the connection can still be used")
		}
		expect[Down](t, s)
		second := <-established
		s.Reconnect()
		result := make(chan error)
		go func() {
			_, err := s.Do(t.Context(), Request{Command: Ping{}})
			result <- err
		}()
		synctest.Wait()
		proceed <- true
		for range 3 { // Up, Down, and Up of the third
			<-s.Events()
		}
		if err := <-result; err != nil {
			t.Error(err)
		}
		if second.Err() == nil || commands[0] != 1 || commands[1] != 0 || commands[2] != 1 {
			t.Errorf("commands by connection: %v; the second one: %v", commands, second.Err())
		}
	})
}

// A relay that reacts to no subscription is connected to again, at growing intervals: what is between may be dead without anybody
// having noticed. One that is slow is not.
func TestSessionMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var connected []time.Time
		s := newSession(scriptedRelay(t, func(n int, r *script) {
			connected = append(connected, time.Now())
			asked := 0
			r.serve(func(cmd Command, tr Transmission) Message {
				if asked++; n < 12 {
					return nil
				}
				if asked <= 2 {
					// Anything shows that it is there.
					time.Sleep(DefaultCommandTimeout / 2)
					if err := r.write(r.reply(nil, tr.Entity, ErrInternal)); err != nil {
						t.Error(err)
					}
					return nil
				}
				return SOK{}
			})
		}))
		defer s.Close()
		s.Subscribe(Subscription{"queue", testKey})
		for {
			if e, ok := (<-s.Events()).(Subscribed); ok {
				if e.Err != nil {
					t.Error(e.Err)
				}
				break
			}
		}
		if len(connected) != 13 {
			t.Fatalf("connected %d times", len(connected))
		}
		first, last := connected[1].Sub(connected[0]), connected[12].Sub(connected[11])
		if first < DefaultCommandTimeout || first > DefaultCommandTimeout+3*time.Second || last < first+5*time.Second {
			t.Errorf("connected again after %v, in the end after %v", first, last)
		}
	})
}
