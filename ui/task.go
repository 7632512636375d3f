package ui

import (
	"context"
	"sync"
	"time"
)

// queue does work in order on one goroutine. It never makes the caller wait.
type queue struct {
	mu     sync.Mutex
	more   sync.Cond
	jobs   []func()
	closed bool
	done   chan struct{}
}

func (q *queue) start() {
	q.more.L = &q.mu
	q.done = make(chan struct{})
	go func() {
		defer close(q.done)
		for {
			q.mu.Lock()
			for len(q.jobs) == 0 && !q.closed {
				q.more.Wait()
			}
			if len(q.jobs) == 0 {
				q.mu.Unlock()
				return
			}
			job := q.jobs[0]
			q.jobs = q.jobs[1:]
			q.mu.Unlock()
			job()
		}
	}()
}

// add does job after those that were added before. After stop nothing can be added.
func (q *queue) add(job func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.jobs = append(q.jobs, job)
	q.more.Signal()
}

// stop waits until all jobs are done.
func (q *queue) stop() {
	q.mu.Lock()
	q.closed = true
	q.more.Signal()
	q.mu.Unlock()
	<-q.done
}

// later runs f on the main goroutine, unless the window was closed in the meantime.
func (w *Window) later(f func()) {
	w.opt.Do(func() {
		if w.ctx.Err() == nil {
			f()
		}
	})
}

// after runs f on the main goroutine after a time, unless the window was closed in the meantime or stop is called.
func (w *Window) after(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, func() { w.later(f) }).Stop
}

// ordered does quick work with the database of a profile after all such work that came before, and hands the result to done on
// the main goroutine. It is finished even if the window is closed. done may be nil.
func ordered[T any](w *Window, work func(ctx context.Context) (T, error), done func(T, error)) {
	w.queue.add(func() {
		result, err := work(context.Background())
		if done != nil {
			w.later(func() { done(result, err) })
		}
	})
}

// apart does work that may take long on a goroutine of its own, until ctx or the window ends, and hands the result to done on
// the main goroutine.
func apart[T any](w *Window, work func(ctx context.Context) (T, error), done func(T, error)) (cancel func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.tasks.Add(1)
	go func() {
		defer w.tasks.Done()
		defer cancel()
		result, err := work(ctx)
		w.later(func() { done(result, err) })
	}()
	return cancel
}

// nothing is the result of work that has none.
type nothing = struct{}

// only makes work of a function that has no result but an error.
func only(f func(ctx context.Context) error) func(ctx context.Context) (nothing, error) {
	return func(ctx context.Context) (nothing, error) { return nothing{}, f(ctx) }
}
