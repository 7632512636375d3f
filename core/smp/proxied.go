package smp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/transport/tls13"
	"github.com/sotto-chat/sotto/core/wire"
)

// Proxied sends commands to a relay through another one, so that the relay does not see the
// address of this computer, and the proxy does not see what is sent, nor to which queue
// (smp-commands.md §9).
type Proxied struct {
	proxy  *Client
	params Params // of the proxy's session with the relay
	key    crypt.X25519Public
	turns  chan struct{} // holds one for each command that is forwarded
}

// A relay of the reference forwards 32 commands of a connection at a time, and executes none of its other commands while one more waits
// (smp-server.md). One relay that does not answer must not hold up what goes to others, or messages that the proxy has for us.
const (
	maxForwards   = 30 // commands to a proxy at a time
	maxForwardsTo = 10 // of them to one relay
)

func newProxied(proxy *Client, params Params, key crypt.X25519Public) *Proxied {
	return &Proxied{proxy: proxy, params: params, key: key, turns: make(chan struct{}, maxForwardsTo)}
}

// take waits for a turn.
func (c *Client) take(ctx context.Context, turns chan<- struct{}) error {
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stop:
		return c.Err()
	}
}

// Proxy asks the relay of this session to be the proxy to another one. password is the proxy's,
// empty for none. The error is ErrUnknownCommand if the proxy is too old to be one, and an *Error of KindProxy if it refuses
// or can't connect.
func (c *Client) Proxy(ctx context.Context, server wire.Server, password string) (*Proxied, error) {
	if err := c.take(ctx, c.forwards); err != nil {
		return nil, err
	}
	answer, err := c.Do(ctx, Request{Command: Prxy{server, password}})
	<-c.forwards
	if errors.Is(err, ErrUnknownCommand) {
		return nil, err
	} else if err != nil {
		return nil, byProxy(err)
	}
	p, ok := answer.(PKey)
	if !ok {
		return nil, ErrProtocol
	}
	version, ok := ProxyVersions.Agree(p.Versions)
	if version = min(version, c.config.Versions.Max); !ok || version < max(ProxyVersions.Min, p.Versions.Min) {
		return nil, ErrVersion
	}
	leaf, err := tls13.VerifyChain(p.Chain, server.KeyHash, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	key, err := crypt.OpenSessionKey(p.SignedKey, leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return newProxied(c, Params{Version: version, SessionID: p.SessionID}, key), nil
}

// Err returns the reason why the session with the proxy has ended, nil while it lasts.
func (p *Proxied) Err() error { return p.proxy.Err() }

// Do sends a Send, SKey, LKey or LGet and returns the relay's answer. The error is an *Error: of
// KindProxy if it comes from the proxy, of another kind if it comes from the relay; or one of the
// errors of Client.Do.
func (p *Proxied) Do(ctx context.Context, r Request) (Message, error) {
	if send, ok := r.Command.(Send); ok && len(send.Body) > MaxBody(p.params.Version) {
		return nil, fmt.Errorf("smp: message of %d bytes: %w", len(send.Body), ErrLarge)
	}
	for _, turns := range []chan struct{}{p.turns, p.proxy.forwards} {
		if err := p.proxy.take(ctx, turns); err != nil {
			return nil, err
		}
		defer func() { <-turns }()
	}
	corrID := make([]byte, CorrIDSize)
	if _, err := rand.Read(corrID); err != nil {
		return nil, fmt.Errorf("smp: reading randomness for a command: %w", err)
	}
	// The relay's session is the proxy's: its id is authorized, and its key.
	inner := Transmission{CorrID: corrID, Entity: []byte(r.Entity), Body: r.Command.Append(nil, p.params.Version)}
	if r.Key != nil {
		if err := inner.Authorize(p.params, r.Key, &p.key); err != nil {
			return nil, err
		}
	}
	once, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return nil, err
	}
	defer once.Wipe()
	secret, err := once.DH(p.key)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	nonce := crypt.NonceOf(corrID)
	box, err := SealForward(&secret, nonce, p.params.AppendTransmission(nil, &inner))
	if err != nil {
		return nil, err
	}
	answer, err := p.proxy.Do(ctx, Request{Entity: ID(p.params.SessionID), CorrID: corrID, Command: Pfwd{p.params.Version, once.Public(), box}})
	if err != nil {
		return nil, byProxy(err)
	}
	res, ok := answer.(PRes)
	if !ok {
		return nil, ErrProtocol
	}
	content, err := OpenForward(&secret, nonce.Reverse(), res.Box)
	if err != nil {
		return nil, fmt.Errorf("%w: the proxied answer does not open", ErrProtocol)
	}
	list, err := SplitBlock(nil, content)
	if err != nil || len(list) != 1 {
		return nil, fmt.Errorf("%w: the proxied answer can't be read", ErrProtocol)
	}
	t, err := p.params.ParseTransmission(list[0])
	if err != nil {
		return nil, fmt.Errorf("%w: the proxied answer can't be read", ErrProtocol)
	}
	m, err := ParseMessage(p.params.Version, t.Body)
	if err != nil {
		return nil, &UnexpectedError{Command: r.Command}
	}
	q := request{Request: r}
	result := q.accept(ID(t.Entity), m)
	var refused *Error
	if !errors.As(result.Err, &refused) && !crypt.Equal(t.CorrID, corrID) {
		return nil, &UnexpectedError{r.Command, m}
	}
	return result.Message, result.Err
}

// byProxy has a refusal of a proxy tell that it is not that of the relay, which would be for good: a failure in the proxy is not.
func byProxy(err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Kind != KindProxy {
		return &Error{Kind: KindProxy, Proxy: &ProxyError{Kind: ProxyProtocol, Relay: refused}}
	}
	return err
}

// Proxy waits until the session is connected and does what Client.Proxy does. What it returns
// is of use until the session is next down.
func (s *Session) Proxy(ctx context.Context, server wire.Server, password string) (*Proxied, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return nil, err
	}
	return c.Proxy(ctx, server, password)
}
