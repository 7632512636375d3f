package xftp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// minProgress is how much of a chunk has to move in each CommandTimeout: a relay that is slower than
// that, which is 2 KB/s by default, is as good as silent.
const minProgress = 64 << 10

// A watch is the context of a request. It ends when the relay does not answer in time; during a
// transfer also when too little moves.
type watch struct {
	context.Context
	cancel context.CancelCauseFunc
	window time.Duration
	need   int64
	moved  atomic.Int64
	timer  *time.Timer
}

func newWatch(ctx context.Context, window time.Duration, x *exchange) *watch {
	w := &watch{window: window, need: math.MaxInt64}
	if x.chunk != nil || x.receive != nil {
		w.need = minProgress
	}
	w.Context, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(window, w.check)
	return w
}

func (w *watch) check() {
	if w.moved.Swap(0) < w.need {
		w.cancel(ErrTimeout)
	} else if w.Err() == nil {
		w.timer.Reset(w.window)
	}
}

func (w *watch) expired() bool { return errors.Is(context.Cause(w.Context), ErrTimeout) }

func (w *watch) stop() {
	w.cancel(nil)
	w.timer.Stop()
}

// A countedReader tells a watch how much of an answer was read. Its error is io.EOF if the answer ended,
// and ErrClosed if the connection did.
type countedReader struct {
	r     io.Reader
	watch *watch
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.watch.moved.Add(int64(n))
	if err != nil && err != io.EOF {
		err = &closedError{err}
	}
	return n, err
}

// A requestBody is a block and, after it, a chunk of an exact size. Its last bytes come with io.EOF, so that the end of the stream
// is in their frame: a relay answers a block as soon as it has it, and takes the reset of a stream that was answered before it
// ended for an error of the connection (xftp.md §1).
type requestBody struct {
	watch *watch
	moved func(int)

	mu     sync.Mutex // the transport may go on reading after the answer is there
	block  []byte
	chunk  io.Reader
	left   int64 // of the chunk
	err    error // of chunk
	closed bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return 0, b.err
	case b.end() != nil:
		return 0, io.EOF
	case b.closed:
		return 0, io.ErrClosedPipe
	case len(b.block) > 0:
		n := copy(p, b.block)
		b.block = b.block[n:]
		b.watch.moved.Add(int64(n))
		return n, b.end()
	}
	n, err := b.chunk.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.watch.moved.Add(int64(n))
	if b.moved != nil && n > 0 {
		b.moved(n)
	}
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	} else if err == io.EOF {
		err = nil
	}
	b.err = err
	return n, cmp.Or(err, b.end())
}

// end returns io.EOF after the last bytes.
func (b *requestBody) end() error {
	if len(b.block) == 0 && b.left == 0 {
		return io.EOF
	}
	return nil
}

// close waits for a Read in progress, after which the chunk is not read any more, and tells whether
// all was read, and how reading the chunk failed.
func (b *requestBody) close() (complete bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return len(b.block) == 0 && b.left == 0, b.err
}
