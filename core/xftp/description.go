package xftp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/transport"
	"github.com/sotto-chat/sotto/core/wire"
)

// Description is what the recipient of a file has to know to get it, or its sender to delete it
// (xftp.md §6). Who has a recipient's description can read the file.
type Description struct {
	Party     Party
	Size      int64  // of the encrypted file, in bytes: the sum of the chunks
	Digest    Digest // of the encrypted file
	Key       crypt.Secret
	Nonce     crypt.Nonce
	ChunkSize uint32 // of the chunks for which the text names no size
	Chunks    []Chunk
	Redirect  *Redirect // nil unless the file is the description of another one
}

// Digest is the SHA-512 of an encrypted file.
type Digest [sha512.Size]byte

// A Chunk is a part of an encrypted file.
type Chunk struct {
	Size     uint32 // in bytes
	Digest   ChunkDigest
	Replicas []Replica // at least one
}

// ChunkDigest is the SHA-256 of a chunk.
type ChunkDigest [sha256.Size]byte

// A Replica is a copy of a chunk on a relay. ID and Key are those of the recipient, or of the sender.
type Replica struct {
	Server wire.Server
	ID     ID
	Key    crypt.AuthPrivate
}

// Redirect tells what the description in a file has to say.
type Redirect struct {
	Size   int64
	Digest Digest
}

// Party tells whom a description is for.
type Party string

// The parties.
const (
	Recipient Party = "recipient" // downloads
	Sender    Party = "sender"    // deletes
)

// Limits of files and descriptions.
const (
	// MaxSize is the size of the longest file that is sent or received (xftp.md §5).
	MaxSize = 5 << 30
	// DefaultMaxSize is the size up to which people can send files unless they want otherwise.
	DefaultMaxSize = 1 << 30
	// MaxDescription bounds the text of a description. One of a file of MaxSize has about 220 KB.
	MaxDescription = 1 << 20
)

// maxEncrypted bounds the size of encrypted files: that of a file of MaxSize with all that is
// added to it.
const maxEncrypted = MaxSize + 2*(4<<20)

// maxChunk bounds a chunk. Relays have up to 4 MB; a test of the reference has 8 MB.
const maxChunk = 8 << 20

// ErrDescription tells that a text is not a valid description of a file. It is wrapped with what is
// wrong.
var ErrDescription = errors.New("xftp: not a valid file description")

func invalid(what string) error { return fmt.Errorf("%w: %s", ErrDescription, what) }

// ParseDescription reads the text of a description and checks all that can be checked without the
// file. The error is ErrDescription.
func ParseDescription(text []byte) (*Description, error) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	f := fields{node: root}
	d := &Description{Party: Party(f.text("party"))}
	if d.Party != Recipient && d.Party != Sender {
		f.fail("party")
	}
	d.Size = f.size("size", maxEncrypted)
	copy(d.Digest[:], f.bytes("digest", len(d.Digest)))
	copy(d.Key[:], f.bytes("key", len(d.Key)))
	copy(d.Nonce[:], f.bytes("nonce", len(d.Nonce)))
	d.ChunkSize = uint32(f.size("chunkSize", maxChunk))
	if r := f.child("redirect"); r != nil {
		d.Redirect = readRedirect(&fields{node: r, err: f.err}, &f)
	}
	d.Chunks = f.chunks(d.ChunkSize)
	if f.err != nil {
		return nil, f.err
	}
	return d, d.Validate()
}

func readRedirect(r, parent *fields) *Redirect {
	redirect := new(Redirect)
	n, err := strconv.ParseInt(r.text("size"), 10, 64) // a number, not a size with a unit (gotchas.md 59)
	if err != nil || n <= 0 || n > maxEncrypted {
		r.fail("redirect size")
	}
	redirect.Size = n
	copy(redirect.Digest[:], r.bytes("digest", len(redirect.Digest)))
	parent.err = r.err
	return redirect
}

// Validate tells whether the chunks make up the file.
func (d *Description) Validate() error {
	var sum int64
	for i, c := range d.Chunks {
		if c.Size == 0 || c.Size > maxChunk {
			return invalid("size of chunk " + strconv.Itoa(i+1))
		}
		if len(c.Replicas) == 0 {
			return invalid("chunk " + strconv.Itoa(i+1) + " is nowhere")
		}
		sum += int64(c.Size)
	}
	if sum != d.Size || d.Size > maxEncrypted {
		return invalid("the chunks are not as long as the file")
	}
	if d.Size < lengthSize+TagSize {
		return invalid("too short")
	}
	return nil
}

// Servers returns the relays that a download connects to, for people to decide about those that they
// don't know: the sender has chosen them.
func (d *Description) Servers() (list []wire.Server) {
	known := map[string]bool{}
	for _, r := range d.replicas() {
		if name := r.Server.String(); !known[name] {
			known[name] = true
			list = append(list, r.Server)
		}
	}
	return list
}

// Follow reads the description in the content of a file that d, which has a Redirect, describes.
// The error is ErrDescription.
func (d *Description) Follow(text []byte) (*Description, error) {
	next, err := ParseDescription(text)
	switch {
	case err != nil:
		return nil, err
	case d.Redirect == nil:
		return nil, invalid("not redirected")
	case next.Redirect != nil:
		return nil, invalid("redirected twice")
	case next.Party != d.Party:
		return nil, invalid("redirected to another party")
	case next.Size != d.Redirect.Size || next.Digest != d.Redirect.Digest:
		return nil, invalid("redirected to another file")
	}
	return next, nil
}

// Wipe overwrites the keys.
func (d *Description) Wipe() {
	d.Key.Wipe()
	for _, c := range d.Chunks {
		for _, r := range c.Replicas {
			r.Key.Wipe()
		}
	}
}

// String is the text of the description, as the reference writes it. It holds keys.
func (d *Description) String() string {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + ": " + quoteYAML(value) + "\n") }
	line("chunkSize", formatSize(int64(d.ChunkSize)))
	line("digest", wire.EncodeBase64(d.Digest[:]))
	line("key", wire.EncodeBase64(d.Key[:]))
	line("nonce", wire.EncodeBase64(d.Nonce[:]))
	line("party", string(d.Party))
	if r := d.Redirect; r != nil {
		b.WriteString("redirect:\n")
		line("  digest", wire.EncodeBase64(r.Digest[:]))
		b.WriteString("  size: " + strconv.FormatInt(r.Size, 10) + "\n")
	}
	b.WriteString("replicas:\n")
	for _, group := range d.groups() {
		b.WriteString("- chunks:\n")
		for _, item := range group.items {
			b.WriteString("  - " + quoteYAML(item) + "\n")
		}
		line("  server", group.server.String())
	}
	line("size", formatSize(d.Size))
	return b.String()
}

// A replicaGroup are the replicas on one relay.
type replicaGroup struct {
	server wire.Server
	items  []string
}

// groups sorts the replicas by relay and keeps the order of chunks.
func (d *Description) groups() []*replicaGroup {
	var groups []*replicaGroup
	byServer := map[string]*replicaGroup{}
	for i, c := range d.Chunks {
		for j, r := range c.Replicas {
			name := r.Server.String()
			g := byServer[name]
			if g == nil {
				g = &replicaGroup{server: r.Server}
				byServer[name] = g
				groups = append(groups, g)
			}
			item := strconv.Itoa(i+1) + ":" + wire.EncodeBase64([]byte(r.ID)) + ":" + wire.EncodeBase64(r.Key.DER())
			if j == 0 { // the digest and size stand once
				item += ":" + wire.EncodeBase64(c.Digest[:])
				if c.Size != d.ChunkSize {
					item += ":" + formatSize(int64(c.Size))
				}
			}
			g.items = append(g.items, item)
		}
	}
	slices.SortStableFunc(groups, func(a, b *replicaGroup) int { return compareServers(a.server, b.server) })
	return groups
}

// compareServers is the order in which the reference writes relays: by hosts, port and fingerprint.
func compareServers(a, b wire.Server) int {
	return cmp.Or(slices.CompareFunc(a.Hosts, b.Hosts, compareHosts), strings.Compare(a.Port, b.Port), bytes.Compare(a.KeyHash[:], b.KeyHash[:]))
}

// compareHosts puts IPv4 addresses before IPv6 addresses, onion hosts and names.
func compareHosts(a, b string) int {
	rankA, addrA := hostRank(a)
	rankB, addrB := hostRank(b)
	return cmp.Or(cmp.Compare(rankA, rankB), addrA.Compare(addrB), strings.Compare(a, b))
}

func hostRank(host string) (rank int, addr netip.Addr) {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err == nil && addr.Is4():
		return 0, addr
	case err == nil:
		return 1, addr
	case transport.IsOnion(host):
		return 2, netip.Addr{}
	}
	return 3, netip.Addr{}
}

// Units of sizes, each 1024 times the one before (xftp.md §6).
var sizeUnits = [...]string{"", "kb", "mb", "gb"}

func formatSize(n int64) string {
	unit := 0
	for n != 0 && n%1024 == 0 && unit < len(sizeUnits)-1 {
		n, unit = n/1024, unit+1
	}
	return strconv.FormatInt(n, 10) + sizeUnits[unit]
}

// parseSize reads a size from 1 to limit.
func parseSize(s string, limit int64) (int64, bool) {
	digits := strings.TrimRight(s, "kmgb")
	unit := slices.Index(sizeUnits[:], s[len(digits):])
	n, err := strconv.ParseUint(digits, 10, 40)
	if err != nil || unit < 0 || n > uint64(limit)>>(10*unit) || n == 0 {
		return 0, false
	}
	return int64(n) << (10 * unit), true
}

// fields reads the values of a mapping and keeps the first error.
type fields struct {
	node *yamlNode
	err  error
}

func (f *fields) fail(what string) {
	if f.err == nil {
		f.err = invalid(what)
	}
}

func (f *fields) child(key string) *yamlNode {
	if f.node.kind != yamlMap {
		f.fail("no mapping")
		return nil
	}
	return f.node.entries[key]
}

func (f *fields) text(key string) string {
	n := f.child(key)
	if n == nil || n.kind != yamlScalar {
		f.fail(key)
		return ""
	}
	return n.scalar
}

func (f *fields) bytes(key string, n int) []byte {
	b, err := wire.DecodeBase64(f.text(key))
	if err != nil || len(b) != n {
		f.fail(key)
		return nil
	}
	return b
}

func (f *fields) size(key string, limit int64) int64 {
	n, ok := parseSize(f.text(key), limit)
	if !ok {
		f.fail(key)
	}
	return n
}

// chunks reads the replicas of all relays.
func (f *fields) chunks(defaultSize uint32) []Chunk {
	list := f.child("replicas")
	if list == nil || list.kind != yamlList {
		f.fail("replicas")
		return nil
	}
	all := replicas{}
	for _, n := range list.items {
		group := fields{node: n, err: f.err}
		server, err := wire.ParseServer(group.text("server"))
		if err != nil || server.Scheme != wire.XFTP {
			group.fail("server")
		}
		if items := group.child("chunks"); items == nil || items.kind != yamlList {
			group.fail("chunks")
		} else {
			for _, item := range items.items {
				if item.kind != yamlScalar || !all.add(server, item.scalar) {
					group.fail("replica")
				}
			}
		}
		if f.err = group.err; f.err != nil {
			return nil
		}
	}
	return all.list(f, defaultSize)
}

// replicas collects the replicas of chunks by their numbers from 1.
type replicas map[int]*replicaChunk

type replicaChunk struct {
	size    uint32 // 0 if not named
	digest  *ChunkDigest
	entries []Replica
}

// add reads "number:id:key[:digest[:size]]". What is named twice has to agree.
func (all replicas) add(server wire.Server, item string) bool {
	parts := strings.Split(item, ":")
	if len(parts) < 3 || len(parts) > 5 {
		return false
	}
	number, err := strconv.ParseUint(parts[0], 10, 31)
	id, idErr := wire.DecodeBase64(parts[1])
	der, derErr := wire.DecodeBase64(parts[2])
	key, keyErr := crypt.ParseAuthPrivate(der)
	if err != nil || idErr != nil || derErr != nil || keyErr != nil || len(id) > wire.MaxShort {
		return false
	}
	c := all[int(number)]
	if c == nil {
		c = new(replicaChunk)
		all[int(number)] = c
	}
	c.entries = append(c.entries, Replica{server, ID(id), key})
	if len(parts) > 3 {
		digest, err := wire.DecodeBase64(parts[3])
		if err != nil || len(digest) != len(ChunkDigest{}) || c.digest != nil && !bytes.Equal(c.digest[:], digest) {
			return false
		}
		c.digest = (*ChunkDigest)(digest)
	}
	if len(parts) > 4 {
		size, ok := parseSize(parts[4], maxChunk)
		if !ok || c.size != 0 && c.size != uint32(size) {
			return false
		}
		c.size = uint32(size)
	}
	return true
}

// list returns the chunks, whose numbers have to be without gaps.
func (all replicas) list(f *fields, defaultSize uint32) []Chunk {
	list := make([]Chunk, 0, len(all))
	for i := range len(all) {
		c := all[i+1]
		if c == nil || c.digest == nil {
			f.fail("chunk " + strconv.Itoa(i+1))
			return nil
		}
		list = append(list, Chunk{cmp.Or(c.size, defaultSize), *c.digest, c.entries})
	}
	return list
}
