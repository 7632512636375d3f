package agent

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// recorded is a conversation of the reference software with all that was random in it.
type recorded struct {
	Link    string
	Parties map[string]struct {
		X448                              []hexBytes
		Nonces                            []hexBytes
		RcvAuth, RcvDH, RcvE2E            hexBytes
		RcvID, SndID, ServerDH, RcvSecret hexBytes
		SndAuth, SndE2E                   hexBytes
		Info, Server                      string
	}
	Steps []struct {
		Op, Party, What string
		Body, Plaintext hexBytes
		SHA256          hexBytes
	}
}

// script is a source of randomness that yields what the recording has, told apart by size.
type script struct{ bySize map[int][][]byte }

func (s *script) Read(b []byte) (int, error) {
	list := s.bySize[len(b)]
	if len(list) == 0 {
		return 0, fmt.Errorf("the recording has no more random values of %d bytes", len(b))
	}
	s.bySize[len(b)] = list[1:]
	return copy(b, list[0]), nil
}

var _ io.Reader = (*script)(nil)

// replayed is one party of the replay.
type replayed struct {
	*Agent
	t          *testing.T
	info       string
	connection int64
	reference  int64
	receipt    bool // whether the next message gets one
	bodies     [][]byte
	delivered  []int64
	state      []string
	sent       chan []byte // bodies of SEND, in order
}

func (r *replayed) Confirm(tx *store.Tx, connection int64, info []byte) ([]byte, error) {
	r.state = append(r.state, "confirm "+string(info))
	return []byte(r.info), nil
}

func (r *replayed) Request(tx *store.Tx, address, request int64, info []byte) error {
	return errors.New("nobody has the address")
}

func (r *replayed) Info(tx *store.Tx, connection int64, info []byte) error {
	r.state = append(r.state, "info "+string(info))
	return nil
}

func (r *replayed) Connected(tx *store.Tx, connection int64) error {
	r.state = append(r.state, "connected")
	return nil
}

func (r *replayed) Failed(tx *store.Tx, connection int64, reason error) error { return reason }

func (r *replayed) Message(tx *store.Tx, connection int64, m Message) (bool, error) {
	if m.Integrity != IntegrityOK {
		r.t.Errorf("message %d: integrity %v", m.Number, m.Integrity)
	}
	r.bodies = append(r.bodies, m.Body)
	return r.receipt, nil
}

func (r *replayed) Unreadable(tx *store.Tx, connection int64, at time.Time, reason error) error {
	return reason
}
func (r *replayed) Sync(tx *store.Tx, connection int64, from, to SyncState) error {
	return errors.New("the ratchets don't fit")
}
func (r *replayed) Moved(tx *store.Tx, connection int64, mine bool) error {
	return errors.New("no queue was moved")
}
func (r *replayed) Sent(tx *store.Tx, connection, reference int64) error { return nil }
func (r *replayed) Delivered(tx *store.Tx, connection, reference int64) error {
	r.delivered = append(r.delivered, reference)
	return nil
}
func (r *replayed) NotSent(tx *store.Tx, connection, reference int64, reason error) error {
	return reason
}
func (r *replayed) RelayState(server wire.Server, up bool, reason error) {}

// TestReplay lets two agents have a recorded conversation again, with the keys and nonces of
// the recording: each must send the same bytes as the reference software did.
func TestReplay(t *testing.T) {
	var rec recorded
	readGzip(t, "replay.json.gz", &rec)
	parties := map[string]*replayed{}
	for name, p := range rec.Parties {
		own, other := [][]byte{p.RcvAuth, p.RcvDH, p.RcvE2E}, [][]byte{p.SndAuth, p.SndE2E}
		random := &script{map[int][][]byte{}}
		if name == "A" {
			// The recorded initiator made no short link; ours offers one to the relay, with a
			// correlation id, two nonces and a key of its own.
			own = append(own, make([]byte, 32))
			random.bySize[24] = [][]byte{make([]byte, 24), make([]byte, 24), make([]byte, 24)}
		} else { // the joiner makes its keys for the other's queue first
			own, other = other, own
		}
		random.bySize[32] = append(own, other...)
		for _, k := range p.X448 {
			random.bySize[56] = append(random.bySize[56], k)
		}
		for _, n := range p.Nonces {
			random.bySize[24] = append(random.bySize[24], n)
		}
		server, err := wire.ParseServer(p.Server)
		if err != nil {
			t.Fatal(err)
		}
		r := &replayed{t: t, info: p.Info, sent: make(chan []byte, 1)}
		r.Agent = New(Config{DB: openStore(t), Handler: r, Rand: random, Now: time.Now,
			Choose: func([]wire.Server) (Relay, error) { return Relay{Server: server}, nil }})
		t.Cleanup(r.Close)
		r.exchange = func(_ wire.Server, q smp.Request) (smp.Message, error) {
			key, _ := q.Key.(*crypt.Ed25519Private)
			switch c := q.Command.(type) {
			case smp.New:
				dh, err := crypt.ParseX25519(append([]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"), p.ServerDH...))
				return smp.IDs{RcvID: smp.ID(p.RcvID), SndID: smp.ID(p.SndID), ServerDH: dh, Mode: smp.ModeMessaging}, err
			case smp.SKey:
				if !bytes.Equal(key[:], p.SndAuth) || c.Key != crypt.AuthPublic(key.Public()) {
					t.Error("the queue is secured with another key")
				}
				return smp.OK{}, nil
			case smp.Send:
				r.sent <- c.Body
				return smp.OK{}, nil
			}
			return nil, fmt.Errorf("unexpected command %T", q.Command)
		}
		parties[name] = r
	}
	a, b := parties["A"], parties["B"]
	ctx := t.Context()
	var made Invitation
	connection, err := a.Invite(ctx, nil, func(_ *store.Tx, _ int64, i Invitation) error {
		made = i
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.connection = connection
	if made.Short != nil {
		t.Error("a short link without a relay that keeps its data")
	}
	if got := made.Full.String(); got != rec.Link {
		t.Fatalf("link\n%s, want\n%s", got, rec.Link)
	}
	parsed, _, err := ParseLink(rec.Link)
	if err != nil {
		t.Fatal(err)
	}
	if b.connection, err = b.Join(ctx, *parsed, []byte(b.info), func(*store.Tx, int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	waiting := map[string][][]byte{}
	message := 0
	for i, step := range rec.Steps {
		p := parties[step.Party]
		peer := map[string]string{"A": "B", "B": "A"}[step.Party]
		switch step.Op {
		case "send":
			if step.What == "A_MSG" {
				p.reference++
				err := p.cfg.DB.Update(ctx, func(tx *store.Tx) error { return p.Send(tx, p.connection, p.reference, step.Body, true) })
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			body := <-p.sent
			if sum := sha256.Sum256(body); !bytes.Equal(sum[:], step.SHA256) {
				t.Fatalf("step %d: %s of %s has other bytes than in the recording", i, step.What, step.Party)
			}
			waiting[peer] = append(waiting[peer], body)
		case "receive":
			// A receipt goes out at once, so the recording tells whether one follows.
			p.receipt = i+1 < len(rec.Steps) && rec.Steps[i+1].What == "A_RCVD" && rec.Steps[i+1].Party == step.Party
			message++
			id := smp.ID(fmt.Sprintf("message number %9d", message))
			secret := crypt.Secret(rec.Parties[step.Party].RcvSecret)
			enc, err := smp.AppendReceived(nil, &secret, id, &smp.Received{Time: time.Now(), Notify: true, Body: waiting[step.Party][0]})
			if err != nil {
				t.Fatal(err)
			}
			waiting[step.Party] = waiting[step.Party][1:]
			bodies := len(p.bodies)
			for range 2 { // the second time it is a redelivery
				if _, err := p.receive(rec.Parties[step.Party].Server, smp.ID(rec.Parties[step.Party].RcvID), smp.Msg{ID: id, Body: enc}); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			want := 0
			if step.What == "A_MSG" {
				want = 1
			}
			if len(p.bodies)-bodies != want {
				t.Errorf("step %d: %s gave %d messages", i, step.What, len(p.bodies)-bodies)
			}
		}
	}
	for name, r := range parties {
		sent, peer := 0, "A"
		if name == "A" {
			peer = "B"
		}
		for _, step := range rec.Steps {
			if step.Op == "send" && step.What == "A_MSG" && step.Party == peer {
				if !bytes.Equal(r.bodies[sent], step.Body) {
					t.Errorf("%s received %q, want %q", name, r.bodies[sent], step.Body)
				}
				sent++
			}
		}
		if sent != 6 || len(r.delivered) != 1 {
			t.Errorf("%s: %d messages and %d receipts, want 6 and 1", name, sent, len(r.delivered))
		}
	}
	// The initiator is connected when its confirmation is delivered, which the worker stores
	// after the bytes came here; Close has waited for it.
	a.Close()
	b.Close()
	if got := fmt.Sprint(a.state); got != "[confirm connection info of B connected]" {
		t.Error("A:", got)
	}
	if got := fmt.Sprint(b.state); got != "[info connection info of A connected]" {
		t.Error("B:", got)
	}
}
