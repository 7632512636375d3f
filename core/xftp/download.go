package xftp

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

// Storage is where the chunks of a download are collected: an *os.File. What is in it is encrypted.
type Storage interface {
	io.ReaderAt
	io.WriterAt
}

// attemptsCorrupt is how often a relay may return wrong bytes for a chunk: the first time they may
// come from its cache or its disk.
const attemptsCorrupt = 2

// Download collects the chunks of a file, which Open then verifies and decrypts. Chunks that file has
// from an earlier, interrupted download of the same description are kept, as their digests tell, so that
// nothing else has to be saved. How much room a file of d.Size bytes may take, and whether to connect
// to d.Servers, is for the caller to decide.
//
// A relay that fails is tried again, at growing intervals and for as long as ctx allows. The error is
// ErrDiskFull or another of file, that of ctx, or a *RelayError if a chunk can't be had, among them
// ErrAuth, when it is not there any more, ErrBlocked and ErrCorrupt.
func Download(ctx context.Context, pool *Pool, d *Description, file Storage, options Options) (err error) {
	defer fault.Contain(&err)
	if d.Party != Recipient {
		return invalid("not a recipient's")
	}
	if err := d.Validate(); err != nil {
		return err
	}
	missing, done, err := check(ctx, d, file)
	if err != nil {
		return err
	}
	m := newMeter(options.Progress, done, d.Size)
	replicas := newReplicaSet(d)
	r := &runner{pool: pool, options: options, candidates: replicas.candidates, failed: replicas.failed}
	r.step = func(ctx context.Context, chunk int, server wire.Server) error {
		c := &d.Chunks[chunk]
		replica := c.replica(server)
		return pool.Do(ctx, server, options.Way, func(ctx context.Context, client *Client) error {
			moved := share{meter: m}
			w := io.NewOffsetWriter(file, d.offset(chunk))
			err := client.Get(ctx, replica.ID, replica.Key, w, c.Size, c.Digest, moved.add)
			moved.end(err)
			return err
		})
	}
	return r.run(ctx, missing)
}

// check returns the chunks that file does not have, and how many bytes it has.
func check(ctx context.Context, d *Description, file io.ReaderAt) (missing []int, done int64, err error) {
	buffer := make([]byte, bufferSize)
	var at int64
	for i, c := range d.Chunks {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		sum := sha256.New()
		n, err := io.CopyBuffer(sum, io.NewSectionReader(file, at, int64(c.Size)), buffer)
		if err != nil {
			return nil, 0, diskError("reading the encrypted file", err)
		}
		at += int64(c.Size)
		if n == int64(c.Size) && ChunkDigest(sum.Sum(nil)) == c.Digest {
			done += n
		} else {
			missing = append(missing, i)
		}
	}
	return missing, done, nil
}

// offset is where a chunk starts in the encrypted file.
func (d *Description) offset(chunk int) (n int64) {
	for _, c := range d.Chunks[:chunk] {
		n += int64(c.Size)
	}
	return n
}

// replica returns the copy on a relay.
func (c *Chunk) replica(server wire.Server) *Replica {
	name := server.String()
	for i := range c.Replicas {
		if c.Replicas[i].Server.String() == name {
			return &c.Replicas[i]
		}
	}
	return nil
}

// A replicaSet knows which copies of chunks are still worth trying.
type replicaSet struct {
	servers [][]wire.Server
	corrupt map[corruptKey]int
}

type corruptKey struct {
	chunk  int
	server string
}

func newReplicaSet(d *Description) *replicaSet {
	s := &replicaSet{corrupt: map[corruptKey]int{}}
	for _, c := range d.Chunks {
		var list []wire.Server
		for _, r := range c.Replicas {
			list = append(list, r.Server)
		}
		s.servers = append(s.servers, list)
	}
	return s
}

func (s *replicaSet) candidates(chunk int) []wire.Server { return s.servers[chunk] }

func (s *replicaSet) failed(chunk int, server wire.Server, err error) verdict {
	name := server.String()
	if errors.Is(err, ErrCorrupt) {
		key := corruptKey{chunk, name}
		if s.corrupt[key]++; s.corrupt[key] < attemptsCorrupt {
			return retry
		}
	} else if !lasting(err) {
		return retry
	}
	var rest []wire.Server
	for _, other := range s.servers[chunk] {
		if other.String() != name {
			rest = append(rest, other)
		}
	}
	if s.servers[chunk] = rest; len(rest) == 0 {
		return fatal
	}
	return elsewhere
}
