package smp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

func TestMain(m *testing.M) {
	fault.Report(func(e *fault.Error) { panic(e) })
	goleak.VerifyTestMain(m)
}

// pipeConn is a conn over one end of a net.Pipe, without TLS.
type pipeConn struct {
	net.Conn
	sessionID []byte
	leaf      crypt.PublicKey

	mu            sync.Mutex // Encrypt, while the other direction is in use
	send, receive *crypt.BlockChain
}

func (c *pipeConn) ReadBlock() ([]byte, error) {
	block := make([]byte, crypt.BlockSize)
	if _, err := io.ReadFull(c.Conn, block); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.receive != nil {
		return c.receive.Open(block)
	}
	return wire.Unpad(block)
}

func (c *pipeConn) WriteBlock(content []byte) error {
	c.mu.Lock()
	seal := func() ([]byte, error) { return wire.AppendPadded(nil, content, crypt.BlockSize) }
	if c.send != nil {
		seal = func() ([]byte, error) { return c.send.Seal(nil, content) }
	}
	block, err := seal()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = c.Conn.Write(block)
	return err
}

func (c *pipeConn) Encrypt(send, receive *crypt.BlockChain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send, c.receive = send, receive
}

func (c *pipeConn) SessionID() []byte          { return c.sessionID }
func (c *pipeConn) ServerKey() crypt.PublicKey { return c.leaf }
func (c *pipeConn) Wipe()                      {}

// testIdentity is the identity certificate of the scripted relay: nothing reads more of
// it than its fingerprint.
var testIdentity = []byte("identity certificate")

func testServer() wire.Server {
	return wire.Server{Scheme: wire.SMP, Hosts: []string{"relay.example"}, KeyHash: crypt.Fingerprint(testIdentity)}
}

// script is the relay's end of a connection, for a test to do with it what it wants.
type script struct {
	*pipeConn
	t      *testing.T
	params Params
	key    crypt.X25519Private
	hello  ServerHello
}

// newScript makes a pair of ends with a relay that offers versions up to max.
func newScript(t *testing.T, max uint16) (*pipeConn, *script) {
	a, b := net.Pipe()
	leaf := crypt.Ed25519Private{1}
	id := bytes.Repeat([]byte{7}, 32)
	s := &script{t: t, pipeConn: &pipeConn{Conn: b}, key: crypt.X25519Private{2}}
	s.hello = ServerHello{
		Versions:  wire.VersionRange{Min: 6, Max: max},
		SessionID: id,
		Chain:     [][]byte{[]byte("leaf certificate"), testIdentity},
		SignedKey: crypt.AppendSignedKey(nil, s.key.Public(), &leaf),
	}
	return &pipeConn{Conn: a, sessionID: id, leaf: leaf.Public()}, s
}

// handshake plays the relay's part.
func (s *script) handshake() error {
	if err := s.WriteBlock(s.hello.Append(nil)); err != nil {
		return err
	}
	content, err := s.ReadBlock()
	if err != nil {
		return err
	}
	client, err := ParseClientHello(content)
	if err != nil {
		return err
	}
	s.params = Params{client.Version, s.hello.SessionID}
	if client.Version >= versionBlockEncryption {
		secret, err := s.key.DH(*client.Key)
		if err != nil {
			return err
		}
		s.Encrypt(crypt.NewBlockChains(s.hello.SessionID, &secret))
	}
	return nil
}

// next reads the commands of a block.
func (s *script) next() ([]Transmission, error) {
	content, err := s.ReadBlock()
	if err != nil {
		return nil, err
	}
	list, err := SplitBlock(nil, content)
	if err != nil {
		return nil, err
	}
	var out []Transmission
	for _, b := range list {
		t, err := s.params.ParseTransmission(b)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// reply is one transmission of a relay.
func (s *script) reply(corrID, entity []byte, m Message) []byte {
	return s.params.AppendTransmission(nil, &Transmission{CorrID: corrID, Entity: entity, Body: m.Append(nil, s.params.Version)})
}

func (s *script) write(list ...[]byte) error { return s.WriteBlock(AppendBlock(nil, list)) }

// serve answers every command with what answer returns, until the connection ends. Nil
// answers nothing.
func (s *script) serve(answer func(cmd Command, t Transmission) Message) {
	for {
		list, err := s.next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
				s.t.Errorf("the relay reads: %v", err)
			}
			return
		}
		var replies [][]byte
		for _, t := range list {
			cmd, err := ParseCommand(s.params.Version, t.Body)
			if err != nil {
				s.t.Errorf("the relay reads %.10q: %v", t.Body, err)
				return
			}
			if err := CheckCredentials(cmd, &t); err != nil {
				s.t.Errorf("%T: %v", cmd, err)
			}
			if m := answer(cmd, t); m != nil {
				replies = append(replies, s.reply(t.CorrID, t.Entity, m))
			}
		}
		groups, err := Batch(replies)
		if err != nil {
			s.t.Errorf("the relay's answers: %v", err)
		}
		for _, g := range groups {
			if s.write(g...) != nil {
				return
			}
		}
	}
}

// dial connects a client with a relay that does what play says after its handshake.
func dial(t *testing.T, max uint16, play func(*script)) *Client {
	t.Helper()
	conn, s := newScript(t, max)
	played := make(chan struct{})
	go func() {
		defer close(played)
		defer s.Close()
		if err := s.handshake(); err != nil {
			t.Errorf("the relay's handshake: %v", err)
			return
		}
		play(s)
	}()
	c, err := handshake(context.Background(), conn, Config{}.withDefaults(), testServer())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-played
	})
	return c
}
