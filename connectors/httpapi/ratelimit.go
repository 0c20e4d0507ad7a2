package httpapi

import (
	"math"
	"strconv"
	"sync"
	"time"

	"inmail/domain"
)

// limiter allows each key rate requests a second, and burst at once, by a token bucket for each key. It
// is off by default (API.md).
type limiter struct {
	rate  float64 // tokens a second; 0: no limit
	burst float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time // when there were so many tokens
}

// maxBuckets is how many buckets are kept at once. A full bucket is the same as none, so full ones go first.
const maxBuckets = 10_000

func newLimiter(rate float64, burst int) *limiter {
	return &limiter{rate: rate, burst: float64(burst), buckets: map[string]bucket{}}
}

// take spends one token of a key at now. When there is none, ok is false and wait is the time until the next.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	if l.rate == 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		l.makeSpace(now)
		b = bucket{tokens: l.burst, at: now}
	}
	tokens := l.filled(b, now)
	if tokens < 1 {
		return time.Duration((1 - tokens) / l.rate * float64(time.Second)), false
	}
	l.buckets[key] = bucket{tokens: tokens - 1, at: now}
	return 0, true
}

func (l *limiter) filled(b bucket, now time.Time) float64 {
	return min(l.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate)
}

// makeSpace drops the buckets that are full by now; when none is, it drops all rather than grow.
func (l *limiter) makeSpace(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	for key, b := range l.buckets {
		if l.filled(b, now) >= l.burst {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// limitRate refuses the call, with rate_limited and Retry-After, when its key has spent its share.
func (c *call) limitRate() error {
	wait, ok := c.api.limiter.take(c.key.ID, c.api.Now())
	if ok {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	c.Header().Set("Retry-After", strconv.Itoa(max(1, seconds)))
	return domain.Refuse(rateLimited, "this key has used its requests for now; try again in %d s", max(1, seconds))
}
