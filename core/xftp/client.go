package xftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// Errors of a Client. A command that failed with one of the first three may have been executed.
var (
	// ErrTimeout tells that the relay did not answer in time, or too slowly.
	ErrTimeout = errors.New("xftp: the relay did not answer in time")
	// ErrClosed tells that the session has ended; it is wrapped with the cause.
	ErrClosed = errors.New("xftp: the session with the relay has ended")
	// ErrProtocol tells that the relay broke the protocol.
	ErrProtocol = errors.New("xftp: the relay broke the protocol")
	// ErrCorrupt tells that the relay returned other bytes than those of the chunk.
	ErrCorrupt = errors.New("xftp: the relay did not return the chunk as it was uploaded")
	// ErrVersion tells that there is no version that both sides speak.
	ErrVersion = errors.New("xftp: the relay speaks no version of the protocol that this program knows")
	// ErrIdentity tells that the relay is not the one that its address names.
	ErrIdentity = errors.New("xftp: the relay could not prove that it is the one of its address")
)

// A Client is a session with one relay. It sends one request at a time, as relays expect it
// (xftp.md §1): calls of its methods at the same time wait for each other.
type Client struct {
	link     *link
	config   Config
	params   Params
	relayKey *crypt.X25519Public // nil in a session without handshake
	turn     chan struct{}       // holds one during a request

	mu  sync.Mutex
	err error
}

// Params returns what the handshake agreed on.
func (c *Client) Params() Params { return c.params }

// Err returns nil while the session lasts, then ErrClosed wrapped with the cause.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && !c.link.usable() {
		c.err = &closedError{errors.New("the relay closed it")}
	}
	return c.err
}

// Close ends the session. A request in progress fails with ErrClosed.
func (c *Client) Close() { c.fail(errors.New("closed")) }

// drop is Close for a connection that must not be used any more: what was written and waits to be sent is not sent.
func (c *Client) drop() {
	c.link.drop()
	c.fail(errors.New("closed"))
}

// fail ends the session with a cause.
func (c *Client) fail(cause error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = &closedError{cause}
	}
	c.mu.Unlock()
	c.link.close()
}

// Ping asks whether the relay is there.
func (c *Client) Ping(ctx context.Context) error {
	return c.do(ctx, &exchange{command: Ping{}})
}

// New registers a chunk; the message names it. key is the private half of cmd.Sender.
func (c *Client) New(ctx context.Context, key smp.AuthKey, cmd FNew) (SIDs, error) {
	x := &exchange{command: cmd, key: key}
	if err := c.do(ctx, x); err != nil {
		return SIDs{}, err
	}
	ids := x.answer.(SIDs)
	if len(ids.Recipients) != len(cmd.Recipients) {
		return SIDs{}, fmt.Errorf("%w: another number of ids", ErrProtocol)
	}
	return ids, nil
}

// Add registers more recipients and returns their ids, in the same order.
func (c *Client) Add(ctx context.Context, sender ID, key smp.AuthKey, recipients []crypt.AuthPublic) ([]ID, error) {
	x := &exchange{command: FAdd{recipients}, entity: sender, key: key}
	if err := c.do(ctx, x); err != nil {
		return nil, err
	}
	ids := x.answer.(RIDs).Recipients
	if len(ids) != len(recipients) {
		return nil, fmt.Errorf("%w: another number of ids", ErrProtocol)
	}
	return ids, nil
}

// Put uploads the registered number of bytes of chunk. moved, if not nil, is told how many bytes were
// sent since the last call. A relay that refuses does so before it has read the chunk, and the session
// ends with its *Error.
func (c *Client) Put(ctx context.Context, sender ID, key smp.AuthKey, chunk io.Reader, size uint32, moved func(int)) error {
	return c.do(ctx, &exchange{command: FPut{}, entity: sender, key: key, chunk: chunk, size: int64(size), moved: moved})
}

// Get downloads a chunk to w. If its size or digest is not the expected one, the error is ErrCorrupt
// and what w got is not to be used. moved, if not nil, is told how many bytes came since the last
// call.
func (c *Client) Get(ctx context.Context, recipient ID, key smp.AuthKey, w io.Writer, size uint32, digest ChunkDigest, moved func(int)) error {
	private, err := crypt.NewX25519(rand.Reader)
	if err != nil {
		return err
	}
	defer private.Wipe()
	x := &exchange{command: FGet{private.Public()}, entity: recipient, key: key}
	x.receive = func(body io.Reader) error {
		file := x.answer.(File)
		secret, err := private.DH(file.Key)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		defer secret.Wipe()
		return receiveChunk(w, body, &secret, file.Nonce, int64(size), digest, moved)
	}
	return c.do(ctx, x)
}

// Ack deletes the recipient's id: the chunk can't be downloaded with it any more.
func (c *Client) Ack(ctx context.Context, recipient ID, key smp.AuthKey) error {
	return c.do(ctx, &exchange{command: FAck{}, entity: recipient, key: key})
}

// Delete deletes a chunk.
func (c *Client) Delete(ctx context.Context, sender ID, key smp.AuthKey) error {
	return c.do(ctx, &exchange{command: FDel{}, entity: sender, key: key})
}

// An exchange is a command and its answer.
type exchange struct {
	command Command
	entity  ID
	key     smp.AuthKey // nil for Ping
	chunk   io.Reader   // follows the command
	size    int64       // of chunk
	moved   func(int)   // is told how much of chunk was sent; may be nil

	answer  Message
	receive func(body io.Reader) error // reads what follows the answer; nil expects nothing
}

func (c *Client) do(ctx context.Context, x *exchange) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := c.Err(); err != nil {
		return err
	}
	request, corrID, err := c.request(x)
	if err != nil {
		return err
	}
	watch := newWatch(ctx, c.config.CommandTimeout, x)
	defer watch.stop()
	sent, err := c.send(watch, request, corrID, x)
	var refused *Error
	var local *localError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && sent && x.chunk == nil:
		return err
	case errors.As(err, &refused):
		// Relays take it for an error of the connection that the rest of the chunk is not sent; and what was sent of it and not read
		// stays missing in the connection's window.
		c.fail(errors.New("an upload was refused"))
		return err
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrCorrupt), errors.As(err, &local):
	case ctx.Err() != nil:
		err = ctx.Err()
	case watch.expired():
		err = ErrTimeout
	}
	if !sent { // what waits to be sent of it has no use
		c.link.drop()
	}
	c.fail(err)
	return err
}

// request is the block of a command.
func (c *Client) request(x *exchange) (block, corrID []byte, err error) {
	t := smp.Transmission{Entity: []byte(x.entity), Body: x.command.Append(nil, c.params.Version)}
	// As in the reference there is a correlation id only where it is a nonce.
	if _, dh := x.key.(*crypt.X25519Private); dh {
		t.CorrID = make([]byte, smp.CorrIDSize)
		if _, err := rand.Read(t.CorrID); err != nil {
			return nil, nil, fmt.Errorf("xftp: reading randomness for a correlation id: %w", err)
		}
	}
	if x.key != nil {
		if err := c.params.Authorize(&t, x.key, c.relayKey); err != nil {
			return nil, nil, err
		}
	}
	block, err = c.params.AppendBlock(nil, &t)
	return block, t.CorrID, err
}

// send sends a request and reads its answer. sent tells that all of the request was sent.
func (c *Client) send(watch *watch, request, corrID []byte, x *exchange) (sent bool, err error) {
	body := &requestBody{block: request, chunk: x.chunk, left: x.size, watch: watch, moved: x.moved}
	err = c.converse(watch, body, corrID, x)
	sent, failure := body.close()
	switch {
	case failure != nil:
		return false, &localError{failure}
	case err == nil && !sent:
		return false, fmt.Errorf("%w: an answer before the end of the request", ErrProtocol)
	}
	return sent, err
}

func (c *Client) converse(watch *watch, body *requestBody, corrID []byte, x *exchange) error {
	response, err := c.link.post(watch, body)
	if err != nil {
		return err
	}
	defer response.Close()
	r := &countedReader{r: response, watch: watch}
	block := make([]byte, BlockSize)
	if _, err := io.ReadFull(r, block); err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: an answer of less than a block", ErrProtocol)
	} else if err != nil {
		return err
	}
	x.answer, err = c.parse(block, corrID, x)
	var refused *Error
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	if err == nil && x.receive != nil {
		if err := x.receive(r); err != nil {
			return err
		}
	}
	// The answer is read to its end, as relays take a request that is given up for an error.
	switch n, end := io.ReadFull(r, block[:1]); {
	case n > 0 && err == nil && x.receive != nil:
		return fmt.Errorf("%w: it is too long", ErrCorrupt)
	case n > 0:
		return fmt.Errorf("%w: an answer of more than a block", ErrProtocol)
	case err == nil && end != io.EOF:
		return end
	}
	return err
}

// parse reads the block of an answer.
func (c *Client) parse(block, corrID []byte, x *exchange) (Message, error) {
	t, err := c.params.ParseBlock(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrProtocol, err)
	}
	m, err := ParseMessage(c.params.Version, t.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: an answer that can't be read", ErrProtocol)
	}
	if e, ok := m.(*Error); ok {
		return nil, e // errors have any entity
	}
	entity := x.entity
	if _, ids := m.(SIDs); ids {
		entity = ""
	}
	if !answers(x.command, m) || string(t.Entity) != string(entity) || !bytes.Equal(t.CorrID, corrID) {
		return nil, fmt.Errorf("%w: %T for %T", ErrProtocol, m, x.command)
	}
	return m, nil
}

// answers tells whether m is an answer that cmd has.
func answers(cmd Command, m Message) (ok bool) {
	switch cmd.(type) {
	case FNew:
		_, ok = m.(SIDs)
	case FAdd:
		_, ok = m.(RIDs)
	case FGet:
		_, ok = m.(File)
	case Ping:
		_, ok = m.(Pong)
	default:
		_, ok = m.(OK)
	}
	return ok
}

// pieceSize is how much of a chunk is received at a time.
const pieceSize = 16 << 10

// receiveChunk decrypts the chunk in the body of an answer to w.
func receiveChunk(w io.Writer, body io.Reader, secret *crypt.Secret, nonce crypt.Nonce, size int64, digest ChunkDigest, moved func(int)) error {
	key := secret.BoxKey()
	defer key.Wipe()
	box, sum := key.Stream(nonce), sha256.New()
	defer box.Wipe()
	buffer := make([]byte, min(size, pieceSize))
	for size > 0 {
		piece := buffer[:min(size, int64(len(buffer)))]
		if err := readChunk(body, piece); err != nil {
			return err
		}
		box.Open(piece)
		sum.Write(piece)
		if _, err := w.Write(piece); err != nil {
			return &localError{diskError("writing a chunk", err)}
		}
		if moved != nil {
			moved(len(piece))
		}
		size -= int64(len(piece))
	}
	var tag [TagSize]byte
	if err := readChunk(body, tag[:]); err != nil {
		return err
	}
	if !box.Verify(tag[:]) {
		return fmt.Errorf("%w: it does not authenticate", ErrCorrupt)
	}
	if !slices.Equal(sum.Sum(nil), digest[:]) {
		return fmt.Errorf("%w: it has another digest", ErrCorrupt)
	}
	return nil
}

// readChunk fills p. A body that ends is a chunk that is too short; a connection that ends is not.
func readChunk(body io.Reader, p []byte) error {
	for len(p) > 0 {
		n, err := body.Read(p)
		p = p[n:]
		if err == io.EOF && len(p) > 0 {
			return fmt.Errorf("%w: it is too short", ErrCorrupt)
		}
		if err != nil && len(p) > 0 {
			return err
		}
	}
	return nil
}

// A closedError is an ErrClosed with its cause, whose text may hold addresses and is not shown.
type closedError struct{ cause error }

func (e *closedError) Error() string   { return ErrClosed.Error() }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.cause} }

// localError is a failure on this computer: no relay is to blame for it.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }
