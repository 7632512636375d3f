package agent

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// Whatever a relay sends, the connections through other relays work on without a pause, and its own
// do again once it is honest; nothing is received twice, and nothing that was not sent.
func TestHostileRelay(t *testing.T) {
	junk := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rand.Read(b) // never fails
		return b
	}
	// Each attack is done with the connection of the victim to the hostile relay, and two of
	// the victim's queues there; it may set the relay's hooks.
	type scene struct {
		r           *memRelay
		c           *memConn
		one, two    *memQueue
		honestQueue *memQueue // of the victim on the honest relay
	}
	sealed := func(q *memQueue, body []byte) smp.Msg {
		return q.seal(memMessage{id: smp.ID(junk(24)), body: body, at: time.Now()})
	}
	for name, attack := range map[string]func(s *scene){
		"a block of garbage":        func(s *scene) { _ = s.c.WriteBlock(junk(16000)) },
		"an empty block":            func(s *scene) { _ = s.c.WriteBlock(nil) },
		"half a transmission":       func(s *scene) { s.c.raw([]byte{0, 24, 1, 2, 3}) },
		"garbage as a transmission": func(s *scene) { s.c.raw(junk(200)) },
		"an unknown event": func(s *scene) {
			s.c.raw(s.c.params.AppendTransmission(nil, &smp.Transmission{Entity: []byte(s.one.rcv), Body: []byte("WHAT now")}))
		},
		"answers to nothing": func(s *scene) {
			for range 1000 {
				s.c.push(junk(24), []byte(s.one.rcv), smp.OK{})
			}
		},
		"errors to nobody": func(s *scene) {
			for _, e := range []smp.Message{smp.ErrAuth, smp.ErrBlock, smp.ErrSession, smp.ErrQuota, smp.ErrInternal} {
				s.c.push(nil, nil, e)
				s.c.push(nil, []byte(s.one.rcv), e)
			}
		},
		"endless END": func(s *scene) {
			for range 10000 {
				s.c.push(nil, junk(24), smp.End{})
			}
		},
		"END of the queues": func(s *scene) {
			s.c.push(nil, []byte(s.one.rcv), smp.End{})
			s.c.push(nil, []byte(s.two.rcv), smp.End{})
		},
		"endless DELD": func(s *scene) {
			for range 10000 {
				s.c.push(nil, junk(24), smp.Deld{})
			}
		},
		"DELD of a queue elsewhere": func(s *scene) { s.c.push(nil, []byte(s.honestQueue.rcv), smp.Deld{}) },
		"endless MSG": func(s *scene) {
			for range 10000 {
				s.c.push(nil, []byte(s.one.rcv), smp.Msg{ID: smp.ID(junk(24)), Body: junk(100)})
			}
		},
		"MSG of a queue that is not there": func(s *scene) { s.c.push(nil, junk(24), sealed(s.one, junk(16000))) },
		"MSG of a queue elsewhere":         func(s *scene) { s.c.push(nil, []byte(s.honestQueue.rcv), sealed(s.honestQueue, junk(16000))) },
		"MSG without an id":                func(s *scene) { s.c.push(nil, []byte(s.one.rcv), smp.Msg{Body: junk(16122)}) },
		"an empty MSG":                     func(s *scene) { s.c.push(nil, []byte(s.one.rcv), smp.Msg{ID: smp.ID(junk(24))}) },
		"a message of garbage":             func(s *scene) { s.r.store(s.one, memMessage{body: junk(16000)}); s.one.deliver() },
		"messages in the wrong queue": func(s *scene) {
			s.r.answer = func(c *memConn, tr *smp.Transmission, cmd smp.Command) smp.Message {
				if send, ok := cmd.(smp.Send); ok && smp.ID(tr.Entity) == s.one.snd {
					s.r.store(s.two, memMessage{body: bytes.Clone(send.Body)})
					s.two.deliver()
				}
				return nil
			}
		},
		"each message twice": func(s *scene) {
			s.r.answer = func(c *memConn, tr *smp.Transmission, cmd smp.Command) smp.Message {
				if send, ok := cmd.(smp.Send); ok && smp.ID(tr.Entity) == s.one.snd {
					s.r.store(s.one, memMessage{body: bytes.Clone(send.Body)})
				}
				return nil
			}
		},
		"no message is ever acknowledged": func(s *scene) {
			s.r.delay = func() time.Duration { return 20 * time.Second }
			s.r.answer = func(c *memConn, tr *smp.Transmission, cmd smp.Command) smp.Message {
				if _, ok := cmd.(smp.Ack); ok && len(s.one.messages) > 0 {
					c.push(nil, []byte(s.one.rcv), s.one.seal(s.one.messages[0]))
					return smp.OK{}
				}
				return nil
			}
		},
		"quota marks": func(s *scene) {
			for range 20 {
				s.r.store(s.one, memMessage{quota: true})
			}
			s.one.deliver()
		},
		"answers of another kind": func(s *scene) {
			s.r.answer = func(*memConn, *smp.Transmission, smp.Command) smp.Message { return smp.Lnk{SndID: "x"} }
		},
		"answers about another queue": func(s *scene) {
			s.r.answer = func(c *memConn, tr *smp.Transmission, cmd smp.Command) smp.Message {
				tr.Entity = []byte(s.two.rcv)
				return nil
			}
		},
		"answers an hour late": func(s *scene) { s.r.delay = func() time.Duration { return time.Hour } },
		"no answers":           func(s *scene) { s.r.fate = func(smp.Command) fate { return ignored } },
		"hangs up at once":     func(s *scene) { s.r.greet = func(c *memConn) { c.Close() }; s.c.Close() },
		"another identity":     func(s *scene) { s.r.cert = []byte("another"); s.c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				net := newMemNet()
				hostile, honest := net.add(t, "hostile"), net.add(t, "honest")
				victim, friend := newNode(t, net, "victim", hostile), newNode(t, net, "friend", honest)
				one, _ := befriend(t, victim, friend)
				two, _ := befriend(t, victim, friend)
				victim.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: honest.server}, nil }
				victim.restart()
				three, _ := befriend(t, victim, friend)
				s := &scene{r: hostile}
				hostile.with(func() {
					var queues []*memQueue
					for _, q := range hostile.queues {
						queues = append(queues, q)
					}
					slices.SortFunc(queues, func(a, b *memQueue) int { return bytes.Compare([]byte(a.rcv), []byte(b.rcv)) })
					s.one, s.two, s.c = queues[0], queues[1], queues[0].sub
				})
				honest.with(func() {
					for _, q := range honest.queues {
						if q.rcv != "" && s.honestQueue == nil {
							s.honestQueue = q
						}
					}
				})
				count := 0
				say := func(p *stream) string {
					count++
					text := fmt.Sprint("message ", count)
					if err := friend.write(p.toID, text); err != nil {
						t.Fatal(err)
					}
					return text
				}
				written := map[*stream][]string{}
				for _, p := range []*stream{one, two, three} {
					written[p] = append(written[p], say(p))
				}
				time.Sleep(time.Second)
				fateBefore, answerBefore, delayBefore, greetBefore, cert := hostile.fate, hostile.answer, hostile.delay, hostile.greet, hostile.cert
				hostile.with(func() { attack(s) })
				for range 3 {
					for _, p := range []*stream{one, two, three} {
						written[p] = append(written[p], say(p))
					}
					time.Sleep(2 * time.Second)
					if got := victim.texts(three.fromID, "message"); !slices.Equal(got, written[three]) {
						t.Fatalf("through the honest relay came %v, want %v", got, written[three])
					}
				}
				time.Sleep(time.Hour)
				hostile.with(func() {
					hostile.fate, hostile.answer, hostile.delay, hostile.greet, hostile.cert = fateBefore, answerBefore, delayBefore, greetBefore, cert
				})
				hostile.cut()
				time.Sleep(time.Hour)
				for _, p := range []*stream{one, two, three} {
					written[p] = append(written[p], say(p))
				}
				victim.restart() // after an END it takes the subscription back
				time.Sleep(time.Hour)
				for _, p := range []*stream{one, two, three} {
					got := victim.texts(p.fromID, "message")
					last := written[p][len(written[p])-1]
					if c := victim.connection(p.fromID); State(c.State) != StateConnected || !slices.Contains(got, last) {
						t.Errorf("state %s; received %v of %v, problems %v", c.State, got, written[p], victim.texts(p.fromID, "problem"))
					}
					if slices.Compare(slices.Compact(slices.Sorted(slices.Values(got))), slices.Sorted(slices.Values(got))) != 0 {
						t.Errorf("received twice: %v", got)
					}
					if len(got) != len(written[p]) {
						t.Logf("%d of %d messages, problems %v", len(got), len(written[p]), victim.texts(p.fromID, "problem"))
					}
				}
			})
		})
	}
}
