package agent

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/ratchet"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
	"github.com/sotto-chat/sotto/store"
)

// recording is a conversation of two copies of the reference software, with all that was random in it.
type recording struct {
	Name, Server string
	Parties      map[string]struct {
		Agent, Client, Ratchet, SMP [2]uint16 // versions
		PQ                          bool
	}
	Queues []struct {
		RcvID  hexBytes `json:"rcv"`
		Secret hexBytes // between the recipient and the relay
	}
	// What each party drew, in its order. What is empty was not drawn by the reference but is by us:
	// for the short link that we offer a relay with every link, and for keys that a stored one takes the place of.
	Random map[string]struct {
		Keys, X448, Nonces []hexBytes
		KEM                []struct{ Key, Input hexBytes }
	}
	Hellos, Sessions map[string][]hexBytes // of the relay, one for each connection
	Replies          map[string][]string   // what a party tells who opens its links
	Receipts         []string              // the messages that get one
	Steps            []*replayStep
	Want             map[string][][]string // what an application is told, for each connection
}

// replayStep is a step of a recording: what an application does, a command of a party, or a message that a relay delivers.
type replayStep struct {
	I         int // the event in the recording
	Op, Party string

	// Of an application.
	Conn, Inv         int // the connection and the request, as the party counts
	Mode, Link, Short string
	WantShort         bool
	Text              string
	PQ                bool

	// Of a command, and of its answer, which may be a message.
	Name, What  string
	Entity, Key hexBytes
	Command     hexBytes
	SHA256      hexBytes // of the command, or of the message, where they are large
	Again       hexBytes // the SHA-256 of the content of a box that the reference made anew, with another nonce
	Secret      hexBytes // of that box
	Answer      hexBytes
	Message     int
	Cut         bool // the recording leaves it out

	// Of a message.
	MsgID         hexBytes
	Of            int // the command that sent it
	Time          int64
	Notify, Quota bool
	Answers       bool // it answers a command
	Lost          bool // the program ended before it acknowledged the message

	done bool
	body []byte
}

// How far ours goes its own ways in the recordings. All else is the same, byte for byte:
//
//   - NEW offers the relay the data of a short link, which the reference did only where one was asked for. The rest of it is compared.
//   - Correlation ids are made by the session at random, so that a signature can't be compared: it is verified with the recorded key.
//   - A message that waited while its queue was full goes out with the bytes of the first attempt. The reference puts it into a
//     box with a new nonce: the content of the box is compared.
//   - An application of the reference may acknowledge a message late or never. Ours acknowledges what is stored.
//   - A recipient that moves its queue makes sure that the old one is empty (QUE) before it deletes it, and has the message
//     that came through the new one delivered after that (SUB).
//   - Nothing of ours suspends a queue (OFF).
//   - The recording of a full queue leaves out most of what filled it. That can't be compared; but with anything else in it all that
//     comes after it would be different.
var (
	ownCommands = map[string][]string{"rotation A": {"QUE", "SUB"}}
	notOurs     = map[string][]string{"restart-delete B": {"OFF"}}
)

// TestRecordings has two agents have each of the recorded conversations again. Both draw the recorded keys and nonces, and a relay
// answers each with the bytes of the recording. Every command must be that of the recording, for the recorded queue, authorized
// with the recorded key; so the messages that arrive are those of the reference, and the applications must be told the same. Each
// message is delivered twice, as after an acknowledgement that got lost.
func TestRecordings(t *testing.T) {
	var list []*recording
	reference.Read(t, "recordings.json.gz", &list)
	for _, rec := range list {
		t.Run(rec.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newReplay(t, rec).run() })
		})
	}
}

type replay struct {
	t       *testing.T
	rec     *recording
	secrets map[string]crypt.Secret // by recipient id
	sides   map[string]*side
}

// side is a party of a recording.
type side struct {
	*node
	*replay
	party  string
	relay  *memRelay
	random *recordedRandom

	mu          sync.Mutex
	connections []int64 // by number in the recording
	replies     []string
	hellos      int // how many connections with the relay there were
	conn        *memConn
	lost        bool               // nothing comes to the relay
	again       bool               // a message is delivered once more
	last        map[string]smp.Msg // the last message of each queue
	own         []string           // commands that are not in the recording
}

func newReplay(t *testing.T, rec *recording) *replay {
	r := &replay{t: t, rec: rec, secrets: map[string]crypt.Secret{}, sides: map[string]*side{}}
	for _, q := range rec.Queues {
		r.secrets[string(q.RcvID)] = crypt.Secret(q.Secret)
	}
	for party, p := range rec.Parties {
		s := &side{replay: r, party: party, random: newRecordedRandom(rec, party), replies: rec.Replies[party], last: map[string]smp.Msg{}}
		net := newMemNet()
		s.relay = net.add(t, "relay")
		var err error
		if s.relay.server, err = wire.ParseServer(rec.Server); err != nil {
			t.Fatal(err)
		}
		net.relays = map[string]*memRelay{rec.Server: s.relay}
		s.relay.hello, s.relay.answer, s.relay.greet = s.hello, s.answer, s.greet
		s.relay.fate = func(smp.Command) fate {
			if s.lost {
				return ignored
			}
			return executed
		}
		s.node = &node{t: t, name: party, dir: filepath.Join(t.TempDir(), "db"), network: smp.Config{Dial: net.dial, Versions: upTo(p.SMP[0], p.SMP[1])}}
		s.choose = func(_, _ []wire.Server) (Relay, error) { return Relay{Server: s.relay.server}, nil }
		s.configure = func(c *Config) {
			c.Handler, c.Rand, c.PQ = s, s.random, p.PQ
			c.Versions = Versions{Agent: upTo(p.Agent[0], p.Agent[1]), Client: upTo(p.Client[0], p.Client[1]), Ratchet: upTo(p.Ratchet[0], p.Ratchet[1])}
		}
		if err := s.start(true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.stop() })
		r.sides[party] = s
	}
	return r
}

func (r *replay) run() {
	for _, step := range r.rec.Steps {
		s := r.sides[step.Party]
		var err error
		switch step.Op {
		case "command":
			continue // what came before makes the agent send it
		case "message":
			if !step.Answers {
				s.deliver(step)
			}
		case "restart":
			s.lost = false
			s.restart()
		default:
			err = s.act(step)
		}
		if err != nil {
			r.t.Fatalf("event %d: %s of %s: %v", step.I, step.Op, step.Party, err)
		}
		synctest.Wait()
		if step.Op == "message" && !step.Lost && !step.Quota && !step.Cut {
			s.again = true // which has no effect
			s.deliver(step)
			synctest.Wait()
			s.again = false
		}
	}
	for party, s := range r.sides {
		s.finish(r.rec.Name + " " + party)
	}
}

// finish compares what is there at the end with the recording.
func (s *side) finish(name string) {
	t := s.replay.t
	for i, want := range s.rec.Want[s.party] {
		if got := s.told(s.connections[i]); !slices.Equal(got, want) {
			t.Errorf("%s was told of connection %d\n%q, want\n%q", s.party, i, got, want)
		}
	}
	var missing []string
	for _, step := range s.rec.Steps {
		if step.Op == "command" && step.Party == s.party && !step.done {
			missing = append(missing, step.Name)
		}
	}
	if want := notOurs[name]; !slices.Equal(missing, want) {
		t.Errorf("%s did not send %q, want %q", s.party, missing, want)
	}
	if want := ownCommands[name]; !slices.Equal(s.own, want) {
		t.Errorf("%s sent %q besides, want %q", s.party, s.own, want)
	}
	s.random.finish(t, s.party)
}

// told returns what the application was told of a connection.
func (s *side) told(connection int64) (list []string) {
	for _, r := range s.records(connection) {
		switch r.kind {
		case "written", "started":
		case "message":
			list = append(list, fmt.Sprintf("message %d %s", r.number, r.text))
		case "sync":
			if r.text != string(SyncStarted) { // which the reference's application is not told: it did it
				list = append(list, "sync "+r.text)
			}
		case "connected", "sent", "delivered", "not sent":
			list = append(list, r.kind)
		default:
			list = append(list, r.kind+" "+r.text)
		}
	}
	return list
}

// act does what the application did.
func (s *side) act(step *replayStep) error {
	ctx := s.replay.t.Context()
	created := func(*store.Tx, int64) error { return nil }
	switch step.Op {
	case "new":
		return s.makeLink(step)
	case "join":
		link, short, err := ParseLink(step.Link)
		if short != nil && err == nil {
			var data *LinkData
			if data, err = s.Resolve(ctx, short); err == nil {
				link = &data.Link
			}
		}
		if err != nil {
			return err
		}
		id, err := s.Join(ctx, *link, []byte(step.Text), created)
		s.connections = append(s.connections, id)
		return err
	case "accept", "reject":
		var requests []int64
		for _, id := range s.connections {
			for _, r := range s.records(id) {
				if r.kind == "request" {
					requests = append(requests, r.number)
				}
			}
		}
		if step.Op == "reject" {
			return s.commit(ctx, func(tx *store.Tx) error { return s.Reject(tx, requests[step.Inv]) })
		}
		id, err := s.Accept(ctx, requests[step.Inv], []byte(step.Text), created)
		s.connections = append(s.connections, id)
		return err
	case "getLink":
		_, short, err := ParseLink(step.Link)
		if err != nil {
			return err
		}
		data, err := s.Resolve(ctx, short)
		if err == nil && string(data.User) != step.Text {
			err = fmt.Errorf("the link shows %q", data.User)
		}
		return err
	case "setLink":
		return s.setLink(step)
	case "send":
		return s.send(step)
	case "sync":
		return s.commit(ctx, func(tx *store.Tx) error { return s.Resync(tx, s.connections[step.Conn], true) })
	case "switch":
		return s.Rotate(ctx, s.connections[step.Conn])
	case "delete":
		return s.commit(ctx, func(tx *store.Tx) error { return s.Delete(tx, s.connections[step.Conn]) })
	case "queueInfo":
		empty, err := s.empty(s.receiveQueue(step))
		if err == nil && !empty {
			err = errors.New("the queue is not empty")
		}
		return err
	}
	return errors.New("unknown")
}

func (s *side) receiveQueue(step *replayStep) *store.ReceiveQueue {
	return s.receiveQueues(s.connections[step.Conn])[0]
}

// makeLink makes an invitation or an address. Its links must be the recorded ones.
func (s *side) makeLink(step *replayStep) error {
	var made Invitation
	created := func(_ *store.Tx, id int64, i Invitation) error {
		made, s.connections = i, append(s.connections, id)
		return nil
	}
	var data []byte
	if step.WantShort {
		data = []byte(step.Text)
	}
	make := s.Invite
	if step.Mode == "contact" {
		make = s.MakeAddress
	}
	if _, err := make(s.replay.t.Context(), data, created); err != nil {
		return err
	}
	if made.Full.String() != step.Link {
		return fmt.Errorf("link\n%s, want\n%s", made.Full, step.Link)
	}
	if step.WantShort && made.Short.String() != step.Short {
		return fmt.Errorf("short link\n%s, want\n%s", made.Short, step.Short)
	}
	return nil
}

// setLink sets what a short link shows. The reference could make one later, for an address without; ours has one from the
// beginning, so that it gets here what a NEW would have given it.
func (s *side) setLink(step *replayStep) error {
	ctx := s.replay.t.Context()
	q := s.receiveQueue(step)
	if q.LinkRoot == nil {
		root, err := crypt.NewEd25519(s.random)
		if err != nil {
			return err
		}
		server, err := wire.ParseServer(q.Server)
		if err != nil {
			return err
		}
		e2e := crypt.X25519Private(q.E2EKey)
		address := QueueAddress{server, smp.ID(q.SenderID), e2e.Public(), smp.ModeContact}
		fixed := fixedPart(root.Public(), Link{Kind: LinkContact, Versions: agentVersions, Queues: []QueueURI{{clientVersions, address}}})
		id, secret := linkSecret(LinkContact, linkKey(fixed))
		q.LinkRoot, q.LinkKey, q.LinkID = root[:], linkKey(fixed), []byte(id)
		if q.LinkFixed, err = sealLinkPart(s.random, &secret, &root, fixed, paddedFixed); err != nil {
			return err
		}
		err = s.commit(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE receive_queues SET link_id = ?, link_key = ?, link_root = ?, link_fixed = ? WHERE id = ?`,
				q.LinkID, q.LinkKey, q.LinkRoot, q.LinkFixed, q.ID)
			return err
		})
		if err != nil {
			return err
		}
		if short := (ShortLink{Kind: LinkContact, Server: server, Key: q.LinkKey}); short.String() != step.Short {
			return fmt.Errorf("short link\n%s, want\n%s", short, step.Short)
		}
	}
	return s.SetLinkData(ctx, s.connections[step.Conn], []byte(step.Text))
}

// send sends a message. An application of the reference says with each whether it is to have post-quantum keys. Ours does not:
// what Send would not choose is chosen here.
func (s *side) send(step *replayStep) error {
	return s.commit(s.replay.t.Context(), func(tx *store.Tx) error {
		id := s.connections[step.Conn]
		c, err := tx.Connection(id)
		if err != nil {
			return err
		}
		if c.PQ == step.PQ {
			return s.Send(tx, id, int64(step.I)+1, []byte(step.Text), false)
		}
		choice := ratchet.PQOff
		if step.PQ {
			c.PQ, choice = true, ratchet.PQOn
		}
		queues, err := tx.SendQueuesOf(id)
		if err != nil {
			return err
		}
		m := message{kind: kindBody, info: []byte(step.Text)}
		if err := s.queueMessage(tx, c, queues, m, store.Outgoing{Kind: outBody, Reference: int64(step.I) + 1}, choice); err != nil {
			return err
		}
		return tx.SaveConnection(c)
	})
}

func (s *side) Confirm(tx *store.Tx, connection int64, info []byte) ([]byte, error) {
	if len(s.replies) == 0 {
		return nil, ErrReject
	}
	reply := s.replies[0]
	s.replies = s.replies[1:]
	return []byte(reply), s.record(tx, connection, "confirm", string(info), 0)
}

func (s *side) Message(tx *store.Tx, connection int64, m Message) (bool, error) {
	_, err := s.node.Message(tx, connection, m)
	return slices.Contains(s.rec.Receipts, string(m.Body)), err
}

// hello is what the relay begins a connection with.
func (s *side) hello() (hello, sessionID []byte, key crypt.PublicKey) {
	n := s.hellos
	s.hellos++
	hello, sessionID = s.rec.Hellos[s.party][n], s.rec.Sessions[s.party][n]
	parsed, err := smp.ParseServerHello(hello)
	if err != nil {
		s.replay.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(parsed.Chain[0])
	if err != nil {
		s.replay.t.Fatal(err)
	}
	if key, err = crypt.ParsePublic(leaf.RawSubjectPublicKeyInfo); err != nil {
		s.replay.t.Fatal(err)
	}
	return hello, sessionID, key
}

func (s *side) greet(c *memConn) { s.conn = c }

// answer takes a command and returns the recorded answer.
func (s *side) answer(c *memConn, t *smp.Transmission, cmd smp.Command) smp.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _, _ := strings.Cut(string(t.Body), " ")
	if name == "PING" {
		return smp.Pong{}
	}
	if _, ok := cmd.(smp.Ack); ok && s.again {
		return smp.OK{}
	}
	for _, step := range s.rec.Steps {
		if step.Op == "command" && step.Party == s.party && !step.done && step.Name == name && bytes.Equal(step.Entity, t.Entity) {
			step.done = true
			return s.command(step, c, t, cmd)
		}
	}
	s.own = append(s.own, name)
	switch cmd.(type) {
	case smp.Que:
		return smp.Info{}
	case smp.Sub:
		c.push(nil, t.Entity, s.last[string(t.Entity)])
		return smp.SOK{}
	}
	return smp.ErrAuth
}

// command compares a command with the recorded one.
func (s *side) command(step *replayStep, c *memConn, t *smp.Transmission, cmd smp.Command) smp.Message {
	test, body := s.replay.t, t.Body
	if n, ok := cmd.(smp.New); ok && !bytes.Equal(body, step.Command) {
		n.Link = nil
		body = n.Append(nil, c.params.Version)
	}
	send, isSend := cmd.(smp.Send)
	sum := sha256.Sum256(body)
	switch {
	case step.Cut:
	case step.Again != nil:
		if sum := sha256.Sum256(s.open(step, send.Body)); !bytes.Equal(sum[:], step.Again) {
			test.Errorf("event %d: %s of %s has another content", step.I, step.What, step.Party)
		}
	case isSend && !bytes.Equal(sum[:], step.SHA256):
		test.Errorf("event %d: %s of %s has other bytes", step.I, step.What, step.Party)
	case !isSend && !bytes.Equal(body, step.Command):
		test.Errorf("event %d: %s of %s is\n%x, want\n%x", step.I, step.Name, step.Party, body, step.Command)
	}
	if isSend {
		step.body = bytes.Clone(send.Body)
	}
	switch {
	case len(step.Key) == 0:
		if len(t.Auth) > 0 && !step.Cut {
			test.Errorf("event %d: %s of %s is authorized", step.I, step.Name, step.Party)
		}
	case !crypt.Verify(crypt.Ed25519Public(step.Key), c.params.AppendSigned(nil, t), t.Auth):
		test.Errorf("event %d: %s of %s is not authorized with the recorded key", step.I, step.Name, step.Party)
	}
	if step.Message > 0 {
		return s.message(s.rec.Steps[step.Message])
	}
	answer, err := smp.ParseMessage(c.params.Version, step.Answer)
	if err != nil {
		test.Errorf("event %d: the answer to %s: %v", step.I, step.Name, err)
		return smp.ErrInternal
	}
	return answer
}

// open returns what is in the box of a message.
func (s *side) open(step *replayStep, body []byte) []byte {
	e, err := smp.ParseEnvelope(body)
	if err != nil {
		s.replay.t.Fatalf("event %d: %v", step.I, err)
	}
	secret := crypt.Secret(step.Secret)
	m, err := e.Open(&secret)
	if err != nil {
		s.replay.t.Fatalf("event %d: %v", step.I, err)
	}
	return append([]byte{'_'}, m.Body...)
}

// deliver sends a party a message.
func (s *side) deliver(step *replayStep) {
	s.relay.with(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lost = s.lost || step.Lost
		s.conn.push(nil, step.Entity, s.message(step))
	})
}

// message makes the recorded message from what the other side sent. With the same bytes it is the same.
func (s *side) message(step *replayStep) smp.Msg {
	secret := s.secrets[string(step.Entity)]
	m := &smp.Received{Quota: step.Quota, Time: time.Unix(step.Time, 0), Notify: step.Notify}
	sent := s.rec.Steps[step.Of]
	if !step.Quota {
		m.Body = sent.body
	}
	body, err := smp.AppendReceived(nil, &secret, smp.ID(step.MsgID), m)
	if err != nil {
		s.replay.t.Fatalf("event %d: %v", step.I, err)
	}
	msg := smp.Msg{ID: smp.ID(step.MsgID), Body: body}
	if sum := sha256.Sum256(msg.Append(nil, smp.Versions.Max)); !step.Cut && sent.Again == nil && !sent.Cut && !bytes.Equal(sum[:], step.SHA256) {
		s.replay.t.Errorf("event %d: the message is another one", step.I)
	}
	s.last[string(step.Entity)] = msg
	return msg
}
