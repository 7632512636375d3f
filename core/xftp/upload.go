package xftp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	mathrand "math/rand/v2"
	"sync"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// Upload stores an encrypted file on relays. Its state is in two kinds of pieces, so that little has to
// be saved at a time: AppendBinary encodes what Encrypt made, which does not change, and
// AppendChunk what became of a chunk.
type Upload struct {
	Key        crypt.Secret
	Nonce      crypt.Nonce
	Digest     Digest
	Recipients int       // how many get a description
	Redirect   *Redirect // nil unless the file is the description of another one
	Chunks     []UploadChunk
}

// UploadChunk is a chunk and what became of it.
type UploadChunk struct {
	Size   uint32
	Digest ChunkDigest

	State ChunkState
	// The relay has registered the chunk with these ids, from ChunkRegistered.
	Server     wire.Server
	Sender     ID
	SenderKey  crypt.Ed25519Private
	Recipients []UploadRecipient
}

// UploadRecipient is what a recipient needs for a chunk.
type UploadRecipient struct {
	ID  ID
	Key crypt.Ed25519Private
}

// ChunkState tells how far a chunk is.
type ChunkState byte

// States of chunks. A chunk whose relay fails for long becomes new again.
const (
	ChunkNew        ChunkState = iota // no relay knows it
	ChunkRegistered                   // a relay expects it
	ChunkUploaded                     // a relay has it
)

// String returns the name of the state.
func (s ChunkState) String() string {
	switch s {
	case ChunkNew:
		return "new"
	case ChunkRegistered:
		return "registered"
	case ChunkUploaded:
		return "uploaded"
	}
	return fmt.Sprintf("ChunkState(%d)", byte(s))
}

// Relay is a relay to upload to.
type Relay struct {
	Server   wire.Server
	Password string // empty for none
}

// UploadOptions say how an upload runs.
type UploadOptions struct {
	Options

	// Relays are those to choose from, by chance for each chunk.
	Relays []Relay

	// Save keeps the state of a chunk, from Upload.AppendChunk, for Upload.RestoreChunk after a
	// restart. An error ends the upload.
	Save func(chunk int, state []byte) error
}

// ErrNoRelay tells that there is no relay to transfer to or from.
var ErrNoRelay = errors.New("xftp: there is no relay")

// How often an upload of a chunk is tried before another relay is looked for: where the relay can't be
// reached, and where it refuses what it accepted before.
const (
	attemptsThere = 3
	attemptsAgain = 5
)

// Done tells whether all chunks are uploaded.
func (u *Upload) Done() bool {
	for i := range u.Chunks {
		if u.Chunks[i].State != ChunkUploaded {
			return false
		}
	}
	return true
}

// Size returns the size of the encrypted file in bytes.
func (u *Upload) Size() (n int64) {
	for i := range u.Chunks {
		n += int64(u.Chunks[i].Size)
	}
	return n
}

// Wipe overwrites the keys.
func (u *Upload) Wipe() {
	u.Key.Wipe()
	for i := range u.Chunks {
		u.Chunks[i].reset()
	}
}

// reset makes a chunk new. It leaves Size and Digest alone, which the uploads of other chunks read.
func (c *UploadChunk) reset() {
	c.SenderKey.Wipe()
	for i := range c.Recipients {
		c.Recipients[i].Key.Wipe()
	}
	c.State, c.Server, c.Sender, c.Recipients = ChunkNew, wire.Server{}, "", nil
}

// Descriptions returns the description for the sender, to delete the file with, and those for the
// recipients, after all chunks are uploaded. The keys in them are their own.
func (u *Upload) Descriptions() (sender *Description, recipients []*Description, err error) {
	if !u.Done() {
		return nil, nil, errors.New("xftp: the upload is not complete")
	}
	describe := func(party Party, replica func(*UploadChunk) (ID, crypt.Ed25519Private)) *Description {
		d := &Description{Party: party, Size: u.Size(), Digest: u.Digest, Key: u.Key, Nonce: u.Nonce, ChunkSize: u.Chunks[0].Size}
		for i := range u.Chunks {
			c := &u.Chunks[i]
			id, key := replica(c)
			d.Chunks = append(d.Chunks, Chunk{c.Size, c.Digest, []Replica{{c.Server, id, &key}}})
		}
		return d
	}
	sender = describe(Sender, func(c *UploadChunk) (ID, crypt.Ed25519Private) { return c.Sender, c.SenderKey })
	for i := range u.Recipients {
		d := describe(Recipient, func(c *UploadChunk) (ID, crypt.Ed25519Private) { return c.Recipients[i].ID, c.Recipients[i].Key })
		d.Redirect = u.Redirect
		recipients = append(recipients, d)
	}
	return sender, recipients, nil
}

// Replicas returns what relays have of the upload, also of one that is not complete, for Remove. The keys are those of u.
func (u *Upload) Replicas() (list []Replica) {
	for i := range u.Chunks {
		if c := &u.Chunks[i]; c.State != ChunkNew {
			list = append(list, Replica{c.Server, c.Sender, &c.SenderKey})
		}
	}
	return list
}

// Run uploads the chunks that are not uploaded yet from the encrypted file. A relay that fails is tried
// again, at growing intervals and for as long as ctx allows, or replaced by another one.
//
// The error is ErrNoRelay, ErrFile if file is not what Encrypt wrote, that of options.Save or of
// ctx, or a *RelayError if all relays refuse. Run may be called again after any of them.
func (u *Upload) Run(ctx context.Context, pool *Pool, file io.ReaderAt, options UploadOptions) error {
	if len(options.Relays) == 0 {
		return ErrNoRelay
	}
	run := &uploadRun{
		Upload: u, pool: pool, file: file, options: options,
		refused: map[string]bool{}, attempts: map[int]*attempts{},
	}
	var todo []int
	var done int64
	for i := range u.Chunks {
		if u.Chunks[i].State == ChunkUploaded {
			done += int64(u.Chunks[i].Size)
		} else {
			todo = append(todo, i)
		}
	}
	run.meter = newMeter(options.Progress, done, u.Size())
	steps := &runner{pool: pool, options: options.Options, candidates: run.candidates, failed: run.failed, step: run.upload}
	return steps.run(ctx, todo)
}

// An uploadRun is a call of Run. The runner's lock guards the maps; a chunk is changed by its step, of
// which there is one at a time, and by failed after it.
type uploadRun struct {
	*Upload
	pool    *Pool
	file    io.ReaderAt
	options UploadOptions
	meter   *meter

	refused  map[string]bool // relays that register nothing
	attempts map[int]*attempts

	saving sync.Mutex
}

// attempts counts the failures with a chunk.
type attempts struct{ there, again int }

// candidates are the relay that expects the chunk, or all in a random order.
func (r *uploadRun) candidates(chunk int) []wire.Server {
	if c := &r.Chunks[chunk]; c.State == ChunkRegistered {
		return []wire.Server{c.Server}
	}
	var list []wire.Server
	for _, relay := range r.options.Relays {
		if !r.refused[relay.Server.String()] {
			list = append(list, relay.Server)
		}
	}
	mathrand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (r *uploadRun) failed(chunk int, server wire.Server, err error) verdict {
	c := &r.Chunks[chunk]
	a := r.attempts[chunk]
	if a == nil {
		a = new(attempts)
		r.attempts[chunk] = a
	}
	switch {
	case c.State == ChunkNew && lasting(err):
		r.refused[server.String()] = true
		return elsewhere
	case c.State == ChunkNew:
		return retry
	case lasting(err) || errors.Is(err, ErrQuota):
		// What was registered is gone, or no good; or there is no room any more.
		if a.again++; a.again >= attemptsAgain {
			return fatal
		}
		a.there = 0
		c.reset()
		return retry
	}
	if a.there++; a.there >= attemptsThere && len(r.options.Relays) > 1 {
		a.there = 0
		c.reset()
	}
	return retry
}

// upload does all that is left to do for a chunk.
func (r *uploadRun) upload(ctx context.Context, chunk int, server wire.Server) error {
	c := &r.Chunks[chunk]
	return r.pool.Do(ctx, server, r.options.Way, func(ctx context.Context, client *Client) error {
		if c.State == ChunkNew {
			if err := r.register(ctx, client, c, server); err != nil {
				return err
			}
			if err := r.save(chunk); err != nil {
				return err
			}
		}
		for len(c.Recipients) < r.Recipients {
			if err := c.addRecipients(ctx, client, r.Recipients); err != nil {
				return err
			}
			if err := r.save(chunk); err != nil {
				return err
			}
		}
		if err := r.put(ctx, client, chunk); err != nil {
			return err
		}
		c.State = ChunkUploaded
		return r.save(chunk)
	})
}

func (r *uploadRun) save(chunk int) error {
	if r.options.Save == nil {
		return nil
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	if err := r.options.Save(chunk, r.AppendChunk(nil, chunk)); err != nil {
		return local("saving the state of an upload", err)
	}
	return nil
}

// newRecipients makes keys for the next recipients of one command.
func newRecipients(n int) (list []UploadRecipient, keys []crypt.AuthPublic, err error) {
	for range min(n, MaxKeys) {
		key, err := crypt.NewEd25519(rand.Reader)
		if err != nil {
			return nil, nil, &localError{err}
		}
		list, keys = append(list, UploadRecipient{Key: key}), append(keys, key.Public())
	}
	return list, keys, nil
}

func (r *uploadRun) register(ctx context.Context, client *Client, c *UploadChunk, server wire.Server) error {
	sender, err := crypt.NewEd25519(rand.Reader)
	if err != nil {
		return &localError{err}
	}
	list, keys, err := newRecipients(r.Recipients)
	if err != nil {
		return err
	}
	cmd := FNew{Sender: sender.Public(), Size: c.Size, Digest: c.Digest[:], Recipients: keys}
	for _, relay := range r.options.Relays {
		if relay.Server.String() == server.String() {
			cmd.Password = relay.Password
		}
	}
	ids, err := client.New(ctx, &sender, cmd)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].ID = ids.Recipients[i]
	}
	// The state changes last: until then the chunk is new.
	c.Server, c.Sender, c.SenderKey, c.Recipients = server, ids.Sender, sender, list
	c.State = ChunkRegistered
	return nil
}

func (c *UploadChunk) addRecipients(ctx context.Context, client *Client, wanted int) error {
	list, keys, err := newRecipients(wanted - len(c.Recipients))
	if err != nil {
		return err
	}
	ids, err := client.Add(ctx, c.Sender, &c.SenderKey, keys)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].ID = ids[i]
	}
	c.Recipients = append(c.Recipients, list...)
	return nil
}

func (r *uploadRun) put(ctx context.Context, client *Client, chunk int) error {
	c := &r.Chunks[chunk]
	var at int64
	for i := range chunk {
		at += int64(r.Chunks[i].Size)
	}
	moved := share{meter: r.meter}
	body := &verifiedReader{r: io.NewSectionReader(r.file, at, int64(c.Size)), left: int64(c.Size), sum: sha256.New(), digest: c.Digest}
	err := client.Put(ctx, c.Sender, &c.SenderKey, body, c.Size, moved.add)
	moved.end(err)
	return err
}

// A verifiedReader fails if the chunk is not what it was when it was encrypted: no relay is to be
// blamed for what happened on this computer's disk.
type verifiedReader struct {
	r      io.Reader
	left   int64
	sum    hash.Hash
	digest ChunkDigest
}

func (v *verifiedReader) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	v.left -= int64(n)
	switch {
	case err == io.EOF && v.left > 0:
		return n, fmt.Errorf("%w: the encrypted copy is too short", ErrFile)
	case err != nil && err != io.EOF:
		return n, fmt.Errorf("xftp: reading the encrypted file: %w", err)
	case v.left == 0 && ChunkDigest(v.sum.Sum(nil)) != v.digest:
		return n, fmt.Errorf("%w: the encrypted copy changed on disk", ErrFile)
	}
	return n, err
}
