package relay

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/reference"
	"github.com/sotto-chat/sotto/core/relay/internal/relaytest"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

type hexBytes = reference.Hex

// recording is what two servers and two clients of the reference software exchanged by
// private routing.
type recording struct {
	Sessions []recordedSession
	Forwards []recordedForward
}

// recordedSession is a session of a server, as a proxy, with the other one.
type recordedSession struct {
	Session, ProxyPrivate, RelayPrivate hexBytes
	ServerHello, ClientHello            hexBytes
	Server                              string
	PRXY, PKEY                          hexBytes
}

// recordedForward is a command of a client and its answer.
type recordedForward struct {
	Command                           string
	Session, CmdPrivate, Nonce        hexBytes
	Version                           uint16
	Inner                             hexBytes // the content of the command's box, or
	PFWD                              hexBytes // the command
	RelayNonce                        hexBytes // correlation id of RFWD
	BoxSHA256, RFWDSHA256, RRESSHA256 string
	Answer                            hexBytes // the content of the answer's box
	PRESSHA256                        string
}

func readRecording(t *testing.T) (r recording) {
	t.Helper()
	reference.Read(t, "proxy.json.gz", &r)
	return r
}

func (r *recording) session(t *testing.T, id []byte) *recordedSession {
	for i := range r.Sessions {
		if bytes.Equal(r.Sessions[i].Session, id) {
			return &r.Sessions[i]
		}
	}
	t.Fatal("the recording has no such session")
	return nil
}

// TestRecordedHandshake replays the handshakes of the reference's proxies: ours answers
// the same hello with the same bytes, but for its key, and tells clients the same.
func TestRecordedHandshake(t *testing.T) {
	r := readRecording(t)
	for _, recorded := range r.Sessions {
		server := must(wire.ParseServer(recorded.Server))
		if got := (smp.Prxy{Server: server}).Append(nil, 18); !bytes.HasPrefix(recorded.PRXY, got[:len(got)-1]) {
			t.Errorf("PRXY is %x instead of %x", got, recorded.PRXY)
		}
		hello := must(smp.ParseServerHello(recorded.ServerHello))
		leaf := must(x509.ParseCertificate(hello.Chain[0]))
		conn := newFakeConn(recorded.Session, must(crypt.ParsePublic(leaf.RawSubjectPublicKeyInfo)))
		conn.in <- recorded.ServerHello
		s, err := newProxySession(conn, server.KeyHash)
		if err != nil {
			t.Fatal(err)
		}
		sent := <-conn.out
		want := must(smp.ParseClientHello(recorded.ClientHello))
		got := must(smp.ParseClientHello(sent))
		got.Key = want.Key
		if !bytes.Equal(got.Append(nil), recorded.ClientHello) {
			t.Errorf("client hello %x instead of %x", sent, recorded.ClientHello)
		}
		pkey := smp.PKey{SessionID: s.id, Versions: s.versions, Chain: s.chain, SignedKey: s.signedKey}
		if !bytes.Equal(pkey.Append(nil, 18), recorded.PKEY) {
			t.Errorf("PKEY %x instead of %x", pkey.Append(nil, 18), recorded.PKEY)
		}
	}
}

// TestRecordedForwards passes the recorded commands through both of our roles with the
// recorded keys: what the proxy sends to the relay, what that answers, and what the client
// gets are the recorded bytes.
func TestRecordedForwards(t *testing.T) {
	r := readRecording(t)
	now := relaytest.NewClock(time.Unix(1700000000, 0))
	s := startRelay(t, Config{Now: now.Now})
	for _, f := range r.Forwards {
		session := r.session(t, f.Session)
		relayKey, proxyKey := crypt.X25519Private(session.RelayPrivate), crypt.X25519Private(session.ProxyPrivate)
		cmdKey := crypt.X25519Private(f.CmdPrivate)
		inner := must(cmdKey.DH(relayKey.Public()))
		nonce := crypt.NonceOf(f.Nonce)
		if f.Inner == nil {
			cmd := must(smp.ParseCommand(18, f.PFWD)).(smp.Pfwd)
			f.Inner = must(smp.OpenForward(&inner, nonce, cmd.Box))
		}
		inside := must(smp.SplitBlock(nil, f.Inner))[0]
		box := must(smp.SealForward(&inner, nonce, inside))
		wantSHA256(t, f.Command+": the box of PFWD", box, f.BoxSHA256)

		// The proxy.
		p := &proxySession{params: smp.Params{Version: 18, SessionID: session.Session}}
		p.secret = must(proxyKey.DH(relayKey.Public()))
		forwarded := &smp.Forwarded{CorrID: f.Nonce, Pfwd: smp.Pfwd{Version: f.Version, Key: cmdKey.Public(), Box: box}}
		content, failure := p.seal(f.RelayNonce, forwarded)
		if failure != nil {
			t.Fatal(failure)
		}
		outer := must(p.params.ParseTransmission(must(smp.SplitBlock(nil, content))[0]))
		wantSHA256(t, f.Command+": the box of RFWD", must(smp.ParseCommand(18, outer.Body)).(smp.Rfwd).Box, f.RFWDSHA256)

		// The relay, with a queue in the state that the command found.
		params := smp.Params{Version: f.Version, SessionID: session.Session}
		command := must(params.ParseTransmission(inside))
		answer := must(params.ParseTransmission(must(smp.SplitBlock(nil, f.Answer))[0]))
		s.addRecorded(t, params, f, &command, must(smp.ParseMessage(f.Version, answer.Body)))
		c := offline(s.Relay, 18)
		c.params.SessionID = session.Session
		c.key, c.hasKey = relayKey, true
		forward := must(relayKey.DH(proxyKey.Public()))
		c.forward = &forward
		c.executeBlock(content)
		if len(c.waiting) != 1 {
			t.Fatalf("%s: %d answers", f.Command, len(c.waiting))
		}
		rres, ok := c.resolve(&c.waiting[0], new([crypt.BlockSize]byte)).(smp.RRes)
		if !ok {
			t.Fatalf("%s is answered with %#v", f.Command, c.waiting[0].message)
		}
		wantSHA256(t, f.Command+": RRES", rres.Box, f.RRESSHA256)

		// The proxy again.
		pres, failure := p.open(crypt.NonceOf(f.RelayNonce).Reverse(), forwarded, rres.Box)
		if failure != nil {
			t.Fatal(failure)
		}
		wantSHA256(t, f.Command+": PRES", pres, f.PRESSHA256)
	}
}

// addRecorded makes the queue that a recorded command is about, as it was then.
func (s *server) addRecorded(t *testing.T, p smp.Params, f recordedForward, command *smp.Transmission, answer smp.Message) {
	t.Helper()
	q := &queue{first: firstNumber(s.config.Now())}
	q.next = q.first
	q.rcv, q.snd, q.mode = newKey(), newKey(), smp.ModeMessaging
	q.rcvKeys = []crypt.AuthPublic{ed25519Key().public}
	var data *smp.LinkData
	entity, _ := keyOf(smp.ID(command.Entity))
	if lnk, ok := answer.(smp.Lnk); ok {
		q.snd, _ = keyOf(lnk.SndID)
		q.link, data = &entity, &lnk.Data
	} else {
		q.snd = entity
	}
	switch f.Command {
	case "LGET":
		q.mode = smp.ModeContact
	case "SEND":
		if len(command.Auth) == 0 {
			q.mode = smp.ModeContact
			break
		}
		// The key that the recorded SKEY before had.
		r := readRecording(t)
		for _, other := range r.Forwards {
			if other.Command != "SKEY" {
				continue
			}
			t1 := must(p.ParseTransmission(must(smp.SplitBlock(nil, other.Inner))[0]))
			if bytes.Equal(t1.Entity, command.Entity) {
				q.sndKey = must(smp.ParseCommand(f.Version, t1.Body)).(smp.SKey).Key
			}
		}
		// The SKEY has made the queue.
		s.Relay.Delete(smp.ID(command.Entity))
	}
	if err := must(s.store.create(q, data)).wait(); err != nil {
		t.Fatal(err)
	}
}
