package httpapi

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"inmail/domain"
)

// limiter allows each key rate tries a second, and burst at once, by a token bucket for each. A key is that
// of a caller, or the network of an address.
type limiter struct {
	name  string  // in the RateLimit headers
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

func newLimiter(name string, rate float64, burst int) *limiter {
	return &limiter{name: name, rate: rate, burst: float64(burst), buckets: map[string]bucket{}}
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
		return l.until(tokens), false
	}
	l.buckets[key] = bucket{tokens: tokens - 1, at: now}
	return 0, true
}

// has returns whether a key has a token at now, and when not, how long until it has.
func (l *limiter) has(key string, now time.Time) (wait time.Duration, ok bool) {
	if l.rate == 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		return 0, true
	}
	tokens := l.filled(b, now)
	return l.until(tokens), tokens >= 1
}

// until returns the time until there is a token.
func (l *limiter) until(tokens float64) time.Duration {
	return time.Duration(max(0, 1-tokens) / l.rate * float64(time.Second))
}

// left returns how many tokens a key has at now.
func (l *limiter) left(key string, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, known := l.buckets[key]; known {
		return int(l.filled(b, now))
	}
	return int(l.burst)
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

// limitRate refuses the call, with rate_limited and Retry-After, when its share is spent. The headers
// RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) say what is left of it.
func (c *call) limitRate(l *limiter, key, what string) error {
	if l.rate == 0 {
		return nil
	}
	now := c.api.Now()
	wait, ok := l.take(key, now)
	h := c.Header()
	h.Add("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", l.name, int(l.burst), int(math.Ceil(l.burst/l.rate))))
	h.Add("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", l.name, l.left(key, now), int(math.Ceil(wait.Seconds()))))
	if ok {
		return nil
	}
	return c.tooMany(what+" has used its requests for now", wait)
}

// tooMany refuses with rate_limited and Retry-After.
func (c *call) tooMany(why string, wait time.Duration) error {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	c.Header().Set("Retry-After", strconv.Itoa(seconds))
	return domain.Refuse(rateLimited, "%s; try again in %d s", why, seconds)
}
