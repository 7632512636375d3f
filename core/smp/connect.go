package smp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

// Errors of the handshake. None of them goes away by trying again soon.
var (
	// ErrVersion tells that there is no version that both sides speak.
	ErrVersion = errors.New("smp: the relay speaks no version of the protocol that this program knows")
	// ErrIdentity tells that the relay is not the one that its address names.
	ErrIdentity = errors.New("smp: the relay could not prove that it is the one of its address")
)

// A Conn carries blocks of one connection with a relay; it is a *transport.Conn outside tests.
type Conn interface {
	// ReadBlock returns the content of the next block in memory of its own.
	ReadBlock() ([]byte, error)
	// WriteBlock writes a block and keeps nothing of content.
	WriteBlock(content []byte) error
	// Encrypt starts block encryption in both directions.
	Encrypt(send, receive *crypt.BlockChain)
	// SessionID is the client's Finished of TLS.
	SessionID() []byte
	// ServerKey is the key of the leaf certificate in TLS.
	ServerKey() crypt.PublicKey
	// Close makes ReadBlock and WriteBlock return.
	Close() error
	// Wipe overwrites keys after both have returned for good.
	Wipe()
}

// handshake makes a client of a connection, which it takes over (smp-transport.md §4).
func handshake(ctx context.Context, conn Conn, config Config, server wire.Server) (*Client, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c := &Client{conn: conn, config: config}
	err := c.handshake(server.KeyHash)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		conn.Wipe()
		return nil, fmt.Errorf("smp: handshake with the relay: %w", err)
	}
	c.start()
	return c, nil
}

func (c *Client) handshake(fingerprint wire.KeyHash) (err error) {
	defer fault.Contain(&err)
	content, err := c.conn.ReadBlock()
	if err != nil {
		return err
	}
	hello, err := ParseServerHello(content)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if !crypt.Equal(hello.SessionID, c.conn.SessionID()) {
		return fmt.Errorf("%w: %w", ErrIdentity, TransportSession)
	}
	version, ok := c.config.Versions.Agree(hello.Versions)
	if !ok {
		return ErrVersion
	}
	c.params = Params{Version: version, SessionID: hello.SessionID}
	answer := ClientHello{Version: version, KeyHash: fingerprint}
	if version < versionSessionKeys {
		return c.conn.WriteBlock(answer.Append(nil))
	}
	if c.relayKey, err = hello.verify(fingerprint, c.conn.ServerKey()); err != nil {
		return err
	}
	key, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return err
	}
	defer key.Wipe()
	secret, err := key.DH(*c.relayKey)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	defer secret.Wipe()
	public := key.Public()
	answer.Key = &public
	if err := c.conn.WriteBlock(answer.Append(nil)); err != nil {
		return err
	}
	if version >= versionBlockEncryption {
		receive, send := crypt.NewBlockChains(hello.SessionID, &secret)
		c.conn.Encrypt(send, receive)
	}
	return nil
}

// verify returns the relay's session key if the relay of the fingerprint signed it with leaf.
func (h *ServerHello) verify(fingerprint wire.KeyHash, leaf crypt.PublicKey) (*crypt.X25519Public, error) {
	// The identity is the second of two to four certificates (smp-transport.md §2).
	if len(h.Chain) < 2 || len(h.Chain) > 4 || crypt.Fingerprint(h.Chain[1]) != fingerprint {
		return nil, fmt.Errorf("%w: another certificate", ErrIdentity)
	}
	key, err := crypt.OpenSessionKey(h.SignedKey, leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return &key, nil
}
