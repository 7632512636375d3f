package xftp

import (
	"bytes"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/wire"
)

// A Command is what a client sends to a relay (xftp.md §3).
type Command interface {
	// Append appends the encoding in a version.
	Append(b []byte, version uint16) []byte
	// needs tells which credentials the transmission has to have.
	needs() credentials
}

type credentials byte

const (
	needsBoth    credentials = iota // an authorization and an entity
	needsAuth                       // an authorization and no entity
	needsNeither                    // neither
)

// Commands. The entity of FAdd, FPut and FDel is a sender id, that of FGet and FAck a recipient id,
// and that of FNew and Ping is empty.
type (
	// FNew registers a chunk; the answer is SIDs. It is authorized with the private half of Sender.
	FNew struct {
		Sender     crypt.AuthPublic
		Size       uint32             // in bytes, one of ChunkSizes
		Digest     []byte             // SHA-256 of the chunk
		Recipients []crypt.AuthPublic // 1 to 255
		Password   string             // of the relay, empty for none
	}
	// FAdd registers 1 to 255 more recipients; the answer is RIDs.
	FAdd struct{ Recipients []crypt.AuthPublic }
	// FPut uploads a chunk, which follows the block; the answer is OK.
	FPut struct{}
	// FDel deletes a chunk and all its ids; the answer is OK.
	FDel struct{}
	// FGet downloads a chunk; the answer is File, and the chunk follows its block. Key is new for
	// each request.
	FGet struct{ Key crypt.X25519Public }
	// FAck deletes the recipient id; the answer is OK.
	FAck struct{}
	// Ping is answered with Pong.
	Ping struct{}
)

func (FNew) needs() credentials { return needsAuth }
func (FAdd) needs() credentials { return needsBoth }
func (FPut) needs() credentials { return needsBoth }
func (FDel) needs() credentials { return needsBoth }
func (FGet) needs() credentials { return needsBoth }
func (FAck) needs() credentials { return needsBoth }
func (Ping) needs() credentials { return needsNeither }

func (c FNew) Append(b []byte, _ uint16) []byte {
	b = wire.AppendShort(append(b, "FNEW "...), c.Sender.DER())
	b = wire.AppendShort(wire.AppendUint32(b, c.Size), c.Digest)
	b = appendKeys(b, c.Recipients)
	b = wire.AppendMaybe(b, c.Password != "")
	if c.Password != "" {
		b = wire.AppendShort(b, c.Password)
	}
	return b
}

func (c FAdd) Append(b []byte, _ uint16) []byte {
	return appendKeys(append(b, "FADD "...), c.Recipients)
}
func (FPut) Append(b []byte, _ uint16) []byte { return append(b, "FPUT"...) }
func (FDel) Append(b []byte, _ uint16) []byte { return append(b, "FDEL"...) }
func (FAck) Append(b []byte, _ uint16) []byte { return append(b, "FACK"...) }
func (Ping) Append(b []byte, _ uint16) []byte { return append(b, "PING"...) }
func (c FGet) Append(b []byte, _ uint16) []byte {
	return wire.AppendShort(append(b, "FGET "...), c.Key.DER())
}

func appendKeys(b []byte, keys []crypt.AuthPublic) []byte {
	b = append(b, byte(len(keys)))
	for _, k := range keys {
		b = wire.AppendShort(b, k.DER())
	}
	return b
}

// ParseCommand reads a command. The error is ErrUnknownCommand or ErrSyntax, to be sent as it is.
func ParseCommand(_ uint16, b []byte) (Command, error) {
	tag, params, hasParams := bytes.Cut(b, []byte{' '})
	r := wire.NewReader(params)
	var cmd Command
	switch string(tag) {
	case "FPUT":
		return bare[Command](FPut{}, hasParams)
	case "FDEL":
		return bare[Command](FDel{}, hasParams)
	case "FACK":
		return bare[Command](FAck{}, hasParams)
	case "PING":
		return bare[Command](Ping{}, hasParams)
	case "FNEW":
		cmd = readNew(r)
	case "FADD":
		cmd = FAdd{readKeys(r)}
	case "FGET":
		cmd = FGet{readX25519(r)}
	default:
		return nil, ErrUnknownCommand
	}
	if !hasParams || r.End() != nil {
		return nil, ErrSyntax
	}
	return cmd, nil
}

func bare[T any](v T, hasParams bool) (T, error) {
	if hasParams {
		var none T
		return none, ErrSyntax
	}
	return v, nil
}

func readNew(r *wire.Reader) FNew {
	c := FNew{Sender: readKey(r), Size: r.Uint32(), Digest: r.Short(), Recipients: readKeys(r)}
	if r.Maybe() {
		c.Password = string(r.Short())
	}
	return c
}

func readKey(r *wire.Reader) crypt.AuthPublic {
	k, err := crypt.ParseAuthPublic(r.Short())
	if err != nil {
		r.Fail(err)
		return nil
	}
	return k
}

func readKeys(r *wire.Reader) []crypt.AuthPublic {
	n := r.NonEmpty()
	var keys []crypt.AuthPublic
	for i := 0; i < n && r.Err() == nil; i++ {
		keys = append(keys, readKey(r))
	}
	return keys
}

func readX25519(r *wire.Reader) crypt.X25519Public {
	k, err := crypt.ParseX25519(r.Short())
	if err != nil {
		r.Fail(err)
	}
	return k
}

// CheckCredentials tells whether a transmission has the credentials of its command: the error is
// ErrNoAuth or ErrHasAuth, to be sent as it is.
func CheckCredentials(cmd Command, t *smp.Transmission) error {
	auth, entity := len(t.Auth) > 0, len(t.Entity) > 0
	switch cmd.needs() {
	case needsAuth:
		if !auth {
			return ErrNoAuth
		}
		if entity {
			return ErrHasAuth
		}
	case needsNeither:
		if auth || entity {
			return ErrHasAuth
		}
	default:
		if !auth || !entity {
			return ErrNoAuth
		}
	}
	return nil
}
