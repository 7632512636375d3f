package files

import (
	"errors"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sotto-chat/sotto/core/smp"
	"github.com/sotto-chat/sotto/core/xftp"
)

// TestEndOfStream checks how a request ends that is answered before all of it was sent. The reference's HTTP/2 takes the reset of
// a stream, and a frame of one that both sides have ended, for an error of the connection: so the end of the answer comes after that of
// the request, and is the last of its stream.
func TestEndOfStream(t *testing.T) {
	store := &failingStore{Disk: must(OpenDisk(t.TempDir()))}
	s := startServer(t, Config{Store: store})
	for _, size := range []int{xftp.BlockSize, xftp.BlockSize + 64<<10, xftp.BlockSize + 4<<20} {
		r := s.raw(t)
		if e := xftp.ParseHandshakeAnswer(r.converse(1, make([]byte, size))); !errors.Is(e, xftp.ErrHandshake) {
			t.Errorf("a body of %d bytes instead of a hello: %v", size, e)
		}
	}
	p := s.dial(t, 3)
	small, large := p.register(64<<10, 1), p.register(4<<20, 1)
	r := s.raw(t)
	r.framer.WriteWindowUpdate(0, 1<<20) // room for all answers
	r.post(1, true)
	r.until(func(f http2.Frame) bool { return ended(f, 1) })
	r.post(3, false)
	r.framer.WriteData(3, true, (&xftp.ClientHello{Version: 3, KeyHash: s.identity.Hash}).AppendBlock(nil))
	r.until(func(f http2.Frame) bool { return ended(f, 3) })
	q := &peer{t: t, params: xftp.Params{Version: 3, SessionID: r.session}}
	stream := uint32(3)
	for _, test := range []struct {
		what  string
		id    xftp.ID
		chunk []byte
		key   authKey
		fails error // of the store
		want  *xftp.Error
	}{
		{"of no chunk", "0123456789abcdef", large.bytes, large.sender, nil, xftp.ErrAuth},
		{"too long", small.Sender, append(small.bytes, 0), small.sender, nil, xftp.ErrSize},
		{"far too long", small.Sender, make([]byte, 1<<20), small.sender, nil, xftp.ErrSize},
		{"too long by one", large.Sender, append(large.bytes, 0), large.sender, nil, xftp.ErrSize},
		{"to a store that is full", large.Sender, large.bytes, large.sender, syscall.ENOSPC, xftp.ErrQuota},
		{"to a store that fails", large.Sender, large.bytes, large.sender, syscall.EIO, xftp.ErrFileIO},
	} {
		if store.err.Store(nil); test.fails != nil {
			store.err.Store(&test.fails)
		}
		stream += 2
		block := q.blockOf(smp.Transmission{Entity: []byte(test.id), Body: xftp.FPut{}.Append(nil, 3)}, test.key.private)
		m, _, _, err := q.answer(r.converse(stream, append(block, test.chunk...)))
		if e, ok := m.(*xftp.Error); err != nil || !ok || !errors.Is(e, test.want) {
			t.Errorf("an upload %s: %v, %v", test.what, m, err)
		}
	}
}

func ended(f http2.Frame, stream uint32) bool {
	h := f.Header()
	return h.StreamID == stream && (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) && h.Flags.Has(http2.FlagDataEndStream)
}

// until reads frames until done tells that one was the last to wait for.
func (r *rawPeer) until(done func(http2.Frame) bool) {
	r.t.Helper()
	for {
		f, err := r.framer.ReadFrame()
		if err != nil {
			r.t.Fatal(err)
		}
		if done(f) {
			return
		}
	}
}

// converse sends a body, ends the request when the answer is there, and returns that.
func (r *rawPeer) converse(stream uint32, body []byte) (answer []byte) {
	r.t.Helper()
	window, over := 1<<16-1, false
	read := func(f http2.Frame) {
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
			if f.StreamID == stream {
				window += int(f.Increment)
			}
		case *http2.DataFrame:
			answer = append(answer, f.Data()...)
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			r.t.Fatalf("stream %d: %v", stream, f)
		}
		over = over || ended(f, stream)
	}
	wait := func(done func() bool) {
		r.t.Helper()
		r.until(func(f http2.Frame) bool {
			if read(f); over {
				r.t.Fatalf("stream %d: the answer ends before the request", stream)
			}
			return done()
		})
	}
	r.post(stream, false)
	for len(body) > 0 {
		piece := body[:min(len(body), 16<<10)]
		for window < len(piece) {
			wait(func() bool { return true }) // for a frame
		}
		if err := r.framer.WriteData(stream, false, piece); err != nil {
			r.t.Fatal(err)
		}
		body, window = body[len(piece):], window-len(piece)
	}
	if len(answer) < xftp.BlockSize {
		wait(func() bool { return len(answer) >= xftp.BlockSize })
	}
	r.framer.WriteData(stream, true, nil)
	r.until(func(f http2.Frame) bool { read(f); return over })
	r.framer.WritePing(false, [8]byte{1})
	r.until(func(f http2.Frame) bool {
		if f.Header().StreamID == stream {
			r.t.Errorf("stream %d: %v after the end", stream, f)
		}
		return f.Header().Type == http2.FramePing
	})
	return answer
}
