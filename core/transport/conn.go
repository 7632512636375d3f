package transport

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/transport/tls13"
	"github.com/sotto-chat/sotto/core/wire"
)

// BlockSize is the size of every block on the wire (smp-transport.md §6).
const BlockSize = crypt.BlockSize

// Longest contents of a block (smp-transport.md §6).
const (
	MaxContent          = BlockSize - 2         // before Encrypt
	MaxEncryptedContent = crypt.MaxBlockContent // after it
)

// Conn carries blocks over TLS. ReadBlock and WriteBlock may be called at the same time; Close
// ends both.
type Conn struct {
	tls *tls13.Conn

	readMu  sync.Mutex
	block   []byte // block[:n] has been read
	n       int
	receive *crypt.BlockChain

	writeMu sync.Mutex
	out     []byte
	send    *crypt.BlockChain
}

func newConn(c *tls13.Conn) *Conn {
	return &Conn{tls: c, block: make([]byte, BlockSize), out: make([]byte, 0, BlockSize)}
}

// Encrypt starts block encryption in both directions, after the handshake of the protocol
// above. The connection takes the chains over. It waits for a ReadBlock or WriteBlock in progress.
func (c *Conn) Encrypt(send, receive *crypt.BlockChain) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	c.send, c.receive = send, receive
}

// ReadBlock returns the content of the next block in memory of its own.
//
// After an error of crypt or wire, which tell that a block is not valid, the connection is still
// in order and the next block may be read. After a deadline ReadBlock may be repeated. The error is
// io.EOF if the relay closed the connection between two blocks.
func (c *Conn) ReadBlock() ([]byte, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	for c.n < BlockSize {
		n, err := c.tls.Read(c.block[c.n:])
		c.n += n
		if err == io.EOF && c.n > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && c.n < BlockSize {
			if err == io.EOF {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("transport: reading a block: %w", err)
		}
	}
	c.n = 0
	var content []byte
	var err error
	if c.receive != nil {
		content, err = c.receive.Open(c.block)
	} else if content, err = wire.Unpad(c.block); err == nil {
		content = bytes.Clone(content)
	}
	if err != nil {
		return nil, fmt.Errorf("transport: block is not valid: %w", err)
	}
	return content, nil
}

// WriteBlock sends a block in a single write. Its content has up to MaxContent or
// MaxEncryptedContent bytes; the error for a longer one is wire.ErrPadded, and nothing is sent.
func (c *Conn) WriteBlock(content []byte) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	var block []byte
	var err error
	if c.send != nil {
		block, err = c.send.Seal(c.out[:0], content)
	} else {
		block, err = wire.AppendPadded(c.out[:0], content, BlockSize)
	}
	if err == nil {
		_, err = c.tls.Write(block)
	}
	if err != nil {
		return fmt.Errorf("transport: writing a block of %d bytes: %w", len(content), err)
	}
	return nil
}

// SessionID returns the id that both sides bind the session to, 32 bytes (smp-transport.md §3).
func (c *Conn) SessionID() []byte { return c.tls.ClientFinished() }

// ServerChain returns the certificates that the relay sent in TLS as DER, leaf first. The caller
// must not change them.
func (c *Conn) ServerChain() [][]byte { return c.tls.ServerChain() }

// ServerKey returns the public key of the relay's leaf certificate.
func (c *Conn) ServerKey() crypt.PublicKey { return c.tls.ServerKey() }

// ALPN returns the protocol that the relay agreed to, empty if none: then it speaks the
// oldest version of its protocol only (smp-transport.md §1).
func (c *Conn) ALPN() string { return c.tls.ALPN() }

// SetReadDeadline sets the deadline of ReadBlock.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tls.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of WriteBlock. The connection is of no use for writing after
// one that has passed.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tls.SetWriteDeadline(t) }

// Close closes the connection. ReadBlock and WriteBlock fail with net.ErrClosed.
func (c *Conn) Close() error { return c.tls.Close() }

// Drop is Close for a connection that must not be used any more, as when there is to be another way: also what the
// system has still to send of it is not sent.
func (c *Conn) Drop() error { return c.tls.Drop() }

// Wipe overwrites the keys of block encryption, and what is left of the last blocks. It is to be
// called after Close.
func (c *Conn) Wipe() {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	for _, chain := range []*crypt.BlockChain{c.send, c.receive} {
		if chain != nil {
			chain.Wipe()
		}
	}
	clear(c.block)
	clear(c.out[:cap(c.out)])
}
