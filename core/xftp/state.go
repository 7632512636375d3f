package xftp

import (
	"errors"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/wire"
)

// stateVersion is the first byte of all saved states.
const stateVersion = 1

// ErrState tells that a saved state can't be read: it is damaged, or of a newer program.
var ErrState = errors.New("xftp: the saved state of an upload can't be read")

// AppendBinary appends what does not change, to be saved once.
func (u *Upload) AppendBinary(b []byte) ([]byte, error) {
	b = append(append(append(append(b, stateVersion), u.Key[:]...), u.Nonce[:]...), u.Digest[:]...)
	b = wire.AppendMaybe(wire.AppendUint32(b, uint32(u.Recipients)), u.Redirect != nil)
	if r := u.Redirect; r != nil {
		b = append(wire.AppendInt64(b, r.Size), r.Digest[:]...)
	}
	for i := range u.Chunks {
		c := &u.Chunks[i]
		b = append(wire.AppendUint32(b, c.Size), c.Digest[:]...)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary made; all chunks are new. The error is ErrState.
func (u *Upload) UnmarshalBinary(b []byte) error {
	r := wire.NewReader(b)
	if r.Byte() != stateVersion {
		return ErrState
	}
	*u = Upload{}
	copy(u.Key[:], r.Bytes(len(u.Key)))
	copy(u.Nonce[:], r.Bytes(len(u.Nonce)))
	copy(u.Digest[:], r.Bytes(len(u.Digest)))
	u.Recipients = int(r.Uint32())
	if r.Maybe() {
		u.Redirect = &Redirect{Size: r.Int64()}
		copy(u.Redirect.Digest[:], r.Bytes(len(Digest{})))
	}
	for r.Err() == nil && r.Len() > 0 {
		c := UploadChunk{Size: r.Uint32()}
		copy(c.Digest[:], r.Bytes(len(c.Digest)))
		u.Chunks = append(u.Chunks, c)
	}
	if r.End() != nil || len(u.Chunks) == 0 || u.Size() > maxEncrypted {
		return ErrState
	}
	return nil
}

// AppendChunk appends the state of a chunk.
func (u *Upload) AppendChunk(b []byte, chunk int) []byte {
	c := &u.Chunks[chunk]
	b = append(b, stateVersion, byte(c.State))
	if c.State == ChunkNew {
		return b
	}
	b = wire.AppendLarge(b, c.Server.String())
	b = append(wire.AppendShort(b, c.Sender), c.SenderKey[:]...)
	for i := range c.Recipients {
		b = append(wire.AppendShort(b, c.Recipients[i].ID), c.Recipients[i].Key[:]...)
	}
	return b
}

// RestoreChunk sets a chunk to a state that was saved. The error is ErrState.
func (u *Upload) RestoreChunk(chunk int, state []byte) error {
	if chunk < 0 || chunk >= len(u.Chunks) {
		return ErrState
	}
	r := wire.NewReader(state)
	if r.Byte() != stateVersion {
		return ErrState
	}
	c := UploadChunk{Size: u.Chunks[chunk].Size, Digest: u.Chunks[chunk].Digest, State: ChunkState(r.Byte())}
	switch c.State {
	case ChunkNew:
	case ChunkRegistered, ChunkUploaded:
		server, err := wire.ParseServer(string(r.Large()))
		if err != nil || server.Scheme != wire.XFTP {
			return ErrState
		}
		c.Server, c.Sender = server, readID(r)
		copy(c.SenderKey[:], r.Bytes(len(c.SenderKey)))
		for r.Err() == nil && r.Len() > 0 {
			recipient := UploadRecipient{ID: readID(r)}
			copy(recipient.Key[:], r.Bytes(len(crypt.Ed25519Private{})))
			c.Recipients = append(c.Recipients, recipient)
		}
	default:
		return ErrState
	}
	if r.End() != nil || c.State == ChunkUploaded && len(c.Recipients) < u.Recipients {
		return ErrState
	}
	u.Chunks[chunk] = c
	return nil
}
