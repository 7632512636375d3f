package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// A proxySession is the connection of this relay, as a proxy, with another one. All clients
// that send to that relay share it.
type proxySession struct {
	conn      BlockConn
	id        []byte
	params    smp.Params
	versions  wire.VersionRange // for what clients forward
	chain     [][]byte
	signedKey []byte

	secretMu sync.RWMutex // held for writing when the secret is wiped
	secret   crypt.Secret

	writing sync.Mutex

	mu       sync.Mutex
	ended    bool
	pending  map[string]chan relayAnswer // by correlation id
	used     time.Time                   // of the last request
	received time.Time                   // of the last block
}

// relayAnswer is what the relay has answered with: a box, or what to tell the client.
type relayAnswer struct {
	box     []byte
	failure *smp.Error
}

// forward sends a client's command to the relay and returns the box of its answer.
func (s *proxySession) forward(ctx context.Context, f *smp.Forwarded) ([]byte, *smp.Error) {
	corrID := make([]byte, smp.CorrIDSize)
	rand.Read(corrID) // never fails
	nonce := crypt.NonceOf(corrID)
	content, failure := s.seal(corrID, f)
	if failure != nil {
		return nil, failure
	}
	answer := make(chan relayAnswer, 1)
	start := time.Now()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil, proxyError(smp.ProxyNoSession)
	}
	s.used = start
	s.pending[string(corrID)] = answer
	s.mu.Unlock()
	defer s.forget(corrID)

	if err := s.write(content); err != nil {
		s.conn.Close()
		return nil, connectionError(err)
	}
	timer := time.NewTimer(forwardTimeout)
	defer timer.Stop()
	select {
	case a := <-answer:
		if a.failure != nil {
			return nil, a.failure
		}
		return s.open(nonce.Reverse(), f, a.box)
	case <-timer.C:
		s.mu.Lock()
		silent := s.received.Before(start)
		s.mu.Unlock()
		if silent { // the relay is gone without a word
			s.conn.Close()
		}
		return nil, brokerError(smp.BrokerTimeout)
	case <-ctx.Done():
		return nil, smp.ErrInternal // nobody is there to read it
	}
}

// seal makes the block for a client's command.
func (s *proxySession) seal(corrID []byte, f *smp.Forwarded) ([]byte, *smp.Error) {
	s.secretMu.RLock()
	box := smp.SealRelayForward(&s.secret, crypt.NonceOf(corrID), f)
	s.secretMu.RUnlock()
	t := smp.Transmission{CorrID: corrID, Body: smp.Rfwd{Box: box}.Append(nil, s.params.Version)}
	encoded := s.params.AppendTransmission(nil, &t)
	if len(encoded) > smp.MaxTransmission {
		return nil, smp.ErrLarge
	}
	return smp.AppendBlock(nil, [][]byte{encoded}), nil
}

// open takes the box for the client out of the relay's answer.
func (s *proxySession) open(nonce crypt.Nonce, f *smp.Forwarded, sealed []byte) ([]byte, *smp.Error) {
	s.secretMu.RLock()
	corrID, box, err := smp.OpenRelayAnswer(&s.secret, nonce, sealed)
	s.secretMu.RUnlock()
	if err != nil {
		return nil, asError(err)
	}
	if string(corrID) != string(f.CorrID) {
		return nil, answerError(smp.BrokerUnexpected, "answer to another command")
	}
	return box, nil
}

func answerError(kind smp.BrokerErrorKind, text string) *smp.Error {
	failure := brokerError(kind)
	failure.Proxy.Broker.Text = text
	return failure
}

func (s *proxySession) forget(corrID []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, string(corrID))
}

// write writes a block. A relay that doesn't read must not hold up its senders for long.
func (s *proxySession) write(content []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(forwardTimeout))
	return s.conn.WriteBlock(content)
}

// lastUse returns when there was a request last, and whether none is waiting.
func (s *proxySession) lastUse() (at time.Time, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, len(s.pending) == 0
}

// read reads answers until the connection ends, is not used any more, or ctx is done.
func (s *proxySession) read(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	for {
		used, idle := s.lastUse()
		deadline := used.Add(destinationIdle)
		if idle && !time.Now().Before(deadline) {
			return
		}
		if !idle {
			deadline = time.Now().Add(destinationIdle)
		}
		s.conn.SetReadDeadline(deadline)
		content, err := s.conn.ReadBlock()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return
		}
		list, err := smp.SplitBlock(nil, content)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.received = time.Now()
		s.mu.Unlock()
		for _, b := range list {
			s.receive(b)
		}
	}
}

// receive hands an answer to who waits for it.
func (s *proxySession) receive(b []byte) {
	t, err := s.params.ParseTransmission(b)
	if err != nil {
		return
	}
	a := s.answer(&t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.pending[string(t.CorrID)]; answer != nil {
		delete(s.pending, string(t.CorrID))
		answer <- a
	}
}

// answer reads an answer, with the errors of smp-commands.md §9.
func (s *proxySession) answer(t *smp.Transmission) (a relayAnswer) {
	m, err := smp.ParseMessage(s.params.Version, t.Body)
	if err != nil {
		return relayAnswer{failure: answerError(smp.BrokerResponse, "unreadable answer")}
	}
	switch m := m.(type) {
	case smp.RRes:
		if len(t.Entity) == 0 {
			return relayAnswer{box: m.Box}
		}
	case *smp.Error:
		return relayAnswer{failure: &smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{Kind: smp.ProxyProtocol, Relay: m}}}
	}
	return relayAnswer{failure: answerError(smp.BrokerUnexpected, "unexpected answer")}
}

// end closes the connection and tells all who wait for an answer.
func (s *proxySession) end() {
	s.conn.Close()
	s.mu.Lock()
	s.ended = true
	for id, answer := range s.pending {
		delete(s.pending, id)
		answer <- relayAnswer{failure: brokerError(smp.BrokerNetwork)}
	}
	s.mu.Unlock()
	s.secretMu.Lock()
	s.secret.Wipe()
	s.secretMu.Unlock()
}
