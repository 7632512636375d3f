package front

import (
	"context"
	"time"
)

// A Bucket limits how often something happens: size times at once, and on average rate
// times a second. The zero Bucket has no limit.
type Bucket struct {
	rate, size float64
	used       float64
	at         time.Time
}

// NewBucket makes a bucket. A rate of 0 or below is no limit.
func NewBucket(rate, size float64) Bucket {
	if rate <= 0 {
		return Bucket{}
	}
	return Bucket{rate: rate, size: size}
}

// Take counts an event and returns for how long to wait before it may happen.
func (b *Bucket) Take(now time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*b.rate) + 1
	b.at = now
	if b.used <= b.size {
		return 0
	}
	return time.Duration((b.used - b.size) / b.rate * float64(time.Second))
}

// Sleep waits for d, or until ctx is done.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
