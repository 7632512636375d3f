package files

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/xftp"
)

// A request is a command with what follows it. Its functions answer exactly once.
type request struct {
	conn    *conn
	server  *Server
	ctx     context.Context // until the request or its connection ends
	writer  http.ResponseWriter
	control *http.ResponseController
	body    io.Reader // what follows the block

	params xftp.Params // of the session
	key    crypt.X25519Private
	hasKey bool

	t      smp.Transmission
	signed []byte
}

// write writes to the client within a time.
func (q *request) write(b []byte) error {
	q.control.SetWriteDeadline(time.Now().Add(q.server.config.WriteTimeout))
	_, err := q.writer.Write(b)
	return err
}

// reply sends the block of an answer.
func (q *request) reply(m xftp.Message) error {
	answer := smp.Transmission{CorrID: q.t.CorrID, Entity: q.t.Entity, Body: m.Append(nil, q.params.Version)}
	buf := blocks.Get().(*[xftp.BlockSize]byte)
	defer blocks.Put(buf)
	block, err := q.params.AppendBlock(buf[:0], &answer)
	if err != nil {
		answer.Body = xftp.ErrInternal.Append(nil, q.params.Version)
		if block, err = q.params.AppendBlock(buf[:0], &answer); err != nil {
			return err
		}
	}
	return q.write(block)
}

// storeError is the answer when something can't be stored or read. Why is logged.
func (q *request) storeError(err error) *xftp.Error {
	q.server.stats.storeErrors.Add(1)
	if q.server.ctx.Err() == nil && q.ctx.Err() == nil {
		q.server.config.Log.Error("file store", "problem", err)
	}
	return xftp.ErrFileIO
}

// serve executes the command in a block (xftp.md §3).
func (q *request) serve(block []byte) {
	t, err := q.params.ParseBlock(block)
	if err != nil {
		q.t = smp.Transmission{CorrID: t.CorrID}
		q.reply(asError(err))
		return
	}
	q.t = t
	cmd, err := xftp.ParseCommand(q.params.Version, t.Body)
	if err == nil {
		err = xftp.CheckCredentials(cmd, &t)
	}
	if err != nil {
		q.reply(asError(err))
		return
	}
	q.limit(&q.conn.commands)
	q.server.stats.commands.Add(1)
	q.signed = q.params.AppendSigned(make([]byte, 0, 64+len(t.Body)), &t)
	if m := q.execute(cmd); m != nil {
		q.reply(m)
	}
}

// execute executes a command and returns the answer, or nil if it was sent. No lock is held while
// something is sent: a client may be slow.
func (q *request) execute(cmd xftp.Command) xftp.Message {
	var rec record
	var id key
	var err *xftp.Error
	switch cmd.(type) {
	case xftp.FAdd, xftp.FPut, xftp.FDel:
		rec, err = q.ofSender()
	case xftp.FGet, xftp.FAck:
		rec, id, err = q.ofRecipient()
	}
	if err != nil {
		return err
	}
	switch cmd := cmd.(type) {
	case xftp.FNew:
		return q.create(cmd)
	case xftp.FAdd:
		return q.add(&rec, cmd)
	case xftp.FPut:
		return q.upload(&rec)
	case xftp.FDel:
		return q.remove(&rec)
	case xftp.FGet:
		return q.download(&rec, cmd)
	case xftp.FAck:
		return q.acknowledge(&rec, id)
	}
	return xftp.Pong{}
}

func asError(err error) *xftp.Error {
	var e *xftp.Error
	if errors.As(err, &e) {
		return e
	}
	return xftp.ErrInternal
}

// verified tells whether the command is authorized by one of keys. Without any it takes as long.
func (q *request) verified(keys ...crypt.AuthPublic) bool {
	var relayKey *crypt.X25519Private
	if q.hasKey {
		relayKey = &q.key
	}
	return q.t.Verify(nil, q.signed, relayKey, keys...)
}

// ofSender returns the chunk whose sender's command this is. The error is the same, and comes as
// late, whether there is no such chunk or the key is wrong.
func (q *request) ofSender() (record, *xftp.Error) {
	id, ok := keyOf(q.t.Entity)
	rec, found, err := q.server.index.file(id)
	if err != nil {
		return rec, q.storeError(err)
	}
	return rec, q.refused(&rec, ok && found, rec.sender)
}

// ofRecipient returns the chunk and the recipient id whose command this is.
func (q *request) ofRecipient() (record, key, *xftp.Error) {
	id, ok := keyOf(q.t.Entity)
	rcp, known, err := q.server.index.recipient(id)
	var rec record
	found := false
	if err == nil { // also without a recipient, so that it takes as long
		rec, found, err = q.server.index.file(rcp.file)
	}
	if err != nil {
		return rec, id, q.storeError(err)
	}
	return rec, id, q.refused(&rec, ok && known && found, rcp.auth)
}

// refused returns why a command on a chunk is not executed, or nil.
func (q *request) refused(rec *record, found bool, auth crypt.AuthPublic) *xftp.Error {
	switch {
	case !found:
		q.verified()
		return xftp.ErrAuth
	case rec.state == blocked:
		return blockedError(rec)
	case !q.verified(auth):
		return xftp.ErrAuth
	}
	return nil
}

// locked calls f with a chunk as it is now, under its lock, and returns its answer, or why f was
// not called.
func (q *request) locked(id key, f func(*record) (xftp.Message, error)) xftp.Message {
	mu := &q.server.locks[id[0]]
	mu.Lock()
	defer mu.Unlock()
	rec, ok, err := q.server.index.file(id)
	var m xftp.Message
	switch {
	case err != nil:
	case !ok:
		return xftp.ErrAuth
	case rec.state == blocked:
		return blockedError(&rec)
	default:
		m, err = f(&rec)
	}
	if err != nil {
		return q.storeError(err)
	}
	return m
}

func newKey() (k key) {
	rand.Read(k[:]) // never fails
	return k
}

// create executes FNEW.
func (q *request) create(cmd xftp.FNew) xftp.Message {
	s := q.server
	switch {
	case !q.verified(cmd.Sender):
		return xftp.ErrAuth
	case s.config.NoNewFiles || !s.allows(cmd.Password):
		return xftp.ErrAuth
	case !slices.Contains(xftp.ChunkSizes[:], cmd.Size):
		return xftp.ErrSize
	}
	q.limit(&q.conn.creations)
	if !s.allowsRecipients(0, cmd.Recipients) || !s.register() {
		s.stats.quotaErrors.Add(1)
		return xftp.ErrQuota
	}
	rec := record{
		id:         newKey(),
		state:      registered,
		size:       cmd.Size,
		digest:     cmd.Digest,
		sender:     cmd.Sender,
		created:    hour(s.config.Now()),
		recipients: uint32(len(cmd.Recipients)),
	}
	list, ids := newRecipients(rec.id, cmd.Recipients)
	if err := s.index.create(&rec, list); err != nil {
		s.forget(1, 0)
		return q.storeError(err)
	}
	s.stats.registered.Add(1)
	return xftp.SIDs{Sender: xftp.ID(rec.id[:]), Recipients: ids}
}

// allows tells whether a password is that of the server.
func (s *Server) allows(password string) bool {
	return s.config.Password == "" || crypt.Equal([]byte(password), []byte(s.config.Password))
}

// allowsRecipients tells whether a chunk may have more recipients.
func (s *Server) allowsRecipients(has uint32, more []crypt.AuthPublic) bool {
	limit := s.config.MaxRecipients
	return limit <= 0 || int(has)+len(more) <= limit
}

// hour counts hours from 1970, as times of creation are rounded (xftp.md §3).
func hour(t time.Time) uint32 { return uint32(t.Unix() / 3600) }

func newRecipients(file key, keys []crypt.AuthPublic) (list []recipient, ids []xftp.ID) {
	for _, auth := range keys {
		id := newKey()
		list = append(list, recipient{id: id, file: file, auth: auth})
		ids = append(ids, xftp.ID(id[:]))
	}
	return list, ids
}

// register counts a chunk that is about to be registered, if there is room for it.
func (s *Server) register() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.config.MaxFiles; limit > 0 && s.files >= limit {
		return false
	}
	s.files++
	return true
}

// forget no longer counts chunks and bytes of chunks.
func (s *Server) forget(files int, used int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files -= files
	s.used -= used
}

// add executes FADD.
func (q *request) add(rec *record, cmd xftp.FAdd) xftp.Message {
	return q.locked(rec.id, func(rec *record) (xftp.Message, error) {
		if !q.server.allowsRecipients(rec.recipients, cmd.Recipients) {
			q.server.stats.quotaErrors.Add(1)
			return xftp.ErrQuota, nil
		}
		rec.recipients += uint32(len(cmd.Recipients))
		list, ids := newRecipients(rec.id, cmd.Recipients)
		return xftp.RIDs{Recipients: ids}, q.server.index.add(rec, list)
	})
}

// acknowledge executes FACK.
func (q *request) acknowledge(rec *record, id key) xftp.Message {
	return q.locked(rec.id, func(rec *record) (xftp.Message, error) {
		_, ok, err := q.server.index.recipient(id)
		if err != nil {
			return nil, err
		}
		if !ok { // another command was faster
			return xftp.ErrAuth, nil
		}
		rec.recipients--
		if err := q.server.index.leave(rec, id); err != nil {
			return nil, err
		}
		q.server.stats.acknowledged.Add(1)
		return xftp.OK{}, nil
	})
}

// remove executes FDEL.
func (q *request) remove(rec *record) xftp.Message {
	var name string
	m := q.locked(rec.id, func(rec *record) (_ xftp.Message, err error) {
		name, err = q.server.delete(rec)
		return xftp.OK{}, err
	})
	q.server.discard(name)
	return m
}

func blockedError(rec *record) *xftp.Error {
	return &xftp.Error{Kind: xftp.KindBlocked, Blocking: rec.blocking}
}
