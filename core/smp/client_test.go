package smp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

var testKey = &crypt.Ed25519Private{3}

func sub(id ID) Request { return Request{Entity: id, Key: testKey, Command: Sub{}} }

// TestClientVersions makes and uses a queue in every version.
func TestClientVersions(t *testing.T) {
	for version := Versions.Min; version <= Versions.Max; version++ {
		synctest.Test(t, func(t *testing.T) { testVersion(t, version) })
	}
}

func testVersion(t *testing.T, version uint16) {
	waiting := []string{"one", "two"}
	c := dial(t, version, func(s *script) {
		s.serve(func(cmd Command, tr Transmission) Message {
			if len(tr.Auth) > 0 && !tr.Verify(nil, s.params.AppendSigned(nil, &tr), &s.key, testKey.Public(), (&crypt.X25519Private{8}).Public()) {
				t.Errorf("%T is not authorized", cmd)
			}
			switch cmd := cmd.(type) {
			case New:
				return IDs{RcvID: "recipient", SndID: SenderID(tr.CorrID)}
			case Sub:
				if err := s.write(s.reply(tr.CorrID, tr.Entity, SOK{}), s.reply(nil, tr.Entity, Msg{"one", nil})); err != nil {
					t.Error(err)
				}
				return nil
			case Ack:
				if string(cmd.MsgID) != waiting[0] {
					return ErrNoMessage
				}
				if waiting = waiting[1:]; len(waiting) > 0 {
					return Msg{ID(waiting[0]), nil}
				}
				return OK{}
			case Ping:
				return Pong{}
			}
			return ErrProhibited
		})
	})
	ctx := context.Background()
	if got := c.Params().Version; got != version {
		t.Errorf("version %d, want %d", got, version)
	}
	corrID := bytes.Repeat([]byte{5}, CorrIDSize)
	m, err := c.Do(ctx, Request{Key: testKey, Command: New{RcvAuth: testKey.Public(), Subscribe: true}, CorrID: corrID})
	if ids, ok := m.(IDs); err != nil || !ok || ids.SndID != SenderID(corrID) {
		t.Fatalf("version %d: NEW: %v, %v", version, m, err)
	}
	m, err = c.Do(ctx, sub("recipient"))
	if _, ok := m.(SOK); err != nil || !ok && m != (OK{}) {
		t.Fatalf("version %d: SUB: %v, %v", version, m, err)
	}
	for _, want := range []ID{"one", "two"} {
		e := <-c.Events()
		if msg, ok := e.Message.(Msg); !ok || msg.ID != want || e.Entity != "recipient" {
			t.Fatalf("version %d: event %v, want message %s", version, e, want)
		}
		if m, err := c.Do(ctx, Request{Entity: e.Entity, Key: testKey, Command: Ack{want}}); err != nil || m != (OK{}) {
			t.Fatalf("version %d: ACK: %v, %v", version, m, err)
		}
	}
	if m, err := c.Do(ctx, Request{Command: Ping{}}); err != nil || m != (Pong{}) {
		t.Errorf("PING: %v, %v", m, err)
	}
	if _, err := c.Do(ctx, Request{Entity: "x", Key: testKey, Command: Del{}}); !errors.Is(err, ErrProhibited) {
		t.Errorf("refused command: %v", err)
	}
	if _, err := c.Do(ctx, Request{Entity: "x", Command: Send{Body: make([]byte, MaxBody(version)+1)}}); !errors.Is(err, ErrLarge) {
		t.Errorf("large message: %v", err)
	}
	x := &crypt.X25519Private{8}
	_, err = c.Do(ctx, Request{Entity: "x", Key: x, Command: Off{}})
	if version < 7 && !errors.Is(err, ErrNoRelayKey) {
		t.Errorf("authenticator in version %d: %v", version, err)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*script, *Config)
		want   error
	}{
		{"session id", func(s *script, _ *Config) { s.hello.SessionID = make([]byte, 32) }, ErrIdentity},
		{"no session id", func(s *script, _ *Config) { s.hello.SessionID = nil }, ErrIdentity},
		{"identity", func(s *script, _ *Config) { s.hello.Chain[1] = []byte("another") }, ErrIdentity},
		{"identity as leaf", func(s *script, _ *Config) { s.hello.Chain = [][]byte{testIdentity} }, ErrIdentity},
		{"five certificates", func(s *script, _ *Config) {
			s.hello.Chain = [][]byte{nil, testIdentity, nil, nil, nil}
		}, ErrIdentity},
		{"signature", func(s *script, _ *Config) {
			s.hello.SignedKey = crypt.AppendSignedKey(nil, s.key.Public(), &crypt.Ed25519Private{9})
		}, ErrIdentity},
		{"kind of key", func(s *script, _ *Config) {
			s.hello.SignedKey = crypt.AppendSignedKey(nil, testKey.Public(), &crypt.Ed25519Private{1})
		}, ErrIdentity},
		{"low order key", func(s *script, _ *Config) {
			s.hello.SignedKey = crypt.AppendSignedKey(nil, crypt.X25519Public{}, &crypt.Ed25519Private{1})
		}, crypt.ErrLowOrder},
		{"new versions", func(s *script, _ *Config) { s.hello.Versions = wire.VersionRange{Min: 19, Max: 20} }, ErrVersion},
		{"old versions", func(s *script, _ *Config) { s.hello.Versions = wire.VersionRange{Min: 1, Max: 5} }, ErrVersion},
		{"cap", func(s *script, c *Config) {
			s.hello.Versions = wire.VersionRange{Min: 9, Max: 18}
			c.Versions = wire.VersionRange{Min: 6, Max: 8}
		}, ErrVersion},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn, s := newScript(t, 18)
			defer s.Close()
			config := Config{}.withDefaults()
			c.change(s, &config)
			go s.WriteBlock(s.hello.Append(nil))
			if _, err := handshake(context.Background(), conn, config, testServer()); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		})
	}
}

func TestHandshakeGarbage(t *testing.T) {
	for _, content := range []string{"", "x", "\x00\x06\x00\x12", "\x00\x12\x00\x06\x00", "E" + string(TransportBlock)} {
		synctest.Test(t, func(t *testing.T) {
			conn, s := newScript(t, 18)
			defer s.Close()
			go s.WriteBlock([]byte(content))
			if _, err := handshake(context.Background(), conn, Config{}.withDefaults(), testServer()); !errors.Is(err, ErrProtocol) {
				t.Errorf("hello %q: %v", content, err)
			}
		})
	}
}

// TestHandshakeEnds closes the connection after every part of the hello, and hangs there.
func TestHandshakeEnds(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, crypt.BlockSize - 1, crypt.BlockSize} {
		for _, hang := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				conn, s := newScript(t, 18)
				defer s.Close()
				go func() {
					block, err := wire.AppendPadded(nil, s.hello.Append(nil), crypt.BlockSize)
					if err != nil {
						t.Error(err)
					}
					s.Write(block[:n])
					if !hang {
						s.Close()
					}
				}()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				c, err := handshake(ctx, conn, Config{}.withDefaults(), testServer())
				if err == nil {
					t.Errorf("handshake with %d bytes", n)
					c.Close()
				}
				if hang && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("silence after %d bytes: %v", n, err)
				}
			})
		}
	}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		c := dial(t, 18, func(s *script) {
			for {
				list, err := s.next()
				if err != nil {
					return
				}
				sizes = append(sizes, len(list))
				for _, tr := range slices.Backward(list) { // in another order than asked
					var m Message = SOK{}
					if string(tr.Entity) == ID999 {
						m = ErrAuth
					}
					if err := s.write(s.reply(tr.CorrID, tr.Entity, m)); err != nil {
						t.Error(err)
					}
				}
			}
		})
		var list []Request
		for i := range 300 {
			list = append(list, sub(ID(fmt.Sprintf("%024d", 700+i))))
		}
		list[5].Key = &crypt.X448Private{} // can't authorize
		for i, r := range c.DoBatch(context.Background(), list) {
			switch {
			case i == 5:
				if !errors.Is(r.Err, crypt.ErrKey) {
					t.Errorf("wrong key: %v", r.Err)
				}
			case i == 299:
				if !errors.Is(r.Err, ErrAuth) {
					t.Errorf("unknown queue: %v", r.Err)
				}
			case r.Err != nil || r.Message != SOK{}:
				t.Errorf("queue %d: %v, %v", i, r.Message, r.Err)
			}
		}
		if want := []int{29, 135, 135}; !slices.Equal(sizes, want) {
			t.Errorf("blocks of %v, want %v", sizes, want)
		}
	})
}

// ID999 is the last queue of TestBatches.
const ID999 = "000000000000000000000999"

func TestHostileAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		entity string
		body   string
	}{
		{"another entity", "other", "OK"},
		{"no entity", "", "OK"},
		{"another kind", "queue", "PONG"},
		{"event as answer", "queue", "END"},
		{"unknown tag", "queue", "LATER x"},
		{"malformed", "queue", "SOK x"},
		{"message of another queue", "other", "MSG \x01abody"},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := dial(t, 18, func(s *script) {
				for {
					list, err := s.next()
					if err != nil {
						return
					}
					stray := Transmission{CorrID: []byte("never asked"), Entity: []byte("queue"), Body: []byte("OK")}
					tr := Transmission{CorrID: list[0].CorrID, Entity: []byte(c.entity), Body: []byte(c.body)}
					again := tr // answered twice
					if err := s.write(s.params.AppendTransmission(nil, &stray), s.params.AppendTransmission(nil, &tr),
						s.params.AppendTransmission(nil, &again)); err != nil {
						return
					}
				}
			})
			for range 2 { // the session goes on
				_, err := client.Do(context.Background(), sub("queue"))
				var unexpected *UnexpectedError
				if !errors.As(err, &unexpected) || !errors.Is(err, ErrProtocol) {
					t.Errorf("%s: %v", c.name, err)
				}
			}
			select {
			case e := <-client.Events():
				t.Errorf("%s: event %v", c.name, e)
			default:
			}
		})
	}
}

// TestBrokenSession ends a session in every way while a command waits.
func TestBrokenSession(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(*script)
		want error
	}{
		{"close", func(s *script) {}, ErrClosed},
		{"part of a block", func(s *script) { s.Write(make([]byte, 1000)) }, ErrClosed},
		{"not encrypted", func(s *script) { s.Write(make([]byte, crypt.BlockSize)) }, crypt.ErrBox},
		{"empty block", func(s *script) { s.WriteBlock(nil) }, ErrProtocol},
		{"no transmissions", func(s *script) { s.WriteBlock([]byte{0}) }, ErrProtocol},
		{"trailing bytes", func(s *script) { s.WriteBlock([]byte("\x01\x00\x00x")) }, ErrProtocol},
		{"broken transmission", func(s *script) { s.write([]byte("\x00\x18short")) }, ErrProtocol},
		{"endless events", func(s *script) {
			for s.write(s.reply(nil, []byte("queue"), Msg{"m", nil})) == nil {
			}
		}, ErrProtocol},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := dial(t, 18, func(s *script) {
				if _, err := s.next(); err != nil {
					t.Error(err)
				}
				c.play(s)
			})
			_, err := client.Do(context.Background(), sub("queue"))
			if !errors.Is(err, ErrClosed) || !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			<-client.Done()
			if !errors.Is(client.Err(), c.want) {
				t.Errorf("%s: ended with %v", c.name, client.Err())
			}
			if _, ok := <-client.Events(); ok {
				t.Errorf("%s: event after the end", c.name)
			}
			if _, err := client.Do(context.Background(), sub("queue")); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: command after the end: %v", c.name, err)
			}
		})
	}
}

func TestUnknownEventsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, 18, func(s *script) {
			for _, body := range []string{"LATER", "OK", "PONG", "IDS x"} {
				tr := Transmission{Entity: []byte("queue"), Body: []byte(body)}
				if err := s.write(s.params.AppendTransmission(nil, &tr)); err != nil {
					t.Error(err)
				}
			}
			s.write(s.reply(nil, nil, ErrBlock))
			s.serve(func(Command, Transmission) Message { return nil })
		})
		if e := <-c.Events(); e.Message.(*Error).Kind != KindBlock {
			t.Errorf("event %v", e)
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, 18, func(s *script) { s.serve(func(Command, Transmission) Message { return nil }) })
		start := time.Now()
		if _, err := c.Do(context.Background(), sub("queue")); err != ErrTimeout {
			t.Errorf("silence: %v", err)
		}
		if d := time.Since(start); d != DefaultCommandTimeout {
			t.Errorf("timeout after %v", d)
		}
		start = time.Now()
		if _, err := c.Do(context.Background(), Request{Entity: "session", Command: Pfwd{}}); err != ErrTimeout || time.Since(start) != 2*DefaultCommandTimeout {
			t.Errorf("PFWD: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Do(ctx, sub("queue")); err != context.Canceled {
			t.Errorf("cancelled: %v", err)
		}
		// A third timeout in a row does not end a session that has been silent for less than 15 minutes.
		if _, err := c.Do(context.Background(), sub("queue")); err != ErrTimeout || c.Err() != nil {
			t.Errorf("third timeout: %v, session: %v", err, c.Err())
		}
		time.Sleep(maxSilence)
		if _, err := c.Do(context.Background(), sub("queue")); err == nil {
			t.Error("answer from nowhere")
		}
		<-c.Done()
		if !errors.Is(c.Err(), ErrTimeout) {
			t.Errorf("ended with %v", c.Err())
		}
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pings := 0
		c := dial(t, 18, func(s *script) {
			s.serve(func(cmd Command, _ Transmission) Message {
				if _, ping := cmd.(Ping); ping {
					pings++
					return Pong{}
				}
				return SOK{}
			})
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		if pings != 0 {
			t.Errorf("%d pings without a subscription", pings)
		}
		if _, err := c.Do(context.Background(), sub("queue")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if pings != 5 && pings != 6 {
			t.Errorf("%d pings in an hour", pings)
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
}

// TestLateMessage gives up waiting for an ACK that the relay answers with the next message.
func TestLateMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, 18, func(s *script) {
			s.serve(func(cmd Command, _ Transmission) Message {
				time.Sleep(time.Second)
				return Msg{"next", nil}
			})
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, err := c.Do(ctx, Request{Entity: "queue", Key: testKey, Command: Ack{"first"}}); err != context.DeadlineExceeded {
			t.Errorf("ACK: %v", err)
		}
		if e := <-c.Events(); e.Entity != "queue" || e.Message.(Msg).ID != "next" {
			t.Errorf("event %v", e)
		}
		m, err := c.Do(context.Background(), Request{Entity: "queue", Key: testKey, Command: Get{}})
		if msg, ok := m.(Msg); err != nil || !ok || msg.ID != "next" {
			t.Errorf("GET: %v, %v", m, err)
		}
		m, err = c.Do(context.Background(), sub("queue"))
		if err != nil || m != (SOK{}) {
			t.Errorf("SUB answered with a message: %v, %v", m, err)
		}
		if e := <-c.Events(); e.Message.(Msg).ID != "next" {
			t.Errorf("event %v", e)
		}
	})
}

// TestSlowReader takes no events until all answers have come.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queues = 500
		c := dial(t, 18, func(s *script) {
			s.serve(func(cmd Command, tr Transmission) Message {
				if s.write(s.reply(tr.CorrID, tr.Entity, SOK{}), s.reply(nil, tr.Entity, Msg{ID(tr.Entity), nil})) != nil {
					t.Error("closed early")
				}
				return nil
			})
		})
		var list []Request
		for i := range queues {
			list = append(list, sub(ID(fmt.Sprint(i))))
		}
		for _, r := range c.DoBatch(context.Background(), list) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		seen := make(map[ID]bool)
		for range queues {
			e := <-c.Events()
			if e.Message.(Msg).ID != e.Entity || seen[e.Entity] {
				t.Errorf("event %v", e)
			}
			seen[e.Entity] = true
		}
	})
}

// What a proxy refuses itself is not taken for an answer of the relay.
func TestProxyRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer Message
		c := dial(t, Versions.Max, func(s *script) { s.serve(func(Command, Transmission) Message { return answer }) })
		p := newProxied(c, Params{Version: ProxyVersions.Max, SessionID: bytes.Repeat([]byte{1}, 32)}, (&crypt.X25519Private{8}).Public())
		for _, refused := range []*Error{ErrAuth, ErrCrypto, ErrInternal, ErrQuota, ErrUnknownCommand} {
			answer = refused
			_, prxy := c.Proxy(t.Context(), testServer(), "")
			_, pfwd := p.Do(t.Context(), Request{Entity: "queue", Command: Send{Body: []byte("x")}})
			for name, err := range map[string]error{"PRXY": prxy, "PFWD": pfwd} {
				if name == "PRXY" && refused == ErrUnknownCommand {
					if !errors.Is(err, ErrUnknownCommand) {
						t.Errorf("an old proxy: %v", err)
					}
					continue
				}
				var e *Error
				if !errors.As(err, &e) || e.Kind != KindProxy || e.Proxy.Kind != ProxyProtocol || e.Proxy.Relay.Kind != refused.Kind || errors.Is(err, refused) {
					t.Errorf("%s refused with %v: %v", name, refused, err)
				}
			}
		}
	})
}

// However much is to be forwarded, a proxy never has more of it at a time than it would hold up other commands for; and a relay that
// does not answer holds up nothing that goes to another one.
func TestForwardsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		pending, most := map[ID]int{}, 0
		c := dial(t, Versions.Max, func(s *script) {
			s.serve(func(cmd Command, tr Transmission) Message {
				if _, ok := cmd.(Pfwd); !ok {
					return Pong{}
				}
				mu.Lock()
				defer mu.Unlock()
				to, sum := ID(tr.Entity), 0
				if to[0] >= 10 {
					return ErrInternal
				}
				pending[to]++
				for _, n := range pending {
					sum += n
				}
				most = max(most, sum)
				return nil
			})
		})
		to := func(n byte) *Proxied {
			return newProxied(c, Params{Version: ProxyVersions.Max, SessionID: bytes.Repeat([]byte{n}, 32)}, (&crypt.X25519Private{8}).Public())
		}
		send := Request{Entity: "queue", Command: Send{Body: []byte("x")}}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		fill := func(p *Proxied) {
			for range 2 * maxForwardsTo {
				wg.Go(func() { p.Do(ctx, send) })
			}
			synctest.Wait()
		}
		for n := range byte(2) {
			fill(to(1 + n))
		}
		start := time.Now()
		if _, err := to(10).Do(t.Context(), send); err == nil || time.Since(start) > 0 {
			t.Errorf("to another relay: %v after %v", err, time.Since(start))
		}
		for n := range byte(5) {
			fill(to(3 + n))
		}
		mu.Lock()
		if most != maxForwards || pending[ID(bytes.Repeat([]byte{1}, 32))] != maxForwardsTo {
			t.Errorf("%d at a time, %v", most, pending)
		}
		mu.Unlock()
		waiting, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := to(10).Do(waiting, send); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one too many: %v", err)
		}
		cancel()
		wg.Wait()
		if _, err := to(10).Do(t.Context(), send); err == nil || errors.Is(err, ErrTimeout) {
			t.Errorf("after the others: %v", err)
		}
		c.fail(errClosedHere)
		if _, err := to(10).Do(t.Context(), send); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}
