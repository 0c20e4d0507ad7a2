package main

import (
	"crypto/rand"
	"math"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"inmail/domain"
)

// clock is the clock of every decision, in UTC and whole milliseconds. It can be set forward for tests
// (POST /v1/clock), and pinned while the sample's history is played.
type clock struct {
	ahead  atomic.Int64              // by how much it was set forward, in nanoseconds
	pinned atomic.Pointer[time.Time] // nil: it runs

	machine func() time.Time // the machine's clock, which tests set; nil: time.Now
}

// Now implements mailroom.Clock.
func (c *clock) Now() time.Time {
	if t := c.pinned.Load(); t != nil {
		return *t
	}
	now := time.Now
	if c.machine != nil {
		now = c.machine
	}
	return now().Add(time.Duration(c.ahead.Load())).UTC().Truncate(time.Millisecond)
}

// Ahead implements record.MachineClock: a clock that is pinned gives the time itself.
func (c *clock) Ahead() (moved time.Duration, runs bool) {
	if c.pinned.Load() != nil {
		return 0, false
	}
	return time.Duration(c.ahead.Load()), true
}

// Advance sets the clock forward from where it is; it runs on from there until the process ends. It refuses,
// with bad_request, to go further than a duration reaches (292 years ahead of the machine's clock): beyond,
// the clock would go backwards.
func (c *clock) Advance(d time.Duration) (time.Time, error) {
	for {
		ahead := c.ahead.Load()
		if int64(d) > math.MaxInt64-ahead {
			return time.Time{}, domain.Refuse(domain.BadRequest, "advance: the clock can go at most %s further",
				time.Duration(math.MaxInt64-ahead).Truncate(time.Second))
		}
		if c.ahead.CompareAndSwap(ahead, ahead+int64(d)) {
			return c.Now(), nil
		}
	}
}

// Pin stops the clock at t, until Unpin.
func (c *clock) Pin(t time.Time) {
	t = t.UTC().Truncate(time.Millisecond)
	c.pinned.Store(&t)
}

// Unpin starts the clock again after Pin.
func (c *clock) Unpin() { c.pinned.Store(nil) }

// uuids makes ids that sort by their time of creation (UUIDv7), and random secrets.
type uuids struct{}

// NewSecret implements mailroom.IDs.
func (uuids) NewSecret() (secret [32]byte) {
	rand.Read(secret[:]) // crypto/rand never returns an error here
	return secret
}

// NewID implements mailroom.IDs.
func (uuids) NewID() domain.ID { return domain.ID(uuid.Must(uuid.NewV7()).String()) }
